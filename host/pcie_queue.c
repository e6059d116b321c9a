// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queue pairs in memory: submission and completion rings, doorbells, phase bits. Submit, commit,
 * poll and arm run in the thread that owns the queue; set-up and creation in the controller's
 * thread while the queue is down. Nothing of what the device writes is trusted: a completion is
 * copied once, and must stand for a command that is outstanding. Entry points: nvmh_pcie_queue_*().
 * NVM Express Base Specification 2.x, "Memory-based Transport Queue Model"; NVMe over PCIe
 * Transport Specification, "Doorbell registers".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "host/mmio.h"
#include "host/pcie.h"
#include "host/sgl.h"

enum {
	DOORBELLS = 0x1000, /* offset in BAR 0 */
	PRP_MIN_BYTES = 64, /* of a tag's list: a cache line */
	QUEUE_PC = 1 << 0,  /* Create: physically contiguous */
	QUEUE_IEN = 1 << 1,
	QUEUE_MEDIUM = 2 << 1, /* Create SQ: priority */
	PRP_ALIGN_512 = 512 / sizeof(le64_t),
};

enum create_stage {
	CREATE_SETUP,
	CREATE_CQ,
	CREATE_SQ,
};

/* ---- data plane ---- */

/* What PRPs could not describe, and metadata: away from the path of every command. Return: done. */
static __attribute__((noinline)) bool describe_by_sgl(struct pcie_queue *pq, struct nvmh_req *req,
						      const struct nvmh_prp_list *list)
{
	if (!pq->sgl || nvmh_sgl_build(pq->dma, &pq->cache, pq->sgl, req->iov, req->nr_iov,
				       req->len, list, &req->sqe.dptr.sgl))
		return false;
	req->sqe.flags = NVME_SQE_PSDT_SGL;
	return true;
}

static __attribute__((noinline)) bool describe_md(struct pcie_queue *pq, struct nvmh_req *req)
{
	uint64_t iova;

	if (nvmh_dma_find(pq->dma, &pq->cache, (uintptr_t)req->md, req->md_len, &iova) || iova & 3)
		return false;
	req->sqe.mptr = le64_make(iova);
	return true;
}

int nvmh_pcie_queue_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct pcie_queue *pq = q->tr;
	uint16_t next = pq->sq_tail + 1 == q->size ? 0 : pq->sq_tail + 1;
	struct nvmh_prp_list list;
	int ret;

	/* Never over an entry that the device may not have read yet, whatever it completed. */
	if (next == pq->sq_head)
		return -EAGAIN;
	req->sqe.flags = 0;
	req->sqe.mptr = le64_make(0);
	if (req->len) {
		list.entry = pq->prp + (size_t)req->tag * pq->per_tag;
		list.iova = pq->prp_iova + (uint64_t)req->tag * pq->per_tag * sizeof(le64_t);
		list.nr = pq->per_tag;
		ret = nvmh_prp_build(pq->dma, &pq->cache, req->iov, req->nr_iov, req->len,
				     pq->page_size, &list, &req->sqe.dptr.prp);
		if (unlikely(ret) && !describe_by_sgl(pq, req, &list))
			return -EINVAL;
	} else {
		memset(&req->sqe.dptr, 0, sizeof(req->sqe.dptr));
	}
	if (unlikely(req->md_len) && !describe_md(pq, req))
		return -EINVAL;
	if (unlikely(pq->in_cmb))
		mmio_copy(&pq->sq[pq->sq_tail], &req->sqe, sizeof(req->sqe));
	else
		pq->sq[pq->sq_tail] = req->sqe;
	pq->sq_tail = next;
	return 0;
}

void nvmh_pcie_queue_commit(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;

	if (pq->sq_tail == pq->sq_rung)
		return;
	if (unlikely(pq->in_cmb))
		io_wmb();
	/* the store orders the entries before the doorbell */
	if (likely(!pq->sq_shadow.db) ||
	    nvmh_shadow_update(&pq->sq_shadow, pq->sq_rung, pq->sq_tail))
		mmio_write32(pq->sq_db, pq->sq_tail);
	pq->sq_rung = pq->sq_tail;
	if (unlikely(!q->qid))
		nvmh_pcie_irq_admin(q->ctrl);
}

