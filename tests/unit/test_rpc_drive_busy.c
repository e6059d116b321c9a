// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about drives while these are at something: commands under way, a sick drive, one that is
 * away or closed, and limits on all of that.
 */
#include "tests/unit/rpc_drive_rig.h"

#include <dirent.h>

#include "tests/unit/sysfs_rig.h"

static void test_rpc_drive_sick_drive_holds_no_other_call(void **state)
{
	struct json_object *answer;

	(void)state;
	atomic_store(&t.drive->hold_io, true);
	say("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}");
	assert_null(hear(50));
	assert_true(nvmet_rpc_drive_busy());
	/* what the drive does not hold up goes on, and so do calls that it has no part in */
	call_ok("identify", "{" DRIVE "}");
	call_fails("identify", "{\"traddr\":\"0000:02:00.0\"}", -ENODEV, "");
	/* the reset takes the command along */
	say("reset", "{" DRIVE "}");
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -ECONNRESET);
	json_object_put(answer);
	answer = hear(LONG);
	assert_true(json_object_get_boolean(member(answer, "/result")));
	json_object_put(answer);
	assert_false(nvmet_rpc_drive_busy());
}

static void test_rpc_drive_memory_is_waited_for_in_line(void **state)
{
	unsigned int nr = 64, i;

	(void)state;
	/* each a whole MDTS; the pool has room for a few at a time */
	for (i = 0; i < nr; i++)
		say("io_passthru",
		    "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw12\":1023,\"data_len\":524288}");
	for (i = 0; i < nr; i++) {
		struct json_object *answer = hear(LONG);

		assert_non_null(answer);
		assert_int_equal(json_object_get_int(member(answer, "/result/length")), 524288);
		json_object_put(answer);
	}
}

static void test_rpc_drive_that_is_away_refuses(void **state)
{
	bool open = true;

	(void)state;
	nvmh_pci_env.sys = "/nonexistent"; /* it does not come back */
	atomic_store(&t.drive->gone, true);
	while (open) {
		turn();
		pthread_mutex_lock(&t.drive->lock);
		open = t.drive->open;
		pthread_mutex_unlock(&t.drive->lock);
	}
	call_fails("identify", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}", -ENOTCONN,
		   "away");
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -ENOTCONN, "away");
	call_fails("reset", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("subsystem_reset", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("rescan", "{" DRIVE "}", -ENOTCONN, "away");
}

static void test_rpc_drive_close_ends_what_is_under_way(void **state)
{
	(void)state;
	atomic_store(&t.drive->mute_admin, true);
	say("identify", "{" DRIVE "}");
	say("admin_passthru", "{" DRIVE ",\"opcode\":6,\"cdw10\":1,\"data_len\":4096}");
	assert_null(hear(50));
	/* teardown closes the drive under them; a sanitizer sees what is left */
}

static void test_rpc_drive_lists_under_way_are_limited(void **state)
{
	static const char one[] = "{\"id\":1,\"method\":\"nvmetcp_drive_list\"}";
	unsigned int nr = 100, refused = 0;
	char text[100 * sizeof(one)] = "";

	(void)state;
	/* in one piece: none ends while they are read */
	for (unsigned int i = 0; i < nr; i++)
		memcpy(text + i * strlen(one), one, strlen(one));
	assert_int_equal(write(t.fd, text, nr * strlen(one)), nr * strlen(one));
	for (unsigned int i = 0; i < nr; i++) {
		struct json_object *answer = hear(LONG), *code = NULL;

		assert_non_null(answer);
		if (!json_pointer_get(answer, "/error/code", &code))
			refused += json_object_get_int(code) == -EAGAIN;
		json_object_put(answer);
	}
	assert_int_equal(refused, nr - 64);
}

/* ---- what hosts sent before ---- */

enum {
	CRD1 = 1 << ST_CRD_SHIFT,
	NOT_YET = -1,
};

/* A host's Read of the exported namespace, as the target has it once it is checked. */
struct host_read {
	struct nvmet_sq sq;
	struct nvmet_req req;
	atomic_int status;
};

static struct host_read first, second;
static atomic_int first_at_format;

static void read_done(struct nvmet_req *req)
{
	struct host_read *hr = container_of(req, struct host_read, req);

	mem_put(req->sq->core->pool, req->buf, 512);
	atomic_store(&hr->status, req->status);
}

static void read_start(void *arg)
{
	struct host_read *hr = arg;

	memset(hr, 0, sizeof(*hr));
	atomic_store(&hr->status, NOT_YET);
	hr->sq.core = nvmet.cores[0];
	hr->req.sq = &hr->sq;
	hr->req.ns = t.subsys->ns[9];
	hr->req.op = NVMET_OP_READ;
	hr->req.dir = NVMET_TO_HOST;
	hr->req.nlb = 1;
	hr->req.data_len = 512;
	hr->req.done = read_done;
	hr->req.buf = mem_get(hr->sq.core->pool, 512);
	nvmet_ns_submit(&hr->req);
}

static uint16_t on_format(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	if (sqe->opcode == nvme_admin_format_nvm) {
		atomic_store(&first_at_format, atomic_load(&first.status));
		atomic_fetch_add(&t.formats, 1);
	}
	return 0;
}

static void hold_a_read(void)
{
	atomic_store(&t.drive->hold_io, true);
	t.drive->on_admin = on_format;
	loop_call(nvmet.cores[0]->loop, read_start, &first);
	while (!atomic_load(&t.drive->commands) || !t.drive->nr_held)
		turn();
}

static void let_go(void)
{
	atomic_store(&t.drive->hold_io, false);
	fake_pcie_release(t.drive, FAKE_PCIE_HELD, false);
}

static void test_rpc_drive_format_waits_for_what_hosts_sent(void **state)
{
	struct json_object *answer;

	(void)state;
	hold_a_read();
	say("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0,\"force\":true}");
	assert_null(hear(100));
	assert_int_equal(atomic_load(&t.formats), 0);
	assert_int_equal(atomic_load(&first.status), NOT_YET);
	/* no more of them come in */
	loop_call(nvmet.cores[0]->loop, read_start, &second);
	assert_int_equal(atomic_load(&second.status), ST_NS_NOT_READY | CRD1);
	/* others are not held up */
	call_ok("identify", "{" DRIVE "}");
	let_go();
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -EIO);
	json_object_put(answer);
	assert_int_equal(atomic_load(&t.formats), 1);
	assert_int_equal(atomic_load(&first_at_format), 0);
	loop_call(nvmet.cores[0]->loop, read_start, &second);
	while (atomic_load(&second.status) == NOT_YET)
		turn();
	assert_int_equal(atomic_load(&second.status), 0);
	assert_int_equal(nvmet_ns_under_way(t.subsys->ns[9]), 0);
}

