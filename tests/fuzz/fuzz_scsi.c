// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the SCSI translation: a hostile CDB with parameter data, for a namespace of any
 * geometry, and a hostile drive that answers each NVMe command with any status and data. What is
 * asked of the drive must lie within the memory that was given and the blocks that there are; the
 * answer must be within its bounds, and come after a bounded number of commands.
 * Built and run by tests/fuzz/run. With -DCANARY it fails when a WRITE reaches the drive.
 *
 * Input: 8 bytes of geometry, 16 of the CDB, 2 of the data's length and direction; then answers
 * (2 bytes of status, 4 of dword 0) and data, as far as they go.
 *
 * fuzz-sources: host/scsi.c host/scsi_ops.c host/scsi_sense.c host/scsi_inquiry.c host/scsi_vpd.c host/scsi_rw.c host/scsi_blocks.c host/scsi_mode.c host/scsi_log.c host/scsi_admin.c host/scsi_pr.c host/error.c common/status.c
 * fuzz-libs:
 */
#include <stdlib.h>

#include "common/limits.h"
#include "host/ctrl.h"
#include "host/scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MAX_DATA = 8192,
	MAX_COMMANDS = 1 << 21, /* one block each of the longest VERIFY, and more */
};

#define must(x)                           \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

/* ---- what nvmh_scsi() and nvmh_scsi_begin() call, which are not under test ---- */

int nvmh_io(struct nvmh_queue *q, struct nvmh_req *req)
{
	(void)q;
	(void)req;
	return -1;
}

int nvmh_admin(struct nvmh_ctrl *ctrl, struct nvmh_req *req)
{
	(void)ctrl;
	(void)req;
	return -1;
}

int nvmh_ctrl_rescan(struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
	return -1;
}

const struct nvme_id_ctrl *nvmh_ctrl_id(const struct nvmh_ctrl *ctrl)
{
	return &ctrl->id;
}

uint32_t nvmh_ctrl_max_xfer(const struct nvmh_ctrl *ctrl)
{
	return ctrl->max_xfer;
}

const struct nvmh_ns *nvmh_ctrl_ns_by_nsid(const struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	(void)ctrl;
	(void)nsid;
	return NULL;
}

enum nvmh_state nvmh_ctrl_state(const struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
	return NVMH_LIVE;
}

/* ---- input ---- */

struct input {
	const uint8_t *at;
	size_t left;
};

static void take(struct input *in, void *to, size_t len)
{
	size_t n = min_of(len, in->left);

	memset(to, 0, len);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static void make_ns(const uint8_t geometry[8], struct nvmh_ns *ns, struct nvme_id_ctrl *id)
{
	memset(ns, 0, sizeof(*ns));
	memset(id, 0, sizeof(*id));
	ns->nsid = 1 + geometry[0] % 4;
	ns->lba_size = 512u << geometry[1] % 8;
	ns->nsze = 1 + ((uint64_t)geometry[2] << geometry[3] % 40);
	ns->ms = geometry[4] & 1 ? 8 : geometry[4] & 2 ? 64 : 0;
	ns->ext_lba = ns->ms && geometry[4] & 4;
	ns->pi_type = ns->ms ? geometry[4] >> 3 & 3 : 0;
	ns->pi_size = ns->pi_type ? geometry[4] & 0x20 ? 16 : 8 : 0;
	ns->id.nlbaf = geometry[5] & 0x3f;
	ns->id.flbas = geometry[5];
	ns->id.dpc = geometry[6];
	ns->id.dlfeat = geometry[6] >> 4;
	ns->id.rescap = geometry[6];
	memset(ns->id.lbaf, geometry[6], sizeof(ns->id.lbaf));
	memset(ns->eui64, geometry[7] & 1, 8);
	memset(ns->nguid, geometry[7] & 2, 16);
	id->oncs = htole16(geometry[7] & 4 ? 0xffff : geometry[7]);
	id->oacs = htole16(0xffff);
	id->vwc = geometry[7] >> 3 & 1;
	id->npss = geometry[7] >> 4;
	id->ctratt = htole32(geometry[7] >> 5);
	memset(id->mn, geometry[3], sizeof(id->mn));
	memset(id->fr, geometry[2], sizeof(id->fr));
}

/* ---- checks ---- */

static bool within(const void *p, size_t len, const void *base, size_t size)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)base;

	return at <= size && len <= size - at;
}

