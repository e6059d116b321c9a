// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP against controllers that break the rules under I/O. Each is
 * refused with a reason in words and, where the specification wants it, a TermReq; every request
 * ends once; nothing is written outside the caller's buffer. Before I/O: test_tcp_host_start.c.
 */
#include "tests/unit/tcp_session.h"

enum {
	DATA_BYTES = 8192,
	UNUSED_TAG = 0x40, /* no command has it when the others do */
};

/* ---- under I/O: what a controller answers to the first read or write of DATA_BYTES ---- */

static uint8_t data[DATA_BYTES * 2];

static void c2h(struct fake_conn *c, const struct fake_cmd *cmd, uint32_t off, uint32_t len,
		uint8_t flags)
{
	fake_conn_c2h(c, cmd->sqe.cid, off, data, len, flags);
}

static void data_for_write(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST);
}

static void data_after_response(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST);
}

static void data_after_success(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST | NVME_TCP_F_DATA_SUCCESS);
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST);
}

static void data_too_long(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES + 4, NVME_TCP_F_DATA_LAST);
}

static void data_beyond(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, 0);
	c2h(c, cmd, DATA_BYTES, 4, NVME_TCP_F_DATA_LAST);
}

static void data_wraps(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0xfffffffc, 8, NVME_TCP_F_DATA_LAST);
}

static void data_out_of_order(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 4096, 4096, NVME_TCP_F_DATA_LAST);
}

static void data_twice(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, 4096, 0);
	c2h(c, cmd, 0, 4096, 0);
}

static void data_after_last(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, 4096, NVME_TCP_F_DATA_LAST);
	c2h(c, cmd, 4096, 4096, NVME_TCP_F_DATA_LAST);
}

static void data_not_dwords(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, 4098, 0);
}

static void data_of_nobody(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_c2h(c, cmd->sqe.cid ^ UNUSED_TAG, 0, data, 4096, 0);
}

static void data_of_old_generation(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_c2h(c, (uint16_t)(cmd->sqe.cid - (1 << NVMH_CID_TAG_BITS)), 0, data, 4096, 0);
}

static void data_of_far_tag(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	fake_conn_c2h(c, 0xffff, 0, data, 4096, 0);
}

static void datal_lies(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t out[256];
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA },
		.cccid = { cmd->sqe.cid },
		.datal = le32_make(DATA_BYTES),
	};

	fake_conn_send(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), data, 128));
}

static void plen_of_4_gib(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA,
			 .hlen = 24,
			 .pdo = 24,
			 .plen = le32_make(0xfffffffc) },
		.cccid = { cmd->sqe.cid },
		.datal = le32_make(0xfffffffc - 24),
	};

	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void success_without_last(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_SUCCESS);
}

static void success_too_early(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, 4096, NVME_TCP_F_DATA_SUCCESS | NVME_TCP_F_DATA_LAST);
}

static void response_without_data(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
}

static void response_before_all_data(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, 4096, 0);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
}

static void response_of_nobody(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid ^ UNUSED_TAG, 0, 0);
}

static void response_twice(struct fake_conn *c, const struct fake_cmd *cmd)
{
	c2h(c, cmd, 0, DATA_BYTES, NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
}

static void r2t_for_read(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, DATA_BYTES);
}

static void r2t_after_response(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, DATA_BYTES);
}

static void r2t_beyond(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, DATA_BYTES + 4);
}

static void r2t_wraps(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0xfffffffc, 8);
}

static void r2t_twice(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, 4096);
	fake_conn_r2t(c, cmd->sqe.cid, 2, 0, 4096);
}

static void r2t_out_of_order(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 4096, 4096);
}

static void r2t_of_0_bytes(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, 0);
}

static void r2t_not_dwords(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, 1022);
}

static void r2t_of_nobody(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid ^ UNUSED_TAG, 1, 0, 4096);
}

static void r2t_after_all(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, DATA_BYTES);
	fake_conn_r2t(c, cmd->sqe.cid, 2, DATA_BYTES, 4);
}

static void write_succeeds_untransferred(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
}

static void second_icresp(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	fake_conn_icresp(c, 0, 0, 0, 8192);
}

