// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces on a regular file or a block device, through io_uring: one ring per core for all of
 * them. What a turn queued is submitted once at its end; completions are looked at every turn, and
 * wake the core through an eventfd when it sleeps. Opening on the main thread, the rest on the
 * cores. Entry point: nvmet_ns_uring_ops.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/status.h"
#include "target/ns.h"

enum {
	URING_ENTRIES = 1024, /* of one core; more wait in line */
};

struct nvmet_uring {
	struct io_uring ring;
	struct nvmet_core *core;
	struct loop_hook hook;
	struct loop_io io;
	int event_fd;
	unsigned int users; /* attached namespaces */
	unsigned int inflight;
	unsigned int queued; /* prepared, not submitted */
	struct list waiting; /* struct uring_req, no entry was free */
};

struct uring_file {
	int fd;
	bool block_dev;
};

/* The backend's part of a request. */
struct uring_req {
	struct list link;
	struct nvmet_req *req;
	uint32_t done; /* bytes moved, DSM ranges finished, or 1: zeroes are written and only have
			  to last */
};
static_assert(sizeof(struct uring_req) <= NVMET_NS_PRIV, "fits");

static struct uring_req *priv_of(struct nvmet_req *req)
{
	return (struct uring_req *)req->ns_priv;
}

/* ---- one operation ---- */

static void prep_discard(struct io_uring_sqe *sqe, const struct uring_file *file,
			 const struct nvmet_req *req, uint32_t index)
{
	const struct nvme_dsm_range *range = (const struct nvme_dsm_range *)req->buf + index;

	io_uring_prep_fallocate(sqe, file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(le64toh(range->slba) << req->ns->lba_shift),
				(off_t)((uint64_t)le32toh(range->nlb) << req->ns->lba_shift));
}

static void prep(struct io_uring_sqe *sqe, struct uring_req *ur)
{
	struct nvmet_req *req = ur->req;
	const struct uring_file *file = req->ns->priv;
	uint64_t off = req->slba << req->ns->lba_shift;
	uint64_t len = (uint64_t)req->nlb << req->ns->lba_shift;
	int mode;

	switch (req->op) {
	case NVMET_OP_READ:
		io_uring_prep_read(sqe, file->fd, req->buf + ur->done, (unsigned int)len - ur->done,
				   off + ur->done);
		break;
	case NVMET_OP_WRITE:
		io_uring_prep_write(sqe, file->fd, req->buf + ur->done,
				    (unsigned int)len - ur->done, off + ur->done);
		if (req->fua)
			sqe->rw_flags = RWF_DSYNC;
		break;
	case NVMET_OP_FLUSH:
		io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
		break;
	case NVMET_OP_WRITE_ZEROES:
		if (ur->done) {
			io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
			break;
		}
		mode = req->deallocate ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
		io_uring_prep_fallocate(sqe, file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off,
					(off_t)len);
		break;
	default:
		prep_discard(sqe, file, req, ur->done);
	}
	io_uring_sqe_set_data(sqe, ur);
}

/* False: the ring is full. */
static bool start_now(struct nvmet_uring *u, struct uring_req *ur)
{
	struct io_uring_sqe *sqe = u->inflight < URING_ENTRIES ? io_uring_get_sqe(&u->ring) : NULL;

	if (!sqe)
		return false;
	prep(sqe, ur);
	u->inflight++;
	u->queued++;
	return true;
}

static void start(struct nvmet_uring *u, struct uring_req *ur)
{
	if (!list_empty(&u->waiting) || !start_now(u, ur))
		list_add_tail(&u->waiting, &ur->link);
}

static void uring_submit(struct nvmet_req *req)
{
	struct uring_req *ur = priv_of(req);

	list_init(&ur->link);
	ur->req = req;
	ur->done = 0;
	start(req->sq->core->uring, ur);
}

/* ---- its end ---- */

/* Discard is a hint: a device that cannot is not an error. Zero-length ranges are refused by
 * fallocate, and mean nothing. */
static void discard_done(struct nvmet_uring *u, struct uring_req *ur, int res)
{
	struct nvmet_req *req = ur->req;

	if (res < 0 && res != -EOPNOTSUPP && res != -EINVAL) {
		nvmet_ns_complete(req, status_from_errno(res, 1));
		return;
	}
	if (++ur->done < req->nlb)
		start(u, ur);
	else
		nvmet_ns_complete(req, 0);
}

static void rw_done(struct nvmet_uring *u, struct uring_req *ur, int res)
{
	struct nvmet_req *req = ur->req;
	uint32_t len = req->nlb << req->ns->lba_shift;

	if (res == -EAGAIN || res == -EINTR) {
		start(u, ur);
		return;
	}
	if (res <= 0) {
		/* 0: the file was cut short under us. */
		nvmet_ns_complete(req, res ? status_from_errno(res, req->op == NVMET_OP_WRITE)
				       : req->op == NVMET_OP_WRITE ? ST_WRITE_FAULT
								   : ST_READ_ERROR);
		return;
	}
	ur->done += (uint32_t)res;
	if (ur->done < len)
		start(u, ur);
	else
		nvmet_ns_complete(req, 0);
}

