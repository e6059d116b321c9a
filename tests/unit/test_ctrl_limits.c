// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives at the limits of what registers and answers can say, and drives that fail at any moment:
 * of a bring-up, of a reset, of a shutdown. Each ends live or given up, never hung, and each
 * command completes once.
 */
#include "tests/unit/pcie_rig.h"

#include <stdio.h>

/* ---- CAP ---- */

static void test_cap_at_its_extremes(void **state)
{
	enum {
		DSTRD = 32,
		MPSMIN = 48,
		MPSMAX = 52,
		TO = 24,
	};
	static const struct {
		uint64_t clear;
		uint64_t set;
		uint32_t ready_ms; /* 0: not looked at */
		const char *said;  /* NULL: it works */
	} table[] = {
		{ 0xffff, 1, 0, NULL },				  /* MQES: two entries */
		{ 0xffff, 0xffff, 0, NULL },			  /* MQES: 65536 */
		{ 0, 15ull << DSTRD, 0, "doorbells lie beyond" }, /* 128 KiB apart */
		{ 0, 11ull << DSTRD, 0, "doorbells lie beyond" }, /* 8 KiB apart */
		{ 0, 9ull << DSTRD, 0, NULL },			  /* 2 KiB apart: one queue fits */
		{ 0, 1ull << MPSMIN, 0, NULL },			  /* pages of 8 KiB */
		{ 0, 4ull << MPSMIN, 0, NULL },			  /* of 64 KiB */
		{ 0, 15ull << MPSMIN | 15ull << MPSMAX, 0, "memory pages of at least 131072 KiB" },
		{ 0xffull << TO, 0, 2000, NULL },
		{ 0xffull << TO, 0xffull << TO, 128000, NULL },
	};
	uint64_t cap = rig.drive->cap;
	unsigned int done;
	struct nvmh_req req;
	struct iovec iov;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->cap = (cap & ~table[i].clear) | table[i].set;
		rig_open(1, 0);
		if (table[i].said) {
			until_dead();
			assert_says(table[i].said);
			rig_close();
			continue;
		}
		if (!rig_until_state(NVMH_LIVE))
			fail_msg("row %zu: %s", i, nvmh_ctrl_error(rig.ctrl));
		if (table[i].ready_ms)
			assert_int_equal(rig.ctrl->ready_timeout_ms, table[i].ready_ms);
		assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 1);
		done = 0;
		assert_int_equal(rig_read(&rig.ctrl->ioq[0], &req, &iov, rig.arena, &done), 0);
		nvmh_queue_commit(&rig.ctrl->ioq[0]);
		rig_turn();
		assert_int_equal(done, 1);
		rig_close();
	}
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

/* ---- queues granted ---- */

static uint32_t granted;

static void grant(struct fake_pcie *f, uint16_t qid, struct nvme_cqe *cqe)
{
	if (!qid && f->last_admin.opcode == nvme_admin_set_features &&
	    (le32_get(f->last_admin.cdw10) & 0xff) == NVME_FEAT_FID_NUM_QUEUES)
		cqe->dw0 = le32_make(granted);
}

static void test_queues_granted_are_used_whatever_the_number(void **state)
{
	static const struct {
		uint32_t dw0;
		uint16_t nr;
	} table[] = {
		{ 0, 1 },	   { 0x00020002, 3 }, { 0x00030003, 4 }, { 0x00040004, 4 },
		{ UINT32_MAX, 4 }, { 0x0000ffff, 1 }, { 0xffff0000, 1 }, { 0xffff0001, 2 },
	};
	size_t i;

	(void)state;
	rig.drive->on_cqe = grant;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		granted = table[i].dw0;
		rig_live(4, 8);
		assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), table[i].nr);
		assert_true(nvmh_queue_live(&rig.ctrl->ioq[table[i].nr - 1]));
		if (table[i].nr < 4)
			assert_false(nvmh_queue_live(&rig.ctrl->ioq[table[i].nr]));
		rig_close();
	}
}

