// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guess whether an idle time will be short. Thread: the owner's. Entry points: spin_window(),
 * spin_idle(), spin_busy().
 */
#include "common/spin.h"

#include "common/util.h"

enum {
	MEAN_OF = 8,
	MEAN_CAP = 2,	/* an idle time counts up to so many windows */
	SPIN_MORE = 10, /* spin_ns is exceeded up to so many times */
	WATCH_EVERY = 16,
	PAUSE_NS = 1000000, /* and PAUSE_OF spin_ns: says nothing about those before and after it */
	PAUSE_OF = 16,
};

/*
 * The longest idle time that is worth staying awake for. Who does a lot at a time serves somebody
 * with many commands outstanding: if it sleeps, the next lot comes late, and smaller for having had
 * to wake it.
 */
static uint64_t worth_ns(const struct spin *spin)
{
	uint64_t lot = spin->mean_busy_ns - min_of(spin->mean_busy_ns, 2 * spin->spin_ns);

	return max_of(spin->spin_ns, min_of(2 * lot, SPIN_MORE * spin->spin_ns));
}

uint64_t spin_window(const struct spin *spin)
{
	uint64_t worth = worth_ns(spin);

	return spin->mean_idle_ns <= worth || spin->unwatched >= WATCH_EVERY ? worth : 0;
}

static void mean_add(uint64_t *mean_ns, uint64_t ns)
{
	*mean_ns -= *mean_ns / MEAN_OF;
	*mean_ns += ns / MEAN_OF;
}

void spin_idle(struct spin *spin, uint64_t busy_ns)
{
	spin->watch_ns = spin_window(spin);
	if (!spin->watch_ns)
		spin->unwatched++;
	mean_add(&spin->mean_busy_ns, min_of(busy_ns, MEAN_CAP * SPIN_MORE * spin->spin_ns));
}

void spin_busy(struct spin *spin, uint64_t idle_ns)
{
	if (!spin->watch_ns || idle_ns >= max_of((uint64_t)PAUSE_NS, PAUSE_OF * spin->spin_ns))
		return;
	/* a short one is likely not alone: the next is watched, too */
	spin->unwatched = idle_ns <= spin->watch_ns ? WATCH_EVERY : 0;
	mean_add(&spin->mean_idle_ns, min_of(idle_ns, MEAN_CAP * spin->watch_ns));
}
