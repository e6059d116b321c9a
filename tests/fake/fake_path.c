// SPDX-License-Identifier: BSD-2-Clause
/*
 * The transport of fake_path.h: which see. The library's own steps bring it up, its admin commands
 * are answered here when the queue is polled.
 * NVM Express Base Specification 2.x.
 */
#include "tests/fake/fake_path.h"

#include <errno.h>
#include <stdlib.h>

struct fake_path fake_path[FAKE_PATHS];
uint8_t fake_path_blocks[FAKE_PATH_NS][FAKE_PATH_BLOCKS][512];
uint64_t fake_path_seq;

void fake_path_init(void)
{
	uint16_t i;

	memset(fake_path, 0, sizeof(fake_path));
	memset(fake_path_blocks, 0, sizeof(fake_path_blocks));
	fake_path_seq = 0;
	for (i = 0; i < FAKE_PATHS; i++) {
		fake_path[i].cntlid = i + 1;
		fake_path[i].id.cmic = NVME_CTRL_CMIC_MULTI_PORT | NVME_CTRL_CMIC_MULTI_CTRL;
		fake_path[i].ns[0] = (struct fake_path_ns){ 1, FAKE_PATH_BLOCKS, 1, false };
		memcpy(fake_path[i].id.subnqn, "nqn.2024-01.org.example:mp", 26);
		memcpy(fake_path[i].id.sn, "MP", 2);
	}
}

static struct fake_path *path_of(const struct nvmh_ctrl *ctrl)
{
	return ctrl->tr;
}

/* ---- admin ---- */

static void identify_ns(const struct fake_path *p, uint32_t nsid, struct nvme_id_ns *id)
{
	uint32_t i;

	for (i = 0; i < FAKE_PATH_NS; i++) {
		if (p->ns[i].nsid != nsid)
			continue;
		id->nsze = id->ncap = htole64(p->ns[i].nsze);
		id->lbaf[0].ds = 9;
		id->nmic = p->ns[i].private ? 0 : NVME_NS_NMIC_SHARED;
	}
}

static void identify_list(const struct fake_path *p, uint32_t after, uint32_t *list)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < FAKE_PATH_NS; i++) {
		if (p->ns[i].nsid > after)
			list[n++] = htole32(p->ns[i].nsid);
	}
}

static void identify_desc(const struct fake_path *p, uint32_t nsid, uint8_t *page)
{
	uint32_t i;

	for (i = 0; i < FAKE_PATH_NS; i++) {
		if (p->ns[i].nsid != nsid)
			continue;
		page[0] = NVME_NIDT_UUID;
		page[1] = 16;
		memset(page + 4, p->ns[i].uuid, 16);
	}
}

static uint16_t identify(const struct fake_path *p, const struct nvme_sqe *sqe, uint8_t *page)
{
	struct nvme_id_ctrl id = p->id;

	switch (le32_get(sqe->cdw10) & 0xff) {
	case NVME_IDENTIFY_CNS_CTRL:
		id.cntlid = htole16(p->cntlid);
		id.cntrltype = NVME_CTRL_CNTRLTYPE_IO;
		id.sqes = 0x66;
		id.cqes = 0x44;
		id.mdts = 4;
		id.nn = htole32(FAKE_PATH_NS);
		memcpy(page, &id, sizeof(id));
		return 0;
	case NVME_IDENTIFY_CNS_NS:
		identify_ns(p, le32_get(sqe->nsid), (struct nvme_id_ns *)page);
		return 0;
	case NVME_IDENTIFY_CNS_NS_ACTIVE_LIST:
		identify_list(p, le32_get(sqe->nsid), (uint32_t *)page);
		return 0;
	case NVME_IDENTIFY_CNS_NS_DESC_LIST:
		identify_desc(p, le32_get(sqe->nsid), page);
		return 0;
	default:
		return ST_INVALID_FIELD | ST_DNR;
	}
}

