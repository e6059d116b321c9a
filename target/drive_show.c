// SPDX-License-Identifier: BSD-2-Clause
/*
 * Identify Controller, Identify Namespace and SMART decoded. Any thread. Entry points:
 * nvmet_drive_json_*(), nvmet_drive_field_text(). NVM Express Base Specification 2.x, "Identify
 * Controller data structure", "SMART / Health Information"; NVM Command Set Specification,
 * "Identify Namespace data structure".
 */
#include "target/drive_show.h"

#include <json-c/json.h>
#include <stdio.h>

#include "common/util.h"
#include "target/rpc_json.h"

enum {
	MAX_LBAF = 64,
	NR_SENSORS = 8,
};

#define FIELD(type, fname, member, fform)                                               \
	{                                                                               \
		.name = (fname), .off = offsetof(struct type, member),                  \
		.size = sizeof(((struct type *)0)->member), .form = NVMET_FIELD_##fform \
	}
#define CTRL(member, form) FIELD(nvme_id_ctrl, #member, member, form)
#define NS(member, form)   FIELD(nvme_id_ns, #member, member, form)

/* clang-format off */
const struct nvmet_drive_field nvmet_drive_id_ctrl_fields[] = {
	CTRL(vid, HEX),
	CTRL(ssvid, HEX),
	CTRL(sn, TEXT),
	CTRL(mn, TEXT),
	CTRL(fr, TEXT),
	CTRL(rab, DEC),
	CTRL(ieee, OUI),
	CTRL(cmic, HEX),
	CTRL(mdts, DEC),
	CTRL(cntlid, HEX),
	CTRL(ver, HEX),
	CTRL(rtd3r, HEX),
	CTRL(rtd3e, HEX),
	CTRL(oaes, HEX),
	CTRL(ctratt, HEX),
	CTRL(rrls, HEX),
	CTRL(cntrltype, DEC),
	CTRL(fguid, BYTES),
	CTRL(crdt1, DEC),
	CTRL(crdt2, DEC),
	CTRL(crdt3, DEC),
	CTRL(nvmsr, DEC),
	CTRL(vwci, DEC),
	CTRL(mec, DEC),
	CTRL(oacs, HEX),
	CTRL(acl, DEC),
	CTRL(aerl, DEC),
	CTRL(frmw, HEX),
	CTRL(lpa, HEX),
	CTRL(elpe, DEC),
	CTRL(npss, DEC),
	CTRL(avscc, HEX),
	CTRL(apsta, HEX),
	CTRL(wctemp, DEC),
	CTRL(cctemp, DEC),
	CTRL(mtfa, DEC),
	CTRL(hmpre, DEC),
	CTRL(hmmin, DEC),
	CTRL(tnvmcap, DEC),
	CTRL(unvmcap, DEC),
	CTRL(rpmbs, HEX),
	CTRL(edstt, DEC),
	CTRL(dsto, DEC),
	CTRL(fwug, DEC),
	CTRL(kas, DEC),
	CTRL(hctma, HEX),
	CTRL(mntmt, DEC),
	CTRL(mxtmt, DEC),
	CTRL(sanicap, HEX),
	CTRL(hmminds, DEC),
	CTRL(hmmaxd, DEC),
	CTRL(nsetidmax, DEC),
	CTRL(endgidmax, DEC),
	CTRL(anatt, DEC),
	CTRL(anacap, DEC),
	CTRL(anagrpmax, DEC),
	CTRL(nanagrpid, DEC),
	CTRL(pels, DEC),
	CTRL(domainid, DEC),
	CTRL(megcap, DEC),
	CTRL(sqes, HEX),
	CTRL(cqes, HEX),
	CTRL(maxcmd, DEC),
	CTRL(nn, DEC),
	CTRL(oncs, HEX),
	CTRL(fuses, HEX),
	CTRL(fna, HEX),
	CTRL(vwc, HEX),
	CTRL(awun, DEC),
	CTRL(awupf, DEC),
	CTRL(icsvscc, DEC),
	CTRL(nwpc, DEC),
	CTRL(acwu, DEC),
	CTRL(ocfs, HEX),
	CTRL(sgls, HEX),
	CTRL(mnan, DEC),
	CTRL(maxdna, DEC),
	CTRL(maxcna, DEC),
	CTRL(subnqn, TEXT),
	CTRL(ioccsz, DEC),
	CTRL(iorcsz, DEC),
	CTRL(icdoff, DEC),
	CTRL(fcatt, HEX),
	CTRL(msdbd, DEC),
	CTRL(ofcs, DEC),
	{ .name = NULL },
};

