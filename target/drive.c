// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives, local and remote. Each has a thread of its own that opens it, runs its controller (resets,
 * admin commands, timers) and closes it when it is gone: resets of a PCI function and the release of
 * a removed one take 100 ms and more, and a sick drive must delay neither the cores nor the other
 * drives. The I/O queues belong to the cores (ns_pcie.c); what happens while a drive is away is in
 * drive_watch.c, how a remote one is reached in drive_remote.c, how all are stopped in
 * drive_stop.c. Entry points: nvmet_drive_get(), nvmet_drive_put(), nvmet_drive_watch().
 */
#include "target/drive.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/subsys.h"

enum {
	DRIVE_BRINGUP_MS = 120000, /* CAP.TO may say up to 127.5 s */
	DRIVE_QUEUE_SIZE = 1024,
	/* looks at a drive that is there, and does not come up, until it is tried again */
	RETRY_MIN_LOOKS = 5,
	RETRY_MAX_LOOKS = 300,
};

const char *nvmet_drive_word(const struct nvmet_drive *drive)
{
	return drive->remote ? "remote" : "drive";
}

struct nvmet_drive_core *nvmet_drive_core(struct nvmet_drive *drive, const struct nvmet_core *core)
{
	return &drive->cores[core->index];
}

/* ---- the cores' queues ---- */

struct queue_call {
	struct nvmet_drive_core *dc;
	struct nvmh_queue *q;
};

static void queue_attach(void *arg)
{
	struct queue_call *call = arg;
	struct nvmet_drive_core *dc = call->dc;
	int ret = 0;

	dc->q = call->q;
	if (dc->users)
		ret = nvmet_drive_core_hook(dc);
	if (!ret)
		return;
	log_err("a core cannot use the drive, its commands are refused %s=%s core=%d errno=%s",
		nvmet_drive_word(dc->drive), dc->drive->name, dc->core->index,
		strerrorname_np(-ret));
	dc->q = NULL;
}

static void queue_detach(void *arg)
{
	struct queue_call *call = arg;

	nvmet_drive_core_unhook(call->dc);
	call->dc->q = NULL;
}

/* Gives each core its queue of the controller, whether the drive grants it or not: the next reset
 * may. */
static void attach_queues(struct nvmet_drive *drive)
{
	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct queue_call call = { &drive->cores[i],
					   nvmh_ctrl_queue(drive->ctrl, (uint16_t)i) };

		loop_call(nvmet.cores[i]->loop, queue_attach, &call);
	}
}

static void detach_queues(struct nvmet_drive *drive)
{
	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct queue_call call = { &drive->cores[i], NULL };

		loop_call(nvmet.cores[i]->loop, queue_detach, &call);
	}
}

static void set_nr_queues(struct nvmet_drive *drive, uint16_t nr)
{
	for (int i = 0; i < nvmet.nr_cores; i++)
		atomic_store(&drive->cores[i].nr_queues, nr);
}

/* ---- who hears about it ---- */

static struct nvmh_ctrl *usable(const struct nvmet_drive *drive)
{
	return drive->ctrl && !drive->wrong && nvmh_ctrl_state(drive->ctrl) == NVMH_LIVE &&
			       nvmh_ctrl_nr_queues(drive->ctrl)
		       ? drive->ctrl
		       : NULL;
}

void nvmet_drive_tell(struct nvmet_drive *drive)
{
	struct nvmh_ctrl *ctrl = usable(drive);
	struct list *pos;

	if (drive->stopping)
		return;
	pthread_mutex_lock(&drive->lock);
	list_for_each(pos, &drive->watchers) {
		struct nvmet_drive_watcher *w = list_entry(pos, struct nvmet_drive_watcher, link);

		w->update(w, ctrl);
	}
	pthread_mutex_unlock(&drive->lock);
}

struct watch_call {
	struct nvmet_drive *drive;
	struct nvmet_drive_watcher *w;
};

static void watch(void *arg)
{
	struct watch_call *call = arg;

	pthread_mutex_lock(&call->drive->lock);
	list_add_tail(&call->drive->watchers, &call->w->link);
	call->w->update(call->w, usable(call->drive));
	pthread_mutex_unlock(&call->drive->lock);
}

void nvmet_drive_watch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w)
{
	struct watch_call call = { drive, w };

	loop_call(drive->loop, watch, &call);
}

void nvmet_drive_unwatch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w)
{
	pthread_mutex_lock(&drive->lock);
	list_del(&w->link);
	pthread_mutex_unlock(&drive->lock);
}

