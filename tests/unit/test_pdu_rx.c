// SPDX-License-Identifier: BSD-2-Clause
/*
 * The receiving half of the PDU engine on streams that are right, split in every place and given in
 * every way; on every single-bit flip; and on random bytes. What it refuses field by field is in
 * test_pdu_rx_bad.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/util.h"
#include "tests/unit/pdu_reader.h"

enum {
	STREAM_MAX = 64 << 10,
};

struct side {
	const char *name;
	const struct pdu_rx_rule *rules;
	struct wire_pdu pdu[9];
};

static const struct side sides[] = {
	{ "host",
	  pdu_rx_from_host,
	  { { 0, 0, 0 },
	    { 2, 0, 0 },
	    { 2, 0, 6 },
	    { 2, 0, 128 },
	    { 4, 0, 0 },
	    { 4, 0, 1 },
	    { 4, 0, 13 },
	    { 6, 0, 4 },
	    { 6, 4, 12 } } },
	{ "controller",
	  pdu_rx_from_ctrl,
	  { { 1, 0, 0 },
	    { 3, 0, 0 },
	    { 3, 0, 103 },
	    { 3, 0, 105 },
	    { 5, 0, 0 },
	    { 7, 0, 4 },
	    { 7, 4, 1 },
	    { 7, 12, 9 },
	    { 9, 0, 0 } } },
};

static const struct wire_conn conns[] = {
	{ false, false, 1 },  { true, false, 1 },  { false, true, 1 },	{ true, true, 1 },
	{ false, false, 32 }, { true, false, 32 }, { false, true, 32 }, { true, true, 32 },
	{ true, true, 3 },    { true, true, 2 },
};

static uint8_t stream[STREAM_MAX];
static struct reader reader;

/* PDU number @i of a stream. */
static uint32_t write_pdu(uint8_t *out, const struct wire_conn *c, const struct wire_pdu *pdu,
			  int i)
{
	return wire_write(out, c, pdu, 1000u * pdu->type + pdu->data_len + (unsigned int)i * 7919u);
}

static void expect_seen(const struct reader_seen *seen, const uint8_t *wire,
			const struct wire_conn *c, const struct wire_pdu *pdu)
{
	uint32_t header = wire_is_term(pdu->type) ? 24 + pdu->data_len : wire_hlen(pdu->type);
	uint32_t data_len = wire_is_term(pdu->type) ? 0 : pdu->data_len;

	assert_memory_equal(seen->header, wire, min_of(header, 128u));
	assert_int_equal(seen->data_len, data_len);
	assert_false(seen->ddgst_bad);
	if (data_len)
		assert_int_equal(seen->data_crc, wire_crc32c(wire + wire_pdo(c, pdu), data_len));
}

/* ---- splits ---- */

static void split_pair(const struct side *side, const struct wire_conn *c, const struct wire_pdu *a,
		       const struct wire_pdu *b)
{
	uint32_t first = write_pdu(stream, c, a, 0);
	uint32_t len = first + write_pdu(stream + first, c, b, 1);
	enum reader_way way;
	uint32_t at;

	for (way = 0; way < WAY_NR; way++) {
		for (at = 0; at <= len; at++) {
			reader_init(&reader, side->rules, c);
			reader.rng.s = at;
			assert_int_equal(reader_give(&reader, way, stream, at), at);
			assert_int_equal(reader_give(&reader, way, stream + at, len - at),
					 len - at);
			assert_false(reader.is_bad);
			assert_false(reader.broken_api);
			assert_int_equal(reader.nr_seen, 2);
			expect_seen(&reader.seen[0], stream, c, a);
			expect_seen(&reader.seen[1], stream + first, c, b);
		}
	}
}

static void test_pdu_rx_pairs_split_anywhere_arrive_whole(void **state)
{
	size_t s, c, a, b;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sides); s++)
		for (c = 0; c < ARRAY_SIZE(conns); c++)
			for (a = 0; a < ARRAY_SIZE(sides[s].pdu); a++)
				for (b = 0; b < ARRAY_SIZE(sides[s].pdu); b++)
					split_pair(&sides[s], &conns[c], &sides[s].pdu[a],
						   &sides[s].pdu[b]);
}

