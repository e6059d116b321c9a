// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands that their owner gives up, over a drive made of memory: one Abort for each, in turn, and
 * an end for each, whoever is first. Then events that whoever uses a controller is told of, and
 * controllers closed in every step of coming up.
 */
#include "tests/unit/pcie_rig.h"

#include "common/clock.h"

static void turns(unsigned int n)
{
	while (n--)
		rig_turn();
}

static void test_cancelled_command_ends_as_aborted(void **state)
{
	(void)state;
	rig_live(2, 0);
	hold_one();
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), 0);
	assert_int_equal(held_done, 0);
	turns(3);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_ABORT_REQ);
	assert_int_equal(atomic_load(&rig.drive->aborts), 1);
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), -ENOENT);
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[1], &held), -ENOENT);
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &(struct nvmh_req){ 0 }), -ENOENT);
}

static void test_cancel_of_another_queues_command_is_refused(void **state)
{
	(void)state;
	rig_live(2, 0);
	hold_one();
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[1], &held), -ENOENT);
	turns(3);
	assert_int_equal(atomic_load(&rig.drive->aborts), 0);
	assert_int_equal(held_done, 0);
	fake_pcie_release(rig.drive, 1, false);
	turns(1);
	assert_int_equal(held.status, 0);
}

/* What the drive has not seen yet is sent first: else there is nothing to abort. */
static void test_cancel_commits_what_was_submitted(void **state)
{
	(void)state;
	rig_live(1, 0);
	held_done = 0;
	atomic_store(&rig.drive->hold_io, true);
	assert_int_equal(rig_read(&rig.ctrl->ioq[0], &held, &held_iov, rig.arena, &held_done), 0);
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), 0);
	turns(3);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_ABORT_REQ);
}

/* While the Abort is on its way, the command id it names is nobody else's. */
static void test_tag_is_not_used_again_before_the_abort_is_answered(void **state)
{
	struct nvmh_queue *q;
	struct nvmh_req reqs[3];
	struct iovec iov[3];
	unsigned int done = 0;
	uint16_t tag;

	(void)state;
	rig_live(1, 3); /* two commands */
	q = &rig.ctrl->ioq[0];
	hold_one();
	tag = held.tag;
	assert_int_equal(nvmh_queue_cancel(q, &held), 0);
	nvmh_ctrl_process(rig.ctrl); /* sends it; the drive has not looked yet */
	assert_int_equal(atomic_load(&rig.ctrl->adminq.outstanding), 2);
	atomic_store(&rig.drive->hold_io, false);
	fake_pcie_release(rig.drive, 1, false);
	nvmh_queue_poll(q);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, 0);
	assert_int_equal(nvmh_queue_room(q), 1);
	assert_int_equal(rig_read(q, &reqs[0], &iov[0], rig.arena, &done), 0);
	assert_int_not_equal(reqs[0].tag, tag);
	assert_int_equal(rig_read(q, &reqs[1], &iov[1], rig.arena, &done), -EAGAIN);
	nvmh_queue_commit(q);
	turns(3); /* the Abort finds nothing */
	assert_int_equal(done, 1);
	assert_int_equal(reqs[0].status, 0);
	assert_int_equal(nvmh_queue_room(q), 2);
	assert_int_equal(rig_read(q, &reqs[1], &iov[1], rig.arena, &done), 0);
	assert_int_equal(rig_read(q, &reqs[2], &iov[2], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	turns(2);
	assert_int_equal(done, 3);
}

/* Also where nobody polls in between: submission finds the tag free again. */
static void test_parked_tag_is_found_by_submission(void **state)
{
	struct nvmh_queue *q;
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;

	(void)state;
	rig_live(1, 2); /* one command */
	q = &rig.ctrl->ioq[0];
	hold_one();
	assert_int_equal(nvmh_queue_cancel(q, &held), 0);
	nvmh_ctrl_process(rig.ctrl);
	fake_pcie_release(rig.drive, 1, false);
	nvmh_queue_poll(q);
	assert_int_equal(held_done, 1);
	assert_int_equal(nvmh_queue_room(q), 0);
	assert_int_equal(rig_read(q, &req, &iov, rig.arena, &done), -EAGAIN);
	fake_pcie_step(rig.drive);
	nvmh_ctrl_process(rig.ctrl); /* the Abort is answered */
	atomic_store(&rig.drive->hold_io, false);
	assert_int_equal(rig_read(q, &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(q);
	turns(2);
	assert_int_equal(done, 1);
}

static void test_cancel_of_many_keeps_to_the_drives_limit(void **state)
{
	struct nvmh_req reqs[20];
	struct iovec iov[20];
	unsigned int done = 0;
	struct nvmh_queue *q;
	unsigned int i;

	(void)state;
	rig.drive->id.acl = 0; /* one */
	rig_live(1, 32);
	q = &rig.ctrl->ioq[0];
	atomic_store(&rig.drive->hold_io, true);
	for (i = 0; i < 20; i++)
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	for (i = 0; i < 20; i++) {
		assert_int_equal(nvmh_queue_cancel(q, &reqs[i]), 0);
		assert_int_equal(nvmh_queue_cancel(q, &reqs[i]), 0); /* is no second Abort */
	}
	for (i = 0; i < 10; i++) {
		nvmh_ctrl_process(rig.ctrl);
		nvmh_queue_poll(q);
	}
	/* the posted event request and one Abort */
	assert_int_equal(atomic_load(&rig.ctrl->adminq.outstanding), 2);
	turns(200);
	assert_int_equal(done, 20);
	assert_int_equal(atomic_load(&rig.drive->aborts), 20);
	assert_int_equal(nvmh_queue_room(q), 31);
	for (i = 0; i < 20; i++)
		assert_int_equal(reqs[i].status, ST_ABORT_REQ);
}

/* Those that end before their turn need no Abort. */
static void test_cancel_of_what_ends_meanwhile_sends_nothing(void **state)
{
	struct nvmh_req reqs[10];
	struct iovec iov[10];
	unsigned int done = 0;
	struct nvmh_queue *q;
	unsigned int i;

	(void)state;
	rig_live(1, 32);
	q = &rig.ctrl->ioq[0];
	atomic_store(&rig.drive->hold_io, true);
	for (i = 0; i < 10; i++)
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	for (i = 0; i < 10; i++)
		assert_int_equal(nvmh_queue_cancel(q, &reqs[i]), 0);
	fake_pcie_release(rig.drive, 10, false);
	nvmh_queue_poll(q);
	assert_int_equal(done, 10);
	turns(50);
	assert_true(atomic_load(&rig.drive->aborts) <= 1);
	assert_int_equal(nvmh_queue_room(q), 31);
	assert_int_equal(q->nr_wanted, 0);
}

/* A drive that aborts nothing: the command may be cancelled again, and its time goes on. */
static void test_cancel_in_vain_may_be_repeated(void **state)
{
	(void)state;
	atomic_store(&rig.drive->no_aborts, true);
	rig_live(1, 0);
	hold_one();
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), 0);
	turns(5);
	assert_int_equal(held_done, 0);
	assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), 0);
	turns(5);
	assert_int_equal(atomic_load(&rig.drive->aborts), 2);
	assert_int_equal(held_done, 0);
	/* late as well: the ladder's own Abort, which says so */
	atomic_store(&rig.drive->no_aborts, false);
	rig_late(&rig.ctrl->ioq[0], &held);
	turns(5);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
	assert_int_equal(atomic_load(&rig.drive->aborts), 3);
}