static void drive_live(struct nvmet_drive *drive)
{
	uint16_t nr = nvmh_ctrl_nr_queues(drive->ctrl);
	const char *kind = nvmet_drive_word(drive);

	if (!nvmet_drive_recognize(drive)) {
		loop_defer(drive->loop, &drive->lost);
		return;
	}
	drive->retry_ms = 0;
	drive->said[0] = '\0';
	if (nr)
		log_notice("%s is live %s=%s at=%s serial=\"%s\" queues=%u", kind, kind,
			   drive->name, drive->at, drive->serial, nr);
	else
		log_err("%s grants no I/O queue, its namespaces are not ready; it can be administered only %s=%s",
			kind, kind, drive->name);
	set_nr_queues(drive, nr);
}

void nvmet_drive_complain(struct nvmet_drive *drive, const char *why)
{
	const char *kind = nvmet_drive_word(drive);

	if (!strcmp(drive->said, why))
		return;
	snprintf(drive->said, sizeof(drive->said), "%s", why);
	log_err("%s cannot be used, it is looked for and tried again %s=%s at=%s reason=\"%s\"",
		kind, kind, drive->name, drive->at, why);
}

/*
 * A remote one that is lost: the library holds commands until it, or another path, is back, which
 * hosts need not know of. After some time they do: commands end, and new ones are not taken.
 */
static void hold_over(struct loop_timer *t)
{
	struct nvmet_drive *drive = container_of(t, struct nvmet_drive, hold);

	set_nr_queues(drive, 0);
	nvmet_drive_tell(drive);
}

/* Drive's thread. */
static void drive_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct nvmet_drive *drive = arg;
	bool held = drive->remote && state == NVMH_CONNECTING && !drive->stopping;

	if (held)
		loop_timer_start(&drive->hold, drive->hold_ms);
	else
		loop_timer_stop(&drive->hold);
	if (state != NVMH_LIVE && !held)
		set_nr_queues(drive, 0);
	if (state == NVMH_LIVE)
		drive_live(drive);
	else if (state != NVMH_DELETING && !drive->stopping)
		log_warn("%s is %s %s=%s at=%s reason=\"%s\"", nvmet_drive_word(drive),
			 nvmh_state_name(state), nvmet_drive_word(drive), drive->name, drive->at,
			 nvmh_ctrl_error(ctrl));
	if (held) /* which need not be said again */
		snprintf(drive->said, sizeof(drive->said), "%s", nvmh_ctrl_error(ctrl));
	/* not from within a call of the library */
	if (state == NVMH_DEAD && !drive->stopping)
		loop_defer(drive->loop, &drive->lost);
	if (state == NVMH_DEAD && drive->end.wanted)
		loop_defer(drive->loop, &drive->end.work);
	if (!held)
		nvmet_drive_tell(drive);
	nvmet_drive_ops_state(&drive->ops, ctrl, state);
}

static void drive_ns(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg)
{
	struct nvmet_drive *drive = arg;

	(void)nsid;
	(void)ns;
	/* a scan within a bring-up is told of when that is done */
	if (nvmh_ctrl_state(ctrl) == NVMH_LIVE)
		nvmet_drive_tell(drive);
}

/* ---- opening and closing, in the drive's thread ---- */

/* A remote one is not given up by the library: nobody else would say what it waits for. */
static void say_unreachable(struct nvmet_drive *drive)
{
	enum nvmh_state state = nvmh_ctrl_state(drive->ctrl);
	const char *why = nvmh_ctrl_error(drive->ctrl);

	if (why[0] && (state == NVMH_NEW || state == NVMH_CONNECTING))
		nvmet_drive_complain(drive, why);
}

static void drive_ready(struct loop_io *io, unsigned int events)
{
	struct nvmet_drive *drive = container_of(io, struct nvmet_drive, io);

	(void)events;
	nvmh_ctrl_process(drive->ctrl);
	nvmet_drive_ops_turn(&drive->ops, drive->ctrl);
	if (drive->remote && !drive->stopping)
		say_unreachable(drive);
}

void nvmet_drive_close(struct nvmet_drive *drive)
{
	if (!drive->ctrl)
		return;
	set_nr_queues(drive, 0);
	loop_work_cancel(&drive->lost);
	loop_io_del(&drive->io);
	detach_queues(drive);
	nvmet_drive_ops_flush(&drive->ops);
	nvmh_ctrl_close(drive->ctrl);
	drive->ctrl = NULL;
}

