// SPDX-License-Identifier: BSD-2-Clause
/*
 * The data plane of an NVMe/TCP queue: commands and data on their way out, and the poll that brings
 * answers in (tcp_recv.c). Runs in the thread that owns the connection: the queue's owner while it
 * is LIVE, else the controller's (tcp.h). Nothing blocks or allocates but nvmh_tcp_queue_alloc().
 * Entry points: nvmh_tcp_queue_submit(), _commit(), _poll(), _arm() of the ops table; _fail() and
 * _refuse() end a connection.
 *
 * Everything that a command needs lies in its tag. Its pdu_tx carries first the capsule and then
 * one H2CData PDU after the other; while that is on its way (tx_busy) the request's memory is in
 * use, so an answer at that time is refused and a request is never completed under a send.
 * NVMe/TCP Transport Specification, sections 3.3 (data transfers, errors) and 3.6 (PDUs).
 */
#include "host/tcp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/iov.h"
#include "common/log.h"

enum {
	IDLE_POLLS =
		64, /* without commands outstanding the socket is looked at every so many polls */
	/* polls that brought something without a sleep in between: the socket is not watched */
	AWAKE_POLLS = 64,
};

/* ---------------------------------------------------------------- events */

int nvmh_tcp_queue_watch(struct tcp_queue *tq, int epfd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = NULL };
	int op = EPOLL_CTL_MOD;

	if (epfd == tq->watch_epfd && (epfd < 0 || events == tq->watch_events))
		return 0;
	if (epfd != tq->watch_epfd) {
		if (tq->watch_epfd >= 0)
			epoll_ctl(tq->watch_epfd, EPOLL_CTL_DEL, tq->stream.fd, NULL);
		tq->watch_epfd = -1;
		op = EPOLL_CTL_ADD;
	}
	if (epfd < 0)
		return 0;
	if (epoll_ctl(epfd, op, tq->stream.fd, &ev))
		return -errno;
	tq->watch_epfd = epfd;
	tq->watch_events = events;
	return 0;
}

/* ---------------------------------------------------------------- the end of a connection */

const char *nvmh_tcp_fes_str(uint16_t fes)
{
	static const char *const names[] = {
		[NVME_TCP_FES_INVALID_PDU_HDR] = "Invalid PDU Header Field",
		[NVME_TCP_FES_PDU_SEQ_ERR] = "PDU Sequence Error",
		[NVME_TCP_FES_HDR_DIGEST_ERR] = "Header Digest Error",
		[NVME_TCP_FES_DATA_OUT_OF_RANGE] = "Data Transfer Out of Range",
		[NVME_TCP_FES_DATA_LIMIT_EXCEEDED] = "Transfer Limit Exceeded",
		[NVME_TCP_FES_UNSUPPORTED_PARAM] = "Unsupported Parameter",
	};

	if (fes < ARRAY_SIZE(names) && names[fes])
		return names[fes];
	return "unknown Fatal Error Status";
}

void nvmh_tcp_queue_cut(struct tcp_queue *tq, bool discard)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	/*
	 * connect() by its number: ThreadSanitizer takes a call of that name for the making of a
	 * descriptor, which its owner uses meanwhile
	 */
	if (!discard || syscall(SYS_connect, tq->stream.fd, &none, sizeof(none)))
		shutdown(tq->stream.fd, SHUT_RDWR);
}

/* @told: the peer was told why, and should be able to read it. */
static void fail_with(struct tcp_queue *tq, int err, bool told, const char *text)
{
	if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
		return;
	tq->closing = true;
	tq->err = err;
	if (tq->q->qid)
		snprintf(tq->error, sizeof(tq->error), "I/O queue %u: %s", tq->q->qid, text);
	else
		snprintf(tq->error, sizeof(tq->error), "%s", text);
	atomic_store_explicit(&tq->failed, true, memory_order_release);
	/*
	 * the entries are forgotten before anybody completes the requests whose memory they point
	 * to
	 */
	pdu_txq_drop(&tq->txq);
	/* it would be readable all the time; the kicks wake whoever has to act */
	nvmh_tcp_queue_watch(tq, -1, 0);
	nvmh_tcp_queue_cut(tq, !told);
	log_debug("connection lost ctrl=%s qid=%u reason=%s", tq->tc->addr, tq->q->qid, text);
	nvmh_queue_kick(tq->q);
	if (tq->stage == TCP_UP)
		nvmh_ctrl_lost(tq->q->ctrl, "%s", tq->error);
}

