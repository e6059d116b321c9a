// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes of a lost path: never sent elsewhere before the lost controller is known to be quiet, by
 * time or by a Cross-Controller Reset, so that a stale one never lands on a newer one; with several
 * paths and with one.
 * NVM Express Base Specification 2.3, "Communication Loss Handling".
 */
#include "tests/unit/mpath_rig.h"

enum {
	CIU = 0x42,
	CQT_MS = 20,
};

static uint8_t *id_byte(struct fake_path *p, size_t off)
{
	return (uint8_t *)&p->id + off;
}

/* Both paths offer Cross-Controller Reset; KATO is so long that only that can help. */
static void offer_ccr(void)
{
	uint16_t i;
	uint8_t j;

	for (i = 0; i < 3; i++) {
		*id_byte(&fake_path[i], 135) = (uint8_t)(CIU + i);
		for (j = 0; j < 8; j++)
			*id_byte(&fake_path[i], 136 + j) = (uint8_t)(0x11 * (j + 1));
		*id_byte(&fake_path[i], 1807) = 4;
	}
}

/* A write that was sent over path 0, which is lost then. Return: when. */
static uint64_t lose_write(struct rig *rig, struct rig_io *io, uint8_t opcode)
{
	uint64_t now;

	rig_prep(io, opcode, 1, 7, 0x99);
	rig_start(rig, 0, io);
	assert_int_equal(fake_path_count(&fake_path[0]), 1);
	now = clock_now_ns();
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	return now;
}

/* ---- time ---- */

static void check_held_for(uint64_t wait_ms, const struct nvmh_mpath_opts *opts)
{
	struct rig_io io, read;
	uint64_t start;
	struct rig rig;

	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, opts);
	start = lose_write(&rig, &io, nvme_cmd_write);
	/* a read goes on meanwhile */
	rig_read(&rig, 1, &read, 7);
	rig_wait(&rig, &read, 0);
	rig_until(&rig, fake_path[1].nr_ios == 2);
	assert_true(clock_now_ns() - start >= wait_ms * NS_PER_MS);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path_blocks[0][7][0], 0x99);
	rig_close(&rig);
}

static void test_mpath_hold_lasts_kato_and_cqt(void **state)
{
	(void)state;
	*id_byte(&fake_path[0], 386) = CQT_MS;
	check_held_for(RIG_KATO_MS + CQT_MS, NULL);
	/* traffic counts as keep alive: it may notice one KATO later */
	fake_path_init();
	fake_path[0].id.ctratt = htole32(NVME_CTRL_CTRATT_TBKAS);
	check_held_for(2 * RIG_KATO_MS, NULL);
	fake_path_init();
	check_held_for(120, &(struct nvmh_mpath_opts){ .hold_ms = 120 });
}

/* The controller's timer is as long as its granularity has it, not as we asked; up to a minute. */
static void test_mpath_hold_rounds_kato_up_as_the_controller_does(void **state)
{
	static const struct {
		uint16_t kas;
		uint64_t kato_ms;
	} want[] = { { 0, RIG_KATO_MS }, { 1, 100 },	 { 10, 1000 },
		     { 600, 60000 },	 { 601, 60000 }, { 0xffff, 60000 } };
	const struct mpath_slot *slot;
	struct rig_io io;
	uint64_t start;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		fake_path_init();
		fake_path[0].by_hand = true;
		fake_path[0].id.kas = htole16(want[i].kas);
		rig_open_up(&rig, 2, NULL);
		slot = &mpath_of(rig.ctrl)->slot[0];
		fake_path[0].ctrl->heard_ns = start = clock_now_ns();
		lose_write(&rig, &io, nvme_cmd_write);
		/* told from when it was reached: exact */
		while (!slot->nr_fences)
			nvmh_ctrl_process(rig.ctrl);
		assert_true(slot->fence[0].until_ns >= start + 2 * want[i].kato_ms * NS_PER_MS);
		assert_true(slot->fence[0].until_ns <=
			    clock_now_ns() + 2 * want[i].kato_ms * NS_PER_MS);
		rig_close(&rig);
	}
}

/* Lost at once after it was live, it was reached just now: the specification's times. */
static void test_mpath_hold_counts_from_when_it_was_reached(void **state)
{
	struct rig_io io;
	uint64_t heard;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, NULL);
	heard = clock_now_ns();
	fake_path[0].ctrl->heard_ns = heard;
	lose_write(&rig, &io, nvme_cmd_write);
	rig_until(&rig, fake_path[1].nr_ios == 1);
	assert_true(clock_now_ns() - heard >= 2ull * RIG_KATO_MS * NS_PER_MS);
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

