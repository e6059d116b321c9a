/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs: a job is a thread with one or more I/O queues of each target. The main thread makes
 * all of it and the controllers, starts the threads, and reads the results when they have ended; in
 * between it looks at the live counters and may ask to stop. Nothing is allocated while I/O runs.
 *
 * perf_io.c: which I/O comes next, what becomes of an answer; perf_verify.c: its data. perf_job.c:
 * the thread, its pace, its sleep. perf_ctrl.c: controllers and namespaces. perf_run.c: what each
 * job gets, and the run.
 */
#ifndef HOST_PERF_JOB_H
#define HOST_PERF_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "common/status.h"
#include "common/util.h"
#include "host/nvmh.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_opts.h"
#include "host/perf_stats.h"
#include "host/perf_zipf.h"

enum {
	PERF_SPIN_NS = 50000,
	PERF_MAX_TOLD = 10, /* lines about errors of one kind and job */
};

struct perf_target {
	const struct perf_target_opts *opts;
	struct perf_run *run;
	struct nvmh_ctrl *ctrl;
	struct nvmh_ns ns;  /* as it was at the begin: a copy, which outlives every change of it */
	uint64_t first_lba; /* of the part that is used */
	uint64_t nr_units;  /* of opts->grain bytes, in that part */
	uint16_t next_queue;
	bool keeps;		/* I/Os outlast the loss of the controller */
	uint32_t nr_lost;	/* how many times the controller was not live any more */
	uint64_t lost_since_ns; /* 0: live */
	uint64_t lost_ns;	/* all times together */
};

struct perf_slot {
	struct nvmh_req req;
	struct perf_queue *pq;
	struct perf_slot *next_free;
	struct iovec iov;
	uint64_t due;	/* ticks: when it was to start */
	uint64_t start; /* ticks: when it was submitted */
	uint64_t unit;	/* relative to the queue's first */
	uint32_t nr_units;
	enum perf_dir dir;
};

/* One I/O queue and its part of the workload. The job's thread. */
struct perf_queue {
	struct nvmh_queue *q;
	struct perf_job *job;
	struct perf_target *target;
	struct perf_part *part;
	struct perf_slot *slots; /* iodepth */
	struct perf_slot *free;
	uint16_t nr_busy;
	bool dirty;    /* submitted, not committed */
	bool armed;    /* will tell through its descriptor */
	bool waiting;  /* could not submit: its controller is not live, or its queue full */
	bool checking; /* reads back what was written */
	uint64_t random;
	uint64_t first; /* units first..first + nr_units - 1 are this queue's */
	uint64_t nr_units;
	uint64_t next; /* of a sequential workload, or of the reading back: relative to first */
	uint64_t left; /* units to start; UINT64_MAX: until told to stop */
	uint64_t writes_to_sync;
	uint32_t lbas; /* of one unit */
	struct {
		uint32_t align; /* random I/Os begin at multiples of so many units */
		uint64_t places;
		struct perf_zipf zipf;
	} dirs[PERF_PLACED];
	/*
	 * --verify, else NULL: how many times each unit was written, and PERF_GEN_ bits. Where
	 * commands may fail, also the last write that is known to have happened.
	 */
	uint32_t *gen;
	uint32_t *sure;
};

enum {
	PERF_GEN_BUSY = 1u << 31,  /* an I/O is on its way */
	PERF_GEN_MAYBE = 1u << 30, /* a write failed: it may have happened, or may not */
	PERF_GEN_MASK = PERF_GEN_MAYBE - 1,
};

struct perf_job {
	/* read by the main thread at any time; written once per turn; since the thread began */
	_Alignas(64) _Atomic uint64_t live_ios[PERF_DIRS];
	_Atomic uint64_t live_bytes[PERF_DIRS];
	_Atomic uint64_t live_checked;
	_Atomic uint64_t live_errors;
	_Atomic bool live_measuring;

	/* the job's thread */
	_Alignas(64) const struct perf_opts *opts;
	const struct perf_clock *clock;
	struct perf_run *run;
	struct perf_part *parts; /* one for each target */
	uint64_t ios[PERF_DIRS];
	uint64_t bytes[PERF_DIRS];
	uint64_t nr_checked;
	uint64_t nr_bad;
	uint64_t nr_errors;
	struct perf_errors errors;
	bool starting;	/* completions start the next I/O */
	bool measuring; /* they count in @parts */
	bool paced;
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
	uint64_t nr_overdue; /* paced: I/Os that were to start, and found no room until the end */
	struct perf_usage usage;

	/* the main thread: second by second */
	struct perf_samples iops[PERF_DIRS];
	struct perf_samples bytes_s[PERF_DIRS];
	uint64_t seen_ios[PERF_DIRS];
	uint64_t seen_bytes[PERF_DIRS];
	bool seen_measuring;
};

