/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents of a namespace in memory, as pages that never change once they can be seen.
 *
 * A map tells which page holds each part of the namespace. Whoever writes fills a page that nobody
 * else knows and then puts it into the map; whoever reads takes a reference and may look, or let the
 * kernel send from it, for as long as it likes. So a read is never torn, however long it takes,
 * nothing locks, and data moves between a socket and the namespace without a copy.
 *
 * Context: any core; each passes its own index, under which it keeps pages at hand.
 */
#ifndef TARGET_PAGES_H
#define TARGET_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NVMET_PAGE_SHIFT_MIN = 12,
	NVMET_PAGE_SHIFT_MAX = 16,
	/* what requests of one core may hold, in bytes; of all namespaces: see ns_mem.c */
	NVMET_PAGES_HELD_BYTES = 32 << 20,
};

struct nvmet_pages;

/**
 * nvmet_pages_create() - @bytes of zeroes, in pages of 1 << @shift bytes
 * @bytes: a multiple of 512, at least one.  @shift: 12..16.  @nr_cores: cores that will use it.
 * Memory is taken when first written. Return: 0, -ENOMEM or -EFBIG (about 2^32 pages).
 */
int nvmet_pages_create(uint64_t bytes, uint8_t shift, int nr_cores, struct nvmet_pages **pagesp);
void nvmet_pages_free(struct nvmet_pages *pages); /* NULL-safe; nobody holds a page */

/*
 * nvmet_pages_hold() - room for @nr more pages that requests of @core hold, from _new() or _pin().
 * Return: false: too many are held already, nothing was done. _release(): they were put.
 */
bool nvmet_pages_hold(struct nvmet_pages *pages, int core, uint32_t nr);
void nvmet_pages_release(struct nvmet_pages *pages, int core, uint32_t nr);

/* nvmet_page_new() - a page that only the caller knows, not cleared; within what it holds, or put
 * or published before the core does anything else */
uint8_t *nvmet_page_new(struct nvmet_pages *pages, int core);
/* nvmet_page_pin() - the page that holds part @index, which stays as it is until put; NULL: zeroes */
const uint8_t *nvmet_page_pin(struct nvmet_pages *pages, int core, uint64_t index);
/* nvmet_page_put() - drops the reference of _new() or _pin(). @page: any address within it. */
void nvmet_page_put(struct nvmet_pages *pages, int core, const uint8_t *page);
/* nvmet_page_publish() - @page of _new() is part @index from now on; the map takes its reference */
void nvmet_page_publish(struct nvmet_pages *pages, int core, uint64_t index, uint8_t *page);
/*
 * nvmet_page_write() - @len bytes of part @index from @off on: @src, or zeroes when NULL; @off + @len
 * within the page. As one step for whoever looks.
 */
void nvmet_page_write(struct nvmet_pages *pages, int core, uint64_t index, size_t off,
		      const uint8_t *src, size_t len);
/*
 * nvmet_pages_clear() - parts @first and @nr - 1 more are zeroes; their memory goes back to the system
 * @budget: how many parts, or stretches that were never written, to look at, at least 1. About 10 ns
 *	each, and a few hundred more where there is memory to give back, of 512 pages at most.
 * Return: how many parts are done; call again for the rest.
 */
uint64_t nvmet_pages_clear(struct nvmet_pages *pages, int core, uint64_t first, uint64_t nr,
			   uint32_t budget);

#endif /* TARGET_PAGES_H */
