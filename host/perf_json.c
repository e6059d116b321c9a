// SPDX-License-Identifier: BSD-2-Clause
/*
 * The JSON document of a run: options, targets and sums in our words, then "jobs" in the layout of
 * fio's JSON output, so that scripts which read that read this. Main thread.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/status.h"
#include "host/perf_emit.h"
#include "host/perf_sum.h"

enum {
	MIB = 1 << 20,
	KIB = 1 << 10,
};

#define NS_PER_US 1e3
#define MS_PER_S  1e3

/* ---------------------------------------------------------------- in our words */

static void options(const struct perf_run *run, struct perf_emit *e)
{
	static const char *const waits[] = { "adaptive", "spin", "sleep" };
	const struct perf_opts *o = run->opts;

	nvmh_perf_emit_open(e, "options", '{');
	nvmh_perf_emit_text(e, "rw", o->rw);
	nvmh_perf_emit_number(e, "read_percent", o->read_percent);
	nvmh_perf_emit_number(e, "bs", o->bs);
	nvmh_perf_emit_number(e, "grain", o->grain);
	nvmh_perf_emit_number(e, "iodepth", o->iodepth);
	nvmh_perf_emit_number(e, "numjobs", o->numjobs);
	nvmh_perf_emit_number(e, "queues", o->nr_queues);
	nvmh_perf_emit_number(e, "offset", o->offset);
	nvmh_perf_emit_number(e, "size", o->size);
	nvmh_perf_emit_number(e, "io_size", o->io_size);
	nvmh_perf_emit_real(e, "runtime_s", (double)o->runtime_ns / PERF_NS_PER_S);
	nvmh_perf_emit_real(e, "ramp_s", (double)o->ramp_ns / PERF_NS_PER_S);
	nvmh_perf_emit_number(e, "rate", o->rate_bytes);
	nvmh_perf_emit_number(e, "rate_iops", o->rate_iops);
	nvmh_perf_emit_text(e, "rate_process", o->poisson ? "poisson" : "linear");
	nvmh_perf_emit_real(e, "zipf_theta", o->zipf);
	nvmh_perf_emit_number(e, "randseed", run->seed);
	nvmh_perf_emit_number(e, "fsync", o->fsync);
	nvmh_perf_emit_bool(e, "verify", o->verify);
	nvmh_perf_emit_bool(e, "hdgst", o->hdgst);
	nvmh_perf_emit_bool(e, "ddgst", o->ddgst);
	nvmh_perf_emit_bool(e, "disable_sqflow", o->disable_sqflow);
	nvmh_perf_emit_text(e, "wait", waits[o->wait]);
	nvmh_perf_emit_close(e, '}');
}

static void histogram(struct perf_emit *e, const struct perf_hist *h)
{
	uint32_t i;

	nvmh_perf_emit_open_flat(e, "histogram_ns", '[');
	for (i = 0; i < PERF_HIST_BUCKETS; i++) {
		if (!h->count[i])
			continue;
		nvmh_perf_emit_open_flat(e, NULL, '[');
		nvmh_perf_emit_number(e, NULL, nvmh_perf_hist_first(i));
		nvmh_perf_emit_number(e, NULL, h->count[i]);
		nvmh_perf_emit_close(e, ']');
	}
	nvmh_perf_emit_close(e, ']');
}

static void latency(struct perf_emit *e, const struct perf_hist *h)
{
	static const struct {
		const char *name;
		uint32_t rank;
	} quantiles[] = {
		{ "p50", 50 * PERF_PERCENT },
		{ "p90", 90 * PERF_PERCENT },
		{ "p99", 99 * PERF_PERCENT },
		{ "p99.9", 999 * (PERF_PERCENT / 10) },
		{ "p99.99", 9999 * (PERF_PERCENT / 100) },
	};
	size_t i;

	nvmh_perf_emit_open_flat(e, "latency_us", '{');
	nvmh_perf_emit_real(e, "mean", nvmh_perf_hist_mean(h) / NS_PER_US);
	nvmh_perf_emit_real(e, "stdev", nvmh_perf_hist_stdev(h) / NS_PER_US);
	nvmh_perf_emit_real(e, "min", h->nr ? (double)h->min / NS_PER_US : 0);
	for (i = 0; i < ARRAY_SIZE(quantiles); i++)
		nvmh_perf_emit_real(e, quantiles[i].name,
				    (double)nvmh_perf_hist_quantile(h, quantiles[i].rank) /
					    NS_PER_US);
	nvmh_perf_emit_real(e, "max", (double)h->max / NS_PER_US);
	nvmh_perf_emit_close(e, '}');
}

