// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PCIe transport: registers in BAR 0, the admin queue, and how a device is made quiet before
 * memory is taken back. The controller's thread. Entry points: nvmh_pcie_ops. NVMe over PCIe
 * Transport Specification; NVM Express Base Specification 2.x, "Controller Properties", "Memory-based
 * Controller Initialization (PCIe)", "Memory-based Controller Shutdown (PCIe)".
 */
#include "host/pcie.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/mmio.h"
#include "host/pci.h"

enum {
	TRIES = 3,
	DELETE_MS = 5000,
	SHUTDOWN_MS = 5000,	 /* where the drive does not tell RTD3E */
	SHUTDOWN_MAX_MS = 60000, /* of what it tells */
};

/* ---- memory ---- */

int nvmh_pcie_alloc(struct pcie *pcie, size_t len, struct pcie_mem *mem)
{
	size_t size = round_up_to(len, (size_t)NVMH_PCIE_PAGE_MAX);
	char *start;
	char *base;
	int ret;

	/* shared, so that a fork does not turn our pages into copies that the device does not know */
	start = mmap(NULL, size + NVMH_PCIE_PAGE_MAX, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED)
		return nvmh_error(-ENOMEM, "no memory for queues (%zu KiB)", size >> 10);
	base = (char *)round_up_to((uintptr_t)start, (uintptr_t)NVMH_PCIE_PAGE_MAX);
	if (base != start)
		munmap(start, (size_t)(base - start));
	if (base + size != start + size + NVMH_PCIE_PAGE_MAX)
		munmap(base + size, (size_t)(start + NVMH_PCIE_PAGE_MAX - base));
	ret = nvmh_vfio_map(pcie->vfio, base, size);
	if (ret) {
		munmap(base, size);
		return ret;
	}
	mem->base = base;
	mem->len = size;
	return 0;
}

void nvmh_pcie_free_mem(struct pcie_mem *mem)
{
	if (mem->base)
		munmap(mem->base, mem->len);
	mem->base = NULL;
}

static int pcie_mem_map(struct nvmh_ctrl *ctrl, void *base, size_t len)
{
	struct pcie *pcie = ctrl->tr;

	return nvmh_vfio_map(pcie->vfio, base, len);
}

/* ---- registers ---- */

static const char ones[] =
	"the device does not answer (registers read all ones: removed, or its link is down)";
static const char zeroes[] =
	"the device does not answer (registers read all zeroes: its slot has no power)";

/*
 * A device that does not answer reads as all ones, or, where the machine makes nothing of reads
 * that nobody answers, as zeroes. No register that we read can be all ones. Many can be 0, but
 * never CAP: every controller has queues and a command set.
 */
static const char *silence(const struct pcie *pcie, uint32_t val)
{
	if (val == UINT32_MAX)
		return ones;
	if (!val && !mmio_read32(pcie->bar + NVME_REG_CAP) &&
	    !mmio_read32(pcie->bar + NVME_REG_CAP + 4))
		return zeroes;
	return NULL;
}

/* Return: 0; -ENODEV with nvmh_strerror(), and pcie->silent says the same. */
static int reg_read(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t *val)
{
	struct pcie *pcie = ctrl->tr;
	uint32_t v = mmio_read32(pcie->bar + off);

	pcie->silent = silence(pcie, v);
	if (pcie->silent)
		return nvmh_error(-ENODEV, "%s", pcie->silent);
	*val = v;
	return 0;
}

static int pcie_reg_read32(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t *val)
{
	return reg_read(ctrl, off, val);
}

static int pcie_reg_read64(struct nvmh_ctrl *ctrl, uint32_t off, uint64_t *val)
{
	uint32_t lo = 0;
	uint32_t hi = 0;
	int ret;

	/* halves: not every controller takes 8 bytes at once */
	ret = reg_read(ctrl, off, &lo);
	if (!ret)
		ret = reg_read(ctrl, off + 4, &hi);
	if (!ret)
		*val = (uint64_t)hi << 32 | lo;
	return ret;
}

static int pcie_reg_write32(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t val)
{
	struct pcie *pcie = ctrl->tr;

	mmio_write32(pcie->bar + off, val);
	return 0;
}

static void reg_write64(struct nvmh_ctrl *ctrl, uint32_t off, uint64_t val)
{
	pcie_reg_write32(ctrl, off, (uint32_t)val);
	pcie_reg_write32(ctrl, off + 4, (uint32_t)(val >> 32));
}

