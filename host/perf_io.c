// SPDX-License-Identifier: BSD-2-Clause
/*
 * Single I/Os: which one comes next, how it is sent, what becomes of its answer. Runs in the job's
 * thread, completions inside nvmh_queue_poll(). Entry points: nvmh_perf_io_start(), io_done().
 *
 * A completion starts the next I/O on the same slot with the time stamp it has just read, so that
 * an I/O costs one look at the clock. The latency of an I/O goes from there, or from the start of a
 * turn, to the moment its completion is known.
 *
 * With --verify a unit (--bs bytes) has at most one I/O at a time, and a counter of its writes that
 * tells what a read must bring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/perf_job.h"
#include "host/perf_pattern.h"
#include "host/perf_random.h"

/* ---------------------------------------------------------------- what comes next */

static uint64_t next_in_order(struct perf_queue *pq)
{
	uint64_t unit = pq->next;

	pq->next = unit + 1 == pq->nr_units ? 0 : unit + 1;
	return unit;
}

static uint64_t pick_unit(struct perf_queue *pq)
{
	uint64_t unit = pq->job->opts->random ? perf_random_below(&pq->random, pq->nr_units)
					      : next_in_order(pq);

	/* there are twice as many units as slots, so this ends */
	while (pq->gen && pq->gen[unit] & PERF_GEN_BUSY)
		unit = unit + 1 == pq->nr_units ? 0 : unit + 1;
	return unit;
}

static enum perf_dir pick_dir(struct perf_queue *pq)
{
	uint8_t read_percent = pq->job->opts->read_percent;

	if (read_percent == 100)
		return PERF_READ;
	if (read_percent == 0)
		return PERF_WRITE;
	return perf_random_below(&pq->random, 100) < read_percent ? PERF_READ : PERF_WRITE;
}

