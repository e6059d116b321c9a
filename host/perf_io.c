// SPDX-License-Identifier: BSD-2-Clause
/*
 * Single I/Os: which one comes next, how it is sent, what becomes of its answer. Runs in the job's
 * thread, completions inside nvmh_queue_poll(). Entry points: nvmh_perf_io_start(), io_done().
 *
 * A completion starts the next I/O on the same slot with the time stamp it has just read, so that
 * an I/O costs one look at the clock. The latency of an I/O goes from there, or from the start of a
 * turn, to the moment its completion is known; of a paced one from the moment it was to start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "host/perf_job.h"
#include "host/perf_random.h"

enum {
	DSM_DEALLOCATE = 1 << 2, /* dword 11 */
	FUA = 1 << 30,		 /* dword 12 */
};

/* ---------------------------------------------------------------- what comes next */

static enum perf_dir pick_dir(struct perf_queue *pq)
{
	const struct perf_opts *opts = pq->job->opts;

	if (!opts->mixed)
		return opts->uses[PERF_READ]	? PERF_READ
		       : opts->uses[PERF_WRITE] ? PERF_WRITE
						: PERF_TRIM;
	return perf_random_below(&pq->random, 100) < opts->read_percent ? PERF_READ : PERF_WRITE;
}

static uint64_t random_unit(struct perf_queue *pq, enum perf_dir dir, uint32_t nr)
{
	uint32_t align = pq->dirs[dir].align;
	uint64_t place = pq->job->opts->zipf > 0
				 ? nvmh_perf_zipf_place(&pq->dirs[dir].zipf, &pq->random)
				 : perf_random_below(&pq->random, pq->dirs[dir].places);
	uint64_t unit = place * align;

	/* the last places have no room for the larger sizes */
	return unit + nr <= pq->nr_units ? unit : (pq->nr_units - nr) / align * align;
}

/* Where @nr units are; a sequential workload goes on behind them. */
static uint64_t pick_unit(struct perf_queue *pq, enum perf_dir dir, uint32_t nr)
{
	bool random = pq->job->opts->random;
	uint64_t unit = random ? random_unit(pq, dir, nr) : pq->next;

	if (unit + nr > pq->nr_units)
		unit = 0;
	/* there is more than twice as much room as all slots can take, so this ends */
	while (pq->gen && nvmh_perf_verify_busy(pq, unit, nr))
		unit = unit + 1 + nr > pq->nr_units ? 0 : unit + 1;
	if (!random)
		pq->next = unit + nr;
	return unit;
}

/* Return: false when there is nothing to do any more. */
static bool choose(struct perf_queue *pq, struct perf_slot *slot)
{
	const struct perf_opts *opts = pq->job->opts;
	uint32_t nr;

	if (unlikely(pq->checking)) {
		slot->dir = PERF_READ;
		slot->nr_units = nvmh_perf_verify_next(pq, opts->bs / opts->grain, &slot->unit);
		if (!slot->nr_units)
			pq->left = 0;
		return slot->nr_units;
	}
	if (unlikely(opts->fsync && pq->writes_to_sync == 0)) {
		slot->dir = PERF_SYNC;
		slot->nr_units = 0;
		return true;
	}
	slot->dir = pick_dir(pq);
	nr = perf_sizes_pick(&opts->sizes[slot->dir], &pq->random) / opts->grain;
	slot->nr_units = (uint32_t)min_of((uint64_t)nr, pq->left);
	slot->unit = pick_unit(pq, slot->dir, slot->nr_units);
	return true;
}

/* ---------------------------------------------------------------- the command */

/* Dataset Management with one range, which lies where other commands have their data. */
static void make_trim(struct perf_slot *slot, uint64_t lba, uint32_t nlb)
{
	struct nvme_dsm_range *range = slot->iov.iov_base;
	struct nvmh_req *req = &slot->req;

	memset(range, 0, sizeof(*range));
	range->nlb = htole32(nlb);
	range->slba = htole64(lba);
	req->sqe.cdw10 = le32_make(0); /* one range, 0's based */
	req->sqe.cdw11 = le32_make(DSM_DEALLOCATE);
	req->sqe.cdw12 = le32_make(0);
	slot->iov.iov_len = sizeof(*range);
}