void nvmh_tcp_queue_fail(struct tcp_queue *tq, int err, const char *fmt, ...)
{
	char text[TCP_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail_with(tq, err, false, text);
}

/* One try: the peer may not read, and nobody waits for it. */
static void send_term(struct tcp_queue *tq, uint16_t fes, uint32_t fei)
{
	struct iovec iov[MAX_IOV];

	tq->closing = true;
	/*
	 * a PDU that has begun must be finished, or the stream is out of step; otherwise nothing
	 * else need be said
	 */
	if (!tq->txq.off)
		pdu_txq_drop(&tq->txq);
	pdu_tx_term(&tq->ctl_tx, NVME_TCP_H2C_TERM, fes, fei, &tq->rx.pdu, tq->rx.hdr_got);
	tq->ctl_tx.sent = NULL;
	pdu_txq_push(&tq->txq, &tq->ctl_tx);
	stream_send(&tq->stream, iov, pdu_txq_iov(&tq->txq, iov, MAX_IOV));
}

void nvmh_tcp_queue_refuse(struct tcp_queue *tq, uint16_t fes, uint32_t fei, const char *fmt, ...)
{
	char text[TCP_ERROR_TEXT];
	va_list ap;
	int n;

	if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fes) {
		send_term(tq, fes, fei);
		if (n >= 0 && (size_t)n < sizeof(text))
			snprintf(text + n, sizeof(text) - (size_t)n, " (answered with TermReq: %s)",
				 nvmh_tcp_fes_str(fes));
	}
	fail_with(tq, -EPROTO, fes, text);
}

/* ---------------------------------------------------------------- out */

/*
 * The descriptor wakes its thread when what is blocked can go on. @epfd: that descriptor. Return: 0
 * or -errno.
 */
static int watch_blocked(struct tcp_queue *tq, int epfd)
{
	return nvmh_tcp_queue_watch(tq, epfd, EPOLLIN | (tq->tx_blocked ? EPOLLOUT : 0));
}

/*
 * An owner that does not sleep needs no descriptor that tells, and each segment that comes would
 * pay for telling it through two epolls.
 */
static void note_awake(struct tcp_queue *tq)
{
	if (tq->watch_epfd != tq->epoll_fd || ++tq->awake_polls < AWAKE_POLLS)
		return;
	nvmh_tcp_queue_watch(tq, -1, 0);
}

static void send_all(struct tcp_queue *tq)
{
	struct iovec iov[MAX_IOV];
	ssize_t n;
	int nr;

	tq->tx_wanted = false;
	tq->tx_blocked = false;
	while ((nr = pdu_txq_iov(&tq->txq, iov, MAX_IOV)) > 0) {
		n = stream_send(&tq->stream, iov, nr);
		if (n == -EAGAIN) {
			tq->tx_blocked = true;
			return;
		}
		if (n < 0) {
			nvmh_tcp_queue_fail(tq, (int)n, "connection to %s broken: %s", tq->tc->addr,
					    strerrordesc_np((int)-n));
			return;
		}
		pdu_txq_advance(&tq->txq, (size_t)n);
	}
}

void nvmh_tcp_queue_flush(struct tcp_queue *tq)
{
	bool blocked = tq->tx_blocked;

	if (tq->closing)
		return;
	send_all(tq);
	/*
	 * an I/O queue's owner says with nvmh_queue_arm() when it sleeps; the controller's thread
	 * may at any time
	 */
	if (tq->tx_blocked != blocked && (!tq->q->qid || tq->stage != TCP_UP))
		watch_blocked(tq, tq->watch_epfd);
}

/*
 * The pieces of the request's memory from @off, as many bytes of *@len as TCP_TAG_IOV pieces hold.
 * A shorter PDU is a whole number of dwords: no 4 bytes lie in more than 4 pieces, so there is
 * always progress.
 */
static int data_pieces(struct tcp_tag *tag, uint32_t off, uint32_t *len)
{
	const struct nvmh_req *req = tag->req;
	int nr;

	while ((nr = iov_slice(req->iov, req->nr_iov, off, *len, tag->iov, TCP_TAG_IOV)) == -ENOSPC)
		*len = max_of(*len / 2 & ~3u, 4u);
	assert(nr > 0);
	return nr;
}

