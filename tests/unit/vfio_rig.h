/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of host/vfio*.c share: a kernel that is made of functions here, and lies when told
 * to. The files are included, with open(), access() and ioctl() replaced; the device's own file is a
 * memfd.
 */
#ifndef TESTS_UNIT_VFIO_RIG_H
#define TESTS_UNIT_VFIO_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "host/ctrl.h"
#include "host/iommufd_uapi.h"
#include "host/mmio.h"
#include "host/pci.h"

static int fake_open(const char *path, int flags, ...);
static int fake_access(const char *path, int mode);
static int fake_ioctl(int fd, unsigned long request, ...);
static int fake_pci_info(const char *bdf, struct nvmh_pci_info *info);
static int fake_group_alone(const char *bdf, int group);

#define open			 fake_open
#define access			 fake_access
#define ioctl			 fake_ioctl
#define nvmh_pci_info(bdf, info) fake_pci_info(bdf, info)
#define nvmh_pci_group_alone	 fake_group_alone

#include "host/vfio.c" /* NOLINT: with what it is tested with */
#include "host/vfio_iommufd.c"
#include "host/vfio_irq.c"
#include "host/vfio_type1.c"

#undef open
#undef access
#undef ioctl

enum {
	CONFIG = 0x10000, /* where things are within the device's file */
	BAR0 = 0x20000,
	BAR_BYTES = 0x4000,
	TABLE = 0x3000, /* of MSI-X, in BAR 0 */
	MSIX_CAP = 0x40,
	MAX_MAPS = 2048,
};

enum chain {
	CHAIN_GOOD,
	CHAIN_NONE,
	CHAIN_LOOP,  /* next is itself */
	CHAIN_SHORT, /* the capability says that it has more than there is */
	CHAIN_FAR,   /* next lies beyond the answer */
};

/* What the kernel has, how it behaves, what it saw. */
static struct {
	int device;
	bool cdev; /* has /dev/vfio/devices and /dev/iommu */
	int cdev_errno;
	int group_errno;
	int bind_errno;
	enum chain chain;
	uint32_t nr_ranges; /* told by iommufd */
	uint32_t irqs[5];
	int msix_ret; /* of setting more than this many: this, as the kernel does; < 0: errno */
	int msi_ret;
	bool msix_mappable;
	bool table_masked; /* the table is not the one that counts */
	uint32_t nr_maps;
	uint64_t maps[MAX_MAPS];
	uint32_t nr_set[5]; /* vectors set, by index */
	unsigned int intx_unmasks;
	unsigned int detaches;
	unsigned int destroys;
	bool neighbour; /* a device of the same group has a kernel driver */
} k;

static char root[64];

/* ---- the kernel ---- */

static int fake_pci_info(const char *bdf, struct nvmh_pci_info *info)
{
	memset(info, 0, sizeof(*info));
	memcpy(info->bdf, bdf, 13);
	info->class_code = NVMH_PCI_CLASS_NVME;
	info->iommu_group = 7;
	memcpy(info->driver, "vfio-pci", 9);
	return 0;
}

static int fake_group_alone(const char *bdf, int group)
{
	assert_int_equal(group, 7);
	return k.neighbour ? nvmh_error(-EBUSY, "%s has a neighbour", bdf) : 0;
}

static int fails(int err)
{
	errno = err;
	return -1;
}

static int fake_access(const char *path, int mode)
{
	(void)mode;
	return !strcmp(path, "/dev/vfio/devices/vfio0") && k.cdev ? 0 : fails(ENOENT);
}

static int fake_open(const char *path, int flags, ...)
{
	(void)flags;
	if (!strcmp(path, "/dev/vfio/vfio") || !strcmp(path, "/dev/iommu"))
		return eventfd(0, 0);
	if (!strcmp(path, "/dev/vfio/7"))
		return k.group_errno ? fails(k.group_errno) : eventfd(0, 0);
	assert_string_equal(path, "/dev/vfio/devices/vfio0");
	return k.cdev_errno ? fails(k.cdev_errno) : dup(k.device);
}

/* An answer of @len bytes with a capability at its end: the caller may have less room. */
static void answer(void *to, const void *from, size_t len)
{
	uint32_t room;

	memcpy(&room, to, sizeof(room));
	memcpy(to, from, min_of((size_t)room, len));
	memcpy(to, &(uint32_t){ (uint32_t)len }, sizeof(uint32_t));
}

