// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an NVMe/TCP controller sends: responses, data, requests for data, and everything it ought
 * not to send. Runs in the thread that owns the connection (tcp.h). Entry point: nvmh_tcp_recv().
 *
 * One receive call covers the rest of the payload in progress, straight into the caller's memory,
 * what is likely to come next (tcp_place.c), and a look-ahead for what else follows, out of which it
 * is copied. The PDU engine has checked lengths, flags and header digests; here each PDU is
 * matched with the command it belongs to before a byte of it is taken. A violation ends the
 * connection: nothing later on it could be trusted.
 * NVMe/TCP Transport Specification, sections 3.3 and 3.6.
 */
#include "host/tcp.h"

#include <errno.h>
#include <string.h>

#include "common/iov.h"

enum {
	RECV_BUDGET = 8, /* receive calls of one poll */
	/* byte offsets of fields, for the Fatal Error Information of a TermReq */
	FEI_FLAGS = 1,
	FEI_CCCID = 8,
	FEI_LENGTH = 16,
	FEI_RSP_CID = 20,
	FEI_IC_PFV = 8,
	FEI_IC_CPDA = 10,
	FEI_IC_DGST = 11,
	FEI_IC_MAXH2CDATA = 12,
	/* what an RSP made of a SUCCESS flag says of the submission queue: nothing */
	SQHD_UNKNOWN = 0xffff,
};

#define refuse_field(tq, fei, ...) \
	nvmh_tcp_queue_refuse(tq, NVME_TCP_FES_INVALID_PDU_HDR, fei, __VA_ARGS__)
#define refuse_order(tq, ...) nvmh_tcp_queue_refuse(tq, NVME_TCP_FES_PDU_SEQ_ERR, 0, __VA_ARGS__)
#define refuse_range(tq, ...) \
	nvmh_tcp_queue_refuse(tq, NVME_TCP_FES_DATA_OUT_OF_RANGE, 0, __VA_ARGS__)

static bool has_failed(const struct tcp_queue *tq)
{
	return atomic_load_explicit(&tq->failed, memory_order_relaxed);
}

/* ---------------------------------------------------------------- initialization */

static void rx_icresp(struct tcp_queue *tq)
{
	const struct nvme_tcp_icresp *ic = &tq->rx.pdu.icresp;
	const struct nvmh_ctrl_opts *opts = &tq->q->ctrl->opts;
	uint8_t wanted = (opts->hdgst ? NVME_TCP_HDGST_ENABLE : 0) |
			 (opts->ddgst ? NVME_TCP_DDGST_ENABLE : 0);
	uint32_t maxh2cdata = le32_get(ic->maxh2cdata);

	if (le16_get(ic->pfv) != NVME_TCP_PFV_1_0) {
		nvmh_tcp_queue_refuse(tq, NVME_TCP_FES_UNSUPPORTED_PARAM, FEI_IC_PFV,
				      "ICResp has PDU format version %u, only 0 is known",
				      le16_get(ic->pfv));
	} else if (ic->cpda > NVME_TCP_HPDA_MAX) {
		refuse_field(tq, FEI_IC_CPDA, "ICResp has CPDA %u, the maximum is %u", ic->cpda,
			     NVME_TCP_HPDA_MAX);
	} else if (ic->dgst & ~wanted) {
		refuse_field(tq, FEI_IC_DGST, "ICResp turns on digests %02xh, asked for were %02xh",
			     ic->dgst, wanted);
	} else if (maxh2cdata < NVME_TCP_MIN_MAXH2CDATA || maxh2cdata % 4) {
		refuse_field(tq, FEI_IC_MAXH2CDATA,
			     "ICResp has MAXH2CDATA %u, not a multiple of 4 or less than %u",
			     maxh2cdata, NVME_TCP_MIN_MAXH2CDATA);
	} else if (ic->dgst != wanted) {
		nvmh_tcp_queue_fail(
			tq, -EPROTONOSUPPORT,
			"the controller does not offer the %s digest that was asked for",
			(wanted & ~ic->dgst) & NVME_TCP_HDGST_ENABLE ? "header" : "data");
	} else {
		pdu_rx_negotiated(&tq->rx, opts->hdgst, opts->ddgst, 1);
		pdu_txq_negotiated(&tq->txq, opts->hdgst, opts->ddgst, ic->cpda + 1);
		tq->maxh2cdata = maxh2cdata;
		tq->ic_done = true;
	}
}

static void rx_term(struct tcp_queue *tq)
{
	const struct nvme_tcp_term *term = &tq->rx.pdu.term;
	uint16_t fes = le16_get(term->fes);
	uint32_t fei = le16_get(term->feil) | (uint32_t)le16_get(term->feih) << 16;

	nvmh_tcp_queue_fail(tq, -EPROTO,
			    "the controller ended the connection: TermReq, FES %02xh, %s, FEI %xh",
			    fes, nvmh_tcp_fes_str(fes), fei);
}

