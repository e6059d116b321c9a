/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time for every single I/O: the time stamp counter where it runs evenly (a third of the cost of a
 * clock call, which would be a tenth of a fast I/O), else CLOCK_MONOTONIC. Calibrated once by
 * nvmh_perf_clock_init(), afterwards read by any thread.
 */
#ifndef HOST_PERF_CLOCK_H
#define HOST_PERF_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "common/clock.h"

enum {
	PERF_NS_PER_S = 1000000000,
};

struct perf_clock {
	bool tsc;
	uint64_t mult; /* ns = ticks * mult / 2^32 */
};

static inline uint64_t perf_ticks(const struct perf_clock *clock)
{
#if defined(__x86_64__)
	if (clock->tsc)
		return __rdtsc();
#endif
	(void)clock;
	return clock_now_ns();
}

static inline uint64_t perf_ticks_to_ns(const struct perf_clock *clock, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * clock->mult >> 32);
}

static inline uint64_t perf_ns_to_ticks(const struct perf_clock *clock, uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)ns << 32) / clock->mult);
}

/* nvmh_perf_clock_init() - takes 20 ms, spinning */
void nvmh_perf_clock_init(struct perf_clock *clock);

#endif /* HOST_PERF_CLOCK_H */
