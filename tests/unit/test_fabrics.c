// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connect, against hosts that mean well and others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "tests/fake/fake_sq.h"

#define SQE_LOC(field)	offsetof(struct nvme_fabrics_connect, field)
#define DATA_LOC(field) (1 << 16 | offsetof(struct nvme_connect_data, field))
#define BAD_PARAM	ST_CONNECT_INVALID_PARAM

static const struct fake_connect good = { .subnqn = FAKE_SUBSYS,
					  .hostnqn = FAKE_HOST,
					  .hostid = 1 };

static void test_connect_admin_queue_answers_cntlid(void **state)
{
	struct fake_sq *a = fake_sq_new(fake_port(0), 0), *b = fake_sq_new(fake_port(0), 1);
	struct fake_connect with_flow = good;

	(void)state;
	assert_int_equal(fake_connect(a, &good), 0);
	assert_int_equal(fake_last(a)->result, 1);
	assert_int_equal(fake_last(a)->sqhd, 1);
	assert_int_equal(a->sq.size, 32);
	assert_int_equal(a->sq.qid, 0);
	with_flow.cattr = NVME_CATTR_DISABLE_SQFLOW;
	assert_int_equal(fake_connect(b, &with_flow), 0);
	assert_int_equal(fake_last(b)->result, 2);
	assert_int_equal(fake_last(b)->sqhd, 0xffff);
	assert_memory_equal(b->sq.ctrl->hostid, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 16);
	assert_string_equal(b->sq.ctrl->hostnqn, FAKE_HOST);
	fake_sq_free(a);
	fake_sq_free(b);
}

/* ---- what is wrong with the command itself ---- */

static void spoil_recfmt(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->recfmt = le16_make(1);
}

static void spoil_sqsize_0(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->sqsize = le16_make(0);
}

static void spoil_sqsize_above(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->sqsize = le16_make(128);
}

static void spoil_sqsize_max(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->sqsize = le16_make(0xffff);
}

static void largest_sqsize(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->sqsize = le16_make(127);
}

static void reserved_cattr(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)data;
	sqe->cattr = 0xfb;
}

static void spoil_cntlid(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	data->cntlid = le16_make(1);
}

static void spoil_subnqn_endless(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memset(data->subnqn, 'a', sizeof(data->subnqn));
}

static void spoil_subnqn_empty(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	data->subnqn[0] = 0;
}

static void spoil_subnqn_224(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memset(data->subnqn, 'a', 224);
	data->subnqn[224] = 0;
}

static void unknown_subnqn_223(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memset(data->subnqn, 'a', 223);
	data->subnqn[223] = 0;
}

static void unknown_subnqn(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	data->subnqn[strlen(FAKE_SUBSYS) - 1] = 'z';
}

static void spoil_hostnqn_endless(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memset(data->hostnqn, 'a', sizeof(data->hostnqn));
}

static void hostnqn_empty(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memset(data->hostnqn, 0, sizeof(data->hostnqn));
}

static void spoil_hostnqn_control(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	memcpy(data->hostnqn + 4, "\x1b[2J\r\n", 6);
}

static void not_allowed(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	(void)sqe;
	snprintf(data->subnqn, sizeof(data->subnqn), FAKE_SUBSYS_ACL);
	snprintf(data->hostnqn, sizeof(data->hostnqn), FAKE_OTHER);
}

static void not_allowed_without_name(struct nvme_fabrics_connect *sqe,
				     struct nvme_connect_data *data)
{
	hostnqn_empty(sqe, data);
	snprintf(data->subnqn, sizeof(data->subnqn), FAKE_SUBSYS_ACL);
}

static void io_queue_of_nobody(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	sqe->qid = le16_make(1);
	data->cntlid = le16_make(77);
}

static void io_queue_of_discovery(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data)
{
	snprintf(data->subnqn, sizeof(data->subnqn), NQN_DISCOVERY);
	sqe->qid = le16_make(1);
}

