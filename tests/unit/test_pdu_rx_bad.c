// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the receiving half of the PDU engine refuses, with which FES and FEI: unknown types, wrong
 * lengths, offsets, flags and digests, limits, TermReqs. Each case is a PDU that would be right,
 * with a few bytes changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/util.h"
#include "tests/unit/pdu_reader.h"

enum {
	HOST,
	CTRL,
	AT_TYPE = 0,
	AT_FLAGS = 1,
	AT_HLEN = 2,
	AT_PDO = 3,
	AT_PLEN = 4,
	AT_DATAL = 16,
	MAX_DATA = 1024, /* limit of the tests' connections */
};

struct patch {
	uint8_t at;
	uint8_t bytes; /* 1 or 4; 0 ends the list */
	uint32_t value;
};

struct bad_case {
	const char *name;
	uint8_t side;
	struct wire_conn conn;
	struct wire_pdu pdu;
	struct patch patch[3];
	uint16_t fes;
	uint32_t fei;
};

/* clang-format off */
#define PLAIN { false, false, 1 }
#define HDGST { true, false, 1 }
#define DDGST { false, true, 1 }
#define BOTH { true, true, 1 }
#define WIDE { false, false, 32 }
#define NONE { { 0 } }
#define BYTE(at, value) { at, 1, value }
#define WORD(at, value) { at, 4, value }

