// SPDX-License-Identifier: BSD-2-Clause
/*
 * A job: its thread, its pace and its sleep. Entry point: nvmh_perf_job_main().
 *
 * A turn polls queues, commits what their completions started, and, paced, starts what is due.
 * Spinning, every turn looks at every queue. Sleeping, all queues are armed first; then only those
 * whose descriptor tells are looked at.
 */
#include <errno.h>
#include <math.h>
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
	double interval; /* ticks between I/Os, or for each byte */
	uint64_t due;	 /* ticks; when the next one is to start */
	double fraction; /* of due, below 1 tick */
	uint64_t random;
};

/* When a workload measures and ends, in ticks. */
struct period {
	uint64_t measure;
	uint64_t end;
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
	const struct perf_opts *opts = job->opts;
	double second = (double)perf_ns_to_ticks(job->clock, PERF_NS_PER_S);

	memset(pace, 0, sizeof(*pace));
	pace->due = now;
	pace->random = job->run->seed ^ ~(uint64_t)job->index;
	pace->interval =
		second /
		(double)max_of(opts->rate_iops ? opts->rate_iops : opts->rate_bytes, UINT64_C(1));
}

/* After an I/O of @bytes: when is the next one due? Poisson: the time between arrivals is
 * distributed exponentially, whatever the answers do. */
static void pace_next(const struct perf_job *job, struct pace *pace, uint32_t bytes)
{
	double step = pace->interval * (job->opts->rate_bytes ? bytes : 1);

	if (job->opts->poisson)
		step *= -log(((double)(perf_random(&pace->random) >> 11) + 1) * 0x1p-53);
	step += pace->fraction;
	pace->due += (uint64_t)step;
	pace->fraction = step - floor(step);
}

/* Start what is due, queue by queue. What finds no slot stays due, and its latency counts from
 * there: else a target that stalls would be asked less, and look better (coordinated omission). */
static void pace_run(struct perf_job *job, struct pace *pace, uint64_t now)
{
	uint16_t full = 0;

	while (pace->due <= now && full < job->nr_queues) {
		struct perf_queue *pq = &job->queues[job->next_queue];
		uint32_t bytes = nvmh_perf_io_start(pq, pace->due, now);

		job->next_queue = (uint16_t)(job->next_queue + 1) % job->nr_queues;
		if (!bytes) {
			full++;
			continue;
		}
		full = 0;
		pace_next(job, pace, bytes);
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

	for (dir = 0; dir < PERF_DIRS; dir++) {
		atomic_store_explicit(&job->live_ios[dir], job->ios[dir], memory_order_relaxed);
		atomic_store_explicit(&job->live_bytes[dir], job->bytes[dir], memory_order_relaxed);
	}
	atomic_store_explicit(&job->live_errors, job->nr_errors, memory_order_relaxed);
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

/* Queues that could not submit a turn ago try again. */
static void fill_waiting(struct perf_job *job, uint64_t now)
{
	uint16_t i;

	for (i = 0; i < job->nr_queues; i++) {
		struct perf_queue *pq = &job->queues[i];

		if (pq->waiting && nvmh_queue_live(pq->q))
			nvmh_perf_io_fill(pq, now);
	}
	commit_all(job);
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Adds what the thread has used until now, or takes it away: once at the end, once at the begin. */
static void add_usage(struct perf_job *job, int sign)
{
	struct perf_usage *u = &job->usage;
	struct rusage now;

	getrusage(RUSAGE_THREAD, &now);
	u->user_s += sign * seconds(now.ru_utime);
	u->system_s += sign * seconds(now.ru_stime);
	u->switches += (uint64_t)(sign * (now.ru_nvcsw + now.ru_nivcsw));
	u->minor_faults += (uint64_t)(sign * now.ru_minflt);
	u->major_faults += (uint64_t)(sign * now.ru_majflt);
}

static void start_measuring(struct perf_job *job, uint64_t now)
{
	add_usage(job, -1);
	job->begin = now;
	job->measuring = true;
	atomic_store_explicit(&job->live_measuring, true, memory_order_relaxed);
}

static void stop_measuring(struct perf_job *job, uint64_t now)
{
	job->end = now;
	job->measuring = false;
	atomic_store_explicit(&job->live_measuring, false, memory_order_relaxed);
	add_usage(job, 1);
}

/* What was due before the end and found no room. Where everything was started nothing was due. */
static void count_overdue(struct perf_job *job, const struct pace *pace, uint64_t now)
{
	double each = job->opts->rate_bytes ? job->opts->grain : 1;

	if (job->paced && pace->due < now && !all_started(job))
		job->nr_overdue = (uint64_t)((double)(now - pace->due) / (pace->interval * each));
}

/* Is it over? Told to stop, at the end of its time, or everything has been started and answered. */
static bool is_over(const struct perf_job *job, const struct period *period, uint64_t now)
{
	return now >= period->end || must_stop(job) || (all_idle(job) && all_started(job));
}

/* Until its period ends, or told to stop, or everything has been started; then until all has been
 * answered. */
static void run_workload(struct perf_job *job, struct period period)
{
	uint64_t now = perf_ticks(job->clock);
	uint64_t busy_until = 0, until;
	bool running = true;
	struct pace pace;
	uint16_t i;
	int n = 0;

	pace_init(&pace, job, now);
	job->starting = !job->paced;
	for (i = 0; !job->paced && i < job->nr_queues; i++)
		nvmh_perf_io_fill(&job->queues[i], now);
	commit_all(job);
	while (running || !all_idle(job)) {
		if (!job->measuring && now >= period.measure)
			start_measuring(job, now);
		until = period.end;
		if (running && job->paced) {
			pace_run(job, &pace, now);
			commit_all(job);
			/* overdue: all slots are taken, so that only a completion brings it on */
			if (pace.due > now)
				until = min_of(pace.due, period.end);
		} else if (running) {
			fill_waiting(job, now);
		}
		n = next_turn(job, n, now, &busy_until, until);
		now = perf_ticks(job->clock);
		if (running && is_over(job, &period, now)) {
			count_overdue(job, &pace, min_of(now, period.end));
			running = false;
			job->starting = false;
			period.end = UINT64_MAX;
		}
		publish(job);
	}
	if (job->measuring)
		stop_measuring(job, now);
}

static void measure(struct perf_job *job)
{
	const struct perf_opts *opts = job->opts;
	uint64_t now = perf_ticks(job->clock);
	struct period period = { .end = UINT64_MAX };

	period.measure = now + perf_ns_to_ticks(job->clock, opts->ramp_ns);
	if (opts->runtime_ns)
		period.end = period.measure + perf_ns_to_ticks(job->clock, opts->runtime_ns);
	job->paced = opts->rate_iops || opts->rate_bytes;
	run_workload(job, period);
}

static void check_all(struct perf_job *job)
{
	uint16_t i;

	if (!job->opts->verify || !job->opts->uses[PERF_WRITE] || must_stop(job))
		return;
	job->paced = false;
	atomic_fetch_add(&job->run->nr_checking, 1);
	for (i = 0; i < job->nr_queues; i++)
		nvmh_perf_io_check_all(&job->queues[i]);
	run_workload(job, (struct period){ UINT64_MAX, UINT64_MAX });
}

static void move_to_cpu(struct perf_job *job)
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
		nvmh_perf_fail(job, "--cpus: job %u cannot run on CPU %u: %s", job->index, cpu,
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
