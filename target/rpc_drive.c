// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about drives. Main loop; the work is done by the drive's thread (drive_op.c), and
 * binding and releasing, where the kernel may take its time, by a thread of its own each. Every
 * call has a deadline here, whatever becomes of the drive. Entry point: nvmet_rpc_drive_methods.
 */
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/util.h"
#include "target/core.h"
#include "target/drive.h"
#include "target/rpc.h"

enum {
	MAX_OPS = 4096,		 /* under way, of all connections */
	MAX_OPS_DATA = 64 << 20, /* bytes of their data */
	MAX_CHANGERS = 8,	 /* threads that bind or release */
	MAX_LISTS = 64,		 /* under way; the helper makes one after the other */
	SPARE_MS = 15000,	 /* beyond a command's own time, for the driver to give it up */
	RESET_MS = 150000,	 /* CAP.TO may say up to 127.5 s */
	CHANGE_MS = 60000,
};

static unsigned int nr_ops, nr_io_ops;
static size_t ops_data;
static bool closing; /* the daemon ends */
uint32_t nvmet_rpc_change_ms = 10000;

/* ---- a call with a deadline ---- */

struct waiting {
	struct nvmet_rpc_call *call; /* NULL: it was told that time is up */
	const char *method;
	struct loop_timer timer;
	char bdf[CONFIG_BDF_SIZE];
};

static void time_up(struct loop_timer *t)
{
	struct waiting *w = container_of(t, struct waiting, timer);
	struct nvmet_rpc_error err = { 0 };

	nvmet_rpc_errno(&err, -ETIMEDOUT, "%s of drive %s is not finished; it goes on", w->method,
			w->bdf);
	nvmet_rpc_fail(w->call, &err);
	w->call = NULL;
}

static int wait_begin(struct waiting *w, struct nvmet_rpc_call *call, const char *bdf, uint32_t ms)
{
	int ret = loop_timer_init(nvmet.main_loop, &w->timer, time_up);

	if (ret)
		return ret;
	w->call = call;
	w->method = call->method;
	snprintf(w->bdf, sizeof(w->bdf), "%s", bdf);
	loop_timer_start(&w->timer, ms);
	return 0;
}

static void wait_end(struct waiting *w, struct json_object *result,
		     const struct nvmet_rpc_error *err)
{
	loop_timer_done(&w->timer);
	if (!w->call)
		json_object_put(result);
	else if (err->code)
		nvmet_rpc_fail(w->call, err);
	else
		nvmet_rpc_result(w->call, result);
}

/* ---- commands and resets ---- */

struct drive_call {
	struct nvmet_drive_op op;
	struct waiting wait;
};

bool nvmet_rpc_drive_busy(void)
{
	return nr_io_ops;
}

static void call_free(struct drive_call *dc)
{
	nvmet_drive_cmd_done(&dc->op.cmd);
	free(dc);
}

static size_t data_of(const struct nvmet_drive_cmd *cmd)
{
	return (size_t)cmd->len + cmd->md_len;
}

static void op_done(struct nvmet_drive_op *op)
{
	struct drive_call *dc = container_of(op, struct drive_call, op);
	struct json_object *result = NULL;
	struct nvmet_rpc_error err = { 0 };

	nr_ops--;
	nr_io_ops -= nvmet_drive_cmd_needs_queue(&op->cmd);
	ops_data -= data_of(&op->cmd);
	nvmet_drive_cmd_result(dc->wait.method, &op->cmd, &result, &err);
	wait_end(&dc->wait, result, &err);
	call_free(dc);
}

void nvmet_rpc_drive_close(void)
{
	closing = true;
}

static int check_open(struct nvmet_rpc_error *err)
{
	return closing ? nvmet_rpc_errno(err, -ESHUTDOWN, "the daemon is stopping") : 0;
}

static int check_room(const struct nvmet_drive_cmd *cmd, struct nvmet_rpc_error *err)
{
	if (nr_ops < MAX_OPS && ops_data + data_of(cmd) <= MAX_OPS_DATA)
		return 0;
	return nvmet_rpc_errno(err, -EAGAIN, "too many commands for drives are under way");
}

static int find_drive(const struct nvmet_drive_cmd *cmd, struct nvmet_drive **drivep,
		      struct nvmet_rpc_error *err)
{
	*drivep = nvmet_drive_find(cmd->bdf);
	if (*drivep)
		return 0;
	return nvmet_rpc_errno(
		err, -ENODEV,
		"drive %s is none of this daemon's; the configuration names those (nvmetcp_drive_list lists all)",
		cmd->bdf);
}

