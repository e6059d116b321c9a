// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives that are hostile: completions that stand for nothing, registers and Identify data that
 * make no sense. What cannot be meant is ignored and counted, or left out; what the driver cannot
 * do without refuses the drive with the reason.
 */
#include "tests/unit/pcie_rig.h"

/* ---- completions ---- */

static void test_completions_for_nothing_are_counted_and_ignored(void **state)
{
	struct nvme_cqe cqe = { .sqid = le16_make(1), .sqhd = le16_make(1) };
	struct nvmh_queue *q;
	uint16_t cid;

	(void)state;
	rig_live(1, 16);
	q = &rig.ctrl->ioq[0];
	hold_one();
	cid = held.sqe.cid;
	cqe.cid = cid ^ 1;
	fake_pcie_post(rig.drive, 1, &cqe); /* a free tag */
	cqe.cid = (uint16_t)(cid ^ 1 << NVMH_CID_TAG_BITS);
	fake_pcie_post(rig.drive, 1, &cqe); /* another generation */
	cqe.cid = 0xffff;
	fake_pcie_post(rig.drive, 1, &cqe); /* beyond the tags */
	cqe.cid = cid;
	cqe.sqid = le16_make(2);
	fake_pcie_post(rig.drive, 1, &cqe); /* another queue's */
	assert_int_equal(nvmh_queue_poll(q), 0);
	assert_int_equal(held_done, 0);
	assert_int_equal(q->bad_completions, 4);
	cqe.sqid = le16_make(1);
	fake_pcie_post(rig.drive, 1, &cqe);
	fake_pcie_post(rig.drive, 1, &cqe); /* doubled */
	assert_int_equal(nvmh_queue_poll(q), 1);
	assert_int_equal(held_done, 1);
	assert_int_equal(q->bad_completions, 5);
	fake_pcie_release(rig.drive, 1, false); /* and once more, late */
	assert_int_equal(nvmh_queue_poll(q), 0);
	assert_int_equal(held_done, 1);
	assert_int_equal(nvmh_queue_room(q), 15);
}

static void test_completions_without_end_do_not_hold_poll(void **state)
{
	struct nvme_cqe cqe = { .sqid = le16_make(1) };
	struct nvmh_queue *q;
	int i;

	(void)state;
	rig_live(1, 16);
	q = &rig.ctrl->ioq[0];
	for (i = 0; i < 2 * 16 + 5; i++) /* more than fit, over what was not read yet */
		fake_pcie_post(rig.drive, 1, &cqe);
	nvmh_queue_poll(q);
	assert_in_range(q->bad_completions, 1, 16);
	for (i = 0; i < 10; i++)
		nvmh_queue_poll(q);
	assert_in_range(q->bad_completions, 1, 64);
}

static uint32_t head_seed;

static void random_head(struct fake_pcie *f, uint16_t qid, struct nvme_cqe *cqe)
{
	(void)f;
	head_seed = head_seed * 1664525 + 1013904223;
	if (qid)
		cqe->sqhd =
			le16_make((uint16_t)((head_seed >> 16) % (head_seed & 1 ? 20 : 0x10000)));
}

static void test_heads_that_make_no_sense_do_not_stop_io(void **state)
{
	struct nvmh_req reqs[8];
	struct iovec iov[8];
	unsigned int done = 0;
	unsigned int sent = 0;
	int round;
	int i;

	(void)state;
	rig.drive->on_cqe = random_head;
	rig_live(1, 8);
	atomic_store(&rig.drive->hold_io, true);
	memset(reqs, 0, sizeof(reqs));
	for (round = 0; round < 2000; round++) {
		for (i = 0; i < 8; i++) {
			if (reqs[i].state == NVMH_REQ_IDLE &&
			    !rig_read(&rig.ctrl->ioq[0], &reqs[i], &iov[i], rig.arena, &done))
				sent++;
		}
		nvmh_queue_commit(&rig.ctrl->ioq[0]);
		fake_pcie_step(rig.drive);
		fake_pcie_release(rig.drive, 1 + round % 7, round & 1);
		nvmh_queue_poll(&rig.ctrl->ioq[0]);
		assert_in_range(((struct pcie_queue *)rig.ctrl->ioq[0].tr)->sq_head, 0, 7);
	}
	fake_pcie_release(rig.drive, 8, false);
	nvmh_queue_poll(&rig.ctrl->ioq[0]);
	assert_int_equal(done, sent);
	assert_true(done > 1000);
}

