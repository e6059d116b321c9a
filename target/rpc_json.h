/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Members of JSON objects, read strictly, with words about what is wrong; data as base64. For the
 * daemon's methods and for nvmetcpctl.
 */
#ifndef TARGET_RPC_JSON_H
#define TARGET_RPC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct nvmet_rpc_error {
	int code;	 /* of JSON-RPC, or a negative errno; 0: none */
	uint16_t status; /* NVMe status that is told along, 0: none */
	char text[384];
};

enum {
	NVMET_RPC_PARSE_ERROR = -32700,
	NVMET_RPC_INVALID_REQUEST = -32600,
	NVMET_RPC_NO_METHOD = -32601,
	NVMET_RPC_INVALID_PARAMS = -32602,
	NVMET_RPC_INTERNAL = -32603,
	NVMET_RPC_MAX_PARAMS = 32, /* names of one method */
};

/* nvmet_rpc_set_error() - the first of several is kept. Return: -EINVAL. */
int nvmet_rpc_set_error(struct nvmet_rpc_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* nvmet_rpc_errno() - @ret as error code, and its words with @fmt behind, if that is not NULL */
int nvmet_rpc_errno(struct nvmet_rpc_error *err, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The parameters of a call. nvmet_rpc_get_*() take a member if it is there and mark its name as
 * known; a member of the wrong kind is an error. At the end nvmet_rpc_params_end() refuses what
 * nobody asked for.
 */
struct nvmet_rpc_params {
	struct json_object *obj; /* borrowed; NULL: no parameters */
	struct nvmet_rpc_error *err;
	const char *known[NVMET_RPC_MAX_PARAMS]; /* that were asked for */
	unsigned int nr_known;
};

/* nvmet_rpc_params_init() - @val: object, or NULL or null for none */
void nvmet_rpc_params_init(struct nvmet_rpc_params *p, struct json_object *val,
			   struct nvmet_rpc_error *err);
/* Return: whether it is there (and good). *@valuep stays what it was if not. */
bool nvmet_rpc_get_uint(struct nvmet_rpc_params *p, const char *name, uint64_t min, uint64_t max,
			uint64_t *valuep);
bool nvmet_rpc_get_u32(struct nvmet_rpc_params *p, const char *name, uint32_t max,
		       uint32_t *valuep);
bool nvmet_rpc_get_bool(struct nvmet_rpc_params *p, const char *name, bool *valuep);
/* The text, valid as long as the object is, without NUL bytes within; NULL: not there. */
const char *nvmet_rpc_get_text(struct nvmet_rpc_params *p, const char *name);
/* A list of numbers, at most @max_nr of them up to @max; *@nrp how many */
bool nvmet_rpc_get_list(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint16_t *list,
			uint32_t max_nr, uint32_t *nrp);
/*
 * nvmet_rpc_get_data() - base64 (RFC 4648) into *@datap, which the caller frees. At most @max
 * bytes.
 */
bool nvmet_rpc_get_data(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint8_t **datap,
			uint32_t *lenp);
/* nvmet_rpc_params_need() - an error when the member @name is not there */
void nvmet_rpc_params_need(struct nvmet_rpc_params *p, const char *name);
/* Return: 0, or -EINVAL with the error set */
int nvmet_rpc_params_end(struct nvmet_rpc_params *p);

/* nvmet_rpc_base64() - Return: text in base64, to be freed, or NULL: out of memory */
char *nvmet_rpc_base64(const void *data, size_t len);

/* Adding to an object that could not be allocated does nothing; the caller finds NULL at the end
 * or a member missing, never a crash. */
void nvmet_rpc_put(struct json_object *obj, const char *name, struct json_object *val);
void nvmet_rpc_put_text(struct json_object *obj, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void nvmet_rpc_put_uint(struct json_object *obj, const char *name, uint64_t number);
/* Bytes of a drive's text field: what is not printable ASCII becomes '?', blanks at the end go. */
void nvmet_rpc_put_field(struct json_object *obj, const char *name, const char *field, size_t size);
void nvmet_rpc_put_data(struct json_object *obj, const char *name, const void *data, size_t len);

#endif /* TARGET_RPC_JSON_H */
