// SPDX-License-Identifier: BSD-2-Clause
/*
 * The multipath controller: several controllers of one subsystem behind one struct nvmh_ctrl. It is
 * a controller like any other whose transport's part drives the controllers of the paths; its
 * bring-up waits for the first of them. The controller's thread. Entry points: nvmh_mpath_open(),
 * nvmh_mpath_add(), nvmh_mpath_remove(), nvmh_mpath_ops.
 * NVM Express Base Specification 2.x, "Multi-Path I/O and Namespace Sharing".
 */
#include "host/mpath.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* ---- the paths together ---- */

static uint8_t count(const struct mpath *mp, enum mpath_path_state state)
{
	uint8_t n = 0;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++)
		n += mp->slot[i].own && mpath_path_is(mp->slot[i].own, state);
	return n;
}

/* Those that are not leaving. */
static uint8_t count_paths(const struct mpath *mp)
{
	return count(mp, MPATH_DOWN) + count(mp, MPATH_UP) + count(mp, MPATH_DEAD);
}

/* Why there is no path, as far as all of them say so; else "". */
static void why_none(const struct mpath *mp, char *text, size_t size)
{
	const struct mpath_path *path;
	size_t len = 0;
	uint8_t i;

	text[0] = '\0';
	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mp->slot[i].own;
		if (!path)
			continue;
		if (!path->ctrl->error[0]) {
			text[0] = '\0';
			return;
		}
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%spath %u, %s: %s",
						len ? "; " : "", i, path->ctrl->name,
						path->ctrl->error);
	}
}

/* What the controller is like, after the first path that is ready; later ones make it smaller. */
static int take_size(struct mpath *mp, const struct nvmh_ctrl *from)
{
	struct nvmh_ctrl *ctrl = mp->ctrl;
	uint16_t size = from->nr_ioq ? from->ioq[0].size : 0;
	uint16_t i;
	int ret = 0;

	if (mp->set_up) {
		/* owners of queues read it */
		if (from->max_xfer < ctrl->max_xfer)
			ctrl->max_xfer = from->max_xfer;
		return 0;
	}
	for (i = 0; !ret && i < from->nr_ioq; i++)
		ret = nvmh_mpath_queue_size(&mp->queues[i + 1], size);
	if (ret)
		return nvmh_error(ret, "out of memory");
	ctrl->nr_ioq = from->nr_ioq;
	ctrl->id = from->id;
	ctrl->cap = from->cap;
	ctrl->vs = from->vs;
	ctrl->cntlid = from->cntlid;
	ctrl->quirks = from->quirks;
	ctrl->max_xfer = from->max_xfer;
	mp->set_up = true;
	return 0;
}

/* Paths that are ready take part, once their namespaces are known. */
static void promote(struct mpath *mp)
{
	struct mpath_path *path;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mp->slot[i].own;
		if (!path || !mpath_path_is(path, MPATH_DOWN) || !nvmh_mpath_path_ready(path))
			continue;
		if (take_size(mp, path->ctrl)) {
			nvmh_mpath_path_refuse(path, "%s", nvmh_strerror());
			continue;
		}
		path->ctrl->loss_ns = 0;
		atomic_store(&path->state, MPATH_UP);
		mp->wake = true;
		log_notice("path live name=\"%s\" cntlid=%u namespaces=%u", path->ctrl->name,
			   path->ctrl->cntlid, path->nr_ns);
	}
}

static void wake_owners(struct mpath *mp)
{
	uint16_t i;

	mp->wake = false;
	atomic_fetch_add(&mp->news, 1);
	for (i = 0; i < mp->ctrl->nr_ioq; i++)
		nvmh_queue_kick(&mp->ctrl->ioq[i]);
}

/* Whether a request may be held because a lost controller may still execute it. */
static bool may_hold(const struct mpath *mp)
{
	uint32_t nr_fences = 0;
	uint32_t nr_reqs = 0;
	uint16_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++)
		nr_fences += mp->slot[i].nr_fences;
	for (i = 0; nr_fences && i < mp->ctrl->nr_ioq; i++)
		nr_reqs += atomic_load(&mp->ctrl->ioq[i].outstanding);
	return nr_reqs;
}

