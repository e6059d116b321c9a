// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SCSI translation: mode pages, log pages, power, format, security, firmware. Over the fake
 * drive.
 */
#include "tests/unit/scsi_rig.h"

static uint32_t dw(le32_t x)
{
	return le32_get(x);
}

/* ---- MODE SENSE ---- */

static void test_mode_sense_pages(void **state)
{
	(void)state;
	rig.drive->id.vwc = 1;
	scsi_live();
	rig.drive->features[NVME_FEAT_FID_VOLATILE_WC] = 1;
	scsi(FROM_CTRL, 255, 0x1a, 0, 0x08, 0, 255, 0);
	scsi_good(4 + 8 + 20);
	scsi_data_is("1f001008"
		     "0000100000000200"
		     "08120400");
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x0a, 0, 255, 0); /* DBD */
	scsi_good(4 + 12);
	scsi_data_is("0f001000"
		     "0a0a00100000000"
		     "0ffff");
	scsi(FROM_CTRL, 255, 0x5a, 0x10, 0x1c, 0, 0, 0, 0, 0, 255, 0); /* LLBAA */
	scsi_good(8 + 16 + 12);
	scsi_data_is("0022001001000010"
		     "0000000000001000"
		     "0000000000000200"
		     "1c0a0800");
	scsi(FROM_CTRL, 255, 0x5a, 8, 0x3f, 0xff, 0, 0, 0, 0, 255, 0);
	scsi_good(8 + 20 + 12 + 40 + 12);
	assert_int_equal(scsi_data[8 + 32], 0x1a);
	scsi(FROM_CTRL, 255, 0x5a, 8, 0x3f, 0, 0, 0, 0, 0, 10, 0); /* cut */
	scsi_good(10);
	/* what can be changed */
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x48, 0, 255, 0);
	scsi_data_is("17001000"
		     "08120400");
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x4a, 0, 255, 0);
	scsi_data_is("0f001000"
		     "0a0a0400");
}

static void test_mode_sense_without_a_cache_and_write_protected(void **state)
{
	(void)state;
	rig.drive->ns[0].id.nsattr = 1;
	scsi_live();
	rig.drive->features[NVME_FEAT_FID_VOLATILE_WC] = 1; /* says nothing */
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x08, 0, 255, 0);
	scsi_data_is("17009000"
		     "08120000");
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x48, 0, 255, 0);
	scsi_data_is("17009000"
		     "08120000");
}

