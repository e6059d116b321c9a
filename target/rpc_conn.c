// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control connections: bytes in, requests out, answers back. Main loop; never blocks. Entry points:
 * nvmet_rpc_conn_open(), nvmet_rpc_answer().
 *
 * A connection whose peer has said everything (EOF) lives until its calls are answered and the
 * answers are sent. After what cannot be understood nothing more is read from it. Reading pauses
 * while too much is under way or unsent, so that a peer that never reads costs what the limits say.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "target/rpc.h"

enum {
	READ_BYTES = 64 << 10, /* at once, so that connections take turns */
};

struct nvmet_rpc_conn {
	struct list link; /* conns */
	struct loop *loop;
	int fd;
	struct loop_io io;
	struct loop_work work; /* everything that may end the connection happens there */
	struct nvmet_rpc_parser parser;
	struct list calls;
	uint32_t nr_calls; /* batches count once more */
	char *out;
	size_t out_len, out_sent, out_size;
	bool ended;  /* no more is read */
	bool broken; /* the peer is gone, or there is no memory for it */
	void (*closed)(void *arg);
	void *arg;
};

struct nvmet_rpc_batch {
	struct nvmet_rpc_conn *conn; /* NULL: it is gone */
	struct list link;	     /* batches */
	struct json_object *answers;
	uint32_t pending; /* calls, and one until its end was read */
};

static struct list conns = LIST_INIT(conns);
static struct list batches = LIST_INIT(batches);
static char read_buf[READ_BYTES];

/* ---- the end ---- */

static void conn_free(struct nvmet_rpc_conn *conn)
{
	struct list *pos, *n;

	while ((n = list_pop(&conn->calls)))
		list_entry(n, struct nvmet_rpc_call, link)->conn = NULL;
	list_for_each(pos, &batches) {
		struct nvmet_rpc_batch *batch = list_entry(pos, struct nvmet_rpc_batch, link);

		if (batch->conn == conn)
			batch->conn = NULL;
	}
	list_del(&conn->link);
	loop_work_cancel(&conn->work);
	loop_io_del(&conn->io);
	close(conn->fd);
	nvmet_rpc_parser_done(&conn->parser);
	if (conn->closed)
		conn->closed(conn->arg);
	free(conn->out);
	free(conn);
}

void nvmet_rpc_conns_close(void)
{
	while (!list_empty(&conns))
		conn_free(list_first(&conns, struct nvmet_rpc_conn, link));
}

/* ---- out ---- */

