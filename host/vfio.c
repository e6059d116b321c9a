// SPDX-License-Identifier: BSD-2-Clause
/*
 * VFIO with a type1 container of its own for each function: so each has its own IOMMU domain, and
 * what one may reach another may not. The controller's thread; ioctls may take as long as a reset
 * takes. Entry points: nvmh_vfio_open(), nvmh_vfio_map(), nvmh_vfio_reset(), nvmh_vfio_close(). Linux,
 * Documentation/driver-api/vfio.rst, <linux/vfio.h>.
 */
#include "host/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "host/ctrl.h"
#include "host/pci.h"

enum {
	INFO_MAX = 64 << 10, /* bytes of an answer with capabilities */
	BAR_MIN = 0x1008,    /* registers and the admin queue's doorbells */
	MAX_VECTORS = MAX_IO_QUEUES + 1,
};

struct nvmh_vfio {
	char bdf[16];
	int container_fd;
	int group_fd;
	int device_fd;
	int err_fd;
	int req_fd;
	void *bar; /* MAP_FAILED: not mapped */
	size_t bar_len;
	uint64_t config_off; /* PCI configuration space within device_fd */
	uint32_t flags;	     /* VFIO_DEVICE_FLAGS_* */
	uint32_t irq_index;
	uint32_t nr_vectors;
	bool cut_off;
	struct nvmh_dma dma;
};

/* ---- capability chains of VFIO's answers ---- */

/* A capability of @id within @info of @size bytes, with at least @min bytes after its place. */
static const void *find_cap(const void *info, size_t size, uint32_t off, uint16_t id, size_t min)
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

/*
 * An info ioctl whose answer may be longer than its structure: asked again with the room it wants.
 * @head: the structure with argsz and the question filled in. Return: the answer, freed by the
 * caller, with @size set; NULL with errno.
 */
static void *get_info(int fd, unsigned long request, const void *head, size_t head_size,
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

/* ---- container and group ---- */

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
			return nvmh_error(
				ret,
				"no permission to open %s for %s: run as root, or give the file to the "
				"daemon's user (chown, or a udev rule)",
				path, vfio->bdf);
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
static int read_ranges(struct nvmh_vfio *vfio)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) };
	struct vfio_iommu_type1_info_cap_iova_range cap;
	struct nvmh_dma_range range[NVMH_DMA_MAX_RANGES];
	struct vfio_iova_range one;
	const char *at = NULL;
	uint32_t nr = 0;
	size_t size;
	void *info;

	info = get_info(vfio->container_fd, VFIO_IOMMU_GET_INFO, &head, sizeof(head), &size);
	if (!info)
		return nvmh_error(-errno, "%s: the IOMMU does not tell its address ranges: %m",
				  vfio->bdf);
	memcpy(&head, info, sizeof(head));
	if (head.flags & VFIO_IOMMU_INFO_CAPS)
		at = find_cap(info, size, head.cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
			      sizeof(cap));
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

/* ---- the device ---- */

static int region_info(struct nvmh_vfio *vfio, uint32_t index, struct vfio_region_info *region,
		       void **infop, size_t *size)
{
	struct vfio_region_info head = { .argsz = sizeof(head), .index = index };
	void *info;

	info = get_info(vfio->device_fd, VFIO_DEVICE_GET_REGION_INFO, &head, sizeof(head), size);
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
static size_t mappable(const struct vfio_region_info *region, const void *info, size_t size)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
	const char *at = NULL;
	uint32_t i;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return 0;
	if (region->flags & VFIO_REGION_INFO_FLAG_CAPS)
		at = find_cap(info, size, region->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
			      sizeof(cap));
	if (!at)
		return region->size;
	memcpy(&cap, at, sizeof(cap));
	at += sizeof(cap);
	for (i = 0; i < cap.nr_areas && at + sizeof(area) <= (const char *)info + size;
	     i++, at += sizeof(area)) {
		memcpy(&area, at, sizeof(area));
		if (!area.offset)
			return min_of(area.size, region->size);
	}
	return 0;
}

