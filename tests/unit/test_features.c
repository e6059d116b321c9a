// SPDX-License-Identifier: BSD-2-Clause
/*
 * Get Features and Set Features.
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
	SEL_CURRENT = 0,
	SEL_DEFAULT = 1,
	SEL_SAVED = 2,
	SEL_SUPPORTED = 3,
	REFUSED = ST_INVALID_FIELD | ST_DNR,
};

static struct fake_sq *admin;
static uint8_t data[512];

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LVL_ERROR);
	fake_nvmet_start(fake_json);
	admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 0x42);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_sq_free(admin);
	fake_nvmet_stop();
	return 0;
}

static uint16_t get_nsid(uint32_t fid, uint32_t sel, uint32_t dw11, uint32_t nsid, uint32_t len)
{
	const uint32_t dw[6] = { fid | sel << 8, dw11 };

	return fake_admin(admin, nvme_admin_get_features, nsid, dw, data, len);
}

static uint16_t get(uint32_t fid, uint32_t sel, uint32_t dw11)
{
	return get_nsid(fid, sel, dw11, 0, 0);
}

static uint16_t set_nsid(uint32_t fid, uint32_t dw11, uint32_t nsid, uint32_t len)
{
	const uint32_t dw[6] = { fid, dw11 };

	return fake_admin(admin, nvme_admin_set_features, nsid, dw, data, len);
}

static uint16_t set(uint32_t fid, uint32_t dw11)
{
	return set_nsid(fid, dw11, 0, 0);
}

static uint32_t result(void)
{
	return (uint32_t)fake_last(admin)->result;
}

/* ---- one line a feature: default, a value and what becomes of it, values refused ---- */

static const struct {
	uint32_t fid;
	uint32_t get_dw11;
	uint32_t dflt;
	uint32_t value;
	uint32_t kept;
	uint32_t nr_bad;
	uint32_t bad[6];
} values[] = {
	{ NVME_FEAT_FID_ARBITRATION, 0, 0, 0x01020304, 0x01020304, 0, { 0 } },
	{ NVME_FEAT_FID_POWER_MGMT, 0, 0, 0x20, 0x20, 3, { 1, 31, 0x21 } },
	{ NVME_FEAT_FID_TEMP_THRESH,
	  0,
	  343,
	  350,
	  350,
	  4,
	  { 350 | 1 << 16, 350 | 8 << 16, 350 | 2 << 20, 350 | 3 << 20 } },
	{ NVME_FEAT_FID_TEMP_THRESH, 1 << 20, 0, 250 | 1 << 20 | 0xf << 16, 250, 0, { 0 } },
	{ NVME_FEAT_FID_NUM_QUEUES,
	  0,
	  0x00070007,
	  0x00030005,
	  0x00030003,
	  3,
	  { 0xffff0000, 0x0000ffff, 0xffffffff } },
	{ NVME_FEAT_FID_WRITE_ATOMIC, 0, 0, 1, 1, 0, { 0 } },
	{ NVME_FEAT_FID_ASYNC_EVENT, 0, 0, 0x13f, 0x13f, 4, { 0x40, 0x200, 0x800, 0x80000000 } },
	{ NVME_FEAT_FID_KATO, 0, 0, 5001, 6000, 0, { 0 } },
	{ NVME_FEAT_FID_IOCS_PROFILE, 0, 0, 0, 0, 2, { 1, 0xff } },
};

static void test_features_are_set_and_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		assert_int_equal(get(values[i].fid, SEL_CURRENT, values[i].get_dw11), 0);
		assert_int_equal(result(), values[i].dflt);
		assert_int_equal(set(values[i].fid, values[i].value), 0);
		assert_int_equal(get(values[i].fid, SEL_CURRENT, values[i].get_dw11), 0);
		if (result() != values[i].kept)
			fail_msg("feature %02x: %x", values[i].fid, result());
		for (uint32_t k = 0; k < values[i].nr_bad; k++) {
			assert_int_equal(set(values[i].fid, values[i].bad[k]), REFUSED);
			assert_int_equal(fake_last(admin)->error_loc, 44);
		}
		assert_int_equal(get(values[i].fid, SEL_CURRENT, values[i].get_dw11), 0);
		assert_int_equal(result(), values[i].kept);
		/* Neither the default nor the saved value moves. */
		for (uint32_t sel = SEL_DEFAULT; sel <= SEL_SAVED; sel++) {
			assert_int_equal(get(values[i].fid, sel, values[i].get_dw11), 0);
			assert_int_equal(result(), values[i].dflt);
		}
	}
}

static void test_features_bad_selects_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		for (uint32_t sel = 4; sel < 8; sel++) {
			assert_int_equal(get(values[i].fid, sel, 0), REFUSED);
			assert_int_equal(fake_last(admin)->error_loc, 41);
		}
}

