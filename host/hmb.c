// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host memory buffer: memory lent to a controller without enough of its own. One piece, which
 * the IOMMU makes contiguous for the device, so one descriptor does. It is offered again after each
 * reset, taken back before an orderly shutdown, and freed when the device was let go. What the
 * device writes there is its own affair: we never read it. The controller's thread. Entry points:
 * nvmh_pcie_step_hmb(), nvmh_pcie_hmb_take_back(). NVM Express Base Specification 2.x, "Host Memory
 * Buffer (Feature Identifier 0Dh)".
 */
#include <errno.h>

#include "common/log.h"
#include "host/pcie.h"

enum {
	DEFAULT_MIB = 128,
	UNIT_SHIFT = 12,   /* HMPRE, HMMIN, HMMINDS: 4 KiB */
	EHM = 1 << 0,	   /* dword 11: enable */
	MR = 1 << 1,	   /* it is what the controller had before, unchanged */
	MAX_MIB = 8 << 10, /* whatever is configured: it is locked in memory */
};

/* Host Memory Buffer Descriptor Entry. */
struct hmb_desc {
	le64_t badd;
	le32_t bsize; /* in memory pages */
	le32_t rsvd12;
};
check_size(struct hmb_desc, 16);

static uint64_t limit_bytes(const struct nvmh_ctrl *ctrl)
{
	uint32_t mib = ctrl->opts.hmb_mib;

	if (mib == (uint32_t)NVMH_NO_HMB)
		return 0;
	return (uint64_t)min_of(mib ? mib : DEFAULT_MIB, (uint32_t)MAX_MIB) << 20;
}

/* The preferred size or what the limit leaves of it, in @want; at least @min. Each number is the
 * controller's, of 44 bits at most. Return: NULL, or why there is none. */
static const char *choose_size(const struct nvmh_ctrl *ctrl, uint64_t *want, uint64_t *min)
{
	uint64_t page = ((struct pcie *)ctrl->tr)->page_size;
	uint64_t limit = limit_bytes(ctrl) / page * page;
	uint64_t hmpre = (uint64_t)le32toh(ctrl->id.hmpre) << UNIT_SHIFT;
	uint64_t hmmin = (uint64_t)le32toh(ctrl->id.hmmin) << UNIT_SHIFT;
	uint64_t hmminds = (uint64_t)le32toh(ctrl->id.hmminds) << UNIT_SHIFT;

	/* one descriptor: it is the buffer */
	*min = round_up_to(max_of(max_of(hmmin, hmminds), page), page);
	*want = round_up_to(max_of(hmpre, *min), page);
	if (!limit)
		return "none is to be lent";
	if (*min > limit)
		return "it wants more than may be lent";
	*want = min_of(*want, limit);
	return NULL;
}

static void refuse(struct nvmh_ctrl *ctrl, const char *why)
{
	struct pcie *pcie = ctrl->tr;

	if (!pcie->hmb.refused)
		log_warn(
			"no host memory buffer name=\"%s\" reason=\"%s\" hmpre_kib=%llu hmmin_kib=%llu hmminds_kib=%llu limit_kib=%llu",
			ctrl->name, why, (unsigned long long)le32toh(ctrl->id.hmpre) * 4,
			(unsigned long long)le32toh(ctrl->id.hmmin) * 4,
			(unsigned long long)le32toh(ctrl->id.hmminds) * 4,
			(unsigned long long)limit_bytes(ctrl) >> 10);
	pcie->hmb.refused = true;
}

/* Less and less, down to the least that the controller takes. Return: whether there is a buffer. */
static bool allocate(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	struct pcie_hmb *hmb = &pcie->hmb;
	const char *why;
	uint64_t want;
	uint64_t min;

	why = choose_size(ctrl, &want, &min);
	if (why) {
		refuse(ctrl, why);
		return false;
	}
	/* the same as before a reset, if it is still enough: it goes back no earlier than the device */
	if (hmb->mem.base && hmb->size >= min)
		return true;
	if (hmb->mem.base) {
		refuse(ctrl, "it wants more than before the reset");
		return false;
	}
	while (nvmh_pcie_alloc(pcie, want, &hmb->mem)) {
		if (want == min) {
			refuse(ctrl, nvmh_strerror());
			return false;
		}
		want = max_of(want / 2 / pcie->page_size * pcie->page_size, min);
	}
	hmb->size = want;
	return true;
}

static int set_hmb(struct nvmh_ctrl *ctrl, uint32_t flags)
{
	struct pcie *pcie = ctrl->tr;
	struct hmb_desc *desc =
		(struct hmb_desc *)((char *)pcie->buf.base + PCIE_BUF_HMB * PCIE_BUF_BYTES);
	struct nvmh_dma_region cache = { 0 };
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_set_features,
		.cdw10 = le32_make(NVME_FEAT_FID_HOST_MEM_BUF),
		.cdw11 = le32_make(flags),
	};
	uint64_t list = 0;
	uint64_t iova = 0;
	int ret;

	if (flags & EHM) {
		ret = nvmh_dma_find(pcie->dma, &cache, (uintptr_t)pcie->hmb.mem.base,
				    pcie->hmb.size, &iova);
		if (!ret)
			ret = nvmh_dma_find(pcie->dma, &cache, (uintptr_t)desc, sizeof(*desc),
					    &list);
		if (ret)
			return nvmh_error(ret, "the host memory buffer is not mapped");
		*desc = (struct hmb_desc){
			.badd = le64_make(iova),
			.bsize = le32_make((uint32_t)(pcie->hmb.size / pcie->page_size)),
		};
		sqe.cdw12 = desc->bsize;
		sqe.cdw13 = le32_make((uint32_t)list);
		sqe.cdw14 = le32_make((uint32_t)(list >> 32));
		sqe.cdw15 = le32_make(1);
	}
	return nvmh_step_cmd(ctrl, &sqe, NVMH_NO_DATA, NULL, 0);
}

int nvmh_pcie_step_hmb(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	struct pcie_hmb *hmb = &pcie->hmb;
	int ret;

	if (ctrl->step_index == 0) {
		hmb->on = false;
		if (!le32toh(ctrl->id.hmpre) || !allocate(ctrl))
			return 0;
		ctrl->step_index = 1;
	}
	ret = set_hmb(ctrl, EHM | (hmb->lent ? MR : 0));
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Set Features Host Memory Buffer");
		refuse(ctrl, nvmh_strerror());
		return 0;
	}
	if (!hmb->lent)
		log_info("host memory buffer lent name=\"%s\" kib=%zu", ctrl->name,
			 hmb->size >> 10);
	hmb->on = hmb->lent = true;
	return 0;
}

int nvmh_pcie_hmb_take_back(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	int ret = set_hmb(ctrl, 0);

	if (ret == -EAGAIN)
		return ret;
	pcie->hmb.on = false;
	return ret;
}
