// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command half of the NVMe/TCP controller for tests: fabrics, the admin commands that a host's
 * bring-up sends, reads and writes of its memory, the discovery log. The connection's thread. See
 * fake_target.h.
 * NVM Express Base Specification 2.x; NVM Command Set Specification.
 */
#include "tests/fake/fake_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CNTLID = 7, /* unless told otherwise */
	NSID = 1,
	CAP_TO = 10,
	CAP_MQES = 127,
	MAX_LOG_ENTRIES = 64, /* a longer log is only claimed */
	LOG_RAE = 1 << 15,
};

static uint16_t cntlid_of(const struct fake_conn *c)
{
	return c->t->opts.cntlid ? c->t->opts.cntlid : CNTLID;
}

/* ---- data ---- */

static void send_data(struct fake_conn *c, uint16_t cid, const uint8_t *data, uint32_t len)
{
	const struct fake_opts *opts = &c->t->opts;
	uint32_t most = opts->c2h_bytes ? opts->c2h_bytes : len;
	uint32_t off;

	for (off = 0; off < len; off += min_of(most, len - off)) {
		uint32_t piece = min_of(most, len - off);
		uint8_t flags = off + piece == len ? NVME_TCP_F_DATA_LAST : 0;

		if (flags && opts->success)
			flags |= NVME_TCP_F_DATA_SUCCESS;
		fake_conn_c2h(c, cid, off, data + off, piece, flags);
	}
	if (!opts->success || !len)
		fake_conn_rsp(c, cid, 0, 0);
}

static void ask_data(struct fake_conn *c, uint16_t ttag)
{
	const struct fake_opts *opts = &c->t->opts;
	struct fake_write *w = &c->writes[ttag];
	uint32_t most = opts->r2t_bytes ? opts->r2t_bytes : w->len;

	while (w->asked < w->len && w->asked < w->got + most * opts->r2t_depth) {
		uint32_t len = min_of(most, w->len - w->asked);

		w->asked += len;
		fake_conn_r2t(c, w->cid, ttag, w->asked - len, len);
	}
}

void fake_target_h2c_data(struct fake_conn *c)
{
	uint32_t most = c->t->opts.r2t_bytes;
	struct nvme_tcp_data pdu;
	struct fake_write *w;
	uint32_t off, end;
	uint16_t ttag;

	if (c->deaf)
		return;
	memcpy(&pdu, c->pdu, sizeof(pdu));
	ttag = le16_get(pdu.ttag);
	off = le32_get(pdu.datao);
	w = &c->writes[ttag % FAKE_MAX_WRITES];
	if (ttag >= FAKE_MAX_WRITES || !w->used || pdu.cccid.v != w->cid || off != w->got ||
	    le32_get(pdu.datal) != c->data_len || c->data_len > c->t->opts.maxh2cdata ||
	    c->data_len > w->asked - w->got) {
		fake_conn_violation(c, "H2CData ttag %u offset %u length %u", ttag, off,
				    c->data_len);
		fake_conn_close(c);
		return;
	}
	memcpy(c->t->mem + w->addr + off, c->data, c->data_len);
	w->got += c->data_len;
	/* where its R2T ends */
	end = most ? min_of((off / most + 1) * most, w->len) : w->len;
	if (!(pdu.hdr.flags & NVME_TCP_F_DATA_LAST) != (w->got != end))
		fake_conn_violation(c, "LAST of H2CData at %u, %u bytes", off, c->data_len);
	if (w->got == w->len) {
		w->used = false;
		fake_conn_rsp(c, w->cid, 0, 0);
	} else if (w->got == end) {
		ask_data(c, ttag);
	}
}

