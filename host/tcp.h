/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the NVMe/TCP transport of the host library: a controller's part, a queue's part, and
 * what the control plane (tcp.c, tcp_connect.c) and the data plane (tcp_queue.c, tcp_recv.c) want
 * of each other.
 * NVM Express NVMe over TCP Transport Specification.
 *
 * A queue's connection belongs to the controller's thread until the queue is LIVE, then to the
 * queue's owner, and again to the controller's thread once it is DOWN. In between the controller's
 * thread does one thing only: it cuts the connection, which makes the owner notice. The socket is
 * closed while the queue is DOWN.
 */
#ifndef HOST_TCP_H
#define HOST_TCP_H

#include <stdatomic.h>

#include "common/limits.h"
#include "common/pdu_rx.h"
#include "common/pdu_tx.h"
#include "common/stream.h"
#include "host/ctrl.h"
#include "host/fabrics.h"

enum {
	TCP_MAX_R2T = 4,  /* R2Ts of one command that the controller may have outstanding */
	TCP_TAG_IOV = 16, /* pieces of one H2CData PDU that is not the whole data of its command */
	/* look-ahead in bytes; memory is touched only as far as used */
	TCP_AHEAD_IO = 128 << 10,
	TCP_AHEAD_ADMIN = 16 << 10,
	TCP_AHEAD_SMALL = 4 << 10, /* after large payloads: what lies in it must be copied */
	TCP_LARGE_BYTES = 16 << 10,
	TCP_PLACE_BYTES = 512 << 10, /* guessed payloads of one receive call */
	TCP_SEEN_BITS = 9,	     /* words of struct tcp_seen */
	TCP_GAPS_BYTES = 32 << 10,
	TCP_ERROR_TEXT = 200,
	TCP_STAGE_MS = 10000, /* for each stage of a connection; less if admin commands have less */
};


/* Bytes that the controller asked for and that have not been sent. */
struct tcp_r2t {
	uint16_t ttag;
	uint32_t off;
	uint32_t left;
};

/*
 * What the transport knows of one outstanding command. 127 of a queue of 128: 80 KiB. What every
 * command touches lies in its first three cache lines.
 */
struct tcp_tag {
	_Alignas(NVMH_LINE_BYTES) struct nvmh_req *req; /* valid while the tag is taken */
	struct list link; /* in tq->untold while nothing of the answer came, else by itself */
	uint32_t moved;	  /* bytes received, or bytes sent or asked for by R2Ts so far */
	bool tx_busy;	  /* tx is on its way: the request's memory is in use */
	bool last;	  /* C2HData with LAST came */
	bool ddgst_bad;
	uint8_t nr_r2t;
	uint8_t first_r2t;
	struct pdu_tx tx; /* the capsule; after it is sent, one H2CData at a time */
	struct tcp_queue *tq;
	struct tcp_r2t r2t[TCP_MAX_R2T];
	struct iovec iov[TCP_TAG_IOV];
};

/* What has to come after the PDU before, as far as one can tell. */
enum tcp_due {
	TCP_DUE_ANY,
	TCP_DUE_RSP,  /* the response to the command whose data have just come */
	TCP_DUE_DATA, /* more data of the same command */
};

/*
 * The bytes of one receive call that the engine has not taken yet: @left bytes from iov[at] on.
 * Those before iov[ahead] may lie in memory of requests, where they were guessed to belong.
 */
struct tcp_in {
	struct iovec *iov; /* tq->guess.iov */
	int at;
	int ahead;
	size_t left;
};

/*
 * Which memory one receive call is given: a bit for each 64th of a page, a word for each page,
 * hashed. A word of an earlier round counts as zero, so that a round touches no more than it uses.
 */
struct tcp_seen {
	uint64_t round; /* the receive call */
	struct tcp_seen_word {
		uint64_t round;
		uint64_t whole;
		uint64_t parts; /* bits that a piece covers in part: at its ends */
	} word[1 << TCP_SEEN_BITS];
};

/* What nvmh_tcp_place() guesses by (tcp_place.c). */
struct tcp_guess {
	struct iovec *iov; /* MAX_IOV: the list of the receive call */
	uint8_t *gaps;	   /* TCP_GAPS_BYTES: what lies between payloads is received here */
	uint8_t *rescue;   /* TCP_PLACE_BYTES: what was guessed wrong is taken from here */
	struct tcp_seen *seen;
	uint32_t window;   /* bytes of one receive call */
	uint32_t penalty;  /* receive calls without a guess after the next wrong one */
	uint32_t pause;	   /* receive calls without a guess from now on */
	uint8_t pdo;	   /* of the last C2HData PDU: bytes before its payload; 0: none came yet */
	uint8_t due;	   /* enum tcp_due */
	bool rsp;	   /* a response follows the data (no SUCCESS flag) */
	bool covered;	   /* the payload in progress is in @iov to its end */
	int nr;		   /* entries of @iov, without the look-ahead */
	size_t bytes;	   /* that they hold */
	uint32_t nr_reads; /* tq->nr_untold_reads when @iov was made; UINT32_MAX: make it anew */
};

