// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP against a well-behaved controller: data of all sizes by every way
 * it can travel, several queues, reconnecting, keep alive, orderly shutdown, discovery. The bad
 * controllers are in test_tcp_host_bad.c.
 */
#include "tests/unit/tcp_session.h"

enum {
	SLOTS = 8,
	SLOT_BYTES = FAKE_MEM_BYTES / SLOTS,
	OPS = 120,
};

struct path {
	const char *name;
	struct fake_opts fake;
	bool hdgst;
	bool ddgst;
};

static const struct path paths[] = {
	{ "plain, R2T", { 0 }, false, false },
	{ "in-capsule", { .icd_bytes = 64 << 10 }, false, false },
	{ "in-capsule up to 4 KiB", { .icd_bytes = 4096 }, false, false },
	{ "SUCCESS flag", { .success = true }, false, false },
	{ "header digest", { .icd_bytes = 8192 }, true, false },
	{ "data digest", { .icd_bytes = 8192 }, false, true },
	{ "both digests, SUCCESS", { .icd_bytes = 8192, .success = true }, true, true },
	{ "small MAXH2CDATA", { .maxh2cdata = 4096 }, false, true },
	{ "many R2Ts, one at a time", { .r2t_bytes = 12288 }, false, false },
	{ "many R2Ts, four at a time",
	  { .r2t_bytes = 20480, .r2t_depth = 4, .maxh2cdata = 8192 },
	  true,
	  true },
	{ "many C2HData PDUs", { .c2h_bytes = 8188 }, false, false },
	{ "many C2HData PDUs, digests, SUCCESS",
	  { .c2h_bytes = 4096, .success = true },
	  true,
	  true },
	{ "CPDA 31", { .cpda = 31, .icd_bytes = 8192 }, true, true },
	{ "single bytes", { .send_bytes = 1, .icd_bytes = 4096 }, true, true },
	{ "odd pieces",
	  { .send_bytes = 1237, .c2h_bytes = 9000 & ~3, .success = true },
	  false,
	  true },
};

struct slot {
	struct guarded g;
	uint8_t *shadow; /* SLOT_BYTES: what the controller must have */
	uint32_t off;
	bool reading;
};

/* Cuts the buffer into up to SESSION_MAX_IOV pieces, of odd lengths and some empty. */
static uint16_t random_pieces(struct guarded *g)
{
	uint32_t left = g->len;
	uint8_t *p = g->buf;
	uint16_t n = 0;

	while (left && n < SESSION_MAX_IOV - 1 && rng(4)) {
		uint32_t len = rng(8) ? rng(min_of(left, 1 + rng(3) * 5000u)) : 0;

		g->iov[n++] = (struct iovec){ p, len };
		p += len;
		left -= len;
	}
	g->iov[n++] = (struct iovec){ p, left };
	return n;
}

static void slot_start(struct session *s, struct slot *slot, uint32_t index, uint32_t max_bytes)
{
	static const uint32_t sizes[] = { 512,	512,   4096,   4096,   8192,
					  8704, 65536, 131072, 524288, SLOT_BYTES };
	struct nvmh_queue *q =
		nvmh_ctrl_queue(s->ctrl, (uint16_t)(index % nvmh_ctrl_nr_queues(s->ctrl)));
	uint32_t len = rng(2) ? sizes[rng(ARRAY_SIZE(sizes))] : (1 + rng(64)) * FAKE_LBA_BYTES;
	uint16_t nr;
	uint32_t i;

	len = min_of(len, max_bytes);
	guarded_init(&slot->g, len);
	slot->off = rng((SLOT_BYTES - len) / FAKE_LBA_BYTES + 1) * FAKE_LBA_BYTES;
	slot->reading = rng(2);
	nr = random_pieces(&slot->g);
	if (!slot->reading) {
		for (i = 0; i < len; i++)
			slot->g.buf[i] = (uint8_t)rng(256);
		memcpy(slot->shadow + slot->off, slot->g.buf, len);
	}
	nvmh_prep_rw(&slot->g.req, slot->reading ? nvme_cmd_read : nvme_cmd_write, 1,
		     (index * SLOT_BYTES + slot->off) / FAKE_LBA_BYTES, len / FAKE_LBA_BYTES,
		     slot->g.iov, nr, len);
	assert_int_equal(nvmh_queue_submit(q, &slot->g.req), 0);
	nvmh_queue_commit(q);
}

static void slot_finish(struct slot *slot)
{
	assert_int_equal(slot->g.nr_done, 1);
	assert_int_equal(slot->g.req.status, 0);
	guarded_check(&slot->g);
	if (slot->reading)
		assert_memory_equal(slot->g.buf, slot->shadow + slot->off, slot->g.len);
	guarded_free(&slot->g);
}

