// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O commands that are waited for: submit, commit, and poll until the answer is there. The queue's
 * owner; where the controller is the same thread's, it is looked after meanwhile. Entry points:
 * nvmh_io(), nvmh_read(), nvmh_write() ...
 */
#include <errno.h>
#include <poll.h>

#include "host/ctrl.h"

enum {
	WAIT_MS = 100,	 /* at most, should a wake-up get lost */
	BUSY_POLLS = 64, /* that complete something in a row, then it is the controller's turn */
};

void nvmh_sync_done(struct nvmh_req *req)
{
	bool *done = req->arg;

	*done = true;
}

void nvmh_sync_sleep(int fd, int other_fd)
{
	struct pollfd pfd[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = other_fd, .events = POLLIN },
	};

	/* an error or a signal only makes us look again */
	if (poll(pfd, 2, WAIT_MS) < 0)
		return;
}

int nvmh_refused(const struct nvmh_ctrl *ctrl, int err)
{
	enum nvmh_state state = nvmh_ctrl_state(ctrl);

	switch (err) {
	case -ENOTCONN:
	case -EBUSY:
		return nvmh_error(err,
				  state == NVMH_LIVE ? "%s: a queue is not live now"
						     : "%s: it is %s now",
				  ctrl->name, nvmh_state_name(state));
	case -EAGAIN:
		return nvmh_error(err, "%s: the queue is full", ctrl->name);
	case -EINVAL:
		return nvmh_error(
			err,
			"%s: a length, an alignment or memory that it cannot take; one command moves at most %u bytes",
			ctrl->name, ctrl->max_xfer);
	default:
		return nvmh_error(err, "%s: %s", ctrl->name, strerrordesc_np(-err));
	}
}

int nvmh_io(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = q->ctrl;
	void (*caller_done)(struct nvmh_req *) = req->done;
	void *caller_arg = req->arg;
	uint32_t busy = 0;
	bool done = false;
	bool ours;
	int ret;

	/* where the controller is this thread's too, nobody else watches over its deadlines and
	 * resets; where it is another's, what that one is doing is no matter */
	ours = atomic_load_explicit(&ctrl->thread, memory_order_relaxed) == nvmh_thread_token();
	if (q->polling || (ours && ctrl->in_process))
		return nvmh_error(-EDEADLK, "%s: cannot wait within a callback", ctrl->name);
	req->done = nvmh_sync_done;
	req->arg = &done;
	ret = nvmh_queue_submit(q, req);
	if (ret)
		nvmh_refused(ctrl, ret);
	else
		nvmh_queue_commit(q);
	while (!ret && !done) {
		/* others may be completed all the time, and one for which nobody looks at deadlines
		 * and keeps the connection alive would be waited for all that time */
		if (!nvmh_queue_poll(q))
			busy = 0;
		else if (done || ++busy % BUSY_POLLS || !ours)
			continue;
		if (ours && !done)
			nvmh_ctrl_process(ctrl);
		if (!done && !nvmh_queue_arm(q))
			nvmh_sync_sleep(nvmh_queue_fd(q), ours ? ctrl->epoll_fd : -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
}

/* @data: @len bytes, or NULL and 0. */
static int blocks(struct nvmh_queue *q, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const void *data, uint32_t len, uint32_t flags)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct nvmh_req req = { 0 };

	nvmh_prep_rw(&req, opcode, nsid, slba, nlb, &iov, len ? 1 : 0, len);
	nvmh_prep_flags(&req, flags);
	return nvmh_io(q, &req);
}

int nvmh_read(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, void *data,
	      uint32_t len)
{
	return blocks(q, nvme_cmd_read, nsid, slba, nlb, data, len, 0);
}

int nvmh_write(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, const void *data,
	       uint32_t len)
{
	return blocks(q, nvme_cmd_write, nsid, slba, nlb, data, len, 0);
}

int nvmh_compare(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, const void *data,
		 uint32_t len)
{
	return blocks(q, nvme_cmd_compare, nsid, slba, nlb, data, len, 0);
}

int nvmh_write_zeroes(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb,
		      uint32_t flags)
{
	return blocks(q, nvme_cmd_write_zeroes, nsid, slba, nlb, NULL, 0, flags);
}

int nvmh_write_uncor(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb)
{
	return blocks(q, nvme_cmd_write_uncor, nsid, slba, nlb, NULL, 0, 0);
}

int nvmh_verify(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb)
{
	return blocks(q, nvme_cmd_verify, nsid, slba, nlb, NULL, 0, 0);
}

int nvmh_flush(struct nvmh_queue *q, uint32_t nsid)
{
	struct nvmh_req req = { 0 };

	nvmh_prep_flush(&req, nsid);
	return nvmh_io(q, &req);
}

int nvmh_dsm(struct nvmh_queue *q, uint32_t nsid, uint32_t attr, struct nvme_dsm_range *ranges,
	     uint16_t nr_ranges)
{
	struct iovec iov = { .iov_base = ranges, .iov_len = nr_ranges * sizeof(*ranges) };
	struct nvmh_req req = { 0 };

	nvmh_prep_dsm(&req, nsid, attr, &iov, 1, nr_ranges);
	return nvmh_io(q, &req);
}

int nvmh_copy(struct nvmh_queue *q, uint32_t nsid, uint64_t sdlba, struct nvme_copy_range *ranges,
	      uint16_t nr_ranges)
{
	struct iovec iov = { .iov_base = ranges, .iov_len = nr_ranges * sizeof(*ranges) };
	struct nvmh_req req = { 0 };

	nvmh_prep_copy(&req, nsid, sdlba, 0, &iov, 1, nr_ranges);
	return nvmh_io(q, &req);
}
