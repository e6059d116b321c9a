// SPDX-License-Identifier: BSD-2-Clause
/*
 * A run of nvmetcp-perf around its jobs: what each job gets, threads, signals, the end. Main thread.
 * Entry points: nvmh_perf_run_open(), _go(), _close().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/log.h"
#include "host/perf_job.h"
#include "host/perf_random.h"

enum {
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	MAX_VERIFY_UNITS = 1 << 28, /* counters of one queue: 1 GiB */
	NR_FIXED_FDS = 3,	    /* signals, ticks, jobs */
};

/* ---------------------------------------------------------------- jobs */

/* With --verify: room for I/Os that do not overlap, and for the counters. */
static int check_verify(const struct perf_queue *pq, const struct perf_opts *opts, char *error)
{
	uint64_t each = opts->bs / opts->grain;
	uint64_t need = (2 * opts->iodepth + (each > 1)) * each;

	if (pq->nr_units < need)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--verify needs room for twice --iodepth I/Os per queue: use more --size");
	if (pq->nr_units > MAX_VERIFY_UNITS)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--verify would need a counter for each of %llu places: use less --size or more --bs",
			(unsigned long long)pq->nr_units);
	return 0;
}

/* What queue @index of @nr gets of its target: with --verify a part that nobody else writes, else
 * all of it; and how much it moves. */
static int share(struct perf_queue *pq, const struct perf_opts *opts, uint32_t index, uint32_t nr,
		 char *error)
{
	uint64_t units = pq->target->nr_units;
	uint64_t from = (uint64_t)((unsigned __int128)units * index / nr);
	uint64_t to = (uint64_t)((unsigned __int128)units * (index + 1) / nr);
	uint64_t all = opts->io_size ? max_of(opts->io_size / opts->grain, UINT64_C(1)) : units;
	uint32_t job_queues = pq->job->nr_queues;
	uint64_t quota = all / job_queues + (index % job_queues < all % job_queues);
	int ret = 0;

	pq->nr_units = units;
	pq->next = from;
	if (opts->verify) {
		pq->first = from;
		pq->nr_units = to - from;
		pq->next = 0;
		if (!opts->io_size)
			quota = pq->nr_units;
		ret = check_verify(pq, opts, error);
	}
	pq->left = quota;
	if (opts->runtime_ns && (opts->time_based || !opts->io_size))
		pq->left = UINT64_MAX;
	return ret;
}

static int make_arena(struct perf_run *run, struct perf_job *job, size_t stride, char *error)
{
	uint16_t i;
	int ret;

	job->arena_bytes = stride * run->opts->iodepth * job->nr_queues;
	if (job->arena_bytes >= HUGE_PAGE)
		job->arena_bytes = round_up_to(job->arena_bytes, HUGE_PAGE);
	job->arena = mmap(NULL, job->arena_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (job->arena == MAP_FAILED) {
		job->arena = NULL;
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory for %zu bytes of data",
					job->arena_bytes);
	}
	/* a wish: ordinary pages do, too */
	madvise(job->arena, job->arena_bytes, MADV_HUGEPAGE);
	for (i = 0; i < run->nr_targets; i++) {
		ret = nvmh_ctrl_mem_map(run->targets[i].ctrl, job->arena, job->arena_bytes);
		if (ret)
			return nvmh_perf_refuse(
				ret, error,
				"%s cannot reach %zu bytes of memory: %s (raise LimitMEMLOCK= or ulimit -l)",
				nvmh_ctrl_name(run->targets[i].ctrl), job->arena_bytes,
				strerrordesc_np(-ret));
	}
	return 0;
}

/* Untouched pages of a histogram cost nothing: all but its smallest value begins with zeroes. */
static int make_parts(struct perf_job *job)
{
	uint16_t t;
	int dir;

	job->parts = calloc(job->run->nr_targets, sizeof(*job->parts));
	for (t = 0; job->parts && t < job->run->nr_targets; t++) {
		for (dir = 0; dir < PERF_DIRS; dir++) {
			struct perf_stats *stats;

			if (!job->opts->uses[dir])
				continue;
			stats = job->parts[t].stats[dir] = calloc(1, sizeof(*stats));
			if (!stats)
				return -ENOMEM;
			stats->lat.min = stats->clat.min = UINT64_MAX;
		}
	}
	return job->parts ? 0 : -ENOMEM;
}

