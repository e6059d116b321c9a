// SPDX-License-Identifier: BSD-2-Clause
/*
 * A run of nvmetcp-perf around its jobs: controllers and namespaces, what each job gets, threads,
 * the end. Main thread, which owns all controllers. Entry points: nvmh_perf_run_open(), _go(),
 * _close().
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
	LIVE_TIMEOUT_MS = 60000,
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	MIN_QUEUE_SIZE = 2,
	MAX_VERIFY_UNITS = 1 << 28, /* counters of one queue: 1 GiB */
	NR_FIXED_FDS = 3,	    /* signals, ticks, jobs */
};

static int refuse(int err, char *error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(int err, char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, PERF_ERROR_TEXT, fmt, ap);
	va_end(ap);
	return err;
}

/* ---------------------------------------------------------------- targets */

static int find_namespace(struct perf_target *t, char *error)
{
	uint32_t nsid = t->opts->nsid;

	if (nsid)
		t->ns = nvmh_ctrl_ns_by_nsid(t->ctrl, nsid);
	else if (nvmh_ctrl_nr_ns(t->ctrl))
		t->ns = nvmh_ctrl_ns(t->ctrl, 0);
	if (!t->ns && nsid)
		return refuse(-ENOENT, error, "%s has no namespace %u", nvmh_ctrl_name(t->ctrl),
			      nsid);
	if (!t->ns)
		return refuse(-ENOENT, error, "%s has no namespace", nvmh_ctrl_name(t->ctrl));
	return 0;
}

static int check_geometry(struct perf_target *t, const struct perf_opts *opts, char *error)
{
	const struct nvmh_ns *ns = t->ns;
	uint64_t bytes;

	if (ns->ms)
		return refuse(-ENOTSUP, error, "namespace %u has metadata, which is not supported",
			      ns->nsid);
	if (!ns->lba_size || opts->bs % ns->lba_size || opts->bs / ns->lba_size > 65536)
		return refuse(
			-EINVAL, error,
			"--bs=%u is not a multiple of the %u bytes of a block of namespace %u",
			opts->bs, ns->lba_size, ns->nsid);
	if (opts->bs > nvmh_ctrl_max_xfer(t->ctrl))
		return refuse(-EINVAL, error,
			      "--bs=%u is more than the %u bytes that one command of %s can move",
			      opts->bs, nvmh_ctrl_max_xfer(t->ctrl), nvmh_ctrl_name(t->ctrl));
	if (__builtin_mul_overflow(ns->nsze, (uint64_t)ns->lba_size, &bytes))
		return refuse(-EINVAL, error, "namespace %u says it has %llu blocks", ns->nsid,
			      (unsigned long long)ns->nsze);
	if (opts->size > bytes)
		return refuse(-EINVAL, error, "--size is more than the %llu bytes of namespace %u",
			      (unsigned long long)bytes, ns->nsid);
	t->nr_units = (opts->size ? opts->size : bytes) / opts->bs;
	if (!t->nr_units)
		return refuse(-EINVAL, error,
			      "there is no room for one I/O of %u bytes in namespace %u", opts->bs,
			      ns->nsid);
	return 0;
}

static int open_target(struct perf_target *t, const struct perf_opts *opts, char *error)
{
	struct nvmh_ctrl_opts co = t->opts->opts;
	int ret;

	co.nr_io_queues = opts->numjobs * opts->nr_queues;
	co.queue_size = max_of(opts->iodepth + 1, MIN_QUEUE_SIZE);
	co.hdgst |= opts->hdgst;
	co.ddgst |= opts->ddgst;
	co.disable_sqflow |= opts->disable_sqflow;
	if (!co.tcp_congestion)
		co.tcp_congestion = opts->tcp_congestion;
	ret = nvmh_ctrl_open(&co, &t->ctrl);
	if (!ret)
		ret = nvmh_ctrl_wait(t->ctrl, LIVE_TIMEOUT_MS);
	if (ret)
		return refuse(ret, error, "%s",
			      ret == -ETIMEDOUT ? nvmh_ctrl_error(t->ctrl) : nvmh_strerror());
	if (nvmh_ctrl_nr_queues(t->ctrl) < co.nr_io_queues)
		return refuse(-ENOSPC, error,
			      "%s grants %u I/O queues, --numjobs and --queues need %u",
			      nvmh_ctrl_name(t->ctrl), nvmh_ctrl_nr_queues(t->ctrl),
			      co.nr_io_queues);
	if (nvmh_queue_room(nvmh_ctrl_queue(t->ctrl, 0)) < opts->iodepth)
		return refuse(-ENOSPC, error, "--iodepth=%u: a queue of %s takes %u commands",
			      opts->iodepth, nvmh_ctrl_name(t->ctrl),
			      nvmh_queue_room(nvmh_ctrl_queue(t->ctrl, 0)));
	ret = find_namespace(t, error);
	return ret ? ret : check_geometry(t, opts, error);
}

