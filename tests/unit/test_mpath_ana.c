// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asymmetric Namespace Access over several paths: every state, changes under load, the transition
 * time, and logs of hostile controllers.
 * NVM Express Base Specification 2.x, "Asymmetric Namespace Access Reporting".
 */
#include "tests/unit/mpath_rig.h"

enum {
	OPT = NVME_ANA_STATE_OPTIMIZED,
	NON = NVME_ANA_STATE_NONOPTIMIZED,
	INACC = NVME_ANA_STATE_INACCESSIBLE,
	LOSS = NVME_ANA_STATE_PERSISTENT_LOSS,
	CHANGE = NVME_ANA_STATE_CHANGE,
	ANA_NOTICE = NVME_LOG_LID_ANA << 16 | NVME_AER_NOTICE_ANA << 8 | NVME_AER_NOTICE,
};

static void set(uint32_t path, uint8_t ana_state)
{
	fake_path_set_ana(&fake_path[path], &ana_state, 1);
}

/* And tells the host. */
static void change(struct rig *rig, uint16_t path, uint8_t ana_state)
{
	set(path, ana_state);
	rig_until(rig, fake_path_event(&fake_path[path], ANA_NOTICE));
	rig_until(rig, nvmh_mpath_ana_state(rig->ctrl, path, 1) == ana_state);
}

/* ---- states ---- */

/* Which path takes the I/O; -1: it is held; else the status. */
static void test_mpath_ana_states_choose(void **state)
{
	static const struct {
		uint8_t ana[2];
		int path;
		uint16_t status;
	} want[] = {
		{ { OPT, OPT }, 0, 0 },	     { { NON, OPT }, 1, 0 },
		{ { OPT, NON }, 0, 0 },	     { { NON, NON }, 0, 0 },
		{ { INACC, OPT }, 1, 0 },    { { INACC, NON }, 1, 0 },
		{ { CHANGE, NON }, 1, 0 },   { { LOSS, NON }, 1, 0 },
		{ { INACC, INACC }, -1, 0 }, { { CHANGE, INACC }, -1, 0 },
		{ { LOSS, INACC }, -1, 0 },  { { LOSS, LOSS }, -1, ST_ANA_PERSISTENT_LOSS },
	};
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		fake_path_init();
		set(0, want[i].ana[0]);
		set(1, want[i].ana[1]);
		rig_open_up(&rig, 2, NULL);
		rig_read(&rig, 0, &io, 1);
		rig_settle(&rig);
		if (want[i].path >= 0) {
			rig_wait(&rig, &io, 0);
			assert_int_equal(fake_path[want[i].path].nr_ios, 1);
		} else if (want[i].status) {
			rig_wait(&rig, &io, want[i].status);
		} else {
			assert_int_equal(io.nr_done, 0);
			change(&rig, 1, NON);
			rig_wait(&rig, &io, 0);
			assert_int_equal(fake_path[1].nr_ios, 1);
		}
		rig_close(&rig);
	}
}

static void test_mpath_ana_better_path_back_is_used(void **state)
{
	struct rig_io io;
	struct rig rig;
	uint32_t i;

	(void)state;
	set(0, OPT);
	set(1, NON);
	rig_open_up(&rig, 2, NULL);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, !rig_up(&rig, 0));
	for (i = 0; i < 3; i++) {
		rig_read(&rig, 0, &io, 1);
		rig_wait(&rig, &io, 0);
	}
	assert_int_equal(fake_path[1].nr_ios, 3);
	fake_path[0].unreachable = false;
	rig_until(&rig, rig_up(&rig, 0));
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[0].nr_ios, 1);
	/* the notice alone does it, too */
	change(&rig, 0, NON);
	change(&rig, 1, OPT);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ios, 4);
	rig_close(&rig);
}

