// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of memory a device reaches, and PRPs: a table of shapes that must and must not be
 * described, and random ones read back by a reader that knows nothing of how they were written.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <cmocka.h>

#include "host/prp.h"

enum {
	PAGE = 4096,
	MAX_IOV = 64,
	LIST_ENTRIES = 2048,
	ROUNDS = 20000,
};

static const uintptr_t region_va = 0x7f0000200000;
static const uint64_t region_iova = 0x40200000;
static const size_t region_len = 16 << 20;

static struct nvmh_dma dma;
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static int setup(void **state)
{
	static const struct nvmh_dma_range range = { 0, UINT64_MAX };

	(void)state;
	nvmh_dma_init(&dma, &range, 1);
	return nvmh_dma_add(&dma, region_va, region_len, region_iova);
}

static int teardown(void **state)
{
	(void)state;
	nvmh_dma_done(&dma);
	return 0;
}

/* ---- the table ---- */

static void test_dma_alloc_in_ranges_keeps_offset_and_holes(void **state)
{
	static const struct nvmh_dma_range ranges[] = {
		{ 0, 0x7fffff },
		{ 0x10000000, 0x100fffff },
		{ 0x100000000, 0x1ffffffff },
	};
	struct nvmh_dma d;
	uint64_t iova;

	(void)state;
	nvmh_dma_init(&d, ranges, 3);
	assert_int_equal(nvmh_dma_alloc(&d, 0x5000, 0x1000, &iova), 0);
	assert_int_equal(iova, 0x205000); /* never 0, and as far into 2 MiB as we are */
	assert_int_equal(nvmh_dma_alloc(&d, 0x7f0000400000, 0x400000, &iova), 0);
	assert_int_equal(iova, 0x400000);
	/* neither the rest of the first nor the second range has room */
	assert_int_equal(nvmh_dma_alloc(&d, 0x200000, 0x200000, &iova), 0);
	assert_int_equal(iova, 0x100000000);
	assert_int_equal(nvmh_dma_alloc(&d, 0, 0x100000000, &iova), -ENOSPC);
	assert_int_equal(nvmh_dma_alloc(&d, 0, SIZE_MAX, &iova), -ENOSPC);
	/* which takes nothing from what fits */
	assert_int_equal(nvmh_dma_alloc(&d, 0, 0x1000, &iova), 0);
	assert_int_equal(iova, 0x100200000);
	nvmh_dma_done(&d);
}

static void test_dma_alloc_at_top_does_not_wrap(void **state)
{
	static const struct nvmh_dma_range range = { UINT64_MAX - 0xfff, UINT64_MAX };
	struct nvmh_dma d;
	uint64_t iova;

	(void)state;
	nvmh_dma_init(&d, &range, 1);
	assert_int_equal(nvmh_dma_alloc(&d, 0x1ff000, 0x2000, &iova), -ENOSPC);
	nvmh_dma_init(&d, NULL, 0);
	assert_int_equal(nvmh_dma_alloc(&d, 0, 0x1000, &iova), -ENOSPC);
}

