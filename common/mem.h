/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffer memory. The arena is one range of address space for the whole process, backed by a memfd
 * (2 MiB pages where the system has them), so that a drive's IOMMU maps it once. Each core carves
 * its pool out of it: a buddy allocator of power-of-two blocks from 4 KiB to 2 MiB, physically
 * unrelated but virtually contiguous, aligned to their size.
 *
 * When a pool is empty, the caller waits in line: a mem_wait is served in order when memory comes
 * back; nobody overtakes.
 *
 * Context: mem_arena_*: the main thread, before and after the cores run. A pool: the thread of its
 * core.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

enum {
	MEM_BLOCK_MIN = 4096,
	MEM_BLOCK_MAX = 2 << 20,
};

enum mem_huge {
	MEM_HUGE_AUTO, /* huge pages if enough are free, else ordinary ones, advised to be huge */
	MEM_HUGE_ON,
	MEM_HUGE_OFF,
};

struct mem_arena {
	void *base;	  /* aligned to 2 MiB */
	size_t len;	  /* multiple of 2 MiB */
	size_t used;	  /* carved from the start */
	size_t page_size; /* 4096 or 2 MiB */
	int fd;		  /* memfd */
};

/*
 * mem_arena_init() - @len bytes, rounded up to 2 MiB; touched (populated) so that no fault comes
 * later. Return: 0 or -errno.
 */
int mem_arena_init(struct mem_arena *a, size_t len, enum mem_huge huge);
void mem_arena_done(struct mem_arena *a);
/* mem_arena_carve() - the next @len bytes (rounded up to 2 MiB), or NULL when it is used up */
void *mem_arena_carve(struct mem_arena *a, size_t len);

struct mem_pool;
struct mem_wait {
	struct list link;
	size_t len;
	/* @buf: a block of mem_block_size(len) bytes, now the waiter's */
	void (*fn)(struct mem_wait *w, void *buf);
};

/* mem_pool_create() - over [base, base + len), both multiples of 2 MiB, borrowed */
int mem_pool_create(void *base, size_t len, struct mem_pool **poolp);
/* mem_pool_free() - asserts nothing about blocks still out: the arena may go as a whole */
void mem_pool_free(struct mem_pool *pool);

/* mem_block_size() - what a request for @len bytes really takes: 4 KiB..2 MiB, a power of two */
size_t mem_block_size(size_t len);

/**
 * mem_get() - a block of at least @len bytes, aligned to its size, not cleared
 * @len: 1..MEM_BLOCK_MAX.
 * Return: the block, or NULL when none is free or others already wait: then mem_wait_add().
 */
void *mem_get(struct mem_pool *pool, size_t len);
/* mem_put() - gives back what mem_get(pool, len) returned. Waiters are served at mem_pool_run(). */
void mem_put(struct mem_pool *pool, void *buf, size_t len);

static inline void mem_wait_init(struct mem_wait *w)
{
	list_init(&w->link);
}
/* mem_wait_add() - w->len and w->fn set by the caller */
void mem_wait_add(struct mem_pool *pool, struct mem_wait *w);
void mem_wait_del(struct mem_wait *w); /* harmless when not waiting */
/*
 * mem_pool_run() - serves waiters in order as far as memory reaches. Return: how many. Called each
 * turn by the core.
 */
int mem_pool_run(struct mem_pool *pool);

size_t mem_pool_free_bytes(const struct mem_pool *pool);

#endif /* COMMON_MEM_H */
