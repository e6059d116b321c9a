// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which drive it is that vfio-pci has in another slot, while ours is away: there the kernel does not
 * say. A function that nobody has open and whose PCI ids are those of ours is opened, without I/O
 * queues or memory lent to it, asked who it is, and closed again: once, unless it is plugged in anew.
 * The drive's thread. Entry points: nvmet_drive_probe(), nvmet_drive_probe_stop().
 */
#include "target/drive.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/util.h"

enum {
	AGAIN_LOOKS = 60, /* until one that did not come up is asked again */
};

/* ---- those that were asked ---- */

static struct nvmet_drive_asked *asked_at(struct nvmet_drive_probe *probe, const char *bdf)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(probe->asked); i++)
		if (!strcmp(probe->asked[i].bdf, bdf))
			return &probe->asked[i];
	return NULL;
}

/* What was pulled out is another when it is plugged in again. */
static void forget_gone(struct nvmet_drive_probe *probe, const struct nvmh_pci_info *info, int nr)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(probe->asked); i++) {
		bool there = false;

		for (int k = 0; k < nr && !there; k++)
			there = !strcmp(probe->asked[i].bdf, info[k].bdf);
		if (!there)
			probe->asked[i].bdf[0] = '\0';
	}
}

static void remember(struct nvmet_drive_probe *probe, uint64_t again_ns)
{
	struct nvmet_drive_asked *asked = asked_at(probe, probe->bdf);

	if (!asked)
		asked = asked_at(probe, "");
	if (!asked)
		return; /* nvmet_drive_probe() has seen to it that there is room */
	snprintf(asked->bdf, sizeof(asked->bdf), "%s", probe->bdf);
	asked->again_ns = again_ns;
}

/* ---- one that is being asked ---- */

static void probe_close(struct nvmet_drive_probe *probe)
{
	loop_work_cancel(&probe->work);
	loop_io_del(&probe->io);
	nvmh_ctrl_close(probe->ctrl);
	probe->ctrl = NULL;
}

static void probe_over(struct loop_work *work)
{
	struct nvmet_drive_probe *probe = container_of(work, struct nvmet_drive_probe, work);
	struct nvmet_drive *drive = container_of(probe, struct nvmet_drive, probe);
	bool live = nvmh_ctrl_state(probe->ctrl) == NVMH_LIVE;
	bool ours = live && nvmet_drive_is_ours(drive, nvmh_ctrl_id(probe->ctrl));

	probe_close(probe);
	if (ours) {
		nvmet_drive_found(drive, probe->bdf);
		return;
	}
	log_info("not the drive that is looked for drive=%s at=%s %s", drive->name, probe->bdf,
		 live ? "" : "reason=\"it did not come up\"");
	remember(probe, live ? UINT64_MAX
			     : clock_now_ns() + (uint64_t)AGAIN_LOOKS * nvmet_drive_look_ms *
							UINT64_C(1000000));
}

/* It may be pulled out in turn: DEAD then, like one that does not come up. */
static void probe_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct nvmet_drive *drive = arg;

	(void)ctrl;
	if (state == NVMH_LIVE || state == NVMH_DEAD)
		loop_defer(drive->loop, &drive->probe.work);
}

static void probe_ready(struct loop_io *io, unsigned int events)
{
	(void)events;
	nvmh_ctrl_process(container_of(io, struct nvmet_drive_probe, io)->ctrl);
}

/* Return: false: somebody has it open, or it cannot be opened now. */
static bool probe_open(struct nvmet_drive *drive, const char *bdf)
{
	struct nvmet_drive_probe *probe = &drive->probe;
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = bdf,
		.hmb_mib = (uint32_t)NVMH_NO_HMB,
		.on_state = probe_state,
		.arg = drive,
	};

	snprintf(probe->bdf, sizeof(probe->bdf), "%s", bdf);
	if (nvmh_ctrl_open(&opts, &probe->ctrl)) {
		probe->ctrl = NULL;
		return false;
	}
	if (!loop_io_add(drive->loop, &probe->io, nvmh_ctrl_fd(probe->ctrl), LOOP_READ,
			 probe_ready))
		return true;
	probe_close(probe);
	return false;
}

static bool may_ask(struct nvmet_drive *drive, const struct nvmh_pci_info *info)
{
	const struct nvmet_drive_asked *asked = asked_at(&drive->probe, info->bdf);

	/* where it is looked for in any case */
	if (!strcmp(info->bdf, drive->at) || !strcmp(info->bdf, drive->name))
		return false;
	if (strcmp(info->driver, "vfio-pci") || info->vendor != drive->vendor ||
	    info->device != drive->device)
		return false;
	/* with no room to remember that it was asked, it would be again and again */
	if (asked ? clock_now_ns() < asked->again_ns : !asked_at(&drive->probe, ""))
		return false;
	return !nvmet_drive_taken(drive, info->bdf);
}

void nvmet_drive_probe(struct nvmet_drive *drive, const struct nvmh_pci_info *info, int nr)
{
	forget_gone(&drive->probe, info, nr);
	for (int i = 0; i < nr && !drive->probe.ctrl; i++)
		if (may_ask(drive, &info[i]))
			probe_open(drive, info[i].bdf);
}

void nvmet_drive_probe_init(struct nvmet_drive_probe *probe)
{
	loop_work_init(&probe->work, probe_over);
}

void nvmet_drive_probe_stop(struct nvmet_drive *drive)
{
	if (drive->probe.ctrl)
		probe_close(&drive->probe);
}
