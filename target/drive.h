/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives: local PCIe ones, and remote controllers, which are used alike. Each is opened once through
 * the host library, whatever number of its namespaces is exported, and has a thread of its own and
 * one I/O queue per core.
 */
#ifndef TARGET_DRIVE_H
#define TARGET_DRIVE_H

#include "host/nvmh.h"
#include "target/drive_op.h"
#include "target/ns.h"

struct nvmet_drive;

enum {
	NVMET_DRIVE_AT = 72, /* "[2001:db8::1%interface]:4420" */
};

/* One core's share of a drive. The core's, but for nr_queues. */
struct nvmet_drive_core {
	struct nvmet_drive *drive;
	struct nvmet_core *core;
	struct nvmh_queue *q; /* NULL: the drive is away */
	/* queues that the drive has now, those of cores 0..n - 1; 0: it takes no commands. Of a remote
	 * one that was lost just now as before: the library holds what it is given. Written by
	 * the drive's thread. A core beyond submits through one within. */
	_Atomic uint16_t nr_queues;
	unsigned int users; /* attached namespaces */
	bool hooked;	    /* the queue takes part in the core's turns */
	struct loop_hook hook;
	struct loop_io io;
	struct list waiting; /* requests that found the queue full, struct pcie_req */
};

/* Who hears what becomes of a drive's namespaces. */
struct nvmet_drive_watcher {
	struct list link; /* drive->watchers */
	/*
	 * Something may have changed. @ctrl: live, with I/O queues, its namespaces there to look at;
	 * NULL: the drive is away. Drive's thread, under drive->lock.
	 */
	void (*update)(struct nvmet_drive_watcher *w, struct nvmh_ctrl *ctrl);
};

/* target/drive_probe.c: who is in another slot. Drive's thread. */
struct nvmet_drive_asked {
	char bdf[CONFIG_BDF_SIZE]; /* "": free */
	uint64_t again_ns;	   /* not asked before; UINT64_MAX: it is another drive */
};

struct nvmet_drive_probe {
	struct nvmh_ctrl *ctrl; /* being asked; NULL: none is */
	char bdf[CONFIG_BDF_SIZE];
	struct loop_io io;
	struct loop_work work; /* it has answered */
	struct nvmet_drive_asked asked[16];
};

/* target/drive_stop.c: how it is stopped */
struct nvmet_drive_end {
	/* main thread: each is sent once */
	struct loop_msg shutdown_msg;
	struct loop_msg close_msg;
	bool shutdown_sent;
	bool close_sent;
	/* drive's thread */
	bool wanted;	       /* closed as soon as its controller is DEAD */
	struct loop_work work; /* it is */
	/* written by the drive's thread, and by the main thread as it sends */
	_Atomic(const char *) waits_for; /* NULL: for nothing */
	_Atomic bool closed;
};

struct nvmet_drive {
	struct list link; /* nvmet.drives */
	bool remote;
	char name[MAX_NQN_BYTES]; /* PCI address as configured; remote: the subsystem's NQN */
	/* where it is, or was last: another slot; remote: address and port, of the first path.
	 * Drive's thread, written under lock */
	char at[NVMET_DRIVE_AT];
	const struct config_namespace *cfg; /* remote: the first one on it, which says how */
	unsigned int refs;		    /* main thread */
	struct loop *loop;    /* its thread's: resets, admin commands, VFIO calls that take long
				       cost no other drive anything */
	pthread_mutex_t lock; /* watchers: main and drive's thread */
	struct list watchers;
	/* drive's thread */
	struct nvmh_ctrl *ctrl; /* NULL: away */
	struct loop_io io;
	struct loop_work lost;		/* the controller is to be closed */
	struct loop_timer look;		/* whether it came back */
	struct loop_timer hold;		/* remote: hosts are told that it is away */
	uint32_t hold_ms;		/* commands wait so long for a remote one to come back */
	struct nvmet_drive_core *cores; /* nvmet.nr_cores of them */
	struct nvmet_drive_probe probe;
	bool known;	 /* the ids and texts below, from when it was first live */
	uint16_t vendor; /* of the PCI function */
	uint16_t device;
	bool stopping;
	bool wrong; /* another drive is in its place */
	char serial[21];
	char model[41];
	char subnqn[257];
	uint8_t looks;		    /* in a row that found the function without a driver */
	uint64_t retry_ns;	    /* not opened again before */
	uint32_t retry_ms;	    /* the pause after the next failure */
	char said[256];		    /* why it is not opened, as logged last */
	struct nvmet_drive_ops ops; /* commands that are no host's */
	struct nvmet_drive_end end;
};

