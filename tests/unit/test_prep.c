// SPDX-License-Identifier: BSD-2-Clause
/*
 * The helpers that fill in commands: every byte of the submission queue entry and of the data, as
 * the specifications lay them out, written here as numbers and not with the structures the helpers
 * use. Then those that wait, over NVMe/TCP.
 */
#include "tests/unit/tcp_session.h"

#define SLBA 0x1122334455667788u

static struct nvmh_req req;
static uint8_t data[64];
static const struct iovec iov = { data, sizeof(data) };

/* What a helper must have made of req; dwords by their number. */
struct want {
	uint8_t opcode;
	uint8_t dir;
	uint32_t nsid;
	uint32_t cdw[6]; /* 10..15 */
	uint32_t len;
};

static void begin(void)
{
	memset(&req, 0xff, sizeof(req)); /* nothing of before may show through */
	req.state = NVMH_REQ_IDLE;
	memset(data, 0xee, sizeof(data));
}

static void check(const char *name, const struct want *w)
{
	uint8_t sqe[64] = { w->opcode };
	uint8_t dir = w->dir;
	uint32_t i, b;

	for (b = 0; b < 4; b++) {
		sqe[4 + b] = (uint8_t)(w->nsid >> 8 * b);
		for (i = 0; i < 6; i++)
			sqe[40 + 4 * i + b] = (uint8_t)(w->cdw[i] >> 8 * b);
	}
	print_message("# %s\n", name);
	assert_memory_equal(&req.sqe, sqe, sizeof(sqe));
	assert_int_equal(req.dir, dir);
	assert_int_equal(req.len, w->len);
	assert_null(req.md);
	assert_int_equal(req.md_len, 0);
	if (w->len) {
		assert_ptr_equal(req.iov, &iov);
		assert_int_equal(req.nr_iov, 1);
	} else {
		assert_int_equal(req.nr_iov, 0);
	}
	/* the caller's */
	assert_true(req.timeout_ms == UINT32_MAX && (uintptr_t)req.arg == UINTPTR_MAX);
}

