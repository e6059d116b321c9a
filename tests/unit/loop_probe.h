/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the event loop share: the loop under test, a trace of what happened, turns that
 * are counted, a descriptor to watch.
 */
#ifndef TESTS_LOOP_PROBE_H
#define TESTS_LOOP_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/util.h"

static struct loop *loop;

/* what happened, in order */
static char trace[512];

static inline void note(const char *what)
{
	size_t n = strlen(trace);

	assert_true(n + strlen(what) + 1 < sizeof(trace));
	snprintf(trace + n, sizeof(trace) - n, "%s ", what);
}

static inline void loop_new(uint32_t spin_us)
{
	struct loop_opts opts = { .name = "test", .cpu = -1, .spin_us = spin_us };

	assert_int_equal(loop_create(&opts, &loop), 0);
	trace[0] = '\0';
}

static inline void loop_end(void)
{
	loop_free(loop);
	loop = NULL;
}

/* ---------------------------------------------------------------- turns, counted */

static int turns_left;

static inline void count_turn(struct loop_hook *h)
{
	(void)h;
	if (--turns_left == 0)
		loop_stop(loop);
}

/* @nr turns; loops made with a long spin do not block meanwhile */
static inline void run_turns(int nr)
{
	struct loop_hook counter = { .submit = count_turn };

	turns_left = nr;
	loop_hook_add(loop, &counter);
	assert_int_equal(loop_run(loop), 0);
	loop_hook_del(&counter);
}

/* ---------------------------------------------------------------- a descriptor to watch */

struct end {
	struct loop_io io;
	int fds[2];
	int calls;
	unsigned int events;
	struct end *victim;
};

static inline void end_seen(struct loop_io *io, unsigned int events)
{
	struct end *e = container_of(io, struct end, io);

	e->calls++;
	e->events = events;
}

static inline struct end *end_new(unsigned int events, void (*fn)(struct loop_io *, unsigned int))
{
	struct end *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, e->fds),
			 0);
	assert_int_equal(loop_io_add(loop, &e->io, e->fds[0], events, fn), 0);
	return e;
}

static inline void end_free(struct end *e)
{
	loop_io_del(&e->io);
	close(e->fds[0]);
	close(e->fds[1]);
	free(e);
}

static inline void end_feed(struct end *e)
{
	assert_int_equal(write(e->fds[1], "x", 1), 1);
}

/* ---------------------------------------------------------------- a timer to watch */

struct tick {
	struct loop_timer timer;
	uint64_t due_ns;
	int fired;
	int again;
	struct tick *other;
	char name[8];
};

static int ticks_left;

static inline void tick_seen(struct loop_timer *t)
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

static inline void tick_start(struct tick *k, uint32_t ms)
{
	k->due_ns = clock_now_ns() + ms * 1000000ull;
	loop_timer_start(&k->timer, ms);
}

static inline void tick_init(struct tick *k, const char *name, void (*fn)(struct loop_timer *))
{
	memset(k, 0, sizeof(*k));
	snprintf(k->name, sizeof(k->name), "%s", name);
	assert_int_equal(loop_timer_init(loop, &k->timer, fn), 0);
}

#endif /* TESTS_LOOP_PROBE_H */
