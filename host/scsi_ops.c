// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of SCSI commands that are translated, and REPORT SUPPORTED OPERATION CODES, which tells
 * it. Any thread. Entry points: nvmh_scsi_find(), nvmh_scsi_report_opcodes(). SPC-4, SBC-3.
 *
 * A bit of "usage" is set where a CDB may have it set: what is reserved and what is not supported
 * (NACA, obsolete LBAs, GROUP NUMBER, FUA_NV, LOEJ) is refused alike.
 */
#include "host/scsi.h"

enum {
	RSOC_ALL = 0,
	RSOC_OPCODE = 1,
	RSOC_SA = 2,
	RSOC_EITHER = 3,
	RSOC_ENTRY = 8,
	RSOC_SERVACTV = 1,
	SUPPORT_NONE = 1,
	SUPPORT_STANDARD = 3,
	SA_MASK = 0x1f,
};

static bool has_format(const struct nvmh_scsi_cmd *cmd)
{
	return le16toh(cmd->p.id->oacs) & NVME_CTRL_OACS_FORMAT;
}

static bool has_security(const struct nvmh_scsi_cmd *cmd)
{
	return le16toh(cmd->p.id->oacs) & NVME_CTRL_OACS_SECURITY;
}

static bool has_firmware(const struct nvmh_scsi_cmd *cmd)
{
	return le16toh(cmd->p.id->oacs) & NVME_CTRL_OACS_FW;
}

static bool has_reservations(const struct nvmh_scsi_cmd *cmd)
{
	return nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_RESERVATIONS);
}

static bool has_dsm(const struct nvmh_scsi_cmd *cmd)
{
	return nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_DSM);
}

static bool has_write_same(const struct nvmh_scsi_cmd *cmd)
{
	/* deallocation alone need not happen, so it makes no zeroes */
	return nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_WRITE_ZEROES);
}

#define OP(op, service, bytes, way, words, func, pred, ...)                         \
	{                                                                           \
		.opcode = (op), .sa = (service), .len = (bytes), .dir = NVMH_##way, \
		.name = (words), .fn = nvmh_scsi_##func, .has = (pred), .usage = {  \
			__VA_ARGS__                                                 \
		}                                                                   \
	}
/* also where there is no such namespace */
#define OP_ANY(op, service, bytes, way, words, func, ...)                           \
	{                                                                           \
		.opcode = (op), .sa = (service), .len = (bytes), .dir = NVMH_##way, \
		.name = (words), .fn = nvmh_scsi_##func, .no_lu = true, .usage = {  \
			__VA_ARGS__                                                 \
		}                                                                   \
	}
#define NO SCSI_NO_SA
#define U  0xff
#define PR_IN(service, words) \
	OP(0x5e, service, 10, FROM_CTRL, words, pr_in, has_reservations, [1] = 0x1f, [7 ... 8] = U)
#define PR_OUT(service, words)                                                               \
	OP(0x5f, service, 10, TO_CTRL, words, pr_out, has_reservations, [1] = 0x1f, [2] = U, \
	   [5 ... 8] = U)

