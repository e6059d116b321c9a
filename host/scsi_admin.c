// SPDX-License-Identifier: BSD-2-Clause
/*
 * START STOP UNIT (power states), FORMAT UNIT, SECURITY PROTOCOL IN and OUT, WRITE BUFFER
 * (firmware). Any thread. Entry points: nvmh_scsi_start_stop(), nvmh_scsi_format(),
 * nvmh_scsi_security(), nvmh_scsi_write_buffer(). NVM Express: SCSI Translation Reference 1.5; SPC-4,
 * SBC-3; NVM Express Base Specification 2.x, "Power Management", "Format NVM", "Firmware Commit".
 */
#include "host/scsi.h"

/* ---- START STOP UNIT ---- */

enum {
	NO_FLUSH = 1 << 2,
	START = 1 << 0,
	POWER_START_VALID = 0,
	POWER_ACTIVE = 1,
	POWER_IDLE = 2,
	POWER_STANDBY = 3,
	MAX_NPSS = 31,
};

/* The power state asked for. Return: false: there is none. */
static bool power_state(const struct nvmh_scsi_cmd *cmd, uint32_t *psp)
{
	uint32_t npss = min_of(cmd->p.id->npss, (uint8_t)MAX_NPSS);
	uint8_t modifier = cmd->cdb[3] & 0xf;
	uint32_t ps;

	switch (cmd->cdb[4] >> 4) {
	case POWER_START_VALID:
		*psp = cmd->cdb[4] & START ? 0 : npss;
		return !modifier;
	case POWER_ACTIVE:
		*psp = 0;
		return !modifier;
	case POWER_IDLE: /* idle_a, _b, _c: the first states that save something */
		ps = modifier + 1u;
		*psp = min_of(ps, npss);
		return modifier <= 2;
	case POWER_STANDBY: /* standby_z is the deepest, _y the one before */
		*psp = npss && modifier ? npss - 1 : npss;
		return modifier <= 1;
	default:
		return false;
	}
}

/* Flush first, unless NO_FLUSH; then Set Features. */
int nvmh_scsi_start_stop(struct nvmh_scsi_cmd *cmd)
{
	uint32_t ps;

	if (!power_state(cmd, &ps))
		return nvmh_scsi_bad_cdb(cmd, cmd->cdb[4] >> 4 > POWER_STANDBY ? 4 : 3, -1);
	if (!cmd->p.step && ps && !(cmd->cdb[4] & NO_FLUSH))
		return nvmh_scsi_send(cmd, NVMH_SCSI_IO, nvme_cmd_flush, NULL, 0);
	if (cmd->p.flags || !cmd->p.id->npss) /* done, or it has one state only */
		return nvmh_scsi_good(cmd);
	cmd->p.flags = 1;
	return nvmh_scsi_feature(cmd, nvme_admin_set_features, NVME_FEAT_FID_POWER_MGMT, ps);
}

/* ---- FORMAT UNIT ---- */

enum {
	FMTPINFO_SHIFT = 6,
	LONGLIST = 1 << 5,
	FMTDATA = 1 << 4,
	USAGE_MASK = 7,
	MC_APART = 1 << 1,
	PI_BYTES = 8,
};

/* The protection type by FMTPINFO and PROTECTION FIELD USAGE. Return: false: there is none. */
static bool format_pi(uint8_t fmtpinfo, uint8_t usage, uint8_t *typep)
{
	*typep = fmtpinfo < 2 ? 0 : fmtpinfo == 2 ? 1 : usage ? 3 : 2;
	return fmtpinfo != 1 && usage <= (fmtpinfo == 3);
}

/* The LBA format with the block size of now, and as much metadata as @pi needs: the one in use, if
 * it will do. Return: its index, -1: none. */
static int format_for(const struct nvmh_ns *ns, bool pi)
{
	const struct nvme_id_ns *id = &ns->id;
	uint32_t nr = min_of(1u + id->nlbaf + id->nulbaf, 64u), ms;
	uint32_t now = (id->flbas & 0xfu) | (nr > 16 ? (uint32_t)(id->flbas >> 5 & 3) << 4 : 0);

	if (now < nr && ns->ms == (pi ? PI_BYTES : 0u))
		return (int)now;
	for (uint32_t i = 0; i < nr; i++) {
		ms = le16toh(id->lbaf[i].ms);
		if (id->lbaf[i].ds < 32 && 1u << id->lbaf[i].ds == ns->lba_size &&
		    ms == (pi ? PI_BYTES : 0u))
			return (int)i;
	}
	return -1;
}

