// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fabrics commands beside Connect: properties, Disconnect, what comes too early or on the wrong
 * queue.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"
#include "tests/fake/fake_sq.h"

#define SQE_LOC(field) offsetof(struct nvme_fabrics_connect, field)

/* ---- order of commands ---- */

static void test_commands_before_connect_are_refused(void **state)
{
	struct fake_sq *f = fake_sq_new(fake_port(0), 0);
	uint8_t data[4096];
	uint64_t value;

	(void)state;
	assert_int_equal(fake_prop_get(f, NVME_REG_CAP, 8, &value), ST_CMD_SEQ_ERROR | ST_DNR);
	assert_int_equal(fake_prop_set(f, NVME_REG_CC, FAKE_CC_EN), ST_CMD_SEQ_ERROR | ST_DNR);
	assert_int_equal(fake_identify(f, NVME_IDENTIFY_CNS_CTRL, 0, data),
			 ST_CMD_SEQ_ERROR | ST_DNR);
	assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, false, 0, data, 1024),
			 ST_CMD_SEQ_ERROR | ST_DNR);
	fake_sq_free(f);
}

static void test_fabrics_commands_on_the_wrong_queue_are_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 1, 0);
	struct nvme_sqe disconnect = { .opcode = NVME_FABRICS_OPCODE,
				       .nsid = le32_make(NVME_FCTYPE_DISCONNECT) };
	struct nvme_sqe bad_format = disconnect;
	uint64_t value;

	(void)state;
	assert_int_equal(fake_prop_get(io, NVME_REG_CSTS, 4, &value), ST_INVALID_FIELD | ST_DNR);
	assert_int_equal(fake_prop_set(io, NVME_REG_CC, 0), ST_INVALID_FIELD | ST_DNR);
	assert_int_equal(fake_cmd(admin, &disconnect, NULL, 0),
			 ST_DISCONNECT_INVALID_QTYPE | ST_DNR);
	assert_false(admin->closed);
	bad_format.cdw10 = le32_make(1);
	assert_int_equal(fake_cmd(io, &bad_format, NULL, 0), ST_CONNECT_FORMAT | ST_DNR);
	assert_false(io->closed);
	assert_int_equal(fake_cmd(io, &disconnect, NULL, 0), 0);
	assert_true(io->closed);
	fake_sq_free(io);
	fake_sq_free(admin);
}

static void test_fabrics_unknown_types_are_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint8_t data[64] = { 0 };

	(void)state;
	for (uint32_t fctype = 0; fctype < 256; fctype++) {
		struct nvme_sqe sqe = { .opcode = NVME_FABRICS_OPCODE, .nsid = le32_make(fctype) };

		if (fctype == NVME_FCTYPE_PROPERTY_SET || fctype == NVME_FCTYPE_PROPERTY_GET ||
		    fctype == NVME_FCTYPE_CONNECT || fctype == NVME_FCTYPE_DISCONNECT)
			continue;
		assert_int_equal(fake_cmd(admin, &sqe, data, sizeof(data)),
				 ST_INVALID_FIELD | ST_DNR);
		assert_int_equal(fake_last(admin)->error_loc, SQE_LOC(fctype));
	}
	fake_sq_free(admin);
}

/* ---- properties ---- */

static void test_property_get_knows_its_properties(void **state)
{
	static const struct {
		uint32_t offset;
		int size;
		uint16_t status;
	} cases[] = {
		{ NVME_REG_CAP, 8, 0 },
		{ NVME_REG_CAP, 4, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_CAP + 4, 4, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_VS, 4, 0 },
		{ NVME_REG_VS, 8, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_INTMS, 4, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_CC, 4, 0 },
		{ NVME_REG_CC, 8, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_CSTS, 4, 0 },
		{ NVME_REG_CSTS, 8, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_NSSR, 4, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_AQA, 4, ST_INVALID_FIELD | ST_DNR },
		{ NVME_REG_CRTO, 4, 0 },
		{ NVME_REG_CRTO, 8, ST_INVALID_FIELD | ST_DNR },
		{ 0xffffffff, 4, ST_INVALID_FIELD | ST_DNR },
		{ 0x1000, 8, ST_INVALID_FIELD | ST_DNR },
	};
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(fake_prop_get(admin, cases[i].offset, cases[i].size, &value),
				 cases[i].status);
	assert_int_equal(fake_prop_get(admin, NVME_REG_CAP, 8, &value), 0);
	assert_int_equal(NVME_CAP_MQES(value), 127);
	assert_int_equal(NVME_CAP_CSS(value), NVME_CAP_CSS_NVM | NVME_CAP_CSS_CSI);
	assert_int_equal(NVME_CAP_MPSMIN(value), 0);
	assert_int_equal(NVME_CAP_NSSRC(value), 0);
	assert_true(NVME_CAP_TO(value) > 0);
	assert_int_equal(fake_prop_get(admin, NVME_REG_CRTO, 4, &value), 0);
	assert_true((value & 0xffff) >= NVME_CAP_TO(admin->sq.ctrl->cap));
	assert_int_equal(fake_prop_get(admin, NVME_REG_VS, 4, &value), 0);
	assert_int_equal(value, 0x20000);
	fake_sq_free(admin);
}

static void test_property_attrib_other_sizes_are_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	for (uint8_t attrib = 2; attrib < 8; attrib++) {
		struct nvme_fabrics_property prop = {
			.opcode = NVME_FABRICS_OPCODE,
			.fctype = NVME_FCTYPE_PROPERTY_GET,
			.attrib = attrib,
			.offset = le32_make(NVME_REG_CC),
		};
		struct nvme_sqe sqe;

		memcpy(&sqe, &prop, sizeof(sqe));
		assert_int_equal(fake_cmd(admin, &sqe, NULL, 0), ST_INVALID_FIELD | ST_DNR);
		assert_int_equal(fake_last(admin)->error_loc,
				 offsetof(struct nvme_fabrics_property, attrib));
	}
	fake_sq_free(admin);
}

static void test_property_set_writes_only_cc(void **state)
{
	static const uint32_t refused[] = { NVME_REG_CAP,  NVME_REG_VS,	 NVME_REG_CSTS,
					    NVME_REG_NSSR, NVME_REG_AQA, NVME_REG_CRTO,
					    0x15,	   0xfffffffc };
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(fake_prop_set(admin, refused[i], 0x4e564d65),
				 ST_INVALID_FIELD | ST_DNR);
	assert_int_equal(fake_prop_get(admin, NVME_REG_CC, 4, &value), 0);
	assert_int_equal(value, FAKE_CC_EN);
	fake_sq_free(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commands_before_connect_are_refused),
		TEST(test_fabrics_commands_on_the_wrong_queue_are_refused),
		TEST(test_fabrics_unknown_types_are_refused),
		TEST(test_property_get_knows_its_properties),
		TEST(test_property_attrib_other_sizes_are_refused),
		TEST(test_property_set_writes_only_cc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
