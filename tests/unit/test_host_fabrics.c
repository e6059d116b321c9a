// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the host library says and hears at Connect: commands and data as the specification lays them
 * out, refusals in words, the identity of the host.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nqn.h"
#include "common/util.h"
#include "host/fabrics.h"
#include "host/ident.h"

#define HOST "nqn.2014-08.org.nvmexpress:uuid:01234567-89ab-cdef-0123-456789abcdef"
#define SUB  "nqn.2024-01.org.example:sub"

static const uint8_t host_uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				       0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

/* The bytes of the specification's figures, written out. */
static void test_host_fabrics_connect_command_bytes(void **state)
{
	uint8_t want[64] = { [0] = 0x7f, [4] = 0x01, [42] = 5, [44] = 0x7f, [46] = 0x04 };
	struct nvme_sqe sqe;

	(void)state;
	nvmh_fabrics_connect_cmd(&sqe, 5, 128, true, 9999);
	assert_memory_equal(&sqe, want, sizeof(want)); /* an I/O queue has no keep alive timeout */
	want[42] = 0;
	want[44] = 31;
	want[46] = 0;
	want[48] = 0x10;
	want[49] = 0x27;
	nvmh_fabrics_connect_cmd(&sqe, 0, 32, false, 10000);
	assert_memory_equal(&sqe, want, sizeof(want));
}

static void test_host_fabrics_connect_data_bytes(void **state)
{
	struct nvme_connect_data data;
	uint8_t want[1024] = { 0 };

	(void)state;
	memcpy(want, host_uuid, 16);
	want[16] = 0x34;
	want[17] = 0x12;
	memcpy(want + 256, SUB, sizeof(SUB));
	memcpy(want + 512, HOST, sizeof(HOST));
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0x1234, SUB, HOST), 0);
	assert_memory_equal(&data, want, sizeof(want));
}

static void test_host_fabrics_connect_data_bounds_names(void **state)
{
	struct nvme_connect_data data;
	char nqn[300];

	(void)state;
	memset(nqn, 'a', sizeof(nqn));
	nqn[223] = '\0';
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0, nqn, nqn), 0);
	assert_int_equal(data.subnqn[222], 'a');
	assert_int_equal(data.subnqn[223], 0);
	nqn[223] = 'a';
	nqn[224] = '\0';
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0, nqn, HOST), -EINVAL);
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0, SUB, nqn), -EINVAL);
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0, "", HOST), -EINVAL);
	assert_int_equal(nvmh_fabrics_connect_data(&data, host_uuid, 0, SUB, ""), -EINVAL);
}

static void test_host_fabrics_property_bytes(void **state)
{
	uint8_t want[64] = { [0] = 0x7f, [4] = 0x04, [40] = 1 };
	struct nvme_sqe sqe;

	(void)state;
	nvmh_fabrics_property_get(&sqe, 0, true);
	assert_memory_equal(&sqe, want, sizeof(want));
	want[40] = 0;
	want[44] = 0x1c;
	nvmh_fabrics_property_get(&sqe, 0x1c, false);
	assert_memory_equal(&sqe, want, sizeof(want));
	want[4] = 0;
	want[44] = 0x14;
	want[48] = 0x01;
	want[50] = 0x46;
	nvmh_fabrics_property_set(&sqe, 0x14, 0x460001);
	assert_memory_equal(&sqe, want, sizeof(want));
}

static void test_host_fabrics_refusals_say_what_to_do(void **state)
{
	static const struct {
		uint16_t status;
		uint32_t dw0;
		int err;
		const char *text;
	} cases[] = {
		{ ST_CONNECT_INVALID_HOST, 0, -EACCES, "does not allow host " HOST },
		{ ST_AUTH_REQUIRED, 0, -EACCES, "DH-HMAC-CHAP" },
		{ ST_CONNECT_BUSY, 0, -EBUSY, "busy" },
		{ ST_CONNECT_RESTART_DISC, 0, -ESTALE, "discovery log again" },
		{ ST_CONNECT_FORMAT, 0, -EINVAL, "format" },
		{ ST_KATO_INVALID, 0, -EINVAL, "5000 ms" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 256, -ENOENT, "no such subsystem" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 511, -ENOENT, "no such subsystem" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 512, -EACCES, "host NQN" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 0, -EACCES, "host ID" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 16, -EINVAL, "controller ID" },
		{ ST_CONNECT_INVALID_PARAM, 44, -EINVAL, "queue size" },
		{ ST_CONNECT_INVALID_PARAM, 42, -EINVAL, "queue id" },
		{ ST_CONNECT_INVALID_PARAM, 47, -EINVAL, "byte 47 of the Connect command" },
		{ ST_CONNECT_INVALID_PARAM, 1 << 16 | 900, -EINVAL,
		  "byte 900 of the Connect data" },
		{ ST_INTERNAL, 0, -ECONNREFUSED, "006h" },
		{ ST_INTERNAL | ST_DNR | ST_MORE, 0, -ECONNREFUSED, "006h" },
	};
	struct nvmh_ctrl_opts opts = { .subnqn = SUB, .hostnqn = HOST, .kato_ms = 5000 };
	struct nvmh_connect_result result = { .cntlid = 77 };
	char text[320];
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvme_cqe cqe = {
			.dw0 = le32_make(cases[i].dw0),
			.status = le16_make((uint16_t)(cases[i].status << 1)),
		};

		assert_int_equal(nvmh_fabrics_connect_check(&cqe, 0, &opts, &result, text,
							    sizeof(text)),
				 cases[i].err);
		if (!strstr(text, cases[i].text))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].text, text);
	}
	assert_int_equal(result.cntlid, 77); /* written on success only */
}