/* LIVE, CONNECTING, or given up, as the paths are. */
static void follow(struct mpath *mp)
{
	struct nvmh_ctrl *ctrl = mp->ctrl;
	bool live = nvmh_ctrl_state(ctrl) == NVMH_LIVE;
	bool up = count(mp, MPATH_UP);
	char text[sizeof(ctrl->error)];

	/* first, for those who are told of the state */
	if (!up && (ctrl->phase == NVMH_PHASE_UP || ctrl->phase == NVMH_PHASE_LIVE))
		why_none(mp, ctrl->error, sizeof(ctrl->error));
	if (ctrl->phase != NVMH_PHASE_LIVE)
		return;
	if (live && !up)
		nvmh_ctrl_set_state(ctrl, NVMH_CONNECTING);
	if (!live && up) {
		ctrl->error[0] = '\0';
		nvmh_ctrl_set_state(ctrl, NVMH_LIVE);
	}
	if (!up && count(mp, MPATH_DEAD) == count_paths(mp) && !count(mp, MPATH_DRAIN) &&
	    !may_hold(mp)) {
		why_none(mp, text, sizeof(text));
		nvmh_ctrl_lost(ctrl, "all paths were given up: %s", text);
	}
}

static int mpath_process(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = mpath_of(ctrl);
	uint64_t now = clock_now_ns();
	int n = 0;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own)
			n += nvmh_mpath_path_run(mp->slot[i].own, now);
	}
	for (i = 0; i < NVMH_MAX_PATHS; i++)
		nvmh_mpath_fence_run(mp, i, now);
	if (ctrl->phase == NVMH_PHASE_UP || ctrl->phase == NVMH_PHASE_LIVE) {
		if (mp->ns_dirty) {
			mp->ns_dirty = false;
			nvmh_mpath_ns_update(mp);
			promote(mp);
		}
		follow(mp);
	}
	if (mp->wake)
		wake_owners(mp);
	return n;
}

/* ---- bring-up and end ---- */

static int step_path(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = mpath_of(ctrl);
	char text[sizeof(ctrl->error)];
	uint8_t i;

	if (count(mp, MPATH_UP))
		return 0;
	if (count(mp, MPATH_DEAD) < count_paths(mp))
		return -EAGAIN;
	why_none(mp, text, sizeof(text));
	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own && mp->slot[i].own->ctrl->err)
			return nvmh_error(mp->slot[i].own->ctrl->err, "%s", text);
	}
	return nvmh_error(-ENODEV, "%s", text);
}

static const struct nvmh_step mpath_steps[] = {
	{ "first path", step_path, UINT32_MAX },
	{ NULL, NULL, 0 },
};

/* All paths are shut down at the same time; each is bounded by its own times. */
static int mpath_quiesce(struct nvmh_ctrl *ctrl, bool shutdown)
{
	struct mpath *mp = mpath_of(ctrl);
	struct mpath_path *path;
	bool quiet = true;
	uint8_t i;

	(void)shutdown;
	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mp->slot[i].own;
		if (!path)
			continue;
		path->ctrl->closing = ctrl->closing;
		nvmh_ctrl_shutdown(path->ctrl);
		quiet &= path->ctrl->phase == NVMH_PHASE_END;
	}
	return quiet ? 0 : -EAGAIN;
}

static void mpath_queue_free(struct nvmh_queue *q)
{
	(void)q; /* its memory stays for a next time */
}

static void mpath_free(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = mpath_of(ctrl);
	uint16_t i;

	if (!mp)
		return;
	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own)
			nvmh_mpath_path_free(mp->slot[i].own);
	}
	for (i = 0; mp->queues && i <= ctrl->opts.nr_io_queues; i++)
		nvmh_mpath_queue_done(&mp->queues[i]);
	free(mp->queues);
	nvmh_mpath_fence_free(mp);
	nvmh_mpath_ns_free(mp);
	free(mp);
	ctrl->tr = NULL;
}