static uint32_t deadline_of(const struct nvmet_drive_cmd *cmd)
{
	return nvmet_drive_cmd_sends(cmd)
		       ? cmd->timeout_ms + nvmet_drive_op_patience_ms(cmd) + SPARE_MS
		       : RESET_MS;
}

static void command(struct nvmet_rpc_call *call, struct json_object *params)
{
	struct drive_call *dc = calloc(1, sizeof(*dc));
	struct nvmet_rpc_error err = { 0 };
	int ret;

	if (!dc) {
		nvmet_rpc_errno(&err, -ENOMEM, NULL);
		nvmet_rpc_fail(call, &err);
		return;
	}
	ret = nvmet_drive_cmd_parse(call->method, params, &dc->op.cmd, &err);
	if (!ret)
		ret = check_open(&err);
	if (!ret)
		ret = check_room(&dc->op.cmd, &err);
	if (!ret)
		ret = find_drive(&dc->op.cmd, &dc->op.drive, &err);
	if (!ret) {
		ret = wait_begin(&dc->wait, call, dc->op.cmd.bdf, deadline_of(&dc->op.cmd));
		if (ret)
			nvmet_rpc_errno(&err, ret, NULL);
	}
	if (ret) {
		nvmet_rpc_fail(call, &err);
		call_free(dc);
		return;
	}
	nr_ops++;
	nr_io_ops += nvmet_drive_cmd_needs_queue(&dc->op.cmd);
	ops_data += data_of(&dc->op.cmd);
	dc->op.done = op_done;
	nvmet_drive_op_start(&dc->op);
}

/* ---- the list ---- */

struct list_call {
	struct loop_msg msg;
	struct waiting wait;
	struct nvmet_drive *drives[MAX_DRIVES + MAX_REMOTES];
	unsigned int nr_drives;
	struct nvmet_drive_info *info;
	int nr; /* or -errno */
	char reason[200];
};

static unsigned int nr_lists;

static void list_done(struct loop_msg *msg)
{
	struct list_call *lc = container_of(msg, struct list_call, msg);
	struct nvmet_rpc_error err = { 0 };
	struct json_object *result = NULL;

	nr_lists--;
	if (lc->nr < 0)
		nvmet_rpc_errno(&err, lc->nr, "%s", lc->reason);
	else
		result = nvmet_drive_info_json(lc->info, lc->nr);
	wait_end(&lc->wait, result, &err);
	nvmet_drive_info_free(lc->info, max_of(lc->nr, 0));
	free(lc);
}

static void fill_users(struct nvmet_drive_info *info, struct nvmet_drive *drive)
{
	for (uint32_t i = 0; i < info->nr_ns; i++)
		nvmet_drive_user(drive, info->ns[i].nsid, info->ns[i].user,
				 sizeof(info->ns[i].user));
}

struct info_call {
	struct nvmet_drive *drive;
	struct nvmet_drive_info *info;
};

static void list_of_drive(struct nvmh_ctrl *ctrl, void *arg)
{
	struct info_call *call = arg;

	if (ctrl)
		nvmet_drive_info_fill(call->info, ctrl);
	else
		snprintf(call->info->error, sizeof(call->info->error), "%.*s",
			 (int)sizeof(call->info->error) - 1, call->drive->said);
}

static void fill_info(struct nvmet_drive_info *info, struct nvmet_drive *drive)
{
	struct info_call call = { drive, info };

	nvmet_drive_call(drive, list_of_drive, &call);
	fill_users(info, drive);
}

static void fill_remote(struct nvmet_drive_info *info, struct nvmet_drive *drive)
{
	snprintf(info->remote, sizeof(info->remote), "%s", drive->name);
	snprintf(info->at, sizeof(info->at), "%s", drive->at);
	fill_info(info, drive);
}

