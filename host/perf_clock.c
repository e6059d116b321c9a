// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whether the time stamp counter can be used, and how long its tick is. Any thread, once.
 */
#include "host/perf_clock.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum {
	CPUID_POWER = 0x80000007,
	CPUID_POWER_INVARIANT_TSC = 1 << 8, /* EDX */
	CALIBRATE_NS = 20000000,
	CALIBRATE_TRIES = 8,
};

/* Both clocks at one moment: of several tries the one that took the shortest time. */
static void read_both(uint64_t *ticks, uint64_t *ns)
{
	uint64_t shortest = UINT64_MAX;
	int i;

	for (i = 0; i < CALIBRATE_TRIES; i++) {
		uint64_t before = __rdtsc();
		uint64_t now = clock_now_ns();
		uint64_t took = __rdtsc() - before;

		if (took >= shortest)
			continue;
		shortest = took;
		*ticks = before + took / 2;
		*ns = now;
	}
}

static bool calibrate(uint64_t *mult)
{
	uint64_t ticks0 = 0, ticks1 = 0, ns0 = 0, ns1 = 0;
	unsigned int a, b, c, d = 0;

	if (!__get_cpuid(CPUID_POWER, &a, &b, &c, &d) || !(d & CPUID_POWER_INVARIANT_TSC))
		return false;
	read_both(&ticks0, &ns0);
	while (clock_now_ns() - ns0 < CALIBRATE_NS)
		;
	read_both(&ticks1, &ns1);
	if (ticks1 <= ticks0)
		return false;
	*mult = ((ns1 - ns0) << 32) / (ticks1 - ticks0);
	return *mult != 0;
}
#else
static bool calibrate(uint64_t *mult)
{
	(void)mult;
	return false;
}
#endif

void nvmh_perf_clock_init(struct perf_clock *clock)
{
	clock->mult = UINT64_C(1) << 32;
	clock->tsc = calibrate(&clock->mult);
}