/* ---------------------------------------------------------------- jobs */

/* What queue @index of @nr gets of its target: with --verify a part that nobody else writes, else
 * all of it. */
static int share(struct perf_queue *pq, const struct perf_opts *opts, uint32_t index, uint32_t nr,
		 char *error)
{
	uint64_t units = pq->target->nr_units;
	uint64_t from = (uint64_t)((unsigned __int128)units * index / nr);
	uint64_t to = (uint64_t)((unsigned __int128)units * (index + 1) / nr);
	uint32_t job_queues = pq->job->nr_queues;
	uint64_t quota = units / job_queues + (index % job_queues < units % job_queues);

	pq->nr_units = units;
	pq->next = from;
	if (opts->verify) {
		pq->first = from;
		pq->nr_units = to - from;
		pq->next = 0;
		quota = pq->nr_units;
		if (pq->nr_units < 2u * opts->iodepth)
			return refuse(
				-EINVAL, error,
				"--verify needs room for twice --iodepth I/Os per queue: use more --size");
		if (pq->nr_units > MAX_VERIFY_UNITS)
			return refuse(
				-EINVAL, error,
				"--verify would need a counter for each of %llu places: use less --size or more --bs",
				(unsigned long long)pq->nr_units);
	}
	pq->left = opts->runtime_ns ? UINT64_MAX : quota;
	return 0;
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
		return refuse(-ENOMEM, error, "out of memory for %zu bytes of data",
			      job->arena_bytes);
	}
	/* a wish: ordinary pages do, too */
	madvise(job->arena, job->arena_bytes, MADV_HUGEPAGE);
	for (i = 0; i < run->nr_targets; i++) {
		ret = nvmh_ctrl_mem_map(run->targets[i].ctrl, job->arena, job->arena_bytes);
		if (ret)
			return refuse(
				ret, error,
				"%s cannot reach %zu bytes of memory: %s (raise LimitMEMLOCK= or ulimit -l)",
				nvmh_ctrl_name(run->targets[i].ctrl), job->arena_bytes,
				strerrordesc_np(-ret));
	}
	return 0;
}

static int make_histograms(struct perf_job *job)
{
	uint8_t percent = job->opts->read_percent;
	int dir;

	for (dir = 0; dir < PERF_DIRS; dir++) {
		if (percent == (dir == PERF_READ ? 0 : 100))
			continue;
		job->hist[dir] = malloc(sizeof(*job->hist[dir]));
		if (!job->hist[dir])
			return -ENOMEM;
		nvmh_perf_hist_init(job->hist[dir]);
	}
	return 0;
}

static int make_job(struct perf_run *run, uint16_t index, char *error)
{
	const struct perf_opts *opts = run->opts;
	size_t stride = round_up_to((size_t)opts->bs, PAGE);
	struct perf_job *job = &run->jobs[index];
	uint32_t nr_all = (uint32_t)run->nr_targets * opts->nr_queues * opts->numjobs;
	uint64_t seed = run->seed;
	uint16_t i;
	int ret;

	job->run = run;
	job->opts = opts;
	job->clock = &run->clock;
	job->index = index;
	job->nr_queues = (uint16_t)(run->nr_targets * opts->nr_queues);
	job->queues = calloc(job->nr_queues, sizeof(*job->queues));
	job->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (job->epoll_fd < 0)
		return refuse(-errno, error, "no descriptor (raise LimitNOFILE= or ulimit -n)");
	if (!job->queues || make_histograms(job))
		return refuse(-ENOMEM, error, "out of memory");
	ret = make_arena(run, job, stride, error);
	for (i = 0; !ret && i < job->nr_queues; i++) {
		struct perf_queue *pq = &job->queues[i];
		uint32_t at = (uint32_t)index * job->nr_queues + i;

		pq->job = job;
		pq->target = &run->targets[i % run->nr_targets];
		pq->q = nvmh_ctrl_queue(pq->target->ctrl, pq->target->next_queue++);
		pq->random = seed + at * UINT64_C(0x2545f4914f6cdd1d);
		ret = share(pq, opts, at, nr_all, error);
		if (!ret && nvmh_perf_io_begin(
				    pq, (uint8_t *)job->arena + i * stride * opts->iodepth, stride))
			ret = refuse(-ENOMEM, error, "out of memory");
	}
	return ret;
}

