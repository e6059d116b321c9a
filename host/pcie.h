/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the PCIe transport: what pcie.c (controller) and pcie_queue.c (queues) share.
 */
#ifndef HOST_PCIE_H
#define HOST_PCIE_H

#include "host/ctrl.h"
#include "host/dbbuf.h"
#include "host/prp.h"
#include "host/quirks.h"
#include "host/vfio.h"

enum {
	NVMH_PCIE_PAGE_MAX =
		64 << 10, /* the largest memory page of a controller that we take: CAP.MPSMIN 4 */
};

/* How a device is made quiet. Each stage is tried for a while, then the next. */
enum pcie_quiet {
	PCIE_QUIET_START,
	PCIE_QUIET_HMB,	    /* shutdown: the host memory buffer is taken back */
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

/* The part of the controller memory buffer that our submission queues lie in (host/cmb.c). */
struct pcie_cmb {
	char *base; /* NULL: none; the mapping is nvmh_vfio's */
	uint64_t iova;
	size_t len;
	size_t used;
	bool refused; /* why was logged */
};

/* Memory lent to the controller (host/hmb.c). */
struct pcie_hmb {
	struct pcie_mem mem; /* base NULL: none */
	size_t size;	     /* bytes of it that were offered */
	bool on;	     /* the controller may use it */
	bool lent;	     /* it did before: what it wrote is still there */
	bool refused;	     /* why was logged */
};

struct pcie {
	struct nvmh_vfio *vfio;
	const struct nvmh_dma *dma;
	volatile uint8_t *bar;
	size_t bar_len;
	uint32_t page_size;  /* CC.MPS in bytes */
	uint32_t db_stride;  /* bytes between doorbells */
	_Atomic uint8_t irq; /* enum nvmh_irq: kind in use */
	uint32_t nr_vectors; /* in use; 0: the device is polled */
	int irq_fd;   /* the first vector: the admin queue, and all queues without their own */
	int timer_fd; /* takes its place where there are no interrupts */
	_Atomic bool timer_on;
	_Atomic bool intx_masked; /* by the kernel, when the interrupt came */
	uint8_t quiet;		  /* enum pcie_quiet */
	uint32_t quiet_index;
	uint64_t quiet_deadline_ns;
	uint64_t disabled_ns; /* when CC.EN was cleared */
	bool watch;	      /* CSTS means something */
	bool wanted_back;     /* the kernel removes the device */
	const char *silent;   /* why the last register could not be read; NULL: it could */
	bool cut_off;
	const char *cut_off_why;
	struct pcie_mem buf;   /* ctrl->step_buf, ctrl->sync_buf, descriptors of hmb.c */
	struct pcie_mem dbbuf; /* a page of shadow doorbells, a page of event indexes */
	bool dbbuf_on;
	struct pcie_cmb cmb;
	struct pcie_hmb hmb;
};

struct pcie_queue {
	/* for every command */
	_Alignas(NVMH_LINE_BYTES) struct nvme_sqe *sq;
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
	uint16_t cq_rung; /* what the head doorbell, or its shadow, was told */
	uint8_t phase;
	bool can_mask;		      /* has a vector of its own that can be masked */
	bool masked;		      /* it is */
	uint16_t polled;	      /* polls with completions since it was last armed */
	bool in_cmb;		      /* the submission queue */
	uint8_t sgl;		      /* enum nvmh_sgl_rule; 0: PRPs only */
	struct nvmh_shadow sq_shadow; /* .db NULL: there are none */
	struct nvmh_shadow cq_shadow;
	struct nvmh_dma_region cache;
	const struct nvmh_dma *dma;
	/* set up */
	uint64_t bad_sqhd; /* heads outside of what was submitted, counted and ignored */
	bool shares;	   /* has no vector of its own: the controller's thread kicks */
	uint16_t vector;
	_Atomic bool armed; /* shares, and is to be kicked */
	uint8_t create_stage;
	uint16_t max_size; /* entries there is memory for */
	struct pcie_mem mem;
	uint64_t sq_iova;
	uint64_t cq_iova;
};

enum {
	PCIE_BUF_BYTES = 4096, /* each part of pcie.buf */
	PCIE_BUF_HMB = 2,      /* the parts: step_buf, sync_buf, descriptors */
};

/* host/pcie.c */
int nvmh_pcie_alloc(struct pcie *pcie, size_t len,
		    struct pcie_mem *mem);     /* zeroed, mapped, aligned to NVMH_PCIE_PAGE_MAX */
void nvmh_pcie_free_mem(struct pcie_mem *mem); /* after the device was let go */

/* host/pcie_irq.c: controller's thread */
int nvmh_pcie_irq_open(struct nvmh_ctrl *ctrl); /* nvmh_strerror() */
void nvmh_pcie_irq_close(struct pcie *pcie);
int nvmh_pcie_irq_set(struct nvmh_ctrl *ctrl); /* also after a reset of the function */
void nvmh_pcie_irq_process(struct nvmh_ctrl *ctrl);
void nvmh_pcie_irq_admin(struct nvmh_ctrl *ctrl); /* an admin command was sent */
/* the admin queue was polled: lets the interrupt come again if something is waited for. Else what an
 * I/O queue's owner has not taken from its ring yet would bring it again and again. */
void nvmh_pcie_irq_admin_polled(struct nvmh_ctrl *ctrl);
void nvmh_pcie_irq_queue(struct nvmh_queue *q); /* chooses its vector; the queue is down */
/* the queue's owner */
void nvmh_pcie_irq_arm(struct nvmh_queue *q);  /* it is about to look for the last time */
void nvmh_pcie_irq_busy(struct nvmh_queue *q); /* it found completions by polling */

/* host/cmb.c, host/dbbuf.c, host/hmb.c: steps of a bring-up. What cannot be had is done without. */
int nvmh_pcie_step_cmb(struct nvmh_ctrl *ctrl);
int nvmh_pcie_step_dbbuf(struct nvmh_ctrl *ctrl);
int nvmh_pcie_step_hmb(struct nvmh_ctrl *ctrl);
/* nvmh_pcie_hmb_take_back() - the controller is told not to use it any more. Return: as
 * nvmh_step_cmd(). */
int nvmh_pcie_hmb_take_back(struct nvmh_ctrl *ctrl);
/* nvmh_pcie_cmb_take() - @len bytes of it for a queue, at a multiple of @align. Return: NULL, there
 * is none, or no room. */
void *nvmh_pcie_cmb_take(struct pcie *pcie, size_t len, size_t align, uint64_t *iova);
/* nvmh_pcie_dbbuf_queue() - the shadow doorbells of an I/O queue about to be created, zeroed */
void nvmh_pcie_dbbuf_queue(struct pcie *pcie, struct pcie_queue *pq, uint16_t qid);

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
