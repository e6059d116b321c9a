// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages of a namespace in memory: map, references, free pages. Runs on the cores, all at once.
 *
 * A page's number is one more than its place in the memory; 0 in the map stands for zeroes. The map
 * owns one reference of each page in it, every request that looks owns another, and who drops the
 * last one gets the page. A page taken for a moment that is not in the map any more is noticed by
 * looking at the map again: its count lies in memory that is never anything else.
 *
 * Free pages: each core keeps some at hand; more lie in the store under a lock, with those that were
 * never used behind them. There is one page for every part of the namespace, for every page that
 * requests may hold (nvmet_pages_hold()) and for every one that a call has out of sight for a moment,
 * so there is always a free one.
 *
 * Entry points: see pages.h.
 */
#include "target/pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/util.h"

enum {
	HAND_PAGES = 256,  /* at hand of a core; half of them move between it and the store */
	CLEAR_BATCH = 512, /* pages that lie nowhere while their memory is given back */
	HAND_SPARE = 2 + CLEAR_BATCH, /* used within one call */
	GROUP_SHIFT =
		10, /* parts that nvmet_pages_clear() passes over at once if none was written */
};

struct hand {
	_Alignas(64) uint32_t held; /* by requests of the core */
	uint32_t nr;
	uint32_t page[HAND_PAGES];
};

struct nvmet_pages {
	uint8_t *mem;
	_Atomic uint32_t *map;	  /* part: page number */
	_Atomic uint32_t *refs;	  /* page number: references */
	_Atomic uint8_t *written; /* group of parts: one of them was in the map at some time */
	uint8_t shift;
	uint32_t max_held; /* by one core */
	uint64_t nr_parts;
	uint64_t nr_pages;
	struct hand *hands;

	pthread_mutex_t lock; /* guards the rest */
	uint32_t *store;      /* nr_store free page numbers, at most nr_pages */
	uint64_t nr_store;
	uint64_t nr_used; /* pages that were ever used */
};

/* ---- free pages ---- */

static void hand_refill(struct nvmet_pages *p, struct hand *hand)
{
	pthread_mutex_lock(&p->lock);
	while (hand->nr < HAND_PAGES / 2) {
		if (p->nr_store)
			hand->page[hand->nr++] = p->store[--p->nr_store];
		else if (p->nr_used < p->nr_pages)
			hand->page[hand->nr++] = (uint32_t)++p->nr_used;
		else
			break;
	}
	pthread_mutex_unlock(&p->lock);
	assert(hand->nr && "there is a page for each part and for each that is held");
}

/* The oldest half goes to the store: what was used last is likely still in a cache. */
static void hand_spill(struct nvmet_pages *p, struct hand *hand)
{
	enum { HALF = HAND_PAGES / 2 };

	pthread_mutex_lock(&p->lock);
	memcpy(&p->store[p->nr_store], hand->page, HALF * sizeof(*hand->page));
	p->nr_store += HALF;
	pthread_mutex_unlock(&p->lock);
	hand->nr -= HALF;
	memmove(hand->page, hand->page + HALF, hand->nr * sizeof(*hand->page));
}

static uint32_t take_free(struct nvmet_pages *p, int core)
{
	struct hand *hand = &p->hands[core];
	uint32_t page;

	if (unlikely(!hand->nr))
		hand_refill(p, hand);
	page = hand->page[--hand->nr];
	/* who pins it by an old look at the map must see that it has left it */
	atomic_store_explicit(&p->refs[page], 1, memory_order_release);
	return page;
}

static void give_free(struct nvmet_pages *p, int core, uint32_t page)
{
	struct hand *hand = &p->hands[core];

	if (unlikely(hand->nr == HAND_PAGES))
		hand_spill(p, hand);
	hand->page[hand->nr++] = page;
}

/* ---- references ---- */

static uint8_t *page_mem(const struct nvmet_pages *p, uint32_t page)
{
	return p->mem + ((uint64_t)(page - 1) << p->shift);
}

static uint32_t page_of(const struct nvmet_pages *p, const uint8_t *mem)
{
	return (uint32_t)((uint64_t)(mem - p->mem) >> p->shift) + 1;
}

