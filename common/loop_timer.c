// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop: timers and signals, by libevent. Thread: the loop's own. Entry points:
 * loop_timer_*(), loop_signal_*().
 */
#include <errno.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/loop_impl.h"
#include "common/util.h"

/* ---------------------------------------------------------------- timers */

static void timer_arm(struct loop_timer *t, uint64_t ms)
{
	struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	/*
	 * no memory for libevent's heap to grow: a deadline must not get lost, so tried again every
	 * turn
	 */
	if (event_add(t->ev, &tv))
		loop_defer(t->loop, &t->retry);
}

/* Arms for what is left until the deadline, rounded up. Return: whether there is anything left. */
static bool timer_rearm(struct loop_timer *t)
{
	uint64_t now = clock_now_ns();

	if (now >= t->deadline_ns)
		return false;
	timer_arm(t, div_up(t->deadline_ns - now, 1000000u));
	return true;
}

static void timer_fire(struct loop_timer *t)
{
	t->loop->found = true;
	t->armed = false;
	t->fn(t);
}

static void timer_retry(struct loop_work *w)
{
	struct loop_timer *t = container_of(w, struct loop_timer, retry);

	if (!timer_rearm(t))
		timer_fire(t);
}

static void timer_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	loop_woken(t->loop);
	/* libevent's clock moves by scheduler ticks, and stood behind when the timer was started */
	if (!timer_rearm(t))
		timer_fire(t);
}

int loop_timer_init(struct loop *loop, struct loop_timer *t, void (*fn)(struct loop_timer *t))
{
	struct event *ev = evtimer_new(loop->base, timer_event, t);

	if (!ev)
		return -ENOMEM;
	*t = (struct loop_timer){ .loop = loop, .ev = ev, .fn = fn };
	loop_work_init(&t->retry, timer_retry);
	loop->nr_events++;
	return 0;
}

void loop_timer_start(struct loop_timer *t, uint32_t ms)
{
	t->deadline_ns = clock_now_ns() + (uint64_t)ms * 1000000u;
	t->armed = true;
	loop_work_cancel(&t->retry);
	timer_arm(t, ms);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (!t->armed)
		return;
	t->armed = false;
	loop_work_cancel(&t->retry);
	event_del(t->ev);
}

void loop_timer_done(struct loop_timer *t)
{
	if (!t->ev)
		return;
	loop_timer_stop(t);
	event_free(t->ev);
	t->ev = NULL;
	t->loop->nr_events--;
}

/* ---------------------------------------------------------------- signals */

static void signal_event(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)signo;
	(void)what;
	loop_woken(s->loop);
	s->loop->found = true;
	s->fn(s);
}

int loop_signal_add(struct loop *loop, struct loop_signal *s, int signo,
		    void (*fn)(struct loop_signal *s))
{
	struct event *ev = evsignal_new(loop->base, signo, signal_event, s);

	if (!ev)
		return -ENOMEM;
	errno = 0;
	if (event_add(ev, NULL)) {
		int ret = loop_event_error();

		event_free(ev);
		return ret;
	}
	*s = (struct loop_signal){ .ev = ev, .signo = signo, .fn = fn, .loop = loop };
	loop->nr_events++;
	return 0;
}

void loop_signal_del(struct loop_signal *s)
{
	if (!s->ev)
		return;
	event_free(s->ev);
	s->ev = NULL;
	s->loop->nr_events--;
}
