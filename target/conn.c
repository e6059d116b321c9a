// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections: bytes in, bytes out, life and death. Runs on the core that owns the connection;
 * nvmet_conn_open() on the main thread. Receiving: one call fills the rest of the current payload
 * in place and the core's look-ahead behind it; the look-ahead is then cut into PDUs. Sending: one
 * call per connection and turn with everything it has to say.
 */
#include "target/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/subsys.h"

static struct nvmet_conn *conn_of(struct nvmet_sq *sq)
{
	return container_of(sq, struct nvmet_conn, sq);
}

/* The core's thread; any other with the lock, so that the queue does not change its core. */
static void conn_ask_close(struct nvmet_sq *sq, const char *why)
{
	struct nvmet_conn *conn = conn_of(sq);

	if (atomic_exchange(&conn->close_sent, true))
		return;
	conn->close_why = why;
	loop_send(sq->core->loop, &conn->close_msg);
}

static void conn_set_events(struct nvmet_conn *conn)
{
	unsigned int events = 0;

	if (!conn->paused && conn->state != CONN_DRAIN)
		events |= LOOP_READ;
	if (!pdu_txq_empty(&conn->txq))
		events |= LOOP_WRITE;
	if (events == conn->io_events)
		return;
	conn->io_events = events;
	if (loop_io_set(&conn->io, events))
		conn_ask_close(&conn->sq, "its socket cannot be watched");
}

/* ---- the end ---- */

static void conn_free_work(struct loop_work *w)
{
	struct nvmet_conn *conn = container_of(w, struct nvmet_conn, free_work);
	struct nvmet_core *core = conn->sq.core;

	if (conn->sq.ctrl)
		nvmet_sq_detach(&conn->sq); /* from here on nobody can ask to close it any more */
	if (atomic_load(&conn->close_sent) && !conn->close_done)
		return; /* conn_close_msg() comes back here */
	list_del(&conn->link);
	free(conn->stash);
	free(conn);
	/* The main thread, when it counts none, takes the rest down. */
	atomic_fetch_sub_explicit(&core->nr_conns, 1, memory_order_release);
}

void nvmet_conn_idle(struct nvmet_conn *conn)
{
	if (conn->state == CONN_CLOSED && !conn->sq.outstanding)
		loop_defer(conn->sq.core->loop, &conn->free_work);
	else if (unlikely(conn->move.to))
		nvmet_move_idle(conn);
}

void nvmet_conn_close(struct nvmet_conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	log_debug("connection closed peer=%s qid=%u outstanding=%u", conn->peer_text, conn->sq.qid,
		  conn->sq.outstanding);
	conn->state = CONN_CLOSED;
	conn->sq.dead = true;
	loop_io_del(&conn->io);
	stream_close(&conn->stream);
	list_del(&conn->dirty);
	list_del(&conn->starved);
	nvmet_move_forget(conn);
	pdu_txq_drop(&conn->txq);
	nvmet_tcp_drop_requests(conn);
	if (conn->sq.ctrl)
		nvmet_sq_quiesce(&conn->sq);
	nvmet_conn_idle(conn);
}

static void conn_close_msg(struct loop_msg *msg)
{
	struct nvmet_conn *conn = container_of(msg, struct nvmet_conn, close_msg);

	conn->close_done = true;
	if (conn->state != CONN_CLOSED) {
		log_peer(LOG_LVL_NOTICE, "closing connection peer=%s qid=%u reason=\"%s\"",
			 conn->peer_text, conn->sq.qid, conn->close_why);
		/* This may run before the turn's own flush: the response to Disconnect is still to
		 * go out. */
		nvmet_conn_flush(conn);
		/* Who sees the end of a queue's connection may connect a queue of that id. */
		if (conn->sq.ctrl && conn->sq.qid && !conn->sq.outstanding)
			nvmet_sq_detach(&conn->sq);
		nvmet_conn_close(conn);
	}
	nvmet_conn_idle(conn);
}

/* ---- sending ---- */

void nvmet_conn_dirty(struct nvmet_conn *conn)
{
	if (list_empty(&conn->dirty) && conn->state != CONN_CLOSED)
		list_add_tail(&conn->sq.core->dirty, &conn->dirty);
}

static void conn_sent_all(struct nvmet_conn *conn)
{
	conn_set_events(conn);
	if (conn->state == CONN_TERM)
		shutdown(conn->stream.fd, SHUT_WR);
}

