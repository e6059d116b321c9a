// SPDX-License-Identifier: BSD-2-Clause
/*
 * The list "subsystems": subsystems, their namespaces and the devices behind those.
 *
 * Context: any one thread. Entry point: config_read_subsystems().
 * Spec: NVMe Base 2.x, Identify (serial, model, NGUID, EUI64, UUID), ANA groups.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/nqn.h"
#include "common/util.h"
#include "common/uuid.h"
#include "config/read.h"

#define DEFAULT_BLOCK 4096

/* A namespace while it is read: which kinds of device were named is known only at the end. */
struct ns_draft {
	struct config_namespace ns;
	uint64_t mem_bytes, null_bytes, create_bytes;
	int block_size;
};

static const struct config_choice block_choices[] = {
	{ "512", 512 },
	{ "4096", 4096 },
	{ NULL, 0 },
};

/* Hex digits up to @max; NULL if there is none or the number is larger. */
static const char *take_hex(const char *s, uint32_t max, uint32_t *number)
{
	uint64_t n = 0;
	const char *p = s;

	for (; isxdigit((unsigned char)*p) && n <= max; p++)
		n = n << 4 |
		    (uint64_t)(isdigit((unsigned char)*p) ? *p - '0'
							  : tolower((unsigned char)*p) - 'a' + 10);
	*number = (uint32_t)n;
	return p > s && n <= max ? p : NULL;
}

/* "0000:01:00.0" or, in domain 0, "01:00.0" */
static bool parse_bdf(const char *s, char bdf[CONFIG_BDF_SIZE])
{
	uint32_t domain = 0, bus, dev, fn;
	const char *colon = strchr(s, ':');

	if (colon && strchr(colon + 1, ':')) {
		s = take_hex(s, UINT32_MAX, &domain);
		if (!s || *s++ != ':')
			return false;
	}
	s = take_hex(s, 0xff, &bus);
	if (!s || *s++ != ':')
		return false;
	s = take_hex(s, 0x1f, &dev);
	if (!s || *s++ != '.')
		return false;
	s = take_hex(s, 7, &fn);
	if (!s || *s)
		return false;
	snprintf(bdf, CONFIG_BDF_SIZE, "%04x:%02x:%02x.%x", domain, bus, dev, fn);
	return true;
}

static void read_bdf(struct config_reader *rd, struct json_object *val,
		     const struct config_field *field, void *obj)
{
	char text[32];
	size_t len;

	if (!json_object_is_type(val, json_type_string) ||
	    !config_text(val, text, sizeof(text), &len) ||
	    !parse_bdf(text, (char *)obj + field->offset))
		config_read_expected(rd, val, "a PCI address like \"0000:01:00.0\"");
}

/* The kernel's configfs shows a path that was never set as "(null)", and its tools save that. */
static void read_device_path(struct config_reader *rd, struct json_object *val,
			     const struct config_field *field, void *obj)
{
	char text[8];
	size_t len;

	if (!config_text(val, text, sizeof(text), &len) || strcmp(text, "(null)") != 0)
		config_read_path(rd, val, field, obj);
}

static void read_uuid(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	struct ns_draft *draft = obj;
	char text[40];
	size_t len;

	(void)field;
	if (!config_text(val, text, sizeof(text), &len) || uuid_from_text(text, draft->ns.uuid))
		config_read_expected(rd, val,
				     "a UUID like \"5b1f2c9e-8c3a-4b1e-9d57-0a1b2c3d4e5f\"");
	else
		draft->ns.has_uuid = !uuid_is_zero(draft->ns.uuid);
}

static void read_nguid(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	struct ns_draft *draft = obj;
	uint8_t nguid[16];
	char text[64];
	size_t len;

	(void)field;
	if (!config_text(val, text, sizeof(text), &len) ||
	    !config_hex(text, nguid, sizeof(nguid))) {
		config_read_expected(
			rd, val, "32 hexadecimal digits, with '-' or ':' between bytes if wanted");
		return;
	}
	memcpy(draft->ns.nguid, nguid, sizeof(nguid));
	draft->ns.has_nguid = !uuid_is_zero(nguid);
}

