// SPDX-License-Identifier: BSD-2-Clause
/*
 * The receiving half of the PDU engine: a state machine that is given bytes and answers with
 * events. The bytes either lie where pdu_rx_where() wanted them already (pdu_rx_advance()), or are
 * copied there (pdu_rx_feed()); behind that both are the same code, take().
 *
 *	COMMON -> HEADER -> [TERM_REST] -> WAIT -> [PAD] -> [DATA or DROP -> [DDGST]] -> COMMON ...
 *
 * The eight common bytes are checked before anything else of a PDU is believed, its type before it
 * is an index.
 *
 * Context: the owner's thread; no allocation, no clock. Entry points: see pdu_rx.h.
 * NVMe/TCP Transport Specification, sections 3.3 (PDUs, digests, padding), 3.5 (errors) and 3.6
 * (layouts).
 */
#include "common/crc.h"
#include "common/iov.h"
#include "common/limits.h"
#include "common/pdu_rx.h"

enum {
	RX_COMMON,    /* within the bytes that every PDU has; the first eight are not checked yet */
	RX_HEADER,    /* within the rest of the header and its digest */
	RX_TERM_REST, /* what of a long TermReq does not fit into rx->pdu */
	RX_WAIT,      /* for pdu_rx_accept() */
	RX_PAD,
	RX_DATA,
	RX_DROP, /* payload that nobody wants */
	RX_DDGST,
	RX_BAD,
};

enum {
	COMMON_BYTES = sizeof(struct nvme_tcp_hdr),
	SHORTEST_PDU = 24,
	COPY_PIECE = 8192, /* copied, then read again for the digest while it is in the first-level
			      cache */
};

const struct pdu_rx_rule pdu_rx_from_host[PDU_RX_NR_TYPES] = {
	[NVME_TCP_ICREQ] = { .hlen = sizeof(struct nvme_tcp_icreq) },
	[NVME_TCP_H2C_TERM] = { .hlen = sizeof(struct nvme_tcp_term) },
	[NVME_TCP_CMD] = {
		.hlen = sizeof(struct nvme_tcp_cmd),
		.digests = true,
		.data = true,
		.max_data = MAX_ICD_BYTES,
	},
	[NVME_TCP_H2C_DATA] = {
		.hlen = sizeof(struct nvme_tcp_data),
		.flags = NVME_TCP_F_DATA_LAST,
		.digests = true,
		.data = true,
		.data_must = true,
		.max_data = UINT32_MAX,
	},
};

const struct pdu_rx_rule pdu_rx_from_ctrl[PDU_RX_NR_TYPES] = {
	[NVME_TCP_ICRESP] = { .hlen = sizeof(struct nvme_tcp_icresp) },
	[NVME_TCP_C2H_TERM] = { .hlen = sizeof(struct nvme_tcp_term) },
	[NVME_TCP_RSP] = { .hlen = sizeof(struct nvme_tcp_rsp), .digests = true },
	[NVME_TCP_C2H_DATA] = {
		.hlen = sizeof(struct nvme_tcp_data),
		.flags = NVME_TCP_F_DATA_LAST | NVME_TCP_F_DATA_SUCCESS,
		.digests = true,
		.data = true,
		.data_must = true,
		.max_data = UINT32_MAX,
	},
	[NVME_TCP_R2T] = { .hlen = sizeof(struct nvme_tcp_r2t), .digests = true },
};

static uint8_t *header_bytes(struct pdu_rx *rx)
{
	return (uint8_t *)&rx->pdu;
}

static enum pdu_rx_event bad(struct pdu_rx *rx, uint16_t fes, uint32_t fei)
{
	rx->state = RX_BAD;
	rx->fes = fes;
	rx->fei = fei;
	return PDU_RX_BAD;
}

static enum pdu_rx_event bad_field(struct pdu_rx *rx, uint32_t offset)
{
	return bad(rx, NVME_TCP_FES_INVALID_PDU_HDR, offset);
}

/* The next bytes are a new PDU's; rx->pdu keeps the old one until they come. */
static enum pdu_rx_event pdu_end(struct pdu_rx *rx)
{
	rx->state = RX_COMMON;
	rx->hdr_got = 0;
	rx->hdr_need = SHORTEST_PDU;
	return PDU_RX_DONE;
}

