// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP against controllers that take their time: silent at any command of
 * a bring-up, refusing any of them, sending byte by byte, never getting ready, not reading. All of
 * it ends within bounds and with a reason in words.
 */
#include "tests/unit/tcp_session.h"

enum {
	DATA_BYTES = 8192,
	SHORT_MS = 200,	   /* what is waited for answers */
	PATIENT_MS = 3000, /* where some must come in time, on a busy machine */
	PACE_MS = 400,	   /* from byte to byte: any PDU takes longer than that */
};

/* ---- one command of the bring-up is not answered, or refused ---- */

static _Atomic uint32_t nr_admin;
static uint32_t which;	 /* of the admin commands, Connect being none */
static uint16_t refusal; /* 0: silence */

static bool nth_is_bad(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (cmd->sqe.opcode == nvme_admin_async_event || atomic_fetch_add(&nr_admin, 1) != which)
		return false;
	if (refusal)
		fake_conn_rsp(c, cmd->sqe.cid, refusal, 0);
	return true;
}

/* Return: it got live in spite of it. */
static bool run_nth(uint32_t nth, uint16_t status)
{
	static const struct fake_script script = { .admin = nth_is_bad };
	struct fake_opts fake = { .script = &script };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .admin_timeout_ms = SHORT_MS };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct session s;
	bool live;

	which = nth;
	refusal = status;
	atomic_store(&nr_admin, 0);
	if (status)
		opts.admin_timeout_ms = SESSION_WAIT_MS;
	session_open(&s, &fake, &opts);
	while (nvmh_ctrl_state(s.ctrl) != NVMH_LIVE && !nvmh_ctrl_error(s.ctrl)[0] &&
	       clock_now_ms() < end) {
		if (!nvmh_ctrl_process(s.ctrl))
			session_sleep(&s);
	}
	live = nvmh_ctrl_state(s.ctrl) == NVMH_LIVE;
	print_message("# command %u, status %03X: %s\n", nth, status,
		      live ? "live" : nvmh_ctrl_error(s.ctrl));
	assert_true(live || nvmh_ctrl_error(s.ctrl)[0]);
	session_close(&s);
	return live;
}

static void test_tcp_host_slow_silence_at_any_command_ends(void **state)
{
	uint32_t nth = 0;

	(void)state;
	while (!run_nth(nth, 0))
		nth++;
	assert_in_range(nth, 8, 30); /* live only where the command is none of the bring-up's */
	assert_in_range(atomic_load(&nr_admin), 0, nth + 8);
}

/* What is optional may be missing; everything else has a reason. Neither crashes nor hangs. */
static void test_tcp_host_slow_refusal_of_any_command_is_survived(void **state)
{
	static const uint16_t statuses[] = { ST_INVALID_OPCODE | ST_DNR, ST_INVALID_FIELD | ST_DNR,
					     ST_INTERNAL, 0x7ff };
	uint32_t nr_live = 0;
	uint32_t i, nth;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		for (nth = 0; nth < 14; nth++)
			nr_live += run_nth(nth, statuses[i]);
	}
	assert_true(nr_live >= ARRAY_SIZE(statuses) * 4);
}

static bool no_io_queue(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	return c->qid;
}

/* A bring-up that outlasts the keep alive interval, by somebody who sleeps on the descriptor. */
static void test_tcp_host_slow_bring_up_is_kept_alive(void **state)
{
	static const struct fake_script script = { .connect = no_io_queue };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .kato_ms = SHORT_MS };
	struct session s;
	struct pollfd pfd;

	(void)state;
	session_open(&s, &(struct fake_opts){ .script = &script }, &opts);
	pfd = (struct pollfd){ .fd = nvmh_ctrl_fd(s.ctrl), .events = POLLIN };
	while (atomic_load(&s.t->nr_keep_alives) < 3) {
		assert_int_equal(poll(&pfd, 1, SESSION_WAIT_MS), 1);
		nvmh_ctrl_process(s.ctrl);
		assert_string_equal(nvmh_ctrl_error(s.ctrl), "");
	}
	assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_NEW);
	session_close(&s);
}

static atomic_bool io_queue_asked;