static void start_write(struct fake_conn *c, const struct fake_cmd *cmd, uint64_t addr,
			uint32_t len)
{
	uint16_t ttag = 0;

	if (cmd->icd_len) {
		if (cmd->icd_len != len || len > c->t->opts.icd_bytes)
			fake_conn_violation(c, "in-capsule data of %u bytes", cmd->icd_len);
		memcpy(c->t->mem + addr, cmd->icd, min_of(cmd->icd_len, len));
		fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
		return;
	}
	while (ttag < FAKE_MAX_WRITES && c->writes[ttag].used)
		ttag++;
	assert(ttag < FAKE_MAX_WRITES);
	c->writes[ttag] =
		(struct fake_write){ .used = true, .cid = cmd->sqe.cid, .addr = addr, .len = len };
	ask_data(c, ttag);
}

static void io_cmd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	const struct nvme_sqe *sqe = &cmd->sqe;
	uint64_t slba = le32_get(sqe->cdw10) | (uint64_t)le32_get(sqe->cdw11) << 32;
	uint32_t len = ((le32_get(sqe->cdw12) & 0xffff) + 1) * FAKE_LBA_BYTES;
	const struct fake_script *script = c->t->opts.script;
	uint8_t type = cmd->icd_len ? NVME_SGL_DATA_OFFSET : NVME_SGL_TRANSPORT;

	c->nr_cmds++;
	if (script && script->io && script->io(c, cmd))
		return;
	if (sqe->opcode == nvme_cmd_flush) {
		fake_conn_rsp(c, sqe->cid, 0, 0);
		return;
	}
	if (sqe->dptr.sgl.type != type || le32_get(sqe->dptr.sgl.length) != len ||
	    sqe->flags != NVME_SQE_PSDT_SGL)
		fake_conn_violation(c, "SGL type %02x length %u, flags %02x", sqe->dptr.sgl.type,
				    le32_get(sqe->dptr.sgl.length), sqe->flags);
	if (slba > FAKE_MEM_BYTES / FAKE_LBA_BYTES || slba * FAKE_LBA_BYTES + len > FAKE_MEM_BYTES)
		fake_conn_rsp(c, sqe->cid, ST_LBA_RANGE | ST_DNR, 0);
	else if (sqe->opcode == nvme_cmd_read)
		send_data(c, sqe->cid, c->t->mem + slba * FAKE_LBA_BYTES, len);
	else if (sqe->opcode == nvme_cmd_write)
		start_write(c, cmd, slba * FAKE_LBA_BYTES, len);
	else
		fake_conn_rsp(c, sqe->cid, ST_INVALID_OPCODE | ST_DNR, 0);
}

/* ---- fabrics ---- */

static void connect_cmd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	const struct fake_script *script = c->t->opts.script;
	struct nvme_fabrics_connect connect;
	struct nvme_connect_data data;

	memcpy(&connect, &cmd->sqe, sizeof(connect));
	if (cmd->icd_len != sizeof(data)) {
		fake_conn_violation(c, "Connect with %u bytes of data", cmd->icd_len);
		fake_conn_close(c);
		return;
	}
	memcpy(&data, cmd->icd, sizeof(data));
	pthread_mutex_lock(&c->t->lock);
	c->t->connect_cmd = connect;
	c->t->connect_data = data;
	pthread_mutex_unlock(&c->t->lock);
	c->qid = le16_get(connect.qid);
	if (c->qid)
		c->nr_io_conn = atomic_fetch_add(&c->t->nr_io_conns, 1);
	if (script && script->connect && script->connect(c, cmd))
		return;
	if (le16_get(data.cntlid) != (c->qid ? cntlid_of(c) : NVME_CNTLID_DYNAMIC))
		fake_conn_violation(c, "Connect of queue %d with CNTLID %04x", c->qid,
				    le16_get(data.cntlid));
	fake_conn_rsp(c, cmd->sqe.cid, 0, cntlid_of(c));
}