/* ---- bring-up ---- */

static int pcie_connect_adminq(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	struct pcie_queue *pq;
	uint32_t entries;
	int ret;

	pcie->page_size = 4096u << NVME_CAP_MPSMIN(ctrl->cap);
	pcie->db_stride = 4u << NVME_CAP_DSTRD(ctrl->cap);
	ret = nvmh_pcie_queue_setup(&ctrl->adminq, ADMIN_QUEUE_ENTRIES);
	if (ret)
		return ret;
	pq = ctrl->adminq.tr;
	entries = ctrl->adminq.size - 1u;
	pcie_reg_write32(ctrl, NVME_REG_AQA, entries << 16 | entries);
	reg_write64(ctrl, NVME_REG_ASQ, pq->sq_iova);
	reg_write64(ctrl, NVME_REG_ACQ, pq->cq_iova);
	return 0;
}

/* Whether there is anything to bring up (any more). */
static int step_present(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;

	if (pcie->wanted_back)
		return nvmh_error(-ENODEV, "the kernel removes the device");
	if (ctrl->quirks & NVMH_QUIRK_128_BYTES_SQES)
		return nvmh_error(-ENOTSUP,
				  "its commands are of 128 bytes, as no specification says");
	if (pcie->cut_off)
		return nvmh_error(-ENODEV, "%s, and was cut off from memory", pcie->cut_off_why);
	return 0;
}

/* From here on CSTS tells whether the controller is well. */
static int step_watch(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;

	pcie->watch = true;
	return 0;
}

static int pcie_process(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	bool wanted_back = nvmh_fd_drain(nvmh_vfio_req_fd(pcie->vfio));
	bool broken = nvmh_fd_drain(nvmh_vfio_err_fd(pcie->vfio));
	uint32_t csts;

	nvmh_pcie_irq_process(ctrl);
	if (ctrl->phase == NVMH_PHASE_END)
		return 0;
	if (wanted_back && !pcie->wanted_back) {
		pcie->wanted_back = true;
		nvmh_ctrl_lost(ctrl, "the kernel removes the device");
		return 1;
	}
	if (broken) {
		nvmh_ctrl_lost(ctrl, "the PCI bus reported an error of the device");
		return 1;
	}
	if (!pcie->watch)
		return 0;
	if (reg_read(ctrl, NVME_REG_CSTS, &csts)) {
		pcie->watch = false;
		nvmh_ctrl_lost(ctrl, "%s", nvmh_strerror());
	} else if (NVME_CSTS_CFS(csts)) {
		pcie->watch = false;
		nvmh_ctrl_lost(ctrl, "the controller reports a fatal error (CSTS.CFS)");
	} else if (!NVME_CSTS_RDY(csts)) {
		pcie->watch = false;
		nvmh_ctrl_lost(
			ctrl,
			"the controller is not ready any more (CSTS.RDY is 0): it lost power, or something else has reset it");
	}
	return 0;
}

/* ---- making it quiet ---- */

static void quiet_stage(struct pcie *pcie, enum pcie_quiet stage, uint32_t ms)
{
	pcie->quiet = (uint8_t)stage;
	pcie->quiet_deadline_ns = clock_now_ns() + ms * NS_PER_MS;
}

static void quiet_cut_off(struct pcie *pcie, const char *why)
{
	pcie->cut_off_why = why;
	pcie->quiet = PCIE_QUIET_CUT_OFF;
}

static bool quiet_late(const struct pcie *pcie)
{
	return clock_now_ns() >= pcie->quiet_deadline_ns;
}

static uint32_t shutdown_ms(const struct nvmh_ctrl *ctrl)
{
	uint32_t us = le32toh(ctrl->id.rtd3e);

	return us ? min_of(us / 1000 + 1, (uint32_t)SHUTDOWN_MAX_MS) : SHUTDOWN_MS;
}

/* Whether it may still answer commands. */
static bool works(struct nvmh_ctrl *ctrl)
{
	uint32_t csts = 0;

	return !reg_read(ctrl, NVME_REG_CSTS, &csts) && NVME_CSTS_RDY(csts) && !NVME_CSTS_CFS(csts);
}

