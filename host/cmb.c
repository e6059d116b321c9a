// SPDX-License-Identifier: BSD-2-Clause
/*
 * The controller memory buffer, for I/O submission queues: the controller then fetches commands
 * from its own memory, and we write them over the bus. Where its registers do not make sense,
 * queues lie in host memory as ever. The controller's thread. Entry points: nvmh_pcie_step_cmb(),
 * nvmh_pcie_cmb_take(). NVM Express Base Specification 2.x, "Controller Memory Buffer", CMBLOC,
 * CMBSZ, CMBMSC, CMBSTS.
 */
#include <errno.h>

#include "common/log.h"
#include "host/mmio.h"
#include "host/pcie.h"

#define MAX_BYTES (UINT64_C(4) << 30)

enum {
	VS_1_2 = 0x10200,
	CRE = 1 << NVME_CMBMSC_CRE_SHIFT,
	CMSE = 1 << NVME_CMBMSC_CMSE_SHIFT,
	MAX_SZU = NVME_CMBSZ_SZU_64G,
};

/* From VS 1.4 on it is switched on by the host, which also chooses its address. */
static bool has_cmbmsc(const struct nvmh_ctrl *ctrl)
{
	return NVME_CAP_CMBS(ctrl->cap);
}

static void write_cmbmsc(struct pcie *pcie, uint64_t val)
{
	/* the low half last: it holds the bits that say what to do */
	mmio_write32(pcie->bar + NVME_REG_CMBMSC + 4, (uint32_t)(val >> 32));
	mmio_write32(pcie->bar + NVME_REG_CMBMSC, (uint32_t)val);
}

/* Where it is: @bar, @off, @len, all from registers that may say anything. Return: NULL, or why it
 * is not used. */
static const char *locate(struct pcie *pcie, uint32_t *bar, uint64_t *off, uint64_t *len)
{
	/* not by reg_read32(): all ones is a nonsense value here, and a device that is gone is
	 * noticed by the next step */
	uint32_t loc = mmio_read32(pcie->bar + NVME_REG_CMBLOC);
	uint32_t sz = mmio_read32(pcie->bar + NVME_REG_CMBSZ);
	uint32_t shift;

	if (!sz)
		return "it has none";
	if (!NVME_CMBSZ_SQS(sz))
		return "it is not for submission queues";
	if (NVME_CMBSZ_SZU(sz) > MAX_SZU)
		return "its unit of size is reserved (CMBSZ.SZU)";
	if (!NVME_CMBSZ_SZ(sz))
		return "its size is 0 (CMBSZ.SZ)";
	if (NVME_CMBLOC_BIR(loc) == 1 || NVME_CMBLOC_BIR(loc) > 5)
		return "its BAR is none (CMBLOC.BIR)";
	/* 20 bits each, times 2 to the 36: no overflow */
	shift = 12 + 4 * NVME_CMBSZ_SZU(sz);
	*bar = NVME_CMBLOC_BIR(loc);
	*off = (uint64_t)NVME_CMBLOC_OFST(loc) << shift;
	*len = (uint64_t)NVME_CMBSZ_SZ(sz) << shift;
	return NULL;
}

static const char *map(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	struct pcie_cmb *cmb = &pcie->cmb;
	const char *why;
	uint32_t bar;
	uint64_t off;
	uint64_t len;
	void *base;

	why = locate(pcie, &bar, &off, &len);
	if (why)
		return why;
	if (cmb->base) /* since before a reset */
		return len == cmb->len ? NULL : "it is not of the size of before the reset";
	/* all of it, whatever we need: no other address within it reaches host memory */
	if (len > MAX_BYTES)
		return "it is larger than 4 GiB";
	if (nvmh_vfio_bar_map(pcie->vfio, bar, off, (size_t)len, !has_cmbmsc(ctrl), &base,
			      &cmb->iova))
		return nvmh_strerror();
	cmb->base = base;
	cmb->len = (size_t)len;
	log_info("controller memory buffer in use name=\"%s\" bar=%u kib=%zu", ctrl->name, bar,
		 cmb->len >> 10);
	return NULL;
}

/* Queues that lie in it cannot go elsewhere. */
static int do_without(struct nvmh_ctrl *ctrl, const char *why)
{
	struct pcie *pcie = ctrl->tr;
	bool used = pcie->cmb.used;

	log_info("controller memory buffer not used name=\"%s\" reason=\"%s\"", ctrl->name, why);
	if (has_cmbmsc(ctrl))
		write_cmbmsc(pcie, 0);
	pcie->cmb = (struct pcie_cmb){ .refused = true };
	if (used)
		return nvmh_error(-ENODEV, "the controller memory buffer is not what it was");
	return 0;
}

/* Positions: 0 CMBMSC.CRE, from where on CMBLOC and CMBSZ say something, 1 CMBMSC.CMSE, 2 whether
 * it was taken. The controller is given a moment after each. */
int nvmh_pcie_step_cmb(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	struct pcie_cmb *cmb = &pcie->cmb;
	const char *why;

	if (!ctrl->opts.use_cmb || cmb->refused || !ctrl->opts.nr_io_queues || ctrl->vs < VS_1_2) {
		/* whoever had the controller before may have left it on, at an address of ours */
		if (has_cmbmsc(ctrl))
			write_cmbmsc(pcie, 0);
		return 0;
	}
	if (ctrl->step_index == 2) {
		if (NVME_CMBSTS_CBAI(mmio_read32(pcie->bar + NVME_REG_CMBSTS)))
			return do_without(ctrl, "it does not take its address (CMBSTS.CBAI)");
		return 0;
	}
	if (ctrl->step_index == 0 && has_cmbmsc(ctrl)) {
		write_cmbmsc(pcie, CRE);
		ctrl->step_index = 1;
		nvmh_step_again(ctrl, 1);
		return -EAGAIN;
	}
	why = map(ctrl);
	if (why)
		return do_without(ctrl, why);
	if (!has_cmbmsc(ctrl))
		return 0;
	write_cmbmsc(pcie, cmb->iova | CMSE | CRE);
	ctrl->step_index = 2;
	nvmh_step_again(ctrl, 1);
	return -EAGAIN;
}

void *nvmh_pcie_cmb_take(struct pcie *pcie, size_t len, size_t align, uint64_t *iova)
{
	struct pcie_cmb *cmb = &pcie->cmb;
	/* the device's addresses are what has to be aligned */
	uint64_t start = round_up_to(cmb->iova + cmb->used, (uint64_t)align) - cmb->iova;

	if (!cmb->base || start > cmb->len || len > cmb->len - start)
		return NULL;
	cmb->used = (size_t)start + len;
	*iova = cmb->iova + start;
	return cmb->base + start;
}