static void property_get(struct fake_conn *c, const struct nvme_fabrics_property *p)
{
	uint32_t cc = atomic_load(&c->t->cc);
	uint64_t value;

	switch (le32_get(p->offset)) {
	case NVME_REG_CAP:
		/* contiguous queues, NVM command set */
		value = CAP_MQES | 1 << 16 | (uint64_t)CAP_TO << 24 | 1ull << 37;
		break;
	case NVME_REG_VS:
		value = 0x20000;
		break;
	case NVME_REG_CC:
		value = cc;
		break;
	case NVME_REG_CSTS:
		/* ready as enabled; a shutdown is complete at once */
		value = (cc & 1) | (cc & 3 << 14 ? 2 << 2 : 0);
		break;
	default:
		fake_conn_rsp(c, p->cid, ST_INVALID_FIELD | ST_DNR, 0);
		return;
	}
	fake_conn_rsp(c, p->cid, 0, value);
}

static void fabrics_cmd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	struct nvme_fabrics_property p;

	memcpy(&p, &cmd->sqe, sizeof(p));
	switch (p.fctype) {
	case NVME_FCTYPE_CONNECT:
		connect_cmd(c, cmd);
		break;
	case NVME_FCTYPE_PROPERTY_GET:
		property_get(c, &p);
		break;
	case NVME_FCTYPE_PROPERTY_SET:
		if (le32_get(p.offset) == NVME_REG_CC)
			atomic_store(&c->t->cc, (uint32_t)le64_get(p.value));
		fake_conn_rsp(c, p.cid, 0, 0);
		break;
	default:
		fake_conn_rsp(c, p.cid, ST_INVALID_OPCODE | ST_DNR, 0);
	}
}

/* ---- admin ---- */

static void pad(char *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	assert(len <= size);
	memcpy(field, text, len);
	memset(field + len, ' ', size - len);
}

static void identify_ctrl(struct fake_conn *c, uint8_t *buf)
{
	const struct fake_script *script = c->t->opts.script;
	bool discovery = !strcmp(c->t->connect_data.subnqn, NVME_DISC_SUBSYS_NAME);
	struct nvme_id_ctrl id = {
		.mdts = 8,
		.cntlid = htole16(cntlid_of(c)),
		.cmic = c->t->opts.shared ? NVME_CTRL_CMIC_MULTI_CTRL : 0,
		.ver = htole32(0x20000),
		.cntrltype = discovery ? NVME_CTRL_CNTRLTYPE_DISCOVERY : NVME_CTRL_CNTRLTYPE_IO,
		.oaes = htole32(c->t->opts.oaes),
		.kas = htole16(1),
		.sqes = 0x66,
		.cqes = 0x44,
		.maxcmd = htole16(CAP_MQES + 1),
		.nn = htole32(1),
		.sgls = htole32(1 | NVME_CTRL_SGLS_OFFSET),
		.ioccsz = htole32((uint32_t)(sizeof(struct nvme_sqe) + c->t->opts.icd_bytes) / 16),
		.iorcsz = htole32(1),
	};

	pad(id.sn, sizeof(id.sn), "FAKE");
	pad(id.mn, sizeof(id.mn), "Fake controller");
	memcpy(id.subnqn, FAKE_SUBNQN, sizeof(FAKE_SUBNQN));
	if (script && script->identify)
		script->identify(&id);
	memcpy(buf, &id, sizeof(id));
}

