// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop in one thread: descriptors and signals through libevent. Timers are in
 * test_loop_timer.c.
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
		cmocka_unit_test(test_loop_signal_runs_in_the_loop),
		cmocka_unit_test(test_loop_hot_descriptors_find_everything_few_or_many),
		cmocka_unit_test(test_loop_hot_descriptor_leaves_others_and_timers_their_turn),
		cmocka_unit_test(
			test_loop_hot_descriptors_may_be_deleted_by_each_other_and_set_to_nothing),
	};

	alarm(120); /* a lost wake-up would hang */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
