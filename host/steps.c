// SPDX-License-Identifier: BSD-2-Clause
/*
 * The steps of a bring-up that both transports share, in the order of the specification. Each is
 * called again and again until it does not answer -EAGAIN; ctrl->step_index remembers where within
 * it. The controller's thread. Entry points: nvmh_step_*(), listed in the transports' tables;
 * nvmh_keep_alive_run(). NVM Express Base Specification 2.x, "Controller Initialization",
 * "Controller Properties", "Keep Alive".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/nqn.h"
#include "host/ctrl.h"
#include "host/quirks.h"

enum {
	STEP_REQ_IDLE,
	STEP_REQ_SENT,
	STEP_REQ_ANSWERED,
};

enum {
	READY_UNIT_MS = 500,   /* of CAP.TO and CRTO */
	READY_FLOOR_MS = 2000, /* the machine may be slow where the drive is not */
	MAX_MPSMIN = 4,	       /* 64 KiB: what queue memory is aligned to at most */
	SQES = 6,	       /* 64 bytes */
	CQES = 4,	       /* 16 bytes */
	CSS_NVM = 1 << 0,      /* CAP.CSS */
	CSS_CSI = 1 << 6,
	CSS_ADMIN = 1 << 7,
	CNTRLTYPE_DISCOVERY = 2,
	CNTRLTYPE_ADMIN = 3,
	AER_SMART_MASK = 0x1f, /* the critical warnings */
};

#define AER_ALL	    0xffffff00u /* everything that has a bit in OAES */
/* namespace attributes, firmware activation, asymmetric access, discovery log */
#define AER_NOTICES 0x80000b00u

void nvmh_step_again(struct nvmh_ctrl *ctrl, uint32_t ms)
{
	ctrl->step_again_ns = clock_now_ns() + ms * NS_PER_MS;
}

/* A command was sent: it has the admin timeout, within what is left of the step's own time. */
static void set_deadline(struct nvmh_ctrl *ctrl)
{
	uint32_t ms = ctrl->step->timeout_ms ? ctrl->step->timeout_ms : ctrl->ready_timeout_ms;
	uint64_t step_ns = ctrl->step_start_ns + ms * NS_PER_MS;
	uint64_t command_ns = clock_now_ns() + ctrl->opts.admin_timeout_ms * NS_PER_MS;

	if (ctrl->phase == NVMH_PHASE_UP)
		ctrl->step_deadline_ns = min_of(step_ns, command_ns);
}

static void step_req_done(struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = req->arg;

	ctrl->step_req_state = ctrl->step_req_stale ? STEP_REQ_IDLE : STEP_REQ_ANSWERED;
	ctrl->step_req_stale = false;
}

void nvmh_step_forget(struct nvmh_ctrl *ctrl)
{
	if (ctrl->step_req_state == STEP_REQ_SENT)
		ctrl->step_req_stale = true;
	else
		ctrl->step_req_state = STEP_REQ_IDLE;
}

int nvmh_step_cmd(struct nvmh_ctrl *ctrl, const struct nvme_sqe *sqe, enum nvmh_dir dir, void *buf,
		  uint32_t len)
{
	struct nvmh_req *req = &ctrl->step_req;
	int ret;

	if (ctrl->step_req_state == STEP_REQ_SENT)
		return -EAGAIN;
	if (ctrl->step_req_state == STEP_REQ_ANSWERED) {
		ctrl->step_req_state = STEP_REQ_IDLE;
		return 0;
	}
	memset(req, 0, sizeof(*req));
	req->sqe = *sqe;
	ctrl->step_iov = (struct iovec){ .iov_base = buf, .iov_len = len };
	req->iov = &ctrl->step_iov;
	req->nr_iov = len ? 1 : 0;
	req->len = len;
	req->dir = dir;
	/* a step has a deadline; a live controller's command has its own */
	req->timeout_ms = ctrl->phase == NVMH_PHASE_LIVE ? 0 : NVMH_NO_TIMEOUT;
	req->done = step_req_done;
	req->arg = ctrl;
	ret = nvmh_queue_send(&ctrl->adminq, req);
	if (ret == -EAGAIN)
		return ret;
	if (ret)
		return nvmh_error(ret, "the command could not be sent (%s)", strerrorname_np(-ret));
	ctrl->step_req_state = STEP_REQ_SENT;
	ctrl->ops->queue_commit(&ctrl->adminq);
	set_deadline(ctrl);
	return -EAGAIN;
}

