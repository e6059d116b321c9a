// SPDX-License-Identifier: BSD-2-Clause
/*
 * How the connection of an NVMe/TCP queue comes up, in stages that each have a deadline: TCP
 * connect, ICReq and ICResp, Connect command. The same for the admin queue and I/O queues. Runs in
 * the controller's thread; nothing blocks: what is not done yet answers -EAGAIN. Commands of the
 * library's own travel like everybody's, over the data plane (tcp_queue.c).
 * Entry points: nvmh_tcp_queue_up(), nvmh_tcp_queue_close(), nvmh_tcp_cmd_send().
 * NVMe/TCP Transport Specification, section 3.4 (initialization); NVM Express Base Specification
 * 2.x, "Connect Command".
 */
#include "host/tcp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/clock.h"

/* ---------------------------------------------------------------- commands of our own */

static void cmd_done(struct nvmh_req *req)
{
	struct tcp_cmd *cmd = req->arg;

	cmd->busy = false;
	cmd->done = true;
}

int nvmh_tcp_cmd_send(struct tcp_queue *tq, struct tcp_cmd *cmd)
{
	int ret;

	cmd->req.done = cmd_done;
	cmd->req.arg = cmd;
	cmd->req.timeout_ms = NVMH_NO_TIMEOUT; /* a stage or a step has its deadline */
	cmd->done = false;
	ret = nvmh_queue_send(tq->q, &cmd->req);
	if (ret)
		return ret;
	cmd->busy = true;
	nvmh_tcp_queue_flush(tq);
	return 0;
}

/* ---------------------------------------------------------------- a connection comes up */

void nvmh_tcp_queue_close(struct tcp_queue *tq)
{
	if (tq->stage != TCP_CLOSED) {
		tq->closing = true;
		pdu_txq_drop(&tq->txq);
		/*
		 * what the queue's state does not complete: commands of a connection that did not
		 * come up
		 */
		nvmh_queue_abort_all(tq->q, ST_HOST_PATH_ERROR);
		nvmh_tcp_queue_watch(tq, -1, 0);
		stream_close(&tq->stream);
		tq->stage = TCP_CLOSED;
	}
	nvmh_tcp_queue_release(tq);
}

static int stage_limit_ms(const struct nvmh_ctrl *ctrl)
{
	return (int)min_of(ctrl->opts.admin_timeout_ms, (uint32_t)TCP_STAGE_MS);
}

static void enter(struct tcp_queue *tq, enum tcp_stage stage)
{
	tq->stage = stage;
	tq->deadline_ns = clock_now_ns() + (uint64_t)stage_limit_ms(tq->q->ctrl) * NS_PER_MS;
}

/*
 * What the kernel says of a path that it took before may change again, like an interface that is
 * plugged in again or the module a congestion control is in: no reason to give a controller up.
 */
static int passing(const struct nvmh_ctrl *ctrl, int err)
{
	switch (err) {
	case -EINVAL:
	case -EACCES:
	case -EPERM:
	case -ENODEV:
	case -ENOENT:
		return ctrl->was_live ? -ECONNREFUSED : err;
	default:
		return err;
	}
}

/* The system's refusal of a connection, with what to do about it. */
static int connect_error(const struct tcp_queue *tq, int err)
{
	const char *hint = "";

	switch (err) {
	case -ECONNREFUSED:
		hint = ": nothing listens there; is the target running, and is this its port?";
		break;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		hint = ": check the address, the route and firewalls";
		break;
	case -EMFILE:
	case -ENFILE:
		hint = ": raise LimitNOFILE= or ulimit -n";
		break;
	}
	return nvmh_error(passing(tq->q->ctrl, err), "cannot connect to %s: %s%s", tq->tc->addr,
			  strerrordesc_np(-err), hint);
}

