// SPDX-License-Identifier: BSD-2-Clause
/*
 * The fabrics command set: Connect, Property Get and Set, Disconnect. No Connect response asks for
 * authentication, so its commands are not among them and are refused as unknown. Runs on the core
 * of the queue; Connect takes the lock. Entry point: the table nvmet_fabrics_cmds, by fctype.
 *
 * A Connect that is refused for a reason that can pass (a subsystem or controller that is not there
 * now, an access list that does not name the host, limits, a queue still going down) is refused
 * without DNR: hosts would take it as an order never to come back.
 * NVM Express Base Specification 2.x, "Fabrics Command Set", "Controller Properties".
 */
#include "common/log.h"
#include "common/nqn.h"
#include "target/admin.h"

#define CONNECT_LOC(field)  offsetof(struct nvme_fabrics_connect, field)
#define CONNECT_DATA(field) offsetof(struct nvme_connect_data, field)

enum {
	/* Result of Connect Invalid Parameters: the offset lies in the data, not in the command. */
	IATTR_DATA = 1 << 16,
	LOC_FCTYPE = CONNECT_LOC(fctype),
	PROP_4_BYTES = 0,
	PROP_8_BYTES = 1,
	PROP_SIZE_MASK = 0x7,
};

static struct nvme_fabrics_connect connect_sqe(const struct nvmet_req *req)
{
	struct nvme_fabrics_connect sqe;

	memcpy(&sqe, &req->sqe, sizeof(sqe));
	return sqe;
}

static struct nvme_fabrics_property property_sqe(const struct nvmet_req *req)
{
	struct nvme_fabrics_property sqe;

	memcpy(&sqe, &req->sqe, sizeof(sqe));
	return sqe;
}

/* ---- Connect ---- */

/* What a Connect says, once it is known to be well-formed. */
struct connect {
	uint16_t qid;
	uint16_t cntlid;
	uint32_t entries;
	uint32_t kato_ms;
	bool sqflow_off;
	uint8_t hostid[16];
	char subnqn[MAX_NQN_BYTES];
	char hostnqn[MAX_NQN_BYTES];
};

/* @loc: byte offset in the command, or IATTR_DATA and one in the data. @dnr: 0 or ST_DNR. */
static uint16_t bad_parameter(struct nvmet_req *req, uint32_t loc, uint16_t dnr)
{
	if (!(loc & IATTR_DATA))
		req->error_loc = (uint16_t)loc;
	req->result = loc;
	return ST_CONNECT_INVALID_PARAM | dnr;
}

/* What the command says without its data. */
static uint16_t connect_check(struct nvmet_req *req, const char **why)
{
	struct nvme_fabrics_connect sqe = connect_sqe(req);
	const struct nvmet_port *port = req->sq->port;
	uint32_t entries = (uint32_t)le16_get(sqe.sqsize) + 1;

	*why = "the queue is connected already";
	if (req->sq->ctrl)
		return ST_CMD_SEQ_ERROR | ST_DNR;
	*why = "unknown record format";
	if (le16_get(sqe.recfmt)) {
		req->error_loc = CONNECT_LOC(recfmt);
		return ST_CONNECT_FORMAT | ST_DNR;
	}
	*why = "queue size";
	if (entries < 2 || entries > (le16_get(sqe.qid) ? nvmet_port_queue_entries(port)
							: nvmet_port_admin_entries(port)))
		return bad_parameter(req, CONNECT_LOC(sqsize), ST_DNR);
	return 0;
}

static uint16_t prepare_connect(struct nvmet_req *req)
{
	const char *why;
	uint16_t status = connect_check(req, &why);

	if (status)
		log_peer(LOG_LVL_WARN, "connect refused reason=\"%s\" status=0x%x peer=%s", why,
			 status, req->sq->peer);
	req->dir = NVMET_FROM_HOST;
	req->data_len = sizeof(struct nvme_connect_data);
	return status;
}

static uint16_t connect_parse(struct nvmet_req *req, struct connect *c, const char **why)
{
	struct nvme_fabrics_connect sqe = connect_sqe(req);
	const struct nvme_connect_data *data = (const struct nvme_connect_data *)req->buf;

	*why = "data of another length than 1024 bytes";
	if (req->data_len != sizeof(*data))
		return ST_SGL_INVALID_DATA | ST_DNR;
	c->qid = le16_get(sqe.qid);
	c->entries = (uint32_t)le16_get(sqe.sqsize) + 1;
	c->kato_ms = le32_get(sqe.kato);
	c->sqflow_off = sqe.cattr & NVME_CATTR_DISABLE_SQFLOW;
	c->cntlid = le16_get(data->cntlid);
	memcpy(c->hostid, data->hostid, sizeof(c->hostid));
	*why = "the subsystem NQN is not a name";
	if (nqn_from_field(data->subnqn, sizeof(data->subnqn), c->subnqn))
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(subnqn), ST_DNR);
	/* A host without a name comes from tools; only where any host may come, it is let in. */
	*why = "the host NQN is not a name";
	if (!data->hostnqn[0])
		c->hostnqn[0] = '\0';
	else if (nqn_from_field(data->hostnqn, sizeof(data->hostnqn), c->hostnqn))
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(hostnqn), ST_DNR);
	*why = "the host asks for a certain controller";
	/* Controllers are made when asked for; a host cannot ask for a certain one. */
	if (!c->qid && c->cntlid != NVME_CNTLID_DYNAMIC)
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(cntlid), ST_DNR);
	return 0;
}

