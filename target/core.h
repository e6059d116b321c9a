/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target as a whole and its cores. A core is a pinned thread with a loop, its connections and their requests, its buffers and
 * its queues to the backends; nothing of it is touched by another thread.
 *
 * The control plane (subsystems, controllers, what is attached to what) is shared and guarded by nvmet.lock, which the data path never
 * takes: a queue reaches its controller, subsystem and namespaces by pointers that stay valid until the queue is gone.
 */
#ifndef TARGET_CORE_H
#define TARGET_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/limits.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/mem.h"
#include "config/config.h"
#include "target/place.h"

struct nvmet_req;
struct nvmet_subsys;
struct nvmet_drive;
struct nvmet_uring;

enum {
	NVMET_LOOKAHEAD_BYTES = 256 << 10, /* receive buffer of a core, shared by its connections */
	NVMET_RESERVE_BYTES =
		2
		<< 20, /* of a core, beside its pool: the look-ahead, and buffers for what must not wait */
	NVMET_RESERVE_MAX = 64 << 10, /* longest data that may go there, beside that of capsules */
	NVMET_TICK_MS = 1000,
	NVMET_REQ_CHUNK = 64,	/* requests are allocated in lots of this */
	NVMET_MAX_REQS = 65535, /* of one core: a transfer tag names one */
};

struct nvmet_core {
	int index;
	struct loop *loop;
	struct mem_pool *pool;
	struct mem_pool *reserve; /* nothing in it waits for a host to send: see tcp.c */
	void *reserve_base;
	struct loop_hook hook;
	struct list conns;
	_Atomic uint32_t
		nr_conns;    /* also counts those on their way here; of all cores: with the lock */
	struct list dirty;   /* connections with something to send, each once */
	struct list starved; /* connections that wait for a free request */
	struct loop_timer tick; /* once a second, while there are connections */
	uint64_t pages_bytes;	/* of memory namespaces, held by requests: see ns_mem.c */
	uint8_t *lookahead;	/* NVMET_LOOKAHEAD_BYTES of the reserve */
	struct nvmet_place place;

	/* requests: all of the core's connections share them */
	struct nvmet_req **req_chunk; /* NVMET_MAX_REQS / NVMET_REQ_CHUNK + 1 pointers */
	uint32_t nr_reqs;
	struct list free_reqs;

	struct nvmet_uring
		*uring; /* one ring for all file namespaces, made when the first is attached */
};

struct nvmet {
	pthread_mutex_t lock;
	const struct config *cfg; /* borrowed from main */
	struct mem_arena arena;
	struct nvmet_core **cores;
	int nr_cores;
	struct loop *main_loop;
	struct list subsystems; /* struct nvmet_subsys, discovery first */
	struct nvmet_subsys *discovery;
	struct list ports;  /* struct nvmet_port */
	struct list drives; /* struct nvmet_drive */
	_Atomic uint64_t discovery_genctr;
	uint8_t machine_uuid
		[16]; /* what made-up serials and identities derive from: stable on this machine */
};

extern struct nvmet nvmet;

/* nvmet_cores_start() - arena, cores and their threads as @cfg says. Return: 0 or -errno, with a line logged. */
int nvmet_cores_start(const struct config *cfg);
/* nvmet_cores_stop() - ends the threads and frees everything; no connection is left. Harmless when not started. */
void nvmet_cores_stop(void);

static inline void nvmet_lock(void)
{
	pthread_mutex_lock(&nvmet.lock);
}

static inline void nvmet_unlock(void)
{
	pthread_mutex_unlock(&nvmet.lock);
}

#endif /* TARGET_CORE_H */
