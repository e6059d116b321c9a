// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads of the nbdkit plugin, each with a queue: requests are cut into commands, answers put
 * together. The first thread owns the controller, too. Entry points: nvmh_nbd_start(), _do(),
 * _stop(); worker_main() is a thread's.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/limits.h"
#include "host/ctrl.h"
#include "host/nbdkit_worker.h"

enum {
	NR_SLOTS = 64, /* commands of one thread under way */
	PAGE = 4096,
	NOT_LIVE_MS = 100,	   /* until what could not be started is tried again */
	BOUNCE_BYTES = 128 << 10,  /* pcie: of each; 8 MiB for a thread */
	MAX_ZERO_BYTES = 32 << 20, /* one Write Zeroes: some drives take their time */
	MAX_TRIM_BYTES = 1 << 30,
};

struct nbd_slot {
	struct nvmh_req req;
	struct iovec iov;
	struct nbd_worker *worker;
	struct nbd_op *op;
	struct nvme_dsm_range *range; /* in worker->mem */
	uint8_t *bounce;	      /* pcie: in worker->mem, else NULL */
	uint8_t *data;		      /* where a read through it goes to */
	struct nbd_slot *next_free;
};

struct nbd_worker {
	struct nbd_server *server;
	pthread_t thread;
	bool running;
	bool owns_ctrl;
	int event_fd;			/* readable: look into inbox */
	_Atomic(struct nbd_op *) inbox; /* newest first; any thread adds, we take all */
	_Atomic bool stop;
	struct nvmh_queue *q;
	struct nbd_op *first, **lastp; /* not all started yet */
	struct nbd_slot slots[NR_SLOTS];
	struct nbd_slot *free;
	uint8_t *mem;
	size_t mem_len;
};

struct nbd_server {
	struct nvmh_attach att;
	_Atomic uint64_t size;
	uint32_t max_cmd[NBD_ZERO + 1]; /* bytes of one command */
	uint16_t nr_workers;
	struct nbd_worker *workers;
};

/* ---- a request's end ---- */

static void finish_if_over(struct nbd_op *op)
{
	if (op->started == op->len && !op->outstanding)
		sem_post(&op->done); /* and its owner may be gone with it */
}

static void cmd_done(struct nvmh_req *req)
{
	struct nbd_slot *slot = container_of(req, struct nbd_slot, req);
	struct nbd_worker *w = slot->worker;
	struct nbd_op *op = slot->op;

	if (req->status && !op->err)
		op->err = nvmh_attach_errno(req->status);
	if (slot->data && !req->status)
		memcpy(slot->data, slot->bounce, req->len);
	slot->next_free = w->free;
	w->free = slot;
	op->outstanding--;
	finish_if_over(op);
}

/* ---- commands ---- */

static void prepare(struct nbd_slot *slot, const struct nbd_op *op, uint64_t at, uint32_t len)
{
	const struct nvmh_attach *att = &slot->worker->server->att;
	uint64_t slba = (op->offset + at) / att->lba_size;
	uint32_t nlb = len / att->lba_size;
	struct nvmh_req *req = &slot->req;
	uint32_t flags = op->fua ? NVMH_FUA : 0;

	slot->data = NULL;
	switch (op->what) {
	case NBD_READ:
	case NBD_WRITE:
		slot->iov = (struct iovec){ slot->bounce ? slot->bounce : op->buf + at, len };
		if (slot->bounce && op->what == NBD_READ)
			slot->data = op->buf + at;
		else if (slot->bounce)
			memcpy(slot->bounce, op->buf + at, len);
		nvmh_prep_rw(req, op->what == NBD_READ ? nvme_cmd_read : nvme_cmd_write, att->nsid,
			     slba, nlb, &slot->iov, 1, len);
		break;
	case NBD_ZERO:
		nvmh_prep_write_zeroes(req, att->nsid, slba, nlb);
		flags |= op->may_trim ? NVMH_DEAC : 0;
		break;
	case NBD_TRIM:
		nvmh_dsm_range(slot->range, slba, nlb, 0);
		slot->iov = (struct iovec){ slot->range, sizeof(*slot->range) };
		nvmh_prep_dsm(req, att->nsid, NVME_DSMGMT_AD, &slot->iov, 1, 1);
		return;
	case NBD_FLUSH:
		nvmh_prep_flush(req, att->nsid);
		return;
	}
	nvmh_prep_flags(req, flags);
}

