// SPDX-License-Identifier: BSD-2-Clause
/*
 * From transport strings to a namespace in use, for the fio engine and the nbdkit plugin. Runs in
 * the thread that will own the controller. Entry points: nvmh_attach(), nvmh_detach(),
 * nvmh_attach_errno().
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/status.h"
#include "host/attach.h"
#include "host/ctrl.h"

enum {
	OTHER_PATHS_MS = 3000, /* for another path, once one has failed */
	POLL_MS = 100,
};

static const char separators[] = " \t\r\n,";

struct paths {
	struct nvmh_transport tr[ATTACH_MAX_PATHS];
	uint16_t nr;
	uint32_t nsid; /* that they name; 0: none does */
};

static void paths_done(struct paths *p)
{
	while (p->nr)
		nvmh_transport_done(&p->tr[--p->nr]);
}

static int add_path(struct paths *p, const char *text)
{
	struct nvmh_transport *tr = &p->tr[p->nr];
	int ret;

	if (p->nr == ATTACH_MAX_PATHS)
		return nvmh_error(-EINVAL, "transport: more than %d paths", ATTACH_MAX_PATHS);
	ret = nvmh_transport_parse(text, tr);
	if (ret)
		return ret;
	p->nr++;
	if (tr->nsid && p->nsid && tr->nsid != p->nsid)
		return nvmh_error(
			-EINVAL,
			"transport: nsid=%u and nsid=%u, the paths are to lead to one namespace",
			p->nsid, tr->nsid);
	if (tr->nsid)
		p->nsid = tr->nsid;
	return 0;
}

/* Where the first word "+" of @text is, or NULL. */
static char *find_plus(char *text)
{
	char *plus;

	for (plus = strchr(text, '+'); plus; plus = strchr(plus + 1, '+')) {
		if ((plus == text || strchr(separators, plus[-1])) &&
		    strchr(separators, plus[1])) /* also at the end */
			return plus;
	}
	return NULL;
}

static int parse_paths(struct paths *p, const char *transport)
{
	char text[ATTACH_MAX_TEXT];
	char *path = text;
	char *plus;
	int ret;

	if (!transport || !transport[strspn(transport, separators)])
		return nvmh_error(
			-EINVAL,
			"transport: say where the namespace is, like \"trtype=tcp traddr=192.0.2.1 subnqn=nqn... nsid=1\"");
	if (strlen(transport) >= sizeof(text))
		return nvmh_error(-EINVAL, "transport: longer than %d bytes", ATTACH_MAX_TEXT - 1);
	memcpy(text, transport, strlen(transport) + 1);
	do {
		plus = find_plus(path);
		if (plus)
			*plus = '\0';
		ret = add_path(p, path);
		path = plus ? plus + 1 : NULL;
	} while (!ret && path);
	return ret;
}

/* The one place that makes controllers: several paths become one. */
static int open_ctrl(const struct nvmh_attach_opts *opts, struct paths *p, struct nvmh_ctrl **ctrlp)
{
	const struct nvmh_mpath_opts mpath = { .fast_io_fail_ms = p->tr[0].fast_io_fail_ms };
	struct nvmh_ctrl_opts paths[ATTACH_MAX_PATHS];
	uint16_t i;

	for (i = 0; i < p->nr; i++) {
		struct nvmh_ctrl_opts *co = &p->tr[i].opts;

		if (opts->nr_queues || !co->nr_io_queues)
			co->nr_io_queues = max_of(opts->nr_queues, 1);
		if (!co->queue_size)
			co->queue_size = opts->queue_size;
		co->hdgst |= opts->hdgst;
		co->ddgst |= opts->ddgst;
		co->on_ns = opts->on_ns;
		co->arg = opts->arg;
	}
	if (p->nr == 1 && !strcmp(p->tr[0].opts.trtype, "pcie"))
		return nvmh_ctrl_open(&p->tr[0].opts, ctrlp);
	for (i = 0; i < p->nr; i++)
		paths[i] = p->tr[i].opts;
	return nvmh_mpath_open(paths, p->nr, &mpath, ctrlp);
}

/*
 * At the first failure it ends, where another path may do better a little later: what is wrong with
 * a string is to be heard at once, not when ctrl_loss_tmo= is over.
 */
static int wait_live(struct nvmh_ctrl *ctrl, uint16_t nr_paths)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };
	uint64_t end = clock_now_ms() + ATTACH_TIMEOUT_MS;
	bool failed = false;

	while (nvmh_ctrl_state(ctrl) != NVMH_LIVE) {
		nvmh_ctrl_process(ctrl);
		if (!failed && nvmh_ctrl_error(ctrl)[0]) {
			failed = true;
			end = min_of(end, clock_now_ms() + (nr_paths > 1 ? OTHER_PATHS_MS : 0));
		}
		if (nvmh_ctrl_state(ctrl) == NVMH_LIVE)
			break;
		if (nvmh_ctrl_state(ctrl) == NVMH_DEAD || clock_now_ms() >= end)
			return nvmh_error(failed ? -ECONNREFUSED : -ETIMEDOUT, "%s: %s",
					  nvmh_ctrl_name(ctrl),
					  failed ? nvmh_ctrl_error(ctrl) : "not connected in time");
		if (poll(&pfd, 1, POLL_MS) < 0 && errno != EINTR)
			return nvmh_error(-errno, "poll: %m");
	}
	return 0;
}

