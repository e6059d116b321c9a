// SPDX-License-Identifier: BSD-2-Clause
/*
 * What nvmetcp-perf tells people: the progress line and the tables. Main thread; results of jobs are
 * read when their threads have ended.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/status.h"
#include "host/perf_sum.h"

enum {
	MIB = 1 << 20,
	NS_PER_US = 1000,
	HALF_OCTAVE = 1 << (PERF_HIST_SUB_BITS - 1), /* buckets of the histogram in a line */
	BAR = 40,
};

const char *const nvmh_perf_dir_name[PERF_DIRS] = { "read", "write", "trim", "flush" };

/* "512", "85.3k", "1.21M" */
static const char *short_number(double v, char *text, size_t size)
{
	if (v < 1000)
		snprintf(text, size, "%.0f", v);
	else if (v < 1e6)
		snprintf(text, size, "%.1fk", v / 1e3);
	else
		snprintf(text, size, "%.2fM", v / 1e6);
	return text;
}

/* ---------------------------------------------------------------- while it runs */

static void look_at_job(struct perf_run *run, struct perf_job *job, double s)
{
	bool measuring = atomic_load_explicit(&job->live_measuring, memory_order_relaxed);
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		uint64_t ios = atomic_load_explicit(&job->live_ios[dir], memory_order_relaxed);
		uint64_t bytes = atomic_load_explicit(&job->live_bytes[dir], memory_order_relaxed);
		double iops = (double)(ios - job->seen_ios[dir]) / s;
		double bytes_s = (double)(bytes - job->seen_bytes[dir]) / s;

		job->seen_ios[dir] = ios;
		job->seen_bytes[dir] = bytes;
		run->now_iops[dir] += iops;
		run->now_bytes_s[dir] += bytes_s;
		/* seconds that were measured from their begin to their end */
		if (measuring && job->seen_measuring && job->opts->uses[dir]) {
			nvmh_perf_samples_add(&job->iops[dir], iops);
			nvmh_perf_samples_add(&job->bytes_s[dir], bytes_s);
		}
	}
	job->seen_measuring = measuring;
}

void nvmh_perf_look(struct perf_run *run)
{
	uint64_t now = clock_now_ns();
	double s = (double)(now - run->seen_ns) / PERF_NS_PER_S;
	uint16_t i;

	memset(run->now_iops, 0, sizeof(run->now_iops));
	memset(run->now_bytes_s, 0, sizeof(run->now_bytes_s));
	for (i = 0; s > 0 && i < run->nr_jobs; i++)
		look_at_job(run, &run->jobs[i], s);
	run->seen_ns = now;
}

static void progress_time(const struct perf_run *run, FILE *f)
{
	const struct perf_opts *opts = run->opts;
	double elapsed = (double)(run->seen_ns - run->begun_ns) / PERF_NS_PER_S;
	double all = (double)(opts->runtime_ns + opts->ramp_ns) / PERF_NS_PER_S;

	if (elapsed < (double)opts->ramp_ns / PERF_NS_PER_S)
		fprintf(f, "[ramp %.0fs] ", elapsed);
	else if (opts->runtime_ns && elapsed < all)
		fprintf(f, "[%.0f %%, %.0fs, %.0fs left] ", 100 * elapsed / all, elapsed,
			all - elapsed);
	else
		fprintf(f, "[%.0fs] ", elapsed);
}

static void progress_ends(const struct perf_run *run, FILE *f)
{
	uint64_t checked = 0, errors = 0;
	uint32_t lost = 0;
	char number[16];
	uint16_t i;

	for (i = 0; i < run->nr_jobs; i++) {
		checked += atomic_load_explicit(&run->jobs[i].live_checked, memory_order_relaxed);
		errors += atomic_load_explicit(&run->jobs[i].live_errors, memory_order_relaxed);
	}
	for (i = 0; i < run->nr_targets; i++)
		lost += run->targets[i].lost_since_ns != 0;
	if (checked)
		fprintf(f, "%s %s  ",
			atomic_load(&run->nr_checking) ? "reading back, checked" : "checked",
			short_number((double)checked, number, sizeof(number)));
	if (errors)
		fprintf(f, "%" PRIu64 " errors  ", errors);
	if (lost)
		fprintf(f, "%" PRIu32 " of %u targets lost", lost, run->nr_targets);
}

void nvmh_perf_progress(struct perf_run *run, FILE *f, bool over, bool last)
{
	char number[16];
	int dir;

	if (over)
		fputs("\r\033[K", f);
	if (!last) {
		progress_time(run, f);
		for (dir = 0; dir < PERF_DIRS; dir++) {
			if (!run->opts->uses[dir])
				continue;
			fprintf(f, "%s %s IOPS", nvmh_perf_dir_name[dir],
				short_number(run->now_iops[dir], number, sizeof(number)));
			if (dir < PERF_PLACED)
				fprintf(f, " %.0f MiB/s", run->now_bytes_s[dir] / MIB);
			fputs("  ", f);
		}
		progress_ends(run, f);
		if (!over)
			fputc('\n', f);
	}
	fflush(f);
}