/* clang-format off */
const struct nvmh_scsi_op nvmh_scsi_ops[] = {
	OP(0x00, NO, 6, NO_DATA, "TEST UNIT READY", test_unit_ready, NULL, 0),
	OP_ANY(0x03, NO, 6, FROM_CTRL, "REQUEST SENSE", request_sense, [1] = 1, [4] = U),
	OP(0x04, NO, 6, TO_CTRL, "FORMAT UNIT", format, has_format, [1] = 0xf0),
	OP(0x08, NO, 6, FROM_CTRL, "READ(6)", read, NULL, [1] = 0x1f, [2 ... 4] = U),
	OP(0x0a, NO, 6, TO_CTRL, "WRITE(6)", write, NULL, [1] = 0x1f, [2 ... 4] = U),
	OP_ANY(0x12, NO, 6, FROM_CTRL, "INQUIRY", inquiry, [1] = 1, [2 ... 4] = U),
	OP(0x15, NO, 6, TO_CTRL, "MODE SELECT(6)", mode_select, NULL, [1] = 0x11, [4] = U),
	OP(0x1a, NO, 6, FROM_CTRL, "MODE SENSE(6)", mode_sense, NULL, [1] = 8, [2 ... 4] = U),
	OP(0x1b, NO, 6, NO_DATA, "START STOP UNIT", start_stop, NULL, [1] = 1, [3] = 0x0f,
	   [4] = 0xf5),
	OP(0x25, NO, 10, FROM_CTRL, "READ CAPACITY(10)", read_capacity_10, NULL, 0),
	OP(0x28, NO, 10, FROM_CTRL, "READ(10)", read, NULL, [1] = 0xf8, [2 ... 5] = U,
	   [7 ... 8] = U),
	OP(0x2a, NO, 10, TO_CTRL, "WRITE(10)", write, NULL, [1] = 0xf8, [2 ... 5] = U,
	   [7 ... 8] = U),
	OP(0x2f, NO, 10, TO_CTRL, "VERIFY(10)", verify, NULL, [1] = 0x16, [2 ... 5] = U,
	   [7 ... 8] = U),
	OP(0x35, NO, 10, NO_DATA, "SYNCHRONIZE CACHE(10)", sync_cache, NULL, [1] = 2,
	   [2 ... 5] = U, [7 ... 8] = U),
	OP(0x3b, NO, 10, TO_CTRL, "WRITE BUFFER", write_buffer, has_firmware, [1] = 0x1f,
	   [2 ... 8] = U),
	OP(0x41, NO, 10, TO_CTRL, "WRITE SAME(10)", write_same, has_write_same, [1] = 8,
	   [2 ... 5] = U, [7 ... 8] = U),
	OP(0x42, NO, 10, TO_CTRL, "UNMAP", unmap, has_dsm, [7 ... 8] = U),
	OP(0x4d, NO, 10, FROM_CTRL, "LOG SENSE", log_sense, NULL, [2 ... 3] = U, [5 ... 8] = U),
	OP(0x55, NO, 10, TO_CTRL, "MODE SELECT(10)", mode_select, NULL, [1] = 0x11,
	   [7 ... 8] = U),
	OP(0x5a, NO, 10, FROM_CTRL, "MODE SENSE(10)", mode_sense, NULL, [1] = 0x18,
	   [2 ... 3] = U, [7 ... 8] = U),
	PR_IN(0x00, "PERSISTENT RESERVE IN, READ KEYS"),
	PR_IN(0x01, "PERSISTENT RESERVE IN, READ RESERVATION"),
	PR_IN(0x02, "PERSISTENT RESERVE IN, REPORT CAPABILITIES"),
	PR_IN(0x03, "PERSISTENT RESERVE IN, READ FULL STATUS"),
	PR_OUT(0x00, "PERSISTENT RESERVE OUT, REGISTER"),
	PR_OUT(0x01, "PERSISTENT RESERVE OUT, RESERVE"),
	PR_OUT(0x02, "PERSISTENT RESERVE OUT, RELEASE"),
	PR_OUT(0x03, "PERSISTENT RESERVE OUT, CLEAR"),
	PR_OUT(0x04, "PERSISTENT RESERVE OUT, PREEMPT"),
	PR_OUT(0x05, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT"),
	PR_OUT(0x06, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY"),
	OP(0x88, NO, 16, FROM_CTRL, "READ(16)", read, NULL, [1] = 0xf8, [2 ... 13] = U),
	OP(0x8a, NO, 16, TO_CTRL, "WRITE(16)", write, NULL, [1] = 0xf8, [2 ... 13] = U),
	OP(0x8f, NO, 16, TO_CTRL, "VERIFY(16)", verify, NULL, [1] = 0x16, [2 ... 13] = U),
	OP(0x91, NO, 16, NO_DATA, "SYNCHRONIZE CACHE(16)", sync_cache, NULL, [1] = 2,
	   [2 ... 13] = U),
	OP(0x93, NO, 16, TO_CTRL, "WRITE SAME(16)", write_same, has_write_same, [1] = 9,
	   [2 ... 13] = U),
	OP(0x9e, 0x10, 16, FROM_CTRL, "READ CAPACITY(16)", read_capacity_16, NULL, [1] = 0x1f,
	   [10 ... 13] = U),
	OP_ANY(0xa0, NO, 12, FROM_CTRL, "REPORT LUNS", report_luns, [2] = U, [6 ... 9] = U),
	OP(0xa2, NO, 12, FROM_CTRL, "SECURITY PROTOCOL IN", security, has_security,
	   [1 ... 3] = U, [4] = 0x80, [6 ... 9] = U),
	OP(0xa3, 0x0c, 12, FROM_CTRL, "REPORT SUPPORTED OPERATION CODES", report_opcodes, NULL,
	   [1] = 0x1f, [2] = 7, [3 ... 9] = U),
	OP(0xa8, NO, 12, FROM_CTRL, "READ(12)", read, NULL, [1] = 0xf8, [2 ... 9] = U),
	OP(0xaa, NO, 12, TO_CTRL, "WRITE(12)", write, NULL, [1] = 0xf8, [2 ... 9] = U),
	OP(0xaf, NO, 12, TO_CTRL, "VERIFY(12)", verify, NULL, [1] = 0x16, [2 ... 9] = U),
	OP(0xb5, NO, 12, TO_CTRL, "SECURITY PROTOCOL OUT", security, has_security,
	   [1 ... 3] = U, [4] = 0x80, [6 ... 9] = U),
};
/* clang-format on */
const unsigned int nvmh_scsi_nr_ops = ARRAY_SIZE(nvmh_scsi_ops);

const struct nvmh_scsi_op *nvmh_scsi_find(uint8_t opcode, uint8_t sa, bool *knownp)
{
	const struct nvmh_scsi_op *op;
	bool known = false;

	for (unsigned int i = 0; i < nvmh_scsi_nr_ops; i++) {
		op = &nvmh_scsi_ops[i];
		if (op->opcode != opcode)
			continue;
		known = true;
		if (op->sa == SCSI_NO_SA || op->sa == (sa & SA_MASK))
			return op;
	}
	if (knownp)
		*knownp = known;
	return NULL;
}

/* ---- REPORT SUPPORTED OPERATION CODES ---- */

static bool supported(const struct nvmh_scsi_cmd *cmd, const struct nvmh_scsi_op *op)
{
	return !op->has || op->has(cmd);
}

static int report_all(struct nvmh_scsi_cmd *cmd, uint32_t alloc)
{
	uint8_t list[4 + RSOC_ENTRY * ARRAY_SIZE(nvmh_scsi_ops)] = { 0 };
	const struct nvmh_scsi_op *op;
	uint32_t len = 4;

	for (unsigned int i = 0; i < nvmh_scsi_nr_ops; i++) {
		op = &nvmh_scsi_ops[i];
		if (!supported(cmd, op))
			continue;
		list[len] = op->opcode;
		if (op->sa != SCSI_NO_SA) {
			scsi_put16(list + len + 2, op->sa);
			list[len + 5] = RSOC_SERVACTV;
		}
		scsi_put16(list + len + 6, op->len);
		len += RSOC_ENTRY;
	}
	scsi_put32(list, len - 4);
	return nvmh_scsi_reply(cmd, list, len, alloc);
}

static int report_one(struct nvmh_scsi_cmd *cmd, uint8_t how, uint32_t alloc)
{
	uint32_t sa = scsi_get16(cmd->cdb + 4);
	uint8_t answer[4 + NVMH_SCSI_CDB_BYTES] = { 0, SUPPORT_NONE };
	const struct nvmh_scsi_op *op;
	bool known, has_sa;

	/* an opcode that is known only with service actions is found with none of them by luck */
	op = nvmh_scsi_find(cmd->cdb[3], sa & SA_MASK, &known);
	has_sa = op ? op->sa != SCSI_NO_SA : known;
	if (how != RSOC_EITHER && has_sa != (how == RSOC_SA) && (op || known))
		return nvmh_scsi_bad_cdb(cmd, 2, 2);
	if (!op || !supported(cmd, op) || sa > SA_MASK || (!has_sa && sa))
		return nvmh_scsi_reply(cmd, answer, 4, alloc);
	answer[1] = SUPPORT_STANDARD;
	scsi_put16(answer + 2, op->len);
	memcpy(answer + 4, op->usage, op->len);
	answer[4] = op->opcode;
	if (has_sa)
		answer[5] = op->sa;
	return nvmh_scsi_reply(cmd, answer, 4u + op->len, alloc);
}

int nvmh_scsi_report_opcodes(struct nvmh_scsi_cmd *cmd)
{
	uint32_t alloc = scsi_get32(cmd->cdb + 6);
	uint8_t how = cmd->cdb[2] & 7;

	if (how == RSOC_ALL)
		return report_all(cmd, alloc);
	if (how > RSOC_EITHER)
		return nvmh_scsi_bad_cdb(cmd, 2, 2);
	return report_one(cmd, how, alloc);
}