static void make_command(struct perf_queue *pq, struct perf_slot *slot)
{
	static const uint8_t opcodes[PERF_DIRS] = { nvme_cmd_read, nvme_cmd_write, nvme_cmd_dsm,
						    nvme_cmd_flush };
	static const uint8_t dirs[PERF_DIRS] = { NVMH_FROM_CTRL, NVMH_TO_CTRL, NVMH_TO_CTRL,
						 NVMH_NO_DATA };
	const struct perf_opts *opts = pq->job->opts;
	uint64_t lba = pq->target->first_lba + (pq->first + slot->unit) * pq->lbas;
	uint32_t nlb = slot->nr_units * pq->lbas;
	bool fua = slot->dir == PERF_READ ? opts->readfua : opts->writefua;
	struct nvmh_req *req = &slot->req;

	req->sqe.opcode = opcodes[slot->dir];
	req->dir = dirs[slot->dir];
	req->nr_iov = 1;
	if (likely(slot->dir < PERF_TRIM)) {
		req->sqe.cdw10 = le32_make((uint32_t)lba);
		req->sqe.cdw11 = le32_make((uint32_t)(lba >> 32));
		req->sqe.cdw12 = le32_make((nlb - 1) | (fua ? FUA : 0));
		slot->iov.iov_len = (size_t)slot->nr_units * opts->grain;
	} else if (slot->dir == PERF_TRIM) {
		make_trim(slot, lba, nlb);
	} else {
		req->sqe.cdw10 = req->sqe.cdw11 = req->sqe.cdw12 = le32_make(0);
		slot->iov.iov_len = 0;
		req->nr_iov = 0;
	}
	req->len = (uint32_t)slot->iov.iov_len;
}

/* ---------------------------------------------------------------- its answer */

static void failed(struct perf_queue *pq, const struct perf_slot *slot)
{
	struct perf_job *job = pq->job;
	struct perf_run *run = job->run;
	uint64_t max = job->opts->max_errors;
	uint16_t status = slot->req.status;
	uint64_t lba = pq->target->first_lba + (pq->first + slot->unit) * pq->lbas;
	char place[64] = "";

	pq->part->nr_errors++;
	nvmh_perf_errors_add(&job->errors, status & ST_MASK, 1);
	if (slot->dir != PERF_SYNC)
		snprintf(place, sizeof(place), " of %u blocks at %llu", slot->nr_units * pq->lbas,
			 (unsigned long long)lba);
	atomic_store_explicit(&run->failed, true, memory_order_relaxed);
	if (++job->nr_errors <= PERF_MAX_TOLD)
		log_err("%s nsid %u: %s%s failed with status %03xh, %s",
			nvmh_ctrl_name(pq->target->ctrl), pq->target->ns.nsid,
			nvmh_perf_dir_name[slot->dir], place, status & ST_MASK, status_str(status));
	if (atomic_fetch_add_explicit(&run->nr_errors, 1, memory_order_relaxed) + 1 >= max) {
		atomic_store_explicit(&run->stop, true, memory_order_relaxed);
		job->starting = false; /* not one more, also within this turn */
	}
}

static void count(struct perf_queue *pq, const struct perf_slot *slot, uint64_t now)
{
	struct perf_job *job = pq->job;
	uint64_t bytes = (uint64_t)slot->nr_units * job->opts->grain;
	struct perf_stats *stats = pq->part->stats[slot->dir];

	job->ios[slot->dir]++;
	job->bytes[slot->dir] += bytes;
	if (unlikely(!job->measuring))
		return;
	stats->bytes += bytes;
	perf_hist_add(&stats->lat, perf_ticks_to_ns(job->clock, now - slot->due));
	if (job->paced)
		perf_hist_add(&stats->clat, perf_ticks_to_ns(job->clock, now - slot->start));
}

static void io_done(struct nvmh_req *req)
{
	struct perf_slot *slot = container_of(req, struct perf_slot, req);
	struct perf_queue *pq = slot->pq;
	struct perf_job *job = pq->job;
	uint64_t now = perf_ticks(job->clock);
	bool good = likely(!req->status);

	pq->nr_busy--;
	slot->next_free = pq->free;
	pq->free = slot;
	if (unlikely(!good))
		failed(pq, slot);
	if (pq->gen)
		nvmh_perf_verify_done(pq, slot, good);
	if (good && !pq->checking)
		count(pq, slot, now);
	if (job->starting)
		nvmh_perf_io_start(pq, now, now);
}

