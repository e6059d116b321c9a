// SPDX-License-Identifier: BSD-2-Clause
/*
 * Admin commands, asynchronous and waited for, and small helpers that fill in or wait for common
 * commands. Admin commands: the controller's thread; nvmh_io(): the queue's owner. Entry points:
 * nvmh_admin_submit(), nvmh_admin(), nvmh_identify(), nvmh_get_log(), nvmh_io(), nvmh_prep_*(). NVM
 * Express Base Specification 2.x, "Admin Command Set"; NVM Command Set Specification, "Read",
 * "Write", "Flush".
 */
#include <errno.h>
#include <poll.h>

#include "host/ctrl.h"

enum {
	SYNC_BYTES = NVME_IDENTIFY_DATA_SIZE, /* ctrl->sync_buf */
	WAIT_MS = 100,			      /* at most, should a wake-up get lost */
};

int nvmh_admin_submit(struct nvmh_ctrl *ctrl, struct nvmh_req *req)
{
	int ret;

	if (nvmh_ctrl_state(ctrl) != NVMH_LIVE)
		return -ENOTCONN;
	ret = nvmh_queue_send(&ctrl->adminq, req);
	if (!ret)
		ctrl->ops->queue_commit(&ctrl->adminq);
	return ret;
}

static void sync_done(struct nvmh_req *req)
{
	bool *done = req->arg;

	*done = true;
}

static void wait_readable(int fd, int other_fd)
{
	struct pollfd pfd[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = other_fd, .events = POLLIN },
	};

	/* an error or a signal only makes us look again */
	if (poll(pfd, 2, WAIT_MS) < 0)
		return;
}

int nvmh_admin(struct nvmh_ctrl *ctrl, struct nvmh_req *req)
{
	void (*caller_done)(struct nvmh_req *) = req->done;
	void *caller_arg = req->arg;
	bool done = false;
	int ret;

	if (ctrl->in_process)
		return nvmh_error(-EDEADLK, "%s: cannot wait within a callback", ctrl->name);
	req->done = sync_done;
	req->arg = &done;
	ret = nvmh_admin_submit(ctrl, req);
	while (!ret && !done) {
		nvmh_ctrl_process(ctrl);
		if (!done)
			wait_readable(ctrl->epoll_fd, -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
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
	req->done = sync_done;
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
			wait_readable(nvmh_queue_fd(q), ours ? ctrl->epoll_fd : -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
}

void nvmh_prep_rw(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(nlb >= 1 && nlb <= 65536);
	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = opcode;
	req->sqe.nsid = le32_make(nsid);
	req->sqe.cdw10 = le32_make((uint32_t)slba);
	req->sqe.cdw11 = le32_make((uint32_t)(slba >> 32));
	req->sqe.cdw12 = le32_make(nlb - 1);
	req->iov = iov;
	req->nr_iov = nr_iov;
	req->len = len;
	req->md = NULL;
	req->md_len = 0;
	/* bits 1:0 of an opcode tell the direction */
	req->dir = !len ? NVMH_NO_DATA : opcode & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
}

int nvmh_prep_md(struct nvmh_req *req, const struct nvmh_ns *ns, void *md, uint32_t len)
{
	uint64_t nlb = (le32_get(req->sqe.cdw12) & 0xffff) + 1;

	if (!ns->ms || ns->ext_lba || len != nlb * ns->ms)
		return -EINVAL;
	req->md = md;
	req->md_len = len;
	return 0;
}

/* A command on the zone, or from the block, @lba. @len: bytes of data from the controller, or 0. */
static void prep_zone(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t lba,
		      const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, opcode, nsid, lba, 1, iov, nr_iov, len);
	req->sqe.cdw12 = le32_make(len ? len / 4 - 1 : 0); /* dwords, where there is data */
}

void nvmh_prep_zone_append(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint32_t nlb,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, nvme_zns_cmd_append, nsid, zslba, nlb, iov, nr_iov, len);
}

void nvmh_prep_zone_send(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint8_t zsa, bool all)
{
	prep_zone(req, nvme_zns_cmd_mgmt_send, nsid, zslba, NULL, 0, 0);
	req->sqe.cdw13 = le32_make((all ? 1u << 8 : 0) | zsa);
}

void nvmh_prep_zone_report(struct nvmh_req *req, uint32_t nsid, uint64_t slba,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(len >= 4 && !(len % 4));
	prep_zone(req, nvme_zns_cmd_mgmt_recv, nsid, slba, iov, nr_iov, len);
	/* Report Zones, all states, and as many as the buffer holds */
	req->sqe.cdw13 =
		le32_make(NVME_ZNS_ZRA_REPORT_ZONES | NVME_ZNS_ZRAS_REPORT_ALL << 8 | 1u << 16);
}

void nvmh_prep_flush(struct nvmh_req *req, uint32_t nsid)
{
	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = nvme_cmd_flush;
	req->sqe.nsid = le32_make(nsid);
	req->iov = NULL;
	req->nr_iov = 0;
	req->len = 0;
	req->md = NULL;
	req->md_len = 0;
	req->dir = NVMH_NO_DATA;
}

/* One command whose data is read through memory that the controller reaches. @len: up to
 * SYNC_BYTES. */
static int read_sync(struct nvmh_ctrl *ctrl, struct nvmh_req *req, void *data, uint32_t len)
{
	struct iovec iov = { .iov_base = ctrl->sync_buf, .iov_len = len };
	int ret;

	req->iov = &iov;
	req->nr_iov = 1;
	req->len = len;
	req->dir = NVMH_FROM_CTRL;
	ret = nvmh_admin(ctrl, req);
	if (!ret)
		memcpy(data, ctrl->sync_buf, len);
	return ret;
}

int nvmh_identify(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi, void *data4096)
{
	struct nvmh_req req = {
		.sqe = {
			.opcode = nvme_admin_identify,
			.nsid = le32_make(nsid),
			.cdw10 = le32_make(cns),
			.cdw11 = le32_make((uint32_t)csi << 24),
		},
	};

	return read_sync(ctrl, &req, data4096, NVME_IDENTIFY_DATA_SIZE);
}

int nvmh_get_log(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t lid, uint64_t offset, void *data,
		 uint32_t len)
{
	uint32_t part;
	int ret = 0;

	if (!len || len % 4 || offset % 4)
		return -EINVAL;
	while (!ret && len) {
		struct nvmh_req req = { .sqe = { .opcode = nvme_admin_get_log_page,
						 .nsid = le32_make(nsid) } };

		part = min_of(len, (uint32_t)SYNC_BYTES);
		req.sqe.cdw10 = le32_make((part / 4 - 1) << 16 | lid);
		req.sqe.cdw12 = le32_make((uint32_t)offset);
		req.sqe.cdw13 = le32_make((uint32_t)(offset >> 32));
		ret = read_sync(ctrl, &req, data, part);
		data = (char *)data + part;
		offset += part;
		len -= part;
	}
	return ret;
}
