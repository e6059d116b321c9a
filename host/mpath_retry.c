// SPDX-License-Identifier: BSD-2-Clause
/*
 * What becomes of a command of a multipath controller that its path did not do: whether that is the
 * answer, or it is held and sent again, when and in which order. A command that may have been
 * executed and changes data waits until the lost controller is known to be quiet
 * (host/mpath_fence.c), so that no old write lands on a newer one. What is held keeps its tag, so
 * that there are never more than the queue has. The queue's owner. Entry points:
 * nvmh_mpath_retry(), nvmh_mpath_hold(), nvmh_mpath_pump().
 * NVM Express Base Specification 2.x, "Communication Loss Handling", "Status Field Definition",
 * "Asymmetric Namespace Access States".
 */
#include <errno.h>

#include "common/clock.h"
#include "host/mpath.h"

enum {
	CRD_UNIT_MS = 100,
	CRD_MASK = 3,
};

/* ---- commands ---- */

/* Executed late or twice it makes no difference. */
static bool changes_nothing(const struct nvmh_req *req)
{
	switch (req->sqe.opcode) {
	case nvme_cmd_flush:
	case nvme_cmd_read:
	case nvme_cmd_compare:
	case nvme_cmd_verify:
	case nvme_cmd_resv_report:
	case nvme_cmd_io_mgmt_recv:
	case nvme_zns_cmd_mgmt_recv:
		/* a fused Compare decides about a Write */
		return !(req->sqe.flags & NVME_SQE_FUSE_MASK);
	default:
		return false;
	}
}

/* Executed twice in a row it leaves what it leaves once. */
static bool repeatable(const struct nvmh_req *req)
{
	if (req->sqe.flags & NVME_SQE_FUSE_MASK)
		return false;
	switch (req->sqe.opcode) {
	case nvme_cmd_write:
	case nvme_cmd_write_uncor:
	case nvme_cmd_write_zeroes:
	case nvme_cmd_dsm:
	case nvme_zns_cmd_mgmt_send:
		return true;
	default:
		return changes_nothing(req);
	}
}

static bool admin_reads_only(const struct nvmh_req *req)
{
	return req->sqe.opcode == nvme_admin_identify ||
	       req->sqe.opcode == nvme_admin_get_log_page ||
	       req->sqe.opcode == nvme_admin_get_features;
}

/* ---- an answer that is none ---- */

static void count_failed_over(struct mpath_queue *mq, uint8_t slot)
{
	atomic_store_explicit(&mq->failed_over[slot],
			      atomic_load_explicit(&mq->failed_over[slot], memory_order_relaxed) +
				      1,
			      memory_order_relaxed);
}

/* Whether fast_io_fail_ms is over since the request was held for the first time. */
static bool fails_fast(const struct mpath_queue *mq, const struct mpath_io *io, uint64_t now)
{
	uint64_t fail_ns = mq->mp->opts.fast_io_fail_ms * NS_PER_MS;

	return fail_ns && io->since_ns && now - io->since_ns >= fail_ns;
}

/*
 * A target that ends each connection on which the command comes would have it for ever: it gets it so
 * many times at least, and for as long as it is waited for when it does not come back at all.
 */
static bool lost_too_often(const struct mpath_queue *mq, const struct mpath_io *io,
			   const struct mpath_path *path)
{
	uint32_t loss_ms = path->ctrl->opts.ctrl_loss_ms;
	uint64_t now = clock_now_ns();

	if (io->losses < MPATH_MAX_LOSSES)
		return false;
	return fails_fast(mq, io, now) ||
	       (loss_ms != NVMH_NO_LIMIT && now - io->since_ns >= loss_ms * NS_PER_MS);
}

/* The path went away under the command; nobody knows how far it came. Return: it is held. */
static bool retry_lost(struct mpath_queue *mq, struct mpath_io *io, const struct mpath_path *path)
{
	if (!mq->q->qid && !admin_reads_only(io->req))
		return false;
	if (mq->q->qid && !changes_nothing(io->req)) {
		/* a local controller is reset before its commands are given back */
		io->fenced = path->ctrl->ops->remote;
		io->once = !repeatable(io->req);
	}
	io->once |= lost_too_often(mq, io, path);
	if (io->losses < MPATH_MAX_LOSSES)
		io->losses++;
	nvmh_mpath_hold(mq, io);
	return true;
}

