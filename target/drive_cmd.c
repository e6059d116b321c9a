// SPDX-License-Identifier: BSD-2-Clause
/*
 * From parameters to commands of a drive and back. Any thread. Entry points:
 * nvmet_drive_cmd_parse(), nvmet_drive_cmd_result().
 * NVM Express Base Specification 2.x, "Identify", "Get Log Page", "Format NVM", "Namespace
 * Management", "Namespace Attachment"; NVM Command Set Specification, "Read", "Write".
 */
#include "target/drive_cmd.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "common/status.h"
#include "common/util.h"
#include "target/drive_show.h"

enum {
	NS_MGMT_CREATE = 0,
	NS_MGMT_DELETE = 1,
	NS_ATTACH = 0,
	NS_DETACH = 1,
	FID_HOST_MEMORY = 0x0d,
	SMART_BYTES = 512,
	CTRL_LIST_MAX = 2047,
};

struct cmd_kind {
	const char *method;
	/* Takes the parameters other than traddr. Errors go to @p. */
	void (*parse)(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd);
	struct json_object *(*result)(const struct nvmet_drive_cmd *cmd);
};

/* ---- pieces of commands ---- */

static uint32_t u32(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint32_t otherwise)
{
	nvmet_rpc_get_u32(p, name, max, &otherwise);
	return otherwise;
}

static void take_timeout(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd, uint32_t ms,
			 uint32_t max)
{
	uint64_t number = ms;

	nvmet_rpc_get_uint(p, "timeout_ms", 1, max, &number);
	cmd->timeout_ms = (uint32_t)number;
}

/* @len bytes of zeroes, to be sent or to be filled by the drive */
static void make_data(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd, uint32_t len,
		      enum nvmh_dir dir)
{
	cmd->data = calloc(1, len);
	if (!cmd->data)
		nvmet_rpc_errno(p->err, -ENOMEM, NULL);
	cmd->len = len;
	cmd->dir = dir;
}

static void take_nsid(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	nvmet_rpc_params_need(p, "nsid");
	cmd->nsid = u32(p, "nsid", UINT32_MAX, 0);
	cmd->sqe.nsid = le32_make(cmd->nsid);
}

/* ---- the methods ---- */

static void parse_identify(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t nsid = u32(p, "nsid", UINT32_MAX, 0);
	uint32_t cns = u32(p, "cns", 0xff, NVME_IDENTIFY_CNS_CTRL);

	cmd->sqe.opcode = nvme_admin_identify;
	cmd->sqe.nsid = le32_make(nsid);
	cmd->sqe.cdw10 = le32_make(cns | u32(p, "cntid", 0xffff, 0) << 16);
	cmd->sqe.cdw11 = le32_make(u32(p, "cnssid", 0xffff, 0) | u32(p, "csi", 0xff, 0) << 24);
	cmd->sqe.cdw14 = le32_make(u32(p, "uuid_index", 0x7f, 0));
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	make_data(p, cmd, NVME_IDENTIFY_DATA_SIZE, NVMH_FROM_CTRL);
}

static void set_log(struct nvmet_drive_cmd *cmd, uint32_t lid, uint32_t nsid, uint32_t len)
{
	uint32_t numd = len / 4 - 1;

	cmd->sqe.opcode = nvme_admin_get_log_page;
	cmd->sqe.nsid = le32_make(nsid);
	cmd->sqe.cdw10 = le32_make((numd & 0xffff) << 16 | lid);
	cmd->sqe.cdw11 = le32_make(numd >> 16);
}

static void parse_smart(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	set_log(cmd, NVME_LOG_LID_SMART, u32(p, "nsid", UINT32_MAX, NVME_NSID_BROADCAST),
		SMART_BYTES);
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	make_data(p, cmd, SMART_BYTES, NVMH_FROM_CTRL);
}

