// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcpctl discover: what a discovery service lists, once or for as long as it is watched, in the
 * words of nvme discover. No daemon takes part. Entry point: nvmet_ctl_call_discover().
 * NVM Express Base Specification 2.x, "Discovery Log Page".
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libnvme.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/util.h"
#include "common/uuid.h"
#include "host/nvmh.h"
#include "target/ctl.h"
#include "target/rpc_json.h"

enum {
	CONNECT_MS = 30000,
	MAX_KATO_S = 3600,
};

/* ---- options ---- */

static const char *text(struct nvmet_ctl_run *run, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(run->params, name, &val) ? json_object_get_string(val)
								  : NULL;
}

static bool flag(struct nvmet_ctl_run *run, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(run->params, name, &val) && json_object_get_boolean(val);
}

/* @opts points into run->params and to @hostid. Return: NVMET_CTL_OK; else an option is wrong. */
static int read_opts(struct nvmet_ctl_run *run, struct nvmh_ctrl_opts *opts, uint8_t hostid[16])
{
	const char *id = text(run, "hostid");
	struct json_object *val;
	uint64_t kato = 0;

	memset(opts, 0, sizeof(*opts));
	opts->trtype = text(run, "trtype") ? text(run, "trtype") : "tcp";
	opts->traddr = text(run, "traddr");
	opts->trsvcid = text(run, "trsvcid");
	opts->subnqn = text(run, "subnqn");
	opts->host_traddr = text(run, "host_traddr");
	opts->host_iface = text(run, "host_iface");
	opts->hostnqn = text(run, "hostnqn");
	opts->hdgst = flag(run, "hdgst");
	opts->ddgst = flag(run, "ddgst");
	if (strcmp(opts->trtype, "tcp"))
		return nvmet_ctl_error("--transport: only tcp can be discovered, not \"%s\"",
				       opts->trtype);
	if (!opts->traddr)
		return nvmet_ctl_error("--traddr: the address of the discovery service is missing");
	if (id && uuid_from_text(id, hostid))
		return nvmet_ctl_error("--hostid: \"%s\" is no UUID", id);
	opts->hostid = id ? hostid : NULL;
	if (json_object_object_get_ex(run->params, "kato", &val))
		kato = json_object_get_uint64(val);
	if (kato > MAX_KATO_S)
		return nvmet_ctl_error("--keep-alive-tmo: at most %d seconds", MAX_KATO_S);
	opts->kato_ms = (uint32_t)kato * 1000;
	return NVMET_CTL_OK;
}

/* ---- a log ---- */

static struct json_object *entry_json(const struct nvmh_disc_entry *e)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_text(obj, "trtype", "%s", nvmf_trtype_str(e->trtype));
	nvmet_rpc_put_text(obj, "adrfam", "%s", nvmf_adrfam_str(e->adrfam));
	nvmet_rpc_put_text(obj, "subtype", "%s", nvmf_subtype_str(e->subtype));
	nvmet_rpc_put_text(obj, "treq", "%s", nvmf_treq_str(e->treq));
	nvmet_rpc_put_uint(obj, "portid", e->portid);
	nvmet_rpc_put_text(obj, "trsvcid", "%s", e->trsvcid);
	nvmet_rpc_put_text(obj, "subnqn", "%s", e->subnqn);
	nvmet_rpc_put_text(obj, "traddr", "%s", e->traddr);
	nvmet_rpc_put_text(obj, "eflags", "%s", nvmf_eflags_str(e->eflags));
	if (e->trtype == NVMF_TRTYPE_TCP)
		nvmet_rpc_put_text(obj, "sectype", "%s", nvmf_sectype_str(e->sectype));
	return obj;
}

static void put_log(struct json_object *obj, const struct nvmh_disc_log *log)
{
	struct json_object *records = json_object_new_array();

	for (uint32_t i = 0; i < log->nr; i++)
		json_object_array_add(records, entry_json(&log->entries[i]));
	nvmet_rpc_put_uint(obj, "genctr", log->genctr);
	nvmet_rpc_put(obj, "records", records);
}

static void print_field(struct json_object *record, const char *name)
{
	struct json_object *val;

	if (json_object_object_get_ex(record, name, &val))
		printf("%s:%*s%s\n", name, (int)(8 - strlen(name)), "",
		       json_object_get_string(val));
}

static void print_log(struct json_object *obj)
{
	static const char *const fields[] = { "trtype",	 "adrfam", "subtype", "treq",	"portid",
					      "trsvcid", "subnqn", "traddr",  "eflags", "sectype" };
	struct json_object *genctr, *records;
	size_t nr;

	if (!json_object_object_get_ex(obj, "records", &records) ||
	    !json_object_object_get_ex(obj, "genctr", &genctr))
		return;
	nr = json_object_array_length(records);
	printf("\nDiscovery Log Number of Records %zu, Generation counter %" PRIu64 "\n", nr,
	       json_object_get_uint64(genctr));
	for (size_t i = 0; i < nr; i++) {
		printf("=====Discovery Log Entry %zu======\n", i);
		for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
			print_field(json_object_array_get_idx(records, i), fields[k]);
	}
}

/* ---- once ---- */

static void visit(const struct nvmh_disc_service *service, void *arg)
{
	struct nvmet_ctl_run *run = arg;
	struct json_object *obj = json_object_new_object(), *services;

	if (!json_object_object_get_ex(run->result, "services", &services)) {
		services = json_object_new_array();
		nvmet_rpc_put(run->result, "services", services);
	}
	nvmet_rpc_put_text(obj, "traddr", "%s", service->traddr);
	nvmet_rpc_put_text(obj, "trsvcid", "%s", service->trsvcid);
	nvmet_rpc_put_text(obj, "subnqn", "%s", service->subnqn);
	nvmet_rpc_put_uint(obj, "depth", service->depth);
	if (service->err)
		nvmet_rpc_put_text(obj, "error", "%s", service->error);
	else
		put_log(obj, &service->log);
	json_object_array_add(services, obj);
}