static bool note_io_queue(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	if (c->qid)
		atomic_store(&io_queue_asked, true);
	return c->qid;
}

/* Its owner may give a queue up while it comes up: the Connect there is the library's own. */
static void test_tcp_host_slow_queue_that_connects_is_released(void **state)
{
	static const struct fake_script script = { .connect = note_io_queue };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct session s;
	struct pollfd pfd;

	(void)state;
	atomic_store(&io_queue_asked, false);
	session_open(&s, &(struct fake_opts){ .script = &script }, &opts);
	pfd = (struct pollfd){ .fd = nvmh_ctrl_fd(s.ctrl), .events = POLLIN };
	while (!atomic_load(&io_queue_asked)) {
		poll(&pfd, 1, 10);
		nvmh_ctrl_process(s.ctrl);
		assert_string_equal(nvmh_ctrl_error(s.ctrl), "");
	}
	assert_false(nvmh_queue_poll(nvmh_ctrl_queue(s.ctrl, 0)));
	nvmh_queue_release(nvmh_ctrl_queue(s.ctrl, 0));
	session_close(&s);
}

/* ---- byte by byte ---- */

static void dribble(struct fake_conn *c, const uint8_t *p, size_t len)
{
	struct timespec pause = { .tv_nsec = PACE_MS * 1000000 };

	while (len-- && !atomic_load(&c->t->stopping)) {
		fake_conn_send(c, p++, 1);
		nanosleep(&pause, NULL);
	}
}

static bool dribble_icresp(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	struct nvme_tcp_icresp pdu = { .hdr = { .type = NVME_TCP_ICRESP },
				       .maxh2cdata = le32_make(8192) };
	uint8_t out[sizeof(pdu)];

	(void)req;
	dribble(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0));
	return true;
}

static bool dribble_data(struct fake_conn *c, const struct fake_cmd *cmd)
{
	static const uint8_t data[4096];
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA, .flags = NVME_TCP_F_DATA_LAST },
		.cccid = { cmd->sqe.cid },
		.datal = le32_make(sizeof(data)),
	};
	uint8_t out[sizeof(pdu) + sizeof(data) + 64];

	dribble(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), data, sizeof(data)));
	return true;
}

static bool dribble_connect(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP }, .cqe.cid = cmd->sqe.cid };
	uint8_t out[64];

	dribble(c, out, fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0));
	return true;
}

static bool dribble_identify(struct fake_conn *c, const struct fake_cmd *cmd)
{
	return cmd->sqe.opcode == nvme_admin_identify && dribble_data(c, cmd);
}

static void test_tcp_host_slow_bytes_do_not_extend_a_bring_up(void **state)
{
	static const struct {
		struct fake_script script;
		const char *text;
	} cases[] = {
		{ { .icreq = dribble_icresp }, "an ICResp (is this an NVMe/TCP port?) within" },
		{ { .connect = dribble_connect }, "an answer to Connect within" },
		{ { .admin = dribble_identify }, "identify: not done after" },
	};
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .admin_timeout_ms = PATIENT_MS };
		struct fake_opts fake = { .script = &cases[i].script };
		struct session s;

		session_open(&s, &fake, &opts);
		if (!strstr(session_wait_error(&s), cases[i].text))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].text, nvmh_ctrl_error(s.ctrl));
		session_close(&s);
	}
}

static bool dribble_first_read(struct fake_conn *c, const struct fake_cmd *cmd)
{
	return !c->nr_io_conn && dribble_data(c, cmd);
}

static void test_tcp_host_slow_bytes_do_not_extend_a_command(void **state)
{
	static const struct fake_script script = { .io = dribble_first_read };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .io_timeout_ms = SHORT_MS };
	struct session s;
	struct guarded g;

	(void)state;
	session_open_live(&s, &(struct fake_opts){ .script = &script }, &opts);
	guarded_init(&g, 4096);
	nvmh_prep_rw(&g.req, nvme_cmd_read, 1, 0, 8, g.iov, 1, 4096);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	session_wait_done(&s, &g);
	assert_int_equal(g.req.status, ST_HOST_ABORTED);
	assert_non_null(strstr(s.error, "was not answered in 200 ms"));
	guarded_check(&g);
	guarded_free(&g);
	session_close(&s);
}