const struct nvmet_drive_field nvmet_drive_id_ns_fields[] = {
	NS(nsze, HEX),
	NS(ncap, HEX),
	NS(nuse, HEX),
	NS(nsfeat, HEX),
	NS(nlbaf, DEC),
	NS(flbas, HEX),
	NS(mc, HEX),
	NS(dpc, HEX),
	NS(dps, HEX),
	NS(nmic, HEX),
	NS(rescap, HEX),
	NS(fpi, HEX),
	NS(dlfeat, DEC),
	NS(nawun, DEC),
	NS(nawupf, DEC),
	NS(nacwu, DEC),
	NS(nabsn, DEC),
	NS(nabo, DEC),
	NS(nabspf, DEC),
	NS(noiob, DEC),
	NS(nvmcap, DEC),
	NS(npwg, DEC),
	NS(npwa, DEC),
	NS(npdg, DEC),
	NS(npda, DEC),
	NS(nows, DEC),
	NS(mssrl, DEC),
	NS(mcl, DEC),
	NS(msrc, DEC),
	NS(nulbaf, DEC),
	NS(anagrpid, DEC),
	NS(nsattr, DEC),
	NS(nvmsetid, DEC),
	NS(endgid, DEC),
	NS(nguid, BYTES),
	NS(eui64, BYTES),
	{ .name = NULL },
};

const struct nvmet_drive_field nvmet_drive_smart_fields[] = {
	FIELD(nvme_smart_log, "critical_warning", critical_warning, DEC),
	FIELD(nvme_smart_log, "temperature", temperature, DEC),
	FIELD(nvme_smart_log, "avail_spare", avail_spare, DEC),
	FIELD(nvme_smart_log, "spare_thresh", spare_thresh, DEC),
	FIELD(nvme_smart_log, "percent_used", percent_used, DEC),
	FIELD(nvme_smart_log, "endurance_grp_critical_warning_summary", endu_grp_crit_warn_sumry, DEC),
	FIELD(nvme_smart_log, "data_units_read", data_units_read, DEC),
	FIELD(nvme_smart_log, "data_units_written", data_units_written, DEC),
	FIELD(nvme_smart_log, "host_read_commands", host_reads, DEC),
	FIELD(nvme_smart_log, "host_write_commands", host_writes, DEC),
	FIELD(nvme_smart_log, "controller_busy_time", ctrl_busy_time, DEC),
	FIELD(nvme_smart_log, "power_cycles", power_cycles, DEC),
	FIELD(nvme_smart_log, "power_on_hours", power_on_hours, DEC),
	FIELD(nvme_smart_log, "unsafe_shutdowns", unsafe_shutdowns, DEC),
	FIELD(nvme_smart_log, "media_errors", media_errors, DEC),
	FIELD(nvme_smart_log, "num_err_log_entries", num_err_log_entries, DEC),
	FIELD(nvme_smart_log, "warning_temp_time", warning_temp_time, DEC),
	FIELD(nvme_smart_log, "critical_comp_time", critical_comp_time, DEC),
	FIELD(nvme_smart_log, "thm_temp1_trans_count", thm_temp1_trans_count, DEC),
	FIELD(nvme_smart_log, "thm_temp2_trans_count", thm_temp2_trans_count, DEC),
	FIELD(nvme_smart_log, "thm_temp1_total_time", thm_temp1_total_time, DEC),
	FIELD(nvme_smart_log, "thm_temp2_total_time", thm_temp2_total_time, DEC),
	{ .name = NULL },
};
/* clang-format on */

/* ---- one field ---- */

static unsigned __int128 number_of(const struct nvmet_drive_field *field, const void *base)
{
	const uint8_t *bytes = (const uint8_t *)base + field->off;
	unsigned __int128 number = 0;

	assert(field->size <= 16);
	for (unsigned int i = field->size; i--;)
		number = number << 8 | bytes[i];
	return number;
}

