// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands that do not come back, rung by rung. The owner of a queue finds one past its deadline
 * and asks: first for an Abort; when the command is still out NVMH_ABORT_MS later, for its queue to
 * be deleted and made anew, while the others go on. What does not help leads to a reset of the
 * controller, then of the PCI function, then to its end (host/ctrl.c, host/pcie.c). A command
 * completes when the drive says so or its queue is gone, never before: its memory may still be
 * written to. nvmh_recover_ask(): the queue's owner; the rest: the controller's thread. Entry
 * points: nvmh_recover_ask(), nvmh_recover_run(). NVM Express Base Specification 2.x, "Abort
 * command", "Delete I/O Submission Queue command", "Delete I/O Completion Queue command".
 */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/ctrl.h"

enum {
	MAX_REPLACED = 3,	   /* in a row: more is no matter of one queue */
	REPLACED_LONG_MS = 600000, /* ago */
};

enum replace_stage {
	REPLACE_SQ, /* delete the submission queue */
	REPLACE_CQ, /* and its completion queue */
	REPLACE_FLUSH,
	REPLACE_CREATE,
};

/* An ask in one word: rung, opcode, command id. Never 0. */
static uint64_t ask_make(enum nvmh_late rung, const struct nvmh_req *req)
{
	return (uint64_t)rung << 32 | (uint64_t)req->sqe.opcode << 16 | req->sqe.cid;
}

static enum nvmh_late ask_rung(uint64_t ask)
{
	return (enum nvmh_late)(ask >> 32);
}

static uint8_t ask_opcode(uint64_t ask)
{
	return (uint8_t)(ask >> 16);
}

static uint16_t ask_cid(uint64_t ask)
{
	return (uint16_t)ask;
}

bool nvmh_recover_ask(struct nvmh_queue *q, const struct nvmh_req *req, enum nvmh_late rung)
{
	struct nvmh_tag *tag = &q->tags[req->tag];
	bool abort = rung != NVMH_LATE_REPLACE;
	uint64_t none = 0;

	/* counted before anybody can take it */
	if (abort)
		atomic_fetch_add(&q->aborts, 1);
	if (!atomic_compare_exchange_strong(&q->ask, &none, ask_make(rung, req))) {
		if (abort)
			atomic_fetch_sub(&q->aborts, 1);
		return false;
	}
	if (abort) {
		q->nr_wanted -= tag->abort == NVMH_ABORT_WANTED;
		tag->abort = NVMH_ABORT_ASKED;
	}
	atomic_store(&q->ctrl->recover.asked, true);
	nvmh_ctrl_kick(q->ctrl);
	return true;
}

/* ---- Abort ---- */

/* An Abort is answered, or will not be sent: its queue's owner may have been waiting for that. */
static void abort_over(struct nvmh_queue *q)
{
	atomic_fetch_sub(&q->aborts, 1);
	if (!q->qid) {
		nvmh_queue_aborts(q);
		return;
	}
	atomic_store(&q->check, true);
	nvmh_queue_kick(q);
}

static void abort_done(struct nvmh_req *req)
{
	struct nvmh_abort *slot = container_of(req, struct nvmh_abort, req);
	struct nvmh_ctrl *ctrl = req->arg;
	struct nvmh_queue *q = slot->q;

	slot->q = NULL;
	abort_over(q);
	if ((req->status & ST_MASK) == ST_HOST_ABORTED)
		return; /* a reset */
	log_debug("abort answered name=\"%s\" qid=%u status=%03X aborted=%u", ctrl->name, q->qid,
		  req->status & ST_MASK, !(le32_get(req->cqe.dw0) & 1));
	/* others may wait for their turn, in this queue or another */
	atomic_store(&ctrl->recover.asked, true);
	nvmh_ctrl_kick(ctrl);
}

/* @q's ask is dealt with, or of no use any more. @sent: an Abort is on its way. */
static void drop_ask(struct nvmh_queue *q, bool sent)
{
	uint64_t ask = atomic_exchange(&q->ask, 0);

	if (ask && ask_rung(ask) != NVMH_LATE_REPLACE && !sent)
		abort_over(q);
}

static struct nvmh_abort *free_slot(struct nvmh_ctrl *ctrl)
{
	uint32_t limit = min_of(ctrl->id.acl + 1u, (uint32_t)MAX_ABORTS);
	uint32_t i;

	for (i = 0; i < limit; i++) {
		if (!ctrl->recover.abort[i].q)
			return &ctrl->recover.abort[i];
	}
	return NULL;
}

/* Return: false: not now. */
static bool send_abort(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, uint64_t ask)
{
	struct nvmh_abort *slot = free_slot(ctrl);
	struct nvmh_req *req;

	if (!slot)
		return false;
	req = &slot->req;
	memset(req, 0, sizeof(*req));
	nvmh_prep_abort(req, q->qid, ask_cid(ask));
	req->done = abort_done;
	req->arg = ctrl;
	if (nvmh_queue_send(&ctrl->adminq, req))
		return false;
	slot->q = q;
	ctrl->ops->queue_commit(&ctrl->adminq);
	if (ask_rung(ask) == NVMH_LATE_CANCEL)
		log_debug("command is cancelled name=\"%s\" qid=%u opcode=%02X cid=%u", ctrl->name,
			  q->qid, ask_opcode(ask), ask_cid(ask));
	else
		log_peer(LOG_LVL_WARN,
			 "command is late, the drive is asked to abort it name=\"%s\" qid=%u "
			 "opcode=%02X cid=%u",
			 ctrl->name, q->qid, ask_opcode(ask), ask_cid(ask));
	return true;
}

/* ---- a queue deleted and made anew ---- */

