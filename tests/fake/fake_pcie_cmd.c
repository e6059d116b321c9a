// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of the controller made of memory. Entry point: fake_pcie_command(). NVM Express Base
 * Specification 2.x, "Admin Command Set"; NVM Command Set.
 */
#include <stdlib.h>

#include "tests/fake/fake_pcie.h"

enum {
	PAGE = 4096,
	MAX_DATA = 2 << 20,
	INVALID_QUEUE_DELETION = 0x10c,
};

static uint16_t send_page(struct fake_pcie *f, const struct nvme_sqe *sqe, const void *page,
			  size_t len)
{
	uint8_t data[PAGE];

	memcpy(data, page, len);
	if (f->on_data)
		f->on_data(f, sqe, data);
	return fake_pcie_move(f, sqe, data, len, true) ? 0 : ST_DATA_XFER_ERROR;
}

static struct fake_pcie_ns *find_ns(struct fake_pcie *f, uint32_t nsid)
{
	size_t i;

	for (i = 0; i < FAKE_PCIE_NS; i++) {
		if (nsid && f->ns[i].nsid == nsid)
			return &f->ns[i];
	}
	return NULL;
}

static uint16_t identify(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint32_t nsid = le32_get(sqe->nsid);
	struct fake_pcie_ns *ns = find_ns(f, nsid);
	uint32_t list[1024] = { 0 };
	size_t n = 0;
	size_t i;

	switch (le32_get(sqe->cdw10) & 0xff) {
	case NVME_IDENTIFY_CNS_CTRL:
		return send_page(f, sqe, &f->id, sizeof(f->id));
	case NVME_IDENTIFY_CNS_NS_ACTIVE_LIST:
		for (i = 0; i < FAKE_PCIE_NS; i++) {
			if (f->ns[i].nsid > nsid)
				list[n++] = htole32(f->ns[i].nsid);
		}
		return send_page(f, sqe, list, sizeof(list));
	case NVME_IDENTIFY_CNS_NS:
		if (!nsid || nsid > le32toh(f->id.nn))
			return ST_INVALID_NS;
		return send_page(f, sqe, ns ? (void *)&ns->id : list, PAGE);
	case NVME_IDENTIFY_CNS_NS_DESC_LIST:
		return ns ? send_page(f, sqe, ns->desc, PAGE) : ST_INVALID_NS;
	case NVME_IDENTIFY_CNS_CSI_NS:
		return ns ? send_page(f, sqe, ns->csi_id, PAGE) : ST_INVALID_NS;
	case NVME_IDENTIFY_CNS_CSI_CTRL:
		memcpy(list, &f->zasl, sizeof(f->zasl));
		return send_page(f, sqe, list, PAGE);
	}
	return ST_INVALID_FIELD;
}

static uint16_t create_queue(struct fake_pcie *f, const struct nvme_sqe *sqe, bool cq)
{
	uint32_t cdw10 = le32_get(sqe->cdw10);
	uint32_t cdw11 = le32_get(sqe->cdw11);
	uint16_t qid = cdw10 & 0xffff;
	uint32_t size = (cdw10 >> 16) + 1;
	uint64_t base = le64_get(sqe->dptr.prp.prp1);

	if (!qid || qid >= FAKE_PCIE_QUEUES || qid > f->max_queues)
		return ST_INVALID_QID;
	if (size < 2 || size > NVME_CAP_MQES(f->cap) + 1u)
		return ST_INVALID_QUEUE_SIZE;
	if (!(cdw11 & 1) || base % fake_pcie_page_size(f) ||
	    !fake_pcie_dma(f, base, size * (cq ? 16u : 64u)))
		return ST_INVALID_FIELD;
	if (cq) {
		if (f->cq[qid].there)
			return ST_INVALID_QID;
		fake_pcie_clear_doorbell(f, qid, true);
		f->cq[qid] = (struct fake_pcie_cq){
			.there = true,
			.base = base,
			.size = (uint16_t)size,
			.phase = 1,
			.vector = (uint16_t)(cdw11 >> 16),
			.ien = cdw11 & 2,
		};
		return 0;
	}
	f->sq_flags[qid] = cdw11;
	if (f->sq[qid].there || !f->cq[cdw11 >> 16 & 0x3f].there)
		return ST_INVALID_QID;
	fake_pcie_clear_doorbell(f, qid, false);
	f->sq[qid] = (struct fake_pcie_sq){
		.there = true, .base = base, .size = (uint16_t)size, .cqid = (uint16_t)(cdw11 >> 16)
	};
	return 0;
}

