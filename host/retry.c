// SPDX-License-Identifier: BSD-2-Clause
/*
 * When a controller that failed is tried again, and for how long: a local one so many times, a
 * remote one for so long. The controller's thread (host/ctrl.c). Entry points: nvmh_retry_*().
 */
#include "common/clock.h"
#include "host/ctrl.h"

enum {
	PAUSE_MS = 1000,      /* between two tries, at first */
	PAUSE_DOUBLES = 4,    /* times, for a local controller */
	RETRY_MAX_MS = 10000, /* for a remote one, unless it was told a longer pause */
	RETRY_DOUBLES = 14,   /* times: even 1 ms is beyond RETRY_MAX_MS then */
	LAST_TRY_MS = 500,    /* before the time is over, or half of what is left of it */
	MIN_LEFT_MS = 50,     /* for another try */
};

/* Each in a row waits longer than the one before, so that a target which is gone for long is not
 * bothered, and one that restarts is found soon. */
static uint32_t backed_off_ms(const struct nvmh_ctrl *ctrl)
{
	uint32_t first_ms = ctrl->opts.reconnect_delay_ms;
	uint32_t doubles;

	if (!ctrl->ops->remote) {
		doubles = ctrl->resets > 2 ? ctrl->resets - 2 : 0;
		return PAUSE_MS << min_of(doubles, (uint32_t)PAUSE_DOUBLES);
	}
	if (!first_ms)
		first_ms = PAUSE_MS;
	if (first_ms >= RETRY_MAX_MS)
		return first_ms;
	doubles = ctrl->resets > 3 ? ctrl->resets - 3 : 0;
	return min_of(first_ms << min_of(doubles, (uint32_t)RETRY_DOUBLES), (uint32_t)RETRY_MAX_MS);
}

static uint64_t left_ms(const struct nvmh_ctrl *ctrl, uint64_t now)
{
	if (!ctrl->loss_ns)
		return UINT64_MAX;
	return ctrl->loss_ns > now ? (ctrl->loss_ns - now) / NS_PER_MS : 0;
}

/* Before the next try. The time that was promised is made use of to its end. */
uint32_t nvmh_retry_pause_ms(const struct nvmh_ctrl *ctrl, uint64_t now)
{
	uint64_t left = left_ms(ctrl, now);
	uint64_t last = left > 2 * LAST_TRY_MS ? left - LAST_TRY_MS : left / 2;

	return (uint32_t)min_of((uint64_t)backed_off_ms(ctrl), last);
}

/* From now on the time runs after which a remote controller that does not get live is given up. */
void nvmh_retry_start(struct nvmh_ctrl *ctrl, uint64_t now)
{
	if (ctrl->ops->remote && !ctrl->loss_ns && ctrl->opts.ctrl_loss_ms != NVMH_NO_LIMIT)
		ctrl->loss_ns = now + ctrl->opts.ctrl_loss_ms * NS_PER_MS;
}

/*
 * Whether the time in which a remote controller must get live again runs. The first try of all, and
 * that of a reset on request, have as long as they need.
 */
bool nvmh_retry_runs(const struct nvmh_ctrl *ctrl)
{
	return ctrl->loss_ns && ctrl->resets &&
	       (ctrl->phase == NVMH_PHASE_UP || ctrl->phase == NVMH_PHASE_PAUSE);
}

/* Whether there is no time, or no try, left. */
bool nvmh_retry_over(const struct nvmh_ctrl *ctrl, uint64_t now)
{
	uint32_t tries = ctrl->ops->tries ? ctrl->ops->tries : 1;

	if (ctrl->ops->stacked)
		return true; /* those below had theirs */
	/* the first try needs no pause, and is made in the shortest time but 1 ms */
	if (ctrl->ops->remote)
		return left_ms(ctrl, now) < (ctrl->phase == NVMH_PHASE_LIVE ? 2 : MIN_LEFT_MS);
	/* losing a live controller costs no try: the bring-ups after it do */
	return ctrl->resets > tries || (!ctrl->was_live && ctrl->resets >= tries);
}
