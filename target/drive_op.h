/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands and resets for drives of the daemon that somebody else than a host asks for. They run on
 * the drive's thread, or on a core's queue, and never block; memory that drives reach comes from a
 * pool of each drive's own, in which they wait in line, so that a sick drive delays nobody else.
 */
#ifndef TARGET_DRIVE_OP_H
#define TARGET_DRIVE_OP_H

#include "common/loop.h"
#include "common/mem.h"
#include "target/drive_cmd.h"

struct nvmet_drive;
struct nvmet_drive_core;

/* A drive's part, within struct nvmet_drive. */
struct nvmet_drive_ops {
	struct mem_arena arena;
	struct mem_pool *pool;
	struct list busy;	 /* struct nvmet_drive_op; this and the next: drive's thread */
	bool serving;		 /* those that wait for memory */
	struct loop_timer drain; /* looks at those that wait for hosts' commands */
};

/* How long what is at a drive may take until a command that destroys it is given up, beyond the time
 * that a host's command has; unit tests wait less. */
extern uint32_t nvmet_drive_drain_ms;

struct nvmet_drive_op {
	struct nvmet_drive_cmd cmd;
	struct nvmet_drive *drive; /* borrowed: closing it ends its ops first */
	/* runs on the main loop, exactly once */
	void (*done)(struct nvmet_drive_op *op);
	void *arg;
	/* inside */
	struct loop_msg msg;
	struct list link;
	struct nvmh_req req;
	struct iovec iov;
	void *buf;
	struct mem_wait wait;
	struct nvmet_drive_core *dc;
	uint8_t state;
	bool stale;	   /* the controller that it began with is closed */
	bool blocked;	   /* hosts do not get at the namespace meanwhile */
	uint64_t drain_ns; /* until then what they sent before is waited for */
};

/* nvmet_drive_ops_init() - their memory; main thread. Return: 0 or -errno; then
 * nvmet_drive_ops_done() is harmless, which comes after the controller was closed. */
int nvmet_drive_ops_init(struct nvmet_drive_ops *ops);
void nvmet_drive_ops_done(struct nvmet_drive_ops *ops);
/* nvmet_drive_ops_start() - their timer on the drive's loop. Return: 0 or -errno. Undone by
 * nvmet_drive_ops_stop() in the drive's thread. */
int nvmet_drive_ops_start(struct nvmet_drive_ops *ops, struct loop *loop);
void nvmet_drive_ops_stop(struct nvmet_drive_ops *ops);
/* nvmet_drive_ops_map() - lets a controller that was just opened reach it. Drive's thread. */
int nvmet_drive_ops_map(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl);

/*
 * nvmet_drive_op_start() - main thread. @op: cmd, drive, done and arg are set, the rest is zeroed.
 * @op belongs to the drives until done.
 */
void nvmet_drive_op_start(struct nvmet_drive_op *op);

/* ---- drive's thread ---- */
/* nvmet_drive_ops_state() - the controller's state changed: ends resets */
void nvmet_drive_ops_state(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl,
			   enum nvmh_state state);
/* nvmet_drive_ops_turn() - after nvmh_ctrl_process(): ends rescans */
void nvmet_drive_ops_turn(struct nvmet_drive_ops *ops, struct nvmh_ctrl *ctrl);
/* nvmet_drive_op_patience_ms() - the most that a command waits before it is sent */
uint32_t nvmet_drive_op_patience_ms(const struct nvmet_drive_cmd *cmd);
/* nvmet_drive_ops_flush() - the drive is about to be closed: ends what is with no queue. What is
 * on the admin queue ends when it is closed. */
void nvmet_drive_ops_flush(struct nvmet_drive_ops *ops);

#endif /* TARGET_DRIVE_OP_H */
