// SPDX-License-Identifier: BSD-2-Clause
/*
 * The target without its transport; see the header. Runs in the test's thread. Entry points:
 * fake_nvmet_start(), fake_sq_new(), fake_cmd().
 */
#include "tests/fake/fake_sq.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/stream.h"
#include "common/log.h"
#include "target/dispatch.h"

enum {
	POOL_BYTES = 8 << 20,
	POOL_ALIGN = 2 << 20,
};

static struct config *config;
static void *pool_memory[FAKE_CORES];
static struct nvmet_core *core_list[FAKE_CORES];

#define must(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

const char fake_json[] =
	"{\"nvmetcpd\":{\"cores\":2,\"max_io_size\":\"256K\",\"in_capsule_data_size\":16384,"
	" \"io_queue_depth\":128,\"max_io_queues\":8},"
	"\"subsystems\":["
	" {\"nqn\":\"" FAKE_SUBSYS "\",\"attr\":{\"allow_any_host\":true,\"serial\":\"SN-A\","
	"   \"model\":\"Model A\",\"firmware\":\"1.2.3\",\"ieee_oui\":\"0x00a0b8\","
	"   \"vendor_id\":\"0x1af4\",\"subsys_vendor_id\":\"0x1af5\"},"
	"  \"namespaces\":["
	"   {\"nsid\":1,\"device\":{\"mem\":\"1M\",\"block_size\":512,"
	"     \"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\"}},"
	"   {\"nsid\":2,\"device\":{\"null\":\"1G\",\"block_size\":4096,\"read_only\":true,"
	"     \"nguid\":\"0102030405060708090a0b0c0d0e0f10\",\"eui64\":\"1112131415161718\"}},"
	"   {\"nsid\":4,\"enable\":false,\"device\":{\"null\":\"1G\"}},"
	"   {\"nsid\":5,\"device\":{\"null\":\"2G\"}}]},"
	" {\"nqn\":\"" FAKE_SUBSYS_ACL "\",\"allowed_hosts\":[\"" FAKE_HOST "\"],"
	"  \"attr\":{\"cntlid_min\":7,\"cntlid_max\":7,\"qid_max\":2},"
	"  \"namespaces\":[{\"nsid\":1,\"device\":{\"null\":\"1G\"}}]},"
	" {\"nqn\":\"" FAKE_SUBSYS_NONE "\",\"attr\":{\"allow_any_host\":true}}],"
	"\"ports\":["
	" {\"portid\":1,\"addr\":{\"traddr\":\"192.0.2.1\",\"trsvcid\":\"4420\"},"
	"  \"subsystems\":[\"" FAKE_SUBSYS "\",\"" FAKE_SUBSYS_ACL "\",\"" FAKE_SUBSYS_NONE "\"],"
	"  \"referrals\":[{\"name\":\"r1\",\"addr\":{\"adrfam\":\"ipv4\","
	"     \"traddr\":\"192.0.2.2\",\"trsvcid\":\"8009\",\"portid\":9}},"
	"   {\"name\":\"r2\",\"enable\":false,\"addr\":{\"adrfam\":\"ipv4\","
	"     \"traddr\":\"192.0.2.3\",\"trsvcid\":\"8009\",\"portid\":10}}]},"
	" {\"portid\":2,\"addr\":{\"adrfam\":\"ipv6\",\"traddr\":\"::\",\"trsvcid\":\"0\"},"
	"  \"subsystems\":[\"" FAKE_SUBSYS_NONE "\"]}]}";

/* ---- the target ---- */

static struct nvmet_core *core_new(int index)
{
	struct nvmet_core *core = calloc(1, sizeof(*core));
	struct loop_opts opts = { .name = "fake", .cpu = -1 };

	must(core);
	core->index = index;
	list_init(&core->conns);
	list_init(&core->dirty);
	list_init(&core->starved);
	list_init(&core->free_reqs);
	core->req_chunk = calloc(NVMET_MAX_REQS / NVMET_REQ_CHUNK + 1, sizeof(*core->req_chunk));
	pool_memory[index] = aligned_alloc(POOL_ALIGN, POOL_BYTES);
	must(core->req_chunk && pool_memory[index]);
	must(!mem_pool_create(pool_memory[index], POOL_BYTES, &core->pool));
	must(!loop_create(&opts, &core->loop));
	return core;
}

static void core_free(struct nvmet_core *core)
{
	loop_free(core->loop);
	for (uint32_t i = 0; i < core->nr_reqs / NVMET_REQ_CHUNK; i++)
		free(core->req_chunk[i]);
	free(core->req_chunk);
	mem_pool_free(core->pool);
	free(pool_memory[core->index]);
	free(core);
}