/* ---------------------------------------------------------------- a table */

static double us(double ns)
{
	return ns / NS_PER_US;
}

static void row(const struct perf_sum *sum, FILE *f, const char *name,
		const struct perf_stats *stats)
{
	static const uint32_t ranks[] = { 50 * PERF_PERCENT, 99 * PERF_PERCENT,
					  999 * (PERF_PERCENT / 10) };
	const struct perf_hist *h = &stats->lat;
	char number[16];
	size_t i;

	fprintf(f, "%-8s %9s %10.1f %9.1f %9.1f", name,
		short_number(nvmh_perf_iops(sum, stats), number, sizeof(number)),
		nvmh_perf_bytes_s(sum, stats) / MIB, us(nvmh_perf_hist_mean(h)),
		us(nvmh_perf_hist_stdev(h)));
	for (i = 0; i < ARRAY_SIZE(ranks); i++)
		fprintf(f, " %9.1f", us((double)nvmh_perf_hist_quantile(h, ranks[i])));
	fprintf(f, " %9.1f\n", us((double)h->max));
}

static void rows(const struct perf_run *run, const struct perf_sum *sum, FILE *f)
{
	const bool *uses = run->opts->uses;
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (uses[dir])
			row(sum, f, nvmh_perf_dir_name[dir], &sum->stats[dir]);
	}
	if (uses[PERF_READ] && uses[PERF_WRITE])
		row(sum, f, "both", &sum->all);
}

/* "4096" bytes, "512 to 65536" bytes */
static void sizes(const struct perf_run *run, FILE *f)
{
	const struct perf_opts *opts = run->opts;
	uint32_t least = UINT32_MAX;
	int dir;

	for (dir = 0; dir < PERF_PLACED; dir++) {
		if (opts->uses[dir])
			least = min_of(least, opts->sizes[dir].min);
	}
	if (least < opts->bs)
		fprintf(f, "%u to ", least);
	fprintf(f, "%u bytes", opts->bs);
}

static void paths(const struct perf_target *t, FILE *f)
{
	struct nvmh_mpath_path path;
	uint16_t i;

	for (i = 0; t->keeps && i < t->opts->nr_paths; i++) {
		if (nvmh_mpath_path(t->ctrl, i, &path))
			continue;
		fprintf(f, "  path %u %s: %" PRIu64 " I/Os", i, path.name, path.ios);
		if (path.failed_over)
			fprintf(f, ", %" PRIu64 " had to be repeated", path.failed_over);
		if (!path.usable)
			fprintf(f, ", not usable: %s", path.error);
		fputc('\n', f);
	}
}

static void head(const struct perf_run *run, FILE *f)
{
	const struct perf_opts *opts = run->opts;
	uint16_t i;

	fprintf(f, "%s", opts->rw);
	if (opts->read_percent % 100)
		fprintf(f, " (%u %% reads)", (unsigned int)opts->read_percent);
	fputs(", ", f);
	sizes(run, f);
	fprintf(f, ", iodepth %u, %u thread%s with %u queue%s each, %.1f s\n",
		(unsigned int)opts->iodepth, run->nr_jobs, run->nr_jobs == 1 ? "" : "s",
		run->jobs[0].nr_queues, run->jobs[0].nr_queues == 1 ? "" : "s", run->elapsed_s);
	for (i = 0; i < run->nr_targets; i++) {
		const struct perf_target *t = &run->targets[i];

		fprintf(f, "%s nsid %u", nvmh_ctrl_name(t->ctrl), t->ns.nsid);
		if (t->nr_lost)
			fprintf(f, ", lost %u time%s, for %.1f s", t->nr_lost,
				t->nr_lost == 1 ? "" : "s", (double)t->lost_ns / PERF_NS_PER_S);
		fputc('\n', f);
		paths(t, f);
	}
	fprintf(f, "%-8s %9s %10s %9s %9s %9s %9s %9s %9s\n", "", "IOPS", "MiB/s", "mean us",
		"stdev", "p50", "p99", "p99.9", "max");
}

/* ---------------------------------------------------------------- below the table */

static void percentiles(const struct perf_run *run, const struct perf_sum *sum, FILE *f)
{
	const struct perf_opts *opts = run->opts;
	uint16_t i;
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (!sum->stats[dir].lat.nr)
			continue;
		fprintf(f, "%s percentiles (us):", nvmh_perf_dir_name[dir]);
		for (i = 0; i < opts->nr_percentiles; i++) {
			uint32_t rank = (uint32_t)opts->percentiles[i];
			uint64_t ns = nvmh_perf_hist_quantile(&sum->stats[dir].lat, rank);

			fprintf(f, "%s%g: %.1f", i % 6 ? ", " : "\n  ", (double)rank / PERF_PERCENT,
				us((double)ns));
		}
		fputc('\n', f);
	}
}

