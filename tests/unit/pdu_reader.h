/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An owner of a receiving engine, for tests: accepts every payload into a list of uneven iovecs and
 * notes what it saw. Bytes can be given to it in each way the engine knows.
 */
#ifndef TESTS_UNIT_PDU_READER_H
#define TESTS_UNIT_PDU_READER_H

#include "common/pdu_rx.h"
#include "tests/unit/pdu_wire.h"

enum {
	READER_SEEN = 64,
	READER_IOV = 12,
	READER_PAYLOAD = 8192,
	READER_CANARY = 0xa5,
};

/* One PDU, as its end was reported. */
struct reader_seen {
	uint8_t header[128];
	uint32_t data_len;
	uint32_t data_crc; /* of what lies in the destination; 0 if discarded */
	bool ddgst_bad;
};

enum reader_way {
	WAY_WHERE,   /* every byte where pdu_rx_where() says */
	WAY_FEED,    /* all out of a look-ahead */
	WAY_PAYLOAD, /* payload straight to its place, the rest out of a look-ahead */
	WAY_MIXED,   /* at random, one after the other */
	WAY_NR,
};

struct reader {
	struct pdu_rx rx;
	struct rng rng;
	bool discard;
	bool stopped; /* leave headers unaccepted */
	bool is_bad;
	bool waiting;	 /* with ->stopped: a header was reported */
	bool broken_api; /* the engine did what it must not do */
	uint32_t nr_seen;
	uint32_t nr_headers;
	struct iovec iov[READER_IOV];
	uint32_t nr_iov;
	struct reader_seen seen[READER_SEEN];
	uint8_t payload[READER_PAYLOAD + 1];
};

static inline void reader_init(struct reader *r, const struct pdu_rx_rule *rules,
			       const struct wire_conn *c)
{
	r->rng.s = 1;
	r->discard = false;
	r->stopped = false;
	r->is_bad = false;
	r->waiting = false;
	r->broken_api = false;
	r->nr_seen = 0;
	r->nr_headers = 0;
	pdu_rx_init(&r->rx, rules, READER_PAYLOAD, READER_PAYLOAD);
	pdu_rx_negotiated(&r->rx, c->hdgst, c->ddgst, c->align);
}

/* The destination in pieces of 0, 1 and more bytes, the last one longer than needed. */
static inline void reader_make_iov(struct reader *r)
{
	static const uint32_t piece[] = { 0, 1, 5, 0, 64, 1000 };
	uint32_t len = r->rx.data_len;
	uint32_t off = 0;
	uint32_t n = 0;
	uint32_t at = rng_below(&r->rng, 6);

	while (off < len && n < READER_IOV - 1) {
		uint32_t take = piece[at++ % 6];

		take = take > len - off ? len - off : take;
		r->iov[n].iov_base = r->payload + off;
		r->iov[n++].iov_len = take;
		off += take;
	}
	r->iov[n].iov_base = r->payload + off;
	r->iov[n++].iov_len = sizeof(r->payload) - off;
	r->nr_iov = n;
}

static inline void reader_note(struct reader *r)
{
	struct reader_seen *s = &r->seen[r->nr_seen];

	if (r->nr_seen == READER_SEEN)
		return;
	r->nr_seen++;
	memcpy(s->header, &r->rx.pdu, sizeof(s->header));
	s->data_len = r->rx.data_len;
	s->ddgst_bad = r->rx.ddgst_bad;
	s->data_crc = 0;
	if (s->data_len && !r->discard) {
		s->data_crc = wire_crc32c(r->payload, s->data_len);
		if (r->payload[s->data_len] != READER_CANARY)
			r->broken_api = true;
	}
}

static inline void reader_event(struct reader *r, enum pdu_rx_event ev)
{
	if (ev == PDU_RX_HEADER) {
		r->nr_headers++;
		if (r->stopped) {
			r->waiting = true;
			return;
		}
		if (r->discard || r->rx.data_len > READER_PAYLOAD) {
			ev = pdu_rx_discard(&r->rx);
		} else if (r->rx.data_len) {
			reader_make_iov(r);
			r->payload[r->rx.data_len] = READER_CANARY;
			ev = pdu_rx_accept(&r->rx, r->iov, r->nr_iov);
		} else {
			ev = pdu_rx_accept(&r->rx, NULL, 0);
		}
	}
	if (ev == PDU_RX_DONE)
		reader_note(r);
	else if (ev == PDU_RX_BAD)
		r->is_bad = true;
	else if (ev == PDU_RX_HEADER)
		r->broken_api = true;
}

static inline size_t reader_where(struct reader *r, const uint8_t *p, size_t n)
{
	struct iovec v = pdu_rx_where(&r->rx);

	if (!v.iov_len) {
		r->broken_api = true;
		return n;
	}
	n = n < v.iov_len ? n : v.iov_len;
	memcpy(v.iov_base, p, n);
	reader_event(r, pdu_rx_advance(&r->rx, n));
	return n;
}

static inline size_t reader_feed(struct reader *r, const uint8_t *p, size_t n)
{
	size_t used = 0;
	enum pdu_rx_event ev = pdu_rx_feed(&r->rx, p, n, &used);

	if (used > n || (used < n && ev == PDU_RX_MORE))
		r->broken_api = true;
	reader_event(r, ev);
	return used;
}

static inline size_t reader_payload(struct reader *r, const uint8_t *p, size_t n)
{
	struct iovec v[3];
	int nr = pdu_rx_payload_iov(&r->rx, v, 3);
	size_t got = 0;
	int i;

	if (!nr)
		return reader_feed(r, p, n);
	for (i = 0; i < nr && got < n; i++) {
		size_t piece = n - got < v[i].iov_len ? n - got : v[i].iov_len;

		if (!v[i].iov_len)
			r->broken_api = true;
		memcpy(v[i].iov_base, p + got, piece);
		got += piece;
	}
	reader_event(r, pdu_rx_advance(&r->rx, got));
	return got;
}

/* Gives @n bytes. Return: bytes taken, less than @n after a fatal error or with ->stopped. */
static inline size_t reader_give(struct reader *r, enum reader_way way, const uint8_t *p, size_t n)
{
	size_t off = 0;

	while (off < n && !r->is_bad && !r->waiting && !r->broken_api) {
		enum reader_way now = way == WAY_MIXED ? rng_below(&r->rng, WAY_MIXED) : way;

		if (now == WAY_WHERE)
			off += reader_where(r, p + off, n - off);
		else if (now == WAY_FEED)
			off += reader_feed(r, p + off, n - off);
		else
			off += reader_payload(r, p + off, n - off);
	}
	return off;
}

#endif /* TESTS_UNIT_PDU_READER_H */
