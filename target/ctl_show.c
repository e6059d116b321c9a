// SPDX-License-Identifier: BSD-2-Clause
/*
 * Results for people: tables, decoded structures as nvme-cli prints them, dumps. What drives say is
 * shown as text only where it is printable. Entry points: nvmet_ctl_show_*().
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "target/ctl.h"
#include "target/drive_show.h"
#include "target/rpc_json.h"

enum {
	DUMP_COLUMNS = 16,
	MAX_DATA = 64 << 20,
	KELVIN = 273,
};

static const char *text_of(struct json_object *obj, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(obj, name, &val) && val ? json_object_get_string(val) : "";
}

static uint64_t number_of(struct json_object *obj, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(obj, name, &val) ? json_object_get_uint64(val) : 0;
}

/* The list @name with *@nrp elements; no list has none. */
static struct json_object *list_of(struct json_object *obj, const char *name, size_t *nrp)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(obj, name, &list);
	*nrp = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	return list;
}

static uint8_t *result_bytes(struct nvmet_ctl_run *run, const char *name, uint32_t *lenp)
{
	struct nvmet_rpc_error err = { 0 };
	struct nvmet_rpc_params params;
	uint8_t *data = NULL;

	*lenp = 0;
	nvmet_rpc_params_init(&params, run->result, &err);
	nvmet_rpc_get_data(&params, name, MAX_DATA, &data, lenp);
	return data;
}

uint8_t *nvmet_ctl_result_data(struct nvmet_ctl_run *run, uint32_t *lenp)
{
	return result_bytes(run, "data", lenp);
}

uint8_t *nvmet_ctl_result_metadata(struct nvmet_ctl_run *run, uint32_t *lenp)
{
	return result_bytes(run, "metadata", lenp);
}

static void dump(const uint8_t *data, uint32_t len)
{
	printf("%6s", "");
	for (int i = 0; i < DUMP_COLUMNS; i++)
		printf(" %2x", i);
	for (uint32_t at = 0; at < len; at += DUMP_COLUMNS) {
		uint32_t n = min_of(len - at, (uint32_t)DUMP_COLUMNS);

		printf("\n%04x:", at);
		for (uint32_t i = 0; i < DUMP_COLUMNS; i++)
			if (i < n)
				printf(" %02x", data[at + i]);
			else
				printf("   ");
		printf(" \"");
		for (uint32_t i = 0; i < n; i++)
			putchar(data[at + i] > ' ' && data[at + i] < 0x7f ? data[at + i] : '.');
		putchar('"');
	}
	putchar('\n');
}

/* ---- list ---- */

static void show_namespaces(struct json_object *drive)
{
	struct json_object *list, *ns;
	const char *user;
	size_t nr;

	list = list_of(drive, "namespaces", &nr);
	for (size_t i = 0; i < nr; i++) {
		uint64_t size;

		ns = json_object_array_get_idx(list, i);
		size = number_of(ns, "nsze") * number_of(ns, "lba_size");
		user = text_of(ns, "used_by");
		printf("  namespace %" PRIu64 "  %" PRIu64 ".%02" PRIu64 " GB  %" PRIu64
		       " B + %" PRIu64 " B%s%s\n",
		       number_of(ns, "nsid"), size / 1000000000, size / 10000000 % 100,
		       number_of(ns, "lba_size"), number_of(ns, "ms"), *user ? "  " : "", user);
	}
}

static void show_remotes(struct json_object *root)
{
	struct json_object *list, *r;
	const char *reason;
	size_t nr;

	list = list_of(root, "remotes", &nr);
	for (size_t i = 0; i < nr; i++) {
		r = json_object_array_get_idx(list, i);
		reason = text_of(r, "reason");
		printf("\nRemote %s at %s: %s%s%s\n", text_of(r, "subnqn"), text_of(r, "address"),
		       text_of(r, "state"), *reason ? ", " : "", reason);
		show_namespaces(r);
	}
}

void nvmet_ctl_show_list(struct nvmet_ctl_run *run)
{
	struct json_object *list, *d;
	size_t nr;

	list = list_of(run->result, "drives", &nr);
	printf("%-13s %-9s %4s %5s  %-9s %-10s %-20s %-24s %s\n", "Address", "Id", "NUMA", "Group",
	       "Driver", "State", "SN", "Model", "FW Rev");
	for (size_t i = 0; i < nr; i++) {
		const char *vendor, *device, *driver, *state;

		d = json_object_array_get_idx(list, i);
		vendor = text_of(d, "vendor");
		device = text_of(d, "device");
		driver = text_of(d, "driver");
		state = text_of(d, "state");
		printf("%-13s %s:%s %4s %5s  %-9s %-10s %-20s %-24s %s\n", text_of(d, "traddr"),
		       strlen(vendor) > 2 ? vendor + 2 : vendor,
		       strlen(device) > 2 ? device + 2 : device, text_of(d, "numa_node"),
		       text_of(d, "iommu_group"), *driver ? driver : "-", *state ? state : "-",
		       text_of(d, "serial"), text_of(d, "model"), text_of(d, "firmware"));
		show_namespaces(d);
	}
	show_remotes(run->result);
}

/* ---- identify ---- */

