/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libnvmh: NVMe controllers and queues, local (PCIe through VFIO) or remote (NVMe/TCP), by one API.
 *
 * A controller belongs to the thread that calls its functions (one at a time); it does its work in nvmh_ctrl_process(), to be called when
 * nvmh_ctrl_fd() is readable. Each I/O queue belongs to the one thread that submits to and polls it, which may be another.
 * No threads, no event loop, no signals, no globals of ours.
 */
#ifndef NVMH_H
#define NVMH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/nvme.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nvmh_ctrl;
struct nvmh_queue;
struct nvmh_ns;

/* ---- controllers ---- */

enum nvmh_state {
	NVMH_NEW, /* bring-up has not finished for the first time */
	NVMH_LIVE,
	NVMH_RESETTING,	 /* being stopped and started again */
	NVMH_CONNECTING, /* remote: lost, trying again */
	NVMH_DELETING,
	NVMH_DEAD, /* given up; only nvmh_ctrl_close() is left */
};

enum {
	NVMH_NO_HMB = -1, /* nvmh_ctrl_opts.hmb_mib */
};

#define NVMH_NO_LIMIT UINT32_MAX /* of a time limit: for ever */

struct nvmh_ctrl_opts {
	const char *trtype;    /* "pcie" or "tcp" */
	const char *traddr;    /* "0000:01:00.0", or a literal IPv4 or IPv6 address */
	const char *trsvcid;   /* tcp: port, default "4420" */
	const char *subnqn;    /* tcp */
	const char *hostnqn;   /* tcp; NULL: the system's, else one generated for this process */
	const uint8_t *hostid; /* tcp; 16 bytes; NULL: the system's, or the UUID within hostnqn */
	uint16_t nr_io_queues; /* wanted, 0..MAX_IO_QUEUES; fewer may be granted */
	uint16_t queue_size; /* entries of an I/O queue, 2..MAX_QUEUE_ENTRIES; 0: 128; cut to what the controller takes */
	uint32_t kato_ms;	   /* tcp: keep alive timeout; 0: none */
	uint32_t admin_timeout_ms; /* 0: 60000 */
	uint32_t io_timeout_ms;	   /* 0: 30000. For both see nvmh_queue_poll() */
	bool hdgst;
	bool ddgst;
	bool disable_sqflow;
	bool use_cmb; /* pcie: I/O submission queues in the controller memory buffer, where it has one for them */
	uint32_t hmb_mib; /* pcie: most memory lent to a drive that asks for it; 0: 128, NVMH_NO_HMB: none */
	const char *tcp_congestion; /* tcp: congestion control, like "reno"; NULL: the system's */
	const char *host_traddr; /* tcp: literal address to connect from; NULL: the system chooses */
	const char *host_iface;	 /* tcp: network interface to use, like "eth1"; NULL: by routes */
	uint8_t tos; /* tcp: type of service or traffic class, the whole byte; 0: the system's */
	/*
	 * tcp: a lost controller is tried again at once, then after so long, and each time after twice as long as before up to 10 s, or always
	 * after this where it is more; 0: 1000
	 */
	uint32_t reconnect_delay_ms;
	/*
	 * tcp: tried again for so long since it was live (or opened), then it is NVMH_DEAD; 1: not at all, NVMH_NO_LIMIT: for ever; 0: 600000.
	 * A refusal for good makes it NVMH_DEAD at once: an error with DNR; before it was live, also a Connect command that is refused for what it
	 * says (host, subsystem, a parameter), not one to a controller that is busy.
	 */
	uint32_t ctrl_loss_ms;
	/* The state changed (also told by nvmh_ctrl_state()); runs in the controller's thread, inside nvmh_ctrl_process(). May be NULL. */
	void (*on_state)(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg);
	void *arg;
	/*
	 * A namespace came, changed or went (@ns NULL) since the controller was first live: found by a rescan or a reset. Runs in the controller's
	 * thread, inside nvmh_ctrl_process(), with nvmh_ctrl_ns() as it is now. May be NULL. @arg as above.
	 */
	void (*on_ns)(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg);
	/*
	 * The controller reported an event; @dw0 is dword 0 of the completion: type in bits 2:0, information in 15:8, log page in 23:16. All events that
	 * the controller knows are asked for then, else those that the library acts on. It has read the log page, which clears the event; a
	 * persistent internal error (2:0 are 0, 15:8 are 3) it answers with a reset instead. Runs in the controller's thread, inside
	 * nvmh_ctrl_process(); may submit commands. May be NULL. @arg as above.
	 */
	void (*on_event)(struct nvmh_ctrl *ctrl, uint32_t dw0, void *arg);
};

/**
 * nvmh_ctrl_open() - start to bring a controller up
 * @opts: read during the call only, strings are copied.
 * @ctrlp: the controller in state NVMH_NEW; close it with nvmh_ctrl_close().
 *
 * Does not wait: drive it with nvmh_ctrl_process(), or use nvmh_ctrl_wait().
 *
 * Return: 0; -EINVAL, an option (nvmh_strerror() names it); for pcie also -ENODEV (no such
 *	function), -ENXIO (not bound to vfio-pci), -EBUSY (in use, or the IOMMU group holds a
 *	device with another driver), -ENOTSUP (no IOMMU), -EACCES/-EPERM (no permission on the
 *	VFIO group), -ENOMEM (locked-memory limit).
 */
int nvmh_ctrl_open(const struct nvmh_ctrl_opts *opts, struct nvmh_ctrl **ctrlp);

/* A transport string, parsed. What @opts points to, texts and hostid, lies in @priv. */
struct nvmh_transport {
	struct nvmh_ctrl_opts opts; /* free to be changed: nr_io_queues, on_state ... */
	uint32_t nsid;		    /* 0: not named */
	uint32_t fast_io_fail_ms; /* of nvmh_mpath_opts; 0: not named; NVMH_NO_LIMIT: -1 was said */
	void *priv;
};

/**
 * nvmh_transport_parse() - read "trtype=tcp traddr=192.0.2.1 subnqn=nqn..." or "trtype=pcie traddr=0000:01:00.0"
 * @text: words "key=value" or "key:value", at most 4096 bytes, separated by blanks or commas. nvmh_transport(3) lists the keys: those of
 *	nvme connect, of the kernel's fabrics options and of SPDK's transport IDs, in their spellings.
 * @tr: written on success only; nvmh_transport_done() frees what it holds.
 *
 * Nothing is looked up and nothing connected. What the string does not name is 0 or NULL in @tr->opts: nr_io_queues usually is the
 * caller's to set. subnqn is not asked for here, since nvmh_discover() does without.
 *
 * Context: any thread.
 * Return: 0; -EINVAL, nvmh_strerror() names the key, its value, and what it may be; -ENOMEM.
 */
