// SPDX-License-Identifier: BSD-2-Clause
/*
 * PERSISTENT RESERVE IN and OUT as reservation commands. Any thread. Entry points:
 * nvmh_scsi_pr_in(), nvmh_scsi_pr_out(). NVM Express: SCSI Translation Reference 1.5, "Persistent
 * Reservations"; SPC-4; NVM Express Base Specification 2.x, "Reservations".
 */
#include "host/scsi.h"

enum {
	IN_READ_KEYS = 0,
	IN_READ_RESERVATION = 1,
	IN_CAPABILITIES = 2,
	IN_FULL_STATUS = 3,
	OUT_REGISTER = 0,
	OUT_RESERVE = 1,
	OUT_RELEASE = 2,
	OUT_CLEAR = 3,
	OUT_PREEMPT = 4,
	OUT_PREEMPT_ABORT = 5,
	OUT_REGISTER_IGNORE = 6,
	LIST_BYTES = 24, /* of PERSISTENT RESERVE OUT */
	HEADER = 8,	 /* of PERSISTENT RESERVE IN */
	HOLDER = 1,	 /* RCSTS, and R_HOLDER */
	ALL_TG_PT = 1 << 2,
	APTPL = 1 << 0,
	RESCAP_PTPL = 1 << 0,
	IEKEY = 1 << 3,
};

#define CPTPL_OFF 0x80000000u
#define CPTPL_ON  0xc0000000u

/* NVMe's reservation types by SCSI's; 0: none. */
static const uint8_t nvme_type[9] = { 0, 1, 0, 2, 0, 3, 4, 5, 6 };
static const uint8_t scsi_type[7] = { 0, 1, 3, 5, 6, 7, 8 };

static bool wide_ids(const struct nvmh_scsi_cmd *cmd)
{
	return le32toh(cmd->p.id->ctratt) & NVME_CTRL_CTRATT_128_ID;
}

/* ---- PERSISTENT RESERVE IN ---- */

struct registrant {
	uint64_t key;
	uint16_t cntlid;
	bool holder;
	uint8_t hostid[16];
	uint8_t hostid_len;
};

/* Registrant @index of the report. Return: false: it does not hold so many. */
static bool get_registrant(const struct nvmh_scsi_cmd *cmd, uint32_t index, struct registrant *reg)
{
	uint32_t first = wide_ids(cmd) ? sizeof(struct nvme_resv_status) : 24;
	uint32_t bytes = wide_ids(cmd) ? sizeof(struct nvme_registered_ctrl_ext)
				       : sizeof(struct nvme_registered_ctrl);
	const uint8_t *report = cmd->scratch, *entry = report + first + index * bytes;
	struct nvme_registered_ctrl_ext ext;
	struct nvme_registered_ctrl ds;

	if (first + (index + 1) * bytes > NVMH_SCSI_SCRATCH_BYTES)
		return false;
	memset(reg, 0, sizeof(*reg));
	if (wide_ids(cmd)) {
		memcpy(&ext, entry, sizeof(ext));
		reg->key = le64toh(ext.rkey);
		memcpy(reg->hostid, ext.hostid, sizeof(ext.hostid));
		reg->hostid_len = sizeof(ext.hostid);
	} else {
		memcpy(&ds, entry, sizeof(ds));
		reg->key = le64toh(ds.rkey);
		memcpy(reg->hostid, &ds.hostid, sizeof(ds.hostid));
		reg->hostid_len = sizeof(ds.hostid);
	}
	memcpy(&ds, entry, sizeof(ds)); /* these are the same in both */
	reg->cntlid = le16toh(ds.cntlid);
	reg->holder = ds.rcsts & HOLDER;
	return true;
}

/* Appends to the answer what of it is wanted. p.at: bytes of the answer so far. */
static void append(struct nvmh_scsi_cmd *cmd, const uint8_t *bytes, uint32_t len)
{
	uint32_t room = min_of(scsi_get16(cmd->cdb + 7), cmd->data_len);

	if (cmd->p.at < room)
		memcpy((uint8_t *)cmd->data + cmd->p.at, bytes, min_of(room - cmd->p.at, len));
	cmd->p.at += len;
}

static int finish(struct nvmh_scsi_cmd *cmd)
{
	cmd->p.moved = min_of(min_of(scsi_get16(cmd->cdb + 7), cmd->data_len), cmd->p.at);
	return nvmh_scsi_good(cmd);
}

