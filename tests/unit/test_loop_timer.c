// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop in one thread: timers through libevent, what time does to the spin window, and which
 * time counts as busy.
 */
#include <event2/event.h>

#include "tests/unit/loop_probe.h"

#include "common/clock.h"
#include "common/loop_impl.h"

/* ---------------------------------------------------------------- timers */

static void test_loop_timer_fires_in_order_never_early(void **state)
{
	static const uint32_t ms[] = { 600, 0, 400, 200 }; /* far more than starting them takes */
	static const char *const names[] = { "d", "a", "c", "b" };
	struct tick k[ARRAY_SIZE(ms)];

	(void)state;
	loop_new(0);
	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		tick_init(&k[i], names[i], tick_seen);
		tick_start(&k[i], ms[i]);
	}
	ticks_left = ARRAY_SIZE(ms);
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(trace, "a b c d ");
	for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
		loop_timer_done(&k[i].timer);
	loop_timer_done(&k[0].timer);
	loop_end();
}

static void test_loop_timer_restarted_fires_once_at_the_new_time(void **state)
{
	struct tick late;
	struct tick stopped;
	struct tick end;

	(void)state;
	loop_new(0);
	tick_init(&late, "late", tick_seen);
	tick_init(&stopped, "stp", tick_seen);
	tick_init(&end, "end", tick_seen);
	tick_start(&late, 1);
	tick_start(&late, 30);
	tick_start(&stopped, 1);
	loop_timer_stop(&stopped.timer);
	loop_timer_stop(&stopped.timer);
	assert_false(stopped.timer.armed);
	tick_start(&end, 60);
	ticks_left = 2;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(late.fired, 1);
	assert_int_equal(stopped.fired, 0);
	loop_timer_done(&late.timer);
	loop_timer_done(&stopped.timer);
	loop_timer_done(&end.timer);
	loop_end();
}

static void tick_stop_other(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	loop_timer_stop(&k->other->timer);
	tick_seen(t);
}

static void tick_postpone_other(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	/* once: the other one, due as well, comes later */
	if (!k->fired && !k->other->fired)
		tick_start(k->other, 25);
	tick_seen(t);
}

static void tick_free_both(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	tick_seen(t);
	loop_timer_done(&k->other->timer);
	loop_timer_done(t);
	free(k->other);
	free(k);
}

static void tick_again(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	tick_seen(t);
	if (k->again-- > 0)
		tick_start(k, (uint32_t)(k->again % 3));
}

static void both_due(struct tick *a, struct tick *b, void (*fn)(struct loop_timer *))
{
	tick_init(a, "", fn);
	tick_init(b, "", fn);
	a->other = b;
	b->other = a;
	tick_start(a, 0);
	tick_start(b, 0);
}

static void test_loop_timer_callback_changes_due_timers(void **state)
{
	struct tick a;
	struct tick b;
	struct tick *c = malloc(sizeof(*c));
	struct tick *d = malloc(sizeof(*d));

	(void)state;
	assert_non_null(c);
	assert_non_null(d);
	loop_new(1000000);
	both_due(&a, &b, tick_stop_other);
	ticks_left = -1;
	run_turns(5);
	assert_int_equal(a.fired + b.fired, 1);
	loop_timer_done(&a.timer);
	loop_timer_done(&b.timer);

	both_due(&a, &b, tick_postpone_other);
	ticks_left = 2;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 1);
	loop_timer_done(&a.timer);
	loop_timer_done(&b.timer);

	both_due(c, d, tick_free_both);
	ticks_left = -1;
	run_turns(5);
	assert_int_equal(ticks_left, -2); /* one fired and took the other along */

	tick_init(&a, "", tick_again);
	a.again = 20;
	tick_start(&a, 1);
	ticks_left = 21;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(a.fired, 21);
	loop_timer_done(&a.timer);
	loop_end();
}

static void test_loop_timer_thousands_random_fire_as_armed(void **state)
{
	enum {
		NR = 3000,
	};
	struct tick *k = calloc(NR, sizeof(*k));
	unsigned int seed = (unsigned int)clock_now_ns();
	int expected = 0;

	(void)state;
	assert_non_null(k);
	print_message("seed=%u\n", seed);
	loop_new(0);
	for (int i = 0; i < NR; i++) {
		tick_init(&k[i], "", tick_seen);
		tick_start(&k[i], (uint32_t)rand_r(&seed) % 60);
	}
	for (int i = 0; i < 3 * NR; i++) {
		struct tick *one = &k[rand_r(&seed) % NR];

		if (rand_r(&seed) % 3)
			tick_start(one, (uint32_t)rand_r(&seed) % 60);
		else
			loop_timer_stop(&one->timer);
	}
	for (int i = 0; i < NR; i++) {
		k[i].again = k[i].timer.armed;
		expected += k[i].again;
	}
	ticks_left = expected;
	assert_int_equal(loop_run(loop), 0);
	for (int i = 0; i < NR; i++) {
		assert_int_equal(k[i].fired, k[i].again);
		loop_timer_done(&k[i].timer);
	}
	free(k);
	loop_end();
}

static bool alloc_fails;

static void *maybe_realloc(void *p, size_t size)
{
	return alloc_fails ? NULL : realloc(p, size);
}

static void heal(struct loop_timer *t)
{
	alloc_fails = false;
	tick_seen(t);
}

