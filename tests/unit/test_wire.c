// SPDX-License-Identifier: BSD-2-Clause
/*
 * The wire formats against bytes written by hand from the specification's figures: what the
 * builders make of known values, and what the structs read out of known bytes. The digests were
 * computed elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/pdu_tx.h"

static struct pdu_txq q;
static struct pdu_tx tx;

/* All bytes of @tx one after the other are @want. */
static void expect_bytes(const uint8_t *want, size_t len)
{
	uint8_t got[256];
	struct iovec iov[8];
	size_t n = 0;
	int nr, i;

	tx.sent = NULL;
	pdu_txq_push(&q, &tx);
	nr = pdu_txq_iov(&q, iov, 8);
	for (i = 0; i < nr; i++) {
		memcpy(got + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	pdu_txq_advance(&q, n);
	assert_int_equal(n, len);
	assert_memory_equal(got, want, len);
}

#define EXPECT(...)                                             \
	do {                                                    \
		static const uint8_t want_[] = { __VA_ARGS__ }; \
		expect_bytes(want_, sizeof(want_));             \
	} while (0)

static int start(void **state)
{
	(void)state;
	memset(&tx, 0xee, sizeof(tx));
	pdu_txq_init(&q);
	return 0;
}

static void test_wire_icreq_is_128_bytes(void **state)
{
	uint8_t want[128] = { 0x00, 0x00, 0x80, 0x00, 0x80, 0,	  0,	0,
			      0,    0,	  0x1f, 0x03, 0x07, 0x00, 0x01, 0x00 };

	(void)state;
	pdu_txq_negotiated(&q, true, true, 32);
	pdu_tx_icreq(&tx, 31, true, true, 0x10007);
	expect_bytes(want, sizeof(want));
	want[10] = 0;
	want[11] = 1;
	want[12] = want[14] = 0;
	pdu_tx_icreq(&tx, 0, true, false, 0);
	expect_bytes(want, sizeof(want));
}

static void test_wire_icresp_is_128_bytes(void **state)
{
	uint8_t want[128] = { 0x01, 0x00, 0x80, 0x00, 0x80, 0,	  0,	0,
			      0,    0,	  0x03, 0x02, 0x00, 0x00, 0x02, 0x00 };

	(void)state;
	pdu_tx_icresp(&tx, 3, false, true, 131072);
	expect_bytes(want, sizeof(want));
}

static void test_wire_term_req_has_fei_at_offset_10(void **state)
{
	const uint8_t hdr[] = { 0xa1, 0xa2, 0xa3 };

	(void)state;
	pdu_txq_negotiated(&q, true, true, 1);
	pdu_tx_term(&tx, NVME_TCP_C2H_TERM, NVME_TCP_FES_HDR_DIGEST_ERR, 0x12345678, hdr,
		    sizeof(hdr));
	EXPECT(0x03, 0x00, 0x18, 0x00, 0x1b, 0, 0, 0, 0x03, 0x00, 0x78, 0x56, 0x34, 0x12, 0, 0, 0,
	       0, 0, 0, 0, 0, 0, 0, 0xa1, 0xa2, 0xa3);
	pdu_tx_term(&tx, NVME_TCP_H2C_TERM, NVME_TCP_FES_UNSUPPORTED_PARAM, 10, NULL, 0);
	EXPECT(0x02, 0x00, 0x18, 0x00, 0x18, 0, 0, 0, 0x06, 0x00, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	       0, 0, 0, 0);
}

static void test_wire_cmd_with_both_digests(void **state)
{
	uint8_t data[] = { 0xde, 0xad, 0xbe, 0xef };
	struct iovec iov = { data, sizeof(data) };
	uint8_t want[84] = { 0x04, 0x03, 0x48, 0x4c, 0x54, 0, 0, 0 };
	struct nvme_sqe sqe;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sqe); i++)
		want[8 + i] = ((uint8_t *)&sqe)[i] = (uint8_t)(0x40 + i);
	memcpy(want + 72,
	       (uint8_t[]){ 0x42, 0xc3, 0x68, 0x7d, 0xde, 0xad, 0xbe, 0xef, 0x8e, 0x77, 0xdc,
			    0xf1 },
	       12);
	pdu_txq_negotiated(&q, true, true, 1);
	pdu_tx_cmd(&tx, &q, &sqe, &iov, 1, sizeof(data));
	expect_bytes(want, sizeof(want));

	/* the same without anything */
	want[1] = want[3] = 0;
	want[4] = 0x48;
	pdu_txq_negotiated(&q, false, true, 32);
	pdu_tx_cmd(&tx, &q, &sqe, NULL, 0, 0);
	expect_bytes(want, 72);
}