enum tcp_stage {
	TCP_CLOSED,	/* no socket */
	TCP_CONNECTING, /* SYN sent */
	TCP_IC,		/* ICReq sent */
	TCP_CONNECT,	/* Connect command sent */
	TCP_UP,
};

struct tcp_queue {
	/* the owner's, or the controller's thread while the queue is DOWN */
	_Alignas(NVMH_LINE_BYTES) struct nvmh_queue *q;
	struct stream stream;
	struct pdu_txq txq;
	struct tcp_tag *tags;
	uint8_t *ahead; /* look-ahead: received bytes not yet given to rx */
	uint32_t ahead_size;
	uint32_t max_icd;	/* in-capsule data bytes a command may carry */
	uint32_t maxh2cdata;	/* bytes of one H2CData PDU */
	struct tcp_tag *rx_tag; /* whose payload is being received */
	bool tx_blocked;	/* the socket took no more: wait until it is writable */
	bool tx_wanted; /* H2CData was queued while receiving: send without waiting for a commit */
	bool large;	/* recent payloads were large */
	bool armed;	/* the owner slept: look at the socket even without commands outstanding */
	uint8_t idle_polls;
	uint8_t awake_polls; /* that brought something since the owner slept */
	bool in_poll;
	bool closing;	    /* nothing is said any more */
	int nr_done;	    /* requests completed by the current receive */
	struct list untold; /* I/O commands of whose answer nothing came, oldest first */
	uint32_t nr_untold_reads;
	struct tcp_in in;
	struct tcp_guess guess;
	int watch_epfd; /* the epoll descriptor that watches the socket, -1: none */
	uint32_t watch_events;
	struct pdu_tx ctl_tx; /* ICReq, TermReq */
	struct pdu_rx rx;
	struct iovec *rx_iov; /* MAX_IOV: slice of the caller's list that a C2HData fills */
	int err;	      /* valid when failed: -errno */
	char error[TCP_ERROR_TEXT];
	_Atomic bool failed; /* the connection is of no use any more; set after err and error */

	/* the controller's thread */
	struct tcp_ctrl *tc;
	enum tcp_stage stage;
	bool ic_done;
	uint64_t deadline_ns; /* of the current stage */

	int epoll_fd; /* for life: the queue's event_fd and, while LIVE, its socket */
};

/* A Connect or a Property command on its way. */
struct tcp_cmd {
	struct nvmh_req req;
	bool busy;
	bool done;
};

/* The controller's thread. */
struct tcp_ctrl {
	struct tcp_queue *queues; /* [0] admin, then opts.nr_io_queues */
	uint16_t port;
	char addr[72]; /* "192.0.2.1:4420", for messages */

	struct tcp_cmd connect;
	struct nvme_connect_data connect_data;
	struct iovec connect_iov;

	struct tcp_cmd prop;
	uint32_t prop_off;
	bool prop_write;
	uint64_t prop_deadline_ns;

	uint64_t shutdown_ns; /* until when an orderly shutdown may take, 0: not begun */
	bool shutdown_told;   /* CC.SHN is written */
};

/* ---- tcp_queue.c: the data plane; the thread that owns the connection at that time ---- */

/* nvmh_tcp_queue_alloc() - memory for q->nr_tags commands. Return: 0, -ENOMEM. */
int nvmh_tcp_queue_alloc(struct tcp_queue *tq);
void nvmh_tcp_queue_release(struct tcp_queue *tq);
/* nvmh_tcp_queue_start() - the socket is connected: be ready to talk, digests off */
void nvmh_tcp_queue_start(struct tcp_queue *tq);
/* nvmh_tcp_queue_flush() - send what the socket takes; failures show in tq->failed */
void nvmh_tcp_queue_flush(struct tcp_queue *tq);
/*
 * nvmh_tcp_queue_fail() - the connection is of no use: notes why, shuts the socket down. The first
 * reason stays. Outstanding commands are completed by the next poll. @err: -errno.
 */
