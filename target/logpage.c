// SPDX-License-Identifier: BSD-2-Clause
/*
 * Get Log Page, except for the content of the discovery log. Runs on the admin queue's core. A page
 * is never built as a whole: each part is put into the window that the command asked for.
 * Entry points: nvmet_get_log_prepare(), nvmet_get_log_execute(), nvmet_log_put().
 * NVM Express Base Specification 2.x, "Get Log Page command", "Log Pages".
 */
#include <time.h>

#include "target/admin.h"

enum {
	CDW14_OT = 1 << 23,
	CDW14_CSI_SHIFT = 24,
	CDW10_RAE = 1 << 15,
	LID_SUPPORTED = 1 << 0,
	EFFECTS_SCOPE_SHIFT = 20,
	SCOPE_NS = 1 << 0,
	SCOPE_CTRL = 1 << 1,
	UNIT_BLOCKS = 1000,    /* of 512 bytes: data units read and written */
	AVAILABLE_SPARE = 100, /* percent */
	LOC_NUMD = NVMET_LOC_CDW10 + 2,
	LOC_OT = NVMET_LOC_CDW14 + 2,
	LOC_CSI = NVMET_LOC_CDW14 + 3,
};

struct log_page {
	uint8_t lid;
	bool io;	 /* I/O controllers have it */
	bool discovery;	 /* discovery controllers have it */
	uint32_t clears; /* event that is cleared by reading it */
	uint32_t bytes;	 /* 0: as size() says */
	uint64_t (*size)(const struct nvmet_req *req);
	uint16_t (*check)(struct nvmet_req *req); /* NULL: nothing to check */
	void (*fill)(const struct nvmet_req *req, struct nvmet_log_window *win);
};

static const struct log_page *find_page(const struct nvmet_ctrl *ctrl, uint8_t lid);

void nvmet_log_put(struct nvmet_log_window *win, uint64_t at, const void *data, size_t len)
{
	uint64_t from = max_of(at, win->off), to = min_of(at + len, win->off + win->len);

	if (from < to)
		memcpy(win->buf + (from - win->off), (const uint8_t *)data + (from - at),
		       to - from);
}

static bool retain_event(const struct nvmet_req *req)
{
	return le32_get(req->sqe.cdw10) & CDW10_RAE;
}

/* ---- 00h: supported log pages ---- */

static void fill_supported(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvme_supported_log_pages log = { 0 };

	for (unsigned int lid = 0; lid < ARRAY_SIZE(log.lid_support); lid++)
		if (find_page(req->sq->ctrl, (uint8_t)lid))
			log.lid_support[lid] = htole32(LID_SUPPORTED);
	nvmet_log_put(win, 0, &log, sizeof(log));
}

/* ---- 01h: errors, newest first ---- */

static void fill_error(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	uint64_t nr;

	pthread_mutex_lock(&ctrl->error_lock);
	nr = min_of(ctrl->nr_errors, (uint64_t)MAX_LOG_ERRORS);
	for (uint64_t i = 0; i < nr; i++) {
		const struct nvmet_error_entry *e =
			&ctrl->errors[(ctrl->nr_errors - 1 - i) % MAX_LOG_ERRORS];
		struct nvme_error_log_page entry = {
			.error_count = htole64(e->count),
			.sqid = htole16(e->sqid),
			.cmdid = htole16(e->cid),
			.status_field = htole16((uint16_t)(e->status << 1)),
			.parm_error_location = htole16(e->loc),
			.lba = htole64(e->lba),
			.nsid = htole32(e->nsid),
		};

		nvmet_log_put(win, i * sizeof(entry), &entry, sizeof(entry));
	}
	pthread_mutex_unlock(&ctrl->error_lock);
}

/* ---- 02h: SMART, from what was counted since the daemon started ---- */

struct io_counts {
	uint64_t reads, writes;
	uint64_t sectors_read, sectors_written; /* of 512 bytes */
	uint64_t errors;
};

