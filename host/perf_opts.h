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

enum {
	PERF_MAX_TARGETS = 64,
	PERF_MAX_JOBS = 128,
	PERF_MAX_BS = 16 << 20,
	PERF_MAX_RATE = 1000000000,
	PERF_ERROR_TEXT = 400,
};

enum perf_wait {
	PERF_WAIT_ADAPTIVE, /* look again for PERF_SPIN_NS, then sleep */
	PERF_WAIT_SPIN,
	PERF_WAIT_SLEEP,
};

struct perf_opts {
	enum {
		PERF_RUN,
		PERF_HELP,
		PERF_VERSION,
	} action;
	const char *rw; /* the word, for the report */
	bool random;
	uint8_t read_percent; /* 100: reads only, 0: writes only */
	uint32_t bs;	      /* bytes */
	uint16_t iodepth;     /* of each queue */
	uint16_t numjobs;
	uint16_t nr_queues;  /* of each job and target */
	uint64_t size;	     /* bytes; 0: all of the namespace */
	uint64_t runtime_ns; /* 0: until each job has moved @size bytes */
	uint64_t rate;	     /* I/Os per second and job; 0: as fast as it goes */
	enum perf_wait wait;
	bool verify;
	bool hdgst;
	bool ddgst;
	bool disable_sqflow;
	const char *tcp_congestion; /* in argv; of targets whose string names none; may be NULL */
	bool json;
	bool histogram; /* buckets in the JSON output */
	uint16_t *cpus; /* job i runs on cpus[i % nr_cpus]; none: anywhere */
	uint16_t nr_cpus;
	uint16_t nr_targets;
	struct nvmh_transport targets[PERF_MAX_TARGETS];
};

extern const char nvmh_perf_usage[];

/**
 * nvmh_perf_opts_parse() - read the command line
 * @opts: to be given to nvmh_perf_opts_done() in any case.
 * @error: PERF_ERROR_TEXT bytes for one line that names what is wrong.
 *
 * Context: uses getopt(3), so one thread.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int nvmh_perf_opts_parse(int argc, char **argv, struct perf_opts *opts, char *error);
void nvmh_perf_opts_done(struct perf_opts *opts);

#endif /* HOST_PERF_OPTS_H */