/* The next H2CData PDU of the oldest R2T. */
void nvmh_tcp_tag_send_data(struct tcp_tag *tag)
{
	struct tcp_queue *tq = tag->tq;
	struct tcp_r2t *r = &tag->r2t[tag->first_r2t];
	const struct nvmh_req *req = tag->req;
	uint32_t len = min_of(r->left, tq->maxh2cdata);
	const struct iovec *iov = req->iov;
	int nr = req->nr_iov;

	if (r->off || len < req->len) {
		nr = data_pieces(tag, r->off, &len);
		iov = tag->iov;
	}
	tag->tx_busy = true;
	pdu_tx_h2c_data(&tag->tx, &tq->txq, req->sqe.cid, r->ttag, r->off, iov, (uint16_t)nr, len,
			len == r->left);
	pdu_txq_push(&tq->txq, &tag->tx);
	tq->tx_wanted = true;
	r->off += len;
	r->left -= len;
}

/* Every byte of tag->tx is with the kernel, or never will be. */
static void tag_sent(struct pdu_tx *tx)
{
	struct tcp_tag *tag = container_of(tx, struct tcp_tag, tx);

	tag->tx_busy = false;
	if (!tag->nr_r2t || tag->tq->closing)
		return;
	if (!tag->r2t[tag->first_r2t].left) {
		tag->first_r2t = (uint8_t)((tag->first_r2t + 1) % TCP_MAX_R2T);
		if (!--tag->nr_r2t)
			return;
	}
	nvmh_tcp_tag_send_data(tag);
}

static void set_sgl(struct nvme_sqe *sqe, bool in_capsule, uint32_t len)
{
	sqe->flags = NVME_SQE_PSDT_SGL;
	sqe->mptr = le64_make(0);
	sqe->dptr.sgl = (struct nvme_sgl){
		.length = le32_make(len),
		.type = in_capsule ? NVME_SGL_DATA_OFFSET : NVME_SGL_TRANSPORT,
	};
}

int nvmh_tcp_queue_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct tcp_queue *tq = q->tr;
	struct tcp_tag *tag = &tq->tags[req->tag];
	uint32_t len = req->dir == NVMH_NO_DATA ? 0 : req->len;
	bool in_capsule = req->dir == NVMH_TO_CTRL && len && len <= tq->max_icd;

	if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
		return -ENOTCONN;
	if (len && (req->nr_iov > MAX_IOV || iov_bytes(req->iov, req->nr_iov) < len))
		return -EINVAL;
	assert(!tag->tx_busy);
	set_sgl(&req->sqe, in_capsule, len);
	tag->req = req;
	tag->moved = in_capsule ? len : 0;
	tag->last = false;
	tag->ddgst_bad = false;
	tag->nr_r2t = 0;
	tag->first_r2t = 0;
	tag->tx_busy = true;
	pdu_tx_cmd(&tag->tx, &tq->txq, &req->sqe, in_capsule ? req->iov : NULL,
		   in_capsule ? req->nr_iov : 0, in_capsule ? len : 0);
	pdu_txq_push(&tq->txq, &tag->tx);
	if (q->qid)
		nvmh_tcp_untold_add(tq, tag);
	return 0;
}

void nvmh_tcp_queue_commit(struct nvmh_queue *q)
{
	struct tcp_queue *tq = q->tr;

	if (!pdu_txq_empty(&tq->txq))
		nvmh_tcp_queue_flush(tq);
}

/* ---------------------------------------------------------------- the owner's turn */

static int outstanding(const struct nvmh_queue *q)
{
	return atomic_load_explicit(&q->outstanding, memory_order_relaxed);
}

void nvmh_tcp_tag_wipe(const struct tcp_tag *tag)
{
	const struct nvmh_req *req = tag->req;

	if (req->dir == NVMH_FROM_CTRL && tag->moved != req->len)
		iov_zero(req->iov, req->nr_iov, tag->moved, req->len - tag->moved);
}

void nvmh_tcp_queue_wipe(struct nvmh_queue *q)
{
	struct tcp_queue *tq = q->tr;
	uint16_t i;

	for (i = 0; tq->tags && i < q->nr_tags; i++) {
		if (q->tags[i].req)
			nvmh_tcp_tag_wipe(&tq->tags[i]);
	}
}

/*
 * At once: an I/O command may have another path. Admin commands are the controller's own affair,
 * and end as with any reset.
 */
static int complete_lost(struct tcp_queue *tq)
{
	int nr = outstanding(tq->q);

	if (nr)
		nvmh_queue_abort_all(tq->q, tq->q->qid ? ST_HOST_PATH_ERROR : ST_HOST_ABORTED);
	return nr;
}