static uint16_t get_log(struct fake_path *p, const struct nvme_sqe *sqe, uint8_t *page,
			uint32_t len)
{
	uint32_t off = le32_get(sqe->cdw12);

	switch (le32_get(sqe->cdw10) & 0xff) {
	case NVME_LOG_LID_ANA:
		p->nr_ana_reads++;
		assert(off <= sizeof(p->ana));
		memcpy(page, p->ana + off, min_of((size_t)len, sizeof(p->ana) - off));
		return (uint16_t)p->ana_status;
	case 0x1e:
		p->nr_ccr_logs++;
		memcpy(page, p->ccr_log, sizeof(p->ccr_log));
		return 0;
	default:
		return 0;
	}
}

static uint16_t admin_status(struct fake_path *p, struct nvmh_req *req, uint8_t *page,
			     uint32_t *dw0)
{
	uint32_t queues = (p->nr_queues ? p->nr_queues : MAX_IO_QUEUES) - 1u;

	switch (req->sqe.opcode) {
	case nvme_admin_identify:
		return identify(p, &req->sqe, page);
	case nvme_admin_get_log_page:
		return get_log(p, &req->sqe, page, req->len);
	case nvme_admin_set_features:
		*dw0 = queues << 16 | queues;
		return 0;
	case 0x38:
		p->nr_ccr++;
		p->ccr_sqe = req->sqe;
		*dw0 = p->ccr_dw0;
		return p->ccr_status;
	case nvme_admin_abort_cmd:
		p->nr_aborts++;
		*dw0 = 1;
		return 0;
	case nvme_admin_keep_alive:
	case nvme_admin_get_features:
	case nvme_admin_format_nvm:
		return 0;
	default:
		return ST_INVALID_OPCODE | ST_DNR;
	}
}

static void complete(struct nvmh_queue *q, struct nvmh_req *req, uint16_t status, uint32_t dw0)
{
	struct nvme_cqe cqe = { .cid = req->sqe.cid };

	cqe.dw0 = le32_make(dw0);
	cqe.status = le16_make((uint16_t)(status << 1));
	nvmh_queue_complete(q, req, &cqe);
}

static bool is_silent(const struct fake_path *p, const struct nvme_sqe *sqe)
{
	if (sqe->opcode == nvme_admin_get_log_page)
		return p->ana_silent && (le32_get(sqe->cdw10) & 0xff) == NVME_LOG_LID_ANA;
	return p->ccr_silent && sqe->opcode == 0x38;
}

static int poll_admin(struct fake_path *p, struct nvmh_queue *q)
{
	uint8_t *page = calloc(1, 1 << 20);
	struct nvmh_req *req;
	uint32_t dw0;
	uint16_t status;
	int n = 0;
	uint32_t i;

	assert(page);
	for (i = 0; i < ADMIN_QUEUE_ENTRIES; i++) {
		req = p->admin[i];
		if (!req || is_silent(p, &req->sqe))
			continue;
		p->admin[i] = NULL;
		dw0 = 0;
		memset(page, 0, req->len);
		status = admin_status(p, req, page, &dw0);
		if (req->dir == NVMH_FROM_CTRL)
			memcpy(req->iov[0].iov_base, page, req->len);
		complete(q, req, status, dw0);
		n++;
	}
	free(page);
	return n;
}

static int submit_admin(struct fake_path *p, struct nvmh_req *req)
{
	uint32_t i;

	if (req->sqe.opcode == nvme_admin_async_event) {
		p->aer = req;
		return 0;
	}
	for (i = 0; p->admin[i]; i++)
		;
	p->admin[i] = req;
	nvmh_ctrl_kick(p->ctrl);
	return 0;
}

bool fake_path_event(struct fake_path *p, uint32_t dw0)
{
	struct nvmh_req *req = p->aer;

	if (!req)
		return false;
	p->aer = NULL;
	complete(&p->ctrl->adminq, req, 0, dw0);
	nvmh_ctrl_kick(p->ctrl);
	return true;
}

