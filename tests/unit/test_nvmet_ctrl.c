// SPDX-License-Identifier: BSD-2-Clause
/*
 * Controllers: registers, reset and shutdown, keep alive, the end of an association, the error log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "tests/fake/fake_sq.h"

#define CC_SHN(shn)   ((uint32_t)(shn) << NVME_CC_SHN_SHIFT)
#define CC_CSS(css)   ((uint32_t)(css) << NVME_CC_CSS_SHIFT)
#define CC_NO_EN      (FAKE_CC_EN & ~1u)
#define CSTS_SHST(st) ((uint32_t)(st) << NVME_CSTS_SHST_SHIFT)

enum {
	RDY = 1 << NVME_CSTS_RDY_SHIFT,
	OCCUR = NVME_CSTS_SHST_OCCUR << NVME_CSTS_SHST_SHIFT,
	COMPLETE = NVME_CSTS_SHST_CMPLT << NVME_CSTS_SHST_SHIFT,
};

static struct fake_sq *host_not_enabled(const char *subnqn, uint32_t kato_ms)
{
	struct fake_connect c = {
		.subnqn = subnqn, .hostnqn = FAKE_HOST, .hostid = 1, .kato_ms = kato_ms
	};
	struct fake_sq *f = fake_sq_new(fake_port(0), 0);

	assert_int_equal(fake_connect(f, &c), 0);
	return f;
}

static uint32_t csts(struct fake_sq *admin)
{
	uint64_t value = 0;

	assert_int_equal(fake_prop_get(admin, NVME_REG_CSTS, 4, &value), 0);
	return (uint32_t)value;
}

/* ---- CC and CSTS ---- */

static void test_cc_steps_show_in_csts(void **state)
{
	static const struct {
		uint32_t cc;
		uint16_t status;
		uint32_t csts;
	} steps[] = {
		{ CC_NO_EN, 0, 0 },
		{ FAKE_CC_EN, 0, RDY },
		{ FAKE_CC_EN, 0, RDY },
		{ CC_NO_EN, 0, 0 },
		{ FAKE_CC_EN | CC_CSS(NVME_CC_CSS_CSI), 0, RDY },
		{ FAKE_CC_EN | CC_CSS(NVME_CC_CSS_CSI) | CC_SHN(NVME_CC_SHN_NORMAL), 0,
		  RDY | COMPLETE },
		{ FAKE_CC_EN | CC_CSS(NVME_CC_CSS_CSI) | CC_SHN(NVME_CC_SHN_ABRUPT), 0,
		  RDY | COMPLETE },
		{ CC_NO_EN | CC_SHN(NVME_CC_SHN_ABRUPT), 0, COMPLETE },
		{ CC_NO_EN, 0, 0 },
		/* Refused: nothing changes. */
		{ 0x00460001 | 1 << NVME_CC_MPS_SHIFT, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00460001 | 1 << NVME_CC_AMS_SHIFT, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00460001 | 7 << NVME_CC_CSS_SHIFT, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00460001 | 1 << NVME_CC_CSS_SHIFT, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00460001 | 1 << NVME_CC_CRIME_SHIFT, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00450001, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00360001, ST_INVALID_FIELD | ST_DNR, 0 },
		{ 0x00000001, ST_INVALID_FIELD | ST_DNR, 0 },
		{ FAKE_CC_EN, 0, RDY },
	};
	struct fake_sq *admin = host_not_enabled(FAKE_SUBSYS, 0);

	(void)state;
	assert_int_equal(csts(admin), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(fake_prop_set(admin, NVME_REG_CC, steps[i].cc), steps[i].status);
		if (csts(admin) != steps[i].csts)
			fail_msg("step %zu: CSTS %x", i, csts(admin));
	}
	fake_sq_free(admin);
}

static void test_cc_discovery_needs_no_entry_sizes(void **state)
{
	struct fake_sq *admin = host_not_enabled(NQN_DISCOVERY, 0);

	(void)state;
	assert_int_equal(fake_prop_set(admin, NVME_REG_CC, 1), 0);
	assert_int_equal(csts(admin), RDY);
	fake_sq_free(admin);
}

static void test_admin_commands_want_an_enabled_controller(void **state)
{
	struct fake_sq *admin = host_not_enabled(FAKE_SUBSYS, 0);
	uint8_t data[4096];

	(void)state;
	assert_int_equal(fake_identify(admin, NVME_IDENTIFY_CNS_CTRL, 0, data) & ST_MASK,
			 ST_CMD_SEQ_ERROR);
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN);
	assert_int_equal(fake_identify(admin, NVME_IDENTIFY_CNS_CTRL, 0, data), 0);
	fake_prop_set(admin, NVME_REG_CC, CC_NO_EN);
	assert_int_equal(fake_identify(admin, NVME_IDENTIFY_CNS_CTRL, 0, data) & ST_MASK,
			 ST_CMD_SEQ_ERROR);
	fake_sq_free(admin);
}

