// SPDX-License-Identifier: BSD-2-Clause
/*
 * The controller's end of NVMe/TCP: what each PDU of a host means, and what goes back. Runs on the
 * core that owns the connection. Entry points: nvmet_tcp_header() and nvmet_tcp_payload_done() from
 * the receive path, nvmet_tcp_respond() from a completed request.
 *
 * A command with in-capsule data: capsule -> buffer -> payload -> execute.  With data from the host
 * otherwise: capsule -> buffer -> R2T -> H2CData, matched by transfer tag -> execute.  With data to
 * the host: capsule -> buffer -> execute -> C2HData and response in one piece.
 *
 * Buffers and progress: a capsule whose data finds no buffer stops its connection, and behind it in
 * the stream may be the H2CData for which the holders of all buffers wait. So such data may go to
 * the core's reserve, and nothing that has to hear from the host first is ever given a part of it:
 * what is in there is finished by the backends and the socket alone. NVMe/TCP Transport
 * Specification, sections 3.3 to 3.6.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "target/dispatch.h"
#include "target/ns.h"
#include "target/subsys.h"

/* ---- the end of a connection ---- */

void nvmet_tcp_drop_requests(struct nvmet_conn *conn)
{
	struct list *pos, *tmp;

	conn->rx_req = NULL;
	conn->nr_data = 0;
	list_for_each_safe(pos, tmp, &conn->sq.reqs) {
		struct nvmet_req *req = list_entry(pos, struct nvmet_req, link);

		/* The backends' own come back by nvmet_req_complete(); an R2T still unsent goes by
		 * its ->sent. */
		if ((req->state == NVMET_REQ_NEW || req->state == NVMET_REQ_DATA) &&
		    list_empty(&req->tx.link))
			nvmet_req_put(req);
	}
}

void nvmet_tcp_fatal(struct nvmet_conn *conn, uint16_t fes, uint32_t fei, const char *why)
{
	if (conn->state == CONN_TERM || conn->state == CONN_CLOSED)
		return;
	log_peer(
		LOG_LVL_NOTICE,
		"protocol error, closing connection peer=%s qid=%u type=0x%02x fes=%u fei=%u reason=\"%s\"",
		conn->peer_text, conn->sq.qid, conn->rx.pdu.hdr.type, fes, fei, why);
	if (!fes || !list_empty(&conn->ctl_tx.link)) {
		nvmet_conn_close(conn);
		return;
	}
	conn->state = CONN_TERM;
	conn->sq.dead = true;
	conn->paused = false;
	conn->deadline_ns = clock_now_ns() + CONN_TERM_TIMEOUT_S * 1000000000ull;
	list_del(&conn->starved);
	/* Of the others it is reserved. */
	if (fes != NVME_TCP_FES_INVALID_PDU_HDR && fes != NVME_TCP_FES_HDR_DIGEST_ERR &&
	    fes != NVME_TCP_FES_UNSUPPORTED_PARAM)
		fei = 0;
	pdu_tx_term(&conn->ctl_tx, NVME_TCP_C2H_TERM, fes, fei, &conn->rx.pdu, conn->rx.hdr_got);
	conn->ctl_tx.sent = NULL;
	pdu_txq_push(&conn->txq, &conn->ctl_tx);
	nvmet_tcp_drop_requests(conn);
	nvmet_conn_dirty(conn);
}

/* ---- sending ---- */

static void req_sent(struct pdu_tx *tx)
{
	struct nvmet_req *req = container_of(tx, struct nvmet_req, tx);
	struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);

	nvmet_req_put(req);
	nvmet_conn_idle(conn);
}

void nvmet_tcp_respond(struct nvmet_req *req)
{
	struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);
	struct nvme_cqe cqe;

	if (unlikely(req->sq->dead)) {
		nvmet_req_put(req);
		nvmet_conn_idle(conn);
		return;
	}
	nvmet_req_cqe(req, &cqe);
	if (req->dir == NVMET_TO_HOST && !req->status) {
		/* SUCCESS stands for the response only where nobody waits for an SQHD or a result
		 * in it. */
		bool success = req->sq->sqflow_off && !req->result;

		pdu_tx_c2h_data(&req->tx, &conn->txq, req->sqe.cid, req->iov, req->nr_iov,
				req->data_len, success ? NULL : &cqe, success);
	} else {
		nvmet_req_put_buf(req);
		pdu_tx_rsp(&req->tx, &conn->txq, &cqe);
	}
	req->tx.sent = req_sent;
	pdu_txq_push(&conn->txq, &req->tx);
	nvmet_conn_dirty(conn);
}

