// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace in memory: contents are gone with the daemon. Its pages (pages.h) are what the sockets
 * send from and receive into: a Read holds its pages until they are sent, a Write receives into
 * pages of its own that become the namespace's when all is there. Where the pages do not fit the
 * command, data goes through a buffer as with any backend.
 *
 * Runs on the cores, which share the contents; a block is read and written as a whole. Entry point:
 * nvmet_ns_mem_ops. NVM Command Set Specification 1.x, "Atomic Operation".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/iov.h"
#include "common/log.h"
#include "target/ns.h"
#include "target/pages.h"

/* What a request holds: in its ns_priv. */
struct mem_req {
	uint32_t nr_pages;
	uint32_t iov_bytes; /* of the list when it is a block of the pool, 0: it is the one here */
	struct iovec iov[15];
};

/* Parts being cleared, a slice in each turn: the core has others to serve. In ns_priv. */
struct mem_clear {
	struct loop_work work;
	struct nvmet_req *req;
	uint32_t range; /* the next one to begin */
	uint64_t part;
	uint64_t nr_parts; /* left of this one */
};

static_assert(sizeof(struct mem_req) <= NVMET_NS_PRIV, "fits");
static_assert(sizeof(struct mem_clear) <= NVMET_NS_PRIV, "fits");

enum {
	CLEAR_BUDGET = 2048, /* parts looked at in one turn: up to half a millisecond */
};

static const uint8_t zeroes[1 << NVMET_PAGE_SHIFT_MAX];

static uint8_t page_shift(const struct nvmet_ns *ns)
{
	return max_of(ns->lba_shift, (uint8_t)NVMET_PAGE_SHIFT_MIN);
}

static size_t page_size(const struct nvmet_ns *ns)
{
	return (size_t)1 << page_shift(ns);
}

static struct mem_req *mem_req(struct nvmet_req *req)
{
	return (struct mem_req *)req->ns_priv;
}

/* ---- life ---- */

static void mem_close(struct nvmet_ns *ns)
{
	nvmet_pages_free(ns->priv);
	ns->priv = NULL;
}

static int mem_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	struct nvmet_pages *pages;
	int ret;

	ns->lba_shift = (uint8_t)__builtin_ctz(cfg->block_size);
	ns->nsze = cfg->size_bytes >> ns->lba_shift;
	ret = nvmet_pages_create(cfg->size_bytes, page_shift(ns), nvmet.nr_cores, &pages);
	if (ret) {
		log_err("no room for a namespace in memory: %s; make device.mem smaller nsid=%u bytes=%llu",
			strerror(-ret), ns->nsid, (unsigned long long)cfg->size_bytes);
		return ret;
	}
	ns->priv = pages;
	ns->can_discard = true;
	ns->can_write_zeroes = true;
	ns->reads_zero_after_discard = true;
	return 0;
}

/* ---- data without a copy ---- */

static void add_piece(struct nvmet_req *req, const uint8_t *base, size_t len)
{
	struct iovec *last = &req->iov[req->nr_iov - 1];

	if (req->nr_iov && (uint8_t *)last->iov_base + last->iov_len == base)
		last->iov_len += len;
	else
		req->iov[req->nr_iov++] = (struct iovec){ (void *)(uintptr_t)base, len };
}

/* Room for a list of @nr pieces. */
static bool take_list(struct nvmet_req *req, uint32_t nr)
{
	struct mem_req *mr = mem_req(req);

	mr->nr_pages = nr;
	mr->iov_bytes = 0;
	req->iov = mr->iov;
	req->nr_iov = 0;
	if (nr <= ARRAY_SIZE(mr->iov))
		return true;
	mr->iov_bytes = nr * (uint32_t)sizeof(struct iovec);
	req->iov = mem_get(req->sq->core->pool, mr->iov_bytes);
	return req->iov;
}