static void test_reset_is_over_when_the_last_io_queue_is_gone(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct fake_sq *a = fake_io_queue(admin, 1, 0), *b = fake_io_queue(admin, 2, 1);

	(void)state;
	assert_int_equal(fake_prop_set(admin, NVME_REG_CC, CC_NO_EN), 0);
	assert_true(a->closed && b->closed && !admin->closed);
	assert_int_equal(csts(admin), RDY);
	/* A host that does not wait is told so, and may come again. */
	assert_int_equal(fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN), ST_CMD_SEQ_ERROR);
	fake_sq_free(a);
	assert_int_equal(csts(admin), RDY);
	fake_sq_free(b);
	assert_int_equal(csts(admin), 0);
	assert_int_equal(fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN), 0);
	a = fake_io_queue(admin, 1, 1);
	assert_non_null(a);
	fake_sq_free(a);
	fake_sq_free(admin);
}

static void test_shutdown_is_complete_when_the_last_io_queue_is_gone(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 1, 1);

	(void)state;
	assert_int_equal(fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN | CC_SHN(NVME_CC_SHN_NORMAL)),
			 0);
	assert_true(io->closed);
	assert_int_equal(csts(admin), RDY | OCCUR);
	assert_null(fake_io_queue(admin, 2, 0));
	fake_sq_free(io);
	assert_int_equal(csts(admin), RDY | COMPLETE);
	fake_sq_free(admin);
}

static void test_reset_forgets_what_the_host_set(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	const uint32_t queues[6] = { NVME_FEAT_FID_NUM_QUEUES, 0 };
	const uint32_t events[6] = { NVME_FEAT_FID_ASYNC_EVENT, 0x100 };
	const uint32_t none[6] = { 0 };
	uint16_t cid = admin->next_cid;

	(void)state;
	assert_int_equal(fake_admin(admin, nvme_admin_async_event, 0, none, NULL, 0), FAKE_HELD);
	fake_admin(admin, nvme_admin_set_features, 0, queues, NULL, 0);
	fake_admin(admin, nvme_admin_set_features, 0, events, NULL, 0);
	assert_int_equal(admin->sq.ctrl->granted_queues, 1);
	assert_int_equal(admin->sq.ctrl->aen_config, 0x100);
	fake_prop_set(admin, NVME_REG_CC, CC_NO_EN);
	assert_int_equal(fake_rsp_of(admin, cid)->status, ST_ABORT_QUEUE);
	assert_int_equal(admin->sq.ctrl->granted_queues, 0);
	assert_int_equal(admin->sq.ctrl->aen_config, 0);
	assert_int_equal(admin->sq.ctrl->nr_aer, 0);
	fake_sq_free(admin);
}

static void test_cc_storm_leaves_a_working_controller(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1), *io = NULL;
	unsigned int seed = (unsigned int)getpid();

	(void)state;
	print_message("seed %u\n", seed);
	for (int i = 0; i < 20000; i++) {
		uint32_t cc = rand_r(&seed) % 4 ? FAKE_CC_EN : CC_NO_EN;
		uint32_t before = csts(admin);

		if (!(rand_r(&seed) % 3))
			cc |= CC_SHN(rand_r(&seed) % 3);
		fake_prop_set(admin, NVME_REG_CC, cc);
		if (!io)
			io = fake_io_queue(admin, 1, 1);
		else if (io->closed || !(rand_r(&seed) % 8)) {
			fake_sq_free(io);
			io = NULL;
		}
		assert_false(csts(admin) & ~(RDY | OCCUR | COMPLETE));
		assert_false(before & ~(RDY | OCCUR | COMPLETE));
		assert_int_equal(admin->sq.ctrl->nr_io_queues, io ? 1 : 0);
	}
	fake_sq_free(io);
	fake_prop_set(admin, NVME_REG_CC, CC_NO_EN);
	assert_int_equal(csts(admin), 0);
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN);
	assert_int_equal(csts(admin), RDY);
	fake_sq_free(admin);
}

/* ---- keep alive ---- */

static void test_kato_is_rounded_up(void **state)
{
	static const struct {
		uint32_t asked, kept;
	} cases[] = {
		{ 0, 0 },
		{ 1, 1000 },
		{ 999, 1000 },
		{ 1000, 1000 },
		{ 1001, 2000 },
		{ 15000, 15000 },
		{ 0xffffffff, 4294967000u },
		{ 4294967000u, 4294967000u },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_sq *admin = host_not_enabled(FAKE_SUBSYS, cases[i].asked);

		assert_int_equal(admin->sq.ctrl->kato_ms, cases[i].kept);
		fake_sq_free(admin);
	}
}