/* One PDU cut in three. */
static void test_pdu_rx_two_splits_in_one_pdu_arrive_whole(void **state)
{
	const struct wire_conn c = { true, true, 32 };
	const struct wire_pdu pdu = { 6, 4, 16 };
	uint32_t len = write_pdu(stream, &c, &pdu, 0);
	enum reader_way way;
	uint32_t i, j;

	(void)state;
	for (way = 0; way < WAY_NR; way++) {
		for (i = 0; i <= len; i++) {
			for (j = i; j <= len; j++) {
				reader_init(&reader, pdu_rx_from_host, &c);
				reader_give(&reader, way, stream, i);
				reader_give(&reader, way, stream + i, j - i);
				assert_int_equal(reader.nr_seen, j == len);
				reader_give(&reader, way, stream + j, len - j);
				assert_int_equal(reader.nr_seen, 1);
				assert_false(reader.broken_api);
				expect_seen(&reader.seen[0], stream, &c, &pdu);
			}
		}
	}
}

static void test_pdu_rx_single_bytes_arrive_whole(void **state)
{
	size_t s, c, i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sides); s++) {
		for (c = 0; c < ARRAY_SIZE(conns); c++) {
			uint32_t start[ARRAY_SIZE(sides[s].pdu) + 1] = { 0 };
			enum reader_way way;

			for (i = 0; i < ARRAY_SIZE(sides[s].pdu); i++)
				start[i + 1] = start[i] + write_pdu(stream + start[i], &conns[c],
								    &sides[s].pdu[i], (int)i);
			for (way = 0; way < WAY_NR; way++) {
				reader_init(&reader, sides[s].rules, &conns[c]);
				for (i = 0; i < start[ARRAY_SIZE(sides[s].pdu)]; i++)
					assert_int_equal(reader_give(&reader, way, stream + i, 1),
							 1);
				assert_int_equal(reader.nr_seen, ARRAY_SIZE(sides[s].pdu));
				assert_false(reader.broken_api);
				for (i = 0; i < reader.nr_seen; i++)
					expect_seen(&reader.seen[i], stream + start[i], &conns[c],
						    &sides[s].pdu[i]);
			}
		}
	}
}

/* ---- bits ---- */

/* Flips bit @bit of the first of two PDUs and checks that it does not go unnoticed. */
static void flip_bit(const struct side *side, const struct wire_conn *c, const struct wire_pdu *pdu,
		     uint32_t first, uint32_t len, uint32_t bit, enum reader_way way)
{
	uint32_t header = wire_hlen(pdu->type) + 4u;
	uint32_t byte = bit / 8;

	stream[byte] ^= 1u << bit % 8;
	reader_init(&reader, side->rules, c);
	reader_give(&reader, way, stream, len);
	stream[byte] ^= 1u << bit % 8;
	assert_false(reader.broken_api);
	if (byte < header) {
		assert_true(reader.is_bad);
		assert_int_equal(reader.nr_headers, 0);
		if (byte >= 8)
			assert_int_equal(reader.rx.fes, NVME_TCP_FES_HDR_DIGEST_ERR);
		return;
	}
	assert_false(reader.is_bad);
	assert_int_equal(reader.nr_seen, 2);
	/* padding is covered by no digest and means nothing */
	assert_int_equal(reader.seen[0].ddgst_bad, byte >= wire_pdo(c, pdu));
	expect_seen(&reader.seen[1], stream + first, c, pdu);
}

static void test_pdu_rx_every_single_bit_flip_is_noticed(void **state)
{
	static const struct wire_conn both[] = { { true, true, 1 }, { true, true, 32 } };
	size_t s, c, i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sides); s++) {
		for (c = 0; c < ARRAY_SIZE(both); c++) {
			for (i = 0; i < ARRAY_SIZE(sides[s].pdu); i++) {
				const struct wire_pdu *pdu = &sides[s].pdu[i];
				uint32_t first, len, bit;
				enum reader_way way;

				if (!wire_has_digests(pdu->type))
					continue;
				first = write_pdu(stream, &both[c], pdu, 0);
				len = first + write_pdu(stream + first, &both[c], pdu, 1);
				for (way = 0; way < WAY_NR; way++)
					for (bit = 0; bit < first * 8; bit++)
						flip_bit(&sides[s], &both[c], pdu, first, len, bit,
							 way);
			}
		}
	}
}

