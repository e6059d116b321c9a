// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands on blocks without data of theirs: SYNCHRONIZE CACHE, UNMAP, WRITE SAME. Any thread. Entry
 * points: nvmh_scsi_sync_cache(), nvmh_scsi_unmap(), nvmh_scsi_write_same(). NVM Express: SCSI
 * Translation Reference 1.5; SBC-3; NVM Command Set Specification, "Dataset Management", "Write
 * Zeroes".
 */
#include "host/scsi.h"

#define CDW12_DEAC (1u << 25) /* Write Zeroes: may be deallocated */

enum {
	MAX_NLB = 65536,
	UNMAP_HEADER = 8,
	UNMAP_DESC = 16,
	MAX_RANGES = NVMH_SCSI_SCRATCH_BYTES / sizeof(struct nvme_dsm_range),
	SAME_NDOB = 1 << 0,
	SAME_UNMAP = 1 << 3,
};

/* Always waited for, IMMED or not. The range is the whole namespace. */
int nvmh_scsi_sync_cache(struct nvmh_scsi_cmd *cmd)
{
	if (cmd->p.step)
		return nvmh_scsi_good(cmd);
	if (!nvmh_scsi_range(cmd))
		return NVMH_SCSI_DONE;
	return nvmh_scsi_send(cmd, NVMH_SCSI_IO, nvme_cmd_flush, NULL, 0);
}

/* ---- deallocation ---- */

/* @nr ranges in the scratch memory. */
static int send_ranges(struct nvmh_scsi_cmd *cmd, uint32_t nr)
{
	nvmh_scsi_send(cmd, NVMH_SCSI_IO, nvme_cmd_dsm, cmd->scratch,
		       nr * (uint32_t)sizeof(struct nvme_dsm_range));
	cmd->req.sqe.cdw10 = le32_make(nr - 1);
	cmd->req.sqe.cdw11 = le32_make(NVME_DSMGMT_AD);
	return NVMH_SCSI_IO;
}

static void put_range(struct nvmh_scsi_cmd *cmd, uint32_t index, uint64_t lba, uint32_t blocks)
{
	struct nvme_dsm_range range = { .nlb = htole32(blocks), .slba = htole64(lba) };

	memcpy((uint8_t *)cmd->scratch + index * sizeof(range), &range, sizeof(range));
}

int nvmh_scsi_unmap(struct nvmh_scsi_cmd *cmd)
{
	uint32_t len = scsi_get16(cmd->cdb + 7), desc_len, blocks, nr = 0;
	const uint8_t *list = cmd->data, *desc;
	uint64_t nsze = cmd->p.ns->nsze, lba;

	if (cmd->p.step || !len)
		return nvmh_scsi_good(cmd);
	if (len > cmd->data_len || len < UNMAP_HEADER)
		return nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	cmd->p.moved = len;
	/* a list that was cut short is not done in part */
	desc_len = scsi_get16(list + 2);
	if (desc_len > len - UNMAP_HEADER)
		return nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	if (desc_len / UNMAP_DESC > MAX_RANGES)
		return nvmh_scsi_bad_param(cmd, 2, -1);
	for (uint32_t off = UNMAP_HEADER; off + UNMAP_DESC <= UNMAP_HEADER + desc_len;
	     off += UNMAP_DESC) {
		desc = list + off;
		lba = scsi_get64(desc);
		blocks = scsi_get32(desc + 8);
		if (lba > nsze || blocks > nsze - lba)
			return nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
		if (blocks)
			put_range(cmd, nr++, lba, blocks);
	}
	return nr ? send_ranges(cmd, nr) : nvmh_scsi_good(cmd);
}

/* ---- WRITE SAME ---- */

static bool is_zeroes(const uint8_t *data, uint32_t len)
{
	while (len--)
		if (*data++)
			return false;
	return true;
}

/* The block to write. Return: whether it is one that can be; else the command has ended. */
static bool check_block(struct nvmh_scsi_cmd *cmd)
{
	uint32_t bytes = cmd->p.ns->lba_size;

	if (cmd->cdb_len == 16 && cmd->cdb[1] & SAME_NDOB)
		return true;
	if (cmd->data_len < bytes) {
		nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
		return false;
	}
	cmd->p.moved = bytes;
	if (is_zeroes(cmd->data, bytes))
		return true;
	/* there is no NVMe command for other patterns */
	nvmh_scsi_bad_param(cmd, 0, -1);
	return false;
}

static int send_zeroes(struct nvmh_scsi_cmd *cmd)
{
	uint32_t nlb = (uint32_t)min_of(cmd->p.blocks, (uint64_t)MAX_NLB);
	bool unmap = cmd->cdb[1] & SAME_UNMAP;
	struct nvme_sqe *sqe = &cmd->req.sqe;

	nvmh_scsi_send(cmd, NVMH_SCSI_IO, nvme_cmd_write_zeroes, NULL, 0);
	sqe->cdw10 = le32_make((uint32_t)cmd->p.lba);
	sqe->cdw11 = le32_make((uint32_t)(cmd->p.lba >> 32));
	sqe->cdw12 = le32_make((unmap ? CDW12_DEAC : 0) | (nlb - 1));
	if (cmd->p.ns->pi_type) { /* the drive makes the protection information, too */
		sqe->cdw12 = le32_make(le32_get(sqe->cdw12) | 1u << 29);
		sqe->cdw14 = le32_make((uint32_t)cmd->p.lba);
	}
	cmd->p.lba += nlb;
	cmd->p.blocks -= nlb;
	return NVMH_SCSI_IO;
}

int nvmh_scsi_write_same(struct nvmh_scsi_cmd *cmd)
{
	unsigned int len_at = cmd->cdb_len == 16 ? 10 : 7;

	if (!cmd->p.step) {
		if (!nvmh_scsi_range(cmd) || !check_block(cmd))
			return NVMH_SCSI_DONE;
		if (!cmd->p.blocks || cmd->p.blocks > SCSI_MAX_SAME_BLOCKS)
			return nvmh_scsi_bad_cdb(cmd, len_at, -1);
	}
	return cmd->p.blocks ? send_zeroes(cmd) : nvmh_scsi_good(cmd);
}
