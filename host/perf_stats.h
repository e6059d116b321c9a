/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is counted of I/Os. Counting belongs to the job's thread; others read it when that has ended.
 */
#ifndef HOST_PERF_STATS_H
#define HOST_PERF_STATS_H

#include <stdint.h>

#include "host/perf_hist.h"
#include "host/perf_opts.h"

/* One kind of I/O. 38 KiB, of which a run touches a few hundred bytes. */
struct perf_stats {
	uint64_t bytes;
	struct perf_hist lat;  /* ns from when it was to start to its completion */
	struct perf_hist clat; /* ns from when it was submitted; empty where that is the same */
};

/* What one job did with one target. */
struct perf_part {
	struct perf_stats *stats[PERF_DIRS]; /* NULL where the workload has none */
	uint64_t nr_checked;		     /* I/Os compared */
	uint64_t nr_bad;		     /* blocks that were not as written */
	uint64_t nr_errors;		     /* commands that failed */
};

enum {
	PERF_MAX_STATUSES = 16,
};

/* Commands that failed, by their status. */
struct perf_errors {
	uint16_t nr; /* different ones */
	uint16_t status[PERF_MAX_STATUSES];
	uint64_t count[PERF_MAX_STATUSES];
	uint64_t others; /* when there are more */
};
void nvmh_perf_errors_add(struct perf_errors *errors, uint16_t status, uint64_t count);

/* What was seen second by second. */
struct perf_samples {
	uint64_t nr;
	double min, max, sum, sum_sq;
};
void nvmh_perf_samples_add(struct perf_samples *samples, double v);
double nvmh_perf_samples_mean(const struct perf_samples *samples);
double nvmh_perf_samples_stdev(const struct perf_samples *samples);

/* What a job used, of RUSAGE_THREAD. */
struct perf_usage {
	double user_s, system_s;
	uint64_t switches, minor_faults, major_faults;
};

/* nvmh_perf_clat() - from submission on: @stats->lat where nothing was submitted late */
const struct perf_hist *nvmh_perf_clat(const struct perf_stats *stats);

#endif /* HOST_PERF_STATS_H */
