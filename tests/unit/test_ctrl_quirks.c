// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is done differently for controllers known not to keep to the specification: each quirk by a
 * device that has it, over the fake drive, beside one without.
 */
#include "tests/unit/pcie_rig.h"

static void be(uint16_t vendor, uint16_t device)
{
	rig.drive->vendor = vendor;
	rig.drive->device = device;
}

static void test_find_knows_devices_and_no_others(void **state)
{
	(void)state;
	assert_int_equal(nvmh_quirks_find(0x106b, 0x2001),
			 NVMH_QUIRK_QDEPTH_ONE | NVMH_QUIRK_SINGLE_VECTOR);
	assert_int_equal(nvmh_quirks_find(0x144d, 0xa822),
			 NVMH_QUIRK_DELAY_BEFORE_CHK_RDY | NVMH_QUIRK_DISABLE_WRITE_ZEROES |
				 NVMH_QUIRK_IGNORE_DEV_SUBNQN | NVMH_QUIRK_MQES_ZERO);
	assert_int_equal(nvmh_quirks_find(0x106b, 0xa822), 0);
	assert_int_equal(nvmh_quirks_find(0x1b36, 0x0010), 0);
	assert_int_equal(nvmh_quirks_find(0, 0), 0);
	assert_int_equal(nvmh_quirks_find(0xffff, 0xffff), 0);
}

static void test_models_are_known_by_all_they_say(void **state)
{
	char mn[41] = "Samsung Portable SSD X5                 ";
	char fr[9] = "1       ";

	(void)state;
	assert_int_equal(nvmh_quirks_model(0x144d, mn, fr), NVMH_QUIRK_DELAY_BEFORE_CHK_RDY |
								    NVMH_QUIRK_NO_DEEPEST_PS |
								    NVMH_QUIRK_IGNORE_DEV_SUBNQN);
	assert_int_equal(nvmh_quirks_model(0x144e, mn, fr), 0);
	mn[23] = '2';
	assert_int_equal(nvmh_quirks_model(0x144d, mn, fr), 0);
	mn[22] = mn[23] = ' ';
	assert_int_equal(nvmh_quirks_model(0x144d, mn, fr), 0);
	memset(mn, 0xff, sizeof(mn));
	assert_int_equal(nvmh_quirks_model(0x144d, mn, fr), 0);
}

/* SanDisk SN530. */
static void test_broken_msi_is_the_pin(void **state)
{
	(void)state;
	rig.drive->irq_best = NVMH_IRQ_MSI;
	rig_live(1, 0);
	assert_int_equal(rig.drive->irq, NVMH_IRQ_MSI);
	rig_close();
	be(0x15b7, 0x5008);
	rig_live(1, 0);
	assert_int_equal(rig.drive->irq, NVMH_IRQ_INTX);
	rig_close();
	rig.drive->irq_best = NVMH_IRQ_MSIX;
	rig_live(1, 0);
	assert_int_equal(rig.drive->irq, NVMH_IRQ_MSIX);
}

static void test_qdepth_one_has_queues_of_two_entries_and_one_vector(void **state)
{
	(void)state;
	rig_live(2, 64);
	assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 63);
	assert_true(rig.drive->cq[1].ien);
	rig_close();
	be(0x106b, 0x2001);
	rig_live(2, 64);
	assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 1);
	assert_int_equal(rig.drive->sq[1].size, 2);
	/* SINGLE_VECTOR */
	assert_int_equal(rig.drive->nr_fds, 1);
	assert_true(rig.drive->cq[1].ien);
	assert_int_equal(rig.drive->cq[1].vector, 0);
}

static void test_128_byte_entries_are_refused(void **state)
{
	(void)state;
	be(0x106b, 0x2005);
	rig_open(1, 0);
	until_dead();
	assert_says("128 bytes");
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENOTSUP);
	assert_int_equal(atomic_load(&rig.drive->enables), 0);
}

