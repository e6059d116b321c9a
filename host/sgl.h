/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGLs in memory, for data so scattered that PRPs cannot describe it. I/O commands only: a PCIe
 * controller takes PRPs for all admin commands.
 * NVM Express Base Specification 2.x, "Scatter Gather List (SGL)".
 */
#ifndef HOST_SGL_H
#define HOST_SGL_H

#include <sys/uio.h>

#include "common/nvme.h"
#include "host/prp.h"

enum nvmh_sgl_rule {
	NVMH_SGL_NONE,
	NVMH_SGL_BYTES,	 /* any address, any length */
	NVMH_SGL_DWORDS, /* multiples of 4 */
};

/* nvmh_sgl_rule() - what Identify Controller's SGLS says. Return: enum nvmh_sgl_rule. */
static inline uint8_t nvmh_sgl_rule(uint32_t sgls)
{
	switch (sgls & NVME_CTRL_SGLS_SUPPORTED) {
	case 1:
		return NVMH_SGL_BYTES;
	case 2:
		return NVMH_SGL_DWORDS;
	default:
		return NVMH_SGL_NONE;
	}
}

/**
 * nvmh_sgl_build() - describe the data of one command
 * @rule: NVMH_SGL_BYTES or NVMH_SGL_DWORDS.
 * @iov, @nr_iov: the data. Pieces of length 0 are skipped.
 * @len: their sum in bytes, > 0.
 * @list: memory for the descriptors, two of its entries each.
 * @sgl: written on success only.
 *
 * Context: the queue's owner. Return: 0; -EINVAL, the sum is another, or a piece does not keep to
 *	@rule; -EFAULT, not in memory that the device reaches; -EMSGSIZE, more pieces than fit.
 */
int nvmh_sgl_build(const struct nvmh_dma *dma, struct nvmh_dma_region *cache, uint8_t rule,
		   const struct iovec *iov, uint32_t nr_iov, uint32_t len,
		   const struct nvmh_prp_list *list, struct nvme_sgl *sgl);

#endif /* HOST_SGL_H */
