// SPDX-License-Identifier: BSD-2-Clause
/*
 * The data plane of a multipath controller: which path a request takes, and its command for that
 * path. Each I/O queue of the controller stands on the queues of the same number of its paths, all
 * of one owner; the admin queue on the paths' admin queues, all the controller's thread's. What a
 * path does not do is held (host/mpath_retry.c). The queue's owner; nothing blocks or allocates but
 * nvmh_mpath_queue_init() and _size(). Entry points: nvmh_mpath_queue_submit(), _commit(), _poll(),
 * _arm() of the ops table.
 * NVM Express Base Specification 2.x, "Asymmetric Namespace Access Reporting".
 */
#include "host/mpath.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	RANK_NONE,
	RANK_NON_OPTIMIZED,
	RANK_OPTIMIZED,
	RANK_FRESH = 4, /* added: the request did not fail on it */
};

static struct mpath_queue *queue_of(const struct nvmh_queue *q)
{
	return &mpath_of(q->ctrl)->queues[q->qid];
}

static struct nvmh_queue *path_queue(const struct mpath_queue *mq, const struct mpath_path *path)
{
	return &path->ctrl->ioq[mq->q->qid - 1];
}

static uint32_t out_of(const struct mpath_queue *mq, uint8_t slot)
{
	return atomic_load_explicit(&mq->out[slot], memory_order_relaxed);
}

static void add_out(struct mpath_queue *mq, uint8_t slot, int n)
{
	atomic_store_explicit(&mq->out[slot], out_of(mq, slot) + (uint32_t)n, memory_order_relaxed);
}

/* ---- the choice of a path ---- */

/* How good the slot's path is for the request now; RANK_NONE: of no use. */
static uint8_t rank(struct mpath_queue *mq, const struct mpath_io *io, const struct mpath_ns *ns,
		    uint8_t slot)
{
	const struct mpath_path *path = mpath_path_at(mq->mp, slot);
	uint8_t fresh = io->avoid & BIT(slot) ? 0 : RANK_FRESH;

	if (!path || !mpath_path_is(path, MPATH_UP))
		return RANK_NONE;
	if (mq->q->qid && atomic_load(&path_queue(mq, path)->state) != NVMH_Q_LIVE)
		return RANK_NONE;
	if (!ns)
		return RANK_OPTIMIZED + fresh;
	switch (atomic_load_explicit(&ns->state[slot], memory_order_relaxed)) {
	case NVME_ANA_STATE_OPTIMIZED:
		return RANK_OPTIMIZED + fresh;
	case NVME_ANA_STATE_NONOPTIMIZED:
		return RANK_NON_OPTIMIZED + fresh;
	default:
		return RANK_NONE;
	}
}

/* Of two paths of the same rank, whether the policy wants @slot rather than @than. */
static bool rather(const struct mpath_queue *mq, uint8_t slot, uint8_t than)
{
	switch (mq->mp->opts.iopolicy) {
	case NVMH_IOPOLICY_QUEUE_DEPTH:
		return out_of(mq, slot) < out_of(mq, than);
	case NVMH_IOPOLICY_ROUND_ROBIN:
		return false; /* the first after the last one */
	default:
		return slot == mq->last_slot;
	}
}

/* @tried: slots that are left out, a bit each. Return: a slot; MPATH_NO_SLOT. */
static uint8_t best_of_all(struct mpath_queue *mq, const struct mpath_io *io,
			   const struct mpath_ns *ns, uint32_t tried)
{
	uint8_t nr = atomic_load_explicit(&mq->mp->nr_slots, memory_order_acquire);
	bool turn = mq->mp->opts.iopolicy == NVMH_IOPOLICY_ROUND_ROBIN;
	uint8_t slot = turn ? mq->last_slot : nr - 1;
	uint8_t best = MPATH_NO_SLOT;
	uint8_t best_rank = RANK_NONE;
	uint8_t this_rank;
	uint8_t i;

	for (i = 0; i < nr; i++) {
		slot = slot + 1 < nr ? slot + 1 : 0;
		if (tried & BIT(slot))
			continue;
		this_rank = rank(mq, io, ns, slot);
		if (this_rank > best_rank ||
		    (this_rank && this_rank == best_rank && rather(mq, slot, best))) {
			best = slot;
			best_rank = this_rank;
		}
	}
	return best;
}

static uint8_t pick(struct mpath_queue *mq, const struct mpath_io *io, uint32_t tried)
{
	uint8_t slot = mq->last_slot;

	/* nothing is better, and no other is wanted rather: others need not be looked at */
	if (mq->mp->opts.iopolicy == NVMH_IOPOLICY_NUMA && !(tried & BIT(slot)) &&
	    rank(mq, io, io->ns, slot) == RANK_OPTIMIZED + RANK_FRESH)
		return slot;
	slot = best_of_all(mq, io, io->ns, tried);
	/* of a namespace that no path has the target says so itself */
	if (slot == MPATH_NO_SLOT && io->ns && !nvmh_mpath_ns_somewhere(mq->mp, io->ns))
		slot = best_of_all(mq, io, NULL, tried);
	return slot;
}

