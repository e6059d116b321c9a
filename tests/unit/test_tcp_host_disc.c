// SPDX-License-Identifier: BSD-2-Clause
/*
 * Discovery controllers that stay connected: what the caller is told and when, with controllers that
 * change, go away, and say what they ought not to.
 */
#include "common/nqn.h"
#include "host/discovery.h"
#include "tests/unit/tcp_session.h"

enum {
	MAX_TOLD = 16, /* entries that a test looks at */
	EVENT_DISC = NVME_LOG_LID_DISCOVER << 16 | NVME_AER_NOTICE_DISC_CHANGED << 8 |
		     NVME_AER_NOTICE,
};

struct watch {
	struct session s;
	uint32_t nr_logs;
	uint32_t nr_errors;
	int err;
	char text[400];
	struct nvmh_disc_log log;
	struct nvmh_disc_entry entries[MAX_TOLD];
};

static void on_log(struct nvmh_ctrl *ctrl, const struct nvmh_disc_log *log, void *arg)
{
	struct watch *w = arg;

	(void)ctrl;
	w->nr_logs++;
	w->log = *log;
	assert_true(!log->entries == !log->nr);
	if (log->nr)
		memcpy(w->entries, log->entries,
		       min_of(log->nr, (uint32_t)MAX_TOLD) * sizeof(w->entries[0]));
}

static void on_error(struct nvmh_ctrl *ctrl, int err, const char *text, void *arg)
{
	struct watch *w = arg;

	(void)ctrl;
	w->nr_errors++;
	w->err = err;
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static void watch_open(struct watch *w, const struct fake_opts *fake, uint32_t reread_ms)
{
	struct nvmh_discovery_opts disc = {
		.on_log = on_log,
		.on_error = on_error,
		.arg = w,
		.reread_ms = reread_ms,
	};
	struct nvmh_ctrl_opts opts = {
		.trtype = "tcp",
		.traddr = "127.0.0.1",
		.nr_io_queues = 3, /* does not matter */
		.on_state = session_state,
		.arg = &w->s,
	};

	memset(w, 0, sizeof(*w));
	w->s.t = fake_target_start(fake);
	snprintf(w->s.port, sizeof(w->s.port), "%u", w->s.t->port);
	opts.trsvcid = w->s.port;
	assert_int_equal(nvmh_discovery_open(&opts, &disc, &w->s.ctrl), 0);
}

/* Turns until *@value is at least @least. */
static void watch_until(struct watch *w, const uint32_t *value, uint32_t least)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;

	while (*value < least && clock_now_ms() < end) {
		if (!session_turn(&w->s) && *value < least)
			session_sleep(&w->s);
	}
	assert_true(*value >= least);
}

/* Turns until the log's header has been read @nr times more and nothing is under way. */
static void watch_reads(struct watch *w, uint32_t nr)
{
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	uint32_t least = atomic_load(&w->s.t->nr_disc_reads) + nr;

	while ((atomic_load(&w->s.t->nr_disc_reads) < least ||
		w->s.ctrl->discovery->stage != NVMH_DISC_IDLE) &&
	       clock_now_ms() < end) {
		if (!session_turn(&w->s))
			session_sleep(&w->s);
	}
	assert_true(atomic_load(&w->s.t->nr_disc_reads) >= least);
}

static void watch_close(struct watch *w)
{
	session_close(&w->s);
}

static const struct fake_opts two_entries = { .nr_disc = 2, .oaes = NVME_CTRL_OAES_DL };