/* The helper's thread: it waits for the drives, one after the other. */
static void list_on_helper(struct loop_msg *msg)
{
	struct list_call *lc = container_of(msg, struct list_call, msg);
	struct nvmh_pci_info *pci = NULL;

	lc->nr = nvmh_pci_scan(&pci);
	if (lc->nr < 0)
		snprintf(lc->reason, sizeof(lc->reason), "%s", nvmh_strerror());
	lc->info = calloc((size_t)max_of(lc->nr, 0) + lc->nr_drives + 1, sizeof(*lc->info));
	for (int i = 0; lc->info && i < lc->nr; i++) {
		lc->info[i].pci = pci[i];
		for (unsigned int k = 0; k < lc->nr_drives; k++) {
			if (nvmet_drive_is_at(lc->drives[k], pci[i].bdf))
				fill_info(&lc->info[i], lc->drives[k]);
		}
	}
	for (unsigned int k = 0; lc->info && lc->nr >= 0 && k < lc->nr_drives; k++)
		if (lc->drives[k]->remote)
			fill_remote(&lc->info[lc->nr++], lc->drives[k]);
	free(pci);
	if (!lc->info)
		lc->nr = -ENOMEM;
	lc->msg.fn = list_done;
	loop_send(nvmet.main_loop, &lc->msg);
}

static struct loop *helper;

static int start_helper(void)
{
	struct loop_opts opts = { .name = "rpc", .cpu = -1 };
	int ret;

	if (helper)
		return 0;
	ret = loop_create(&opts, &helper);
	if (!ret)
		ret = loop_start(helper);
	if (ret) { /* the next call tries again */
		loop_free(helper);
		helper = NULL;
	}
	return ret;
}

static void list_drives(struct nvmet_rpc_call *call, struct json_object *params)
{
	struct nvmet_rpc_error err = { 0 };
	struct list_call *lc;
	struct list *pos;

	if (!nvmet_rpc_no_params(call, params))
		return;
	if (nr_lists >= MAX_LISTS) {
		nvmet_rpc_errno(&err, -EAGAIN, "too many lists of drives are under way");
		nvmet_rpc_fail(call, &err);
		return;
	}
	lc = calloc(1, sizeof(*lc));
	if (!lc || start_helper() || wait_begin(&lc->wait, call, "(all)", CHANGE_MS)) {
		nvmet_rpc_errno(&err, -ENOMEM, NULL);
		nvmet_rpc_fail(call, &err);
		free(lc);
		return;
	}
	list_for_each(pos, &nvmet.drives) {
		if (lc->nr_drives < ARRAY_SIZE(lc->drives))
			lc->drives[lc->nr_drives++] = list_entry(pos, struct nvmet_drive, link);
	}
	nr_lists++;
	lc->msg.fn = list_on_helper;
	loop_send(helper, &lc->msg);
}

/* ---- another driver for it ---- */

/* Who may still touch a changer: its thread says that it is through, or we that we do not wait. */
enum change_state {
	CHANGE_RUNS,
	CHANGE_ENDED, /* its message is on the way */
	CHANGE_LEFT,  /* the thread frees it */
};

struct changer {
	struct list link; /* changers */
	_Atomic uint8_t state;
	pthread_t thread;
	struct loop_msg msg;
	struct waiting wait;
	char bdf[CONFIG_BDF_SIZE];
	int (*change)(const char *bdf);
	int ret;
	char reason[300];
};

static struct list changers = LIST_INIT(changers);
static unsigned int nr_changers;

static void change_done(struct loop_msg *msg)
{
	struct changer *ch = container_of(msg, struct changer, msg);
	struct nvmet_rpc_error err = { 0 };

	if (!list_empty(&ch->link)) {
		pthread_join(ch->thread, NULL);
		list_del(&ch->link);
	}
	nr_changers--;
	if (ch->ret)
		nvmet_rpc_errno(&err, ch->ret, "%s", ch->reason);
	wait_end(&ch->wait, ch->ret ? NULL : json_object_new_boolean(true), &err);
	free(ch);
}

static void *change(void *arg)
{
	struct changer *ch = arg;

	ch->ret = ch->change(ch->bdf);
	if (ch->ret)
		snprintf(ch->reason, sizeof(ch->reason), "%s", nvmh_strerror());
	if (atomic_exchange(&ch->state, CHANGE_ENDED) == CHANGE_LEFT)
		free(ch);
	else
		loop_send(nvmet.main_loop, &ch->msg);
	return NULL;
}

static int start_thread(struct changer *ch)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&ch->thread, NULL, change, ch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static void change_driver(struct nvmet_rpc_call *call, struct changer *ch,
			  struct nvmet_rpc_error *err)
{
	int ret = -EAGAIN;

	if (nr_changers < MAX_CHANGERS)
		ret = wait_begin(&ch->wait, call, ch->bdf, CHANGE_MS);
	if (!ret) {
		ch->msg.fn = change_done;
		list_add_tail(&changers, &ch->link);
		ret = start_thread(ch);
		if (ret) {
			list_del(&ch->link);
			loop_timer_done(&ch->wait.timer);
		}
	}
	if (!ret) {
		nr_changers++;
		return;
	}
	nvmet_rpc_errno(err, ret, "too many drives are being bound or released");
	nvmet_rpc_fail(call, err);
	free(ch);
}

