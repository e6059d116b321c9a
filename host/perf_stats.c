// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is counted: errors by their status, and seconds that were looked at. Any thread.
 */
#include "host/perf_stats.h"

#include <math.h>

#include "common/util.h"

void nvmh_perf_errors_add(struct perf_errors *errors, uint16_t status, uint64_t count)
{
	uint16_t i = 0;

	while (i < errors->nr && errors->status[i] != status)
		i++;
	if (i == PERF_MAX_STATUSES) {
		errors->others += count;
		return;
	}
	if (i == errors->nr) {
		errors->nr++;
		errors->status[i] = status;
	}
	errors->count[i] += count;
}

void nvmh_perf_samples_add(struct perf_samples *samples, double v)
{
	samples->min = samples->nr ? min_of(samples->min, v) : v;
	samples->max = samples->nr ? max_of(samples->max, v) : v;
	samples->sum += v;
	samples->sum_sq += v * v;
	samples->nr++;
}

double nvmh_perf_samples_mean(const struct perf_samples *samples)
{
	return samples->nr ? samples->sum / (double)samples->nr : 0;
}

double nvmh_perf_samples_stdev(const struct perf_samples *samples)
{
	double mean = nvmh_perf_samples_mean(samples);

	if (!samples->nr)
		return 0;
	return sqrt(max_of(samples->sum_sq / (double)samples->nr - mean * mean, 0.0));
}

const struct perf_hist *nvmh_perf_clat(const struct perf_stats *stats)
{
	return stats->clat.nr ? &stats->clat : &stats->lat;
}
