/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums over jobs and targets, for results. Main thread, when the jobs have ended.
 */
#ifndef HOST_PERF_SUM_H
#define HOST_PERF_SUM_H

#include "host/perf_job.h"

struct perf_sum {
	struct perf_stats stats[PERF_DIRS];
	struct perf_stats all; /* of the kinds before PERF_SYNC */
	uint64_t nr_checked, nr_bad, nr_errors, nr_overdue;
	struct perf_errors errors; /* not of a single target */
	struct perf_usage usage;   /* likewise */
	double elapsed_s;
};

enum {
	PERF_ALL = -1,
};

/* nvmh_perf_sum() - @job and @target: an index or PERF_ALL. */
void nvmh_perf_sum(const struct perf_run *run, int job, int target, struct perf_sum *sum);

/* Per second of @sum. */
double nvmh_perf_iops(const struct perf_sum *sum, const struct perf_stats *stats);
double nvmh_perf_bytes_s(const struct perf_sum *sum, const struct perf_stats *stats);
double nvmh_perf_cpu_percent(const struct perf_sum *sum, double cpu_s);

#endif /* HOST_PERF_SUM_H */