static void stats(const struct perf_run *run, struct perf_emit *e, const char *name,
		  const struct perf_sum *sum, const struct perf_stats *s)
{
	nvmh_perf_emit_open(e, name, '{');
	nvmh_perf_emit_number(e, "ios", s->lat.nr);
	nvmh_perf_emit_number(e, "bytes", s->bytes);
	nvmh_perf_emit_real(e, "iops", nvmh_perf_iops(sum, s));
	nvmh_perf_emit_real(e, "mib_s", nvmh_perf_bytes_s(sum, s) / MIB);
	latency(e, &s->lat);
	if (run->opts->histogram)
		histogram(e, &s->lat);
	nvmh_perf_emit_close(e, '}');
}

static void sums(const struct perf_run *run, struct perf_emit *e, const struct perf_sum *sum)
{
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (dir < PERF_TRIM || run->opts->uses[dir])
			stats(run, e, nvmh_perf_dir_name[dir], sum, &sum->stats[dir]);
	}
	stats(run, e, "both", sum, &sum->all);
}

static void paths(const struct perf_target *t, struct perf_emit *e)
{
	struct nvmh_mpath_path path;
	uint16_t i;

	nvmh_perf_emit_open(e, "paths", '[');
	for (i = 0; t->keeps && i < t->opts->nr_paths; i++) {
		if (nvmh_mpath_path(t->ctrl, i, &path))
			continue;
		nvmh_perf_emit_open_flat(e, NULL, '{');
		nvmh_perf_emit_text(e, "name", path.name);
		nvmh_perf_emit_bool(e, "usable", path.usable);
		nvmh_perf_emit_number(e, "ios", path.ios);
		nvmh_perf_emit_number(e, "failed_over", path.failed_over);
		nvmh_perf_emit_close(e, '}');
	}
	nvmh_perf_emit_close(e, ']');
}

static void targets(const struct perf_run *run, struct perf_emit *e, struct perf_sum *sum)
{
	uint16_t i;

	nvmh_perf_emit_open(e, "targets", '[');
	for (i = 0; i < run->nr_targets; i++) {
		const struct perf_target *t = &run->targets[i];

		nvmh_perf_sum(run, PERF_ALL, i, sum);
		nvmh_perf_emit_open(e, NULL, '{');
		nvmh_perf_emit_text(e, "name", nvmh_ctrl_name(t->ctrl));
		nvmh_perf_emit_number(e, "nsid", t->ns.nsid);
		nvmh_perf_emit_number(e, "lba_size", t->ns.lba_size);
		nvmh_perf_emit_number(e, "blocks", t->ns.nsze);
		nvmh_perf_emit_number(e, "lost", t->nr_lost);
		nvmh_perf_emit_real(e, "lost_s", (double)t->lost_ns / PERF_NS_PER_S);
		nvmh_perf_emit_number(e, "errors", sum->nr_errors);
		nvmh_perf_emit_number(e, "bad_blocks", sum->nr_bad);
		paths(t, e);
		stats(run, e, "both", sum, &sum->all);
		nvmh_perf_emit_close(e, '}');
	}
	nvmh_perf_emit_close(e, ']');
}

static void cpu(struct perf_emit *e, const struct perf_sum *sum)
{
	const struct perf_usage *u = &sum->usage;
	double cpu_s = u->user_s + u->system_s;
	double ios = (double)max_of(sum->all.lat.nr, UINT64_C(1));

	nvmh_perf_emit_open(e, "cpu", '{');
	nvmh_perf_emit_real(e, "user_s", u->user_s);
	nvmh_perf_emit_real(e, "system_s", u->system_s);
	nvmh_perf_emit_real(e, "percent", nvmh_perf_cpu_percent(sum, cpu_s));
	nvmh_perf_emit_real(e, "s_per_million_ios", sum->all.lat.nr ? cpu_s * 1e6 / ios : 0);
	nvmh_perf_emit_number(e, "context_switches", u->switches);
	nvmh_perf_emit_close(e, '}');
}

