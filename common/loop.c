// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop: what a turn does. One turn is loop_turn(), at the end; everything before serves
 * it. Timers and signals are in loop_timer.c.
 *
 * When it sleeps: when it is idle for longer than spin.h thinks worth waiting for, which may be at
 * once. So a loop under load spins, and one that would spin in vain most of the time does not.
 *
 * When it does not ask. A descriptor that has just brought something likely brings more: while the
 * loop spins, such hot ones are looked at every turn and libevent is asked about the others every
 * few turns only. With more active descriptors than are worth looking at one by one, asking for all
 * at once is cheaper and none is hot.
 *
 * libevent is told not to lock: only the eventfd of msgq.c crosses threads. It keeps descriptors
 * and timers registered with the loop, lets a callback delete any of them, and asks epoll once per
 * turn.
 *
 * Thread: the loop's own. Entry points: loop_turn(), from loop_run.c.
 */
#include <errno.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/loop_impl.h"
#include "common/util.h"

enum {
	HOT_MAX = 8,
	HOT_MISSES = 64,   /* fruitless looks before a hot descriptor is asked about again */
	ASK_TURNS = 16,	   /* turns with hot descriptors between two questions, */
	ASK_NS = 50000,	   /* and their time: others wait no longer than that and a turn */
	COOL_TURNS = 1000, /* turns without, after there were more than HOT_MAX */
};

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

/* One writer, so no read-modify-write. */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

void loop_get_stats(const struct loop *loop, struct loop_stats *st)
{
	st->turns = atomic_load_explicit(&loop->turns, memory_order_relaxed);
	st->busy_turns = atomic_load_explicit(&loop->busy_turns, memory_order_relaxed);
	st->sleeps = atomic_load_explicit(&loop->sleeps, memory_order_relaxed);
	st->messages = atomic_load_explicit(&loop->messages, memory_order_relaxed);
	st->busy_ns = atomic_load_explicit(&loop->busy_ns, memory_order_relaxed);
}

unsigned int loop_run_messages(struct loop *loop)
{
	struct loop_msg *msg = msgq_take(&loop->msgs);
	unsigned int nr = 0;

	while (msg) {
		struct loop_msg *next = msg->next; /* fn may free it or send it on */

		msg->fn(msg);
		msg = next;
		nr++;
	}
	if (nr)
		count(&loop->messages, nr);
	return nr;
}

/* ---------------------------------------------------------------- hooks and deferred work */

static void hook_init(struct loop *loop, struct loop_hook *h)
{
	h->loop = loop;
	h->asked = false;
}

void loop_hook_add(struct loop *loop, struct loop_hook *h)
{
	hook_init(loop, h);
	list_add_tail(&loop->hooks, &h->link);
}

void loop_hook_add_first(struct loop *loop, struct loop_hook *h)
{
	hook_init(loop, h);
	list_add(&loop->hooks, &h->link);
}

void loop_hook_del(struct loop_hook *h)
{
	if (!h->loop)
		return;
	if (h->loop->next_hook == &h->link)
		h->loop->next_hook = h->link.next;
	if (h->loop->hook == h)
		h->loop->hook = NULL;
	list_del(&h->link);
	h->loop = NULL;
}

/* Walks the hooks: start with walk_hooks(). Hooks may go and come meanwhile. Walks do not nest. */
static struct loop_hook *next_hook(struct loop *loop)
{
	struct list *pos = loop->next_hook;

	if (pos == &loop->hooks) {
		loop->next_hook = NULL;
		return NULL;
	}
	loop->next_hook = pos->next;
	return list_entry(pos, struct loop_hook, link);
}

static struct loop_hook *walk_hooks(struct loop *loop)
{
	loop->next_hook = loop->hooks.next;
	return next_hook(loop);
}

static void wake_hooks(struct loop *loop)
{
	for (struct loop_hook *h = walk_hooks(loop); h; h = next_hook(loop)) {
		if (!h->asked)
			continue;
		h->asked = false;
		if (h->wake)
			h->wake(h);
	}
}

/* Return: whether all hooks agree to sleep. If not, none is left asleep. */
static bool sleep_hooks(struct loop *loop)
{
	for (struct loop_hook *h = walk_hooks(loop); h; h = next_hook(loop)) {
		/* before the call: it may delete the hook */
		h->asked = true;
		loop->hook = h;
		if (!h->sleep || h->sleep(h) <= 0)
			continue;
		if (loop->hook)
			loop->hook->asked = false;
		wake_hooks(loop);
		return false;
	}
	return true;
}

void loop_busy(struct loop *loop)
{
	loop->found_more = true;
}

void loop_defer(struct loop *loop, struct loop_work *w)
{
	if (list_empty(&w->link))
		list_add_tail(&loop->works, &w->link);
}

