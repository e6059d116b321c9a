/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the nbdkit plugin does its I/O with: threads that each own one queue. nbdkit's own threads
 * hand a request to one of them and wait; requests meet at a lock-free list per thread, and nowhere
 * else.
 */
#ifndef HOST_NBDKIT_WORKER_H
#define HOST_NBDKIT_WORKER_H

#include <semaphore.h>

#include "host/attach.h"

struct nbd_server;

enum nbd_what {
	NBD_READ,
	NBD_WRITE,
	NBD_FLUSH,
	NBD_TRIM,
	NBD_ZERO,
};

/* One request: from nvmh_nbd_do() until it returns. */
struct nbd_op {
	enum nbd_what what;
	uint8_t *buf;	 /* of a read or write */
	uint64_t offset; /* bytes, whole blocks */
	uint64_t len;	 /* as above; of a flush any but 0 */
	bool fua;	 /* of a write or zero: on the medium when done */
	bool may_trim;	 /* of a zero */
	/* the worker's */
	struct nbd_op *next;
	uint64_t started;     /* bytes */
	uint32_t outstanding; /* commands */
	int err;	      /* errno of the first command that failed */
	sem_t done;
};

/**
 * nvmh_nbd_start() - connect and start a thread per I/O queue that the controller grants
 * Waits until connected. Context: a process that does not fork any more.
 * Return: 0; -errno as nvmh_attach(), or of a thread that could not be started; nvmh_strerror() explains.
 */
int nvmh_nbd_start(const struct nvmh_attach_opts *opts, struct nbd_server **serverp);
/* nvmh_nbd_stop() - end the threads and the connection. No request is under way. NULL is allowed. */
void nvmh_nbd_stop(struct nbd_server *server);

const struct nvmh_attach *nvmh_nbd_attach(const struct nbd_server *server);
uint64_t nvmh_nbd_size(const struct nbd_server *server); /* bytes, now; any thread */
uint16_t nvmh_nbd_nr_workers(const struct nbd_server *server);

/* nvmh_nbd_do() - @op by thread @worker, 0..nr_workers - 1; waits. Context: any thread. Return: 0 or an errno (positive). */
int nvmh_nbd_do(struct nbd_server *server, uint16_t worker, struct nbd_op *op);

#endif /* HOST_NBDKIT_WORKER_H */