/* What changes nothing, and what was never sent, does not wait. KATO is an hour. */
static void test_mpath_hold_is_not_for_all(void **state)
{
	static const uint8_t opcodes[] = { nvme_cmd_read, nvme_cmd_flush, nvme_cmd_compare,
					   nvme_cmd_verify };
	struct nvmh_mpath_opts opts = { .hold_ms = 3600000 };
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		fake_path_init();
		fake_path[0].by_hand = true;
		rig_open_up(&rig, 2, &opts);
		lose_write(&rig, &io, opcodes[i]);
		rig_wait(&rig, &io, 0);
		rig_close(&rig);
	}
	/* a write that found no path, and one that an answer sent elsewhere */
	fake_path_init();
	rig_open_up(&rig, 1, &opts);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_CONNECTING);
	rig_write(&rig, 0, &io, 1, 1);
	fake_path[0].unreachable = false;
	rig_wait(&rig, &io, 0);
	fake_path[0].by_hand = true;
	rig_write(&rig, 0, &io, 1, 1);
	fake_path_answer(fake_path_find(&fake_path[0]), ST_NS_NOT_READY);
	fake_path[0].by_hand = false;
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
	/* none at all was asked for */
	fake_path_init();
	fake_path[0].by_hand = true;
	opts.hold_ms = NVMH_NO_HOLD;
	rig_open_up(&rig, 2, &opts);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

/* The one path comes back at once, as another association: the write waits all the same. */
static void test_mpath_hold_one_path_waits_for_the_old_controller(void **state)
{
	struct rig_io io, read;
	uint64_t start;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, NULL);
	start = lose_write(&rig, &io, nvme_cmd_write);
	fake_path[0].by_hand = fake_path[0].unreachable = false;
	rig_read(&rig, 1, &read, 1);
	rig_wait(&rig, &read, 0);
	assert_int_equal(fake_path[0].nr_connects, 2);
	rig_wait(&rig, &io, 0);
	assert_true(clock_now_ns() - start >= 1ull * RIG_KATO_MS * NS_PER_MS);
	assert_int_equal(fake_path[0].nr_ios, 3);
	rig_close(&rig);
}

/* Lost again and again: each association is waited for, also those that share a place. */
static void test_mpath_hold_many_losses_in_a_row(void **state)
{
	struct nvmh_mpath_opts opts = { .hold_ms = 3600000 };
	struct mpath_slot *slot;
	struct rig_io io[8];
	struct rig rig;
	uint32_t i;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, &opts);
	slot = &mpath_of(rig.ctrl)->slot[0];
	for (i = 0; i < 8; i++) {
		lose_write(&rig, &io[i], nvme_cmd_write);
		fake_path[0].unreachable = false;
		rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_CONNECTING);
		rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
		rig_settle(&rig);
	}
	assert_int_equal(slot->nr_fences, MPATH_MAX_FENCES);
	assert_int_equal(slot->fence[MPATH_MAX_FENCES - 1].assoc, 8);
	fake_path[0].by_hand = false;
	/* one after the other is quiet; the last place stands for all from the fourth on */
	for (i = 0; i < MPATH_MAX_FENCES; i++) {
		rig_settle(&rig);
		assert_int_equal(io[i].nr_done, 0);
		assert_int_equal(fake_path[0].nr_ios, 8 + i);
		slot->fence[0].until_ns = 0;
		rig_wait(&rig, &io[i], 0);
	}
	for (i = 0; i < 8; i++)
		rig_wait(&rig, &io[i], 0);
	assert_int_equal(fake_path[0].nr_ios, 16);
	rig_close(&rig);
}

/* The point of it all: the old controller executes the write late, the new data stay. */
static void test_mpath_hold_stale_write_does_not_overtake(void **state)
{
	struct nvme_sqe stale;
	struct rig_io io, newer;
	uint8_t data[512];
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, &(struct nvmh_mpath_opts){ .hold_ms = 3600000 });
	rig_write(&rig, 0, &io, 7, 0x99);
	stale = fake_path_find(&fake_path[0])->sqe;
	memcpy(data, fake_path_find(&fake_path[0])->data, sizeof(data));
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, !rig_up(&rig, 0));
	rig_settle(&rig);
	/* as long as it may still do so, the caller has not been told that it is done */
	fake_path_execute(&stale, data, NULL);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(fake_path[1].nr_ios, 0);
	mpath_of(rig.ctrl)->slot[0].fence[0].until_ns = 0;
	rig_wait(&rig, &io, 0);
	rig_write(&rig, 0, &newer, 7, 0xaa);
	rig_wait(&rig, &newer, 0);
	assert_int_equal(fake_path_blocks[0][7][0], 0xaa);
	rig_close(&rig);
}

