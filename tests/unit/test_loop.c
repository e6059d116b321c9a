// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop in one thread: the turn, with its hooks, deferred work and messages to oneself.
 * Descriptors are in test_loop_events.c, timers and time in test_loop_timer.c, what crosses threads
 * is in test_loop_threads.c.
 */
#include <errno.h>
#include <poll.h>

#include "tests/unit/loop_probe.h"

#include "common/clock.h"
#include "common/loop_impl.h"

/* ---------------------------------------------------------------- hooks */

enum {
	GONE = 0x5a,
};

struct probe {
	struct loop_hook hook;
	char name;
	int vetoes;
	bool interrupt; /* sleep() makes its descriptor readable */
	struct end *irq;
	const char *act_in;   /* "psvw": in which function `act` happens, once */
	struct probe *act_on; /* the hook deleted there */
	struct probe *add;    /* or added */
};

static void probe_note(struct probe *p, char what)
{
	char text[3] = { what, p->name, '\0' };

	note(text);
	if (!p->act_in || *p->act_in != what)
		return;
	p->act_in = NULL;
	if (p->add)
		loop_hook_add(loop, &p->add->hook);
	if (p->act_on) {
		struct probe *gone = p->act_on;

		loop_hook_del(&gone->hook);
		loop_hook_del(&gone->hook);
		memset(gone, GONE, sizeof(*gone)); /* as good as freed */
	}
}

static int probe_poll(struct loop_hook *h)
{
	probe_note(container_of(h, struct probe, hook), 'p');
	return 0;
}

static void probe_submit(struct loop_hook *h)
{
	probe_note(container_of(h, struct probe, hook), 's');
}

static int probe_sleep(struct loop_hook *h)
{
	struct probe *p = container_of(h, struct probe, hook);
	bool veto = p->vetoes-- > 0;

	if (p->interrupt && !veto)
		end_feed(p->irq);
	probe_note(p, 'z');
	return veto;
}

static void probe_wake(struct loop_hook *h)
{
	probe_note(container_of(h, struct probe, hook), 'w');
}

static void probe_init(struct probe *p, char name)
{
	*p = (struct probe){ .name = name };
	p->hook.poll = probe_poll;
	p->hook.submit = probe_submit;
	p->hook.sleep = probe_sleep;
	p->hook.wake = probe_wake;
}

static void irq_seen(struct loop_io *io, unsigned int events)
{
	char c;

	(void)events;
	assert_int_equal(read(io->fd, &c, 1), 1);
	note("irq");
	loop_stop(loop);
}

