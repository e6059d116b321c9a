// SPDX-License-Identifier: BSD-2-Clause
/*
 * What becomes of a namespace scan: at a bring-up, and while the controller is live, when it says
 * that a namespace changed or somebody asks. Namespaces are in use by other threads, so what one
 * is stands in a description that is written once; a change makes a new one, and the old is kept
 * for readers for long (MAX_OLD_NS). The controller's thread. Entry points: nvmh_ctrl_rescan(),
 * nvmh_step_scan(), nvmh_ctrl_ns(). NVM Express Base Specification 2.x, "Identify command",
 * "Asynchronous Event Information - Notice".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/log.h"
#include "common/clock.h"
#include "host/ctrl.h"

enum {
	RESCAN_PAUSE_MS = 1000, /* a drive that reports changes all the time */
	RESCAN_TRIES = 3,
};

/* ---- descriptions ---- */

static struct nvmh_ns_snap *snap_of(struct nvmh_ns *ns)
{
	return container_of(ns, struct nvmh_ns_snap, ns);
}

static void retire(struct nvmh_rescan *rs, struct nvmh_ns *ns)
{
	struct nvmh_ns_snap *snap = snap_of(ns);

	snap->next = NULL;
	if (rs->newest)
		rs->newest->next = snap;
	else
		rs->oldest = snap;
	rs->newest = snap;
	if (++rs->nr_old <= MAX_OLD_NS)
		return;
	snap = rs->oldest;
	rs->oldest = snap->next;
	rs->nr_old--;
	free(snap);
}

void nvmh_rescan_done(struct nvmh_ctrl *ctrl)
{
	struct nvmh_ns_snap *snap;
	uint32_t i;

	for (i = 0; i < ctrl->nr_ns; i++)
		free(snap_of(ctrl->ns[i]));
	free(ctrl->ns);
	ctrl->ns = NULL;
	ctrl->nr_ns = 0;
	while ((snap = ctrl->rescan.oldest)) {
		ctrl->rescan.oldest = snap->next;
		free(snap);
	}
}

static struct nvmh_ns *find_ns(struct nvmh_ns *const *ns, uint32_t nr, uint32_t nsid)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (ns[i]->nsid == nsid)
			return ns[i];
	}
	return NULL;
}

/* ---- what a scan found, against what was there before ---- */

/* Return: what changed first of all, in words; NULL: nothing. Utilization changes with every write. */
static const char *changed(const struct nvmh_ns *old, const struct nvmh_ns *now)
{
	struct nvme_id_ns id = old->id;

	if (old->lba_size != now->lba_size || old->ms != now->ms || old->ext_lba != now->ext_lba ||
	    old->pi_type != now->pi_type || old->pi_size != now->pi_size || old->zsze != now->zsze)
		return "format";
	if (old->csi != now->csi)
		return "command set";
	if (memcmp(old->uuid, now->uuid, sizeof(old->uuid)) ||
	    memcmp(old->nguid, now->nguid, sizeof(old->nguid)) ||
	    memcmp(old->eui64, now->eui64, sizeof(old->eui64)))
		return "identity";
	if (old->nsze != now->nsze)
		return "size";
	id.nuse = now->id.nuse;
	return memcmp(&id, &now->id, sizeof(id)) ? "attributes" : NULL;
}

/* The descriptions after the scan: those of before where nothing changed. Return: 0, -ENOMEM. */
static int describe(struct nvmh_ctrl *ctrl, struct nvmh_ns **table)
{
	const struct nvmh_scan *scan = &ctrl->scan;
	struct nvmh_ns_snap *snap;
	struct nvmh_ns *old;
	uint32_t i;

	for (i = 0; i < scan->nr_ns; i++) {
		old = find_ns(ctrl->ns, ctrl->nr_ns, scan->ns[i].nsid);
		if (old && !changed(old, &scan->ns[i])) {
			table[i] = old;
			continue;
		}
		snap = calloc(1, sizeof(*snap));
		if (!snap)
			return -ENOMEM;
		snap->ns = scan->ns[i];
		table[i] = &snap->ns;
	}
	return 0;
}

static void undo_describe(struct nvmh_ctrl *ctrl, struct nvmh_ns **table, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (table[i] && table[i] != find_ns(ctrl->ns, ctrl->nr_ns, table[i]->nsid))
			free(snap_of(table[i]));
	}
	free(table);
}

static void tell(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns)
{
	if (ctrl->opts.on_ns && ctrl->was_live && !ctrl->closing)
		ctrl->opts.on_ns(ctrl, nsid, ns, ctrl->opts.arg);
}

/* Logs and tells the difference between @old and what ctrl->ns is now. */
static void tell_changes(struct nvmh_ctrl *ctrl, struct nvmh_ns **old, uint32_t nr_old)
{
	const struct nvmh_ns *before;
	struct nvmh_ns *now;
	uint32_t i;

	for (i = 0; i < nr_old; i++) {
		now = find_ns(ctrl->ns, ctrl->nr_ns, old[i]->nsid);
		if (now == old[i])
			continue;
		if (now)
			log_notice(
				"namespace changed name=\"%s\" nsid=%u what=\"%s\" blocks=%llu was=%llu",
				ctrl->name, now->nsid, changed(old[i], now),
				(unsigned long long)now->nsze, (unsigned long long)old[i]->nsze);
		else
			log_warn("namespace gone name=\"%s\" nsid=%u", ctrl->name, old[i]->nsid);
		tell(ctrl, old[i]->nsid, now);
	}
	for (i = 0; i < ctrl->nr_ns; i++) {
		before = find_ns(old, nr_old, ctrl->ns[i]->nsid);
		if (before)
			continue;
		log_notice("namespace new name=\"%s\" nsid=%u blocks=%llu", ctrl->name,
			   ctrl->ns[i]->nsid, (unsigned long long)ctrl->ns[i]->nsze);
		tell(ctrl, ctrl->ns[i]->nsid, ctrl->ns[i]);
	}
}

