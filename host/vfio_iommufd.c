// SPDX-License-Identifier: BSD-2-Clause
/*
 * VFIO's newer interface: the function's own device file, attached to an I/O address space of
 * iommufd. The controller's thread. Entry points: nvmh_vfio_iommufd_ops. Linux,
 * Documentation/userspace-api/iommufd.rst, Documentation/driver-api/vfio.rst ("VFIO Device cdev").
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/ctrl.h"
#include "host/iommufd_uapi.h"
#include "host/vfio_impl.h"

enum {
	PATH_BYTES = 300, /* a name is at most 255 */
};

/* "/dev/vfio/devices/vfio3": only kernels with device files say in sysfs which it is. */
static int device_path(const char *bdf, char *path, size_t size)
{
	char folder[PATH_BYTES];
	struct dirent *de;
	int ret = -ENOENT;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/bus/pci/devices/%s/vfio-dev", nvmh_pci_env.sys, bdf);
	dir = opendir(folder);
	if (!dir)
		return ret;
	while (ret && (de = readdir(dir))) {
		if (strncmp(de->d_name, "vfio", 4))
			continue;
		snprintf(path, size, "/dev/vfio/devices/%s", de->d_name);
		ret = access(path, F_OK) ? -ENOENT : 0;
	}
	closedir(dir);
	return ret;
}

static int open_file(const char *path, const char *bdf)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret = -errno;

	if (fd >= 0)
		return fd;
	if (ret == -EACCES || ret == -EPERM)
		return nvmh_vfio_no_permission(ret, path, bdf);
	if (ret == -EBUSY)
		return nvmh_error(ret, "%s is in use: another process has %s open", bdf, path);
	return nvmh_error(ret, "%s cannot be opened for %s: %m", path, bdf);
}

static int bind_device(struct nvmh_vfio *vfio, const struct nvmh_pci_info *info, const char *path)
{
	struct vfio_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = vfio->iommu_fd };
	int ret;

	if (!ioctl(vfio->device_fd, VFIO_BIND_IOMMUFD, &bind))
		return 0;
	ret = -errno;
	if ((ret == -EBUSY || ret == -EPERM) && nvmh_pci_group_alone(vfio->bdf, info->iommu_group))
		return -EBUSY; /* it has said why */
	if (ret == -EBUSY || ret == -EINVAL)
		return nvmh_error(-EBUSY, "%s is in use: another process has it open (%s)",
				  vfio->bdf, path);
	if (ret == -EPERM)
		return nvmh_error(
			-ENOTSUP,
			"%s: the IOMMU does not remap interrupts: enable that in the firmware (x2APIC, "
			"interrupt remapping), or load iommufd with allow_unsafe_interrupts=1",
			vfio->bdf);
	return nvmh_error(ret, "%s cannot be bound to iommufd (%s)", vfio->bdf,
			  strerrorname_np(-ret));
}

static int attach_device(struct nvmh_vfio *vfio)
{
	struct iommufd_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_attach_iommufd attach = { .argsz = sizeof(attach) };

	if (ioctl(vfio->iommu_fd, IOMMUFD_IOAS_ALLOC, &alloc))
		return nvmh_error(-errno, "%s: no I/O address space (IOMMU_IOAS_ALLOC: %m)",
				  vfio->bdf);
	vfio->ioas_id = alloc.out_ioas_id;
	attach.pt_id = vfio->ioas_id;
	if (ioctl(vfio->device_fd, VFIO_ATTACH_IOMMUFD, &attach))
		return nvmh_error(-errno, "%s cannot be put behind the IOMMU: %m", vfio->bdf);
	vfio->attached = true;
	return 0;
}