/*
 * nvmet_drive_get() - the drive that namespace @cfg lies on, a reference taken. Main thread; waits
 * for the first bring-up of a local one, and for nothing of a remote one. A drive that is not there,
 * or does not come up, is looked for from then on. Return: 0; -errno where somebody has to change
 * something first, with a line logged that says what.
 */
int nvmet_drive_get(const struct config_namespace *cfg, struct nvmet_drive **drivep);
void nvmet_drive_put(struct nvmet_drive *drive); /* main thread; no core uses it any more */
/* nvmet_drive_word() - "drive" or "remote", for messages and as a key in log lines */
const char *nvmet_drive_word(const struct nvmet_drive *drive);
/* nvmet_drive_find() - the local drive configured as @bdf, no reference taken; main thread */
struct nvmet_drive *nvmet_drive_find(const char *bdf);
/* nvmet_drive_holder() - the drive configured as @bdf, or that moved there; main thread */
struct nvmet_drive *nvmet_drive_holder(const char *bdf);
/* nvmet_drive_tell() - every watcher looks again. Drive's thread. */
void nvmet_drive_tell(struct nvmet_drive *drive);
/* nvmet_drive_call() - runs @fn in the drive's thread and waits; @ctrl NULL while the drive is away.
 * Not from a core. */
void nvmet_drive_call(struct nvmet_drive *drive, void (*fn)(struct nvmh_ctrl *ctrl, void *arg),
		      void *arg);
struct nvmet_drive_core *nvmet_drive_core(struct nvmet_drive *drive, const struct nvmet_core *core);
/* nvmet_drive_watch() - @w is told at once, in the drive's thread, and waited for. Main thread. */
void nvmet_drive_watch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w);
void nvmet_drive_unwatch(struct nvmet_drive *drive, struct nvmet_drive_watcher *w);

/* ---- target/drive_stop.c: the end of all drives. Main thread, which waits for none ---- */
/* nvmet_drives_shutdown() - starts their orderly stop, also under commands: what a drive or a
 * target that hangs does not answer ends by this. May be repeated. */
void nvmet_drives_shutdown(void);
/* nvmet_drives_close() - the same, and each is closed when it has stopped, which
 * nvmet_drives_closed() tells; they are put afterwards. No host or call uses them any more. */
void nvmet_drives_close(void);
bool nvmet_drives_closed(void);
/* nvmet_drive_waits_for() - what keeps it from being closed, in words that go after "waits for";
 * NULL: it is, or is not to be */
const char *nvmet_drive_waits_for(const struct nvmet_drive *drive);
/* The drive's thread. nvmet_drive_stop(): a loop_call() of it waits for all that, which the kernel
 * may take minutes for. */
void nvmet_drive_end_init(struct nvmet_drive_end *end);
void nvmet_drive_stop(void *arg);
/* target/drive.c, for it: no core has the queues any more, all commands are answered, the function
 * is given back */
void nvmet_drive_close(struct nvmet_drive *drive);

/* ---- target/ns_pcie.c ---- */
/*
 * nvmet_drive_user() - who exports namespace @nsid of the drive (NVME_NSID_BROADCAST: any), in words
 * Any thread. Return: whether there is somebody.
 */