static const struct bad_case bad_cases[] = {
	/* unknown types, and those of the other direction */
	{ "type 8", HOST, PLAIN, { 4, 0, 0 }, { BYTE(0, 8) }, 1, AT_TYPE },
	{ "type 0Ah", HOST, PLAIN, { 4, 0, 0 }, { BYTE(0, 0x0a) }, 1, AT_TYPE },
	{ "type FFh", HOST, PLAIN, { 4, 0, 0 }, { BYTE(0, 0xff) }, 1, AT_TYPE },
	{ "ICResp from a host", HOST, PLAIN, { 1, 0, 0 }, NONE, 1, AT_TYPE },
	{ "C2HTermReq from a host", HOST, PLAIN, { 3, 0, 0 }, NONE, 1, AT_TYPE },
	{ "CapsuleResp from a host", HOST, PLAIN, { 5, 0, 0 }, NONE, 1, AT_TYPE },
	{ "C2HData from a host", HOST, PLAIN, { 7, 0, 8 }, NONE, 1, AT_TYPE },
	{ "R2T from a host", HOST, PLAIN, { 9, 0, 0 }, NONE, 1, AT_TYPE },
	{ "ICReq from a controller", CTRL, PLAIN, { 0, 0, 0 }, NONE, 1, AT_TYPE },
	{ "H2CTermReq from a controller", CTRL, PLAIN, { 2, 0, 0 }, NONE, 1, AT_TYPE },
	{ "CapsuleCmd from a controller", CTRL, PLAIN, { 4, 0, 0 }, NONE, 1, AT_TYPE },
	{ "H2CData from a controller", CTRL, PLAIN, { 6, 0, 8 }, NONE, 1, AT_TYPE },

	/* HLEN */
	{ "HLEN 0", HOST, PLAIN, { 4, 0, 0 }, { BYTE(2, 0) }, 1, AT_HLEN },
	{ "HLEN one more", HOST, PLAIN, { 4, 0, 0 }, { BYTE(2, 73) }, 1, AT_HLEN },
	{ "HLEN 255", HOST, BOTH, { 4, 0, 16 }, { BYTE(2, 255) }, 1, AT_HLEN },
	{ "HLEN 255 of a response", CTRL, HDGST, { 5, 0, 0 }, { BYTE(2, 255) }, 1, AT_HLEN },
	{ "HLEN of another type", HOST, PLAIN, { 6, 0, 8 }, { BYTE(2, 72) }, 1, AT_HLEN },
	{ "HLEN of ICReq", HOST, PLAIN, { 0, 0, 0 }, { BYTE(2, 127) }, 1, AT_HLEN },
	{ "HLEN of R2T", CTRL, PLAIN, { 9, 0, 0 }, { BYTE(2, 20) }, 1, AT_HLEN },

	/* PLEN */
	{ "PLEN 0", HOST, PLAIN, { 4, 0, 0 }, { WORD(4, 0) }, 1, AT_PLEN },
	{ "PLEN below HLEN", HOST, PLAIN, { 4, 0, 0 }, { WORD(4, 71) }, 1, AT_PLEN },
	{ "PLEN below HLEN and digest", HOST, HDGST, { 4, 0, 0 }, { WORD(4, 75) }, 1, AT_PLEN },
	{ "PLEN FFFFFFFFh", HOST, PLAIN, { 4, 0, 8 }, { WORD(4, UINT32_MAX) }, 5, 0 },
	{ "PLEN FFFFFFFFh, PDO 0", HOST, PLAIN, { 4, 0, 0 }, { WORD(4, UINT32_MAX) }, 1, AT_PDO },
	{ "PLEN FFFFFFFFh H2CData", HOST, BOTH, { 6, 0, 8 }, { WORD(4, UINT32_MAX) }, 5, 0 },
	{ "PLEN FFFFFFFFh, RSP", CTRL, PLAIN, { 5, 0, 0 }, { WORD(4, UINT32_MAX) }, 1, AT_PLEN },
	{ "PLEN 0 of a response", CTRL, PLAIN, { 5, 0, 0 }, { WORD(4, 0) }, 1, AT_PLEN },
	{ "PLEN leaves only a digest", HOST, DDGST, { 4, 0, 8 }, { WORD(4, 76) }, 1, AT_PLEN },
	{ "PLEN cuts the digest", HOST, DDGST, { 4, 0, 8 }, { WORD(4, 75) }, 1, AT_PLEN },
	{ "PLEN ends in padding", HOST, WIDE, { 4, 0, 8 }, { WORD(4, 128) }, 1, AT_PLEN },
	{ "PLEN of ICReq", HOST, PLAIN, { 0, 0, 0 }, { WORD(4, 132) }, 1, AT_PLEN },
	{ "PLEN of ICReq short", HOST, PLAIN, { 0, 0, 0 }, { WORD(4, 127) }, 1, AT_PLEN },
	{ "PLEN of ICResp", CTRL, PLAIN, { 1, 0, 0 }, { WORD(4, 24) }, 1, AT_PLEN },
	{ "PLEN of R2T with data", CTRL, PLAIN, { 9, 0, 0 }, { WORD(4, 28) }, 1, AT_PLEN },
	{ "H2CData without data", HOST, PLAIN, { 6, 0, 0 }, NONE, 1, AT_PLEN },
	{ "H2CData only header, with PDO", HOST, PLAIN, { 6, 0, 0 }, { BYTE(3, 24) }, 1, AT_PLEN },
	{ "C2HData without data", CTRL, BOTH, { 7, 0, 0 }, NONE, 1, AT_PLEN },

	/* PDO */
	{ "PDO 0", HOST, PLAIN, { 4, 0, 8 }, { BYTE(3, 0) }, 1, AT_PDO },
	{ "PDO in the common header", HOST, PLAIN, { 4, 0, 8 }, { BYTE(3, 4) }, 1, AT_PDO },
	{ "PDO in the header", HOST, PLAIN, { 4, 0, 8 }, { BYTE(3, 68) }, 1, AT_PDO },
	{ "PDO in the header digest", HOST, HDGST, { 4, 0, 8 }, { BYTE(3, 72) }, 1, AT_PDO },
	{ "PDO beyond PLEN", HOST, PLAIN, { 4, 0, 8 }, { BYTE(3, 84) }, 1, AT_PDO },
	{ "PDO beyond PLEN, far", HOST, PLAIN, { 6, 0, 8 }, { BYTE(3, 252) }, 1, AT_PDO },
	{ "PDO 255", HOST, PLAIN, { 4, 0, 512 }, { BYTE(3, 255) }, 1, AT_PDO },
	{ "PDO not a dword", HOST, PLAIN, { 4, 0, 512 }, { BYTE(3, 74) }, 1, AT_PDO },
	{ "PDO not on 8", HOST, { false, false, 2 }, { 4, 0, 512 }, { BYTE(3, 76) }, 1, AT_PDO },
	{ "PDO not on 128", HOST, { true, true, 32 }, { 6, 0, 512 }, { BYTE(3, 64) }, 1, AT_PDO },
	{ "PDO not on 12", CTRL, { true, true, 3 }, { 7, 0, 512 }, { BYTE(3, 28) }, 1, AT_PDO },
	{ "PDO, no data", HOST, PLAIN, { 4, 0, 0 }, { BYTE(3, 76) }, 1, AT_PDO },
	{ "PDO 255, no data", HOST, PLAIN, { 4, 0, 0 }, { BYTE(3, 255) }, 1, AT_PDO },
	{ "PDO of a response", CTRL, PLAIN, { 5, 0, 0 }, { BYTE(3, 24) }, 1, AT_PDO },
	{ "PDO of an R2T", CTRL, PLAIN, { 9, 0, 0 }, { BYTE(3, 1) }, 1, AT_PDO },
	{ "PDO of an ICReq", HOST, PLAIN, { 0, 0, 0 }, { BYTE(3, 128) }, 1, AT_PDO },

	/* flags */
	{ "HDGST not agreed", HOST, PLAIN, { 4, 0, 8 }, { BYTE(1, 1) }, 1, AT_FLAGS },
	{ "DDGST not agreed", HOST, PLAIN, { 4, 0, 8 }, { BYTE(1, 2) }, 1, AT_FLAGS },
	{ "DDGST not agreed, no data", HOST, HDGST, { 4, 0, 0 }, { BYTE(1, 3) }, 1, AT_FLAGS },
	{ "HDGST missing", HOST, HDGST, { 4, 0, 8 }, { BYTE(1, 0) }, 1, AT_FLAGS },
	{ "HDGST cut out", HOST, HDGST, { 4, 0, 0 }, { BYTE(1, 0), WORD(4, 72) }, 1, AT_FLAGS },
	{ "HDGST missing in a response", CTRL, BOTH, { 5, 0, 0 }, { BYTE(1, 0) }, 1, AT_FLAGS },
	{ "DDGST missing", HOST, DDGST, { 4, 0, 8 }, { BYTE(1, 0) }, 1, AT_FLAGS },
	{ "DDGST missing in H2CData", HOST, BOTH, { 6, 4, 8 }, { BYTE(1, 5) }, 1, AT_FLAGS },
	{ "DDGST missing in C2HData", CTRL, BOTH, { 7, 4, 8 }, { BYTE(1, 5) }, 1, AT_FLAGS },
	{ "both missing", HOST, BOTH, { 4, 0, 8 }, { BYTE(1, 0) }, 1, AT_FLAGS },
	{ "DDGST in a response", CTRL, BOTH, { 5, 0, 0 }, { BYTE(1, 3) }, 1, AT_FLAGS },
	{ "DDGST in an R2T", CTRL, BOTH, { 9, 0, 0 }, { BYTE(1, 3) }, 1, AT_FLAGS },
	{ "HDGST in an ICReq", HOST, HDGST, { 0, 0, 0 }, { BYTE(1, 1) }, 1, AT_FLAGS },
	{ "LAST in a capsule", HOST, PLAIN, { 4, 4, 8 }, NONE, 1, AT_FLAGS },
	{ "SUCCESS in H2CData", HOST, PLAIN, { 6, 12, 8 }, NONE, 1, AT_FLAGS },
	{ "SUCCESS without LAST", CTRL, PLAIN, { 7, 8, 8 }, NONE, 1, AT_FLAGS },
	{ "unknown flag 10h", HOST, PLAIN, { 6, 0x10, 8 }, NONE, 1, AT_FLAGS },
	{ "unknown flag 80h", CTRL, PLAIN, { 7, 0x80, 8 }, NONE, 1, AT_FLAGS },

	/* the bad field at the lowest offset is the one to name */
	{ "flags and HLEN", HOST, PLAIN, { 4, 0, 8 }, { BYTE(1, 0x40), BYTE(2, 0) }, 1, AT_FLAGS },
	{ "HLEN and PLEN", HOST, PLAIN, { 4, 0, 0 }, { BYTE(2, 8), WORD(4, 8) }, 1, AT_HLEN },
	{ "PDO and PLEN", HOST, PLAIN, { 4, 0, 8 }, { BYTE(3, 3), WORD(4, 5) }, 1, AT_PDO },

	/* limits */
	{ "capsule beyond its size", HOST, PLAIN, { 4, 0, MAX_DATA + 1 }, NONE, 5, 0 },
	{ "capsule beyond its size, digests", HOST, BOTH, { 4, 0, MAX_DATA + 1 }, NONE, 5, 0 },
	{ "H2CData beyond MAXH2CDATA", HOST, PLAIN, { 6, 0, MAX_DATA + 4 }, NONE, 5, 0 },
	{ "C2HData beyond what is taken", CTRL, PLAIN, { 7, 0, MAX_DATA + 4 }, NONE, 4, 0 },

	/* DATAL */
	{ "DATAL 0", HOST, PLAIN, { 6, 0, 8 }, { WORD(16, 0) }, 1, AT_DATAL },
	{ "DATAL less", HOST, BOTH, { 6, 0, 8 }, { WORD(16, 4) }, 1, AT_DATAL },
	{ "DATAL more", HOST, HDGST, { 6, 0, 8 }, { WORD(16, 12) }, 1, AT_DATAL },
	{ "DATAL FFFFFFFFh", CTRL, DDGST, { 7, 4, 8 }, { WORD(16, UINT32_MAX) }, 1, AT_DATAL },

	/* TermReq: nothing is answered */
	{ "H2CTermReq PLEN 0", HOST, PLAIN, { 2, 0, 0 }, { WORD(4, 0) }, 0, 0 },
	{ "H2CTermReq PLEN 23", HOST, PLAIN, { 2, 0, 0 }, { WORD(4, 23) }, 0, 0 },
	{ "H2CTermReq PLEN 153", HOST, PLAIN, { 2, 0, 129 }, NONE, 0, 0 },
	{ "H2CTermReq PLEN FFFFFFFFh", HOST, BOTH, { 2, 0, 0 }, { WORD(4, UINT32_MAX) }, 0, 0 },
	{ "H2CTermReq HLEN", HOST, BOTH, { 2, 0, 0 }, { BYTE(2, 0) }, 0, 0 },
	{ "H2CTermReq PDO", HOST, BOTH, { 2, 0, 8 }, { BYTE(3, 24) }, 0, 0 },
	{ "H2CTermReq with a digest", HOST, BOTH, { 2, 0, 8 }, { BYTE(1, 1) }, 0, 0 },
	{ "C2HTermReq PLEN 153", CTRL, BOTH, { 3, 0, 129 }, NONE, 0, 0 },
};
/* clang-format on */

