// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about drives through a control connection, on a drive made of memory: the daemon's own
 * code from the JSON text to the drive's rings and back. The cores turn in threads of their own,
 * the drives' thread is the real one, the main loop is the test's.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "host/pci.h"
#include "target/drive.h"
#include "target/rpc.h"
#include "target/subsys.h"
#include "tests/fake/fake_pcie.h"

#define SUBSYS "nqn.2026-01.org.example:drive"
#define DRIVE  "\"traddr\":\"0000:01:00.0\""

/* Namespace 1 is exported, 2 is not. */
static const char config_text[] =
	"{\"nvmetcpd\":{\"cores\":1,\"memory\":\"4M\",\"hugepages\":\"off\"},"
	"\"subsystems\":[{\"nqn\":\"" SUBSYS "\",\"attr\":{\"allow_any_host\":true},"
	"  \"namespaces\":[{\"nsid\":9,\"device\":{\"pci\":\"0000:01:00.0\",\"nsid\":1}}]}]}";

static struct {
	struct fake_pcie *drive;
	struct config *cfg;
	struct nvmet_subsys *subsys;
	int fd; /* the client's end */
	char text[4 << 20];
	size_t len;
	atomic_uint formats;
	atomic_bool moved;
} t;

enum {
	VENDOR_READ = 0xc2,
};

static uint16_t on_admin(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	static uint8_t much[16384];

	if (sqe->opcode == nvme_admin_format_nvm)
		atomic_fetch_add(&t.formats, 1);
	if (sqe->opcode == VENDOR_READ)
		atomic_store(&t.moved, fake_pcie_move(f, sqe, much, sizeof(much), true));
	return 0;
}

static int setup(void **state)
{
	struct loop_opts opts = { .name = "test", .cpu = -1 };
	struct config_errors errs = { 0 };
	int fds[2];

	(void)state;
	memset(&t, 0, sizeof(t));
	log_init("test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	t.drive = fake_pcie_create();
	fake_pcie_add_ns(t.drive, 1, 9, 4096);
	fake_pcie_add_ns(t.drive, 2, 12, 512);
	fake_pcie_add_ns(t.drive, 3, 9, 512);
	fake_pcie_set_md(&t.drive->ns[2], 8, false, 0);
	t.drive->on_admin = on_admin;
	fake_pcie_run(t.drive);
	assert_int_equal(config_parse(config_text, strlen(config_text), &t.cfg, &errs), 0);
	assert_int_equal(loop_create(&opts, &nvmet.main_loop), 0);
	assert_int_equal(nvmet_cores_start(t.cfg), 0);
	assert_int_equal(nvmet_subsys_create(&t.cfg->subsystems[0], &t.subsys), 0);
	assert_int_equal(nvmet_ns_attach_cores(t.subsys->ns[9]), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	t.fd = fds[0];
	assert_int_equal(nvmet_rpc_conn_open(nvmet.main_loop, fds[1], NULL, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nvmet_rpc_conns_close();
	nvmet_rpc_drive_stop();
	close(t.fd);
	assert_false(nvmet_rpc_drive_busy());
	nvmet_ns_detach_cores(t.subsys->ns[9]);
	nvmet_subsys_free(t.subsys);
	nvmet_cores_stop();
	loop_free(nvmet.main_loop);
	nvmet.main_loop = NULL;
	config_free(t.cfg);
	fake_pcie_stop(t.drive);
	assert_int_equal(atomic_load(&t.drive->faults), 0);
	fake_pcie_free(t.drive);
	return 0;
}

/* ---- a client that shares the thread with the main loop ---- */

struct turn {
	struct loop_work work;
};

static void stop_loop(struct loop_work *w)
{
	(void)w;
	loop_stop(nvmet.main_loop);
}

static void turn(void)
{
	struct turn one;

	loop_work_init(&one.work, stop_loop);
	loop_defer(nvmet.main_loop, &one.work);
	assert_int_equal(loop_run(nvmet.main_loop), 0);
}

static void say(const char *method, const char *params)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "{\"id\":1,\"method\":\"nvmetcp_drive_%s\",\"params\":%s}", method,
			 params);

	assert_int_equal(write(t.fd, text, (size_t)n), n);
}

/* The next answer, or NULL when there is none after @turns. */
static struct json_object *hear(unsigned int turns)
{
	struct pollfd pfd = { .fd = t.fd, .events = POLLIN };
	struct json_object *answer;
	char *end;

	while (!(end = memchr(t.text, '\n', t.len)) && turns--) {
		ssize_t n;

		turn();
		poll(&pfd, 1, 1);
		n = read(t.fd, t.text + t.len, sizeof(t.text) - t.len);
		if (n > 0)
			t.len += (size_t)n;
	}
	if (!end)
		return NULL;
	*end = '\0';
	answer = json_tokener_parse(t.text);
	assert_non_null(answer);
	t.len -= (size_t)(end + 1 - t.text);
	memmove(t.text, end + 1, t.len);
	return answer;
}

enum {
	LONG = 60000, /* turns of a millisecond */
};

static struct json_object *member(struct json_object *obj, const char *path)
{
	struct json_object *val = NULL;

	if (json_pointer_get(obj, path, &val))
		fail_msg("no %s in %s", path, json_object_to_json_string(obj));
	return val;
}

/* One call that must succeed; the answer is the caller's. */
static struct json_object *call(const char *method, const char *params)
{
	struct json_object *answer;

	say(method, params);
	answer = hear(LONG);
	assert_non_null(answer);
	member(answer, "/result");
	return answer;
}

static void call_fails(const char *method, const char *params, int code, const char *words)
{
	struct json_object *answer;
	const char *text;

	say(method, params);
	answer = hear(LONG);
	assert_non_null(answer);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), code);
	text = json_object_get_string(member(answer, "/error/message"));
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, text);
	json_object_put(answer);
}

