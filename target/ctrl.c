// SPDX-License-Identifier: BSD-2-Clause
/*
 * Controllers: their life, their registers, keep alive, and the error log.
 *
 * A controller is made by the Connect of an admin queue and belongs to that queue's core; each of
 * its I/O queues may run on another one. Every queue holds a reference, so the controller outlives
 * them all. It stays on the subsystem's list, and its CNTLID taken, until the last queue is gone,
 * that is, until no command of the old association is at a backend any more.
 *
 * Who runs what: see the header. The lock guards the queues, and everything that depends on which
 * queues there are.
 * NVM Express Base Specification 2.x, "Controller Initialization", "Controller Shutdown",
 * "Controller Level Reset", "Keep Alive", "Error Information".
 */
#include <stdlib.h>

#include "common/log.h"
#include "target/admin.h"

enum {
	CAP_TO = 30,	  /* 500 ms units: as long may a reset wait for the backends */
	CAP_CQR_BIT = 16, /* queues are contiguous */
	CNTLIDS = 0x10000,
	KA_UNIT_MS = NVMET_KAS * 100,
	/*
	 * Without a keep alive timeout: a discovery controller that nobody asks, or a controller
	 * that nobody enables, goes after this time.
	 */
	IDLE_MS = 120000,
	SHN_NONE = NVME_CC_SHN_NONE,
};

static_assert(CONFIG_MAX_CNTLID < CNTLIDS, "CNTLIDs fit the map");

/* ---- registers ---- */

static uint64_t ctrl_cap(const struct nvmet_subsys *subsys, const struct nvmet_port *port)
{
	uint64_t cap = (uint64_t)(nvmet_port_queue_entries(port) - 1) << NVME_CAP_MQES_SHIFT;

	cap |= BIT64(CAP_CQR_BIT);
	cap |= (uint64_t)CAP_TO << NVME_CAP_TO_SHIFT;
	cap |= (uint64_t)NVME_CAP_CSS_NVM << NVME_CAP_CSS_SHIFT;
	if (!subsys->is_discovery)
		cap |= (uint64_t)NVME_CAP_CSS_CSI << NVME_CAP_CSS_SHIFT;
	cap |= (uint64_t)NVME_CAP_CRWMS << NVME_CAP_CRMS_SHIFT;
	return cap;
}

/*
 * CSTS follows from CC and from whether I/O queues are left: neither a reset nor a shutdown is over
 * while one is. The lock is held.
 */
static void ctrl_update_csts(struct nvmet_ctrl *ctrl)
{
	uint32_t cc = atomic_load(&ctrl->cc);
	uint32_t csts = 0;

	if (NVME_CC_EN(cc) || ctrl->nr_io_queues)
		csts |= 1u << NVME_CSTS_RDY_SHIFT;
	if (NVME_CC_SHN(cc) != SHN_NONE)
		csts |= (ctrl->nr_io_queues ? NVME_CSTS_SHST_OCCUR : NVME_CSTS_SHST_CMPLT)
			<< NVME_CSTS_SHST_SHIFT;
	atomic_store(&ctrl->csts, csts);
}

/* The lock is held. */
static void ctrl_close_io_queues(struct nvmet_ctrl *ctrl, const char *why)
{
	for (unsigned int i = 1; i < ARRAY_SIZE(ctrl->sqs); i++)
		if (ctrl->sqs[i])
			ctrl->sqs[i]->ops->close(ctrl->sqs[i], why);
}

static bool cc_can_enable(const struct nvmet_ctrl *ctrl, uint32_t cc)
{
	uint32_t css = NVME_CC_CSS(cc);

	if (NVME_CC_MPS(cc) || NVME_CC_AMS(cc) != NVME_CC_AMS_RR || NVME_CC_CRIME(cc))
		return false;
	if (css != NVME_CC_CSS_NVM &&
	    !(css == NVME_CC_CSS_CSI && NVME_CAP_CSS(ctrl->cap) & NVME_CAP_CSS_CSI))
		return false;
	/* Hosts leave the entry sizes at 0 where there are no I/O queues. */
	return ctrl->subsys->is_discovery || (NVME_CC_IOSQES(cc) == 6 && NVME_CC_IOCQES(cc) == 4);
}