static void identify(struct fake_conn *c, const struct nvme_sqe *sqe)
{
	static const uint8_t uuid[16] = { 1,	2,  3,	4,  5,	6,  0x47, 8,
					  0x89, 10, 11, 12, 13, 14, 15,	  16 };
	uint8_t buf[4096] = { 0 };
	struct nvme_id_ns ns = {
		.nsze = htole64(FAKE_MEM_BYTES / FAKE_LBA_BYTES),
		.ncap = htole64(FAKE_MEM_BYTES / FAKE_LBA_BYTES),
		.lbaf[0].ds = 9,
		.nmic = c->t->opts.shared ? NVME_NS_NMIC_SHARED : 0,
	};

	switch (le32_get(sqe->cdw10) & 0xff) {
	case NVME_IDENTIFY_CNS_NS:
		memcpy(buf, &ns, sizeof(ns));
		break;
	case NVME_IDENTIFY_CNS_CTRL:
		identify_ctrl(c, buf);
		break;
	case NVME_IDENTIFY_CNS_NS_ACTIVE_LIST:
		buf[0] = le32_get(sqe->nsid) < NSID ? NSID : 0;
		break;
	case NVME_IDENTIFY_CNS_NS_DESC_LIST:
		buf[0] = NVME_NIDT_UUID;
		buf[1] = sizeof(uuid);
		memcpy(buf + 4, uuid, sizeof(uuid));
		break;
	default:
		fake_conn_rsp(c, sqe->cid, ST_INVALID_FIELD | ST_DNR, 0);
		return;
	}
	send_data(c, sqe->cid, buf, sizeof(buf));
}

/* ---- discovery ---- */

static void discovery_entry(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	const struct fake_script *script = c->t->opts.script;

	memset(e, 0, sizeof(*e));
	e->trtype = NVMF_TRTYPE_TCP;
	e->adrfam = NVMF_ADDR_FAMILY_IP4;
	e->subtype = NVME_NQN_NVME;
	e->portid = htole16((uint16_t)i);
	pad(e->trsvcid, sizeof(e->trsvcid), "4420");
	pad(e->traddr, sizeof(e->traddr), "192.0.2.1");
	snprintf(e->subnqn, sizeof(e->subnqn), "%s%u", FAKE_SUBNQN, i);
	if (i == 3) /* an escape sequence for somebody's terminal */
		memcpy(e->traddr, "\x1b[2J", 4);
	if (script && script->disc)
		script->disc(c, i, e);
}

bool fake_target_event(struct fake_target *t, uint32_t dw0)
{
	struct fake_conn *c;
	uint16_t cid;

	pthread_mutex_lock(&t->lock);
	c = t->aer_conn;
	cid = t->aer_cid;
	t->aer_conn = NULL;
	pthread_mutex_unlock(&t->lock);
	if (c)
		fake_conn_rsp(c, cid, 0, dw0);
	return c;
}

/* An event that is due, enabled and not told yet is told as soon as a request is there. */
static void tell_disc(struct fake_target *t)
{
	bool due;

	pthread_mutex_lock(&t->lock);
	due = t->disc_changed && t->aer_conn && t->aen_config & NVME_CTRL_OAES_DL;
	if (due)
		t->disc_changed = false;
	pthread_mutex_unlock(&t->lock);
	if (due)
		fake_target_event(t, NVME_LOG_LID_DISCOVER << 16 |
					     NVME_AER_NOTICE_DISC_CHANGED << 8 | NVME_AER_NOTICE);
}

void fake_target_disc(struct fake_target *t, uint32_t nr)
{
	atomic_store(&t->nr_disc, nr);
	atomic_fetch_add(&t->genctr, 1);
	pthread_mutex_lock(&t->lock);
	t->disc_changed = !t->disc_masked;
	t->disc_masked = true;
	pthread_mutex_unlock(&t->lock);
	tell_disc(t);
}

static void async_event(struct fake_conn *c, const struct nvme_sqe *sqe)
{
	pthread_mutex_lock(&c->t->lock);
	c->t->aer_conn = c;
	c->t->aer_cid = sqe->cid;
	pthread_mutex_unlock(&c->t->lock);
	tell_disc(c->t);
}

/* A controller refuses to enable what it does not have, and then enables nothing. */
static void set_events(struct fake_conn *c, const struct nvme_sqe *sqe)
{
	uint32_t config = le32_get(sqe->cdw11);
	bool discovery = !strcmp(c->t->connect_data.subnqn, NVME_DISC_SUBSYS_NAME);
	bool bad = config & ~(c->t->opts.oaes | (discovery ? 0 : 0x1fu));

	pthread_mutex_lock(&c->t->lock);
	c->t->aen_config = bad ? 0 : config;
	pthread_mutex_unlock(&c->t->lock);
	fake_conn_rsp(c, sqe->cid, bad ? ST_INVALID_FIELD | ST_DNR : 0, 0);
}

