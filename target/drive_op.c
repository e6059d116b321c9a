// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands and resets asked for through the control plane. Started and ended on the main loop; the
 * drive's thread in between, for commands of the I/O queues also a core. Entry points:
 * nvmet_drive_op_start(), nvmet_drive_ops_state(), nvmet_drive_ops_turn().
 */
#include "target/drive_op.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/util.h"
#include "target/core.h"
#include "target/drive.h"

enum op_state {
	OP_NEW,
	OP_DRAINING, /* until hosts' commands on the namespace are answered */
	OP_WAITS_MEMORY,
	OP_ON_QUEUE, /* admin, or a core's */
	OP_RESETTING,
	OP_RESCANNING,
	OP_ENDED,
};

enum {
	POOL_BYTES = NVMET_DRIVE_MEMORY, /* two of the largest without metadata at a time */
	DRAIN_POLL_MS = 10,
};

/* Abort and a queue made anew, which end a command that is late; a reset ends all at once. */
uint32_t nvmet_drive_drain_ms = 30000;

int nvmet_drive_ops_init(struct nvmet_drive_ops *ops)
{
	int ret = mem_arena_init(&ops->arena, POOL_BYTES, MEM_HUGE_OFF);

	list_init(&ops->busy);
	return ret ? ret : mem_pool_create(ops->arena.base, POOL_BYTES, &ops->pool);
}

static void drain_look(struct loop_timer *t);

int nvmet_drive_ops_start(struct nvmet_drive_ops *ops, struct loop *loop)
{
	return loop_timer_init(loop, &ops->drain, drain_look);
}

void nvmet_drive_ops_stop(struct nvmet_drive_ops *ops)
{
	loop_timer_done(&ops->drain);
}

int nvmet_drive_ops_map(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl)
{
	return nvmh_ctrl_mem_map(ctrl, ops->arena.base, POOL_BYTES);
}

void nvmet_drive_ops_done(struct nvmet_drive_ops *ops)
{
	if (ops->pool)
		mem_pool_free(ops->pool);
	if (ops->arena.base)
		mem_arena_done(&ops->arena);
	ops->pool = NULL;
}

/* ---- the end ---- */

static void back_on_main(struct loop_msg *msg)
{
	struct nvmet_drive_op *op = container_of(msg, struct nvmet_drive_op, msg);

	op->done(op);
}

/* Those in line; one that fails at once makes room for the next without another level of calls. */
static void serve_waiting(struct nvmet_drive_ops *ops)
{
	if (ops->serving)
		return;
	ops->serving = true;
	while (mem_pool_run(ops->pool))
		;
	ops->serving = false;
}

static void op_end(struct nvmet_drive_op *op, int ret)
{
	struct nvmet_drive_ops *ops = &op->drive->ops;

	op->state = OP_ENDED;
	op->cmd.ret = ret;
	if (op->blocked)
		nvmet_drive_unblock(op->drive, op->cmd.nsid);
	list_del(&op->link);
	mem_wait_del(&op->wait);
	if (op->buf) {
		mem_put(ops->pool, op->buf, nvmet_drive_cmd_memory(&op->cmd));
		op->buf = NULL;
		serve_waiting(ops);
	}
	op->msg.fn = back_on_main;
	loop_send(nvmet.main_loop, &op->msg);
}

static void set_reason(struct nvmet_drive_op *op, const char *text)
{
	snprintf(op->cmd.reason, sizeof(op->cmd.reason), "drive %s: %s", op->cmd.bdf, text);
}

/* ---- answers of the drive ---- */

static bool scsi_next(struct nvmet_drive_op *op);

static struct nvmh_req *req_of(struct nvmet_drive_op *op)
{
	return op->cmd.kind == NVMET_DRIVE_SCSI ? &op->cmd.scsi.req : &op->req;
}

/* Although a queue was lost under it the command may have been done. */
static int lost(const struct nvmet_drive_op *op)
{
	uint16_t code = op->cmd.status & ST_MASK;

	return code == ST_HOST_ABORTED || code == ST_HOST_PATH_ERROR ? -ECONNRESET : 0;
}

