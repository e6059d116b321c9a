// SPDX-License-Identifier: BSD-2-Clause
/*
 * Build up, serve, take down. Main thread. Entry point: nvmet_serve().
 * Up: cores, discovery, subsystems with their namespaces and drives, listeners, the control socket;
 * only then is anybody accepted. Down: listeners, connections (what was taken is finished first)
 * and drives (both stop.c), the control socket, namespaces, cores.
 */
#include "target/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stream.h"
#include "target/rpc.h"
#include "target/sd.h"
#include "target/stop.h"
#include "target/subsys.h"

/* ---- the end ---- */

/* Nothing new is taken. */
static void begin_stop(void)
{
	struct list *pos;

	nvmet_sd_stopping();
	nvmet_rpc_drive_close();
	list_for_each(pos, &nvmet.ports)
		nvmet_port_stop(list_entry(pos, struct nvmet_port, link));
	nvmet_stop_begin();
}

static void stop_signal(struct loop_signal *s)
{
	const char *name = s->signo == SIGINT ? "SIGINT" : "SIGTERM";
	static bool before;

	if (before) {
		log_notice("stopping, connections are not waited for any more signal=%s", name);
		nvmet_stop_begin();
		return;
	}
	before = true;
	log_notice("stopping signal=%s", name);
	begin_stop();
}

/* After a signal it has run; else the start has failed, and drives may be there. */
static void await_stop(void)
{
	if (nvmet_stop_result() == NVMET_STOP_NOT) {
		begin_stop();
		loop_run(nvmet.main_loop);
	}
	if (nvmet_stop_result() == NVMET_GAVE_UP)
		_exit(1);
}

/* ---- up ---- */

static int make_subsystems(const struct config *cfg)
{
	int ret = nvmet_discovery_create();

	for (uint32_t i = 0; !ret && i < cfg->nr_subsystems; i++) {
		struct nvmet_subsys *subsys;

		ret = nvmet_subsys_create(&cfg->subsystems[i], &subsys);
		for (uint32_t n = 1; !ret && n <= subsys->max_nsid; n++)
			if (subsys->all[n])
				ret = nvmet_ns_attach_cores(subsys->all[n]);
	}
	return ret;
}

static struct nvmet_subsys *subsys_by_nqn(const char *nqn)
{
	struct list *pos;

	list_for_each(pos, &nvmet.subsystems) {
		struct nvmet_subsys *subsys = list_entry(pos, struct nvmet_subsys, link);

		if (!strcmp(subsys->nqn, nqn))
			return subsys;
	}
	return NULL;
}

static int make_ports(const struct config *cfg)
{
	for (uint32_t i = 0; i < cfg->nr_ports; i++) {
		const struct config_port *cp = &cfg->ports[i];
		struct nvmet_port *port;
		int ret = nvmet_port_open(cp, &port);

		if (ret)
			return ret;
		for (uint32_t k = 0; k < cp->nr_subsystems; k++)
			port->subsystems[port->nr_subsystems++] =
				subsys_by_nqn(cfg->subsystems[cp->subsystems[k]].nqn);
		list_add_tail(&nvmet.ports, &port->link);
	}
	return 0;
}

static int accept_all(void)
{
	struct list *pos;
	int ret = 0;

	list_for_each(pos, &nvmet.ports) {
		ret = nvmet_port_accept(list_entry(pos, struct nvmet_port, link));
		if (ret)
			break;
	}
	return ret;
}

/* ---- down ---- */

static void settle_core(void *arg)
{
	(void)arg;
}

static void detach_namespaces(struct nvmet_subsys *subsys)
{
	for (uint32_t i = 1; i <= subsys->max_nsid; i++)
		if (subsys->all[i])
			nvmet_ns_detach_cores(subsys->all[i]);
}

