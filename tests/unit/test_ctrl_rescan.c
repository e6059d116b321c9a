// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces that come, change and go while a controller is live or is reset, over a drive made of
 * memory: what is told, that nothing else is disturbed, and that what readers hold stays readable.
 * And the reset of the whole subsystem.
 */
#include "tests/unit/pcie_rig.h"

#include "common/clock.h"

enum {
	NS_CHANGED = 4 << 16 | 0 << 8 | 2, /* notice: namespace attributes changed, log page 4 */
	MAX_TOLD = 32,
};

static struct {
	uint32_t nsid;
	const struct nvmh_ns *ns;
} told[MAX_TOLD];
static unsigned int nr_told;

static void on_ns(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg)
{
	assert_ptr_equal(arg, &rig);
	assert_ptr_equal(nvmh_ctrl_ns_by_nsid(ctrl, nsid), ns);
	assert_true(nr_told < MAX_TOLD);
	told[nr_told].nsid = nsid;
	told[nr_told++].ns = ns;
}

static void live(void)
{
	nr_told = 0;
	rig_open(2, 16);
	rig.ctrl->opts.on_ns = on_ns;
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(nr_told, 0); /* what it began with is no change */
}

/* Turns until the rescan that was asked for is over. */
static void scanned(void)
{
	unsigned int i;

	for (i = 0; i < RIG_TURNS && nvmh_ctrl_rescanning(rig.ctrl); i++) {
		rig_turn();
		rig.ctrl->rescan.after_ns = 0;
	}
	assert_false(nvmh_ctrl_rescanning(rig.ctrl));
}

static void rescan(void)
{
	assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), 0);
	assert_true(nvmh_ctrl_rescanning(rig.ctrl));
	scanned();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
}

static void resize(uint32_t index, uint64_t nsze)
{
	struct nvme_id_ns *id = &rig.drive->ns[index].id;

	id->nsze = id->ncap = id->nuse = htole64(nsze);
}

/* One read that completes in its turn: the rescan stops no I/O. */
static void io_works(void)
{
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done = 0;

	assert_int_equal(rig_read(&rig.ctrl->ioq[0], &req, &iov, rig.arena, &done), 0);
	nvmh_queue_commit(&rig.ctrl->ioq[0]);
	fake_pcie_step(rig.drive);
	nvmh_queue_poll(&rig.ctrl->ioq[0]);
	assert_int_equal(done, 1);
	assert_int_equal(req.status, 0);
}

static void test_rescan_without_a_change_tells_nothing(void **state)
{
	const struct nvmh_ns *ns;

	(void)state;
	live();
	ns = nvmh_ctrl_ns(rig.ctrl, 0);
	rig.drive->ns[0].id.nuse = htole64(17); /* utilization is no change */
	rescan();
	assert_int_equal(nr_told, 0);
	assert_ptr_equal(nvmh_ctrl_ns(rig.ctrl, 0), ns);
	assert_int_equal(atomic_load(&rig.drive->enables), 1);
}

static void test_rescan_tells_what_came_changed_and_went(void **state)
{
	const struct nvmh_ns *one;
	const struct nvmh_ns *two;

	(void)state;
	live();
	one = nvmh_ctrl_ns_by_nsid(rig.ctrl, 1);
	two = nvmh_ctrl_ns_by_nsid(rig.ctrl, 2);
	resize(0, 8192);
	fake_pcie_add_ns(rig.drive, 5, 9, 64);
	rescan();
	assert_int_equal(nr_told, 2);
	assert_int_equal(told[0].nsid, 1);
	assert_int_equal(told[0].ns->nsze, 8192);
	assert_int_equal(told[1].nsid, 5);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 3);
	assert_ptr_equal(nvmh_ctrl_ns_by_nsid(rig.ctrl, 2), two);
	assert_int_equal(one->nsze, 4096); /* who held the old description still can read it */
	assert_ptr_not_equal(nvmh_ctrl_ns_by_nsid(rig.ctrl, 1), one);

	nr_told = 0;
	rig.drive->ns[1].nsid = 0; /* removed */
	rescan();
	assert_int_equal(nr_told, 1);
	assert_int_equal(told[0].nsid, 2);
	assert_null(told[0].ns);
	assert_null(nvmh_ctrl_ns_by_nsid(rig.ctrl, 2));
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	assert_int_equal(two->nsid, 2);
	rig.drive->ns[1].nsid = 2; /* and back */
	nr_told = 0;
	rescan();
	assert_int_equal(nr_told, 1);
	assert_int_equal(told[0].nsid, 2);
	assert_non_null(told[0].ns);
}

