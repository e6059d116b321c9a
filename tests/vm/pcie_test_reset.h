/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of pcie_test.c that take the drive down: resets under load, of the PCI function, cut off from
 * memory, closed and opened again.
 */
#ifndef TESTS_VM_PCIE_TEST_RESET_H
#define TESTS_VM_PCIE_TEST_RESET_H

#include "tests/vm/pcie_test_io.h"

/* ---- reset under load ---- */

struct load {
	pthread_t thread;
	struct nvmh_queue *q;
	const struct nvmh_ns *ns;
	struct nvmh_req req[DEPTH];
	struct iovec iov[DEPTH];
	bool busy[DEPTH];
	char *mem;
	unsigned long ok;
	unsigned long aborted;
	unsigned long wrong; /* another status, or a completion that was not due */
	unsigned int outstanding;
};

static atomic_bool load_stop;

static void load_done(struct nvmh_req *req)
{
	struct load *load = req->arg;
	size_t i = (size_t)(req - load->req);

	load->wrong += !load->busy[i];
	load->busy[i] = false;
	load->outstanding--;
	if (!req->status)
		load->ok++;
	else if ((req->status & ST_MASK) == ST_HOST_ABORTED)
		load->aborted++;
	else
		load->wrong++;
}

static void *load_run(void *arg)
{
	struct load *load = arg;
	uint32_t nlb = LOAD_BLOCK / load->ns->lba_size;
	struct pollfd pfd = { .fd = nvmh_queue_fd(load->q), .events = POLLIN };
	unsigned int i;

	while (!atomic_load(&load_stop) || load->outstanding) {
		for (i = 0; i < DEPTH - 1 && !atomic_load(&load_stop); i++) {
			if (load->busy[i])
				continue;
			load->iov[i] =
				(struct iovec){ load->mem + (size_t)i * LOAD_BLOCK, LOAD_BLOCK };
			memset(&load->req[i], 0, sizeof(load->req[i]));
			nvmh_prep_rw(&load->req[i], nvme_cmd_write, load->ns->nsid,
				     (uint64_t)i * nlb, nlb, &load->iov[i], 1, LOAD_BLOCK);
			load->req[i].done = load_done;
			load->req[i].arg = load;
			if (nvmh_queue_submit(load->q, &load->req[i]))
				break;
			load->busy[i] = true;
			load->outstanding++;
		}
		nvmh_queue_commit(load->q);
		if (!nvmh_queue_poll(load->q) && !nvmh_queue_arm(load->q))
			poll(&pfd, 1, 20);
	}
	return NULL;
}

static int process_for(struct nvmh_ctrl *ctrl, unsigned int ms)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };
	uint64_t end = clock_now_ms() + ms;
	int n = 0;

	while (clock_now_ms() < end) {
		n += nvmh_ctrl_process(ctrl);
		poll(&pfd, 1, 10);
	}
	return n;
}

static bool reset_under_load(void)
{
	static struct load loads[NR_QUEUES];
	unsigned int resets;
	unsigned int i;
	bool live = true;

	atomic_store(&load_stop, false);
	for (i = 0; i < NR_QUEUES; i++) {
		loads[i].q = nvmh_ctrl_queue(drive, (uint16_t)i);
		loads[i].ns = nvmh_ctrl_ns_by_nsid(drive, i + 1);
		loads[i].mem = arena + i * (ARENA / NR_QUEUES);
		pattern(loads[i].mem, DEPTH * LOAD_BLOCK, 1000 + i);
		/* this thread owned them until now, with nothing outstanding */
		nvmh_queue_release(loads[i].q);
		if (pthread_create(&loads[i].thread, NULL, load_run, &loads[i]))
			return fail("pthread_create");
	}
	for (resets = 0; resets < 5 && live; resets++) {
		process_for(drive, 300);
		live = !nvmh_ctrl_reset(drive) && nvmh_ctrl_reset(drive) == -EBUSY &&
		       !nvmh_ctrl_wait(drive, WAIT_MS);
	}
	process_for(drive, 300);
	atomic_store(&load_stop, true);
	for (i = 0; i < NR_QUEUES; i++) {
		pthread_join(loads[i].thread, NULL);
		nvmh_queue_release(loads[i].q);
		printf("# queue %u: %lu done, %lu aborted\n", i, loads[i].ok, loads[i].aborted);
	}
	check(live && nvmh_ctrl_state(drive) == NVMH_LIVE);
	for (i = 0; i < NR_QUEUES; i++)
		check(!loads[i].wrong && loads[i].ok && !loads[i].outstanding);
	for (i = 0; i < NR_QUEUES; i++) {
		struct iovec iov = { arena, LOAD_BLOCK };

		memset(arena, 0, LOAD_BLOCK);
		check(!rw(loads[i].q, nvme_cmd_read, loads[i].ns, 0, &iov, 1, LOAD_BLOCK));
		if (!is_pattern(arena, LOAD_BLOCK, 1000 + i))
			return false;
	}
	return true;
}

