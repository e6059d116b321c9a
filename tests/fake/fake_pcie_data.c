// SPDX-License-Identifier: BSD-2-Clause
/*
 * How the controller made of memory reaches data and metadata: its own reading of PRPs and SGLs,
 * which knows nothing of the driver's, and protection information. Entry points: fake_pcie_move(),
 * fake_pcie_rw(). NVM Express Base Specification 2.x, "Physical Region Page Entry and List",
 * "Scatter Gather List (SGL)"; NVM Command Set Specification, "Metadata Handling", "End-to-end Data
 * Protection".
 */
#include <stdlib.h>

#include "tests/fake/fake_pcie.h"

enum {
	ST_BAD_GUARD = 0x282,
	ST_BAD_REF = 0x284,
	PRCHK_REF = 1 << 26,
	PRCHK_GUARD = 1 << 28,
	PRACT = 1 << 29,
	PI_BYTES = 8,
};

static bool copy_page(struct fake_pcie *f, uint64_t iova, void *data, size_t len, bool to_host)
{
	void *p = fake_pcie_dma(f, iova, len);

	if (!p)
		return false;
	memcpy(to_host ? p : data, to_host ? data : p, len);
	return true;
}

static bool move_prp(struct fake_pcie *f, const struct nvme_sqe *sqe, void *data, size_t len,
		     bool to_host)
{
	uint64_t page = fake_pcie_page_size(f);
	uint64_t at = le64_get(sqe->dptr.prp.prp1);
	uint64_t list = le64_get(sqe->dptr.prp.prp2);
	size_t part = min_of((uint64_t)len, page - at % page);
	const le64_t *entry;

	if (at % 4 || !copy_page(f, at, data, part, to_host))
		goto bad;
	data = (char *)data + part;
	len -= part;
	if (!len)
		return true;
	if (len <= page) /* PRP 2 is the second page */
		return list % page == 0 ? copy_page(f, list, data, len, to_host)
					: (atomic_fetch_add(&f->faults, 1), false);
	if (list % 8)
		goto bad;
	while (len) {
		entry = fake_pcie_dma(f, list, sizeof(*entry));
		if (!entry)
			return false;
		at = le64_get(*entry);
		/* the last entry of a page of the list leads to the next page, unless it is the
		 * last of all */
		if (list % page == page - 8 && len > page) {
			list = at;
			if (list % 8)
				goto bad;
			continue;
		}
		part = min_of((uint64_t)len, page);
		if (at % page || !copy_page(f, at, data, part, to_host))
			goto bad;
		data = (char *)data + part;
		len -= part;
		list += 8;
	}
	return true;
bad:
	atomic_fetch_add(&f->faults, 1);
	return false;
}

/* One data block, or one last segment of them, as the subset of a PCIe controller. */
static bool move_sgl(struct fake_pcie *f, const struct nvme_sqe *sqe, uint8_t *data, size_t len,
		     bool to_host)
{
	uint32_t align = (le32toh(f->id.sgls) & 3) == 2 ? 3 : 0;
	const struct nvme_sgl *sgl = &sqe->dptr.sgl;
	uint32_t nr = 1;
	uint32_t part;

	if (!(le32toh(f->id.sgls) & 3))
		goto bad;
	atomic_fetch_add(&f->sgls, 1);
	if (sgl->type == NVME_SGL_LAST_SEGMENT_ADDR) {
		nr = le32_get(sgl->length) / sizeof(*sgl);
		if (!nr || le32_get(sgl->length) % sizeof(*sgl))
			goto bad;
		sgl = fake_pcie_dma(f, le64_get(sgl->addr), le32_get(sgl->length));
		if (!sgl)
			return false;
	}
	for (; nr; nr--, sgl++) {
		part = le32_get(sgl->length);
		if (sgl->type != NVME_SGL_DATA_ADDR || part > len ||
		    (le64_get(sgl->addr) | part) & align ||
		    !copy_page(f, le64_get(sgl->addr), data, part, to_host))
			goto bad;
		data += part;
		len -= part;
	}
	if (!len)
		return true;
bad:
	atomic_fetch_add(&f->faults, 1);
	return false;
}

bool fake_pcie_move(struct fake_pcie *f, const struct nvme_sqe *sqe, void *data, size_t len,
		    bool to_host)
{
	if ((sqe->flags & NVME_SQE_PSDT_MASK) == NVME_SQE_PSDT_SGL)
		return move_sgl(f, sqe, data, len, to_host);
	return move_prp(f, sqe, data, len, to_host);
}

/* ---- blocks with metadata ---- */

void fake_pcie_set_md(struct fake_pcie_ns *ns, uint16_t ms, bool ext, uint8_t pi_type)
{
	ns->ms = ms;
	ns->ext = ext;
	ns->md = realloc(ns->md, ns->nsze * ms);
	assert(ns->md);
	memset(ns->md, 0xff, ns->nsze * ms); /* never written: not checked */
	ns->id.lbaf[0].ms = htole16(ms);
	ns->id.flbas = ext ? 1 << 4 : 0;
	ns->id.dps = pi_type;
	ns->id.mc = 3;
}

