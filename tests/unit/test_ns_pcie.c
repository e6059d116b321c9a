// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces on drives, over a host library that is made of the functions below: what reaches which
 * queue from which core, full and lost queues, answers, and that an interrupt wakes a core once.
 */
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

int nvmet_drive_get(const char *bdf, struct nvmet_drive **drivep)
{
	assert_string_equal(bdf, "0000:01:00.0");
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

static struct nvmh_ctrl *drive_ctrl(void)
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
static void update(void)
{
	watcher->update(watcher, drive_ctrl());
}

static void set_nr_queues(uint16_t nr)
{
	for (int i = 0; i < FAKE_CORES; i++)
		atomic_store(&share[i].nr_queues, nr);
}

/* ---- the tests' own ---- */

static struct fake_sq *admin, *io[FAKE_CORES];
static uint8_t pi_type; /* of the drive's namespace */

/* Core 0 has the drive's only queue, core 1 goes through it. */
static int setup(void **state)
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
		.nsid = DRIVE_NSID, .lba_size = BLOCK, .nsze = 1 << 20, .uuid = { 7 }
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

static int setup_pi1(void **state)
{
	pi_type = 1;
	return setup(state);
}

static int setup_pi3(void **state)
{
	pi_type = 3;
	return setup(state);
}

static int teardown(void **state)
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

static void stop_loop(struct loop_work *w)
{
	loop_stop(container_of(w, struct turn, work)->loop);
}

/* One turn of one core. */
static void turn(int core)
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

static void call_cmd(void *arg)
{
	struct call *c = arg;

	c->status = fake_cmd(c->f, &c->sqe, c->data, c->len);
}

/* A command on the queue of @core, in its thread. */
static uint16_t cmd(int core, struct nvme_sqe sqe, void *data, uint32_t len)
{
	struct call c = { .f = io[core], .sqe = sqe, .data = data, .len = len };

	sqe.nsid = le32_make(1);
	c.sqe = sqe;
	loop_call(nvmet.cores[core]->loop, call_cmd, &c);
	return c.status;
}

static uint16_t write_cmd(int core, uint32_t slba)
{
	static uint8_t data[BLOCK];
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write, .cdw10 = le32_make(slba) };

	return cmd(core, sqe, data, sizeof(data));
}

static uint16_t flush_cmd(int core)
{
	return cmd(core, (struct nvme_sqe){ .opcode = nvme_cmd_flush }, NULL, 0);
}

/* ---- tests ---- */

static void test_ns_pcie_commands_are_translated(void **state)
{
	struct nvme_dsm_range ranges[2] = { { .nlb = htole32(3), .slba = htole64(9) } };
	static const struct {
		struct nvme_sqe sqe;
		uint32_t cdw12; /* as the drive gets it */
	} cases[] = {
		{ { .opcode = nvme_cmd_flush }, 0 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw10 = { 5 }, .cdw12 = { 99 } }, 99 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw12 = { 99 | 1u << 25 } }, 99 | 1u << 25 },
		{ { .opcode = nvme_cmd_write_zeroes, .cdw12 = { 1u << 30 } }, 1u << 30 },
	};
	uint8_t data[4 * BLOCK] = { 0 };
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write, .cdw12 = le32_make(3 | 1u << 30) };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cmd(0, cases[i].sqe, NULL, 0), FAKE_HELD);
		assert_int_equal(queue.seen[i].opcode, cases[i].sqe.opcode);
		assert_int_equal(le32_get(queue.seen[i].nsid), DRIVE_NSID);
		assert_int_equal(le32_get(queue.seen[i].cdw12), cases[i].cdw12);
	}
	assert_int_equal(le32_get(queue.seen[1].cdw10), 5);
	assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
	assert_int_equal(le32_get(queue.seen[4].cdw12), 3 | 1u << 30);
	sqe = (struct nvme_sqe){ .opcode = nvme_cmd_dsm, .cdw10 = { 1 }, .cdw11 = { 4 } };
	assert_int_equal(cmd(0, sqe, ranges, sizeof(ranges)), FAKE_HELD);
	assert_int_equal(le32_get(queue.seen[5].cdw10), 1);
	assert_int_equal(le32_get(queue.seen[5].cdw11), 4);
	turn(0);
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_int_equal(queue.commits, 1);
}

