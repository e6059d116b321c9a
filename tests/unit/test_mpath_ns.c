// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which controllers and namespaces a multipath controller takes together, and how: identities,
 * sizes, numbers of queues; namespaces that come, change and go; paths added and removed.
 */
#include "tests/unit/mpath_rig.h"

/* ---- who belongs together ---- */

static void expect_refused(const char *text)
{
	struct nvmh_mpath_path info;
	struct rig rig;

	rig_open(&rig, 2, NULL);
	rig_until(&rig, rig_up(&rig, 0));
	rig_until(&rig, !nvmh_mpath_path(rig.ctrl, 1, &info) && info.error[0]);
	assert_non_null(strstr(info.error, text));
	assert_false(info.usable);
	assert_true(rig_up(&rig, 0));
	rig_close(&rig);
}

static void test_mpath_other_subsystem_is_refused(void **state)
{
	(void)state;
	memcpy(fake_path[1].id.subnqn, "nqn.2024-01.org.example:xx", 26);
	expect_refused("another NQN");
	fake_path_init();
	fake_path[1].id.sn[0] = 'X';
	expect_refused("another serial number");
	fake_path_init();
	fake_path[1].cntlid = fake_path[0].cntlid;
	expect_refused("same CNTLID");
	fake_path_init();
	fake_path[1].id.cmic = 0;
	expect_refused("CMIC");
}

static void test_mpath_other_namespace_is_left_out(void **state)
{
	struct rig_io io;
	struct rig rig;

	(void)state;
	fake_path[0].ns[1] = fake_path[1].ns[1] = (struct fake_path_ns){ 2, 64, 2, false };
	fake_path[1].ns[0].uuid = 9;	   /* another identity */
	fake_path[1].ns[1].private = true; /* not shared */
	fake_path[1].ns[2] = (struct fake_path_ns){ 3, 64, 3, false };
	rig_open_up(&rig, 2, &(struct nvmh_mpath_opts){ .iopolicy = NVMH_IOPOLICY_ROUND_ROBIN });
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 3);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 1), NVME_ANA_STATE_OPTIMIZED);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 1, 1), 0);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 1, 2), 0);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 3), 0);
	assert_int_equal(nvmh_ctrl_ns_by_nsid(rig.ctrl, 1)->uuid[0], 1);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, 0);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ios, 0);
	rig_prep(&io, nvme_cmd_read, 3, 1, 0);
	rig_start(&rig, 0, &io);
	rig_wait(&rig, &io, 0);
	assert_int_equal(fake_path[1].nr_ios, 1);
	rig_close(&rig);
}

static void rescan(struct rig *rig)
{
	assert_int_equal(nvmh_ctrl_rescan(rig->ctrl), 0);
	rig_until(rig, !nvmh_ctrl_rescanning(rig->ctrl));
	rig_settle(rig);
}

static void test_mpath_namespaces_change_come_and_go(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 2, NULL);
	/* grown, as one path knows */
	fake_path[1].ns[0].nsze = 128;
	rescan(&rig);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->nsze, 128);
	assert_int_equal(rig.nr_ns_told, 1);
	fake_path[0].ns[0].nsze = 128;
	rescan(&rig);
	assert_int_equal(rig.nr_ns_told, 1);
	/* a new one, over one path first */
	fake_path[0].ns[1] = (struct fake_path_ns){ 2, 64, 2, false };
	rescan(&rig);
	assert_int_equal(rig.nr_ns_told, 2);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	/* the path that has it is lost: it stays, for it may come back */
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	rig_settle(&rig);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 2);
	/* and comes back without it */
	fake_path[0].ns[1].nsid = 0;
	fake_path[0].unreachable = false;
	rig_until(&rig, rig.nr_ns_told == 3);
	assert_int_equal(rig.last_nsid, 2);
	assert_true(rig.last_gone);
	assert_int_equal(nvmh_ctrl_nr_ns(rig.ctrl), 1);
	rig_close(&rig);
}

/* Made anew with the same NSID: both paths have the new one in the end. */
static void test_mpath_namespace_made_anew_is_taken_by_all(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_up(&rig, 2, NULL);
	fake_path[0].ns[0].uuid = 7;
	rescan(&rig);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 1), 0);
	fake_path[1].ns[0].uuid = 7;
	rescan(&rig);
	assert_int_equal(nvmh_ctrl_ns(rig.ctrl, 0)->uuid[0], 7);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 0, 1), NVME_ANA_STATE_OPTIMIZED);
	assert_int_equal(nvmh_mpath_ana_state(rig.ctrl, 1, 1), NVME_ANA_STATE_OPTIMIZED);
	rig_close(&rig);
}

static void test_mpath_max_xfer_is_the_least(void **state)
{
	struct rig rig;

	(void)state;
	fake_path[1].max_xfer = 8192;
	rig_open_up(&rig, 2, NULL);
	assert_int_equal(nvmh_ctrl_max_xfer(rig.ctrl), 8192);
	rig_close(&rig);
}

