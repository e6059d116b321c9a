// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a host queue receives, wherever it guessed that it would lie: the answers of a controller
 * that this test makes up (place_rig.h).
 */
#include "tests/unit/place_rig.h"

struct kind {
	const char *name;
	uint32_t in_order, whole, success, errors, reads;
};

static const struct kind kinds[] = {
	{ "in order, SUCCESS", 100, 100, 100, 0, 100 },
	{ "in order, responses", 100, 100, 0, 0, 100 },
	{ "in order, both", 100, 100, 50, 0, 100 },
	{ "in order, errors", 100, 100, 50, 50, 100 },
	{ "in order, reads and others", 100, 100, 0, 5, 60 },
	{ "now and then out of order", 95, 100, 50, 10, 90 },
	{ "interleaved", 70, 50, 50, 20, 90 },
	{ "in order, many PDUs", 100, 30, 50, 5, 100 },
	{ "any order", 0, 80, 50, 50, 70 },
};

static void test_place_answers_of_all_kinds_arrive_intact(void **state)
{
	uint64_t seed = clock_now_ns();
	uint32_t i, t;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	rng_state = seed | 1;
	for (i = 0; i < ARRAY_SIZE(kinds) * 8; i++) {
		const struct kind *kind = &kinds[i / 8];

		rig_open(i & 1, i & 2);
		wire.lazy = i & 4;
		rig.in_order = kind->in_order;
		rig.whole = kind->whole;
		rig.success = kind->success;
		rig.errors = kind->errors;
		rig.reads = kind->reads;
		rig.again = true;
		for (t = 0; t < 200; t++) {
			turn();
			take_all();
		}
		finish();
		rig_close();
	}
}

/* Two receive calls, with every place between them. */
static void split_everywhere(uint32_t success, bool digests)
{
	size_t cut = 0, len = 1;
	uint32_t i;

	rig_open(digests, digests);
	rig.success = success;
	while (cut <= len) {
		for (i = 0; i < 4; i++)
			submit(submit_read(i == 1 ? 512 : 2048, NULL));
		nvmh_queue_commit(rig.q);
		while (rig.nr_pending)
			say_something();
		wire.chunk = SIZE_MAX;
		wire.cut = cut++;
		len = wire.len;
		take_all();
		assert_int_equal(rig.nr_busy, 0);
	}
	rig_close();
}

static void test_place_split_everywhere_arrives_intact(void **state)
{
	(void)state;
	rng_state = 1;
	split_everywhere(100, false);
	split_everywhere(0, false);
	split_everywhere(50, true);
}

/* The layout of what follows is learnt. */
static void learn(void)
{
	submit(submit_read(4096, NULL));
	nvmh_queue_commit(rig.q);
	while (rig.nr_pending)
		say_something();
	take_all();
}

/* What is received lies in the reader's memory without having been copied there, each time anew. */
static void test_place_in_order_is_received_in_place(void **state)
{
	uint8_t *memory = aligned_alloc(4096, 8 * 4096);
	uint32_t i, round;

	(void)state;
	assert_non_null(memory);
	rng_state = 1;
	rig_open(false, false);
	rig.success = 100;
	wire.chunk = SIZE_MAX;
	learn();
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 8; i++)
			submit(submit_read(4096, memory + i * 4096));
		nvmh_queue_commit(rig.q);
		while (rig.nr_pending)
			say_something();
		memset(rig.tq->ahead, 0x77, rig.tq->ahead_size);
		take_all();
		assert_int_equal(rig.nr_busy, 0);
		for (i = 0; i < rig.tq->ahead_size; i++)
			assert_int_equal(rig.tq->ahead[i], 0x77);
		assert_int_equal(rig.tq->guess.pause, 0);
	}
	rig_close();
	free(memory);
}

