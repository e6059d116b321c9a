/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A controller that a test makes up, byte by byte: its words are put behind a host queue's receive
 * call in pieces of any size. Buffers are freed as soon as their request is done, so that a
 * sanitizer sees who comes too late. One thread; the target of tests/fake only brings the
 * connection up.
 */
#ifndef TESTS_UNIT_PLACE_RIG_H
#define TESTS_UNIT_PLACE_RIG_H

#include "host/tcp.h"
#include "tests/unit/tcp_session.h"

enum {
	DEPTH = 24,
	MAX_LEN = 24 << 10,
	WIRE_BYTES = 8 << 20,
	ICD_BYTES = 8192,
	PIECES = 4,
};

/* ---- the wire ---- */

/* What the controller has said, and how far the host has got with it. */
static struct {
	uint8_t bytes[WIRE_BYTES];
	size_t len;
	size_t pos;
	size_t chunk; /* bytes of one receive call, 0: any number up to 2^rng(17) */
	size_t cut;   /* no receive call goes beyond it unless it begins there */
	bool lazy;    /* half of the receive calls find nothing, and requests come in between */
} wire;

/* What is offered may be written to: a sanitizer knows. */
static void wire_touch(const struct iovec *iov, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		uint8_t *base = iov[i].iov_base;

		if (iov[i].iov_len)
			base[0] = base[iov[i].iov_len - 1] = 0xab;
	}
}

static ssize_t wire_recv(struct stream *st, const struct iovec *iov, int nr)
{
	size_t left = min_of(wire.len - wire.pos,
			     wire.chunk ? wire.chunk : (size_t)1 + rng(1u << rng(18)));
	size_t got = 0;
	int i;

	(void)st;
	if (wire.lazy)
		wire_touch(iov, nr);
	if (wire.lazy && rng(2))
		return -EAGAIN;
	if (wire.pos < wire.cut)
		left = min_of(left, wire.cut - wire.pos);
	for (i = 0; i < nr && left; i++) {
		size_t n = min_of(left, iov[i].iov_len);

		memcpy(iov[i].iov_base, wire.bytes + wire.pos, n);
		wire.pos += n;
		got += n;
		left -= n;
	}
	return got ? (ssize_t)got : -EAGAIN;
}

static ssize_t wire_send(struct stream *st, const struct iovec *iov, int nr)
{
	size_t sum = 0;
	int i;

	(void)st;
	for (i = 0; i < nr; i++)
		sum += iov[i].iov_len;
	return (ssize_t)sum;
}

static struct stream_ops wire_ops;

/* ---- commands ---- */

struct io {
	struct nvmh_req req;
	struct iovec iov[PIECES];
	uint8_t *buf;
	uint32_t len;
	uint32_t said; /* bytes of data on the wire */
	uint32_t seed;
	uint16_t status; /* that the controller said */
	bool ended;	 /* and it has */
	bool shared;	 /* its memory is another's too */
};

static struct rig {
	struct session s;
	struct nvmh_queue *q;
	struct tcp_queue *tq;
	const struct stream_ops *ops;
	struct fake_conn conn;	   /* whether there are digests */
	struct io *pending[DEPTH]; /* in order of submission, not ended */
	uint32_t nr_pending;
	uint32_t nr_busy;
	uint32_t nr_done;
	uint32_t in_order; /* percent */
	uint32_t whole;	   /* percent of data in one PDU */
	uint32_t success;  /* percent with the SUCCESS flag */
	uint32_t errors;   /* per mille */
	uint32_t reads;	   /* percent */
	bool again;	   /* completions submit another */
	bool broken;	   /* bytes were changed: anything may happen to the connection */
} rig;

static uint8_t data_byte(const struct io *io, uint32_t i)
{
	return (uint8_t)((io->seed + i) * 2654435761u >> 13);
}

static void submit_one(void);