static void host_type(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_cmd pdu = {
		.hdr = { .type = NVME_TCP_CMD, .hlen = 72, .plen = le32_make(72) }
	};

	(void)cmd;
	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void unknown_type(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_hdr hdr = { .type = 0x42, .hlen = 8, .plen = le32_make(8) };

	(void)cmd;
	fake_conn_send(c, &hdr, sizeof(hdr));
}

static void rsp_hlen(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_rsp pdu = {
		.hdr = { .type = NVME_TCP_RSP, .hlen = 255, .plen = le32_make(255) }
	};

	(void)cmd;
	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void rsp_hlen_digest(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP,
					     .flags = NVME_TCP_F_HDGST,
					     .hlen = 255,
					     .plen = le32_make(259) } };

	(void)cmd;
	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void digest_missing(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t out[64];
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP }, .cqe.cid = cmd->sqe.cid };

	c->hdgst = false;
	fake_conn_send(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0));
	c->hdgst = true;
}

static void digest_not_asked_for(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t out[64];
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP }, .cqe.cid = cmd->sqe.cid };

	c->hdgst = true;
	fake_conn_send(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0));
	c->hdgst = false;
}

static void term(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_term pdu = {
		.hdr = { .type = NVME_TCP_C2H_TERM, .hlen = 24, .plen = le32_make(24) },
		.fes = le16_make(NVME_TCP_FES_INVALID_PDU_HDR),
		.feil = le16_make(12),
	};

	(void)cmd;
	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void term_of(struct fake_conn *c, uint8_t hlen, uint32_t plen, uint16_t fes)
{
	struct nvme_tcp_term pdu = {
		.hdr = { .type = NVME_TCP_C2H_TERM, .hlen = hlen, .plen = le32_make(plen) },
		.fes = le16_make(fes),
	};

	fake_conn_send(c, &pdu, sizeof(pdu));
}

static void term_without_header(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	term_of(c, 24, 8, 1);
}

static void term_with_hlen(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	term_of(c, 255, 255, 1);
}

static void term_for_no_known_reason(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	term_of(c, 24, 24, 0xffff);
}

static void hang_up(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	fake_conn_close(c);
}

static void hang_up_within_data(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA,
			 .hlen = 24,
			 .pdo = 24,
			 .plen = le32_make(24 + DATA_BYTES) },
		.cccid = { cmd->sqe.cid },
		.datal = le32_make(DATA_BYTES),
	};

	fake_conn_send(c, &pdu, sizeof(pdu));
	fake_conn_send(c, data, 1000);
	fake_conn_close(c);
}

struct bad_io {
	const char *name;
	uint8_t opcode;
	void (*answer)(struct fake_conn *c, const struct fake_cmd *cmd);
	int fes; /* of the TermReq */
	uint32_t fei;
	const char *text; /* within the reason */
	bool completes;	  /* the request itself succeeds before */
	bool digests;
	bool in_capsule; /* the data of a write are in the capsule */
};

#define RD nvme_cmd_read
#define WR nvme_cmd_write

