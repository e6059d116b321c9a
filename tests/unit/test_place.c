// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which core a queue lives on: where connections and I/O queues go, and what the balancer decides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "tests/fake/fake_sq.h"

static void set_load(uint32_t a, uint32_t b)
{
	atomic_store(&nvmet.cores[0]->place.load, a);
	atomic_store(&nvmet.cores[1]->place.load, b);
}

/* ---- new connections ---- */

static void test_place_accept_takes_least_load_then_fewest(void **state)
{
	static const struct {
		uint32_t load[2], nr[2];
		int core; /* -1: none */
	} cases[] = {
		{ { 0, 0 }, { 0, 0 }, 0 },
		{ { 0, 0 }, { 1, 0 }, 1 },
		{ { 0, 0 }, { 3, 3 }, 0 },
		{ { 50, 0 }, { 0, 0 }, 1 },
		/* idle queues weigh nothing, and what differs by noise is alike */
		{ { 50, 3 }, { 1, 1000 }, 1 },
		{ { 9, 0 }, { 1, 2 }, 0 },
		{ { 9, 0 }, { 2, 1 }, 1 },
		{ { 100, 90 }, { 1, 7 }, 1 },
		{ { 50, 0 }, { 0, MAX_CONNS_PER_CORE }, 0 },
		{ { 0, 0 }, { MAX_CONNS_PER_CORE, MAX_CONNS_PER_CORE }, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmet_core *core;

		set_load(cases[i].load[0], cases[i].load[1]);
		for (int k = 0; k < 2; k++)
			atomic_store(&nvmet.cores[k]->nr_conns, cases[i].nr[k]);
		core = nvmet_place_accept();
		if ((core ? core->index : -1) != cases[i].core)
			fail_msg("case %zu: core %d", i, core ? core->index : -1);
	}
}

static void test_place_queues_of_a_controller_spread(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1), *q[6];

	(void)state;
	/* All came in on core 0, which is busier at that. */
	set_load(60, 0);
	assert_null(admin->sq.place);
	for (int i = 0; i < 6; i++) {
		q[i] = fake_io_queue(admin, (uint16_t)(i + 1), 0);
		assert_non_null(q[i]);
		assert_ptr_equal(q[i]->sq.place, nvmet.cores[(i + 1) % 2]);
	}
	assert_int_equal(nvmet.cores[0]->place.nr_io, 3);
	assert_int_equal(nvmet.cores[1]->place.nr_io, 3);
	/* One that goes makes room for the next. */
	fake_sq_free(q[1]);
	fake_sq_free(q[3]);
	assert_int_equal(nvmet.cores[0]->place.nr_io, 1);
	q[1] = fake_io_queue(admin, 2, 1);
	assert_ptr_equal(q[1]->sq.place, nvmet.cores[0]);
	for (int i = 0; i < 6; i++)
		if (i != 3)
			fake_sq_free(q[i]);
	fake_sq_free(admin);
	assert_int_equal(nvmet.cores[0]->place.nr_io + nvmet.cores[1]->place.nr_io, 0);
}

static void test_place_single_queues_of_many_hosts_spread(void **state)
{
	struct fake_sq *admin[8], *q[8];

	(void)state;
	/* As they come when admin and I/O queues take turns: all I/O queues on core 1. */
	for (int i = 0; i < 8; i++) {
		admin[i] = fake_host(FAKE_SUBSYS, FAKE_HOST, (uint8_t)(i + 1));
		q[i] = fake_io_queue(admin[i], 1, 1);
	}
	assert_int_equal(nvmet.cores[0]->place.nr_io, 4);
	assert_int_equal(nvmet.cores[1]->place.nr_io, 4);
	/* What is busy gets no more before the other has caught up. */
	fake_sq_free(q[7]);
	fake_sq_free(q[6]);
	set_load(100, 0);
	nvmet.cores[0]->place.nr_fresh = nvmet.cores[1]->place.nr_fresh = 0;
	for (int i = 6; i < 8; i++) {
		q[i] = fake_io_queue(admin[i], 1, 0);
		assert_ptr_equal(q[i]->sq.place, nvmet.cores[1]);
	}
	for (int i = 0; i < 8; i++) {
		fake_sq_free(q[i]);
		fake_sq_free(admin[i]);
	}
}

static void test_place_off_leaves_queues_where_they_came(void **state)
{
	char *json = NULL;
	struct fake_sq *admin, *q[3];

	(void)state;
	fake_nvmet_stop();
	assert_true(asprintf(&json, "{\"nvmetcpd\":{\"balance\":false,%s",
			     fake_json + strlen("{\"nvmetcpd\":{")) > 0);
	fake_nvmet_start(json);
	free(json);
	admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	set_load(100, 0);
	for (int i = 0; i < 3; i++) {
		q[i] = fake_io_queue(admin, (uint16_t)(i + 1), 0);
		assert_ptr_equal(q[i]->sq.place, nvmet.cores[0]);
	}
	for (int i = 0; i < 3; i++)
		fake_sq_free(q[i]);
	fake_sq_free(admin);
}

/* ---- when to move ---- */