/* Entries from @from up to @to in a ring of @size. */
static uint16_t distance(uint16_t from, uint16_t to, uint16_t size)
{
	return to >= from ? to - from : to + size - from;
}

/* The device has read up to @head, if that lies within what was submitted. */
static void take_sq_head(struct nvmh_queue *q, struct pcie_queue *pq, uint16_t head)
{
	if (likely(head < q->size && distance(pq->sq_head, head, q->size) <=
					     distance(pq->sq_head, pq->sq_rung, q->size)))
		pq->sq_head = head;
	else
		pq->bad_sqhd++;
}

/*
 * A queue that is stopped is about to be deleted, and what a device says of commands that it ends
 * for that differs: Command Aborted due to SQ Deletion, or an error of the media. To their owner
 * they were ended by us, and may be tried again.
 */
static void ended_by_us(const struct nvmh_queue *q, struct nvme_cqe *cqe)
{
	uint16_t status = le16_get(cqe->status);

	if (q->qid && atomic_load(&q->state) == NVMH_Q_STOPPED)
		cqe->status = le16_make((uint16_t)((ST_HOST_ABORTED << 1) | (status & 1)));
}

static int take_completion(struct nvmh_queue *q, struct nvme_cqe *cqe)
{
	struct pcie_queue *pq = q->tr;
	struct nvmh_req *req;

	if (unlikely(le16_get(cqe->sqid) != q->qid)) {
		q->bad_completions++;
		return 0;
	}
	take_sq_head(q, pq, le16_get(cqe->sqhd));
	req = nvmh_queue_find(q, cqe->cid);
	if (unlikely(!req))
		return 0;
	if (unlikely(le16_get(cqe->status) >> 1))
		ended_by_us(q, cqe);
	nvmh_queue_complete(q, req, cqe);
	return 1;
}

static void ring_cq(struct pcie_queue *pq)
{
	if (likely(!pq->cq_shadow.db) ||
	    nvmh_shadow_update(&pq->cq_shadow, pq->cq_rung, pq->cq_head))
		mmio_write32(pq->cq_db, pq->cq_head);
	pq->cq_rung = pq->cq_head;
}

int nvmh_pcie_queue_poll(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;
	struct nvme_cqe cqe;
	uint16_t budget = q->size;
	uint16_t status;
	int n = 0;

	if (!pq || !pq->cq)
		return 0;
	while (budget) {
		/* The phase bit is loaded before the rest of the entry, which the device wrote
		 * before it. */
		status = dma_load16_acquire(&pq->cq[pq->cq_head].status);
		if ((status & 1) != pq->phase)
			break;
		cqe = pq->cq[pq->cq_head];
		cqe.status = le16_make(status);
		if (++pq->cq_head == q->size) {
			pq->cq_head = 0;
			pq->phase ^= 1;
		}
		budget--;
		n += take_completion(q, &cqe);
	}
	if (unlikely(!q->qid))
		nvmh_pcie_irq_admin_polled(q->ctrl);
	if (budget == q->size)
		return 0;
	/* With nothing outstanding every entry was read, even if the device told other heads. */
	if (!atomic_load_explicit(&q->outstanding, memory_order_relaxed))
		pq->sq_head = pq->sq_tail;
	if (atomic_load(&q->state) == NVMH_Q_LIVE || !q->qid)
		ring_cq(pq);
	if (pq->can_mask && !pq->masked)
		nvmh_pcie_irq_busy(q);
	return n;
}

int nvmh_pcie_queue_arm(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;

	if (!pq || !pq->cq)
		return 0;
	nvmh_pcie_irq_arm(q);
	return (dma_load16_acquire(&pq->cq[pq->cq_head].status) & 1) == pq->phase;
}

int nvmh_pcie_queue_fd(struct nvmh_queue *q)
{
	return q->event_fd;
}

