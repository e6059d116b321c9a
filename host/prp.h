/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical Region Pages: the two pointers, and where they do not suffice the list, that tell a PCIe controller where
 * the data of a command lies.
 * NVM Express Base Specification 2.x, "Physical Region Page Entry and List".
 */
#ifndef HOST_PRP_H
#define HOST_PRP_H

#include <sys/uio.h>

#include "common/nvme.h"
#include "common/util.h"
#include "host/dma.h"

/* Memory for one command's list, contiguous for us and for the device. */
struct nvmh_prp_list {
	le64_t *entry;
	uint64_t iova; /* of entry[0]; 8-byte aligned */
	uint32_t nr;   /* entries there is room for */
};

/**
 * nvmh_prp_build() - describe the data of one command
 * @iov, @nr_iov: the data. The first piece may start anywhere at a multiple of 4; each later one starts and each but the last
 *	ends at a page boundary. Pieces of length 0 are skipped.
 * @len: their sum in bytes, > 0.
 * @page_size: CC.MPS in bytes.
 * @prps: written on success only.
 *
 * Context: the queue's owner. Return: 0; -EINVAL, PRPs cannot describe it; -EFAULT, not in memory that the device reaches;
 *	-EMSGSIZE, the list is too short.
 */
int nvmh_prp_build(const struct nvmh_dma *dma, struct nvmh_dma_region *cache,
		   const struct iovec *iov, uint32_t nr_iov, uint32_t len, uint32_t page_size,
		   const struct nvmh_prp_list *list, struct nvme_prps *prps);

#endif /* HOST_PRP_H */
