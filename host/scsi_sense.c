// SPDX-License-Identifier: BSD-2-Clause
/*
 * How SCSI commands end: sense data, and what the statuses of NVMe commands are in SCSI. Any
 * thread. Entry points: nvmh_scsi_good(), nvmh_scsi_fail(), nvmh_scsi_bad_cdb(),
 * nvmh_scsi_bad_param(), nvmh_scsi_failed().
 * NVM Express: SCSI Translation Reference 1.5, "NVM Express Status Code to SCSI Status Code";
 * SPC-4, "Sense data".
 */
#include "host/scsi.h"

enum {
	FIXED_CURRENT = 0x70,
	DESC_CURRENT = 0x72,
	FIXED_BYTES = 18,
	FIXED_ADDITIONAL = 10,
	FIXED_SKS = 15,
	DESC_HEADER = 8,
	DESC_SKS_TYPE = 2, /* the sense key specific descriptor */
	DESC_SKS_BYTES = 8,
	SKS_VALID = 0x80,
	SKS_IN_CDB = 0x40,
	SKS_BIT_VALID = 0x08,
};

uint8_t nvmh_scsi_sense(uint8_t sense[NVMH_SCSI_SENSE_BYTES], bool desc, enum scsi_key key,
			enum scsi_asc asc)
{
	memset(sense, 0, NVMH_SCSI_SENSE_BYTES);
	if (desc) {
		sense[0] = DESC_CURRENT;
		sense[1] = (uint8_t)key;
		scsi_put16(sense + 2, asc);
		return DESC_HEADER;
	}
	sense[0] = FIXED_CURRENT;
	sense[2] = (uint8_t)key;
	sense[7] = FIXED_ADDITIONAL;
	scsi_put16(sense + 12, asc);
	return FIXED_BYTES;
}

int nvmh_scsi_good(struct nvmh_scsi_cmd *cmd)
{
	cmd->status = NVMH_SCSI_GOOD;
	return NVMH_SCSI_DONE;
}

int nvmh_scsi_fail(struct nvmh_scsi_cmd *cmd, enum scsi_key key, enum scsi_asc asc)
{
	cmd->status = NVMH_SCSI_CHECK_CONDITION;
	cmd->sense_len = nvmh_scsi_sense(cmd->sense, cmd->desc_sense, key, asc);
	return NVMH_SCSI_DONE;
}

/* Sense key specific data: where the wrong field is. */
static int point_at(struct nvmh_scsi_cmd *cmd, uint8_t flags, unsigned int byte, int bit)
{
	uint8_t *sks = cmd->sense + FIXED_SKS;

	if (cmd->desc_sense) {
		cmd->sense[7] = DESC_SKS_BYTES;
		cmd->sense[DESC_HEADER] = DESC_SKS_TYPE;
		cmd->sense[DESC_HEADER + 1] = DESC_SKS_BYTES - 2;
		cmd->sense_len = DESC_HEADER + DESC_SKS_BYTES;
		sks = cmd->sense + DESC_HEADER + 4;
	}
	sks[0] = SKS_VALID | flags;
	if (bit >= 0)
		sks[0] |= SKS_BIT_VALID | (uint8_t)(bit & 7);
	scsi_put16(sks + 1, byte);
	return NVMH_SCSI_DONE;
}

int nvmh_scsi_bad_cdb(struct nvmh_scsi_cmd *cmd, unsigned int byte, int bit)
{
	nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB);
	return point_at(cmd, SKS_IN_CDB, byte, bit);
}

int nvmh_scsi_bad_param(struct nvmh_scsi_cmd *cmd, unsigned int byte, int bit)
{
	nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_PARAM);
	return point_at(cmd, 0, byte, bit);
}

/* ---- NVMe statuses ---- */

#define CHECK NVMH_SCSI_CHECK_CONDITION

