// SPDX-License-Identifier: BSD-2-Clause
/*
 * What drives can do beyond queues in host memory: shadow doorbells, the controller memory buffer,
 * the host memory buffer, over the fake drive; and drives whose numbers about them make no sense.
 */
#include "tests/unit/pcie_rig.h"

#include <pthread.h>

#include "common/clock.h"

enum {
	CMBS = 57, /* CAP */
	SQS = 1,   /* CMBSZ */
};

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

/* ---- controller memory buffer ---- */

static void has_cmb(bool cmbmsc, uint32_t loc, uint32_t sz)
{
	rig.drive->cap &= ~BIT64(CMBS);
	if (cmbmsc)
		rig.drive->cap |= BIT64(CMBS);
	rig.drive->cmbloc = loc;
	rig.drive->cmbsz = sz;
	opts.use_cmb = true;
}

static bool in_cmb(unsigned int queue)
{
	const struct pcie_queue *pq = rig.ctrl->ioq[queue].tr;
	bool there = (uint8_t *)pq->sq >= rig.drive->cmb &&
		     (uint8_t *)pq->sq < rig.drive->cmb + FAKE_PCIE_CMB_BAR;

	assert_int_equal(there, pq->in_cmb);
	return there;
}

/* Every word of a command comes to the device, and none of those around it changes. */
static void test_commands_are_whole_in_the_cmb(void **state)
{
	static struct nvmh_req req; /* outlives a test that fails */
	static unsigned int done;
	struct pcie_queue *pq;
	uint8_t *sqe;

	(void)state;
	req.sqe.opcode = nvme_cmd_flush;
	has_cmb(true, 2, 1 << 20 >> 12 << 12 | SQS);
	memset(rig.drive->cmb, 0xaa, FAKE_PCIE_CMB_BAR);
	open_live();
	pq = rig.ctrl->ioq[0].tr;
	sqe = (uint8_t *)pq->sq;
	for (unsigned int i = 0; i < 128; i++) /* a queue begins with zeroes */
		assert_int_equal(sqe[i], 0);
	req.sqe.nsid = le32_make(1);
	req.sqe.cdw2 = le32_make(0x02020202);
	req.sqe.cdw3 = le32_make(0x03030303);
	req.sqe.cdw10 = le32_make(0x10101010);
	req.sqe.cdw11 = le32_make(0x11111111);
	req.sqe.cdw14 = le32_make(0x14141414);
	req.sqe.cdw15 = le32_make(0x15151515);
	req.done = rig_done;
	req.arg = &done;
	assert_int_equal(nvmh_queue_submit(&rig.ctrl->ioq[0], &req), 0);
	assert_memory_equal(sqe, &req.sqe, sizeof(req.sqe));
	assert_int_equal(sqe[64] | sqe[127], 0);
	nvmh_queue_commit(&rig.ctrl->ioq[0]);
	while (!done)
		rig_turn();
	assert_int_equal(req.status, 0);
}

static void test_submission_queues_lie_in_the_cmb(void **state)
{
	(void)state;
	has_cmb(true, 2, 1 << 20 >> 12 << 12 | SQS);
	open_live();
	assert_true(in_cmb(0) && in_cmb(1));
	assert_true(rig.drive->cba);
	run_io(20);
	assert_int_equal(atomic_load(&rig.drive->cmb_fetches), 20 / 7 * 28 + 21);
	reset_live();
	assert_true(in_cmb(0));
	run_io(20);
	rig_close();
	/* off without the option, which is the default */
	opts.use_cmb = false;
	atomic_store(&rig.drive->cmb_fetches, 0);
	open_live();
	assert_false(in_cmb(0));
	assert_false(rig.drive->cba); /* no address is left in its way */
	run_io(20);
	assert_int_equal(atomic_load(&rig.drive->cmb_fetches), 0);
}

static void test_cmb_of_before_1_4_has_the_bars_address(void **state)
{
	(void)state;
	rig.drive->vs = 0x10300;
	has_cmb(false, 2, 16 << 12 | SQS);
	open_live();
	assert_true(in_cmb(0));
	assert_int_equal(((struct pcie_queue *)rig.ctrl->ioq[0].tr)->sq_iova,
			 FAKE_PCIE_BAR_ADDRESS);
	run_io(20);
	rig_close();
	rig.drive->vs = 0x10100; /* no such registers yet */
	open_live();
	assert_false(in_cmb(0));
}

static void test_cmb_with_room_for_one_queue_takes_one(void **state)
{
	(void)state;
	has_cmb(true, 2, 1 << 12 | SQS);
	open_live();
	assert_true(in_cmb(0) ^ in_cmb(1));
	run_io(20);
}

