// SPDX-License-Identifier: BSD-2-Clause
/*
 * Admin commands, asynchronous and waited for. The controller's thread. Entry points:
 * nvmh_admin_submit(), nvmh_admin(), nvmh_identify(), nvmh_get_log(), nvmh_get_features(),
 * nvmh_set_features(). NVM Express Base Specification 2.x, "Admin Command Set".
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
	if (ret)
		nvmh_refused(ctrl, ret);
	while (!ret && !done) {
		nvmh_ctrl_process(ctrl);
		if (!done)
			nvmh_sync_sleep(ctrl->epoll_fd, -1);
	}
	req->done = caller_done;
	req->arg = caller_arg;
	return ret ? ret : req->status;
}

/* Return: 0; -EINVAL, no length of a feature's @data. */
static int check_feature(uint8_t fid, const void *data, uint32_t len)
{
	if (len <= SYNC_BYTES && !(len % 4) && !data == !len)
		return 0;
	return nvmh_error(-EINVAL,
			  "feature %02Xh: %u bytes of data%s; up to %u, a multiple of 4, or none",
			  fid, len, data ? "" : " that are NULL", SYNC_BYTES);
}

/*
 * One command whose data go through memory that the controller reaches. @len: of the request, up to
 * SYNC_BYTES; @in or @out: the caller's, NULL where there are none.
 */
static int bounce(struct nvmh_ctrl *ctrl, struct nvmh_req *req, const void *out, void *in,
		  uint32_t len)
{
	int ret;

	if (out)
		memcpy(ctrl->sync_buf, out, len);
	ret = nvmh_admin(ctrl, req);
	if (!ret && in)
		memcpy(in, ctrl->sync_buf, len);
	return ret;
}

int nvmh_identify(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi, void *data4096)
{
	struct iovec iov = { .iov_base = ctrl->sync_buf, .iov_len = NVME_IDENTIFY_DATA_SIZE };
	struct nvmh_req req = { 0 };

	nvmh_prep_identify(&req, nsid, cns, csi, &iov, 1);
	return bounce(ctrl, &req, NULL, data4096, NVME_IDENTIFY_DATA_SIZE);
}

int nvmh_get_log(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t lid, uint64_t offset, void *data,
		 uint32_t len)
{
	struct iovec iov = { .iov_base = ctrl->sync_buf };
	uint32_t part;
	int ret = 0;

	if (!len || len % 4 || offset % 4)
		return nvmh_error(
			-EINVAL,
			"log page %02Xh: %u bytes from %llu on are not multiples of 4 above 0", lid,
			len, (unsigned long long)offset);
	while (!ret && len) {
		struct nvmh_req req = { 0 };

		part = min_of(len, (uint32_t)SYNC_BYTES);
		iov.iov_len = part;
		/* the page must stay as it is until all of it is read */
		nvmh_prep_get_log(&req, nsid, lid, 0, len > part, offset, &iov, 1, part);
		ret = bounce(ctrl, &req, NULL, data, part);
		data = (char *)data + part;
		offset += part;
		len -= part;
	}
	return ret;
}

static int feature(struct nvmh_ctrl *ctrl, struct nvmh_req *req, const void *out, void *in,
		   uint32_t len, uint32_t *result)
{
	int ret = bounce(ctrl, req, out, in, len);

	if (!ret && result)
		*result = le32_get(req->cqe.dw0);
	return ret;
}

int nvmh_get_features(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t fid, uint8_t sel,
		      uint32_t cdw11, void *data, uint32_t len, uint32_t *result)
{
	struct iovec iov = { .iov_base = ctrl->sync_buf, .iov_len = len };
	struct nvmh_req req = { 0 };

	if (check_feature(fid, data, len))
		return -EINVAL;
	nvmh_prep_get_features(&req, nsid, fid, sel, cdw11, &iov, len ? 1 : 0, len);
	return feature(ctrl, &req, NULL, data, len, result);
}

int nvmh_set_features(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t fid, bool save, uint32_t cdw11,
		      const void *data, uint32_t len, uint32_t *result)
{
	struct iovec iov = { .iov_base = ctrl->sync_buf, .iov_len = len };
	struct nvmh_req req = { 0 };

	if (check_feature(fid, data, len))
		return -EINVAL;
	nvmh_prep_set_features(&req, nsid, fid, save, cdw11, &iov, len ? 1 : 0, len);
	return feature(ctrl, &req, data, NULL, len, result);
}
