// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a command to its code: picks the table by the state of the queue, lets the command check
 * itself, checks the SGL against what the command transfers, and ends it. Runs on the core that
 * owns the queue. Entry points: nvmet_req_prepare(), nvmet_req_execute(), nvmet_req_complete(),
 * nvmet_req_cqe(). NVM Express Base Specification 2.x, "Submission Queue Entry", "Completion Queue
 * Entry"; NVMe/TCP Transport, "Capsules and Data Transfer".
 */
#include "target/dispatch.h"

#include "target/subsys.h"

enum {
	LOC_OPCODE = 0,
	LOC_FLAGS = 1,
	LOC_SGL = offsetof(struct nvme_sqe, dptr),
	WORK_SHIFT = 12, /* a command costs about what moving 4 KiB does */
};

uint16_t nvmet_req_bad_field(struct nvmet_req *req, uint16_t loc)
{
	req->error_loc = loc;
	return ST_INVALID_FIELD | ST_DNR;
}

static const struct nvmet_cmd *table_find(const struct nvmet_cmd *table, unsigned int nr,
					  uint8_t opcode)
{
	for (unsigned int i = 0; i < nr; i++)
		if (table[i].opcode == opcode)
			return &table[i];
	return NULL;
}

/* Commands other than fabrics want an enabled, ready controller. */
static uint16_t ctrl_ready(const struct nvmet_ctrl *ctrl)
{
	if (!NVME_CC_EN(atomic_load_explicit(&ctrl->cc, memory_order_relaxed)))
		return ST_CMD_SEQ_ERROR | ST_DNR;
	if (!NVME_CSTS_RDY(atomic_load_explicit(&ctrl->csts, memory_order_relaxed)))
		return ST_CMD_SEQ_ERROR;
	return 0;
}

static uint16_t find_cmd(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	uint8_t opcode = req->sqe.opcode;
	uint16_t status;

	if (opcode == NVME_FABRICS_OPCODE) {
		uint8_t fctype = sqe_fctype(&req->sqe);

		if (!ctrl && fctype != NVME_FCTYPE_CONNECT)
			return ST_CMD_SEQ_ERROR | ST_DNR;
		req->cmd = table_find(nvmet_fabrics_cmds, nvmet_nr_fabrics_cmds, fctype);
		return req->cmd ? 0
				: nvmet_req_bad_field(req, offsetof(struct nvme_fabrics_connect,
								    fctype));
	}
	if (!ctrl)
		return ST_CMD_SEQ_ERROR | ST_DNR;
	status = ctrl_ready(ctrl);
	if (status)
		return status;
	if (req->sq->qid)
		req->cmd = table_find(nvmet_io_cmds, nvmet_nr_io_cmds, opcode);
	else if (ctrl->subsys->is_discovery)
		req->cmd = table_find(nvmet_discovery_cmds, nvmet_nr_discovery_cmds, opcode);
	else
		req->cmd = table_find(nvmet_admin_cmds, nvmet_nr_admin_cmds, opcode);
	if (!req->cmd) {
		req->error_loc = LOC_OPCODE;
		return ST_INVALID_OPCODE | ST_DNR;
	}
	return 0;
}

/*
 * Read and Write move exactly their blocks. For other commands the host may describe a larger
 * buffer than the command uses: from the host all of it travels, to the host only what there is.
 */
static uint16_t check_length(struct nvmet_req *req, uint32_t sgl_len)
{
	bool exact = req->sq->qid && req->sqe.opcode != nvme_cmd_dsm;
	bool good = sgl_len >= req->data_len && (!exact || sgl_len == req->data_len);

	if (req->dir == NVMET_FROM_HOST) {
		req->data_len = sgl_len;
		/* H2CData comes in dwords. */
		if (req->sqe.dptr.sgl.type == NVME_SGL_TRANSPORT && sgl_len % 4)
			good = false;
	}
	if (good && req->data_len <= MAX_XFER_BYTES)
		return 0;
	req->error_loc = LOC_SGL;
	return ST_SGL_INVALID_DATA | ST_DNR;
}

static uint16_t check_sgl(struct nvmet_req *req, uint32_t icd_len)
{
	const struct nvme_sgl *sgl = &req->sqe.dptr.sgl;
	uint32_t len = le32_get(sgl->length);

	req->error_loc = LOC_SGL;
	switch (sgl->type) {
	case NVME_SGL_DATA_OFFSET:
		if (req->dir == NVMET_TO_HOST)
			return ST_SGL_INVALID_TYPE | ST_DNR;
		if (le64_get(sgl->addr))
			return ST_SGL_INVALID_OFFSET | ST_DNR;
		if (len != icd_len || (req->sq->qid && icd_len > req->sq->icd_bytes))
			return ST_SGL_INVALID_DATA | ST_DNR;
		break;
	case NVME_SGL_TRANSPORT:
		if (icd_len)
			return ST_SGL_INVALID_DATA | ST_DNR;
		break;
	default:
		/* A command without data need not describe any. */
		if (req->dir == NVMET_NO_DATA && !sgl->type && !len && !icd_len)
			break;
		return ST_SGL_INVALID_TYPE | ST_DNR;
	}
	if (req->dir == NVMET_NO_DATA && len)
		return ST_SGL_INVALID_DATA | ST_DNR;
	req->error_loc = 0xffff;
	return req->dir == NVMET_NO_DATA ? 0 : check_length(req, len);
}

uint16_t nvmet_req_prepare(struct nvmet_req *req, uint32_t icd_len)
{
	uint16_t status;

	atomic_store_explicit(&req->sq->seen, true, memory_order_relaxed);
	status = find_cmd(req);
	if (status)
		return status;
	if (req->sqe.flags & NVME_SQE_FUSE_MASK ||
	    (req->sqe.flags & NVME_SQE_PSDT_MASK) != NVME_SQE_PSDT_SGL)
		return nvmet_req_bad_field(req, LOC_FLAGS);
	status = req->cmd->prepare ? req->cmd->prepare(req) : 0;
	if (status)
		return status;
	if (!req->data_len)
		req->dir = NVMET_NO_DATA;
	return check_sgl(req, icd_len);
}

void nvmet_req_execute(struct nvmet_req *req)
{
	req->state = NVMET_REQ_EXEC;
	req->cmd->execute(req);
}

void nvmet_req_complete(struct nvmet_req *req, uint16_t status)
{
	struct nvmet_sq *sq = req->sq;

	assert(req->state == NVMET_REQ_EXEC || req->state == NVMET_REQ_NEW ||
	       req->state == NVMET_REQ_DATA);
	req->state = NVMET_REQ_RESPOND;
	req->status = status;
	if (unlikely(status) && sq->ctrl && !sq->dead)
		nvmet_ctrl_log_error(req);
	if (++sq->sqhd >= sq->size)
		sq->sqhd = 0;
	sq->work += 1 + (req->data_len >> WORK_SHIFT);
	sq->ops->respond(req);
}

void nvmet_req_cqe(const struct nvmet_req *req, struct nvme_cqe *cqe)
{
	const struct nvmet_sq *sq = req->sq;

	cqe->result = le64_make(req->result);
	cqe->sqhd = le16_make(sq->sqflow_off ? 0xffff : sq->sqhd);
	cqe->sqid = le16_make(sq->qid);
	cqe->cid = req->sqe.cid;
	cqe->status = le16_make((uint16_t)(req->status << 1));
}
