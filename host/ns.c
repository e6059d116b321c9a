// SPDX-License-Identifier: BSD-2-Clause
/*
 * The namespace scan, of a bring-up or later: the list of active namespaces page by page, then for
 * each its Identify Namespace data and its identification descriptors. Everything comes from
 * outside: copied once, checked, and what does not make sense is left out with the reason logged.
 * What is done with the result: host/rescan.c. The controller's thread. Entry point:
 * nvmh_scan_run(). NVM Express Base Specification 2.x,
 * "Identify command", "Namespace Identification Descriptor list"; NVM Command Set Specification,
 * "Identify Namespace data structure".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/ctrl.h"
#include "host/quirks.h"

enum {
	LIST_ENTRIES = 1024,
	MAX_SEEN = 4 * MAX_DRIVE_NS, /* ids looked at, usable or not */
	VS_1_1 = 0x10100,
	VS_1_3 = 0x10300,
	MIN_LBADS = 9,
	MAX_LBADS = 16,
	MAX_NLBAF = 63,
	FLBAS_EXT = 1 << 4,
	PI_BYTES = 8,
	PI_BYTES_LONG = 16, /* guards of 32 and 64 bits */
	AGAIN_MS = 200,	    /* what failed for the moment is asked again after that */
	MAX_AGAIN = 5,	    /* times in one bring-up */
};

enum scan_stage {
	SCAN_START,
	SCAN_LIST,
	SCAN_NS,
	SCAN_DESC,
	SCAN_PI,
	SCAN_ZNS_CTRL,
	SCAN_ZNS,
};

void nvmh_scan_done(struct nvmh_scan *scan)
{
	free(scan->list);
	free(scan->ns);
	memset(scan, 0, sizeof(*scan));
}

static struct nvmh_ns *current_ns(struct nvmh_scan *scan)
{
	return &scan->ns[scan->nr_ns];
}

static void leave_out(struct nvmh_ctrl *ctrl, uint32_t nsid, const char *why)
{
	log_warn("namespace left out name=\"%s\" nsid=%u reason=\"%s\"", ctrl->name, nsid, why);
}

/* The current namespace is done: used, or left out and why. */
static void next_ns(struct nvmh_ctrl *ctrl, const char *why)
{
	struct nvmh_scan *scan = &ctrl->scan;

	if (why)
		leave_out(ctrl, current_ns(scan)->nsid, why);
	else
		scan->nr_ns++;
	scan->index++;
	scan->stage = SCAN_NS;
}

/* ---- what a drive says about one namespace ---- */

/* Index of the format in use; the high bits count only where there are more than 16. */
static uint32_t format_of(const struct nvme_id_ns *id)
{
	uint32_t format = id->flbas & 0xf;

	if (1u + id->nlbaf + id->nulbaf > 16)
		format |= (uint32_t)(id->flbas >> 5 & 3) << 4;
	return format;
}

static void decode_pi(struct nvmh_ns *ns)
{
	ns->pi_type = ns->id.dps & NVME_NS_DPS_PI_MASK;
	ns->pi_first = ns->id.dps & NVME_NS_DPS_PI_FIRST;
	/* types 4 to 7 are none, and what does not fit the metadata is not there */
	if (ns->pi_type > NVME_NS_DPS_PI_TYPE3 || ns->ms < PI_BYTES)
		ns->pi_type = NVME_NS_DPS_PI_NONE;
	ns->pi_size = ns->pi_type ? PI_BYTES : 0;
}

static void apply_quirks(const struct nvmh_ctrl *ctrl, struct nvmh_ns *ns)
{
	ns->noiob = le16toh(ns->id.noiob);
	if (ctrl->quirks & NVMH_QUIRK_STRIPE_SIZE && ctrl->id.mdts)
		ns->noiob = max_of(ctrl->max_xfer / ns->lba_size, 1u);
	if (ctrl->quirks & NVMH_QUIRK_DEALLOCATE_ZEROES)
		ns->id.dlfeat = (uint8_t)((ns->id.dlfeat & ~7) | 1);
	if (ctrl->quirks & NVMH_QUIRK_BOGUS_NID) {
		memset(ns->eui64, 0, sizeof(ns->eui64));
		memset(ns->nguid, 0, sizeof(ns->nguid));
		memset(ns->uuid, 0, sizeof(ns->uuid));
	}
}

