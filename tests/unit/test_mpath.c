// SPDX-License-Identifier: BSD-2-Clause
/*
 * The multipath controller over made-up paths: options, policies, failover, admin commands.
 */
#include "tests/unit/mpath_rig.h"

/* ---- opening ---- */

static void test_mpath_open_wrong_options_are_named(void **state)
{
	static const struct {
		uint16_t nr;
		const char *subnqn, *trtype, *hostnqn;
		struct nvmh_mpath_opts opts;
		const char *text;
	} wrong[] = {
		{ .nr = 0, .text = "nr_paths: 0" },
		{ .nr = 17, .text = "nr_paths: 17" },
		{ .nr = 2, .subnqn = "nqn.2024-01.org.example:else", .text = "path 1: subnqn" },
		{ .nr = 2, .trtype = "pcie", .text = "path 1: trtype" },
		{ .nr = 2, .hostnqn = "nqn.2024-01.org.example:h", .text = "path 1: hostnqn" },
		{ .nr = 1, .opts = { .iopolicy = 3 }, .text = "iopolicy: 3" },
		{ .nr = 1, .opts = { .hold_ms = -2 }, .text = "hold_ms: -2" },
	};
	struct nvmh_ctrl_opts paths[17];
	struct nvmh_ctrl *ctrl = NULL;
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		paths[0] = rig_path(&rig, 0);
		paths[1] = rig_path(&rig, 1);
		if (wrong[i].subnqn)
			paths[1].subnqn = wrong[i].subnqn;
		if (wrong[i].trtype)
			paths[1].trtype = wrong[i].trtype;
		if (wrong[i].hostnqn)
			paths[1].hostnqn = wrong[i].hostnqn;
		assert_int_equal(nvmh_mpath_open_with(paths, wrong[i].nr, &wrong[i].opts,
						      &fake_path_ops, &ctrl),
				 -EINVAL);
		assert_non_null(strstr(nvmh_strerror(), wrong[i].text));
		assert_null(ctrl);
	}
}

static void test_mpath_open_without_trtype_is_refused(void **state)
{
	struct nvmh_ctrl *ctrl = NULL;
	struct nvmh_ctrl_opts path;
	struct rig rig;

	(void)state;
	path = rig_path(&rig, 0);
	path.trtype = NULL;
	path.kato_ms = 0;
	assert_int_equal(nvmh_mpath_open(&path, 1, NULL, &ctrl), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "trtype"));
	assert_null(ctrl);
}

/* Whatever the other paths have to say while they are closed again. */
static void test_mpath_open_wrong_path_is_named(void **state)
{
	struct nvmh_ctrl_opts paths[2];
	struct nvmh_ctrl *ctrl = NULL;
	struct rig rig;

	(void)state;
	paths[0] = rig_path(&rig, 0);
	paths[1] = rig_path(&rig, 1);
	paths[0].traddr = "127.0.0.1";
	paths[0].trsvcid = "1"; /* nothing listens there */
	paths[1].traddr = "nowhere";
	assert_int_equal(nvmh_mpath_open(paths, 2, NULL, &ctrl), -EINVAL);
	assert_string_equal(nvmh_strerror(),
			    "path 1: traddr: \"nowhere\" is not an IPv4 or IPv6 address");
	paths[0].on_state = NULL;
	assert_int_equal(nvmh_mpath_open(paths, 1, NULL, &ctrl), 0);
	assert_int_equal(nvmh_mpath_add(ctrl, &paths[1]), -EINVAL);
	assert_string_equal(nvmh_strerror(),
			    "path 1: traddr: \"nowhere\" is not an IPv4 or IPv6 address");
	nvmh_ctrl_close(ctrl);
}

static void test_mpath_open_is_live_with_the_first_path(void **state)
{
	struct rig rig;

	(void)state;
	fake_path[0].unreachable = true;
	rig_open(&rig, 2, NULL);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
	assert_int_equal(rig.nr_states, 1);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 1);
	assert_int_equal(nvmh_ctrl_nr_queues(rig.ctrl), 2);
	assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(rig.ctrl, 0)), 16);
	assert_false(rig_up(&rig, 0));
	fake_path[0].unreachable = false;
	rig_until(&rig, rig_up(&rig, 0));
	assert_int_equal(rig.nr_states, 1);
	assert_int_equal(rig.nr_ns_told, 0);
	rig_close(&rig);
}