static const struct bad_io bad_ios[] = {
	{ "data for a write", WR, data_for_write, 2, 0, "which reads none", .digests = false },
	{ "data for a flush", nvme_cmd_flush, data_for_write, 2, 0, "which reads none",
	  .digests = false },
	{ "data for a write in its capsule", WR, data_for_write, 2, 0, "which reads none",
	  .in_capsule = true },
	{ "data after the response", RD, data_after_response, 1, 8, "not outstanding",
	  .completes = true },
	{ "data after SUCCESS", RD, data_after_success, 1, 8, "not outstanding",
	  .completes = true },
	{ "data longer than the command", RD, data_too_long, 4, 0, "beyond the 8192 bytes",
	  .digests = false },
	{ "data behind the command's end", RD, data_beyond, 4, 0, "beyond the 8192 bytes",
	  .digests = false },
	{ "data offset wraps", RD, data_wraps, 4, 0, "beyond the 8192 bytes", .digests = false },
	{ "data out of order", RD, data_out_of_order, 2, 0, "out of order", .digests = false },
	{ "data twice", RD, data_twice, 2, 0, "out of order", .digests = false },
	{ "data after LAST", RD, data_after_last, 2, 0, "nothing after", .digests = false },
	{ "data not of dwords", RD, data_not_dwords, 1, 16, "not a dword", .digests = false },
	{ "data for an unknown id", RD, data_of_nobody, 1, 8, "not outstanding", .digests = false },
	{ "data for a stale id", RD, data_of_old_generation, 1, 8, "not outstanding",
	  .digests = false },
	{ "data for an id out of range", RD, data_of_far_tag, 1, 8, "not outstanding",
	  .digests = false },
	{ "DATAL is not the payload's length", RD, datal_lies, 1, 16, "byte 16", .digests = false },
	{ "PLEN of 4 GiB", RD, plen_of_4_gib, 4, 0, "beyond", .digests = false },
	{ "SUCCESS without LAST", RD, success_without_last, 1, 1, "byte 1", .digests = false },
	{ "SUCCESS before all data", RD, success_too_early, 2, 0, "after 4096 of its 8192",
	  .digests = false },
	{ "response without data", RD, response_without_data, 2, 0, "after 0 of its 8192",
	  .digests = false },
	{ "response before all data", RD, response_before_all_data, 2, 0, "after 4096 of its",
	  .digests = false },
	{ "response for an unknown id", RD, response_of_nobody, 1, 20, "not outstanding",
	  .digests = false },
	{ "response twice", RD, response_twice, 1, 20, "not outstanding", .completes = true },
	{ "R2T for a read", RD, r2t_for_read, 2, 0, "which sends no data", .digests = false },
	{ "R2T for a flush", nvme_cmd_flush, r2t_for_read, 2, 0, "which sends no data",
	  .digests = false },
	{ "R2T for data in the capsule", WR, r2t_for_read, 2, 0, "out of order",
	  .in_capsule = true },
	{ "R2T after the response", WR, r2t_after_response, 1, 8, "not outstanding", true,
	  .in_capsule = true },
	{ "R2T beyond the command", WR, r2t_beyond, 4, 0, "beyond the 8192 bytes",
	  .digests = false },
	{ "R2T offset wraps", WR, r2t_wraps, 4, 0, "beyond the 8192 bytes", .digests = false },
	{ "R2T twice for the same bytes", WR, r2t_twice, 2, 0, "out of order", .digests = false },
	{ "R2T out of order", WR, r2t_out_of_order, 2, 0, "out of order", .digests = false },
	{ "R2T for 0 bytes", WR, r2t_of_0_bytes, 1, 16, "0 bytes", .digests = false },
	{ "R2T not of dwords", WR, r2t_not_dwords, 1, 16, "not a dword", .digests = false },
	{ "R2T for an unknown id", WR, r2t_of_nobody, 1, 8, "not outstanding", .digests = false },
	{ "R2T when all is asked for", WR, r2t_after_all, 4, 0, "beyond the 8192 bytes",
	  .digests = false },
	{ "success of a write without its data", WR, write_succeeds_untransferred, 2, 0,
	  "after 0 of its", .digests = false },
	{ "a second ICResp", RD, second_icresp, 2, 0, "second ICResp", .digests = false },
	{ "a command from the controller", RD, host_type, 1, 0, "type 04h", .digests = false },
	{ "an unknown PDU type", RD, unknown_type, 1, 0, "type 42h", .digests = false },
	{ "HLEN 255", RD, rsp_hlen, 1, 2, "byte 2", .digests = false },
	{ "HLEN 255 with header digest", RD, rsp_hlen_digest, 1, 2, "byte 2", .digests = true },
	{ "a header digest that is missing", RD, digest_missing, 1, 1, "byte 1", .digests = true },
	{ "a digest that was not negotiated", RD, digest_not_asked_for, 1, 1, "byte 1",
	  .digests = false },
	{ "TermReq", RD, term, NO_TERM, 0, "FES 01h, Invalid PDU Header Field, FEI ch",
	  .digests = false },
	{ "TermReq of 8 bytes", RD, term_without_header, NO_TERM, 0, "broken TermReq",
	  .digests = false },
	{ "TermReq with HLEN 255", RD, term_with_hlen, NO_TERM, 0, "broken TermReq",
	  .digests = false },
	{ "TermReq, unknown FES", RD, term_for_no_known_reason, NO_TERM, 0,
	  "FES ffffh, unknown Fatal Error Status", .digests = false },
	{ "hang-up", RD, hang_up, NO_TERM, 0, "closed by the controller", .digests = false },
	{ "hang-up within data", RD, hang_up_within_data, NO_TERM, 0, "closed by the controller",
	  .digests = false },
};

static bool bad_answer(struct fake_conn *c, const struct fake_cmd *cmd)
{
	const struct bad_io *bad = c->t->opts.arg;

	if (c->nr_io_conn || c->nr_cmds > 1)
		return c->nr_io_conn ==
		       0; /* after the answer nothing but silence; the next connection is good */
	c->deaf = true;
	bad->answer(c, cmd);
	return true;
}