void nvmh_tcp_queue_fail(struct tcp_queue *tq, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * nvmh_tcp_queue_refuse() - the same because of what the peer sent: a TermReq goes out first, as
 * far as the socket takes it at once
 */
void nvmh_tcp_queue_refuse(struct tcp_queue *tq, uint16_t fes, uint32_t fei, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * nvmh_tcp_queue_cut() - end the connection, keep the descriptor. Any thread while the queue is up.
 * @discard: what the kernel has not sent yet is forgotten: a write whose request has ended must not
 *	arrive after its repetition over another connection.
 */
void nvmh_tcp_queue_cut(struct tcp_queue *tq, bool discard);
/*
 * nvmh_tcp_tag_send_data() - queue the next H2CData PDU of the tag's oldest R2T; the tag's tx is
 * free
 */
void nvmh_tcp_tag_send_data(struct tcp_tag *tag);
/*
 * nvmh_tcp_recv() - take what the socket has, complete what is complete. Return: completions
 * (tcp_recv.c)
 */
int nvmh_tcp_recv(struct tcp_queue *tq);
/*
 * nvmh_tcp_place() - where the next bytes should go without being copied: the rest of the payload
 * in progress, and behind it what the oldest commands are likely to be answered with. All of it may
 * be wrong: see nvmh_tcp_rescue() (tcp_place.c).
 * Fills tq->guess.iov and what belongs to it, with an entry left for the look-ahead; what was made
 * for a receive call that brought nothing still holds.
 */
void nvmh_tcp_place(struct tcp_queue *tq);
/*
 * nvmh_tcp_rescue() - bytes that lie where they do not belong, or in memory of a request that is
 * about to be completed: all that is not taken yet leaves memory of requests
 */
void nvmh_tcp_rescue(struct tcp_queue *tq);
/* nvmh_tcp_placed() - a receive call brought @got bytes, all taken */
void nvmh_tcp_placed(struct tcp_queue *tq, size_t got);

/*
 * nvmh_tcp_tag_wipe() - a command is about to end: what a read did not get is zeroes, whatever a
 * wrong guess left there
 */
void nvmh_tcp_tag_wipe(const struct tcp_tag *tag);

/* nvmh_tcp_due() - what has to come after a C2HData PDU with those flags */
static inline enum tcp_due nvmh_tcp_due(uint8_t flags)
{
	if (!(flags & NVME_TCP_F_DATA_LAST))
		return TCP_DUE_DATA;
	return flags & NVME_TCP_F_DATA_SUCCESS ? TCP_DUE_ANY : TCP_DUE_RSP;
}

/* nvmh_tcp_untold_add(), _del() - a command is sent; the first of its answer comes, or its end */
static inline void nvmh_tcp_untold_add(struct tcp_queue *tq, struct tcp_tag *tag)
{
	list_add_tail(&tq->untold, &tag->link);
	tq->nr_untold_reads += tag->req->dir == NVMH_FROM_CTRL;
}

static inline void nvmh_tcp_untold_del(struct tcp_queue *tq, struct tcp_tag *tag)
{
	if (list_empty(&tag->link))
		return;
	list_del(&tag->link);
	tq->nr_untold_reads -= tag->req->dir == NVMH_FROM_CTRL;
}

/*
 * nvmh_tcp_queue_watch() - let @epfd (-1: nobody) tell about @events of the socket. Return: 0 or
 * -errno.
 */
int nvmh_tcp_queue_watch(struct tcp_queue *tq, int epfd, uint32_t events);

int nvmh_tcp_queue_submit(struct nvmh_queue *q, struct nvmh_req *req);
void nvmh_tcp_queue_commit(struct nvmh_queue *q);
int nvmh_tcp_queue_poll(struct nvmh_queue *q);
int nvmh_tcp_queue_arm(struct nvmh_queue *q);
void nvmh_tcp_queue_wipe(struct nvmh_queue *q);

/* nvmh_tcp_fes_str() - the specification's name of a Fatal Error Status in a TermReq to a host */
const char *nvmh_tcp_fes_str(uint16_t fes);

/* ---- tcp_connect.c: the controller's thread ---- */

/*
 * nvmh_tcp_queue_up() - take a queue's connection from TCP_CLOSED to TCP_UP; call it again while it
 * answers -EAGAIN. Return: 0; -EAGAIN; -errno, closed again and nvmh_error() told why; -EREMOTEIO,
 * the controller refuses a queue after the first.
 */
int nvmh_tcp_queue_up(struct tcp_queue *tq);
/*
 * nvmh_tcp_queue_close() - free what the connection has; requests still outstanding end with
 * ST_HOST_PATH_ERROR. Harmless when closed.
 */
void nvmh_tcp_queue_close(struct tcp_queue *tq);
/*
 * nvmh_tcp_cmd_send() - send @cmd->req, whose command and data are set; @cmd->done tells of the
 * answer. Return as nvmh_queue_submit().
 */
int nvmh_tcp_cmd_send(struct tcp_queue *tq, struct tcp_cmd *cmd);

#endif /* HOST_TCP_H */