/* Lines of half an octave, from the first to the last that counts anything. */
static void histogram(const struct perf_hist *h, FILE *f)
{
	uint64_t seen = 0, n, most = 1;
	uint32_t line, i;

	for (line = 0; line < PERF_HIST_BUCKETS; line += HALF_OCTAVE) {
		for (i = 0, n = 0; i < HALF_OCTAVE; i++)
			n += h->count[line + i];
		most = max_of(most, n);
	}
	fprintf(f, "  %10s  %10s %12s %8s %8s\n", "from us", "below", "I/Os", "share", "sum");
	for (line = 0; line < PERF_HIST_BUCKETS && seen < h->nr; line += HALF_OCTAVE) {
		for (i = 0, n = 0; i < HALF_OCTAVE; i++)
			n += h->count[line + i];
		if (!n && !seen)
			continue;
		seen += n;
		fprintf(f, "  %10.2f  %10.2f %12" PRIu64 " %6.2f %% %6.2f %%  %.*s\n",
			us((double)nvmh_perf_hist_first(line)),
			us((double)nvmh_perf_hist_first(line + HALF_OCTAVE)), n,
			100 * (double)n / (double)h->nr, 100 * (double)seen / (double)h->nr,
			(int)(div_up(n * BAR, most)), "########################################");
	}
}

static void histograms(const struct perf_sum *sum, FILE *f)
{
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (!sum->stats[dir].lat.nr)
			continue;
		fprintf(f, "%s latencies\n", nvmh_perf_dir_name[dir]);
		histogram(&sum->stats[dir].lat, f);
	}
}

static void errors(const struct perf_sum *sum, FILE *f)
{
	const struct perf_errors *e = &sum->errors;
	uint16_t i;

	if (!sum->nr_errors)
		return;
	fprintf(f, "errors   %" PRIu64 " commands failed\n", sum->nr_errors);
	for (i = 0; i < e->nr; i++)
		fprintf(f, "  %" PRIu64 " with status %03xh, %s\n", e->count[i], e->status[i],
			status_str(e->status[i]));
	if (e->others)
		fprintf(f, "  %" PRIu64 " with others\n", e->others);
}

static void rest(const struct perf_run *run, const struct perf_sum *sum, FILE *f)
{
	const struct perf_usage *u = &sum->usage;
	double cpu_s = u->user_s + u->system_s;

	fprintf(f, "CPU      %.1f %% of a core (user %.1f %%, system %.1f %%)",
		nvmh_perf_cpu_percent(sum, cpu_s), nvmh_perf_cpu_percent(sum, u->user_s),
		nvmh_perf_cpu_percent(sum, u->system_s));
	if (sum->all.lat.nr)
		fprintf(f, ", %.2f s per million I/Os, %.2f context switches per I/O",
			cpu_s * 1e6 / (double)sum->all.lat.nr,
			(double)u->switches / (double)sum->all.lat.nr);
	fputc('\n', f);
	if (run->opts->verify)
		fprintf(f, "verify   %" PRIu64 " I/Os checked, %" PRIu64 " blocks wrong\n",
			sum->nr_checked, sum->nr_bad);
	errors(sum, f);
	if (sum->nr_overdue)
		fprintf(f,
			"overdue  %" PRIu64
			" I/Os were due and found no room before the end: more load than the target takes\n",
			sum->nr_overdue);
	if (atomic_load(&run->interrupted))
		fputs("interrupted by a signal\n", f);
}

/* One row for all kinds together of each target and each job, where there are several. */
static void shares(const struct perf_run *run, struct perf_sum *sum, FILE *f)
{
	char name[24];
	uint16_t i;

	for (i = 0; run->nr_targets > 1 && i < run->nr_targets; i++) {
		nvmh_perf_sum(run, PERF_ALL, i, sum);
		snprintf(name, sizeof(name), "target %u", i);
		row(sum, f, name, &sum->all);
	}
	for (i = 0; run->nr_jobs > 1 && i < run->nr_jobs; i++) {
		nvmh_perf_sum(run, i, PERF_ALL, sum);
		snprintf(name, sizeof(name), "job %u", i);
		row(sum, f, name, &sum->all);
	}
}

int nvmh_perf_report(const struct perf_run *run, FILE *f)
{
	struct perf_sum *sum = malloc(sizeof(*sum));

	if (!sum)
		return -ENOMEM;
	head(run, f);
	nvmh_perf_sum(run, PERF_ALL, PERF_ALL, sum);
	rows(run, sum, f);
	shares(run, sum, f);
	nvmh_perf_sum(run, PERF_ALL, PERF_ALL, sum);
	rest(run, sum, f);
	percentiles(run, sum, f);
	if (run->opts->histogram)
		histograms(sum, f);
	free(sum);
	return 0;
}