static int make_queues(struct perf_run *run, struct perf_job *job, size_t stride, char *error)
{
	const struct perf_opts *opts = run->opts;
	uint32_t nr_all = (uint32_t)job->nr_queues * (uint32_t)opts->numjobs;
	uint16_t i;
	int ret = 0;

	for (i = 0; !ret && i < job->nr_queues; i++) {
		struct perf_queue *pq = &job->queues[i];
		uint32_t at = (uint32_t)job->index * job->nr_queues + i;
		uint8_t *mem = (uint8_t *)job->arena + i * stride * opts->iodepth;

		pq->job = job;
		pq->target = &run->targets[i % run->nr_targets];
		pq->part = &job->parts[i % run->nr_targets];
		pq->q = nvmh_ctrl_queue(pq->target->ctrl, pq->target->next_queue++);
		pq->random = run->seed + at * UINT64_C(0x2545f4914f6cdd1d);
		ret = share(pq, opts, at, nr_all, error);
		if (!ret && nvmh_perf_io_begin(pq, mem, stride))
			ret = nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	}
	return ret;
}

static int make_job(struct perf_run *run, uint16_t index, char *error)
{
	const struct perf_opts *opts = run->opts;
	size_t stride = round_up_to((size_t)opts->bs, PAGE);
	struct perf_job *job = &run->jobs[index];
	int ret;

	job->run = run;
	job->opts = opts;
	job->clock = &run->clock;
	job->index = index;
	job->nr_queues = (uint16_t)(run->nr_targets * opts->nr_queues);
	job->queues = calloc(job->nr_queues, sizeof(*job->queues));
	job->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (job->epoll_fd < 0)
		return nvmh_perf_refuse(-errno, error,
					"no descriptor (raise LimitNOFILE= or ulimit -n)");
	if (!job->queues || make_parts(job))
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	ret = make_arena(run, job, stride, error);
	return ret ? ret : make_queues(run, job, stride, error);
}

/* ---------------------------------------------------------------- signals */

static sigset_t ending_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	return signals;
}

void nvmh_perf_take_signal(struct perf_run *run)
{
	sigset_t signals = ending_signals();
	struct signalfd_siginfo info;

	if (read(run->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	atomic_store(&run->interrupted, true);
	atomic_store(&run->stop, true);
	/* the next one ends the program at once, whatever the targets do */
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

/* ---------------------------------------------------------------- all that is needed */

int nvmh_perf_run_open(struct perf_run *run, const struct perf_opts *opts, char *error)
{
	sigset_t signals = ending_signals();
	uint16_t i;
	int ret = 0;

	run->opts = opts;
	run->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* tells of signals once they are blocked; until then they end the program */
	run->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->changed, NULL);
	run->targets = calloc(opts->nr_targets, sizeof(*run->targets));
	run->jobs = aligned_alloc(_Alignof(struct perf_job), opts->numjobs * sizeof(*run->jobs));
	if (run->event_fd < 0 || run->signal_fd < 0 || !run->targets || !run->jobs)
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory or descriptors");
	memset(run->jobs, 0, opts->numjobs * sizeof(*run->jobs));
	for (run->nr_jobs = 0; run->nr_jobs < opts->numjobs; run->nr_jobs++)
		run->jobs[run->nr_jobs].epoll_fd = -1;
	if (getrandom(&run->seed, sizeof(run->seed), 0) != sizeof(run->seed) ||
	    getrandom(&run->id, sizeof(run->id), 0) != sizeof(run->id))
		return nvmh_perf_refuse(-EIO, error, "no random numbers");
	if (opts->seed_given)
		run->seed = opts->seed;
	nvmh_perf_clock_init(&run->clock);
	for (i = 0; !ret && i < opts->nr_targets; i++) {
		run->targets[i].run = run;
		run->targets[i].opts = &opts->targets[i];
		run->nr_targets++;
		ret = nvmh_perf_ctrl_open(&run->targets[i], error);
	}
	for (i = 0; !ret && i < opts->numjobs; i++)
		ret = make_job(run, i, error);
	return ret;
}

/* ---------------------------------------------------------------- the run */

static void drain(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) > 0)
		;
}