static void expire(struct fake_sq *admin)
{
	struct loop_timer *timer = &admin->sq.ctrl->ka_timer;

	assert_true(timer->armed);
	loop_timer_stop(timer);
	timer->fn(timer);
}

static void test_keep_alive_traffic_of_any_queue_counts(void **state)
{
	struct fake_sq *admin = host_not_enabled(FAKE_SUBSYS, 5000), *io;
	struct nvme_sqe flush = { .opcode = nvme_cmd_flush, .nsid = le32_make(1) };
	const uint32_t none[6] = { 0 };

	(void)state;
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN);
	io = fake_io_queue(admin, 1, 1);
	expire(admin); /* everything so far was traffic */
	assert_false(admin->closed);
	fake_cmd(io, &flush, NULL, 0);
	expire(admin);
	assert_false(admin->closed);
	assert_int_equal(fake_admin(admin, nvme_admin_keep_alive, 0, none, NULL, 0), 0);
	expire(admin);
	assert_false(admin->closed || io->closed);
	expire(admin);
	assert_true(admin->closed && io->closed);
	assert_string_equal(admin->why, "keep alive timer expired");
	assert_false(admin->sq.ctrl->ka_timer.armed);
	/* The association is over though its connections are still there. */
	assert_null(nvmet_ctrl_find(fake_subsys(FAKE_SUBSYS), 1));
	fake_sq_free(admin);
	fake_sq_free(io);
}

static void test_keep_alive_timer_runs_while_it_should(void **state)
{
	struct fake_sq *with = host_not_enabled(FAKE_SUBSYS, 5000);
	struct fake_sq *without = host_not_enabled(FAKE_SUBSYS, 0);
	struct fake_sq *discovery = host_not_enabled(NQN_DISCOVERY, 0);
	const uint32_t off[6] = { NVME_FEAT_FID_KATO, 0 };

	(void)state;
	/* Nobody keeps a controller that he does not enable. */
	assert_true(without->sq.ctrl->ka_timer.armed);
	fake_prop_set(without, NVME_REG_CC, FAKE_CC_EN);
	assert_false(without->sq.ctrl->ka_timer.armed);
	fake_prop_set(without, NVME_REG_CC, CC_NO_EN);
	assert_true(without->sq.ctrl->ka_timer.armed);
	fake_prop_set(with, NVME_REG_CC, FAKE_CC_EN);
	assert_true(with->sq.ctrl->ka_timer.armed);
	assert_int_equal(fake_admin(with, nvme_admin_set_features, 0, off, NULL, 0), 0);
	assert_false(with->sq.ctrl->ka_timer.armed);
	fake_prop_set(discovery, NVME_REG_CC, FAKE_CC_EN);
	assert_true(discovery->sq.ctrl->ka_timer.armed);
	fake_sq_free(with);
	fake_sq_free(without);
	fake_sq_free(discovery);
}

/* ---- the end of an association ---- */

static void test_admin_queue_takes_its_io_queues_along(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 1, 1);
	struct nvmet_subsys *subsys = fake_subsys(FAKE_SUBSYS);

	(void)state;
	fake_sq_free(admin);
	assert_true(io->closed);
	/* The CNTLID stays taken, but nobody finds the controller any more. */
	assert_int_equal(subsys->nr_ctrls, 1);
	assert_null(nvmet_ctrl_find(subsys, 1));
	fake_sq_free(io);
	assert_int_equal(subsys->nr_ctrls, 0);
}

static void test_connect_waits_for_commands_of_the_last_association(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 1, 1);
	struct fake_connect same = { .subnqn = FAKE_SUBSYS, .hostnqn = FAKE_HOST, .hostid = 1 };
	struct fake_connect other = { .subnqn = FAKE_SUBSYS, .hostnqn = FAKE_HOST, .hostid = 2 };
	struct fake_sq *again = fake_sq_new(fake_port(0), 0),
		       *stranger = fake_sq_new(fake_port(0), 0);
	struct fake_sq *second = fake_sq_new(fake_port(0), 0);

	(void)state;
	/* A second path beside a live one is no matter. */
	assert_int_equal(fake_connect(second, &same), 0);
	fake_sq_free(second);
	fake_sq_free(admin);
	assert_int_equal(fake_connect(again, &same), ST_CONNECT_BUSY);
	assert_int_equal(fake_connect(stranger, &other), 0);
	fake_sq_free(io);
	assert_int_equal(fake_connect(again, &same), 0);
	fake_sq_free(again);
	fake_sq_free(stranger);
}

