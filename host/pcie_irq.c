// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who wakes up the owner of a queue. With a vector of its own that is the kernel, by the queue's
 * descriptor; the vector is masked while the owner finds its completions by polling. All other
 * queues share the first vector with the admin queue, and the controller's thread kicks their
 * owners; without any interrupt a timer takes its place. Entry points: nvmh_pcie_irq_open(),
 * nvmh_pcie_irq_set(), nvmh_pcie_irq_process() (controller's thread); nvmh_pcie_irq_queue() (while
 * the queue is down); nvmh_pcie_irq_arm(), nvmh_pcie_irq_busy() (the queue's owner). NVM Express
 * Base Specification 2.x and NVMe over PCIe Transport Specification, "Interrupts".
 *
 * Nothing gets lost between an owner that goes to sleep and a completion that comes:
 *
 *	own vector	MSI-X: the device remembers what came while the vector was masked, and interrupts
 *			when it is unmasked; and the owner looks at its ring after unmasking.
 *	shared		the owner stores ->armed, then looks at its ring; the controller's thread is
 *			woken by what was put into the ring before, then loads ->armed.
 *	INTx		is masked by the kernel when it comes. The controller's thread notes that,
 *			then kicks; an owner that goes to sleep unmasks. As it is level triggered,
 *			what is in any ring by then interrupts again. (INTMS and INTMC are not needed
 *			for that: the pin is masked by PCI's command register.)
 *	timer		the owner starts it, unless it runs; when it fires, that it runs is forgotten
 *			before the owners are kicked.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/log.h"
#include "host/pcie.h"
#include "host/quirks.h"

enum {
	POLL_US = 1000, /* without interrupts: time between two looks */
	BUSY_POLLED =
		16, /* times that completions were found without a sleep, until it is masked */
};

int nvmh_pcie_irq_open(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	int ret;

	pcie->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pcie->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pcie->irq_fd < 0 || pcie->timer_fd < 0)
		return nvmh_error(-errno, "no descriptors for interrupts: %m");
	ret = nvmh_ctrl_watch(ctrl, pcie->irq_fd);
	if (!ret)
		ret = nvmh_ctrl_watch(ctrl, pcie->timer_fd);
	return ret ? ret : nvmh_pcie_irq_set(ctrl);
}

void nvmh_pcie_irq_close(struct pcie *pcie)
{
	if (pcie->irq_fd >= 0)
		close(pcie->irq_fd);
	if (pcie->timer_fd >= 0)
		close(pcie->timer_fd);
	pcie->irq_fd = pcie->timer_fd = -1;
}

int nvmh_pcie_irq_set(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	uint32_t wanted = ctrl->quirks & NVMH_QUIRK_SINGLE_VECTOR ? 1
								  : ctrl->opts.nr_io_queues + 1u;
	int fds[MAX_IO_QUEUES + 1];
	enum nvmh_irq kind;
	uint32_t i;
	int ret;

	fds[0] = pcie->irq_fd;
	for (i = 1; i < wanted; i++)
		fds[i] = ctrl->ioq[i - 1].event_fd;
	ret = nvmh_vfio_set_irqs(pcie->vfio, fds, wanted);
	if (ret < 0)
		return ret;
	pcie->nr_vectors = (uint32_t)ret;
	kind = nvmh_vfio_irq_kind(pcie->vfio);
	pcie->irq = (uint8_t)kind;
	atomic_store(&pcie->intx_masked, false);
	if (pcie->nr_vectors < wanted)
		log_info("queues share an interrupt name=\"%s\" kind=%s vectors=%u wanted=%u",
			 ctrl->name, nvmh_irq_name(kind), pcie->nr_vectors, wanted);
	else
		log_debug("interrupts name=\"%s\" kind=%s vectors=%u", ctrl->name,
			  nvmh_irq_name(kind), pcie->nr_vectors);
	return 0;
}

static void start_timer(struct pcie *pcie)
{
	const struct itimerspec its = { .it_value.tv_nsec = POLL_US * 1000 };

	if (!atomic_exchange(&pcie->timer_on, true))
		timerfd_settime(pcie->timer_fd, 0, &its, NULL);
}

static void kick_sharing(struct nvmh_ctrl *ctrl)
{
	struct pcie_queue *pq;
	uint16_t i;

	for (i = 0; i < ctrl->opts.nr_io_queues; i++) {
		pq = ctrl->ioq[i].tr;
		if (pq && pq->shares && atomic_exchange(&pq->armed, false))
			nvmh_queue_kick(&ctrl->ioq[i]);
	}
}

static void unmask_intx(struct pcie *pcie)
{
	if (pcie->irq == NVMH_IRQ_INTX && atomic_exchange(&pcie->intx_masked, false))
		nvmh_vfio_unmask_intx(pcie->vfio);
}

void nvmh_pcie_irq_process(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;
	bool came = nvmh_fd_drain(pcie->irq_fd);

	if (came && pcie->irq == NVMH_IRQ_INTX)
		atomic_store(&pcie->intx_masked, true);
	if (pcie->irq == NVMH_IRQ_NONE && nvmh_fd_drain(pcie->timer_fd)) {
		atomic_store(&pcie->timer_on, false);
		came = true;
	}
	if (came)
		kick_sharing(ctrl);
	else if (ctrl->phase != NVMH_PHASE_END)
		unmask_intx(pcie); /* for the admin queue, where no owner has done it */
}

void nvmh_pcie_irq_admin(struct nvmh_ctrl *ctrl)
{
	struct pcie *pcie = ctrl->tr;

	unmask_intx(pcie);
	if (pcie->irq == NVMH_IRQ_NONE)
		start_timer(pcie);
}

void nvmh_pcie_irq_admin_polled(struct nvmh_ctrl *ctrl)
{
	if (atomic_load_explicit(&ctrl->adminq.outstanding, memory_order_relaxed) > 1 ||
	    ctrl->phase != NVMH_PHASE_LIVE)
		nvmh_pcie_irq_admin(ctrl);
}

/* ---- the queue's side ---- */

static bool mask(struct nvmh_queue *q, bool masked)
{
	struct pcie *pcie = q->ctrl->tr;
	struct pcie_queue *pq = q->tr;

	return nvmh_vfio_mask(pcie->vfio, pq->vector, masked);
}

void nvmh_pcie_irq_queue(struct nvmh_queue *q)
{
	struct pcie *pcie = q->ctrl->tr;
	struct pcie_queue *pq = q->tr;

	if (pq->masked)
		mask(q, false);
	pq->masked = false;
	pq->polled = 0;
	pq->shares = q->qid && q->qid >= pcie->nr_vectors;
	pq->vector = pq->shares ? 0 : q->qid;
	pq->can_mask = q->qid && !pq->shares && pcie->irq == NVMH_IRQ_MSIX;
	atomic_store(&pq->armed, false);
}

/*
 * Whether the owner may touch interrupts: while the PCI function is being reset the kernel lets
 * nobody at its registers or its configuration space, and a core would wait for 100 ms and more.
 * Nothing is lost: an owner whose queue is taken down is kicked, and when the queue is set up again
 * its vector is unmasked. A queue that is only made anew is with a live controller, and stays as it is.
 */
static bool may_touch(struct nvmh_queue *q)
{
	return atomic_load(&q->state) == NVMH_Q_LIVE || nvmh_ctrl_state(q->ctrl) == NVMH_LIVE;
}

void nvmh_pcie_irq_busy(struct nvmh_queue *q)
{
	struct pcie_queue *pq = q->tr;

	if (++pq->polled < BUSY_POLLED || !may_touch(q))
		return;
	pq->polled = 0;
	pq->masked = mask(q, true);
	if (!pq->masked)
		pq->can_mask = false;
}

void nvmh_pcie_irq_arm(struct nvmh_queue *q)
{
	struct pcie *pcie = q->ctrl->tr;
	struct pcie_queue *pq = q->tr;

	pq->polled = 0;
	if (unlikely(!may_touch(q)))
		return;
	if (pq->masked) {
		mask(q, false);
		pq->masked = false;
	}
	if (!pq->shares || !atomic_load_explicit(&q->outstanding, memory_order_relaxed))
		return;
	atomic_store(&pq->armed, true);
	if (pcie->irq == NVMH_IRQ_NONE)
		start_timer(pcie);
	unmask_intx(pcie);
}
