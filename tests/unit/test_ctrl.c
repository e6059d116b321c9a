// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of a PCIe controller over a drive made of memory that obeys the specification: bring-up,
 * namespaces, I/O, reset, events, shutdown; and drives that are unusual, but within their rights.
 */
#include "tests/unit/pcie_rig.h"

#include <pthread.h>

/* ---- bring-up ---- */

static void test_bring_up_is_live_with_namespaces_and_queues(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE };
	const struct nvmh_ns *ns;

	(void)state;
	rig_live(2, 16);
	assert_true(rig_states_are(states, 1));
	assert_string_equal(nvmh_ctrl_name(rig.ctrl), "pcie 0000:01:00.0");
	assert_string_equal(nvmh_ctrl_error(rig.ctrl), "");
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 2);
	assert_int_equal(nvmh_ctrl_max_xfer(rig.ctrl), 512 << 10);
	assert_int_equal(nvmh_ctrl_cap(rig.ctrl), rig.drive->cap);
	assert_memory_equal(nvmh_ctrl_id(rig.ctrl)->sn, "FAKE1 ", 6);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	ns = nvmh_ctrl_ns(rig.ctrl, 1);
	assert_int_equal(ns->nsid, 2);
	assert_int_equal(ns->lba_size, 4096);
	assert_int_equal(ns->nsze, 512);
	assert_int_equal(ns->uuid[15], 2);
	assert_ptr_equal(nvmh_ctrl_ns_by_nsid(rig.ctrl, 2), ns);
	assert_null(nvmh_ctrl_ns_by_nsid(rig.ctrl, 3));
	assert_null(nvmh_ctrl_ns(rig.ctrl, 2));
	assert_null(nvmh_ctrl_queue(rig.ctrl, 2));
	assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(rig.ctrl, 1)), 15);
	/* entry sizes 64 and 16, NVM command set, 4 KiB pages */
	assert_int_equal(rig.ctrl->cc, 0x460001);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
	assert_true(rig.drive->aer_posted);
}

static void test_wait_and_io_in_one_thread(void **state)
{
	struct nvmh_queue *q;
	struct nvmh_req req;
	struct iovec iov;
	char id[4096];
	char page[512];
	size_t i;

	(void)state;
	rig_start();
	rig_open(2, 0);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 20000), 0);
	q = nvmh_ctrl_queue(rig.ctrl, 1);
	assert_int_equal(nvmh_queue_room(q), 127);
	for (i = 0; i < RIG_ARENA; i++)
		rig.arena[i] = (char)(i * 31 + i / 4096);
	iov = (struct iovec){ rig.arena + 8, 512 << 10 };
	memset(&req, 0, sizeof(req));
	nvmh_prep_rw(&req, nvme_cmd_write, 2, 100, 128, &iov, 1, 512 << 10);
	assert_int_equal(nvmh_io(q, &req), 0);
	assert_memory_equal(rig.drive->ns[1].data + 100 * 4096, rig.arena + 8, 512 << 10);
	iov.iov_base = rig.arena + (2 << 20);
	memset(iov.iov_base, 0, 512 << 10);
	nvmh_prep_rw(&req, nvme_cmd_read, 2, 100, 128, &iov, 1, 512 << 10);
	assert_int_equal(nvmh_io(q, &req), 0);
	assert_memory_equal(iov.iov_base, rig.arena + 8, 512 << 10);
	nvmh_prep_flush(&req, 2);
	assert_int_equal(nvmh_io(q, &req), 0);
	nvmh_prep_flush(&req, 9);
	assert_int_equal(nvmh_io(q, &req), ST_INVALID_NS);
	assert_int_equal(nvmh_identify(rig.ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, id), 0);
	assert_memory_equal(id, nvmh_ctrl_id(rig.ctrl), sizeof(id));
	assert_int_equal(nvmh_get_log(rig.ctrl, 0, NVME_LOG_LID_SMART, 0, page, sizeof(page)), 0);
	assert_int_equal(page[0], NVME_LOG_LID_SMART);
	assert_int_equal(nvmh_get_log(rig.ctrl, 0, 0xc0, 0, page, sizeof(page)),
			 ST_INVALID_LOG_PAGE);
	assert_int_equal(nvmh_get_log(rig.ctrl, 0, NVME_LOG_LID_SMART, 0, page, 3), -EINVAL);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_submit_what_cannot_be_described_is_refused(void **state)
{
	struct nvmh_req req = { .done = rig_done };
	static char elsewhere[8192] __attribute__((aligned(4096)));
	struct iovec iov[2];
	struct nvmh_queue *q;

	(void)state;
	rig_live(1, 16);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	iov[0] = (struct iovec){ elsewhere, 4096 };
	nvmh_prep_rw(&req, nvme_cmd_read, 1, 0, 8, iov, 1, 4096);
	assert_int_equal(nvmh_queue_submit(q, &req), -EINVAL);
	iov[0] = (struct iovec){ rig.arena + 2, 4096 };
	assert_int_equal(nvmh_queue_submit(q, &req), -EINVAL);
	iov[0] = (struct iovec){ rig.arena + RIG_ARENA - 512, 4096 };
	assert_int_equal(nvmh_queue_submit(q, &req), -EINVAL);
	iov[0] = (struct iovec){ rig.arena, 1024 };
	iov[1] = (struct iovec){ rig.arena + 8192, 3072 };
	nvmh_prep_rw(&req, nvme_cmd_read, 1, 0, 8, iov, 2, 4096);
	assert_int_equal(nvmh_queue_submit(q, &req), -EINVAL);
	nvmh_prep_rw(&req, nvme_cmd_read, 1, 0, 2048, iov, 1, 1 << 20); /* beyond MDTS */
	assert_int_equal(nvmh_queue_submit(q, &req), -EINVAL);
	assert_int_equal(nvmh_queue_room(q), 15);
}