static int mpath_open(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = calloc(1, sizeof(*mp));
	uint16_t i;
	int ret;

	if (!mp)
		return nvmh_error(-ENOMEM, "out of memory");
	ctrl->tr = mp;
	mp->ctrl = ctrl;
	/* a page of its own: a local drive is to reach it */
	ctrl->sync_buf = ctrl->sync_buf_owned =
		aligned_alloc(NVME_IDENTIFY_DATA_SIZE, NVME_IDENTIFY_DATA_SIZE);
	mp->queues = nvmh_queue_calloc(ctrl->opts.nr_io_queues + 1u, sizeof(*mp->queues));
	if (!ctrl->sync_buf || !mp->queues)
		return nvmh_error(-ENOMEM, "out of memory");
	for (i = 0; i <= ctrl->opts.nr_io_queues; i++)
		mp->queues[i].epoll_fd = -1;
	ret = nvmh_mpath_queue_init(mp, &ctrl->adminq);
	for (i = 0; !ret && i < ctrl->opts.nr_io_queues; i++)
		ret = nvmh_mpath_queue_init(mp, &ctrl->ioq[i]);
	if (!ret)
		ret = nvmh_mpath_queue_size(&mp->queues[0], ADMIN_QUEUE_ENTRIES);
	if (ret)
		return ret;
	atomic_store(&ctrl->adminq.state, NVMH_Q_LIVE);
	return 0;
}

/* ---- what means all paths ---- */

static int mpath_reset(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = mpath_of(ctrl);
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own && mpath_path_is(mp->slot[i].own, MPATH_UP))
			nvmh_ctrl_reset(mp->slot[i].own->ctrl);
	}
	nvmh_ctrl_kick(ctrl);
	return 0;
}

static int mpath_rescan(struct nvmh_ctrl *ctrl)
{
	struct mpath *mp = mpath_of(ctrl);
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own)
			nvmh_ctrl_rescan(mp->slot[i].own->ctrl);
	}
	return 0;
}

static bool mpath_rescanning(const struct nvmh_ctrl *ctrl)
{
	const struct mpath *mp = mpath_of(ctrl);
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own && nvmh_ctrl_rescanning(mp->slot[i].own->ctrl))
			return true;
	}
	return mp->ns_dirty;
}

static int mpath_mem_map(struct nvmh_ctrl *ctrl, void *base, size_t len)
{
	struct mpath *mp = mpath_of(ctrl);
	int ret = 0;
	uint8_t i;

	for (i = 0; !ret && i < NVMH_MAX_PATHS; i++) {
		if (mp->slot[i].own)
			ret = nvmh_ctrl_mem_map(mp->slot[i].own->ctrl, base, len);
	}
	return ret;
}

/* ---- paths come and go ---- */

static bool same(const char *a, const char *b)
{
	return !a || (b && !strcmp(a, b));
}

static int check_path(const struct nvmh_ctrl_opts *first, const struct nvmh_ctrl_opts *opts,
		      uint16_t index)
{
	if (!opts->trtype || !first->trtype || strcmp(opts->trtype, "tcp") ||
	    strcmp(first->trtype, "tcp"))
		return nvmh_error(-EINVAL, "path %u: trtype: several paths are all \"tcp\"", index);
	if (!same(opts->subnqn, first->subnqn))
		return nvmh_error(-EINVAL,
				  "path %u: subnqn: \"%s\" is not that of the first path, \"%s\"",
				  index, opts->subnqn, first->subnqn ? first->subnqn : "");
	if (!same(opts->hostnqn, first->hostnqn))
		return nvmh_error(-EINVAL,
				  "path %u: hostnqn: \"%s\" is not that of the first path, \"%s\"",
				  index, opts->hostnqn, first->hostnqn ? first->hostnqn : "");
	return 0;
}

