// SPDX-License-Identifier: BSD-2-Clause
/*
 * The controller made of memory: commands it holds that are aborted, or whose queue is deleted.
 * Under its lock. NVM Express Base Specification 2.x, "Abort command", "Delete I/O Submission Queue
 * command".
 */
#include "tests/fake/fake_pcie.h"

static struct fake_pcie_held take_held(struct fake_pcie *f, uint32_t i)
{
	struct fake_pcie_held held = f->held[i];

	f->nr_held--;
	memmove(f->held + i, f->held + i + 1, (f->nr_held - i) * sizeof(f->held[0]));
	return held;
}

uint16_t fake_pcie_abort(struct fake_pcie *f, const struct nvme_sqe *sqe, uint32_t *dw0)
{
	uint16_t qid = le32_get(sqe->cdw10) & 0xffff;
	uint16_t cid = (uint16_t)(le32_get(sqe->cdw10) >> 16);
	struct fake_pcie_held held;
	uint32_t i;

	atomic_fetch_add(&f->aborts, 1);
	*dw0 = 1; /* not aborted */
	for (i = 0; i < f->nr_held && !atomic_load(&f->no_aborts); i++) {
		if (f->held[i].qid != qid || f->held[i].sqe.cid != cid)
			continue;
		held = take_held(f, i);
		*dw0 = 0;
		fake_pcie_answer(f, qid, &held.sqe, 0, ST_ABORT_REQ);
		break;
	}
	return 0;
}

void fake_pcie_end_held(struct fake_pcie *f, uint16_t qid)
{
	struct fake_pcie_held held;
	uint32_t i = 0;

	while (i < f->nr_held) {
		if (f->held[i].qid != qid) {
			i++;
			continue;
		}
		held = take_held(f, i);
		if (!atomic_load(&f->silent_delete))
			fake_pcie_answer(f, qid, &held.sqe, 0, ST_ABORT_QUEUE);
	}
}
