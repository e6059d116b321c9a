/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending half of the PDU engine: a pdu_tx is one thing to say, a txq gathers what a connection
 * has to say into as few send calls as the kernel takes. No I/O, no allocation, no copy of payload.
 *
 *	head: PDU header, its digest, padding | payload (borrowed iovecs) | tail: data digest, and
 *	where it follows at once a second PDU (the CapsuleResp after C2HData), so that both leave in
 *	one piece
 *
 * NVMe/TCP Transport Specification, section 3.6.  Context: the owner's thread.
 */
#ifndef COMMON_PDU_TX_H
#define COMMON_PDU_TX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "common/list.h"
#include "common/nvme_tcp.h"

enum {
	PDU_TX_HEAD_MAX = 200, /* IC 128; TermReq 24 + 128; command 72 + 4 + padding to 128 */
	PDU_TX_TAIL_MAX = 32,  /* data digest 4 + CapsuleResp 24 + digest 4 */
};

struct pdu_tx {
	struct list link;	 /* in a txq */
	const struct iovec *iov; /* payload, borrowed until sent */
	uint16_t nr_iov;
	uint8_t head_len;
	uint8_t tail_len;
	uint32_t data_len; /* payload bytes */
	/* every byte went to the kernel; may be NULL. Never runs inside pdu_txq_push(). */
	void (*sent)(struct pdu_tx *tx);
	uint8_t tail[PDU_TX_TAIL_MAX];
	uint8_t head[PDU_TX_HEAD_MAX];
};

struct pdu_txq {
	struct list list;
	size_t off;   /* bytes of the first entry already sent */
	size_t bytes; /* still to send, all entries */
	bool hdgst;
	bool ddgst;
	uint8_t align; /* PDO alignment in dwords that the peer asked for, 1..32 */
};

void pdu_txq_init(struct pdu_txq *q);

/** pdu_txq_negotiated() - for every PDU built from now on; IC and TermReq never have digests */
void pdu_txq_negotiated(struct pdu_txq *q, bool hdgst, bool ddgst, uint8_t align_dwords);

/*
 * Builders: fill @tx for @q's negotiated digests; lengths and flags are set here. Payload iovecs
 * are borrowed until tx->sent runs and hold at least @len bytes (asserted at the latest when sent).
 * If the data digest is on, the payload is read here and must not change any more. tx->sent and
 * tx->link are the caller's: not touched. hpda, cpda and maxr2t: as on the wire, 0's based. hdr of
 * a TermReq: the header it complains of, cut to 128 bytes.
 */
void pdu_tx_icreq(struct pdu_tx *tx, uint8_t hpda, bool hdgst, bool ddgst, uint32_t maxr2t);
void pdu_tx_icresp(struct pdu_tx *tx, uint8_t cpda, bool hdgst, bool ddgst, uint32_t maxh2cdata);
void pdu_tx_term(struct pdu_tx *tx, enum nvme_tcp_pdu_type type, uint16_t fes, uint32_t fei,
		 const void *hdr, size_t hdr_len);
/* @iov NULL: no in-capsule data. */
void pdu_tx_cmd(struct pdu_tx *tx, const struct pdu_txq *q, const struct nvme_sqe *sqe,
		const struct iovec *iov, uint16_t nr_iov, uint32_t len);
void pdu_tx_rsp(struct pdu_tx *tx, const struct pdu_txq *q, const struct nvme_cqe *cqe);
void pdu_tx_r2t(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid, uint16_t ttag,
		uint32_t r2to, uint32_t r2tl);
/*
 * The whole data of a command in one PDU with DATA_LAST. @rsp: the response that follows in the
 * same send, or NULL with @success: the SUCCESS flag stands for it.
 */
void pdu_tx_c2h_data(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid,
		     const struct iovec *iov, uint16_t nr_iov, uint32_t len,
		     const struct nvme_cqe *rsp, bool success);
void pdu_tx_h2c_data(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid, uint16_t ttag,
		     uint32_t datao, const struct iovec *iov, uint16_t nr_iov, uint32_t len,
		     bool last);

/** pdu_txq_push() - @tx is said after everything already in @q; @q links it until sent */
void pdu_txq_push(struct pdu_txq *q, struct pdu_tx *tx);

static inline bool pdu_txq_empty(const struct pdu_txq *q)
{
	return list_empty(&q->list);
}

/**
 * pdu_txq_iov() - the next bytes to send
 * @max: entries of @iov, 3 at least.
 * Return: entries filled; 0 when there is nothing to send.
 */
int pdu_txq_iov(const struct pdu_txq *q, struct iovec *iov, int max);

/**
 * pdu_txq_advance() - @n bytes went out; runs ->sent of each entry that is complete, in order
 * @n: at most q->bytes (asserted).
 *
 * ->sent may push to @q, build its entry anew, free it, or drop @q; it must not free @q.
 */
void pdu_txq_advance(struct pdu_txq *q, size_t n);

/** pdu_txq_drop() - forget all that is unsent (the connection is gone), running ->sent of each */
void pdu_txq_drop(struct pdu_txq *q);

#endif /* COMMON_PDU_TX_H */