static void io_done(struct nvmh_req *req)
{
	struct io *io = req->arg;
	uint32_t i;

	rig.nr_busy--;
	rig.nr_done++;
	if (!rig.broken) {
		assert_true(io->ended);
		assert_int_equal(req->status & ST_MASK, io->status);
		for (i = 0; !io->status && !io->shared && req->dir == NVMH_FROM_CTRL && i < io->len;
		     i++)
			assert_int_equal(io->buf[i], data_byte(io, i));
	}
	if (!io->shared) {
		memset(io->buf, 0xee, io->len);
		free(io->buf);
	}
	free(io);
	if (rig.again && rng(4))
		submit_one();
}

/* Cuts the buffer into up to PIECES pieces, some empty. */
static uint16_t pieces(struct io *io)
{
	uint32_t off = 0;
	uint16_t n = 0;

	while (n < PIECES - 1 && !rng(4)) {
		uint32_t len = rng(io->len - off + 1);

		io->iov[n++] = (struct iovec){ io->buf + off, len };
		off += len;
	}
	io->iov[n++] = (struct iovec){ io->buf + off, io->len - off };
	return n;
}

static struct io *submit_read(uint32_t len, uint8_t *shared)
{
	struct io *io = calloc(1, sizeof(*io));

	assert_non_null(io);
	io->len = len;
	io->seed = rng(1u << 30);
	io->shared = shared;
	io->buf = shared ? shared : malloc(len);
	assert_non_null(io->buf);
	nvmh_prep_rw(&io->req, nvme_cmd_read, 1, 0, len / FAKE_LBA_BYTES, io->iov, pieces(io), len);
	io->req.done = io_done;
	io->req.arg = io;
	return io;
}

static void submit(struct io *io)
{
	int ret = nvmh_queue_submit(rig.q, &io->req);

	if (rig.broken && ret) {
		free(io->buf);
		free(io);
		return;
	}
	assert_int_equal(ret, 0);
	rig.pending[rig.nr_pending++] = io;
	rig.nr_busy++;
}

static void submit_one(void)
{
	struct io *io;

	if (rig.nr_busy == DEPTH || !nvmh_queue_room(rig.q))
		return;
	if (rng(100) < rig.reads) {
		io = submit_read(rng(3) ? 4096 : (1 + rng(MAX_LEN / 512)) * 512, NULL);
	} else {
		io = submit_read(rng(ICD_BYTES / 512) * 512 + 512, NULL);
		if (rng(4)) {
			memset(io->buf, 1, io->len);
			io->req.sqe.opcode = nvme_cmd_write;
			io->req.dir = NVMH_TO_CTRL;
		} else {
			nvmh_prep_flush(&io->req, 1);
		}
	}
	submit(io);
}

/* ---- the controller's words ---- */

static void say(const void *pdu, size_t hlen, const void *data, size_t len)
{
	assert_true(wire.len + hlen + len + 64 <= sizeof(wire.bytes));
	wire.len += fake_conn_build(&rig.conn, wire.bytes + wire.len, pdu, hlen, data, len);
}

static void ended(uint32_t index, uint16_t status)
{
	struct io *io = rig.pending[index];

	io->ended = true;
	io->status = status;
	memmove(rig.pending + index, rig.pending + index + 1,
		(--rig.nr_pending - index) * sizeof(rig.pending[0]));
}

static void say_rsp(uint32_t index, uint16_t status)
{
	struct nvme_tcp_rsp rsp = {
		.hdr = { .type = NVME_TCP_RSP },
		.cqe = {
			.sqid = le16_make(1),
			.cid = rig.pending[index]->req.sqe.cid,
			.status = le16_make((uint16_t)(status << 1)),
		},
	};

	say(&rsp, sizeof(rsp), NULL, 0);
	ended(index, status);
}