/* ---------------------------------------------------------------- commands */

/* The tag of the outstanding command with that id; NULL: there is none, refused. */
static struct tcp_tag *find_tag(struct tcp_queue *tq, uint16_t cid, uint32_t fei, const char *what)
{
	struct nvmh_req *req = nvmh_queue_find(tq->q, cid);

	if (!req) {
		refuse_field(tq, fei, "%s for command id %04xh, which is not outstanding", what,
			     cid);
		return NULL;
	}
	return &tq->tags[req->tag];
}

/*
 * The statuses of a host for its own use say that the connection was lost under a command, and are
 * acted on so. From a controller, which may have them from a host of its own, they say no such thing.
 */
static void not_ours(struct nvme_cqe *cqe)
{
	uint16_t status = cqe_status(cqe);
	uint16_t code = status & ST_MASK;

	if (unlikely(code == ST_HOST_ABORTED || code == ST_HOST_PATH_ERROR))
		cqe->status = le16_make((uint16_t)((status & ~ST_MASK) | ST_PATH_INTERNAL) << 1);
}

static void complete(struct tcp_queue *tq, struct tcp_tag *tag, struct nvme_cqe *cqe)
{
	not_ours(cqe);
	if (tag->ddgst_bad && !(cqe_status(cqe) & ST_MASK))
		cqe->status = le16_make(ST_TRANSIENT_TRANSPORT << 1);
	/* bytes behind this PDU may lie in the memory of a read that ends without its data */
	if (tag->req->dir == NVMH_FROM_CTRL && tag->moved != tag->req->len) {
		nvmh_tcp_rescue(tq);
		nvmh_tcp_tag_wipe(tag);
	}
	nvmh_tcp_untold_del(tq, tag);
	tq->nr_done++;
	nvmh_queue_complete(tq->q, tag->req, cqe);
}

static void rx_rsp(struct tcp_queue *tq)
{
	struct nvme_cqe cqe = tq->rx.pdu.rsp.cqe;
	struct tcp_tag *tag = find_tag(tq, cqe.cid, FEI_RSP_CID, "response");
	const struct nvmh_req *req;

	tq->guess.due = TCP_DUE_ANY;
	if (!tag)
		return;
	req = tag->req;
	if (tag->tx_busy) {
		refuse_order(tq, "response to command %04xh, which has not been sent completely",
			     cqe.cid);
		return;
	}
	if (!(cqe_status(&cqe) & ST_MASK) && req->dir != NVMH_NO_DATA && tag->moved != req->len) {
		refuse_order(tq, "success for command %04xh after %u of its %u bytes", cqe.cid,
			     tag->moved, req->len);
		return;
	}
	complete(tq, tag, &cqe);
}

/* Return: the tag that takes the payload; NULL: refused. */
static struct tcp_tag *check_data(struct tcp_queue *tq)
{
	const struct nvme_tcp_data *data = &tq->rx.pdu.data;
	struct tcp_tag *tag = find_tag(tq, data->cccid.v, FEI_CCCID, "data");
	uint32_t off = le32_get(data->datao);
	uint32_t len = le32_get(data->datal);
	uint8_t flags = data->hdr.flags;
	const struct nvmh_req *req;

	if (!tag)
		return NULL;
	req = tag->req;
	if (req->dir != NVMH_FROM_CTRL)
		refuse_order(tq, "data for command %04xh, which reads none", data->cccid.v);
	else if (tag->tx_busy)
		refuse_order(tq, "data for command %04xh, which has not been sent", data->cccid.v);
	else if (!len || len != tq->rx.data_len)
		refuse_field(tq, FEI_LENGTH, "data PDU of %u bytes that says it has %u",
			     tq->rx.data_len, len);
	else if (off > req->len || len > req->len - off)
		refuse_range(tq, "data at %u, %u bytes, beyond the %u bytes of command %04xh", off,
			     len, req->len, data->cccid.v);
	else if (off != tag->moved || tag->last)
		refuse_order(tq, "data of command %04xh out of order: at %u, expected %s %u",
			     data->cccid.v, off, tag->last ? "nothing after" : "at", tag->moved);
	else if (len % 4 && off + len != req->len)
		refuse_field(tq, FEI_LENGTH, "data of command %04xh cut at %u, not a dword",
			     data->cccid.v, off + len);
	else if ((flags & NVME_TCP_F_DATA_SUCCESS) && !(flags & NVME_TCP_F_DATA_LAST))
		refuse_field(tq, FEI_FLAGS, "data of command %04xh with SUCCESS but not LAST",
			     data->cccid.v);
	else if ((flags & NVME_TCP_F_DATA_SUCCESS) && off + len != req->len)
		refuse_order(tq, "success for command %04xh after %u of its %u bytes",
			     data->cccid.v, off + len, req->len);
	else
		return tag;
	return NULL;
}