/* The drive makes, checks and strips what the host does not see: PRACT, the checks, the reference
 * tag, where a command is on blocks; and never what a host asks for. */
static void commands_with_protection(uint32_t prinfo)
{
	static const struct {
		struct nvme_sqe sqe;
		uint32_t cdw12;	 /* beside the protection */
		uint32_t checks; /* of what is asked for */
		uint32_t cdw14;
		uint32_t len;
	} cases[] = {
		{ { .opcode = nvme_cmd_write, .cdw10 = { 7 }, .cdw12 = { 1 } }, 1, 7u << 26, 7, 2 },
		{ { .opcode = nvme_cmd_compare, .cdw10 = { 9 } }, 0, 7u << 26, 9, 1 }, /* by Read */
		{ { .opcode = nvme_cmd_write_zeroes, .cdw10 = { 5 }, .cdw12 = { 99 } },
		  99,
		  0,
		  5,
		  0 },
	};
	struct nvme_dsm_range range = { .nlb = htole32(3), .slba = htole64(9) };
	struct nvme_sqe dsm = { .opcode = nvme_cmd_dsm, .cdw11 = le32_make(4) };
	uint8_t data[2 * BLOCK] = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cmd(0, cases[i].sqe, data, cases[i].len * BLOCK), FAKE_HELD);
		assert_int_equal(le32_get(queue.seen[i].cdw12),
				 cases[i].cdw12 | 1u << 29 | (prinfo & cases[i].checks));
		assert_int_equal(le32_get(queue.seen[i].cdw14), cases[i].cdw14);
		turn(0);
		turn(0);
		assert_int_equal(io[0]->sq.outstanding, 0);
	}
	assert_int_equal(flush_cmd(0), FAKE_HELD);
	assert_int_equal(cmd(0, dsm, &range, sizeof(range)), FAKE_HELD);
	for (unsigned int i = 3; i < 5; i++) {
		assert_int_equal(le32_get(queue.seen[i].cdw12), 0);
		assert_int_equal(le32_get(queue.seen[i].cdw14), 0);
	}
	turn(0);
	turn(0);
}

static void test_ns_pcie_protection_is_the_drives(void **state)
{
	(void)state;
	commands_with_protection(1u << 28 | 1u << 26); /* guard and reference tag */
}

static void test_ns_pcie_protection_of_type_3_has_no_reference_tag(void **state)
{
	(void)state;
	commands_with_protection(1u << 28);
}

static void test_ns_pcie_core_without_a_queue_goes_through_another(void **state)
{
	(void)state;
	assert_int_equal(write_cmd(1, 5), FAKE_HELD);
	assert_int_equal(queue.nr_seen, 0);
	turn(0); /* takes it and rings the doorbell */
	assert_int_equal(queue.nr_seen, 1);
	turn(0); /* reaps it */
	assert_int_equal(queue.nr, 0);
	assert_int_equal(io[1]->sq.outstanding, 1);
	turn(1); /* it answers on its own core */
	assert_int_equal(io[1]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[1])->status, 0);
}

static void test_ns_pcie_full_queue_makes_commands_wait_in_order(void **state)
{
	(void)state;
	queue.room = 2;
	queue.hold = true;
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(write_cmd(i % 2 ? 1 : 0, i), FAKE_HELD);
	turn(0);
	assert_int_equal(queue.nr_seen, 2);
	queue.hold = false;
	for (int i = 0; i < 6; i++)
		turn(0);
	turn(1);
	assert_int_equal(queue.nr_seen, 7);
	assert_int_equal(io[0]->sq.outstanding + io[1]->sq.outstanding, 0);
	/* of each core: in order */
	for (int parity = 0; parity < 2; parity++) {
		uint32_t next = (uint32_t)parity;

		for (unsigned int i = 0; i < 7; i++) {
			if (le32_get(queue.seen[i].cdw10) % 2 != (uint32_t)parity)
				continue;
			assert_int_equal(le32_get(queue.seen[i].cdw10), next);
			next += 2;
		}
	}
}