static void test_dma_add_overlap_is_refused(void **state)
{
	static const struct {
		uintptr_t va;
		size_t len;
		int ret;
	} table[] = {
		{ 0x10000, 0x1000, 0 },	     { 0x10000, 0x1000, -EEXIST },
		{ 0xf000, 0x1001, -EEXIST }, { 0xf000, 0x1000, 0 },
		{ 0x10fff, 1, -EEXIST },     { 0x11000, 0x1000, 0 },
		{ 0x20000, 0, -EINVAL },     { UINTPTR_MAX, 2, -EINVAL },
		{ UINTPTR_MAX, 1, 0 },	     { 0, UINTPTR_MAX, -EEXIST },
	};
	struct nvmh_dma_region cache = { 0 };
	struct nvmh_dma d;
	uint64_t iova;
	size_t i;

	(void)state;
	nvmh_dma_init(&d, NULL, 0);
	for (i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(nvmh_dma_add(&d, table[i].va, table[i].len, table[i].va * 2),
				 table[i].ret);
	assert_int_equal(nvmh_dma_find(&d, &cache, 0x10800, 0x800, &iova), 0);
	assert_int_equal(iova, 0x20800);
	/* next to each other for us is not so for the device */
	assert_int_equal(nvmh_dma_find(&d, &cache, 0x10800, 0x801, &iova), -EFAULT);
	assert_int_equal(nvmh_dma_find(&d, &cache, 0xefff, 2, &iova), -EFAULT);
	assert_int_equal(nvmh_dma_find(&d, &cache, 0x12000, 1, &iova), -EFAULT);
	assert_int_equal(nvmh_dma_find(&d, &cache, 0x10000, SIZE_MAX, &iova), -EFAULT);
	assert_int_equal(nvmh_dma_find(&d, &cache, UINTPTR_MAX, 1, &iova), 0);
	nvmh_dma_done(&d);
}

static void test_dma_find_many_regions_finds_each(void **state)
{
	struct nvmh_dma_region cache = { 0 };
	struct nvmh_dma d;
	uint64_t iova;
	uintptr_t i;

	(void)state;
	nvmh_dma_init(&d, NULL, 0);
	for (i = 0; i < NVMH_DMA_MAX_REGIONS; i++) /* 7 is prime to the number: in no order */
		assert_int_equal(nvmh_dma_add(&d, 0x100000 * (i * 7 % NVMH_DMA_MAX_REGIONS + 1),
					      0x1000, i * 0x1000),
				 0);
	assert_int_equal(nvmh_dma_add(&d, 0x1000, 0x1000, 0), -ENOSPC);
	for (i = 0; i < NVMH_DMA_MAX_REGIONS; i++) {
		assert_int_equal(nvmh_dma_find(&d, &cache,
					       0x100000 * (i * 7 % NVMH_DMA_MAX_REGIONS + 1) + 8, 8,
					       &iova),
				 0);
		assert_int_equal(iova, i * 0x1000 + 8);
	}
	nvmh_dma_done(&d);
}

/* ---- PRPs ---- */

/* Up to four pieces: offset in the region, length. */
struct pieces {
	struct {
		size_t off;
		size_t len;
	} piece[4];
};

enum { P = PAGE };

#define NONE UINT64_MAX

static const struct {
	const char *name;
	struct pieces p;
	uint32_t len;
	uint64_t prp1;	 /* offsets in the region */
	uint64_t second; /* NONE: no second page */
	bool list;	 /* PRP 2 is the list, the second page its first entry */
} shapes[] = {
	{ "within a page", { { { 512, 512 } } }, 512, 512, NONE, false },
	{ "a whole page", { { { 0, P } } }, P, 0, NONE, false },
	{ "up to the end of a page", { { { 4092, 4 } } }, 4, 4092, NONE, false },
	{ "over the end of a page", { { { 4092, 8 } } }, 8, 4092, P, false },
	{ "two pages", { { { 0, 2 * P } } }, 2 * P, 0, P, false },
	{ "two apart", { { { 0, P }, { 9 * P, P } } }, 2 * P, 0, 9 * P, false },
	{ "three pages", { { { 0, 3 * P } } }, 3 * P, 0, P, true },
	{ "two pages long, over three", { { { 4, 2 * P } } }, 2 * P, 4, P, true },
	{ "tail, page, head",
	  { { { P - 8, 8 }, { 5 * P, P }, { 0, 12 } } },
	  P + 20,
	  P - 8,
	  5 * P,
	  true },
	{ "empty pieces", { { { 7, 0 }, { 0, P }, { 9, 0 }, { P, 4 } } }, P + 4, 0, P, false },
};

static const struct {
	const char *name;
	struct pieces p;
	uint32_t len;
	int ret;
} refused[] = {
	{ "nothing", { { { 0, 0 } } }, 0, -EINVAL },
	{ "nothing, but a length", { { { 0, 0 } } }, 4, -EINVAL },
	{ "no dword alignment", { { { 2, 510 } } }, 510, -EINVAL },
	{ "first ends within a page", { { { 0, 512 }, { P, 512 } } }, 1024, -EINVAL },
	{ "second starts within a page", { { { 0, P }, { P + 512, 512 } } }, P + 512, -EINVAL },
	{ "middle ends within a page",
	  { { { 0, P }, { P, 512 }, { 2 * P, 4 } } },
	  P + 516,
	  -EINVAL },
	{ "longer than the length", { { { 0, 2 * P } } }, P, -EINVAL },
	{ "a piece too much", { { { 0, P }, { P, 4 } } }, P, -EINVAL },
	{ "shorter than the length", { { { 0, P } } }, P + 4, -EINVAL },
	{ "beyond the region", { { { (16 << 20) - 512, 1024 } } }, 1024, -EFAULT },
	{ "second beyond the region", { { { 0, P }, { 16 << 20, P } } }, 2 * P, -EFAULT },
};

static le64_t list_entries[LIST_ENTRIES];
static const struct nvmh_prp_list whole_list = { list_entries, 0x9000, LIST_ENTRIES };

static int build(const struct pieces *p, uint32_t len, struct nvme_prps *prps)
{
	struct nvmh_dma_region cache = { 0 };
	struct iovec iov[4];
	size_t i;

	for (i = 0; i < 4; i++)
		iov[i] = (struct iovec){ (void *)(region_va + p->piece[i].off), p->piece[i].len };
	memset(prps, 0xee, sizeof(*prps));
	return nvmh_prp_build(&dma, &cache, iov, 4, len, PAGE, &whole_list, prps);
}

static void test_prp_build_shapes_are_as_the_table_says(void **state)
{
	struct nvme_prps prps;
	uint64_t second;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (build(&shapes[i].p, shapes[i].len, &prps))
			fail_msg("%s: refused", shapes[i].name);
		if (le64_get(prps.prp1) != region_iova + shapes[i].prp1)
			fail_msg("%s: PRP 1", shapes[i].name);
		second = shapes[i].second == NONE ? 0 : region_iova + shapes[i].second;
		if (le64_get(prps.prp2) != (shapes[i].list ? whole_list.iova : second))
			fail_msg("%s: PRP 2", shapes[i].name);
		if (shapes[i].list)
			assert_int_equal(le64_get(list_entries[0]), second);
	}
}

