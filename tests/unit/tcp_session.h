/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host library controller connected to the NVMe/TCP controller for tests, and what the tests of
 * both directions do with it: requests with guarded buffers, waiting with a bound. The test's
 * thread owns the controller and its queues.
 */
#ifndef TESTS_UNIT_TCP_SESSION_H
#define TESTS_UNIT_TCP_SESSION_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "host/ctrl.h"
#include "tests/fake/fake_target.h"

static uint64_t rng_state __attribute__((unused)); /* seeded by the test */

static inline uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)((rng_state >> 16) % below);
}

enum {
	SESSION_WAIT_MS = 60000, /* a bound for what takes milliseconds: only a hang reaches it */
	GUARD_BYTES = 64,
	GUARD_VALUE = 0xa5,
	SESSION_MAX_IOV = 64,
	NO_TERM = -1,
};

struct session {
	struct fake_target *t;
	struct nvmh_ctrl *ctrl;
	char port[8];
	char error[256]; /* why it left LIVE first */
	uint32_t nr_resets;
};

/*
 * A request with a buffer that has guard bytes around it, described by up to SESSION_MAX_IOV
 * pieces.
 */
struct guarded {
	struct nvmh_req req;
	struct iovec iov[SESSION_MAX_IOV];
	uint8_t *base;
	uint8_t *buf;
	uint32_t len;
	uint32_t nr_done;
};

static inline void session_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct session *s = arg;

	if (state == NVMH_RESETTING && !s->nr_resets++)
		snprintf(s->error, sizeof(s->error), "%s", nvmh_ctrl_error(ctrl));
}

/* Starts a target and opens a controller; @extra: options beside the address. */
static inline void session_open(struct session *s, const struct fake_opts *fake,
				const struct nvmh_ctrl_opts *extra)
{
	struct nvmh_ctrl_opts opts = *extra;

	memset(s, 0, sizeof(*s));
	s->t = fake_target_start(fake);
	snprintf(s->port, sizeof(s->port), "%u", s->t->port);
	opts.trtype = "tcp";
	opts.traddr = "127.0.0.1";
	opts.trsvcid = s->port;
	if (!opts.subnqn)
		opts.subnqn = FAKE_SUBNQN;
	opts.on_state = session_state;
	opts.arg = s;
	assert_int_equal(nvmh_ctrl_open(&opts, &s->ctrl), 0);
}

static inline void session_open_live(struct session *s, const struct fake_opts *fake,
				     const struct nvmh_ctrl_opts *extra)
{
	int ret;

	session_open(s, fake, extra);
	ret = nvmh_ctrl_wait(s->ctrl, SESSION_WAIT_MS);
	if (ret)
		fail_msg("not live: %d, %s", ret, nvmh_strerror());
}

static inline void session_close(struct session *s)
{
	nvmh_ctrl_close(s->ctrl);
	fake_target_stop(s->t);
	memset(s, 0, sizeof(*s));
}

/* Sleeps until the controller or one of its queues has something to do. */
static inline void session_sleep(struct session *s)
{
	struct pollfd pfd[1 + 8] = { { .fd = nvmh_ctrl_fd(s->ctrl), .events = POLLIN } };
	uint16_t nr = nvmh_ctrl_nr_queues(s->ctrl);
	uint16_t i;

	for (i = 0; i < nr && i < 8; i++) {
		struct nvmh_queue *q = nvmh_ctrl_queue(s->ctrl, i);

		if (nvmh_queue_arm(q))
			return;
		pfd[1 + i] = (struct pollfd){ .fd = nvmh_queue_fd(q), .events = POLLIN };
	}
	poll(pfd, 1u + min_of(nr, 8), 100);
}

static inline int session_turn(struct session *s)
{
	uint16_t nr = nvmh_ctrl_nr_queues(s->ctrl);
	int n = nvmh_ctrl_process(s->ctrl);
	uint16_t i;

	for (i = 0; i < nr; i++)
		n += nvmh_queue_poll(nvmh_ctrl_queue(s->ctrl, i));
	return n;
}

static inline void guarded_done(struct nvmh_req *req)
{
	struct guarded *g = req->arg;

	g->nr_done++;
}

static inline void guarded_init(struct guarded *g, uint32_t len)
{
	memset(g, 0, sizeof(*g));
	g->len = len;
	g->base = malloc(len + 2 * GUARD_BYTES);
	assert_non_null(g->base);
	memset(g->base, GUARD_VALUE, len + 2 * GUARD_BYTES);
	g->buf = g->base + GUARD_BYTES;
	g->iov[0] = (struct iovec){ g->buf, len };
	g->req.done = guarded_done;
	g->req.arg = g;
}

static inline void guarded_check(const struct guarded *g)
{
	uint32_t i;

	for (i = 0; i < GUARD_BYTES; i++) {
		assert_int_equal(g->base[i], GUARD_VALUE);
		assert_int_equal(g->buf[g->len + i], GUARD_VALUE);
	}
}

static inline void guarded_free(struct guarded *g)
{
	free(g->base);
	g->base = NULL;
}

/* Waits until @g is completed. */
static inline void session_wait_done(struct session *s, const struct guarded *g)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (!g->nr_done && clock_now_ms() < end) {
		if (!session_turn(s) && !g->nr_done)
			session_sleep(s);
	}
	assert_int_equal(g->nr_done, 1);
}

/* Waits for the first loss of the controller. */
static inline void session_wait_lost(struct session *s)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (!s->nr_resets && clock_now_ms() < end) {
		if (!session_turn(s) && !s->nr_resets)
			session_sleep(s);
	}
	assert_true(s->nr_resets);
}

/* Waits for the first reason why a bring-up failed. */
static inline const char *session_wait_error(struct session *s)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (!nvmh_ctrl_error(s->ctrl)[0] && clock_now_ms() < end) {
		if (!nvmh_ctrl_process(s->ctrl) && !nvmh_ctrl_error(s->ctrl)[0])
			session_sleep(s);
	}
	return nvmh_ctrl_error(s->ctrl);
}

static inline void session_wait_live(struct session *s)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (nvmh_ctrl_state(s->ctrl) != NVMH_LIVE && clock_now_ms() < end) {
		if (!session_turn(s))
			session_sleep(s);
	}
	assert_int_equal(nvmh_ctrl_state(s->ctrl), NVMH_LIVE);
}

/* The target got a TermReq with that @fes and @fei; @fes NO_TERM: none so far. */
static inline void session_check_term(struct session *s, int fes, uint32_t fei)
{
	uint32_t got_fei = 0;
	int got;

	got = fake_target_wait_term(s->t, fes == NO_TERM ? 0 : SESSION_WAIT_MS, &got_fei);
	assert_int_equal(got, fes);
	assert_int_equal(got_fei, fei);
}

#endif /* TESTS_UNIT_TCP_SESSION_H */
