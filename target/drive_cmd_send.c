// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a parsed command to a request: what depends on the controller that gets it. The controller's
 * thread. Entry points: nvmet_drive_cmd_finish(), nvmet_drive_cmd_prep(), nvmet_drive_cmd_answer(),
 * nvmet_drive_cmd_scsi(). NVM Express Base Specification 2.x, "Get Log Page", "Format NVM"; NVM
 * Command Set Specification, "Read", "Write", "Metadata Region (MR)"; Zoned Namespace Command Set
 * Specification, "Zone Append".
 */
#include <errno.h>
#include <stdio.h>

#include "common/util.h"
#include "target/drive_cmd.h"

enum {
	DW12_PRACT = 1 << 29,
};

/* The namespace whose blocks a command moves: a Read, Write, Compare or Zone Append; NULL: another
 * command, or not known. */
static const struct nvmh_ns *blocks_of(const struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(ctrl, le32_get(cmd->sqe.nsid));

	if (!ns || cmd->kind != NVMET_DRIVE_IO)
		return NULL;
	switch (cmd->sqe.opcode) {
	case nvme_cmd_read:
	case nvme_cmd_write:
	case nvme_cmd_compare:
		return ns;
	case nvme_zns_cmd_append:
		return ns->csi == NVME_CSI_ZNS ? ns : NULL;
	default:
		return NULL;
	}
}

static uint32_t nlb_of(const struct nvmet_drive_cmd *cmd)
{
	return (le32_get(cmd->sqe.cdw12) & 0xffff) + 1;
}

/* Metadata bytes that move for each block: protection information and nothing more may stay with
 * the drive. */
static uint32_t metadata_bytes(const struct nvmet_drive_cmd *cmd, const struct nvmh_ns *ns)
{
	bool pract = le32_get(cmd->sqe.cdw12) & DW12_PRACT;

	return pract && ns->pi_type && ns->ms == ns->pi_size ? 0 : ns->ms;
}

/* Bytes of a command that says how much it moves; 0: it is not known. A drive that is told less
 * memory than it moves would take what lies behind for more of the description. */
static uint64_t moves(const struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl)
{
	uint32_t dw10 = le32_get(cmd->sqe.cdw10), dw11 = le32_get(cmd->sqe.cdw11);
	const struct nvmh_ns *ns = blocks_of(cmd, ctrl);

	if (cmd->kind == NVMET_DRIVE_ADMIN) {
		if (cmd->sqe.opcode == nvme_admin_identify)
			return NVME_IDENTIFY_DATA_SIZE;
		if (cmd->sqe.opcode == nvme_admin_get_log_page)
			return ((uint64_t)(dw11 & 0xffff) << 16 | dw10 >> 16) * 4 + 4;
		return 0;
	}
	if (ns)
		return nlb_of(cmd) *
		       (uint64_t)(ns->lba_size + (ns->ext_lba ? metadata_bytes(cmd, ns) : 0));
	if (cmd->sqe.opcode == nvme_cmd_dsm)
		return ((dw10 & 0xff) + 1) * sizeof(struct nvme_dsm_range);
	return 0;
}

/* Metadata that lie apart: the drive moves as many as the command says, wherever that may be. */
static int check_metadata(struct nvmet_drive_cmd *cmd, const struct nvmh_ns *ns)
{
	uint64_t need = ns && !ns->ext_lba ? nlb_of(cmd) * (uint64_t)metadata_bytes(cmd, ns) : 0;

	if (need == cmd->md_len)
		return 0;
	if (need)
		snprintf(
			cmd->reason, sizeof(cmd->reason),
			"the command moves %llu bytes of metadata, which the namespace keeps apart from its blocks, but metadata_len is %u",
			(unsigned long long)need, cmd->md_len);
	else if (!ns)
		snprintf(
			cmd->reason, sizeof(cmd->reason),
			"metadata go with Read, Write, Compare and Zone Append of a namespace that is there");
	else if (ns->ext_lba)
		snprintf(
			cmd->reason, sizeof(cmd->reason),
			"the namespace keeps its metadata within the blocks: they are part of the data");
	else
		snprintf(cmd->reason, sizeof(cmd->reason), "the command moves no metadata%s",
			 ns->ms ? " (PRACT: the drive makes and checks them)"
				: ": the namespace has none");
	return -EINVAL;
}

