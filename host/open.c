// SPDX-License-Identifier: BSD-2-Clause
/*
 * Making and freeing a controller: options, descriptors, queues, the transport. Runs in the
 * controller's thread. Entry points: nvmh_ctrl_open(), nvmh_ctrl_close().
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "host/ctrl.h"
#include "host/discovery.h"

enum {
	DEFAULT_QUEUE_SIZE = 128,
	DEFAULT_ADMIN_TIMEOUT_MS = 60000,
	DEFAULT_IO_TIMEOUT_MS = 30000,
	DEFAULT_CTRL_LOSS_MS = 600000,
	DEFAULT_READY_TIMEOUT_MS = 10000, /* until CAP.TO is known */
	FIRST_MAX_XFER = 4096,		  /* until MDTS is known */
	MAX_NAME =
		15, /* characters of a congestion control or interface that the kernel looks at */
};

/* The options that are texts: a controller has copies. */
static const size_t texts[] = {
	offsetof(struct nvmh_ctrl_opts, trtype),
	offsetof(struct nvmh_ctrl_opts, traddr),
	offsetof(struct nvmh_ctrl_opts, trsvcid),
	offsetof(struct nvmh_ctrl_opts, subnqn),
	offsetof(struct nvmh_ctrl_opts, hostnqn),
	offsetof(struct nvmh_ctrl_opts, tcp_congestion),
	offsetof(struct nvmh_ctrl_opts, host_traddr),
	offsetof(struct nvmh_ctrl_opts, host_iface),
};

static const char **text_at(const struct nvmh_ctrl_opts *opts, size_t i)
{
	return (const char **)((char *)opts + texts[i]);
}

static void ctrl_free(struct nvmh_ctrl *ctrl)
{
	uint16_t i;

	if (ctrl->ops->free)
		ctrl->ops->free(ctrl);
	nvmh_scan_done(&ctrl->scan);
	nvmh_queue_done(&ctrl->adminq);
	for (i = 0; ctrl->ioq && i < ctrl->opts.nr_io_queues; i++)
		nvmh_queue_done(&ctrl->ioq[i]);
	free(ctrl->ioq);
	nvmh_rescan_done(ctrl);
	nvmh_discovery_done(ctrl);
	free(ctrl->sync_buf_owned);
	if (ctrl->timer_fd >= 0)
		close(ctrl->timer_fd);
	if (ctrl->event_fd >= 0)
		close(ctrl->event_fd);
	if (ctrl->epoll_fd >= 0)
		close(ctrl->epoll_fd);
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		free((char *)*text_at(&ctrl->opts, i));
	free(ctrl);
}

void nvmh_ctrl_close(struct nvmh_ctrl *ctrl)
{
	struct pollfd pfd;

	if (!ctrl)
		return;
	assert(!ctrl->in_process);
	ctrl->closing = true;
	nvmh_ctrl_shutdown(ctrl);
	pfd = (struct pollfd){ .fd = ctrl->epoll_fd, .events = POLLIN };
	while (ctrl->phase != NVMH_PHASE_END) {
		nvmh_ctrl_process(ctrl);
		if (ctrl->phase != NVMH_PHASE_END && poll(&pfd, 1, 100) < 0 && errno != EINTR)
			break;
	}
	ctrl_free(ctrl);
}

int nvmh_ctrl_watch(struct nvmh_ctrl *ctrl, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return fd >= 0 && epoll_ctl(ctrl->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int copy_opts(struct nvmh_ctrl *ctrl, const struct nvmh_ctrl_opts *opts)
{
	const char *from;
	size_t i;

	ctrl->opts = *opts;
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		*text_at(&ctrl->opts, i) = NULL;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		from = *text_at(opts, i);
		if (!from)
			continue;
		*text_at(&ctrl->opts, i) = strdup(from);
		if (!*text_at(&ctrl->opts, i))
			return -ENOMEM;
	}
	if (opts->hostid) {
		memcpy(ctrl->hostid, opts->hostid, sizeof(ctrl->hostid));
		ctrl->opts.hostid = ctrl->hostid;
	}
	if (!ctrl->opts.queue_size)
		ctrl->opts.queue_size = DEFAULT_QUEUE_SIZE;
	if (!ctrl->opts.admin_timeout_ms)
		ctrl->opts.admin_timeout_ms = DEFAULT_ADMIN_TIMEOUT_MS;
	if (!ctrl->opts.io_timeout_ms)
		ctrl->opts.io_timeout_ms = DEFAULT_IO_TIMEOUT_MS;
	if (!ctrl->opts.ctrl_loss_ms)
		ctrl->opts.ctrl_loss_ms = DEFAULT_CTRL_LOSS_MS;
	return 0;
}

static int check_opts(const struct nvmh_ctrl_opts *opts)
{
	if (!opts->traddr || !opts->traddr[0])
		return nvmh_error(-EINVAL, "traddr: an address is missing");
	if (opts->nr_io_queues > MAX_IO_QUEUES)
		return nvmh_error(-EINVAL, "nr_io_queues: %u is more than %u", opts->nr_io_queues,
				  MAX_IO_QUEUES);
	if (opts->queue_size == 1 || opts->queue_size > MAX_QUEUE_ENTRIES)
		return nvmh_error(-EINVAL, "queue_size: %u is not within 2..%u", opts->queue_size,
				  MAX_QUEUE_ENTRIES);
	if (opts->tcp_congestion && strlen(opts->tcp_congestion) > MAX_NAME)
		return nvmh_error(-EINVAL, "tcp_congestion: \"%s\" is longer than %d characters",
				  opts->tcp_congestion, MAX_NAME);
	if (opts->host_iface && (!opts->host_iface[0] || strlen(opts->host_iface) > MAX_NAME))
		return nvmh_error(-EINVAL, "host_iface: \"%s\" is not of 1..%d characters",
				  opts->host_iface, MAX_NAME);
	return 0;
}

static int open_events(struct nvmh_ctrl *ctrl)
{
	int ret;

	ctrl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ctrl->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ctrl->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ctrl->epoll_fd < 0 || ctrl->event_fd < 0 || ctrl->timer_fd < 0)
		return nvmh_error(-errno, "%s: no descriptor: %m (raise LimitNOFILE= or ulimit -n)",
				  ctrl->name);
	ret = nvmh_ctrl_watch(ctrl, ctrl->event_fd);
	return ret ? ret : nvmh_ctrl_watch(ctrl, ctrl->timer_fd);
}