static int map_bar(struct nvmh_vfio *vfio)
{
	struct vfio_region_info region;
	size_t size;
	void *info;
	int ret;

	ret = region_info(vfio, VFIO_PCI_BAR0_REGION_INDEX, &region, &info, &size);
	if (ret)
		return nvmh_error(ret, "%s: no answer about BAR 0 (%s)", vfio->bdf,
				  strerrorname_np(-ret));
	vfio->bar_len = mappable(&region, info, size);
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

static int set_command(struct nvmh_vfio *vfio, uint16_t set, uint16_t clear)
{
	uint16_t command;

	if (pread(vfio->device_fd, &command, sizeof(command),
		  (off_t)(vfio->config_off + PCI_COMMAND)) != sizeof(command))
		return -EIO;
	command = htole16((uint16_t)((le16toh(command) | set) & ~clear));
	if (pwrite(vfio->device_fd, &command, sizeof(command),
		   (off_t)(vfio->config_off + PCI_COMMAND)) != sizeof(command))
		return -EIO;
	return 0;
}

static int open_device(struct nvmh_vfio *vfio)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info config;
	int ret;

	vfio->device_fd = ioctl(vfio->group_fd, VFIO_GROUP_GET_DEVICE_FD, vfio->bdf);
	if (vfio->device_fd < 0)
		return nvmh_error(-errno, "%s cannot be opened through VFIO: %m", vfio->bdf);
	if (ioctl(vfio->device_fd, VFIO_DEVICE_GET_INFO, &info))
		return nvmh_error(-errno, "%s: VFIO does not describe the device: %m", vfio->bdf);
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return nvmh_error(-ENOTSUP, "%s is no PCI device to VFIO", vfio->bdf);
	vfio->flags = info.flags;
	ret = region_info(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL, &(size_t){ 0 });
	if (ret)
		return nvmh_error(ret, "%s: no access to its configuration space", vfio->bdf);
	vfio->config_off = config.offset;
	ret = set_command(vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE,
			  0);
	if (ret)
		return nvmh_error(ret, "%s: its PCI command register cannot be written", vfio->bdf);
	return map_bar(vfio);
}

/* ---- interrupts ---- */

