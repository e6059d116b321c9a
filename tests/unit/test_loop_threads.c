// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop across threads: messages, sleeping and waking, starting and stopping, calls. Built
 * under ThreadSanitizer too. A lost wake-up shows as a hang, which the alarm ends.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/loop_impl.h"
#include "common/util.h"

static struct loop *loop_new(const char *name, uint32_t spin_us)
{
	struct loop_opts opts = { .name = name, .cpu = -1, .spin_us = spin_us };
	struct loop *loop;

	assert_int_equal(loop_create(&opts, &loop), 0);
	return loop;
}

/* Sometimes yields, sometimes sleeps for a moment, so that the receiver meets every state. */
static void dawdle(unsigned int *seed)
{
	unsigned int dice = (unsigned int)rand_r(seed) % 64;

	if (dice == 0) {
		struct timespec ts = { .tv_nsec = rand_r(seed) % 50000 };

		nanosleep(&ts, NULL);
	} else if (dice < 8) {
		sched_yield();
	}
}

/* ---------------------------------------------------------------- many senders, one receiver */

enum {
	NR_SENDERS = 4,
	NR_LETTERS = 20000, /* of each */
};

struct letter {
	struct loop_msg msg;
	unsigned int sender;
	unsigned int nr;
};

struct sender {
	pthread_t thread;
	struct loop *to;
	unsigned int nr;
	unsigned int seed;
	struct letter *letters;
};

/* the receiver's; read after it ended */
static unsigned int expected[NR_SENDERS];
static unsigned int arrived;
static unsigned int out_of_order;

static void letter_read(struct loop_msg *msg)
{
	struct letter *l = container_of(msg, struct letter, msg);

	if (l->nr != expected[l->sender])
		out_of_order++;
	expected[l->sender] = l->nr + 1;
	l->nr = UINT32_MAX; /* as good as freed */
	if (++arrived == NR_SENDERS * NR_LETTERS)
		loop_stop(loop_current());
}

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	for (unsigned int i = 0; i < NR_LETTERS; i++) {
		struct letter *l = &s->letters[i];

		*l = (struct letter){ .msg.fn = letter_read, .sender = s->nr, .nr = i };
		loop_send(s->to, &l->msg);
		dawdle(&s->seed);
	}
	return NULL;
}

static void test_loop_messages_of_many_senders_all_arrive_in_order(void **state)
{
	static const uint32_t spins[] = { 0, 20, 1000 };
	unsigned int seed = (unsigned int)clock_now_ns();

	(void)state;
	print_message("seed=%u\n", seed);
	for (size_t i = 0; i < ARRAY_SIZE(spins); i++) {
		struct loop *loop = loop_new("receiver", spins[i]);
		struct sender senders[NR_SENDERS];
		struct loop_stats st;

		memset(expected, 0, sizeof(expected));
		arrived = 0;
		out_of_order = 0;
		assert_int_equal(loop_start(loop), 0);
		for (unsigned int j = 0; j < NR_SENDERS; j++) {
			senders[j] = (struct sender){ .to = loop, .nr = j, .seed = seed + j };
			senders[j].letters = calloc(NR_LETTERS, sizeof(struct letter));
			assert_non_null(senders[j].letters);
			assert_int_equal(pthread_create(&senders[j].thread, NULL, sender_main,
							&senders[j]),
					 0);
		}
		loop_join(loop);
		for (unsigned int j = 0; j < NR_SENDERS; j++) {
			pthread_join(senders[j].thread, NULL);
			assert_int_equal(expected[j], NR_LETTERS);
			free(senders[j].letters);
		}
		assert_int_equal(arrived, NR_SENDERS * NR_LETTERS);
		assert_int_equal(out_of_order, 0);
		loop_get_stats(loop, &st);
		assert_int_equal(st.messages, NR_SENDERS * NR_LETTERS);
		loop_free(loop);
	}
}

/*
 * ---------------------------------------------------------------- ping-pong: asleep before nearly
 * every message
 */

struct ball {
	struct loop_msg msg;
	struct loop *sides[2];
	int at;
	unsigned int left;
};

static void ball_hit(struct loop_msg *msg)
{
	struct ball *b = container_of(msg, struct ball, msg);

	if (!b->left--) {
		loop_stop(b->sides[0]);
		loop_stop(b->sides[1]);
		return;
	}
	b->at = !b->at;
	loop_send(b->sides[b->at], msg);
}

static void test_loop_sleeping_loops_wake_each_other(void **state)
{
	static const uint32_t spins[] = { 0, 5 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spins); i++) {
		struct loop *a = loop_new("ping", spins[i]);
		struct loop *b = loop_new("pong", spins[i]);
		struct ball ball = { .msg.fn = ball_hit, .sides = { a, b }, .left = 20000 };
		struct loop_stats sa;
		struct loop_stats sb;

		assert_int_equal(loop_start(a), 0);
		assert_int_equal(loop_start(b), 0);
		loop_send(a, &ball.msg);
		loop_join(a);
		loop_join(b);
		loop_get_stats(a, &sa);
		loop_get_stats(b, &sb);
		assert_int_equal(sa.messages + sb.messages, 20001);
		assert_true(spins[i] || sa.sleeps > 0);
		loop_free(a);
		loop_free(b);
	}
}