static int init_queues(struct nvmh_ctrl *ctrl)
{
	uint16_t i;
	int ret;

	ctrl->ioq = nvmh_queue_calloc(max_of(ctrl->opts.nr_io_queues, 1), sizeof(*ctrl->ioq));
	if (!ctrl->ioq)
		return -ENOMEM;
	for (i = 0; i < ctrl->opts.nr_io_queues; i++)
		ctrl->ioq[i].event_fd = -1;
	ret = nvmh_queue_init(&ctrl->adminq, ctrl, 0);
	if (!ret)
		ret = nvmh_ctrl_watch(ctrl, ctrl->adminq.event_fd);
	for (i = 0; !ret && i < ctrl->opts.nr_io_queues; i++)
		ret = nvmh_queue_init(&ctrl->ioq[i], ctrl, i + 1);
	if (ret)
		nvmh_error(ret,
			   "%s: no descriptor for its queues (raise LimitNOFILE= or ulimit -n)",
			   ctrl->name);
	return ret;
}

int nvmh_ctrl_open_with(const struct nvmh_ctrl_opts *opts, const struct nvmh_transport_ops *ops,
			struct nvmh_ctrl **ctrlp)
{
	struct nvmh_ctrl *ctrl;
	int ret;

	ret = check_opts(opts);
	if (ret)
		return ret;
	ctrl = nvmh_queue_calloc(1, sizeof(*ctrl));
	if (!ctrl)
		return nvmh_error(-ENOMEM, "out of memory");
	ctrl->ops = ops;
	ctrl->epoll_fd = ctrl->event_fd = ctrl->timer_fd = ctrl->adminq.event_fd = -1;
	ctrl->ready_timeout_ms = DEFAULT_READY_TIMEOUT_MS;
	ctrl->max_xfer = FIRST_MAX_XFER;
	snprintf(ctrl->name, sizeof(ctrl->name), "%s %s", ops->name, opts->traddr);
	nvmh_error(0, "%s: out of memory", ctrl->name);
	ret = copy_opts(ctrl, opts);
	if (!ret)
		ret = open_events(ctrl);
	if (!ret)
		ret = init_queues(ctrl);
	if (!ret)
		ret = ops->open(ctrl);
	if (ret)
		goto fail;
	if (!ctrl->sync_buf) {
		ctrl->sync_buf = ctrl->sync_buf_owned = malloc(NVME_IDENTIFY_DATA_SIZE);
		ret = -ENOMEM;
		if (!ctrl->sync_buf)
			goto fail;
	}
	nvmh_ctrl_start(ctrl);
	nvmh_ctrl_kick(ctrl);
	*ctrlp = ctrl;
	return 0;
fail:
	ctrl_free(ctrl);
	return ret;
}

int nvmh_ctrl_open(const struct nvmh_ctrl_opts *opts, struct nvmh_ctrl **ctrlp)
{
	if (opts->trtype && !strcmp(opts->trtype, "pcie"))
		return nvmh_ctrl_open_with(opts, &nvmh_pcie_ops, ctrlp);
	if (opts->trtype && !strcmp(opts->trtype, "tcp"))
		return nvmh_ctrl_open_with(opts, &nvmh_tcp_ops, ctrlp);
	return nvmh_error(-EINVAL, "trtype: \"%s\" is neither \"pcie\" nor \"tcp\"",
			  opts->trtype ? opts->trtype : "");
}

int nvmh_ctrl_mem_map(struct nvmh_ctrl *ctrl, void *base, size_t len)
{
	return ctrl->ops->mem_map ? ctrl->ops->mem_map(ctrl, base, len) : 0;
}

int nvmh_ctrl_fd(const struct nvmh_ctrl *ctrl)
{
	return ctrl->epoll_fd;
}