static const struct {
	const char *what;
	void (*spoil)(struct nvme_fabrics_connect *sqe, struct nvme_connect_data *data);
	uint16_t status;
	uint32_t result; /* of Connect Invalid Parameters */
} bad_connects[] = {
	{ "record format", spoil_recfmt, ST_CONNECT_FORMAT | ST_DNR, 0 },
	{ "queue size 0", spoil_sqsize_0, BAD_PARAM | ST_DNR, SQE_LOC(sqsize) },
	{ "queue above MQES", spoil_sqsize_above, BAD_PARAM | ST_DNR, SQE_LOC(sqsize) },
	{ "queue size FFFFh", spoil_sqsize_max, BAD_PARAM | ST_DNR, SQE_LOC(sqsize) },
	{ "static CNTLID", spoil_cntlid, BAD_PARAM | ST_DNR, DATA_LOC(cntlid) },
	{ "subsystem without NUL", spoil_subnqn_endless, BAD_PARAM | ST_DNR, DATA_LOC(subnqn) },
	{ "empty subsystem", spoil_subnqn_empty, BAD_PARAM | ST_DNR, DATA_LOC(subnqn) },
	{ "subsystem of 224 bytes", spoil_subnqn_224, BAD_PARAM | ST_DNR, DATA_LOC(subnqn) },
	{ "host without NUL", spoil_hostnqn_endless, BAD_PARAM | ST_DNR, DATA_LOC(hostnqn) },
	{ "control characters", spoil_hostnqn_control, BAD_PARAM | ST_DNR, DATA_LOC(hostnqn) },
	/* What may be otherwise tomorrow must not carry DNR. */
	{ "subsystem of 223 bytes", unknown_subnqn_223, BAD_PARAM, DATA_LOC(subnqn) },
	{ "unknown subsystem", unknown_subnqn, BAD_PARAM, DATA_LOC(subnqn) },
	{ "host not allowed", not_allowed, ST_CONNECT_INVALID_HOST, 0 },
	{ "host without a name", not_allowed_without_name, ST_CONNECT_INVALID_HOST, 0 },
	{ "unknown controller", io_queue_of_nobody, BAD_PARAM, DATA_LOC(cntlid) },
	{ "I/O queue of discovery", io_queue_of_discovery, BAD_PARAM, DATA_LOC(cntlid) },
	{ "nothing: 128 entries", largest_sqsize, 0, 0 },
	{ "nothing: attributes", reserved_cattr, 0, 0 },
	{ "nothing: no name, any host may come", hostnqn_empty, 0, 0 },
};

static void test_connect_bad_fields_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_connects); i++) {
		struct fake_sq *f = fake_sq_new(fake_port(0), 0);
		struct nvme_fabrics_connect sqe;
		struct nvme_connect_data data;
		uint16_t status;

		fake_connect_cmd(&good, &sqe, &data);
		bad_connects[i].spoil(&sqe, &data);
		status = fake_connect_send(f, &sqe, &data);
		if (status != bad_connects[i].status ||
		    (status && fake_last(f)->result != bad_connects[i].result))
			fail_msg("%s: status %04x result %llx", bad_connects[i].what, status,
				 (unsigned long long)fake_last(f)->result);
		assert_true(!status == !!f->sq.ctrl);
		/* A queue that was refused may try again. */
		assert_int_equal(fake_connect(f, &good), status ? 0 : ST_CMD_SEQ_ERROR | ST_DNR);
		fake_sq_free(f);
	}
}

static void test_connect_data_of_another_length_is_refused(void **state)
{
	static const uint32_t lengths[] = { 0, 4, 1020, 1028, 2048 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct fake_sq *f = fake_sq_new(fake_port(0), 0);
		struct nvme_fabrics_connect connect;
		uint8_t data[4096] = { 0 };
		struct nvme_sqe sqe;

		fake_connect_cmd(&good, &connect, (struct nvme_connect_data *)data);
		memcpy(&sqe, &connect, sizeof(sqe));
		assert_int_equal(fake_cmd(f, &sqe, data, lengths[i]), ST_SGL_INVALID_DATA | ST_DNR);
		assert_null(f->sq.ctrl);
		fake_sq_free(f);
	}
}

