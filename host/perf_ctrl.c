// SPDX-License-Identifier: BSD-2-Clause
/*
 * Controllers and namespaces of a run of nvmetcp-perf. Main thread, which owns all controllers. Entry
 * points: nvmh_perf_ctrl_open(), _process().
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/perf_job.h"

enum {
	LIVE_TIMEOUT_MS = 60000,
	LOOK_MS = 1000, /* at the time, while a target is waited for */
	MIN_QUEUE_SIZE = 2,
	MAX_BLOCKS = 65536, /* of a read or a write */
	ONCS_DSM = 1 << 2,
	MS_PER_S = 1000,
	NOT_AT_ALL_MS = 1, /* nvmh_ctrl_opts.ctrl_loss_ms */
};

/* ---------------------------------------------------------------- the namespace */

static int find_namespace(struct perf_target *t, char *error)
{
	uint32_t nsid = t->opts->nsid;
	const struct nvmh_ns *ns = NULL;

	if (nsid)
		ns = nvmh_ctrl_ns_by_nsid(t->ctrl, nsid);
	else if (nvmh_ctrl_nr_ns(t->ctrl))
		ns = nvmh_ctrl_ns(t->ctrl, 0);
	if (!ns && nsid)
		return nvmh_perf_refuse(-ENOENT, error, "%s has no namespace %u",
					nvmh_ctrl_name(t->ctrl), nsid);
	if (!ns)
		return nvmh_perf_refuse(-ENOENT, error, "%s has no namespace",
					nvmh_ctrl_name(t->ctrl));
	t->ns = *ns;
	return 0;
}

static int check_kind(struct perf_target *t, char *error)
{
	const struct perf_opts *opts = t->run->opts;
	const struct nvmh_ns *ns = &t->ns;

	if (ns->ms)
		return nvmh_perf_refuse(-ENOTSUP, error,
					"namespace %u has metadata, which is not supported",
					ns->nsid);
	if (ns->csi == NVME_CSI_ZNS && (opts->uses[PERF_WRITE] || opts->uses[PERF_TRIM]))
		return nvmh_perf_refuse(
			-ENOTSUP, error,
			"namespace %u is zoned: it can be read here, but not written (its zones take writes in order only)",
			ns->nsid);
	if (opts->uses[PERF_TRIM] && !(le16toh(nvmh_ctrl_id(t->ctrl)->oncs) & ONCS_DSM))
		return nvmh_perf_refuse(-ENOTSUP, error,
					"%s has no Dataset Management command, which --rw=%s needs",
					nvmh_ctrl_name(t->ctrl), opts->rw);
	return 0;
}

static int check_sizes(struct perf_target *t, char *error)
{
	const struct perf_opts *opts = t->run->opts;
	const struct nvmh_ns *ns = &t->ns;
	uint32_t data = max_of(opts->uses[PERF_READ] ? opts->sizes[PERF_READ].max : 0,
			       opts->uses[PERF_WRITE] ? opts->sizes[PERF_WRITE].max : 0);

	if (!ns->lba_size || opts->grain % ns->lba_size)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--bs=%u is not a multiple of the %u bytes of a block of namespace %u",
			opts->grain, ns->lba_size, ns->nsid);
	if (data / ns->lba_size > MAX_BLOCKS)
		return nvmh_perf_refuse(-EINVAL, error,
					"--bs=%u is more than %u blocks of namespace %u", data,
					MAX_BLOCKS, ns->nsid);
	if (data > nvmh_ctrl_max_xfer(t->ctrl))
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--bs=%u is more than the %u bytes that one command of %s can move", data,
			nvmh_ctrl_max_xfer(t->ctrl), nvmh_ctrl_name(t->ctrl));
	return 0;
}