/* io.c writes zeroes itself where the file system cannot. FUA is no flag of this operation, but
 * another one behind it. */
static void zeroes_done(struct nvmet_uring *u, struct uring_req *ur, int res)
{
	struct nvmet_req *req = ur->req;

	if (!res && req->fua && !ur->done) {
		ur->done = 1;
		start(u, ur);
		return;
	}
	nvmet_ns_complete(req, res == -EOPNOTSUPP && !ur->done ? ST_INVALID_OPCODE
							       : status_from_errno(res, 1));
}

static void complete_one(struct nvmet_uring *u, struct uring_req *ur, int res)
{
	struct nvmet_req *req = ur->req;

	u->inflight--;
	switch (req->op) {
	case NVMET_OP_READ:
	case NVMET_OP_WRITE:
		rw_done(u, ur, res);
		break;
	case NVMET_OP_DISCARD:
		discard_done(u, ur, res);
		break;
	case NVMET_OP_WRITE_ZEROES:
		zeroes_done(u, ur, res);
		break;
	default:
		nvmet_ns_complete(req, status_from_errno(res, 1));
	}
}

/* ---- the ring within the core's turn ---- */

static int ring_poll(struct loop_hook *h)
{
	struct nvmet_uring *u = container_of(h, struct nvmet_uring, hook);
	struct io_uring_cqe *cqe;
	int found = 0;

	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		struct uring_req *ur = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		complete_one(u, ur, res);
		found++;
	}
	while (!list_empty(&u->waiting)) {
		struct uring_req *ur = list_first(&u->waiting, struct uring_req, link);

		if (!start_now(u, ur))
			break;
		list_del(&ur->link);
	}
	return found;
}

static void ring_submit(struct loop_hook *h)
{
	struct nvmet_uring *u = container_of(h, struct nvmet_uring, hook);
	int ret;

	while (u->queued) {
		ret = io_uring_submit(&u->ring);
		if (ret <= 0)
			break; /* EAGAIN, EBUSY: what is queued goes with the next turn */
		u->queued -= min_of((unsigned int)ret, u->queued);
	}
	if (u->queued)
		loop_busy(u->core->loop);
}

