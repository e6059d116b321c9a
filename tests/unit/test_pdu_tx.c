// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sending half of the PDU engine: what it builds is what the receiving half reads, for all
 * types, digests, alignments and pieces; and the queue keeps bytes and callbacks in order wherever
 * the kernel stops taking them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/pdu_tx.h"
#include "common/util.h"
#include "tests/unit/pdu_reader.h"

enum {
	NR_TX = 8,
	OUT_MAX = 32 << 10,
	DATA_MAX = 4096,
};

struct note {
	struct pdu_tx tx;
	int index;
};

static struct pdu_txq q;
static struct note notes[NR_TX];
static int sent[64];
static int nr_sent;
static uint8_t data[DATA_MAX];
static uint8_t out[OUT_MAX];
static struct reader reader;

static void note_sent(struct pdu_tx *tx)
{
	sent[nr_sent++ % 64] = container_of(tx, struct note, tx)->index;
}

static int start(void **state)
{
	struct rng rng = { 7 };
	int i;

	(void)state;
	for (i = 0; i < DATA_MAX; i++)
		data[i] = (uint8_t)rng_next(&rng);
	memset(notes, 0xee, sizeof(notes));
	for (i = 0; i < NR_TX; i++) {
		notes[i].index = i;
		notes[i].tx.sent = note_sent;
	}
	nr_sent = 0;
	pdu_txq_init(&q);
	return 0;
}

/* Takes everything out of @q, @step bytes a send, into @out; at most @max iovecs a send. */
static size_t drain(size_t step, int max)
{
	size_t len = 0;

	while (!pdu_txq_empty(&q)) {
		struct iovec iov[64];
		int nr = pdu_txq_iov(&q, iov, max);
		size_t left = step;
		int i;

		assert_true(nr > 0 && nr <= max);
		for (i = 0; i < nr && left; i++) {
			size_t n = min_of(left, iov[i].iov_len);

			assert_true(n > 0);
			assert_true(len + n <= OUT_MAX);
			memcpy(out + len, iov[i].iov_base, n);
			len += n;
			left -= n;
		}
		pdu_txq_advance(&q, step - left);
	}
	assert_int_equal(q.bytes, 0);
	assert_int_equal(q.off, 0);
	return len;
}

/* ---- builders against the receiving half ---- */

/*
 * The same @len bytes of data, in pieces of @piece bytes with empty ones between. Return: entries.
 */
static uint16_t cut(struct iovec *iov, uint32_t len, uint32_t piece)
{
	uint32_t off = 0;
	uint16_t n = 0;

	while (off < len) {
		uint32_t take = min_of(piece, len - off);

		if (n % 3 == 1)
			iov[n++] = (struct iovec){ NULL, 0 };
		iov[n++] = (struct iovec){ data + off, take };
		off += take;
	}
	/* a destination or source may be longer than the PDU */
	iov[n - 1].iov_len += 8;
	return n;
}

static const uint8_t *build_from_host(const struct wire_conn *c, const struct iovec *iov,
				      uint16_t nr, uint32_t len)
{
	static struct nvme_sqe sqe;

	pdu_txq_negotiated(&q, c->hdgst, c->ddgst, c->align);
	memset(&sqe, 0x3c, sizeof(sqe));
	pdu_tx_icreq(&notes[0].tx, 3, true, false, 9);
	pdu_tx_cmd(&notes[1].tx, &q, &sqe, iov, nr, len);
	pdu_tx_cmd(&notes[2].tx, &q, &sqe, NULL, 0, len);
	pdu_tx_h2c_data(&notes[3].tx, &q, 1, 2, 512, iov, nr, len, false);
	pdu_tx_h2c_data(&notes[4].tx, &q, 0xffff, 0xfffe, 0xfffffffc, iov, nr, len, true);
	pdu_tx_term(&notes[5].tx, NVME_TCP_H2C_TERM, 4, 99, data, 128);
	return (const uint8_t *)&sqe;
}

static void expect_data(const struct reader_seen *s, uint8_t type, uint32_t len)
{
	assert_int_equal(s->header[0], type);
	assert_int_equal(s->data_len, len);
	assert_false(s->ddgst_bad);
	assert_int_equal(s->data_crc, wire_crc32c(data, len));
}

