// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces that are more than plain blocks, over the fake drive: metadata apart and within,
 * protection information, zones, LBA formats; and data that only SGLs can describe.
 */
#include "tests/unit/pcie_rig.h"

#include "host/sgl.h"

enum {
	PRACT = 1 << 29,
	PRCHK_GUARD = 1 << 28,
	PRCHK_REF = 1 << 26,
};

static struct nvmh_req req;
static struct iovec iov[5];

static int io(void)
{
	unsigned int done = 0;
	int ret;

	req.done = rig_done;
	req.arg = &done;
	ret = nvmh_queue_submit(&rig.ctrl->ioq[0], &req);
	if (ret)
		return ret;
	nvmh_queue_commit(&rig.ctrl->ioq[0]);
	rig_turn();
	assert_int_equal(done, 1);
	return req.status;
}

static void fill_arena(void)
{
	size_t i;

	for (i = 0; i < RIG_ARENA; i++)
		rig.arena[i] = (char)(i * 31 + i / 4096);
}

/* ---- SGLs ---- */

static void scatter(uint16_t nr, uint32_t len)
{
	memset(&req, 0, sizeof(req));
	nvmh_prep_rw(&req, nvme_cmd_write, 1, 0, len / 512, iov, nr, len);
}

static void test_scattered_data_goes_by_sgl_where_the_drive_takes_them(void **state)
{
	static const struct {
		uint32_t sgls;
		int odd;   /* at an odd address */
		int dword; /* at multiples of 4 */
	} table[] = {
		{ 0, -EINVAL, -EINVAL },      { 1, 0, 0 }, { 2, -EINVAL, 0 },
		{ 3, -EINVAL, -EINVAL }, /* reserved */
		{ 1 << 2, -EINVAL, -EINVAL },
	};
	size_t i;

	(void)state;
	fill_arena();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig.drive->id.sgls = htole32(table[i].sgls);
		rig_live(1, 16);
		iov[0] = (struct iovec){ rig.arena + 1, 1023 };
		iov[1] = (struct iovec){ rig.arena + 8192, 1 };
		iov[2] = (struct iovec){ NULL, 0 };
		iov[3] = (struct iovec){ rig.arena + 12345, 3072 };
		scatter(4, 4096);
		memset(rig.drive->ns[0].data, 0, 4096);
		assert_int_equal(io(), table[i].odd);
		if (!table[i].odd) {
			assert_memory_equal(rig.drive->ns[0].data, rig.arena + 1, 1023);
			assert_memory_equal(rig.drive->ns[0].data + 1023, rig.arena + 8192, 1);
			assert_memory_equal(rig.drive->ns[0].data + 1024, rig.arena + 12345, 3072);
		}
		iov[0] = (struct iovec){ rig.arena + 4, 1020 };
		iov[1] = (struct iovec){ rig.arena + 8192, 3076 };
		scatter(2, 4096);
		memset(rig.drive->ns[0].data, 0, 4096);
		assert_int_equal(io(), table[i].dword);
		if (!table[i].dword)
			assert_memory_equal(rig.drive->ns[0].data + 1020, rig.arena + 8192, 3076);
		assert_int_equal(atomic_load(&rig.drive->faults), 0);
		rig_close();
	}
}

static void test_prps_are_used_wherever_they_can(void **state)
{
	(void)state;
	rig.drive->id.sgls = htole32(1);
	rig_live(1, 16);
	iov[0] = (struct iovec){ rig.arena + 8, 4088 };
	iov[1] = (struct iovec){ rig.arena + 16384, 8 };
	scatter(2, 4096);
	assert_int_equal(io(), 0);
	assert_int_equal(atomic_load(&rig.drive->sgls), 0);
	iov[0] = (struct iovec){ rig.arena + 3, 4096 };
	scatter(1, 4096);
	assert_int_equal(io(), 0); /* one piece: no list */
	assert_int_equal(atomic_load(&rig.drive->sgls), 1);
	assert_int_equal(rig.drive->last_io.dptr.sgl.type, NVME_SGL_DATA_ADDR);
}

