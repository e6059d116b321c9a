/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real cores and connections, hosts on socket pairs that the test plays byte by byte, and a
 * namespace whose commands end when the test says so; for tests of queues that go from one core to
 * another. The test's thread stands for the main thread.
 */
#ifndef TESTS_UNIT_MOVE_RIG_H
#define TESTS_UNIT_MOVE_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "target/subsys.h"
#include "tests/unit/pdu_wire.h"

#define NQN	"nqn.2026-01.org.example:a"
#define HOSTNQN "nqn.2026-01.org.example:host"

enum {
	BLOCK = 4096,
	NR_BLOCKS = 256,
	SLOW_MAX = 64,
	WAIT_MS = 60000, /* a bound for what takes milliseconds: only a hang reaches it */
	ENTRIES = 32,
};

static const char json[] =
	"{\"nvmetcpd\":{\"cores\":2,\"memory\":\"4M\",\"hugepages\":\"off\",\"balance\":false,"
	" \"spin_us\":0,\"in_capsule_data_size\":8192},"
	"\"subsystems\":[{\"nqn\":\"" NQN "\",\"attr\":{\"allow_any_host\":true},"
	" \"namespaces\":[{\"nsid\":1,\"device\":{\"mem\":\"1M\",\"block_size\":4096}}]}],"
	"\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"127.0.0.1\"},\"subsystems\":[\"" NQN
	"\"]}]}";

static struct config *config;
static struct nvmet_port port;
static struct nvmet_subsys *subsys, *port_subsys[1];

/* ---- the namespace ---- */

static struct nvmet_ns_ops slow_ops;
static const struct nvmet_ns_ops *fast_ops;
static pthread_mutex_t slow_lock = PTHREAD_MUTEX_INITIALIZER;
static bool slow;			    /* commands wait in here: */
static struct nvmet_req *waiting[SLOW_MAX]; /* all of one core */
static unsigned int nr_waiting;
static int last_core; /* that a command came from */

static inline void slow_submit(struct nvmet_req *req)
{
	bool wait;

	pthread_mutex_lock(&slow_lock);
	last_core = req->sq->core->index;
	wait = slow;
	if (wait) {
		assert_true(nr_waiting < SLOW_MAX);
		waiting[nr_waiting++] = req;
	}
	pthread_mutex_unlock(&slow_lock);
	if (!wait)
		fast_ops->submit(req);
}

static inline unsigned int count_waiting(void)
{
	unsigned int nr;

	pthread_mutex_lock(&slow_lock);
	nr = nr_waiting;
	pthread_mutex_unlock(&slow_lock);
	return nr;
}

static inline void let_go(void *arg)
{
	struct nvmet_req *req[SLOW_MAX];
	unsigned int nr;

	(void)arg;
	pthread_mutex_lock(&slow_lock);
	nr = nr_waiting;
	memcpy(req, waiting, sizeof(req));
	nr_waiting = 0;
	slow = false;
	pthread_mutex_unlock(&slow_lock);
	for (unsigned int i = 0; i < nr; i++)
		fast_ops->submit(req[i]);
}

static inline void set_slow(void)
{
	pthread_mutex_lock(&slow_lock);
	slow = true;
	pthread_mutex_unlock(&slow_lock);
}

/* ---- the target ---- */

static inline int setup(void **state)
{
	struct config_errors errs = { 0 };

	(void)state;
	log_set_level(LOG_LVL_ERROR);
	assert_int_equal(config_parse(json, strlen(json), &config, &errs), 0);
	assert_int_equal(nvmet_cores_start(config), 0);
	assert_int_equal(nvmet_subsys_create(&config->subsystems[0], &subsys), 0);
	assert_int_equal(nvmet_ns_attach_cores(subsys->ns[1]), 0);
	fast_ops = subsys->ns[1]->ops;
	slow_ops = *fast_ops;
	slow_ops.submit = slow_submit;
	subsys->ns[1]->ops = &slow_ops;
	port_subsys[0] = subsys;
	port = (struct nvmet_port){ .cfg = &config->ports[0],
				    .subsystems = port_subsys,
				    .nr_subsystems = 1 };
	return 0;
}

static inline uint32_t nr_conns(void)
{
	uint32_t nr = 0;

	nvmet_lock();
	for (int i = 0; i < nvmet.nr_cores; i++)
		nr += atomic_load(&nvmet.cores[i]->nr_conns);
	nvmet_unlock();
	return nr;
}

static inline uint64_t wait_until(void)
{
	return clock_now_ns() + WAIT_MS * 1000000ull;
}

static inline void wait_step(uint64_t until, const char *what)
{
	if (clock_now_ns() > until)
		fail_msg("does not come: %s", what);
	poll(NULL, 0, 1);
}

/* Looks at @cond until it holds. */
#define wait_for(cond) for (uint64_t until_ns = wait_until(); !(cond); wait_step(until_ns, #cond))

