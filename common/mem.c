// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buffer memory: the arena (one memfd, mapped once) and the pools carved out of it.
 *
 * A pool is a buddy allocator. Everything it knows lies in a side array with one entry per 4 KiB
 * page, never in the buffers: after a queue was torn down a drive may still write to a buffer that
 * is free here. A free block is known by its first page: its order and its links in the list of
 * that order. A block of order n has one buddy, the page number with bit n flipped; both free make
 * a block of order n + 1.
 *
 * Merging is lazy: a block that comes back is kept as it is, up to LAZY_MAX of each order, because
 * the same size is asked for next. So the usual get and put are a pop and a push; what is kept back
 * is merged when a get would otherwise fail.
 *
 * Thread: the arena: main; a pool: its core. Entry points: mem_arena_*(), mem_get(), mem_put(),
 * mem_wait_add(), mem_pool_run().
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/util.h"

/*
 * Under AddressSanitizer a free block is poisoned, so that use after mem_put() is caught like use
 * after free().
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_POISON
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MEM_POISON
#endif
#ifdef MEM_POISON
#include <sanitizer/asan_interface.h>
#define mem_poison(p, len)   ASAN_POISON_MEMORY_REGION(p, len)
#define mem_unpoison(p, len) ASAN_UNPOISON_MEMORY_REGION(p, len)
#else
#define mem_poison(p, len)   ((void)(p), (void)(len))
#define mem_unpoison(p, len) ((void)(p), (void)(len))
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
	HUGE_PAGE = 2 << 20,
	PAGE_SHIFT = 12,
	NR_ORDERS = 10, /* 4 KiB << 0..9 */
	CHUNK_PAGES = 1 << (NR_ORDERS - 1),
	LAZY_MAX = 64, /* of each order: 2 MiB of 4 KiB blocks take 512 */
	RUN_MAX = 256, /* waiters served in one turn */
};

static_assert(MEM_BLOCK_MIN == 1 << PAGE_SHIFT, "smallest block");
static_assert(MEM_BLOCK_MAX == MEM_BLOCK_MIN << (NR_ORDERS - 1), "largest block");

/* ---------------------------------------------------------------- arena */

/*
 * First number behind @key in a file of /proc or /sys (behind nothing: at its start). Return:
 * whether it is there.
 */
static bool read_number(const char *path, const char *key, uint64_t *value)
{
	FILE *f = fopen(path, "re");
	char line[128];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)))
			continue;
		*value = strtoull(line + strlen(key), NULL, 10);
		found = true;
	}
	fclose(f);
	return found;
}

/*
 * Brings every page into being now, so that running out of memory is an error here and not a signal
 * later. Kernels before 5.14 do not know MADV_POPULATE_WRITE: fallocate() reports, then touching
 * cannot fail any more.
 */
static int populate(const struct mem_arena *a)
{
	volatile char *p = a->base;
	int ret;

	do {
		ret = madvise(a->base, a->len, MADV_POPULATE_WRITE) ? -errno : 0;
	} while (ret == -EINTR || ret == -EAGAIN);
	if (ret != -EINVAL)
		return ret;
	do {
		ret = fallocate(a->fd, 0, 0, (off_t)a->len) ? -errno : 0;
	} while (ret == -EINTR);
	if (ret)
		return ret;
	for (size_t i = 0; i < a->len; i += a->page_size)
		p[i] = 0;
	return 0;
}

/* Maps the memfd at a multiple of 2 MiB: reserves more than needed, then gives the edges back. */
static int map_aligned(struct mem_arena *a)
{
	size_t room = a->len + HUGE_PAGE;
	char *raw = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *base;

	if (raw == MAP_FAILED)
		return -errno;
	base = (char *)round_up_to((uintptr_t)raw, (uintptr_t)HUGE_PAGE);
	if (mmap(base, a->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a->fd, 0) ==
	    MAP_FAILED) {
		int ret = -errno;

		munmap(raw, room);
		return ret;
	}
	if (base > raw)
		munmap(raw, (size_t)(base - raw));
	munmap(base + a->len, (size_t)(raw + room - (base + a->len)));
	a->base = base;
	return 0;
}

