/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --sweep: latency against load, one run for each step. Main thread.
 */
#ifndef HOST_PERF_SWEEP_H
#define HOST_PERF_SWEEP_H

#include <stdio.h>

#include "host/perf_job.h"

/* One step's results; latencies in microseconds, of all I/Os. */
struct perf_step {
	double load;	    /* percent of the highest rate, or the iodepth */
	double wanted_iops; /* 0: as fast as it goes */
	double iops;
	double bytes_s;
	double mean, p50, p99, p999, max;
	double cpu_percent;
	uint64_t nr_errors;
	uint64_t nr_overdue;
	bool reached; /* the wanted rate; else latencies grew until the end */
};

struct perf_sweep_result {
	const struct perf_opts *opts;
	double max_iops; /* of PERF_SWEEP_RATE: what 100 percent are */
	uint16_t nr_steps;
	struct perf_step steps[PERF_MAX_LIST];
	bool failed; /* as struct perf_run says */
	bool ended;  /* by what failed: no more steps */
	bool interrupted;
	char target[400]; /* the first one's name, for titles */
};

/*
 * nvmh_perf_sweep() - run all steps, until one fails or a signal comes
 * @tick: as for nvmh_perf_run_go(). @told: called when a step has ended.
 * @error: PERF_ERROR_TEXT bytes.
 * Return: 0; -errno, a run could not be started: steps before it are in *@result.
 */
int nvmh_perf_sweep(const struct perf_opts *opts, struct perf_sweep_result *result,
		    void (*tick)(struct perf_run *run, bool last),
		    void (*told)(const struct perf_sweep_result *result), char *error);

void nvmh_perf_sweep_report(const struct perf_sweep_result *result, FILE *f);
void nvmh_perf_sweep_json(const struct perf_sweep_result *result, FILE *f);

/* nvmh_perf_plot() - the sweep as an SVG picture that needs nothing else (perf_plot.c) */
void nvmh_perf_plot(const struct perf_sweep_result *result, FILE *f);

#endif /* HOST_PERF_SWEEP_H */
