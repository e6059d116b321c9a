// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands given up over NVMe/TCP, where the Abort travels over another connection than the command:
 * whoever is first, each ends once, with its data or without. And controllers closed while they come
 * up, whatever the other side has not answered yet.
 */
#include "tests/unit/tcp_session.h"

enum {
	SLOTS = 16,
	ROUNDS = 3000,
	BLOCK = 512,
};

/* What the controller does when it is asked to abort. */
enum manner {
	OBEY,	    /* the command ends as aborted */
	TOO_LATE,   /* it answers the command after all */
	IGNORE_ONE, /* the first Abort of all: it goes on for as long as it likes */
};

static enum manner manner;
static _Atomic uint8_t aborted[65536]; /* how many Aborts came, by command id */
static _Atomic uint32_t nr_aborts;
static _Atomic uint32_t nr_held; /* commands that came and wait for their Abort */
static _Atomic bool abort_gate;	 /* Aborts are answered */

static bool take_abort(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint32_t cdw10 = le32_get(cmd->sqe.cdw10);

	if (cmd->sqe.opcode != nvme_admin_abort_cmd)
		return false;
	if ((cdw10 & 0xffff) != 1)
		fake_conn_violation(c, "Abort in queue %u", cdw10 & 0xffff);
	atomic_fetch_add(&nr_aborts, 1);
	atomic_fetch_add(&aborted[cdw10 >> 16], 1);
	while (!atomic_load(&abort_gate))
		poll(NULL, 0, 1);
	fake_conn_rsp(c, cmd->sqe.cid, 0, manner != OBEY);
	return true;
}

/* Waits for the Abort of the command. */
static bool hold_io(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint32_t wanted = manner == IGNORE_ONE ? 2 : 1;

	atomic_fetch_add(&nr_held, 1);
	while (atomic_load(&aborted[cmd->sqe.cid]) < wanted && !atomic_load(&c->t->stopping))
		poll(NULL, 0, 1);
	if (atomic_load(&c->t->stopping))
		return true; /* it is gone, and has not answered */
	if (manner != OBEY)
		return false;
	fake_conn_rsp(c, cmd->sqe.cid, ST_ABORT_REQ, 0);
	return true;
}

static const struct fake_script holding = { .admin = take_abort, .io = hold_io };

static void start(struct session *s, enum manner how, const struct fake_script *script)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .queue_size = SLOTS + 1 };
	struct fake_opts fake = { .script = script };
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(aborted); i++)
		atomic_store(&aborted[i], 0);
	atomic_store(&nr_aborts, 0);
	atomic_store(&nr_held, 0);
	atomic_store(&abort_gate, true);
	manner = how;
	session_open_live(s, &fake, &opts);
}

static void read_one(struct session *s, struct guarded *g)
{
	g->nr_done = 0;
	nvmh_prep_rw(&g->req, nvme_cmd_read, 1, 0, g->len / BLOCK, g->iov, 1, g->len);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s->ctrl, 0), &g->req), 0);
}

static int cancel(struct session *s, struct guarded *g)
{
	return nvmh_queue_cancel(nvmh_ctrl_queue(s->ctrl, 0), &g->req);
}

static void wait_count(struct session *s, _Atomic uint32_t *count, uint32_t n)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (atomic_load(count) < n && clock_now_ms() < end) {
		if (!session_turn(s))
			session_sleep(s);
	}
	assert_true(atomic_load(count) >= n);
}

static void test_tcp_host_cancel_ends_by_abort_or_by_answer(void **state)
{
	static const struct {
		enum manner manner;
		uint16_t status;
	} cases[] = { { OBEY, ST_ABORT_REQ }, { TOO_LATE, 0 } };
	struct guarded g;
	struct session s;
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		start(&s, cases[i].manner, &holding);
		guarded_init(&g, 8 * BLOCK);
		read_one(&s, &g); /* not committed: the cancel does it */
		assert_int_equal(cancel(&s, &g), 0);
		session_wait_done(&s, &g);
		assert_int_equal(g.req.status, cases[i].status);
		assert_int_equal(cancel(&s, &g), -ENOENT);
		assert_int_equal(atomic_load(&nr_aborts), 1);
		guarded_check(&g);
		guarded_free(&g);
		assert_string_equal(fake_target_violation(s.t), "");
		session_close(&s);
	}
}

