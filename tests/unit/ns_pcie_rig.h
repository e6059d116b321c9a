/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of namespaces on drives share: a host library that is made of the functions below, a
 * drive, and two cores of which the first has the drive's only queue.
 */
#ifndef TESTS_UNIT_NS_PCIE_RIG_H
#define TESTS_UNIT_NS_PCIE_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "target/drive.h"
#include "tests/fake/fake_sq.h"

#define SUBSYS "nqn.2026-01.org.example:drive"

static const char json[] =
	"{\"nvmetcpd\":{\"cores\":2},"
	"\"subsystems\":[{\"nqn\":\"" SUBSYS "\",\"attr\":{\"allow_any_host\":true},"
	"  \"namespaces\":[{\"nsid\":1,\"device\":{\"pci\":\"0000:01:00.0\",\"nsid\":7}}]}],"
	"\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"192.0.2.1\",\"trsvcid\":\"4420\"},"
	"  \"subsystems\":[\"" SUBSYS "\"]}]}";

enum {
	BLOCK = 512,
	MAX_QUEUED = 64,
	DRIVE_NSID = 7,
	NOIOB = 64,
	CRD1 = 1 << ST_CRD_SHIFT,
};

/* ---- the host library, as far as it is used here ---- */

struct nvmh_queue {
	struct loop *loop; /* of the core it belongs to */
	int fd;
	uint16_t room;
	bool live;
	bool hold;	 /* commands stay with the drive */
	uint16_t status; /* that commands end with */
	struct nvmh_req *queued[MAX_QUEUED];
	unsigned int nr;
	unsigned int rung;		  /* of them the drive knows of */
	struct nvme_sqe seen[MAX_QUEUED]; /* in the order of submission */
	unsigned int nr_seen;
	unsigned int commits; /* that told anything */
	unsigned int arms;
	bool released;
};

static struct nvmh_queue queue;
static struct nvmet_drive_core share[FAKE_CORES];
static struct nvmet_drive_watcher *watcher;
static bool drive_away;
static uint32_t drive_max_xfer;
static struct nvme_id_ctrl id;
static struct nvmh_ns drive_ns;
static unsigned int watches;

int nvmh_queue_submit(struct nvmh_queue *q, struct nvmh_req *req)
{
	assert_ptr_equal(loop_current(), q->loop);
	if (!q->live)
		return -ENOTCONN;
	if (q->nr == q->room)
		return -EAGAIN;
	assert_true(q->nr < MAX_QUEUED && q->nr_seen < MAX_QUEUED);
	q->queued[q->nr++] = req;
	q->seen[q->nr_seen++] = req->sqe;
	return 0;
}

void nvmh_queue_commit(struct nvmh_queue *q)
{
	assert_ptr_equal(loop_current(), q->loop);
	q->commits += q->rung != q->nr;
	q->rung = q->nr;
}

int nvmh_queue_poll(struct nvmh_queue *q)
{
	unsigned int nr = q->hold ? 0 : q->rung;
	struct nvmh_req *done[MAX_QUEUED];

	assert_ptr_equal(loop_current(), q->loop);
	memcpy(done, q->queued, sizeof(done));
	memmove(q->queued, q->queued + nr, (q->nr - nr) * sizeof(q->queued[0]));
	q->nr -= nr;
	q->rung -= nr;
	for (unsigned int i = 0; i < nr; i++) {
		done[i]->status = q->status;
		done[i]->done(done[i]);
	}
	return (int)nr;
}

int nvmh_queue_fd(struct nvmh_queue *q)
{
	return q->fd;
}

int nvmh_queue_arm(struct nvmh_queue *q)
{
	uint64_t count;

	q->arms++;
	return read(q->fd, &count, sizeof(count)) < 0 && errno != EAGAIN;
}

void nvmh_queue_release(struct nvmh_queue *q)
{
	assert_int_equal(q->nr, 0);
	q->released = true;
}

uint16_t nvmh_queue_room(const struct nvmh_queue *q)
{
	return (uint16_t)(q->live ? q->room - q->nr : 0);
}

bool nvmh_queue_live(const struct nvmh_queue *q)
{
	return q->live;
}

void nvmh_prep_rw(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	req->sqe.opcode = opcode;
	req->sqe.nsid = le32_make(nsid);
	req->sqe.cdw10 = le32_make((uint32_t)slba);
	req->sqe.cdw11 = le32_make((uint32_t)(slba >> 32));
	req->sqe.cdw12 = le32_make(nlb - 1);
	assert_int_equal(iov ? iov->iov_len : 0, len);
	req->iov = iov;
	req->nr_iov = nr_iov;
	req->len = len;
}

void nvmh_prep_flush(struct nvmh_req *req, uint32_t nsid)
{
	req->sqe.opcode = nvme_cmd_flush;
	req->sqe.nsid = le32_make(nsid);
}

const struct nvmh_ns *nvmh_ctrl_ns_by_nsid(const struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	(void)ctrl;
	return nsid == drive_ns.nsid ? &drive_ns : NULL;
}

const struct nvme_id_ctrl *nvmh_ctrl_id(const struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
	return &id;
}

uint32_t nvmh_ctrl_max_xfer(const struct nvmh_ctrl *ctrl)
{
	(void)ctrl;
	return drive_max_xfer;
}

/* ---- the drive ---- */

const char *nvmet_drive_word(const struct nvmet_drive *drive)
{
	(void)drive;
	return "drive";
}

