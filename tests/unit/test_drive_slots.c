// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives that are pulled out under load, plugged in again, in another slot, another one instead, or
 * missing at the start.
 */
#include "tests/unit/drive_rig.h"

#define OTHER "0000:03:00.0"

static struct fake_pcie *another; /* freed after the test, also when that failed */

#define locked_of(f, what)                        \
	({                                        \
		__typeof__(what) was_;            \
		pthread_mutex_lock(&(f)->lock);   \
		was_ = (what);                    \
		pthread_mutex_unlock(&(f)->lock); \
		was_;                             \
	})

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

/* Nobody but the drive itself can say who it is there. */
static void test_drive_moved_to_a_slot_of_vfio_pci_is_recognised(void **state)
{
	(void)state;
	pull(0, A);
	put_back(0, SLOT, "vfio-pci");
	until(!away(0));
	assert_true(nvmet_drive_is_at(nvmet_drive_find(A), SLOT));
	assert_string_equal(bound, "");
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 0), 0);
	pull(0, SLOT);
	put_back(0, A, "vfio-pci");
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(atomic_load(&drive[0]->faults), 0);
}

static atomic_uint queues_made;

static uint16_t count_queues(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_create_sq)
		atomic_fetch_add(&queues_made, 1);
	return 0;
}

static struct fake_pcie *start_other(void)
{
	struct fake_pcie *other = fake_pcie_create(); /* 0000:03:00.0 */

	another = other;
	fake_pcie_add_ns(other, 1, 9, 64);
	memcpy(other->id.sn, "OTHER", 5);
	other->id.hmpre = other->id.hmmin = htole32(16);
	other->on_admin = count_queues;
	atomic_store(&queues_made, 0);
	fake_pcie_run(other);
	return other;
}

static void end_other(struct fake_pcie *other)
{
	unplug(OTHER);
	put_back(0, A, "vfio-pci");
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
	pthread_mutex_lock(&other->lock);
	assert_false(other->open);
	pthread_mutex_unlock(&other->lock);
}

static int teardown_other(void **state)
{
	int ret = teardown(state);

	assert_false(another->open);
	fake_pcie_free(another);
	another = NULL;
	return ret;
}

/* Looks that found nothing, some 25 of them. */
static void look_for_a_while(void)
{
	for (uint64_t end = clock_now_ms() + 500; clock_now_ms() < end;)
		assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
}

struct view {
	struct loop_msg msg;
	struct nvmet_drive *drive;
	bool wrong; /* the drive where ours was is another */
	bool asked; /* OTHER was, and is remembered */
	atomic_bool there;
};

static void take_view(struct loop_msg *msg)
{
	struct view *v = container_of(msg, struct view, msg);

	v->wrong = v->drive->wrong;
	for (unsigned int i = 0; i < ARRAY_SIZE(v->drive->probe.asked); i++)
		v->asked |= !strcmp(v->drive->probe.asked[i].bdf, OTHER);
	atomic_store(&v->there, true);
}

/* What drive A's thread thinks between two looks. The cores turn meanwhile: it may wait for them. */
static struct view view(void)
{
	struct view v = { .msg.fn = take_view, .drive = nvmet_drive_find(A) };

	loop_send(v.drive->loop, &v.msg);
	until(atomic_load(&v.there));
	return v;
}

static void test_another_drive_of_vfio_pci_is_asked_once_and_let_go(void **state)
{
	struct fake_pcie *other = start_other();

	(void)state;
	plug(OTHER, "vfio-pci");
	pull(0, A);
	until(atomic_load(&other->enables) == 1 && !locked_of(other, other->open));
	look_for_a_while();
	assert_int_equal(atomic_load(&other->enables), 1);
	assert_int_equal(atomic_load(&queues_made), 0);
	assert_int_equal(locked_of(other, other->hmb_offers), 0);
	assert_true(atomic_load(&other->notified)); /* an orderly end */
	/* plugged in anew it may be another */
	assert_true(view().asked);
	unplug(OTHER);
	until(!view().asked);
	plug(OTHER, "vfio-pci");
	until(atomic_load(&other->enables) == 2 && !locked_of(other, other->open));
	end_other(other);
}

/*
 * Somebody has it open, it is of another make, or the kernel's driver has it: not touched. A look that
 * has begun with one of these is over before that ends.
 */
static void test_drives_that_cannot_be_ours_are_not_asked(void **state)
{
	struct fake_pcie *other = start_other();

	(void)state;
	locked_of(other, other->open = true);
	plug(OTHER, "vfio-pci");
	pull(0, A);
	look_for_a_while();
	assert_int_equal(atomic_load(&other->enables), 0);
	put("0x1b36\n", "bus/pci/devices/" OTHER "/vendor");
	view();
	locked_of(other, other->open = false);
	look_for_a_while();
	assert_int_equal(atomic_load(&other->enables), 0);
	set_driver(OTHER, "nvme");
	view();
	put("0x0\n", "bus/pci/devices/" OTHER "/vendor");
	look_for_a_while();
	assert_int_equal(atomic_load(&other->enables), 0);
	end_other(other);
}

/* The daemon stops while it asks one that does not come up. */
static void test_drive_that_is_asked_is_let_go_at_the_end(void **state)
{
	struct fake_pcie *other = start_other();

	(void)state;
	atomic_store(&other->never_ready, true);
	plug(OTHER, "vfio-pci");
	pull(0, A);
	until(atomic_load(&other->enables) == 1);
	assert_true(locked_of(other, other->open));
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
	until(!view().wrong);
	plug(A, "nvme");
	name_drive(A, "OTHER\n");
	until(view().wrong);
	assert_string_equal(bound, "");
	unplug(A);
	until(!view().wrong);
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

#define TEST_OTHER(name) cmocka_unit_test_setup_teardown(name, setup, teardown_other)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drive_pulled_under_load_and_plugged_in_again),
		TEST(test_drive_comes_back_in_another_slot),
		TEST(test_another_drive_in_its_place_is_left_alone),
		TEST(test_drive_moved_to_a_slot_of_vfio_pci_is_recognised),
		TEST_OTHER(test_another_drive_of_vfio_pci_is_asked_once_and_let_go),
		TEST_OTHER(test_drives_that_cannot_be_ours_are_not_asked),
		TEST_OTHER(test_drive_that_is_asked_is_let_go_at_the_end),
		TEST(test_changed_namespace_of_a_drive_that_returns_stays_lost),
		TEST_MISSING(test_drive_missing_at_start_is_served_when_plugged_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
