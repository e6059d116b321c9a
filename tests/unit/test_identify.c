// SPDX-License-Identifier: BSD-2-Clause
/*
 * Identify: what hosts rely on in each structure, and every wrong way to ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "tests/fake/fake_sq.h"

static struct fake_sq *admin;
static uint8_t data[4096];

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LVL_ERROR);
	fake_nvmet_start(fake_json);
	admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_sq_free(admin);
	fake_nvmet_stop();
	return 0;
}

static uint16_t identify_dw(uint8_t cns, uint16_t cntid, uint8_t csi, uint32_t nsid)
{
	const uint32_t dw[6] = { cns | (uint32_t)cntid << 16, (uint32_t)csi << 24 };

	memset(data, 0xee, sizeof(data));
	return fake_admin(admin, nvme_admin_identify, nsid, dw, data, sizeof(data));
}

static uint16_t identify(uint8_t cns, uint32_t nsid)
{
	return identify_dw(cns, 0, 0, nsid);
}

static void assert_all_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			fail_msg("byte %zu is %02x", i, bytes[i]);
}

/* ---- controller ---- */

static void test_identify_controller_says_who_it_is(void **state)
{
	const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)data;

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
	assert_memory_equal(id->sn, "SN-A                ", 20);
	assert_memory_equal(id->mn, "Model A                                 ", 40);
	assert_memory_equal(id->fr, "1.2.3   ", 8);
	assert_memory_equal(id->ieee, "\xb8\xa0\x00", 3);
	assert_int_equal(le16toh(id->vid), 0x1af4);
	assert_int_equal(le16toh(id->ssvid), 0x1af5);
	assert_string_equal(id->subnqn, FAKE_SUBSYS);
	assert_int_equal(le16toh(id->cntlid), admin->sq.ctrl->cntlid);
	assert_int_equal(le32toh(id->ver), admin->sq.ctrl->vs);
	assert_int_equal(id->cntrltype, NVME_CTRL_CNTRLTYPE_IO);
}

/* What Linux checks before it takes a controller; see the traps of the protocol. */
static void test_identify_controller_is_what_hosts_take(void **state)
{
	const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)data;

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
	assert_int_equal(le16toh(id->kas), 10);
	assert_int_equal(le32toh(id->ioccsz), (64 + 16384) / 16);
	assert_int_equal(le32toh(id->iorcsz), 1);
	assert_int_equal(id->icdoff, 0);
	assert_int_equal(le16toh(id->maxcmd), 128);
	assert_int_equal(le32toh(id->sgls) & 3, 1);
	assert_true(le32toh(id->sgls) & NVME_CTRL_SGLS_OFFSET);
	assert_int_equal(id->cmic, NVME_CTRL_CMIC_MULTI_PORT | NVME_CTRL_CMIC_MULTI_CTRL);
	assert_int_equal(id->mdts, 6); /* 256 KiB */
	assert_int_equal(admin->sq.ctrl->max_xfer, 256 << 10);
	assert_int_equal(id->sqes, 0x66);
	assert_int_equal(id->cqes, 0x44);
	assert_int_equal(id->msdbd, 1);
	assert_int_equal(id->oacs, 0);
	assert_int_equal(id->hctma, 0);
	assert_int_equal(id->anacap, 0);
	assert_true(le32toh(id->mnan) >= 1 && le32toh(id->mnan) <= le32toh(id->nn));
	assert_int_equal(le32toh(id->oaes), NVME_CTRL_OAES_NA);
	assert_int_equal(le32toh(id->ctratt), NVME_CTRL_CTRATT_128_ID | NVME_CTRL_CTRATT_TBKAS);
	assert_int_equal(id->aerl, MAX_AER - 1);
	assert_int_equal(id->elpe, MAX_LOG_ERRORS - 1);
	assert_true(le16toh(id->wctemp) > 303 && le16toh(id->cctemp) >= le16toh(id->wctemp));
	assert_true(id->crdt1 && id->crdt2 && id->crdt3);
	/* Flush for all namespaces at once is not there, and there is no cache to flush. */
	assert_int_equal(id->vwc, 2 << 1);
}