/*
 * OPS random reads and writes, several at a time over two queues; what is read is what was written.
 */
static void run_path(const struct path *path)
{
	struct nvmh_ctrl_opts opts = {
		.nr_io_queues = 2,
		.queue_size = 16,
		.hdgst = path->hdgst,
		.ddgst = path->ddgst,
	};
	uint32_t max_bytes = path->fake.send_bytes ? 16384 : SLOT_BYTES;
	struct slot slots[SLOTS] = { 0 };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct session s;
	uint32_t ops = 0;
	uint32_t i;

	print_message("# %s\n", path->name);
	session_open_live(&s, &path->fake, &opts);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 2);
	for (i = 0; i < SLOTS; i++) {
		slots[i].shadow = calloc(1, SLOT_BYTES);
		slot_start(&s, &slots[i], i, max_bytes);
	}
	while (ops < OPS && clock_now_ms() < end) {
		if (!session_turn(&s))
			session_sleep(&s);
		for (i = 0; i < SLOTS; i++) {
			if (!slots[i].g.nr_done)
				continue;
			slot_finish(&slots[i]);
			ops++;
			slot_start(&s, &slots[i], i, max_bytes);
		}
	}
	for (i = 0; i < SLOTS; i++) {
		session_wait_done(&s, &slots[i].g);
		slot_finish(&slots[i]);
		assert_memory_equal(s.t->mem + i * SLOT_BYTES, slots[i].shadow, SLOT_BYTES);
		free(slots[i].shadow);
	}
	assert_true(ops >= OPS);
	assert_int_equal(s.nr_resets, 0);
	assert_string_equal(fake_target_violation(s.t), "");
	session_close(&s);
}

static void test_tcp_host_data_by_every_path_is_intact(void **state)
{
	uint32_t i;

	(void)state;
	rng_state = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : clock_now_ns() | 1;
	print_message("# SEED=%#llx\n", (unsigned long long)rng_state);
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		run_path(&paths[i]);
}

static void test_tcp_host_connect_sends_identity_and_limits(void **state)
{
	static const uint8_t hostid[16] = { 9, 8, 7 };
	struct nvmh_ctrl_opts opts = {
		.hostnqn = "nqn.2024-01.org.example:me",
		.hostid = hostid,
		.kato_ms = 5000,
		.nr_io_queues = 1,
		.queue_size = 33,
		.disable_sqflow = true,
	};
	struct fake_opts fake = { 0 };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_string_equal(s.t->connect_data.hostnqn, opts.hostnqn);
	assert_string_equal(s.t->connect_data.subnqn, FAKE_SUBNQN);
	assert_memory_equal(s.t->connect_data.hostid, hostid, sizeof(hostid));
	/* the last Connect was the I/O queue's */
	assert_int_equal(le16_get(s.t->connect_cmd.sqsize), 32);
	assert_int_equal(le16_get(s.t->connect_cmd.qid), 1);
	assert_int_equal(s.t->connect_cmd.cattr, NVME_CATTR_DISABLE_SQFLOW);
	assert_int_equal(le32_get(s.t->connect_cmd.kato), 0);
	assert_int_equal(le32_get(s.t->icreq.maxr2t), 3);
	assert_int_equal(nvmh_ctrl_nr_ns(s.ctrl), 1);
	assert_int_equal(nvmh_ctrl_ns(s.ctrl, 0)->lba_size, FAKE_LBA_BYTES);
	session_close(&s);
}

static void test_tcp_host_fewer_queues_granted_are_used(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 6 };
	struct fake_opts fake = { .max_queues = 3 };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 3);
	session_close(&s);
}

static bool refuse_third_queue(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (c->qid != 3)
		return false;
	fake_conn_rsp(c, cmd->sqe.cid, ST_CONNECT_BUSY, 0);
	return true;
}

static void test_tcp_host_refused_third_queue_leaves_two(void **state)
{
	static const struct fake_script script = { .connect = refuse_third_queue };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 4 };
	struct fake_opts fake = { .script = &script };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 2);
	session_close(&s);
}

static void test_tcp_host_status_of_a_command_is_passed_on(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { 0 };
	struct guarded g;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 4096);
	nvmh_prep_rw(&g.req, nvme_cmd_read, 1, FAKE_MEM_BYTES / FAKE_LBA_BYTES, 8, g.iov, 1, 4096);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &g.req), ST_LBA_RANGE | ST_DNR);
	nvmh_prep_flush(&g.req, 1);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &g.req), 0);
	guarded_free(&g);
	session_close(&s);
}

