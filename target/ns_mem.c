// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace in memory: contents are gone with the daemon. Pages are taken when first written.
 * Runs on the cores; two cores writing the same block at once may mix its halves no further than two hosts on one drive could expect
 * without ordering their commands. Entry point: nvmet_ns_mem_ops.
 */
#include <errno.h>
#include <sys/mman.h>

#include "common/log.h"
#include "target/ns.h"

enum {
	MEM_PAGE = 4096,
};

static int mem_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	size_t len = cfg->size_bytes;
	void *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		int ret = -errno;

		log_err("no room for a namespace in memory: %s; make device.mem smaller nsid=%u bytes=%zu", strerror(-ret),
			ns->nsid, len);
		return ret;
	}
	madvise(base, len, MADV_HUGEPAGE);
	madvise(base, len, MADV_DONTDUMP);
	ns->priv = base;
	ns->lba_shift = (uint8_t)__builtin_ctz(cfg->block_size);
	ns->nsze = len >> ns->lba_shift;
	ns->can_discard = true;
	ns->can_write_zeroes = true;
	ns->reads_zero_after_discard = true;
	return 0;
}

static void mem_close(struct nvmet_ns *ns)
{
	if (ns->priv)
		munmap(ns->priv, ns->nsze << ns->lba_shift);
	ns->priv = NULL;
}

/* Whole pages go back to the system, which gives zeroes for them later. */
static void mem_zero(struct nvmet_ns *ns, uint64_t slba, uint64_t nlb)
{
	uint8_t *from = (uint8_t *)ns->priv + (slba << ns->lba_shift);
	uint8_t *to = from + (nlb << ns->lba_shift);
	uint8_t *first = (uint8_t *)round_up_to((uintptr_t)from, (uintptr_t)MEM_PAGE);
	uint8_t *last = (uint8_t *)((uintptr_t)to & ~(uintptr_t)(MEM_PAGE - 1));

	if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED)) {
		memset(from, 0, (size_t)(to - from));
		return;
	}
	memset(from, 0, (size_t)(first - from));
	memset(last, 0, (size_t)(to - last));
}

static void mem_submit(struct nvmet_req *req)
{
	struct nvmet_ns *ns = req->ns;
	uint8_t *at = (uint8_t *)ns->priv + (req->slba << ns->lba_shift);
	size_t len = (size_t)req->nlb << ns->lba_shift;
	const struct nvme_dsm_range *range;

	switch (req->op) {
	case NVMET_OP_READ:
		memcpy(req->buf, at, len);
		break;
	case NVMET_OP_WRITE:
		memcpy(at, req->buf, len);
		break;
	case NVMET_OP_WRITE_ZEROES:
		mem_zero(ns, req->slba, req->nlb);
		break;
	case NVMET_OP_DISCARD:
		range = (const struct nvme_dsm_range *)req->buf;
		for (uint32_t i = 0; i < req->nlb; i++)
			mem_zero(ns, le64toh(range[i].slba), le32toh(range[i].nlb));
		break;
	}
	nvmet_ns_complete(req, 0);
}

const struct nvmet_ns_ops nvmet_ns_mem_ops = {
	.name = "mem",
	.open = mem_open,
	.close = mem_close,
	.submit = mem_submit,
};