int nvmh_transport_parse(const char *text, struct nvmh_transport *tr);
/* nvmh_transport_done() - free; @tr is all 0 then, and may have been. Controllers made from it keep nothing of it. */
void nvmh_transport_done(struct nvmh_transport *tr);

/**
 * nvmh_strerror() - what went wrong with the last failing call of this thread, and what to do about it
 *
 * Of any that returns -errno but those that submit or cancel without waiting: theirs say what they mean.
 * Return: one line, never NULL, valid until the next call into the library by this thread.
 */
const char *nvmh_strerror(void);

/* How much a message matters. */
enum nvmh_log_level {
	NVMH_LOG_ERROR,
	NVMH_LOG_WARNING,
	NVMH_LOG_NOTICE,
	NVMH_LOG_INFO,
	NVMH_LOG_DEBUG,
};
typedef void nvmh_log_fn(enum nvmh_log_level level, const char *text, void *arg);
/**
 * nvmh_set_log() - where messages go: what happens besides the failure of a call
 * @most: the last level that is told; NVMH_LOG_WARNING before this is called.
 * @fn: gets each message, one line of at most 1023 bytes without its end, in the thread where it happens. It calls nothing of the library.
 *	NULL: to the standard error output.
 * @arg: for @fn.
 *
 * For the whole process, and all that uses the library in it. What others can cause is told a few times in a few seconds at most.
 *
 * Context: while no other thread uses the library.
 */
void nvmh_set_log(enum nvmh_log_level most, nvmh_log_fn *fn, void *arg);
/* nvmh_status_str() - the specification's name of an NVMe status, as in nvmh_req.status; static text. Any thread. */
const char *nvmh_status_str(uint16_t status);
/* nvmh_ctrl_error() - why the controller is not live, one line; "" when it is. Context: controller's thread. */
const char *nvmh_ctrl_error(const struct nvmh_ctrl *ctrl);

int nvmh_ctrl_fd(
	const struct nvmh_ctrl
		*ctrl); /* readable when nvmh_ctrl_process() has something to do (timers too) */
int nvmh_ctrl_process(struct nvmh_ctrl *ctrl); /* never blocks. Return: amount of work done */
/* nvmh_ctrl_wait() - process until live. Return: 0, -ETIMEDOUT, or the error that made it dead. */
int nvmh_ctrl_wait(struct nvmh_ctrl *ctrl, int timeout_ms);
enum nvmh_state nvmh_ctrl_state(const struct nvmh_ctrl *ctrl); /* any thread */
const char *nvmh_state_name(enum nvmh_state state);

/*
 * nvmh_ctrl_reset() - begin to stop the controller, complete everything outstanding with ST_HOST_ABORTED, bring it up again. Each I/O queue's owner takes
 * part by polling. Where one thread owns the controller and queues, nvmh_ctrl_process() does the queues' part too.
 * Return: 0, -EBUSY (not live now: coming up, or a reset is under way), -ENOTCONN (dead or being deleted).
 */
int nvmh_ctrl_reset(struct nvmh_ctrl *ctrl);
/**
 * nvmh_ctrl_subsystem_reset() - reset the whole NVM subsystem: 4E564D65h ("NVMe") into NSSR, then as nvmh_ctrl_reset()
 *
 * Every controller of the subsystem is reset, other hosts' too. What follows for a PCIe function may include a lost link: its registers are given
 * time to come back, and the function is reset and set up anew.
 *
 * Context: the controller's thread. Spec: NVMe Base 2.x, "NVM Subsystem Reset".
 * Return: 0; -ENOTSUP, CAP.NSSRS is 0 or the controller is remote (nvmh_strerror() says which); -EBUSY and -ENOTCONN as nvmh_ctrl_reset();
 *	-errno, the register could not be written.
 */
int nvmh_ctrl_subsystem_reset(struct nvmh_ctrl *ctrl);
/**
 * nvmh_ctrl_rescan() - look at the controller's namespaces anew
 *
 * Does not wait and does not disturb I/O: nvmh_ctrl_process() does it, at most once a second; what changed is told by on_ns. A rescan that finds
 * errors is tried again a few times, then logged; the namespaces stay as they were. The controller's own notice (Namespace Attribute Changed) starts
 * one too.
 *
 * Context: the controller's thread.
 * Return: 0; -EBUSY, not live now (a bring-up ends with a scan anyway); -ENOTCONN, dead or being deleted.
 */
int nvmh_ctrl_rescan(struct nvmh_ctrl *ctrl);
/* nvmh_ctrl_rescanning() - whether a rescan was asked for and is not finished. Context: the controller's thread. */
bool nvmh_ctrl_rescanning(const struct nvmh_ctrl *ctrl);
/*
 * nvmh_ctrl_shutdown() - start an orderly stop (CC.SHN): NVMH_DELETING now, NVMH_DEAD when it is done. Several controllers can so be stopped at
 * the same time; nvmh_ctrl_close() does it by itself. Queue owners have stopped submitting.
 */
void nvmh_ctrl_shutdown(struct nvmh_ctrl *ctrl);
/*
 * nvmh_ctrl_close() - orderly stop, waited for within bounds (RTD3E, CAP.TO), then free. Queue owners have stopped using their queues; what is
 * outstanding completes with ST_HOST_ABORTED in here, on_state does not run any more. NULL is allowed. Not from within a callback.
 */
void nvmh_ctrl_close(struct nvmh_ctrl *ctrl);

/**
 * nvmh_ctrl_mem_map() - let the controller reach [base, base + len): buffers of requests must lie in mapped memory (pcie)
 * Kept across resets, undone by nvmh_ctrl_close(). No effect on remote controllers. Each buffer lies within one such area.
 * Return: 0, -EINVAL (not page aligned), -ENOMEM (locked-memory limit), -ENOSPC (no IOVA room), -EEXIST (overlaps an area mapped before),
 *	-ENODEV (the device was cut off). nvmh_strerror() says what to do.
 */
int nvmh_ctrl_mem_map(struct nvmh_ctrl *ctrl, void *base, size_t len);

/* ---- what the controller is; valid while it is live or resetting ---- */