static int check(const struct nvmh_ctrl_opts *paths, uint16_t nr_paths,
		 const struct nvmh_mpath_opts *opts)
{
	uint16_t i;
	int ret = 0;

	if (!nr_paths || nr_paths > NVMH_MAX_PATHS)
		return nvmh_error(-EINVAL, "nr_paths: %u is not within 1..%u", nr_paths,
				  NVMH_MAX_PATHS);
	if ((unsigned int)opts->iopolicy > NVMH_IOPOLICY_QUEUE_DEPTH)
		return nvmh_error(
			-EINVAL,
			"iopolicy: %u is none of numa (0), round-robin (1) and queue-depth (2)",
			opts->iopolicy);
	if (opts->hold_ms < NVMH_NO_HOLD)
		return nvmh_error(-EINVAL, "hold_ms: %d is below %d (none)", opts->hold_ms,
				  NVMH_NO_HOLD);
	if (!paths[0].trtype)
		return nvmh_error(-EINVAL, "path 0: trtype: \"\" is neither \"pcie\" nor \"tcp\"");
	for (i = 1; !ret && i < nr_paths; i++)
		ret = check_path(&paths[0], &paths[i], i);
	return ret;
}

int nvmh_mpath_open_with(const struct nvmh_ctrl_opts *paths, uint16_t nr_paths,
			 const struct nvmh_mpath_opts *opts,
			 const struct nvmh_transport_ops *path_ops, struct nvmh_ctrl **ctrlp)
{
	static const struct nvmh_mpath_opts defaults;
	char why[MPATH_ERROR_TEXT];
	struct nvmh_ctrl *ctrl;
	struct mpath *mp;
	uint16_t i;
	int ret;

	if (!opts)
		opts = &defaults;
	ret = check(paths, nr_paths, opts);
	if (!ret)
		ret = nvmh_ctrl_open_with(&paths[0], &nvmh_mpath_ops, &ctrl);
	if (ret)
		return ret;
	mp = mpath_of(ctrl);
	mp->opts = *opts;
	mp->path_ops = path_ops;
	if (paths[0].subnqn)
		snprintf(ctrl->name, sizeof(ctrl->name), "mpath %s", paths[0].subnqn);
	for (i = 0; !ret && i < nr_paths; i++)
		ret = nvmh_mpath_path_open(mp, &paths[i], (uint8_t)i);
	if (ret) {
		/* the paths before it may say something, too, when they are closed */
		snprintf(why, sizeof(why), "%s", nvmh_strerror());
		nvmh_ctrl_close(ctrl);
		return nr_paths == 1 ? nvmh_error(ret, "%s", why)
				     : nvmh_error(ret, "path %u: %s", i - 1u, why);
	}
	*ctrlp = ctrl;
	return 0;
}

int nvmh_mpath_open(const struct nvmh_ctrl_opts *paths, uint16_t nr_paths,
		    const struct nvmh_mpath_opts *opts, struct nvmh_ctrl **ctrlp)
{
	return nvmh_mpath_open_with(paths, nr_paths, opts, NULL, ctrlp);
}

static int check_mpath(const struct nvmh_ctrl *ctrl)
{
	if (ctrl->ops != &nvmh_mpath_ops)
		return nvmh_error(-EINVAL, "%s: not opened by nvmh_mpath_open()", ctrl->name);
	return 0;
}

int nvmh_mpath_add(struct nvmh_ctrl *ctrl, const struct nvmh_ctrl_opts *opts)
{
	struct mpath *mp = mpath_of(ctrl);
	enum nvmh_state state = nvmh_ctrl_state(ctrl);
	uint8_t i = 0;
	int ret = check_mpath(ctrl);

	if (ret)
		return ret;
	if (state == NVMH_DEAD || state == NVMH_DELETING)
		return nvmh_error(-ENOTCONN, "%s: it is %s", ctrl->name, nvmh_state_name(state));
	while (i < NVMH_MAX_PATHS && mp->slot[i].own)
		i++;
	if (i == NVMH_MAX_PATHS)
		return nvmh_error(-ENOSPC, "%s: there are %u paths already", ctrl->name, i);
	ret = check_path(&ctrl->opts, opts, i);
	if (ret)
		return ret;
	ret = nvmh_mpath_path_open(mp, opts, i);
	if (ret)
		return nvmh_error(ret, "path %u: %s", i, nvmh_strerror());
	nvmh_ctrl_kick(ctrl);
	return i;
}