static void parse_get_log(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint64_t len = 0, offset = 0;
	bool rae = false;

	nvmet_rpc_params_need(p, "lid");
	nvmet_rpc_params_need(p, "length");
	nvmet_rpc_get_uint(p, "length", 4, MAX_XFER_BYTES, &len);
	nvmet_rpc_get_uint(p, "offset", 0, UINT64_MAX - MAX_XFER_BYTES, &offset);
	if (len % 4 || offset % 4)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: length, offset: expected multiples of 4");
	set_log(cmd, u32(p, "lid", 0xff, 0), u32(p, "nsid", UINT32_MAX, NVME_NSID_BROADCAST),
		(uint32_t)len);
	nvmet_rpc_get_bool(p, "rae", &rae);
	cmd->sqe.cdw10 = le32_make(le32_get(cmd->sqe.cdw10) | u32(p, "lsp", 0x7f, 0) << 8 |
				   (uint32_t)rae << 15);
	cmd->sqe.cdw11 = le32_make(le32_get(cmd->sqe.cdw11) | u32(p, "lsi", 0xffff, 0) << 16);
	cmd->sqe.cdw12 = le32_make((uint32_t)offset);
	cmd->sqe.cdw13 = le32_make((uint32_t)(offset >> 32));
	cmd->sqe.cdw14 = le32_make(u32(p, "uuid_index", 0x7f, 0) | u32(p, "csi", 0xff, 0) << 24);
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	make_data(p, cmd, (uint32_t)(len ? len : 4), NVMH_FROM_CTRL);
}

static const char *drivers_own(const struct nvme_sqe *sqe)
{
	switch (sqe->opcode) {
	case nvme_admin_create_sq:
	case nvme_admin_create_cq:
	case nvme_admin_delete_sq:
	case nvme_admin_delete_cq:
		return "queues are the driver's";
	case nvme_admin_async_event:
		return "asynchronous events are the driver's";
	case nvme_admin_dbbuf:
		return "doorbells are the driver's";
	case nvme_admin_fabrics:
		return "fabrics commands are not for drives";
	case nvme_admin_set_features:
		if ((le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_NUM_QUEUES)
			return "the number of queues is the driver's";
		if ((le32_get(sqe->cdw10) & 0xff) == FID_HOST_MEMORY)
			return "host memory is the driver's";
		return NULL;
	default:
		return NULL;
	}
}

/* What a command does to namespaces that somebody may use. */
static void note_damage(struct nvmet_drive_cmd *cmd)
{
	uint32_t sel = le32_get(cmd->sqe.cdw10) & 0xf;

	cmd->nsid = le32_get(cmd->sqe.nsid);
	switch (cmd->sqe.opcode) {
	case nvme_admin_format_nvm:
		cmd->destroys = true;
		break;
	case nvme_admin_sanitize_nvm:
		cmd->destroys = true;
		cmd->nsid = NVME_NSID_BROADCAST;
		break;
	case nvme_admin_ns_mgmt:
		cmd->destroys = sel == NS_MGMT_DELETE;
		break;
	case nvme_admin_ns_attach:
		cmd->destroys = sel == NS_DETACH;
		break;
	default:
		return;
	}
	cmd->rescan = cmd->sqe.opcode != nvme_admin_sanitize_nvm;
}

static void take_direction(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd, bool data_given)
{
	uint8_t opcode = cmd->sqe.opcode;
	bool to = false, from = false;

	nvmet_rpc_get_bool(p, "write", &to);
	nvmet_rpc_get_bool(p, "read", &from);
	if (!cmd->len && !to && !from)
		return;
	if ((opcode & 3) == 3 || (!(opcode & 3) && cmd->len) || (to && from) ||
	    (to && !(opcode & 1)) || (from && !(opcode & 2)) || (data_given && !(opcode & 1)))
		nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: opcode %02xh %s (bits 1:0 of an opcode tell)", opcode,
			(opcode & 3) == 3 ? "has data in both directions"
			: !(opcode & 3)	  ? "has no data"
			: opcode & 1	  ? "sends data to the drive"
					  : "reads data from the drive");
	else if (!cmd->len)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: data_len: is needed");
	cmd->dir = opcode & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
}

