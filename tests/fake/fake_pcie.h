/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCIe NVMe controller made of memory, behind nvmh_vfio_*() (tests/fake/fake_vfio.c takes the
 * place of host/vfio.c at link time): the driver's own pcie.c and pcie_queue.c run against it. It
 * obeys the specification unless told otherwise.
 *
 * It does something when fake_pcie_step() is called, by the test or by a thread of its own
 * (fake_pcie_run()). What the driver gives it are addresses of its own (IOVAs); memory outside of
 * what was mapped is a fault, counted.
 */
#ifndef TESTS_FAKE_PCIE_H
#define TESTS_FAKE_PCIE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/nvme.h"
#include "common/limits.h"
#include "common/util.h"
#include "host/vfio.h"

enum {
	FAKE_PCIE_BAR_BYTES = 0x3000,
	FAKE_PCIE_QUEUES = 65, /* admin and I/O */
	FAKE_PCIE_NS = 8,
	FAKE_PCIE_HELD = 1024,
	FAKE_PCIE_VECTORS = 65,
	FAKE_PCIE_NOT_RUNG = 1 << 30, /* fake_pcie_tail() */
	FAKE_PCIE_CMB_BAR = 1 << 20,  /* bytes of the BAR with the controller memory buffer */
};

#define FAKE_PCIE_BAR_ADDRESS UINT64_C(0x4000a00000) /* that BAR's own */

struct fake_pcie_ns {
	uint32_t nsid; /* 0: none */
	uint64_t nsze;
	uint32_t lba_size;
	uint8_t *data;
	uint32_t ms; /* fake_pcie_set_md() */
	bool ext;
	uint8_t *md;
	struct nvme_id_ns id; /* may be tampered with */
	uint8_t desc[4096];   /* descriptors */
	uint8_t csi_id[4096]; /* Identify Namespace of its command set */
};

struct fake_pcie_sq {
	bool there;
	uint64_t base;
	uint16_t size;
	uint16_t head;
	uint16_t cqid;
};

struct fake_pcie_cq {
	bool there;
	uint64_t base;
	uint16_t size;
	uint16_t tail;
	uint8_t phase;
	uint16_t vector;
	bool ien;
};

struct fake_pcie_held {
	uint16_t qid;
	struct nvme_sqe sqe;
};