/* Each namespace has its own state. */
static void test_mpath_ana_by_namespace(void **state)
{
	struct rig_io io;
	struct rig rig;
	uint32_t nsid;

	(void)state;
	fake_path[0].ns[1] = fake_path[1].ns[1] = (struct fake_path_ns){ 2, 64, 2, false };
	fake_path_set_ana(&fake_path[0], (uint8_t[]){ OPT, NON }, 2);
	fake_path_set_ana(&fake_path[1], (uint8_t[]){ NON, OPT }, 2);
	rig_open_up(&rig, 2, NULL);
	for (nsid = 1; nsid <= 2; nsid++) {
		rig_prep(&io, nvme_cmd_read, nsid, 1, 0);
		rig_start(&rig, 0, &io);
		rig_wait(&rig, &io, 0);
		assert_int_equal(fake_path[nsid - 1].nr_ios, 1);
	}
	rig_close(&rig);
}

/* ---- answers of commands ---- */

static void test_mpath_ana_status_moves_the_command(void **state)
{
	static const struct {
		uint16_t status;
		uint8_t then;
	} answer[] = {
		{ ST_ANA_INACCESSIBLE, INACC },
		{ ST_ANA_TRANSITION, CHANGE },
		{ ST_ANA_PERSISTENT_LOSS, LOSS },
	};
	struct rig_io io;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(answer); i++) {
		fake_path_init();
		set(0, OPT);
		set(1, NON);
		fake_path[0].by_hand = true;
		rig_open_up(&rig, 2, &(struct nvmh_mpath_opts){ .hold_ms = 3600000 });
		rig_write(&rig, 0, &io, 1, 0x61);
		set(0, answer[i].then);
		fake_path_answer(fake_path_find(&fake_path[0]), answer[i].status);
		rig_wait(&rig, &io, 0);
		assert_int_equal(fake_path[1].nr_ios, 1);
		assert_int_equal(fake_path_blocks[0][1][0], 0x61);
		/* the log is read because of it, without a notice */
		rig_until(&rig, fake_path[0].nr_ana_reads >= 2);
		rig_until(&rig, nvmh_mpath_ana_state(rig.ctrl, 0, 1) == answer[i].then);
		rig_close(&rig);
	}
}

/* One path: the command waits for the log to say that it is over. */
static void test_mpath_ana_status_on_the_only_path_waits(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	set(0, OPT);
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, NULL);
	rig_write(&rig, 0, &io, 1, 0x62);
	set(0, CHANGE);
	fake_path_answer(fake_path_find(&fake_path[0]), ST_ANA_TRANSITION);
	rig_until(&rig, fake_path[0].nr_ana_reads >= 3);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(fake_path[0].nr_ios, 1);
	fake_path[0].by_hand = false;
	/* no notice comes: in the change state the log is looked at */
	set(0, OPT);
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

static void test_mpath_ana_status_without_ana_is_retried_a_few_times(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	fake_path[0].io_status = ST_ANA_INACCESSIBLE;
	rig_open_up(&rig, 1, NULL);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, ST_ANA_INACCESSIBLE);
	assert_int_equal(fake_path[0].nr_ios, 1 + MPATH_MAX_TRIES);
	rig_close(&rig);
}

/* Answers the command that path @p has: not here. Until the log says once more that it is not so. */
static void answer_against_log(struct rig *rig, const struct rig_io *io, uint16_t p)
{
	struct mpath_ana *ana = &mpath_of(rig->ctrl)->slot[p].own->ana;
	uint64_t end = clock_now_ms() + RIG_WAIT_MS;

	fake_path_answer(fake_path_find(&fake_path[p]), ST_ANA_INACCESSIBLE);
	do {
		ana->after_ns = 0; /* no pause between two readings */
		rig_turn(rig);
		assert_true(clock_now_ms() < end);
	} while (!io->nr_done && (fake_path_count(&fake_path[p]) || ana->want || ana->busy ||
				  nvmh_mpath_ana_state(rig->ctrl, p, 1) != OPT));
}