static uint16_t connect_admin(struct nvmet_req *req, const struct connect *c,
			      struct nvmet_subsys *subsys, const char **why)
{
	struct nvmet_ctrl *ctrl;
	uint16_t status;

	status = nvmet_ctrl_create(subsys, req->sq, c->hostnqn, c->hostid, c->kato_ms, &ctrl);
	if (status)
		*why = "no controller free, or commands of the last association still at work";
	return status;
}

static uint16_t connect_io(struct nvmet_req *req, const struct connect *c,
			   struct nvmet_subsys *subsys, const char **why)
{
	struct nvmet_ctrl *ctrl = nvmet_ctrl_find(subsys, c->cntlid);
	uint16_t max_qid;

	*why = "no such controller";
	if (!ctrl || ctrl->port != req->sq->port)
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(cntlid), 0);
	*why = "the controller belongs to another host";
	if (strcmp(ctrl->hostnqn, c->hostnqn))
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(hostnqn), 0);
	if (memcmp(ctrl->hostid, c->hostid, sizeof(c->hostid)))
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(hostid), 0);
	*why = "more queues than granted";
	max_qid = ctrl->granted_queues ? ctrl->granted_queues : subsys->qid_max;
	if (c->qid > max_qid)
		return bad_parameter(req, CONNECT_LOC(qid), ST_DNR);
	*why = "the controller is not enabled, or the queue exists already";
	return nvmet_ctrl_add_queue(ctrl, req->sq, c->qid);
}

/* Everything that needs to know what else there is. The lock is held. */
static uint16_t connect_admit(struct nvmet_req *req, const struct connect *c, const char **why)
{
	struct nvmet_subsys *subsys = nvmet_subsys_find(req->sq->port, c->subnqn);

	*why = "the subsystem is not exported on this port";
	if (!subsys)
		return bad_parameter(req, IATTR_DATA | CONNECT_DATA(subnqn), 0);
	*why = *c->hostnqn ? "the host is not in allowed_hosts"
			   : "the host has no name, and only those in allowed_hosts may connect";
	if (!nvmet_subsys_host_allowed(subsys, c->hostnqn))
		return ST_CONNECT_INVALID_HOST;
	return c->qid ? connect_io(req, c, subsys, why) : connect_admin(req, c, subsys, why);
}

static void connect_refused(const struct nvmet_req *req, const struct connect *c, uint16_t status,
			    const char *why)
{
	char host[128], subsys[128];

	log_peer(
		LOG_LVL_WARN,
		"connect refused reason=\"%s\" status=0x%x peer=%s host=%s subsystem=%s qid=%u cntlid=%u",
		why, status, req->sq->peer,
		log_quote(host, sizeof(host), c->hostnqn, sizeof(c->hostnqn)),
		log_quote(subsys, sizeof(subsys), c->subnqn, sizeof(c->subnqn)), c->qid, c->cntlid);
}

static void connect_accepted(const struct nvmet_sq *sq, const struct connect *c)
{
	char host[128];

	if (sq->qid) {
		log_debug("I/O queue connected peer=%s cntlid=%u qid=%u entries=%u", sq->peer,
			  sq->ctrl->cntlid, sq->qid, sq->size);
		return;
	}
	log_peer(sq->ctrl->subsys->is_discovery ? LOG_LVL_DEBUG : LOG_LVL_NOTICE,
		 "host connected peer=%s host=%s subsystem=%s cntlid=%u kato_ms=%u", sq->peer,
		 log_quote(host, sizeof(host), c->hostnqn, sizeof(c->hostnqn)),
		 sq->ctrl->subsys->nqn, sq->ctrl->cntlid, sq->ctrl->kato_ms);
}

static void execute_connect(struct nvmet_req *req)
{
	struct nvmet_sq *sq = req->sq;
	struct connect c = { 0 };
	const char *why;
	uint16_t status = connect_parse(req, &c, &why);

	if (!status) {
		nvmet_lock();
		status = connect_admit(req, &c, &why);
		nvmet_unlock();
	}
	if (status) {
		connect_refused(req, &c, status, why);
		nvmet_req_complete(req, status);
		return;
	}
	sq->size = (uint16_t)c.entries;
	sq->sqflow_off = c.sqflow_off;
	req->result = sq->ctrl->cntlid;
	connect_accepted(sq, &c);
	nvmet_req_complete(req, 0);
	if (sq->qid)
		nvmet_place_connected(sq);
}

