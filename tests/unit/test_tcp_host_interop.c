// SPDX-License-Identifier: BSD-2-Clause
/*
 * What real controllers do that a host must cope with, and what real hosts take care of: limits that
 * Identify Controller tells, optional things that are refused, queues that come and go.
 */
#include "common/nqn.h"
#include "tests/unit/tcp_session.h"

enum {
	DATA_BYTES = 8192,
};

/* ---- Identify Controller ---- */

static void id_ioccsz_0(struct nvme_id_ctrl *id)
{
	id->ioccsz = 0;
}

static void id_ioccsz_3(struct nvme_id_ctrl *id)
{
	id->ioccsz = htole32(3);
}

static void id_ioccsz_4(struct nvme_id_ctrl *id)
{
	id->ioccsz = htole32(4);
}

static void id_ioccsz_most(struct nvme_id_ctrl *id)
{
	id->ioccsz = htole32(UINT32_MAX);
}

static void id_iorcsz_0(struct nvme_id_ctrl *id)
{
	id->iorcsz = 0;
}

static void id_kas_0(struct nvme_id_ctrl *id)
{
	id->kas = 0;
}

static void id_no_icd(struct nvme_id_ctrl *id)
{
	id->sgls = htole32(1);
}

static void id_sgls_0(struct nvme_id_ctrl *id)
{
	id->sgls = htole32(NVME_CTRL_SGLS_OFFSET);
}

static void id_maxcmd_0(struct nvme_id_ctrl *id)
{
	id->maxcmd = 0;
}

static void id_maxcmd_1(struct nvme_id_ctrl *id)
{
	id->maxcmd = htole16(1);
}

static void id_maxcmd_16(struct nvme_id_ctrl *id)
{
	id->maxcmd = htole16(16);
}

static void id_maxcmd_most(struct nvme_id_ctrl *id)
{
	id->maxcmd = htole16(UINT16_MAX);
}

static void id_sqes(struct nvme_id_ctrl *id)
{
	id->sqes = 0x77;
}

static void id_cqes(struct nvme_id_ctrl *id)
{
	id->cqes = 0x55;
}

static void id_mdts_0(struct nvme_id_ctrl *id)
{
	id->mdts = 0;
}

static void id_mdts_1(struct nvme_id_ctrl *id)
{
	id->mdts = 1;
}

static void id_mdts_255(struct nvme_id_ctrl *id)
{
	id->mdts = 255;
}

static void id_nn_most(struct nvme_id_ctrl *id)
{
	id->nn = htole32(UINT32_MAX);
}

static void id_all_bits(struct nvme_id_ctrl *id)
{
	struct nvme_id_ctrl was = *id;

	/* features that we do not know, a volatile write cache of any kind, texts of rubbish */
	memset(id, 0xff, sizeof(*id));
	id->cntlid = was.cntlid;
	id->icdoff = was.icdoff;
	id->sqes = was.sqes;
	id->cqes = was.cqes;
	id->cntrltype = was.cntrltype;
}

