// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who performs a command: the daemon through its socket, or this process. Entry point:
 * nvmet_ctl_call().
 *
 * Without --socket the places are tried where a daemon puts its socket by default. Only where no
 * daemon listens, or the daemon does not have the drive, this process opens the drive itself.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/util.h"
#include "target/ctl.h"
#include "target/rpc_json.h"
#include "target/rpc_parse.h"
#include "target/rpc_path.h"

enum {
	TICK_MS = 1000,
	FIRST_TICK = 2, /* seconds without a word */
};

/* ---- progress ---- */

static unsigned int ticks;

static void tick(void)
{
	if (++ticks >= FIRST_TICK && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%u s ", ticks);
}

static void ticks_over(void)
{
	if (ticks >= FIRST_TICK && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	ticks = 0;
}

/* ---- the socket ---- */

/* Return: a descriptor or -errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static bool nobody(int ret)
{
	return ret == -ENOENT || ret == -ECONNREFUSED || ret == -ENOTDIR;
}

/* Return: a descriptor; -ENOENT, no daemon runs; -errno with the reason printed. */
static int connect_daemon(const char *given)
{
	char path[NVMET_RPC_PATH_SIZE], dir[NVMET_RPC_PATH_SIZE];
	int fd;

	if (given) {
		fd = connect_to(given);
		if (fd < 0)
			nvmet_ctl_error("no daemon answers at %s: %s", given, strerror(-fd));
		return fd == -ENOENT ? -ECONNREFUSED : fd;
	}
	for (unsigned int i = 0; i < NVMET_RPC_PATHS; i++) {
		if (nvmet_rpc_state_dir(dir, sizeof(dir)) ||
		    nvmet_rpc_path(i, dir, path, sizeof(path)))
			continue;
		fd = connect_to(path);
		if (fd >= 0)
			return fd;
		if (nobody(fd))
			continue;
		nvmet_ctl_error("cannot talk to the daemon at %s: %s%s", path, strerror(-fd),
				fd == -EACCES ? " (root and the group nvmetcp may)" : "");
		return fd;
	}
	return -ENOENT;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* One value; waits as long as the daemon does, which has deadlines of its own. */
static int receive(int fd, struct json_object **valuep)
{
	struct json_tokener *tok = json_tokener_new_ex(2 * NVMET_RPC_MAX_DEPTH);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	enum json_tokener_error error = json_tokener_continue;
	struct json_object *value = NULL;
	char buf[16384];
	ssize_t n = 1;

	while (tok && error == json_tokener_continue && n > 0) {
		if (!poll(&pfd, 1, TICK_MS)) {
			tick();
			continue;
		}
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0) {
			value = json_tokener_parse_ex(tok, buf, (int)n);
			error = json_tokener_get_error(tok);
		}
	}
	ticks_over();
	json_tokener_free(tok);
	if (error == json_tokener_success && json_object_is_type(value, json_type_object)) {
		*valuep = value;
		return 0;
	}
	json_object_put(value);
	return nvmet_ctl_error("the daemon %s", n > 0 ? "answered with what is no answer"
						      : "ended before it answered");
}

/* ---- the call ---- */

static int ask(int fd, const char *method, struct json_object *params, struct json_object **answerp)
{
	struct json_object *request = json_object_new_object();
	const char *text;
	size_t len;
	int ret;

	nvmet_rpc_put_text(request, "jsonrpc", "2.0");
	nvmet_rpc_put_uint(request, "id", 1);
	nvmet_rpc_put_text(request, "method", "%s", method);
	nvmet_rpc_put(request, "params", json_object_get(params));
	text = json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &len);
	ret = text ? send_all(fd, text, len) : -ENOMEM;
	json_object_put(request);
	if (ret)
		return nvmet_ctl_error("the daemon does not take the request: %s", strerror(-ret));
	return receive(fd, answerp);
}

static void take_error(struct json_object *error, struct nvmet_rpc_error *err)
{
	struct json_object *code = NULL, *message = NULL;

	json_object_object_get_ex(error, "code", &code);
	json_object_object_get_ex(error, "message", &message);
	nvmet_rpc_set_error(err, code ? json_object_get_int(code) : NVMET_RPC_INTERNAL, "%s",
			    message ? json_object_get_string(message) : "no reason given");
}

static int call_daemon(int fd, const char *method, struct json_object *params,
		       struct json_object **resultp, struct nvmet_rpc_error *err)
{
	struct json_object *answer, *val;
	int ret = ask(fd, method, params, &answer);

	if (ret)
		return ret;
	if (json_object_object_get_ex(answer, "error", &val)) {
		take_error(val, err);
		ret = NVMET_CTL_FAILED;
	} else if (json_object_object_get_ex(answer, "result", &val)) {
		*resultp = json_object_get(val);
	} else {
		ret = nvmet_ctl_error("the daemon answered with neither result nor error");
	}
	json_object_put(answer);
	return ret;
}

int nvmet_ctl_call_other(struct nvmet_ctl_run *run, const char *method, struct json_object *params,
			 struct json_object **resultp)
{
	struct nvmet_rpc_error err = { 0 };
	int fd = connect_daemon(run->socket);
	int ret = NVMET_CTL_OK;

	*resultp = NULL;
	if (fd >= 0) {
		ret = call_daemon(fd, method, params, resultp, &err);
		close(fd);
		if (!ret || !err.code)
			return ret;
		if (err.code != -ENODEV)
			return nvmet_ctl_error("%s", err.text);
		err = (struct nvmet_rpc_error){ 0 };
	} else if (fd != -ENOENT) {
		return NVMET_CTL_FAILED; /* it was said why */
	}
	ret = nvmet_ctl_direct(method, params, tick, resultp, &err);
	ticks_over();
	return ret ? nvmet_ctl_error("%s", err.text) : NVMET_CTL_OK;
}

int nvmet_ctl_call(struct nvmet_ctl_run *run, struct json_object **resultp)
{
	return nvmet_ctl_call_other(run, run->cmd->method, run->params, resultp);
}