void nvmet_conn_flush(struct nvmet_conn *conn)
{
	struct iovec iov[MAX_IOV];
	ssize_t n;
	int nr;

	list_del(&conn->dirty);
	while ((nr = pdu_txq_iov(&conn->txq, iov, MAX_IOV)) > 0) {
		n = stream_send(&conn->stream, iov, nr);
		if (n == -EAGAIN) {
			conn_set_events(conn);
			return;
		}
		if (n < 0) {
			nvmet_conn_close(conn);
			return;
		}
		conn->tx_pace.bytes += (size_t)n;
		pdu_txq_advance(&conn->txq, (size_t)n);
		if (conn->state == CONN_CLOSED)
			return;
	}
	conn_sent_all(conn);
}

/* ---- receiving ---- */

static bool conn_open_for_data(const struct nvmet_conn *conn)
{
	return conn->state == CONN_IC || conn->state == CONN_LIVE;
}

/* Handles an event of the engine until it wants bytes again. False: paused, or the connection is
 * going. */
static bool conn_event(struct nvmet_conn *conn, enum pdu_rx_event ev)
{
	while (ev != PDU_RX_MORE) {
		switch (ev) {
		case PDU_RX_HEADER:
			switch (nvmet_tcp_header(conn, &ev)) {
			case TCP_ACCEPTED:
				continue;
			case TCP_PAUSE:
				conn->paused = true;
				conn_set_events(conn);
				return false;
			case TCP_CLOSED:
				return false;
			}
			return false;
		case PDU_RX_DONE:
			nvmet_tcp_payload_done(conn);
			return conn_open_for_data(conn);
		default:
			nvmet_tcp_fatal(conn, conn->rx.fes, conn->rx.fei, "malformed PDU");
			return false;
		}
	}
	return true;
}

/* Cuts @len bytes into PDUs; what cannot be taken now is stashed. */
static bool conn_feed(struct nvmet_conn *conn, const uint8_t *buf, size_t len)
{
	size_t used;

	while (len) {
		enum pdu_rx_event ev = pdu_rx_feed(&conn->rx, buf, len, &used);

		buf += used;
		len -= used;
		if (conn_event(conn, ev))
			continue;
		if (!conn->paused || !len)
			return false;
		conn->stash = malloc(len);
		if (!conn->stash) {
			nvmet_conn_close(conn);
			return false;
		}
		memcpy(conn->stash, buf, len);
		conn->stash_len = len;
		conn->stash_off = 0;
		return false;
	}
	return true;
}

static bool conn_feed_stash(struct nvmet_conn *conn)
{
	uint8_t *stash = conn->stash;
	bool more;

	if (!stash)
		return true;
	conn->stash = NULL;
	more = conn_feed(conn, stash + conn->stash_off, conn->stash_len - conn->stash_off);
	free(stash);
	return more;
}

/* One receive call and what it brought. Returns whether another may follow. */
static bool conn_receive(struct nvmet_conn *conn)
{
	struct nvmet_core *core = conn->sq.core;
	size_t want = NVMET_LOOKAHEAD_BYTES, payload = 0;
	struct iovec iov[CONN_RECV_IOV];
	ssize_t n;
	int nr;

	nr = pdu_rx_payload_iov(&conn->rx, iov, CONN_RECV_IOV - 1);
	for (int i = 0; i < nr; i++)
		payload += iov[i].iov_len;
	if (payload)
		conn->large = conn->rx.data_len >= CONN_INPLACE_BYTES;
	/* What large data starts with would have to be copied out of the look-ahead. */
	if (conn->large && (payload || conn->nr_data))
		want = CONN_SMALL_LOOKAHEAD;
	iov[nr].iov_base = core->lookahead;
	iov[nr].iov_len = want;
	n = stream_recv(&conn->stream, iov, nr + 1);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		nvmet_conn_close(conn);
		return false;
	}
	loop_io_hot(&conn->io);
	conn->rx_pace.bytes += (size_t)n;
	want += payload;
	if (payload) {
		size_t in_place = min_of((size_t)n, payload);

		if (!conn_event(conn, pdu_rx_advance(&conn->rx, in_place))) {
			/* Whole payloads never pause; what follows belongs to a connection that is
			 * going. */
			return false;
		}
		n -= (ssize_t)in_place;
		want -= payload;
	}
	return conn_feed(conn, core->lookahead, (size_t)n) && (size_t)n == want;
}

