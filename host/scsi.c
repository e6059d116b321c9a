// SPDX-License-Identifier: BSD-2-Clause
/*
 * SCSI commands as NVMe commands: the frame that every command runs in. Any thread, see nvmh.h.
 * Entry points: nvmh_scsi_begin(), nvmh_scsi_next(), nvmh_scsi().
 *
 * What a CDB may hold stands in the table of host/scsi_ops.c and is checked here, before the
 * command's own function sees it. NVM Express: SCSI Translation Reference 1.5.
 */
#include "host/scsi.h"

#include <errno.h>

#include "host/ctrl.h"

/* Bytes of a CDB by the group of its opcode; 0: the group has no fixed length. */
static uint8_t group_len(uint8_t opcode)
{
	static const uint8_t len[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

	return len[opcode >> 5];
}

static int check_caller(const struct nvmh_scsi_cmd *cmd, const struct nvmh_scsi_op *op)
{
	uint8_t len = group_len(cmd->cdb[0]);

	if (!cmd->cdb_len || cmd->cdb_len > NVMH_SCSI_CDB_BYTES)
		return nvmh_error(-EINVAL, "a CDB has 6 to 16 bytes, not %u", cmd->cdb_len);
	if (len && len != cmd->cdb_len)
		return nvmh_error(-EINVAL, "a CDB with opcode %02Xh has %u bytes, not %u",
				  cmd->cdb[0], len, cmd->cdb_len);
	if (cmd->dir > NVMH_FROM_CTRL || !cmd->dir != !cmd->data_len ||
	    (cmd->data_len && (!cmd->data || (uintptr_t)cmd->data % 4)))
		return nvmh_error(-EINVAL,
				  "data have a direction, a length, and begin at a multiple of 4");
	if (!cmd->scratch || (uintptr_t)cmd->scratch % 4)
		return nvmh_error(-EINVAL, "the scratch memory begins at a multiple of 4");
	if (op && op->dir && cmd->dir && op->dir != cmd->dir)
		return nvmh_error(-EINVAL, "%s %s", op->name,
				  op->dir == NVMH_TO_CTRL ? "sends data to the drive"
							  : "reads data from the drive");
	return 0;
}

int nvmh_scsi_start(struct nvmh_scsi_cmd *cmd, const struct nvme_id_ctrl *id, uint32_t max_xfer,
		    const struct nvmh_ns *ns, uint32_t nsid, bool live)
{
	const struct nvmh_scsi_op *op = nvmh_scsi_find(cmd->cdb[0], cmd->cdb[1], NULL);
	int ret = check_caller(cmd, op);

	if (ret)
		return ret;
	if (ns && ns->csi != NVME_CSI_NVM)
		return nvmh_error(-ENOTSUP, "namespace %u is zoned: there is no translation for it",
				  nsid);
	cmd->status = NVMH_SCSI_GOOD;
	cmd->sense_len = 0;
	memset(cmd->sense, 0, sizeof(cmd->sense));
	cmd->resid = cmd->data_len;
	cmd->nvme_status = 0;
	cmd->rescan = false;
	memset(&cmd->p, 0, sizeof(cmd->p));
	cmd->p.op = op;
	cmd->p.id = id;
	cmd->p.ns = ns;
	cmd->p.nsid = nsid;
	cmd->p.max_xfer = max_xfer;
	cmd->p.live = live;
	return 0;
}

int nvmh_scsi_begin(struct nvmh_scsi_cmd *cmd, const struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	return nvmh_scsi_start(cmd, nvmh_ctrl_id(ctrl), nvmh_ctrl_max_xfer(ctrl),
			       nvmh_ctrl_ns_by_nsid(ctrl, nsid), nsid,
			       nvmh_ctrl_state(ctrl) == NVMH_LIVE);
}

/* Bits that are reserved, or stand for what is not supported. Return: whether there are none. */
static bool check_usage(struct nvmh_scsi_cmd *cmd)
{
	uint8_t bad;
	int bit = 7;

	for (unsigned int i = 1; i < cmd->cdb_len; i++) {
		bad = cmd->cdb[i] & (uint8_t)~cmd->p.op->usage[i];
		if (!bad)
			continue;
		while (!(bad >> bit & 1))
			bit--;
		nvmh_scsi_bad_cdb(cmd, i, bit);
		return false;
	}
	return true;
}

/* Before anything is done. Return: whether the command's own function is to run. */
static bool check_cdb(struct nvmh_scsi_cmd *cmd)
{
	const struct nvmh_scsi_op *op = cmd->p.op;
	bool known;

	if (!op) {
		nvmh_scsi_find(cmd->cdb[0], cmd->cdb[1], &known);
		if (known)
			nvmh_scsi_bad_cdb(cmd, 1, 4);
		else
			nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
		return false;
	}
	if (!cmd->p.ns && !op->no_lu) {
		nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_LU);
		return false;
	}
	if (op->has && !op->has(cmd)) {
		nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
		return false;
	}
	return check_usage(cmd);
}

