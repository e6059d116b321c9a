// SPDX-License-Identifier: BSD-2-Clause
/*
 * A drive that is away: removed, given up, or not there when the daemon started. Its thread looks
 * for it once a second, at the address it had, and where the kernel's driver has a drive of the
 * same serial number and model in another slot, or vfio-pci one that says so (drive_probe.c); hands
 * it to vfio-pci if it is not yet; opens it; and takes it for ours only when it says that it is. The
 * drive's thread. Entry points:
 * nvmet_drive_look_start(), nvmet_drive_recognize().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/drive.h"
#include "target/drive_show.h"
#include "target/subsys.h"

uint32_t nvmet_drive_look_ms = 1000;

enum {
	LOOKS_UNBOUND = 3, /* before a function is taken that no driver has */
};

/* ---- who it is ---- */

struct names {
	char serial[21];
	char model[41];
	char subnqn[257];
};

static struct names names_of(const struct nvme_id_ctrl *id)
{
	struct names n;

	nvmet_drive_ascii(id->sn, sizeof(id->sn), n.serial, sizeof(n.serial));
	nvmet_drive_ascii(id->mn, sizeof(id->mn), n.model, sizeof(n.model));
	nvmet_drive_ascii(id->subnqn, sizeof(id->subnqn), n.subnqn, sizeof(n.subnqn));
	return n;
}

static void remember(struct nvmet_drive *drive, const struct names *n)
{
	struct nvmh_pci_info info = { .vendor = 0 };

	snprintf(drive->serial, sizeof(drive->serial), "%s", n->serial);
	snprintf(drive->model, sizeof(drive->model), "%s", n->model);
	snprintf(drive->subnqn, sizeof(drive->subnqn), "%s", n->subnqn);
	if (!drive->remote)
		nvmh_pci_info(drive->at, &info); /* a function that is gone by now has no ids */
	drive->vendor = info.vendor;
	drive->device = info.device;
	drive->known = true;
}

bool nvmet_drive_is_ours(const struct nvmet_drive *drive, const struct nvme_id_ctrl *id)
{
	struct names n = names_of(id);

	return !strcmp(n.serial, drive->serial) && !strcmp(n.model, drive->model) &&
	       !strcmp(n.subnqn, drive->subnqn);
}

bool nvmet_drive_recognize(struct nvmet_drive *drive)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(drive->ctrl);
	struct names n = names_of(id);

	/* a remote target may have another serial number after it started anew; its namespaces are
	 * compared, anyway */
	if (!drive->known || drive->remote)
		remember(drive, &n);
	drive->wrong = !nvmet_drive_is_ours(drive, id);
	if (drive->wrong)
		log_err("another drive is where ours was, it is left alone; plug ours in again, or restart the daemon to use this one drive=%s at=%s serial=\"%s\" model=\"%s\" ours=\"%s\"",
			drive->name, drive->at, n.serial, n.model, drive->serial);
	return !drive->wrong;
}

/* ---- where it is ---- */

bool nvmet_drive_taken(const struct nvmet_drive *drive, const char *bdf)
{
	for (uint32_t i = 0; i < nvmet.cfg->nr_subsystems; i++) {
		const struct config_subsystem *cs = &nvmet.cfg->subsystems[i];

		for (uint32_t n = 0; n < cs->nr_namespaces; n++)
			if (cs->namespaces[n].device == CONFIG_DEVICE_PCI &&
			    !strcmp(cs->namespaces[n].bdf, bdf) && strcmp(drive->name, bdf))
				return true;
	}
	return false;
}

/* Whether the kernel's driver has our drive at @bdf; false also where it cannot tell yet. */
static bool kernel_has_ours(const struct nvmet_drive *drive, const char *bdf)
{
	char serial[64];
	char model[64];

	return drive->known && !nvmh_pci_identity(bdf, serial, model) &&
	       !strcmp(serial, drive->serial) && !strcmp(model, drive->model);
}

/* The main thread and helpers ask where it is. */
static void set_at(struct nvmet_drive *drive, const char *bdf)
{
	pthread_mutex_lock(&drive->lock);
	snprintf(drive->at, sizeof(drive->at), "%.*s", CONFIG_BDF_SIZE - 1, bdf);
	pthread_mutex_unlock(&drive->lock);
}

bool nvmet_drive_is_at(struct nvmet_drive *drive, const char *bdf)
{
	bool is;

	pthread_mutex_lock(&drive->lock);
	is = !strcmp(drive->at, bdf);
	pthread_mutex_unlock(&drive->lock);
	return is;
}

