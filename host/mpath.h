/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the multipath controller: an nvmh_ctrl whose transport is other controllers, the paths.
 * Not installed.
 *
 * Two kinds of threads, no lock. The controller's thread opens, watches and closes the paths, knows
 * what their namespaces are, and ends their associations for good (fences). The owner of I/O queue
 * i owns queue i of every path. It sees of the former only what is atomic here: which slots hold a
 * usable path, how a path reaches a namespace, which associations are fenced.
 *
 * Files: mpath.c (the controller, its ops), mpath_path.c (the life of one path), mpath_ns.c
 * (namespaces of all paths), mpath_ana.c (the ANA log), mpath_fence.c (when a lost controller is
 * known to be quiet), mpath_queue.c (the data plane), mpath_retry.c (what becomes of a command that
 * a path did not do).
 */
#ifndef HOST_MPATH_H
#define HOST_MPATH_H

#include "host/ctrl.h"

enum {
	MPATH_KATO_MS = 5000, /* where the caller asks for none: a lost host must be noticed */
	MPATH_MAX_TRIES = 5,  /* repetitions of a command that a controller answers with an error */
	/* of one that is answered with an ANA status though the ANA log lets it be sent; and when
	 * fast_io_fail_ms is over: every path may have said so once */
	MPATH_MAX_ANA_TRIES = 100,
	MPATH_FAIL_ANA_TRIES = NVMH_MAX_PATHS,
	MPATH_MAX_LOSSES = 16,	/* under one command: it may be what the target does not survive */
	MPATH_RETRY_MS = 100,	/* before it, where the controller names no delay */
	MPATH_NS_HASH = 2048,	/* twice MAX_DRIVE_NS: a quarter of 64 KiB */
	MPATH_MAX_FENCES = 4,	/* lost associations of one slot that are not quiet yet */
	MPATH_DRAIN_MS = 30000, /* a path that is removed may take to finish */
	MPATH_NO_SLOT = NVMH_MAX_PATHS,
	MPATH_ERROR_TEXT = 480,
};

static_assert(MPATH_NS_HASH >= 2 * MAX_DRIVE_NS, "a probe soon finds a free place");

struct mpath;

/* ---- namespaces ---- */

/* A namespace that some path has or had; never freed before the controller is. */
struct mpath_ns {
	uint32_t nsid;
	_Atomic uint8_t state[NVMH_MAX_PATHS]; /* enum nvme_ana_state; 0: not through this slot */
	/* the controller's thread */
	struct nvmh_ns *ns; /* what it is, owned */
	/* as that path had it when looked at, only to be compared: a change makes a new one */
	const struct nvmh_ns *seen[NVMH_MAX_PATHS];
	bool refused[NVMH_MAX_PATHS]; /* it is another namespace there */
};

/* ---- paths ---- */

enum mpath_path_state {
	MPATH_DOWN, /* not live, or not checked yet: may come */
	MPATH_UP,
	MPATH_DRAIN,  /* being removed: no new commands */
	MPATH_LEAVE,  /* its controller is being shut down */
	MPATH_FORGET, /* owners are asked to let go of it */
	MPATH_DEAD,   /* its controller was given up */
};

struct mpath_ana_entry {
	uint32_t nsid;
	uint8_t state;
};

/* How a path's controller reaches its namespaces (host/mpath_ana.c). The controller's thread. */
struct mpath_ana {
	_Atomic bool used; /* the controller reports it, in a way that we can read */
	_Atomic bool want; /* read the log; also set by owners */
	bool busy;	   /* a piece of the log is on its way */
	bool stale;	   /* the answer does not count: the association is another */
	uint8_t tries;	   /* readings in a row that failed */
	uint64_t after_ns;
	uint64_t change_ns; /* since when some namespace is in the change state; 0: none is */
	struct nvmh_req req;
	struct iovec iov;
	uint8_t *log; /* owned */
	uint32_t log_size;
	uint32_t off;			 /* bytes read */
	struct mpath_ana_entry *entries; /* by nsid, owned */
	uint32_t nr_entries;
};

struct mpath_path {
	struct mpath *mp;
	struct nvmh_ctrl *ctrl; /* owned */
	uint8_t slot;
	_Atomic uint8_t state;	       /* enum mpath_path_state */
	_Atomic uint16_t nr_ioq;       /* granted */
	_Atomic uint16_t crdt_ms10[3]; /* CRDT1..3, in 100 ms */
	struct mpath_ana ana;
	/* the controller's thread */
	bool live;    /* was told so by its controller */
	bool checked; /* and it is of our subsystem */
	uint32_t nr_ns;
	uint64_t deadline_ns;	       /* of DRAIN */
	uint64_t turns[MAX_IO_QUEUES]; /* of the owners, when DRAIN or FORGET began */
};

/* An association that was lost: its controller may still execute what it got. */
struct mpath_fence {
	uint32_t assoc;
	uint64_t until_ns; /* quiet by then, whatever else happens */
	uint16_t cntlid;
	uint8_t ciu; /* 0: it cannot be reset by another */
	uint64_t cirn;
	uint64_t tried; /* slots that did not help, a bit each */
};

