// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ports: listening sockets. Accepting runs on the main thread, so that a flood of connects does not
 * disturb the cores. Entry points: nvmet_port_open(), nvmet_port_accept(), nvmet_port_free().
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stream.h"
#include "target/conn.h"
#include "target/subsys.h"

enum {
	PORT_BACKLOG = 1024,
	PORT_ACCEPT_BATCH = 64, /* connections of one turn */
	PORT_PAUSE_MS = 200,	/* out of descriptors or memory: let some go */
};

static void port_resume(struct loop_timer *t)
{
	struct nvmet_port *port = container_of(t, struct nvmet_port, pause);

	loop_io_set(&port->io, LOOP_READ);
}

static void port_ready(struct loop_io *io, unsigned int events)
{
	struct nvmet_port *port = container_of(io, struct nvmet_port, io);

	(void)events;
	for (int i = 0; i < PORT_ACCEPT_BATCH; i++) {
		int fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			nvmet_conn_open(fd, port);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			continue; /* that one connection failed before we got it */
		log_peer(LOG_LVL_WARN,
			 "cannot accept connections for now: %s; raise LimitNOFILE portid=%u",
			 strerror(errno), port->cfg->portid);
		loop_io_set(&port->io, 0);
		loop_timer_start(&port->pause, PORT_PAUSE_MS);
		return;
	}
}

static const char *listen_advice(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "another program listens there; stop it, or choose another trsvcid";
	case -EADDRNOTAVAIL:
		return "no interface has this address; see \"ip address\"";
	case -EACCES:
		return "ports below 1024 need CAP_NET_BIND_SERVICE";
	default:
		return "check traddr and trsvcid";
	}
}

/* What the kernel has, in one line; "?" where that cannot be told. */
static void available_congestion(char *buf, size_t size)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_congestion_control", "re");

	snprintf(buf, size, "?");
	if (!f)
		return;
	if (fgets(buf, (int)size, f))
		buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

/* Connections inherit it from the listening socket. */
static int set_congestion(const struct nvmet_port *port)
{
	const char *name = port->cfg->tcp_congestion;
	char available[256];
	int ret;

	if (!*name || !setsockopt(port->fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)))
		return 0;
	ret = -errno;
	available_congestion(available, sizeof(available));
	log_err("port %u: the kernel refuses tcp_congestion \"%s\": %s; available: %s",
		port->cfg->portid, name,
		ret == -ENOENT ? "it has none of this name, nor a module for it" : strerror(-ret),
		available);
	return ret;
}

int nvmet_port_open(const struct config_port *cfg, struct nvmet_port **portp)
{
	struct nvmet_port *port = calloc(1, sizeof(*port));
	socklen_t len = sizeof(port->addr);
	int ret = -ENOMEM;

	if (!port)
		return ret;
	list_init(&port->link);
	port->cfg = cfg;
	port->fd = -1;
	port->subsystems = calloc(cfg->nr_subsystems + 1, sizeof(*port->subsystems));
	if (!port->subsystems)
		goto fail;
	port->fd = sock_listen(cfg->addr.traddr, cfg->addr.trsvcid, PORT_BACKLOG);
	if (port->fd < 0) {
		ret = port->fd;
		log_err("port %u cannot listen on %s:%u: %s; %s", cfg->portid, cfg->addr.traddr,
			cfg->addr.trsvcid, strerror(-ret), listen_advice(ret));
		goto fail;
	}
	ret = set_congestion(port);
	if (ret)
		goto fail;
	if (getsockname(port->fd, (struct sockaddr *)&port->addr, &len)) {
		ret = -errno;
		goto fail;
	}
	*portp = port;
	return 0;
fail:
	nvmet_port_free(port);
	return ret;
}

int nvmet_port_accept(struct nvmet_port *port)
{
	int ret = loop_timer_init(nvmet.main_loop, &port->pause, port_resume);

	return ret ? ret : loop_io_add(nvmet.main_loop, &port->io, port->fd, LOOP_READ, port_ready);
}

void nvmet_port_stop(struct nvmet_port *port)
{
	loop_io_del(&port->io);
	loop_timer_done(&port->pause);
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
}

void nvmet_port_free(struct nvmet_port *port)
{
	if (!port)
		return;
	nvmet_port_stop(port);
	free(port->subsystems);
	free(port);
}
