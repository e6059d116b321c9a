// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sending half of the PDU engine: builders and the queue of what is to be said.
 *
 * A builder writes what is particular to its PDU behind the common header, then seal() adds that
 * header, the digests and the padding. The queue knows only bytes: how many of its first entry are
 * out.
 *
 * Context: the owner's thread; no allocation. Entry points: see pdu_tx.h.
 * NVMe/TCP Transport Specification, sections 3.3 and 3.6.
 */
#include "common/crc.h"
#include "common/pdu_tx.h"

enum {
	COMMON_BYTES = sizeof(struct nvme_tcp_hdr),
	TERM_DATA_MAX = NVME_TCP_TERM_MAX_PLEN - NVME_TCP_TERM_MIN_PLEN,
	/* The highest PDO: less than one unit of alignment beyond the longest header. */
	PDO_MAX = 2 * (sizeof(struct nvme_tcp_cmd) + NVME_TCP_DIGEST_LEN),
};

static_assert((int)PDU_TX_HEAD_MAX >= (int)PDO_MAX, "head takes header, digest and padding");
static_assert((int)PDU_TX_HEAD_MAX >= (int)NVME_TCP_TERM_MAX_PLEN, "head takes a TermReq");
static_assert(PDU_TX_TAIL_MAX >= 2 * NVME_TCP_DIGEST_LEN + sizeof(struct nvme_tcp_rsp),
	      "tail takes the data digest and a response");

/* ---- builders ---- */

static void put_digest(uint8_t *p, uint32_t digest)
{
	le32_t wire = le32_make(digest);

	memcpy(p, &wire, sizeof(wire));
}

/* Of header and header digest. */
static uint32_t header_bytes(const struct pdu_txq *q, uint8_t hlen)
{
	return hlen + (q->hdgst ? NVME_TCP_DIGEST_LEN : 0);
}

static uint32_t padding(uint32_t bytes, uint32_t unit)
{
	return div_up(bytes, unit) * unit - bytes;
}

/*
 * Puts the common header before @hlen - 8 bytes that are there, and the digest behind. @pdo 0: no
 * payload.
 * Return: bytes of header and digest.
 */
static uint32_t put_header(uint8_t *p, bool hdgst, uint8_t type, uint8_t flags, uint8_t hlen,
			   uint8_t pdo, uint32_t plen)
{
	struct nvme_tcp_hdr hdr = {
		.type = type,
		.flags = flags | (hdgst ? NVME_TCP_F_HDGST : 0),
		.hlen = hlen,
		.pdo = pdo,
		.plen = le32_make(plen),
	};

	memcpy(p, &hdr, sizeof(hdr));
	if (!hdgst)
		return hlen;
	put_digest(p + hlen, crc32c_digest(p, hlen));
	return hlen + NVME_TCP_DIGEST_LEN;
}

/* A PDU without payload. */
static void seal(struct pdu_tx *tx, const struct pdu_txq *q, uint8_t type, uint8_t hlen)
{
	tx->iov = NULL;
	tx->nr_iov = 0;
	tx->data_len = 0;
	tx->tail_len = 0;
	tx->head_len =
		(uint8_t)put_header(tx->head, q->hdgst, type, 0, hlen, 0, header_bytes(q, hlen));
}

static void seal_data(struct pdu_tx *tx, const struct pdu_txq *q, uint8_t type, uint8_t flags,
		      uint8_t hlen, const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	uint32_t base = header_bytes(q, hlen);
	/* headers are whole dwords, and most peers ask for no more */
	uint32_t pad = unlikely(q->align > 1) ? padding(base, q->align * 4u) : 0;
	uint32_t head = base + pad;
	uint32_t tail = q->ddgst ? NVME_TCP_DIGEST_LEN : 0;

	assert(len && len <= UINT32_MAX - head - tail);
	tx->iov = iov;
	tx->nr_iov = nr_iov;
	tx->data_len = len;
	tx->head_len = (uint8_t)head;
	tx->tail_len = (uint8_t)tail;
	put_header(tx->head, q->hdgst, type, flags | (tail ? NVME_TCP_F_DDGST : 0), hlen,
		   (uint8_t)head, head + len + tail);
	if (unlikely(pad))
		memset(tx->head + base, 0, pad);
	if (tail)
		put_digest(tx->tail,
			   crc32c_final(crc32c_update_iov(CRC32C_INIT, iov, nr_iov, len)));
}

