// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tags, generations, exactly-once completion, deadlines and the owner's part of a reset, over a
 * transport that does nothing by itself. The controller around the queue is a bare struct: nothing
 * here brings it up.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/ctrl.h"

enum {
	SIZE = 8,
	TAGS = SIZE - 1,
	ROUNDS = 200000,
};

static struct nvmh_ctrl ctrl;
static struct nvmh_queue q;
static struct nvmh_req reqs[SIZE];
static uint64_t seed;

static unsigned int nr_done;
static struct nvmh_req *last_done;
static int submit_ret;
static unsigned int nr_commits;
static unsigned int nr_polls;

/* ---- a transport that does nothing ---- */

static int idle_submit(struct nvmh_queue *queue, struct nvmh_req *req)
{
	(void)queue;
	(void)req;
	return submit_ret;
}

static void idle_commit(struct nvmh_queue *queue)
{
	(void)queue;
	nr_commits++;
}

static int idle_poll(struct nvmh_queue *queue)
{
	(void)queue;
	nr_polls++;
	return 0;
}

static const struct nvmh_transport_ops idle_ops = {
	.name = "idle",
	.queue_submit = idle_submit,
	.queue_commit = idle_commit,
	.queue_poll = idle_poll,
	.queue_arm = idle_poll,
};

static void on_done(struct nvmh_req *req)
{
	nr_done++;
	last_done = req;
}

static int setup(void **state)
{
	(void)state;
	memset(&ctrl, 0, sizeof(ctrl));
	memset(reqs, 0, sizeof(reqs));
	ctrl.ops = &idle_ops;
	ctrl.max_xfer = 4096;
	ctrl.opts.io_timeout_ms = 30000;
	ctrl.event_fd = eventfd(0, EFD_NONBLOCK);
	nr_done = nr_commits = nr_polls = 0;
	submit_ret = 0;
	for (size_t i = 0; i < SIZE; i++)
		reqs[i].done = on_done;
	if (nvmh_queue_init(&q, &ctrl, 3) || nvmh_queue_resize(&q, SIZE))
		return -1;
	atomic_store(&q.state, NVMH_Q_LIVE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nvmh_queue_done(&q);
	nvmh_queue_done(&q); /* harmless */
	close(ctrl.event_fd);
	return 0;
}

static struct nvme_cqe cqe_of(const struct nvmh_req *req, uint16_t status)
{
	return (struct nvme_cqe){
		.dw0 = le32_make(0xabcd),
		.cid = req->sqe.cid,
		.status = le16_make((uint16_t)(status << 1 | 1)),
	};
}

/* What a transport does with a completion. Return: whether it stood for something. */
static bool answer(uint16_t cid, uint16_t status)
{
	struct nvmh_req *req = nvmh_queue_find(&q, cid);
	struct nvme_cqe cqe;

	if (!req)
		return false;
	cqe = cqe_of(req, status);
	nvmh_queue_complete(&q, req, &cqe);
	return true;
}

static bool readable(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* ---- tests ---- */

static void test_submit_until_full_then_again(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(nvmh_queue_room(&q), TAGS);
	for (i = 0; i < TAGS; i++)
		assert_int_equal(nvmh_queue_submit(&q, &reqs[i]), 0);
	assert_int_equal(nvmh_queue_room(&q), 0);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[TAGS]), -EAGAIN);
	assert_int_equal(reqs[TAGS].state, NVMH_REQ_IDLE);
	assert_true(answer(reqs[4].sqe.cid, 0));
	assert_int_equal(nr_done, 1);
	assert_ptr_equal(last_done, &reqs[4]);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[TAGS]), 0);
}

static void test_complete_passes_status_and_result(void **state)
{
	(void)state;
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	assert_true(answer(reqs[0].sqe.cid, ST_LBA_RANGE | ST_DNR));
	assert_int_equal(reqs[0].status, ST_LBA_RANGE | ST_DNR);
	assert_int_equal(le32_get(reqs[0].cqe.dw0), 0xabcd);
	assert_int_equal(reqs[0].state, NVMH_REQ_IDLE);
}

