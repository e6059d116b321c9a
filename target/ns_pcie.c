// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace on a local PCIe drive: each core submits to its own queue of the drive, one doorbell
 * per turn, and reaps it while it spins; the interrupt's eventfd wakes it when it sleeps. A core
 * for which the drive has no queue sends its requests to one that has. Opening on the main thread,
 * the rest on the cores. Entry point: nvmet_ns_pcie_ops.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "target/drive.h"
#include "target/subsys.h"

struct pcie_ns {
	struct nvmet_drive *drive;
	uint32_t nsid; /* the drive's */
};

/* The backend's part of a request. */
struct pcie_req {
	struct nvmh_req nr;
	struct iovec iov;
	struct nvmet_req *req;
	struct nvmet_drive_core *dc; /* whose queue it is on */
	struct list link;	     /* waiting for room */
	struct loop_msg msg;	     /* to another core and back */
	uint16_t status;
};
static_assert(sizeof(struct pcie_req) <= NVMET_NS_PRIV, "fits");

static struct pcie_req *priv_of(struct nvmet_req *req)
{
	return (struct pcie_req *)req->ns_priv;
}

/* ---- completion ---- */

static uint16_t host_status(uint16_t status)
{
	switch (status & ST_MASK) {
	case ST_HOST_ABORTED:
	case ST_HOST_PATH_ERROR:
	case ST_ABORT_QUEUE:
	case ST_POWER_LOSS:
		/* The drive was reset under it: not the host's doing, worth another try. */
		return ST_NS_NOT_READY | NVMET_CRD1;
	case ST_INVALID_NS:
		return ST_NS_NOT_READY;
	default:
		return status & (ST_MASK | ST_DNR);
	}
}

static void finish_msg(struct loop_msg *msg)
{
	struct pcie_req *pr = container_of(msg, struct pcie_req, msg);

	nvmet_ns_complete(pr->req, pr->status);
}

static void finish(struct pcie_req *pr, uint16_t status)
{
	struct nvmet_core *home = pr->req->sq->core;

	if (likely(pr->dc->core == home)) {
		nvmet_ns_complete(pr->req, status);
		return;
	}
	pr->status = status;
	pr->msg.fn = finish_msg;
	loop_send(home->loop, &pr->msg);
}

static void drive_done(struct nvmh_req *nr)
{
	struct pcie_req *pr = container_of(nr, struct pcie_req, nr);

	finish(pr, nr->status ? host_status(nr->status) : 0);
}

/* ---- submission ---- */

static void prep(struct pcie_req *pr)
{
	struct nvmet_req *req = pr->req;
	const struct pcie_ns *pns = req->ns->priv;
	struct nvmh_req *nr = &pr->nr;
	uint32_t len = req->nlb << req->ns->lba_shift;
	uint32_t flags = 0;

	memset(nr, 0, sizeof(*nr));
	pr->iov.iov_base = req->buf;
	pr->iov.iov_len = len;
	switch (req->op) {
	case NVMET_OP_READ:
		nvmh_prep_rw(nr, nvme_cmd_read, pns->nsid, req->slba, req->nlb, &pr->iov, 1, len);
		break;
	case NVMET_OP_WRITE:
		nvmh_prep_rw(nr, nvme_cmd_write, pns->nsid, req->slba, req->nlb, &pr->iov, 1, len);
		break;
	case NVMET_OP_FLUSH:
		nvmh_prep_flush(nr, pns->nsid);
		break;
	case NVMET_OP_WRITE_ZEROES:
		nvmh_prep_rw(nr, nvme_cmd_write_zeroes, pns->nsid, req->slba, req->nlb, NULL, 0, 0);
		flags = req->deallocate ? 1u << 25 : 0;
		break;
	default:
		nr->sqe.opcode = nvme_cmd_dsm;
		nr->sqe.nsid = le32_make(pns->nsid);
		nr->sqe.cdw10 = le32_make(req->nlb - 1);
		nr->sqe.cdw11 = le32_make(1u << 2);
		pr->iov.iov_len = req->nlb * sizeof(struct nvme_dsm_range);
		nr->iov = &pr->iov;
		nr->nr_iov = 1;
		nr->len = (uint32_t)pr->iov.iov_len;
		nr->dir = NVMH_TO_CTRL;
	}
	if (req->fua)
		flags |= 1u << 30;
	if (flags)
		nr->sqe.cdw12 = le32_make(le32_get(nr->sqe.cdw12) | flags);
	nr->done = drive_done;
}

/* False: the queue is full. */
static bool to_drive(struct nvmet_drive_core *dc, struct pcie_req *pr)
{
	int ret = nvmh_queue_submit(dc->q, &pr->nr);

	if (unlikely(ret == -EAGAIN))
		return false;
	if (unlikely(ret))
		finish(pr, ret == -ENOTCONN ? ST_NS_NOT_READY | NVMET_CRD1 : ST_INTERNAL | ST_DNR);
	return true;
}

static void to_queue(struct nvmet_drive_core *dc, struct pcie_req *pr)
{
	if (unlikely(!list_empty(&dc->waiting)) || !to_drive(dc, pr))
		list_add_tail(&dc->waiting, &pr->link);
}

static void to_queue_msg(struct loop_msg *msg)
{
	struct pcie_req *pr = container_of(msg, struct pcie_req, msg);

	to_queue(pr->dc, pr);
}

static void pcie_submit(struct nvmet_req *req)
{
	struct pcie_ns *pns = req->ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, req->sq->core);
	struct pcie_req *pr = priv_of(req);

	pr->req = req;
	pr->dc = dc;
	list_init(&pr->link);
	prep(pr);
	if (likely(dc->q)) {
		to_queue(dc, pr);
		return;
	}
	pr->dc = nvmet_drive_core(pns->drive, dc->via);
	pr->msg.fn = to_queue_msg;
	loop_send(dc->via->loop, &pr->msg);
}