/* Shared by all threads of a run. */
struct perf_run {
	const struct perf_opts *opts;
	struct perf_clock clock;
	uint64_t seed; /* of the random numbers */
	uint64_t id;   /* of this run, in what --verify writes */
	struct perf_target *targets;
	uint16_t nr_targets;
	struct perf_job *jobs;
	uint16_t nr_jobs;
	_Atomic bool stop;	  /* no new I/Os */
	_Atomic bool failed;	  /* something went wrong, and was told */
	_Atomic bool mismatch;	  /* --verify found wrong data */
	_Atomic bool interrupted; /* by a signal */
	_Atomic uint64_t nr_errors;
	_Atomic uint16_t nr_checking; /* jobs that read back */
	_Atomic uint16_t nr_running;
	int event_fd;  /* tells the main thread that a job has ended */
	int signal_fd; /* readable: a signal is to end the run */
	uint64_t begun_ns;
	uint64_t seen_ns;	       /* the last second's look */
	double now_iops[PERF_DIRS];    /* in the last second, ramp and all */
	double now_bytes_s[PERF_DIRS]; /* likewise */
	double elapsed_s;	       /* result: from the first begin to the last end */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint16_t nr_ready;
	bool open; /* jobs may begin */
};

/* ---- perf_io.c ---- */

/*
 * nvmh_perf_io_begin() - requests for all I/Os of @pq; its data lie from @mem on, iodepth times
 * @stride bytes. Main thread. @pq: q, job, target, part, first, nr_units and left are set. Return: 0,
 * -ENOMEM.
 */
int nvmh_perf_io_begin(struct perf_queue *pq, uint8_t *mem, size_t stride);
void nvmh_perf_io_end(struct perf_queue *pq);

/* nvmh_perf_io_start() - submit one I/O that was to start at @due, if @pq has one to start and a free
 * slot for it. Return: bytes that it moves; 0: it was not started. */
uint32_t nvmh_perf_io_start(struct perf_queue *pq, uint64_t due, uint64_t now);
/* nvmh_perf_io_fill() - the same, as many as there can be */
void nvmh_perf_io_fill(struct perf_queue *pq, uint64_t now);
/* nvmh_perf_io_check_all() - from now on read back what has been written */
void nvmh_perf_io_check_all(struct perf_queue *pq);

/* ---- perf_verify.c: the job's thread ---- */

/* nvmh_perf_verify_busy() - one of the units is on its way */
bool nvmh_perf_verify_busy(const struct perf_queue *pq, uint64_t unit, uint32_t nr);
/* nvmh_perf_verify_next() - units to read back, at most @max. Return: 0: none are left. */
uint32_t nvmh_perf_verify_next(struct perf_queue *pq, uint32_t max, uint64_t *unit);
/* Before an I/O: its units become busy, a write's data are made. _cancel(): it was not submitted. */
void nvmh_perf_verify_start(struct perf_queue *pq, struct perf_slot *slot);
void nvmh_perf_verify_cancel(struct perf_queue *pq, struct perf_slot *slot);
/* nvmh_perf_verify_done() - a read's data are compared */
void nvmh_perf_verify_done(struct perf_queue *pq, struct perf_slot *slot, bool success);

/* ---- perf_job.c ---- */

/* nvmh_perf_job_main() - the thread, from nvmh_perf_run_open(). @arg: struct perf_job. */
void *nvmh_perf_job_main(void *arg);

/* nvmh_perf_fail() - say why (one line, at most a few per job), and let all jobs end */
void nvmh_perf_fail(struct perf_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- perf_ctrl.c: main thread ---- */

/* nvmh_perf_ctrl_open() - connect, find the namespace, check that it takes the workload. @t: run and
 * opts are set. Return: 0, or -errno and *@error says why; -EINTR, by a signal. */
int nvmh_perf_ctrl_open(struct perf_target *t, char *error);
/* nvmh_perf_ctrl_process() - its descriptor is readable; tells when it is lost, and when it is back */
void nvmh_perf_ctrl_process(struct perf_target *t);
/* nvmh_perf_ctrl_end() - the run is over: what has not come back until now */
void nvmh_perf_ctrl_end(struct perf_target *t);

/* ---- perf_run.c: main thread ---- */

/*
 * nvmh_perf_run_open() - connect, find namespaces, share out queues and memory
 * @run: zeroed; to be given to nvmh_perf_run_close() in any case.
 * @error: PERF_ERROR_TEXT bytes for a line that says what is wrong.
 * Return: 0; -EINTR, a signal ended the wait for a target (run->interrupted); -errno.
 */
int nvmh_perf_run_open(struct perf_run *run, const struct perf_opts *opts, char *error);
/*
 * nvmh_perf_run_go() - run all jobs to their end. @tick: called every second, and once at the end.
 * SIGINT and SIGTERM end them early; the second one ends the program. Return: 0; -errno when they
 * could not be started.
 */
int nvmh_perf_run_go(struct perf_run *run, void (*tick)(struct perf_run *run, bool last),
		     char *error);
void nvmh_perf_run_close(struct perf_run *run);
/* nvmh_perf_take_signal() - run->signal_fd is readable: the first signal ends the workload, and what
 * was measured is told */
void nvmh_perf_take_signal(struct perf_run *run);

/* ---- perf_report.c, perf_json.c: main thread ---- */

extern const char *const nvmh_perf_dir_name[PERF_DIRS];

/* nvmh_perf_look() - what the jobs did since the last look, about a second ago */
void nvmh_perf_look(struct perf_run *run);
/* nvmh_perf_progress() - a line about it; @over: over the one before it. @last: only take that one
 * away */
void nvmh_perf_progress(struct perf_run *run, FILE *f, bool over, bool last);
/* Return: 0, -ENOMEM. */
int nvmh_perf_report(const struct perf_run *run, FILE *f);
int nvmh_perf_report_json(const struct perf_run *run, FILE *f);

#endif /* HOST_PERF_JOB_H */
