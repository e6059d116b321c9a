// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of one path of a multipath controller: its controller is opened, checked when it is
 * live, watched, and when it is removed drained and shut down without disturbing the owners of the
 * queues, who look at the slots whenever they please. The controller's thread. Entry points:
 * nvmh_mpath_path_open(), nvmh_mpath_path_run(), nvmh_mpath_path_free().
 * NVM Express Base Specification 2.x, "Multi-Path I/O and Namespace Sharing".
 */
#include "host/mpath.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/log.h"

static void set_path_state(struct mpath_path *path, enum mpath_path_state state)
{
	atomic_store(&path->state, state);
}

void nvmh_mpath_path_refuse(struct mpath_path *path, const char *fmt, ...)
{
	char text[192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	path->checked = false;
	nvmh_ctrl_lost(path->ctrl, "not used as a path: %s", text);
}

bool nvmh_mpath_path_ready(const struct mpath_path *path)
{
	return path->live && path->checked && nvmh_mpath_ana_known(path) &&
	       (mpath_path_is(path, MPATH_DOWN) || mpath_path_is(path, MPATH_UP) ||
		mpath_path_is(path, MPATH_DRAIN));
}

/* ---- whether it is one of ours ---- */

static bool same_text(const char *a, const char *b, size_t size)
{
	return !a[0] || !b[0] || !strncmp(a, b, size);
}

/* Return: NULL, or why a controller that says @id is not of the subsystem of one that said @known. */
static const char *other_subsystem(const struct nvme_id_ctrl *id, const struct nvme_id_ctrl *known)
{
	if (!same_text(id->subnqn, known->subnqn, sizeof(id->subnqn)))
		return "its subsystem has another NQN than the other paths'";
	if (memcmp(id->sn, known->sn, sizeof(id->sn)))
		return "its subsystem has another serial number than the other paths'";
	return NULL;
}

/* Against another live path. */
static const char *wrong_beside(const struct mpath_path *path, const struct mpath_path *other)
{
	uint8_t both = path->ctrl->id.cmic & other->ctrl->id.cmic;

	if (path->ctrl->cntlid == other->ctrl->cntlid)
		return "it has the same CNTLID as another path";
	if (!(both & NVME_CTRL_CMIC_MULTI_CTRL))
		return "its subsystem says that it has only one controller (CMIC)";
	return other_subsystem(&path->ctrl->id, &other->ctrl->id);
}

static const char *wrong(const struct mpath_path *path)
{
	const struct mpath *mp = path->mp;
	const struct mpath_path *other;
	const char *why = NULL;
	uint8_t i;

	if (mp->set_up)
		why = other_subsystem(&path->ctrl->id, &mp->ctrl->id);
	for (i = 0; !why && i < NVMH_MAX_PATHS; i++) {
		other = mp->slot[i].own;
		if (other && other != path && other->live && other->checked)
			why = wrong_beside(path, other);
	}
	return why;
}

/* ---- what its controller tells ---- */

static void went_live(struct mpath_path *path)
{
	const struct nvme_id_ctrl *id = &path->ctrl->id;
	const char *why = wrong(path);

	path->live = true;
	path->mp->ns_dirty = true;
	if (why) {
		nvmh_mpath_path_refuse(path, "%s", why);
		return;
	}
	path->checked = true;
	atomic_store(&path->nr_ioq, path->ctrl->nr_ioq);
	atomic_store(&path->crdt_ms10[0], le16toh(id->crdt1));
	atomic_store(&path->crdt_ms10[1], le16toh(id->crdt2));
	atomic_store(&path->crdt_ms10[2], le16toh(id->crdt3));
	nvmh_mpath_ana_start(path);
}

static void went_down(struct mpath_path *path)
{
	if (mpath_path_is(path, MPATH_UP))
		set_path_state(path, MPATH_DOWN);
	if (!path->live)
		return;
	path->live = false;
	path->checked = false;
	path->mp->ns_dirty = true;
	path->mp->wake = true;
	nvmh_mpath_ana_stop(path);
	nvmh_mpath_fence_begin(path);
}

static void on_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct mpath_path *path = arg;

	(void)ctrl;
	if (state == NVMH_LIVE) {
		went_live(path);
		return;
	}
	went_down(path);
	if (state == NVMH_DEAD && mpath_path_is(path, MPATH_DOWN)) {
		set_path_state(path, MPATH_DEAD);
		path->mp->ns_dirty = true;
		path->mp->wake = true;
	}
}

