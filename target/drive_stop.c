// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of all drives. Each stops in its own thread, at the same time as the others: its
 * controller is shut down by the loop that runs it, and closed when it is DEAD. The main thread
 * sends what is to be done and looks how far it is; it waits for no drive's thread, which the
 * kernel may keep for a minute and more (a reset of a function that does not answer). Entry
 * points: nvmet_drives_shutdown(), nvmet_drives_close(), nvmet_drives_closed(), main thread;
 * nvmet_drive_stop(), the drive's.
 */
#include "target/drive.h"

#include "target/subsys.h"

/* ---- the drive's thread ---- */

static void waits_for(struct nvmet_drive *drive, const char *what)
{
	atomic_store(&drive->end.waits_for, what);
}

void nvmet_drive_stop(void *arg)
{
	struct nvmet_drive *drive = arg;

	if (atomic_load(&drive->end.closed))
		return;
	waits_for(drive, drive->remote ? "its connections to be closed"
				       : "the kernel to take its PCI function back");
	drive->stopping = true;
	loop_work_cancel(&drive->lost);
	loop_work_cancel(&drive->end.work);
	loop_timer_done(&drive->look);
	loop_timer_done(&drive->hold);
	nvmet_drive_probe_stop(drive);
	nvmet_drive_close(drive);
	nvmet_drive_ops_stop(&drive->ops);
	waits_for(drive, NULL);
	atomic_store(&drive->end.closed, true);
}

static void stop_work(struct loop_work *work)
{
	nvmet_drive_stop(container_of(work, struct nvmet_drive, end.work));
}

static void shutdown_drive(struct loop_msg *msg)
{
	struct nvmet_drive *drive = container_of(msg, struct nvmet_drive, end.shutdown_msg);

	drive->stopping = true;
	loop_timer_stop(&drive->look);
	waits_for(drive, NULL);
	if (!drive->ctrl)
		return;
	waits_for(drive, drive->remote ? "its target to answer"
				       : "its shutdown (as long as its RTD3E says)");
	nvmh_ctrl_shutdown(drive->ctrl);
}

static void close_drive(struct loop_msg *msg)
{
	struct nvmet_drive *drive = container_of(msg, struct nvmet_drive, end.close_msg);

	drive->end.wanted = true;
	if (!drive->ctrl || nvmh_ctrl_state(drive->ctrl) == NVMH_DEAD)
		nvmet_drive_stop(drive);
}

void nvmet_drive_end_init(struct nvmet_drive_end *end)
{
	end->shutdown_msg.fn = shutdown_drive;
	end->close_msg.fn = close_drive;
	loop_work_init(&end->work, stop_work);
}

/* ---- the main thread ---- */

void nvmet_drives_shutdown(void)
{
	struct list *pos;

	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *drive = list_entry(pos, struct nvmet_drive, link);

		if (drive->end.shutdown_sent)
			continue;
		drive->end.shutdown_sent = true;
		/* until it takes the message */
		waits_for(drive, "the kernel, which opens or resets its PCI function");
		loop_send(drive->loop, &drive->end.shutdown_msg);
	}
}

void nvmet_drives_close(void)
{
	struct list *pos;

	nvmet_drives_shutdown();
	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *drive = list_entry(pos, struct nvmet_drive, link);

		if (!drive->end.close_sent)
			loop_send(drive->loop, &drive->end.close_msg);
		drive->end.close_sent = true;
	}
}

bool nvmet_drives_closed(void)
{
	struct list *pos;

	list_for_each(pos, &nvmet.drives) {
		if (!atomic_load(&list_entry(pos, struct nvmet_drive, link)->end.closed))
			return false;
	}
	return true;
}

const char *nvmet_drive_waits_for(const struct nvmet_drive *drive)
{
	return atomic_load(&drive->end.waits_for);
}
