/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the host library: the controller, its queues, the transport operations and the step
 * table that brings a controller up. Not installed.
 */
#ifndef HOST_CTRL_H
#define HOST_CTRL_H

#include <stdatomic.h>

#include "common/limits.h"
#include "common/list.h"
#include "common/status.h"
#include "host/nvmh.h"

/*
 * How a reset crosses threads without locks. The controller's thread moves the queue LIVE ->
 * STOPPED (submit refuses; completions are still reaped), makes the device quiet, then -> FLUSH.
 * The owner's next poll sees FLUSH, completes everything outstanding as aborted, -> DOWN, and tells
 * the controller. Only then is the queue made anew -> LIVE. The controller's thread does the
 * owner's part for a queue nobody has touched yet or that was released (owner == 0), for its own
 * queues, and for all when the controller is closed. Whoever moves FLUSH -> FLUSHING does it.
 *
 * The admin queue is LIVE from before the first call of ops->connect_adminq() on, so that
 * queue_poll() is called for it; an I/O queue that ops->queue_create() works on is DOWN until every
 * step is done.
 */
enum nvmh_queue_state {
	NVMH_Q_DOWN,
	NVMH_Q_LIVE,
	NVMH_Q_STOPPED,
	NVMH_Q_FLUSH,
	NVMH_Q_FLUSHING,
};

enum nvmh_req_state {
	NVMH_REQ_IDLE, /* 0: the caller's */
	NVMH_REQ_BUSY,
};

/* One slot of a queue: what a command id stands for. */
struct nvmh_tag {
	struct nvmh_req *req; /* NULL: free */
	uint16_t gen; /* goes into the high bits of the command id: a stale completion does not
			 match */
	uint16_t next_free;
	uint8_t late;	/* enum nvmh_late */
	uint8_t abort;	/* enum nvmh_tag_abort */
	uint32_t epoch; /* q->epoch when it was sent */
};

/*
 * An Abort names a command by its id. While one is on its way, the tag is not used again, even if its
 * command has ended: 64 commands later it would hit another one.
 */
enum nvmh_tag_abort {
	NVMH_NO_ABORT,
	NVMH_ABORT_WANTED, /* nvmh_queue_cancel(), in turn */
	NVMH_ABORT_ASKED,
	NVMH_ABORT_PARKED, /* and the command has ended */
};

/* How far up the ladder a command is that does not come back (host/recover.c). */
enum nvmh_late {
	NVMH_ON_TIME,
	NVMH_LATE_ABORT,   /* the drive is asked to abort it */
	NVMH_LATE_REPLACE, /* its queue is to be deleted and made anew */
	NVMH_LATE_CANCEL,  /* only asked for, of nvmh_queue_cancel(): an Abort */
};

enum {
	NVMH_LINE_BYTES = 64, /* what owners of different queues write lies this far apart */
};

struct nvmh_queue {
	_Alignas(NVMH_LINE_BYTES) struct nvmh_ctrl *ctrl;
	const struct nvmh_transport_ops *ops; /* ctrl->ops */
	_Atomic uint8_t state;		      /* enum nvmh_queue_state */
	/* nvmh_thread_token() of who last submitted or polled; 0: nobody, or released */
	_Atomic uintptr_t owner;
	_Atomic bool check; /* the controller's thread asks the owner to look at deadlines */
	_Atomic uint64_t
		ask; /* what the owner wants of the controller's thread, which clears it: see
				 nvmh_recover_ask() */
	/* the controller's thread counts the times it looked for traffic; the owner notes the last
	 * in which a command was both sent and answered: see nvmh_keep_alive_run(). It comes to
	 * the same number only after years */
	_Atomic uint32_t epoch;
	_Atomic uint32_t traffic;
	/* Aborts that were asked for and are not answered: the owner adds, the controller's thread
	 * takes away */
	_Atomic uint32_t aborts;
	uint16_t nr_wanted; /* tags with NVMH_ABORT_WANTED, and _PARKED */
	uint16_t nr_parked;
	_Atomic bool kicked;	      /* nvmh_queue_kick() made event_fd readable */
	bool polling;		      /* within nvmh_queue_poll(): no flush from below it */
	uint16_t qid;		      /* 0: admin */
	uint16_t size;		      /* entries */
	uint16_t nr_tags;	      /* size - 1 */
	uint16_t free_head;	      /* index of a free tag, NVMH_NO_TAG when none */
	_Atomic uint16_t outstanding; /* written by the owner */
	struct nvmh_tag *tags;
	int event_fd;		  /* kicks the owner: MSI-X vector, or eventfd */
	uint32_t assoc;		  /* the controller's when the queue last went LIVE with it */
	uint64_t bad_completions; /* unknown or stale command ids, counted and ignored */
	void *tr;		  /* transport's part: struct pcie_queue, struct tcp_queue */
};