static int ring_sleep(struct loop_hook *h)
{
	struct nvmet_uring *u = container_of(h, struct nvmet_uring, hook);

	if (!u->inflight)
		return 0;
	io_uring_cq_eventfd_toggle(&u->ring, true);
	/* The flag is set before the queue is looked at once more: a completion is either seen here
	 * or writes the eventfd. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!io_uring_cq_ready(&u->ring) && !u->queued)
		return 0;
	io_uring_cq_eventfd_toggle(&u->ring, false);
	return 1;
}

static void ring_wake(struct loop_hook *h)
{
	struct nvmet_uring *u = container_of(h, struct nvmet_uring, hook);

	io_uring_cq_eventfd_toggle(&u->ring, false);
}

static void ring_event(struct loop_io *io, unsigned int events)
{
	uint64_t n;

	(void)events;
	/* Only the wake-up counts: ring_poll() finds what there is. */
	if (read(io->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_err("cannot read the ring's eventfd: %s", strerror(errno));
}

static void ring_free(struct nvmet_uring *u)
{
	if (!u)
		return;
	if (u->core)
		loop_hook_del(&u->hook);
	loop_io_del(&u->io);
	if (u->ring.ring_fd >= 0)
		io_uring_queue_exit(&u->ring);
	if (u->event_fd >= 0)
		close(u->event_fd);
	free(u);
}

static int ring_create(struct nvmet_core *core, struct nvmet_uring **up)
{
	struct nvmet_uring *u = calloc(1, sizeof(*u));
	struct io_uring_params params = { 0 };
	int ret;

	if (!u)
		return -ENOMEM;
	u->ring.ring_fd = -1;
	list_init(&u->waiting);
	u->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = u->event_fd < 0 ? -errno
			      : io_uring_queue_init_params(URING_ENTRIES, &u->ring, &params);
	if (ret) {
		u->ring.ring_fd = -1;
		log_err("no io_uring: %s; see /proc/sys/kernel/io_uring_disabled and LimitMEMLOCK",
			strerror(-ret));
		goto fail;
	}
	ret = io_uring_register_eventfd(&u->ring, u->event_fd);
	if (!ret)
		ret = loop_io_add(core->loop, &u->io, u->event_fd, LOOP_READ, ring_event);
	if (ret)
		goto fail;
	io_uring_cq_eventfd_toggle(&u->ring, false);
	u->core = core;
	u->hook.poll = ring_poll;
	u->hook.submit = ring_submit;
	u->hook.sleep = ring_sleep;
	u->hook.wake = ring_wake;
	/* Before the core's own: a device works while the turn's answers are sent. */
	loop_hook_add_first(core->loop, &u->hook);
	*up = u;
	return 0;
fail:
	ring_free(u);
	return ret;
}

static int uring_attach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	int ret = core->uring ? 0 : ring_create(core, &core->uring);

	(void)ns;
	if (!ret)
		core->uring->users++;
	return ret;
}

static void uring_detach(struct nvmet_ns *ns, struct nvmet_core *core)
{
	(void)ns;
	if (--core->uring->users)
		return;
	ring_free(core->uring);
	core->uring = NULL;
}

/* ---- opening ---- */

static int refuse(const struct config_namespace *cfg, int err, const char *advice)
{
	log_err("cannot use %s: %s; %s nsid=%u", cfg->path, strerror(-err), advice, cfg->nsid);
	return err;
}

static int open_path(const struct config_namespace *cfg, int extra)
{
	int flags = (cfg->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | extra;
	int fd = open(cfg->path, flags | O_DIRECT, 0600);

	/* File systems without direct I/O go through the page cache. They may have created the file
	 * before they refused. */
	if (fd < 0 && errno == EINVAL)
		fd = open(cfg->path, extra & O_CREAT ? flags & ~O_EXCL : flags, 0600);
	return fd < 0 ? -errno : fd;
}

static int open_file(const struct config_namespace *cfg)
{
	struct stat st;
	int fd, extra = 0;

	if (stat(cfg->path, &st)) {
		if (errno != ENOENT || !cfg->size_bytes)
			return refuse(cfg, -errno,
				      "create it, or give device.size to have it created");
		extra = O_CREAT | O_EXCL;
	} else if (S_ISBLK(st.st_mode)) {
		extra = O_EXCL; /* refused when mounted or part of another device */
	} else if (!S_ISREG(st.st_mode)) {
		return refuse(cfg, -EINVAL, "it must be a regular file or a block device");
	}
	fd = open_path(cfg, extra);
	if (fd == -EBUSY)
		return refuse(cfg, fd, "it is mounted or in use; unmount it first");
	if (fd < 0)
		return refuse(cfg, fd, "check that the daemon's user may read and write it");
	if (flock(fd, (cfg->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		close(fd);
		return refuse(cfg, -EBUSY, "another process has it locked; stop that one first");
	}
	if ((extra & O_CREAT) && ftruncate(fd, (off_t)cfg->size_bytes)) {
		int err = -errno;

		close(fd);
		unlink(cfg->path);
		return refuse(cfg, err, "the file system may be too small for device.size");
	}
	return fd;
}

/* Direct I/O wants the file system's alignment; where blocks are smaller, the page cache serves. */
static void check_alignment(int fd, uint32_t block)
{
	void *buf = NULL;
	int flags = fcntl(fd, F_GETFL);

	if (!(flags & O_DIRECT) || posix_memalign(&buf, 4096, 4096))
		return;
	if (pread(fd, buf, block, block) < 0 && errno == EINVAL)
		fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	free(buf);
}

static int geometry(struct nvmet_ns *ns, const struct config_namespace *cfg,
		    const struct uring_file *file, const struct stat *st)
{
	uint64_t bytes = (uint64_t)st->st_size;
	unsigned int phys = 4096;
	uint32_t block = cfg->block_size;
	int logical = 0;

	if (file->block_dev) {
		if (ioctl(file->fd, BLKGETSIZE64, &bytes) || ioctl(file->fd, BLKSSZGET, &logical) ||
		    ioctl(file->fd, BLKPBSZGET, &phys))
			return refuse(cfg, -errno, "its size cannot be read");
		if (block && block < (uint32_t)logical)
			return refuse(cfg, -EINVAL,
				      "device.block_size is smaller than the device's own blocks");
	}
	if (!block)
		block = logical ? (uint32_t)logical : bytes % 4096 ? 512 : 4096;
	ns->lba_shift = (uint8_t)__builtin_ctz(block);
	ns->phys_shift = (uint8_t)__builtin_ctz(phys ? phys : block);
	ns->nsze = bytes >> ns->lba_shift;
	if (!ns->nsze)
		return refuse(cfg, -EINVAL, "it is empty; give it a size with truncate");
	return 0;
}

static void uring_close(struct nvmet_ns *ns)
{
	struct uring_file *file = ns->priv;

	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
	ns->priv = NULL;
}

static int uring_open(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	struct uring_file *file = calloc(1, sizeof(*file));
	struct stat st;
	int ret;

	if (!file)
		return -ENOMEM;
	ns->priv = file;
	file->fd = open_file(cfg);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, &st))
		return refuse(cfg, -errno, "it cannot be examined");
	file->block_dev = S_ISBLK(st.st_mode);
	ret = geometry(ns, cfg, file, &st);
	if (ret)
		return ret;
	check_alignment(file->fd, 1u << ns->lba_shift);
	ns->vwc = true;
	ns->can_discard = true;
	ns->can_write_zeroes = true;
	ns->reads_zero_after_discard = !file->block_dev;
	return 0;
}

const struct nvmet_ns_ops nvmet_ns_uring_ops = {
	.name = "uring",
	.open = uring_open,
	.close = uring_close,
	.attach = uring_attach,
	.detach = uring_detach,
	.submit = uring_submit,
};