static int arena_map(struct mem_arena *a, size_t len, bool huge)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int ret;

	*a = (struct mem_arena){ .fd = -1, .len = len };
	a->page_size = huge ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
	a->fd = memfd_create("nvmetcp-buffers", huge ? flags | MFD_HUGETLB | MFD_HUGE_2MB : flags);
	if (a->fd < 0 || ftruncate(a->fd, (off_t)len)) {
		ret = -errno;
		goto fail;
	}
	ret = map_aligned(a);
	if (ret)
		goto fail;
	/* advice: a failure costs speed only */
	if (!huge)
		madvise(a->base, len, MADV_HUGEPAGE);
	madvise(a->base, len, MADV_DONTDUMP);
	ret = populate(a);
	if (ret)
		goto fail;
	/* whoever maps the same pages later may rely on their number */
	fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return 0;
fail:
	mem_arena_done(a);
	return ret;
}

/*
 * Ordinary memory is given out beyond what there is, and the kernel kills for it: better to look
 * first.
 */
static int check_available(size_t len)
{
	uint64_t kib;

	if (!read_number("/proc/meminfo", "MemAvailable:", &kib) || len / 1024 <= kib)
		return 0;
	log_err("not enough memory for the buffers, configure less wanted_mib=%zu "
		"available_mib=%" PRIu64,
		len >> 20, kib >> 10);
	return -ENOMEM;
}

int mem_arena_init(struct mem_arena *a, size_t len, enum mem_huge huge)
{
	struct mem_arena try;
	uint64_t nr_free = 0;
	int ret;

	if (!len || len > SIZE_MAX / 2)
		return -EINVAL;
	len = round_up_to(len, (size_t)HUGE_PAGE);
	if (huge != MEM_HUGE_OFF) {
		read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "",
			    &nr_free);
		ret = arena_map(&try, len, true);
		if (!ret)
			goto out;
		if (huge == MEM_HUGE_ON) {
			log_err("not enough 2 MiB pages: reserve them with sysctl "
				"vm.nr_hugepages, or allow ordinary pages wanted=%zu "
				"free=%" PRIu64 " error=\"%s\"",
				len / HUGE_PAGE, nr_free, strerror(-ret));
			return ret;
		}
		log_debug("no 2 MiB pages reserved, using ordinary ones wanted=%zu free=%" PRIu64,
			  len / HUGE_PAGE, nr_free);
	}
	ret = check_available(len);
	if (ret)
		return ret;
	ret = arena_map(&try, len, false);
	if (ret) {
		log_err("cannot map buffer memory wanted_mib=%zu error=\"%s\"", len >> 20,
			strerror(-ret));
		return ret;
	}
out:
	*a = try;
	return 0;
}

void mem_arena_done(struct mem_arena *a)
{
	if (a->base)
		munmap(a->base, a->len);
	if (a->len && a->fd >= 0)
		close(a->fd);
	*a = (struct mem_arena){ .fd = -1 };
}

void *mem_arena_carve(struct mem_arena *a, size_t len)
{
	char *p = (char *)a->base + a->used;

	/* what is left is a multiple of 2 MiB, so rounding up cannot go beyond it */
	if (!len || len > a->len - a->used)
		return NULL;
	a->used += round_up_to(len, (size_t)HUGE_PAGE);
	return p;
}

/* ---------------------------------------------------------------- pool */

/* What the first page of a block is; every other page is PAGE_INNER. */
enum page_state {
	PAGE_INNER,
	PAGE_USED, /* the owner's */
	PAGE_FREE, /* on its order's list; merges */
	PAGE_LAZY, /* on its order's lazy list; does not */
};

struct page {
	uint32_t next; /* page numbers; NO_PAGE ends a list */
	uint32_t prev;
	uint8_t state;
	uint8_t order;
};

#define NO_PAGE UINT32_MAX

