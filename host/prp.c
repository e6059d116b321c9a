// SPDX-License-Identifier: BSD-2-Clause
/*
 * PRPs from iovecs. The queue's owner, for every command: no allocation, no log.
 * Entry point: nvmh_prp_build().
 * NVM Express Base Specification 2.x, "Physical Region Page Entry and List".
 */
#include "host/prp.h"

#include <errno.h>

/* Where the next entry goes. */
struct writer {
	le64_t *entry;
	uint64_t iova;
	uint32_t room;
	uint32_t left; /* entries still to come */
	uint32_t page_mask;
};

/* The last entry of a page of the list points to the next page, unless it is the last of all. */
static int put(struct writer *w, uint64_t page)
{
	if (unlikely((w->iova & w->page_mask) == w->page_mask - 7 && w->left > 1)) {
		if (w->room < 2)
			return -EMSGSIZE;
		*w->entry++ = le64_make(w->iova + 8);
		w->iova += 8;
		w->room--;
	}
	if (!w->room)
		return -EMSGSIZE;
	*w->entry++ = le64_make(page);
	w->iova += 8;
	w->room--;
	w->left--;
	return 0;
}

/* The pages of one piece from @iova on, which starts at a page boundary. */
static int put_pages(struct writer *w, uint64_t iova, size_t len)
{
	size_t page_size = (size_t)w->page_mask + 1;
	int ret = 0;

	while (len && !ret) {
		ret = put(w, iova);
		iova += page_size;
		len -= min_of(len, page_size);
	}
	return ret;
}

/* Everything after the part within the first page, @off bytes into iov[0]; the checks of what PRPs
 * can describe are here. */
static int put_rest(const struct nvmh_dma *dma, struct nvmh_dma_region *cache,
		    const struct iovec *iov, uint32_t nr_iov, size_t off, size_t left,
		    struct writer *w)
{
	uint64_t iova;
	size_t piece;
	uint32_t i;
	int ret;

	for (i = 0; i < nr_iov; i++, off = 0) {
		piece = iov[i].iov_len - off;
		if (!piece)
			continue;
		if (piece > left)
			return -EINVAL;
		ret = nvmh_dma_find(dma, cache, (uintptr_t)iov[i].iov_base + off, piece, &iova);
		if (ret)
			return ret;
		left -= piece;
		if (iova & w->page_mask || (left && piece & w->page_mask))
			return -EINVAL;
		ret = put_pages(w, iova, piece);
		if (ret)
			return ret;
	}
	return left ? -EINVAL : 0;
}

int nvmh_prp_build(const struct nvmh_dma *dma, struct nvmh_dma_region *cache,
		   const struct iovec *iov, uint32_t nr_iov, uint32_t len, uint32_t page_size,
		   const struct nvmh_prp_list *list, struct nvme_prps *prps)
{
	uint32_t page_mask = page_size - 1;
	le64_t second = le64_make(0);
	struct writer w;
	uint64_t iova;
	size_t first;
	int ret;

	for (; nr_iov && !iov->iov_len; iov++)
		nr_iov--;
	if (!nr_iov || !len || iov->iov_len > len)
		return -EINVAL;
	ret = nvmh_dma_find(dma, cache, (uintptr_t)iov->iov_base, iov->iov_len, &iova);
	if (ret)
		return ret;
	first = min_of(iov->iov_len, (size_t)(page_size - (iova & page_mask)));
	if (iova & 3 || (first < len && (iova + first) & page_mask))
		return -EINVAL;
	w = (struct writer){
		.entry = list->entry,
		.iova = list->iova,
		.room = list->nr,
		.left = (uint32_t)((len - first + page_mask) / page_size),
		.page_mask = page_mask,
	};
	if (w.left == 1) {
		w.entry = &second;
		w.iova = 0;
		w.room = 1;
	} else if (w.left) {
		second = le64_make(list->iova);
	}
	ret = put_rest(dma, cache, iov, nr_iov, first, len - first, &w);
	if (ret)
		return ret;
	prps->prp1 = le64_make(iova);
	prps->prp2 = second;
	return 0;
}