static int quiet_start(struct nvmh_ctrl *ctrl, struct pcie *pcie, bool shutdown)
{
	/* it got ready, and owes no answer to a command of ours */
	bool answers = pcie->watch && !ctrl->step_req_stale && works(ctrl);

	pcie->watch = false;
	if (reg_read(ctrl, NVME_REG_CC, &ctrl->cc)) {
		if (clock_now_ns() < ctrl->settle_until_ns)
			return -EAGAIN;
		quiet_cut_off(pcie, pcie->silent);
	} else if (!NVME_CC_EN(ctrl->cc)) {
		quiet_stage(pcie, PCIE_QUIET_IDLE, ctrl->ready_timeout_ms);
	} else if (shutdown || (answers && ctrl->nr_ioq)) {
		pcie->quiet_index = 0;
		quiet_stage(pcie, shutdown && pcie->hmb.on ? PCIE_QUIET_HMB : PCIE_QUIET_DELETE,
			    DELETE_MS);
	} else {
		quiet_stage(pcie, PCIE_QUIET_DISABLE, 0);
	}
	return 0;
}

/* What it answers does not matter, as below. */
static int take_back_hmb(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	if (nvmh_pcie_hmb_take_back(ctrl) == -EAGAIN && !quiet_late(pcie) && works(ctrl))
		return -EAGAIN;
	nvmh_step_forget(ctrl); /* what it answers later is for no queue */
	quiet_stage(pcie, PCIE_QUIET_DELETE, DELETE_MS);
	return 0;
}

/*
 * All submission queues, then all completion queues: so the device ends what it works on before it
 * is disabled, which some do badly with commands outstanding. What it answers does not matter, as a
 * reset follows; one that does not answer is not waited for much.
 */
static int delete_queues(struct nvmh_ctrl *ctrl, struct pcie *pcie, bool shutdown)
{
	uint32_t nr = ctrl->nr_ioq;
	struct nvme_sqe sqe = { 0 };
	int ret;

	for (; pcie->quiet_index < 2 * nr; pcie->quiet_index++) {
		sqe.opcode = pcie->quiet_index < nr ? nvme_admin_delete_sq : nvme_admin_delete_cq;
		sqe.cdw10 = le32_make(pcie->quiet_index % nr + 1);
		ret = nvmh_step_cmd(ctrl, &sqe, NVMH_NO_DATA, NULL, 0);
		if (ret == -EAGAIN && !quiet_late(pcie) && works(ctrl))
			return ret;
		if (ret)
			break;
	}
	if (!shutdown) {
		quiet_stage(pcie, PCIE_QUIET_DISABLE, 0);
		return 0;
	}
	pcie_reg_write32(ctrl, NVME_REG_CC,
			 (ctrl->cc & ~(uint32_t)(NVME_CC_SHN_MASK << NVME_CC_SHN_SHIFT)) |
				 NVME_CC_SHN_NORMAL << NVME_CC_SHN_SHIFT);
	quiet_stage(pcie, PCIE_QUIET_NOTIFY, shutdown_ms(ctrl));
	return 0;
}

/* Return: NULL, it is to be waited for; or why there is no use in that. */
static const char *shutdown_over(const struct pcie *pcie, uint32_t cc, uint32_t csts)
{
	/* say, its slot lost power for a moment: it forgot that it was asked */
	if (!NVME_CC_EN(cc))
		return "something else has reset it";
	if (NVME_CSTS_CFS(csts))
		return "it reports a fatal error (CSTS.CFS)";
	return quiet_late(pcie) ? "it takes longer than it says (RTD3E)" : NULL;
}

static int wait_shutdown(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	const char *why;
	uint32_t csts;
	uint32_t cc;

	if (reg_read(ctrl, NVME_REG_CSTS, &csts) || reg_read(ctrl, NVME_REG_CC, &cc)) {
		quiet_cut_off(pcie, pcie->silent);
		return 0;
	}
	if (NVME_CSTS_SHST(csts) != NVME_CSTS_SHST_CMPLT) {
		why = shutdown_over(pcie, cc, csts);
		if (!why)
			return -EAGAIN;
		log_warn(
			"drive did not finish its shutdown name=\"%s\" allowed_ms=%u reason=\"%s\"",
			ctrl->name, shutdown_ms(ctrl), why);
	}
	quiet_stage(pcie, PCIE_QUIET_DISABLE, 0);
	return 0;
}

/* A controller reset was not enough, or a subsystem reset cost the function its set-up: it is
 * idle, so a failure here is for the bring-up to find. */