static void test_commit_rings_once_for_many(void **state)
{
	struct nvmh_req reqs[16];
	struct iovec iov[16];
	unsigned int done = 0;
	struct nvmh_queue *q;
	uint32_t before;
	size_t i;

	(void)state;
	rig_live(1, 16);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	before = atomic_load(&rig.drive->commands);
	for (i = 0; i < 15; i++)
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena + i * 4096, &done), 0);
	assert_int_equal(rig_read(q, &reqs[15], &iov[15], rig.arena, &done), -EAGAIN);
	fake_pcie_step(rig.drive);
	assert_int_equal(atomic_load(&rig.drive->commands), before); /* no doorbell yet */
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	assert_int_equal(atomic_load(&rig.drive->commands), before + 15);
	assert_int_equal(nvmh_queue_arm(q), 1); /* completions are there: no sleep */
	assert_int_equal(nvmh_queue_poll(q), 15);
	assert_int_equal(done, 15);
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_int_equal(nvmh_queue_poll(q), 0);
	assert_int_equal(rig.ctrl->adminq.bad_completions + q->bad_completions, 0);
}

static void test_io_goes_round_the_rings_in_any_order(void **state)
{
	struct nvmh_req reqs[8];
	struct iovec iov[8];
	unsigned int done = 0;
	unsigned int want = 0;
	unsigned int round;
	struct nvmh_queue *q;
	size_t i;

	(void)state;
	rig_live(1, 8);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	atomic_store(&rig.drive->hold_io, true);
	for (round = 0; round < 100; round++) {
		unsigned int n = 1 + round % 7;

		for (i = 0; i < n; i++)
			assert_int_equal(
				rig_read(q, &reqs[i], &iov[i], rig.arena + i * 4096, &done), 0);
		want += n;
		nvmh_queue_commit(q);
		fake_pcie_step(rig.drive);
		assert_int_equal(fake_pcie_release(rig.drive, 1, true), 1);
		assert_int_equal(nvmh_queue_poll(q), 1);
		fake_pcie_release(rig.drive, 8, round % 2);
		assert_int_equal(nvmh_queue_poll(q), (int)n - 1);
		assert_int_equal(nvmh_queue_room(q), 7);
	}
	assert_int_equal(done, want);
}

/* ---- drives that are unusual, but within their rights ---- */

static void test_fewer_queues_granted_are_used(void **state)
{
	(void)state;
	rig.drive->max_queues = 3;
	rig_live(8, 0);
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 3);
	assert_true(nvmh_queue_live(nvmh_ctrl_queue(rig.ctrl, 2)));
	assert_non_null(nvmh_ctrl_queue(rig.ctrl, 3));
	assert_false(nvmh_queue_live(nvmh_ctrl_queue(rig.ctrl, 3)));
}

static uint16_t refuse_second_sq(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_create_sq && (le32_get(sqe->cdw10) & 0xffff) == 2
		       ? ST_INVALID_QID
		       : 0;
}