enum {
	NVMH_NO_TAG = 0xffff,
	NVMH_CID_TAG_BITS = 10, /* MAX_QUEUE_ENTRIES tags */
};

#define NVMH_NO_TIMEOUT \
	UINT32_MAX /* nvmh_req.timeout_ms of our own commands that something else limits */

/* host/queue.c: tags, exactly-once completion, deadlines. All by the owner. */
int nvmh_queue_init(struct nvmh_queue *q, struct nvmh_ctrl *ctrl, uint16_t qid);
/* nvmh_queue_calloc() - like calloc(), for what is aligned to NVMH_LINE_BYTES. Any thread. */
void *nvmh_queue_calloc(size_t nr, size_t size);
int nvmh_queue_resize(struct nvmh_queue *q, uint16_t size); /* only while DOWN */
void nvmh_queue_done(struct nvmh_queue *q);
/* nvmh_queue_find() - the request a completion's command id stands for; NULL (counted) when
 * unknown, stale or free */
struct nvmh_req *nvmh_queue_find(struct nvmh_queue *q, uint16_t cid);
/* nvmh_queue_complete() - frees the tag and runs ->done, exactly once. */
void nvmh_queue_complete(struct nvmh_queue *q, struct nvmh_req *req, const struct nvme_cqe *cqe);
/* nvmh_queue_end() - the same with a status of ours; @cqe NULL: nobody sent one, it is zeroes */
void nvmh_queue_end(struct nvmh_queue *q, struct nvmh_req *req, uint16_t status,
		    const struct nvme_cqe *cqe);
void nvmh_queue_abort_all(struct nvmh_queue *q, uint16_t status);
void nvmh_queue_kick(struct nvmh_queue *q); /* any thread: wakes the owner */
/* nvmh_queue_send() - takes a tag and submits, whatever the queue's state: the library's own
 * commands. Return as nvmh_queue_submit(). */
int nvmh_queue_send(struct nvmh_queue *q, struct nvmh_req *req);
/* nvmh_queue_check() - looks at deadlines now; a command past its own goes a rung up the ladder */
void nvmh_queue_check(struct nvmh_queue *q);
/* nvmh_queue_aborts() - an Abort was answered: asks for the next, frees tags that waited for it */
void nvmh_queue_aborts(struct nvmh_queue *q);
/* nvmh_queue_flush() - the owner's part of a reset; does nothing unless the queue is in FLUSH */
void nvmh_queue_flush(struct nvmh_queue *q);
/* host/sync.c: for the calls that wait. nvmh_sync_done(): req->done; sets the bool that ->arg points
 * to. nvmh_sync_sleep(): until a descriptor is readable (-1: none), or a short while. */
void nvmh_sync_done(struct nvmh_req *req);
void nvmh_sync_sleep(int fd, int other_fd);
/* nvmh_refused() - notes what @err says of a submission, a reset or a rescan; any thread. Return: @err. */
int nvmh_refused(const struct nvmh_ctrl *ctrl, int err);
uintptr_t nvmh_thread_token(void); /* differs between threads, never 0 */

/*
 * Transport operations. Control plane: the controller's thread, never blocks; 0, -EAGAIN (call
 * again when the controller's descriptor or timer fires) or -errno. A call answered with -EAGAIN is
 * repeated with the same arguments until it answers otherwise.
 */