static void test_wire_rsp_with_digest(void **state)
{
	struct nvme_cqe cqe;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cqe); i++)
		((uint8_t *)&cqe)[i] = (uint8_t)(i + 1);
	pdu_txq_negotiated(&q, true, true, 32);
	pdu_tx_rsp(&tx, &q, &cqe);
	EXPECT(0x05, 0x01, 0x18, 0x00, 0x1c, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	       15, 16, 0x65, 0xef, 0xad, 0x6b);
}

static void test_wire_r2t_with_digest(void **state)
{
	(void)state;
	pdu_txq_negotiated(&q, true, false, 1);
	pdu_tx_r2t(&tx, &q, 0x1234, 0x5678, 0x1000, 0x2000);
	EXPECT(0x09, 0x01, 0x18, 0x00, 0x1c, 0, 0, 0, 0x34, 0x12, 0x78, 0x56, 0x00, 0x10, 0, 0,
	       0x00, 0x20, 0, 0, 0, 0, 0, 0, 0x57, 0x9d, 0x8a, 0x21);
}

static void test_wire_c2h_data_with_response(void **state)
{
	uint8_t data[] = { 0xde, 0xad, 0xbe, 0xef };
	struct iovec iov = { data, sizeof(data) };
	struct nvme_cqe cqe;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cqe); i++)
		((uint8_t *)&cqe)[i] = (uint8_t)(i + 1);
	pdu_txq_negotiated(&q, true, true, 1);
	pdu_tx_c2h_data(&tx, &q, 0x1234, &iov, 1, sizeof(data), &cqe, false);
	EXPECT(0x07, 0x07, 0x18, 0x1c, 0x24, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0,
	       0, 0, 0, 0x34, 0xd0, 0xae, 0x0a, 0xde, 0xad, 0xbe, 0xef, 0x8e, 0x77, 0xdc, 0xf1,
	       /* CapsuleResp */
	       0x05, 0x01, 0x18, 0x00, 0x1c, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	       15, 16, 0x65, 0xef, 0xad, 0x6b);
	pdu_txq_negotiated(&q, false, false, 1);
	pdu_tx_c2h_data(&tx, &q, 0x1234, &iov, 1, sizeof(data), NULL, true);
	EXPECT(0x07, 0x0c, 0x18, 0x18, 0x1c, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0,
	       0, 0, 0, 0xde, 0xad, 0xbe, 0xef);
}

static void test_wire_h2c_data_is_padded(void **state)
{
	uint8_t data[] = { 0xde, 0xad, 0xbe, 0xef };
	struct iovec iov = { data, sizeof(data) };

	(void)state;
	pdu_txq_negotiated(&q, true, true, 4);
	pdu_tx_h2c_data(&tx, &q, 0x1234, 0x5678, 0x1000, &iov, 1, sizeof(data), true);
	EXPECT(0x06, 0x07, 0x18, 0x20, 0x28, 0, 0, 0, 0x34, 0x12, 0x78, 0x56, 0x00, 0x10, 0, 0, 4,
	       0, 0, 0, 0, 0, 0, 0,
	       /* digest, padding, data, digest */
	       0xfa, 0x91, 0x80, 0x1a, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0x8e, 0x77, 0xdc, 0xf1);
}

