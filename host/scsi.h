/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the SCSI translation. A command's function runs once at the start (step 0) and once
 * after each NVMe command that it asked for; it fills in cmd->req and says where to, or ends with an
 * answer. NVM Express: SCSI Translation Reference 1.5; SPC-4, SBC-3.
 */
#ifndef HOST_SCSI_H
#define HOST_SCSI_H

#include "common/util.h"
#include "host/nvmh.h"

enum {
	SCSI_NO_SA = 0xff,		/* the opcode has no service actions */
	SCSI_MAX_SAME_BLOCKS = 1 << 22, /* of one WRITE SAME: 64 NVMe commands */
	SCSI_MAX_VERIFY_BLOCKS = 1 << 22,
};

/* One command: what of its CDB may be set, and who performs it. */
struct nvmh_scsi_op {
	uint8_t opcode;
	uint8_t sa;
	uint8_t len; /* of the CDB */
	uint8_t dir; /* enum nvmh_dir */
	const char *name;
	int (*fn)(struct nvmh_scsi_cmd *cmd);	      /* Return: enum nvmh_scsi_next */
	bool (*has)(const struct nvmh_scsi_cmd *cmd); /* this drive; NULL: every drive */
	bool no_lu;				      /* also where there is no such namespace */
	uint8_t usage[NVMH_SCSI_CDB_BYTES];	      /* bits that may be set, [0] excepted */
};

extern const struct nvmh_scsi_op nvmh_scsi_ops[];
extern const unsigned int nvmh_scsi_nr_ops;
/* nvmh_scsi_find() - @sa: byte 1 of the CDB; @knownp: whether the opcode is, with other service
 * actions */
const struct nvmh_scsi_op *nvmh_scsi_find(uint8_t opcode, uint8_t sa, bool *knownp);

/* Additional sense codes: ASC in the high byte, ASCQ in the low one. */
enum scsi_asc {
	ASC_NONE = 0x0000,
	ASC_WRITE_FAULT = 0x0300,
	ASC_NOT_READY = 0x0400,
	ASC_BECOMING_READY = 0x0401,
	ASC_FORMAT_IN_PROGRESS = 0x0404,
	ASC_ASYMMETRIC_TRANSITION = 0x040a,
	ASC_TARGET_PORT_UNAVAILABLE = 0x040c,
	ASC_SANITIZE_IN_PROGRESS = 0x041b,
	ASC_WARNING_TEMPERATURE = 0x0b01,
	ASC_WARNING_POWER_LOSS = 0x0b08,
	ASC_GUARD_CHECK = 0x1001,
	ASC_APP_TAG_CHECK = 0x1002,
	ASC_REF_TAG_CHECK = 0x1003,
	ASC_UNRECOVERED_READ = 0x1100,
	ASC_PARAM_LIST_LENGTH = 0x1a00,
	ASC_MISCOMPARE = 0x1d00,
	ASC_INVALID_OPCODE = 0x2000,
	ASC_NO_ACCESS_RIGHTS = 0x2002,
	ASC_INVALID_LU_ID = 0x2009,
	ASC_LBA_OUT_OF_RANGE = 0x2100,
	ASC_INVALID_CDB = 0x2400,
	ASC_NO_LU = 0x2500,
	ASC_INVALID_PARAM = 0x2600,
	ASC_WRITE_PROTECTED = 0x2700,
	ASC_SPACE_ALLOCATION_FAILED = 0x2707,
	ASC_COMMAND_SEQUENCE = 0x2c00,
	ASC_INCOMPATIBLE_FORMAT = 0x3002,
	ASC_FORMAT_FAILED = 0x3101,
	ASC_SAVING_NOT_SUPPORTED = 0x3900,
	ASC_INTERNAL_FAILURE = 0x4400,
	ASC_INSUFFICIENT_REGISTRATIONS = 0x5504,
	ASC_FAILURE_PREDICTED = 0x5d00,
	ASC_LOW_POWER = 0x5e00,
};

enum scsi_key {
	KEY_NO_SENSE = 0x0,
	KEY_NOT_READY = 0x2,
	KEY_MEDIUM_ERROR = 0x3,
	KEY_HARDWARE_ERROR = 0x4,
	KEY_ILLEGAL_REQUEST = 0x5,
	KEY_DATA_PROTECT = 0x7,
	KEY_ABORTED_COMMAND = 0xb,
	KEY_MISCOMPARE = 0xe,
};

