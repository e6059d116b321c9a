// SPDX-License-Identifier: BSD-2-Clause
/*
 * The latency histogram: buckets without gaps, errors within the bound, quantiles against sorting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_random.h"

enum {
	NR_VALUES = 20000,
};

static struct perf_hist hist;

static void test_perf_hist_buckets_follow_each_other_without_gaps(void **state)
{
	uint32_t i;

	(void)state;
	assert_int_equal(nvmh_perf_hist_first(0), 0);
	for (i = 0; i < PERF_HIST_BUCKETS; i++) {
		uint64_t first = nvmh_perf_hist_first(i);
		uint64_t last = nvmh_perf_hist_last(i);

		assert_true(first <= last);
		assert_int_equal(perf_hist_index(first), i);
		assert_int_equal(perf_hist_index(last), i);
		if (i + 1 < PERF_HIST_BUCKETS)
			assert_true(nvmh_perf_hist_first(i + 1) == last + 1);
		/* the bound on the error */
		assert_true((last - first) * 64 <= first);
	}
}

static void test_perf_hist_huge_values_count_in_the_last_bucket(void **state)
{
	static const uint64_t values[] = { UINT64_C(1) << PERF_HIST_TOP_BITS, UINT64_MAX / 2,
					   UINT64_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(values); i++)
		assert_int_equal(perf_hist_index(values[i]), PERF_HIST_BUCKETS - 1);
	nvmh_perf_hist_init(&hist);
	perf_hist_add(&hist, UINT64_C(1) << 50);
	assert_true(nvmh_perf_hist_quantile(&hist, 50 * PERF_PERCENT) == UINT64_C(1) << 50);
}