/* ---- commands ---- */

void nvmh_mpath_io_end(struct mpath_queue *mq, struct mpath_io *io, uint16_t status,
		       const struct nvme_cqe *cqe)
{
	mq->nr_done++;
	nvmh_queue_end(mq->q, io->req, status, cqe);
}

static void child_done(struct nvmh_req *child)
{
	struct mpath_io *io = container_of(child, struct mpath_io, child);
	struct mpath_queue *mq = io->mq;

	add_out(mq, io->slot, -1);
	io->status = child->status;
	if (unlikely(child->status) && nvmh_mpath_retry(mq, io))
		return;
	nvmh_mpath_io_end(mq, io, child->status, &child->cqe);
}

static void make_child(struct mpath_io *io)
{
	const struct nvmh_req *req = io->req;
	struct nvmh_req *child = &io->child;

	child->sqe = req->sqe;
	child->iov = req->iov;
	child->nr_iov = req->nr_iov;
	child->dir = req->dir;
	child->len = req->len;
	child->md = req->md;
	child->md_len = req->md_len;
	child->timeout_ms = req->timeout_ms;
}

/* Return as nvmh_queue_submit(). */
static int send_on(struct mpath_queue *mq, struct mpath_io *io, uint8_t slot)
{
	struct mpath_path *path = mpath_path_at(mq->mp, slot);
	struct nvmh_queue *q;
	int ret;

	if (!path)
		return -ENOTCONN;
	make_child(io);
	io->slot = slot;
	if (!mq->q->qid) {
		ret = nvmh_admin_submit(path->ctrl, &io->child);
		if (!ret)
			add_out(mq, slot, 1);
		return ret;
	}
	q = path_queue(mq, path);
	ret = nvmh_queue_submit(q, &io->child);
	if (ret)
		return ret;
	/* the queue cannot become another association's before its owner, we, polls it */
	io->assoc = q->assoc;
	mq->dirty |= BIT(slot);
	mq->last_slot = slot;
	add_out(mq, slot, 1);
	atomic_store_explicit(&mq->ios_sent[slot],
			      atomic_load_explicit(&mq->ios_sent[slot], memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return 0;
}

int nvmh_mpath_io_send(struct mpath_queue *mq, struct mpath_io *io)
{
	uint32_t tried = 0;
	int result = -ENOTCONN;
	bool lost = false; /* a path, and that is not known to all yet */
	uint8_t slot;
	int ret;

	while ((slot = pick(mq, io, tried)) != MPATH_NO_SLOT) {
		ret = send_on(mq, io, slot);
		if (!ret)
			return 0;
		tried |= BIT(slot);
		lost |= ret == -ENOTCONN;
		/* room may come; a length that one path cannot take another may */
		if (ret == -EAGAIN || (ret == -EINVAL && result != -EAGAIN))
			result = ret;
	}
	return result == -EINVAL && lost ? -ENOTCONN : result;
}

static struct mpath_ns *find_ns(struct mpath_queue *mq, uint32_t nsid)
{
	if (!nsid || nsid == NVME_NSID_BROADCAST)
		return NULL;
	if (!mq->last_ns || mq->last_ns->nsid != nsid)
		mq->last_ns = nvmh_mpath_ns_find(mq->mp, nsid);
	return mq->last_ns;
}

int nvmh_mpath_queue_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct mpath_queue *mq = queue_of(q);
	struct mpath_io *io = &mq->ios[req->tag];
	int ret;

	/* the paths have their own, and each answers only once */
	if (!q->qid && req->sqe.opcode == nvme_admin_async_event)
		return -EINVAL;
	io->req = req;
	io->ns = find_ns(mq, le32_get(req->sqe.nsid));
	io->seq = mq->next_seq++;
	io->since_ns = 0;
	io->not_before_ns = 0;
	io->status = 0;
	io->avoid = 0;
	io->tries = 0;
	io->ana_tries = 0;
	io->losses = 0;
	io->fenced = false;
	io->once = false;
	io->cancelled = false;
	list_init(&io->link);
	/* behind what waits for room, or that would wait as long as new ones come */
	mq->untried = mq->crowded && !list_empty(&mq->held);
	ret = mq->untried ? -EAGAIN : nvmh_mpath_io_send(mq, io);
	if (ret == -ENOTCONN || ret == -EAGAIN) {
		mq->crowded |= ret == -EAGAIN;
		nvmh_mpath_hold(mq, io);
		ret = 0;
	}
	return ret;
}

void nvmh_mpath_queue_commit(struct nvmh_queue *q)
{
	struct mpath_queue *mq = queue_of(q);
	uint32_t dirty = mq->dirty;
	struct mpath_path *path;

	mq->dirty = 0;
	for (; dirty; dirty &= dirty - 1) {
		path = mpath_path_at(mq->mp, (uint32_t)__builtin_ctz(dirty));
		if (path)
			nvmh_queue_commit(path_queue(mq, path));
	}
}

int nvmh_mpath_queue_poll(struct nvmh_queue *q)
{
	struct mpath_queue *mq = queue_of(q);
	uint8_t nr = atomic_load_explicit(&mq->mp->nr_slots, memory_order_acquire);
	struct mpath_path *path;
	uint8_t i;

	mq->nr_done = 0;
	/* before the loads of the slots: whoever waits for it knows that this poll sees them as
	 * they are now */
	atomic_store(&mq->turns, mq->turns + 1);
	for (i = 0; q->qid && i < nr; i++) {
		path = mpath_path_at(mq->mp, i);
		if (path)
			nvmh_queue_poll(path_queue(mq, path));
	}
	if (unlikely(!list_empty(&mq->held)))
		nvmh_mpath_pump(mq);
	return (int)mq->nr_done;
}

int nvmh_mpath_queue_arm(struct nvmh_queue *q)
{
	struct mpath_queue *mq = queue_of(q);
	uint8_t nr = atomic_load_explicit(&mq->mp->nr_slots, memory_order_acquire);
	struct mpath_path *path;
	uint8_t i;

	/* the wake-up for it may be the one that was just emptied */
	if (!list_empty(&mq->held) && (mq->untried || atomic_load(&mq->mp->news) != mq->seen))
		return 1;
	for (i = 0; i < nr; i++) {
		path = mpath_path_at(mq->mp, i);
		if (path && nvmh_queue_arm(path_queue(mq, path)))
			return 1;
	}
	return 0;
}

int nvmh_mpath_queue_fd(struct nvmh_queue *q)
{
	return queue_of(q)->epoll_fd;
}

void nvmh_mpath_queue_release(struct nvmh_queue *q)
{
	struct mpath_queue *mq = queue_of(q);
	struct mpath_path *path;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mpath_path_at(mq->mp, i);
		if (path)
			nvmh_queue_release(path_queue(mq, path));
	}
}