/* clang-format off */
static const struct {
	uint16_t nvme;
	uint8_t status;
	uint8_t key;
	uint16_t asc;
} table[] = {
	{ ST_INVALID_OPCODE, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE },
	{ ST_INVALID_FIELD, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB },
	{ ST_DATA_XFER_ERROR, CHECK, KEY_MEDIUM_ERROR, ASC_NONE },
	{ ST_POWER_LOSS, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_WARNING_POWER_LOSS },
	{ ST_INTERNAL, CHECK, KEY_HARDWARE_ERROR, ASC_INTERNAL_FAILURE },
	{ ST_ABORT_REQ, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
	{ ST_ABORT_QUEUE, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
	{ ST_FUSED_FAIL, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
	{ ST_FUSED_MISSING, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
	{ ST_INVALID_NS, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_LU_ID },
	{ ST_CMD_SEQ_ERROR, CHECK, KEY_ILLEGAL_REQUEST, ASC_COMMAND_SEQUENCE },
	{ 0x01c /* Sanitize Failed */, CHECK, KEY_MEDIUM_ERROR, ASC_FORMAT_FAILED },
	{ 0x01d /* Sanitize In Progress */, CHECK, KEY_NOT_READY, ASC_SANITIZE_IN_PROGRESS },
	{ ST_NS_WRITE_PROTECTED, CHECK, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED },
	{ ST_CMD_INTERRUPTED, NVMH_SCSI_BUSY, 0, 0 },
	{ ST_TRANSIENT_TRANSPORT, NVMH_SCSI_BUSY, 0, 0 },
	{ ST_LBA_RANGE, CHECK, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE },
	{ ST_CAP_EXCEEDED, CHECK, KEY_DATA_PROTECT, ASC_SPACE_ALLOCATION_FAILED },
	{ ST_NS_NOT_READY, CHECK, KEY_NOT_READY, ASC_NOT_READY },
	{ ST_RESERVATION_CONFLICT, NVMH_SCSI_RESERVATION_CONFLICT, 0, 0 },
	{ 0x084 /* Format In Progress */, CHECK, KEY_NOT_READY, ASC_FORMAT_IN_PROGRESS },
	{ 0x106 /* Invalid Firmware Slot */, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB },
	{ 0x107 /* Invalid Firmware Image */, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_PARAM },
	{ ST_INVALID_LOG_PAGE, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB },
	{ ST_INVALID_FORMAT, CHECK, KEY_ILLEGAL_REQUEST, ASC_FORMAT_FAILED },
	{ ST_FEATURE_NOT_SAVEABLE, CHECK, KEY_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED },
	{ ST_FEATURE_NOT_CHANGEABLE, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_PARAM },
	{ ST_CONFLICTING_ATTRS, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB },
	{ ST_INVALID_PI, CHECK, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB },
	{ ST_READ_ONLY_RANGE, CHECK, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED },
	{ ST_WRITE_FAULT, CHECK, KEY_MEDIUM_ERROR, ASC_WRITE_FAULT },
	{ ST_READ_ERROR, CHECK, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ },
	{ 0x282 /* Guard Check */, CHECK, KEY_ABORTED_COMMAND, ASC_GUARD_CHECK },
	{ 0x283 /* Application Tag Check */, CHECK, KEY_ABORTED_COMMAND, ASC_APP_TAG_CHECK },
	{ 0x284 /* Reference Tag Check */, CHECK, KEY_ABORTED_COMMAND, ASC_REF_TAG_CHECK },
	{ ST_COMPARE_FAILED, CHECK, KEY_MISCOMPARE, ASC_MISCOMPARE },
	{ ST_ACCESS_DENIED, CHECK, KEY_DATA_PROTECT, ASC_NO_ACCESS_RIGHTS },
	{ 0x287 /* Deallocated or Unwritten */, CHECK, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ },
	{ ST_ANA_PERSISTENT_LOSS, CHECK, KEY_NOT_READY, ASC_TARGET_PORT_UNAVAILABLE },
	{ ST_ANA_INACCESSIBLE, CHECK, KEY_NOT_READY, ASC_TARGET_PORT_UNAVAILABLE },
	{ ST_ANA_TRANSITION, CHECK, KEY_NOT_READY, ASC_ASYMMETRIC_TRANSITION },
	{ ST_HOST_PATH_ERROR, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
	{ ST_HOST_ABORTED, NVMH_SCSI_TASK_ABORTED, KEY_ABORTED_COMMAND, ASC_NONE },
};
/* clang-format on */

int nvmh_scsi_failed(struct nvmh_scsi_cmd *cmd, uint16_t nvme_status)
{
	uint16_t code = nvme_status & ST_MASK;

	cmd->nvme_status = nvme_status;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].nvme != code)
			continue;
		if (table[i].status == CHECK)
			return nvmh_scsi_fail(cmd, table[i].key, table[i].asc);
		cmd->status = table[i].status;
		return NVMH_SCSI_DONE;
	}
	switch (code >> 8) {
	case NVME_SCT_MEDIA:
		return nvmh_scsi_fail(cmd, KEY_MEDIUM_ERROR, ASC_NONE);
	case NVME_SCT_CMD_SPECIFIC:
		return nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NONE);
	case NVME_SCT_PATH:
		return nvmh_scsi_fail(cmd, KEY_NOT_READY, ASC_NOT_READY);
	default:
		return nvmh_scsi_fail(cmd, KEY_ABORTED_COMMAND, ASC_NONE);
	}
}