struct nvmh_ns {
	uint32_t nsid;
	uint32_t lba_size; /* bytes */
	uint32_t ms;	   /* metadata bytes per block */
	uint64_t nsze;	   /* blocks */
	uint64_t ncap;
	bool ext_lba;	 /* metadata at the end of each block */
	uint8_t pi_type; /* protection information: 0 none, 1..3 */
	uint8_t pi_size; /* its bytes within the metadata: 8, or 16 with a guard of 32 or 64 bits */
	bool pi_first;	 /* it is the metadata's first bytes, else its last */
	uint8_t csi;	 /* command set: NVME_CSI_NVM, NVME_CSI_ZNS */
	uint32_t noiob;	 /* blocks: I/O across a multiple of it is slower; 0: none known */
	/* zoned (NVME_CSI_ZNS), else 0 */
	uint64_t zsze;		  /* blocks from one zone's start to the next */
	uint32_t zone_max_open;	  /* 0: no limit */
	uint32_t zone_max_active; /* 0: no limit */
	uint32_t zone_max_append; /* bytes of one Zone Append */
	uint8_t eui64[8];	  /* all zero: none */
	uint8_t nguid[16];
	uint8_t uuid[16];
	struct nvme_id_ns id; /* as the controller sent it, but for what is known to be wrong */
};

const struct nvme_id_ctrl *nvmh_ctrl_id(const struct nvmh_ctrl *ctrl);
uint64_t nvmh_ctrl_cap(const struct nvmh_ctrl *ctrl);
uint32_t nvmh_ctrl_max_xfer(
	const struct nvmh_ctrl *ctrl); /* bytes of one command, from MDTS and our own bounds */
uint32_t nvmh_ctrl_nr_ns(const struct nvmh_ctrl *ctrl);
/*
 * The namespaces as the last scan found them, by ascending NSID. A description never changes: a namespace that does (size, format, identity, any
 * attribute but its utilization) gets a new one, and on_ns is told. An old description stays readable until nvmh_ctrl_close(), or until MAX_OLD_NS
 * later ones of the controller were replaced; at least through the change after its own.
 * Context: these three, the controller's thread; what they point to, any thread.
 */
const struct nvmh_ns *nvmh_ctrl_ns(const struct nvmh_ctrl *ctrl, uint32_t index);
const struct nvmh_ns *nvmh_ctrl_ns_by_nsid(const struct nvmh_ctrl *ctrl, uint32_t nsid);
const char *
nvmh_ctrl_name(const struct nvmh_ctrl *ctrl); /* "pcie 0000:01:00.0", "tcp 127.0.0.1:4420 nqn..." */

/* ---- requests ---- */

enum nvmh_dir {
	NVMH_NO_DATA,
	NVMH_TO_CTRL,
	NVMH_FROM_CTRL,
};

struct nvmh_req {
	struct nvme_sqe
		sqe; /* caller: opcode, nsid, cdw2, cdw3, cdw10..15. Library: flags, cid, mptr, dptr */
	/*
	 * Data, borrowed until done. While a read is outstanding its memory may hold anything that
	 * came over the connection, other commands' data included, and the library relies on what
	 * lies there: nobody who is trusted less than the process may be able to write to it. It
	 * stays mapped until done. What a tcp controller did not send of a read that fails is
	 * zeroes.
	 */
	const struct iovec *iov;
	uint16_t nr_iov;
	uint8_t dir;	     /* enum nvmh_dir */
	uint32_t len;	     /* bytes of data, sum of @iov */
	uint32_t timeout_ms; /* 0: the controller's default */
	/*
	 * pcie: metadata of a namespace that has it apart from the blocks (!ext_lba), nlb * ms bytes
	 * at a multiple of 4 within mapped memory; borrowed until done. NULL and 0: none. Where
	 * ext_lba is set, data and metadata lie in @iov, block by block.
	 */
	void *md;
	uint32_t md_len;
	void (*done)(struct nvmh_req
			     *req); /* runs once, inside nvmh_queue_poll() or nvmh_ctrl_process() */
	void *arg;		    /* caller's */
	/* the answer */
	uint16_t status; /* 0 or an NVMe status; ST_HOST_ABORTED, ST_HOST_PATH_ERROR: the queue was lost under it */
	struct nvme_cqe cqe;
	/* the library's, while the request is outstanding */
	uint16_t tag;
	uint8_t state;
	uint64_t deadline_ns;
	uint64_t priv[2];
};

/**
 * nvmh_admin_submit() - start one admin command
 * Context: the controller's thread. Return: 0 and req->done runs exactly once; -EAGAIN, queue full; -ENOTCONN, no admin queue now;
 *	-EINVAL, the data cannot be described.
 */
int nvmh_admin_submit(struct nvmh_ctrl *ctrl, struct nvmh_req *req);
/* nvmh_admin() - the same, and wait. req->done is ignored. Return: 0, -errno, or > 0 an NVMe status. */
int nvmh_admin(struct nvmh_ctrl *ctrl, struct nvmh_req *req);

/* ---- I/O queues ---- */

uint16_t nvmh_ctrl_nr_queues(const struct nvmh_ctrl *ctrl); /* granted; valid when live */
/* nvmh_ctrl_queue() - I/O queue @index, 0..nr_queues - 1. The same pointer for the controller's whole life. */
struct nvmh_queue *nvmh_ctrl_queue(struct nvmh_ctrl *ctrl, uint16_t index);

/**
 * nvmh_queue_submit() - start one command
 * @q: a queue that the calling thread owns.
 * @req: belongs to the library until req->done runs, and so does its memory: see struct nvmh_req.
 *
 * Never blocks, never allocates. The command reaches the controller at the next nvmh_queue_commit().
 * Return: 0 and req->done runs exactly once; -EAGAIN, queue full; -ENOTCONN, the queue is not live; -EINVAL, a length, an alignment or memory that
 *	the controller cannot take. On error req->done does not run.
 */
int nvmh_queue_submit(struct nvmh_queue *q, struct nvmh_req *req);
void nvmh_queue_commit(
	struct nvmh_queue *q); /* one doorbell, or one send, for everything submitted since */
/*
 * nvmh_queue_poll() - complete what is complete; also takes part in a reset and checks deadlines. Return: completions.
 *
 * A command that is not answered within its time is completed as soon as that is safe for its memory, with ST_HOST_ABORTED, on the first rung that
 * helps: (pcie) an Abort command; its queue is deleted and made anew, which is not live meanwhile (other queues go on); then for the whole controller:
 * reset, reset of the PCI function, cut off from memory and NVMH_DEAD.
 */
int nvmh_queue_poll(struct nvmh_queue *q);
/**
 * nvmh_queue_cancel() - ask the controller to give up one outstanding command
 * @q: the queue @req was submitted to, owned by the calling thread.
 * @req: any request, outstanding or not.
 *
 * An Abort command is sent for it, after what was submitted before; nvmh_ctrl_process() has to run for that. The request ends once and as without
 * this call inside nvmh_queue_poll(): with ST_ABORT_REQ if the controller aborted it, and with its own answer if that was earlier or the controller
 * does not care; then this may be called again. Its memory is in use until it has ended. Until the Abort is answered, its place in the queue is not
 * used again.
 *
 * Spec: NVMe Base 2.x, "Abort command".
 * Return: 0, it is asked for, now or when earlier ones of the queue are answered; -ENOENT, @req is not outstanding on @q: it has ended.
 */