static void test_loop_timer_without_memory_is_not_lost(void **state)
{
	enum {
		NR = 100,
	};
	struct tick k[NR];
	struct tick healer;

	(void)state;
	loop_new(0);
	tick_init(&healer, "", heal);
	tick_start(&healer, 20);
	for (int i = 0; i < NR; i++)
		tick_init(&k[i], "", tick_seen);
	alloc_fails = true; /* libevent's heap can no longer grow */
	for (int i = 0; i < NR; i++)
		tick_start(&k[i], (uint32_t)i % 40);
	assert_false(list_empty(&loop->works)); /* else this tests nothing */
	loop_timer_stop(&k[NR - 1].timer);
	tick_start(&k[NR - 2], 50);
	loop_timer_done(&k[NR - 3].timer);
	ticks_left = NR - 2 + 1;
	assert_int_equal(loop_run(loop), 0);
	assert_false(alloc_fails);
	for (int i = 0; i < NR; i++) {
		assert_int_equal(k[i].fired, i != NR - 1 && i != NR - 3);
		loop_timer_done(&k[i].timer);
	}
	loop_timer_done(&healer.timer);
	loop_end();
}

/* ---------------------------------------------------------------- time and the spin window */

static uint64_t now_before_ns;

static void timer_now(struct loop_timer *t)
{
	/* blocking took at least as long as the timer, and the loop's time shows it already */
	assert_true(loop_now_ns(loop) >= now_before_ns + 5000000u);
	tick_seen(t);
}

static void test_loop_now_is_fresh_after_blocking(void **state)
{
	struct tick k;

	(void)state;
	loop_new(0);
	tick_init(&k, "", timer_now);
	now_before_ns = clock_now_ns();
	tick_start(&k, 5);
	ticks_left = 1;
	assert_int_equal(loop_run(loop), 0);
	loop_timer_done(&k.timer);
	loop_end();
}

enum {
	SPIN_MS = 40,
	IDLE_MS = 200, /* with what a busy machine adds still no pause, which would not count */
};

/* Idle times of @IDLE_MS and more against a spin time, until @sleeps says that it agrees. */
static void assert_comes_to_sleep(uint64_t spin_ms, bool sleeps)
{
	struct loop_stats before, after;
	struct tick k;

	loop->spin.spin_ns = spin_ms * 1000000;
	tick_init(&k, "", tick_seen);
	for (int tries = 0; tries < 100; tries++) {
		loop_get_stats(loop, &before);
		ticks_left = 1;
		tick_start(&k, IDLE_MS);
		assert_int_equal(loop_run(loop), 0);
		loop_get_stats(loop, &after);
		if (sleeps ? after.turns - before.turns < 10 : after.sleeps == before.sleeps)
			break;
		assert_int_not_equal(tries, 99);
	}
	loop_timer_done(&k.timer);
}

static void test_loop_spins_when_idle_times_are_short_and_sleeps_at_once_when_long(void **state)
{
	(void)state;
	loop_new(1000);
	assert_comes_to_sleep(SPIN_MS, true);
	assert_comes_to_sleep(3600000, false);
	assert_comes_to_sleep(SPIN_MS, true);
	loop_end();
}

enum {
	BUSY_MS = 5,
	SLEEP_MS = 200,
	LATE_MS = 150, /* the sleep begins so much later at most than its timer */
};

static struct loop_timer end_timer;

static void end_loop(struct loop_timer *t)
{
	loop_stop(t->loop);
}

static void work_hard(struct loop_work *w)
{
	uint64_t until = clock_now_ns() + BUSY_MS * 1000000ull;

	(void)w;
	while (clock_now_ns() < until)
		;
	loop_timer_start(&end_timer, SLEEP_MS);
}

static void test_loop_busy_time_is_that_of_work(void **state)
{
	struct loop_stats st;
	struct loop_work work;
	uint64_t began;

	(void)state;
	loop_new(0);
	assert_int_equal(loop_timer_init(loop, &end_timer, end_loop), 0);
	loop_work_init(&work, work_hard);
	loop_defer(loop, &work);
	began = clock_now_ns();
	assert_int_equal(loop_run(loop), 0);
	loop_get_stats(loop, &st);
	assert_true(st.busy_ns >= BUSY_MS * 1000000ull);
	assert_true(st.busy_ns + (SLEEP_MS - LATE_MS) * 1000000ull <= clock_now_ns() - began);
	loop_timer_done(&end_timer);
	loop_end();
}

static void test_loop_spinning_is_not_busy(void **state)
{
	struct loop_stats before, after;

	(void)state;
	loop_new(1000000);
	run_turns(2);
	loop_get_stats(loop, &before);
	run_turns(5);
	loop_get_stats(loop, &after);
	assert_int_equal(after.turns - before.turns, 5);
	assert_int_equal(after.busy_ns, before.busy_ns);
	loop_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_timer_fires_in_order_never_early),
		cmocka_unit_test(test_loop_timer_restarted_fires_once_at_the_new_time),
		cmocka_unit_test(test_loop_timer_callback_changes_due_timers),
		cmocka_unit_test(test_loop_timer_thousands_random_fire_as_armed),
		cmocka_unit_test(test_loop_timer_without_memory_is_not_lost),
		cmocka_unit_test(test_loop_now_is_fresh_after_blocking),
		cmocka_unit_test(
			test_loop_spins_when_idle_times_are_short_and_sleeps_at_once_when_long),
		cmocka_unit_test(test_loop_busy_time_is_that_of_work),
		cmocka_unit_test(test_loop_spinning_is_not_busy),
	};

	alarm(120); /* a lost wake-up would hang */
	event_set_mem_functions(malloc, maybe_realloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