/* One thread for the controller and both queues, with commands outstanding. */
static bool reset_in_one_thread(void)
{
	static struct nvmh_req reqs[DEPTH];
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec iov = { arena, LOAD_BLOCK };
	unsigned int i;

	for (i = 0; i < DEPTH - 1; i++) {
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], nvme_cmd_read, 1, 0, LOAD_BLOCK / 512, &iov, 1, LOAD_BLOCK);
		reqs[i].done = count_done;
		check(!nvmh_queue_submit(q, &reqs[i]));
	}
	nr_done = 0;
	nvmh_queue_commit(q);
	check(!nvmh_ctrl_reset(drive));
	check(!nvmh_ctrl_wait(drive, WAIT_MS));
	check(nvmh_queue_room(q) == DEPTH - 1);
	for (i = 0; i < DEPTH - 1; i++)
		check(!reqs[i].state);
	return data_512();
}

/* The way down for a drive that does not stop by itself, entered at @stage, with a command outstanding. */
static int go_down(enum pcie_quiet stage, struct nvmh_req *req, struct iovec *iov)
{
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	int ret;

	memset(req, 0, sizeof(*req));
	*iov = (struct iovec){ arena, LOAD_BLOCK };
	nvmh_prep_rw(req, nvme_cmd_read, 1, 0, LOAD_BLOCK / 512, iov, 1, LOAD_BLOCK);
	req->done = count_done;
	ret = nvmh_queue_submit(q, req);
	if (!ret)
		ret = nvmh_ctrl_reset(drive);
	((struct pcie *)drive->tr)->quiet = (uint8_t)stage;
	return ret ? ret : nvmh_ctrl_wait(drive, WAIT_MS);
}

static bool function_reset(void)
{
	struct nvmh_req req;
	struct iovec iov;

	check(!go_down(PCIE_QUIET_RESET, &req, &iov));
	check(req.status == ST_HOST_ABORTED);
	/* interrupts and bus mastering work again */
	return full_queue() && data_512();
}

static bool cut_off_and_reopen(void)
{
	struct nvmh_req req;
	struct iovec iov;

	check(go_down(PCIE_QUIET_CUT_OFF, &req, &iov) == -ENODEV);
	check(req.status == ST_HOST_ABORTED);
	check(nvmh_ctrl_state(drive) == NVMH_DEAD);
	check(strstr(nvmh_strerror(), "cut off"));
	check(nvmh_ctrl_reset(drive) == -ENOTCONN);
	nvmh_ctrl_close(drive);
	drive = NULL;
	check(!open_drive(NR_QUEUES, DEPTH, &drive));
	return full_queue() && data_512();
}

static bool close_and_reopen(void)
{
	const uint16_t queues[] = { 0, 1, 8, 64 };
	struct iovec iov = { arena, 524288 };
	struct nvmh_ctrl *ctrl;
	struct nvmh_queue *q;
	size_t i;

	nvmh_ctrl_close(drive);
	drive = NULL;
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		check(!open_drive(queues[i], 256, &ctrl));
		printf("# asked for %u queues, granted %u\n", queues[i], nvmh_ctrl_nr_queues(ctrl));
		check(nvmh_ctrl_nr_queues(ctrl) == queues[i]);
		check(nvmh_ctrl_nr_ns(ctrl) == 3);
		if (queues[i]) {
			q = nvmh_ctrl_queue(ctrl, queues[i] - 1);
			memset(arena, 0, 524288);
			check(nvmh_queue_room(q) == 255);
			check(!rw(q, nvme_cmd_read, nvmh_ctrl_ns_by_nsid(ctrl, 1), 6 * 2048, &iov,
				  1, 524288));
			check(is_pattern(arena, 524288, 6 + 1));
		}
		nvmh_ctrl_close(ctrl);
	}
	return true;
}

static bool open_close_loop(void)
{
	struct nvmh_ctrl *ctrl;
	int i;

	for (i = 0; i < 10; i++) {
		check(!open_drive(2, 0, &ctrl));
		nvmh_ctrl_close(ctrl);
	}
	/* closed before it is up */
	for (i = 0; i < 10; i++) {
		struct nvmh_ctrl_opts opts = { .trtype = "pcie", .traddr = bdf, .nr_io_queues = 2 };
		int j;

		check(!nvmh_ctrl_open(&opts, &ctrl));
		for (j = 0; j < i; j++)
			nvmh_ctrl_process(ctrl);
		nvmh_ctrl_close(ctrl);
	}
	return true;
}

#endif /* TESTS_VM_PCIE_TEST_RESET_H */