int nvmh_queue_cancel(struct nvmh_queue *q, struct nvmh_req *req);
/* nvmh_admin_cancel() - the same for a request of nvmh_admin_submit(). Context: the controller's thread. */
int nvmh_admin_cancel(struct nvmh_ctrl *ctrl, struct nvmh_req *req);
/*
 * nvmh_queue_fd() - readable when poll has work, after nvmh_queue_arm(). The same descriptor for the queue's whole life. A local drive with fewer
 * interrupts than queues needs the controller's thread for that: nvmh_ctrl_process() when nvmh_ctrl_fd() is readable.
 */
int nvmh_queue_fd(struct nvmh_queue *q);
/*
 * nvmh_queue_arm() - about to sleep on the descriptor: enables it, looks once more. That is good for one sleep: after any poll, submit or commit,
 * arm again before the next. Return: > 0 when there is work and no sleep is due.
 */
int nvmh_queue_arm(struct nvmh_queue *q);
/*
 * nvmh_queue_release() - its owner gives @q up with nothing outstanding: resets do not wait for it to poll any more. The next thread to submit or
 * poll is the new owner.
 */
void nvmh_queue_release(struct nvmh_queue *q);
uint16_t nvmh_queue_room(const struct nvmh_queue *q); /* commands that can be submitted now */
bool nvmh_queue_live(const struct nvmh_queue *q);

/* ---- typed helpers ---- */

/*
 * nvmh_prep_*() fill in what a request's command is: ->sqe, data, direction, and no metadata. ->timeout_ms, ->done and ->arg stay the caller's. Then
 * nvmh_queue_submit() or nvmh_io(), or nvmh_admin_submit() or nvmh_admin() for those of the admin queue. Any thread. They check nothing that the
 * controller or submission checks; what their text bounds is asserted: it would not fit its field. Where there are data: @iov, borrowed like
 * nvmh_req.iov, @len bytes in @nr_iov pieces. Blocks: @nlb from @slba on, @nlb 1..65536.
 * Spec: NVM Command Set; NVMe Base for flush, reservations and admin commands; Zoned Namespace Command Set.
 */
/* Read, Write and others alike: @opcode nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare ... */
void nvmh_prep_rw(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const struct iovec *iov, uint16_t nr_iov, uint32_t len);
#define NVMH_DEAC (UINT32_C(1) << 25) /* Write Zeroes: deallocate the blocks */
#define NVMH_FUA  (UINT32_C(1) << 30) /* force unit access: not from, or only to, a volatile cache */
#define NVMH_LR	  (UINT32_C(1) << 31) /* limited retry */
/* nvmh_prep_flags() - after another one for blocks: NVMH_FUA and the like, or any bits of command dword 12 */
void nvmh_prep_flags(struct nvmh_req *req, uint32_t flags);
/*
 * nvmh_prep_md() - after nvmh_prep_rw(): the command's metadata, of namespace @ns, lies at @md
 * Return: 0; -EINVAL: it has none, or has it within the blocks, or @len is not the command's blocks * ms.
 */
int nvmh_prep_md(struct nvmh_req *req, const struct nvmh_ns *ns, void *md, uint32_t len);
void nvmh_prep_flush(struct nvmh_req *req, uint32_t nsid);
/* Blocks that differ from the data: status ST_COMPARE_FAILED. */
void nvmh_prep_compare(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb,
		       const struct iovec *iov, uint16_t nr_iov, uint32_t len);
void nvmh_prep_write_zeroes(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb);
void nvmh_prep_write_uncor(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb);
void nvmh_prep_verify(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb);

/*
 * Dataset Management and Copy: their data are @nr_ranges (1..256) ranges in @iov, in memory that the controller reaches, each filled in by
 * nvmh_dsm_range(), nvmh_copy_range() or, for @format 1 (8 bytes of protection information are not enough), nvmh_copy_range_f1().
 * @attr: NVME_DSMGMT_AD (deallocate) ...; @cattr: context attributes, 0 for none; @sdlba: the first block written.
 */
void nvmh_dsm_range(struct nvme_dsm_range *range, uint64_t slba, uint32_t nlb, uint32_t cattr);
void nvmh_prep_dsm(struct nvmh_req *req, uint32_t nsid, uint32_t attr, const struct iovec *iov,
		   uint16_t nr_iov, uint16_t nr_ranges);
void nvmh_copy_range(struct nvme_copy_range *range, uint64_t slba, uint32_t nlb);
void nvmh_copy_range_f1(struct nvme_copy_range_f1 *range, uint64_t slba, uint32_t nlb);
void nvmh_prep_copy(struct nvmh_req *req, uint32_t nsid, uint64_t sdlba, uint8_t format,
		    const struct iovec *iov, uint16_t nr_iov, uint16_t nr_ranges);

/*
 * Reservations. The keys are written to @iov, one piece of at least 16 bytes (release: 8) at a multiple of 8, in memory that the controller reaches.
 * @rrega, @racqa, @rrela, @rtype: NVME_RESERVATION_RREGA_REGISTER_KEY, ..._RACQA_ACQUIRE, ..._RRELA_RELEASE, ..._RTYPE_WE ...
 * @cptpl: 0 no change of whether they persist through power loss, 2 they do not, 3 they do.
 * @crkey, @nrkey, @prkey: current, new, preempted key. @eds: extended data structure, for hosts with a host ID of 16 bytes: over fabrics all.
 * @len: a multiple of 4.
 */
void nvmh_prep_resv_register(struct nvmh_req *req, uint32_t nsid, uint8_t rrega, uint8_t cptpl,
			     uint64_t crkey, uint64_t nrkey, const struct iovec *iov);
void nvmh_prep_resv_acquire(struct nvmh_req *req, uint32_t nsid, uint8_t racqa, uint8_t rtype,
			    uint64_t crkey, uint64_t prkey, const struct iovec *iov);
void nvmh_prep_resv_release(struct nvmh_req *req, uint32_t nsid, uint8_t rrela, uint8_t rtype,
			    uint64_t crkey, const struct iovec *iov);
void nvmh_prep_resv_report(struct nvmh_req *req, uint32_t nsid, bool eds, const struct iovec *iov,
			   uint16_t nr_iov, uint32_t len);

/* Zone Append to the zone that starts at @zslba; the first block written is in req->cqe.result. */
void nvmh_prep_zone_append(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint32_t nlb,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len);
/* Zone Management Send: @zsa NVME_ZNS_ZSA_RESET ...; @all: of every zone that it makes sense for. */
void nvmh_prep_zone_send(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint8_t zsa,
			 bool all);