static void test_tcp_host_cancel_in_vain_may_be_repeated(void **state)
{
	struct guarded g;
	struct session s;

	(void)state;
	start(&s, IGNORE_ONE, &holding);
	guarded_init(&g, BLOCK);
	read_one(&s, &g);
	assert_int_equal(cancel(&s, &g), 0);
	wait_count(&s, &nr_aborts, 1);
	while (atomic_load(&nvmh_ctrl_queue(s.ctrl, 0)->aborts))
		session_turn(&s);
	session_turn(&s); /* the owner sees the answer */
	assert_int_equal(g.nr_done, 0);
	assert_int_equal(cancel(&s, &g), 0);
	session_wait_done(&s, &g);
	assert_int_equal(g.req.status, 0);
	assert_int_equal(atomic_load(&nr_aborts), 2);
	guarded_free(&g);
	session_close(&s);
}

static void test_tcp_host_cancel_of_all_ends_all_once(void **state)
{
	struct guarded g[SLOTS];
	struct session s;
	uint32_t i;

	(void)state;
	start(&s, OBEY, &holding);
	for (i = 0; i < SLOTS; i++) {
		guarded_init(&g[i], BLOCK);
		read_one(&s, &g[i]);
	}
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	for (i = SLOTS; i--;)
		assert_int_equal(cancel(&s, &g[i]), 0);
	for (i = 0; i < SLOTS; i++) {
		session_wait_done(&s, &g[i]);
		assert_int_equal(g[i].req.status, ST_ABORT_REQ);
		guarded_free(&g[i]);
	}
	assert_int_equal(atomic_load(&nr_aborts), SLOTS);
	session_close(&s);
}

/* The connection goes, or the controller is closed, with the Abort on its way or not sent yet. */
static void test_tcp_host_cancel_then_loss_ends_once(void **state)
{
	struct guarded g[3];
	struct session s;
	uint32_t way, i;

	(void)state;
	for (way = 0; way < 4; way++) {
		start(&s, OBEY, &holding);
		atomic_store(&abort_gate, false);
		for (i = 0; i < 3; i++) {
			guarded_init(&g[i], BLOCK);
			read_one(&s, &g[i]);
		}
		nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
		for (i = 0; i < 3; i++)
			assert_int_equal(cancel(&s, &g[i]), 0);
		if (way & 1)
			wait_count(&s, &nr_aborts, 1);
		if (way & 2)
			fake_target_drop(s.t);
		else
			assert_int_equal(nvmh_ctrl_reset(s.ctrl), 0);
		atomic_store(&abort_gate, true);
		for (i = 0; i < 3; i++)
			session_wait_done(&s, &g[i]);
		for (i = 0; i < ARRAY_SIZE(aborted); i++)
			atomic_store(&aborted[i], 2); /* nothing is held any more */
		manner = TOO_LATE;
		session_wait_live(&s);
		assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &g[0].req), 0);
		for (i = 0; i < 3; i++) {
			assert_int_equal(g[i].nr_done, 1);
			guarded_check(&g[i]);
			guarded_free(&g[i]);
		}
		session_close(&s);
	}
}

static void test_tcp_host_cancel_then_close_ends_once(void **state)
{
	struct guarded g;
	struct session s;
	uint32_t way;

	(void)state;
	for (way = 0; way < 2; way++) {
		start(&s, OBEY, &holding);
		guarded_init(&g, BLOCK);
		read_one(&s, &g);
		assert_int_equal(cancel(&s, &g), 0);
		if (way)
			wait_count(&s, &nr_held, 1);
		session_close(&s);
		assert_int_equal(g.nr_done, 1);
		guarded_free(&g);
	}
}