static void check_from_host(const struct wire_conn *c, uint32_t len, uint32_t piece)
{
	static struct iovec iov[2 * DATA_MAX];
	const uint8_t *sqe = build_from_host(c, iov, cut(iov, len, piece), len);
	const struct nvme_tcp_data *h2c;
	size_t total;
	int i;

	for (i = 0; i < 6; i++)
		pdu_txq_push(&q, &notes[i].tx);
	total = drain(SIZE_MAX, 64);
	reader_init(&reader, pdu_rx_from_host, c);
	assert_int_equal(reader_give(&reader, WAY_MIXED, out, total), total);
	assert_false(reader.is_bad || reader.broken_api);
	assert_int_equal(reader.nr_seen, 6);
	assert_int_equal(reader.seen[0].header[0], NVME_TCP_ICREQ);
	assert_memory_equal(reader.seen[1].header + 8, sqe, 64);
	expect_data(&reader.seen[1], NVME_TCP_CMD, len);
	assert_memory_equal(reader.seen[2].header + 8, sqe, 64);
	assert_int_equal(reader.seen[2].data_len, 0);
	expect_data(&reader.seen[3], NVME_TCP_H2C_DATA, len);
	h2c = (const void *)reader.seen[3].header;
	assert_int_equal(le16_get(h2c->ttag), 2);
	assert_int_equal(le32_get(h2c->datao), 512);
	assert_int_equal(h2c->hdr.flags & NVME_TCP_F_DATA_LAST, 0);
	expect_data(&reader.seen[4], NVME_TCP_H2C_DATA, len);
	h2c = (const void *)reader.seen[4].header;
	assert_int_equal(le16_get(h2c->cccid), 0xffff);
	assert_int_equal(le32_get(h2c->datao), 0xfffffffc);
	assert_int_equal(h2c->hdr.flags & NVME_TCP_F_DATA_LAST, NVME_TCP_F_DATA_LAST);
	assert_int_equal(reader.seen[5].header[0], NVME_TCP_H2C_TERM);
	assert_memory_equal(reader.seen[5].header + 24, data, 104);
}

static void check_from_ctrl(const struct wire_conn *c, uint32_t len, uint32_t piece)
{
	static struct iovec iov[2 * DATA_MAX];
	uint16_t nr = cut(iov, len, piece);
	struct nvme_cqe cqe;
	size_t total;
	int i;

	memset(&cqe, 0x9a, sizeof(cqe));
	pdu_txq_negotiated(&q, c->hdgst, c->ddgst, c->align);
	pdu_tx_icresp(&notes[0].tx, 0, c->hdgst, c->ddgst, 131072);
	pdu_tx_rsp(&notes[1].tx, &q, &cqe);
	pdu_tx_r2t(&notes[2].tx, &q, 7, 8, 4096, 8192);
	pdu_tx_c2h_data(&notes[3].tx, &q, 5, iov, nr, len, &cqe, false);
	pdu_tx_c2h_data(&notes[4].tx, &q, 6, iov, nr, len, NULL, true);
	pdu_tx_c2h_data(&notes[5].tx, &q, 6, iov, nr, len, NULL, false);
	pdu_tx_term(&notes[6].tx, NVME_TCP_C2H_TERM, 1, 4, NULL, 0);
	for (i = 0; i < 7; i++)
		pdu_txq_push(&q, &notes[i].tx);
	total = drain(SIZE_MAX, 64);
	reader_init(&reader, pdu_rx_from_ctrl, c);
	assert_int_equal(reader_give(&reader, WAY_MIXED, out, total), total);
	assert_false(reader.is_bad || reader.broken_api);
	assert_int_equal(reader.nr_seen, 8);
	assert_int_equal(reader.seen[0].header[0], NVME_TCP_ICRESP);
	assert_memory_equal(reader.seen[1].header + 8, &cqe, 16);
	assert_int_equal(reader.seen[2].header[0], NVME_TCP_R2T);
	expect_data(&reader.seen[3], NVME_TCP_C2H_DATA, len);
	assert_int_equal(reader.seen[3].header[1] & 0xc, NVME_TCP_F_DATA_LAST);
	assert_int_equal(reader.seen[4].header[0], NVME_TCP_RSP);
	assert_memory_equal(reader.seen[4].header + 8, &cqe, 16);
	expect_data(&reader.seen[5], NVME_TCP_C2H_DATA, len);
	assert_int_equal(reader.seen[5].header[1] & 0xc,
			 NVME_TCP_F_DATA_LAST | NVME_TCP_F_DATA_SUCCESS);
	expect_data(&reader.seen[6], NVME_TCP_C2H_DATA, len);
	assert_int_equal(reader.seen[6].header[1] & 0xc, NVME_TCP_F_DATA_LAST);
	assert_int_equal(reader.seen[7].header[0], NVME_TCP_C2H_TERM);
}