static void test_host_fabrics_connect_answer_is_decoded(void **state)
{
	struct nvmh_ctrl_opts opts = { .subnqn = SUB, .hostnqn = HOST };
	struct nvme_cqe cqe = { .dw0 = le32_make(0x1234), .sqhd = le16_make(0xffff) };
	struct nvmh_connect_result result;
	char text[64];

	(void)state;
	assert_int_equal(nvmh_fabrics_connect_check(&cqe, 0, &opts, &result, text, sizeof(text)),
			 0);
	assert_int_equal(result.cntlid, 0x1234);
	assert_true(result.sqflow_off);
	assert_false(result.auth_required);
	cqe.dw0 = le32_make(0x1234 | 1 << 17);
	cqe.sqhd = le16_make(1);
	assert_int_equal(nvmh_fabrics_connect_check(&cqe, 0, &opts, &result, text, sizeof(text)),
			 0);
	assert_false(result.sqflow_off);
	assert_true(result.auth_required);
	cqe.dw0 = le32_make(0xffff);
	assert_int_equal(nvmh_fabrics_connect_check(&cqe, 0, &opts, &result, text, sizeof(text)),
			 -EPROTO);
}

static void test_host_fabrics_identity_goes_together(void **state)
{
	struct nvmh_ident a, b;
	uint8_t id[16] = { 42 };

	(void)state;
	/* the UUID within the NQN */
	assert_int_equal(nvmh_ident_get(HOST, NULL, &a), 0);
	assert_string_equal(a.nqn, HOST);
	assert_memory_equal(a.id, host_uuid, 16);
	/* what the caller says */
	assert_int_equal(nvmh_ident_get(HOST, id, &a), 0);
	assert_memory_equal(a.id, id, 16);
	/* derived from the NQN: the same for the same, another for another */
	assert_int_equal(nvmh_ident_get("nqn.2024-01.org.example:a", NULL, &a), 0);
	assert_int_equal(nvmh_ident_get("nqn.2024-01.org.example:a", NULL, &b), 0);
	assert_memory_equal(a.id, b.id, 16);
	assert_int_equal(nvmh_ident_get("nqn.2024-01.org.example:b", NULL, &b), 0);
	assert_memory_not_equal(a.id, b.id, 16);
	/* the system's, or one for this process: the same each time */
	assert_int_equal(nvmh_ident_get(NULL, NULL, &a), 0);
	assert_int_equal(nvmh_ident_get(NULL, NULL, &b), 0);
	assert_string_equal(a.nqn, b.nqn);
	assert_memory_equal(a.id, b.id, 16);
	assert_null(nqn_check(a.nqn, strlen(a.nqn)));
}

static void test_host_fabrics_bad_host_names_are_refused(void **state)
{
	struct nvmh_ident ident = { .nqn = "untouched" };
	char nqn[300];

	(void)state;
	memset(nqn, 'a', sizeof(nqn));
	nqn[299] = '\0';
	assert_int_equal(nvmh_ident_get("", NULL, &ident), -EINVAL);
	assert_int_equal(nvmh_ident_get(nqn, NULL, &ident), -EINVAL);
	assert_int_equal(nvmh_ident_get("nqn.2024-01.org.example:\x1b[2J", NULL, &ident), -EINVAL);
	assert_string_equal(ident.nqn, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_fabrics_connect_command_bytes),
		cmocka_unit_test(test_host_fabrics_connect_data_bytes),
		cmocka_unit_test(test_host_fabrics_connect_data_bounds_names),
		cmocka_unit_test(test_host_fabrics_property_bytes),
		cmocka_unit_test(test_host_fabrics_refusals_say_what_to_do),
		cmocka_unit_test(test_host_fabrics_connect_answer_is_decoded),
		cmocka_unit_test(test_host_fabrics_identity_goes_together),
		cmocka_unit_test(test_host_fabrics_bad_host_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