static void take_passthru_data(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t len = u32(p, "data_len", MAX_XFER_BYTES, 0), given = 0;
	uint8_t *data = NULL;
	bool have = nvmet_rpc_get_data(p, "data", MAX_XFER_BYTES, &data, &given);

	if (have && len && len != given)
		nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: data_len: is %u, but there are %u bytes of data", len,
			given);
	cmd->len = have ? given : len;
	if (have && !given) { /* data of no length are none */
		free(data);
		data = NULL;
	}
	cmd->data = data;
	if (cmd->len % 4)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: data_len: expected a multiple of 4");
	take_direction(p, cmd, have);
	if (!cmd->len || have || p->err->code)
		return;
	if (cmd->dir == NVMH_TO_CTRL)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: data: is needed");
	else
		make_data(p, cmd, cmd->len, cmd->dir);
}

/* Metadata apart from the data; nvmet_drive_cmd_finish() knows how many there are. */
static void take_metadata(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t len = u32(p, "metadata_len", MAX_XFER_BYTES, 0), given = 0;
	bool have = nvmet_rpc_get_data(p, "metadata", MAX_XFER_BYTES, &cmd->md, &given);

	cmd->md_len = have ? given : len;
	if (p->err->code || (!have && !len))
		return;
	if (!cmd->len)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: metadata_len: there are no data");
	else if (have && len && len != given)
		nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: metadata_len: is %u, but there are %u bytes of metadata",
			len, given);
	else if (have != (cmd->dir == NVMH_TO_CTRL))
		nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS, "Invalid parameters: metadata: %s",
			have ? "come from the drive, metadata_len says how many" : "are needed");
	if (have || p->err->code)
		return;
	cmd->md = calloc(1, len);
	if (!cmd->md)
		nvmet_rpc_errno(p->err, -ENOMEM, NULL);
}

static void parse_passthru(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	struct nvme_sqe *sqe = &cmd->sqe;

	nvmet_rpc_params_need(p, "opcode");
	sqe->opcode = (uint8_t)u32(p, "opcode", 0xff, 0);
	sqe->nsid = le32_make(u32(p, "nsid", UINT32_MAX, 0));
	sqe->cdw2 = le32_make(u32(p, "cdw2", UINT32_MAX, 0));
	sqe->cdw3 = le32_make(u32(p, "cdw3", UINT32_MAX, 0));
	sqe->cdw10 = le32_make(u32(p, "cdw10", UINT32_MAX, 0));
	sqe->cdw11 = le32_make(u32(p, "cdw11", UINT32_MAX, 0));
	sqe->cdw12 = le32_make(u32(p, "cdw12", UINT32_MAX, 0));
	sqe->cdw13 = le32_make(u32(p, "cdw13", UINT32_MAX, 0));
	sqe->cdw14 = le32_make(u32(p, "cdw14", UINT32_MAX, 0));
	sqe->cdw15 = le32_make(u32(p, "cdw15", UINT32_MAX, 0));
	nvmet_rpc_get_bool(p, "force", &cmd->force);
	take_passthru_data(p, cmd);
}

static void parse_admin(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	const char *why;

	parse_passthru(p, cmd);
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	why = drivers_own(&cmd->sqe);
	if (why)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: opcode %02xh is refused: %s",
				    cmd->sqe.opcode, why);
	note_damage(cmd);
}

