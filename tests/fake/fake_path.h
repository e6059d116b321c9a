/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transport for the paths of a multipath controller in unit tests: no sockets, no threads, nothing
 * happens but what the test says. All paths lead to one subsystem with one set of blocks; a command
 * is executed when the test answers it, a stale one whenever the test wants. One thread.
 */
#ifndef TESTS_FAKE_PATH_H
#define TESTS_FAKE_PATH_H

#include "host/mpath.h"

enum {
	FAKE_PATHS = 8,
	FAKE_PATH_CMDS = 256,
	FAKE_PATH_BLOCKS = 64, /* of 512 bytes, in each of the namespaces */
	FAKE_PATH_NS = 4,
};

struct fake_path_ns {
	uint32_t nsid; /* 0: none */
	uint64_t nsze;
	uint8_t uuid;
	bool private; /* NMIC: not shared */
};

/* An I/O command that came over a path and is not answered. */
struct fake_path_cmd {
	struct nvmh_req *req; /* NULL: free */
	struct nvmh_queue *q;
	struct nvme_sqe sqe;
	uint8_t data[512]; /* of a write, as it was sent */
	bool committed;
	bool answered;
	uint16_t status;
	uint64_t seq;
};

struct fake_path {
	struct nvmh_ctrl *ctrl; /* NULL: not opened */
	/* the test's */
	bool unreachable;
	bool by_hand; /* I/O is answered by the test, else at the next poll */
	bool broken;  /* the connection is lost, and its owner sees it before the controller */
	uint16_t cntlid;
	uint16_t nr_queues;	/* 0: as many as asked for */
	uint16_t queue_size;	/* 0: as asked for */
	uint32_t max_xfer;	/* 0: 64 KiB */
	uint16_t io_status;	/* of every I/O command that is answered by itself */
	struct nvme_id_ctrl id; /* cmic, oaes, ctratt, anatt, ana...; the rest is filled in */
	struct fake_path_ns ns[FAKE_PATH_NS];
	uint8_t ana[16384];
	uint32_t ana_status; /* of Get Log Page 0Ch */
	uint16_t ccr_status;
	uint32_t ccr_dw0;
	uint8_t ccr_log[64];
	bool ana_silent; /* the ANA log is not answered */
	bool stay_open;	 /* the connections are not closed when they should be */
	bool ccr_silent; /* Cross-Controller Resets are not answered */
	/* what happened */
	uint32_t nr_connects;
	uint32_t nr_ana_reads;
	uint32_t nr_aborts;
	uint32_t nr_ccr;
	struct nvme_sqe ccr_sqe;
	uint32_t nr_ccr_logs;
	uint64_t nr_ios;
	uint64_t last_seq;
	struct fake_path_cmd cmd[FAKE_PATH_CMDS];
	/* admin commands not answered yet */
	struct nvmh_req *admin[ADMIN_QUEUE_ENTRIES];
	struct nvmh_req *aer;
};

extern struct fake_path fake_path[FAKE_PATHS];
extern uint8_t fake_path_blocks[FAKE_PATH_NS][FAKE_PATH_BLOCKS][512];
extern uint64_t fake_path_seq; /* counts I/O commands over all paths */
extern const struct nvmh_transport_ops fake_path_ops;

/* fake_path_init() - all paths as they are usually: one namespace, no ANA, no CCR */
void fake_path_init(void);
/* fake_path_lose() - the connection of @p is lost under everything outstanding */
void fake_path_lose(struct fake_path *p);
/* fake_path_find() - the oldest command on @p that is not answered; NULL */
struct fake_path_cmd *fake_path_find(struct fake_path *p);
uint32_t fake_path_count(const struct fake_path *p); /* such commands */
/* fake_path_answer() - executes the command if @status is 0; the next poll completes it */
void fake_path_answer(struct fake_path_cmd *cmd, uint16_t status);
/* fake_path_execute() - what a command that came does to the blocks, or to the reader's memory */
void fake_path_execute(const struct nvme_sqe *sqe, const uint8_t *data, struct nvmh_req *req);
/* fake_path_event() - an asynchronous event. Return: an Asynchronous Event Request was there. */
bool fake_path_event(struct fake_path *p, uint32_t dw0);
/* fake_path_set_ana() - the path's ANA log: namespaces 1.. in a group each, with these states */
void fake_path_set_ana(struct fake_path *p, const uint8_t *states, uint16_t nr);

#endif /* TESTS_FAKE_PATH_H */