static void test_identify_controller_oncs_follows_the_command_table(void **state)
{
	const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)data;
	static const struct {
		uint8_t opcode;
		uint16_t bit;
	} commands[] = {
		{ nvme_cmd_compare, NVME_CTRL_ONCS_COMPARE },
		{ nvme_cmd_write_zeroes, NVME_CTRL_ONCS_WRITE_ZEROES },
		{ nvme_cmd_dsm, NVME_CTRL_ONCS_DSM },
		{ nvme_cmd_verify, NVME_CTRL_ONCS_VERIFY },
		{ nvme_cmd_copy, NVME_CTRL_ONCS_COPY },
		{ nvme_cmd_write_uncor, NVME_CTRL_ONCS_WRITE_UNCORRECTABLE },
		{ nvme_cmd_resv_register, NVME_CTRL_ONCS_RESERVATIONS },
	};

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
	assert_true(le16toh(id->oncs) & NVME_CTRL_ONCS_SAVE_FEATURES);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		bool there = false;

		for (unsigned int j = 0; j < nvmet_nr_io_cmds; j++)
			there |= nvmet_io_cmds[j].opcode == commands[i].opcode;
		assert_int_equal(!!(le16toh(id->oncs) & commands[i].bit), there);
	}
}

static void test_identify_discovery_controller(void **state)
{
	const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)data;

	(void)state;
	fake_sq_free(admin);
	admin = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
	assert_int_equal(id->cntrltype, NVME_CTRL_CNTRLTYPE_DISCOVERY);
	assert_string_equal(id->subnqn, NQN_DISCOVERY);
	assert_int_equal(le32toh(id->oaes), (uint32_t)NVME_CTRL_OAES_DL);
	assert_int_equal(le16toh(id->kas), 10);
	assert_int_equal(id->nn, 0);
	assert_int_not_equal(id->maxcmd, 0);
	for (unsigned int cns = 0; cns < 256; cns++)
		if (cns != NVME_IDENTIFY_CNS_CTRL)
			assert_int_equal(identify((uint8_t)cns, 1), ST_INVALID_FIELD | ST_DNR);
}

static void test_identify_defaults_are_stable(void **state)
{
	const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)data;
	char sn[20];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake_sq_free(admin);
		fake_nvmet_stop();
		fake_nvmet_start(fake_json);
		admin = fake_host(FAKE_SUBSYS_NONE, FAKE_HOST, 1);
		assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
		assert_memory_equal(id->mn, "nvmetcp  ", 9);
		if (i)
			assert_memory_equal(id->sn, sn, sizeof(sn));
		memcpy(sn, id->sn, sizeof(sn));
		for (size_t k = 0; k < sizeof(sn); k++)
			assert_non_null(memchr("0123456789abcdef", sn[k], 16));
	}
}

/* ---- namespaces ---- */

static void test_identify_namespace_geometry(void **state)
{
	const struct nvme_id_ns *id = (const struct nvme_id_ns *)data;

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS, 1), 0);
	assert_int_equal(le64toh(id->nsze), 2048);
	assert_int_equal(id->ncap, id->nsze);
	assert_int_equal(id->nuse, id->nsze);
	assert_int_equal(id->lbaf[0].ds, 9);
	assert_int_equal(id->nlbaf, 0);
	assert_int_equal(id->flbas, 0);
	assert_int_equal(id->nmic, NVME_NS_NMIC_SHARED);
	assert_int_equal(id->nsattr, 0);
	assert_int_equal(id->anagrpid, 0);
	assert_int_equal(id->nvmcap[2], 0x10); /* 1 MiB */
	assert_all_zero(id->vs, sizeof(id->vs));
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS, 2), 0);
	assert_int_equal(id->lbaf[0].ds, 12);
	assert_int_equal(le64toh(id->nsze), 1 << 18);
	assert_int_equal(id->nsattr, NVME_NS_NSATTR_WRITE_PROTECTED);
	assert_memory_equal(id->nguid,
			    "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", 16);
	assert_memory_equal(id->eui64, "\x11\x12\x13\x14\x15\x16\x17\x18", 8);
}

