// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages of a memory namespace: against a plain array, what stays as it was while it is held, limits
 * and exhaustion, and several cores at once.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/util.h"
#include "target/pages.h"

enum {
	SHIFT = 12,
	PAGE = 1 << SHIFT,
	PARTS = 300,
	MAX_HELD = NVMET_PAGES_HELD_BYTES >> SHIFT,
	PINS = 16,
};

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

static struct nvmet_pages *make(uint64_t parts, int nr_cores)
{
	struct nvmet_pages *p = NULL;

	assert_int_equal(nvmet_pages_create(parts << SHIFT, SHIFT, nr_cores, &p), 0);
	return p;
}

static void clear(struct nvmet_pages *p, int core, uint64_t first, uint64_t nr)
{
	while (nr) {
		uint64_t done = nvmet_pages_clear(p, core, first, nr, 7);

		assert_true(done && done <= nr);
		first += done;
		nr -= done;
	}
}

static void assert_part(struct nvmet_pages *p, int core, uint64_t index, const uint8_t *want)
{
	static const uint8_t zeroes[PAGE];
	const uint8_t *page = nvmet_page_pin(p, core, index);

	assert_memory_equal(page ? page : zeroes, want, PAGE);
	if (page)
		nvmet_page_put(p, core, page);
}

struct pinned {
	const uint8_t *page;
	uint8_t was[PAGE];
};

static void unpin(struct nvmet_pages *p, struct pinned *pin)
{
	if (!pin->page)
		return;
	assert_memory_equal(pin->page, pin->was, PAGE);
	nvmet_page_put(p, 0, pin->page);
	pin->page = NULL;
}

/* One random change of @p and of @model. */
static void change(struct nvmet_pages *p, uint8_t *model)
{
	uint64_t index = rnd(PARTS), nr = min_of(1 + rnd(200), (uint32_t)(PARTS - index));
	uint32_t off = rnd(PAGE), len = 1 + rnd(PAGE - off);
	uint8_t src[PAGE], *page;

	memset(src, 1 + (int)rnd(255), sizeof(src));
	switch (rnd(4)) {
	case 0:
		page = nvmet_page_new(p, 0);
		memcpy(page, src, PAGE);
		nvmet_page_publish(p, 0, index, page);
		memcpy(model + index * PAGE, src, PAGE);
		break;
	case 1:
		nvmet_page_write(p, 0, index, off, src, len);
		memcpy(model + index * PAGE + off, src, len);
		break;
	case 2:
		nvmet_page_write(p, 0, index, off, NULL, len);
		memset(model + index * PAGE + off, 0, len);
		break;
	default:
		clear(p, 0, index, nr);
		memset(model + index * PAGE, 0, nr * PAGE);
	}
}

static void test_pages_random_changes_match_a_model_and_spare_who_looks(void **state)
{
	struct nvmet_pages *p = make(PARTS, 1);
	uint8_t *model = calloc(PARTS, PAGE);
	struct pinned pins[PINS] = { 0 };

	(void)state;
	assert_non_null(model);
	for (int i = 0; i < 20000; i++) {
		struct pinned *pin = &pins[rnd(PINS)];
		uint64_t index = rnd(PARTS);

		change(p, model);
		assert_part(p, 0, index, model + index * PAGE);
		unpin(p, pin);
		pin->page = nvmet_page_pin(p, 0, index);
		if (pin->page)
			memcpy(pin->was, pin->page, PAGE);
	}
	for (int i = 0; i < PINS; i++)
		unpin(p, &pins[i]);
	for (uint64_t i = 0; i < PARTS; i++)
		assert_part(p, 0, i, model + i * PAGE);
	free(model);
	nvmet_pages_free(p);
}

/* Everything written, all that may be held is held by pins of pages that were replaced since. */
static void test_pages_full_and_held_to_the_limit_still_takes_writes(void **state)
{
	enum { ALL = MAX_HELD + 10 };
	struct nvmet_pages *p = make(ALL, 2);
	const uint8_t **held = calloc(MAX_HELD, sizeof(*held));
	uint8_t src[PAGE];

	(void)state;
	assert_non_null(held);
	memset(src, 7, sizeof(src));
	for (uint64_t i = 0; i < ALL; i++)
		nvmet_page_write(p, (int)(i & 1), i, 0, src, PAGE);
	assert_true(nvmet_pages_hold(p, 0, MAX_HELD));
	assert_false(nvmet_pages_hold(p, 0, 1));
	assert_true(nvmet_pages_hold(p, 1, 1));
	for (uint64_t i = 0; i < MAX_HELD; i++)
		held[i] = nvmet_page_pin(p, 0, i);
	memset(src, 8, sizeof(src));
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < ALL; i++)
			nvmet_page_write(p, round & 1, i, round, src, (size_t)(PAGE - round));
	for (uint64_t i = 0; i < MAX_HELD; i++) {
		assert_int_equal(held[i][PAGE - 1], 7);
		nvmet_page_put(p, 0, held[i]);
	}
	nvmet_pages_release(p, 0, MAX_HELD);
	assert_true(nvmet_pages_hold(p, 0, 1));
	nvmet_pages_release(p, 0, 1);
	for (uint64_t i = 0; i < ALL; i++)
		assert_part(p, 1, i, src);
	free(held);
	nvmet_pages_free(p);
}

