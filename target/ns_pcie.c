// SPDX-License-Identifier: BSD-2-Clause
/*
 * A namespace on a drive, local or remote: each core submits to its own queue of the drive, one
 * doorbell or send per turn, and reaps it while it spins; the queue's descriptor wakes it when it
 * sleeps. A core for which the drive has no queue (now) sends its requests to one that has. Opening
 * on the main thread, pcie_update() on the drive's, the rest on the cores. Entry point:
 * nvmet_ns_pcie_ops.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "target/drive.h"
#include "target/subsys.h"

enum {
	/* what hosts are told while the drive is yet to come; few drives take less, and get what is
	 * longer in parts */
	ABSENT_MAX_XFER = 128 << 10,
};

/* Protection information in dword 12 of a command. */
enum {
	PRINFO_REF = 1 << 26,	/* check the reference tag */
	PRINFO_GUARD = 1 << 28, /* check the guard */
	PRINFO_PRACT = 1 << 29, /* the drive inserts and strips it */
	PI_BYTES = 8,
};

struct pcie_ns {
	struct nvmet_ns *ns;
	struct nvmet_drive *drive;
	struct nvmet_drive_watcher watcher;
	uint32_t nsid;	 /* the drive's */
	uint32_t prinfo; /* dword 12 of commands on blocks: the drive makes, checks and strips the
			    protection information that hosts do not see */
	_Atomic uint32_t max_nlb; /* blocks that the drive takes in one command, now */
	/* the drive's thread; while opening, the main thread */
	bool open;  /* before: what cannot be exported is an error */
	int err;    /* then: -errno */
	bool known; /* @was is what hosts were shown */
	struct nvmh_ns was;
	const char *lost;     /* why it is not what it was, as logged; NULL: it is */
	unsigned int blocked; /* commands under way that change it */
};

/* The backend's part of a request. */
struct pcie_req {
	struct nvmh_req nr;
	struct iovec iov;
	struct nvmet_req *req;
	struct nvmet_drive_core *dc; /* whose queue it is on */
	struct list link;	     /* waiting for room */
	struct loop_msg msg;	     /* to another core and back */
	uint32_t at;		     /* blocks of the request before the command under way */
	uint32_t nlb;		     /* of that */
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
	uint16_t code = status & ST_MASK;