/* What could not be submitted. Where the workload goes on without a controller it is tried again. */
static void not_submitted(struct perf_queue *pq, struct perf_slot *slot, int err)
{
	const struct perf_opts *opts = pq->job->opts;

	if (pq->gen)
		nvmh_perf_verify_cancel(pq, slot);
	/* a Flush has no place: the slot still names that of its last I/O */
	if (slot->dir != PERF_SYNC && (pq->checking || !opts->random))
		pq->next = slot->unit;
	if (err == -EAGAIN || (err == -ENOTCONN && (pq->target->keeps || opts->max_errors > 1))) {
		pq->waiting = true;
		return;
	}
	pq->left = 0;
	nvmh_perf_fail(pq->job, "%s: cannot submit: %s", nvmh_ctrl_name(pq->target->ctrl),
		       strerrordesc_np(-err));
}

uint32_t nvmh_perf_io_start(struct perf_queue *pq, uint64_t due, uint64_t now)
{
	struct perf_slot *slot = pq->free;
	int ret;

	if (!slot || !pq->left || !choose(pq, slot))
		return 0;
	if (pq->gen)
		nvmh_perf_verify_start(pq, slot);
	make_command(pq, slot);
	slot->due = due;
	slot->start = now;
	ret = nvmh_queue_submit(pq->q, &slot->req);
	if (unlikely(ret)) {
		not_submitted(pq, slot, ret);
		return 0;
	}
	pq->free = slot->next_free;
	pq->nr_busy++;
	pq->dirty = true;
	if (pq->left != UINT64_MAX)
		pq->left -= slot->nr_units;
	if (slot->dir == PERF_WRITE)
		pq->writes_to_sync--;
	else if (slot->dir == PERF_SYNC)
		pq->writes_to_sync = pq->job->opts->fsync;
	/* a Flush moves nothing, but counts where bytes are paced */
	return max_of(slot->nr_units * pq->job->opts->grain, 1u);
}

void nvmh_perf_io_fill(struct perf_queue *pq, uint64_t now)
{
	pq->waiting = false;
	while (nvmh_perf_io_start(pq, now, now))
		;
}

void nvmh_perf_io_check_all(struct perf_queue *pq)
{
	pq->checking = true;
	pq->next = 0;
	pq->left = UINT64_MAX;
}

/* ---------------------------------------------------------------- life */

static void make_places(struct perf_queue *pq)
{
	const struct perf_opts *opts = pq->job->opts;
	int dir;

	for (dir = 0; dir < PERF_PLACED; dir++) {
		if (!opts->uses[dir])
			continue;
		pq->dirs[dir].align = opts->sizes[dir].min / opts->grain;
		pq->dirs[dir].places = max_of(pq->nr_units / pq->dirs[dir].align, UINT64_C(1));
		if (opts->zipf > 0)
			nvmh_perf_zipf_init(&pq->dirs[dir].zipf, pq->dirs[dir].places, opts->zipf);
	}
}

int nvmh_perf_io_begin(struct perf_queue *pq, uint8_t *mem, size_t stride)
{
	const struct perf_opts *opts = pq->job->opts;
	size_t i;

	pq->lbas = opts->grain / pq->target->ns.lba_size;
	pq->writes_to_sync = opts->fsync ? opts->fsync : UINT64_MAX;
	make_places(pq);
	pq->slots = calloc(opts->iodepth, sizeof(*pq->slots));
	if (opts->verify)
		pq->gen = calloc(pq->nr_units, sizeof(*pq->gen));
	if (opts->verify && opts->max_errors > 1)
		pq->sure = calloc(pq->nr_units, sizeof(*pq->sure));
	if (!pq->slots || (opts->verify && !pq->gen) ||
	    (opts->verify && opts->max_errors > 1 && !pq->sure))
		return -ENOMEM;
	for (i = opts->iodepth; i-- > 0;) {
		struct perf_slot *slot = &pq->slots[i];

		slot->pq = pq;
		slot->iov = (struct iovec){ mem + i * stride, opts->grain };
		nvmh_prep_rw(&slot->req, nvme_cmd_read, pq->target->ns.nsid, 0, pq->lbas,
			     &slot->iov, 1, opts->grain);
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
	free(pq->sure);
	pq->slots = NULL;
	pq->gen = NULL;
	pq->sure = NULL;
}
