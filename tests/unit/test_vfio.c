// SPDX-License-Identifier: BSD-2-Clause
/*
 * host/vfio*.c over a kernel that is made of functions here, and lies when told to: which interface
 * is taken, address ranges, capability chains, kinds and numbers of interrupts, the MSI-X table, a
 * device that is cut off. The files are included, with open(), access() and ioctl() replaced; the
 * device's own file is a memfd.
 */
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

static struct nvmh_vfio *opened(void)
{
	struct nvmh_vfio *vfio = NULL;

	if (nvmh_vfio_open("0000:01:00.0", &vfio))
		fail_msg("not opened: %s", nvmh_strerror());
	return vfio;
}

static void refused(int err, const char *words)
{
	struct nvmh_vfio *vfio = NULL;

	assert_int_equal(nvmh_vfio_open("0000:01:00.0", &vfio), err);
	assert_null(vfio);
	if (!strstr(nvmh_strerror(), words))
		fail_msg("\"%s\" is not in \"%s\"", words, nvmh_strerror());
}

/* ---- which interface ---- */

static void takes(const char *interface)
{
	struct nvmh_vfio *vfio = opened();

	assert_string_equal(nvmh_vfio_interface(vfio), interface);
	nvmh_vfio_close(vfio);
}

static void test_device_file_is_preferred(void **state)
{
	(void)state;
	takes("group");
	k.cdev = true;
	takes("cdev");
	/* given the group, not the device: as the rules of an older installation do */
	k.cdev_errno = EACCES;
	takes("group");
	k.group_errno = EACCES;
	refused(-EACCES, "permission");
}

static void test_interface_can_be_forced(void **state)
{
	(void)state;
	setenv("NVMH_VFIO", "cdev", 1);
	refused(-ENOENT, "no VFIO device file");
	k.cdev = true;
	setenv("NVMH_VFIO", "group", 1);
	takes("group");
	setenv("NVMH_VFIO", "cdev", 1);
	takes("cdev");
	setenv("NVMH_VFIO", "auto", 1);
	takes("cdev");
	setenv("NVMH_VFIO", "container", 1);
	refused(-EINVAL, "NVMH_VFIO");
}

static void test_busy_device_does_not_fall_back(void **state)
{
	(void)state;
	k.cdev = true;
	k.bind_errno = EINVAL; /* what the kernel says to a second one */
	refused(-EBUSY, "in use");
	k.bind_errno = EBUSY;
	refused(-EBUSY, "in use");
	k.bind_errno = EPERM;
	refused(-ENOTSUP, "remap interrupts");
	k.neighbour = true; /* for which the kernel has the same word */
	refused(-EBUSY, "neighbour");
	k.bind_errno = EBUSY;
	refused(-EBUSY, "neighbour");
}

/* ---- the address space ---- */

static void test_ranges_of_the_container(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	assert_int_equal(vfio->dma.range[0].last, 0xfedfffff);
	assert_int_equal(vfio->dma.range[1].last, 0x7fffffffff);
	nvmh_vfio_close(vfio);
	/* as many as there are bytes for, whatever it says */
	k.chain = CHAIN_SHORT;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	nvmh_vfio_close(vfio);
}

static void test_container_without_ranges_is_refused(void **state)
{
	static const enum chain chains[] = { CHAIN_NONE, CHAIN_LOOP, CHAIN_FAR };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(chains); i++) {
		k.chain = chains[i];
		refused(-ENOTSUP, "address ranges");
	}
}

static void test_ranges_of_iommufd(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	k.cdev = true;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	assert_int_equal(vfio->dma.range[1].first, 0x100000000);
	nvmh_vfio_close(vfio);
	k.nr_ranges = 1000; /* the first ones are used */
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, NVMH_DMA_MAX_RANGES);
	nvmh_vfio_close(vfio);
	k.nr_ranges = 0;
	refused(-ENOTSUP, "address ranges");
}

static void cuts_off(void)
{
	char *mem = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nvmh_vfio *vfio = opened();
	int i;

	for (i = 0; i < 16; i++)
		assert_int_equal(nvmh_vfio_map(vfio, mem + i * 8192, 4096), 0);
	/* what overlaps does not stay mapped */
	assert_int_equal(nvmh_vfio_map(vfio, mem, 4096), -EEXIST);
	assert_int_equal(nvmh_vfio_map(vfio, mem + 1, 4096), -EINVAL);
	assert_int_equal(k.nr_maps, 16);
	assert_int_not_equal(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
	nvmh_vfio_cut_off(vfio);
	assert_int_equal(k.nr_maps, 0);
	assert_int_equal(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
	assert_int_equal(nvmh_vfio_map(vfio, mem + (1 << 19), 4096), -ENODEV);
	nvmh_vfio_close(vfio);
	munmap(mem, 1 << 20);
}

static void test_cut_off_leaves_nothing_mapped(void **state)
{
	(void)state;
	cuts_off();
	assert_int_equal(k.detaches, 0);
	k.cdev = true;
	cuts_off();
	assert_int_equal(k.detaches, 1);
	assert_int_equal(k.destroys, 1);
}

/* ---- interrupts ---- */

static const int fds[65];

static struct nvmh_vfio *sets(uint32_t wanted, enum nvmh_irq kind, int nr)
{
	struct nvmh_vfio *vfio = opened();

	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, wanted), nr);
	assert_int_equal(nvmh_vfio_irq_kind(vfio), kind);
	/* the pin is let through only where it is used */
	assert_int_equal(!(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE),
			 kind == NVMH_IRQ_INTX);
	return vfio;
}