#define CHECK(call, ...)                                 \
	do {                                             \
		begin();                                 \
		call;                                    \
		check(#call, &(struct want)__VA_ARGS__); \
	} while (0)

static void test_prep_blocks_are_as_specified(void **state)
{
	(void)state;
	CHECK(nvmh_prep_rw(&req, 0x02, 7, SLBA, 65536, &iov, 1, 64),
	      { 0x02, NVMH_FROM_CTRL, 7, { 0x55667788, 0x11223344, 0xffff }, 64 });
	CHECK(nvmh_prep_rw(&req, 0x01, 7, SLBA, 1, &iov, 1, 64),
	      { 0x01, NVMH_TO_CTRL, 7, { 0x55667788, 0x11223344, 0 }, 64 });
	CHECK(nvmh_prep_flush(&req, 0xffffffff), { 0x00, NVMH_NO_DATA, 0xffffffff, { 0 }, 0 });
	CHECK(nvmh_prep_compare(&req, 1, SLBA, 2, &iov, 1, 64),
	      { 0x05, NVMH_TO_CTRL, 1, { 0x55667788, 0x11223344, 1 }, 64 });
	CHECK(nvmh_prep_write_zeroes(&req, 1, SLBA, 3),
	      { 0x08, NVMH_NO_DATA, 1, { 0x55667788, 0x11223344, 2 }, 0 });
	CHECK(nvmh_prep_write_uncor(&req, 1, SLBA, 4),
	      { 0x04, NVMH_NO_DATA, 1, { 0x55667788, 0x11223344, 3 }, 0 });
	CHECK(nvmh_prep_verify(&req, 1, SLBA, 5),
	      { 0x0c, NVMH_NO_DATA, 1, { 0x55667788, 0x11223344, 4 }, 0 });
	/* FUA is bit 30, LR bit 31, DEAC bit 25 of dword 12 */
	begin();
	nvmh_prep_rw(&req, 0x01, 1, 0, 8, &iov, 1, 64);
	nvmh_prep_flags(&req, NVMH_FUA | NVMH_LR);
	check("FUA", &(struct want){ 0x01, NVMH_TO_CTRL, 1, { 0, 0, 0xc0000007 }, 64 });
	begin();
	nvmh_prep_write_zeroes(&req, 1, 0, 8);
	nvmh_prep_flags(&req, NVMH_DEAC);
	check("DEAC", &(struct want){ 0x08, NVMH_NO_DATA, 1, { 0, 0, 0x02000007 }, 0 });
}

static void check_data(const uint8_t *want, size_t len)
{
	assert_memory_equal(data, want, len);
	assert_int_equal(data[len], 0xee);
}

static void test_prep_ranges_are_as_specified(void **state)
{
	static const uint8_t dsm[16] = { 0x44, 0x33, 0x22, 0x11, 0x07, 0,    0,	   0,
					 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
	static const uint8_t copy[24] = { 0,	0,    0,    0,	  0,	0,    0,    0,	  0x88,
					  0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xff, 0xff };
	static const uint8_t zeroes[16];

	(void)state;
	CHECK(nvmh_prep_dsm(&req, 1, 4, &iov, 1, 3), { 0x09, NVMH_TO_CTRL, 1, { 2, 4 }, 48 });
	CHECK(nvmh_prep_dsm(&req, 1, 1, &iov, 1, 256), { 0x09, NVMH_TO_CTRL, 1, { 255, 1 }, 4096 });
	begin();
	nvmh_dsm_range((struct nvme_dsm_range *)data, SLBA, 7, 0x11223344);
	check_data(dsm, 16);
	CHECK(nvmh_prep_copy(&req, 1, SLBA, 0, &iov, 1, 2),
	      { 0x19, NVMH_TO_CTRL, 1, { 0x55667788, 0x11223344, 1 }, 64 });
	CHECK(nvmh_prep_copy(&req, 1, SLBA, 1, &iov, 1, 2),
	      { 0x19, NVMH_TO_CTRL, 1, { 0x55667788, 0x11223344, 0x101 }, 80 });
	begin();
	nvmh_copy_range((struct nvme_copy_range *)data, SLBA, 65536);
	assert_memory_equal(data, copy, 24);
	assert_memory_equal(data + 24, zeroes, 8);
	assert_int_equal(data[32], 0xee);
	begin();
	nvmh_copy_range_f1((struct nvme_copy_range_f1 *)data, SLBA, 65536);
	assert_memory_equal(data, copy, 24);
	assert_memory_equal(data + 24, zeroes, 16);
	assert_int_equal(data[40], 0xee);
}

static void test_prep_reservations_are_as_specified(void **state)
{
	static const uint8_t keys[16] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
					  0x0d, 0xd0, 0xfe, 0xca, 0,	0,    0,    0 };

	(void)state;
	CHECK(nvmh_prep_resv_register(&req, 9, 2, 3, SLBA, 0xcafed00d, &iov),
	      { 0x0d, NVMH_TO_CTRL, 9, { 0xc0000002 }, 16 });
	check_data(keys, 16);
	CHECK(nvmh_prep_resv_acquire(&req, 9, 1, 6, SLBA, 0xcafed00d, &iov),
	      { 0x11, NVMH_TO_CTRL, 9, { 0x601 }, 16 });
	check_data(keys, 16);
	CHECK(nvmh_prep_resv_release(&req, 9, 1, 2, SLBA, &iov),
	      { 0x15, NVMH_TO_CTRL, 9, { 0x201 }, 8 });
	check_data(keys, 8);
	CHECK(nvmh_prep_resv_report(&req, 9, true, &iov, 1, 64),
	      { 0x0e, NVMH_FROM_CTRL, 9, { 15, 1 }, 64 });
	CHECK(nvmh_prep_resv_report(&req, 9, false, &iov, 1, 4),
	      { 0x0e, NVMH_FROM_CTRL, 9, { 0, 0 }, 4 });
}

static void test_prep_zones_are_as_specified(void **state)
{
	(void)state;
	CHECK(nvmh_prep_zone_append(&req, 1, SLBA, 8, &iov, 1, 64),
	      { 0x7d, NVMH_TO_CTRL, 1, { 0x55667788, 0x11223344, 7 }, 64 });
	CHECK(nvmh_prep_zone_send(&req, 1, SLBA, 4, false),
	      { 0x79, NVMH_NO_DATA, 1, { 0x55667788, 0x11223344, 0, 0x4 }, 0 });
	CHECK(nvmh_prep_zone_send(&req, 1, 0, 4, true),
	      { 0x79, NVMH_NO_DATA, 1, { 0, 0, 0, 0x104 }, 0 });
	CHECK(nvmh_prep_zone_report(&req, 1, SLBA, &iov, 1, 64),
	      { 0x7a, NVMH_FROM_CTRL, 1, { 0x55667788, 0x11223344, 15, 0x10000 }, 64 });
}

static void test_prep_admin_commands_are_as_specified(void **state)
{
	(void)state;
	CHECK(nvmh_prep_identify(&req, 5, 0x06, 2, &iov, 1),
	      { 0x06, NVMH_FROM_CTRL, 5, { 0x06, 0x02000000 }, 4096 });
	CHECK(nvmh_prep_get_log(&req, 0xffffffff, 0x0c, 1, true, SLBA, &iov, 1, 0x60000),
	      { 0x02,
		NVMH_FROM_CTRL,
		0xffffffff,
		{ 0x7fff810c, 0x1, 0x55667788, 0x11223344 },
		0x60000 });
	CHECK(nvmh_prep_get_log(&req, 0, 0x02, 0, false, 0, &iov, 1, 4),
	      { 0x02, NVMH_FROM_CTRL, 0, { 0x2 }, 4 });
	CHECK(nvmh_prep_get_features(&req, 1, 0x0b, 3, 0x99, NULL, 0, 0),
	      { 0x0a, NVMH_NO_DATA, 1, { 0x30b, 0x99 }, 0 });
	CHECK(nvmh_prep_get_features(&req, 1, 0x03, 0, 0, &iov, 1, 64),
	      { 0x0a, NVMH_FROM_CTRL, 1, { 0x3 }, 64 });
	CHECK(nvmh_prep_set_features(&req, 1, 0x0b, true, 0x99, NULL, 0, 0),
	      { 0x09, NVMH_NO_DATA, 1, { 0x8000000b, 0x99 }, 0 });
	CHECK(nvmh_prep_set_features(&req, 1, 0x03, false, 0, &iov, 1, 64),
	      { 0x09, NVMH_TO_CTRL, 1, { 0x3 }, 64 });
	CHECK(nvmh_prep_abort(&req, 3, 0xabcd), { 0x08, NVMH_NO_DATA, 0, { 0xabcd0003 }, 0 });
}

/* ---- those that wait ---- */

enum {
	FEATURE_BYTES = 64,
	SEEN = 16,
};

static struct fake_cmd seen[SEEN]; /* read when their answers are there */
static uint8_t seen_data[SEEN][FEATURE_BYTES];
static _Atomic uint32_t nr_seen;

static uint32_t note(const struct fake_cmd *cmd)
{
	uint32_t n = atomic_load(&nr_seen);

	if (n < SEEN) {
		seen[n] = *cmd;
		if (cmd->icd_len)
			memcpy(seen_data[n], cmd->icd,
			       min_of(cmd->icd_len, (uint32_t)FEATURE_BYTES));
	}
	atomic_store(&nr_seen, n + 1);
	return n;
}

/* Reads and writes work as usual; others are noted, and answered by their block address's byte. */
static bool note_io(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (cmd->sqe.opcode == nvme_cmd_read || cmd->sqe.opcode == nvme_cmd_write)
		return false;
	note(cmd);
	fake_conn_rsp(c, cmd->sqe.cid, cmd->sqe.opcode == nvme_cmd_compare ? 0x285 : 0, 0);
	return true;
}

static bool note_features(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t value[FEATURE_BYTES];

	if ((cmd->sqe.opcode != nvme_admin_get_features &&
	     cmd->sqe.opcode != nvme_admin_set_features) ||
	    (le32_get(cmd->sqe.cdw10) & 0xff) < 0xc0)
		return false;
	note(cmd);
	memset(value, 0x5a, sizeof(value));
	if (cmd->sqe.opcode == nvme_admin_get_features && le32_get(cmd->sqe.dptr.sgl.length))
		fake_conn_c2h(c, cmd->sqe.cid, 0, value, sizeof(value), NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0x1234);
	return true;
}

static const struct fake_script noting = { .io = note_io, .admin = note_features };

static void test_prep_waiting_twins_send_what_they_say(void **state)
{
	static const uint8_t opcodes[] = { 0x05, 0x00, 0x08, 0x04, 0x0c, 0x09, 0x19 };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { .icd_bytes = 8192, .script = &noting };
	uint8_t out[1024], in[1024] = { 0 };
	struct nvme_dsm_range dsm[2];
	struct nvme_copy_range copy[2];
	struct nvmh_queue *q;
	struct session s;
	size_t i;

	(void)state;
	atomic_store(&nr_seen, 0);
	session_open_live(&s, &fake, &opts);
	q = nvmh_ctrl_queue(s.ctrl, 0);
	memset(out, 0x77, sizeof(out));
	assert_int_equal(nvmh_write(q, 1, 10, 2, out, sizeof(out)), 0);
	assert_int_equal(nvmh_read(q, 1, 10, 2, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(nvmh_read(q, 1, UINT64_MAX, 2, in, sizeof(in)), ST_LBA_RANGE | ST_DNR);
	assert_int_equal(nvmh_compare(q, 1, 10, 2, out, sizeof(out)), ST_COMPARE_FAILED);
	assert_int_equal(nvmh_flush(q, 1), 0);
	assert_int_equal(nvmh_write_zeroes(q, 1, 10, 2, NVMH_DEAC), 0);
	assert_int_equal(nvmh_write_uncor(q, 1, 10, 2), 0);
	assert_int_equal(nvmh_verify(q, 1, 10, 2), 0);
	nvmh_dsm_range(&dsm[0], 1, 2, 0);
	nvmh_dsm_range(&dsm[1], 3, 4, 0);
	assert_int_equal(nvmh_dsm(q, 1, NVME_DSMGMT_AD, dsm, 2), 0);
	nvmh_copy_range(&copy[0], 5, 6);
	nvmh_copy_range(&copy[1], 7, 8);
	assert_int_equal(nvmh_copy(q, 1, 100, copy, 2), 0);
	assert_int_equal(atomic_load(&nr_seen), ARRAY_SIZE(opcodes));
	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		assert_int_equal(seen[i].sqe.opcode, opcodes[i]);
	assert_int_equal(le32_get(seen[2].sqe.cdw12), 0x02000001);
	assert_memory_equal(seen_data[5], dsm, sizeof(dsm));
	assert_memory_equal(seen_data[6], copy, sizeof(copy));
	assert_string_equal(fake_target_violation(s.t), "");
	session_close(&s);
}

static void test_prep_features_by_waiting_twins(void **state)
{
	struct nvmh_ctrl_opts opts = { 0 };
	struct fake_opts fake = { .script = &noting };
	uint8_t value[FEATURE_BYTES];
	uint8_t want[FEATURE_BYTES];
	uint32_t result = 0;
	struct session s;

	(void)state;
	atomic_store(&nr_seen, 0);
	session_open_live(&s, &fake, &opts);
	assert_int_equal(nvmh_get_features(s.ctrl, 1, 0xc1, 0, 7, NULL, 0, &result), 0);
	assert_int_equal(result, 0x1234);
	memset(want, 0x5a, sizeof(want));
	assert_int_equal(nvmh_get_features(s.ctrl, 1, 0xc1, 0, 7, value, sizeof(value), NULL), 0);
	assert_memory_equal(value, want, sizeof(want));
	memset(value, 0x33, sizeof(value));
	assert_int_equal(nvmh_set_features(s.ctrl, 1, 0xc2, true, 8, value, sizeof(value), &result),
			 0);
	assert_int_equal(atomic_load(&nr_seen), 3);
	assert_int_equal(le32_get(seen[2].sqe.cdw10), 0x800000c2);
	assert_memory_equal(seen_data[2], value, sizeof(value));
	/* what does not go */
	assert_int_equal(nvmh_get_features(s.ctrl, 1, 0xc1, 0, 7, value, 3, NULL), -EINVAL);
	assert_int_equal(nvmh_get_features(s.ctrl, 1, 0xc1, 0, 7, NULL, 4, NULL), -EINVAL);
	assert_int_equal(nvmh_set_features(s.ctrl, 1, 0xc1, 0, 7, value, 0, NULL), -EINVAL);
	assert_int_equal(nvmh_set_features(s.ctrl, 1, 0xc1, 0, 7, value, 4100, NULL), -EINVAL);
	assert_int_equal(nvmh_set_features(s.ctrl, 1, 0x7f, 0, 7, NULL, 0, NULL), 0);
	assert_int_equal(nvmh_get_features(s.ctrl, 1, 0x7f, 0, 7, NULL, 0, NULL),
			 ST_INVALID_OPCODE | ST_DNR);
	session_close(&s);
}

static struct nvmh_queue *waiting_q;
static int waiting_ret;

static void *wait_in_thread(void *arg)
{
	uint8_t block[512];

	waiting_ret = nvmh_read(waiting_q, 1, 0, 1, block, sizeof(block));
	nvmh_queue_release(waiting_q);
	return arg;
}

/* Within nvmh_ctrl_process(), while another thread uses a queue of its own. */
static void meanwhile(struct nvmh_req *r)
{
	uint8_t block[512];
	pthread_t thread;
	bool *done = r->arg;

	assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* this thread may not */
	assert_int_equal(nvmh_read(waiting_q, 1, 0, 1, block, sizeof(block)), -EDEADLK);
	*done = true;
}

static void test_prep_waiting_does_not_mind_the_controllers_thread(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { 0 };
	struct iovec page = { 0 };
	struct nvmh_req r = { .done = meanwhile };
	struct session s;
	bool done = false;

	(void)state;
	session_open_live(&s, &fake, &opts);
	waiting_q = nvmh_ctrl_queue(s.ctrl, 0);
	waiting_ret = -1;
	page = (struct iovec){ malloc(4096), 4096 };
	assert_non_null(page.iov_base);
	nvmh_prep_identify(&r, 0, NVME_IDENTIFY_CNS_CTRL, 0, &page, 1);
	r.arg = &done;
	assert_int_equal(nvmh_admin_submit(s.ctrl, &r), 0);
	while (!done) {
		if (!nvmh_ctrl_process(s.ctrl) && !done)
			session_sleep(&s);
	}
	assert_int_equal(waiting_ret, 0);
	session_close(&s);
	free(page.iov_base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prep_blocks_are_as_specified),
		cmocka_unit_test(test_prep_ranges_are_as_specified),
		cmocka_unit_test(test_prep_reservations_are_as_specified),
		cmocka_unit_test(test_prep_zones_are_as_specified),
		cmocka_unit_test(test_prep_admin_commands_are_as_specified),
		cmocka_unit_test(test_prep_waiting_twins_send_what_they_say),
		cmocka_unit_test(test_prep_features_by_waiting_twins),
		cmocka_unit_test(test_prep_waiting_does_not_mind_the_controllers_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
