/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving half of the PDU engine: cuts a byte stream into checked PDUs without doing any I/O
 * itself. Both ends of the protocol use it; what differs (types allowed, header lengths,
 * directions) is an argument.
 *
 * The owner asks where the next bytes go, puts them there, and says how many came:
 *
 *	PDU_RX_MORE	go on
 *	PDU_RX_HEADER	rx->pdu holds a complete PDU header whose lengths, flags and digest are
 *			checked. The owner calls pdu_rx_accept() with the payload's destination (also
 *			for a PDU without payload: iov NULL, nr 0). Until then nothing is read, which is
 *			back-pressure for free.
 *	PDU_RX_DONE	payload complete; rx->ddgst_bad tells whether its digest was wrong (not fatal:
 *			the stream is in step). Reported right by pdu_rx_accept() if the PDU has no
 *			payload. The next call starts the next PDU.
 *	PDU_RX_BAD	fatal: rx->fes and rx->fei say what a TermReq must say; rx->pdu has what was
 *			read of the header (rx->hdr_got bytes). fes 0: close without a word (a broken
 *			TermReq is not answered). The engine takes nothing more.
 *
 * A negotiated digest is mandatory and one that was not negotiated is forbidden, IC and TermReq
 * excepted. A PDU without payload has no data digest. Of several bad fields the one at the lowest
 * offset is reported.
 *
 * What the engine checks: everything in the common header, the header digest, and that DATAL is the
 * payload's length. What needs to know commands or the order of PDUs (IC first and once, tags,
 * offsets, LAST, alignment of DATAL, contents of IC and TermReq) is the owner's.
 *
 * NVMe/TCP Transport Specification, sections 3.3 and 3.6.
 *
 * Context: the owner's thread; no allocation, no clock.
 */
#ifndef COMMON_PDU_RX_H
#define COMMON_PDU_RX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "common/nvme_tcp.h"

enum pdu_rx_event {
	PDU_RX_MORE,
	PDU_RX_HEADER,
	PDU_RX_DONE,
	PDU_RX_BAD,
};

/* What one PDU type may look like. hlen 0: the type is not allowed from this peer. */
struct pdu_rx_rule {
	uint8_t hlen;	   /* exact header length */
	uint8_t flags;	   /* flags that may be set beside the digests */
	bool digests;	   /* digests as negotiated (else none allowed) */
	bool data;	   /* may carry payload */
	bool data_must;	   /* must carry payload */
	uint32_t max_data; /* bytes; the connection's own limits may be lower */
};

enum {
	PDU_RX_NR_TYPES = 0x0a,
};

/* The two directions: what a controller accepts from a host, and a host from a controller. */
extern const struct pdu_rx_rule pdu_rx_from_host[PDU_RX_NR_TYPES];
extern const struct pdu_rx_rule pdu_rx_from_ctrl[PDU_RX_NR_TYPES];

struct pdu_rx {
	/* the current PDU's header as it came, its digest behind; of a TermReq also what follows */
	union nvme_tcp_pdu pdu;
	uint8_t digest[4];		 /* data digest being received */
	const struct pdu_rx_rule *rules; /* borrowed: a table of PDU_RX_NR_TYPES */
	uint8_t state;
	bool hdgst;
	bool ddgst;
	bool ddgst_bad;
	uint8_t hdr_got; /* with HEADER and BAD: bytes of pdu that came, without the digest */
	uint8_t hdr_need;
	uint8_t digest_got;
	uint8_t align; /* dwords - 1: HPDA or CPDA that was agreed on; PDO must be a multiple */
	uint16_t fes;
	uint32_t fei;
	uint32_t max_capsule_data;
	uint32_t max_data_pdu; /* MAXH2CDATA for H2CData; no bound but PLEN's for C2HData */
	uint32_t data_len;     /* payload of the current PDU; a C2HData's up to 4 GiB: check it */
	uint32_t data_left;
	uint32_t pad_left;
	uint32_t crc;
	const struct iovec *iov; /* payload destination, borrowed from the owner until DONE */
	uint32_t nr_iov;
	uint32_t iov_index;
	size_t iov_off;
	uint8_t scratch[128]; /* pad bytes go here */
};

/**
 * pdu_rx_init() - start with the first PDU of a connection, digests off
 * @rx: caller's memory.
 * @rules: table of PDU_RX_NR_TYPES entries that outlives @rx.
 * @max_capsule_data: in-capsule bytes that the peer may send, 0..MAX_ICD_BYTES.
 * @max_data_pdu: bytes of one data PDU, 1..UINT32_MAX.
 */
