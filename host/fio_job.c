// SPDX-License-Identifier: BSD-2-Clause
/*
 * The NVMe side of the fio engine: targets, which jobs share, and jobs, each with a queue. A job's
 * functions run in its thread. Jobs that are threads of one process have queues of one controller;
 * whichever of them finds it with something to do, and nobody at it, does that. Entry points:
 * nvmh_fio_target_get(), nvmh_fio_job_open(), _submit(), _commit(), _reap(), _close().
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/limits.h"
#include "host/attach.h"
#include "host/ctrl.h"
#include "host/fio_job.h"

enum {
	PAGE = 4096,
	PROCESS_NS = 1000000, /* a busy job looks at the controller so often */
	NOT_LIVE_MS = 100,    /* to wait for it to come back before fio is asked again */
};

struct fio_mem {
	struct fio_mem *next;
	void *base;
	size_t len;
};

/* A controller and the jobs on it. */
struct fio_link {
	pthread_mutex_t lock; /* of whoever calls the controller's functions, and of what follows */
	struct nvmh_attach att;
	uint32_t nr_jobs;
	bool taken[MAX_IO_QUEUES];
	struct fio_mem *mem; /* owned */
};

struct fio_target {
	struct fio_target *next;
	struct fio_target_opts opts; /* transport owned */
	struct fio_geometry geometry;
	uint32_t nr_jobs;
	struct fio_link *shared; /* of the jobs that are threads; NULL: none runs */
};

struct fio_slot {
	struct nvmh_req req;
	struct iovec iov;
	struct fio_job *job;
	void *io; /* fio's */
	struct fio_slot *next_free;
};

struct fio_event {
	void *io;
	int err; /* errno */
};

struct fio_job {
	struct fio_target *target;
	struct fio_link *link;
	bool thread;
	bool spin;
	uint16_t queue_index;
	struct nvmh_queue *q;
	uint64_t processed_ns;
	struct fio_slot *slots;	       /* depth of them */
	struct nvme_dsm_range *ranges; /* one per slot, within link->mem */
	struct fio_slot *free;
	uint32_t depth;
	uint32_t outstanding;
	struct fio_event *ready; /* answered; a ring of depth */
	uint32_t first_ready;
	uint32_t nr_ready;
	struct fio_event *given; /* what was reaped last, at most depth */
};

/* targets and their nr_jobs and shared */
static pthread_mutex_t targets_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fio_target *targets;

const char *nvmh_fio_error(void)
{
	return nvmh_strerror();
}

/* ---- controllers ---- */

static void link_free(struct fio_link *link)
{
	struct fio_mem *mem;

	if (!link)
		return;
	nvmh_detach(&link->att);
	/* only now does the controller reach none of it */
	while (link->mem) {
		mem = link->mem;
		link->mem = mem->next;
		munmap(mem->base, mem->len);
		free(mem);
	}
	pthread_mutex_destroy(&link->lock);
	free(link);
}

static int link_open(const struct fio_target *target, uint32_t nr_queues, uint32_t depth,
		     struct fio_link **linkp)
{
	struct nvmh_attach_opts opts = {
		.transport = target->opts.transport,
		.nsid = target->opts.nsid,
		.nr_queues = (uint16_t)min_of(nr_queues, (uint32_t)MAX_IO_QUEUES),
		.queue_size = (uint16_t)min_of(depth + 1, (uint32_t)MAX_QUEUE_ENTRIES),
		.hdgst = target->opts.hdgst,
		.ddgst = target->opts.ddgst,
	};
	struct fio_link *link = calloc(1, sizeof(*link));
	int ret;

	if (!link)
		return nvmh_error(-ENOMEM, "out of memory");
	pthread_mutex_init(&link->lock, NULL);
	ret = nvmh_attach(&opts, &link->att);
	if (ret) {
		link_free(link);
		return ret;
	}
	*linkp = link;
	return 0;
}