static void show_fields(const struct nvmet_drive_field *field, const void *base, int width)
{
	char text[300];

	for (; field->name; field++)
		printf("%-*s: %s\n", width, field->name,
		       nvmet_drive_field_text(field, base, text, sizeof(text)));
}

static void show_id_ns(const struct nvme_id_ns *id, uint32_t nsid)
{
	static const char *const rp[] = { "Best", "Better", "Good", "Degraded" };

	printf("NVME Identify Namespace %u:\n", nsid);
	show_fields(nvmet_drive_id_ns_fields, id, 8);
	for (unsigned int i = 0; i < nvmet_drive_nr_lbaf(id); i++)
		printf("lbaf %2u : ms:%-3u lbads:%-2u rp:%#x %s%s\n", i, le16toh(id->lbaf[i].ms),
		       id->lbaf[i].ds, id->lbaf[i].rp & 3u, rp[id->lbaf[i].rp & 3],
		       i == nvmet_drive_lbaf(id) ? " (in use)" : "");
}

static void show_id_ctrl(const struct nvme_id_ctrl *id)
{
	puts("NVME Identify Controller:");
	show_fields(nvmet_drive_id_ctrl_fields, id, 10);
	for (unsigned int i = 0; i <= id->npss && i < ARRAY_SIZE(id->psd); i++)
		printf("ps %4u : mp:%u flags:%#x enlat:%u exlat:%u\n", i, le16toh(id->psd[i].mp),
		       id->psd[i].flags, le32toh(id->psd[i].enlat), le32toh(id->psd[i].exlat));
}

static void show_ns_list(const uint8_t *data)
{
	le32_t nsid;

	for (unsigned int i = 0; i < 1024; i++) {
		memcpy(&nsid, data + i * sizeof(nsid), sizeof(nsid));
		if (!le32_get(nsid))
			break;
		printf("[%4u]:%#x\n", i, le32_get(nsid));
	}
}

void nvmet_ctl_show_identify(struct nvmet_ctl_run *run)
{
	uint64_t cns = number_of(run->params, "cns");
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);

	if (!data || len < 4096)
		puts("no data");
	else if (cns == NVME_IDENTIFY_CNS_CTRL)
		show_id_ctrl((const struct nvme_id_ctrl *)data);
	else if (cns == NVME_IDENTIFY_CNS_NS)
		show_id_ns((const struct nvme_id_ns *)data,
			   (uint32_t)number_of(run->params, "nsid"));
	else if (cns == NVME_IDENTIFY_CNS_NS_ACTIVE_LIST ||
		 cns == NVME_IDENTIFY_CNS_ALLOCATED_NS_LIST)
		show_ns_list(data);
	else
		dump(data, len);
	free(data);
}

/* ---- logs and passthrough ---- */

void nvmet_ctl_show_smart(struct nvmet_ctl_run *run)
{
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);
	const struct nvme_smart_log *log = (const struct nvme_smart_log *)data;
	char text[64];

	if (!data || len < sizeof(*log)) {
		puts("no data");
		free(data);
		return;
	}
	printf("Smart Log for NVME device:%s namespace-id:%x\n", run->traddr,
	       (uint32_t)(number_of(run->params, "nsid") ? number_of(run->params, "nsid")
							 : NVME_NSID_BROADCAST));
	for (const struct nvmet_drive_field *f = nvmet_drive_smart_fields; f->name; f++) {
		const char *unit = "";

		nvmet_drive_field_text(f, log, text, sizeof(text));
		if (f->off == offsetof(struct nvme_smart_log, temperature))
			snprintf(text, sizeof(text), "%d°C (%u Kelvin)",
				 (log->temperature[1] << 8 | log->temperature[0]) - KELVIN,
				 log->temperature[1] << 8 | log->temperature[0]);
		else if (f->off >= offsetof(struct nvme_smart_log, avail_spare) &&
			 f->off <= offsetof(struct nvme_smart_log, percent_used))
			unit = "%";
		printf("%-39s : %s%s\n", f->name, text, unit);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(log->temp_sensor); i++)
		if (log->temp_sensor[i])
			printf("Temperature Sensor %u%-19s : %d°C (%u Kelvin)\n", i + 1, "",
			       le16toh(log->temp_sensor[i]) - KELVIN, le16toh(log->temp_sensor[i]));
	free(data);
}

void nvmet_ctl_show_data(struct nvmet_ctl_run *run)
{
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);

	dump(data, len);
	free(data);
}

void nvmet_ctl_show_passthru(struct nvmet_ctl_run *run)
{
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);

	printf("NVMe command result:%08" PRIx64 "\n", number_of(run->result, "result"));
	if (len)
		dump(data, len);
	free(data);
	data = nvmet_ctl_result_metadata(run, &len);
	if (len) {
		puts("metadata:");
		dump(data, len);
	}
	free(data);
}

void nvmet_ctl_show_scsi(struct nvmet_ctl_run *run)
{
	uint64_t moved = number_of(run->result, "length");
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);

	printf("SCSI status:%02" PRIx64 " transferred:%" PRIu64 "\n",
	       number_of(run->result, "status"), moved);
	if (len)
		dump(data, len);
	free(data);
}
