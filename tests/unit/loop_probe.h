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

#include "common/loop.h"
#include "common/util.h"

static struct loop *loop;

/* what happened, in order */
static char trace[512];

static void note(const char *what)
{
	size_t n = strlen(trace);

	assert_true(n + strlen(what) + 1 < sizeof(trace));
	snprintf(trace + n, sizeof(trace) - n, "%s ", what);
}

static void loop_new(uint32_t spin_us)
{
	struct loop_opts opts = { .name = "test", .cpu = -1, .spin_us = spin_us };

	assert_int_equal(loop_create(&opts, &loop), 0);
	trace[0] = '\0';
}

static void loop_end(void)
{
	loop_free(loop);
	loop = NULL;
}

/* ---------------------------------------------------------------- turns, counted */

static int turns_left;

static void count_turn(struct loop_hook *h)
{
	(void)h;
	if (--turns_left == 0)
		loop_stop(loop);
}

/* @nr turns; loops made with a long spin do not block meanwhile */
static void run_turns(int nr)
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

static void end_free(struct end *e)
{
	loop_io_del(&e->io);
	close(e->fds[0]);
	close(e->fds[1]);
	free(e);
}

static void end_feed(struct end *e)
{
	assert_int_equal(write(e->fds[1], "x", 1), 1);
}

#endif /* TESTS_LOOP_PROBE_H */