	/* The drive was reset under it, or lost: not the host's doing, worth another try. So is what
	 * a remote one says of the path to it, which is none of the host's. */
	if (code == ST_ABORT_QUEUE || code == ST_POWER_LOSS || code >> 8 == NVME_SCT_PATH)
		return ST_NS_NOT_READY | NVMET_CRD1;
	if (code == ST_INVALID_NS)
		return ST_NS_NOT_READY;
	/* what delay the drive means by its numbers is the drive's; ours tells one */
	if (!(status & ST_DNR) && status >> ST_CRD_SHIFT & 3)
		code |= NVMET_CRD1;
	return code | (status & ST_DNR);
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

/* ---- submission ---- */

/* What a command needs on a namespace with protection information. Return: bits of dword 12. */
static uint32_t protect(struct nvmh_req *nr, const struct nvmet_req *req, uint32_t prinfo)
{
	switch (req->op) {
	case NVMET_OP_READ:
	case NVMET_OP_WRITE:
	case NVMET_OP_WRITE_ZEROES:
		/* reference tag of the first block; not looked at in type 3 */
		nr->sqe.cdw14 = nr->sqe.cdw10;
		/* zeroes are not read: there is nothing to check */
		return req->op == NVMET_OP_WRITE_ZEROES ? prinfo & PRINFO_PRACT : prinfo;
	default:
		return 0;
	}
}

/* As much of a transfer as the drive takes in one command: all of it, but for a drive that came
 * after hosts were told how much. */
static void prep_part(struct pcie_req *pr, const struct pcie_ns *pns, uint8_t opcode)
{
	struct nvmet_req *req = pr->req;
	uint8_t shift = req->ns->lba_shift;
	uint32_t max = atomic_load_explicit(&pns->max_nlb, memory_order_relaxed);
	uint32_t len;

	pr->nlb = min_of(req->nlb - pr->at, max);
	len = pr->nlb << shift;
	pr->iov = (struct iovec){ req->buf + ((size_t)pr->at << shift), len };
	nvmh_prep_rw(&pr->nr, opcode, pns->nsid, req->slba + pr->at, pr->nlb, &pr->iov, 1, len);
}

static void drive_done(struct nvmh_req *nr);

static void prep(struct pcie_req *pr)
{
	struct nvmet_req *req = pr->req;
	const struct pcie_ns *pns = req->ns->priv;
	struct nvmh_req *nr = &pr->nr;
	uint32_t flags = 0;

	memset(nr, 0, sizeof(*nr));
	pr->iov.iov_base = req->buf;
	switch (req->op) {
	case NVMET_OP_READ:
		prep_part(pr, pns, nvme_cmd_read);
		break;
	case NVMET_OP_WRITE:
		prep_part(pr, pns, nvme_cmd_write);
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
	if (unlikely(pns->prinfo))
		flags |= protect(nr, req, pns->prinfo);
	if (flags)
		nr->sqe.cdw12 = le32_make(le32_get(nr->sqe.cdw12) | flags);
	nr->done = drive_done;
}

/* False: the queue is full. */
static bool to_drive(struct nvmet_drive_core *dc, struct pcie_req *pr)
{
	int ret = dc->q ? nvmh_queue_submit(dc->q, &pr->nr) : -ENOTCONN;

	if (unlikely(ret == -EAGAIN))
		return false;
	if (unlikely(ret))
		finish(pr, ret == -ENOTCONN ? ST_NS_NOT_READY | NVMET_CRD1 : ST_INTERNAL | ST_DNR);
	return true;
}

/* The namespace may have gone, or become another one, since the request was checked. */
static bool still_there(struct pcie_req *pr)
{
	uint16_t away = atomic_load_explicit(&pr->req->ns->away, memory_order_relaxed);

	if (unlikely(away))
		finish(pr, away);
	return !away;
}

static void to_queue(struct nvmet_drive_core *dc, struct pcie_req *pr)
{
	if (unlikely(!list_empty(&dc->waiting)) || !to_drive(dc, pr))
		list_add_tail(&dc->waiting, &pr->link);
}

static void drive_done(struct nvmh_req *nr)
{
	struct pcie_req *pr = container_of(nr, struct pcie_req, nr);

	pr->at += pr->nlb;
	if (unlikely(nr->status)) {
		finish(pr, host_status(nr->status));
	} else if (likely(!pr->nlb || pr->at == pr->req->nlb)) {
		finish(pr, 0);
	} else if (still_there(pr)) {
		prep(pr);
		to_queue(pr->dc, pr);
	}
}

static void to_queue_msg(struct loop_msg *msg)
{
	struct pcie_req *pr = container_of(msg, struct pcie_req, msg);

	/* while it was on its way the drive may have gone, and another be looked at in its place */
	if (unlikely(!atomic_load_explicit(&pr->dc->nr_queues, memory_order_relaxed)))
		finish(pr, ST_NS_NOT_READY | NVMET_CRD1);
	else if (still_there(pr))
		to_queue(pr->dc, pr);
}

static void pcie_submit(struct nvmet_req *req)
{
	struct pcie_ns *pns = req->ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, req->sq->core);
	uint16_t nr = atomic_load_explicit(&dc->nr_queues, memory_order_relaxed);
	struct pcie_req *pr = priv_of(req);
	struct nvmet_core *via;

	pr->req = req;
	pr->dc = dc;
	pr->at = pr->nlb = 0;
	list_init(&pr->link);
	prep(pr);
	if (likely(dc->core->index < nr)) {
		to_queue(dc, pr);
		return;
	}
	if (!nr) {
		nvmet_ns_complete(req, ST_NS_NOT_READY | NVMET_CRD1);
		return;
	}
	via = nvmet.cores[dc->core->index % nr];
	pr->dc = nvmet_drive_core(pns->drive, via);
	pr->msg.fn = to_queue_msg;
	loop_send(via->loop, &pr->msg);
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
		if (still_there(pr) && !to_drive(dc, pr)) {
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

int nvmet_drive_core_hook(struct nvmet_drive_core *dc)
{
	int ret =
		loop_io_add(dc->core->loop, &dc->io, nvmh_queue_fd(dc->q), LOOP_READ, queue_event);

	if (ret)
		return ret;
	dc->hook.poll = queue_poll;
	dc->hook.submit = queue_submit;
	dc->hook.sleep = queue_sleep;
	/* Before the core's own: the drive works while the turn's answers are sent. */
	loop_hook_add_first(dc->core->loop, &dc->hook);
	dc->hooked = true;
	return 0;
}

void nvmet_drive_core_unhook(struct nvmet_drive_core *dc)
{
	if (!dc->hooked)
		return;
	dc->hooked = false;
	queue_poll(&dc->hook); /* what waits for room is answered, now that there is none */
	loop_hook_del(&dc->hook);
	loop_io_del(&dc->io);
	nvmh_queue_release(dc->q);
}

static int pcie_attach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	struct pcie_ns *pns = ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, core);
	int ret = 0;

	if (dc->q && !dc->users)
		ret = nvmet_drive_core_hook(dc);
	if (!ret)
		dc->users++;
	return ret;
}

static void pcie_detach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	struct pcie_ns *pns = ns->priv;
	struct nvmet_drive_core *dc = nvmet_drive_core(pns->drive, core);

