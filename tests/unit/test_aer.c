// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asynchronous events and Abort.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "tests/fake/fake_sq.h"

enum {
	RESULT_NS_CHANGED = 0x040002,
	RESULT_DISC_CHANGED = 0x70f002,
	RESULT_TEMPERATURE = 0x020101,
};

static const uint32_t none[6] = { 0 };

static uint16_t aer(struct fake_sq *admin)
{
	return fake_admin(admin, nvme_admin_async_event, 0, none, NULL, 0);
}

static void enable(struct fake_sq *admin, uint32_t events)
{
	const uint32_t dw[6] = { NVME_FEAT_FID_ASYNC_EVENT, events };

	assert_int_equal(fake_admin(admin, nvme_admin_set_features, 0, dw, NULL, 0), 0);
}

static uint16_t abort_cmd(struct fake_sq *admin, uint16_t sqid, uint16_t cid)
{
	const uint32_t dw[6] = { sqid | (uint32_t)cid << 16 };

	return fake_admin(admin, nvme_admin_abort_cmd, 0, dw, NULL, 0);
}

static void test_aer_above_the_limit_is_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	for (int i = 0; i < MAX_AER; i++)
		assert_int_equal(aer(admin), FAKE_HELD);
	for (int i = 0; i < 100; i++)
		assert_int_equal(aer(admin), ST_AER_LIMIT | ST_DNR);
	assert_int_equal(admin->sq.outstanding, MAX_AER);
	fake_sq_free(admin);
}

static void test_aer_tells_an_event_once_until_its_log_is_read(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	struct nvme_ns_list list;
	uint64_t before;

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	aer(admin);
	aer(admin);
	before = admin->nr_rsps;
	nvmet_ctrl_ns_changed(ctrl, 5);
	nvmet_ctrl_ns_changed(ctrl, 1);
	assert_int_equal(admin->nr_rsps, before); /* by message */
	fake_turn();
	assert_int_equal(admin->nr_rsps, before + 1);
	assert_int_equal(fake_last(admin)->status, 0);
	assert_int_equal(fake_last(admin)->result, RESULT_NS_CHANGED);
	nvmet_ctrl_ns_changed(ctrl, 5);
	fake_turn();
	assert_int_equal(admin->nr_rsps, before + 1);
	/* Read, but not to be cleared. */
	assert_int_equal(fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, true, 0, &list, sizeof(list)),
			 0);
	assert_int_equal(le32toh(list.ns[0]), 5);
	assert_int_equal(le32toh(list.ns[1]), 1);
	assert_int_equal(list.ns[2], 0);
	assert_int_equal(admin->nr_rsps, before + 2);
	/* Cleared: what happened since then is told now. */
	assert_int_equal(
		fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, false, 0, &list, sizeof(list)), 0);
	assert_int_equal(le32toh(list.ns[0]), 5);
	assert_int_equal(admin->nr_rsps, before + 4);
	assert_int_equal(fake_last(admin)->result, RESULT_NS_CHANGED);
	assert_int_equal(
		fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, false, 0, &list, sizeof(list)), 0);
	assert_int_equal(list.ns[0], 0);
	fake_sq_free(admin);
}

static void test_aer_event_waits_for_a_request(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 5);
	fake_turn();
	assert_int_equal(aer(admin), 0);
	assert_int_equal(fake_last(admin)->result, RESULT_NS_CHANGED);
	fake_sq_free(admin);
}

static void test_aer_events_not_enabled_are_not_told(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	assert_int_equal(aer(admin), FAKE_HELD);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 5);
	nvmet_ctrl_event(admin->sq.ctrl, NVMET_EV_DISC_CHANGED | NVMET_EV_SMART);
	fake_turn();
	assert_int_equal(admin->sq.ctrl->nr_aer, 1);
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	assert_int_equal(admin->sq.ctrl->nr_aer, 1);
	fake_sq_free(admin);
}