static unsigned int failing_cns; /* once */

static uint16_t fail_identify(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode != nvme_admin_identify || (le32_get(sqe->cdw10) & 0xff) != failing_cns)
		return 0;
	failing_cns = UINT32_MAX;
	return ST_INTERNAL;
}

/* What fails for the moment does not make a namespace go, nor another one. */
static void test_rescan_with_a_command_that_fails_once_is_tried_again(void **state)
{
	static const uint8_t cns[] = { NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, NVME_IDENTIFY_CNS_NS,
				       NVME_IDENTIFY_CNS_NS_DESC_LIST, NVME_IDENTIFY_CNS_CSI_NS };
	struct nvme_zns_id_ns *id = (struct nvme_zns_id_ns *)rig.drive->ns[1].csi_id;
	uint8_t *desc = rig.drive->ns[1].desc;
	unsigned int i;

	(void)state;
	memset(desc, 0, 4096);
	desc[0] = NVME_NIDT_CSI;
	desc[1] = 1;
	desc[4] = NVME_CSI_ZNS;
	id->lbafe[0].zsze = htole64(64);
	live();
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	rig.ctrl->id.nn = htole32(1); /* counting finds one of the two */
	rig.drive->on_admin = fail_identify;
	for (i = 0; i < ARRAY_SIZE(cns); i++) {
		failing_cns = cns[i];
		rescan();
		assert_int_equal(failing_cns, UINT32_MAX);
		assert_int_equal(nr_told, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	}
}

/* Turns without the pauses between two tries. */
static void reset_with_failures(void)
{
	unsigned int i;

	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		rig_turn();
		rig.ctrl->scan.again_ns = 0;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(atomic_load(&rig.drive->enables), 2);
	rig.drive->enables = 1;
}

/* A drive that was reset may need a moment. What is asked at the wrong one is asked again: what was
 * there before is not lost, nor another one. */
static void test_bring_up_with_a_command_that_fails_once_asks_again(void **state)
{
	static const uint8_t cns[] = { NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, NVME_IDENTIFY_CNS_NS,
				       NVME_IDENTIFY_CNS_NS_DESC_LIST };
	unsigned int i;

	(void)state;
	live();
	rig.ctrl->id.nn = htole32(1); /* counting finds one of the two */
	rig.drive->on_admin = fail_identify;
	for (i = 0; i < ARRAY_SIZE(cns); i++) {
		failing_cns = cns[i];
		reset_with_failures();
		assert_int_equal(failing_cns, UINT32_MAX);
		assert_int_equal(nr_told, 0);
		assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	}
}

static void test_format_and_identity_change_only_their_namespace(void **state)
{
	static const char *const how[] = { "rescan", "reset" };
	unsigned int i;

	(void)state;
	live();
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		const struct nvmh_ns *two = nvmh_ctrl_ns_by_nsid(rig.ctrl, 2);

		nr_told = 0;
		rig.drive->ns[0].id.lbaf[0].ds = (uint8_t)(12 - 3 * i);
		rig.drive->ns[0].desc[4]++; /* its UUID */
		if (i) {
			assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
			assert_true(rig_until_state(NVMH_LIVE));
		} else {
			rescan();
		}
		assert_int_equal(nr_told, 1);
		assert_int_equal(told[0].nsid, 1);
		assert_int_equal(told[0].ns->lba_size, i ? 512 : 4096);
		assert_int_equal(told[0].ns->uuid[0], 2 + i);
		assert_ptr_equal(nvmh_ctrl_ns_by_nsid(rig.ctrl, 2), two);
	}
}