struct tally {
	size_t free_bytes, free_reserve;
	uint32_t nr_reqs, nr_io;
};

static inline void tally_core(void *arg)
{
	struct nvmet_core *core = loop_current() == nvmet.cores[0]->loop ? nvmet.cores[0]
									 : nvmet.cores[1];
	struct tally *t = arg;
	struct list *pos;

	t->free_bytes += mem_pool_free_bytes(core->pool);
	t->free_reserve += mem_pool_free_bytes(core->reserve);
	t->nr_reqs += core->nr_reqs;
	t->nr_io += core->place.nr_io;
	list_for_each(pos, &core->free_reqs)
		t->nr_reqs--;
	assert_true(list_empty(&core->conns) && list_empty(&core->place.movers));
}

/* Every connection is gone; nothing of theirs may be left anywhere. */
static inline int teardown(void **state)
{
	struct tally t = { 0 };

	(void)state;
	wait_for(!nr_conns());
	for (int i = 0; i < 2; i++)
		loop_call(nvmet.cores[i]->loop, tally_core, &t);
	assert_int_equal(t.free_bytes, 2 * config->daemon.memory_bytes);
	assert_int_equal(t.free_reserve, 2 * (NVMET_RESERVE_BYTES - NVMET_LOOKAHEAD_BYTES));
	assert_int_equal(t.nr_reqs + t.nr_io, 0);
	subsys->ns[1]->ops = fast_ops;
	nvmet_ns_detach_cores(subsys->ns[1]);
	nvmet_subsys_free(subsys);
	nvmet_cores_stop();
	config_free(config);
	nvmet.cfg = NULL;
	return 0;
}

/* ---- a host ---- */

static inline void put_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		buf = (const uint8_t *)buf + n;
		len -= (size_t)n;
	}
}

static inline void get_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, buf, len, 0);

		assert_true(n > 0);
		buf = (uint8_t *)buf + n;
		len -= (size_t)n;
	}
}

static inline void put_header(int fd, uint8_t type, uint8_t flags, const void *body,
			      const void *data, uint32_t len)
{
	uint8_t pdu[128] = { type, flags, wire_hlen(type), len ? wire_hlen(type) : 0 };

	wire_put32(pdu + 4, wire_hlen(type) + len);
	memcpy(pdu + 8, body, wire_hlen(type) - 8u);
	put_all(fd, pdu, wire_hlen(type));
	put_all(fd, data, len);
}

static inline int host_open(void)
{
	struct timeval tv = { .tv_sec = WAIT_MS / 1000 };
	uint8_t ic[128] = { 0 };
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	nvmet_conn_open(fd[0], &port);
	put_header(fd[1], NVME_TCP_ICREQ, 0, ic, NULL, 0);
	get_all(fd[1], ic, sizeof(ic));
	assert_int_equal(ic[0], NVME_TCP_ICRESP);
	return fd[1];
}

static inline void put_cmd(int fd, const void *sqe, const void *icd, uint32_t len)
{
	put_header(fd, NVME_TCP_CMD, 0, sqe, icd, len);
}

/* Return: the command id of the response; its status must be 0. */
static inline uint16_t get_rsp(int fd, uint64_t *result)
{
	struct nvme_tcp_rsp rsp;

	get_all(fd, &rsp, sizeof(rsp));
	assert_int_equal(rsp.hdr.type, NVME_TCP_RSP);
	assert_int_equal(le16_get(rsp.cqe.status), 0);
	if (result)
		*result = le64_get(rsp.cqe.result);
	return rsp.cqe.cid;
}

static inline int host_connect(uint16_t qid, uint16_t *cntlid)
{
	struct nvme_fabrics_connect sqe = {
		.opcode = NVME_FABRICS_OPCODE,
		.flags = NVME_SQE_PSDT_SGL,
		.fctype = NVME_FCTYPE_CONNECT,
		.qid = le16_make(qid),
		.sqsize = le16_make(ENTRIES - 1),
	};
	struct nvme_connect_data data = { .cntlid = le16_make(qid ? *cntlid : 0xffff) };
	struct nvme_sgl sgl = { .length = le32_make(sizeof(data)), .type = NVME_SGL_DATA_OFFSET };
	int fd = host_open();
	uint64_t result;

	memcpy((uint8_t *)&sqe + offsetof(struct nvme_sqe, dptr), &sgl, sizeof(sgl));
	snprintf(data.subnqn, sizeof(data.subnqn), NQN);
	snprintf(data.hostnqn, sizeof(data.hostnqn), HOSTNQN);
	put_cmd(fd, &sqe, &data, sizeof(data));
	get_rsp(fd, &result);
	if (!qid)
		*cntlid = (uint16_t)result;
	return fd;
}