enum mpath_ccr_stage {
	MPATH_CCR_IDLE,
	MPATH_CCR_SENT, /* the command, or a read of its log page, is on its way */
	MPATH_CCR_ANSWERED,
	MPATH_CCR_WAIT, /* until the log page is read the next time */
};

/* The fence that a slot is working on, over the path in @over. */
struct mpath_ccr {
	uint8_t stage; /* enum mpath_ccr_stage */
	bool log;      /* the log page, not the command */
	uint8_t over;
	uint32_t over_assoc;
	uint64_t again_ns;
	struct nvmh_req req;
	struct iovec iov;
	uint8_t *page; /* owned */
};

/* What outlives the path in it. */
struct mpath_slot {
	_Atomic(struct mpath_path *) path;	    /* for owners; NULL: they do not know of it */
	struct mpath_path *own;			    /* the controller's thread */
	_Atomic uint32_t fenced;		    /* every association up to this one is quiet */
	uint32_t next_assoc;			    /* the count goes on for the next path */
	struct mpath_fence fence[MPATH_MAX_FENCES]; /* oldest first */
	uint8_t nr_fences;
	struct mpath_ccr ccr;
};

/* ---- requests ---- */

/* A request of the caller, by tag: the command for the path it is tried on. The owner's. */
struct mpath_io {
	_Alignas(NVMH_LINE_BYTES) struct nvmh_req child;
	struct mpath_queue *mq;
	struct nvmh_req *req;
	struct list link;    /* held */
	struct mpath_ns *ns; /* NULL: of none that we know */
	uint64_t seq;
	uint64_t since_ns;	/* held for the first time; 0: never */
	uint64_t not_before_ns; /* 0: at once */
	uint32_t assoc;		/* it was sent with */
	uint16_t status;	/* of the last try; 0: none */
	uint16_t avoid;		/* slots that failed it, a bit each */
	uint8_t slot;
	uint8_t tries;
	uint8_t ana_tries;
	uint8_t losses; /* of the paths that it was sent over */
	bool fenced;	/* to wait until @assoc of @slot is quiet */
	bool once;	/* not to be sent again, and fails then */
	bool cancelled;
};

struct mpath_queue {
	_Alignas(NVMH_LINE_BYTES) struct mpath *mp;
	struct nvmh_queue *q;
	int epoll_fd;	      /* nvmh_queue_fd(): event_fd and those of the paths' queues */
	struct mpath_io *ios; /* by tag, owned */
	struct list held;     /* by seq */
	struct mpath_ns *last_ns;
	uint64_t next_seq;
	uint32_t dirty;	  /* slots with commands that are not committed, a bit each */
	uint32_t nr_done; /* requests completed by the current poll */
	uint32_t seen;	  /* mp->news at the last pump */
	uint8_t last_slot;
	bool pumping;
	bool crowded;		/* something is held for want of room on the paths */
	bool untried;		/* and something else behind it, that may have a path with room */
	_Atomic uint64_t turns; /* polls begun */
	_Atomic uint32_t out[NVMH_MAX_PATHS]; /* outstanding, by slot */
	_Atomic uint64_t ios_sent[NVMH_MAX_PATHS];
	_Atomic uint64_t failed_over[NVMH_MAX_PATHS];
};

struct mpath {
	struct nvmh_ctrl *ctrl;
	struct nvmh_mpath_opts opts;
	const struct nvmh_transport_ops *path_ops; /* NULL: as trtype says */
	struct mpath_slot slot[NVMH_MAX_PATHS];
	_Atomic uint8_t nr_slots;   /* in use, or were */
	struct mpath_queue *queues; /* [0] admin, then ctrl->opts.nr_io_queues */
	bool set_up;		    /* the first live path told how large things are */
	bool ns_dirty;
	bool wake;	       /* owners may have something to do */
	_Atomic uint32_t news; /* counts those times */
	uint32_t nr_entries;
	_Atomic(struct mpath_ns *) ns[MPATH_NS_HASH];
};

static inline struct mpath *mpath_of(const struct nvmh_ctrl *ctrl)
{
	return ctrl->tr;
}

static inline struct mpath_path *mpath_path_at(struct mpath *mp, uint32_t slot)
{
	return atomic_load(&mp->slot[slot].path);
}

/* Whether the path takes part as far as its controller goes: live, checked, ANA log read. */
bool nvmh_mpath_path_ready(const struct mpath_path *path);

static inline bool mpath_path_is(const struct mpath_path *path, enum mpath_path_state state)
{
	return atomic_load_explicit(&path->state, memory_order_acquire) == state;
}

