// SPDX-License-Identifier: BSD-2-Clause
/*
 * A PCI function through VFIO, as far as both of VFIO's interfaces (vfio_type1.c, vfio_iommufd.c)
 * share it: registers, configuration space, memory, reset. The controller's thread; ioctls may take
 * as long as a reset takes. Entry points: nvmh_vfio_open(), nvmh_vfio_map(), nvmh_vfio_reset(),
 * nvmh_vfio_close(). Linux, Documentation/driver-api/vfio.rst, <linux/vfio.h>.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "host/ctrl.h"
#include "host/vfio_impl.h"

enum {
	INFO_MAX = 64 << 10, /* bytes of an answer with capabilities */
	BAR_MIN = 0x1008,    /* registers and the admin queue's doorbells */
};

/* ---- VFIO's answers ---- */

const void *nvmh_vfio_find_cap(const void *info, size_t size, uint32_t off, uint16_t id, size_t min)
{
	struct vfio_info_cap_header header;
	uint32_t before = 0;

	while (off > before && off + sizeof(header) <= size) {
		memcpy(&header, (const char *)info + off, sizeof(header));
		if (header.id == id && size - off >= min)
			return (const char *)info + off;
		before = off;
		off = header.next;
	}
	return NULL;
}

void *nvmh_vfio_get_info(int fd, unsigned long request, const void *head, size_t head_size,
			 size_t *size)
{
	uint32_t want = (uint32_t)head_size;
	char *info = NULL;
	char *more;

	for (;;) {
		more = realloc(info, want);
		if (!more) {
			free(info);
			return NULL;
		}
		info = more;
		memset(info, 0, want);
		memcpy(info, head, head_size);
		memcpy(info, &want, sizeof(want)); /* argsz is the first field of all of them */
		*size = want;
		if (ioctl(fd, request, info)) {
			free(info);
			return NULL;
		}
		memcpy(&want, info, sizeof(want));
		if (want <= *size || want > INFO_MAX)
			return info;
	}
}

/* ---- the device ---- */

int nvmh_vfio_region(const struct nvmh_vfio *vfio, uint32_t index, struct vfio_region_info *region,
		     void **infop, size_t *size)
{
	struct vfio_region_info head = { .argsz = sizeof(head), .index = index };
	void *info;

	info = nvmh_vfio_get_info(vfio->device_fd, VFIO_DEVICE_GET_REGION_INFO, &head, sizeof(head),
				  size);
	if (!info)
		return -errno;
	memcpy(region, info, sizeof(*region));
	if (infop)
		*infop = info;
	else
		free(info);
	return 0;
}

/* How much of BAR 0 can be mapped from its start: all of it, or up to a page (the MSI-X table's)
 * that must not be. */
uint64_t nvmh_vfio_mappable(const struct vfio_region_info *region, const void *info, size_t size,
			    uint64_t off)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
	const char *at = NULL;
	uint32_t i;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) || off > region->size)
		return 0;
	if (region->flags & VFIO_REGION_INFO_FLAG_CAPS)
		at = nvmh_vfio_find_cap(info, size, region->cap_offset,
					VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(cap));
	if (!at)
		return region->size - off;
	memcpy(&cap, at, sizeof(cap));
	at += sizeof(cap);
	for (i = 0; i < cap.nr_areas && at + sizeof(area) <= (const char *)info + size;
	     i++, at += sizeof(area)) {
		memcpy(&area, at, sizeof(area));
		if (off >= area.offset && off - area.offset < area.size)
			return min_of(area.size - (off - area.offset), region->size - off);
	}
	return 0;
}

static int map_bar(struct nvmh_vfio *vfio)
{
	struct vfio_region_info region;
	size_t size;
	void *info;
	int ret;

	ret = nvmh_vfio_region(vfio, VFIO_PCI_BAR0_REGION_INDEX, &region, &info, &size);
	if (ret)
		return nvmh_error(ret, "%s: no answer about BAR 0 (%s)", vfio->bdf,
				  strerrorname_np(-ret));
	vfio->bar_len = nvmh_vfio_mappable(&region, info, size, 0);
	free(info);
	if (vfio->bar_len < BAR_MIN)
		return nvmh_error(
			-ENOTSUP,
			"%s: its registers cannot be mapped (BAR 0 has %llu bytes, %zu of them mappable)",
			vfio->bdf, (unsigned long long)region.size, vfio->bar_len);
	vfio->bar = mmap(NULL, vfio->bar_len, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device_fd,
			 (off_t)region.offset);
	if (vfio->bar == MAP_FAILED)
		return nvmh_error(-errno, "%s: BAR 0 cannot be mapped: %m", vfio->bdf);
	return 0;
}

int nvmh_vfio_read_config(const struct nvmh_vfio *vfio, uint32_t off, void *buf, size_t len)
{
	ssize_t n = pread(vfio->device_fd, buf, len, (off_t)(vfio->config_off + off));

	return n == (ssize_t)len ? 0 : -EIO;
}