static void test_balance_waits_for_lasting_imbalance(void **state)
{
	static const struct {
		uint32_t load[3];
		int from, to; /* -1: nothing */
	} seconds[] = {
		{ { 100, 0, 50 }, -1, 0 },
		{ { 100, 0, 50 }, -1, 0 },
		{ { 100, 0, 50 }, 0, 1 },
		/* the next one not before its effect shows */
		{ { 100, 0, 50 }, -1, 0 },
		{ { 100, 20, 50 }, 0, 1 },
		{ { 100, 20, 50 }, -1, 0 },
		/* no room elsewhere, not saturated: from the beginning */
		{ { 100, 71, 90 }, -1, 0 },
		{ { 100, 20, 90 }, -1, 0 },
		{ { 84, 0, 0 }, -1, 0 },
		{ { 100, 20, 90 }, -1, 0 },
		{ { 100, 20, 90 }, -1, 0 },
		/* another one is the busiest now */
		{ { 90, 20, 100 }, -1, 0 },
		{ { 90, 20, 100 }, -1, 0 },
		{ { 90, 50, 100 }, 2, 1 },
		{ { 0, 0, 0 }, -1, 0 },
	};
	struct nvmet_balance b = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		int from = -1, to = -1;
		bool move = nvmet_balance_step(&b, seconds[i].load, 3, &from, &to);

		if (move != (seconds[i].from >= 0) ||
		    (move && (from != seconds[i].from || to != seconds[i].to)))
			fail_msg("second %zu: %d, %d to %d", i, move, from, to);
	}
}

enum { MAX_RATES = 6 };

/* Queues with @rate each on core 0; an entry of @fixed says which must not move. Return: which. */
static int choose(const uint32_t *rate, const char *fixed, uint32_t load, uint32_t load_to)
{
	struct nvmet_core *core = nvmet.cores[0];
	struct nvmet_conn conn[MAX_RATES] = { 0 }, *best;

	for (int i = 0; i < MAX_RATES; i++) {
		conn[i].sq.qid = fixed[i] != 'a';
		conn[i].state = fixed[i] == 'd' ? CONN_DRAIN : CONN_LIVE;
		conn[i].move.to = fixed[i] == 'm' ? core : NULL;
		conn[i].move.since_ns = fixed[i] == 'r' ? clock_now_ns() : 0;
		conn[i].move.rate = rate[i];
		list_add_tail(&core->conns, &conn[i].link);
	}
	best = nvmet_balance_queue(core, load, load_to);
	list_init(&core->conns);
	return best ? (int)(best - conn) : -1;
}

static void test_balance_picks_the_queue_that_evens_out(void **state)
{
	static const struct {
		uint32_t rate[MAX_RATES];
		const char *fixed; /* a: admin queue, r: moved just now, m: is moving, d: drains */
		uint32_t load, load_to;
		int queue;
	} cases[] = {
		{ { 0 }, "......", 100, 0, -1 },
		{ { 900 }, "......", 100, 0, -1 }, /* alone: the problem would only move */
		{ { 900, 900 }, "......", 100, 0, 0 },
		{ { 900, 900 }, "......", 100, 60, -1 }, /* 50 and 110 are no better */
		{ { 900, 900, 900, 900 }, "......", 100, 60, 0 },
		{ { 10, 600, 300, 90 }, "......", 100, 0, 1 },
		{ { 10, 600, 300, 90 }, "......", 100, 50, 2 },
		{ { 10, 600, 300, 90 }, "r.r...", 100, 50, 3 },
		{ { 600, 500, 300 }, "a.....", 100, 0, 1 },
		{ { 600, 500, 300 }, "am....", 100, 0, 2 },
		{ { 600, 500, 300 }, "admr..", 100, 0, -1 },
		{ { 990, 10 }, "......", 100, 0, -1 }, /* one busy queue */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int queue = choose(cases[i].rate, cases[i].fixed, cases[i].load, cases[i].load_to);

		if (queue != cases[i].queue)
			fail_msg("case %zu: queue %d", i, queue);
	}
}

static void test_balance_of_any_load_never_goes_back_and_forth(void **state)
{
	/* Two queues with every split of a core's load, and every load of the other core. */
	(void)state;
	for (uint32_t x = 5; x <= 95; x += 5) {
		for (uint32_t load_to = 0; load_to <= 95; load_to += 5) {
			const uint32_t rate[MAX_RATES] = { x, 100 - x };
			int queue = choose(rate, "......", 100, load_to), back;
			uint32_t load, other;

			if (queue < 0)
				continue;
			load = load_to + rate[queue];
			other = 100 - rate[queue];
			assert_true(load <= 100 - NVMET_LOAD_GAIN);
			back = choose((uint32_t[MAX_RATES]){ rate[queue], load_to }, "......", load,
				      other);
			assert_int_not_equal(back, 0);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_place_accept_takes_least_load_then_fewest),
		TEST(test_place_queues_of_a_controller_spread),
		TEST(test_place_single_queues_of_many_hosts_spread),
		TEST(test_place_off_leaves_queues_where_they_came),
		TEST(test_balance_waits_for_lasting_imbalance),
		TEST(test_balance_picks_the_queue_that_evens_out),
		TEST(test_balance_of_any_load_never_goes_back_and_forth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
