// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts of a PCI function through VFIO: MSI-X, else MSI, else INTx, else none. The
 * controller's thread, but for nvmh_vfio_mask() and nvmh_vfio_unmask_intx(). Entry points:
 * nvmh_vfio_set_irqs(), nvmh_vfio_mask(), nvmh_vfio_irqs_open(). Linux, <linux/vfio.h>; PCI Express Base
 * Specification, "MSI-X Capability and Table Structure".
 *
 * The kernel cannot be asked to mask an MSI or MSI-X vector (VFIO_IRQ_SET_ACTION_MASK is for INTx
 * alone). But it lets the MSI-X table be mapped where interrupts are remapped, for then nothing that
 * is written there reaches beyond the device. Only the mask bit is changed here. The kernel's own
 * writes (an interrupt moved to another processor) can at worst clear it: an interrupt too many.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "host/ctrl.h"
#include "host/mmio.h"
#include "host/vfio_impl.h"

enum {
	MAX_CAPS = 48, /* of a configuration space of 256 bytes */
};

static const char *const names[] = {
	[NVMH_IRQ_NONE] = "none",
	[NVMH_IRQ_INTX] = "intx",
	[NVMH_IRQ_MSI] = "msi",
	[NVMH_IRQ_MSIX] = "msix",
};
static_assert(ARRAY_SIZE(names) == NVMH_IRQ_NR, "every kind has a name");

