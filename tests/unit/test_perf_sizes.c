// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sizes of I/Os and Zipf's distribution: what is read, and how often each comes.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/perf_sizes.h"
#include "host/perf_zipf.h"

enum {
	DRAWS = 200000,
};

static uint64_t seed = 42;

static void test_perf_sizes_errors_write_nothing(void **state)
{
	static const char *const one[] = { "", "0", "511", "1000", "32m", "4k-8k", "4k/50", "k" };
	static const char *const range[] = { "",      "4k",	"4k-",	     "-4k",
					     "8k-4k", "4k-32m", "4k-8k-16k", "100-4k" };
	static const char *const split[] = { "",
					     "4k/50",
					     "4k/101",
					     "4k/60:8k/50",
					     "4k:",
					     ":4k",
					     "4k/50:8k/49",
					     "4k/x:8k",
					     "1000/50:8k",
					     "1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k:1k",
					     "123456789012345678901234567890123/50:8k" };
	const struct perf_sizes before = { .min = 7, .max = 7 };
	struct perf_sizes s = before;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(one); i++)
		assert_int_equal(nvmh_perf_sizes_one(one[i], &s), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(range); i++)
		assert_int_equal(nvmh_perf_sizes_range(range[i], &s), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(split); i++) {
		if (nvmh_perf_sizes_split(split[i], &s) != -EINVAL)
			fail_msg("\"%s\" was taken", split[i]);
	}
	assert_memory_equal(&s, &before, sizeof(s));
}

static void test_perf_sizes_range_is_of_all_multiples(void **state)
{
	struct perf_sizes s;
	uint32_t hits[5] = { 0 };
	int i;

	(void)state;
	assert_int_equal(nvmh_perf_sizes_range("4k-18k", &s), 0);
	assert_int_equal(s.min, 4096);
	assert_int_equal(s.max, 16384);
	for (i = 0; i < DRAWS; i++) {
		uint32_t bytes = perf_sizes_pick(&s, &seed);

		assert_int_equal(bytes % 4096, 0);
		assert_in_range(bytes, 4096, 16384);
		hits[bytes / 4096]++;
	}
	for (i = 1; i <= 4; i++)
		assert_in_range(hits[i], DRAWS / 4 - 2000, DRAWS / 4 + 2000);
	assert_true(nvmh_perf_sizes_mean(&s) == 10240);
}

static void test_perf_sizes_split_has_its_shares(void **state)
{
	struct perf_sizes s;
	uint32_t hits[3] = { 0 };
	int i;

	(void)state;
	/* what has no share takes what is left; a share of nothing never comes */
	assert_int_equal(nvmh_perf_sizes_split("4k/60:64k/:1m/0:512", &s), 0);
	assert_int_equal(s.min, 512);
	assert_int_equal(s.max, 1 << 20);
	assert_int_equal(nvmh_perf_sizes_gcd(&s, 0), 512);
	for (i = 0; i < DRAWS; i++) {
		uint32_t bytes = perf_sizes_pick(&s, &seed);

		assert_true(bytes == 4096 || bytes == 65536 || bytes == 512);
		hits[bytes == 4096 ? 0 : bytes == 65536 ? 1 : 2]++;
	}
	assert_in_range(hits[0], DRAWS * 59 / 100, DRAWS * 61 / 100);
	assert_in_range(hits[1], DRAWS * 19 / 100, DRAWS * 21 / 100);
	assert_in_range(hits[2], DRAWS * 19 / 100, DRAWS * 21 / 100);
}

/* Each rank's share against 1 / k^theta, within five standard deviations. */
static void check_zipf(uint64_t n, double theta)
{
	static uint32_t hits[1000];
	struct perf_zipf z;
	double sum = 0;
	uint64_t k;
	int i;

	memset(hits, 0, sizeof(hits));
	nvmh_perf_zipf_init(&z, n, theta);
	for (i = 0; i < DRAWS; i++) {
		uint64_t rank = nvmh_perf_zipf_rank(&z, &seed);

		assert_true(rank < n);
		hits[rank]++;
	}
	for (k = 1; k <= n; k++)
		sum += pow((double)k, -theta);
	for (k = 1; k <= n && k <= 20; k++) {
		double p = pow((double)k, -theta) / sum;
		double want = p * DRAWS, deviation = sqrt(want * (1 - p));

		if (fabs(hits[k - 1] - want) > 5 * deviation + 1)
			fail_msg("theta %g: rank %d: %u, expected %.0f", theta, (int)k, hits[k - 1],
				 want);
	}
}

static void test_perf_zipf_ranks_follow_the_law(void **state)
{
	static const double thetas[] = { 0.5, 0.99, 1, 1.2, 2, 10 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(thetas); i++)
		check_zipf(1000, thetas[i]);
	check_zipf(1, 1.2);
	check_zipf(2, 1.2);
}

static void test_perf_zipf_huge_namespaces_stay_in_bounds(void **state)
{
	static const uint64_t sizes[] = { UINT64_C(1) << 40, UINT64_C(1) << 63 };
	struct perf_zipf z;
	size_t s;
	int i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		nvmh_perf_zipf_init(&z, sizes[s], 0.1);
		for (i = 0; i < 10000; i++) {
			assert_true(nvmh_perf_zipf_rank(&z, &seed) < sizes[s]);
			assert_true(nvmh_perf_zipf_place(&z, &seed) < sizes[s]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perf_sizes_errors_write_nothing),
		cmocka_unit_test(test_perf_sizes_range_is_of_all_multiples),
		cmocka_unit_test(test_perf_sizes_split_has_its_shares),
		cmocka_unit_test(test_perf_zipf_ranks_follow_the_law),
		cmocka_unit_test(test_perf_zipf_huge_namespaces_stay_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