static void test_wire_connect_command_reads_as_sent(void **state)
{
	static const uint8_t bytes[64] = {
		0x7f, 0x40, 0xcd, 0xab, 0x01, [32] = 0x00, 0x04, 0,    0,    0,	   0,	 0,
		0x01, /* SGL: length, type */
		0x00, 0x00, 0x05, 0x00, 0x1f, 0x00,	   0x04, 0x00, 0xc0, 0xd4, 0x01, 0x00,
	};
	struct nvme_fabrics_connect c;
	struct nvme_sqe sqe;

	(void)state;
	memcpy(&c, bytes, sizeof(c));
	memcpy(&sqe, bytes, sizeof(sqe));
	assert_int_equal(c.opcode, NVME_FABRICS_OPCODE);
	assert_int_equal(c.flags & NVME_SQE_PSDT_MASK, NVME_SQE_PSDT_SGL);
	assert_int_equal(c.cid, htole16(0xabcd));
	assert_int_equal(c.fctype, NVME_FCTYPE_CONNECT);
	assert_int_equal(sqe_fctype(&sqe), NVME_FCTYPE_CONNECT);
	assert_int_equal(le32_get(c.sgl.length), 1024);
	assert_int_equal(c.sgl.type, NVME_SGL_DATA_OFFSET);
	assert_int_equal(le32_get(sqe.dptr.sgl.length), 1024);
	assert_int_equal(le16_get(c.recfmt), 0);
	assert_int_equal(le16_get(c.qid), 5);
	assert_int_equal(le16_get(c.sqsize), 31);
	assert_int_equal(c.cattr, NVME_CATTR_DISABLE_SQFLOW);
	assert_int_equal(le32_get(c.kato), 120000);
	assert_int_equal(le32_get(sqe.cdw10), 0x00050000);
}

static void test_wire_property_set_reads_as_sent(void **state)
{
	static const uint8_t bytes[64] = {
		0x7f, 0x40, 0x01, 0x00, 0x00, [40] = 0x01, 0, 0, 0, 0x14, 0,
		0,    0,    0x01, 0x00, 0x46, 0,	   0, 0, 0, 0x80,
	};
	struct nvme_fabrics_property p;

	(void)state;
	memcpy(&p, bytes, sizeof(p));
	assert_int_equal(p.fctype, NVME_FCTYPE_PROPERTY_SET);
	assert_int_equal(p.attrib, 1);
	assert_int_equal(le32_get(p.offset), 0x14);
	assert_true(le64_get(p.value) == 0x8000000000460001ull);
}

static void test_wire_completion_reads_as_sent(void **state)
{
	static const uint8_t bytes[16] = { 1,	 2,    3,    4,	   5,	 6,    7,    8,
					   0x11, 0x00, 0x02, 0x00, 0xcd, 0xab, 0x05, 0x83 };
	struct nvme_cqe cqe;

	(void)state;
	memcpy(&cqe, bytes, sizeof(cqe));
	assert_int_equal(le32_get(cqe.dw0), 0x04030201);
	assert_true(le64_get(cqe.result) == 0x0807060504030201ull);
	assert_int_equal(le16_get(cqe.sqhd), 0x11);
	assert_int_equal(le16_get(cqe.sqid), 2);
	assert_int_equal(cqe_status(&cqe), ST_DNR | 0x182);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_wire_icreq_is_128_bytes, start),
		cmocka_unit_test_setup(test_wire_icresp_is_128_bytes, start),
		cmocka_unit_test_setup(test_wire_term_req_has_fei_at_offset_10, start),
		cmocka_unit_test_setup(test_wire_cmd_with_both_digests, start),
		cmocka_unit_test_setup(test_wire_rsp_with_digest, start),
		cmocka_unit_test_setup(test_wire_r2t_with_digest, start),
		cmocka_unit_test_setup(test_wire_c2h_data_with_response, start),
		cmocka_unit_test_setup(test_wire_h2c_data_is_padded, start),
		cmocka_unit_test(test_wire_connect_command_reads_as_sent),
		cmocka_unit_test(test_wire_property_set_reads_as_sent),
		cmocka_unit_test(test_wire_completion_reads_as_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