static void test_queue_refused_the_ones_before_are_used(void **state)
{
	(void)state;
	rig.drive->on_admin = refuse_second_sq;
	rig_live(4, 0);
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 1);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
}

static uint16_t refuse_features(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_set_features ? ST_INTERNAL : 0;
}

static void test_no_queues_stays_for_administration(void **state)
{
	char id[4096];

	(void)state;
	rig.drive->on_admin = refuse_features;
	rig_live(4, 0);
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 0);
	rig_start();
	assert_int_equal(nvmh_identify(rig.ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, id), 0);
}

static void test_small_mqes_makes_small_queues(void **state)
{
	(void)state;
	rig.drive->cap = (rig.drive->cap & ~UINT64_C(0xffff)) | 1;
	rig_live(1, 64);
	assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(rig.ctrl, 0)), 1);
}

static void test_doorbell_stride_and_page_size_are_kept_to(void **state)
{
	struct nvmh_req req = { 0 };
	struct iovec iov = { rig.arena, 4096 };

	(void)state;
	/* DSTRD 2 (16 bytes), MPSMIN 2 (16 KiB) */
	rig.drive->cap |= 2ull << 32 | 2ull << 48;
	rig_live(4, 512);
	assert_int_equal(NVME_CC_MPS(rig.ctrl->cc), 2);
	rig_start();
	iov = (struct iovec){ rig.arena + 12288, 256 << 10 };
	memset(iov.iov_base, 0x5a, iov.iov_len);
	nvmh_prep_rw(&req, nvme_cmd_write, 1, 0, 512, &iov, 1, 256 << 10);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(rig.ctrl, 3), &req), 0);
	assert_memory_equal(rig.drive->ns[0].data, iov.iov_base, iov.iov_len);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_doorbells_beyond_the_bar_limit_queues(void **state)
{
	(void)state;
	rig.drive->cap |= 7ull << 32; /* 512 bytes each: 8 queues in 8 KiB */
	rig_live(16, 0);
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 7);
}

static void test_lost_interrupts_are_lived_with(void **state)
{
	char id[4096];

	(void)state;
	atomic_store(&rig.drive->no_interrupts, true);
	rig_start();
	rig_open(0, 0);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 60000), 0);
	assert_int_equal(nvmh_identify(rig.ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, id), 0);
}

static void test_slow_controller_is_waited_for(void **state)
{
	(void)state;
	rig.drive->ready_delay = 1000;
	rig_live(1, 0);
	rig.drive->cap |= 1ull << 59; /* CRMS.CRWMS: times are in CRTO */
	rig.drive->crto = 60;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(rig.ctrl->ready_timeout_ms, 30500);
}

/* ---- reset and shutdown ---- */

