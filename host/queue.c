// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues, as far as both transports share them: tags and generations, completion exactly once,
 * deadlines, and the owner's part of a reset. Runs in the thread that owns the queue, but for
 * nvmh_queue_kick(). Entry points: nvmh_queue_submit(), nvmh_queue_commit(), nvmh_queue_poll(),
 * nvmh_queue_arm(). NVM Express Base Specification 2.x, "Command Identifier", "Command Submission
 * and Completion Mechanism".
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/ctrl.h"

enum {
	TAG_MASK = (1 << NVMH_CID_TAG_BITS) - 1,
	GEN_MASK = (1 << (16 - NVMH_CID_TAG_BITS)) - 1,
	MAX_TIMEOUT_MS = 600000,
};

static_assert(MAX_QUEUE_ENTRIES <= 1 << NVMH_CID_TAG_BITS, "a tag fits its part of the command id");

void *nvmh_queue_calloc(size_t nr, size_t size)
{
	void *mem = aligned_alloc(NVMH_LINE_BYTES, nr * size);

	return mem ? memset(mem, 0, nr * size) : NULL;
}

int nvmh_queue_init(struct nvmh_queue *q, struct nvmh_ctrl *ctrl, uint16_t qid)
{
	memset(q, 0, sizeof(*q));
	q->ctrl = ctrl;
	q->ops = ctrl->ops;
	q->qid = qid;
	q->free_head = NVMH_NO_TAG;
	atomic_store(&q->epoch, 1); /* not q->traffic */
	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->event_fd < 0 ? -errno : 0;
}

int nvmh_queue_resize(struct nvmh_queue *q, uint16_t size)
{
	struct nvmh_tag *tags;
	uint16_t i;

	assert(atomic_load(&q->state) == NVMH_Q_DOWN || !q->qid);
	assert(!atomic_load(&q->outstanding));
	assert(size >= 2 && size <= MAX_QUEUE_ENTRIES);
	if (size == q->size)
		return 0;
	tags = calloc(size - 1u, sizeof(*tags));
	if (!tags)
		return -ENOMEM;
	/* generations go on, so that what is left over from before still does not match */
	for (i = 0; i < size - 1; i++) {
		tags[i].gen = i < q->nr_tags ? q->tags[i].gen : 0;
		tags[i].next_free = i + 1 < size - 1 ? i + 1 : NVMH_NO_TAG;
	}
	free(q->tags);
	q->nr_parked = q->nr_wanted = 0;
	q->tags = tags;
	q->size = size;
	q->nr_tags = size - 1;
	q->free_head = 0;
	return 0;
}

void nvmh_queue_done(struct nvmh_queue *q)
{
	if (!q->ctrl)
		return;
	if (q->event_fd >= 0)
		close(q->event_fd);
	q->event_fd = -1;
	free(q->tags);
	q->tags = NULL;
	q->ctrl = NULL;
}

static void push_tag(struct nvmh_queue *q, uint16_t index)
{
	q->tags[index].next_free = q->free_head;
	q->free_head = index;
}

/* No Abort is on its way: tags that waited for that are free, others may have one again. */
static void unpark(struct nvmh_queue *q)
{
	struct nvmh_tag *tag;
	uint16_t i;

	for (i = 0; i < q->nr_tags; i++) {
		tag = &q->tags[i];
		if (tag->abort == NVMH_ABORT_PARKED)
			push_tag(q, i);
		if (tag->abort != NVMH_ABORT_WANTED)
			tag->abort = NVMH_NO_ABORT;
	}
	q->nr_parked = 0;
}

