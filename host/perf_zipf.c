// SPDX-License-Identifier: BSD-2-Clause
/*
 * Zipf-distributed numbers by rejection-inversion (Hoermann and Derflinger, 1996): a point below the
 * curve x^-theta is drawn by the inverse of its integral and rounded to a rank; a few are drawn anew.
 * No table, so any size of namespace starts at once.
 */
#include "host/perf_zipf.h"

#include <math.h>

#include "common/util.h"
#include "host/perf_random.h"

#define NEAR_ZERO 1e-8

static double weight(const struct perf_zipf *z, double x)
{
	return exp(-z->theta * log(x));
}

/* The integral of x^-theta from 1 on; (e^t - 1) / t keeps its digits where theta is close to 1. */
static double area(const struct perf_zipf *z, double x)
{
	double log_x = log(x), t = (1 - z->theta) * log_x;

	return log_x * (fabs(t) > NEAR_ZERO ? expm1(t) / t : 1 + t / 2);
}

static double area_inverse(const struct perf_zipf *z, double v)
{
	double t = max_of(v * (1 - z->theta), -1.0);

	return exp(v * (fabs(t) > NEAR_ZERO ? log1p(t) / t : 1 - t / 2));
}

void nvmh_perf_zipf_init(struct perf_zipf *zipf, uint64_t n, double theta)
{
	zipf->n = n;
	zipf->theta = theta;
	zipf->area_first = area(zipf, 1.5) - 1;
	zipf->area_all = area(zipf, (double)n + 0.5);
	zipf->sure = 2 - area_inverse(zipf, area(zipf, 2.5) - weight(zipf, 2));
}

/* 0 <= u < 1, 53 bits */
static double uniform(uint64_t *random)
{
	return (double)(perf_random(random) >> 11) * 0x1p-53;
}

uint64_t nvmh_perf_zipf_rank(const struct perf_zipf *zipf, uint64_t *random)
{
	double n = (double)zipf->n;

	for (;;) {
		double u = zipf->area_all + uniform(random) * (zipf->area_first - zipf->area_all);
		double x = area_inverse(zipf, u);
		double k = min_of(max_of(floor(x + 0.5), 1.0), n);

		if (k - x <= zipf->sure || u >= area(zipf, k + 0.5) - weight(zipf, k))
			return min_of((uint64_t)k, zipf->n) - 1;
	}
}

uint64_t nvmh_perf_zipf_place(const struct perf_zipf *zipf, uint64_t *random)
{
	uint64_t state = nvmh_perf_zipf_rank(zipf, random);

	return perf_random_below(&state, zipf->n);
}
