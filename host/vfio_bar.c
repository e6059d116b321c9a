// SPDX-License-Identifier: BSD-2-Clause
/*
 * A BAR of a function that holds memory (a controller memory buffer), mapped for us and placed among
 * the addresses of the device. The controller's thread. Entry point: nvmh_vfio_bar_map().
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host/ctrl.h"
#include "host/vfio_impl.h"

/* What the device's own register says, of a BAR of 32 or 64 bits. */
static int bar_address(const struct nvmh_vfio *vfio, uint32_t bar, uint64_t *addr)
{
	uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint32_t reg[2] = { 0 };

	if (nvmh_vfio_read_config(vfio, at, &reg[0], sizeof(reg[0])))
		return -EIO;
	*addr = le32toh(reg[0]) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	if ((le32toh(reg[0]) & PCI_BASE_ADDRESS_MEM_TYPE_MASK) != PCI_BASE_ADDRESS_MEM_TYPE_64)
		return 0;
	if (bar == 5 || nvmh_vfio_read_config(vfio, at + 4, &reg[1], sizeof(reg[1])))
		return -EIO;
	*addr |= (uint64_t)le32toh(reg[1]) << 32;
	return 0;
}

/* The device's address of what was mapped at vfio->mem, entered into the table of look-ups. */
static int place_bar(struct nvmh_vfio *vfio, uint32_t bar, uint64_t off, bool own_address,
		     uint64_t *iova)
{
	uint64_t end;
	int ret;

	if (!own_address) {
		ret = nvmh_dma_alloc(&vfio->dma, (uintptr_t)vfio->mem, vfio->mem_len, iova);
	} else {
		ret = bar_address(vfio, bar, iova);
		*iova += off;
		if (!ret && nvmh_dma_overlaps(&vfio->dma, *iova, *iova + vfio->mem_len - 1, &end))
			ret = -EADDRINUSE;
	}
	return ret ? ret : nvmh_dma_add(&vfio->dma, (uintptr_t)vfio->mem, vfio->mem_len, *iova);
}

int nvmh_vfio_bar_map(struct nvmh_vfio *vfio, uint32_t bar, uint64_t off, size_t len,
		      bool own_address, void **base, uint64_t *iova)
{
	struct vfio_region_info region;
	size_t size;
	void *info;
	bool ok;
	int ret;

	if (vfio->mem != MAP_FAILED || !len)
		return nvmh_error(-EBUSY, "%s: nothing to map, or mapped already", vfio->bdf);
	ret = nvmh_vfio_region(vfio, VFIO_PCI_BAR0_REGION_INDEX + bar, &region, &info, &size);
	if (ret)
		return nvmh_error(ret, "%s: no answer about BAR %u (%s)", vfio->bdf, bar,
				  strerrorname_np(-ret));
	ok = len <= nvmh_vfio_mappable(&region, info, size, off);
	free(info);
	if (!ok)
		return nvmh_error(-ENXIO,
				  "BAR %u of %llu bytes has no %zu mappable ones at offset %llu",
				  bar, (unsigned long long)region.size, len,
				  (unsigned long long)off);
	vfio->mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device_fd,
			 (off_t)(region.offset + off));
	if (vfio->mem == MAP_FAILED)
		return nvmh_error(-errno, "%s: BAR %u cannot be mapped: %m", vfio->bdf, bar);
	vfio->mem_len = len;
	ret = place_bar(vfio, bar, off, own_address, iova);
	if (ret) {
		munmap(vfio->mem, len);
		vfio->mem = MAP_FAILED;
		return nvmh_error(ret, "%s: no address for BAR %u (%s)", vfio->bdf, bar,
				  strerrorname_np(-ret));
	}
	*base = vfio->mem;
	return 0;
}