static void test_kill_closes_every_queue(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1), *io[8];

	(void)state;
	for (uint16_t i = 0; i < ARRAY_SIZE(io); i++)
		assert_non_null(io[i] = fake_io_queue(admin, i + 1, i % FAKE_CORES));
	nvmet_ctrl_kill(admin->sq.ctrl, "test");
	assert_true(admin->closed);
	for (size_t i = 0; i < ARRAY_SIZE(io); i++) {
		assert_string_equal(io[i]->why, "test");
		fake_sq_free(io[i]);
	}
	fake_sq_free(admin);
}

static void test_controllers_above_the_limit_are_busy(void **state)
{
	struct nvmet_subsys *subsys = fake_subsys(FAKE_SUBSYS);
	struct fake_connect c = { .subnqn = FAKE_SUBSYS, .hostnqn = FAKE_HOST, .hostid = 1 };
	struct fake_sq *f = fake_sq_new(fake_port(0), 0);

	(void)state;
	subsys->nr_ctrls = MAX_CTRLS;
	assert_int_equal(fake_connect(f, &c), ST_CONNECT_BUSY);
	subsys->nr_ctrls = 0;
	assert_int_equal(fake_connect(f, &c), 0);
	fake_sq_free(f);
}

/* ---- error log ---- */

static void test_errors_are_logged_newest_first(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 3, 1);
	struct nvme_sqe read = { .opcode = nvme_cmd_read,
				 .nsid = le32_make(1),
				 .cdw10 = le32_make(0xfffffff0) };
	struct nvme_error_log_page log[3];
	uint8_t data[4096];

	(void)state;
	read.cdw11 = le32_make(0x1);
	fake_identify(admin, 0xee, 0, data);
	admin->next_cid = 0x1234;
	fake_identify(admin, NVME_IDENTIFY_CNS_NS, 99999, data);
	io->next_cid = 0xabcd;
	assert_int_equal(fake_cmd(io, &read, data, 512) & ST_MASK, ST_LBA_RANGE);
	assert_int_equal(fake_get_log(admin, NVME_LOG_LID_ERROR, false, 0, log, sizeof(log)), 0);
	assert_int_equal(le64toh(log[0].error_count), 3);
	assert_int_equal(le16toh(log[0].sqid), 3);
	assert_int_equal(le16toh(log[0].cmdid), 0xabcd);
	assert_int_equal(le64toh(log[0].lba), 0x1fffffff0);
	assert_int_equal(le32toh(log[0].nsid), 1);
	assert_int_equal(le16toh(log[0].parm_error_location), 40);
	assert_int_equal(le16toh(log[0].status_field) >> 1, ST_LBA_RANGE | ST_DNR);
	assert_int_equal(le16toh(log[1].cmdid), 0x1234);
	assert_int_equal(le16toh(log[1].status_field) >> 1, ST_INVALID_NS | ST_DNR);
	assert_int_equal(le32toh(log[1].nsid), 99999);
	assert_int_equal(le64toh(log[2].error_count), 1);
	fake_sq_free(io);
	fake_sq_free(admin);
}

static void test_errors_beyond_the_log_push_out_the_oldest(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvme_error_log_page log[MAX_LOG_ERRORS + 2];
	uint8_t data[4096];

	(void)state;
	for (int i = 0; i < MAX_LOG_ERRORS + 10; i++)
		fake_identify(admin, 0xee, 0, data);
	assert_int_equal(fake_get_log(admin, NVME_LOG_LID_ERROR, false, 0, log, sizeof(log)), 0);
	for (int i = 0; i < MAX_LOG_ERRORS; i++)
		assert_int_equal(le64toh(log[i].error_count), MAX_LOG_ERRORS + 10 - i);
	assert_int_equal(log[MAX_LOG_ERRORS].error_count, 0);
	fake_sq_free(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cc_steps_show_in_csts),
		TEST(test_cc_discovery_needs_no_entry_sizes),
		TEST(test_admin_commands_want_an_enabled_controller),
		TEST(test_reset_is_over_when_the_last_io_queue_is_gone),
		TEST(test_shutdown_is_complete_when_the_last_io_queue_is_gone),
		TEST(test_reset_forgets_what_the_host_set),
		TEST(test_cc_storm_leaves_a_working_controller),
		TEST(test_kato_is_rounded_up),
		TEST(test_keep_alive_traffic_of_any_queue_counts),
		TEST(test_keep_alive_timer_runs_while_it_should),
		TEST(test_admin_queue_takes_its_io_queues_along),
		TEST(test_connect_waits_for_commands_of_the_last_association),
		TEST(test_kill_closes_every_queue),
		TEST(test_controllers_above_the_limit_are_busy),
		TEST(test_errors_are_logged_newest_first),
		TEST(test_errors_beyond_the_log_push_out_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