/* ---- owner ---- */

static void test_pdu_rx_header_not_accepted_nothing_is_taken(void **state)
{
	const struct wire_conn c = { true, true, 1 };
	const struct wire_pdu pdu = { 4, 0, 100 };
	uint32_t len = write_pdu(stream, &c, &pdu, 0);
	struct iovec v;
	size_t used = 1;

	(void)state;
	reader_init(&reader, pdu_rx_from_host, &c);
	reader.stopped = true;
	assert_int_equal(reader_give(&reader, WAY_FEED, stream, len), 76);
	assert_true(reader.waiting);
	assert_int_equal(reader.rx.hdr_got, 72);
	assert_int_equal(reader.rx.data_len, 100);
	assert_int_equal(pdu_rx_where(&reader.rx).iov_len, 0);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, &v, 1), 0);
	assert_int_equal(pdu_rx_advance(&reader.rx, 0), PDU_RX_HEADER);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream + 76, len - 76, &used), PDU_RX_HEADER);
	assert_int_equal(used, 0);
	reader.stopped = false;
	reader.waiting = false;
	reader_event(&reader, PDU_RX_HEADER);
	assert_int_equal(reader_give(&reader, WAY_FEED, stream + 76, len - 76), len - 76);
	assert_int_equal(reader.nr_seen, 1);
	expect_seen(&reader.seen[0], stream, &c, &pdu);
}

static void test_pdu_rx_feed_within_header_stops_at_its_end(void **state)
{
	const struct wire_conn c = { false, false, 1 };
	const struct wire_pdu pdu = { 5, 0, 0 };
	size_t used = 0;
	uint32_t len;

	(void)state;
	len = write_pdu(stream, &c, &pdu, 0);
	len += write_pdu(stream + len, &c, &pdu, 1);
	reader_init(&reader, pdu_rx_from_ctrl, &c);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream, len, &used), PDU_RX_HEADER);
	assert_int_equal(used, 24);
	assert_int_equal(pdu_rx_accept(&reader.rx, NULL, 0), PDU_RX_DONE);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream + 24, len - 24, &used), PDU_RX_HEADER);
	assert_int_equal(used, 24);
	assert_int_equal(pdu_rx_feed(&reader.rx, NULL, 0, &used), PDU_RX_HEADER);
}

static void test_pdu_rx_done_keeps_the_header_until_the_next_byte(void **state)
{
	const struct wire_conn c = { true, true, 1 };
	const struct wire_pdu pdu = { 6, 4, 32 };
	uint32_t len = write_pdu(stream, &c, &pdu, 0);

	(void)state;
	reader_init(&reader, pdu_rx_from_host, &c);
	reader_give(&reader, WAY_FEED, stream, len);
	assert_int_equal(reader.nr_seen, 1);
	assert_memory_equal(&reader.rx.pdu, stream, 24);
	assert_int_equal(reader.rx.data_len, 32);
	assert_ptr_equal(pdu_rx_where(&reader.rx).iov_base, &reader.rx.pdu);
}

static void test_pdu_rx_discarded_payload_is_checked_and_passed_over(void **state)
{
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(conns); c++) {
		const struct wire_pdu pdu = { 7, 4, 1000 };
		uint32_t first = write_pdu(stream, &conns[c], &pdu, 0);
		uint32_t len = first + write_pdu(stream + first, &conns[c], &pdu, 1);
		enum reader_way way;

		for (way = 0; way < WAY_NR; way++) {
			reader_init(&reader, pdu_rx_from_ctrl, &conns[c]);
			reader.discard = true;
			assert_int_equal(reader_give(&reader, way, stream, len), len);
			assert_int_equal(reader.nr_seen, 2);
			assert_false(reader.seen[0].ddgst_bad);
			assert_false(reader.seen[1].ddgst_bad);

			stream[first - 5] ^= 1;
			reader_init(&reader, pdu_rx_from_ctrl, &conns[c]);
			reader.discard = true;
			assert_int_equal(reader_give(&reader, way, stream, len), len);
			stream[first - 5] ^= 1;
			assert_int_equal(reader.nr_seen, 2);
			assert_int_equal(reader.seen[0].ddgst_bad, conns[c].ddgst);
			assert_false(reader.seen[1].ddgst_bad);
		}
	}
}