uint16_t nvmet_ctrl_set_cc(struct nvmet_ctrl *ctrl, uint32_t cc)
{
	uint32_t old = atomic_load(&ctrl->cc);
	bool enable = NVME_CC_EN(cc) && !NVME_CC_EN(old);
	bool reset = !NVME_CC_EN(cc) && NVME_CC_EN(old);
	bool shutdown = NVME_CC_SHN(cc) != SHN_NONE && NVME_CC_SHN(old) == SHN_NONE;

	if (enable && !cc_can_enable(ctrl, cc))
		return ST_INVALID_FIELD | ST_DNR;
	nvmet_lock();
	if (enable && ctrl->nr_io_queues) {
		/* The host did not wait for RDY to become 0. */
		nvmet_unlock();
		return ST_CMD_SEQ_ERROR;
	}
	atomic_store(&ctrl->cc, cc);
	ctrl_update_csts(ctrl);
	if (reset || shutdown)
		ctrl_close_io_queues(ctrl, reset ? "controller reset by the host"
						 : "controller shut down by the host");
	if (reset)
		nvmet_features_reset(ctrl);
	nvmet_unlock();
	if (reset)
		nvmet_aer_flush(ctrl, ST_ABORT_QUEUE);
	if (enable || reset)
		nvmet_ctrl_set_kato(ctrl, ctrl->kato_ms);
	return 0;
}

/* ---- the end of an association ---- */

/* The lock is held. */
static void ctrl_close_all(struct nvmet_ctrl *ctrl, const char *why)
{
	atomic_store(&ctrl->dead, true);
	ctrl_close_io_queues(ctrl, why);
	if (ctrl->sqs[0])
		ctrl->sqs[0]->ops->close(ctrl->sqs[0], why);
}

void nvmet_ctrl_kill(struct nvmet_ctrl *ctrl, const char *why)
{
	nvmet_lock();
	ctrl_close_all(ctrl, why);
	nvmet_unlock();
}

/* ---- keep alive: by traffic; any command of any queue counts ---- */

static uint32_t ka_period_ms(const struct nvmet_ctrl *ctrl)
{
	if (ctrl->kato_ms)
		return ctrl->kato_ms;
	return ctrl->subsys->is_discovery || !NVME_CC_EN(atomic_load(&ctrl->cc)) ? IDLE_MS : 0;
}

static void ka_restart(struct nvmet_ctrl *ctrl)
{
	uint32_t period_ms = ka_period_ms(ctrl);

	if (period_ms)
		loop_timer_start(&ctrl->ka_timer, period_ms);
	else
		loop_timer_stop(&ctrl->ka_timer);
}

static void ka_expired(struct loop_timer *t)
{
	struct nvmet_ctrl *ctrl = container_of(t, struct nvmet_ctrl, ka_timer);
	char quoted[64];
	bool seen = false;

	nvmet_lock();
	for (unsigned int i = 0; i < ARRAY_SIZE(ctrl->sqs); i++)
		if (ctrl->sqs[i] && atomic_exchange(&ctrl->sqs[i]->seen, false))
			seen = true;
	if (!seen) {
		log_peer(
			LOG_LVL_WARN,
			"host fell silent, ending its association subsystem=%s cntlid=%u host=%s timeout_ms=%u",
			ctrl->subsys->nqn, ctrl->cntlid,
			log_quote(quoted, sizeof(quoted), ctrl->hostnqn, sizeof(ctrl->hostnqn)),
			ka_period_ms(ctrl));
		ctrl_close_all(ctrl, "keep alive timer expired");
	}
	nvmet_unlock();
	if (seen)
		ka_restart(ctrl);
}

void nvmet_ctrl_set_kato(struct nvmet_ctrl *ctrl, uint32_t kato_ms)
{
	uint64_t rounded = div_up((uint64_t)kato_ms, KA_UNIT_MS) * KA_UNIT_MS;

	ctrl->kato_ms = (uint32_t)min_of(rounded, (uint64_t)UINT32_MAX / KA_UNIT_MS * KA_UNIT_MS);
	ka_restart(ctrl);
}

/* ---- life ---- */