static void test_event_starts_a_rescan_and_io_goes_on(void **state)
{
	unsigned int i;

	(void)state;
	live();
	resize(1, 1024);
	fake_pcie_event(rig.drive, NS_CHANGED);
	for (i = 0; i < RIG_TURNS && !nr_told; i++) {
		rig_turn();
		io_works();
	}
	assert_int_equal(nr_told, 1);
	assert_int_equal(told[0].nsid, 2);
	assert_int_equal(told[0].ns->nsze, 1024);
	assert_true(rig.drive->aer_posted);
	assert_int_equal(atomic_load(&rig.drive->enables), 1);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

/* A drive that reports changes all the time is looked at once a second, not all the time. */
static void test_events_without_end_are_paced(void **state)
{
	uint64_t end;
	unsigned int before;

	(void)state;
	live();
	rescan();
	rig.ctrl->rescan.after_ns = clock_now_ns() + UINT64_C(3600) * 1000000000;
	before = atomic_load(&rig.drive->commands);
	rig.drive->last_admin.opcode = 0;
	end = clock_now_ns() + 20 * UINT64_C(1000000);
	while (clock_now_ns() < end || atomic_load(&rig.drive->commands) == before) {
		fake_pcie_event(rig.drive, NS_CHANGED);
		rig_turn();
		assert_int_not_equal(rig.drive->last_admin.opcode, nvme_admin_identify);
	}
	assert_true(atomic_load(&rig.drive->commands) > before);
	assert_true(nvmh_ctrl_rescanning(rig.ctrl)); /* not forgotten either */
}

static unsigned int refusals;

static uint16_t refuse_identify(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (!refusals || sqe->opcode != nvme_admin_identify ||
	    (le32_get(sqe->cdw10) & 0xff) == NVME_IDENTIFY_CNS_NS_ACTIVE_LIST)
		return 0;
	refusals--;
	return ST_INTERNAL;
}

/* An error of the moment says nothing about a namespace: neither that it went, nor what it is. */
static void test_rescan_that_fails_is_tried_again_and_changes_nothing(void **state)
{
	(void)state;
	live();
	rig.drive->on_admin = refuse_identify;
	resize(1, 1024);
	refusals = 1;
	rescan();
	assert_int_equal(refusals, 0);
	assert_int_equal(nr_told, 1);
	assert_int_equal(told[0].ns->nsze, 1024);
	nr_told = 0;
	resize(1, 2048);
	refusals = 100;
	rescan();
	assert_int_equal(nr_told, 0);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	assert_int_equal(refusals, 97); /* three tries */
}

static uint16_t refuse_namespace(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	return (le32_get(sqe->cdw10) & 0xff) == NVME_IDENTIFY_CNS_NS ? refuse_identify(f, sqe) : 0;
}

/* Nor does it hold a bring-up for ever; what was done without is looked for again soon. */
static void test_bring_up_with_a_command_that_fails_for_long_goes_on(void **state)
{
	(void)state;
	live();
	rig.drive->on_admin = refuse_namespace;
	refusals = 6;
	reset_with_failures();
	assert_int_equal(refusals, 0);
	assert_int_equal(nr_told, 1);
	assert_int_equal(told[0].nsid, 1);
	assert_null(told[0].ns);
	scanned();
	assert_int_equal(nr_told, 2);
	assert_int_equal(told[1].nsid, 1);
	assert_non_null(told[1].ns);
}

static void test_rescan_in_the_middle_of_a_reset_ends_with_it(void **state)
{
	unsigned int turns;

	(void)state;
	live();
	for (turns = 0; turns < 12; turns++) {
		unsigned int i;

		nr_told = 0;
		resize(0, 5000 + turns);
		assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), 0);
		rig.ctrl->rescan.after_ns = 0;
		for (i = 0; i < turns; i++)
			rig_turn();
		assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
		assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), -EBUSY);
		assert_true(rig_until_state(NVMH_LIVE));
		assert_false(nvmh_ctrl_rescanning(rig.ctrl));
		assert_int_equal(nr_told, 1);
		assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->nsze, 5000 + turns);
	}
}