/* ---- set-up ---- */

static uint32_t pages(uint32_t bytes, uint32_t page_size)
{
	return (bytes + page_size - 1) / page_size * page_size;
}

/* The lists of transfers up to @len bytes: with a power of two none crosses a page, and none needs
 * a pointer to the next. */
static uint32_t list_entries(uint32_t len, uint32_t page_size)
{
	uint32_t entries = PRP_MIN_BYTES / sizeof(le64_t);

	while (entries < len / page_size)
		entries *= 2;
	return entries;
}

/* @cmb: the submission queue lies there if it can */
static int allocate(struct pcie *pcie, struct pcie_queue *pq, uint16_t size, uint32_t max_xfer,
		    uint32_t quirks, bool cmb)
{
	uint32_t sq_bytes = pages(size * (uint32_t)sizeof(struct nvme_sqe), pcie->page_size);
	uint32_t cq_bytes = pages(size * (uint32_t)sizeof(struct nvme_cqe), pcie->page_size);
	uint32_t per_tag = list_entries(max_xfer, pcie->page_size);
	uint64_t iova;
	int ret;

	if (quirks & NVMH_QUIRK_DMAPOOL_ALIGN_512)
		per_tag = max_of(per_tag, (uint32_t)PRP_ALIGN_512);
	ret = nvmh_pcie_alloc(pcie, sq_bytes + cq_bytes + (size - 1u) * per_tag * sizeof(le64_t),
			      &pq->mem);
	if (!ret)
		ret = nvmh_dma_find(pcie->dma, &pq->cache, (uintptr_t)pq->mem.base, pq->mem.len,
				    &iova);
	if (ret)
		return ret;
	pq->max_size = size;
	pq->per_tag = per_tag;
	pq->page_size = pcie->page_size;
	pq->sq = pq->mem.base;
	pq->sq_iova = iova;
	pq->cq = (struct nvme_cqe *)((char *)pq->mem.base + sq_bytes);
	pq->cq_iova = iova + sq_bytes;
	pq->prp = (le64_t *)((char *)pq->cq + cq_bytes);
	pq->prp_iova = pq->cq_iova + cq_bytes;
	if (!cmb)
		return 0;
	/* the host memory stays, unused, should there be no room */
	pq->sq = nvmh_pcie_cmb_take(pcie, sq_bytes, pcie->page_size, &pq->sq_iova);
	pq->in_cmb = pq->sq;
	if (!pq->in_cmb)
		pq->sq = pq->mem.base;
	return 0;
}

static int set_doorbells(struct pcie *pcie, struct pcie_queue *pq, uint16_t qid)
{
	size_t off = DOORBELLS + 2 * (size_t)qid * pcie->db_stride;

	if (off + pcie->db_stride + sizeof(uint32_t) > pcie->bar_len)
		return nvmh_error(-EREMOTEIO,
				  "its doorbells lie beyond the %zu mapped bytes of BAR 0",
				  pcie->bar_len);
	pq->sq_db = (volatile uint32_t *)(pcie->bar + off);
	pq->cq_db = (volatile uint32_t *)(pcie->bar + off + pcie->db_stride);
	return 0;
}