static void get_log(struct fake_conn *c, const struct nvme_sqe *sqe)
{
	uint64_t off = le32_get(sqe->cdw12) | (uint64_t)le32_get(sqe->cdw13) << 32;
	uint32_t len = ((le32_get(sqe->cdw10) >> 16) + 1 + (le32_get(sqe->cdw11) << 16)) * 4;
	uint32_t numrec = atomic_load(&c->t->nr_disc);
	uint32_t nr = min_of(numrec, (uint32_t)MAX_LOG_ENTRIES);
	size_t size = sizeof(struct nvmf_discovery_log) + nr * sizeof(struct nvmf_disc_log_entry);
	struct nvmf_discovery_log *log;
	uint32_t i;

	if ((le32_get(sqe->cdw10) & 0xff) != NVME_LOG_LID_DISCOVER || off > size ||
	    len > size - off) {
		fake_conn_rsp(c, sqe->cid, ST_INVALID_LOG_PAGE | ST_DNR, 0);
		return;
	}
	log = calloc(1, size);
	assert(log);
	log->genctr =
		htole64(off ? 0 : atomic_fetch_add(&c->t->genctr, atomic_load(&c->t->genctr_step)));
	log->numrec = htole64(numrec);
	for (i = 0; i < nr; i++)
		discovery_entry(c, i, &log->entries[i]);
	if (!off) {
		atomic_fetch_add(&c->t->nr_disc_reads, 1);
		pthread_mutex_lock(&c->t->lock);
		if (!(le32_get(sqe->cdw10) & LOG_RAE))
			c->t->disc_masked = false;
		pthread_mutex_unlock(&c->t->lock);
	}
	send_data(c, sqe->cid, (uint8_t *)log + off, len);
	free(log);
}

static void admin_cmd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	const struct fake_script *script = c->t->opts.script;
	const struct nvme_sqe *sqe = &cmd->sqe;
	uint32_t queues = c->t->opts.max_queues - 1u;
	uint8_t fid = le32_get(sqe->cdw10) & 0xff;

	if (script && script->admin && script->admin(c, cmd))
		return;
	switch (sqe->opcode) {
	case NVME_FABRICS_OPCODE:
		fabrics_cmd(c, cmd);
		break;
	case nvme_admin_identify:
		identify(c, sqe);
		break;
	case nvme_admin_get_log_page:
		get_log(c, sqe);
		break;
	case nvme_admin_set_features:
		if (fid == NVME_FEAT_FID_ASYNC_EVENT)
			set_events(c, sqe);
		else
			fake_conn_rsp(c, sqe->cid, 0,
				      fid == NVME_FEAT_FID_NUM_QUEUES ? queues << 16 | queues : 0);
		break;
	case nvme_admin_async_event:
		async_event(c, sqe);
		break;
	case nvme_admin_keep_alive:
		atomic_fetch_add(&c->t->nr_keep_alives, 1);
		fake_conn_rsp(c, sqe->cid, 0, 0);
		break;
	default:
		fake_conn_rsp(c, sqe->cid, ST_INVALID_OPCODE | ST_DNR, 0);
	}
}

void fake_target_cmd(struct fake_conn *c, const struct fake_cmd *cmd)
{
	if (c->qid < 0 && (cmd->sqe.opcode != NVME_FABRICS_OPCODE ||
			   sqe_fctype(&cmd->sqe) != NVME_FCTYPE_CONNECT)) {
		fake_conn_violation(c, "command %02x before Connect", cmd->sqe.opcode);
		fake_conn_close(c);
	} else if (c->qid < 0) {
		connect_cmd(c, cmd);
	} else if (c->qid) {
		io_cmd(c, cmd);
	} else {
		admin_cmd(c, cmd);
	}
}