static void test_find_doubled_stale_foreign_are_ignored(void **state)
{
	uint16_t cid;
	size_t i;

	(void)state;
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	cid = reqs[0].sqe.cid;
	assert_true(answer(cid, 0));
	assert_false(answer(cid, 0)); /* doubled: the tag is free */
	assert_int_equal(nvmh_queue_submit(&q, &reqs[1]), 0);
	assert_int_equal(reqs[1].tag, reqs[0].tag);
	assert_int_not_equal(reqs[1].sqe.cid, cid);
	assert_false(answer(cid, 0)); /* stale: the tag stands for another command now */
	assert_int_equal(nr_done, 1);
	for (i = 0; i < 0x10000; i++) {
		if (i != reqs[1].sqe.cid)
			assert_null(nvmh_queue_find(&q, (uint16_t)i));
	}
	assert_int_equal(q.bad_completions, 2 + 0xffff);
	assert_true(answer(reqs[1].sqe.cid, 0));
}

static void test_resize_generations_go_on(void **state)
{
	uint16_t cid[TAGS];
	size_t i;

	(void)state;
	for (i = 0; i < TAGS; i++) {
		assert_int_equal(nvmh_queue_submit(&q, &reqs[i]), 0);
		cid[i] = reqs[i].sqe.cid;
	}
	nvmh_queue_abort_all(&q, ST_HOST_ABORTED);
	atomic_store(&q.state, NVMH_Q_DOWN);
	assert_int_equal(nvmh_queue_resize(&q, 4), 0);
	assert_int_equal(nvmh_queue_resize(&q, 4), 0);
	assert_int_equal(nvmh_queue_resize(&q, SIZE), 0);
	atomic_store(&q.state, NVMH_Q_LIVE);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	/* what the time before left over does not match the command that has its tag now */
	for (i = 0; i < TAGS; i++)
		assert_false(answer(cid[i], 0));
}

static void test_submit_bad_requests_are_refused(void **state)
{
	static const struct {
		uint8_t dir;
		uint32_t len;
		uint32_t timeout_ms;
		int ret;
	} table[] = {
		{ NVMH_NO_DATA, 0, 0, 0 },
		{ NVMH_FROM_CTRL, 4096, 600000, 0 },
		{ NVMH_NO_DATA, 0, NVMH_NO_TIMEOUT, 0 },
		{ NVMH_NO_DATA, 4, 0, -EINVAL },
		{ NVMH_TO_CTRL, 0, 0, -EINVAL },
		{ NVMH_TO_CTRL, 4097, 0, -EINVAL },
		{ NVMH_TO_CTRL, UINT32_MAX, 0, -EINVAL },
		{ NVMH_NO_DATA, 0, 600001, -EINVAL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		reqs[0].dir = table[i].dir;
		reqs[0].len = table[i].len;
		reqs[0].timeout_ms = table[i].timeout_ms;
		assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), table[i].ret);
		if (!table[i].ret)
			assert_true(answer(reqs[0].sqe.cid, 0));
		assert_int_equal(nvmh_queue_room(&q), TAGS);
	}
}

static void test_submit_transport_error_gives_the_tag_back(void **state)
{
	int i;

	(void)state;
	submit_ret = -EINVAL;
	for (i = 0; i < 3 * SIZE; i++)
		assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), -EINVAL);
	assert_int_equal(nvmh_queue_room(&q), TAGS);
	assert_int_equal(reqs[0].state, NVMH_REQ_IDLE);
	assert_int_equal(nr_done, 0);
}

static struct nvmh_req *again;

static void submit_again(struct nvmh_req *req)
{
	nr_done++;
	assert_int_equal(req->state, NVMH_REQ_IDLE);
	if (again) {
		again = NULL;
		assert_int_equal(nvmh_queue_submit(&q, req), 0);
	}
}

static void test_done_may_submit_the_same_request(void **state)
{
	uint16_t cid;

	(void)state;
	reqs[0].done = submit_again;
	again = &reqs[0];
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	cid = reqs[0].sqe.cid;
	assert_true(answer(cid, 0));
	assert_int_equal(nvmh_queue_room(&q), TAGS - 1);
	assert_false(answer(cid, 0));
	assert_true(answer(reqs[0].sqe.cid, 0));
	assert_int_equal(nr_done, 2);
}