/* After a TermReq: drop what comes until the peer closes. */
static void conn_swallow(struct nvmet_conn *conn)
{
	struct nvmet_core *core = conn->sq.core;
	struct iovec iov = { core->lookahead, NVMET_LOOKAHEAD_BYTES };
	ssize_t n = stream_recv(&conn->stream, &iov, 1);

	if (n <= 0 && n != -EAGAIN)
		nvmet_conn_close(conn);
}

static void conn_io(struct loop_io *io, unsigned int events)
{
	struct nvmet_conn *conn = container_of(io, struct nvmet_conn, io);

	if (events & LOOP_READ) {
		if (conn->state == CONN_TERM)
			conn_swallow(conn);
		else if (!conn->paused && conn_open_for_data(conn))
			for (int i = 0; i < CONN_RECV_BUDGET && conn_receive(conn); i++)
				;
	}
	if ((events & LOOP_WRITE) && conn->state != CONN_CLOSED)
		nvmet_conn_dirty(conn);
}

void nvmet_conn_resume(struct nvmet_conn *conn)
{
	if (!conn->paused || !conn_open_for_data(conn))
		return;
	conn->paused = false;
	list_del(&conn->starved);
	if (!nvmet_move_replay(conn)) {
		conn->paused = true;
		conn_set_events(conn);
		return;
	}
	/* The engine may still hold the header it reported: ask again, then go on behind it. */
	if ((pdu_rx_where(&conn->rx).iov_len || conn_event(conn, PDU_RX_HEADER)) &&
	    conn_feed_stash(conn))
		conn_set_events(conn);
}

/* ---- deadlines, once a second ---- */

/* Whether a direction with something under way moved too little for too long: dribbling bytes holds
 * buffers, too. */
static bool conn_stalled(struct nvmet_conn_pace *pace, bool under_way, uint64_t now_ns)
{
	if (under_way && pace->bytes < CONN_STALL_BYTES)
		return now_ns > pace->since_ns + CONN_STALL_TIMEOUT_S * 1000000000ull;
	pace->since_ns = now_ns;
	pace->bytes = 0;
	return false;
}

static const char *conn_overdue(struct nvmet_conn *conn, uint64_t now_ns)
{
	switch (conn->state) {
	case CONN_IC:
		return now_ns > conn->deadline_ns ? "no ICReq in time" : NULL;
	case CONN_TERM:
		return now_ns > conn->deadline_ns ? "peer did not close after TermReq" : NULL;
	case CONN_LIVE:
		if (!conn->sq.ctrl && now_ns > conn->deadline_ns)
			return "no Connect in time";
		if (conn_stalled(&conn->tx_pace, !pdu_txq_empty(&conn->txq), now_ns))
			return "peer does not take what it asked for";
		if (conn_stalled(&conn->rx_pace, conn->rx.hdr_got || conn->nr_data, now_ns))
			return conn->paused ? "no buffer became free" : "peer stalled within a PDU";
		return NULL;
	default:
		return NULL;
	}
}

void nvmet_conn_tick(struct nvmet_core *core, uint64_t now_ns)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &core->conns) {
		struct nvmet_conn *conn = list_entry(pos, struct nvmet_conn, link);
		const char *why = conn_overdue(conn, now_ns);

		if (!why)
			continue;
		log_peer(LOG_LVL_NOTICE, "connection timed out peer=%s qid=%u reason=\"%s\"",
			 conn->peer_text, conn->sq.qid, why);
		nvmet_conn_close(conn);
	}
}

/* What an admin queue holds for the host (Asynchronous Event Requests) is not work to wait for. */
static bool conn_drained(const struct nvmet_conn *conn)
{
	unsigned int held = conn->sq.ctrl && !conn->sq.qid ? (unsigned int)conn->sq.ctrl->nr_aer
							   : 0;

	return pdu_txq_empty(&conn->txq) && conn->sq.outstanding <= held;
}