void pdu_rx_init(struct pdu_rx *rx, const struct pdu_rx_rule *rules, uint32_t max_capsule_data,
		 uint32_t max_data_pdu);

/**
 * pdu_rx_negotiated() - what the IC exchange agreed on, valid from the next PDU
 * @align_dwords: PDO alignment in dwords, 1..32.
 */
void pdu_rx_negotiated(struct pdu_rx *rx, bool hdgst, bool ddgst, uint8_t align_dwords);

/**
 * pdu_rx_set_max_data() - new payload limits, valid from the next PDU
 * @max_capsule_data, @max_data_pdu: as in pdu_rx_init().
 *
 * A queue's in-capsule size is known after Connect. More than that is FES 5 (a C2HData: FES 4).
 */
void pdu_rx_set_max_data(struct pdu_rx *rx, uint32_t max_capsule_data, uint32_t max_data_pdu);

/**
 * pdu_rx_where() - where the next received bytes go
 *
 * Return: a piece of memory; length 0 while the engine waits for pdu_rx_accept() or after
 * PDU_RX_BAD.
 */
struct iovec pdu_rx_where(const struct pdu_rx *rx);

/**
 * pdu_rx_payload_iov() - the rest of the current payload's destination as an iovec list
 * @iov: receives up to @max entries.
 *
 * For a receive call that fills the payload in place with a look-ahead behind it. The digest and
 * what follows are not part of it. Return: number of entries, none of length 0; 0 when the engine
 * is not within a payload or the payload is discarded.
 */
int pdu_rx_payload_iov(const struct pdu_rx *rx, struct iovec *iov, int max);

/**
 * pdu_rx_advance() - @n bytes were put where pdu_rx_where() or pdu_rx_payload_iov() said
 * @n: at most what was offered.
 */
enum pdu_rx_event pdu_rx_advance(struct pdu_rx *rx, size_t n);

/**
 * pdu_rx_feed() - take bytes from a look-ahead buffer
 * @buf, @len: received bytes, copied to where they belong.
 * @used: bytes consumed; may be less than @len only when an event other than PDU_RX_MORE is
 *	returned. While the engine waits for pdu_rx_accept(), nothing is consumed and
 *	PDU_RX_HEADER returned again; after PDU_RX_BAD likewise.
 */
enum pdu_rx_event pdu_rx_feed(struct pdu_rx *rx, const void *buf, size_t len, size_t *used);

/**
 * pdu_rx_feed_in_place() - the same for bytes that were received where their payload may belong
 *
 * Header and digest bytes are copied as pdu_rx_feed() does; payload is taken only where it lies in
 * its destination already, memory of payloads is never written to. PDU_RX_MORE with *used < @len:
 * the next byte is payload that lies elsewhere, pdu_rx_feed() would move it.
 */
enum pdu_rx_event pdu_rx_feed_in_place(struct pdu_rx *rx, const void *buf, size_t len,
				       size_t *used);

/* Which part of a PDU the next byte belongs to. */
enum pdu_rx_part {
	PDU_RX_IN_HEADER, /* hdr_got bytes of it came, 0: the next byte begins a PDU */
	PDU_RX_IN_PAYLOAD,
	PDU_RX_IN_DIGEST, /* behind the payload, digest_got bytes of it came */
	PDU_RX_ELSEWHERE, /* padding, payload that is dropped, a TermReq's rest, or nothing is taken */
};

enum pdu_rx_part pdu_rx_part(const struct pdu_rx *rx);

/**
 * pdu_rx_accept() - destination of the current PDU's payload, after PDU_RX_HEADER
 * @iov, @nr: borrowed until PDU_RX_DONE; the sum of the lengths is at least @off + rx->data_len
 * (asserted). NULL and 0 if data_len is 0.
 * @off: where within @iov, in bytes.
 *
 * Return: PDU_RX_MORE, or PDU_RX_DONE for a PDU without payload.
 */
enum pdu_rx_event pdu_rx_accept_at(struct pdu_rx *rx, const struct iovec *iov, uint32_t nr,
				   size_t off);

static inline enum pdu_rx_event pdu_rx_accept(struct pdu_rx *rx, const struct iovec *iov,
					      uint32_t nr)
{
	return pdu_rx_accept_at(rx, iov, nr, 0);
}

/** pdu_rx_discard() - like accept, but the payload is dropped (its digest is still checked) */
enum pdu_rx_event pdu_rx_discard(struct pdu_rx *rx);

#endif /* COMMON_PDU_RX_H */
