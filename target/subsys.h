/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Subsystems, ports and controllers: who may connect to what, through where. Guarded by nvmet.lock
 * unless said otherwise. NVM Express Base Specification 2.x, "NVM Subsystem", "Controller",
 * "Discovery".
 */
#ifndef TARGET_SUBSYS_H
#define TARGET_SUBSYS_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "target/ns.h"
#include "target/req.h"

struct nvmet_subsys {
	struct list link;
	char nqn[MAX_NQN_BYTES];
	bool is_discovery;
	bool allow_any_host;
	char serial[21];
	char model[41];
	char firmware[9];
	uint32_t ieee_oui;
	uint16_t vid, ssvid;
	uint16_t cntlid_min, cntlid_max, cntlid_next;
	uint16_t qid_max; /* I/O queues of one controller */
	char **hosts;	  /* allowed host NQNs; borrowed from the configuration */
	uint32_t nr_hosts;
	struct nvmet_ns **all; /* all[nsid], max_nsid + 1 pointers, owned: also those whose device was
				  not there yet. Main thread */
	struct nvmet_ns *_Atomic *ns; /* those that hosts see; set once */
	uint32_t max_nsid;
	_Atomic uint32_t nr_ns; /* that hosts see */
	struct list ctrls;
	uint32_t nr_ctrls;
};

/* A port of the configuration: one listening address. */
struct nvmet_port {
	struct list link;
	const struct config_port *cfg;	  /* borrowed */
	struct nvmet_subsys **subsystems; /* exported here; the discovery subsystem always is */
	uint32_t nr_subsystems;
	struct sockaddr_storage addr; /* as bound: with the port the kernel chose */
	int fd;
	struct loop_io io;
	struct loop_timer pause; /* accepting again after running out of descriptors */
};

/* ---- target/subsys.c ---- */
int nvmet_subsys_create(const struct config_subsystem *cfg,
			struct nvmet_subsys **subsysp); /* with its namespaces */
int nvmet_discovery_create(void);
void nvmet_subsys_free(struct nvmet_subsys *subsys);
/* nvmet_subsys_find() - the subsystem @nqn as exported on @port, or NULL; the lock is held */
struct nvmet_subsys *nvmet_subsys_find(struct nvmet_port *port, const char *nqn);
bool nvmet_subsys_host_allowed(const struct nvmet_subsys *subsys, const char *hostnqn);
/* nvmet_subsys_ns() - an active namespace, or NULL. Data path: no lock. */
static inline struct nvmet_ns *nvmet_subsys_ns(const struct nvmet_subsys *subsys, uint32_t nsid)
{
	return nsid >= 1 && nsid <= subsys->max_nsid ? subsys->ns[nsid] : NULL;
}

/* ---- target/port.c ---- */
int nvmet_port_open(const struct config_port *cfg,
		    struct nvmet_port **portp); /* listens; logs what went wrong */
int nvmet_port_accept(struct nvmet_port *port); /* start accepting, on the main loop */
void nvmet_port_stop(struct nvmet_port *port);	/* listens no more; its connections live on */
void nvmet_port_free(struct nvmet_port *port);

/* ---- controllers: target/ctrl.c ---- */

struct nvmet_error_entry {
	uint64_t count;
	uint16_t sqid, cid, status, loc;
	uint64_t lba;
	uint32_t nsid;
};

struct nvmet_ctrl {
	struct list link; /* subsys->ctrls */
	struct nvmet_subsys *subsys;
	struct nvmet_port *port;
	_Atomic uint32_t refs; /* the admin queue, and each I/O queue */
	uint16_t cntlid;
	char hostnqn[MAX_NQN_BYTES];
	uint8_t hostid[16];
	_Atomic bool dead;			 /* no queue is admitted any more */
	struct nvmet_sq *sqs[MAX_IO_QUEUES + 1]; /* guarded by the lock */
	uint16_t nr_io_queues;			 /* of them; guarded by the lock */

	/* registers: written under the lock, cc by the admin queue's core only; any queue's core
	 * reads csts and cc */
	uint64_t cap;
	uint32_t vs;
	_Atomic uint32_t cc;
	_Atomic uint32_t csts;
	uint32_t max_xfer; /* bytes: MDTS as reported */

