// SPDX-License-Identifier: BSD-2-Clause
/*
 * The NVMe/TCP transport's control plane: queues, registers as properties, orderly shutdown, the
 * table of steps. Runs in the controller's thread; nothing blocks: what is not done yet answers
 * -EAGAIN.
 * Entry point: nvmh_tcp_ops.
 * NVM Express Base Specification 2.x, "Fabrics Command Set"; NVMe/TCP Transport Specification,
 * section 3.4.
 */
#include "host/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/nqn.h"
#include "host/ident.h"

enum {
	SHUTDOWN_MS = 5000, /* an orderly shutdown may take */
	SHUTDOWN_POLL_MS = 20,
	CONNECT_STEP_MS = 4 * TCP_STAGE_MS,
	STEP_MS = 30000,
	STEP_BUF_BYTES = 4096,
	CC_SHN_MASK = NVME_CC_SHN_MASK << NVME_CC_SHN_SHIFT,
	CC_SHN_NORMAL = NVME_CC_SHN_NORMAL << NVME_CC_SHN_SHIFT,
	CNTRLTYPE_DISCOVERY = 2,
	MIN_IOCCSZ = 4, /* a submission queue entry, in 16 bytes */
};

/* ---------------------------------------------------------------- queues */

static int tcp_connect_adminq(struct nvmh_ctrl *ctrl)
{
	struct tcp_ctrl *tc = ctrl->tr;
	struct tcp_queue *tq = &tc->queues[0];
	int ret;

	if (tq->stage == TCP_CLOSED) {
		memset(&tc->connect, 0, sizeof(tc->connect));
		memset(&tc->prop, 0, sizeof(tc->prop));
		tc->shutdown_ns = 0;
		tc->shutdown_told = false;
		ret = nvmh_queue_resize(&ctrl->adminq, ADMIN_QUEUE_ENTRIES);
		if (ret)
			return nvmh_error(ret, "out of memory");
	}
	return nvmh_tcp_queue_up(tq);
}

/* What was asked for, cut to what it takes: MAXCMD commands outstanding, where it says so. */
static uint16_t io_queue_size(const struct nvmh_ctrl *ctrl)
{
	uint32_t size = min_of((uint32_t)ctrl->opts.queue_size, NVME_CAP_MQES(ctrl->cap) + 1u);
	uint32_t maxcmd = le16toh(ctrl->id.maxcmd);

	return (uint16_t)(maxcmd ? min_of(size, maxcmd + 1) : size);
}

static int tcp_queue_create(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	struct tcp_ctrl *tc = ctrl->tr;
	struct tcp_queue *tq = &tc->queues[q->qid];
	int ret;

	if (tq->stage == TCP_CLOSED) {
		ret = nvmh_queue_resize(q, io_queue_size(ctrl));
		if (ret)
			return nvmh_error(ret, "out of memory");
	}
	ret = nvmh_tcp_queue_up(tq);
	if (ret)
		return ret;
	/* from here on the queue's owner watches */
	ret = nvmh_tcp_queue_watch(tq, tq->epoll_fd, EPOLLIN);
	if (ret) {
		nvmh_tcp_queue_close(tq);
		return nvmh_error(ret, "cannot watch a socket: %s", strerrordesc_np(-ret));
	}
	return 0;
}

static void tcp_queue_free(struct nvmh_queue *q)
{
	struct tcp_ctrl *tc = q->ctrl->tr;

	if (tc)
		nvmh_tcp_queue_close(&tc->queues[q->qid]);
}

static int tcp_queue_fd(struct nvmh_queue *q)
{
	struct tcp_ctrl *tc = q->ctrl->tr;

	return tc->queues[q->qid].epoll_fd;
}

/* ---------------------------------------------------------------- properties */

static int property_result(const struct tcp_cmd *cmd, uint32_t off, bool write, uint64_t *val)
{
	uint16_t status = cmd->req.status & ST_MASK;

	if (status)
		return nvmh_error(-EIO, "Property %s of %02xh failed with status %03xh, %s",
				  write ? "Set" : "Get", off, status, status_str(status));
	*val = le64_get(cmd->req.cqe.result);
	return 0;
}