/* A format, say: what was checked against the old one must not reach the drive. */
static void test_ns_pcie_what_waits_does_not_outlive_the_namespace(void **state)
{
	struct nvmet_ns *ns = fake_subsys(SUBSYS)->all[1];

	(void)state;
	queue.room = 1;
	queue.hold = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	nvmet_ns_set_state(ns, ST_NS_NOT_READY | ST_DNR, 0);
	turn(0); /* core 1's comes */
	queue.hold = false;
	turn(0);
	turn(0);
	turn(1);
	assert_int_equal(queue.nr_seen, 1);
	assert_int_equal(io[0]->sq.outstanding + io[1]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[0])->status, ST_NS_NOT_READY | ST_DNR);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | ST_DNR);
}

static void test_ns_pcie_lost_queue_asks_the_host_to_come_again(void **state)
{
	(void)state;
	queue.live = false;
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | CRD1);

	/* also those that wait for room when it is lost */
	queue.live = true;
	queue.room = 1;
	queue.hold = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	queue.live = false;
	queue.hold = false;
	queue.status = ST_HOST_ABORTED;
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	for (uint64_t i = io[0]->nr_rsps - 3; i < io[0]->nr_rsps; i++)
		assert_int_equal(io[0]->rsp[i % FAKE_RSPS].status, ST_NS_NOT_READY | CRD1);
}

static void test_ns_pcie_drive_status_becomes_the_hosts(void **state)
{
	static const struct {
		uint16_t drive, host;
	} cases[] = {
		{ ST_WRITE_FAULT | ST_DNR, ST_WRITE_FAULT | ST_DNR },
		{ ST_WRITE_FAULT | ST_MORE | 2 << ST_CRD_SHIFT, ST_WRITE_FAULT },
		{ ST_HOST_ABORTED, ST_NS_NOT_READY | CRD1 },
		{ ST_HOST_PATH_ERROR, ST_NS_NOT_READY | CRD1 },
		{ ST_ABORT_QUEUE | ST_DNR, ST_NS_NOT_READY | CRD1 },
		{ ST_INVALID_NS | ST_DNR, ST_NS_NOT_READY },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		queue.status = cases[i].drive;
		assert_int_equal(flush_cmd(0), FAKE_HELD);
		turn(0);
		turn(0);
		assert_int_equal(fake_last(io[0])->status, cases[i].host);
	}
}

static void test_ns_pcie_zeroes_that_the_drive_refuses_are_written(void **state)
{
	struct nvme_sqe sqe = { .opcode = nvme_cmd_write_zeroes,
				.cdw10 = { 10 },
				.cdw12 = { 599 } };
	static const struct {
		uint32_t slba, nlb;
	} writes[] = { { 10, 256 }, { 266, 256 }, { 522, 88 } }; /* of 128 KiB at most */

	(void)state;
	queue.status = ST_INVALID_OPCODE | ST_DNR;
	assert_int_equal(cmd(0, sqe, NULL, 0), FAKE_HELD);
	turn(0);
	turn(0); /* refused */
	queue.status = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(writes); i++) {
		assert_int_equal(io[0]->sq.outstanding, 1);
		assert_int_equal(queue.nr_seen, i + 2);
		assert_int_equal(queue.seen[i + 1].opcode, nvme_cmd_write);
		assert_int_equal(le32_get(queue.seen[i + 1].cdw10), writes[i].slba);
		assert_int_equal(le32_get(queue.seen[i + 1].cdw12), writes[i].nlb - 1);
		turn(0);
	}
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_int_equal(fake_last(io[0])->status, 0);

	/* the drive is not asked again, and an error ends it */
	queue.status = ST_WRITE_FAULT;
	assert_int_equal(cmd(0, sqe, NULL, 0), FAKE_HELD);
	assert_int_equal(queue.seen[4].opcode, nvme_cmd_write);
	turn(0);
	turn(0);
	assert_int_equal(fake_last(io[0])->status, ST_WRITE_FAULT);
	assert_int_equal(queue.nr_seen, 5);
}

