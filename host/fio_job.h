/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe side of the fio engine. It knows nothing of fio's types, and host/fio.c, which does, knows
 * nothing of ours: both worlds have names in common.
 */
#ifndef HOST_FIO_JOB_H
#define HOST_FIO_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct fio_target; /* a namespace that jobs use */
struct fio_job;	   /* one job's queue */

enum fio_op {
	FIO_OP_READ,
	FIO_OP_WRITE,
	FIO_OP_TRIM,
	FIO_OP_FLUSH,
};

struct fio_target_opts {
	const char *transport; /* as nvmh_attach_opts.transport; NULL: none given */
	uint32_t nsid;
	bool hdgst, ddgst;
};

/* What a target is, known when nvmh_fio_target_get() has returned. */
struct fio_geometry {
	uint64_t size;	   /* bytes */
	uint32_t lba_size; /* bytes */
	uint32_t max_io;   /* bytes of one read or write */
	bool read_only;
	bool can_trim;
};

/**
 * nvmh_fio_target_get() - the target that @opts describe, and one more job that will use it
 *
 * The first time it connects, looks at the namespace and disconnects: what is open must not get into the processes that fio
 * forks for its jobs. Context: fio's main process, before jobs run.
 *
 * Return: 0, nvmh_fio_target_put() when that job is over; -errno as nvmh_attach(), nvmh_fio_error() says why.
 */
int nvmh_fio_target_get(const struct fio_target_opts *opts, struct fio_target **targetp);
void nvmh_fio_target_put(struct fio_target *target); /* NULL is allowed */
const struct fio_geometry *nvmh_fio_target_geometry(const struct fio_target *target);

/**
 * nvmh_fio_job_open() - a queue for one job
 * @thread: the job is a thread of fio's main process, and has a queue of the controller that all such jobs on @target use; else a controller of its own.
 * @depth: I/Os outstanding, at least 1.
 * @spin: nvmh_fio_job_reap() never sleeps.
 *
 * Waits until connected. Context: the job's thread, like everything below.
 * Return: 0; -errno as nvmh_attach(); -ENOSPC, all queues are taken. nvmh_fio_error() says why.
 */
int nvmh_fio_job_open(struct fio_target *target, bool thread, uint32_t depth, bool spin,
		      struct fio_job **jobp);
void nvmh_fio_job_close(
	struct fio_job *job); /* what is outstanding is waited for; NULL is allowed */

/* nvmh_fio_job_mem() - memory for data, page aligned, kept until the target's controller is closed. Return: 0 or -errno. */
int nvmh_fio_job_mem(struct fio_job *job, size_t len, void **memp);

/**
 * nvmh_fio_job_submit() - start one I/O; nvmh_fio_job_commit() sends it
 * @fua: of a write: answered when it is on the medium.
 * @io: what nvmh_fio_job_event() gives back.
 *
 * Return: 0; -EAGAIN, no room now, or not connected now; -EINVAL, not whole blocks or too long; -EOPNOTSUPP, a trim that the controller does not
 *	know; -ENOTCONN, given up.
 */
int nvmh_fio_job_submit(struct fio_job *job, enum fio_op op, uint64_t offset, void *buf,
			uint64_t len, bool fua, void *io);
void nvmh_fio_job_commit(struct fio_job *job);
/* nvmh_fio_job_reap() - wait for at least @min I/Os, or @timeout (NULL: for ever, that is until they failed). Return: how many, at most @max. */
unsigned int nvmh_fio_job_reap(struct fio_job *job, unsigned int min, unsigned int max,
			       const struct timespec *timeout);
/* nvmh_fio_job_event() - I/O @index of those. @errp: 0, or an errno (positive). */
void *nvmh_fio_job_event(const struct fio_job *job, unsigned int index, int *errp);

/* nvmh_fio_error() - why the last call of this thread failed, one line */
const char *nvmh_fio_error(void);

#endif /* HOST_FIO_JOB_H */