static void test_features_supported_capabilities(void **state)
{
	static const struct {
		uint32_t fid, capabilities;
	} cases[] = {
		{ NVME_FEAT_FID_ARBITRATION, 4 }, { NVME_FEAT_FID_ERR_RECOVERY, 6 },
		{ NVME_FEAT_FID_KATO, 4 },	  { NVME_FEAT_FID_HOST_BEHAVIOR, 4 },
		{ NVME_FEAT_FID_HOST_ID, 0 },	  { NVME_FEAT_FID_NUM_QUEUES, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(get(cases[i].fid, SEL_SUPPORTED, 0), 0);
		assert_int_equal(result(), cases[i].capabilities);
	}
}

static void test_features_unknown_are_refused(void **state)
{
	static const uint8_t known[] = { 0x01, 0x02, 0x04, 0x05, 0x07, 0x0a,
					 0x0b, 0x0f, 0x16, 0x19, 0x81 };

	(void)state;
	for (uint32_t fid = 0; fid < 256; fid++) {
		if (memchr(known, (int)fid, sizeof(known)))
			continue;
		for (uint32_t sel = 0; sel < 8; sel++)
			assert_int_equal(get(fid, sel, 0), REFUSED);
		assert_int_equal(set(fid, 0), REFUSED);
		assert_int_equal(fake_last(admin)->error_loc, 40);
	}
}

static void test_features_cannot_be_saved(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_int_equal(set(values[i].fid | BIT(31), values[i].value),
				 ST_FEATURE_NOT_SAVEABLE | ST_DNR);
	assert_int_equal(get(NVME_FEAT_FID_KATO, SEL_CURRENT, 0), 0);
	assert_int_equal(result(), 0);
}

static void test_features_of_the_controller_are_not_per_namespace(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		assert_int_equal(set_nsid(values[i].fid, values[i].value, 1, 0),
				 ST_FEATURE_NOT_PER_NS | ST_DNR);
		assert_int_equal(set_nsid(values[i].fid, values[i].value, NVME_NSID_BROADCAST, 0),
				 0);
	}
}