/* A rescan's command whose answer is outstanding is not taken for the answer to another. */
static void test_shutdown_in_the_middle_of_a_rescan_deletes_the_queues(void **state)
{
	(void)state;
	live();
	assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), 0);
	nvmh_ctrl_process(rig.ctrl); /* sends; the drive did not answer yet */
	rig_close();
	assert_int_equal(atomic_load(&rig.drive->deletes), 4);
	assert_int_equal(atomic_load(&rig.drive->shutdowns), 1);
}

/* However often a drive changes: memory is bounded, and the newest old description is readable. */
static void test_changes_without_end_keep_a_bounded_past(void **state)
{
	const struct nvmh_ns *before;
	unsigned int i;

	(void)state;
	live();
	rig.ctrl->opts.on_ns = NULL;
	for (i = 0; i < MAX_OLD_NS + 100; i++) {
		before = nvmh_ctrl_ns(rig.ctrl, 0);
		resize(0, 5000 + i);
		rescan();
		assert_int_equal(before->nsze, i ? 4999 + i : 4096);
		assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->nsze, 5000 + i);
	}
	assert_int_equal(rig.ctrl->rescan.nr_old, MAX_OLD_NS);
}

static void test_rescan_and_subsystem_reset_of_a_dead_controller_are_refused(void **state)
{
	(void)state;
	live();
	nvmh_ctrl_shutdown(rig.ctrl);
	assert_int_equal(nvmh_ctrl_rescan(rig.ctrl), -ENOTCONN);
	assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), -ENOTCONN);
}

static void test_subsystem_reset_without_support_is_refused(void **state)
{
	(void)state;
	rig.drive->cap &= ~(UINT64_C(1) << 36);
	live();
	assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), -ENOTSUP);
	assert_non_null(strstr(nvmh_strerror(), "CAP.NSSRS is 0"));
	rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(atomic_load(&rig.drive->subsystem_resets), 0);
}

static void test_subsystem_reset_brings_it_up_again(void **state)
{
	unsigned int down;

	(void)state;
	rig.drive->cap |= UINT64_C(1) << 36;
	live();
	for (down = 0; down < 2; down++) {
		rig.drive->link_down = 50 * down;
		atomic_store(&rig.drive->subsystem_resets, 0);
		atomic_store(&rig.drive->resets, 0);
		assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), 0);
		assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), -EBUSY);
		assert_true(rig_until_state(NVMH_LIVE));
		assert_int_equal(atomic_load(&rig.drive->subsystem_resets), 1);
		assert_int_equal(atomic_load(&rig.drive->resets), 1);
		assert_true(rig.drive->nr_fds > 0); /* interrupts are set up again */
		io_works();
		assert_false(atomic_load(&rig.drive->cut_off));
	}
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_rescan_without_a_change_tells_nothing),
		rigged(test_rescan_tells_what_came_changed_and_went),
		rigged(test_rescan_with_a_command_that_fails_once_is_tried_again),
		rigged(test_bring_up_with_a_command_that_fails_once_asks_again),
		rigged(test_format_and_identity_change_only_their_namespace),
		rigged(test_event_starts_a_rescan_and_io_goes_on),
		rigged(test_events_without_end_are_paced),
		rigged(test_rescan_that_fails_is_tried_again_and_changes_nothing),
		rigged(test_bring_up_with_a_command_that_fails_for_long_goes_on),
		rigged(test_rescan_in_the_middle_of_a_reset_ends_with_it),
		rigged(test_shutdown_in_the_middle_of_a_rescan_deletes_the_queues),
		rigged(test_changes_without_end_keep_a_bounded_past),
		rigged(test_rescan_and_subsystem_reset_of_a_dead_controller_are_refused),
		rigged(test_subsystem_reset_without_support_is_refused),
		rigged(test_subsystem_reset_brings_it_up_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
