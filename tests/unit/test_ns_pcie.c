// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces on drives, commands: what reaches which queue from which core, full and lost queues,
 * answers, and that an interrupt wakes a core once.
 */
#include "tests/unit/ns_pcie_rig.h"

static void test_ns_pcie_commands_are_translated(void **state)
{
	struct nvme_dsm_range ranges[2] = { { .nlb = htole32(3), .slba = htole64(9) } };
	static const struct {
		struct nvme_sqe sqe;
		uint32_t cdw12; /* as the drive gets it */
	} cases[] = {
		{ { .opcode = nvme_cmd_flush }, 0 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw10 = { 5 }, .cdw12 = { 99 } }, 99 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw12 = { 99 | 1u << 25 } }, 99 | 1u << 25 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw12 = { 1u << 30 } }, 1u << 30 },
	};
	uint8_t data[4 * BLOCK] = { 0 };
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write, .cdw12 = le32_make(3 | 1u << 30) };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cmd(0, cases[i].sqe, NULL, 0), FAKE_HELD);
		assert_int_equal(queue.seen[i].opcode, cases[i].sqe.opcode);
		assert_int_equal(le32_get(queue.seen[i].nsid), DRIVE_NSID);
		assert_int_equal(le32_get(queue.seen[i].cdw12), cases[i].cdw12);
	}
	assert_int_equal(le32_get(queue.seen[1].cdw10), 5);
	assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
	assert_int_equal(le32_get(queue.seen[4].cdw12), 3 | 1u << 30);
	sqe = (struct nvme_sqe){ .opcode = nvme_cmd_dsm, .cdw10 = { 1 }, .cdw11 = { 4 } };
	assert_int_equal(cmd(0, sqe, ranges, sizeof(ranges)), FAKE_HELD);
	assert_int_equal(le32_get(queue.seen[5].cdw10), 1);
	assert_int_equal(le32_get(queue.seen[5].cdw11), 4);
	turn(0);
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_int_equal(queue.commits, 1);
}

/* The drive makes, checks and strips what the host does not see: PRACT, the checks, the reference
 * tag, where a command is on blocks; and never what a host asks for. */
static void commands_with_protection(uint32_t prinfo)
{
	static const struct {
		struct nvme_sqe sqe;
		uint32_t cdw12;	 /* beside the protection */
		uint32_t checks; /* of what is asked for */
		uint32_t cdw14;
		uint32_t len;
	} cases[] = {
		{ { .opcode = nvme_cmd_write, .cdw10 = { 7 }, .cdw12 = { 1 } }, 1, 7u << 26, 7, 2 },
		{ { .opcode = nvme_cmd_compare, .cdw10 = { 9 } }, 0, 7u << 26, 9, 1 }, /* by Read */
		{ { .opcode = nvme_cmd_write_zeroes, .cdw10 = { 5 }, .cdw12 = { 99 } },
		  99,
		  0,
		  5,
		  0 },
	};
	struct nvme_dsm_range range = { .nlb = htole32(3), .slba = htole64(9) };
	struct nvme_sqe dsm = { .opcode = nvme_cmd_dsm, .cdw11 = le32_make(4) };
	uint8_t data[2 * BLOCK] = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cmd(0, cases[i].sqe, data, cases[i].len * BLOCK), FAKE_HELD);
		assert_int_equal(le32_get(queue.seen[i].cdw12),
				 cases[i].cdw12 | 1u << 29 | (prinfo & cases[i].checks));
		assert_int_equal(le32_get(queue.seen[i].cdw14), cases[i].cdw14);
		turn(0);
		turn(0);
		assert_int_equal(io[0]->sq.outstanding, 0);
	}
	assert_int_equal(flush_cmd(0), FAKE_HELD);
	assert_int_equal(cmd(0, dsm, &range, sizeof(range)), FAKE_HELD);
	for (unsigned int i = 3; i < 5; i++) {
		assert_int_equal(le32_get(queue.seen[i].cdw12), 0);
		assert_int_equal(le32_get(queue.seen[i].cdw14), 0);
	}
	turn(0);
	turn(0);
}

static void test_ns_pcie_protection_is_the_drives(void **state)
{
	(void)state;
	commands_with_protection(1u << 28 | 1u << 26); /* guard and reference tag */
}

