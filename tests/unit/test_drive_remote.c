// SPDX-License-Identifier: BSD-2-Clause
/*
 * Remote controllers as the daemon's drives, over the fake target on loopback: late, lost for a
 * moment and for longer, hanging, changed behind our back; and what is told to hosts meanwhile. The
 * cores are turned here; each remote controller has its own thread, as in the daemon.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/drive.h"
#include "tests/fake/fake_sq.h"
#include "tests/fake/fake_target.h"
#include "tests/unit/cores_rig.h"

#define SUBSYS "nqn.2026-01.org.example:front"

enum {
	CRD1 = 1 << ST_CRD_SHIFT,
	BLOCKS = FAKE_MEM_BYTES / FAKE_LBA_BYTES,
};

/* How the target behaves. */
static struct {
	_Atomic bool shut;    /* closes every connection that comes */
	_Atomic bool silent;  /* takes them, and says nothing */
	_Atomic uint16_t io;  /* status that I/O commands end with */
	_Atomic uint8_t uuid; /* first byte of the namespace's */
	_Atomic uint64_t nsze;
} it;

static struct fake_target *target;
static struct fake_sq *admin, *io[FAKE_CORES];

/* ---- the target ---- */

static bool on_icreq(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)req;
	if (atomic_load(&it.shut))
		fake_conn_close(c);
	return atomic_load(&it.shut) || atomic_load(&it.silent);
}

static void on_identify(struct nvme_id_ctrl *id)
{
	id->vwc = 1;
}

static bool on_io(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint16_t status = atomic_load(&it.io);

	if (status)
		fake_conn_rsp(c, cmd->sqe.cid, status, 0);
	return status;
}

