// SPDX-License-Identifier: BSD-2-Clause
/*
 * Power states of a drive: what Identify Controller lists, and Get and Set Features 02h. Entry
 * points: nvmet_ctl_call_power(), nvmet_ctl_show_power(). NVM Express Base Specification 2.x, "Power
 * Management".
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nvme.h"
#include "target/ctl.h"
#include "target/rpc_json.h"

enum {
	MAX_NPSS = 31,
	MXPS = 1 << 0, /* 0.0001 W, else 0.01 W */
	NOPS = 1 << 1,
	PS_MASK = 0x1f,
};

static uint64_t number(struct json_object *obj, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(obj, name, &val) ? json_object_get_uint64(val) : 0;
}

/* ---- the calls ---- */

/* What all of them are told: the drive, and the time for each. */
static struct json_object *common_params(struct nvmet_ctl_run *run)
{
	struct json_object *params = json_object_new_object(), *val;

	nvmet_rpc_put_text(params, "traddr", "%s", run->traddr);
	if (json_object_object_get_ex(run->params, "timeout_ms", &val))
		nvmet_rpc_put(params, "timeout_ms", json_object_get(val));
	return params;
}

/* Get Features, or with @valuep Set Features. */
static int feature(struct nvmet_ctl_run *run, const uint64_t *valuep, uint64_t *resultp)
{
	struct json_object *params = common_params(run), *result = NULL;
	int ret;

	nvmet_rpc_put_uint(params, "fid", NVME_FEAT_FID_POWER_MGMT);
	if (valuep)
		nvmet_rpc_put_uint(params, "value", *valuep);
	ret = nvmet_ctl_call_other(
		run, valuep ? "nvmetcp_drive_set_feature" : "nvmetcp_drive_get_feature", params,
		&result);
	if (!ret && resultp)
		*resultp = number(result, "result");
	json_object_put(params);
	json_object_put(result);
	return ret;
}

static int identify(struct nvmet_ctl_run *run, struct nvme_id_ctrl *id)
{
	struct json_object *params = common_params(run);
	uint32_t len = 0;
	uint8_t *data;
	int ret;

	nvmet_rpc_put_uint(params, "cns", NVME_IDENTIFY_CNS_CTRL);
	ret = nvmet_ctl_call_other(run, "nvmetcp_drive_identify", params, &run->result);
	json_object_put(params);
	if (ret)
		return ret;
	data = nvmet_ctl_result_data(run, &len);
	if (data && len == sizeof(*id))
		memcpy(id, data, sizeof(*id));
	else
		ret = nvmet_ctl_error("the drive's Identify data are missing");
	free(data);
	json_object_put(run->result);
	run->result = NULL;
	return ret;
}

static struct json_object *state_json(const struct nvme_id_psd *psd, unsigned int index)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_uint(obj, "state", index);
	nvmet_rpc_put_uint(obj, "max_power_uw",
			   le16toh(psd->mp) * (psd->flags & MXPS ? 100u : 10000u));
	nvmet_rpc_put(obj, "non_operational", json_object_new_boolean(psd->flags & NOPS));
	nvmet_rpc_put_uint(obj, "entry_latency_us", le32toh(psd->enlat));
	nvmet_rpc_put_uint(obj, "exit_latency_us", le32toh(psd->exlat));
	return obj;
}

int nvmet_ctl_call_power(struct nvmet_ctl_run *run)
{
	struct json_object *states, *val;
	struct nvme_id_ctrl id;
	uint64_t now = 0, set;
	int ret = identify(run, &id);

	if (!ret && json_object_object_get_ex(run->params, "set", &val)) {
		set = json_object_get_uint64(val);
		ret = set > id.npss ? nvmet_ctl_error("power state %" PRIu64
						      " is none of the drive's 0 to %u",
						      set, id.npss)
				    : feature(run, &set, NULL);
	}
	if (!ret)
		ret = feature(run, NULL, &now);
	if (ret)
		return ret;
	run->result = json_object_new_object();
	states = json_object_new_array();
	for (unsigned int i = 0; i <= id.npss && i <= MAX_NPSS; i++)
		json_object_array_add(states, state_json(&id.psd[i], i));
	nvmet_rpc_put_uint(run->result, "current", now & PS_MASK);
	nvmet_rpc_put(run->result, "autonomous", json_object_new_boolean(id.apsta & 1));
	nvmet_rpc_put(run->result, "states", states);
	return NVMET_CTL_OK;
}

/* ---- the table ---- */

static void latency(struct json_object *ps, const char *name, char *text, size_t size)
{
	uint64_t us = number(ps, name);

	if (us)
		snprintf(text, size, "%" PRIu64 " us", us);
	else
		snprintf(text, size, "-");
}

void nvmet_ctl_show_power(struct nvmet_ctl_run *run)
{
	struct json_object *states, *ps, *val;
	char enter[24], leave[24];
	uint64_t power;

	json_object_object_get_ex(run->result, "states", &states);
	printf("  %5s %12s %14s %14s\n", "State", "Most power", "To enter", "To leave");
	for (size_t i = 0; i < json_object_array_length(states); i++) {
		ps = json_object_array_get_idx(states, i);
		power = number(ps, "max_power_uw");
		latency(ps, "entry_latency_us", enter, sizeof(enter));
		latency(ps, "exit_latency_us", leave, sizeof(leave));
		json_object_object_get_ex(ps, "non_operational", &val);
		printf("%c %5" PRIu64 " %7" PRIu64 ".%04" PRIu64 "W %14s %14s%s\n",
		       number(ps, "state") == number(run->result, "current") ? '*' : ' ',
		       number(ps, "state"), power / 1000000, power % 1000000 / 100, enter, leave,
		       json_object_get_boolean(val) ? "  non-operational" : "");
	}
}
