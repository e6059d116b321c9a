/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One PCI function through VFIO: its registers, its interrupts, the memory it may reach. Unit tests
 * link another implementation of these functions, over a controller made of memory.
 *
 * Two environment variables, for tests and diagnosis, choose what is otherwise found out:
 *	NVMH_VFIO	auto (default), cdev (iommufd and the device's own file), group (type1 container)
 *	NVMH_IRQ	auto (default), msix, msi, intx, none (polled by a timer)
 *
 * Context: the controller's thread, but for nvmh_vfio_dma(), whose look-ups are any thread's,
 * nvmh_vfio_mask() and nvmh_vfio_unmask_intx().
 */
#ifndef HOST_VFIO_H
#define HOST_VFIO_H

#include <stdbool.h>

#include "host/dma.h"

struct nvmh_vfio;

/* Kinds of interrupts, the worst first. */
enum nvmh_irq {
	NVMH_IRQ_NONE,
	NVMH_IRQ_INTX, /* one, level triggered: masked by the kernel when it comes */
	NVMH_IRQ_MSI,
	NVMH_IRQ_MSIX,
	NVMH_IRQ_NR,
};

const char *nvmh_irq_name(enum nvmh_irq kind); /* "none", "intx", "msi", "msix" */

/**
 * nvmh_vfio_open() - take the function, with memory and bus mastering enabled and BAR 0 mapped
 * @bdf: long form.
 *
 * Its own device file where the kernel has one that may be opened, else its group.
 *
 * Return: 0, or -errno with nvmh_strerror() saying what to do; see nvmh_ctrl_open().
 */
int nvmh_vfio_open(const char *bdf, struct nvmh_vfio **vfiop);
/* nvmh_vfio_close() - gives it back; the device must be quiet. NULL is allowed. */
void nvmh_vfio_close(struct nvmh_vfio *vfio);
const char *nvmh_vfio_interface(const struct nvmh_vfio *vfio); /* "cdev" or "group" */

/* nvmh_vfio_bar() - BAR 0 as far as it can be mapped, from its start: @len bytes */
volatile void *nvmh_vfio_bar(const struct nvmh_vfio *vfio, size_t *len);

/* nvmh_vfio_id() - what kind of device it is */
void nvmh_vfio_id(const struct nvmh_vfio *vfio, uint16_t *vendor, uint16_t *device);

/**
 * nvmh_vfio_bar_map() - map part of a BAR that holds memory: the controller memory buffer
 * @bar: 0..5. @off, @len: multiples of the host's page size.
 * @own_address: the device finds it at the BAR's address on the bus; else at one chosen here, from
 *	the addresses for memory.
 * @base: where we find it, until nvmh_vfio_close(). @iova: where the device does; the look-ups in
 *	nvmh_vfio_dma() know it, too.
 *
 * Can be had once. Return: 0, or -errno with nvmh_strerror().
 */
int nvmh_vfio_bar_map(struct nvmh_vfio *vfio, uint32_t bar, uint64_t off, size_t len,
		      bool own_address, void **base, uint64_t *iova);

/* nvmh_vfio_map() - lets the device reach [base, base + len), page aligned. Return: 0; -errno with
 * nvmh_strerror(). */
int nvmh_vfio_map(struct nvmh_vfio *vfio, void *base, size_t len);
const struct nvmh_dma *nvmh_vfio_dma(const struct nvmh_vfio *vfio);

/**
 * nvmh_vfio_set_irqs() - interrupts become events on descriptors
 * @fds: vector i is an event on fds[i]; the caller's, and open until the next call or the close.
 * @nr: vectors wanted, 1..MAX_IO_QUEUES + 1.
 *
 * Replaces what was set. Tries the best kind that the function has, then the next, until one can be
 * had; each as many vectors as there are, up to @nr.
 *
 * Return: how many vectors there are now, unmasked; 0: there are no interrupts. -errno with
 *	nvmh_strerror(): not even that, or not the kind that NVMH_IRQ asks for.
 */
int nvmh_vfio_set_irqs(struct nvmh_vfio *vfio, const int *fds, uint32_t nr);
/* nvmh_vfio_avoid_msi() - from the next nvmh_vfio_set_irqs() on MSI is not tried, unless NVMH_IRQ asks
 * for it */
void nvmh_vfio_avoid_msi(struct nvmh_vfio *vfio);
enum nvmh_irq nvmh_vfio_irq_kind(const struct nvmh_vfio *vfio); /* set */

/*
 * nvmh_vfio_mask() - masks a vector, or unmasks it, without a system call: a store to the device.
 * What comes while it is masked comes when it is unmasked. Each vector by one thread at a time.
 * Return: false, it cannot be, and is unmasked.
 */
bool nvmh_vfio_mask(struct nvmh_vfio *vfio, uint32_t vector, bool masked);
/* nvmh_vfio_unmask_intx() - lets the INTx interrupt come again. Any thread. */
void nvmh_vfio_unmask_intx(struct nvmh_vfio *vfio);

/* Descriptors readable when a bus error was reported, and when the kernel wants the device back;
 * -1: not supported. */
int nvmh_vfio_err_fd(const struct nvmh_vfio *vfio);
int nvmh_vfio_req_fd(const struct nvmh_vfio *vfio);

/* nvmh_vfio_reset() - resets the function; takes 100 ms and more, and interrupts are to be set
 * again. Return: 0; -ENOTSUP, it cannot be; -errno. */
int nvmh_vfio_reset(struct nvmh_vfio *vfio);

/*
 * nvmh_vfio_cut_off() - the last resort for a device that cannot be stopped: no bus mastering, and
 * nothing mapped in the IOMMU any more. After it the device reaches no memory; it is good for
 * nvmh_vfio_close() only.
 */
void nvmh_vfio_cut_off(struct nvmh_vfio *vfio);

#endif /* HOST_VFIO_H */