void loop_work_cancel(struct loop_work *w)
{
	list_del(&w->link);
}

/* Once round: what these defer waits for the next turn, so that a turn ends. */
unsigned int loop_run_works(struct loop *loop)
{
	struct list todo = LIST_INIT(todo);
	struct list *l;
	unsigned int nr = 0;

	list_splice_tail(&todo, &loop->works);
	while ((l = list_pop(&todo))) {
		struct loop_work *w = list_entry(l, struct loop_work, link);

		w->fn(w);
		nr++;
	}
	return nr;
}

/* ---------------------------------------------------------------- events */

void loop_woken(struct loop *loop)
{
	if (!loop->blocking)
		return;
	loop->blocking = false;
	msgq_awake(&loop->msgs);
	loop->begun_ns = loop->now_ns = clock_now_ns();
	wake_hooks(loop);
}

/* The eventfd: being woken is all it is for, loop_run_messages() finds the rest. */
static void wake_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	loop_woken(loop);
	msgq_clear(&loop->msgs);
}

static void io_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	(void)fd;
	loop_woken(io->loop);
	io->loop->found = true;
	io->fn(io, (what & EV_READ ? LOOP_READ : 0u) | (what & EV_WRITE ? LOOP_WRITE : 0u));
}

static short io_flags(unsigned int events)
{
	return (short)(EV_PERSIST | (events & LOOP_READ ? EV_READ : 0) |
		       (events & LOOP_WRITE ? EV_WRITE : 0));
}

int loop_io_add(struct loop *loop, struct loop_io *io, int fd, unsigned int events,
		void (*fn)(struct loop_io *io, unsigned int events))
{
	struct event *ev = event_new(loop->base, fd, io_flags(events), io_event, io);

	if (!ev)
		return -ENOMEM;
	errno = 0;
	if (events && event_add(ev, NULL)) {
		int ret = loop_event_error();

		event_free(ev);
		return ret;
	}
	*io = (struct loop_io){ .loop = loop, .ev = ev, .fd = fd, .events = events, .fn = fn };
	list_init(&io->hot);
	loop->nr_events++;
	return 0;
}

static void io_cool(struct loop_io *io)
{
	if (list_empty(&io->hot))
		return;
	list_del(&io->hot);
	io->loop->nr_hot--;
}

void loop_io_hot(struct loop_io *io)
{
	struct loop *loop = io->loop;

	loop->found = true;
	io->misses = 0;
	if (!list_empty(&io->hot) || loop->cool)
		return;
	if (loop->nr_hot < HOT_MAX) {
		list_add_tail(&loop->hot, &io->hot);
		loop->nr_hot++;
		return;
	}
	loop->cool = COOL_TURNS;
	while (!list_empty(&loop->hot))
		io_cool(list_first(&loop->hot, struct loop_io, hot));
}

/* Each hot one once; their callbacks may delete any. */
static void look_at_hot(struct loop *loop)
{
	struct list todo = LIST_INIT(todo);

	list_splice_tail(&todo, &loop->hot);
	while (!list_empty(&todo)) {
		struct loop_io *io = list_first(&todo, struct loop_io, hot);

		if (++io->misses > HOT_MISSES || !(io->events & LOOP_READ)) {
			io_cool(io);
			continue;
		}
		list_del(&io->hot);
		list_add_tail(&loop->hot, &io->hot);
		io->fn(io, LOOP_READ);
	}
}

int loop_io_set(struct loop_io *io, unsigned int events)
{
	if (events == io->events)
		return 0;
	event_del(io->ev);
	event_assign(io->ev, io->loop->base, io->fd, io_flags(events), io_event, io);
	io->events = 0;
	errno = 0;
	if (events && event_add(io->ev, NULL))
		return loop_event_error();
	io->events = events;
	return 0;
}

void loop_io_del(struct loop_io *io)
{
	if (!io->ev)
		return;
	io_cool(io);
	event_free(io->ev);
	io->ev = NULL;
	io->loop->nr_events--;
}

/* ---------------------------------------------------------------- the turn */

/* Return: whether nothing waits, and whoever sends or stops from now on wakes the loop. */
static bool announce_sleep(struct loop *loop)
{
	/*
	 * the load of stop comes after msgq_sleep()'s store of asleep, as loop_stop() has them the
	 * other way round
	 */
	if (msgq_sleep(&loop->msgs) && !atomic_load(&loop->stop))
		return true;
	msgq_awake(&loop->msgs);
	return false;
}

static void become_idle(struct loop *loop, uint64_t now_ns)
{
	loop->idle = true;
	spin_idle(&loop->spin, now_ns - loop->busy_since_ns);
	loop->idle_since_ns = now_ns;
}

