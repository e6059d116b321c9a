// SPDX-License-Identifier: BSD-2-Clause
/*
 * READ, WRITE and VERIFY of all lengths: cut into what one NVMe command takes, in ascending order,
 * one after the other. Any thread. Entry points: nvmh_scsi_read(), nvmh_scsi_write(),
 * nvmh_scsi_verify(). NVM Express: SCSI Translation Reference 1.5; SBC-3, "READ (10)", "Protection
 * information model"; NVM Command Set Specification, "Read", "Write", "Compare", "Verify".
 */
#include "host/scsi.h"

#define PRINFO_PRACT (1u << 29)
#define PRCHK_GUARD  (1u << 28)
#define PRCHK_APP    (1u << 27)
#define PRCHK_REF    (1u << 26)
#define CDW12_FUA    (1u << 30)

enum {
	CDB_FUA = 1 << 3,
	PI_BYTES = 8,
	MAX_NLB = 65536,
	BYTCHK_NONE = 0,
	BYTCHK_ALL = 1,
};

/* ---- the CDB ---- */

/* @lenp: the byte with the number of blocks */
static void decode(struct nvmh_scsi_cmd *cmd, unsigned int *lba_at, unsigned int *len_at)
{
	const uint8_t *cdb = cmd->cdb;

	*lba_at = 2;
	switch (cmd->cdb_len) {
	case 6:
		*lba_at = 1;
		*len_at = 4;
		cmd->p.lba = scsi_get24(cdb + 1) & 0x1fffff;
		cmd->p.blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		*len_at = 7;
		cmd->p.lba = scsi_get32(cdb + 2);
		cmd->p.blocks = scsi_get16(cdb + 7);
		break;
	case 12:
		*len_at = 6;
		cmd->p.lba = scsi_get32(cdb + 2);
		cmd->p.blocks = scsi_get32(cdb + 6);
		break;
	default:
		*len_at = 10;
		cmd->p.lba = scsi_get64(cdb + 2);
		cmd->p.blocks = scsi_get32(cdb + 10);
	}
}

bool nvmh_scsi_range(struct nvmh_scsi_cmd *cmd)
{
	uint64_t nsze = cmd->p.ns->nsze;
	unsigned int lba_at, len_at;

	decode(cmd, &lba_at, &len_at);
	/* one behind the last is good for no blocks only */
	if (cmd->p.lba <= nsze && cmd->p.blocks <= nsze - cmd->p.lba &&
	    (cmd->p.blocks || cmd->p.lba < nsze))
		return true;
	nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	return false;
}

/*
 * Protection information, by RDPROTECT, WRPROTECT or VRPROTECT. 0: the drive makes and checks it,
 * else it moves behind each block. Return: whether the namespace can; else the command has ended.
 */
static bool take_protect(struct nvmh_scsi_cmd *cmd)
{
	/* what is checked for 1 to 5: not for a namespace without reference tags */
	static const uint32_t prchk[6] = {
		0,	     PRCHK_GUARD | PRCHK_APP | PRCHK_REF, PRCHK_APP | PRCHK_REF, 0,
		PRCHK_GUARD, PRCHK_GUARD | PRCHK_APP | PRCHK_REF
	};
	uint8_t protect = cmd->cdb_len == 6 ? 0 : cmd->cdb[1] >> 5;
	const struct nvmh_ns *ns = cmd->p.ns;

	if (ns->ms && (!ns->pi_type || ns->ms != PI_BYTES || ns->pi_size != PI_BYTES)) {
		nvmh_scsi_fail(cmd, KEY_NOT_READY, ASC_INCOMPATIBLE_FORMAT);
		return false;
	}
	if (protect > 5 || (protect && !ns->ext_lba)) {
		nvmh_scsi_bad_cdb(cmd, 1, 7);
		return false;
	}
	if (protect)
		cmd->p.flags = prchk[protect];
	else if (ns->pi_type)
		cmd->p.flags = PRINFO_PRACT | PRCHK_GUARD | PRCHK_REF;
	if (ns->pi_type == NVME_NS_DPS_PI_TYPE3)
		cmd->p.flags &= ~PRCHK_REF;
	return true;
}

/* ---- parts ---- */

/* Bytes of data for each block. */
static uint32_t block_bytes(const struct nvmh_scsi_cmd *cmd)
{
	const struct nvmh_ns *ns = cmd->p.ns;

	return ns->lba_size + (ns->ms && !(cmd->p.flags & PRINFO_PRACT) ? ns->ms : 0);
}