static void test_identify_namespace_capabilities_are_the_backends(void **state)
{
	const struct nvme_id_ns *id = (const struct nvme_id_ns *)data;
	struct nvmet_ns *ns = nvmet_subsys_ns(fake_subsys(FAKE_SUBSYS), 1);

	(void)state;
	ns->phys_shift = 12;
	ns->awupf = 7;
	ns->can_discard = true;
	ns->reads_zero_after_discard = true;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS, 1), 0);
	assert_true(id->nsfeat & NVME_NS_FEAT_IO_OPT && id->nsfeat & NVME_NS_FEAT_NATOMIC);
	assert_int_equal(le16toh(id->npwg), 7);
	assert_int_equal(le16toh(id->npda), 7);
	assert_int_equal(le16toh(id->nawupf), 7);
	assert_int_equal(id->dlfeat, NVME_NS_DLFEAT_RB_ALL_0S | NVME_NS_DLFEAT_WRITE_ZEROES);
	ns->reads_zero_after_discard = false;
	ns->phys_shift = 40;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS, 1), 0);
	assert_int_equal(id->dlfeat, 0);
	assert_int_equal(le16toh(id->npwg), 0xffff);
	assert_int_equal(le16toh(id->noiob), 0);
	ns->hints = (struct nvmet_ns_hints){ 8, 4, 65536, 256, 32, 65535 };
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS, 1), 0);
	assert_int_equal(le16toh(id->npwg), 7);
	assert_int_equal(le16toh(id->npwa), 3);
	assert_int_equal(le16toh(id->npdg), 0xffff);
	assert_int_equal(le16toh(id->npda), 255);
	assert_int_equal(le16toh(id->nows), 31);
	assert_int_equal(le16toh(id->noiob), 65535);
	ns->vwc = true;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
	assert_int_equal(((const struct nvme_id_ctrl *)data)->vwc, 2 << 1 | 1);
}

static void test_identify_mdts_is_what_every_namespace_takes(void **state)
{
	static const struct {
		uint32_t max_xfer;
		uint8_t mdts;
	} cases[] = { { 1 << 20, 6 }, { 128 << 10, 5 }, { 100000, 4 }, { 8192, 1 }, { 4096, 1 } };
	struct nvmet_ns *ns = nvmet_subsys_ns(fake_subsys(FAKE_SUBSYS), 5);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ns->max_xfer = cases[i].max_xfer;
		fake_sq_free(admin);
		admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
		assert_int_equal(identify(NVME_IDENTIFY_CNS_CTRL, 0), 0);
		assert_int_equal(((const struct nvme_id_ctrl *)data)->mdts, cases[i].mdts);
		assert_int_equal(admin->sq.ctrl->max_xfer, 4096u << cases[i].mdts);
	}
}

static void test_identify_namespace_independent_structure(void **state)
{
	const struct nvme_id_independent_id_ns *id = (const struct nvme_id_independent_id_ns *)data;
	struct nvmet_ns *ns = nvmet_subsys_ns(fake_subsys(FAKE_SUBSYS), 2);

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, 2), 0);
	assert_int_equal(id->nmic, NVME_NS_NMIC_SHARED);
	assert_int_equal(id->nsattr, NVME_NS_NSATTR_WRITE_PROTECTED);
	assert_int_equal(id->nstat, 1);
	assert_int_equal(id->nsfeat, 1 << 5);
	ns->vwc = true;
	atomic_store(&ns->away, ST_NS_NOT_READY);
	assert_int_equal(identify(NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, 2), 0);
	assert_int_equal(id->nsfeat, 0);
	assert_int_equal(id->nstat, 0);
}

static void test_identify_descriptors_name_the_namespace(void **state)
{
	static const char of_1[] =
		"\x03\x10\0\0"
		"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
		"\x04\x01\0\0\0";
	static const char of_2[] =
		"\x01\x08\0\0\x11\x12\x13\x14\x15\x16\x17\x18"
		"\x02\x10\0\0"
		"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
		"\x04\x01\0\0\0";

	(void)state;
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS_DESC_LIST, 1), 0);
	assert_memory_equal(data, of_1, sizeof(of_1));
	assert_all_zero(data + sizeof(of_1), sizeof(data) - sizeof(of_1));
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS_DESC_LIST, 2), 0);
	assert_memory_equal(data, of_2, sizeof(of_2));
	/* One that has no identity of its own was given a UUID. */
	assert_int_equal(identify(NVME_IDENTIFY_CNS_NS_DESC_LIST, 5), 0);
	assert_int_equal(data[0], NVME_NIDT_UUID);
	assert_int_equal(data[4 + 6] >> 4, 5);
}