static void test_pdu_rx_payload_iov_is_the_rest_of_the_payload(void **state)
{
	const struct wire_conn c = { false, true, 1 };
	const struct wire_pdu pdu = { 6, 4, 40 };
	struct iovec dst[4] = { { reader.payload, 0 },
				{ reader.payload, 10 },
				{ reader.payload + 10, 0 },
				{ reader.payload + 10, 100 } };
	struct iovec v[4];
	size_t used;

	(void)state;
	write_pdu(stream, &c, &pdu, 0);
	reader_init(&reader, pdu_rx_from_host, &c);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, v, 4), 0);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream, 68, &used), PDU_RX_HEADER);
	assert_int_equal(pdu_rx_accept(&reader.rx, dst, 4), PDU_RX_MORE);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, v, 4), 2);
	assert_int_equal(v[0].iov_len, 10);
	assert_int_equal(v[1].iov_len, 30);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, v, 1), 1);
	memcpy(reader.payload, stream + 24, 40);
	assert_int_equal(pdu_rx_advance(&reader.rx, 11), PDU_RX_MORE);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, v, 4), 1);
	assert_ptr_equal(v[0].iov_base, reader.payload + 11);
	assert_int_equal(v[0].iov_len, 29);
	assert_int_equal(pdu_rx_advance(&reader.rx, 29), PDU_RX_MORE);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, v, 4), 0);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream + 64, 4, &used), PDU_RX_DONE);
	assert_false(reader.rx.ddgst_bad);
}

/* What the IC exchange agreed on holds for the next PDU, not for the IC PDU itself. */
/* Two PDUs received with the payload of the first in its place, up to @at, the rest elsewhere. */
static void test_pdu_rx_in_place_takes_only_what_lies_in_its_place(void **state)
{
	static const struct wire_conn digests = { true, true, 1 };
	static const struct wire_pdu pdu = { 7, 4, 64 };
	uint32_t len = wire_write(stream, &digests, &pdu, 5);
	uint32_t pdo = wire_pdo(&digests, &pdu);
	uint32_t at;

	(void)state;
	for (at = 0; at <= 64; at++) {
		uint8_t buf[256], place[256];
		struct iovec iov[2] = { { place + pdo, 24 }, { place + pdo + 24, 40 } };
		struct pdu_rx rx;
		size_t used;

		memcpy(place, stream, pdo + at);
		memset(place + pdo + at, 0x55, sizeof(place) - pdo - at);
		memcpy(buf, stream, len);
		pdu_rx_init(&rx, pdu_rx_from_ctrl, 0, 1 << 20);
		pdu_rx_negotiated(&rx, true, true, 1);
		assert_int_equal(pdu_rx_part(&rx), PDU_RX_IN_HEADER);
		assert_int_equal(pdu_rx_feed_in_place(&rx, place, pdo + at, &used), PDU_RX_HEADER);
		assert_int_equal(used, pdo);
		/* nothing is taken before the header is accepted */
		assert_int_equal(pdu_rx_feed_in_place(&rx, place + pdo, at, &used), PDU_RX_HEADER);
		assert_int_equal(used, 0);
		pdu_rx_accept(&rx, iov, 2);
		assert_int_equal(pdu_rx_part(&rx), PDU_RX_IN_PAYLOAD);
		assert_int_equal(pdu_rx_feed_in_place(&rx, place + pdo, at, &used), PDU_RX_MORE);
		assert_int_equal(used, at);
		/* the rest lies elsewhere: not taken, and its place not touched, unless copied */
		if (at < 64) {
			assert_int_equal(pdu_rx_feed_in_place(&rx, buf + pdo + at, len - pdo - at,
							      &used),
					 PDU_RX_MORE);
			assert_int_equal(used, 0);
			assert_int_equal(place[pdo + at], 0x55);
			pdu_rx_feed(&rx, buf + pdo + at, 64 - at, &used);
		}
		assert_int_equal(pdu_rx_part(&rx), PDU_RX_IN_DIGEST);
		assert_int_equal(pdu_rx_feed_in_place(&rx, buf + pdo + 64, len - pdo - 64, &used),
				 PDU_RX_DONE);
		assert_int_equal(used, len - pdo - 64);
		assert_false(rx.ddgst_bad);
		assert_memory_equal(place + pdo, stream + pdo, 64);
	}
}

