/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the PCIe controller share: a fake drive, a controller over it, and turns of
 * both. One thread unless rig_start() lets the drive run in its own, which the waiting calls need.
 */
#ifndef TESTS_UNIT_PCIE_RIG_H
#define TESTS_UNIT_PCIE_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "host/pcie.h"
#include "tests/fake/fake_pcie.h"

enum {
	RIG_ARENA = 4 << 20,
	RIG_TURNS = 200000, /* until a test gives up */
	RIG_STATES = 64,
};

struct rig {
	struct fake_pcie *drive;
	struct nvmh_ctrl *ctrl;
	char *arena;
	uint8_t states[RIG_STATES]; /* what on_state was told */
	unsigned int nr_states;
};

static struct rig rig;

static inline int rig_setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	log_init("test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	rig.drive = fake_pcie_create();
	fake_pcie_add_ns(rig.drive, 1, 9, 4096);
	fake_pcie_add_ns(rig.drive, 2, 12, 512);
	rig.arena =
		mmap(NULL, RIG_ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return rig.arena == MAP_FAILED ? -1 : 0;
}

static inline void rig_start(void)
{
	fake_pcie_run(rig.drive);
}

static inline void rig_stop(void)
{
	fake_pcie_stop(rig.drive);
}

/* The drive runs while the controller is closed, which waits for it. */
static inline void rig_close(void)
{
	if (!rig.ctrl)
		return;
	if (!atomic_load(&rig.drive->running))
		rig_start();
	nvmh_ctrl_close(rig.ctrl);
	rig.ctrl = NULL;
	rig_stop();
}

static inline int rig_teardown(void **state)
{
	(void)state;
	rig_close();
	fake_pcie_free(rig.drive);
	munmap(rig.arena, RIG_ARENA);
	return 0;
}

static inline void rig_on_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	assert_ptr_equal(arg, &rig);
	assert_int_equal(nvmh_ctrl_state(ctrl), state);
	if (rig.nr_states < RIG_STATES)
		rig.states[rig.nr_states++] = (uint8_t)state;
}

static inline void rig_open(uint16_t queues, uint16_t size)
{
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = "01:00.0",
		.nr_io_queues = queues,
		.queue_size = size,
		.on_state = rig_on_state,
		.arg = &rig,
	};

	assert_int_equal(nvmh_ctrl_open(&opts, &rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_mem_map(rig.ctrl, rig.arena, RIG_ARENA), 0);
}

/* One turn of the drive, the controller and its queues. */
static inline void rig_turn(void)
{
	uint16_t i;

	fake_pcie_step(rig.drive);
	nvmh_ctrl_process(rig.ctrl);
	for (i = 0; i < rig.ctrl->opts.nr_io_queues; i++)
		nvmh_queue_poll(&rig.ctrl->ioq[i]);
}

static inline bool rig_until_state(enum nvmh_state state)
{
	unsigned int i;

	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != state; i++)
		rig_turn();
	return nvmh_ctrl_state(rig.ctrl) == state;
}

/* What takes time is over at once: the step's deadline, the pause before another try, the wait for
 * the drive to stop. */
static inline void rig_hurry(void)
{
	rig.ctrl->step_deadline_ns = 1;
	rig.ctrl->pause_until_ns = 1;
	((struct pcie *)rig.ctrl->tr)->quiet_deadline_ns = 1;
}

static inline void rig_live(uint16_t queues, uint16_t size)
{
	rig_open(queues, size);
	if (!rig_until_state(NVMH_LIVE))
		fail_msg("not live: %s", nvmh_ctrl_error(rig.ctrl));
}

static inline bool rig_states_are(const uint8_t *want, unsigned int nr)
{
	return rig.nr_states == nr && !memcmp(rig.states, want, nr);
}

/* A request whose completions are counted in ->arg, an unsigned int. */
static inline void rig_done(struct nvmh_req *req)
{
	++*(unsigned int *)req->arg;
}

/* Starts one read of the first 4 KiB of namespace 1 into @buf. */
static inline int rig_read(struct nvmh_queue *q, struct nvmh_req *req, struct iovec *iov, void *buf,
			   unsigned int *done)
{
	*iov = (struct iovec){ buf, 4096 };
	memset(req, 0, sizeof(*req));
	nvmh_prep_rw(req, nvme_cmd_read, 1, 0, 8, iov, 1, 4096);
	req->done = rig_done;
	req->arg = done;
	return nvmh_queue_submit(q, req);
}

static inline void assert_says(const char *words)
{
	if (!strstr(nvmh_ctrl_error(rig.ctrl), words))
		fail_msg("\"%s\" is not in \"%s\"", words, nvmh_ctrl_error(rig.ctrl));
}

/* Turns in which nothing takes time, until the controller is given up. */
static inline void until_dead(void)
{
	unsigned int i;

	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_DEAD; i++) {
		rig_turn();
		rig_hurry();
		((struct pcie *)rig.ctrl->tr)->quiet_deadline_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_int_equal(rig_read(&rig.ctrl->ioq[0], &(struct nvmh_req){ 0 }, &(struct iovec){ 0 },
				  rig.arena, NULL),
			 -ENOTCONN);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), -ENOTCONN);
}

/* One outstanding read that the drive holds. */
static struct nvmh_req held;
static struct iovec held_iov;
static unsigned int held_done;

static inline void hold_one(void)
{
	held_done = 0;
	atomic_store(&rig.drive->hold_io, true);
	assert_int_equal(rig_read(&rig.ctrl->ioq[0], &held, &held_iov, rig.arena, &held_done), 0);
	nvmh_queue_commit(&rig.ctrl->ioq[0]);
	fake_pcie_step(rig.drive);
	assert_int_equal(rig.drive->nr_held, 1);
}

/* The deadline of @req, on queue @q, passes: its owner looks and asks for the next rung. */
static inline void rig_late(struct nvmh_queue *q, struct nvmh_req *req)
{
	nvmh_queue_check(q);
	assert_int_not_equal(req->deadline_ns, 0);
	req->deadline_ns = 1;
	nvmh_queue_check(q);
}

/* A drive without the active namespace list. */
static inline uint16_t rig_no_active_list(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_identify &&
			       (le32_get(sqe->cdw10) & 0xff) == NVME_IDENTIFY_CNS_NS_ACTIVE_LIST
		       ? ST_INVALID_FIELD
		       : 0;
}

#endif /* TESTS_UNIT_PCIE_RIG_H */