static void test_ns_pcie_protection_of_type_3_has_no_reference_tag(void **state)
{
	(void)state;
	commands_with_protection(1u << 28);
}

static void test_ns_pcie_core_without_a_queue_goes_through_another(void **state)
{
	(void)state;
	assert_int_equal(write_cmd(1, 5), FAKE_HELD);
	assert_int_equal(queue.nr_seen, 0);
	turn(0); /* takes it and rings the doorbell */
	assert_int_equal(queue.nr_seen, 1);
	turn(0); /* reaps it */
	assert_int_equal(queue.nr, 0);
	assert_int_equal(io[1]->sq.outstanding, 1);
	turn(1); /* it answers on its own core */
	assert_int_equal(io[1]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[1])->status, 0);
}

static void test_ns_pcie_full_queue_makes_commands_wait_in_order(void **state)
{
	(void)state;
	queue.room = 2;
	queue.hold = true;
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(write_cmd(i % 2 ? 1 : 0, i), FAKE_HELD);
	turn(0);
	assert_int_equal(queue.nr_seen, 2);
	queue.hold = false;
	for (int i = 0; i < 6; i++)
		turn(0);
	turn(1);
	assert_int_equal(queue.nr_seen, 7);
	assert_int_equal(io[0]->sq.outstanding + io[1]->sq.outstanding, 0);
	/* of each core: in order */
	for (int parity = 0; parity < 2; parity++) {
		uint32_t next = (uint32_t)parity;

		for (unsigned int i = 0; i < 7; i++) {
			if (le32_get(queue.seen[i].cdw10) % 2 != (uint32_t)parity)
				continue;
			assert_int_equal(le32_get(queue.seen[i].cdw10), next);
			next += 2;
		}
	}
}

/* A format, say: what was checked against the old one must not reach the drive. */
static void test_ns_pcie_what_waits_does_not_outlive_the_namespace(void **state)
{
	struct nvmet_ns *ns = fake_subsys(SUBSYS)->all[1];

	(void)state;
	queue.room = 1;
	queue.hold = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	nvmet_ns_set_state(ns, ST_NS_NOT_READY | ST_DNR, 0);
	turn(0); /* core 1's comes */
	queue.hold = false;
	turn(0);
	turn(0);
	turn(1);
	assert_int_equal(queue.nr_seen, 1);
	assert_int_equal(io[0]->sq.outstanding + io[1]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[0])->status, ST_NS_NOT_READY | ST_DNR);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | ST_DNR);
}

static void test_ns_pcie_lost_queue_asks_the_host_to_come_again(void **state)
{
	(void)state;
	queue.live = false;
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | CRD1);

	/* also those that wait for room when it is lost */
	queue.live = true;
	queue.room = 1;
	queue.hold = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	queue.live = false;
	queue.hold = false;
	queue.status = ST_HOST_ABORTED;
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	for (uint64_t i = io[0]->nr_rsps - 3; i < io[0]->nr_rsps; i++)
		assert_int_equal(io[0]->rsp[i % FAKE_RSPS].status, ST_NS_NOT_READY | CRD1);
}

static void test_ns_pcie_drive_status_becomes_the_hosts(void **state)
{
	static const struct {
		uint16_t drive, host;
	} cases[] = {
		{ ST_WRITE_FAULT | ST_DNR, ST_WRITE_FAULT | ST_DNR },
		{ ST_WRITE_FAULT | ST_MORE | 2 << ST_CRD_SHIFT, ST_WRITE_FAULT | CRD1 },
		{ ST_WRITE_FAULT | ST_DNR | 2 << ST_CRD_SHIFT, ST_WRITE_FAULT | ST_DNR },
		{ 0x303 | ST_DNR, ST_NS_NOT_READY | CRD1 }, /* ANA transition of a remote one */
		{ ST_HOST_ABORTED, ST_NS_NOT_READY | CRD1 },
		{ ST_HOST_PATH_ERROR, ST_NS_NOT_READY | CRD1 },
		{ ST_ABORT_QUEUE | ST_DNR, ST_NS_NOT_READY | CRD1 },
		{ ST_INVALID_NS | ST_DNR, ST_NS_NOT_READY },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		queue.status = cases[i].drive;
		assert_int_equal(flush_cmd(0), FAKE_HELD);
		turn(0);
		turn(0);
		assert_int_equal(fake_last(io[0])->status, cases[i].host);
	}
}