static void test_cancel_of_an_admin_command(void **state)
{
	struct nvmh_req req = { .sqe = { .opcode = nvme_admin_identify }, .done = rig_done };
	unsigned int done = 0;

	(void)state;
	rig_live(1, 0);
	req.arg = &done; /* never answered */
	atomic_store(&rig.drive->mute_admin, true);
	req.sqe.cdw10 = le32_make(NVME_IDENTIFY_CNS_CTRL);
	req.iov = &(struct iovec){ rig.arena, 4096 };
	req.nr_iov = 1;
	req.len = 4096;
	req.dir = NVMH_FROM_CTRL;
	assert_int_equal(nvmh_admin_cancel(rig.ctrl, &req), -ENOENT);
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &req), 0);
	turns(2);
	atomic_store(&rig.drive->mute_admin, false);
	assert_int_equal(nvmh_admin_cancel(rig.ctrl, &req), 0);
	turns(3);
	assert_int_equal(atomic_load(&rig.drive->aborts), 1);
	assert_int_equal(rig.drive->last_admin.opcode, nvme_admin_abort_cmd);
	assert_int_equal(le32_get(rig.drive->last_admin.cdw10), (uint32_t)req.sqe.cid << 16);
	assert_int_equal(done, 0);
	rig_close();
	assert_int_equal(done, 1);
	assert_int_equal(req.status, ST_HOST_ABORTED);
}

