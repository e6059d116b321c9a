/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Namespaces: what a subsystem exports, and the backends under them.
 */
#ifndef TARGET_NS_H
#define TARGET_NS_H

#include <stdatomic.h>

#include "config/config.h"
#include "target/req.h"

enum {
	NVMET_CRD1 = 1 << 11, /* status: retry after CRDT1 */
};

struct nvmet_ns;

struct nvmet_ns_ops {
	const char *name;
	/*
	 * open() - find the device, fill geometry and capabilities of @ns, keep private state in
	 * ns->priv. Main thread, before or after the cores run; may block briefly. Return: 0; 1,
	 * the device is not there yet, the backend calls nvmet_ns_appear() when it is; -errno, with
	 * one line logged that says what and what to do. close() undoes it, NULL-safe.
	 */
	int (*open)(struct nvmet_ns *ns, const struct config_namespace *cfg);
	void (*close)(struct nvmet_ns *ns);
	/* attach() - this core's queue or ring; on the core's thread. detach(): no request is left
	 * on the core. NULL: nothing to do. */
	int (*attach)(struct nvmet_ns *ns, struct nvmet_core *core);
	void (*detach)(struct nvmet_ns *ns, struct nvmet_core *core);
	/*
	 * map() - the namespace's own memory for the data of a Read or Write, instead of a buffer:
	 * req->iov and req->nr_iov, of req->data_len bytes, which stay as they are until unmap(); or
	 * req->drop_data, for data from the host that nobody wants. Return: whether it could; if
	 * not, submit() finds the data in req->buf. submit() of a mapped Write may take the memory
	 * for good: it clears req->mapped. NULL: there is no such memory.
	 */
	bool (*map)(struct nvmet_req *req);
	void (*unmap)(struct nvmet_req *req);
	/*
	 * submit() - req->op on req->slba, req->nlb with req->buf, unless req->mapped; ends in exactly one
	 * nvmet_ns_complete(), now or later, on the same core. What was queued reaches the device
	 * at the end of the turn, by the backend's own loop hook.
	 */
	void (*submit)(struct nvmet_req *req);
};

/* Per core and namespace: written by the core alone, read by anybody (relaxed). */
struct nvmet_ns_stats {
	_Alignas(64) _Atomic uint64_t read_cmds;
	_Atomic uint64_t read_blocks, write_cmds, write_blocks, other_cmds, errors;
	_Atomic uint64_t done_cmds; /* of those that were counted when they came */
};

/* Sizes that suit the device, in blocks; NVM Command Set Specification, "Namespace Optimal I/O". 0:
 * it does not say; for all but the last phys_shift does. */
struct nvmet_ns_hints {
	uint32_t npwg; /* writes: granularity and alignment; up to 65536, as the two below */
	uint32_t npwa;
	uint32_t npdg; /* deallocation */
	uint32_t npda;
	uint32_t nows;	/* the best length of writes */
	uint32_t noiob; /* I/O across a multiple of it is slower; up to 65535 */
};

struct nvmet_ns {
	struct nvmet_subsys *subsys;
	const struct nvmet_ns_ops *ops;
	void *priv; /* backend's */
	uint32_t nsid;
	uint8_t lba_shift;     /* 9..16 */
	_Atomic uint64_t nsze; /* blocks */
	uint32_t max_xfer;     /* bytes of one command that the backend takes; at least 4096 */
	uint16_t awupf;	       /* blocks, 0's based, written atomically on power fail */
	uint8_t phys_shift;    /* preferred write granularity, >= lba_shift */
	struct nvmet_ns_hints hints;
	bool read_only;
	bool vwc; /* volatile write cache: Flush means something */
	bool can_discard;
	_Atomic bool can_write_zeroes; /* else io.c writes zeroes itself */
	bool reads_zero_after_discard;
	bool has_uuid; /* then uuid is set; else the nguid or eui64 identifies */
	uint8_t uuid[16];
	uint8_t nguid[16]; /* all zero: none */
	uint8_t eui64[8];
	uint16_t anagrpid;
	const struct config_namespace *cfg; /* borrowed */
	bool attached;			    /* every core can submit to it */
	bool present;	       /* its device was there once: hosts see it. Guarded by the lock */
	_Atomic uint16_t away; /* 0: ready; else the status commands get: Namespace Not Ready */
	struct nvmet_ns_stats *stats; /* one per core, on cache lines of their own */
};

/* target/ns_hints.c */
struct nvmh_ns;
/* nvmet_ns_hints_of() - what the NVMe namespace @dns says, as far as it makes sense; @max_xfer: bytes
 * of one command that hosts may send */
struct nvmet_ns_hints nvmet_ns_hints_of(const struct nvmh_ns *dns, uint32_t max_xfer);

extern const struct nvmet_ns_ops nvmet_ns_pcie_ops;
extern const struct nvmet_ns_ops nvmet_ns_uring_ops;
extern const struct nvmet_ns_ops nvmet_ns_mem_ops;
extern const struct nvmet_ns_ops nvmet_ns_null_ops;

/* nvmet_ns_create() - opens the backend @cfg names and gives the namespace its stable identity. It
 * appears in @subsys if its device is there. */
int nvmet_ns_create(struct nvmet_subsys *subsys, const struct config_namespace *cfg,
		    struct nvmet_ns **nsp);
void nvmet_ns_free(struct nvmet_ns *ns);
int nvmet_ns_attach_cores(struct nvmet_ns *ns);	 /* main thread, cores run */
void nvmet_ns_detach_cores(struct nvmet_ns *ns); /* main thread, no connection is left */
/* nvmet_ns_map() - data of @req moves between the host and the namespace's own memory. Return: false:
 * it needs a buffer. Undone by nvmet_req_put_buf(). */
bool nvmet_ns_map(struct nvmet_req *req);
void nvmet_ns_submit(struct nvmet_req *req); /* counts, refuses when not ready, ops->submit */
/* nvmet_ns_complete() - the backend's end of a request: req->done if set, else nvmet_req_complete()
 */
void nvmet_ns_complete(struct nvmet_req *req, uint16_t status);
/* nvmet_ns_under_way() - requests that the backend has. Any thread; never too few of those that
 * came before the call. */
uint64_t nvmet_ns_under_way(const struct nvmet_ns *ns);
/* nvmet_ns_appear() - the backend has filled geometry and identity: hosts see the namespace from now
 * on. Any thread; does nothing where they do already. Return: 0; -EINVAL, logged. */
int nvmet_ns_appear(struct nvmet_ns *ns);
/*
 * nvmet_ns_set_state() - @away 0: ready, with @nsze blocks; else the status that commands get,
 * ST_NS_NOT_READY with NVMET_CRD1 where it may return by itself, with ST_DNR where not
 *
 * Any thread; tells every controller of the subsystem by an AEN when something changed.
 */
void nvmet_ns_set_state(struct nvmet_ns *ns, uint16_t away, uint64_t nsze);

/* target/io.c: the NVM command set's table */
extern const struct nvmet_cmd nvmet_io_cmds[];
extern const unsigned int nvmet_nr_io_cmds;

#endif /* TARGET_NS_H */
