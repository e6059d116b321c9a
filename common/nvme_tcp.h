/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe/TCP wire formats: the PDUs of "NVM Express NVMe over TCP Transport", section 3.6.
 */
#ifndef COMMON_NVME_TCP_H
#define COMMON_NVME_TCP_H

#include "common/endian.h"
#include "common/nvme.h"
#include "common/util.h"

enum nvme_tcp_pdu_type {
	NVME_TCP_ICREQ = 0x00,
	NVME_TCP_ICRESP = 0x01,
	NVME_TCP_H2C_TERM = 0x02,
	NVME_TCP_C2H_TERM = 0x03,
	NVME_TCP_CMD = 0x04,
	NVME_TCP_RSP = 0x05,
	NVME_TCP_H2C_DATA = 0x06,
	NVME_TCP_C2H_DATA = 0x07,
	NVME_TCP_R2T = 0x09,
};

enum nvme_tcp_pdu_flags {
	NVME_TCP_F_HDGST = 1 << 0,
	NVME_TCP_F_DDGST = 1 << 1,
	NVME_TCP_F_DATA_LAST = 1 << 2,	  /* H2CData, C2HData */
	NVME_TCP_F_DATA_SUCCESS = 1 << 3, /* C2HData, only with DATA_LAST */
};

/* Fatal Error Status of TermReq. */
enum nvme_tcp_fes {
	NVME_TCP_FES_INVALID_PDU_HDR = 0x01,
	NVME_TCP_FES_PDU_SEQ_ERR = 0x02,
	NVME_TCP_FES_HDR_DIGEST_ERR = 0x03,
	NVME_TCP_FES_DATA_OUT_OF_RANGE = 0x04,
	NVME_TCP_FES_DATA_LIMIT_EXCEEDED = 0x05, /* in a C2HTermReq */
	NVME_TCP_FES_R2T_LIMIT_EXCEEDED = 0x05,	 /* in an H2CTermReq */
	NVME_TCP_FES_UNSUPPORTED_PARAM = 0x06,
};

enum {
	NVME_TCP_PFV_1_0 = 0,
	NVME_TCP_HPDA_MAX = 31, /* 0's based dwords: 128 bytes */
	NVME_TCP_DIGEST_LEN = 4,
	NVME_TCP_HDGST_ENABLE = 1 << 0, /* ICReq/ICResp DGST */
	NVME_TCP_DDGST_ENABLE = 1 << 1,
	NVME_TCP_MIN_MAXH2CDATA = 4096,
	NVME_TCP_ADMIN_ICD_BYTES = 8192, /* in-capsule bytes every admin queue takes */
	NVME_TCP_TERM_MIN_PLEN = 24,
	NVME_TCP_TERM_MAX_PLEN = 152,
	NVME_TCP_IC_LEN = 128,
	NVME_TCP_DISC_PORT = 8009,
	NVME_TCP_IO_PORT = 4420,
};

struct nvme_tcp_hdr {
	uint8_t type;
	uint8_t flags;
	uint8_t hlen;
	uint8_t pdo;
	le32_t plen;
};
check_size(struct nvme_tcp_hdr, 8);
check_offset(struct nvme_tcp_hdr, flags, 1);
check_offset(struct nvme_tcp_hdr, hlen, 2);
check_offset(struct nvme_tcp_hdr, pdo, 3);
check_offset(struct nvme_tcp_hdr, plen, 4);

struct nvme_tcp_icreq {
	struct nvme_tcp_hdr hdr;
	le16_t pfv;
	uint8_t hpda;
	uint8_t dgst;
	le32_t maxr2t; /* 0's based */
	uint8_t rsvd16[112];
};
check_size(struct nvme_tcp_icreq, 128);
check_offset(struct nvme_tcp_icreq, pfv, 8);
check_offset(struct nvme_tcp_icreq, hpda, 10);
check_offset(struct nvme_tcp_icreq, dgst, 11);
check_offset(struct nvme_tcp_icreq, maxr2t, 12);

struct nvme_tcp_icresp {
	struct nvme_tcp_hdr hdr;
	le16_t pfv;
	uint8_t cpda;
	uint8_t dgst;
	le32_t maxh2cdata; /* bytes */
	uint8_t rsvd16[112];
};
check_size(struct nvme_tcp_icresp, 128);
check_offset(struct nvme_tcp_icresp, pfv, 8);
check_offset(struct nvme_tcp_icresp, cpda, 10);
check_offset(struct nvme_tcp_icresp, dgst, 11);
check_offset(struct nvme_tcp_icresp, maxh2cdata, 12);

struct nvme_tcp_term {
	struct nvme_tcp_hdr hdr;
	le16_t fes;
	le16_t feil; /* Fatal Error Information, low and high half: it lies at offset 10 */
	le16_t feih;
	uint8_t rsvd14[10];
};
check_size(struct nvme_tcp_term, 24);
check_offset(struct nvme_tcp_term, fes, 8);
check_offset(struct nvme_tcp_term, feil, 10);
check_offset(struct nvme_tcp_term, feih, 12);
check_offset(struct nvme_tcp_term, rsvd14, 14);

struct nvme_tcp_cmd {
	struct nvme_tcp_hdr hdr;
	struct nvme_sqe sqe;
};
check_size(struct nvme_tcp_cmd, 72);
check_offset(struct nvme_tcp_cmd, sqe, 8);

struct nvme_tcp_rsp {
	struct nvme_tcp_hdr hdr;
	struct nvme_cqe cqe;
};
check_size(struct nvme_tcp_rsp, 24);
check_offset(struct nvme_tcp_rsp, cqe, 8);

struct nvme_tcp_r2t {
	struct nvme_tcp_hdr hdr;
	le16_t cccid;
	le16_t ttag;
	le32_t r2to;
	le32_t r2tl;
	le32_t rsvd20;
};
check_size(struct nvme_tcp_r2t, 24);
check_offset(struct nvme_tcp_r2t, cccid, 8);
check_offset(struct nvme_tcp_r2t, ttag, 10);
check_offset(struct nvme_tcp_r2t, r2to, 12);
check_offset(struct nvme_tcp_r2t, r2tl, 16);
check_offset(struct nvme_tcp_r2t, rsvd20, 20);

/* H2CData (ttag as given by the R2T) and C2HData (ttag reserved). */
struct nvme_tcp_data {
	struct nvme_tcp_hdr hdr;
	le16_t cccid;
	le16_t ttag;
	le32_t datao;
	le32_t datal;
	le32_t rsvd20;
};
check_size(struct nvme_tcp_data, 24);
check_offset(struct nvme_tcp_data, cccid, 8);
check_offset(struct nvme_tcp_data, ttag, 10);
check_offset(struct nvme_tcp_data, datao, 12);
check_offset(struct nvme_tcp_data, datal, 16);
check_offset(struct nvme_tcp_data, rsvd20, 20);

union nvme_tcp_pdu {
	struct nvme_tcp_hdr hdr;
	struct nvme_tcp_icreq icreq;
	struct nvme_tcp_icresp icresp;
	struct nvme_tcp_term term;
	struct nvme_tcp_cmd cmd;
	struct nvme_tcp_rsp rsp;
	struct nvme_tcp_r2t r2t;
	struct nvme_tcp_data data;
};
check_size(union nvme_tcp_pdu, 128);

#endif /* COMMON_NVME_TCP_H */