/* ---------------------------------------------------------------- start and stop */

static void *stopper_main(void *arg)
{
	loop_stop(arg);
	return NULL;
}

static void test_loop_stop_from_another_thread_is_never_lost(void **state)
{
	struct loop *loop = loop_new("stopped", 0);
	unsigned int seed = (unsigned int)clock_now_ns();

	(void)state;
	print_message("seed=%u\n", seed);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(loop_start(loop), 0);
		for (int j = 0; j < 8; j++)
			dawdle(&seed);
		loop_stop(loop);
		loop_join(loop);
	}
	/* and of a loop that runs in this thread */
	for (int i = 0; i < 200; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, stopper_main, loop), 0);
		assert_int_equal(loop_run(loop), 0);
		pthread_join(thread, NULL);
	}
	loop_join(loop);
	/* freed while it runs: stopped and joined */
	assert_int_equal(loop_start(loop), 0);
	loop_free(loop);
}

struct self {
	struct loop *loop;
	char name[32];
	bool term_blocked;
	bool segv_blocked;
	cpu_set_t cpus;
	pthread_t thread;
};

static void look_at_self(void *arg)
{
	struct self *self = arg;
	sigset_t set;

	self->loop = loop_current();
	self->thread = pthread_self();
	pthread_getname_np(pthread_self(), self->name, sizeof(self->name));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	self->term_blocked = sigismember(&set, SIGTERM);
	self->segv_blocked = sigismember(&set, SIGSEGV);
	pthread_getaffinity_np(pthread_self(), sizeof(self->cpus), &self->cpus);
}

static void test_loop_thread_has_its_name_cpu_and_signal_mask(void **state)
{
	struct loop_opts opts = { .name = "a-name-that-is-cut", .cpu = 0 };
	struct self self = { 0 };
	struct loop *loop;
	cpu_set_t mine;
	sigset_t set;

	(void)state;
	pthread_getaffinity_np(pthread_self(), sizeof(mine), &mine);
	while (!CPU_ISSET((unsigned int)opts.cpu, &mine))
		opts.cpu++;
	assert_int_equal(loop_create(&opts, &loop), 0);
	assert_int_equal(loop_start(loop), 0);
	loop_call(loop, look_at_self, &self);
	assert_ptr_equal(self.loop, loop);
	assert_string_equal(self.name, "a-name-that-is-");
	assert_true(self.term_blocked);
	assert_false(self.segv_blocked);
	assert_int_equal(CPU_COUNT(&self.cpus), 1);
	assert_true(CPU_ISSET((unsigned int)opts.cpu, &self.cpus));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	assert_false(sigismember(&set, SIGTERM));
	loop_free(loop);
}

static void test_loop_pinned_to_a_cpu_that_is_not_there_runs_anyway(void **state)
{
	struct loop_opts opts = { .name = "nowhere", .cpu = CPU_SETSIZE - 1 };
	struct self self = { 0 };
	struct loop *loop;

	(void)state;
	log_set_level(LOG_LVL_ERROR); /* the warning is expected */
	assert_int_equal(loop_create(&opts, &loop), 0);
	assert_int_equal(loop_start(loop), 0);
	loop_call(loop, look_at_self, &self);
	assert_ptr_equal(self.loop, loop);
	loop_free(loop);
	log_set_level(LOG_LVL_WARN);
}

/* ---------------------------------------------------------------- calls */

enum {
	NR_CALLERS = 3,
	NR_CALLS = 2000, /* of each */
};

struct caller {
	pthread_t thread;
	struct loop *loop;
	unsigned int seed;
	unsigned int nr_sent; /* messages; written where the loop runs */
	unsigned int bad;
};

struct errand {
	struct loop_msg msg;
	struct caller *caller;
};

/*
 * Not atomic: the loop's thread, or whoever stands in for it, is alone. ThreadSanitizer would tell.
 */
static unsigned int calls_made;
static atomic_uint callers_done;

static void errand_run(struct loop_msg *msg)
{
	container_of(msg, struct errand, msg)->caller->nr_sent++;
}

static void call_count(void *arg)
{
	struct caller *c = arg;

	unsigned int before = calls_made;

	if (loop_current() != c->loop)
		c->bad++;
	sched_yield(); /* whoever should not be here as well would lose a count */
	calls_made = before + 1;
}

static void call_nested(void *arg)
{
	struct caller *c = arg;

	loop_call(c->loop, call_count, c);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	struct errand errand = { .msg.fn = errand_run, .caller = c };

	for (unsigned int i = 0; i < NR_CALLS; i++) {
		loop_send(c->loop, &errand.msg);
		loop_call(c->loop, i % 2 ? call_count : call_nested, c);
		/* what was sent before the call has run, so it can be read and sent again */
		if (c->nr_sent != i + 1)
			c->bad++;
		dawdle(&c->seed);
	}
	atomic_fetch_add(&callers_done, 1);
	return NULL;
}