/* More than it has, so that it refuses the first, or the last. */
static void test_queues_granted_and_refused_leave_what_there_is(void **state)
{
	uint16_t has;

	(void)state;
	granted = UINT32_MAX;
	rig.drive->on_cqe = grant;
	for (has = 0; has < 4; has++) {
		rig.drive->max_queues = has;
		rig_live(4, 8);
		assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), has);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), has ? 2 : 0);
		rig_close();
	}
}

/* ---- namespaces by number ---- */

static void test_nn_at_its_extremes_is_bounded(void **state)
{
	static const struct {
		uint32_t nn;
		uint32_t nr_ns;
	} table[] = { { UINT32_MAX, 2 }, { 2, 2 }, { 1, 1 }, { 0, 0 } };
	unsigned int before;
	size_t i;

	(void)state;
	rig.drive->on_admin = rig_no_active_list;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->id.nn = htole32(table[i].nn);
		before = atomic_load(&rig.drive->commands);
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), table[i].nr_ns);
		assert_in_range(atomic_load(&rig.drive->commands) - before, 1, MAX_DRIVE_NS + 50);
		rig_close();
	}
}

/* ---- at any moment ---- */

enum what {
	GONE,	   /* all ones */
	UNPOWERED, /* all zeroes */
	FATAL,	   /* CSTS.CFS */
	MUTE,	   /* admin commands are not answered */
};

static void break_it(enum what what, bool on)
{
	switch (what) {
	case GONE:
		atomic_store(&rig.drive->gone, on);
		break;
	case UNPOWERED:
		atomic_store(&rig.drive->unpowered, on);
		break;
	case FATAL:
		atomic_store(&rig.drive->fatal, on);
		break;
	case MUTE:
		atomic_store(&rig.drive->mute_admin, on);
		break;
	}
}

static void make_well(enum what what)
{
	break_it(what, false);
	atomic_store(&rig.drive->cut_off, false);
	memset(rig.drive->bar, 0, FAKE_PCIE_BAR_BYTES);
	fake_pcie_reset(rig.drive);
	atomic_store(&rig.drive->hold_io, false);
}

/* What runs when it breaks. */
static void begin(unsigned int activity)
{
	if (activity == 0) {
		rig_open(2, 8);
		return;
	}
	rig_live(2, 8);
	hold_one();
	if (activity == 1)
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	else
		nvmh_ctrl_shutdown(rig.ctrl);
}

static void test_failing_at_any_moment_ends(void **state)
{
	unsigned int activity;
	unsigned int turns;
	enum what what;
	unsigned int i;

	(void)state;
	for (what = GONE; what <= MUTE; what++) {
		for (activity = 0; activity < 3; activity++) {
			for (turns = 0; turns < 40; turns++) {
				held_done = 0;
				begin(activity);
				for (i = 0; i < turns; i++)
					rig_turn();
				break_it(what, true);
				if (what == MUTE && nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE)
					nvmh_ctrl_shutdown(rig.ctrl);
				until_dead();
				if (activity && held_done != 1)
					fail_msg("what %u activity %u turns %u: done %u", what,
						 activity, turns, held_done);
				nvmh_ctrl_close(rig.ctrl);
				rig.ctrl = NULL;
				rig.nr_states = 0;
				make_well(what);
			}
		}
	}
}

/* ---- memory that the drive writes, full of anything ---- */

static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned int times[7];

static void count_each(struct nvmh_req *req)
{
	++*(unsigned int *)req->arg;
}

/* Phase bits that flip, ids and heads of any value, in any entry: a command completes at most once,
 * and after a reset exactly once. */
