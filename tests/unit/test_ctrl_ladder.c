// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands that do not come back, over a drive made of memory that holds them: Abort, the queue
 * made anew, a reset of the controller, of the PCI function, the end. On each rung: the command
 * completes once, with ST_HOST_ABORTED, and not before the drive let go of its memory; and what is
 * not concerned goes on.
 */
#include "tests/unit/pcie_rig.h"

#include "common/clock.h"
#include "host/mmio.h"

static void turns(unsigned int n)
{
	while (n--)
		rig_turn();
}

/* The deadlines of what the controller's thread does pass. */
static void recover_late(void)
{
	if (rig.ctrl->recover.q)
		rig.ctrl->recover.deadline_ns = 1;
}

/* A read on I/O queue @index that completes at once: what is not concerned goes on. */
static void io_works(uint16_t index)
{
	bool hold = atomic_load(&rig.drive->hold_io);
	struct nvmh_queue *q = &rig.ctrl->ioq[index];
	static struct nvmh_req req;
	static struct iovec iov;
	static unsigned int done;

	done = 0;
	atomic_store(&rig.drive->hold_io, false);
	assert_int_equal(rig_read(q, &req, &iov, rig.arena + 8192, &done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	nvmh_queue_poll(q);
	assert_int_equal(done, 1);
	assert_int_equal(req.status, 0);
	atomic_store(&rig.drive->hold_io, hold);
}

static void held_ended_once(void)
{
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
}

/* ---- Abort ---- */

static void test_late_command_is_aborted(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE };

	(void)state;
	rig_live(2, 0);
	hold_one();
	turns(3);
	assert_int_equal(atomic_load(&rig.drive->aborts), 0);
	rig_late(&rig.ctrl->ioq[0], &held);
	assert_int_equal(held_done, 0);
	turns(3);
	held_ended_once();
	assert_int_equal(atomic_load(&rig.drive->aborts), 1);
	assert_int_equal(atomic_load(&rig.drive->deletes), 0);
	assert_true(rig_states_are(states, 1));
	io_works(0);
}

/* Also without a test that plays the owner: the controller's timer makes it look. */
static void test_the_tick_finds_late_commands(void **state)
{
	(void)state;
	rig_live(1, 0);
	hold_one();
	rig.ctrl->tick_ns = 1;
	rig_turn(); /* the first look sets the deadline */
	assert_true(held.deadline_ns > clock_now_ns() + 29000 * UINT64_C(1000000));
	held.deadline_ns = 1;
	rig.ctrl->tick_ns = 1;
	turns(4);
	held_ended_once();
	assert_int_equal(atomic_load(&rig.drive->aborts), 1);
}

/* A drive that aborts because somebody else asked says so; only our own late ones are ours. */
static void test_aborted_by_somebody_else_is_reported_as_that(void **state)
{
	struct nvmh_req req = { .sqe = { .opcode = nvme_admin_abort_cmd }, .done = rig_done };
	unsigned int done = 0;

	(void)state;
	rig_live(1, 0);
	hold_one();
	req.arg = &done;
	req.sqe.cdw10 = le32_make((uint32_t)rig.drive->held[0].sqe.cid << 16 | 1);
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &req), 0);
	turns(3);
	assert_int_equal(done, 1);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_ABORT_REQ);
}

static void test_aborts_keep_to_the_drives_limit(void **state)
{
	struct nvmh_req reqs[20];
	struct iovec iov[20];
	unsigned int done = 0;
	struct nvmh_queue *q;
	unsigned int i;

	(void)state;
	rig.drive->id.acl = 1; /* two */
	rig_live(1, 32);
	q = &rig.ctrl->ioq[0];
	atomic_store(&rig.drive->hold_io, true);
	for (i = 0; i < 20; i++)
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	nvmh_queue_check(q);
	for (i = 0; i < 20; i++)
		reqs[i].deadline_ns = 1;
	for (i = 0; i < 10; i++) { /* the drive answers none meanwhile */
		nvmh_queue_check(q);
		nvmh_ctrl_process(rig.ctrl);
	}
	/* the posted event request and two Aborts */
	assert_int_equal(atomic_load(&rig.ctrl->adminq.outstanding), 3);
	turns(200);
	assert_int_equal(done, 20); /* one after the other, without waiting for another tick */
	assert_int_equal(atomic_load(&rig.drive->aborts), 20);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
}

