// SPDX-License-Identifier: BSD-2-Clause
/*
 * What nvmetcp-perf tells: the progress line, the table, the JSON document. Main thread; results of
 * jobs are read when their threads have ended.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "host/perf_job.h"

struct sums {
	struct perf_hist hist[PERF_DIRS];
	uint64_t ios[PERF_DIRS];
	uint64_t checked;
	uint64_t bad;
	uint64_t errors;
	double user_s;
	double system_s;
};

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

static const char *const dir_name[PERF_DIRS] = { "read", "write" };

static void add_up(const struct perf_run *run, struct sums *sums)
{
	uint16_t i;
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++)
		nvmh_perf_hist_init(&sums->hist[dir]);
	for (i = 0; i < run->nr_jobs; i++) {
		const struct perf_job *job = &run->jobs[i];

		for (dir = 0; dir < PERF_DIRS; dir++) {
			sums->ios[dir] += job->ios[dir];
			if (job->hist[dir])
				nvmh_perf_hist_merge(&sums->hist[dir], job->hist[dir]);
		}
		sums->checked += job->nr_checked;
		sums->bad += job->nr_bad;
		sums->errors += job->nr_errors;
		sums->user_s += job->user_s;
		sums->system_s += job->system_s;
	}
}

static double per_second(const struct perf_run *run, uint64_t n)
{
	return run->elapsed_s > 0 ? (double)n / run->elapsed_s : 0;
}

static double mib(const struct perf_run *run, double ios)
{
	return ios * run->opts->bs / (1 << 20);
}

static double percent_of_core(const struct perf_run *run, double cpu_s)
{
	return run->elapsed_s > 0 ? 100 * cpu_s / run->elapsed_s : 0;
}

/* ---------------------------------------------------------------- while it runs */

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

void nvmh_perf_progress(struct perf_run *run, FILE *f, bool last)
{
	uint64_t now = clock_now_ns();
	double s = run->shown_ns ? (double)(now - run->shown_ns) / PERF_NS_PER_S : 1;
	uint64_t ios, checked = 0;
	char number[16];
	uint16_t i;
	int dir;

	fputs("\r\033[K", f);
	for (dir = 0; !last && dir < PERF_DIRS; dir++) {
		for (i = 0, ios = 0; i < run->nr_jobs; i++)
			ios += atomic_load_explicit(&run->jobs[i].live_ios[dir],
						    memory_order_relaxed);
		if (run->jobs[0].hist[dir]) {
			double rate = (double)(ios - run->shown_ios[dir]) / s;

			fprintf(f, "%s %s IOPS %.0f MiB/s   ", dir_name[dir],
				short_number(rate, number, sizeof(number)), mib(run, rate));
		}
		run->shown_ios[dir] = ios;
	}
	for (i = 0; i < run->nr_jobs; i++)
		checked += atomic_load_explicit(&run->jobs[i].live_checked, memory_order_relaxed);
	if (!last && checked)
		fprintf(f, "%s %s",
			atomic_load(&run->nr_checking) ? "reading back, checked" : "checked",
			short_number((double)checked, number, sizeof(number)));
	run->shown_ns = now;
	fflush(f);
}

/* ---------------------------------------------------------------- a table */

static void row(const struct perf_run *run, FILE *f, const char *name, const struct perf_hist *h,
		uint64_t n)
{
	double iops = per_second(run, n);
	char number[16];

	fprintf(f, "%-6s %9s %10.1f %9.1f", name, short_number(iops, number, sizeof(number)),
		mib(run, iops), nvmh_perf_hist_mean(h) / 1e3);
	fprintf(f, " %9.1f %9.1f %9.1f %9.1f\n",
		(double)nvmh_perf_hist_quantile(h, 50 * PERF_PERCENT) / 1e3,
		(double)nvmh_perf_hist_quantile(h, 99 * PERF_PERCENT) / 1e3,
		(double)nvmh_perf_hist_quantile(h, 999 * (PERF_PERCENT / 10)) / 1e3,
		(double)h->max / 1e3);
}