static void test_mode_sense_that_is_refused(void **state)
{
	(void)state;
	scsi_live();
	scsi(FROM_CTRL, 255, 0x1a, 0, 0xc8, 0, 255, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
	scsi(FROM_CTRL, 255, 0x1a, 0, 0x01, 0, 255, 0);
	scsi_bad_cdb(2, 5);
	scsi(FROM_CTRL, 255, 0x1a, 0, 0x0a, 1, 255, 0);
	scsi_bad_cdb(3, -1);
}

/* ---- MODE SELECT ---- */

static void test_mode_select_switches_the_cache(void **state)
{
	static const uint8_t list[24] = { 0, 0, 0, 0, 0x08, 0x12, 0x04 };

	(void)state;
	rig.drive->id.vwc = 1;
	scsi_live();
	memcpy(scsi_data, list, 24);
	scsi(TO_CTRL, 24, 0x15, 0x10, 0, 0, 24, 0);
	scsi_good(24);
	assert_int_equal(rig.drive->features[NVME_FEAT_FID_VOLATILE_WC], 1);
	scsi_data[6] = 0;
	scsi(TO_CTRL, 24, 0x15, 0x10, 0, 0, 24, 0);
	scsi_good(24);
	assert_int_equal(rig.drive->features[NVME_FEAT_FID_VOLATILE_WC], 0);
	scsi_data[6] = 5; /* RCD */
	scsi(TO_CTRL, 24, 0x15, 0x10, 0, 0, 24, 0);
	scsi_bad_param(6, 0);
}

static void test_mode_select_of_sense_format_and_cache_together(void **state)
{
	static const uint8_t list[8 + 8 + 12 + 20] = { 0,
						       0,
						       0,
						       0,
						       0,
						       0,
						       0,
						       8,
						       /* block descriptor */ 0,
						       0,
						       0x10,
						       0,
						       0,
						       0,
						       2,
						       0,
						       0x0a,
						       0x0a,
						       4,
						       0x10,
						       0,
						       0,
						       0,
						       0,
						       0xff,
						       0xff,
						       0,
						       0,
						       0x08,
						       0x12,
						       0x04 };

	(void)state;
	rig.drive->id.vwc = 1;
	scsi_live();
	memcpy(scsi_data, list, sizeof(list));
	scsi(TO_CTRL, 48, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 48, 0);
	scsi_good(48);
	assert_true(sc.desc_sense);
	assert_int_equal(rig.drive->features[NVME_FEAT_FID_VOLATILE_WC], 1);
	scsi(FROM_CTRL, 255, 0x1a, 8, 0x0a, 0, 255, 0);
	scsi_data_is("0f001000"
		     "0a0a0410");
	/* what is wrong further down changes nothing */
	memcpy(scsi_data, list, sizeof(list));
	scsi_data[18] = 0;
	scsi_data[31] = 1;
	scsi(TO_CTRL, 48, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 48, 0);
	assert_int_equal(sc.status, NVMH_SCSI_CHECK_CONDITION);
	assert_int_equal(sc.sense[0], 0x72);
	assert_true(sc.desc_sense);
}

static void test_mode_select_lists_that_are_wrong(void **state)
{
	(void)state;
	scsi_live();
	memset(scsi_data, 0, 64);
	scsi_data[4] = 0x0a;
	scsi_data[5] = 0x0a;
	scsi(TO_CTRL, 15, 0x15, 0x10, 0, 0, 15, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 3, 0x15, 0x10, 0, 0, 3, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 8, 0x15, 0x10, 0, 0, 16, 0); /* more than there is */
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 16, 0x15, 0x00, 0, 0, 16, 0);
	scsi_bad_cdb(1, 4);
	scsi(TO_CTRL, 16, 0x15, 0x11, 0, 0, 16, 0);
	scsi_bad_cdb(1, 0);
	scsi(TO_CTRL, 16, 0x15, 0x10, 0, 0, 16, 0); /* QUEUE ALGORITHM MODIFIER */
	scsi_bad_param(7, 4);
	scsi_data[5] = 9;
	scsi(TO_CTRL, 16, 0x15, 0x10, 0, 0, 16, 0);
	scsi_bad_param(5, -1);
	scsi_data[4] = 0x8a; /* PS */
	scsi(TO_CTRL, 16, 0x15, 0x10, 0, 0, 16, 0);
	scsi_bad_param(4, -1);
	scsi_data[3] = 7;
	scsi(TO_CTRL, 16, 0x15, 0x10, 0, 0, 16, 0);
	scsi_bad_param(3, -1);
	scsi_data[3] = 8;
	scsi(TO_CTRL, 8, 0x15, 0x10, 0, 0, 8, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 12, 0x15, 0x10, 0, 0, 12, 0); /* blocks, by chance */
	scsi_bad_param(4, -1);
	memset(scsi_data + 4, 0, 8);
	scsi_data[10] = 0x10; /* another size of blocks */
	scsi(TO_CTRL, 12, 0x15, 0x10, 0, 0, 12, 0);
	scsi_bad_param(9, -1);
	/* a cache that is not there is not switched on */
	memset(scsi_data, 0, 24);
	memcpy(scsi_data + 4, "\x08\x12\x04", 3);
	scsi(TO_CTRL, 24, 0x15, 0x10, 0, 0, 24, 0);
	scsi_bad_param(6, 2);
	scsi(NO_DATA, 0, 0x15, 0x10, 0, 0, 0, 0);
	scsi_good(0);
}

/* ---- LOG SENSE ---- */

static void test_log_sense_pages(void **state)
{
	(void)state;
	rig.drive->id.wctemp = htole16(273 + 70);
	rig.drive->smart_is_set = true;
	rig.drive->smart[1] = (273 + 41) & 0xff;
	rig.drive->smart[2] = (273 + 41) >> 8;
	rig.drive->smart[5] = 12; /* per cent used */
	scsi_live();
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(8);
	scsi_data_is("00000004000d112f");
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(16);
	scsi_data_is("0d00000c"
		     "000003020029"
		     "000103020046");
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x51, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(12);
	scsi_data_is("11000008"
		     "000103040000000c");
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(12);
	scsi_data_is("2f000008"
		     "0000030400002900");
	rig.drive->smart[0] = 2;
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 64, 0);
	scsi_data_is("2f000008"
		     "000003040b012900");
	rig.drive->smart[0] = 6;
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 64, 0);
	scsi_data_is("2f000008"
		     "000003045d002900");
	/* temperatures beyond a byte, or none */
	rig.drive->smart[2] = 0xff;
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 64, 0);
	scsi_data_is("0d00000c"
		     "0000030200fe");
	rig.drive->smart[1] = rig.drive->smart[2] = 0;
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 64, 0);
	scsi_data_is("0d00000c"
		     "0000030200ff");
}