/* The next command of @op. Return: false: not now. */
static bool start_command(struct nbd_worker *w, struct nbd_op *op)
{
	struct nbd_server *server = w->server;
	struct nbd_slot *slot = w->free;
	uint32_t len;
	int ret;

	if (!slot)
		return false;
	len = (uint32_t)min_of(op->len - op->started, (uint64_t)server->max_cmd[op->what]);
	prepare(slot, op, op->started, len);
	slot->op = op;
	slot->req.done = cmd_done;
	ret = nvmh_queue_submit(w->q, &slot->req);
	if (ret == -EAGAIN || (ret == -ENOTCONN && nvmh_ctrl_state(server->att.ctrl) != NVMH_DEAD))
		return false;
	if (ret) {
		if (!op->err)
			op->err = ret == -ENOTCONN ? ESHUTDOWN : -ret;
		op->started = op->len;
		return true;
	}
	w->free = slot->next_free;
	op->started += len;
	op->outstanding++;
	return true;
}

static void start_commands(struct nbd_worker *w)
{
	struct nbd_op *op;

	while ((op = w->first)) {
		/* a request that failed is not gone on with */
		if (op->err)
			op->started = op->len;
		while (op->started < op->len) {
			if (!start_command(w, op))
				return;
		}
		w->first = op->next;
		if (!w->first)
			w->lastp = &w->first;
		finish_if_over(op);
	}
}

/* ---- a thread ---- */

static void take_inbox(struct nbd_worker *w)
{
	struct nbd_op *op = atomic_exchange(&w->inbox, NULL);
	struct nbd_op *list = NULL;
	struct nbd_op *next;

	for (; op; op = next) { /* oldest first */
		next = op->next;
		op->next = list;
		list = op;
	}
	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		*w->lastp = list;
		w->lastp = &list->next;
	}
}

static void doze(struct nbd_worker *w)
{
	struct pollfd pfd[3] = { { .fd = w->event_fd, .events = POLLIN },
				 { .fd = nvmh_queue_fd(w->q), .events = POLLIN },
				 { .fd = w->owns_ctrl ? nvmh_ctrl_fd(w->server->att.ctrl) : -1,
				   .events = POLLIN } };
	uint64_t count;

	if (nvmh_queue_arm(w->q) > 0 ||
	    poll(pfd, ARRAY_SIZE(pfd), w->first ? NOT_LIVE_MS : -1) <= 0)
		return;
	/* emptied before the inbox is: what comes after that is told again */
	if (pfd[0].revents && read(w->event_fd, &count, sizeof(count)) < 0)
		return;
}

static void *worker_main(void *arg)
{
	struct nbd_worker *w = arg;
	int n;

	while (!atomic_load(&w->stop)) {
		take_inbox(w);
		start_commands(w);
		nvmh_queue_commit(w->q);
		n = w->owns_ctrl ? nvmh_ctrl_process(w->server->att.ctrl) : 0;
		n += nvmh_queue_poll(w->q);
		if (!n)
			doze(w);
	}
	return NULL;
}

static void wake(struct nbd_worker *w)
{
	uint64_t one = 1;

	/* EAGAIN: readable already */
	if (write(w->event_fd, &one, sizeof(one)) < 0)
		return;
}

int nvmh_nbd_do(struct nbd_server *server, uint16_t worker, struct nbd_op *op)
{
	struct nbd_worker *w = &server->workers[worker];
	struct nbd_op *newest = atomic_load(&w->inbox);

	op->started = 0;
	op->outstanding = 0;
	op->err = 0;
	sem_init(&op->done, 0, 0);
	do
		op->next = newest;
	while (!atomic_compare_exchange_weak(&w->inbox, &newest, op));
	if (!newest)
		wake(w);
	while (sem_wait(&op->done) && errno == EINTR)
		;
	sem_destroy(&op->done);
	return op->err;
}

/* ---- start and stop ---- */

static int map_slots(struct nbd_worker *w)
{
	struct nvmh_attach *att = &w->server->att;
	size_t bounce = att->local ? w->server->max_cmd[NBD_READ] : 0;
	int i;

	w->mem_len = round_up_to(NR_SLOTS * (bounce + sizeof(struct nvme_dsm_range)), (size_t)PAGE);
	w->mem = mmap(NULL, w->mem_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->mem == MAP_FAILED) {
		w->mem = NULL;
		return nvmh_error(-ENOMEM, "out of memory for a queue's buffers");
	}
	for (i = NR_SLOTS; i-- > 0;) {
		struct nbd_slot *slot = &w->slots[i];

		slot->worker = w;
		slot->bounce = bounce ? w->mem + (size_t)i * bounce : NULL;
		slot->range = (struct nvme_dsm_range *)(w->mem + NR_SLOTS * bounce) + i;
		slot->next_free = w->free;
		w->free = slot;
	}
	return nvmh_ctrl_mem_map(att->ctrl, w->mem, w->mem_len);
}