/* Return: NULL, or why the namespace cannot be used. */
static const char *decode_ns(struct nvmh_ns *ns)
{
	const struct nvme_id_ns *id = &ns->id;
	uint32_t format = format_of(id);
	uint32_t nr_formats = 1u + id->nlbaf + id->nulbaf;
	uint64_t bytes;
	uint8_t lbads;

	if (id->nlbaf > MAX_NLBAF || nr_formats > MAX_NLBAF + 1)
		return "more LBA formats than there can be";
	if (format >= nr_formats)
		return "its LBA format is not in its list of formats";
	lbads = id->lbaf[format].ds;
	if (lbads < MIN_LBADS || lbads > MAX_LBADS)
		return "its block size is not within 512 bytes to 64 KiB";
	ns->lba_size = 1u << lbads;
	ns->nsze = le64toh(id->nsze);
	ns->ncap = le64toh(id->ncap);
	ns->ms = le16toh(id->lbaf[format].ms);
	ns->ext_lba = ns->ms && (id->flbas & FLBAS_EXT);
	decode_pi(ns);
	if (__builtin_mul_overflow(ns->nsze, (uint64_t)ns->lba_size + ns->ms, &bytes) ||
	    bytes > INT64_MAX)
		return "its size in bytes does not fit 63 bits";
	if (ns->ncap > ns->nsze)
		return "its capacity is above its size";
	memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));
	return NULL;
}

static void take_id(void *to, size_t want, const uint8_t *from, uint8_t len)
{
	if (len == want)
		memcpy(to, from, want);
}

/* A list ends at a descriptor of type or length 0, or where the next does not fit. */
static void decode_descriptors(struct nvmh_ns *ns, const uint8_t *page)
{
	size_t off = 0;
	uint8_t type;
	uint8_t len;

	while (off + 4 <= NVME_IDENTIFY_DATA_SIZE) {
		type = page[off];
		len = page[off + 1];
		off += 4;
		if (!type || !len || len > NVME_IDENTIFY_DATA_SIZE - off)
			return;
		switch (type) {
		case NVME_NIDT_EUI64:
			take_id(ns->eui64, sizeof(ns->eui64), page + off, len);
			break;
		case NVME_NIDT_NGUID:
			take_id(ns->nguid, sizeof(ns->nguid), page + off, len);
			break;
		case NVME_NIDT_UUID:
			take_id(ns->uuid, sizeof(ns->uuid), page + off, len);
			break;
		case NVME_NIDT_CSI:
			take_id(&ns->csi, sizeof(ns->csi), page + off, len);
			break;
		}
		off += len;
	}
}

/* ---- the stages; each answers -EAGAIN while its command is under way ---- */

static int stage_start(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;

	nvmh_scan_done(scan);
	scan->list = calloc(LIST_ENTRIES, sizeof(*scan->list));
	if (!scan->list)
		return nvmh_error(-ENOMEM, "out of memory");
	scan->by_number = ctrl->vs < VS_1_1 || ctrl->quirks & NVMH_QUIRK_IDENTIFY_CNS;
	scan->stage = SCAN_LIST;
	return 0;
}

/* The next ids by counting, for controllers without a list of active ones. */
static void count_ids(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	uint32_t nn = min_of(le32toh(ctrl->id.nn), (uint32_t)MAX_DRIVE_NS);

	scan->nr_list = 0;
	while (scan->nr_list < LIST_ENTRIES && scan->last < nn)
		scan->list[scan->nr_list++] = ++scan->last;
}

/* Whether the last command failed for a reason of its own moment, which tells nothing about the
 * namespaces. */
static bool failed_for_now(const struct nvmh_ctrl *ctrl)
{
	uint16_t status = ctrl->step_req.status;

	return status && !(status & ST_DNR) && (status & ST_MASK) != ST_INVALID_NS &&
	       (status & ST_MASK) != ST_INVALID_FIELD;
}

/*
 * While the controller is live namespaces stay what they were then, and the rescan is tried again. A
 * bring-up asks again, for some time: what is left out is gone to whoever uses it. Then it is done
 * without, until a rescan, which follows.
 * Return: 0, answered, with a status that tells something; else as nvmh_step_cmd().
 */
static int identify(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi,
		    const char *what)
{
	struct nvmh_scan *scan = &ctrl->scan;
	int ret;

	if (clock_now_ns() < scan->again_ns)
		return -EAGAIN;
	ret = nvmh_step_identify_cmd(ctrl, nsid, cns, csi);
	if (ret || !failed_for_now(ctrl))
		return ret;
	if (ctrl->phase == NVMH_PHASE_LIVE)
		return nvmh_step_status(ctrl, what);
	if (scan->nr_again == MAX_AGAIN) {
		ctrl->rescan.want = true;
		return 0;
	}
	scan->nr_again++;
	scan->again_ns = clock_now_ns() + AGAIN_MS * NS_PER_MS;
	nvmh_step_again(ctrl, AGAIN_MS);
	return -EAGAIN;
}