static void test_prp_build_what_cannot_be_is_refused(void **state)
{
	struct nvme_prps prps;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		if (build(&refused[i].p, refused[i].len, &prps) != refused[i].ret)
			fail_msg("%s: not %d", refused[i].name, refused[i].ret);
		assert_int_equal(le64_get(prps.prp1), 0xeeeeeeeeeeeeeeee); /* not written */
	}
}

static void test_prp_build_short_list_is_refused(void **state)
{
	static le64_t entries[LIST_ENTRIES];
	struct iovec iov = { (void *)region_va, 600 * PAGE };
	struct nvmh_dma_region cache = { 0 };
	struct nvme_prps prps;
	uint32_t n;

	(void)state;
	/* 599 entries; a list that starts at a page needs one more to get to its second page */
	for (n = 0; n < 610; n++) {
		const struct nvmh_prp_list list = { entries, 0x8000, n };

		memset(entries, 0, sizeof(entries));
		assert_int_equal(nvmh_prp_build(&dma, &cache, &iov, 1, 600 * PAGE, PAGE, &list,
						&prps),
				 n < 600 ? -EMSGSIZE : 0);
		assert_int_equal(entries[n].v, 0);
	}
	assert_int_equal(le64_get(entries[511]), 0x9000);
	assert_int_equal(le64_get(entries[512]), region_iova + 512 * PAGE);
}

/* What a controller makes of PRPs: pieces of at most a page. */
struct reader {
	const le64_t *entries;
	uint64_t list_iova;
	uint32_t page;
	uint32_t len;
	uint64_t at[LIST_ENTRIES + 2];
	uint32_t piece[LIST_ENTRIES + 2];
	uint32_t nr;
};

