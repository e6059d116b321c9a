// SPDX-License-Identifier: BSD-2-Clause
/*
 * The controller made of memory: registers, rings, interrupts. Runs in whoever steps it, under its
 * lock. Entry points: fake_pcie_create(), fake_pcie_step(), fake_pcie_run(). NVM Express Base
 * Specification 2.x, "Controller Properties", "Memory-based Transport Queue Model".
 */
#include "tests/fake/fake_pcie.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	STEP_US = 50,
	DOORBELLS = 0x1000,
};

static uint32_t reg_load(const struct fake_pcie *f, uint32_t off)
{
	return le32toh(__atomic_load_n((const uint32_t *)(f->bar + off), __ATOMIC_ACQUIRE));
}

static void reg_store(struct fake_pcie *f, uint32_t off, uint32_t val)
{
	__atomic_store_n((uint32_t *)(f->bar + off), htole32(val), __ATOMIC_RELEASE);
}

static uint64_t reg_load64(struct fake_pcie *f, uint32_t off)
{
	return reg_load(f, off) | (uint64_t)reg_load(f, off + 4) << 32;
}

static void fill(char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, min_of(size, strlen(text)));
}

struct fake_pcie *fake_pcie_create(void)
{
	struct fake_pcie *f = calloc(1, sizeof(*f));

	assert(f);
	f->bar = aligned_alloc(4096, FAKE_PCIE_BAR_BYTES);
	assert(f->bar);
	memset(f->bar, 0, FAKE_PCIE_BAR_BYTES);
	f->cmb = aligned_alloc(4096, FAKE_PCIE_CMB_BAR);
	assert(f->cmb);
	f->cmb_bar = 2;
	/* MQES 1023, CQR, TO 2 s, DSTRD 0, NVM command set, MPSMIN 0, MPSMAX 4 */
	f->cap = 1023 | 1ull << 16 | 4ull << 24 | 1ull << 37 | 4ull << 52;
	f->vs = 0x10400;
	f->max_queues = FAKE_PCIE_QUEUES - 1;
	f->irq_best = NVMH_IRQ_MSIX;
	f->nr_vectors = FAKE_PCIE_VECTORS;
	fill(f->id.mn, sizeof(f->id.mn), "Fake drive");
	fill(f->id.sn, sizeof(f->id.sn), "FAKE1");
	fill(f->id.fr, sizeof(f->id.fr), "1");
	f->id.mdts = 7;
	f->id.sqes = 0x66;
	f->id.cqes = 0x44;
	f->id.oaes = htole32(1 << 8);
	f->id.nn = htole32(FAKE_PCIE_NS);
	f->id.cntlid = htole16(7);
	f->id.rtd3e = htole32(1000000);
	f->err_fd = f->req_fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	fake_vfio_attach(f);
	return f;
}

void fake_pcie_free(struct fake_pcie *f)
{
	size_t i;

	fake_pcie_stop(f);
	assert(!f->open);
	fake_vfio_detach(f);
	for (i = 0; i < FAKE_PCIE_NS; i++) {
		free(f->ns[i].data);
		free(f->ns[i].md);
	}
	free(f->cmb);
	pthread_mutex_destroy(&f->lock);
	free(f->bar);
	free(f);
}

struct fake_pcie_ns *fake_pcie_add_ns(struct fake_pcie *f, uint32_t nsid, uint8_t lbads,
				      uint64_t nsze)
{
	struct fake_pcie_ns *ns = f->ns;

	while (ns->nsid)
		ns++;
	assert(ns < f->ns + FAKE_PCIE_NS);
	ns->nsid = nsid;
	ns->nsze = nsze;
	ns->lba_size = 1u << lbads;
	ns->data = calloc(nsze, ns->lba_size);
	assert(ns->data);
	ns->id.nsze = ns->id.ncap = ns->id.nuse = htole64(nsze);
	ns->id.lbaf[0].ds = lbads;
	ns->desc[0] = NVME_NIDT_UUID;
	ns->desc[1] = NVME_NIDT_UUID_LEN;
	memset(ns->desc + 4, (int)nsid, NVME_NIDT_UUID_LEN);
	return ns;
}