static uint8_t stream[8192];
static struct reader reader;

static void start(const struct bad_case *bc)
{
	reader_init(&reader, bc->side == HOST ? pdu_rx_from_host : pdu_rx_from_ctrl, &bc->conn);
	pdu_rx_set_max_data(&reader.rx, MAX_DATA, MAX_DATA);
}

static void apply(const struct bad_case *bc)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bc->patch) && bc->patch[i].bytes; i++) {
		if (bc->patch[i].bytes == 1)
			stream[bc->patch[i].at] = (uint8_t)bc->patch[i].value;
		else
			wire_put32(stream + bc->patch[i].at, bc->patch[i].value);
	}
	if (wire_has_digests(bc->pdu.type) && bc->conn.hdgst)
		wire_fix_hdgst(stream);
}

static void test_pdu_rx_bad_field_ends_with_its_fes_and_fei(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_cases); i++) {
		const struct bad_case *bc = &bad_cases[i];
		uint32_t len = wire_write(stream, &bc->conn, &bc->pdu, i);
		enum reader_way way;

		apply(bc);
		/* enough to follow, should the engine believe in more */
		memset(stream + len, 0, 512);
		for (way = 0; way < WAY_NR; way++) {
			start(bc);
			reader_give(&reader, way, stream, len + 512);
			if (!reader.is_bad || reader.rx.fes != bc->fes || reader.rx.fei != bc->fei)
				fail_msg("%s: %s fes %u fei %u", bc->name,
					 reader.is_bad ? "refused" : "taken", reader.rx.fes,
					 reader.rx.fei);
			assert_int_equal(reader.nr_headers, 0);
			assert_true(reader.rx.hdr_got >= 8);
			assert_memory_equal(&reader.rx.pdu, stream, reader.rx.hdr_got);
		}
	}
}

