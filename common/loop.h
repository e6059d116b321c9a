/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of one core (or of the main and drives threads): descriptors and timers through
 * libevent, messages from other threads, hooks that run every turn, a spin window before it sleeps.
 *
 * A turn: gather (ready descriptors, timers, messages, poll hooks) -> submit hooks, once -> if
 * anything was found, go round again; if nothing was found for the spin window, sleep hooks arm
 * their interrupts (and may veto by finding work), then the loop blocks in libevent. So it polls
 * while busy and costs nothing while idle.
 *
 * Context: everything belongs to the thread that runs the loop, except loop_send(), loop_call() and
 * loop_stop().
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/msgq.h"

struct loop;
struct event;

struct loop_opts {
	const char *name; /* thread name, at most 15 bytes; copied */
	int cpu;	  /* CPU to pin the running thread to, -1 for none */
	uint32_t spin_us; /* idle time spent polling before sleeping, 0..1000000; see spin.h */
};

/* ---- life ---- */
int loop_create(const struct loop_opts *opts, struct loop **loopp);
/*
 * loop_free() - NULL-safe; stops and joins the thread of loop_start(). Messages and deferred work
 * still there run in the caller, until none is left. Then every loop_io, loop_timer and loop_signal
 * must have been taken off (asserted); hooks are taken off.
 */
void loop_free(struct loop *loop);
/*
 * loop_run() - runs turns in the calling thread until loop_stop(). Return: 0 or -errno (pinning
 * failed is logged, not an error).
 */
int loop_run(struct loop *loop);
/*
 * loop_start() - creates a thread, all its signals blocked, that runs the loop; from now on it
 * counts as running. loop_join() waits for its end after loop_stop(); harmless when there is none.
 * Return: 0 or -errno.
 */
int loop_start(struct loop *loop);
void loop_join(struct loop *loop);
/*
 * loop_stop() - the run ends after the turn it is in; a run that has not begun yet ends at once.
 * Any thread, also a signal event.
 */
void loop_stop(struct loop *loop);
/* loop_current() - the loop that the calling thread runs, or NULL */
struct loop *loop_current(void);
/* loop_now_ns() - monotonic time, read once per turn and after blocking */
uint64_t loop_now_ns(const struct loop *loop);

/* ---- descriptors: level triggered ---- */
enum {
	LOOP_READ = 1 << 0,
	LOOP_WRITE = 1 << 1,
};

struct loop_io {
	struct loop *loop;
	struct event *ev;
	int fd;
	unsigned int events;
	void (*fn)(struct loop_io *io, unsigned int events);
	struct list hot; /* this and the next: the loop's own */
	uint16_t misses;
};

/*
 * loop_io_add() - watch @fd (borrowed) for @events; @fn may delete and free this and any other
 * loop_io, which is then not called any more, also when it was ready in the same turn. Delete
 * before the descriptor is closed. Return: 0 or -errno.
 */
int loop_io_add(struct loop *loop, struct loop_io *io, int fd, unsigned int events,
		void (*fn)(struct loop_io *io, unsigned int events));
/* loop_io_set() - change what is watched; 0 watches nothing and keeps @io registered */
int loop_io_set(struct loop_io *io, unsigned int events);
void loop_io_del(struct loop_io *io); /* harmless on a zeroed or deleted one */
/*
 * loop_io_hot() - there was something to read
 *
 * While the loop spins and few descriptors are hot, their fn is called every turn with LOOP_READ,
 * ready or not, which spares asking which are. fn says here whenever it found something; a hot one
 * that finds nothing for long is asked about again. Not for level-triggered sources whose fn cannot
 * tell. Context: fn.
 */
void loop_io_hot(struct loop_io *io);

/* ---- deferred work of the same thread ---- */
/*
 * Runs once, before the submit hooks of this turn, or of the next when it is deferred by deferred
 * work or a submit hook. The loop does not sleep while there is any. fn may free or defer its
 * loop_work again.
 */
struct loop_work {
	struct list link;
	void (*fn)(struct loop_work *w);
};