static void read_eui64(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	static const uint8_t zero[8];
	struct ns_draft *draft = obj;
	uint8_t eui64[8];
	char text[32];
	size_t len, skip;

	(void)field;
	if (config_text(val, text, sizeof(text), &len)) {
		skip = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
		if (config_hex(text + skip, eui64, sizeof(eui64))) {
			memcpy(draft->ns.eui64, eui64, sizeof(eui64));
			draft->ns.has_eui64 = memcmp(eui64, zero, sizeof(zero)) != 0;
			return;
		}
	}
	config_read_expected(rd, val,
			     "16 hexadecimal digits, with '-' or ':' between bytes if wanted");
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct ns_draft, member, __VA_ARGS__)

const struct config_field config_device_fields[] = {
	FIELD("pci", read_bdf, ns.bdf),
	FIELD("remote", config_read_remote, ns.remote),
	FIELD("nsid", config_read_uint, ns.dev_nsid, .min = 1, .max = 0xfffffffe),
	FIELD("path", read_device_path, ns.path),
	FIELD("size", config_read_size, create_bytes, .min = 4096, .max = CONFIG_MAX_NS_SIZE),
	FIELD("mem", config_read_size, mem_bytes, .min = 4096, .max = CONFIG_MAX_RAM_NS),
	FIELD("null", config_read_size, null_bytes, .min = 4096, .max = CONFIG_MAX_NS_SIZE),
	FIELD("block_size", config_read_choice, block_size, .choices = block_choices),
	FIELD("read_only", config_read_bool, ns.read_only),
	FIELD("uuid", read_uuid, ns.uuid),
	FIELD("nguid", read_nguid, ns.nguid),
	FIELD("eui64", read_eui64, ns.eui64),
	{ .name = NULL },
};

const struct config_field config_ns_ana_fields[] = {
	FIELD("grpid", config_read_uint, ns.ana_grpid, .min = 1, .max = CONFIG_MAX_ANA_GROUPS),
	{ .name = NULL },
};

const struct config_field config_resv_fields[] = {
	FIELD("enable", config_read_bool, ns.resv_enable),
	{ .name = NULL },
};

const struct config_field config_namespace_fields[] = {
	FIELD("nsid", config_read_uint, ns.nsid, .min = 1, .max = MAX_NSID, .required = true),
	FIELD("enable", config_read_bool, ns.enable),
	FIELD("ana_grpid", config_read_uint, ns.ana_grpid, .min = 1, .max = CONFIG_MAX_ANA_GROUPS),
	FIELD("ana", config_read_group, ns, .fields = config_ns_ana_fields),
	FIELD("resv", config_read_group, ns, .fields = config_resv_fields),
	FIELD("device", config_read_group, ns, .fields = config_device_fields),
	{ .name = NULL },
};
#undef FIELD

/* A member that says nothing about this kind of device would be ignored silently otherwise. */
static void refuse_stray(struct config_reader *rd, bool given, const char *name, const char *kinds)
{
	size_t before;

	if (!given)
		return;
	before = config_path_member(&rd->path, name, strlen(name));
	config_read_error(rd, "goes only with %s", kinds);
	config_path_cut(&rd->path, before);
}