int nvmh_step_identify_cmd(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_identify,
		.nsid = le32_make(nsid),
		.cdw10 = le32_make(cns),
		.cdw11 = le32_make((uint32_t)csi << 24),
	};

	return nvmh_step_cmd(ctrl, &sqe, NVMH_FROM_CTRL, ctrl->step_buf, NVME_IDENTIFY_DATA_SIZE);
}

int nvmh_step_status(struct nvmh_ctrl *ctrl, const char *what)
{
	uint16_t status = ctrl->step_req.status;

	return nvmh_error(-EIO, "%s failed with status %03Xh, %s", what, status & ST_MASK,
			  status_str(status));
}

static int set_feature(struct nvmh_ctrl *ctrl, uint8_t fid, uint32_t value)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_set_features,
		.cdw10 = le32_make(fid),
		.cdw11 = le32_make(value),
	};

	return nvmh_step_cmd(ctrl, &sqe, NVMH_NO_DATA, NULL, 0);
}

/* ---- registers ---- */

static int check_cap(uint64_t cap)
{
	uint32_t css = NVME_CAP_CSS(cap);

	if (cap == UINT64_MAX)
		return nvmh_error(-ENODEV, "the device does not answer (CAP reads all ones)");
	if (!NVME_CAP_MQES(cap))
		return nvmh_error(-EPROTO, "CAP.MQES is 0: no queue has room for a command");
	if (NVME_CAP_MPSMIN(cap) > NVME_CAP_MPSMAX(cap))
		return nvmh_error(-EPROTO, "CAP.MPSMIN is above CAP.MPSMAX");
	if (NVME_CAP_MPSMIN(cap) > MAX_MPSMIN)
		return nvmh_error(-ENOTSUP,
				  "it wants memory pages of at least %u KiB, we have up to 64",
				  4u << NVME_CAP_MPSMIN(cap));
	if (!(css & (CSS_NVM | CSS_CSI | CSS_ADMIN)))
		return nvmh_error(-ENOTSUP, "it has no command set that we know (CAP.CSS %02Xh)",
				  css);
	return 0;
}

/* Positions: 0 CAP, 1 VS, 2 CRTO. */
int nvmh_step_read_cap(struct nvmh_ctrl *ctrl)
{
	uint32_t crto = 0;
	uint64_t cap;
	int ret;

	if (ctrl->step_index == 0) {
		ret = ctrl->ops->reg_read64(ctrl, NVME_REG_CAP, &cap);
		if (!ret && ctrl->quirks & NVMH_QUIRK_MQES_ZERO && !NVME_CAP_MQES(cap))
			cap |= NVMH_QUIRK_MQES_ENTRIES - 1;
		if (!ret)
			ret = check_cap(cap);
		if (ret)
			return ret;
		ctrl->cap = cap;
		ctrl->step_index = 1;
	}
	if (ctrl->step_index == 1) {
		ret = ctrl->ops->reg_read32(ctrl, NVME_REG_VS, &ctrl->vs);
		if (ret)
			return ret;
		ctrl->step_index = 2;
	}
	if (NVME_CAP_CRMS(ctrl->cap) & NVME_CAP_CRWMS) {
		ret = ctrl->ops->reg_read32(ctrl, NVME_REG_CRTO, &crto);
		if (ret)
			return ret;
	}
	ctrl->ready_timeout_ms =
		READY_UNIT_MS * (1 + max_of((uint32_t)NVME_CAP_TO(ctrl->cap), crto & 0xffff));
	if (ctrl->ready_timeout_ms < READY_FLOOR_MS)
		ctrl->ready_timeout_ms = READY_FLOOR_MS;
	if (ctrl->quirks & NVMH_QUIRK_DELAY_BEFORE_CHK_RDY)
		ctrl->ready_timeout_ms += NVMH_QUIRK_DELAY_MS;
	return 0;
}

/*
 * Positions: 0 CC, 1 CSTS, 2 clear EN. A controller that was just enabled must get ready before it
 * may be disabled; one that does not within half the time is disabled anyway.
 */
