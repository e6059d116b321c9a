// SPDX-License-Identifier: BSD-2-Clause
/*
 * Histogram of latencies: what is done once, after a run. Any thread.
 */
#include "host/perf_hist.h"

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

uint64_t nvmh_perf_hist_quantile(const struct perf_hist *h, uint32_t per_100k)
{
	uint64_t rank, seen = 0;
	uint32_t i;

	if (!h->nr)
		return 0;
	/* counted from 1: the smallest number of values that is at least the fraction of them */
	rank = (uint64_t)div_up((unsigned __int128)h->nr * per_100k, 100000u);
	rank = max_of(min_of(rank, h->nr), UINT64_C(1));
	for (i = 0; i < PERF_HIST_BUCKETS - 1; i++) {
		seen += h->count[i];
		if (seen >= rank)
			break;
	}
	/* the last bucket has no end of its own */
	if (i == PERF_HIST_BUCKETS - 1)
		return h->max;
	return min_of(nvmh_perf_hist_last(i), h->max);
}