static void drive_lost(struct loop_work *work)
{
	struct nvmet_drive *drive = container_of(work, struct nvmet_drive, lost);
	char why[256];

	snprintf(why, sizeof(why), "%s", nvmh_ctrl_error(drive->ctrl));
	nvmet_drive_close(drive);
	nvmet_drive_tell(drive);
	if (!drive->wrong)
		nvmet_drive_failed(drive, why[0] ? why : "it did not come up in time");
	nvmet_drive_look_start(drive);
}

void nvmet_drive_failed(struct nvmet_drive *drive, const char *why)
{
	nvmet_drive_complain(drive, why);
	drive->retry_ms =
		drive->retry_ms ? min_of(2 * drive->retry_ms, RETRY_MAX_LOOKS * nvmet_drive_look_ms)
				: RETRY_MIN_LOOKS * nvmet_drive_look_ms;
	drive->retry_ns = clock_now_ns() + drive->retry_ms * UINT64_C(1000000);
}

static int open_local(struct nvmet_drive *drive, struct nvmh_ctrl_opts *opts)
{
	uint64_t hmb_bytes = nvmet.cfg->daemon.drive_hmb_bytes;

	opts->trtype = "pcie";
	opts->traddr = drive->at;
	opts->use_cmb = nvmet.cfg->daemon.drive_cmb;
	opts->hmb_mib = hmb_bytes ? (uint32_t)(hmb_bytes >> 20) : (uint32_t)NVMH_NO_HMB;
	return nvmh_ctrl_open(opts, &drive->ctrl);
}

int nvmet_drive_open(struct nvmet_drive *drive)
{
	struct nvmh_ctrl_opts opts = {
		.nr_io_queues = (uint16_t)nvmet.nr_cores,
		.queue_size = DRIVE_QUEUE_SIZE,
		.io_timeout_ms = nvmet.cfg->daemon.drive_timeout_s * 1000,
		.on_state = drive_state,
		.on_ns = drive_ns,
		.arg = drive,
	};
	int ret;

	drive->wrong = false;
	ret = drive->remote ? nvmet_drive_remote_open(drive, &opts) : open_local(drive, &opts);
	if (!ret)
		ret = nvmh_ctrl_mem_map(drive->ctrl, nvmet.arena.base, nvmet.arena.len);
	if (!ret)
		ret = nvmet_drive_ops_map(&drive->ops, drive->ctrl);
	if (!ret)
		ret = loop_io_add(drive->loop, &drive->io, nvmh_ctrl_fd(drive->ctrl), LOOP_READ,
				  drive_ready);
	if (ret) {
		nvmh_ctrl_close(drive->ctrl);
		drive->ctrl = NULL;
		return ret;
	}
	attach_queues(drive);
	return 0;
}

struct first_call {
	struct nvmet_drive *drive;
	int ret;
};

/*
 * A drive that is missing or sick takes nothing from the others: the daemon starts without it. For a
 * remote one it does not wait at all, which may be another daemon that waits for this one.
 */
static void drive_first(void *arg)
{
	struct first_call *call = arg;
	struct nvmet_drive *drive = call->drive;

	call->ret = nvmet_drive_open(drive);
	if (call->ret == -ENODEV) {
		log_err("drive is not there, its namespaces are served when it is plugged in drive=%s reason=\"%s\"",
			drive->name, nvmh_strerror());
		call->ret = 0;
		nvmet_drive_look_start(drive);
	} else if (call->ret) {
		log_err("cannot use %s %s: %s", nvmet_drive_word(drive), drive->name,
			nvmh_strerror());
	} else if (!drive->remote && nvmh_ctrl_wait(drive->ctrl, DRIVE_BRINGUP_MS)) {
		loop_defer(drive->loop, &drive->lost);
	}
}

struct ctrl_call {
	struct nvmet_drive *drive;
	void (*fn)(struct nvmh_ctrl *ctrl, void *arg);
	void *arg;
};

static void call_ctrl(void *arg)
{
	struct ctrl_call *call = arg;

	call->fn(call->drive->ctrl, call->arg);
}

void nvmet_drive_call(struct nvmet_drive *drive, void (*fn)(struct nvmh_ctrl *ctrl, void *arg),
		      void *arg)
{
	struct ctrl_call call = { drive, fn, arg };

	loop_call(drive->loop, call_ctrl, &call);
}

/* ---- the main thread ---- */