static void test_rpc_drive_format_is_given_up_when_nothing_comes_back(void **state)
{
	uint32_t drain_ms = nvmet_drive_drain_ms;

	(void)state;
	hold_a_read();
	t.cfg->daemon.drive_timeout_s = nvmet_drive_drain_ms = 0;
	call_fails("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0,\"force\":true}", -EBUSY,
		   "do not come back");
	nvmet_drive_drain_ms = drain_ms;
	assert_int_equal(atomic_load(&t.formats), 0);
	assert_int_equal(atomic_load(&t.subsys->ns[9]->away), 0);
	let_go();
	while (atomic_load(&first.status) == NOT_YET)
		turn();
	assert_int_equal(atomic_load(&first.status), 0);
}

static void test_rpc_drive_format_waits_for_passthrough(void **state)
{
	struct json_object *answer;

	(void)state;
	atomic_store(&t.drive->hold_io, true);
	say("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":2,\"data_len\":4096}");
	assert_null(hear(50));
	say("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}");
	assert_null(hear(50));
	assert_int_equal(atomic_load(&t.formats), 0);
	let_go();
	answer = hear(LONG);
	member(answer, "/result/data");
	json_object_put(answer);
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -EIO);
	json_object_put(answer);
	assert_int_equal(atomic_load(&t.formats), 1);
}

/* FORMAT UNIT is a format; what a SCSI command reads is passthrough. */
static void test_rpc_drive_scsi_format_waits_as_format_does(void **state)
{
	struct json_object *answer;

	(void)state;
	t.drive->id.oacs = htole16(NVME_CTRL_OACS_FORMAT);
	call_ok("reset", "{" DRIVE "}");
	hold_a_read();
	say("scsi_passthru", "{" DRIVE ",\"cdb\":\"040000000000\",\"force\":true}");
	assert_null(hear(100));
	assert_int_equal(atomic_load(&t.formats), 0);
	loop_call(nvmet.cores[0]->loop, read_start, &second);
	assert_int_equal(atomic_load(&second.status), ST_NS_NOT_READY | CRD1);
	let_go();
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/result/status")), 0);
	json_object_put(answer);
	assert_int_equal(atomic_load(&t.formats), 1);
	assert_int_equal(atomic_load(&first_at_format), 0);
	assert_int_equal(atomic_load(&t.subsys->ns[9]->away), 0);
}

static void test_rpc_drive_format_waits_for_scsi_passthrough(void **state)
{
	struct json_object *answer;

	(void)state;
	atomic_store(&t.drive->hold_io, true);
	say("scsi_passthru",
	    "{" DRIVE ",\"nsid\":2,\"cdb\":\"28000000000000000100\",\"data_len\":4096}");
	assert_null(hear(50));
	say("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}");
	assert_null(hear(50));
	assert_int_equal(atomic_load(&t.formats), 0);
	let_go();
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 4096);
	json_object_put(answer);
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -EIO);
	json_object_put(answer);
	assert_int_equal(atomic_load(&t.formats), 1);
}