static void put_full_status(struct nvmh_scsi_cmd *cmd, const struct registrant *reg, uint8_t type)
{
	/* TransportID of no protocol that SPC-4 names: the host's identifier */
	uint8_t desc[24 + 24] = { 0 };

	scsi_put64(desc, reg->key);
	desc[12] = reg->holder ? HOLDER : 0;
	desc[13] = reg->holder ? type : 0;
	scsi_put16(desc + 18, reg->cntlid); /* relative target port */
	scsi_put32(desc + 20, 24);
	desc[24] = 0x0f; /* no specific protocol */
	memcpy(desc + 24 + 8, reg->hostid, reg->hostid_len);
	append(cmd, desc, sizeof(desc));
}

static int answer_in(struct nvmh_scsi_cmd *cmd)
{
	uint8_t sa = cmd->cdb[1], type, header[HEADER] = { 0 }, key[8], hold[16] = { 0 };
	struct nvme_resv_status status;
	struct registrant reg;
	uint32_t nr, each = sa == IN_READ_KEYS ? 8 : 48;

	memcpy(&status, cmd->scratch, sizeof(status));
	nr = status.regctl[0] | (uint32_t)status.regctl[1] << 8;
	type = status.rtype < sizeof(scsi_type) ? scsi_type[status.rtype] : 0;
	scsi_put32(header, le32toh(status.gen));
	if (sa == IN_READ_RESERVATION) {
		scsi_put32(header + 4, type ? sizeof(hold) : 0);
		append(cmd, header, sizeof(header));
		hold[13] = type;
		for (uint32_t i = 0; type && i < nr && get_registrant(cmd, i, &reg); i++)
			if (reg.holder) {
				/* of types for all registrants there is no one holder */
				scsi_put64(hold, type >= 7 ? 0 : reg.key);
				break;
			}
		if (type)
			append(cmd, hold, sizeof(hold));
		return finish(cmd);
	}
	scsi_put32(header + 4, nr * each);
	append(cmd, header, sizeof(header));
	for (uint32_t i = 0; i < nr && get_registrant(cmd, i, &reg); i++) {
		scsi_put64(key, reg.key);
		if (sa == IN_READ_KEYS)
			append(cmd, key, sizeof(key));
		else
			put_full_status(cmd, &reg, type);
	}
	return finish(cmd);
}

static int capabilities(struct nvmh_scsi_cmd *cmd, bool active)
{
	uint8_t rescap = cmd->p.ns->id.rescap, answer[8] = { 0 };

	scsi_put16(answer, sizeof(answer));
	answer[2] = ALL_TG_PT | (rescap & RESCAP_PTPL);
	answer[3] = 1 << 7 | (active ? 1 : 0); /* TMV, PTPL_ACTIVATED */
	/* RESCAP's bits 1 to 6 are NVMe's types in their order */
	answer[4] =
		(uint8_t)((rescap >> 1 & 1) << 1 | (rescap >> 2 & 1) << 3 | (rescap >> 3 & 1) << 5 |
			  (rescap >> 4 & 1) << 6 | (rescap >> 5 & 1) << 7);
	answer[5] = rescap >> 6 & 1;
	return nvmh_scsi_reply(cmd, answer, sizeof(answer), scsi_get16(cmd->cdb + 7));
}

int nvmh_scsi_pr_in(struct nvmh_scsi_cmd *cmd)
{
	struct nvme_resv_status status;

	if (!cmd->p.step) {
		nvmh_scsi_send(cmd, NVMH_SCSI_IO, nvme_cmd_resv_report, cmd->scratch,
			       NVMH_SCSI_SCRATCH_BYTES);
		cmd->req.sqe.cdw10 = le32_make(NVMH_SCSI_SCRATCH_BYTES / 4 - 1);
		cmd->req.sqe.cdw11 = le32_make(wide_ids(cmd));
		return NVMH_SCSI_IO;
	}
	if (cmd->cdb[1] != IN_CAPABILITIES)
		return answer_in(cmd);
	memcpy(&status, cmd->scratch, sizeof(status));
	return capabilities(cmd, status.ptpls & 1);
}

/* ---- PERSISTENT RESERVE OUT ---- */

/* The command's data is two keys. */
static int send_keys(struct nvmh_scsi_cmd *cmd, uint8_t opcode, uint32_t cdw10, uint64_t key,
		     const uint64_t *key2)
{
	le64_t keys[2] = { le64_make(key), le64_make(key2 ? *key2 : 0) };

	memcpy(cmd->scratch, keys, sizeof(keys));
	nvmh_scsi_send(cmd, NVMH_SCSI_IO, opcode, cmd->scratch,
		       key2 ? sizeof(keys) : sizeof(keys[0]));
	cmd->req.sqe.cdw10 = le32_make(cdw10);
	return NVMH_SCSI_IO;
}