/* ---- memory and rings ---- */

void *fake_pcie_dma(struct fake_pcie *f, uint64_t iova, size_t len)
{
	const struct nvmh_dma_table *table = atomic_load(&f->dma.table);
	uint32_t i;

	if (f->cba && iova >= f->cba && iova - f->cba < f->cmb_bytes &&
	    len <= f->cmb_bytes - (iova - f->cba))
		return f->cmb + (iova - f->cba);
	for (i = 0; table && !atomic_load(&f->cut_off) && i < table->nr; i++) {
		const struct nvmh_dma_region *r = &table->region[i];

		if (r->va >= (uintptr_t)f->cmb && r->va < (uintptr_t)f->cmb + FAKE_PCIE_CMB_BAR)
			continue; /* not memory of the host */
		if (iova >= r->iova && iova - r->iova < r->len && len <= r->len - (iova - r->iova))
			return (void *)(r->va + (uintptr_t)(iova - r->iova));
	}
	atomic_fetch_add(&f->faults, 1);
	return NULL;
}

static uint32_t doorbell(const struct fake_pcie *f, uint32_t index)
{
	return DOORBELLS + index * (4u << NVME_CAP_DSTRD(f->cap));
}

void fake_pcie_clear_doorbell(struct fake_pcie *f, uint16_t qid, bool cq)
{
	reg_store(f, doorbell(f, 2u * qid + cq), 0);
}

void fake_pcie_post(struct fake_pcie *f, uint16_t qid, struct nvme_cqe *cqe)
{
	struct fake_pcie_cq *cq = &f->cq[qid];
	struct nvme_cqe *slot;
	uint16_t status;

	if (!cq->there)
		return;
	if (f->on_cqe)
		f->on_cqe(f, qid, cqe);
	slot = fake_pcie_dma(f, cq->base + cq->tail * sizeof(*slot), sizeof(*slot));
	if (!slot)
		return;
	status = (uint16_t)((le16_get(cqe->status) & ~1) | cq->phase);
	memcpy(slot, cqe, offsetof(struct nvme_cqe, status));
	__atomic_store_n(&slot->status.v, htole16(status), __ATOMIC_RELEASE);
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	if (cq->ien && !atomic_load(&f->no_interrupts))
		fake_vfio_interrupt(f, cq->vector);
}

bool fake_pcie_intx(const struct fake_pcie *f)
{
	uint16_t qid;

	for (qid = 0; qid < FAKE_PCIE_QUEUES; qid++) {
		if (f->cq[qid].there && f->cq[qid].ien &&
		    reg_load(f, doorbell(f, 2u * qid + 1)) != f->cq[qid].tail)
			return true;
	}
	return false;
}

void fake_pcie_answer(struct fake_pcie *f, uint16_t qid, const struct nvme_sqe *sqe, uint32_t dw0,
		      uint16_t status)
{
	struct nvme_cqe cqe = {
		.dw0 = le32_make(dw0),
		.sqhd = le16_make(f->sq[qid].head),
		.sqid = le16_make(qid),
		.cid = sqe->cid,
		.status = le16_make((uint16_t)(status << 1)),
	};

	fake_pcie_post(f, f->sq[qid].cqid, &cqe);
}

static void take_command(struct fake_pcie *f, uint16_t qid, const struct nvme_sqe *sqe)
{
	atomic_fetch_add(&f->commands, 1);
	if (!qid)
		f->last_admin = *sqe;
	if (!qid && atomic_load(&f->mute_admin))
		return;
	if (qid && atomic_load(&f->hold_io) && f->nr_held < FAKE_PCIE_HELD) {
		f->held[f->nr_held++] = (struct fake_pcie_held){ .qid = qid, .sqe = *sqe };
		return;
	}
	fake_pcie_command(f, qid, sqe);
}

