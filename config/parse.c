// SPDX-License-Identifier: BSD-2-Clause
/*
 * From the text of a configuration to a checked struct config.
 *
 * Context: any one thread. Entry points: config_parse(), config_free().
 *
 *   text.c       comments out, mistakes that are better named before the JSON library sees them
 *   json-c       strict mode: syntax, UTF-8, depth
 *   text.c       names given twice
 *   daemon.c, subsystem.c, port.c, hosts here: one object each, by tables that read.c works through
 *   check.c      what concerns several objects
 *   text.c       lines for the messages
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/nqn.h"
#include "common/util.h"
#include "config/read.h"
#include "config/text.h"

#define DEFAULT_STATE_DIR "/var/lib/nvmetcp"

/* ---- hosts[] and discovery ---- */

static void read_key(struct config_reader *rd, struct json_object *val,
		     const struct config_field *field, void *obj)
{
	(void)val;
	(void)field;
	(void)obj;
	config_read_error(rd, "authentication is not available in this version; "
			      "to let the host in without, remove the key");
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct config_host, member, __VA_ARGS__)

static const struct config_field dhchap_fields[] = {
	FIELD("key", read_key, nqn),
	FIELD("ctrl_key", read_key, nqn),
	FIELD("hash", config_read_ignored, nqn),
	FIELD("dhgroup", config_read_ignored, nqn),
	{ .name = NULL },
};

static const struct config_field host_fields[] = {
	FIELD("nqn", config_read_host_nqn, nqn, .required = true),
	FIELD("dhchap", config_read_group, nqn, .fields = dhchap_fields),
	{ .name = NULL },
};
#undef FIELD

static void read_host(struct config_reader *rd, struct json_object *val, uint32_t index, void *ctx)
{
	struct config *cfg = ctx;
	struct config_host *host = &cfg->hosts[cfg->nr_hosts++];

	host->index = index;
	config_read_fields(rd, val, host_fields, host);
}

static void read_hosts(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	struct config *cfg = obj;

	(void)field;
	cfg->hosts = config_alloc_list(rd, val, MAX_HOSTS, sizeof(*cfg->hosts));
	config_read_list(rd, val, MAX_HOSTS, read_host, cfg);
}

static void read_discovery_nqn(struct config_reader *rd, struct json_object *val,
			       const struct config_field *field, void *obj)
{
	char nqn[MAX_NQN_BYTES];

	(void)field;
	(void)obj;
	if (config_take_nqn(rd, val, false, nqn) && strcmp(nqn, NQN_DISCOVERY) != 0)
		config_read_warn(rd, "ignored: discovery answers to \"" NQN_DISCOVERY
				     "\" in this version");
}

static const struct config_field discovery_fields[] = {
	CONFIG_FIELD("nqn", read_discovery_nqn, struct config, daemon),
	{ .name = NULL },
};

/* In the order in which they are read, which is not that of the file: see read.c. */
static const struct config_field root_fields[] = {
	CONFIG_FIELD("$schema", config_read_ignored, struct config, daemon),
	CONFIG_FIELD("nvmetcpd", config_read_daemon, struct config, daemon),
	CONFIG_FIELD("discovery", config_read_group, struct config, daemon,
		     .fields = discovery_fields),
	CONFIG_FIELD("hosts", read_hosts, struct config, hosts),
	CONFIG_FIELD("subsystems", config_read_subsystems, struct config, subsystems),
	CONFIG_FIELD("ports", config_read_ports, struct config, ports),
	{ .name = NULL },
};

const struct config_table config_tables[] = {
	{ "root", root_fields },
	{ "daemon", config_daemon_fields },
	{ "discovery", discovery_fields },
	{ "host", host_fields },
	{ "dhchap", dhchap_fields },
	{ "subsystem", config_subsystem_fields },
	{ "attr", config_attr_fields },
	{ "namespace", config_namespace_fields },
	{ "device", config_device_fields },
	{ "ns_ana", config_ns_ana_fields },
	{ "resv", config_resv_fields },
	{ "port", config_port_fields },
	{ "addr", config_addr_fields },
	{ "param", config_param_fields },
	{ "ana_group", config_ana_group_fields },
	{ "ana_state", config_ana_state_fields },
	{ "referral", config_referral_fields },
	{ "referral_addr", config_referral_addr_fields },
	{ NULL, NULL },
};

/* ---- the whole ---- */

static void free_names(char **names, uint32_t nr)
{
	uint32_t i;

	for (i = 0; names && i < nr; i++)
		free(names[i]);
	free(names);
}

static void free_namespace(struct config_namespace *ns)
{
	uint32_t i;

	free(ns->path);
	for (i = 0; i < ns->remote.nr_paths; i++)
		free(ns->remote.path[i]);
	free(ns->remote.subnqn);
}

static void free_subsystem(struct config_subsystem *subsys)
{
	uint32_t i;

	free_names(subsys->allowed_hosts, subsys->nr_allowed_hosts);
	for (i = 0; i < subsys->nr_namespaces; i++)
		free_namespace(&subsys->namespaces[i]);
	free(subsys->namespaces);
}

