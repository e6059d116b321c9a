/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device may reach: a table from our addresses to its own (IOVA), and the allocation of
 * IOVAs within the ranges that the IOMMU offers. Entries are added by the controller's thread and
 * never taken away before the device is let go; queue owners look up without locks.
 */
#ifndef HOST_DMA_H
#define HOST_DMA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NVMH_DMA_MAX_RANGES = 16,
	NVMH_DMA_MAX_REGIONS = 1024, /* queues and arenas of one device: 24 KiB */
};

/* Inclusive, so that a range may end at the top of the address space. */
struct nvmh_dma_range {
	uint64_t first;
	uint64_t last;
};

struct nvmh_dma_region {
	uintptr_t va;
	uint64_t iova;
	size_t len;
};

struct nvmh_dma_table {
	struct nvmh_dma_table *older; /* replaced, but perhaps still read */
	uint32_t nr;
	struct nvmh_dma_region region[]; /* by va, disjoint */
};

struct nvmh_dma {
	struct nvmh_dma_range range[NVMH_DMA_MAX_RANGES];
	uint32_t nr_ranges;
	uint32_t at_range; /* the allocator's place */
	uint64_t at;
	_Atomic(struct nvmh_dma_table *) table;
};

/* nvmh_dma_init() - @range: ascending; what is beyond NVMH_DMA_MAX_RANGES is not used */
void nvmh_dma_init(struct nvmh_dma *dma, const struct nvmh_dma_range *range, uint32_t nr);
void nvmh_dma_done(struct nvmh_dma *dma);

/*
 * nvmh_dma_alloc() - addresses for [va, va + len) that agree with @va in their offset within 2 MiB,
 * so that huge pages stay huge in the IOMMU and every page size of the device sees the same
 * offsets. Never 0. Return: 0, -ENOSPC.
 */
int nvmh_dma_alloc(struct nvmh_dma *dma, uintptr_t va, size_t len, uint64_t *iova);

/* nvmh_dma_overlaps() - whether the device has a region within [first, last]; its last address */
bool nvmh_dma_overlaps(const struct nvmh_dma *dma, uint64_t first, uint64_t last, uint64_t *end);

/* nvmh_dma_add() - publishes a region. Return: 0, -EEXIST (overlap), -ENOSPC, -ENOMEM, -EINVAL
 * (wraps). */
int nvmh_dma_add(struct nvmh_dma *dma, uintptr_t va, size_t len, uint64_t iova);

/*
 * nvmh_dma_find() - where the device sees [va, va + len)
 * @cache: the caller's last hit, zeroed at first.
 * Return: 0, -EFAULT when it is not within one region.
 */
int nvmh_dma_find(const struct nvmh_dma *dma, struct nvmh_dma_region *cache, uintptr_t va,
		  size_t len, uint64_t *iova);

#endif /* HOST_DMA_H */