/* ---- the queue within the core's turn ---- */

static int queue_poll(struct loop_hook *h)
{
	struct nvmet_drive_core *dc = container_of(h, struct nvmet_drive_core, hook);
	int found = nvmh_queue_poll(dc->q);

	while (unlikely(!list_empty(&dc->waiting))) {
		struct pcie_req *pr = list_first(&dc->waiting, struct pcie_req, link);

		if (!nvmh_queue_room(dc->q) && nvmh_queue_live(dc->q))
			break;
		list_del(&pr->link);
		if (!to_drive(dc, pr)) {
			list_add(&dc->waiting, &pr->link);
			break;
		}
	}
	return found;
}

static void queue_submit(struct loop_hook *h)
{
	nvmh_queue_commit(container_of(h, struct nvmet_drive_core, hook)->q);
}

static int queue_sleep(struct loop_hook *h)
{
	return nvmh_queue_arm(container_of(h, struct nvmet_drive_core, hook)->q);
}

static void queue_event(struct loop_io *io, unsigned int events)
{
	struct nvmet_drive_core *dc = container_of(io, struct nvmet_drive_core, io);

	(void)events;
	/* Only the wake-up counts: queue_poll() runs in every turn. But the descriptor stays
	 * readable, and the core awake, until it is armed anew. */
	nvmh_queue_arm(dc->q);
}

static int pcie_attach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	struct pcie_ns *pns = ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, core);
	int ret = 0;

	if (dc->q && !dc->users) {
		ret = loop_io_add(core->loop, &dc->io, nvmh_queue_fd(dc->q), LOOP_READ,
				  queue_event);
		if (ret)
			return ret;
		dc->hook.poll = queue_poll;
		dc->hook.submit = queue_submit;
		dc->hook.sleep = queue_sleep;
		/* Before the core's own: the drive works while the turn's answers are sent. */
		loop_hook_add_first(core->loop, &dc->hook);
	}
	dc->users++;
	return 0;
}

static void pcie_detach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	struct pcie_ns *pns = ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, core);

	if (--dc->users || !dc->q)
		return;
	loop_hook_del(&dc->hook);
	loop_io_del(&dc->io);
	nvmh_queue_release(dc->q);
}

/* ---- opening ---- */

static int check_exportable(const struct nvmh_ns *dns, const char *bdf, uint32_t nsid)
{
	if (!dns) {
		log_err("drive %s has no active namespace %u; see \"nvmetcpd --list-drives\"", bdf,
			nsid);
		return -ENODEV;
	}
	if (dns->csi != NVME_CSI_NVM) {
		log_err("namespace %u of drive %s is of command set %u; only NVM namespaces can be exported",
			nsid, bdf, dns->csi);
		return -ENOTSUP;
	}
	if (dns->ms) {
		log_err("namespace %u of drive %s has %u bytes of metadata per block; format it without to export it",
			nsid, bdf, dns->ms);
		return -ENOTSUP;
	}
	return 0;
}

static void fill_ns(struct nvmet_ns *ns, const struct nvmh_ns *dns, struct nvmh_ctrl *ctrl)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(ctrl);
	uint16_t oncs = le16toh(id->oncs);
	static const uint8_t none[16];

	ns->lba_shift = (uint8_t)__builtin_ctz(dns->lba_size);
	ns->phys_shift = ns->lba_shift;
	ns->nsze = dns->nsze;
	ns->max_xfer = min_of(ns->max_xfer, nvmh_ctrl_max_xfer(ctrl));
	ns->awupf = le16toh(id->awupf);
	ns->vwc = id->vwc & 1;
	ns->can_write_zeroes = oncs & NVME_CTRL_ONCS_WRITE_ZEROES;
	ns->can_discard = oncs & NVME_CTRL_ONCS_DSM;
	ns->reads_zero_after_discard = (dns->id.dlfeat & 7) == 1;
	ns->has_uuid = memcmp(dns->uuid, none, sizeof(none));
	memcpy(ns->uuid, dns->uuid, sizeof(ns->uuid));
	memcpy(ns->nguid, dns->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, dns->eui64, sizeof(ns->eui64));
}

static void pcie_close(struct nvmet_ns *ns)
{
	struct pcie_ns *pns = ns->priv;

	if (!pns)
		return;
	if (pns->drive) {
		nvmet_drive_unwatch(pns->drive, ns);
		nvmet_drive_put(pns->drive);
	}
	free(pns);
	ns->priv = NULL;
}

static int pcie_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	struct pcie_ns *pns = calloc(1, sizeof(*pns));
	const struct nvmh_ns *dns;
	int ret;

	if (!pns)
		return -ENOMEM;
	ns->priv = pns;
	pns->nsid = cfg->pci_nsid;
	ret = nvmet_drive_get(cfg->bdf, &pns->drive);
	if (ret)
		return ret;
	dns = nvmh_ctrl_ns_by_nsid(nvmet_drive_ctrl(pns->drive), cfg->pci_nsid);
	ret = check_exportable(dns, cfg->bdf, cfg->pci_nsid);
	if (ret)
		return ret;
	fill_ns(ns, dns, nvmet_drive_ctrl(pns->drive));
	nvmet_drive_watch(pns->drive, ns);
	return 0;
}

const struct nvmet_ns_ops nvmet_ns_pcie_ops = {
	.name = "pcie",
	.open = pcie_open,
	.close = pcie_close,
	.attach = pcie_attach,
	.detach = pcie_detach,
	.submit = pcie_submit,
};