static int iommu_info(void *arg)
{
	struct {
		struct vfio_iommu_type1_info info;
		/* struct vfio_iommu_type1_info_cap_iova_range with room for two */
		struct {
			struct vfio_info_cap_header header;
			uint32_t nr_iovas;
			uint32_t reserved;
		} cap;
		struct vfio_iova_range range[2];
	} a = { 0 };

	a.info.cap_offset = offsetof(typeof(a), cap);
	a.info.flags = k.chain == CHAIN_NONE ? 0 : VFIO_IOMMU_INFO_CAPS;
	a.cap.header.id = k.chain == CHAIN_LOOP || k.chain == CHAIN_FAR
				  ? 77
				  : VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	a.cap.header.next = k.chain == CHAIN_LOOP  ? a.info.cap_offset
			    : k.chain == CHAIN_FAR ? 0xfffffff0
						   : 0;
	a.cap.nr_iovas = k.chain == CHAIN_SHORT ? 0xffffffff : 2;
	a.range[0] = (struct vfio_iova_range){ 0, 0xfedfffff };
	a.range[1] = (struct vfio_iova_range){ 0xfef00000, 0x7fffffffff };
	answer(arg, &a, sizeof(a));
	return 0;
}

static int region_answer(void *arg)
{
	struct vfio_region_info *want = arg;
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
	} a = { 0 };

	a.info.index = want->index;
	a.info.offset = want->index ? CONFIG : BAR0;
	a.info.size = want->index ? 256 : BAR_BYTES;
	a.info.flags = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	a.info.cap_offset = offsetof(typeof(a), cap);
	a.cap.id = k.msix_mappable ? VFIO_REGION_INFO_CAP_MSIX_MAPPABLE : 99;
	answer(arg, &a, sizeof(a));
	return 0;
}

static void put32(uint32_t off, uint32_t v)
{
	assert_int_equal(pwrite(k.device, &(uint32_t){ htole32(v) }, 4, off), 4);
}

static uint32_t get32(uint32_t off)
{
	uint32_t v;

	assert_int_equal(pread(k.device, &v, 4, off), 4);
	return le32toh(v);
}

static int kernel_sets_irqs(const struct vfio_irq_set *set)
{
	int most = set->index == VFIO_PCI_MSIX_IRQ_INDEX  ? k.msix_ret
		   : set->index == VFIO_PCI_MSI_IRQ_INDEX ? k.msi_ret
							  : 1;
	uint32_t i;

	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		assert_int_equal(set->index, VFIO_PCI_INTX_IRQ_INDEX);
		k.intx_unmasks++;
		return 0;
	}
	if (set->count && most < 0)
		return fails(-most);
	if (set->count && (int)set->count > most)
		return most;
	k.nr_set[set->index] = set->count;
	for (i = 0; set->index == VFIO_PCI_MSIX_IRQ_INDEX && i < set->count; i++)
		put32(BAR0 + TABLE + i * 16 + 12, 0xab00 | k.table_masked);
	return 0;
}

static int add_map(uint64_t iova)
{
	if (k.nr_maps == MAX_MAPS)
		return fails(ENOSPC);
	k.maps[k.nr_maps++] = iova;
	return 0;
}

static int remove_map(uint64_t iova)
{
	uint32_t i;

	for (i = 0; i < k.nr_maps; i++) {
		if (k.maps[i] == iova) {
			k.maps[i] = k.maps[--k.nr_maps];
			return 0;
		}
	}
	return fails(ENOENT);
}

static int told_ranges(struct iommufd_ioas_ranges *ask)
{
	struct iommufd_range *range = (struct iommufd_range *)(uintptr_t)ask->allowed_iovas;
	uint32_t room = ask->num_iovas;
	uint32_t i;

	for (i = 0; i < k.nr_ranges && i < room; i++)
		range[i] = (struct iommufd_range){ i * 0x100000000ull,
						   i * 0x100000000ull + 0xfedfffff };
	ask->num_iovas = k.nr_ranges;
	ask->out_iova_alignment = 4096;
	return k.nr_ranges > room ? fails(EMSGSIZE) : 0;
}