static int link_map(struct fio_link *link, size_t len, void **memp)
{
	struct fio_mem *mem = calloc(1, sizeof(*mem));
	int ret;

	if (!mem)
		return nvmh_error(-ENOMEM, "out of memory");
	mem->len = round_up_to(len, (size_t)PAGE);
	mem->base =
		mmap(NULL, mem->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem->base == MAP_FAILED) {
		free(mem);
		return nvmh_error(-ENOMEM, "out of memory for %zu bytes of data", len);
	}
	pthread_mutex_lock(&link->lock);
	ret = nvmh_ctrl_mem_map(link->att.ctrl, mem->base, mem->len);
	if (!ret) {
		mem->next = link->mem;
		link->mem = mem;
		*memp = mem->base;
	}
	pthread_mutex_unlock(&link->lock);
	if (ret) {
		munmap(mem->base, mem->len);
		free(mem);
	}
	return ret;
}

/* ---- targets ---- */

static bool same_target(const struct fio_target_opts *a, const struct fio_target_opts *b)
{
	return !strcmp(a->transport, b->transport) && a->nsid == b->nsid && a->hdgst == b->hdgst &&
	       a->ddgst == b->ddgst;
}

static void target_free(struct fio_target *target)
{
	free((char *)target->opts.transport);
	free(target);
}

static int target_create(const struct fio_target_opts *opts, struct fio_target **targetp)
{
	struct fio_target *target = calloc(1, sizeof(*target));
	struct fio_link *link;
	int ret;

	if (!target)
		return nvmh_error(-ENOMEM, "out of memory");
	target->opts = *opts;
	target->opts.transport = strdup(opts->transport);
	ret = target->opts.transport ? link_open(target, 1, 1, &link)
				     : nvmh_error(-ENOMEM, "out of memory");
	if (ret) {
		target_free(target);
		return ret;
	}
	target->geometry = (struct fio_geometry){
		.size = link->att.size,
		.lba_size = link->att.lba_size,
		.max_io = link->att.max_io,
		.read_only = link->att.read_only,
		.can_trim = link->att.can_trim,
	};
	link_free(link);
	*targetp = target;
	return 0;
}

int nvmh_fio_target_get(const struct fio_target_opts *opts, struct fio_target **targetp)
{
	struct fio_target_opts o = *opts;
	struct fio_target *target;
	int ret = 0;

	if (!o.transport)
		o.transport = ""; /* refused with an example */
	pthread_mutex_lock(&targets_lock);
	for (target = targets; target && !same_target(&target->opts, &o); target = target->next)
		;
	if (!target) {
		ret = target_create(&o, &target);
		if (!ret) {
			target->next = targets;
			targets = target;
		}
	}
	if (!ret) {
		target->nr_jobs++;
		*targetp = target;
	}
	pthread_mutex_unlock(&targets_lock);
	return ret;
}

void nvmh_fio_target_put(struct fio_target *target)
{
	struct fio_target **p;

	if (!target)
		return;
	pthread_mutex_lock(&targets_lock);
	if (!--target->nr_jobs) {
		for (p = &targets; *p != target; p = &(*p)->next)
			;
		*p = target->next;
		target_free(target);
	}
	pthread_mutex_unlock(&targets_lock);
}

const struct fio_geometry *nvmh_fio_target_geometry(const struct fio_target *target)
{
	return &target->geometry;
}

/* ---- a job's link and queue ---- */

static int take_queue(struct fio_job *job)
{
	struct fio_link *link = job->link;
	uint16_t nr, i;

	pthread_mutex_lock(&link->lock);
	nr = nvmh_ctrl_nr_queues(link->att.ctrl);
	for (i = 0; i < nr && link->taken[i]; i++)
		;
	if (i < nr) {
		link->taken[i] = true;
		job->queue_index = i;
		job->q = nvmh_ctrl_queue(link->att.ctrl, i);
	}
	pthread_mutex_unlock(&link->lock);
	if (i == nr)
		return nvmh_error(
			-ENOSPC,
			"%s grants %u I/O queues, which is fewer than there are jobs: use a lower numjobs=",
			nvmh_ctrl_name(link->att.ctrl), nr);
	return 0;
}