static void call_ok(const char *method, const char *params)
{
	json_object_put(call(method, params));
}

static const char *text_at(struct json_object *answer, const char *path)
{
	return json_object_get_string(member(answer, path));
}

/* ---- tests ---- */

static void test_rpc_drive_identify_and_logs(void **state)
{
	struct json_object *answer;
	char *want;

	(void)state;
	answer = call("identify", "{" DRIVE "}");
	want = nvmet_rpc_base64(&t.drive->id, sizeof(t.drive->id));
	assert_string_equal(text_at(answer, "/result/data"), want);
	assert_int_equal(json_object_get_int(member(answer, "/result/decoded/nn")),
			 le32toh(t.drive->id.nn));
	free(want);
	json_object_put(answer);
	answer = call("identify", "{" DRIVE ",\"cns\":0,\"nsid\":2}");
	assert_int_equal(json_object_get_int(member(answer, "/result/decoded/nsze")), 512);
	json_object_put(answer);
	answer = call("smart_log", "{" DRIVE "}");
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 512);
	json_object_put(answer);
	answer = call("get_log", "{" DRIVE ",\"lid\":1,\"length\":64}");
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 64);
	json_object_put(answer);
	call_fails("get_log", "{" DRIVE ",\"lid\":200,\"length\":64}", -EIO,
		   "109h: Invalid Log Page");
	call_fails("get_log", "{" DRIVE ",\"lid\":1,\"length\":1048576}", -EINVAL, "at most");
	call_fails("identify", "{\"traddr\":\"0000:02:00.0\"}", -ENODEV, "No such device");
}

static void test_rpc_drive_status_is_told_in_numbers(void **state)
{
	struct json_object *answer;

	(void)state;
	say("admin_passthru", "{" DRIVE ",\"opcode\":192}");
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/data/sc")), ST_INVALID_OPCODE);
	assert_int_equal(json_object_get_int(member(answer, "/error/data/sct")), 0);
	json_object_put(answer);
}

