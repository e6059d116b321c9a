// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a struct config back to JSON, in the layout of the kernel target's tools: attributes as
 * strings, enable and ids as numbers.
 *
 * Context: any one thread. Entry point: config_write(). Members come in the order written here and
 * lists in the order of the struct, so that equal configurations give equal text. Allocation
 * failures are collected in one flag and reported at the end.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"
#include "config/message.h"

/* The object that is being built; adding to one that could not be allocated does nothing. */
struct writer {
	bool nomem;
};

static void put(struct writer *w, struct json_object *obj, const char *name,
		struct json_object *val)
{
	if (obj && val && !json_object_object_add(obj, name, val))
		return;
	w->nomem = true;
	json_object_put(val);
}

static void put_text(struct writer *w, struct json_object *obj, const char *name, const char *text)
{
	put(w, obj, name, json_object_new_string(text));
}

static void put_fmt(struct writer *w, struct json_object *obj, const char *name, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));

static void put_fmt(struct writer *w, struct json_object *obj, const char *name, const char *fmt,
		    ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put_text(w, obj, name, text);
}

static void put_number(struct writer *w, struct json_object *obj, const char *name, uint64_t number)
{
	put(w, obj, name, json_object_new_int64((int64_t)number));
}

static void put_bool(struct writer *w, struct json_object *obj, const char *name, bool on)
{
	put_number(w, obj, name, on);
}

static void put_size(struct writer *w, struct json_object *obj, const char *name, uint64_t bytes)
{
	char text[24];

	put_text(w, obj, name, config_size_text(bytes, text, sizeof(text)));
}

static struct json_object *put_object(struct writer *w, struct json_object *obj, const char *name)
{
	struct json_object *val = json_object_new_object();

	put(w, obj, name, val);
	return w->nomem ? NULL : val;
}

static struct json_object *put_list(struct writer *w, struct json_object *obj, const char *name)
{
	struct json_object *val = json_object_new_array();

	put(w, obj, name, val);
	return w->nomem ? NULL : val;
}

static struct json_object *append(struct writer *w, struct json_object *list,
				  struct json_object *val)
{
	if (list && val && !json_object_array_add(list, val))
		return val;
	w->nomem = true;
	json_object_put(val);
	return NULL;
}

static void write_daemon(struct writer *w, struct json_object *root,
			 const struct config_daemon *daemon)
{
	static const char *const hugepages[] = {
		[CONFIG_HUGEPAGES_AUTO] = "auto",
		[CONFIG_HUGEPAGES_ON] = "on",
		[CONFIG_HUGEPAGES_OFF] = "off",
	};
	static const char *const level[] = {
		[LOG_LVL_ERROR] = "error", [LOG_LVL_WARN] = "warn",   [LOG_LVL_NOTICE] = "notice",
		[LOG_LVL_INFO] = "info",   [LOG_LVL_DEBUG] = "debug",
	};
	struct json_object *obj = put_object(w, root, "nvmetcpd"), *cpus;
	uint32_t i;

	if (daemon->has_cpus) {
		cpus = put_list(w, obj, "cores");
		for (i = 0; i < daemon->nr_cores; i++)
			append(w, cpus, json_object_new_int(daemon->cpu[i]));
	} else if (daemon->nr_cores) {
		put_number(w, obj, "cores", daemon->nr_cores);
	}
	put_size(w, obj, "memory", daemon->memory_bytes);
	put_text(w, obj, "hugepages", hugepages[daemon->hugepages]);
	put_text(w, obj, "log_level", level[daemon->log_level]);
	put_number(w, obj, "spin_us", daemon->spin_us);
	put_bool(w, obj, "balance", daemon->balance);
	put_text(w, obj, "state_dir", daemon->state_dir);
	if (daemon->rpc_socket)
		put_text(w, obj, "rpc_socket", daemon->rpc_socket);
	put_size(w, obj, "max_io_size", daemon->max_io_bytes);
	put_number(w, obj, "in_capsule_data_size", daemon->in_capsule_bytes);
	put_number(w, obj, "io_queue_depth", daemon->io_queue_depth);
	put_number(w, obj, "max_io_queues", daemon->max_io_queues);
	put_bool(w, obj, "drive_cmb", daemon->drive_cmb);
	put_size(w, obj, "drive_hmb", daemon->drive_hmb_bytes);
	put_number(w, obj, "drive_timeout", daemon->drive_timeout_s);
}