static void decide_device(struct config_reader *rd, struct ns_draft *draft)
{
	struct config_namespace *ns = &draft->ns;
	bool pci = ns->bdf[0], path = ns->path, mem = draft->mem_bytes, null = draft->null_bytes;
	bool remote = ns->remote.nr_paths;
	int nr = pci + path + mem + null + remote;
	uint64_t step = draft->block_size ? (uint64_t)draft->block_size : DEFAULT_BLOCK;

	if (!nr && ns->enable)
		config_read_error(rd,
				  "expected \"pci\", \"remote\", \"path\", \"mem\" or \"null\"");
	if (nr > 1)
		config_read_error(
			rd,
			"expected one of \"pci\", \"remote\", \"path\", \"mem\" and \"null\", got %d",
			nr);
	if (nr != 1)
		return;
	refuse_stray(rd, ns->dev_nsid && !pci && !remote, "nsid", "\"pci\" and \"remote\"");
	refuse_stray(rd, draft->create_bytes && !path, "size", "\"path\"");
	refuse_stray(rd, draft->block_size && (pci || remote), "block_size",
		     "\"path\", \"mem\" and \"null\"");
	ns->device = pci      ? CONFIG_DEVICE_PCI
		     : remote ? CONFIG_DEVICE_REMOTE
		     : path   ? CONFIG_DEVICE_PATH
		     : mem    ? CONFIG_DEVICE_MEM
			      : CONFIG_DEVICE_NULL;
	ns->size_bytes = draft->mem_bytes + draft->null_bytes + draft->create_bytes;
	ns->block_size = mem || null ? (uint32_t)step : (uint32_t)draft->block_size;
	if (remote)
		config_decide_remote(rd, ns);
	if ((pci || remote) && !ns->dev_nsid)
		ns->dev_nsid = 1;
	if (ns->size_bytes % step) {
		const char *name = mem ? "mem" : null ? "null" : "size";
		size_t before = config_path_member(&rd->path, name, strlen(name));

		config_read_error(rd, "expected a multiple of %u, the size of a block",
				  (unsigned int)step);
		config_path_cut(&rd->path, before);
	}
}

static void read_namespace(struct config_reader *rd, struct json_object *val, uint32_t index,
			   void *ctx)
{
	struct config_subsystem *subsys = ctx;
	struct ns_draft draft = {
		.ns = { .index = index, .enable = true, .ana_grpid = 1 },
	};
	uint32_t before = rd->errs->nr_errors;

	if (config_read_fields(rd, val, config_namespace_fields, &draft) &&
	    before == rd->errs->nr_errors) {
		size_t cut = rd->path.len;

		if (json_object_object_get_ex(val, "device", NULL))
			config_path_member(&rd->path, "device", 6);
		decide_device(rd, &draft);
		config_path_cut(&rd->path, cut);
	}
	if (draft.ns.resv_enable)
		config_read_warn(
			rd,
			"reservations are not available in this version; hosts will not see them");
	subsys->namespaces[subsys->nr_namespaces++] = draft.ns;
}

static void read_namespaces(struct config_reader *rd, struct json_object *val,
			    const struct config_field *field, void *obj)
{
	struct config_subsystem *subsys = obj;

	(void)field;
	subsys->namespaces =
		config_alloc_list(rd, val, CONFIG_MAX_NAMESPACES, sizeof(*subsys->namespaces));
	config_read_list(rd, val, CONFIG_MAX_NAMESPACES, read_namespace, subsys);
}

static void read_allowed_hosts(struct config_reader *rd, struct json_object *val,
			       const struct config_field *field, void *obj)
{
	struct config_subsystem *subsys = obj;
	struct config_names names = { 0 };

	(void)field;
	names.name = config_alloc_list(rd, val, CONFIG_MAX_ALLOWED, sizeof(*names.name));
	config_read_list(rd, val, CONFIG_MAX_ALLOWED, config_take_host_name, &names);
	subsys->allowed_hosts = names.name;
	subsys->nr_allowed_hosts = names.nr;
}

static void read_passthru_entry(struct config_reader *rd, struct json_object *val, uint32_t index,
				void *ctx)
{
	struct json_object *device, *path = NULL;
	char text[CONFIG_NAME_SIZE];
	size_t len = 0;

	(void)index;
	(void)ctx;
	/* A kernel with the feature saves an entry also where nothing is set up. */
	if (!json_object_object_get_ex(val, "device", &device) ||
	    !json_object_object_get_ex(device, "path", &path))
		return;
	if (config_text(path, text, sizeof(text), &len) && (!len || !strcmp(text, "(null)")))
		return;
	config_read_error(
		rd, "passthrough of a controller is not available; export its namespaces with "
		    "\"device\": { \"pci\": ... }");
}

static void read_passthru(struct config_reader *rd, struct json_object *val,
			  const struct config_field *field, void *obj)
{
	(void)field;
	config_read_list(rd, val, 1, read_passthru_entry, obj);
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct config_subsystem, member, __VA_ARGS__)