static uint16_t no_log(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_get_log_page ? ST_INVALID_LOG_PAGE : 0;
}

static void test_log_sense_that_is_refused(void **state)
{
	(void)state;
	scsi_live();
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x0d, 0, 0, 0, 0, 0, 64, 0);
	scsi_bad_cdb(2, 7);
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x42, 0, 0, 0, 0, 0, 64, 0);
	scsi_bad_cdb(2, 5);
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 1, 0, 0, 0, 0, 64, 0);
	scsi_bad_cdb(3, -1);
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 0, 0, 0, 1, 0, 64, 0);
	scsi_bad_cdb(5, -1);
	rig.drive->on_admin = no_log;
	scsi(FROM_CTRL, 64, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 64, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB);
	assert_int_equal(sc.resid, 64);
}

/* ---- START STOP UNIT ---- */

static void test_start_stop_unit_sets_power_states(void **state)
{
	static const struct {
		uint8_t modifier, condition;
		uint32_t ps;
		bool flush;
	} table[] = {
		{ 0, 0x00, 4, true },  { 0, 0x01, 0, false }, { 0, 0x04, 4, false },
		{ 0, 0x10, 0, false }, { 0, 0x20, 1, true },  { 2, 0x20, 3, true },
		{ 0, 0x30, 4, true },  { 1, 0x34, 3, false },
	};
	uint8_t cdb[6] = { 0x1b };

	(void)state;
	rig.drive->id.npss = 4;
	scsi_live();
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->features[NVME_FEAT_FID_POWER_MGMT] = 99;
		cdb[3] = table[i].modifier;
		cdb[4] = table[i].condition;
		scsi_run(NVMH_NO_DATA, 0, cdb, 6);
		scsi_good(0);
		assert_int_equal(rig.drive->features[NVME_FEAT_FID_POWER_MGMT], table[i].ps);
		assert_int_equal(rig.drive->nr_ops, table[i].flush);
	}
	scsi(NO_DATA, 0, 0x1b, 0, 0, 3, 0x20, 0);
	scsi_bad_cdb(3, -1);
	scsi(NO_DATA, 0, 0x1b, 0, 0, 0, 0x50, 0);
	scsi_bad_cdb(4, -1);
	scsi(NO_DATA, 0, 0x1b, 0, 0, 0, 0x02, 0); /* LOEJ */
	scsi_bad_cdb(4, 1);
}

static void test_start_stop_unit_of_one_power_state(void **state)
{
	(void)state;
	scsi_live();
	rig.drive->features[NVME_FEAT_FID_POWER_MGMT] = 99;
	scsi(NO_DATA, 0, 0x1b, 0, 0, 0, 0x30, 0);
	scsi_good(0);
	assert_int_equal(rig.drive->features[NVME_FEAT_FID_POWER_MGMT], 99);
}

/* ---- FORMAT UNIT ---- */

static struct nvme_sqe format_sqe; /* the last Format NVM */

static uint16_t watch_format(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_format_nvm)
		format_sqe = *sqe;
	return 0;
}

static void test_format_unit(void **state)
{
	struct nvme_id_ns *id = &rig.drive->ns[0].id;

	(void)state;
	id->nlbaf = 2;
	id->lbaf[1] = (struct nvme_lbaf){ .ds = 12, .ms = htole16(8) };
	id->lbaf[2] = (struct nvme_lbaf){ .ds = 9, .ms = htole16(8) };
	id->dpc = 5; /* types 1 and 3 */
	id->mc = 2;
	rig.drive->on_admin = watch_format;
	scsi_live();
	scsi(NO_DATA, 0, 0x04, 0, 0, 0, 0, 0);
	scsi_good(0);
	assert_true(sc.rescan);
	assert_int_equal(dw(format_sqe.nsid), 1);
	assert_int_equal(dw(format_sqe.cdw10), 0);
	scsi(NO_DATA, 0, 0x04, 0x80, 0, 0, 0, 0);
	scsi_good(0);
	assert_int_equal(dw(format_sqe.cdw10), 2 | 1 << 5);
	memset(scsi_data, 0, 8);
	scsi_data[0] = 1;
	scsi(TO_CTRL, 4, 0x04, 0xd0, 0, 0, 0, 0);
	scsi_good(4);
	assert_int_equal(dw(format_sqe.cdw10), 2 | 3 << 5);
	scsi_data[0] = 0; /* type 2, which it has not */
	scsi(TO_CTRL, 8, 0x04, 0xf0, 0, 0, 0, 0);
	scsi_bad_cdb(1, 7);
}