/* The next part: up to @max blocks, their data at @buf, @bytes for each. */
static int send_part(struct nvmh_scsi_cmd *cmd, uint8_t opcode, uint32_t max, void *buf,
		     uint32_t bytes)
{
	uint32_t nlb = (uint32_t)min_of(cmd->p.blocks, (uint64_t)min_of(max, (uint32_t)MAX_NLB));
	struct nvme_sqe *sqe = &cmd->req.sqe;

	if (!nlb) /* not one block fits into a command */
		return nvmh_scsi_fail(cmd, KEY_HARDWARE_ERROR, ASC_INTERNAL_FAILURE);
	nvmh_scsi_send(cmd, NVMH_SCSI_IO, opcode, buf, nlb * bytes);
	sqe->cdw10 = le32_make((uint32_t)cmd->p.lba);
	sqe->cdw11 = le32_make((uint32_t)(cmd->p.lba >> 32));
	sqe->cdw12 = le32_make(cmd->p.flags | (nlb - 1));
	if (cmd->p.ns->pi_type) /* the expected, or first, reference tag */
		sqe->cdw14 = le32_make((uint32_t)cmd->p.lba);
	cmd->p.part = nlb;
	return NVMH_SCSI_IO;
}

/* The part that was answered. */
static void count_part(struct nvmh_scsi_cmd *cmd, bool data)
{
	if (data)
		cmd->p.moved += cmd->p.part * block_bytes(cmd);
	cmd->p.lba += cmd->p.part;
	cmd->p.blocks -= cmd->p.part;
	cmd->p.part = 0;
}

/* Return: whether the data are as long as the blocks; else the command has ended. */
static bool check_data(struct nvmh_scsi_cmd *cmd)
{
	unsigned int lba_at, len_at;
	uint64_t blocks = cmd->p.blocks;

	if (blocks * block_bytes(cmd) <= cmd->data_len)
		return true;
	decode(cmd, &lba_at, &len_at);
	nvmh_scsi_bad_cdb(cmd, len_at, -1);
	return false;
}

static int transfer(struct nvmh_scsi_cmd *cmd, uint8_t opcode)
{
	uint32_t bytes;

	if (!cmd->p.step) {
		if (!nvmh_scsi_range(cmd) || !take_protect(cmd) || !check_data(cmd))
			return NVMH_SCSI_DONE;
		if (cmd->cdb_len > 6 && cmd->cdb[1] & CDB_FUA && opcode != nvme_cmd_compare)
			cmd->p.flags |= CDW12_FUA;
	} else {
		count_part(cmd, true);
	}
	if (!cmd->p.blocks)
		return nvmh_scsi_good(cmd);
	bytes = block_bytes(cmd);
	return send_part(cmd, opcode, cmd->p.max_xfer / bytes, (uint8_t *)cmd->data + cmd->p.moved,
			 bytes);
}

int nvmh_scsi_read(struct nvmh_scsi_cmd *cmd)
{
	return transfer(cmd, nvme_cmd_read);
}

int nvmh_scsi_write(struct nvmh_scsi_cmd *cmd)
{
	return transfer(cmd, nvme_cmd_write);
}

/* ---- VERIFY ---- */

/* Nothing to compare with: whether the blocks can be read. A drive that cannot verify reads them. */
static int verify_medium(struct nvmh_scsi_cmd *cmd)
{
	bool has_verify = nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_VERIFY);
	uint32_t bytes = cmd->p.ns->lba_size, room;

	if (!cmd->p.step) {
		if (!nvmh_scsi_range(cmd) || !take_protect(cmd))
			return NVMH_SCSI_DONE;
		if (cmd->p.blocks > SCSI_MAX_VERIFY_BLOCKS)
			return nvmh_scsi_bad_cdb(cmd, cmd->cdb_len == 16 ? 10 : 6, -1);
	} else {
		count_part(cmd, false);
	}
	if (!cmd->p.blocks)
		return nvmh_scsi_good(cmd);
	if (has_verify) {
		cmd->p.flags &= ~PRINFO_PRACT;
		return send_part(cmd, nvme_cmd_verify, cmd->p.max_xfer / bytes, NULL, 0);
	}
	room = min_of((uint32_t)NVMH_SCSI_SCRATCH_BYTES, cmd->p.max_xfer);
	return send_part(cmd, nvme_cmd_read, room / bytes, cmd->scratch, bytes);
}

int nvmh_scsi_verify(struct nvmh_scsi_cmd *cmd)
{
	uint8_t bytchk = cmd->cdb[1] >> 1 & 3;

	if (cmd->cdb[1] >> 5)
		return nvmh_scsi_bad_cdb(cmd, 1, 7);
	if (bytchk == BYTCHK_NONE)
		return verify_medium(cmd);
	if (bytchk != BYTCHK_ALL || !nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_COMPARE))
		return nvmh_scsi_bad_cdb(cmd, 1, 2);
	return transfer(cmd, nvme_cmd_compare);
}
