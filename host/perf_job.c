// SPDX-License-Identifier: BSD-2-Clause
/*
 * A job: its thread, its pace and its sleep. Entry point: nvmh_perf_job_main().
 *
 * A turn polls queues, commits what their completions started, and, paced, starts what is due.
 * Spinning, every turn looks at every queue. Sleeping, all queues are armed first; then only those
 * whose descriptor tells are looked at.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "host/perf_job.h"
#include "host/perf_random.h"

enum {
	MAX_SLEEP_NS = 100000000, /* until the next look at whether to stop */
	EVENTS = 64,
	TIMER_SLACK_NS = 1,
};

struct pace {
	uint64_t interval; /* ticks between I/Os, times 2^16; 0: as fast as it goes */
	uint64_t due;	   /* ticks; when the next one is to start */
	uint64_t fraction; /* of due, in 2^-16 ticks */
};

void nvmh_perf_fail(struct perf_job *job, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err("%s", text);
	atomic_store_explicit(&job->run->failed, true, memory_order_relaxed);
	atomic_store_explicit(&job->run->stop, true, memory_order_relaxed);
}

static bool must_stop(const struct perf_job *job)
{
	return atomic_load_explicit(&job->run->stop, memory_order_relaxed);
}

/* ---------------------------------------------------------------- a turn */

static int poll_queue(struct perf_queue *pq)
{
	int n = nvmh_queue_poll(pq->q);

	pq->armed = false;
	if (pq->dirty) {
		pq->dirty = false;
		nvmh_queue_commit(pq->q);
	}
	return n;
}

static void pace_init(struct pace *pace, const struct perf_job *job, uint64_t now)
{
	uint64_t rate = job->opts->rate;

	memset(pace, 0, sizeof(*pace));
	pace->due = now;
	if (rate)
		pace->interval =
			perf_ns_to_ticks(job->clock, ((uint64_t)PERF_NS_PER_S << 16) / rate);
}

/* Start what is due, queue by queue. What finds no slot stays due. */
static void pace_run(struct perf_job *job, struct pace *pace, uint64_t now)
{
	uint16_t full = 0;

	while (pace->due <= now && full < job->nr_queues) {
		struct perf_queue *pq = &job->queues[job->next_queue];

		job->next_queue = (uint16_t)(job->next_queue + 1) % job->nr_queues;
		if (!nvmh_perf_io_start(pq, now)) {
			full++;
			continue;
		}
		full = 0;
		pace->fraction += pace->interval & 0xffff;
		pace->due += (pace->interval >> 16) + (pace->fraction >> 16);
		pace->fraction &= 0xffff;
	}
}

static void commit_all(struct perf_job *job)
{
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		struct perf_queue *pq = &job->queues[i];

		if (!pq->dirty)
			continue;
		pq->dirty = false;
		pq->armed = false; /* what could not be sent is to be told of, too */
		nvmh_queue_commit(pq->q);
	}
}

static int poll_all(struct perf_job *job)
{
	uint16_t i;
	int n = 0;

	for (i = 0; i < job->nr_queues; i++)
		n += poll_queue(&job->queues[i]);
	return n;
}

static void publish(struct perf_job *job)
{
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++)
		atomic_store_explicit(&job->live_ios[dir], job->ios[dir], memory_order_relaxed);
	atomic_store_explicit(&job->live_checked, job->nr_checked, memory_order_relaxed);
}

/* ---------------------------------------------------------------- sleep */

/* Return: there is work at once. */
static bool arm_all(struct perf_job *job)
{
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		struct perf_queue *pq = &job->queues[i];

		if (pq->armed)
			continue;
		if (nvmh_queue_arm(pq->q) > 0)
			return true;
		pq->armed = true;
	}
	return false;
}

/* Sleeps until a queue has something or @until (ticks) has come; polls what has. Return:
 * completions. */
static int sleep_and_poll(struct perf_job *job, uint64_t until)
{
	struct epoll_event events[EVENTS];
	uint64_t now = perf_ticks(job->clock);
	uint64_t ns = until > now ? perf_ticks_to_ns(job->clock, until - now) : 0;
	struct timespec ts = { .tv_nsec = (long)min_of(ns, (uint64_t)MAX_SLEEP_NS) };
	int n = 0;
	int i, nr;

	if (arm_all(job))
		return poll_all(job);
	if (job->nr_queues == 1) {
		struct pollfd pfd = { .fd = nvmh_queue_fd(job->queues[0].q), .events = POLLIN };

		return ppoll(&pfd, 1, &ts, NULL) > 0 ? poll_all(job) : 0;
	}
	nr = epoll_pwait2(job->epoll_fd, events, EVENTS, &ts, NULL);
	for (i = 0; i < nr; i++)
		n += poll_queue(events[i].data.ptr);
	return n;
}

static int watch_queues(struct perf_job *job)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		ev.data.ptr = &job->queues[i];
		if (epoll_ctl(job->epoll_fd, EPOLL_CTL_ADD, nvmh_queue_fd(job->queues[i].q), &ev))
			return -errno;
	}
	return 0;
}

