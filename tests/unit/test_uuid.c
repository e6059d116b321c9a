// SPDX-License-Identifier: BSD-2-Clause
/*
 * UUIDs and NGUIDs: text both ways, name-based values against another implementation's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/util.h"
#include "common/uuid.h"

static const uint8_t dns_space[16] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
				       0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static void test_uuid_text_of_either_case_reads_and_writes_lower(void **state)
{
	char text[UUID_TEXT];
	uint8_t uuid[16];

	(void)state;
	assert_int_equal(uuid_from_text("6ba7b810-9dad-11d1-80b4-00c04fd430c8", uuid), 0);
	assert_memory_equal(uuid, dns_space, 16);
	memset(uuid, 0, sizeof(uuid));
	assert_true(uuid_is_zero(uuid));
	assert_int_equal(uuid_from_text("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", uuid), 0);
	assert_memory_equal(uuid, dns_space, 16);
	assert_false(uuid_is_zero(uuid));
	assert_string_equal(uuid_to_text(uuid, text), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
}

static void test_uuid_malformed_text_is_refused_and_nothing_written(void **state)
{
	static const char *const wrong[] = {
		"",
		"6",
		"6ba7b810",
		"6ba7b8109dad11d180b400c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c81",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8 ",
		" 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
		"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
		"6ba7b810-9dad-11d1-80b4_00c04fd430c8",
		"6ba7b81-09dad-11d1-80b4-00c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430cg",
		"6ba7b810-9dad-11d1-80b4-00c04fd430-8",
		"+ba7b810-9dad-11d1-80b4-00c04fd430c8",
	};
	uint8_t uuid[16];
	size_t i;

	(void)state;
	memset(uuid, 0x5a, sizeof(uuid));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (uuid_from_text(wrong[i], uuid) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_int_equal(uuid[0], 0x5a);
		assert_int_equal(uuid[15], 0x5a);
	}
}

static void test_nguid_text_with_and_without_dashes(void **state)
{
	char text[NGUID_TEXT];
	uint8_t nguid[16];

	(void)state;
	assert_int_equal(nguid_from_text("6ba7b8109dad11d180b400c04FD430C8", nguid), 0);
	assert_memory_equal(nguid, dns_space, 16);
	memset(nguid, 0, sizeof(nguid));
	assert_int_equal(nguid_from_text("6ba7b810-9dad-11d1-80b4-00c04fd430c8", nguid), 0);
	assert_memory_equal(nguid, dns_space, 16);
	assert_string_equal(nguid_to_text(nguid, text), "6ba7b8109dad11d180b400c04fd430c8");
	assert_int_equal(nguid_from_text("6ba7b8109dad11d180b400c04fd430c", nguid), -EINVAL);
	assert_int_equal(nguid_from_text("6ba7b8109dad11d180b400c04fd430c80", nguid), -EINVAL);
	assert_int_equal(nguid_from_text("6ba7b8109dad-11d1-80b4-00c04fd430c8", nguid), -EINVAL);
}

static void test_uuid_from_name_is_version_5(void **state)
{
	char text[UUID_TEXT];
	uint8_t uuid[16];

	(void)state;
	assert_int_equal(uuid_from_name(dns_space, "www.example.com", 15, uuid), 0);
	assert_string_equal(uuid_to_text(uuid, text), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	assert_int_equal(uuid_from_name(dns_space, "", 0, uuid), 0);
	assert_string_equal(uuid_to_text(uuid, text), "4ebd0208-8328-5d69-8c44-ec50939c0967");
	/* in place */
	memcpy(uuid, dns_space, 16);
	assert_int_equal(uuid_from_name(uuid, "www.example.com", 15, uuid), 0);
	assert_string_equal(uuid_to_text(uuid, text), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuid_text_of_either_case_reads_and_writes_lower),
		cmocka_unit_test(test_uuid_malformed_text_is_refused_and_nothing_written),
		cmocka_unit_test(test_nguid_text_with_and_without_dashes),
		cmocka_unit_test(test_uuid_from_name_is_version_5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
