// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the control socket's input: a byte stream cut into JSON values at once and in
 * pieces, which must give the same; each value that names a method about drives is read as one,
 * and what is let pass must be within the limits that the rest relies on.
 * Built and run by tests/fuzz/run. With -DCANARY it fails when it reaches a command.
 *
 * fuzz-sources: target/rpc_parse.c target/rpc_json.c target/drive_addr.c target/drive_cmd.c target/drive_scsi.c target/drive_show.c common/log.c common/status.c
 * fuzz-libs: -ljson-c -lnvme
 */
#include <json-c/json.h>

#include "common/util.h"
#include "target/drive_cmd.h"
#include "target/rpc_parse.h"

enum {
	MAX_VALUES = 4096,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x)                           \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

/* What came of a stream: events, and each value as text. */
struct seen {
	enum nvmet_rpc_event last;
	unsigned int nr;
	char *text[MAX_VALUES];
};

static void check_cmd(const struct nvmet_drive_cmd *cmd)
{
	must(strlen(cmd->bdf) >= 12 && strlen(cmd->bdf) < sizeof(cmd->bdf));
	must(cmd->len <= MAX_XFER_BYTES && (cmd->len % 4 == 0 || cmd->kind == NVMET_DRIVE_SCSI));
	must(!cmd->len == !cmd->data && !cmd->len == !cmd->dir);
	must(!cmd->sqe.flags && !cmd->sqe.cid && !le64_get(cmd->sqe.mptr));
	if (cmd->kind == NVMET_DRIVE_ADMIN) {
		must(cmd->timeout_ms >= 1 && cmd->timeout_ms <= NVMET_DRIVE_LONG_MS);
		must(cmd->sqe.opcode > nvme_admin_create_sq &&
		     cmd->sqe.opcode != nvme_admin_create_cq);
	}
	if (cmd->kind == NVMET_DRIVE_SCSI)
		must(cmd->scsi.cdb_len >= 1 && cmd->scsi.cdb_len <= NVMH_SCSI_CDB_BYTES);
	if (cmd->kind == NVMET_DRIVE_IO)
		must(cmd->timeout_ms >= 1 && cmd->timeout_ms <= NVMET_DRIVE_IO_MAX_MS);
#ifdef CANARY
	must(cmd->kind != NVMET_DRIVE_IO || le32_get(cmd->sqe.nsid) != 3);
#endif
}

static void as_request(struct json_object *value)
{
	struct nvmet_rpc_error err = { 0 };
	struct json_object *method, *params = NULL;
	struct nvmet_drive_cmd cmd;
	int ret;

	if (!json_object_is_type(value, json_type_object) ||
	    !json_object_object_get_ex(value, "method", &method) ||
	    !json_object_is_type(method, json_type_string) ||
	    !nvmet_drive_cmd_known(json_object_get_string(method)))
		return;
	json_object_object_get_ex(value, "params", &params);
	ret = nvmet_drive_cmd_parse(json_object_get_string(method), params, &cmd, &err);
	must(!ret == !err.code);
	if (!ret)
		check_cmd(&cmd);
	nvmet_drive_cmd_done(&cmd);
}

static void take(struct seen *s, struct json_object *value)
{
	as_request(value);
	must(s->nr < MAX_VALUES);
	s->text[s->nr++] = strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	json_object_put(value);
}

/* @step: bytes at a time, 0: all */
static void run(struct seen *s, const char *data, size_t size, size_t step)
{
	struct nvmet_rpc_parser p;
	struct json_object *value = NULL;
	size_t at = 0, n;

	*s = (struct seen){ .last = NVMET_RPC_MORE };
	must(!nvmet_rpc_parser_init(&p));
	while (at < size && s->last <= NVMET_RPC_VALUE && s->nr < MAX_VALUES - 1) {
		n = step ? min_of(step, size - at) : size - at;
		s->last = nvmet_rpc_parse(&p, data + at, &n, &value);
		must(n <= size - at);
		if (s->last == NVMET_RPC_MORE)
			must(n);
		if (s->last == NVMET_RPC_VALUE)
			take(s, value);
		at += n;
	}
	if (s->last <= NVMET_RPC_VALUE) {
		s->last = nvmet_rpc_parse_end(&p, &value);
		if (s->last == NVMET_RPC_VALUE)
			take(s, value);
	}
	nvmet_rpc_parser_done(&p);
}

static void forget(struct seen *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		free(s->text[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, pieces;
	size_t step;

	if (!size)
		return 0;
	step = data[0] % 16 + 1u;
	run(&whole, (const char *)data + 1, size - 1, 0);
	run(&pieces, (const char *)data + 1, size - 1, step);
	must(whole.last == pieces.last && whole.nr == pieces.nr);
	for (unsigned int i = 0; i < whole.nr; i++)
		must(!strcmp(whole.text[i], pieces.text[i]));
	forget(&whole);
	forget(&pieces);
	return 0;
}