/* The namespace cannot be reached over the path, until its ANA log says otherwise. */
static void note_ana(struct mpath_io *io, struct mpath_path *path, uint16_t status)
{
	uint8_t state = status == ST_ANA_TRANSITION	   ? NVME_ANA_STATE_CHANGE
			: status == ST_ANA_PERSISTENT_LOSS ? NVME_ANA_STATE_PERSISTENT_LOSS
							   : NVME_ANA_STATE_INACCESSIBLE;
	uint8_t good[] = { NVME_ANA_STATE_OPTIMIZED, NVME_ANA_STATE_NONOPTIMIZED };

	/* only from a usable state: what the log said since then is newer */
	if (!atomic_compare_exchange_strong(&io->ns->state[io->slot], &good[0], state))
		atomic_compare_exchange_strong(&io->ns->state[io->slot], &good[1], state);
	atomic_store(&path->ana.want, true);
	nvmh_ctrl_kick(path->mp->ctrl);
}

static uint64_t delay_ms(const struct mpath_io *io, const struct mpath_path *path)
{
	uint8_t crd = io->status >> ST_CRD_SHIFT & CRD_MASK;

	if (!crd)
		return MPATH_RETRY_MS;
	return CRD_UNIT_MS *
	       (uint64_t)atomic_load_explicit(&path->crdt_ms10[crd - 1], memory_order_relaxed);
}

/* A few times, over another path if there is one, after the controller's delay. */
static bool retry_later(struct mpath_queue *mq, struct mpath_io *io, const struct mpath_path *path)
{
	if (io->tries == MPATH_MAX_TRIES || io->cancelled)
		return false;
	io->tries++;
	io->avoid |= BIT(io->slot);
	io->not_before_ns = clock_now_ns() + delay_ms(io, path) * NS_PER_MS;
	nvmh_mpath_hold(mq, io);
	return true;
}

/*
 * As soon as the ANA log of a path lets it. A controller whose log says so while it answers otherwise
 * is believed so many times only: there would always be a path, and no end.
 */
static void retry_ana(struct mpath_queue *mq, struct mpath_io *io)
{
	uint8_t limit = fails_fast(mq, io, clock_now_ns()) ? MPATH_FAIL_ANA_TRIES
							   : MPATH_MAX_ANA_TRIES;

	if (io->ana_tries >= limit)
		io->once = true;
	else
		io->ana_tries++;
	nvmh_mpath_hold(mq, io);
}

static bool retry_answered(struct mpath_queue *mq, struct mpath_io *io, struct mpath_path *path)
{
	uint16_t status = io->status & ST_MASK;

	if (io->status & ST_DNR)
		return false;
	switch (status) {
	case ST_ANA_PERSISTENT_LOSS:
	case ST_ANA_INACCESSIBLE:
	case ST_ANA_TRANSITION:
		if (!path->ana.used || !io->ns)
			return retry_later(mq, io, path);
		note_ana(io, path, status);
		retry_ana(mq, io);
		return true;
	case ST_PATH_INTERNAL:
	case ST_HOST_PATH_ERROR:
	case ST_HOST_ABORTED:
	case ST_ABORT_QUEUE:
	case ST_NS_NOT_READY:
	case ST_CMD_INTERRUPTED:
	case ST_TRANSIENT_TRANSPORT:
		return retry_later(mq, io, path);
	default:
		return io->status >> ST_CRD_SHIFT & CRD_MASK ? retry_later(mq, io, path) : false;
	}
}

bool nvmh_mpath_retry(struct mpath_queue *mq, struct mpath_io *io)
{
	struct mpath_path *path = mpath_path_at(mq->mp, io->slot);
	bool held;

	/* the controller goes down: every request ends */
	if (!path || !nvmh_queue_live(mq->q))
		return false;
	/* an answer of the library itself has no entry that came from outside */
	if (!cqe_status(&io->child.cqe))
		held = retry_lost(mq, io, path);
	else if (mq->q->qid || admin_reads_only(io->req))
		held = retry_answered(mq, io, path);
	else
		return false;
	if (held)
		count_failed_over(mq, io->slot);
	return held;
}

/* ---- what is held ---- */