/* CSTS is not looked at before the time is over; the clock is ours. */
static void test_delay_before_ready_is_kept(void **state)
{
	unsigned int i;

	(void)state;
	be(0x1c58, 0x0003);
	rig_open(1, 0);
	for (i = 0; i < 500; i++)
		rig_turn();
	assert_string_equal(rig.ctrl->step->name, "wait until idle");
	rig.ctrl->step_start_ns = 1;
	assert_true(rig_until_state(NVMH_LIVE));
	assert_in_range(rig.ctrl->ready_timeout_ms, NVMH_QUIRK_DELAY_MS + 2000, 200000);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < 500; i++)
		rig_turn();
	assert_int_equal(((struct pcie *)rig.ctrl->tr)->quiet, PCIE_QUIET_IDLE);
	((struct pcie *)rig.ctrl->tr)->disabled_ns = 1;
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		rig_turn();
		if (rig.ctrl->phase == NVMH_PHASE_UP &&
		    rig.ctrl->step->fn == nvmh_step_wait_not_ready)
			rig.ctrl->step_start_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	((struct pcie *)rig.ctrl->tr)->disabled_ns = 1;
}

static unsigned int asked[256];

static uint16_t count_cns(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_identify)
		asked[le32_get(sqe->cdw10) & 0xff]++;
	return 0;
}

static void test_identify_asks_only_what_is_known(void **state)
{
	static const struct {
		uint16_t vendor;
		uint16_t device;
		bool list;
		bool desc;
	} table[] = {
		{ 0, 0, true, true },
		{ 0x1b4b, 0x1092, true, false },  /* NO_NS_DESC_LIST */
		{ 0x8086, 0x5845, false, false }, /* IDENTIFY_CNS */
	};
	size_t i;

	(void)state;
	rig.drive->on_admin = count_cns;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		be(table[i].vendor, table[i].device);
		memset(asked, 0, sizeof(asked));
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
		assert_int_equal(!!asked[NVME_IDENTIFY_CNS_NS_ACTIVE_LIST], table[i].list);
		assert_int_equal(!!asked[NVME_IDENTIFY_CNS_NS_DESC_LIST], table[i].desc);
		rig_close();
	}
}

static void test_bogus_identifiers_are_none(void **state)
{
	static const uint8_t none[16];
	const struct nvmh_ns *ns;
	uint8_t *desc = rig.drive->ns[0].desc;

	(void)state;
	memset(rig.drive->ns[0].id.eui64, 7, 8);
	memset(rig.drive->ns[0].id.nguid, 7, 16);
	desc[20] = NVME_NIDT_CSI; /* after the UUID: this one is believed */
	desc[21] = 1;
	desc[24] = NVME_CSI_ZNS;
	((struct nvme_zns_id_ns *)rig.drive->ns[0].csi_id)->lbafe[0].zsze = htole64(64);
	rig_live(1, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	assert_memory_not_equal(ns->eui64, none, 8);
	assert_memory_not_equal(ns->uuid, none, 16);
	rig_close();
	be(0x1987, 0x5012);
	rig_live(1, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	assert_memory_equal(ns->eui64, none, 8);
	assert_memory_equal(ns->nguid, none, 16);
	assert_memory_equal(ns->uuid, none, 16);
	assert_int_equal(ns->csi, NVME_CSI_ZNS);
}

static void test_subnqn_that_changes_is_ignored(void **state)
{
	(void)state;
	be(0x8086, 0xf1a6);
	rig_live(1, 0);
	rig.drive->id.subnqn[0] = 'x';
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	/* nor does the daemon, which compares it when a drive comes back, take it for another one */
	assert_string_equal(nvmh_ctrl_id(rig.ctrl)->subnqn, "");
	rig_close();
	be(0, 0);
	rig_live(1, 0);
	rig.drive->id.subnqn[0] = 'y';
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_dead();
	assert_says("another controller answers");
}

static void test_write_zeroes_that_is_broken_is_not_offered(void **state)
{
	(void)state;
	rig.drive->id.oncs = htole16(NVME_CTRL_ONCS_WRITE_ZEROES | NVME_CTRL_ONCS_DSM);
	rig_live(1, 0);
	assert_int_equal(le16toh(nvmh_ctrl_id(rig.ctrl)->oncs),
			 NVME_CTRL_ONCS_WRITE_ZEROES | NVME_CTRL_ONCS_DSM);
	rig_close();
	be(0x1c5c, 0x1504);
	rig_live(1, 0);
	assert_int_equal(le16toh(nvmh_ctrl_id(rig.ctrl)->oncs), NVME_CTRL_ONCS_DSM);
}

static void test_intel_boundary_and_zeroes(void **state)
{
	(void)state;
	rig.drive->id.mdts = 5;
	rig.drive->ns[1].id.noiob = htole16(8);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->noiob, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 1)->noiob, 8);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->id.dlfeat, 0);
	rig_close();
	be(0x8086, 0x0953);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->noiob, 256); /* 128 KiB of 512 */
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 1)->noiob, 32);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->id.dlfeat, 1);
}