/* A read ends with an error while what follows lies in its memory, which is freed at once. */
static void test_place_error_before_data_takes_the_rest_out(void **state)
{
	uint32_t i, round;

	(void)state;
	rng_state = 1;
	rig_open(false, false);
	wire.chunk = SIZE_MAX;
	for (round = 0; round < 40; round++) {
		rig.success = round % 2 * 100;
		for (i = 0; i < 6; i++)
			submit(submit_read(4096, NULL));
		nvmh_queue_commit(rig.q);
		say_something();
		say_rsp(rig.nr_pending > 2 ? 1 : 0, ST_INTERNAL);
		while (rig.nr_pending)
			say_something();
		take_all();
		assert_int_equal(rig.nr_busy, 0);
	}
	rig_close();
}

/* Reads whose data nobody wants share memory: no byte of the stream is lost by that. */
static void test_place_shared_memory_keeps_the_stream(void **state)
{
	uint8_t *shared = malloc(MAX_LEN);
	uint32_t i, round;

	(void)state;
	assert_non_null(shared);
	rng_state = 1;
	for (round = 0; round < 4; round++) {
		rig_open(round & 1, round & 2);
		wire.chunk = SIZE_MAX;
		rig.whole = 30;
		rig.success = 50;
		for (i = 0; i < 20 * DEPTH; i++) {
			submit(submit_read(4096, shared + rng(2) * 1024));
			if (rig.nr_busy < DEPTH)
				continue;
			nvmh_queue_commit(rig.q);
			while (rig.nr_pending)
				say_something();
			take_all();
		}
		finish();
		rig_close();
	}
	free(shared);
}

/* The rest of a payload in progress may be small: its memory is in use all the same. */
static void test_place_shared_with_the_end_of_a_payload_is_not_guessed(void **state)
{
	uint8_t *shared = aligned_alloc(4096, 4096);
	uint32_t left;

	(void)state;
	assert_non_null(shared);
	rng_state = 1;
	rig_open(false, true);
	rig.success = 100;
	wire.chunk = SIZE_MAX;
	for (left = 1; left < 200; left++) {
		learn();
		submit(submit_read(4096, shared));
		submit(submit_read(4096, shared));
		nvmh_queue_commit(rig.q);
		say_something();
		wire.cut = wire.len - NVME_TCP_DIGEST_LEN - left;
		say_something();
		take_all();
		assert_int_equal(rig.nr_busy, 0);
		wire.cut = 0;
	}
	rig_close();
	free(shared);
}

/* Two reads overlap, and the first fails: what follows is taken out of the memory of both. */
static void test_place_overlap_of_any_size_keeps_the_stream(void **state)
{
	uint8_t *memory = aligned_alloc(4096, 3 * 4096);
	uint8_t want[4096];
	uint32_t overlap, at, i;

	(void)state;
	assert_non_null(memory);
	rng_state = 1;
	rig_open(false, false);
	rig.success = 100;
	wire.chunk = SIZE_MAX;
	learn();
	for (overlap = 1; overlap < 200; overlap++) {
		for (at = 0; at < 64; at += 21) {
			uint8_t *second = memory + at + 4096 - overlap;
			struct io *io;

			rig.tq->guess.pause = 0; /* whatever went wrong before */
			rig.tq->guess.penalty = 2;
			submit(submit_read(4096, memory + at));
			io = submit_read(4096, second);
			for (i = 0; i < 4096; i++)
				want[i] = data_byte(io, i);
			submit(io);
			submit(submit_read(4096, NULL));
			nvmh_queue_commit(rig.q);
			say_rsp(0, ST_INTERNAL);
			while (rig.nr_pending)
				say_something();
			take_all();
			assert_memory_equal(second, want, sizeof(want));
		}
	}
	rig_close();
	free(memory);
}

