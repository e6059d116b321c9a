// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcp-perf: measures remote and local NVMe namespaces through libnvmh. This file: the program
 * from its command line to its exit status; perf_opts.c reads the command line, perf_run.c makes
 * controllers and jobs, perf_job.c and perf_io.c are the jobs, perf_report.c tells the results.
 * Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "host/perf_job.h"

enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
};

static void show_progress(struct perf_run *run, bool last)
{
	if (isatty(STDERR_FILENO))
		nvmh_perf_progress(run, stderr, last);
}

static int measure(const struct perf_opts *opts)
{
	struct perf_run run = { .event_fd = -1 };
	char error[PERF_ERROR_TEXT] = "";
	int ret = nvmh_perf_run_open(&run, opts, error);
	bool failed;

	if (!ret)
		ret = nvmh_perf_run_go(&run, show_progress, error);
	if (ret)
		fprintf(stderr, "nvmetcp-perf: %s\n", error);
	else if (opts->json)
		nvmh_perf_report_json(&run, stdout);
	else
		nvmh_perf_report(&run, stdout);
	failed = ret || atomic_load(&run.failed);
	nvmh_perf_run_close(&run);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "nvmetcp-perf: the results cannot be written: %s\n",
			strerror(errno));
		failed = true;
	}
	return failed ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	char error[PERF_ERROR_TEXT];
	struct perf_opts opts;
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
		status = measure(&opts);
	}
	nvmh_perf_opts_done(&opts);
	return status;
}