/* Get and Set Features. Their data, if the feature has some: @len bytes. */
static void parse_get_feature(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t len = u32(p, "data_len", NVME_IDENTIFY_DATA_SIZE, 0);

	nvmet_rpc_params_need(p, "fid");
	cmd->sqe.opcode = nvme_admin_get_features;
	cmd->sqe.nsid = le32_make(u32(p, "nsid", UINT32_MAX, 0));
	cmd->sqe.cdw10 = le32_make(u32(p, "fid", 0xff, 0) | u32(p, "sel", 7, 0) << 8);
	cmd->sqe.cdw11 = le32_make(u32(p, "cdw11", UINT32_MAX, 0));
	cmd->sqe.cdw14 = le32_make(u32(p, "uuid_index", 0x7f, 0));
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	if (len % 4)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: data_len: expected a multiple of 4");
	else if (len)
		make_data(p, cmd, len, NVMH_FROM_CTRL);
}

static void parse_set_feature(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	bool save = false;
	const char *why;

	nvmet_rpc_params_need(p, "fid");
	nvmet_rpc_params_need(p, "value");
	nvmet_rpc_get_bool(p, "save", &save);
	cmd->sqe.opcode = nvme_admin_set_features;
	cmd->sqe.nsid = le32_make(u32(p, "nsid", UINT32_MAX, 0));
	cmd->sqe.cdw10 = le32_make(u32(p, "fid", 0xff, 0) | (uint32_t)save << 31);
	cmd->sqe.cdw11 = le32_make(u32(p, "value", UINT32_MAX, 0));
	cmd->sqe.cdw12 = le32_make(u32(p, "cdw12", UINT32_MAX, 0));
	cmd->sqe.cdw14 = le32_make(u32(p, "uuid_index", 0x7f, 0));
	take_timeout(p, cmd, NVMET_DRIVE_ADMIN_MS, NVMET_DRIVE_LONG_MS);
	take_passthru_data(p, cmd);
	why = drivers_own(&cmd->sqe);
	if (why)
		nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
				    "Invalid parameters: fid %02xh is refused: %s",
				    le32_get(cmd->sqe.cdw10) & 0xff, why);
}

static void parse_io(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	parse_passthru(p, cmd);
	take_metadata(p, cmd);
	take_timeout(p, cmd, NVMET_DRIVE_IO_MS, NVMET_DRIVE_IO_MAX_MS);
	cmd->kind = NVMET_DRIVE_IO;
}

static void parse_reset(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	(void)p;
	cmd->kind = NVMET_DRIVE_RESET;
}

static void parse_subsys_reset(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	(void)p;
	cmd->kind = NVMET_DRIVE_SUBSYS_RESET;
}

static void parse_rescan(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	(void)p;
	cmd->kind = NVMET_DRIVE_RESCAN;
}

static void parse_format(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	uint32_t lbaf;

	take_nsid(p, cmd);
	nvmet_rpc_params_need(p, "lbaf");
	lbaf = u32(p, "lbaf", 63, 0);
	cmd->sqe.opcode = nvme_admin_format_nvm;
	cmd->sqe.cdw10 =
		le32_make((lbaf & 0xf) | u32(p, "ms", 1, 0) << 4 | u32(p, "pi", 7, 0) << 5 |
			  u32(p, "pil", 1, 0) << 8 | u32(p, "ses", 7, 0) << 9 | (lbaf >> 4) << 12);
	nvmet_rpc_get_bool(p, "force", &cmd->force);
	take_timeout(p, cmd, NVMET_DRIVE_LONG_MS, NVMET_DRIVE_LONG_MS);
	note_damage(cmd);
}

