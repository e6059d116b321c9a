/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A multipath controller over the paths of tests/fake/fake_path.h, and requests that count how often
 * they were completed. The test's thread owns everything.
 */
#ifndef TESTS_UNIT_MPATH_RIG_H
#define TESTS_UNIT_MPATH_RIG_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/fake/fake_path.h"

enum {
	RIG_WAIT_MS = 60000, /* a bound for what takes milliseconds: only a hang reaches it */
	RIG_KATO_MS = 40,
};

struct rig {
	struct nvmh_ctrl *ctrl;
	enum nvmh_state states[64]; /* as told by on_state */
	uint32_t nr_states;
	char error[256]; /* as it said when on_state was last called */
	uint32_t nr_ns_told;
	uint32_t last_nsid;
	bool last_gone;
};

struct rig_io {
	struct nvmh_req req;
	struct iovec iov;
	uint8_t data[512];
	uint32_t nr_done;
};

static inline void rig_on_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct rig *rig = arg;

	rig->states[rig->nr_states++ % 64] = state;
	snprintf(rig->error, sizeof(rig->error), "%s", nvmh_ctrl_error(ctrl));
}

static inline void rig_on_ns(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns,
			     void *arg)
{
	struct rig *rig = arg;

	(void)ctrl;
	rig->nr_ns_told++;
	rig->last_nsid = nsid;
	rig->last_gone = !ns;
}

static inline struct nvmh_ctrl_opts rig_path(struct rig *rig, uint32_t n)
{
	static const char *const addr[] = { "192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3",
					    "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7" };

	return (struct nvmh_ctrl_opts){
		.trtype = "tcp",
		.traddr = addr[n],
		.subnqn = "nqn.2024-01.org.example:mp",
		.nr_io_queues = 2,
		.queue_size = 17,
		.kato_ms = RIG_KATO_MS,
		.reconnect_delay_ms = 1,
		.on_state = rig_on_state,
		.on_ns = rig_on_ns,
		.arg = rig,
	};
}

static inline int rig_turn(struct rig *rig)
{
	int n = nvmh_ctrl_process(rig->ctrl);
	uint16_t i;

	for (i = 0; i < nvmh_ctrl_nr_queues(rig->ctrl); i++)
		n += nvmh_queue_poll(nvmh_ctrl_queue(rig->ctrl, i));
	return n;
}

/* Sleeps as a program would: nothing may be missed. */
static inline void rig_sleep(struct rig *rig)
{
	struct pollfd pfd[3] = { { .fd = nvmh_ctrl_fd(rig->ctrl), .events = POLLIN } };
	uint16_t nr = nvmh_ctrl_nr_queues(rig->ctrl);
	uint16_t i;

	for (i = 0; i < nr; i++) {
		if (nvmh_queue_arm(nvmh_ctrl_queue(rig->ctrl, i)))
			return;
		pfd[1 + i] = (struct pollfd){ .fd = nvmh_queue_fd(nvmh_ctrl_queue(rig->ctrl, i)),
					      .events = POLLIN };
	}
	poll(pfd, 1u + nr, 5000);
}

/* Turns until @cond; a hang fails. */
#define rig_until(rig, cond)                                      \
	do {                                                      \
		uint64_t rig_end_ = clock_now_ms() + RIG_WAIT_MS; \
		while (!(cond)) {                                 \
			if (clock_now_ms() > rig_end_)            \
				fail_msg("never: %s", #cond);     \
			if (!rig_turn(rig) && !(cond))            \
				rig_sleep(rig);                   \
		}                                                 \
	} while (0)

static inline void rig_settle(struct rig *rig)
{
	int quiet = 0;

	while (quiet < 5)
		quiet = rig_turn(rig) ? 0 : quiet + 1;
}

static inline bool rig_up(struct rig *rig, uint16_t path)
{
	struct nvmh_mpath_path info;

	return !nvmh_mpath_path(rig->ctrl, path, &info) && info.usable;
}

static inline void rig_open(struct rig *rig, uint16_t nr, const struct nvmh_mpath_opts *opts)
{
	struct nvmh_ctrl_opts paths[FAKE_PATHS];
	uint16_t i;

	memset(rig, 0, sizeof(*rig));
	for (i = 0; i < nr; i++)
		paths[i] = rig_path(rig, i);
	if (nvmh_mpath_open_with(paths, nr, opts, &fake_path_ops, &rig->ctrl))
		fail_msg("open: %s", nvmh_strerror());
}

/* And all paths of it usable. */
static inline void rig_open_up(struct rig *rig, uint16_t nr, const struct nvmh_mpath_opts *opts)
{
	uint16_t i;

	rig_open(rig, nr, opts);
	for (i = 0; i < nr; i++)
		rig_until(rig, rig_up(rig, i));
	rig_until(rig, nvmh_ctrl_state(rig->ctrl) == NVMH_LIVE);
	rig_settle(rig);
}

static inline void rig_close(struct rig *rig)
{
	nvmh_ctrl_close(rig->ctrl);
	rig->ctrl = NULL;
}

static inline void rig_done(struct nvmh_req *req)
{
	struct rig_io *io = req->arg;

	io->nr_done++;
}

static inline void rig_prep(struct rig_io *io, uint8_t opcode, uint32_t nsid, uint64_t slba,
			    uint8_t value)
{
	memset(io, 0, sizeof(*io));
	memset(io->data, value, sizeof(io->data));
	io->iov = (struct iovec){ io->data, sizeof(io->data) };
	nvmh_prep_rw(&io->req, opcode, nsid, slba, 1, &io->iov, 1, sizeof(io->data));
	io->req.done = rig_done;
	io->req.arg = io;
}

static inline void rig_start(struct rig *rig, uint16_t queue, struct rig_io *io)
{
	struct nvmh_queue *q = nvmh_ctrl_queue(rig->ctrl, queue);

	assert_int_equal(nvmh_queue_submit(q, &io->req), 0);
	nvmh_queue_commit(q);
}

static inline void rig_read(struct rig *rig, uint16_t queue, struct rig_io *io, uint64_t slba)
{
	rig_prep(io, nvme_cmd_read, 1, slba, 0xee);
	rig_start(rig, queue, io);
}

static inline void rig_write(struct rig *rig, uint16_t queue, struct rig_io *io, uint64_t slba,
			     uint8_t value)
{
	rig_prep(io, nvme_cmd_write, 1, slba, value);
	rig_start(rig, queue, io);
}

static inline void rig_wait(struct rig *rig, struct rig_io *io, uint16_t status)
{
	rig_until(rig, io->nr_done);
	assert_int_equal(io->nr_done, 1);
	assert_int_equal(io->req.status & ~ST_MORE, status);
}

/* Each test begins with paths that nothing has happened to. */
static inline int rig_setup(void **state)
{
	(void)state;
	fake_path_init();
	return 0;
}

#define mpath_test(name) cmocka_unit_test_setup(name, rig_setup)

#endif /* TESTS_UNIT_MPATH_RIG_H */
