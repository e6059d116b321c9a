// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asynchronous events of a controller: one Asynchronous Event Request is always posted; an event is
 * logged, the log page that clears it is read, on_event is told, and the next request is posted. A
 * persistent internal error leads to a reset. The controller's thread. Entry points:
 * nvmh_aen_post(), nvmh_aen_run(). NVM Express Base Specification 2.x, "Asynchronous Event Request
 * command", "Get Log Page command".
 */
#include <errno.h>

#include "common/log.h"
#include "host/discovery.h"

enum {
	LOG_BYTES = 4096, /* step_buf */
	SMART_BYTES = 512,
	ERROR_BYTES = 64, /* the newest entry */
	DISC_BYTES =
		sizeof(struct nvmf_discovery_log), /* the header; there may be nothing behind */
	FIRST_VENDOR_LID = 0xc0,
};

static uint8_t event_type(uint32_t event)
{
	return event & 7;
}

static uint8_t event_info(uint32_t event)
{
	return event >> 8 & 0xff;
}

static uint8_t event_lid(uint32_t event)
{
	return event >> 16 & 0xff;
}

static void aer_done(struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = req->arg;

	if (req->status) {
		if ((req->status & ST_MASK) != ST_HOST_ABORTED)
			log_warn("no asynchronous events name=\"%s\" status=%03X reason=\"%s\"",
				 ctrl->name, req->status & ST_MASK, status_str(req->status));
		return;
	}
	ctrl->aen.event = le32_get(req->cqe.dw0);
	ctrl->aen.pending = true;
}

void nvmh_aen_post(struct nvmh_ctrl *ctrl)
{
	struct nvmh_req *req = &ctrl->aen.req;
	int ret;

	memset(req, 0, sizeof(*req));
	req->sqe.opcode = nvme_admin_async_event;
	req->timeout_ms = NVMH_NO_TIMEOUT;
	req->done = aer_done;
	req->arg = ctrl;
	ret = nvmh_queue_send(&ctrl->adminq, req);
	ctrl->aen.unposted = ret == -EAGAIN; /* full: once it is not */
	if (!ret)
		ctrl->ops->queue_commit(&ctrl->adminq);
}

static void show_changed_namespaces(struct nvmh_ctrl *ctrl, const uint8_t *page)
{
	uint32_t nsid;
	uint32_t i;

	for (i = 0; i < LOG_BYTES / sizeof(nsid); i++) {
		memcpy(&nsid, page + i * sizeof(nsid), sizeof(nsid));
		nsid = le32toh(nsid);
		if (!nsid)
			break;
		log_peer(LOG_LVL_NOTICE, "namespace attributes changed name=\"%s\" nsid=%u",
			 ctrl->name, nsid);
	}
}

static void show_log(struct nvmh_ctrl *ctrl, uint8_t lid, const uint8_t *page)
{
	if (lid == NVME_LOG_LID_CHANGED_NS)
		show_changed_namespaces(ctrl, page);
	else if (lid == NVME_LOG_LID_SMART)
		log_peer(LOG_LVL_WARN, "drive health warning name=\"%s\" critical_warning=%02X",
			 ctrl->name, page[0]);
}

/* The event is dealt with: whoever uses the controller is told, and the next one may come. */
static void event_over(struct nvmh_ctrl *ctrl)
{
	if (ctrl->opts.on_event && !ctrl->closing)
		ctrl->opts.on_event(ctrl, ctrl->aen.event, ctrl->opts.arg);
	nvmh_aen_post(ctrl);
}

static void log_done(struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = req->arg;

	ctrl->aen.reading = false;
	if ((req->status & ST_MASK) == ST_HOST_ABORTED)
		return; /* a reset; the bring-up posts the next request */
	if (req->status)
		log_peer(LOG_LVL_WARN,
			 "log page of an event not read name=\"%s\" lid=%02X status=%03X",
			 ctrl->name, event_lid(ctrl->aen.event), req->status & ST_MASK);
	else
		show_log(ctrl, event_lid(ctrl->aen.event), ctrl->step_buf);
	event_over(ctrl);
}

/* Reading the page with RAE 0 clears the event. Return: 0, or -errno when the page cannot be read
 * now. */
static int read_log(struct nvmh_ctrl *ctrl, uint8_t lid)
{
	uint32_t len = lid == NVME_LOG_LID_SMART      ? SMART_BYTES
		       : lid == NVME_LOG_LID_ERROR    ? ERROR_BYTES
		       : lid == NVME_LOG_LID_DISCOVER ? DISC_BYTES
						      : LOG_BYTES;
	struct nvmh_req *req = &ctrl->aen.log_req;
	int ret;

	memset(req, 0, sizeof(*req));
	ctrl->aen.log_iov = (struct iovec){ .iov_base = ctrl->step_buf, .iov_len = len };
	nvmh_prep_get_log(req, NVME_NSID_BROADCAST, lid, 0, false, 0, &ctrl->aen.log_iov, 1, len);
	req->done = log_done;
	req->arg = ctrl;
	ret = nvmh_queue_send(&ctrl->adminq, req);
	if (ret)
		return ret;
	ctrl->aen.reading = true;
	ctrl->ops->queue_commit(&ctrl->adminq);
	return 0;
}

/* The discovery log is read by whoever wants to know what is in it. */
static bool readable(const struct nvmh_ctrl *ctrl, uint8_t lid)
{
	if (lid == NVME_LOG_LID_DISCOVER && ctrl->discovery)
		return false;
	return lid && lid < FIRST_VENDOR_LID && lid != NVME_LOG_LID_TELEMETRY_HOST &&
	       lid != NVME_LOG_LID_TELEMETRY_CTRL && lid != NVME_LOG_LID_PERSISTENT_EVENT;
}

static bool is_persistent_error(uint32_t event)
{
	return event_type(event) == NVME_AER_ERROR &&
	       event_info(event) == NVME_AER_ERROR_PERSISTENT_INTERNAL_ERROR;
}

int nvmh_aen_run(struct nvmh_ctrl *ctrl)
{
	uint32_t event = ctrl->aen.event;
	bool fatal = is_persistent_error(event); /* cured by a reset, if by anything */

	if (ctrl->aen.unposted)
		nvmh_aen_post(ctrl);
	if (!ctrl->aen.pending || ctrl->aen.reading || ctrl->rescan.busy)
		return 0; /* step_buf is in use */
	if (!fatal && readable(ctrl, event_lid(event)) &&
	    read_log(ctrl, event_lid(event)) == -EAGAIN)
		return 0; /* the admin queue is full: once it is not */
	ctrl->aen.pending = false;
	if (event_type(event) == NVME_AER_NOTICE && event_info(event) == NVME_AER_NOTICE_NS_CHANGED)
		ctrl->rescan.want =
			true; /* after the log page: what changes later is a new event */
	if (event_type(event) == NVME_AER_NOTICE && ctrl->on_notice)
		ctrl->on_notice(ctrl, event_info(event));
	log_peer(LOG_LVL_INFO, "asynchronous event name=\"%s\" type=%u info=%02X lid=%02X",
		 ctrl->name, event_type(event), event_info(event), event_lid(event));
	if (!ctrl->aen.reading)
		event_over(ctrl);
	if (fatal)
		nvmh_ctrl_lost(ctrl, "the controller reports a persistent internal error");
	return 1;
}
