// SPDX-License-Identifier: BSD-2-Clause
/*
 * host/vfio.h over the controller made of memory, in place of host/vfio.c. Device addresses are
 * unlike ours, so that one that was not translated is noticed. Entry points: fake_vfio_attach(),
 * nvmh_vfio_*().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/ctrl.h"
#include "host/vfio.h"
#include "tests/fake/fake_pcie.h"

enum {
	FUNCTIONS = 4,
};

struct nvmh_vfio {
	struct fake_pcie *f; /* NULL: none */
	char bdf[16];
};

static struct nvmh_vfio functions[FUNCTIONS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of @functions */

static struct nvmh_vfio *function_of(const struct fake_pcie *f)
{
	for (unsigned int i = 0; i < FUNCTIONS; i++)
		if (functions[i].f == f)
			return &functions[i];
	assert(!"there is a function for it");
}

void fake_vfio_attach(struct fake_pcie *f)
{
	struct nvmh_vfio *vfio = function_of(NULL);

	vfio->f = f;
	snprintf(vfio->bdf, sizeof(vfio->bdf), "0000:%02x:00.0", (int)(vfio - functions) + 1);
}

void fake_vfio_detach(struct fake_pcie *f)
{
	function_of(f)->f = NULL;
}

void fake_vfio_move(struct fake_pcie *f, const char *bdf)
{
	struct nvmh_vfio *vfio = function_of(f);

	pthread_mutex_lock(&lock);
	snprintf(vfio->bdf, sizeof(vfio->bdf), "%s", bdf);
	pthread_mutex_unlock(&lock);
}

static struct nvmh_vfio *function_at(const char *bdf)
{
	struct nvmh_vfio *found = NULL;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < FUNCTIONS; i++)
		if (functions[i].f && !strcmp(functions[i].bdf, bdf))
			found = &functions[i];
	pthread_mutex_unlock(&lock);
	return found;
}

int nvmh_vfio_open(const char *bdf, struct nvmh_vfio **vfiop)
{
	static const struct nvmh_dma_range ranges[] = {
		{ 0, 0xfffff },
		{ UINT64_C(0x4000000000), UINT64_C(0x7fffffffff) },
	};
	struct nvmh_vfio *vfio = function_at(bdf);
	struct fake_pcie *f = vfio ? vfio->f : NULL;
	bool busy;

	if (!f || atomic_load(&f->gone))
		return nvmh_error(-ENODEV, "no PCI function at %s", bdf);
	pthread_mutex_lock(&f->lock);
	busy = f->open;
	f->open = true;
	if (!busy)
		nvmh_dma_init(&f->dma, ranges, ARRAY_SIZE(ranges));
	pthread_mutex_unlock(&f->lock);
	if (busy)
		return nvmh_error(-EBUSY, "%s is in use", bdf);
	fake_pcie_step(f); /* the registers have their values */
	*vfiop = vfio;
	return 0;
}

void nvmh_vfio_close(struct nvmh_vfio *vfio)
{
	if (!vfio)
		return;
	pthread_mutex_lock(&vfio->f->lock);
	vfio->f->open = false;
	vfio->f->cmb_mapped = false;
	vfio->f->nr_fds = 0;
	nvmh_dma_done(&vfio->f->dma);
	pthread_mutex_unlock(&vfio->f->lock);
}

const char *nvmh_vfio_interface(const struct nvmh_vfio *vfio)
{
	(void)vfio;
	return "memory";
}

volatile void *nvmh_vfio_bar(const struct nvmh_vfio *vfio, size_t *len)
{
	*len = FAKE_PCIE_BAR_BYTES;
	return vfio->f->bar;
}

void nvmh_vfio_id(const struct nvmh_vfio *vfio, uint16_t *vendor, uint16_t *device)
{
	*vendor = vfio->f->vendor;
	*device = vfio->f->device;
}

int nvmh_vfio_bar_map(struct nvmh_vfio *vfio, uint32_t bar, uint64_t off, size_t len,
		      bool own_address, void **base, uint64_t *iova)
{
	struct fake_pcie *f = vfio->f;
	uint64_t end;
	int ret;

	if (f->cmb_mapped || bar != f->cmb_bar || off % 4096 || !len || len % 4096 ||
	    off > FAKE_PCIE_CMB_BAR || len > FAKE_PCIE_CMB_BAR - off)
		return nvmh_error(-ENXIO, "BAR %u has no %zu bytes", bar, len);
	*base = f->cmb + off;
	if (own_address) {
		*iova = FAKE_PCIE_BAR_ADDRESS + off;
		ret = nvmh_dma_overlaps(&f->dma, *iova, *iova + len - 1, &end) ? -EADDRINUSE : 0;
	} else {
		ret = nvmh_dma_alloc(&f->dma, (uintptr_t)*base, len, iova);
	}
	if (!ret)
		ret = nvmh_dma_add(&f->dma, (uintptr_t)*base, len, *iova);
	if (ret)
		return nvmh_error(ret, "no address for BAR %u", bar);
	f->cmb_mapped = true;
	return 0;
}

