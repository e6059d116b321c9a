// SPDX-License-Identifier: BSD-2-Clause
/*
 * The multipath controller over NVMe/TCP: two targets of one subsystem on the same memory, owners of
 * queues in threads of their own, connections cut and paths exchanged under them. Every write is
 * read back, nothing fails.
 */
#include "tests/unit/tcp_session.h"

#include <pthread.h>

/*
 * ThreadSanitizer takes nvmh_tcp_queue_cut()'s connect(), which ends a connection from another thread,
 * for the making of a new descriptor.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:nvmh_tcp_queue_cut\n";
}

enum {
	THREADS = 2,
	OPS = 400,
	DEPTH = 4,
	BLOCKS = 16, /* of FAKE_LBA_BYTES: more than fits in a capsule, so that data is asked for */
	LEN = BLOCKS * FAKE_LBA_BYTES,
	CUTS = 6,
};

struct owner {
	pthread_t thread;
	struct nvmh_ctrl *ctrl;
	uint16_t index;
	uint32_t nr_errors;
	_Atomic uint32_t nr_ops;
};

struct job {
	struct owner *owner;
	struct nvmh_req req;
	struct iovec iov;
	uint8_t buf[LEN];
	uint32_t ops;
	uint64_t slba;
	bool reading;
	bool done;
};

static void job_start(struct job *j);

static void job_done(struct nvmh_req *req)
{
	struct job *j = req->arg;
	uint8_t want = (uint8_t)(j->ops + 1);

	if (req->status || (j->reading && (j->buf[0] != want || j->buf[LEN - 1] != want)))
		j->owner->nr_errors++;
	if (j->reading) {
		atomic_fetch_add(&j->owner->nr_ops, 1);
		j->ops++;
	}
	j->reading = !j->reading;
	j->done = j->ops == OPS;
	if (!j->done)
		job_start(j);
}

/* A write of a new value to the job's own blocks, then a read of it. */
static void job_start(struct job *j)
{
	memset(j->buf, j->reading ? 0 : (uint8_t)(j->ops + 1), LEN);
	j->iov = (struct iovec){ j->buf, LEN };
	nvmh_prep_rw(&j->req, j->reading ? nvme_cmd_read : nvme_cmd_write, 1, j->slba, BLOCKS,
		     &j->iov, 1, LEN);
	j->req.done = job_done;
	j->req.arg = j;
	if (nvmh_queue_submit(nvmh_ctrl_queue(j->owner->ctrl, j->owner->index), &j->req)) {
		j->owner->nr_errors++;
		j->done = true;
		atomic_fetch_add(&j->owner->nr_ops, OPS - j->ops);
	}
}

static void *own(void *arg)
{
	struct owner *o = arg;
	struct nvmh_queue *q = nvmh_ctrl_queue(o->ctrl, o->index);
	struct pollfd pfd = { .fd = nvmh_queue_fd(q), .events = POLLIN };
	struct job *jobs = calloc(DEPTH, sizeof(*jobs));
	uint32_t i, left = DEPTH;

	assert(jobs);
	for (i = 0; i < DEPTH; i++) {
		jobs[i].owner = o;
		jobs[i].slba = (o->index * DEPTH + i) * BLOCKS;
		job_start(&jobs[i]);
	}
	while (left) {
		nvmh_queue_commit(q);
		if (!nvmh_queue_poll(q) && !nvmh_queue_arm(q))
			poll(&pfd, 1, 5000);
		for (left = 0, i = 0; i < DEPTH; i++)
			left += !jobs[i].done;
	}
	nvmh_queue_release(q);
	free(jobs);
	return NULL;
}

static struct nvmh_ctrl_opts path_opts(const struct fake_target *t, char port[8])
{
	snprintf(port, 8, "%u", t->port);
	return (struct nvmh_ctrl_opts){
		.trtype = "tcp",
		.traddr = "127.0.0.1",
		.trsvcid = port,
		.subnqn = FAKE_SUBNQN,
		.nr_io_queues = THREADS,
		.queue_size = 8,
		.kato_ms = 1000,
		.reconnect_delay_ms = 10,
	};
}

static void turn(struct nvmh_ctrl *ctrl)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };

	if (!nvmh_ctrl_process(ctrl))
		poll(&pfd, 1, 100);
}

static bool usable(struct nvmh_ctrl *ctrl, uint16_t index)
{
	struct nvmh_mpath_path info;

	return !nvmh_mpath_path(ctrl, index, &info) && info.usable;
}

static uint32_t ops_of(struct owner *o)
{
	return atomic_load(&o[0].nr_ops) + atomic_load(&o[1].nr_ops);
}

static void check_under_load(bool exchange)
{
	struct nvmh_mpath_opts opts = { .iopolicy = NVMH_IOPOLICY_ROUND_ROBIN, .hold_ms = 20 };
	struct owner o[THREADS] = { { .index = 0 }, { .index = 1 } };
	struct fake_opts fake = { .shared = true };
	struct nvmh_ctrl_opts paths[2];
	struct fake_target *t[2];
	struct nvmh_ctrl *ctrl;
	char port[2][8];
	uint32_t i, next;

	fake.mem = calloc(1, FAKE_MEM_BYTES);
	assert_non_null(fake.mem);
	for (i = 0; i < 2; i++) {
		fake.cntlid = (uint16_t)(i + 1);
		t[i] = fake_target_start(&fake);
		paths[i] = path_opts(t[i], port[i]);
	}
	assert_int_equal(nvmh_mpath_open(paths, 2, &opts, &ctrl), 0);
	while (!usable(ctrl, 0) || !usable(ctrl, 1))
		turn(ctrl);
	for (i = 0; i < THREADS; i++) {
		o[i].ctrl = ctrl;
		assert_int_equal(pthread_create(&o[i].thread, NULL, own, &o[i]), 0);
	}
	for (i = 0; i < CUTS; i++) {
		next = ops_of(o) + OPS / 4;
		while (ops_of(o) < next && ops_of(o) < THREADS * DEPTH * OPS)
			turn(ctrl);
		if (!exchange) {
			fake_target_drop(t[i % 2]);
			continue;
		}
		/* one path is taken out under load and comes back as another */
		assert_int_equal(nvmh_mpath_remove(ctrl, 0), 0);
		while (usable(ctrl, 0) ||
		       nvmh_mpath_path(ctrl, 0, &(struct nvmh_mpath_path){ 0 }) != -ENOENT)
			turn(ctrl);
		assert_int_equal(nvmh_mpath_add(ctrl, &paths[0]), 0);
		while (!usable(ctrl, 0))
			turn(ctrl);
	}
	while (ops_of(o) < THREADS * DEPTH * OPS)
		turn(ctrl);
	for (i = 0; i < THREADS; i++) {
		pthread_join(o[i].thread, NULL);
		assert_int_equal(o[i].nr_errors, 0);
	}
	nvmh_ctrl_close(ctrl);
	for (i = 0; i < 2; i++) {
		assert_string_equal(fake_target_violation(t[i]), "");
		fake_target_stop(t[i]);
	}
	free(fake.mem);
}

static void test_mpath_tcp_connections_cut_under_load(void **state)
{
	(void)state;
	check_under_load(false);
}

static void test_mpath_tcp_paths_exchanged_under_load(void **state)
{
	(void)state;
	check_under_load(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mpath_tcp_connections_cut_under_load),
		cmocka_unit_test(test_mpath_tcp_paths_exchanged_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