/* ---- the queue made anew ---- */

static void abort_in_vain(void)
{
	atomic_store(&rig.drive->no_aborts, true);
	atomic_store(&rig.drive->silent_delete, true);
	hold_one();
	rig_late(&rig.ctrl->ioq[0], &held);
	turns(3);
	assert_int_equal(atomic_load(&rig.drive->aborts), 1);
	assert_int_equal(held_done, 0);
	assert_true(nvmh_queue_live(&rig.ctrl->ioq[0]));
	assert_true(held.deadline_ns > clock_now_ns());
}

static void test_queue_of_a_command_that_stays_is_made_anew(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE };
	struct nvmh_queue *q;
	unsigned int i;

	(void)state;
	rig_live(2, 0);
	q = &rig.ctrl->ioq[0];
	abort_in_vain();
	rig_late(q, &held);
	for (i = 0; i < 100 && !held_done; i++) {
		io_works(1); /* the other queue does not notice */
		rig_turn();
		assert_false(held_done && rig.drive->nr_held);
	}
	held_ended_once();
	for (i = 0; i < 100 && !nvmh_queue_live(q); i++)
		rig_turn();
	assert_int_equal(atomic_load(&rig.drive->deletes), 2);
	assert_int_equal(atomic_load(&rig.drive->enables), 1);
	assert_true(rig_states_are(states, 1));
	for (i = 0; i < 300; i++) /* round the new rings */
		io_works(0);
	assert_int_equal(held_done, 1);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
	assert_int_equal(q->bad_completions, 0);
}

/* Until the drive answered both Deletes it may write to the buffer, and to the queue. */
static void test_buffer_is_kept_until_the_queue_is_gone(void **state)
{
	(void)state;
	rig_live(1, 0);
	abort_in_vain();
	rig_late(&rig.ctrl->ioq[0], &held);
	atomic_store(&rig.drive->mute_admin, true);
	turns(10);
	assert_int_equal(rig.drive->last_admin.opcode, nvme_admin_delete_sq);
	assert_int_equal(held_done, 0);
	assert_false(nvmh_queue_live(&rig.ctrl->ioq[0]));
	assert_int_equal(rig_read(&rig.ctrl->ioq[0], &(struct nvmh_req){ 0 }, &(struct iovec){ 0 },
				  rig.arena, NULL),
			 -ENOTCONN);
}

/* A doorbell of a queue that is being deleted may be one of none by the time that it is rung, which
 * drives report as an error. */
static void test_queue_that_is_deleted_rings_no_doorbell(void **state)
{
	struct pcie_queue *pq;
	uint32_t head;
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	io_works(0);
	pq = rig.ctrl->ioq[0].tr;
	head = mmio_read32(pq->cq_db);
	assert_int_equal(head, 1);
	hold_one();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < RIG_TURNS && !held_done; i++) {
		rig_turn();
		assert_int_equal(mmio_read32(pq->cq_db), head);
	}
	held_ended_once();
	assert_int_equal(pq->cq_head, 2); /* by its completion, not by the reset */
	assert_true(rig_until_state(NVMH_LIVE));
}

static void test_command_that_comes_back_in_between_completes_as_it_is(void **state)
{
	(void)state;
	rig_live(1, 0);
	abort_in_vain();
	rig_late(&rig.ctrl->ioq[0], &held);
	nvmh_ctrl_process(rig.ctrl); /* Delete is sent */
	assert_int_equal(fake_pcie_release(rig.drive, 1, false), 1);
	turns(20);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, 0);
	assert_true(nvmh_queue_live(&rig.ctrl->ioq[0]));
	assert_int_equal(atomic_load(&rig.drive->deletes), 2);
}