static uint64_t counter(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void count_ns(const struct nvmet_ns *ns, struct io_counts *sum)
{
	for (int i = 0; i < nvmet.nr_cores; i++) {
		const struct nvmet_ns_stats *st = &ns->stats[i];

		sum->reads += counter(&st->read_cmds);
		sum->writes += counter(&st->write_cmds);
		sum->sectors_read += counter(&st->read_blocks) << (ns->lba_shift - 9);
		sum->sectors_written += counter(&st->write_blocks) << (ns->lba_shift - 9);
		sum->errors += counter(&st->errors);
	}
}

static bool smart_of_all(const struct nvmet_req *req)
{
	return !nvmet_nsid(req) || nvmet_nsid(req) == NVME_NSID_BROADCAST;
}

static uint16_t check_smart(struct nvmet_req *req)
{
	if (smart_of_all(req) || nvmet_subsys_ns(req->sq->ctrl->subsys, nvmet_nsid(req)))
		return 0;
	return nvmet_req_bad_nsid(req);
}

static void put_u64(uint8_t field[16], uint64_t value)
{
	uint64_t le = htole64(value);

	memcpy(field, &le, sizeof(le));
}

static uint64_t machine_hours(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec / 3600;
}

static void fill_smart(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	const struct nvmet_subsys *subsys = ctrl->subsys;
	struct nvme_smart_log log = {
		.critical_warning = nvmet_smart_warning(ctrl),
		.temperature = { NVMET_TEMP_K & 0xff, NVMET_TEMP_K >> 8 },
		.avail_spare = AVAILABLE_SPARE,
	};
	struct io_counts sum = { 0 };

	for (uint32_t nsid = 1; nsid <= subsys->max_nsid; nsid++)
		if (subsys->ns[nsid] && (smart_of_all(req) || nsid == nvmet_nsid(req)))
			count_ns(subsys->ns[nsid], &sum);
	put_u64(log.host_reads, sum.reads);
	put_u64(log.host_writes, sum.writes);
	put_u64(log.data_units_read, div_up(sum.sectors_read, UNIT_BLOCKS));
	put_u64(log.data_units_written, div_up(sum.sectors_written, UNIT_BLOCKS));
	put_u64(log.media_errors, sum.errors);
	put_u64(log.power_on_hours, machine_hours());
	pthread_mutex_lock(&ctrl->error_lock);
	put_u64(log.num_err_log_entries, ctrl->nr_errors);
	pthread_mutex_unlock(&ctrl->error_lock);
	nvmet_log_put(win, 0, &log, sizeof(log));
}

/* ---- 03h: firmware slots: the one that runs ---- */

static void fill_firmware(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvme_firmware_slot log = { .afi = 1 };

	str_pad(log.frs[0], sizeof(log.frs[0]), req->sq->ctrl->subsys->firmware);
	nvmet_log_put(win, 0, &log, sizeof(log));
}

/* ---- 04h: changed namespaces; the list starts anew when it was read ---- */

static void fill_changed_ns(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;

	pthread_mutex_lock(&ctrl->error_lock);
	for (uint32_t i = 0; i < ctrl->nr_changed_ns; i++) {
		uint32_t nsid = htole32(ctrl->changed_ns[i]);

		nvmet_log_put(win, i * sizeof(nsid), &nsid, sizeof(nsid));
	}
	if (!retain_event(req))
		ctrl->nr_changed_ns = 0;
	pthread_mutex_unlock(&ctrl->error_lock);
}

/* ---- 05h: commands supported and their effects, as the tables have them ---- */

static uint32_t io_effects(uint8_t opcode)
{
	uint32_t effects = NVME_CMD_EFFECTS_CSUPP | SCOPE_NS << EFFECTS_SCOPE_SHIFT;

	switch (opcode) {
	case nvme_cmd_write:
	case nvme_cmd_write_uncor:
	case nvme_cmd_write_zeroes:
	case nvme_cmd_dsm:
	case nvme_cmd_copy:
		return effects | NVME_CMD_EFFECTS_LBCC;
	default:
		return effects;
	}
}

static uint16_t check_effects(struct nvmet_req *req)
{
	uint8_t csi = (uint8_t)(le32_get(req->sqe.cdw14) >> CDW14_CSI_SHIFT);

	return csi == NVME_CSI_NVM ? 0 : nvmet_req_bad_field(req, LOC_CSI);
}

static void fill_effects(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	bool discovery = req->sq->ctrl->subsys->is_discovery;
	const struct nvmet_cmd *admin = discovery ? nvmet_discovery_cmds : nvmet_admin_cmds;
	unsigned int nr_admin = discovery ? nvmet_nr_discovery_cmds : nvmet_nr_admin_cmds;
	uint32_t effects = htole32(NVME_CMD_EFFECTS_CSUPP | SCOPE_CTRL << EFFECTS_SCOPE_SHIFT);
	struct nvme_cmd_effects_log log = { 0 };

	for (unsigned int i = 0; i < nr_admin; i++)
		log.acs[admin[i].opcode] = effects;
	log.acs[NVME_FABRICS_OPCODE] = effects;
	if (!discovery) {
		for (unsigned int i = 0; i < nvmet_nr_io_cmds; i++)
			log.iocs[nvmet_io_cmds[i].opcode] =
				htole32(io_effects(nvmet_io_cmds[i].opcode));
		log.iocs[NVME_FABRICS_OPCODE] = effects;
	}
	nvmet_log_put(win, 0, &log, sizeof(log));
}

/* ---- 12h: features supported and their effects; 13h: management commands, there are none ---- */

static void fill_features(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct nvme_fid_supported_effects_log log = { 0 };

	for (unsigned int fid = 0; fid < ARRAY_SIZE(log.fid_support); fid++)
		log.fid_support[fid] = htole32(nvmet_features_effects(req->sq->ctrl, (uint8_t)fid));
	nvmet_log_put(win, 0, &log, sizeof(log));
}

static void fill_nothing(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	(void)req;
	(void)win;
}

/* ---- the command ---- */

static const struct log_page log_pages[] = {
	{ .lid = NVME_LOG_LID_SUPPORTED_LOG_PAGES,
	  .io = true,
	  .discovery = true,
	  .bytes = sizeof(struct nvme_supported_log_pages),
	  .fill = fill_supported },
	{ .lid = NVME_LOG_LID_ERROR,
	  .io = true,
	  .clears = NVMET_EV_ERROR,
	  .bytes = MAX_LOG_ERRORS * sizeof(struct nvme_error_log_page),
	  .fill = fill_error },
	{ .lid = NVME_LOG_LID_SMART,
	  .io = true,
	  .clears = NVMET_EV_SMART,
	  .bytes = sizeof(struct nvme_smart_log),
	  .check = check_smart,
	  .fill = fill_smart },
	{ .lid = NVME_LOG_LID_FW_SLOT,
	  .io = true,
	  .bytes = sizeof(struct nvme_firmware_slot),
	  .fill = fill_firmware },
	{ .lid = NVME_LOG_LID_CHANGED_NS,
	  .io = true,
	  .clears = NVMET_EV_NS_CHANGED,
	  .bytes = sizeof(struct nvme_ns_list),
	  .fill = fill_changed_ns },
	{ .lid = NVME_LOG_LID_CMD_EFFECTS,
	  .io = true,
	  .discovery = true,
	  .bytes = sizeof(struct nvme_cmd_effects_log),
	  .check = check_effects,
	  .fill = fill_effects },
	{ .lid = NVME_LOG_LID_FID_SUPPORTED_EFFECTS,
	  .io = true,
	  .discovery = true,
	  .bytes = sizeof(struct nvme_fid_supported_effects_log),
	  .fill = fill_features },
	{ .lid = NVME_LOG_LID_MI_CMD_SUPPORTED_EFFECTS,
	  .io = true,
	  .discovery = true,
	  .bytes = sizeof(struct nvme_mi_cmd_supported_effects_log),
	  .fill = fill_nothing },
	{ .lid = NVME_LOG_LID_DISCOVER,
	  .discovery = true,
	  .clears = NVMET_EV_DISC_CHANGED,
	  .size = nvmet_discovery_log_bytes,
	  .fill = nvmet_discovery_log_fill },
};

static const struct log_page *find_page(const struct nvmet_ctrl *ctrl, uint8_t lid)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(log_pages); i++)
		if (log_pages[i].lid == lid &&
		    (ctrl->subsys->is_discovery ? log_pages[i].discovery : log_pages[i].io))
			return &log_pages[i];
	return NULL;
}