struct nvmh_transport_ops {
	const char *name;
	/* bring-ups in a row that may fail before the controller is DEAD; 0: 1. A remote one has
	 * opts.ctrl_loss_ms instead. */
	uint8_t tries;
	/* I/O queues are made and deleted by admin commands, and commands can be aborted: the rungs of
	 * host/recover.c come before a reset */
	bool replaces;
	bool remote;  /* CONNECTING while it is brought up again */
	bool irq;     /* the device makes an I/O queue's event_fd readable, too */
	bool stacked; /* stands on other controllers, which watch over deadlines (host/mpath.c) */
	/* bring-up, ends with a NULL fn; the same table serves a reset */
	const struct nvmh_step *steps;
	bool md;			     /* takes metadata apart from the data */
	int (*open)(struct nvmh_ctrl *ctrl); /* once; may take ->tr */
	int (*reg_read32)(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t *val);
	int (*reg_read64)(struct nvmh_ctrl *ctrl, uint32_t off, uint64_t *val);
	int (*reg_write32)(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t val);
	int (*connect_adminq)(struct nvmh_ctrl *ctrl);
	/* -EREMOTEIO: the controller refuses this queue, the ones before it are used */
	int (*queue_create)(struct nvmh_ctrl *ctrl, struct nvmh_queue *q);
	/* makes the device quiet: after 0 it touches no memory of ours and answers nothing of
	 * before */
	int (*quiesce)(struct nvmh_ctrl *ctrl, bool shutdown);
	void (*queue_free)(struct nvmh_queue *q); /* after quiesce; NULL-safe parts */
	void (*free)(struct nvmh_ctrl *ctrl);
	int (*mem_map)(struct nvmh_ctrl *ctrl, void *base, size_t len);
	/* transport's own events; called by nvmh_ctrl_process(), to the end. May be NULL */
	int (*process)(struct nvmh_ctrl *ctrl);
	/* data plane: the queue's owner; never blocks, never allocates */
	int (*queue_submit)(struct nvmh_queue *q, struct nvmh_req *req); /* tag taken already */
	void (*queue_commit)(struct nvmh_queue *q);
	int (*queue_poll)(struct nvmh_queue *q);
	int (*queue_arm)(struct nvmh_queue *q);
	int (*queue_fd)(struct nvmh_queue *q);
	/* asks for one command to be given up; NULL: by an Abort command. The request is outstanding.
	 * Return as nvmh_queue_cancel(). */
	int (*queue_cancel)(struct nvmh_queue *q, struct nvmh_req *req);
	/* all requests are about to be aborted: their memory keeps nothing that is not their own.
	 * May be NULL */
	void (*queue_wipe)(struct nvmh_queue *q);
	void (*queue_release)(struct nvmh_queue *q); /* the owner gives it up. May be NULL */
	/* stacked: instead of what the functions of those names do otherwise */
	int (*reset)(struct nvmh_ctrl *ctrl);
	int (*rescan)(struct nvmh_ctrl *ctrl);
	bool (*rescanning)(const struct nvmh_ctrl *ctrl);
};

extern const struct nvmh_transport_ops nvmh_pcie_ops;
extern const struct nvmh_transport_ops nvmh_tcp_ops;

/* An error that trying again cannot cure (-ENODEV, -ENOTSUP, -EINVAL, -EACCES, -EPERM, -ENOENT)
 * makes the controller DEAD at once. */
struct nvmh_step {
	const char *name; /* appears in errors: "enable: not done after 30000 ms" */
	int (*fn)(struct nvmh_ctrl *ctrl); /* 0: next step; -EAGAIN: again later; else failed */
	uint32_t timeout_ms; /* 0: from CAP.TO. Each admin command has opts.admin_timeout_ms within
				it */
};

/* The steps shared by both transports (host/steps.c). */
int nvmh_step_disable(struct nvmh_ctrl *ctrl);
int nvmh_step_wait_not_ready(struct nvmh_ctrl *ctrl);
int nvmh_step_connect_adminq(struct nvmh_ctrl *ctrl);
int nvmh_step_read_cap(struct nvmh_ctrl *ctrl);
int nvmh_step_enable(struct nvmh_ctrl *ctrl);
int nvmh_step_wait_ready(struct nvmh_ctrl *ctrl);
int nvmh_step_identify(struct nvmh_ctrl *ctrl);
int nvmh_step_nr_queues(struct nvmh_ctrl *ctrl);
int nvmh_step_io_queues(struct nvmh_ctrl *ctrl);
int nvmh_step_async_events(struct nvmh_ctrl *ctrl);
int nvmh_step_keep_alive(struct nvmh_ctrl *ctrl);
int nvmh_step_scan(struct nvmh_ctrl *ctrl);

/*
 * nvmh_step_cmd() - one admin command of a step, over ctrl->step_req: the first call sends it,
 * later calls wait for the answer
 * @buf, @len: data in memory the controller reaches, or NULL and 0.
 * Return: 0, answered: ctrl->step_req.status and .cqe; -EAGAIN; -errno.
 */