static void test_ns_pcie_zeroes_that_the_drive_refuses_are_written(void **state)
{
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write_zeroes,
				.cdw10 = { 10 },
				.cdw12 = { 599 } };
	static const struct {
		uint32_t slba, nlb;
	} writes[] = { { 10, 256 }, { 266, 256 }, { 522, 88 } }; /* of 128 KiB at most */

	(void)state;
	queue.status = ST_INVALID_OPCODE | ST_DNR;
	assert_int_equal(cmd(0, sqe, NULL, 0), FAKE_HELD);
	turn(0);
	turn(0); /* refused */
	queue.status = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(writes); i++) {
		assert_int_equal(io[0]->sq.outstanding, 1);
		assert_int_equal(queue.nr_seen, i + 2);
		assert_int_equal(queue.seen[i + 1].opcode, nvme_cmd_write);
		assert_int_equal(le32_get(queue.seen[i + 1].cdw10), writes[i].slba);
		assert_int_equal(le32_get(queue.seen[i + 1].cdw12), writes[i].nlb - 1);
		turn(0);
	}
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[0])->status, 0);

	/* the drive is not asked again, and an error ends it */
	queue.status = ST_WRITE_FAULT;
	assert_int_equal(cmd(0, sqe, NULL, 0), FAKE_HELD);
	assert_int_equal(queue.seen[4].opcode, nvme_cmd_write);
	turn(0);
	turn(0);
	assert_int_equal(fake_last(io[0])->status, ST_WRITE_FAULT);
	assert_int_equal(queue.nr_seen, 5);
}

/* Compare reads behind the host's data: a failed read is no miscompare. */
static void test_ns_pcie_compare_reports_the_drives_error(void **state)
{
	struct nvme_sqe sqe = { .opcode = nvme_cmd_compare, .cdw12 = { 1 } };
	uint8_t data[2 * BLOCK] = { 0 };

	(void)state;
	queue.status = ST_READ_ERROR;
	assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
	assert_int_equal(queue.seen[0].opcode, nvme_cmd_read);
	assert_ptr_equal((uint8_t *)queue.queued[0]->iov->iov_base,
			 (uint8_t *)((uintptr_t)queue.queued[0]->iov->iov_base & ~4095ul));
	turn(0);
	turn(0);
	assert_int_equal(fake_last(io[0])->status, ST_READ_ERROR);

	queue.status = 0;
	for (int differ = 0; differ < 2; differ++) {
		uint8_t *blocks;

		assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
		blocks = queue.queued[0]->iov->iov_base;
		memset(blocks, 0, sizeof(data));
		blocks[sizeof(data) - 1] = (uint8_t)differ;
		turn(0);
		turn(0);
		assert_int_equal(fake_last(io[0])->status, differ ? ST_COMPARE_FAILED : 0);
	}
}

static void test_ns_pcie_interrupt_keeps_no_core_awake(void **state)
{
	uint64_t one = 1;

	(void)state;
	assert_int_equal(flush_cmd(0), FAKE_HELD);
	turn(0);
	assert_int_equal(write(queue.fd, &one, sizeof(one)), sizeof(one));
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_true(queue.arms > 0);
	/* readable still would mean that the loop finds it again in every turn */
	assert_int_equal(read(queue.fd, &one, sizeof(one)), -1);
	assert_int_equal(errno, EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ns_pcie_commands_are_translated),
		cmocka_unit_test_setup_teardown(test_ns_pcie_protection_is_the_drives, setup_pi1,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_ns_pcie_protection_of_type_3_has_no_reference_tag, setup_pi3,
			teardown),
		TEST(test_ns_pcie_core_without_a_queue_goes_through_another),
		TEST(test_ns_pcie_full_queue_makes_commands_wait_in_order),
		TEST(test_ns_pcie_what_waits_does_not_outlive_the_namespace),
		TEST(test_ns_pcie_lost_queue_asks_the_host_to_come_again),
		TEST(test_ns_pcie_drive_status_becomes_the_hosts),
		TEST(test_ns_pcie_zeroes_that_the_drive_refuses_are_written),
		TEST(test_ns_pcie_compare_reports_the_drives_error),
		TEST(test_ns_pcie_interrupt_keeps_no_core_awake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