/* ---- header ---- */

/* A TermReq ends the connection in any case: a broken one is not answered. */
static enum pdu_rx_event check_term(struct pdu_rx *rx)
{
	const struct nvme_tcp_hdr *hdr = &rx->pdu.hdr;
	uint32_t plen = le32_get(hdr->plen);

	if (hdr->flags || hdr->hlen != sizeof(struct nvme_tcp_term) || hdr->pdo ||
	    plen < NVME_TCP_TERM_MIN_PLEN || plen > NVME_TCP_TERM_MAX_PLEN)
		return bad(rx, 0, 0);
	rx->hdr_need = (uint8_t)min_of(plen, (uint32_t)sizeof(rx->pdu));
	rx->pad_left = plen - rx->hdr_need;
	return PDU_RX_MORE;
}

/*
 * Data digests are there exactly when there is data, but other targets overlook the flag on a PDU
 * without data, so it is not refused there if data digests were negotiated.
 */
static bool flags_ok(const struct pdu_rx *rx, const struct pdu_rx_rule *rule, bool data)
{
	uint8_t flags = rx->pdu.hdr.flags;
	uint8_t may = rule->flags;
	uint8_t must = 0;

	if (rule->digests && rx->hdgst)
		must |= NVME_TCP_F_HDGST;
	if (rule->digests && rx->ddgst && rule->data) {
		may |= NVME_TCP_F_DDGST;
		if (data)
			must |= NVME_TCP_F_DDGST;
	}
	if ((flags & must) != must || (flags & ~(may | must)))
		return false;
	return !(flags & NVME_TCP_F_DATA_SUCCESS) || (flags & NVME_TCP_F_DATA_LAST);
}

static enum pdu_rx_event check_max_data(struct pdu_rx *rx, const struct pdu_rx_rule *rule)
{
	uint8_t type = rx->pdu.hdr.type;
	uint32_t limit = type == NVME_TCP_CMD ? rx->max_capsule_data : rx->max_data_pdu;

	if (rx->data_len <= limit && rx->data_len <= rule->max_data)
		return PDU_RX_MORE;
	return bad(rx,
		   type == NVME_TCP_C2H_DATA ? NVME_TCP_FES_DATA_OUT_OF_RANGE
					     : NVME_TCP_FES_DATA_LIMIT_EXCEEDED,
		   0);
}

/*
 * PDO and PLEN of a PDU that may carry payload; @base is the length of the header with its digest.
 */
static enum pdu_rx_event check_data(struct pdu_rx *rx, const struct pdu_rx_rule *rule,
				    uint32_t base)
{
	uint32_t plen = le32_get(rx->pdu.hdr.plen);
	uint32_t pdo = rx->pdu.hdr.pdo;
	uint32_t digest = rx->ddgst ? NVME_TCP_DIGEST_LEN : 0;

	if (pdo && (pdo < base || pdo % ((rx->align + 1u) * 4)))
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, pdo));
	if (plen < base)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, plen));
	if (pdo > plen || (!pdo && plen > base))
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, pdo));
	if (plen == base) {
		if (rule->data_must)
			return bad_field(rx, offsetof(struct nvme_tcp_hdr, plen));
		return PDU_RX_MORE;
	}
	if (plen - pdo <= digest)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, plen));
	rx->data_len = plen - pdo - digest;
	rx->pad_left = pdo - base;
	return check_max_data(rx, rule);
}

/* The common header is there: believe it or not. */
static enum pdu_rx_event check_common(struct pdu_rx *rx)
{
	const struct nvme_tcp_hdr *hdr = &rx->pdu.hdr;
	const struct pdu_rx_rule *rule;
	uint32_t base;

	if (hdr->type >= PDU_RX_NR_TYPES || !rx->rules[hdr->type].hlen)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, type));
	rule = &rx->rules[hdr->type];
	rx->state = RX_HEADER;
	rx->data_len = 0;
	rx->pad_left = 0;
	rx->ddgst_bad = false;
	if (hdr->type == NVME_TCP_H2C_TERM || hdr->type == NVME_TCP_C2H_TERM)
		return check_term(rx);

	base = rule->hlen + (rule->digests && rx->hdgst ? NVME_TCP_DIGEST_LEN : 0);
	if (!flags_ok(rx, rule, le32_get(hdr->plen) > base))
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, flags));
	if (hdr->hlen != rule->hlen)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, hlen));
	rx->hdr_need = (uint8_t)base;
	if (rule->data)
		return check_data(rx, rule, base);
	if (hdr->pdo)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, pdo));
	if (le32_get(hdr->plen) != base)
		return bad_field(rx, offsetof(struct nvme_tcp_hdr, plen));
	return PDU_RX_MORE;
}