int nvmh_ns_publish(struct nvmh_ctrl *ctrl)
{
	uint32_t nr = ctrl->scan.nr_ns;
	uint32_t nr_old = ctrl->nr_ns;
	struct nvmh_ns **old = ctrl->ns;
	struct nvmh_ns **table;
	uint32_t i;

	table = calloc(nr ? nr : 1, sizeof(*table));
	if (!table || describe(ctrl, table)) {
		if (table)
			undo_describe(ctrl, table, nr);
		nvmh_scan_done(&ctrl->scan);
		return nvmh_error(-ENOMEM, "out of memory");
	}
	ctrl->ns = table;
	ctrl->nr_ns = nr;
	nvmh_scan_done(&ctrl->scan);
	if (ctrl->was_live)
		tell_changes(ctrl, old, nr_old);
	for (i = 0; i < nr_old; i++) {
		if (find_ns(ctrl->ns, ctrl->nr_ns, old[i]->nsid) != old[i])
			retire(&ctrl->rescan, old[i]);
	}
	free(old);
	return 0;
}

int nvmh_step_scan(struct nvmh_ctrl *ctrl)
{
	int ret;

	if (ctrl->opts.nr_io_queues && !ctrl->nr_ioq)
		return 0; /* for administration only */
	ret = nvmh_scan_run(ctrl);
	return ret ? ret : nvmh_ns_publish(ctrl);
}

/* ---- while it is live ---- */

int nvmh_ctrl_rescan(struct nvmh_ctrl *ctrl)
{
	switch (nvmh_ctrl_state(ctrl)) {
	case NVMH_LIVE:
		break;
	case NVMH_DEAD:
	case NVMH_DELETING:
		return nvmh_refused(ctrl, -ENOTCONN);
	default:
		return nvmh_refused(ctrl, -EBUSY);
	}
	if (ctrl->ops->rescan)
		return ctrl->ops->rescan(ctrl);
	ctrl->rescan.want = true;
	ctrl->rescan.tries = 0;
	nvmh_ctrl_kick(ctrl);
	return 0;
}

bool nvmh_ctrl_rescanning(const struct nvmh_ctrl *ctrl)
{
	if (ctrl->ops->rescanning)
		return ctrl->ops->rescanning(ctrl);
	return ctrl->rescan.want || ctrl->rescan.busy;
}

static void rescan_failed(struct nvmh_ctrl *ctrl)
{
	nvmh_scan_done(&ctrl->scan);
	if (++ctrl->rescan.tries < RESCAN_TRIES) {
		ctrl->rescan.want = true;
		return;
	}
	ctrl->rescan.tries = 0;
	log_warn("namespaces not looked at anew, they stay as they were name=\"%s\" reason=\"%s\"",
		 ctrl->name, nvmh_strerror());
}

void nvmh_rescan_run(struct nvmh_ctrl *ctrl, uint64_t now_ns)
{
	struct nvmh_rescan *rs = &ctrl->rescan;
	int ret;

	if (!rs->busy) {
		/* the event's log page first, which uses the same memory */
		if (!rs->want || now_ns < rs->after_ns || ctrl->aen.reading || ctrl->aen.pending ||
		    ctrl->recover.q)
			return;
		rs->want = false;
		rs->busy = true;
		rs->after_ns = now_ns + RESCAN_PAUSE_MS * NS_PER_MS;
		nvmh_scan_done(&ctrl->scan);
	}
	ret = nvmh_step_scan(ctrl);
	if (ret == -EAGAIN)
		return;
	rs->busy = false;
	if (ret)
		rescan_failed(ctrl);
	else
		rs->tries = 0;
}

void nvmh_rescan_later(struct nvmh_ctrl *ctrl)
{
	if (!ctrl->rescan.busy)
		return;
	ctrl->rescan.busy = false;
	ctrl->rescan.want = true;
	nvmh_scan_done(&ctrl->scan);
	nvmh_step_forget(ctrl);
}

void nvmh_rescan_stop(struct nvmh_ctrl *ctrl)
{
	ctrl->rescan.want = ctrl->rescan.busy = false; /* a bring-up ends with a scan */
	ctrl->rescan.tries = 0;
}

/* ---- what others may know ---- */

uint32_t nvmh_ctrl_nr_ns(const struct nvmh_ctrl *ctrl)
{
	return ctrl->nr_ns;
}

const struct nvmh_ns *nvmh_ctrl_ns(const struct nvmh_ctrl *ctrl, uint32_t index)
{
	return index < ctrl->nr_ns ? ctrl->ns[index] : NULL;
}

const struct nvmh_ns *nvmh_ctrl_ns_by_nsid(const struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	return find_ns(ctrl->ns, ctrl->nr_ns, nsid);
}