static void drive_free(struct nvmet_drive *drive)
{
	if (!drive)
		return;
	if (drive->loop) {
		loop_call(drive->loop, nvmet_drive_stop, drive);
		loop_stop(drive->loop);
		loop_join(drive->loop);
		loop_free(drive->loop);
	}
	list_del(&drive->link);
	nvmet_drive_ops_done(&drive->ops);
	pthread_mutex_destroy(&drive->lock);
	free(drive->cores);
	free(drive);
}

static int start_thread(struct nvmet_drive *drive)
{
	char name[16];
	struct loop_opts opts = { .name = name, .cpu = -1 };
	int ret;

	if (drive->remote)
		snprintf(name, sizeof(name), "remote");
	else
		snprintf(name, sizeof(name), "drive %.9s", drive->name + strlen("0000:"));
	ret = loop_create(&opts, &drive->loop);
	if (!ret)
		ret = loop_timer_init(drive->loop, &drive->look, nvmet_drive_look);
	if (!ret)
		ret = loop_timer_init(drive->loop, &drive->hold, hold_over);
	if (!ret)
		ret = nvmet_drive_ops_start(&drive->ops, drive->loop);
	return ret ? ret : loop_start(drive->loop);
}

static struct nvmet_drive *drive_alloc(const struct config_namespace *cfg)
{
	struct nvmet_drive *drive = calloc(1, sizeof(*drive));

	if (!drive)
		return NULL;
	list_init(&drive->link);
	list_init(&drive->watchers);
	loop_work_init(&drive->lost, drive_lost);
	nvmet_drive_end_init(&drive->end);
	nvmet_drive_probe_init(&drive->probe);
	pthread_mutex_init(&drive->lock, NULL);
	drive->remote = cfg->device == CONFIG_DEVICE_REMOTE;
	drive->cfg = cfg;
	snprintf(drive->name, sizeof(drive->name), "%s", cfg->bdf);
	snprintf(drive->at, sizeof(drive->at), "%s", cfg->bdf);
	drive->cores = calloc((size_t)nvmet.nr_cores, sizeof(*drive->cores));
	if (nvmet_drive_ops_init(&drive->ops) || !drive->cores) {
		drive_free(drive);
		return NULL;
	}
	for (int i = 0; i < nvmet.nr_cores; i++) {
		drive->cores[i].drive = drive;
		drive->cores[i].core = nvmet.cores[i];
		list_init(&drive->cores[i].waiting);
	}
	return drive;
}

struct nvmet_drive *nvmet_drive_find(const char *bdf)
{
	struct list *pos;

	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *drive = list_entry(pos, struct nvmet_drive, link);

		if (!drive->remote && !strcmp(drive->name, bdf))
			return drive;
	}
	return NULL;
}

struct nvmet_drive *nvmet_drive_holder(const char *bdf)
{
	struct nvmet_drive *drive = nvmet_drive_find(bdf);
	struct list *pos;

	if (drive)
		return drive;
	list_for_each(pos, &nvmet.drives) {
		drive = list_entry(pos, struct nvmet_drive, link);
		if (nvmet_drive_is_at(drive, bdf))
			return drive;
	}
	return NULL;
}

/* The drive that is open already for another namespace; or NULL. */
static struct nvmet_drive *drive_of(const struct config_namespace *cfg)
{
	struct list *pos;

	if (cfg->device != CONFIG_DEVICE_REMOTE)
		return nvmet_drive_find(cfg->bdf);
	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *drive = list_entry(pos, struct nvmet_drive, link);

		if (drive->remote && nvmet_drive_remote_is(drive, cfg))
			return drive;
	}
	return NULL;
}

int nvmet_drive_get(const struct config_namespace *cfg, struct nvmet_drive **drivep)
{
	struct first_call call = { 0 };
	struct nvmet_drive *drive = drive_of(cfg);
	int ret = -ENOMEM;

	if (drive) {
		drive->refs++;
		*drivep = drive;
		return 0;
	}
	call.drive = drive_alloc(cfg);
	if (!call.drive)
		return ret;
	ret = call.drive->remote ? nvmet_drive_remote_name(call.drive) : 0;
	if (!ret)
		ret = start_thread(call.drive);
	if (!ret)
		loop_call(call.drive->loop, drive_first, &call);
	if (!ret)
		ret = call.ret;
	if (ret) {
		drive_free(call.drive);
		return ret;
	}
	call.drive->refs = 1;
	list_add_tail(&nvmet.drives, &call.drive->link);
	*drivep = call.drive;
	return 0;
}

void nvmet_drive_put(struct nvmet_drive *drive)
{
	if (drive && !--drive->refs)
		drive_free(drive);
}
