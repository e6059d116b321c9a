// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues that go from one core to another, at rest, under load, and while they end; see
 * tests/unit/move_rig.h.
 */
#include "tests/unit/move_rig.h"

static void test_move_idle_queue_goes_and_works(void **state)
{
	struct rig r = rig_open();

	(void)state;
	write_block(r.io, 3, 0x11);
	assert_int_equal(last_core, r.home);
	for (int i = 0; i < 10; i++) {
		int from = (r.home + i) % 2, to = !from;

		assert_int_equal(move(1, from, to), 0);
		wait_for(where(1) == to);
		assert_int_equal(atomic_load(&nvmet.cores[0]->nr_conns) +
					 atomic_load(&nvmet.cores[1]->nr_conns),
				 2);
		write_block(r.io, 4, (uint8_t)i);
		assert_int_equal(last_core, to);
		check_block(r.io, 4, (uint8_t)i);
		check_block(r.io, 3, 0x11);
	}
	assert_int_equal(stayed(), 0);
	rig_close(&r);
}

static void test_move_is_refused_where_it_makes_no_sense(void **state)
{
	struct rig r = rig_open();
	int admin = where(0);

	(void)state;
	assert_true(admin >= 0);
	assert_int_equal(move(0, admin, !admin), -EINVAL);
	assert_int_equal(move(1, r.home, r.home), -EINVAL);
	atomic_fetch_add(&nvmet.cores[!r.home]->nr_conns, MAX_CONNS_PER_CORE);
	assert_int_equal(move(1, r.home, !r.home), -ENOSPC);
	atomic_fetch_sub(&nvmet.cores[!r.home]->nr_conns, MAX_CONNS_PER_CORE);
	set_slow();
	put_rw(r.io, nvme_cmd_read, 1, 0, 1, NULL);
	wait_for(count_waiting() == 1);
	assert_int_equal(move(1, r.home, !r.home), 0);
	assert_int_equal(move(1, r.home, !r.home), -EINVAL); /* it is about to */
	loop_call(nvmet.cores[r.home]->loop, let_go, NULL);
	wait_for(where(1) == !r.home);
	rig_close(&r);
}

static void test_move_waits_for_a_slow_namespace(void **state)
{
	uint8_t block[2 * BLOCK], out[24];
	struct rig r = rig_open();
	uint16_t seen = 0;

	(void)state;
	memset(block, 0x22, sizeof(block));
	set_slow();
	put_rw(r.io, nvme_cmd_write, 1, 10, 2, block);
	put_rw(r.io, nvme_cmd_write, 2, 12, 2, block);
	wait_for(count_waiting() == 2);
	assert_int_equal(move(1, r.home, !r.home), 0);
	/* What comes now is for the new core, be it much or in the middle of a PDU. */
	for (uint16_t cid = 3; cid < 20; cid++)
		put_rw(r.io, nvme_cmd_write, cid, 20u + 2 * cid, 2, block);
	memset(out, 0, sizeof(out));
	out[0] = NVME_TCP_CMD;
	put_all(r.io, out, 1);
	assert_int_equal(where(1), r.home);
	assert_int_equal(count_waiting(), 2);
	loop_call(nvmet.cores[r.home]->loop, let_go, NULL);
	for (int i = 1; i < 20; i++)
		seen |= (uint16_t)(get_rsp(r.io, NULL) == i);
	assert_int_equal(seen, 1);
	assert_int_equal(where(1), !r.home);
	assert_int_equal(last_core, !r.home);
	host_gone(r.io); /* within a header */
	host_gone(r.admin);
}

static void test_move_is_given_up_when_the_namespace_does_not_answer(void **state)
{
	uint8_t block[BLOCK];
	struct rig r = rig_open();

	(void)state;
	memset(block, 0x33, sizeof(block));
	set_slow();
	put_rw(r.io, nvme_cmd_write, 1, 10, 1, block);
	wait_for(count_waiting() == 1);
	assert_int_equal(move(1, r.home, !r.home), 0);
	put_rw(r.io, nvme_cmd_write, 2, 11, 1, block);
	put_rw(r.io, nvme_cmd_write, 3, 12, 1, block);
	wait_for(stayed() == 1);
	wait_for(count_waiting() == 3); /* the others were begun here */
	assert_int_equal(where(1), r.home);
	loop_call(nvmet.cores[r.home]->loop, let_go, NULL);
	for (uint16_t cid = 1; cid <= 3; cid++)
		assert_int_equal(get_rsp(r.io, NULL), cid);
	check_block(r.io, 12, 0x33);
	/* and the next try works */
	assert_int_equal(move(1, r.home, !r.home), 0);
	wait_for(where(1) == !r.home);
	rig_close(&r);
}