/* The R2T went out: from now on its transfer tag may come back. */
static void r2t_sent(struct pdu_tx *tx)
{
	struct nvmet_req *req = container_of(tx, struct nvmet_req, tx);
	struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);

	if (conn->state != CONN_LIVE) {
		nvmet_req_put(req);
		nvmet_conn_idle(conn);
		return;
	}
	req->state = NVMET_REQ_DATA;
	conn->nr_data++;
}

static void send_r2t(struct nvmet_conn *conn, struct nvmet_req *req)
{
	pdu_tx_r2t(&req->tx, &conn->txq, req->sqe.cid, req->index, 0, req->data_len);
	req->tx.sent = r2t_sent;
	pdu_txq_push(&conn->txq, &req->tx);
	nvmet_conn_dirty(conn);
}

/* ---- commands ---- */

static void buffer_came(struct mem_wait *w, void *buf)
{
	struct nvmet_req *req = container_of(w, struct nvmet_req, wait);
	struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);

	nvmet_req_set_buf(req, buf);
	if (conn->rx_req == req)
		nvmet_conn_resume(conn); /* its payload waits in the receiver */
	else if (req->dir == NVMET_TO_HOST)
		nvmet_req_execute(req);
	else
		send_r2t(conn, req);
}

/*
 * The namespace's own memory. Not for reads with a data digest: the data would come out of memory
 * twice, for the digest and for the socket; a copy is still in the cache both times.
 */
static bool map_data(struct nvmet_req *req)
{
	const struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);

	return !(conn->ddgst && req->dir == NVMET_TO_HOST) && nvmet_ns_map(req);
}

/* True when there is a place for the data now; else buffer_came() goes on. @reserve: it may be of the
 * reserve. */
static bool take_buffer(struct nvmet_req *req, bool reserve)
{
	struct nvmet_core *core = req->sq->core;
	void *buf;

	if (map_data(req))
		return true;
	req->buf_len = max_of(req->buf_len, req->data_len);
	buf = mem_get(core->pool, req->buf_len);
	if (!buf && reserve)
		buf = mem_get(core->reserve, req->buf_len);
	if (buf) {
		nvmet_req_set_buf(req, buf);
		return true;
	}
	req->wait.len = req->buf_len;
	req->wait.fn = buffer_came;
	mem_wait_add(reserve ? core->reserve : core->pool, &req->wait);
	return false;
}

/* Admin commands answer also while I/O has taken all buffers, or hosts would think the controller
 * dead. */
static bool may_use_reserve(const struct nvmet_req *req)
{
	return !req->sq->qid && req->dir == NVMET_TO_HOST && req->data_len <= NVMET_RESERVE_MAX;
}

static enum nvmet_tcp_verdict accept_payload(struct nvmet_conn *conn, struct nvmet_req *req,
					     enum pdu_rx_event *ev)
{
	conn->rx_req = req;
	if (req->drop_data)
		conn->large = false; /* it goes through the look-ahead, all of it */
	*ev = req->drop_data ? pdu_rx_discard(&conn->rx)
			     : pdu_rx_accept_at(&conn->rx, req->iov, req->nr_iov, req->data_done);
	return TCP_ACCEPTED;
}

/* A command that came with data but will not use it: the stream must stay in step, the response
 * waits for nothing. */
static enum nvmet_tcp_verdict refuse(struct nvmet_conn *conn, struct nvmet_req *req,
				     uint16_t status, enum pdu_rx_event *ev)
{
	nvmet_req_complete(req, status);
	conn->rx_req = NULL;
	*ev = pdu_rx_discard(&conn->rx);
	return TCP_ACCEPTED;
}

/* A prepared command without data in its capsule. */
static void begin(struct nvmet_req *req)
{
	struct nvmet_conn *conn = container_of(req->sq, struct nvmet_conn, sq);

	if (req->dir == NVMET_NO_DATA)
		nvmet_req_execute(req);
	else if (!take_buffer(req, may_use_reserve(req)))
		return; /* buffer_came() goes on */
	else if (req->dir == NVMET_TO_HOST)
		nvmet_req_execute(req);
	else
		send_r2t(conn, req);
}

/* NULL: none is free, and the connection waits for one. */
static struct nvmet_req *get_req(struct nvmet_conn *conn)
{
	struct nvmet_req *req = nvmet_req_get(&conn->sq);

	if (!req)
		list_add_tail(&conn->sq.core->starved, &conn->starved);
	return req;
}

bool nvmet_tcp_begin(struct nvmet_conn *conn, const struct nvme_sqe *sqe)
{
	struct nvmet_req *req = get_req(conn);
	uint16_t status;

	if (!req)
		return false;
	req->sqe = *sqe;
	status = nvmet_req_prepare(req, 0);
	if (status)
		nvmet_req_complete(req, status);
	else
		begin(req);
	return true;
}