static void test_cmb_that_makes_no_sense_is_done_without(void **state)
{
	static const struct {
		uint32_t loc;
		uint32_t sz;
		bool cbai;
	} table[] = {
		{ 2, 0, false },			    /* none */
		{ 2, 16 << 12, false },			    /* not for queues */
		{ 2, SQS, false },			    /* size 0 */
		{ 1, 16 << 12 | SQS, false },		    /* no such BAR */
		{ 6, 16 << 12 | SQS, false },		    /* no such BAR */
		{ 7, 16 << 12 | SQS, false },		    /* no such BAR */
		{ 3, 16 << 12 | SQS, false },		    /* the drive has none */
		{ 256 << 12 | 2, 16 << 12 | SQS, false },   /* beyond the BAR */
		{ 255 << 12 | 2, 16 << 12 | SQS, false },   /* over its end */
		{ 0xfffff002, 0xfffff001 | 6 << 8, false }, /* the largest numbers */
		{ 2, 1 << 12 | 7 << 8 | SQS, false },	    /* reserved unit */
		{ UINT32_MAX, UINT32_MAX, false },	    /* all ones */
		{ 2, 16 << 12 | SQS, true },		    /* address refused */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		has_cmb(true, table[i].loc, table[i].sz);
		rig.drive->cbai = table[i].cbai;
		/* a drive with what it names: ROM and configuration space come after the BARs */
		rig.drive->cmb_bar = table[i].loc == 3 ? 2 : table[i].loc & 7;
		open_live();
		if (in_cmb(0) || in_cmb(1))
			fail_msg("row %zu", i);
		fake_pcie_step(rig.drive);
		assert_false(rig.drive->cba); /* switched off again */
		run_io(5);
		reset_live();
		assert_false(in_cmb(0));
		rig_close();
	}
}

static void test_cmb_that_is_gone_after_a_reset_is_fatal(void **state)
{
	(void)state;
	has_cmb(true, 2, 16 << 12 | SQS);
	open_live();
	rig.drive->cmbsz = 1 << 12 | SQS;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_dead();
	assert_says("controller memory buffer is not what it was");
}

/* Memory is not given an address that the device finds its BAR at. */
static void test_addresses_keep_clear_of_a_bar(void **state)
{
	static const struct nvmh_dma_range range = { 0, UINT64_C(0xffffffff) };
	uint64_t bar = 0x800000;
	struct nvmh_dma dma;
	uint64_t iova;
	uint64_t end;
	size_t i;

	(void)state;
	nvmh_dma_init(&dma, &range, 1);
	assert_int_equal(nvmh_dma_add(&dma, 0x7f0000000000, 1 << 20, bar), 0);
	for (i = 0; i < 16; i++) {
		assert_int_equal(nvmh_dma_alloc(&dma, 0x200000, 1 << 20, &iova), 0);
		assert_true(iova + (1 << 20) <= bar || iova >= bar + (1 << 20));
	}
	assert_true(iova > bar);
	assert_true(nvmh_dma_overlaps(&dma, bar + (1 << 20) - 1, bar + (2 << 20), &end));
	assert_int_equal(end, bar + (1 << 20) - 1);
	assert_false(nvmh_dma_overlaps(&dma, bar + (1 << 20), bar + (2 << 20), &end));
	assert_false(nvmh_dma_overlaps(&dma, 0, bar - 1, &end));
	nvmh_dma_done(&dma);
}

/* ---- host memory buffer ---- */

static void wants_hmb(uint32_t hmpre, uint32_t hmmin, uint32_t hmminds, uint16_t hmmaxd)
{
	rig.drive->id.hmpre = htole32(hmpre);
	rig.drive->id.hmmin = htole32(hmmin);
	rig.drive->id.hmminds = htole32(hmminds);
	rig.drive->id.hmmaxd = htole16(hmmaxd);
}

