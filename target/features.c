// SPDX-License-Identifier: BSD-2-Clause
/*
 * Get Features and Set Features. Runs on the admin queue's core; the number of queues takes the
 * lock. No feature is kept beyond the association, so none can be saved, and every one starts from
 * its default.
 * Entry points: the prepare and execute functions, nvmet_features_reset(),
 * nvmet_features_effects(), nvmet_smart_warning().
 * NVM Express Base Specification 2.x, "Get Features command", "Set Features command", "Feature
 * Values".
 */
#include "target/admin.h"

enum {
	CDW10_SEL_SHIFT = 8,
	CDW10_SEL_MASK = 0x7,
	SEL_CHANGEABLE = 1 << 2, /* of Supported Capabilities */
	SEL_NS_SPECIFIC = 1 << 1,
	SMART_CRIT_BITS = 0x3f, /* of feature 0Bh */
	TMPSEL_COMPOSITE = 0,
	TMPSEL_ALL = 0xf,
	QUEUES_RESERVED = 0xffff,
	HOST_BEHAVIOR_BYTES = sizeof(struct nvme_feat_host_behavior),
	HOST_ID_BYTES = 16,
	LOC_SAVE = NVMET_LOC_CDW10 + 3,
};

struct feature {
	uint8_t fid;
	bool discovery; /* discovery controllers have it, too */
	bool ns_specific;
	bool fixed;				       /* was set by Connect */
	uint16_t bytes;				       /* of data, beside DW11 */
	bool (*exists)(const struct nvmet_ctrl *ctrl); /* NULL: always */
	/* Checks DW11 of Get Features; NULL: it says nothing. Return: 0 or a status. */
	uint16_t (*check_get)(struct nvmet_req *req, uint32_t dw11);
	/*
	 * The current value, or that of a controller just made. NULL: ctrl->features[fid], which
	 * begins with 0.
	 */
	uint32_t (*get)(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current);
	/* Checks and takes a value. NULL: any, to ctrl->features[fid]. Return: 0 or a status. */
	uint16_t (*set)(struct nvmet_req *req, uint32_t dw11);
};

static uint16_t bad_value(struct nvmet_req *req)
{
	return nvmet_req_bad_field(req, NVMET_LOC_CDW11);
}

/* ---- power management: one state; write atomicity: nothing to relax ---- */

static uint16_t set_power(struct nvmet_req *req, uint32_t dw11)
{
	if (dw11 >> NVME_FEAT_PWRMGMT_PS_SHIFT & NVME_FEAT_PWRMGMT_PS_MASK)
		return bad_value(req);
	req->sq->ctrl->features[NVME_FEAT_FID_POWER_MGMT] =
		dw11 & (uint32_t)NVME_FEAT_PWRMGMT_WH_MASK << NVME_FEAT_PWRMGMT_WH_SHIFT;
	return 0;
}

static uint16_t set_write_atomicity(struct nvmet_req *req, uint32_t dw11)
{
	req->sq->ctrl->features[NVME_FEAT_FID_WRITE_ATOMIC] = dw11 & NVME_FEAT_WA_DN_MASK;
	return 0;
}

/* ---- temperature threshold ---- */

uint8_t nvmet_smart_warning(const struct nvmet_ctrl *ctrl)
{
	bool hot = NVMET_TEMP_K >= ctrl->temp_threshold[NVME_FEATURE_TEMPTHRESH_THSEL_OVER];
	bool cold = NVMET_TEMP_K <= ctrl->temp_threshold[NVME_FEATURE_TEMPTHRESH_THSEL_UNDER];

	return hot || cold ? NVME_SMART_CRIT_TEMPERATURE : 0;
}

static uint32_t temp_thsel(uint32_t dw11)
{
	return dw11 >> NVME_FEAT_TT_THSEL_SHIFT & NVME_FEAT_TT_THSEL_MASK;
}

static uint32_t temp_tmpsel(uint32_t dw11)
{
	return dw11 >> NVME_FEAT_TT_TMPSEL_SHIFT & NVME_FEAT_TT_TMPSEL_MASK;
}

static uint32_t default_threshold(uint32_t thsel)
{
	return thsel == NVME_FEATURE_TEMPTHRESH_THSEL_OVER ? NVMET_WCTEMP_K : 0;
}

static uint16_t check_temp(struct nvmet_req *req, uint32_t dw11)
{
	if (temp_thsel(dw11) > NVME_FEATURE_TEMPTHRESH_THSEL_UNDER ||
	    temp_tmpsel(dw11) != TMPSEL_COMPOSITE)
		return bad_value(req);
	return 0;
}

