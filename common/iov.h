/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers over lists of iovecs: length, slices, copies, and consuming from the front. Entries of
 * length 0 are allowed everywhere. Nothing here owns memory.
 *
 * Context: any thread.
 */
#ifndef COMMON_IOV_H
#define COMMON_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/** iov_bytes() - the sum of the lengths, SIZE_MAX if it is more than that. Inline: most have one. */
static inline size_t iov_bytes(const struct iovec *iov, size_t nr)
{
	size_t sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
			return SIZE_MAX;
	return sum;
}

/**
 * iov_slice() - describe @len bytes from offset @off of a list by another list
 * @out: receives up to @max entries, none of length 0; must not overlap @iov.
 *
 * Return: entries written (0 if @len is 0); -EINVAL, @off + @len is beyond the end;
 *	-ENOSPC, more than @max entries needed. On error @out is undefined.
 */
int iov_slice(const struct iovec *iov, size_t nr, size_t off, size_t len, struct iovec *out,
	      int max);

/**
 * iov_copy_from() - copy @len bytes from offset @off of a list to @dst. Return: bytes copied, less
 * where the list ends.
 */
size_t iov_copy_from(void *dst, const struct iovec *iov, size_t nr, size_t off, size_t len);

/**
 * iov_copy_to() - copy @len bytes from @src to offset @off of a list. Return: bytes copied, less
 * where the list ends.
 */
size_t iov_copy_to(const struct iovec *iov, size_t nr, size_t off, const void *src, size_t len);

/**
 * iov_zero() - fill @len bytes from offset @off of a list with zeroes. Return: bytes filled, less
 * where the list ends.
 */
size_t iov_zero(const struct iovec *iov, size_t nr, size_t off, size_t len);

/**
 * iov_advance() - take @n bytes off the front of a list, changing its entries
 * @iov, @nr: in: the list; out: what remains, beginning with an entry that is not empty. @n is at
 * most its length (asserted).
 */
void iov_advance(struct iovec **iov, size_t *nr, size_t n);

#endif /* COMMON_IOV_H */