static void test_mpath_open_all_paths_refused_is_dead_and_says_why(void **state)
{
	struct nvmh_ctrl_opts paths[2];
	struct rig rig = { 0 };

	(void)state;
	paths[0] = rig_path(&rig, 0);
	paths[1] = rig_path(&rig, 1);
	paths[0].ctrl_loss_ms = paths[1].ctrl_loss_ms = 1;
	fake_path[0].unreachable = fake_path[1].unreachable = true;
	assert_int_equal(nvmh_mpath_open_with(paths, 2, NULL, &fake_path_ops, &rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, RIG_WAIT_MS), -ECONNREFUSED);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_non_null(strstr(nvmh_ctrl_error(rig.ctrl), "path 1"));
	assert_non_null(strstr(nvmh_ctrl_error(rig.ctrl), "does not let it in"));
	rig_close(&rig);
}

/* ---- policies ---- */

static void count_ios(const struct nvmh_mpath_opts *opts, uint32_t nr, uint64_t *ios)
{
	struct rig_io io[12];
	struct rig rig;
	uint32_t i;

	fake_path_init();
	for (i = 0; i < 3; i++)
		fake_path[i].by_hand = opts->iopolicy == NVMH_IOPOLICY_QUEUE_DEPTH && !i;
	rig_open_up(&rig, 3, opts);
	for (i = 0; i < nr; i++) {
		rig_read(&rig, 0, &io[i], i);
		rig_turn(&rig);
	}
	for (i = 0; i < 3; i++)
		ios[i] = fake_path[i].nr_ios;
	fake_path[0].by_hand = false;
	for (i = 0; i < nr; i++)
		rig_wait(&rig, &io[i], 0);
	rig_close(&rig);
}

static void test_mpath_policy_chooses(void **state)
{
	uint64_t ios[3];

	(void)state;
	count_ios(&(struct nvmh_mpath_opts){ .iopolicy = NVMH_IOPOLICY_NUMA }, 12, ios);
	assert_int_equal(ios[0], 12);
	count_ios(&(struct nvmh_mpath_opts){ .iopolicy = NVMH_IOPOLICY_ROUND_ROBIN }, 12, ios);
	assert_int_equal(ios[0], 4);
	assert_int_equal(ios[1], 4);
	assert_int_equal(ios[2], 4);
	/* the first path does not answer: one command, and the others have all the rest */
	count_ios(&(struct nvmh_mpath_opts){ .iopolicy = NVMH_IOPOLICY_QUEUE_DEPTH }, 12, ios);
	assert_int_equal(ios[0], 1);
	assert_int_equal(ios[1] + ios[2], 11);
}

/* ---- failover ---- */

static void test_mpath_lost_path_read_goes_to_another_at_once(void **state)
{
	struct rig_io io, next;
	struct nvmh_mpath_path info;
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = fake_path[1].by_hand = true;
	memset(fake_path_blocks[0][5], 0x5a, 512);
	rig_open_up(&rig, 2, NULL);
	rig_read(&rig, 0, &io, 5);
	assert_int_equal(fake_path_count(&fake_path[0]), 1);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, fake_path_count(&fake_path[1]) == 1);
	assert_int_equal(io.nr_done, 0);
	assert_true(fake_path_find(&fake_path[1])->committed);
	/* and what comes later goes there directly */
	rig_read(&rig, 0, &next, 5);
	assert_int_equal(fake_path_count(&fake_path[1]), 2);
	fake_path_answer(fake_path_find(&fake_path[1]), 0);
	fake_path_answer(fake_path_find(&fake_path[1]), 0);
	rig_wait(&rig, &io, 0);
	rig_wait(&rig, &next, 0);
	assert_int_equal(io.data[0], 0x5a);
	assert_int_equal(nvmh_mpath_path(rig.ctrl, 0, &info), 0);
	assert_int_equal(info.failed_over, 1);
	assert_false(info.usable);
	assert_non_null(strstr(info.error, "the test"));
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	rig_close(&rig);
}

/* The owner of the queue sees the loss first: nothing is sent into the void, nothing fails. */
static void test_mpath_broken_connection_submit_takes_another(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 2, NULL);
	fake_path[0].broken = true;
	rig_write(&rig, 0, &io, 3, 0x33);
	assert_int_equal(fake_path[1].nr_ios, 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path_blocks[0][3][0], 0x33);
	rig_close(&rig);
}