/* Decimal, of up to 39 digits. */
static void decimal(unsigned __int128 number, char *text, size_t size)
{
	char digits[40];
	size_t n = sizeof(digits);

	digits[--n] = '\0';
	do {
		digits[--n] = (char)('0' + (int)(number % 10));
		number /= 10;
	} while (number);
	snprintf(text, size, "%s", digits + n);
}

void nvmet_drive_ascii(const char *field, size_t len, char *text, size_t size)
{
	size_t n = 0;

	for (; n < len && n + 1 < size && field[n]; n++)
		text[n] = (char)(field[n] >= ' ' && field[n] < 0x7f ? field[n] : '?');
	while (n && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
}

const char *nvmet_drive_field_text(const struct nvmet_drive_field *field, const void *base,
				   char *text, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)base + field->off;
	bool backwards = field->form == NVMET_FIELD_OUI;
	size_t n = 0;

	switch (field->form) {
	case NVMET_FIELD_DEC:
		decimal(number_of(field, base), text, size);
		break;
	case NVMET_FIELD_HEX:
		snprintf(text, size, "%#llx", (unsigned long long)number_of(field, base));
		break;
	case NVMET_FIELD_TEXT:
		nvmet_drive_ascii((const char *)bytes, field->size, text, size);
		break;
	default:
		for (unsigned int i = 0; i < field->size && n + 3 <= size; i++)
			n += (size_t)snprintf(text + n, size - n, "%02x",
					      bytes[backwards ? field->size - 1u - i : i]);
	}
	return text;
}

static void put_field(struct json_object *obj, const struct nvmet_drive_field *field,
		      const void *base)
{
	char text[300];
	unsigned __int128 number;

	if (field->form == NVMET_FIELD_DEC || field->form == NVMET_FIELD_HEX ||
	    field->form == NVMET_FIELD_OUI) {
		number = number_of(field, base);
		/* A number that JSON readers would round is told as text. */
		if (number <= UINT64_MAX) {
			nvmet_rpc_put_uint(obj, field->name, (uint64_t)number);
			return;
		}
		decimal(number, text, sizeof(text));
	} else {
		nvmet_drive_field_text(field, base, text, sizeof(text));
	}
	nvmet_rpc_put_text(obj, field->name, "%s", text);
}

static struct json_object *put_fields(const struct nvmet_drive_field *field, const void *base)
{
	struct json_object *obj = json_object_new_object();

	for (; field->name; field++)
		put_field(obj, field, base);
	return obj;
}

/* ---- structures ---- */

struct json_object *nvmet_drive_json_id_ctrl(const struct nvme_id_ctrl *id)
{
	return put_fields(nvmet_drive_id_ctrl_fields, id);
}

unsigned int nvmet_drive_nr_lbaf(const struct nvme_id_ns *id)
{
	return min_of(id->nlbaf + id->nulbaf + 1u, (unsigned int)MAX_LBAF);
}

/* Bits 6:5 are the high ones, where there are more formats than bits 3:0 can tell. */
unsigned int nvmet_drive_lbaf(const struct nvme_id_ns *id)
{
	unsigned int high = nvmet_drive_nr_lbaf(id) > 16 ? id->flbas >> 5 & 3u : 0;

	return high << 4 | (id->flbas & 0xfu);
}

struct json_object *nvmet_drive_json_id_ns(const struct nvme_id_ns *id)
{
	struct json_object *obj = put_fields(nvmet_drive_id_ns_fields, id);
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; list && i < nvmet_drive_nr_lbaf(id); i++) {
		struct json_object *lbaf = json_object_new_object();

		nvmet_rpc_put_uint(lbaf, "ms", le16toh(id->lbaf[i].ms));
		nvmet_rpc_put_uint(lbaf, "ds", id->lbaf[i].ds);
		nvmet_rpc_put_uint(lbaf, "rp", id->lbaf[i].rp);
		json_object_array_add(list, lbaf);
	}
	nvmet_rpc_put(obj, "lbafs", list);
	return obj;
}

struct json_object *nvmet_drive_json_smart(const struct nvme_smart_log *log)
{
	struct json_object *obj = put_fields(nvmet_drive_smart_fields, log);
	char name[32];

	for (int i = 0; i < NR_SENSORS; i++) {
		if (!log->temp_sensor[i])
			continue;
		snprintf(name, sizeof(name), "temperature_sensor_%d", i + 1);
		nvmet_rpc_put_uint(obj, name, le16toh(log->temp_sensor[i]));
	}
	return obj;
}