void fake_path_set_ana(struct fake_path *p, const uint8_t *states, uint16_t nr)
{
	struct nvme_ana_log head = { .ngrps = htole16(nr) };
	struct nvme_ana_group_desc desc = { .nnsids = htole32(1) };
	uint8_t *at = p->ana;
	uint32_t nsid;
	uint16_t i;

	p->id.cmic |= NVME_CTRL_CMIC_MULTI_ANA_REPORTING;
	p->id.anagrpmax = p->id.nanagrpid = htole32(FAKE_PATH_NS);
	p->id.anatt = 10;
	p->id.oaes = htole32(NVME_CTRL_OAES_ANA);
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	for (i = 0; i < nr; i++) {
		nsid = htole32(i + 1u);
		desc.grpid = htole32(i + 1u);
		desc.state = states[i];
		memcpy(at, &desc, sizeof(desc));
		memcpy(at + sizeof(desc), &nsid, sizeof(nsid));
		at += sizeof(desc) + sizeof(nsid);
	}
}

/* ---- I/O ---- */

static struct fake_path_cmd *free_cmd(struct fake_path *p)
{
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		if (!p->cmd[i].req)
			return &p->cmd[i];
	}
	assert(!"room for a command");
	return NULL;
}

static int submit_io(struct fake_path *p, struct nvmh_queue *q, struct nvmh_req *req)
{
	struct fake_path_cmd *cmd;

	if (p->broken)
		return -ENOTCONN;
	cmd = free_cmd(p);
	*cmd = (struct fake_path_cmd){ .req = req, .q = q, .sqe = req->sqe };
	cmd->seq = ++fake_path_seq;
	if (req->dir == NVMH_TO_CTRL)
		memcpy(cmd->data, req->iov[0].iov_base, min_of(req->len, 512u));
	p->nr_ios++;
	p->last_seq = cmd->seq;
	return 0;
}

struct fake_path_cmd *fake_path_find(struct fake_path *p)
{
	struct fake_path_cmd *found = NULL;
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		if (p->cmd[i].req && !p->cmd[i].answered && (!found || p->cmd[i].seq < found->seq))
			found = &p->cmd[i];
	}
	return found;
}

uint32_t fake_path_count(const struct fake_path *p)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS; i++)
		n += p->cmd[i].req && !p->cmd[i].answered;
	return n;
}

void fake_path_execute(const struct nvme_sqe *sqe, const uint8_t *data, struct nvmh_req *req)
{
	uint32_t nsid = le32_get(sqe->nsid);
	uint32_t slba = le32_get(sqe->cdw10);

	assert(nsid <= FAKE_PATH_NS && slba < FAKE_PATH_BLOCKS);
	if (sqe->opcode == nvme_cmd_write)
		memcpy(fake_path_blocks[nsid - 1][slba], data, 512);
	else if (sqe->opcode == nvme_cmd_read)
		memcpy(req->iov[0].iov_base, fake_path_blocks[nsid - 1][slba], 512);
}

void fake_path_answer(struct fake_path_cmd *cmd, uint16_t status)
{
	if (!status)
		fake_path_execute(&cmd->sqe, cmd->data, cmd->req);
	cmd->status = status;
	cmd->answered = true;
	nvmh_queue_kick(cmd->q);
}

static int poll_io(struct fake_path *p, struct nvmh_queue *q)
{
	struct fake_path_cmd *cmd;
	struct nvmh_req *req;
	uint32_t i;
	int n = 0;

	if (p->broken) {
		n = atomic_load(&q->outstanding);
		for (i = 0; i < FAKE_PATH_CMDS; i++) {
			if (p->cmd[i].q == q)
				p->cmd[i].req = NULL;
		}
		nvmh_queue_abort_all(q, ST_HOST_PATH_ERROR);
		return n;
	}
	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		cmd = &p->cmd[i];
		if (!cmd->req || cmd->q != q || !cmd->committed)
			continue;
		if (!p->by_hand && !cmd->answered)
			fake_path_answer(cmd, p->io_status);
		if (!cmd->answered)
			continue;
		req = cmd->req;
		cmd->req = NULL;
		complete(q, req, cmd->status, 0);
		n++;
	}
	return n;
}

void fake_path_lose(struct fake_path *p)
{
	p->broken = true;
	nvmh_ctrl_lost(p->ctrl, "the test cut it");
}

/* ---- operations ---- */

