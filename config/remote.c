// SPDX-License-Identifier: BSD-2-Clause
/*
 * The device "remote": transport strings of the paths to a namespace of another target.
 *
 * Context: any one thread. Entry points: config_read_remote(), config_decide_remote(),
 * config_check_remotes(). What a string may hold is the host library's to say, which is asked here
 * so that it is found wrong before it is used; nothing is looked up or connected.
 */
#include <stdlib.h>
#include <string.h>

#include "common/nqn.h"
#include "common/stream.h"
#include "common/util.h"
#include "config/read.h"
#include "host/nvmh.h"

enum {
	MAX_TEXT = 4096, /* bytes of a string, as nvmh_transport_parse() takes them */
	DEFAULT_PORT = 4420,
};

/* @val as a string of its own; NULL, with an error added, if it is none. */
static char *take_text(struct config_reader *rd, struct json_object *val)
{
	char text[MAX_TEXT + 1], *copy;
	size_t len;

	if (!json_object_is_type(val, json_type_string) ||
	    !config_text(val, text, sizeof(text), &len)) {
		config_read_expected(
			rd, val,
			"a transport string like \"trtype=tcp traddr=192.0.2.1 subnqn=nqn...\"");
		return NULL;
	}
	copy = strdup(text);
	rd->nomem |= !copy;
	return copy;
}

/* What the library takes, but not for a namespace that is exported. */
static bool check_path(struct config_reader *rd, const struct config_remote *remote,
		       const struct nvmh_transport *tr)
{
	const struct nvmh_ctrl_opts *opts = &tr->opts;

	if (strcmp(opts->trtype, "tcp"))
		config_read_error(rd, "trtype=%s: only tcp is remote; a local drive is \"pci\"",
				  opts->trtype);
	else if (!opts->subnqn)
		config_read_error(rd, "subnqn= is missing: the name of the remote subsystem");
	else if (!strcmp(opts->subnqn, NQN_DISCOVERY))
		config_read_error(rd, "subnqn=%s: a discovery subsystem has no namespaces",
				  opts->subnqn);
	else if (remote->subnqn && strcmp(remote->subnqn, opts->subnqn))
		config_read_error(
			rd, "subnqn=%s: all paths must lead to one subsystem, the first is to %s",
			opts->subnqn, remote->subnqn);
	else if (remote->nsid && tr->nsid && remote->nsid != tr->nsid)
		config_read_error(rd, "nsid=%u: a path before has nsid=%u", tr->nsid, remote->nsid);
	else
		return true;
	return false;
}

static void take_path(struct config_reader *rd, struct json_object *val, uint32_t index, void *ctx)
{
	struct config_remote *remote = ctx;
	struct nvmh_transport tr = { 0 };
	char *text = take_text(rd, val);

	(void)index;
	if (!text)
		return;
	if (nvmh_transport_parse(text, &tr)) {
		config_read_error(rd, "%s", nvmh_strerror());
	} else if (check_path(rd, remote, &tr)) {
		if (tr.nsid)
			remote->nsid = tr.nsid;
		if (!remote->subnqn)
			remote->subnqn = strdup(tr.opts.subnqn);
		remote->path[remote->nr_paths++] = text;
		text = NULL;
		rd->nomem |= !remote->subnqn;
	}
	nvmh_transport_done(&tr);
	free(text);
}

void config_read_remote(struct config_reader *rd, struct json_object *val,
			const struct config_field *field, void *obj)
{
	struct config_remote *remote = (void *)((char *)obj + field->offset);

	if (!json_object_is_type(val, json_type_array))
		take_path(rd, val, 0, remote);
	else if (!json_object_array_length(val))
		config_read_expected(rd, val, "a transport string, or a list of them");
	else
		config_read_list(rd, val, CONFIG_MAX_PATHS, take_path, remote);
}

void config_decide_remote(struct config_reader *rd, struct config_namespace *ns)
{
	size_t before;

	if (ns->remote.nsid && ns->dev_nsid && ns->remote.nsid != ns->dev_nsid) {
		before = config_path_member(&rd->path, "nsid", 4);
		config_read_error(rd, "%u, but a transport string says nsid=%u", ns->dev_nsid,
				  ns->remote.nsid);
		config_path_cut(&rd->path, before);
	}
	if (!ns->dev_nsid)
		ns->dev_nsid = ns->remote.nsid;
}

/* ---- loops ---- */

static bool is_loopback(const char *host, bool ipv6)
{
	return ipv6 ? !strcmp(host, "::1") : !strncmp(host, "127.", 4);
}

/* Whether a connection to @host and @trsvcid comes out at @port, as far as the file can tell. */
static bool leads_to(const struct config_port *port, const char *host, uint16_t trsvcid)
{
	const struct config_addr *addr = &port->addr;

	if (!addr->trsvcid || addr->trsvcid != trsvcid)
		return false;
	return !strcmp(addr->traddr, host) ||
	       (!strcmp(addr->traddr, addr->ipv6 ? "::" : "0.0.0.0") &&
		is_loopback(host, addr->ipv6));
}

/* The port of this file by which @text reaches its own subsystem @subsys; NULL: by none. */
static const struct config_port *own_port(const struct config *cfg, uint32_t subsys,
					  const char *text)
{
	const struct config_port *found = NULL;
	struct nvmh_transport tr;
	struct sockaddr_storage ss;
	char host[CONFIG_ADDR_SIZE];
	socklen_t len;
	uint16_t trsvcid;

	if (nvmh_transport_parse(text, &tr))
		return NULL;
	trsvcid = tr.opts.trsvcid ? (uint16_t)strtoul(tr.opts.trsvcid, NULL, 10) : DEFAULT_PORT;
	if (!sock_addr(tr.opts.traddr, trsvcid, &ss, &len)) {
		sock_addr_split(&ss, host, sizeof(host), &trsvcid);
		for (uint32_t i = 0; i < cfg->nr_ports && !found; i++)
			for (uint32_t k = 0; k < cfg->ports[i].nr_subsystems; k++)
				if (cfg->ports[i].subsystems[k] == subsys &&
				    leads_to(&cfg->ports[i], host, trsvcid))
					found = &cfg->ports[i];
	}
	nvmh_transport_done(&tr);
	return found;
}

static void check_loop(struct config_reader *rd, const struct config_subsystem *subsys,
		       const struct config_namespace *ns)
{
	int own = config_find_subsystem(rd->cfg, ns->remote.subnqn);
	const struct config_port *port;
	char path[96];

	for (uint32_t i = 0; own >= 0 && i < ns->remote.nr_paths; i++) {
		port = own_port(rd->cfg, (uint32_t)own, ns->remote.path[i]);
		if (!port)
			continue;
		snprintf(path, sizeof(path), "subsystems[%u].namespaces[%u].device.remote",
			 subsys->index, ns->index);
		config_error(
			rd->errs, path, 0,
			"%s is a subsystem of this file and ports[%u] its port: a daemon cannot be its own remote target",
			ns->remote.subnqn, port->index);
	}
}

void config_check_remotes(struct config_reader *rd)
{
	const struct config *cfg = rd->cfg;

	for (uint32_t i = 0; i < cfg->nr_subsystems; i++) {
		const struct config_subsystem *subsys = &cfg->subsystems[i];

		for (uint32_t k = 0; k < subsys->nr_namespaces; k++)
			if (subsys->namespaces[k].device == CONFIG_DEVICE_REMOTE)
				check_loop(rd, subsys, &subsys->namespaces[k]);
	}
}