static void error_statuses(struct perf_emit *e, const struct perf_errors *errors)
{
	uint16_t i;

	nvmh_perf_emit_open(e, "error_statuses", '[');
	for (i = 0; i < errors->nr; i++) {
		nvmh_perf_emit_open_flat(e, NULL, '{');
		nvmh_perf_emit_number(e, "status", errors->status[i]);
		nvmh_perf_emit_text(e, "text", status_str(errors->status[i]));
		nvmh_perf_emit_number(e, "count", errors->count[i]);
		nvmh_perf_emit_close(e, '}');
	}
	nvmh_perf_emit_close(e, ']');
}

/* ---------------------------------------------------------------- in fio's layout */

static void fio_latency(struct perf_emit *e, const struct perf_hist *h)
{
	nvmh_perf_emit_number(e, "min", h->nr ? h->min : 0);
	nvmh_perf_emit_number(e, "max", h->max);
	nvmh_perf_emit_real(e, "mean", nvmh_perf_hist_mean(h));
	nvmh_perf_emit_real(e, "stddev", nvmh_perf_hist_stdev(h));
	nvmh_perf_emit_number(e, "N", h->nr);
}

static void fio_percentiles(const struct perf_run *run, struct perf_emit *e,
			    const struct perf_hist *h)
{
	const struct perf_opts *opts = run->opts;
	char key[32];
	uint32_t b;
	uint16_t i;

	nvmh_perf_emit_open(e, "percentile", '{');
	for (i = 0; i < opts->nr_percentiles; i++) {
		snprintf(key, sizeof(key), "%u.%06u",
			 (unsigned int)(opts->percentiles[i] / PERF_PERCENT),
			 (unsigned int)(opts->percentiles[i] % PERF_PERCENT));
		nvmh_perf_emit_number(e, key,
				      nvmh_perf_hist_quantile(h, (uint32_t)opts->percentiles[i]));
	}
	nvmh_perf_emit_close(e, '}');
	if (!opts->histogram)
		return;
	nvmh_perf_emit_open_flat(e, "bins", '{');
	for (b = 0; b < PERF_HIST_BUCKETS; b++) {
		if (!h->count[b])
			continue;
		snprintf(key, sizeof(key), "%llu", (unsigned long long)nvmh_perf_hist_first(b));
		nvmh_perf_emit_number(e, key, h->count[b]);
	}
	nvmh_perf_emit_close(e, '}');
}

/* Seconds that were measured whole; of a run without any, the average is all there is. */
static struct perf_samples samples_or(const struct perf_samples *samples, double average)
{
	struct perf_samples s = *samples;

	if (!s.nr)
		nvmh_perf_samples_add(&s, average);
	return s;
}

static void fio_samples(struct perf_emit *e, const struct perf_job *job, int dir, double iops,
			double bytes_s)
{
	struct perf_samples b = samples_or(&job->bytes_s[dir], bytes_s);
	struct perf_samples i = samples_or(&job->iops[dir], iops);

	nvmh_perf_emit_number(e, "bw_min", (uint64_t)(b.min / KIB));
	nvmh_perf_emit_number(e, "bw_max", (uint64_t)(b.max / KIB));
	nvmh_perf_emit_real(e, "bw_mean", nvmh_perf_samples_mean(&b) / KIB);
	nvmh_perf_emit_real(e, "bw_dev", nvmh_perf_samples_stdev(&b) / KIB);
	nvmh_perf_emit_number(e, "bw_samples", b.nr);
	nvmh_perf_emit_number(e, "iops_min", (uint64_t)i.min);
	nvmh_perf_emit_number(e, "iops_max", (uint64_t)i.max);
	nvmh_perf_emit_real(e, "iops_mean", nvmh_perf_samples_mean(&i));
	nvmh_perf_emit_real(e, "iops_stddev", nvmh_perf_samples_stdev(&i));
	nvmh_perf_emit_number(e, "iops_samples", i.nr);
}