static void run_bad_io(const struct bad_io *bad)
{
	static const struct fake_script script = { .io = bad_answer };
	struct fake_opts fake = { .script = &script,
				  .arg = (void *)bad,
				  .icd_bytes = bad->in_capsule ? DATA_BYTES : 0 };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1,
				       .hdgst = bad->digests,
				       .ddgst = bad->digests };
	struct guarded g[3];
	struct session s;
	uint32_t i;

	print_message("# %s\n", bad->name);
	session_open_live(&s, &fake, &opts);
	/* the second and third are of no interest to the controller, and lose their connection */
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		guarded_init(&g[i], DATA_BYTES);
		nvmh_prep_rw(&g[i].req, bad->opcode, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g[i].iov, 1,
			     DATA_BYTES);
		if (!i && bad->opcode == nvme_cmd_flush)
			nvmh_prep_flush(&g[i].req, 1);
		if (i)
			nvmh_prep_rw(&g[i].req, RD, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g[i].iov, 1,
				     DATA_BYTES);
		assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g[i].req), 0);
	}
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	for (i = 0; i < ARRAY_SIZE(g); i++)
		session_wait_done(&s, &g[i]);
	session_check_term(&s, bad->fes, bad->fei);
	session_wait_lost(&s);
	if (!strstr(s.error, bad->text))
		fail_msg("%s: \"%s\" is not in \"%s\"", bad->name, bad->text, s.error);
	session_wait_live(&s);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		uint16_t status = g[i].req.status;

		assert_int_equal(g[i].nr_done, 1);
		guarded_check(&g[i]);
		if (!i && bad->completes)
			assert_int_equal(status, 0);
		else
			assert_true(status == ST_HOST_PATH_ERROR || status == ST_HOST_ABORTED);
		guarded_free(&g[i]);
	}
	session_close(&s);
}

static void test_tcp_host_bad_answer_ends_the_connection(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_ios); i++)
		run_bad_io(&bad_ios[i]);
}

/* ---- too many R2Ts, a response while data is being sent ---- */

/* One send, so that the host finds all of it before it had a chance to send anything. */
static size_t put_r2t(struct fake_conn *c, uint8_t *out, uint16_t cid, uint32_t off, uint32_t len)
{
	struct nvme_tcp_r2t pdu = {
		.hdr = { .type = NVME_TCP_R2T },
		.cccid = { cid },
		.r2to = le32_make(off),
		.r2tl = le32_make(len),
	};

	c->deaf = true;
	return fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0);
}

static bool five_r2ts(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t out[256];
	size_t n = 0;
	uint32_t i;

	if (c->nr_io_conn)
		return false;
	for (i = 0; i < 5; i++)
		n += put_r2t(c, out + n, cmd->sqe.cid, i * 65536, 65536);
	fake_conn_send(c, out, n);
	return true;
}

static bool early_error(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_rsp rsp = {
		.hdr = { .type = NVME_TCP_RSP },
		.cqe = { .cid = cmd->sqe.cid, .status = le16_make(ST_INTERNAL << 1) },
	};
	uint8_t out[256];
	size_t n;

	if (c->nr_io_conn)
		return false;
	n = put_r2t(c, out, cmd->sqe.cid, 0, 1 << 20);
	n += fake_conn_build(c, out + n, &rsp, sizeof(rsp), NULL, 0);
	fake_conn_send(c, out, n);
	return true;
}

static void run_big_write(const struct fake_script *script, const char *text, int fes)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { .script = script, .maxh2cdata = 1 << 20 };
	struct session s;
	struct guarded g;

	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 1 << 20);
	nvmh_prep_rw(&g.req, WR, 1, 0, (1 << 20) / FAKE_LBA_BYTES, g.iov, 1, 1 << 20);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	session_wait_done(&s, &g);
	assert_true(g.req.status == ST_HOST_PATH_ERROR || g.req.status == ST_HOST_ABORTED);
	session_wait_lost(&s);
	if (!strstr(s.error, text))
		fail_msg("\"%s\" is not in \"%s\"", text, s.error);
	session_check_term(&s, fes, 0);
	guarded_free(&g);
	session_close(&s);
}

static void test_tcp_host_response_while_data_is_sent_is_refused(void **state)
{
	static const struct fake_script script = { .io = early_error };

	(void)state;
	run_big_write(&script, "has not been sent completely", NVME_TCP_FES_PDU_SEQ_ERR);
}

static void test_tcp_host_more_r2ts_than_allowed_are_refused(void **state)
{
	static const struct fake_script script = { .io = five_r2ts };

	(void)state;
	run_big_write(&script, "more than 4 R2Ts", NVME_TCP_FES_R2T_LIMIT_EXCEEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_bad_answer_ends_the_connection),
		cmocka_unit_test(test_tcp_host_response_while_data_is_sent_is_refused),
		cmocka_unit_test(test_tcp_host_more_r2ts_than_allowed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