int nvmh_step_cmd(struct nvmh_ctrl *ctrl, const struct nvme_sqe *sqe, enum nvmh_dir dir, void *buf,
		  uint32_t len);
/* nvmh_step_forget() - the next nvmh_step_cmd() is another command; it waits for an outstanding one */
void nvmh_step_forget(struct nvmh_ctrl *ctrl);
/* nvmh_step_again() - with -EAGAIN: call the step again then, even if nothing happens */
void nvmh_step_again(struct nvmh_ctrl *ctrl, uint32_t ms);
/* Identify as a step's command, into ctrl->step_buf. Return as nvmh_step_cmd(). */
int nvmh_step_identify_cmd(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi);
/* nvmh_step_status() - the step's command failed: notes its status. Return: -EIO. */
int nvmh_step_status(struct nvmh_ctrl *ctrl, const char *what);

/* What the controller is doing now. */
enum nvmh_phase {
	NVMH_PHASE_UP, /* running ops->steps */
	NVMH_PHASE_LIVE,
	NVMH_PHASE_QUIET, /* ops->quiesce() */
	NVMH_PHASE_FLUSH, /* the owners complete what is outstanding */
	NVMH_PHASE_PAUSE, /* before the next try */
	NVMH_PHASE_END,	  /* DEAD, or ready to be freed */
};

/* The namespace scan (host/ns.c). */
struct nvmh_scan {
	uint8_t stage;
	bool by_number; /* no active list: asks for 1, 2, 3 ... NN */
	uint32_t *list; /* 1024 namespace ids, owned */
	uint32_t nr_list;
	uint32_t index;	   /* in list */
	uint32_t last;	   /* the highest id so far */
	uint32_t seen;	   /* ids asked about */
	uint32_t nr_again; /* times that something was asked again, in a bring-up */
	uint64_t again_ns; /* not before */
	bool has_zasl;
	uint8_t zasl;
	struct nvmh_ns *ns; /* found so far, owned until published */
	uint32_t nr_ns;
	uint32_t size_ns;
};
void nvmh_scan_done(struct nvmh_scan *scan); /* frees what a scan holds */
/* nvmh_scan_run() - goes on with a scan; ctrl->scan has what it found. Return: 0, -EAGAIN or -errno */
int nvmh_scan_run(struct nvmh_ctrl *ctrl);

/* What a namespace is, for readers of any thread: written once (host/rescan.c). */
struct nvmh_ns_snap {
	struct nvmh_ns ns;
	struct nvmh_ns_snap *next; /* of those that are old */
};

/* Rescans of a live controller, and the descriptions that changes left behind (host/rescan.c). */
struct nvmh_rescan {
	bool want;
	bool busy;	   /* uses ctrl->scan, ->step_req and ->step_buf */
	uint8_t tries;	   /* that failed in a row */
	uint64_t after_ns; /* not before */
	struct nvmh_ns_snap *oldest;
	struct nvmh_ns_snap *newest;
	uint32_t nr_old;
};
/*
 * nvmh_ns_publish() - what ctrl->scan has found is what the controller has from now on; changes are
 * logged and told by on_ns. Empties ctrl->scan. Return: 0, -ENOMEM and nothing changed.
 */
int nvmh_ns_publish(struct nvmh_ctrl *ctrl);
void nvmh_rescan_run(struct nvmh_ctrl *ctrl, uint64_t now_ns); /* LIVE */
void nvmh_rescan_later(struct nvmh_ctrl *ctrl); /* gives step_req up, begins again later */
void nvmh_rescan_stop(struct nvmh_ctrl *ctrl);	/* the controller goes down */
void nvmh_rescan_done(struct nvmh_ctrl *ctrl);	/* frees the namespaces */

/* Asynchronous events (host/aen.c). */
struct nvmh_aen {
	struct nvmh_req req;	 /* the posted Asynchronous Event Request */
	struct nvmh_req log_req; /* reads the log page that clears the event */
	struct iovec log_iov;
	uint32_t event; /* dword 0 of the last answer */
	bool pending;	/* an event is to be handled */
	bool reading;
	bool unposted; /* the admin queue was full */
};
void nvmh_aen_post(struct nvmh_ctrl *ctrl);
int nvmh_aen_run(struct nvmh_ctrl *ctrl); /* LIVE: handles a pending event. Return: work done */