static void test_connect_twice_on_a_queue_is_refused(void **state)
{
	struct fake_sq *f = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	struct nvmet_ctrl *ctrl = f->sq.ctrl;

	(void)state;
	assert_int_equal(fake_connect(f, &good), ST_CMD_SEQ_ERROR | ST_DNR);
	assert_ptr_equal(f->sq.ctrl, ctrl);
	assert_int_equal(ctrl->subsys->nr_ctrls, 1);
	fake_sq_free(f);
}

static void test_connect_peer_names_are_never_logged_raw(void **state)
{
	struct fake_connect c = good;
	struct fake_sq *f = fake_sq_new(fake_port(0), 0);
	struct nvme_fabrics_connect sqe;
	struct nvme_connect_data data;
	FILE *log = tmpfile();
	int saved = dup(2), ch;
	size_t printed = 0;

	(void)state;
	assert_non_null(log);
	log_set_level(LOG_LVL_DEBUG);
	dup2(fileno(log), 2);
	c.subnqn = "nqn.2026-01.org.example:\"unknown\\\"";
	fake_connect(f, &c);
	fake_connect_cmd(&good, &sqe, &data);
	spoil_hostnqn_control(&sqe, &data);
	fake_connect_send(f, &sqe, &data);
	dup2(saved, 2);
	close(saved);
	log_set_level(LOG_LVL_ERROR);
	rewind(log);
	while ((ch = fgetc(log)) != EOF) {
		assert_true(ch == '\n' || (ch >= 0x20 && ch < 0x7f));
		printed++;
	}
	assert_true(printed > 100);
	fclose(log);
	fake_sq_free(f);
}

static void test_connect_random_commands_never_crash(void **state)
{
	unsigned int seed = (unsigned int)getpid(), admitted = 0;

	(void)state;
	print_message("seed %u\n", seed);
	for (int i = 0; i < 3000; i++) {
		struct fake_sq *f = fake_sq_new(fake_port(0), 0);
		struct nvme_fabrics_connect sqe;
		struct nvme_connect_data data;
		uint8_t *where;

		fake_connect_cmd(&good, &sqe, &data);
		for (int flips = rand_r(&seed) % 3; flips; flips--) {
			bool in_sqe = rand_r(&seed) & 1;
			size_t at = (size_t)rand_r(&seed) % (in_sqe ? 12 : sizeof(data));

			where = in_sqe ? (uint8_t *)&sqe + SQE_LOC(recfmt) + at
				       : (uint8_t *)&data + at;
			*where = (uint8_t)rand_r(&seed);
		}
		assert_int_not_equal(fake_connect_send(f, &sqe, &data), FAKE_HELD);
		assert_int_equal(f->nr_rsps, 1);
		admitted += f->sq.ctrl != NULL;
		fake_sq_free(f);
	}
	assert_true(admitted > 100 && admitted < 3000);
}

/* ---- I/O queues ---- */

static void test_connect_io_queue_joins_its_controller(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1), *io;

	(void)state;
	io = fake_io_queue(admin, 8, 1);
	assert_non_null(io);
	assert_ptr_equal(io->sq.ctrl, admin->sq.ctrl);
	assert_int_equal(io->sq.qid, 8);
	assert_int_equal(fake_last(io)->result, admin->sq.ctrl->cntlid);
	assert_int_equal(admin->sq.ctrl->nr_io_queues, 1);
	fake_sq_free(io);
	assert_int_equal(admin->sq.ctrl->nr_io_queues, 0);
	fake_sq_free(admin);
}

