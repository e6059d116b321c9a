// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asynchronous events: requests held for the host, and what they are answered with. An event may
 * happen on any thread; it travels as a bit of ctrl->event_bits and one message to the admin
 * queue's core, where all the rest runs.
 *
 * An event that was told is masked until the host has read the log page it names, so one of each
 * kind is under way at most.
 * Entry points: nvmet_aer_execute() and the rest of target/admin.h's part; nvmet_ctrl_event(),
 * nvmet_ctrl_ns_changed(), nvmet_aer_cleared().
 * NVM Express Base Specification 2.x, "Asynchronous Event Request command", "Changed Attached
 * Namespace List".
 */
#include "target/admin.h"

struct event_kind {
	uint32_t event;
	uint32_t config; /* bits of feature 0Bh, one of which lets it through; 0: always on */
	uint8_t type;
	uint8_t info;
	uint8_t lid;
};

static const struct event_kind event_kinds[] = {
	{ NVMET_EV_ERROR, 0, NVME_AER_ERROR, NVME_AER_ERROR_TRANSIENT_INTERNAL_ERROR,
	  NVME_LOG_LID_ERROR },
	{ NVMET_EV_SMART, NVME_FEATURE_AENCFG_SMART_CRIT_TEMPERATURE, NVME_AER_SMART,
	  NVME_AER_SMART_TEMPERATURE_THRESHOLD, NVME_LOG_LID_SMART },
	{ NVMET_EV_NS_CHANGED, NVME_FEATURE_AENCFG_NOTICE_NAMESPACE_ATTRIBUTES, NVME_AER_NOTICE,
	  NVME_AER_NOTICE_NS_CHANGED, NVME_LOG_LID_CHANGED_NS },
	{ NVMET_EV_DISC_CHANGED, (uint32_t)NVME_FEATURE_AENCFG_NOTICE_DISCOVERY_CHANGE,
	  NVME_AER_NOTICE, NVME_AER_NOTICE_DISC_CHANGED, NVME_LOG_LID_DISCOVER },
};

/* Takes the @i-th held request out of line. */
static struct nvmet_req *aer_take(struct nvmet_ctrl *ctrl, int i)
{
	struct nvmet_req *req = ctrl->aer[i];

	ctrl->nr_aer--;
	memmove(&ctrl->aer[i], &ctrl->aer[i + 1],
		(size_t)(ctrl->nr_aer - i) * sizeof(ctrl->aer[0]));
	return req;
}

static void aer_tell(struct nvmet_ctrl *ctrl)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(event_kinds) && ctrl->nr_aer; i++) {
		const struct event_kind *kind = &event_kinds[i];
		struct nvmet_req *req;

		if (!(ctrl->aen_pending & ~ctrl->aen_masked & kind->event))
			continue;
		ctrl->aen_pending &= ~kind->event;
		ctrl->aen_masked |= kind->event;
		req = aer_take(ctrl, 0);
		req->result = kind->type | (uint32_t)kind->info << 8 | (uint32_t)kind->lid << 16;
		nvmet_req_complete(req, 0);
	}
}

static void aer_raise(struct nvmet_ctrl *ctrl, uint32_t events)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(event_kinds); i++)
		if (!event_kinds[i].config || ctrl->aen_config & event_kinds[i].config)
			ctrl->aen_pending |= events & event_kinds[i].event;
	aer_tell(ctrl);
}

void nvmet_aer_execute(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;

	if (ctrl->nr_aer == MAX_AER) {
		nvmet_req_complete(req, ST_AER_LIMIT | ST_DNR);
		return;
	}
	ctrl->aer[ctrl->nr_aer++] = req;
	aer_tell(ctrl);
}

bool nvmet_aer_abort(struct nvmet_ctrl *ctrl, uint16_t cid)
{
	for (int i = 0; i < ctrl->nr_aer; i++)
		if (le16toh(ctrl->aer[i]->sqe.cid) == cid) {
			nvmet_req_complete(aer_take(ctrl, i), ST_ABORT_REQ);
			return true;
		}
	return false;
}

void nvmet_aer_flush(struct nvmet_ctrl *ctrl, uint16_t status)
{
	ctrl->aen_pending = 0;
	ctrl->aen_masked = 0;
	while (ctrl->nr_aer)
		nvmet_req_complete(aer_take(ctrl, 0), status);
}

void nvmet_aer_cleared(struct nvmet_ctrl *ctrl, uint32_t events)
{
	ctrl->aen_masked &= ~events;
	aer_tell(ctrl);
}

/* ---- from any thread ---- */

void nvmet_aer_event_msg(struct loop_msg *msg)
{
	struct nvmet_ctrl *ctrl = container_of(msg, struct nvmet_ctrl, event_msg);

	/* First: what is added from here on sends the message again. */
	atomic_store(&ctrl->event_sent, false);
	aer_raise(ctrl, atomic_exchange(&ctrl->event_bits, 0));
	nvmet_ctrl_put(ctrl);
}

void nvmet_ctrl_event(struct nvmet_ctrl *ctrl, uint32_t events)
{
	if (atomic_load(&ctrl->dead))
		return;
	atomic_fetch_or(&ctrl->event_bits, events);
	if (atomic_exchange(&ctrl->event_sent, true))
		return;
	/*
	 * The caller keeps the controller alive (by its queue, or by the lock and a live admin
	 * queue); the message does so on its way.
	 */
	atomic_fetch_add(&ctrl->refs, 1);
	loop_send(ctrl->core->loop, &ctrl->event_msg);
}

void nvmet_ctrl_ns_changed(struct nvmet_ctrl *ctrl, uint32_t nsid)
{
	bool known = false;

	pthread_mutex_lock(&ctrl->error_lock);
	for (uint32_t i = 0; i < ctrl->nr_changed_ns && !known; i++)
		known = ctrl->changed_ns[i] == nsid || ctrl->changed_ns[i] == NVME_NSID_BROADCAST;
	if (!known && ctrl->nr_changed_ns == ARRAY_SIZE(ctrl->changed_ns)) {
		ctrl->changed_ns[0] = NVME_NSID_BROADCAST;
		ctrl->nr_changed_ns = 1;
	} else if (!known) {
		ctrl->changed_ns[ctrl->nr_changed_ns++] = nsid;
	}
	pthread_mutex_unlock(&ctrl->error_lock);
	nvmet_ctrl_event(ctrl, NVMET_EV_NS_CHANGED);
}
