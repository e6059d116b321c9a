/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histogram of latencies with a bounded relative error: linear below 128, then 64 buckets for each
 * doubling, so that a bucket is at most 1/64 of its values wide. Adding costs a few instructions
 * and no branch on the value. Belongs to one thread; others read it when that thread has ended.
 * Mean and deviation are exact: the sums are kept beside the buckets.
 */
#ifndef HOST_PERF_HIST_H
#define HOST_PERF_HIST_H

#include <stdint.h>

enum {
	PERF_HIST_SUB_BITS = 6,
	PERF_HIST_TOP_BITS =
		42, /* values of more bits (73 minutes in ns) count in the last bucket */
	PERF_HIST_BUCKETS = (PERF_HIST_TOP_BITS - PERF_HIST_SUB_BITS + 1) << PERF_HIST_SUB_BITS,
	PERF_PERCENT = 1000000, /* of what quantiles are given in: millionths of a percent */
};

/* 19 KiB, of which a run touches a few hundred bytes. */
struct perf_hist {
	uint64_t nr;
	uint64_t sum;
	uint64_t min; /* UINT64_MAX: empty */
	uint64_t max;
	unsigned __int128 sum_sq; /* of the values' squares */
	uint64_t count[PERF_HIST_BUCKETS];
};

static inline uint32_t perf_hist_index(uint64_t v)
{
	uint64_t capped = v >> PERF_HIST_TOP_BITS ? (UINT64_C(1) << PERF_HIST_TOP_BITS) - 1 : v;
	int shift = 63 - __builtin_clzll(capped | (1 << PERF_HIST_SUB_BITS)) - PERF_HIST_SUB_BITS;

	return ((uint32_t)shift << PERF_HIST_SUB_BITS) + (uint32_t)(capped >> shift);
}

static inline void perf_hist_add(struct perf_hist *h, uint64_t v)
{
	h->nr++;
	h->sum += v;
	h->sum_sq += (unsigned __int128)v * v;
	h->min = v < h->min ? v : h->min;
	h->max = v > h->max ? v : h->max;
	h->count[perf_hist_index(v)]++;
}

void nvmh_perf_hist_init(struct perf_hist *h);
void nvmh_perf_hist_merge(struct perf_hist *to, const struct perf_hist *from);

/* The values that bucket @index (below PERF_HIST_BUCKETS) counts, both ends included. */
uint64_t nvmh_perf_hist_first(uint32_t index);
uint64_t nvmh_perf_hist_last(uint32_t index);

/* Of all values; 0 when @h is empty. The deviation is that of the values, not of a sample. */
double nvmh_perf_hist_mean(const struct perf_hist *h);
double nvmh_perf_hist_stdev(const struct perf_hist *h);

/**
 * nvmh_perf_hist_quantile() - a value that so many of all values do not exceed
 * @rank: in millionths of a percent, 0..100 * PERF_PERCENT; 99900000 is p99.9.
 * Return: never less than the exact quantile, and at most 1/64 above it; 0 when @h is empty.
 */
uint64_t nvmh_perf_hist_quantile(const struct perf_hist *h, uint32_t rank);

/* nvmh_perf_hist_share() - which part of all values is below @limit, 0..1; a bucket that @limit
 * divides counts on the side its first value is on */
double nvmh_perf_hist_share(const struct perf_hist *h, uint64_t limit);

#endif /* HOST_PERF_HIST_H */