/* One path or the other is always usable as the log has it, and never is: that has an end. */
static void test_mpath_ana_log_that_lies_ends_the_command(void **state)
{
	static const struct {
		uint32_t fast_io_fail_ms;
		uint32_t tries;
	} want[] = { { 0, MPATH_MAX_ANA_TRIES }, { 1, MPATH_FAIL_ANA_TRIES } };
	struct nvmh_mpath_opts opts = { 0 };
	struct rig_io io;
	struct rig rig;
	uint32_t n;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		fake_path_init();
		set(0, OPT);
		set(1, OPT);
		fake_path[0].by_hand = fake_path[1].by_hand = true;
		opts.fast_io_fail_ms = want[i].fast_io_fail_ms;
		rig_open_up(&rig, 2, &opts);
		rig_write(&rig, 0, &io, 1, 1);
		for (n = 0; n <= want[i].tries; n++) {
			assert_int_equal(io.nr_done, 0);
			answer_against_log(&rig, &io, fake_path_count(&fake_path[1]));
			poll(NULL, 0, n ? 0 : 2); /* fast_io_fail_ms */
		}
		rig_wait(&rig, &io, ST_HOST_PATH_ERROR);
		assert_int_equal(fake_path[0].nr_ios + fake_path[1].nr_ios, 1 + want[i].tries);
		/* others are as before */
		fake_path[0].by_hand = fake_path[1].by_hand = false;
		rig_write(&rig, 0, &io, 1, 1);
		rig_wait(&rig, &io, 0);
		rig_close(&rig);
	}
}

/* Longer than ANATT in the change state: the controller is reset. */
static void test_mpath_ana_change_for_too_long_resets(void **state)
{
	struct nvmh_mpath_path info;
	struct rig rig;

	(void)state;
	set(0, OPT);
	set(1, CHANGE);
	fake_path[1].id.anatt = 1;
	rig_open_up(&rig, 2, NULL);
	rig_until(&rig, fake_path[1].nr_connects == 2);
	assert_int_equal(nvmh_mpath_path(rig.ctrl, 0, &info), 0);
	assert_true(info.usable);
	assert_int_equal(fake_path[0].nr_connects, 1);
	rig_close(&rig);
}

/* A log that takes its time to come does not shorten the time for the change. */
static void test_mpath_ana_change_told_slowly_is_no_change_for_too_long(void **state)
{
	struct rig rig;

	(void)state;
	set(0, OPT);
	set(1, OPT);
	rig_open_up(&rig, 2, NULL);
	set(1, CHANGE);
	fake_path[1].ana_silent = true;
	rig_until(&rig, fake_path_event(&fake_path[1], ANA_NOTICE));
	rig_until(&rig, mpath_of(rig.ctrl)->slot[1].own->ana.busy);
	poll(NULL, 0, 150); /* longer than the pause between two readings */
	fake_path[1].ana_silent = false;
	nvmh_ctrl_kick(fake_path[1].ctrl);
	rig_until(&rig, nvmh_mpath_ana_state(rig.ctrl, 1, 1) == CHANGE);
	rig_settle(&rig);
	assert_true(rig_up(&rig, 1));
	assert_int_equal(fake_path[1].nr_connects, 1);
	rig_close(&rig);
}

/* A new namespace is not used before the log has it. */
static void test_mpath_ana_new_namespace_waits_for_the_log(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	set(0, OPT);
	rig_open_up(&rig, 1, NULL);
	fake_path[0].ns[1] = (struct fake_path_ns){ 2, 64, 2, false };
	assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), 0);
	rig_until(&rig, nvmh_ctrl_nr_ns(rig.ctrl) == 2);
	rig_prep(&io, nvme_cmd_read, 2, 1, 0);
	rig_start(&rig, 0, &io);
	rig_settle(&rig);
	assert_int_equal(io.nr_done, 0);
	fake_path_set_ana(&fake_path[0], (uint8_t[]){ OPT, NON }, 2);
	assert_true(fake_path_event(&fake_path[0], ANA_NOTICE));
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