static void test_loop_hooks_run_in_order(void **state)
{
	static const struct {
		int vetoes[3];
		const char *expect;
	} cases[] = {
		{ { 0, 0, 0 }, "pa pb pc sa sb sc za zb zc wa wb wc irq pa pb pc sa sb sc " },
		{ { 1, 0, 0 },
		  "pa pb pc sa sb sc za pa pb pc sa sb sc za zb zc wa wb wc irq "
		  "pa pb pc sa sb sc " },
		{ { 0, 0, 1 },
		  "pa pb pc sa sb sc za zb zc wa wb pa pb pc sa sb sc za zb zc wa wb wc irq "
		  "pa pb pc sa sb sc " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe p[3];
		struct end *irq;

		loop_new(0);
		irq = end_new(LOOP_READ, irq_seen);
		for (int j = 0; j < 3; j++) {
			probe_init(&p[j], (char)('a' + j));
			p[j].vetoes = cases[i].vetoes[j];
			loop_hook_add(loop, &p[j].hook);
		}
		p[2].interrupt = true;
		p[2].irq = irq;
		assert_int_equal(loop_run(loop), 0);
		assert_string_equal(trace, cases[i].expect);
		end_free(irq);
		loop_end(); /* takes the hooks off */
		loop_hook_del(&p[0].hook);
	}
}

static void test_loop_hook_added_first_runs_before_the_others(void **state)
{
	struct probe p[3];
	struct end *irq;

	(void)state;
	loop_new(0);
	irq = end_new(LOOP_READ, irq_seen);
	for (int j = 0; j < 3; j++)
		probe_init(&p[j], (char)('a' + j));
	loop_hook_add(loop, &p[1].hook);
	loop_hook_add(loop, &p[2].hook);
	loop_hook_add_first(loop, &p[0].hook);
	p[2].interrupt = true;
	p[2].irq = irq;
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(trace, "pa pb pc sa sb sc za zb zc wa wb wc irq pa pb pc sa sb sc ");
	end_free(irq);
	loop_end();
}

static void test_loop_hook_deleted_in_any_hook_is_not_called(void **state)
{
	static const struct {
		const char *in;
		int actor, gone;
		int vetoes; /* of the actor */
		const char *expect;
	} cases[] = {
		{ "p", 0, 0, 0, "pa pb pc sb sc zb zc wb wc irq pb pc sb sc " },
		{ "p", 0, 1, 0, "pa pc sa sc za zc wa wc irq pa pc sa sc " },
		{ "p", 1, 0, 0, "pa pb pc sb sc zb zc wb wc irq pb pc sb sc " },
		{ "s", 1, 1, 0, "pa pb pc sa sb sc za zc wa wc irq pa pc sa sc " },
		{ "s", 0, 1, 0, "pa pb pc sa sc za zc wa wc irq pa pc sa sc " },
		{ "z", 0, 1, 0, "pa pb pc sa sb sc za zc wa wc irq pa pc sa sc " },
		{ "z", 1, 1, 0, "pa pb pc sa sb sc za zb zc wa wc irq pa pc sa sc " },
		{ "z", 1, 1, 1,
		  "pa pb pc sa sb sc za zb wa pa pc sa sc za zc wa wc irq pa pc sa sc " },
		{ "z", 1, 0, 0, "pa pb pc sa sb sc za zb zc wb wc irq pb pc sb sc " },
		{ "w", 0, 0, 0, "pa pb pc sa sb sc za zb zc wa wb wc irq pb pc sb sc " },
		{ "w", 0, 1, 0, "pa pb pc sa sb sc za zb zc wa wc irq pa pc sa sc " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe p[3];
		struct end *irq;

		loop_new(0);
		irq = end_new(LOOP_READ, irq_seen);
		for (int j = 0; j < 3; j++) {
			probe_init(&p[j], (char)('a' + j));
			loop_hook_add(loop, &p[j].hook);
		}
		p[2].interrupt = true;
		p[2].irq = irq;
		p[cases[i].actor].act_in = cases[i].in;
		p[cases[i].actor].act_on = &p[cases[i].gone];
		p[cases[i].actor].vetoes = cases[i].vetoes;
		assert_int_equal(loop_run(loop), 0);
		assert_string_equal(trace, cases[i].expect);
		for (size_t j = 0; j < sizeof(p[0]); j++)
			assert_int_equal(((char *)&p[cases[i].gone])[j], GONE);
		end_free(irq);
		loop_end();
	}
}

static void test_loop_hook_added_in_hook_runs_from_then_on(void **state)
{
	static const struct {
		const char *in;
		const char *expect;
	} cases[] = {
		{ "p", "pa sa sb za zb wa wb irq pa pb sa sb " },
		{ "z", "pa sa za wa irq pa pb sa sb " },
		{ "w", "pa sa za wa irq pa pb sa sb " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe a;
		struct probe b;
		struct end *irq;

		loop_new(0);
		irq = end_new(LOOP_READ, irq_seen);
		probe_init(&a, 'a');
		probe_init(&b, 'b');
		a.interrupt = true;
		a.irq = irq;
		a.act_in = cases[i].in;
		a.add = &b;
		loop_hook_add(loop, &a.hook);
		assert_int_equal(loop_run(loop), 0);
		assert_string_equal(trace, cases[i].expect);
		end_free(irq);
		loop_end();
	}
}

static int polls_find;

static int poll_find(struct loop_hook *h)
{
	(void)h;
	note("p");
	return polls_find-- > 0;
}

static int sleep_stop(struct loop_hook *h)
{
	(void)h;
	note("z");
	loop_stop(loop);
	return 0;
}

static void test_loop_found_by_hook_looks_again_before_sleeping(void **state)
{
	struct loop_hook h = { .poll = poll_find, .sleep = sleep_stop };
	struct loop_stats st;

	(void)state;
	loop_new(0);
	polls_find = 3;
	loop_hook_add(loop, &h);
	assert_int_equal(loop_run(loop), 0);
	/* three that find, one that does not, and the turn whose blocking the stop prevented */
	assert_string_equal(trace, "p p p p z p ");
	loop_get_stats(loop, &st);
	assert_int_equal(st.turns, 5);
	assert_int_equal(st.busy_turns, 3);
	assert_int_equal(st.sleeps, 0);
	loop_end();
}

/* ---------------------------------------------------------------- deferred work */

struct job {
	struct loop_work work;
	char name[4];
	struct job *cancel;
	struct job *defer;
	int again;
};

static void job_run(struct loop_work *w)
{
	struct job *j = container_of(w, struct job, work);

	note(j->name);
	if (j->cancel)
		loop_work_cancel(&j->cancel->work);
	if (j->defer)
		loop_defer(loop, &j->defer->work);
	if (j->again-- > 0)
		loop_defer(loop, w);
}

static void job_init(struct job *j, const char *name)
{
	memset(j, 0, sizeof(*j));
	snprintf(j->name, sizeof(j->name), "%s", name);
	loop_work_init(&j->work, job_run);
}

static void submit_note(struct loop_hook *h)
{
	(void)h;
	note("|");
}

static int sleep_note(struct loop_hook *h)
{
	(void)h;
	note("z");
	return 0;
}

static struct job submit_job;

static void submit_defer(struct loop_hook *h)
{
	(void)h;
	if (submit_job.again > 0) {
		submit_job.again = 0;
		loop_defer(loop, &submit_job.work);
	}
}

static void test_loop_deferred_work_runs_once_before_submit(void **state)
{
	struct loop_hook h = { .submit = submit_note, .sleep = sleep_note };
	struct loop_hook late = { .submit = submit_defer };
	struct job a, b, c, d;

	(void)state;
	loop_new(0);
	loop_hook_add(loop, &h);
	loop_hook_add(loop, &late);
	job_init(&a, "a");
	job_init(&b, "b");
	job_init(&c, "c");
	job_init(&d, "d");
	job_init(&submit_job, "s");
	submit_job.again = 1;
	a.cancel = &b; /* in the same batch */
	a.defer = &d;  /* next turn */
	c.again = 2;
	loop_defer(loop, &a.work);
	loop_defer(loop, &a.work);
	loop_defer(loop, &b.work);
	loop_defer(loop, &c.work);
	run_turns(3); /* no "z": while there is work, it does not even think of sleeping */
	assert_string_equal(trace, "a c | d c s | c | ");
	loop_work_cancel(&a.work);
	loop_end();
}

static struct job sleep_job;

static int sleep_defer(struct loop_hook *h)
{
	(void)h;
	note("z");
	loop_defer(loop, &sleep_job.work);
	return 0;
}

static void wake_note(struct loop_hook *h)
{
	(void)h;
	note("w");
}

static void test_loop_work_deferred_by_sleep_hook_keeps_it_awake(void **state)
{
	struct loop_hook h = { .submit = submit_note, .sleep = sleep_defer, .wake = wake_note };
	struct loop_stats st;

	(void)state;
	loop_new(0);
	loop_hook_add(loop, &h);
	job_init(&sleep_job, "s");
	run_turns(2); /* it may not block, or this hangs */
	assert_string_equal(trace, "| z w s | ");
	loop_get_stats(loop, &st);
	assert_int_equal(st.sleeps, 0);
	loop_end();
}

static void test_loop_free_runs_what_is_left(void **state)
{
	struct job a, b;

	(void)state;
	loop_new(0);
	job_init(&a, "a");
	job_init(&b, "b");
	a.defer = &b;
	loop_defer(loop, &a.work);
	loop_end();
	assert_string_equal(trace, "a b ");
	loop_free(NULL);
}

/* ---------------------------------------------------------------- messages to oneself */

struct letter {
	struct loop_msg msg;
	char name[4];
	int again;
};

static void letter_read(struct loop_msg *msg)
{
	struct letter *l = container_of(msg, struct letter, msg);

	assert_ptr_equal(loop_current(), loop);
	note(l->name);
	if (l->again-- > 0)
		loop_send(loop, msg);
	else
		free(l);
}

static void letter_send(const char *name, int again)
{
	struct letter *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->msg.fn = letter_read;
	l->again = again;
	snprintf(l->name, sizeof(l->name), "%s", name);
	loop_send(loop, &l->msg);
}

static void test_loop_messages_arrive_in_order_also_when_resent_or_left(void **state)
{
	struct loop_hook h = { .submit = submit_note };
	struct loop_stats st;

	(void)state;
	loop_new(0);
	loop_hook_add(loop, &h);
	letter_send("a", 0);
	letter_send("b", 1);
	letter_send("c", 0);
	run_turns(2);
	assert_string_equal(trace, "a b c | b | ");
	loop_get_stats(loop, &st);
	assert_int_equal(st.messages, 4);
	trace[0] = '\0';
	letter_send("d", 2);
	letter_send("e", 0);
	loop_end();
	assert_string_equal(trace, "d e d d ");
}

/* ---------------------------------------------------------------- life */

static void test_loop_create_with_bad_options_fails(void **state)
{
	static const struct loop_opts cases[] = {
		{ .cpu = -2 },
		{ .cpu = 1 << 20 },
		{ .cpu = -1, .spin_us = 1000001 },
	};
	struct loop *l = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(loop_create(&cases[i], &l), -EINVAL);
	assert_null(l);
}

static void test_loop_stop_before_run_ends_it_at_once(void **state)
{
	struct loop_stats st;

	(void)state;
	loop_new(0);
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	loop_get_stats(loop, &st);
	assert_int_equal(st.turns, 0);
	assert_null(loop_current());
	run_turns(1); /* the stop is used up */
	loop_get_stats(loop, &st);
	assert_int_equal(st.turns, 1);
	loop_end();
}

static void test_loop_without_window_sleeps_without_spinning(void **state)
{
	struct end *irq;
	struct probe p;
	struct loop_stats st;

	(void)state;
	loop_new(0);
	irq = end_new(LOOP_READ, irq_seen);
	probe_init(&p, 'a');
	p.interrupt = true;
	p.irq = irq;
	loop_hook_add(loop, &p.hook);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_run(loop), 0);
	/*
	 * after a busy turn whose finds all came from libevent it blocks at once: one system call
	 * per wake-up
	 */
	assert_string_equal(trace, "pa sa za wa irq pa sa za wa irq pa sa za wa irq pa sa ");
	loop_get_stats(loop, &st);
	assert_int_equal(st.sleeps, 3);
	assert_int_equal(st.turns, 4);
	end_free(irq);
	loop_end();
}

static void test_loop_late_wake_up_is_used_up(void **state)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t one = 1;

	(void)state;
	loop_new(1000000);
	p.fd = loop->msgs.fd;
	/* a sender that saw the loop asleep may write long after it woke for another reason */
	assert_int_equal(write(p.fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(poll(&p, 1, 0), 1);
	run_turns(1);
	assert_int_equal(poll(&p, 1, 0), 0); /* else it would never sleep again */
	loop_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_hooks_run_in_order),
		cmocka_unit_test(test_loop_hook_added_first_runs_before_the_others),
		cmocka_unit_test(test_loop_hook_deleted_in_any_hook_is_not_called),
		cmocka_unit_test(test_loop_hook_added_in_hook_runs_from_then_on),
		cmocka_unit_test(test_loop_found_by_hook_looks_again_before_sleeping),
		cmocka_unit_test(test_loop_deferred_work_runs_once_before_submit),
		cmocka_unit_test(test_loop_work_deferred_by_sleep_hook_keeps_it_awake),
		cmocka_unit_test(test_loop_free_runs_what_is_left),
		cmocka_unit_test(test_loop_messages_arrive_in_order_also_when_resent_or_left),
		cmocka_unit_test(test_loop_create_with_bad_options_fails),
		cmocka_unit_test(test_loop_stop_before_run_ends_it_at_once),
		cmocka_unit_test(test_loop_late_wake_up_is_used_up),
		cmocka_unit_test(test_loop_without_window_sleeps_without_spinning),
	};

	alarm(120); /* a lost wake-up would hang */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