static void test_move_takes_data_that_comes_behind_commands(void **state)
{
	struct nvme_tcp_r2t r2t[5];
	struct rig r = rig_open();
	uint8_t block[BLOCK];

	(void)state;
	memset(block, 0x99, sizeof(block));
	put_rw(r.io, nvme_cmd_write, 1, 10, 4, NULL);
	get_r2t(r.io, &r2t[0]);
	assert_int_equal(move(1, r.home, !r.home), 0);
	/* Writes that want an R2T are held, one with its data goes through. */
	put_rw(r.io, nvme_cmd_write, 2, 20, 4, NULL);
	put_rw(r.io, nvme_cmd_write, 3, 30, 4, NULL);
	put_rw(r.io, nvme_cmd_write, 4, 40, 1, block);
	assert_int_equal(get_rsp(r.io, NULL), 4);
	assert_int_equal(last_core, r.home);
	put_rw(r.io, nvme_cmd_write, 5, 50, 4, NULL);
	put_data(r.io, &r2t[0], 0x41);
	put_rw(r.io, nvme_cmd_write, 6, 60, 4, NULL);
	assert_int_equal(get_rsp(r.io, NULL), 1);
	for (int i = 1; i < 5; i++)
		get_r2t(r.io, &r2t[i]);
	assert_int_equal(where(1), !r.home);
	for (int i = 4; i >= 1; i--)
		put_data(r.io, &r2t[i], (uint8_t)(0x41 + i));
	for (int i = 1; i < 5; i++)
		get_rsp(r.io, NULL);
	for (int i = 0; i < 5; i++)
		check_block(r.io, (uint32_t[]){ 13, 23, 33, 53, 63 }[i], (uint8_t)(0x41 + i));
	check_block(r.io, 40, 0x99);
	rig_close(&r);
}

static void test_move_is_given_up_when_data_does_not_come(void **state)
{
	struct nvme_tcp_r2t r2t[3];
	struct rig r = rig_open();

	(void)state;
	put_rw(r.io, nvme_cmd_write, 1, 10, 4, NULL);
	get_r2t(r.io, &r2t[0]);
	assert_int_equal(move(1, r.home, !r.home), 0);
	put_rw(r.io, nvme_cmd_write, 2, 20, 4, NULL);
	put_rw(r.io, nvme_cmd_write, 3, 30, 4, NULL);
	get_r2t(r.io, &r2t[1]); /* after the move was given up */
	get_r2t(r.io, &r2t[2]);
	assert_int_equal(stayed(), 1);
	for (int i = 0; i < 3; i++)
		put_data(r.io, &r2t[i], (uint8_t)(0x51 + i));
	for (uint16_t cid = 1; cid <= 3; cid++)
		assert_int_equal(get_rsp(r.io, NULL), cid);
	assert_int_equal(where(1), r.home);
	for (int i = 0; i < 3; i++)
		check_block(r.io, (uint32_t)(10 * i + 12), (uint8_t)(0x51 + i));
	rig_close(&r);
}

static void test_move_held_commands_count_as_entries(void **state)
{
	struct nvme_tcp_r2t r2t;
	struct nvme_tcp_hdr hdr;
	struct rig r = rig_open();

	(void)state;
	put_rw(r.io, nvme_cmd_write, 1, 10, 1, NULL);
	get_r2t(r.io, &r2t);
	assert_int_equal(move(1, r.home, !r.home), 0);
	for (uint16_t cid = 2; cid <= ENTRIES + 1; cid++)
		put_rw(r.io, nvme_cmd_write, cid, 10, 1, NULL);
	get_all(r.io, &hdr, sizeof(hdr));
	assert_int_equal(hdr.type, NVME_TCP_C2H_TERM);
	rig_close(&r);
}

/* What ends the queue while it is about to move, or is on its way. */
enum how { DISCONNECT, GARBAGE, KILL, DRAIN, CLOSE_CORES, NR_HOW };

static void drain_on_core(void *arg)
{
	nvmet_conn_drain_core(arg);
}

