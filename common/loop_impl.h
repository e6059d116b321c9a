/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a loop, shared by loop.c (what a turn does) and loop_run.c (who runs
 * it). Nobody else includes this.
 */
#ifndef COMMON_LOOP_IMPL_H
#define COMMON_LOOP_IMPL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/msgq.h"
#include "common/spin.h"

struct event;
struct event_base;
struct loop_hook;

enum loop_state {
	LOOP_STOPPED,
	LOOP_BORROWED, /* a caller of loop_call() acts as the loop's thread */
	LOOP_RUNNING,
};

enum {
	LOOP_NAME_BYTES = 16, /* what the kernel keeps of a thread's name */
};

struct loop {
	/* the loop's thread only */
	struct event_base *base;
	struct event *wake_ev; /* msgs.fd */
	struct list hooks;
	struct list *next_hook; /* of the walk that is under way */
	struct loop_hook *hook; /* that is asked to sleep; NULL once it was deleted */
	struct list works;
	uint64_t now_ns;
	struct spin spin;
	uint64_t begun_ns;	/* when this turn began, or woke up */
	uint64_t busy_since_ns; /* valid while not idle */
	uint64_t idle_since_ns; /* valid while idle */
	struct list hot;	/* descriptors that are looked at without asking */
	unsigned int nr_hot;
	uint64_t asked_ns;	/* when libevent was asked last */
	unsigned int unasked;	/* turns since libevent was asked */
	unsigned int cool;	/* turns until anything may be hot again */
	unsigned int nr_events; /* registered descriptors, timers and signals */
	bool found;		/* by this turn: anything */
	bool found_more;	/* by this turn: something that libevent does not see */
	bool idle;		/* the last turn found nothing */
	bool may_block;		/* the last turn ended such that blocking loses nothing */
	bool blocking;		/* inside a gather that may block, nothing came yet */
	int cpu;
	char name[LOOP_NAME_BYTES];

	/* written by the loop's thread, read by any */
	_Atomic uint64_t turns;
	_Atomic uint64_t busy_turns;
	_Atomic uint64_t sleeps;
	_Atomic uint64_t messages;
	_Atomic uint64_t busy_ns;

	/* any thread */
	struct msgq msgs;
	_Atomic bool stop;

	/* any thread, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the state, or a call is done */
	enum loop_state state;
	unsigned int nr_calls; /* loop_call()s that wait for the running thread */

	/* whoever calls loop_start() and loop_join() */
	bool has_thread;
	pthread_t thread;
};

/* loop_events_init() - Return: 0 or -ENOMEM; loop_events_done() is harmless on a zeroed loop */
int loop_events_init(struct loop *loop);
void loop_events_done(struct loop *loop);
/* loop_woken() - the blocking gather brought something, or returned: awake again, before any
 * callback */
void loop_woken(struct loop *loop);
/* loop_turn() - Return: 0, or -errno when libevent fails */
int loop_turn(struct loop *loop);
/* what these send or defer to the same loop runs the next time. Return: how many ran */
unsigned int loop_run_messages(struct loop *loop);
unsigned int loop_run_works(struct loop *loop);

/* libevent says only that it failed; what it called left errno. */
static inline int loop_event_error(void)
{
	return errno ? -errno : -EINVAL;
}

#endif /* COMMON_LOOP_IMPL_H */