static int check_place(struct perf_target *t, char *error)
{
	const struct perf_opts *opts = t->run->opts;
	const struct nvmh_ns *ns = &t->ns;
	const char *what = "--size is";
	uint64_t bytes, end;

	if (opts->offset)
		what = opts->size ? "--offset and --size together are" : "--offset is";
	if (__builtin_mul_overflow(ns->nsze, (uint64_t)ns->lba_size, &bytes))
		return nvmh_perf_refuse(-EINVAL, error,
					"namespace %u says it has %" PRIu64 " blocks", ns->nsid,
					ns->nsze);
	if (opts->offset % ns->lba_size)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--offset is not a multiple of the %u bytes of a block of namespace %u",
			ns->lba_size, ns->nsid);
	if (__builtin_add_overflow(opts->offset, opts->size, &end) || end > bytes)
		return nvmh_perf_refuse(-EINVAL, error,
					"%s more than the %" PRIu64 " bytes of namespace %u", what,
					bytes, ns->nsid);
	t->first_lba = opts->offset / ns->lba_size;
	t->nr_units = (opts->size ? opts->size : bytes - opts->offset) / opts->grain;
	if (t->nr_units < opts->bs / opts->grain)
		return nvmh_perf_refuse(-EINVAL, error,
					"there is no room for one I/O of %u bytes in namespace %u",
					opts->bs, ns->nsid);
	return 0;
}

/* ---------------------------------------------------------------- the controller */

static void fill_options(const struct perf_opts *opts, struct nvmh_ctrl_opts *co)
{
	co->nr_io_queues = (uint16_t)(opts->numjobs * opts->nr_queues);
	co->queue_size = (uint16_t)max_of(opts->iodepth + 1, (uint64_t)MIN_QUEUE_SIZE);
	co->hdgst |= opts->hdgst;
	co->ddgst |= opts->ddgst;
	co->disable_sqflow |= opts->disable_sqflow;
	if (!co->tcp_congestion)
		co->tcp_congestion = opts->tcp_congestion;
	if (opts->ctrl_loss_s)
		co->ctrl_loss_ms = (uint32_t)opts->ctrl_loss_s * MS_PER_S;
	else if (!co->ctrl_loss_ms)
		co->ctrl_loss_ms = NOT_AT_ALL_MS;
}

/*
 * One controller, whatever the number of its paths. A workload that goes on without its controller
 * needs one that keeps I/Os for later, which multipath does also with one path.
 */
static int open_ctrl(struct perf_target *t)
{
	const struct perf_target_opts *to = t->opts;
	struct nvmh_mpath_opts mpath = { .iopolicy = t->run->opts->iopolicy,
					 .fast_io_fail_ms = to->paths[0].fast_io_fail_ms };
	struct nvmh_ctrl_opts paths[PERF_MAX_PATHS];
	uint16_t i;

	for (i = 0; i < to->nr_paths; i++) {
		paths[i] = to->paths[i].opts;
		t->keeps |=
			!strcmp(paths[i].trtype, "tcp") &&
			(to->nr_paths > 1 || paths[i].ctrl_loss_ms || t->run->opts->ctrl_loss_s);
		fill_options(t->run->opts, &paths[i]);
	}
	return t->keeps ? nvmh_mpath_open(paths, to->nr_paths, &mpath, &t->ctrl)
			: nvmh_ctrl_open(&paths[0], &t->ctrl);
}

static int check_queues(struct perf_target *t, char *error)
{
	const struct perf_opts *opts = t->run->opts;
	uint16_t wanted = (uint16_t)(opts->numjobs * opts->nr_queues);

	if (nvmh_ctrl_nr_queues(t->ctrl) < wanted)
		return nvmh_perf_refuse(-ENOSPC, error,
					"%s grants %u I/O queues, --numjobs and --queues need %u",
					nvmh_ctrl_name(t->ctrl), nvmh_ctrl_nr_queues(t->ctrl),
					wanted);
	if (nvmh_queue_room(nvmh_ctrl_queue(t->ctrl, 0)) < opts->iodepth)
		return nvmh_perf_refuse(-ENOSPC, error,
					"--iodepth=%u: a queue of %s takes %u commands",
					(unsigned int)opts->iodepth, nvmh_ctrl_name(t->ctrl),
					nvmh_queue_room(nvmh_ctrl_queue(t->ctrl, 0)));
	return 0;
}