/* The kernel does not take an option of the path. What it never took is wrong. */
static int path_error(const struct nvmh_ctrl *ctrl, int err, const char *name)
{
	const struct nvmh_ctrl_opts *opts = &ctrl->opts;
	const char *value = "";
	const char *hint = "";

	if (!strcmp(name, "host_iface")) {
		value = opts->host_iface;
		hint = err == -EPERM ? "; it takes CAP_NET_RAW, or host_traddr instead"
				     : "; is there such a network interface?";
	} else if (!strcmp(name, "host_traddr")) {
		value = opts->host_traddr;
		hint = "; it must be an address of this machine";
	} else if (!strcmp(name, "tcp_congestion")) {
		value = opts->tcp_congestion;
		hint = "; see net.ipv4.tcp_allowed_congestion_control";
	}
	return nvmh_error(err == -ENOMEM ? err : passing(ctrl, -EINVAL),
			  "%s: the kernel refuses \"%s\": %s%s", name, value, strerrordesc_np(-err),
			  hint);
}

static int stage_closed(struct tcp_queue *tq)
{
	struct nvmh_ctrl *ctrl = tq->q->ctrl;
	struct sock_path path = {
		.traddr = ctrl->opts.traddr,
		.port = tq->tc->port,
		.tos = ctrl->opts.tos,
		.host_traddr = ctrl->opts.host_traddr,
		.host_iface = ctrl->opts.host_iface,
		.congestion = ctrl->opts.tcp_congestion,
	};
	const char *refused;
	int fd;
	int ret;

	ret = nvmh_tcp_queue_alloc(tq);
	if (ret)
		return nvmh_error(ret, "out of memory");
	nvmh_tcp_queue_start(tq);
	fd = sock_connect_by(&path, &refused);
	if (fd < 0 && refused)
		return path_error(ctrl, fd, refused);
	if (fd < 0)
		return connect_error(tq, fd);
	stream_socket_init(&tq->stream, fd);
	sock_tune(fd, 0);
	enter(tq, TCP_CONNECTING);
	ret = nvmh_tcp_queue_watch(tq, ctrl->epoll_fd, EPOLLOUT);
	return ret ? nvmh_error(ret, "cannot watch a socket: %s", strerrordesc_np(-ret)) : 0;
}

static int stage_connecting(struct tcp_queue *tq)
{
	const struct nvmh_ctrl_opts *opts = &tq->q->ctrl->opts;
	struct pollfd pfd = { .fd = tq->stream.fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&pfd, 1, 0) <= 0)
		return -EAGAIN;
	if (getsockopt(tq->stream.fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err)
		return connect_error(tq, -err);
	enter(tq, TCP_IC);
	nvmh_tcp_queue_watch(tq, tq->watch_epfd, EPOLLIN);
	pdu_tx_icreq(&tq->ctl_tx, 0, opts->hdgst, opts->ddgst, TCP_MAX_R2T - 1);
	tq->ctl_tx.sent = NULL;
	pdu_txq_push(&tq->txq, &tq->ctl_tx);
	nvmh_tcp_queue_flush(tq);
	return 0;
}

static int stage_ic(struct tcp_queue *tq)
{
	struct nvmh_ctrl *ctrl = tq->q->ctrl;
	const struct nvmh_ctrl_opts *opts = &ctrl->opts;
	uint16_t qid = tq->q->qid;
	struct tcp_ctrl *tc = tq->tc;
	struct nvmh_req *req = &tc->connect.req;
	int ret;

	if (!tq->ic_done)
		return -EAGAIN;
	ret = nvmh_fabrics_connect_data(&tc->connect_data, ctrl->hostid,
					qid ? ctrl->cntlid : NVME_CNTLID_DYNAMIC, opts->subnqn,
					opts->hostnqn);
	if (ret)
		return nvmh_error(ret, "the subsystem or host NQN is empty or too long");
	memset(req, 0, sizeof(*req));
	nvmh_fabrics_connect_cmd(&req->sqe, qid, tq->q->size, opts->disable_sqflow, opts->kato_ms);
	tc->connect_iov = (struct iovec){ &tc->connect_data, sizeof(tc->connect_data) };
	req->iov = &tc->connect_iov;
	req->nr_iov = 1;
	req->dir = NVMH_TO_CTRL;
	req->len = sizeof(tc->connect_data);
	enter(tq, TCP_CONNECT);
	ret = nvmh_tcp_cmd_send(tq, &tc->connect);
	return ret ? nvmh_error(ret, "the Connect command cannot be sent: %s",
				strerrordesc_np(-ret))
		   : 0;
}

