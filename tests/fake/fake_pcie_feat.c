// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the controller made of memory can do beyond queues in host memory: its memory buffer, shadow
 * doorbells, the host memory buffer. Under its lock. NVM Express Base Specification 2.x,
 * "Controller Memory Buffer", "Doorbell Buffer Config command", "Host Memory Buffer".
 */
#include "tests/fake/fake_pcie.h"

enum {
	DOORBELLS = 0x1000,
	NOT_RUNG = -1, /* what a doorbell register holds until the host writes it */
	HMB_EHM = 1,
	HMB_MR = 2,
	MAX_DESCS = 256,
};

static uint32_t *reg(struct fake_pcie *f, uint32_t off)
{
	return (uint32_t *)(f->bar + off);
}

static uint32_t load(const uint32_t *p)
{
	return le32toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static void store(uint32_t *p, uint32_t val)
{
	__atomic_store_n(p, htole32(val), __ATOMIC_RELEASE);
}

void fake_pcie_feat_registers(struct fake_pcie *f)
{
	uint64_t msc = load(reg(f, NVME_REG_CMBMSC)) | (uint64_t)load(reg(f, NVME_REG_CMBMSC + 4))
							       << 32;
	bool visible = !NVME_CAP_CMBS(f->cap) || NVME_CMBMSC_CRE(msc);

	store(reg(f, NVME_REG_CMBLOC), visible ? f->cmbloc : 0);
	store(reg(f, NVME_REG_CMBSZ), visible ? f->cmbsz : 0);
	store(reg(f, NVME_REG_CMBSTS), f->cbai);
	f->cmb_bytes = 0;
	if (NVME_CMBSZ_SZU(f->cmbsz) <= NVME_CMBSZ_SZU_64G)
		f->cmb_bytes =
			min_of((uint64_t)nvme_cmb_size(f->cmbsz), (uint64_t)FAKE_PCIE_CMB_BAR);
	if (!NVME_CAP_CMBS(f->cap))
		f->cba = f->cmbsz ? FAKE_PCIE_BAR_ADDRESS : 0;
	else
		f->cba = NVME_CMBMSC_CMSE(msc) ? msc & ~UINT64_C(0xfff) : 0;
}

void fake_pcie_feat_reset(struct fake_pcie *f)
{
	f->dbbuf_db = f->dbbuf_ei = 0;
	memset(f->features, 0, sizeof(f->features)); /* none is saved */
	atomic_store(&f->hmb_on, false);
}

/* ---- shadow doorbells ---- */

uint16_t fake_pcie_dbbuf_config(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint64_t db = le64_get(sqe->dptr.prp.prp1);
	uint64_t ei = le64_get(sqe->dptr.prp.prp2);
	uint32_t page = fake_pcie_page_size(f);

	if (!(le16toh(f->id.oacs) & NVME_CTRL_OACS_DBBUF_CFG))
		return ST_INVALID_OPCODE;
	if (!db || !ei || db % page || ei % page || !fake_pcie_dma(f, db, page) ||
	    !fake_pcie_dma(f, ei, page))
		return ST_INVALID_FIELD;
	f->dbbuf_db = db;
	f->dbbuf_ei = ei;
	return 0;
}

uint32_t fake_pcie_tail(struct fake_pcie *f, uint16_t qid)
{
	uint32_t at = 2u * qid * (4u << NVME_CAP_DSTRD(f->cap));
	uint32_t rung;

	if (!f->dbbuf_db || !qid)
		return load(reg(f, DOORBELLS + at));
	rung = __atomic_exchange_n(reg(f, DOORBELLS + at), (uint32_t)NOT_RUNG, __ATOMIC_SEQ_CST);
	if (rung == (uint32_t)NOT_RUNG)
		return FAKE_PCIE_NOT_RUNG;
	/* what a reset left there, or a queue's creation, is no ring */
	if (!rung && !f->sq[qid].head && !load(fake_pcie_dma(f, f->dbbuf_db + at, 4)))
		return FAKE_PCIE_NOT_RUNG;
	atomic_fetch_add(&f->rings, 1);
	return load(fake_pcie_dma(f, f->dbbuf_db + at, 4));
}

bool fake_pcie_read_up_to(struct fake_pcie *f, uint16_t qid, uint32_t head, uint32_t *tail)
{
	uint32_t at = 2u * qid * (4u << NVME_CAP_DSTRD(f->cap));

	if (!f->dbbuf_db || !qid)
		return false;
	if (!atomic_load(&f->no_event_index))
		store(fake_pcie_dma(f, f->dbbuf_ei + at, 4), head);
	/* the event index before the last look at the tail */
	atomic_thread_fence(memory_order_seq_cst);
	*tail = load(fake_pcie_dma(f, f->dbbuf_db + at, 4));
	return *tail != head;
}

/* ---- host memory buffer ---- */

static uint16_t take_hmb(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint64_t list = le32_get(sqe->cdw13) | (uint64_t)le32_get(sqe->cdw14) << 32;
	uint32_t flags = le32_get(sqe->cdw11);
	uint32_t nr = le32_get(sqe->cdw15);
	uint64_t page = fake_pcie_page_size(f);
	const le64_t *desc;
	uint64_t sum = 0;
	uint8_t *mem;
	uint64_t len;
	uint32_t i;

	if (!(flags & HMB_EHM)) {
		f->hmb_ends++;
		atomic_store(&f->hmb_on, false);
		return 0;
	}
	if (atomic_load(&f->hmb_on))
		return ST_CMD_SEQ_ERROR;
	if (!nr || nr > MAX_DESCS || list % 16 || (f->id.hmmaxd && nr > le16toh(f->id.hmmaxd)))
		return ST_INVALID_FIELD;
	for (i = 0; i < nr; i++) {
		desc = fake_pcie_dma(f, list + 16 * i, 16);
		if (!desc)
			return ST_INVALID_FIELD;
		len = (le64_get(desc[1]) & UINT32_MAX) * page;
		mem = len && len < UINT32_MAX ? fake_pcie_dma(f, le64_get(desc[0]), (size_t)len)
					      : NULL;
		if (!mem || le64_get(desc[0]) % page || len < le32toh(f->id.hmminds) * 4096ull)
			return ST_INVALID_FIELD;
		if (flags & HMB_MR && mem[0] != 0x5a)
			return ST_INVALID_FIELD; /* not what was there before */
		mem[0] = mem[len - 1] = 0x5a;
		sum += len;
	}
	if (sum != le32_get(sqe->cdw12) * page || sum < le32toh(f->id.hmmin) * 4096ull)
		return ST_INVALID_FIELD;
	f->hmb_bytes = sum;
	f->hmb_offers++;
	f->hmb_returns += !!(flags & HMB_MR);
	atomic_store(&f->hmb_on, true);
	return 0;
}

uint16_t fake_pcie_hmb(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint16_t status = take_hmb(f, sqe);

	f->hmb_bad += !!status;
	return status;
}