static void test_format_unit_that_is_refused(void **state)
{
	(void)state;
	memset(&format_sqe, 0, sizeof(format_sqe));
	rig.drive->on_admin = watch_format;
	rig.drive->ns[0].id.dpc = 7; /* but no format with metadata */
	scsi_live();
	memset(scsi_data, 0, 8);
	scsi(NO_DATA, 0, 0x04, 0x80, 0, 0, 0, 0);
	scsi_bad_cdb(1, 7);
	scsi(NO_DATA, 0, 0x04, 0x40, 0, 0, 0, 0);
	scsi_bad_cdb(1, 7);
	scsi(NO_DATA, 0, 0x04, 0x20, 0, 0, 0, 0); /* a long list of nothing */
	scsi_bad_cdb(1, 5);
	scsi(TO_CTRL, 4, 0x04, 0x30, 0, 0, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi_data[0] = 1; /* type 1 has one usage */
	scsi(TO_CTRL, 4, 0x04, 0x90, 0, 0, 0, 0);
	scsi_bad_param(0, 2);
	scsi_data[0] = 8;
	scsi(TO_CTRL, 4, 0x04, 0x10, 0, 0, 0, 0);
	scsi_bad_param(0, -1);
	scsi_data[0] = 0;
	scsi_data[1] = 2; /* IMMED */
	scsi(TO_CTRL, 4, 0x04, 0x10, 0, 0, 0, 0);
	scsi_bad_param(1, -1);
	scsi_data[1] = 0;
	scsi_data[3] = 1; /* a defect list */
	scsi(TO_CTRL, 4, 0x04, 0x10, 0, 0, 0, 0);
	scsi_bad_param(2, -1);
	scsi_data[3] = 0;
	scsi_data[7] = 1;
	scsi(TO_CTRL, 8, 0x04, 0x30, 0, 0, 0, 0);
	scsi_bad_param(4, -1);
	assert_int_equal(format_sqe.opcode, 0);
	assert_false(sc.rescan);
}

/* ---- SECURITY PROTOCOL ---- */

static struct nvme_sqe security_sqe;

static uint16_t watch_security(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_security_send || sqe->opcode == nvme_admin_security_recv)
		security_sqe = *sqe;
	return 0;
}