/* Return: whether the parameter list, if there is one, is good; else the command has ended. */
static bool take_format_list(struct nvmh_scsi_cmd *cmd, uint8_t *usagep)
{
	uint32_t len = cmd->cdb[1] & LONGLIST ? 8 : 4;
	const uint8_t *list = cmd->data;

	*usagep = 0;
	if (!(cmd->cdb[1] & FMTDATA))
		return true;
	if (cmd->data_len < len) {
		nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
		return false;
	}
	cmd->p.moved = len;
	*usagep = list[0] & USAGE_MASK;
	if (list[0] & ~USAGE_MASK)
		nvmh_scsi_bad_param(cmd, 0, -1);
	else if (list[1]) /* IMMED, too: the format is waited for */
		nvmh_scsi_bad_param(cmd, 1, -1);
	else if (list[2] || (len == 8 && list[3])) /* P_I_INFORMATION: no exponent */
		nvmh_scsi_bad_param(cmd, list[2] ? 2 : 3, -1);
	else if (len == 8 ? scsi_get32(list + 4) : scsi_get16(list + 2)) /* no defects to name */
		nvmh_scsi_bad_param(cmd, len == 8 ? 4 : 2, -1);
	else
		return true;
	return false;
}

int nvmh_scsi_format(struct nvmh_scsi_cmd *cmd)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	uint8_t fmtpinfo = cmd->cdb[1] >> FMTPINFO_SHIFT, usage, pi;
	/* metadata within the blocks: as now, else where nothing else is possible */
	bool mset = ns->ms ? ns->ext_lba : !(ns->id.mc & MC_APART);
	uint32_t cdw10;
	int lbaf;

	if (cmd->p.step) {
		cmd->rescan = true;
		return nvmh_scsi_good(cmd);
	}
	if (cmd->cdb[1] & LONGLIST && !(cmd->cdb[1] & FMTDATA))
		return nvmh_scsi_bad_cdb(cmd, 1, 5);
	if (!take_format_list(cmd, &usage))
		return NVMH_SCSI_DONE;
	if (!format_pi(fmtpinfo, usage, &pi))
		return fmtpinfo == 1 ? nvmh_scsi_bad_cdb(cmd, 1, 7)
				     : nvmh_scsi_bad_param(cmd, 0, 2);
	if (pi && !(ns->id.dpc >> (pi - 1) & 1))
		return nvmh_scsi_bad_cdb(cmd, 1, 7);
	lbaf = format_for(ns, pi);
	if (lbaf < 0)
		return nvmh_scsi_bad_cdb(cmd, 1, 7);
	cdw10 = ((uint32_t)lbaf & 0xf) | (uint32_t)(pi && mset) << 4 | (uint32_t)pi << 5 |
		(uint32_t)ns->pi_first << 8 | (uint32_t)lbaf >> 4 << 12;
	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, nvme_admin_format_nvm, NULL, 0);
	cmd->req.sqe.cdw10 = le32_make(cdw10);
	return NVMH_SCSI_ADMIN;
}

/* ---- SECURITY PROTOCOL IN and OUT ---- */

enum {
	OP_SECURITY_IN = 0xa2,
	INC_512 = 0x80,
};

int nvmh_scsi_security(struct nvmh_scsi_cmd *cmd)
{
	uint64_t len = scsi_get32(cmd->cdb + 6);
	bool in = cmd->cdb[0] == OP_SECURITY_IN;

	if (cmd->p.step) {
		cmd->p.moved = cmd->p.part;
		return nvmh_scsi_good(cmd);
	}
	if (cmd->cdb[4] & INC_512)
		len *= 512;
	if (in)
		len = min_of(len, (uint64_t)cmd->data_len);
	if (len > cmd->data_len || len > cmd->p.max_xfer)
		return nvmh_scsi_bad_cdb(cmd, 6, -1);
	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN,
		       in ? nvme_admin_security_recv : nvme_admin_security_send,
		       len ? cmd->data : NULL, (uint32_t)len);
	cmd->req.sqe.cdw10 = le32_make((uint32_t)cmd->cdb[1] << 24 | scsi_get16(cmd->cdb + 2) << 8);
	cmd->req.sqe.cdw11 = le32_make((uint32_t)len);
	cmd->p.part = (uint32_t)len;
	return NVMH_SCSI_ADMIN;
}