static enum nvmet_tcp_verdict take_cmd(struct nvmet_conn *conn, enum pdu_rx_event *ev)
{
	uint32_t icd_len = conn->rx.data_len;
	struct nvmet_req *req;
	uint16_t status;

	if (conn->sq.outstanding + conn->move.nr_held >= conn->sq.size) {
		nvmet_tcp_fatal(conn, NVME_TCP_FES_PDU_SEQ_ERR, 0,
				"more commands than the queue has entries");
		return TCP_CLOSED;
	}
	req = get_req(conn);
	if (!req)
		return TCP_PAUSE;
	req->sqe = conn->rx.pdu.cmd.sqe;
	status = nvmet_req_prepare(req, icd_len);
	if (status)
		return refuse(conn, req, status, ev);
	if (icd_len) {
		conn->rx_req = req;
		return take_buffer(req, true) ? accept_payload(conn, req, ev) : TCP_PAUSE;
	}
	*ev = pdu_rx_accept(&conn->rx, NULL, 0);
	conn->rx_req = NULL;
	begin(req);
	return TCP_ACCEPTED;
}

/* Whether a write waits, or will wait, for H2CData: what is behind in the stream has to be read. */
static bool awaits_data(const struct nvmet_conn *conn)
{
	struct list *pos;

	list_for_each(pos, &conn->sq.reqs) {
		const struct nvmet_req *req = list_entry(pos, struct nvmet_req, link);

		if (req->dir == NVMET_FROM_HOST &&
		    (req->state == NVMET_REQ_NEW || req->state == NVMET_REQ_DATA))
			return true;
	}
	return false;
}

/* The queue is about to go to another core: see move.c. */
static enum nvmet_tcp_verdict take_cmd_later(struct nvmet_conn *conn, enum pdu_rx_event *ev)
{
	if (!awaits_data(conn))
		return TCP_PAUSE;
	if (conn->rx.data_len || conn->sq.outstanding + conn->move.nr_held >= conn->sq.size ||
	    !nvmet_move_hold(conn, &conn->rx.pdu.cmd.sqe))
		return take_cmd(conn, ev);
	*ev = pdu_rx_accept(&conn->rx, NULL, 0);
	conn->rx_req = NULL;
	return TCP_ACCEPTED;
}

/* ---- H2CData ---- */

static enum nvmet_tcp_verdict bad_data(struct nvmet_conn *conn, uint16_t fes, size_t off,
				       const char *why)
{
	nvmet_tcp_fatal(conn, fes, (uint32_t)off, why);
	return TCP_CLOSED;
}

static enum nvmet_tcp_verdict take_data(struct nvmet_conn *conn, enum pdu_rx_event *ev)
{
	const struct nvme_tcp_data *pdu = &conn->rx.pdu.data;
	uint32_t datao = le32_get(pdu->datao), datal = le32_get(pdu->datal);
	struct nvmet_req *req = nvmet_req_by_index(&conn->sq, le16_get(pdu->ttag));
	bool last = pdu->hdr.flags & NVME_TCP_F_DATA_LAST;

	if (!req || req->state != NVMET_REQ_DATA)
		return bad_data(conn, NVME_TCP_FES_INVALID_PDU_HDR,
				offsetof(struct nvme_tcp_data, ttag), "unknown transfer tag");
	if (req->sqe.cid != (uint16_t)pdu->cccid.v)
		return bad_data(conn, NVME_TCP_FES_INVALID_PDU_HDR,
				offsetof(struct nvme_tcp_data, cccid),
				"command id is not the transfer tag's");
	if (datao != req->data_done)
		return bad_data(conn, NVME_TCP_FES_DATA_OUT_OF_RANGE,
				offsetof(struct nvme_tcp_data, datao), "data out of order");
	if (!datal || datal % 4 || datal != conn->rx.data_len ||
	    datal > req->data_len - req->data_done)
		return bad_data(conn, NVME_TCP_FES_DATA_OUT_OF_RANGE,
				offsetof(struct nvme_tcp_data, datal), "data length");
	if (last != (datal == req->data_len - req->data_done))
		return bad_data(conn, NVME_TCP_FES_INVALID_PDU_HDR,
				offsetof(struct nvme_tcp_hdr, flags), "LAST_PDU flag");
	return accept_payload(conn, req, ev);
}

