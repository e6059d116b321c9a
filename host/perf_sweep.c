// SPDX-License-Identifier: BSD-2-Clause
/*
 * Latency against load: a run for each step of the rate, up from a part of the highest that was
 * measured before, or for each iodepth. Every step makes its own connections, so that none inherits
 * anything from the one before. Main thread. Entry point: nvmh_perf_sweep().
 */
#include "host/perf_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/perf_emit.h"
#include "host/perf_sum.h"
#include "host/perf_words.h"

enum {
	MIB = 1 << 20,
	REACHED_PERCENT = 98, /* of the wanted rate; the rest is a step's begin and end */
};

static double us_of(const struct perf_hist *h, uint32_t rank)
{
	return (double)nvmh_perf_hist_quantile(h, rank) / 1e3;
}

static void take_results(const struct perf_run *run, struct perf_sum *sum, struct perf_step *step)
{
	const struct perf_hist *h = &sum->all.lat;

	nvmh_perf_sum(run, PERF_ALL, PERF_ALL, sum);
	step->iops = nvmh_perf_iops(sum, &sum->all);
	step->bytes_s = nvmh_perf_bytes_s(sum, &sum->all);
	step->mean = nvmh_perf_hist_mean(h) / 1e3;
	step->p50 = us_of(h, 50 * PERF_PERCENT);
	step->p99 = us_of(h, 99 * PERF_PERCENT);
	step->p999 = us_of(h, 999 * (PERF_PERCENT / 10));
	step->max = (double)h->max / 1e3;
	step->cpu_percent = nvmh_perf_cpu_percent(sum, sum->usage.user_s + sum->usage.system_s);
	step->nr_errors = sum->nr_errors;
	step->nr_overdue = sum->nr_overdue;
}

/* One run with *@opts. */
static int run_step(const struct perf_opts *opts, struct perf_sweep_result *result,
		    struct perf_step *step, void (*tick)(struct perf_run *run, bool last),
		    char *error)
{
	struct perf_sum *sum = malloc(sizeof(*sum));
	struct perf_run run = { .event_fd = -1 };
	int ret;

	if (!sum)
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	ret = nvmh_perf_run_open(&run, opts, error);
	if (!ret)
		ret = nvmh_perf_run_go(&run, tick, error);
	if (!ret) {
		take_results(&run, sum, step);
		snprintf(result->target, sizeof(result->target), "%s nsid %u%s",
			 nvmh_ctrl_name(run.targets[0].ctrl), run.targets[0].ns.nsid,
			 run.nr_targets > 1 ? " and others" : "");
	}
	result->failed |= atomic_load(&run.failed);
	result->ended |= atomic_load(&run.failed) && atomic_load(&run.stop);
	result->interrupted |= atomic_load(&run.interrupted);
	nvmh_perf_run_close(&run);
	free(sum);
	/* the end of the sweep, but nothing that went wrong */
	return ret == -EINTR ? 0 : ret;
}

/* What 100 percent are. */
static int find_max(const struct perf_opts *opts, struct perf_sweep_result *result,
		    void (*tick)(struct perf_run *run, bool last), char *error)
{
	struct perf_step step = { 0 };
	int ret = run_step(opts, result, &step, tick, error);

	result->max_iops = step.iops;
	if (!ret && !result->ended && !result->interrupted && step.iops < 1)
		ret = nvmh_perf_refuse(-EIO, error, "not one I/O was answered within --runtime");
	return ret;
}

int nvmh_perf_sweep(const struct perf_opts *opts, struct perf_sweep_result *result,
		    void (*tick)(struct perf_run *run, bool last),
		    void (*told)(const struct perf_sweep_result *result), char *error)
{
	struct perf_opts *now = malloc(sizeof(*now));
	uint16_t i;
	int ret = 0;

	memset(result, 0, sizeof(*result));
	result->opts = opts;
	if (!now)
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	*now = *opts;
	if (opts->sweep == PERF_SWEEP_RATE)
		ret = find_max(now, result, tick, error);
	for (i = 0; !ret && i < opts->nr_steps && !result->ended && !result->interrupted; i++) {
		struct perf_step *step = &result->steps[i];

		step->load = (double)opts->steps[i] / PERF_MICRO;
		if (opts->sweep == PERF_SWEEP_IODEPTH) {
			now->iodepth = opts->steps[i] / PERF_MICRO;
		} else {
			double each = result->max_iops * step->load / 100 / (double)opts->numjobs;

			now->rate_iops =
				max_of((uint64_t)min_of(each, (double)PERF_MAX_RATE), UINT64_C(1));
			step->wanted_iops = (double)(now->rate_iops * opts->numjobs);
		}
		ret = run_step(now, result, step, tick, error);
		if (ret || result->interrupted)
			break; /* a step that was cut short says nothing */
		step->reached = step->iops >= step->wanted_iops * REACHED_PERCENT / 100;
		result->nr_steps++;
		told(result);
	}
	free(now);
	return ret;
}