int nvmh_vfio_set_command(const struct nvmh_vfio *vfio, uint16_t set, uint16_t clear)
{
	uint16_t command;

	if (nvmh_vfio_read_config(vfio, PCI_COMMAND, &command, sizeof(command)))
		return -EIO;
	command = htole16((uint16_t)((le16toh(command) | set) & ~clear));
	if (pwrite(vfio->device_fd, &command, sizeof(command),
		   (off_t)(vfio->config_off + PCI_COMMAND)) != sizeof(command))
		return -EIO;
	return 0;
}

static int enable_device(struct nvmh_vfio *vfio)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info config;
	int ret;

	if (ioctl(vfio->device_fd, VFIO_DEVICE_GET_INFO, &info))
		return nvmh_error(-errno, "%s: VFIO does not describe the device: %m", vfio->bdf);
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return nvmh_error(-ENOTSUP, "%s is no PCI device to VFIO", vfio->bdf);
	vfio->flags = info.flags;
	ret = nvmh_vfio_region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL, &(size_t){ 0 });
	if (ret)
		return nvmh_error(ret, "%s: no access to its configuration space", vfio->bdf);
	vfio->config_off = config.offset;
	ret = nvmh_vfio_set_command(
		vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 0);
	if (ret)
		return nvmh_error(ret, "%s: its PCI command register cannot be written", vfio->bdf);
	return map_bar(vfio);
}

/* ---- open and close ---- */

int nvmh_vfio_no_permission(int err, const char *path, const char *bdf)
{
	return nvmh_error(err,
			  "no permission to open %s for %s: run as root, or give the file to the "
			  "daemon's user (chown, or a udev rule)",
			  path, bdf);
}

static int check_function(struct nvmh_vfio *vfio, const char *bdf, struct nvmh_pci_info *infop)
{
	struct nvmh_pci_info info;
	int ret;

	ret = nvmh_pci_info(bdf, &info);
	if (ret)
		return ret;
	memcpy(vfio->bdf, info.bdf, sizeof(vfio->bdf));
	vfio->vendor = info.vendor;
	vfio->device = info.device;
	if (info.class_code != NVMH_PCI_CLASS_NVME)
		return nvmh_error(-EINVAL, "%s is no NVMe controller (PCI class %06x)", vfio->bdf,
				  info.class_code);
	if (info.iommu_group < 0)
		return nvmh_error(
			-ENOTSUP,
			"%s has no IOMMU: enable VT-d or AMD-Vi in the firmware, and boot with "
			"intel_iommu=on (Intel)",
			vfio->bdf);
	if (strcmp(info.driver, "vfio-pci"))
		return nvmh_error(-ENXIO,
				  "%s is bound to %s, not to vfio-pci: run nvmetcpd --bind %s",
				  vfio->bdf, info.driver[0] ? info.driver : "no driver", vfio->bdf);
	/* the kernel resets it in opening and in closing, and waits a minute for an answer */
	if (nvmh_pci_silent(vfio->bdf))
		return nvmh_error(
			-ENODEV,
			"%s does not answer (its PCI configuration reads all ones): its slot "
			"has no power, or its link is down",
			vfio->bdf);
	*infop = info;
	return 0;
}

static int open_with(struct nvmh_vfio *vfio, const struct vfio_iommu_ops *ops,
		     const struct nvmh_pci_info *info)
{
	int ret;

	vfio->ops = ops;
	ret = ops->open(vfio, info);
	if (!ret)
		return 0;
	if (vfio->device_fd >= 0)
		close(vfio->device_fd);
	vfio->device_fd = -1;
	ops->close(vfio);
	return ret;
}

/* The device's own file, where there is one and we may open it, else its group. */
static int open_interface(struct nvmh_vfio *vfio, const struct nvmh_pci_info *info)
{
	const char *want = secure_getenv("NVMH_VFIO");
	int ret;

	if (want && !strcmp(want, nvmh_vfio_type1_ops.name))
		return open_with(vfio, &nvmh_vfio_type1_ops, info);
	if (want && !strcmp(want, nvmh_vfio_iommufd_ops.name))
		return open_with(vfio, &nvmh_vfio_iommufd_ops, info);
	if (want && strcmp(want, "auto"))
		return nvmh_error(-EINVAL, "NVMH_VFIO is \"%s\": auto, cdev or group", want);
	ret = open_with(vfio, &nvmh_vfio_iommufd_ops, info);
	if (ret == -ENOENT || ret == -ENODEV || ret == -EACCES || ret == -EPERM)
		ret = open_with(vfio, &nvmh_vfio_type1_ops, info);
	return ret;
}