/* fast_io_fail_ms does not give a write back that may still be executed. */
static void test_mpath_hold_comes_before_fast_io_fail(void **state)
{
	struct nvmh_mpath_opts opts = { .fast_io_fail_ms = 1, .hold_ms = 150 };
	struct rig_io io;
	uint64_t start;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, &opts);
	start = lose_write(&rig, &io, nvme_cmd_write);
	rig_wait(&rig, &io, ST_HOST_PATH_ERROR);
	assert_true(clock_now_ns() - start >= 150ull * NS_PER_MS);
	rig_close(&rig);
}

/* Nor does giving the last path up. */
static void test_mpath_hold_comes_before_giving_up(void **state)
{
	struct nvmh_mpath_opts opts = { .hold_ms = 3600000 };
	struct rig rig = { 0 };
	struct nvmh_ctrl_opts path = rig_path(&rig, 0);
	struct nvmh_mpath_path info;
	struct mpath_slot *slot;
	struct rig_io io, read;

	(void)state;
	path.ctrl_loss_ms = 1;
	fake_path[0].by_hand = true;
	assert_int_equal(nvmh_mpath_open_with(&path, 1, &opts, &fake_path_ops, &rig.ctrl), 0);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
	slot = &mpath_of(rig.ctrl)->slot[0];
	lose_write(&rig, &io, nvme_cmd_write);
	rig_until(&rig, !nvmh_mpath_path(rig.ctrl, 0, &info) && info.state == NVMH_DEAD);
	rig_settle(&rig);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_CONNECTING);
	/* for what was never sent nothing is waited for */
	rig_read(&rig, 1, &read, 1);
	rig_wait(&rig, &read, ST_HOST_PATH_ERROR);
	slot->fence[0].until_ns = 0;
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_DEAD);
	assert_int_equal(io.nr_done, 1);
	assert_true(io.req.status == ST_HOST_PATH_ERROR || io.req.status == ST_HOST_ABORTED);
	rig_close(&rig);
}

/* A path that is shut down goes on until its connections are closed: the time counts from then. */
static void test_mpath_hold_counts_from_when_it_is_closed(void **state)
{
	struct nvmh_mpath_opts opts = { .hold_ms = 20 };
	struct mpath_slot *slot;
	struct rig_io io;
	uint64_t closed;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = fake_path[0].stay_open = true;
	offer_ccr();
	rig_open_up(&rig, 2, &opts);
	slot = &mpath_of(rig.ctrl)->slot[0];
	rig_write(&rig, 0, &io, 7, 0x99);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 0), 0);
	slot->own->deadline_ns = 1; /* it was drained for long enough */
	rig_until(&rig, slot->own->ctrl->phase == NVMH_PHASE_QUIET);
	poll(NULL, 0, 50);
	rig_settle(&rig);
	assert_int_equal(atomic_load(&slot->fenced), 0);
	assert_int_equal(fake_path[1].nr_ccr, 0);
	poll(NULL, 0, 50);
	fake_path[0].stay_open = false;
	closed = clock_now_ns();
	rig_wait(&rig, &io, 0);
	assert_true(clock_now_ns() - closed >= 20ull * NS_PER_MS);
	rig_close(&rig);
}

/* The hold is no lack of a path: with one, the write does not fail, however long it was held. */
static void test_mpath_hold_is_longer_than_fast_io_fail_and_a_path_is_there(void **state)
{
	struct nvmh_mpath_opts opts = { .fast_io_fail_ms = 1, .hold_ms = 50 };
	struct rig_io io;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, &opts);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ios, 1);
	rig_close(&rig);
}

/* What must not be executed twice ends with an error, but not before the old one is quiet. */
static void test_mpath_hold_does_not_repeat_what_counts_twice(void **state)
{
	static const uint8_t opcodes[] = { nvme_zns_cmd_append, nvme_cmd_resv_acquire,
					   nvme_cmd_resv_register, nvme_cmd_copy, 0xc1 };
	struct nvmh_mpath_opts opts = { .hold_ms = 60 };
	struct rig_io io;
	uint64_t start;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		fake_path_init();
		fake_path[0].by_hand = true;
		rig_open_up(&rig, 2, &opts);
		start = lose_write(&rig, &io, opcodes[i]);
		rig_wait(&rig, &io, ST_HOST_PATH_ERROR);
		assert_true(clock_now_ns() - start >= 60ull * NS_PER_MS);
		assert_int_equal(fake_path[1].nr_ios, 0);
		rig_close(&rig);
	}
}