static inline void loop_work_init(struct loop_work *w, void (*fn)(struct loop_work *w))
{
	list_init(&w->link);
	w->fn = fn;
}
void loop_defer(struct loop *loop, struct loop_work *w); /* harmless when already deferred */
void loop_work_cancel(struct loop_work *w);

/* ---- timers: one shot, millisecond resolution, never early, up to a tick (1-10 ms) late ---- */
struct loop_timer {
	struct loop *loop;
	struct event *ev;
	bool armed;
	void (*fn)(struct loop_timer *t);
	uint64_t deadline_ns; /* this and the next: the loop's own */
	struct loop_work retry;
};

/* loop_timer_init() - @fn may start, stop or free this and any timer. Return: 0 or -ENOMEM. */
int loop_timer_init(struct loop *loop, struct loop_timer *t, void (*fn)(struct loop_timer *t));
void loop_timer_start(struct loop_timer *t, uint32_t ms); /* restarts when armed */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_done(struct loop_timer *t); /* harmless on a zeroed one */

/* ---- signals: main thread's loop only ---- */
struct loop_signal {
	struct event *ev;
	int signo;
	void (*fn)(struct loop_signal *s);
	struct loop *loop;
};

int loop_signal_add(struct loop *loop, struct loop_signal *s, int signo,
		    void (*fn)(struct loop_signal *s));
void loop_signal_del(struct loop_signal *s); /* harmless on a zeroed one */

/* ---- hooks: run every turn, one after the other ---- */
struct loop_hook {
	struct list link;
	int (*poll)(struct loop_hook *h);    /* gather. Return: how many found; or NULL */
	void (*submit)(struct loop_hook *h); /* end of the turn; or NULL */
	int (*sleep)(struct loop_hook *h);   /* arm event sources; > 0 vetoes; or NULL */
	void (*wake)(struct loop_hook *h);   /* after blocking, or a later hook's veto; or NULL */
	struct loop *loop;		     /* this and the next: the loop's own */
	bool asked;			     /* agreed to sleep, to be woken */
};

/*
 * A hook whose sleep() vetoes is not woken: it leaves itself awake. wake() runs before the
 * callbacks of whatever ended the sleep. Without a spin window the loop blocks right after a turn
 * whose finds all came from descriptors, timers and messages: so sleep() arms, then looks itself.
 * Hooks may be added and deleted by any callback of the loop, hooks included.
 */
void loop_hook_add(struct loop *loop, struct loop_hook *h);
/* loop_hook_add_first() - the same, but it runs before those that are there */
void loop_hook_add_first(struct loop *loop, struct loop_hook *h);
void loop_hook_del(struct loop_hook *h); /* harmless on a zeroed or deleted one */

/* loop_busy() - this turn found work (say, by a receive that no descriptor announced) */
void loop_busy(struct loop *loop);

/* ---- messages from any thread: struct loop_msg of common/msgq.h ---- */
/*
 * loop_send() - @msg belongs to @loop until @fn runs. Messages of one sender arrive in order. Not
 * to be sent again before it ran. The sender must not lose the loop during the call: it is touched
 * once more after @msg may have run.
 * Context: any thread, while the loop exists. Messages still queued when the loop is freed run in
 * loop_free().
 */
void loop_send(struct loop *loop, struct loop_msg *msg);

/*
 * loop_call() - run @fn in @loop's thread and wait for it; called directly when the caller is that
 * thread or none runs it
 *
 * Everything the caller sent before has run when @fn runs. While a caller runs @fn itself, it
 * counts as the loop's thread (loop_current()), other callers wait, and so does a run that wants to
 * begin: @fn must not start or run the loop. Two loops that call each other at the same time wait
 * for ever: let calls go one way, from main to the cores.
 * Context: any thread, while the loop exists.
 */
void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

/* ---- counters, for statistics and tests; any thread may read them ---- */
struct loop_stats {
	uint64_t turns;
	uint64_t busy_turns;
	uint64_t sleeps;
	uint64_t messages;
	uint64_t busy_ns; /* time in turns that found something; neither spinning nor asleep */
};
void loop_get_stats(const struct loop *loop, struct loop_stats *st);

#endif /* COMMON_LOOP_H */
