// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace in memory: contents are gone with the daemon. Pages are taken when first written.
 *
 * Runs on the cores, which share the contents. A drive reads and writes a block as a whole whoever
 * else is at it, so the range is cut into stripes, each moved under a lock that is held for as long
 * as copying it takes. Entry point: nvmet_ns_mem_ops. NVM Command Set Specification 1.x, "Atomic
 * Operation".
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/log.h"
#include "target/ns.h"

enum {
	MEM_PAGE = 4096,
	STRIPE_SHIFT = 16, /* as large as the largest block: none lies in two stripes */
	NR_LOCKS = 64,
};

struct mem_ns {
	uint8_t *base;
	size_t len;
	pthread_mutex_t lock[NR_LOCKS]; /* of stripe n: n % NR_LOCKS */
};

static void mem_close(struct nvmet_ns *ns)
{
	struct mem_ns *m = ns->priv;

	if (!m)
		return;
	if (m->base)
		munmap(m->base, m->len);
	for (int i = 0; i < NR_LOCKS; i++)
		pthread_mutex_destroy(&m->lock[i]);
	free(m);
	ns->priv = NULL;
}

static int mem_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	struct mem_ns *m = calloc(1, sizeof(*m));
	void *base;

	if (!m)
		return -ENOMEM;
	ns->priv = m;
	for (int i = 0; i < NR_LOCKS; i++)
		pthread_mutex_init(&m->lock[i], NULL);
	m->len = cfg->size_bytes;
	base = mmap(NULL, m->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		int ret = -errno;

		log_err("no room for a namespace in memory: %s; make device.mem smaller nsid=%u bytes=%zu",
			strerror(-ret), ns->nsid, m->len);
		return ret;
	}
	m->base = base;
	madvise(base, m->len, MADV_HUGEPAGE);
	madvise(base, m->len, MADV_DONTDUMP);
	ns->lba_shift = (uint8_t)__builtin_ctz(cfg->block_size);
	ns->nsze = m->len >> ns->lba_shift;
	ns->can_discard = true;
	ns->can_write_zeroes = true;
	ns->reads_zero_after_discard = true;
	return 0;
}

static pthread_mutex_t *stripe_lock(struct mem_ns *m, uint64_t off)
{
	return &m->lock[(off >> STRIPE_SHIFT) % NR_LOCKS];
}

static void mem_copy(struct mem_ns *m, uint64_t off, uint8_t *buf, size_t len, bool write)
{
	while (len) {
		pthread_mutex_t *lock = stripe_lock(m, off);
		size_t n = min_of(len, (size_t)(BIT64(STRIPE_SHIFT) - off % BIT64(STRIPE_SHIFT)));

		pthread_mutex_lock(lock);
		memcpy(write ? m->base + off : buf, write ? buf : m->base + off, n);
		pthread_mutex_unlock(lock);
		off += n;
		buf += n;
		len -= n;
	}
}

/* Whole pages go back to the system, which gives zeroes for them later. */
static void zero(uint8_t *from, size_t len)
{
	uint8_t *to = from + len;
	uint8_t *first = (uint8_t *)round_up_to((uintptr_t)from, (uintptr_t)MEM_PAGE);
	uint8_t *last = (uint8_t *)((uintptr_t)to & ~(uintptr_t)(MEM_PAGE - 1));

	if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED)) {
		memset(from, 0, len);
		return;
	}
	memset(from, 0, (size_t)(first - from));
	memset(last, 0, (size_t)(to - last));
}

static void mem_zero(struct nvmet_ns *ns, uint64_t slba, uint64_t nlb)
{
	struct mem_ns *m = ns->priv;
	uint64_t off = slba << ns->lba_shift;
	size_t len = nlb << ns->lba_shift;
	bool one = off % BIT64(STRIPE_SHIFT) + len <= BIT64(STRIPE_SHIFT);

	/* More than one stripe: all locks, in order. Who copies holds one and waits for none. */
	for (int i = 0; i < (one ? 1 : NR_LOCKS); i++)
		pthread_mutex_lock(one ? stripe_lock(m, off) : &m->lock[i]);
	zero(m->base + off, len);
	for (int i = 0; i < (one ? 1 : NR_LOCKS); i++)
		pthread_mutex_unlock(one ? stripe_lock(m, off) : &m->lock[i]);
}

static void mem_submit(struct nvmet_req *req)
{
	struct nvmet_ns *ns = req->ns;
	uint64_t off = req->slba << ns->lba_shift;
	size_t len = (size_t)req->nlb << ns->lba_shift;
	const struct nvme_dsm_range *range;

	switch (req->op) {
	case NVMET_OP_READ:
	case NVMET_OP_WRITE:
		mem_copy(ns->priv, off, req->buf, len, req->op == NVMET_OP_WRITE);
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