static void test_sgl_bounds(void **state)
{
	static char elsewhere[4096];
	struct iovec many[40];
	size_t i;

	(void)state;
	rig.drive->id.sgls = htole32(1);
	rig.drive->id.mdts = 1; /* lists of 64 bytes: 4 descriptors */
	rig_live(1, 16);
	iov[0] = (struct iovec){ elsewhere + 1, 4096 };
	scatter(1, 4096);
	assert_int_equal(io(), -EINVAL);
	iov[0] = (struct iovec){ rig.arena + RIG_ARENA - 4095, 4096 };
	scatter(1, 4096);
	assert_int_equal(io(), -EINVAL);
	iov[0] = (struct iovec){ rig.arena + 1, 4095 };
	scatter(1, 4096); /* less than the command's */
	assert_int_equal(io(), -EINVAL);
	iov[0] = (struct iovec){ rig.arena + 1, 8192 };
	scatter(1, 4096); /* more */
	assert_int_equal(io(), -EINVAL);
	for (i = 0; i < 40; i++)
		many[i] = (struct iovec){ rig.arena + 4096 * i + 1, 512 };
	memset(&req, 0, sizeof(req));
	nvmh_prep_rw(&req, nvme_cmd_write, 1, 0, 4, many, 4, 2048);
	assert_int_equal(io(), 0);
	nvmh_prep_rw(&req, nvme_cmd_write, 1, 0, 5, many, 5, 2560);
	assert_int_equal(io(), -EINVAL);
	assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 15);
}

/* Admin commands are for PRPs only. */
static void test_admin_commands_have_no_sgls(void **state)
{
	unsigned int done = 0;

	(void)state;
	rig.drive->id.sgls = htole32(1);
	rig_live(1, 16);
	memset(&req, 0, sizeof(req));
	req.sqe.opcode = nvme_admin_identify;
	req.sqe.cdw10 = le32_make(NVME_IDENTIFY_CNS_CTRL);
	iov[0] = (struct iovec){ rig.arena + 1, 4096 };
	req.iov = iov;
	req.nr_iov = 1;
	req.len = 4096;
	req.dir = NVMH_FROM_CTRL;
	req.done = rig_done;
	req.arg = &done;
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &req), -EINVAL);
}

/* ---- metadata ---- */

