// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asymmetric Namespace Access of one path: its log page is read when its controller is live, when
 * that sends the notice, when a command is answered with an ANA status, and while a namespace is in
 * the change state, which must not last longer than ANATT. The log comes from outside: every count,
 * length and state is checked before anything of it is used. The controller's thread. Entry points:
 * nvmh_mpath_ana_start(), nvmh_mpath_ana_run(), nvmh_mpath_ana_parse().
 * NVM Express Base Specification 2.x, "Asymmetric Namespace Access Reporting", "Asymmetric
 * Namespace Access (Log Page Identifier 0Ch)".
 */
#include "host/mpath.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	LOG_HEAD_BYTES = sizeof(struct nvme_ana_log),
	GROUP_BYTES = sizeof(struct nvme_ana_group_desc),
	MAX_GROUPS = 1024,
	MAX_NSIDS = 65536, /* 256 KiB */
	PAGE_BYTES = 4096,
	LPA_EXTENDED = 1 << 2, /* Get Log Page from an offset on */
	READ_PAUSE_MS = 100,
	CHANGE_PAUSE_MS = 500, /* while a namespace is in the change state */
	READ_TRIES = 3,
	ANATT_SLACK_MS = 1000,
	MS_PER_S = 1000,
};

/* ---- the log ---- */