/* A host that does not take what it asked for must not hold more by asking several namespaces. */
static bool hold(struct nvmet_req *req, uint32_t nr)
{
	struct nvmet_core *core = req->sq->core;
	uint64_t bytes = (uint64_t)nr << page_shift(req->ns);

	if (core->pages_bytes + bytes > NVMET_PAGES_HELD_BYTES ||
	    !nvmet_pages_hold(req->ns->priv, core->index, nr))
		return false;
	if (!take_list(req, nr)) {
		nvmet_pages_release(req->ns->priv, core->index, nr);
		return false;
	}
	core->pages_bytes += bytes;
	return true;
}

static void put_list(struct nvmet_req *req)
{
	struct mem_req *mr = mem_req(req);

	nvmet_pages_release(req->ns->priv, req->sq->core->index, mr->nr_pages);
	req->sq->core->pages_bytes -= (uint64_t)mr->nr_pages << page_shift(req->ns);
	if (mr->iov_bytes)
		mem_put(req->sq->core->pool, req->iov, mr->iov_bytes);
	req->iov = NULL;
	req->nr_iov = 0;
}

static bool mem_map(struct nvmet_req *req)
{
	const struct nvmet_ns *ns = req->ns;
	struct nvmet_pages *pages = ns->priv;
	int core = req->sq->core->index;
	size_t size = page_size(ns);
	uint64_t from = req->slba << ns->lba_shift, to = from + req->data_len;
	uint64_t first = from >> page_shift(ns);
	uint32_t nr = (uint32_t)(((to + size - 1) >> page_shift(ns)) - first);

	if (req->op == NVMET_OP_WRITE && (from | to) & (size - 1))
		return false; /* parts of pages */
	if (!hold(req, nr))
		return false;
	for (uint64_t i = first; from < to; i++) {
		size_t off = from & (size - 1), len = min_of(size - off, (size_t)(to - from));
		const uint8_t *page;

		if (req->op == NVMET_OP_WRITE)
			page = nvmet_page_new(pages, core);
		else
			page = nvmet_page_pin(pages, core, i);
		add_piece(req, page ? page + off : zeroes, len);
		from += len;
	}
	return true;
}

/* Calls @fn for every page of the list, but those that are only zeroes. */
static void each_page(struct nvmet_req *req,
		      void (*fn)(struct nvmet_req *req, uint8_t *page, uint64_t index))
{
	const struct nvmet_ns *ns = req->ns;
	size_t size = page_size(ns);
	uint64_t from = req->slba << ns->lba_shift;

	for (uint16_t i = 0; i < req->nr_iov; i++) {
		uint8_t *mem = req->iov[i].iov_base, *end = mem + req->iov[i].iov_len;

		while (mem < end) {
			size_t off = from & (size - 1);
			size_t len = min_of(size - off, (size_t)(end - mem));

			if (mem != zeroes)
				fn(req, mem, from >> page_shift(ns));
			mem += len;
			from += len;
		}
	}
}

static void put_page(struct nvmet_req *req, uint8_t *page, uint64_t index)
{
	(void)index;
	nvmet_page_put(req->ns->priv, req->sq->core->index, page);
}

static void publish_page(struct nvmet_req *req, uint8_t *page, uint64_t index)
{
	nvmet_page_publish(req->ns->priv, req->sq->core->index, index, page);
}

static void mem_unmap(struct nvmet_req *req)
{
	each_page(req, put_page);
	put_list(req);
}

/* ---- data through a buffer ---- */

static void read_out(struct nvmet_req *req)
{
	const struct nvmet_ns *ns = req->ns;
	int core = req->sq->core->index;
	uint64_t from = req->slba << ns->lba_shift;
	size_t left = (size_t)req->nlb << ns->lba_shift, size = page_size(ns);
	uint8_t *dst = req->buf;

	while (left) {
		size_t off = from & (size - 1), len = min_of(size - off, left);
		const uint8_t *page = nvmet_page_pin(ns->priv, core, from >> page_shift(ns));

		memcpy(dst, page ? page + off : zeroes, len);
		if (page)
			nvmet_page_put(ns->priv, core, page);
		dst += len;
		from += len;
		left -= len;
	}
}