/*
 * Recovery of commands that do not come back, short of a reset (host/recover.c): Abort, then the
 * queue deleted and made anew.
 */
enum {
	NVMH_ABORT_MS = 5000,	/* for an aborted command to come back */
	NVMH_REPLACE_MS = 5000, /* for each command that replaces a queue */
};

struct nvmh_abort {
	struct nvmh_req req;
	struct nvmh_queue *q; /* whose command; NULL: free */
};

struct nvmh_recover {
	_Atomic bool asked; /* some queue's ask is set */
	struct nvmh_abort abort[MAX_ABORTS];
	struct nvmh_queue *q; /* being replaced; NULL: none */
	uint8_t stage;
	uint8_t nr_replaced; /* lately */
	uint64_t replaced_ns;
	uint64_t deadline_ns; /* of the stage */
	char why[96];
};

/* nvmh_recover_ask() - the owner of @q: the next rung for @req. Return: false: later, another is
 * being asked for. */
bool nvmh_recover_ask(struct nvmh_queue *q, const struct nvmh_req *req, enum nvmh_late rung);
void nvmh_recover_run(struct nvmh_ctrl *ctrl);	/* LIVE */
void nvmh_recover_stop(struct nvmh_ctrl *ctrl); /* the controller goes down */

/* Keep alive (host/steps.c). */
struct nvmh_keep_alive {
	struct nvmh_req req;
	uint64_t next_ns; /* 0: off */
	bool busy;
};
void nvmh_keep_alive_run(struct nvmh_ctrl *ctrl, uint64_t now_ns);

/* host/retry.c */
uint32_t nvmh_retry_pause_ms(const struct nvmh_ctrl *ctrl,
			     uint64_t now_ns); /* before the next try */
/* nvmh_retry_start() - the time in which a remote controller must get live begins, if it does not
 * run already; nvmh_retry_runs(): it does, until ctrl->loss_ns */
void nvmh_retry_start(struct nvmh_ctrl *ctrl, uint64_t now_ns);
bool nvmh_retry_runs(const struct nvmh_ctrl *ctrl);
/* nvmh_retry_over() - it failed (ctrl->resets times): there is no try, or no time, left */
bool nvmh_retry_over(const struct nvmh_ctrl *ctrl, uint64_t now_ns);

/* The power state that somebody chose, which a reset loses (host/power.c). */
struct nvmh_power {
	bool chosen;
	uint32_t value; /* dword 11 of Set Features */
};
/* nvmh_power_note() - an admin command succeeded: whether it chose one */
void nvmh_power_note(struct nvmh_ctrl *ctrl, const struct nvmh_req *req);
int nvmh_pcie_step_power(struct nvmh_ctrl *ctrl);

void nvmh_ctrl_start(struct nvmh_ctrl *ctrl); /* begins a bring-up */
/* nvmh_ctrl_set_state() - and tell on_state; the transition must be an allowed one */
void nvmh_ctrl_set_state(struct nvmh_ctrl *ctrl, enum nvmh_state state);
/* nvmh_queue_to_flush() - LIVE or STOPPED: nothing of @q is with the device any more, its owner may
 * complete what is outstanding. nvmh_queue_down() - whether it did; does its part where that is
 * ours. Controller's thread. */
void nvmh_queue_to_flush(struct nvmh_ctrl *ctrl, struct nvmh_queue *q);
bool nvmh_queue_down(struct nvmh_ctrl *ctrl, struct nvmh_queue *q);
/* nvmh_ctrl_open_with() - nvmh_ctrl_open() with other operations than opts->trtype says */
int nvmh_ctrl_open_with(const struct nvmh_ctrl_opts *opts, const struct nvmh_transport_ops *ops,
			struct nvmh_ctrl **ctrlp);

struct nvmh_ctrl {
	const struct nvmh_transport_ops *ops;
	struct nvmh_ctrl_opts opts; /* strings owned */
	uint8_t hostid[16];
	_Atomic uint8_t state;	 /* enum nvmh_state */
	_Atomic bool want_reset; /* a queue's owner or the transport; then nvmh_ctrl_kick() */
	char name[320];
	char error[256];
	int epoll_fd; /* what nvmh_ctrl_fd() returns: holds the three below and the transport's own */
	int event_fd; /* nvmh_ctrl_kick() */
	int timer_fd; /* deadlines: steps, admin commands, keep alive */
	void *tr;     /* transport's part */