struct mem_pool {
	char *base; /* borrowed */
	size_t len;
	size_t free_bytes;
	struct list waiters;
	uint32_t free_orders; /* bit n: free[n] is not empty */
	uint32_t free[NR_ORDERS];
	uint32_t lazy[NR_ORDERS]; /* singly linked: only its head is ever taken */
	uint32_t nr_lazy[NR_ORDERS];
	struct page *pages;
};

static unsigned int order_of(size_t len)
{
	if (len <= MEM_BLOCK_MIN)
		return 0;
	return 64 - PAGE_SHIFT - (unsigned int)__builtin_clzl(len - 1);
}

size_t mem_block_size(size_t len)
{
	assert(len && len <= MEM_BLOCK_MAX);
	return (size_t)MEM_BLOCK_MIN << order_of(len);
}

static void free_push(struct mem_pool *pool, uint32_t i, unsigned int order)
{
	struct page *page = &pool->pages[i];

	page->state = PAGE_FREE;
	page->order = (uint8_t)order;
	page->prev = NO_PAGE;
	page->next = pool->free[order];
	if (page->next != NO_PAGE)
		pool->pages[page->next].prev = i;
	pool->free[order] = i;
	pool->free_orders |= BIT(order);
}

static void free_remove(struct mem_pool *pool, uint32_t i)
{
	struct page *page = &pool->pages[i];

	if (page->prev != NO_PAGE)
		pool->pages[page->prev].next = page->next;
	else
		pool->free[page->order] = page->next;
	if (page->next != NO_PAGE)
		pool->pages[page->next].prev = page->prev;
	if (pool->free[page->order] == NO_PAGE)
		pool->free_orders &= ~BIT(page->order);
	page->state = PAGE_INNER;
}

static void free_merge(struct mem_pool *pool, uint32_t i, unsigned int order)
{
	/* base and length are multiples of the largest block: a buddy is always inside */
	for (; order < NR_ORDERS - 1; order++) {
		uint32_t buddy = i ^ BIT(order);

		if (pool->pages[buddy].state != PAGE_FREE || pool->pages[buddy].order != order)
			break;
		free_remove(pool, buddy);
		pool->pages[i].state = PAGE_INNER;
		i &= ~BIT(order);
	}
	free_push(pool, i, order);
}

static uint32_t lazy_pop(struct mem_pool *pool, unsigned int order)
{
	uint32_t i = pool->lazy[order];

	if (i != NO_PAGE) {
		pool->lazy[order] = pool->pages[i].next;
		pool->nr_lazy[order]--;
	}
	return i;
}

static void lazy_push(struct mem_pool *pool, uint32_t i, unsigned int order)
{
	pool->pages[i].state = PAGE_LAZY;
	pool->pages[i].next = pool->lazy[order];
	pool->lazy[order] = i;
	pool->nr_lazy[order]++;
}

/* At most LAZY_MAX * NR_ORDERS steps. Return: whether there was anything to merge. */
static bool lazy_flush(struct mem_pool *pool)
{
	bool any = false;
	uint32_t i;

	for (unsigned int order = 0; order < NR_ORDERS; order++) {
		while ((i = lazy_pop(pool, order)) != NO_PAGE) {
			free_merge(pool, i, order);
			any = true;
		}
	}
	return any;
}

/* Takes the smallest free block that holds @order and gives back the upper half until it fits. */
static uint32_t split_off(struct mem_pool *pool, unsigned int order)
{
	uint32_t fitting = pool->free_orders & ~(BIT(order) - 1);
	unsigned int from;
	uint32_t i;

	if (!fitting)
		return NO_PAGE;
	from = (unsigned int)__builtin_ctz(fitting);
	i = pool->free[from];
	free_remove(pool, i);
	while (from > order) {
		from--;
		free_push(pool, i + BIT(from), from);
	}
	return i;
}

