// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names of statuses, and statuses for failed system calls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/status.h"
#include "common/util.h"

static void test_status_every_value_of_ours_has_a_name(void **state)
{
	static const uint16_t ours[] = {
		ST_OK,
		ST_INVALID_OPCODE,
		ST_INVALID_FIELD,
		ST_CMDID_CONFLICT,
		ST_DATA_XFER_ERROR,
		ST_POWER_LOSS,
		ST_INTERNAL,
		ST_ABORT_REQ,
		ST_ABORT_QUEUE,
		ST_FUSED_FAIL,
		ST_FUSED_MISSING,
		ST_INVALID_NS,
		ST_CMD_SEQ_ERROR,
		ST_SGL_INVALID_LAST,
		ST_SGL_INVALID_COUNT,
		ST_SGL_INVALID_DATA,
		ST_SGL_INVALID_TYPE,
		ST_SGL_INVALID_OFFSET,
		ST_HOSTID_INCONSISTENT,
		ST_KATO_EXPIRED,
		ST_KATO_INVALID,
		ST_CMD_INTERRUPTED,
		ST_TRANSIENT_TRANSPORT,
		ST_LBA_RANGE,
		ST_CAP_EXCEEDED,
		ST_NS_NOT_READY,
		ST_RESERVATION_CONFLICT,
		ST_INVALID_QID,
		ST_INVALID_QUEUE_SIZE,
		ST_ABORT_LIMIT,
		ST_AER_LIMIT,
		ST_INVALID_LOG_PAGE,
		ST_INVALID_FORMAT,
		ST_FEATURE_NOT_SAVEABLE,
		ST_FEATURE_NOT_CHANGEABLE,
		ST_FEATURE_NOT_PER_NS,
		ST_CONNECT_FORMAT,
		ST_CONNECT_BUSY,
		ST_CONNECT_INVALID_PARAM,
		ST_CONNECT_RESTART_DISC,
		ST_CONNECT_INVALID_HOST,
		ST_DISCONNECT_INVALID_QTYPE,
		ST_DISCOVERY_RESTART,
		ST_AUTH_REQUIRED,
		ST_CONFLICTING_ATTRS,
		ST_INVALID_PI,
		ST_READ_ONLY_RANGE,
		ST_WRITE_FAULT,
		ST_READ_ERROR,
		ST_COMPARE_FAILED,
		ST_ACCESS_DENIED,
		ST_PATH_INTERNAL,
		ST_ANA_PERSISTENT_LOSS,
		ST_ANA_INACCESSIBLE,
		ST_ANA_TRANSITION,
		ST_HOST_PATH_ERROR,
		ST_HOST_ABORTED,
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ours); i++)
		assert_string_not_equal(status_str(ours[i]), "Unknown status");
}

static void test_status_str_ignores_retry_bits(void **state)
{
	(void)state;
	assert_string_equal(status_str(ST_LBA_RANGE), "LBA Out of Range");
	assert_string_equal(status_str(ST_LBA_RANGE | ST_DNR | ST_MORE | 3 << ST_CRD_SHIFT),
			    "LBA Out of Range");
	assert_string_equal(status_str(0x8000), "Successful Completion");
}

/* Also shows that the table is in order: each of its names is found by its own value only. */
static void test_status_str_is_consistent_over_all_values(void **state)
{
	unsigned int named = 0;
	unsigned int st;

	(void)state;
	for (st = 0; st <= ST_MASK; st++) {
		assert_non_null(status_str((uint16_t)st));
		named += strcmp(status_str((uint16_t)st), "Unknown status") != 0;
	}
	assert_int_equal(named, 122);
	assert_string_equal(status_str(0x017), "Unknown status");
	assert_string_equal(status_str(0x7ff), "Unknown status");
	assert_string_equal(status_str(0x371), "Command Aborted By Host");
}

static void test_status_from_errno_tells_what_the_host_can_act_on(void **state)
{
	static const struct {
		int err, write;
		uint16_t status;
	} cases[] = {
		{ 0, 0, ST_OK },
		{ 0, 1, ST_OK },
		{ -ENOSPC, 1, ST_CAP_EXCEEDED },
		{ -EDQUOT, 1, ST_CAP_EXCEEDED },
		{ -EAGAIN, 0, ST_NS_NOT_READY },
		{ -ENOMEM, 1, ST_NS_NOT_READY },
		{ -ENOTSUP, 1, ST_INVALID_OPCODE | ST_DNR },
		{ -EOPNOTSUPP, 0, ST_INVALID_OPCODE | ST_DNR },
		{ -EIO, 0, ST_READ_ERROR },
		{ -EIO, 1, ST_WRITE_FAULT },
		{ -EINVAL, 0, ST_READ_ERROR },
		{ -ENODEV, 1, ST_WRITE_FAULT },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(status_from_errno(cases[i].err, cases[i].write), cases[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_every_value_of_ours_has_a_name),
		cmocka_unit_test(test_status_str_ignores_retry_bits),
		cmocka_unit_test(test_status_str_is_consistent_over_all_values),
		cmocka_unit_test(test_status_from_errno_tells_what_the_host_can_act_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