/* Whatever is wrong with the common header is known after eight bytes, and not before. */
static void test_pdu_rx_bad_common_header_ends_after_eight_bytes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_cases); i++) {
		const struct bad_case *bc = &bad_cases[i];

		if (bc->fei == AT_DATAL)
			continue;
		wire_write(stream, &bc->conn, &bc->pdu, i);
		apply(bc);
		start(bc);
		reader_give(&reader, WAY_FEED, stream, 7);
		assert_false(reader.is_bad);
		reader_give(&reader, WAY_FEED, stream + 7, 1);
		assert_true(reader.is_bad);
		assert_int_equal(reader.rx.hdr_got, 8);
	}
}

static void test_pdu_rx_bad_is_for_ever(void **state)
{
	const struct wire_conn c = PLAIN;
	const struct wire_pdu pdu = { 5, 0, 0 };
	struct iovec v;
	size_t used = 1;

	(void)state;
	wire_write(stream, &c, &pdu, 0);
	reader_init(&reader, pdu_rx_from_host, &c);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream, 24, &used), PDU_RX_BAD);
	assert_int_equal(pdu_rx_feed(&reader.rx, stream, 24, &used), PDU_RX_BAD);
	assert_int_equal(used, 0);
	assert_int_equal(pdu_rx_advance(&reader.rx, 0), PDU_RX_BAD);
	assert_int_equal(pdu_rx_where(&reader.rx).iov_len, 0);
	assert_int_equal(pdu_rx_payload_iov(&reader.rx, &v, 1), 0);
	assert_int_equal(reader.rx.fes, NVME_TCP_FES_INVALID_PDU_HDR);
	assert_int_equal(reader.rx.fei, 0);
}

