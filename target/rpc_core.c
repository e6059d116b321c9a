// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about the daemon itself: what it understands, its version, its log. Main loop. Entry
 * point: nvmet_rpc_core_methods.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/util.h"
#include "target/rpc.h"

/* What clients of SPDK compare: the version whose calls these are. */
enum {
	SPDK_MAJOR = 26,
	SPDK_MINOR = 5,
};

static void get_methods(struct nvmet_rpc_call *call, struct json_object *val)
{
	struct json_object *names;
	struct nvmet_rpc_error err = { 0 };
	struct nvmet_rpc_params params;
	bool ignored;

	nvmet_rpc_params_init(&params, val, &err);
	/* Everything can be called at any time, and nothing has a second name. */
	nvmet_rpc_get_bool(&params, "current", &ignored);
	nvmet_rpc_get_bool(&params, "include_aliases", &ignored);
	if (nvmet_rpc_params_end(&params)) {
		nvmet_rpc_fail(call, &err);
		return;
	}
	names = json_object_new_array();
	for (int t = 0; names && nvmet_rpc_tables[t]; t++)
		for (const struct nvmet_rpc_method *m = nvmet_rpc_tables[t]; m->name; m++)
			json_object_array_add(names, json_object_new_string(m->name));
	nvmet_rpc_result(call, names);
}

static void get_spdk_version(struct nvmet_rpc_call *call, struct json_object *val)
{
	struct json_object *result, *fields;

	if (!nvmet_rpc_no_params(call, val))
		return;
	result = json_object_new_object();
	fields = json_object_new_object();
	nvmet_rpc_put_text(result, "version", "nvmetcpd %s (SPDK %d.%02d RPC)", NVMETCP_VERSION,
			   SPDK_MAJOR, SPDK_MINOR);
	nvmet_rpc_put_uint(fields, "major", SPDK_MAJOR);
	nvmet_rpc_put_uint(fields, "minor", SPDK_MINOR);
	nvmet_rpc_put_uint(fields, "patch", 0);
	nvmet_rpc_put_text(fields, "suffix", "-nvmetcp");
	nvmet_rpc_put(result, "fields", fields);
	nvmet_rpc_result(call, result);
}

static void get_version(struct nvmet_rpc_call *call, struct json_object *val)
{
	struct json_object *result;

	if (!nvmet_rpc_no_params(call, val))
		return;
	result = json_object_new_object();
	nvmet_rpc_put_text(result, "version", "%s", NVMETCP_VERSION);
	nvmet_rpc_result(call, result);
}

static const char *const level_names[] = {
	[LOG_LVL_ERROR] = "ERROR", [LOG_LVL_WARN] = "WARNING", [LOG_LVL_NOTICE] = "NOTICE",
	[LOG_LVL_INFO] = "INFO",   [LOG_LVL_DEBUG] = "DEBUG",
};

static void set_level(struct nvmet_rpc_call *call, struct json_object *val)
{
	struct nvmet_rpc_error err = { 0 };
	struct nvmet_rpc_params params;
	enum log_level level;
	const char *text;

	nvmet_rpc_params_init(&params, val, &err);
	nvmet_rpc_params_need(&params, "level");
	text = nvmet_rpc_get_text(&params, "level");
	if (text && log_level_parse(text, &level))
		nvmet_rpc_set_error(
			&err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: level: expected ERROR, WARNING, NOTICE, INFO or DEBUG");
	if (nvmet_rpc_params_end(&params)) {
		nvmet_rpc_fail(call, &err);
		return;
	}
	log_set_level(level);
	nvmet_rpc_result(call, json_object_new_boolean(true));
}

static void get_level(struct nvmet_rpc_call *call, struct json_object *val)
{
	enum log_level level = __atomic_load_n(&log_threshold, __ATOMIC_RELAXED);

	if (nvmet_rpc_no_params(call, val))
		nvmet_rpc_result(call, json_object_new_string(level_names[level]));
}

/* Of SPDK's two levels, what is logged and what is printed, there is one here. */
const struct nvmet_rpc_method nvmet_rpc_core_methods[] = {
	{ "rpc_get_methods", get_methods },	{ "spdk_get_version", get_spdk_version },
	{ "nvmetcp_get_version", get_version }, { "log_set_level", set_level },
	{ "log_get_level", get_level },		{ "log_set_print_level", set_level },
	{ "log_get_print_level", get_level },	{ NULL, NULL },
};
