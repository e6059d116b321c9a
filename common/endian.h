/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Little-endian wire integers. A wire field is a struct of one member, so that arithmetic on it in
 * host order does not compile; le*_get() and le*_make() are the only doors.
 */
#ifndef COMMON_ENDIAN_H
#define COMMON_ENDIAN_H

#include <endian.h>
#include <stdint.h>

typedef struct {
	uint16_t v;
} le16_t;
typedef struct {
	uint32_t v;
} le32_t;
typedef struct {
	uint64_t v;
} le64_t;

static inline uint16_t le16_get(le16_t x)
{
	return le16toh(x.v);
}

static inline uint32_t le32_get(le32_t x)
{
	return le32toh(x.v);
}

static inline uint64_t le64_get(le64_t x)
{
	return le64toh(x.v);
}

static inline le16_t le16_make(uint16_t v)
{
	return (le16_t){ htole16(v) };
}

static inline le32_t le32_make(uint32_t v)
{
	return (le32_t){ htole32(v) };
}

static inline le64_t le64_make(uint64_t v)
{
	return (le64_t){ htole64(v) };
}

#endif /* COMMON_ENDIAN_H */
