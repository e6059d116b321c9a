// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of memory that a device may reach. Additions and allocations: the controller's thread;
 * look-ups: any queue's owner, without locks: a table is published whole and stays until the end.
 * Entry points: nvmh_dma_alloc(), nvmh_dma_add(), nvmh_dma_find().
 */
#include "host/dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

#define HUGE_MASK UINT64_C(0x1fffff) /* 2 MiB */

void nvmh_dma_init(struct nvmh_dma *dma, const struct nvmh_dma_range *range, uint32_t nr)
{
	memset(dma, 0, sizeof(*dma));
	dma->nr_ranges = min_of(nr, (uint32_t)NVMH_DMA_MAX_RANGES);
	if (nr)
		memcpy(dma->range, range, dma->nr_ranges * sizeof(*range));
	/* A device may take address 0 for none. */
	dma->at = dma->nr_ranges ? max_of(dma->range[0].first, HUGE_MASK + 1) : 0;
}

void nvmh_dma_done(struct nvmh_dma *dma)
{
	struct nvmh_dma_table *table = atomic_load(&dma->table);
	struct nvmh_dma_table *older;

	for (; table; table = older) {
		older = table->older;
		free(table);
	}
	memset(dma, 0, sizeof(*dma));
}

bool nvmh_dma_overlaps(const struct nvmh_dma *dma, uint64_t first, uint64_t last, uint64_t *end)
{
	const struct nvmh_dma_table *table = atomic_load(&dma->table);
	uint32_t i;

	for (i = 0; table && i < table->nr; i++) {
		const struct nvmh_dma_region *r = &table->region[i];

		if (r->iova <= last && r->iova + (r->len - 1) >= first) {
			*end = r->iova + (r->len - 1);
			return true;
		}
	}
	return false;
}

int nvmh_dma_alloc(struct nvmh_dma *dma, uintptr_t va, size_t len, uint64_t *iova)
{
	uint32_t at_range = dma->at_range;
	uint64_t at = dma->at;
	uint64_t taken;
	uint64_t start;
	uint64_t end;

	for (; dma->at_range < dma->nr_ranges; dma->at_range++) {
		const struct nvmh_dma_range *r = &dma->range[dma->at_range];

again:
		start = max_of(dma->at, r->first);
		if (!__builtin_add_overflow(start, (va - start) & HUGE_MASK, &start) && len &&
		    !__builtin_add_overflow(start, len - 1, &end) && end <= r->last &&
		    end != UINT64_MAX) {
			/* a BAR that lies at its own address */
			if (unlikely(nvmh_dma_overlaps(dma, start, end, &taken))) {
				dma->at = taken + 1;
				goto again;
			}
			dma->at = end + 1;
			*iova = start;
			return 0;
		}
		/* what is left of this range stays unused: there are few allocations, and they are
		 * large */
	}
	/* something smaller may still fit */
	dma->at_range = at_range;
	dma->at = at;
	return -ENOSPC;
}

/* Index of the first region whose end is above @va. */
static uint32_t lower_bound(const struct nvmh_dma_table *table, uintptr_t va)
{
	uint32_t lo = 0;
	uint32_t hi = table ? table->nr : 0;
	uint32_t mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (table->region[mid].va + (table->region[mid].len - 1) < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int nvmh_dma_add(struct nvmh_dma *dma, uintptr_t va, size_t len, uint64_t iova)
{
	struct nvmh_dma_table *old = atomic_load(&dma->table);
	uint32_t nr = old ? old->nr : 0;
	struct nvmh_dma_table *table;
	uintptr_t last;
	uint32_t at;

	if (!len || __builtin_add_overflow(va, len - 1, &last))
		return -EINVAL;
	at = lower_bound(old, va);
	if (at < nr && old->region[at].va <= last)
		return -EEXIST;
	if (nr == NVMH_DMA_MAX_REGIONS)
		return -ENOSPC;
	table = malloc(sizeof(*table) + (nr + 1) * sizeof(table->region[0]));
	if (!table)
		return -ENOMEM;
	table->older = old;
	table->nr = nr + 1;
	if (nr) {
		memcpy(table->region, old->region, at * sizeof(table->region[0]));
		memcpy(table->region + at + 1, old->region + at,
		       (nr - at) * sizeof(table->region[0]));
	}
	table->region[at] = (struct nvmh_dma_region){ .va = va, .iova = iova, .len = len };
	atomic_store(&dma->table, table);
	return 0;
}

int nvmh_dma_find(const struct nvmh_dma *dma, struct nvmh_dma_region *cache, uintptr_t va,
		  size_t len, uint64_t *iova)
{
	const struct nvmh_dma_table *table;
	uint32_t at;

	/* va below the region wraps to a large offset */
	if (unlikely(va - cache->va >= cache->len || len > cache->len - (va - cache->va))) {
		table = atomic_load_explicit(&dma->table, memory_order_acquire);
		at = lower_bound(table, va);
		if (!table || at == table->nr || va < table->region[at].va ||
		    len > table->region[at].len - (va - table->region[at].va))
			return -EFAULT;
		*cache = table->region[at];
	}
	*iova = cache->iova + (va - cache->va);
	return 0;
}