static void test_check_late_command_asks_for_a_reset(void **state)
{
	(void)state;
	reqs[0].timeout_ms = 100;
	reqs[0].sqe.opcode = nvme_cmd_write;
	reqs[1].timeout_ms = NVMH_NO_TIMEOUT;
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[1]), 0);
	nvmh_queue_check(&q); /* the time runs from the first look on */
	assert_false(atomic_load(&ctrl.want_reset));
	assert_int_not_equal(reqs[0].deadline_ns, 0);
	assert_int_equal(reqs[1].deadline_ns, 0);
	nvmh_queue_check(&q);
	reqs[0].deadline_ns = 1;
	atomic_store(&q.check, true);
	nvmh_queue_poll(&q); /* asked to by the controller's thread */
	assert_false(atomic_load(&q.check));
	assert_true(atomic_load(&ctrl.want_reset));
	assert_string_equal(ctrl.lost_text, "queue 3: command 01h was not answered in 100 ms");
	assert_true(readable(ctrl.event_fd));
	assert_int_equal(nr_done, 0); /* it may still write to the buffer */
}

static void test_lost_first_reason_is_kept(void **state)
{
	(void)state;
	nvmh_ctrl_lost(&ctrl, "first %d", 1);
	nvmh_ctrl_lost(&ctrl, "second");
	assert_string_equal(ctrl.lost_text, "first 1");
}

static void test_poll_in_each_state_does_its_part(void **state)
{
	(void)state;
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), 0);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[1]), 0);
	nvmh_queue_poll(&q);
	assert_int_equal(nr_polls, 1);
	nvmh_queue_flush(&q); /* not its time */
	assert_int_equal(nr_done, 0);

	atomic_store(&q.state, NVMH_Q_STOPPED);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[2]), -ENOTCONN);
	assert_int_equal(nvmh_queue_room(&q), 0);
	assert_false(nvmh_queue_live(&q));
	nvmh_queue_commit(&q);
	assert_int_equal(nr_commits, 0); /* no doorbell any more */
	nvmh_queue_poll(&q);
	assert_int_equal(nr_polls, 2); /* but completions are still taken */
	assert_int_equal(nr_done, 0);

	atomic_store(&q.state, NVMH_Q_FLUSH);
	assert_int_equal(nvmh_queue_arm(&q), 1); /* there is something to do */
	assert_int_equal(nvmh_queue_poll(&q), 2);
	assert_int_equal(nr_polls, 2);
	assert_int_equal(nr_done, 2);
	assert_int_equal(reqs[0].status, ST_HOST_ABORTED);
	assert_int_equal(atomic_load(&q.state), NVMH_Q_DOWN);
	assert_true(readable(ctrl.event_fd));

	assert_int_equal(nvmh_queue_poll(&q), 0);
	assert_int_equal(nvmh_queue_submit(&q, &reqs[0]), -ENOTCONN);
	assert_int_equal(nr_done, 2);
	atomic_store(&q.state, NVMH_Q_FLUSHING); /* somebody else is at it */
	assert_int_equal(nvmh_queue_poll(&q), 0);
	assert_int_equal(atomic_load(&q.state), NVMH_Q_FLUSHING);
}

static void test_arm_empties_the_descriptor_first(void **state)
{
	(void)state;
	nvmh_queue_kick(&q);
	nvmh_queue_kick(&q);
	assert_int_equal(nvmh_queue_arm(&q), 0);
	assert_false(readable(q.event_fd));
	nvmh_queue_kick(&q);
	assert_true(readable(q.event_fd));
	atomic_store(&q.check, true);
	assert_int_equal(nvmh_queue_arm(&q), 1);
}

/* A device makes the descriptor readable without a kick. */
static void test_arm_empties_what_a_device_wrote(void **state)
{
	struct nvmh_transport_ops ops = idle_ops;
	uint64_t one = 1;

	(void)state;
	ops.irq = true;
	q.ops = &ops;
	assert_int_equal(write(q.event_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(nvmh_queue_arm(&q), 0);
	assert_false(readable(q.event_fd));
	q.ops = &idle_ops;
}

static void test_release_forgets_the_owner(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&q.owner), 0);
	nvmh_queue_poll(&q);
	assert_int_equal(atomic_load(&q.owner), nvmh_thread_token());
	nvmh_queue_release(&q);
	assert_int_equal(atomic_load(&q.owner), 0);
	assert_true(readable(ctrl.event_fd));
}