static bool on_admin(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t buf[4096] = { 0 };
	struct nvme_id_ns ns = {
		.nsze = htole64(atomic_load(&it.nsze)),
		.ncap = htole64(atomic_load(&it.nsze)),
		.lbaf[0].ds = 9,
	};

	if (cmd->sqe.opcode != nvme_admin_identify)
		return false;
	switch (le32_get(cmd->sqe.cdw10) & 0xff) {
	case NVME_IDENTIFY_CNS_NS:
		memcpy(buf, &ns, sizeof(ns));
		break;
	case NVME_IDENTIFY_CNS_NS_DESC_LIST:
		buf[0] = NVME_NIDT_UUID;
		buf[1] = 16;
		buf[4] = atomic_load(&it.uuid);
		break;
	default:
		return false;
	}
	fake_conn_c2h(c, cmd->sqe.cid, 0, buf, sizeof(buf), NVME_TCP_F_DATA_LAST);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

static const struct fake_script script = {
	.icreq = on_icreq,
	.identify = on_identify,
	.admin = on_admin,
	.io = on_io,
};

/* ---- the daemon ---- */

static struct nvmet_ns *the_ns(void)
{
	return fake_subsys(SUBSYS)->all[1];
}

static bool shown(void)
{
	bool is;

	nvmet_lock();
	is = fake_subsys(SUBSYS)->ns[1];
	nvmet_unlock();
	return is;
}

static uint16_t away(void)
{
	return atomic_load(&the_ns()->away);
}

static atomic_bool looked;

static void look(struct loop_msg *msg)
{
	(void)msg;
	atomic_store(&looked, true);
}

/* Whether hosts were told since the last call; all that the drive's thread is at is over. */
static bool told(void)
{
	struct loop_msg msg = { .fn = look };
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	bool found;

	atomic_store(&looked, false);
	loop_send(list_entry(nvmet.drives.next, struct nvmet_drive, link)->loop, &msg);
	until(atomic_load(&looked));
	pthread_mutex_lock(&ctrl->error_lock);
	found = ctrl->nr_changed_ns;
	ctrl->nr_changed_ns = 0;
	pthread_mutex_unlock(&ctrl->error_lock);
	return found;
}

struct call {
	struct fake_sq *f;
	struct nvme_sqe sqe;
	uint16_t status;
};

static void call_cmd(void *arg)
{
	struct call *c = arg;

	c->status = fake_cmd(c->f, &c->sqe, NULL, 0);
}

static uint16_t start_flush(int core)
{
	struct call c = { .f = io[core],
			  .sqe = { .opcode = nvme_cmd_flush, .nsid = le32_make(1) } };

	loop_call(nvmet.cores[core]->loop, call_cmd, &c);
	return c.status;
}

static uint16_t finish_flush(int core)
{
	until(!io[core]->sq.outstanding);
	return fake_last(io[core])->status;
}

static uint16_t flush(int core)
{
	uint16_t status = start_flush(core);

	return status == FAKE_HELD ? finish_flush(core) : status;
}

/* @state: more words of the transport string; or NULL. */
static void start(const char *words, const char *more_ns)
{
	char json[2048];

	snprintf(
		json, sizeof(json),
		"{\"nvmetcpd\":{\"cores\":2},\"subsystems\":[{\"nqn\":\"" SUBSYS
		"\",\"attr\":{\"allow_any_host\":true},\"namespaces\":[{\"nsid\":1,\"device\":{"
		"\"remote\":\"trtype=tcp traddr=127.0.0.1 trsvcid=%u subnqn=" FAKE_SUBNQN
		" reconnect_delay_ms=10 %s\"}}%s]}],\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"192.0.2.1\"},"
		"\"subsystems\":[\"" SUBSYS "\"]}]}",
		target->port, words, more_ns);
	fake_nvmet_start(json);
	for (uint32_t n = 1; n <= fake_subsys(SUBSYS)->max_nsid; n++)
		if (fake_subsys(SUBSYS)->all[n])
			assert_int_equal(nvmet_ns_attach_cores(fake_subsys(SUBSYS)->all[n]), 0);
	admin = fake_host(SUBSYS, FAKE_HOST, 1);
	for (int i = 0; i < FAKE_CORES; i++)
		io[i] = fake_io_queue(admin, (uint16_t)(i + 1), i);
}

static int setup(void **state)
{
	struct fake_opts opts = { .script = &script };

	(void)state;
	log_init("test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	memset(&it, 0, sizeof(it));
	atomic_store(&it.uuid, 7);
	atomic_store(&it.nsze, BLOCKS);
	target = fake_target_start(&opts);
	return 0;
}

static int teardown(void **state)
{
	struct nvmet_subsys *subsys = fake_subsys(SUBSYS);

	(void)state;
	for (int i = 0; i < FAKE_CORES; i++)
		fake_sq_free(io[i]);
	fake_sq_free(admin);
	for (uint32_t n = 1; n <= subsys->max_nsid; n++)
		if (subsys->all[n])
			nvmet_ns_detach_cores(subsys->all[n]);
	fake_nvmet_stop();
	assert_string_equal(fake_target_violation(target), "");
	fake_target_stop(target);
	return 0;
}

static void start_live(const char *words)
{
	start(words, "");
	until(shown());
	until(!away());
	assert_int_equal(flush(0), 0);
	told();
}

/* ---- tests ---- */

static void test_drive_remote_is_not_waited_for(void **state)
{
	(void)state;
	atomic_store(&it.shut, true);
	start("", "");
	assert_false(shown());
	assert_int_equal(flush(0), ST_INVALID_NS | ST_DNR);
	atomic_store(&it.shut, false);
	until(shown());
	assert_true(told());
	assert_int_equal(the_ns()->uuid[0], 7);
	assert_int_equal(atomic_load(&the_ns()->nsze), BLOCKS);
	for (int i = 0; i < FAKE_CORES; i++)
		assert_int_equal(flush(i), 0);
}

/* Starting and ending wait for nothing that it does not say. */
static void test_drive_remote_that_hangs_holds_nothing_up(void **state)
{
	(void)state;
	atomic_store(&it.silent, true);
	start("", "");
	assert_false(shown());
}

static void test_drive_remote_status_is_the_hosts(void **state)
{
	(void)state;
	start_live("");
	atomic_store(&it.io, ST_WRITE_FAULT | ST_DNR);
	assert_int_equal(flush(0), ST_WRITE_FAULT | ST_DNR);
	assert_int_equal(flush(1), ST_WRITE_FAULT | ST_DNR);
}

/* Lost for a moment: commands wait, and hosts are told nothing. */
static void test_drive_remote_lost_for_a_moment_holds_commands(void **state)
{
	(void)state;
	start_live("");
	atomic_store(&it.shut, true);
	fake_target_drop(target);
	assert_int_equal(start_flush(0), FAKE_HELD);
	assert_int_equal(start_flush(1), FAKE_HELD);
	for (int i = 0; i < 100; i++)
		turn();
	assert_int_equal(io[0]->sq.outstanding + io[1]->sq.outstanding, 2);
	atomic_store(&it.shut, false);
	assert_int_equal(finish_flush(0), 0);
	assert_int_equal(finish_flush(1), 0);
	assert_int_equal(away(), 0);
	assert_false(told());
}

/* For longer: they end, hosts know, and new ones are not taken; until it is back. */
static void test_drive_remote_lost_for_longer_is_away(void **state)
{
	(void)state;
	start_live("fast_io_fail_ms=50");
	atomic_store(&it.shut, true);
	fake_target_drop(target);
	assert_int_equal(start_flush(0), FAKE_HELD);
	until(away());
	assert_int_equal(away(), ST_NS_NOT_READY | CRD1);
	assert_true(told());
	assert_int_equal(finish_flush(0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(1), ST_NS_NOT_READY | CRD1);
	atomic_store(&it.shut, false);
	until(!away());
	assert_true(told());
	assert_int_equal(flush(0), 0);
}

static void lose_and_find(void)
{
	told();
	fake_target_drop(target);
	until(told());
}

static void test_drive_remote_that_grew_is_told(void **state)
{
	(void)state;
	start_live("");
	atomic_store(&it.nsze, 2 * BLOCKS);
	lose_and_find();
	assert_int_equal(atomic_load(&the_ns()->nsze), 2 * BLOCKS);
	assert_int_equal(away(), 0);
}

/* Another namespace has its place: nobody writes to that. */
static void test_drive_remote_of_another_identity_is_lost(void **state)
{
	(void)state;
	start_live("");
	atomic_store(&it.uuid, 8);
	lose_and_find();
	assert_int_equal(flush(0), ST_NS_NOT_READY | ST_DNR);
	atomic_store(&it.uuid, 7);
	lose_and_find();
	assert_int_equal(flush(0), 0);
}

static unsigned int nr_drives(void)
{
	unsigned int nr = 0;
	struct list *pos;

	list_for_each(pos, &nvmet.drives)
		nr++;
	return nr;
}

/* Namespaces of one target are on one controller where the strings are the same. */
static void test_drive_remote_of_the_same_strings_is_shared(void **state)
{
	static const char more[] =
		",{\"nsid\":2,\"device\":{\"remote\":\"trtype=tcp traddr=127.0.0.1 trsvcid=%u subnqn=" FAKE_SUBNQN
		" reconnect_delay_ms=10 \",\"nsid\":2}}"
		",{\"nsid\":3,\"device\":{\"remote\":\"trtype=tcp traddr=127.0.0.1 trsvcid=%u subnqn=" FAKE_SUBNQN
		"\",\"nsid\":3}}";
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), more, target->port, target->port);
	start("", text);
	until(shown());
	assert_int_equal(nr_drives(), 2);
	assert_int_equal(fake_subsys(SUBSYS)->nr_ns, 1); /* it has no others */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drive_remote_is_not_waited_for),
		TEST(test_drive_remote_that_hangs_holds_nothing_up),
		TEST(test_drive_remote_status_is_the_hosts),
		TEST(test_drive_remote_lost_for_a_moment_holds_commands),
		TEST(test_drive_remote_lost_for_longer_is_away),
		TEST(test_drive_remote_that_grew_is_told),
		TEST(test_drive_remote_of_another_identity_is_lost),
		TEST(test_drive_remote_of_the_same_strings_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