static const struct {
	const char *name;
	void (*identify)(struct nvme_id_ctrl *id);
	const char *refused; /* within the reason; NULL: it is live */
	uint32_t max_xfer;   /* 0: as without */
	uint16_t room;	     /* of the I/O queue; 0: as without */
	bool by_r2t;	     /* a write of DATA_BYTES has no data in its capsule */
	uint32_t kato_ms;
} identifies[] = {
	{ "IOCCSZ 0", id_ioccsz_0, "IOCCSZ 0", 0, 0, false, 0 },
	{ "IOCCSZ 3", id_ioccsz_3, "IOCCSZ 3", 0, 0, false, 0 },
	{ "IOCCSZ 4: no room for data", id_ioccsz_4, NULL, 0, 0, true, 0 },
	{ "IOCCSZ FFFFFFFFh", id_ioccsz_most, NULL, 0, 0, false, 0 },
	{ "IORCSZ 0", id_iorcsz_0, "IORCSZ 0", 0, 0, false, 0 },
	{ "KAS 0, and a timeout", id_kas_0, "no keep alive timer", 0, 0, false, 5000 },
	{ "KAS 0, no timeout", id_kas_0, NULL, 0, 0, false, 0 },
	{ "SGLS without in-capsule data, IOCCSZ with", id_no_icd, NULL, 0, 0, true, 0 },
	{ "SGLS 1:0 0", id_sgls_0, "does not support SGLs", 0, 0, false, 0 },
	{ "MAXCMD 0: not told", id_maxcmd_0, NULL, 0, 0, false, 0 },
	{ "MAXCMD 1", id_maxcmd_1, NULL, 0, 1, false, 0 },
	{ "MAXCMD 16", id_maxcmd_16, NULL, 0, 16, false, 0 },
	{ "MAXCMD FFFFh", id_maxcmd_most, NULL, 0, 0, false, 0 },
	{ "SQES 77h", id_sqes, "SQES 77h", 0, 0, false, 0 },
	{ "CQES 55h", id_cqes, "CQES 55h", 0, 0, false, 0 },
	{ "MDTS 0: no limit but ours", id_mdts_0, NULL, MAX_XFER_BYTES, 0, false, 0 },
	{ "MDTS 1", id_mdts_1, NULL, 8192, 0, false, 0 },
	{ "MDTS 255", id_mdts_255, NULL, MAX_XFER_BYTES, 0, false, 0 },
	{ "NN FFFFFFFFh", id_nn_most, NULL, 0, 0, false, 0 },
	{ "all bits", id_all_bits, NULL, MAX_XFER_BYTES, 0, false, 5000 },
};

static _Atomic uint32_t icd_seen; /* in-capsule bytes of the last I/O command */

static bool note_icd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	atomic_store(&icd_seen, cmd->icd_len);
	return false;
}

static void write_once(struct session *s, uint32_t want_icd)
{
	struct guarded g;

	guarded_init(&g, DATA_BYTES);
	nvmh_prep_rw(&g.req, nvme_cmd_write, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g.iov, 1,
		     DATA_BYTES);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(s->ctrl, 0), &g.req), 0);
	assert_memory_equal(s->t->mem, g.buf, DATA_BYTES);
	assert_int_equal(atomic_load(&icd_seen), want_icd);
	guarded_free(&g);
}

static void test_tcp_host_interop_identify_limits_are_kept(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(identifies); i++) {
		struct fake_script script = { .identify = identifies[i].identify, .io = note_icd };
		struct fake_opts fake = { .icd_bytes = DATA_BYTES, .script = &script };
		struct nvmh_ctrl_opts opts = { .nr_io_queues = 1,
					       .kato_ms = identifies[i].kato_ms };
		struct session s;

		print_message("# %s\n", identifies[i].name);
		if (identifies[i].refused) {
			session_open(&s, &fake, &opts);
			if (!strstr(session_wait_error(&s), identifies[i].refused))
				fail_msg("\"%s\"", nvmh_ctrl_error(s.ctrl));
			session_close(&s);
			continue;
		}
		session_open_live(&s, &fake, &opts);
		assert_int_equal(nvmh_ctrl_max_xfer(s.ctrl),
				 identifies[i].max_xfer ? identifies[i].max_xfer : 1 << 20);
		assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(s.ctrl, 0)),
				 identifies[i].room ? identifies[i].room : 127);
		assert_int_equal(le16_get(s.t->connect_cmd.sqsize),
				 nvmh_queue_room(nvmh_ctrl_queue(s.ctrl, 0)));
		assert_int_equal(nvmh_ctrl_nr_ns(s.ctrl), 1);
		write_once(&s, identifies[i].by_r2t ? 0 : DATA_BYTES);
		assert_string_equal(fake_target_violation(s.t), "");
		session_close(&s);
	}
}

/* ---- what is sent while a controller comes up ---- */

enum {
	ENTRIES_IO = 6,
	ENTRIES_CQ = 4,
	AEN_NS = 1 << 8,
	AEN_ANA = 1 << 11,
	AEN_SMART = 0x1f,
};

static void test_tcp_host_interop_enabling_says_entry_sizes(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct fake_opts fake = { 0 };
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(s.t->cc >> 16 & 0xf, ENTRIES_IO);
	assert_int_equal(s.t->cc >> 20 & 0xf, ENTRIES_CQ);
	assert_int_equal(s.t->cc >> 4 & 7, 0); /* the NVM command set */
	session_close(&s);
}

