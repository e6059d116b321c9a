/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection: its socket, what is being received and sent, and its submission queue. conn.c moves
 * bytes and keeps the life cycle, tcp.c knows the PDUs.
 *
 * The connection of an I/O queue may change its core: target/move.h.
 *
 * Life: accepted by the main thread -> handed to a core -> CONN_IC -> CONN_LIVE -> (CONN_DRAIN:
 * daemon stops) -> (CONN_TERM: a TermReq goes out, the peer has a moment to close) -> CONN_CLOSED:
 * socket gone, waits for requests at the backends -> freed.
 */
#ifndef TARGET_CONN_H
#define TARGET_CONN_H

#include "common/loop.h"
#include "common/pdu_rx.h"
#include "common/pdu_tx.h"
#include "common/stream.h"
#include "target/move.h"
#include "target/req.h"

enum nvmet_conn_state {
	CONN_IC, /* nothing but ICReq is taken */
	CONN_LIVE,
	CONN_DRAIN, /* no new commands; closes when the last response is out */
	CONN_TERM,  /* says why, then closes; what still comes is dropped */
	CONN_CLOSED,
};

enum {
	CONN_IC_TIMEOUT_S = 10,	     /* accept to ICReq */
	CONN_CONNECT_TIMEOUT_S = 20, /* ICReq to a successful Connect */
	CONN_STALL_TIMEOUT_S =
		60, /* within a PDU, waiting for H2CData or sending: for CONN_STALL_BYTES to move */
	CONN_STALL_BYTES = 64 << 10,
	CONN_TERM_TIMEOUT_S = 2, /* TermReq out, for the peer to close */
	CONN_USER_TIMEOUT_MS = 60000,
	CONN_RECV_BUDGET = 4,	       /* receive calls of a connection in one turn */
	CONN_INPLACE_BYTES = 32 << 10, /* payloads from here on go straight to their place, with a
					  small look-ahead behind */
	CONN_SMALL_LOOKAHEAD = 1 << 10,
	CONN_RECV_IOV = 300, /* pieces of the largest transfer, and the look-ahead */
};

/* One direction while something is under way in it; looked at once a second. */
struct nvmet_conn_pace {
	uint64_t since_ns;
	uint64_t bytes; /* moved since */
};

struct nvmet_conn {
	struct nvmet_sq sq;
	struct list link;    /* core->conns */
	struct list dirty;   /* core->dirty */
	struct list starved; /* core->starved: waits for a free request */
	struct stream stream;
	struct loop_io io;
	unsigned int io_events; /* as last set */
	uint8_t state;		/* enum nvmet_conn_state */
	bool large;		/* the last payload that was received in place was large */
	bool paused;		/* the receiver waits for a buffer or a request */
	bool hdgst;
	bool ddgst;
	uint32_t nr_data;     /* requests whose H2CData is awaited */
	uint64_t deadline_ns; /* of the stage */
	struct nvmet_conn_pace rx_pace;
	struct nvmet_conn_pace tx_pace;
	struct pdu_rx rx;
	struct nvmet_req *rx_req; /* whose payload is being received */
	uint8_t *stash;		  /* received behind a PDU that could not be taken yet */
	size_t stash_len;
	size_t stash_off;
	struct pdu_txq txq;
	struct pdu_tx ctl_tx; /* ICResp, later TermReq */
	struct loop_msg start_msg;
	struct loop_msg close_msg;
	_Atomic bool close_sent;
	bool close_done;
	const char *close_why;
	struct loop_work free_work;
	struct nvmet_move move;
	struct sockaddr_storage local;
	char peer_text[64];
};

/* What tcp.c says about a PDU header. */
enum nvmet_tcp_verdict {
	TCP_ACCEPTED, /* pdu_rx_accept() or pdu_rx_discard() was called; *ev has its answer */
	TCP_PAUSE,    /* cannot be taken now; conn_resume() will ask again */
	TCP_CLOSED,   /* the connection is going */
};

/* ---- conn.c ---- */
/* nvmet_conn_open() - main thread: @fd (owned from here on) becomes a connection of @port on the
 * least busy core */
void nvmet_conn_open(int fd, struct nvmet_port *port);
void nvmet_conn_dirty(struct nvmet_conn *conn); /* has something to send */
/* nvmet_conn_flush() - sends what the socket takes */
void nvmet_conn_flush(struct nvmet_conn *conn);
void nvmet_conn_resume(struct nvmet_conn *conn); /* the reason to pause is gone */
void nvmet_conn_close(struct nvmet_conn *conn);	 /* at once; harmless when closed */
/* nvmet_conn_idle() - a request ended: a closed connection may be freed, a draining one closed */
void nvmet_conn_idle(struct nvmet_conn *conn);
/* nvmet_conn_part() - takes an idle connection off its core; nvmet_conn_join() puts it on sq.core,
 * without receiving yet: nvmet_conn_resume() follows */
void nvmet_conn_part(struct nvmet_conn *conn);
void nvmet_conn_join(struct nvmet_conn *conn);
/* nvmet_conn_tick() - once a second: deadlines of every connection of @core */
void nvmet_conn_tick(struct nvmet_core *core, uint64_t now_ns);
/* nvmet_conn_drain_core() - the daemon stops: finish what was taken, then close */
void nvmet_conn_drain_core(struct nvmet_core *core);
void nvmet_conn_close_core(struct nvmet_core *core);

/* ---- tcp.c ---- */
enum nvmet_tcp_verdict nvmet_tcp_header(struct nvmet_conn *conn, enum pdu_rx_event *ev);
void nvmet_tcp_payload_done(struct nvmet_conn *conn);
/* nvmet_tcp_begin() - a command that came without data and was held. Return: false, nothing done:
 * no request is free and the connection waits for one. */
bool nvmet_tcp_begin(struct nvmet_conn *conn, const struct nvme_sqe *sqe);
/* nvmet_tcp_fatal() - TermReq with @fes, @fei and the offending header, then the end; @why for the
 * log */
void nvmet_tcp_fatal(struct nvmet_conn *conn, uint16_t fes, uint32_t fei, const char *why);
/* nvmet_tcp_drop_requests() - the connection is going: everything that waits for the host or for a
 * buffer is given back */
void nvmet_tcp_drop_requests(struct nvmet_conn *conn);
/* nvmet_tcp_respond() - a request was completed: its data and response go out, or it ends silently
 * on a dead queue */
void nvmet_tcp_respond(struct nvmet_req *req);

#endif /* TARGET_CONN_H */