/* The owner says where the payload goes. */
static enum pdu_rx_event header_end(struct pdu_rx *rx)
{
	rx->state = RX_WAIT;
	return PDU_RX_HEADER;
}

/* Header and digest are there. */
static enum pdu_rx_event check_header(struct pdu_rx *rx)
{
	const struct pdu_rx_rule *rule = &rx->rules[rx->pdu.hdr.type];

	if (rule->digests && rx->hdgst) {
		le32_t digest;

		rx->hdr_got = rule->hlen;
		memcpy(&digest, header_bytes(rx) + rule->hlen, sizeof(digest));
		if (le32_get(digest) != crc32c_digest(&rx->pdu, rule->hlen))
			return bad(rx, NVME_TCP_FES_HDR_DIGEST_ERR, le32_get(digest));
	}
	if (rule->data_must && le32_get(rx->pdu.data.datal) != rx->data_len)
		return bad_field(rx, offsetof(struct nvme_tcp_data, datal));
	return header_end(rx);
}

static enum pdu_rx_event take_header(struct pdu_rx *rx, const uint8_t *src, size_t n)
{
	if (src)
		memcpy(header_bytes(rx) + rx->hdr_got, src, n);
	rx->hdr_got += n;
	if (rx->state == RX_COMMON) {
		if (rx->hdr_got < COMMON_BYTES)
			return PDU_RX_MORE;
		if (check_common(rx) == PDU_RX_BAD)
			return PDU_RX_BAD;
	}
	if (rx->hdr_got < rx->hdr_need)
		return PDU_RX_MORE;
	if (rx->pad_left && !rx->data_len) { /* padding comes with payload, so this is a TermReq */
		rx->state = RX_TERM_REST;
		return PDU_RX_MORE;
	}
	return check_header(rx);
}

/* ---- payload ---- */

/* Leaves the cursor at a piece that is not empty, if payload is still to come. */
static void skip_empty(struct pdu_rx *rx)
{
	while (rx->data_left && rx->iov_off == rx->iov[rx->iov_index].iov_len) {
		rx->iov_index++;
		rx->iov_off = 0;
	}
}

static enum pdu_rx_event payload_end(struct pdu_rx *rx)
{
	if (!rx->ddgst)
		return pdu_end(rx);
	rx->state = RX_DDGST;
	rx->digest_got = 0;
	return PDU_RX_MORE;
}

static enum pdu_rx_event take_data(struct pdu_rx *rx, const uint8_t *src, size_t n)
{
	size_t most = src && rx->ddgst ? COPY_PIECE : SIZE_MAX;

	while (n) {
		const struct iovec *v = &rx->iov[rx->iov_index];
		uint8_t *dst = (uint8_t *)v->iov_base + rx->iov_off;
		size_t room = min_of(v->iov_len - rx->iov_off, most);
		size_t piece = min_of(n, room);

		if (src) {
			memcpy(dst, src, piece);
			src += piece;
		}
		if (rx->ddgst)
			rx->crc = crc32c_update(rx->crc, dst, piece);
		n -= piece;
		rx->data_left -= (uint32_t)piece;
		rx->iov_off += piece;
		skip_empty(rx);
	}
	return rx->data_left ? PDU_RX_MORE : payload_end(rx);
}

static enum pdu_rx_event take_dropped(struct pdu_rx *rx, const uint8_t *src, size_t n)
{
	if (rx->ddgst)
		rx->crc = crc32c_update(rx->crc, src ? src : rx->scratch, n);
	rx->data_left -= (uint32_t)n;
	return rx->data_left ? PDU_RX_MORE : payload_end(rx);
}

static enum pdu_rx_event take_digest(struct pdu_rx *rx, const uint8_t *src, size_t n)
{
	le32_t digest;