static void ctrl_free(struct nvmet_ctrl *ctrl)
{
	if (!ctrl)
		return;
	loop_timer_done(&ctrl->ka_timer);
	pthread_mutex_destroy(&ctrl->error_lock);
	free(ctrl);
}

/*
 * The next CNTLID after the last one given, so that one comes back as late as possible. 0: none is
 * free.
 */
static uint16_t cntlid_alloc(struct nvmet_subsys *subsys)
{
	uint32_t range = (uint32_t)subsys->cntlid_max - subsys->cntlid_min + 1;
	uint8_t used[CNTLIDS / 8] = { 0 };
	uint32_t id = subsys->cntlid_next;
	struct list *pos;

	list_for_each(pos, &subsys->ctrls) {
		uint16_t taken = list_entry(pos, struct nvmet_ctrl, link)->cntlid;

		used[taken / 8] |= (uint8_t)BIT(taken % 8);
	}
	for (uint32_t i = 0; i < range; i++) {
		uint32_t next = id == subsys->cntlid_max ? subsys->cntlid_min : id + 1;

		if (!(used[id / 8] & BIT(id % 8))) {
			subsys->cntlid_next = (uint16_t)next;
			return (uint16_t)id;
		}
		id = next;
	}
	return 0;
}

/* The longest transfer that every namespace takes; MDTS cannot say less than two pages of 4 KiB. */
static uint32_t ctrl_max_xfer(const struct nvmet_subsys *subsys)
{
	uint32_t max = nvmet.cfg ? nvmet.cfg->daemon.max_io_bytes : MAX_XFER_BYTES;

	for (uint32_t nsid = 1; nsid <= subsys->max_nsid; nsid++)
		if (subsys->all[nsid]) /* also one whose drive is yet to come */
			max = min_of(max, subsys->all[nsid]->max_xfer);
	return pow2_floor(max_of(max, 8192u));
}

/*
 * Whether commands of an earlier association of the host are still at the backends: they could
 * overtake what the new one writes. The lock is held.
 */
static bool host_still_leaving(const struct nvmet_subsys *subsys, const char *hostnqn,
			       const uint8_t hostid[16])
{
	struct list *pos;

	list_for_each(pos, &subsys->ctrls) {
		struct nvmet_ctrl *ctrl = list_entry(pos, struct nvmet_ctrl, link);

		if (atomic_load(&ctrl->dead) && ctrl->nr_io_queues &&
		    !memcmp(ctrl->hostid, hostid, sizeof(ctrl->hostid)) &&
		    !strcmp(ctrl->hostnqn, hostnqn))
			return true;
	}
	return false;
}

uint16_t nvmet_ctrl_create(struct nvmet_subsys *subsys, struct nvmet_sq *sq, const char *hostnqn,
			   const uint8_t hostid[16], uint32_t kato_ms, struct nvmet_ctrl **ctrlp)
{
	struct nvmet_ctrl *ctrl;

	/* None of these is for ever: the host may try again. */
	if (subsys->nr_ctrls >= MAX_CTRLS || host_still_leaving(subsys, hostnqn, hostid))
		return ST_CONNECT_BUSY;
	ctrl = calloc(1, sizeof(*ctrl));
	if (!ctrl)
		return ST_CONNECT_BUSY;
	list_init(&ctrl->link);
	pthread_mutex_init(&ctrl->error_lock, NULL);
	ctrl->subsys = subsys;
	ctrl->port = sq->port;
	ctrl->core = sq->core;
	ctrl->cntlid = cntlid_alloc(subsys);
	if (!ctrl->cntlid)
		goto fail;
	if (loop_timer_init(sq->core->loop, &ctrl->ka_timer, ka_expired))
		goto fail;
	memcpy(ctrl->hostnqn, hostnqn, strnlen(hostnqn, sizeof(ctrl->hostnqn) - 1));
	memcpy(ctrl->hostid, hostid, sizeof(ctrl->hostid));
	ctrl->cap = ctrl_cap(subsys, sq->port);
	ctrl->vs = 2 << NVME_VS_MJR_SHIFT;
	ctrl->max_xfer = ctrl_max_xfer(subsys);
	ctrl->event_msg.fn = nvmet_aer_event_msg;
	nvmet_features_reset(ctrl);
	atomic_store(&ctrl->refs, 1);
	ctrl->sqs[0] = sq;
	list_add_tail(&subsys->ctrls, &ctrl->link);
	subsys->nr_ctrls++;
	sq->ctrl = ctrl;
	sq->qid = 0;
	nvmet_ctrl_set_kato(ctrl, kato_ms);
	*ctrlp = ctrl;
	return 0;
fail:
	ctrl_free(ctrl);
	return ST_CONNECT_BUSY;
}