static void test_error_recovery_wants_a_namespace(void **state)
{
	static const struct {
		uint32_t nsid;
		uint16_t status;
	} cases[] = {
		{ 1, 0 },
		{ 5, 0 },
		{ NVME_NSID_BROADCAST, 0 },
		{ 0, ST_INVALID_NS | ST_DNR },
		{ 3, ST_INVALID_NS | ST_DNR },
		{ 0xfffffffe, ST_INVALID_NS | ST_DNR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(set_nsid(NVME_FEAT_FID_ERR_RECOVERY, 10, cases[i].nsid, 0),
				 cases[i].status);
		assert_int_equal(get_nsid(NVME_FEAT_FID_ERR_RECOVERY, 0, 0, cases[i].nsid, 0),
				 cases[i].status);
	}
	assert_int_equal(set_nsid(NVME_FEAT_FID_ERR_RECOVERY, 1 << 16, 1, 0), REFUSED); /* DULBE */
	assert_int_equal(get_nsid(NVME_FEAT_FID_ERR_RECOVERY, 0, 0, 1, 0), 0);
	assert_int_equal(result(), 10);
}

static void test_write_cache_is_there_with_a_cache_only(void **state)
{
	struct nvmet_ns *ns = nvmet_subsys_ns(fake_subsys(FAKE_SUBSYS), 5);

	(void)state;
	assert_int_equal(get(NVME_FEAT_FID_VOLATILE_WC, SEL_CURRENT, 0), REFUSED);
	ns->vwc = true;
	assert_int_equal(get(NVME_FEAT_FID_VOLATILE_WC, SEL_CURRENT, 0), 0);
	assert_int_equal(result(), 1);
	assert_int_equal(set(NVME_FEAT_FID_VOLATILE_WC, 1), 0);
	assert_int_equal(set(NVME_FEAT_FID_VOLATILE_WC, 0), ST_FEATURE_NOT_CHANGEABLE | ST_DNR);
	assert_int_equal(get(NVME_FEAT_FID_VOLATILE_WC, SEL_CURRENT, 0), 0);
	assert_int_equal(result(), 1);
}

static void test_number_of_queues_is_fixed_once_there_are_some(void **state)
{
	struct fake_sq *io;

	(void)state;
	assert_int_equal(set(NVME_FEAT_FID_NUM_QUEUES, 0x00ff00ff), 0);
	assert_int_equal(result(), 0x00070007);
	assert_int_equal(set(NVME_FEAT_FID_NUM_QUEUES, 0x00020002), 0);
	io = fake_io_queue(admin, 1, 1);
	assert_int_equal(set(NVME_FEAT_FID_NUM_QUEUES, 0x00070007), ST_CMD_SEQ_ERROR | ST_DNR);
	assert_int_equal(get(NVME_FEAT_FID_NUM_QUEUES, SEL_CURRENT, 0), 0);
	assert_int_equal(result(), 0x00020002);
	fake_sq_free(io);
	assert_int_equal(set(NVME_FEAT_FID_NUM_QUEUES, 0x00070007), 0);
}

static void test_host_id_is_the_one_of_connect(void **state)
{
	static const uint8_t expected[16] = { 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
					      0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42 };

	(void)state;
	assert_int_equal(get_nsid(NVME_FEAT_FID_HOST_ID, 0, 1, 0, 16), 0);
	assert_memory_equal(data, expected, sizeof(expected));
	/* The short form; a buffer too small. */
	assert_int_equal(get_nsid(NVME_FEAT_FID_HOST_ID, 0, 0, 0, 8), REFUSED);
	assert_int_equal(get_nsid(NVME_FEAT_FID_HOST_ID, 0, 1, 0, 8), ST_SGL_INVALID_DATA | ST_DNR);
	assert_int_equal(set_nsid(NVME_FEAT_FID_HOST_ID, 1, 0, 16), ST_CMD_SEQ_ERROR | ST_DNR);
}

static void test_host_behavior_keeps_what_it_knows(void **state)
{
	(void)state;
	memset(data, 0, sizeof(data));
	data[0] = 1;
	assert_int_equal(set_nsid(NVME_FEAT_FID_HOST_BEHAVIOR, 0, 0, sizeof(data)), 0);
	memset(data, 0xee, sizeof(data));
	assert_int_equal(get_nsid(NVME_FEAT_FID_HOST_BEHAVIOR, 0, 0, 0, sizeof(data)), 0);
	assert_int_equal(data[0], 1);
	for (size_t i = 1; i < sizeof(data); i++)
		assert_int_equal(data[i], 0);
	for (int i = 0; i < 3; i++) {
		memset(data, 0, sizeof(data));
		data[i] = i ? 1 : 2;
		assert_int_equal(set_nsid(NVME_FEAT_FID_HOST_BEHAVIOR, 0, 0, sizeof(data)),
				 REFUSED);
	}
	assert_int_equal(set_nsid(NVME_FEAT_FID_HOST_BEHAVIOR, 0, 0, 511),
			 ST_SGL_INVALID_DATA | ST_DNR);
	assert_int_equal(get_nsid(NVME_FEAT_FID_HOST_BEHAVIOR, 0, 0, 0, sizeof(data)), 0);
	assert_int_equal(data[0], 1);
}

static void test_temperature_get_of_unknown_sensors_is_refused(void **state)
{
	(void)state;
	for (uint32_t thsel = 0; thsel < 4; thsel++)
		for (uint32_t tmpsel = 0; tmpsel < 16; tmpsel++)
			assert_int_equal(get(NVME_FEAT_FID_TEMP_THRESH, 0,
					     thsel << 20 | tmpsel << 16),
					 thsel > 1 || tmpsel ? REFUSED : 0);
}

static void test_discovery_controller_has_two_features(void **state)
{
	(void)state;
	fake_sq_free(admin);
	admin = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);
	for (uint32_t fid = 0; fid < 256; fid++) {
		bool has = fid == NVME_FEAT_FID_ASYNC_EVENT || fid == NVME_FEAT_FID_KATO;

		assert_int_equal(get(fid, SEL_CURRENT, 0), has ? 0 : REFUSED);
	}
	assert_int_equal(set(NVME_FEAT_FID_ASYNC_EVENT, BIT(31)), 0);
	assert_int_equal(set(NVME_FEAT_FID_ASYNC_EVENT, BIT(8)), REFUSED);
	assert_int_equal(set(NVME_FEAT_FID_ASYNC_EVENT, 1), REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_features_are_set_and_read_back),
		TEST(test_features_bad_selects_are_refused),
		TEST(test_features_supported_capabilities),
		TEST(test_features_unknown_are_refused),
		TEST(test_features_cannot_be_saved),
		TEST(test_features_of_the_controller_are_not_per_namespace),
		TEST(test_error_recovery_wants_a_namespace),
		TEST(test_write_cache_is_there_with_a_cache_only),
		TEST(test_number_of_queues_is_fixed_once_there_are_some),
		TEST(test_host_id_is_the_one_of_connect),
		TEST(test_host_behavior_keeps_what_it_knows),
		TEST(test_temperature_get_of_unknown_sensors_is_refused),
		TEST(test_discovery_controller_has_two_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