/* IC and TermReq: neither digests nor padding. */
static void seal_plain(struct pdu_tx *tx, uint8_t type, uint8_t hlen, uint32_t plen)
{
	tx->iov = NULL;
	tx->nr_iov = 0;
	tx->data_len = 0;
	tx->tail_len = 0;
	tx->head_len = (uint8_t)plen;
	put_header(tx->head, false, type, 0, hlen, 0, plen);
}

static uint8_t dgst_bits(bool hdgst, bool ddgst)
{
	return (hdgst ? NVME_TCP_HDGST_ENABLE : 0) | (ddgst ? NVME_TCP_DDGST_ENABLE : 0);
}

void pdu_tx_icreq(struct pdu_tx *tx, uint8_t hpda, bool hdgst, bool ddgst, uint32_t maxr2t)
{
	struct nvme_tcp_icreq ic = {
		.pfv = le16_make(NVME_TCP_PFV_1_0),
		.hpda = hpda,
		.dgst = dgst_bits(hdgst, ddgst),
		.maxr2t = le32_make(maxr2t),
	};

	memcpy(tx->head, &ic, sizeof(ic));
	seal_plain(tx, NVME_TCP_ICREQ, sizeof(ic), sizeof(ic));
}

void pdu_tx_icresp(struct pdu_tx *tx, uint8_t cpda, bool hdgst, bool ddgst, uint32_t maxh2cdata)
{
	struct nvme_tcp_icresp ic = {
		.pfv = le16_make(NVME_TCP_PFV_1_0),
		.cpda = cpda,
		.dgst = dgst_bits(hdgst, ddgst),
		.maxh2cdata = le32_make(maxh2cdata),
	};

	memcpy(tx->head, &ic, sizeof(ic));
	seal_plain(tx, NVME_TCP_ICRESP, sizeof(ic), sizeof(ic));
}

void pdu_tx_term(struct pdu_tx *tx, enum nvme_tcp_pdu_type type, uint16_t fes, uint32_t fei,
		 const void *hdr, size_t hdr_len)
{
	struct nvme_tcp_term term = {
		.fes = le16_make(fes),
		.feil = le16_make((uint16_t)fei),
		.feih = le16_make((uint16_t)(fei >> 16)),
	};
	size_t n = min_of(hdr_len, (size_t)TERM_DATA_MAX);

	memcpy(tx->head, &term, sizeof(term));
	if (n)
		memcpy(tx->head + sizeof(term), hdr, n);
	seal_plain(tx, (uint8_t)type, sizeof(term), (uint32_t)(sizeof(term) + n));
}

void pdu_tx_cmd(struct pdu_tx *tx, const struct pdu_txq *q, const struct nvme_sqe *sqe,
		const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	memcpy(tx->head + COMMON_BYTES, sqe, sizeof(*sqe));
	if (iov && len)
		seal_data(tx, q, NVME_TCP_CMD, 0, sizeof(struct nvme_tcp_cmd), iov, nr_iov, len);
	else
		seal(tx, q, NVME_TCP_CMD, sizeof(struct nvme_tcp_cmd));
}

void pdu_tx_rsp(struct pdu_tx *tx, const struct pdu_txq *q, const struct nvme_cqe *cqe)
{
	memcpy(tx->head + COMMON_BYTES, cqe, sizeof(*cqe));
	seal(tx, q, NVME_TCP_RSP, sizeof(struct nvme_tcp_rsp));
}

void pdu_tx_r2t(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid, uint16_t ttag,
		uint32_t r2to, uint32_t r2tl)
{
	struct nvme_tcp_r2t r2t = {
		.cccid = le16_make(cccid),
		.ttag = le16_make(ttag),
		.r2to = le32_make(r2to),
		.r2tl = le32_make(r2tl),
	};

	memcpy(tx->head, &r2t, sizeof(r2t));
	seal(tx, q, NVME_TCP_R2T, sizeof(r2t));
}

static void put_data(struct pdu_tx *tx, uint16_t cccid, uint16_t ttag, uint32_t datao,
		     uint32_t datal)
{
	struct nvme_tcp_data data = {
		.cccid = le16_make(cccid),
		.ttag = le16_make(ttag),
		.datao = le32_make(datao),
		.datal = le32_make(datal),
	};

	assert(datal);
	memcpy(tx->head, &data, sizeof(data));
}

