// SPDX-License-Identifier: BSD-2-Clause
/*
 * Get Log Page, except for the discovery log's content; and that no admin command lets old memory
 * out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "tests/fake/fake_sq.h"

enum {
	REFUSED = ST_INVALID_FIELD | ST_DNR,
	MAX_XFER = 256 << 10, /* of the configuration */
};

static struct fake_sq *admin;
static uint8_t data[MAX_XFER + 4096];

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

static uint16_t get_log(uint8_t lid, uint64_t off, uint32_t len)
{
	memset(data, 0xee, len);
	return fake_get_log(admin, lid, true, off, data, len);
}

static uint16_t get_log_raw(uint32_t nsid, const uint32_t dw[6], uint32_t len)
{
	return fake_admin(admin, nvme_admin_get_log_page, nsid, dw, data, len);
}

static const struct {
	uint8_t lid;
	uint32_t bytes;
	bool discovery;
} pages[] = {
	{ NVME_LOG_LID_SUPPORTED_LOG_PAGES, 1024, true },
	{ NVME_LOG_LID_ERROR, 64 * 64, false },
	{ NVME_LOG_LID_SMART, 512, false },
	{ NVME_LOG_LID_FW_SLOT, 512, false },
	{ NVME_LOG_LID_CHANGED_NS, 4096, false },
	{ NVME_LOG_LID_CMD_EFFECTS, 4096, true },
	{ NVME_LOG_LID_FID_SUPPORTED_EFFECTS, 1024, true },
	{ NVME_LOG_LID_MI_CMD_SUPPORTED_EFFECTS, 4096, true },
};

/* ---- windows ---- */

static void test_log_pieces_are_those_of_the_whole(void **state)
{
	static const struct {
		uint32_t off, len;
	} windows[] = { { 0, 4 },     { 4, 4 },	  { 0, 512 },  { 60, 8 },
			{ 100, 200 }, { 508, 8 }, { 512, 512 } };
	uint8_t whole[8192];

	(void)state;
	/* Something to see. */
	for (int i = 0; i < 100; i++)
		fake_identify(admin, 0xee, (uint32_t)i, data);
	for (uint32_t nsid = 1; nsid < 900; nsid++)
		nvmet_ctrl_ns_changed(admin->sq.ctrl, nsid);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		/* The SMART log counts error log entries: read, it must stay the same. */
		assert_int_equal(get_log(pages[i].lid, 0, sizeof(whole)), 0);
		memcpy(whole, data, sizeof(whole));
		for (uint32_t k = pages[i].bytes; k < sizeof(whole); k++)
			assert_int_equal(whole[k], 0);
		for (size_t k = 0; k < ARRAY_SIZE(windows); k++) {
			if (windows[k].off > pages[i].bytes)
				continue;
			assert_int_equal(get_log(pages[i].lid, windows[k].off, windows[k].len), 0);
			assert_int_equal(fake_last(admin)->len, windows[k].len);
			assert_memory_equal(data, whole + windows[k].off, windows[k].len);
		}
	}
}

static void test_log_offset_beyond_the_page_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		const uint64_t beyond[] = { pages[i].bytes + 4ull, 1ull << 31, 1ull << 32,
					    UINT64_MAX - 3, /* wraps with any length */
					    UINT64_MAX - pages[i].bytes + 1 };

		assert_int_equal(get_log(pages[i].lid, pages[i].bytes, 4), 0);
		assert_int_equal(data[0] | data[1] | data[2] | data[3], 0);
		for (size_t k = 0; k < ARRAY_SIZE(beyond); k++) {
			assert_int_equal(get_log(pages[i].lid, beyond[k], 4096), REFUSED);
			assert_int_equal(fake_last(admin)->error_loc, 48);
		}
	}
}

static void test_log_offset_within_a_dword_is_refused(void **state)
{
	(void)state;
	for (uint64_t off = 1; off < 4; off++)
		assert_int_equal(get_log(NVME_LOG_LID_SMART, off, 4), REFUSED);
}