static void on_ns(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg)
{
	struct mpath_path *path = arg;

	(void)ctrl;
	(void)nsid;
	/* which group a new one is in is news, too */
	if (ns && path->ana.used)
		path->ana.want = true;
	path->mp->ns_dirty = true;
}

static void on_notice(struct nvmh_ctrl *ctrl, uint8_t info)
{
	struct mpath_path *path = ctrl->opts.arg;

	if (info == NVME_AER_NOTICE_ANA)
		path->ana.want = true;
}

static void on_event(struct nvmh_ctrl *ctrl, uint32_t dw0, void *arg)
{
	struct nvmh_ctrl *mpath = ((struct mpath_path *)arg)->mp->ctrl;

	(void)ctrl;
	mpath->opts.on_event(mpath, dw0, mpath->opts.arg);
}

/* ---- opening ---- */

static int watch(struct mpath *mp, const struct mpath_path *path)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ret = nvmh_ctrl_watch(mp->ctrl, nvmh_ctrl_fd(path->ctrl));
	uint16_t i;

	for (i = 0; !ret && i < mp->ctrl->opts.nr_io_queues; i++) {
		if (epoll_ctl(mp->queues[i + 1].epoll_fd, EPOLL_CTL_ADD,
			      nvmh_queue_fd(&path->ctrl->ioq[i]), &ev))
			ret = -errno;
	}
	return ret ? nvmh_error(ret, "a path cannot be watched: %s", strerrordesc_np(-ret)) : 0;
}

static int open_ctrl(struct mpath *mp, const struct nvmh_ctrl_opts *opts, struct mpath_path *path)
{
	const struct nvmh_ctrl_opts *common = &mp->ctrl->opts;
	struct nvmh_ctrl_opts o = *opts;

	o.nr_io_queues = common->nr_io_queues;
	o.queue_size = common->queue_size;
	o.hostnqn = common->hostnqn;
	o.hostid = common->hostid;
	o.on_state = on_state;
	o.on_ns = on_ns;
	o.on_event = common->on_event ? on_event : NULL;
	o.arg = path;
	if (!o.kato_ms && !strcmp(o.trtype, "tcp"))
		o.kato_ms = MPATH_KATO_MS;
	if (mp->path_ops)
		return nvmh_ctrl_open_with(&o, mp->path_ops, &path->ctrl);
	return nvmh_ctrl_open(&o, &path->ctrl);
}

int nvmh_mpath_path_open(struct mpath *mp, const struct nvmh_ctrl_opts *opts, uint8_t index)
{
	struct mpath_slot *slot = &mp->slot[index];
	struct mpath_path *path = calloc(1, sizeof(*path));
	char why[MPATH_ERROR_TEXT];
	uint16_t i;
	int ret;

	if (!path)
		return nvmh_error(-ENOMEM, "out of memory");
	path->mp = mp;
	path->slot = index;
	ret = open_ctrl(mp, opts, path);
	if (!ret)
		ret = watch(mp, path);
	if (!ret && mp->ctrl->sync_buf)
		ret = nvmh_ctrl_mem_map(path->ctrl, mp->ctrl->sync_buf, NVME_IDENTIFY_DATA_SIZE);
	if (ret) {
		/* closing its controller may say something of its own */
		snprintf(why, sizeof(why), "%s", nvmh_strerror());
		nvmh_mpath_path_free(path);
		return nvmh_error(ret, "%s", why);
	}
	path->ctrl->on_notice = on_notice;
	/* one that is refused each time it is live would come for ever */
	path->ctrl->loss_goes_on = true;
	path->ctrl->assoc = slot->next_assoc;
	/* of whoever was in the slot before */
	for (i = 0; i <= mp->ctrl->opts.nr_io_queues; i++) {
		atomic_store(&mp->queues[i].ios_sent[index], 0);
		atomic_store(&mp->queues[i].failed_over[index], 0);
	}
	slot->own = path;
	atomic_store(&slot->path, path);
	if (index >= atomic_load(&mp->nr_slots))
		atomic_store(&mp->nr_slots, index + 1);
	return 0;
}