	if (src)
		memcpy(rx->digest + rx->digest_got, src, n);
	rx->digest_got += n;
	if (rx->digest_got < NVME_TCP_DIGEST_LEN)
		return PDU_RX_MORE;
	memcpy(&digest, rx->digest, sizeof(digest));
	rx->ddgst_bad = le32_get(digest) != crc32c_final(rx->crc);
	return pdu_end(rx);
}

static void payload_start(struct pdu_rx *rx)
{
	if (rx->iov) {
		rx->state = RX_DATA;
		skip_empty(rx);
	} else {
		rx->state = RX_DROP;
	}
}

/* ---- the machine ---- */

/* Bytes that take() accepts at once from elsewhere; 0: none for now. */
static size_t wanted(const struct pdu_rx *rx)
{
	/* nearly always */
	if (likely(rx->state <= RX_HEADER))
		return rx->hdr_need - rx->hdr_got;
	if (likely(rx->state == RX_DATA))
		return rx->data_left;
	switch (rx->state) {
	case RX_TERM_REST:
	case RX_PAD:
		return rx->pad_left;
	case RX_DROP:
		return rx->data_left;
	case RX_DDGST:
		return NVME_TCP_DIGEST_LEN - rx->digest_got;
	default:
		return 0;
	}
}

/* @n bytes, 1..wanted(): from @src, or NULL when they are in their place. */
static enum pdu_rx_event take(struct pdu_rx *rx, const uint8_t *src, size_t n)
{
	if (likely(rx->state <= RX_HEADER))
		return take_header(rx, src, n);
	if (likely(rx->state == RX_DATA))
		return take_data(rx, src, n);
	switch (rx->state) {
	case RX_TERM_REST:
		rx->pad_left -= (uint32_t)n;
		return rx->pad_left ? PDU_RX_MORE : header_end(rx);
	case RX_PAD:
		rx->pad_left -= (uint32_t)n;
		if (!rx->pad_left)
			payload_start(rx);
		return PDU_RX_MORE;
	case RX_DROP:
		return take_dropped(rx, src, n);
	default:
		return take_digest(rx, src, n);
	}
}

/* Nothing can be taken in this state: why? */
static enum pdu_rx_event stalled(const struct pdu_rx *rx)
{
	return rx->state == RX_BAD ? PDU_RX_BAD : PDU_RX_HEADER;
}

struct iovec pdu_rx_where(const struct pdu_rx *rx)
{
	const struct iovec *v;
	const uint8_t *base;
	size_t len = wanted(rx);

	switch (rx->state) {
	case RX_COMMON:
	case RX_HEADER:
		base = (const uint8_t *)&rx->pdu + rx->hdr_got;
		break;
	case RX_DATA:
		v = &rx->iov[rx->iov_index];
		base = (const uint8_t *)v->iov_base + rx->iov_off;
		len = min_of(len, v->iov_len - rx->iov_off);
		break;
	case RX_DDGST:
		base = rx->digest + rx->digest_got;
		break;
	default:
		base = rx->scratch;
		len = min_of(len, sizeof(rx->scratch));
		break;
	}
	return (struct iovec){ (void *)base, len };
}

int pdu_rx_payload_iov(const struct pdu_rx *rx, struct iovec *iov, int max)
{
	size_t left = rx->data_left;
	size_t off = rx->iov_off;
	uint32_t i = rx->iov_index;
	int n = 0;

	if (rx->state != RX_DATA)
		return 0;
	for (; left && n < max; i++, off = 0) {
		size_t piece = min_of(left, rx->iov[i].iov_len - off);

		if (!piece)
			continue;
		iov[n].iov_base = (uint8_t *)rx->iov[i].iov_base + off;
		iov[n++].iov_len = piece;
		left -= piece;
	}
	return n;
}

enum pdu_rx_event pdu_rx_advance(struct pdu_rx *rx, size_t n)
{
	if (!n)
		return wanted(rx) ? PDU_RX_MORE : stalled(rx);
	assert(n <= (rx->state == RX_DATA ? rx->data_left : pdu_rx_where(rx).iov_len));
	return take(rx, NULL, n);
}

enum pdu_rx_event pdu_rx_feed(struct pdu_rx *rx, const void *buf, size_t len, size_t *used)
{
	enum pdu_rx_event ev;
	const uint8_t *p = buf;
	size_t left = len;

