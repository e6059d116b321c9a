// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's drives over the host library and drives made of memory: sick, without queues, given up,
 * stopped; and that a sick one delays no other.
 */
#include "tests/unit/drive_rig.h"

static struct nvmet_drive *drive_at(const char *bdf)
{
	struct list *pos;

	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *d = list_entry(pos, struct nvmet_drive, link);

		if (!strcmp(d->name, bdf))
			return d;
	}
	return NULL;
}

/* One drive hangs in a reset of its PCI function; the other's I/O, reset and return go on. */
static void test_sick_drive_delays_no_other(void **state)
{
	unsigned int enables;

	(void)state;
	hold_resets();
	atomic_store(&drive[0]->never_idle, true);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(atomic_load(&in_reset));
	assert_int_equal(flush(0, 1), 0);
	enables = atomic_load(&drive[1]->enables);
	nvmet_drive_call(drive_at(B), reset_it, NULL);
	until(atomic_load(&drive[1]->enables) == enables + 1 && !away(1));
	assert_int_equal(flush(1, 1), 0);
	pull(1, B);
	put_back(1, B, "vfio-pci");
	until(!away(1));
	assert_int_equal(flush(0, 1), 0);
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	atomic_store(&drive[0]->never_idle, false);
	atomic_store(&let_reset, true);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* It is there, and does not come up: given up, given back, and tried again after a while. */
static void test_drive_given_up_is_tried_again(void **state)
{
	(void)state;
	atomic_store(&drive[0]->fatal, true);
	until(!locked(0, drive[0]->open));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->fatal, false);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 0), 0);
}

static void test_fewer_queues_after_a_reset_leave_no_core_out(void **state)
{
	(void)state;
	for (uint16_t nr = 1; nr <= 2; nr++) {
		locked(0, drive[0]->max_queues = nr);
		nvmet_drive_call(drive_at(A), reset_it, NULL);
		until(away(0));
		until(!away(0));
		assert_int_equal(flush(0, 0), 0);
		assert_int_equal(flush(1, 0), 0);
		assert_int_equal(locked(0, drive[0]->sq[2].there), nr == 2);
	}
}

static uint16_t refuse_queues(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_create_cq ? ST_INTERNAL : 0;
}

static void identify_works(struct nvmh_ctrl *ctrl, void *arg)
{
	char data[4096];

	(void)arg;
	assert_int_equal(nvmh_identify(ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, data), 0);
}

static void test_drive_without_queues_is_not_ready_and_administered(void **state)
{
	unsigned int enables = atomic_load(&drive[0]->enables);

	(void)state;
	locked(0, drive[0]->on_admin = refuse_queues);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(atomic_load(&drive[0]->enables) > enables && locked(0, drive[0]->aer_posted));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(1, 0), ST_NS_NOT_READY | CRD1);
	nvmet_drive_call(drive_at(A), identify_works, NULL);
	locked(0, drive[0]->on_admin = NULL);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* A drive that does not finish its shutdown: the other was told to begin all the same. */
static void test_drives_are_shut_down_at_the_same_time(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		locked(i, drive[i]->no_shutdown = true);
	}
	fake_turn();
	for (int i = 0; i < 2; i++)
		nvmet_ns_detach_cores(ns_of(i));
	nvmet_drives_shutdown();
	until(atomic_load(&drive[0]->notified) && atomic_load(&drive[1]->notified));
	assert_true(locked(0, drive[0]->open) && locked(1, drive[1]->open));
	for (int i = 0; i < 2; i++)
		locked(i, drive[i]->no_shutdown = false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sick_drive_delays_no_other),
		TEST(test_drive_given_up_is_tried_again),
		TEST(test_fewer_queues_after_a_reset_leave_no_core_out),
		TEST(test_drive_without_queues_is_not_ready_and_administered),
		TEST(test_drives_are_shut_down_at_the_same_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