static int stage_list(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	uint32_t i;
	int ret;

	scan->index = 0;
	scan->stage = SCAN_NS;
	if (scan->by_number) {
		count_ids(ctrl);
		return 0;
	}
	scan->stage = SCAN_LIST;
	ret = identify(ctrl, scan->last, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0,
		       "Identify Active Namespace ID list");
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		if (scan->last)
			return nvmh_step_status(ctrl, "Identify Active Namespace ID list");
		scan->by_number = true;
		return 0;
	}
	scan->stage = SCAN_NS;
	memcpy(scan->list, ctrl->step_buf, LIST_ENTRIES * sizeof(*scan->list));
	for (i = 0; i < LIST_ENTRIES; i++) {
		scan->list[i] = le32toh(scan->list[i]);
		if (!scan->list[i])
			break;
		/* ascending without end would be one, so would a list that starts over */
		if (scan->list[i] <= scan->last || scan->list[i] == NVME_NSID_BROADCAST)
			return nvmh_error(-EPROTO,
					  "the list of namespaces is not in ascending order");
		scan->last = scan->list[i];
	}
	scan->nr_list = i;
	return 0;
}

static int grow(struct nvmh_scan *scan)
{
	uint32_t size = scan->size_ns ? 2 * scan->size_ns : 4;
	struct nvmh_ns *ns;

	if (scan->nr_ns < scan->size_ns)
		return 0;
	ns = realloc(scan->ns, size * sizeof(*ns));
	if (!ns)
		return nvmh_error(-ENOMEM, "out of memory");
	scan->ns = ns;
	scan->size_ns = size;
	return 0;
}

static int stage_ns(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	uint32_t nsid = scan->list[scan->index];
	struct nvmh_ns *ns;
	const char *why;
	int ret;

	ret = identify(ctrl, nsid, NVME_IDENTIFY_CNS_NS, 0, "Identify Namespace");
	if (ret)
		return ret;
	scan->seen++;
	ret = grow(scan);
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Identify Namespace");
		leave_out(ctrl, nsid, nvmh_strerror());
		scan->index++;
		return 0;
	}
	ns = current_ns(scan);
	memset(ns, 0, sizeof(*ns));
	memcpy(&ns->id, ctrl->step_buf, sizeof(ns->id));
	ns->nsid = nsid;
	/* no size: not active; no capacity: on its way there, or gone while we asked */
	if (!ns->id.nsze || !ns->id.ncap) {
		scan->index++;
		return 0;
	}
	why = decode_ns(ns);
	if (why) {
		leave_out(ctrl, nsid, why);
		scan->index++;
		return 0;
	}
	scan->stage = SCAN_DESC;
	return 0;
}

static int stage_desc(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	struct nvmh_ns *ns = current_ns(scan);
	uint8_t page[NVME_IDENTIFY_DATA_SIZE];
	int ret;

	/* what there is of the three identifiers may be of no use, the command set always is */
	if ((ctrl->vs >= VS_1_3 || ctrl->ops->remote) &&
	    !(ctrl->quirks & (NVMH_QUIRK_NO_NS_DESC_LIST | NVMH_QUIRK_IDENTIFY_CNS))) {
		ret = identify(ctrl, ns->nsid, NVME_IDENTIFY_CNS_NS_DESC_LIST, 0,
			       "Identify Namespace Identification Descriptor list");
		if (ret)
			return ret;
		if (!ctrl->step_req.status) {
			memcpy(page, ctrl->step_buf, sizeof(page));
			decode_descriptors(ns, page);
		}
	}
	apply_quirks(ctrl, ns);
	if (ns->csi == NVME_CSI_ZNS)
		scan->stage = scan->has_zasl ? SCAN_ZNS : SCAN_ZNS_CTRL;
	else if (ns->csi != NVME_CSI_NVM)
		next_ns(ctrl, "its command set is not one of logical blocks");
	else if (ns->pi_type && le32toh(ctrl->id.ctratt) & NVME_CTRL_CTRATT_ELBAS)
		scan->stage = SCAN_PI;
	else
		next_ns(ctrl, NULL);
	return 0;
}

/* How long the protection information is. Controllers that do not tell have the short one. */
static int stage_pi(struct nvmh_ctrl *ctrl)
{
	struct nvmh_ns *ns = current_ns(&ctrl->scan);
	struct nvme_nvm_id_ns id;
	int ret;

	ret = identify(ctrl, ns->nsid, NVME_IDENTIFY_CNS_CSI_NS, NVME_CSI_NVM,
		       "Identify Namespace, NVM Command Set");
	if (ret)
		return ret;
	if (!ctrl->step_req.status) {
		memcpy(&id, ctrl->step_buf, sizeof(id));
		if (le32toh(id.elbaf[format_of(&ns->id)]) & NVME_NVM_ELBAF_PIF_MASK)
			ns->pi_size = PI_BYTES_LONG;
	}
	next_ns(ctrl, ns->pi_size > ns->ms
			      ? "its protection information is longer than its metadata"
			      : NULL);
	return 0;
}