static int property(struct nvmh_ctrl *ctrl, uint32_t off, bool write, bool wide, uint64_t *val)
{
	struct tcp_ctrl *tc = ctrl->tr;
	struct tcp_queue *tq = &tc->queues[0];
	struct tcp_cmd *cmd = &tc->prop;
	int ret;

	if (tq->stage != TCP_UP || atomic_load_explicit(&tq->failed, memory_order_relaxed))
		return nvmh_error(-ENOTCONN, "%s", tq->error[0] ? tq->error : "not connected");
	if (cmd->busy && clock_now_ns() >= tc->prop_deadline_ns)
		return nvmh_error(-ETIMEDOUT, "Property %s of %02xh was not answered in %u ms",
				  tc->prop_write ? "Set" : "Get", tc->prop_off,
				  ctrl->opts.admin_timeout_ms);
	if (cmd->busy)
		return -EAGAIN;
	if (cmd->done) {
		cmd->done = false;
		/* or it is the answer to a question that nobody asks any more */
		if (tc->prop_off == off && tc->prop_write == write)
			return property_result(cmd, off, write, val);
	}
	memset(&cmd->req, 0, sizeof(cmd->req));
	if (write)
		nvmh_fabrics_property_set(&cmd->req.sqe, off, (uint32_t)*val);
	else
		nvmh_fabrics_property_get(&cmd->req.sqe, off, wide);
	tc->prop_off = off;
	tc->prop_write = write;
	tc->prop_deadline_ns = clock_now_ns() + ctrl->opts.admin_timeout_ms * NS_PER_MS;
	ret = nvmh_tcp_cmd_send(tq, cmd);
	if (ret && ret != -EAGAIN)
		return nvmh_error(ret, "a Property command cannot be sent: %s",
				  strerrordesc_np(-ret));
	return -EAGAIN;
}

static int tcp_reg_read32(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t *val)
{
	uint64_t wide;
	int ret = property(ctrl, off, false, false, &wide);

	if (!ret)
		*val = (uint32_t)wide;
	return ret;
}

static int tcp_reg_read64(struct nvmh_ctrl *ctrl, uint32_t off, uint64_t *val)
{
	return property(ctrl, off, false, true, val);
}

static int tcp_reg_write32(struct nvmh_ctrl *ctrl, uint32_t off, uint32_t val)
{
	uint64_t wide = val;

	return property(ctrl, off, true, false, &wide);
}

/* ---------------------------------------------------------------- stop */

/* Return: 0, done or not worth waiting for any longer; -EAGAIN. */
static int orderly_shutdown(struct nvmh_ctrl *ctrl)
{
	struct tcp_ctrl *tc = ctrl->tr;
	uint64_t now = clock_now_ns();
	uint32_t csts;
	int ret;

	if (!tc->shutdown_ns)
		tc->shutdown_ns = now + SHUTDOWN_MS * NS_PER_MS;
	if (now >= tc->shutdown_ns)
		return 0;
	if (!tc->shutdown_told) {
		ret = tcp_reg_write32(ctrl, NVME_REG_CC, (ctrl->cc & ~CC_SHN_MASK) | CC_SHN_NORMAL);
		if (ret)
			return ret == -EAGAIN ? ret : 0;
		tc->shutdown_told = true;
	}
	ret = tcp_reg_read32(ctrl, NVME_REG_CSTS, &csts);
	if (!ret && NVME_CSTS_SHST(csts) != NVME_CSTS_SHST_CMPLT) {
		nvmh_step_again(ctrl, SHUTDOWN_POLL_MS);
		return -EAGAIN;
	}
	return ret == -EAGAIN ? ret : 0;
}

/*
 * After this nothing comes from the controller any more: the sockets are shut down. An I/O queue's
 * owner may be within a poll; it finds the end of the stream, and completes what is outstanding
 * when it sees the state.
 */
static int tcp_quiesce(struct nvmh_ctrl *ctrl, bool shutdown_notify)
{
	struct tcp_ctrl *tc = ctrl->tr;
	struct tcp_queue *tq;
	uint16_t i;

	if (shutdown_notify && orderly_shutdown(ctrl) == -EAGAIN)
		return -EAGAIN;
	for (i = 0; i <= ctrl->opts.nr_io_queues; i++) {
		tq = &tc->queues[i];
		if (tq->stage == TCP_CLOSED)
			continue;
		if (tq->stage != TCP_UP)
			nvmh_tcp_queue_close(tq);
		else
			nvmh_tcp_queue_cut(tq, !shutdown_notify);
	}
	return 0;
}

/* ---------------------------------------------------------------- open and free */

