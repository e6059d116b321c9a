// SPDX-License-Identifier: BSD-2-Clause
/*
 * host/vfio.h over the controller made of memory, in place of host/vfio.c. Device addresses are
 * unlike ours, so that one that was not translated is noticed. Entry points: fake_vfio_attach(),
 * nvmh_vfio_*().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

	if (!f || atomic_load(&f->gone))
		return nvmh_error(-ENODEV, "no PCI function at %s", bdf);
	if (f->open)
		return nvmh_error(-EBUSY, "%s is in use", bdf);
	pthread_mutex_lock(&f->lock);
	f->open = true;
	nvmh_dma_init(&f->dma, ranges, ARRAY_SIZE(ranges));
	pthread_mutex_unlock(&f->lock);
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
	vfio->f->nr_fds = 0;
	nvmh_dma_done(&vfio->f->dma);
	pthread_mutex_unlock(&vfio->f->lock);
}

volatile void *nvmh_vfio_bar(const struct nvmh_vfio *vfio, size_t *len)
{
	*len = FAKE_PCIE_BAR_BYTES;
	return vfio->f->bar;
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

uint32_t nvmh_vfio_nr_vectors(const struct nvmh_vfio *vfio)
{
	return vfio->f->nr_vectors;
}

int nvmh_vfio_set_vectors(struct nvmh_vfio *vfio, const int *fds, uint32_t nr)
{
	if (nr > vfio->f->nr_vectors)
		return -EINVAL;
	pthread_mutex_lock(&vfio->f->lock);
	memcpy(vfio->f->fds, fds, nr * sizeof(*fds));
	vfio->f->nr_fds = nr;
	pthread_mutex_unlock(&vfio->f->lock);
	return 0;
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