static int stage_zns_ctrl(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	int ret;

	ret = identify(ctrl, 0, NVME_IDENTIFY_CNS_CSI_CTRL, NVME_CSI_ZNS,
		       "Identify Controller, Zoned Namespace Command Set");
	if (ret)
		return ret;
	if (!ctrl->step_req.status)
		memcpy(&scan->zasl, ctrl->step_buf, sizeof(scan->zasl));
	scan->has_zasl = true;
	scan->stage = SCAN_ZNS;
	return 0;
}

/* 0's based, with FFFFFFFFh for none. */
static uint32_t zone_limit(uint32_t value)
{
	return value + 1;
}

/* Return: NULL, or why the namespace cannot be used. */
static const char *decode_zns(struct nvmh_ctrl *ctrl, struct nvmh_ns *ns,
			      const struct nvme_zns_id_ns *id)
{
	uint32_t shift = 12u + (uint32_t)NVME_CAP_MPSMIN(ctrl->cap) + ctrl->scan.zasl;

	ns->zsze = le64toh(id->lbafe[format_of(&ns->id)].zsze);
	ns->zone_max_open = zone_limit(le32toh(id->mor));
	ns->zone_max_active = zone_limit(le32toh(id->mar));
	ns->zone_max_append = ctrl->max_xfer;
	if (ctrl->scan.zasl && shift < 31)
		ns->zone_max_append = min_of(1u << shift, ctrl->max_xfer);
	if (!ns->zsze || ns->zsze > ns->nsze)
		return "its zone size is not within 1 to its size";
	return NULL;
}

static int stage_zns(struct nvmh_ctrl *ctrl)
{
	struct nvmh_ns *ns = current_ns(&ctrl->scan);
	struct nvme_zns_id_ns id;
	int ret;

	ret = identify(ctrl, ns->nsid, NVME_IDENTIFY_CNS_CSI_NS, NVME_CSI_ZNS,
		       "Identify Namespace, Zoned Namespace Command Set");
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Identify Namespace, Zoned Namespace Command Set");
		next_ns(ctrl, nvmh_strerror());
		return 0;
	}
	memcpy(&id, ctrl->step_buf, sizeof(id));
	next_ns(ctrl, decode_zns(ctrl, ns, &id));
	return 0;
}

int nvmh_scan_run(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	int ret = 0;

	while (!ret) {
		switch (scan->stage) {
		case SCAN_START:
			ret = stage_start(ctrl);
			break;
		case SCAN_LIST:
			ret = stage_list(ctrl);
			break;
		case SCAN_NS:
			if (scan->nr_ns == MAX_DRIVE_NS || scan->seen == MAX_SEEN) {
				log_warn("only the first namespaces are used name=\"%s\" count=%u",
					 ctrl->name, scan->nr_ns);
				return 0;
			}
			if (scan->index < scan->nr_list)
				ret = stage_ns(ctrl);
			else if (scan->nr_list == LIST_ENTRIES)
				scan->stage = SCAN_LIST;
			else
				return 0;
			break;
		case SCAN_DESC:
			ret = stage_desc(ctrl);
			break;
		case SCAN_PI:
			ret = stage_pi(ctrl);
			break;
		case SCAN_ZNS_CTRL:
			ret = stage_zns_ctrl(ctrl);
			break;
		case SCAN_ZNS:
			ret = stage_zns(ctrl);
			break;
		}
	}
	return ret;
}

/* ---- what others may know ---- */

const struct nvme_id_ctrl *nvmh_ctrl_id(const struct nvmh_ctrl *ctrl)
{
	return &ctrl->id;
}

uint64_t nvmh_ctrl_cap(const struct nvmh_ctrl *ctrl)
{
	return ctrl->cap;
}

uint32_t nvmh_ctrl_max_xfer(const struct nvmh_ctrl *ctrl)
{
	return ctrl->max_xfer;
}

const char *nvmh_ctrl_name(const struct nvmh_ctrl *ctrl)
{
	return ctrl->name;
}

const char *nvmh_ctrl_error(const struct nvmh_ctrl *ctrl)
{
	return ctrl->error;
}

uint16_t nvmh_ctrl_nr_queues(const struct nvmh_ctrl *ctrl)
{
	return ctrl->nr_ioq;
}

struct nvmh_queue *nvmh_ctrl_queue(struct nvmh_ctrl *ctrl, uint16_t index)
{
	return index < ctrl->opts.nr_io_queues ? &ctrl->ioq[index] : NULL;
}