static void tcp_free(struct nvmh_ctrl *ctrl)
{
	struct tcp_ctrl *tc = ctrl->tr;
	uint16_t i;

	if (!tc)
		return;
	for (i = 0; tc->queues && i <= ctrl->opts.nr_io_queues; i++) {
		nvmh_tcp_queue_close(&tc->queues[i]);
		if (tc->queues[i].epoll_fd >= 0)
			close(tc->queues[i].epoll_fd);
	}
	free(tc->queues);
	free(ctrl->step_buf);
	ctrl->step_buf = NULL;
	free(tc);
	ctrl->tr = NULL;
}

static int open_queues(struct nvmh_ctrl *ctrl, struct tcp_ctrl *tc)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint16_t i;

	tc->queues = nvmh_queue_calloc(ctrl->opts.nr_io_queues + 1u, sizeof(*tc->queues));
	if (!tc->queues)
		return nvmh_error(-ENOMEM, "out of memory");
	for (i = 0; i <= ctrl->opts.nr_io_queues; i++) {
		tc->queues[i].tc = tc;
		tc->queues[i].q = i ? &ctrl->ioq[i - 1] : &ctrl->adminq;
		tc->queues[i].q->tr = &tc->queues[i];
		tc->queues[i].stream.fd = tc->queues[i].epoll_fd = tc->queues[i].watch_epfd = -1;
	}
	for (i = 1; i <= ctrl->opts.nr_io_queues; i++) {
		tc->queues[i].epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (tc->queues[i].epoll_fd < 0 || epoll_ctl(tc->queues[i].epoll_fd, EPOLL_CTL_ADD,
							    ctrl->ioq[i - 1].event_fd, &ev))
			return nvmh_error(
				-errno,
				"no descriptor for a queue: %m (raise LimitNOFILE= or ulimit -n)");
	}
	return 0;
}

static int parse_port(const char *text, uint16_t *port)
{
	unsigned long value;
	char *end;

	if (!text) {
		*port = NVME_TCP_IO_PORT;
		return 0;
	}
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || !value || value > UINT16_MAX)
		return nvmh_error(-EINVAL, "trsvcid: \"%s\" is not a port number, 1..65535", text);
	*port = (uint16_t)value;
	return 0;
}

static int parse_address(struct nvmh_ctrl *ctrl, struct tcp_ctrl *tc)
{
	struct sockaddr_storage ss;
	sa_family_t family;
	socklen_t len;
	int ret;

	ret = parse_port(ctrl->opts.trsvcid, &tc->port);
	if (ret)
		return ret;
	if (sock_addr(ctrl->opts.traddr, tc->port, &ss, &len))
		return nvmh_error(-EINVAL, "traddr: \"%s\" is not an IPv4 or IPv6 address",
				  ctrl->opts.traddr);
	family = ss.ss_family;
	sock_addr_text(&ss, tc->addr, sizeof(tc->addr));
	if (ctrl->opts.host_traddr && sock_addr(ctrl->opts.host_traddr, 0, &ss, &len))
		return nvmh_error(-EINVAL, "host_traddr: \"%s\" is not an IPv4 or IPv6 address",
				  ctrl->opts.host_traddr);
	if (family != ss.ss_family)
		return nvmh_error(-EINVAL, "host_traddr: \"%s\" is of another family than traddr",
				  ctrl->opts.host_traddr);
	if (!ctrl->opts.subnqn ||
	    !nqn_is_text(ctrl->opts.subnqn, strnlen(ctrl->opts.subnqn, NVME_NQN_FIELD)))
		return nvmh_error(-EINVAL, "subnqn: the subsystem's NQN is missing or is no name");
	return 0;
}

static int set_ident(struct nvmh_ctrl *ctrl)
{
	struct nvmh_ident ident;
	char *nqn;
	int ret;

	ret = nvmh_ident_get(ctrl->opts.hostnqn, ctrl->opts.hostid, &ident);
	if (ret)
		return nvmh_error(ret,
				  ret == -EINVAL ? "hostnqn: \"%s\" is no name" : "no host NQN%s",
				  ctrl->opts.hostnqn ? ctrl->opts.hostnqn : " can be made");
	nqn = strdup(ident.nqn);
	if (!nqn)
		return nvmh_error(-ENOMEM, "out of memory");
	free((char *)ctrl->opts.hostnqn);
	ctrl->opts.hostnqn = nqn;
	memcpy(ctrl->hostid, ident.id, sizeof(ctrl->hostid));
	ctrl->opts.hostid = ctrl->hostid;
	return 0;
}

