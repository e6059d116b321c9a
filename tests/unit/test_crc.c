// SPDX-License-Identifier: BSD-2-Clause
/*
 * CRC32C: published vectors, an independent implementation, every way to cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/crc.h"
#include "common/util.h"
#include "tests/unit/pdu_wire.h"

static uint8_t buf[70000];

static void test_crc_published_vectors_match(void **state)
{
	uint8_t b[32];
	int i;

	(void)state;
	/* RFC 3720, appendix B.4; and the check value of the catalogues */
	memset(b, 0, sizeof(b));
	assert_int_equal(crc32c_digest(b, 32), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c_digest(b, 32), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	assert_int_equal(crc32c_digest(b, 32), 0x46dd794e);
	for (i = 0; i < 32; i++)
		b[i] = (uint8_t)(31 - i);
	assert_int_equal(crc32c_digest(b, 32), 0x113fdb5c);
	assert_int_equal(crc32c_digest("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_digest(NULL, 0), 0);
}

static void test_crc_every_length_and_alignment_matches_bitwise(void **state)
{
	struct rng rng = { 42 };
	size_t len, off, i;

	(void)state;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rng_next(&rng);
	for (len = 0; len < 300; len++)
		for (off = 0; off < 17; off++)
			assert_int_equal(crc32c_digest(buf + off, len),
					 wire_crc32c(buf + off, len));
	for (len = 500; len < sizeof(buf); len += len / 3)
		assert_int_equal(crc32c_digest(buf, len), wire_crc32c(buf, len));
}

static void test_crc_in_two_parts_is_that_of_the_whole(void **state)
{
	uint32_t whole = crc32c_digest(buf, 1000);
	size_t i;

	(void)state;
	for (i = 0; i <= 1000; i++) {
		uint32_t crc = crc32c_update(CRC32C_INIT, buf, i);

		assert_int_equal(crc32c_final(crc32c_update(crc, buf + i, 1000 - i)), whole);
	}
}

static void test_crc_over_iovecs_is_that_of_the_bytes(void **state)
{
	struct iovec iov[6] = { { buf, 0 },  { buf, 1 },	 { buf + 1, 99 },
				{ NULL, 0 }, { buf + 100, 400 }, { buf + 500, 500 } };
	size_t len;

	(void)state;
	for (len = 0; len <= 1000; len++)
		assert_int_equal(crc32c_final(crc32c_update_iov(CRC32C_INIT, iov, 6, len)),
				 crc32c_digest(buf, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_published_vectors_match),
		cmocka_unit_test(test_crc_every_length_and_alignment_matches_bitwise),
		cmocka_unit_test(test_crc_in_two_parts_is_that_of_the_whole),
		cmocka_unit_test(test_crc_over_iovecs_is_that_of_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
