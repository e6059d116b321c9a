// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading a discovery log once, and following its referrals. The caller's thread, which owns the
 * controller while it lasts; waits. The reading itself is discovery.c's.
 * Entry points: nvmh_discover(), nvmh_discover_tree().
 * NVM Express Base Specification 2.x, "Discovery Service", "Discovery Log Page Entry" (referrals).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/nqn.h"
#include "common/nvme_tcp.h"
#include "common/stream.h"
#include "host/discovery.h"

enum {
	WAIT_MS = 100, /* at most, should a wake-up get lost */
	PORT_TEXT = 8,
	ADDR_TEXT = 72,
	REASON_TEXT = 512,
};

/* What one service said. */
struct answer {
	bool over;
	int err; /* as nvmh_discover() */
	char text[REASON_TEXT];
	struct nvmh_disc_log log; /* its entries are owned */
};

static void got_log(struct nvmh_ctrl *ctrl, const struct nvmh_disc_log *log, void *arg)
{
	struct answer *a = arg;
	struct nvmh_disc_entry *copy = NULL;

	(void)ctrl;
	a->over = true;
	a->log = *log;
	if (log->nr) {
		copy = malloc(log->nr * sizeof(*copy));
		if (copy)
			memcpy(copy, log->entries, log->nr * sizeof(*copy));
		else
			a->err = nvmh_error(-ENOMEM, "out of memory");
	}
	a->log.entries = copy;
}

static void got_error(struct nvmh_ctrl *ctrl, int err, const char *text, void *arg)
{
	struct answer *a = arg;

	(void)ctrl;
	a->over = true;
	a->err = err;
	snprintf(a->text, sizeof(a->text), "%s", text);
}

/*
 * Unlike nvmh_ctrl_wait() this gives up at the first failure: nobody asked to wait for a target to
 * appear. A limit of the time is one for getting connected: then commands have theirs.
 */
static int wait_answer(struct nvmh_ctrl *ctrl, int timeout_ms, struct answer *a)
{
	uint64_t end = clock_now_ms() + (uint64_t)max_of(timeout_ms, 0);
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };

	for (;;) {
		nvmh_ctrl_process(ctrl);
		if (a->over)
			return a->err && a->text[0] ? nvmh_error(a->err, "%s", a->text) : a->err;
		if (nvmh_ctrl_error(ctrl)[0])
			return nvmh_error(ctrl->err ? ctrl->err : -EIO, "%s: %s", ctrl->name,
					  nvmh_ctrl_error(ctrl));
		if (timeout_ms >= 0 && clock_now_ms() >= end && nvmh_ctrl_state(ctrl) != NVMH_LIVE)
			return nvmh_error(-ETIMEDOUT, "%s: not connected within %d ms", ctrl->name,
					  timeout_ms);
		if (poll(&pfd, 1, WAIT_MS) < 0 && errno != EINTR)
			return nvmh_error(-errno, "%s: poll: %m", ctrl->name);
	}
}

/* @log: written on success, its entries are the caller's. Return: as nvmh_discover(). */
static int ask(const struct nvmh_ctrl_opts *opts, int timeout_ms, struct nvmh_disc_log *log)
{
	struct answer a = { .over = false };
	struct nvmh_discovery_opts disc = { .on_log = got_log, .on_error = got_error, .arg = &a };
	struct nvmh_ctrl_opts mine = *opts;
	struct nvmh_ctrl *ctrl;
	char why[REASON_TEXT];
	int ret;

	mine.on_state = NULL;
	mine.on_ns = NULL;
	mine.on_event = NULL;
	ret = nvmh_discovery_open_kato(&mine, &disc, 0, &ctrl);
	if (ret)
		return ret;
	ret = wait_answer(ctrl, timeout_ms, &a);
	snprintf(why, sizeof(why), "%s", nvmh_strerror());
	nvmh_ctrl_close(ctrl);
	if (ret) {
		free((void *)a.log.entries);
		return nvmh_error(ret, "%s", why);
	}
	*log = a.log;
	return 0;
}

int nvmh_discover(const struct nvmh_ctrl_opts *opts, int timeout_ms,
		  struct nvmh_disc_entry **entriesp, uint32_t *nrp)
{
	struct nvmh_disc_log log;
	int ret = ask(opts, timeout_ms, &log);

	if (ret)
		return ret;
	*entriesp = (struct nvmh_disc_entry *)log.entries;
	*nrp = log.nr;
	return 0;
}

/* ---- referrals ---- */

/* A service that was asked or is to be. */
struct service {
	char traddr[sizeof(((struct nvmh_disc_entry *)0)->traddr)];
	char trsvcid[PORT_TEXT];
	char subnqn[NVME_NQN_FIELD];
	char own_nqn[NVME_NQN_FIELD]; /* what it calls itself; "" before it was asked */
	char addr[ADDR_TEXT];	      /* both of the address in one form, to compare */
	uint32_t depth;
};

