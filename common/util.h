/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small macros and inlines that every layer uses.
 */
#ifndef COMMON_UTIL_H
#define COMMON_UTIL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* The counter keeps the names of nested uses apart. */
#define util_pick_(op, a, b, x, y)     \
	({                             \
		__typeof__(a) x = (a); \
		__typeof__(b) y = (b); \
		x op y ? x : y;        \
	})
#define util_name_(a, b)   a##b
#define util_unique_(a, b) util_name_(a, b)
#define util_pick2_(op, a, b, n) \
	util_pick_(op, a, b, util_unique_(pick_a_, n), util_unique_(pick_b_, n))

#define min_of(a, b)	   util_pick2_(<, a, b, __COUNTER__)
#define max_of(a, b)	   util_pick2_(>, a, b, __COUNTER__)

#define div_up(a, b)	   (((a) + (b)-1) / (b))

/* @to: a power of two. */
#define round_up_to(a, to) (((a) + (to)-1) & ~((__typeof__(a))(to)-1))

#define likely(x)	   __builtin_expect(!!(x), 1)
#define unlikely(x)	   __builtin_expect(!!(x), 0)

#define BIT(n)		   (1u << (n))
#define BIT64(n)	   (1ull << (n))

/* Largest power of two <= v; v != 0. */
static inline uint32_t pow2_floor(uint32_t v)
{
	return 1u << (31 - __builtin_clz(v));
}

static inline int is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/*
 * Copies text into a fixed field padded with blanks, as Identify wants it (no NUL at the end). What
 * does not fit is cut.
 */
static inline void str_pad(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	memcpy(dst, src, n);
	memset(dst + n, ' ', size - n);
}

#endif /* COMMON_UTIL_H */
