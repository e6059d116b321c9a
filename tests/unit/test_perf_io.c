// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which I/O comes next when one could not be submitted. The test is the queue.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/nvmh.h"

static int submit(struct nvmh_queue *q, struct nvmh_req *req);
#define nvmh_queue_submit submit
#include "host/perf_io.c"

enum {
	BLOCK = 512,
	UNITS = 64,
	DEPTH = 4,
};

static int submit_error;
static struct nvmh_req *sent[DEPTH];
static int nr_sent;

static struct perf_opts opts;
static struct perf_run run;
static struct perf_job job;
static struct perf_part part;
static struct perf_stats stats[PERF_DIRS];
static struct perf_clock ticks = { .mult = UINT64_C(1) << 32 };
static struct perf_target target = { .ns = { .nsid = 1, .lba_size = BLOCK }, .keeps = true };
static struct perf_queue pq;
static uint8_t mem[DEPTH * BLOCK];

static int submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	(void)q;
	if (submit_error)
		return submit_error;
	assert_true(nr_sent < DEPTH);
	sent[nr_sent++] = req;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	log_init("test", LOG_LVL_ERROR + 1);
	opts = (struct perf_opts){ .grain = BLOCK, .bs = BLOCK, .iodepth = DEPTH, .max_errors = 1 };
	opts.uses[PERF_WRITE] = true;
	opts.sizes[PERF_WRITE] = (struct perf_sizes){ .min = BLOCK, .max = BLOCK };
	job = (struct perf_job){ .opts = &opts, .run = &run, .clock = &ticks, .measuring = true };
	for (int dir = 0; dir < PERF_DIRS; dir++)
		part.stats[dir] = &stats[dir];
	pq = (struct perf_queue){ .job = &job, .target = &target, .part = &part };
	pq.nr_units = UNITS;
	pq.left = UINT64_MAX;
	submit_error = nr_sent = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nvmh_perf_io_end(&pq);
	return 0;
}

static void begin(void)
{
	assert_int_equal(nvmh_perf_io_begin(&pq, mem, BLOCK), 0);
}

/* The next I/O, answered at once. */
static void expect(uint8_t opcode, uint32_t lba)
{
	struct nvmh_req *req;

	assert_int_not_equal(nvmh_perf_io_start(&pq, 0, 0), 0);
	assert_int_equal(nr_sent, 1);
	req = sent[--nr_sent];
	assert_int_equal(req->sqe.opcode, opcode);
	assert_int_equal(le32_get(req->sqe.cdw10), lba);
	req->done(req);
}

static void refuse(int err)
{
	submit_error = err;
	assert_int_equal(nvmh_perf_io_start(&pq, 0, 0), 0);
	submit_error = 0;
}

static void test_perf_io_refused_write_is_the_next_one_again(void **state)
{
	(void)state;
	begin();
	expect(nvme_cmd_write, 0);
	refuse(-EAGAIN);
	assert_true(pq.waiting);
	refuse(-ENOTCONN);
	expect(nvme_cmd_write, 1);
	expect(nvme_cmd_write, 2);
}

static void test_perf_io_refused_flush_moves_no_write(void **state)
{
	(void)state;
	opts.fsync = 2;
	begin();
	expect(nvme_cmd_write, 0);
	expect(nvme_cmd_write, 1);
	refuse(-EAGAIN);
	expect(nvme_cmd_flush, 0);
	expect(nvme_cmd_write, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_perf_io_refused_write_is_the_next_one_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_perf_io_refused_flush_moves_no_write, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
