// SPDX-License-Identifier: BSD-2-Clause
/*
 * When a lost association is known to be quiet: its controller may go on with what it got, and an
 * old write must not land on what was written since over another path. It is quiet after a
 * Cross-Controller Reset over another path of the subsystem, or when so much time has passed that
 * it must have noticed the loss (KATO) and stopped (CQT). Requests wait for slot.fenced
 * (host/mpath_retry.c). The controller's thread. Entry points: nvmh_mpath_fence_begin(),
 * nvmh_mpath_fence_run().
 * NVM Express Base Specification 2.3, "Communication Loss Handling", "Cross-Controller Reset
 * command", "Cross-Controller Reset (Log Page Identifier 1Eh)".
 */
#include "host/mpath.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	/* Identify Controller */
	ID_CIU = 135,	/* Controller Instance Uniquifier */
	ID_CIRN = 136,	/* Controller Instance Random Number, 8 bytes */
	ID_CQT = 386,	/* Command Quiesce Time, 2 bytes, milliseconds */
	ID_CCRL = 1807, /* Cross-Controller Reset Limit; 0: it has no such command */

	KAS_UNIT_MS = 100,
	KAS_MAX_MS = 60000, /* more is not believed: KATO would be rounded up to hours */

	OPC_CCR = 0x38,
	CCR_DONE = 1 << 0, /* dword 0: Immediate Reset Successful */
	ST_CCR_IN_PROGRESS = 0x13f,

	LID_CCR = 0x1e,
	LOG_BYTES = 4096,
	LOG_HEAD = 8, /* number of entries in the first two bytes */
	LOG_ENTRY = 8,
	LOG_ENTRIES = (LOG_BYTES - LOG_HEAD) / LOG_ENTRY,
	CCRS_IN_PROGRESS = 0,
	CCRS_SUCCESS = 1,
	CCR_POLL_MS = 100,
};

static uint8_t id_u8(const struct nvme_id_ctrl *id, size_t off)
{
	return ((const uint8_t *)id)[off];
}

static uint16_t id_cqt(const struct nvme_id_ctrl *id)
{
	return (uint16_t)(id_u8(id, ID_CQT) | id_u8(id, ID_CQT + 1) << 8);
}

static uint64_t id_cirn(const struct nvme_id_ctrl *id)
{
	uint64_t cirn;

	memcpy(&cirn, (const uint8_t *)id + ID_CIRN, sizeof(cirn));
	return le64toh(cirn);
}

/* ---- time ---- */

/* The controller rounds what it was told up to its granularity (KAS). */
static uint64_t kato_ms(const struct nvmh_ctrl *ctrl)
{
	uint64_t kas_ms = min_of(le16toh(ctrl->id.kas) * KAS_UNIT_MS, KAS_MAX_MS);
	uint64_t unit_ms = max_of(kas_ms, UINT64_C(1));

	return (ctrl->opts.kato_ms + unit_ms - 1) / unit_ms * unit_ms;
}

/*
 * The controller notices within KATO, or two of them where traffic counts and is looked at once per
 * KATO, after the last that it got of us: which it did now at the latest. The specification's time
 * counts from when it is known to have been reached; it is longer where our Keep Alives were.
 */
static uint64_t quiet_at(const struct mpath *mp, const struct nvmh_ctrl *ctrl, uint64_t now)
{
	uint64_t kato_ns = kato_ms(ctrl) * NS_PER_MS;
	uint64_t cqt_ns = id_cqt(&ctrl->id) * NS_PER_MS;
	uint32_t n = le32toh(ctrl->id.ctratt) & NVME_CTRL_CTRATT_TBKAS ? 3 : 2;

	if (mp->opts.hold_ms > 0)
		return now + (uint32_t)mp->opts.hold_ms * NS_PER_MS;
	return max_of(ctrl->heard_ns + n * kato_ns, now + (n - 1) * kato_ns) + cqt_ns;
}

static void quiet(struct mpath *mp, struct mpath_slot *slot, uint32_t assoc)
{
	atomic_store(&slot->fenced, assoc);
	mp->wake = true;
}