static void supervise(struct perf_run *run, struct pollfd *fds,
		      void (*tick)(struct perf_run *run, bool last))
{
	uint16_t i;

	while (atomic_load(&run->nr_running)) {
		if (poll(fds, NR_FIXED_FDS + run->nr_targets, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			nvmh_perf_take_signal(run);
		if (fds[1].revents) {
			drain(fds[1].fd);
			nvmh_perf_look(run);
			tick(run, false);
		}
		if (fds[2].revents)
			drain(fds[2].fd);
		for (i = 0; i < run->nr_targets; i++) {
			if (fds[NR_FIXED_FDS + i].revents)
				nvmh_perf_ctrl_process(&run->targets[i]);
		}
	}
	tick(run, true);
}

static void open_gate(struct perf_run *run, uint16_t nr)
{
	pthread_mutex_lock(&run->lock);
	while (run->nr_ready < nr)
		pthread_cond_wait(&run->changed, &run->lock);
	run->open = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

static int start_jobs(struct perf_run *run, char *error)
{
	uint16_t i;
	int ret = 0;

	run->begun_ns = run->seen_ns = clock_now_ns();
	atomic_store(&run->nr_running, run->nr_jobs);
	for (i = 0; !ret && i < run->nr_jobs; i++) {
		ret = -pthread_create(&run->jobs[i].thread, NULL, nvmh_perf_job_main,
				      &run->jobs[i]);
		run->jobs[i].started = !ret;
	}
	if (ret) {
		i--;
		atomic_fetch_sub(&run->nr_running, run->nr_jobs - i);
		atomic_store(&run->stop, true);
		nvmh_perf_refuse(ret, error, "no thread: %s", strerrordesc_np(-ret));
	}
	open_gate(run, i);
	return ret;
}

static void join_jobs(struct perf_run *run)
{
	uint64_t begin = UINT64_MAX, end = 0;
	uint16_t i;

	for (i = 0; i < run->nr_jobs; i++) {
		struct perf_job *job = &run->jobs[i];

		if (!job->started)
			continue;
		pthread_join(job->thread, NULL);
		job->started = false;
		if (job->end == job->begin)
			continue; /* told to stop before it began */
		begin = min_of(begin, job->begin);
		end = max_of(end, job->end);
	}
	if (end > begin)
		run->elapsed_s = (double)perf_ticks_to_ns(&run->clock, end - begin) / PERF_NS_PER_S;
}

int nvmh_perf_run_go(struct perf_run *run, void (*tick)(struct perf_run *run, bool last),
		     char *error)
{
	static const struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	struct pollfd fds[NR_FIXED_FDS + PERF_MAX_TARGETS];
	sigset_t signals = ending_signals();
	uint16_t i;
	int ret;

	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	fds[0].fd = run->signal_fd;
	fds[1].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	fds[2].fd = run->event_fd;
	for (i = 0; i < run->nr_targets; i++)
		fds[NR_FIXED_FDS + i].fd = nvmh_ctrl_fd(run->targets[i].ctrl);
	for (i = 0; i < NR_FIXED_FDS + run->nr_targets; i++)
		fds[i].events = POLLIN;
	if (fds[1].fd < 0 || timerfd_settime(fds[1].fd, 0, &second, NULL)) {
		ret = nvmh_perf_refuse(-errno, error,
				       "no descriptor (raise LimitNOFILE= or ulimit -n)");
	} else {
		ret = start_jobs(run, error);
		supervise(run, fds, tick);
		join_jobs(run);
		for (i = 0; i < run->nr_targets; i++)
			nvmh_perf_ctrl_end(&run->targets[i]);
	}
	if (fds[1].fd >= 0)
		close(fds[1].fd);
	return ret;
}

/* ---------------------------------------------------------------- the end */

static void close_job(struct perf_job *job)
{
	uint16_t i;
	int dir;

	for (i = 0; job->queues && i < job->nr_queues; i++)
		nvmh_perf_io_end(&job->queues[i]);
	free(job->queues);
	for (i = 0; job->parts && i < job->run->nr_targets; i++) {
		for (dir = 0; dir < PERF_DIRS; dir++)
			free(job->parts[i].stats[dir]);
	}
	free(job->parts);
	if (job->arena)
		munmap(job->arena, job->arena_bytes);
	if (job->epoll_fd >= 0)
		close(job->epoll_fd);
}

void nvmh_perf_run_close(struct perf_run *run)
{
	uint16_t i;

	/* the controllers first: none may reach the memory of jobs any more */
	for (i = 0; i < run->nr_targets; i++) {
		if (run->targets[i].ctrl)
			nvmh_ctrl_shutdown(run->targets[i].ctrl);
	}
	for (i = 0; i < run->nr_targets; i++)
		nvmh_ctrl_close(run->targets[i].ctrl);
	for (i = 0; i < run->nr_jobs; i++)
		close_job(&run->jobs[i]);
	free(run->jobs);
	free(run->targets);
	if (run->event_fd >= 0)
		close(run->event_fd);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
}