static void reset_idle(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	int ret = nvmh_vfio_reset(pcie->vfio);

	ctrl->function_reset = false;
	if (!ret)
		ret = nvmh_pcie_irq_set(ctrl);
	log_notice("PCI function reset name=\"%s\" errno=%s", ctrl->name,
		   ret ? strerrorname_np(-ret) : "none");
}

static int wait_idle(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	uint32_t csts;

	if (ctrl->quirks & NVMH_QUIRK_DELAY_BEFORE_CHK_RDY &&
	    clock_now_ns() - pcie->disabled_ns < NVMH_QUIRK_DELAY_MS * NS_PER_MS)
		return -EAGAIN;
	if (reg_read(ctrl, NVME_REG_CSTS, &csts)) {
		if (clock_now_ns() < ctrl->settle_until_ns)
			return -EAGAIN;
		quiet_cut_off(pcie, pcie->silent);
		return 0;
	}
	if (!NVME_CSTS_RDY(csts)) {
		if (ctrl->function_reset)
			reset_idle(ctrl, pcie);
		pcie->quiet = PCIE_QUIET_START;
		return 0;
	}
	if (!quiet_late(pcie))
		return -EAGAIN;
	log_warn("drive does not stop, resetting the PCI function name=\"%s\" waited_ms=%u",
		 ctrl->name, ctrl->ready_timeout_ms);
	quiet_stage(pcie, PCIE_QUIET_RESET, 0);
	return 0;
}

static void reset_function(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	uint32_t csts;
	int ret;

	ret = nvmh_vfio_reset(pcie->vfio);
	if (!ret)
		ret = nvmh_pcie_irq_set(ctrl);
	if (!ret)
		ret = reg_read(ctrl, NVME_REG_CSTS, &csts);
	if (!ret && !NVME_CSTS_RDY(csts)) {
		pcie->quiet = PCIE_QUIET_START;
		return;
	}
	log_err("PCI reset did not help name=\"%s\" errno=%s", ctrl->name,
		ret ? strerrorname_np(-ret) : "none");
	quiet_cut_off(pcie, "it could not be stopped, not even by a reset of the PCI function");
}

static void cut_off(struct nvmh_ctrl *ctrl, struct pcie *pcie)
{
	log_err("drive cut off from memory name=\"%s\" reason=\"%s\"", ctrl->name,
		pcie->cut_off_why);
	nvmh_vfio_cut_off(pcie->vfio);
	pcie->cut_off = true;
	pcie->quiet = PCIE_QUIET_START;
}

/* A ladder: the device says that it stopped, or is reset, or cannot reach memory any more. It
 * always ends in 0. */
static int pcie_quiesce(struct nvmh_ctrl *ctrl, bool shutdown)
{
	struct pcie *pcie = ctrl->tr;
	int ret = 0;

	if (pcie->cut_off)
		return 0;
	do {
		switch (pcie->quiet) {
		case PCIE_QUIET_START:
			ret = quiet_start(ctrl, pcie, shutdown);
			break;
		case PCIE_QUIET_HMB:
			ret = take_back_hmb(ctrl, pcie);
			break;
		case PCIE_QUIET_DELETE:
			ret = delete_queues(ctrl, pcie, shutdown);
			break;
		case PCIE_QUIET_NOTIFY:
			ret = wait_shutdown(ctrl, pcie);
			break;
		case PCIE_QUIET_DISABLE:
			pcie_reg_write32(ctrl, NVME_REG_CC, ctrl->cc & ~(uint32_t)NVME_CC_EN_MASK);
			pcie->disabled_ns = clock_now_ns();
			quiet_stage(pcie, PCIE_QUIET_IDLE, ctrl->ready_timeout_ms);
			break;
		case PCIE_QUIET_IDLE:
			ret = wait_idle(ctrl, pcie);
			break;
		case PCIE_QUIET_RESET:
			reset_function(ctrl, pcie);
			break;
		case PCIE_QUIET_CUT_OFF:
			cut_off(ctrl, pcie);
			break;
		}
	} while (!ret && pcie->quiet != PCIE_QUIET_START);
	return ret;
}

/* ---- open and free ---- */