static void *block_take(struct mem_pool *pool, size_t len)
{
	unsigned int order = order_of(len);
	size_t size = (size_t)MEM_BLOCK_MIN << order;
	uint32_t i = lazy_pop(pool, order);
	char *buf;

	if (i == NO_PAGE)
		i = split_off(pool, order);
	if (i == NO_PAGE && pool->free_bytes >= size && lazy_flush(pool))
		i = split_off(pool, order);
	if (i == NO_PAGE)
		return NULL;
	pool->pages[i].state = PAGE_USED;
	pool->pages[i].order = (uint8_t)order;
	pool->free_bytes -= size;
	buf = pool->base + ((size_t)i << PAGE_SHIFT);
	mem_unpoison(buf, size);
	return buf;
}

int mem_pool_create(void *base, size_t len, struct mem_pool **poolp)
{
	struct mem_pool *pool;

	if (!len || len % HUGE_PAGE || (uintptr_t)base % HUGE_PAGE || len >> PAGE_SHIFT >= NO_PAGE)
		return -EINVAL;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	list_init(&pool->waiters);
	pool->base = base;
	pool->len = len;
	pool->free_bytes = len;
	for (unsigned int order = 0; order < NR_ORDERS; order++) {
		pool->free[order] = NO_PAGE;
		pool->lazy[order] = NO_PAGE;
	}
	pool->pages = calloc(len >> PAGE_SHIFT, sizeof(*pool->pages));
	if (!pool->pages) {
		mem_pool_free(pool);
		return -ENOMEM;
	}
	/* from the end, so that the first get finds the start */
	for (size_t i = len >> PAGE_SHIFT; i > 0; i -= CHUNK_PAGES)
		free_push(pool, (uint32_t)(i - CHUNK_PAGES), NR_ORDERS - 1);
	mem_poison(base, len);
	*poolp = pool;
	return 0;
}

void mem_pool_free(struct mem_pool *pool)
{
	if (!pool)
		return;
	mem_unpoison(pool->base, pool->len);
	while (list_pop(&pool->waiters))
		; /* so that a late mem_wait_del() does not touch the list head */
	free(pool->pages);
	free(pool);
}

void *mem_get(struct mem_pool *pool, size_t len)
{
	assert(len && len <= MEM_BLOCK_MAX);
	if (!list_empty(&pool->waiters))
		return NULL;
	return block_take(pool, len);
}

void mem_put(struct mem_pool *pool, void *buf, size_t len)
{
	unsigned int order = order_of(len);
	size_t off = (size_t)((uintptr_t)buf - (uintptr_t)pool->base);
	uint32_t i = (uint32_t)(off >> PAGE_SHIFT);

	/* below the base, the difference is huge */
	assert(off < pool->len && off % MEM_BLOCK_MIN == 0 && "not a block of this pool");
	assert(pool->pages[i].state == PAGE_USED && "put twice, or into the middle");
	assert(pool->pages[i].order == order && "put with another length than got");
	pool->free_bytes += (size_t)MEM_BLOCK_MIN << order;
	mem_poison(buf, (size_t)MEM_BLOCK_MIN << order);
	if (pool->nr_lazy[order] < LAZY_MAX)
		lazy_push(pool, i, order);
	else
		free_merge(pool, i, order);
}

void mem_wait_add(struct mem_pool *pool, struct mem_wait *w)
{
	assert(w->len && w->len <= MEM_BLOCK_MAX && w->fn);
	assert(list_empty(&w->link) && "waits already");
	list_add_tail(&pool->waiters, &w->link);
}

void mem_wait_del(struct mem_wait *w)
{
	list_del(&w->link);
}

int mem_pool_run(struct mem_pool *pool)
{
	int nr = 0;

	while (nr < RUN_MAX && !list_empty(&pool->waiters)) {
		struct mem_wait *w = list_first(&pool->waiters, struct mem_wait, link);
		void *buf = block_take(pool, w->len);

		if (!buf)
			break;
		list_del(&w->link);
		nr++;
		w->fn(w, buf);
	}
	return nr;
}

size_t mem_pool_free_bytes(const struct mem_pool *pool)
{
	return pool->free_bytes;
}
