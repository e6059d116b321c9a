/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An I/O queue's connection of the host library without a socket and without a controller: the data
 * plane as it is, over a stream in memory. For tests that decide themselves which bytes come with
 * one receive call, and for the fuzzer.
 */
#ifndef TESTS_UNIT_TCP_RIG_H
#define TESTS_UNIT_TCP_RIG_H

#include <errno.h>
#include <stdlib.h>

#include "host/tcp.h"

enum {
	TCP_RIG_ENTRIES = 16,
};

struct tcp_rig {
	struct nvmh_ctrl ctrl;
	struct nvmh_queue q;
	struct tcp_ctrl tc;
	struct tcp_queue tq;
	/* what comes: how much of it one receive call gets, 0 for -EAGAIN; the end comes after it */
	const uint8_t *in;
	size_t left;
	size_t (*next)(struct tcp_rig *rig);
	/* what goes out, from its begin; NULL: nobody looks */
	uint8_t *out;
	size_t out_size;
	size_t out_len;
};

static inline ssize_t tcp_rig_recv(struct stream *s, const struct iovec *iov, int nr)
{
	struct tcp_rig *rig = container_of(s, struct tcp_rig, tq.stream);
	size_t most = rig->left ? min_of(rig->next(rig), rig->left) : 0;
	size_t got = 0;
	int i;

	if (rig->left && !most)
		return -EAGAIN;
	for (i = 0; i < nr && got < most; i++) {
		size_t n = min_of(iov[i].iov_len, most - got);

		memcpy(iov[i].iov_base, rig->in + got, n);
		got += n;
	}
	rig->in += got;
	rig->left -= got;
	return (ssize_t)got; /* 0: the end */
}

static inline ssize_t tcp_rig_send(struct stream *s, const struct iovec *iov, int nr)
{
	static volatile uint8_t sent_byte; /* every byte that is sent can be read */
	struct tcp_rig *rig = container_of(s, struct tcp_rig, tq.stream);
	ssize_t n = 0;

	for (int i = 0; i < nr; i++) {
		for (size_t k = 0; k < iov[i].iov_len; k++) {
			sent_byte = ((const uint8_t *)iov[i].iov_base)[k];
			if (rig->out && rig->out_len < rig->out_size)
				rig->out[rig->out_len++] = sent_byte;
		}
		n += (ssize_t)iov[i].iov_len;
	}
	return n;
}

static inline void tcp_rig_close(struct stream *s)
{
	(void)s;
}

/* Starts a connection, as if ICReq and ICResp had been exchanged, or with @ic before that. */
static inline void tcp_rig_start(struct tcp_rig *rig, bool hdgst, bool ddgst, bool ic)
{
	static const struct stream_ops stream_ops = { "memory", tcp_rig_recv, tcp_rig_send,
						      tcp_rig_close };
	static const struct nvmh_transport_ops ops = {
		.name = "rig",
		.remote = true,
		.queue_submit = nvmh_tcp_queue_submit,
		.queue_commit = nvmh_tcp_queue_commit,
		.queue_poll = nvmh_tcp_queue_poll,
		.queue_wipe = nvmh_tcp_queue_wipe,
	};

	if (!rig->q.tags) {
		rig->ctrl.ops = rig->q.ops = &ops;
		rig->ctrl.max_xfer = MAX_XFER_BYTES;
		rig->ctrl.event_fd = rig->q.event_fd = -1;
		rig->q.ctrl = &rig->ctrl;
		rig->q.qid = 1;
		rig->q.tr = &rig->tq;
		rig->tq.q = &rig->q;
		rig->tq.tc = &rig->tc;
		rig->tq.watch_epfd = rig->tq.epoll_fd = -1;
		if (nvmh_queue_resize(&rig->q, TCP_RIG_ENTRIES) || nvmh_tcp_queue_alloc(&rig->tq))
			abort();
	}
	/* command ids are the same each time: tags in order, generations from 1 */
	for (uint16_t i = 0; i < rig->q.nr_tags; i++) {
		assert(!rig->q.tags[i].req);
		rig->q.tags[i].gen = 0;
		rig->q.tags[i].next_free = i + 1 < rig->q.nr_tags ? i + 1 : NVMH_NO_TAG;
	}
	rig->q.free_head = 0;
	rig->ctrl.opts.hdgst = hdgst;
	rig->ctrl.opts.ddgst = ddgst;
	rig->tq.stream = (struct stream){ .ops = &stream_ops, .fd = -1 };
	rig->out_len = 0;
	nvmh_tcp_queue_start(&rig->tq);
	rig->tq.stage = TCP_UP;
	atomic_store(&rig->q.state, NVMH_Q_LIVE);
	if (ic)
		return;
	pdu_rx_negotiated(&rig->tq.rx, hdgst, ddgst, 1);
	pdu_txq_negotiated(&rig->tq.txq, hdgst, ddgst, 1);
	rig->tq.ic_done = true;
}

/* The command id of the first request that gets @tag. */
static inline uint16_t tcp_rig_cid(uint16_t tag)
{
	return (uint16_t)(tag | 1 << NVMH_CID_TAG_BITS);
}

/* Sends and receives until the connection is over. Return: turns it took, at most @most. */
static inline size_t tcp_rig_run(struct tcp_rig *rig, size_t most)
{
	size_t turns = 0;

	while (!atomic_load(&rig->tq.failed) && turns < most) {
		nvmh_queue_commit(&rig->q);
		rig->tq.armed = true;
		nvmh_queue_poll(&rig->q);
		turns++;
	}
	return turns;
}

static inline void tcp_rig_free(struct tcp_rig *rig)
{
	nvmh_tcp_queue_release(&rig->tq);
	free(rig->q.tags);
	rig->q.tags = NULL;
}

#endif /* TESTS_UNIT_TCP_RIG_H */
