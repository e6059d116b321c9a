// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on an NVMe/TCP queue of the host library that is fed a byte stream. The input is what
 * the connection agreed on, the commands that are outstanding, and what the controller sends. Every
 * request ends exactly once, nothing outside its memory is written, and where the answers do not
 * depend on what is sent in between, a second queue that is fed the stream in pieces judges alike.
 *
 * A fuzzer does not guess digests: with FUZZ_REPAIR they are made right before the stream is used.
 * Built and run by tests/fuzz/run. With -DCANARY it fails when it reaches the depth it is meant to
 * reach.
 *
 * fuzz-sources: host/tcp_queue.c host/tcp_recv.c host/tcp_place.c host/queue.c host/error.c
 * fuzz-sources: common/pdu_rx.c common/pdu_tx.c common/crc.c common/iov.c common/log.c common/status.c
 * fuzz-libs: -lisal
 * fuzz-canary: corpus
 */
#include "common/crc.h"
#include "tests/unit/pdu_wire.h"
#include "tests/unit/tcp_rig.h"

enum {
	FUZZ_HDGST = 1 << 0,
	FUZZ_DDGST = 1 << 1,
	FUZZ_REPAIR = 1 << 2,
	FUZZ_IC = 1 << 3, /* the stream begins before ICResp */
	KIND_NONE = 0,
	KIND_WRITE = 1, /* by R2Ts */
	KIND_READ = 2,
	KIND_CAPSULE = 3, /* a write with its data in the capsule */
	MAX_CMDS = 8,
	MAX_PIECES = 8,
	MAX_ENDS = 32,
	LEN_UNIT = 32,
	MAX_LEN = 256 * LEN_UNIT,
	GUARD = 16,
	GUARD_VALUE = 0xa5,
	MEM_BYTES = MAX_LEN + (MAX_PIECES + 1) * GUARD,
	STREAM_MAX = 16384,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x)                           \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

struct rig;

struct cmd {
	struct nvmh_req req;
	struct rig *rig;
	struct iovec iov[MAX_PIECES];
	uint8_t kind;
	bool out; /* with the library */
	uint8_t mem[MEM_BYTES];
};

/* How a command ended. */
struct end {
	uint8_t cmd;
	uint16_t status;
	uint32_t crc; /* of its memory, but for the end: guards lie in between */
};

struct rig {
	struct tcp_rig t;
	size_t most; /* bytes of one receive call, 0: as many as there is room for */
	struct rng rng;
	struct cmd cmds[MAX_CMDS];
	bool again; /* commands are submitted again when they end */
	struct end ends[MAX_ENDS];
	uint32_t nr_ends;
	uint32_t nr_submits;
};

static struct rig whole, pieces;
static uint8_t stream_bytes[STREAM_MAX];

/* ---- neighbours of the queue ---- */

void nvmh_ctrl_lost(struct nvmh_ctrl *ctrl, const char *fmt, ...)
{
	(void)ctrl;
	(void)fmt;
}

void nvmh_ctrl_kick(struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
}

enum nvmh_state nvmh_ctrl_state(const struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
	return NVMH_LIVE;
}

void nvmh_power_note(struct nvmh_ctrl *ctrl, const struct nvmh_req *req)
{
	(void)ctrl;
	(void)req;
}

bool nvmh_recover_ask(struct nvmh_queue *q, const struct nvmh_req *req, enum nvmh_late rung)
{
	(void)q;
	(void)req;
	(void)rung;
	return true;
}

static size_t next_piece(struct tcp_rig *t)
{
	struct rig *r = container_of(t, struct rig, t);

	return r->most ? 1 + rng_below(&r->rng, (uint32_t)r->most) : t->left;
}

/* ---- commands ---- */

static void check_guards(const struct cmd *c)
{
	const uint8_t *p = c->mem;
	size_t i;

	for (int k = 0; k <= c->req.nr_iov; k++) {
		for (i = 0; i < GUARD; i++)
			must(p[i] == GUARD_VALUE);
		if (k < c->req.nr_iov)
			p = (uint8_t *)c->iov[k].iov_base + c->iov[k].iov_len;
	}
}

static void submit(struct cmd *c)
{
	struct rig *r = c->rig;

	must(!nvmh_queue_submit(&r->t.q, &c->req));
	c->out = true;
	r->nr_submits++;
}