static void test_metadata_apart_comes_and_goes(void **state)
{
	const struct nvmh_ns *ns;
	size_t i;

	(void)state;
	fill_arena();
	fake_pcie_set_md(&rig.drive->ns[0], 8, false, 0);
	rig_live(1, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	assert_int_equal(ns->ms, 8);
	assert_false(ns->ext_lba);
	for (i = 0; i < 2; i++) {
		iov[0] = (struct iovec){ rig.arena + i * 65536, 8192 };
		memset(&req, 0, sizeof(req));
		nvmh_prep_rw(&req, i ? nvme_cmd_read : nvme_cmd_write, 1, 100, 16, iov, 1, 8192);
		assert_int_equal(nvmh_prep_md(&req, ns, rig.arena + i * 65536 + 20480 + 4, 128), 0);
		assert_int_equal(io(), 0);
	}
	assert_memory_equal(rig.drive->ns[0].data + 51200, rig.arena, 8192);
	assert_memory_equal(rig.drive->ns[0].md + 800, rig.arena + 20484, 128);
	assert_memory_equal(rig.arena + 65536, rig.arena, 8192);
	assert_memory_equal(rig.arena + 65536 + 20484, rig.arena + 20484, 128);
	/* the next command has none */
	nvmh_prep_rw(&req, nvme_cmd_read, 2, 0, 1, iov, 1, 4096);
	iov[0].iov_len = 4096;
	assert_int_equal(io(), 0);
	assert_int_equal(le64_get(rig.drive->last_io.mptr), 0);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_metadata_within_comes_and_goes(void **state)
{
	const struct nvmh_ns *ns;
	uint32_t len = 16 * (512 + 16);
	size_t i;

	(void)state;
	fill_arena();
	fake_pcie_set_md(&rig.drive->ns[0], 16, true, 0);
	rig_live(1, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	assert_true(ns->ext_lba);
	for (i = 0; i < 2; i++) {
		iov[0] = (struct iovec){ rig.arena + i * 65536, len };
		memset(&req, 0, sizeof(req));
		nvmh_prep_rw(&req, i ? nvme_cmd_read : nvme_cmd_write, 1, 9, 16, iov, 1, len);
		assert_int_equal(nvmh_prep_md(&req, ns, rig.arena, 16 * 16), -EINVAL);
		assert_int_equal(io(), 0);
	}
	assert_memory_equal(rig.arena + 65536, rig.arena, len);
	assert_memory_equal(rig.drive->ns[0].md + 10 * 16, rig.arena + 528 + 512, 16);
}

static void test_metadata_bounds(void **state)
{
	static char elsewhere[4096] __attribute__((aligned(4096)));
	const struct nvmh_ns *ns;
	char *bad[] = { elsewhere, NULL, NULL };
	size_t i;

	(void)state;
	fake_pcie_set_md(&rig.drive->ns[0], 8, false, 0);
	rig_live(1, 16);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	bad[1] = rig.arena + RIG_ARENA - 60; /* over the end */
	bad[2] = rig.arena + 2;		     /* not at a multiple of 4 */
	iov[0] = (struct iovec){ rig.arena, 4096 };
	memset(&req, 0, sizeof(req));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		nvmh_prep_rw(&req, nvme_cmd_read, 1, 0, 8, iov, 1, 4096);
		assert_int_equal(nvmh_prep_md(&req, ns, bad[i], 64), 0);
		assert_int_equal(io(), -EINVAL);
	}
	/* lengths other than the command's, or none to have */
	assert_int_equal(nvmh_prep_md(&req, ns, rig.arena, 63), -EINVAL);
	assert_int_equal(nvmh_prep_md(&req, ns, rig.arena, 72), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "72 bytes of metadata for 8 blocks"));
	assert_int_equal(nvmh_prep_md(&req, ns, rig.arena, 0), -EINVAL);
	assert_int_equal(nvmh_prep_md(&req, nvmh_ctrl_ns(rig.ctrl, 1), rig.arena, 64), -EINVAL);
	assert_int_equal(nvmh_queue_room(&rig.ctrl->ioq[0]), 15);
}

static int stripped(uint8_t opcode, uint64_t slba, uint32_t ref)
{
	iov[0] = (struct iovec){ rig.arena, 4096 };
	memset(&req, 0, sizeof(req));
	nvmh_prep_rw(&req, opcode, 1, slba, 8, iov, 1, 4096);
	req.sqe.cdw12 = le32_make(le32_get(req.sqe.cdw12) | PRACT | PRCHK_GUARD | PRCHK_REF);
	req.sqe.cdw14 = le32_make(ref);
	return io();
}

static void test_protection_information_is_the_drives_to_make_and_check(void **state)
{
	(void)state;
	fill_arena();
	fake_pcie_set_md(&rig.drive->ns[0], 8, false, 1);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->pi_type, 1);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->pi_size, 8);
	assert_int_equal(stripped(nvme_cmd_write, 200, 200), 0);
	assert_int_equal(rig.drive->ns[0].md[8 * 203 + 7], 203);
	memset(rig.arena, 0, 4096);
	assert_int_equal(stripped(nvme_cmd_read, 200, 200), 0);
	assert_memory_equal(rig.arena, rig.drive->ns[0].data + 200 * 512, 4096);
	assert_int_equal(stripped(nvme_cmd_read, 200, 201), ST_INVALID_PI);
	rig.drive->ns[0].data[202 * 512] ^= 1;
	assert_int_equal(stripped(nvme_cmd_read, 200, 200), 0x282);
}