/* Zone Management Receive: a report of the zones from @slba on, as many as fit into @len bytes, a
 * multiple of 4. */
void nvmh_prep_zone_report(struct nvmh_req *req, uint32_t nsid, uint64_t slba,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len);

/* Admin commands. @iov: memory that the controller reaches. Identify: 4096 bytes. */
void nvmh_prep_identify(struct nvmh_req *req, uint32_t nsid, uint8_t cns, uint8_t csi,
			const struct iovec *iov, uint16_t nr_iov);
/* @lsp: log specific, 7 bits; @rae: the event that the page belongs to stays set; @offset, @len: multiples of 4. */
void nvmh_prep_get_log(struct nvmh_req *req, uint32_t nsid, uint8_t lid, uint8_t lsp, bool rae,
		       uint64_t offset, const struct iovec *iov, uint16_t nr_iov, uint32_t len);
/* @sel: NVME_GET_FEATURES_SEL_CURRENT ...; the value is in dword 0 of req->cqe, or in the data of a feature that has some. */
void nvmh_prep_get_features(struct nvmh_req *req, uint32_t nsid, uint8_t fid, uint8_t sel,
			    uint32_t cdw11, const struct iovec *iov, uint16_t nr_iov, uint32_t len);
void nvmh_prep_set_features(struct nvmh_req *req, uint32_t nsid, uint8_t fid, bool save,
			    uint32_t cdw11, const struct iovec *iov, uint16_t nr_iov, uint32_t len);
/* The command with @cid (req->sqe.cid while it is outstanding) in queue @sqid. nvmh_queue_cancel() is simpler and takes care of races. */
void nvmh_prep_abort(struct nvmh_req *req, uint16_t sqid, uint16_t cid);

/* ---- the same, waited for ---- */

/*
 * All return 0, -errno (nvmh_queue_submit() or nvmh_admin_submit() says which; -EDEADLK from within a callback), or > 0, an NVMe status.
 * I/O: the thread that owns @q. @data, @ranges: for pcie, in memory that nvmh_ctrl_mem_map() mapped.
 */
/* nvmh_io() - submit, commit and wait for any request. ->done is ignored. */
int nvmh_io(struct nvmh_queue *q, struct nvmh_req *req);
int nvmh_read(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, void *data,
	      uint32_t len);
int nvmh_write(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, const void *data,
	       uint32_t len);
int nvmh_compare(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb, const void *data,
		 uint32_t len);
int nvmh_flush(struct nvmh_queue *q, uint32_t nsid);
/* @flags: 0, or NVMH_DEAC ... */
int nvmh_write_zeroes(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb,
		      uint32_t flags);
int nvmh_write_uncor(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb);
int nvmh_verify(struct nvmh_queue *q, uint32_t nsid, uint64_t slba, uint32_t nlb);
int nvmh_dsm(struct nvmh_queue *q, uint32_t nsid, uint32_t attr, struct nvme_dsm_range *ranges,
	     uint16_t nr_ranges);
int nvmh_copy(struct nvmh_queue *q, uint32_t nsid, uint64_t sdlba, struct nvme_copy_range *ranges,
	      uint16_t nr_ranges);

/*
 * Admin: the controller's thread. @data: any memory, it is copied. Also -EINVAL: a length or offset that is not a multiple of 4, or more data
 * of a feature than 4096 bytes.
 */
int nvmh_identify(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t cns, uint8_t csi, void *data4096);
/* Any length: longer pages are read in pieces of 4096 bytes, without clearing their event before the last. */
int nvmh_get_log(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t lid, uint64_t offset, void *data,
		 uint32_t len);
/* @result: dword 0 of the answer, may be NULL; @data: NULL where the feature has none, @len 0 then. */
int nvmh_get_features(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t fid, uint8_t sel,
		      uint32_t cdw11, void *data, uint32_t len, uint32_t *result);
int nvmh_set_features(struct nvmh_ctrl *ctrl, uint32_t nsid, uint8_t fid, bool save, uint32_t cdw11,
		      const void *data, uint32_t len, uint32_t *result);

/* ---- several paths as one controller ---- */

enum {
	NVMH_MAX_PATHS = 16, /* of one multipath controller */
	NVMH_NO_HOLD = -1,   /* nvmh_mpath_opts.hold_ms */
};

/* Which path a command takes, of those in the best ANA state: optimized before non-optimized. */
enum nvmh_iopolicy {
	NVMH_IOPOLICY_NUMA,	   /* each queue keeps to one path as long as none is better */
	NVMH_IOPOLICY_ROUND_ROBIN, /* each queue takes one after the other */
	NVMH_IOPOLICY_QUEUE_DEPTH, /* the one with the fewest commands of the queue outstanding */
};

struct nvmh_mpath_opts {
	enum nvmh_iopolicy iopolicy;
	/*
	 * A request without a usable path is held until one is back, for so long; then it ends with ST_HOST_PATH_ERROR. 0: until the controller is
	 * given up, which is when every path is.
	 */
	uint32_t fast_io_fail_ms;
	/*
	 * A command that changes data and may have reached a path that was lost is not repeated before the old controller can no longer execute it:
	 * after a Cross-Controller Reset over another path, or after this time since the loss. 0: as the specification has it (see
	 * nvmh_mpath_open()); NVMH_NO_HOLD: at once, which risks that an old write lands on a newer one.
	 */
	int32_t hold_ms;
};

