// SPDX-License-Identifier: BSD-2-Clause
/*
 * Doorbell Buffer Config, after each reset and before the I/O queues are created. The admin queue
 * has none: Linux does not use its, so controllers are not used to that. The controller's thread.
 * Entry points: nvmh_pcie_step_dbbuf(), nvmh_pcie_dbbuf_queue(). NVM Express Base Specification
 * 2.x, "Doorbell Buffer Config command".
 */
#include "host/dbbuf.h"

#include <errno.h>

#include "common/log.h"
#include "host/pcie.h"

/* Two pages in a row: what PRP 1 and PRP 2 of the command are to be. */
int nvmh_pcie_step_dbbuf(struct nvmh_ctrl *ctrl)
{
	struct nvme_sqe sqe = { .opcode = nvme_admin_dbbuf };
	struct pcie *pcie = ctrl->tr;
	uint32_t bytes = 2 * pcie->page_size;
	int ret;

	if (ctrl->step_index == 0) {
		pcie->dbbuf_on = false;
		if (!(le16toh(ctrl->id.oacs) & NVME_CTRL_OACS_DBBUF_CFG) || !ctrl->nr_ioq)
			return 0;
		if (2 * (ctrl->nr_ioq + 1u) * (uint64_t)pcie->db_stride > pcie->page_size ||
		    bytes > ctrl->max_xfer) {
			log_info(
				"no shadow doorbells, they would not fit a page name=\"%s\" stride=%u",
				ctrl->name, pcie->db_stride);
			return 0;
		}
		ret = pcie->dbbuf.base ? 0 : nvmh_pcie_alloc(pcie, bytes, &pcie->dbbuf);
		if (ret)
			return ret;
		memset(pcie->dbbuf.base, 0, bytes);
		ctrl->step_index = 1;
	}
	ret = nvmh_step_cmd(ctrl, &sqe, NVMH_TO_CTRL, pcie->dbbuf.base, bytes);
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Doorbell Buffer Config");
		log_warn("no shadow doorbells name=\"%s\" reason=\"%s\"", ctrl->name,
			 nvmh_strerror());
		return 0;
	}
	pcie->dbbuf_on = true;
	return 0;
}

void nvmh_pcie_dbbuf_queue(struct pcie *pcie, struct pcie_queue *pq, uint16_t qid)
{
	uint32_t stride = pcie->db_stride / sizeof(uint32_t);
	uint32_t page = pcie->page_size / sizeof(uint32_t);
	volatile uint32_t *sq = (volatile uint32_t *)pcie->dbbuf.base + 2u * qid * stride;

	if (!pcie->dbbuf_on || !qid) {
		pq->sq_shadow = pq->cq_shadow = (struct nvmh_shadow){ 0 };
		return;
	}
	/* nobody looks at them before the queue is created */
	sq[0] = sq[stride] = sq[page] = sq[page + stride] = 0;
	pq->sq_shadow = (struct nvmh_shadow){ .db = sq, .ei = sq + page };
	pq->cq_shadow = (struct nvmh_shadow){ .db = sq + stride, .ei = sq + page + stride };
}