static void done(struct nvmh_req *req)
{
	struct cmd *c = req->arg;
	struct rig *r = c->rig;

	must(c->out && r->nr_ends < MAX_ENDS);
	c->out = false;
	check_guards(c);
	r->ends[r->nr_ends++] = (struct end){
		.cmd = (uint8_t)(c - r->cmds),
		.status = req->status,
		.crc = crc32c_digest(c->mem, c->req.len),
	};
#ifdef CANARY
	/* a read whose data came by several PDUs and a response, and another that was answered */
	must(!(c->kind == KIND_READ && !req->status && r->nr_ends > 1 &&
	       r->t.tq.tags[req->tag].last && r->t.tq.guess.rsp && req->len > LEN_UNIT));
#endif
	if (r->again && req->status != ST_HOST_PATH_ERROR && r->nr_submits < MAX_ENDS)
		submit(c);
}

/* Two bytes of the input are a command: kind and pieces, length. */
static void cmd_init(struct cmd *c, const uint8_t spec[2])
{
	uint32_t len = (spec[1] + 1u) * LEN_UNIT - (spec[0] >> 5 & 3);
	uint16_t nr = (uint16_t)(1 + (spec[0] >> 2 & 7));
	uint32_t part = len / nr;
	uint8_t *p = c->mem + GUARD;

	memset(&c->req, 0, sizeof(c->req));
	memset(c->mem, GUARD_VALUE, sizeof(c->mem));
	c->kind = spec[0] & 3;
	c->req.done = done;
	c->req.arg = c;
	c->req.sqe.opcode = c->kind == KIND_NONE   ? nvme_cmd_flush
			    : c->kind == KIND_READ ? nvme_cmd_read
						   : nvme_cmd_write;
	if (c->kind == KIND_NONE)
		return;
	if (c->kind == KIND_CAPSULE) /* what fits one */
		len = min_of(len, 1024u), nr = 1, part = len;
	for (uint16_t i = 0; i < nr; i++) {
		uint32_t n = i + 1 < nr ? part : len - part * (nr - 1u);

		c->iov[i] = (struct iovec){ p, n };
		memset(p, 0x11, n);
		p += n + GUARD;
	}
	c->req.iov = c->iov;
	c->req.nr_iov = nr;
	c->req.len = len;
	c->req.dir = c->kind == KIND_READ ? NVMH_FROM_CTRL : NVMH_TO_CTRL;
}

/* ---- a connection ---- */

static void rig_start(struct rig *r, uint8_t flags, size_t most)
{
	tcp_rig_start(&r->t, flags & FUZZ_HDGST, flags & FUZZ_DDGST, flags & FUZZ_IC);
	r->t.next = next_piece;
	r->most = most;
	r->rng.s = most;
	r->nr_ends = r->nr_submits = 0;
}

static void rig_run(struct rig *r, const uint8_t *specs, uint8_t nr, const uint8_t *in, size_t len)
{
	r->t.in = in;
	r->t.left = len;
	r->again = false;
	for (uint8_t i = 0; i < nr; i++) {
		r->cmds[i].rig = r;
		cmd_init(&r->cmds[i], specs + 2 * i);
		r->again |= r->cmds[i].kind == KIND_WRITE;
		submit(&r->cmds[i]);
	}
	must(tcp_rig_run(&r->t, len + 9) < len + 9); /* each turn takes something, or the end */
	must(r->t.tq.error[0]);
	must(r->nr_ends == r->nr_submits);
	for (uint8_t i = 0; i < nr; i++) {
		must(!r->cmds[i].out);
		check_guards(&r->cmds[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *specs = data + 2;
	uint8_t nr;
	size_t len;

	if (size < 2)
		return 0;
	nr = data[1] % MAX_CMDS + 1;
	if (size < 2u + 2 * nr)
		return 0;
	len = min_of(size - 2 - 2 * nr, (size_t)STREAM_MAX);
	memcpy(stream_bytes, specs + 2 * nr, len);
	if (data[0] & FUZZ_REPAIR)
		wire_repair(stream_bytes, len);
	rig_start(&whole, data[0], 0);
	rig_run(&whole, specs, nr, stream_bytes, len);
	rig_start(&pieces, data[0], 1 + (data[1] >> 3) * 7u);
	rig_run(&pieces, specs, nr, stream_bytes, len);
	/* with R2Ts it matters what was sent when the next PDU comes */
	if (whole.again)
		return 0;
	must(whole.nr_ends == pieces.nr_ends);
	must(!memcmp(whole.ends, pieces.ends, whole.nr_ends * sizeof(whole.ends[0])));
	must(!strcmp(whole.t.tq.error, pieces.t.tq.error));
	return 0;
}