static void parse_ns_create(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	struct nvme_id_ns *ns;
	uint64_t nsze = 0, ncap = 0;

	nvmet_rpc_params_need(p, "nsze");
	nvmet_rpc_get_uint(p, "nsze", 1, UINT64_MAX, &nsze);
	ncap = nsze;
	nvmet_rpc_get_uint(p, "ncap", 1, UINT64_MAX, &ncap);
	make_data(p, cmd, NVME_IDENTIFY_DATA_SIZE, NVMH_TO_CTRL);
	if (!cmd->data)
		return;
	ns = (struct nvme_id_ns *)cmd->data;
	ns->nsze = htole64(nsze);
	ns->ncap = htole64(ncap);
	ns->flbas = (uint8_t)u32(p, "flbas", 0xff, 0);
	ns->dps = (uint8_t)u32(p, "dps", 0xff, 0);
	ns->nmic = (uint8_t)u32(p, "nmic", 0xff, 0);
	ns->anagrpid = htole32(u32(p, "anagrpid", UINT32_MAX, 0));
	ns->nvmsetid = htole16((uint16_t)u32(p, "nvmsetid", 0xffff, 0));
	cmd->sqe.opcode = nvme_admin_ns_mgmt;
	cmd->sqe.cdw10 = le32_make(NS_MGMT_CREATE);
	cmd->sqe.cdw11 = le32_make(u32(p, "csi", 0xff, 0) << 24);
	take_timeout(p, cmd, NVMET_DRIVE_LONG_MS, NVMET_DRIVE_LONG_MS);
	note_damage(cmd);
}

static void parse_ns_delete(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	take_nsid(p, cmd);
	cmd->sqe.opcode = nvme_admin_ns_mgmt;
	cmd->sqe.cdw10 = le32_make(NS_MGMT_DELETE);
	nvmet_rpc_get_bool(p, "force", &cmd->force);
	take_timeout(p, cmd, NVMET_DRIVE_LONG_MS, NVMET_DRIVE_LONG_MS);
	note_damage(cmd);
}

static void parse_attachment(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd, uint32_t sel)
{
	uint16_t ids[CTRL_LIST_MAX];
	struct nvme_ctrl_list *list;
	uint32_t nr = 0;

	take_nsid(p, cmd);
	make_data(p, cmd, sizeof(*list), NVMH_TO_CTRL);
	if (!cmd->data)
		return;
	list = (struct nvme_ctrl_list *)cmd->data;
	cmd->own_cntlid = !nvmet_rpc_get_list(p, "controllers", 0xffff, ids, CTRL_LIST_MAX, &nr);
	list->num = htole16((uint16_t)nr);
	for (uint32_t i = 0; i < nr; i++)
		list->identifier[i] = htole16(ids[i]);
	cmd->sqe.opcode = nvme_admin_ns_attach;
	cmd->sqe.cdw10 = le32_make(sel);
	nvmet_rpc_get_bool(p, "force", &cmd->force);
	take_timeout(p, cmd, NVMET_DRIVE_LONG_MS, NVMET_DRIVE_LONG_MS);
	note_damage(cmd);
}

static void parse_ns_attach(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	parse_attachment(p, cmd, NS_ATTACH);
}

static void parse_ns_detach(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd)
{
	parse_attachment(p, cmd, NS_DETACH);
}

/* ---- results ---- */

static struct json_object *result_true(const struct nvmet_drive_cmd *cmd)
{
	(void)cmd;
	return json_object_new_boolean(true);
}

static struct json_object *result_data(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_uint(obj, "length", cmd->len);
	nvmet_rpc_put_data(obj, "data", cmd->data, cmd->len);
	return obj;
}

static struct json_object *result_smart(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = result_data(cmd);

	nvmet_rpc_put(obj, "decoded",
		      nvmet_drive_json_smart((const struct nvme_smart_log *)cmd->data));
	return obj;
}

static struct json_object *result_identify(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = result_data(cmd);

	switch (le32_get(cmd->sqe.cdw10) & 0xff) {
	case NVME_IDENTIFY_CNS_CTRL:
		nvmet_rpc_put(obj, "decoded",
			      nvmet_drive_json_id_ctrl((const struct nvme_id_ctrl *)cmd->data));
		break;
	case NVME_IDENTIFY_CNS_NS:
		nvmet_rpc_put(obj, "decoded",
			      nvmet_drive_json_id_ns((const struct nvme_id_ns *)cmd->data));
	}
	return obj;
}