/* A command under way that only its own path can take is not refused by another: it waits. */
static void test_mpath_too_long_for_the_other_path_waits(void **state)
{
	static uint8_t data[8192];
	struct nvmh_ctrl_opts more;
	struct rig_io io, late;
	struct rig rig;

	(void)state;
	more = rig_path(&rig, 1);
	fake_path[0].by_hand = true;
	fake_path[1].max_xfer = 4096;
	rig_open_up(&rig, 1, NULL);
	rig_prep(&io, nvme_cmd_read, 1, 1, 0);
	io.iov = (struct iovec){ data, sizeof(data) };
	io.req.len = sizeof(data);
	late = io;
	late.req.iov = &late.iov;
	late.req.arg = &late;
	rig_start(&rig, 0, &io);
	fake_path[0].unreachable = true;
	fake_path_lose(&fake_path[0]);
	assert_int_equal(nvmh_mpath_add(rig.ctrl, &more), 1);
	rig_until(&rig, rig_up(&rig, 1));
	rig_settle(&rig);
	assert_int_equal(io.nr_done, 0);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(rig.ctrl, 0), &late.req), -EINVAL);
	fake_path[0].by_hand = fake_path[0].unreachable = false;
	rig_wait(&rig, &io, 0);
	rig_close(&rig);
}

/* The second queue of a path that granted one: the other path has it; without that, an error. */
static void test_mpath_fewer_queues_on_a_path(void **state)
{
	struct rig_io io;
	struct nvmh_ctrl_opts more;
	struct rig rig;

	(void)state;
	more = rig_path(&rig, 1);
	fake_path[1].nr_queues = 1;
	rig_open_up(&rig, 1, NULL);
	assert_int_equal(nvmh_mpath_add(rig.ctrl, &more), 1);
	rig_until(&rig, rig_up(&rig, 1));
	rig_read(&rig, 1, &io, 1);
	rig_wait(&rig, &io, 0);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 0), 0);
	rig_until(&rig, !fake_path[0].ctrl);
	rig_read(&rig, 0, &io, 1);
	rig_wait(&rig, &io, 0);
	rig_read(&rig, 1, &io, 1);
	rig_wait(&rig, &io, ST_HOST_PATH_ERROR);
	rig_close(&rig);
}

/* ---- paths come and go ---- */

static void test_mpath_remove_drains_and_frees(void **state)
{
	struct nvmh_mpath_path info;
	struct nvmh_ctrl_opts again;
	struct rig_io io[2];
	struct rig rig;

	(void)state;
	fake_path[0].by_hand = true;
	rig_open_up(&rig, 2, NULL);
	rig_write(&rig, 0, &io[0], 1, 0x21);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 0), 0);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 0), 0);
	rig_write(&rig, 0, &io[1], 2, 0x22);
	assert_int_equal(fake_path[1].nr_ios, 1);
	rig_settle(&rig);
	assert_int_equal(nvmh_mpath_path(rig.ctrl, 0, &info), 0);
	assert_true(info.removing);
	assert_int_equal(info.outstanding, 1);
	fake_path_answer(fake_path_find(&fake_path[0]), 0);
	rig_until(&rig, nvmh_mpath_path(rig.ctrl, 0, &info) == -ENOENT);
	assert_non_null(strstr(nvmh_strerror(), "there is no path 0"));
	rig_wait(&rig, &io[0], 0);
	rig_wait(&rig, &io[1], 0);
	assert_null(fake_path[0].ctrl);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 0), -ENOENT);
	assert_int_equal(nvmh_mpath_remove(rig.ctrl, 1), -EBUSY);
	again = rig_path(&rig, 2);
	assert_int_equal(nvmh_mpath_add(rig.ctrl, &again), 0);
	rig_until(&rig, rig_up(&rig, 0));
	rig_close(&rig);
}

static void test_mpath_functions_refuse_other_controllers(void **state)
{
	struct nvmh_ctrl_opts opts;
	struct nvmh_mpath_path info;
	struct nvmh_ctrl *ctrl;
	struct rig rig = { 0 };

	(void)state;
	opts = rig_path(&rig, 0);
	assert_int_equal(nvmh_ctrl_open_with(&opts, &fake_path_ops, &ctrl), 0);
	assert_int_equal(nvmh_mpath_add(ctrl, &opts), -EINVAL);
	assert_int_equal(nvmh_mpath_remove(ctrl, 0), -EINVAL);
	assert_int_equal(nvmh_mpath_path(ctrl, 0, &info), -EINVAL);
	nvmh_error(0, "what went wrong before");
	assert_int_equal(nvmh_mpath_ana_state(ctrl, 0, 1), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "not opened by nvmh_mpath_open()"));
	nvmh_ctrl_close(ctrl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mpath_test(test_mpath_other_subsystem_is_refused),
		mpath_test(test_mpath_other_namespace_is_left_out),
		mpath_test(test_mpath_namespaces_change_come_and_go),
		mpath_test(test_mpath_namespace_made_anew_is_taken_by_all),
		mpath_test(test_mpath_max_xfer_is_the_least),
		mpath_test(test_mpath_too_long_for_the_other_path_waits),
		mpath_test(test_mpath_fewer_queues_on_a_path),
		mpath_test(test_mpath_remove_drains_and_frees),
		mpath_test(test_mpath_functions_refuse_other_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