static void answered(struct nvmet_drive_op *op)
{
	struct nvmh_ctrl *ctrl = op->drive->ctrl;
	int ret;

	if (op->cmd.kind == NVMET_DRIVE_SCSI)
		op->cmd.status = op->cmd.scsi.req.status;
	else
		nvmet_drive_cmd_answer(&op->cmd, &op->req, op->buf);
	ret = lost(op);
	if (ret)
		set_reason(op, "it was reset under the command, which may or may not be done");
	if (!ret && op->cmd.kind == NVMET_DRIVE_SCSI) {
		if (scsi_next(op))
			return;
		op->cmd.rescan = op->cmd.scsi.rescan;
	}
	if (!ret && !op->cmd.status && op->cmd.rescan && ctrl && !nvmh_ctrl_rescan(ctrl)) {
		op->state = OP_RESCANNING;
		return;
	}
	op_end(op, ret);
}

static void admin_done(struct nvmh_req *req)
{
	answered(req->arg);
}

static void io_answered(struct loop_msg *msg)
{
	answered(container_of(msg, struct nvmet_drive_op, msg));
}

static void io_done(struct nvmh_req *req)
{
	struct nvmet_drive_op *op = req->arg;

	op->msg.fn = io_answered;
	loop_send(op->drive->loop, &op->msg);
}

/* ---- a core's queue ---- */

static void io_refused(struct loop_msg *msg)
{
	struct nvmet_drive_op *op = container_of(msg, struct nvmet_drive_op, msg);

	op_end(op, op->cmd.ret);
}

static void io_submit(struct loop_msg *msg)
{
	struct nvmet_drive_op *op = container_of(msg, struct nvmet_drive_op, msg);
	int ret = -ENOTCONN;

	/* Else nobody polls the queue, or the drive is away. The core's turn ends with its
	 * doorbell. */
	if (op->dc->hooked)
		ret = nvmh_queue_submit(op->dc->q, req_of(op));
	if (!ret)
		return;
	op->cmd.ret = ret;
	op->msg.fn = io_refused;
	loop_send(op->drive->loop, &op->msg);
}

static int io_start(struct nvmet_drive_op *op)
{
	struct nvmet_drive_core *dc = &op->drive->cores[0];

	/* Whatever number of queues it has, core 0 has one. */
	if (!atomic_load(&dc->nr_queues))
		return -ENOTCONN;
	op->dc = dc;
	req_of(op)->done = io_done;
	op->msg.fn = io_submit;
	loop_send(dc->core->loop, &op->msg);
	return 0;
}

/* ---- the drive's thread ---- */

/* One NVMe command of @op. Return: whether it is under way; else the op has ended. */
static bool send(struct nvmet_drive_op *op, bool io)
{
	int ret;

	req_of(op)->arg = op;
	req_of(op)->done = admin_done;
	op->state = OP_ON_QUEUE;
	ret = io ? io_start(op) : nvmh_admin_submit(op->drive->ctrl, req_of(op));
	if (ret == -EAGAIN)
		set_reason(op, "too many commands are under way; try again");
	else if (ret == -ENOTCONN)
		set_reason(op, "it is not live");
	if (ret)
		op_end(op, ret);
	return !ret;
}

/* The next NVMe command of a SCSI one. Return: whether there is one, or the op has ended for
 * another reason. */
static bool scsi_next(struct nvmet_drive_op *op)
{
	int next;

	if (op->stale) { /* what the command knows of the controller is gone with it */
		set_reason(op, "it was closed under the command, which is done in part");
		op_end(op, -ESHUTDOWN);
		return true;
	}
	next = nvmh_scsi_next(&op->cmd.scsi);
	if (next == NVMH_SCSI_DONE) {
		op->cmd.status = 0; /* it is told as SCSI does */
		if (op->cmd.dir == NVMH_FROM_CTRL)
			memcpy(op->cmd.data, op->buf, op->cmd.len);
		return false;
	}
	send(op, next == NVMH_SCSI_IO);
	return true;
}

static void submit(struct nvmet_drive_op *op)
{
	int ret;

	if (op->cmd.kind != NVMET_DRIVE_SCSI) {
		nvmet_drive_cmd_prep(&op->cmd, &op->req, &op->iov, op->buf);
		send(op, op->cmd.kind == NVMET_DRIVE_IO);
		return;
	}
	ret = nvmet_drive_cmd_scsi(&op->cmd, op->drive->ctrl, op->buf);
	if (ret || !scsi_next(op))
		op_end(op, ret);
}

static void got_memory(struct mem_wait *wait, void *buf)
{
	struct nvmet_drive_op *op = container_of(wait, struct nvmet_drive_op, wait);

	op->buf = buf;
	submit(op);
}

