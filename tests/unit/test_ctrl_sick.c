// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives that are sick: controllers that do not get ready, do not answer, do not stop, report fatal
 * errors, are gone or are another one after a reset. The answer is to reset a few times, and then
 * to give up with a clear error; never a hang, and never a buffer given back that the drive might
 * still write to.
 */
#include "tests/unit/pcie_rig.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "common/clock.h"

static void test_never_ready_is_given_up_after_tries(void **state)
{
	(void)state;
	atomic_store(&rig.drive->never_ready, true);
	rig_open(1, 0);
	until_dead();
	assert_says("wait until ready: ");
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ETIMEDOUT);
	assert_int_equal(atomic_load(&rig.drive->enables), 3);
	assert_int_equal(rig.nr_states, 1);
	assert_int_equal(rig.states[0], NVMH_DEAD);
}

static void test_mute_admin_queue_is_given_up(void **state)
{
	(void)state;
	atomic_store(&rig.drive->mute_admin, true);
	rig_open(1, 0);
	until_dead();
	assert_says("identify: ");
	assert_int_equal(atomic_load(&rig.drive->enables), 3);
}

static void test_fatal_status_while_live_resets_then_gives_up(void **state)
{
	static const uint8_t states[] = { NVMH_LIVE, NVMH_RESETTING, NVMH_LIVE, NVMH_RESETTING,
					  NVMH_DEAD };
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	hold_one();
	atomic_store(&rig.drive->fatal, true);
	fake_pcie_step(rig.drive);
	nvmh_ctrl_process(rig.ctrl);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_says("CSTS.CFS");
	atomic_store(&rig.drive->fatal, false); /* the reset cures it */
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		rig_turn();
		rig.ctrl->pause_until_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
	assert_string_equal(nvmh_ctrl_error(rig.ctrl), "");
	atomic_store(&rig.drive->fatal, true); /* and now it does not */
	until_dead();
	assert_true(rig_states_are(states, ARRAY_SIZE(states)));
	assert_says("fatal error");
}

/* What the drive calls a persistent internal error is cured by a reset, if by anything; what it
 * calls a transient one is over. */
static void test_event_of_a_persistent_error_resets(void **state)
{
	enum {
		ERROR_LOG = 1 << 16,
		TRANSIENT = ERROR_LOG | 4 << 8,
		PERSISTENT = ERROR_LOG | 3 << 8,
	};
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	hold_one();
	fake_pcie_event(rig.drive, TRANSIENT);
	for (i = 0; i < 10; i++)
		rig_turn();
	assert_int_equal(rig.drive->event, 0);
	assert_true(rig.drive->aer_posted);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	fake_pcie_event(rig.drive, PERSISTENT);
	assert_true(rig_until_state(NVMH_RESETTING));
	assert_says("persistent internal error");
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
	assert_int_equal(atomic_load(&rig.drive->enables), 2);
	assert_true(rig.drive->aer_posted);
}

/* Its slot lost power for a moment, or somebody reset its function through sysfs. */
static void test_controller_reset_behind_our_back_is_brought_up_anew(void **state)
{
	unsigned int i;

	(void)state;
	rig_live(1, 0);
	hold_one();
	memset(rig.drive->bar, 0, FAKE_PCIE_BAR_BYTES);
	fake_pcie_reset(rig.drive);
	fake_pcie_step(rig.drive);
	nvmh_ctrl_process(rig.ctrl);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_says("CSTS.RDY is 0");
	for (i = 0; i < RIG_TURNS && nvmh_ctrl_state(rig.ctrl) != NVMH_LIVE; i++) {
		rig_turn();
		rig.ctrl->pause_until_ns = 1;
	}
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
	hold_one();
	fake_pcie_release(rig.drive, 1, false);
	rig_turn();
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, 0);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_fatal_status_from_the_start_is_given_up(void **state)
{
	(void)state;
	atomic_store(&rig.drive->fatal, true);
	rig_open(1, 0);
	until_dead();
	assert_says("wait until ready: the controller reports a fatal error");
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -EIO);
}

/* Loses the controller and turns until it is live again, or dead. */
static void lose(unsigned int n)
{
	unsigned int i;

	nvmh_ctrl_lost(rig.ctrl, "loss %u", n);
	rig_turn();
	assert_int_not_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	for (i = 0; i < RIG_TURNS; i++) {
		if (nvmh_ctrl_state(rig.ctrl) == NVMH_DEAD ||
		    nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE)
			return;
		rig_turn();
		rig.ctrl->pause_until_ns = 1;
	}
}