static void take_down(void)
{
	struct list *pos;
	struct list *n;

	/* An event on its way to a host that left keeps the controller; whatever was sent before
	 * has run after this. */
	for (int i = 0; i < nvmet.nr_cores; i++)
		loop_call(nvmet.cores[i]->loop, settle_core, NULL);
	while ((n = list_pop(&nvmet.ports)))
		nvmet_port_free(list_entry(n, struct nvmet_port, link));
	list_for_each(pos, &nvmet.subsystems)
		detach_namespaces(list_entry(pos, struct nvmet_subsys, link));
	while ((n = list_pop(&nvmet.subsystems)))
		nvmet_subsys_free(list_entry(n, struct nvmet_subsys, link));
	nvmet.discovery = NULL;
	nvmet_cores_stop();
}

static void say_hint(void)
{
	struct list *pos;
	char host[64];
	uint16_t trsvcid;

	list_for_each(pos, &nvmet.ports) {
		struct nvmet_port *port = list_entry(pos, struct nvmet_port, link);

		sock_addr_split(&port->addr, host, sizeof(host), &trsvcid);
		/* Listening everywhere: where this machine itself finds it. */
		if (!strcmp(host, "0.0.0.0") || !strcmp(host, "::"))
			snprintf(host, sizeof(host), "%s", *host == ':' ? "::1" : "127.0.0.1");
		for (uint32_t i = 0; i < port->nr_subsystems; i++)
			printf("nvme connect -t tcp -a %s -s %u -n %s\n", host, trsvcid,
			       port->subsystems[i]->nqn);
	}
	fflush(stdout);
}

static void say_ready(void)
{
	char status[64];
	unsigned int nr_ns = 0;
	struct list *pos;

	list_for_each(pos, &nvmet.subsystems)
		nr_ns += list_entry(pos, struct nvmet_subsys, link)->nr_ns;
	snprintf(status, sizeof(status), "serving %u namespaces on %d cores", nr_ns,
		 nvmet.nr_cores);
	log_notice("%s", status);
	nvmet_sd_ready(status);
}

static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

static int make_dir(const char *path)
{
	char part[CONFIG_PATH_SIZE];
	size_t len = strnlen(path, sizeof(part));

	if (len == sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i])
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0750) && errno != EEXIST) {
			int ret = -errno;

			log_err("cannot create the state folder %s: %s; set nvmetcpd.state_dir to one that can be written",
				path, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

static int bring_up(const struct config *cfg)
{
	struct loop_opts opts = { .name = "nvmetcpd", .cpu = -1 };
	int ret = make_dir(cfg->daemon.state_dir);

	if (!ret)
		ret = nvmet_machine_uuid(cfg->daemon.state_dir, nvmet.machine_uuid);
	if (!ret)
		ret = loop_create(&opts, &nvmet.main_loop);
	if (!ret)
		ret = nvmet_stop_init();
	if (!ret)
		ret = nvmet_cores_start(cfg);
	if (!ret)
		ret = make_subsystems(cfg);
	if (!ret)
		ret = make_ports(cfg);
	return ret;
}

int nvmet_serve(const struct config *cfg, bool hint)
{
	struct loop_signal sigterm = { 0 }, sigint = { 0 };
	int ret;

	signal(SIGPIPE, SIG_IGN);
	raise_nofile();
	ret = bring_up(cfg);
	if (!ret)
		ret = loop_signal_add(nvmet.main_loop, &sigterm, SIGTERM, stop_signal);
	if (!ret)
		ret = loop_signal_add(nvmet.main_loop, &sigint, SIGINT, stop_signal);
	if (!ret)
		ret = nvmet_place_start();
	if (!ret)
		ret = nvmet_rpc_start(nvmet.main_loop, &cfg->daemon);
	if (!ret)
		ret = accept_all();
	if (!ret) {
		say_ready();
		if (hint)
			say_hint();
		ret = loop_run(nvmet.main_loop);
	}
	if (nvmet.main_loop) {
		await_stop();
		loop_signal_del(&sigterm);
		loop_signal_del(&sigint);
		nvmet_place_stop();
		nvmet_rpc_stop();
	}
	take_down();
	nvmet_stop_done();
	loop_free(nvmet.main_loop);
	nvmet.main_loop = NULL;
	return ret;
}