static void head(const struct perf_run *run, FILE *f)
{
	const struct perf_opts *opts = run->opts;
	uint16_t i;

	fprintf(f, "%s", opts->rw);
	if (opts->read_percent % 100)
		fprintf(f, " (%u %% reads)", opts->read_percent);
	fprintf(f, ", %u bytes, iodepth %u, %u thread%s with %u queue%s each, %.1f s\n", opts->bs,
		opts->iodepth, run->nr_jobs, run->nr_jobs == 1 ? "" : "s", run->jobs[0].nr_queues,
		run->jobs[0].nr_queues == 1 ? "" : "s", run->elapsed_s);
	for (i = 0; i < run->nr_targets; i++)
		fprintf(f, "%s nsid %u\n", nvmh_ctrl_name(run->targets[i].ctrl),
			run->targets[i].ns->nsid);
}

void nvmh_perf_report(const struct perf_run *run, FILE *f)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	uint64_t all;
	double cpu_s;
	int dir;

	if (!sums)
		return;
	add_up(run, sums);
	all = sums->ios[PERF_READ] + sums->ios[PERF_WRITE];
	cpu_s = sums->user_s + sums->system_s;
	head(run, f);
	fprintf(f, "%-6s %9s %10s %9s %9s %9s %9s %9s\n", "", "IOPS", "MiB/s", "mean us", "p50",
		"p99", "p99.9", "max");
	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (run->jobs[0].hist[dir])
			row(run, f, dir_name[dir], &sums->hist[dir], sums->ios[dir]);
	}
	if (run->jobs[0].hist[PERF_READ] && run->jobs[0].hist[PERF_WRITE]) {
		nvmh_perf_hist_merge(&sums->hist[PERF_READ], &sums->hist[PERF_WRITE]);
		row(run, f, "both", &sums->hist[PERF_READ], all);
	}
	fprintf(f, "CPU    %.1f %% of a core (user %.1f %%, system %.1f %%)",
		percent_of_core(run, cpu_s), percent_of_core(run, sums->user_s),
		percent_of_core(run, sums->system_s));
	if (all)
		fprintf(f, ", %.2f s per million I/Os", cpu_s * 1e6 / (double)all);
	fputc('\n', f);
	if (run->opts->verify)
		fprintf(f, "verify %" PRIu64 " I/Os checked, %" PRIu64 " blocks wrong\n",
			sums->checked, sums->bad);
	if (sums->errors)
		fprintf(f, "errors %" PRIu64 "\n", sums->errors);
	free(sums);
}

/* ---------------------------------------------------------------- JSON */

static void json_string(FILE *f, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', f);
	for (; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(f, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f) /* names are ASCII; whatever else came in stays
						     one byte, one code */
			fprintf(f, "\\u%04x", *p);
		else
			fputc(*p, f);
	}
	fputc('"', f);
}

static void json_histogram(FILE *f, const struct perf_hist *h)
{
	const char *comma = "";
	uint32_t i;

	fputs(", \"histogram_ns\": [", f);
	for (i = 0; i < PERF_HIST_BUCKETS; i++) {
		if (!h->count[i])
			continue;
		fprintf(f, "%s[%" PRIu64 ", %" PRIu64 "]", comma, nvmh_perf_hist_first(i),
			h->count[i]);
		comma = ", ";
	}
	fputs("]", f);
}

