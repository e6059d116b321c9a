// SPDX-License-Identifier: BSD-2-Clause
/*
 * The namespace scan of a bring-up: the list of active namespaces page by page, then for each its
 * Identify Namespace data and its identification descriptors. Everything comes from outside: copied
 * once, checked, and what does not make sense is left out with the reason logged. The controller's
 * thread. Entry points: nvmh_step_scan(), nvmh_ctrl_ns(). NVM Express Base Specification 2.x,
 * "Identify command", "Namespace Identification Descriptor list"; NVM Command Set Specification,
 * "Identify Namespace data structure".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "host/ctrl.h"

enum {
	LIST_ENTRIES = 1024,
	MAX_SEEN = 4 * MAX_DRIVE_NS, /* ids looked at, usable or not */
	VS_1_1 = 0x10100,
	VS_1_3 = 0x10300,
	MIN_LBADS = 9,
	MAX_LBADS = 16,
	MAX_NLBAF = 63,
	FLBAS_EXT = 1 << 4,
	CSI_NVM = 0,
	CSI_ZNS = 2,
};

enum scan_stage {
	SCAN_START,
	SCAN_LIST,
	SCAN_NS,
	SCAN_DESC,
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

/* ---- what a drive says about one namespace ---- */

/* Return: NULL, or why the namespace cannot be used. */
static const char *decode_ns(struct nvmh_ns *ns)
{
	const struct nvme_id_ns *id = &ns->id;
	uint32_t format = id->flbas & 0xf;
	uint32_t nr_formats = 1u + id->nlbaf + id->nulbaf;
	uint64_t bytes;
	uint8_t lbads;

	if (nr_formats > 16)
		format |= (uint32_t)(id->flbas >> 5 & 3) << 4;
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
	ns->pi_type = id->dps & 7;
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
	scan->by_number = ctrl->vs < VS_1_1;
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
	ret = nvmh_step_identify_cmd(ctrl, scan->last, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0);
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

	ret = nvmh_step_identify_cmd(ctrl, nsid, NVME_IDENTIFY_CNS_NS, 0);
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
	if (!ns->id.nsze) {
		scan->index++; /* not active */
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

	if (ctrl->vs >= VS_1_3 || ctrl->ops->remote) {
		ret = nvmh_step_identify_cmd(ctrl, ns->nsid, NVME_IDENTIFY_CNS_NS_DESC_LIST, 0);
		if (ret)
			return ret;
		if (!ctrl->step_req.status) {
			memcpy(page, ctrl->step_buf, sizeof(page));
			decode_descriptors(ns, page);
		}
	}
	scan->stage = SCAN_NS;
	scan->index++;
	if (ns->csi != CSI_NVM && ns->csi != CSI_ZNS)
		leave_out(ctrl, ns->nsid, "its command set is not one of logical blocks");
	else
		scan->nr_ns++;
	return 0;
}

/* ---- what the scan found, against what was there before a reset ---- */

static const char *changed(const struct nvmh_ns *old, const struct nvmh_ns *now)
{
	if (old->lba_size != now->lba_size || old->ms != now->ms || old->ext_lba != now->ext_lba ||
	    old->pi_type != now->pi_type)
		return "format";
	if (old->csi != now->csi)
		return "command set";
	if (memcmp(old->uuid, now->uuid, sizeof(old->uuid)) ||
	    memcmp(old->nguid, now->nguid, sizeof(old->nguid)) ||
	    memcmp(old->eui64, now->eui64, sizeof(old->eui64)))
		return "identity";
	if (old->nsze > now->nsze)
		return "size";
	return NULL;
}

static const struct nvmh_ns *find_ns(const struct nvmh_ns *ns, uint32_t nr, uint32_t nsid)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (ns[i].nsid == nsid)
			return &ns[i];
	}
	return NULL;
}

/*
 * Namespaces are in use by other threads, with block size and length copied: those of before stay,
 * and one that is not what it was must not be written to as if it were.
 */
static int compare(struct nvmh_ctrl *ctrl)
{
	const struct nvmh_ns *now;
	const char *what;
	uint32_t i;

	for (i = 0; i < ctrl->nr_ns; i++) {
		now = find_ns(ctrl->scan.ns, ctrl->scan.nr_ns, ctrl->ns[i].nsid);
		what = now ? changed(&ctrl->ns[i], now) : NULL;
		if (what)
			return nvmh_error(
				-ENODEV,
				"the %s of namespace %u is not what it was before the reset", what,
				ctrl->ns[i].nsid);
		if (!now)
			log_warn("namespace gone after a reset name=\"%s\" nsid=%u", ctrl->name,
				 ctrl->ns[i].nsid);
	}
	for (i = 0; i < ctrl->scan.nr_ns; i++) {
		if (!find_ns(ctrl->ns, ctrl->nr_ns, ctrl->scan.ns[i].nsid))
			log_notice(
				"namespace new after a reset, used from the next start on name=\"%s\" nsid=%u",
				ctrl->name, ctrl->scan.ns[i].nsid);
	}
	return 0;
}

static int publish(struct nvmh_ctrl *ctrl)
{
	int ret = 0;

	if (ctrl->ns) {
		ret = compare(ctrl);
	} else if (ctrl->scan.nr_ns) {
		ctrl->ns = ctrl->scan.ns;
		ctrl->nr_ns = ctrl->scan.nr_ns;
		ctrl->scan.ns = NULL;
	}
	nvmh_scan_done(&ctrl->scan);
	return ret;
}

int nvmh_step_scan(struct nvmh_ctrl *ctrl)
{
	struct nvmh_scan *scan = &ctrl->scan;
	int ret = 0;

	if (ctrl->opts.nr_io_queues && !ctrl->nr_ioq)
		return 0; /* for administration only */
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
				return publish(ctrl);
			}
			if (scan->index < scan->nr_list)
				ret = stage_ns(ctrl);
			else if (scan->nr_list == LIST_ENTRIES)
				scan->stage = SCAN_LIST;
			else
				return publish(ctrl);
			break;
		case SCAN_DESC:
			ret = stage_desc(ctrl);
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

uint32_t nvmh_ctrl_nr_ns(const struct nvmh_ctrl *ctrl)
{
	return ctrl->nr_ns;
}

const struct nvmh_ns *nvmh_ctrl_ns(const struct nvmh_ctrl *ctrl, uint32_t index)
{
	return index < ctrl->nr_ns ? &ctrl->ns[index] : NULL;
}

const struct nvmh_ns *nvmh_ctrl_ns_by_nsid(const struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	return find_ns(ctrl->ns, ctrl->nr_ns, nsid);
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