static void write_remote(struct writer *w, struct json_object *obj,
			 const struct config_remote *remote)
{
	struct json_object *list;

	if (remote->nr_paths == 1) {
		put_text(w, obj, "remote", remote->path[0]);
		return;
	}
	list = put_list(w, obj, "remote");
	for (uint32_t i = 0; i < remote->nr_paths; i++)
		append(w, list, json_object_new_string(remote->path[i]));
}

static void write_device(struct writer *w, struct json_object *obj,
			 const struct config_namespace *ns)
{
	const uint8_t *e = ns->eui64;
	char text[UUID_TEXT];

	switch (ns->device) {
	case CONFIG_DEVICE_PCI:
		put_text(w, obj, "pci", ns->bdf);
		put_number(w, obj, "nsid", ns->dev_nsid);
		break;
	case CONFIG_DEVICE_PATH:
		put_text(w, obj, "path", ns->path);
		if (ns->size_bytes)
			put_size(w, obj, "size", ns->size_bytes);
		break;
	case CONFIG_DEVICE_MEM:
		put_size(w, obj, "mem", ns->size_bytes);
		break;
	case CONFIG_DEVICE_NULL:
		put_size(w, obj, "null", ns->size_bytes);
		break;
	case CONFIG_DEVICE_REMOTE:
		write_remote(w, obj, &ns->remote);
		put_number(w, obj, "nsid", ns->dev_nsid);
		break;
	case CONFIG_DEVICE_NONE:
		break;
	}
	if (ns->block_size)
		put_number(w, obj, "block_size", ns->block_size);
	if (ns->read_only)
		put(w, obj, "read_only", json_object_new_boolean(true));
	if (ns->has_uuid)
		put_text(w, obj, "uuid", uuid_to_text(ns->uuid, text));
	if (ns->has_nguid) /* the kernel's tools save it in this form, too */
		put_text(w, obj, "nguid", uuid_to_text(ns->nguid, text));
	if (ns->has_eui64)
		put_fmt(w, obj, "eui64", "%02x%02x%02x%02x%02x%02x%02x%02x", e[0], e[1], e[2], e[3],
			e[4], e[5], e[6], e[7]);
}

static void write_namespace(struct writer *w, struct json_object *list,
			    const struct config_namespace *ns)
{
	struct json_object *obj = append(w, list, json_object_new_object());

	put_number(w, obj, "nsid", ns->nsid);
	put_bool(w, obj, "enable", ns->enable);
	put_number(w, obj, "ana_grpid", ns->ana_grpid);
	if (ns->resv_enable)
		put_text(w, put_object(w, obj, "resv"), "enable", "1");
	write_device(w, put_object(w, obj, "device"), ns);
}

static void write_attr(struct writer *w, struct json_object *obj,
		       const struct config_subsystem *subsys)
{
	put_text(w, obj, "allow_any_host", subsys->allow_any_host ? "1" : "0");
	if (subsys->serial[0])
		put_text(w, obj, "serial", subsys->serial);
	if (subsys->model[0])
		put_text(w, obj, "model", subsys->model);
	if (subsys->firmware[0])
		put_text(w, obj, "firmware", subsys->firmware);
	put_fmt(w, obj, "ieee_oui", "0x%06x", subsys->ieee_oui);
	put_fmt(w, obj, "vendor_id", "0x%x", subsys->vendor_id);
	put_fmt(w, obj, "subsys_vendor_id", "0x%x", subsys->subsys_vendor_id);
	put_fmt(w, obj, "cntlid_min", "%u", subsys->cntlid_min);
	put_fmt(w, obj, "cntlid_max", "%u", subsys->cntlid_max);
	put_fmt(w, obj, "qid_max", "%u", subsys->qid_max);
	put_text(w, obj, "pi_enable", subsys->pi_enable ? "1" : "0");
}

static void write_subsystem(struct writer *w, struct json_object *list,
			    const struct config_subsystem *subsys)
{
	struct json_object *obj = append(w, list, json_object_new_object()), *sub;
	uint32_t i;

	put_text(w, obj, "nqn", subsys->nqn);
	write_attr(w, put_object(w, obj, "attr"), subsys);
	sub = put_list(w, obj, "allowed_hosts");
	for (i = 0; i < subsys->nr_allowed_hosts; i++)
		append(w, sub, json_object_new_string(subsys->allowed_hosts[i]));
	sub = put_list(w, obj, "namespaces");
	for (i = 0; i < subsys->nr_namespaces; i++)
		write_namespace(w, sub, &subsys->namespaces[i]);
}