int nvmh_step_disable(struct nvmh_ctrl *ctrl)
{
	uint64_t patience_ns = ctrl->ready_timeout_ms * NS_PER_MS / 2;
	uint32_t csts;
	int ret;

	if (ctrl->step_index == 0) {
		ret = ctrl->ops->reg_read32(ctrl, NVME_REG_CC, &ctrl->cc);
		if (ret)
			return ret;
		if (!NVME_CC_EN(ctrl->cc))
			return 0;
		ctrl->step_index = 1;
	}
	if (ctrl->step_index == 1) {
		ret = ctrl->ops->reg_read32(ctrl, NVME_REG_CSTS, &csts);
		if (ret)
			return ret;
		if (!NVME_CSTS_RDY(csts) && !NVME_CSTS_CFS(csts) &&
		    clock_now_ns() - ctrl->step_start_ns < patience_ns) {
			nvmh_step_again(ctrl, 1);
			return -EAGAIN;
		}
		ctrl->cc &= ~(uint32_t)(NVME_CC_EN_MASK | NVME_CC_SHN_MASK << NVME_CC_SHN_SHIFT);
		ctrl->step_index = 2;
	}
	return ctrl->ops->reg_write32(ctrl, NVME_REG_CC, ctrl->cc);
}

static int wait_ready(struct nvmh_ctrl *ctrl, bool ready)
{
	uint32_t csts;
	int ret;

	ret = ctrl->ops->reg_read32(ctrl, NVME_REG_CSTS, &csts);
	if (ret)
		return ret;
	if (ready && NVME_CSTS_CFS(csts))
		return nvmh_error(-EIO, "the controller reports a fatal error (CSTS.CFS)");
	if (NVME_CSTS_RDY(csts) == ready)
		return 0;
	nvmh_step_again(ctrl, 1);
	return -EAGAIN;
}

int nvmh_step_wait_not_ready(struct nvmh_ctrl *ctrl)
{
	if (ctrl->quirks & NVMH_QUIRK_DELAY_BEFORE_CHK_RDY &&
	    clock_now_ns() - ctrl->step_start_ns < NVMH_QUIRK_DELAY_MS * NS_PER_MS)
		return -EAGAIN;
	return wait_ready(ctrl, false);
}

int nvmh_step_wait_ready(struct nvmh_ctrl *ctrl)
{
	return wait_ready(ctrl, true);
}

int nvmh_step_connect_adminq(struct nvmh_ctrl *ctrl)
{
	atomic_store(&ctrl->adminq.state, NVMH_Q_LIVE);
	return ctrl->ops->connect_adminq(ctrl);
}

static bool admin_only(const struct nvmh_ctrl *ctrl)
{
	return !(NVME_CAP_CSS(ctrl->cap) & (CSS_NVM | CSS_CSI));
}

int nvmh_step_enable(struct nvmh_ctrl *ctrl)
{
	uint32_t css = NVME_CC_CSS_NVM;

	if (NVME_CAP_CSS(ctrl->cap) & CSS_CSI)
		css = NVME_CC_CSS_CSI;
	else if (admin_only(ctrl))
		css = NVME_CC_CSS_ADMIN;
	ctrl->cc = 1u << NVME_CC_EN_SHIFT | css << NVME_CC_CSS_SHIFT |
		   (uint32_t)NVME_CAP_MPSMIN(ctrl->cap) << NVME_CC_MPS_SHIFT |
		   (uint32_t)SQES << NVME_CC_IOSQES_SHIFT | (uint32_t)CQES << NVME_CC_IOCQES_SHIFT;
	return ctrl->ops->reg_write32(ctrl, NVME_REG_CC, ctrl->cc);
}

/* ---- identify and queues ---- */

/* A discovery controller of before NVMe 1.4 has 0 for a type, and no sizes of queue entries. */
static bool has_io(const struct nvmh_ctrl *ctrl, const struct nvme_id_ctrl *id)
{
	if (ctrl->ops->remote && ctrl->opts.subnqn && !strcmp(ctrl->opts.subnqn, NQN_DISCOVERY))
		return false;
	return id->cntrltype != CNTRLTYPE_DISCOVERY && id->cntrltype != CNTRLTYPE_ADMIN;
}

static int check_id(const struct nvmh_ctrl *ctrl, const struct nvme_id_ctrl *id)
{
	if (ctrl->was_live && (memcmp(id->sn, ctrl->id.sn, sizeof(id->sn)) ||
			       memcmp(id->mn, ctrl->id.mn, sizeof(id->mn)) ||
			       memcmp(id->subnqn, ctrl->id.subnqn, sizeof(id->subnqn))))
		return nvmh_error(-ENODEV, "another controller answers than before");
	if (ctrl->ops->remote && le16toh(id->cntlid) != ctrl->cntlid)
		return nvmh_error(-EPROTO, "it calls itself controller %u, Connect said %u",
				  le16toh(id->cntlid), ctrl->cntlid);
	if (has_io(ctrl, id) && !admin_only(ctrl) &&
	    ((id->sqes & 0xf) > SQES || id->sqes >> 4 < SQES || (id->cqes & 0xf) > CQES ||
	     id->cqes >> 4 < CQES))
		return nvmh_error(
			-ENOTSUP,
			"its queue entries are not 64 and 16 bytes (SQES %02Xh, CQES %02Xh)",
			id->sqes, id->cqes);
	return 0;
}