static void test_pages_clear_passes_over_what_was_never_written(void **state)
{
	struct nvmet_pages *p = make(UINT64_C(1) << 24, 1);
	static const uint8_t zeroes[PAGE];
	uint8_t src[PAGE];
	uint64_t far = (UINT64_C(1) << 23) + 5;

	(void)state;
	memset(src, 3, sizeof(src));
	nvmet_page_write(p, 0, far, 0, src, PAGE);
	/* 16384 groups of 1024: one look at each but one, 1024 at that */
	assert_int_equal(nvmet_pages_clear(p, 0, 0, UINT64_C(1) << 24, 20000), 1 << 24);
	assert_part(p, 0, far, zeroes);
	nvmet_pages_free(p);
}

static void test_pages_create_refuses_what_it_cannot_number(void **state)
{
	struct nvmet_pages *p = NULL;

	(void)state;
	assert_int_equal(nvmet_pages_create(UINT64_C(1) << 44, SHIFT, 1, &p), -EFBIG);
	assert_null(p);
	nvmet_pages_free(NULL);
}

/* ---- several cores ---- */

enum { THREADS = 3, SHARED_PARTS = 4, STEPS = 30000 };

struct actor {
	pthread_t thread;
	struct nvmet_pages *p;
	int core;
	uint64_t rnd;
	bool torn;
};

static uint32_t actor_rnd(struct actor *a, uint32_t n)
{
	a->rnd = a->rnd * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(a->rnd >> 33) % n;
}

/* Whole pages have one value; parts are written so that the second half is one more than the first. */
static bool consistent(const uint8_t *page)
{
	for (int i = 1; i < PAGE / 2; i++)
		if (page[i] != page[0] || page[PAGE / 2 + i] != page[PAGE / 2])
			return false;
	return true;
}

static void *act(void *arg)
{
	struct actor *a = arg;
	uint8_t src[PAGE];

	for (int i = 0; i < STEPS && !a->torn; i++) {
		uint64_t index = actor_rnd(a, SHARED_PARTS);
		const uint8_t *page;

		memset(src, (int)actor_rnd(a, 256), sizeof(src));
		switch (actor_rnd(a, 8)) {
		case 0:
			nvmet_page_write(a->p, a->core, index, 0, src, PAGE);
			break;
		case 1:
			nvmet_page_write(a->p, a->core, index, 0, src, PAGE / 2);
			break;
		case 2:
			nvmet_page_write(a->p, a->core, index, PAGE / 2, src, PAGE / 2);
			break;
		case 3:
			clear(a->p, a->core, index, SHARED_PARTS - index);
			break;
		default:
			page = nvmet_page_pin(a->p, a->core, index);
			if (!page)
				break;
			a->torn = !consistent(page);
			nvmet_page_put(a->p, a->core, page);
		}
	}
	return NULL;
}

static void test_pages_of_several_cores_are_never_torn_and_never_lost(void **state)
{
	/* The pages beyond those shared are there to be all in use at the end. */
	enum { ALL = 2000 };
	struct nvmet_pages *p = make(ALL, THREADS);
	struct actor actors[THREADS];
	uint8_t src[PAGE];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		actors[i] = (struct actor){ .p = p, .core = i, .rnd = seed + (uint64_t)i };
		assert_int_equal(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(actors[i].thread, NULL);
		assert_false(actors[i].torn);
	}
	/* Every page is still to be had: all parts, and all that may be held. */
	memset(src, 9, sizeof(src));
	for (uint64_t i = 0; i < ALL; i++)
		nvmet_page_write(p, 0, i, 0, src, PAGE);
	for (int core = 0; core < THREADS; core++)
		for (int i = 0; i < MAX_HELD; i++)
			memset(nvmet_page_new(p, core), 1, 1);
	for (uint64_t i = 0; i < ALL; i++)
		assert_part(p, 0, i, src);
	nvmet_pages_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_random_changes_match_a_model_and_spare_who_looks),
		cmocka_unit_test(test_pages_full_and_held_to_the_limit_still_takes_writes),
		cmocka_unit_test(test_pages_clear_passes_over_what_was_never_written),
		cmocka_unit_test(test_pages_create_refuses_what_it_cannot_number),
		cmocka_unit_test(test_pages_of_several_cores_are_never_torn_and_never_lost),
	};

	seed = clock_now_ns() | 1;
	printf("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