/* Compare reads behind the host's data: a failed read is no miscompare. */
static void test_ns_pcie_compare_reports_the_drives_error(void **state)
{
	struct nvme_sqe sqe = { .opcode = nvme_cmd_compare, .cdw12 = { 1 } };
	uint8_t data[2 * BLOCK] = { 0 };

	(void)state;
	queue.status = ST_READ_ERROR;
	assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
	assert_int_equal(queue.seen[0].opcode, nvme_cmd_read);
	assert_ptr_equal((uint8_t *)queue.queued[0]->iov->iov_base,
			 (uint8_t *)((uintptr_t)queue.queued[0]->iov->iov_base & ~4095ul));
	turn(0);
	turn(0);
	assert_int_equal(fake_last(io[0])->status, ST_READ_ERROR);

	queue.status = 0;
	for (int differ = 0; differ < 2; differ++) {
		uint8_t *blocks;

		assert_int_equal(cmd(0, sqe, data, sizeof(data)), FAKE_HELD);
		blocks = queue.queued[0]->iov->iov_base;
		memset(blocks, 0, sizeof(data));
		blocks[sizeof(data) - 1] = (uint8_t)differ;
		turn(0);
		turn(0);
		assert_int_equal(fake_last(io[0])->status, differ ? ST_COMPARE_FAILED : 0);
	}
}

static void test_ns_pcie_interrupt_keeps_no_core_awake(void **state)
{
	uint64_t one = 1;

	(void)state;
	assert_int_equal(flush_cmd(0), FAKE_HELD);
	turn(0);
	assert_int_equal(write(queue.fd, &one, sizeof(one)), sizeof(one));
	turn(0);
	assert_int_equal(io[0]->sq.outstanding, 0);
	assert_true(queue.arms > 0);
	/* readable still would mean that the loop finds it again in every turn */
	assert_int_equal(read(queue.fd, &one, sizeof(one)), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- what becomes of the drive and its namespace ---- */

/* Whether hosts were told that the namespace changed, since this was asked last. */
static bool told(void)
{
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	uint32_t nr = ctrl->nr_changed_ns;

	fake_turn();
	ctrl->nr_changed_ns = 0;
	return nr == 1 && ctrl->changed_ns[0] == 1;
}

static uint64_t shown_nsze(void)
{
	struct nvme_id_ns ns_id;

	assert_int_equal(fake_identify(admin, NVME_IDENTIFY_CNS_NS, 1, &ns_id), 0);
	return le64toh(ns_id.nsze);
}

static void test_ns_pcie_fewer_queues_after_a_reset_go_through_another(void **state)
{
	(void)state;
	set_nr_queues(0); /* a reset is under way */
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(write_cmd(1, 1), ST_NS_NOT_READY | CRD1);
	set_nr_queues(1);
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	turn(0);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, 0);
	/* one on its way to the other core while the drive goes */
	assert_int_equal(write_cmd(1, 1), FAKE_HELD);
	set_nr_queues(0);
	turn(0);
	turn(1);
	assert_int_equal(fake_last(io[1])->status, ST_NS_NOT_READY | CRD1);
	assert_int_equal(queue.nr_seen, 1);
}

static void test_ns_pcie_drive_that_is_away_asks_to_come_again(void **state)
{
	(void)state;
	drive_away = true;
	update();
	assert_true(told());
	assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | CRD1);
	assert_int_equal(shown_nsze(), 1 << 20); /* hosts keep it */
	update();
	assert_false(told()); /* nothing new */
	drive_away = false;
	update();
	assert_true(told());
	assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	turn(0);
}