/* A read that fails keeps what was sent of it, and nothing that belongs to others. */
static void test_place_failed_read_keeps_only_its_own(void **state)
{
	uint8_t *memory = malloc(4096);
	uint32_t sent, round, i;

	(void)state;
	assert_non_null(memory);
	rng_state = 1;
	for (round = 0; round < 6; round++) {
		struct io *io;

		sent = round % 2 * 1024;
		rig_open(false, false);
		rig.success = 100;
		wire.chunk = SIZE_MAX;
		learn();
		memset(memory, 0x55, 4096);
		io = submit_read(4096, memory);
		io->seed = 1;
		submit(io);
		submit(submit_read(4096, NULL));
		nvmh_queue_commit(rig.q);
		if (sent)
			say_data(0, sent, false);
		if (round / 2 == 0)
			say_rsp(0, ST_INTERNAL);
		while (rig.nr_pending > (round / 2 ? 1 : 0))
			say_data(rig.nr_pending - 1, 4096, true);
		rig.broken = round / 2;
		if (round / 2 == 1) {
			memset(wire.bytes + wire.len, 0xff, 128);
			wire.len += 128;
		}
		take_all();
		assert_int_equal(rig.nr_busy, round / 2 == 2);
		rig_close();
		io = &(struct io){ .seed = 1 };
		for (i = 0; i < 4096; i++)
			assert_int_equal(memory[i], i < sent ? data_byte(io, i) : 0);
	}
	free(memory);
}

/*
 * The owner does not sleep: nobody watches its socket. When it is about to, its descriptor tells of
 * what is there already.
 */
static void test_place_descriptor_tells_only_who_sleeps(void **state)
{
	static const struct fake_opts fake = { 0 };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .queue_size = 8 };
	struct tcp_queue *tq;
	struct guarded g;
	struct pollfd pfd;
	struct session s;
	uint32_t i;

	(void)state;
	session_open_live(&s, &fake, &opts);
	tq = nvmh_ctrl_queue(s.ctrl, 0)->tr;
	pfd = (struct pollfd){ .fd = nvmh_queue_fd(tq->q), .events = POLLIN };
	assert_int_equal(tq->watch_epfd, pfd.fd);
	for (i = 0; i < 201; i++) {
		guarded_init(&g, 512);
		nvmh_prep_rw(&g.req, nvme_cmd_read, 1, 0, 1, g.iov, 1, 512);
		assert_int_equal(nvmh_queue_submit(tq->q, &g.req), 0);
		nvmh_queue_commit(tq->q);
		if (i == 200) {
			assert_int_equal(tq->watch_epfd, -1);
			assert_int_equal(poll(&pfd, 1, 20), 0);
			assert_int_equal(nvmh_queue_arm(tq->q), 0);
			assert_int_equal(poll(&pfd, 1, SESSION_WAIT_MS), 1);
		}
		while (!g.nr_done)
			nvmh_queue_poll(tq->q);
		guarded_check(&g);
		guarded_free(&g);
	}
	session_close(&s);
}

/* Bytes are changed on their way: whatever that means, no memory but of outstanding reads is
 * written to. */
static void test_place_broken_stream_stays_within_buffers(void **state)
{
	uint64_t seed = clock_now_ns();
	uint32_t i, t;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	rng_state = seed | 1;
	for (i = 0; i < 150; i++) {
		rig_open(false, i % 2);
		rig.success = rng(3) * 50;
		rig.in_order = 90 + rng(11);
		rig.again = true;
		for (t = 0; t < 8 && !atomic_load(&rig.tq->failed); t++) {
			turn();
			if (t >= 3 && wire.len) {
				rig.broken = true;
				/* a header is more likely to be hit than the bytes of it */
				wire.bytes[rng(rng(2) ? min_of((uint32_t)wire.len, 64u)
						      : (uint32_t)wire.len)] ^= 1u << rng(8);
			}
			take_all();
		}
		rig.broken = true;
		rig_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place_answers_of_all_kinds_arrive_intact),
		cmocka_unit_test(test_place_split_everywhere_arrives_intact),
		cmocka_unit_test(test_place_in_order_is_received_in_place),
		cmocka_unit_test(test_place_error_before_data_takes_the_rest_out),
		cmocka_unit_test(test_place_shared_memory_keeps_the_stream),
		cmocka_unit_test(test_place_shared_with_the_end_of_a_payload_is_not_guessed),
		cmocka_unit_test(test_place_overlap_of_any_size_keeps_the_stream),
		cmocka_unit_test(test_place_failed_read_keeps_only_its_own),
		cmocka_unit_test(test_place_descriptor_tells_only_who_sleeps),
		cmocka_unit_test(test_place_broken_stream_stays_within_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