/* A model beside it: which requests are outstanding, and by which command id. */
static void test_random_commands_complete_once(void **state)
{
	bool busy[SIZE] = { false };
	uint16_t old[64] = { 0 };
	unsigned int outstanding = 0;
	unsigned int done = 0;
	unsigned int i;
	unsigned int n;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (i = 0; i < ROUNDS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n = (unsigned int)(seed >> 33) % SIZE;
		switch ((unsigned int)(seed >> 40) % 3) {
		case 0:
			if (busy[n])
				break;
			assert_int_equal(nvmh_queue_submit(&q, &reqs[n]),
					 outstanding < TAGS ? 0 : -EAGAIN);
			busy[n] = outstanding < TAGS;
			outstanding += busy[n];
			break;
		case 1:
			if (!busy[n])
				break;
			old[i % ARRAY_SIZE(old)] = reqs[n].sqe.cid;
			assert_true(answer(reqs[n].sqe.cid, 0));
			assert_ptr_equal(last_done, &reqs[n]);
			busy[n] = false;
			outstanding--;
			assert_int_equal(nr_done, ++done);
			break;
		case 2: /* something made up, or from before, that is not outstanding by chance */
			n = (unsigned int)(seed >> 44);
			for (size_t k = 0; k < SIZE; k++) {
				if (busy[k] && (reqs[k].sqe.cid == old[n % ARRAY_SIZE(old)]))
					n = 0xffffffff;
			}
			if (n != 0xffffffff)
				assert_false(answer(old[n % ARRAY_SIZE(old)], 0));
			break;
		}
		assert_int_equal(nvmh_queue_room(&q), TAGS - outstanding);
	}
}

/* ---- a reset across threads: the controller's part here, the owner's in a thread ---- */

static atomic_bool stop;
static atomic_uint aborted;
static atomic_uint refused;

static void count_aborted(struct nvmh_req *req)
{
	assert_int_equal(req->status, ST_HOST_ABORTED);
	atomic_fetch_add(&aborted, 1);
}

static void *owner(void *arg)
{
	struct nvmh_req mine[SIZE] = { 0 };
	struct pollfd pfd = { .fd = q.event_fd, .events = POLLIN };
	unsigned int submitted = 0;
	size_t i;

	while (!atomic_load(&stop)) {
		for (i = 0; i < SIZE; i++) {
			if (mine[i].state != NVMH_REQ_IDLE)
				continue;
			mine[i].done = count_aborted;
			if (nvmh_queue_submit(&q, &mine[i]) == 0)
				submitted++;
			else
				atomic_fetch_add(&refused, 1);
		}
		if (!nvmh_queue_poll(&q) && !nvmh_queue_arm(&q))
			poll(&pfd, 1, 1);
	}
	while (atomic_load(&q.state) != NVMH_Q_DOWN)
		nvmh_queue_poll(&q);
	*(unsigned int *)arg = submitted;
	return NULL;
}

static void test_reset_across_threads_aborts_each_once(void **state)
{
	unsigned int submitted = 0;
	pthread_t thread;
	uint64_t count;
	int i;

	(void)state;
	atomic_store(&stop, false);
	atomic_store(&aborted, 0);
	assert_int_equal(pthread_create(&thread, NULL, owner, &submitted), 0);
	for (i = 0; i < 300; i++) {
		struct pollfd pfd = { .fd = ctrl.event_fd, .events = POLLIN };

		poll(NULL, 0, i % 3);
		if (i == 299)
			atomic_store(&stop, true);
		atomic_store(&q.state, NVMH_Q_STOPPED);
		atomic_store(&q.state, NVMH_Q_FLUSH);
		nvmh_queue_kick(&q);
		if (!atomic_load(&q.owner))
			nvmh_queue_flush(&q); /* nobody touched it yet */
		while (atomic_load(&q.state) != NVMH_Q_DOWN) {
			poll(&pfd, 1, 10);
			if (read(ctrl.event_fd, &count, sizeof(count)) < 0)
				continue;
		}
		/* ours now: everything of before is gone */
		assert_int_equal(atomic_load(&q.outstanding), 0);
		if (i < 299)
			atomic_store(&q.state, NVMH_Q_LIVE);
	}
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&aborted), submitted);
	assert_true(submitted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_submit_until_full_then_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_complete_passes_status_and_result, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_find_doubled_stale_foreign_are_ignored, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_resize_generations_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_submit_bad_requests_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_submit_transport_error_gives_the_tag_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_done_may_submit_the_same_request, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_check_late_command_asks_for_a_reset, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_lost_first_reason_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll_in_each_state_does_its_part, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_arm_empties_the_descriptor_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_arm_empties_what_a_device_wrote, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_release_forgets_the_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_commands_complete_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reset_across_threads_aborts_each_once, setup,
						teardown),
	};

	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 10);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
