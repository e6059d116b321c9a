// SPDX-License-Identifier: BSD-2-Clause
/*
 * Local PCIe drives. Opened and closed by the main thread; in between, the drives' thread runs
 * their controllers (resets, admin commands, timers), so that a sick one delays neither the cores
 * nor the control plane. The I/O queues belong to the cores (ns_pcie.c). Entry points:
 * nvmet_drive_get(), nvmet_drive_put().
 */
#include "target/drive.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "target/subsys.h"

enum {
	DRIVE_BRINGUP_MS = 120000, /* CAP.TO may say up to 127.5 s */
	DRIVE_QUEUE_SIZE = 1024,
};

struct nvmet_drive {
	struct list link; /* nvmet.drives */
	char bdf[CONFIG_BDF_SIZE];
	unsigned int refs;
	struct nvmh_ctrl *ctrl;
	struct loop_io io;
	struct nvmet_drive_core *cores; /* nvmet.nr_cores of them */
	pthread_mutex_t lock;		/* watchers: main and drives' thread */
	struct nvmet_ns **watchers;
	unsigned int nr_watchers;
};

static struct loop *drives_loop;

struct nvmh_ctrl *nvmet_drive_ctrl(struct nvmet_drive *drive)
{
	return drive->ctrl;
}

struct nvmet_drive_core *nvmet_drive_core(struct nvmet_drive *drive, const struct nvmet_core *core)
{
	return &drive->cores[core->index];
}

/* ---- who hears about it ---- */

void nvmet_drive_watch(struct nvmet_drive *drive, struct nvmet_ns *ns)
{
	pthread_mutex_lock(&drive->lock);
	drive->watchers[drive->nr_watchers++] = ns;
	/* It may have gone away while nobody watched. */
	nvmet_ns_set_ready(ns, nvmh_ctrl_state(drive->ctrl) == NVMH_LIVE);
	pthread_mutex_unlock(&drive->lock);
}

void nvmet_drive_unwatch(struct nvmet_drive *drive, struct nvmet_ns *ns)
{
	pthread_mutex_lock(&drive->lock);
	for (unsigned int i = 0; i < drive->nr_watchers; i++)
		if (drive->watchers[i] == ns) {
			drive->watchers[i] = drive->watchers[--drive->nr_watchers];
			break;
		}
	pthread_mutex_unlock(&drive->lock);
}

/* Drives' thread; while opening, the main thread. */
static void drive_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct nvmet_drive *drive = arg;

	if (state == NVMH_LIVE)
		log_notice("drive is live drive=%s", drive->bdf);
	else if (state != NVMH_DELETING)
		log_warn("drive is %s drive=%s reason=\"%s\"", nvmh_state_name(state), drive->bdf,
			 nvmh_ctrl_error(ctrl));
	pthread_mutex_lock(&drive->lock);
	for (unsigned int i = 0; i < drive->nr_watchers; i++)
		nvmet_ns_set_ready(drive->watchers[i], state == NVMH_LIVE);
	pthread_mutex_unlock(&drive->lock);
}

/* ---- the drives' thread ---- */

static void drive_ready(struct loop_io *io, unsigned int events)
{
	struct nvmet_drive *drive = container_of(io, struct nvmet_drive, io);

	(void)events;
	nvmh_ctrl_process(drive->ctrl);
}

struct drive_call {
	struct nvmet_drive *drive;
	int ret;
};

static void drive_hand_over(void *arg)
{
	struct drive_call *call = arg;
	struct nvmet_drive *drive = call->drive;

	call->ret = loop_io_add(drives_loop, &drive->io, nvmh_ctrl_fd(drive->ctrl), LOOP_READ,
				drive_ready);
}

static void drive_take_back(void *arg)
{
	struct drive_call *call = arg;

	loop_io_del(&call->drive->io);
}

static int drives_start(void)
{
	struct loop_opts opts = { .name = "drives", .cpu = -1 };
	int ret;

	if (drives_loop)
		return 0;
	ret = loop_create(&opts, &drives_loop);
	if (!ret)
		ret = loop_start(drives_loop);
	return ret;
}