/* ---- WRITE BUFFER ---- */

enum {
	MODE_SAVE_ACTIVATE = 0x05,
	MODE_OFFSETS_DEFER = 0x0e,
	MODE_ACTIVATE = 0x0f,
	MAX_SLOT = 7,
	CA_REPLACE = 1, /* active after a reset */
	CA_NOW = 3,
	ST_FW_CONVENTIONAL_RESET = 0x10b,
	ST_FW_SUBSYSTEM_RESET = 0x110,
	ST_FW_RESET = 0x111,
	DWORD = 4,
};

/* p.lba is where in the image p.moved is. */
static int send_image(struct nvmh_scsi_cmd *cmd)
{
	uint32_t part = (uint32_t)min_of(cmd->p.blocks, (uint64_t)cmd->p.max_xfer);
	uint64_t at = cmd->p.lba + cmd->p.moved;

	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, nvme_admin_fw_download,
		       (uint8_t *)cmd->data + cmd->p.moved, part);
	cmd->req.sqe.nsid = le32_make(0);
	cmd->req.sqe.cdw10 = le32_make(part / DWORD - 1);
	cmd->req.sqe.cdw11 = le32_make((uint32_t)(at / DWORD));
	cmd->p.part = part;
	return NVMH_SCSI_ADMIN;
}

/* @flags 1: the commit is under way. */
static int send_commit(struct nvmh_scsi_cmd *cmd, uint32_t slot)
{
	bool now = cmd->p.id->frmw & NVME_CTRL_FRMW_FW_ACT_NO_RESET;

	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, nvme_admin_fw_commit, NULL, 0);
	cmd->req.sqe.nsid = le32_make(0);
	cmd->req.sqe.cdw10 = le32_make((now ? CA_NOW : CA_REPLACE) << 3 | slot);
	cmd->p.flags = 1;
	cmd->p.tolerant = true;
	return NVMH_SCSI_ADMIN;
}

static int after_commit(struct nvmh_scsi_cmd *cmd)
{
	switch (cmd->req.status & ST_MASK) {
	case 0:
	case ST_FW_CONVENTIONAL_RESET: /* it is saved, and will be active */
	case ST_FW_SUBSYSTEM_RESET:
	case ST_FW_RESET:
		cmd->nvme_status = cmd->req.status;
		return nvmh_scsi_good(cmd);
	default:
		return nvmh_scsi_failed(cmd, cmd->req.status);
	}
}

int nvmh_scsi_write_buffer(struct nvmh_scsi_cmd *cmd)
{
	uint32_t len = scsi_get24(cmd->cdb + 6), offset = scsi_get24(cmd->cdb + 3);
	uint8_t mode = cmd->cdb[1], slot = cmd->cdb[2];

	if (cmd->p.flags)
		return after_commit(cmd);
	if (!cmd->p.step) {
		if (mode != MODE_SAVE_ACTIVATE && mode != MODE_OFFSETS_DEFER &&
		    mode != MODE_ACTIVATE)
			return nvmh_scsi_bad_cdb(cmd, 1, 4);
		if (slot > MAX_SLOT || (mode == MODE_OFFSETS_DEFER && slot))
			return nvmh_scsi_bad_cdb(cmd, 2, -1);
		if (offset % DWORD || (offset && mode != MODE_OFFSETS_DEFER))
			return nvmh_scsi_bad_cdb(cmd, 3, -1);
		if (mode == MODE_ACTIVATE ? len : !len || len % DWORD || len > cmd->data_len)
			return nvmh_scsi_bad_cdb(cmd, 6, -1);
		cmd->p.lba = offset;
		cmd->p.blocks = len;
	} else {
		cmd->p.moved += cmd->p.part;
		cmd->p.blocks -= cmd->p.part;
	}
	if (cmd->p.blocks)
		return send_image(cmd);
	return mode == MODE_OFFSETS_DEFER ? nvmh_scsi_good(cmd) : send_commit(cmd, slot);
}
