// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop: its life, and who runs it. The state under the lock says who: nobody, the thread
 * of loop_run() or loop_start(), or a caller of loop_call() while nobody else does. The lock is
 * taken when that changes and by loop_call(), never in a turn.
 *
 * Thread: as each says. Entry points: loop_create(), loop_run(), loop_start(), loop_stop(),
 * loop_send(), loop_call().
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/loop_impl.h"
#include "common/util.h"

enum {
	SPIN_US_MAX = 1000000,
};

static _Thread_local struct loop *current;

struct loop *loop_current(void)
{
	return current;
}

static void pin(const struct loop *loop)
{
	cpu_set_t set;
	int ret;

	if (loop->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)loop->cpu, &set);
	ret = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (ret)
		log_warn("cannot pin a thread, it runs anywhere name=%s cpu=%d error=\"%s\"",
			 loop->name, loop->cpu, strerror(ret));
}

/* Waits for borrowers to give it back, then nobody else may have it. */
static void take_loop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	while (loop->state == LOOP_BORROWED)
		pthread_cond_wait(&loop->changed, &loop->lock);
	assert(loop->state == LOOP_STOPPED && "run twice");
	loop->state = LOOP_RUNNING;
	pthread_mutex_unlock(&loop->lock);
}

/* Callers that wait are served first; who calls from now on finds that nobody runs it. */
static void release_loop(struct loop *loop)
{
	struct loop *outer = current;

	current = loop;
	pthread_mutex_lock(&loop->lock);
	while (loop->nr_calls) {
		pthread_mutex_unlock(&loop->lock);
		loop_run_messages(loop);
		pthread_mutex_lock(&loop->lock);
	}
	loop->state = LOOP_STOPPED;
	atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
	current = outer;
}

static int run_turns(struct loop *loop)
{
	struct loop *outer = current;
	int ret = 0;

	current = loop;
	pin(loop);
	loop->now_ns = clock_now_ns();
	while (!ret && !atomic_load_explicit(&loop->stop, memory_order_acquire))
		ret = loop_turn(loop);
	current = outer;
	release_loop(loop);
	return ret;
}

int loop_run(struct loop *loop)
{
	take_loop(loop);
	return run_turns(loop);
}

static void *thread_main(void *arg)
{
	struct loop *loop = arg;

	run_turns(loop);
	return NULL;
}

int loop_start(struct loop *loop)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF };
	sigset_t block;
	sigset_t saved;
	int ret;

	assert(!loop->has_thread);
	take_loop(loop);
	/* signals are the main thread's; here they would only interrupt system calls */
	sigfillset(&block);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&block, faults[i]);
	pthread_sigmask(SIG_SETMASK, &block, &saved);
	ret = pthread_create(&loop->thread, NULL, thread_main, loop);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (ret) {
		release_loop(loop);
		return -ret;
	}
	loop->has_thread = true;
	if (loop->name[0])
		pthread_setname_np(loop->thread, loop->name);
	return 0;
}

void loop_join(struct loop *loop)
{
	if (!loop->has_thread)
		return;
	pthread_join(loop->thread, NULL);
	loop->has_thread = false;
}

void loop_stop(struct loop *loop)
{
	/*
	 * the store of stop comes before msgq_wake()'s load of asleep; announce_sleep() has them
	 * the other way round
	 */
	atomic_store(&loop->stop, true);
	msgq_wake(&loop->msgs);
}

void loop_send(struct loop *loop, struct loop_msg *msg)
{
	msgq_push(&loop->msgs, msg);
}

struct call {
	struct loop_msg msg;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	bool done; /* under loop->lock */
};

static void run_call(struct loop_msg *msg)
{
	struct call *call = container_of(msg, struct call, msg);
	struct loop *loop = call->loop;

	call->fn(call->arg);
	pthread_mutex_lock(&loop->lock);
	call->done = true; /* it lies on the caller's stack: gone after the unlock */
	loop->nr_calls--;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

/* Nobody runs the loop: the caller does what its thread would do. */
static void run_borrowed(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop *outer = current;

	current = loop;
	loop_run_messages(loop); /* sent before the call, so they run before it */
	fn(arg);
	current = outer;
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct call call = { .msg.fn = run_call, .loop = loop, .fn = fn, .arg = arg };

	if (current == loop) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&loop->lock);
	while (loop->state == LOOP_BORROWED)
		pthread_cond_wait(&loop->changed, &loop->lock);
	if (loop->state == LOOP_RUNNING) {
		/* sent under the lock: release_loop() either serves it or has not been there yet */
		loop->nr_calls++;
		loop_send(loop, &call.msg);
		while (!call.done)
			pthread_cond_wait(&loop->changed, &loop->lock);
		pthread_mutex_unlock(&loop->lock);
		return;
	}
	loop->state = LOOP_BORROWED;
	pthread_mutex_unlock(&loop->lock);
	run_borrowed(loop, fn, arg);
	pthread_mutex_lock(&loop->lock);
	loop->state = LOOP_STOPPED;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

/* ---------------------------------------------------------------- life */

int loop_create(const struct loop_opts *opts, struct loop **loopp)
{
	struct loop *loop;
	int ret;

	if (opts->spin_us > SPIN_US_MAX || opts->cpu < -1 || opts->cpu >= CPU_SETSIZE)
		return -EINVAL;
	loop = aligned_alloc(_Alignof(struct loop), sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	memset(loop, 0, sizeof(*loop));
	list_init(&loop->hooks);
	list_init(&loop->works);
	list_init(&loop->hot);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->changed, NULL);
	snprintf(loop->name, sizeof(loop->name), "%s", opts->name ? opts->name : "");
	loop->cpu = opts->cpu;
	loop->spin.spin_ns = (uint64_t)opts->spin_us * 1000u;
	loop->now_ns = clock_now_ns();
	ret = msgq_init(&loop->msgs);
	if (!ret)
		ret = loop_events_init(loop);
	if (ret)
		goto fail;
	*loopp = loop;
	return 0;
fail:
	loop_free(loop);
	return ret;
}

void loop_free(struct loop *loop)
{
	struct loop *outer = current;

	if (!loop)
		return;
	if (loop->has_thread) {
		loop_stop(loop);
		loop_join(loop);
	}
	assert(loop->state == LOOP_STOPPED && current != loop);
	current = loop;
	while (!msgq_empty(&loop->msgs) || !list_empty(&loop->works)) {
		loop_run_messages(loop);
		loop_run_works(loop);
	}
	current = outer;
	while (!list_empty(&loop->hooks))
		loop_hook_del(list_first(&loop->hooks, struct loop_hook, link));
	loop_events_done(loop);
	msgq_done(&loop->msgs);
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}