static void test_aer_kinds_do_not_mask_each_other(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint64_t before;

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES |
			      NVME_FEATURE_AENCFG_SMART_CRIT_TEMPERATURE);
	for (int i = 0; i < MAX_AER; i++)
		aer(admin);
	before = admin->nr_rsps;
	nvmet_ctrl_event(admin->sq.ctrl, NVMET_EV_NS_CHANGED | NVMET_EV_SMART | NVMET_EV_ERROR);
	fake_turn();
	assert_int_equal(admin->nr_rsps, before + 3);
	fake_sq_free(admin);
}

static void test_aer_temperature_threshold_is_told(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	const uint32_t dw[6] = { NVME_FEAT_FID_TEMP_THRESH, 280 };
	struct nvme_smart_log smart;

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_SMART_CRIT_TEMPERATURE);
	aer(admin);
	assert_int_equal(fake_admin(admin, nvme_admin_set_features, 0, dw, NULL, 0), 0);
	fake_turn();
	assert_int_equal(fake_last(admin)->result, RESULT_TEMPERATURE);
	assert_int_equal(fake_get_log(admin, NVME_LOG_LID_SMART, false, 0, &smart, sizeof(smart)),
			 0);
	assert_int_equal(smart.critical_warning, NVME_SMART_CRIT_TEMPERATURE);
	fake_sq_free(admin);
}

static void test_aer_discovery_change_reaches_every_discovery_controller(void **state)
{
	struct fake_sq *a = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);
	struct fake_sq *b = fake_host(NQN_DISCOVERY, FAKE_OTHER, 2);
	struct fake_sq *io = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint64_t genctr = atomic_load(&nvmet.discovery_genctr);

	(void)state;
	enable(a, (uint32_t)NVME_FEATURE_AENCFG_NOTICE_DISCOVERY_CHANGE);
	enable(b, (uint32_t)NVME_FEATURE_AENCFG_NOTICE_DISCOVERY_CHANGE);
	aer(a);
	aer(b);
	aer(io);
	nvmet_lock();
	nvmet_discovery_changed();
	nvmet_unlock();
	fake_turn();
	assert_int_equal(fake_last(a)->result, RESULT_DISC_CHANGED);
	assert_int_equal(fake_last(b)->result, RESULT_DISC_CHANGED);
	assert_int_equal(io->sq.ctrl->nr_aer, 1);
	assert_int_equal(atomic_load(&nvmet.discovery_genctr), genctr + 1);
	fake_sq_free(a);
	fake_sq_free(b);
	fake_sq_free(io);
}

static void test_changed_namespaces_more_than_fit_become_all(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvme_ns_list list;

	(void)state;
	for (uint32_t nsid = 1; nsid <= 1024; nsid++)
		nvmet_ctrl_ns_changed(admin->sq.ctrl, nsid);
	fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, true, 0, &list, sizeof(list));
	assert_int_equal(le32toh(list.ns[1023]), 1024);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 1024); /* known already */
	fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, true, 0, &list, sizeof(list));
	assert_int_equal(le32toh(list.ns[0]), 1);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 1025);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 3);
	fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, false, 0, &list, sizeof(list));
	assert_int_equal(le32toh(list.ns[0]), NVME_NSID_BROADCAST);
	assert_int_equal(list.ns[1], 0);
	fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, false, 0, &list, sizeof(list));
	assert_int_equal(list.ns[0], 0);
	fake_sq_free(admin);
}

static void test_event_to_a_controller_that_goes_is_harmless(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	aer(admin);
	nvmet_ctrl_ns_changed(admin->sq.ctrl, 1);
	fake_sq_free(admin); /* the message is still on its way, and has the last reference */
	assert_int_equal(fake_subsys(FAKE_SUBSYS)->nr_ctrls, 1);
	fake_turn();
	assert_int_equal(fake_subsys(FAKE_SUBSYS)->nr_ctrls, 0);
}

/* Under ThreadSanitizer this shows that the two sides share nothing unguarded. */
static void test_events_of_other_threads_arrive(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	aer(admin);
	assert_int_equal(loop_start(nvmet.cores[0]->loop), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		nvmet_lock();
		nvmet_ctrl_ns_changed(ctrl, i % 3 + 1);
		nvmet_unlock();
	}
	loop_stop(nvmet.cores[0]->loop);
	loop_join(nvmet.cores[0]->loop);
	fake_turn();
	assert_int_equal(fake_last(admin)->result, RESULT_NS_CHANGED);
	assert_int_equal(ctrl->nr_aer, 0);
	assert_int_equal(ctrl->nr_changed_ns, 3);
	assert_int_equal(atomic_load(&ctrl->refs), 1);
	fake_sq_free(admin);
}