/* Return: whether it was the last reference: the caller gives the page away. */
static bool drop(struct nvmet_pages *p, uint32_t page)
{
	return atomic_fetch_sub_explicit(&p->refs[page], 1, memory_order_acq_rel) == 1;
}

static void put(struct nvmet_pages *p, int core, uint32_t page)
{
	if (page && drop(p, page))
		give_free(p, core, page);
}

static uint32_t pin(struct nvmet_pages *p, int core, uint64_t index)
{
	for (;;) {
		uint32_t page = atomic_load_explicit(&p->map[index], memory_order_acquire);
		uint32_t refs;

		if (!page)
			return 0;
		refs = atomic_load_explicit(&p->refs[page], memory_order_relaxed);
		if (!refs)
			continue; /* it left the map meanwhile */
		if (!atomic_compare_exchange_weak_explicit(&p->refs[page], &refs, refs + 1,
							   memory_order_acquire,
							   memory_order_relaxed))
			continue;
		if (likely(atomic_load_explicit(&p->map[index], memory_order_acquire) == page))
			return page;
		put(p, core, page);
	}
}

uint8_t *nvmet_page_new(struct nvmet_pages *p, int core)
{
	return page_mem(p, take_free(p, core));
}

const uint8_t *nvmet_page_pin(struct nvmet_pages *p, int core, uint64_t index)
{
	uint32_t page = pin(p, core, index);

	return page ? page_mem(p, page) : NULL;
}

void nvmet_page_put(struct nvmet_pages *p, int core, const uint8_t *mem)
{
	put(p, core, page_of(p, mem));
}

bool nvmet_pages_hold(struct nvmet_pages *p, int core, uint32_t nr)
{
	struct hand *hand = &p->hands[core];

	if (nr > p->max_held - hand->held)
		return false;
	hand->held += nr;
	return true;
}

void nvmet_pages_release(struct nvmet_pages *p, int core, uint32_t nr)
{
	assert(nr <= p->hands[core].held);
	p->hands[core].held -= nr;
}

/* ---- the map ---- */

/* Before the part is in the map, so that no clear passes it over that comes after. */
static void note_written(struct nvmet_pages *p, uint64_t index)
{
	_Atomic uint8_t *written = &p->written[index >> GROUP_SHIFT];

	if (unlikely(!atomic_load_explicit(written, memory_order_relaxed)))
		atomic_store(written, 1);
}

void nvmet_page_publish(struct nvmet_pages *p, int core, uint64_t index, uint8_t *mem)
{
	note_written(p, index);
	put(p, core,
	    atomic_exchange_explicit(&p->map[index], page_of(p, mem), memory_order_acq_rel));
}

static void fill(uint8_t *dst, const uint8_t *src, size_t len)
{
	if (src)
		memcpy(dst, src, len);
	else
		memset(dst, 0, len);
}

/* A new page with the old one's other bytes, again if somebody else was faster. */
static void write_part(struct nvmet_pages *p, int core, uint64_t index, size_t off,
		       const uint8_t *src, size_t len)
{
	size_t size = (size_t)1 << p->shift;
	uint32_t fresh = take_free(p, core);
	uint8_t *mem = page_mem(p, fresh);
	uint32_t old, expected;

	note_written(p, index);
	for (;;) {
		const uint8_t *was;

		old = expected = pin(p, core, index);
		was = old ? page_mem(p, old) : NULL;
		fill(mem, was, off);
		fill(mem + off, src, len);
		fill(mem + off + len, was ? was + off + len : NULL, size - off - len);
		if (atomic_compare_exchange_strong_explicit(&p->map[index], &expected, fresh,
							    memory_order_acq_rel,
							    memory_order_relaxed))
			break;
		put(p, core, old);
	}
	put(p, core, old); /* ours */
	put(p, core, old); /* the map's */
}

void nvmet_page_write(struct nvmet_pages *p, int core, uint64_t index, size_t off,
		      const uint8_t *src, size_t len)
{
	assert(len && off + len <= (size_t)1 << p->shift);
	if (len == (size_t)1 << p->shift) {
		uint8_t *mem = nvmet_page_new(p, core);

		fill(mem, src, len);
		nvmet_page_publish(p, core, index, mem);
	} else if (src || atomic_load_explicit(&p->map[index], memory_order_relaxed)) {
		write_part(p, core, index, off, src, len);
	}
}