static const struct log_page *req_page(const struct nvmet_req *req)
{
	return find_page(req->sq->ctrl, le32_get(req->sqe.cdw10) & 0xff);
}

static uint64_t req_offset(const struct nvmet_req *req)
{
	return le32_get(req->sqe.cdw12) | (uint64_t)le32_get(req->sqe.cdw13) << 32;
}

/* Number of dwords, 0's based, low and high half. At most 16 GiB: no overflow. */
static uint64_t req_bytes(const struct nvmet_req *req)
{
	uint64_t numd = le32_get(req->sqe.cdw10) >> 16 |
			(uint64_t)(le32_get(req->sqe.cdw11) & 0xffff) << 16;

	return (numd + 1) * 4;
}

uint16_t nvmet_get_log_prepare(struct nvmet_req *req)
{
	const struct log_page *page = req_page(req);
	uint64_t off = req_offset(req), bytes = req_bytes(req);

	if (!page) {
		req->error_loc = NVMET_LOC_CDW10;
		return ST_INVALID_LOG_PAGE | ST_DNR;
	}
	/* Offsets count bytes here, never entries. */
	if (le32_get(req->sqe.cdw14) & CDW14_OT)
		return nvmet_req_bad_field(req, LOC_OT);
	if (bytes > req->sq->ctrl->max_xfer)
		return nvmet_req_bad_field(req, LOC_NUMD);
	if (off % 4 || off > (page->size ? page->size(req) : page->bytes))
		return nvmet_req_bad_field(req, NVMET_LOC_CDW12);
	req->dir = NVMET_TO_HOST;
	req->data_len = (uint32_t)bytes;
	return page->check ? page->check(req) : 0;
}

void nvmet_get_log_execute(struct nvmet_req *req)
{
	const struct log_page *page = req_page(req);
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	struct nvmet_log_window win = { .buf = req->buf,
					.off = req_offset(req),
					.len = req->data_len };
	uint32_t cleared = retain_event(req) ? 0 : page->clears;

	/* What lies beyond the end of the page reads as zeroes. */
	memset(req->buf, 0, req->data_len);
	page->fill(req, &win);
	nvmet_req_complete(req, 0);
	if (cleared)
		nvmet_aer_cleared(ctrl, cleared);
}