/* ---------------------------------------------------------------- a workload from start to end */

static bool all_idle(const struct perf_job *job)
{
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		if (job->queues[i].nr_busy)
			return false;
	}
	return true;
}

static bool all_started(const struct perf_job *job)
{
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		if (job->queues[i].left)
			return false;
	}
	return true;
}

/* One way to wait for what comes next, after a turn that brought @n completions. */
static int next_turn(struct perf_job *job, int n, uint64_t now, uint64_t *busy_until,
		     uint64_t until)
{
	switch (job->opts->wait) {
	case PERF_WAIT_SPIN:
		return poll_all(job);
	case PERF_WAIT_SLEEP:
		return sleep_and_poll(job, until);
	default:
		if (n)
			*busy_until = now + perf_ns_to_ticks(job->clock, PERF_SPIN_NS);
		return now < *busy_until ? poll_all(job) : sleep_and_poll(job, until);
	}
}

/* Until @end (ticks), or told to stop, or everything has been started; then until all has been
 * answered. */
static void run_workload(struct perf_job *job, uint64_t end, bool paced)
{
	uint64_t now = perf_ticks(job->clock);
	uint64_t busy_until = 0, until;
	bool running = true;
	struct pace pace;
	uint16_t i;
	int n = 0;

	pace_init(&pace, job, now);
	job->starting = !paced;
	for (i = 0; !paced && i < job->nr_queues; i++)
		nvmh_perf_io_fill(&job->queues[i], now);
	commit_all(job);
	while (running || !all_idle(job)) {
		until = end;
		if (paced && running) {
			pace_run(job, &pace, now);
			commit_all(job);
			/* overdue: all slots are taken, so that only a completion brings it on */
			if (pace.due > now)
				until = min_of(pace.due, end);
		}
		n = next_turn(job, n, now, &busy_until, until);
		now = perf_ticks(job->clock);
		if (running &&
		    (now >= end || must_stop(job) || (all_idle(job) && all_started(job)))) {
			running = false;
			job->starting = false;
			end = UINT64_MAX;
		}
		publish(job);
	}
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void measure(struct perf_job *job)
{
	uint64_t runtime_ns = job->opts->runtime_ns;
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	job->begin = perf_ticks(job->clock);
	run_workload(job,
		     runtime_ns ? job->begin + perf_ns_to_ticks(job->clock, runtime_ns)
				: UINT64_MAX,
		     job->opts->rate);
	job->end = perf_ticks(job->clock);
	getrusage(RUSAGE_THREAD, &after);
	job->user_s = seconds(after.ru_utime) - seconds(before.ru_utime);
	job->system_s = seconds(after.ru_stime) - seconds(before.ru_stime);
}

static void check_all(struct perf_job *job)
{
	uint16_t i;

	if (!job->opts->verify || job->opts->read_percent == 100 || must_stop(job))
		return;
	atomic_fetch_add(&job->run->nr_checking, 1);
	for (i = 0; i < job->nr_queues; i++)
		nvmh_perf_io_check_all(&job->queues[i]);
	run_workload(job, UINT64_MAX, false);
}

static void move_to_cpu(const struct perf_job *job)
{
	const struct perf_opts *opts = job->opts;
	uint16_t cpu;
	cpu_set_t set;

	if (!opts->nr_cpus)
		return;
	cpu = opts->cpus[job->index % opts->nr_cpus];
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		log_warn("job %u cannot run on CPU %u: %s", job->index, cpu,
			 strerrordesc_np(errno));
}

/* Written by the thread that uses them, so that they lie in its node's memory; drives may tell
 * zeroes from data. */
static void fill_arena(struct perf_job *job)
{
	uint64_t state = job->run->seed + job->index;
	uint64_t *words = job->arena;
	size_t i;

	for (i = 0; i < job->arena_bytes / sizeof(*words); i++)
		words[i] = perf_random(&state);
}

/* All jobs begin at once, when each of them is ready. */
static void wait_for_gate(struct perf_run *run)
{
	pthread_mutex_lock(&run->lock);
	run->nr_ready++;
	pthread_cond_broadcast(&run->changed);
	while (!run->open)
		pthread_cond_wait(&run->changed, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

void *nvmh_perf_job_main(void *arg)
{
	struct perf_job *job = arg;
	uint64_t one = 1;
	uint16_t i;
	int ret;

	move_to_cpu(job);
	/* a paced job sleeps for microseconds */
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	fill_arena(job);
	ret = watch_queues(job);
	if (ret)
		nvmh_perf_fail(job, "cannot watch a queue: %s", strerrordesc_np(-ret));
	wait_for_gate(job->run);
	if (!must_stop(job)) {
		measure(job);
		check_all(job);
	}
	for (i = 0; i < job->nr_queues; i++)
		nvmh_queue_release(job->queues[i].q);
	atomic_fetch_sub(&job->run->nr_running, 1);
	if (write(job->run->event_fd, &one, sizeof(one)) < 0)
		log_err("cannot tell that a job has ended: %s", strerrordesc_np(errno));
	return NULL;
}