/* ---- what Identify says of formats ---- */

static void test_formats_and_protection_types(void **state)
{
	static const struct {
		uint8_t lbads;
		uint16_t ms;
		uint8_t flbas;
		uint8_t dps;
		bool used;
		uint32_t lba_size;
		bool ext;
		uint8_t pi_type;
		uint8_t pi_size;
		bool pi_first;
	} table[] = {
		{ 0, 0, 0, 0, false, 0, false, 0, 0, false },
		{ 8, 0, 0, 0, false, 0, false, 0, 0, false },
		{ 9, 0, 0, 0, true, 512, false, 0, 0, false },
		{ 12, 0, 0x10, 0, true, 4096, false, 0, 0, false }, /* within, but there is none */
		{ 12, 8, 0x10, 1, true, 4096, true, 1, 8, false },
		{ 12, 8, 0, 2 | 8, true, 4096, false, 2, 8, true },
		{ 12, 64, 0, 3, true, 4096, false, 3, 8, false },
		{ 12, 4, 0, 1, true, 4096, false, 0, 0, false }, /* no room for it */
		{ 12, 0, 0, 1, true, 4096, false, 0, 0, false },
		{ 12, 8, 0, 4, true, 4096, false, 0, 0, false }, /* no such types */
		{ 12, 8, 0, 7, true, 4096, false, 0, 0, false },
		{ 16, 65535, 0x10, 1, true, 65536, true, 1, 8, false },
		{ 17, 0, 0, 0, false, 0, false, 0, 0, false },
		{ 31, 0, 0, 0, false, 0, false, 0, 0, false },
		{ 255, 0, 0, 0, false, 0, false, 0, 0, false },
	};
	struct nvme_id_ns *id = &rig.drive->ns[0].id;
	const struct nvmh_ns *ns;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		id->lbaf[0].ds = table[i].lbads;
		id->lbaf[0].ms = htole16(table[i].ms);
		id->flbas = table[i].flbas;
		id->dps = table[i].dps;
		rig_live(1, 0);
		ns = nvmh_ctrl_ns_by_nsid(rig.ctrl, 1);
		if (!!ns != table[i].used)
			fail_msg("row %zu", i);
		if (ns) {
			assert_int_equal(ns->lba_size, table[i].lba_size);
			assert_int_equal(ns->ms, table[i].ms);
			assert_int_equal(ns->ext_lba, table[i].ext);
			assert_int_equal(ns->pi_type, table[i].pi_type);
			assert_int_equal(ns->pi_size, table[i].pi_size);
			assert_int_equal(ns->pi_type && ns->pi_first, table[i].pi_first);
		}
		rig_close();
	}
}

static void test_long_protection_information_is_recognised(void **state)
{
	struct nvme_nvm_id_ns *nvm = (struct nvme_nvm_id_ns *)rig.drive->ns[0].csi_id;
	struct nvme_id_ns *id = &rig.drive->ns[0].id;

	(void)state;
	id->nlbaf = 17;
	id->flbas = 1 << 5 | 1; /* format 17 */
	id->lbaf[17].ds = 12;
	id->lbaf[17].ms = htole16(16);
	id->dps = 1;
	nvm->elbaf[17] = htole32(2 << 7 | 16);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->pi_size,
			 8); /* it does not say that there are */
	rig_close();
	rig.drive->id.ctratt = htole32(NVME_CTRL_CTRATT_ELBAS);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->pi_size, 16);
	rig_close();
	id->lbaf[17].ms = htole16(8);
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 1); /* longer than the metadata: left out */
}

/* ---- zones ---- */

static void zoned(uint64_t zsze, uint32_t mor, uint32_t mar)
{
	struct nvme_zns_id_ns *id = (struct nvme_zns_id_ns *)rig.drive->ns[0].csi_id;
	uint8_t *desc = rig.drive->ns[0].desc;

	memset(desc, 0, 4096);
	desc[0] = NVME_NIDT_CSI;
	desc[1] = 1;
	desc[4] = NVME_CSI_ZNS;
	id->lbafe[0].zsze = htole64(zsze);
	id->mor = htole32(mor);
	id->mar = htole32(mar);
}