/* A local controller is quiet when it gives its commands back, but may have executed them. */
static void test_mpath_hold_local_path_does_not_repeat_them_either(void **state)
{
	static const struct {
		uint8_t opcode;
		uint16_t status;
	} want[] = { { nvme_cmd_write, 0 },
		     { nvme_zns_cmd_append, ST_HOST_PATH_ERROR },
		     { nvme_cmd_resv_register, ST_HOST_PATH_ERROR },
		     { 0xc1, ST_HOST_PATH_ERROR } };
	struct nvmh_transport_ops local = fake_path_ops;
	struct nvmh_ctrl_opts path;
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	local.remote = false;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		fake_path_init();
		memset(&rig, 0, sizeof(rig));
		path = rig_path(&rig, 0);
		fake_path[0].by_hand = true;
		assert_int_equal(nvmh_mpath_open_with(&path, 1, NULL, &local, &rig.ctrl), 0);
		rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
		rig_prep(&io, want[i].opcode, 1, 7, 0x99);
		rig_start(&rig, 0, &io);
		fake_path_lose(&fake_path[0]);
		fake_path[0].by_hand = false;
		rig_wait(&rig, &io, want[i].status);
		assert_int_equal(fake_path[0].nr_ios, want[i].status ? 1 : 2);
		rig_close(&rig);
	}
}

/* ---- Cross-Controller Reset ---- */

static const struct nvmh_mpath_opts an_hour = { .hold_ms = 3600000 };

static void test_mpath_ccr_at_once_lets_go(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	offer_ccr();
	fake_path[0].by_hand = true;
	fake_path[1].ccr_dw0 = 1;
	rig_open_up(&rig, 2, &an_hour);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ccr, 1);
	assert_int_equal(le32_get(fake_path[1].ccr_sqe.cdw10), CIU << 16 | 1);
	assert_int_equal(le32_get(fake_path[1].ccr_sqe.cdw12), 0x44332211);
	assert_int_equal(le32_get(fake_path[1].ccr_sqe.cdw13), 0x88776655);
	assert_int_equal(fake_path[1].nr_ccr_logs, 0);
	rig_close(&rig);
}

static void set_ccr_log(struct fake_path *p, uint8_t status)
{
	const uint8_t entries[] = {
		9, 0, CIU, 0, 2, 0, 1,	    0, /* of another controller */
		1, 0, CIU, 0, 2, 0, status, 0,
	};

	p->ccr_log[0] = 2;
	memcpy(p->ccr_log + 8, entries, sizeof(entries));
}

static void test_mpath_ccr_that_takes_time_is_found_in_the_log(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	offer_ccr();
	fake_path[0].by_hand = true;
	set_ccr_log(&fake_path[1], 0);
	rig_open_up(&rig, 2, &an_hour);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_until(&rig, fake_path[1].nr_ccr_logs == 2);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(fake_path[1].nr_ios, 0);
	set_ccr_log(&fake_path[1], 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ccr, 1);
	rig_close(&rig);
}

/* Refused, failed, unknown to the log or unanswered: another path is asked, at last time decides. */
static void test_mpath_ccr_that_fails_leaves_it_to_time(void **state)
{
	struct nvmh_mpath_opts opts = { .hold_ms = 400 };
	struct mpath_slot *slot;
	struct rig_io io;
	uint64_t start;
	struct rig rig;
	int way;

	(void)state;
	for (way = 0; way < 4; way++) {
		fake_path_init();
		offer_ccr();
		fake_path[0].by_hand = true;
		fake_path[2].ccr_status = ST_INVALID_FIELD | ST_DNR;
		if (way == 0)
			fake_path[1].ccr_status = ST_INVALID_OPCODE | ST_DNR;
		if (way == 1)
			set_ccr_log(&fake_path[1], 2);
		if (way == 3)
			fake_path[1].ccr_silent = true;
		rig_open_up(&rig, 3, way == 3 ? &opts : &an_hour);
		slot = &mpath_of(rig.ctrl)->slot[0];
		start = lose_write(&rig, &io, nvme_cmd_write);
		if (way != 3) {
			rig_until(&rig, fake_path[2].nr_ccr && slot->ccr.stage == MPATH_CCR_IDLE);
			rig_settle(&rig);
			assert_int_equal(fake_path[1].nr_ccr, 1);
			assert_int_equal(fake_path[2].nr_ccr, 1);
			assert_int_equal(io.nr_done, 0);
			slot->fence[0].until_ns = start + opts.hold_ms * NS_PER_MS;
			nvmh_ctrl_kick(rig.ctrl);
		}
		rig_wait(&rig, &io, 0);
		assert_true(clock_now_ns() - start >= 400ull * NS_PER_MS);
		rig_close(&rig);
	}
}

