/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request: one command from its capsule to its response, and the submission queue it came on.
 *
 *	transport	nvmet_req_get(), fill sqe, nvmet_req_prepare(), move data in,
 *			nvmet_req_execute()
 *	anybody		nvmet_req_complete(), exactly once, on the request's core, during execute
 *			or later
 *	transport	sq->ops->respond(): data and response go out; nvmet_req_put()
 *
 * Context: the core that owns the queue.
 */
#ifndef TARGET_REQ_H
#define TARGET_REQ_H

#include <stdbool.h>
#include <sys/uio.h>

#include "common/list.h"
#include "common/mem.h"
#include "common/nvme.h"
#include "common/pdu_tx.h"
#include "target/core.h"

struct nvmet_req;
struct nvmet_sq;
struct nvmet_ns;
struct nvmet_ctrl;
struct nvmet_port;

enum nvmet_dir {
	NVMET_NO_DATA,
	NVMET_FROM_HOST,
	NVMET_TO_HOST,
};

enum nvmet_req_state {
	NVMET_REQ_FREE,
	NVMET_REQ_NEW,	   /* taken, being prepared, or waiting for a buffer */
	NVMET_REQ_DATA,	   /* data from the host is on its way */
	NVMET_REQ_EXEC,	   /* with the command code or a backend */
	NVMET_REQ_RESPOND, /* completed, the response is on its way out */
};

/*
 * One entry of a command table. @prepare checks every field that does not need data, sets req->dir and req->data_len (what the command itself
 * transfers, to be compared with the SGL) and returns 0 or a status with DNR. @execute ends in exactly one nvmet_req_complete().
 */
struct nvmet_cmd {
	uint8_t opcode;
	uint16_t (*prepare)(struct nvmet_req *req);
	void (*execute)(struct nvmet_req *req);
};

enum nvmet_op {
	NVMET_OP_READ,
	NVMET_OP_WRITE,
	NVMET_OP_FLUSH,
	NVMET_OP_WRITE_ZEROES,
	NVMET_OP_DISCARD, /* req->buf: struct nvme_dsm_range[req->nlb]; ranges checked by io.c */
};

enum {
	NVMET_NS_PRIV = 256, /* bytes of a request that belong to the backend */
};

struct nvmet_req {
	struct nvme_sqe sqe; /* copied from the wire once */
	struct nvmet_sq *sq;
	const struct nvmet_cmd *cmd;
	struct nvmet_ns *ns; /* set by prepare for commands on a namespace */
	struct list link;    /* free list; the queue's list of requests while in use */
	uint8_t *buf; /* block of the core's pool or reserve, of buf_len bytes; NULL when there is no data, or it is mapped or dropped */
	uint32_t buf_len; /* until there is one: wanted at least, as prepare may say; data_len when that is more */
	uint32_t data_len;  /* bytes that move between host and buf */
	uint32_t data_done; /* received so far */
	uint8_t state;	    /* enum nvmet_req_state */
	uint8_t dir;	    /* enum nvmet_dir */
	uint8_t op;	    /* enum nvmet_op, for backends */
	bool fua;
	bool deallocate; /* Write Zeroes with DEAC */
	uint16_t index;	 /* within the core's requests: the transfer tag */
	uint16_t status; /* as completed */
	uint16_t error_loc; /* byte offset of the bad field within the SQE, for the error log; 0xffff none */
	uint32_t nlb; /* blocks, or DSM ranges */
	uint64_t slba;
	uint64_t result; /* DW0 and DW1 of the response */
	void (*done)(
		struct nvmet_req *
			req); /* takes the backend's completion instead of the response (Compare); NULL normally */
	struct iovec
		*iov; /* where data_len bytes are or go: buf_iov, or the namespace's own memory */
	uint16_t nr_iov;
	bool mapped;	/* the namespace's own: nvmet_req_put_buf() gives it back */
	bool drop_data; /* data from the host is read and forgotten */
	struct iovec buf_iov;
	struct mem_wait wait;
	_Alignas(16) uint8_t ns_priv[NVMET_NS_PRIV];
	struct pdu_tx tx;
};

