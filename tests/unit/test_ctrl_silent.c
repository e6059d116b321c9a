// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives whose registers say nothing any more: they read as all ones (removed), or as zeroes (the
 * slot's power is cut while VFIO holds the function). Whatever the driver is doing, it notices the
 * next time that it looks, waits for nothing that such a drive will not do, never has the kernel
 * reset it (which waits a minute for an answer), and gives memory back only when the drive is cut
 * off from it.
 */
#include "tests/unit/pcie_rig.h"

enum {
	AT_ONCE = 8, /* turns: none of them is waited for */
	BRING_UP_TURNS = 60,
};

static struct nvmh_req admin;
static unsigned int admin_done;

/* The drive may take its time, so that none is up because this machine is slow. */
static int setup(void **state)
{
	int ret = rig_setup(state);

	rig.drive->cap |= UINT64_C(0xff) << 24; /* TO */
	rig.drive->id.rtd3e = htole32(60000000);
	return ret;
}

static void fall_silent(bool ones)
{
	atomic_store(ones ? &rig.drive->gone : &rig.drive->unpowered, true);
	fake_pcie_step(rig.drive);
}

/* For the next controller. */
static void close_and_make_well(void)
{
	nvmh_ctrl_close(rig.ctrl);
	rig.ctrl = NULL;
	rig.nr_states = 0;
	atomic_store(&rig.drive->gone, false);
	atomic_store(&rig.drive->unpowered, false);
	atomic_store(&rig.drive->cut_off, false);
	atomic_store(&rig.drive->hold_io, false);
	atomic_store(&rig.drive->mute_admin, false);
	atomic_store(&rig.drive->never_idle, false);
	atomic_store(&rig.drive->never_ready, false);
	atomic_store(&rig.drive->resets, 0);
	rig.drive->no_shutdown = false;
	memset(rig.drive->bar, 0, FAKE_PCIE_BAR_BYTES);
	fake_pcie_reset(rig.drive);
}

/* A command of ours that the drive does not answer, on the admin queue. */
static void hold_admin(void)
{
	atomic_store(&rig.drive->mute_admin, true);
	memset(&admin, 0, sizeof(admin));
	admin_done = 0;
	admin.sqe.opcode = nvme_admin_keep_alive;
	admin.done = rig_done;
	admin.arg = &admin_done;
	assert_int_equal(nvmh_queue_send(&rig.ctrl->adminq, &admin), 0);
	rig.ctrl->ops->queue_commit(&rig.ctrl->adminq);
	fake_pcie_step(rig.drive);
}

static void live(void)
{
	rig_live(2, 8);
	hold_one();
	hold_admin();
}

static uint8_t stage(void)
{
	return ((struct pcie *)rig.ctrl->tr)->quiet;
}

/* Turns until the driver waits in that stage; earlier stages take no time. */
static void until_stage(enum pcie_quiet want)
{
	unsigned int i;

	for (i = 0; i < RIG_TURNS && stage() != want; i++)
		rig_turn();
	assert_int_equal(stage(), want);
}

/* No deadline is moved here, but for the pause before another try, which needs no drive. */
static void dead_at_once(bool ones)
{
	unsigned int i;

	for (i = 0; i < AT_ONCE && nvmh_ctrl_state(rig.ctrl) != NVMH_DEAD; i++) {
		rig_turn();
		rig.ctrl->pause_until_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_true(atomic_load(&rig.drive->cut_off));
	assert_int_equal(atomic_load(&rig.drive->resets), 0);
	if (!rig.ctrl->shutdown)
		assert_says(ones ? "registers read all ones" : "registers read all zeroes");
}

/* ---- while it is live, and while it is made quiet ---- */

static void begin_live(void)
{
	live();
	rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
}

static void begin_reset_delete(void)
{
	live();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_stage(PCIE_QUIET_DELETE);
}

static void begin_reset_idle(void)
{
	live();
	atomic_store(&rig.drive->mute_admin, false);
	atomic_store(&rig.drive->never_idle, true);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_stage(PCIE_QUIET_IDLE);
}

static void begin_shutdown_hmb(void)
{
	rig.drive->id.hmpre = rig.drive->id.hmmin = htole32(16);
	live();
	assert_true(atomic_load(&rig.drive->hmb_on));
	nvmh_ctrl_shutdown(rig.ctrl);
	until_stage(PCIE_QUIET_HMB);
}

static void begin_shutdown_delete(void)
{
	live();
	nvmh_ctrl_shutdown(rig.ctrl);
	until_stage(PCIE_QUIET_DELETE);
}

static void begin_shutdown_notify(void)
{
	live();
	atomic_store(&rig.drive->mute_admin, false);
	rig.drive->no_shutdown = true;
	nvmh_ctrl_shutdown(rig.ctrl);
	until_stage(PCIE_QUIET_NOTIFY);
}

static void begin_shutdown_idle(void)
{
	live();
	atomic_store(&rig.drive->mute_admin, false);
	atomic_store(&rig.drive->never_idle, true);
	nvmh_ctrl_shutdown(rig.ctrl);
	until_stage(PCIE_QUIET_IDLE);
}

static void test_silent_drive_is_noticed_whatever_is_done(void **state)
{
	static void (*const begin[])(void) = {
		begin_live,	     begin_reset_delete,    begin_reset_idle,
		begin_shutdown_hmb,  begin_shutdown_delete, begin_shutdown_notify,
		begin_shutdown_idle,
	};
	unsigned int ones;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(begin); i++) {
		for (ones = 0; ones < 2; ones++) {
			begin[i]();
			fall_silent(ones);
			dead_at_once(ones);
			if (held_done != 1 || admin_done != 1)
				fail_msg("row %zu ones %u: done %u %u times", i, ones, held_done,
					 admin_done);
			assert_int_equal(held.status, ST_HOST_ABORTED);
			assert_int_equal(admin.status, ST_HOST_ABORTED);
			assert_int_equal(rig_read(&rig.ctrl->ioq[0], &held, &held_iov, rig.arena,
						  &held_done),
					 -ENOTCONN);
			close_and_make_well();
			rig.drive->id.hmpre = rig.drive->id.hmmin = htole32(0);
		}
	}
}