/* Who would lose something. */
static bool is_used(struct nvmet_drive_op *op)
{
	char user[160];

	if (!op->cmd.destroys || op->cmd.force ||
	    !nvmet_drive_user(op->drive, op->cmd.nsid, user, sizeof(user)))
		return false;
	snprintf(op->cmd.reason, sizeof(op->cmd.reason),
		 "%s; stop using it, or force it and lose its data", user);
	return true;
}

static void get_memory(struct nvmet_drive_op *op)
{
	struct nvmet_drive_ops *ops = &op->drive->ops;

	if (!nvmet_drive_cmd_memory(&op->cmd)) {
		submit(op);
		return;
	}
	op->buf = mem_get(ops->pool, nvmet_drive_cmd_memory(&op->cmd));
	if (op->buf) {
		submit(op);
		return;
	}
	op->state = OP_WAITS_MEMORY;
	op->wait.len = nvmet_drive_cmd_memory(&op->cmd);
	op->wait.fn = got_memory;
	mem_wait_add(ops->pool, &op->wait);
}

/* ---- what hosts sent before a command that destroys it ---- */

uint32_t nvmet_drive_op_patience_ms(const struct nvmet_drive_cmd *cmd)
{
	return cmd->destroys ? nvmet.cfg->daemon.drive_timeout_s * 1000 + nvmet_drive_drain_ms : 0;
}

/* Commands like ours that are with the drive; whoever gives more of them meanwhile means it. */
static bool passthru_under_way(const struct nvmet_drive_op *op)
{
	struct list *pos;

	list_for_each(pos, &op->drive->ops.busy) {
		const struct nvmet_drive_op *other = list_entry(pos, struct nvmet_drive_op, link);
		uint32_t nsid = le32_get(other->cmd.sqe.nsid);

		if (nvmet_drive_cmd_needs_queue(&other->cmd) && other->state == OP_ON_QUEUE &&
		    (nsid == op->cmd.nsid || nsid == NVME_NSID_BROADCAST ||
		     op->cmd.nsid == NVME_NSID_BROADCAST))
			return true;
	}
	return false;
}

static bool is_drained(const struct nvmet_drive_op *op)
{
	return !nvmet_drive_under_way(op->drive, op->cmd.nsid) && !passthru_under_way(op);
}

/* One that waits no longer, or NULL. */
static struct nvmet_drive_op *next_drained(struct nvmet_drive_ops *ops, bool *more)
{
	struct list *pos;

	*more = false;
	list_for_each(pos, &ops->busy) {
		struct nvmet_drive_op *op = list_entry(pos, struct nvmet_drive_op, link);

		if (op->state != OP_DRAINING)
			continue;
		if (is_drained(op) || clock_now_ns() >= op->drain_ns)
			return op;
		*more = true;
	}
	return NULL;
}