	if (!--dc->users)
		nvmet_drive_core_unhook(dc);
}

/* ---- what the drive says about the namespace ---- */

/* Return: NULL, or why it cannot be exported, to be said after its name. */
static const char *not_exportable(const struct nvmh_ns *dns)
{
	if (!dns)
		return "is not active; see \"nvme list-ns\", or the configuration";
	if (dns->csi != NVME_CSI_NVM)
		return dns->csi == NVME_CSI_ZNS
			       ? "is zoned; only NVM namespaces can be exported"
			       : "is not of the NVM command set; only those can be exported";
	if (dns->ms && !dns->pi_type)
		return "has metadata in its blocks; format it without to export it";
	/* the drive strips what is protection information and nothing more */
	if (dns->ms && (dns->ms != dns->pi_size || dns->pi_size != PI_BYTES))
		return "has other metadata in its blocks than 8 bytes of protection information; format it without metadata, or with those 8 bytes alone, to export it";
	return NULL;
}

/* Return: NULL, or what makes it another one than hosts were shown. */
static const char *differs(const struct nvmh_ns *was, const struct nvmh_ns *now)
{
	if (memcmp(was->uuid, now->uuid, sizeof(was->uuid)) ||
	    memcmp(was->nguid, now->nguid, sizeof(was->nguid)) ||
	    memcmp(was->eui64, now->eui64, sizeof(was->eui64)))
		return "has another identity than before (it was deleted and created?); restart the daemon to export it";
	if (was->lba_size != now->lba_size)
		return "has another block size than before; restart the daemon to export it";
	if (was->ms != now->ms || was->pi_type != now->pi_type)
		return "has another format than before; restart the daemon to export it";
	return NULL;
}

static void fill_ns(struct nvmet_ns *ns, const struct nvmh_ns *dns, struct nvmh_ctrl *ctrl)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(ctrl);
	uint16_t oncs = le16toh(id->oncs);
	static const uint8_t none[16];

	ns->lba_shift = (uint8_t)__builtin_ctz(dns->lba_size);
	ns->phys_shift = ns->lba_shift;
	atomic_store(&ns->nsze, dns->nsze);
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

/* Hosts see it for the first time: when opening, or when a drive comes that was missing. */
static int show(struct pcie_ns *pns, const struct nvmh_ns *dns, struct nvmh_ctrl *ctrl)
{
	struct nvmet_ns *ns = pns->ns;
	uint32_t max = nvmh_ctrl_max_xfer(ctrl);

	nvmet_lock(); /* a controller that is being made looks at it */
	if (!pns->open)
		ns->max_xfer = min_of(ns->max_xfer, max);
	else /* those from before keep to what they were told */
		ns->max_xfer = max_of(ns->max_xfer, min_of(max, (uint32_t)MAX_XFER_BYTES));
	nvmet_unlock();
	fill_ns(ns, dns, ctrl);
	ns->hints = nvmet_ns_hints_of(dns, min_of(ns->max_xfer, max));
	if (dns->pi_type)
		pns->prinfo = PRINFO_PRACT | PRINFO_GUARD |
			      (dns->pi_type == NVME_NS_DPS_PI_TYPE3 ? 0 : PRINFO_REF);
	pns->was = *dns;
	pns->known = true;
	return pns->open ? nvmet_ns_appear(ns) : 0;
}

static void lose(struct pcie_ns *pns, const char *why)
{
	if (pns->lost != why)
		log_err("namespace %u of %s %s %s", pns->nsid, nvmet_drive_word(pns->drive),
			pns->drive->name, why);
	pns->lost = why;
	nvmet_ns_set_state(pns->ns, ST_NS_NOT_READY | ST_DNR, 0);
}

/* At the start; hosts do not see it before it is there. */
static void absent(struct pcie_ns *pns)
{
	pns->err = 1;
	pns->ns->max_xfer = min_of(pns->ns->max_xfer, (uint32_t)ABSENT_MAX_XFER);
	nvmet_ns_set_state(pns->ns, ST_NS_NOT_READY | NVMET_CRD1, 0);
}

static void update(struct pcie_ns *pns, struct nvmh_ctrl *ctrl)
{
	const struct nvmh_ns *dns = nvmh_ctrl_ns_by_nsid(ctrl, pns->nsid);
	const char *why = not_exportable(dns);

	if (!why && pns->known)
		why = differs(&pns->was, dns);
	if (!why && nvmh_ctrl_max_xfer(ctrl) < dns->lba_size)
		why = "takes no transfers as long as one of its blocks";
	if (why && !pns->open && !pns->drive->remote) {
		log_err("namespace %u of %s %s %s", pns->nsid, nvmet_drive_word(pns->drive),
			pns->drive->name, why);
		pns->err = -ENODEV;
	} else if (why) {
		/* a remote one that is live by now is as one that is a moment later */
		if (!pns->open)
			absent(pns);
		lose(pns, why);
	} else {
		pns->lost = NULL;
		atomic_store(&pns->max_nlb, nvmh_ctrl_max_xfer(ctrl) / dns->lba_size);
		if (!pns->known && show(pns, dns, ctrl))
			return;
		nvmet_ns_set_state(pns->ns, 0, dns->nsze);
	}
}