static uint32_t get_temp(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current)
{
	uint32_t thsel = temp_thsel(dw11);

	return current ? ctrl->temp_threshold[thsel] : default_threshold(thsel);
}

static uint16_t set_temp(struct nvmet_req *req, uint32_t dw11)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;

	if (temp_thsel(dw11) > NVME_FEATURE_TEMPTHRESH_THSEL_UNDER ||
	    (temp_tmpsel(dw11) != TMPSEL_COMPOSITE && temp_tmpsel(dw11) != TMPSEL_ALL))
		return bad_value(req);
	ctrl->temp_threshold[temp_thsel(dw11)] = dw11 & NVME_FEAT_TT_TMPTH_MASK;
	if (nvmet_smart_warning(ctrl))
		nvmet_ctrl_event(ctrl, NVMET_EV_SMART);
	return 0;
}

/* ---- error recovery: of every namespace together ---- */

static uint16_t set_error_recovery(struct nvmet_req *req, uint32_t dw11)
{
	/* No namespace tells of deallocated blocks (NSFEAT). */
	if (dw11 >> NVME_FEAT_ERROR_RECOVERY_DULBE_SHIFT & NVME_FEAT_ERROR_RECOVERY_DULBE_MASK)
		return bad_value(req);
	req->sq->ctrl->features[NVME_FEAT_FID_ERR_RECOVERY] = dw11 &
							      NVME_FEAT_ERROR_RECOVERY_TLER_MASK;
	return 0;
}

/* ---- volatile write cache: there where a namespace has one, and always on ---- */

static bool has_write_cache(const struct nvmet_ctrl *ctrl)
{
	return nvmet_subsys_has_vwc(ctrl->subsys);
}

static uint32_t get_write_cache(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current)
{
	(void)ctrl;
	(void)dw11;
	(void)current;
	return NVME_FEAT_VWC_WCE_MASK;
}

static uint16_t set_write_cache(struct nvmet_req *req, uint32_t dw11)
{
	(void)req;
	return dw11 & NVME_FEAT_VWC_WCE_MASK ? 0 : ST_FEATURE_NOT_CHANGEABLE | ST_DNR;
}

/* ---- number of queues: before the first I/O queue ---- */

static uint32_t queues_result(uint32_t nr)
{
	return (nr - 1) << NVME_FEAT_NRQS_NCQR_SHIFT | (nr - 1);
}

static uint32_t get_queues(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current)
{
	(void)dw11;
	return queues_result(current && ctrl->granted_queues ? ctrl->granted_queues
							     : ctrl->subsys->qid_max);
}

static uint16_t set_queues(struct nvmet_req *req, uint32_t dw11)
{
	uint32_t nsqr = dw11 & NVME_FEAT_NRQS_NSQR_MASK;
	uint32_t ncqr = dw11 >> NVME_FEAT_NRQS_NCQR_SHIFT;
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	uint32_t nr = min_of(min_of(nsqr, ncqr) + 1, (uint32_t)ctrl->subsys->qid_max);

	if (nsqr == QUEUES_RESERVED || ncqr == QUEUES_RESERVED)
		return bad_value(req);
	nvmet_lock();
	if (ctrl->nr_io_queues) {
		nvmet_unlock();
		return ST_CMD_SEQ_ERROR | ST_DNR;
	}
	ctrl->granted_queues = (uint16_t)nr;
	nvmet_unlock();
	req->result = queues_result(nr);
	return 0;
}

/* ---- asynchronous events ---- */

static uint32_t get_async_event(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current)
{
	(void)dw11;
	return current ? ctrl->aen_config : 0;
}

static uint16_t set_async_event(struct nvmet_req *req, uint32_t dw11)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	uint32_t known = nvmet_ctrl_oaes(ctrl) | (ctrl->subsys->is_discovery ? 0 : SMART_CRIT_BITS);

	if (dw11 & ~known)
		return bad_value(req);
	ctrl->aen_config = dw11;
	return 0;
}

/* ---- keep alive timeout ---- */

static uint32_t get_kato(const struct nvmet_ctrl *ctrl, uint32_t dw11, bool current)
{
	(void)dw11;
	return current ? ctrl->kato_ms : 0;
}

static uint16_t set_kato(struct nvmet_req *req, uint32_t dw11)
{
	nvmet_ctrl_set_kato(req->sq->ctrl, dw11);
	return 0;
}