static void test_identify_inactive_namespaces_are_zero(void **state)
{
	static const uint8_t cns[] = { NVME_IDENTIFY_CNS_NS, NVME_IDENTIFY_CNS_CSI_NS,
				       NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS,
				       NVME_IDENTIFY_CNS_NS_CTRL_LIST };
	static const uint32_t nsids[] = { 3, 4, 6, MAX_NSID };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cns); i++)
		for (size_t k = 0; k < ARRAY_SIZE(nsids); k++) {
			assert_int_equal(identify(cns[i], nsids[k]), 0);
			assert_all_zero(data, sizeof(data));
		}
}

/* ---- lists ---- */

static void test_identify_active_list_begins_after_nsid(void **state)
{
	static const struct {
		uint32_t from;
		uint32_t list[4];
	} cases[] = {
		{ 0, { 1, 2, 5, 0 } }, { 1, { 2, 5, 0, 0 } }, { 2, { 5, 0, 0, 0 } },
		{ 4, { 5, 0, 0, 0 } }, { 5, { 0 } },	      { MAX_NSID, { 0 } },
		{ 0xfffffffd, { 0 } },
	};
	static const uint8_t cns[] = { NVME_IDENTIFY_CNS_NS_ACTIVE_LIST,
				       NVME_IDENTIFY_CNS_CSI_NS_ACTIVE_LIST };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t k = 0; k < ARRAY_SIZE(cns); k++) {
			assert_int_equal(identify(cns[k], cases[i].from), 0);
			assert_memory_equal(data, cases[i].list, sizeof(cases[i].list));
			assert_all_zero(data + sizeof(cases[i].list),
					sizeof(data) - sizeof(cases[i].list));
		}
}

static void test_identify_controller_lists_are_sorted(void **state)
{
	const struct nvme_ctrl_list *list = (const struct nvme_ctrl_list *)data;
	struct nvmet_subsys *subsys = fake_subsys(FAKE_SUBSYS);
	static const uint16_t next[] = { 500, 20, 300, 21 };
	struct fake_sq *f[ARRAY_SIZE(next)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(next); i++) {
		subsys->cntlid_next = next[i];
		f[i] = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	}
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_CTRL_LIST, 0, 0, 0), 0);
	assert_int_equal(le16toh(list->num), 5);
	assert_int_equal(le16toh(list->identifier[0]), 1);
	assert_int_equal(le16toh(list->identifier[1]), 20);
	assert_int_equal(le16toh(list->identifier[2]), 21);
	assert_int_equal(le16toh(list->identifier[4]), 500);
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_NS_CTRL_LIST, 21, 0, 1), 0);
	assert_int_equal(le16toh(list->num), 3);
	assert_int_equal(le16toh(list->identifier[0]), 21);
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_CTRL_LIST, 501, 0, 0), 0);
	assert_all_zero(data, sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(next); i++)
		fake_sq_free(f[i]);
}

static void test_identify_controller_list_holds_the_lowest(void **state)
{
	const struct nvme_ctrl_list *list = (const struct nvme_ctrl_list *)data;
	struct nvmet_subsys *subsys = fake_subsys(FAKE_SUBSYS);
	enum { NR = 2100, FIRST = 11 };
	struct nvmet_ctrl *ctrls = calloc(NR, sizeof(*ctrls));

	(void)state;
	assert_non_null(ctrls);
	/*
	 * Falling, so that each one goes to the front of the list; rising, so that the last ones
	 * find it full.
	 */
	for (int rising = 0; rising < 2; rising++) {
		for (int i = 0; i < NR; i++) {
			ctrls[i].cntlid = (uint16_t)(rising ? FIRST + i : FIRST + NR - 1 - i);
			list_add_tail(&subsys->ctrls, &ctrls[i].link);
		}
		assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_CTRL_LIST, 2, 0, 0), 0);
		assert_int_equal(le16toh(list->num), NVME_ID_CTRL_LIST_MAX);
		for (int i = 0; i < NVME_ID_CTRL_LIST_MAX; i++)
			assert_int_equal(le16toh(list->identifier[i]), FIRST + i);
		for (int i = 0; i < NR; i++)
			list_del(&ctrls[i].link);
	}
	free(ctrls);
}

static void test_identify_command_sets(void **state)
{
	(void)state;
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_COMMAND_SET_STRUCTURE, 0xffff, 0, 0), 0);
	assert_int_equal(data[0], 1);
	assert_all_zero(data + 1, sizeof(data) - 1);
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_COMMAND_SET_STRUCTURE, 1, 0, 0), 0);
	assert_int_equal(identify_dw(NVME_IDENTIFY_CNS_COMMAND_SET_STRUCTURE, 2, 0, 0),
			 ST_INVALID_FIELD | ST_DNR);
}