/* Those that are announced and known, and those that need no announcement. */
static void test_tcp_host_interop_events_announced_are_enabled(void **state)
{
	static const uint32_t oaes[] = { 0, AEN_NS, AEN_NS | 1u << 16 };
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(oaes); i++) {
		struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
		struct fake_opts fake = { .oaes = oaes[i] };
		struct session s;

		session_open_live(&s, &fake, &opts);
		assert_int_equal(s.t->aen_config, (oaes[i] & (AEN_NS | AEN_ANA)) | AEN_SMART);
		session_close(&s);
	}
}

static _Atomic uint32_t log_dw10;

static bool changed_list(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t page[4096] = { 1 };

	if (cmd->sqe.opcode != nvme_admin_get_log_page)
		return false;
	atomic_store(&log_dw10, le32_get(cmd->sqe.cdw10));
	fake_conn_c2h(c, cmd->sqe.cid, 0, page, sizeof(page), NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

/* The whole page, and so that the next change is another event. */
static void test_tcp_host_interop_changed_namespaces_are_read_and_cleared(void **state)
{
	static const struct fake_script script = { .admin = changed_list };
	struct fake_opts fake = { .oaes = AEN_NS, .script = &script };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct session s;

	(void)state;
	atomic_store(&log_dw10, 0);
	session_open_live(&s, &fake, &opts);
	while (!fake_target_event(s.t, NVME_LOG_LID_CHANGED_NS << 16 |
					       NVME_AER_NOTICE_NS_CHANGED << 8 | NVME_AER_NOTICE) &&
	       clock_now_ms() < end)
		session_turn(&s);
	while (!atomic_load(&log_dw10) && clock_now_ms() < end) {
		if (!session_turn(&s))
			session_sleep(&s);
	}
	assert_int_equal(atomic_load(&log_dw10), (4096 / 4 - 1) << 16 | NVME_LOG_LID_CHANGED_NS);
	session_close(&s);
}

/* ---- queues ---- */

static void resize_queues(struct session *s, uint16_t nr)
{
	s->t->opts.max_queues = nr;
	s->nr_resets = 0;
	fake_target_drop(s->t);
	session_wait_lost(s);
	session_wait_live(s);
}

static void test_tcp_host_interop_number_of_queues_may_change(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 4 };
	struct fake_opts fake = { .max_queues = 4 };
	struct nvmh_queue *last;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 4);
	last = nvmh_ctrl_queue(s.ctrl, 3);
	resize_queues(&s, 1);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 1);
	assert_false(nvmh_queue_live(last));
	assert_int_equal(nvmh_queue_room(last), 0);
	resize_queues(&s, 4);
	assert_int_equal(nvmh_ctrl_nr_queues(s.ctrl), 4);
	assert_ptr_equal(nvmh_ctrl_queue(s.ctrl, 3), last);
	assert_true(nvmh_queue_live(last));
	session_close(&s);
}

static uint16_t told_sqhd;

static bool rsp_with_sqhd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_tcp_rsp rsp = {
		.hdr = { .type = NVME_TCP_RSP },
		.cqe = { .cid = cmd->sqe.cid, .result = le64_make(7) },
	};
	uint8_t out[64];

	rsp.cqe.sqhd = le16_make(told_sqhd);
	fake_conn_send(c, out, fake_conn_build(c, out, &rsp, sizeof(rsp), NULL, 0));
	return true;
}

static bool flush_with_sqhd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	return cmd->sqe.opcode == nvme_cmd_flush && rsp_with_sqhd(c, cmd);
}

/* Flow control off or not, and heads of any value: the number of tags is what counts. */
static void test_tcp_host_interop_sqhd_does_not_matter(void **state)
{
	static const struct fake_script script = { .connect = rsp_with_sqhd,
						   .io = flush_with_sqhd };
	static const uint16_t heads[] = { 0, 1, 127, 128, 0x7fff, 0xffff };
	uint32_t i;

	(void)state;
	for (i = 0; i < 2 * ARRAY_SIZE(heads); i++) {
		struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .disable_sqflow = i & 1 };
		struct nvmh_req req = { 0 };
		struct session s;

		told_sqhd = heads[i / 2];
		session_open_live(&s, &(struct fake_opts){ .script = &script }, &opts);
		nvmh_prep_flush(&req, 1);
		assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &req), 0);
		assert_int_equal(nvmh_queue_room(nvmh_ctrl_queue(s.ctrl, 0)), 127);
		session_close(&s);
	}
}