const struct config_field config_attr_fields[] = {
	FIELD("allow_any_host", config_read_bool, allow_any_host),
	FIELD("version", config_read_ignored, nqn),
	FIELD("serial", config_read_ascii, serial),
	FIELD("model", config_read_ascii, model),
	FIELD("firmware", config_read_ascii, firmware),
	FIELD("ieee_oui", config_read_uint, ieee_oui, .max = 0xffffff),
	FIELD("vendor_id", config_read_uint, vendor_id, .max = 0xffff),
	FIELD("subsys_vendor_id", config_read_uint, subsys_vendor_id, .max = 0xffff),
	FIELD("cntlid_min", config_read_uint, cntlid_min, .min = 1, .max = CONFIG_MAX_CNTLID),
	FIELD("cntlid_max", config_read_uint, cntlid_max, .min = 1, .max = CONFIG_MAX_CNTLID),
	FIELD("qid_max", config_read_uint, qid_max, .min = 1, .max = MAX_IO_QUEUES),
	FIELD("pi_enable", config_read_bool, pi_enable),
	{ .name = NULL },
};

const struct config_field config_subsystem_fields[] = {
	FIELD("nqn", config_read_nqn, nqn, .required = true),
	FIELD("attr", config_read_group, nqn, .fields = config_attr_fields),
	FIELD("allowed_hosts", read_allowed_hosts, allowed_hosts),
	FIELD("namespaces", read_namespaces, namespaces),
	FIELD("passthru", read_passthru, nqn),
	{ .name = NULL },
};
#undef FIELD

static void check_subsystem(struct config_reader *rd, const struct config_subsystem *subsys)
{
	if (!strcmp(subsys->nqn, NQN_DISCOVERY))
		config_read_error(rd, "\"" NQN_DISCOVERY "\" is built in and cannot be configured");
	if (subsys->cntlid_min > subsys->cntlid_max)
		config_read_error(rd, "cntlid_min (%u) is above cntlid_max (%u)",
				  subsys->cntlid_min, subsys->cntlid_max);
	if (subsys->allow_any_host && subsys->nr_allowed_hosts)
		config_read_error(rd,
				  "allow_any_host is on, but allowed_hosts lists %u; "
				  "remove one of the two",
				  subsys->nr_allowed_hosts);
	if (!subsys->allow_any_host && !subsys->nr_allowed_hosts)
		config_read_warn(rd, "no host may connect: allow_any_host is off "
				     "and allowed_hosts is empty");
	if (subsys->pi_enable)
		config_read_warn(rd, "protection information is not available in this version; "
				     "exported without");
}

static void read_subsystem(struct config_reader *rd, struct json_object *val, uint32_t index,
			   void *ctx)
{
	struct config *cfg = ctx;
	struct config_subsystem *subsys = &cfg->subsystems[cfg->nr_subsystems];
	uint32_t before = rd->errs->nr_errors;

	if (json_object_object_get_ex(val, "subsystem", NULL) &&
	    json_object_object_get_ex(val, "config", NULL)) {
		if (!index)
			config_read_error(
				rd,
				"this is a configuration of SPDK; the kernel target's layout is "
				"expected (nqn, attr, namespaces, allowed_hosts)");
		rd->lost_subsystem = true;
		return;
	}
	subsys->index = index;
	subsys->cntlid_min = 1;
	subsys->cntlid_max = CONFIG_MAX_CNTLID;
	subsys->qid_max = MAX_IO_QUEUES;
	cfg->nr_subsystems++;
	if (config_read_fields(rd, val, config_subsystem_fields, subsys) &&
	    before == rd->errs->nr_errors)
		check_subsystem(rd, subsys);
	if (!subsys->nqn[0])
		rd->lost_subsystem = true;
}

void config_read_subsystems(struct config_reader *rd, struct json_object *val,
			    const struct config_field *field, void *obj)
{
	struct config *cfg = obj;

	(void)field;
	cfg->subsystems = config_alloc_list(rd, val, MAX_SUBSYSTEMS, sizeof(*cfg->subsystems));
	if (!cfg->subsystems)
		rd->lost_subsystem = true;
	config_read_list(rd, val, MAX_SUBSYSTEMS, read_subsystem, cfg);
}