static void test_pdu_rx_negotiated_at_the_ic_header_applies_to_the_next_pdu(void **state)
{
	const struct wire_conn none = { false, false, 1 };
	const struct wire_conn both = { true, true, 8 };
	const struct wire_pdu ic = { 0, 0, 0 };
	const struct wire_pdu cmd = { 4, 0, 64 };
	uint32_t len = write_pdu(stream, &none, &ic, 0);
	size_t used;

	(void)state;
	len += write_pdu(stream + len, &both, &cmd, 1);
	reader_init(&reader, pdu_rx_from_host, &none);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream, len, &used), PDU_RX_HEADER);
	assert_int_equal(used, 128);
	pdu_rx_negotiated(&reader.rx, true, true, 8);
	assert_int_equal(pdu_rx_accept(&reader.rx, NULL, 0), PDU_RX_DONE);
	assert_int_equal(reader_give(&reader, WAY_FEED, stream + 128, len - 128), len - 128);
	assert_int_equal(reader.nr_seen, 1);
	expect_seen(&reader.seen[0], stream + 128, &both, &cmd);
}

/* Payloads larger than what is copied and summed at once. */
static void test_pdu_rx_large_payload_with_digest_arrives_whole(void **state)
{
	static uint8_t dst[40000];
	const struct wire_conn c = { true, true, 1 };
	const struct wire_pdu pdu = { 7, 4, sizeof(dst) };
	struct iovec v[2] = { { dst, 20001 }, { dst + 20001, sizeof(dst) - 20001 } };
	uint32_t len = write_pdu(stream, &c, &pdu, 0);
	struct pdu_rx *rx = &reader.rx;
	size_t used, more;

	(void)state;
	pdu_rx_init(rx, pdu_rx_from_ctrl, 0, UINT32_MAX);
	pdu_rx_negotiated(rx, true, true, 1);
	assert_int_equal(pdu_rx_feed(rx, stream, len, &used), PDU_RX_HEADER);
	assert_int_equal(pdu_rx_accept(rx, v, 2), PDU_RX_MORE);
	assert_int_equal(pdu_rx_feed(rx, stream + used, len - used, &more), PDU_RX_DONE);
	assert_int_equal(used + more, len);
	assert_false(rx->ddgst_bad);
	assert_memory_equal(dst, stream + 28, sizeof(dst));
}

/* ---- random ---- */