static void test_entries_not_read_yet_are_not_written_over(void **state)
{
	struct nvme_cqe cqe = { .sqid = le16_make(1) };
	struct nvmh_req reqs[4];
	struct iovec iov[4];
	unsigned int done = 0;
	struct nvmh_queue *q;
	int i;

	(void)state;
	rig_live(1, 4);
	q = &rig.ctrl->ioq[0];
	for (i = 0; i < 3; i++)
		assert_int_equal(rig_read(q, &reqs[i], &iov[i], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	for (i = 0; i < 2; i++) { /* completed, but its head says that it read nothing */
		cqe.cid = reqs[i].sqe.cid;
		fake_pcie_post(rig.drive, 1, &cqe);
	}
	assert_int_equal(nvmh_queue_poll(q), 2);
	assert_int_equal(nvmh_queue_room(q), 2);
	assert_int_equal(rig_read(q, &reqs[3], &iov[3], rig.arena, &done), -EAGAIN);
	fake_pcie_step(rig.drive); /* now it reads them, and completes two again */
	assert_int_equal(nvmh_queue_poll(q), 1);
	assert_int_equal(done, 3);
	assert_int_equal(rig_read(q, &reqs[3], &iov[3], rig.arena, &done), 0);
	nvmh_queue_commit(q);
	rig_turn();
	assert_int_equal(done, 4);
}

/* ---- Identify ---- */

static unsigned int tamper;

static void tamper_ctrl(struct fake_pcie *f, const struct nvme_sqe *sqe, void *page)
{
	struct nvme_id_ctrl *id = page;

	(void)f;
	if ((le32_get(sqe->cdw10) & 0xff) != NVME_IDENTIFY_CNS_CTRL)
		return;
	switch (tamper) {
	case 0:
		id->sqes = 0x77;
		break;
	case 1:
		id->sqes = 0x55;
		break;
	case 2:
		id->cqes = 0;
		break;
	}
}

static void test_identify_ctrl_entry_sizes_are_checked(void **state)
{
	(void)state;
	rig.drive->on_data = tamper_ctrl;
	for (tamper = 0; tamper < 3; tamper++) {
		rig_open(1, 0);
		until_dead();
		assert_says("identify: its queue entries are not 64 and 16 bytes");
		assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENOTSUP);
		assert_int_equal(atomic_load(&rig.drive->enables),
				 tamper + 1); /* no use in trying again */
		rig_close();
	}
}

static void test_identify_mdts_out_of_range_is_bounded(void **state)
{
	static const struct {
		uint8_t mdts;
		uint32_t max;
	} table[] = { { 0, 1 << 20 },  { 1, 8192 },	{ 8, 1 << 20 },	 { 9, 1 << 20 },
		      { 19, 1 << 20 }, { 20, 1 << 20 }, { 255, 1 << 20 } };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->id.mdts = table[i].mdts;
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_max_xfer(rig.ctrl), table[i].max);
		rig_close();
	}
}

/* What is wrong with namespace 1; namespace 2 stays as it is. */
static void tamper_ns(struct fake_pcie *f, const struct nvme_sqe *sqe, void *page)
{
	struct nvme_id_ns *id = page;

	(void)f;
	if ((le32_get(sqe->cdw10) & 0xff) != NVME_IDENTIFY_CNS_NS || le32_get(sqe->nsid) != 1)
		return;
	switch (tamper) {
	case 0:
		id->lbaf[0].ds = 8;
		break;
	case 1:
		id->lbaf[0].ds = 17;
		break;
	case 2:
		id->lbaf[0].ds = 255;
		break;
	case 3:
		id->flbas = 1; /* there is one format only */
		id->lbaf[1].ds = 9;
		break;
	case 4:
		id->nlbaf = 64;
		break;
	case 5:
		id->nlbaf = 255;
		id->flbas = 0xff;
		break;
	case 6:
		id->nsze = htole64(UINT64_MAX);
		break;
	case 7:
		id->nsze = htole64(UINT64_MAX / 512 + 1);
		break;
	case 8:
		id->nsze = 0;
		break;
	case 9:
		id->ncap = htole64(4097);
		break;
	case 10:
		id->nlbaf = 63;
		id->nulbaf = 1;
		break;
	case 11:
		memset(id, 0xff, sizeof(*id));
		break;
	case 12:
		memset(id, 0, sizeof(*id));
		break;
	}
}

static void test_identify_ns_that_makes_no_sense_is_left_out(void **state)
{
	(void)state;
	rig.drive->on_data = tamper_ns;
	for (tamper = 0; tamper <= 12; tamper++) {
		rig_live(1, 0);
		if (nvmh_ctrl_nr_ns(rig.ctrl) != 1 || nvmh_ctrl_ns(rig.ctrl, 0)->nsid != 2)
			fail_msg("tamper %u: %u namespaces", tamper, nvmh_ctrl_nr_ns(rig.ctrl));
		rig_close();
	}
}

static void test_identify_ns_format_above_16_and_metadata(void **state)
{
	struct nvme_id_ns *id = &rig.drive->ns[0].id;

	(void)state;
	id->nlbaf = 40;
	id->flbas = 2 << 5 | 1 << 4 | 7; /* format 39, metadata at the end of each block */
	id->lbaf[39].ds = 12;
	id->lbaf[39].ms = htole16(8);
	id->dps = 1;
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->lba_size, 4096);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->ms, 8);
	assert_true(nvmh_ctrl_ns(rig.ctrl, 0)->ext_lba);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->pi_type, 1);
}