void nvmh_mpath_hold(struct mpath_queue *mq, struct mpath_io *io)
{
	struct list *at = mq->held.prev;

	if (!io->since_ns)
		io->since_ns = clock_now_ns();
	/* most are younger than all that are held already */
	while (at != &mq->held && list_entry(at, struct mpath_io, link)->seq > io->seq)
		at = at->prev;
	list_add(at, &io->link);
}

/* Whether @path may become of use for the request, without anybody adding another. */
static bool may_come(const struct mpath_queue *mq, const struct mpath_io *io,
		     const struct mpath_path *path)
{
	uint8_t state = io->ns ? atomic_load(&io->ns->state[path->slot]) : 0;

	if (mpath_path_is(path, MPATH_DOWN))
		return true;
	if (!mpath_path_is(path, MPATH_UP) || state == NVME_ANA_STATE_PERSISTENT_LOSS)
		return false;
	if (!state && nvmh_mpath_ns_somewhere(mq->mp, io->ns))
		return false;
	/* one that granted fewer queues has none for us */
	return mq->q->qid <= atomic_load(&path->nr_ioq);
}

/* Return: 0, a path may be back; else what the request is answered with. */
static uint16_t hopeless(struct mpath_queue *mq, const struct mpath_io *io)
{
	uint16_t status = ST_HOST_PATH_ERROR;
	const struct mpath_path *path;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mpath_path_at(mq->mp, i);
		if (!path)
			continue;
		if (may_come(mq, io, path))
			return 0;
		if (io->ns && atomic_load(&io->ns->state[i]) == NVME_ANA_STATE_PERSISTENT_LOSS)
			status = ST_ANA_PERSISTENT_LOSS;
	}
	return status;
}

/* The same where the paths that are usable cannot take it: one that is not may, or had it already. */
static uint16_t too_much(const struct mpath_queue *mq)
{
	const struct mpath_path *path;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mpath_path_at(mq->mp, i);
		if (path && mpath_path_is(path, MPATH_DOWN))
			return 0;
	}
	return ST_INVALID_FIELD | ST_DNR;
}

/* Sends the request, ends it, or holds it on. */
static void pump_one(struct mpath_queue *mq, struct mpath_io *io, uint64_t now)
{
	uint16_t status;
	int ret;

	/* first of all: nothing that may still be executed elsewhere is given back, not even as
	 * failed */
	if (io->fenced && (int32_t)(atomic_load(&mq->mp->slot[io->slot].fenced) - io->assoc) < 0) {
		nvmh_mpath_hold(mq, io);
		return;
	}
	io->fenced = false;
	if (io->cancelled) {
		nvmh_mpath_io_end(mq, io, ST_ABORT_REQ, NULL);
		return;
	}
	if (io->once) {
		nvmh_mpath_io_end(mq, io, ST_HOST_PATH_ERROR, NULL);
		return;
	}
	if (io->not_before_ns > now) {
		nvmh_mpath_hold(mq, io);
		return;
	}
	ret = nvmh_mpath_io_send(mq, io);
	if (!ret)
		return;
	mq->crowded |= ret == -EAGAIN;
	status = ret == -EINVAL ? too_much(mq) : ret == -ENOTCONN ? hopeless(mq, io) : 0;
	if (!status && ret != -EAGAIN && fails_fast(mq, io, now))
		status = ST_HOST_PATH_ERROR;
	if (status)
		nvmh_mpath_io_end(mq, io, status, NULL);
	else
		nvmh_mpath_hold(mq, io);
}

void nvmh_mpath_pump(struct mpath_queue *mq)
{
	struct list todo = LIST_INIT(todo);
	struct list *link;
	uint64_t now;

	if (mq->pumping || !nvmh_queue_live(mq->q))
		return;
	mq->pumping = true;
	mq->seen = atomic_load(&mq->mp->news);
	mq->crowded = mq->untried = false;
	now = clock_now_ns();
	/* a callback may make the list longer, even in between */
	list_splice_tail(&todo, &mq->held);
	while ((link = list_pop(&todo)))
		pump_one(mq, list_entry(link, struct mpath_io, link), now);
	mq->pumping = false;
	if (mq->q->qid)
		nvmh_mpath_queue_commit(mq->q);
}