struct fake_pcie {
	uint8_t *bar;
	/* what it is; set before the controller is opened */
	uint64_t cap;
	uint32_t vs;
	uint32_t crto;
	struct nvme_id_ctrl id;
	struct fake_pcie_ns ns[FAKE_PCIE_NS];
	uint16_t max_queues;	/* I/O queues granted */
	enum nvmh_irq irq_best; /* the best kind of interrupts it has */
	uint32_t nr_vectors;	/* of MSI-X or MSI */
	bool cannot_mask;	/* nvmh_vfio_mask() */
	uint16_t vendor;
	uint16_t device;
	uint32_t cmbloc; /* CAP.CMBS: read as 0 until CMBMSC.CRE is set */
	uint32_t cmbsz;
	uint32_t cmb_bar; /* that there is */
	bool cbai;	  /* CMBSTS.CBAI */
	uint8_t zasl;
	/* how it behaves; may change at any time */
	uint32_t ready_delay; /* steps until RDY follows EN */
	atomic_bool never_ready;
	atomic_bool never_idle; /* RDY stays when EN goes */
	atomic_bool fatal;	/* CSTS.CFS */
	atomic_bool gone;	/* every register reads as all ones, nothing is done */
	atomic_bool unpowered;	/* every register reads as 0, nothing is done */
	atomic_bool hold_io;	/* I/O commands are fetched, and answered by fake_pcie_release() */
	atomic_bool mute_admin; /* admin commands are fetched and forgotten */
	atomic_bool silent_delete; /* held commands are not answered when their queue is deleted */
	atomic_bool no_interrupts;
	atomic_bool no_aborts;		       /* Abort commands succeed, and abort nothing */
	bool reset_fails;		       /* nvmh_vfio_reset() */
	void (*on_reset)(struct fake_pcie *f); /* within nvmh_vfio_reset() */
	int err_fd;			       /* the test's, -1: none */
	int req_fd;
	bool no_shutdown;   /* CSTS.SHST stays */
	uint32_t link_down; /* steps for which registers read all ones after a subsystem reset */
	atomic_bool no_event_index; /* shadow doorbells: it never asks for a ring again */
	uint16_t (*on_admin)(struct fake_pcie *f,
			     const struct nvme_sqe *sqe); /* a status other than 0 is the answer */
	void (*on_cqe)(struct fake_pcie *f, uint16_t qid,
		       struct nvme_cqe *cqe); /* last look before it is posted */
	void (*on_data)(struct fake_pcie *f, const struct nvme_sqe *sqe,
			void *page);		/* Identify data before it goes out */
	void (*on_unmask)(struct fake_pcie *f); /* a vector is about to be unmasked */
	/* what it saw */
	atomic_uint commands; /* fetched */
	atomic_uint faults;   /* addresses that were not mapped, PRPs against the rules */
	atomic_uint enables;
	atomic_uint resets; /* nvmh_vfio_reset() */
	atomic_uint subsystem_resets;
	atomic_uint shutdowns;
	atomic_bool notified;	   /* CC.SHN was set */
	atomic_uint aborts;	   /* Abort commands */
	atomic_uint deletes;	   /* I/O queues deleted, submission and completion ones */
	atomic_uint rude_disables; /* with I/O submission queues there */
	atomic_bool cut_off;	   /* nvmh_vfio_cut_off() */
	atomic_uint masks;	   /* nvmh_vfio_mask(), masked */
	atomic_uint unmasks;	   /* nvmh_vfio_mask() and nvmh_vfio_unmask_intx() */
	atomic_uint interrupts;
	atomic_uint rings;	 /* of submission queues with shadow doorbells */
	atomic_uint cmb_fetches; /* commands from the controller memory buffer */
	atomic_uint sgls;	 /* commands with SGLs */
	atomic_bool hmb_on;
	uint64_t hmb_bytes;
	unsigned int hmb_offers;
	unsigned int hmb_returns; /* offers that said so: MR */
	unsigned int hmb_ends;
	unsigned int hmb_bad; /* offers that it does not take */
	/* optional commands (tests/fake/fake_pcie_opt.c): what they left, or answer */
	uint32_t features[256]; /* dword 11 of Set Features; a reset makes it 0 */
	uint8_t smart[512];	/* the SMART log, if smart_is_set */
	bool smart_is_set;
	_Alignas(8) uint8_t report[4096]; /* Reservation Report */
	uint64_t keys[2];		  /* of the last reservation command */
	struct nvme_dsm_range ranges[MAX_DSM_RANGES];
	uint8_t security[4096]; /* what was sent last, and is received */
	uint8_t image[1 << 17]; /* downloaded firmware */
	uint32_t image_bytes;
	struct nvme_sqe ops[64]; /* commands of I/O queues since nr_ops was made 0 */
	unsigned int nr_ops;
	uint16_t (*on_io)(struct fake_pcie *f,
			  const struct nvme_sqe *sqe); /* a status other than 0 is the answer */
	struct nvme_sqe last_admin;
	struct nvme_sqe last_io;
	uint32_t sq_flags[FAKE_PCIE_QUEUES]; /* dword 11 of Create I/O Submission Queue */
	/* inside */
	pthread_mutex_t lock;
	pthread_t thread;
	atomic_bool running;
	struct nvmh_dma dma;
	int fds[FAKE_PCIE_VECTORS];
	uint32_t nr_fds;
	enum nvmh_irq irq; /* kind in use */
	bool masked[FAKE_PCIE_VECTORS];
	bool pending[FAKE_PCIE_VECTORS]; /* came while it was masked */
	bool intx_masked;
	bool open;
	bool enabled;
	bool shut;
	uint32_t down; /* steps until the link is up again */
	uint32_t countdown;
	struct fake_pcie_sq sq[FAKE_PCIE_QUEUES];
	struct fake_pcie_cq cq[FAKE_PCIE_QUEUES];
	uint8_t *cmb;
	bool cmb_mapped;
	uint64_t cba; /* 0: off */
	uint64_t cmb_bytes;
	uint64_t dbbuf_db; /* 0: none */
	uint64_t dbbuf_ei;
	struct fake_pcie_held held[FAKE_PCIE_HELD];
	uint32_t nr_held;
	struct nvme_sqe aer;
	bool aer_posted;
	uint32_t event; /* dword 0 of an event to report, 0: none */
};

/* fake_pcie_create() - a drive with 64 I/O queues, VS 1.4, MDTS 7, no namespaces. Attached to
 * "0000:01:00.0". */
struct fake_pcie *fake_pcie_create(void);
void fake_pcie_free(struct fake_pcie *f);
struct fake_pcie_ns *fake_pcie_add_ns(struct fake_pcie *f, uint32_t nsid, uint8_t lbads,
				      uint64_t nsze);