static void test_descriptors_that_make_no_sense_are_ignored(void **state)
{
	static const struct {
		uint8_t bytes[12];
		bool csi;
	} table[] = {
		{ { NVME_NIDT_UUID, 255 }, false },
		{ { NVME_NIDT_UUID, 0 }, false },
		{ { NVME_NIDT_EUI64, 16 }, false },
		{ { 99, 4, 0, 0, 1, 2, 3, 4, NVME_NIDT_CSI, 1, 0, 0 }, false },
		{ { NVME_NIDT_CSI, 1, 0, 0, 2 }, true },
	};
	uint8_t *desc = rig.drive->ns[0].desc;
	static const uint8_t none[16];
	size_t i;
	size_t k;

	(void)state;
	((struct nvme_zns_id_ns *)rig.drive->ns[0].csi_id)->lbafe[0].zsze = htole64(64);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		memset(desc, 0, 4096);
		memcpy(desc, table[i].bytes, sizeof(table[i].bytes));
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
		assert_memory_equal(nvmh_ctrl_ns(rig.ctrl, 0)->uuid, none, 16);
		assert_memory_equal(nvmh_ctrl_ns(rig.ctrl, 0)->eui64, none, 8);
		assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->csi, table[i].csi ? 2 : 0);
		rig_close();
	}
	/* a list that goes on up to the last byte of the page and beyond */
	for (k = 0; k < 4096; k += 20) {
		memset(desc + k, k + 20 <= 4096 ? 1 : 2, min_of((size_t)20, 4096 - k));
		desc[k] = NVME_NIDT_NGUID;
		desc[k + 1] = 16;
	}
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->nguid[0], 1); /* not the half one */
	rig_close();
	memset(desc, 0, 4096);
	desc[0] = NVME_NIDT_CSI;
	desc[1] = 1;
	desc[4] = 1; /* key-value: no logical blocks */
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 1);
}

static void tamper_list(struct fake_pcie *f, const struct nvme_sqe *sqe, void *page)
{
	uint32_t *list = page;
	uint32_t i;

	(void)f;
	if ((le32_get(sqe->cdw10) & 0xff) != NVME_IDENTIFY_CNS_NS_ACTIVE_LIST)
		return;
	switch (tamper) {
	case 0: /* descending */
		list[0] = htole32(2);
		list[1] = htole32(1);
		break;
	case 1:
		list[0] = list[1] = htole32(1);
		break;
	case 2:
		list[0] = htole32(UINT32_MAX);
		break;
	case 3: /* full pages without end, of namespaces that are not there */
		for (i = 0; i < 1024; i++)
			list[i] = htole32(le32_get(sqe->nsid) + i + 1 + 100);
		break;
	case 4: /* the same page for ever */
		for (i = 0; i < 1024; i++)
			list[i] = htole32(i + 1);
		break;
	}
}

static void test_namespace_list_out_of_order_is_refused(void **state)
{
	(void)state;
	rig.drive->on_data = tamper_list;
	for (tamper = 0; tamper <= 2; tamper++) {
		rig_open(1, 0);
		until_dead();
		assert_says("namespaces: the list of namespaces is not in ascending order");
		rig_close();
	}
}

static void test_namespace_list_without_end_ends(void **state)
{
	(void)state;
	rig.drive->on_data = tamper_list;
	tamper = 3;
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 0);
	assert_in_range(atomic_load(&rig.drive->commands), 4 * MAX_DRIVE_NS,
			4 * MAX_DRIVE_NS + 1000);
	rig_close();
	tamper = 4;
	rig_open(1, 0);
	until_dead();
	assert_says("ascending");
}

static void test_no_namespace_list_asks_by_number(void **state)
{
	(void)state;
	rig.drive->on_admin = rig_no_active_list;
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
}

static void test_registers_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t clear;
		uint64_t set;
		int err;
		const char *said;
	} table[] = {
		{ 0xffff, 0, -EPROTO, "MQES" },
		{ UINT64_C(0xff) << 48, UINT64_C(0x01) << 48, -EPROTO, "MPSMIN" },
		{ 0, UINT64_C(0x75) << 48, -ENOTSUP, "memory pages of at least 128 KiB" },
		{ UINT64_C(0xff) << 37, 0, -ENOTSUP, "command set" },
	};
	uint64_t cap = rig.drive->cap;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->cap = (cap & ~table[i].clear) | table[i].set;
		rig_open(1, 0);
		until_dead();
		assert_says("read capabilities: ");
		assert_says(table[i].said);
		assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), table[i].err);
		rig_close();
	}
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_completions_for_nothing_are_counted_and_ignored),
		rigged(test_completions_without_end_do_not_hold_poll),
		rigged(test_heads_that_make_no_sense_do_not_stop_io),
		rigged(test_entries_not_read_yet_are_not_written_over),
		rigged(test_identify_ctrl_entry_sizes_are_checked),
		rigged(test_identify_mdts_out_of_range_is_bounded),
		rigged(test_identify_ns_that_makes_no_sense_is_left_out),
		rigged(test_identify_ns_format_above_16_and_metadata),
		rigged(test_descriptors_that_make_no_sense_are_ignored),
		rigged(test_namespace_list_out_of_order_is_refused),
		rigged(test_namespace_list_without_end_ends),
		rigged(test_no_namespace_list_asks_by_number),
		rigged(test_registers_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