static void test_medium_priority_submission_queues(void **state)
{
	(void)state;
	rig_live(1, 0);
	assert_int_equal(rig.drive->sq_flags[1], 1 << 16 | 1);
	rig_close();
	be(0x8086, 0xf1a5);
	rig_live(1, 0);
	assert_int_equal(rig.drive->sq_flags[1], 1 << 16 | 2 << 1 | 1);
}

static void test_prp_lists_at_multiples_of_512(void **state)
{
	struct nvmh_req reqs[3];
	struct iovec iov[3];
	unsigned int done = 0;
	int i;

	(void)state;
	be(0x1217, 0x8760);
	rig.drive->id.mdts = 2; /* lists of 4 entries, usually 64 bytes apart */
	rig_live(1, 0);
	for (i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ rig.arena, 16384 };
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], nvme_cmd_read, 1, 0, 32, &iov[i], 1, 16384);
		reqs[i].done = rig_done;
		reqs[i].arg = &done;
		assert_int_equal(nvmh_queue_submit(&rig.ctrl->ioq[0], &reqs[i]), 0);
		assert_int_equal(le64_get(reqs[i].sqe.dptr.prp.prp2) % 512, 0);
	}
	nvmh_queue_commit(&rig.ctrl->ioq[0]);
	rig_turn();
	assert_int_equal(done, 3);
}

static void test_mqes_zero_is_64(void **state)
{
	(void)state;
	rig.drive->cap &= ~UINT64_C(0xffff);
	rig_open(1, 128);
	until_dead();
	assert_says("MQES");
	rig_close();
	be(0x144d, 0xa821);
	rig_open(1, 128);
	rig_turn();
	while (strcmp(rig.ctrl->step->name, "wait until idle"))
		rig_turn();
	rig.ctrl->step_start_ns = 1; /* DELAY_BEFORE_CHK_RDY */
	assert_int_equal(NVME_CAP_MQES(rig.ctrl->cap), 63);
	rig.ctrl->quirks &= ~(uint32_t)NVMH_QUIRK_DELAY_BEFORE_CHK_RDY;
	while (rig.ctrl->step->fn && rig.ctrl->step->fn != nvmh_step_io_queues)
		rig_turn();
	rig.drive->cap |= 63; /* what it meant */
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 63);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_knows_devices_and_no_others),
		cmocka_unit_test(test_models_are_known_by_all_they_say),
		rigged(test_broken_msi_is_the_pin),
		rigged(test_qdepth_one_has_queues_of_two_entries_and_one_vector),
		rigged(test_128_byte_entries_are_refused),
		rigged(test_delay_before_ready_is_kept),
		rigged(test_identify_asks_only_what_is_known),
		rigged(test_bogus_identifiers_are_none),
		rigged(test_subnqn_that_changes_is_ignored),
		rigged(test_write_zeroes_that_is_broken_is_not_offered),
		rigged(test_intel_boundary_and_zeroes),
		rigged(test_medium_priority_submission_queues),
		rigged(test_prp_lists_at_multiples_of_512),
		rigged(test_mqes_zero_is_64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
