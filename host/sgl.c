// SPDX-License-Identifier: BSD-2-Clause
/*
 * SGLs from iovecs: one data block in the command, or a last segment of data blocks in the memory
 * that PRP lists use otherwise. The queue's owner: no allocation, no log. Entry point:
 * nvmh_sgl_build(). NVM Express Base Specification 2.x, "SGL Descriptor Types".
 */
#include "host/sgl.h"

#include <errno.h>

static struct nvme_sgl descriptor(uint64_t addr, size_t len, uint8_t type)
{
	return (struct nvme_sgl){
		.addr = le64_make(addr),
		.length = le32_make((uint32_t)len),
		.type = type,
	};
}

int nvmh_sgl_build(const struct nvmh_dma *dma, struct nvmh_dma_region *cache, uint8_t rule,
		   const struct iovec *iov, uint32_t nr_iov, uint32_t len,
		   const struct nvmh_prp_list *list, struct nvme_sgl *sgl)
{
	struct nvme_sgl *entry = (struct nvme_sgl *)list->entry;
	uint32_t mask = rule == NVMH_SGL_DWORDS ? 3 : 0;
	uint32_t room = list->nr * sizeof(le64_t) / sizeof(*entry);
	uint32_t left = len;
	uint32_t nr = 0;
	uint64_t iova;
	uint32_t i;
	int ret;

	for (i = 0; i < nr_iov; i++) {
		if (!iov[i].iov_len)
			continue;
		if (iov[i].iov_len > left)
			return -EINVAL;
		ret = nvmh_dma_find(dma, cache, (uintptr_t)iov[i].iov_base, iov[i].iov_len, &iova);
		if (ret)
			return ret;
		if ((iova | iov[i].iov_len) & mask)
			return -EINVAL;
		if (nr == room)
			return -EMSGSIZE;
		entry[nr++] = descriptor(iova, iov[i].iov_len, NVME_SGL_DATA_ADDR);
		left -= (uint32_t)iov[i].iov_len;
	}
	if (left || !nr)
		return -EINVAL;
	*sgl = nr == 1 ? entry[0]
		       : descriptor(list->iova, nr * sizeof(*entry), NVME_SGL_LAST_SEGMENT_ADDR);
	return 0;
}
