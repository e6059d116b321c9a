/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fio engine and the nbdkit plugin have in common: from transport strings to one namespace
 * that can be read and written, and from NVMe statuses to errno. Not part of libnvmh.
 */
#ifndef HOST_ATTACH_H
#define HOST_ATTACH_H

#include "host/nvmh.h"

enum {
	ATTACH_MAX_PATHS = 16,	/* transport strings of one namespace */
	ATTACH_MAX_TEXT = 4096, /* bytes of all of them together */
	ATTACH_TIMEOUT_MS = 60000,
};

struct nvmh_attach_opts {
	const char *transport; /* strings of nvmh_transport_parse(); " + " between several paths */
	uint32_t nsid;	       /* 0: what the strings say, else the only one there is */
	uint16_t nr_queues;    /* I/O queues to ask for; 0: nr_io_queues= of the strings, else 1 */
	uint16_t queue_size;   /* 0: queue_size= of the strings, else the library's */
	bool hdgst, ddgst;     /* tcp: digests even where the strings do not say so */
	void (*on_ns)(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg);
	void *arg; /* of on_ns */
};

/* One namespace in use. */
struct nvmh_attach {
	struct nvmh_ctrl *ctrl; /* owned */
	uint32_t nsid;
	uint32_t lba_size; /* bytes, a power of two */
	uint32_t max_io;   /* bytes of one read or write: whole blocks, at least one */
	uint64_t size;	   /* bytes */
	bool local;	   /* pcie: data lies in memory of nvmh_ctrl_mem_map() */
	bool read_only;	   /* write protected */
	bool can_trim;	   /* Dataset Management */
	bool can_zero;	   /* Write Zeroes */
};

/**
 * nvmh_attach() - connect, find the namespace, look at what it is
 *
 * Waits, at most ATTACH_TIMEOUT_MS; the first failure to connect ends it, or with several paths a few seconds later. A remote namespace is
 * used through a multipath controller, also by one path: a lost connection costs no error within ctrl_loss_tmo. Context: any thread, which becomes the controller's.
 *
 * Return: 0, nvmh_detach() ends it; -errno, nvmh_strerror() says what is wrong: what nvmh_transport_parse(), nvmh_ctrl_open() and
 *	nvmh_mpath_open() return; -ECONNREFUSED, a failure to connect; -ETIMEDOUT; -EINVAL, the paths name different namespaces, or none is named and there are several; -ENOENT, no such
 *	namespace; -ENOTSUP, it has metadata or is zoned; -ENOSPC, the controller grants no I/O queue.
 */
int nvmh_attach(const struct nvmh_attach_opts *opts, struct nvmh_attach *att);
/* nvmh_detach() - close the controller. All zero is allowed. Context: nobody uses a queue. */
void nvmh_detach(struct nvmh_attach *att);

/* nvmh_attach_errno() - the errno (positive) that says best what NVMe status @status does; 0 for success. */
int nvmh_attach_errno(uint16_t status);

#endif /* HOST_ATTACH_H */