/* ---- host behavior: kept, ACRE | ETDAS << 8 | LBAFEE << 16 ---- */

static uint16_t set_host_behavior(struct nvmet_req *req, uint32_t dw11)
{
	uint32_t value = 0;

	(void)dw11;
	for (int i = 0; i < 3; i++) {
		if (req->buf[i] > 1)
			return ST_INVALID_FIELD | ST_DNR;
		value |= (uint32_t)req->buf[i] << 8 * i;
	}
	/* Neither extended telemetry nor extended LBA formats are there to be enabled. */
	if (value >> 8)
		return ST_INVALID_FIELD | ST_DNR;
	req->sq->ctrl->features[NVME_FEAT_FID_HOST_BEHAVIOR] = value;
	return 0;
}

/* ---- host identifier: only the long form ---- */

static uint16_t check_host_id(struct nvmet_req *req, uint32_t dw11)
{
	return dw11 & NVME_FEAT_HOSTID_EXHID_MASK ? 0 : bad_value(req);
}

/* ---- I/O command set profile: the only one ---- */

static uint16_t set_iocs_profile(struct nvmet_req *req, uint32_t dw11)
{
	return dw11 >> NVME_FEAT_IOCSP_IOCSCI_SHIFT & NVME_FEAT_IOCSP_IOCSCI_MASK ? bad_value(req)
										  : 0;
}

/* ---- the table ---- */

static const struct feature features[] = {
	{ .fid = NVME_FEAT_FID_ARBITRATION },
	{ .fid = NVME_FEAT_FID_POWER_MGMT, .set = set_power },
	{ .fid = NVME_FEAT_FID_TEMP_THRESH,
	  .check_get = check_temp,
	  .get = get_temp,
	  .set = set_temp },
	{ .fid = NVME_FEAT_FID_ERR_RECOVERY, .ns_specific = true, .set = set_error_recovery },
	{ .fid = NVME_FEAT_FID_VOLATILE_WC,
	  .exists = has_write_cache,
	  .get = get_write_cache,
	  .set = set_write_cache },
	{ .fid = NVME_FEAT_FID_NUM_QUEUES, .get = get_queues, .set = set_queues },
	{ .fid = NVME_FEAT_FID_WRITE_ATOMIC, .set = set_write_atomicity },
	{ .fid = NVME_FEAT_FID_ASYNC_EVENT,
	  .discovery = true,
	  .get = get_async_event,
	  .set = set_async_event },
	{ .fid = NVME_FEAT_FID_KATO, .discovery = true, .get = get_kato, .set = set_kato },
	{ .fid = NVME_FEAT_FID_HOST_BEHAVIOR,
	  .bytes = HOST_BEHAVIOR_BYTES,
	  .set = set_host_behavior },
	{ .fid = NVME_FEAT_FID_IOCS_PROFILE, .set = set_iocs_profile },
	{ .fid = NVME_FEAT_FID_HOST_ID,
	  .bytes = HOST_ID_BYTES,
	  .fixed = true,
	  .check_get = check_host_id },
};

static const struct feature *find_feature(const struct nvmet_ctrl *ctrl, uint8_t fid)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		if (f->fid == fid && (f->discovery || !ctrl->subsys->is_discovery) &&
		    (!f->exists || f->exists(ctrl)))
			return f;
	}
	return NULL;
}

static const struct feature *req_feature(const struct nvmet_req *req)
{
	return find_feature(req->sq->ctrl, le32_get(req->sqe.cdw10) & 0xff);
}

uint32_t nvmet_features_effects(const struct nvmet_ctrl *ctrl, uint8_t fid)
{
	const struct feature *f = find_feature(ctrl, fid);
	uint32_t scope = NVME_FID_SUPPORTED_EFFECTS_SCOPE_CTRL;

	if (!f)
		return 0;
	if (f->ns_specific)
		scope = NVME_FID_SUPPORTED_EFFECTS_SCOPE_NS;
	return NVME_FID_SUPPORTED_EFFECTS_FSUPP | scope << NVME_FID_SUPPORTED_EFFECTS_SCOPE_SHIFT;
}

void nvmet_features_reset(struct nvmet_ctrl *ctrl)
{
	memset(ctrl->features, 0, sizeof(ctrl->features));
	for (uint32_t thsel = 0; thsel < ARRAY_SIZE(ctrl->temp_threshold); thsel++)
		ctrl->temp_threshold[thsel] = (uint16_t)default_threshold(thsel);
	ctrl->aen_config = 0;
	ctrl->granted_queues = 0;
}