int nvmh_scsi_next(struct nvmh_scsi_cmd *cmd)
{
	int next = NVMH_SCSI_DONE;

	if (!cmd->p.step) {
		if (check_cdb(cmd))
			next = cmd->p.op->fn(cmd);
	} else if (cmd->req.status && !cmd->p.tolerant) {
		nvmh_scsi_failed(cmd, cmd->req.status);
	} else {
		next = cmd->p.op->fn(cmd);
	}
	cmd->p.step++;
	if (next == NVMH_SCSI_DONE)
		cmd->resid = cmd->data_len - cmd->p.moved;
	return next;
}

int nvmh_scsi(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, uint32_t nsid,
	      struct nvmh_scsi_cmd *cmd)
{
	int next, ret;

	if (!cmd->scratch)
		cmd->scratch = ctrl->sync_buf;
	cmd->req.done = NULL;
	cmd->req.arg = NULL;
	ret = nvmh_scsi_begin(cmd, ctrl, nsid);
	while (ret >= 0) {
		next = nvmh_scsi_next(cmd);
		if (next == NVMH_SCSI_DONE)
			break;
		if (next == NVMH_SCSI_IO && !q)
			return nvmh_error(-ENOTCONN, "%s needs an I/O queue, there is none",
					  cmd->p.op->name);
		ret = next == NVMH_SCSI_IO ? nvmh_io(q, &cmd->req) : nvmh_admin(ctrl, &cmd->req);
	}
	if (ret < 0)
		return ret;
	if (cmd->rescan)
		nvmh_ctrl_rescan(ctrl); /* a reset that is under way scans by itself */
	return 0;
}

const char *nvmh_scsi_name(const uint8_t *cdb, uint8_t len)
{
	const struct nvmh_scsi_op *op = len > 1 ? nvmh_scsi_find(cdb[0], cdb[1], NULL) : NULL;

	return op ? op->name : NULL;
}

/* ---- for the commands' functions ---- */

int nvmh_scsi_reply(struct nvmh_scsi_cmd *cmd, const void *buf, uint32_t len, uint32_t alloc)
{
	cmd->p.moved = min_of(min_of(len, alloc), cmd->data_len);
	if (cmd->p.moved)
		memcpy(cmd->data, buf, cmd->p.moved);
	return nvmh_scsi_good(cmd);
}

int nvmh_scsi_send(struct nvmh_scsi_cmd *cmd, enum nvmh_scsi_next where, uint8_t opcode, void *buf,
		   uint32_t len)
{
	struct nvmh_req *req = &cmd->req;

	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = opcode;
	req->sqe.nsid = le32_make(cmd->p.nsid);
	cmd->p.iov = (struct iovec){ .iov_base = buf, .iov_len = len };
	req->iov = len ? &cmd->p.iov : NULL;
	req->nr_iov = len ? 1 : 0;
	req->len = len;
	/* bits 1:0 of an opcode tell the direction */
	req->dir = !len ? NVMH_NO_DATA : opcode & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
	req->md = NULL;
	req->md_len = 0;
	req->timeout_ms = cmd->timeout_ms;
	/* what a drive does not fill in must not be what another command left */
	if (buf == cmd->scratch && req->dir == NVMH_FROM_CTRL)
		memset(buf, 0, len);
	return where;
}

int nvmh_scsi_feature(struct nvmh_scsi_cmd *cmd, uint8_t opcode, uint32_t cdw10, uint32_t cdw11)
{
	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, opcode, NULL, 0);
	cmd->req.sqe.nsid = le32_make(0);
	cmd->req.sqe.cdw10 = le32_make(cdw10);
	cmd->req.sqe.cdw11 = le32_make(cdw11);
	return NVMH_SCSI_ADMIN;
}