static void test_mpath_all_paths_lost_holds_and_keeps_the_order(void **state)
{
	struct rig_io io[8], late;
	struct rig rig;
	uint32_t i;

	(void)state;
	fake_path[0].by_hand = fake_path[1].by_hand = true;
	rig_open_up(&rig, 2, &(struct nvmh_mpath_opts){ .iopolicy = NVMH_IOPOLICY_ROUND_ROBIN });
	for (i = 0; i < 8; i++)
		rig_read(&rig, 0, &io[i], i);
	fake_path[0].unreachable = fake_path[1].unreachable = true;
	fake_path_lose(&fake_path[1]);
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_CONNECTING);
	assert_true(strstr(rig.error, "path 0, ") && strstr(rig.error, "; path 1, "));
	/* still taken, and held */
	rig_read(&rig, 0, &late, 9);
	rig_settle(&rig);
	assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(rig.ctrl, 0)), 16 - 9);
	fake_path[1].unreachable = false;
	rig_until(&rig, fake_path_count(&fake_path[1]) == 9);
	for (i = 0; i < 9; i++) {
		struct fake_path_cmd *cmd = fake_path_find(&fake_path[1]);

		assert_int_equal(le32_get(cmd->sqe.cdw10), i < 8 ? i : 9);
		fake_path_answer(cmd, 0);
	}
	for (i = 0; i < 8; i++)
		rig_wait(&rig, &io[i], 0);
	rig_wait(&rig, &late, 0);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(rig.states[1], NVMH_CONNECTING);
	assert_int_equal(rig.states[2], NVMH_LIVE);
	assert_string_equal(rig.error, "");
	rig_close(&rig);
}

static void test_mpath_fast_io_fail_ends_what_has_no_path(void **state)
{
	struct nvmh_mpath_opts opts = { .fast_io_fail_ms = 30 };
	struct rig_io io[2];
	uint64_t start;
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 1, &opts);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_CONNECTING);
	start = clock_now_ns();
	rig_read(&rig, 0, &io[0], 1);
	rig_write(&rig, 1, &io[1], 1, 1);
	rig_wait(&rig, &io[0], ST_HOST_PATH_ERROR);
	assert_true(clock_now_ns() - start >= 30000000u);
	rig_wait(&rig, &io[1], ST_HOST_PATH_ERROR);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_CONNECTING);
	rig_close(&rig);
}

/* Its target ends the connection whenever it comes: not for ever, but as long as for a lost one. */
static void test_mpath_command_that_costs_connections_ends(void **state)
{
	static const uint32_t loss_ms[] = { RIG_WAIT_MS, NVMH_NO_LIMIT };
	struct nvmh_ctrl_opts path;
	struct rig_io io;
	uint32_t way, i;

	(void)state;
	for (way = 0; way < ARRAY_SIZE(loss_ms); way++) {
		struct rig rig = { 0 };

		fake_path_init();
		fake_path[0].by_hand = true;
		path = rig_path(&rig, 0);
		path.ctrl_loss_ms = loss_ms[way];
		assert_int_equal(nvmh_mpath_open_with(&path, 1, NULL, &fake_path_ops, &rig.ctrl),
				 0);
		rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
		rig_read(&rig, 0, &io, 1);
		for (i = 0; i <= MPATH_MAX_LOSSES; i++) {
			rig_until(&rig, fake_path[0].nr_ios == i + 1);
			assert_int_equal(io.nr_done, 0);
			mpath_of(rig.ctrl)->queues[1].ios[io.req.tag].since_ns = 1; /* long ago */
			fake_path[0].ctrl->resets = 0; /* no longer pauses */
			fake_path_lose(&fake_path[0]);
		}
		if (way) {
			rig_until(&rig, fake_path[0].nr_ios == i + 1);
			fake_path_answer(fake_path_find(&fake_path[0]), 0);
		}
		rig_wait(&rig, &io, way ? 0 : ST_HOST_PATH_ERROR);
		rig_close(&rig);
	}
}