/* ---- reading the log ---- */

static void test_mpath_ana_unreadable_log_refuses_the_path(void **state)
{
	struct nvmh_mpath_path info;
	struct rig rig;

	(void)state;
	set(1, OPT);
	fake_path[1].ana_status = ST_INVALID_LOG_PAGE | ST_DNR;
	rig_open(&rig, 2, NULL);
	rig_until(&rig, !nvmh_mpath_path(rig.ctrl, 1, &info) && info.error[0]);
	assert_non_null(strstr(info.error, "ANA log"));
	assert_true(rig_up(&rig, 0));
	rig_close(&rig);
}

/* Each time it is live: the time for that goes on, with one path and beside another. */
static void test_mpath_ana_refused_path_is_given_up(void **state)
{
	struct nvmh_mpath_path info;
	struct nvmh_ctrl_opts paths[2];
	struct rig rig = { 0 };
	uint16_t nr;

	(void)state;
	for (nr = 1; nr <= 2; nr++) {
		fake_path_init();
		paths[0] = rig_path(&rig, 1);
		paths[1] = rig_path(&rig, 0);
		/* it takes a second to be refused */
		paths[0].ctrl_loss_ms = paths[1].ctrl_loss_ms = 1500;
		set(1, OPT);
		fake_path[1].ana_status = ST_INVALID_LOG_PAGE | ST_DNR;
		assert_int_equal(nvmh_mpath_open_with(paths, nr, NULL, &fake_path_ops, &rig.ctrl),
				 0);
		rig_until(&rig, !nvmh_mpath_path(rig.ctrl, 0, &info) && info.state == NVMH_DEAD);
		assert_non_null(strstr(info.error, "ANA log"));
		assert_true(fake_path[1].nr_connects <= 2);
		if (nr == 1) {
			assert_int_equal(nvmh_ctrl_wait(rig.ctrl, -1), -EIO);
			assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
		} else {
			assert_true(rig_up(&rig, 1));
		}
		rig_close(&rig);
	}
}

/* The time begins anew once it was usable. */
static void test_mpath_ana_path_that_was_usable_has_its_time_again(void **state)
{
	struct rig rig;

	(void)state;
	set(0, OPT);
	rig_open_up(&rig, 1, NULL);
	assert_int_equal(fake_path[0].ctrl->loss_ns, 0);
	fake_path[0].ana_silent = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig,
		  fake_path[0].nr_connects == 2 && nvmh_ctrl_state(fake_path[0].ctrl) == NVMH_LIVE);
	assert_int_not_equal(fake_path[0].ctrl->loss_ns, 0);
	fake_path[0].ana_silent = false;
	nvmh_ctrl_kick(fake_path[0].ctrl);
	rig_until(&rig, rig_up(&rig, 0));
	assert_int_equal(fake_path[0].ctrl->loss_ns, 0);
	rig_close(&rig);
}

static void test_mpath_ana_log_in_pieces_or_not_at_all(void **state)
{
	struct rig rig;

	(void)state;
	/* 16 + 4 * 32 + 3000 * 4 bytes in pieces of 4096 */
	set(0, NON);
	fake_path[0].max_xfer = 4096;
	fake_path[0].id.mnan = htole32(3000);
	fake_path[0].id.lpa = 1 << 2;
	rig_open_up(&rig, 1, NULL);
	assert_int_equal(fake_path[0].nr_ana_reads, 3);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 1), NON);
	rig_close(&rig);
	/* no offsets: it does without ANA */
	fake_path_init();
	set(0, INACC);
	fake_path[0].max_xfer = 4096;
	fake_path[0].id.mnan = htole32(3000);
	rig_open_up(&rig, 1, NULL);
	assert_int_equal(fake_path[0].nr_ana_reads, 0);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 1), OPT);
	rig_close(&rig);
}