void nvmh_mpath_fence_begin(struct mpath_path *path)
{
	struct mpath *mp = path->mp;
	struct mpath_slot *slot = &mp->slot[path->slot];
	const struct nvmh_ctrl *ctrl = path->ctrl;
	struct mpath_fence *f;
	uint64_t now = clock_now_ns();
	uint64_t before_ns;
	bool full;

	if (!ctrl->ops->remote || mp->opts.hold_ms == NVMH_NO_HOLD) {
		quiet(mp, slot, ctrl->assoc);
		return;
	}
	/*
	 * No room: the newest stands for the one before it, too. It is quiet later, and by time alone
	 * it is so for both. The oldest stays, for a reset that is on its way is its own.
	 */
	full = slot->nr_fences == MPATH_MAX_FENCES;
	before_ns = slot->nr_fences ? slot->fence[slot->nr_fences - 1].until_ns : 0;
	f = &slot->fence[slot->nr_fences - full];
	*f = (struct mpath_fence){
		.assoc = ctrl->assoc,
		.until_ns = max_of(quiet_at(mp, ctrl, now), before_ns),
		.cntlid = ctrl->cntlid,
		.ciu = full ? 0 : id_u8(&ctrl->id, ID_CIU),
		.cirn = id_cirn(&ctrl->id),
	};
	slot->nr_fences += !full;
	log_info("path lost, its writes are held name=\"%s\" cntlid=%u for_ms=%llu", ctrl->name,
		 ctrl->cntlid, (unsigned long long)((f->until_ns - now) / NS_PER_MS));
}

/* Whether @f's connections are still open: then its time has not begun, and it is being shut down. */
static bool is_open(const struct mpath_path *path, const struct mpath_fence *f)
{
	return path && path->ctrl->phase == NVMH_PHASE_QUIET && path->ctrl->assoc == f->assoc;
}

void nvmh_mpath_fence_renew(struct mpath_path *path)
{
	struct mpath_slot *slot = &path->mp->slot[path->slot];
	struct mpath_fence *f;

	if (!slot->nr_fences)
		return;
	f = &slot->fence[slot->nr_fences - 1];
	if (f->assoc == path->ctrl->assoc)
		f->until_ns = max_of(f->until_ns, quiet_at(path->mp, path->ctrl, clock_now_ns()));
}

/* ---- Cross-Controller Reset ---- */

static void ccr_done(struct nvmh_req *req)
{
	struct mpath_ccr *ccr = container_of(req, struct mpath_ccr, req);

	ccr->stage = MPATH_CCR_ANSWERED;
}

/* Return: false: not now. */
static bool ccr_send(struct mpath_path *over, struct mpath_ccr *ccr, bool log)
{
	ccr->req.done = ccr_done;
	ccr->log = log;
	ccr->stage = MPATH_CCR_SENT;
	if (!nvmh_admin_submit(over->ctrl, &ccr->req))
		return true;
	ccr->stage = MPATH_CCR_IDLE;
	return false;
}

static bool can_reset(const struct mpath_path *over, const struct mpath_fence *f)
{
	return over && mpath_path_is(over, MPATH_UP) && over->live && over->ctrl->ops->remote &&
	       id_u8(&over->ctrl->id, ID_CCRL) && !(f->tried & BIT64(over->slot));
}

/* Asks a path that has not been asked yet, if there is one. */
static void ccr_start(struct mpath *mp, const struct mpath_fence *f, struct mpath_ccr *ccr)
{
	struct mpath_path *over;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		over = mp->slot[i].own;
		if (!can_reset(over, f))
			continue;
		memset(&ccr->req, 0, sizeof(ccr->req));
		ccr->req.sqe.opcode = OPC_CCR;
		ccr->req.sqe.cdw10 = le32_make((uint32_t)f->ciu << 16 | f->cntlid);
		ccr->req.sqe.cdw12 = le32_make((uint32_t)f->cirn);
		ccr->req.sqe.cdw13 = le32_make((uint32_t)(f->cirn >> 32));
		ccr->over = i;
		ccr->over_assoc = over->ctrl->assoc;
		if (ccr_send(over, ccr, false))
			return;
	}
}

static void ccr_read_log(struct mpath_path *over, struct mpath_ccr *ccr)
{
	memset(&ccr->req, 0, sizeof(ccr->req));
	ccr->iov = (struct iovec){ .iov_base = ccr->page, .iov_len = LOG_BYTES };
	nvmh_prep_get_log(&ccr->req, NVME_NSID_BROADCAST, LID_CCR, 0, false, 0, &ccr->iov, 1,
			  LOG_BYTES);
	if (!ccr_send(over, ccr, true))
		ccr->stage = MPATH_CCR_WAIT;
}