int nvmet_drive_cmd_finish(struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(ctrl);
	uint64_t need = cmd->kind <= NVMET_DRIVE_IO ? moves(cmd, ctrl) : 0;
	uint32_t ses = le32_get(cmd->sqe.cdw10) >> 9 & 7;

	if (cmd->kind == NVMET_DRIVE_SCSI) {
		/* data of any length, the scratch memory behind them */
		cmd->room = round_up_to(cmd->len, 4u) + NVMH_SCSI_SCRATCH_BYTES;
		if (cmd->destroys && id->fna & NVME_CTRL_FNA_FMT_ALL_NAMESPACES)
			cmd->nsid = NVME_NSID_BROADCAST;
		return 0;
	}
	if (check_metadata(cmd, blocks_of(cmd, ctrl)))
		return -EINVAL;
	if (need && need != cmd->len) {
		snprintf(cmd->reason, sizeof(cmd->reason),
			 "the command moves %llu bytes, but the data are %u",
			 (unsigned long long)need, cmd->len);
		return -EINVAL;
	}
	if (cmd->len > nvmh_ctrl_max_xfer(ctrl)) {
		snprintf(cmd->reason, sizeof(cmd->reason),
			 "the drive takes at most %u bytes in one command",
			 nvmh_ctrl_max_xfer(ctrl));
		return -EINVAL;
	}
	/* whoever named too little gets too little, but the drive has enough */
	cmd->room = cmd->len && !need ? nvmh_ctrl_max_xfer(ctrl) : cmd->len;
	if (cmd->own_cntlid) {
		struct nvme_ctrl_list *list = (struct nvme_ctrl_list *)cmd->data;

		list->num = htole16(1);
		list->identifier[0] = id->cntlid;
	}
	if (cmd->kind == NVMET_DRIVE_ADMIN && cmd->sqe.opcode == nvme_admin_format_nvm &&
	    ((id->fna & NVME_CTRL_FNA_FMT_ALL_NAMESPACES) ||
	     (ses && (id->fna & NVME_CTRL_FNA_SEC_ALL_NAMESPACES))))
		cmd->nsid = NVME_NSID_BROADCAST;
	return 0;
}

/* Where its metadata begin, behind the data. */
static uint32_t md_at(const struct nvmet_drive_cmd *cmd)
{
	return (cmd->room + 7) & ~7u;
}

uint32_t nvmet_drive_cmd_memory(const struct nvmet_drive_cmd *cmd)
{
	return cmd->md_len ? md_at(cmd) + cmd->md_len : cmd->room;
}

void nvmet_drive_cmd_prep(const struct nvmet_drive_cmd *cmd, struct nvmh_req *req,
			  struct iovec *iov, void *buf)
{
	memset(req, 0, sizeof(*req));
	req->sqe = cmd->sqe;
	req->timeout_ms = cmd->timeout_ms;
	if (!cmd->len)
		return;
	*iov = (struct iovec){ .iov_base = buf, .iov_len = cmd->room };
	req->iov = iov;
	req->nr_iov = 1;
	req->len = cmd->room;
	req->dir = cmd->dir;
	/* What a drive does not fill in must not be what another command left. */
	memset(buf, 0, cmd->room);
	if (cmd->dir == NVMH_TO_CTRL)
		memcpy(buf, cmd->data, cmd->len);
	if (!cmd->md_len)
		return;
	req->md = (char *)buf + md_at(cmd);
	req->md_len = cmd->md_len;
	if (cmd->dir == NVMH_TO_CTRL)
		memcpy(req->md, cmd->md, cmd->md_len);
	else
		memset(req->md, 0, cmd->md_len);
}

void nvmet_drive_cmd_answer(struct nvmet_drive_cmd *cmd, const struct nvmh_req *req,
			    const void *buf)
{
	cmd->status = req->status;
	cmd->dw0 = le32_get(req->cqe.dw0);
	cmd->dw1 = le32_get(req->cqe.dw1);
	if (cmd->status || cmd->dir != NVMH_FROM_CTRL)
		return;
	memcpy(cmd->data, buf, cmd->len);
	if (cmd->md_len)
		memcpy(cmd->md, req->md, cmd->md_len);
}

int nvmet_drive_cmd_scsi(struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl, void *buf)
{
	struct nvmh_scsi_cmd *scsi = &cmd->scsi;
	int ret;

	memset(buf, 0, cmd->room);
	if (cmd->dir == NVMH_TO_CTRL)
		memcpy(buf, cmd->data, cmd->len);
	scsi->dir = cmd->dir;
	scsi->data_len = cmd->len;
	scsi->data = cmd->len ? buf : NULL;
	scsi->scratch = (uint8_t *)buf + cmd->room - NVMH_SCSI_SCRATCH_BYTES;
	scsi->timeout_ms = cmd->timeout_ms;
	ret = nvmh_scsi_begin(scsi, ctrl, le32_get(cmd->sqe.nsid));
	if (ret)
		snprintf(cmd->reason, sizeof(cmd->reason), "%s", nvmh_strerror());
	return ret;
}