static void test_interrupts_best_kind_first(void **state)
{
	(void)state;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 9));
	k.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 4;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 4));
	k.msix_ret = 3; /* the kernel: three, not four */
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 3));
	k.msix_ret = -ENOSPC;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSI, 8));
	k.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 0;
	k.msi_ret = 1;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSI, 1));
	k.msi_ret = -EINVAL;
	nvmh_vfio_close(sets(9, NVMH_IRQ_INTX, 1));
	k.irqs[VFIO_PCI_MSI_IRQ_INDEX] = k.irqs[VFIO_PCI_INTX_IRQ_INDEX] = 0;
	nvmh_vfio_close(sets(9, NVMH_IRQ_NONE, 0));
}

static void test_interrupts_kind_can_be_forced(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	setenv("NVMH_IRQ", "intx", 1);
	vfio = sets(9, NVMH_IRQ_INTX, 1);
	nvmh_vfio_unmask_intx(vfio);
	assert_int_equal(k.intx_unmasks, 1);
	assert_false(nvmh_vfio_mask(vfio, 0, true));
	nvmh_vfio_close(vfio);
	setenv("NVMH_IRQ", "none", 1);
	nvmh_vfio_close(sets(9, NVMH_IRQ_NONE, 0));
	setenv("NVMH_IRQ", "msi", 1);
	k.msi_ret = -EINVAL;
	vfio = opened();
	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, 9), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "no msi interrupts"));
	nvmh_vfio_close(vfio);
	setenv("NVMH_IRQ", "smoke", 1);
	refused(-EINVAL, "NVMH_IRQ");
}

static void test_interrupts_are_replaced(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	vfio = sets(9, NVMH_IRQ_MSIX, 9);
	k.msix_ret = -EINVAL;
	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, 9), 8);
	assert_int_equal(k.nr_set[VFIO_PCI_MSIX_IRQ_INDEX], 0); /* off, before the others are on */
	assert_int_equal(k.nr_set[VFIO_PCI_MSI_IRQ_INDEX], 8);
	nvmh_vfio_close(vfio);
}

static void test_mask_changes_its_bit_only(void **state)
{
	struct nvmh_vfio *vfio;
	uint32_t i;

	(void)state;
	vfio = sets(4, NVMH_IRQ_MSIX, 4);
	assert_true(nvmh_vfio_mask(vfio, 2, true));
	for (i = 0; i < 4; i++)
		assert_int_equal(get32(BAR0 + TABLE + i * 16 + 12), 0xab00 | (i == 2));
	assert_true(nvmh_vfio_mask(vfio, 2, false));
	assert_int_equal(get32(BAR0 + TABLE + 2 * 16 + 12), 0xab00);
	assert_int_equal(get32(BAR0 + TABLE + 2 * 16), 0);
	assert_false(nvmh_vfio_mask(vfio, 4, true)); /* not set */
	nvmh_vfio_close(vfio);
}

static void cannot_mask(void)
{
	struct nvmh_vfio *vfio = sets(65, NVMH_IRQ_MSIX, 65);

	assert_false(nvmh_vfio_mask(vfio, 1, true));
	assert_int_equal(get32(BAR0 + TABLE + 16 + 12) & ~1u, 0xab00);
	nvmh_vfio_close(vfio);
}

static void test_mask_only_where_the_table_is_ours(void **state)
{
	(void)state;
	k.msix_mappable = false;
	cannot_mask();
	k.msix_mappable = true;
	k.table_masked = true;
	cannot_mask();
	k.table_masked = false;
	/* beyond the BAR, by its start and by its end; in a BAR that there is not */
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, BAR_BYTES);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, BAR_BYTES - 64 * 16);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, 0xfffffff8);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, TABLE | 6);
	cannot_mask();
	/* a list of capabilities without end */
	put32(CONFIG + MSIX_CAP, PCI_CAP_ID_PM | MSIX_CAP << 8);
	cannot_mask();
}

#define kernel(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		kernel(test_device_file_is_preferred),
		kernel(test_interface_can_be_forced),
		kernel(test_busy_device_does_not_fall_back),
		kernel(test_ranges_of_the_container),
		kernel(test_container_without_ranges_is_refused),
		kernel(test_ranges_of_iommufd),
		kernel(test_cut_off_leaves_nothing_mapped),
		kernel(test_interrupts_best_kind_first),
		kernel(test_interrupts_kind_can_be_forced),
		kernel(test_interrupts_are_replaced),
		kernel(test_mask_changes_its_bit_only),
		kernel(test_mask_only_where_the_table_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