/* Jobs that are threads find each other's link; a process has its own. */
static int get_link(struct fio_job *job)
{
	struct fio_target *target = job->target;
	int ret = 0;

	if (!job->thread)
		return link_open(target, 1, job->depth, &job->link);
	pthread_mutex_lock(&targets_lock);
	if (!target->shared)
		ret = link_open(target, target->nr_jobs, MAX_QUEUE_ENTRIES, &target->shared);
	if (!ret) {
		job->link = target->shared;
		job->link->nr_jobs++;
	}
	pthread_mutex_unlock(&targets_lock);
	return ret;
}

static void put_link(struct fio_job *job)
{
	struct fio_link *link = job->link;

	if (!link || !job->thread) {
		link_free(link);
		return;
	}
	if (job->q) {
		pthread_mutex_lock(&link->lock);
		link->taken[job->queue_index] = false;
		pthread_mutex_unlock(&link->lock);
	}
	pthread_mutex_lock(&targets_lock);
	if (!--link->nr_jobs) {
		job->target->shared = NULL;
		link_free(link);
	}
	pthread_mutex_unlock(&targets_lock);
}

int nvmh_fio_job_mem(struct fio_job *job, size_t len, void **memp)
{
	return link_map(job->link, len, memp);
}

static int make_slots(struct fio_job *job)
{
	void *ranges = NULL;
	uint32_t i;
	int ret;

	job->slots = calloc(job->depth, sizeof(*job->slots));
	job->ready = calloc(job->depth, sizeof(*job->ready));
	job->given = calloc(job->depth, sizeof(*job->given));
	if (!job->slots || !job->ready || !job->given)
		return nvmh_error(-ENOMEM, "out of memory for iodepth=%u", job->depth);
	ret = link_map(job->link, job->depth * sizeof(*job->ranges), &ranges);
	job->ranges = ranges;
	for (i = job->depth; i-- > 0;) {
		job->slots[i].job = job;
		job->slots[i].next_free = job->free;
		job->free = &job->slots[i];
	}
	return ret;
}

int nvmh_fio_job_open(struct fio_target *target, bool thread, uint32_t depth, bool spin,
		      struct fio_job **jobp)
{
	struct fio_job *job = calloc(1, sizeof(*job));
	int ret;

	if (!job)
		return nvmh_error(-ENOMEM, "out of memory");
	job->target = target;
	job->thread = thread;
	job->spin = spin;
	job->depth = depth;
	ret = get_link(job);
	if (!ret)
		ret = take_queue(job);
	if (!ret)
		ret = make_slots(job);
	if (ret) {
		nvmh_fio_job_close(job);
		return ret;
	}
	*jobp = job;
	return 0;
}

void nvmh_fio_job_close(struct fio_job *job)
{
	if (!job)
		return;
	while (job->outstanding)
		nvmh_fio_job_reap(job, 1, job->depth, NULL);
	if (job->q)
		nvmh_queue_release(job->q);
	put_link(job);
	free(job->slots);
	free(job->ready);
	free(job->given);
	free(job);
}

/* ---- turns ---- */

/* Return: the controller was looked at; false: another thread does. */
static bool process(struct fio_job *job)
{
	struct fio_link *link = job->link;

	job->processed_ns = clock_now_ns();
	if (pthread_mutex_trylock(&link->lock))
		return false;
	nvmh_ctrl_process(link->att.ctrl);
	pthread_mutex_unlock(&link->lock);
	return true;
}

static void turn(struct fio_job *job)
{
	if (clock_now_ns() - job->processed_ns >= PROCESS_NS)
		process(job);
	nvmh_queue_poll(job->q);
}

/* Until the queue or the controller has something, @ms have passed (-1: no limit). */
static void doze(struct fio_job *job, int ms)
{
	struct pollfd pfd[2] = { { .fd = nvmh_queue_fd(job->q), .events = POLLIN },
				 { .fd = nvmh_ctrl_fd(job->link->att.ctrl), .events = POLLIN } };

	if (nvmh_queue_arm(job->q) > 0)
		return;
	if (poll(pfd, ARRAY_SIZE(pfd), ms) > 0 && pfd[1].revents)
		process(job);
}

/* ---- I/O ---- */