static const struct nvmh_ns *find_ns(struct nvmh_ctrl *ctrl, uint32_t nsid)
{
	uint32_t nr = nvmh_ctrl_nr_ns(ctrl);
	const struct nvmh_ns *ns;

	if (!nsid && nr == 1)
		return nvmh_ctrl_ns(ctrl, 0);
	if (!nsid) {
		nvmh_error(-EINVAL,
			   "%s has %u namespaces: say which with nsid=", nvmh_ctrl_name(ctrl), nr);
		return NULL;
	}
	ns = nvmh_ctrl_ns_by_nsid(ctrl, nsid);
	if (!ns)
		nvmh_error(-ENOENT, "%s has no namespace %u", nvmh_ctrl_name(ctrl), nsid);
	return ns;
}

static int look_at(struct nvmh_attach *att, const struct nvmh_ns *ns)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(att->ctrl);
	uint16_t oncs = le16toh(id->oncs);
	uint64_t max_io = nvmh_ctrl_max_xfer(att->ctrl);

	if (ns->ms)
		return nvmh_error(
			-ENOTSUP,
			"namespace %u has %u bytes of metadata with each block, which is not supported",
			ns->nsid, ns->ms);
	if (ns->csi != NVME_CSI_NVM)
		return nvmh_error(-ENOTSUP,
				  "namespace %u is not one of plain blocks (command set %u)",
				  ns->nsid, ns->csi);
	if (!is_pow2(ns->lba_size) || ns->lba_size > max_io ||
	    __builtin_mul_overflow(ns->nsze, (uint64_t)ns->lba_size, &att->size) ||
	    att->size > INT64_MAX)
		return nvmh_error(-EPROTO, "namespace %u says it has %llu blocks of %u bytes",
				  ns->nsid, (unsigned long long)ns->nsze, ns->lba_size);
	max_io = min_of(max_io, (uint64_t)ns->lba_size << 16); /* NLB has 16 bits */
	att->nsid = ns->nsid;
	att->lba_size = ns->lba_size;
	att->max_io = (uint32_t)(max_io - max_io % ns->lba_size);
	att->read_only = ns->id.nsattr & NVME_NS_NSATTR_WRITE_PROTECTED;
	att->can_trim = oncs & NVME_CTRL_ONCS_DSM;
	att->can_zero = oncs & NVME_CTRL_ONCS_WRITE_ZEROES;
	return 0;
}

static int connect_and_look(const struct nvmh_attach_opts *opts, struct paths *p,
			    struct nvmh_attach *att)
{
	const struct nvmh_ns *ns;
	int ret;

	ret = open_ctrl(opts, p, &att->ctrl);
	if (ret)
		return ret;
	att->local = !strcmp(p->tr[0].opts.trtype, "pcie");
	ret = wait_live(att->ctrl, p->nr);
	if (ret)
		return ret;
	if (!nvmh_ctrl_nr_queues(att->ctrl))
		return nvmh_error(-ENOSPC, "%s grants no I/O queue", nvmh_ctrl_name(att->ctrl));
	ns = find_ns(att->ctrl, opts->nsid ? opts->nsid : p->nsid);
	return ns ? look_at(att, ns) : (opts->nsid || p->nsid ? -ENOENT : -EINVAL);
}

int nvmh_attach(const struct nvmh_attach_opts *opts, struct nvmh_attach *att)
{
	struct paths p = { .nr = 0 };
	char why[512];
	int ret;

	memset(att, 0, sizeof(*att));
	ret = parse_paths(&p, opts->transport);
	if (!ret)
		ret = connect_and_look(opts, &p, att);
	if (ret) {
		/* closing may say something of its own */
		snprintf(why, sizeof(why), "%s", nvmh_strerror());
		nvmh_detach(att);
		nvmh_error(ret, "%s", why);
	}
	paths_done(&p);
	return ret;
}

void nvmh_detach(struct nvmh_attach *att)
{
	nvmh_ctrl_close(att->ctrl);
	att->ctrl = NULL;
}

int nvmh_attach_errno(uint16_t status)
{
	switch (status & ST_MASK) {
	case ST_OK:
		return 0;
	case ST_INVALID_OPCODE:
		return EOPNOTSUPP;
	case ST_INVALID_FIELD:
		return EINVAL;
	case ST_LBA_RANGE:
	case ST_CAP_EXCEEDED:
		return ENOSPC;
	case ST_INVALID_NS:
		return ENODEV;
	case ST_NS_WRITE_PROTECTED:
	case ST_READ_ONLY_RANGE:
		return EROFS;
	case ST_ACCESS_DENIED:
		return EACCES;
	case ST_RESERVATION_CONFLICT:
		return EBUSY;
	case ST_HOST_ABORTED:
	case ST_HOST_PATH_ERROR:
		return ETIMEDOUT;
	default:
		return EIO;
	}
}