/* A controller's admin queue, enabled. */
static inline int host_admin(uint16_t *cntlid)
{
	struct nvme_fabrics_property cc = {
		.opcode = NVME_FABRICS_OPCODE,
		.flags = NVME_SQE_PSDT_SGL,
		.fctype = NVME_FCTYPE_PROPERTY_SET,
		.offset = le32_make(NVME_REG_CC),
		.value = le64_make(0x00460001),
	};
	int fd = host_connect(0, cntlid);

	put_cmd(fd, &cc, NULL, 0);
	get_rsp(fd, NULL);
	return fd;
}

static inline void put_rw(int fd, uint8_t opcode, uint16_t cid, uint32_t slba, uint32_t nlb,
			  const void *icd)
{
	uint32_t len = nlb * BLOCK;
	struct nvme_sqe sqe = {
		.opcode = opcode,
		.flags = NVME_SQE_PSDT_SGL,
		.cid = cid,
		.nsid = le32_make(1),
		.cdw10 = le32_make(slba),
		.cdw12 = le32_make(nlb - 1),
		.dptr.sgl = { .length = le32_make(len),
			      .type = icd ? NVME_SGL_DATA_OFFSET : NVME_SGL_TRANSPORT },
	};

	put_cmd(fd, &sqe, icd, icd ? len : 0);
}

static inline void get_r2t(int fd, struct nvme_tcp_r2t *r2t)
{
	get_all(fd, r2t, sizeof(*r2t));
	assert_int_equal(r2t->hdr.type, NVME_TCP_R2T);
}

static inline void put_data(int fd, const struct nvme_tcp_r2t *r2t, uint8_t fill)
{
	uint32_t len = le32_get(r2t->r2tl);
	struct nvme_tcp_data pdu = {
		.cccid = r2t->cccid, .ttag = r2t->ttag, .datao = r2t->r2to, .datal = r2t->r2tl
	};
	uint8_t *data = malloc(len);

	assert_non_null(data);
	memset(data, fill, len);
	put_header(fd, NVME_TCP_H2C_DATA, NVME_TCP_F_DATA_LAST, (uint8_t *)&pdu + 8, data, len);
	free(data);
}

/* One block read, all of whose bytes must be @fill. */
static inline void check_block(int fd, uint32_t slba, uint8_t fill)
{
	struct nvme_tcp_data pdu;
	uint8_t block[BLOCK], want[BLOCK];

	put_rw(fd, nvme_cmd_read, 77, slba, 1, NULL);
	get_all(fd, &pdu, sizeof(pdu));
	assert_int_equal(pdu.hdr.type, NVME_TCP_C2H_DATA);
	get_all(fd, block, sizeof(block));
	assert_int_equal(get_rsp(fd, NULL), 77);
	memset(want, fill, sizeof(want));
	assert_memory_equal(block, want, sizeof(want));
}

static inline void write_block(int fd, uint32_t slba, uint8_t fill)
{
	uint8_t block[BLOCK];

	memset(block, fill, sizeof(block));
	put_rw(fd, nvme_cmd_write, 78, slba, 1, block);
	assert_int_equal(get_rsp(fd, NULL), 78);
}

static inline void host_gone(int fd)
{
	close(fd);
}

/* ---- moving ---- */

struct move_call {
	uint16_t qid;
	int core, to;
	int ret; /* -ENOENT: no such queue there */
};

static inline void move_on_core(void *arg)
{
	struct move_call *call = arg;
	struct list *pos;

	call->ret = -ENOENT;
	list_for_each(pos, &nvmet.cores[call->core]->conns) {
		struct nvmet_conn *conn = list_entry(pos, struct nvmet_conn, link);

		if (conn->sq.ctrl && conn->sq.qid == call->qid)
			call->ret = nvmet_move_start(conn, nvmet.cores[call->to]);
	}
}

static inline int move(uint16_t qid, int core, int to)
{
	struct move_call call = { qid, core, to, 0 };

	loop_call(nvmet.cores[core]->loop, move_on_core, &call);
	return call.ret;
}

/* Where the queue is; -1: on its way, or gone. A move to the same core is refused there. */
static inline int where(uint16_t qid)
{
	for (int i = 0; i < 2; i++)
		if (move(qid, i, i) == -EINVAL)
			return i;
	return -1;
}

static inline uint64_t stayed(void)
{
	return atomic_load(&nvmet.cores[0]->place.nr_stayed) +
	       atomic_load(&nvmet.cores[1]->place.nr_stayed);
}

struct rig {
	uint16_t cntlid;
	int admin, io;
	int home; /* core of the I/O queue at first */
};

static inline struct rig rig_open(void)
{
	struct rig r;

	r.admin = host_admin(&r.cntlid);
	r.io = host_connect(1, &r.cntlid);
	r.home = where(1);
	assert_true(r.home >= 0);
	return r;
}

static inline void rig_close(struct rig *r)
{
	host_gone(r->io);
	host_gone(r->admin);
}

#endif /* TESTS_UNIT_MOVE_RIG_H */
