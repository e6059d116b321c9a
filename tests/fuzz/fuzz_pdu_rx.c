// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the receiving half of the PDU engine. The input is a connection's parameters and a
 * byte stream; it is given to two engines, to one at once and to the other in pieces and in
 * changing ways. Both must judge alike, and an oracle that reads the stream by itself must agree
 * with every PDU they let pass.
 *
 * A fuzzer does not guess digests: with FUZZ_REPAIR they are made right before the stream is used.
 * Built and run by tests/fuzz/run. With -DCANARY it fails when it reaches the depth it is meant to
 * reach.
 *
 * fuzz-sources: common/pdu_rx.c common/crc.c common/iov.c
 * fuzz-libs: -lisal
 */
#include "common/util.h"
#include "tests/unit/pdu_reader.h"

enum {
	FUZZ_CTRL = 1 << 0,
	FUZZ_HDGST = 1 << 1,
	FUZZ_DDGST = 1 << 2,
	FUZZ_REPAIR = 1 << 3,
	FUZZ_DISCARD = 1 << 4,
	FUZZ_ALIGN_SHIFT = 5,
	STREAM_MAX = 16384,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t stream[STREAM_MAX];
static struct reader whole, pieces;

#define must(x)                           \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

/* One PDU that was let pass, by the text of the specification. Return: its length. */
static uint32_t oracle_pdu(const struct reader_seen *s, const uint8_t *p, size_t len,
			   const struct wire_conn *c)
{
	uint8_t type = p[0];
	uint8_t hlen = wire_hlen(type);
	uint32_t plen, base, digest;

	must(len >= 24 && len >= hlen);
	plen = wire_get32(p + 4);
	must(plen <= len && p[2] == hlen);
	must(!memcmp(s->header, p, hlen));
	if (!wire_has_digests(type)) {
		must(!p[1] && !p[3] && !s->data_len);
		must(wire_is_term(type) ? plen >= 24 && plen <= 152 : plen == 128);
		return plen;
	}
	base = hlen + (c->hdgst ? 4u : 0);
	must(plen >= base);
	must((p[1] & 1) == c->hdgst);
	if (c->hdgst)
		must(wire_get32(p + hlen) == wire_crc32c(p, hlen));
	must(s->data_len || (plen == base && type != 6 && type != 7));
	if (!s->data_len)
		return plen;
	must(type == 4 || type == 6 || type == 7);
	digest = c->ddgst ? 4 : 0;
	must(!!(p[1] & 2) == c->ddgst);
	must(p[3] >= base && p[3] % (c->align * 4) == 0);
	must(s->data_len == plen - p[3] - digest && s->data_len <= READER_PAYLOAD);
	if (type != 4)
		must(wire_get32(p + 16) == s->data_len);
	if (!whole.discard)
		must(s->data_crc == wire_crc32c(p + p[3], s->data_len));
	must(s->ddgst_bad ==
	     (c->ddgst && wire_get32(p + plen - 4) != wire_crc32c(p + p[3], s->data_len)));
#ifdef CANARY
	/* more padding than needed, lengths and both digests right: none of the seeds has that */
	must(!(c->hdgst && c->ddgst && p[3] >= base + c->align * 4 && !s->ddgst_bad));
#endif
	return plen;
}

static void oracle(const struct reader *r, size_t len, const struct wire_conn *c)
{
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < r->nr_seen; i++)
		at += oracle_pdu(&r->seen[i], stream + at, len - at, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t aligns[] = { 1, 2, 3, 4, 8, 16, 31, 32 };
	const struct pdu_rx_rule *rules;
	struct wire_conn c;
	size_t at = 0;
	size_t len;

	if (size < 2)
		return 0;
	len = min_of(size - 2, (size_t)STREAM_MAX);
	memcpy(stream, data + 2, len);
	if (data[0] & FUZZ_REPAIR)
		wire_repair(stream, len);
	rules = data[0] & FUZZ_CTRL ? pdu_rx_from_ctrl : pdu_rx_from_host;
	c.hdgst = data[0] & FUZZ_HDGST;
	c.ddgst = data[0] & FUZZ_DDGST;
	c.align = aligns[data[0] >> FUZZ_ALIGN_SHIFT];

	reader_init(&whole, rules, &c);
	whole.discard = data[0] & FUZZ_DISCARD;
	must(reader_give(&whole, WAY_FEED, stream, len) == len || whole.is_bad);
	reader_init(&pieces, rules, &c);
	pieces.discard = whole.discard;
	pieces.rng.s = data[1];
	while (at < len && !pieces.is_bad) {
		size_t n =
			min_of(len - at, (size_t)1 + rng_below(&pieces.rng, data[1] & 1 ? 8 : 300));

		at += reader_give(&pieces, rng_below(&pieces.rng, WAY_NR), stream + at, n);
	}

	must(!whole.broken_api && !pieces.broken_api);
	must(whole.is_bad == pieces.is_bad && whole.nr_headers == pieces.nr_headers);
	must(whole.nr_seen == pieces.nr_seen);
	must(whole.rx.fes == pieces.rx.fes && whole.rx.fei == pieces.rx.fei);
	oracle(&whole, len, &c);
	oracle(&pieces, len, &c);
	return 0;
}