int nvmh_perf_run_open(struct perf_run *run, const struct perf_opts *opts, char *error)
{
	uint16_t i;
	int ret = 0;

	run->opts = opts;
	run->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->changed, NULL);
	run->targets = calloc(opts->nr_targets, sizeof(*run->targets));
	run->jobs = aligned_alloc(_Alignof(struct perf_job), opts->numjobs * sizeof(*run->jobs));
	if (run->event_fd < 0 || !run->targets || !run->jobs)
		return refuse(-ENOMEM, error, "out of memory or descriptors");
	memset(run->jobs, 0, opts->numjobs * sizeof(*run->jobs));
	for (run->nr_jobs = 0; run->nr_jobs < opts->numjobs; run->nr_jobs++)
		run->jobs[run->nr_jobs].epoll_fd = -1;
	if (getrandom(&run->seed, sizeof(run->seed), 0) != sizeof(run->seed))
		return refuse(-EIO, error, "no random numbers");
	nvmh_perf_clock_init(&run->clock);
	for (i = 0; !ret && i < opts->nr_targets; i++) {
		run->targets[i].opts = &opts->targets[i];
		run->nr_targets++;
		ret = open_target(&run->targets[i], opts, error);
	}
	for (i = 0; !ret && i < opts->numjobs; i++)
		ret = make_job(run, i, error);
	return ret;
}

/* ---------------------------------------------------------------- the run */

/* A controller that is not live: its queues complete with errors, which ends the jobs; here is the
 * reason. */
static void process(struct perf_run *run, struct perf_target *t)
{
	enum nvmh_state before = nvmh_ctrl_state(t->ctrl);
	enum nvmh_state state;

	nvmh_ctrl_process(t->ctrl);
	state = nvmh_ctrl_state(t->ctrl);
	if (state == before || before != NVMH_LIVE)
		return;
	log_err("%s was lost: %s", nvmh_ctrl_name(t->ctrl), nvmh_ctrl_error(t->ctrl));
	atomic_store(&run->failed, true);
	atomic_store(&run->stop, true);
}

static void drain(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) > 0)
		;
}

static void take_signal(struct perf_run *run, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) == sizeof(info))
		atomic_store(&run->stop, true);
}

static void supervise(struct perf_run *run, struct pollfd *fds,
		      void (*tick)(struct perf_run *run, bool last))
{
	uint16_t i;

	while (atomic_load(&run->nr_running)) {
		if (poll(fds, NR_FIXED_FDS + run->nr_targets, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			take_signal(run, fds[0].fd);
		if (fds[1].revents) {
			drain(fds[1].fd);
			tick(run, false);
		}
		if (fds[2].revents)
			drain(fds[2].fd);
		for (i = 0; i < run->nr_targets; i++) {
			if (fds[NR_FIXED_FDS + i].revents)
				process(run, &run->targets[i]);
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
		refuse(ret, error, "no thread: %s", strerrordesc_np(-ret));
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
	sigset_t signals;
	uint16_t i;
	int ret;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	fds[0].fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	fds[1].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	fds[2].fd = run->event_fd;
	for (i = 0; i < run->nr_targets; i++)
		fds[NR_FIXED_FDS + i].fd = nvmh_ctrl_fd(run->targets[i].ctrl);
	for (i = 0; i < NR_FIXED_FDS + run->nr_targets; i++)
		fds[i].events = POLLIN;
	if (fds[0].fd < 0 || fds[1].fd < 0 || timerfd_settime(fds[1].fd, 0, &second, NULL)) {
		ret = refuse(-errno, error, "no descriptor (raise LimitNOFILE= or ulimit -n)");
	} else {
		ret = start_jobs(run, error);
		supervise(run, fds, tick);
		join_jobs(run);
	}
	for (i = 0; i < 2; i++) {
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	}
	return ret;
}

/* ---------------------------------------------------------------- the end */

static void close_job(struct perf_job *job)
{
	uint16_t i;

	for (i = 0; job->queues && i < job->nr_queues; i++)
		nvmh_perf_io_end(&job->queues[i]);
	free(job->queues);
	free(job->hist[PERF_READ]);
	free(job->hist[PERF_WRITE]);
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
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
}
