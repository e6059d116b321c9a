// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP against controllers that break the rules, are silent, or refuse
 * while a connection comes up. Each ends with a reason in words and, where the specification wants
 * it, a TermReq; a refusal for good makes the controller DEAD at once.
 */
#include "tests/unit/tcp_session.h"

static bool ic_pfv(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	fake_conn_icresp(c, 1, 0, req->dgst, 8192);
	return true;
}

static bool ic_cpda(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	fake_conn_icresp(c, 0, 32, req->dgst, 8192);
	return true;
}

static bool ic_dgst(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)req;
	fake_conn_icresp(c, 0, 0, NVME_TCP_HDGST_ENABLE, 8192);
	return true;
}

static bool ic_no_hdgst(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)req;
	fake_conn_icresp(c, 0, 0, 0, 8192);
	return true;
}

static bool ic_maxh2cdata_0(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	fake_conn_icresp(c, 0, 0, req->dgst, 0);
	return true;
}

static bool ic_maxh2cdata_small(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	fake_conn_icresp(c, 0, 0, req->dgst, 4092);
	return true;
}

static bool ic_maxh2cdata_odd(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	fake_conn_icresp(c, 0, 0, req->dgst, 8194);
	return true;
}

static bool ic_hlen(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	struct nvme_tcp_icresp pdu = {
		.hdr = { .type = NVME_TCP_ICRESP, .hlen = 24, .plen = le32_make(24) }
	};

	(void)req;
	fake_conn_send(c, &pdu, 24);
	return true;
}

static bool ic_plen(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	struct nvme_tcp_icresp pdu = {
		.hdr = { .type = NVME_TCP_ICRESP, .hlen = 128, .plen = le32_make(129) }
	};

	(void)req;
	fake_conn_send(c, &pdu, sizeof(pdu));
	return true;
}

static bool ic_banner(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	static const char banner[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";

	(void)req;
	fake_conn_send(c, banner, sizeof(banner) - 1);
	return true;
}

static bool ic_rsp_first(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)req;
	fake_conn_rsp(c, 0, 0, 0);
	return true;
}

static bool ic_silent(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)c;
	(void)req;
	return true;
}

static bool ic_close(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)req;
	fake_conn_close(c);
	return true;
}

static bool connect_silent(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	(void)cmd;
	return true;
}

static bool connect_not_allowed(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, ST_CONNECT_INVALID_HOST | ST_DNR, 0);
	return true;
}

static bool connect_no_subsystem(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, ST_CONNECT_INVALID_PARAM | ST_DNR, 1 << 16 | 256);
	return true;
}

static bool connect_busy_for_good(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, ST_CONNECT_BUSY | ST_DNR, 0);
	return true;
}

static bool connect_auth(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, 7 | 1 << 17);
	return true;
}

static bool connect_cntlid(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, c->qid ? 8 : 7);
	return true;
}

static bool connect_cntlid_ffff(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0xffff);
	return true;
}

static bool admin_silent(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	(void)cmd;
	return true;
}

static bool property_fails(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_rsp(c, cmd->sqe.cid, ST_INTERNAL, 0);
	return true;
}

static void id_icdoff(struct nvme_id_ctrl *id)
{
	id->icdoff = htole16(1);
}

static void id_ioccsz(struct nvme_id_ctrl *id)
{
	id->ioccsz = htole32(3);
}

static void id_sgls(struct nvme_id_ctrl *id)
{
	id->sgls = 0;
}

static void id_cntlid(struct nvme_id_ctrl *id)
{
	id->cntlid = htole16(99);
}

struct bad_start {
	const char *name;
	struct fake_script script;
	int fes;
	uint32_t fei;
	const char *text;
	int dead; /* the error that makes it DEAD at once, 0: it would try again */
	bool hdgst;
	uint32_t timeout_ms;
};