void nvmh_mpath_path_free(struct mpath_path *path)
{
	struct mpath_slot *slot = &path->mp->slot[path->slot];

	if (slot->own == path)
		slot->next_assoc = path->ctrl->assoc;
	nvmh_ctrl_close(path->ctrl);
	/* after it: what is outstanding looks the path up when it ends */
	if (slot->own == path) {
		slot->own = NULL;
		atomic_store(&slot->path, NULL);
	}
	nvmh_mpath_ana_free(path);
	free(path);
}

/* ---- removal ---- */

static void note_turns(struct mpath_path *path)
{
	uint16_t i;

	for (i = 0; i < path->mp->ctrl->opts.nr_io_queues; i++)
		path->turns[i] = atomic_load(&path->mp->queues[i + 1].turns);
}

/*
 * Whether every owner began a poll since note_turns(), and so sees the slot as it was then. One that
 * does not own its queue any more will see it when it next does (nvmh_queue_down() has the argument).
 */
static bool all_turned(struct mpath_path *path)
{
	struct mpath_queue *mq;
	uintptr_t owner;
	bool all = true;
	uint16_t i;

	for (i = 0; i < path->mp->ctrl->opts.nr_io_queues; i++) {
		mq = &path->mp->queues[i + 1];
		owner = atomic_load(&mq->q->owner);
		if (!owner || (owner == nvmh_thread_token() && !mq->q->polling) ||
		    atomic_load(&mq->turns) != path->turns[i])
			continue;
		nvmh_queue_kick(mq->q);
		all = false;
	}
	return all;
}

static uint32_t outstanding(const struct mpath_path *path)
{
	uint32_t n = 0;
	uint16_t i;

	for (i = 1; i <= path->mp->ctrl->opts.nr_io_queues; i++)
		n += atomic_load(&path->mp->queues[i].out[path->slot]);
	return n;
}

/* Return: the path is no more. */
static bool run_removal(struct mpath_path *path, uint64_t now_ns)
{
	struct mpath *mp = path->mp;

	switch (atomic_load(&path->state)) {
	case MPATH_DRAIN:
		if (!path->deadline_ns) {
			path->deadline_ns = now_ns + MPATH_DRAIN_MS * NS_PER_MS;
			note_turns(path);
		}
		if ((!all_turned(path) || outstanding(path)) && now_ns < path->deadline_ns)
			return false;
		set_path_state(path, MPATH_LEAVE);
		mp->ns_dirty = true;
		nvmh_ctrl_shutdown(path->ctrl);
		return false;
	case MPATH_LEAVE:
		if (path->ctrl->phase != NVMH_PHASE_END)
			return false;
		set_path_state(path, MPATH_FORGET);
		atomic_store(&mp->slot[path->slot].path, NULL);
		mp->wake = true;
		note_turns(path);
		return false;
	case MPATH_FORGET:
		if (!all_turned(path))
			return false;
		log_notice("path removed name=\"%s\"", path->ctrl->name);
		nvmh_mpath_path_free(path);
		return true;
	default:
		return false;
	}
}

int nvmh_mpath_path_run(struct mpath_path *path, uint64_t now_ns)
{
	bool closing = path->ctrl->phase == NVMH_PHASE_QUIET;
	int n = nvmh_ctrl_process(path->ctrl);

	/* until its connections are closed, what was sent may still reach it */
	if (closing)
		nvmh_mpath_fence_renew(path);
	nvmh_mpath_ana_run(path, now_ns);
	return run_removal(path, now_ns) ? n + 1 : n;
}