/* Register (0), unregister (1) or replace (2), by which keys are 0. */
static int send_register(struct nvmh_scsi_cmd *cmd, uint32_t rrega, uint64_t key, uint64_t sa_key)
{
	bool ignore = cmd->cdb[1] == OUT_REGISTER_IGNORE;
	uint32_t cdw10 = rrega | (ignore ? IEKEY : 0);

	if (cmd->p.ns->id.rescap & RESCAP_PTPL)
		cdw10 |= ((const uint8_t *)cmd->data)[20] & APTPL ? CPTPL_ON : CPTPL_OFF;
	return send_keys(cmd, nvme_cmd_resv_register, cdw10, ignore ? 0 : key, &sa_key);
}

/* Return: whether the CDB and the parameter list are good; else the command has ended. */
static bool check_out(struct nvmh_scsi_cmd *cmd)
{
	uint8_t sa = cmd->cdb[1], scope = cmd->cdb[2] >> 4, type = cmd->cdb[2] & 0xf;
	bool typed = sa == OUT_RESERVE || sa == OUT_RELEASE || sa == OUT_PREEMPT ||
		     sa == OUT_PREEMPT_ABORT;
	bool registers = sa == OUT_REGISTER || sa == OUT_REGISTER_IGNORE;
	uint32_t len = scsi_get32(cmd->cdb + 5);
	const uint8_t *list = cmd->data;

	if (len != LIST_BYTES || cmd->data_len < LIST_BYTES)
		nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	else if (typed && scope)
		nvmh_scsi_bad_cdb(cmd, 2, 7);
	else if (typed && (type >= sizeof(nvme_type) || !nvme_type[type]))
		nvmh_scsi_bad_cdb(cmd, 2, 3);
	else if (registers && list[20] & ~(APTPL | ALL_TG_PT)) /* SPEC_I_PT, too */
		nvmh_scsi_bad_param(cmd, 20, -1);
	else if (registers && list[20] & APTPL && !(cmd->p.ns->id.rescap & RESCAP_PTPL))
		nvmh_scsi_bad_param(cmd, 20, 0);
	else
		return true;
	return false;
}

static int first_out(struct nvmh_scsi_cmd *cmd)
{
	const uint8_t *list = cmd->data;
	uint64_t key = scsi_get64(list), sa_key = scsi_get64(list + 8);
	uint8_t scsi = cmd->cdb[2] & 0xf;
	uint32_t type = scsi < sizeof(nvme_type) ? (uint32_t)nvme_type[scsi] << 8 : 0;

	switch (cmd->cdb[1]) {
	case OUT_REGISTER:
		return send_register(cmd, !sa_key ? 1 : key ? 2 : 0, key, sa_key);
	case OUT_REGISTER_IGNORE:
		cmd->p.tolerant = sa_key;
		return send_register(cmd, sa_key ? 2 : 1, key, sa_key);
	case OUT_RESERVE:
		return send_keys(cmd, nvme_cmd_resv_acquire, type, key, &(uint64_t){ 0 });
	case OUT_RELEASE:
		return send_keys(cmd, nvme_cmd_resv_release, type, key, NULL);
	case OUT_CLEAR:
		return send_keys(cmd, nvme_cmd_resv_release, 1, key, NULL);
	case OUT_PREEMPT:
		return send_keys(cmd, nvme_cmd_resv_acquire, type | 1, key, &sa_key);
	default: /* OUT_PREEMPT_ABORT */
		return send_keys(cmd, nvme_cmd_resv_acquire, type | 2, key, &sa_key);
	}
}

int nvmh_scsi_pr_out(struct nvmh_scsi_cmd *cmd)
{
	const uint8_t *list = cmd->data;

	if (!cmd->p.step) {
		if (!check_out(cmd))
			return NVMH_SCSI_DONE;
		cmd->p.moved = LIST_BYTES;
		return first_out(cmd);
	}
	if (cmd->p.tolerant && cmd->req.status) {
		/* a key can only be replaced where there is one: then register */
		cmd->p.tolerant = false;
		if ((cmd->req.status & ST_MASK) != ST_RESERVATION_CONFLICT)
			return nvmh_scsi_failed(cmd, cmd->req.status);
		return send_register(cmd, 0, 0, scsi_get64(list + 8));
	}
	return nvmh_scsi_good(cmd);
}
