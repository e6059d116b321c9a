/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line of nvmetcp-perf as plain checked values. Main thread, before anything runs.
 */
#ifndef HOST_PERF_OPTS_H
#define HOST_PERF_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "host/nvmh.h"
#include "host/perf_sizes.h"

enum {
	PERF_MAX_TARGETS = 64,
	PERF_MAX_PATHS = 8, /* to one target */
	PERF_MAX_JOBS = 128,
	PERF_MAX_RATE = 1000000000, /* I/Os per second */
	PERF_MIN_RATE_BYTES = 1024,
	PERF_MAX_LIST = 32, /* percentiles, steps of a sweep */
	PERF_ERROR_TEXT = 400,
};

/* What an I/O is. Those before PERF_SYNC move or drop data at a place of their own. */
enum perf_dir {
	PERF_READ,
	PERF_WRITE,
	PERF_TRIM,
	PERF_SYNC, /* Flush */
	PERF_DIRS,
	PERF_PLACED = PERF_SYNC,
};

enum perf_wait {
	PERF_WAIT_ADAPTIVE, /* look again for PERF_SPIN_NS, then sleep */
	PERF_WAIT_SPIN,
	PERF_WAIT_SLEEP,
};

enum perf_sweep {
	PERF_SWEEP_NONE,
	PERF_SWEEP_RATE,    /* list: millionths of a percent of the highest rate */
	PERF_SWEEP_IODEPTH, /* list: millionths */
};

enum perf_eta {
	PERF_ETA_AUTO, /* on a terminal */
	PERF_ETA_ALWAYS,
	PERF_ETA_NEVER,
};

/* One target: a transport string, or several that are paths to the same namespace. */
struct perf_target_opts {
	struct nvmh_transport paths[PERF_MAX_PATHS];
	uint16_t nr_paths;
	uint32_t nsid; /* 0: the first namespace */
};

/* Texts lie in argv. */
struct perf_opts {
	enum {
		PERF_RUN,
		PERF_HELP,
		PERF_VERSION,
	} action;

	/* the workload */
	const char *name; /* of the jobs, for the report */
	const char *rw;	  /* the word, for the report */
	bool random;
	bool mixed;
	bool uses[PERF_DIRS];
	uint64_t read_percent; /* of reads and writes: 100: reads only, 0: writes only */
	struct perf_sizes sizes[PERF_PLACED];
	uint32_t grain; /* bytes: every I/O of the workload is a multiple of it */
	uint32_t bs;	/* bytes of the largest I/O */
	double zipf;	/* theta; 0: every place as often as any other */
	uint64_t seed;
	bool seed_given;
	uint64_t offset;  /* bytes, where each namespace's part begins */
	uint64_t size;	  /* bytes of that part; 0: to the end of the namespace */
	uint64_t io_size; /* bytes that each job moves; 0: @size, where that was given */
	uint64_t fsync;	  /* a Flush after so many writes of a queue; 0: none */
	bool writefua, readfua;
	bool verify;

	/* time and pace */
	uint64_t runtime_ns; /* 0: until each job has moved its bytes */
	uint64_t ramp_ns;    /* before it, not measured */
	bool time_based;
	uint64_t rate_iops;  /* of each job; 0: as fast as it goes */
	uint64_t rate_bytes; /* likewise, per second */
	bool poisson;	     /* arrivals at random, not evenly spaced */

	/* width */
	uint64_t iodepth; /* of each queue */
	uint64_t numjobs;
	uint64_t nr_queues; /* of each job and target */
	uint16_t *cpus;	    /* job i runs on cpus[i % nr_cpus]; none: anywhere */
	uint16_t nr_cpus;
	enum perf_wait wait;

	/* connections */
	bool hdgst;
	bool ddgst;
	bool disable_sqflow;
	const char *tcp_congestion;  /* of targets whose string names none; may be NULL */
	uint64_t ctrl_loss_s;	     /* go on without a controller for so long; 0: not at all */
	enum nvmh_iopolicy iopolicy; /* of targets with several paths */
	uint64_t max_errors;	     /* commands that may fail; UINT64_MAX: all */

	/* results */
	bool json;
	bool histogram;
	bool group; /* one entry of fio's for all jobs */
	const char *output;
	enum perf_eta eta;
	uint64_t percentiles[PERF_MAX_LIST]; /* millionths of a percent */
	uint16_t nr_percentiles;
	enum perf_sweep sweep;
	uint64_t steps[PERF_MAX_LIST];
	uint16_t nr_steps;
	const char *plot;

	uint16_t nr_targets;
	struct perf_target_opts targets[PERF_MAX_TARGETS];
};

extern const char nvmh_perf_usage[];

/**
 * nvmh_perf_opts_parse() - read the command line
 * @argv: options may be written with '-' for '_' in their names, which is made '_' in place.
 * @opts: to be given to nvmh_perf_opts_done() in any case.
 * @error: PERF_ERROR_TEXT bytes for one line that names what is wrong.
 *
 * Context: uses getopt(3), so one thread.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int nvmh_perf_opts_parse(int argc, char **argv, struct perf_opts *opts, char *error);
void nvmh_perf_opts_done(struct perf_opts *opts);

/* nvmh_perf_option_name() - the long options one by one, without "--". Return: NULL after the last. */
const char *nvmh_perf_option_name(size_t index);

/* nvmh_perf_opts_settle() - what only the options together tell: checks them, fills in what follows.
 * As above. */
int nvmh_perf_opts_settle(struct perf_opts *opts, char *error);

/*
 * nvmh_perf_target_parse() - a transport string, or several with " + " between them. Nothing is
 * written to @target on error. Return as above. nvmh_perf_target_done() undoes it.
 */
int nvmh_perf_target_parse(const char *text, struct perf_target_opts *target, char *error);
void nvmh_perf_target_done(struct perf_target_opts *target);

/* nvmh_perf_refuse() - write one line to @error. Return: @err. */
int nvmh_perf_refuse(int err, char *error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* HOST_PERF_OPTS_H */
