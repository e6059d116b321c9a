/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads and stores of device registers, little-endian, with the orderings that queues need.
 */
#ifndef HOST_MMIO_H
#define HOST_MMIO_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t mmio_read32(const volatile void *reg)
{
	return le32toh(__atomic_load_n((const volatile uint32_t *)reg, __ATOMIC_RELAXED));
}

/*
 * Everything stored to memory before (submission queue entries, PRP lists, data) is seen by a
 * device that sees this store. x86 does not reorder stores, to whatever memory, so a compiler's
 * release is all it takes there; on Arm the device is outside of the domain that a release reaches.
 */
static inline void mmio_write32(volatile void *reg, uint32_t value)
{
#ifdef __aarch64__
	__asm__ volatile("dmb oshst" ::: "memory");
#endif
	__atomic_store_n((volatile uint32_t *)reg, htole32(value), __ATOMIC_RELEASE);
}

/*
 * Into a device's memory, where memcpy() and memset() must not be used: on Arm, where it is mapped as
 * a device's, they may store to addresses that are not aligned, or clear whole cache lines, and
 * either is a fault. @to, @from and @len are multiples of 8. The order of the stores is open.
 */
typedef uint64_t mmio_word __attribute__((may_alias));

static inline void mmio_copy(volatile void *to, const void *from, size_t len)
{
	volatile mmio_word *out = (volatile mmio_word *)to;
	const mmio_word *in = (const mmio_word *)from;

	for (size_t i = 0; i < len / sizeof(*out); i++)
		__atomic_store_n(&out[i], in[i], __ATOMIC_RELAXED);
}

static inline void mmio_zero(volatile void *to, size_t len)
{
	volatile mmio_word *out = (volatile mmio_word *)to;

	for (size_t i = 0; i < len / sizeof(*out); i++)
		__atomic_store_n(&out[i], (mmio_word)0, __ATOMIC_RELAXED);
}

/* Stores before are seen, by processors and devices, before loads after are done. */
static inline void dma_mb(void)
{
#ifdef __aarch64__
	__asm__ volatile("dmb osh" ::: "memory");
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Stores to a device's memory leave the processor before the store of a register after them. Its
 * mapping may combine writes, which neither x86's order of stores nor a release reaches.
 */
static inline void io_wmb(void)
{
#if defined(__x86_64__)
	__asm__ volatile("sfence" ::: "memory");
#elif defined(__aarch64__)
	__asm__ volatile("dsb st" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* A load of memory that a device writes: what is loaded after it is not older than it. */
static inline uint16_t dma_load16_acquire(const void *p)
{
	uint16_t v = __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);

#ifdef __aarch64__
	__asm__ volatile("dmb oshld" ::: "memory");
#endif
	return le16toh(v);
}

#endif /* HOST_MMIO_H */
