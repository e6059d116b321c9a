/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the admin command set share: admin.c has the command tables, the other files
 * one command or one idea each.
 * Context: the admin queue's core, unless said otherwise. A prepare function checks and sets
 * req->dir and req->data_len, an execute function fills req->buf, all of its data_len bytes, and
 * completes the request.
 */
#ifndef TARGET_ADMIN_H
#define TARGET_ADMIN_H

#include "target/subsys.h"

enum {
	NVMET_KAS = 10, /* granularity of keep alive, in 100 ms */
	/*
	 * There is no sensor below a controller made of software. The composite temperature is one
	 * that needs no attention, so that thresholds and their events work as hosts expect.
	 */
	NVMET_TEMP_K = 303,
	NVMET_WCTEMP_K = 343,
	NVMET_CCTEMP_K = 353,
};

/* Byte offsets of fields within a submission queue entry, for the error log. */
enum {
	NVMET_LOC_NSID = offsetof(struct nvme_sqe, nsid),
	NVMET_LOC_CDW10 = offsetof(struct nvme_sqe, cdw10),
	NVMET_LOC_CDW11 = offsetof(struct nvme_sqe, cdw11),
	NVMET_LOC_CDW12 = offsetof(struct nvme_sqe, cdw12),
	NVMET_LOC_CDW14 = offsetof(struct nvme_sqe, cdw14),
};

/* nvmet_req_bad_nsid() - Invalid Namespace or Format with DNR */
static inline uint16_t nvmet_req_bad_nsid(struct nvmet_req *req)
{
	req->error_loc = NVMET_LOC_NSID;
	return ST_INVALID_NS | ST_DNR;
}

/* Entries of the queues of controllers reached through @port: CAP.MQES + 1. */
static inline uint16_t nvmet_port_queue_entries(const struct nvmet_port *port)
{
	return port->cfg->max_queue_depth;
}

/* Admin queues may be longer than what MQES says of I/O queues. */
static inline uint16_t nvmet_port_admin_entries(const struct nvmet_port *port)
{
	return max_of((uint16_t)ADMIN_QUEUE_ENTRIES, nvmet_port_queue_entries(port));
}

/* ---- identify.c ---- */
uint16_t nvmet_identify_prepare(struct nvmet_req *req);
void nvmet_identify_execute(struct nvmet_req *req);
/*
 * nvmet_ctrl_oaes() - asynchronous events that the controller knows: OAES, and what feature 0Bh may
 * enable besides SMART
 */
uint32_t nvmet_ctrl_oaes(const struct nvmet_ctrl *ctrl);
bool nvmet_subsys_has_vwc(const struct nvmet_subsys *subsys);

/* ---- features.c ---- */
uint16_t nvmet_get_features_prepare(struct nvmet_req *req);
void nvmet_get_features_execute(struct nvmet_req *req);
uint16_t nvmet_set_features_prepare(struct nvmet_req *req);
void nvmet_set_features_execute(struct nvmet_req *req);
/*
 * nvmet_features_reset() - every feature to its default; the lock is held, or nobody else knows
 * @ctrl yet
 */
void nvmet_features_reset(struct nvmet_ctrl *ctrl);
/*
 * nvmet_features_effects() - entry @fid of the log of features supported and their effects; 0: not
 * supported
 */
uint32_t nvmet_features_effects(const struct nvmet_ctrl *ctrl, uint8_t fid);
/* nvmet_smart_warning() - CRITICAL WARNING of the SMART log */
uint8_t nvmet_smart_warning(const struct nvmet_ctrl *ctrl);

/* ---- logpage.c ---- */
uint16_t nvmet_get_log_prepare(struct nvmet_req *req);
void nvmet_get_log_execute(struct nvmet_req *req);

/*
 * The part of a log page that a command asked for. What is put into the page shows in it as far as
 * it overlaps.
 */
struct nvmet_log_window {
	uint8_t *buf;
	uint64_t off; /* within the page */
	uint32_t len;
};
void nvmet_log_put(struct nvmet_log_window *win, uint64_t at, const void *data, size_t len);
/* nvmet_log_wants() - whether bytes [at, at + len) of the page show at all */
static inline bool nvmet_log_wants(const struct nvmet_log_window *win, uint64_t at, size_t len)
{
	return at < win->off + win->len && at + len > win->off;
}

/* ---- discovery.c ---- */
uint64_t nvmet_discovery_log_bytes(const struct nvmet_req *req);
void nvmet_discovery_log_fill(const struct nvmet_req *req, struct nvmet_log_window *win);

/* ---- aer.c ---- */
void nvmet_aer_execute(struct nvmet_req *req);
/* nvmet_aer_abort() - ends the held request with command id @cid. Return: whether there was one. */
bool nvmet_aer_abort(struct nvmet_ctrl *ctrl, uint16_t cid);
/*
 * nvmet_aer_flush() - ends all held requests with @status and forgets what is pending; without the
 * lock
 */
void nvmet_aer_flush(struct nvmet_ctrl *ctrl, uint16_t status);
void nvmet_aer_event_msg(struct loop_msg *msg); /* event_msg.fn of a controller */

#endif /* TARGET_ADMIN_H */