static int device_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags = VFIO_DEVICE_FLAGS_PCI;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_answer(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->flags = VFIO_IRQ_INFO_EVENTFD;
		((struct vfio_irq_info *)arg)->count = k.irqs[((struct vfio_irq_info *)arg)->index];
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return kernel_sets_irqs(arg);
	case VFIO_BIND_IOMMUFD:
		return k.bind_errno ? fails(k.bind_errno) : 0;
	case VFIO_ATTACH_IOMMUFD:
		assert_int_equal(((struct vfio_attach_iommufd *)arg)->pt_id, 5);
		return 0;
	case VFIO_DETACH_IOMMUFD:
		k.detaches++;
		return 0;
	}
	return fails(ENOTTY);
}

static int fake_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_SET_IOMMU:
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return dup(k.device);
	case VFIO_IOMMU_GET_INFO:
		return iommu_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		return add_map(((struct vfio_iommu_type1_dma_map *)arg)->iova);
	case VFIO_IOMMU_UNMAP_DMA:
		return remove_map(((struct vfio_iommu_type1_dma_unmap *)arg)->iova);
	case IOMMUFD_IOAS_ALLOC:
		((struct iommufd_ioas_alloc *)arg)->out_ioas_id = 5;
		return 0;
	case IOMMUFD_IOAS_RANGES:
		return told_ranges(arg);
	case IOMMUFD_IOAS_MAP:
		return add_map(((struct iommufd_ioas_map *)arg)->iova);
	case IOMMUFD_IOAS_UNMAP:
		return remove_map(((struct iommufd_ioas_unmap *)arg)->iova);
	case IOMMUFD_DESTROY:
		assert_int_equal(((struct iommufd_destroy *)arg)->id, 5);
		k.destroys++;
		return 0;
	}
	return device_ioctl(request, arg);
}

/* ---- set-up ---- */

static int setup(void **state)
{
	char path[256];
	const char *p;

	(void)state;
	log_init("test", LOG_LVL_ERROR);
	unsetenv("NVMH_VFIO");
	unsetenv("NVMH_IRQ");
	memset(&k, 0, sizeof(k));
	k.device = memfd_create("device", MFD_CLOEXEC);
	if (k.device < 0 || ftruncate(k.device, 0x30000))
		return -1;
	k.nr_ranges = 2;
	k.irqs[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	k.irqs[VFIO_PCI_MSI_IRQ_INDEX] = 8;
	k.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 65;
	k.msix_ret = 65;
	k.msi_ret = 8;
	k.msix_mappable = true;
	put32(CONFIG + PCI_COMMAND, (uint32_t)PCI_STATUS_CAP_LIST << 16);
	put32(CONFIG + PCI_CAPABILITY_LIST, MSIX_CAP);
	put32(CONFIG + MSIX_CAP, PCI_CAP_ID_MSIX);
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, TABLE);
	snprintf(root, sizeof(root), "/tmp/test_vfio.%d", getpid());
	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0/", root);
	for (p = path + 5; (p = strchr(p + 1, '/'));) {
		char part[256];

		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		mkdir(part, 0700);
	}
	nvmh_pci_env.sys = root;
	return 0;
}

static int teardown(void **state)
{
	static const char *const parts[] = {
		"/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0",
		"/bus/pci/devices/0000:01:00.0/vfio-dev",
		"/bus/pci/devices/0000:01:00.0",
		"/bus/pci/devices",
		"/bus/pci",
		"/bus",
		"",
	};
	char path[256];
	size_t i;

	(void)state;
	close(k.device);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		rmdir(path);
	}
	return 0;
}

static inline struct nvmh_vfio *opened(void)
{
	struct nvmh_vfio *vfio = NULL;

	if (nvmh_vfio_open("0000:01:00.0", &vfio))
		fail_msg("not opened: %s", nvmh_strerror());
	return vfio;
}

static inline void refused(int err, const char *words)
{
	struct nvmh_vfio *vfio = NULL;

	assert_int_equal(nvmh_vfio_open("0000:01:00.0", &vfio), err);
	assert_null(vfio);
	if (!strstr(nvmh_strerror(), words))
		fail_msg("\"%s\" is not in \"%s\"", words, nvmh_strerror());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* TESTS_UNIT_VFIO_RIG_H */
