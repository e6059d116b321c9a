// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives that are pulled out under load, plugged in again, in another slot, another one instead, or
 * missing at the start.
 */
#include "tests/unit/drive_rig.h"

static void test_drive_pulled_under_load_and_plugged_in_again(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->hold_io, true);
	before = io[0]->nr_rsps;
	for (int i = 0; i < 5; i++)
		assert_int_equal(start_flush(0, 0), FAKE_HELD);
	until(locked(0, drive[0]->nr_held) == 5);
	pull(0, A);
	assert_int_equal(io[0]->nr_rsps, before + 5); /* each once, before the function is let go */
	for (int i = 0; i < 5; i++)
		assert_int_equal(io[0]->rsp[(before + (uint64_t)i) % FAKE_RSPS].status,
				 ST_NS_NOT_READY | CRD1);
	assert_int_equal(away(0), ST_NS_NOT_READY | CRD1);
	until(told(1));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(0, 1), 0); /* the other drive */
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->hold_io, false);
	put_back(0, A, "vfio-pci");
	until(!away(0));
	until(told(1));
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 0), 0);
	assert_int_equal(atomic_load(&drive[0]->faults), 0);
}

static void test_drive_comes_back_in_another_slot(void **state)
{
	(void)state;
	pull(0, A);
	put_back(0, SLOT, "nvme"); /* the kernel's driver takes what is plugged in */
	name_drive(SLOT, "FAKE1               \n");
	until(!away(0));
	assert_string_equal(bound, SLOT);
	assert_int_equal(flush(0, 0), 0);
	/* nobody may release it there, although no configuration names that slot */
	assert_ptr_equal(nvmet_drive_holder(SLOT), nvmet_drive_find(A));
	assert_true(nvmet_drive_is_at(nvmet_drive_find(A), SLOT));
	assert_null(nvmet_drive_find(SLOT));
	pull(0, SLOT);
	put_back(0, A, "vfio-pci"); /* and home again */
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

static void test_another_drive_in_its_place_is_left_alone(void **state)
{
	unsigned int enables;

	(void)state;
	pull(0, A);
	locked(0, (int)!memcpy(drive[0]->id.sn, "OTHER", 5));
	enables = atomic_load(&drive[0]->enables);
	put_back(0, A, "vfio-pci");
	until(atomic_load(&drive[0]->enables) == enables + 1 && !locked(0, drive[0]->open));
	assert_int_equal(away(0), ST_NS_NOT_READY | CRD1);
	for (uint64_t end = clock_now_ms() + 500; clock_now_ms() < end;)
		assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(atomic_load(&drive[0]->enables), enables + 1); /* once is enough */
	/* the kernel's driver has one that says it is not ours: not even bound */
	unplug(A);
	usleep(200000);
	plug(A, "nvme");
	name_drive(A, "OTHER\n");
	usleep(200000);
	assert_string_equal(bound, "");
	unplug(A);
	usleep(200000);
	locked(0, (int)!memcpy(drive[0]->id.sn, "FAKE1", 5));
	put_back(0, A, "vfio-pci");
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* The drive is the same, its namespace is not: what hosts know must not be written to it. */
static void test_changed_namespace_of_a_drive_that_returns_stays_lost(void **state)
{
	(void)state;
	pull(0, A);
	locked(0, drive[0]->ns[0].desc[5] ^= 1);
	put_back(0, A, "vfio-pci");
	until(away(0) == (ST_NS_NOT_READY | ST_DNR));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | ST_DNR);
	assert_int_equal(flush(0, 1), 0);
}

static void test_drive_missing_at_start_is_served_when_plugged_in(void **state)
{
	(void)state;
	assert_int_equal(flush(0, 0), ST_INVALID_NS | ST_DNR);
	assert_int_equal(flush(0, 1), 0);
	put_back(0, A, "nvme");
	name_drive(A, "whatever\n"); /* nobody knows yet which it is */
	until(fake_subsys(SUBSYS)->nr_ns == 2 && !away(0));
	assert_string_equal(bound, A);
	until(told(1));
	assert_int_equal(flush(0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drive_pulled_under_load_and_plugged_in_again),
		TEST(test_drive_comes_back_in_another_slot),
		TEST(test_another_drive_in_its_place_is_left_alone),
		TEST(test_changed_namespace_of_a_drive_that_returns_stays_lost),
		TEST_MISSING(test_drive_missing_at_start_is_served_when_plugged_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
