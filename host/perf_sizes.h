/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sizes of the I/Os of one direction: one, a range, or a list with a share of each. Any thread.
 */
#ifndef HOST_PERF_SIZES_H
#define HOST_PERF_SIZES_H

#include <stdint.h>

#include "host/perf_random.h"

enum {
	PERF_MIN_BS = 512,
	PERF_MAX_BS = 16 << 20,
	PERF_MAX_SPLITS = 16,
};

struct perf_sizes {
	uint32_t min;	    /* bytes; a multiple of PERF_MIN_BS */
	uint32_t max;	    /* a range: all multiples of @min up to here */
	uint16_t nr_splits; /* 0: a range */
	struct {
		uint32_t bytes;
		uint8_t below; /* percent: of numbers 0..99, those below this and not before */
	} split[PERF_MAX_SPLITS];
};

/* How one size after the other is read; all return 0 or -EINVAL, and write nothing then. */
int nvmh_perf_sizes_one(const char *text, struct perf_sizes *sizes);   /* "4k" */
int nvmh_perf_sizes_range(const char *text, struct perf_sizes *sizes); /* "4k-64k" */
int nvmh_perf_sizes_split(const char *text, struct perf_sizes *sizes); /* "4k/60:64k/30:1m" */

/* nvmh_perf_sizes_gcd() - what every size of @sizes, and @gcd unless that is 0, is a multiple of */
uint32_t nvmh_perf_sizes_gcd(const struct perf_sizes *sizes, uint32_t gcd);

/* nvmh_perf_sizes_mean() - what an I/O moves on average, in bytes */
double nvmh_perf_sizes_mean(const struct perf_sizes *sizes);

static inline uint32_t perf_sizes_pick(const struct perf_sizes *sizes, uint64_t *random)
{
	uint64_t percent;
	uint16_t i = 0;

	if (sizes->min == sizes->max)
		return sizes->min;
	if (!sizes->nr_splits)
		return sizes->min *
		       (1 + (uint32_t)perf_random_below(random, sizes->max / sizes->min));
	percent = perf_random_below(random, 100);
	while (sizes->split[i].below <= percent)
		i++;
	return sizes->split[i].bytes;
}

#endif /* HOST_PERF_SIZES_H */