/* ---------------------------------------------------------------- results */

static const char *load_name(const struct perf_sweep_result *result)
{
	return result->opts->sweep == PERF_SWEEP_RATE ? "load %" : "iodepth";
}

void nvmh_perf_sweep_report(const struct perf_sweep_result *result, FILE *f)
{
	const struct perf_opts *opts = result->opts;
	uint16_t i;

	fprintf(f, "%s, %u bytes, %u thread%s with %u queue%s of each target\n%s\n", opts->rw,
		opts->bs, (unsigned int)opts->numjobs, opts->numjobs == 1 ? "" : "s",
		(unsigned int)opts->nr_queues, opts->nr_queues == 1 ? "" : "s", result->target);
	if (opts->sweep == PERF_SWEEP_RATE)
		fprintf(f, "100 %% are %.0f IOPS, reached with iodepth %u\n", result->max_iops,
			(unsigned int)opts->iodepth);
	fprintf(f, "%8s %10s %10s %9s %9s %9s %9s %9s %7s\n", load_name(result), "IOPS", "MiB/s",
		"mean us", "p50", "p99", "p99.9", "max", "CPU %");
	for (i = 0; i < result->nr_steps; i++) {
		const struct perf_step *s = &result->steps[i];

		fprintf(f, "%8g %10.0f %10.1f %9.1f %9.1f %9.1f %9.1f %9.1f %7.1f%s\n", s->load,
			s->iops, s->bytes_s / MIB, s->mean, s->p50, s->p99, s->p999, s->max,
			s->cpu_percent, s->reached ? "" : "  (not reached)");
	}
	if (result->interrupted)
		fputs("interrupted by a signal\n", f);
}

void nvmh_perf_sweep_json(const struct perf_sweep_result *result, FILE *f)
{
	const struct perf_opts *opts = result->opts;
	bool rate = opts->sweep == PERF_SWEEP_RATE;
	struct perf_emit e = { .f = f };
	uint16_t i;

	nvmh_perf_emit_open(&e, NULL, '{');
	nvmh_perf_emit_text(&e, "version", NVMETCP_VERSION);
	nvmh_perf_emit_text(&e, "sweep", rate ? "rate" : "iodepth");
	nvmh_perf_emit_text(&e, "target", result->target);
	nvmh_perf_emit_text(&e, "rw", opts->rw);
	nvmh_perf_emit_number(&e, "bs", opts->bs);
	nvmh_perf_emit_number(&e, "numjobs", opts->numjobs);
	nvmh_perf_emit_number(&e, "queues", opts->nr_queues);
	nvmh_perf_emit_real(&e, "step_s", (double)opts->runtime_ns / PERF_NS_PER_S);
	if (rate) {
		nvmh_perf_emit_number(&e, "iodepth", opts->iodepth);
		nvmh_perf_emit_real(&e, "max_iops", result->max_iops);
	}
	nvmh_perf_emit_bool(&e, "interrupted", result->interrupted);
	nvmh_perf_emit_open(&e, "steps", '[');
	for (i = 0; i < result->nr_steps; i++) {
		const struct perf_step *s = &result->steps[i];

		nvmh_perf_emit_open_flat(&e, NULL, '{');
		nvmh_perf_emit_real(&e, rate ? "percent" : "iodepth", s->load);
		nvmh_perf_emit_real(&e, "wanted_iops", s->wanted_iops);
		nvmh_perf_emit_real(&e, "iops", s->iops);
		nvmh_perf_emit_real(&e, "mib_s", s->bytes_s / MIB);
		nvmh_perf_emit_open(&e, "latency_us", '{');
		nvmh_perf_emit_real(&e, "mean", s->mean);
		nvmh_perf_emit_real(&e, "p50", s->p50);
		nvmh_perf_emit_real(&e, "p99", s->p99);
		nvmh_perf_emit_real(&e, "p99.9", s->p999);
		nvmh_perf_emit_real(&e, "max", s->max);
		nvmh_perf_emit_close(&e, '}');
		nvmh_perf_emit_real(&e, "cpu_percent", s->cpu_percent);
		nvmh_perf_emit_number(&e, "errors", s->nr_errors);
		nvmh_perf_emit_number(&e, "overdue", s->nr_overdue);
		nvmh_perf_emit_bool(&e, "reached", s->reached);
		nvmh_perf_emit_close(&e, '}');
	}
	nvmh_perf_emit_close(&e, ']');
	nvmh_perf_emit_close(&e, '}');
}