static void test_ns_pcie_another_size_is_told_and_kept_to(void **state)
{
	static const uint64_t sizes[] = { 2 << 20, 1000, 1 << 20 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		drive_ns.nsze = sizes[i];
		update();
		assert_true(told());
		assert_int_equal(shown_nsze(), sizes[i]);
		assert_int_equal(write_cmd(0, (uint32_t)sizes[i] - 1), FAKE_HELD);
		assert_int_equal(write_cmd(0, (uint32_t)sizes[i]), ST_LBA_RANGE | ST_DNR);
		turn(0);
		turn(0);
	}
}

static void test_ns_pcie_what_is_no_longer_the_same_is_lost(void **state)
{
	struct nvmh_ns was = drive_ns;

	(void)state;
	for (int how = 0; how < 5; how++) {
		switch (how) {
		case 0:
			drive_ns.lba_size = 4096;
			break;
		case 1:
			drive_ns.uuid[3] = 1;
			break;
		case 2:
			drive_ns.ms = 8;
			break;
		case 3:
			drive_ns.nsid = 0; /* gone */
			break;
		case 4:
			drive_max_xfer = 64 << 10;
		}
		update();
		assert_true(told());
		assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | ST_DNR);
		drive_away = true; /* no reason to hope */
		update();
		assert_int_equal(write_cmd(0, 1), ST_NS_NOT_READY | ST_DNR);
		drive_away = false;
		drive_ns = was;
		drive_max_xfer = 128 << 10;
		update();
		assert_true(told());
		assert_int_equal(write_cmd(0, 1), FAKE_HELD);
		turn(0);
		turn(0);
	}
}

/* Hosts do not see it until its drive is there; then as any other. */
static void test_ns_pcie_drive_missing_at_start_appears_later(void **state)
{
	(void)state;
	assert_int_equal(shown_nsze(), 0);
	assert_int_equal(write_cmd(0, 1), ST_INVALID_NS | ST_DNR);
	assert_int_equal(fake_subsys(SUBSYS)->nr_ns, 0);
	drive_max_xfer = 512 << 10;
	drive_away = false;
	update();
	assert_true(told());
	assert_int_equal(shown_nsze(), 1 << 20);
	assert_int_equal(fake_subsys(SUBSYS)->ns[1]->uuid[0], 7);
	assert_int_equal(fake_subsys(SUBSYS)->ns[1]->max_xfer, 128 << 10); /* as MDTS said */
	assert_int_equal(write_cmd(0, 1), FAKE_HELD);
	turn(0);
	turn(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ns_pcie_commands_are_translated),
		cmocka_unit_test_setup_teardown(test_ns_pcie_protection_is_the_drives, setup_pi1,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_ns_pcie_protection_of_type_3_has_no_reference_tag, setup_pi3,
			teardown),
		TEST(test_ns_pcie_core_without_a_queue_goes_through_another),
		TEST(test_ns_pcie_full_queue_makes_commands_wait_in_order),
		TEST(test_ns_pcie_what_waits_does_not_outlive_the_namespace),
		TEST(test_ns_pcie_lost_queue_asks_the_host_to_come_again),
		TEST(test_ns_pcie_drive_status_becomes_the_hosts),
		TEST(test_ns_pcie_zeroes_that_the_drive_refuses_are_written),
		TEST(test_ns_pcie_compare_reports_the_drives_error),
		TEST(test_ns_pcie_interrupt_keeps_no_core_awake),
		TEST(test_ns_pcie_fewer_queues_after_a_reset_go_through_another),
		TEST(test_ns_pcie_drive_that_is_away_asks_to_come_again),
		TEST(test_ns_pcie_another_size_is_told_and_kept_to),
		TEST(test_ns_pcie_what_is_no_longer_the_same_is_lost),
		cmocka_unit_test_prestate_setup_teardown(
			test_ns_pcie_drive_missing_at_start_appears_later, setup, teardown,
			(void *)"missing"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