static enum pdu_rx_event rx_data(struct tcp_queue *tq)
{
	struct tcp_tag *tag = check_data(tq);
	const struct nvmh_req *req;
	int nr;

	if (!tag)
		return PDU_RX_BAD;
	req = tag->req;
	nvmh_tcp_untold_del(tq, tag);
	tq->guess.pdo = tq->rx.pdu.hdr.pdo;
	tq->rx_tag = tag;
	tq->large = tq->rx.data_len >= TCP_LARGE_BYTES;
	if (!tag->moved)
		return pdu_rx_accept(&tq->rx, req->iov, req->nr_iov);
	nr = iov_slice(req->iov, req->nr_iov, tag->moved, tq->rx.data_len, tq->rx_iov, MAX_IOV);
	assert(nr > 0); /* submit saw at most MAX_IOV entries with req->len bytes */
	return pdu_rx_accept(&tq->rx, tq->rx_iov, (uint32_t)nr);
}

static void rx_data_done(struct tcp_queue *tq)
{
	struct tcp_tag *tag = tq->rx_tag;
	uint8_t flags = tq->rx.pdu.hdr.flags;

	tq->rx_tag = NULL;
	tag->moved += tq->rx.data_len;
	tag->ddgst_bad |= tq->rx.ddgst_bad;
	tag->last = flags & NVME_TCP_F_DATA_LAST;
	tq->guess.due = nvmh_tcp_due(flags);
	tq->guess.rsp = !(flags & NVME_TCP_F_DATA_SUCCESS);
	if (!tq->guess.rsp) {
		struct nvme_cqe cqe = {
			.sqhd = le16_make(SQHD_UNKNOWN),
			.sqid = le16_make(tq->q->qid),
			.cid = tag->req->sqe.cid,
		};

		complete(tq, tag, &cqe);
	}
}

static void rx_r2t(struct tcp_queue *tq)
{
	const struct nvme_tcp_r2t *r2t = &tq->rx.pdu.r2t;
	struct tcp_tag *tag = find_tag(tq, r2t->cccid.v, FEI_CCCID, "R2T");
	uint32_t off = le32_get(r2t->r2to);
	uint32_t len = le32_get(r2t->r2tl);
	const struct nvmh_req *req;

	if (!tag)
		return;
	req = tag->req;
	if (req->dir != NVMH_TO_CTRL)
		refuse_order(tq, "R2T for command %04xh, which sends no data", r2t->cccid.v);
	else if (tag->tx_busy && !tag->nr_r2t)
		refuse_order(tq, "R2T for command %04xh, which has not been sent", r2t->cccid.v);
	else if (tag->nr_r2t == TCP_MAX_R2T)
		nvmh_tcp_queue_refuse(tq, NVME_TCP_FES_R2T_LIMIT_EXCEEDED, 0,
				      "more than %u R2Ts outstanding for command %04xh",
				      TCP_MAX_R2T, r2t->cccid.v);
	else if (!len)
		refuse_field(tq, FEI_LENGTH, "R2T for 0 bytes");
	else if (off > req->len || len > req->len - off)
		refuse_range(tq, "R2T at %u, %u bytes, beyond the %u bytes of command %04xh", off,
			     len, req->len, r2t->cccid.v);
	else if (off != tag->moved)
		refuse_order(tq, "R2T of command %04xh out of order: at %u, expected at %u",
			     r2t->cccid.v, off, tag->moved);
	else if (len % 4 && off + len != req->len)
		refuse_field(tq, FEI_LENGTH, "R2T of command %04xh ends at %u, not a dword",
			     r2t->cccid.v, off + len);
	else {
		tag->r2t[(tag->first_r2t + tag->nr_r2t++) % TCP_MAX_R2T] = (struct tcp_r2t){
			.ttag = le16_get(r2t->ttag),
			.off = off,
			.left = len,
		};
		tag->moved += len;
		nvmh_tcp_untold_del(tq, tag);
		if (!tag->tx_busy)
			nvmh_tcp_tag_send_data(tag);
	}
}

/* ---------------------------------------------------------------- events */

static enum pdu_rx_event rx_header(struct tcp_queue *tq)
{
	uint8_t type = tq->rx.pdu.hdr.type;