static void test_rpc_drive_io_passthru_moves_the_blocks(void **state)
{
	struct json_object *answer;
	char params[1024], data[685];
	uint8_t block[512];
	char *text;

	(void)state;
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + 1);
	text = nvmet_rpc_base64(block, sizeof(block));
	snprintf(data, sizeof(data), "%s", text);
	free(text);
	snprintf(params, sizeof(params),
		 "{" DRIVE ",\"opcode\":1,\"nsid\":1,\"cdw10\":3,\"data\":\"%s\"}", data);
	call_ok("io_passthru", params);
	assert_memory_equal(t.drive->ns[0].data + 3 * 512, block, sizeof(block));
	answer = call("io_passthru",
		      "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw10\":3,\"data_len\":512}");
	assert_string_equal(text_at(answer, "/result/data"), data);
	json_object_put(answer);
	/* where nobody knows how much moves, the drive has room for the most */
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":194,\"data_len\":512}", -EIO, "001h");
	assert_true(atomic_load(&t.moved));
	/* more or less than the command itself says would be a hole in the driver's memory */
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":3,\"data_len\":512}", -EINVAL,
		   "8 bytes of metadata apart");
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":4096}", -EINVAL,
		   "moves 512 bytes");
	call_fails("io_passthru",
		   "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw12\":7,\"data_len\":512}", -EINVAL,
		   "moves 4096 bytes");
	call_fails("io_passthru",
		   "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw11\":1,\"data_len\":512}", -EIO,
		   "080h: LBA Out of Range");
}

static void test_rpc_drive_what_hosts_use_is_not_destroyed(void **state)
{
	(void)state;
	call_fails("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0}", -EBUSY,
		   "exported as namespace 9 of " SUBSYS);
	call_fails("format", "{" DRIVE ",\"nsid\":4294967295,\"lbaf\":0}", -EBUSY, "exported");
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":128,\"nsid\":1}", -EBUSY, "force");
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":132,\"cdw10\":2}", -EBUSY, "exported");
	call_fails("ns_delete", "{" DRIVE ",\"nsid\":1}", -EBUSY, "exported");
	call_fails("ns_detach", "{" DRIVE ",\"nsid\":1}", -EBUSY, "exported");
	call_fails("release", "{" DRIVE "}", -EBUSY, "exported as namespace 9");
	assert_int_equal(atomic_load(&t.formats), 0);
	/* nobody uses this one: it reaches the drive, which does not know the command */
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -EIO, "001h");
	assert_int_equal(atomic_load(&t.formats), 1);
	/* all of them at once, says the drive */
	t.drive->id.fna = NVME_CTRL_FNA_FMT_ALL_NAMESPACES;
	call_ok("reset", "{" DRIVE "}");
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -EBUSY, "exported");
	assert_int_equal(atomic_load(&t.formats), 1);
	/* forced: the drive is asked, and as nothing has changed, hosts get their namespace back */
	call_fails("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0,\"force\":true}", -EIO, "001h");
	assert_int_equal(atomic_load(&t.formats), 2);
	assert_true(!atomic_load(&t.subsys->ns[9]->away));
}

static void test_rpc_drive_reset_is_answered_when_live(void **state)
{
	unsigned int enables = atomic_load(&t.drive->enables);

	(void)state;
	call_ok("reset", "{" DRIVE "}");
	assert_int_equal(atomic_load(&t.drive->enables), enables + 1);
	call_ok("rescan", "{" DRIVE "}");
	call_fails("subsystem_reset", "{" DRIVE "}", -ENOTSUP, "");
	/* a second while the first is under way */
	say("reset", "{" DRIVE "}");
	call_fails("reset", "{" DRIVE "}", -EBUSY, "reset");
	json_object_put(hear(LONG));
	call_ok("identify", "{" DRIVE "}");
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rpc_drive_identify_and_logs),
		TEST(test_rpc_drive_status_is_told_in_numbers),
		TEST(test_rpc_drive_io_passthru_moves_the_blocks),
		TEST(test_rpc_drive_what_hosts_use_is_not_destroyed),
		TEST(test_rpc_drive_reset_is_answered_when_live),
		TEST(test_rpc_drive_sick_drive_holds_no_other_call),
		TEST(test_rpc_drive_memory_is_waited_for_in_line),
		TEST(test_rpc_drive_that_is_away_refuses),
		TEST(test_rpc_drive_close_ends_what_is_under_way),
		TEST(test_rpc_drive_lists_under_way_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