/* ---- properties ---- */

static uint64_t get_cap(const struct nvmet_ctrl *ctrl)
{
	return ctrl->cap;
}

static uint64_t get_vs(const struct nvmet_ctrl *ctrl)
{
	return ctrl->vs;
}

static uint64_t get_cc(const struct nvmet_ctrl *ctrl)
{
	return atomic_load(&ctrl->cc);
}

static uint64_t get_csts(const struct nvmet_ctrl *ctrl)
{
	return atomic_load(&ctrl->csts);
}

/* CRWMT: as long as CAP.TO, in the same unit. */
static uint64_t get_crto(const struct nvmet_ctrl *ctrl)
{
	return NVME_CAP_TO(ctrl->cap);
}

struct property {
	uint32_t offset;
	uint8_t size;
	uint64_t (*get)(const struct nvmet_ctrl *ctrl);
};

static const struct property properties[] = {
	{ NVME_REG_CAP, PROP_8_BYTES, get_cap },   { NVME_REG_VS, PROP_4_BYTES, get_vs },
	{ NVME_REG_CC, PROP_4_BYTES, get_cc },	   { NVME_REG_CSTS, PROP_4_BYTES, get_csts },
	{ NVME_REG_CRTO, PROP_4_BYTES, get_crto },
};

/*
 * NULL with *status set when there is no such property of that size, or the queue is not the admin
 * queue.
 */
static const struct property *find_property(struct nvmet_req *req, uint16_t *status)
{
	struct nvme_fabrics_property sqe = property_sqe(req);
	uint32_t offset = le32_get(sqe.offset);

	if (req->sq->qid) {
		*status = nvmet_req_bad_field(req, LOC_FCTYPE);
		return NULL;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(properties); i++) {
		if (properties[i].offset != offset)
			continue;
		if (properties[i].size == (sqe.attrib & PROP_SIZE_MASK))
			return &properties[i];
		*status = nvmet_req_bad_field(req, offsetof(struct nvme_fabrics_property, attrib));
		return NULL;
	}
	*status = nvmet_req_bad_field(req, offsetof(struct nvme_fabrics_property, offset));
	return NULL;
}

static uint16_t prepare_property_get(struct nvmet_req *req)
{
	uint16_t status = 0;

	find_property(req, &status);
	return status;
}

static void execute_property_get(struct nvmet_req *req)
{
	uint16_t status = 0;
	const struct property *prop = find_property(req, &status);

	if (prop)
		req->result = prop->get(req->sq->ctrl);
	nvmet_req_complete(req, status);
}

/*
 * CC is the only one that a host may write: there is no subsystem reset (CAP.NSSRS), so nothing in
 * CSTS to clear.
 */
static uint16_t prepare_property_set(struct nvmet_req *req)
{
	uint16_t status = 0;
	const struct property *prop = find_property(req, &status);

	if (prop && prop->offset != NVME_REG_CC)
		return nvmet_req_bad_field(req, offsetof(struct nvme_fabrics_property, offset));
	return status;
}

static void execute_property_set(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	uint32_t cc = (uint32_t)le64_get(property_sqe(req).value);
	uint16_t status = nvmet_ctrl_set_cc(ctrl, cc);

	if (status) {
		req->error_loc = offsetof(struct nvme_fabrics_property, value);
		log_peer(LOG_LVL_WARN,
			 "controller configuration refused peer=%s cntlid=%u cc=0x%08x",
			 req->sq->peer, ctrl->cntlid, cc);
	}
	nvmet_req_complete(req, status);
}

/* ---- the rest ---- */

static uint16_t prepare_disconnect(struct nvmet_req *req)
{
	if (!req->sq->qid)
		return ST_DISCONNECT_INVALID_QTYPE | ST_DNR;
	if (le16_get(connect_sqe(req).recfmt)) { /* both commands have it at the same place */
		req->error_loc = CONNECT_LOC(recfmt);
		return ST_CONNECT_FORMAT | ST_DNR;
	}
	return 0;
}

static void execute_disconnect(struct nvmet_req *req)
{
	struct nvmet_sq *sq = req->sq;

	nvmet_req_complete(req, 0);
	sq->ops->close(sq, "the host deleted the queue");
}

const struct nvmet_cmd nvmet_fabrics_cmds[] = {
	{ NVME_FCTYPE_PROPERTY_SET, prepare_property_set, execute_property_set },
	{ NVME_FCTYPE_CONNECT, prepare_connect, execute_connect },
	{ NVME_FCTYPE_PROPERTY_GET, prepare_property_get, execute_property_get },
	{ NVME_FCTYPE_DISCONNECT, prepare_disconnect, execute_disconnect },
};
const unsigned int nvmet_nr_fabrics_cmds = ARRAY_SIZE(nvmet_fabrics_cmds);