/* Of a feature that namespaces have. */
static uint16_t check_ns(struct nvmet_req *req)
{
	uint32_t nsid = nvmet_nsid(req);

	if (nsid == NVME_NSID_BROADCAST || nvmet_subsys_ns(req->sq->ctrl->subsys, nsid))
		return 0;
	return nvmet_req_bad_nsid(req);
}

/* ---- Get Features ---- */

static uint32_t req_select(const struct nvmet_req *req)
{
	return le32_get(req->sqe.cdw10) >> CDW10_SEL_SHIFT & CDW10_SEL_MASK;
}

uint16_t nvmet_get_features_prepare(struct nvmet_req *req)
{
	const struct feature *f = req_feature(req);
	uint32_t select = req_select(req);
	uint16_t status = 0;

	if (!f)
		return nvmet_req_bad_field(req, NVMET_LOC_CDW10);
	if (select > NVME_GET_FEATURES_SEL_SUPPORTED)
		return nvmet_req_bad_field(req, NVMET_LOC_CDW10 + 1);
	if (select == NVME_GET_FEATURES_SEL_SUPPORTED)
		return 0;
	if (f->ns_specific)
		status = check_ns(req);
	if (!status && f->check_get)
		status = f->check_get(req, le32_get(req->sqe.cdw11));
	req->dir = f->bytes ? NVMET_TO_HOST : NVMET_NO_DATA;
	req->data_len = f->bytes;
	return status;
}

/* The feature's data; @value is what the result would hold without. */
static void fill_feature(struct nvmet_req *req, const struct feature *f, uint32_t value)
{
	memset(req->buf, 0, req->data_len);
	if (f->fid == NVME_FEAT_FID_HOST_ID)
		memcpy(req->buf, req->sq->ctrl->hostid, HOST_ID_BYTES);
	else
		for (int i = 0; i < 4; i++)
			req->buf[i] = (uint8_t)(value >> 8 * i);
}

void nvmet_get_features_execute(struct nvmet_req *req)
{
	const struct nvmet_ctrl *ctrl = req->sq->ctrl;
	const struct feature *f = req_feature(req);
	uint32_t select = req_select(req), value;
	bool current = select == NVME_GET_FEATURES_SEL_CURRENT;

	if (select == NVME_GET_FEATURES_SEL_SUPPORTED) {
		req->result = (f->ns_specific ? SEL_NS_SPECIFIC : 0) |
			      (f->fixed ? 0 : SEL_CHANGEABLE);
		nvmet_req_complete(req, 0);
		return;
	}
	/* Nothing can be saved: the saved value is the default. */
	if (f->get)
		value = f->get(ctrl, le32_get(req->sqe.cdw11), current);
	else
		value = current && f->fid < ARRAY_SIZE(ctrl->features) ? ctrl->features[f->fid] : 0;
	if (f->bytes)
		fill_feature(req, f, value);
	else
		req->result = value;
	nvmet_req_complete(req, 0);
}

/* ---- Set Features ---- */

uint16_t nvmet_set_features_prepare(struct nvmet_req *req)
{
	const struct feature *f = req_feature(req);
	uint32_t nsid = nvmet_nsid(req);

	if (!f)
		return nvmet_req_bad_field(req, NVMET_LOC_CDW10);
	if (le32_get(req->sqe.cdw10) & BIT(31)) {
		req->error_loc = LOC_SAVE;
		return ST_FEATURE_NOT_SAVEABLE | ST_DNR;
	}
	if (f->fixed)
		return ST_CMD_SEQ_ERROR | ST_DNR;
	if (!f->ns_specific && nsid && nsid != NVME_NSID_BROADCAST) {
		req->error_loc = NVMET_LOC_NSID;
		return ST_FEATURE_NOT_PER_NS | ST_DNR;
	}
	req->dir = f->bytes ? NVMET_FROM_HOST : NVMET_NO_DATA;
	req->data_len = f->bytes;
	return f->ns_specific ? check_ns(req) : 0;
}

void nvmet_set_features_execute(struct nvmet_req *req)
{
	const struct feature *f = req_feature(req);
	uint32_t dw11 = le32_get(req->sqe.cdw11);
	uint16_t status = 0;

	if (f->set)
		status = f->set(req, dw11);
	else
		req->sq->ctrl->features[f->fid] = dw11;
	nvmet_req_complete(req, status);
}