static void test_security_protocol(void **state)
{
	(void)state;
	rig.drive->on_admin = watch_security;
	rig.drive->id.mdts = 1;
	scsi_live();
	memset(scsi_data, 0x5a, 1024);
	scsi(TO_CTRL, 1024, 0xb5, 1, 0x07, 0xfe, 0x80, 0, 0, 0, 0, 2, 0, 0);
	scsi_good(1024);
	assert_int_equal(security_sqe.opcode, nvme_admin_security_send);
	assert_int_equal(dw(security_sqe.cdw10), 0x0107fe00);
	assert_int_equal(dw(security_sqe.cdw11), 1024);
	scsi(FROM_CTRL, 70, 0xa2, 1, 0x07, 0xfe, 0, 0, 0, 0, 1, 0, 0, 0);
	scsi_good(70); /* the shorter one */
	assert_int_equal(dw(security_sqe.cdw11), 70);
	assert_int_equal(scsi_data[69], 0x5a);
	scsi(NO_DATA, 0, 0xb5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	scsi_good(0);
	scsi(TO_CTRL, 512, 0xb5, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0);
	scsi_bad_cdb(6, -1);
	scsi(TO_CTRL, 16384, 0xb5, 1, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0); /* above MDTS */
	scsi_bad_cdb(6, -1);
	scsi(TO_CTRL, 512, 0xb5, 1, 0, 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0);
	scsi_bad_cdb(6, -1);
}

/* ---- WRITE BUFFER ---- */

static uint16_t commit_status;
static struct nvme_sqe commit_sqe;
static unsigned int downloads;

static uint16_t watch_firmware(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	downloads += sqe->opcode == nvme_admin_fw_download;
	if (sqe->opcode != nvme_admin_fw_commit)
		return 0;
	commit_sqe = *sqe;
	return commit_status;
}

static void test_write_buffer_downloads_and_commits(void **state)
{
	(void)state;
	commit_status = 0;
	downloads = 0;
	rig.drive->on_admin = watch_firmware;
	rig.drive->id.mdts = 1;
	scsi_live();
	for (uint32_t i = 0; i < 20480; i++)
		scsi_data[i] = (uint8_t)(i * 31 >> 3);
	scsi(TO_CTRL, 20480, 0x3b, 5, 2, 0, 0, 0, 0, 0x50, 0, 0);
	scsi_good(20480);
	assert_int_equal(downloads, 3);
	assert_int_equal(rig.drive->image_bytes, 20480);
	assert_memory_equal(rig.drive->image, scsi_data, 20480);
	assert_int_equal(dw(commit_sqe.cdw10), 1 << 3 | 2);
	/* saved, and active after a reset */
	commit_status = 0x10b;
	scsi(TO_CTRL, 4096, 0x3b, 5, 0, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_good(4096);
	assert_int_equal(sc.nvme_status, 0x10b);
	commit_status = 0x107;
	scsi(TO_CTRL, 4096, 0x3b, 5, 0, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_PARAM);
}

static void test_write_buffer_in_parts(void **state)
{
	(void)state;
	commit_status = 0;
	rig.drive->on_admin = watch_firmware;
	rig.drive->id.frmw = NVME_CTRL_FRMW_FW_ACT_NO_RESET;
	scsi_live();
	memset(&commit_sqe, 0, sizeof(commit_sqe));
	memset(scsi_data, 7, 8192);
	scsi(TO_CTRL, 4096, 0x3b, 0x0e, 0, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_good(4096);
	scsi(TO_CTRL, 4096, 0x3b, 0x0e, 0, 0, 0x10, 0, 0, 0x10, 0, 0);
	scsi_good(4096);
	assert_int_equal(rig.drive->image_bytes, 8192);
	assert_int_equal(commit_sqe.opcode, 0);
	scsi(NO_DATA, 0, 0x3b, 0x0f, 3, 0, 0, 0, 0, 0, 0, 0);
	scsi_good(0);
	assert_int_equal(dw(commit_sqe.cdw10), 3 << 3 | 3); /* at once */
}

static void test_write_buffer_that_is_refused(void **state)
{
	(void)state;
	downloads = 0;
	rig.drive->on_admin = watch_firmware;
	scsi_live();
	scsi(TO_CTRL, 4096, 0x3b, 2, 0, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_bad_cdb(1, 4);
	scsi(TO_CTRL, 4096, 0x3b, 5, 8, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_bad_cdb(2, -1);
	scsi(TO_CTRL, 4096, 0x3b, 5, 0, 0, 0, 4, 0, 0x10, 0, 0);
	scsi_bad_cdb(3, -1);
	scsi(TO_CTRL, 4096, 0x3b, 0x0e, 0, 0, 0, 2, 0, 0x10, 0, 0);
	scsi_bad_cdb(3, -1);
	scsi(TO_CTRL, 4096, 0x3b, 5, 0, 0, 0, 0, 0, 0x10, 4, 0);
	scsi_bad_cdb(6, -1);
	scsi(TO_CTRL, 4096, 0x3b, 5, 0, 0, 0, 0, 0, 0x0f, 2, 0);
	scsi_bad_cdb(6, -1);
	scsi(NO_DATA, 0, 0x3b, 5, 0, 0, 0, 0, 0, 0, 0, 0);
	scsi_bad_cdb(6, -1);
	scsi(TO_CTRL, 4096, 0x3b, 0x0f, 0, 0, 0, 0, 0, 0x10, 0, 0);
	scsi_bad_cdb(6, -1);
	assert_int_equal(downloads, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scsi_test(test_mode_sense_pages),
		scsi_test(test_mode_sense_without_a_cache_and_write_protected),
		scsi_test(test_mode_sense_that_is_refused),
		scsi_test(test_mode_select_switches_the_cache),
		scsi_test(test_mode_select_of_sense_format_and_cache_together),
		scsi_test(test_mode_select_lists_that_are_wrong),
		scsi_test(test_log_sense_pages),
		scsi_test(test_log_sense_that_is_refused),
		scsi_test(test_start_stop_unit_sets_power_states),
		scsi_test(test_start_stop_unit_of_one_power_state),
		scsi_test(test_format_unit),
		scsi_test(test_format_unit_that_is_refused),
		scsi_test(test_security_protocol),
		scsi_test(test_write_buffer_downloads_and_commits),
		scsi_test(test_write_buffer_in_parts),
		scsi_test(test_write_buffer_that_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
