/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shadow doorbells: tails and heads in memory, which an emulated controller reads by itself, so
 * that its registers are rung only when it asks for that. NVM Express Base Specification 2.x,
 * "Doorbell Buffer Config command", "Updating Controller Doorbell Properties using a Shadow
 * Doorbell Buffer".
 */
#ifndef HOST_DBBUF_H
#define HOST_DBBUF_H

#include <stdbool.h>

#include "host/mmio.h"

struct nvmh_shadow {
	volatile uint32_t *db;	     /* ours to write */
	const volatile uint32_t *ei; /* the controller's: ring when the value passes this one */
};

/*
 * nvmh_shadow_update() - tells the controller @value, after @old
 * Return: whether the register is to be rung, too.
 *
 * The event index is data from the device: whatever it is, the answer is only yes or no, and a
 * device that never asks for a ring that it needs runs into its commands' deadlines.
 */
static inline bool nvmh_shadow_update(const struct nvmh_shadow *shadow, uint16_t old,
				      uint16_t value)
{
	uint16_t event;

	/* queue entries before the shadow, as before a register */
	mmio_write32(shadow->db, value);
	/*
	 * The store of the shadow doorbell above, before the load of the event index below. The
	 * controller stores the event index before it loads the shadow doorbell a last time, so one
	 * of the two sees the other. A processor keeps a load waiting for no store but by this.
	 */
	dma_mb();
	event = (uint16_t)mmio_read32(shadow->ei);
	return (uint16_t)(value - event - 1) < (uint16_t)(value - old);
}

#endif /* HOST_DBBUF_H */
