// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's end with drives made of memory: all are shut down at the same time and given back;
 * one that does not end, or whose thread the kernel keeps, holds neither the others nor the daemon
 * beyond the bound, and is named; commands that are not answered end by the shutdown.
 */
#include "tests/unit/drive_rig.h"

#include "target/stop.h"

static void add_main_loop(void)
{
	struct loop_opts opts = { .name = "main", .cpu = -1 };

	nvmet_stop_drain_ms = nvmet_stop_ms = 3600000; /* no time is up unless a test says so */
	assert_int_equal(loop_create(&opts, &nvmet.main_loop), 0);
	assert_int_equal(nvmet_stop_init(), 0);
}

static int stop_setup(void **state)
{
	int ret = setup(state);

	add_main_loop();
	return ret;
}

static int stop_setup_missing(void **state)
{
	int ret = setup_missing(state);

	add_main_loop();
	return ret;
}

/* Also after a test that failed: nothing is held any more. */
static int stop_teardown(void **state)
{
	int ret;

	atomic_store(&let_reset, true);
	atomic_store(&drive[0]->never_idle, false);
	locked(0, drive[0]->no_shutdown = false);
	atomic_store(&drive[0]->hold_io, false);
	fake_pcie_release(drive[0], FAKE_PCIE_HELD, false);
	ret = teardown(state);
	nvmet_stop_done();
	loop_free(nvmet.main_loop);
	nvmet.main_loop = NULL;
	return ret;
}

static enum nvmet_stop main_turn(void)
{
	struct loop_work work;

	loop_work_init(&work, stop_loop);
	loop_defer(nvmet.main_loop, &work);
	assert_int_equal(loop_run(nvmet.main_loop), 0);
	return nvmet_stop_result();
}

static bool is_open(int i)
{
	return locked(i, drive[i]->open);
}

static const char *waits_for(const char *bdf)
{
	const char *what = nvmet_drive_waits_for(nvmet_drive_find(bdf));

	return what ? what : "nothing";
}

static void must_wait_for(const char *bdf, const char *words)
{
	if (!strstr(waits_for(bdf), words))
		fail_msg("\"%s\" is not in \"%s\"", words, waits_for(bdf));
}

/* Another identity of drive 0 is seen after a reset. */
static void reset_first(void)
{
	unsigned int enables = atomic_load(&drive[0]->enables);

	nvmet_drive_call(nvmet_drive_find(A), reset_it, NULL);
	until(atomic_load(&drive[0]->enables) == enables + 1 && !away(0));
}

static void test_drives_are_shut_down_and_given_back(void **state)
{
	(void)state;
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	nvmet_stop_begin();
	until(main_turn() == NVMET_STOPPED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(atomic_load(&drive[i]->shutdowns), 1);
		assert_false(is_open(i));
	}
	assert_string_equal(waits_for(A), "nothing");
}

static void test_missing_drive_is_not_waited_for(void **state)
{
	(void)state;
	nvmet_stop_begin();
	until(main_turn() == NVMET_STOPPED);
	assert_int_equal(atomic_load(&drive[1]->shutdowns), 1);
	assert_false(is_open(1));
}

static void test_shutdown_that_does_not_end_is_given_up(void **state)
{
	(void)state;
	locked(0, drive[0]->id.rtd3e = htole32(60000000));
	reset_first();
	locked(0, drive[0]->no_shutdown = true);
	nvmet_stop_begin();
	until(main_turn() != NVMET_STOP_NOT || !is_open(1)); /* the other was not held by it */
	until(main_turn() != NVMET_STOP_NOT || atomic_load(&drive[0]->notified));
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	must_wait_for(A, "its shutdown");
	nvmet_stop_ms = 0;
	until(main_turn() == NVMET_GAVE_UP);
	assert_true(is_open(0));
	must_wait_for(A, "its shutdown");
}

/* As a reset of a function that does not answer does. */
static void test_thread_that_the_kernel_keeps_is_given_up(void **state)
{
	(void)state;
	hold_resets();
	atomic_store(&drive[0]->never_idle, true);
	nvmet_drive_call(nvmet_drive_find(A), reset_it, NULL);
	until(atomic_load(&in_reset));
	nvmet_stop_begin();
	until(main_turn() != NVMET_STOP_NOT || !is_open(1));
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	must_wait_for(A, "the kernel");
	nvmet_stop_ms = 0;
	until(main_turn() == NVMET_GAVE_UP);
	assert_false(atomic_load(&let_reset));
}

/* The slot's power is cut, then the daemon is stopped. */
static void test_silent_drive_does_not_hold_it(void **state)
{
	(void)state;
	atomic_store(&drive[0]->unpowered, true);
	nvmet_stop_begin();
	until(main_turn() == NVMET_STOPPED);
	assert_false(is_open(0));
	assert_true(atomic_load(&drive[0]->cut_off));
	assert_int_equal(atomic_load(&drive[0]->resets), 0);
	assert_int_equal(atomic_load(&drive[1]->shutdowns), 1);
}

/* A drive answers nothing while a host's connection is there: they have their time, then drives are
 * shut down under them. */
static void test_commands_that_hang_end_by_the_shutdown(void **state)
{
	(void)state;
	atomic_store(&drive[0]->hold_io, true);
	assert_int_equal(start_flush(0, 0), FAKE_HELD);
	atomic_fetch_add(&nvmet.cores[0]->nr_conns, 1);
	nvmet_stop_begin();
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	assert_string_equal(waits_for(A), "nothing");
	assert_int_equal(atomic_load(&drive[0]->deletes), 0);
	nvmet_stop_begin(); /* the second signal */
	until(main_turn() != NVMET_STOP_NOT || !io[0]->sq.outstanding);
	assert_int_equal(fake_last(io[0])->status, ST_NS_NOT_READY | CRD1);
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	atomic_fetch_sub(&nvmet.cores[0]->nr_conns, 1);
	until(main_turn() == NVMET_STOPPED);
	for (int i = 0; i < 2; i++)
		assert_int_equal(atomic_load(&drive[i]->shutdowns), 1);
}

/* So it goes without a signal. */
static void test_commands_have_their_time(void **state)
{
	(void)state;
	atomic_store(&drive[0]->hold_io, true);
	assert_int_equal(start_flush(1, 0), FAKE_HELD);
	atomic_fetch_add(&nvmet.cores[1]->nr_conns, 1);
	nvmet_stop_begin();
	assert_int_equal(main_turn(), NVMET_STOP_NOT);
	nvmet_stop_drain_ms = 0;
	until(main_turn() != NVMET_STOP_NOT || !io[1]->sq.outstanding);
	atomic_fetch_sub(&nvmet.cores[1]->nr_conns, 1);
	until(main_turn() == NVMET_STOPPED);
}

#define STOP_TEST(name)	   cmocka_unit_test_setup_teardown(name, stop_setup, stop_teardown)
#define STOP_MISSING(name) cmocka_unit_test_setup_teardown(name, stop_setup_missing, stop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STOP_TEST(test_drives_are_shut_down_and_given_back),
		STOP_MISSING(test_missing_drive_is_not_waited_for),
		STOP_TEST(test_shutdown_that_does_not_end_is_given_up),
		STOP_TEST(test_thread_that_the_kernel_keeps_is_given_up),
		STOP_TEST(test_silent_drive_does_not_hold_it),
		STOP_TEST(test_commands_that_hang_end_by_the_shutdown),
		STOP_TEST(test_commands_have_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