int nvmh_tcp_queue_poll(struct nvmh_queue *q)
{
	struct tcp_queue *tq = q->tr;
	int nr = 0;

	if (tq->in_poll || tq->stage < TCP_IC)
		return 0;
	if (q->qid && !outstanding(q) && !tq->armed && ++tq->idle_polls % IDLE_POLLS)
		return 0;
	tq->in_poll = true;
	tq->armed = false;
	if (tq->tx_blocked)
		nvmh_tcp_queue_flush(tq);
	if (!atomic_load_explicit(&tq->failed, memory_order_relaxed))
		nr = nvmh_tcp_recv(tq);
	if (tq->tx_wanted)
		nvmh_tcp_queue_flush(tq);
	if (nr && q->qid && tq->stage == TCP_UP)
		note_awake(tq);
	if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
		nr += complete_lost(tq);
	tq->in_poll = false;
	return nr;
}

int nvmh_tcp_queue_arm(struct nvmh_queue *q)
{
	struct tcp_queue *tq = q->tr;

	tq->armed = true;
	if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
		return outstanding(q);
	tq->awake_polls = 0;
	/* a socket that cannot be watched must be looked at */
	return watch_blocked(tq, tq->epoll_fd) ? 1 : 0;
}

/* ---------------------------------------------------------------- life */

int nvmh_tcp_queue_alloc(struct tcp_queue *tq)
{
	uint16_t i;

	nvmh_tcp_queue_release(tq);
	tq->ahead_size = tq->q->qid ? TCP_AHEAD_IO : TCP_AHEAD_ADMIN;
	tq->tags = aligned_alloc(_Alignof(struct tcp_tag), tq->q->nr_tags * sizeof(*tq->tags));
	tq->ahead = malloc(tq->ahead_size);
	tq->rx_iov = malloc(MAX_IOV * sizeof(*tq->rx_iov));
	tq->guess.iov = malloc(MAX_IOV * sizeof(*tq->guess.iov));
	tq->guess.gaps = malloc(TCP_GAPS_BYTES);
	tq->guess.rescue = malloc(TCP_PLACE_BYTES);
	tq->guess.seen = calloc(1, sizeof(*tq->guess.seen));
	if (!tq->tags || !tq->ahead || !tq->rx_iov || !tq->guess.iov || !tq->guess.gaps ||
	    !tq->guess.rescue || !tq->guess.seen) {
		nvmh_tcp_queue_release(tq);
		return -ENOMEM;
	}
	memset(tq->tags, 0, tq->q->nr_tags * sizeof(*tq->tags));
	for (i = 0; i < tq->q->nr_tags; i++) {
		list_init(&tq->tags[i].link);
		list_init(&tq->tags[i].tx.link);
		tq->tags[i].tx.sent = tag_sent;
		tq->tags[i].tq = tq;
	}
	return 0;
}

void nvmh_tcp_queue_release(struct tcp_queue *tq)
{
	free(tq->tags);
	free(tq->ahead);
	free(tq->rx_iov);
	free(tq->guess.iov);
	free(tq->guess.gaps);
	free(tq->guess.rescue);
	free(tq->guess.seen);
	tq->tags = NULL;
	tq->ahead = NULL;
	tq->rx_iov = NULL;
	tq->guess.iov = NULL;
	tq->guess.gaps = NULL;
	tq->guess.rescue = NULL;
	tq->guess.seen = NULL;
}

void nvmh_tcp_queue_start(struct tcp_queue *tq)
{
	pdu_rx_init(&tq->rx, pdu_rx_from_ctrl, 0, UINT32_MAX);
	pdu_txq_init(&tq->txq);
	list_init(&tq->ctl_tx.link);
	list_init(&tq->untold);
	tq->nr_untold_reads = 0;
	tq->guess = (struct tcp_guess){
		.iov = tq->guess.iov,
		.gaps = tq->guess.gaps,
		.rescue = tq->guess.rescue,
		.seen = tq->guess.seen,
		.nr_reads = UINT32_MAX,
		.window = TCP_PLACE_BYTES / 8,
		.penalty = 2,
	};
	memset(&tq->in, 0, sizeof(tq->in));
	tq->rx_tag = NULL;
	tq->tx_blocked = false;
	tq->tx_wanted = false;
	tq->large = false;
	tq->armed = true;
	tq->awake_polls = 0;
	tq->closing = false;
	tq->ic_done = false;
	tq->max_icd = NVME_TCP_ADMIN_ICD_BYTES;
	tq->maxh2cdata = NVME_TCP_MIN_MAXH2CDATA;
	tq->err = 0;
	tq->error[0] = '\0';
	atomic_store_explicit(&tq->failed, false, memory_order_relaxed);
}