/* In-capsule data of I/O commands, as Identify Controller tells. */
static uint32_t io_icd_bytes(const struct nvme_id_ctrl *id)
{
	uint64_t capsule = (uint64_t)le32toh(id->ioccsz) * 16;

	if (capsule <= sizeof(struct nvme_sqe) || !(le32toh(id->sgls) & NVME_CTRL_SGLS_OFFSET))
		return 0;
	return (uint32_t)min_of(capsule - sizeof(struct nvme_sqe), (uint64_t)MAX_ICD_BYTES);
}

/*
 * What is known of the refusal as an errno that tells whether to try again. Without DNR a
 * controller that was live may be so again: the target restarts, or its configuration changes. A
 * queue beyond the first is done without.
 */
static int refusal_errno(const struct nvmh_ctrl *ctrl, uint16_t qid, uint16_t status, int err)
{
	if (qid > 1)
		return -EREMOTEIO;
	if (!(status & ST_DNR))
		return ctrl->was_live ? -ECONNREFUSED : err;
	return err == -EACCES || err == -EINVAL || err == -ENOENT ? err : -EPERM;
}

static int stage_connect(struct tcp_queue *tq)
{
	struct nvmh_ctrl *ctrl = tq->q->ctrl;
	struct tcp_cmd *cmd = &tq->tc->connect;
	struct nvmh_connect_result result;
	uint16_t qid = tq->q->qid;
	char text[320];
	int ret;

	if (!cmd->done)
		return -EAGAIN;
	cmd->done = false;
	ret = nvmh_fabrics_connect_check(&cmd->req.cqe, qid, &ctrl->opts, &result, text,
					 sizeof(text));
	if (ret)
		return nvmh_error(refusal_errno(ctrl, qid, cmd->req.status, ret), "%s", text);
	if (result.auth_required)
		return nvmh_error(-EACCES,
				  "the controller wants host %s to authenticate (DH-HMAC-CHAP)",
				  ctrl->opts.hostnqn);
	if (qid && result.cntlid != ctrl->cntlid)
		return nvmh_error(-EPROTO, "queue %u was connected to controller %u instead of %u",
				  qid, result.cntlid, ctrl->cntlid);
	ctrl->cntlid = result.cntlid;
	if (qid)
		tq->max_icd = io_icd_bytes(&ctrl->id);
	enter(tq, TCP_UP);
	return 0;
}

static const char *stage_name(enum tcp_stage stage)
{
	switch (stage) {
	case TCP_CONNECTING:
		return "a TCP connection";
	case TCP_IC:
		return "an ICResp (is this an NVMe/TCP port?)";
	default:
		return "an answer to Connect";
	}
}

static int bring_up(struct tcp_queue *tq)
{
	static int (*const stages[])(struct tcp_queue * tq) = {
		[TCP_CLOSED] = stage_closed,
		[TCP_CONNECTING] = stage_connecting,
		[TCP_IC] = stage_ic,
		[TCP_CONNECT] = stage_connect,
	};
	int ret;

	while (tq->stage != TCP_UP) {
		if (tq->stage > TCP_CONNECTING) {
			tq->armed = true;
			nvmh_tcp_queue_poll(tq->q);
			if (atomic_load_explicit(&tq->failed, memory_order_relaxed))
				return nvmh_error(tq->err, "%s", tq->error);
		}
		ret = stages[tq->stage](tq);
		if (ret == -EAGAIN && clock_now_ns() >= tq->deadline_ns)
			return nvmh_error(-ETIMEDOUT, "%s did not give %s within %d ms",
					  tq->tc->addr, stage_name(tq->stage),
					  stage_limit_ms(tq->q->ctrl));
		if (ret)
			return ret;
	}
	return 0;
}

int nvmh_tcp_queue_up(struct tcp_queue *tq)
{
	int ret = bring_up(tq);

	if (ret && ret != -EAGAIN)
		nvmh_tcp_queue_close(tq);
	return ret;
}