static int pcie_open(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = calloc(1, sizeof(*pcie));
	uint16_t vendor;
	uint16_t device;
	char bdf[16];
	int ret;

	ctrl->tr = pcie;
	if (!pcie)
		return nvmh_error(-ENOMEM, "out of memory");
	pcie->irq_fd = pcie->timer_fd = -1;
	ret = nvmh_pci_parse(ctrl->opts.traddr, bdf);
	if (ret)
		return ret;
	snprintf(ctrl->name, sizeof(ctrl->name), "pcie %s", bdf);
	ret = nvmh_vfio_open(bdf, &pcie->vfio);
	if (ret)
		return ret;
	pcie->dma = nvmh_vfio_dma(pcie->vfio);
	pcie->bar = nvmh_vfio_bar(pcie->vfio, &pcie->bar_len);
	nvmh_vfio_id(pcie->vfio, &vendor, &device);
	ctrl->quirks = nvmh_quirks_find(vendor, device);
	if (ctrl->quirks & NVMH_QUIRK_BROKEN_MSI)
		nvmh_vfio_avoid_msi(pcie->vfio);
	ret = nvmh_pcie_irq_open(ctrl);
	if (!ret)
		ret = nvmh_ctrl_watch(ctrl, nvmh_vfio_err_fd(pcie->vfio));
	if (!ret)
		ret = nvmh_ctrl_watch(ctrl, nvmh_vfio_req_fd(pcie->vfio));
	if (!ret)
		ret = nvmh_pcie_alloc(pcie, 3 * PCIE_BUF_BYTES, &pcie->buf);
	if (ret)
		return ret;
	ctrl->step_buf = pcie->buf.base;
	ctrl->sync_buf = (char *)pcie->buf.base + PCIE_BUF_BYTES;
	return 0;
}

static void pcie_free(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	uint16_t i;

	if (!pcie)
		return;
	/* the device first: only then nothing of ours is in its reach */
	nvmh_vfio_close(pcie->vfio);
	nvmh_pcie_irq_close(pcie);
	nvmh_pcie_queue_done(&ctrl->adminq);
	for (i = 0; ctrl->ioq && i < ctrl->opts.nr_io_queues; i++)
		nvmh_pcie_queue_done(&ctrl->ioq[i]);
	nvmh_pcie_free_mem(&pcie->buf);
	nvmh_pcie_free_mem(&pcie->dbbuf);
	nvmh_pcie_free_mem(&pcie->hmb.mem);
	free(pcie);
	ctrl->tr = NULL;
}

/* The order of the specification. Times: 0 is CAP.TO. */
static const struct nvmh_step steps[] = {
	{ "look for the device", step_present, 5000 },
	{ "read capabilities", nvmh_step_read_cap, 5000 },
	{ "disable", nvmh_step_disable, 0 },
	{ "wait until idle", nvmh_step_wait_not_ready, 0 },
	{ "controller memory buffer", nvmh_pcie_step_cmb, 5000 },
	{ "admin queue", nvmh_step_connect_adminq, 5000 },
	{ "enable", nvmh_step_enable, 5000 },
	{ "wait until ready", nvmh_step_wait_ready, 0 },
	{ "watch", step_watch, 5000 },
	{ "identify", nvmh_step_identify, 60000 },
	{ "host memory buffer", nvmh_pcie_step_hmb, 60000 },
	{ "number of queues", nvmh_step_nr_queues, 60000 },
	{ "shadow doorbells", nvmh_pcie_step_dbbuf, 60000 },
	{ "I/O queues", nvmh_step_io_queues, 60000 },
	{ "asynchronous events", nvmh_step_async_events, 60000 },
	{ "namespaces", nvmh_step_scan, 300000 },
	{ "power state", nvmh_pcie_step_power, 60000 },
	{ NULL, NULL, 0 },
};

const struct nvmh_transport_ops nvmh_pcie_ops = {
	.name = "pcie",
	.irq = true,
	.replaces = true,
	.tries = TRIES,
	.steps = steps,
	.md = true,
	.open = pcie_open,
	.reg_read32 = pcie_reg_read32,
	.reg_read64 = pcie_reg_read64,
	.reg_write32 = pcie_reg_write32,
	.connect_adminq = pcie_connect_adminq,
	.queue_create = nvmh_pcie_queue_create,
	.quiesce = pcie_quiesce,
	.queue_free = nvmh_pcie_queue_free,
	.free = pcie_free,
	.mem_map = pcie_mem_map,
	.process = pcie_process,
	.queue_submit = nvmh_pcie_queue_submit,
	.queue_commit = nvmh_pcie_queue_commit,
	.queue_poll = nvmh_pcie_queue_poll,
	.queue_arm = nvmh_pcie_queue_arm,
	.queue_fd = nvmh_pcie_queue_fd,
};