static void conn_send(struct nvmet_rpc_conn *conn, struct json_object *answer)
{
	size_t len, size;
	const char *text = json_object_to_json_string_length(
		answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	char *out = conn->out;

	loop_defer(conn->loop, &conn->work);
	if (conn->out_size - conn->out_len < len + 1) {
		size = max_of(2 * conn->out_size, conn->out_len + len + 1);
		out = text ? realloc(conn->out, size) : NULL;
		if (!out) {
			conn->broken = true;
			return;
		}
		conn->out = out;
		conn->out_size = size;
	}
	memcpy(out + conn->out_len, text, len);
	out[conn->out_len + len] = '\n';
	conn->out_len += len + 1;
}

static void conn_flush(struct nvmet_rpc_conn *conn)
{
	while (conn->out_sent < conn->out_len) {
		ssize_t n = send(conn->fd, conn->out + conn->out_sent,
				 conn->out_len - conn->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			conn->broken |= errno != EAGAIN;
			return;
		}
		conn->out_sent += (size_t)n;
	}
	free(conn->out);
	conn->out = NULL;
	conn->out_len = conn->out_sent = conn->out_size = 0;
}

static void conn_work(struct loop_work *w)
{
	struct nvmet_rpc_conn *conn = container_of(w, struct nvmet_rpc_conn, work);
	size_t unsent;
	unsigned int events = 0;

	conn_flush(conn);
	unsent = conn->out_len - conn->out_sent;
	if (conn->broken || (conn->ended && !conn->nr_calls && !unsent)) {
		conn_free(conn);
		return;
	}
	if (!conn->ended && conn->nr_calls < NVMET_RPC_MAX_CALLS && unsent < NVMET_RPC_MAX_UNSENT)
		events |= LOOP_READ;
	if (unsent)
		events |= LOOP_WRITE;
	loop_io_set(&conn->io, events);
}

/* ---- calls ---- */

static void conn_count(struct nvmet_rpc_conn *conn, int by)
{
	if (!conn)
		return;
	conn->nr_calls += (uint32_t)by;
	loop_defer(conn->loop, &conn->work);
}

struct nvmet_rpc_call *nvmet_rpc_call_new(struct nvmet_rpc_conn *conn,
					  struct nvmet_rpc_batch *batch)
{
	struct nvmet_rpc_call *call = calloc(1, sizeof(*call));

	if (!call) {
		conn->broken = true;
		return NULL;
	}
	call->conn = conn;
	call->batch = batch;
	if (batch)
		batch->pending++;
	list_add_tail(&conn->calls, &call->link);
	conn_count(conn, 1);
	return call;
}

struct nvmet_rpc_batch *nvmet_rpc_batch_begin(struct nvmet_rpc_conn *conn)
{
	struct nvmet_rpc_batch *batch = calloc(1, sizeof(*batch));

	if (batch)
		batch->answers = json_object_new_array();
	if (!batch || !batch->answers) {
		conn->broken = true;
		free(batch);
		return NULL;
	}
	batch->conn = conn;
	batch->pending = 1;
	list_add_tail(&batches, &batch->link);
	conn_count(conn, 1);
	return batch;
}

void nvmet_rpc_batch_end(struct nvmet_rpc_batch *batch)
{
	if (!batch || --batch->pending)
		return;
	if (batch->conn && json_object_array_length(batch->answers))
		conn_send(batch->conn, batch->answers);
	conn_count(batch->conn, -1);
	list_del(&batch->link);
	json_object_put(batch->answers);
	free(batch);
}

/* @answer: owned; NULL: there is none. Frees @call. */
void nvmet_rpc_answer(struct nvmet_rpc_call *call, struct json_object *answer)
{
	struct nvmet_rpc_batch *batch = call->batch;
	struct nvmet_rpc_conn *conn = call->conn;

	if (answer && conn && batch && !json_object_array_add(batch->answers, answer))
		answer = NULL;
	else if (answer && conn)
		conn_send(conn, answer);
	json_object_put(answer);
	if (conn)
		list_del(&call->link);
	conn_count(conn, -1);
	json_object_put(call->id);
	free(call);
	if (batch)
		nvmet_rpc_batch_end(batch);
}

/* ---- in ---- */

/* What @event says about the input; false when nothing after it can be understood. */
static bool take_event(struct nvmet_rpc_conn *conn, enum nvmet_rpc_event event,
		       struct json_object *value)
{
	switch (event) {
	case NVMET_RPC_MORE:
		return true;
	case NVMET_RPC_VALUE:
		nvmet_rpc_conn_request(conn, value);
		json_object_put(value);
		return true;
	case NVMET_RPC_TOO_BIG:
		nvmet_rpc_conn_refuse(conn, NVMET_RPC_INVALID_REQUEST,
				      "Invalid request: too long, too many values or too deep");
		break;
	case NVMET_RPC_BAD:
		nvmet_rpc_conn_refuse(conn, NVMET_RPC_PARSE_ERROR, "Parse error");
	}
	conn->ended = true;
	return false;
}

static void take_input(struct nvmet_rpc_conn *conn, const char *data, size_t len)
{
	struct json_object *value = NULL;
	enum nvmet_rpc_event event;
	size_t n;

	while (len && !conn->broken) {
		n = len;
		event = nvmet_rpc_parse(&conn->parser, data, &n, &value);
		if (!take_event(conn, event, value))
			return;
		data += n;
		len -= n;
	}
}

static void take_end(struct nvmet_rpc_conn *conn)
{
	struct json_object *value = NULL;
	enum nvmet_rpc_event event = nvmet_rpc_parse_end(&conn->parser, &value);

	take_event(conn, event, value);
	conn->ended = true;
}

static void conn_ready(struct loop_io *io, unsigned int events)
{
	struct nvmet_rpc_conn *conn = container_of(io, struct nvmet_rpc_conn, io);
	ssize_t n;

	loop_defer(conn->loop, &conn->work);
	if (!(events & LOOP_READ) || conn->ended)
		return;
	n = recv(conn->fd, read_buf, sizeof(read_buf), MSG_DONTWAIT);
	if (n > 0)
		take_input(conn, read_buf, (size_t)n);
	else if (!n)
		take_end(conn);
	else if (errno != EAGAIN && errno != EINTR)
		conn->broken = true;
}

int nvmet_rpc_conn_open(struct loop *loop, int fd, void (*closed)(void *arg), void *arg)
{
	struct nvmet_rpc_conn *conn = calloc(1, sizeof(*conn));
	int ret = -ENOMEM;

	if (!conn) {
		close(fd);
		return ret;
	}
	conn->loop = loop;
	conn->fd = fd;
	list_init(&conn->link);
	list_init(&conn->calls);
	loop_work_init(&conn->work, conn_work);
	ret = nvmet_rpc_parser_init(&conn->parser);
	if (!ret)
		ret = loop_io_add(loop, &conn->io, fd, LOOP_READ, conn_ready);
	if (ret) {
		conn_free(conn);
		return ret;
	}
	conn->closed = closed;
	conn->arg = arg;
	list_add_tail(&conns, &conn->link);
	return 0;
}