static uint64_t seed_of_this_run(void)
{
	const char *text = getenv("SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void test_pdu_rx_random_streams_in_random_pieces_arrive_whole(void **state)
{
	struct rng rng = { seed_of_this_run() };
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		const struct side *side = &sides[rng_below(&rng, 2)];
		struct wire_conn c = { rng_below(&rng, 2), rng_below(&rng, 2),
				       (uint8_t)(1 + rng_below(&rng, 32)) };
		struct wire_pdu pdu[20];
		uint32_t start[21] = { 0 };
		uint32_t at = 0;
		int i;

		for (i = 0; i < 20; i++) {
			pdu[i] = side->pdu[rng_below(&rng, ARRAY_SIZE(side->pdu))];
			if (pdu[i].data_len && !wire_is_term(pdu[i].type))
				pdu[i].data_len =
					1 + rng_below(&rng, rng_below(&rng, 8) ? 64 : 3000);
			start[i + 1] = start[i] +
				       wire_write(stream + start[i], &c, &pdu[i], rng_next(&rng));
		}
		reader_init(&reader, side->rules, &c);
		reader.rng.s = rng_next(&rng);
		while (at < start[20]) {
			uint32_t n = 1 + rng_below(&rng, rng_below(&rng, 2) ? 16 : 5000);

			n = min_of(n, start[20] - at);
			assert_int_equal(
				reader_give(&reader, rng_below(&rng, WAY_NR), stream + at, n), n);
			at += n;
		}
		assert_false(reader.broken_api);
		assert_int_equal(reader.nr_seen, 20);
		for (i = 0; i < 20; i++)
			expect_seen(&reader.seen[i], stream + start[i], &c, &pdu[i]);
	}
}

/*
 * Streams with wrong bits: whatever happens, it does not depend on how the bytes came, and nothing
 * is accepted that exceeds the limits (the reader's buffers, under a sanitizer, are the witness).
 */
static void test_pdu_rx_random_damage_is_judged_alike_in_every_way(void **state)
{
	static struct reader other;
	struct rng rng = { seed_of_this_run() };
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		const struct side *side = &sides[rng_below(&rng, 2)];
		struct wire_conn c = { rng_below(&rng, 2), rng_below(&rng, 2),
				       (uint8_t)(1 + rng_below(&rng, 4)) };
		uint32_t len = 0;
		uint32_t used, i;

		for (i = 0; i < 4; i++)
			len += wire_write(stream + len, &c,
					  &side->pdu[rng_below(&rng, ARRAY_SIZE(side->pdu))],
					  rng_next(&rng));
		for (i = rng_below(&rng, 4); i; i--)
			stream[rng_below(&rng, rng_below(&rng, 2) ? 8 : len)] ^=
				1u << rng_below(&rng, 8);
		reader_init(&reader, side->rules, &c);
		used = (uint32_t)reader_give(&reader, WAY_FEED, stream, len);
		assert_true(used == len || reader.is_bad);
		reader_init(&other, side->rules, &c);
		other.rng.s = rng_next(&rng);
		reader_give(&other, WAY_MIXED, stream, len);
		assert_false(reader.broken_api || other.broken_api);
		assert_int_equal(reader.is_bad, other.is_bad);
		assert_int_equal(reader.rx.fes, other.rx.fes);
		assert_int_equal(reader.rx.fei, other.rx.fei);
		assert_int_equal(reader.nr_headers, other.nr_headers);
		assert_int_equal(reader.nr_seen, other.nr_seen);
		for (i = 0; i < reader.nr_seen; i++) {
			assert_int_equal(reader.seen[i].ddgst_bad, other.seen[i].ddgst_bad);
			assert_int_equal(reader.seen[i].data_crc, other.seen[i].data_crc);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pdu_rx_pairs_split_anywhere_arrive_whole),
		cmocka_unit_test(test_pdu_rx_two_splits_in_one_pdu_arrive_whole),
		cmocka_unit_test(test_pdu_rx_single_bytes_arrive_whole),
		cmocka_unit_test(test_pdu_rx_every_single_bit_flip_is_noticed),
		cmocka_unit_test(test_pdu_rx_header_not_accepted_nothing_is_taken),
		cmocka_unit_test(test_pdu_rx_feed_within_header_stops_at_its_end),
		cmocka_unit_test(test_pdu_rx_done_keeps_the_header_until_the_next_byte),
		cmocka_unit_test(test_pdu_rx_discarded_payload_is_checked_and_passed_over),
		cmocka_unit_test(test_pdu_rx_payload_iov_is_the_rest_of_the_payload),
		cmocka_unit_test(test_pdu_rx_in_place_takes_only_what_lies_in_its_place),
		cmocka_unit_test(test_pdu_rx_negotiated_at_the_ic_header_applies_to_the_next_pdu),
		cmocka_unit_test(test_pdu_rx_large_payload_with_digest_arrives_whole),
		cmocka_unit_test(test_pdu_rx_random_streams_in_random_pieces_arrive_whole),
		cmocka_unit_test(test_pdu_rx_random_damage_is_judged_alike_in_every_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