static _Atomic uint32_t most_outstanding;
static _Atomic bool answer_all;

static bool count_and_wait(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)cmd;
	if (atomic_load(&answer_all))
		return false;
	atomic_store(&most_outstanding, c->nr_cmds);
	return true;
}

/* No more than SQSIZE commands, whatever the caller would like. */
static void test_tcp_host_interop_queue_is_never_overrun(void **state)
{
	static const struct fake_script script = { .io = count_and_wait };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .queue_size = 8 };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct nvmh_req reqs[20] = { 0 };
	struct guarded g;
	struct session s;
	uint32_t i, sent = 0;

	(void)state;
	atomic_store(&answer_all, false);
	session_open_live(&s, &(struct fake_opts){ .script = &script }, &opts);
	guarded_init(&g, 0);
	for (i = 0; i < ARRAY_SIZE(reqs); i++) {
		nvmh_prep_flush(&reqs[i], 1);
		reqs[i].done = guarded_done;
		reqs[i].arg = &g;
		if (!nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &reqs[i]))
			sent++;
	}
	assert_int_equal(sent, 7);
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	while (atomic_load(&most_outstanding) < 7 && clock_now_ms() < end)
		session_turn(&s);
	assert_int_equal(atomic_load(&most_outstanding), 7);
	assert_int_equal(le16_get(s.t->connect_cmd.sqsize), 7);
	session_close(&s);
	assert_int_equal(g.nr_done, 7);
	guarded_free(&g);
}

/* ---- namespaces ---- */

static struct nvme_id_ns told_ns;
static uint8_t told_desc[4096];
static uint16_t told_desc_status;

