// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop in one thread: descriptors, timers and signals through libevent, and what time
 * does to the spin window.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>

#include "tests/unit/loop_probe.h"

#include "common/clock.h"
#include "common/loop_impl.h"

/* ---------------------------------------------------------------- descriptors */

static void test_loop_io_ready_is_level_triggered(void **state)
{
	struct end *e;

	(void)state;
	loop_new(1000000);
	e = end_new(LOOP_READ, end_seen);
	run_turns(2);
	assert_int_equal(e->calls, 0);
	end_feed(e);
	run_turns(3);
	assert_int_equal(e->calls, 3);
	assert_int_equal(e->events, LOOP_READ);
	end_free(e);
	loop_end();
}

static void test_loop_io_set_changes_what_is_reported(void **state)
{
	static const struct {
		unsigned int set;
		unsigned int expect;
	} steps[] = {
		{ 0, 0 },
		{ LOOP_WRITE, LOOP_WRITE },
		{ LOOP_READ | LOOP_WRITE, LOOP_READ | LOOP_WRITE },
		{ LOOP_READ, LOOP_READ },
		{ LOOP_READ, LOOP_READ },
		{ 0, 0 },
	};
	struct end *e;

	(void)state;
	loop_new(1000000);
	e = end_new(0, end_seen);
	end_feed(e);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(loop_io_set(&e->io, steps[i].set), 0);
		e->calls = 0;
		e->events = 0;
		run_turns(1);
		assert_int_equal(e->calls, steps[i].expect ? 1 : 0);
		assert_int_equal(e->events, steps[i].expect);
	}
	end_free(e);
	loop_end();
}

static void test_loop_io_on_what_epoll_refuses_fails(void **state)
{
	struct loop_io io = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	loop_new(0);
	assert_true(fd >= 0);
	assert_int_equal(loop_io_add(loop, &io, fd, LOOP_READ, end_seen), -EPERM);
	assert_null(io.ev);
	loop_io_del(&io);
	/* registered without events it is accepted, and fails when some are asked for */
	assert_int_equal(loop_io_add(loop, &io, fd, 0, end_seen), 0);
	assert_int_equal(loop_io_set(&io, LOOP_READ), -EPERM);
	assert_int_equal(loop_io_set(&io, LOOP_READ), -EPERM);
	loop_io_del(&io);
	loop_io_del(&io);
	close(fd);
	loop_end();
}

static int kills;

static void end_kill(struct loop_io *io, unsigned int events)
{
	struct end *e = container_of(io, struct end, io);

	(void)events;
	kills++;
	if (e->victim) {
		e->victim->victim = NULL;
		end_free(e->victim);
	}
	end_free(e);
}

static void test_loop_io_freed_by_callbacks_is_not_called(void **state)
{
	struct end *a;
	struct end *b;

	(void)state;
	for (int fed_first = 0; fed_first < 2; fed_first++) {
		loop_new(1000000);
		a = end_new(LOOP_READ, end_kill);
		b = end_new(LOOP_READ | LOOP_WRITE, end_kill);
		a->victim = b;
		b->victim = a;
		end_feed(fed_first ? b : a);
		end_feed(fed_first ? a : b);
		kills = 0;
		run_turns(3);
		assert_int_equal(kills, 1); /* both were ready in the first turn */
		loop_end();
	}
}

static struct end *born;

static void end_bear(struct loop_io *io, unsigned int events)
{
	(void)events;
	loop_io_set(io, 0);
	born = end_new(LOOP_READ, end_seen);
	end_feed(born);
}

static void test_loop_io_added_in_callback_is_watched(void **state)
{
	struct end *e;

	(void)state;
	loop_new(1000000);
	e = end_new(LOOP_READ, end_bear);
	end_feed(e);
	run_turns(3);
	assert_int_equal(born->calls, 2);
	end_free(born);
	end_free(e);
	loop_end();
}

/* ---------------------------------------------------------------- timers */

struct tick {
	struct loop_timer timer;
	uint64_t due_ns;
	int fired;
	int again;
	struct tick *other;
	char name[4];
};

static int ticks_left;

static void tick_seen(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	assert_false(t->armed);
	assert_true(clock_now_ns() >= k->due_ns);
	k->fired++;
	if (k->name[0])
		note(k->name);
	if (--ticks_left == 0)
		loop_stop(loop);
}

static void tick_start(struct tick *k, uint32_t ms)
{
	k->due_ns = clock_now_ns() + ms * 1000000ull;
	loop_timer_start(&k->timer, ms);
}

static void tick_init(struct tick *k, const char *name, void (*fn)(struct loop_timer *))
{
	memset(k, 0, sizeof(*k));
	snprintf(k->name, sizeof(k->name), "%s", name);
	assert_int_equal(loop_timer_init(loop, &k->timer, fn), 0);
}