static void test_hmb_is_lent_returned_after_a_reset_and_taken_back(void **state)
{
	(void)state;
	wants_hmb(1024, 256, 0, 0);
	open_live();
	assert_true(atomic_load(&rig.drive->hmb_on));
	assert_int_equal(rig.drive->hmb_bytes, 4 << 20);
	assert_int_equal(rig.drive->hmb_offers, 1);
	assert_int_equal(rig.drive->hmb_returns, 0);
	run_io(10);
	reset_live();
	assert_true(atomic_load(&rig.drive->hmb_on));
	assert_int_equal(rig.drive->hmb_offers, 2);
	assert_int_equal(rig.drive->hmb_returns, 1);
	assert_int_equal(rig.drive->hmb_ends, 0);
	rig_close();
	assert_int_equal(rig.drive->hmb_ends,
			 1); /* before the shutdown, and so before it is freed */
	assert_int_equal(atomic_load(&rig.drive->shutdowns), 1);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_hmb_size_is_within_limit_and_wishes(void **state)
{
	static const struct {
		uint32_t hmpre, hmmin, hmminds;
		uint16_t hmmaxd;
		uint32_t limit_mib;
		uint64_t bytes; /* 0: none */
	} table[] = {
		{ 0, 0, 0, 0, 4, 0 },			     /* does not ask */
		{ 0, 256, 0, 0, 4, 0 },			     /* nor does this one */
		{ 256, 0, 0, 0, 4, 1 << 20 },		     /* as it prefers */
		{ UINT32_MAX, 16, 0, 0, 4, 4 << 20 },	     /* as much as it can get */
		{ UINT32_MAX, UINT32_MAX, 0, 0, 4, 0 },	     /* more than may be lent */
		{ 2048, 1025, 0, 0, 4, 0 },		     /* a page too much */
		{ 2048, 1024, 0, 0, 4, 4 << 20 },	     /* just so */
		{ 16, 512, 0, 0, 4, 2 << 20 },		     /* least above preferred */
		{ 256, 16, 512, 0, 4, 2 << 20 },	     /* descriptors of 2 MiB at least */
		{ 256, 16, UINT32_MAX, 0, 4, 0 },	     /* descriptors of 16 TiB */
		{ 256, 16, 0, 1, 4, 1 << 20 },		     /* one descriptor */
		{ 1, 0, 0, 0, 4, 4096 },		     /* smallest */
		{ 256, 16, 0, 0, (uint32_t)NVMH_NO_HMB, 0 }, /* not lent */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		wants_hmb(table[i].hmpre, table[i].hmmin, table[i].hmminds, table[i].hmmaxd);
		opts.hmb_mib = table[i].limit_mib;
		rig.drive->hmb_bytes = 0;
		open_live();
		if (rig.drive->hmb_bytes != table[i].bytes)
			fail_msg("row %zu: %llu bytes", i,
				 (unsigned long long)rig.drive->hmb_bytes);
		assert_int_equal(atomic_load(&rig.drive->hmb_on), !!table[i].bytes);
		assert_int_equal(rig.drive->hmb_bad, 0); /* it is not even tried */
		run_io(2);
		rig_close();
	}
}

static uint16_t refuse_hmb(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_set_features &&
			       (le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_HOST_MEM_BUF
		       ? ST_INVALID_FIELD
		       : 0;
}

static void test_hmb_refused_is_done_without(void **state)
{
	(void)state;
	wants_hmb(256, 16, 0, 0);
	rig.drive->on_admin = refuse_hmb;
	open_live();
	assert_false(pcie()->hmb.on);
	run_io(5);
	rig_close();
	assert_int_equal(rig.drive->hmb_ends, 0);
}

static void test_hmb_that_wants_more_after_a_reset_gets_none(void **state)
{
	(void)state;
	wants_hmb(256, 16, 0, 0);
	open_live();
	wants_hmb(512, 512, 0, 0);
	reset_live();
	assert_false(atomic_load(&rig.drive->hmb_on));
	assert_int_equal(rig.drive->hmb_bad, 0); /* nor is the old one offered */
	run_io(5);
}

/* Taking it back is not waited for beyond a bound. */
static void test_hmb_of_a_mute_drive_does_not_hold_shutdown(void **state)
{
	(void)state;
	wants_hmb(256, 16, 0, 0);
	open_live();
	atomic_store(&rig.drive->mute_admin, true);
	nvmh_ctrl_shutdown(rig.ctrl);
	until_dead();
	assert_false(rig.drive->enabled);
	assert_false(atomic_load(&rig.drive->cut_off));
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
		rigged(test_commands_are_whole_in_the_cmb),
		rigged(test_submission_queues_lie_in_the_cmb),
		rigged(test_cmb_of_before_1_4_has_the_bars_address),
		rigged(test_cmb_with_room_for_one_queue_takes_one),
		rigged(test_cmb_that_makes_no_sense_is_done_without),
		rigged(test_cmb_that_is_gone_after_a_reset_is_fatal),
		cmocka_unit_test(test_addresses_keep_clear_of_a_bar),
		rigged(test_hmb_is_lent_returned_after_a_reset_and_taken_back),
		rigged(test_hmb_size_is_within_limit_and_wishes),
		rigged(test_hmb_refused_is_done_without),
		rigged(test_hmb_that_wants_more_after_a_reset_gets_none),
		rigged(test_hmb_of_a_mute_drive_does_not_hold_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