/* A multipath controller: the path's queue is asked, and what no path has just ends. */
static void test_tcp_host_cancel_over_several_paths(void **state)
{
	struct nvmh_ctrl_opts opts = { .trtype = "tcp",
				       .traddr = "127.0.0.1",
				       .subnqn = FAKE_SUBNQN,
				       .nr_io_queues = 1,
				       .ctrl_loss_ms = NVMH_NO_LIMIT };
	struct guarded g;
	struct session s;
	uint64_t end;

	(void)state;
	start(&s, OBEY, &holding);
	nvmh_ctrl_close(s.ctrl);
	opts.trsvcid = s.port;
	assert_int_equal(nvmh_mpath_open(&opts, 1, NULL, &s.ctrl), 0);
	assert_int_equal(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS), 0);
	guarded_init(&g, BLOCK);
	read_one(&s, &g);
	assert_int_equal(cancel(&s, &g), 0);
	session_wait_done(&s, &g);
	assert_int_equal(g.req.status, ST_ABORT_REQ);
	assert_int_equal(atomic_load(&nr_aborts), 1);
	assert_int_equal(cancel(&s, &g), -ENOENT);
	/* lost, so that it is held until the path is back */
	read_one(&s, &g);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	wait_count(&s, &nr_held, 2);
	fake_target_stop(s.t);
	end = clock_now_ms() + SESSION_WAIT_MS;
	while (nvmh_ctrl_state(s.ctrl) == NVMH_LIVE && clock_now_ms() < end) {
		if (!session_turn(&s))
			session_sleep(&s);
	}
	assert_int_equal(g.nr_done, 0);
	assert_int_equal(cancel(&s, &g), 0);
	session_wait_done(&s, &g);
	assert_int_equal(g.req.status, ST_ABORT_REQ);
	guarded_free(&g);
	nvmh_ctrl_close(s.ctrl);
}

/* ---- races ---- */

enum {
	ABSENT,
	PRESENT,
	ABORTED,
};

static _Atomic uint8_t there[65536]; /* commands being worked on, by id */

/* Some commands are slow, so that Aborts come before, during and after them. */
static bool slow_io(struct fake_conn *c, const struct fake_cmd *cmd)
{
	atomic_store(&there[cmd->sqe.cid], PRESENT);
	if (!(cmd->sqe.cid & 3))
		poll(NULL, 0, 1);
	if (atomic_exchange(&there[cmd->sqe.cid], ABSENT) == PRESENT)
		return false;
	fake_conn_rsp(c, cmd->sqe.cid, ST_ABORT_REQ, 0);
	return true;
}

static bool abort_present(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint16_t cid = (uint16_t)(le32_get(cmd->sqe.cdw10) >> 16);
	uint8_t present = PRESENT;

	if (cmd->sqe.opcode != nvme_admin_abort_cmd)
		return false;
	atomic_fetch_add(&nr_aborts, 1);
	fake_conn_rsp(c, cmd->sqe.cid, 0,
		      !atomic_compare_exchange_strong(&there[cid], &present, ABORTED));
	return true;
}

/* Only what was cancelled ends as aborted. */
static void test_tcp_host_cancel_races_with_answers(void **state)
{
	static const struct fake_script script = { .admin = abort_present, .io = slow_io };
	struct guarded g[SLOTS];
	bool cancelled[SLOTS] = { false };
	uint32_t nr_aborted = 0;
	uint32_t nr_fine = 0;
	uint32_t nr_started = 0;
	uint64_t seed = clock_now_ns();
	struct session s;
	uint32_t i;

	(void)state;
	rng_state = seed | 1;
	print_message("# seed %llu\n", (unsigned long long)seed);
	start(&s, OBEY, &script);
	for (i = 0; i < SLOTS; i++)
		guarded_init(&g[i], BLOCK);
	while (nr_aborted + nr_fine < ROUNDS) {
		for (i = 0; i < SLOTS; i++) {
			if (g[i].nr_done) {
				assert_int_equal(g[i].nr_done, 1);
				assert_true(!g[i].req.status || g[i].req.status == ST_ABORT_REQ);
				nr_aborted += g[i].req.status != 0;
				nr_fine += !g[i].req.status;
				assert_true(!g[i].req.status || cancelled[i]);
				guarded_check(&g[i]);
				g[i].nr_done = 0;
			}
			if (g[i].req.state != NVMH_REQ_BUSY && nr_started < ROUNDS &&
			    nvmh_queue_room(nvmh_ctrl_queue(s.ctrl, 0))) {
				read_one(&s, &g[i]);
				cancelled[i] = false;
				nr_started++;
			}
			if (!rng(8) && !cancel(&s, &g[i]))
				cancelled[i] = true;
		}
		nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
		if (!session_turn(&s))
			session_sleep(&s);
	}
	assert_int_equal(nr_started, ROUNDS);
	assert_int_equal(nr_aborted + nr_fine, ROUNDS);
	assert_true(nr_fine && nr_aborted && atomic_load(&nr_aborts) > nr_aborted);
	print_message("# %u answered, %u aborted of %u\n", nr_fine, nr_aborted,
		      atomic_load(&nr_aborts));
	for (i = 0; i < SLOTS; i++)
		guarded_free(&g[i]);
	assert_string_equal(fake_target_violation(s.t), "");
	session_close(&s);
}