	if (type == NVME_TCP_C2H_TERM)
		rx_term(tq);
	else if (!tq->ic_done && type != NVME_TCP_ICRESP)
		refuse_order(tq, "PDU type %02xh before ICResp", type);
	else if (tq->ic_done && type == NVME_TCP_ICRESP)
		refuse_order(tq, "a second ICResp");
	else if (type == NVME_TCP_ICRESP)
		rx_icresp(tq);
	else if (type == NVME_TCP_RSP)
		rx_rsp(tq);
	else if (type == NVME_TCP_R2T)
		rx_r2t(tq);
	else
		return rx_data(tq);
	return has_failed(tq) ? PDU_RX_BAD : pdu_rx_accept(&tq->rx, NULL, 0);
}

static void rx_bad(struct tcp_queue *tq)
{
	const struct pdu_rx *rx = &tq->rx;

	switch (rx->fes) {
	case 0:
		nvmh_tcp_queue_refuse(tq, 0, 0, "the controller sent a broken TermReq");
		break;
	case NVME_TCP_FES_HDR_DIGEST_ERR:
		nvmh_tcp_queue_refuse(tq, rx->fes, rx->fei,
				      "PDU type %02xh with a wrong header digest",
				      rx->pdu.hdr.type);
		break;
	case NVME_TCP_FES_INVALID_PDU_HDR:
		nvmh_tcp_queue_refuse(tq, rx->fes, rx->fei,
				      "PDU type %02xh with an invalid header field at byte %u%s",
				      rx->pdu.hdr.type, rx->fei,
				      tq->ic_done ? "" : ": is this an NVMe/TCP port?");
		break;
	default:
		nvmh_tcp_queue_refuse(tq, rx->fes, rx->fei, "PDU type %02xh: %s", rx->pdu.hdr.type,
				      nvmh_tcp_fes_str(rx->fes));
	}
}

/* Acts on what the engine reports until it wants more bytes. Return: the connection lives. */
static bool handle(struct tcp_queue *tq, enum pdu_rx_event ev)
{
	while (ev != PDU_RX_MORE) {
		if (ev == PDU_RX_HEADER) {
			ev = rx_header(tq);
			if (has_failed(tq))
				return false;
		} else if (ev == PDU_RX_DONE) {
			if (tq->rx_tag)
				rx_data_done(tq);
			return !has_failed(tq);
		} else {
			rx_bad(tq);
			return false;
		}
	}
	return true;
}

/* Gives what was received to the engine. Return: the connection lives. */
static bool take_all(struct tcp_queue *tq)
{
	struct tcp_in *in = &tq->in;

	while (in->left) {
		struct iovec *v = &in->iov[in->at];
		size_t n = min_of(v->iov_len, in->left);
		bool placed = in->at < in->ahead;
		enum pdu_rx_event ev;
		size_t used;

		ev = placed ? pdu_rx_feed_in_place(&tq->rx, v->iov_base, n, &used)
			    : pdu_rx_feed(&tq->rx, v->iov_base, n, &used);
		in->left -= used;
		if (used == v->iov_len)
			in->at++;
		else
			*v = (struct iovec){ (uint8_t *)v->iov_base + used, v->iov_len - used };
		if (ev == PDU_RX_MORE && used < n)
			nvmh_tcp_rescue(tq);
		else if (!handle(tq, ev))
			return false;
	}
	return true;
}

/* One receive call. Return: there may be more to receive. */
static bool recv_once(struct tcp_queue *tq)
{
	struct iovec *iov = tq->guess.iov;
	size_t room = 0;
	bool lives;
	ssize_t n;
	int nr;

	nvmh_tcp_place(tq);
	nr = tq->guess.nr;
	/* only behind a payload that is covered to its end */
	if (tq->guess.covered)
		room = tq->large ? TCP_AHEAD_SMALL : tq->ahead_size;
	iov[nr] = (struct iovec){ tq->ahead, room };
	n = stream_recv(&tq->stream, iov, room ? nr + 1 : nr);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		nvmh_tcp_queue_fail(tq, n ? (int)n : -ECONNRESET, "connection to %s %s",
				    tq->tc->addr,
				    n ? strerrordesc_np((int)-n) : "closed by the controller");
		return false;
	}
	tq->in = (struct tcp_in){ .iov = iov, .ahead = nr, .left = (size_t)n };
	room += tq->guess.bytes;
	lives = take_all(tq);
	tq->in.left = 0;
	nvmh_tcp_placed(tq, (size_t)n);
	return lives && (size_t)n == room;
}

int nvmh_tcp_recv(struct tcp_queue *tq)
{
	int budget = RECV_BUDGET;

	tq->nr_done = 0;
	while (recv_once(tq) && --budget)
		;
	return tq->nr_done;
}