static void test_connect_io_queue_of_somebody_else_is_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);
	const uint16_t cntlid = admin->sq.ctrl->cntlid;
	const struct {
		struct fake_connect c;
		unsigned int port;
		uint16_t status;
		uint32_t result;
	} cases[] = {
		{ { FAKE_SUBSYS, FAKE_OTHER, 1, cntlid, .hostid = 1 },
		  0,
		  BAD_PARAM,
		  DATA_LOC(hostnqn) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, cntlid, .hostid = 2 },
		  0,
		  BAD_PARAM,
		  DATA_LOC(hostid) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, 9, .hostid = 1 }, 0, BAD_PARAM, DATA_LOC(cntlid) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, 0, .hostid = 1 }, 0, BAD_PARAM, DATA_LOC(cntlid) },
		{ { FAKE_SUBSYS_NONE, FAKE_HOST, 1, cntlid, .hostid = 1 },
		  0,
		  BAD_PARAM,
		  DATA_LOC(cntlid) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, cntlid, .hostid = 1 },
		  1,
		  BAD_PARAM,
		  DATA_LOC(subnqn) },
		{ { FAKE_SUBSYS, FAKE_HOST, 9, cntlid, .hostid = 1 },
		  0,
		  BAD_PARAM | ST_DNR,
		  SQE_LOC(qid) },
		{ { FAKE_SUBSYS, FAKE_HOST, 0xffff, cntlid, .hostid = 1 },
		  0,
		  BAD_PARAM | ST_DNR,
		  SQE_LOC(qid) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, cntlid, .hostid = 1, .sqsize = 128 },
		  0,
		  BAD_PARAM | ST_DNR,
		  SQE_LOC(sqsize) },
		{ { FAKE_SUBSYS, FAKE_HOST, 1, cntlid, .hostid = 1, .sqsize = 127 }, 0, 0, cntlid },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_sq *io = fake_sq_new(fake_port(cases[i].port), 1);

		assert_int_equal(fake_connect(io, &cases[i].c), cases[i].status);
		assert_int_equal(fake_last(io)->result, cases[i].result);
		fake_sq_free(io);
	}
	fake_sq_free(admin);
}

static void test_connect_io_queue_through_another_port_is_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS_NONE, FAKE_HOST, 1);
	struct fake_sq *io = fake_sq_new(fake_port(1), 0);
	struct fake_connect c = { FAKE_SUBSYS_NONE, FAKE_HOST, 1, admin->sq.ctrl->cntlid,
				  .hostid = 1 };

	(void)state;
	assert_int_equal(fake_connect(io, &c), BAD_PARAM);
	assert_int_equal(fake_last(io)->result, DATA_LOC(cntlid));
	fake_sq_free(io);
	fake_sq_free(admin);
}

static void test_connect_io_queue_wants_an_enabled_controller(void **state)
{
	struct fake_sq *admin = fake_sq_new(fake_port(0), 0), *io;
	struct fake_connect c = good;

	(void)state;
	assert_int_equal(fake_connect(admin, &good), 0);
	io = fake_sq_new(fake_port(0), 1);
	c.qid = 1;
	c.cntlid = admin->sq.ctrl->cntlid;
	assert_int_equal(fake_connect(io, &c), ST_CMD_SEQ_ERROR);
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN);
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN | NVME_CC_SHN_NORMAL << NVME_CC_SHN_SHIFT);
	assert_int_equal(fake_connect(io, &c), ST_CMD_SEQ_ERROR);
	fake_prop_set(admin, NVME_REG_CC, 0);
	assert_int_equal(fake_connect(io, &c), ST_CMD_SEQ_ERROR);
	fake_prop_set(admin, NVME_REG_CC, FAKE_CC_EN);
	assert_int_equal(fake_connect(io, &c), 0);
	fake_sq_free(io);
	fake_sq_free(admin);
}