/* A signal ends it where signals are blocked, as between two steps of a sweep. */
static int wait_live(struct perf_target *t, char *error)
{
	struct pollfd fds[] = { { .fd = nvmh_ctrl_fd(t->ctrl), .events = POLLIN },
				{ .fd = t->run->signal_fd, .events = POLLIN } };
	uint64_t end = clock_now_ms() + LIVE_TIMEOUT_MS;
	int ret;

	for (;;) {
		nvmh_ctrl_process(t->ctrl);
		if (nvmh_ctrl_state(t->ctrl) == NVMH_LIVE)
			return 0;
		if (nvmh_ctrl_state(t->ctrl) == NVMH_DEAD) {
			ret = nvmh_ctrl_wait(t->ctrl, 0);
			return nvmh_perf_refuse(ret, error, "%s", nvmh_strerror());
		}
		if (clock_now_ms() >= end)
			return nvmh_perf_refuse(-ETIMEDOUT, error, "%s: not ready in %d ms%s%s",
						nvmh_ctrl_name(t->ctrl), LIVE_TIMEOUT_MS,
						nvmh_ctrl_error(t->ctrl)[0] ? ": " : "",
						nvmh_ctrl_error(t->ctrl));
		if (poll(fds, ARRAY_SIZE(fds), LOOK_MS) > 0 && fds[1].revents)
			nvmh_perf_take_signal(t->run);
		if (atomic_load(&t->run->interrupted))
			return nvmh_perf_refuse(-EINTR, error, "%s: interrupted by a signal",
						nvmh_ctrl_name(t->ctrl));
	}
}

int nvmh_perf_ctrl_open(struct perf_target *t, char *error)
{
	int ret;

	ret = open_ctrl(t);
	if (ret)
		return nvmh_perf_refuse(ret, error, "%s", nvmh_strerror());
	ret = wait_live(t, error);
	if (!ret)
		ret = check_queues(t, error);
	if (!ret)
		ret = find_namespace(t, error);
	if (!ret)
		ret = check_kind(t, error);
	if (!ret)
		ret = check_sizes(t, error);
	return ret ? ret : check_place(t, error);
}

/* ---------------------------------------------------------------- lost, and back */

static void lost(struct perf_target *t)
{
	struct perf_run *run = t->run;

	t->nr_lost++;
	t->lost_since_ns = clock_now_ns();
	log_err("%s was lost: %s", nvmh_ctrl_name(t->ctrl), nvmh_ctrl_error(t->ctrl));
	if (t->keeps)
		return;
	atomic_store(&run->failed, true);
	atomic_store(&run->stop, true);
}

static void back(struct perf_target *t)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(t->ctrl, t->ns.nsid);

	t->lost_ns += clock_now_ns() - t->lost_since_ns;
	t->lost_since_ns = 0;
	if (ns && ns->nsze >= t->ns.nsze && ns->lba_size == t->ns.lba_size)
		return;
	log_err("%s came back %s namespace %u", nvmh_ctrl_name(t->ctrl),
		ns ? "with another" : "without", t->ns.nsid);
	atomic_store(&t->run->failed, true);
	atomic_store(&t->run->stop, true);
}

void nvmh_perf_ctrl_process(struct perf_target *t)
{
	enum nvmh_state state;

	nvmh_ctrl_process(t->ctrl);
	state = nvmh_ctrl_state(t->ctrl);
	if (state != NVMH_LIVE && !t->lost_since_ns)
		lost(t);
	else if (state == NVMH_LIVE && t->lost_since_ns)
		back(t);
	if (state != NVMH_DEAD)
		return;
	/* nothing will come back any more */
	atomic_store(&t->run->failed, true);
	atomic_store(&t->run->stop, true);
}

void nvmh_perf_ctrl_end(struct perf_target *t)
{
	if (!t->lost_since_ns)
		return;
	t->lost_ns += clock_now_ns() - t->lost_since_ns;
	t->lost_since_ns = 0;
	if (t->keeps)
		log_err("%s did not come back: %s", nvmh_ctrl_name(t->ctrl),
			nvmh_ctrl_error(t->ctrl));
}