static uint32_t max_xfer(uint64_t cap, uint8_t mdts)
{
	uint32_t shift = 12u + (uint32_t)NVME_CAP_MPSMIN(cap) + mdts;

	return mdts && shift < 31 ? min_of(1u << shift, (uint32_t)MAX_XFER_BYTES) : MAX_XFER_BYTES;
}

int nvmh_step_identify(struct nvmh_ctrl *ctrl)
{
	struct nvme_id_ctrl id;
	char quoted[64];
	int ret;

	ret = nvmh_step_identify_cmd(ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0);
	if (ret)
		return ret;
	if (ctrl->step_req.status)
		return nvmh_step_status(ctrl, "Identify Controller");
	memcpy(&id, ctrl->step_buf, sizeof(id));
	if (!ctrl->ops->remote)
		ctrl->quirks |= nvmh_quirks_model(le16toh(id.vid), id.mn, id.fr);
	if (ctrl->quirks & NVMH_QUIRK_NO_DEEPEST_PS && id.npss)
		id.npss--;
	if (ctrl->quirks & NVMH_QUIRK_DISABLE_WRITE_ZEROES)
		id.oncs = htole16(le16toh(id.oncs) & ~NVME_CTRL_ONCS_WRITE_ZEROES);
	if (ctrl->quirks & NVMH_QUIRK_IGNORE_DEV_SUBNQN)
		memset(id.subnqn, 0, sizeof(id.subnqn)); /* for whoever compares it */
	ret = check_id(ctrl, &id);
	if (ret)
		return ret;
	/* other threads may be reading them */
	if (memcmp(&ctrl->id, &id, sizeof(id)))
		ctrl->id = id;
	ctrl->max_xfer = max_xfer(ctrl->cap, id.mdts);
	if (!ctrl->ops->remote)
		ctrl->cntlid = le16toh(id.cntlid);
	log_debug("controller identified name=\"%s\" model=%s max_xfer=%u", ctrl->name,
		  log_quote(quoted, sizeof(quoted), id.mn, sizeof(id.mn)), ctrl->max_xfer);
	return 0;
}

int nvmh_step_nr_queues(struct nvmh_ctrl *ctrl)
{
	uint32_t wanted = ctrl->opts.nr_io_queues;
	uint32_t granted;
	uint32_t dw0;
	int ret;

	ctrl->nr_ioq = 0;
	if (!wanted || admin_only(ctrl) || !has_io(ctrl, &ctrl->id))
		return 0;
	ret = set_feature(ctrl, NVME_FEAT_FID_NUM_QUEUES, (wanted - 1) << 16 | (wanted - 1));
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Set Features Number of Queues");
		log_warn("no I/O queues, administration only name=\"%s\" reason=\"%s\"", ctrl->name,
			 nvmh_strerror());
		return 0;
	}
	dw0 = le32_get(ctrl->step_req.cqe.dw0);
	granted = min_of((dw0 & 0xffff) + 1, (dw0 >> 16) + 1);
	ctrl->nr_ioq = (uint16_t)min_of(granted, wanted);
	if (ctrl->nr_ioq < wanted)
		log_info("fewer I/O queues granted name=\"%s\" wanted=%u granted=%u", ctrl->name,
			 wanted, ctrl->nr_ioq);
	return 0;
}

int nvmh_step_io_queues(struct nvmh_ctrl *ctrl)
{
	int ret;

	while (ctrl->step_index < ctrl->nr_ioq) {
		ret = ctrl->ops->queue_create(ctrl, &ctrl->ioq[ctrl->step_index]);
		if (ret == -EREMOTEIO) {
			log_warn("I/O queue refused name=\"%s\" qid=%u reason=\"%s\"", ctrl->name,
				 ctrl->step_index + 1, nvmh_strerror());
			ctrl->nr_ioq = (uint16_t)ctrl->step_index;
			break;
		}
		if (ret)
			return ret;
		ctrl->step_index++;
		ctrl->step_start_ns = clock_now_ns(); /* each has the step's time */
		set_deadline(ctrl);
	}
	if (!ctrl->nr_ioq && ctrl->opts.nr_io_queues && has_io(ctrl, &ctrl->id))
		log_warn("no I/O queue came up, administration only name=\"%s\"", ctrl->name);
	return 0;
}