static int init_worker(struct nbd_server *server, uint16_t index)
{
	struct nbd_worker *w = &server->workers[index];

	w->server = server;
	w->lastp = &w->first;
	w->owns_ctrl = !index;
	w->q = nvmh_ctrl_queue(server->att.ctrl, index);
	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->event_fd < 0 ? nvmh_error(-errno, "no descriptor: %m") : map_slots(w);
}

/* Signals are for nbdkit's own threads. */
static int start_threads(struct nbd_server *server)
{
	sigset_t all, before;
	uint16_t i;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < server->nr_workers && !ret; i++) {
		struct nbd_worker *w = &server->workers[i];

		ret = pthread_create(&w->thread, NULL, worker_main, w);
		w->running = !ret;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret ? nvmh_error(-ret, "cannot start a thread: %s", strerrordesc_np(ret)) : 0;
}

static void set_sizes(struct nbd_server *server)
{
	const struct nvmh_attach *att = &server->att;
	uint32_t block = att->lba_size;
	uint32_t io = att->local ? min_of(att->max_io, max_of((uint32_t)BOUNCE_BYTES, block))
				 : att->max_io;

	io -= io % block;
	server->max_cmd[NBD_READ] = io;
	server->max_cmd[NBD_WRITE] = io;
	server->max_cmd[NBD_FLUSH] = UINT32_MAX;
	server->max_cmd[NBD_TRIM] = MAX_TRIM_BYTES;
	server->max_cmd[NBD_ZERO] = (uint32_t)min_of(
		(uint64_t)block << 16, (uint64_t)max_of((uint32_t)MAX_ZERO_BYTES, block));
	atomic_store(&server->size, att->size);
}

/* The namespace grew or shrank: the first thread's turn. */
static void ns_changed(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg)
{
	struct nbd_server *server = arg;
	uint64_t size;

	(void)ctrl;
	if (ns && nsid == server->att.nsid && ns->lba_size == server->att.lba_size &&
	    !__builtin_mul_overflow(ns->nsze, (uint64_t)ns->lba_size, &size) && size <= INT64_MAX)
		atomic_store(&server->size, size);
}

int nvmh_nbd_start(const struct nvmh_attach_opts *opts, struct nbd_server **serverp)
{
	struct nbd_server *server = calloc(1, sizeof(*server));
	struct nvmh_attach_opts o = *opts;
	uint16_t i;
	int ret;

	if (!server)
		return nvmh_error(-ENOMEM, "out of memory");
	o.on_ns = ns_changed;
	o.arg = server;
	ret = nvmh_attach(&o, &server->att);
	if (ret) {
		free(server);
		return ret;
	}
	set_sizes(server);
	server->nr_workers = nvmh_ctrl_nr_queues(server->att.ctrl);
	server->workers = calloc(server->nr_workers, sizeof(*server->workers));
	for (i = 0; server->workers && i < server->nr_workers; i++)
		server->workers[i].event_fd = -1;
	ret = server->workers ? 0 : nvmh_error(-ENOMEM, "out of memory");
	for (i = 0; i < server->nr_workers && !ret; i++)
		ret = init_worker(server, i);
	if (!ret)
		ret = start_threads(server);
	if (ret) {
		nvmh_nbd_stop(server);
		return ret;
	}
	*serverp = server;
	return 0;
}

void nvmh_nbd_stop(struct nbd_server *server)
{
	uint16_t i;

	if (!server)
		return;
	for (i = 0; server->workers && i < server->nr_workers; i++) {
		struct nbd_worker *w = &server->workers[i];

		if (!w->running)
			continue;
		atomic_store(&w->stop, true);
		wake(w);
		pthread_join(w->thread, NULL);
	}
	nvmh_detach(&server->att);
	for (i = 0; server->workers && i < server->nr_workers; i++) {
		if (server->workers[i].event_fd >= 0)
			close(server->workers[i].event_fd);
		if (server->workers[i].mem)
			munmap(server->workers[i].mem, server->workers[i].mem_len);
	}
	free(server->workers);
	free(server);
}

const struct nvmh_attach *nvmh_nbd_attach(const struct nbd_server *server)
{
	return &server->att;
}

uint64_t nvmh_nbd_size(const struct nbd_server *server)
{
	return atomic_load(&server->size);
}

uint16_t nvmh_nbd_nr_workers(const struct nbd_server *server)
{
	return server->nr_workers;
}
