// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SCSI translation: persistent reservations. Over the fake drive.
 */
#include "tests/unit/scsi_rig.h"

static uint32_t dw(le32_t x)
{
	return le32_get(x);
}

/* @nr registrants; the second holds a Write Exclusive, Registrants Only reservation. */
static void set_report(uint16_t nr)
{
	struct nvme_resv_status *st = (struct nvme_resv_status *)rig.drive->report;

	memset(rig.drive->report, 0, sizeof(rig.drive->report));
	st->gen = htole32(0x11223344);
	st->rtype = 3;
	st->regctl[0] = (uint8_t)nr;
	st->regctl[1] = (uint8_t)(nr >> 8);
	st->ptpls = 1;
	for (uint16_t i = 0; i < nr && i < 169; i++) {
		st->regctl_ds[i].cntlid = htole16(i + 1);
		st->regctl_ds[i].rcsts = i == 1;
		st->regctl_ds[i].hostid = htole64(0xa0 + i);
		st->regctl_ds[i].rkey = htole64(UINT64_C(0x0102030405060700) + i);
	}
}

static void test_persistent_reserve_in(void **state)
{
	(void)state;
	rig.drive->ns[0].id.rescap = 0x7f;
	scsi_live();
	set_report(2);
	scsi(FROM_CTRL, 64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(24);
	scsi_data_is("1122334400000010"
		     "0102030405060700"
		     "0102030405060701");
	scsi(FROM_CTRL, 64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 12, 0);
	scsi_good(12);
	scsi(FROM_CTRL, 64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(24);
	scsi_data_is("1122334400000010"
		     "0102030405060701"
		     "0000000000050000");
	scsi(FROM_CTRL, 64, 0x5e, 2, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(8);
	scsi_data_is("00080581ea010000");
	scsi(FROM_CTRL, 200, 0x5e, 3, 0, 0, 0, 0, 0, 0, 200, 0);
	scsi_good(8 + 2 * 48);
	scsi_data_is("1122334400000060"
		     "0102030405060700"
		     "00000000"
		     "00000000"
		     "00000001"
		     "00000018"
		     "0f00000000000000"
		     "a000000000000000");
	assert_int_equal(scsi_data[8 + 48 + 12], 1);
	assert_int_equal(scsi_data[8 + 48 + 13], 5);
	/* nobody */
	set_report(0);
	((struct nvme_resv_status *)rig.drive->report)->rtype = 0;
	scsi(FROM_CTRL, 64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(8);
	scsi_data_is("1122334400000000");
	scsi(FROM_CTRL, 64, 0x5e, 4, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_bad_cdb(1, 4);
}

static void test_persistent_reserve_in_of_a_hostile_drive(void **state)
{
	(void)state;
	rig.drive->id.ctratt = htole32(NVME_CTRL_CTRATT_128_ID);
	scsi_live();
	set_report(0xffff);
	((struct nvme_resv_status *)rig.drive->report)->rtype = 200;
	scsi(FROM_CTRL, 65535, 0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0);
	scsi_good(8 + 63 * 8);
	scsi(FROM_CTRL, 65535, 0x5e, 3, 0, 0, 0, 0, 0, 0xff, 0xff, 0);
	scsi_good(8 + 63 * 48);
	scsi(FROM_CTRL, 64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0);
	scsi_good(8);
}

static void put_keys(uint64_t key, uint64_t sa_key, uint8_t flags)
{
	memset(scsi_data, 0, 24);
	scsi_put64(scsi_data, key);
	scsi_put64(scsi_data + 8, sa_key);
	scsi_data[20] = flags;
}

static void test_persistent_reserve_out(void **state)
{
	static const struct {
		uint8_t sa, type;
		uint64_t key, sa_key;
		uint8_t flags, opcode;
		uint32_t cdw10;
		uint64_t keys[2];
	} table[] = {
		{ 0, 0, 0, 5, 1, nvme_cmd_resv_register, 0xc0000000, { 0, 5 } },
		{ 0, 0, 5, 6, 4, nvme_cmd_resv_register, 0x80000002, { 5, 6 } },
		{ 0, 0, 6, 0, 0, nvme_cmd_resv_register, 0x80000001, { 6, 0 } },
		{ 6, 0, 9, 7, 0, nvme_cmd_resv_register, 0x8000000a, { 0, 7 } },
		{ 6, 0, 9, 0, 0, nvme_cmd_resv_register, 0x80000009, { 0, 0 } },
		{ 1, 1, 7, 1, 0, nvme_cmd_resv_acquire, 0x100, { 7, 0 } },
		{ 1, 3, 7, 1, 0, nvme_cmd_resv_acquire, 0x200, { 7, 0 } },
		{ 1, 5, 7, 1, 0, nvme_cmd_resv_acquire, 0x300, { 7, 0 } },
		{ 2, 6, 7, 1, 0, nvme_cmd_resv_release, 0x400, { 7, 0 } },
		{ 3, 0, 7, 1, 0, nvme_cmd_resv_release, 0x001, { 7, 0 } },
		{ 4, 7, 7, 8, 0, nvme_cmd_resv_acquire, 0x501, { 7, 8 } },
		{ 5, 8, 7, 8, 0, nvme_cmd_resv_acquire, 0x602, { 7, 8 } },
	};
	uint8_t cdb[10] = { 0x5f, [8] = 24 };

	(void)state;
	rig.drive->ns[0].id.rescap = 0x7f;
	scsi_live();
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		put_keys(table[i].key, table[i].sa_key, table[i].flags);
		cdb[1] = table[i].sa;
		cdb[2] = table[i].type;
		scsi_run(NVMH_TO_CTRL, 24, cdb, 10);
		scsi_good(24);
		assert_int_equal(rig.drive->nr_ops, 1);
		assert_int_equal(rig.drive->ops[0].opcode, table[i].opcode);
		assert_int_equal(dw(rig.drive->ops[0].cdw10), table[i].cdw10);
		assert_int_equal(le64toh(rig.drive->keys[0]), table[i].keys[0]);
		assert_int_equal(le64toh(rig.drive->keys[1]), table[i].keys[1]);
	}
}

static uint16_t conflict_on_replace(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return (le32_get(sqe->cdw10) & 7) == 2 ? ST_RESERVATION_CONFLICT : 0;
}

static void test_register_and_ignore_of_a_host_without_key_registers(void **state)
{
	(void)state;
	scsi_live();
	rig.drive->on_io = conflict_on_replace;
	put_keys(0, 7, 0);
	scsi(TO_CTRL, 24, 0x5f, 6, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_good(24);
	assert_int_equal(rig.drive->nr_ops, 2);
	assert_int_equal(dw(rig.drive->ops[1].cdw10), 8);
	put_keys(5, 7, 0); /* but REGISTER does not */
	scsi(TO_CTRL, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	assert_int_equal(sc.status, NVMH_SCSI_RESERVATION_CONFLICT);
}

static void test_persistent_reserve_out_that_is_refused(void **state)
{
	(void)state;
	scsi_live();
	put_keys(1, 2, 0);
	scsi(TO_CTRL, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 20, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 20, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	scsi(TO_CTRL, 24, 0x5f, 1, 0x11, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_cdb(2, 7);
	scsi(TO_CTRL, 24, 0x5f, 1, 2, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_cdb(2, 3);
	scsi(TO_CTRL, 24, 0x5f, 1, 9, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_cdb(2, 3);
	scsi(TO_CTRL, 24, 0x5f, 7, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_cdb(1, 4);
	put_keys(1, 2, 8); /* SPEC_I_PT */
	scsi(TO_CTRL, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_param(20, -1);
	put_keys(1, 2, 1); /* APTPL, which it cannot */
	scsi(TO_CTRL, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	scsi_bad_param(20, 0);
	assert_int_equal(rig.drive->nr_ops, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scsi_test(test_persistent_reserve_in),
		scsi_test(test_persistent_reserve_in_of_a_hostile_drive),
		scsi_test(test_persistent_reserve_out),
		scsi_test(test_register_and_ignore_of_a_host_without_key_registers),
		scsi_test(test_persistent_reserve_out_that_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
