// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library's receive path when a controller's bytes come in any two pieces, or one at a
 * time: what is read, what is sent, and how every request ends do not depend on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/fake_target.h"
#include "tests/unit/tcp_rig.h"

enum {
	NR_CMDS = 5, /* tags in this order */
	READ = 0,
	READ_SUCCESS = 1,
	WRITE = 2,
	FLUSH = 3,
	WRITE_CAPSULE = 4,
	READ_BYTES = 2800,
	SMALL_BYTES = 516,
	WRITE_BYTES = 1024,
	GUARD_BYTES = 32,
	GUARD_VALUE = 0xa5,
	STREAM_BYTES = 8192,
	NO_CUT = STREAM_BYTES,
};

struct cmd {
	struct nvmh_req req;
	struct iovec iov[2];
	uint8_t mem[READ_BYTES + 3 * GUARD_BYTES];
	uint32_t nr_done;
};

static struct tcp_rig rig;
static struct cmd cmds[NR_CMDS];
static uint8_t data[READ_BYTES];
static uint8_t stream[STREAM_BYTES], out[STREAM_BYTES], first_out[STREAM_BYTES];
static size_t taken, cut;
static bool paused;

/* Up to the cut; then nothing for once, then the rest. A cut of 0: byte by byte. */
static size_t next_part(struct tcp_rig *r)
{
	size_t n = r->left;

	if (!cut) {
		paused = !paused;
		return paused ? 0 : 1;
	}
	if (taken < cut)
		n = min_of(n, cut - taken);
	else if (taken == cut && !paused) {
		paused = true;
		return 0;
	}
	taken += n;
	return n;
}

static void done(struct nvmh_req *req)
{
	struct cmd *c = req->arg;

	c->nr_done++;
}

static void submit(int index, uint8_t opcode, enum nvmh_dir dir, uint32_t len)
{
	struct cmd *c = &cmds[index];

	memset(c, 0, sizeof(*c));
	memset(c->mem, GUARD_VALUE, sizeof(c->mem));
	c->req.sqe.opcode = opcode;
	c->req.done = done;
	c->req.arg = c;
	c->req.dir = dir;
	c->req.len = len;
	c->iov[0] = (struct iovec){ c->mem + GUARD_BYTES, len / 3 };
	c->iov[1] = (struct iovec){ c->mem + 2 * GUARD_BYTES + len / 3, len - len / 3 };
	c->req.iov = c->iov;
	c->req.nr_iov = len ? 2 : 0;
	assert_int_equal(nvmh_queue_submit(&rig.q, &c->req), 0);
}

static size_t put_data(struct fake_conn *c, uint8_t *p, int tag, uint32_t off, uint32_t len,
		       uint8_t flags)
{
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA, .flags = flags },
		.cccid = { tcp_rig_cid((uint16_t)tag) },
		.datao = le32_make(off),
		.datal = le32_make(len),
	};

	return fake_conn_build(c, p, &pdu, sizeof(pdu), data + off, len);
}

static size_t put_rsp(struct fake_conn *c, uint8_t *p, int tag)
{
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP },
				    .cqe.cid = tcp_rig_cid((uint16_t)tag) };

	return fake_conn_build(c, p, &pdu, sizeof(pdu), NULL, 0);
}

static size_t put_r2t(struct fake_conn *c, uint8_t *p, int tag, uint32_t off, uint32_t len)
{
	struct nvme_tcp_r2t pdu = { .hdr = { .type = NVME_TCP_R2T },
				    .cccid = { tcp_rig_cid((uint16_t)tag) },
				    .r2to = le32_make(off),
				    .r2tl = le32_make(len) };

	return fake_conn_build(c, p, &pdu, sizeof(pdu), NULL, 0);
}

