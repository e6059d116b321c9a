/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the methods about drives share: the daemon's own code from the JSON text to the
 * rings of a drive made of memory and back. The cores turn in threads of their own, the drives' thread
 * is the real one, the main loop is the test's.
 */
#ifndef TESTS_UNIT_RPC_DRIVE_RIG_H
#define TESTS_UNIT_RPC_DRIVE_RIG_H

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

static inline uint16_t on_admin(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	static uint8_t much[16384];

	if (sqe->opcode == nvme_admin_format_nvm)
		atomic_fetch_add(&t.formats, 1);
	if (sqe->opcode == VENDOR_READ)
		atomic_store(&t.moved, fake_pcie_move(f, sqe, much, sizeof(much), true));
	return 0;
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void stop_loop(struct loop_work *w)
{
	(void)w;
	loop_stop(nvmet.main_loop);
}

static inline void turn(void)
{
	struct turn one;

	loop_work_init(&one.work, stop_loop);
	loop_defer(nvmet.main_loop, &one.work);
	assert_int_equal(loop_run(nvmet.main_loop), 0);
}

static inline void say(const char *method, const char *params)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "{\"id\":1,\"method\":\"nvmetcp_drive_%s\",\"params\":%s}", method,
			 params);

	assert_int_equal(write(t.fd, text, (size_t)n), n);
}

/* The next answer, or NULL when there is none after @turns. */
static inline struct json_object *hear(unsigned int turns)
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

static inline struct json_object *member(struct json_object *obj, const char *path)
{
	struct json_object *val = NULL;

	if (json_pointer_get(obj, path, &val))
		fail_msg("no %s in %s", path, json_object_to_json_string(obj));
	return val;
}

/* One call that must succeed; the answer is the caller's. */
static inline struct json_object *call(const char *method, const char *params)
{
	struct json_object *answer;

	say(method, params);
	answer = hear(LONG);
	assert_non_null(answer);
	member(answer, "/result");
	return answer;
}

static inline void call_fails(const char *method, const char *params, int code, const char *words)
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

static inline void call_ok(const char *method, const char *params)
{
	json_object_put(call(method, params));
}

static inline const char *text_at(struct json_object *answer, const char *path)
{
	return json_object_get_string(member(answer, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* TESTS_UNIT_RPC_DRIVE_RIG_H */