/* A reset takes cancelled commands like all others, once, and leaves nothing behind. */
static void test_cancel_then_reset_ends_once(void **state)
{
	unsigned int sent;

	(void)state;
	for (sent = 0; sent < 3; sent++) {
		rig_live(1, 3);
		hold_one();
		assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), 0);
		if (sent)
			nvmh_ctrl_process(rig.ctrl); /* the Abort is on its way */
		if (sent == 2)
			atomic_store(&rig.drive->mute_admin, true); /* and gets lost */
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
		if (sent == 2)
			fake_pcie_step(rig.drive);
		atomic_store(&rig.drive->mute_admin, false);
		assert_true(rig_until_state(NVMH_LIVE));
		assert_int_equal(held_done, 1);
		turns(3);
		assert_int_equal(atomic_load(&rig.ctrl->ioq[0].aborts), 0);
		assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 2);
		assert_int_equal(held_done, 1);
		/* neither live nor outstanding */
		assert_int_equal(nvmh_queue_cancel(&rig.ctrl->ioq[0], &held), -ENOENT);
		rig_close();
		atomic_store(&rig.drive->hold_io, false);
		fake_pcie_free(rig.drive);
		rig_setup(NULL);
	}
}

/* ---- events ---- */

static uint32_t events[8];
static unsigned int nr_events;

static void on_event(struct nvmh_ctrl *ctrl, uint32_t dw0, void *arg)
{
	assert_ptr_equal(ctrl, rig.ctrl);
	assert_ptr_equal(arg, &rig);
	if (nr_events < ARRAY_SIZE(events))
		events[nr_events++] = dw0;
	assert_int_equal(nvmh_ctrl_process(ctrl), 0); /* harmless */
}

static uint32_t asked; /* Set Features Asynchronous Event Configuration */

static uint16_t note_config(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_set_features &&
	    (le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_ASYNC_EVENT)
		asked = le32_get(sqe->cdw11);
	return 0;
}

static void test_events_are_told_in_order(void **state)
{
	static const uint32_t told[] = { 2u << 16 | 1u << 8 | 1, 0x0cu << 16 | 3u << 8 | 2, 7 };
	struct nvmh_ctrl_opts opts = { .trtype = "pcie",
				       .traddr = "01:00.0",
				       .on_state = rig_on_state,
				       .on_event = on_event,
				       .arg = &rig };
	size_t i;

	(void)state;
	nr_events = 0;
	rig.drive->id.oaes = htole32(0x80004b00);
	rig.drive->on_admin = note_config;
	assert_int_equal(nvmh_ctrl_open(&opts, &rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(asked, 0x80004b1f); /* all that it has */
	for (i = 0; i < ARRAY_SIZE(told); i++) {
		fake_pcie_event(rig.drive, told[i]);
		turns(10);
		assert_int_equal(nr_events, i + 1);
		assert_int_equal(events[i], told[i]);
	}
}

static void test_events_without_listener_are_those_acted_on(void **state)
{
	(void)state;
	rig.drive->id.oaes = htole32(0x80004b00);
	rig.drive->on_admin = note_config;
	rig_live(1, 0);
	assert_int_equal(asked & 0x4000, 0); /* endurance groups */
}

/* ---- close at any moment ---- */

/* One turn more before the close each time, until it is live: every step and what lies between. */
static void test_close_in_every_step_of_a_bring_up(void **state)
{
	unsigned int n = 0;
	bool live;

	(void)state;
	do {
		rig_open(2, 0);
		turns(n);
		live = nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE;
		rig_close();
		fake_pcie_free(rig.drive);
		rig_setup(NULL);
		n++;
	} while (!live);
	assert_true(n > 10);
}

/* The same of a reset with commands outstanding, which end within. */
static void test_close_in_every_step_of_a_reset(void **state)
{
	unsigned int n = 0;
	bool live;

	(void)state;
	do {
		rig_live(2, 0);
		hold_one();
		nvmh_queue_cancel(&rig.ctrl->ioq[0], &held);
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
		turns(n);
		live = nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE;
		rig_close();
		assert_int_equal(held_done, 1);
		fake_pcie_free(rig.drive);
		rig_setup(NULL);
		n++;
	} while (!live);
	assert_true(n > 10);
}

#define rigged(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_cancelled_command_ends_as_aborted),
		rigged(test_cancel_of_another_queues_command_is_refused),
		rigged(test_cancel_commits_what_was_submitted),
		rigged(test_tag_is_not_used_again_before_the_abort_is_answered),
		rigged(test_parked_tag_is_found_by_submission),
		rigged(test_cancel_of_many_keeps_to_the_drives_limit),
		rigged(test_cancel_of_what_ends_meanwhile_sends_nothing),
		rigged(test_cancel_in_vain_may_be_repeated),
		rigged(test_cancel_of_an_admin_command),
		rigged(test_cancel_then_reset_ends_once),
		rigged(test_events_are_told_in_order),
		rigged(test_events_without_listener_are_those_acted_on),
		rigged(test_close_in_every_step_of_a_bring_up),
		rigged(test_close_in_every_step_of_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