static void callers_start(struct caller *callers, struct loop *loop, unsigned int seed)
{
	calls_made = 0;
	atomic_store(&callers_done, 0);
	for (unsigned int i = 0; i < NR_CALLERS; i++) {
		callers[i] = (struct caller){ .loop = loop, .seed = seed + i };
		assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]),
				 0);
	}
}

static void callers_check(struct caller *callers)
{
	for (unsigned int i = 0; i < NR_CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].bad, 0);
		assert_int_equal(callers[i].nr_sent, NR_CALLS);
	}
	assert_int_equal(calls_made, NR_CALLERS * NR_CALLS);
}

static void test_loop_call_runs_once_whoever_runs_the_loop(void **state)
{
	enum {
		RUNNING,
		STOPPED,
		BOTH,
		NR_WAYS,
	};
	unsigned int seed = (unsigned int)clock_now_ns();

	(void)state;
	print_message("seed=%u\n", seed);
	for (int way = 0; way < NR_WAYS; way++) {
		struct loop *loop = loop_new("called", 0);
		struct caller callers[NR_CALLERS];

		if (way == RUNNING)
			assert_int_equal(loop_start(loop), 0);
		callers_start(callers, loop, seed);
		while (way == BOTH && atomic_load(&callers_done) < NR_CALLERS) {
			assert_int_equal(loop_start(loop), 0);
			dawdle(&seed);
			loop_stop(loop);
			loop_join(loop);
		}
		callers_check(callers);
		loop_free(loop);
	}
}

static void test_loop_call_on_a_stopped_loop_runs_in_the_caller(void **state)
{
	struct loop *loop = loop_new("stopped", 0);
	struct self self = { 0 };

	(void)state;
	loop_call(loop, look_at_self, &self);
	assert_ptr_equal(self.loop, loop);
	assert_true(pthread_equal(self.thread, pthread_self()));
	assert_null(loop_current());
	loop_free(loop);
}

struct pair {
	struct loop *a;
	struct loop *b;
	struct self self;
};

static void call_b(void *arg)
{
	struct pair *p = arg;

	loop_call(p->b, look_at_self, &p->self);
	if (loop_current() != p->a)
		p->self.loop = NULL;
}

static void test_loop_call_from_within_another_loop(void **state)
{
	struct pair p = { .a = loop_new("a", 0), .b = loop_new("b", 0) };

	(void)state;
	for (int i = 0; i < 4; i++) {
		if (i & 1)
			assert_int_equal(loop_start(p.a), 0);
		if (i & 2)
			assert_int_equal(loop_start(p.b), 0);
		p.self.loop = NULL;
		loop_call(p.a, call_b, &p);
		assert_ptr_equal(p.self.loop, p.b);
		loop_stop(p.a);
		loop_stop(p.b);
		loop_join(p.a);
		loop_join(p.b);
		/* where none ran, the stop is still to be used up */
		loop_free(p.a);
		loop_free(p.b);
		p.a = loop_new("a", 0);
		p.b = loop_new("b", 0);
	}
	loop_free(p.a);
	loop_free(p.b);
}

static void stop_it(void *arg)
{
	loop_stop(arg);
}

static void test_loop_call_that_stops_the_loop_still_returns(void **state)
{
	struct loop *loop = loop_new("stopped", 0);

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(loop_start(loop), 0);
		loop_call(loop, stop_it, loop);
		loop_join(loop);
	}
	loop_free(loop);
}

static atomic_bool inside;

static void stop_behind_a_call(struct loop_msg *msg)
{
	struct loop *loop = loop_current();

	(void)msg;
	atomic_store(&inside, true);
	while (msgq_empty(&loop->msgs))
		sched_yield();
	loop_stop(loop);
}

static void test_loop_call_that_is_queued_when_the_loop_ends_still_runs(void **state)
{
	struct loop *loop = loop_new("stopped", 0);
	struct loop_msg msg = { .fn = stop_behind_a_call };
	struct self self;

	(void)state;
	for (int i = 0; i < 20; i++) {
		self.loop = NULL;
		atomic_store(&inside, false);
		assert_int_equal(loop_start(loop), 0);
		loop_send(loop, &msg);
		while (!atomic_load(&inside))
			sched_yield();
		loop_call(loop, look_at_self, &self);
		assert_ptr_equal(self.loop, loop);
		loop_join(loop);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_messages_of_many_senders_all_arrive_in_order),
		cmocka_unit_test(test_loop_sleeping_loops_wake_each_other),
		cmocka_unit_test(test_loop_stop_from_another_thread_is_never_lost),
		cmocka_unit_test(test_loop_thread_has_its_name_cpu_and_signal_mask),
		cmocka_unit_test(test_loop_pinned_to_a_cpu_that_is_not_there_runs_anyway),
		cmocka_unit_test(test_loop_call_runs_once_whoever_runs_the_loop),
		cmocka_unit_test(test_loop_call_on_a_stopped_loop_runs_in_the_caller),
		cmocka_unit_test(test_loop_call_from_within_another_loop),
		cmocka_unit_test(test_loop_call_that_stops_the_loop_still_returns),
		cmocka_unit_test(test_loop_call_that_is_queued_when_the_loop_ends_still_runs),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