static void next_stage(struct nvmh_recover *rec, enum replace_stage stage)
{
	rec->stage = (uint8_t)stage;
	rec->deadline_ns = clock_now_ns() + NVMH_REPLACE_MS * NS_PER_MS;
}

static void give_up(struct nvmh_ctrl *ctrl, const char *why)
{
	nvmh_ctrl_lost(ctrl, "%s, nor after an Abort; %s", ctrl->recover.why, why);
}

/* Return: false: not now. */
static bool start_replace(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, uint64_t ask)
{
	struct nvmh_recover *rec = &ctrl->recover;
	uint64_t now = clock_now_ns();

	if (rec->q)
		return false; /* one after the other */
	if (atomic_load(&q->state) != NVMH_Q_LIVE)
		return true;
	snprintf(rec->why, sizeof(rec->why), "queue %u: command %02Xh was not answered in time",
		 q->qid, ask_opcode(ask));
	if (now - rec->replaced_ns > REPLACED_LONG_MS * NS_PER_MS)
		rec->nr_replaced = 0;
	if (rec->nr_replaced == MAX_REPLACED) {
		give_up(ctrl, "queues were made anew too often lately");
		return true;
	}
	rec->nr_replaced++;
	rec->replaced_ns = now;
	log_warn(
		"command does not come back, its queue is made anew name=\"%s\" qid=%u opcode=%02X cid=%u",
		ctrl->name, q->qid, ask_opcode(ask), ask_cid(ask));
	nvmh_rescan_later(ctrl);
	atomic_store(&q->state, NVMH_Q_STOPPED);
	rec->q = q;
	next_stage(rec, REPLACE_SQ);
	return true;
}

/* Return: 0, -EAGAIN, -EIO with nvmh_strerror(). */
static int delete_queue(struct nvmh_ctrl *ctrl, uint8_t opcode, const char *what)
{
	struct nvme_sqe sqe = { .opcode = opcode, .cdw10 = le32_make(ctrl->recover.q->qid) };
	int ret = nvmh_step_cmd(ctrl, &sqe, NVMH_NO_DATA, NULL, 0);

	if (!ret && ctrl->step_req.status)
		ret = nvmh_step_status(ctrl, what);
	return ret;
}

static int run_stage(struct nvmh_ctrl *ctrl, struct nvmh_recover *rec)
{
	struct nvmh_queue *q = rec->q;
	int ret;

	switch (rec->stage) {
	case REPLACE_SQ:
		ret = delete_queue(ctrl, nvme_admin_delete_sq, "Delete I/O Submission Queue");
		if (!ret)
			next_stage(rec, REPLACE_CQ);
		return ret;
	case REPLACE_CQ:
		ret = delete_queue(ctrl, nvme_admin_delete_cq, "Delete I/O Completion Queue");
		if (!ret) {
			nvmh_queue_to_flush(ctrl, q);
			next_stage(rec, REPLACE_FLUSH);
		}
		return ret;
	case REPLACE_FLUSH:
		next_stage(rec, REPLACE_FLUSH); /* as long as its owner takes */
		if (!nvmh_queue_down(ctrl, q))
			return -EAGAIN;
		ctrl->ops->queue_free(q);
		next_stage(rec, REPLACE_CREATE);
		return 0;
	default:
		ret = ctrl->ops->queue_create(ctrl, q);
		if (ret)
			return ret;
		rec->q = NULL;
		drop_ask(q, false); /* of before: its owner has nothing outstanding */
		atomic_store(&q->state, NVMH_Q_LIVE);
		log_notice("queue was made anew name=\"%s\" qid=%u", ctrl->name, q->qid);
		return 0;
	}
}

static void run_replace(struct nvmh_ctrl *ctrl)
{
	struct nvmh_recover *rec = &ctrl->recover;
	char why[128];
	int ret = 0;

	while (rec->q && !ret) {
		ret = run_stage(ctrl, rec);
		if (ret == -EAGAIN && clock_now_ns() > rec->deadline_ns)
			ret = nvmh_error(-ETIMEDOUT, "nor were the commands to replace its queue");
	}
	if (!ret || ret == -EAGAIN)
		return;
	snprintf(why, sizeof(why), "%s", nvmh_strerror());
	give_up(ctrl, why);
}

/* ---- the controller's thread ---- */

static void take_ask(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	uint64_t ask = atomic_load(&q->ask);

	if (!ask)
		return;
	if (ctrl->recover.q == q) /* all its commands are on their way back */
		drop_ask(q, false);
	else if (ask_rung(ask) == NVMH_LATE_REPLACE && start_replace(ctrl, q, ask))
		drop_ask(q, false);
	else if (ask_rung(ask) != NVMH_LATE_REPLACE && send_abort(ctrl, q, ask))
		drop_ask(q, true);
	else
		atomic_store(&ctrl->recover.asked, true); /* not now */
}

void nvmh_recover_run(struct nvmh_ctrl *ctrl)
{
	uint16_t i;

	if (atomic_exchange(&ctrl->recover.asked, false)) {
		take_ask(ctrl, &ctrl->adminq);
		for (i = 0; i < ctrl->nr_ioq; i++)
			take_ask(ctrl, &ctrl->ioq[i]);
	}
	if (ctrl->recover.q)
		run_replace(ctrl);
}

void nvmh_recover_stop(struct nvmh_ctrl *ctrl)
{
	uint16_t i;

	ctrl->recover.q = NULL;
	atomic_store(&ctrl->recover.asked, false);
	drop_ask(&ctrl->adminq, false);
	for (i = 0; i < ctrl->opts.nr_io_queues; i++)
		drop_ask(&ctrl->ioq[i], false);
}