/*
 * One look at the clock per turn: the time since the last one was the end of the last turn and the
 * beginning of this one, and was work if either found any. loop_woken() leaves out what was slept.
 */
static void clock_turn(struct loop *loop)
{
	uint64_t now = clock_now_ns();

	if (loop->found || !loop->idle)
		count(&loop->busy_ns, now - loop->now_ns);
	loop->now_ns = now;
}

/* Return: whether the next gather may block. If not, hooks are awake. */
static bool prepare_sleep(struct loop *loop)
{
	if (!loop->may_block || !list_empty(&loop->works))
		return false;
	if (loop->idle ? loop->now_ns - loop->idle_since_ns < loop->spin.watch_ns
		       : spin_window(&loop->spin) > 0)
		return false;
	if (!sleep_hooks(loop))
		return false; /* what the hook saw, this turn's poll finds */
	/* hooks may have deferred work */
	if (!list_empty(&loop->works) || !announce_sleep(loop)) {
		wake_hooks(loop);
		return false;
	}
	if (!loop->idle) {
		clock_turn(loop);
		become_idle(loop, loop->now_ns);
	}
	count(&loop->sleeps, 1);
	return true;
}

/* One look at libevent's descriptors and timers, whose callbacks run in here. */
static int ask(struct loop *loop, bool block)
{
	int flags = EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE | (block ? 0 : EVLOOP_NONBLOCK);
	int ret;

	loop->unasked = 0;
	loop->blocking = block;
	ret = event_base_loop(loop->base, flags);
	loop_woken(loop);
	loop->asked_ns = loop->now_ns;
	return ret < 0 ? -EIO : 0;
}

static int gather(struct loop *loop, bool block)
{
	if (loop->cool)
		loop->cool--;
	if (block || !loop->nr_hot || ++loop->unasked >= ASK_TURNS ||
	    loop->now_ns - loop->asked_ns >= ASK_NS)
		return ask(loop, block);
	look_at_hot(loop);
	return 0;
}

/* The end of a turn: busy or idle. */
static void account(struct loop *loop)
{
	count(&loop->turns, 1);
	/*
	 * a hook that found something may have more that no descriptor tells of: look again before
	 * blocking
	 */
	loop->may_block = !loop->found_more;
	if (!loop->found && !loop->found_more) {
		if (!loop->idle)
			become_idle(loop, loop->now_ns);
		return;
	}
	count(&loop->busy_turns, 1);
	if (!loop->idle)
		return;
	loop->idle = false;
	spin_busy(&loop->spin, loop->begun_ns - loop->idle_since_ns);
	loop->busy_since_ns = loop->begun_ns;
}

int loop_turn(struct loop *loop)
{
	struct loop_hook *h;
	int ret;

	loop->found = false;
	loop->found_more = false;
	loop->begun_ns = loop->now_ns;
	ret = gather(loop, prepare_sleep(loop));
	if (ret) {
		log_err("event loop failed name=%s error=\"%s\"", loop->name, strerror(-ret));
		return ret;
	}
	clock_turn(loop);
	if (loop_run_messages(loop))
		loop->found = true;
	for (h = walk_hooks(loop); h; h = next_hook(loop)) {
		if (h->poll && h->poll(h) > 0)
			loop->found_more = true;
	}
	if (loop_run_works(loop))
		loop->found = true;
	for (h = walk_hooks(loop); h; h = next_hook(loop)) {
		if (h->submit)
			h->submit(h);
	}
	account(loop);
	return 0;
}

/* ---------------------------------------------------------------- life of the events */

static void libevent_log(int severity, const char *msg)
{
	/* what fails is reported by the caller of libevent; this is only its reason */
	if (severity == EVENT_LOG_ERR)
		log_err("libevent: %s", msg);
	else
		log_debug("libevent: %s", msg);
}

static void libevent_setup(void)
{
	event_set_log_callback(libevent_log);
}

static struct event_base *base_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct event_config *cfg;
	struct event_base *base;

	pthread_once(&once, libevent_setup);
	cfg = event_config_new();
	if (!cfg)
		return NULL;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
					   EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

int loop_events_init(struct loop *loop)
{
	loop->base = base_new();
	if (!loop->base)
		return -ENOMEM;
	loop->wake_ev =
		event_new(loop->base, loop->msgs.fd, EV_READ | EV_PERSIST, wake_event, loop);
	if (!loop->wake_ev || event_add(loop->wake_ev, NULL))
		return -ENOMEM;
	return 0;
}

void loop_events_done(struct loop *loop)
{
	assert(!loop->nr_events && "descriptors, timers or signals are still registered");
	if (loop->wake_ev)
		event_free(loop->wake_ev);
	if (loop->base)
		event_base_free(loop->base);
}
