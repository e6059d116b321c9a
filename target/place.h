/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which core a queue lives on. place.c decides: by the load of the cores when a host connects, and
 * once a second whether the load should lie elsewhere. move.c takes a queue from one core to
 * another.
 */
#ifndef TARGET_PLACE_H
#define TARGET_PLACE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/list.h"
#include "common/loop.h"

struct nvmet_conn;
struct nvmet_core;
struct nvmet_sq;

enum {
	/* loads are percents of a core's time */
	NVMET_LOAD_SATURATED = 85,
	NVMET_LOAD_GAP = 30,	   /* between the busiest core and another one, worth a move */
	NVMET_LOAD_GAIN = 10,	   /* by as much the busier of the two must be better off after */
	NVMET_LOAD_BUSY_QUEUE = 2, /* below it a queue counts as idle */
	NVMET_LOAD_NEW_QUEUE = 25, /* what a queue is thought to bring before it is measured */
	NVMET_BALANCE_TICKS = 3,   /* seconds of imbalance before the first queue moves */
	NVMET_BALANCE_AGAIN = 2,   /* and before the next one does */
	NVMET_MOVE_AGAIN_S = 10,   /* a queue that moved stays for so long */
	NVMET_MOVE_TIMEOUT_MS = 1000, /* for what is outstanding to end */
};

/* A core's part, embedded in it. */
struct nvmet_place {
	_Atomic uint32_t load;	    /* of the last second; written by the main thread */
	_Atomic uint64_t nr_moved;  /* queues that went to another core */
	_Atomic uint64_t nr_stayed; /* that should have, but did not come to rest in time */

	/* guarded by nvmet.lock */
	uint32_t nr_io;		  /* I/O queues that are here or on their way */
	uint32_t nr_fresh;	  /* of them, since the load was measured last */
	uint32_t nr_fresh_before; /* and in the second before */

	/* the core's own */
	struct list movers; /* connections about to leave, oldest first */
	struct loop_timer timer;

	/* from the main thread to the core: one of its queues should go elsewhere */
	struct loop_msg ask;
	_Atomic bool asked; /* the message is on its way */
	int ask_to;
	uint32_t ask_load, ask_load_to;

	uint64_t busy_ns; /* main thread: as read last */
};

/* ---- place.c ---- */
int nvmet_place_init(struct nvmet_core *core);	/* Return: 0 or -ENOMEM */
void nvmet_place_done(struct nvmet_core *core); /* harmless on a zeroed core */
/* nvmet_place_start() - begins to measure and balance; main thread. Return: 0 or -ENOMEM. */
int nvmet_place_start(void);
void nvmet_place_stop(void); /* harmless when not started */
/* nvmet_place_accept() - where a new connection goes; main thread. NULL: every core is full. */
struct nvmet_core *nvmet_place_accept(void);
/* nvmet_place_connected() - @sq became an I/O queue: finds its core and sends it there. Its core,
 * without the lock. */
void nvmet_place_connected(struct nvmet_sq *sq);
/* nvmet_place_settle() - @sq counts on @core from now on, NULL: nowhere. The lock is held. */
void nvmet_place_settle(struct nvmet_sq *sq, struct nvmet_core *core);
/* nvmet_place_tick() - once a second: what the queues of @core did in it; on the core */
void nvmet_place_tick(struct nvmet_core *core);

/* What the balancer remembers from second to second; zero it at first. */
struct nvmet_balance {
	int busiest;
	int ticks; /* for which it was so, and saturated, with room elsewhere */
};
/*
 * nvmet_balance_step() - one second went by: @load of each of @nr cores. Return: whether a queue
 * should go from *@from to *@to, both written only then.
 */
bool nvmet_balance_step(struct nvmet_balance *b, const uint32_t *load, int nr, int *from, int *to);
/*
 * nvmet_balance_queue() - the connection on @core that had best leave it, with @load, for a core
 * with @load_to. NULL: none; @core has less than two busy queues, or moving would help nobody.
 */
struct nvmet_conn *nvmet_balance_queue(struct nvmet_core *core, uint32_t load, uint32_t load_to);

#endif /* TARGET_PLACE_H */