/* fake_pcie_set_md() - @ms bytes of metadata per block, within the blocks if @ext, with protection
 * information of @pi_type (0: none) */
void fake_pcie_set_md(struct fake_pcie_ns *ns, uint16_t ms, bool ext, uint8_t pi_type);

void fake_pcie_step(struct fake_pcie *f);
void fake_pcie_run(struct fake_pcie *f); /* steps in a thread until fake_pcie_stop() */
void fake_pcie_stop(struct fake_pcie *f);

/* fake_pcie_release() - answers up to @nr held I/O commands, the newest first if @reverse. Return:
 * how many. */
uint32_t fake_pcie_release(struct fake_pcie *f, uint32_t nr, bool reverse);
/* fake_pcie_post() - puts a completion into queue @qid, whatever it says */
void fake_pcie_post(struct fake_pcie *f, uint16_t qid, struct nvme_cqe *cqe);
void fake_pcie_answer(struct fake_pcie *f, uint16_t qid, const struct nvme_sqe *sqe, uint32_t dw0,
		      uint16_t status);
/* fake_pcie_clear_doorbell() - the queue is new */
void fake_pcie_clear_doorbell(struct fake_pcie *f, uint16_t qid, bool cq);
void fake_pcie_reset(struct fake_pcie *f); /* of the PCI function */
void fake_pcie_event(struct fake_pcie *f, uint32_t dw0);

/* tests/fake/fake_pcie_cmd.c */
void fake_pcie_command(struct fake_pcie *f, uint16_t qid, const struct nvme_sqe *sqe);
/* Our address of [iova, iova + len), or NULL and a fault. */
void *fake_pcie_dma(struct fake_pcie *f, uint64_t iova, size_t len);

/* tests/fake/fake_pcie_late.c: Abort, and what becomes of held commands whose queue is deleted */
uint16_t fake_pcie_abort(struct fake_pcie *f, const struct nvme_sqe *sqe, uint32_t *dw0);
void fake_pcie_end_held(struct fake_pcie *f, uint16_t qid);

/* fake_pcie_intx() - whether the pin is asserted: a completion queue has entries not taken */
bool fake_pcie_intx(const struct fake_pcie *f);
/* tests/fake/fake_vfio.c: a completion was put into a queue with this vector; under the lock */
void fake_vfio_interrupt(struct fake_pcie *f, uint16_t vector);

/* tests/fake/fake_pcie_data.c: between @data and what the command's PRPs or SGLs describe */
bool fake_pcie_move(struct fake_pcie *f, const struct nvme_sqe *sqe, void *data, size_t len,
		    bool to_host);
/* Read or Write of @nlb blocks that are there. Return: a status. */
uint16_t fake_pcie_rw(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe,
		      uint64_t slba, uint32_t nlb);
static inline uint32_t fake_pcie_page_size(const struct fake_pcie *f)
{
	return 4096u << NVME_CAP_MPSMIN(f->cap);
}

/* tests/fake/fake_pcie_feat.c: controller memory buffer, shadow doorbells, host memory buffer */
void fake_pcie_feat_registers(struct fake_pcie *f); /* with each step */
void fake_pcie_feat_reset(struct fake_pcie *f);
uint16_t fake_pcie_dbbuf_config(struct fake_pcie *f, const struct nvme_sqe *sqe);
uint16_t fake_pcie_hmb(struct fake_pcie *f, const struct nvme_sqe *sqe);
/* The tail that the host told by shadow and register; FAKE_PCIE_NOT_RUNG: nothing to look at. */
uint32_t fake_pcie_tail(struct fake_pcie *f, uint16_t qid);
/* The queue was read up to @head: whether more came meanwhile, up to @tail. */
bool fake_pcie_read_up_to(struct fake_pcie *f, uint16_t qid, uint32_t head, uint32_t *tail);

/* tests/fake/fake_pcie_opt.c. fake_pcie_opt_io(): @nlb blocks are there. Return: a status. */
uint16_t fake_pcie_opt_io(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe);
uint16_t fake_pcie_opt_admin(struct fake_pcie *f, const struct nvme_sqe *sqe, uint32_t *dw0);

/* tests/fake/fake_vfio.c: which function is which controller. The first is 0000:01:00.0. */
void fake_vfio_attach(struct fake_pcie *f);
void fake_vfio_detach(struct fake_pcie *f);
void fake_vfio_move(struct fake_pcie *f, const char *bdf); /* another slot */

#endif /* TESTS_FAKE_PCIE_H */