static void drain_look(struct loop_timer *t)
{
	struct nvmet_drive_ops *ops = container_of(t, struct nvmet_drive_ops, drain);
	struct nvmet_drive_op *op;
	bool more;

	/* from the start each time: what ends may end others */
	while ((op = next_drained(ops, &more))) {
		if (is_drained(op)) {
			get_memory(op);
			continue;
		}
		set_reason(
			op,
			"commands of hosts do not come back from it, so nothing was sent; see its state, or reset it");
		op_end(op, -EBUSY);
	}
	if (more)
		loop_timer_start(t, DRAIN_POLL_MS);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* From now on hosts' commands are refused; those that a core has checked already are counted once it
 * has finished what it is at. */
static void block(struct nvmet_drive_op *op)
{
	op->blocked = true;
	nvmet_drive_block(op->drive, op->cmd.nsid);
	for (int i = 0; i < nvmet.nr_cores; i++)
		loop_call(nvmet.cores[i]->loop, nothing, NULL);
	op->drain_ns = clock_now_ns() + nvmet_drive_op_patience_ms(&op->cmd) * UINT64_C(1000000);
	op->state = OP_DRAINING;
	drain_look(&op->drive->ops.drain);
}

static void start_cmd(struct nvmet_drive_op *op)
{
	if (nvmet_drive_cmd_finish(&op->cmd, op->drive->ctrl))
		op_end(op, -EINVAL);
	else if (is_used(op))
		op_end(op, -EBUSY);
	else if (op->cmd.destroys)
		block(op);
	else
		get_memory(op);
}

/* Return: 0; -errno with a reason: the controller takes no command now. What it takes, and how much,
 * is known only once it is live; and which drive it is. */
static int check_state(struct nvmet_drive_op *op)
{
	enum nvmh_state state = nvmh_ctrl_state(op->drive->ctrl);

	if (state == NVMH_LIVE)
		return 0;
	if (state == NVMH_DEAD || state == NVMH_DELETING) {
		set_reason(op, "it has been given up; it is tried again by itself");
		return -ENOTCONN;
	}
	set_reason(op, state == NVMH_NEW ? "not ready, it is being brought up; try again"
					 : "not ready, it is being reset; try again");
	return -EAGAIN;
}

static void start_change(struct nvmet_drive_op *op)
{
	struct nvmh_ctrl *ctrl = op->drive->ctrl;
	int ret;

	switch (op->cmd.kind) {
	case NVMET_DRIVE_RESET:
		ret = nvmh_ctrl_reset(ctrl);
		break;
	case NVMET_DRIVE_SUBSYS_RESET:
		ret = nvmh_ctrl_subsystem_reset(ctrl);
		break;
	default:
		ret = nvmh_ctrl_rescan(ctrl);
	}
	op->state = op->cmd.kind == NVMET_DRIVE_RESCAN ? OP_RESCANNING : OP_RESETTING;
	if (!ret)
		return;
	if (ret == -EBUSY)
		set_reason(op, "it is being reset or brought up");
	else if (ret == -ENOTCONN)
		set_reason(op, "it has been given up; it is tried again by itself");
	else
		snprintf(op->cmd.reason, sizeof(op->cmd.reason), "%s", nvmh_strerror());
	op_end(op, ret);
}

static void start_on_drives(struct loop_msg *msg)
{
	struct nvmet_drive_op *op = container_of(msg, struct nvmet_drive_op, msg);

	list_add_tail(&op->drive->ops.busy, &op->link);
	/* another one that is where ours was is about to be closed: not to be formatted for ours */
	if (!op->drive->ctrl || op->drive->wrong) {
		set_reason(op, "it is away; it is looked for");
		op_end(op, -ENOTCONN);
	} else if (nvmet_drive_cmd_sends(&op->cmd)) {
		int ret = check_state(op);

		if (ret)
			op_end(op, ret);
		else
			start_cmd(op);
	} else {
		start_change(op);
	}
}

void nvmet_drive_op_start(struct nvmet_drive_op *op)
{
	list_init(&op->link);
	mem_wait_init(&op->wait);
	op->msg.fn = start_on_drives;
	loop_send(op->drive->loop, &op->msg);
}

/* Ends every op in @state; what ends may start another. */
static void end_all(struct nvmet_drive_ops *ops, enum op_state state, int ret, const char *why)
{
	struct list *pos, *tmp, ended = LIST_INIT(ended);

	list_for_each_safe(pos, tmp, &ops->busy) {
		if (list_entry(pos, struct nvmet_drive_op, link)->state != state)
			continue;
		list_del(pos);
		list_add_tail(&ended, pos);
	}
	while (!list_empty(&ended)) {
		struct nvmet_drive_op *op = list_first(&ended, struct nvmet_drive_op, link);

		if (ret)
			set_reason(op, why);
		op_end(op, ret);
	}
}

void nvmet_drive_ops_state(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl,
			   enum nvmh_state state)
{
	if (state == NVMH_LIVE) {
		end_all(ops, OP_RESETTING, 0, NULL);
		/* Bringing it up ended with a scan. */
		end_all(ops, OP_RESCANNING, 0, NULL);
	} else if (state == NVMH_DEAD) {
		end_all(ops, OP_RESETTING, -EIO, nvmh_ctrl_error(ctrl));
		end_all(ops, OP_RESCANNING, -EIO, nvmh_ctrl_error(ctrl));
	}
}

void nvmet_drive_ops_turn(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl)
{
	if (!list_empty(&ops->busy) && !nvmh_ctrl_rescanning(ctrl) &&
	    nvmh_ctrl_state(ctrl) == NVMH_LIVE)
		end_all(ops, OP_RESCANNING, 0, NULL);
}

void nvmet_drive_ops_flush(struct nvmet_drive_ops *ops)
{
	static const char why[] = "it is being closed";
	struct list *pos;

	list_for_each(pos, &ops->busy)
		list_entry(pos, struct nvmet_drive_op, link)->stale = true;
	end_all(ops, OP_DRAINING, -ESHUTDOWN, why);
	end_all(ops, OP_WAITS_MEMORY, -ESHUTDOWN, why);
	end_all(ops, OP_RESETTING, -ESHUTDOWN, why);
	end_all(ops, OP_RESCANNING, -ESHUTDOWN, why);
}