void nvmet_drives_stop(void)
{
	if (!drives_loop)
		return;
	loop_stop(drives_loop);
	loop_join(drives_loop);
	loop_free(drives_loop);
	drives_loop = NULL;
}

/* ---- open and close ---- */

static void drive_free(struct nvmet_drive *drive)
{
	struct drive_call call = { drive, 0 };

	if (!drive)
		return;
	if (drive->io.loop)
		loop_call(drives_loop, drive_take_back, &call);
	list_del(&drive->link);
	if (drive->ctrl)
		nvmh_ctrl_close(drive->ctrl);
	pthread_mutex_destroy(&drive->lock);
	free(drive->watchers);
	free(drive->cores);
	free(drive);
}

static int drive_bring_up(struct nvmet_drive *drive)
{
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = drive->bdf,
		.nr_io_queues = (uint16_t)nvmet.nr_cores,
		.queue_size = DRIVE_QUEUE_SIZE,
		.on_state = drive_state,
		.arg = drive,
	};
	int ret = nvmh_ctrl_open(&opts, &drive->ctrl);

	if (!ret)
		ret = nvmh_ctrl_mem_map(drive->ctrl, nvmet.arena.base, nvmet.arena.len);
	if (!ret)
		ret = nvmh_ctrl_wait(drive->ctrl, DRIVE_BRINGUP_MS);
	if (ret) {
		log_err("cannot use drive %s: %s", drive->bdf, nvmh_strerror());
		return ret;
	}
	if (!nvmh_ctrl_nr_queues(drive->ctrl)) {
		log_err("cannot use drive %s: it grants no I/O queue", drive->bdf);
		return -ENODEV;
	}
	return 0;
}

static void drive_place_queues(struct nvmet_drive *drive)
{
	int nr = nvmh_ctrl_nr_queues(drive->ctrl);

	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct nvmet_drive_core *dc = &drive->cores[i];

		dc->drive = drive;
		dc->core = nvmet.cores[i];
		list_init(&dc->waiting);
		if (i < nr)
			dc->q = nvmh_ctrl_queue(drive->ctrl, (uint16_t)i);
		else
			dc->via = nvmet.cores[i % nr];
	}
}

static int drive_open(const char *bdf, struct nvmet_drive **drivep)
{
	struct nvmet_drive *drive = calloc(1, sizeof(*drive));
	struct drive_call call = { drive, 0 };
	int ret = -ENOMEM;

	if (!drive)
		return ret;
	list_init(&drive->link);
	pthread_mutex_init(&drive->lock, NULL);
	snprintf(drive->bdf, sizeof(drive->bdf), "%s", bdf);
	drive->cores = calloc((size_t)nvmet.nr_cores, sizeof(*drive->cores));
	drive->watchers = calloc(MAX_NSID, sizeof(*drive->watchers));
	if (!drive->cores || !drive->watchers)
		goto fail;
	ret = drives_start();
	if (!ret)
		ret = drive_bring_up(drive);
	if (ret)
		goto fail;
	drive_place_queues(drive);
	loop_call(drives_loop, drive_hand_over, &call);
	ret = call.ret;
	if (ret)
		goto fail;
	list_add_tail(&nvmet.drives, &drive->link);
	*drivep = drive;
	return 0;
fail:
	drive_free(drive);
	return ret;
}

int nvmet_drive_get(const char *bdf, struct nvmet_drive **drivep)
{
	struct list *pos;
	int ret;

	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *drive = list_entry(pos, struct nvmet_drive, link);

		if (!strcmp(drive->bdf, bdf)) {
			drive->refs++;
			*drivep = drive;
			return 0;
		}
	}
	ret = drive_open(bdf, drivep);
	if (!ret)
		(*drivep)->refs = 1;
	return ret;
}

void nvmet_drive_put(struct nvmet_drive *drive)
{
	if (drive && !--drive->refs)
		drive_free(drive);
}
