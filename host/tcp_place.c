// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the next bytes of an NVMe/TCP connection are received, so that payloads need not be copied.
 *
 * Most controllers answer in order. So behind the payload in progress the receive call is given
 * the memory of the oldest reads as if their C2HData PDUs came next, and scratch memory for what
 * lies in between: the layout is that of the last such PDU. That is a guess; nothing is believed
 * because of it. The engine is given every byte in the order of the stream (tcp_recv.c), and takes
 * a payload as received only when it lies at its destination. When it does not, or a request is to
 * end whose memory may hold bytes not looked at yet, nvmh_tcp_rescue() copies all those elsewhere,
 * and they are taken from there. The memory of a read is the library's until its end, so a wrong
 * guess costs time only, and after one there is none for a while.
 *
 * Reads may share memory (one that nobody looks at, say). Then a later payload would overwrite
 * bytes of the stream, so memory is guessed at most once in a receive call.
 *
 * Runs in the thread that owns the connection (tcp.h). Entry points: nvmh_tcp_place(),
 * nvmh_tcp_rescue(), nvmh_tcp_placed().
 * NVMe/TCP Transport Specification, sections 3.3 and 3.6.
 */
#include "host/tcp.h"

#include <string.h>

#include "common/iov.h"

enum {
	MIN_PAYLOAD = 2048, /* less is copied faster than described */
	MIN_WINDOW = 32 << 10,
	MAX_PENALTY = 1024,
	SEEN_PAGE_BITS = 12,
	SEEN_BIT_BITS = SEEN_PAGE_BITS - 6,
};

/* ---------------------------------------------------------------- memory that is taken */

/* A page that shares its word with another is thought to be in use. */
static struct tcp_seen_word *seen_word(struct tcp_seen *seen, uintptr_t bit)
{
	uint64_t hash = (bit >> 6) * UINT64_C(0x9e3779b97f4a7c15);
	struct tcp_seen_word *word = &seen->word[hash >> (64 - TCP_SEEN_BITS)];

	if (word->round != seen->round)
		*word = (struct tcp_seen_word){ .round = seen->round };
	return word;
}

/* The bit of @addr is covered in part. Return: no piece has all of it. */
static bool seen_part(struct tcp_seen *seen, uintptr_t addr, bool *shared)
{
	uintptr_t bit = addr >> SEEN_BIT_BITS;
	uint64_t mask = UINT64_C(1) << (bit & 63);
	struct tcp_seen_word *word = seen_word(seen, bit);

	*shared |= !!(word->parts & mask);
	word->parts |= mask;
	return !(word->whole & mask);
}

/*
 * Notes [base, base + len). *shared: an end lies in a bit with another's end: buffers from a heap
 * are neighbours, so only their addresses tell. Return: nothing of it was noted before.
 */
static bool seen_add(struct tcp_seen *seen, const void *base, size_t len, bool *shared)
{
	uintptr_t from = (uintptr_t)base, to = from + len;
	uintptr_t bit = div_up(from, (uintptr_t)1 << SEEN_BIT_BITS);
	uintptr_t end = to >> SEEN_BIT_BITS;
	bool fresh = bit < end;
	bool own = false;

	if (from & ((1 << SEEN_BIT_BITS) - 1))
		fresh &= seen_part(seen, from, shared);
	if (to & ((1 << SEEN_BIT_BITS) - 1))
		fresh &= seen_part(seen, to - 1, bit > end ? &own : shared);
	while (bit < end) {
		uintptr_t last = min_of(end - 1, bit | 63);
		uint64_t mask = UINT64_MAX >> (63 - (last - bit)) << (bit & 63);
		struct tcp_seen_word *word = seen_word(seen, bit);

		fresh &= !((word->whole | word->parts) & mask);
		word->whole |= mask;
		bit = last + 1;
	}
	return fresh;
}

static bool overlap(const struct iovec *a, const struct iovec *b)
{
	uintptr_t x = (uintptr_t)a->iov_base, y = (uintptr_t)b->iov_base;

	return x < y + b->iov_len && y < x + a->iov_len;
}

/* Notes @nr pieces from iov[from] on; those before are noted already. */
static bool seen_add_iov(struct tcp_seen *seen, const struct iovec *iov, int from, int nr)
{
	bool fresh = true;
	int i, j;

	for (i = from; i < from + nr; i++) {
		bool shared = false;

		fresh &= seen_add(seen, iov[i].iov_base, iov[i].iov_len, &shared);
		for (j = 0; fresh && shared && j < i; j++)
			fresh = !overlap(&iov[i], &iov[j]);
	}
	return fresh;
}

/* ---------------------------------------------------------------- the guess */

static uint32_t rsp_bytes(const struct tcp_queue *tq)
{
	return sizeof(struct nvme_tcp_rsp) + (tq->rx.hdgst ? NVME_TCP_DIGEST_LEN : 0);
}

static struct tcp_tag *oldest(const struct tcp_queue *tq)
{
	return list_first(&tq->untold, struct tcp_tag, link);
}

/*
 * Whether there is something to go by, and if so how many bytes come before the PDU of the oldest
 * command: less than 0 when some of that have come already.
 */
