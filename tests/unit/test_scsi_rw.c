// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SCSI translation: commands on blocks. Over the fake drive.
 */
#include "tests/unit/scsi_rig.h"

static uint8_t *blocks(uint64_t lba)
{
	return rig.drive->ns[0].data + lba * 512;
}

static void fill(uint8_t *p, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i / 512 * 7 + i % 251);
}

static const struct nvme_sqe *op(unsigned int i)
{
	assert_in_range(i, 0, rig.drive->nr_ops - 1);
	return &rig.drive->ops[i];
}

/* ---- READ and WRITE ---- */

static void test_read_of_each_length(void **state)
{
	(void)state;
	fill(blocks(0x100), 512 * 300, 3);
	scsi_live();
	scsi(FROM_CTRL, 1024, 0x08, 0, 1, 1, 2, 0);
	scsi_good(1024);
	assert_memory_equal(scsi_data, blocks(0x101), 1024);
	scsi(FROM_CTRL, 256 * 512, 0x08, 0, 1, 0, 0, 0); /* 0 is 256 */
	scsi_good(256 * 512);
	assert_memory_equal(scsi_data, blocks(0x100), 256 * 512);
	scsi(FROM_CTRL, 512, 0x28, 0, 0, 0, 1, 2, 0, 0, 1, 0);
	scsi_good(512);
	assert_memory_equal(scsi_data, blocks(0x102), 512);
	scsi(FROM_CTRL, 512, 0xa8, 0, 0, 0, 1, 3, 0, 0, 0, 1, 0, 0);
	scsi_good(512);
	assert_memory_equal(scsi_data, blocks(0x103), 512);
	scsi(FROM_CTRL, 4096, 0x88, 0x10, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0); /* DPO */
	scsi_good(512); /* more memory than blocks */
	assert_memory_equal(scsi_data, blocks(0x104), 512);
	assert_int_equal(le32_get(op(0)->cdw12), 0);
	scsi(FROM_CTRL, 512, 0x28, 8, 0, 0, 1, 2, 0, 0, 1, 0); /* FUA */
	assert_int_equal(le32_get(op(0)->cdw12), 1u << 30);
	scsi(NO_DATA, 0, 0x28, 0, 0, 0, 1, 2, 0, 0, 0, 0); /* 0 is none */
	scsi_good(0);
	assert_int_equal(rig.drive->nr_ops, 0);
}

static void test_write_of_each_length(void **state)
{
	(void)state;
	scsi_live();
	fill(scsi_data, 4096, 9);
	scsi(TO_CTRL, 512, 0x0a, 0x1f, 0, 0, 1, 0); /* beyond the end */
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	scsi(TO_CTRL, 1024, 0x0a, 0, 0, 8, 2, 0);
	scsi_good(1024);
	assert_memory_equal(scsi_data, blocks(8), 1024);
	scsi(TO_CTRL, 512, 0x2a, 8, 0, 0, 0, 20, 0, 0, 1, 0);
	scsi_good(512);
	assert_memory_equal(scsi_data, blocks(20), 512);
	assert_int_equal(le32_get(op(0)->cdw12), 1u << 30);
	scsi(TO_CTRL, 512, 0xaa, 0, 0, 0, 0, 21, 0, 0, 0, 1, 0, 0);
	scsi_good(512);
	assert_memory_equal(scsi_data, blocks(21), 512);
	scsi(TO_CTRL, 512, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0, 1, 0, 0);
	scsi_good(512);
	assert_memory_equal(scsi_data, blocks(22), 512);
}

