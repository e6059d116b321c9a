// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fabrics commands: Connect and Property Get/Set as a host builds them, and the answers to Connect.
 * Pure functions over wire structures; any thread. Entry points: the builders and
 * nvmh_fabrics_connect_check().
 * NVM Express Base Specification 2.x, "Fabrics Command Set", "Connect Command and Response".
 */
#include "host/fabrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/status.h"
#include "common/util.h"

enum {
	/* dword 0 of a successful answer */
	CONNECT_ATR = 1 << 17,	/* authentication transaction required */
	CONNECT_ASCR = 1 << 18, /* ... with secure channel concatenation */
	/* dword 0 of Connect Invalid Parameters */
	CONNECT_IATTR_DATA = 1 << 16, /* the offset is within the data, else within the command */
	CONNECT_SQHD_NO_FLOW = 0xffff,
};

/* Where a Connect parameter lies and what its refusal means. */
struct connect_field {
	uint16_t offset;
	uint16_t len;
	bool in_data;
	int err;
	const char *text; /* what to look at */
};

static const struct connect_field connect_fields[] = {
	{ 40, 2, false, -EINVAL, "the record format of the Connect command" },
	{ 42, 2, false, -EINVAL,
	  "the queue id: the controller grants fewer queues, or has this one in use" },
	{ 44, 2, false, -EINVAL, "the queue size: ask for a smaller one" },
	{ 46, 1, false, -EINVAL, "the connect attributes: try without disabling SQ flow control" },
	{ 48, 4, false, -EINVAL, "the keep alive timeout: ask for another one" },
	{ 0, 16, true, -EACCES,
	  "the host ID: it must be the same for all queues and belong to this host NQN" },
	{ 16, 2, true, -EINVAL,
	  "the controller ID: the controller is gone, or belongs to another host" },
	{ 256, 256, true, -ENOENT, "the subsystem NQN: no such subsystem at this address" },
	{ 512, 256, true, -EACCES,
	  "the host NQN: it must be the same for all queues and be allowed" },
};

void nvmh_fabrics_connect_cmd(struct nvme_sqe *sqe, uint16_t qid, uint32_t size,
			      bool disable_sqflow, uint32_t kato_ms)
{
	struct nvme_fabrics_connect cmd = {
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_CONNECT,
		.qid = le16_make(qid),
		.sqsize = le16_make((uint16_t)(size - 1)),
		.cattr = disable_sqflow ? NVME_CATTR_DISABLE_SQFLOW : 0,
		.kato = le32_make(qid ? 0 : kato_ms),
	};

	memcpy(sqe, &cmd, sizeof(*sqe));
}

int nvmh_fabrics_connect_data(struct nvme_connect_data *data, const uint8_t hostid[16],
			      uint16_t cntlid, const char *subnqn, const char *hostnqn)
{
	size_t sub_len = strnlen(subnqn, NVME_NQN_FIELD);
	size_t host_len = strnlen(hostnqn, NVME_NQN_FIELD);

	if (!sub_len || sub_len > NVME_NQN_MAX_LEN || !host_len || host_len > NVME_NQN_MAX_LEN)
		return -EINVAL;
	memset(data, 0, sizeof(*data));
	memcpy(data->hostid, hostid, sizeof(data->hostid));
	data->cntlid = le16_make(cntlid);
	memcpy(data->subnqn, subnqn, sub_len);
	memcpy(data->hostnqn, hostnqn, host_len);
	return 0;
}

void nvmh_fabrics_property_get(struct nvme_sqe *sqe, uint32_t offset, bool wide)
{
	struct nvme_fabrics_property cmd = {
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_PROPERTY_GET,
		.attrib = wide,
		.offset = le32_make(offset),
	};

	memcpy(sqe, &cmd, sizeof(*sqe));
}

void nvmh_fabrics_property_set(struct nvme_sqe *sqe, uint32_t offset, uint32_t value)
{
	struct nvme_fabrics_property cmd = {
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_PROPERTY_SET,
		.offset = le32_make(offset),
		.value = le64_make(value),
	};

	memcpy(sqe, &cmd, sizeof(*sqe));
}

static int invalid_parameter(uint32_t dw0, char *text, size_t size)
{
	bool in_data = dw0 & CONNECT_IATTR_DATA;
	uint16_t offset = dw0 & 0xffff;
	const struct connect_field *f;

	for (f = connect_fields; f < connect_fields + ARRAY_SIZE(connect_fields); f++) {
		if (f->in_data == in_data && offset >= f->offset && offset - f->offset < f->len) {
			snprintf(text, size, "the controller refuses %s", f->text);
			return f->err;
		}
	}
	snprintf(text, size, "the controller refuses byte %u of the Connect %s", offset,
		 in_data ? "data" : "command");
	return -EINVAL;
}

static int refused(uint16_t status, uint32_t dw0, const struct nvmh_ctrl_opts *opts, char *text,
		   size_t size)
{
	switch (status & ST_MASK) {
	case ST_CONNECT_FORMAT:
		snprintf(text, size, "the controller does not take this format of Connect");
		return -EINVAL;
	case ST_CONNECT_BUSY:
		snprintf(text, size,
			 "the controller is busy or has no free controller left; try later");
		return -EBUSY;
	case ST_CONNECT_INVALID_PARAM:
		return invalid_parameter(dw0, text, size);
	case ST_CONNECT_RESTART_DISC:
		snprintf(text, size, "subsystem %s has moved: read the discovery log again",
			 opts->subnqn);
		return -ESTALE;
	case ST_CONNECT_INVALID_HOST:
		snprintf(text, size, "subsystem %s does not allow host %s: add this host NQN to it",
			 opts->subnqn, opts->hostnqn);
		return -EACCES;
	case ST_HOSTID_INCONSISTENT:
		snprintf(text, size, "the controller knows host %s by another host ID",
			 opts->hostnqn);
		return -EACCES;
	case ST_KATO_INVALID:
		snprintf(text, size, "the controller does not take a keep alive timeout of %u ms",
			 opts->kato_ms);
		return -EINVAL;
	case ST_AUTH_REQUIRED:
		snprintf(text, size, "the controller wants host %s to authenticate (DH-HMAC-CHAP)",
			 opts->hostnqn);
		return -EACCES;
	default:
		snprintf(text, size, "the controller refused with status %03xh, %s",
			 status & ST_MASK, status_str(status));
		return -ECONNREFUSED;
	}
}

int nvmh_fabrics_connect_check(const struct nvme_cqe *cqe, uint16_t qid,
			       const struct nvmh_ctrl_opts *opts,
			       struct nvmh_connect_result *result, char *text, size_t size)
{
	uint16_t status = cqe_status(cqe);
	uint32_t dw0 = le32_get(cqe->dw0);
	uint16_t cntlid = dw0 & 0xffff;

	if (status & ST_MASK)
		return refused(status, dw0, opts, text, size);
	if (!qid && cntlid == NVME_CNTLID_DYNAMIC) {
		snprintf(text, size, "the controller answered Connect with controller ID FFFFh");
		return -EPROTO;
	}
	result->cntlid = cntlid;
	result->auth_required = dw0 & (CONNECT_ATR | CONNECT_ASCR);
	result->sqflow_off = le16_get(cqe->sqhd) == CONNECT_SQHD_NO_FLOW;
	return 0;
}