static bool begin(const struct tcp_queue *tq, int32_t *gap)
{
	const struct pdu_rx *rx = &tq->rx;
	enum tcp_due due = tq->guess.due;
	uint8_t type;

	if (!tq->nr_untold_reads || tq->guess.pause || !tq->guess.pdo)
		return false;
	*gap = 0;
	switch (pdu_rx_part(rx)) {
	case PDU_RX_IN_HEADER:
		type = due == TCP_DUE_RSP || oldest(tq)->req->dir != NVMH_FROM_CTRL
			       ? NVME_TCP_RSP
			       : NVME_TCP_C2H_DATA;
		if (rx->hdr_got && rx->pdu.hdr.type != type)
			return false;
		*gap -= rx->hdr_got;
		break;
	case PDU_RX_IN_PAYLOAD:
		due = nvmh_tcp_due(rx->pdu.hdr.flags);
		*gap += rx->ddgst ? NVME_TCP_DIGEST_LEN : 0;
		break;
	case PDU_RX_IN_DIGEST:
		due = nvmh_tcp_due(rx->pdu.hdr.flags);
		*gap += NVME_TCP_DIGEST_LEN - rx->digest_got;
		break;
	default:
		return false;
	}
	if (due == TCP_DUE_RSP)
		*gap += (int32_t)rsp_bytes(tq);
	return due != TCP_DUE_DATA;
}

/* An iovec list that grows. */
struct place {
	struct iovec *iov;
	int nr;
	int max;
	size_t bytes;  /* guessed */
	uint32_t gap;  /* bytes to come before the next payload */
	uint8_t *gaps; /* scratch memory for them */
	size_t gaps_left;
};

/* Return: the payload of @req and what comes before it fit in. */
static bool add_read(const struct tcp_queue *tq, struct place *p, const struct nvmh_req *req)
{
	uint32_t gap = p->gap + tq->guess.pdo;
	int nr;

	if (req->len < MIN_PAYLOAD || gap > p->gaps_left || p->nr == p->max ||
	    p->bytes + gap + req->len > (p->bytes ? tq->guess.window : TCP_PLACE_BYTES))
		return false;
	p->iov[p->nr] = (struct iovec){ p->gaps, gap };
	nr = iov_slice(req->iov, req->nr_iov, 0, req->len, p->iov + p->nr + 1, p->max - p->nr - 1);
	if (nr < 0 || !seen_add_iov(tq->guess.seen, p->iov, p->nr + 1, nr))
		return false;
	p->gaps += gap;
	p->gaps_left -= gap;
	p->bytes += gap + req->len;
	p->nr += nr + 1;
	p->gap = (tq->rx.ddgst ? NVME_TCP_DIGEST_LEN : 0) + (tq->guess.rsp ? rsp_bytes(tq) : 0);
	return true;
}

static void guess(const struct tcp_queue *tq, struct place *p, int32_t gap)
{
	uint32_t rsp = rsp_bytes(tq);
	struct list *pos;

	tq->guess.seen->round++;
	seen_add_iov(tq->guess.seen, p->iov, 0, p->nr);
	/* bytes of its PDU that came already make the gap of the oldest command shorter */
	p->gap = (uint32_t)gap;
	list_for_each(pos, &tq->untold) {
		const struct tcp_tag *tag = list_entry(pos, struct tcp_tag, link);
		const struct nvmh_req *req = tag->req;

		if (req->dir == NVMH_FROM_CTRL) {
			if (!add_read(tq, p, req))
				break;
		} else if (req->dir == NVMH_TO_CTRL && tag->moved != req->len) {
			break; /* R2Ts come first, nobody knows when */
		} else {
			p->gap += rsp;
		}
	}
}

void nvmh_tcp_place(struct tcp_queue *tq)
{
	struct tcp_guess *g = &tq->guess;
	struct place p = {
		.iov = g->iov,
		.max = MAX_IOV - 1,
		.gaps = g->gaps,
		.gaps_left = TCP_GAPS_BYTES,
	};
	int32_t gap;

	if (g->nr_reads == tq->nr_untold_reads)
		return;
	p.nr = pdu_rx_payload_iov(&tq->rx, p.iov, p.max);
	g->bytes = p.nr ? iov_bytes(p.iov, (size_t)p.nr) : 0;
	g->covered = !p.nr || g->bytes == tq->rx.data_left;
	if (g->covered && begin(tq, &gap))
		guess(tq, &p, gap);
	g->bytes += p.bytes;
	g->nr = p.nr;
	g->nr_reads = tq->nr_untold_reads;
}

/* ---------------------------------------------------------------- what came of it */

void nvmh_tcp_rescue(struct tcp_queue *tq)
{
	struct tcp_in *in = &tq->in;
	struct iovec ahead;
	size_t saved = 0;
	int i;

	if (!in->left || in->at >= in->ahead)
		return;
	ahead = in->iov[in->ahead];
	for (i = in->at; i < in->ahead && saved < in->left; i++) {
		size_t n = min_of(in->iov[i].iov_len, in->left - saved);

		assert(n <= TCP_PLACE_BYTES - saved);
		memcpy(tq->guess.rescue + saved, in->iov[i].iov_base, n);
		saved += n;
	}
	in->iov[0] = (struct iovec){ tq->guess.rescue, saved };
	in->iov[1] = ahead;
	in->at = 0;
	in->ahead = 0;
	tq->guess.pause = tq->guess.penalty;
	tq->guess.penalty = min_of(tq->guess.penalty * 2, (uint32_t)MAX_PENALTY);
}

void nvmh_tcp_placed(struct tcp_queue *tq, size_t got)
{
	struct tcp_guess *g = &tq->guess;
	uint32_t window = max_of(g->window - g->window / 8, (uint32_t)MIN_WINDOW);

	g->nr_reads = UINT32_MAX;
	g->window = (uint32_t)min_of(max_of((size_t)window, 2 * got), (size_t)TCP_PLACE_BYTES);
	if (g->pause)
		g->pause--;
	else if (g->penalty > 2)
		g->penalty--;
}
