// SPDX-License-Identifier: BSD-2-Clause
/*
 * Admin commands, asynchronous and waited for. The controller's thread. Entry points:
 * nvmh_admin_submit(), nvmh_admin(), nvmh_identify(), nvmh_get_log(). NVM Express Base Specification
 * 2.x, "Admin Command Set".
 */
#include <errno.h>

#include "host/ctrl.h"

enum {
	SYNC_BYTES = NVME_IDENTIFY_DATA_SIZE, /* ctrl->sync_buf */
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

int nvmh_admin(struct nvmh_ctrl *ctrl, struct nvmh_req *req)
{
	void (*caller_done)(struct nvmh_req *) = req->done;
	void *caller_arg = req->arg;
	bool done = false;
	int ret;

	if (ctrl->in_process)
		return nvmh_error(-EDEADLK, "%s: cannot wait within a callback", ctrl->name);
	req->done = nvmh_sync_done;
	req->arg = &done;
	ret = nvmh_admin_submit(ctrl, req);
	while (!ret && !done) {
		nvmh_ctrl_process(ctrl);
		if (!done)
			nvmh_sync_sleep(ctrl->epoll_fd, -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
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