/* Return: the status of the reset of @f's controller in the log page; -1: it is not there. */
static int log_status(const uint8_t *page, const struct mpath_fence *f)
{
	uint32_t nr = min_of(page[0] | (uint32_t)page[1] << 8, (uint32_t)LOG_ENTRIES);
	const uint8_t *e = page + LOG_HEAD;
	int status = -1;
	uint32_t i;

	/* impacted controller 1:0, its CIU 2, asking controller 5:4, status 6, flags 7 */
	for (i = 0; i < nr; i++, e += LOG_ENTRY) {
		if ((e[0] | e[1] << 8) == f->cntlid && e[2] == f->ciu)
			status = e[6];
	}
	return status;
}

/* Return: 1, the controller was reset; 0, wait; -1, this path does not help. */
static int ccr_result(struct mpath_ccr *ccr, const struct mpath_fence *f)
{
	uint16_t status = ccr->req.status & ST_MASK;
	int logged;

	if (!ccr->log && status == ST_CCR_IN_PROGRESS)
		return 0;
	if (status)
		return -1;
	if (!ccr->log)
		return le32_get(ccr->req.cqe.dw0) & CCR_DONE ? 1 : 0;
	logged = log_status(ccr->page, f);
	if (logged == CCRS_SUCCESS)
		return 1;
	return logged == CCRS_IN_PROGRESS ? 0 : -1;
}

static void give_up_on(struct mpath_ccr *ccr, struct mpath_fence *f)
{
	f->tried |= BIT64(ccr->over);
	ccr->stage = MPATH_CCR_IDLE;
}

/* Return: the controller of @f was reset. */
static bool ccr_run(struct mpath *mp, struct mpath_ccr *ccr, struct mpath_fence *f, uint64_t now)
{
	struct mpath_path *over = mp->slot[ccr->over].own;
	int result;

	switch (ccr->stage) {
	case MPATH_CCR_IDLE:
		if (!ccr->page)
			ccr->page = malloc(LOG_BYTES);
		if (f->ciu && ccr->page)
			ccr_start(mp, f, ccr);
		return false;
	case MPATH_CCR_ANSWERED:
		result = ccr_result(ccr, f);
		ccr->stage = MPATH_CCR_WAIT;
		ccr->again_ns = now + CCR_POLL_MS * NS_PER_MS;
		if (result < 0) {
			log_info("path not reset over another cntlid=%u over=\"%s\" status=%03X",
				 f->cntlid, over ? over->ctrl->name : "",
				 ccr->req.status & ST_MASK);
			give_up_on(ccr, f);
		}
		return result > 0;
	case MPATH_CCR_WAIT:
		if (now < ccr->again_ns)
			return false;
		if (over && over->live && over->ctrl->assoc == ccr->over_assoc)
			ccr_read_log(over, ccr);
		else
			give_up_on(ccr, f);
		return false;
	default:
		return false;
	}
}

void nvmh_mpath_fence_run(struct mpath *mp, uint8_t slot_index, uint64_t now)
{
	struct mpath_slot *slot = &mp->slot[slot_index];
	struct mpath_fence *f = &slot->fence[0];
	bool reset;

	while (slot->nr_fences && !is_open(slot->own, f)) {
		reset = ccr_run(mp, &slot->ccr, f, now);
		if (!reset && now < f->until_ns)
			return;
		if (atomic_load(&slot->fenced) != f->assoc) {
			log_info("path is quiet, its writes go on cntlid=%u reason=\"%s\"",
				 f->cntlid, reset ? "Cross-Controller Reset" : "time");
			quiet(mp, slot, f->assoc);
		}
		/* what is on its way is not an answer to the next one */
		if (slot->ccr.stage == MPATH_CCR_SENT)
			return;
		slot->ccr.stage = MPATH_CCR_IDLE;
		slot->nr_fences--;
		memmove(slot->fence, slot->fence + 1, slot->nr_fences * sizeof(slot->fence[0]));
	}
}

void nvmh_mpath_fence_free(struct mpath *mp)
{
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++)
		free(mp->slot[i].ccr.page);
}
