/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue goes from one core to another without its host noticing more than a short pause: what
 * move.c does, place.c decides on. Context: the core that owns the connection.
 */
#ifndef TARGET_MOVE_H
#define TARGET_MOVE_H

#include "common/nvme.h"
#include "target/place.h"

/* A connection's part, embedded in it. */
struct nvmet_move {
	struct nvmet_core *to; /* it is about to go there; NULL: it is not */
	struct list link;      /* place.movers of its core */
	struct loop_work work; /* looks whether it has come to rest */
	struct loop_msg msg;   /* carries it to the new core */
	uint64_t since_ns;     /* when the move began, later when it was over; 0: never yet */
	struct nvme_sqe *held; /* room for the queue's size: commands not begun yet; or NULL */
	uint16_t nr_held;
	uint16_t nr_replayed; /* of them, begun */
	uint16_t from;	      /* index of the core that it left */
	uint64_t work_before; /* sq.work a second ago */
	uint64_t rate;	      /* work of the last second */
};

void nvmet_move_init(struct nvmet_conn *conn);

/**
 * nvmet_move_start() - the queue shall go to another core
 * @conn: connection of an I/O queue.
 * @to: any core.
 *
 * Soon after, but never from inside this call, @conn belongs to @to; or, when what is outstanding
 * does not end within NVMET_MOVE_TIMEOUT_MS or it is closed meanwhile, it does not.
 *
 * Return: 0; -EINVAL: no live I/O queue, there already, or about to move; -ENOSPC: @to is full.
 */
int nvmet_move_start(struct nvmet_conn *conn, struct nvmet_core *to);
/* nvmet_move_may() - whether the balancer may take it: an I/O queue that did not move just now */
bool nvmet_move_may(const struct nvmet_conn *conn, uint64_t now_ns);
/* nvmet_move_idle() - a request ended on a queue that is about to move */
void nvmet_move_idle(struct nvmet_conn *conn);
/* nvmet_move_hold() - keeps a command for after the move. Return: false when out of memory. */
bool nvmet_move_hold(struct nvmet_conn *conn, const struct nvme_sqe *sqe);
/*
 * nvmet_move_replay() - begins the commands that were held, unless the move is still to come.
 * Return: false when there is no free request; call it again when there is.
 */
bool nvmet_move_replay(struct nvmet_conn *conn);
/* nvmet_move_forget() - the connection closes: no move, nothing held; harmless without */
void nvmet_move_forget(struct nvmet_conn *conn);
void nvmet_move_timeout(struct loop_timer *t); /* fn of place.timer */

#endif /* TARGET_MOVE_H */
