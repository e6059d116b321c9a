// SPDX-License-Identifier: BSD-2-Clause
/*
 * VFIO's older interface: a function's IOMMU group in a type1 container of its own. The controller's
 * thread. Entry points: nvmh_vfio_type1_ops. Linux, Documentation/driver-api/vfio.rst,
 * <linux/vfio.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/ctrl.h"
#include "host/vfio_impl.h"

static int open_container(struct nvmh_vfio *vfio)
{
	vfio->container_fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container_fd < 0 && (errno == ENOENT || errno == ENODEV))
		return nvmh_error(-ENOENT, "/dev/vfio/vfio is not there: run modprobe vfio-pci");
	if (vfio->container_fd < 0)
		return nvmh_error(-errno, "/dev/vfio/vfio cannot be opened: %m");
	if (ioctl(vfio->container_fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return nvmh_error(-ENOTSUP, "the kernel's VFIO has another API version than %d",
				  VFIO_API_VERSION);
	if (ioctl(vfio->container_fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return nvmh_error(
			-ENOTSUP,
			"the kernel's VFIO has no type1 IOMMU: run modprobe vfio_iommu_type1");
	return 0;
}

static int open_group(struct nvmh_vfio *vfio, int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	vfio->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group_fd < 0) {
		ret = -errno;
		if (ret == -EBUSY)
			return nvmh_error(ret, "%s is in use: another process has %s open",
					  vfio->bdf, path);
		if (ret == -EACCES || ret == -EPERM)
			return nvmh_vfio_no_permission(ret, path, vfio->bdf);
		if (ret == -ENOENT)
			return nvmh_error(
				-ENOTSUP,
				"%s is not there for %s: is an IOMMU enabled (intel_iommu=on)?",
				path, vfio->bdf);
		return nvmh_error(ret, "%s cannot be opened for %s: %m", path, vfio->bdf);
	}
	if (ioctl(vfio->group_fd, VFIO_GROUP_GET_STATUS, &status))
		return nvmh_error(-errno, "%s: the state of its group cannot be read: %m",
				  vfio->bdf);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		ret = nvmh_pci_group_alone(vfio->bdf, group);
		return ret ? ret
			   : nvmh_error(
				     -EBUSY,
				     "%s shares IOMMU group %d with a device that a kernel driver has",
				     vfio->bdf, group);
	}
	if (ioctl(vfio->group_fd, VFIO_GROUP_SET_CONTAINER, &vfio->container_fd))
		return nvmh_error(-errno, "%s cannot be given a VFIO container: %m", vfio->bdf);
	if (!ioctl(vfio->container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return 0;
	if (errno == EPERM)
		return nvmh_error(
			-ENOTSUP,
			"%s: the IOMMU does not remap interrupts: enable that in the firmware (x2APIC, "
			"interrupt remapping), or load vfio_iommu_type1 with allow_unsafe_interrupts=1",
			vfio->bdf);
	return nvmh_error(-errno, "%s cannot be put behind the IOMMU: %m", vfio->bdf);
}

/* The addresses the IOMMU offers: less than 64 bits, with a hole for interrupts. */
static int container_ranges(struct nvmh_vfio *vfio)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) };
	struct vfio_iommu_type1_info_cap_iova_range cap;
	struct nvmh_dma_range range[NVMH_DMA_MAX_RANGES];
	struct vfio_iova_range one;
	const char *at = NULL;
	uint32_t nr = 0;
	size_t size;
	void *info;

	info = nvmh_vfio_get_info(vfio->container_fd, VFIO_IOMMU_GET_INFO, &head, sizeof(head),
				  &size);
	if (!info)
		return nvmh_error(-errno, "%s: the IOMMU does not tell its address ranges: %m",
				  vfio->bdf);
	memcpy(&head, info, sizeof(head));
	if (head.flags & VFIO_IOMMU_INFO_CAPS)
		at = nvmh_vfio_find_cap(info, size, head.cap_offset,
					VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(cap));
	if (at) {
		memcpy(&cap, at, sizeof(cap));
		at += sizeof(cap);
		for (; nr < cap.nr_iovas && nr < NVMH_DMA_MAX_RANGES; nr++, at += sizeof(one)) {
			if (at + sizeof(one) > (const char *)info + size)
				break;
			memcpy(&one, at, sizeof(one));
			range[nr] = (struct nvmh_dma_range){ .first = one.start, .last = one.end };
		}
	}
	free(info);
	if (!nr)
		return nvmh_error(-ENOTSUP,
				  "%s: the kernel's VFIO does not tell the IOMMU's address ranges",
				  vfio->bdf);
	nvmh_dma_init(&vfio->dma, range, nr);
	return 0;
}

static int type1_open(struct nvmh_vfio *vfio, const struct nvmh_pci_info *info)
{
	int ret;

	ret = open_container(vfio);
	if (!ret)
		ret = open_group(vfio, info->iommu_group);
	if (!ret)
		ret = container_ranges(vfio);
	if (ret)
		return ret;
	vfio->device_fd = ioctl(vfio->group_fd, VFIO_GROUP_GET_DEVICE_FD, vfio->bdf);
	if (vfio->device_fd < 0)
		return nvmh_error(-errno, "%s cannot be opened through VFIO: %m", vfio->bdf);
	return 0;
}

static void type1_close(struct nvmh_vfio *vfio)
{
	/* the container's last group takes its mappings with it */
	if (vfio->group_fd >= 0)
		close(vfio->group_fd);
	if (vfio->container_fd >= 0)
		close(vfio->container_fd);
	vfio->group_fd = vfio->container_fd = -1;
}

static int type1_map(struct nvmh_vfio *vfio, void *base, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)base,
		.size = len,
		.iova = iova,
	};

	return ioctl(vfio->container_fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int type1_unmap(struct nvmh_vfio *vfio, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap un = { .argsz = sizeof(un), .iova = iova, .size = len };

	return ioctl(vfio->container_fd, VFIO_IOMMU_UNMAP_DMA, &un) ? -errno : 0;
}

const struct vfio_iommu_ops nvmh_vfio_type1_ops = {
	.name = "group",
	.open = type1_open,
	.close = type1_close,
	.map = type1_map,
	.unmap = type1_unmap,
};