int nvmh_vfio_open(const char *bdf, struct nvmh_vfio **vfiop)
{
	struct nvmh_vfio *vfio = calloc(1, sizeof(*vfio));
	struct nvmh_pci_info info;
	int ret;

	if (!vfio)
		return nvmh_error(-ENOMEM, "out of memory");
	vfio->container_fd = vfio->group_fd = vfio->iommu_fd = vfio->device_fd = -1;
	vfio->irqs.err_fd = vfio->irqs.req_fd = -1;
	vfio->bar = vfio->mem = vfio->irqs.map = MAP_FAILED;
	ret = check_function(vfio, bdf, &info);
	if (!ret)
		ret = open_interface(vfio, &info);
	if (!ret)
		ret = enable_device(vfio);
	if (!ret)
		ret = nvmh_vfio_irqs_open(vfio);
	if (ret)
		goto fail;
	log_debug("function opened bdf=%s interface=%s", vfio->bdf, vfio->ops->name);
	*vfiop = vfio;
	return 0;
fail:
	nvmh_vfio_close(vfio);
	return ret;
}

void nvmh_vfio_close(struct nvmh_vfio *vfio)
{
	if (!vfio)
		return;
	if (vfio->bar != MAP_FAILED)
		munmap(vfio->bar, vfio->bar_len);
	if (vfio->mem != MAP_FAILED)
		munmap(vfio->mem, vfio->mem_len);
	if (vfio->device_fd >= 0) {
		/* may fail where the device is gone, and then does not matter */
		nvmh_vfio_set_command(vfio, 0, PCI_COMMAND_MASTER);
		close(vfio->device_fd);
	}
	nvmh_vfio_irqs_close(vfio);
	if (vfio->ops)
		vfio->ops->close(vfio);
	nvmh_dma_done(&vfio->dma);
	free(vfio);
}

/* ---- memory, reset ---- */

static int explain_map(const struct nvmh_vfio *vfio, size_t len, int err)
{
	unsigned long long mib = (len + (1 << 20) - 1) >> 20;
	struct rlimit limit;

	if (err == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return nvmh_error(
			err,
			"%s: %llu MiB more cannot be locked in memory, the limit is %llu MiB: raise it "
			"(LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited)",
			vfio->bdf, mib, (unsigned long long)limit.rlim_cur >> 20);
	if (err == -ENOSPC)
		return nvmh_error(
			err,
			"%s: no room in the IOMMU for %llu MiB more (too many or too large areas)",
			vfio->bdf, mib);
	return nvmh_error(err, "%s: %llu MiB cannot be mapped for the device (%s)", vfio->bdf, mib,
			  strerrorname_np(-err));
}

int nvmh_vfio_map(struct nvmh_vfio *vfio, void *base, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t iova;
	int ret;

	if (!len || (uintptr_t)base % page || len % page)
		return nvmh_error(-EINVAL, "%s: memory to be mapped must be whole pages",
				  vfio->bdf);
	if (vfio->cut_off)
		return nvmh_error(-ENODEV, "%s was cut off from memory", vfio->bdf);
	ret = nvmh_dma_alloc(&vfio->dma, (uintptr_t)base, len, &iova);
	if (ret)
		return explain_map(vfio, len, ret);
	ret = vfio->ops->map(vfio, base, len, iova);
	if (ret)
		return explain_map(vfio, len, ret);
	ret = nvmh_dma_add(&vfio->dma, (uintptr_t)base, len, iova);
	if (ret) {
		vfio->ops->unmap(vfio, iova, len);
		return explain_map(vfio, len, ret);
	}
	return 0;
}

void nvmh_vfio_id(const struct nvmh_vfio *vfio, uint16_t *vendor, uint16_t *device)
{
	*vendor = vfio->vendor;
	*device = vfio->device;
}

const struct nvmh_dma *nvmh_vfio_dma(const struct nvmh_vfio *vfio)
{
	return &vfio->dma;
}

volatile void *nvmh_vfio_bar(const struct nvmh_vfio *vfio, size_t *len)
{
	*len = vfio->bar_len;
	return vfio->bar;
}

const char *nvmh_vfio_interface(const struct nvmh_vfio *vfio)
{
	return vfio->ops->name;
}

int nvmh_vfio_reset(struct nvmh_vfio *vfio)
{
	if (!(vfio->flags & VFIO_DEVICE_FLAGS_RESET))
		return -ENOTSUP;
	if (ioctl(vfio->device_fd, VFIO_DEVICE_RESET))
		return -errno;
	return nvmh_vfio_set_command(
		vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 0);
}

void nvmh_vfio_cut_off(struct nvmh_vfio *vfio)
{
	const struct nvmh_dma_table *table = atomic_load(&vfio->dma.table);
	uint32_t i;
	int ret;

	if (vfio->cut_off)
		return;
	vfio->cut_off = true;
	nvmh_vfio_set_command(vfio, 0, PCI_COMMAND_MASTER);
	for (i = 0; table && i < table->nr; i++) {
		if (table->region[i].va == (uintptr_t)vfio->mem)
			continue; /* the device's own */
		ret = vfio->ops->unmap(vfio, table->region[i].iova, table->region[i].len);
		if (ret)
			log_err("memory stays mapped for a device that is cut off bdf=%s errno=%s",
				vfio->bdf, strerrorname_np(-ret));
	}
	ret = vfio->ops->detach ? vfio->ops->detach(vfio) : 0;
	if (ret)
		log_err("device that is cut off keeps its address space bdf=%s errno=%s", vfio->bdf,
			strerrorname_np(-ret));
}