static void test_namespace_that_goes_away_is_told(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvmet_ns *ns = nvmet_subsys_ns(fake_subsys(FAKE_SUBSYS), 5);
	struct nvme_ns_list list;

	(void)state;
	enable(admin, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES);
	aer(admin);
	nvmet_ns_set_state(ns, 0, ns->nsze); /* as it was */
	fake_turn();
	assert_int_equal(admin->sq.ctrl->nr_aer, 1);
	nvmet_ns_set_state(ns, ST_NS_NOT_READY | NVMET_CRD1, 0);
	fake_turn();
	assert_int_equal(admin->sq.ctrl->nr_aer, 0);
	fake_get_log(admin, NVME_LOG_LID_CHANGED_NS, false, 0, &list, sizeof(list));
	assert_int_equal(le32toh(list.ns[0]), 5);
	fake_sq_free(admin);
}

static void test_abort_ends_held_requests_only(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint16_t cid;

	(void)state;
	aer(admin);
	cid = admin->next_cid;
	aer(admin);
	aer(admin);
	assert_int_equal(abort_cmd(admin, 0, cid), 0);
	assert_int_equal(fake_last(admin)->result, 0);
	assert_int_equal(fake_rsp_of(admin, cid)->status, ST_ABORT_REQ);
	assert_int_equal(admin->sq.ctrl->nr_aer, 2);
	/* Again, itself, unknown ones, on queues that are and are not. */
	assert_int_equal(abort_cmd(admin, 0, cid), 0);
	assert_int_equal(fake_last(admin)->result, 1);
	assert_int_equal(abort_cmd(admin, 0, admin->next_cid), 0);
	assert_int_equal(fake_last(admin)->result, 1);
	assert_int_equal(abort_cmd(admin, 1, cid + 1), 0);
	assert_int_equal(fake_last(admin)->result, 1);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(abort_cmd(admin, 0xffff, (uint16_t)i), 0);
		assert_int_equal(fake_last(admin)->result, 1);
	}
	assert_int_equal(admin->sq.ctrl->nr_aer, 2);
	assert_int_equal(admin->sq.outstanding, 2);
	fake_sq_free(admin);
}

static void test_abort_is_not_a_discovery_command(void **state)
{
	struct fake_sq *admin = fake_host(NQN_DISCOVERY, FAKE_HOST, 1);

	(void)state;
	assert_int_equal(abort_cmd(admin, 0, 0), ST_INVALID_OPCODE | ST_DNR);
	fake_sq_free(admin);
}

static void test_admin_unknown_opcodes_are_refused(void **state)
{
	static const uint8_t known[] = { 0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18, 0x7f };
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	uint8_t data[4096] = { 0 };

	(void)state;
	for (unsigned int opcode = 0; opcode < 256; opcode++)
		if (!memchr(known, (int)opcode, sizeof(known)))
			assert_int_equal(fake_admin(admin, (uint8_t)opcode, 1, none, data,
						    sizeof(data)),
					 ST_INVALID_OPCODE | ST_DNR);
	fake_sq_free(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_aer_above_the_limit_is_refused),
		TEST(test_aer_tells_an_event_once_until_its_log_is_read),
		TEST(test_aer_event_waits_for_a_request),
		TEST(test_aer_events_not_enabled_are_not_told),
		TEST(test_aer_kinds_do_not_mask_each_other),
		TEST(test_aer_temperature_threshold_is_told),
		TEST(test_aer_discovery_change_reaches_every_discovery_controller),
		TEST(test_changed_namespaces_more_than_fit_become_all),
		TEST(test_event_to_a_controller_that_goes_is_harmless),
		TEST(test_events_of_other_threads_arrive),
		TEST(test_namespace_that_goes_away_is_told),
		TEST(test_abort_ends_held_requests_only),
		TEST(test_abort_is_not_a_discovery_command),
		TEST(test_admin_unknown_opcodes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