static void test_completion_queues_full_of_anything(void **state)
{
	struct nvmh_req reqs[7];
	struct iovec iov[7];
	struct pcie_queue *pq;
	unsigned int round;
	uint8_t *bytes;
	size_t size;
	size_t k;
	int i;

	(void)state;
	seed = (uint64_t)getpid() * 2654435761u + 88172645463325252u;
	printf("seed %llu\n", (unsigned long long)seed);
	memset(reqs, 0, sizeof(reqs));
	rig_live(1, 8);
	pq = rig.ctrl->ioq[0].tr;
	atomic_store(&rig.drive->hold_io, true);
	for (round = 0; round < 300; round++) {
		memset(times, 0, sizeof(times));
		for (i = 0; i < 7; i++)
			if (rig_read(&rig.ctrl->ioq[0], &reqs[i], &iov[i], rig.arena, &times[i]))
				times[i] = 1;
			else
				reqs[i].done = count_each;
		nvmh_queue_commit(&rig.ctrl->ioq[0]);
		for (k = 0; k < 20; k++) {
			bytes = (uint8_t *)pq->cq;
			size = 8 * sizeof(*pq->cq);
			if (next_random() % 3)
				bytes[next_random() % size] = (uint8_t)next_random();
			else /* whole entries with an id that may be right */
				pq->cq[next_random() % 8] = (struct nvme_cqe){
					.sqid = le16_make(1),
					.sqhd = le16_make(next_random() % 9),
					.cid = reqs[next_random() % 7].sqe.cid,
					.status = le16_make(next_random() & 1),
				};
			nvmh_queue_poll(&rig.ctrl->ioq[0]);
			assert_in_range(pq->sq_head, 0, 7);
			assert_in_range(pq->cq_head, 0, 7);
		}
		for (i = 0; i < 7; i++)
			assert_in_range(times[i], 0, 1);
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
		assert_true(rig_until_state(NVMH_LIVE));
		for (i = 0; i < 7; i++)
			assert_int_equal(times[i], 1);
	}
	atomic_store(&rig.drive->hold_io, false);
}

/* The place of an event's request is taken by others before the next can be posted. */
static void test_event_while_the_admin_queue_is_full_is_not_the_last(void **state)
{
	static struct nvmh_req req[ADMIN_QUEUE_ENTRIES];
	unsigned int done = 0;
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	assert_true(rig.drive->aer_posted);
	atomic_store(&rig.drive->mute_admin, true);
	memset(req, 0, sizeof(req));
	for (i = 0; i < ADMIN_QUEUE_ENTRIES - 1; i++) {
		req[i].sqe.opcode = nvme_admin_keep_alive;
		req[i].done = rig_done;
		req[i].arg = &done;
		if (i == ADMIN_QUEUE_ENTRIES - 2) {
			assert_int_equal(nvmh_admin_submit(rig.ctrl, &req[i]), -EAGAIN);
			fake_pcie_step(rig.drive);
			fake_pcie_event(rig.drive, 0xc1u << 16 | 7); /* a vendor's */
			fake_pcie_step(rig.drive);
			rig.ctrl->ops->queue_poll(&rig.ctrl->adminq);
		}
		assert_int_equal(nvmh_admin_submit(rig.ctrl, &req[i]), 0);
	}
	for (i = 0; i < 3; i++)
		rig_turn();
	assert_false(rig.drive->aer_posted);
	atomic_store(&rig.drive->mute_admin, false);
	for (i = 0; i < ADMIN_QUEUE_ENTRIES - 1; i++)
		fake_pcie_answer(rig.drive, 0, &req[i].sqe, 0, 0);
	for (i = 0; i < 3; i++)
		rig_turn();
	assert_int_equal(done, ADMIN_QUEUE_ENTRIES - 1);
	assert_true(rig.drive->aer_posted);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_cap_at_its_extremes),
		rigged(test_queues_granted_are_used_whatever_the_number),
		rigged(test_queues_granted_and_refused_leave_what_there_is),
		rigged(test_nn_at_its_extremes_is_bounded),
		rigged(test_failing_at_any_moment_ends),
		rigged(test_event_while_the_admin_queue_is_full_is_not_the_last),
		rigged(test_completion_queues_full_of_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
