// SPDX-License-Identifier: BSD-2-Clause
/*
 * The multipath controller over made-up paths: what they answer and what becomes of it, paths
 * without room, cancelling, events.
 */
#include "tests/unit/mpath_rig.h"

/* ---- answers ---- */

static void test_mpath_transient_answer_is_retried_a_few_times(void **state)
{
	static const uint16_t transient[] = { ST_NS_NOT_READY,
					      ST_CMD_INTERRUPTED,
					      ST_TRANSIENT_TRANSPORT,
					      ST_PATH_INTERNAL,
					      ST_HOST_PATH_ERROR,
					      ST_HOST_ABORTED,
					      ST_WRITE_FAULT | 1 << ST_CRD_SHIFT };
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(transient); i++) {
		fake_path_init();
		fake_path[0].by_hand = true;
		rig_open_up(&rig, 1, NULL);
		/* once, and then it works */
		rig_write(&rig, 0, &io, 1, 0x11);
		fake_path_answer(fake_path_find(&fake_path[0]), transient[i]);
		rig_until(&rig, fake_path[0].nr_ios == 2);
		assert_int_equal(io.nr_done, 0);
		fake_path_answer(fake_path_find(&fake_path[0]), 0);
		rig_wait(&rig, &io, 0);
		/* Do Not Retry is obeyed */
		rig_write(&rig, 0, &io, 1, 0x11);
		fake_path_answer(fake_path_find(&fake_path[0]), transient[i] | ST_DNR);
		rig_wait(&rig, &io, transient[i] | ST_DNR);
		assert_int_equal(fake_path[0].nr_ios, 3);
		rig_close(&rig);
	}
	/* always: then that is the answer */
	fake_path_init();
	fake_path[0].io_status = ST_NS_NOT_READY;
	rig_open_up(&rig, 1, NULL);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, ST_NS_NOT_READY);
	assert_int_equal(fake_path[0].nr_ios, 1 + MPATH_MAX_TRIES);
	rig_close(&rig);
}

static void test_mpath_answer_of_the_command_is_the_answer(void **state)
{
	static const uint16_t final[] = { ST_INVALID_FIELD, ST_LBA_RANGE | ST_DNR, ST_READ_ERROR,
					  ST_COMPARE_FAILED, ST_RESERVATION_CONFLICT };
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, NULL);
	for (i = 0; i < ARRAY_SIZE(final); i++) {
		rig_read(&rig, 0, &io, 1);
		fake_path_answer(fake_path_find(&fake_path[0]), final[i]);
		rig_wait(&rig, &io, final[i]);
		assert_int_equal(cqe_status(&io.req.cqe), final[i]);
	}
	assert_int_equal(fake_path[1].nr_ios, 0);
	rig_close(&rig);
}

/* CRDT1 is waited for before the second try. */
static void test_mpath_retry_delay_is_honoured(void **state)
{
	struct rig_io io;
	uint64_t start;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	fake_path[0].id.crdt2 = htole16(3);
	rig_open_up(&rig, 1, NULL);
	rig_read(&rig, 0, &io, 1);
	start = clock_now_ns();
	fake_path_answer(fake_path_find(&fake_path[0]), ST_CMD_INTERRUPTED | 2 << ST_CRD_SHIFT);
	rig_until(&rig, fake_path[0].nr_ios == 2);
	assert_true(clock_now_ns() - start >= 300000000u);
	fake_path_answer(fake_path_find(&fake_path[0]), 0);
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

/* With path 1 only, whose queues take four commands, while the controller's take sixteen. */
static void open_small(struct rig *rig)
{
	struct nvmh_ctrl_opts more = rig_path(rig, 1);

	fake_path[1].queue_size = 5;
	rig_open_up(rig, 1, NULL);
	assert_int_equal(nvmh_mpath_add(rig->ctrl, &more), 1);
	rig_until(rig, rig_up(rig, 1));
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(rig, !rig_up(rig, 0));
}

/* A path with a smaller queue: what has no room waits, in order. */
static void test_mpath_full_path_queue_holds(void **state)
{
	struct rig_io io[16];
	struct rig rig;
	uint32_t i;

	(void)state;
	fake_path[1].by_hand = true;
	open_small(&rig);
	rig_settle(&rig);
	for (i = 0; i < 16; i++)
		rig_read(&rig, 0, &io[i], i);
	assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(rig.ctrl, 0)), 0);
	for (i = 0; i < 16; i++) {
		assert_true(fake_path_count(&fake_path[1]) <= 4);
		assert_int_equal(le32_get(fake_path_find(&fake_path[1])->sqe.cdw10), i);
		fake_path_answer(fake_path_find(&fake_path[1]), 0);
		rig_wait(&rig, &io[i], 0);
	}
	rig_close(&rig);
}

struct hog {
	struct rig_io io;
	struct nvmh_queue *q;
	uint32_t left;
};