static void io_done(struct nvmh_req *req)
{
	struct fio_slot *slot = container_of(req, struct fio_slot, req);
	struct fio_job *job = slot->job;

	job->ready[(job->first_ready + job->nr_ready) % job->depth] =
		(struct fio_event){ slot->io, nvmh_attach_errno(req->status) };
	job->nr_ready++;
	job->outstanding--;
	slot->next_free = job->free;
	job->free = slot;
}

static int prepare(struct fio_slot *slot, enum fio_op op, uint64_t offset, void *buf, uint64_t len,
		   bool fua)
{
	struct fio_job *job = slot->job;
	const struct nvmh_attach *att = &job->link->att;
	struct nvme_dsm_range *range = &job->ranges[slot - job->slots];
	uint64_t slba = offset / att->lba_size;
	uint64_t nlb = len / att->lba_size;

	if (op == FIO_OP_FLUSH) {
		nvmh_prep_flush(&slot->req, att->nsid);
		return 0;
	}
	if (!len || offset % att->lba_size || len % att->lba_size)
		return -EINVAL;
	if (op == FIO_OP_TRIM) {
		if (!att->can_trim)
			return -EOPNOTSUPP;
		if (nlb > UINT32_MAX)
			return -EINVAL;
		nvmh_dsm_range(range, slba, (uint32_t)nlb, 0);
		slot->iov = (struct iovec){ range, sizeof(*range) };
		nvmh_prep_dsm(&slot->req, att->nsid, NVME_DSMGMT_AD, &slot->iov, 1, 1);
		return 0;
	}
	if (len > att->max_io)
		return -EINVAL;
	slot->iov = (struct iovec){ buf, len };
	nvmh_prep_rw(&slot->req, op == FIO_OP_WRITE ? nvme_cmd_write : nvme_cmd_read, att->nsid,
		     slba, (uint32_t)nlb, &slot->iov, 1, (uint32_t)len);
	if (fua && op == FIO_OP_WRITE)
		nvmh_prep_flags(&slot->req, NVMH_FUA);
	return 0;
}

int nvmh_fio_job_submit(struct fio_job *job, enum fio_op op, uint64_t offset, void *buf,
			uint64_t len, bool fua, void *io)
{
	struct fio_slot *slot = job->free;
	int ret;

	if (!slot || job->outstanding + job->nr_ready == job->depth)
		return -EAGAIN;
	ret = prepare(slot, op, offset, buf, len, fua);
	if (ret)
		return ret;
	slot->io = io;
	slot->req.done = io_done;
	ret = nvmh_queue_submit(job->q, &slot->req);
	if (ret == -ENOTCONN && nvmh_ctrl_state(job->link->att.ctrl) != NVMH_DEAD) {
		/* fio may have nothing to wait for and ask again at once */
		turn(job);
		if (!job->nr_ready)
			doze(job, NOT_LIVE_MS);
		return -EAGAIN;
	}
	if (ret)
		return ret;
	job->free = slot->next_free;
	job->outstanding++;
	return 0;
}

void nvmh_fio_job_commit(struct fio_job *job)
{
	nvmh_queue_commit(job->q);
}

unsigned int nvmh_fio_job_reap(struct fio_job *job, unsigned int min, unsigned int max,
			       const struct timespec *timeout)
{
	uint64_t end = UINT64_MAX;
	unsigned int nr, i;
	uint64_t now;

	if (timeout)
		end = clock_now_ns() + (uint64_t)timeout->tv_sec * 1000000000 +
		      (uint64_t)timeout->tv_nsec;
	for (;;) {
		turn(job);
		if (job->nr_ready >= min || !job->outstanding)
			break;
		now = timeout ? clock_now_ns() : 0;
		if (now >= end)
			break;
		if (!job->spin)
			doze(job, timeout ? (int)min_of(div_up(end - now, UINT64_C(1000000)),
							(uint64_t)INT32_MAX)
					  : -1);
	}
	nr = min_of(job->nr_ready, max);
	for (i = 0; i < nr; i++)
		job->given[i] = job->ready[(job->first_ready + i) % job->depth];
	job->first_ready = (job->first_ready + nr) % job->depth;
	job->nr_ready -= nr;
	return nr;
}

void *nvmh_fio_job_event(const struct fio_job *job, unsigned int index, int *errp)
{
	*errp = job->given[index].err;
	return job->given[index].io;
}
