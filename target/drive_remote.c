// SPDX-License-Identifier: BSD-2-Clause
/*
 * Remote controllers as drives: how one is reached, and with what limits. What the configuration's
 * transport strings leave open is filled in here. Entry points: nvmet_drive_remote_name(), main
 * thread; nvmet_drive_remote_open(), the drive's thread.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/nqn.h"
#include "common/stream.h"
#include "common/util.h"
#include "target/drive.h"
#include "target/subsys.h"

enum {
	/* commands wait so long for a path: less than hosts wait for them, which is 30 seconds with
	 * Linux, and more than the library waits before it repeats what may have been done */
	HOLD_MS = 20000,
};

bool nvmet_drive_remote_is(const struct nvmet_drive *drive, const struct config_namespace *cfg)
{
	const struct config_remote *x = &drive->cfg->remote, *y = &cfg->remote;

	if (x->nr_paths != y->nr_paths)
		return false;
	for (uint32_t i = 0; i < x->nr_paths; i++)
		if (strcmp(x->path[i], y->path[i]))
			return false;
	return true;
}

static unsigned int nr_remotes(void)
{
	unsigned int nr = 0;
	struct list *pos;

	list_for_each(pos, &nvmet.drives)
		nr += list_entry(pos, struct nvmet_drive, link)->remote;
	return nr;
}

int nvmet_drive_remote_name(struct nvmet_drive *drive)
{
	const struct config_remote *remote = &drive->cfg->remote;
	struct sockaddr_storage ss;
	struct nvmh_transport tr;
	socklen_t len;
	int ret;

	if (nr_remotes() >= MAX_REMOTES) {
		log_err("more than %d different remote targets; use fewer, or the same strings for namespaces of one target",
			MAX_REMOTES);
		return -ENOSPC;
	}
	ret = nvmh_transport_parse(remote->path[0], &tr);
	if (ret) {
		log_err("cannot use remote %s: %s", remote->subnqn, nvmh_strerror());
		return ret;
	}
	snprintf(drive->name, sizeof(drive->name), "%s", remote->subnqn);
	if (!sock_addr(tr.opts.traddr, 0, &ss, &len))
		snprintf(drive->at, sizeof(drive->at),
			 ss.ss_family == AF_INET ? "%s:%s" : "[%s]:%s", tr.opts.traddr,
			 tr.opts.trsvcid ? tr.opts.trsvcid : "4420");
	nvmh_transport_done(&tr);
	return 0;
}

/* The host that the daemon is to others: the system's, else one that stays the same. */
static const char *host_nqn(char nqn[MAX_NQN_BYTES])
{
	if (!access("/etc/nvme/hostnqn", R_OK))
		return NULL;
	nqn_from_uuid(nvmet.machine_uuid, nqn);
	return nqn;
}

/* What the string does not say. */
static void fill(struct nvmh_ctrl_opts *opts, const struct nvmh_ctrl_opts *usual,
		 const char *hostnqn)
{
	if (!opts->hostnqn)
		opts->hostnqn = hostnqn;
	/* one for each core, or fewer */
	opts->nr_io_queues = opts->nr_io_queues ? min_of(opts->nr_io_queues, usual->nr_io_queues)
						: usual->nr_io_queues;
	if (!opts->queue_size)
		opts->queue_size = usual->queue_size;
	if (!opts->io_timeout_ms)
		opts->io_timeout_ms = usual->io_timeout_ms;
	if (!opts->ctrl_loss_ms)
		opts->ctrl_loss_ms = NVMH_NO_LIMIT;
	opts->on_state = usual->on_state;
	opts->on_ns = usual->on_ns;
	opts->arg = usual->arg;
}

/* Return: paths that are parsed; fewer than there are: nvmh_strerror(). */
static uint16_t parse(const struct config_remote *remote, struct nvmh_transport *tr)
{
	uint16_t nr = 0;

	while (nr < remote->nr_paths && !nvmh_transport_parse(remote->path[nr], &tr[nr]))
		nr++;
	return nr;
}

int nvmet_drive_remote_open(struct nvmet_drive *drive, const struct nvmh_ctrl_opts *usual)
{
	const struct config_remote *remote = &drive->cfg->remote;
	struct nvmh_transport tr[CONFIG_MAX_PATHS] = { 0 };
	struct nvmh_ctrl_opts opts[CONFIG_MAX_PATHS];
	struct nvmh_mpath_opts mpath = { .fast_io_fail_ms = HOLD_MS };
	uint16_t nr = parse(remote, tr);
	char nqn[MAX_NQN_BYTES];
	int ret = -EINVAL;

	static_assert((int)CONFIG_MAX_PATHS <= (int)NVMH_MAX_PATHS, "the library takes them");
	for (uint16_t i = 0; i < nr; i++) {
		opts[i] = tr[i].opts;
		fill(&opts[i], usual, host_nqn(nqn));
	}
	if (nr == remote->nr_paths) {
		if (tr[0].fast_io_fail_ms)
			mpath.fast_io_fail_ms = tr[0].fast_io_fail_ms;
		drive->hold_ms = mpath.fast_io_fail_ms;
		ret = nvmh_mpath_open(opts, nr, &mpath, &drive->ctrl);
	}
	for (uint16_t i = 0; i < nr; i++)
		nvmh_transport_done(&tr[i]);
	return ret;
}
