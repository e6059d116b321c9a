// SPDX-License-Identifier: BSD-2-Clause
/*
 * NVMe Qualified Names: what we give, what peers may come with.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/nqn.h"
#include "common/nvme.h"
#include "common/util.h"

#define UUID_NQN NQN_UUID_PREFIX "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

static void test_nqn_names_seen_in_the_field_are_valid(void **state)
{
	static const char *const good[] = {
		NQN_DISCOVERY,
		UUID_NQN,
		"nqn.2014-08.org.nvmexpress:uuid:6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
		"nqn.2016-06.io.spdk:cnode1",
		"nqn.1988-11.com.dell:powerstore:00:abc",
		"nqn.2014.08.org.nvmexpress:80868086SERIAL MODEL", /* Linux makes these up */
		"nqn.2014-08.org.nvmexpress:NVMf:uuid:anything",
		"nqn.2014-08.localnet:nvme:host-1",
		"nqn.2024-12.com.example",
		"nqn.2024-12.a:",
		"nqn.2024-01.com.example:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		"nqn.2024-01.com.ex\xc3\xa9mple:x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		const char *why = nqn_check(good[i], strlen(good[i]));

		if (why)
			fail_msg("\"%s\" %s", good[i], why);
		assert_true(nqn_is_text(good[i], strlen(good[i])));
	}
	assert_string_equal(NQN_DISCOVERY, NVME_DISC_SUBSYS_NAME);
}

static void test_nqn_invalid_names_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *nqn, *part;
	} wrong[] = {
		{ "", "empty" },
		{ "nqn", "begin" },
		{ "iqn.2014-08.org.example", "begin" },
		{ "NQN.2014-08.org.example", "begin" },
		{ "nqn.", "date" },
		{ "nqn.2014", "date" },
		{ "nqn.2014-08", "date" },
		{ "nqn.2014-08:x", "date" },
		{ "nqn.2014-00.org.example", "date" },
		{ "nqn.2014-13.org.example", "date" },
		{ "nqn.2014-8.org.example", "date" },
		{ "nqn.14-08.org.example", "date" },
		{ "nqn.2o14-08.org.example", "date" },
		{ "nqn.2014-08.", "domain" },
		{ "nqn.2014-08.:x", "domain" },
		{ "nqn.2014-08..org:x", "domain" },
		{ "nqn.2014-08.org.:x", "domain" },
		{ "nqn.2014-08.org..x:x", "domain" },
		{ "nqn.2014-08.org example:x", "domain" },
		{ "nqn.2014-08.org/example:x", "domain" },
		{ "nqn.2014-08.org.nvmexpress:uuid:", "UUID" },
		{ "nqn.2014-08.org.nvmexpress:uuid:6ba7b810", "UUID" },
		{ "nqn.2014-08.org.nvmexpress:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430cx", "UUID" },
		{ "nqn.2014-08.org.nvmexpress:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8x", "UUID" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *why = nqn_check(wrong[i].nqn, strlen(wrong[i].nqn));

		if (!why || !strstr(why, wrong[i].part))
			fail_msg("\"%s\" %s", wrong[i].nqn, why ? why : "was taken");
	}
}

static void test_nqn_control_characters_and_broken_utf8_are_refused(void **state)
{
	static const char *const wrong[] = {
		"\x01",
		"\t",
		"\n",
		"\x1b[31m",
		"\x7f",
		"\xc2\x80",
		"\xc2\x9f",
		"\x80",
		"\xbf",
		"\xc3",
		"\xc3(",
		"\xe2\x82",
		"\xe2(\xac",
		"\xe2\x82(",
		"\xf0\x9f\x98",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
	};
	char nqn[64];
	char *end;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		int len = snprintf(nqn, sizeof(nqn), "nqn.2024-01.com.example:%sx", wrong[i]);

		if (nqn_is_text(nqn, (size_t)len) || !nqn_check(nqn, (size_t)len))
			fail_msg("number %zu was taken", i);
		/* at the very end nothing is read beyond: a sanitizer watches */
		end = malloc((size_t)len - 1);
		assert_non_null(end);
		memcpy(end, nqn, (size_t)len - 1);
		assert_false(nqn_is_text(end, (size_t)len - 1));
		free(end);
	}
	assert_true(nqn_is_text("a\xc3\xa9", 3));
	assert_false(nqn_is_text("a\xc3\xa9", 2));
	assert_false(nqn_is_text("\xf0\x9f\x98\x80", 3));
	assert_false(nqn_is_text("nqn.2024-01.com.example:a\0b", 27));
	assert_true(nqn_is_text("nqn.2024-01.com.example:a", 25));
	assert_true(nqn_is_text("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xee\x80\x80\xf4\x8f\xbf\xbf", 14));
}

static void test_nqn_length_ends_at_223(void **state)
{
	char nqn[300];

	(void)state;
	memset(nqn, 'x', sizeof(nqn));
	memcpy(nqn, "nqn.2024-01.com.example:", 24);
	assert_null(nqn_check(nqn, 223));
	assert_non_null(nqn_check(nqn, 224));
	assert_true(nqn_is_text(nqn, 223));
	assert_false(nqn_is_text(nqn, 224));
	assert_false(nqn_is_text(nqn, 0));
}

static void test_nqn_field_needs_a_nul_within_its_first_224_bytes(void **state)
{
	char field[256];
	char nqn[MAX_NQN_BYTES];
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(field); len++) {
		bool good = len >= 1 && len <= 223;

		memset(field, 'h', len);
		memset(field + len, 0, sizeof(field) - len);
		if (len + 1 < sizeof(field))
			memset(field + len + 1, 0xff, sizeof(field) - len - 1);
		memset(nqn, 'q', sizeof(nqn));
		assert_int_equal(nqn_from_field(field, sizeof(field), nqn), good ? 0 : -EINVAL);
		if (good)
			assert_int_equal(strlen(nqn), len);
		else
			assert_int_equal(nqn[0], 'q');
	}
	/* a short field that nobody terminated */
	assert_int_equal(nqn_from_field("abc", 3, nqn), -EINVAL);
	assert_int_equal(nqn_from_field("abc", 4, nqn), 0);
	assert_string_equal(nqn, "abc");
	assert_int_equal(nqn_from_field("a\nc", 4, nqn), -EINVAL);
}

static void test_nqn_of_a_uuid_goes_both_ways(void **state)
{
	char nqn[MAX_NQN_BYTES];
	uint8_t uuid[UUID_BYTES];

	(void)state;
	assert_int_equal(nqn_to_uuid(UUID_NQN, uuid), 0);
	assert_string_equal(nqn_from_uuid(uuid, nqn), UUID_NQN);
	assert_int_equal(nqn_to_uuid("nqn.2016-06.io.spdk:cnode1", uuid), -EINVAL);
	assert_int_equal(nqn_to_uuid(UUID_NQN "0", uuid), -EINVAL);
	assert_int_equal(nqn_to_uuid(NQN_UUID_PREFIX, uuid), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nqn_names_seen_in_the_field_are_valid),
		cmocka_unit_test(test_nqn_invalid_names_are_refused_with_a_reason),
		cmocka_unit_test(test_nqn_control_characters_and_broken_utf8_are_refused),
		cmocka_unit_test(test_nqn_length_ends_at_223),
		cmocka_unit_test(test_nqn_field_needs_a_nul_within_its_first_224_bytes),
		cmocka_unit_test(test_nqn_of_a_uuid_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
