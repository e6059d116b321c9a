/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The byte stream of a control connection cut into JSON values. There is no framing: values come
 * back to back, with blanks between them or without, in pieces of any size. JSON as RFC 8259 has
 * it: no comments, no quotes of the other kind, UTF-8 only. No I/O in here.
 */
#ifndef TARGET_RPC_PARSE_H
#define TARGET_RPC_PARSE_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct json_tokener;

enum {
	NVMET_RPC_MAX_REQUEST = 4 << 20, /* bytes of one value */
	NVMET_RPC_MAX_DEPTH = 16,
	/* Strings, numbers, lists, objects and so on of one value: what 4 MiB of "[[],[],..." would
	 * cost is some 100 bytes each. */
	NVMET_RPC_MAX_VALUES = 65536,
};

enum nvmet_rpc_event {
	NVMET_RPC_MORE,	  /* everything was taken */
	NVMET_RPC_VALUE,  /* *@valuep is the caller's; call again with what is left */
	NVMET_RPC_BAD,	  /* no JSON: nothing after it can be understood */
	NVMET_RPC_TOO_BIG /* a limit above was exceeded; the same */
};

struct nvmet_rpc_parser {
	struct json_tokener *tok;
	size_t len;	  /* bytes of the value under way, 0: between values */
	size_t nr_values; /* so far; depth: open brackets */
	size_t depth;
	bool in_string, escaped, bad;
	unsigned char token;			     /* state within a number or word */
	unsigned char utf8_need, utf8_min, utf8_max; /* bytes to come of a character, the next */
};

/* nvmet_rpc_parser_init() - Return: 0 or -ENOMEM; then nvmet_rpc_parser_done() is harmless */
int nvmet_rpc_parser_init(struct nvmet_rpc_parser *p);
void nvmet_rpc_parser_done(struct nvmet_rpc_parser *p);

/**
 * nvmet_rpc_parse() - take bytes
 * @p: a parser that has not said BAD or TOO_BIG.
 * @data: any bytes, *@lenp of them; the rest that was not taken is at the end. On return *@lenp is
 *	the number of bytes taken.
 * @valuep: written with NVMET_RPC_VALUE only. NULL there is the JSON value null.
 */
enum nvmet_rpc_event nvmet_rpc_parse(struct nvmet_rpc_parser *p, const char *data, size_t *lenp,
				     struct json_object **valuep);
/* nvmet_rpc_parse_end() - nothing follows: a number may end here, a begun value is BAD. */
enum nvmet_rpc_event nvmet_rpc_parse_end(struct nvmet_rpc_parser *p, struct json_object **valuep);

#endif /* TARGET_RPC_PARSE_H */