static void move_to(struct nvmet_drive *drive, const char *bdf)
{
	set_at(drive, bdf);
	drive->wrong = false;
	log_notice("drive is in another slot drive=%s at=%s serial=\"%s\"", drive->name, drive->at,
		   drive->serial);
}

/* Another slot where our drive is. Return: found, @drive->at is it; if it is with vfio-pci, that
 * will be known later. */
static bool look_elsewhere(struct nvmet_drive *drive)
{
	struct nvmh_pci_info *info = NULL;
	bool found = false;
	int nr = drive->known ? nvmh_pci_scan(&info) : 0;

	for (int i = 0; i < nr && !found; i++) {
		if (!strcmp(info[i].bdf, drive->at) || nvmet_drive_taken(drive, info[i].bdf) ||
		    !kernel_has_ours(drive, info[i].bdf))
			continue;
		found = true;
		move_to(drive, info[i].bdf);
	}
	if (!found && nr > 0)
		nvmet_drive_probe(drive, info, nr);
	free(info);
	return found;
}

/*
 * The kernel's driver, which takes what is plugged in, knows who it is: another's drive is not taken
 * away from it. Return: 0: vfio-pci has the function; -EAGAIN, not now; -errno, with
 * nvmh_strerror().
 */
static int take_function(struct nvmet_drive *drive, const struct nvmh_pci_info *info)
{
	char serial[64];
	char model[64];

	if (!strcmp(info->driver, "vfio-pci"))
		return 0;
	if (!info->driver[0] && ++drive->looks < LOOKS_UNBOUND)
		return -EAGAIN;
	if (drive->known && info->driver[0]) {
		if (nvmh_pci_identity(info->bdf, serial, model))
			return -EAGAIN;
		drive->wrong = strcmp(serial, drive->serial) || strcmp(model, drive->model);
	}
	if (drive->wrong) {
		log_err("another drive is where ours was, it is left to the kernel's driver drive=%s at=%s serial=\"%.20s\" ours=\"%s\"",
			drive->name, drive->at, serial, drive->serial);
		return -ENODEV;
	}
	return nvmh_pci_bind(info->bdf);
}

static void come_back(struct nvmet_drive *drive, const struct nvmh_pci_info *info)
{
	int ret = take_function(drive, info);

	if (!ret)
		ret = nvmet_drive_open(drive);
	if (!ret)
		log_notice("drive is there again, bringing it up drive=%s at=%s", drive->name,
			   drive->at);
	else if (ret != -EAGAIN && !drive->wrong)
		nvmet_drive_failed(drive, nvmh_strerror());
	if (ret != -EAGAIN)
		drive->looks = 0;
}

void nvmet_drive_found(struct nvmet_drive *drive, const char *bdf)
{
	struct nvmh_pci_info info;

	/* it may have come to where it was, meanwhile, or ours be two of a kind */
	if (drive->ctrl || drive->stopping || nvmh_pci_info(bdf, &info))
		return;
	move_to(drive, bdf);
	come_back(drive, &info);
	if (drive->ctrl)
		loop_timer_stop(&drive->look);
}

void nvmet_drive_look(struct loop_timer *t)
{
	struct nvmet_drive *drive = container_of(t, struct nvmet_drive, look);
	struct nvmh_pci_info info;

	if (drive->stopping)
		return;
	if (drive->remote) {
		if (clock_now_ns() >= drive->retry_ns && nvmet_drive_open(drive))
			nvmet_drive_failed(drive, nvmh_strerror());
	} else if (nvmh_pci_info(drive->at, &info)) {
		/* gone: whatever is plugged in next is looked at at once */
		drive->wrong = false;
		drive->looks = 0;
		drive->retry_ns = drive->retry_ms = 0;
		drive->said[0] = '\0';
		if (look_elsewhere(drive) && !nvmh_pci_info(drive->at, &info))
			come_back(drive, &info);
		else
			set_at(drive, drive->name);
	} else if (drive->wrong) {
		if (look_elsewhere(drive) && !nvmh_pci_info(drive->at, &info))
			come_back(drive, &info);
	} else if (clock_now_ns() >= drive->retry_ns) {
		come_back(drive, &info);
	}
	if (!drive->ctrl)
		loop_timer_start(t, nvmet_drive_look_ms);
}

void nvmet_drive_look_start(struct nvmet_drive *drive)
{
	if (!drive->stopping)
		loop_timer_start(&drive->look, nvmet_drive_look_ms);
}