struct nvmet_ctrl *nvmet_ctrl_find(struct nvmet_subsys *subsys, uint16_t cntlid)
{
	struct list *pos;

	list_for_each(pos, &subsys->ctrls) {
		struct nvmet_ctrl *ctrl = list_entry(pos, struct nvmet_ctrl, link);

		if (ctrl->cntlid == cntlid)
			return atomic_load(&ctrl->dead) ? NULL : ctrl;
	}
	return NULL;
}

uint16_t nvmet_ctrl_add_queue(struct nvmet_ctrl *ctrl, struct nvmet_sq *sq, uint16_t qid)
{
	uint32_t cc = atomic_load(&ctrl->cc);

	assert(qid >= 1 && qid < ARRAY_SIZE(ctrl->sqs));
	if (!NVME_CC_EN(cc) || NVME_CC_SHN(cc) != SHN_NONE)
		return ST_CMD_SEQ_ERROR;
	/* In use, or its old connection still going down: then later. */
	if (ctrl->sqs[qid])
		return ST_CMD_SEQ_ERROR;
	atomic_fetch_add(&ctrl->refs, 1);
	ctrl->sqs[qid] = sq;
	ctrl->nr_io_queues++;
	sq->ctrl = ctrl;
	sq->qid = qid;
	return 0;
}

void nvmet_ctrl_put(struct nvmet_ctrl *ctrl)
{
	if (atomic_fetch_sub(&ctrl->refs, 1) != 1)
		return;
	nvmet_lock();
	list_del(&ctrl->link);
	ctrl->subsys->nr_ctrls--;
	nvmet_unlock();
	log_debug("controller gone subsystem=%s cntlid=%u", ctrl->subsys->nqn, ctrl->cntlid);
	ctrl_free(ctrl);
}

void nvmet_sq_quiesce(struct nvmet_sq *sq)
{
	if (sq->ctrl && !sq->qid)
		nvmet_aer_flush(sq->ctrl, ST_ABORT_QUEUE);
}

void nvmet_sq_detach(struct nvmet_sq *sq)
{
	struct nvmet_ctrl *ctrl = sq->ctrl;

	if (!ctrl)
		return;
	nvmet_lock();
	ctrl->sqs[sq->qid] = NULL;
	nvmet_place_settle(sq, NULL);
	if (sq->qid) {
		ctrl->nr_io_queues--;
		ctrl_update_csts(ctrl);
	} else {
		ctrl_close_all(ctrl, "admin queue is gone");
		loop_timer_done(&ctrl->ka_timer);
		log_peer(ctrl->subsys->is_discovery ? LOG_LVL_DEBUG : LOG_LVL_NOTICE,
			 "host gone peer=%s subsystem=%s cntlid=%u", sq->peer, ctrl->subsys->nqn,
			 ctrl->cntlid);
	}
	nvmet_unlock();
	sq->ctrl = NULL;
	nvmet_ctrl_put(ctrl);
}

/* ---- error log ---- */

void nvmet_ctrl_log_error(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	struct nvmet_error_entry *entry;

	if (!ctrl)
		return;
	pthread_mutex_lock(&ctrl->error_lock);
	entry = &ctrl->errors[ctrl->nr_errors % MAX_LOG_ERRORS];
	*entry = (struct nvmet_error_entry){
		.count = ++ctrl->nr_errors,
		.sqid = req->sq->qid,
		.cid = le16toh(req->sqe.cid),
		.status = req->status,
		.loc = req->error_loc,
		.lba = req->ns ? req->slba : 0,
		.nsid = req->sqe.opcode == NVME_FABRICS_OPCODE ? 0 : nvmet_nsid(req),
	};
	pthread_mutex_unlock(&ctrl->error_lock);
}
