/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel offers since 6.6 and the headers of Debian 12 do not have: iommufd, and VFIO's
 * device files. Declared under names of our own, so that newer headers do no harm; sizes, offsets
 * and numbers are the kernel's. Linux, Documentation/userspace-api/iommufd.rst.
 */
#ifndef HOST_IOMMUFD_UAPI_H
#define HOST_IOMMUFD_UAPI_H

#include <assert.h>
#include <linux/ioctl.h>
#include <stddef.h>
#include <stdint.h>

enum {
	IOMMUFD_MAP_FIXED_IOVA = 1 << 0,
	IOMMUFD_MAP_WRITEABLE = 1 << 1,
	IOMMUFD_MAP_READABLE = 1 << 2,
};

struct iommufd_destroy {
	uint32_t size;
	uint32_t id;
};
static_assert(sizeof(struct iommufd_destroy) == 8, "kernel's layout");

struct iommufd_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};
static_assert(sizeof(struct iommufd_ioas_alloc) == 12, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_alloc, out_ioas_id) == 8, "kernel's layout");

struct iommufd_range {
	uint64_t start;
	uint64_t last;
};
static_assert(sizeof(struct iommufd_range) == 16, "kernel's layout");

struct iommufd_ioas_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas; /* in: room; out: how many there are, also with EMSGSIZE */
	uint32_t reserved;
	uint64_t allowed_iovas; /* struct iommufd_range[] */
	uint64_t out_iova_alignment;
};
static_assert(sizeof(struct iommufd_ioas_ranges) == 32, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_ranges, num_iovas) == 8, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_ranges, allowed_iovas) == 16, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_ranges, out_iova_alignment) == 24, "kernel's layout");

struct iommufd_ioas_map {
	uint32_t size;
	uint32_t flags; /* IOMMUFD_MAP_* */
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};
static_assert(sizeof(struct iommufd_ioas_map) == 40, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_map, ioas_id) == 8, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_map, user_va) == 16, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_map, iova) == 32, "kernel's layout");

struct iommufd_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};
static_assert(sizeof(struct iommufd_ioas_unmap) == 24, "kernel's layout");
static_assert(offsetof(struct iommufd_ioas_unmap, iova) == 8, "kernel's layout");

struct vfio_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};
static_assert(sizeof(struct vfio_bind_iommufd) == 16, "kernel's layout");
static_assert(offsetof(struct vfio_bind_iommufd, iommufd) == 8, "kernel's layout");

/* later kernels have one field more, which argsz tells from this */
struct vfio_attach_iommufd {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};
static_assert(sizeof(struct vfio_attach_iommufd) == 12, "kernel's layout");
static_assert(offsetof(struct vfio_attach_iommufd, pt_id) == 8, "kernel's layout");

struct vfio_detach_iommufd {
	uint32_t argsz;
	uint32_t flags;
};
static_assert(sizeof(struct vfio_detach_iommufd) == 8, "kernel's layout");

#define IOMMUFD_DESTROY	    _IO(';', 0x80)
#define IOMMUFD_IOAS_ALLOC  _IO(';', 0x81)
#define IOMMUFD_IOAS_RANGES _IO(';', 0x84)
#define IOMMUFD_IOAS_MAP    _IO(';', 0x85)
#define IOMMUFD_IOAS_UNMAP  _IO(';', 0x86)

#define VFIO_BIND_IOMMUFD   _IO(';', 100 + 18)
#define VFIO_ATTACH_IOMMUFD _IO(';', 100 + 19)
#define VFIO_DETACH_IOMMUFD _IO(';', 100 + 20)

#endif /* HOST_IOMMUFD_UAPI_H */
