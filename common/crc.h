/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC32C (Castagnoli, reflected), the header and data digest of NVMe/TCP. A running value starts
 * with CRC32C_INIT and is turned into the digest by crc32c_final(). On the wire the digest is
 * little-endian.
 * NVMe/TCP Transport Specification, section 3.3.1 (digests).
 *
 * Context: any thread; no state.
 */
#ifndef COMMON_CRC_H
#define COMMON_CRC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CRC32C_INIT 0xffffffffu

/** crc32c_update() - the running value after @len more bytes at @buf (0: unchanged) */
uint32_t crc32c_update(uint32_t crc, const void *buf, size_t len);

/**
 * crc32c_update_iov() - the running value after the first @len bytes of an iovec list
 * @iov, @nr: at least @len bytes in all (asserted); entries of length 0 are allowed.
 */
uint32_t crc32c_update_iov(uint32_t crc, const struct iovec *iov, size_t nr, size_t len);

static inline uint32_t crc32c_final(uint32_t crc)
{
	return ~crc;
}

/** crc32c_digest() - the digest of @len bytes at @buf */
static inline uint32_t crc32c_digest(const void *buf, size_t len)
{
	return crc32c_final(crc32c_update(CRC32C_INIT, buf, len));
}

#endif /* COMMON_CRC_H */
