// SPDX-License-Identifier: BSD-2-Clause
/*
 * The requests of a core: allocated in lots, shared by all its connections, so that an idle queue
 * costs none. Runs on the core's thread. Entry points: nvmet_req_get(), nvmet_req_put(),
 * nvmet_req_by_index().
 */
#include "target/req.h"

#include <stdlib.h>

#include "target/ns.h"

static bool req_grow(struct nvmet_core *core)
{
	struct nvmet_req *chunk;

	if (core->nr_reqs + NVMET_REQ_CHUNK > NVMET_MAX_REQS)
		return false;
	chunk = aligned_alloc(64, sizeof(*chunk) * NVMET_REQ_CHUNK);
	if (!chunk)
		return false;
	memset(chunk, 0, sizeof(*chunk) * NVMET_REQ_CHUNK);
	core->req_chunk[core->nr_reqs / NVMET_REQ_CHUNK] = chunk;
	for (uint32_t i = 0; i < NVMET_REQ_CHUNK; i++) {
		chunk[i].index = core->nr_reqs + i;
		list_init(&chunk[i].tx.link);
		mem_wait_init(&chunk[i].wait);
		list_add_tail(&core->free_reqs, &chunk[i].link);
	}
	core->nr_reqs += NVMET_REQ_CHUNK;
	return true;
}

struct nvmet_req *nvmet_req_get(struct nvmet_sq *sq)
{
	struct nvmet_core *core = sq->core;
	struct nvmet_req *req;

	if (list_empty(&core->free_reqs) && !req_grow(core))
		return NULL;
	req = list_first(&core->free_reqs, struct nvmet_req, link);
	list_del(&req->link);
	list_add_tail(&sq->reqs, &req->link);
	req->sq = sq;
	req->cmd = NULL;
	req->ns = NULL;
	req->buf = NULL;
	req->buf_len = 0;
	req->data_len = 0;
	req->data_done = 0;
	req->mapped = false;
	req->drop_data = false;
	req->state = NVMET_REQ_NEW;
	req->dir = NVMET_NO_DATA;
	req->fua = false;
	req->deallocate = false;
	req->status = 0;
	req->error_loc = 0xffff;
	req->result = 0;
	req->done = NULL;
	sq->outstanding++;
	return req;
}

void nvmet_req_set_buf(struct nvmet_req *req, void *buf)
{
	req->buf = buf;
	req->buf_iov.iov_base = buf;
	req->buf_iov.iov_len = req->data_len;
	req->iov = &req->buf_iov;
	req->nr_iov = 1;
}

void nvmet_req_put_buf(struct nvmet_req *req)
{
	struct nvmet_core *core = req->sq->core;
	uintptr_t reserve = (uintptr_t)core->reserve_base;
	bool reserved;

	if (req->mapped) {
		req->mapped = false;
		req->ns->ops->unmap(req);
	}
	if (!req->buf)
		return;
	reserved = core->reserve && (uintptr_t)req->buf - reserve < NVMET_RESERVE_BYTES;
	mem_put(reserved ? core->reserve : core->pool, req->buf, req->buf_len);
	req->buf = NULL;
}

void nvmet_req_put(struct nvmet_req *req)
{
	struct nvmet_core *core = req->sq->core;

	assert(req->state != NVMET_REQ_FREE && list_empty(&req->tx.link));
	mem_wait_del(&req->wait);
	nvmet_req_put_buf(req);
	req->state = NVMET_REQ_FREE;
	req->sq->outstanding--;
	list_del(&req->link);
	list_add(&core->free_reqs, &req->link);
}

struct nvmet_req *nvmet_req_by_index(struct nvmet_sq *sq, uint16_t index)
{
	struct nvmet_core *core = sq->core;
	struct nvmet_req *req;

	if (index >= core->nr_reqs)
		return NULL;
	req = &core->req_chunk[index / NVMET_REQ_CHUNK][index % NVMET_REQ_CHUNK];
	return req->state != NVMET_REQ_FREE && req->sq == sq ? req : NULL;
}
