// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control socket: where it lies, who owns it, who gets in. Main loop. Entry points:
 * nvmet_rpc_start(), nvmet_rpc_stop().
 *
 * A lock on PATH.lock says that a daemon has the socket at PATH; a socket without it was left by
 * one that is no more. The 65th client waits until one of the 64 has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "target/rpc.h"
#include "target/rpc_path.h"

enum {
	BACKLOG = 64,
	LOCK_TRIES = 5, /* while another daemon that ends removes its lock */
	PAUSE_MS = 200, /* before accepting again, out of descriptors */
};

static struct {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer pause;
	char path[NVMET_RPC_PATH_SIZE];
	char lock[NVMET_RPC_PATH_SIZE + 8];
	int fd;
	int lock_fd;
	bool locked;
	unsigned int nr_conns;
} server = { .fd = -1, .lock_fd = -1 };

/* ---- accepting ---- */

static void watch(void)
{
	if (server.io.loop)
		loop_io_set(&server.io, server.nr_conns < NVMET_RPC_MAX_CONNS ? LOOP_READ : 0);
}

static void conn_closed(void *arg)
{
	(void)arg;
	server.nr_conns--;
	watch();
}

static void accept_ready(struct loop_io *io, unsigned int events)
{
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_peer(LOG_LVL_WARN, "control connection not accepted: %m");
			loop_io_set(io, 0);
			loop_timer_start(&server.pause, PAUSE_MS);
		}
		return;
	}
	server.nr_conns++;
	if (nvmet_rpc_conn_open(server.loop, fd, conn_closed, NULL))
		server.nr_conns--;
	watch();
}

static void pause_over(struct loop_timer *t)
{
	(void)t;
	watch();
}

/* ---- the place ---- */

/* The group that may use it, where there is one. */
static void give_to_group(const char *path, mode_t mode)
{
	struct group *grp = getgrnam("nvmetcp");

	/* Somebody who is neither root nor in the group cannot, and keeps it to himself. */
	if (grp && chown(path, (uid_t)-1, grp->gr_gid))
		log_debug("group of the control socket not set path=%s: %m", path);
	if (chmod(path, mode))
		log_debug("mode of the control socket not set path=%s: %m", path);
}

static int make_folder(const char *path)
{
	char folder[NVMET_RPC_PATH_SIZE];
	char *last;

	snprintf(folder, sizeof(folder), "%s", path);
	last = strrchr(folder, '/');
	if (last == folder)
		return 0;
	*last = '\0';
	if (!mkdir(folder, 0750))
		give_to_group(folder, 0750);
	else if (errno != EEXIST)
		return -errno;
	return 0;
}

/* Return: whether what was locked is what lies at the path: an ending daemon removes it. */
static bool lock_is_there(void)
{
	struct stat ours, there;

	return !fstat(server.lock_fd, &ours) && !stat(server.lock, &there) &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int take_lock(void)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		server.lock_fd = open(server.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (server.lock_fd < 0)
			return -errno;
		if (flock(server.lock_fd, LOCK_EX | LOCK_NB))
			return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		server.locked = lock_is_there();
		if (server.locked)
			return 0;
		close(server.lock_fd);
		server.lock_fd = -1;
	}
	return -EADDRINUSE;
}

static int bind_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	memcpy(addr.sun_path, server.path, sizeof(addr.sun_path));
	if (!lstat(server.path, &st)) {
		if (!S_ISSOCK(st.st_mode))
			return -EEXIST;
		if (unlink(server.path))
			return -errno;
	}
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server.fd < 0)
		return -errno;
	/* The file begins with the mode of the descriptor: nobody else gets in before the group is
	 * set. */
	if (fchmod(server.fd, 0600) || bind(server.fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(server.fd, BACKLOG))
		return -errno;
	give_to_group(server.path, 0660);
	return 0;
}

static void let_go(void)
{
	if (server.fd >= 0) {
		unlink(server.path);
		close(server.fd);
	}
	if (server.lock_fd >= 0) {
		if (server.locked)
			unlink(server.lock);
		close(server.lock_fd);
	}
	server.fd = server.lock_fd = -1;
	server.locked = false;
}

static int try_place(const char *path)
{
	int ret;

	snprintf(server.path, sizeof(server.path), "%s", path);
	snprintf(server.lock, sizeof(server.lock), "%s.lock", path);
	ret = make_folder(path);
	if (!ret)
		ret = take_lock();
	if (!ret)
		ret = bind_socket();
	if (ret)
		let_go();
	return ret;
}

static const char *reason(int ret)
{
	return ret == -EADDRINUSE ? "another nvmetcpd has it"
	       : ret == -EEXIST	  ? "there is a file that is no socket"
				  : strerror(-ret);
}

/* Return: 0, or why not even the last of the places. */
static int try_defaults(const char *state_dir)
{
	char path[NVMET_RPC_PATH_SIZE];
	int ret = -ENOENT;

	for (unsigned int i = 0; i < NVMET_RPC_PATHS; i++) {
		int again = nvmet_rpc_path(i, state_dir, path, sizeof(path));

		if (!again)
			again = try_place(path);
		if (!again)
			return 0;
		if (again != -ENOENT)
			log_info("control socket cannot be here path=%s reason=\"%s\"", path,
				 reason(again));
		ret = again;
	}
	return ret;
}

int nvmet_rpc_start(struct loop *loop, const struct config_daemon *cfg)
{
	int ret;

	ret = cfg->rpc_socket ? try_place(cfg->rpc_socket) : try_defaults(cfg->state_dir);
	if (ret && cfg->rpc_socket) {
		log_err("cannot make the control socket %s: %s; set nvmetcpd.rpc_socket to another path",
			cfg->rpc_socket, reason(ret));
		return ret;
	}
	if (ret) {
		log_warn(
			"there is no control socket: %s; set nvmetcpd.rpc_socket to a path that can be had",
			reason(ret));
		return 0;
	}
	server.loop = loop;
	ret = loop_timer_init(loop, &server.pause, pause_over);
	if (!ret)
		ret = loop_io_add(loop, &server.io, server.fd, LOOP_READ, accept_ready);
	if (!ret)
		log_info("control socket path=%s", server.path);
	else
		log_err("cannot watch the control socket: %s", strerror(-ret));
	return ret;
}

void nvmet_rpc_stop(void)
{
	loop_io_del(&server.io);
	loop_timer_done(&server.pause);
	nvmet_rpc_conns_close();
	nvmet_rpc_drive_stop();
	let_go();
}