/**
 * nvmh_mpath_open() - start to bring up several controllers of one subsystem as one
 * @paths: @nr_paths sets of options, read during the call only. Number and size of queues, hostnqn, hostid and the callbacks are those of the
 *	first, for all. kato_ms 0 is 5000 here. Several: all of trtype tcp and with the same subnqn. One: also pcie.
 * @nr_paths: 1..NVMH_MAX_PATHS.
 * @opts: NULL: all 0.
 * @ctrlp: a controller as of nvmh_ctrl_open() in state NVMH_NEW, for all functions that take one, its queues, namespaces and requests likewise.
 *
 * The controller is NVMH_LIVE once the first path is, NVMH_CONNECTING while none is, NVMH_DEAD when all were given up (each after its own ctrl-loss
 * time since it was last usable; one that is refused is not). Its I/O queues take requests as long as it is not dead; what cannot be sent is held,
 * and keeps its place in the queue. A path that is lost, or whose controller answers that the namespace cannot be reached through it (ANA), costs the
 * caller no error: the command is repeated over another path, the oldest first, or when one is back; 100 times at most for one whose ANA answers are
 * not what the ANA log says, 16 when fast_io_fail_ms is over, then it ends with ST_HOST_PATH_ERROR; so does one that lost its path 16 times and more, once
 * it is ctrl_loss_ms or fast_io_fail_ms old. Reads and other commands that change nothing are
 * repeated at once. Commands that change data and may have been received are first held until the lost controller cannot execute them any more: until
 * a Cross-Controller Reset over another path of the subsystem succeeded, or 2 * KATO (3 * KATO with traffic based keep alive) + CQT after it is known
 * to have been reached for the last time; KATO is rounded up as the controller does (KAS), to a multiple of 60 s at most. That is so with one path,
 * too. Commands that must not be executed twice (Zone Append, reservations, vendor specific ones) are not repeated when they may have been executed:
 * after that time they end with ST_HOST_PATH_ERROR. A request that the caller submits while another to the same blocks is outstanding is not ordered
 * with it, held or not.
 *
 * What a controller answers with Do Not Retry is the answer. Without it Namespace Not Ready, Command Interrupted, transport errors and whatever
 * has a retry delay (CRD) are repeated a few times, after that delay.
 *
 * A namespace is what several paths agree on: a path whose namespace of that NSID has another identity, or is not shared (NMIC), does not take
 * part for that namespace; a controller of another subsystem (NQN, serial number), with a CNTLID that another path has, or that says that there can
 * be only one (CMIC), is refused. A namespace stays while a path that had it may come back.
 *
 * Admin commands go to one live path; Identify, Get Log Page and Get Features are repeated over another when it is lost, all others end as with
 * any controller. nvmh_ctrl_reset() and _rescan() mean every path; a reset aborts nothing. nvmh_ctrl_max_xfer() is the least of all paths, and
 * the number of queues is what the first live path granted; a path that grants fewer takes no part in the others.
 *
 * Context: any thread, which is then the controller's. Spec: NVMe Base 2.x, "Asymmetric Namespace Access Reporting", "Communication Loss
 *	Handling", "Cross-Controller Reset command".
 * Return: 0; -EINVAL, an option (nvmh_strerror() names path and option); else as nvmh_ctrl_open().
 */
int nvmh_mpath_open(const struct nvmh_ctrl_opts *paths, uint16_t nr_paths,
		    const struct nvmh_mpath_opts *opts, struct nvmh_ctrl **ctrlp);
/**
 * nvmh_mpath_add() - one more path of a multipath controller
 * @opts: as one of @paths of nvmh_mpath_open(), tcp.
 *
 * Context: the controller's thread, not from within its callbacks.
 * Return: the path's index, 0..NVMH_MAX_PATHS - 1; -EINVAL, an option, not a multipath controller, or one over pcie; -ENOSPC, no index is free;
 *	-ENOTCONN, dead or being deleted; else as nvmh_ctrl_open().
 */
int nvmh_mpath_add(struct nvmh_ctrl *ctrl, const struct nvmh_ctrl_opts *opts);
/**
 * nvmh_mpath_remove() - do without path @index from now on
 *
 * Does not wait: nothing new is sent over the path, what is outstanding is waited for within bounds, then its controller is shut down;
 * nvmh_ctrl_process() does it. The index is free again when nvmh_mpath_path() says -ENOENT.
 *
 * Context: the controller's thread.
 * Return: 0, also when it is being removed already; -ENOENT, there is no such path; -EBUSY, it is the last; -EINVAL, not a multipath controller.
 */
int nvmh_mpath_remove(struct nvmh_ctrl *ctrl, uint16_t index);

/* What nvmh_mpath_path() tells. Counts since the path was added. */
struct nvmh_mpath_path {
	char name[320];	       /* as nvmh_ctrl_name() */
	enum nvmh_state state; /* of the path's controller */
	bool usable;	       /* live, checked, its ANA log read */
	bool removing;
	uint16_t cntlid;
	uint64_t ios;	      /* I/O commands sent over it */
	uint64_t failed_over; /* of those: had to be repeated, on this path or another */
	uint32_t outstanding; /* I/O commands */
	uint32_t nr_ns;	      /* namespaces that it has a part in */
	char error[256];      /* why it is not usable; "" when it is */
};
/**
 * nvmh_mpath_path() - what path @index is and does
 * Context: the controller's thread. Return: 0; -ENOENT, there is no such path; -EINVAL, not a multipath controller.
 */
int nvmh_mpath_path(const struct nvmh_ctrl *ctrl, uint16_t index, struct nvmh_mpath_path *path);
/**
 * nvmh_mpath_ana_state() - how path @index reaches namespace @nsid
 * Context: any thread. Return: NVME_ANA_STATE_OPTIMIZED (also of controllers without ANA) ... NVME_ANA_STATE_CHANGE, as last told by the path's
 *	controller; 0: the path does not have it; -EINVAL, not a multipath controller.
 */
int nvmh_mpath_ana_state(const struct nvmh_ctrl *ctrl, uint16_t index, uint32_t nsid);

/* ---- discovery ---- */

/* An entry of the discovery log, decoded. Texts are free of control characters. */
struct nvmh_disc_entry {
	uint8_t trtype;	 /* NVMF_TRTYPE_TCP ... */
	uint8_t adrfam;	 /* NVMF_ADDR_FAMILY_IP4 ... */
	uint8_t subtype; /* NVME_NQN_NVME, NVME_NQN_DISC (referral), NVME_NQN_CURR (itself) */
	uint8_t treq;
	uint8_t sectype; /* tcp: 0 none, 2 TLS 1.3 */
	uint16_t portid;
	uint16_t cntlid;
	uint16_t asqsz;
	uint16_t eflags;
	char trsvcid[33];
	char traddr[257];
	char subnqn[224];
};

/**
 * nvmh_discover() - connect to a discovery controller, read its log, disconnect
 * @opts: as for nvmh_ctrl_open(); subnqn NULL is the well-known discovery subsystem, trsvcid NULL
 *	port 8009. No I/O queues are made.
 * @timeout_ms: for getting connected, -1 for no limit.
 * @entriesp: @nrp entries, freed by the caller; NULL when there are none.
 *
 * At most MAX_DISC_ENTRIES entries are taken, and a log that changes while it is read is read again
 * a few times. Once connected no command is sent when four times admin_timeout_ms are over, so five
 * are the most that it waits. The first failure to connect ends it.
 *
 * Context: any thread; waits.
 * Return: 0; -errno as nvmh_ctrl_open() and nvmh_ctrl_wait(), -EPROTO (format), -E2BIG (too many
 *	entries), -EAGAIN (changes all the time), -ETIMEDOUT (takes too long); > 0, an NVMe status.
 *	nvmh_strerror() explains.
 */