	/* where it stands (host/ctrl.c) */
	_Atomic uintptr_t thread; /* nvmh_thread_token() of who last processed it */
	uint8_t phase;		  /* enum nvmh_phase */
	bool after_dead;	  /* DEAD when it is quiet, instead of another bring-up */
	bool shutdown;		  /* ops->quiesce() is to notify (CC.SHN) */
	bool closing;		  /* nvmh_ctrl_close() does the owners' part too */
	bool in_process;
	bool was_live;
	int err;	      /* what made it DEAD */
	_Atomic uint8_t lost; /* mailbox of nvmh_ctrl_lost(): 0 empty, 1 being written, 2 full */
	char lost_text[256];
	uint64_t live_since_ns;
	uint32_t assoc;	   /* counts how often it went LIVE: each time is another association */
	uint64_t heard_ns; /* it is known to have been reached then: LIVE, or a Keep Alive answered */
	uint64_t tick_ns;
	uint64_t timer_ns; /* what timer_fd is set to */
	uint64_t pause_until_ns;
	uint64_t loss_ns;  /* remote, not live: given up then; 0: not now, or never */
	bool loss_goes_on; /* and live; the multipath controller above ends it when it is of use */
	bool function_reset;	  /* pcie: ops->quiesce() is to reset the idle function, too */
	uint64_t settle_until_ns; /* pcie: after NSSR no register need answer until then */
	void *sync_buf; /* 4 KiB like step_buf, for nvmh_identify() and nvmh_get_log(); allocated
			   where the transport left it NULL */
	void *sync_buf_owned;

	/* bring-up */
	const struct nvmh_step *step;
	uint64_t step_deadline_ns;
	uint64_t step_again_ns; /* poll a register again then */
	uint64_t step_start_ns;
	uint32_t step_index; /* position within a step: which queue, which namespace */
	struct nvmh_req step_req;
	struct iovec step_iov;
	uint8_t step_req_state; /* 0: idle, 1: sent, 2: answered */
	bool step_req_stale;	/* whoever sent it does not wait for the answer any more */
	void *step_buf; /* 4 KiB of memory the controller reaches: from the transport's admin buffer
			 */
	uint32_t resets;	   /* failures in a row */
	uint32_t ready_timeout_ms; /* from CAP.TO and CRTO.CRWMT */
	struct nvmh_scan scan;
	struct nvmh_rescan rescan;
	struct nvmh_recover recover;
	struct nvmh_aen aen;
	/* a notice came, with that event information; for the multipath controller above. The
	 * controller's thread. NULL: nobody */
	void (*on_notice)(struct nvmh_ctrl *ctrl, uint8_t info);
	struct nvmh_keep_alive keep_alive;
	struct nvmh_discovery *discovery; /* owned; NULL: not by nvmh_discovery_open() */

	struct nvmh_power power;
	uint32_t quirks; /* enum nvmh_quirk, from opening on */
	uint64_t cap;
	uint32_t vs;
	uint32_t cc;
	uint16_t cntlid;
	_Atomic uint32_t max_xfer; /* with several paths lowered while owners read it */
	struct nvme_id_ctrl id;
	struct nvmh_queue adminq;
	struct nvmh_queue *ioq; /* opts.nr_io_queues of them, for life */
	uint16_t nr_ioq;	/* granted */
	struct nvmh_ns **ns;	/* each the ns of a struct nvmh_ns_snap */
	uint32_t nr_ns;
};

void nvmh_ctrl_kick(struct nvmh_ctrl *ctrl); /* any thread */
/* nvmh_ctrl_watch() - nvmh_ctrl_fd() is readable when @fd is; harmless with -1. Return: 0, -errno. */
int nvmh_ctrl_watch(struct nvmh_ctrl *ctrl, int fd);
/* nvmh_fd_drain() - empties an eventfd or timerfd; harmless with -1. Return: it was readable. */
bool nvmh_fd_drain(int fd);
/* nvmh_ctrl_lost() - any thread: asks for a reset and says why; the first of several is kept */
void nvmh_ctrl_lost(struct nvmh_ctrl *ctrl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* nvmh_error() - notes what nvmh_strerror() will say; returns @err */
int nvmh_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* HOST_CTRL_H */