static void test_log_length_is_limited(void **state)
{
	static const struct {
		uint32_t numd; /* 0's based */
		uint16_t status;
	} cases[] = {
		{ 0, 0 },
		{ MAX_XFER / 4 - 1, 0 },
		{ MAX_XFER / 4, REFUSED },
		{ 0x3fffffff, REFUSED }, /* 4 GiB: would wrap 32 bits */
		{ 0x40000000, REFUSED },
		{ 0x7fffffff, REFUSED },
		{ 0xffffffff, REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint32_t dw[6] = { NVME_LOG_LID_SMART | 1u << 15 | cases[i].numd << 16,
					 cases[i].numd >> 16 };

		assert_int_equal(get_log_raw(NVME_NSID_BROADCAST, dw, MAX_XFER), cases[i].status);
	}
}

static void test_log_buffer_smaller_than_numd_is_refused(void **state)
{
	const uint32_t dw[6] = { NVME_LOG_LID_SMART | 127 << 16 };

	(void)state;
	assert_int_equal(get_log_raw(0, dw, 508), ST_SGL_INVALID_DATA | ST_DNR);
	assert_int_equal(get_log_raw(0, dw, 512), 0);
}

static void test_log_index_offsets_and_other_command_sets_are_refused(void **state)
{
	const uint32_t index[6] = { NVME_LOG_LID_SMART | 127 << 16, 0, 0, 0, 1 << 23 };
	const uint32_t zns[6] = { NVME_LOG_LID_CMD_EFFECTS | 1023 << 16, 0, 0, 0, 2u << 24 };

	(void)state;
	assert_int_equal(get_log_raw(0, index, 512), REFUSED);
	assert_int_equal(get_log_raw(0, zns, 4096), REFUSED);
}

/* ---- which there are ---- */

static void test_log_unknown_pages_are_refused(void **state)
{
	(void)state;
	for (int discovery = 0; discovery < 2; discovery++) {
		for (unsigned int lid = 0; lid < 256; lid++) {
			bool there = discovery && lid == NVME_LOG_LID_DISCOVER;

			for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
				there |= pages[i].lid == lid && (pages[i].discovery || !discovery);
			assert_int_equal(get_log((uint8_t)lid, 0, 512),
					 there ? 0 : ST_INVALID_LOG_PAGE | ST_DNR);
			/* The page of pages says the same. */
			assert_int_equal(get_log(NVME_LOG_LID_SUPPORTED_LOG_PAGES, 0, 1024), 0);
			assert_int_equal(data[4 * lid], there);
		}
		fake_sq_free(admin);
		admin = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);
	}
}

/* ---- content ---- */

static void count(struct nvmet_ns *ns, int core, uint64_t reads, uint64_t read_blocks,
		  uint64_t writes, uint64_t write_blocks)
{
	atomic_store(&ns->stats[core].read_cmds, reads);
	atomic_store(&ns->stats[core].read_blocks, read_blocks);
	atomic_store(&ns->stats[core].write_cmds, writes);
	atomic_store(&ns->stats[core].write_blocks, write_blocks);
}

static uint64_t low64(const uint8_t field[16])
{
	uint64_t v;

	memcpy(&v, field, sizeof(v));
	return le64toh(v);
}

static void test_smart_sums_cores_and_namespaces(void **state)
{
	const struct nvmet_subsys *subsys = fake_subsys(FAKE_SUBSYS);
	const struct nvme_smart_log *log = (const struct nvme_smart_log *)data;
	static const struct {
		uint32_t nsid;
		uint64_t reads, writes, units_read, units_written;
	} cases[] = {
		{ NVME_NSID_BROADCAST, 111, 222, 10,
		  9 }, /* 1001 + 1000 * 8 sectors; 8 * 1000 + 1 */
		{ 0, 111, 222, 10, 9 },
		{ 1, 11, 22, 2, 1 },
		{ 2, 100, 200, 8, 8 },
		{ 5, 0, 0, 0, 0 },
	};

	(void)state;
	count(nvmet_subsys_ns(subsys, 1), 0, 10, 1000, 20, 0);
	count(nvmet_subsys_ns(subsys, 1), 1, 1, 1, 2, 1);
	count(nvmet_subsys_ns(subsys, 2), 1, 100, 1000, 200, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint32_t dw[6] = { NVME_LOG_LID_SMART | 127 << 16 };

		assert_int_equal(get_log_raw(cases[i].nsid, dw, 512), 0);
		assert_int_equal(low64(log->host_reads), cases[i].reads);
		assert_int_equal(low64(log->host_writes), cases[i].writes);
		assert_int_equal(low64(log->data_units_read), cases[i].units_read);
		assert_int_equal(low64(log->data_units_written), cases[i].units_written);
	}
	assert_int_equal(log->critical_warning, 0);
	assert_int_equal(log->temperature[0] | log->temperature[1] << 8, 303);
	assert_int_equal(log->avail_spare, 100);
}

static void test_smart_of_an_inactive_namespace_is_refused(void **state)
{
	static const uint32_t nsids[] = { 3, 4, 6, MAX_NSID + 1, 0xfffffffe };
	const uint32_t dw[6] = { NVME_LOG_LID_SMART | 127 << 16 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nsids); i++)
		assert_int_equal(get_log_raw(nsids[i], dw, 512), ST_INVALID_NS | ST_DNR);
}

static void test_firmware_slot_holds_what_runs(void **state)
{
	const struct nvme_firmware_slot *log = (const struct nvme_firmware_slot *)data;

	(void)state;
	assert_int_equal(get_log(NVME_LOG_LID_FW_SLOT, 0, 512), 0);
	assert_int_equal(log->afi, 1);
	assert_memory_equal(log->frs[0], "1.2.3   ", 8);
	assert_memory_equal(log->frs[1], "\0\0\0\0\0\0\0\0", 8);
}