/* @job: NULL: all of them, of which there are no samples. */
static void fio_dir(const struct perf_run *run, struct perf_emit *e, const struct perf_sum *sum,
		    int dir, const struct perf_job *job)
{
	static const struct perf_job none;
	static const struct perf_hist no_hist;
	const struct perf_stats *s = &sum->stats[dir];
	double iops = nvmh_perf_iops(sum, s), bytes_s = nvmh_perf_bytes_s(sum, s);

	nvmh_perf_emit_open(e, nvmh_perf_dir_name[dir], '{');
	nvmh_perf_emit_number(e, "io_bytes", s->bytes);
	nvmh_perf_emit_number(e, "io_kbytes", s->bytes / KIB);
	nvmh_perf_emit_number(e, "bw_bytes", (uint64_t)bytes_s);
	nvmh_perf_emit_number(e, "bw", (uint64_t)(bytes_s / KIB));
	nvmh_perf_emit_real(e, "iops", iops);
	nvmh_perf_emit_number(e, "runtime", s->lat.nr ? (uint64_t)(sum->elapsed_s * MS_PER_S) : 0);
	nvmh_perf_emit_number(e, "total_ios", s->lat.nr);
	nvmh_perf_emit_number(e, "short_ios", 0);
	nvmh_perf_emit_number(e, "drop_ios", 0);
	nvmh_perf_emit_open_flat(e, "slat_ns", '{');
	fio_latency(e, &no_hist);
	nvmh_perf_emit_close(e, '}');
	nvmh_perf_emit_open(e, "clat_ns", '{');
	fio_latency(e, nvmh_perf_clat(s));
	fio_percentiles(run, e, nvmh_perf_clat(s));
	nvmh_perf_emit_close(e, '}');
	nvmh_perf_emit_open(e, "lat_ns", '{');
	fio_latency(e, &s->lat);
	fio_percentiles(run, e, &s->lat);
	nvmh_perf_emit_close(e, '}');
	fio_samples(e, job ? job : &none, dir, iops, bytes_s);
	nvmh_perf_emit_close(e, '}');
}

static void fio_sync(const struct perf_run *run, struct perf_emit *e, const struct perf_sum *sum)
{
	const struct perf_stats *s = &sum->stats[PERF_SYNC];

	nvmh_perf_emit_open(e, "sync", '{');
	nvmh_perf_emit_number(e, "total_ios", s->lat.nr);
	nvmh_perf_emit_open(e, "lat_ns", '{');
	fio_latency(e, &s->lat);
	fio_percentiles(run, e, &s->lat);
	nvmh_perf_emit_close(e, '}');
	nvmh_perf_emit_close(e, '}');
}

/* Which percentage of I/Os took less than each limit, and not less than the one before. */
static void fio_spread(struct perf_emit *e, const struct perf_hist *h)
{
	static const uint32_t limits[] = { 2, 4, 10, 20, 50, 100, 250, 500, 750, 1000 };
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "latency_ns", 1 }, { "latency_us", 1000 }, { "latency_ms", NS_PER_MS } };
	double before = 0, share;
	char key[16];
	size_t u, i;

	for (u = 0; u < ARRAY_SIZE(units); u++) {
		nvmh_perf_emit_open_flat(e, units[u].name, '{');
		/* what is 1000 of one unit is below the first limit of the next; fio says so, too */
		for (i = 0; i < ARRAY_SIZE(limits); i++) {
			share = nvmh_perf_hist_share(h, limits[i] * units[u].ns);
			snprintf(key, sizeof(key), "%u", limits[i]);
			nvmh_perf_emit_real(e, key, 100 * (share - before));
			before = share;
		}
		if (units[u].ns == NS_PER_MS) {
			share = nvmh_perf_hist_share(h, 2000 * units[u].ns);
			nvmh_perf_emit_real(e, "2000", 100 * (share - before));
			nvmh_perf_emit_real(e, ">=2000", h->nr ? 100 * (1 - share) : 0);
		}
		nvmh_perf_emit_close(e, '}');
	}
}