int nvmh_mpath_remove(struct nvmh_ctrl *ctrl, uint16_t index)
{
	struct mpath *mp = mpath_of(ctrl);
	struct mpath_path *path;
	int ret = check_mpath(ctrl);

	if (ret)
		return ret;
	path = index < NVMH_MAX_PATHS ? mp->slot[index].own : NULL;
	if (!path)
		return nvmh_error(-ENOENT, "%s: there is no path %u", ctrl->name, index);
	if (!mpath_path_is(path, MPATH_DOWN) && !mpath_path_is(path, MPATH_UP) &&
	    !mpath_path_is(path, MPATH_DEAD))
		return 0;
	if (count_paths(mp) == 1)
		return nvmh_error(
			-EBUSY,
			"%s: path %u is the last: add another first, or close the controller",
			ctrl->name, index);
	path->deadline_ns = 0;
	atomic_store(&path->state, MPATH_DRAIN);
	nvmh_ctrl_kick(ctrl);
	return 0;
}

int nvmh_mpath_path(const struct nvmh_ctrl *ctrl, uint16_t index, struct nvmh_mpath_path *info)
{
	const struct mpath *mp = mpath_of(ctrl);
	const struct mpath_path *path;
	const struct mpath_queue *mq;
	int ret = check_mpath(ctrl);
	uint16_t i;

	if (ret)
		return ret;
	path = index < NVMH_MAX_PATHS ? mp->slot[index].own : NULL;
	if (!path)
		return nvmh_error(-ENOENT, "%s: there is no path %u", ctrl->name, index);
	memset(info, 0, sizeof(*info));
	snprintf(info->name, sizeof(info->name), "%s", path->ctrl->name);
	snprintf(info->error, sizeof(info->error), "%s", path->ctrl->error);
	info->state = nvmh_ctrl_state(path->ctrl);
	info->usable = mpath_path_is(path, MPATH_UP);
	info->removing = mpath_path_is(path, MPATH_DRAIN) || mpath_path_is(path, MPATH_LEAVE) ||
			 mpath_path_is(path, MPATH_FORGET);
	info->cntlid = path->ctrl->cntlid;
	info->nr_ns = info->usable ? path->nr_ns : 0;
	for (i = 1; i <= ctrl->opts.nr_io_queues; i++) {
		mq = &mp->queues[i];
		info->ios += atomic_load(&mq->ios_sent[index]);
		info->failed_over += atomic_load(&mq->failed_over[index]);
		info->outstanding += atomic_load(&mq->out[index]);
	}
	return 0;
}

const struct nvmh_transport_ops nvmh_mpath_ops = {
	.name = "mpath",
	.stacked = true,
	.remote = true,
	.steps = mpath_steps,
	.md = true,
	.open = mpath_open,
	.quiesce = mpath_quiesce,
	.queue_free = mpath_queue_free,
	.free = mpath_free,
	.mem_map = mpath_mem_map,
	.process = mpath_process,
	.queue_submit = nvmh_mpath_queue_submit,
	.queue_commit = nvmh_mpath_queue_commit,
	.queue_poll = nvmh_mpath_queue_poll,
	.queue_arm = nvmh_mpath_queue_arm,
	.queue_fd = nvmh_mpath_queue_fd,
	.queue_cancel = nvmh_mpath_queue_cancel,
	.queue_wipe = nvmh_mpath_queue_wipe,
	.queue_release = nvmh_mpath_queue_release,
	.reset = mpath_reset,
	.rescan = mpath_rescan,
	.rescanning = mpath_rescanning,
};
