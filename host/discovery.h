/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of discovery: the part of a controller that was opened by nvmh_discovery_open(), and what
 * the controller's own code wants of it. The controller's thread.
 */
#ifndef HOST_DISCOVERY_H
#define HOST_DISCOVERY_H

#include "common/limits.h"
#include "host/ctrl.h"

enum {
	DISC_PART_ENTRIES = 4, /* read by one command: a page */
};

/* What the outstanding command reads. */
enum nvmh_disc_stage {
	NVMH_DISC_IDLE, /* no command */
	NVMH_DISC_HEADER,
	NVMH_DISC_ENTRIES,
	NVMH_DISC_CHECK, /* the header again: is it still the same log? */
};

struct nvmh_disc_list {
	struct nvmh_disc_entry *entries; /* owned */
	uint32_t nr;
	uint32_t size; /* entries that there is memory for */
};

struct nvmh_discovery {
	struct nvmh_discovery_opts opts;
	uint64_t live_since_ns; /* of the connection that the rest is about */
	uint64_t at_ns;		/* when to read the log; 0: not planned */
	uint64_t read_ns;	/* when it was read last */
	uint64_t until_ns;	/* the reading under way asks for no more after that */
	uint8_t stage;		/* enum nvmh_disc_stage */
	uint8_t tries;		/* readings in a row that the log changed under */
	bool again;		/* it was told to have changed while it was read */
	bool known; /* @log was read on this connection: only another generation is another log */
	bool told;  /* on_log has run, with @last */
	uint64_t genctr; /* of the log being read */
	uint32_t numrec;
	uint32_t index;
	struct nvmh_disc_list now;  /* being read */
	struct nvmh_disc_list last; /* as last told */
	uint64_t last_genctr;
	struct nvmh_req req;
	struct iovec iov;
	uint8_t page[DISC_PART_ENTRIES * sizeof(struct nvmf_disc_log_entry)];
};

/* nvmh_discovery_open_kato() - nvmh_discovery_open() with any keep alive timeout, 0 for none */
int nvmh_discovery_open_kato(const struct nvmh_ctrl_opts *opts,
			     const struct nvmh_discovery_opts *disc, uint32_t kato_ms,
			     struct nvmh_ctrl **ctrlp);
/* nvmh_discovery_run() - LIVE: begins to read the log when that is due; harmless with others */
void nvmh_discovery_run(struct nvmh_ctrl *ctrl, uint64_t now_ns);
/* nvmh_discovery_at() - when nvmh_discovery_run() is due, 0: no time */
uint64_t nvmh_discovery_at(const struct nvmh_ctrl *ctrl);
void nvmh_discovery_done(struct nvmh_ctrl *ctrl); /* frees it */

#endif /* HOST_DISCOVERY_H */
