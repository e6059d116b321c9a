/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of host/vfio*.c: a function, and the two ways by which VFIO puts it behind the IOMMU.
 */
#ifndef HOST_VFIO_IMPL_H
#define HOST_VFIO_IMPL_H

#include <stdatomic.h>

#include "common/limits.h"
#include "host/pci.h"
#include "host/vfio.h"

enum {
	VFIO_MAX_VECTORS = MAX_IO_QUEUES + 1,
};

struct vfio_region_info;

/*
 * Each function has an I/O address space of its own: what one may reach another may not. Return of
 * all: 0 or -errno, with nvmh_strerror() where it says so.
 */
struct vfio_iommu_ops {
	const char *name; /* "group" or "cdev", as in NVMH_VFIO */
	/* opens ->device_fd behind the IOMMU and sets up ->dma; nvmh_strerror(). -ENOENT: the
	 * kernel does not offer it. What failed half-way is close()'s */
	int (*open)(struct nvmh_vfio *vfio, const struct nvmh_pci_info *info);
	void (*close)(struct nvmh_vfio *vfio); /* ->device_fd is closed already */
	int (*map)(struct nvmh_vfio *vfio, void *base, size_t len, uint64_t iova);
	int (*unmap)(struct nvmh_vfio *vfio, uint64_t iova, size_t len);
	/* no I/O address space any more, besides the unmapping; may be NULL */
	int (*detach)(struct nvmh_vfio *vfio);
};

extern const struct vfio_iommu_ops nvmh_vfio_type1_ops;	  /* host/vfio_type1.c */
extern const struct vfio_iommu_ops nvmh_vfio_iommufd_ops; /* host/vfio_iommufd.c */

struct vfio_irqs {
	enum nvmh_irq kind;	  /* in use */
	enum nvmh_irq best;	  /* tried first */
	bool no_msi;		  /* nvmh_vfio_avoid_msi() */
	bool forced;		  /* NVMH_IRQ: nothing else is tried */
	uint32_t nr[NVMH_IRQ_NR]; /* vectors of each kind */
	_Atomic uint32_t nr_set;
	int err_fd;
	int req_fd;
	/* the MSI-X table, where it may be mapped */
	void *map; /* MAP_FAILED: not mapped */
	size_t map_len;
	volatile uint8_t *table;
	atomic_bool can_mask;
	_Atomic uint32_t control[VFIO_MAX_VECTORS]; /* Vector Control without the mask bit */
};

struct nvmh_vfio {
	char bdf[16];
	const struct vfio_iommu_ops *ops;
	int device_fd;
	/* host/vfio_type1.c */
	int container_fd;
	int group_fd;
	/* host/vfio_iommufd.c */
	int iommu_fd;
	uint32_t ioas_id;
	bool attached;

	void *bar; /* MAP_FAILED: not mapped */
	size_t bar_len;
	void *mem; /* nvmh_vfio_bar_map(); MAP_FAILED: not mapped */
	size_t mem_len;
	uint16_t vendor;
	uint16_t device;
	uint64_t config_off; /* PCI configuration space within device_fd */
	uint32_t flags;	     /* VFIO_DEVICE_FLAGS_* */
	bool cut_off;
	struct vfio_irqs irqs;
	struct nvmh_dma dma;
};

/* ---- host/vfio.c ---- */

/*
 * nvmh_vfio_get_info() - an info ioctl whose answer may be longer than its structure
 * @head: the structure with argsz and the question filled in.
 * Return: the answer, freed by the caller, with @size set; NULL with errno.
 */
void *nvmh_vfio_get_info(int fd, unsigned long request, const void *head, size_t head_size,
			 size_t *size);
/* nvmh_vfio_find_cap() - a capability of @id within @info of @size bytes, with at least @min bytes after
 * its place; NULL: none */
const void *nvmh_vfio_find_cap(const void *info, size_t size, uint32_t off, uint16_t id,
			       size_t min);
/* nvmh_vfio_region() - describes a region. @infop: the whole answer, freed by the caller; may be NULL. */
int nvmh_vfio_region(const struct nvmh_vfio *vfio, uint32_t index, struct vfio_region_info *region,
		     void **infop, size_t *size);
/* nvmh_vfio_mappable() - bytes of a region that can be mapped in one piece from @off on; @info: the
 * whole answer */
uint64_t nvmh_vfio_mappable(const struct vfio_region_info *region, const void *info, size_t size,
			    uint64_t off);
int nvmh_vfio_read_config(const struct nvmh_vfio *vfio, uint32_t off, void *buf, size_t len);
int nvmh_vfio_set_command(const struct nvmh_vfio *vfio, uint16_t set, uint16_t clear);
/* nvmh_vfio_no_permission() - notes that @path cannot be opened; returns @err */
int nvmh_vfio_no_permission(int err, const char *path, const char *bdf);

/* ---- host/vfio_irq.c ---- */

int nvmh_vfio_irqs_open(struct nvmh_vfio *vfio);
void nvmh_vfio_irqs_close(struct nvmh_vfio *vfio);

#endif /* HOST_VFIO_IMPL_H */
