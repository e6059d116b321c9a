// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace that forgets: writes are dropped, reads are zeroes. For measuring everything but
 * storage, so data is neither kept nor made: all reads send the same few pages. Runs on the cores.
 * Entry point: nvmet_ns_null_ops.
 */
#include "target/ns.h"

enum {
	ZERO_BYTES = 128 << 10,
	ZERO_PIECES = NVMET_NS_PRIV / sizeof(struct iovec),
};

static_assert((size_t)ZERO_BYTES * ZERO_PIECES >= MAX_XFER_BYTES, "the largest read fits");

static const uint8_t zeroes[ZERO_BYTES];

static int null_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	ns->lba_shift = (uint8_t)__builtin_ctz(cfg->block_size);
	ns->nsze = cfg->size_bytes >> ns->lba_shift;
	ns->can_discard = true;
	ns->can_write_zeroes = true;
	ns->reads_zero_after_discard = true;
	return 0;
}

static void null_close(struct nvmet_ns *ns)
{
	(void)ns;
}

static bool null_map(struct nvmet_req *req)
{
	if (req->op == NVMET_OP_WRITE) {
		req->drop_data = true;
		return true;
	}
	req->iov = (struct iovec *)req->ns_priv;
	req->nr_iov = 0;
	for (uint32_t left = req->data_len; left;) {
		uint32_t len = min_of(left, (uint32_t)ZERO_BYTES);

		req->iov[req->nr_iov++] = (struct iovec){ (void *)(uintptr_t)zeroes, len };
		left -= len;
	}
	return true;
}

static void null_unmap(struct nvmet_req *req)
{
	(void)req;
}

static void null_submit(struct nvmet_req *req)
{
	if (req->op == NVMET_OP_READ && !req->mapped)
		memset(req->buf, 0, (size_t)req->nlb << req->ns->lba_shift);
	nvmet_ns_complete(req, 0);
}

const struct nvmet_ns_ops nvmet_ns_null_ops = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.map = null_map,
	.unmap = null_unmap,
	.submit = null_submit,
};