static void test_tcp_host_disc_log_is_told_after_connecting(void **state)
{
	struct watch w;
	uint32_t i;

	(void)state;
	watch_open(&w, &(struct fake_opts){ .nr_disc = 9, .oaes = NVME_CTRL_OAES_DL }, 0);
	watch_until(&w, &w.nr_logs, 1);
	assert_int_equal(w.nr_errors, 0);
	assert_int_equal(w.log.genctr, 0);
	assert_true(w.log.events);
	assert_false(w.log.may_stay);
	assert_int_equal(w.log.nr, 8); /* the fourth has an escape sequence for an address */
	for (i = 0; i < 8; i++) {
		uint32_t entry = i < 3 ? i : i + 1;
		char nqn[64];

		snprintf(nqn, sizeof(nqn), "%s%u", FAKE_SUBNQN, entry);
		assert_string_equal(w.entries[i].subnqn, nqn);
		assert_int_equal(w.entries[i].portid, entry);
		assert_string_equal(w.entries[i].traddr, "192.0.2.1");
	}
	assert_int_equal(le32_get(w.s.t->connect_cmd.kato), 30000);
	assert_string_equal(w.s.t->connect_data.subnqn, NQN_DISCOVERY);
	assert_int_equal(w.s.t->aen_config, (uint32_t)NVME_CTRL_OAES_DL);
	assert_int_equal(nvmh_ctrl_nr_queues(w.s.ctrl), 0);
	assert_int_equal(nvmh_ctrl_nr_ns(w.s.ctrl), 0);
	watch_close(&w);
}

static void test_tcp_host_disc_changes_are_told(void **state)
{
	struct watch w;
	uint32_t i;

	(void)state;
	watch_open(&w, &two_entries, 0);
	watch_until(&w, &w.nr_logs, 1);
	for (i = 0; i < 3; i++) {
		fake_target_disc(w.s.t, 3 * (i + 1) % 4); /* 3, 2, 1 */
		watch_until(&w, &w.nr_logs, i + 2);
		assert_int_equal(w.log.nr, 3 * (i + 1) % 4);
		assert_int_equal(w.log.genctr, i + 1);
	}
	fake_target_disc(w.s.t, 0);
	watch_until(&w, &w.nr_logs, 5);
	assert_int_equal(w.log.nr, 0);
	assert_int_equal(w.nr_errors, 0);
	watch_close(&w);
}

/* Another generation with the same entries: it changed for other hosts. */
static void test_tcp_host_disc_same_entries_are_not_told_again(void **state)
{
	struct watch w;

	(void)state;
	watch_open(&w, &two_entries, 0);
	watch_until(&w, &w.nr_logs, 1);
	watch_reads(&w, 0);
	fake_target_disc(w.s.t, 2);
	watch_reads(&w, 2);
	assert_int_equal(w.nr_logs, 1);
	/* and the same generation */
	assert_int_equal(nvmh_discovery_read(w.s.ctrl), 0);
	watch_reads(&w, 2);
	assert_int_equal(w.nr_logs, 1);
	fake_target_disc(w.s.t, 1);
	watch_until(&w, &w.nr_logs, 2);
	assert_int_equal(w.log.nr, 1);
	watch_close(&w);
}

static void test_tcp_host_disc_lost_connection_is_made_again(void **state)
{
	struct watch w;

	(void)state;
	watch_open(&w, &two_entries, 0);
	watch_until(&w, &w.nr_logs, 1);
	/* nothing changed meanwhile */
	fake_target_drop(w.s.t);
	session_wait_lost(&w.s);
	assert_int_equal(nvmh_discovery_read(w.s.ctrl), -ENOTCONN);
	watch_reads(&w, 2);
	assert_int_equal(w.nr_logs, 1);
	/* something did, with the generation as before: the target was restarted */
	w.s.nr_resets = 0;
	fake_target_drop(w.s.t);
	session_wait_lost(&w.s);
	atomic_store(&w.s.t->nr_disc, 1);
	watch_until(&w, &w.nr_logs, 2);
	assert_int_equal(w.log.nr, 1);
	assert_int_equal(w.nr_errors, 0);
	watch_close(&w);
}

static void test_tcp_host_disc_change_without_end_pauses(void **state)
{
	struct fake_opts fake = { .nr_disc = 2, .genctr_step = 1, .oaes = NVME_CTRL_OAES_DL };
	struct watch w;
	uint64_t now;

	(void)state;
	watch_open(&w, &fake, 0);
	watch_until(&w, &w.nr_errors, 1);
	now = clock_now_ns();
	assert_int_equal(w.err, -EAGAIN);
	assert_non_null(strstr(w.text, "changed each of the 5 times"));
	assert_int_equal(atomic_load(&w.s.t->nr_disc_reads), 2 * 5);
	assert_int_equal(w.nr_logs, 0);
	assert_true(nvmh_discovery_at(w.s.ctrl) > now);
	atomic_store(&w.s.t->genctr_step, 0);
	assert_int_equal(nvmh_discovery_read(w.s.ctrl), 0);
	watch_until(&w, &w.nr_logs, 1);
	assert_int_equal(w.log.nr, 2);
	watch_close(&w);
}

