// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP when the connection is lost or cut: everything outstanding ends
 * once, nothing arrives late, and the controller comes back by itself.
 */
#include "tests/unit/tcp_session.h"

enum {
	CUTS = 3,
};

static bool silent(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	return !c->nr_io_conn; /* the first association's queue never answers */
}

/* Everything outstanding ends once when the connection goes, and the next association works. */
static void test_tcp_host_loss_lost_connection_completes_once_and_reconnects(void **state)
{
	static const struct fake_script script = { .io = silent };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .queue_size = 8 };
	struct fake_opts fake = { .script = &script };
	struct guarded g[7];
	struct guarded extra;
	struct session s;
	uint32_t i;

	(void)state;
	session_open_live(&s, &fake, &opts);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		guarded_init(&g[i], 131072);
		nvmh_prep_rw(&g[i].req, i % 2 ? nvme_cmd_read : nvme_cmd_write, 1, 0, 256, g[i].iov,
			     1, 131072);
		assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g[i].req), 0);
	}
	guarded_init(&extra, 512);
	nvmh_prep_rw(&extra.req, nvme_cmd_read, 1, 0, 1, extra.iov, 1, 512);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &extra.req), -EAGAIN);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	fake_target_drop(s.t);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		session_wait_done(&s, &g[i]);
		assert_true(g[i].req.status == ST_HOST_PATH_ERROR ||
			    g[i].req.status == ST_HOST_ABORTED);
		guarded_check(&g[i]);
	}
	session_wait_lost(&s);
	assert_non_null(strstr(s.error, "closed by the controller"));
	session_wait_live(&s);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &extra.req), 0);
	guarded_free(&extra);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		assert_int_equal(g[i].nr_done, 1);
		guarded_free(&g[i]);
	}
	assert_int_equal(s.nr_resets, 1);
	session_close(&s);
}

static void test_tcp_host_loss_unanswered_command_times_out_and_resets(void **state)
{
	static const struct fake_script script = { .io = silent };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .io_timeout_ms = 200 };
	struct fake_opts fake = { .script = &script };
	struct guarded g;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 131072);
	nvmh_prep_rw(&g.req, nvme_cmd_write, 1, 0, 256, g.iov, 1, 131072);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	session_wait_done(&s, &g);
	assert_true(g.req.status == ST_HOST_ABORTED || g.req.status == ST_HOST_PATH_ERROR);
	assert_non_null(strstr(s.error, "not answered"));
	session_wait_live(&s);
	assert_int_equal(g.nr_done, 1);
	guarded_free(&g);
	session_close(&s);
}

struct owner {
	pthread_t thread;
	struct nvmh_queue *q;
	uint32_t slba;
	_Atomic bool stop;
	_Atomic uint32_t nr_ok;
	uint32_t nr_submitted;
	uint32_t nr_done;
	uint32_t nr_lost;
	bool bad; /* something that must not happen; asserted by the main thread */
};

static void owner_done(struct nvmh_req *req)
{
	struct owner *o = req->arg;

	o->nr_done++;
	if (!req->status)
		atomic_fetch_add(&o->nr_ok, 1);
	else if (req->status == ST_HOST_PATH_ERROR || req->status == ST_HOST_ABORTED)
		o->nr_lost++;
	else
		o->bad = true;
}

/* Keeps four requests going on a queue of its own, whatever happens to the controller. */
static void *owner_main(void *arg)
{
	struct owner *o = arg;
	struct pollfd pfd = { .fd = nvmh_queue_fd(o->q), .events = POLLIN };
	struct nvmh_req reqs[4] = { 0 };
	struct iovec iovs[4];
	uint32_t i;
	int ret;

	for (i = 0; i < 4; i++)
		iovs[i] = (struct iovec){ calloc(1, 65536), 65536 };
	while (!atomic_load(&o->stop) || o->nr_done < o->nr_submitted) {
		for (i = 0; i < 4 && !atomic_load(&o->stop); i++) {
			if (reqs[i].state != NVMH_REQ_IDLE)
				continue;
			nvmh_prep_rw(&reqs[i], i & 1 ? nvme_cmd_write : nvme_cmd_read, 1,
				     o->slba + i * 128, 128, &iovs[i], 1, 65536);
			reqs[i].done = owner_done;
			reqs[i].arg = o;
			ret = nvmh_queue_submit(o->q, &reqs[i]);
			o->nr_submitted += !ret;
			o->bad |= ret && ret != -ENOTCONN;
		}
		nvmh_queue_commit(o->q);
		if (!nvmh_queue_poll(o->q) && !nvmh_queue_arm(o->q))
			poll(&pfd, 1, 10);
	}
	nvmh_queue_release(o->q);
	for (i = 0; i < 4; i++)
		free(iovs[i].iov_base);
	return NULL;
}