static const char *member(struct json_object *obj, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(obj, name, &val) ? json_object_get_string(val) : NULL;
}

void nvmet_ctl_show_discover(struct nvmet_ctl_run *run)
{
	struct json_object *services;

	if (!json_object_object_get_ex(run->result, "services", &services)) {
		print_log(run->result);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(services); i++) {
		struct json_object *obj = json_object_array_get_idx(services, i);

		printf("%sDiscovery service %s at %s, port %s\n", i ? "\n" : "",
		       member(obj, "subnqn"), member(obj, "traddr"), member(obj, "trsvcid"));
		if (member(obj, "error"))
			printf("not asked: %s\n", member(obj, "error"));
		print_log(obj);
	}
}

/* What the library says of a call that did not begin. Return: an exit status. */
static int not_begun(int err)
{
	nvmet_ctl_error("%s", nvmh_strerror());
	return err == -EINVAL ? NVMET_CTL_USAGE : NVMET_CTL_FAILED;
}

/* Without referrals there is one service: its log alone, as nvme discover has it. */
static int call_once(struct nvmet_ctl_run *run, const struct nvmh_ctrl_opts *opts)
{
	bool follow = flag(run, "referrals");
	struct json_object *services, *first;
	int ret;

	run->result = json_object_new_object();
	ret = nvmh_discover_tree(opts, follow ? MAX_DISC_DEPTH : 0, CONNECT_MS, visit, run);
	if (!json_object_object_get_ex(run->result, "services", &services))
		return not_begun(ret);
	first = json_object_array_get_idx(services, 0);
	/* the text that was told then: others may have been asked since */
	if (member(first, "error"))
		return nvmet_ctl_error("%s", member(first, "error"));
	if (ret) /* -E2BIG: there are more, which is no failure */
		nvmet_ctl_error("%s", nvmh_strerror());
	if (follow)
		return NVMET_CTL_OK;
	json_object_get(first);
	json_object_put(run->result);
	run->result = first;
	return NVMET_CTL_OK;
}

/* ---- for as long as it is watched ---- */

struct watch {
	struct nvmet_ctl_run *run;
	bool was_live;
	bool warned;
};

static void on_log(struct nvmh_ctrl *ctrl, const struct nvmh_disc_log *log, void *arg)
{
	struct watch *w = arg;
	struct json_object *obj = json_object_new_object();

	(void)ctrl;
	put_log(obj, log);
	if (w->run->json)
		puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_log(obj);
	fflush(stdout);
	json_object_put(obj);
	if (!w->warned && !log->may_stay)
		nvmet_ctl_error("the discovery controller does not say that hosts may stay "
				"connected (EFLAGS, EPCSD): it may end the connection");
	else if (!w->warned && !log->events)
		nvmet_ctl_error("the discovery controller does not tell of changes: it is asked "
				"once a minute");
	w->warned = true;
}

static void on_error(struct nvmh_ctrl *ctrl, int err, const char *reason, void *arg)
{
	(void)ctrl;
	(void)err;
	(void)arg;
	nvmet_ctl_error("%s", reason);
}

static void on_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	struct watch *w = arg;

	if (state == NVMH_RESETTING)
		nvmet_ctl_error("%s: %s; trying again", nvmh_ctrl_name(ctrl),
				nvmh_ctrl_error(ctrl));
	else if (state == NVMH_LIVE && w->was_live)
		nvmet_ctl_error("%s: connected again", nvmh_ctrl_name(ctrl));
	w->was_live |= state == NVMH_LIVE;
}

/* Until a signal. Return: an exit status, or -1. */
static int watch_loop(struct nvmh_ctrl *ctrl, struct watch *w, int signal_fd)
{
	struct pollfd pfd[2] = {
		{ .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};

	for (;;) {
		nvmh_ctrl_process(ctrl);
		/* a service that was there may come back; one that never was is a mistake */
		if (nvmh_ctrl_state(ctrl) == NVMH_DEAD ||
		    (!w->was_live && nvmh_ctrl_error(ctrl)[0]))
			return nvmet_ctl_error("%s: %s", nvmh_ctrl_name(ctrl),
					       nvmh_ctrl_error(ctrl));
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			return nvmet_ctl_error("poll: %m");
		if (pfd[1].revents)
			return -1;
	}
}

static int call_watch(struct nvmet_ctl_run *run, struct nvmh_ctrl_opts *opts)
{
	struct watch w = { .run = run };
	struct nvmh_discovery_opts disc = { .on_log = on_log, .on_error = on_error, .arg = &w };
	struct nvmh_ctrl *ctrl;
	sigset_t set;
	int fd, ret;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return nvmet_ctl_error("no descriptor for signals: %m");
	opts->ctrl_loss_ms = NVMH_NO_LIMIT;
	opts->on_state = on_state;
	opts->arg = &w;
	ret = nvmh_discovery_open(opts, &disc, &ctrl);
	if (ret) {
		ret = not_begun(ret);
	} else {
		ret = watch_loop(ctrl, &w, fd);
		nvmh_ctrl_close(ctrl);
	}
	close(fd);
	return ret;
}

int nvmet_ctl_call_discover(struct nvmet_ctl_run *run)
{
	struct nvmh_ctrl_opts opts;
	uint8_t hostid[16];

	if (read_opts(run, &opts, hostid))
		return NVMET_CTL_USAGE;
	return flag(run, "persistent") || flag(run, "watch") ? call_watch(run, &opts)
							     : call_once(run, &opts);
}