static const struct bad_start bad_starts[] = {
	{ "PFV 1", { .icreq = ic_pfv }, 6, 8, "PDU format version 1", 0, false, 0 },
	{ "CPDA 32", { .icreq = ic_cpda }, 1, 10, "CPDA 32", 0, false, 0 },
	{ "a digest not asked for",
	  { .icreq = ic_dgst },
	  1,
	  11,
	  "digests 01h, asked for were 00h",
	  0,
	  false,
	  0 },
	{ "no digest though asked for",
	  { .icreq = ic_no_hdgst },
	  NO_TERM,
	  0,
	  "does not offer the header digest",
	  0,
	  true,
	  0 },
	{ "MAXH2CDATA 0", { .icreq = ic_maxh2cdata_0 }, 1, 12, "MAXH2CDATA 0", 0, false, 0 },
	{ "MAXH2CDATA 4092",
	  { .icreq = ic_maxh2cdata_small },
	  1,
	  12,
	  "MAXH2CDATA 4092",
	  0,
	  false,
	  0 },
	{ "MAXH2CDATA 8194", { .icreq = ic_maxh2cdata_odd }, 1, 12, "MAXH2CDATA 8194", 0, false, 0 },
	{ "ICResp HLEN 24", { .icreq = ic_hlen }, 1, 2, "is this an NVMe/TCP port?", 0, false, 0 },
	{ "ICResp PLEN 129", { .icreq = ic_plen }, 1, 4, "is this an NVMe/TCP port?", 0, false, 0 },
	{ "another protocol",
	  { .icreq = ic_banner },
	  1,
	  0,
	  "is this an NVMe/TCP port?",
	  0,
	  false,
	  0 },
	{ "a response before ICResp", { .icreq = ic_rsp_first }, 2, 0, "before ICResp", 0, false, 0 },
	{ "no ICResp ever", { .icreq = ic_silent }, NO_TERM, 0, "an ICResp (is this", 0, false, 200 },
	{ "hang-up instead of ICResp",
	  { .icreq = ic_close },
	  NO_TERM,
	  0,
	  "closed by the controller",
	  0,
	  false,
	  0 },
	{ "no answer to Connect",
	  { .connect = connect_silent },
	  NO_TERM,
	  0,
	  "an answer to Connect within 200 ms",
	  0,
	  false,
	  200 },
	{ "host not allowed",
	  { .connect = connect_not_allowed },
	  NO_TERM,
	  0,
	  "does not allow host nqn.",
	  -EACCES,
	  false,
	  0 },
	{ "no such subsystem",
	  { .connect = connect_no_subsystem },
	  NO_TERM,
	  0,
	  "no such subsystem",
	  -ENOENT,
	  false,
	  0 },
	{ "busy with DNR",
	  { .connect = connect_busy_for_good },
	  NO_TERM,
	  0,
	  "is busy",
	  -EPERM,
	  false,
	  0 },
	{ "authentication wanted",
	  { .connect = connect_auth },
	  NO_TERM,
	  0,
	  "DH-HMAC-CHAP",
	  -EACCES,
	  false,
	  0 },
	{ "another CNTLID on an I/O queue",
	  { .connect = connect_cntlid },
	  NO_TERM,
	  0,
	  "controller 8 instead of 7",
	  0,
	  false,
	  0 },
	{ "CNTLID FFFFh", { .connect = connect_cntlid_ffff }, NO_TERM, 0, "FFFFh", 0, false, 0 },
	{ "no answer to Property Get",
	  { .admin = admin_silent },
	  NO_TERM,
	  0,
	  "was not answered in 200 ms",
	  0,
	  false,
	  200 },
	{ "Property Get fails", { .admin = property_fails }, NO_TERM, 0, "status 006h", 0, false, 0 },
	{ "ICDOFF", { .identify = id_icdoff }, NO_TERM, 0, "ICDOFF 1", -ENOTSUP, false, 0 },
	{ "IOCCSZ 3", { .identify = id_ioccsz }, NO_TERM, 0, "IOCCSZ 3", 0, false, 0 },
	{ "no SGLs", { .identify = id_sgls }, NO_TERM, 0, "does not support SGLs", 0, false, 0 },
	{ "CNTLID of Identify", { .identify = id_cntlid }, NO_TERM, 0, "99", 0, false, 0 },
};

static void run_bad_start(const struct bad_start *bad)
{
	struct nvmh_ctrl_opts opts = {
		.nr_io_queues = 1,
		.hdgst = bad->hdgst,
		.admin_timeout_ms = bad->timeout_ms,
	};
	struct fake_opts fake = { .script = &bad->script };
	struct session s;
	const char *error;

	print_message("# %s\n", bad->name);
	session_open(&s, &fake, &opts);
	error = session_wait_error(&s);
	if (!strstr(error, bad->text))
		fail_msg("%s: \"%s\" is not in \"%s\"", bad->name, bad->text, error);
	session_check_term(&s, bad->fes, bad->fei);
	if (bad->dead) {
		assert_int_equal(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS), bad->dead);
		assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	} else {
		assert_int_not_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	}
	session_close(&s);
}

