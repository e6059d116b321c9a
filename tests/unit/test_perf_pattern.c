// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pattern of --verify: what is found, and by what name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "host/perf_pattern.h"

enum {
	SIZE = 512,
	LBA = 1000,
	GEN = 3,
};

#define RUN UINT64_C(0x1122334455667788)

static _Alignas(8) uint8_t block[4096];

static int fill(void **state)
{
	(void)state;
	nvmh_perf_pattern_fill(block, SIZE, LBA, RUN, GEN);
	return 0;
}

static void test_perf_pattern_what_was_written_is_good(void **state)
{
	struct perf_bad bad;

	(void)state;
	assert_true(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN, GEN, &bad));
	nvmh_perf_pattern_fill(block, sizeof(block), UINT64_MAX, 0, UINT64_MAX);
	assert_true(nvmh_perf_pattern_check(block, sizeof(block), UINT64_MAX, 0, UINT64_MAX,
					    UINT64_MAX, &bad));
}

static void test_perf_pattern_every_changed_bit_is_found(void **state)
{
	struct perf_bad bad;
	uint32_t bit;

	(void)state;
	for (bit = 0; bit < SIZE * 8; bit++) {
		block[bit / 8] ^= 1 << bit % 8;
		assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN, GEN, &bad));
		assert_int_equal(bad.lba, LBA);
		if (bit / 8 >= sizeof(struct perf_pattern)) {
			assert_int_equal(bad.what, PERF_BAD_BYTE);
			assert_int_equal(bad.off, bit / 8);
			assert_int_equal(bad.got, block[bit / 8]);
			assert_int_equal(bad.want ^ bad.got, 1 << bit % 8);
		}
		/* a reader that knows neither the run nor the writing finds it as well */
		assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, 0, 0, 0, &bad));
		block[bit / 8] ^= 1 << bit % 8;
	}
}

static void test_perf_pattern_other_blocks_runs_and_writings_are_told_apart(void **state)
{
	static const struct {
		uint64_t lba, run, gen;
		int what;
		const char *text;
	} cases[] = {
		{ LBA + 1, RUN, GEN, PERF_BAD_LBA,
		  "block 1001 holds what was written to block 1000" },
		{ LBA, RUN + 1, GEN, PERF_BAD_RUN, "block 1000 holds what another run wrote" },
		{ LBA, RUN, GEN + 1, PERF_BAD_GEN,
		  "block 1000 holds write 3 to it, expected write 4" },
	};
	struct perf_bad bad;
	char text[160];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_false(nvmh_perf_pattern_check(block, SIZE, cases[i].lba, cases[i].run,
						     cases[i].gen, cases[i].gen, &bad));
		assert_int_equal(bad.what, cases[i].what);
		assert_string_equal(nvmh_perf_bad_text(&bad, text, sizeof(text)), cases[i].text);
	}
	assert_true(nvmh_perf_pattern_check(block, SIZE, LBA, RUN + 1, 0, 0, &bad));
	memset(block, 0, SIZE);
	assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, 0, 0, &bad));
	assert_string_equal(nvmh_perf_bad_text(&bad, text, sizeof(text)),
			    "block 1000 was not written by --verify");
}

static void test_perf_pattern_text_names_the_byte(void **state)
{
	struct perf_bad bad;
	char text[160];
	char expected[160];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "block 1000 differs at byte 100: %02xh, expected %02xh", block[100] ^ 0xffu,
		 block[100]);
	block[100] ^= 0xff;
	assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN, GEN, &bad));
	assert_string_equal(nvmh_perf_bad_text(&bad, text, sizeof(text)), expected);
}

static void test_perf_pattern_block_of_two_writings_is_torn(void **state)
{
	static uint8_t other[SIZE];
	struct perf_bad bad;
	char text[200];
	uint32_t cut;

	(void)state;
	for (cut = sizeof(struct perf_pattern); cut < SIZE; cut += 8) {
		nvmh_perf_pattern_fill(block, SIZE, LBA, RUN, GEN);
		nvmh_perf_pattern_fill(other, SIZE, LBA, RUN, GEN - 1);
		memcpy(block + cut, other + cut, SIZE - cut);
		assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN, GEN, &bad));
		assert_int_equal(bad.what, PERF_BAD_TORN);
		assert_int_equal(bad.off, cut);
		assert_int_equal(bad.want, GEN);
		assert_int_equal(bad.got, GEN - 1);
	}
	assert_string_equal(
		nvmh_perf_bad_text(&bad, text, sizeof(text)),
		"block 1000 is torn: write 3 to it begins it, from byte 504 on it is write 2");
}

static void test_perf_pattern_range_of_writings(void **state)
{
	struct perf_bad bad;

	(void)state;
	assert_true(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN, GEN + 2, &bad));
	assert_true(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN - 2, GEN, &bad));
	/* a write that overtook later ones */
	assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN + 1, GEN + 2, &bad));
	assert_int_equal(bad.what, PERF_BAD_GEN);
	assert_int_equal(bad.want, GEN + 1);
	assert_int_equal(bad.got, GEN);
	assert_false(nvmh_perf_pattern_check(block, SIZE, LBA, RUN, GEN - 2, GEN - 1, &bad));
	assert_int_equal(bad.want, GEN - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_perf_pattern_what_was_written_is_good, fill),
		cmocka_unit_test_setup(test_perf_pattern_every_changed_bit_is_found, fill),
		cmocka_unit_test_setup(
			test_perf_pattern_other_blocks_runs_and_writings_are_told_apart, fill),
		cmocka_unit_test_setup(test_perf_pattern_text_names_the_byte, fill),
		cmocka_unit_test_setup(test_perf_pattern_block_of_two_writings_is_torn, fill),
		cmocka_unit_test_setup(test_perf_pattern_range_of_writings, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
