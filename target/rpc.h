/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control plane: JSON-RPC 2.0 on a unix socket. Everything here runs on the main loop; what
 * takes time is done elsewhere and answered when it is done, in the order of completion.
 *
 * Requests and answers are JSON values back to back; an answer is one line. "jsonrpc" may be
 * absent, "params" may be null. Without an id there is no answer but for errors. Conventions of
 * SPDK's server, whose clients work with this one.
 */
#ifndef TARGET_RPC_H
#define TARGET_RPC_H

#include <sys/types.h>

#include "common/loop.h"
#include "config/config.h"
#include "target/rpc_json.h"
#include "target/rpc_parse.h"

struct json_object;
struct nvmet_rpc_conn;
struct nvmet_rpc_batch;

enum {
	NVMET_RPC_MAX_CONNS = 64,
	NVMET_RPC_MAX_CALLS = 1024,	/* under way of one connection; then it is not read */
	NVMET_RPC_MAX_BATCH = 1024,	/* calls of one batch */
	NVMET_RPC_MAX_UNSENT = 4 << 20, /* bytes of answers, then the connection is not read */
};

/* One request under way. */
struct nvmet_rpc_call {
	struct list link;	       /* the connection's */
	struct nvmet_rpc_conn *conn;   /* NULL: it is gone, nobody wants the answer */
	struct nvmet_rpc_batch *batch; /* NULL: a request of its own */
	struct json_object *id;	       /* owned; NULL: a notification */
	const char *method;	       /* the name in the table */
};

struct nvmet_rpc_method {
	const char *name;
	/*
	 * @params: borrowed, for the call only: object, or NULL. Ends in exactly one
	 * nvmet_rpc_result() or nvmet_rpc_fail(), now or later, which frees @call.
	 */
	void (*fn)(struct nvmet_rpc_call *call, struct json_object *params);
};

/* Tables, ended by a NULL name: target/rpc_core.c, target/rpc_drive.c */
extern const struct nvmet_rpc_method nvmet_rpc_core_methods[];
extern const struct nvmet_rpc_method nvmet_rpc_drive_methods[];
extern const struct nvmet_rpc_method *const nvmet_rpc_tables[]; /* ends with NULL */

/* nvmet_rpc_result() - @result becomes the call's; NULL: null */
void nvmet_rpc_result(struct nvmet_rpc_call *call, struct json_object *result);
void nvmet_rpc_fail(struct nvmet_rpc_call *call, const struct nvmet_rpc_error *err);
/* nvmet_rpc_no_params() - for methods without any. Return: whether it is so; else @call failed. */
bool nvmet_rpc_no_params(struct nvmet_rpc_call *call, struct json_object *params);

/* ---- target/rpc_conn.c ---- */

/*
 * nvmet_rpc_conn_open() - serves the stream socket @fd, which becomes the connection's
 * @closed: may be NULL; called with @arg when the connection is gone.
 * Return: 0 or -errno, then @fd is closed.
 */
int nvmet_rpc_conn_open(struct loop *loop, int fd, void (*closed)(void *arg), void *arg);
void nvmet_rpc_conns_close(void); /* all; their calls lose their connection */
void nvmet_rpc_answer(struct nvmet_rpc_call *call, struct json_object *answer);
/* nvmet_rpc_conn_request() - one JSON value that came; target/rpc.c */
void nvmet_rpc_conn_request(struct nvmet_rpc_conn *conn, struct json_object *value);
struct nvmet_rpc_call *nvmet_rpc_call_new(struct nvmet_rpc_conn *conn,
					  struct nvmet_rpc_batch *batch);
/* nvmet_rpc_conn_refuse() - an error about no request in particular */
void nvmet_rpc_conn_refuse(struct nvmet_rpc_conn *conn, int code, const char *text);
/* The answers to the calls between begin and end come as one list, when the last is there; NULL:
 * out of memory, end takes that too. */
struct nvmet_rpc_batch *nvmet_rpc_batch_begin(struct nvmet_rpc_conn *conn);
void nvmet_rpc_batch_end(struct nvmet_rpc_batch *batch);

/* ---- target/rpc_listen.c ---- */

/**
 * nvmet_rpc_start() - make the socket and accept
 * @cfg: rpc_socket, or NULL there: the first default place that can be had; if none can, that is
 *	logged, and all else works.
 * Return: 0; -errno with the reason logged: the place that was asked for cannot be had.
 */
int nvmet_rpc_start(struct loop *loop, const struct config_daemon *cfg);
/* nvmet_rpc_stop() - closes and removes the socket. Calls under way end without an answer; what
 * they wait for may complete later, until the loop is freed. Harmless when not started. */
void nvmet_rpc_stop(void);

/* ---- target/rpc_drive.c ---- */

/* nvmet_rpc_drive_busy() - whether commands of ours are on I/O queues, which must not be given back
 * before */
bool nvmet_rpc_drive_busy(void);
/* nvmet_rpc_drive_close() - the daemon ends: commands for drives and changes of drivers are refused,
 * so that what is busy gets less. Until nvmet_rpc_drive_stop(). */
void nvmet_rpc_drive_close(void);
/* nvmet_rpc_drive_stop() - before the loop is freed: waits for those who change drivers, at most
 * nvmet_rpc_change_ms (the unit file allows for it; unit tests wait less), and logs who did not
 * finish */
extern uint32_t nvmet_rpc_change_ms;
void nvmet_rpc_drive_stop(void);

#endif /* TARGET_RPC_H */