int nvmet_drive_get(const struct config_namespace *cfg, struct nvmet_drive **drivep)
{
	assert_string_equal(cfg->bdf, "0000:01:00.0");
	*drivep = (struct nvmet_drive *)share;
	return 0;
}

void nvmet_drive_put(struct nvmet_drive *drive)
{
	assert_ptr_equal(drive, share);
}

struct nvmet_drive_core *nvmet_drive_core(struct nvmet_drive *drive, const struct nvmet_core *core)
{
	(void)drive;
	return &share[core->index];
}

static inline struct nvmh_ctrl *drive_ctrl(void)
{
	return drive_away ? NULL : (struct nvmh_ctrl *)&drive_ns;
}

void nvmet_drive_watch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w)
{
	assert_ptr_equal(drive, share);
	watches++;
	watcher = w;
	w->update(w, drive_ctrl());
}

void nvmet_drive_tell(struct nvmet_drive *drive)
{
	(void)drive;
}

void nvmet_drive_unwatch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w)
{
	assert_ptr_equal(drive, share);
	assert_ptr_equal(w, watcher);
	watches--;
}

/* Something about the drive or its namespace is as it is now. */
static inline void update(void)
{
	watcher->update(watcher, drive_ctrl());
}

static inline void set_nr_queues(uint16_t nr)
{
	for (int i = 0; i < FAKE_CORES; i++)
		atomic_store(&share[i].nr_queues, nr);
}

/* ---- the tests' own ---- */

static struct fake_sq *admin, *io[FAKE_CORES];
static uint8_t pi_type; /* of the drive's namespace */

/* Core 0 has the drive's only queue, core 1 goes through it. */
static inline int setup(void **state)
{
	log_set_level(LOG_LVL_ERROR);
	memset(&queue, 0, sizeof(queue));
	memset(share, 0, sizeof(share));
	drive_away = false;
	drive_max_xfer = 128 << 10;
	memset(&id, 0, sizeof(id));
	id.vwc = 1;
	id.oncs = htole16(NVME_CTRL_ONCS_WRITE_ZEROES | NVME_CTRL_ONCS_DSM);
	drive_ns = (struct nvmh_ns){
		.nsid = DRIVE_NSID,
		.lba_size = BLOCK,
		.nsze = 1 << 20,
		.uuid = { 7 },
		.noiob = NOIOB,
	};
	drive_away = *state != NULL;
	if (pi_type) {
		drive_ns.ms = drive_ns.pi_size = 8;
		drive_ns.pi_type = pi_type;
	}
	fake_nvmet_start(json);
	queue.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	queue.loop = nvmet.cores[0]->loop;
	queue.room = 8;
	queue.live = true;
	for (int i = 0; i < FAKE_CORES; i++) {
		share[i].core = nvmet.cores[i];
		list_init(&share[i].waiting);
	}
	share[0].q = &queue;
	set_nr_queues(1);
	assert_int_equal(nvmet_ns_attach_cores(fake_subsys(SUBSYS)->all[1]), 0);
	admin = fake_host(SUBSYS, FAKE_HOST, 1);
	for (int i = 0; i < FAKE_CORES; i++) {
		io[i] = fake_io_queue(admin, (uint16_t)(i + 1), i);
		assert_non_null(io[i]);
	}
	return 0;
}

static inline int setup_pi1(void **state)
{
	pi_type = 1;
	return setup(state);
}

static inline int setup_pi3(void **state)
{
	pi_type = 3;
	return setup(state);
}

static inline int teardown(void **state)
{
	(void)state;
	pi_type = 0;
	for (int i = 0; i < FAKE_CORES; i++)
		fake_sq_free(io[i]);
	fake_sq_free(admin);
	nvmet_ns_detach_cores(fake_subsys(SUBSYS)->all[1]);
	assert_true(queue.released);
	fake_nvmet_stop();
	assert_int_equal(watches, 0);
	close(queue.fd);
	return 0;
}

struct turn {
	struct loop_work work;
	struct loop *loop;
};

static inline void stop_loop(struct loop_work *w)
{
	loop_stop(container_of(w, struct turn, work)->loop);
}

/* One turn of one core. */
static inline void turn(int core)
{
	struct turn t = { .loop = nvmet.cores[core]->loop };

	loop_work_init(&t.work, stop_loop);
	loop_defer(t.loop, &t.work);
	assert_int_equal(loop_run(t.loop), 0);
}

struct call {
	struct fake_sq *f;
	struct nvme_sqe sqe;
	void *data;
	uint32_t len;
	uint16_t status;
};

static inline void call_cmd(void *arg)
{
	struct call *c = arg;

	c->status = fake_cmd(c->f, &c->sqe, c->data, c->len);
}

/* A command on the queue of @core, in its thread. */
static inline uint16_t cmd(int core, struct nvme_sqe sqe, void *data, uint32_t len)
{
	struct call c = { .f = io[core], .sqe = sqe, .data = data, .len = len };

	sqe.nsid = le32_make(1);
	c.sqe = sqe;
	loop_call(nvmet.cores[core]->loop, call_cmd, &c);
	return c.status;
}

static inline uint16_t write_cmd(int core, uint32_t slba)
{
	static uint8_t data[BLOCK];
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write, .cdw10 = le32_make(slba) };

	return cmd(core, sqe, data, sizeof(data));
}

static inline uint16_t flush_cmd(int core)
{
	return cmd(core, (struct nvme_sqe){ .opcode = nvme_cmd_flush }, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* TESTS_UNIT_NS_PCIE_RIG_H */
