// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces on drives, what becomes of them: fewer queues, away, another size or identity, there at
 * last, and what hosts are told.
 */
#include "tests/unit/ns_pcie_rig.h"

/* Whether hosts were told that the namespace changed, since this was asked last. */
static bool told(void)
{
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	uint32_t nr = ctrl->nr_changed_ns;

	fake_turn();
	ctrl->nr_changed_ns = 0;
	return nr == 1 && ctrl->changed_ns[0] == 1;
}

static uint64_t shown_nsze(void)
{
	struct nvme_id_ns ns_id;

	assert_int_equal(fake_identify(admin, NVME_IDENTIFY_CNS_NS, 1, &ns_id), 0);
	return le64toh(ns_id.nsze);
}

static void test_ns_pcie_fewer_queues_after_a_reset_go_through_another(void **state)
{
	(void)state;
	set_nr_queues(0); /* a reset is under way */
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(write_cmd(1, 1), ST_NS_NOT_READY | CRD1);
	set_nr_queues(1);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	turn(0);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, 0);
	/* one on its way to the other core while the drive goes */
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	set_nr_queues(0);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | CRD1);
	assert_int_equal(queue.nr_seen, 1);
}

static void test_ns_pcie_drive_that_is_away_asks_to_come_again(void **state)
{
	(void)state;
	drive_away = true;
	update();
	assert_true(told());
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(shown_nsze(), 1 << 20); /* hosts keep it */
	update();
	assert_false(told()); /* nothing new */
	drive_away = false;
	update();
	assert_true(told());
	assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	turn(0);
}

/* What hosts are told of a drive that says this of its 512 byte blocks, with 128 KiB in one command. */
static void test_ns_pcie_sizes_that_suit_the_drive_are_passed_on(void **state)
{
	static const struct {
		uint8_t nsfeat;
		uint16_t npwg, npwa, npdg, npda, nows; /* as on the wire */
		uint32_t noiob;
		struct nvmet_ns_hints want;
	} cases[] = {
		{ 0, 7, 7, 7, 7, 7, 0, { 0 } },
		{ 0, 7, 7, 7, 7, 7, 256, { .noiob = 256 } },
		{ NVME_NS_FEAT_IO_OPT, 7, 3, 511, 63, 31, 256, { 8, 4, 512, 64, 32, 256 } },
		{ NVME_NS_FEAT_IO_OPT, 0, 0, 0xffff, 0, 0, 0, { 1, 1, 65536, 1, 1, 0 } },
		{ NVME_NS_FEAT_IO_OPT, 255, 0, 0, 0, 255, 0, { 256, 1, 1, 1, 256, 0 } },
		/* no command is that long */
		{ NVME_NS_FEAT_IO_OPT, 256, 0, 0, 0, 0, 0, { 1, 1, 1, 1, 1, 0 } },
		{ NVME_NS_FEAT_IO_OPT, 0xffff, 0xffff, 0, 0, 0xffff, 0, { 1, 1, 1, 1, 65536, 0 } },
		/* one and a half of the granularity */
		{ NVME_NS_FEAT_IO_OPT, 7, 7, 0, 0, 11, 0, { 8, 8, 1, 1, 8, 0 } },
		{ NVME_NS_FEAT_IO_OPT, 0, 0, 0, 0, 0, UINT32_MAX, { 1, 1, 1, 1, 1, 65535 } },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmh_ns dns = { .lba_size = BLOCK, .noiob = cases[i].noiob };
		struct nvmet_ns_hints got;

		dns.id.nsfeat = cases[i].nsfeat;
		dns.id.npwg = htole16(cases[i].npwg);
		dns.id.npwa = htole16(cases[i].npwa);
		dns.id.npdg = htole16(cases[i].npdg);
		dns.id.npda = htole16(cases[i].npda);
		dns.id.nows = htole16(cases[i].nows);
		got = nvmet_ns_hints_of(&dns, 128 << 10);
		assert_memory_equal(&got, &cases[i].want, sizeof(got));
	}
	/* and this is what the namespace at hand was made with */
	assert_int_equal(fake_subsys(SUBSYS)->all[1]->hints.noiob, NOIOB);
	assert_int_equal(fake_subsys(SUBSYS)->all[1]->hints.npwg, 0);
}

