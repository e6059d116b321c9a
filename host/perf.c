// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcp-perf: measures remote and local NVMe namespaces through libnvmh. This file: the program
 * from its command line to its exit status; perf_opts.c reads the command line, perf_run.c makes
 * controllers and jobs, perf_job.c and perf_io.c are the jobs, perf_report.c and perf_json.c tell the
 * results, perf_sweep.c makes many runs of one. Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "host/perf_job.h"
#include "host/perf_sweep.h"

enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_MISMATCH,
};

static void show_progress(struct perf_run *run, bool last)
{
	bool terminal = isatty(STDERR_FILENO);

	if (run->opts->eta == PERF_ETA_ALWAYS || (run->opts->eta == PERF_ETA_AUTO && terminal))
		nvmh_perf_progress(run, stderr, terminal, last);
}

static int complain(const char *error)
{
	fprintf(stderr, "nvmetcp-perf: %s\n", error);
	return EXIT_FAILED;
}

/* A file for results, opened before anything is measured. @name: NULL: the standard output. */
static FILE *open_output(const char *name)
{
	FILE *f = name ? fopen(name, "we") : stdout;

	if (!f)
		fprintf(stderr, "nvmetcp-perf: %s: %s\n", name, strerror(errno));
	return f;
}

/* Return: whether everything was written. */
static bool close_output(FILE *f)
{
	bool good = !fflush(f) && !ferror(f);
	int err = errno;

	if (f != stdout && fclose(f) && good) {
		err = errno;
		good = false;
	}
	if (!good)
		fprintf(stderr, "nvmetcp-perf: the results cannot be written: %s\n", strerror(err));
	return good;
}

static int measure(const struct perf_opts *opts, FILE *out)
{
	struct perf_run run = { .event_fd = -1 };
	char error[PERF_ERROR_TEXT] = "";
	int ret = nvmh_perf_run_open(&run, opts, error);
	int status = EXIT_OK;

	if (!ret)
		ret = nvmh_perf_run_go(&run, show_progress, error);
	if (!ret) {
		ret = opts->json ? nvmh_perf_report_json(&run, out) : nvmh_perf_report(&run, out);
		if (ret)
			snprintf(error, sizeof(error), "out of memory for the results");
	}
	if (ret)
		status = complain(error);
	else if (atomic_load(&run.mismatch))
		status = EXIT_MISMATCH;
	else if (atomic_load(&run.failed))
		status = EXIT_FAILED;
	nvmh_perf_run_close(&run);
	return status;
}

static void show_step(const struct perf_sweep_result *result)
{
	const struct perf_step *s = &result->steps[result->nr_steps - 1];
	bool rate = result->opts->sweep == PERF_SWEEP_RATE;

	if (result->opts->eta == PERF_ETA_NEVER ||
	    (result->opts->eta == PERF_ETA_AUTO && !isatty(STDERR_FILENO)))
		return;
	fprintf(stderr, "%s%g%s: %.0f IOPS, p50 %.1f us, p99 %.1f us\n", rate ? "" : "iodepth ",
		s->load, rate ? " %" : "", s->iops, s->p50, s->p99);
}

static int sweep(const struct perf_opts *opts, FILE *out, FILE *plot)
{
	static struct perf_sweep_result result;
	char error[PERF_ERROR_TEXT] = "";
	int ret = nvmh_perf_sweep(opts, &result, show_progress, show_step, error);
	int status = EXIT_OK;

	if (ret)
		status = complain(error);
	else if (result.failed)
		status = EXIT_FAILED;
	/* what was measured before something went wrong is told, too */
	if (ret && !result.nr_steps)
		return status;
	if (opts->json)
		nvmh_perf_sweep_json(&result, out);
	else
		nvmh_perf_sweep_report(&result, out);
	if (plot)
		nvmh_perf_plot(&result, plot);
	return status;
}

static int run_all(const struct perf_opts *opts)
{
	FILE *out = open_output(opts->output);
	FILE *plot = NULL;
	int status = EXIT_FAILED;

	if (out && opts->plot)
		plot = open_output(opts->plot);
	if (out && (plot || !opts->plot))
		status = opts->sweep ? sweep(opts, out, plot) : measure(opts, out);
	if (plot && !close_output(plot) && !status)
		status = EXIT_FAILED;
	if (out && !close_output(out) && !status)
		status = EXIT_FAILED;
	return status;
}

int main(int argc, char **argv)
{
	static struct perf_opts opts;
	char error[PERF_ERROR_TEXT];
	int status = EXIT_OK;
	int ret;

	log_init("nvmetcp-perf", LOG_LVL_ERROR);
	ret = nvmh_perf_opts_parse(argc, argv, &opts, error);
	if (ret) {
		fprintf(stderr, "nvmetcp-perf: %s; see nvmetcp-perf --help\n", error);
		status = ret == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	} else if (opts.action == PERF_HELP) {
		fputs(nvmh_perf_usage, stdout);
	} else if (opts.action == PERF_VERSION) {
		puts("nvmetcp-perf " NVMETCP_VERSION);
	} else {
		status = run_all(&opts);
	}
	nvmh_perf_opts_done(&opts);
	return status;
}