static void test_reset_aborts_outstanding_and_comes_back(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE, NVMH_RESETTING, NVMH_LIVE };
	const struct nvmh_ns *ns;
	struct nvmh_req other;
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;
	struct nvmh_queue *q;

	(void)state;
	rig_live(2, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	atomic_store(&rig.drive->hold_io, true);
	assert_int_equal(rig_read(q, &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), -EBUSY);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_int_equal(rig_read(nvmh_ctrl_queue(rig.ctrl, 1), &other, &iov, rig.arena, &done),
			 -ENOTCONN);
	atomic_store(&rig.drive->hold_io, false);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(done, 1);
	assert_int_equal(req.status, ST_HOST_ABORTED);
	assert_true(rig_states_are(states, 3));
	assert_int_equal(atomic_load(&rig.drive->enables), 2);
	assert_ptr_equal(nvmh_ctrl_queue(rig.ctrl, 0), q);
	assert_ptr_equal(nvmh_ctrl_ns(rig.ctrl, 0), ns);
	assert_int_equal(rig_read(q, &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(q);
	rig_turn();
	assert_int_equal(done, 2);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_reset_waits_for_the_drive_before_buffers_are_given_back(void **state)
{
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	atomic_store(&rig.drive->hold_io, true);
	atomic_store(&rig.drive->silent_delete, true);
	atomic_store(&rig.drive->never_idle, true);
	assert_int_equal(rig_read(nvmh_ctrl_queue(rig.ctrl, 0), &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(rig.ctrl, 0));
	rig_turn();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < 100; i++)
		rig_turn();
	assert_int_equal(done, 0); /* CC.EN is 0, but it may still write */
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	atomic_store(&rig.drive->never_idle, false);
	atomic_store(&rig.drive->hold_io, false);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(done, 1);
	assert_int_equal(req.status, ST_HOST_ABORTED);
	assert_int_equal(atomic_load(&rig.drive->resets), 0);
}

/* Some devices (QEMU 7.2's is one) do not survive being disabled with commands outstanding. */
static void test_reset_deletes_queues_of_a_healthy_drive(void **state)
{
	(void)state;
	rig_live(3, 0);
	hold_one();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	atomic_store(&rig.drive->hold_io, false);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(atomic_load(&rig.drive->deletes), 6);
	assert_int_equal(atomic_load(&rig.drive->rude_disables), 0);
	/* not "aborted due to SQ deletion": that we deleted it is nobody's business */
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
}

/* A sick one is asked nothing. */
static void test_reset_of_a_fatal_drive_deletes_nothing(void **state)
{
	(void)state;
	rig_live(3, 0);
	hold_one();
	atomic_store(&rig.drive->fatal, true);
	fake_pcie_step(rig.drive);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	atomic_store(&rig.drive->hold_io, false);
	while (rig.drive->enabled)
		rig_turn();
	atomic_store(&rig.drive->fatal, false);
	while (nvmh_ctrl_state(rig.ctrl) == NVMH_RESETTING) {
		rig_turn();
		rig.ctrl->pause_until_ns = 1; /* it may have been tried once while it was ill */
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(atomic_load(&rig.drive->deletes), 0);
	assert_int_equal(held.status, ST_HOST_ABORTED);
}

static void *poll_queue(void *arg)
{
	struct nvmh_queue *q = arg;

	while (!nvmh_queue_live(q))
		nvmh_queue_poll(q);
	return NULL;
}

static void test_reset_needs_each_owner_but_not_released_ones(void **state)
{
	pthread_t thread;
	unsigned int i;

	(void)state;
	rig_live(2, 0);
	/* a thread that owned queue 2 and does not come back to it */
	assert_int_equal(pthread_create(&thread, NULL, poll_queue, nvmh_ctrl_queue(rig.ctrl, 1)),
			 0);
	pthread_join(thread, NULL);
	atomic_store(&rig.ctrl->ioq[1].owner, 1);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < 1000; i++) {
		fake_pcie_step(rig.drive);
		nvmh_ctrl_process(rig.ctrl);
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	/* its successor takes part */
	assert_int_equal(pthread_create(&thread, NULL, poll_queue, nvmh_ctrl_queue(rig.ctrl, 1)),
			 0);
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		fake_pcie_step(rig.drive);
		nvmh_ctrl_process(rig.ctrl);
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	pthread_join(thread, NULL);
	nvmh_queue_release(nvmh_ctrl_queue(rig.ctrl, 1));
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		fake_pcie_step(rig.drive);
		nvmh_ctrl_process(rig.ctrl);
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
}

static void test_close_deletes_queues_and_notifies(void **state)
{
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;

	(void)state;
	rig_live(3, 0);
	atomic_store(&rig.drive->hold_io, true);
	assert_int_equal(rig_read(nvmh_ctrl_queue(rig.ctrl, 2), &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(rig.ctrl, 2));
	rig_turn();
	rig_close();
	assert_int_equal(done, 1);
	assert_int_equal(req.status, ST_HOST_ABORTED);
	assert_int_equal(atomic_load(&rig.drive->deletes), 6);
	assert_int_equal(atomic_load(&rig.drive->shutdowns), 1);
	assert_false(rig.drive->enabled);
	assert_false(rig.drive->open);
	assert_int_equal(rig.nr_states, 1); /* no call back from within close */
}

static void test_shutdown_ends_dead_and_quiet(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE, NVMH_DELETING, NVMH_DEAD };

	(void)state;
	rig_live(1, 0);
	nvmh_ctrl_shutdown(rig.ctrl);
	nvmh_ctrl_shutdown(rig.ctrl);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), -ENOTCONN);
	assert_true(rig_until_state(NVMH_DEAD));
	assert_true(rig_states_are(states, 3));
	assert_int_equal(atomic_load(&rig.drive->shutdowns), 1);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ESHUTDOWN);
}

/* Closed after every number of turns of the bring-up: nothing is left behind, whatever was half
 * done. */
static void test_close_during_bring_up_at_any_point(void **state)
{
	unsigned int turns;
	unsigned int i;
	bool live = false;

	(void)state;
	for (turns = 0; !live; turns++) {
		rig_open(2, 0);
		for (i = 0; i < turns; i++)
			rig_turn();
		live = nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE;
		rig_close();
		assert_false(rig.drive->enabled);
		assert_int_equal(atomic_load(&rig.drive->cut_off), 0);
	}
	assert_true(turns > 10);
}

/* ---- events ---- */

static void test_event_is_read_and_posted_again(void **state)
{
	unsigned int before;
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	for (i = 0; i < 20; i++) {
		before = atomic_load(&rig.drive->commands);
		/* notice: namespace attributes changed, log page 4 */
		fake_pcie_event(rig.drive, 4 << 16 | 0 << 8 | 2);
		while (atomic_load(&rig.drive->commands) < before + 2 || rig.drive->event ||
		       !rig.drive->aer_posted)
			rig_turn();
	}
	rig.ctrl->rescan.want = false; /* test_ctrl_rescan.c */
	/* a vendor's log page is not read, the next event is still waited for */
	before = atomic_load(&rig.drive->commands);
	fake_pcie_event(rig.drive, 0xc1u << 16 | 7);
	while (atomic_load(&rig.drive->commands) < before + 1)
		rig_turn();
	assert_int_equal(rig.drive->last_admin.opcode, nvme_admin_async_event);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_true(rig.drive->aer_posted);
}

static void test_open_options_are_checked(void **state)
{
	static const struct {
		struct nvmh_ctrl_opts opts;
		int ret;
		const char *said;
	} table[] = {
		{ { .trtype = "pcie" }, -EINVAL, "traddr" },
		{ { .traddr = "01:00.0" }, -EINVAL, "trtype" },
		{ { .trtype = "rdma", .traddr = "x" }, -EINVAL, "rdma" },
		{ { .trtype = "pcie", .traddr = "x" }, -EINVAL, "PCI address" },
		{ { .trtype = "pcie", .traddr = "09:00.0" }, -ENODEV, "0000:09:00.0" },
		{ { .trtype = "pcie", .traddr = "01:00.0", .nr_io_queues = 129 },
		  -EINVAL,
		  "nr_io_queues" },
		{ { .trtype = "pcie", .traddr = "01:00.0", .queue_size = 1 },
		  -EINVAL,
		  "queue_size" },
		{ { .trtype = "pcie", .traddr = "01:00.0", .queue_size = 1025 },
		  -EINVAL,
		  "queue_size" },
	};
	struct nvmh_ctrl *ctrl = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(nvmh_ctrl_open(&table[i].opts, &ctrl), table[i].ret);
		assert_null(ctrl);
		if (!strstr(nvmh_strerror(), table[i].said))
			fail_msg("\"%s\" is not in \"%s\"", table[i].said, nvmh_strerror());
	}
	nvmh_ctrl_close(NULL);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_bring_up_is_live_with_namespaces_and_queues),
		rigged(test_wait_and_io_in_one_thread),
		rigged(test_submit_what_cannot_be_described_is_refused),
		rigged(test_commit_rings_once_for_many),
		rigged(test_io_goes_round_the_rings_in_any_order),
		rigged(test_fewer_queues_granted_are_used),
		rigged(test_queue_refused_the_ones_before_are_used),
		rigged(test_no_queues_stays_for_administration),
		rigged(test_small_mqes_makes_small_queues),
		rigged(test_doorbell_stride_and_page_size_are_kept_to),
		rigged(test_doorbells_beyond_the_bar_limit_queues),
		rigged(test_lost_interrupts_are_lived_with),
		rigged(test_slow_controller_is_waited_for),
		rigged(test_reset_aborts_outstanding_and_comes_back),
		rigged(test_reset_waits_for_the_drive_before_buffers_are_given_back),
		rigged(test_reset_deletes_queues_of_a_healthy_drive),
		rigged(test_reset_of_a_fatal_drive_deletes_nothing),
		rigged(test_reset_needs_each_owner_but_not_released_ones),
		rigged(test_close_deletes_queues_and_notifies),
		rigged(test_shutdown_ends_dead_and_quiet),
		rigged(test_close_during_bring_up_at_any_point),
		rigged(test_event_is_read_and_posted_again),
		rigged(test_open_options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