/* ---- events and keep alive ---- */

int nvmh_step_async_events(struct nvmh_ctrl *ctrl)
{
	uint32_t wanted = ctrl->opts.on_event ? AER_ALL : AER_NOTICES;
	uint32_t config = le32toh(ctrl->id.oaes) & wanted;
	int ret;

	/* one that has no health to warn about refuses them together with the rest */
	if (has_io(ctrl, &ctrl->id))
		config |= AER_SMART_MASK;
	ret = set_feature(ctrl, NVME_FEAT_FID_ASYNC_EVENT, config);
	if (ret)
		return ret;
	if (ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Set Features Asynchronous Event Configuration");
		log_debug("no choice of events name=\"%s\" reason=\"%s\"", ctrl->name,
			  nvmh_strerror());
	}
	nvmh_aen_post(ctrl);
	return 0;
}

static bool by_traffic(const struct nvmh_ctrl *ctrl)
{
	return le32toh(ctrl->id.ctratt) & NVME_CTRL_CTRATT_TBKAS;
}

/*
 * How often. Where any command restarts the controller's timer (CTRATT.TBKAS), a period with traffic
 * needs no Keep Alive. The command may have been at its very begin, and the next chance is one
 * period later: two of them must be well below the timeout.
 */
static uint64_t keep_alive_ns(const struct nvmh_ctrl *ctrl)
{
	uint64_t ns = ctrl->opts.kato_ms * NS_PER_MS / (by_traffic(ctrl) ? 4 : 2);

	return max_of(ns, NS_PER_MS);
}

int nvmh_step_keep_alive(struct nvmh_ctrl *ctrl)
{
	if (ctrl->opts.kato_ms)
		ctrl->keep_alive.next_ns = clock_now_ns() + keep_alive_ns(ctrl);
	return 0;
}

static void keep_alive_done(struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = req->arg;

	ctrl->keep_alive.busy = false;
	if (!req->status)
		ctrl->heard_ns = clock_now_ns();
	if (req->status && (req->status & ST_MASK) != ST_HOST_ABORTED)
		nvmh_ctrl_lost(ctrl, "Keep Alive failed with status %03Xh, %s",
			       req->status & ST_MASK, status_str(req->status));
}

/* Whether @q had traffic since the last look. */
static bool had_traffic(struct nvmh_queue *q)
{
	uint32_t epoch = atomic_load_explicit(&q->epoch, memory_order_relaxed);
	uint32_t traffic = atomic_load_explicit(&q->traffic, memory_order_relaxed);

	/* what is noted for the old one from here on is lost: a Keep Alive more */
	atomic_store_explicit(&q->epoch, epoch + 1, memory_order_relaxed);
	return traffic == epoch;
}

static bool any_traffic(struct nvmh_ctrl *ctrl)
{
	bool any = had_traffic(&ctrl->adminq);
	uint16_t i;

	for (i = 0; i < ctrl->nr_ioq; i++)
		any |= had_traffic(&ctrl->ioq[i]);
	return any;
}

void nvmh_keep_alive_run(struct nvmh_ctrl *ctrl, uint64_t now_ns)
{
	struct nvmh_keep_alive *ka = &ctrl->keep_alive;

	if (!ka->next_ns || now_ns < ka->next_ns)
		return;
	ka->next_ns = now_ns + keep_alive_ns(ctrl);
	if (by_traffic(ctrl) && any_traffic(ctrl))
		return;
	if (ka->busy)
		return; /* its deadline will tell */
	memset(&ka->req, 0, sizeof(ka->req));
	ka->req.sqe.opcode = nvme_admin_keep_alive;
	ka->req.timeout_ms = min_of(max_of(ctrl->opts.kato_ms, 1000u), 600000u);
	ka->req.done = keep_alive_done;
	ka->req.arg = ctrl;
	if (nvmh_queue_send(&ctrl->adminq, &ka->req))
		return; /* full of commands whose answers show the same */
	ka->busy = true;
	ctrl->ops->queue_commit(&ctrl->adminq);
}