/* Not the CRC: what matters is who makes it, and that it is checked. */
static uint16_t guard_of(const uint8_t *block, uint32_t size)
{
	uint16_t sum = 1;

	while (size--)
		sum = (uint16_t)(sum * 31 + *block++);
	return sum;
}

static void make_pi(uint8_t *pi, const uint8_t *block, uint32_t size, uint32_t ref)
{
	uint16_t guard = guard_of(block, size);
	const uint8_t bytes[PI_BYTES] = {
		(uint8_t)(guard >> 8), (uint8_t)guard,	    0,		 0, (uint8_t)(ref >> 24),
		(uint8_t)(ref >> 16),  (uint8_t)(ref >> 8), (uint8_t)ref
	};

	memcpy(pi, bytes, sizeof(bytes));
}

static uint16_t check_pi(const uint8_t *pi, const uint8_t *block, uint32_t size, uint32_t ref,
			 uint32_t cdw12)
{
	uint8_t want[PI_BYTES];

	if (pi[2] == 0xff && pi[3] == 0xff)
		return 0;
	make_pi(want, block, size, ref);
	if (cdw12 & PRCHK_GUARD && memcmp(pi, want, 2))
		return ST_BAD_GUARD;
	if (cdw12 & PRCHK_REF && memcmp(pi + 4, want + 4, 4))
		return ST_BAD_REF;
	return 0;
}

/* PRACT: the host neither sends nor gets the protection information. */
static uint16_t rw_stripped(struct fake_pcie *f, struct fake_pcie_ns *ns,
			    const struct nvme_sqe *sqe, uint64_t slba, uint32_t nlb)
{
	uint8_t *data = ns->data + slba * ns->lba_size;
	bool read = sqe->opcode == nvme_cmd_read;
	uint32_t cdw12 = le32_get(sqe->cdw12);
	uint32_t ref = le32_get(sqe->cdw14);
	uint16_t status;
	uint32_t i;

	if (!ns->id.dps || ns->ms != PI_BYTES || (ns->id.dps == 1 && ref != (uint32_t)slba))
		return ST_INVALID_PI;
	for (i = 0; read && i < nlb; i++) {
		status = check_pi(ns->md + (slba + i) * PI_BYTES, data + i * ns->lba_size,
				  ns->lba_size, ref + i, cdw12);
		if (status)
			return status;
	}
	if (!fake_pcie_move(f, sqe, data, (size_t)nlb * ns->lba_size, read))
		return ST_DATA_XFER_ERROR;
	for (i = 0; !read && i < nlb; i++)
		make_pi(ns->md + (slba + i) * PI_BYTES, data + i * ns->lba_size, ns->lba_size,
			ref + i);
	return 0;
}

static bool rw_apart(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe,
		     uint64_t slba, uint32_t nlb)
{
	bool read = sqe->opcode == nvme_cmd_read;

	if (le64_get(sqe->mptr) % 4) {
		atomic_fetch_add(&f->faults, 1);
		return false;
	}
	return fake_pcie_move(f, sqe, ns->data + slba * ns->lba_size, (size_t)nlb * ns->lba_size,
			      read) &&
	       copy_page(f, le64_get(sqe->mptr), ns->md + slba * ns->ms, (size_t)nlb * ns->ms,
			 read);
}

static bool rw_within(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe,
		      uint64_t slba, uint32_t nlb)
{
	bool read = sqe->opcode == nvme_cmd_read;
	size_t size = ns->lba_size + ns->ms;
	uint8_t *all = malloc(nlb * size);
	uint32_t i;
	bool ok;

	assert(all);
	for (i = 0; i < nlb; i++) {
		memcpy(all + i * size, ns->data + (slba + i) * ns->lba_size, ns->lba_size);
		memcpy(all + i * size + ns->lba_size, ns->md + (slba + i) * ns->ms, ns->ms);
	}
	ok = fake_pcie_move(f, sqe, all, nlb * size, read);
	for (i = 0; ok && !read && i < nlb; i++) {
		memcpy(ns->data + (slba + i) * ns->lba_size, all + i * size, ns->lba_size);
		memcpy(ns->md + (slba + i) * ns->ms, all + i * size + ns->lba_size, ns->ms);
	}
	free(all);
	return ok;
}

uint16_t fake_pcie_rw(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe,
		      uint64_t slba, uint32_t nlb)
{
	bool read = sqe->opcode == nvme_cmd_read;
	bool ok;

	if (le32_get(sqe->cdw12) & PRACT)
		return rw_stripped(f, ns, sqe, slba, nlb);
	if (!ns->ms)
		ok = fake_pcie_move(f, sqe, ns->data + slba * ns->lba_size,
				    (size_t)nlb * ns->lba_size, read);
	else if (ns->ext)
		ok = rw_within(f, ns, sqe, slba, nlb);
	else
		ok = rw_apart(f, ns, sqe, slba, nlb);
	return ok ? 0 : ST_DATA_XFER_ERROR;
}
