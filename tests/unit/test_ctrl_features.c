// SPDX-License-Identifier: BSD-2-Clause
/*
 * What drives can do beyond queues in host memory: shadow doorbells, over the fake drive.
 */
#include "tests/unit/pcie_rig.h"

#include <pthread.h>

#include "common/clock.h"

static struct nvmh_ctrl_opts opts;

static int features_setup(void **state)
{
	opts = (struct nvmh_ctrl_opts){
		.trtype = "pcie",
		.traddr = "01:00.0",
		.nr_io_queues = 2,
		.queue_size = 8,
		.on_state = rig_on_state,
		.arg = &rig,
	};
	return rig_setup(state);
}

static void open_live(void)
{
	assert_int_equal(nvmh_ctrl_open(&opts, &rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_mem_map(rig.ctrl, rig.arena, RIG_ARENA), 0);
	if (!rig_until_state(NVMH_LIVE))
		fail_msg("not live: %s", nvmh_ctrl_error(rig.ctrl));
}

static void reset_live(void)
{
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
}

static struct pcie *pcie(void)
{
	return rig.ctrl->tr;
}

/* @n rounds of up to 7 reads on queue 1, in and out of order, each of which must be answered. */
static void run_io(unsigned int n)
{
	struct nvmh_queue *q = &rig.ctrl->ioq[0];
	struct nvmh_req reqs[7];
	struct iovec iov[7];
	unsigned int done = 0;
	unsigned int want = 0;
	unsigned int round;
	unsigned int i;

	for (round = 0; round < n; round++) {
		for (i = 0; i < 1 + round % 7; i++, want++)
			assert_int_equal(
				rig_read(q, &reqs[i], &iov[i], rig.arena + i * 4096, &done), 0);
		nvmh_queue_commit(q);
		fake_pcie_step(rig.drive);
		nvmh_queue_poll(q);
		assert_int_equal(done, want);
	}
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

/* ---- shadow doorbells ---- */

static void test_shadow_doorbells_need_few_rings_and_lose_none(void **state)
{
	struct nvmh_queue *q;
	struct nvmh_req reqs[3];
	struct iovec iov[3];
	unsigned int done = 0;
	unsigned int rings;
	int i;

	(void)state;
	rig.drive->id.oacs = htole16(NVME_CTRL_OACS_DBBUF_CFG);
	open_live();
	assert_true(rig.drive->dbbuf_db);
	run_io(100);
	q = &rig.ctrl->ioq[0];
	/* it reads up to here, and asks for a ring at the next: of three commits one rings */
	rings = atomic_load(&rig.drive->rings);
	for (i = 0; i < 3; i++) {
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena, &done), 0);
		nvmh_queue_commit(q);
	}
	fake_pcie_step(rig.drive);
	assert_int_equal(atomic_load(&rig.drive->rings), rings + 1);
	nvmh_queue_poll(q);
	assert_int_equal(done, 3);
	reset_live();
	assert_true(rig.drive->dbbuf_db);
	run_io(100);
}

/* A drive that reads the shadow and never asks again: commands hang, which their deadlines are for,
 * and other queues and the admin queue go on. */
static void test_event_index_is_data_that_rings_or_not(void **state)
{
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;
	unsigned int i;

	(void)state;
	rig.drive->id.oacs = htole16(NVME_CTRL_OACS_DBBUF_CFG);
	atomic_store(&rig.drive->no_event_index, true);
	open_live();
	for (i = 0; i < 2; i++) {
		assert_int_equal(rig_read(&rig.ctrl->ioq[0], &req, &iov, rig.arena, &done), 0);
		nvmh_queue_commit(&rig.ctrl->ioq[0]);
		rig_turn();
		assert_int_equal(done, 1); /* the first one is rung for */
	}
	/* whatever it says, the answer is a ring, or none */
	for (i = 0; i < 0x10000; i += 77)
		*(volatile uint32_t *)pcie()->dbbuf.base = 0xdead0000u + i;
	atomic_store(&rig.drive->no_event_index, false);
	/* an Abort, then its queue is made anew */
	for (i = 0; i < 100 && done < 2; i++) {
		rig_late(&rig.ctrl->ioq[0], &req);
		rig_turn();
	}
	for (i = 0; i < 100 && !nvmh_queue_live(&rig.ctrl->ioq[0]); i++)
		rig_turn();
	assert_int_equal(atomic_load(&rig.drive->enables), 1);
	assert_int_equal(done, 2);
	assert_int_equal(req.status, ST_HOST_ABORTED);
	run_io(20);
}

static uint16_t refuse_dbbuf(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_dbbuf ? ST_INTERNAL : 0;
}

