// SPDX-License-Identifier: BSD-2-Clause
/*
 * --verify: a unit (opts->grain bytes) has at most one I/O at a time, and a counter of its writes that
 * tells what a read must bring. A write that failed may have happened or not: until the next one that
 * succeeds, its unit may hold any write since the last that did. The job's thread.
 */
#include "host/perf_job.h"

#include "common/log.h"
#include "host/perf_pattern.h"

bool nvmh_perf_verify_busy(const struct perf_queue *pq, uint64_t unit, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (pq->gen[unit + i] & PERF_GEN_BUSY)
			return true;
	}
	return false;
}

uint32_t nvmh_perf_verify_next(struct perf_queue *pq, uint32_t max, uint64_t *unit)
{
	uint32_t nr = 0;

	while (pq->next < pq->nr_units && !pq->gen[pq->next])
		pq->next++;
	*unit = pq->next;
	while (nr < max && pq->next < pq->nr_units && pq->gen[pq->next]) {
		pq->next++;
		nr++;
	}
	return nr;
}

/* The unit's data in the slot's buffer, and its first block. */
static uint8_t *unit_data(const struct perf_queue *pq, const struct perf_slot *slot, uint32_t i)
{
	return (uint8_t *)slot->iov.iov_base + (size_t)i * pq->job->opts->grain;
}

static uint64_t unit_lba(const struct perf_queue *pq, const struct perf_slot *slot, uint32_t i)
{
	return pq->target->first_lba + (pq->first + slot->unit + i) * pq->lbas;
}

void nvmh_perf_verify_start(struct perf_queue *pq, struct perf_slot *slot)
{
	uint32_t lba_size = pq->target->ns.lba_size;
	uint32_t i, b;

	for (i = 0; i < slot->nr_units; i++) {
		uint32_t *gen = &pq->gen[slot->unit + i];

		if (slot->dir == PERF_WRITE) {
			*gen = (*gen & PERF_GEN_MAYBE) | ((*gen + 1) & PERF_GEN_MASK);
			for (b = 0; b < pq->lbas; b++)
				nvmh_perf_pattern_fill(unit_data(pq, slot, i) +
							       (size_t)b * lba_size,
						       lba_size, unit_lba(pq, slot, i) + b,
						       pq->job->run->id, *gen & PERF_GEN_MASK);
		}
		*gen |= PERF_GEN_BUSY;
	}
}

void nvmh_perf_verify_cancel(struct perf_queue *pq, struct perf_slot *slot)
{
	uint32_t i;

	for (i = 0; i < slot->nr_units; i++) {
		pq->gen[slot->unit + i] &= ~PERF_GEN_BUSY;
		if (slot->dir == PERF_WRITE)
			pq->gen[slot->unit + i]--;
	}
}

static void told(struct perf_queue *pq, const struct perf_bad *bad)
{
	struct perf_job *job = pq->job;
	char text[200];

	pq->part->nr_bad++;
	atomic_store_explicit(&job->run->mismatch, true, memory_order_relaxed);
	if (++job->nr_bad <= PERF_MAX_TOLD)
		nvmh_perf_fail(job, "%s nsid %u: %s", nvmh_ctrl_name(pq->target->ctrl),
			       pq->target->ns.nsid, nvmh_perf_bad_text(bad, text, sizeof(text)));
}

/* Return: there was something to compare with. */
static bool check_unit(struct perf_queue *pq, const struct perf_slot *slot, uint32_t i)
{
	uint32_t lba_size = pq->target->ns.lba_size;
	uint32_t word = pq->gen[slot->unit + i];
	uint64_t to = word & PERF_GEN_MASK, from = to;
	struct perf_bad bad;
	uint32_t b;

	if (!to && pq->job->opts->uses[PERF_WRITE])
		return false;
	if (word & PERF_GEN_MAYBE) {
		from = pq->sure[slot->unit + i];
		if (!from)
			return false; /* may hold what nobody knows */
	}
	for (b = 0; b < pq->lbas; b++) {
		if (!nvmh_perf_pattern_check(unit_data(pq, slot, i) + (size_t)b * lba_size,
					     lba_size, unit_lba(pq, slot, i) + b, pq->job->run->id,
					     from, to, &bad))
			told(pq, &bad);
	}
	return true;
}

static void write_done(struct perf_queue *pq, uint64_t unit, bool success)
{
	if (!success) {
		pq->gen[unit] |= PERF_GEN_MAYBE;
		return;
	}
	pq->gen[unit] &= ~PERF_GEN_MAYBE;
	if (pq->sure)
		pq->sure[unit] = pq->gen[unit] & PERF_GEN_MASK;
}

void nvmh_perf_verify_done(struct perf_queue *pq, struct perf_slot *slot, bool success)
{
	bool checked = false;
	uint32_t i;

	for (i = 0; i < slot->nr_units; i++) {
		if (slot->dir == PERF_WRITE)
			write_done(pq, slot->unit + i, success);
		else if (success)
			checked |= check_unit(pq, slot, i);
		pq->gen[slot->unit + i] &= ~PERF_GEN_BUSY;
	}
	if (checked) {
		pq->job->nr_checked++;
		pq->part->nr_checked++;
	}
}