static void test_ranges_at_the_end(void **state)
{
	(void)state;
	scsi_live();
	scsi(FROM_CTRL, 512, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 1, 0);
	scsi_good(512);
	scsi(FROM_CTRL, 1024, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	scsi(NO_DATA, 0, 0x28, 0, 0, 0, 0x10, 0, 0, 0, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	scsi(FROM_CTRL, 512, 0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	/* fewer bytes than the blocks have */
	scsi(FROM_CTRL, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0);
	scsi_bad_cdb(7, -1);
	scsi(FROM_CTRL, 508, 0x08, 0, 0, 0, 1, 0);
	scsi_bad_cdb(4, -1);
	scsi(FROM_CTRL, 512, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xff, 0, 0);
	scsi_bad_cdb(10, -1);
	assert_int_equal(rig.drive->nr_ops, 0);
}

/* Larger than the drive takes at once: in order, and what failed is what did not move. */
static uint16_t fail_third(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)sqe;
	return f->nr_ops == 3 ? ST_READ_ERROR : 0;
}

static void test_long_transfers_are_cut(void **state)
{
	(void)state;
	fill(blocks(0), 100 * 512, 1);
	rig.drive->id.mdts = 1; /* 8 KiB */
	scsi_live();
	scsi(FROM_CTRL, 50 * 512, 0x28, 0, 0, 0, 0, 1, 0, 0, 50, 0);
	scsi_good(50 * 512);
	assert_memory_equal(scsi_data, blocks(1), 50 * 512);
	assert_int_equal(rig.drive->nr_ops, 4);
	assert_int_equal(le32_get(op(3)->cdw10), 49);
	assert_int_equal(le32_get(op(3)->cdw12), 1);
	rig.drive->on_io = fail_third;
	scsi(FROM_CTRL, 50 * 512, 0x28, 0, 0, 0, 0, 1, 0, 0, 50, 0);
	scsi_sense_is(KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ);
	assert_int_equal(sc.resid, 18 * 512);
	assert_int_equal(rig.drive->nr_ops, 3);
}

/* ---- protection information ---- */

static void test_protection_that_the_drive_makes(void **state)
{
	(void)state;
	fake_pcie_set_md(&rig.drive->ns[0], 8, false, 1);
	scsi_live();
	fill(scsi_data, 1024, 5);
	scsi(TO_CTRL, 1024, 0x2a, 0, 0, 0, 0, 20, 0, 0, 2, 0);
	scsi_good(1024);
	assert_int_equal(le32_get(op(0)->cdw12), 1 | 1u << 29 | 1u << 28 | 1u << 26);
	assert_int_equal(le32_get(op(0)->cdw14), 20);
	scsi(FROM_CTRL, 1024, 0x28, 0, 0, 0, 0, 20, 0, 0, 2, 0);
	scsi_good(1024);
	assert_memory_equal(scsi_data, blocks(20), 1024);
	blocks(21)[0] ^= 1;
	scsi(FROM_CTRL, 1024, 0x28, 0, 0, 0, 0, 20, 0, 0, 2, 0);
	scsi_sense_is(KEY_ABORTED_COMMAND, ASC_GUARD_CHECK);
	/* it lies apart from the blocks */
	scsi(FROM_CTRL, 1040, 0x28, 0x20, 0, 0, 0, 20, 0, 0, 2, 0);
	scsi_bad_cdb(1, 7);
}

static void test_protection_that_moves(void **state)
{
	static const struct {
		uint8_t protect;
		uint32_t prchk;
	} table[] = {
		{ 1, 7u << 26 }, { 2, 3u << 26 }, { 3, 0 }, { 4, 4u << 26 }, { 5, 7u << 26 },
	};
	uint8_t cdb[10] = { 0x28, [5] = 3, [8] = 2 };

	(void)state;
	fake_pcie_set_md(&rig.drive->ns[0], 8, true, 1);
	scsi_live();
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cdb[1] = (uint8_t)(table[i].protect << 5);
		scsi_run(NVMH_FROM_CTRL, 1040, cdb, 10);
		scsi_good(1040);
		assert_int_equal(le32_get(op(0)->cdw12), 1 | table[i].prchk);
		assert_memory_equal(scsi_data, blocks(3), 512);
		assert_memory_equal(scsi_data + 512, rig.drive->ns[0].md + 3 * 8, 8);
		assert_memory_equal(scsi_data + 520, blocks(4), 512);
	}
	cdb[1] = 6 << 5;
	scsi_run(NVMH_FROM_CTRL, 1040, cdb, 10);
	scsi_bad_cdb(1, 7);
	cdb[1] = 1 << 5;
	scsi_run(NVMH_FROM_CTRL, 1036, cdb, 10);
	scsi_bad_cdb(7, -1);
}

static void test_metadata_that_is_no_protection(void **state)
{
	(void)state;
	fake_pcie_set_md(&rig.drive->ns[0], 16, false, 0);
	scsi_live();
	scsi(FROM_CTRL, 512, 0x28, 0, 0, 0, 0, 20, 0, 0, 1, 0);
	scsi_sense_is(KEY_NOT_READY, ASC_INCOMPATIBLE_FORMAT);
	assert_int_equal(rig.drive->nr_ops, 0);
}

/* ---- VERIFY ---- */

static void test_verify_of_the_medium(void **state)
{
	(void)state;
	scsi_live();
	scsi(NO_DATA, 0, 0x2f, 0, 0, 0, 0, 1, 0, 0, 50, 0);
	scsi_good(0);
	assert_int_equal(op(0)->opcode, nvme_cmd_verify);
	assert_int_equal(rig.drive->nr_ops, 1);
	scsi(NO_DATA, 0, 0x2f, 0, 0, 0, 0x10, 0, 0, 0, 1, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	scsi(NO_DATA, 0, 0x2f, 4, 0, 0, 0, 0, 0, 0, 1, 0); /* BYTCHK 2 */
	scsi_bad_cdb(1, 2);
}

static void test_verify_by_reading(void **state)
{
	(void)state;
	rig.drive->id.oncs = 0;
	scsi_live();
	scsi(NO_DATA, 0, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0);
	scsi_good(0);
	assert_int_equal(rig.drive->nr_ops, 3); /* 8 blocks at a time */
	assert_int_equal(op(2)->opcode, nvme_cmd_read);
	assert_int_equal(le32_get(op(2)->cdw10), 17);
	assert_int_equal(le32_get(op(2)->cdw12), 3);
	rig.drive->on_io = fail_third;
	scsi(NO_DATA, 0, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0);
	scsi_sense_is(KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ);
	scsi(TO_CTRL, 512, 0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0);
	scsi_bad_cdb(1, 2); /* it cannot compare */
}

static void test_verify_by_comparing(void **state)
{
	(void)state;
	fill(blocks(5), 1024, 40);
	scsi_live();
	memcpy(scsi_data, blocks(5), 1024);
	scsi(TO_CTRL, 1024, 0xaf, 2, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0);
	scsi_good(1024);
	assert_int_equal(op(0)->opcode, nvme_cmd_compare);
	scsi_data[1000] ^= 1;
	scsi(TO_CTRL, 1024, 0xaf, 2, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0);
	scsi_sense_is(KEY_MISCOMPARE, ASC_MISCOMPARE);
}

/* ---- without data ---- */

static void test_synchronize_cache_flushes(void **state)
{
	(void)state;
	scsi_live();
	scsi(NO_DATA, 0, 0x35, 2, 0, 0, 0, 0, 0, 0, 0, 0);
	scsi_good(0);
	assert_int_equal(rig.drive->nr_ops, 1);
	assert_int_equal(op(0)->opcode, nvme_cmd_flush);
	scsi(NO_DATA, 0, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xff, 0, 0);
	scsi_good(0);
	scsi(NO_DATA, 0, 0x91, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0f, 0xff, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
}

/* A list of @nr ranges, each of one block, 3 apart. */
static uint32_t unmap_list(uint32_t nr)
{
	memset(scsi_data, 0, 8 + 16 * nr);
	scsi_put16(scsi_data, 6 + 16 * nr);
	scsi_put16(scsi_data + 2, 16 * nr);
	for (uint32_t i = 0; i < nr; i++) {
		scsi_put64(scsi_data + 8 + 16 * i, 3 * i);
		scsi_put32(scsi_data + 16 + 16 * i, 1);
	}
	return 8 + 16 * nr;
}

static void run_unmap(uint32_t len)
{
	uint8_t cdb[10] = { 0x42, [7] = (uint8_t)(len >> 8), [8] = (uint8_t)len };

	scsi_run(NVMH_TO_CTRL, len, cdb, 10);
}

static void test_unmap(void **state)
{
	(void)state;
	scsi_live();
	run_unmap(unmap_list(256));
	scsi_good(8 + 16 * 256);
	assert_int_equal(rig.drive->nr_ops, 1);
	assert_int_equal(op(0)->opcode, nvme_cmd_dsm);
	assert_int_equal(le32_get(op(0)->cdw10), 255);
	assert_int_equal(le32_get(op(0)->cdw11), NVME_DSMGMT_AD);
	assert_int_equal(le64toh(rig.drive->ranges[255].slba), 765);
	assert_int_equal(le32toh(rig.drive->ranges[255].nlb), 1);
	/* ranges of nothing are left out; of nothing else nothing is done */
	unmap_list(3);
	memset(scsi_data + 8 + 8, 0, 4);
	run_unmap(56);
	scsi_good(56);
	assert_int_equal(le32_get(op(0)->cdw10), 1);
	assert_int_equal(le64toh(rig.drive->ranges[0].slba), 3);
	memset(scsi_data + 8, 0, 48);
	run_unmap(56);
	scsi_good(56);
	assert_int_equal(rig.drive->nr_ops, 0);
	scsi(NO_DATA, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	scsi_good(0);
}

static void test_unmap_lists_that_are_wrong(void **state)
{
	(void)state;
	scsi_live();
	run_unmap(unmap_list(257));
	scsi_bad_param(2, -1);
	unmap_list(2);
	run_unmap(39); /* cut short */
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	run_unmap(7);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	unmap_list(2);
	scsi(TO_CTRL, 32, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0); /* longer than the memory */
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	unmap_list(2);
	scsi_put64(scsi_data + 24, UINT64_MAX);
	run_unmap(40);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	unmap_list(2);
	scsi_put32(scsi_data + 32, 4095);
	run_unmap(40);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(rig.drive->nr_ops, 0);
}

static void test_write_same_of_zeroes(void **state)
{
	(void)state;
	fill(blocks(0), 64 * 512, 77);
	scsi_live();
	memset(scsi_data, 0, 512);
	scsi(TO_CTRL, 512, 0x41, 0, 0, 0, 0, 4, 0, 0, 10, 0);
	scsi_good(512);
	assert_int_equal(op(0)->opcode, nvme_cmd_write_zeroes);
	assert_int_equal(le32_get(op(0)->cdw12), 9);
	assert_int_equal(blocks(4)[0] | blocks(13)[511], 0);
	assert_int_not_equal(blocks(14)[1], 0);
	scsi(NO_DATA, 0, 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0); /* UNMAP, NDOB */
	scsi_good(0);
	assert_int_equal(le32_get(op(0)->cdw12), 1u << 25);
}

static void test_write_same_that_is_refused(void **state)
{
	(void)state;
	scsi_live();
	memset(scsi_data, 0, 512);
	scsi(TO_CTRL, 512, 0x41, 0, 0, 0, 0, 4, 0, 0, 0, 0); /* no blocks: WSNZ */
	scsi_bad_cdb(7, -1);
	scsi(TO_CTRL, 508, 0x41, 0, 0, 0, 0, 4, 0, 0, 1, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi_data[511] = 1;
	scsi(TO_CTRL, 512, 0x41, 0, 0, 0, 0, 4, 0, 0, 1, 0);
	scsi_bad_param(0, -1);
	scsi_data[511] = 0;
	scsi(TO_CTRL, 512, 0x41, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(rig.drive->nr_ops, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scsi_test(test_read_of_each_length),
		scsi_test(test_write_of_each_length),
		scsi_test(test_ranges_at_the_end),
		scsi_test(test_long_transfers_are_cut),
		scsi_test(test_protection_that_the_drive_makes),
		scsi_test(test_protection_that_moves),
		scsi_test(test_metadata_that_is_no_protection),
		scsi_test(test_verify_of_the_medium),
		scsi_test(test_verify_by_reading),
		scsi_test(test_verify_by_comparing),
		scsi_test(test_synchronize_cache_flushes),
		scsi_test(test_unmap),
		scsi_test(test_unmap_lists_that_are_wrong),
		scsi_test(test_write_same_of_zeroes),
		scsi_test(test_write_same_that_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