static void test_tcp_host_disc_absurd_counts_are_refused(void **state)
{
	struct watch w;

	(void)state;
	watch_open(&w, &(struct fake_opts){ .nr_disc = 4000000000, .oaes = NVME_CTRL_OAES_DL }, 0);
	watch_until(&w, &w.nr_errors, 1);
	assert_int_equal(w.err, -E2BIG);
	assert_int_equal(w.s.ctrl->discovery->now.size, 0);
	/* more than there are */
	fake_target_disc(w.s.t, 65);
	watch_until(&w, &w.nr_errors, 2);
	assert_int_equal(w.err, ST_INVALID_LOG_PAGE | ST_DNR);
	fake_target_disc(w.s.t, 2);
	watch_until(&w, &w.nr_logs, 1);
	assert_int_equal(w.log.nr, 2);
	watch_close(&w);
}

static bool format_1(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvmf_discovery_log log = { .recfmt = htole16(1) };

	if (cmd->sqe.opcode != nvme_admin_get_log_page)
		return false;
	fake_conn_c2h(c, cmd->sqe.cid, 0, &log, sizeof(log), NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

static void test_tcp_host_disc_unknown_format_is_refused(void **state)
{
	static const struct fake_script script = { .admin = format_1 };
	struct watch w;

	(void)state;
	watch_open(&w, &(struct fake_opts){ .script = &script }, 0);
	watch_until(&w, &w.nr_errors, 1);
	assert_int_equal(w.err, -EPROTO);
	assert_non_null(strstr(w.text, "format 1"));
	watch_close(&w);
}

static void before_1_4(struct nvme_id_ctrl *id)
{
	id->cntrltype = 0;
	id->sqes = id->cqes = 0;
}

static void test_tcp_host_disc_old_controller_has_no_type(void **state)
{
	static const struct fake_script script = { .identify = before_1_4 };
	struct fake_opts fake = two_entries;
	struct watch w;

	(void)state;
	fake.script = &script;
	watch_open(&w, &fake, 0);
	watch_until(&w, &w.nr_logs, 1);
	assert_int_equal(w.s.t->aen_config, (uint32_t)NVME_CTRL_OAES_DL);
	watch_close(&w);
}

static _Atomic uint16_t log_status;

static bool refuse_log(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (cmd->sqe.opcode != nvme_admin_get_log_page)
		return false;
	fake_conn_rsp(c, cmd->sqe.cid, atomic_load(&log_status), 0);
	return true;
}

/* Also those that a host has for a lost connection, after which another would be made. */
static void test_tcp_host_disc_any_status_is_an_end(void **state)
{
	static const struct fake_script script = { .admin = refuse_log };
	static const uint16_t statuses[] = { ST_INTERNAL, ST_HOST_ABORTED, ST_HOST_PATH_ERROR };
	struct fake_opts fake = { .oaes = NVME_CTRL_OAES_DL, .script = &script };
	struct watch w;
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		atomic_store(&log_status, statuses[i]);
		watch_open(&w, &fake, 0);
		watch_until(&w, &w.nr_errors, 1);
		assert_int_equal(w.err, i ? ST_PATH_INTERNAL : ST_INTERNAL);
		watch_close(&w);
	}
}

enum {
	SLOW_MS = 1000, /* for one command, and four times that for all */
	LATE_MS = 300,	/* far from either, on a busy machine, too */
};

static _Atomic bool slow;

/* Long enough for the whole, not for one command. */
static bool just_in_time(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	if (cmd->sqe.opcode == nvme_admin_get_log_page && atomic_load(&slow))
		poll(NULL, 0, LATE_MS);
	return false;
}

/* 18 commands, each within its second, are more than four together. */
static void test_tcp_host_disc_slow_reading_is_given_up(void **state)
{
	static const struct fake_script script = { .admin = just_in_time };
	struct fake_opts fake = { .nr_disc = 64, .oaes = NVME_CTRL_OAES_DL, .script = &script };
	struct nvmh_ctrl_opts opts = { .trtype = "tcp", .traddr = "127.0.0.1" };
	struct nvmh_disc_entry *entries = NULL;
	struct watch w;
	uint32_t nr = 0;

	(void)state;
	atomic_store(&slow, true);
	watch_open(&w, &fake, 0);
	w.s.ctrl->opts.admin_timeout_ms = SLOW_MS;
	opts.trsvcid = w.s.port;
	opts.admin_timeout_ms = SLOW_MS;
	assert_int_equal(nvmh_discover(&opts, SESSION_WAIT_MS, &entries, &nr), -ETIMEDOUT);
	assert_non_null(strstr(nvmh_strerror(), "not read within 4000 ms"));
	assert_null(entries);
	/* one that stays connected tries again later */
	watch_until(&w, &w.nr_errors, 1);
	assert_int_equal(w.err, -ETIMEDOUT);
	assert_non_null(strstr(w.text, "not read within 4000 ms"));
	assert_int_equal(nvmh_ctrl_state(w.s.ctrl), NVMH_LIVE);
	assert_true(nvmh_discovery_at(w.s.ctrl) > clock_now_ns());
	atomic_store(&slow, false);
	assert_int_equal(nvmh_discovery_read(w.s.ctrl), 0);
	watch_until(&w, &w.nr_logs, 1);
	assert_int_equal(w.log.nr, 63); /* the fourth is left out */
	watch_close(&w);
}

static _Atomic uint32_t nr_events;

static bool always_an_event(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (cmd->sqe.opcode != nvme_admin_async_event)
		return false;
	atomic_fetch_add(&nr_events, 1);
	fake_conn_rsp(c, cmd->sqe.cid, 0, EVENT_DISC);
	return true;
}

/* However many events: a reading, which is two of the header, a second. */
static void test_tcp_host_disc_events_without_end_are_bounded(void **state)
{
	static const struct fake_script script = { .admin = always_an_event };
	struct fake_opts fake = { .nr_disc = 2, .oaes = NVME_CTRL_OAES_DL, .script = &script };
	uint64_t start = clock_now_ms();
	uint64_t seconds;
	struct watch w;

	(void)state;
	atomic_store(&nr_events, 0);
	watch_open(&w, &fake, 0);
	while (atomic_load(&nr_events) < 500 && clock_now_ms() < start + SESSION_WAIT_MS)
		session_turn(&w.s);
	assert_true(atomic_load(&nr_events) >= 500);
	seconds = (clock_now_ms() - start) / 1000;
	assert_true(atomic_load(&w.s.t->nr_disc_reads) <= 2 * (seconds + 2));
	watch_close(&w);
}

static void test_tcp_host_disc_controller_that_does_not_tell_is_asked(void **state)
{
	struct watch w;

	(void)state;
	watch_open(&w, &(struct fake_opts){ .nr_disc = 2 }, 50);
	watch_until(&w, &w.nr_logs, 1);
	assert_false(w.log.events);
	assert_int_equal(w.s.t->aen_config, 0);
	fake_target_disc(w.s.t, 1);
	watch_until(&w, &w.nr_logs, 2);
	assert_int_equal(w.log.nr, 1);
	watch_close(&w);
	/* without a choice of the caller, too */
	watch_open(&w, &(struct fake_opts){ .nr_disc = 2 }, 0);
	watch_until(&w, &w.nr_logs, 1);
	watch_reads(&w, 0);
	assert_true(nvmh_discovery_at(w.s.ctrl) > clock_now_ns());
	watch_close(&w);
}

static void itself(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	(void)c;
	if (i)
		return;
	e->subtype = NVME_NQN_CURR;
	e->eflags = htole16(NVMF_DISC_EFLAGS_EPCSD);
}

static void test_tcp_host_disc_own_entry_says_whether_to_stay(void **state)
{
	static const struct fake_script script = { .disc = itself };
	struct watch w;

	(void)state;
	watch_open(&w, &(struct fake_opts){ .nr_disc = 2, .script = &script }, 0);
	watch_until(&w, &w.nr_logs, 1);
	assert_true(w.log.may_stay);
	watch_close(&w);
}

static void test_tcp_host_disc_close_at_any_moment_is_clean(void **state)
{
	struct watch w;
	uint32_t turns, i;

	(void)state;
	for (turns = 0; turns < 30; turns++) {
		watch_open(&w, &(struct fake_opts){ .nr_disc = 9 }, 1);
		for (i = 0; i < turns; i++) {
			nvmh_ctrl_process(w.s.ctrl);
			session_sleep(&w.s);
		}
		watch_close(&w);
	}
}

static void test_tcp_host_disc_is_for_discovery_controllers(void **state)
{
	struct nvmh_ctrl_opts opts = { .trtype = "pcie", .traddr = "0000:01:00.0" };
	struct nvmh_discovery_opts disc = { 0 };
	struct nvmh_ctrl *ctrl = NULL;
	struct session s;

	(void)state;
	assert_int_equal(nvmh_discovery_open(&opts, &disc, &ctrl), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "trtype"));
	opts.trtype = "tcp";
	opts.traddr = "nowhere";
	assert_int_equal(nvmh_discovery_open(&opts, &disc, &ctrl), -EINVAL);
	assert_null(ctrl);
	session_open_live(&s, &(struct fake_opts){ 0 }, &(struct nvmh_ctrl_opts){ 0 });
	assert_int_equal(nvmh_discovery_read(s.ctrl), -EINVAL);
	session_close(&s);
}