/* ---- not ready, not reading ---- */

static uint32_t told_csts;

static bool csts(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_fabrics_property p;
	uint64_t value;

	memcpy(&p, &cmd->sqe, sizeof(p));
	if (p.opcode != NVME_FABRICS_OPCODE || p.fctype != NVME_FCTYPE_PROPERTY_GET)
		return false;
	if (le32_get(p.offset) == NVME_REG_CAP)
		value = 127 | 1 << 16 | 1ull << 37; /* CAP.TO 0 */
	else if (le32_get(p.offset) == NVME_REG_CSTS)
		value = told_csts;
	else
		return false;
	fake_conn_rsp(c, p.cid, 0, value);
	return true;
}

static void test_tcp_host_slow_controller_that_never_gets_ready_is_given_up(void **state)
{
	static const struct fake_script script = { .admin = csts };
	static const struct {
		uint32_t csts;
		const char *text;
	} cases[] = {
		{ 0, "wait until ready: not done after" },
		{ 2, "fatal error (CSTS.CFS)" },
		{ 3, "fatal error (CSTS.CFS)" },
	};
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
		struct session s;

		told_csts = cases[i].csts;
		session_open(&s, &(struct fake_opts){ .script = &script }, &opts);
		if (!strstr(session_wait_error(&s), cases[i].text))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].text, nvmh_ctrl_error(s.ctrl));
		session_close(&s);
	}
}

static bool stop_reading(struct fake_conn *c, const struct fake_cmd *cmd)
{
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, 1 << 20);
	fake_conn_gate(c);
	return true;
}

/* A write that a controller asked for and does not read ends by its own time. */
static void test_tcp_host_slow_controller_that_stops_reading_is_left(void **state)
{
	static const struct fake_script script = { .io = stop_reading };
	struct fake_opts fake = { .script = &script, .rcvbuf = 4096, .maxh2cdata = 1 << 20 };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .io_timeout_ms = SHORT_MS };
	struct session s;
	struct guarded g;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 1 << 20);
	nvmh_prep_rw(&g.req, nvme_cmd_write, 1, 0, (1 << 20) / FAKE_LBA_BYTES, g.iov, 1, 1 << 20);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	session_wait_done(&s, &g);
	assert_int_equal(g.req.status, ST_HOST_ABORTED);
	guarded_check(&g);
	guarded_free(&g);
	session_close(&s);
}

static _Atomic bool silent_now;

static bool silent_when_told(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	(void)cmd;
	return atomic_load(&silent_now);
}

/* The shutdown is not answered: closing does not wait for ever. */
static void test_tcp_host_slow_close_of_a_silent_controller_ends(void **state)
{
	static const struct fake_script script = { .admin = silent_when_told,
						   .io = silent_when_told };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 2, .kato_ms = 60000 };
	struct session s;
	struct guarded g;

	(void)state;
	atomic_store(&silent_now, false);
	session_open_live(&s, &(struct fake_opts){ .script = &script }, &opts);
	atomic_store(&silent_now, true);
	guarded_init(&g, DATA_BYTES);
	nvmh_prep_rw(&g.req, nvme_cmd_read, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g.iov, 1,
		     DATA_BYTES);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 1), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 1));
	session_close(&s);
	assert_int_equal(g.nr_done, 1);
	assert_int_equal(g.req.status, ST_HOST_ABORTED);
	guarded_check(&g);
	guarded_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_slow_silence_at_any_command_ends),
		cmocka_unit_test(test_tcp_host_slow_refusal_of_any_command_is_survived),
		cmocka_unit_test(test_tcp_host_slow_bring_up_is_kept_alive),
		cmocka_unit_test(test_tcp_host_slow_queue_that_connects_is_released),
		cmocka_unit_test(test_tcp_host_slow_bytes_do_not_extend_a_bring_up),
		cmocka_unit_test(test_tcp_host_slow_bytes_do_not_extend_a_command),
		cmocka_unit_test(test_tcp_host_slow_controller_that_never_gets_ready_is_given_up),
		cmocka_unit_test(test_tcp_host_slow_controller_that_stops_reading_is_left),
		cmocka_unit_test(test_tcp_host_slow_close_of_a_silent_controller_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