/* The connection is cut again and again under queues that belong to other threads. */
static void test_tcp_host_loss_resets_under_other_threads_complete_once(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 2, .queue_size = 8 };
	struct fake_opts fake = { .icd_bytes = 8192 };
	uint64_t end = clock_now_ms() + 3 * SESSION_WAIT_MS;
	struct owner owners[2] = { 0 };
	struct session s;
	uint32_t cuts, ok, i;

	(void)state;
	session_open_live(&s, &fake, &opts);
	for (i = 0; i < 2; i++) {
		owners[i].q = nvmh_ctrl_queue(s.ctrl, (uint16_t)i);
		owners[i].slba = i * 4096;
		assert_int_equal(pthread_create(&owners[i].thread, NULL, owner_main, &owners[i]),
				 0);
	}
	for (cuts = 0; cuts <= CUTS; cuts++) {
		ok = atomic_load(&owners[0].nr_ok) + 50;
		while (atomic_load(&owners[0].nr_ok) < ok && clock_now_ms() < end) {
			nvmh_ctrl_process(s.ctrl);
			poll(&(struct pollfd){ .fd = nvmh_ctrl_fd(s.ctrl), .events = POLLIN }, 1,
			     1);
		}
		if (cuts < CUTS)
			fake_target_drop(s.t);
	}
	for (i = 0; i < 2; i++) {
		atomic_store(&owners[i].stop, true);
		pthread_join(owners[i].thread, NULL);
		assert_false(owners[i].bad);
		assert_int_equal(owners[i].nr_done, owners[i].nr_submitted);
		assert_true(owners[i].nr_lost > 0);
	}
	assert_true(clock_now_ms() < end);
	assert_int_equal(s.nr_resets, CUTS);
	session_close(&s);
}

static bool ask_then_stall(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (c->nr_io_conn)
		return false;
	fake_conn_r2t(c, cmd->sqe.cid, 1, 0, 1 << 20);
	fake_conn_gate(c);
	return true;
}

/*
 * A controller that stalls must not get the data of a write that has ended long ago when it goes
 * on: somebody may have written something else meanwhile.
 */
static void test_tcp_host_loss_ended_write_does_not_arrive_late(void **state)
{
	static const struct fake_script script = { .io = ask_then_stall };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .io_timeout_ms = 200 };
	struct fake_opts fake = { .script = &script, .maxh2cdata = 1 << 20, .rcvbuf = 4096 };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct guarded g;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 1 << 20);
	nvmh_prep_rw(&g.req, nvme_cmd_write, 1, 0, 2048, g.iov, 1, 1 << 20);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	session_wait_done(&s, &g);
	assert_int_not_equal(g.req.status, 0);
	atomic_store(&s.t->gate, true);
	while (!atomic_load(&s.t->nr_io_ended) && clock_now_ms() < end)
		session_turn(&s);
	assert_int_equal(atomic_load(&s.t->nr_io_ended), 1);
	/* what its own socket held */
	assert_true(atomic_load(&s.t->nr_stale) < 64 << 10);
	guarded_free(&g);
	session_close(&s);
}

struct lone {
	struct nvmh_queue *q;
	struct guarded g;
};

static void *submit_only(void *arg)
{
	struct lone *lone = arg;

	if (!nvmh_queue_submit(lone->q, &lone->g.req))
		nvmh_queue_commit(lone->q);
	return NULL;
}

/* The controller sees the end at once; the request waits for the queue's owner. */
static void test_tcp_host_loss_reset_does_not_wait_for_the_owner_to_disconnect(void **state)
{
	static const struct fake_script script = { .io = silent };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { .script = &script };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct lone lone;
	pthread_t thread;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	lone.q = nvmh_ctrl_queue(s.ctrl, 0);
	guarded_init(&lone.g, 4096);
	nvmh_prep_rw(&lone.g.req, nvme_cmd_read, 1, 0, 8, lone.g.iov, 1, 4096);
	assert_int_equal(pthread_create(&thread, NULL, submit_only, &lone), 0);
	pthread_join(thread, NULL);
	assert_int_equal(nvmh_ctrl_reset(s.ctrl), 0);
	while (!atomic_load(&s.t->nr_io_ended) && clock_now_ms() < end)
		nvmh_ctrl_wait(s.ctrl, 10);
	assert_int_equal(atomic_load(&s.t->nr_io_ended), 1);
	assert_int_equal(lone.g.nr_done, 0);
	/* this thread takes the queue over */
	session_wait_done(&s, &lone.g);
	assert_true(lone.g.req.status == ST_HOST_ABORTED ||
		    lone.g.req.status == ST_HOST_PATH_ERROR);
	session_wait_live(&s);
	guarded_free(&lone.g);
	session_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_loss_lost_connection_completes_once_and_reconnects),
		cmocka_unit_test(test_tcp_host_loss_unanswered_command_times_out_and_resets),
		cmocka_unit_test(test_tcp_host_loss_resets_under_other_threads_complete_once),
		cmocka_unit_test(test_tcp_host_loss_ended_write_does_not_arrive_late),
		cmocka_unit_test(
			test_tcp_host_loss_reset_does_not_wait_for_the_owner_to_disconnect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
