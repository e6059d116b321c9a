/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the PCIe transport: what pcie.c (controller) and pcie_queue.c (queues) share.
 */
#ifndef HOST_PCIE_H
#define HOST_PCIE_H

#include "host/ctrl.h"
#include "host/prp.h"
#include "host/vfio.h"

enum {
	NVMH_PCIE_PAGE_MAX =
		64 << 10, /* the largest memory page of a controller that we take: CAP.MPSMIN 4 */
};

/* How a device is made quiet. Each stage is tried for a while, then the next. */
enum pcie_quiet {
	PCIE_QUIET_START,
	PCIE_QUIET_DELETE,  /* I/O queues are deleted */
	PCIE_QUIET_NOTIFY,  /* CC.SHN, CSTS.SHST */
	PCIE_QUIET_DISABLE, /* CC.EN to 0 */
	PCIE_QUIET_IDLE,    /* CSTS.RDY is 0 */
	PCIE_QUIET_RESET,   /* reset of the PCI function */
	PCIE_QUIET_CUT_OFF, /* no way to memory any more */
};

/* Memory of ours that the device reaches. */
struct pcie_mem {
	void *base;
	size_t len;
};

struct pcie {
	struct nvmh_vfio *vfio;
	const struct nvmh_dma *dma;
	volatile uint8_t *bar;
	size_t bar_len;
	uint32_t page_size;  /* CC.MPS in bytes */
	uint32_t db_stride;  /* bytes between doorbells */
	uint32_t nr_vectors; /* in use */
	uint8_t quiet;	     /* enum pcie_quiet */
	uint32_t quiet_index;
	uint64_t quiet_deadline_ns;
	bool watch;	  /* CSTS means something */
	bool wanted_back; /* the kernel removes the device */
	bool cut_off;
	const char *cut_off_why;
	struct pcie_mem buf; /* ctrl->step_buf and ctrl->sync_buf */
};

struct pcie_queue {
	/* for every command */
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	volatile uint32_t *sq_db;
	volatile uint32_t *cq_db;
	le64_t *prp; /* per_tag entries for each tag */
	uint64_t prp_iova;
	uint32_t per_tag;
	uint32_t page_size;
	uint16_t sq_tail;
	uint16_t sq_rung; /* what the tail doorbell was told */
	uint16_t sq_head; /* from completions */
	uint16_t cq_head;
	uint8_t phase;
	struct nvmh_dma_region cache;
	const struct nvmh_dma *dma;
	/* set up */
	uint64_t bad_sqhd; /* heads outside of what was submitted, counted and ignored */
	bool polled;	   /* has no interrupt */
	uint8_t create_stage;
	uint16_t max_size; /* entries there is memory for */
	struct pcie_mem mem;
	uint64_t sq_iova;
	uint64_t cq_iova;
};

/* host/pcie.c */
int nvmh_pcie_alloc(struct pcie *pcie, size_t len,
		    struct pcie_mem *mem);     /* zeroed, mapped, aligned to NVMH_PCIE_PAGE_MAX */
void nvmh_pcie_free_mem(struct pcie_mem *mem); /* after the device was let go */

/* host/pcie_queue.c: controller's thread */
int nvmh_pcie_queue_setup(struct nvmh_queue *q,
			  uint16_t size); /* rings empty, memory there; queue is down */
int nvmh_pcie_queue_create(struct nvmh_ctrl *ctrl, struct nvmh_queue *q);
void nvmh_pcie_queue_free(struct nvmh_queue *q);
void nvmh_pcie_queue_done(struct nvmh_queue *q);
/* the queue's owner */
int nvmh_pcie_queue_submit(struct nvmh_queue *q, struct nvmh_req *req);
void nvmh_pcie_queue_commit(struct nvmh_queue *q);
int nvmh_pcie_queue_poll(struct nvmh_queue *q);
int nvmh_pcie_queue_arm(struct nvmh_queue *q);
int nvmh_pcie_queue_fd(struct nvmh_queue *q);

#endif /* HOST_PCIE_H */