static void write_addr(struct writer *w, struct json_object *obj, const struct config_addr *addr)
{
	put_text(w, obj, "trtype", "tcp");
	put_text(w, obj, "adrfam", addr->ipv6 ? "ipv6" : "ipv4");
	put_text(w, obj, "traddr", addr->traddr);
	put_fmt(w, obj, "trsvcid", "%u", addr->trsvcid);
	put_text(w, obj, "treq",
		 addr->treq == CONFIG_TREQ_NOT_REQUIRED ? "not required" : "not specified");
}

static const char *ana_state_name(enum config_ana_state state)
{
	switch (state) {
	case CONFIG_ANA_OPTIMIZED:
		return "optimized";
	case CONFIG_ANA_NON_OPTIMIZED:
		return "non-optimized";
	case CONFIG_ANA_INACCESSIBLE:
		return "inaccessible";
	case CONFIG_ANA_PERSISTENT_LOSS:
		return "persistent-loss";
	default:
		return "change";
	}
}

static void write_referrals(struct writer *w, struct json_object *list,
			    const struct config_port *port)
{
	uint32_t i;

	for (i = 0; i < port->nr_referrals; i++) {
		const struct config_referral *referral = &port->referrals[i];
		struct json_object *obj = append(w, list, json_object_new_object()), *addr;

		if (referral->name[0])
			put_text(w, obj, "name", referral->name);
		put_bool(w, obj, "enable", referral->enable);
		addr = put_object(w, obj, "addr");
		write_addr(w, addr, &referral->addr);
		put_fmt(w, addr, "portid", "%u", referral->portid);
	}
}

static void write_port(struct writer *w, struct json_object *list, const struct config *cfg,
		       const struct config_port *port)
{
	struct json_object *obj = append(w, list, json_object_new_object()), *sub;
	uint32_t i;

	put_number(w, obj, "portid", port->portid);
	write_addr(w, put_object(w, obj, "addr"), &port->addr);
	sub = put_object(w, obj, "param");
	put_fmt(w, sub, "inline_data_size", "%u", port->in_capsule_bytes);
	put_fmt(w, sub, "max_queue_size", "%u", port->max_queue_depth);
	if (port->tcp_congestion[0])
		put_text(w, sub, "tcp_congestion", port->tcp_congestion);
	sub = put_list(w, obj, "subsystems");
	for (i = 0; i < port->nr_subsystems; i++)
		append(w, sub, json_object_new_string(cfg->subsystems[port->subsystems[i]].nqn));
	sub = put_list(w, obj, "ana_groups");
	for (i = 0; i < port->nr_ana_groups; i++) {
		struct json_object *group = append(w, sub, json_object_new_object());

		put_number(w, group, "grpid", port->ana_groups[i].grpid);
		put_text(w, put_object(w, group, "ana"), "state",
			 ana_state_name(port->ana_groups[i].state));
	}
	write_referrals(w, put_list(w, obj, "referrals"), port);
}

static void write_root(struct writer *w, struct json_object *root, const struct config *cfg)
{
	struct json_object *list;
	uint32_t i;

	write_daemon(w, root, &cfg->daemon);
	list = put_list(w, root, "hosts");
	for (i = 0; i < cfg->nr_hosts; i++)
		put_text(w, append(w, list, json_object_new_object()), "nqn", cfg->hosts[i].nqn);
	list = put_list(w, root, "subsystems");
	for (i = 0; i < cfg->nr_subsystems; i++)
		write_subsystem(w, list, &cfg->subsystems[i]);
	list = put_list(w, root, "ports");
	for (i = 0; i < cfg->nr_ports; i++)
		write_port(w, list, cfg, &cfg->ports[i]);
}

int config_write(const struct config *cfg, char **textp)
{
	struct json_object *root = json_object_new_object();
	struct writer w = { .nomem = !root };
	const char *json = NULL;
	char *text = NULL;

	write_root(&w, root, cfg);
	if (!w.nomem)
		json = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
								    JSON_C_TO_STRING_SPACED |
								    JSON_C_TO_STRING_NOSLASHESCAPE);
	if (json && asprintf(&text, "%s\n", json) < 0)
		text = NULL;
	json_object_put(root);
	if (!text)
		return -ENOMEM;
	*textp = text;
	return 0;
}
