// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of a controller: bring-up by the transport's table of steps, the watch over it while it
 * is live, reset, shutdown. Runs in the controller's thread, except nvmh_ctrl_kick(),
 * nvmh_ctrl_lost() and nvmh_ctrl_state(). Entry points: nvmh_ctrl_start(), nvmh_ctrl_process(),
 * nvmh_ctrl_wait(), nvmh_ctrl_reset(), nvmh_ctrl_shutdown(). NVM Express Base Specification 2.x,
 * "Controller Initialization", "Controller Shutdown".
 */
#include "host/ctrl.h"
#include "host/discovery.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	TICK_MS = 500, /* deadlines and the transport's health are looked at */
	STEP_AGAIN_MS =
		100, /* a step that waits for an event is asked anyway, in case the event got lost */
	FLUSH_WARN_MS = 5000, /* an owner that does not poll */
	SETTLE_MS = 5000,     /* a link that a subsystem reset took down is back */
	NSSR_NVME = 0x4e564d65,
};

enum {
	LOST_NONE,
	LOST_WRITING,
	LOST_FULL,
};

/* ---- states ---- */

static const uint8_t allowed[] = {
	[NVMH_NEW] = BIT(NVMH_LIVE) | BIT(NVMH_DELETING) | BIT(NVMH_DEAD),
	/* CONNECTING at once: a multipath controller, whose queues stay */
	[NVMH_LIVE] = BIT(NVMH_RESETTING) | BIT(NVMH_CONNECTING) | BIT(NVMH_DELETING),
	[NVMH_RESETTING] = BIT(NVMH_LIVE) | BIT(NVMH_CONNECTING) | BIT(NVMH_DELETING) |
			   BIT(NVMH_DEAD),
	[NVMH_CONNECTING] = BIT(NVMH_LIVE) | BIT(NVMH_DELETING) | BIT(NVMH_DEAD),
	[NVMH_DELETING] = BIT(NVMH_DEAD),
	[NVMH_DEAD] = 0,
};

const char *nvmh_state_name(enum nvmh_state state)
{
	static const char *const names[] = {
		[NVMH_NEW] = "new",
		[NVMH_LIVE] = "live",
		[NVMH_RESETTING] = "resetting",
		[NVMH_CONNECTING] = "connecting",
		[NVMH_DELETING] = "deleting",
		[NVMH_DEAD] = "dead",
	};

	return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

enum nvmh_state nvmh_ctrl_state(const struct nvmh_ctrl *ctrl)
{
	return atomic_load(&ctrl->state);
}

void nvmh_ctrl_set_state(struct nvmh_ctrl *ctrl, enum nvmh_state state)
{
	enum nvmh_state old = nvmh_ctrl_state(ctrl);

	if (old == state)
		return;
	assert(allowed[old] & BIT(state));
	atomic_store(&ctrl->state, state);
	log_debug("controller state name=\"%s\" from=%s to=%s", ctrl->name, nvmh_state_name(old),
		  nvmh_state_name(state));
	if (ctrl->opts.on_state && !ctrl->closing)
		ctrl->opts.on_state(ctrl, state, ctrl->opts.arg);
}

/* ---- waking up ---- */

void nvmh_ctrl_kick(struct nvmh_ctrl *ctrl)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so the descriptor is readable already */
	if (write(ctrl->event_fd, &one, sizeof(one)) < 0)
		return;
}

void nvmh_ctrl_lost(struct nvmh_ctrl *ctrl, const char *fmt, ...)
{
	uint8_t none = LOST_NONE;
	va_list ap;

	if (atomic_compare_exchange_strong(&ctrl->lost, &none, LOST_WRITING)) {
		va_start(ap, fmt);
		vsnprintf(ctrl->lost_text, sizeof(ctrl->lost_text), fmt, ap);
		va_end(ap);
		atomic_store(&ctrl->lost, LOST_FULL);
	}
	atomic_store(&ctrl->want_reset, true);
	nvmh_ctrl_kick(ctrl);
}

