// SPDX-License-Identifier: BSD-2-Clause
/*
 * Words of nvmetcp-perf's command line: what is read, and what is refused without a trace.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/perf_words.h"

#define S	  UINT64_C(1000000000)
#define UNTOUCHED UINT64_C(0x7777777777777777)

struct word {
	const char *text;
	uint64_t value; /* UNTOUCHED: refused */
};

static void check_words(const struct word *words, size_t nr, int (*read)(const char *, uint64_t *))
{
	size_t i;

	for (i = 0; i < nr; i++) {
		uint64_t value = UNTOUCHED;
		int ret = read(words[i].text, &value);

		if (ret != (words[i].value == UNTOUCHED ? -EINVAL : 0) || value != words[i].value)
			fail_msg("\"%s\": %d, %llu", words[i].text, ret, (unsigned long long)value);
	}
}

static void test_perf_words_sizes(void **state)
{
	static const struct word words[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "4k", 4096 },
		{ "4K", 4096 },
		{ "4kb", 4096 },
		{ "4KiB", 4096 },
		{ "512b", 512 },
		{ "1m", 1 << 20 },
		{ "3G", 3ull << 30 },
		{ "2TiB", 2ull << 40 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215t", 16777215ull << 40 },
		{ "16777216t", UNTOUCHED },
		{ "18446744073709551616", UNTOUCHED },
		{ "99999999999999999999999", UNTOUCHED },
		{ "", UNTOUCHED },
		{ "k", UNTOUCHED },
		{ "-1", UNTOUCHED },
		{ "+1", UNTOUCHED },
		{ " 1", UNTOUCHED },
		{ "1 ", UNTOUCHED },
		{ "1.5k", UNTOUCHED },
		{ "4kk", UNTOUCHED },
		{ "4ki", UNTOUCHED },
		{ "0x10", UNTOUCHED },
		{ "4 k", UNTOUCHED },
	};

	(void)state;
	check_words(words, ARRAY_SIZE(words), nvmh_perf_word_size);
}

static void test_perf_words_durations(void **state)
{
	static const struct word words[] = {
		{ "1", S },
		{ "30", 30 * S },
		{ "30s", 30 * S },
		{ "1ms", S / 1000 },
		{ "500ms", S / 2 },
		{ "2m", 120 * S },
		{ "2M", 120 * S },
		{ "1000h", 3600000 * S },
		{ "1001h", UNTOUCHED },
		{ "0", UNTOUCHED },
		{ "0ms", UNTOUCHED },
		{ "", UNTOUCHED },
		{ "s", UNTOUCHED },
		{ "-1", UNTOUCHED },
		{ "1.5", UNTOUCHED },
		{ "1d", UNTOUCHED },
		{ "18446744073709551615h", UNTOUCHED },
		{ "5124095576030431h", UNTOUCHED }, /* times an hour: a little more than 2^64 */
	};

	(void)state;
	check_words(words, ARRAY_SIZE(words), nvmh_perf_word_duration);
}

static int number_2_to_100(const char *text, uint64_t *value)
{
	return nvmh_perf_word_number(text, 2, 100, value);
}

static void test_perf_words_numbers(void **state)
{
	static const struct word words[] = {
		{ "2", 2 },
		{ "100", 100 },
		{ "0042", 42 },
		{ "1", UNTOUCHED },
		{ "101", UNTOUCHED },
		{ "", UNTOUCHED },
		{ "5k", UNTOUCHED },
		{ "-5", UNTOUCHED },
		{ "5 ", UNTOUCHED },
		{ "0x5", UNTOUCHED },
		{ "18446744073709551621", UNTOUCHED },
	};

	(void)state;
	check_words(words, ARRAY_SIZE(words), number_2_to_100);
}

static void test_perf_words_cpu_lists(void **state)
{
	static const struct {
		const char *text;
		uint16_t nr;
		uint16_t cpus[8];
	} lists[] = {
		{ "0", 1, { 0 } },
		{ "1023", 1, { 1023 } },
		{ "0-3", 4, { 0, 1, 2, 3 } },
		{ "0-1,8,3-3", 4, { 0, 1, 8, 3 } },
		{ "7,7", 2, { 7, 7 } },
	};
	uint16_t cpus[8];
	uint16_t nr;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(nvmh_perf_word_cpus(lists[i].text, cpus, 8, &nr), 0);
		assert_int_equal(nr, lists[i].nr);
		assert_memory_equal(cpus, lists[i].cpus, nr * sizeof(cpus[0]));
	}
}

static void test_perf_words_bad_cpu_lists_are_refused(void **state)
{
	static const char *const lists[] = {
		"",
		",",
		"1,",
		",1",
		"1,,2",
		"3-1",
		"1-",
		"-1",
		"a",
		"1024",
		"0-1024",
		"1-2-3",
		"1 2",
		"0-8",
		"0-7,9",
		"4294967296",
		"18446744073709551616",
	};
	uint16_t cpus[8] = { 55, 55, 55, 55, 55, 55, 55, 55 };
	uint16_t nr = 77;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (nvmh_perf_word_cpus(lists[i], cpus, 8, &nr) != -EINVAL)
			fail_msg("\"%s\" was accepted", lists[i]);
		assert_int_equal(nr, 77);
		assert_int_equal(cpus[0], 55);
	}
}

static int micros(const char *text, uint64_t *value)
{
	return nvmh_perf_word_micros(text, 100 * UINT64_C(1000000), value);
}

static void test_perf_words_decimals(void **state)
{
	static const struct word words[] = {
		{ "0", 0 },
		{ "99.9", 99900000 },
		{ "99.999999", 99999999 },
		{ "100", 100000000 },
		{ "1.0", 1000000 },
		{ "100.000001", UNTOUCHED },
		{ "1.", UNTOUCHED },
		{ ".5", UNTOUCHED },
		{ "1.0000001", UNTOUCHED },
		{ "1.5x", UNTOUCHED },
		{ "18446744073709.551616", UNTOUCHED },
		{ "18446744073709551616", UNTOUCHED },
		{ "", UNTOUCHED },
		{ "-1", UNTOUCHED },
	};

	(void)state;
	check_words(words, ARRAY_SIZE(words), micros);
}

static void test_perf_words_lists_ascend(void **state)
{
	static const char *const bad[] = {
		"", "1,", ",1", "1,1", "2,1", "1;2", "1,2,3,4", "1,101", "1,x",
	};
	uint64_t list[3] = { 7, 7, 7 };
	uint16_t nr = 9;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(nvmh_perf_word_list(bad[i], 100 * UINT64_C(1000000), list, 3, &nr),
				 -EINVAL);
		assert_int_equal(nr, 9);
		assert_int_equal(list[0], 7);
	}
	assert_int_equal(nvmh_perf_word_list("0.5:50,99.9", 100 * UINT64_C(1000000), list, 3, &nr),
			 0);
	assert_int_equal(nr, 3);
	assert_int_equal(list[0], 500000);
	assert_int_equal(list[1], 50000000);
	assert_int_equal(list[2], 99900000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perf_words_sizes),
		cmocka_unit_test(test_perf_words_durations),
		cmocka_unit_test(test_perf_words_numbers),
		cmocka_unit_test(test_perf_words_cpu_lists),
		cmocka_unit_test(test_perf_words_bad_cpu_lists_are_refused),
		cmocka_unit_test(test_perf_words_decimals),
		cmocka_unit_test(test_perf_words_lists_ascend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