/* What is held ends with the next pump; what is with a path, as that path's controller says. */
int nvmh_mpath_queue_cancel(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct mpath_queue *mq = queue_of(q);
	struct mpath_io *io = &mq->ios[req->tag];
	struct mpath_path *path = mpath_path_at(mq->mp, io->slot);

	io->cancelled = true;
	if (!list_empty(&io->link)) {
		/* as after news: whoever is about to sleep empties the descriptor first */
		mq->seen = atomic_load(&mq->mp->news) - 1;
		nvmh_queue_kick(q);
		return 0;
	}
	/* one that has just ended is about to be held, or completed */
	if (path && q->qid)
		nvmh_queue_cancel(path_queue(mq, path), &io->child);
	else if (path)
		nvmh_admin_cancel(path->ctrl, &io->child);
	return 0;
}

/* Every request is about to end, held or not. */
void nvmh_mpath_queue_wipe(struct nvmh_queue *q)
{
	list_init(&queue_of(q)->held);
}

/* ---- life ---- */

int nvmh_mpath_queue_init(struct mpath *mp, struct nvmh_queue *q)
{
	struct mpath_queue *mq = &mp->queues[q->qid];
	struct epoll_event ev = { .events = EPOLLIN };

	mq->mp = mp;
	mq->q = q;
	mq->last_slot = MPATH_NO_SLOT - 1;
	list_init(&mq->held);
	if (!q->qid)
		return 0;
	mq->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (mq->epoll_fd < 0 || epoll_ctl(mq->epoll_fd, EPOLL_CTL_ADD, q->event_fd, &ev))
		return nvmh_error(
			-errno, "no descriptor for a queue: %m (raise LimitNOFILE= or ulimit -n)");
	return 0;
}

int nvmh_mpath_queue_size(struct mpath_queue *mq, uint16_t size)
{
	struct mpath_io *ios;
	uint16_t i;
	int ret;

	ios = nvmh_queue_calloc(size - 1u, sizeof(*ios));
	if (!ios)
		return -ENOMEM;
	for (i = 0; i < size - 1; i++) {
		ios[i].mq = mq;
		ios[i].child.done = child_done;
		list_init(&ios[i].link);
	}
	ret = nvmh_queue_resize(mq->q, size);
	if (ret) {
		free(ios);
		return ret;
	}
	free(mq->ios);
	mq->ios = ios;
	return 0;
}

void nvmh_mpath_queue_done(struct mpath_queue *mq)
{
	if (!mq->q)
		return;
	if (mq->q->qid && mq->epoll_fd >= 0)
		close(mq->epoll_fd);
	free(mq->ios);
	mq->ios = NULL;
	mq->q = NULL;
}