static void run_queue(struct fake_pcie *f, uint16_t qid)
{
	struct fake_pcie_sq *sq = &f->sq[qid];
	uint32_t tail = fake_pcie_tail(f, qid);
	const struct nvme_sqe *slot;
	struct nvme_sqe sqe;

	if (tail == FAKE_PCIE_NOT_RUNG)
		return;
	do {
		if (tail >= sq->size) {
			atomic_fetch_add(&f->faults, 1); /* invalid doorbell value */
			return;
		}
		while (sq->there && f->enabled && sq->head != tail) {
			slot = fake_pcie_dma(f, sq->base + sq->head * sizeof(*slot), sizeof(*slot));
			if (!slot)
				return;
			sqe = *slot;
			atomic_fetch_add(&f->cmb_fetches,
					 (uint8_t *)slot >= f->cmb &&
						 (uint8_t *)slot < f->cmb + FAKE_PCIE_CMB_BAR);
			sq->head = (uint16_t)(sq->head + 1 == sq->size ? 0 : sq->head + 1);
			take_command(f, qid, &sqe);
		}
		if (!sq->there || !f->enabled)
			return;
	} while (fake_pcie_read_up_to(f, qid, sq->head, &tail));
}

/* ---- registers ---- */

static void enable(struct fake_pcie *f)
{
	uint32_t aqa = reg_load(f, NVME_REG_AQA);

	f->enabled = true;
	atomic_fetch_add(&f->enables, 1);
	f->sq[0] = (struct fake_pcie_sq){ .there = true,
					  .base = reg_load64(f, NVME_REG_ASQ),
					  .size = (aqa & 0xfff) + 1 };
	f->cq[0] = (struct fake_pcie_cq){
		.there = true,
		.base = reg_load64(f, NVME_REG_ACQ),
		.size = (uint16_t)((aqa >> 16 & 0xfff) + 1),
		.phase = 1,
		.ien = true,
	};
}

static void disable(struct fake_pcie *f)
{
	uint16_t qid;

	for (qid = 1; qid < FAKE_PCIE_QUEUES; qid++) {
		if (f->sq[qid].there) {
			atomic_fetch_add(&f->rude_disables, 1);
			break;
		}
	}
	f->enabled = false;
	f->shut = false;
	f->nr_held = 0;
	f->aer_posted = false;
	fake_pcie_feat_reset(f);
	memset(f->sq, 0, sizeof(f->sq));
	memset(f->cq, 0, sizeof(f->cq));
	memset(f->bar + DOORBELLS, 0, FAKE_PCIE_BAR_BYTES - DOORBELLS);
}

static void set_csts(struct fake_pcie *f)
{
	uint32_t csts = 0;

	if (f->enabled && !atomic_load(&f->never_ready))
		csts |= NVME_CSTS_RDY_MASK;
	if (atomic_load(&f->fatal))
		csts |= NVME_CSTS_CFS_MASK << NVME_CSTS_CFS_SHIFT;
	if (f->shut)
		csts |= NVME_CSTS_SHST_CMPLT << NVME_CSTS_SHST_SHIFT;
	reg_store(f, NVME_REG_CSTS, csts);
}

static void read_all_as(struct fake_pcie *f, uint32_t val)
{
	uint32_t off;

	for (off = 0; off < DOORBELLS; off += 4)
		reg_store(f, off, val);
}

/* A subsystem reset; the link it takes down comes back with every register as after a reset. */
static void step_subsystem_reset(struct fake_pcie *f)
{
	if (f->down) {
		if (!--f->down)
			memset(f->bar, 0, DOORBELLS);
		return;
	}
	if (reg_load(f, NVME_REG_NSSR) != 0x4e564d65)
		return;
	atomic_fetch_add(&f->subsystem_resets, 1);
	disable(f);
	memset(f->bar, 0, DOORBELLS);
	f->nr_fds = 0; /* the configuration space went, too */
	f->down = f->link_down;
	if (f->down)
		read_all_as(f, UINT32_MAX);
}