	do {
		size_t n = min_of(left, wanted(rx));

		if (unlikely(!n)) {
			ev = pdu_rx_advance(rx, 0);
			break;
		}
		ev = take(rx, p, n);
		p += n;
		left -= n;
	} while (left && ev == PDU_RX_MORE);
	*used = len - left;
	return ev;
}

enum pdu_rx_event pdu_rx_feed_in_place(struct pdu_rx *rx, const void *buf, size_t len, size_t *used)
{
	enum pdu_rx_event ev = PDU_RX_MORE;
	const uint8_t *p = buf;
	size_t left = len;

	do {
		size_t n = min_of(left, wanted(rx));
		const uint8_t *src = p;

		if (unlikely(!n)) {
			ev = pdu_rx_advance(rx, 0);
			break;
		}
		if (rx->state == RX_DATA) {
			const struct iovec *v = &rx->iov[rx->iov_index];

			if (p != (const uint8_t *)v->iov_base + rx->iov_off)
				break;
			n = min_of(n, v->iov_len - rx->iov_off);
			src = NULL;
		}
		ev = take(rx, src, n);
		p += n;
		left -= n;
	} while (left && ev == PDU_RX_MORE);
	*used = len - left;
	return ev;
}

enum pdu_rx_part pdu_rx_part(const struct pdu_rx *rx)
{
	switch (rx->state) {
	case RX_COMMON:
	case RX_HEADER:
		return PDU_RX_IN_HEADER;
	case RX_DATA:
		return PDU_RX_IN_PAYLOAD;
	case RX_DDGST:
		return PDU_RX_IN_DIGEST;
	default:
		return PDU_RX_ELSEWHERE;
	}
}

/* @iov NULL: the payload is dropped. */
static enum pdu_rx_event accept_payload(struct pdu_rx *rx, const struct iovec *iov, uint32_t nr,
					size_t off)
{
	assert(rx->state == RX_WAIT);
	if (!rx->data_len)
		return pdu_end(rx);
	rx->iov = iov;
	rx->nr_iov = nr;
	for (rx->iov_index = 0; iov && off >= iov[rx->iov_index].iov_len; rx->iov_index++)
		off -= iov[rx->iov_index].iov_len;
	rx->iov_off = off;
	rx->data_left = rx->data_len;
	rx->crc = CRC32C_INIT;
	if (rx->pad_left)
		rx->state = RX_PAD;
	else
		payload_start(rx);
	return PDU_RX_MORE;
}

enum pdu_rx_event pdu_rx_accept_at(struct pdu_rx *rx, const struct iovec *iov, uint32_t nr,
				   size_t off)
{
	assert(!rx->data_len || (iov && iov_bytes(iov, nr) >= off + rx->data_len));
	return accept_payload(rx, iov, nr, off);
}

enum pdu_rx_event pdu_rx_discard(struct pdu_rx *rx)
{
	return accept_payload(rx, NULL, 0, 0);
}

void pdu_rx_init(struct pdu_rx *rx, const struct pdu_rx_rule *rules, uint32_t max_capsule_data,
		 uint32_t max_data_pdu)
{
	memset(rx, 0, sizeof(*rx));
	rx->rules = rules;
	pdu_end(rx);
	pdu_rx_set_max_data(rx, max_capsule_data, max_data_pdu);
}

/* Between two PDUs, or with the header of one that has no payload. */
static void assert_between(const struct pdu_rx *rx)
{
	assert((rx->state == RX_COMMON && !rx->hdr_got) ||
	       (rx->state == RX_WAIT && !rx->data_len) || rx->state == RX_BAD);
}

void pdu_rx_negotiated(struct pdu_rx *rx, bool hdgst, bool ddgst, uint8_t align_dwords)
{
	assert_between(rx);
	assert(align_dwords >= 1 && align_dwords <= NVME_TCP_HPDA_MAX + 1);
	rx->hdgst = hdgst;
	rx->ddgst = ddgst;
	rx->align = align_dwords - 1;
}

void pdu_rx_set_max_data(struct pdu_rx *rx, uint32_t max_capsule_data, uint32_t max_data_pdu)
{
	rx->max_capsule_data = max_capsule_data;
	rx->max_data_pdu = max_data_pdu;
}