/* Takes a tag, writes sqe.cid, sets the deadline. Return: 0, -EAGAIN. */
static int start_req(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct nvmh_tag *tag;
	uint16_t index;

	assert(req->state != NVMH_REQ_BUSY);
	if (unlikely(q->free_head == NVMH_NO_TAG) && q->nr_parked && !atomic_load(&q->aborts))
		unpark(q);
	index = q->free_head;
	if (index == NVMH_NO_TAG)
		return -EAGAIN;
	tag = &q->tags[index];
	q->free_head = tag->next_free;
	tag->req = req;
	tag->gen = (tag->gen + 1) & GEN_MASK;
	tag->late = NVMH_ON_TIME;
	tag->abort = NVMH_NO_ABORT;
	tag->epoch = atomic_load_explicit(&q->epoch, memory_order_relaxed);
	req->tag = index;
	req->state = NVMH_REQ_BUSY;
	req->deadline_ns = 0; /* the first look at deadlines sets it: no clock is read here */
	req->sqe.cid = (uint16_t)(index | tag->gen << NVMH_CID_TAG_BITS);
	atomic_store_explicit(&q->outstanding,
			      atomic_load_explicit(&q->outstanding, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return 0;
}

static void free_tag(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct nvmh_tag *tag = &q->tags[req->tag];

	assert(req->state == NVMH_REQ_BUSY && tag->req == req);
	tag->req = NULL;
	if (unlikely(tag->abort == NVMH_ABORT_WANTED)) {
		tag->abort = NVMH_NO_ABORT;
		q->nr_wanted--;
	}
	if (unlikely(tag->abort == NVMH_ABORT_ASKED)) {
		tag->abort = NVMH_ABORT_PARKED;
		q->nr_parked++;
	} else {
		push_tag(q, req->tag);
	}
	atomic_store_explicit(&q->outstanding,
			      atomic_load_explicit(&q->outstanding, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

struct nvmh_req *nvmh_queue_find(struct nvmh_queue *q, uint16_t cid)
{
	uint16_t index = cid & TAG_MASK;
	struct nvmh_tag *tag;

	if (index < q->nr_tags) {
		tag = &q->tags[index];
		if (tag->req && tag->gen == cid >> NVMH_CID_TAG_BITS)
			return tag->req;
	}
	q->bad_completions++;
	return NULL;
}

/* Everything about @req is settled before ->done runs: it may free the request or submit it again. */
static void finish(struct nvmh_queue *q, struct nvmh_req *req)
{
	free_tag(q, req);
	req->state = NVMH_REQ_IDLE;
	req->done(req);
}

/* A command that was sent and answered between two looks at the queue kept the controller alive. */
static void note_traffic(struct nvmh_queue *q, const struct nvmh_req *req)
{
	uint32_t epoch = atomic_load_explicit(&q->epoch, memory_order_relaxed);

	if (q->tags[req->tag].epoch == epoch &&
	    atomic_load_explicit(&q->traffic, memory_order_relaxed) != epoch)
		atomic_store_explicit(&q->traffic, epoch, memory_order_relaxed);
}

void nvmh_queue_complete(struct nvmh_queue *q, struct nvmh_req *req, const struct nvme_cqe *cqe)
{
	note_traffic(q, req);
	req->cqe = *cqe;
	req->status = cqe_status(cqe);
	/* aborted by us, for being late: not by whoever sent it */
	if (unlikely((req->status & ST_MASK) == ST_ABORT_REQ) && q->tags[req->tag].late)
		req->status = ST_HOST_ABORTED;
	if (unlikely(!q->qid) && !req->status)
		nvmh_power_note(q->ctrl, req);
	finish(q, req);
}

void nvmh_queue_end(struct nvmh_queue *q, struct nvmh_req *req, uint16_t status,
		    const struct nvme_cqe *cqe)
{
	if (cqe)
		req->cqe = *cqe;
	else
		memset(&req->cqe, 0, sizeof(req->cqe));
	req->status = status;
	finish(q, req);
}

void nvmh_queue_abort_all(struct nvmh_queue *q, uint16_t status)
{
	struct nvmh_req *req;
	uint16_t i;

	if (q->ops->queue_wipe)
		q->ops->queue_wipe(q);
	for (i = 0; i < q->nr_tags; i++) {
		req = q->tags[i].req;
		if (req)
			nvmh_queue_end(q, req, status, NULL);
	}
}

void nvmh_queue_kick(struct nvmh_queue *q)
{
	uint64_t one = 1;

	/* before the write: the owner need not wait for us to empty the descriptor */
	atomic_store(&q->kicked, true);
	/* EAGAIN: the counter is full, so the descriptor is readable already */
	if (q->event_fd >= 0 && write(q->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return;
	/* after the write: an owner that sees it empties the descriptor for good */
	atomic_store(&q->kicked, true);
}

void nvmh_queue_flush(struct nvmh_queue *q)
{
	uint8_t state = NVMH_Q_FLUSH;
	struct nvmh_ctrl *ctrl = q->ctrl;

	if (!atomic_compare_exchange_strong(&q->state, &state, NVMH_Q_FLUSHING))
		return;
	nvmh_queue_abort_all(q, ST_HOST_ABORTED);
	/* from here on the queue is the controller's thread's */
	atomic_store(&q->state, NVMH_Q_DOWN);
	nvmh_ctrl_kick(ctrl);
}

/* ---- cancelling ---- */

void nvmh_queue_aborts(struct nvmh_queue *q)
{
	uint16_t i;

	if (!atomic_load(&q->aborts))
		unpark(q);
	/* one after the other; the answer to each brings us here again */
	for (i = 0; q->nr_wanted && i < q->nr_tags; i++) {
		if (q->tags[i].abort != NVMH_ABORT_WANTED)
			continue;
		if (!nvmh_recover_ask(q, q->tags[i].req, NVMH_LATE_CANCEL))
			return;
	}
}

static int cancel(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct nvmh_tag *tag = req->tag < q->nr_tags ? &q->tags[req->tag] : NULL;

	if (req->state != NVMH_REQ_BUSY || !tag || tag->req != req)
		return -ENOENT;
	if (q->ops->queue_cancel)
		return q->ops->queue_cancel(q, req);
	if (tag->abort != NVMH_NO_ABORT)
		return 0;	 /* it is asked for already */
	q->ops->queue_commit(q); /* there is nothing to abort before */
	tag->abort = NVMH_ABORT_WANTED;
	q->nr_wanted++;
	nvmh_queue_aborts(q);
	return 0;
}

/* Return: it goes on; false: the whole controller is given to a reset. */
static bool timed_out(struct nvmh_queue *q, struct nvmh_req *req, uint32_t timeout_ms, uint64_t now)
{
	struct nvmh_tag *tag = &q->tags[req->tag];

	if (tag->late == NVMH_LATE_REPLACE)
		return true; /* the controller's thread is at it, with a deadline of its own */
	if (q->ops->replaces && tag->late == NVMH_ON_TIME &&
	    (q->qid || req->sqe.opcode != nvme_admin_abort_cmd)) {
		if (tag->abort != NVMH_ABORT_ASKED && !nvmh_recover_ask(q, req, NVMH_LATE_ABORT))
			return true;
		tag->late = NVMH_LATE_ABORT;
		req->deadline_ns = now + NVMH_ABORT_MS * UINT64_C(1000000);
		return true;
	}
	if (q->ops->replaces && tag->late == NVMH_LATE_ABORT && q->qid) {
		if (nvmh_recover_ask(q, req, NVMH_LATE_REPLACE))
			tag->late = NVMH_LATE_REPLACE;
		return true;
	}
	nvmh_ctrl_lost(q->ctrl, "queue %u: command %02Xh was not answered in %u ms%s", q->qid,
		       req->sqe.opcode, timeout_ms,
		       tag->late == NVMH_ON_TIME ? "" : ", nor after an Abort");
	return false;
}

void nvmh_queue_check(struct nvmh_queue *q)
{
	uint32_t usual_ms = q->qid ? q->ctrl->opts.io_timeout_ms : q->ctrl->opts.admin_timeout_ms;
	uint64_t now = clock_now_ns();
	struct nvmh_req *req;
	uint32_t timeout_ms;
	uint16_t i;

	if (q->ops->stacked)
		return;
	for (i = 0; i < q->nr_tags; i++) {
		req = q->tags[i].req;
		if (!req || req->timeout_ms == NVMH_NO_TIMEOUT)
			continue;
		timeout_ms = req->timeout_ms ? req->timeout_ms : usual_ms;
		if (!req->deadline_ns)
			req->deadline_ns = now + timeout_ms * UINT64_C(1000000);
		else if (now > req->deadline_ns && !timed_out(q, req, timeout_ms, now))
			return;
	}
}

/*
 * The calling thread owns the queue. The store comes before the caller's load of the state, and the
 * controller's thread stores the state before it loads the owner (all sequentially consistent), so
 * one of them sees the other.
 */
static void touch(struct nvmh_queue *q)
{
	uintptr_t self = nvmh_thread_token();

	if (unlikely(atomic_load_explicit(&q->owner, memory_order_relaxed) != self))
		atomic_store(&q->owner, self);
}

int nvmh_queue_send(struct nvmh_queue *q, struct nvmh_req *req)
{
	int ret;

	if ((req->dir == NVMH_NO_DATA) != !req->len || req->len > q->ctrl->max_xfer || !req->done)
		return -EINVAL;
	if (unlikely(req->md_len && !q->ops->md))
		return -EINVAL;
	if (req->timeout_ms > MAX_TIMEOUT_MS && req->timeout_ms != NVMH_NO_TIMEOUT)
		return -EINVAL;
	ret = start_req(q, req);
	if (ret)
		return ret;
	ret = q->ops->queue_submit(q, req);
	if (ret) {
		/* it did not go anywhere */
		free_tag(q, req);
		req->state = NVMH_REQ_IDLE;
	}
	return ret;
}

int nvmh_queue_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	touch(q);
	if (atomic_load(&q->state) != NVMH_Q_LIVE)
		return -ENOTCONN;
	return nvmh_queue_send(q, req);
}

void nvmh_queue_commit(struct nvmh_queue *q)
{
	if (atomic_load(&q->state) == NVMH_Q_LIVE)
		q->ops->queue_commit(q);
}

int nvmh_queue_poll(struct nvmh_queue *q)
{
	uint8_t state;
	int n = 0;

	touch(q);
	state = atomic_load(&q->state);
	if (q->polling)
		return 0;
	if (unlikely(state != NVMH_Q_LIVE && state != NVMH_Q_STOPPED)) {
		if (state == NVMH_Q_FLUSH) {
			n = atomic_load_explicit(&q->outstanding, memory_order_relaxed);
			nvmh_queue_flush(q);
		}
		return n;
	}
	q->polling = true;
	n = q->ops->queue_poll(q);
	if (unlikely(atomic_load_explicit(&q->check, memory_order_relaxed))) {
		atomic_store(&q->check, false);
		nvmh_queue_aborts(q);
		nvmh_queue_check(q);
	}
	q->polling = false;
	return n;
}

int nvmh_queue_cancel(struct nvmh_queue *q, struct nvmh_req *req)
{
	touch(q);
	/* what is not live ends by itself, and soon */
	if (atomic_load(&q->state) != NVMH_Q_LIVE)
		return req->state == NVMH_REQ_BUSY ? 0 : -ENOENT;
	return cancel(q, req);
}

int nvmh_admin_cancel(struct nvmh_ctrl *ctrl, struct nvmh_req *req)
{
	/* a stacked controller holds requests while it is not live; any other's end by themselves */
	if (nvmh_ctrl_state(ctrl) != NVMH_LIVE &&
	    !(ctrl->ops->stacked && atomic_load(&ctrl->adminq.state) == NVMH_Q_LIVE))
		return req->state == NVMH_REQ_BUSY ? 0 : -ENOENT;
	return cancel(&ctrl->adminq, req);
}

int nvmh_queue_fd(struct nvmh_queue *q)
{
	return q->ops->queue_fd(q);
}

/* Makes the descriptor tell of what comes from now on only. Return: it does. */
static bool empty_event_fd(struct nvmh_queue *q)
{
	uint64_t count;

	if (!q->ops->irq && !atomic_load_explicit(&q->kicked, memory_order_relaxed))
		return true;
	atomic_store(&q->kicked, false);
	return read(q->event_fd, &count, sizeof(count)) >= 0 || errno == EAGAIN;
}

int nvmh_queue_arm(struct nvmh_queue *q)
{
	uint8_t state;

	touch(q);
	/* Emptied first, then looked: what comes in between makes the descriptor readable again. */
	if (!empty_event_fd(q))
		return 1;
	state = atomic_load(&q->state);
	if (state == NVMH_Q_FLUSH || atomic_load(&q->check))
		return 1;
	if (state == NVMH_Q_LIVE || state == NVMH_Q_STOPPED || q->ops->stacked)
		return q->ops->queue_arm(q);
	return 0;
}

void nvmh_queue_release(struct nvmh_queue *q)
{
	uint8_t state;

	nvmh_queue_poll(q);
	state = atomic_load(&q->state);
	/* one that is down is the controller's thread's, which sends its Connect there */
	assert(state == NVMH_Q_DOWN || !atomic_load(&q->outstanding));
	if (q->ops->queue_release)
		q->ops->queue_release(q);
	atomic_store(&q->owner, 0);
	nvmh_ctrl_kick(q->ctrl); /* a reset may be waiting for this queue */
}

uint16_t nvmh_queue_room(const struct nvmh_queue *q)
{
	if (atomic_load(&q->state) != NVMH_Q_LIVE)
		return 0;
	return (uint16_t)(q->nr_tags - q->nr_parked -
			  atomic_load_explicit(&q->outstanding, memory_order_relaxed));
}

bool nvmh_queue_live(const struct nvmh_queue *q)
{
	return atomic_load(&q->state) == NVMH_Q_LIVE;
}