static void test_ns_pcie_another_size_is_told_and_kept_to(void **state)
{
	static const uint64_t sizes[] = { 2 << 20, 1000, 1 << 20 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		drive_ns.nsze = sizes[i];
		update();
		assert_true(told());
		assert_int_equal(shown_nsze(), sizes[i]);
		assert_int_equal(write_cmd(0, (uint32_t)sizes[i] - 1), FAKE_HELD);
		assert_int_equal(write_cmd(0, (uint32_t)sizes[i]), ST_LBA_RANGE | ST_DNR);
		turn(0);
		turn(0);
	}
}

static void test_ns_pcie_what_is_no_longer_the_same_is_lost(void **state)
{
	struct nvmh_ns was = drive_ns;

	(void)state;
	for (int how = 0; how < 5; how++) {
		switch (how) {
		case 0:
			drive_ns.lba_size = 4096;
			break;
		case 1:
			drive_ns.uuid[3] = 1;
			break;
		case 2:
			drive_ns.ms = 8;
			break;
		case 3:
			drive_ns.nsid = 0; /* gone */
			break;
		case 4:
			drive_max_xfer = 256; /* less than a block */
		}
		update();
		assert_true(told());
		assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | ST_DNR);
		drive_away = true; /* no reason to hope */
		update();
		assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | ST_DNR);
		drive_away = false;
		drive_ns = was;
		drive_max_xfer = 128 << 10;
		update();
		assert_true(told());
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
		turn(0);
		turn(0);
	}
}

/* Hosts do not see it until its drive is there; then as any other. */
static void test_ns_pcie_drive_missing_at_start_appears_later(void **state)
{
	(void)state;
	assert_int_equal(shown_nsze(), 0);
	assert_int_equal(write_cmd(0, 1), ST_INVALID_NS | ST_DNR);
	assert_int_equal(fake_subsys(SUBSYS)->nr_ns, 0);
	drive_max_xfer = 512 << 10;
	drive_away = false;
	update();
	assert_true(told());
	assert_int_equal(shown_nsze(), 1 << 20);
	assert_int_equal(fake_subsys(SUBSYS)->ns[1]->uuid[0], 7);
	assert_int_equal(fake_subsys(SUBSYS)->ns[1]->max_xfer, 512 << 10); /* for later hosts */
	assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	turn(0);
}

static uint16_t write_8_blocks(uint32_t slba)
{
	static uint8_t data[8 * BLOCK];
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write,
				.cdw10 = le32_make(slba),
				.cdw12 = le32_make(7 | 1u << 30) };

	return cmd(0, sqe, data, sizeof(data));
}

/* A drive that takes less than hosts were told gets a transfer in parts, one after the other. */
static void test_ns_pcie_long_transfer_goes_in_parts(void **state)
{
	static const struct {
		uint32_t slba, blocks;
	} parts[] = { { 100, 3 }, { 103, 3 }, { 106, 2 } };

	(void)state;
	drive_max_xfer = 3 * BLOCK;
	update();
	queue.hold = true;
	assert_int_equal(write_8_blocks(100), FAKE_HELD);
	turn(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		assert_int_equal(queue.nr_seen, i + 1);
		assert_int_equal(le32_get(queue.seen[i].cdw10), parts[i].slba);
		assert_int_equal(le32_get(queue.seen[i].cdw12), (parts[i].blocks - 1) | 1u << 30);
		assert_int_equal(io[0]->sq.outstanding, 1);
		queue.hold = false;
		turn(0);
		queue.hold = true;
	}
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[0])->status, 0);

	/* the first that fails is the last */
	queue.hold = false;
	queue.status = ST_WRITE_FAULT | ST_DNR;
	assert_int_equal(write_8_blocks(0), FAKE_HELD);
	turn(0);
	turn(0);
	assert_int_equal(queue.nr_seen, ARRAY_SIZE(parts) + 1);
	assert_int_equal(fake_last(io[0])->status, ST_WRITE_FAULT | ST_DNR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ns_pcie_fewer_queues_after_a_reset_go_through_another),
		TEST(test_ns_pcie_drive_that_is_away_asks_to_come_again),
		TEST(test_ns_pcie_sizes_that_suit_the_drive_are_passed_on),
		TEST(test_ns_pcie_another_size_is_told_and_kept_to),
		TEST(test_ns_pcie_what_is_no_longer_the_same_is_lost),
		TEST(test_ns_pcie_long_transfer_goes_in_parts),
		cmocka_unit_test_prestate_setup_teardown(
			test_ns_pcie_drive_missing_at_start_appears_later, setup, teardown,
			(void *)"missing"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