static void test_connect_qid_in_use_is_refused_until_it_is_gone(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1),
		       *io = fake_io_queue(admin, 1, 0);
	struct fake_sq *again = fake_sq_new(fake_port(0), 1);
	struct fake_connect c = good;

	(void)state;
	c.qid = 1;
	c.cntlid = admin->sq.ctrl->cntlid;
	assert_int_equal(fake_connect(again, &c), ST_CMD_SEQ_ERROR);
	/* The connection broke, but commands are at a backend: the queue is not detached yet. */
	io->sq.dead = true;
	assert_int_equal(fake_connect(again, &c), ST_CMD_SEQ_ERROR);
	fake_sq_free(io);
	assert_int_equal(fake_connect(again, &c), 0);
	fake_sq_free(again);
	fake_sq_free(admin);
}

static void test_connect_queues_beyond_the_granted_are_refused(void **state)
{
	struct fake_sq *admin = fake_host(FAKE_SUBSYS, FAKE_HOST, 1), *io;
	const uint32_t dw[6] = { NVME_FEAT_FID_NUM_QUEUES, 1 << 16 | 1 };

	(void)state;
	assert_int_equal(fake_admin(admin, nvme_admin_set_features, 0, dw, NULL, 0), 0);
	assert_int_equal(fake_last(admin)->result, 1 << 16 | 1);
	assert_null(fake_io_queue(admin, 3, 0));
	io = fake_io_queue(admin, 2, 0);
	assert_non_null(io);
	fake_sq_free(io);
	fake_sq_free(admin);
}

/* ---- limits ---- */

static void test_connect_without_a_free_cntlid_is_busy(void **state)
{
	struct fake_connect c = { .subnqn = FAKE_SUBSYS_ACL, .hostnqn = FAKE_HOST, .hostid = 1 };
	struct fake_sq *a = fake_sq_new(fake_port(0), 0), *b = fake_sq_new(fake_port(0), 0);

	(void)state;
	assert_int_equal(fake_connect(a, &c), 0);
	assert_int_equal(fake_last(a)->result, 7);
	assert_int_equal(fake_connect(b, &c), ST_CONNECT_BUSY);
	fake_sq_free(a);
	assert_int_equal(fake_connect(b, &c), 0);
	fake_sq_free(b);
}

static void test_connect_cntlid_comes_back_as_late_as_possible(void **state)
{
	uint16_t expected = 0, first = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct fake_sq *f = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

		if (!i)
			first = f->sq.ctrl->cntlid;
		else
			assert_int_equal(f->sq.ctrl->cntlid, expected);
		expected = f->sq.ctrl->cntlid + 1;
		fake_sq_free(f);
	}
	/* Round the end of the range, past one in use. */
	fake_subsys(FAKE_SUBSYS)->cntlid_next = CONFIG_MAX_CNTLID;
	for (int i = 0; i < 2; i++) {
		struct fake_sq *f = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

		assert_int_equal(f->sq.ctrl->cntlid, i ? first : CONFIG_MAX_CNTLID);
		fake_sq_free(f);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connect_admin_queue_answers_cntlid),
		TEST(test_connect_bad_fields_are_refused),
		TEST(test_connect_data_of_another_length_is_refused),
		TEST(test_connect_twice_on_a_queue_is_refused),
		TEST(test_connect_peer_names_are_never_logged_raw),
		TEST(test_connect_random_commands_never_crash),
		TEST(test_connect_io_queue_joins_its_controller),
		TEST(test_connect_io_queue_of_somebody_else_is_refused),
		TEST(test_connect_io_queue_through_another_port_is_refused),
		TEST(test_connect_io_queue_wants_an_enabled_controller),
		TEST(test_connect_qid_in_use_is_refused_until_it_is_gone),
		TEST(test_connect_queues_beyond_the_granted_are_refused),
		TEST(test_connect_without_a_free_cntlid_is_busy),
		TEST(test_connect_cntlid_comes_back_as_late_as_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