static void test_losses_soon_after_each_other_end(void **state)
{
	unsigned int n;

	(void)state;
	rig_live(1, 0);
	for (n = 0; n < 20; n++) {
		rig.ctrl->live_since_ns = 1; /* it ran well for long */
		lose(n);
		assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_LIVE);
	}
	for (n = 0; n < 20 && nvmh_ctrl_state(rig.ctrl) == NVMH_LIVE; n++)
		lose(n);
	assert_int_equal(n, 3); /* and the one from before */
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	assert_says("loss 2");
}

static void test_drive_that_does_not_stop_is_reset(void **state)
{
	unsigned int i;

	(void)state;
	rig_live(2, 0);
	hold_one();
	atomic_store(&rig.drive->silent_delete, true);
	atomic_store(&rig.drive->never_idle, true);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (i = 0; i < RIG_TURNS && !atomic_load(&rig.drive->resets); i++) {
		assert_int_equal(held_done, 0);
		rig_turn();
		((struct pcie *)rig.ctrl->tr)->quiet_deadline_ns = 1;
	}
	assert_int_equal(atomic_load(&rig.drive->resets), 1);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(held_done, 1);
	assert_false(atomic_load(&rig.drive->cut_off));
	atomic_store(&rig.drive->never_idle, false);
	/* interrupts are set up again */
	atomic_store(&rig.drive->hold_io, false);
	rig_start();
	assert_int_equal(nvmh_io(&rig.ctrl->ioq[1], &(struct nvmh_req){ .sqe.nsid = le32_make(1) }),
			 0);
}

static void test_drive_that_cannot_be_stopped_is_cut_off(void **state)
{
	(void)state;
	rig_live(1, 0);
	hold_one();
	atomic_store(&rig.drive->silent_delete, true);
	atomic_store(&rig.drive->never_idle, true);
	rig.drive->reset_fails = true;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_dead();
	assert_true(atomic_load(&rig.drive->cut_off));
	assert_int_equal(held_done, 1); /* only now: it reaches the buffer no more */
	assert_says("cut off");
}

static void test_gone_drive_is_given_up(void **state)
{
	(void)state;
	rig_live(2, 0);
	hold_one();
	atomic_store(&rig.drive->gone, true);
	until_dead();
	assert_says("all ones");
	assert_int_equal(held_done, 1);
	assert_int_equal(held.status, ST_HOST_ABORTED);
	assert_true(atomic_load(&rig.drive->cut_off));
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 0), -ENODEV);
}

static void test_gone_during_bring_up_is_given_up(void **state)
{
	unsigned int turns;
	unsigned int i;

	(void)state;
	for (turns = 1; turns < 40; turns++) {
		rig_open(2, 0);
		for (i = 0; i < turns; i++)
			rig_turn();
		atomic_store(&rig.drive->gone, true);
		until_dead();
		nvmh_ctrl_close(rig.ctrl);
		rig.ctrl = NULL;
		atomic_store(&rig.drive->gone, false);
		atomic_store(&rig.drive->cut_off, false);
		memset(rig.drive->bar, 0, FAKE_PCIE_BAR_BYTES);
		fake_pcie_reset(rig.drive);
	}
}

static void test_removal_and_bus_errors_are_heard(void **state)
{
	uint64_t one = 1;

	(void)state;
	rig.drive->err_fd = eventfd(0, EFD_NONBLOCK);
	rig.drive->req_fd = eventfd(0, EFD_NONBLOCK);
	rig_live(1, 0);
	assert_int_equal(write(rig.drive->err_fd, &one, sizeof(one)), sizeof(one));
	nvmh_ctrl_process(rig.ctrl);
	assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_RESETTING);
	assert_says("PCI bus reported an error");
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(write(rig.drive->req_fd, &one, sizeof(one)), sizeof(one));
	until_dead();
	assert_says("the kernel removes the device");
	rig_close();
	close(rig.drive->err_fd);
	close(rig.drive->req_fd);
}

/*
 * Whoever leaves a controller that was given up open for a while is not kept awake by it, whatever
 * the kernel or a last interrupt says of the device.
 */
static void test_given_up_controller_lets_its_thread_sleep(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	const int *fd[] = { &rig.drive->err_fd, &rig.drive->req_fd, NULL };
	uint64_t one = 1;
	size_t i;

	(void)state;
	rig.drive->err_fd = eventfd(0, EFD_NONBLOCK);
	rig.drive->req_fd = eventfd(0, EFD_NONBLOCK);
	rig_live(1, 0);
	atomic_store(&rig.drive->gone, true);
	until_dead();
	fd[2] = &((struct pcie *)rig.ctrl->tr)->irq_fd;
	pfd.fd = nvmh_ctrl_fd(rig.ctrl);
	for (i = 0; i < ARRAY_SIZE(fd); i++) {
		assert_int_equal(write(*fd[i], &one, sizeof(one)), sizeof(one));
		assert_int_equal(poll(&pfd, 1, 0), 1);
		nvmh_ctrl_process(rig.ctrl);
		assert_int_equal(poll(&pfd, 1, 0), 0);
		assert_int_equal(nvmh_ctrl_state(rig.ctrl), NVMH_DEAD);
	}
	rig_close();
	close(rig.drive->err_fd);
	close(rig.drive->req_fd);
}