/* Every kind of PDU; the write gets no response, since it could not come before its data. */
static size_t put_stream(struct fake_conn *c)
{
	uint8_t *p = stream;

	p += put_data(c, p, READ, 0, 1400, 0);
	p += put_r2t(c, p, WRITE, 0, 512);
	p += put_rsp(c, p, FLUSH);
	p += put_data(c, p, READ_SUCCESS, 0, SMALL_BYTES,
		      NVME_TCP_F_DATA_LAST | NVME_TCP_F_DATA_SUCCESS);
	p += put_data(c, p, READ, 1400, READ_BYTES - 1400, NVME_TCP_F_DATA_LAST);
	p += put_rsp(c, p, READ);
	p += put_r2t(c, p, WRITE, 512, 512);
	p += put_rsp(c, p, WRITE_CAPSULE);
	return (size_t)(p - stream);
}

static void check_read(const struct cmd *c)
{
	uint32_t len = c->req.len;
	uint32_t i;

	assert_memory_equal(c->iov[0].iov_base, data, len / 3);
	assert_memory_equal(c->iov[1].iov_base, data + len / 3, len - len / 3);
	for (i = 0; i < GUARD_BYTES; i++) {
		assert_int_equal(c->mem[i], GUARD_VALUE);
		assert_int_equal(c->mem[GUARD_BYTES + len / 3 + i], GUARD_VALUE);
		assert_int_equal(c->mem[2 * GUARD_BYTES + len + i], GUARD_VALUE);
	}
}

static void run(bool digests, size_t at)
{
	struct fake_conn conn = { .hdgst = digests, .ddgst = digests };
	size_t len = put_stream(&conn);
	int i;

	cut = at;
	taken = 0;
	paused = false;
	rig.next = next_part;
	rig.in = stream;
	rig.left = len;
	rig.out = out;
	rig.out_size = sizeof(out);
	tcp_rig_start(&rig, digests, digests, false);
	submit(READ, nvme_cmd_read, NVMH_FROM_CTRL, READ_BYTES);
	submit(READ_SUCCESS, nvme_cmd_read, NVMH_FROM_CTRL, SMALL_BYTES);
	rig.tq.max_icd = 0;
	submit(WRITE, nvme_cmd_write, NVMH_TO_CTRL, WRITE_BYTES);
	submit(FLUSH, nvme_cmd_flush, NVMH_NO_DATA, 0);
	rig.tq.max_icd = WRITE_BYTES;
	submit(WRITE_CAPSULE, nvme_cmd_write, NVMH_TO_CTRL, WRITE_BYTES);
	assert_true(tcp_rig_run(&rig, 2 * len + 16) < 2 * len + 16);
	assert_non_null(strstr(rig.tq.error, "closed by the controller"));
	for (i = 0; i < NR_CMDS; i++) {
		assert_int_equal(cmds[i].nr_done, 1);
		assert_int_equal(cmds[i].req.status, i == WRITE ? ST_HOST_PATH_ERROR : 0);
	}
	check_read(&cmds[READ]);
	check_read(&cmds[READ_SUCCESS]);
	if (at == NO_CUT)
		memcpy(first_out, out, rig.out_len);
	assert_memory_equal(out, first_out, rig.out_len);
	/* five capsules, the data of one of them, and those of the R2Ts */
	assert_in_range(rig.out_len, 5 * 72 + 2 * WRITE_BYTES + 2 * 24,
			5 * 72 + 2 * WRITE_BYTES + 2 * 24 + 7 * 4 + 3 * 4);
}

static void test_tcp_host_split_at_any_byte_changes_nothing(void **state)
{
	struct fake_conn conn = { .hdgst = false };
	size_t at;
	int digests;

	(void)state;
	for (at = 0; at < sizeof(data); at++)
		data[at] = (uint8_t)(at * 7 + at / 256);
	for (digests = 0; digests < 2; digests++) {
		conn.hdgst = conn.ddgst = digests;
		run(digests, NO_CUT);
		for (at = 1; at < put_stream(&conn); at++)
			run(digests, at);
		run(digests, 0);
	}
	tcp_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_split_at_any_byte_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