static void test_pdu_tx_all_types_digests_alignments_and_pieces_are_read_back(void **state)
{
	static const struct {
		uint32_t len, piece;
	} shapes[] = { { 1, 1 },
		       { 4, 1 },
		       { 37, 1 },
		       { 37, 36 },
		       { 512, 512 },
		       { 1000, 7 },
		       { DATA_MAX - 8, 1021 } };
	size_t s;
	int digests;
	uint8_t align;

	(void)state;
	for (digests = 0; digests < 4; digests++) {
		for (align = 1; align <= 32; align++) {
			struct wire_conn c = { digests & 1, digests & 2, align };

			for (s = 0; s < ARRAY_SIZE(shapes); s++) {
				check_from_host(&c, shapes[s].len, shapes[s].piece);
				check_from_ctrl(&c, shapes[s].len, shapes[s].piece);
			}
		}
	}
}

static void test_pdu_tx_term_cuts_the_header_at_128_bytes(void **state)
{
	(void)state;
	pdu_tx_term(&notes[0].tx, NVME_TCP_C2H_TERM, 1, 0, data, 1000);
	pdu_txq_push(&q, &notes[0].tx);
	assert_int_equal(drain(SIZE_MAX, 3), 152);
	assert_int_equal(wire_get32(out + 4), 152);
	assert_memory_equal(out + 24, data, 128);
}

/* ---- queue ---- */

/* Five entries of all kinds: without payload, with, with a second PDU behind. */
static size_t fill_queue(uint8_t *want)
{
	static const struct iovec iov[] = {
		{ data, 3 }, { NULL, 0 }, { data + 3, 1 }, { data + 4, 60 }
	};
	struct nvme_cqe cqe;
	size_t len;
	int i;

	memset(&cqe, 0x11, sizeof(cqe));
	pdu_txq_negotiated(&q, true, true, 8);
	pdu_tx_r2t(&notes[0].tx, &q, 1, 2, 0, 4096);
	pdu_tx_c2h_data(&notes[1].tx, &q, 3, iov, 4, 64, &cqe, false);
	pdu_tx_rsp(&notes[2].tx, &q, &cqe);
	pdu_tx_c2h_data(&notes[3].tx, &q, 4, iov, 4, 50, NULL, true);
	pdu_tx_rsp(&notes[4].tx, &q, &cqe);
	for (i = 0; i < 5; i++)
		pdu_txq_push(&q, &notes[i].tx);
	assert_int_equal(nr_sent, 0);
	if (!want)
		return q.bytes;
	len = q.bytes;
	assert_int_equal(drain(SIZE_MAX, 64), len);
	memcpy(want, out, len);
	nr_sent = 0;
	return len;
}

static void expect_sent(int n)
{
	int i;

	assert_int_equal(nr_sent, n);
	for (i = 0; i < n; i++)
		assert_int_equal(sent[i], i);
}

static void test_pdu_txq_partial_sends_at_every_byte_keep_the_order(void **state)
{
	static uint8_t want[1024];
	size_t len = fill_queue(want);
	size_t at, step;
	int max;

	(void)state;
	assert_true(len < sizeof(want));
	for (step = 1; step <= len; step++) {
		for (max = 3; max <= 20; max += 17) {
			nr_sent = 0;
			fill_queue(NULL);
			memset(out, 0, len);
			assert_int_equal(drain(step, max), len);
			assert_memory_equal(out, want, len);
			expect_sent(5);
		}
	}
	for (at = 0; at <= len; at++) {
		struct iovec iov[64];
		size_t n = at;
		int nr, i;

		nr_sent = 0;
		fill_queue(NULL);
		pdu_txq_advance(&q, at);
		assert_int_equal(q.bytes, len - at);
		nr = pdu_txq_iov(&q, iov, 64);
		for (i = 0; i < nr; i++) {
			assert_true(iov[i].iov_len > 0);
			assert_memory_equal(iov[i].iov_base, want + n, iov[i].iov_len);
			n += iov[i].iov_len;
		}
		assert_int_equal(n, len);
		pdu_txq_drop(&q);
		expect_sent(5);
	}
}