void nvmet_conn_drain_core(struct nvmet_core *core)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &core->conns) {
		struct nvmet_conn *conn = list_entry(pos, struct nvmet_conn, link);

		if (conn->state == CONN_LIVE) {
			conn->state = CONN_DRAIN;
			conn->paused = false;
			list_del(&conn->starved);
			nvmet_tcp_drop_requests(conn);
			conn_set_events(conn);
		}
		if (conn->state != CONN_DRAIN || conn_drained(conn))
			nvmet_conn_close(conn);
	}
}

void nvmet_conn_close_core(struct nvmet_core *core)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &core->conns)
		nvmet_conn_close(list_entry(pos, struct nvmet_conn, link));
}

/* ---- the beginning ---- */

void nvmet_conn_part(struct nvmet_conn *conn)
{
	loop_io_del(&conn->io);
	list_del(&conn->link);
	list_del(&conn->dirty);
	list_del(&conn->starved);
}

void nvmet_conn_join(struct nvmet_conn *conn)
{
	struct nvmet_core *core = conn->sq.core;

	list_add_tail(&core->conns, &conn->link);
	if (!core->tick.armed)
		loop_timer_start(&core->tick, NVMET_TICK_MS);
	conn->io_events = 0;
	if (loop_io_add(core->loop, &conn->io, conn->stream.fd, 0, conn_io))
		nvmet_conn_close(conn);
}

static void conn_start_msg(struct loop_msg *msg)
{
	struct nvmet_conn *conn = container_of(msg, struct nvmet_conn, start_msg);

	conn->rx_pace.since_ns = conn->tx_pace.since_ns = clock_now_ns();
	conn->deadline_ns = conn->rx_pace.since_ns + CONN_IC_TIMEOUT_S * 1000000000ull;
	nvmet_conn_join(conn);
	if (conn->state != CONN_CLOSED)
		conn_set_events(conn);
}

static void conn_move(struct nvmet_sq *sq, struct nvmet_core *to)
{
	if (!nvmet_move_start(conn_of(sq), to))
		return;
	nvmet_lock();
	nvmet_place_settle(sq, sq->core);
	nvmet_unlock();
}

static const struct nvmet_sq_ops conn_sq_ops = {
	.respond = nvmet_tcp_respond,
	.close = conn_ask_close,
	.move = conn_move,
};

static void conn_init(struct nvmet_conn *conn, struct nvmet_core *core, struct nvmet_port *port)
{
	conn->sq.ops = &conn_sq_ops;
	conn->sq.core = core;
	conn->sq.port = port;
	conn->sq.size = 1;
	conn->sq.icd_bytes = port->cfg->in_capsule_bytes;
	conn->sq.local = &conn->local;
	conn->sq.peer = conn->peer_text;
	list_init(&conn->sq.reqs);
	list_init(&conn->link);
	list_init(&conn->dirty);
	list_init(&conn->starved);
	conn->start_msg.fn = conn_start_msg;
	conn->close_msg.fn = conn_close_msg;
	loop_work_init(&conn->free_work, conn_free_work);
	nvmet_move_init(conn);
	pdu_txq_init(&conn->txq);
	list_init(&conn->ctl_tx.link);
	/* Until Connect tells the queue, admin and fabrics commands may carry 8 KiB. */
	pdu_rx_init(&conn->rx, pdu_rx_from_host,
		    max_of(conn->sq.icd_bytes, (uint32_t)NVME_TCP_ADMIN_ICD_BYTES), MAX_XFER_BYTES);
}

void nvmet_conn_open(int fd, struct nvmet_port *port)
{
	struct nvmet_core *core = nvmet_place_accept();
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct nvmet_conn *conn;
	int on = 1;

	if (!core || !(conn = calloc(1, sizeof(*conn)))) {
		log_peer(LOG_LVL_WARN, "connection refused reason=\"%s\"",
			 core ? "out of memory" : "too many connections");
		close(fd);
		return;
	}
	conn_init(conn, core, port);
	stream_socket_init(&conn->stream, fd);
	sock_tune(fd, CONN_USER_TIMEOUT_MS);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		memset(&peer, 0, sizeof(peer));
	sock_addr_text(&peer, conn->peer_text, sizeof(conn->peer_text));
	len = sizeof(conn->local);
	getsockname(fd, (struct sockaddr *)&conn->local, &len);
	atomic_fetch_add_explicit(&core->nr_conns, 1, memory_order_relaxed);
	log_debug("connection accepted peer=%s core=%d", conn->peer_text, core->index);
	loop_send(core->loop, &conn->start_msg);
}