static void test_mpath_given_up_ends_everything_once(void **state)
{
	struct nvmh_ctrl_opts path;
	struct rig rig = { 0 };
	struct rig_io io[4];
	uint32_t i;

	(void)state;
	path = rig_path(&rig, 0);
	path.ctrl_loss_ms = 100;
	fake_path[0].by_hand = true;
	assert_int_equal(nvmh_mpath_open_with(&path, 1, NULL, &fake_path_ops, &rig.ctrl), 0);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE);
	for (i = 0; i < 4; i++)
		rig_read(&rig, i % 2, &io[i], i);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_DEAD);
	for (i = 0; i < 4; i++) {
		assert_int_equal(io[i].nr_done, 1);
		assert_true(io[i].req.status == ST_HOST_PATH_ERROR ||
			    io[i].req.status == ST_HOST_ABORTED);
	}
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(rig.ctrl, 0), &io[0].req), -ENOTCONN);
	assert_int_equal(nvmh_mpath_add(rig.ctrl, &path), -ENOTCONN);
	rig_close(&rig);
}

/* A dead controller has nothing to do: its descriptor, and its queues', do not say that it has. */
static void test_mpath_dead_sleeps(void **state)
{
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct nvmh_queue *q;
	struct rig_io io;
	struct rig rig;
	uint32_t i;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, NULL);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	pfd[0].fd = nvmh_ctrl_fd(rig.ctrl);
	pfd[1].fd = nvmh_queue_fd(q);
	rig_read(&rig, 0, &io, 1);
	nvmh_ctrl_shutdown(rig.ctrl);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_DEAD);
	assert_int_equal(io.nr_done, 1);
	for (i = 0; i < 5; i++) {
		rig_turn(&rig);
		assert_int_equal(nvmh_queue_arm(q), 0);
	}
	assert_int_equal(poll(pfd, 2, 0), 0);
	rig_close(&rig);
}

static void test_mpath_close_under_held_requests_completes_them(void **state)
{
	struct rig_io io[6];
	struct rig rig;
	uint32_t i;

	(void)state;
	fake_path[0].by_hand = fake_path[1].by_hand = true;
	rig_open_up(&rig, 2, NULL);
	for (i = 0; i < 3; i++)
		rig_write(&rig, i % 2, &io[i], i, 1);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_settle(&rig);
	for (; i < 6; i++)
		rig_write(&rig, i % 2, &io[i], i, 1);
	rig_close(&rig);
	for (i = 0; i < 6; i++) {
		assert_int_equal(io[i].nr_done, 1);
		assert_true(io[i].req.status);
	}
}

static void test_mpath_reset_costs_no_request(void **state)
{
	struct rig_io io[2];
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 1, &(struct nvmh_mpath_opts){ .hold_ms = NVMH_NO_HOLD });
	rig_read(&rig, 0, &io[0], 1);
	rig_write(&rig, 1, &io[1], 1, 0x77);
	fake_path[0].by_hand = false;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	rig_wait(&rig, &io[0], 0);
	rig_wait(&rig, &io[1], 0);
	assert_int_equal(fake_path[0].nr_connects, 2);
	assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), -ENOTSUP);
	rig_close(&rig);
}

/* ---- admin ---- */

static void test_mpath_admin_reads_survive_a_loss_others_do_not(void **state)
{
	static uint8_t page[4096];
	struct nvmh_req format = { .sqe = { .opcode = nvme_admin_format_nvm } };
	struct nvmh_req aer = { .sqe = { .opcode = nvme_admin_async_event } };
	struct rig_io io, lost;
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 2, NULL);
	assert_int_equal(nvmh_identify(rig.ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, page), 0);
	aer.done = rig_done;
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &aer), -EINVAL);
	memset(&io, 0, sizeof(io));
	io.iov = (struct iovec){ page, 4096 };
	io.req.sqe.opcode = nvme_admin_identify;
	io.req.sqe.cdw10 = le32_make(NVME_IDENTIFY_CNS_CTRL);
	io.req.iov = &io.iov;
	io.req.nr_iov = 1;
	io.req.len = 4096;
	io.req.dir = NVMH_FROM_CTRL;
	io.req.done = rig_done;
	io.req.arg = &io;
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &io.req), 0);
	memset(&lost, 0, sizeof(lost));
	lost.req = format;
	lost.req.done = rig_done;
	lost.req.arg = &lost;
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &lost.req), 0);
	/* both are on the first path, which goes before it answers */
	fake_path[0].unreachable = true;
	nvmh_queue_abort_all(&fake_path[0].ctrl->adminq, ST_HOST_ABORTED);
	fake_path_lose(&fake_path[0]);
	rig_wait(&rig, &lost, ST_HOST_ABORTED);
	rig_wait(&rig, &io, 0);
	assert_int_equal(((struct nvme_id_ctrl *)page)->cntlid, htole16(2));
	rig_close(&rig);
}