static void test_pdu_txq_sent_runs_when_the_last_byte_is_out(void **state)
{
	size_t first;

	(void)state;
	fill_queue(NULL);
	first = notes[0].tx.head_len;
	pdu_txq_advance(&q, first - 1);
	expect_sent(0);
	pdu_txq_advance(&q, 1);
	expect_sent(1);
	pdu_txq_advance(&q, 0);
	expect_sent(1);
	pdu_txq_advance(&q, q.bytes - 1);
	expect_sent(4);
	pdu_txq_advance(&q, 1);
	expect_sent(5);
	assert_true(pdu_txq_empty(&q));
}

static void test_pdu_txq_entry_without_callback_is_forgotten(void **state)
{
	(void)state;
	fill_queue(NULL);
	notes[1].tx.sent = NULL;
	notes[3].tx.sent = NULL;
	pdu_txq_advance(&q, q.bytes);
	assert_int_equal(nr_sent, 3);
	assert_int_equal(sent[1], 2);
	assert_int_equal(sent[2], 4);
}

static void test_pdu_txq_drop_runs_every_callback_once(void **state)
{
	struct iovec iov[3];

	(void)state;
	fill_queue(NULL);
	pdu_txq_advance(&q, 30);
	expect_sent(1);
	pdu_txq_drop(&q);
	expect_sent(5);
	assert_true(pdu_txq_empty(&q));
	assert_int_equal(q.bytes, 0);
	assert_int_equal(pdu_txq_iov(&q, iov, 3), 0);
	pdu_txq_drop(&q);
	expect_sent(5);
	/* the next entry starts at its first byte */
	pdu_tx_icreq(&notes[0].tx, 0, false, false, 0);
	pdu_txq_push(&q, &notes[0].tx);
	assert_int_equal(drain(SIZE_MAX, 3), 128);
}

static int again;

/* Says its entry once more, as R2T does that is followed by data from the same request. */
static void push_again(struct pdu_tx *tx)
{
	note_sent(tx);
	if (again--) {
		struct nvme_cqe cqe = { 0 };

		pdu_tx_rsp(tx, &q, &cqe);
		pdu_txq_push(&q, tx);
	}
}

static void drop_all(struct pdu_tx *tx)
{
	note_sent(tx);
	pdu_txq_drop(&q);
}

static void poison(struct pdu_tx *tx)
{
	note_sent(tx);
	memset(tx, 0xdd, sizeof(*tx));
}

static void test_pdu_txq_callback_may_push_drop_or_free(void **state)
{
	size_t bytes;

	(void)state;
	fill_queue(NULL);
	again = 3;
	notes[0].tx.sent = push_again;
	bytes = q.bytes;
	pdu_txq_advance(&q, bytes);
	assert_int_equal(nr_sent, 5);
	assert_int_equal(q.bytes, 28);
	drain(5, 3);
	assert_int_equal(nr_sent, 8);

	start(NULL);
	fill_queue(NULL);
	notes[1].tx.sent = drop_all;
	pdu_txq_advance(&q, q.bytes - 1);
	expect_sent(5);
	assert_int_equal(q.bytes, 0);

	start(NULL);
	fill_queue(NULL);
	notes[0].tx.sent = notes[2].tx.sent = notes[4].tx.sent = poison;
	pdu_txq_advance(&q, q.bytes - 1);
	assert_int_equal(nr_sent, 4);
	pdu_txq_drop(&q);
	assert_int_equal(nr_sent, 5);
}