/* The owner is another thread that does not poll for a while: nobody completes in its place. */
static void test_owner_that_does_not_poll_is_waited_for(void **state)
{
	unsigned int i;

	(void)state;
	rig_live(2, 0);
	abort_in_vain();
	rig_late(&rig.ctrl->ioq[0], &held);
	atomic_store(&rig.ctrl->ioq[0].owner, 1);
	for (i = 0; i < 50; i++) {
		fake_pcie_step(rig.drive);
		nvmh_ctrl_process(rig.ctrl);
		recover_late();
	}
	assert_int_equal(held_done, 0);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(atomic_load(&rig.drive->deletes), 2);
	turns(20);
	held_ended_once();
	assert_true(nvmh_queue_live(&rig.ctrl->ioq[0]));
}

static void test_queues_made_anew_again_and_again_end_in_a_reset(void **state)
{
	unsigned int n;

	(void)state;
	rig_live(1, 0);
	for (n = 0; n < 10; n++) {
		atomic_store(&rig.drive->aborts, 0);
		abort_in_vain();
		rig_late(&rig.ctrl->ioq[0], &held);
		turns(20);
		if (atomic_load(&rig.drive->enables) > 1)
			break;
		held_ended_once();
	}
	assert_int_equal(n, 3);
	assert_true(rig_until_state(NVMH_LIVE));
	held_ended_once();
}

/* ---- the controller ---- */

static uint16_t refuse_delete(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_delete_sq ? ST_INTERNAL : 0;
}

static uint16_t refuse_delete_cq(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_delete_cq ? ST_INTERNAL : 0;
}

static uint16_t refuse_create_once(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	return sqe->opcode == nvme_admin_create_cq && atomic_load(&f->deletes) &&
			       atomic_load(&f->enables) == 1
		       ? ST_INTERNAL
		       : 0;
}

static void test_queue_that_cannot_be_replaced_resets_the_controller(void **state)
{
	static const struct {
		uint16_t (*on_admin)(struct fake_pcie *f, const struct nvme_sqe *sqe);
		bool mute;
		const char *says;
	} table[] = {
		{ refuse_delete, false, "Delete I/O Submission Queue failed" },
		{ refuse_delete_cq, false, "Delete I/O Completion Queue failed" },
		{ refuse_create_once, false, "Create I/O Completion Queue failed" },
		{ NULL, true, "nor were the commands to replace its queue" },
	};
	unsigned int i;
	unsigned int n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		atomic_store(&rig.drive->enables, 0);
		atomic_store(&rig.drive->deletes, 0);
		atomic_store(&rig.drive->aborts, 0);
		rig.drive->on_admin = table[i].on_admin;
		rig_live(2, 0);
		abort_in_vain();
		atomic_store(&rig.drive->mute_admin, table[i].mute);
		rig_late(&rig.ctrl->ioq[0], &held);
		for (n = 0; n < 100 && nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE; n++) {
			assert_true(!held_done || table[i].on_admin == refuse_create_once);
			rig_turn();
			if (table[i].mute)
				recover_late();
		}
		assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
		assert_says("queue 1: command 02h was not answered in time, nor after an Abort");
		assert_says(table[i].says);
		atomic_store(&rig.drive->mute_admin, false);
		assert_true(rig_until_state(NVMH_LIVE));
		held_ended_once();
		assert_int_equal(atomic_load(&rig.drive->enables), 2);
		assert_int_equal(atomic_load(&rig.drive->resets), 0);
		io_works(0);
		rig_close();
		atomic_store(&rig.drive->hold_io, false);
	}
}

/* A reset at every point of a replacement: one completion, and all works afterwards. */
static void test_reset_at_any_point_of_a_replacement(void **state)
{
	unsigned int n;
	unsigned int i;

	(void)state;
	for (n = 0; n < 16; n++) {
		rig_live(2, 0);
		atomic_store(&rig.drive->aborts, 0);
		abort_in_vain();
		rig_late(&rig.ctrl->ioq[0], &held);
		for (i = 0; i < n; i++) {
			if (i % 2)
				nvmh_ctrl_process(rig.ctrl);
			else
				fake_pcie_step(rig.drive);
		}
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
		atomic_store(&rig.drive->hold_io, false);
		assert_true(rig_until_state(NVMH_LIVE));
		held_ended_once();
		io_works(0);
		io_works(1);
		rig_close();
	}
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_late_admin_command_is_aborted_then_resets(void **state)
{
	struct nvmh_req req = { .sqe.opcode = nvme_admin_keep_alive,
				.timeout_ms = 50,
				.done = rig_done,
				.arg = &held_done };

	(void)state;
	held_done = 0;
	rig_live(0, 0);
	atomic_store(&rig.drive->mute_admin, true);
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &req), 0);
	rig_turn();
	rig_late(&rig.ctrl->adminq, &req);
	turns(3);
	assert_int_equal(rig.drive->last_admin.opcode, nvme_admin_abort_cmd);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(held_done, 0);
	rig_late(&rig.ctrl->adminq, &req);
	rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_says("queue 0: command 18h was not answered in 50 ms, nor after an Abort");
	atomic_store(&rig.drive->mute_admin, false);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(held_done, 1);
	assert_int_equal(req.status, ST_HOST_ABORTED);
}

