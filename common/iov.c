// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lists of iovecs.
 *
 * Context: any thread; no state. Entry points: see iov.h.
 */
#include <errno.h>
#include <stdbool.h>

#include "common/iov.h"
#include "common/util.h"

/* A place in a list, and how many bytes are wanted from there. */
struct walk {
	const struct iovec *iov;
	size_t nr;
	size_t off; /* to skip */
	size_t len; /* still wanted */
};

/*
 * The next contiguous piece that is wanted, never empty. False: nothing wanted any more, or the
 * list is at its end.
 */
static bool walk_next(struct walk *w, struct iovec *piece)
{
	while (w->nr && w->len) {
		const struct iovec *v = w->iov;

		w->iov++;
		w->nr--;
		if (w->off >= v->iov_len) {
			w->off -= v->iov_len;
			continue;
		}
		piece->iov_base = (uint8_t *)v->iov_base + w->off;
		piece->iov_len = min_of(v->iov_len - w->off, w->len);
		w->off = 0;
		w->len -= piece->iov_len;
		return true;
	}
	return false;
}

int iov_slice(const struct iovec *iov, size_t nr, size_t off, size_t len, struct iovec *out,
	      int max)
{
	struct walk w = { iov, nr, off, len };
	struct iovec piece;
	int n = 0;

	while (walk_next(&w, &piece)) {
		if (n == max)
			return -ENOSPC;
		out[n++] = piece;
	}
	return w.len ? -EINVAL : n;
}

size_t iov_copy_from(void *dst, const struct iovec *iov, size_t nr, size_t off, size_t len)
{
	struct walk w = { iov, nr, off, len };
	struct iovec piece;
	uint8_t *p = dst;

	while (walk_next(&w, &piece)) {
		memcpy(p, piece.iov_base, piece.iov_len);
		p += piece.iov_len;
	}
	return len - w.len;
}

size_t iov_copy_to(const struct iovec *iov, size_t nr, size_t off, const void *src, size_t len)
{
	struct walk w = { iov, nr, off, len };
	const uint8_t *p = src;
	struct iovec piece;

	while (walk_next(&w, &piece)) {
		memcpy(piece.iov_base, p, piece.iov_len);
		p += piece.iov_len;
	}
	return len - w.len;
}

size_t iov_zero(const struct iovec *iov, size_t nr, size_t off, size_t len)
{
	struct walk w = { iov, nr, off, len };
	struct iovec piece;

	while (walk_next(&w, &piece))
		memset(piece.iov_base, 0, piece.iov_len);
	return len - w.len;
}

void iov_advance(struct iovec **iov, size_t *nr, size_t n)
{
	struct iovec *v = *iov;
	size_t left = *nr;

	while (left && n >= v->iov_len) {
		n -= v->iov_len;
		v++;
		left--;
	}
	assert(left || !n);
	if (n) {
		v->iov_base = (uint8_t *)v->iov_base + n;
		v->iov_len -= n;
	}
	*iov = v;
	*nr = left;
}