bool nvmet_drive_user(struct nvmet_drive *drive, uint32_t nsid, char *text, size_t size);
/* nvmet_drive_block() - @nsid is about to change: hosts are told that it is away, until unblock(),
 * which looks what it is now. Drive's thread; may be nested. */
void nvmet_drive_block(struct nvmet_drive *drive, uint32_t nsid);
void nvmet_drive_unblock(struct nvmet_drive *drive, uint32_t nsid);
/* nvmet_drive_under_way() - hosts' commands for @nsid that are not answered yet. Any thread. */
uint64_t nvmet_drive_under_way(struct nvmet_drive *drive, uint32_t nsid);

/* target/drive_watch.c */
/* nvmet_drive_is_at() - whether the drive is, or was last, at @bdf: it may have moved from where it
 * is configured. Any thread. */
bool nvmet_drive_is_at(struct nvmet_drive *drive, const char *bdf);
/* The drive's thread: */
extern uint32_t nvmet_drive_look_ms; /* between two looks; unit tests look more often */
void nvmet_drive_look_start(struct nvmet_drive *drive); /* the drive is away */
void nvmet_drive_look(struct loop_timer *t);
/* nvmet_drive_recognize() - a live controller: remembers who it is, or compares. Return: it is the
 * one we know. */
bool nvmet_drive_recognize(struct nvmet_drive *drive);
/* nvmet_drive_is_ours() - whether @id is that of the drive we know */
bool nvmet_drive_is_ours(const struct nvmet_drive *drive, const struct nvme_id_ctrl *id);
/* nvmet_drive_taken() - whether another of our drives is looked for at @bdf */
bool nvmet_drive_taken(const struct nvmet_drive *drive, const char *bdf);
/* nvmet_drive_found() - it is at @bdf now: brought up there */
void nvmet_drive_found(struct nvmet_drive *drive, const char *bdf);
/* target/drive_probe.c: nvmet_drive_probe() - begins to ask one of the functions of @info that may be
 * ours, unless one is being asked; ends in nvmet_drive_found() if it is */
void nvmet_drive_probe_init(struct nvmet_drive_probe *probe);
void nvmet_drive_probe(struct nvmet_drive *drive, const struct nvmh_pci_info *info, int nr);
void nvmet_drive_probe_stop(struct nvmet_drive *drive);
/* target/drive.c, for it: starts a bring-up of the function at drive->at. Return: 0 or -errno with
 * nvmh_strerror(). */
int nvmet_drive_open(struct nvmet_drive *drive);
/* nvmet_drive_complain() - logs @why it is not live, once until that changes */
void nvmet_drive_complain(struct nvmet_drive *drive, const char *why);
/* nvmet_drive_failed() - the next try comes later than the one before */
void nvmet_drive_failed(struct nvmet_drive *drive, const char *why);

/* ---- target/drive_remote.c ---- */
/* nvmet_drive_remote_is() - whether @drive is reached as @cfg says. Main thread. */
bool nvmet_drive_remote_is(const struct nvmet_drive *drive, const struct config_namespace *cfg);
/* nvmet_drive_remote_name() - fills in what it is called, and where. Return: 0 or -errno, logged. */
int nvmet_drive_remote_name(struct nvmet_drive *drive);
/* nvmet_drive_remote_open() - @opts: what every drive is opened with; also sets hold_ms. Drive's
 * thread. Return as nvmh_ctrl_open(). */
int nvmet_drive_remote_open(struct nvmet_drive *drive, const struct nvmh_ctrl_opts *opts);

/* target/ns_pcie.c: the queue within the core's turns; the core's thread. Return: 0 or -errno. */
int nvmet_drive_core_hook(struct nvmet_drive_core *dc);
void nvmet_drive_core_unhook(struct nvmet_drive_core *dc);

#endif /* TARGET_DRIVE_H */