struct nvmet_sq_ops {
	void (*respond)(
		struct nvmet_req *req); /* the queue is alive: send data and response, then put */
	/* the queue's core, or with the lock held; asynchronous; harmless when closing already */
	void (*close)(struct nvmet_sq *sq, const char *why);
	/* the queue's core: it shall go to @to soon; NULL: this transport cannot */
	void (*move)(struct nvmet_sq *sq, struct nvmet_core *to);
};

/*
 * One submission queue with its completion queue: one connection. Embedded in the transport's
 * connection.
 *
 * @core changes only when an I/O queue moves (target/move.c): on the old core, with nvmet.lock held
 * and no request outstanding. So who reads it is the core itself; a backend on whichever thread, for
 * a request that it has; or anybody else with the lock held, who also sends what is to reach the
 * core before releasing it. An admin queue never moves.
 */
struct nvmet_sq {
	const struct nvmet_sq_ops *ops;
	struct nvmet_core *core;
	struct nvmet_core *place; /* of an I/O queue: where it is or goes; the lock guards it */
	struct nvmet_ctrl *ctrl;  /* NULL before Connect; a reference is held */
	struct nvmet_port *port;  /* where the host came in */
	struct list reqs;	  /* in use on this queue */
	uint16_t qid;
	uint16_t size; /* entries; 1 before Connect */
	uint16_t sqhd;
	uint16_t outstanding; /* requests not yet responded to */
	bool sqflow_off;      /* the host disabled SQ flow control: SQHD is not reported */
	bool dead;	      /* no command is taken, no response sent */
	_Atomic bool seen;    /* a command arrived since keep alive looked */
	uint64_t work;	      /* done so far: commands, and pages of data */
	uint32_t icd_bytes;   /* in-capsule bytes this queue takes */
	struct sockaddr_storage
		*local; /* address the host reached, for discovery; borrowed from the connection */
	const char *peer; /* "192.0.2.1:50123", for logs; borrowed from the connection */
};

/* target/req.c */
struct nvmet_req *nvmet_req_get(struct nvmet_sq *sq); /* NULL: the core's limit is reached */
/* nvmet_req_put() - off the queue, buffer back to the pool, free again */
void nvmet_req_put(struct nvmet_req *req);
/* nvmet_req_set_buf() - data moves through @buf, a block of the core's pool or reserve */
void nvmet_req_set_buf(struct nvmet_req *req, void *buf);
/* nvmet_req_put_buf() - only the buffer or what is mapped, when its data is not needed any more;
 * harmless without one */
void nvmet_req_put_buf(struct nvmet_req *req);
/* nvmet_req_by_index() - a request of @sq's core and of @sq itself; NULL for every other index */
struct nvmet_req *nvmet_req_by_index(struct nvmet_sq *sq, uint16_t index);

/* target/dispatch.c */
/*
 * nvmet_req_prepare() - checks the command as far as it can be without its data; picks the table entry by queue and opcode, checks the SGL
 * against the command's own length.
 * @icd_len: in-capsule bytes that came with it. Return: 0 or the status to complete it with.
 */
uint16_t nvmet_req_prepare(struct nvmet_req *req, uint32_t icd_len);
void nvmet_req_execute(struct nvmet_req *req);
/**
 * nvmet_req_complete() - the command has ended
 * @status: 0 or a status. Response, SQHD, error log and counters follow from it.
 */
void nvmet_req_complete(struct nvmet_req *req, uint16_t status);
/* nvmet_req_bad_field() - Invalid Field with DNR, noting the byte offset @loc within the SQE */
uint16_t nvmet_req_bad_field(struct nvmet_req *req, uint16_t loc);

/* nvmet_sqe_nsid() and friends: host order */
static inline uint32_t nvmet_nsid(const struct nvmet_req *req)
{
	return le32_get(req->sqe.nsid);
}

#endif /* TARGET_REQ_H */