void pdu_tx_c2h_data(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid,
		     const struct iovec *iov, uint16_t nr_iov, uint32_t len,
		     const struct nvme_cqe *rsp, bool success)
{
	uint8_t flags = NVME_TCP_F_DATA_LAST | (success ? NVME_TCP_F_DATA_SUCCESS : 0);
	uint32_t plen = header_bytes(q, sizeof(struct nvme_tcp_rsp));
	uint8_t *p;

	assert(!rsp || !success);
	put_data(tx, cccid, 0, 0, len);
	seal_data(tx, q, NVME_TCP_C2H_DATA, flags, sizeof(struct nvme_tcp_data), iov, nr_iov, len);
	if (!rsp)
		return;
	p = tx->tail + tx->tail_len;
	memcpy(p + COMMON_BYTES, rsp, sizeof(*rsp));
	tx->tail_len +=
		put_header(p, q->hdgst, NVME_TCP_RSP, 0, sizeof(struct nvme_tcp_rsp), 0, plen);
}

void pdu_tx_h2c_data(struct pdu_tx *tx, const struct pdu_txq *q, uint16_t cccid, uint16_t ttag,
		     uint32_t datao, const struct iovec *iov, uint16_t nr_iov, uint32_t len,
		     bool last)
{
	put_data(tx, cccid, ttag, datao, len);
	seal_data(tx, q, NVME_TCP_H2C_DATA, last ? NVME_TCP_F_DATA_LAST : 0,
		  sizeof(struct nvme_tcp_data), iov, nr_iov, len);
}

/* ---- queue ---- */

static struct pdu_tx *first(const struct pdu_txq *q)
{
	return list_first(&q->list, struct pdu_tx, link);
}

static size_t tx_bytes(const struct pdu_tx *tx)
{
	return (size_t)tx->head_len + tx->data_len + tx->tail_len;
}

void pdu_txq_init(struct pdu_txq *q)
{
	list_init(&q->list);
	q->off = 0;
	q->bytes = 0;
	q->hdgst = false;
	q->ddgst = false;
	q->align = 1;
}

void pdu_txq_negotiated(struct pdu_txq *q, bool hdgst, bool ddgst, uint8_t align_dwords)
{
	assert(align_dwords >= 1 && align_dwords <= NVME_TCP_HPDA_MAX + 1);
	q->hdgst = hdgst;
	q->ddgst = ddgst;
	q->align = align_dwords;
}

void pdu_txq_push(struct pdu_txq *q, struct pdu_tx *tx)
{
	list_add_tail(&q->list, &tx->link);
	q->bytes += tx_bytes(tx);
}

/* Where an iovec list is being written. */
struct gather {
	struct iovec *iov;
	int max;
	int n;
	size_t skip; /* bytes already sent */
};

/* False: the list is full. */
static bool gather_add(struct gather *g, const void *base, size_t len)
{
	if (g->skip >= len) {
		g->skip -= len;
		return true;
	}
	if (g->n == g->max)
		return false;
	g->iov[g->n].iov_base = (uint8_t *)base + g->skip;
	g->iov[g->n++].iov_len = len - g->skip;
	g->skip = 0;
	return true;
}

static bool gather_tx(struct gather *g, const struct pdu_tx *tx)
{
	uint32_t left = tx->data_len;
	uint16_t i;

	if (!gather_add(g, tx->head, tx->head_len))
		return false;
	for (i = 0; left; i++) {
		size_t n;

		assert(i < tx->nr_iov);
		n = min_of((size_t)left, tx->iov[i].iov_len);
		if (!gather_add(g, tx->iov[i].iov_base, n))
			return false;
		left -= (uint32_t)n;
	}
	return gather_add(g, tx->tail, tx->tail_len);
}

int pdu_txq_iov(const struct pdu_txq *q, struct iovec *iov, int max)
{
	struct gather g = { .iov = iov, .max = max, .skip = q->off };
	struct list *pos;

	list_for_each(pos, &q->list)
		if (!gather_tx(&g, list_entry(pos, struct pdu_tx, link)))
			break;
	return g.n;
}

void pdu_txq_advance(struct pdu_txq *q, size_t n)
{
	assert(n <= q->bytes);
	q->bytes -= n;
	q->off += n;
	while (!list_empty(&q->list)) {
		struct pdu_tx *tx = first(q);
		size_t size = tx_bytes(tx);

		if (q->off < size)
			break;
		q->off -= size;
		list_del(&tx->link);
		if (tx->sent)
			tx->sent(tx);
	}
}

void pdu_txq_drop(struct pdu_txq *q)
{
	struct list gone = LIST_INIT(gone);
	struct list *pos;

	list_splice_tail(&gone, &q->list);
	q->off = 0;
	q->bytes = 0;
	while ((pos = list_pop(&gone))) {
		struct pdu_tx *tx = list_entry(pos, struct pdu_tx, link);

		if (tx->sent)
			tx->sent(tx);
	}
}
