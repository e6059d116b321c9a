// SPDX-License-Identifier: BSD-2-Clause
/*
 * The arena of buffer memory: shape, sharing, refusals.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/mem.h"
#include "common/util.h"

enum {
	CHUNK = 2 << 20,
};

static void check_arena(struct mem_arena *a, size_t len)
{
	struct stat st;
	char *p;

	assert_int_equal((uintptr_t)a->base % CHUNK, 0);
	assert_int_equal(a->len, len);
	assert_int_equal(a->used, 0);
	assert_true(a->page_size == CHUNK || a->page_size == (size_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(fstat(a->fd, &st), 0);
	assert_int_equal(st.st_size, len);
	assert_int_equal(st.st_blocks * 512, len); /* all of it is there */
	assert_true(fcntl(a->fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate(a->fd, 0), -1); /* nobody can take it away */
	/* another mapping of the descriptor shows the same bytes */
	memset(a->base, 0x5a, len);
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, a->fd, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(p[0], 0x5a);
	assert_int_equal(p[len - 1], 0x5a);
	munmap(p, len);
}

static void test_mem_arena_is_aligned_populated_shared(void **state)
{
	static const struct {
		size_t len;
		size_t real;
		enum mem_huge huge;
	} cases[] = {
		{ 1, CHUNK, MEM_HUGE_OFF },
		{ CHUNK, CHUNK, MEM_HUGE_OFF },
		{ CHUNK + 1, 2 * CHUNK, MEM_HUGE_OFF },
		{ 3 * CHUNK, 3 * CHUNK, MEM_HUGE_AUTO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mem_arena a;

		assert_int_equal(mem_arena_init(&a, cases[i].len, cases[i].huge), 0);
		check_arena(&a, cases[i].real);
		mem_arena_done(&a);
		assert_null(a.base);
		assert_int_equal(a.fd, -1);
		mem_arena_done(&a);
	}
}

static void test_mem_arena_huge_pages_or_clear_refusal(void **state)
{
	struct mem_arena a = { .fd = -7 };
	int ret;

	(void)state;
	ret = mem_arena_init(&a, CHUNK, MEM_HUGE_ON);
	if (ret) {
		print_message("no 2 MiB pages reserved here: only the refusal is tested\n");
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(a.fd, -7); /* nothing written */
		return;
	}
	assert_int_equal(a.page_size, CHUNK);
	check_arena(&a, CHUNK);
	mem_arena_done(&a);
}

static void test_mem_arena_impossible_size_is_refused(void **state)
{
	static const struct {
		size_t len;
		int ret;
	} cases[] = {
		{ 0, -EINVAL },
		{ SIZE_MAX, -EINVAL },
		{ 1ull << 46, -ENOMEM }, /* no machine has it; touching it would kill us */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mem_arena a = { .fd = -7 };

		assert_int_equal(mem_arena_init(&a, cases[i].len, MEM_HUGE_OFF), cases[i].ret);
		assert_int_equal(a.fd, -7);
		assert_true(mem_arena_init(&a, cases[i].len, MEM_HUGE_ON) < 0);
		assert_int_equal(a.fd, -7);
	}
}

static void test_mem_arena_carves_until_used_up(void **state)
{
	struct mem_arena a;
	char *start;

	(void)state;
	assert_int_equal(mem_arena_init(&a, 4 * CHUNK, MEM_HUGE_OFF), 0);
	start = a.base;
	assert_null(mem_arena_carve(&a, 0));
	assert_null(mem_arena_carve(&a, 4 * CHUNK + 1));
	assert_ptr_equal(mem_arena_carve(&a, 1), start);
	assert_ptr_equal(mem_arena_carve(&a, CHUNK + 1), start + CHUNK);
	assert_null(mem_arena_carve(&a, CHUNK + 1));
	assert_null(mem_arena_carve(&a, SIZE_MAX));
	assert_ptr_equal(mem_arena_carve(&a, CHUNK), start + 3 * CHUNK);
	assert_null(mem_arena_carve(&a, 1));
	mem_arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_arena_is_aligned_populated_shared),
		cmocka_unit_test(test_mem_arena_huge_pages_or_clear_refusal),
		cmocka_unit_test(test_mem_arena_impossible_size_is_refused),
		cmocka_unit_test(test_mem_arena_carves_until_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