/* ---- host/scsi_sense.c: ends of a command; they return NVMH_SCSI_DONE ---- */
int nvmh_scsi_good(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_fail(struct nvmh_scsi_cmd *cmd, enum scsi_key key, enum scsi_asc asc);
/* ILLEGAL REQUEST that points at @byte and @bit (-1: all of the byte) of the CDB, or of the
 * parameter list */
int nvmh_scsi_bad_cdb(struct nvmh_scsi_cmd *cmd, unsigned int byte, int bit);
int nvmh_scsi_bad_param(struct nvmh_scsi_cmd *cmd, unsigned int byte, int bit);
/* What the status of an NVMe command means. */
int nvmh_scsi_failed(struct nvmh_scsi_cmd *cmd, uint16_t nvme_status);
/* nvmh_scsi_sense() - sense data into @sense. Return: bytes. */
uint8_t nvmh_scsi_sense(uint8_t sense[NVMH_SCSI_SENSE_BYTES], bool desc, enum scsi_key key,
			enum scsi_asc asc);

/* ---- host/scsi.c ---- */
/* nvmh_scsi_start() - nvmh_scsi_begin() with what it needs of a controller. @ns: NULL: none. */
int nvmh_scsi_start(struct nvmh_scsi_cmd *cmd, const struct nvme_id_ctrl *id, uint32_t max_xfer,
		    const struct nvmh_ns *ns, uint32_t nsid, bool live);
/* nvmh_scsi_reply() - good, with as much of @buf as @alloc, an allocation length, allows */
int nvmh_scsi_reply(struct nvmh_scsi_cmd *cmd, const void *buf, uint32_t len, uint32_t alloc);
/* The command to send next: zeroes but for @opcode and the NSID; its data, if any, is @len bytes of
 * @buf. Return: @where. */
int nvmh_scsi_send(struct nvmh_scsi_cmd *cmd, enum nvmh_scsi_next where, uint8_t opcode, void *buf,
		   uint32_t len);
/* A Get or Set Features without data. Return: NVMH_SCSI_ADMIN. */
int nvmh_scsi_feature(struct nvmh_scsi_cmd *cmd, uint8_t opcode, uint32_t cdw10, uint32_t cdw11);
/* nvmh_scsi_has_oncs() - an optional NVM command */
static inline bool nvmh_scsi_has_oncs(const struct nvmh_scsi_cmd *cmd, uint16_t bit)
{
	return le16toh(cmd->p.id->oncs) & bit;
}

/* Whether blocks that are deallocated read as zeroes. */
static inline bool nvmh_scsi_reads_zeroes(const struct nvmh_ns *ns)
{
	return (ns->id.dlfeat & NVME_NS_DLFEAT_RB) == NVME_NS_DLFEAT_RB_ALL_0S;
}

/* ---- the commands ---- */
/* host/scsi_inquiry.c */
int nvmh_scsi_inquiry(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_report_luns(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_read_capacity_10(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_read_capacity_16(struct nvmh_scsi_cmd *cmd);
/* host/scsi_vpd.c: @page of *@lenp bytes. Return: false: no such page. */
bool nvmh_scsi_vpd(const struct nvmh_scsi_cmd *cmd, uint8_t code, uint8_t *page, uint32_t *lenp);
/* host/scsi_rw.c */
int nvmh_scsi_read(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_write(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_verify(struct nvmh_scsi_cmd *cmd);
/* The block range of a CDB, checked. Return: whether it is good; else the command has ended. */
bool nvmh_scsi_range(struct nvmh_scsi_cmd *cmd);
/* host/scsi_blocks.c */
int nvmh_scsi_sync_cache(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_unmap(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_write_same(struct nvmh_scsi_cmd *cmd);
/* host/scsi_mode.c */
int nvmh_scsi_mode_sense(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_mode_select(struct nvmh_scsi_cmd *cmd);
/* host/scsi_log.c */
int nvmh_scsi_log_sense(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_request_sense(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_test_unit_ready(struct nvmh_scsi_cmd *cmd);
/* host/scsi_admin.c */
int nvmh_scsi_start_stop(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_format(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_security(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_write_buffer(struct nvmh_scsi_cmd *cmd);
/* host/scsi_pr.c */
int nvmh_scsi_pr_in(struct nvmh_scsi_cmd *cmd);
int nvmh_scsi_pr_out(struct nvmh_scsi_cmd *cmd);
/* host/scsi_ops.c */
int nvmh_scsi_report_opcodes(struct nvmh_scsi_cmd *cmd);

/* ---- big-endian fields ---- */

static inline uint32_t scsi_get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t scsi_get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | scsi_get16(p + 1);
}

static inline uint32_t scsi_get32(const uint8_t *p)
{
	return scsi_get16(p) << 16 | scsi_get16(p + 2);
}

static inline uint64_t scsi_get64(const uint8_t *p)
{
	return (uint64_t)scsi_get32(p) << 32 | scsi_get32(p + 4);
}

static inline void scsi_put16(uint8_t *p, uint32_t val)
{
	p[0] = (uint8_t)(val >> 8);
	p[1] = (uint8_t)val;
}

static inline void scsi_put32(uint8_t *p, uint32_t val)
{
	scsi_put16(p, val >> 16);
	scsi_put16(p + 2, val & 0xffff);
}

static inline void scsi_put64(uint8_t *p, uint64_t val)
{
	scsi_put32(p, (uint32_t)(val >> 32));
	scsi_put32(p + 4, (uint32_t)val);
}

#endif /* HOST_SCSI_H */