static void test_loop_timer_fires_in_order_never_early(void **state)
{
	static const uint32_t ms[] = { 60, 0, 40, 20 };
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

/* Idle times of 3 ms and more against a spin time of @spin_ns, until @sleeps says that it agrees. */
static void assert_comes_to_sleep(uint64_t spin_ns, bool sleeps)
{
	struct loop_stats before, after;
	struct tick k;

	loop->spin.spin_ns = spin_ns;
	tick_init(&k, "", tick_seen);
	for (int tries = 0; tries < 100; tries++) {
		loop_get_stats(loop, &before);
		ticks_left = 1;
		tick_start(&k, 3);
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
	assert_comes_to_sleep(1000000, true);
	assert_comes_to_sleep(3600000000000u, false);
	assert_comes_to_sleep(1000000, true);
	loop_end();
}

/* ---------------------------------------------------------------- hot descriptors */

enum { HOT_PIPES = 12 };

struct hot_pipe {
	struct loop_io io;
	int fd[2];
	int got;
	bool gone;
};

static struct hot_pipe hot_pipes[HOT_PIPES];
static int hot_left;

static void hot_read(struct loop_io *io, unsigned int events)
{
	struct hot_pipe *p = container_of(io, struct hot_pipe, io);
	char c;

	assert_true(events & LOOP_READ);
	assert_false(p->gone);
	if (read(p->fd[0], &c, 1) != 1) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	loop_io_hot(io);
	p->got++;
	if (c == 'x') { /* deletes itself and its neighbour */
		for (int i = 0; i < 2; i++) {
			struct hot_pipe *victim = &hot_pipes[((p - hot_pipes) + i) % HOT_PIPES];

			loop_io_del(&victim->io);
			victim->gone = true;
		}
	}
	if (!--hot_left)
		loop_stop(loop);
}

static void hot_say(int i, char c)
{
	assert_int_equal(write(hot_pipes[i].fd[1], &c, 1), 1);
	hot_left++;
}

static void hot_begin(int nr)
{
	loop_new(1000000);
	memset(hot_pipes, 0, sizeof(hot_pipes));
	hot_left = 0;
	for (int i = 0; i < nr; i++) {
		assert_int_equal(pipe2(hot_pipes[i].fd, O_NONBLOCK), 0);
		assert_int_equal(loop_io_add(loop, &hot_pipes[i].io, hot_pipes[i].fd[0], LOOP_READ,
					     hot_read),
				 0);
	}
}

static void hot_end(int nr)
{
	for (int i = 0; i < nr; i++) {
		loop_io_del(&hot_pipes[i].io);
		close(hot_pipes[i].fd[0]);
		close(hot_pipes[i].fd[1]);
	}
	loop_end();
}

static void test_loop_hot_descriptors_find_everything_few_or_many(void **state)
{
	(void)state;
	for (int nr = 1; nr <= HOT_PIPES; nr++) {
		hot_begin(nr);
		for (int round = 0; round < 300; round++) {
			for (int i = 0; i <= round % nr; i++)
				hot_say(i, 'a');
			assert_int_equal(loop_run(loop), 0);
		}
		assert_int_equal(hot_pipes[0].got, 300);
		/* more than are worth it are not looked at one by one */
		assert_true(loop->nr_hot <= 8);
		hot_end(nr);
	}
}

static void test_loop_hot_descriptor_leaves_others_and_timers_their_turn(void **state)
{
	struct tick k;

	(void)state;
	hot_begin(2);
	hot_say(0, 'a');
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(loop->nr_hot, 1);
	/* the second is cold: only libevent tells of it, and of the timer */
	hot_say(1, 'a');
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(hot_pipes[1].got, 1);
	tick_init(&k, "", tick_seen);
	ticks_left = 1;
	tick_start(&k, 3);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_done(&k.timer);
	hot_end(2);
}

static void test_loop_hot_descriptors_may_be_deleted_by_each_other_and_set_to_nothing(void **state)
{
	(void)state;
	hot_begin(6);
	for (int i = 0; i < 6; i++)
		hot_say(i, 'a');
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(loop->nr_hot, 6);
	hot_say(2, 'x');
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(loop->nr_hot, 4);
	/* not asked for any more: not looked at any more */
	assert_int_equal(loop_io_set(&hot_pipes[0].io, 0), 0);
	hot_say(0, 'a');
	hot_left = 0;
	hot_say(4, 'a');
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(hot_pipes[0].got, 1);
	hot_end(6);
}

/* ---------------------------------------------------------------- signals */

static int signals_seen;

static void signal_seen(struct loop_signal *s)
{
	assert_int_equal(s->signo, SIGUSR1);
	signals_seen++;
	loop_stop(loop);
}

static void test_loop_signal_runs_in_the_loop(void **state)
{
	struct loop_signal s = { 0 };
	struct loop_signal bad = { 0 };

	(void)state;
	loop_new(0);
	assert_int_equal(loop_signal_add(loop, &s, SIGUSR1, signal_seen), 0);
	assert_true(loop_signal_add(loop, &bad, 9999, signal_seen) < 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(signals_seen, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(signals_seen, 1);
	loop_signal_del(&s);
	loop_signal_del(&s);
	loop_signal_del(&bad);
	loop_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_io_ready_is_level_triggered),
		cmocka_unit_test(test_loop_io_set_changes_what_is_reported),
		cmocka_unit_test(test_loop_io_on_what_epoll_refuses_fails),
		cmocka_unit_test(test_loop_io_freed_by_callbacks_is_not_called),
		cmocka_unit_test(test_loop_io_added_in_callback_is_watched),
		cmocka_unit_test(test_loop_timer_fires_in_order_never_early),
		cmocka_unit_test(test_loop_timer_restarted_fires_once_at_the_new_time),
		cmocka_unit_test(test_loop_timer_callback_changes_due_timers),
		cmocka_unit_test(test_loop_timer_thousands_random_fire_as_armed),
		cmocka_unit_test(test_loop_timer_without_memory_is_not_lost),
		cmocka_unit_test(test_loop_signal_runs_in_the_loop),
		cmocka_unit_test(test_loop_now_is_fresh_after_blocking),
		cmocka_unit_test(
			test_loop_spins_when_idle_times_are_short_and_sleeps_at_once_when_long),
		cmocka_unit_test(test_loop_hot_descriptors_find_everything_few_or_many),
		cmocka_unit_test(test_loop_hot_descriptor_leaves_others_and_timers_their_turn),
		cmocka_unit_test(
			test_loop_hot_descriptors_may_be_deleted_by_each_other_and_set_to_nothing),
	};

	alarm(120); /* a lost wake-up would hang */
	event_set_mem_functions(malloc, maybe_realloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