static void test_effects_are_those_of_the_tables(void **state)
{
	const struct nvme_cmd_effects_log *log = (const struct nvme_cmd_effects_log *)data;

	(void)state;
	assert_int_equal(get_log(NVME_LOG_LID_CMD_EFFECTS, 0, 4096), 0);
	for (unsigned int opcode = 0; opcode < 256; opcode++) {
		bool admin_there = opcode == 0x7f, io_there = opcode == 0x7f;

		for (unsigned int i = 0; i < nvmet_nr_admin_cmds; i++)
			admin_there |= nvmet_admin_cmds[i].opcode == opcode;
		for (unsigned int i = 0; i < nvmet_nr_io_cmds; i++)
			io_there |= nvmet_io_cmds[i].opcode == opcode;
		assert_int_equal(le32toh(log->acs[opcode]) & 1, admin_there);
		assert_int_equal(le32toh(log->iocs[opcode]) & 1, io_there);
	}
	assert_true(le32toh(log->iocs[nvme_cmd_write]) & NVME_CMD_EFFECTS_LBCC);
	assert_false(le32toh(log->iocs[nvme_cmd_read]) & NVME_CMD_EFFECTS_LBCC);
	/* Nothing here freezes a host's queues. */
	for (unsigned int opcode = 0; opcode < 256; opcode++)
		assert_false(le32toh(log->acs[opcode]) &
			     (NVME_CMD_EFFECTS_NCC | NVME_CMD_EFFECTS_NIC | NVME_CMD_EFFECTS_CCC |
			      NVME_CMD_EFFECTS_CSE_MASK));
}

static void test_features_log_is_what_get_features_takes(void **state)
{
	const struct nvme_fid_supported_effects_log *log =
		(const struct nvme_fid_supported_effects_log *)data;

	(void)state;
	for (uint32_t fid = 0; fid < 256; fid++) {
		const uint32_t dw[6] = { fid | 3 << 8 };
		bool there = !fake_admin(admin, nvme_admin_get_features, 0, dw, NULL, 0);

		assert_int_equal(get_log(NVME_LOG_LID_FID_SUPPORTED_EFFECTS, 0, 1024), 0);
		assert_int_equal(le32toh(log->fid_support[fid]) & 1, there);
		assert_int_equal(!!(le32toh(log->fid_support[fid]) >> 20), there);
	}
}

/* ---- old memory ---- */

static uint32_t random_dw(unsigned int *seed)
{
	static const uint32_t likely[] = {
		0, 1, 2, 4, 5, 0x100, 0x200, 0x8000, 0xffffffff, 1u << 24
	};

	if (rand_r(seed) % 4)
		return likely[(size_t)rand_r(seed) % ARRAY_SIZE(likely)];
	return (uint32_t)rand_r(seed) ^ (uint32_t)rand_r(seed) << 16;
}

/*
 * Every command runs twice, in buffers that held different things before. What differs then came
 * from there.
 */
static void test_admin_data_never_shows_old_memory(void **state)
{
	static const uint8_t opcodes[] = { nvme_admin_identify, nvme_admin_get_log_page,
					   nvme_admin_get_features };
	unsigned int seed = (unsigned int)getpid();
	static uint8_t first[MAX_XFER];
	unsigned int with_data = 0;

	(void)state;
	print_message("seed %u\n", seed);
	for (int i = 0; i < 30000; i++) {
		uint8_t opcode = opcodes[(size_t)rand_r(&seed) % ARRAY_SIZE(opcodes)];
		uint32_t dw[6], nsid = random_dw(&seed), len;
		uint16_t status;

		for (size_t k = 0; k < ARRAY_SIZE(dw); k++)
			dw[k] = rand_r(&seed) % 3 ? 0 : random_dw(&seed);
		dw[0] = (dw[0] & 0x7f00) | 1 << 15 | (uint32_t)(rand_r(&seed) % 0x20);
		if (opcode == nvme_admin_get_log_page)
			dw[0] |= (uint32_t)(rand_r(&seed) % 0x1000) << 16;
		else if (opcode == nvme_admin_get_features)
			dw[0] = rand_r(&seed) % 4 ? 0x81 : dw[0] & 0x7ff;
		if (i == 15000) {
			fake_sq_free(admin);
			admin = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);
		}
		admin->fill = 0x5a;
		status = fake_admin(admin, opcode, nsid, dw, data, MAX_XFER);
		assert_int_not_equal(status, FAKE_HELD);
		len = fake_last(admin)->len;
		if (status || !len)
			continue;
		memcpy(first, data, len);
		admin->fill = 0xa5;
		assert_int_equal(fake_admin(admin, opcode, nsid, dw, data, MAX_XFER), 0);
		assert_memory_equal(first, data, len);
		with_data++;
	}
	assert_true(with_data > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_log_pieces_are_those_of_the_whole),
		TEST(test_log_offset_beyond_the_page_is_refused),
		TEST(test_log_offset_within_a_dword_is_refused),
		TEST(test_log_length_is_limited),
		TEST(test_log_buffer_smaller_than_numd_is_refused),
		TEST(test_log_index_offsets_and_other_command_sets_are_refused),
		TEST(test_log_unknown_pages_are_refused),
		TEST(test_smart_sums_cores_and_namespaces),
		TEST(test_smart_of_an_inactive_namespace_is_refused),
		TEST(test_firmware_slot_holds_what_runs),
		TEST(test_effects_are_those_of_the_tables),
		TEST(test_features_log_is_what_get_features_takes),
		TEST(test_admin_data_never_shows_old_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