static void bind_or_release(struct nvmet_rpc_call *call, struct json_object *val,
			    int (*fn)(const char *bdf), bool release)
{
	struct changer *ch = calloc(1, sizeof(*ch));
	struct nvmet_rpc_error err = { 0 };
	struct nvmet_rpc_params params;
	struct nvmet_drive *drive = NULL;
	char user[160] = "it is open";

	if (!ch) {
		nvmet_rpc_errno(&err, -ENOMEM, NULL);
		nvmet_rpc_fail(call, &err);
		return;
	}
	list_init(&ch->link);
	nvmet_rpc_params_init(&params, val, &err);
	nvmet_drive_traddr(&params, ch->bdf);
	if (!nvmet_rpc_params_end(&params) && !check_open(&err) && release)
		drive = nvmet_drive_holder(ch->bdf);
	if (drive) {
		nvmet_drive_user(drive, NVME_NSID_BROADCAST, user, sizeof(user));
		nvmet_rpc_errno(&err, -EBUSY,
				"%s; take it out of the configuration and restart the daemon first",
				user);
	}
	if (err.code) {
		nvmet_rpc_fail(call, &err);
		free(ch);
		return;
	}
	ch->change = fn;
	change_driver(call, ch, &err);
}

static void bind_drive(struct nvmet_rpc_call *call, struct json_object *params)
{
	bind_or_release(call, params, nvmh_pci_bind, false);
}

static void release_drive(struct nvmet_rpc_call *call, struct json_object *params)
{
	bind_or_release(call, params, nvmh_pci_release, true);
}

/* The kernel may keep a thread that changes a driver for as long as it likes: a drive that does not
 * answer, a device that a program does not let go. */
static void await_changer(struct changer *ch, const struct timespec *until)
{
	struct nvmet_rpc_error err = { 0 };
	pthread_t thread = ch->thread;

	if (!pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, until))
		return;
	log_err("the kernel does not finish a change of driver, not waiting for it (its log may say why: dmesg) method=%s drive=%s",
		ch->wait.method, ch->bdf);
	nvmet_rpc_errno(&err, -ESHUTDOWN, "the daemon is stopping; the kernel goes on with it");
	wait_end(&ch->wait, NULL, &err);
	ch->wait.call = NULL;
	if (atomic_exchange(&ch->state, CHANGE_LEFT) == CHANGE_ENDED) {
		/* after all: what it sends, to a loop that must still be there, frees it */
		pthread_join(thread, NULL);
		return;
	}
	pthread_detach(thread);
	nr_changers--;
}

void nvmet_rpc_drive_stop(void)
{
	uint64_t until_ns = clock_now_ns() + nvmet_rpc_change_ms * UINT64_C(1000000);
	struct timespec until = { (time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000) };
	struct list *n;

	closing = false;
	if (helper) {
		loop_stop(helper);
		loop_join(helper);
		loop_free(helper);
		helper = NULL;
	}

	/* What they send runs when the loop is freed. */
	while ((n = list_pop(&changers)))
		await_changer(list_entry(n, struct changer, link), &until);
}

/* ---- the table ---- */

const struct nvmet_rpc_method nvmet_rpc_drive_methods[] = {
	{ "nvmetcp_drive_list", list_drives },	      { "nvmetcp_drive_bind", bind_drive },
	{ "nvmetcp_drive_release", release_drive },   { "nvmetcp_drive_identify", command },
	{ "nvmetcp_drive_smart_log", command },	      { "nvmetcp_drive_get_log", command },
	{ "nvmetcp_drive_get_feature", command },     { "nvmetcp_drive_set_feature", command },
	{ "nvmetcp_drive_admin_passthru", command },  { "nvmetcp_drive_io_passthru", command },
	{ "nvmetcp_drive_scsi_passthru", command },   { "nvmetcp_drive_reset", command },
	{ "nvmetcp_drive_subsystem_reset", command }, { "nvmetcp_drive_rescan", command },
	{ "nvmetcp_drive_format", command },	      { "nvmetcp_drive_ns_create", command },
	{ "nvmetcp_drive_ns_delete", command },	      { "nvmetcp_drive_ns_attach", command },
	{ "nvmetcp_drive_ns_detach", command },	      { NULL, NULL },
};