	/* the admin queue's core only */
	struct nvmet_core *core;
	uint32_t kato_ms; /* 0: off */
	struct loop_timer ka_timer;
	struct nvmet_req *aer[MAX_AER];
	int nr_aer;
	uint32_t aen_config;	    /* feature 0Bh as set by the host */
	uint32_t aen_pending;	    /* bit per event kind, not yet told */
	uint32_t aen_masked;	    /* told, not cleared by reading the log */
	uint32_t changed_ns[1024];  /* log 04h; 1024 entries, more: FFFFFFFFh first. Guarded by
				       error_lock */
	uint32_t nr_changed_ns;	    /* guarded by error_lock */
	uint16_t granted_queues;    /* feature 07h; 0: not asked. Guarded by the lock */
	uint16_t temp_threshold[2]; /* feature 04h: over, under */
	uint32_t features[32];	    /* other features' DW11 as set, by FID */
	pthread_mutex_t error_lock; /* error log: written by every queue's core, rarely */
	struct nvmet_error_entry errors[MAX_LOG_ERRORS];
	uint64_t nr_errors;
	/* async event requests to this controller from other threads */
	_Atomic uint32_t event_bits;
	struct loop_msg event_msg;
	_Atomic bool event_sent;
};

/*
 * nvmet_ctrl_create() - a controller for a host's admin queue Connect; the reference belongs to
 * @sq. The lock is held. Return: 0 or a Connect status.
 */
uint16_t nvmet_ctrl_create(struct nvmet_subsys *subsys, struct nvmet_sq *sq, const char *hostnqn,
			   const uint8_t hostid[16], uint32_t kato_ms, struct nvmet_ctrl **ctrlp);
struct nvmet_ctrl *nvmet_ctrl_find(struct nvmet_subsys *subsys,
				   uint16_t cntlid); /* the lock is held */
/* nvmet_ctrl_add_queue() - @sq becomes I/O queue @qid, with a reference. The lock is held. Return:
 * 0 or a Connect status. */
uint16_t nvmet_ctrl_add_queue(struct nvmet_ctrl *ctrl, struct nvmet_sq *sq, uint16_t qid);
void nvmet_ctrl_put(struct nvmet_ctrl *ctrl);
/* nvmet_sq_detach() - the queue's connection is gone and no request is left. An admin queue takes
 * its controller and all I/O queues along. */
void nvmet_sq_detach(struct nvmet_sq *sq);
/* nvmet_sq_quiesce() - the connection is going: gives back what waits for the host (AERs). Called
 * once before nvmet_sq_detach(). */
void nvmet_sq_quiesce(struct nvmet_sq *sq);
/* nvmet_ctrl_kill() - fatal for the association: closes every queue. Any thread. */
void nvmet_ctrl_kill(struct nvmet_ctrl *ctrl, const char *why);
/* nvmet_ctrl_set_kato() - rounds up to the granularity and starts the timer anew; 0: off. The admin
 * queue's core. */
void nvmet_ctrl_set_kato(struct nvmet_ctrl *ctrl, uint32_t kato_ms);
/* nvmet_ctrl_set_cc() - Property Set of CC; the admin queue's core, without the lock. Return: 0 or
 * a status; then nothing changed. */
uint16_t nvmet_ctrl_set_cc(struct nvmet_ctrl *ctrl, uint32_t cc);
void nvmet_ctrl_log_error(struct nvmet_req *req); /* any core */

enum nvmet_event {
	NVMET_EV_NS_CHANGED = 1 << 0,
	NVMET_EV_DISC_CHANGED = 1 << 1,
	NVMET_EV_SMART = 1 << 2,
	NVMET_EV_ERROR = 1 << 3,
};
void nvmet_ctrl_event(struct nvmet_ctrl *ctrl, uint32_t events);    /* any thread */
void nvmet_ctrl_ns_changed(struct nvmet_ctrl *ctrl, uint32_t nsid); /* any thread */
/* nvmet_discovery_changed() - what a discovery log tells has changed: new generation, events. The
 * lock is held. */
void nvmet_discovery_changed(void);
/* nvmet_aer_cleared() - a log page was read with RAE 0: that event may be told again */
void nvmet_aer_cleared(struct nvmet_ctrl *ctrl, uint32_t events);

/* command tables */
extern const struct nvmet_cmd nvmet_fabrics_cmds[]; /* by fctype in .opcode */
extern const unsigned int nvmet_nr_fabrics_cmds;
extern const struct nvmet_cmd nvmet_admin_cmds[];
extern const unsigned int nvmet_nr_admin_cmds;
extern const struct nvmet_cmd nvmet_discovery_cmds[];
extern const unsigned int nvmet_nr_discovery_cmds;

#endif /* TARGET_SUBSYS_H */