static struct json_object *result_passthru(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_uint(obj, "result", cmd->dw0);
	nvmet_rpc_put_uint(obj, "result_dw1", cmd->dw1);
	nvmet_rpc_put_uint(obj, "length", cmd->dir == NVMH_FROM_CTRL ? cmd->len : 0);
	if (cmd->dir == NVMH_FROM_CTRL)
		nvmet_rpc_put_data(obj, "data", cmd->data, cmd->len);
	if (cmd->dir == NVMH_FROM_CTRL && cmd->md_len) {
		nvmet_rpc_put_uint(obj, "metadata_length", cmd->md_len);
		nvmet_rpc_put_data(obj, "metadata", cmd->md, cmd->md_len);
	}
	return obj;
}

static struct json_object *result_ns_create(const struct nvmet_drive_cmd *cmd)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_uint(obj, "nsid", cmd->dw0);
	return obj;
}

static const struct cmd_kind kinds[] = {
	{ "nvmetcp_drive_identify", parse_identify, result_identify },
	{ "nvmetcp_drive_smart_log", parse_smart, result_smart },
	{ "nvmetcp_drive_get_log", parse_get_log, result_data },
	{ "nvmetcp_drive_get_feature", parse_get_feature, result_passthru },
	{ "nvmetcp_drive_set_feature", parse_set_feature, result_passthru },
	{ "nvmetcp_drive_admin_passthru", parse_admin, result_passthru },
	{ "nvmetcp_drive_io_passthru", parse_io, result_passthru },
	{ "nvmetcp_drive_scsi_passthru", nvmet_drive_parse_scsi, nvmet_drive_result_scsi },
	{ "nvmetcp_drive_reset", parse_reset, result_true },
	{ "nvmetcp_drive_subsystem_reset", parse_subsys_reset, result_true },
	{ "nvmetcp_drive_rescan", parse_rescan, result_true },
	{ "nvmetcp_drive_format", parse_format, result_true },
	{ "nvmetcp_drive_ns_create", parse_ns_create, result_ns_create },
	{ "nvmetcp_drive_ns_delete", parse_ns_delete, result_true },
	{ "nvmetcp_drive_ns_attach", parse_ns_attach, result_true },
	{ "nvmetcp_drive_ns_detach", parse_ns_detach, result_true },
};

static const struct cmd_kind *find_kind(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].method, method))
			return &kinds[i];
	return NULL;
}

bool nvmet_drive_cmd_known(const char *method)
{
	return find_kind(method);
}

int nvmet_drive_cmd_parse(const char *method, struct json_object *val, struct nvmet_drive_cmd *cmd,
			  struct nvmet_rpc_error *err)
{
	const struct cmd_kind *kind = find_kind(method);
	struct nvmet_rpc_params params;

	memset(cmd, 0, sizeof(*cmd));
	assert(kind);
	nvmet_rpc_params_init(&params, val, err);
	nvmet_drive_traddr(&params, cmd->bdf);
	kind->parse(&params, cmd);
	return nvmet_rpc_params_end(&params);
}

int nvmet_drive_cmd_result(const char *method, const struct nvmet_drive_cmd *cmd,
			   struct json_object **resultp, struct nvmet_rpc_error *err)
{
	if (cmd->ret)
		return cmd->reason[0] ? nvmet_rpc_errno(err, cmd->ret, "%s", cmd->reason)
				      : nvmet_rpc_errno(err, cmd->ret, NULL);
	if (cmd->status) {
		err->status = cmd->status & (ST_MASK | ST_DNR);
		nvmet_rpc_set_error(err, -EIO, "drive %s: NVMe status %03Xh: %s", cmd->bdf,
				    cmd->status & ST_MASK, status_str(cmd->status));
		return -EIO;
	}
	*resultp = find_kind(method)->result(cmd);
	return 0;
}

void nvmet_drive_cmd_done(struct nvmet_drive_cmd *cmd)
{
	free(cmd->data);
	free(cmd->md);
	cmd->data = cmd->md = NULL;
}