/* ---- wrong ways to ask ---- */

static void test_identify_wrong_nsid_is_refused(void **state)
{
	static const struct {
		uint8_t cns;
		uint32_t nsid;
	} cases[] = {
		{ NVME_IDENTIFY_CNS_NS, 0 },
		{ NVME_IDENTIFY_CNS_NS, MAX_NSID + 1 },
		{ NVME_IDENTIFY_CNS_NS, 0xfffffffe },
		{ NVME_IDENTIFY_CNS_NS, 0xffffffff },
		{ NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0xfffffffe },
		{ NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0xffffffff },
		{ NVME_IDENTIFY_CNS_CSI_NS_ACTIVE_LIST, 0xfffffffe },
		{ NVME_IDENTIFY_CNS_NS_DESC_LIST, 0 },
		{ NVME_IDENTIFY_CNS_NS_DESC_LIST, 3 },
		{ NVME_IDENTIFY_CNS_NS_DESC_LIST, 0xffffffff },
		{ NVME_IDENTIFY_CNS_CSI_NS, 0 },
		{ NVME_IDENTIFY_CNS_CSI_NS, 0xffffffff },
		{ NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, 0 },
		{ NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, 0xffffffff },
		{ NVME_IDENTIFY_CNS_NS_CTRL_LIST, 0 },
		{ NVME_IDENTIFY_CNS_NS_CTRL_LIST, 0xffffffff },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(identify(cases[i].cns, cases[i].nsid), ST_INVALID_NS | ST_DNR);
		assert_int_equal(fake_last(admin)->error_loc, 4);
	}
}

static void test_identify_other_command_sets_are_refused(void **state)
{
	static const uint8_t cns[] = { NVME_IDENTIFY_CNS_CSI_NS, NVME_IDENTIFY_CNS_CSI_CTRL,
				       NVME_IDENTIFY_CNS_CSI_NS_ACTIVE_LIST };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cns); i++)
		for (unsigned int csi = 0; csi < 256; csi++)
			assert_int_equal(identify_dw(cns[i], 0, (uint8_t)csi, 1),
					 csi ? ST_INVALID_FIELD | ST_DNR : 0);
}

static void test_identify_reserved_cns_are_refused(void **state)
{
	static const uint8_t known[] = { 0x00, 0x01, 0x02, 0x03, 0x05, 0x06,
					 0x07, 0x08, 0x12, 0x13, 0x1c };

	(void)state;
	for (unsigned int cns = 0; cns < 256; cns++) {
		if (memchr(known, (int)cns, sizeof(known)))
			continue;
		assert_int_equal(identify((uint8_t)cns, 1), ST_INVALID_FIELD | ST_DNR);
		assert_int_equal(fake_last(admin)->error_loc, 40);
	}
}

static void test_identify_smaller_buffer_is_refused(void **state)
{
	static const uint32_t lengths[] = { 0, 4, 512, 4095, 4096 };
	const uint32_t dw[6] = { NVME_IDENTIFY_CNS_CTRL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		assert_int_equal(fake_admin(admin, nvme_admin_identify, 0, dw, data, lengths[i]),
				 lengths[i] < 4096 ? ST_SGL_INVALID_DATA | ST_DNR : 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identify_controller_says_who_it_is),
		TEST(test_identify_controller_is_what_hosts_take),
		TEST(test_identify_controller_oncs_follows_the_command_table),
		TEST(test_identify_discovery_controller),
		TEST(test_identify_defaults_are_stable),
		TEST(test_identify_namespace_geometry),
		TEST(test_identify_namespace_capabilities_are_the_backends),
		TEST(test_identify_mdts_is_what_every_namespace_takes),
		TEST(test_identify_namespace_independent_structure),
		TEST(test_identify_descriptors_name_the_namespace),
		TEST(test_identify_inactive_namespaces_are_zero),
		TEST(test_identify_active_list_begins_after_nsid),
		TEST(test_identify_controller_lists_are_sorted),
		TEST(test_identify_controller_list_holds_the_lowest),
		TEST(test_identify_command_sets),
		TEST(test_identify_wrong_nsid_is_refused),
		TEST(test_identify_other_command_sets_are_refused),
		TEST(test_identify_reserved_cns_are_refused),
		TEST(test_identify_smaller_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