static void check_req(const struct nvmh_scsi_cmd *cmd, const struct nvmh_ns *ns, int where)
{
	const struct nvmh_req *req = &cmd->req;
	const struct nvme_sqe *sqe = &req->sqe;
	uint64_t slba = le32_get(sqe->cdw10) | (uint64_t)le32_get(sqe->cdw11) << 32;
	uint32_t nlb = (le32_get(sqe->cdw12) & 0xffff) + 1;
	uint8_t op = sqe->opcode;

	must(where == NVMH_SCSI_ADMIN || where == NVMH_SCSI_IO);
	must(!req->len == !req->nr_iov && !req->len == !req->dir && req->nr_iov <= 1);
	must(req->len <= cmd->p.max_xfer || req->len <= NVMH_SCSI_SCRATCH_BYTES);
	if (req->len) {
		must(req->iov[0].iov_len == req->len);
		must(within(req->iov[0].iov_base, req->len, cmd->data, cmd->data_len) ||
		     within(req->iov[0].iov_base, req->len, cmd->scratch, NVMH_SCSI_SCRATCH_BYTES));
		must((uintptr_t)req->iov[0].iov_base % 4 == 0);
	}
	if (where != NVMH_SCSI_IO || !ns)
		return;
	if (op == nvme_cmd_read || op == nvme_cmd_write || op == nvme_cmd_compare ||
	    op == nvme_cmd_verify || op == nvme_cmd_write_zeroes)
		must(slba < ns->nsze && nlb <= ns->nsze - slba);
	/* exactly the memory that the drive will move */
	if (op == nvme_cmd_read || op == nvme_cmd_write || op == nvme_cmd_compare)
		must(req->len ==
		     (uint64_t)nlb *
			     (ns->lba_size +
			      (le32_get(sqe->cdw12) >> 29 & 1 || !ns->ext_lba ? 0 : ns->ms)));
	if (op == nvme_cmd_dsm)
		must(req->len == ((le32_get(sqe->cdw10) & 0xff) + 1) * 16);
#ifdef CANARY
	must(op != nvme_cmd_write);
#endif
}

static void check_answer(const struct nvmh_scsi_cmd *cmd)
{
	must(cmd->resid <= cmd->data_len);
	must(cmd->sense_len <= NVMH_SCSI_SENSE_BYTES);
	must(!cmd->sense_len == (cmd->status != NVMH_SCSI_CHECK_CONDITION));
	if (cmd->sense_len)
		must(cmd->sense[0] == (cmd->p.op && cmd->desc_sense ? 0x72 : cmd->sense[0]) &&
		     (cmd->sense[0] == 0x70 || cmd->sense[0] == 0x72));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	uint8_t geometry[8], way[2], answer[6], *memory, *scratch;
	struct nvmh_scsi_cmd cmd = { 0 };
	struct nvme_id_ctrl id;
	struct nvmh_ns ns;
	bool has_ns;
	int next;

	take(&in, geometry, sizeof(geometry));
	take(&in, cmd.cdb, sizeof(cmd.cdb));
	take(&in, way, sizeof(way));
	make_ns(geometry, &ns, &id);
	has_ns = geometry[0] != 0xff;
	cmd.cdb_len = (uint8_t[]){ 6, 10, 10, 16, 16, 12, 10, 10 }[cmd.cdb[0] >> 5];
	cmd.dir = way[0] & 0xc0 ? way[0] >> 6 & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL : NVMH_NO_DATA;
	cmd.data_len = cmd.dir ? 1 + ((way[0] & 0x3f) << 8 | way[1]) % MAX_DATA : 0;
	cmd.desc_sense = geometry[0] >> 6 & 1;
	/* exact sizes: the sanitizer sees what goes beyond */
	memory = malloc(cmd.data_len ? cmd.data_len : 1);
	scratch = malloc(NVMH_SCSI_SCRATCH_BYTES);
	must(memory && scratch);
	memset(scratch, 0xa5, NVMH_SCSI_SCRATCH_BYTES);
	take(&in, memory, cmd.data_len);
	cmd.data = cmd.data_len ? memory : NULL;
	cmd.scratch = scratch;
	if (nvmh_scsi_start(&cmd, &id, 4096u << geometry[1] / 8 % 6, has_ns ? &ns : NULL, ns.nsid,
			    true))
		goto out;
	for (unsigned int i = 0; (next = nvmh_scsi_next(&cmd)) != NVMH_SCSI_DONE; i++) {
		must(i < MAX_COMMANDS);
		check_req(&cmd, has_ns ? &ns : NULL, next);
		take(&in, answer, sizeof(answer));
		cmd.req.status = (uint16_t)((answer[0] | answer[1] << 8) & 0x7fff);
		cmd.req.cqe.dw0 = le32_make((uint32_t)answer[2] | (uint32_t)answer[3] << 8);
		if (cmd.req.dir == NVMH_FROM_CTRL)
			take(&in, cmd.req.iov[0].iov_base, cmd.req.len);
	}
	check_answer(&cmd);
out:
	free(memory);
	free(scratch);
	return 0;
}