/* A discovery controller that was opened like any other: the event is cleared, nothing else. */
static void test_tcp_host_disc_event_of_a_plain_controller_is_cleared(void **state)
{
	struct nvmh_ctrl_opts opts = { .subnqn = NQN_DISCOVERY, .kato_ms = 60000 };
	struct fake_opts fake = { .nr_disc = 0, .oaes = NVME_CTRL_OAES_DL };
	uint64_t end = clock_now_ms() + SESSION_WAIT_MS;
	struct session s;

	(void)state;
	session_open_live(&s, &fake, &opts);
	fake_target_disc(s.t, 0);
	while (!atomic_load(&s.t->nr_disc_reads) && clock_now_ms() < end) {
		if (!session_turn(&s))
			session_sleep(&s);
	}
	assert_int_equal(atomic_load(&s.t->nr_disc_reads), 1);
	assert_string_equal(fake_target_violation(s.t), "");
	session_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_disc_log_is_told_after_connecting),
		cmocka_unit_test(test_tcp_host_disc_changes_are_told),
		cmocka_unit_test(test_tcp_host_disc_same_entries_are_not_told_again),
		cmocka_unit_test(test_tcp_host_disc_lost_connection_is_made_again),
		cmocka_unit_test(test_tcp_host_disc_change_without_end_pauses),
		cmocka_unit_test(test_tcp_host_disc_absurd_counts_are_refused),
		cmocka_unit_test(test_tcp_host_disc_unknown_format_is_refused),
		cmocka_unit_test(test_tcp_host_disc_old_controller_has_no_type),
		cmocka_unit_test(test_tcp_host_disc_any_status_is_an_end),
		cmocka_unit_test(test_tcp_host_disc_slow_reading_is_given_up),
		cmocka_unit_test(test_tcp_host_disc_events_without_end_are_bounded),
		cmocka_unit_test(test_tcp_host_disc_controller_that_does_not_tell_is_asked),
		cmocka_unit_test(test_tcp_host_disc_own_entry_says_whether_to_stay),
		cmocka_unit_test(test_tcp_host_disc_close_at_any_moment_is_clean),
		cmocka_unit_test(test_tcp_host_disc_is_for_discovery_controllers),
		cmocka_unit_test(test_tcp_host_disc_event_of_a_plain_controller_is_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
