// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands for a drive that no daemon has: this process opens it through VFIO, performs one, and
 * closes it. Entry point: nvmet_ctl_direct().
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "target/ctl.h"
#include "target/drive_cmd.h"

enum {
	BRINGUP_MS = 150000, /* CAP.TO may say up to 127.5 s */
	QUEUE_SIZE = 32,
	TICK_MS = 1000,
};

struct direct {
	struct nvmh_ctrl *ctrl;
	void *buf;
	void (*tick)(void);
};

static int list_drives(struct json_object **resultp, struct nvmet_rpc_error *err)
{
	struct nvmh_pci_info *pci = NULL;
	struct nvmet_drive_info *info;
	int nr = nvmh_pci_scan(&pci);

	if (nr < 0)
		return nvmet_rpc_errno(err, nr, "%s", nvmh_strerror());
	info = calloc((size_t)nr + 1, sizeof(*info));
	for (int i = 0; info && i < nr; i++)
		info[i].pci = pci[i];
	free(pci);
	if (!info)
		return nvmet_rpc_errno(err, -ENOMEM, NULL);
	*resultp = nvmet_drive_info_json(info, nr);
	nvmet_drive_info_free(info, nr);
	return 0;
}

static int change_driver(struct json_object *val, int (*change)(const char *bdf),
			 struct json_object **resultp, struct nvmet_rpc_error *err)
{
	struct nvmet_rpc_params params;
	char bdf[CONFIG_BDF_SIZE];
	int ret;

	nvmet_rpc_params_init(&params, val, err);
	nvmet_drive_traddr(&params, bdf);
	ret = nvmet_rpc_params_end(&params);
	if (ret)
		return ret;
	ret = change(bdf);
	if (ret)
		return nvmet_rpc_set_error(err, ret, "%s", nvmh_strerror());
	*resultp = json_object_new_boolean(true);
	return 0;
}

/* ---- a drive ---- */

static void drive_close(struct direct *d)
{
	nvmh_ctrl_close(d->ctrl);
	if (d->buf)
		munmap(d->buf, NVMET_DRIVE_MEMORY);
}

static int drive_open(struct direct *d, const struct nvmet_drive_cmd *cmd)
{
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = cmd->bdf,
		.nr_io_queues = nvmet_drive_cmd_needs_queue(cmd),
		.queue_size = QUEUE_SIZE,
	};
	int ret;

	d->buf = mmap(NULL, NVMET_DRIVE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (d->buf == MAP_FAILED) {
		d->buf = NULL;
		return -ENOMEM;
	}
	ret = nvmh_ctrl_open(&opts, &d->ctrl);
	if (!ret)
		ret = nvmh_ctrl_mem_map(d->ctrl, d->buf, NVMET_DRIVE_MEMORY);
	if (!ret)
		ret = nvmh_ctrl_wait(d->ctrl, BRINGUP_MS);
	return ret;
}

/* The controller's work until *@over, with a tick a second. */
static void work_until(struct direct *d, bool (*over)(struct direct *d, void *arg), void *arg)
{
	uint64_t next = clock_now_ms() + TICK_MS;
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(d->ctrl), .events = POLLIN };

	for (;;) {
		nvmh_ctrl_process(d->ctrl);
		if (over(d, arg))
			return;
		if (clock_now_ms() >= next) {
			next += TICK_MS;
			d->tick();
		}
		if (poll(&pfd, 1, TICK_MS) < 0 && errno != EINTR)
			return;
	}
}

static void mark_done(struct nvmh_req *req)
{
	*(bool *)req->arg = true;
}

static bool is_done(struct direct *d, void *arg)
{
	(void)d;
	return *(bool *)arg;
}

static bool is_settled(struct direct *d, void *arg)
{
	enum nvmh_state state = nvmh_ctrl_state(d->ctrl);

	(void)arg;
	return state == NVMH_DEAD || (state == NVMH_LIVE && !nvmh_ctrl_rescanning(d->ctrl));
}

