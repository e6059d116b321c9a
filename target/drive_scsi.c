// SPDX-License-Identifier: BSD-2-Clause
/*
 * SCSI commands from parameters, and their outcome. Any thread. Entry points:
 * nvmet_drive_parse_scsi(), nvmet_drive_result_scsi(). SPC-4, "Sense data".
 */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/util.h"
#include "target/drive_cmd.h"

enum {
	OP_FORMAT_UNIT = 0x04,
	MAX_DATA = MAX_XFER_BYTES - NVMH_SCSI_SCRATCH_BYTES, /* of memory in one piece */
	SENSE_DESC = 0x72,
};

/* ---- the command ---- */

/* Pairs of hexadecimal digits, with blanks between them. Return: bytes, 0: it is something else. */
static uint8_t take_hex(const char *text, uint8_t *bytes, uint8_t max)
{
	char two[3] = { 0 };
	uint8_t n = 0;

	for (; *text; text += 2) {
		while (*text == ' ')
			text++;
		if (!*text)
			break;
		if (n == max || !isxdigit((unsigned char)text[0]) ||
		    !isxdigit((unsigned char)text[1]))
			return 0;
		memcpy(two, text, 2);
		bytes[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static void take_cdb(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	const char *text;

	nvmet_rpc_params_need(p, "cdb");
	text = nvmet_rpc_get_text(p, "cdb");
	if (!text)
		return;
	cmd->scsi.cdb_len = take_hex(text, cmd->scsi.cdb, NVMH_SCSI_CDB_BYTES);
	if (!cmd->scsi.cdb_len)
		nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: cdb: expected 6 to 16 bytes in hexadecimal");
}

static void refuse(struct nvmet_rpc_params *p, const char *why)
{
	nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS, "Invalid parameters: %s", why);
}

/* What goes to the drive is given; else its length is what comes. */
static void take_data(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t len = 0, given = 0;
	bool to = false, from = false, have;
	uint8_t *data = NULL;

	nvmet_rpc_get_u32(p, "data_len", MAX_DATA, &len);
	nvmet_rpc_get_bool(p, "write", &to);
	nvmet_rpc_get_bool(p, "read", &from);
	have = nvmet_rpc_get_data(p, "data", MAX_DATA, &data, &given);
	if (have && len && len != given)
		refuse(p, "data_len: is not the length of the data");
	else if (from && (to || given))
		refuse(p, "read: the data go to the drive");
	else if (to && !given)
		refuse(p, "data: is needed");
	else if (from && !len)
		refuse(p, "data_len: is needed");
	if (p->err->code || (!given && !len)) {
		free(data);
		return;
	}
	if (!given) { /* data of no length are none */
		free(data);
		data = calloc(1, len);
		if (!data)
			nvmet_rpc_errno(p->err, -ENOMEM, NULL);
	}
	cmd->data = data;
	cmd->len = given ? given : len;
	cmd->dir = given ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
}

void nvmet_drive_parse_scsi(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	bool format;
	uint64_t timeout_ms;
	uint32_t nsid = 1;

	cmd->kind = NVMET_DRIVE_SCSI;
	take_cdb(p, cmd);
	nvmet_rpc_get_u32(p, "nsid", UINT32_MAX, &nsid);
	cmd->sqe.nsid = le32_make(nsid);
	nvmet_rpc_get_bool(p, "desc_sense", &cmd->scsi.desc_sense);
	nvmet_rpc_get_bool(p, "force", &cmd->force);
	format = cmd->scsi.cdb[0] == OP_FORMAT_UNIT;
	timeout_ms = format ? NVMET_DRIVE_LONG_MS : NVMET_DRIVE_IO_MS;
	nvmet_rpc_get_uint(p, "timeout_ms", 1, format ? NVMET_DRIVE_LONG_MS : NVMET_DRIVE_IO_MAX_MS,
			   &timeout_ms);
	cmd->timeout_ms = (uint32_t)timeout_ms;
	if (format) {
		cmd->destroys = true;
		cmd->nsid = nsid;
	}
	take_data(p, cmd);
}

/* ---- the outcome ---- */

static const char *status_text(uint8_t status)
{
	switch (status) {
	case NVMH_SCSI_GOOD:
		return "Good";
	case NVMH_SCSI_CHECK_CONDITION:
		return "Check Condition";
	case NVMH_SCSI_BUSY:
		return "Busy, try again";
	case NVMH_SCSI_RESERVATION_CONFLICT:
		return "Reservation Conflict";
	default:
		return "Task Aborted";
	}
}

static const char *key_text(uint8_t key)
{
	static const char *const keys[16] = {
		"No Sense",	  "Recovered Error", "Not Ready",      "Medium Error",
		"Hardware Error", "Illegal Request", "Unit Attention", "Data Protect",
		"Blank Check",	  "Vendor Specific", "Copy Aborted",   "Aborted Command",
		"Reserved",	  "Volume Overflow", "Miscompare",     "Completed",
	};

	return keys[key & 15];
}

/* Those that the translation gives. */
static const char *asc_text(unsigned int asc)
{
	static const struct {
		uint16_t asc;
		const char *text;
	} table[] = {
		{ 0x0300, "peripheral device write fault" },
		{ 0x0400, "logical unit not ready" },
		{ 0x0401, "logical unit is becoming ready" },
		{ 0x0404, "format in progress" },
		{ 0x041b, "sanitize in progress" },
		{ 0x1001, "logical block guard check failed" },
		{ 0x1002, "logical block application tag check failed" },
		{ 0x1003, "logical block reference tag check failed" },
		{ 0x1100, "unrecovered read error" },
		{ 0x1a00, "parameter list length error" },
		{ 0x1d00, "miscompare during verify operation" },
		{ 0x2000, "invalid command operation code" },
		{ 0x2002, "no access rights" },
		{ 0x2009, "invalid logical unit identifier" },
		{ 0x2100, "logical block address out of range" },
		{ 0x2400, "invalid field in CDB" },
		{ 0x2500, "logical unit not supported" },
		{ 0x2600, "invalid field in parameter list" },
		{ 0x2700, "write protected" },
		{ 0x2c00, "command sequence error" },
		{ 0x3002,
		  "incompatible format: it has metadata that is no protection information" },
		{ 0x3101, "format command failed" },
		{ 0x3900, "saving parameters not supported" },
		{ 0x4400, "internal target failure" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].asc == asc)
			return table[i].text;
	return "no additional sense information that we know";
}

/* " at byte 2, bit 5", of the CDB or the parameter list */
static void field_text(const struct nvmh_scsi_cmd *scsi, char *text, size_t size)
{
	const uint8_t *sks = scsi->sense[0] == SENSE_DESC ? scsi->sense + 12 : scsi->sense + 15;
	size_t n;

	text[0] = '\0';
	if (scsi->sense_len < sks + 3 - scsi->sense || !(sks[0] & 0x80))
		return;
	n = (size_t)snprintf(text, size, " at byte %u", sks[1] << 8 | sks[2]);
	if (sks[0] & 8)
		snprintf(text + n, size - n, ", bit %u", sks[0] & 7u);
}

static void put_sense(struct json_object *obj, const struct nvmh_scsi_cmd *scsi)
{
	bool desc = scsi->sense[0] == SENSE_DESC;
	uint8_t key = scsi->sense[desc ? 1 : 2] & 0xf;
	unsigned int asc = (unsigned int)scsi->sense[desc ? 2 : 12] << 8 |
			   scsi->sense[desc ? 3 : 13];
	char field[32];

	field_text(scsi, field, sizeof(field));
	nvmet_rpc_put_data(obj, "sense", scsi->sense, scsi->sense_len);
	nvmet_rpc_put_uint(obj, "sense_key", key);
	nvmet_rpc_put_uint(obj, "asc", asc >> 8);
	nvmet_rpc_put_uint(obj, "ascq", asc & 0xff);
	nvmet_rpc_put_text(obj, "text", "SCSI status %02Xh: %s: %s, %02X/%02Xh: %s%s", scsi->status,
			   status_text(scsi->status), key_text(key), asc >> 8, asc & 0xff,
			   asc_text(asc), field);
}

struct json_object *nvmet_drive_result_scsi(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = json_object_new_object();
	const struct nvmh_scsi_cmd *scsi = &cmd->scsi;
	uint32_t moved = cmd->len - scsi->resid;

	nvmet_rpc_put_uint(obj, "status", scsi->status);
	if (scsi->sense_len)
		put_sense(obj, scsi);
	else
		nvmet_rpc_put_text(obj, "text", "SCSI status %02Xh: %s", scsi->status,
				   status_text(scsi->status));
	if (scsi->nvme_status)
		nvmet_rpc_put_uint(obj, "nvme_status", scsi->nvme_status & (ST_MASK | ST_DNR));
	nvmet_rpc_put_uint(obj, "resid", scsi->resid);
	nvmet_rpc_put_uint(obj, "length", moved);
	if (cmd->dir == NVMH_FROM_CTRL)
		nvmet_rpc_put_data(obj, "data", cmd->data, moved);
	return obj;
}