/* The next @len bytes of a read. Return: it is ended by that. */
static bool say_data(uint32_t index, uint32_t len, bool success)
{
	struct io *io = rig.pending[index];
	uint8_t data[MAX_LEN];
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA },
		.cccid = { io->req.sqe.cid },
		.datao = le32_make(io->said),
		.datal = le32_make(len),
	};
	uint32_t i;

	for (i = 0; i < len; i++)
		data[i] = data_byte(io, io->said + i);
	io->said += len;
	if (io->said == io->len)
		pdu.hdr.flags = NVME_TCP_F_DATA_LAST | (success ? NVME_TCP_F_DATA_SUCCESS : 0);
	say(&pdu, sizeof(pdu), data, len);
	if (io->said != io->len || !success)
		return false;
	ended(index, 0);
	return true;
}

/* Something about one of the commands. */
static void say_something(void)
{
	uint32_t index = rng(100) < rig.in_order ? 0 : rng(rig.nr_pending);
	struct io *io = rig.pending[index];
	uint32_t left = io->len - io->said;

	if (rng(1000) < rig.errors) {
		say_rsp(index, ST_INTERNAL);
	} else if (io->req.dir != NVMH_FROM_CTRL || !left) {
		say_rsp(index, 0);
	} else {
		uint32_t len = rng(100) < rig.whole ? left : min_of((1 + rng(left / 4)) * 4, left);

		if (!say_data(index, len, rng(100) < rig.success) && len == left &&
		    rng(100) < rig.in_order)
			say_rsp(index, 0);
	}
}

/* ---- runs ---- */

static void rig_open(bool hdgst, bool ddgst)
{
	static const struct fake_opts fake = { .icd_bytes = ICD_BYTES };
	struct nvmh_ctrl_opts opts = {
		.nr_io_queues = 1, .queue_size = DEPTH + 1, .hdgst = hdgst, .ddgst = ddgst
	};

	memset(&rig, 0, sizeof(rig));
	session_open_live(&rig.s, &fake, &opts);
	rig.q = nvmh_ctrl_queue(rig.s.ctrl, 0);
	rig.tq = rig.q->tr;
	rig.ops = rig.tq->stream.ops;
	wire_ops = *rig.ops;
	wire_ops.recv = wire_recv;
	wire_ops.send = wire_send;
	rig.tq->stream.ops = &wire_ops;
	rig.conn.hdgst = hdgst;
	rig.conn.ddgst = ddgst;
	rig.reads = 100;
	rig.in_order = 100;
	rig.whole = 100;
	wire.len = wire.pos = wire.chunk = wire.cut = 0;
	wire.lazy = false;
}

static void rig_close(void)
{
	rig.again = false;
	if (!atomic_load(&rig.tq->failed))
		rig.tq->stream.ops = rig.ops;
	session_close(&rig.s);
	assert_int_equal(rig.nr_busy, 0);
}

/* The host takes all that was said; what is submitted meanwhile is not answered yet. */
static void take_all(void)
{
	uint32_t polls = 0;

	while (wire.pos < wire.len && !atomic_load(&rig.tq->failed)) {
		nvmh_queue_poll(rig.q);
		if (wire.lazy && rig.again && !rng(4)) {
			submit_one();
			nvmh_queue_commit(rig.q);
		}
		assert_true(++polls < 1000000);
	}
	if (!rig.broken && atomic_load(&rig.tq->failed))
		fail_msg("connection lost: %s", rig.tq->error);
	if (wire.pos == wire.len)
		wire.pos = wire.len = 0;
}

static void turn(void)
{
	uint32_t n;

	for (n = rng(DEPTH); n; n--)
		submit_one();
	nvmh_queue_commit(rig.q);
	for (n = rng(3 * DEPTH); n && rig.nr_pending; n--)
		say_something();
}

static void finish(void)
{
	rig.again = false;
	nvmh_queue_commit(rig.q);
	while (rig.nr_pending)
		say_something();
	take_all();
	assert_int_equal(rig.nr_busy, 0);
}

#endif /* TESTS_UNIT_PLACE_RIG_H */