/* One group of three; libnvme's structures end with arrays, which cannot stand within another. */
struct log {
	uint64_t log_chgcnt;
	uint16_t ngrps;
	uint8_t rsvd10[6];
	uint32_t grpid;
	uint32_t nnsids;
	uint64_t chgcnt;
	uint8_t state;
	uint8_t rsvd17[15];
	uint32_t nsids[3];
} __attribute__((packed));
static_assert(offsetof(struct log, grpid) == offsetof(struct nvme_ana_log, descs), "its head");
static_assert(offsetof(struct log, nsids) - offsetof(struct log, grpid) ==
		      offsetof(struct nvme_ana_group_desc, nsids),
	      "a descriptor");

static void test_mpath_ana_hostile_logs_are_refused(void **state)
{
	const struct log good = {
		.ngrps = htole16(1),
		.grpid = htole32(1),
		.nnsids = htole32(3),
		.state = OPT,
		.nsids = { htole32(5), htole32(2), htole32(9) },
	};
	struct nvme_id_ctrl id = { .anagrpmax = htole32(4) };
	struct mpath_ana_entry *entries = NULL;
	uint8_t *bytes;
	struct log log;
	uint32_t nr = 0;
	uint32_t len;
	int way;

	(void)state;
	assert_int_equal(
		nvmh_mpath_ana_parse((const uint8_t *)&good, sizeof(good), &id, &entries, &nr), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(entries[0].nsid, 2);
	assert_int_equal(entries[2].nsid, 9);
	free(entries);
	for (way = 0; way < 10; way++) {
		log = good;
		if (way == 0)
			log.ngrps = htole16(2);
		if (way == 1)
			log.ngrps = htole16(0xffff);
		if (way == 2)
			log.nnsids = htole32(4);
		if (way == 3)
			log.nnsids = htole32(0xffffffff);
		if (way == 4)
			log.nnsids = htole32(0x40000003); /* times 4 it is 12 again */
		if (way == 5)
			log.state = 5;
		if (way == 6)
			log.grpid = 0;
		if (way == 7)
			log.grpid = htole32(5);
		if (way == 8)
			log.nsids[2] = htole32(5);
		if (way == 9)
			log.nsids[1] = htole32(0xffffffff);
		entries = NULL;
		assert_int_equal(nvmh_mpath_ana_parse((const uint8_t *)&log, sizeof(log), &id,
						      &entries, &nr),
				 -EPROTO);
		assert_non_null(strstr(nvmh_strerror(), "ANA log"));
		assert_null(entries);
	}
	/* cut anywhere, in memory of just that size */
	for (len = 0; len < sizeof(good); len++) {
		bytes = malloc(len ? len : 1);
		assert_non_null(bytes);
		memcpy(bytes, &good, len);
		assert_int_equal(nvmh_mpath_ana_parse(bytes, len, &id, &entries, &nr), -EPROTO);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mpath_test(test_mpath_ana_states_choose),
		mpath_test(test_mpath_ana_better_path_back_is_used),
		mpath_test(test_mpath_ana_by_namespace),
		mpath_test(test_mpath_ana_status_moves_the_command),
		mpath_test(test_mpath_ana_status_on_the_only_path_waits),
		mpath_test(test_mpath_ana_status_without_ana_is_retried_a_few_times),
		mpath_test(test_mpath_ana_log_that_lies_ends_the_command),
		mpath_test(test_mpath_ana_change_for_too_long_resets),
		mpath_test(test_mpath_ana_change_told_slowly_is_no_change_for_too_long),
		mpath_test(test_mpath_ana_new_namespace_waits_for_the_log),
		mpath_test(test_mpath_ana_unreadable_log_refuses_the_path),
		mpath_test(test_mpath_ana_refused_path_is_given_up),
		mpath_test(test_mpath_ana_path_that_was_usable_has_its_time_again),
		mpath_test(test_mpath_ana_log_in_pieces_or_not_at_all),
		mpath_test(test_mpath_ana_hostile_logs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
