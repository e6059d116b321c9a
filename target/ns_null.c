// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace that forgets: writes are dropped, reads are zeroes. For measuring everything but
 * storage. Runs on the cores. Entry point: nvmet_ns_null_ops.
 */
#include "target/ns.h"

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

static void null_submit(struct nvmet_req *req)
{
	if (req->op == NVMET_OP_READ)
		memset(req->buf, 0, (size_t)req->nlb << req->ns->lba_shift);
	nvmet_ns_complete(req, 0);
}

const struct nvmet_ns_ops nvmet_ns_null_ops = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.submit = null_submit,
};