/* ---- close at any moment ---- */

static _Atomic uint32_t nr_admin;
static uint32_t max_admin; /* so many commands are answered, Connects among them */

static bool answer_some(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	(void)cmd;
	return atomic_fetch_add(&nr_admin, 1) >= max_admin;
}

static void test_tcp_host_close_while_any_answer_is_missing(void **state)
{
	static const struct fake_script script = { .connect = answer_some, .admin = answer_some };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 2, .kato_ms = 5000 };
	struct fake_opts fake = { .script = &script };
	uint64_t end;
	struct session s;
	bool live;

	(void)state;
	max_admin = 0;
	do {
		atomic_store(&nr_admin, 0);
		session_open(&s, &fake, &opts);
		end = clock_now_ms() + SESSION_WAIT_MS;
		while (atomic_load(&nr_admin) <= max_admin && clock_now_ms() < end &&
		       nvmh_ctrl_state(s.ctrl) == NVMH_NEW) {
			if (!session_turn(&s))
				session_sleep(&s);
		}
		live = nvmh_ctrl_state(s.ctrl) == NVMH_LIVE;
		assert_true(live || atomic_load(&nr_admin) > max_admin);
		if (live)
			max_admin = UINT32_MAX; /* the shutdown is answered */
		session_close(&s);
		max_admin++;
	} while (!live);
	assert_int_equal(max_admin, 0);
}

static bool ic_silent(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)c;
	(void)req;
	atomic_fetch_add(&nr_admin, 1);
	return true;
}

static void test_tcp_host_close_while_connecting(void **state)
{
	static const struct fake_script script = { .icreq = ic_silent };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { .script = &script };
	struct session s;

	(void)state;
	atomic_store(&nr_admin, 0);
	session_open(&s, &fake, &opts); /* never processed */
	session_close(&s);
	session_open(&s, &fake, &opts);
	nvmh_ctrl_process(s.ctrl); /* the connection is on its way */
	session_close(&s);
	atomic_store(&nr_admin, 0);
	session_open(&s, &fake, &opts);
	while (!atomic_load(&nr_admin)) {
		if (!session_turn(&s))
			session_sleep(&s);
	}
	session_close(&s);
}

/* In the pause before the next try, and when it is dead. */
static void test_tcp_host_close_when_lost(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .reconnect_delay_ms = 600000 };
	struct fake_opts fake = { 0 };
	struct session s;
	uint32_t way;

	(void)state;
	for (way = 0; way < 2; way++) {
		opts.ctrl_loss_ms = way ? 1 : NVMH_NO_LIMIT;
		session_open_live(&s, &fake, &opts);
		fake_target_stop(s.t);
		while (s.ctrl->phase != (way ? NVMH_PHASE_END : NVMH_PHASE_PAUSE)) {
			if (!session_turn(&s))
				session_sleep(&s);
		}
		assert_int_equal(nvmh_ctrl_state(s.ctrl), way ? NVMH_DEAD : NVMH_CONNECTING);
		nvmh_ctrl_close(s.ctrl);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_cancel_ends_by_abort_or_by_answer),
		cmocka_unit_test(test_tcp_host_cancel_in_vain_may_be_repeated),
		cmocka_unit_test(test_tcp_host_cancel_of_all_ends_all_once),
		cmocka_unit_test(test_tcp_host_cancel_then_loss_ends_once),
		cmocka_unit_test(test_tcp_host_cancel_then_close_ends_once),
		cmocka_unit_test(test_tcp_host_cancel_over_several_paths),
		cmocka_unit_test(test_tcp_host_cancel_races_with_answers),
		cmocka_unit_test(test_tcp_host_close_while_any_answer_is_missing),
		cmocka_unit_test(test_tcp_host_close_while_connecting),
		cmocka_unit_test(test_tcp_host_close_when_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