static void port_new(const struct config_port *cfg)
{
	struct nvmet_port *port = calloc(1, sizeof(*port));
	socklen_t len;

	must(port);
	port->cfg = cfg;
	port->fd = -1;
	port->subsystems = calloc(cfg->nr_subsystems + 1, sizeof(*port->subsystems));
	must(port->subsystems);
	must(!sock_addr(cfg->addr.traddr, cfg->addr.trsvcid, &port->addr, &len));
	for (uint32_t i = 0; i < cfg->nr_subsystems; i++)
		port->subsystems[port->nr_subsystems++] =
			fake_subsys(config->subsystems[cfg->subsystems[i]].nqn);
	list_add_tail(&nvmet.ports, &port->link);
}

void fake_nvmet_start(const char *json)
{
	struct config_errors errs = { 0 };
	struct nvmet_subsys *subsys;

	if (config_parse(json, strlen(json), &config, &errs)) {
		config_errors_print(&errs, stderr, "test");
		abort();
	}
	nvmet.cfg = config;
	for (int i = 0; i < FAKE_CORES; i++)
		core_list[i] = core_new(i);
	nvmet.cores = core_list;
	nvmet.nr_cores = FAKE_CORES;
	must(!nvmet_discovery_create());
	for (uint32_t i = 0; i < config->nr_subsystems; i++)
		must(!nvmet_subsys_create(&config->subsystems[i], &subsys));
	for (uint32_t i = 0; i < config->nr_ports; i++)
		port_new(&config->ports[i]);
}

void fake_nvmet_stop(void)
{
	struct list *l;

	fake_turn();
	while ((l = list_pop(&nvmet.ports))) {
		struct nvmet_port *port = list_entry(l, struct nvmet_port, link);

		free(port->subsystems);
		free(port);
	}
	while (!list_empty(&nvmet.subsystems))
		nvmet_subsys_free(list_first(&nvmet.subsystems, struct nvmet_subsys, link));
	for (int i = 0; i < FAKE_CORES; i++)
		core_free(core_list[i]);
	nvmet.cores = NULL;
	nvmet.nr_cores = 0;
	nvmet.cfg = NULL;
	config_free(config);
	config = NULL;
}

struct nvmet_port *fake_port(unsigned int i)
{
	struct list *pos;

	list_for_each(pos, &nvmet.ports) {
		if (!i--)
			return list_entry(pos, struct nvmet_port, link);
	}
	return NULL;
}

struct nvmet_subsys *fake_subsys(const char *nqn)
{
	struct list *pos;

	list_for_each(pos, &nvmet.subsystems) {
		struct nvmet_subsys *subsys = list_entry(pos, struct nvmet_subsys, link);

		if (!strcmp(subsys->nqn, nqn))
			return subsys;
	}
	return NULL;
}

struct turn {
	struct loop_work work;
	struct loop *loop;
};

static void turn_over(struct loop_work *w)
{
	loop_stop(container_of(w, struct turn, work)->loop);
}

void fake_turn(void)
{
	/* Twice: a message to a core that had its turn already. */
	for (int i = 0; i < 2 * FAKE_CORES; i++) {
		struct turn turn = { .loop = nvmet.cores[i % FAKE_CORES]->loop };

		loop_work_init(&turn.work, turn_over);
		loop_defer(turn.loop, &turn.work);
		must(!loop_run(turn.loop));
	}
}

int fake_nvmet_setup(void **state)
{
	(void)state;
	log_set_level(LOG_LVL_ERROR);
	fake_nvmet_start(fake_json);
	return 0;
}

int fake_nvmet_teardown(void **state)
{
	(void)state;
	fake_nvmet_stop();
	return 0;
}

/* ---- queues ---- */

static void fake_respond(struct nvmet_req *req)
{
	struct fake_sq *f = container_of(req->sq, struct fake_sq, sq);
	struct fake_rsp *rsp;
	struct nvme_cqe cqe;

	if (f->sq.dead) {
		nvmet_req_put(req);
		return;
	}
	nvmet_req_cqe(req, &cqe);
	rsp = &f->rsp[f->nr_rsps++ % FAKE_RSPS];
	*rsp = (struct fake_rsp){
		.cid = cqe.cid,
		.status = cqe_status(&cqe),
		.sqhd = le16_get(cqe.sqhd),
		.error_loc = req->error_loc,
		.result = le64_get(cqe.result),
	};
	if (req->dir == NVMET_TO_HOST && !req->status) {
		must(req->data_len <= f->len);
		rsp->len = req->data_len;
		memcpy(f->data, req->buf, req->data_len);
	}
	nvmet_req_put(req);
}

