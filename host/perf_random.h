/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator of pseudo-random numbers for workloads and patterns: splitmix64, whose state is one
 * word and every seed good. Not for anything secret.
 */
#ifndef HOST_PERF_RANDOM_H
#define HOST_PERF_RANDOM_H

#include <stdint.h>

#define PERF_RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15) /* from one state to the next */

static inline uint64_t perf_random(uint64_t *state)
{
	uint64_t z = *state += PERF_RANDOM_STEP;

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Below @limit, without a division. */
static inline uint64_t perf_random_below(uint64_t *state, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)perf_random(state) * limit >> 64);
}

#endif /* HOST_PERF_RANDOM_H */
