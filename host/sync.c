// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O commands that are waited for: submit, commit, and poll until the answer is there. The queue's
 * owner; where the controller is the same thread's, it is looked after meanwhile. Entry point:
 * nvmh_io().
 */
#include <errno.h>
#include <poll.h>

#include "host/ctrl.h"

enum {
	WAIT_MS = 100, /* at most, should a wake-up get lost */
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

int nvmh_io(struct nvmh_queue *q, struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = q->ctrl;
	void (*caller_done)(struct nvmh_req *) = req->done;
	void *caller_arg = req->arg;
	bool done = false;
	bool ours;
	int ret;

	if (q->polling || ctrl->in_process)
		return nvmh_error(-EDEADLK, "%s: cannot wait within a callback", ctrl->name);
	req->done = nvmh_sync_done;
	req->arg = &done;
	ret = nvmh_queue_submit(q, req);
	if (!ret)
		nvmh_queue_commit(q);
	/* where the controller is this thread's too, nobody else watches over its deadlines and
	 * resets */
	ours = atomic_load_explicit(&ctrl->thread, memory_order_relaxed) == nvmh_thread_token();
	while (!ret && !done) {
		if (nvmh_queue_poll(q) || done)
			continue;
		if (ours)
			nvmh_ctrl_process(ctrl);
		if (!done && !nvmh_queue_arm(q))
			nvmh_sync_sleep(nvmh_queue_fd(q), ours ? ctrl->epoll_fd : -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
}