static void fio_job_options(const struct perf_run *run, struct perf_emit *e)
{
	const struct perf_opts *o = run->opts;
	char text[32];

	nvmh_perf_emit_open_flat(e, "job options", '{');
	nvmh_perf_emit_text(e, "name", o->name);
	nvmh_perf_emit_text(e, "rw", o->rw);
	snprintf(text, sizeof(text), "%u", o->bs);
	nvmh_perf_emit_text(e, "bs", text);
	snprintf(text, sizeof(text), "%u", (unsigned int)o->iodepth);
	nvmh_perf_emit_text(e, "iodepth", text);
	snprintf(text, sizeof(text), "%u", (unsigned int)o->numjobs);
	nvmh_perf_emit_text(e, "numjobs", text);
	nvmh_perf_emit_close(e, '}');
}

static void fio_job(const struct perf_run *run, struct perf_emit *e, int index,
		    struct perf_sum *sum)
{
	const struct perf_usage *u = &sum->usage;
	int dir;

	nvmh_perf_sum(run, index, PERF_ALL, sum);
	nvmh_perf_emit_open(e, NULL, '{');
	nvmh_perf_emit_text(e, "jobname", run->opts->name);
	nvmh_perf_emit_number(e, "groupid", 0);
	nvmh_perf_emit_number(e, "error", sum->nr_errors ? EIO : sum->nr_bad ? EILSEQ : 0);
	nvmh_perf_emit_number(e, "total_err", sum->nr_errors);
	nvmh_perf_emit_number(e, "eta", 0);
	nvmh_perf_emit_number(e, "elapsed", (uint64_t)ceil(sum->elapsed_s));
	fio_job_options(run, e);
	for (dir = 0; dir < PERF_PLACED; dir++)
		fio_dir(run, e, sum, dir, index == PERF_ALL ? NULL : &run->jobs[index]);
	fio_sync(run, e, sum);
	nvmh_perf_emit_number(e, "job_runtime", (uint64_t)(sum->elapsed_s * MS_PER_S));
	nvmh_perf_emit_real(e, "usr_cpu", nvmh_perf_cpu_percent(sum, u->user_s));
	nvmh_perf_emit_real(e, "sys_cpu", nvmh_perf_cpu_percent(sum, u->system_s));
	nvmh_perf_emit_number(e, "ctx", u->switches);
	nvmh_perf_emit_number(e, "majf", u->major_faults);
	nvmh_perf_emit_number(e, "minf", u->minor_faults);
	fio_spread(e, &sum->all.lat);
	nvmh_perf_emit_close(e, '}');
}

static void fio_jobs(const struct perf_run *run, struct perf_emit *e, struct perf_sum *sum)
{
	uint16_t i;

	nvmh_perf_emit_open(e, "jobs", '[');
	if (run->opts->group)
		fio_job(run, e, PERF_ALL, sum);
	else
		for (i = 0; i < run->nr_jobs; i++)
			fio_job(run, e, i, sum);
	nvmh_perf_emit_close(e, ']');
}

int nvmh_perf_report_json(const struct perf_run *run, FILE *f)
{
	struct perf_sum *sum = malloc(sizeof(*sum));
	struct perf_emit e = { .f = f };

	if (!sum)
		return -ENOMEM;
	nvmh_perf_emit_open(&e, NULL, '{');
	nvmh_perf_emit_text(&e, "version", NVMETCP_VERSION);
	nvmh_perf_emit_text(&e, "fio version", "nvmetcp-perf-" NVMETCP_VERSION);
	nvmh_perf_emit_number(&e, "timestamp", (uint64_t)time(NULL));
	options(run, &e);
	targets(run, &e, sum);
	nvmh_perf_sum(run, PERF_ALL, PERF_ALL, sum);
	nvmh_perf_emit_real(&e, "elapsed_s", sum->elapsed_s);
	nvmh_perf_emit_bool(&e, "interrupted", atomic_load(&run->interrupted));
	sums(run, &e, sum);
	cpu(&e, sum);
	nvmh_perf_emit_open_flat(&e, "verify", '{');
	nvmh_perf_emit_number(&e, "checked", sum->nr_checked);
	nvmh_perf_emit_number(&e, "bad_blocks", sum->nr_bad);
	nvmh_perf_emit_close(&e, '}');
	nvmh_perf_emit_number(&e, "errors", sum->nr_errors);
	error_statuses(&e, &sum->errors);
	nvmh_perf_emit_number(&e, "overdue", sum->nr_overdue);
	fio_jobs(run, &e, sum);
	nvmh_perf_emit_close(&e, '}');
	free(sum);
	return 0;
}