static void fake_close(struct nvmet_sq *sq, const char *why)
{
	struct fake_sq *f = container_of(sq, struct fake_sq, sq);

	if (f->closed)
		return;
	f->closed = true;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static const struct nvmet_sq_ops fake_ops = { .respond = fake_respond, .close = fake_close };

struct fake_sq *fake_sq_new(struct nvmet_port *port, int core)
{
	struct fake_sq *f = calloc(1, sizeof(*f));

	must(f && port);
	f->sq.ops = &fake_ops;
	f->sq.core = nvmet.cores[core];
	f->sq.port = port;
	f->sq.size = 1;
	f->sq.icd_bytes = port->cfg->in_capsule_bytes;
	f->sq.local = &f->local;
	f->sq.peer = "192.0.2.99:50000";
	f->local = port->addr;
	list_init(&f->sq.reqs);
	f->fill = 0xa5;
	return f;
}

void fake_sq_drop(struct fake_sq *f)
{
	f->sq.dead = true;
	if (!f->sq.ctrl)
		return;
	nvmet_sq_quiesce(&f->sq);
	must(!f->sq.outstanding && list_empty(&f->sq.reqs));
	nvmet_sq_detach(&f->sq);
	must(!f->sq.ctrl);
}

void fake_sq_free(struct fake_sq *f)
{
	if (!f)
		return;
	fake_sq_drop(f);
	free(f);
}

static bool has_data_from_host(const struct nvme_sqe *sqe)
{
	uint8_t code = sqe->opcode == NVME_FABRICS_OPCODE ? sqe_fctype(sqe) : sqe->opcode;

	return (code & 3) == NVME_DATA_TFR_HOST_TO_CTRL;
}

static void take_buffer(struct fake_sq *f, struct nvmet_req *req)
{
	req->buf_len = max_of(req->buf_len, req->data_len);
	nvmet_req_set_buf(req, mem_get(f->sq.core->pool, req->buf_len));
	must(req->buf);
	memset(req->buf, f->fill, mem_block_size(req->buf_len));
	if (req->dir != NVMET_FROM_HOST)
		return;
	must(has_data_from_host(&req->sqe) && req->data_len <= f->len);
	memcpy(req->buf, f->data, req->data_len);
}

uint16_t fake_cmd(struct fake_sq *f, const struct nvme_sqe *sqe, void *data, uint32_t len)
{
	struct nvmet_req *req = nvmet_req_get(&f->sq);
	uint64_t before = f->nr_rsps;
	uint16_t cid = f->next_cid++, status;
	const struct fake_rsp *rsp;

	must(req);
	req->sqe = *sqe;
	req->sqe.flags = NVME_SQE_PSDT_SGL;
	req->sqe.cid = cid;
	req->sqe.dptr.sgl =
		(struct nvme_sgl){ .length = le32_make(len), .type = NVME_SGL_TRANSPORT };
	f->data = data;
	f->len = len;
	status = nvmet_req_prepare(req, 0);
	if (status) {
		nvmet_req_complete(req, status);
	} else {
		if (req->data_len)
			take_buffer(f, req);
		nvmet_req_execute(req);
	}
	f->data = NULL;
	f->len = 0;
	rsp = f->nr_rsps > before ? fake_rsp_of(f, cid) : NULL;
	return rsp ? rsp->status : FAKE_HELD;
}

const struct fake_rsp *fake_last(const struct fake_sq *f)
{
	must(f->nr_rsps);
	return &f->rsp[(f->nr_rsps - 1) % FAKE_RSPS];
}

const struct fake_rsp *fake_rsp_of(const struct fake_sq *f, uint16_t cid)
{
	for (uint64_t i = 0; i < FAKE_RSPS && i < f->nr_rsps; i++) {
		const struct fake_rsp *rsp = &f->rsp[(f->nr_rsps - 1 - i) % FAKE_RSPS];

		if (rsp->cid == cid)
			return rsp;
	}
	return NULL;
}

/* ---- commands ---- */

void fake_connect_cmd(const struct fake_connect *c, struct nvme_fabrics_connect *sqe,
		      struct nvme_connect_data *data)
{
	*sqe = (struct nvme_fabrics_connect){
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_CONNECT,
		.qid = le16_make(c->qid),
		.sqsize = le16_make(c->sqsize ? c->sqsize : 31),
		.cattr = c->cattr,
		.kato = le32_make(c->kato_ms),
	};
	memset(data, 0, sizeof(*data));
	memset(data->hostid, c->hostid, sizeof(data->hostid));
	data->cntlid = le16_make(c->cntlid ? c->cntlid : NVME_CNTLID_DYNAMIC);
	snprintf(data->subnqn, sizeof(data->subnqn), "%s", c->subnqn);
	snprintf(data->hostnqn, sizeof(data->hostnqn), "%s", c->hostnqn);
}

uint16_t fake_connect_send(struct fake_sq *f, const struct nvme_fabrics_connect *sqe,
			   struct nvme_connect_data *data)
{
	struct nvme_sqe raw;

	memcpy(&raw, sqe, sizeof(raw));
	return fake_cmd(f, &raw, data, sizeof(*data));
}

uint16_t fake_connect(struct fake_sq *f, const struct fake_connect *c)
{
	struct nvme_fabrics_connect sqe;
	struct nvme_connect_data data;

	fake_connect_cmd(c, &sqe, &data);
	return fake_connect_send(f, &sqe, &data);
}

uint16_t fake_prop_get(struct fake_sq *f, uint32_t offset, int size, uint64_t *value)
{
	struct nvme_fabrics_property prop = {
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_PROPERTY_GET,
		.attrib = size == 8,
		.offset = le32_make(offset),
	};
	struct nvme_sqe raw;
	uint16_t status;

	memcpy(&raw, &prop, sizeof(raw));
	status = fake_cmd(f, &raw, NULL, 0);
	if (!status)
		*value = fake_last(f)->result;
	return status;
}

uint16_t fake_prop_set(struct fake_sq *f, uint32_t offset, uint64_t value)
{
	struct nvme_fabrics_property prop = {
		.opcode = NVME_FABRICS_OPCODE,
		.fctype = NVME_FCTYPE_PROPERTY_SET,
		.offset = le32_make(offset),
		.value = le64_make(value),
	};
	struct nvme_sqe raw;

	memcpy(&raw, &prop, sizeof(raw));
	return fake_cmd(f, &raw, NULL, 0);
}

struct fake_sq *fake_host(const char *subnqn, const char *hostnqn, uint8_t hostid)
{
	struct fake_connect c = { .subnqn = subnqn, .hostnqn = hostnqn, .hostid = hostid };
	struct fake_sq *f = fake_sq_new(fake_port(0), 0);

	must(!fake_connect(f, &c));
	must(!fake_prop_set(f, NVME_REG_CC, FAKE_CC_EN));
	return f;
}

struct fake_sq *fake_io_queue(struct fake_sq *admin, uint16_t qid, int core)
{
	const struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	struct fake_connect c = {
		.subnqn = ctrl->subsys->nqn,
		.hostnqn = ctrl->hostnqn,
		.hostid = ctrl->hostid[0],
		.qid = qid,
		.cntlid = ctrl->cntlid,
	};
	struct fake_sq *f = fake_sq_new(admin->sq.port, core);

	if (fake_connect(f, &c)) {
		fake_sq_free(f);
		return NULL;
	}
	return f;
}

uint16_t fake_admin(struct fake_sq *f, uint8_t opcode, uint32_t nsid, const uint32_t dw[6],
		    void *data, uint32_t len)
{
	struct nvme_sqe sqe = {
		.opcode = opcode,
		.nsid = le32_make(nsid),
		.cdw10 = le32_make(dw[0]),
		.cdw11 = le32_make(dw[1]),
		.cdw12 = le32_make(dw[2]),
		.cdw13 = le32_make(dw[3]),
		.cdw14 = le32_make(dw[4]),
		.cdw15 = le32_make(dw[5]),
	};

	return fake_cmd(f, &sqe, data, len);
}

uint16_t fake_identify(struct fake_sq *f, uint8_t cns, uint32_t nsid, void *data)
{
	const uint32_t dw[6] = { cns };

	return fake_admin(f, nvme_admin_identify, nsid, dw, data, NVME_IDENTIFY_DATA_SIZE);
}

uint16_t fake_get_log(struct fake_sq *f, uint8_t lid, bool rae, uint64_t off, void *data,
		      uint32_t len)
{
	uint32_t numd = len / 4 - 1;
	const uint32_t dw[6] = {
		lid | (uint32_t)rae << 15 | numd << 16,
		numd >> 16,
		(uint32_t)off,
		(uint32_t)(off >> 32),
	};

	return fake_admin(f, nvme_admin_get_log_page, NVME_NSID_BROADCAST, dw, data, len);
}