static int run_admin(struct direct *d, struct nvmh_req *req)
{
	bool done = false;
	int ret;

	req->done = mark_done;
	req->arg = &done;
	ret = nvmh_admin_submit(d->ctrl, req);
	if (!ret)
		work_until(d, is_done, &done);
	return ret;
}

static int run_scsi(struct direct *d, struct nvmet_drive_cmd *cmd)
{
	struct nvmh_queue *q = nvmh_ctrl_nr_queues(d->ctrl) ? nvmh_ctrl_queue(d->ctrl, 0) : NULL;
	int ret = nvmet_drive_cmd_scsi(cmd, d->ctrl, d->buf);

	if (!ret)
		ret = nvmh_scsi(d->ctrl, q, le32_get(cmd->sqe.nsid), &cmd->scsi);
	if (ret)
		snprintf(cmd->reason, sizeof(cmd->reason), "%s", nvmh_strerror());
	else if (cmd->dir == NVMH_FROM_CTRL)
		memcpy(cmd->data, d->buf, cmd->len);
	return ret;
}

static int run_command(struct direct *d, struct nvmet_drive_cmd *cmd)
{
	struct nvmh_req req;
	struct iovec iov;
	int ret = nvmet_drive_cmd_finish(cmd, d->ctrl);

	if (ret)
		return ret;
	if (cmd->kind == NVMET_DRIVE_SCSI)
		return run_scsi(d, cmd);
	nvmet_drive_cmd_prep(cmd, &req, &iov, d->buf);
	if (cmd->kind != NVMET_DRIVE_IO) {
		ret = run_admin(d, &req);
	} else if (!nvmh_ctrl_nr_queues(d->ctrl)) {
		snprintf(cmd->reason, sizeof(cmd->reason), "the drive grants no I/O queue");
		return -ENODEV;
	} else {
		ret = nvmh_io(nvmh_ctrl_queue(d->ctrl, 0), &req);
		ret = ret < 0 ? ret : 0;
	}
	if (ret)
		return ret;
	nvmet_drive_cmd_answer(cmd, &req, d->buf);
	return 0;
}

static int run_change(struct direct *d, struct nvmet_drive_cmd *cmd)
{
	int ret = cmd->kind == NVMET_DRIVE_RESET	  ? nvmh_ctrl_reset(d->ctrl)
		  : cmd->kind == NVMET_DRIVE_SUBSYS_RESET ? nvmh_ctrl_subsystem_reset(d->ctrl)
							  : nvmh_ctrl_rescan(d->ctrl);

	if (ret) {
		snprintf(cmd->reason, sizeof(cmd->reason), "%s", nvmh_strerror());
		return ret;
	}
	work_until(d, is_settled, NULL);
	if (nvmh_ctrl_state(d->ctrl) == NVMH_LIVE)
		return 0;
	snprintf(cmd->reason, sizeof(cmd->reason), "%s", nvmh_ctrl_error(d->ctrl));
	return -EIO;
}

int nvmet_ctl_direct(const char *method, struct json_object *params, void (*tick)(void),
		     struct json_object **resultp, struct nvmet_rpc_error *err)
{
	struct direct d = { .tick = tick };
	struct nvmet_drive_cmd cmd;
	int ret;

	if (!strcmp(method, "nvmetcp_drive_list"))
		return list_drives(resultp, err);
	if (!strcmp(method, "nvmetcp_drive_bind"))
		return change_driver(params, nvmh_pci_bind, resultp, err);
	if (!strcmp(method, "nvmetcp_drive_release"))
		return change_driver(params, nvmh_pci_release, resultp, err);
	ret = nvmet_drive_cmd_parse(method, params, &cmd, err);
	if (ret)
		goto out;
	ret = drive_open(&d, &cmd);
	if (ret) {
		nvmet_rpc_set_error(err, ret, "%s", nvmh_strerror());
		goto out;
	}
	cmd.ret = nvmet_drive_cmd_sends(&cmd) ? run_command(&d, &cmd) : run_change(&d, &cmd);
	ret = nvmet_drive_cmd_result(method, &cmd, resultp, err);
out:
	drive_close(&d);
	nvmet_drive_cmd_done(&cmd);
	return ret;
}
