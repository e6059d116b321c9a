/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether to wait awake. Going to sleep and being woken costs about 10 us, and half as much of the
 * processor's time here and as much again of whoever wakes; so short idle times are better spent
 * awake, and long ones are not. How long the next one will be is guessed from the last few.
 *
 * Only idle times that were spent awake tell how long they are: one that was slept through ends
 * when the thread runs again. So some of them are watched, also when sleep is the rule.
 *
 * Context: the owner's thread; no clock inside.
 */
#ifndef COMMON_SPIN_H
#define COMMON_SPIN_H

#include <stdint.h>

struct spin {
	uint64_t spin_ns;      /* idle times up to this are spent awake; 0: none is */
	uint64_t watch_ns;     /* of the idle time that has begun */
	uint64_t mean_idle_ns; /* of the last few that were watched */
	uint64_t mean_busy_ns; /* of the last few times between two idle ones */
	uint32_t unwatched;    /* idle times since one was watched */
};

/* spin_window() - how long to stay awake if there is nothing to do from now on; 0: sleep at once */
uint64_t spin_window(const struct spin *spin);
/* spin_idle() - there is nothing to do, after @busy_ns of work: spin->watch_ns is set */
void spin_idle(struct spin *spin, uint64_t busy_ns);
/* spin_busy() - there is work again, after @idle_ns */
void spin_busy(struct spin *spin, uint64_t idle_ns);

#endif /* COMMON_SPIN_H */