/* An Abort that is not answered is not aborted in turn. */
static void test_abort_that_is_late_resets(void **state)
{
	(void)state;
	rig_live(1, 0);
	atomic_store(&rig.drive->mute_admin, true);
	hold_one();
	rig_late(&rig.ctrl->ioq[0], &held);
	rig_turn();
	rig_late(&rig.ctrl->adminq, &rig.ctrl->recover.abort[0].req);
	rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_says("command 08h was not answered");
	atomic_store(&rig.drive->mute_admin, false);
	assert_true(rig_until_state(NVMH_LIVE));
	held_ended_once();
	assert_null(rig.ctrl->recover.abort[0].q);
}

/* ---- the PCI function, pacing ---- */

/* A controller reset that does not bring it back: the function is reset with the next try. */
static void test_bring_up_that_fails_resets_the_function(void **state)
{
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	hold_one();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	atomic_store(&rig.drive->mute_admin, true); /* cured by a reset of the function */
	for (i = 0; i < RIG_TURNS && !atomic_load(&rig.drive->resets); i++) {
		rig_turn();
		rig_hurry();
	}
	assert_int_equal(atomic_load(&rig.drive->resets), 1);
	atomic_store(&rig.drive->mute_admin, false);
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		rig_turn();
		rig.ctrl->pause_until_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	held_ended_once();
	io_works(0);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0); /* and not with every reset from then on */
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(atomic_load(&rig.drive->resets), 1);
}

static void test_tries_in_a_row_wait_longer_and_longer(void **state)
{
	uint64_t before[3];
	uint64_t after[3];
	uint64_t until[3];
	unsigned int nr = 0;
	uint64_t now;
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	atomic_store(&rig.drive->never_ready, true);
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_DEAD; i++) {
		now = clock_now_ns();
		rig_turn();
		if (rig.ctrl->phase == NVMH_PHASE_PAUSE && nr < 3) {
			before[nr] = now;
			after[nr] = clock_now_ns();
			until[nr++] = rig.ctrl->pause_until_ns;
		}
		rig_hurry();
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_int_equal(nr, 2); /* the first try comes at once */
	for (i = 0; i < nr; i++) {
		assert_true(until[i] >= before[i] + (i + 1) * UINT64_C(1000000000));
		assert_true(until[i] <= after[i] + (i + 1) * UINT64_C(1000000000));
	}
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_late_command_is_aborted),
		rigged(test_the_tick_finds_late_commands),
		rigged(test_aborted_by_somebody_else_is_reported_as_that),
		rigged(test_aborts_keep_to_the_drives_limit),
		rigged(test_queue_of_a_command_that_stays_is_made_anew),
		rigged(test_buffer_is_kept_until_the_queue_is_gone),
		rigged(test_queue_that_is_deleted_rings_no_doorbell),
		rigged(test_command_that_comes_back_in_between_completes_as_it_is),
		rigged(test_owner_that_does_not_poll_is_waited_for),
		rigged(test_queues_made_anew_again_and_again_end_in_a_reset),
		rigged(test_queue_that_cannot_be_replaced_resets_the_controller),
		rigged(test_reset_at_any_point_of_a_replacement),
		rigged(test_late_admin_command_is_aborted_then_resets),
		rigged(test_abort_that_is_late_resets),
		rigged(test_bring_up_that_fails_resets_the_function),
		rigged(test_tries_in_a_row_wait_longer_and_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