/* Payload is handed to the kernel where it lies. */
static void test_pdu_txq_iov_points_into_the_payload(void **state)
{
	struct iovec src[2] = { { data, 100 }, { data + 1000, 3000 } };
	struct iovec iov[4];

	(void)state;
	pdu_tx_h2c_data(&notes[0].tx, &q, 0, 0, 0, src, 2, 1100, true);
	pdu_txq_push(&q, &notes[0].tx);
	assert_int_equal(pdu_txq_iov(&q, iov, 4), 3);
	assert_int_equal(iov[0].iov_len, 24);
	assert_ptr_equal(iov[1].iov_base, data);
	assert_int_equal(iov[1].iov_len, 100);
	assert_ptr_equal(iov[2].iov_base, data + 1000);
	assert_int_equal(iov[2].iov_len, 1000);
	pdu_txq_drop(&q);
}

static void test_pdu_txq_random_pushes_and_sends_keep_the_stream(void **state)
{
	const char *text = getenv("SEED");
	struct rng rng = { text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) };
	struct iovec src[3] = { { data, 100 }, { data + 100, 400 }, { data + 500, 3000 } };
	int round;

	(void)state;
	print_message("SEED=%llu\n", (unsigned long long)rng.s);
	for (round = 0; round < 300; round++) {
		struct wire_conn c = { rng_below(&rng, 2), rng_below(&rng, 2),
				       (uint8_t)(1 + rng_below(&rng, 32)) };
		size_t len = 0;
		int busy = 0;
		int i;

		pdu_txq_negotiated(&q, c.hdgst, c.ddgst, c.align);
		reader_init(&reader, pdu_rx_from_host, &c);
		nr_sent = 0;
		for (i = 0; i < 40; i++) {
			struct iovec iov[3];
			int nr;

			if (busy - nr_sent < NR_TX && rng_below(&rng, 2)) {
				struct pdu_tx *tx = &notes[busy % NR_TX].tx;

				pdu_tx_h2c_data(tx, &q, (uint16_t)busy, 0, 0, src, 3,
						1 + rng_below(&rng, 900), false);
				pdu_txq_push(&q, tx);
				busy++;
			}
			nr = pdu_txq_iov(&q, iov, 3);
			if (nr) {
				int last = (int)rng_below(&rng, (uint32_t)nr);
				size_t n = 0;
				int k;

				for (k = 0; k <= last; k++) {
					size_t part =
						k < last ? iov[k].iov_len
							 : 1 + rng_below(&rng,
									 (uint32_t)iov[k].iov_len);

					assert_true(len + part <= OUT_MAX);
					memcpy(out + len, iov[k].iov_base, part);
					len += part;
					n += part;
				}
				pdu_txq_advance(&q, n);
			}
		}
		while (!pdu_txq_empty(&q)) {
			struct iovec iov[3];

			pdu_txq_iov(&q, iov, 3);
			memcpy(out + len, iov[0].iov_base, iov[0].iov_len);
			len += iov[0].iov_len;
			pdu_txq_advance(&q, iov[0].iov_len);
		}
		assert_int_equal(nr_sent, busy);
		assert_int_equal(reader_give(&reader, WAY_MIXED, out, len), len);
		assert_int_equal(reader.nr_seen, busy);
		for (i = 0; i < busy; i++) {
			assert_int_equal(wire_get32(reader.seen[i].header + 8) & 0xffff, i);
			assert_int_equal(sent[i], i % NR_TX);
			expect_data(&reader.seen[i], NVME_TCP_H2C_DATA, reader.seen[i].data_len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_pdu_tx_all_types_digests_alignments_and_pieces_are_read_back, start),
		cmocka_unit_test_setup(test_pdu_tx_term_cuts_the_header_at_128_bytes, start),
		cmocka_unit_test_setup(test_pdu_txq_partial_sends_at_every_byte_keep_the_order,
				       start),
		cmocka_unit_test_setup(test_pdu_txq_sent_runs_when_the_last_byte_is_out, start),
		cmocka_unit_test_setup(test_pdu_txq_entry_without_callback_is_forgotten, start),
		cmocka_unit_test_setup(test_pdu_txq_drop_runs_every_callback_once, start),
		cmocka_unit_test_setup(test_pdu_txq_callback_may_push_drop_or_free, start),
		cmocka_unit_test_setup(test_pdu_txq_iov_points_into_the_payload, start),
		cmocka_unit_test_setup(test_pdu_txq_random_pushes_and_sends_keep_the_stream, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