/* The first call is that of nvmet_drive_watch(), which the main thread waits for. */
static void pcie_update(struct nvmet_drive_watcher *w, struct nvmh_ctrl *ctrl)
{
	struct pcie_ns *pns = container_of(w, struct pcie_ns, watcher);

	if (pns->open && pns->blocked) {
		nvmet_ns_set_state(pns->ns, ST_NS_NOT_READY | NVMET_CRD1, 0);
	} else if (ctrl) {
		update(pns, ctrl);
	} else if (!pns->open) {
		absent(pns);
	} else if (!pns->lost) { /* one that was lost before stays so until the drive says otherwise */
		nvmet_ns_set_state(pns->ns, ST_NS_NOT_READY | NVMET_CRD1, 0);
	}
	pns->open = true;
}

/* ---- commands that are no host's ---- */

static bool is_about(const struct pcie_ns *pns, uint32_t nsid)
{
	return nsid == NVME_NSID_BROADCAST || pns->nsid == nsid;
}

bool nvmet_drive_user(struct nvmet_drive *drive, uint32_t nsid, char *text, size_t size)
{
	struct list *pos;
	bool found = false;

	pthread_mutex_lock(&drive->lock);
	list_for_each(pos, &drive->watchers) {
		const struct pcie_ns *pns = list_entry(pos, struct pcie_ns, watcher.link);

		if (found || !is_about(pns, nsid))
			continue;
		found = true;
		snprintf(text, size, "namespace %u of %s %s is exported as namespace %u of %s",
			 pns->nsid, nvmet_drive_word(drive), drive->name, pns->ns->nsid,
			 pns->ns->subsys->nqn);
	}
	pthread_mutex_unlock(&drive->lock);
	return found;
}

static void count_blocked(struct nvmet_drive *drive, uint32_t nsid, int by)
{
	struct list *pos;

	pthread_mutex_lock(&drive->lock);
	list_for_each(pos, &drive->watchers) {
		struct pcie_ns *pns = list_entry(pos, struct pcie_ns, watcher.link);

		if (is_about(pns, nsid))
			pns->blocked += (unsigned int)by;
	}
	pthread_mutex_unlock(&drive->lock);
	nvmet_drive_tell(drive);
}

void nvmet_drive_block(struct nvmet_drive *drive, uint32_t nsid)
{
	count_blocked(drive, nsid, 1);
}

void nvmet_drive_unblock(struct nvmet_drive *drive, uint32_t nsid)
{
	count_blocked(drive, nsid, -1);
}

uint64_t nvmet_drive_under_way(struct nvmet_drive *drive, uint32_t nsid)
{
	struct list *pos;
	uint64_t nr = 0;

	pthread_mutex_lock(&drive->lock);
	list_for_each(pos, &drive->watchers) {
		const struct pcie_ns *pns = list_entry(pos, struct pcie_ns, watcher.link);

		if (is_about(pns, nsid))
			nr += nvmet_ns_under_way(pns->ns);
	}
	pthread_mutex_unlock(&drive->lock);
	return nr;
}

/* ---- opening ---- */

static void pcie_close(struct nvmet_ns *ns)
{
	struct pcie_ns *pns = ns->priv;

	if (!pns)
		return;
	if (pns->drive) {
		nvmet_drive_unwatch(pns->drive, &pns->watcher);
		nvmet_drive_put(pns->drive);
	}
	free(pns);
	ns->priv = NULL;
}

static int pcie_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	struct pcie_ns *pns = calloc(1, sizeof(*pns));
	int ret;

	if (!pns)
		return -ENOMEM;
	ns->priv = pns;
	pns->ns = ns;
	pns->nsid = cfg->dev_nsid;
	pns->watcher.update = pcie_update;
	list_init(&pns->watcher.link);
	ret = nvmet_drive_get(cfg, &pns->drive);
	if (ret)
		return ret;
	nvmet_drive_watch(pns->drive, &pns->watcher);
	return pns->err;
}

const struct nvmet_ns_ops nvmet_ns_pcie_ops = {
	.name = "pcie",
	.open = pcie_open,
	.close = pcie_close,
	.attach = pcie_attach,
	.detach = pcie_detach,
	.submit = pcie_submit,
};