static int fake_open(struct nvmh_ctrl *ctrl)
{
	/* "192.0.2.N" is path N */
	uint32_t n = (uint32_t)(ctrl->opts.traddr[strlen(ctrl->opts.traddr) - 1] - '0');

	assert(n < FAKE_PATHS && !fake_path[n].ctrl);
	fake_path[n].ctrl = ctrl;
	ctrl->tr = &fake_path[n];
	ctrl->step_buf = malloc(4096);
	return ctrl->step_buf ? 0 : -ENOMEM;
}

static void fake_free(struct nvmh_ctrl *ctrl)
{
	if (ctrl->tr)
		path_of(ctrl)->ctrl = NULL;
	free(ctrl->step_buf);
	ctrl->step_buf = NULL;
}

static int fake_connect(struct nvmh_ctrl *ctrl)
{
	struct fake_path *p = path_of(ctrl);

	if (p->unreachable)
		return nvmh_error(-ECONNREFUSED, "the test does not let it in");
	p->nr_connects++;
	p->broken = false;
	ctrl->cap = 127 | 1ull << 37;
	ctrl->vs = 0x20000;
	ctrl->cntlid = p->cntlid;
	return nvmh_queue_resize(&ctrl->adminq, ADMIN_QUEUE_ENTRIES);
}

static int fake_limits(struct nvmh_ctrl *ctrl)
{
	struct fake_path *p = path_of(ctrl);

	if (p->max_xfer)
		ctrl->max_xfer = p->max_xfer;
	return 0;
}

static int fake_queue_create(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	uint16_t size = path_of(ctrl)->queue_size;

	return nvmh_queue_resize(q, size ? size : ctrl->opts.queue_size);
}

static int fake_quiesce(struct nvmh_ctrl *ctrl, bool shutdown)
{
	(void)shutdown;
	return path_of(ctrl)->stay_open ? -EAGAIN : 0;
}

static void fake_queue_free(struct nvmh_queue *q)
{
	(void)q;
}

/* Everything is about to be aborted: what came is stale from now on. */
static void fake_wipe(struct nvmh_queue *q)
{
	struct fake_path *p = path_of(q->ctrl);
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		if (p->cmd[i].q == q)
			p->cmd[i].req = NULL;
	}
	if (!q->qid) {
		memset(p->admin, 0, sizeof(p->admin));
		p->aer = NULL;
	}
}

static int fake_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct fake_path *p = path_of(q->ctrl);

	return q->qid ? submit_io(p, q, req) : submit_admin(p, req);
}

static void fake_commit(struct nvmh_queue *q)
{
	struct fake_path *p = path_of(q->ctrl);
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS; i++) {
		if (p->cmd[i].req && p->cmd[i].q == q)
			p->cmd[i].committed = true;
	}
	if (q->qid && !p->by_hand)
		nvmh_queue_kick(q);
}

static int fake_poll(struct nvmh_queue *q)
{
	struct fake_path *p = path_of(q->ctrl);

	return q->qid ? poll_io(p, q) : poll_admin(p, q);
}

static int fake_arm(struct nvmh_queue *q)
{
	(void)q;
	return 0;
}

static int fake_fd(struct nvmh_queue *q)
{
	return q->event_fd;
}

static const struct nvmh_step fake_steps[] = {
	{ "connect", nvmh_step_connect_adminq, 10000 },
	{ "identify", nvmh_step_identify, 10000 },
	{ "limits", fake_limits, 10000 },
	{ "number of queues", nvmh_step_nr_queues, 10000 },
	{ "I/O queues", nvmh_step_io_queues, 10000 },
	{ "asynchronous events", nvmh_step_async_events, 10000 },
	{ "scan namespaces", nvmh_step_scan, 10000 },
	{ NULL, NULL, 0 },
};

const struct nvmh_transport_ops fake_path_ops = {
	.name = "fake",
	.remote = true,
	.steps = fake_steps,
	.open = fake_open,
	.connect_adminq = fake_connect,
	.queue_create = fake_queue_create,
	.quiesce = fake_quiesce,
	.queue_free = fake_queue_free,
	.free = fake_free,
	.queue_submit = fake_submit,
	.queue_commit = fake_commit,
	.queue_poll = fake_poll,
	.queue_arm = fake_arm,
	.queue_fd = fake_fd,
	.queue_wipe = fake_wipe,
};