static const uint32_t indexes[] = {
	[NVMH_IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
	[NVMH_IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
	[NVMH_IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
};

const char *nvmh_irq_name(enum nvmh_irq kind)
{
	return kind < NVMH_IRQ_NR ? names[kind] : "unknown";
}

enum nvmh_irq nvmh_vfio_irq_kind(const struct nvmh_vfio *vfio)
{
	return vfio->irqs.kind;
}

int nvmh_vfio_err_fd(const struct nvmh_vfio *vfio)
{
	return vfio->irqs.err_fd;
}

int nvmh_vfio_req_fd(const struct nvmh_vfio *vfio)
{
	return vfio->irqs.req_fd;
}

/* ---- VFIO's calls ---- */

static uint32_t irq_count(const struct nvmh_vfio *vfio, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(vfio->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return info.count;
}

/* Return: 0; > 0, only so many are to be had; -errno. Without @nr they are switched off. */
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
	ret = ioctl(vfio->device_fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return ret < 0 ? -errno : ret;
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

/* ---- the MSI-X table ---- */

/* Where the table is: BAR and offset. */
static bool find_table(const struct nvmh_vfio *vfio, uint32_t *bar, uint64_t *off)
{
	uint32_t table;
	uint16_t status;
	uint8_t cap[2]; /* id, next */
	uint8_t at;
	int i;

	if (nvmh_vfio_read_config(vfio, PCI_STATUS, &status, sizeof(status)) ||
	    !(le16toh(status) & PCI_STATUS_CAP_LIST) ||
	    nvmh_vfio_read_config(vfio, PCI_CAPABILITY_LIST, &at, sizeof(at)))
		return false;
	for (i = 0; i < MAX_CAPS && at >= PCI_STD_HEADER_SIZEOF; i++, at = cap[1]) {
		at &= 0xfc;
		if (nvmh_vfio_read_config(vfio, at, cap, sizeof(cap)))
			return false;
		if (cap[0] != PCI_CAP_ID_MSIX)
			continue;
		if (nvmh_vfio_read_config(vfio, at + PCI_MSIX_TABLE, &table, sizeof(table)))
			return false;
		*bar = le32toh(table) & PCI_MSIX_TABLE_BIR;
		*off = le32toh(table) & PCI_MSIX_TABLE_OFFSET;
		return *bar <= VFIO_PCI_BAR5_REGION_INDEX;
	}
	return false;
}

/* A table that cannot be mapped is done without: vectors are then not masked. */
static void map_table(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;
	uint64_t len = (uint64_t)irqs->nr[NVMH_IRQ_MSIX] * PCI_MSIX_ENTRY_SIZE;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vfio_region_info region;
	bool may;
	uint64_t off;
	uint32_t bar;
	size_t size;
	void *info;

	if (!len || !find_table(vfio, &bar, &off) ||
	    nvmh_vfio_region(vfio, bar, &region, &info, &size))
		return;
	may = region.flags & VFIO_REGION_INFO_FLAG_MMAP &&
	      region.flags & VFIO_REGION_INFO_FLAG_CAPS &&
	      nvmh_vfio_find_cap(info, size, region.cap_offset, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
				 sizeof(struct vfio_info_cap_header));
	free(info);
	if (!may || off > region.size || len > region.size - off)
		return;
	irqs->map_len = (size_t)(off % page + len);
	irqs->map = mmap(NULL, irqs->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device_fd,
			 (off_t)(region.offset + off - off % page));
	if (irqs->map != MAP_FAILED)
		irqs->table = (volatile uint8_t *)irqs->map + off % page;
}

static volatile void *vector_control(const struct vfio_irqs *irqs, uint32_t vector)
{
	return irqs->table + (size_t)vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
}

/* Just set, so unmasked: a table that says something else is not the one that counts. */
static void read_table(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;
	bool good = irqs->table && irqs->kind == NVMH_IRQ_MSIX;
	uint32_t control;
	uint32_t i;

	for (i = 0; good && i < irqs->nr_set; i++) {
		control = mmio_read32(vector_control(irqs, i));
		atomic_store(&irqs->control[i], control);
		good = !(control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
	}
	/* last: from here on owners may mask */
	irqs->can_mask = good;
}

bool nvmh_vfio_mask(struct nvmh_vfio *vfio, uint32_t vector, bool masked)
{
	struct vfio_irqs *irqs = &vfio->irqs;

	if (!irqs->can_mask || vector >= irqs->nr_set)
		return false;
	mmio_write32(vector_control(irqs, vector),
		     irqs->control[vector] | (masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0));
	return true;
}

void nvmh_vfio_unmask_intx(struct nvmh_vfio *vfio)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	if (vfio->irqs.kind == NVMH_IRQ_INTX && ioctl(vfio->device_fd, VFIO_DEVICE_SET_IRQS, &set))
		log_peer(LOG_LVL_ERROR, "INTx cannot be unmasked bdf=%s errno=%s", vfio->bdf,
			 strerrorname_np(errno));
}

/* ---- setting them up ---- */

static void switch_off(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;

	/* may fail where the device is gone, and then does not matter */
	if (irqs->kind != NVMH_IRQ_NONE)
		set_irqs(vfio, indexes[irqs->kind], NULL, 0);
	irqs->kind = NVMH_IRQ_NONE;
	irqs->nr_set = 0;
	irqs->can_mask = false;
}

/* As many vectors of @kind as there are. Return: how many, or -errno. */
static int try_kind(struct nvmh_vfio *vfio, enum nvmh_irq kind, const int *fds, uint32_t nr)
{
	int ret;

	nr = min_of(nr, vfio->irqs.nr[kind]);
	while (nr) {
		ret = set_irqs(vfio, indexes[kind], fds, nr);
		if (!ret)
			return (int)nr;
		if (ret < 0)
			return ret;
		if ((uint32_t)ret >= nr)
			break;
		nr = (uint32_t)ret;
	}
	return -ENOSPC;
}

int nvmh_vfio_set_irqs(struct nvmh_vfio *vfio, const int *fds, uint32_t nr)
{
	struct vfio_irqs *irqs = &vfio->irqs;
	enum nvmh_irq kind;
	int ret = 0;

	assert(nr && nr <= VFIO_MAX_VECTORS);
	switch_off(vfio);
	for (kind = irqs->best; kind != NVMH_IRQ_NONE; kind--) {
		if (kind == NVMH_IRQ_MSI && irqs->no_msi && !irqs->forced)
			continue;
		ret = try_kind(vfio, kind, fds, nr);
		if (ret > 0 || irqs->forced)
			break;
		if (irqs->nr[kind])
			log_warn("interrupts of a kind cannot be had bdf=%s kind=%s errno=%s",
				 vfio->bdf, names[kind], strerrorname_np(-ret));
	}
	if (kind != NVMH_IRQ_NONE && ret < 0)
		return nvmh_error(ret, "%s: no %s interrupts, which NVMH_IRQ asks for (%s)",
				  vfio->bdf, names[kind], strerrorname_np(-ret));
	irqs->kind = kind;
	irqs->nr_set = kind == NVMH_IRQ_NONE ? 0 : (uint32_t)ret;
	/* a message and the pin at the same time is what no device does, but none may drive the pin
	 * without anybody who listens */
	ret = kind == NVMH_IRQ_INTX ? nvmh_vfio_set_command(vfio, 0, PCI_COMMAND_INTX_DISABLE)
				    : nvmh_vfio_set_command(vfio, PCI_COMMAND_INTX_DISABLE, 0);
	if (ret)
		return nvmh_error(ret, "%s: its PCI command register cannot be written", vfio->bdf);
	read_table(vfio);
	return (int)irqs->nr_set;
}

void nvmh_vfio_avoid_msi(struct nvmh_vfio *vfio)
{
	vfio->irqs.no_msi = true;
}

static int choose_kind(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;
	const char *want = secure_getenv("NVMH_IRQ");
	enum nvmh_irq kind;

	irqs->best = NVMH_IRQ_MSIX;
	if (!want || !strcmp(want, "auto"))
		return 0;
	for (kind = NVMH_IRQ_NONE; kind < NVMH_IRQ_NR; kind++) {
		if (!strcmp(want, names[kind])) {
			irqs->best = kind;
			irqs->forced = true;
			return 0;
		}
	}
	return nvmh_error(-EINVAL, "NVMH_IRQ is \"%s\": auto, msix, msi, intx or none", want);
}

int nvmh_vfio_irqs_open(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;
	enum nvmh_irq kind;

	for (kind = NVMH_IRQ_INTX; kind < NVMH_IRQ_NR; kind++)
		irqs->nr[kind] = min_of(irq_count(vfio, indexes[kind]), (uint32_t)VFIO_MAX_VECTORS);
	map_table(vfio);
	irqs->err_fd = watch_kernel(vfio, VFIO_PCI_ERR_IRQ_INDEX);
	irqs->req_fd = watch_kernel(vfio, VFIO_PCI_REQ_IRQ_INDEX);
	return choose_kind(vfio);
}

void nvmh_vfio_irqs_close(struct nvmh_vfio *vfio)
{
	struct vfio_irqs *irqs = &vfio->irqs;

	if (irqs->map != MAP_FAILED)
		munmap(irqs->map, irqs->map_len);
	irqs->map = MAP_FAILED;
	if (irqs->err_fd >= 0)
		close(irqs->err_fd);
	if (irqs->req_fd >= 0)
		close(irqs->req_fd);
	irqs->err_fd = irqs->req_fd = -1;
}
