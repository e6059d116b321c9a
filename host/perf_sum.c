// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sums of what jobs counted. Main thread. Entry point: nvmh_perf_sum().
 */
#include "host/perf_sum.h"

#include <string.h>

#include "common/util.h"

static void add_stats(struct perf_stats *to, const struct perf_stats *from)
{
	to->bytes += from->bytes;
	nvmh_perf_hist_merge(&to->lat, &from->lat);
	nvmh_perf_hist_merge(&to->clat, &from->clat);
}

static void init_stats(struct perf_stats *stats)
{
	stats->bytes = 0;
	nvmh_perf_hist_init(&stats->lat);
	nvmh_perf_hist_init(&stats->clat);
}

static void add_part(struct perf_sum *sum, const struct perf_part *part)
{
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (!part->stats[dir])
			continue;
		add_stats(&sum->stats[dir], part->stats[dir]);
		if (dir < PERF_PLACED)
			add_stats(&sum->all, part->stats[dir]);
	}
	sum->nr_checked += part->nr_checked;
	sum->nr_bad += part->nr_bad;
	sum->nr_errors += part->nr_errors;
}

static void add_job(struct perf_sum *sum, const struct perf_job *job)
{
	const struct perf_errors *e = &job->errors;
	uint16_t i;

	sum->usage.user_s += job->usage.user_s;
	sum->usage.system_s += job->usage.system_s;
	sum->usage.switches += job->usage.switches;
	sum->usage.minor_faults += job->usage.minor_faults;
	sum->usage.major_faults += job->usage.major_faults;
	sum->nr_overdue += job->nr_overdue;
	for (i = 0; i < e->nr; i++)
		nvmh_perf_errors_add(&sum->errors, e->status[i], e->count[i]);
	sum->errors.others += e->others;
}

static double job_elapsed(const struct perf_run *run, const struct perf_job *job)
{
	return (double)perf_ticks_to_ns(&run->clock, job->end - job->begin) / PERF_NS_PER_S;
}

void nvmh_perf_sum(const struct perf_run *run, int job, int target, struct perf_sum *sum)
{
	int i, t, dir;

	memset(sum, 0, sizeof(*sum));
	init_stats(&sum->all);
	for (dir = 0; dir < PERF_DIRS; dir++)
		init_stats(&sum->stats[dir]);
	sum->elapsed_s = job == PERF_ALL ? run->elapsed_s : job_elapsed(run, &run->jobs[job]);
	for (i = 0; i < run->nr_jobs; i++) {
		if (job != PERF_ALL && i != job)
			continue;
		for (t = 0; t < run->nr_targets; t++) {
			if (target == PERF_ALL || t == target)
				add_part(sum, &run->jobs[i].parts[t]);
		}
		if (target == PERF_ALL)
			add_job(sum, &run->jobs[i]);
	}
}

double nvmh_perf_iops(const struct perf_sum *sum, const struct perf_stats *stats)
{
	return sum->elapsed_s > 0 ? (double)stats->lat.nr / sum->elapsed_s : 0;
}

double nvmh_perf_bytes_s(const struct perf_sum *sum, const struct perf_stats *stats)
{
	return sum->elapsed_s > 0 ? (double)stats->bytes / sum->elapsed_s : 0;
}

double nvmh_perf_cpu_percent(const struct perf_sum *sum, double cpu_s)
{
	return sum->elapsed_s > 0 ? 100 * cpu_s / sum->elapsed_s : 0;
}