static uint32_t irq_count(const struct nvmh_vfio *vfio, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(vfio->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return info.count;
}

static int set_irqs(const struct nvmh_vfio *vfio, uint32_t index, const int *fds, uint32_t nr)
{
	size_t size = sizeof(struct vfio_irq_set) + nr * sizeof(int32_t);
	struct vfio_irq_set *set = calloc(1, size);
	int32_t fd;
	uint32_t i;
	int ret;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)size;
	set->flags = (nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE) |
		     VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = nr;
	for (i = 0; i < nr; i++) {
		fd = fds[i];
		memcpy(set->data + i * sizeof(fd), &fd, sizeof(fd));
	}
	ret = ioctl(vfio->device_fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
	free(set);
	return ret;
}

int nvmh_vfio_set_vectors(struct nvmh_vfio *vfio, const int *fds, uint32_t nr)
{
	int ret;

	if (!nr || nr > vfio->nr_vectors)
		return -EINVAL;
	set_irqs(vfio, vfio->irq_index, NULL,
		 0); /* the number cannot be changed while they are on */
	ret = set_irqs(vfio, vfio->irq_index, fds, nr);
	if (ret)
		return nvmh_error(ret, "%s: %u interrupt vectors cannot be set up (%s)", vfio->bdf,
				  nr, strerrorname_np(-ret));
	return 0;
}

/* Reports of the kernel; what is not supported is done without. */
static int watch_kernel(struct nvmh_vfio *vfio, uint32_t index)
{
	int fd;

	if (!irq_count(vfio, index))
		return -1;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0 && set_irqs(vfio, index, &fd, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_irqs(struct nvmh_vfio *vfio)
{
	vfio->irq_index = VFIO_PCI_MSIX_IRQ_INDEX;
	vfio->nr_vectors = irq_count(vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	if (!vfio->nr_vectors) {
		vfio->irq_index = VFIO_PCI_MSI_IRQ_INDEX;
		vfio->nr_vectors = irq_count(vfio, VFIO_PCI_MSI_IRQ_INDEX);
	}
	if (!vfio->nr_vectors)
		return nvmh_error(-ENOTSUP, "%s has neither MSI-X nor MSI interrupts", vfio->bdf);
	vfio->nr_vectors = min_of(vfio->nr_vectors, (uint32_t)MAX_VECTORS);
	vfio->err_fd = watch_kernel(vfio, VFIO_PCI_ERR_IRQ_INDEX);
	vfio->req_fd = watch_kernel(vfio, VFIO_PCI_REQ_IRQ_INDEX);
	return 0;
}

/* ---- open and close ---- */

static int check_function(struct nvmh_vfio *vfio, const char *bdf, int *group)
{
	struct nvmh_pci_info info;
	int ret;

	ret = nvmh_pci_info(bdf, &info);
	if (ret)
		return ret;
	memcpy(vfio->bdf, info.bdf, sizeof(vfio->bdf));
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
	*group = info.iommu_group;
	return 0;
}

int nvmh_vfio_open(const char *bdf, struct nvmh_vfio **vfiop)
{
	struct nvmh_vfio *vfio = calloc(1, sizeof(*vfio));
	int group = -1;
	int ret;

	if (!vfio)
		return nvmh_error(-ENOMEM, "out of memory");
	vfio->container_fd = vfio->group_fd = vfio->device_fd = vfio->err_fd = vfio->req_fd = -1;
	vfio->bar = MAP_FAILED;
	ret = check_function(vfio, bdf, &group);
	if (!ret)
		ret = open_container(vfio);
	if (!ret)
		ret = open_group(vfio, group);
	if (!ret)
		ret = read_ranges(vfio);
	if (!ret)
		ret = open_device(vfio);
	if (!ret)
		ret = open_irqs(vfio);
	if (ret)
		goto fail;
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
	if (vfio->device_fd >= 0) {
		/* may fail where the device is gone, and then does not matter */
		set_command(vfio, 0, PCI_COMMAND_MASTER);
		close(vfio->device_fd);
	}
	if (vfio->err_fd >= 0)
		close(vfio->err_fd);
	if (vfio->req_fd >= 0)
		close(vfio->req_fd);
	/* the container's last group takes its mappings with it */
	if (vfio->group_fd >= 0)
		close(vfio->group_fd);
	if (vfio->container_fd >= 0)
		close(vfio->container_fd);
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

static int unmap(struct nvmh_vfio *vfio, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap un = { .argsz = sizeof(un), .iova = iova, .size = len };

	return ioctl(vfio->container_fd, VFIO_IOMMU_UNMAP_DMA, &un) ? -errno : 0;
}

int nvmh_vfio_map(struct nvmh_vfio *vfio, void *base, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)base,
		.size = len,
	};
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
	map.iova = iova;
	if (ioctl(vfio->container_fd, VFIO_IOMMU_MAP_DMA, &map))
		return explain_map(vfio, len, -errno);
	ret = nvmh_dma_add(&vfio->dma, (uintptr_t)base, len, iova);
	if (ret) {
		unmap(vfio, iova, len);
		return explain_map(vfio, len, ret);
	}
	return 0;
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

uint32_t nvmh_vfio_nr_vectors(const struct nvmh_vfio *vfio)
{
	return vfio->nr_vectors;
}

int nvmh_vfio_err_fd(const struct nvmh_vfio *vfio)
{
	return vfio->err_fd;
}

int nvmh_vfio_req_fd(const struct nvmh_vfio *vfio)
{
	return vfio->req_fd;
}

int nvmh_vfio_reset(struct nvmh_vfio *vfio)
{
	if (!(vfio->flags & VFIO_DEVICE_FLAGS_RESET))
		return -ENOTSUP;
	if (ioctl(vfio->device_fd, VFIO_DEVICE_RESET))
		return -errno;
	return set_command(vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE,
			   0);
}

void nvmh_vfio_cut_off(struct nvmh_vfio *vfio)
{
	const struct nvmh_dma_table *table = atomic_load(&vfio->dma.table);
	uint32_t i;
	int ret;

	if (vfio->cut_off)
		return;
	vfio->cut_off = true;
	set_command(vfio, 0, PCI_COMMAND_MASTER);
	for (i = 0; table && i < table->nr; i++) {
		ret = unmap(vfio, table->region[i].iova, table->region[i].len);
		if (ret)
			log_err("memory stays mapped for a device that is cut off bdf=%s errno=%s",
				vfio->bdf, strerrorname_np(-ret));
	}
}