static void json_dir(const struct perf_run *run, FILE *f, const char *name,
		     const struct perf_hist *h, uint64_t n)
{
	double iops = per_second(run, n);
	size_t i;

	fprintf(f,
		",\n  \"%s\": {\"ios\": %" PRIu64 ", \"bytes\": %" PRIu64
		", \"iops\": %.1f, \"mib_s\": %.2f",
		name, n, n * run->opts->bs, iops, mib(run, iops));
	fprintf(f, ",\n    \"latency_us\": {\"mean\": %.3f, \"min\": %.3f",
		nvmh_perf_hist_mean(h) / 1e3, h->nr ? (double)h->min / 1e3 : 0);
	for (i = 0; i < ARRAY_SIZE(quantiles); i++)
		fprintf(f, ", \"%s\": %.3f", quantiles[i].name,
			(double)nvmh_perf_hist_quantile(h, quantiles[i].rank) / 1e3);
	fprintf(f, ", \"max\": %.3f}", (double)h->max / 1e3);
	if (run->opts->histogram)
		json_histogram(f, h);
	fputs("}", f);
}

static void json_head(const struct perf_run *run, FILE *f)
{
	static const char *const waits[] = { "adaptive", "spin", "sleep" };
	const struct perf_opts *opts = run->opts;
	uint16_t i;

	fprintf(f,
		"{\n  \"version\": \"" NVMETCP_VERSION
		"\",\n  \"options\": {\"rw\": \"%s\", \"read_percent\": %u",
		opts->rw, opts->read_percent);
	fprintf(f, ", \"bs\": %u, \"iodepth\": %u, \"numjobs\": %u, \"queues\": %u", opts->bs,
		opts->iodepth, opts->numjobs, opts->nr_queues);
	fprintf(f, ", \"size\": %" PRIu64 ", \"runtime_s\": %.3f, \"rate\": %" PRIu64, opts->size,
		(double)opts->runtime_ns / PERF_NS_PER_S, opts->rate);
	fprintf(f,
		", \"verify\": %s, \"hdgst\": %s, \"ddgst\": %s, \"disable_sqflow\": %s, \"wait\": \"%s\"}",
		opts->verify ? "true" : "false", opts->hdgst ? "true" : "false",
		opts->ddgst ? "true" : "false", opts->disable_sqflow ? "true" : "false",
		waits[opts->wait]);
	fputs(",\n  \"targets\": [", f);
	for (i = 0; i < run->nr_targets; i++) {
		const struct nvmh_ns *ns = run->targets[i].ns;

		fputs(i ? ",\n    {\"name\": " : "\n    {\"name\": ", f);
		json_string(f, nvmh_ctrl_name(run->targets[i].ctrl));
		fprintf(f, ", \"nsid\": %u, \"lba_size\": %u, \"blocks\": %" PRIu64 "}", ns->nsid,
			ns->lba_size, ns->nsze);
	}
	fputs("]", f);
}

void nvmh_perf_report_json(const struct perf_run *run, FILE *f)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	uint64_t all;
	double cpu_s;
	int dir;

	if (!sums)
		return;
	add_up(run, sums);
	all = sums->ios[PERF_READ] + sums->ios[PERF_WRITE];
	cpu_s = sums->user_s + sums->system_s;
	json_head(run, f);
	fprintf(f, ",\n  \"elapsed_s\": %.6f", run->elapsed_s);
	for (dir = 0; dir < PERF_DIRS; dir++)
		json_dir(run, f, dir_name[dir], &sums->hist[dir], sums->ios[dir]);
	nvmh_perf_hist_merge(&sums->hist[PERF_READ], &sums->hist[PERF_WRITE]);
	json_dir(run, f, "both", &sums->hist[PERF_READ], all);
	fprintf(f,
		",\n  \"cpu\": {\"user_s\": %.6f, \"system_s\": %.6f, \"percent\": %.2f, \"s_per_million_ios\": %.4f}",
		sums->user_s, sums->system_s, percent_of_core(run, cpu_s),
		all ? cpu_s * 1e6 / (double)all : 0);
	fprintf(f, ",\n  \"verify\": {\"checked\": %" PRIu64 ", \"bad_blocks\": %" PRIu64 "}",
		sums->checked, sums->bad);
	fprintf(f, ",\n  \"errors\": %" PRIu64 "\n}\n", sums->errors);
	free(sums);
}