int nvmh_vfio_map(struct nvmh_vfio *vfio, void *base, size_t len)
{
	uint64_t iova;
	int ret;

	if ((uintptr_t)base % 4096 || len % 4096)
		return -EINVAL;
	ret = nvmh_dma_alloc(&vfio->f->dma, (uintptr_t)base, len, &iova);
	return ret ? ret : nvmh_dma_add(&vfio->f->dma, (uintptr_t)base, len, iova);
}

const struct nvmh_dma *nvmh_vfio_dma(const struct nvmh_vfio *vfio)
{
	return &vfio->f->dma;
}

/* ---- interrupts ---- */

const char *nvmh_irq_name(enum nvmh_irq kind)
{
	static const char *const names[] = { "none", "intx", "msi", "msix" };

	return names[kind];
}

enum nvmh_irq nvmh_vfio_irq_kind(const struct nvmh_vfio *vfio)
{
	return vfio->f->irq;
}

void nvmh_vfio_avoid_msi(struct nvmh_vfio *vfio)
{
	struct fake_pcie *f = vfio->f;

	if (f->irq_best == NVMH_IRQ_MSI)
		f->irq_best = NVMH_IRQ_INTX;
}

int nvmh_vfio_set_irqs(struct nvmh_vfio *vfio, const int *fds, uint32_t nr)
{
	struct fake_pcie *f = vfio->f;

	pthread_mutex_lock(&f->lock);
	f->irq = f->irq_best;
	if (f->irq == NVMH_IRQ_NONE)
		nr = 0;
	else
		nr = min_of(nr, f->irq == NVMH_IRQ_INTX ? 1 : f->nr_vectors);
	memcpy(f->fds, fds, nr * sizeof(*fds));
	f->nr_fds = nr;
	memset(f->masked, 0, sizeof(f->masked));
	memset(f->pending, 0, sizeof(f->pending));
	f->intx_masked = false;
	pthread_mutex_unlock(&f->lock);
	return (int)nr;
}

static void event(struct fake_pcie *f, uint16_t vector)
{
	uint64_t one = 1;

	atomic_fetch_add(&f->interrupts, 1);
	assert(write(f->fds[vector], &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

/* Level triggered, and masked by the kernel when it comes. */
static void run_intx(struct fake_pcie *f)
{
	if (f->irq != NVMH_IRQ_INTX || f->intx_masked || !fake_pcie_intx(f))
		return;
	f->intx_masked = true;
	event(f, 0);
}

void fake_vfio_interrupt(struct fake_pcie *f, uint16_t vector)
{
	run_intx(f);
	if (f->irq == NVMH_IRQ_INTX || vector >= f->nr_fds)
		return;
	if (f->masked[vector])
		f->pending[vector] = true;
	else
		event(f, vector);
}

bool nvmh_vfio_mask(struct nvmh_vfio *vfio, uint32_t vector, bool masked)
{
	struct fake_pcie *f = vfio->f;

	if (f->cannot_mask || f->irq != NVMH_IRQ_MSIX || vector >= f->nr_fds)
		return false;
	if (!masked && f->on_unmask)
		f->on_unmask(f);
	pthread_mutex_lock(&f->lock);
	atomic_fetch_add(masked ? &f->masks : &f->unmasks, 1);
	f->masked[vector] = masked;
	if (!masked && f->pending[vector]) {
		f->pending[vector] = false;
		event(f, (uint16_t)vector);
	}
	pthread_mutex_unlock(&f->lock);
	return true;
}

void nvmh_vfio_unmask_intx(struct nvmh_vfio *vfio)
{
	struct fake_pcie *f = vfio->f;

	pthread_mutex_lock(&f->lock);
	atomic_fetch_add(&f->unmasks, 1);
	f->intx_masked = false;
	run_intx(f);
	pthread_mutex_unlock(&f->lock);
}

int nvmh_vfio_err_fd(const struct nvmh_vfio *vfio)
{
	return vfio->f->err_fd;
}

int nvmh_vfio_req_fd(const struct nvmh_vfio *vfio)
{
	return vfio->f->req_fd;
}

int nvmh_vfio_reset(struct nvmh_vfio *vfio)
{
	atomic_fetch_add(&vfio->f->resets, 1);
	if (vfio->f->on_reset)
		vfio->f->on_reset(vfio->f);
	if (vfio->f->reset_fails)
		return -ENOTTY;
	fake_pcie_reset(vfio->f);
	return 0;
}

void nvmh_vfio_cut_off(struct nvmh_vfio *vfio)
{
	atomic_store(&vfio->f->cut_off, true);
}