bool nvmh_fd_drain(int fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* One timer serves them all: the next of step, tick, keep alive, pause and controller loss. */
static void set_timer(struct nvmh_ctrl *ctrl)
{
	uint64_t at = 0;
	struct itimerspec its = { 0 };

	if (ctrl->phase == NVMH_PHASE_UP || ctrl->phase == NVMH_PHASE_QUIET)
		at = earlier(ctrl->step_again_ns, ctrl->step_deadline_ns);
	if (ctrl->phase == NVMH_PHASE_PAUSE)
		at = ctrl->pause_until_ns;
	if (ctrl->phase != NVMH_PHASE_END)
		at = earlier(at, ctrl->tick_ns);
	if (nvmh_retry_runs(ctrl))
		at = earlier(at, ctrl->loss_ns);
	at = earlier(at, ctrl->keep_alive.next_ns);
	if (ctrl->phase == NVMH_PHASE_LIVE)
		at = earlier(at, nvmh_discovery_at(ctrl));
	if (at == ctrl->timer_ns)
		return;
	its.it_value.tv_sec = (time_t)(at / 1000000000u);
	its.it_value.tv_nsec = (long)(at % 1000000000u);
	ctrl->timer_ns = at;
	timerfd_settime(ctrl->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

/* ---- going down ---- */

static bool final_error(int err)
{
	return err == -ENODEV || err == -ENOTSUP || err == -EINVAL || err == -EACCES ||
	       err == -EPERM || err == -ENOENT;
}

/* No new commands from here on. What is outstanding stays with the device until it is quiet. */
static void begin_down(struct nvmh_ctrl *ctrl, bool dead)
{
	uint16_t i;

	ctrl->after_dead = dead;
	ctrl->phase = NVMH_PHASE_QUIET;
	ctrl->step_again_ns = 0;
	ctrl->step_deadline_ns = 0;
	ctrl->keep_alive.next_ns = 0;
	nvmh_rescan_stop(ctrl);
	nvmh_recover_stop(ctrl);
	nvmh_step_forget(ctrl);
	for (i = 0; i < ctrl->opts.nr_io_queues; i++) {
		if (atomic_load(&ctrl->ioq[i].state) == NVMH_Q_LIVE)
			atomic_store(&ctrl->ioq[i].state, NVMH_Q_STOPPED);
	}
}

/* Something failed: another try, or the end. @err < 0. */
static void failed(struct nvmh_ctrl *ctrl, int err, const char *text)
{
	uint64_t now = clock_now_ns();
	bool dead;

	if (ctrl->phase == NVMH_PHASE_LIVE &&
	    now - ctrl->live_since_ns > 2 * ctrl->opts.io_timeout_ms * NS_PER_MS)
		ctrl->resets = 0; /* it ran well for a while */
	ctrl->resets++;
	nvmh_retry_start(ctrl, now);
	dead = final_error(err) || nvmh_retry_over(ctrl, now);
	/* disabling and enabling it did not help: the next rung */
	if (ctrl->phase == NVMH_PHASE_UP && !dead)
		ctrl->function_reset = true;
	snprintf(ctrl->error, sizeof(ctrl->error), "%s", text);
	nvmh_error(err, "%s: %s", ctrl->name, text);
	ctrl->err = err;
	/* whoever uses the library is told by the state and nvmh_ctrl_error() */
	if (dead)
		log_info("controller given up name=\"%s\" tries=%u reason=\"%s\"", ctrl->name,
			 ctrl->resets, text);
	else
		log_info("controller reset name=\"%s\" try=%u reason=\"%s\"", ctrl->name,
			 ctrl->resets, text);
	begin_down(ctrl, dead);
	if (nvmh_ctrl_state(ctrl) == NVMH_LIVE)
		nvmh_ctrl_set_state(ctrl, NVMH_RESETTING);
}

void nvmh_queue_to_flush(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	uint8_t state = atomic_load(&q->state);

	if (state != NVMH_Q_LIVE && state != NVMH_Q_STOPPED)
		return; /* down, or on its way there */
	atomic_store(&q->state, NVMH_Q_FLUSH);
	if (q->qid)
		nvmh_queue_kick(q);
	else
		nvmh_queue_flush(q);
	ctrl->step_start_ns = clock_now_ns();
}

bool nvmh_queue_down(struct nvmh_ctrl *ctrl, struct nvmh_queue *q)
{
	uintptr_t owner = atomic_load(&q->owner);

	if (ctrl->closing || !owner || (owner == nvmh_thread_token() && !q->polling))
		nvmh_queue_flush(q);
	return atomic_load(&q->state) == NVMH_Q_DOWN;
}

static void run_quiet(struct nvmh_ctrl *ctrl)
{
	int ret = ctrl->ops->quiesce(ctrl, ctrl->shutdown);
	uint16_t i;

	if (ret == -EAGAIN) {
		if (!ctrl->step_again_ns || ctrl->step_again_ns < clock_now_ns())
			nvmh_step_again(ctrl, 1);
		return;
	}
	ctrl->phase = NVMH_PHASE_FLUSH;
	nvmh_queue_to_flush(ctrl, &ctrl->adminq);
	for (i = 0; i < ctrl->opts.nr_io_queues; i++)
		nvmh_queue_to_flush(ctrl, &ctrl->ioq[i]);
}

static void run_flush(struct nvmh_ctrl *ctrl)
{
	bool down = true;
	uint64_t now;
	uint16_t i;

	for (i = 0; i < ctrl->opts.nr_io_queues; i++) {
		if (!nvmh_queue_down(ctrl, &ctrl->ioq[i]))
			down = false;
	}
	if (!down)
		return;
	ctrl->ops->queue_free(&ctrl->adminq);
	for (i = 0; i < ctrl->opts.nr_io_queues; i++)
		ctrl->ops->queue_free(&ctrl->ioq[i]);
	nvmh_scan_done(&ctrl->scan);
	atomic_store(&ctrl->want_reset, false);
	atomic_store(&ctrl->lost, LOST_NONE);
	if (ctrl->after_dead) {
		ctrl->phase = NVMH_PHASE_END;
		nvmh_ctrl_set_state(ctrl, NVMH_DEAD);
		return;
	}
	if (ctrl->resets > 1 || !ctrl->was_live) {
		now = clock_now_ns();
		ctrl->phase = NVMH_PHASE_PAUSE;
		ctrl->pause_until_ns = now + nvmh_retry_pause_ms(ctrl, now) * NS_PER_MS;
		return;
	}
	nvmh_ctrl_start(ctrl);
}

/* ---- coming up ---- */

static void start_step(struct nvmh_ctrl *ctrl, const struct nvmh_step *step)
{
	uint32_t ms = step->timeout_ms ? step->timeout_ms : ctrl->ready_timeout_ms;

	ctrl->step = step;
	ctrl->step_index = 0;
	ctrl->step_start_ns = clock_now_ns();
	ctrl->step_deadline_ns = ctrl->step_start_ns + ms * NS_PER_MS;
	ctrl->step_again_ns = 0;
}

void nvmh_ctrl_start(struct nvmh_ctrl *ctrl)
{
	ctrl->phase = NVMH_PHASE_UP;
	ctrl->step_req_state = 0;
	ctrl->step_req_stale = false;
	nvmh_recover_stop(ctrl); /* what owners asked for before their queues were down */
	memset(&ctrl->aen, 0, sizeof(ctrl->aen));
	memset(&ctrl->keep_alive, 0, sizeof(ctrl->keep_alive));
	start_step(ctrl, ctrl->ops->steps);
	nvmh_retry_start(ctrl, ctrl->step_start_ns);
	if (ctrl->ops->remote && nvmh_ctrl_state(ctrl) == NVMH_RESETTING)
		nvmh_ctrl_set_state(ctrl, NVMH_CONNECTING);
}

static void go_live(struct nvmh_ctrl *ctrl)
{
	uint16_t i;

	ctrl->phase = NVMH_PHASE_LIVE;
	ctrl->live_since_ns = ctrl->heard_ns = clock_now_ns();
	ctrl->assoc++;
	ctrl->was_live = true;
	ctrl->function_reset = false;
	if (!ctrl->loss_goes_on)
		ctrl->loss_ns = 0;
	ctrl->error[0] = '\0';
	ctrl->err = 0;
	for (i = 0; i < ctrl->nr_ioq; i++) {
		ctrl->ioq[i].assoc = ctrl->assoc;
		atomic_store(&ctrl->ioq[i].state, NVMH_Q_LIVE);
	}
	log_info("controller live name=\"%s\" queues=%u namespaces=%u", ctrl->name, ctrl->nr_ioq,
		 ctrl->nr_ns);
	nvmh_ctrl_set_state(ctrl, NVMH_LIVE);
}

static void run_steps(struct nvmh_ctrl *ctrl)
{
	const struct nvmh_step *step;
	char text[sizeof(ctrl->error)];
	uint64_t now;
	int ret;

	while (ctrl->step->fn) {
		step = ctrl->step;
		nvmh_error(0, "failed");
		ret = step->fn(ctrl);
		if (!ret) {
			start_step(ctrl, step + 1);
			continue;
		}
		now = clock_now_ns();
		if (ret == -EAGAIN && now < ctrl->step_deadline_ns) {
			if (ctrl->step_again_ns <= now)
				nvmh_step_again(ctrl, STEP_AGAIN_MS);
			return;
		}
		if (ret == -EAGAIN) {
			ret = -ETIMEDOUT;
			nvmh_error(ret, "not done after %u ms",
				   (uint32_t)((now - ctrl->step_start_ns) / NS_PER_MS));
		}
		snprintf(text, sizeof(text), "%s: %s", step->name, nvmh_strerror());
		failed(ctrl, ret, text);
		return;
	}
	go_live(ctrl);
}

/* ---- the watch ---- */

static void tick(struct nvmh_ctrl *ctrl, uint64_t now)
{
	struct nvmh_queue *q;
	uint16_t i;

	ctrl->tick_ns = now + TICK_MS * NS_PER_MS;
	if (ctrl->phase == NVMH_PHASE_LIVE)
		nvmh_queue_check(&ctrl->adminq);
	for (i = 0; i < ctrl->opts.nr_io_queues; i++) {
		q = &ctrl->ioq[i];
		if (atomic_load(&q->state) == NVMH_Q_FLUSH) {
			nvmh_queue_kick(q);
			if (now - ctrl->step_start_ns > FLUSH_WARN_MS * NS_PER_MS)
				log_peer(LOG_LVL_WARN,
					 "reset waits for the owner of a queue name=\"%s\" qid=%u",
					 ctrl->name, q->qid);
		} else if (atomic_load_explicit(&q->outstanding, memory_order_relaxed)) {
			atomic_store(&q->check, true);
			nvmh_queue_kick(q);
		}
	}
}

/* A reset that a queue's owner or the transport asked for. */
static void take_lost(struct nvmh_ctrl *ctrl)
{
	char text[sizeof(ctrl->lost_text)];
	uint8_t lost = atomic_load(&ctrl->lost);

	if (!atomic_load(&ctrl->want_reset) || lost == LOST_WRITING)
		return;
	if (ctrl->phase != NVMH_PHASE_UP && ctrl->phase != NVMH_PHASE_LIVE)
		return; /* going down already, which forgets it */
	snprintf(text, sizeof(text), "%s",
		 lost == LOST_FULL ? ctrl->lost_text : "the connection was lost");
	atomic_store(&ctrl->want_reset, false);
	atomic_store(&ctrl->lost, LOST_NONE);
	failed(ctrl, -EIO, text);
}

/* The time for getting live again may be over, in a pause or in the midst of a try. */
static void check_loss(struct nvmh_ctrl *ctrl, uint64_t now)
{
	char text[sizeof(ctrl->error)];

	if (!nvmh_retry_runs(ctrl) || now < ctrl->loss_ns)
		return;
	snprintf(text, sizeof(text), "%s", ctrl->error);
	failed(ctrl, ctrl->err ? ctrl->err : -ETIMEDOUT, text);
}

static void run_phase(struct nvmh_ctrl *ctrl, uint64_t now)
{
	uint8_t before;

	do {
		before = ctrl->phase;
		switch (before) {
		case NVMH_PHASE_UP:
			/* from its step on; what follows may take longer than the timeout */
			nvmh_keep_alive_run(ctrl, now);
			run_steps(ctrl);
			break;
		case NVMH_PHASE_LIVE:
			nvmh_keep_alive_run(ctrl, now);
			nvmh_recover_run(ctrl);
			nvmh_rescan_run(ctrl, now);
			nvmh_discovery_run(ctrl, now);
			break;
		case NVMH_PHASE_QUIET:
			run_quiet(ctrl);
			break;
		case NVMH_PHASE_FLUSH:
			run_flush(ctrl);
			break;
		case NVMH_PHASE_PAUSE:
			if (now >= ctrl->pause_until_ns)
				nvmh_ctrl_start(ctrl);
			break;
		}
	} while (ctrl->phase != before);
}

int nvmh_ctrl_process(struct nvmh_ctrl *ctrl)
{
	uint8_t phase = ctrl->phase;
	uint64_t now;
	int n = 0;

	if (ctrl->in_process)
		return 0;
	/* before in_process, which only this thread looks at */
	atomic_store_explicit(&ctrl->thread, nvmh_thread_token(), memory_order_relaxed);
	ctrl->in_process = true;
	nvmh_fd_drain(ctrl->event_fd);
	nvmh_fd_drain(ctrl->timer_fd);
	/* also of one that is given up: its descriptors are to be emptied */
	if (ctrl->ops->process)
		n += ctrl->ops->process(ctrl);
	if (atomic_load(&ctrl->adminq.state) != NVMH_Q_DOWN) {
		nvmh_fd_drain(ctrl->adminq.event_fd);
		n += ctrl->ops->queue_poll(&ctrl->adminq);
	}
	now = clock_now_ns();
	if (now >= ctrl->tick_ns)
		tick(ctrl, now);
	take_lost(ctrl);
	check_loss(ctrl, now);
	run_phase(ctrl, now);
	if (ctrl->phase == NVMH_PHASE_LIVE)
		n += nvmh_aen_run(ctrl);
	set_timer(ctrl);
	ctrl->in_process = false;
	return n + (ctrl->phase != phase);
}

int nvmh_ctrl_wait(struct nvmh_ctrl *ctrl, int timeout_ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)max_of(timeout_ms, 0);
	struct pollfd pfd = { .fd = ctrl->epoll_fd, .events = POLLIN };
	uint64_t now;

	for (;;) {
		nvmh_ctrl_process(ctrl);
		if (nvmh_ctrl_state(ctrl) == NVMH_LIVE)
			return 0;
		if (ctrl->phase == NVMH_PHASE_END)
			return nvmh_error(ctrl->err ? ctrl->err : -ESHUTDOWN, "%s: %s", ctrl->name,
					  ctrl->error[0] ? ctrl->error : "it was shut down");
		now = clock_now_ms();
		if (timeout_ms >= 0 && now >= end)
			return nvmh_error(-ETIMEDOUT, "%s: not ready in %d ms (%s)", ctrl->name,
					  timeout_ms,
					  ctrl->error[0] ? ctrl->error : ctrl->step->name);
		if (poll(&pfd, 1, timeout_ms < 0 ? -1 : (int)min_of(end - now, UINT64_C(1000))) <
			    0 &&
		    errno != EINTR)
			return nvmh_error(-errno, "%s: poll: %m", ctrl->name);
	}
}

/* Return: 0, the controller is live and may be reset; -EBUSY, -ENOTCONN. */
static int may_reset(const struct nvmh_ctrl *ctrl)
{
	switch (nvmh_ctrl_state(ctrl)) {
	case NVMH_LIVE:
		return ctrl->phase == NVMH_PHASE_LIVE ? 0 : nvmh_refused(ctrl, -EBUSY);
	case NVMH_DEAD:
	case NVMH_DELETING:
		return nvmh_refused(ctrl, -ENOTCONN);
	default:
		return nvmh_refused(ctrl, -EBUSY);
	}
}

static void reset(struct nvmh_ctrl *ctrl, const char *text)
{
	log_notice("controller %s name=\"%s\"", text, ctrl->name);
	snprintf(ctrl->error, sizeof(ctrl->error), "%s", text);
	if (ctrl->ops->remote)
		ctrl->resets = 0; /* it is no loss */
	begin_down(ctrl, false);
	nvmh_ctrl_kick(ctrl);
	nvmh_ctrl_set_state(ctrl, NVMH_RESETTING);
}

int nvmh_ctrl_reset(struct nvmh_ctrl *ctrl)
{
	int ret = may_reset(ctrl);

	if (!ret && ctrl->ops->reset)
		return ctrl->ops->reset(ctrl);
	if (!ret)
		reset(ctrl, "reset on request");
	return ret;
}

int nvmh_ctrl_subsystem_reset(struct nvmh_ctrl *ctrl)
{
	int ret = may_reset(ctrl);

	if (ret)
		return ret;
	if (ctrl->ops->remote)
		return nvmh_error(-ENOTSUP, "%s: a remote controller's subsystem is reset there",
				  ctrl->name);
	if (!NVME_CAP_NSSRC(ctrl->cap))
		return nvmh_error(-ENOTSUP,
				  "%s: it has no subsystem reset (CAP.NSSRS is 0); reset the "
				  "controller instead",
				  ctrl->name);
	ret = ctrl->ops->reg_write32(ctrl, NVME_REG_NSSR, NSSR_NVME);
	if (ret)
		return ret;
	ctrl->function_reset = true;
	ctrl->settle_until_ns = clock_now_ns() + SETTLE_MS * NS_PER_MS;
	reset(ctrl, "subsystem reset on request");
	return 0;
}

void nvmh_ctrl_shutdown(struct nvmh_ctrl *ctrl)
{
	if (ctrl->phase == NVMH_PHASE_END || nvmh_ctrl_state(ctrl) == NVMH_DELETING)
		return;
	if (ctrl->phase != NVMH_PHASE_QUIET && ctrl->phase != NVMH_PHASE_FLUSH) {
		ctrl->shutdown = ctrl->phase == NVMH_PHASE_LIVE;
		begin_down(ctrl, true);
	}
	ctrl->after_dead = true; /* also of what was on its way to another try */
	nvmh_ctrl_kick(ctrl);
	nvmh_ctrl_set_state(ctrl, NVMH_DELETING);
}
