/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PDUs as a foreign peer would write them, for tests of the PDU engine: nothing here uses the code
 * under test, not even its CRC. And a small generator of pseudo-random numbers, the same on every
 * machine. NVMe/TCP Transport Specification, section 3.6.
 */
#ifndef TESTS_UNIT_PDU_WIRE_H
#define TESTS_UNIT_PDU_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rng {
	uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
	/* splitmix64 */
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* 0..n-1 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* One bit at a time, from the polynomial 1EDC6F41h reflected. */
static inline uint32_t wire_crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	while (len--) {
		int bit;

		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* What a connection agreed on. */
struct wire_conn {
	bool hdgst;
	bool ddgst;
	uint8_t align; /* dwords, 1..32 */
};

/*
 * One PDU to write: type, flags beside those of digests, bytes of payload (TermReq: of what follows
 * it).
 */
struct wire_pdu {
	uint8_t type;
	uint8_t flags;
	uint32_t data_len;
};

static inline uint8_t wire_hlen(uint8_t type)
{
	static const uint8_t hlen[] = { 128, 128, 24, 24, 72, 24, 24, 24, 0, 24 };

	return type < sizeof(hlen) ? hlen[type] : 0;
}

static inline bool wire_has_digests(uint8_t type)
{
	return type >= 4;
}

static inline bool wire_is_term(uint8_t type)
{
	return type == 2 || type == 3;
}

/* Offset of the payload, or the end of the header with its digest. */
static inline uint32_t wire_pdo(const struct wire_conn *c, const struct wire_pdu *pdu)
{
	uint32_t base = wire_hlen(pdu->type) + (wire_has_digests(pdu->type) && c->hdgst ? 4u : 0);
	uint32_t unit = c->align * 4u;

	return pdu->data_len && !wire_is_term(pdu->type) ? (base + unit - 1) / unit * unit : base;
}

/* Makes the header digest right again after a change of the header. */
static inline void wire_fix_hdgst(uint8_t *p)
{
	wire_put32(p + wire_hlen(p[0]), wire_crc32c(p, wire_hlen(p[0])));
}

/* Writes @pdu to @out, with contents that follow from @seed. Return: its length. */
static inline uint32_t wire_write(uint8_t *out, const struct wire_conn *c,
				  const struct wire_pdu *pdu, uint64_t seed)
{
	uint8_t hlen = wire_hlen(pdu->type);
	uint32_t pdo = wire_pdo(c, pdu);
	bool digests = wire_has_digests(pdu->type);
	bool ddgst = digests && c->ddgst && pdu->data_len;
	uint32_t plen = pdo + pdu->data_len + (ddgst ? 4 : 0);
	struct rng rng = { seed };
	uint32_t i;

	for (i = 8; i < plen; i++)
		out[i] = (uint8_t)rng_next(&rng);
	out[0] = pdu->type;
	out[1] = pdu->flags | (digests && c->hdgst ? 1 : 0) | (ddgst ? 2 : 0);
	out[2] = hlen;
	out[3] = pdu->data_len && digests ? (uint8_t)pdo : 0;
	wire_put32(out + 4, plen);
	if (pdu->type == 6 || pdu->type == 7)
		wire_put32(out + 16, pdu->data_len);
	if (digests && c->hdgst)
		wire_fix_hdgst(out);
	if (ddgst)
		wire_put32(out + plen - 4, wire_crc32c(out + pdo, pdu->data_len));
	return plen;
}

/* Where the PDU at @p says its digests are, the right ones are put. */
static inline void wire_repair(uint8_t *p, size_t len)
{
	while (len >= 8) {
		uint8_t hlen = wire_hlen(p[0]);
		uint32_t plen = wire_get32(p + 4);

		if (!hlen || plen < 8)
			return;
		if (wire_has_digests(p[0]) && (p[1] & 1) && len >= hlen + 4u)
			wire_fix_hdgst(p);
		if (plen > len)
			return;
		if (wire_has_digests(p[0]) && (p[1] & 2) && p[3] >= 8 && plen >= p[3] + 4u)
			wire_put32(p + plen - 4, wire_crc32c(p + p[3], plen - 4 - p[3]));
		p += plen;
		len -= plen;
	}
}

#endif /* TESTS_UNIT_PDU_WIRE_H */