static int compare_nsid(const void *a, const void *b)
{
	const struct mpath_ana_entry *x = a;
	const struct mpath_ana_entry *y = b;

	return x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

static bool is_state(uint8_t state)
{
	return (state >= NVME_ANA_STATE_OPTIMIZED && state <= NVME_ANA_STATE_PERSISTENT_LOSS) ||
	       state == NVME_ANA_STATE_CHANGE;
}

/* One group's namespaces, appended. @desc is the descriptor, its list of NSIDs follows at @nsids. */
static int take_group(const struct nvme_ana_group_desc *desc, const uint8_t *nsids,
		      uint32_t anagrpmax, struct mpath_ana_entry *entries, uint32_t *nr)
{
	uint32_t count = le32toh(desc->nnsids);
	uint32_t grpid = le32toh(desc->grpid);
	uint32_t nsid;
	uint32_t i;

	if (!grpid || (anagrpmax && grpid > anagrpmax))
		return nvmh_error(-EPROTO, "ANA log: group %u is not within 1..%u (ANAGRPMAX)",
				  grpid, anagrpmax);
	if (!is_state(desc->state & 0xf))
		return nvmh_error(-EPROTO, "ANA log: group %u has the unknown state %Xh", grpid,
				  desc->state & 0xf);
	for (i = 0; i < count; i++) {
		memcpy(&nsid, nsids + i * sizeof(nsid), sizeof(nsid));
		nsid = le32toh(nsid);
		if (!nsid || nsid == NVME_NSID_BROADCAST)
			return nvmh_error(-EPROTO, "ANA log: group %u names namespace %X", grpid,
					  nsid);
		entries[*nr].nsid = nsid;
		entries[(*nr)++].state = desc->state & 0xf;
	}
	return 0;
}

static int take_groups(const uint8_t *log, uint32_t len, uint16_t ngrps, uint32_t anagrpmax,
		       struct mpath_ana_entry *entries, uint32_t *nr)
{
	struct nvme_ana_group_desc desc;
	uint32_t off = LOG_HEAD_BYTES;
	uint32_t count;
	uint16_t i;
	int ret;

	for (i = 0; i < ngrps; i++) {
		if (len - off < GROUP_BYTES)
			return nvmh_error(-EPROTO, "ANA log: %u groups do not fit its %u bytes",
					  ngrps, len);
		memcpy(&desc, log + off, GROUP_BYTES);
		off += GROUP_BYTES;
		count = le32toh(desc.nnsids);
		if (count > (len - off) / sizeof(uint32_t))
			return nvmh_error(
				-EPROTO,
				"ANA log: %u namespaces of a group do not fit its %u bytes", count,
				len);
		ret = take_group(&desc, log + off, anagrpmax, entries, nr);
		if (ret)
			return ret;
		off += count * (uint32_t)sizeof(uint32_t);
	}
	return 0;
}

int nvmh_mpath_ana_parse(const uint8_t *log, uint32_t len, const struct nvme_id_ctrl *id,
			 struct mpath_ana_entry **entriesp, uint32_t *nrp)
{
	struct mpath_ana_entry *entries;
	struct nvme_ana_log head;
	uint32_t nr = 0;
	uint32_t i;
	int ret;

	if (len < LOG_HEAD_BYTES)
		return nvmh_error(-EPROTO, "ANA log: it is shorter than its header");
	memcpy(&head, log, LOG_HEAD_BYTES);
	/* each of them takes 4 bytes of the log, so there cannot be more */
	entries = calloc(len / sizeof(uint32_t), sizeof(*entries));
	if (!entries)
		return nvmh_error(-ENOMEM, "out of memory");
	ret = take_groups(log, len, le16toh(head.ngrps), le32toh(id->anagrpmax), entries, &nr);
	if (!ret) {
		qsort(entries, nr, sizeof(*entries), compare_nsid);
		for (i = 1; i < nr && !ret; i++) {
			if (entries[i].nsid == entries[i - 1].nsid)
				ret = nvmh_error(-EPROTO,
						 "ANA log: namespace %u is in more than one group",
						 entries[i].nsid);
		}
	}
	if (ret) {
		free(entries);
		return ret;
	}
	*entriesp = entries;
	*nrp = nr;
	return 0;
}

bool nvmh_mpath_ana_known(const struct mpath_path *path)
{
	return !path->ana.used || path->ana.entries;
}

uint8_t nvmh_mpath_ana_of(const struct mpath_path *path, uint32_t nsid)
{
	struct mpath_ana_entry key = { .nsid = nsid };
	const struct mpath_ana_entry *found;

	if (!path->ana.used)
		return NVME_ANA_STATE_OPTIMIZED;
	found = bsearch(&key, path->ana.entries, path->ana.nr_entries, sizeof(key), compare_nsid);
	/* one that is so new that the log does not have it yet cannot be used yet */
	return found ? found->state : NVME_ANA_STATE_INACCESSIBLE;
}

/* ---- reading it ---- */

/* Return: bytes of the longest log that the controller may have and we take. */
static uint32_t log_bytes(const struct nvme_id_ctrl *id)
{
	uint32_t groups = min_of(le32toh(id->nanagrpid), (uint32_t)MAX_GROUPS);
	uint32_t nsids = le32toh(id->mnan) ? le32toh(id->mnan) : le32toh(id->nn);

	return LOG_HEAD_BYTES + groups * GROUP_BYTES +
	       min_of(nsids, (uint32_t)MAX_NSIDS) * (uint32_t)sizeof(uint32_t);
}

static int alloc_log(struct mpath_path *path, uint32_t len)
{
	struct mpath_ana *ana = &path->ana;
	uint32_t size = round_up_to(len, (uint32_t)PAGE_BYTES);

	if (size <= ana->log_size)
		return 0;
	/* a local controller keeps what was mapped for it to its end */
	if (ana->log && !path->ctrl->ops->remote)
		return nvmh_error(-ENOSPC, "its ANA log grew");
	free(ana->log);
	ana->log_size = 0;
	ana->log = aligned_alloc(PAGE_BYTES, size);
	if (!ana->log)
		return nvmh_error(-ENOMEM, "out of memory");
	ana->log_size = size;
	return nvmh_ctrl_mem_map(path->ctrl, ana->log, size);
}

void nvmh_mpath_ana_start(struct mpath_path *path)
{
	const struct nvme_id_ctrl *id = &path->ctrl->id;
	struct mpath_ana *ana = &path->ana;
	uint32_t len = log_bytes(id);

	ana->used = false;
	ana->change_ns = 0;
	ana->tries = 0;
	ana->after_ns = 0;
	ana->off = 0;
	if (!(id->cmic & NVME_CTRL_CMIC_MULTI_ANA_REPORTING))
		return;
	if (len > path->ctrl->max_xfer && !(id->lpa & LPA_EXTENDED)) {
		log_warn(
			"ANA is not used, its log of %u bytes cannot be read name=\"%s\" max_xfer=%u",
			len, path->ctrl->name, path->ctrl->max_xfer);
		return;
	}
	if (alloc_log(path, len)) {
		nvmh_mpath_path_refuse(path, "no memory for its ANA log: %s", nvmh_strerror());
		return;
	}
	free(ana->entries); /* of an association before */
	ana->entries = NULL;
	ana->nr_entries = 0;
	ana->used = true;
	ana->want = true;
}

void nvmh_mpath_ana_stop(struct mpath_path *path)
{
	path->ana.stale = path->ana.busy;
	path->ana.want = false;
	path->ana.change_ns = 0;
}

void nvmh_mpath_ana_free(struct mpath_path *path)
{
	free(path->ana.log);
	free(path->ana.entries);
	path->ana.log = NULL;
	path->ana.entries = NULL;
}

static void failed(struct mpath_path *path, const char *why)
{
	struct mpath_ana *ana = &path->ana;

	ana->off = 0;
	ana->want = true;
	ana->after_ns = clock_now_ns() + CHANGE_PAUSE_MS * NS_PER_MS;
	if (++ana->tries < READ_TRIES)
		return;
	ana->tries = 0;
	nvmh_mpath_path_refuse(path, "%s", why);
}

static void apply(struct mpath_path *path)
{
	struct mpath_ana *ana = &path->ana;
	struct mpath_ana_entry *entries;
	bool changing = false;
	uint32_t nr;
	uint32_t i;

	ana->off = 0;
	if (nvmh_mpath_ana_parse(ana->log, log_bytes(&path->ctrl->id), &path->ctrl->id, &entries,
				 &nr)) {
		failed(path, nvmh_strerror());
		return;
	}
	ana->tries = 0;
	free(ana->entries);
	ana->entries = entries;
	ana->nr_entries = nr;
	for (i = 0; i < nr; i++)
		changing |= entries[i].state == NVME_ANA_STATE_CHANGE;
	if (!changing)
		ana->change_ns = 0;
	else if (!ana->change_ns)
		ana->change_ns = clock_now_ns();
	path->mp->ns_dirty = true;
	path->mp->wake = true;
	log_debug("ANA log read name=\"%s\" namespaces=%u changing=%u", path->ctrl->name, nr,
		  changing);
}

static void read_next(struct mpath_path *path);

static void read_done(struct nvmh_req *req)
{
	struct mpath_path *path = req->arg;
	struct mpath_ana *ana = &path->ana;
	uint32_t len = req->len;
	char why[128];

	ana->busy = false;
	if (ana->stale || !path->live) {
		ana->stale = false;
		ana->off = 0;
		return;
	}
	if (req->status) {
		snprintf(why, sizeof(why), "its ANA log cannot be read: status %03Xh, %s",
			 req->status & ST_MASK, status_str(req->status));
		failed(path, why);
		return;
	}
	ana->off += len;
	if (ana->off < log_bytes(&path->ctrl->id))
		read_next(path);
	else
		apply(path);
}

/* A log in several pieces may be one of two times; then a notice is on its way, and it is read
 * again. Until then it is at least well-formed. */
static void read_next(struct mpath_path *path)
{
	struct mpath_ana *ana = &path->ana;
	struct nvmh_req *req = &ana->req;
	uint32_t len = min_of(log_bytes(&path->ctrl->id) - ana->off, path->ctrl->max_xfer);

	memset(req, 0, sizeof(*req));
	ana->iov = (struct iovec){ .iov_base = ana->log + ana->off, .iov_len = len };
	nvmh_prep_get_log(req, NVME_NSID_BROADCAST, NVME_LOG_LID_ANA, 0, false, ana->off, &ana->iov,
			  1, len);
	req->done = read_done;
	req->arg = path;
	if (nvmh_admin_submit(path->ctrl, req)) {
		ana->want = true; /* the admin queue is full: once it is not */
		ana->off = 0;
		return;
	}
	ana->busy = true;
}

void nvmh_mpath_ana_run(struct mpath_path *path, uint64_t now_ns)
{
	struct mpath_ana *ana = &path->ana;
	uint64_t anatt_ms = path->ctrl->id.anatt * (uint64_t)MS_PER_S + ANATT_SLACK_MS;

	if (!ana->used || !path->live || ana->busy || now_ns < ana->after_ns)
		return;
	/* what was told just now is later than @now_ns */
	if (ana->change_ns && now_ns > ana->change_ns + anatt_ms * NS_PER_MS) {
		ana->change_ns = 0;
		nvmh_mpath_path_refuse(
			path, "a namespace is in the ANA change state for longer than ANATT, %u s",
			path->ctrl->id.anatt);
		return;
	}
	if (!atomic_exchange(&ana->want, false) && !ana->change_ns)
		return;
	ana->after_ns = now_ns + (ana->change_ns ? CHANGE_PAUSE_MS : READ_PAUSE_MS) * NS_PER_MS;
	read_next(path);
}