void nvmet_tcp_payload_done(struct nvmet_conn *conn)
{
	struct nvmet_req *req = conn->rx_req;

	conn->rx_req = NULL;
	if (!req)
		return;
	req->data_done += conn->rx.data_len;
	/* A data digest error is this command's alone; what is still to come for it is read first. */
	if (conn->rx.ddgst_bad)
		req->status = ST_TRANSIENT_TRANSPORT;
	if (req->data_done < req->data_len)
		return;
	if (req->state == NVMET_REQ_DATA)
		conn->nr_data--;
	if (req->status)
		nvmet_req_complete(req, req->status);
	else
		nvmet_req_execute(req);
}

/* ---- connection set-up and end ---- */

static enum nvmet_tcp_verdict take_icreq(struct nvmet_conn *conn, enum pdu_rx_event *ev)
{
	const struct nvme_tcp_icreq *ic = &conn->rx.pdu.icreq;
	uint8_t hpda = ic->hpda;

	if (le16_get(ic->pfv) != NVME_TCP_PFV_1_0) {
		nvmet_tcp_fatal(conn, NVME_TCP_FES_UNSUPPORTED_PARAM,
				offsetof(struct nvme_tcp_icreq, pfv),
				"unsupported PDU format version");
		return TCP_CLOSED;
	}
	if (hpda > NVME_TCP_HPDA_MAX) {
		nvmet_tcp_fatal(conn, NVME_TCP_FES_INVALID_PDU_HDR,
				offsetof(struct nvme_tcp_icreq, hpda), "HPDA");
		return TCP_CLOSED;
	}
	if (ic->dgst & ~(NVME_TCP_HDGST_ENABLE | NVME_TCP_DDGST_ENABLE)) {
		nvmet_tcp_fatal(conn, NVME_TCP_FES_INVALID_PDU_HDR,
				offsetof(struct nvme_tcp_icreq, dgst), "reserved digest bits");
		return TCP_CLOSED;
	}
	conn->hdgst = ic->dgst & NVME_TCP_HDGST_ENABLE;
	conn->ddgst = ic->dgst & NVME_TCP_DDGST_ENABLE;
	*ev = pdu_rx_accept(&conn->rx, NULL, 0);
	pdu_tx_icresp(&conn->ctl_tx, 0, conn->hdgst, conn->ddgst, MAX_XFER_BYTES);
	conn->ctl_tx.sent = NULL;
	pdu_txq_push(&conn->txq, &conn->ctl_tx);
	pdu_rx_negotiated(&conn->rx, conn->hdgst, conn->ddgst, 1);
	pdu_txq_negotiated(&conn->txq, conn->hdgst, conn->ddgst, hpda + 1);
	conn->state = CONN_LIVE;
	conn->deadline_ns = clock_now_ns() + CONN_CONNECT_TIMEOUT_S * 1000000000ull;
	nvmet_conn_dirty(conn);
	return TCP_ACCEPTED;
}

static enum nvmet_tcp_verdict take_term(struct nvmet_conn *conn)
{
	const struct nvme_tcp_term *term = &conn->rx.pdu.term;

	log_peer(LOG_LVL_NOTICE,
		 "host ended the connection with a protocol error peer=%s qid=%u fes=%u fei=%u",
		 conn->peer_text, conn->sq.qid, le16_get(term->fes),
		 le16_get(term->feil) | (uint32_t)le16_get(term->feih) << 16);
	nvmet_conn_close(conn);
	return TCP_CLOSED;
}

enum nvmet_tcp_verdict nvmet_tcp_header(struct nvmet_conn *conn, enum pdu_rx_event *ev)
{
	uint8_t type = conn->rx.pdu.hdr.type;

	/* A command that waited for its buffer: the header is known, only the payload's place was
	 * missing. */
	if (conn->rx_req && type == NVME_TCP_CMD)
		return accept_payload(conn, conn->rx_req, ev);
	if (type == NVME_TCP_H2C_TERM)
		return take_term(conn);
	if ((type == NVME_TCP_ICREQ) != (conn->state == CONN_IC)) {
		nvmet_tcp_fatal(conn, NVME_TCP_FES_PDU_SEQ_ERR, 0, "PDU out of sequence");
		return TCP_CLOSED;
	}
	switch (type) {
	case NVME_TCP_ICREQ:
		return take_icreq(conn, ev);
	case NVME_TCP_CMD:
		return unlikely(conn->move.to) ? take_cmd_later(conn, ev) : take_cmd(conn, ev);
	case NVME_TCP_H2C_DATA:
		return take_data(conn, ev);
	default: /* the engine's table lets nothing else through */
		nvmet_tcp_fatal(conn, NVME_TCP_FES_INVALID_PDU_HDR, 0, "PDU type");
		return TCP_CLOSED;
	}
}