static void test_zones_are_presented(void **state)
{
	const struct nvmh_ns *ns;

	(void)state;
	zoned(256, 3, UINT32_MAX);
	rig.drive->zasl = 5;
	rig_live(1, 0);
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	assert_int_equal(ns->csi, NVME_CSI_ZNS);
	assert_int_equal(ns->zsze, 256);
	assert_int_equal(ns->zone_max_open, 4);
	assert_int_equal(ns->zone_max_active, 0);
	assert_int_equal(ns->zone_max_append, 128 << 10);
	ns = nvmh_ctrl_ns(rig.ctrl, 1);
	assert_int_equal(ns->zsze, 0);
	assert_int_equal(ns->zone_max_append, 0);
}

static void test_zones_that_make_no_sense_are_left_out(void **state)
{
	static const uint64_t zsze[] = { 0, 4097, UINT64_MAX };
	static const uint8_t zasl[] = { 0, 7, 19, 20, 255 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(zsze); i++) {
		zoned(zsze[i], 0, 0);
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 1);
		rig_close();
	}
	zoned(4096, 0, 0);
	for (i = 0; i < ARRAY_SIZE(zasl); i++) {
		rig.drive->zasl = zasl[i];
		rig_live(1, 0);
		assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->zone_max_append, 512 << 10);
		rig_close();
	}
}

static void test_zone_commands_are_encoded(void **state)
{
	(void)state;
	iov[0] = (struct iovec){ rig.arena, 4096 };
	nvmh_prep_zone_append(&req, 3, 0x1122334455, 8, iov, 1, 4096);
	assert_int_equal(req.sqe.opcode, 0x7d);
	assert_int_equal(le32_get(req.sqe.cdw10), 0x22334455);
	assert_int_equal(le32_get(req.sqe.cdw11), 0x11);
	assert_int_equal(le32_get(req.sqe.cdw12), 7);
	assert_int_equal(req.dir, NVMH_TO_CTRL);
	nvmh_prep_zone_report(&req, 3, 0x1122334455, iov, 1, 4096);
	assert_int_equal(req.sqe.opcode, 0x7a);
	assert_int_equal(le32_get(req.sqe.cdw12), 1023);    /* dwords, 0's based */
	assert_int_equal(le32_get(req.sqe.cdw13), 1 << 16); /* report zones, all, partial */
	assert_int_equal(req.dir, NVMH_FROM_CTRL);
	nvmh_prep_zone_send(&req, 3, 0x1122334455, NVME_ZNS_ZSA_RESET, false);
	assert_int_equal(req.sqe.opcode, 0x79);
	assert_int_equal(le32_get(req.sqe.cdw12), 0);
	assert_int_equal(le32_get(req.sqe.cdw13), 4);
	assert_int_equal(req.dir, NVMH_NO_DATA);
	assert_int_equal(req.len, 0);
	nvmh_prep_zone_send(&req, 3, 0, NVME_ZNS_ZSA_RESET, true);
	assert_int_equal(le32_get(req.sqe.cdw13), 1 << 8 | 4);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_scattered_data_goes_by_sgl_where_the_drive_takes_them),
		rigged(test_prps_are_used_wherever_they_can),
		rigged(test_sgl_bounds),
		rigged(test_admin_commands_have_no_sgls),
		rigged(test_metadata_apart_comes_and_goes),
		rigged(test_metadata_within_comes_and_goes),
		rigged(test_metadata_bounds),
		rigged(test_protection_information_is_the_drives_to_make_and_check),
		rigged(test_formats_and_protection_types),
		rigged(test_long_protection_information_is_recognised),
		rigged(test_zones_are_presented),
		rigged(test_zones_that_make_no_sense_are_left_out),
		rigged(test_zone_commands_are_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
