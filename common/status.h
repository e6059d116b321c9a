/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe status values as they travel in requests: status code 7:0, type 10:8, CRD 12:11, More 13,
 * DNR 14 (the completion's status field without the phase bit). 0 is success.
 * NVM Express Base Specification 2.x, section "Status Field Definition".
 */
#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H

#include <stdint.h>

enum nvme_st {
	ST_OK = 0x000,
	/* generic */
	ST_INVALID_OPCODE = 0x001,
	ST_INVALID_FIELD = 0x002,
	ST_CMDID_CONFLICT = 0x003,
	ST_DATA_XFER_ERROR = 0x004,
	ST_POWER_LOSS = 0x005,
	ST_INTERNAL = 0x006,
	ST_ABORT_REQ = 0x007,
	ST_ABORT_QUEUE = 0x008, /* aborted due to SQ deletion */
	ST_FUSED_FAIL = 0x009,
	ST_FUSED_MISSING = 0x00a,
	ST_INVALID_NS = 0x00b,
	ST_CMD_SEQ_ERROR = 0x00c,
	ST_SGL_INVALID_LAST = 0x00d,
	ST_SGL_INVALID_COUNT = 0x00e,
	ST_SGL_INVALID_DATA = 0x00f, /* Data SGL Length Invalid */
	ST_SGL_INVALID_TYPE = 0x011,
	ST_SGL_INVALID_OFFSET = 0x016,
	ST_HOSTID_INCONSISTENT = 0x018,
	ST_KATO_EXPIRED = 0x019,
	ST_KATO_INVALID = 0x01a,
	ST_NS_WRITE_PROTECTED = 0x020,
	ST_CMD_INTERRUPTED = 0x021,
	ST_TRANSIENT_TRANSPORT = 0x022,
	ST_LBA_RANGE = 0x080,
	ST_CAP_EXCEEDED = 0x081,
	ST_NS_NOT_READY = 0x082,
	ST_RESERVATION_CONFLICT = 0x083,
	/* command specific */
	ST_INVALID_QID = 0x101,
	ST_INVALID_QUEUE_SIZE = 0x102,
	ST_ABORT_LIMIT = 0x103,
	ST_AER_LIMIT = 0x105,
	ST_INVALID_LOG_PAGE = 0x109,
	ST_INVALID_FORMAT = 0x10a,
	ST_FEATURE_NOT_SAVEABLE = 0x10d,
	ST_FEATURE_NOT_CHANGEABLE = 0x10e,
	ST_FEATURE_NOT_PER_NS = 0x10f,
	ST_CONNECT_FORMAT = 0x180,
	ST_CONNECT_BUSY = 0x181, /* Controller Busy */
	ST_CONNECT_INVALID_PARAM = 0x182,
	ST_CONNECT_RESTART_DISC = 0x183,
	ST_CONNECT_INVALID_HOST = 0x184,
	ST_DISCONNECT_INVALID_QTYPE = 0x185,
	ST_DISCOVERY_RESTART = 0x190,
	ST_AUTH_REQUIRED = 0x191,
	/* I/O command set specific (same values, other opcodes) */
	ST_CONFLICTING_ATTRS = 0x180,
	ST_INVALID_PI = 0x181,
	ST_READ_ONLY_RANGE = 0x182,
	/* media and data integrity */
	ST_WRITE_FAULT = 0x280,
	ST_READ_ERROR = 0x281,
	ST_COMPARE_FAILED = 0x285,
	ST_ACCESS_DENIED = 0x286,
	/* path related */
	ST_PATH_INTERNAL = 0x300,
	ST_ANA_PERSISTENT_LOSS = 0x301,
	ST_ANA_INACCESSIBLE = 0x302,
	ST_ANA_TRANSITION = 0x303,
	ST_HOST_PATH_ERROR = 0x370,
	ST_HOST_ABORTED = 0x371, /* Command Aborted By Host */

	ST_MASK = 0x07ff, /* code and type */
	ST_CRD_SHIFT = 11,
	ST_MORE = 0x2000,
	ST_DNR = 0x4000,
};

/**
 * status_str() - the specification's name of a status
 * @status: as in requests; CRD, More and DNR are ignored.
 *
 * Context: any thread. Return: static text, "Unknown status" for codes without a name.
 */
const char *status_str(uint16_t status);

/**
 * status_from_errno() - the NVMe status that tells a host about a failed system call
 * @err: 0 or a negative errno.
 * @write: the failed operation changed data (picks Write Fault or Unrecovered Read Error).
 *
 * ENOSPC and EDQUOT become Capacity Exceeded, EAGAIN and ENOMEM a retryable Namespace Not Ready,
 * ENOTSUP an Invalid Opcode with DNR, everything else the media error. Context: any thread.
 */
uint16_t status_from_errno(int err, int write);

#endif /* COMMON_STATUS_H */