/* The only path is gone, so the controller is not live: what is held would be so for its whole time. */
static void test_mpath_admin_cancel_ends_what_is_held(void **state)
{
	static uint8_t page[4096];
	struct rig_io io = { .iov = { page, sizeof(page) } };
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 1, NULL);
	nvmh_prep_identify(&io.req, 0, NVME_IDENTIFY_CNS_CTRL, 0, &io.iov, 1);
	io.req.done = rig_done;
	io.req.arg = &io;
	assert_int_equal(nvmh_admin_submit(rig.ctrl, &io.req), 0);
	fake_path[0].unreachable = true;
	nvmh_queue_abort_all(&fake_path[0].ctrl->adminq, ST_HOST_ABORTED);
	fake_path_lose(&fake_path[0]);
	rig_until(&rig, nvmh_ctrl_state(rig.ctrl) == NVMH_CONNECTING);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(nvmh_admin_cancel(rig.ctrl, &io.req), 0);
	rig_wait(&rig, &io, ST_ABORT_REQ);
	assert_int_equal(nvmh_admin_cancel(rig.ctrl, &io.req), -ENOENT);
	rig_close(&rig);
}

/* ---- waiting ---- */

enum {
	BUSY_MS = 20000, /* others go on for so long: only a fault reaches it */
};

static uint64_t busy_until_ms;

/* Another one at once, which is answered by the next poll. */
static void submit_again(struct nvmh_req *req)
{
	struct nvmh_queue *q = req->arg;
	struct fake_path *p = &fake_path[0];
	uint32_t i;

	if (req->status || clock_now_ms() > busy_until_ms)
		return;
	assert_int_equal(nvmh_queue_submit(q, req), 0);
	nvmh_queue_commit(q);
	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		if (p->cmd[i].req == req)
			fake_path_answer(&p->cmd[i], 0);
	}
}

/* Whoever waits watches over deadlines, too, also while others are completed all the time. */
static void test_mpath_waiting_beside_busy_requests_has_deadlines(void **state)
{
	struct rig rig = { 0 };
	struct nvmh_ctrl_opts opts = rig_path(&rig, 0);
	struct rig_io late, busy;
	struct nvmh_queue *q;

	(void)state;
	opts.on_state = NULL;
	opts.on_ns = NULL;
	fake_path[0].by_hand = true;
	/* a path's controller alone */
	assert_int_equal(nvmh_ctrl_open_with(&opts, &fake_path_ops, &rig.ctrl), 0);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, RIG_WAIT_MS), 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	busy_until_ms = clock_now_ms() + BUSY_MS;
	rig_prep(&busy, nvme_cmd_read, 1, 1, 0);
	busy.req.done = submit_again;
	busy.req.arg = q;
	rig_prep(&late, nvme_cmd_read, 1, 2, 0);
	late.req.timeout_ms = 1;
	submit_again(&busy.req);
	assert_int_equal(nvmh_io(q, &late.req), ST_HOST_ABORTED);
	assert_int_equal(busy.req.status, ST_HOST_ABORTED);
	assert_true(clock_now_ms() < busy_until_ms);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mpath_test(test_mpath_open_wrong_options_are_named),
		mpath_test(test_mpath_open_without_trtype_is_refused),
		mpath_test(test_mpath_open_wrong_path_is_named),
		mpath_test(test_mpath_open_is_live_with_the_first_path),
		mpath_test(test_mpath_open_all_paths_refused_is_dead_and_says_why),
		mpath_test(test_mpath_policy_chooses),
		mpath_test(test_mpath_lost_path_read_goes_to_another_at_once),
		mpath_test(test_mpath_broken_connection_submit_takes_another),
		mpath_test(test_mpath_all_paths_lost_holds_and_keeps_the_order),
		mpath_test(test_mpath_fast_io_fail_ends_what_has_no_path),
		mpath_test(test_mpath_command_that_costs_connections_ends),
		mpath_test(test_mpath_given_up_ends_everything_once),
		mpath_test(test_mpath_dead_sleeps),
		mpath_test(test_mpath_close_under_held_requests_completes_them),
		mpath_test(test_mpath_reset_costs_no_request),
		mpath_test(test_mpath_admin_reads_survive_a_loss_others_do_not),
		mpath_test(test_mpath_admin_cancel_ends_what_is_held),
		mpath_test(test_mpath_waiting_beside_busy_requests_has_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
