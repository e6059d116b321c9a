/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of which a few are used often: rank k of n with a probability proportional to 1 / k^theta.
 * Any thread; the generator's state is the caller's.
 */
#ifndef HOST_PERF_ZIPF_H
#define HOST_PERF_ZIPF_H

#include <stdint.h>

struct perf_zipf {
	uint64_t n;
	double theta; /* 0: every place as often as any other, and the rest is not used */
	double area_first,
		area_all; /* the integral up to 1.5 less the first's weight; up to n + 0.5 */
	double sure;	  /* a rank at most so far above the drawn point needs no second look */
};

/* nvmh_perf_zipf_init() - @n: 1..2^63; @theta: 0..10. Takes no time that depends on @n. */
void nvmh_perf_zipf_init(struct perf_zipf *zipf, uint64_t n, double theta);

/* nvmh_perf_zipf_rank() - 0 is the most frequent */
uint64_t nvmh_perf_zipf_rank(const struct perf_zipf *zipf, uint64_t *random);

/* nvmh_perf_zipf_place() - the rank's place, 0..n - 1: ranks are strewn, neighbours are not alike */
uint64_t nvmh_perf_zipf_place(const struct perf_zipf *zipf, uint64_t *random);

#endif /* HOST_PERF_ZIPF_H */