static bool identify_ns(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint32_t cns = le32_get(cmd->sqe.cdw10) & 0xff;

	if (cmd->sqe.opcode != nvme_admin_identify ||
	    (cns != NVME_IDENTIFY_CNS_NS && cns != NVME_IDENTIFY_CNS_NS_DESC_LIST))
		return false;
	if (cns == NVME_IDENTIFY_CNS_NS_DESC_LIST && told_desc_status) {
		fake_conn_rsp(c, cmd->sqe.cid, told_desc_status, 0);
		return true;
	}
	fake_conn_c2h(c, cmd->sqe.cid, 0,
		      cns == NVME_IDENTIFY_CNS_NS ? (const void *)&told_ns : told_desc, 4096,
		      NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

static void check_ns(uint32_t want, const char *what)
{
	static const struct fake_script script = { .admin = identify_ns };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct session s;

	print_message("# %s\n", what);
	session_open_live(&s, &(struct fake_opts){ .script = &script }, &opts);
	assert_int_equal(nvmh_ctrl_nr_ns(s.ctrl), want);
	session_close(&s);
}

static void test_tcp_host_interop_namespaces_that_cannot_be_used_are_left_out(void **state)
{
	static const uint8_t lbads[] = { 0, 8, 17, 63, 64, 255 };
	uint32_t i;

	(void)state;
	told_desc_status = 0;
	memset(told_desc, 0, sizeof(told_desc));
	told_ns = (struct nvme_id_ns){ .nsze = htole64(64), .ncap = htole64(64), .lbaf[0].ds = 9 };
	check_ns(1, "as it should be");
	for (i = 0; i < ARRAY_SIZE(lbads); i++) {
		told_ns.lbaf[0].ds = lbads[i];
		check_ns(0, "LBADS");
	}
	told_ns.lbaf[0].ds = 9;
	told_ns.ncap = 0;
	check_ns(0, "NCAP 0: removed");
	told_ns.ncap = htole64(65);
	check_ns(0, "NCAP above NSZE");
	told_ns.nsze = told_ns.ncap = htole64(UINT64_MAX);
	check_ns(0, "NSZE of 2^64");
	told_ns.nsze = told_ns.ncap = htole64(64);
	told_ns.flbas = 0xff;
	check_ns(0, "FLBAS beyond the formats");
	told_ns.flbas = 0;
	told_ns.nlbaf = 255;
	check_ns(0, "NLBAF 255");
	told_ns.nlbaf = 0;
	/* descriptors: a namespace is one of the NVM command set unless they say otherwise */
	told_desc_status = ST_INVALID_FIELD | ST_DNR;
	check_ns(1, "no list of descriptors");
	told_desc_status = 0;
	memset(told_desc, 0xff, sizeof(told_desc));
	check_ns(1, "descriptors that overrun the page");
	memset(told_desc, 0, sizeof(told_desc));
	told_desc[0] = NVME_NIDT_CSI;
	told_desc[1] = 1;
	check_ns(1, "CSI 0");
	told_desc[4] = 0xfe;
	check_ns(0, "a command set that is not known");
	told_desc[1] = 255;
	check_ns(1, "CSI of 255 bytes: no CSI");
}

static bool list_of_ids(struct fake_conn *c, const struct fake_cmd *cmd)
{
	const uint32_t *step = c->t->opts.arg; /* from one to the next */
	uint32_t first = le32_get(cmd->sqe.nsid);
	uint32_t page[1024];
	uint32_t i;

	if (cmd->sqe.opcode != nvme_admin_identify ||
	    (le32_get(cmd->sqe.cdw10) & 0xff) != NVME_IDENTIFY_CNS_NS_ACTIVE_LIST)
		return false;
	for (i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = htole32(first + 5 + i * *step);
	fake_conn_c2h(c, cmd->sqe.cid, 0, page, sizeof(page), NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

static void test_tcp_host_interop_lists_of_namespaces_are_bounded(void **state)
{
	static const struct fake_script script = { .admin = list_of_ids };
	static uint32_t steps[] = { 1, 0, UINT32_MAX };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1 };
	struct session s;
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		struct fake_opts fake = { .script = &script, .arg = &steps[i] };

		print_message("# step %d\n", (int)steps[i]);
		if (!i) { /* ascending without end */
			session_open_live(&s, &fake, &opts);
			assert_int_equal(nvmh_ctrl_nr_ns(s.ctrl), MAX_DRIVE_NS);
		} else {
			session_open(&s, &fake, &opts);
			assert_non_null(strstr(session_wait_error(&s), "not in ascending order"));
		}
		session_close(&s);
	}
}

/* ---- discovery ---- */

static void tls_entry(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	(void)c;
	e->treq = i ? NVMF_TREQ_NOT_SPECIFIED : NVMF_TREQ_REQUIRED;
	e->tsas.tcp.sectype = i ? NVMF_TCP_SECTYPE_TLS + 1 : NVMF_TCP_SECTYPE_NONE;
}

/* Whether to use TLS is said by SECTYPE; TREQ is another matter. */
static void test_tcp_host_interop_discovery_entries_say_sectype(void **state)
{
	static const struct fake_script script = { .disc = tls_entry };
	struct fake_target *t =
		fake_target_start(&(struct fake_opts){ .nr_disc = 2, .script = &script });
	struct nvmh_disc_entry *entries = NULL;
	char port[8];
	struct nvmh_ctrl_opts opts = { .trtype = "tcp", .traddr = "127.0.0.1", .trsvcid = port };
	uint32_t nr = 0;

	(void)state;
	snprintf(port, sizeof(port), "%u", t->port);
	assert_int_equal(nvmh_discover(&opts, SESSION_WAIT_MS, &entries, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(entries[0].sectype, 0);
	assert_int_equal(entries[0].treq, NVMF_TREQ_REQUIRED);
	assert_int_equal(entries[1].sectype, 2);
	free(entries);
	fake_target_stop(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_interop_identify_limits_are_kept),
		cmocka_unit_test(test_tcp_host_interop_enabling_says_entry_sizes),
		cmocka_unit_test(test_tcp_host_interop_events_announced_are_enabled),
		cmocka_unit_test(test_tcp_host_interop_changed_namespaces_are_read_and_cleared),
		cmocka_unit_test(test_tcp_host_interop_number_of_queues_may_change),
		cmocka_unit_test(test_tcp_host_interop_sqhd_does_not_matter),
		cmocka_unit_test(test_tcp_host_interop_queue_is_never_overrun),
		cmocka_unit_test(test_tcp_host_interop_namespaces_that_cannot_be_used_are_left_out),
		cmocka_unit_test(test_tcp_host_interop_lists_of_namespaces_are_bounded),
		cmocka_unit_test(test_tcp_host_interop_discovery_entries_say_sectype),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