static void test_tcp_host_start_bad_handshake_is_refused(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_starts); i++)
		run_bad_start(&bad_starts[i]);
}

static void test_tcp_host_start_nobody_listens_says_so(void **state)
{
	struct fake_opts fake = { 0 };
	struct nvmh_ctrl_opts opts = { .trtype = "tcp",
				       .traddr = "127.0.0.1",
				       .subnqn = FAKE_SUBNQN };
	struct fake_target *t = fake_target_start(&fake);
	struct session s = { 0 };

	(void)state;
	snprintf(s.port, sizeof(s.port), "%u", t->port);
	fake_target_stop(t);
	opts.trsvcid = s.port;
	assert_int_equal(nvmh_ctrl_open(&opts, &s.ctrl), 0);
	assert_non_null(strstr(session_wait_error(&s), "nothing listens there"));
	nvmh_ctrl_close(s.ctrl);
}

static void test_tcp_host_start_bad_options_are_named(void **state)
{
	static const struct {
		struct nvmh_ctrl_opts opts;
		const char *text;
	} cases[] = {
		{ { .traddr = "localhost", .subnqn = FAKE_SUBNQN }, "traddr: \"localhost\"" },
		{ { .traddr = "127.0.0.1" }, "subnqn" },
		{ { .traddr = "127.0.0.1", .subnqn = "" }, "subnqn" },
		{ { .traddr = "127.0.0.1", .subnqn = FAKE_SUBNQN, .trsvcid = "0" },
		  "trsvcid: \"0\"" },
		{ { .traddr = "127.0.0.1", .subnqn = FAKE_SUBNQN, .trsvcid = "65536" },
		  "trsvcid: \"65536\"" },
		{ { .traddr = "127.0.0.1", .subnqn = FAKE_SUBNQN, .trsvcid = "4420x" },
		  "trsvcid: \"4420x\"" },
		{ { .traddr = "127.0.0.1", .subnqn = FAKE_SUBNQN, .hostnqn = "" }, "hostnqn" },
		{ { .traddr = "127.0.0.1",
		    .subnqn = FAKE_SUBNQN,
		    .tcp_congestion = "reno567890123456" },
		  "tcp_congestion: \"reno567890123456\"" },
	};
	struct nvmh_ctrl *ctrl = NULL;
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmh_ctrl_opts opts = cases[i].opts;

		opts.trtype = "tcp";
		assert_int_equal(nvmh_ctrl_open(&opts, &ctrl), -EINVAL);
		assert_non_null(strstr(nvmh_strerror(), cases[i].text));
		assert_null(ctrl);
	}
}

/* A name that the kernel does not know will not be known later: no second try. */
static void test_tcp_host_start_unknown_congestion_is_named(void **state)
{
	struct nvmh_ctrl_opts opts = { .tcp_congestion = "nonsense" };
	struct fake_opts fake = { 0 };
	struct session s;

	(void)state;
	session_open(&s, &fake, &opts);
	assert_int_equal(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "tcp_congestion: the kernel refuses \"nonsense\""));
	session_close(&s);
	opts.tcp_congestion = "reno";
	session_open_live(&s, &fake, &opts);
	session_close(&s);
}

static void set_congestion(struct session *s, const char *name)
{
	free((char *)s->ctrl->opts.tcp_congestion);
	s->ctrl->opts.tcp_congestion = strdup(name);
	assert_non_null(s->ctrl->opts.tcp_congestion);
}

/* What the kernel took once it may take again: a failed try as any other. */
static void test_tcp_host_start_lost_congestion_is_tried_again(void **state)
{
	struct nvmh_ctrl_opts opts = { .tcp_congestion = "reno" };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct fake_opts fake = { 0 };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	set_congestion(&s, "nonsense");
	fake_target_drop(s.t);
	while (!strstr(nvmh_ctrl_error(s.ctrl), "tcp_congestion") && clock_now_ms() < end)
		session_turn(&s);
	assert_true(clock_now_ms() < end);
	assert_int_not_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	set_congestion(&s, "reno");
	session_wait_live(&s);
	session_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_start_bad_handshake_is_refused),
		cmocka_unit_test(test_tcp_host_start_nobody_listens_says_so),
		cmocka_unit_test(test_tcp_host_start_bad_options_are_named),
		cmocka_unit_test(test_tcp_host_start_unknown_congestion_is_named),
		cmocka_unit_test(test_tcp_host_start_lost_congestion_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