/* The drive is reset under it: what hosts sent is ended by that, and so is the wait. */
static void test_rpc_drive_format_waits_no_longer_than_a_reset(void **state)
{
	struct json_object *answer;

	(void)state;
	hold_a_read();
	say("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0,\"force\":true}");
	assert_null(hear(50));
	say("reset", "{" DRIVE "}");
	for (int i = 0; i < 2; i++) {
		answer = hear(LONG);
		assert_non_null(answer);
		json_object_put(answer);
	}
	assert_int_equal(atomic_load(&first.status), ST_NS_NOT_READY | CRD1);
	let_go();
}

/* ---- the daemon's end ---- */

static void test_rpc_drive_that_stops_takes_no_more(void **state)
{
	(void)state;
	atomic_store(&t.drive->hold_io, true); /* it would not come back */
	nvmet_rpc_drive_close();
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}",
		   -ESHUTDOWN, "stopping");
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -ESHUTDOWN, "stopping");
	call_fails("bind", "{\"traddr\":\"0000:02:00.0\"}", -ESHUTDOWN, "stopping");
	assert_false(nvmet_rpc_drive_busy());
}

static atomic_bool in_kernel, let_out;

static int slow_kernel(const char *path, const char *text)
{
	(void)path;
	(void)text;
	atomic_store(&in_kernel, true);
	while (!atomic_load(&let_out))
		usleep(1000);
	return -EIO;
}

static unsigned int nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* The kernel keeps the thread that binds a drive: the end does not wait for ever, and says so. */
static void test_rpc_drive_stop_does_not_wait_for_the_kernel(void **state)
{
	unsigned int threads = nr_threads();
	struct json_object *answer;

	(void)state;
	sysfs_make();
	nvmh_pci_env.write = slow_kernel;
	plug("0000:02:00.0", "nvme");
	atomic_store(&in_kernel, false);
	atomic_store(&let_out, false);
	say("bind", "{\"traddr\":\"0000:02:00.0\"}");
	while (!atomic_load(&in_kernel)) {
		answer = hear(1);
		if (answer)
			fail_msg("%s", json_object_to_json_string(answer));
	}
	nvmet_rpc_change_ms = 20;
	nvmet_rpc_drive_stop();
	nvmet_rpc_change_ms = 10000;
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -ESHUTDOWN);
	json_object_put(answer);
	/* what it does later touches nothing of ours; a sanitizer sees it */
	atomic_store(&let_out, true);
	while (nr_threads() > threads)
		usleep(1000);
	sysfs_remove();
}

/* What it takes is not known before it is live, nor which drive it is. */
static void test_rpc_drive_that_comes_up_asks_to_try_again(void **state)
{
	unsigned int enables;
	bool open = true;

	(void)state;
	nvmet_drive_look_ms = 20;
	sysfs_make();
	atomic_store(&t.drive->gone, true);
	while (open) {
		turn();
		pthread_mutex_lock(&t.drive->lock);
		open = t.drive->open;
		pthread_mutex_unlock(&t.drive->lock);
	}
	fake_pcie_stop(t.drive);
	memset(t.drive->bar, 0, FAKE_PCIE_BAR_BYTES);
	fake_pcie_reset(t.drive);
	atomic_store(&t.drive->gone, false);
	atomic_store(&t.drive->cut_off, false);
	atomic_store(&t.drive->never_ready, true);
	enables = atomic_load(&t.drive->enables);
	fake_pcie_run(t.drive);
	plug("0000:01:00.0", "vfio-pci");
	while (atomic_load(&t.drive->enables) == enables)
		turn();
	call_fails("identify", "{" DRIVE "}", -EAGAIN, "not ready, it is being brought up");
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}", -EAGAIN,
		   "try again");
	atomic_store(&t.drive->never_ready, false);
	while (atomic_load(&t.subsys->ns[9]->away))
		turn();
	call_ok("identify", "{" DRIVE "}");
	sysfs_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rpc_drive_sick_drive_holds_no_other_call),
		TEST(test_rpc_drive_memory_is_waited_for_in_line),
		TEST(test_rpc_drive_that_is_away_refuses),
		TEST(test_rpc_drive_close_ends_what_is_under_way),
		TEST(test_rpc_drive_lists_under_way_are_limited),
		TEST(test_rpc_drive_format_waits_for_what_hosts_sent),
		TEST(test_rpc_drive_format_is_given_up_when_nothing_comes_back),
		TEST(test_rpc_drive_format_waits_for_passthrough),
		TEST(test_rpc_drive_scsi_format_waits_as_format_does),
		TEST(test_rpc_drive_format_waits_for_scsi_passthrough),
		TEST(test_rpc_drive_format_waits_no_longer_than_a_reset),
		TEST(test_rpc_drive_that_stops_takes_no_more),
		TEST(test_rpc_drive_stop_does_not_wait_for_the_kernel),
		TEST(test_rpc_drive_that_comes_up_asks_to_try_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