static void test_tcp_host_too_short_iov_is_refused(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { 0 };
	struct guarded g;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, 4096);
	g.iov[0].iov_len = 4095;
	nvmh_prep_rw(&g.req, nvme_cmd_read, 1, 0, 8, g.iov, 1, 4096);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), -EINVAL);
	assert_int_equal(g.nr_done, 0);
	guarded_free(&g);
	session_close(&s);
}

static void test_tcp_host_keep_alive_is_sent(void **state)
{
	struct nvmh_ctrl_opts opts = { .kato_ms = 100 };
	struct fake_opts fake = { 0 };
	uint64_t end;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(le32_get(s.t->connect_cmd.kato), 100);
	end = clock_now_ms() + SESSION_WAIT_MS;
	while (atomic_load(&s.t->nr_keep_alives) < 3 && clock_now_ms() < end) {
		if (!session_turn(&s))
			session_sleep(&s);
	}
	assert_true(atomic_load(&s.t->nr_keep_alives) >= 3);
	assert_int_equal(s.nr_resets, 0);
	session_close(&s);
}

static void test_tcp_host_close_notifies_shutdown(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { 0 };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(s.t->cc & 1, 1);
	nvmh_ctrl_close(s.ctrl);
	assert_int_equal(s.t->cc >> 14 & 3, 1);
	fake_target_stop(s.t);
}

static void test_tcp_host_close_during_bring_up_is_clean(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 4 };
	struct fake_opts fake = { 0 };
	struct session s;
	uint32_t turns, i;

	(void)state;
	for (turns = 0; turns < 60; turns++) {
		session_open(&s, &fake, &opts);
		for (i = 0; i < turns; i++) {
			nvmh_ctrl_process(s.ctrl);
			if (nvmh_ctrl_state(s.ctrl) == NVMH_LIVE)
				break;
			session_sleep(&s);
		}
		session_close(&s);
	}
}

static void discover(struct fake_opts *fake, int want, uint32_t want_nr, const char *text)
{
	struct fake_target *t = fake_target_start(fake);
	struct nvmh_disc_entry *entries = NULL;
	char port[8];
	struct nvmh_ctrl_opts opts = { .trtype = "tcp", .traddr = "127.0.0.1", .trsvcid = port };
	uint32_t nr = 0;

	snprintf(port, sizeof(port), "%u", t->port);
	assert_int_equal(nvmh_discover(&opts, SESSION_WAIT_MS, &entries, &nr), want);
	assert_int_equal(nr, want_nr);
	if (text && !strstr(nvmh_strerror(), text))
		fail_msg("\"%s\" is not in \"%s\"", text, nvmh_strerror());
	if (nr > 1) {
		assert_string_equal(entries[1].subnqn, FAKE_SUBNQN "1");
		assert_string_equal(entries[1].traddr, "192.0.2.1");
		assert_string_equal(entries[1].trsvcid, "4420");
		assert_int_equal(entries[1].trtype, NVMF_TRTYPE_TCP);
	}
	free(entries);
	fake_target_stop(t);
}

static void test_tcp_host_discovery_is_bounded(void **state)
{
	(void)state;
	discover(&(struct fake_opts){ .nr_disc = 0 }, 0, 0, NULL);
	discover(&(struct fake_opts){ .nr_disc = 2 }, 0, 2, NULL);
	/* the fourth entry has an escape sequence for an address */
	discover(&(struct fake_opts){ .nr_disc = 9 }, 0, 8, NULL);
	discover(&(struct fake_opts){ .nr_disc = 4000000000 }, -E2BIG, 0, "4000000000 entries");
	discover(&(struct fake_opts){ .nr_disc = 2, .genctr_step = 1 }, -EAGAIN, 0, "changed");
	/* it says more than it has */
	discover(&(struct fake_opts){ .nr_disc = 65 }, ST_INVALID_LOG_PAGE | ST_DNR, 0,
		 "status 109h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_data_by_every_path_is_intact),
		cmocka_unit_test(test_tcp_host_connect_sends_identity_and_limits),
		cmocka_unit_test(test_tcp_host_fewer_queues_granted_are_used),
		cmocka_unit_test(test_tcp_host_refused_third_queue_leaves_two),
		cmocka_unit_test(test_tcp_host_status_of_a_command_is_passed_on),
		cmocka_unit_test(test_tcp_host_too_short_iov_is_refused),
		cmocka_unit_test(test_tcp_host_keep_alive_is_sent),
		cmocka_unit_test(test_tcp_host_close_notifies_shutdown),
		cmocka_unit_test(test_tcp_host_close_during_bring_up_is_clean),
		cmocka_unit_test(test_tcp_host_discovery_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