static void test_shutdown_not_finished_is_not_waited_for_ever(void **state)
{
	(void)state;
	rig.drive->no_shutdown = true;
	rig_live(1, 0);
	atomic_store(&rig.drive->mute_admin, true); /* nor are queues deleted */
	nvmh_ctrl_shutdown(rig.ctrl);
	until_dead();
	assert_false(rig.drive->enabled);
}

/* As long as the drive says, if that makes sense. */
static void test_shutdown_is_waited_for_as_long_as_the_drive_says(void **state)
{
	static const struct {
		uint32_t rtd3e_us, ms;
	} table[] = {
		{ 0, 5000 }, /* does not tell */
		{ 999, 1 },
		{ 1000000, 1001 },
		{ UINT32_MAX, 60000 },
	};
	struct pcie *pcie;
	uint64_t before;
	unsigned int i;
	size_t row;

	(void)state;
	rig.drive->no_shutdown = true;
	for (row = 0; row < ARRAY_SIZE(table); row++) {
		rig.drive->id.rtd3e = htole32(table[row].rtd3e_us);
		rig_live(1, 0);
		pcie = rig.ctrl->tr;
		before = clock_now_ns();
		nvmh_ctrl_shutdown(rig.ctrl);
		for (i = 0; i < RIG_TURNS && pcie->quiet != PCIE_QUIET_NOTIFY; i++)
			rig_turn();
		assert_int_equal(pcie->quiet, PCIE_QUIET_NOTIFY);
		assert_true(pcie->quiet_deadline_ns >= before + table[row].ms * NS_PER_MS);
		assert_true(pcie->quiet_deadline_ns <= clock_now_ns() + table[row].ms * NS_PER_MS);
		until_dead();
		rig_close();
	}
}

/* The answer that was not waited for any longer is not that of the command after it. */
static void test_late_answer_in_a_shutdown_deletes_every_queue(void **state)
{
	struct pcie *pcie;
	struct nvme_sqe hmb;

	(void)state;
	rig.drive->id.hmpre = htole32(256);
	rig_live(2, 0);
	pcie = rig.ctrl->tr;
	atomic_store(&rig.drive->mute_admin, true);
	nvmh_ctrl_shutdown(rig.ctrl);
	rig_turn();
	rig_turn();
	assert_int_equal(pcie->quiet, PCIE_QUIET_HMB);
	hmb = rig.drive->last_admin;
	pcie->quiet_deadline_ns = 1;
	nvmh_ctrl_process(rig.ctrl);
	assert_int_equal(pcie->quiet, PCIE_QUIET_DELETE);
	atomic_store(&rig.drive->mute_admin, false);
	fake_pcie_answer(rig.drive, 0, &hmb, 0, 0);
	assert_true(rig_until_state(NVMH_DEAD));
	assert_int_equal(atomic_load(&rig.drive->deletes), 4);
}

/* ---- another drive, or another namespace, after a reset ---- */

static void test_other_identity_after_reset_is_given_up(void **state)
{
	(void)state;
	rig_live(1, 0);
	rig.drive->id.sn[0] = 'X';
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	until_dead();
	assert_says("another controller answers");
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_never_ready_is_given_up_after_tries),
		rigged(test_mute_admin_queue_is_given_up),
		rigged(test_fatal_status_while_live_resets_then_gives_up),
		rigged(test_event_of_a_persistent_error_resets),
		rigged(test_controller_reset_behind_our_back_is_brought_up_anew),
		rigged(test_fatal_status_from_the_start_is_given_up),
		rigged(test_losses_soon_after_each_other_end),
		rigged(test_drive_that_does_not_stop_is_reset),
		rigged(test_drive_that_cannot_be_stopped_is_cut_off),
		rigged(test_gone_drive_is_given_up),
		rigged(test_gone_during_bring_up_is_given_up),
		rigged(test_removal_and_bus_errors_are_heard),
		rigged(test_given_up_controller_lets_its_thread_sleep),
		rigged(test_shutdown_not_finished_is_not_waited_for_ever),
		rigged(test_shutdown_is_waited_for_as_long_as_the_drive_says),
		rigged(test_late_answer_in_a_shutdown_deletes_every_queue),
		rigged(test_other_identity_after_reset_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
