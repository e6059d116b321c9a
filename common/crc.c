// SPDX-License-Identifier: BSD-2-Clause
/*
 * CRC32C through isa-l, which picks the fastest code of the CPU when it is first called. isa-l has
 * no variant that copies at the same time; who copies does it in pieces that stay in the
 * first-level cache.
 *
 * Context: any thread. Entry points: crc32c_update(), crc32c_update_iov().
 * NVMe/TCP Transport Specification, section 3.3.1.
 */
#include <isa-l/crc.h>

#include "common/crc.h"
#include "common/util.h"

enum {
	PIECE_MAX = 1 << 30, /* isa-l takes the length as an int */
};

uint32_t crc32c_update(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (unlikely(len > PIECE_MAX)) {
		crc = crc32_iscsi((unsigned char *)p, PIECE_MAX, crc);
		p += PIECE_MAX;
		len -= PIECE_MAX;
	}
	return len ? crc32_iscsi((unsigned char *)p, (int)len, crc) : crc;
}

uint32_t crc32c_update_iov(uint32_t crc, const struct iovec *iov, size_t nr, size_t len)
{
	size_t i;

	for (i = 0; len; i++) {
		size_t n;

		assert(i < nr);
		n = min_of(len, iov[i].iov_len);
		crc = crc32c_update(crc, iov[i].iov_base, n);
		len -= n;
	}
	return crc;
}