static int tcp_open(struct nvmh_ctrl *ctrl)
{
	struct tcp_ctrl *tc = calloc(1, sizeof(*tc));
	int ret;

	if (!tc)
		return nvmh_error(-ENOMEM, "out of memory");
	ctrl->tr = tc;
	ret = parse_address(ctrl, tc);
	if (!ret)
		ret = set_ident(ctrl);
	if (!ret)
		ret = open_queues(ctrl, tc);
	if (ret)
		return ret; /* tcp_free() undoes it */
	ctrl->step_buf = aligned_alloc(STEP_BUF_BYTES, STEP_BUF_BYTES);
	if (!ctrl->step_buf)
		return nvmh_error(-ENOMEM, "out of memory");
	snprintf(ctrl->name, sizeof(ctrl->name), "tcp %s %s", tc->addr, ctrl->opts.subnqn);
	return 0;
}

/* ---------------------------------------------------------------- steps */

static bool is_discovery(const struct nvmh_ctrl *ctrl)
{
	return !strcmp(ctrl->opts.subnqn, NQN_DISCOVERY) ||
	       ctrl->id.cntrltype == CNTRLTYPE_DISCOVERY;
}

/* What the transport needs of an I/O controller, from Identify Controller. */
static int step_limits(struct nvmh_ctrl *ctrl)
{
	const struct nvme_id_ctrl *id = &ctrl->id;

	if (is_discovery(ctrl))
		return 0;
	if (le16toh(id->icdoff))
		return nvmh_error(-ENOTSUP, "it wants in-capsule data at an offset (ICDOFF %u)",
				  le16toh(id->icdoff));
	if (le32toh(id->ioccsz) < MIN_IOCCSZ || !le32toh(id->iorcsz))
		return nvmh_error(
			-EPROTO,
			"its capsules have no room for a queue entry (IOCCSZ %u, IORCSZ %u)",
			le32toh(id->ioccsz), le32toh(id->iorcsz));
	if (!(le32toh(id->sgls) & NVME_CTRL_SGLS_SUPPORTED))
		return nvmh_error(-EPROTO, "it does not support SGLs, which NVMe/TCP requires");
	if (ctrl->opts.kato_ms && !le16toh(id->kas))
		return nvmh_error(
			-ENOTSUP,
			"it has no keep alive timer: connect without a keep alive timeout");
	return 0;
}

/* A discovery controller sends events only while it is kept alive, and has no namespaces. */
static int step_async_events(struct nvmh_ctrl *ctrl)
{
	return is_discovery(ctrl) && !ctrl->opts.kato_ms ? 0 : nvmh_step_async_events(ctrl);
}

static int step_scan(struct nvmh_ctrl *ctrl)
{
	return is_discovery(ctrl) ? 0 : nvmh_step_scan(ctrl);
}

static const struct nvmh_step tcp_steps[] = {
	{ "connect", nvmh_step_connect_adminq, CONNECT_STEP_MS },
	{ "read capabilities", nvmh_step_read_cap, STEP_MS },
	{ "enable", nvmh_step_enable, STEP_MS },
	{ "wait until ready", nvmh_step_wait_ready, 0 },
	{ "identify", nvmh_step_identify, STEP_MS },
	{ "check limits", step_limits, STEP_MS },
	{ "keep alive", nvmh_step_keep_alive, STEP_MS },
	{ "number of queues", nvmh_step_nr_queues, STEP_MS },
	{ "connect I/O queue", nvmh_step_io_queues, 4 * TCP_STAGE_MS },
	{ "asynchronous events", step_async_events, STEP_MS },
	{ "scan namespaces", step_scan, STEP_MS },
	{ NULL, NULL, 0 },
};

const struct nvmh_transport_ops nvmh_tcp_ops = {
	.name = "tcp",
	.remote = true,
	.steps = tcp_steps,
	.open = tcp_open,
	.reg_read32 = tcp_reg_read32,
	.reg_read64 = tcp_reg_read64,
	.reg_write32 = tcp_reg_write32,
	.connect_adminq = tcp_connect_adminq,
	.queue_create = tcp_queue_create,
	.quiesce = tcp_quiesce,
	.queue_free = tcp_queue_free,
	.free = tcp_free,
	.queue_submit = nvmh_tcp_queue_submit,
	.queue_commit = nvmh_tcp_queue_commit,
	.queue_poll = nvmh_tcp_queue_poll,
	.queue_arm = nvmh_tcp_queue_arm,
	.queue_fd = tcp_queue_fd,
	.queue_wipe = nvmh_tcp_queue_wipe,
};