struct tree {
	struct service *services; /* MAX_DISC_SERVICES */
	uint32_t nr;
	bool cut; /* there were more */
};

/* Return: it is one that can be asked. */
static bool fill_service(struct service *s, const char *traddr, const char *trsvcid,
			 const char *subnqn, uint32_t depth)
{
	struct sockaddr_storage ss;
	unsigned long port;
	socklen_t len;
	char *end;

	memset(s, 0, sizeof(*s));
	port = strtoul(trsvcid, &end, 10);
	if (*trsvcid < '0' || *trsvcid > '9' || *end || !port || port > UINT16_MAX ||
	    sock_addr(traddr, (uint16_t)port, &ss, &len))
		return false;
	sock_addr_text(&ss, s->addr, sizeof(s->addr));
	snprintf(s->traddr, sizeof(s->traddr), "%s", traddr);
	snprintf(s->trsvcid, sizeof(s->trsvcid), "%lu", port);
	snprintf(s->subnqn, sizeof(s->subnqn), "%s", subnqn);
	s->depth = depth;
	return true;
}

static bool is_known(const struct tree *t, const struct service *s)
{
	uint32_t i;

	for (i = 0; i < t->nr; i++) {
		const struct service *k = &t->services[i];

		if (!strcmp(k->addr, s->addr) &&
		    (!strcmp(k->subnqn, s->subnqn) || !strcmp(k->own_nqn, s->subnqn)))
			return true;
	}
	return false;
}

static void add_referrals(struct tree *t, uint32_t from, const struct nvmh_disc_log *log)
{
	struct service s;
	uint32_t i;

	for (i = 0; i < log->nr; i++) {
		const struct nvmh_disc_entry *e = &log->entries[i];

		if (e->subtype == NVME_NQN_CURR)
			memcpy(t->services[from].own_nqn, e->subnqn, sizeof(e->subnqn));
	}
	for (i = 0; i < log->nr; i++) {
		const struct nvmh_disc_entry *e = &log->entries[i];

		if (e->subtype != NVME_NQN_DISC || e->trtype != NVMF_TRTYPE_TCP ||
		    !fill_service(&s, e->traddr, e->trsvcid, e->subnqn,
				  t->services[from].depth + 1) ||
		    is_known(t, &s))
			continue;
		if (t->nr == MAX_DISC_SERVICES) {
			t->cut = true;
			return;
		}
		t->services[t->nr++] = s;
	}
}

static int walk(struct tree *t, const struct nvmh_ctrl_opts *opts, uint32_t max_depth,
		int timeout_ms, nvmh_disc_visit *visit, void *arg)
{
	int first = 0;
	uint32_t i;

	for (i = 0; i < t->nr; i++) {
		struct service *s = &t->services[i];
		struct nvmh_ctrl_opts mine = *opts;
		struct nvmh_disc_service told = {
			.traddr = s->traddr,
			.trsvcid = s->trsvcid,
			.subnqn = s->subnqn,
			.depth = s->depth,
		};

		mine.traddr = s->traddr;
		mine.trsvcid = s->trsvcid;
		mine.subnqn = s->subnqn;
		told.err = ask(&mine, timeout_ms, &told.log);
		told.error = told.err ? nvmh_strerror() : "";
		if (!i)
			first = told.err;
		if (!told.err && s->depth < max_depth)
			add_referrals(t, i, &told.log);
		visit(&told, arg);
		free((void *)told.log.entries);
	}
	return first;
}

int nvmh_discover_tree(const struct nvmh_ctrl_opts *opts, uint32_t max_depth, int timeout_ms,
		       nvmh_disc_visit *visit, void *arg)
{
	struct tree t = { .services = calloc(MAX_DISC_SERVICES, sizeof(*t.services)) };
	char port[PORT_TEXT];
	int ret;

	if (!t.services)
		return nvmh_error(-ENOMEM, "out of memory");
	snprintf(port, sizeof(port), "%u", NVME_TCP_DISC_PORT);
	if (!opts->traddr ||
	    !fill_service(&t.services[0], opts->traddr, opts->trsvcid ? opts->trsvcid : port,
			  opts->subnqn ? opts->subnqn : NQN_DISCOVERY, 0)) {
		free(t.services);
		return nvmh_error(-EINVAL,
				  "traddr, trsvcid: \"%s\" \"%s\" are not a literal address and a "
				  "port number",
				  opts->traddr ? opts->traddr : "",
				  opts->trsvcid ? opts->trsvcid : port);
	}
	t.nr = 1;
	ret = walk(&t, opts, min_of(max_depth, (uint32_t)MAX_DISC_DEPTH), timeout_ms, visit, arg);
	free(t.services);
	if (!ret && t.cut)
		ret = nvmh_error(-E2BIG,
				 "there are more than %u discovery services; the first were asked",
				 MAX_DISC_SERVICES);
	return ret;
}