static void test_pdu_rx_bad_header_digest_reports_the_one_received(void **state)
{
	const struct wire_conn c = HDGST;
	const struct wire_pdu pdu = { 4, 0, 0 };

	(void)state;
	wire_write(stream, &c, &pdu, 0);
	wire_put32(stream + 72, 0x12345678);
	reader_init(&reader, pdu_rx_from_host, &c);
	assert_int_equal(reader_give(&reader, WAY_FEED, stream, 76), 76);
	assert_true(reader.is_bad);
	assert_int_equal(reader.rx.fes, NVME_TCP_FES_HDR_DIGEST_ERR);
	assert_int_equal(reader.rx.fei, 0x12345678);
	assert_int_equal(reader.rx.hdr_got, 72);
}

/* A wrong data digest is told, and the stream goes on; the next PDU starts without blame. */
static void test_pdu_rx_bad_data_digest_is_told_and_survived(void **state)
{
	const struct wire_conn c = DDGST;
	const struct wire_pdu pdu = { 4, 0, 100 };
	const struct wire_pdu no_data = { 4, 0, 0 };
	uint32_t len = wire_write(stream, &c, &pdu, 0);
	enum reader_way way;

	(void)state;
	stream[len - 1] ^= 0x80;
	len += wire_write(stream + len, &c, &no_data, 1);
	len += wire_write(stream + len, &c, &pdu, 2);
	for (way = 0; way < WAY_NR; way++) {
		reader_init(&reader, pdu_rx_from_host, &c);
		assert_int_equal(reader_give(&reader, way, stream, len), len);
		assert_int_equal(reader.nr_seen, 3);
		assert_true(reader.seen[0].ddgst_bad);
		assert_false(reader.seen[1].ddgst_bad);
		assert_false(reader.seen[2].ddgst_bad);
	}
}