/* mpath.c */
extern const struct nvmh_transport_ops nvmh_mpath_ops;
/* nvmh_mpath_open_with() - nvmh_mpath_open() with other operations than the paths' trtype says */
int nvmh_mpath_open_with(const struct nvmh_ctrl_opts *paths, uint16_t nr_paths,
			 const struct nvmh_mpath_opts *opts,
			 const struct nvmh_transport_ops *path_ops, struct nvmh_ctrl **ctrlp);

/* mpath_path.c: the controller's thread */
int nvmh_mpath_path_open(struct mpath *mp, const struct nvmh_ctrl_opts *opts, uint8_t slot);
void nvmh_mpath_path_free(struct mpath_path *path);		   /* closes its controller */
int nvmh_mpath_path_run(struct mpath_path *path, uint64_t now_ns); /* may free it. Return: work */
/* nvmh_mpath_path_refuse() - its controller is of no use as it is: says why, and it is reset */
void nvmh_mpath_path_refuse(struct mpath_path *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* mpath_ns.c */
/* nvmh_mpath_ns_update() - the namespaces of all paths, told to the controller. Controller's thread. */
void nvmh_mpath_ns_update(struct mpath *mp);
/* nvmh_mpath_ns_find() - any thread. Return: NULL: no path has or had it. */
struct mpath_ns *nvmh_mpath_ns_find(struct mpath *mp, uint32_t nsid);
/* nvmh_mpath_ns_somewhere() - any thread. Return: some path has it, in whatever ANA state. */
bool nvmh_mpath_ns_somewhere(const struct mpath *mp, const struct mpath_ns *ns);
void nvmh_mpath_ns_free(struct mpath *mp);

/* mpath_ana.c: the controller's thread */
void nvmh_mpath_ana_start(struct mpath_path *path); /* its controller is live */
void nvmh_mpath_ana_stop(struct mpath_path *path);  /* and is not any more */
void nvmh_mpath_ana_run(struct mpath_path *path, uint64_t now_ns);
bool nvmh_mpath_ana_known(const struct mpath_path *path);
uint8_t nvmh_mpath_ana_of(const struct mpath_path *path, uint32_t nsid);
void nvmh_mpath_ana_free(struct mpath_path *path);
/*
 * nvmh_mpath_ana_parse() - an ANA log of @len bytes, from outside
 * @entriesp: the namespaces by ascending NSID, *@nrp of them, to be freed by the caller.
 * Return: 0; -EPROTO, malformed (nvmh_strerror() says how); -ENOMEM.
 */
int nvmh_mpath_ana_parse(const uint8_t *log, uint32_t len, const struct nvme_id_ctrl *id,
			 struct mpath_ana_entry **entriesp, uint32_t *nrp);

/* mpath_fence.c: the controller's thread */
void nvmh_mpath_fence_begin(struct mpath_path *path); /* its association was lost just now */
/* nvmh_mpath_fence_renew() - and it was still connected until just now */
void nvmh_mpath_fence_renew(struct mpath_path *path);
void nvmh_mpath_fence_run(struct mpath *mp, uint8_t slot, uint64_t now_ns);
void nvmh_mpath_fence_free(struct mpath *mp);

/* mpath_queue.c: the queue's owner */
int nvmh_mpath_queue_init(struct mpath *mp, struct nvmh_queue *q);
int nvmh_mpath_queue_size(struct mpath_queue *mq, uint16_t size); /* the controller's thread */
void nvmh_mpath_queue_done(struct mpath_queue *mq);
int nvmh_mpath_queue_submit(struct nvmh_queue *q, struct nvmh_req *req);
void nvmh_mpath_queue_commit(struct nvmh_queue *q);
int nvmh_mpath_queue_poll(struct nvmh_queue *q);
int nvmh_mpath_queue_arm(struct nvmh_queue *q);
int nvmh_mpath_queue_fd(struct nvmh_queue *q);
void nvmh_mpath_queue_release(struct nvmh_queue *q);
int nvmh_mpath_queue_cancel(struct nvmh_queue *q, struct nvmh_req *req);
void nvmh_mpath_queue_wipe(struct nvmh_queue *q);
/* nvmh_mpath_io_send() - to the best path. Return: 0; -ENOTCONN, no path is usable now; -EAGAIN,
 * those that are have no room; -EINVAL, they cannot take it. */
int nvmh_mpath_io_send(struct mpath_queue *mq, struct mpath_io *io);
/* nvmh_mpath_io_end() - the caller's request is completed; @cqe NULL: with zeroes */
void nvmh_mpath_io_end(struct mpath_queue *mq, struct mpath_io *io, uint16_t status,
		       const struct nvme_cqe *cqe);

/* mpath_retry.c: the queue's owner */
/* nvmh_mpath_retry() - the path answered, or was lost. Return: the request is held; false: that is
 * the answer */
bool nvmh_mpath_retry(struct mpath_queue *mq, struct mpath_io *io);
void nvmh_mpath_hold(struct mpath_queue *mq, struct mpath_io *io);
void nvmh_mpath_pump(struct mpath_queue *mq); /* sends or ends what is held and may be */

#endif /* HOST_MPATH_H */
