// SPDX-License-Identifier: BSD-2-Clause
/*
 * What only the options together tell: which exclude each other, and the values that follow from
 * several. Main thread. Entry point: nvmh_perf_opts_settle().
 */
#include <errno.h>
#include <string.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_opts.h"
#include "host/perf_words.h"

enum {
	DEFAULT_MIX = 50, /* percent of reads, as in fio */
	DEFAULT_RUNTIME_S = 10,
	DEFAULT_STEP_S = 5,	  /* of a sweep */
	DEFAULT_TOP_IODEPTH = 64, /* most controllers take 127 commands on a queue */
};

static int settle_kind(struct perf_opts *opts, char *error)
{
	bool given = opts->read_percent != UINT64_MAX;
	int dir;

	if (given && !opts->mixed)
		return nvmh_perf_refuse(-EINVAL, error, "--rwmixread needs --rw=rw or --rw=randrw");
	if (!given)
		opts->read_percent = opts->mixed ? DEFAULT_MIX : opts->uses[PERF_READ] ? 100 : 0;
	if (opts->verify && opts->uses[PERF_TRIM])
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--verify does not go with --rw=%s: what a trimmed block holds is not known",
			opts->rw);
	if (opts->fsync && !opts->uses[PERF_WRITE])
		return nvmh_perf_refuse(-EINVAL, error, "--fsync needs writes, --rw=%s has none",
					opts->rw);
	if (opts->zipf > 0 && !opts->random)
		return nvmh_perf_refuse(-EINVAL, error,
					"--random_distribution needs random I/Os, --rw=%s has none",
					opts->rw);
	opts->uses[PERF_SYNC] = opts->fsync;
	for (dir = 0; dir < PERF_PLACED; dir++) {
		if (!opts->uses[dir])
			continue;
		opts->grain = nvmh_perf_sizes_gcd(&opts->sizes[dir], opts->grain);
		opts->bs = max_of(opts->bs, opts->sizes[dir].max);
	}
	return 0;
}

static int settle_time(struct perf_opts *opts, char *error)
{
	if (opts->rate_bytes && opts->rate_iops)
		return nvmh_perf_refuse(-EINVAL, error,
					"--rate and --rate_iops exclude each other");
	if (opts->poisson && !opts->rate_bytes && !opts->rate_iops &&
	    opts->sweep != PERF_SWEEP_RATE)
		return nvmh_perf_refuse(-EINVAL, error,
					"--rate_process needs --rate, --rate_iops or --sweep=rate");
	if (!opts->runtime_ns && opts->time_based)
		return nvmh_perf_refuse(-EINVAL, error, "--time_based needs --runtime");
	if (!opts->runtime_ns && !opts->size && !opts->io_size)
		opts->runtime_ns = (opts->sweep ? DEFAULT_STEP_S : DEFAULT_RUNTIME_S) *
				   (uint64_t)PERF_NS_PER_S;
	if (!opts->runtime_ns && opts->ramp_ns)
		return nvmh_perf_refuse(-EINVAL, error, "--ramp_time needs --runtime");
	return 0;
}

static void default_steps(struct perf_opts *opts)
{
	uint64_t depth, top = opts->iodepth > 1 ? opts->iodepth : DEFAULT_TOP_IODEPTH;
	int i;

	if (opts->sweep == PERF_SWEEP_RATE) {
		for (i = 1; i <= 10; i++)
			opts->steps[opts->nr_steps++] = i * 10ull * PERF_MICRO;
		return;
	}
	for (depth = 1; depth < top; depth *= 2)
		opts->steps[opts->nr_steps++] = depth * PERF_MICRO;
	opts->steps[opts->nr_steps++] = top * PERF_MICRO;
}

static int settle_sweep(struct perf_opts *opts, char *error)
{
	if (!opts->sweep)
		return opts->plot ? nvmh_perf_refuse(-EINVAL, error, "--plot needs --sweep") : 0;
	if (opts->sweep == PERF_SWEEP_RATE && (opts->rate_bytes || opts->rate_iops))
		return nvmh_perf_refuse(-EINVAL, error,
					"--sweep=rate chooses the rate itself: leave --rate out");
	if (opts->verify)
		return nvmh_perf_refuse(-EINVAL, error, "--sweep does not go with --verify");
	if (!opts->runtime_ns)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--sweep needs --runtime beside --size: each step runs for so long");
	if (!opts->nr_steps)
		default_steps(opts);
	return 0;
}

static void default_percentiles(struct perf_opts *opts)
{
	static const char fio[] = "1:5:10:20:30:40:50:60:70:80:90:95:99:99.5:99.9:99.95:99.99";

	nvmh_perf_word_list(fio, 100ull * PERF_PERCENT, opts->percentiles, PERF_MAX_LIST,
			    &opts->nr_percentiles);
}

int nvmh_perf_opts_settle(struct perf_opts *opts, char *error)
{
	int ret = settle_kind(opts, error);

	if (!ret && !opts->nr_targets)
		ret = nvmh_perf_refuse(-EINVAL, error, "a transport string is missing");
	if (!ret && opts->numjobs * opts->nr_queues > MAX_IO_QUEUES)
		ret = nvmh_perf_refuse(
			-EINVAL, error,
			"--numjobs times --queues is more than the %u I/O queues of a controller; give the transport string several times for several controllers",
			MAX_IO_QUEUES);
	if (!ret)
		ret = settle_time(opts, error);
	if (!ret)
		ret = settle_sweep(opts, error);
	if (!opts->nr_percentiles)
		default_percentiles(opts);
	return ret;
}