/* Nothing is given back before it is cut off: the drive may have power, and only its registers not
 * be reached. */
static bool cut_off_first;

static void note_cut_off(struct nvmh_req *req)
{
	cut_off_first = atomic_load(&rig.drive->cut_off);
	rig_done(req);
}

static void test_commands_of_a_silent_drive_end_when_it_is_cut_off(void **state)
{
	(void)state;
	rig_live(1, 8);
	hold_one();
	held.done = note_cut_off;
	fall_silent(false);
	dead_at_once(false);
	assert_int_equal(held_done, 1);
	assert_true(cut_off_first);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENODEV);
}

/* ---- while it is brought up ---- */

static void test_silent_drive_is_noticed_in_bring_up(void **state)
{
	unsigned int turns;
	unsigned int ones;
	unsigned int i;

	(void)state;
	for (turns = 0; turns < BRING_UP_TURNS; turns++) {
		for (ones = 0; ones < 2; ones++) {
			rig_open(2, 8);
			for (i = 0; i < turns; i++)
				rig_turn();
			fall_silent(ones);
			dead_at_once(ones);
			assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENODEV);
			close_and_make_well();
		}
	}
}

/* The waits of a bring-up, whose times are the drive's: to get ready, and to answer a command. */
static void test_silent_drive_is_noticed_while_a_step_waits(void **state)
{
	unsigned int mute;
	unsigned int i;

	(void)state;
	for (mute = 0; mute < 2; mute++) {
		atomic_store(mute ? &rig.drive->mute_admin : &rig.drive->never_ready, true);
		rig_open(1, 8);
		for (i = 0; i < RIG_TURNS &&
			    strcmp(rig.ctrl->step->name, mute ? "identify" : "wait until ready");
		     i++)
			rig_turn();
		rig_turn();
		fall_silent(false);
		dead_at_once(false);
		assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENODEV);
		close_and_make_well();
	}
}

/* ---- what is not silence ---- */

/* A subsystem reset takes the link down for a moment. */
static void test_zeroes_after_a_subsystem_reset_are_waited_for(void **state)
{
	unsigned int i;

	(void)state;
	rig.drive->cap |= UINT64_C(1) << 36; /* NSSRS */
	rig_live(1, 8);
	assert_int_equal(nvmh_ctrl_subsystem_reset(rig.ctrl), 0);
	fake_pcie_step(rig.drive);
	rig.ctrl->settle_until_ns = UINT64_MAX; /* however slow this machine is */
	fall_silent(false);
	for (i = 0; i < 100; i++)
		rig_turn();
	assert_false(atomic_load(&rig.drive->cut_off));
	atomic_store(&rig.drive->unpowered, false);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(atomic_load(&rig.drive->subsystem_resets), 1);
}

/* It is reset by something else while it is shut down: its shutdown is over. */
static void test_shutdown_that_was_forgotten_is_not_waited_for(void **state)
{
	unsigned int i;

	(void)state;
	begin_shutdown_notify();
	fake_pcie_reset(rig.drive);
	for (i = 0; i < AT_ONCE && nvmh_ctrl_state(rig.ctrl) != NVMH_DEAD; i++)
		rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_false(atomic_load(&rig.drive->cut_off));
	assert_int_equal(held_done, 1);
}

/* Nor are answers of a drive that says that it is ill. */
static void test_shutdown_of_a_drive_that_fails_is_not_waited_for(void **state)
{
	unsigned int i;

	(void)state;
	begin_shutdown_hmb();
	rig.drive->no_shutdown = true;
	atomic_store(&rig.drive->fatal, true);
	for (i = 0; i < AT_ONCE && nvmh_ctrl_state(rig.ctrl) != NVMH_DEAD; i++)
		rig_turn();
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_false(rig.drive->enabled);
	assert_int_equal(held_done, 1);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_silent_drive_is_noticed_whatever_is_done),
		rigged(test_commands_of_a_silent_drive_end_when_it_is_cut_off),
		rigged(test_silent_drive_is_noticed_in_bring_up),
		rigged(test_silent_drive_is_noticed_while_a_step_waits),
		rigged(test_zeroes_after_a_subsystem_reset_are_waited_for),
		rigged(test_shutdown_that_was_forgotten_is_not_waited_for),
		rigged(test_shutdown_of_a_drive_that_fails_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
