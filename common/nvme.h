/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe wire formats: submission and completion queue entries, SGL descriptors, fabrics commands.
 * Constants, Identify and log page layouts come from libnvme's <nvme/types.h>; its __le fields are
 * read with le16toh() and friends. Sizes that we rely on are asserted here. NVM Express Base
 * Specification 2.x, sections "Submission Queue Entry", "Completion Queue Entry", "Fabrics Command
 * Set".
 */
#ifndef COMMON_NVME_H
#define COMMON_NVME_H

#include <nvme/types.h>

#include "common/check.h"
#include "common/endian.h"
#include "common/nvme_status.h"

/* SGL descriptor: type in the high half of the last byte, subtype in the low half. */
struct nvme_sgl {
	le64_t addr;
	le32_t length;
	uint8_t rsvd12[3];
	uint8_t type;
};
check_size(struct nvme_sgl, 16);
check_offset(struct nvme_sgl, length, 8);
check_offset(struct nvme_sgl, type, 15);

enum {
	NVME_SGL_DATA_OFFSET = 0x01, /* data block, subtype offset: in-capsule data */
	NVME_SGL_DATA_ADDR = 0x00,   /* data block, subtype address: local memory (PCIe) */
	NVME_SGL_LAST_SEGMENT_ADDR = 0x30,
	NVME_SGL_TRANSPORT = 0x5a, /* transport data block, subtype transport */
};

struct nvme_prps {
	le64_t prp1;
	le64_t prp2;
};

struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* FUSE 1:0, PSDT 7:6 */
	uint16_t cid;  /* opaque: echoed as it came; compare and index only after a bounds check */
	le32_t nsid;
	le32_t cdw2;
	le32_t cdw3;
	le64_t mptr;
	union {
		struct nvme_prps prp;
		struct nvme_sgl sgl;
	} dptr;
	le32_t cdw10;
	le32_t cdw11;
	le32_t cdw12;
	le32_t cdw13;
	le32_t cdw14;
	le32_t cdw15;
};
check_size(struct nvme_sqe, 64);
check_offset(struct nvme_sqe, flags, 1);
check_offset(struct nvme_sqe, cid, 2);
check_offset(struct nvme_sqe, nsid, 4);
check_offset(struct nvme_sqe, cdw2, 8);
check_offset(struct nvme_sqe, cdw3, 12);
check_offset(struct nvme_sqe, mptr, 16);
check_offset(struct nvme_sqe, dptr, 24);
check_offset(struct nvme_sqe, cdw10, 40);
check_offset(struct nvme_sqe, cdw15, 60);

enum {
	NVME_SQE_FUSE_MASK = 0x03,
	NVME_SQE_PSDT_MASK = 0xc0,
	NVME_SQE_PSDT_SGL = 0x40, /* SGL, metadata pointer is an address */
};

struct nvme_cqe {
	union {
		le64_t result; /* fabrics: Property Get */
		struct {
			le32_t dw0;
			le32_t dw1;
		};
	};
	le16_t sqhd;
	le16_t sqid;
	uint16_t cid;
	le16_t status; /* phase in bit 0, status field in 15:1 */
};
check_size(struct nvme_cqe, 16);
check_offset(struct nvme_cqe, dw1, 4);
check_offset(struct nvme_cqe, sqhd, 8);
check_offset(struct nvme_cqe, sqid, 10);
check_offset(struct nvme_cqe, cid, 12);
check_offset(struct nvme_cqe, status, 14);

/* The status of a completion as the rest of the program knows it: SC, SCT, CRD, M, DNR from bit 0. */
static inline uint16_t cqe_status(const struct nvme_cqe *cqe)
{
	return le16_get(cqe->status) >> 1;
}

