// SPDX-License-Identifier: BSD-2-Clause
/*
 * What --verify remembers of each unit, and what it takes for right: after writes that happened, that
 * failed, and that were never sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/log.h"
#include "host/perf_job.h"
#include "host/perf_pattern.h"

enum {
	BLOCK = 512,
	GRAIN = 1024,
	UNITS = 8,
	FIRST_LBA = 100,
};

/* A queue without a controller: the test is the drive. */
static struct perf_opts opts;
static struct perf_run run;
static struct perf_job job;
static struct perf_part part;
static struct perf_target target = { .ns = { .nsid = 1, .lba_size = BLOCK },
				     .first_lba = FIRST_LBA };
static struct perf_queue pq;
static uint32_t gen[UNITS], sure[UNITS];
static _Alignas(8) uint8_t drive[UNITS * GRAIN];
static _Alignas(8) uint8_t buffer[UNITS * GRAIN];

static struct perf_slot slot_of(enum perf_dir dir, uint64_t unit, uint32_t nr)
{
	return (struct perf_slot){
		.dir = dir, .unit = unit, .nr_units = nr, .iov = { buffer, (size_t)nr * GRAIN }
	};
}

static int setup(void **state)
{
	(void)state;
	log_init("test", LOG_LVL_ERROR + 1);
	opts = (struct perf_opts){ .grain = GRAIN, .verify = true, .max_errors = 10 };
	opts.uses[PERF_READ] = opts.uses[PERF_WRITE] = true;
	job = (struct perf_job){ .opts = &opts, .run = &run, .nr_bad = PERF_MAX_TOLD };
	part = (struct perf_part){ 0 };
	pq = (struct perf_queue){ .job = &job, .target = &target, .part = &part, .lbas = 2 };
	pq.nr_units = UNITS;
	pq.gen = gen;
	pq.sure = sure;
	memset(gen, 0, sizeof(gen));
	memset(sure, 0, sizeof(sure));
	memset(drive, 0, sizeof(drive));
	run.id = 7;
	atomic_store(&run.mismatch, false);
	return 0;
}

/* @arrives: the drive has it; @success: what it answered. */
static void do_write(uint64_t unit, uint32_t nr, bool arrives, bool success)
{
	struct perf_slot slot = slot_of(PERF_WRITE, unit, nr);

	nvmh_perf_verify_start(&pq, &slot);
	assert_true(nvmh_perf_verify_busy(&pq, unit, nr));
	if (arrives)
		memcpy(drive + unit * GRAIN, buffer, (size_t)nr * GRAIN);
	nvmh_perf_verify_done(&pq, &slot, success);
	assert_false(nvmh_perf_verify_busy(&pq, unit, nr));
}

/* Return: blocks found wrong. */
static uint64_t do_read(uint64_t unit, uint32_t nr)
{
	struct perf_slot slot = slot_of(PERF_READ, unit, nr);
	uint64_t before = part.nr_bad;

	nvmh_perf_verify_start(&pq, &slot);
	memcpy(buffer, drive + unit * GRAIN, (size_t)nr * GRAIN);
	nvmh_perf_verify_done(&pq, &slot, true);
	return part.nr_bad - before;
}

static void test_perf_verify_last_write_is_right(void **state)
{
	static uint8_t old[GRAIN];

	(void)state;
	do_write(2, 3, true, true);
	assert_int_equal(do_read(0, UNITS), 0);
	assert_int_equal(part.nr_checked, 1);
	memcpy(old, drive + 3 * GRAIN, GRAIN);
	do_write(3, 1, true, true);
	assert_int_equal(do_read(2, 3), 0);
	/* the older write came back: both blocks of the unit, and only they */
	memcpy(drive + 3 * GRAIN, old, GRAIN);
	assert_int_equal(do_read(2, 3), 2);
	assert_true(atomic_load(&run.mismatch));
}

static void test_perf_verify_write_that_did_not_happen_is_found(void **state)
{
	(void)state;
	do_write(0, 1, true, true);
	do_write(0, 1, false, true);
	assert_int_equal(do_read(0, 1), 2);
	do_write(5, 1, false, true);
	assert_int_equal(do_read(5, 1), 2);
}

static void test_perf_verify_unwritten_units_are_not_compared(void **state)
{
	(void)state;
	assert_int_equal(do_read(0, UNITS), 0);
	assert_int_equal(part.nr_checked, 0);
	/* unless nothing is written at all: then all must have been written before */
	opts.uses[PERF_WRITE] = false;
	assert_int_equal(do_read(0, 2), 4);
}

static void test_perf_verify_failed_write_may_have_happened_or_not(void **state)
{
	static uint8_t first[GRAIN];

	(void)state;
	do_write(1, 1, true, true);
	memcpy(first, drive + GRAIN, GRAIN);
	do_write(1, 1, true, true);
	do_write(1, 1, false, false);
	assert_int_equal(do_read(1, 1), 0);
	do_write(1, 1, true, false);
	assert_int_equal(do_read(1, 1), 0);
	/* but nothing before the last that succeeded */
	memcpy(drive + GRAIN, first, GRAIN);
	assert_int_equal(do_read(1, 1), 2);
	/* and after the next that succeeds only that */
	do_write(1, 1, true, true);
	assert_int_equal(do_read(1, 1), 0);
	memcpy(drive + GRAIN, first, GRAIN);
	assert_int_equal(do_read(1, 1), 2);
}

static void test_perf_verify_unit_whose_every_write_failed_is_not_known(void **state)
{
	(void)state;
	do_write(4, 1, false, false);
	assert_int_equal(do_read(4, 1), 0);
	assert_int_equal(part.nr_checked, 0);
}

static void test_perf_verify_cancel_forgets_the_write(void **state)
{
	struct perf_slot slot = slot_of(PERF_WRITE, 0, 2);

	(void)state;
	do_write(0, 2, true, true);
	nvmh_perf_verify_start(&pq, &slot);
	nvmh_perf_verify_cancel(&pq, &slot);
	assert_false(nvmh_perf_verify_busy(&pq, 0, 2));
	assert_int_equal(do_read(0, 2), 0);
	assert_int_equal(gen[0], 1);
}

static void test_perf_verify_reading_back_finds_what_was_written(void **state)
{
	uint64_t unit;

	(void)state;
	do_write(1, 1, true, true);
	do_write(3, 4, true, true);
	assert_int_equal(nvmh_perf_verify_next(&pq, 3, &unit), 1);
	assert_int_equal(unit, 1);
	assert_int_equal(nvmh_perf_verify_next(&pq, 3, &unit), 3);
	assert_int_equal(unit, 3);
	assert_int_equal(nvmh_perf_verify_next(&pq, 3, &unit), 1);
	assert_int_equal(unit, 6);
	assert_int_equal(nvmh_perf_verify_next(&pq, 3, &unit), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_perf_verify_last_write_is_right, setup),
		cmocka_unit_test_setup(test_perf_verify_write_that_did_not_happen_is_found, setup),
		cmocka_unit_test_setup(test_perf_verify_unwritten_units_are_not_compared, setup),
		cmocka_unit_test_setup(test_perf_verify_failed_write_may_have_happened_or_not,
				       setup),
		cmocka_unit_test_setup(test_perf_verify_unit_whose_every_write_failed_is_not_known,
				       setup),
		cmocka_unit_test_setup(test_perf_verify_cancel_forgets_the_write, setup),
		cmocka_unit_test_setup(test_perf_verify_reading_back_finds_what_was_written, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
