/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs: a job is a thread with one or more I/O queues of each target. The main thread makes
 * all of it and the controllers, starts the threads, and reads the results when they have ended; in
 * between it looks at the live counters and may ask to stop. Nothing is allocated while I/O runs.
 *
 * perf_io.c: which I/O comes next, what becomes of an answer. perf_job.c: the thread, its pace, its
 * sleep.
 */
#ifndef HOST_PERF_JOB_H
#define HOST_PERF_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "host/nvmh.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_opts.h"

enum {
	PERF_SPIN_NS = 50000,
	PERF_MAX_TOLD = 10, /* lines about errors of one kind and job */
};

enum perf_dir {
	PERF_READ,
	PERF_WRITE,
	PERF_DIRS,
};

struct perf_target {
	const struct nvmh_transport *opts;
	struct nvmh_ctrl *ctrl;
	const struct nvmh_ns *ns;
	uint64_t nr_units; /* I/Os of --bs that --size, or the namespace, has room for */
	uint16_t next_queue;
};

struct perf_slot {
	struct nvmh_req req;
	struct perf_queue *pq;
	struct perf_slot *next_free;
	struct iovec iov;
	uint64_t start; /* ticks */
	uint64_t unit;
	uint8_t dir; /* enum perf_dir */
	bool check;  /* a read whose data are known */
};

/* One I/O queue and its part of the workload. The job's thread. */
struct perf_queue {
	struct nvmh_queue *q;
	struct perf_job *job;
	struct perf_target *target;
	struct perf_slot *slots; /* iodepth */
	struct perf_slot *free;
	uint16_t nr_busy;
	bool dirty;    /* submitted, not committed */
	bool armed;    /* will tell through its descriptor */
	bool checking; /* reads back what was written */
	uint64_t random;
	uint64_t first; /* units first..first + nr_units - 1 are this queue's */
	uint64_t nr_units;
	uint64_t next; /* of a sequential workload, or of the reading back: relative to first */
	uint64_t left; /* I/Os to start; UINT64_MAX: until told to stop */
	uint32_t lbas; /* of one I/O */
	/* --verify: how many times each unit was written; the top bit: an I/O is on its way. Else
	 * NULL. */
	uint32_t *gen;
};

enum {
	PERF_GEN_BUSY = 1u << 31,
	PERF_GEN_MASK = PERF_GEN_BUSY - 1,
};

struct perf_job {
	/* read by the main thread at any time; written once per turn */
	_Alignas(64) _Atomic uint64_t live_ios[PERF_DIRS];
	_Atomic uint64_t live_checked;

	/* the job's thread */
	_Alignas(64) const struct perf_opts *opts;
	const struct perf_clock *clock;
	struct perf_run *run;
	struct perf_hist *hist[PERF_DIRS]; /* NULL where the workload has no such I/Os */
	uint64_t ios[PERF_DIRS];
	uint64_t nr_checked; /* units compared */
	uint64_t nr_bad;     /* blocks that were not as written */
	uint64_t nr_errors;  /* commands that failed */
	bool starting;	     /* completions start the next I/O */
	struct perf_queue *queues;
	uint16_t nr_queues;
	uint16_t next_queue; /* paced: whose turn it is */
	uint16_t index;
	int epoll_fd;

	void *arena; /* data of all slots */
	size_t arena_bytes;
	pthread_t thread;
	bool started;

	/* results */
	uint64_t begin; /* ticks */
	uint64_t end;
	double user_s;
	double system_s;
};

/* Shared by all threads of a run. */
struct perf_run {
	const struct perf_opts *opts;
	struct perf_clock clock;
	uint64_t seed; /* of the random numbers; names the run in what --verify writes */
	struct perf_target *targets;
	uint16_t nr_targets;
	struct perf_job *jobs;
	uint16_t nr_jobs;
	_Atomic bool stop; /* no new I/Os */
	_Atomic bool failed;
	_Atomic uint16_t nr_checking; /* jobs that read back */
	_Atomic uint16_t nr_running;
	int event_fd;		       /* tells the main thread that a job has ended */
	uint64_t shown_ios[PERF_DIRS]; /* the progress line's last look */
	uint64_t shown_ns;
	double elapsed_s; /* result: from the first begin to the last end */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint16_t nr_ready;
	bool open; /* jobs may begin */
};

/* ---- perf_io.c ---- */

/*
 * nvmh_perf_io_begin() - requests for all I/Os of @pq; its data lie from @mem on, iodepth times
 * @stride bytes. Main thread. @pq: q, job, target, first, nr_units and left are set. Return: 0,
 * -ENOMEM.
 */
int nvmh_perf_io_begin(struct perf_queue *pq, uint8_t *mem, size_t stride);
void nvmh_perf_io_end(struct perf_queue *pq);

/* nvmh_perf_io_start() - submit one I/O if @pq has one to start and a free slot for it. Return:
 * whether it did. */
bool nvmh_perf_io_start(struct perf_queue *pq, uint64_t now);
/* nvmh_perf_io_fill() - the same, as many as there can be */
void nvmh_perf_io_fill(struct perf_queue *pq, uint64_t now);
/* nvmh_perf_io_check_all() - from now on read back what has been written */
void nvmh_perf_io_check_all(struct perf_queue *pq);

/* ---- perf_job.c ---- */

/* nvmh_perf_job_main() - the thread, from nvmh_perf_run_open(). @arg: struct perf_job. */
void *nvmh_perf_job_main(void *arg);

/* nvmh_perf_fail() - say why (one line, at most a few per job), and let all jobs end */
void nvmh_perf_fail(struct perf_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- perf_run.c: main thread ---- */

/*
 * nvmh_perf_run_open() - connect, find namespaces, share out queues and memory
 * @run: zeroed; to be given to nvmh_perf_run_close() in any case.
 * @error: PERF_ERROR_TEXT bytes for a line that says what is wrong.
 * Return: 0 or -errno.
 */
int nvmh_perf_run_open(struct perf_run *run, const struct perf_opts *opts, char *error);
/*
 * nvmh_perf_run_go() - run all jobs to their end. @tick: called every second, and once at the end.
 * SIGINT and SIGTERM end them early. Return: 0; -errno when they could not be started.
 */
int nvmh_perf_run_go(struct perf_run *run, void (*tick)(struct perf_run *run, bool last),
		     char *error);
void nvmh_perf_run_close(struct perf_run *run);

/* ---- perf_report.c: main thread ---- */

/* nvmh_perf_progress() - a line over the one before it; @last: only take that one away */
void nvmh_perf_progress(struct perf_run *run, FILE *f, bool last);
void nvmh_perf_report(const struct perf_run *run, FILE *f);
void nvmh_perf_report_json(const struct perf_run *run, FILE *f);

#endif /* HOST_PERF_JOB_H */