/* Their memory goes back to the system in runs as long as they happen to lie. */
static void give_back(struct nvmet_pages *p, int core, const uint32_t *page, unsigned int nr)
{
	for (unsigned int i = 0, run; i < nr; i += run) {
		for (run = 1; i + run < nr && page[i + run] == page[i] + run;)
			run++;
		madvise(page_mem(p, page[i]), (size_t)run << p->shift, MADV_DONTNEED);
	}
	for (unsigned int i = 0; i < nr; i++)
		give_free(p, core, page[i]);
}

uint64_t nvmet_pages_clear(struct nvmet_pages *p, int core, uint64_t first, uint64_t nr,
			   uint32_t budget)
{
	uint32_t gone[CLEAR_BATCH];
	unsigned int nr_gone = 0;
	uint64_t i = first, end = first + nr;

	while (i < end && budget-- && nr_gone < CLEAR_BATCH) {
		uint32_t page;

		if (!atomic_load(&p->written[i >> GROUP_SHIFT])) {
			i = min_of(((i >> GROUP_SHIFT) + 1) << GROUP_SHIFT, end);
			continue;
		}
		if (atomic_load_explicit(&p->map[i], memory_order_relaxed)) {
			page = atomic_exchange_explicit(&p->map[i], 0, memory_order_acq_rel);
			if (page && drop(p, page))
				gone[nr_gone++] = page;
		}
		i++;
	}
	give_back(p, core, gone, nr_gone);
	return i - first;
}

/* ---- life ---- */

static void *reserve(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void unreserve(void *mem, size_t bytes)
{
	if (mem)
		munmap(mem, bytes);
}

static uint64_t nr_groups(const struct nvmet_pages *p)
{
	return div_up(p->nr_parts, UINT64_C(1) << GROUP_SHIFT);
}

void nvmet_pages_free(struct nvmet_pages *p)
{
	if (!p)
		return;
	unreserve(p->mem, p->nr_pages << p->shift);
	unreserve((void *)p->map, p->nr_parts * sizeof(*p->map));
	unreserve((void *)p->written, nr_groups(p));
	unreserve((void *)p->refs, (p->nr_pages + 1) * sizeof(*p->refs));
	unreserve(p->store, p->nr_pages * sizeof(*p->store));
	pthread_mutex_destroy(&p->lock);
	free(p->hands);
	free(p);
}

int nvmet_pages_create(uint64_t bytes, uint8_t shift, int nr_cores, struct nvmet_pages **pagesp)
{
	struct nvmet_pages *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	assert(shift >= NVMET_PAGE_SHIFT_MIN && shift <= NVMET_PAGE_SHIFT_MAX);
	pthread_mutex_init(&p->lock, NULL);
	p->shift = shift;
	p->max_held = (uint32_t)NVMET_PAGES_HELD_BYTES >> shift;
	p->nr_parts = div_up(bytes, (uint64_t)1 << shift);
	p->nr_pages = p->nr_parts + (uint64_t)nr_cores * (p->max_held + HAND_PAGES + HAND_SPARE);
	if (p->nr_pages >= UINT32_MAX) {
		p->nr_pages = 0;
		nvmet_pages_free(p);
		return -EFBIG;
	}
	p->mem = reserve(p->nr_pages << shift);
	p->map = reserve(p->nr_parts * sizeof(*p->map));
	p->written = reserve(nr_groups(p));
	p->refs = reserve((p->nr_pages + 1) * sizeof(*p->refs));
	p->store = reserve(p->nr_pages * sizeof(*p->store));
	p->hands = aligned_alloc(_Alignof(struct hand), sizeof(*p->hands) * (size_t)nr_cores);
	if (!p->mem || !p->map || !p->written || !p->refs || !p->store || !p->hands) {
		nvmet_pages_free(p);
		return -ENOMEM;
	}
	memset(p->hands, 0, sizeof(*p->hands) * (size_t)nr_cores);
	madvise(p->mem, p->nr_pages << shift, MADV_HUGEPAGE);
	madvise(p->mem, p->nr_pages << shift, MADV_DONTDUMP);
	*pagesp = p;
	return 0;
}