static void close_on_core(void *arg)
{
	nvmet_conn_close_core(arg);
}

static void on_cores(void (*fn)(void *arg))
{
	for (int i = 0; i < 2; i++)
		loop_call(nvmet.cores[i]->loop, fn, nvmet.cores[i]);
}

static void kill_ctrl(uint16_t cntlid)
{
	struct nvmet_ctrl *ctrl;

	nvmet_lock();
	ctrl = nvmet_ctrl_find(subsys, cntlid);
	if (ctrl)
		atomic_fetch_add(&ctrl->refs, 1);
	nvmet_unlock();
	if (!ctrl)
		return;
	nvmet_ctrl_kill(ctrl, "the test says so");
	nvmet_ctrl_put(ctrl);
}

static void end(struct rig *r, enum how how)
{
	uint8_t garbage[128];

	switch (how) {
	case DISCONNECT:
		shutdown(r->io, SHUT_RDWR);
		break;
	case GARBAGE:
		memset(garbage, 0xee, sizeof(garbage));
		send(r->io, garbage, sizeof(garbage), MSG_NOSIGNAL);
		break;
	case KILL:
		kill_ctrl(r->cntlid);
		break;
	default:
		break;
	}
}

static void test_move_of_a_queue_that_ends_meanwhile(void **state)
{
	(void)state;
	for (enum how how = 0; how < NR_HOW; how++) {
		for (int held = 0; held < 2; held++) {
			struct rig r = rig_open();
			struct nvme_tcp_r2t r2t;

			if (held) {
				put_rw(r.io, nvme_cmd_write, 1, 10, 4, NULL);
				get_r2t(r.io, &r2t);
			}
			set_slow();
			put_rw(r.io, nvme_cmd_read, 2, 10, 1, NULL);
			wait_for(count_waiting() == 1);
			assert_int_equal(move(1, r.home, !r.home), 0);
			for (uint16_t cid = 3; cid < 9; cid++)
				put_rw(r.io, nvme_cmd_write, cid, 20, 4, NULL);
			end(&r, how);
			if (how == DRAIN)
				on_cores(drain_on_core);
			loop_call(nvmet.cores[r.home]->loop, let_go, NULL);
			if (how == DRAIN)
				on_cores(drain_on_core);
			if (how == CLOSE_CORES)
				on_cores(close_on_core);
			rig_close(&r);
			wait_for(!nr_conns());
		}
	}
}

/* One queue goes to and fro under load while it, or its controller, ends at any moment. */
static void test_move_of_queues_that_end_at_any_moment(void **state)
{
	const char *seed = getenv("TEST_SEED");
	struct rng rng = { seed ? strtoull(seed, NULL, 0) : clock_now_ns() };

	(void)state;
	print_message("TEST_SEED=0x%llx\n", (unsigned long long)rng.s);
	for (int turn = 0; turn < 60; turn++) {
		struct rig r = rig_open();
		uint32_t steps = rng_below(&rng, 12);
		enum how how = rng_below(&rng, NR_HOW);

		for (uint32_t i = 0; i < steps; i++) {
			uint8_t fill = (uint8_t)rng_next(&rng);
			int from = (int)rng_below(&rng, 2);

			move(1, from, !from);
			write_block(r.io, i, fill);
			move(1, from, !from);
			if (rng_below(&rng, 2))
				move(1, !from, from);
			check_block(r.io, i, fill);
		}
		move(1, 0, 1);
		move(1, 1, 0);
		if (rng_below(&rng, 2))
			put_rw(r.io, nvme_cmd_read, 5, 0, 1, NULL);
		end(&r, how);
		while (how >= DRAIN && nr_conns())
			on_cores(how == DRAIN ? drain_on_core : close_on_core);
		rig_close(&r);
		wait_for(!nr_conns());
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_move_idle_queue_goes_and_works),
		TEST(test_move_is_refused_where_it_makes_no_sense),
		TEST(test_move_waits_for_a_slow_namespace),
		TEST(test_move_is_given_up_when_the_namespace_does_not_answer),
		TEST(test_move_takes_data_that_comes_behind_commands),
		TEST(test_move_is_given_up_when_data_does_not_come),
		TEST(test_move_held_commands_count_as_entries),
		TEST(test_move_of_a_queue_that_ends_meanwhile),
		TEST(test_move_of_queues_that_end_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
