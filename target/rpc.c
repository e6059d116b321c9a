// SPDX-License-Identifier: BSD-2-Clause
/*
 * JSON-RPC 2.0: from a JSON value to calls of methods, and from their ends to answers. Main loop.
 * Entry points: nvmet_rpc_conn_request(), nvmet_rpc_result(), nvmet_rpc_fail().
 * JSON-RPC 2.0 Specification, "Request object", "Response object", "Batch".
 */
#include "target/rpc.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/status.h"
#include "common/util.h"

const struct nvmet_rpc_method *const nvmet_rpc_tables[] = {
	nvmet_rpc_core_methods,
	nvmet_rpc_drive_methods,
	NULL,
};

/* ---- answers ---- */

static struct json_object *envelope(struct nvmet_rpc_call *call)
{
	struct json_object *answer = json_object_new_object();

	nvmet_rpc_put(answer, "jsonrpc", json_object_new_string("2.0"));
	nvmet_rpc_put(answer, "id", call->id);
	call->id = NULL;
	return answer;
}

void nvmet_rpc_result(struct nvmet_rpc_call *call, struct json_object *result)
{
	struct json_object *answer = NULL;

	if (call->id) {
		answer = envelope(call);
		nvmet_rpc_put(answer, "result", result);
	} else {
		json_object_put(result);
	}
	nvmet_rpc_answer(call, answer);
}

/* An NVMe status for programs, beside the words. */
static struct json_object *status_data(uint16_t status)
{
	struct json_object *data = json_object_new_object();

	nvmet_rpc_put_uint(data, "status", status);
	nvmet_rpc_put_uint(data, "sct", (status & ST_MASK) >> 8);
	nvmet_rpc_put_uint(data, "sc", status & 0xff);
	nvmet_rpc_put(data, "dnr", json_object_new_boolean(!!(status & ST_DNR)));
	nvmet_rpc_put_text(data, "text", "%s", status_str(status));
	return data;
}

void nvmet_rpc_fail(struct nvmet_rpc_call *call, const struct nvmet_rpc_error *err)
{
	struct json_object *answer, *error = json_object_new_object();

	nvmet_rpc_put(error, "code", json_object_new_int(err->code));
	nvmet_rpc_put_text(error, "message", "%s", err->text);
	if (err->status)
		nvmet_rpc_put(error, "data", status_data(err->status));
	answer = envelope(call);
	nvmet_rpc_put(answer, "error", error);
	nvmet_rpc_answer(call, answer);
}

static void fail(struct nvmet_rpc_call *call, int code, const char *text)
{
	struct nvmet_rpc_error err = { 0 };

	nvmet_rpc_set_error(&err, code, "%s", text);
	nvmet_rpc_fail(call, &err);
}

bool nvmet_rpc_no_params(struct nvmet_rpc_call *call, struct json_object *val)
{
	struct nvmet_rpc_error err = { 0 };
	struct nvmet_rpc_params params;

	nvmet_rpc_params_init(&params, val, &err);
	if (!nvmet_rpc_params_end(&params))
		return true;
	nvmet_rpc_fail(call, &err);
	return false;
}

/* ---- requests ---- */

static const struct nvmet_rpc_method *find_method(const char *name)
{
	for (int t = 0; nvmet_rpc_tables[t]; t++)
		for (const struct nvmet_rpc_method *m = nvmet_rpc_tables[t]; m->name; m++)
			if (!strcmp(m->name, name))
				return m;
	return NULL;
}

/* A string or a number; what is not finite cannot be written back. */
static bool id_is_good(struct json_object *id)
{
	switch (json_object_get_type(id)) {
	case json_type_null:
	case json_type_string:
	case json_type_int:
		return true;
	case json_type_double:
		return isfinite(json_object_get_double(id));
	default:
		return false;
	}
}

struct request {
	struct json_object *version, *method, *params, *id;
};

/* Return: whether it is a request as the specification has it. */
static bool take_apart(struct json_object *value, struct request *r)
{
	if (!json_object_is_type(value, json_type_object))
		return false;
	json_object_object_foreach(value, name, val)
	{
		if (!strcmp(name, "jsonrpc"))
			r->version = val;
		else if (!strcmp(name, "method"))
			r->method = val;
		else if (!strcmp(name, "params"))
			r->params = val;
		else if (!strcmp(name, "id"))
			r->id = val;
		else
			return false;
	}
	if (r->version && (!json_object_is_type(r->version, json_type_string) ||
			   strcmp(json_object_get_string(r->version), "2.0")))
		return false;
	return json_object_is_type(r->method, json_type_string) && id_is_good(r->id) &&
	       (!r->params || json_object_is_type(r->params, json_type_object) ||
		json_object_is_type(r->params, json_type_array));
}

static void request(struct nvmet_rpc_conn *conn, struct nvmet_rpc_batch *batch,
		    struct json_object *value)
{
	struct nvmet_rpc_call *call = nvmet_rpc_call_new(conn, batch);
	const struct nvmet_rpc_method *method;
	struct request r = { 0 };
	bool good;

	if (!call)
		return; /* out of memory: the connection is closed */
	good = take_apart(value, &r);
	if (id_is_good(r.id))
		call->id = json_object_get(r.id);
	if (!good) {
		fail(call, NVMET_RPC_INVALID_REQUEST, "Invalid request");
		return;
	}
	method = find_method(json_object_get_string(r.method));
	call->method = method ? method->name : NULL;
	if (method)
		method->fn(call, r.params);
	else
		fail(call, NVMET_RPC_NO_METHOD, "Method not found");
}

void nvmet_rpc_conn_request(struct nvmet_rpc_conn *conn, struct json_object *value)
{
	struct nvmet_rpc_batch *batch;
	size_t nr;

	nr = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
	if (!nr || nr > NVMET_RPC_MAX_BATCH) {
		request(conn, NULL, nr ? NULL : value);
		return;
	}
	batch = nvmet_rpc_batch_begin(conn);
	for (size_t i = 0; batch && i < nr; i++)
		request(conn, batch, json_object_array_get_idx(value, i));
	nvmet_rpc_batch_end(batch);
}

void nvmet_rpc_conn_refuse(struct nvmet_rpc_conn *conn, int code, const char *text)
{
	struct nvmet_rpc_call *call = nvmet_rpc_call_new(conn, NULL);

	if (call)
		fail(call, code, text);
}