int nvmh_discover(const struct nvmh_ctrl_opts *opts, int timeout_ms,
		  struct nvmh_disc_entry **entriesp, uint32_t *nrp);

/* The discovery log as it was read. Valid during the callback that is given it. */
struct nvmh_disc_log {
	uint64_t genctr;
	const struct nvmh_disc_entry *entries; /* of @nr; NULL when there are none */
	uint32_t nr;
	bool may_stay; /* its own entry says that hosts may stay connected (EFLAGS, EPCSD) */
	bool events;   /* the controller tells of changes; else the log is read now and then */
};

/* What nvmh_discover_tree() tells of one discovery service. Valid during the callback. */
struct nvmh_disc_service {
	const char *traddr;
	const char *trsvcid;
	const char *subnqn;
	uint32_t depth;	   /* 0: the one that was named; else how many referrals led there */
	int err;	   /* as nvmh_discover(); 0: @log is what it said */
	const char *error; /* nvmh_strerror() of @err, "" for 0 */
	struct nvmh_disc_log log;
};
typedef void nvmh_disc_visit(const struct nvmh_disc_service *service, void *arg);

/**
 * nvmh_discover_tree() - nvmh_discover(), and the same for each service that the log refers to
 * @opts: as for nvmh_discover(); with other addresses and NQNs it serves for the others, too.
 * @max_depth: referrals that are followed one behind another, 0: none; at most MAX_DISC_DEPTH (8).
 * @timeout_ms: for getting connected to each.
 * @visit: runs once for each service, nearest first, also for one that could not be asked.
 * @arg: for @visit.
 *
 * A service is asked once, however many refer to it: loops end. At most MAX_DISC_SERVICES (64)
 * are asked. Referrals to other transports or without a literal address are passed over; they are
 * in the log of the service that has them.
 *
 * Context: any thread; waits.
 * Return: 0, the first service was read, whatever became of the others; what nvmh_discover()
 *	said of the first; -E2BIG, there were more services.
 */
int nvmh_discover_tree(const struct nvmh_ctrl_opts *opts, uint32_t max_depth, int timeout_ms,
		       nvmh_disc_visit *visit, void *arg);

struct nvmh_discovery_opts {
	/*
	 * The log, read for the first time, or again and other than last told. Runs in the
	 * controller's thread, inside nvmh_ctrl_process(). May be NULL, as the next.
	 */
	void (*on_log)(struct nvmh_ctrl *ctrl, const struct nvmh_disc_log *log, void *arg);
	/*
	 * The log could not be read: @err and @text as of nvmh_discover(), -EAGAIN when it changed
	 * each time, -ETIMEDOUT when reading it took longer than four times admin_timeout_ms. It is
	 * tried again in 10 seconds. A lost connection is told by on_state.
	 */
	void (*on_error)(struct nvmh_ctrl *ctrl, int err, const char *text, void *arg);
	void *arg; /* of both; on_state has that of nvmh_ctrl_opts */
	/*
	 * Look at the log again after so long without being told of a change; 0: never, or every
	 * 60000 where the controller does not tell.
	 */
	uint32_t reread_ms;
};

/**
 * nvmh_discovery_open() - connect to a discovery controller, stay connected, be told of its log
 * @opts: as for nvmh_ctrl_open(), with the defaults of nvmh_discover(); kato_ms 0 is 30000.
 *	nr_io_queues does not matter.
 * @disc: copied.
 * @ctrlp: a controller like any other, without queues and namespaces: nvmh_ctrl_fd(),
 *	nvmh_ctrl_process(), nvmh_ctrl_wait(), nvmh_ctrl_close().
 *
 * Does not wait. The log is read after each connect, and again when the controller says that it
 * changed (Asynchronous Event, Discovery Log Page Change), at most once a second:
 * nvmh_ctrl_process() does that. A lost connection is made again like that of any controller.
 *
 * Context: the controller's thread. Spec: NVMe Base 2.x, "Discovery Service", "Discovery Log Page".
 * Return: as nvmh_ctrl_open().
 */
int nvmh_discovery_open(const struct nvmh_ctrl_opts *opts, const struct nvmh_discovery_opts *disc,
			struct nvmh_ctrl **ctrlp);
/*
 * nvmh_discovery_read() - look at the log soon: on_log runs if it is another, on_error if it cannot
 * be read
 * Context: the controller's thread. Return: 0; -ENOTCONN, not connected now: a new connection
 * begins with reading; -EINVAL, another kind of controller.
 */
int nvmh_discovery_read(struct nvmh_ctrl *ctrl);

/* ---- PCI functions of class 010802h ---- */

struct nvmh_pci_info {
	char bdf[16]; /* "0000:01:00.0" */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 0x010802 */
	int numa_node;	     /* -1: unknown */
	int iommu_group;     /* -1: none */
	char driver[32];     /* "" when none is bound */
};

/* nvmh_pci_scan() - all NVMe functions of the machine. @infop: freed by the caller. Return: count or -errno. */
int nvmh_pci_scan(struct nvmh_pci_info **infop);
int nvmh_pci_info(const char *bdf, struct nvmh_pci_info *info);
/* nvmh_pci_identity() - serial number and model of the drive at @bdf (long form), where the kernel's driver has it; without spaces at the end.
 * Return: 0; -ENOENT, it has not; -errno. */
int nvmh_pci_identity(const char *bdf, char serial[64], char model[64]);
/*
 * nvmh_pci_bind() - hand the function to vfio-pci; refuses (-EBUSY) one whose namespaces are mounted, in use as swap, held by another
 * device (dm, md), or open for writing in a process, or whose IOMMU group has a device that is not ours. nvmh_pci_release() gives it back
 * to the kernel's driver. Errors are explained by nvmh_strerror().
 */
int nvmh_pci_bind(const char *bdf);
int nvmh_pci_release(const char *bdf);

/* ---- power states ---- */

/* One that the controller offers, as its Identify data say. */
struct nvmh_power_state {
	uint64_t max_uw;   /* most power, microwatts; 0: not reported */
	uint64_t idle_uw;  /* 0: not reported */
	uint32_t entry_us; /* most time to enter and to leave it; 0: not reported */
	uint32_t exit_us;
	/*
	 * Non-operational: no command is done in it. The next one wakes the controller, so it takes exit_us longer, and so may entering: see that
	 * the timeouts of requests are well above both.
	 */
	bool non_operational;
	uint8_t read_throughput; /* relative, 0 is best: so are the next three */
	uint8_t read_latency;
	uint8_t write_throughput;
	uint8_t write_latency;
};

/* nvmh_power_state() - state @index, 0 is of most power. Context: any thread, while the controller is live or resetting. Return: false: there is
 * none. One that the drive is known not to come back from (NVMH_QUIRK_NO_DEEPEST_PS) is not among them. */