/* Asked for when the function is attached: before, nothing limits the space. */
static int space_ranges(struct nvmh_vfio *vfio)
{
	struct iommufd_range answer[NVMH_DMA_MAX_RANGES];
	struct nvmh_dma_range range[NVMH_DMA_MAX_RANGES];
	struct iommufd_ioas_ranges ask = {
		.size = sizeof(ask),
		.ioas_id = vfio->ioas_id,
		.num_iovas = NVMH_DMA_MAX_RANGES,
		.allowed_iovas = (uintptr_t)answer,
	};
	uint32_t nr;
	uint32_t i;

	memset(answer, 0, sizeof(answer));
	/* with EMSGSIZE there are more than we have use for, and the first are filled in */
	if (ioctl(vfio->iommu_fd, IOMMUFD_IOAS_RANGES, &ask) && errno != EMSGSIZE)
		return nvmh_error(-errno, "%s: the IOMMU does not tell its address ranges: %m",
				  vfio->bdf);
	nr = min_of(ask.num_iovas, (uint32_t)NVMH_DMA_MAX_RANGES);
	if (!nr)
		return nvmh_error(-ENOTSUP, "%s: the IOMMU has no address ranges", vfio->bdf);
	if (ask.out_iova_alignment > (uint64_t)sysconf(_SC_PAGESIZE))
		return nvmh_error(-ENOTSUP, "%s: the IOMMU's pages are larger than the system's",
				  vfio->bdf);
	for (i = 0; i < nr; i++)
		range[i] =
			(struct nvmh_dma_range){ .first = answer[i].start, .last = answer[i].last };
	nvmh_dma_init(&vfio->dma, range, nr);
	return 0;
}

static int iommufd_open(struct nvmh_vfio *vfio, const struct nvmh_pci_info *info)
{
	char path[PATH_BYTES];
	int ret;

	if (device_path(info->bdf, path, sizeof(path)))
		return nvmh_error(-ENOENT, "the kernel has no VFIO device file for %s", vfio->bdf);
	ret = open_file("/dev/iommu", vfio->bdf);
	if (ret < 0)
		return ret;
	vfio->iommu_fd = ret;
	ret = open_file(path, vfio->bdf);
	if (ret < 0)
		return ret;
	vfio->device_fd = ret;
	ret = bind_device(vfio, info, path);
	if (!ret)
		ret = attach_device(vfio);
	if (!ret)
		ret = space_ranges(vfio);
	return ret;
}

static void iommufd_close(struct nvmh_vfio *vfio)
{
	/* its last descriptor takes the address space and the mappings with it */
	if (vfio->iommu_fd >= 0)
		close(vfio->iommu_fd);
	vfio->iommu_fd = -1;
	vfio->attached = false;
}

static int iommufd_map(struct nvmh_vfio *vfio, void *base, size_t len, uint64_t iova)
{
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE | IOMMUFD_MAP_WRITEABLE,
		.ioas_id = vfio->ioas_id,
		.user_va = (uintptr_t)base,
		.length = len,
		.iova = iova,
	};

	return ioctl(vfio->iommu_fd, IOMMUFD_IOAS_MAP, &map) ? -errno : 0;
}

static int iommufd_unmap(struct nvmh_vfio *vfio, uint64_t iova, size_t len)
{
	struct iommufd_ioas_unmap un = {
		.size = sizeof(un),
		.ioas_id = vfio->ioas_id,
		.iova = iova,
		.length = len,
	};

	return ioctl(vfio->iommu_fd, IOMMUFD_IOAS_UNMAP, &un) ? -errno : 0;
}

static int iommufd_detach(struct nvmh_vfio *vfio)
{
	struct vfio_detach_iommufd detach = { .argsz = sizeof(detach) };
	struct iommufd_destroy destroy = { .size = sizeof(destroy), .id = vfio->ioas_id };

	if (!vfio->attached)
		return 0;
	if (ioctl(vfio->device_fd, VFIO_DETACH_IOMMUFD, &detach))
		return -errno;
	vfio->attached = false;
	return ioctl(vfio->iommu_fd, IOMMUFD_DESTROY, &destroy) ? -errno : 0;
}

const struct vfio_iommu_ops nvmh_vfio_iommufd_ops = {
	.name = "cdev",
	.open = iommufd_open,
	.close = iommufd_close,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.detach = iommufd_detach,
};
