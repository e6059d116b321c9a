/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of nvmh-io share: nvmh_io.c (arguments and small commands), nvmh_io_paths.c and
 * nvmh_io_verify.c.
 */
#ifndef TESTS_E2E_NVMH_IO_H
#define TESTS_E2E_NVMH_IO_H

#include <stdarg.h>

#include "common/util.h"
#include "host/nvmh.h"

struct io {
	struct nvmh_ctrl_opts opts;
	uint8_t hostid[NVMH_MAX_PATHS][16]; /* by path */
	char *more[NVMH_MAX_PATHS - 1];	    /* transport strings of the other paths */
	uint16_t nr_more;
	bool mpath;
	struct nvmh_mpath_opts mpath_opts;
	struct nvmh_ctrl *ctrl;
	/* options */
	uint32_t timeout_ms;
	uint16_t qd;
	bool wait;
	bool retry;
	uint32_t nsid; /* 0: the first */
	uint64_t seed;
	uint64_t ops;
	uint64_t reset_every; /* commands of verify; 0: never */
	uint64_t start;	      /* block */
	uint64_t bytes;
	uint32_t max_io; /* bytes */
	/* the namespace */
	uint32_t lba_size;
	uint64_t nsze;
	/* memory that the controller reaches */
	uint8_t *mem;
	size_t mem_len;
};

/* nvmh_io_fail() - one line on standard error. Return: 1, the exit status. */
int nvmh_io_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* nvmh_io_fail_status() - @ret: -errno or an NVMe status */
int nvmh_io_fail_status(const char *what, int ret);
int nvmh_io_map(struct io *io, size_t len);
/* nvmh_io_turn() - everything once: the controller, all queues. Return: work done. */
int nvmh_io_turn(struct io *io);
void nvmh_io_sleep(struct io *io, int ms);
/* nvmh_io_number() - decimal, 0x or octal. Return: 0, -EINVAL. */
int nvmh_io_number(const char *text, uint64_t max, uint64_t *value);

/* nvmh_io_transport() - takes "key=value key=value" apart in place. Return: 0, or the exit status. */
int nvmh_io_transport(struct nvmh_ctrl_opts *opts, uint8_t hostid[16], char *text);
/* nvmh_io_policy() - a policy's name. Return: 0, or the exit status. */
int nvmh_io_policy(struct io *io, const char *name);
/* nvmh_io_open() - the controller, of one path or several. Return: 0, or the exit status. */
int nvmh_io_open(struct io *io);

/* commands, exit status returned */
int nvmh_io_verify(struct io *io, char **args);
int nvmh_io_readback(struct io *io, char **args);

#endif /* TESTS_E2E_NVMH_IO_H */