static void test_perf_hist_empty_has_no_quantiles(void **state)
{
	(void)state;
	nvmh_perf_hist_init(&hist);
	assert_int_equal(nvmh_perf_hist_quantile(&hist, 50 * PERF_PERCENT), 0);
	assert_int_equal(hist.nr, 0);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_quantiles(const uint64_t *sorted, size_t nr)
{
	static const uint32_t quantiles[] = { 0,	1,	  1000,	    1000000,
					      25000000, 50000000, 90000000, 99000000,
					      99900000, 99999900, 100000000 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(quantiles); i++) {
		size_t rank = max_of((quantiles[i] * nr + 99999999) / 100000000, (size_t)1);
		uint64_t exact = sorted[rank - 1];
		uint64_t got = nvmh_perf_hist_quantile(&hist, quantiles[i]);

		assert_true(got >= exact);
		assert_true(got - exact <= exact / 64);
	}
}

static void test_perf_hist_quantiles_are_those_of_the_sorted_values(void **state)
{
	static const size_t counts[] = { 1, 2, 3, 99, 100, 101, 1000, NR_VALUES };
	static uint64_t values[NR_VALUES];
	uint64_t seed = clock_now_ns();
	size_t c, i;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (c = 0; c < ARRAY_SIZE(counts); c++) {
		uint64_t sum = 0;

		nvmh_perf_hist_init(&hist);
		for (i = 0; i < counts[c]; i++) {
			/* all orders of magnitude */
			values[i] = perf_random(&seed) >> perf_random_below(&seed, 64);
			values[i] &= (UINT64_C(1) << PERF_HIST_TOP_BITS) - 1;
			perf_hist_add(&hist, values[i]);
			sum += values[i];
		}
		qsort(values, counts[c], sizeof(values[0]), compare);
		assert_int_equal(hist.nr, counts[c]);
		assert_true(hist.sum == sum);
		assert_true(hist.min == values[0]);
		assert_true(hist.max == values[counts[c] - 1]);
		check_quantiles(values, counts[c]);
	}
}

/* The values 1 to 100, each in a bucket of its own: the smallest that so many do not exceed. */
static void test_perf_hist_quantiles_of_a_hundred_values_are_exact(void **state)
{
	static const struct {
		uint32_t rank;
		uint64_t value;
	} cases[] = {
		{ 0, 1 },	   { 1, 1 },	      { 1000000, 1 },	  { 1000001, 2 },
		{ 50000000, 50 },  { 50000001, 51 },  { 98999999, 99 },	  { 99000000, 99 },
		{ 99000001, 100 }, { 99999999, 100 }, { 100000000, 100 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	nvmh_perf_hist_init(&hist);
	for (v = 1; v <= 100; v++)
		perf_hist_add(&hist, v);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(nvmh_perf_hist_quantile(&hist, cases[i].rank), cases[i].value);
}

static void test_perf_hist_merge_is_the_same_as_adding_all(void **state)
{
	static struct perf_hist parts[3];
	static struct perf_hist all;
	uint64_t seed = 1;
	int i;

	(void)state;
	nvmh_perf_hist_init(&all);
	for (i = 0; i < 3; i++)
		nvmh_perf_hist_init(&parts[i]);
	for (i = 0; i < 1000; i++) {
		uint64_t v = perf_random_below(&seed, 1 << 20);

		perf_hist_add(&parts[i % 2], v); /* the third stays empty */
		perf_hist_add(&all, v);
	}
	nvmh_perf_hist_init(&hist);
	for (i = 0; i < 3; i++)
		nvmh_perf_hist_merge(&hist, &parts[i]);
	assert_memory_equal(&hist, &all, sizeof(hist));
}

static void test_perf_hist_mean_and_deviation_are_exact(void **state)
{
	static const uint64_t values[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
	const uint64_t big = UINT64_C(1) << 62;
	size_t i;

	(void)state;
	nvmh_perf_hist_init(&hist);
	assert_true(nvmh_perf_hist_mean(&hist) == 0 && nvmh_perf_hist_stdev(&hist) == 0);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		perf_hist_add(&hist, values[i]);
	assert_true(nvmh_perf_hist_mean(&hist) == 5);
	assert_true(nvmh_perf_hist_stdev(&hist) == 2);
	/* a small deviation of large values does not vanish in the rounding */
	nvmh_perf_hist_init(&hist);
	for (i = 0; i < 1000; i++)
		perf_hist_add(&hist, UINT64_C(1000000000000) + i % 2 * 2);
	assert_true(nvmh_perf_hist_stdev(&hist) == 1);
	/* beyond what products of sums fit into */
	nvmh_perf_hist_init(&hist);
	for (i = 0; i < 2; i++)
		perf_hist_add(&hist, i * big);
	assert_true(nvmh_perf_hist_stdev(&hist) > 0.99 * (double)(big / 2));
	assert_true(nvmh_perf_hist_stdev(&hist) < 1.01 * (double)(big / 2));
}

static void test_perf_hist_share_counts_what_is_below(void **state)
{
	uint64_t v;

	(void)state;
	nvmh_perf_hist_init(&hist);
	assert_true(nvmh_perf_hist_share(&hist, 100) == 0);
	for (v = 0; v < 100; v++)
		perf_hist_add(&hist, v);
	assert_true(nvmh_perf_hist_share(&hist, 0) == 0);
	assert_true(nvmh_perf_hist_share(&hist, 25) == 0.25);
	assert_true(nvmh_perf_hist_share(&hist, 100) == 1);
	assert_true(nvmh_perf_hist_share(&hist, UINT64_MAX) == 1);
}

static void test_perf_random_below_reaches_every_value_and_no_other(void **state)
{
	uint64_t seed = 7, hits[5] = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		uint64_t v = perf_random_below(&seed, 5);

		assert_true(v < 5);
		hits[v]++;
	}
	for (i = 0; i < 5; i++)
		assert_in_range(hits[i], 800, 1200);
}

static void test_perf_clock_ticks_and_nanoseconds_agree(void **state)
{
	static const uint64_t ns[] = { 0, 1000, 1000000, 3600 * UINT64_C(1000000000),
				       UINT64_C(1) << 53 };
	struct perf_clock clock;
	uint64_t before, after;
	size_t i;

	(void)state;
	nvmh_perf_clock_init(&clock);
	before = perf_ticks(&clock);
	after = perf_ticks(&clock);
	assert_true(after >= before);
	for (i = 0; i < ARRAY_SIZE(ns); i++) {
		uint64_t back = perf_ticks_to_ns(&clock, perf_ns_to_ticks(&clock, ns[i]));

		assert_true(back <= ns[i] && ns[i] - back <= 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perf_hist_buckets_follow_each_other_without_gaps),
		cmocka_unit_test(test_perf_hist_huge_values_count_in_the_last_bucket),
		cmocka_unit_test(test_perf_hist_empty_has_no_quantiles),
		cmocka_unit_test(test_perf_hist_quantiles_are_those_of_the_sorted_values),
		cmocka_unit_test(test_perf_hist_quantiles_of_a_hundred_values_are_exact),
		cmocka_unit_test(test_perf_hist_merge_is_the_same_as_adding_all),
		cmocka_unit_test(test_perf_hist_mean_and_deviation_are_exact),
		cmocka_unit_test(test_perf_hist_share_counts_what_is_below),
		cmocka_unit_test(test_perf_random_below_reaches_every_value_and_no_other),
		cmocka_unit_test(test_perf_clock_ticks_and_nanoseconds_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