static void step_registers(struct fake_pcie *f)
{
	uint32_t cc = reg_load(f, NVME_REG_CC);

	reg_store(f, NVME_REG_CAP, (uint32_t)f->cap);
	reg_store(f, NVME_REG_CAP + 4, (uint32_t)(f->cap >> 32));
	reg_store(f, NVME_REG_VS, f->vs);
	reg_store(f, NVME_REG_CRTO, f->crto);
	fake_pcie_feat_registers(f);
	if (NVME_CC_EN(cc) && !f->enabled) {
		if (f->countdown++ >= f->ready_delay)
			enable(f);
	} else if (!NVME_CC_EN(cc) && f->enabled && !atomic_load(&f->never_idle)) {
		disable(f);
	}
	if (!NVME_CC_EN(cc))
		f->countdown = 0;
	if (f->enabled && NVME_CC_SHN(cc))
		atomic_store(&f->notified, true);
	if (f->enabled && NVME_CC_SHN(cc) && !f->shut && !f->no_shutdown) {
		f->shut = true;
		atomic_fetch_add(&f->shutdowns, 1);
	}
	set_csts(f);
}

void fake_pcie_step(struct fake_pcie *f)
{
	uint16_t qid;

	pthread_mutex_lock(&f->lock);
	if (!atomic_load(&f->gone) && !atomic_load(&f->unpowered))
		step_subsystem_reset(f);
	if (atomic_load(&f->gone)) {
		read_all_as(f, UINT32_MAX);
	} else if (atomic_load(&f->unpowered)) {
		read_all_as(f, 0);
	} else if (!f->down) {
		step_registers(f);
		for (qid = 0; qid < FAKE_PCIE_QUEUES && f->enabled && !atomic_load(&f->fatal);
		     qid++) {
			if (f->sq[qid].there)
				run_queue(f, qid);
		}
		if (f->event && f->aer_posted) {
			f->aer_posted = false;
			fake_pcie_answer(f, 0, &f->aer, f->event, 0);
			f->event = 0;
		}
	}
	pthread_mutex_unlock(&f->lock);
}

static void *run(void *arg)
{
	struct timespec pause = { .tv_nsec = STEP_US * 1000 };
	struct fake_pcie *f = arg;

	while (atomic_load(&f->running)) {
		fake_pcie_step(f);
		ppoll(NULL, 0, &pause, NULL);
	}
	return NULL;
}

void fake_pcie_run(struct fake_pcie *f)
{
	atomic_store(&f->running, true);
	assert(!pthread_create(&f->thread, NULL, run, f));
}

void fake_pcie_stop(struct fake_pcie *f)
{
	if (!atomic_exchange(&f->running, false))
		return;
	pthread_join(f->thread, NULL);
}

uint32_t fake_pcie_release(struct fake_pcie *f, uint32_t nr, bool reverse)
{
	struct fake_pcie_held held;
	uint32_t n = 0;

	pthread_mutex_lock(&f->lock);
	for (; n < nr && f->nr_held; n++) {
		held = reverse ? f->held[f->nr_held - 1] : f->held[0];
		f->nr_held--;
		if (!reverse)
			memmove(f->held, f->held + 1, f->nr_held * sizeof(f->held[0]));
		fake_pcie_command(f, held.qid, &held.sqe);
	}
	pthread_mutex_unlock(&f->lock);
	return n;
}

void fake_pcie_reset(struct fake_pcie *f)
{
	pthread_mutex_lock(&f->lock);
	reg_store(f, NVME_REG_CC, 0);
	disable(f);
	set_csts(f);
	pthread_mutex_unlock(&f->lock);
}

void fake_pcie_event(struct fake_pcie *f, uint32_t dw0)
{
	pthread_mutex_lock(&f->lock);
	f->event = dw0;
	pthread_mutex_unlock(&f->lock);
}