enum {
	NVME_FABRICS_OPCODE = 0x7f,
	NVME_FCTYPE_PROPERTY_SET = 0x00,
	NVME_FCTYPE_CONNECT = 0x01,
	NVME_FCTYPE_PROPERTY_GET = 0x04,
	NVME_FCTYPE_AUTH_SEND = 0x05,
	NVME_FCTYPE_AUTH_RECV = 0x06,
	NVME_FCTYPE_DISCONNECT = 0x08,
};

/* A fabrics command lies over a submission queue entry: fctype where NSID would be. */
struct nvme_fabrics_connect {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint8_t fctype;
	uint8_t rsvd5[19];
	struct nvme_sgl sgl;
	le16_t recfmt;
	le16_t qid;
	le16_t sqsize; /* 0's based */
	uint8_t cattr;
	uint8_t rsvd47;
	le32_t kato; /* milliseconds */
	uint8_t rsvd52[12];
};
check_size(struct nvme_fabrics_connect, 64);
check_offset(struct nvme_fabrics_connect, fctype, 4);
check_offset(struct nvme_fabrics_connect, sgl, 24);
check_offset(struct nvme_fabrics_connect, recfmt, 40);
check_offset(struct nvme_fabrics_connect, qid, 42);
check_offset(struct nvme_fabrics_connect, sqsize, 44);
check_offset(struct nvme_fabrics_connect, cattr, 46);
check_offset(struct nvme_fabrics_connect, kato, 48);

enum {
	NVME_CATTR_DISABLE_SQFLOW = 1 << 2,
};

struct nvme_fabrics_property {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint8_t fctype;
	uint8_t rsvd5[35];
	uint8_t attrib; /* size: 0 = 4 bytes, 1 = 8 bytes */
	uint8_t rsvd41[3];
	le32_t offset;
	le64_t value; /* Property Set */
	uint8_t rsvd56[8];
};
check_size(struct nvme_fabrics_property, 64);
check_offset(struct nvme_fabrics_property, attrib, 40);
check_offset(struct nvme_fabrics_property, offset, 44);
check_offset(struct nvme_fabrics_property, value, 48);

static inline uint8_t sqe_fctype(const struct nvme_sqe *sqe)
{
	return le32_get(sqe->nsid) & 0xff;
}

struct nvme_connect_data {
	uint8_t hostid[16];
	le16_t cntlid;
	uint8_t rsvd18[238];
	char subnqn[256];
	char hostnqn[256];
	uint8_t rsvd768[256];
};
check_size(struct nvme_connect_data, 1024);
check_offset(struct nvme_connect_data, cntlid, 16);
check_offset(struct nvme_connect_data, subnqn, 256);
check_offset(struct nvme_connect_data, hostnqn, 512);

enum {
	NVME_CNTLID_DYNAMIC = 0xffff,
	NVME_NSID_BROADCAST = 0xffffffff,
	NVME_NQN_MAX_LEN = 223, /* bytes, without the NUL */
	NVME_NQN_FIELD = 256,
};

check_size(struct nvme_id_ctrl, 4096);
check_offset(struct nvme_id_ctrl, oacs, 256);
check_offset(struct nvme_id_ctrl, sqes, 512);
check_offset(struct nvme_id_ctrl, subnqn, 768);
check_offset(struct nvme_id_ctrl, ioccsz, 1792);
check_size(struct nvme_id_ns, 4096);
check_offset(struct nvme_id_ns, nguid, 104);
check_offset(struct nvme_id_ns, lbaf, 128);
check_size(struct nvme_smart_log, 512);
check_size(struct nvme_error_log_page, 64);
check_size(struct nvme_firmware_slot, 512);
check_size(struct nvmf_disc_log_entry, 1024);
check_size(struct nvmf_discovery_log, 1024);
check_offset(struct nvmf_disc_log_entry, subnqn, 256);
check_offset(struct nvmf_disc_log_entry, traddr, 512);
check_size(struct nvme_dsm_range, 16);
check_size(struct nvme_ctrl_list, 4096);

#endif /* COMMON_NVME_H */