void config_free(struct config *cfg)
{
	uint32_t i;

	if (!cfg)
		return;
	free(cfg->daemon.state_dir);
	free(cfg->daemon.rpc_socket);
	free(cfg->hosts);
	for (i = 0; i < cfg->nr_subsystems; i++)
		free_subsystem(&cfg->subsystems[i]);
	free(cfg->subsystems);
	for (i = 0; i < cfg->nr_ports; i++) {
		free(cfg->ports[i].subsystems);
		free(cfg->ports[i].ana_groups);
		free(cfg->ports[i].referrals);
	}
	free(cfg->ports);
	free(cfg);
}

static struct config *create(void)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	if (!cfg)
		return NULL;
	cfg->daemon.memory_bytes = 64ull << 20;
	cfg->daemon.hugepages = CONFIG_HUGEPAGES_AUTO;
	cfg->daemon.log_level = LOG_LVL_INFO;
	cfg->daemon.spin_us = 6;
	cfg->daemon.balance = true;
	cfg->daemon.max_io_bytes = 1u << 20;
	cfg->daemon.in_capsule_bytes = 16384;
	cfg->daemon.io_queue_depth = 128;
	cfg->daemon.max_io_queues = MAX_IO_QUEUES;
	cfg->daemon.drive_hmb_bytes = 128ull << 20;
	cfg->daemon.drive_timeout_s = 30;
	cfg->daemon.state_dir = strdup(DEFAULT_STATE_DIR);
	if (cfg->daemon.state_dir)
		return cfg;
	config_free(cfg);
	return NULL;
}

static int read_root(struct json_object *root, struct config *cfg, struct config_errors *errs)
{
	struct config_reader rd = { .cfg = cfg, .errs = errs };
	uint32_t i, nr;

	config_read_fields(&rd, root, root_fields, cfg);
	if (!rd.nomem)
		config_check(&rd);
	for (i = 0; rd.port_subsystems && i < cfg->nr_ports; i++) {
		char **names = rd.port_subsystems[i];

		for (nr = 0; names && names[nr]; nr++)
			;
		free_names(names, nr);
	}
	free(rd.port_subsystems);
	return rd.nomem ? -ENOMEM : 0;
}

static bool is_empty_from(const char *text, size_t at, size_t len)
{
	return at + strspn(text + at, " \t\r\n") >= len;
}

/* @text is clean and ends in NUL. */
static struct json_object *parse_json(const char *text, size_t len, struct config_errors *errs)
{
	struct json_tokener *tok = json_tokener_new_ex(CONFIG_MAX_DEPTH);
	struct json_object *root;
	enum json_tokener_error err;
	size_t end;

	if (!tok) {
		config_error(errs, NULL, 0, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
					    JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tok, text, (int)len);
	err = json_tokener_get_error(tok);
	end = min_of(json_tokener_get_parse_end(tok), len);
	json_tokener_free(tok);
	if (root && is_empty_from(text, end, len))
		return root;
	if (root)
		config_error(errs, NULL,
			     config_text_line(text, end + strspn(text + end, " \t\r\n")),
			     "text follows after the end of the document");
	else if (err == json_tokener_success)
		config_error(errs, NULL, 0, "out of memory");
	else if (err == json_tokener_continue)
		config_error(errs, NULL, config_text_line(text, len),
			     "the file ends before the document does: a '}' or ']' is missing");
	else if (err == json_tokener_error_depth)
		config_error(errs, NULL, config_text_line(text, end), "nested deeper than %u",
			     CONFIG_MAX_DEPTH);
	else
		config_error(errs, NULL, config_text_line(text, end), "not JSON: %s",
			     json_tokener_error_desc(err));
	json_object_put(root);
	return NULL;
}

static int parse_text(char *text, size_t len, struct config **cfgp, struct config_errors *errs)
{
	struct json_object *root;
	struct config *cfg;
	int ret = 0;

	if (!config_text_clean(text, len, errs))
		return -EINVAL;
	if (text[strspn(text, " \t\r\n")] != '{') {
		config_error(errs, NULL, 0, "expected an object { ... } as the whole document");
		return -EINVAL;
	}
	root = parse_json(text, len, errs);
	if (!root)
		return -EINVAL;
	cfg = create();
	if (!cfg)
		ret = -ENOMEM;
	config_text_members(text, len, errs);
	if (cfg)
		ret = read_root(root, cfg, errs);
	if (ret == -ENOMEM)
		config_error(errs, NULL, 0, "out of memory");
	config_text_lines(text, len, errs);
	config_errors_sort(errs);
	json_object_put(root);
	if (!ret && errs->nr_errors)
		ret = -EINVAL;
	if (ret)
		config_free(cfg);
	else
		*cfgp = cfg;
	return ret;
}

int config_parse(const char *text, size_t len, struct config **cfgp, struct config_errors *errs)
{
	char *copy;
	int ret;

	if (len > CONFIG_MAX_FILE) {
		config_error(errs, NULL, 0, "larger than %u MiB", CONFIG_MAX_FILE >> 20);
		return -EINVAL;
	}
	copy = malloc(len + 1);
	if (!copy) {
		config_error(errs, NULL, 0, "out of memory");
		return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	ret = parse_text(copy, len, cfgp, errs);
	free(copy);
	return ret;
}