static void read_piece(struct reader *r, uint64_t at)
{
	r->at[r->nr] = at;
	r->piece[r->nr] = min_of(r->len, (uint32_t)(r->page - at % r->page));
	r->len -= r->piece[r->nr];
	r->nr++;
}

static void read_prps(struct reader *r, const struct nvme_prps *prps)
{
	uint64_t list = le64_get(prps->prp2);
	uint64_t entry;

	r->nr = 0;
	read_piece(r, le64_get(prps->prp1));
	if (!r->len) {
		assert_int_equal(list, 0);
		return;
	}
	if (r->len <= r->page) {
		assert_int_equal(list % r->page, 0);
		read_piece(r, list);
		return;
	}
	while (r->len) {
		assert_in_range(list, r->list_iova, r->list_iova + (LIST_ENTRIES - 1) * 8);
		entry = le64_get(r->entries[(list - r->list_iova) / 8]);
		if (list % r->page == r->page - 8 && r->len > r->page) {
			list = entry;
			continue;
		}
		assert_int_equal(entry % r->page, 0);
		read_piece(r, entry);
		list += 8;
	}
}

/* A list that PRPs can describe; returns its length in bytes. */
static uint32_t random_iov(struct iovec *iov, uint32_t nr, uint32_t page)
{
	uint32_t pages = (uint32_t)(region_len / page);
	uint32_t total = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint32_t at = rnd(pages - 20);
		uint32_t n = 1 + rnd(19);
		size_t off = 0;
		size_t len = (size_t)n * page;

		if (i == 0) {
			off = 4 * rnd(page / 4);
			len -= off;
		}
		if (i == nr - 1)
			len -= rnd((uint32_t)min_of(len, (size_t)page));
		iov[i] = (struct iovec){ (void *)(region_va + (size_t)at * page + off), len };
		total += (uint32_t)len;
	}
	return total;
}

static void test_prp_build_random_reads_back_the_same(void **state)
{
	static le64_t entries[LIST_ENTRIES];
	static struct reader r;
	struct nvmh_dma_region cache = { 0 };
	struct iovec iov[MAX_IOV];
	struct nvme_prps prps;
	uint32_t round;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (round = 0; round < ROUNDS; round++) {
		uint32_t page = PAGE << rnd(5);
		uint32_t nr = 1 + rnd(rnd(4) ? 4 : MAX_IOV);
		uint32_t len = random_iov(iov, nr, page);
		/* anywhere: at the start, the middle, the end of a page */
		struct nvmh_prp_list list = { entries, 0x1000000 + 8 * rnd(2 * page / 8),
					      LIST_ENTRIES };
		uint32_t i;
		uint32_t k = 0;

		assert_int_equal(nvmh_prp_build(&dma, &cache, iov, nr, len, page, &list, &prps), 0);
		r = (struct reader){
			.entries = entries, .list_iova = list.iova, .page = page, .len = len
		};
		read_prps(&r, &prps);
		for (i = 0; i < nr; i++) {
			uint64_t want = region_iova + ((uintptr_t)iov[i].iov_base - region_va);
			size_t left = iov[i].iov_len;

			while (left) {
				assert_true(k < r.nr && r.piece[k] <= left);
				assert_int_equal(r.at[k], want);
				want += r.piece[k];
				left -= r.piece[k++];
			}
		}
		assert_int_equal(k, r.nr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dma_alloc_in_ranges_keeps_offset_and_holes),
		cmocka_unit_test(test_dma_alloc_at_top_does_not_wrap),
		cmocka_unit_test(test_dma_add_overlap_is_refused),
		cmocka_unit_test(test_dma_find_many_regions_finds_each),
		cmocka_unit_test(test_prp_build_shapes_are_as_the_table_says),
		cmocka_unit_test(test_prp_build_what_cannot_be_is_refused),
		cmocka_unit_test(test_prp_build_short_list_is_refused),
		cmocka_unit_test(test_prp_build_random_reads_back_the_same),
	};

	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 10);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