static void write_out(struct nvmet_ns *ns, int core, uint64_t from, const uint8_t *src, size_t left)
{
	size_t size = page_size(ns);

	while (left) {
		size_t off = from & (size - 1), len = min_of(size - off, left);

		nvmet_page_write(ns->priv, core, from >> page_shift(ns), off, src, len);
		src += src ? len : 0;
		from += len;
		left -= len;
	}
}

/* ---- zeroes ---- */

/* Begins with a range: the parts of pages at its ends are done at once. */
static void clear_begin(struct mem_clear *mc, uint64_t slba, uint64_t nlb)
{
	struct nvmet_ns *ns = mc->req->ns;
	int core = mc->req->sq->core->index;
	uint64_t size = page_size(ns);
	uint64_t from = slba << ns->lba_shift, to = from + (nlb << ns->lba_shift);
	uint64_t first = round_up_to(from, size), last = to & ~(size - 1);

	mc->nr_parts = 0;
	if (first > last) {
		write_out(ns, core, from, NULL, to - from);
		return;
	}
	write_out(ns, core, from, NULL, first - from);
	write_out(ns, core, last, NULL, to - last);
	mc->part = first >> page_shift(ns);
	mc->nr_parts = (last - first) >> page_shift(ns);
}

/* Return: whether there was another range, which may hold no whole part. */
static bool clear_next(struct mem_clear *mc)
{
	struct nvmet_req *req = mc->req;
	const struct nvme_dsm_range *range = (const struct nvme_dsm_range *)req->buf + mc->range;
	bool dsm = req->op == NVMET_OP_DISCARD;

	if (mc->range == (dsm ? req->nlb : 1))
		return false;
	mc->range++;
	if (dsm)
		clear_begin(mc, le64toh(range->slba), le32toh(range->nlb));
	else
		clear_begin(mc, req->slba, req->nlb);
	return true;
}

static void clear_slice(struct loop_work *w)
{
	struct mem_clear *mc = container_of(w, struct mem_clear, work);
	struct nvmet_req *req = mc->req;
	struct nvmet_core *core = req->sq->core;
	uint32_t left = CLEAR_BUDGET;

	/* Nobody waits any more when the queue is gone. */
	while (!req->sq->dead && (mc->nr_parts || clear_next(mc))) {
		uint64_t done;

		if (!left) {
			loop_defer(core->loop, &mc->work);
			return;
		}
		done = nvmet_pages_clear(req->ns->priv, core->index, mc->part, mc->nr_parts, left);
		mc->part += done;
		mc->nr_parts -= done;
		left -= (uint32_t)min_of(done, (uint64_t)left);
	}
	nvmet_ns_complete(req, 0);
}

static void clear(struct nvmet_req *req)
{
	struct mem_clear *mc = (struct mem_clear *)req->ns_priv;

	mc->req = req;
	mc->range = 0;
	mc->nr_parts = 0;
	loop_work_init(&mc->work, clear_slice);
	clear_slice(&mc->work);
}

/* ---- commands ---- */

static void mem_read(struct nvmet_req *req)
{
	if (!req->mapped)
		read_out(req);
}

static void mem_write(struct nvmet_req *req)
{
	if (!req->mapped) {
		write_out(req->ns, req->sq->core->index, req->slba << req->ns->lba_shift, req->buf,
			  (size_t)req->nlb << req->ns->lba_shift);
		return;
	}
	each_page(req, publish_page);
	put_list(req);
	req->mapped = false;
}

static void mem_submit(struct nvmet_req *req)
{
	switch (req->op) {
	case NVMET_OP_READ:
		mem_read(req);
		break;
	case NVMET_OP_WRITE:
		mem_write(req);
		break;
	case NVMET_OP_WRITE_ZEROES:
	case NVMET_OP_DISCARD:
		clear(req);
		return;
	}
	nvmet_ns_complete(req, 0);
}

const struct nvmet_ns_ops nvmet_ns_mem_ops = {
	.name = "mem",
	.open = mem_open,
	.close = mem_close,
	.map = mem_map,
	.unmap = mem_unmap,
	.submit = mem_submit,
};