static void test_mpath_ccr_is_not_asked_of_who_has_none(void **state)
{
	struct nvmh_mpath_opts opts = { .hold_ms = 60 };
	struct rig_io io;
	struct rig rig;

	(void)state;
	offer_ccr();
	fake_path[0].by_hand = true;
	*id_byte(&fake_path[1], 1807) = 0;
	rig_open_up(&rig, 2, &opts);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ccr, 0);
	rig_close(&rig);
}

/* The path over which it was asked for goes too: the next that is live is asked. */
static void test_mpath_ccr_helper_is_lost(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	offer_ccr();
	fake_path[0].by_hand = true;
	fake_path[1].ccr_silent = true;
	fake_path[2].ccr_dw0 = 1;
	rig_open_up(&rig, 3, &an_hour);
	lose_write(&rig, &io, nvme_cmd_write);
	rig_until(&rig, fake_path[1].admin[0]);
	fake_path[1].unreachable = true;
	fake_path_lose(&fake_path[1]);
	nvmh_queue_abort_all(&fake_path[1].ctrl->adminq, ST_HOST_ABORTED);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[2].nr_ccr, 2); /* for both that were lost */
	rig_close(&rig);
}

/* So many losses that one has no place of its own: the answer is still the first one's. */
static void test_mpath_ccr_answer_is_for_the_one_that_was_asked_about(void **state)
{
	struct rig_io io[MPATH_MAX_FENCES + 1];
	struct mpath_slot *slot;
	struct rig rig;
	uint32_t i;

	(void)state;
	offer_ccr();
	fake_path[0].by_hand = fake_path[1].by_hand = true;
	fake_path[1].ccr_silent = true;
	fake_path_set_ana(&fake_path[1], (uint8_t[]){ NVME_ANA_STATE_NONOPTIMIZED }, 1);
	rig_open_up(&rig, 2, &an_hour);
	slot = &mpath_of(rig.ctrl)->slot[0];
	for (i = 0; i < ARRAY_SIZE(io); i++) {
		rig_until(&rig, rig_up(&rig, 0));
		lose_write(&rig, &io[i], nvme_cmd_write);
		rig_until(&rig, !rig_up(&rig, 0));
		fake_path[0].unreachable = false;
	}
	assert_int_equal(slot->nr_fences, MPATH_MAX_FENCES);
	assert_int_equal(atomic_load(&slot->fenced), 0);
	fake_path[1].ccr_dw0 = 1;
	fake_path[1].ccr_silent = false;
	rig_until(&rig, fake_path[1].nr_ccr == 1);
	fake_path[1].ccr_silent = true;
	rig_settle(&rig);
	assert_int_equal(atomic_load(&slot->fenced), 1);
	/* the last two go by time, together */
	fake_path[1].ccr_silent = false;
	rig_until(&rig, fake_path[1].nr_ccr == MPATH_MAX_FENCES - 1);
	rig_settle(&rig);
	assert_int_equal(atomic_load(&slot->fenced), MPATH_MAX_FENCES - 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mpath_test(test_mpath_hold_lasts_kato_and_cqt),
		mpath_test(test_mpath_hold_rounds_kato_up_as_the_controller_does),
		mpath_test(test_mpath_hold_counts_from_when_it_was_reached),
		mpath_test(test_mpath_hold_is_not_for_all),
		mpath_test(test_mpath_hold_one_path_waits_for_the_old_controller),
		mpath_test(test_mpath_hold_many_losses_in_a_row),
		mpath_test(test_mpath_hold_stale_write_does_not_overtake),
		mpath_test(test_mpath_hold_comes_before_fast_io_fail),
		mpath_test(test_mpath_hold_comes_before_giving_up),
		mpath_test(test_mpath_hold_counts_from_when_it_is_closed),
		mpath_test(test_mpath_hold_is_longer_than_fast_io_fail_and_a_path_is_there),
		mpath_test(test_mpath_hold_does_not_repeat_what_counts_twice),
		mpath_test(test_mpath_hold_local_path_does_not_repeat_them_either),
		mpath_test(test_mpath_ccr_at_once_lets_go),
		mpath_test(test_mpath_ccr_that_takes_time_is_found_in_the_log),
		mpath_test(test_mpath_ccr_that_fails_leaves_it_to_time),
		mpath_test(test_mpath_ccr_is_not_asked_of_who_has_none),
		mpath_test(test_mpath_ccr_helper_is_lost),
		mpath_test(test_mpath_ccr_answer_is_for_the_one_that_was_asked_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