static uint16_t delete_queue(struct fake_pcie *f, const struct nvme_sqe *sqe, bool cq)
{
	uint16_t qid = le32_get(sqe->cdw10) & 0xffff;

	if (!qid || qid >= FAKE_PCIE_QUEUES || !(cq ? f->cq[qid].there : f->sq[qid].there))
		return ST_INVALID_QID;
	for (uint16_t i = 1; cq && i < FAKE_PCIE_QUEUES; i++)
		if (f->sq[i].there && f->sq[i].cqid == qid)
			return INVALID_QUEUE_DELETION;
	atomic_fetch_add(&f->deletes, 1);
	if (cq) {
		f->cq[qid].there = false;
		return 0;
	}
	fake_pcie_end_held(f, qid);
	f->sq[qid].there = false;
	return 0;
}

static uint16_t get_log(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint32_t len = (le32_get(sqe->cdw10) >> 16) * 4 + 4;
	uint32_t lid = le32_get(sqe->cdw10) & 0xff;
	uint8_t page[PAGE] = { 0 };

	if (len > PAGE || lid < NVME_LOG_LID_ERROR || lid > NVME_LOG_LID_CHANGED_NS)
		return ST_INVALID_LOG_PAGE;
	page[0] = (uint8_t)lid;
	if (lid == NVME_LOG_LID_SMART && f->smart_is_set)
		memcpy(page, f->smart, sizeof(f->smart));
	return send_page(f, sqe, page, len);
}

static void admin(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint32_t wanted = le32_get(sqe->cdw11) & 0xffff;
	uint16_t status = f->on_admin ? f->on_admin(f, sqe) : 0;
	uint32_t dw0 = 0;

	if (status) {
		fake_pcie_answer(f, 0, sqe, 0, status);
		return;
	}
	switch (sqe->opcode) {
	case nvme_admin_identify:
		status = identify(f, sqe);
		break;
	case nvme_admin_create_cq:
	case nvme_admin_create_sq:
		status = create_queue(f, sqe, sqe->opcode == nvme_admin_create_cq);
		break;
	case nvme_admin_delete_cq:
	case nvme_admin_delete_sq:
		status = delete_queue(f, sqe, sqe->opcode == nvme_admin_delete_cq);
		break;
	case nvme_admin_set_features:
		if ((le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_NUM_QUEUES) {
			wanted = min_of(wanted, f->max_queues - 1u);
			dw0 = wanted << 16 | wanted;
		} else if ((le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_HOST_MEM_BUF) {
			status = fake_pcie_hmb(f, sqe);
		} else {
			f->features[le32_get(sqe->cdw10) & 0xff] = le32_get(sqe->cdw11);
		}
		break;
	case nvme_admin_dbbuf:
		status = fake_pcie_dbbuf_config(f, sqe);
		break;
	case nvme_admin_get_log_page:
		status = get_log(f, sqe);
		break;
	case nvme_admin_async_event:
		f->aer = *sqe;
		f->aer_posted = true;
		return;
	case nvme_admin_keep_alive:
		break;
	case nvme_admin_abort_cmd:
		status = fake_pcie_abort(f, sqe, &dw0);
		break;
	default:
		status = fake_pcie_opt_admin(f, sqe, &dw0);
	}
	fake_pcie_answer(f, 0, sqe, dw0, status);
}

static uint16_t io(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	struct fake_pcie_ns *ns = find_ns(f, le32_get(sqe->nsid));
	uint64_t slba = le32_get(sqe->cdw10) | (uint64_t)le32_get(sqe->cdw11) << 32;
	uint32_t nlb = (le32_get(sqe->cdw12) & 0xffff) + 1;

	if (f->nr_ops < ARRAY_SIZE(f->ops))
		f->ops[f->nr_ops++] = *sqe;
	if (f->on_io && f->on_io(f, sqe))
		return f->on_io(f, sqe);
	if (!ns)
		return ST_INVALID_NS;
	if (sqe->opcode == nvme_cmd_flush)
		return 0;
	if (sqe->opcode != nvme_cmd_read && sqe->opcode != nvme_cmd_write)
		return fake_pcie_opt_io(f, ns, sqe);
	if (slba >= ns->nsze || nlb > ns->nsze - slba)
		return ST_LBA_RANGE;
	if ((size_t)nlb * ns->lba_size > MAX_DATA)
		return ST_INVALID_FIELD;
	return fake_pcie_rw(f, ns, sqe, slba, nlb);
}

void fake_pcie_command(struct fake_pcie *f, uint16_t qid, const struct nvme_sqe *sqe)
{
	if (qid)
		f->last_io = *sqe;
	if (qid)
		fake_pcie_answer(f, qid, sqe, 0, io(f, sqe));
	else
		admin(f, sqe);
}