static void test_shadow_doorbells_refused_or_too_far_apart_are_done_without(void **state)
{
	(void)state;
	rig.drive->id.oacs = htole16(NVME_CTRL_OACS_DBBUF_CFG);
	rig.drive->on_admin = refuse_dbbuf;
	open_live();
	assert_false(pcie()->dbbuf_on);
	run_io(20);
	rig_close();
	rig.drive->on_admin = NULL;
	rig.drive->cap |= 8ull << 32; /* 1 KiB apart: 3 pairs do not fit 4 KiB */
	open_live();
	assert_false(pcie()->dbbuf_on);
	assert_false(rig.drive->dbbuf_db);
	run_io(20);
}

static void test_completion_heads_are_told_by_shadow(void **state)
{
	volatile uint32_t *shadow;

	(void)state;
	rig.drive->id.oacs = htole16(NVME_CTRL_OACS_DBBUF_CFG);
	rig.drive->cap |= 1ull << 32; /* 8 bytes apart */
	open_live();
	shadow = pcie()->dbbuf.base;
	run_io(10);
	assert_int_equal(shadow[2 * 3], ((struct pcie_queue *)rig.ctrl->ioq[0].tr)->cq_head);
	assert_int_equal(shadow[2 * 2], ((struct pcie_queue *)rig.ctrl->ioq[0].tr)->sq_tail);
}

/*
 * Both sides of the bargain at once: a host that stores the shadow and looks at the event index, a
 * device that stores the event index and looks at the shadow. Never may both see the old.
 */
enum {
	ROUNDS = 100000,
	LITMUS_MS = 3000, /* fewer rounds where the threads have to share a processor */
	LITMUS_END = UINT16_MAX << 8,
};

static uint32_t litmus_db __attribute__((aligned(64)));
static uint32_t litmus_ei __attribute__((aligned(64)));
static atomic_uint litmus_round;
static atomic_uint litmus_ready;
static bool litmus_saw;

static void *litmus_device(void *arg)
{
	unsigned int round;
	unsigned int now;

	(void)arg;
	for (round = 1;; round++) {
		while ((now = atomic_load(&litmus_round)) != round && now != LITMUS_END)
			;
		if (now == LITMUS_END)
			return NULL;
		__atomic_store_n(&litmus_ei, 0, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		litmus_saw = __atomic_load_n(&litmus_db, __ATOMIC_RELAXED);
		atomic_store(&litmus_ready, round);
	}
}

static void test_shadow_store_comes_before_the_event_index_load(void **state)
{
	const struct nvmh_shadow shadow = { .db = &litmus_db, .ei = &litmus_ei };
	uint64_t end = clock_now_ms() + LITMUS_MS;
	unsigned int lost = 0;
	unsigned int round;
	pthread_t thread;
	bool ring;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, litmus_device, NULL), 0);
	for (round = 1; round <= ROUNDS && (round % 64 || clock_now_ms() < end); round++) {
		__atomic_store_n(&litmus_db, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&litmus_ei, 5, __ATOMIC_RELAXED); /* no ring for 1 */
		atomic_store(&litmus_round, round);
		ring = nvmh_shadow_update(&shadow, 0, 1);
		while (atomic_load(&litmus_ready) != round)
			;
		lost += !ring && !litmus_saw;
	}
	atomic_store(&litmus_round, LITMUS_END);
	pthread_join(thread, NULL);
	assert_int_equal(lost, 0);
}

static void test_event_index_passed_means_ring(void **state)
{
	static const struct {
		uint16_t event;
		uint16_t old;
		uint16_t value;
		bool ring;
	} table[] = {
		{ 0, 0, 1, true },    { 0, 1, 2, false },  { 1, 1, 2, true },
		{ 5, 1, 2, false },   { 1, 0, 3, true },   { 2, 0, 3, true },
		{ 3, 0, 3, false },   { 30, 29, 2, true }, { 1, 29, 2, true },
		{ 20, 29, 2, false }, { 31, 31, 0, true }, { 0xffff, 31, 0, true },
	};
	uint32_t db;
	uint32_t ei;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		const struct nvmh_shadow shadow = { .db = &db, .ei = &ei };

		ei = 0xabcd0000u | table[i].event; /* 16 bits count */
		assert_int_equal(nvmh_shadow_update(&shadow, table[i].old, table[i].value),
				 table[i].ring);
		assert_int_equal(db, table[i].value);
	}
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, features_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_shadow_doorbells_need_few_rings_and_lose_none),
		rigged(test_event_index_is_data_that_rings_or_not),
		rigged(test_shadow_doorbells_refused_or_too_far_apart_are_done_without),
		rigged(test_completion_heads_are_told_by_shadow),
		cmocka_unit_test(test_shadow_store_comes_before_the_event_index_load),
		cmocka_unit_test(test_event_index_passed_means_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