bool nvmh_power_state(const struct nvmh_ctrl *ctrl, uint8_t index, struct nvmh_power_state *ps);
/*
 * nvmh_get_power() - the state the controller is in; nvmh_set_power() - the one it is to be in (Get and Set Features, 02h).
 *
 * What was last set, by this or by any other Set Features command of the admin queue, is set again after a reset of a local drive, which loses it.
 * Transitions that the drive makes by itself (0Ch) are left as they are, but for drives known not to survive them: there they are switched off.
 *
 * Context: the controller's thread; wait. Return: 0, -errno as nvmh_admin(), > 0 an NVMe status; nvmh_set_power() also -EINVAL, no such state.
 */
int nvmh_get_power(struct nvmh_ctrl *ctrl, uint8_t *indexp);
int nvmh_set_power(struct nvmh_ctrl *ctrl, uint8_t index);

/* ---- SCSI: a namespace as a logical unit ---- */

enum {
	NVMH_SCSI_CDB_BYTES = 16,   /* of the longest that is known */
	NVMH_SCSI_SENSE_BYTES = 32, /* most that is returned */
	NVMH_SCSI_SCRATCH_BYTES = 4096,
};

/* SAM's status codes, those that are returned */
enum nvmh_scsi_status {
	NVMH_SCSI_GOOD = 0x00,
	NVMH_SCSI_CHECK_CONDITION = 0x02, /* sense data tell */
	NVMH_SCSI_BUSY = 0x08,		  /* try again */
	NVMH_SCSI_RESERVATION_CONFLICT = 0x18,
	NVMH_SCSI_TASK_ABORTED = 0x40,
};

/* What nvmh_scsi_next() wants: cmd->req is to be submitted there. */
enum nvmh_scsi_next {
	NVMH_SCSI_DONE, /* nothing: the answer is there */
	NVMH_SCSI_ADMIN,
	NVMH_SCSI_IO,
};

struct nvmh_scsi_op;

struct nvmh_scsi_cmd {
	/* the caller's */
	uint8_t cdb[NVMH_SCSI_CDB_BYTES];
	uint8_t cdb_len; /* 6, 10, 12 or 16: that of its opcode */
	uint8_t dir;	 /* enum nvmh_dir, of @data */
	/*
	 * At most this much moves: less than an allocation length asks for is a shorter one; less than the blocks or the parameter list of the CDB
	 * is an error. Memory as for a request: at a multiple of 4, mapped for pcie, borrowed until done.
	 */
	uint32_t data_len;
	void *data;
	void *scratch;	     /* NVMH_SCSI_SCRATCH_BYTES of such memory for the translation */
	uint32_t timeout_ms; /* of each NVMe command; 0: the controller's default */
	/* Sense data in descriptor format, else fixed. MODE SELECT of the Control page (D_SENSE) changes it: the next command of the same initiator
	 * begins with what the last left here. */
	bool desc_sense;
	/* the answer */
	uint8_t status;	   /* enum nvmh_scsi_status */
	uint8_t sense_len; /* 0 unless NVMH_SCSI_CHECK_CONDITION */
	uint8_t sense[NVMH_SCSI_SENSE_BYTES];
	uint32_t resid;	      /* bytes of @data that did not move */
	uint16_t nvme_status; /* that of the last NVMe command, 0: none failed */
	bool rescan;	      /* the namespaces changed: nvmh_ctrl_rescan() is due */
	struct nvmh_req req;  /* for nvmh_scsi_next(): done and arg are the caller's */
	/* the library's */
	struct {
		const struct nvmh_scsi_op *op;
		const struct nvme_id_ctrl *id;
		const struct nvmh_ns *ns; /* NULL: no such namespace */
		uint64_t lba;
		uint64_t blocks; /* or bytes: still to do */
		uint32_t nsid;
		uint32_t max_xfer;
		uint32_t step; /* answers so far */
		uint32_t moved;
		uint32_t part; /* under way: bytes of data, or blocks */
		uint32_t at;
		uint32_t flags;
		bool live;
		bool tolerant; /* the step looks at the status itself */
		struct iovec iov;
	} p;
};

/**
 * nvmh_scsi_begin() - one SCSI command, as NVMe commands that the caller sends
 * @cmd: the caller's part is set, the rest is overwritten.
 * @nsid: the namespace that is the logical unit.
 *
 * Then nvmh_scsi_next(): while it does not return NVMH_SCSI_DONE, cmd->req is submitted to the queue it names, and it is called again when that
 * request is done, whatever its status. The thread may be another each time, so an admin queue and an I/O queue of different threads serve. What
 * cannot be submitted is given up by not calling it again: there is nothing to free. The number of NVMe commands is bounded by the CDB: one for each
 * nvmh_ctrl_max_xfer() bytes or 65536 blocks, and a few.
 *
 * Translated are the commands of SPC-4 and SBC-3 for a disk: nvmetcpctl(8), SCSI, lists them; REPORT SUPPORTED OPERATION CODES tells
 * those of this drive. There is no state between commands but cmd->desc_sense: no unit attentions, no stopped state, and mode parameters that the
 * drive does not keep do not change. Namespaces with metadata take READ and WRITE when it is protection information of 8 bytes and nothing more.
 *
 * Context: the controller's thread; nvmh_scsi_next() any, one at a time.
 * Spec: NVM Express: SCSI Translation Reference 1.5.
 * Return: 0; -EINVAL, the CDB's length or the data's direction is not that of its opcode, or the memory is not as above (nvmh_strerror() tells);
 *	-ENOTSUP, the namespace is a zoned one.
 */
int nvmh_scsi_begin(struct nvmh_scsi_cmd *cmd, const struct nvmh_ctrl *ctrl, uint32_t nsid);
int nvmh_scsi_next(struct nvmh_scsi_cmd *cmd); /* Return: enum nvmh_scsi_next */
/**
 * nvmh_scsi() - the same, and wait
 * @q: for the namespace's I/O; NULL: commands that need it fail with -ENOTCONN.
 * @cmd: scratch may be NULL: the controller's own memory is used.
 *
 * Context: the thread of the controller and of @q. Return: 0, and cmd->status tells; -errno as nvmh_scsi_begin(), nvmh_admin() and nvmh_io().
 */
int nvmh_scsi(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, uint32_t nsid,
	      struct nvmh_scsi_cmd *cmd);
/* nvmh_scsi_name() - "READ(10)", of a CDB of @len bytes; NULL: not one that is translated */
const char *nvmh_scsi_name(const uint8_t *cdb, uint8_t len);

#ifdef __cplusplus
}
#endif

#endif /* NVMH_H */