int nvmh_pcie_queue_setup(struct nvmh_queue *q, uint16_t size)
{
	struct pcie *pcie = q->ctrl->tr;
	struct pcie_queue *pq = q->tr;
	int ret;

	if (!pq) {
		q->tr = pq = nvmh_queue_calloc(1, sizeof(*pq));
		if (!pq)
			return nvmh_error(-ENOMEM, "out of memory");
	}
	pq->dma = pcie->dma;
	ret = set_doorbells(pcie, pq, q->qid);
	if (!ret && pq->max_size && pq->page_size != pcie->page_size)
		ret = nvmh_error(-EINVAL, "the controller's page size changed");
	if (!ret && !pq->max_size)
		ret = allocate(pcie, pq, size, q->qid ? q->ctrl->max_xfer : MAX_XFER_BYTES,
			       q->ctrl->quirks, q->qid && pcie->cmb.base);
	if (!ret)
		ret = nvmh_queue_resize(q, min_of(size, pq->max_size));
	if (ret)
		return ret;
	if (pq->in_cmb)
		mmio_zero(pq->sq, q->size * sizeof(*pq->sq));
	else
		memset(pq->sq, 0, q->size * sizeof(*pq->sq));
	memset(pq->cq, 0, q->size * sizeof(*pq->cq));
	pq->sq_tail = pq->sq_rung = pq->sq_head = pq->cq_head = pq->cq_rung = 0;
	pq->phase = 1;
	pq->sgl = q->qid ? nvmh_sgl_rule(le32toh(q->ctrl->id.sgls)) : NVMH_SGL_NONE;
	nvmh_pcie_dbbuf_queue(pcie, pq, q->qid);
	nvmh_pcie_irq_queue(q);
	return 0;
}

/* @sqe is a Create command: the answer, with refusals as -EREMOTEIO. The ring is given as data of
 * one page: PRP 1. */
static int create(struct nvmh_ctrl *ctrl, struct nvme_sqe *sqe, void *ring, const char *what)
{
	struct pcie *pcie = ctrl->tr;
	int ret;

	ret = nvmh_step_cmd(ctrl, sqe, NVMH_TO_CTRL, ring, min_of(pcie->page_size, ctrl->max_xfer));
	if (ret)
		return ret;
	if (!ctrl->step_req.status)
		return 0;
	nvmh_step_status(ctrl, what);
	return -EREMOTEIO;
}

int nvmh_pcie_queue_create(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	struct pcie *pcie = ctrl->tr;
	uint32_t size =
		min_of((uint32_t)ctrl->opts.queue_size, (uint32_t)NVME_CAP_MQES(ctrl->cap) + 1);
	struct pcie_queue *pq = q->tr;
	struct nvme_sqe sqe = { 0 };
	int ret;

	if (ctrl->quirks & NVMH_QUIRK_QDEPTH_ONE)
		size = 2;
	if (!pq || pq->create_stage == CREATE_SETUP) {
		ret = nvmh_pcie_queue_setup(q, (uint16_t)size);
		if (ret)
			return ret;
		pq = q->tr;
		pq->create_stage = CREATE_CQ;
	}
	sqe.cdw10 = le32_make((q->size - 1u) << 16 | q->qid);
	if (pq->create_stage == CREATE_CQ) {
		sqe.opcode = nvme_admin_create_cq;
		sqe.cdw11 = le32_make(
			QUEUE_PC | (pcie->nr_vectors ? QUEUE_IEN | (uint32_t)pq->vector << 16 : 0));
		ret = create(ctrl, &sqe, pq->cq, "Create I/O Completion Queue");
		if (ret)
			return ret;
		pq->create_stage = CREATE_SQ;
	}
	sqe.opcode = nvme_admin_create_sq;
	sqe.cdw11 = le32_make(QUEUE_PC | (uint32_t)q->qid << 16 |
			      (ctrl->quirks & NVMH_QUIRK_MEDIUM_PRIO_SQ ? QUEUE_MEDIUM : 0));
	ret = create(ctrl, &sqe, pq->sq, "Create I/O Submission Queue");
	if (ret != -EAGAIN)
		pq->create_stage = CREATE_SETUP;
	return ret;
}

/* The memory is kept for the next bring-up: it is unmapped only when the device was let go. */
void nvmh_pcie_queue_free(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;

	if (!pq)
		return;
	pq->create_stage = CREATE_SETUP;
	if (q->bad_completions || pq->bad_sqhd)
		log_warn("completions ignored name=\"%s\" qid=%u unknown=%llu bad_sqhd=%llu",
			 q->ctrl->name, q->qid, (unsigned long long)q->bad_completions,
			 (unsigned long long)pq->bad_sqhd);
}

void nvmh_pcie_queue_done(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;

	if (!pq)
		return;
	nvmh_pcie_free_mem(&pq->mem);
	free(pq);
	q->tr = NULL;
}
