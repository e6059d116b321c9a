// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SCSI translation: what a logical unit is, how wrong CDBs are refused, what NVMe statuses
 * become. Over the fake drive.
 */
#include "tests/unit/scsi_rig.h"

static const uint8_t eui64[8] = { 0x00, 0x25, 0x38, 0x11, 0x22, 0x33, 0x44, 0x55 };

/* ---- INQUIRY ---- */

static void test_inquiry_tells_model_and_firmware(void **state)
{
	(void)state;
	scsi_live();
	scsi(FROM_CTRL, 96, 0x12, 0, 0, 0, 96, 0);
	scsi_good(36);
	scsi_data_is("000006021f000002");
	assert_memory_equal(scsi_data + 8, "NVMe    Model of a fake 1.23", 28);
	/* the allocation length, and the memory, cut */
	scsi(FROM_CTRL, 96, 0x12, 0, 0, 0, 5, 0);
	scsi_good(5);
	assert_int_equal(scsi_data[5], 0xee);
	scsi(FROM_CTRL, 8, 0x12, 0, 0, 0, 96, 0);
	scsi_good(8);
	scsi(NO_DATA, 0, 0x12, 0, 0, 0, 0, 0);
	scsi_good(0);
}

static void test_inquiry_pages(void **state)
{
	struct nvme_id_ns *id = &rig.drive->ns[0].id;

	(void)state;
	id->dlfeat = 1;
	id->nsfeat = 1 << 4;
	id->npwg = htole16(7);
	id->npdg = htole16(15);
	rig.drive->id.mdts = 5;
	rig.drive->id.vwc = 1;
	scsi_live();
	scsi(FROM_CTRL, 64, 0x12, 1, 0, 0, 64, 0);
	scsi_good(11);
	scsi_data_is("0000000700808386b0b1b2");
	scsi(FROM_CTRL, 64, 0x12, 1, 0x86, 0, 64, 0);
	scsi_good(64);
	scsi_data_is("0086003c80210100");
	scsi(FROM_CTRL, 64, 0x12, 1, 0xb0, 0, 64, 0);
	scsi_good(64);
	scsi_data_is("00b0003c01000008"
		     "00000000"
		     "00000100"
		     "00000000"
		     "ffffffff"
		     "00000100"
		     "00000010"
		     "00000000"
		     "0000000000400000");
	scsi(FROM_CTRL, 64, 0x12, 1, 0xb1, 0, 64, 0);
	scsi_good(64);
	scsi_data_is("00b1003c0001000000");
	scsi(FROM_CTRL, 64, 0x12, 1, 0xb2, 0, 64, 0);
	scsi_good(8);
	scsi_data_is("00b2000400e40100");
	scsi(FROM_CTRL, 64, 0x12, 1, 0xb3, 0, 64, 0);
	scsi_bad_cdb(2, -1);
	scsi(FROM_CTRL, 64, 0x12, 0, 0x80, 0, 64, 0); /* a page, but no EVPD */
	scsi_bad_cdb(2, -1);
}

static void test_inquiry_identity(void **state)
{
	(void)state;
	memset(rig.drive->ns[0].desc, 0, 64);
	scsi_live();
	/* without identifiers: serial number, vendor, model, namespace */
	scsi(FROM_CTRL, 128, 0x12, 1, 0x80, 0, 128, 0);
	scsi_good(4 + 30);
	assert_memory_equal(scsi_data + 4, "SERIAL-01           _00000001.", 30);
	scsi(FROM_CTRL, 128, 0x12, 1, 0x83, 0, 128, 0);
	scsi_good(4 + 4 + 72);
	scsi_data_is("0083004c03080048");
	assert_memory_equal(scsi_data + 8,
			    "1234Model of a fake drive                   0001SERIAL-01           ",
			    69);
	scsi_teardown(NULL);
	scsi_setup(NULL);
	memset(rig.drive->ns[0].desc, 0, 64);
	memcpy(rig.drive->ns[0].id.eui64, eui64, 8);
	scsi_live();
	scsi(FROM_CTRL, 128, 0x12, 1, 0x80, 0, 128, 0);
	scsi_good(4 + 20);
	assert_memory_equal(scsi_data + 4, "0025_3811_2233_4455.", 20);
	scsi(FROM_CTRL, 128, 0x12, 1, 0x83, 0, 128, 0);
	scsi_data_is("0083002801020008"
		     "0025381122334455"
		     "03080018");
	assert_memory_equal(scsi_data + 20, "eui.0025381122334455\0\0\0\0", 24);
	scsi_good(44);
}