static void hog_done(struct nvmh_req *req)
{
	struct hog *hog = req->arg;

	hog->io.nr_done++;
	if (hog->left && hog->left--)
		assert_int_equal(nvmh_queue_submit(hog->q, req), 0);
}

/* And in turn, though each that ends is followed by another at once. */
static void test_mpath_full_path_queue_starves_nobody(void **state)
{
	struct hog hog[16];
	struct rig rig;
	uint32_t i;

	(void)state;
	open_small(&rig);
	for (i = 0; i < 16; i++) {
		rig_prep(&hog[i].io, nvme_cmd_read, 1, i, 0);
		hog[i].io.req.done = hog_done;
		hog[i].io.req.arg = &hog[i];
		hog[i].q = nvmh_ctrl_queue(rig.ctrl, 0);
		hog[i].left = 50;
		rig_start(&rig, 0, &hog[i].io);
	}
	rig_until(&rig, hog[15].io.nr_done == 10);
	for (i = 0; i < 16; i++) {
		assert_true(hog[i].io.nr_done >= 9 && hog[i].io.nr_done <= 11);
		hog[i].left = 0;
	}
	for (i = 0; i < 16; i++)
		rig_until(&rig, hog[i].io.req.state == 0);
	rig_close(&rig);
}

/* ---- what comes back to the caller ---- */

/* What is held ends; what is with a path is left to its controller, which gets an Abort. */
static void test_mpath_cancel_ends_what_is_held(void **state)
{
	struct nvmh_queue *q;
	struct rig_io io[2];
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, &(struct nvmh_mpath_opts){ .hold_ms = NVMH_NO_HOLD });
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	rig_read(&rig, 0, &io[0], 1);
	assert_int_equal(nvmh_queue_cancel(q, &io[0].req), 0);
	rig_until(&rig, fake_path[0].nr_aborts == 1);
	fake_path_answer(fake_path_find(&fake_path[0]), ST_ABORT_REQ);
	rig_wait(&rig, &io[0], ST_ABORT_REQ);
	assert_int_equal(nvmh_queue_cancel(q, &io[0].req), -ENOENT);
	/* one that was cancelled is not sent again when its path is lost */
	rig_read(&rig, 0, &io[0], 1);
	assert_int_equal(nvmh_queue_cancel(q, &io[0].req), 0);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_wait(&rig, &io[0], ST_ABORT_REQ);
	rig_write(&rig, 0, &io[1], 1, 1);
	rig_settle(&rig);
	assert_int_equal(nvmh_queue_cancel(q, &io[1].req), 0);
	assert_int_equal(io[1].nr_done, 0);
	rig_wait(&rig, &io[1], ST_ABORT_REQ);
	rig_close(&rig);
}

static void on_event(struct nvmh_ctrl *ctrl, uint32_t dw0, void *arg)
{
	struct rig *rig = arg;

	assert_ptr_equal(ctrl, rig->ctrl);
	rig->last_nsid = dw0;
}

/* Its owner is between its last poll and its sleep: the descriptor alone would be emptied there. */
static void test_mpath_cancel_of_what_is_held_does_not_sleep(void **state)
{
	struct nvmh_queue *q;
	struct rig_io io;
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 1, NULL);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, !rig_up(&rig, 0));
	rig_read(&rig, 0, &io, 1);
	rig_settle(&rig);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(nvmh_queue_cancel(q, &io.req), 0);
	assert_int_equal(nvmh_queue_arm(q), 1);
	assert_int_equal(nvmh_queue_poll(q), 1);
	assert_int_equal(io.req.status, ST_ABORT_REQ);
	rig_close(&rig);
}

static void test_mpath_events_are_passed_on(void **state)
{
	struct nvmh_ctrl_opts paths[2];
	struct rig rig = { 0 };

	(void)state;
	paths[0] = rig_path(&rig, 0);
	paths[1] = rig_path(&rig, 1);
	paths[0].on_event = on_event;
	assert_int_equal(nvmh_mpath_open_with(paths, 2, NULL, &fake_path_ops, &rig.ctrl), 0);
	rig_until(&rig, rig_up(&rig, 1));
	rig_until(&rig, fake_path_event(&fake_path[1], 0x020001));
	rig_until(&rig, rig.last_nsid == 0x020001);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mpath_test(test_mpath_transient_answer_is_retried_a_few_times),
		mpath_test(test_mpath_answer_of_the_command_is_the_answer),
		mpath_test(test_mpath_retry_delay_is_honoured),
		mpath_test(test_mpath_full_path_queue_holds),
		mpath_test(test_mpath_full_path_queue_starves_nobody),
		mpath_test(test_mpath_cancel_ends_what_is_held),
		mpath_test(test_mpath_cancel_of_what_is_held_does_not_sleep),
		mpath_test(test_mpath_events_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