/* Oddities that hurt nobody: other targets take them. */
static void test_pdu_rx_harmless_oddities_are_taken(void **state)
{
	static const struct bad_case odd[] = {
		{ "PDO at the end, no data", HOST, PLAIN, { 4, 0, 0 }, { BYTE(3, 72) }, 0, 0 },
		{ "PDO at the end, digest", HOST, HDGST, { 4, 0, 0 }, { BYTE(3, 76) }, 0, 0 },
		{ "DDGST set, no data", HOST, BOTH, { 4, 0, 0 }, { BYTE(1, 3) }, 0, 0 },
		{ "TermReq FES unknown", HOST, PLAIN, { 2, 0, 4 }, { WORD(8, 0xffff) }, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		uint32_t len = wire_write(stream, &odd[i].conn, &odd[i].pdu, i);

		apply(&odd[i]);
		start(&odd[i]);
		assert_int_equal(reader_give(&reader, WAY_FEED, stream, len), len);
		if (reader.is_bad || reader.nr_seen != 1)
			fail_msg("%s: refused, fes %u fei %u", odd[i].name, reader.rx.fes,
				 reader.rx.fei);
		assert_int_equal(reader.seen[0].data_len, 0);
	}
}

/* More padding than needed is padding, up to what PDO can say. */
static void test_pdu_rx_long_padding_is_skipped(void **state)
{
	const struct wire_conn c = PLAIN;
	const struct wire_pdu pdu = { 6, 4, 400 };
	uint32_t len = wire_write(stream, &c, &pdu, 0);
	enum reader_way way;

	(void)state;
	stream[3] = 252;
	wire_put32(stream + 16, len - 252);
	for (way = 0; way < WAY_NR; way++) {
		reader_init(&reader, pdu_rx_from_host, &c);
		assert_int_equal(reader_give(&reader, way, stream, len), len);
		assert_int_equal(reader.nr_seen, 1);
		assert_int_equal(reader.seen[0].data_len, len - 252);
		assert_int_equal(reader.seen[0].data_crc, wire_crc32c(stream + 252, len - 252));
	}
}

static void test_pdu_rx_limits_are_inclusive_and_may_change(void **state)
{
	const struct wire_conn c = BOTH;
	const struct wire_pdu cmd = { 4, 0, MAX_DATA };
	const struct wire_pdu data = { 6, 4, MAX_DATA };
	uint32_t first = wire_write(stream, &c, &cmd, 0);
	uint32_t len = first + wire_write(stream + first, &c, &data, 1);

	(void)state;
	reader_init(&reader, pdu_rx_from_host, &c);
	pdu_rx_set_max_data(&reader.rx, MAX_DATA, MAX_DATA);
	assert_int_equal(reader_give(&reader, WAY_FEED, stream, len), len);
	assert_int_equal(reader.nr_seen, 2);
	pdu_rx_set_max_data(&reader.rx, MAX_DATA, MAX_DATA - 1);
	assert_int_equal(reader_give(&reader, WAY_FEED, stream, first), first);
	assert_int_equal(reader.nr_seen, 3);
	reader_give(&reader, WAY_FEED, stream + first, len - first);
	assert_true(reader.is_bad);

	reader_init(&reader, pdu_rx_from_host, &c);
	pdu_rx_set_max_data(&reader.rx, 0, UINT32_MAX);
	reader_give(&reader, WAY_FEED, stream, first);
	assert_true(reader.is_bad);
	assert_int_equal(reader.rx.fes, NVME_TCP_FES_DATA_LIMIT_EXCEEDED);
}

/* The table's own limit holds when the connection's is higher. */
static void test_pdu_rx_capsule_never_exceeds_the_table(void **state)
{
	uint8_t hdr[8] = { 4, 0, 72, 72 };
	size_t used;

	(void)state;
	pdu_rx_init(&reader.rx, pdu_rx_from_host, UINT32_MAX, UINT32_MAX);
	wire_put32(hdr + 4, 72 + MAX_ICD_BYTES);
	assert_int_equal(pdu_rx_feed(&reader.rx, hdr, 8, &used), PDU_RX_MORE);
	pdu_rx_init(&reader.rx, pdu_rx_from_host, UINT32_MAX, UINT32_MAX);
	wire_put32(hdr + 4, 72 + MAX_ICD_BYTES + 1);
	assert_int_equal(pdu_rx_feed(&reader.rx, hdr, 8, &used), PDU_RX_BAD);
	assert_int_equal(reader.rx.fes, NVME_TCP_FES_DATA_LIMIT_EXCEEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pdu_rx_bad_field_ends_with_its_fes_and_fei),
		cmocka_unit_test(test_pdu_rx_bad_common_header_ends_after_eight_bytes),
		cmocka_unit_test(test_pdu_rx_bad_is_for_ever),
		cmocka_unit_test(test_pdu_rx_bad_header_digest_reports_the_one_received),
		cmocka_unit_test(test_pdu_rx_bad_data_digest_is_told_and_survived),
		cmocka_unit_test(test_pdu_rx_harmless_oddities_are_taken),
		cmocka_unit_test(test_pdu_rx_long_padding_is_skipped),
		cmocka_unit_test(test_pdu_rx_limits_are_inclusive_and_may_change),
		cmocka_unit_test(test_pdu_rx_capsule_never_exceeds_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
