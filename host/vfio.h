/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One PCI function through VFIO: its registers, its interrupts, the memory it may reach. Unit tests
 * link another implementation of these functions, over a controller made of memory.
 *
 * Context: the controller's thread, but for nvmh_vfio_dma(): its look-ups are any thread's.
 */
#ifndef HOST_VFIO_H
#define HOST_VFIO_H

#include <stdbool.h>

#include "host/dma.h"

struct nvmh_vfio;

/**
 * nvmh_vfio_open() - take the function, with memory and bus mastering enabled and BAR 0 mapped
 * @bdf: long form.
 *
 * Return: 0, or -errno with nvmh_strerror() saying what to do; see nvmh_ctrl_open().
 */
int nvmh_vfio_open(const char *bdf, struct nvmh_vfio **vfiop);
/* nvmh_vfio_close() - gives it back; the device must be quiet. NULL is allowed. */
void nvmh_vfio_close(struct nvmh_vfio *vfio);

/* nvmh_vfio_bar() - BAR 0 as far as it can be mapped, from its start: @len bytes */
volatile void *nvmh_vfio_bar(const struct nvmh_vfio *vfio, size_t *len);

/* nvmh_vfio_map() - lets the device reach [base, base + len), page aligned. Return: 0; -errno with
 * nvmh_strerror(). */
int nvmh_vfio_map(struct nvmh_vfio *vfio, void *base, size_t len);
const struct nvmh_dma *nvmh_vfio_dma(const struct nvmh_vfio *vfio);

/* nvmh_vfio_nr_vectors() - interrupts it has: MSI-X, else MSI */
uint32_t nvmh_vfio_nr_vectors(const struct nvmh_vfio *vfio);
/* nvmh_vfio_set_vectors() - vector i becomes an event on fds[i], which stay the caller's. Replaces
 * what was set. Return: 0 or -errno. */
int nvmh_vfio_set_vectors(struct nvmh_vfio *vfio, const int *fds, uint32_t nr);

/* Descriptors readable when a bus error was reported, and when the kernel wants the device back;
 * -1: not supported. */
int nvmh_vfio_err_fd(const struct nvmh_vfio *vfio);
int nvmh_vfio_req_fd(const struct nvmh_vfio *vfio);

/* nvmh_vfio_reset() - resets the function; takes 100 ms and more. Return: 0; -ENOTSUP, it cannot
 * be; -errno. */
int nvmh_vfio_reset(struct nvmh_vfio *vfio);

/*
 * nvmh_vfio_cut_off() - the last resort for a device that cannot be stopped: no bus mastering, and
 * nothing mapped in the IOMMU any more. After it the device reaches no memory; it is good for
 * nvmh_vfio_close() only.
 */
void nvmh_vfio_cut_off(struct nvmh_vfio *vfio);

#endif /* HOST_VFIO_H */
