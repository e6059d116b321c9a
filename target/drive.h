/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local PCIe drives: each is opened once through the host library, whatever number of its
 * namespaces is exported, and has one I/O queue per core.
 */
#ifndef TARGET_DRIVE_H
#define TARGET_DRIVE_H

#include "host/nvmh.h"
#include "target/ns.h"

struct nvmet_drive;

/* One core's share of a drive. */
struct nvmet_drive_core {
	struct nvmet_drive *drive;
	struct nvmet_core *core;
	struct nvmh_queue *q; /* NULL: the drive has fewer queues than there are cores; another core
				 submits for this one */
	struct nvmet_core *via; /* that other core */
	unsigned int users;	/* attached namespaces */
	struct loop_hook hook;
	struct loop_io io;
	struct list waiting; /* requests that found the queue full, struct pcie_req */
};

/*
 * nvmet_drive_get() - the drive at @bdf, opened and live, a reference taken. Main thread; waits for
 * the bring-up. Return: 0 or -errno with a line logged that says what to do.
 */
int nvmet_drive_get(const char *bdf, struct nvmet_drive **drivep);
void nvmet_drive_put(struct nvmet_drive *drive); /* main thread; no core uses it any more */
struct nvmh_ctrl *nvmet_drive_ctrl(struct nvmet_drive *drive);
struct nvmet_drive_core *nvmet_drive_core(struct nvmet_drive *drive, const struct nvmet_core *core);
/* the namespaces that hear when the drive goes away or comes back; main thread */
void nvmet_drive_watch(struct nvmet_drive *drive, struct nvmet_ns *ns);
void nvmet_drive_unwatch(struct nvmet_drive *drive, struct nvmet_ns *ns);
/* nvmet_drives_stop() - ends the drives' thread; every drive was put */
void nvmet_drives_stop(void);

#endif /* TARGET_DRIVE_H */
