// SPDX-License-Identifier: BSD-2-Clause
/*
 * Histogram of latencies: what is done once, after a run. Any thread.
 */
#include "host/perf_hist.h"

#include <math.h>
#include <string.h>

#include "common/util.h"

enum {
	SUB = 1 << PERF_HIST_SUB_BITS,
};

void nvmh_perf_hist_init(struct perf_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void nvmh_perf_hist_merge(struct perf_hist *to, const struct perf_hist *from)
{
	uint32_t i;

	to->nr += from->nr;
	to->sum += from->sum;
	to->sum_sq += from->sum_sq;
	to->min = min_of(to->min, from->min);
	to->max = max_of(to->max, from->max);
	for (i = 0; i < PERF_HIST_BUCKETS; i++)
		to->count[i] += from->count[i];
}

uint64_t nvmh_perf_hist_first(uint32_t index)
{
	uint32_t shift = index < 2 * SUB ? 0 : (index >> PERF_HIST_SUB_BITS) - 1;

	return (uint64_t)(index - (shift << PERF_HIST_SUB_BITS)) << shift;
}

uint64_t nvmh_perf_hist_last(uint32_t index)
{
	return nvmh_perf_hist_first(index + 1) - 1;
}

double nvmh_perf_hist_mean(const struct perf_hist *h)
{
	return h->nr ? (double)h->sum / (double)h->nr : 0;
}

double nvmh_perf_hist_stdev(const struct perf_hist *h)
{
	unsigned __int128 sum = h->sum, nr = h->nr;
	long double n = (long double)h->nr;

	/* nr * sum_sq - sum^2 is exact where it fits, and never negative; beyond, the values are so
	 * large that the last digits do not matter */
	if (!h->nr)
		return 0;
	if (h->sum_sq <= ~(unsigned __int128)0 / nr)
		return (double)(sqrtl((long double)(nr * h->sum_sq - sum * sum)) / n);
	return (double)sqrtl(
		fmaxl((long double)h->sum_sq / n - powl((long double)h->sum / n, 2), 0));
}

uint64_t nvmh_perf_hist_quantile(const struct perf_hist *h, uint32_t rank)
{
	uint64_t nth, seen = 0;
	uint32_t i;

	if (!h->nr)
		return 0;
	/* counted from 1: the smallest number of values that is at least the fraction of them */
	nth = (uint64_t)div_up((unsigned __int128)h->nr * rank, 100u * PERF_PERCENT);
	nth = max_of(min_of(nth, h->nr), UINT64_C(1));
	for (i = 0; i < PERF_HIST_BUCKETS - 1; i++) {
		seen += h->count[i];
		if (seen >= nth)
			break;
	}
	/* the last bucket has no end of its own */
	if (i == PERF_HIST_BUCKETS - 1)
		return h->max;
	return min_of(nvmh_perf_hist_last(i), h->max);
}

double nvmh_perf_hist_share(const struct perf_hist *h, uint64_t limit)
{
	uint64_t below = 0;
	uint32_t i;

	for (i = 0; i < PERF_HIST_BUCKETS && nvmh_perf_hist_first(i) < limit; i++)
		below += h->count[i];
	return h->nr ? (double)below / (double)h->nr : 0;
}