static void test_text_of_a_hostile_drive_is_printable(void **state)
{
	(void)state;
	memset(rig.drive->id.mn, 0x07, sizeof(rig.drive->id.mn));
	memset(rig.drive->id.fr, 0xff, sizeof(rig.drive->id.fr));
	memset(rig.drive->id.sn, 0, sizeof(rig.drive->id.sn));
	memset(rig.drive->ns[0].desc, 0, 64);
	scsi_live();
	scsi(FROM_CTRL, 36, 0x12, 0, 0, 0, 36, 0);
	assert_memory_equal(scsi_data + 16, "                    ", 20);
	scsi(FROM_CTRL, 128, 0x12, 1, 0x80, 0, 128, 0);
	scsi_good(34);
	assert_memory_equal(scsi_data + 4, "                    _00000001.", 30);
}

/* ---- REPORT LUNS, READ CAPACITY ---- */

static void test_report_luns_lists_namespaces(void **state)
{
	(void)state;
	fake_pcie_add_ns(rig.drive, 300, 9, 8);
	fake_pcie_add_ns(rig.drive, 20000, 9, 8);
	scsi_live();
	scsi(FROM_CTRL, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_good(40);
	scsi_data_is("0000002000000000"
		     "0000000000000000"
		     "0001000000000000"
		     "412b000000000000"
		     "d2004e1f00000000");
	scsi(FROM_CTRL, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0);
	scsi_good(20);
	scsi_data_is("00000020000000000000000000000000"
		     "00010000ee");
	scsi(FROM_CTRL, 64, 0xa0, 0, 1, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_good(8);
	scsi_data_is("0000000000000000");
	scsi(FROM_CTRL, 64, 0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_bad_cdb(2, -1);
	scsi(FROM_CTRL, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0);
	scsi_bad_cdb(6, -1);
	/* a drive without the list */
	rig.drive->on_admin = rig_no_active_list;
	scsi(FROM_CTRL, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_good(16);
	scsi_data_is("00000008000000000000000000000000");
}

static void endless_list(struct fake_pcie *f, const struct nvme_sqe *sqe, void *page)
{
	uint32_t *list = page;

	(void)f;
	if ((le32_get(sqe->cdw10) & 0xff) != NVME_IDENTIFY_CNS_NS_ACTIVE_LIST)
		return;
	for (uint32_t i = 0; i < 1024; i++)
		list[i] = htole32(le32_get(sqe->nsid) + 1 + i);
}

static void test_report_luns_of_a_list_without_end_ends(void **state)
{
	(void)state;
	scsi_live();
	rig.drive->on_data = endless_list;
	scsi(FROM_CTRL, 16384, 0xa0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0);
	scsi_good(8 + 8 * MAX_DRIVE_NS);
}

static void test_read_capacity(void **state)
{
	(void)state;
	rig.drive->ns[0].id.dlfeat = 1;
	scsi_live();
	scsi(FROM_CTRL, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	scsi_good(8);
	scsi_data_is("00000fff00000200");
	scsi(FROM_CTRL, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	scsi_good(32);
	scsi_data_is("0000000000000fff0000020000"
		     "00c000"
		     "0000");
	scsi(FROM_CTRL, 8, 0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0);
	scsi_bad_cdb(5, 0);
}

static void test_capacity_with_protection(void **state)
{
	(void)state;
	fake_pcie_set_md(&rig.drive->ns[0], 8, false, 3);
	scsi_live();
	scsi(FROM_CTRL, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0);
	scsi_good(13);
	scsi_data_is("0000000000000fff0000020005ee");
	scsi(FROM_CTRL, 36, 0x12, 0, 0, 0, 36, 0);
	assert_int_equal(scsi_data[5], 1);
}

/* ---- what is refused ---- */

static void test_unknown_commands(void **state)
{
	(void)state;
	scsi_live();
	scsi(NO_DATA, 0, 0x1d, 0, 0, 0, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	scsi(TO_CTRL, 512, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
	     0); /* COMPARE AND WRITE */
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	scsi(FROM_CTRL, 32, 0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	scsi_bad_cdb(1, 4);
	assert_int_equal(rig.drive->nr_ops, 0);
}

/* A drive without a command says so, and REPORT SUPPORTED OPERATION CODES does not name it. */
static void test_optional_commands_that_the_drive_has_not(void **state)
{
	(void)state;
	rig.drive->id.oncs = 0;
	rig.drive->id.oacs = 0;
	scsi_live();
	scsi(TO_CTRL, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	scsi(NO_DATA, 0, 0x04, 0, 0, 0, 0, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	scsi(FROM_CTRL, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0, 8, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_good(4);
	scsi_data_is("00010000");
}

/* Each bit of each CDB that is not in the table is refused, and pointed at. */
static void test_every_reserved_bit_is_refused(void **state)
{
	unsigned int tried = 0;

	(void)state;
	scsi_live();
	for (unsigned int i = 0; i < nvmh_scsi_nr_ops; i++) {
		const struct nvmh_scsi_op *op = &nvmh_scsi_ops[i];

		for (unsigned int bit = 8; bit < 8u * op->len; bit++) {
			uint8_t cdb[16] = { op->opcode };

			if (op->sa != SCSI_NO_SA)
				cdb[1] = op->sa;
			if (op->usage[bit / 8] >> bit % 8 & 1)
				continue;
			cdb[bit / 8] |= (uint8_t)(1u << bit % 8);
			scsi_run(NVMH_NO_DATA, 0, cdb, op->len);
			scsi_bad_cdb(bit / 8, (int)(bit % 8));
			tried++;
		}
	}
	assert_in_range(tried, 500, 10000);
	assert_int_equal(rig.drive->nr_ops, 0);
}

static int begin(uint8_t cdb_len, enum nvmh_dir dir, void *data, uint32_t len)
{
	sc.cdb_len = cdb_len;
	sc.dir = (uint8_t)dir;
	sc.data = data;
	sc.data_len = len;
	return nvmh_scsi_begin(&sc, rig.ctrl, 1);
}

static void test_calls_that_make_no_sense(void **state)
{
	(void)state;
	rig_live(1, 0);
	sc.cdb[0] = 0x28;
	sc.scratch = rig.arena + SCSI_SCRATCH_AT;
	assert_int_equal(begin(10, NVMH_FROM_CTRL, rig.arena, 512), 0);
	assert_int_equal(begin(6, NVMH_FROM_CTRL, rig.arena, 512), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "10 bytes, not 6"));
	assert_int_equal(begin(0, NVMH_FROM_CTRL, rig.arena, 512), -EINVAL);
	assert_int_equal(begin(17, NVMH_FROM_CTRL, rig.arena, 512), -EINVAL);
	assert_int_equal(begin(10, NVMH_TO_CTRL, rig.arena, 512), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "READ(10) reads"));
	assert_int_equal(begin(10, NVMH_FROM_CTRL, rig.arena + 2, 512), -EINVAL);
	assert_int_equal(begin(10, NVMH_FROM_CTRL, NULL, 512), -EINVAL);
	assert_int_equal(begin(10, NVMH_NO_DATA, rig.arena, 512), -EINVAL);
	assert_int_equal(begin(10, NVMH_FROM_CTRL, rig.arena, 0), -EINVAL);
	sc.scratch = NULL;
	assert_int_equal(begin(10, NVMH_FROM_CTRL, rig.arena, 512), -EINVAL);
	rig_start();
	assert_int_equal(nvmh_scsi(rig.ctrl, NULL, 1, &sc), 0); /* no blocks */
	sc.cdb[8] = 1;
	assert_int_equal(begin(10, NVMH_FROM_CTRL, rig.arena, 512), 0);
	assert_int_equal(nvmh_scsi(rig.ctrl, NULL, 1, &sc), -ENOTCONN);
}

static void test_a_namespace_that_is_not_there(void **state)
{
	(void)state;
	rig_live(1, 0);
	rig_start();
	sc = (struct nvmh_scsi_cmd){ .cdb = { 0x12, 0, 0, 0, 36 }, .cdb_len = 6 };
	sc.dir = NVMH_FROM_CTRL;
	sc.data = rig.arena;
	sc.data_len = 36;
	assert_int_equal(nvmh_scsi(rig.ctrl, NULL, 77, &sc), 0);
	assert_int_equal(scsi_data[0], 0x7f);
	sc.cdb[0] = 0x03;
	assert_int_equal(nvmh_scsi(rig.ctrl, NULL, 77, &sc), 0);
	scsi_data_is("70000500000000"
		     "0a"
		     "00000000"
		     "2500");
	sc.cdb[0] = 0x00;
	sc.cdb[4] = 0;
	assert_int_equal(nvmh_scsi(rig.ctrl, NULL, 77, &sc), 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_NO_LU);
}

static void test_zoned_namespaces_are_refused(void **state)
{
	uint8_t *desc = rig.drive->ns[0].desc;

	(void)state;
	desc[20] = NVME_NIDT_CSI;
	desc[21] = 1;
	desc[24] = NVME_CSI_ZNS;
	((struct nvme_zns_id_ns *)rig.drive->ns[0].csi_id)->lbafe[0].zsze = htole64(64);
	rig_live(1, 0);
	sc.scratch = rig.arena;
	assert_int_equal(begin(6, NVMH_NO_DATA, NULL, 0), -ENOTSUP);
}

/* ---- sense ---- */

static uint16_t answer; /* of the next I/O command */

static uint16_t give_answer(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	(void)sqe;
	return answer;
}

static void test_nvme_statuses(void **state)
{
	static const struct {
		uint16_t nvme;
		uint8_t status, key;
		uint16_t asc;
	} table[] = {
		{ ST_INVALID_FIELD, 2, 5, 0x2400 },
		{ ST_INTERNAL | ST_DNR, 2, 4, 0x4400 },
		{ ST_POWER_LOSS, 0x40, 0, 0 },
		{ ST_ABORT_REQ, 0x40, 0, 0 },
		{ ST_INVALID_NS, 2, 5, 0x2009 },
		{ ST_NS_WRITE_PROTECTED, 2, 7, 0x2700 },
		{ ST_CMD_INTERRUPTED, 8, 0, 0 },
		{ ST_LBA_RANGE, 2, 5, 0x2100 },
		{ ST_CAP_EXCEEDED, 2, 7, 0x2707 },
		{ ST_NS_NOT_READY, 2, 2, 0x0400 },
		{ ST_RESERVATION_CONFLICT | ST_DNR, 0x18, 0, 0 },
		{ 0x084, 2, 2, 0x0404 },
		{ ST_INVALID_PI, 2, 5, 0x2400 },
		{ ST_WRITE_FAULT, 2, 3, 0x0300 },
		{ ST_READ_ERROR | ST_MORE, 2, 3, 0x1100 },
		{ 0x282, 2, 0xb, 0x1001 },
		{ 0x283, 2, 0xb, 0x1002 },
		{ 0x284, 2, 0xb, 0x1003 },
		{ ST_COMPARE_FAILED, 2, 0xe, 0x1d00 },
		{ ST_ACCESS_DENIED, 2, 7, 0x2002 },
		{ ST_ANA_INACCESSIBLE, 2, 2, 0x040c },
		{ ST_ANA_TRANSITION, 2, 2, 0x040a },
		/* without an entry of their own */
		{ 0x07f, 2, 0xb, 0x0000 },
		{ 0x1c0, 2, 5, 0x0000 },
		{ 0x2ff, 2, 3, 0x0000 },
		{ 0x3ff, 2, 2, 0x0400 },
		{ 0x7ff, 2, 0xb, 0x0000 },
	};

	(void)state;
	scsi_live();
	rig.drive->on_io = give_answer;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		answer = table[i].nvme;
		scsi(FROM_CTRL, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
		assert_int_equal(sc.status, table[i].status);
		assert_int_equal(sc.nvme_status, table[i].nvme);
		assert_int_equal(sc.resid, 512);
		if (sc.status == NVMH_SCSI_CHECK_CONDITION)
			scsi_sense_is(table[i].key, table[i].asc);
	}
}

static void test_descriptor_sense(void **state)
{
	static const uint8_t want[] = { 0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xcf, 0, 1, 0 };

	(void)state;
	scsi_live();
	sc.desc_sense = true;
	scsi(NO_DATA, 0, 0x00, 0x80, 0, 0, 0, 0);
	assert_int_equal(sc.sense_len, sizeof(want));
	assert_memory_equal(sc.sense, want, sizeof(want));
	scsi(NO_DATA, 0, 0x1d, 0, 0, 0, 0, 0);
	assert_int_equal(sc.sense_len, 8);
	assert_memory_equal(sc.sense, "\x72\x05\x20\x00\x00\x00\x00\x00", 8);
}

static void test_request_sense_and_test_unit_ready(void **state)
{
	(void)state;
	rig.drive->id.npss = 2;
	scsi_live();
	scsi(NO_DATA, 0, 0x00, 0, 0, 0, 0, 0);
	scsi_good(0);
	scsi(FROM_CTRL, 32, 0x03, 0, 0, 0, 32, 0);
	scsi_good(18);
	scsi_data_is("700000000000000a000000000000");
	rig.drive->features[NVME_FEAT_FID_POWER_MGMT] = 2;
	scsi(FROM_CTRL, 32, 0x03, 1, 0, 0, 32, 0);
	scsi_good(8);
	scsi_data_is("72005e0000000000ee");
}

/* ---- REPORT SUPPORTED OPERATION CODES ---- */

static void test_report_supported_operation_codes(void **state)
{
	uint32_t len;

	(void)state;
	scsi_live();
	scsi(FROM_CTRL, 1024, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0);
	len = scsi_get32(scsi_data);
	assert_int_equal(len, 8 * nvmh_scsi_nr_ops);
	scsi_good(4 + len);
	scsi_data_is("0000");
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 1, 0x28, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_good(14);
	scsi_data_is("0003000a28f8ffffffff00ffff00ee");
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 2, 0x9e, 0, 0x10, 0, 0, 0, 64, 0, 0);
	scsi_good(20);
	scsi_data_is("000300109e100000");
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 3, 0x9e, 0, 0x12, 0, 0, 0, 64, 0, 0);
	scsi_good(4);
	scsi_data_is("0001");
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 1, 0x9e, 0, 0, 0, 0, 0, 64, 0, 0); /* has service actions */
	scsi_bad_cdb(2, 2);
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 2, 0x28, 0, 0, 0, 0, 0, 64, 0, 0); /* has none */
	scsi_bad_cdb(2, 2);
	scsi(FROM_CTRL, 64, 0xa3, 0x0c, 4, 0x28, 0, 0, 0, 0, 0, 64, 0, 0);
	scsi_bad_cdb(2, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scsi_test(test_inquiry_tells_model_and_firmware),
		scsi_test(test_inquiry_pages),
		scsi_test(test_inquiry_identity),
		scsi_test(test_text_of_a_hostile_drive_is_printable),
		scsi_test(test_report_luns_lists_namespaces),
		scsi_test(test_report_luns_of_a_list_without_end_ends),
		scsi_test(test_read_capacity),
		scsi_test(test_capacity_with_protection),
		scsi_test(test_unknown_commands),
		scsi_test(test_optional_commands_that_the_drive_has_not),
		scsi_test(test_every_reserved_bit_is_refused),
		scsi_test(test_calls_that_make_no_sense),
		scsi_test(test_a_namespace_that_is_not_there),
		scsi_test(test_zoned_namespaces_are_refused),
		scsi_test(test_nvme_statuses),
		scsi_test(test_descriptor_sense),
		scsi_test(test_request_sense_and_test_unit_ready),
		scsi_test(test_report_supported_operation_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