/* The next unit to read back. Return: false when there is none. */
static bool pick_written(struct perf_queue *pq, uint64_t *unit)
{
	while (pq->next < pq->nr_units) {
		*unit = pq->next++;
		if (pq->gen[*unit])
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- verify */

static void fill(const struct perf_queue *pq, const struct perf_slot *slot)
{
	uint32_t lba_size = pq->target->ns->lba_size;
	uint64_t lba = (pq->first + slot->unit) * pq->lbas;
	uint8_t *p = slot->iov.iov_base;
	uint32_t i;

	for (i = 0; i < pq->lbas; i++)
		nvmh_perf_pattern_fill(p + (size_t)i * lba_size, lba_size, lba + i,
				       pq->job->run->seed, pq->gen[slot->unit] & PERF_GEN_MASK);
}

/* Before an I/O: its unit becomes busy, a write goes with the next pattern. */
static void verify_start(struct perf_queue *pq, struct perf_slot *slot)
{
	uint32_t gen = pq->gen[slot->unit];

	if (slot->dir == PERF_WRITE) {
		pq->gen[slot->unit] = ((gen + 1) & PERF_GEN_MASK) | PERF_GEN_BUSY;
		fill(pq, slot);
	} else {
		slot->check = gen || pq->job->opts->read_percent == 100;
		pq->gen[slot->unit] = gen | PERF_GEN_BUSY;
	}
}

static void check(struct perf_queue *pq, const struct perf_slot *slot)
{
	uint32_t lba_size = pq->target->ns->lba_size;
	uint64_t lba = (pq->first + slot->unit) * pq->lbas;
	uint32_t gen = pq->gen[slot->unit] & PERF_GEN_MASK;
	const uint8_t *p = slot->iov.iov_base;
	struct perf_job *job = pq->job;
	struct perf_bad bad;
	char text[160];
	uint32_t i;

	for (i = 0; i < pq->lbas; i++) {
		if (nvmh_perf_pattern_check(p + (size_t)i * lba_size, lba_size, lba + i,
					    job->run->seed, gen, &bad))
			continue;
		if (++job->nr_bad <= PERF_MAX_TOLD)
			nvmh_perf_fail(job, "%s nsid %u: %s", nvmh_ctrl_name(pq->target->ctrl),
				       pq->target->ns->nsid,
				       nvmh_perf_bad_text(&bad, text, sizeof(text)));
	}
	job->nr_checked++;
}

static void verify_done(struct perf_queue *pq, const struct perf_slot *slot)
{
	if (slot->dir == PERF_READ && slot->check)
		check(pq, slot);
	pq->gen[slot->unit] &= ~PERF_GEN_BUSY;
}

/* ---------------------------------------------------------------- one I/O */

static void failed(struct perf_queue *pq, const struct perf_slot *slot)
{
	struct perf_job *job = pq->job;
	uint16_t status = slot->req.status;

	if (++job->nr_errors <= PERF_MAX_TOLD)
		nvmh_perf_fail(job,
			       "%s nsid %u: %s of %u blocks at %llu failed with status %03xh, %s",
			       nvmh_ctrl_name(pq->target->ctrl), pq->target->ns->nsid,
			       slot->dir == PERF_WRITE ? "write" : "read", pq->lbas,
			       (unsigned long long)((pq->first + slot->unit) * pq->lbas),
			       status & ST_MASK, status_str(status));
	atomic_store_explicit(&job->run->stop, true, memory_order_relaxed);
}

static void io_done(struct nvmh_req *req)
{
	struct perf_slot *slot = container_of(req, struct perf_slot, req);
	struct perf_queue *pq = slot->pq;
	struct perf_job *job = pq->job;
	uint64_t now = perf_ticks(job->clock);

	pq->nr_busy--;
	slot->next_free = pq->free;
	pq->free = slot;
	if (unlikely(req->status)) {
		failed(pq, slot);
		return;
	}
	if (pq->gen)
		verify_done(pq, slot);
	if (!pq->checking) {
		perf_hist_add(job->hist[slot->dir],
			      perf_ticks_to_ns(job->clock, now - slot->start));
		job->ios[slot->dir]++;
	}
	if (job->starting)
		nvmh_perf_io_start(pq, now);
}

bool nvmh_perf_io_start(struct perf_queue *pq, uint64_t now)
{
	struct perf_slot *slot = pq->free;
	struct nvmh_req *req;
	uint64_t lba;
	int ret;

	if (!slot || !pq->left)
		return false;
	if (unlikely(pq->checking)) {
		if (!pick_written(pq, &slot->unit)) {
			pq->left = 0;
			return false;
		}
		slot->dir = PERF_READ;
	} else {
		slot->dir = pick_dir(pq);
		slot->unit = pick_unit(pq);
	}
	if (pq->gen)
		verify_start(pq, slot);
	lba = (pq->first + slot->unit) * pq->lbas;
	req = &slot->req;
	req->sqe.opcode = slot->dir == PERF_WRITE ? nvme_cmd_write : nvme_cmd_read;
	req->dir = slot->dir == PERF_WRITE ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
	req->sqe.cdw10 = le32_make((uint32_t)lba);
	req->sqe.cdw11 = le32_make((uint32_t)(lba >> 32));
	slot->start = now;
	ret = nvmh_queue_submit(pq->q, req);
	if (unlikely(ret)) {
		pq->left = 0;
		nvmh_perf_fail(pq->job, "%s: cannot submit: %s", nvmh_ctrl_name(pq->target->ctrl),
			       strerrordesc_np(-ret));
		return false;
	}
	pq->free = slot->next_free;
	pq->nr_busy++;
	pq->dirty = true;
	if (pq->left != UINT64_MAX)
		pq->left--;
	return true;
}

void nvmh_perf_io_fill(struct perf_queue *pq, uint64_t now)
{
	while (nvmh_perf_io_start(pq, now))
		;
}

void nvmh_perf_io_check_all(struct perf_queue *pq)
{
	pq->checking = true;
	pq->next = 0;
	pq->left = UINT64_MAX;
}

/* ---------------------------------------------------------------- life */

int nvmh_perf_io_begin(struct perf_queue *pq, uint8_t *mem, size_t stride)
{
	const struct perf_opts *opts = pq->job->opts;
	uint16_t i;

	pq->lbas = opts->bs / pq->target->ns->lba_size;
	pq->slots = calloc(opts->iodepth, sizeof(*pq->slots));
	if (opts->verify)
		pq->gen = calloc(pq->nr_units, sizeof(*pq->gen));
	if (!pq->slots || (opts->verify && !pq->gen))
		return -ENOMEM;
	for (i = opts->iodepth; i-- > 0;) {
		struct perf_slot *slot = &pq->slots[i];

		slot->pq = pq;
		slot->iov = (struct iovec){ mem + i * stride, opts->bs };
		nvmh_prep_rw(&slot->req, nvme_cmd_read, pq->target->ns->nsid, 0, pq->lbas,
			     &slot->iov, 1, opts->bs);
		slot->req.done = io_done;
		slot->next_free = pq->free;
		pq->free = slot;
	}
	return 0;
}

void nvmh_perf_io_end(struct perf_queue *pq)
{
	free(pq->slots);
	free(pq->gen);
	pq->slots = NULL;
	pq->gen = NULL;
}
