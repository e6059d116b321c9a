// SPDX-License-Identifier: BSD-2-Clause
/*
 * common/spin: short idle times are spent awake, long ones asleep, and it learns which they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/spin.h"

#define US UINT64_C(1000)

/* One time of work and one without; asleep from the end of the window on, waking takes @wake_ns. */
static uint64_t period(struct spin *spin, uint64_t busy_ns, uint64_t idle_ns, uint64_t wake_ns)
{
	uint64_t window = spin_window(spin);

	spin_idle(spin, busy_ns);
	assert_int_equal(spin->watch_ns, window);
	spin_busy(spin, idle_ns > window ? idle_ns + wake_ns : idle_ns);
	return window;
}

/* Return: how many of @nr periods were begun awake. */
static int awake_of(struct spin *spin, int nr, uint64_t busy_ns, uint64_t idle_ns)
{
	int awake = 0;

	for (int i = 0; i < nr; i++)
		awake += period(spin, busy_ns, idle_ns, 15 * US) > 0;
	return awake;
}

static void test_spin_without_window_never_waits(void **state)
{
	struct spin spin = { 0 };

	(void)state;
	assert_int_equal(awake_of(&spin, 100, 5 * US, 1), 0);
}

static void test_spin_short_idle_times_are_spent_awake(void **state)
{
	struct spin spin = { .spin_ns = 8 * US };

	(void)state;
	assert_int_equal(awake_of(&spin, 1000, 5 * US, 5 * US), 1000);
}

static void test_spin_long_idle_times_are_slept_but_some_are_watched(void **state)
{
	struct spin spin = { .spin_ns = 8 * US };
	int awake;

	(void)state;
	awake_of(&spin, 100, 7 * US, 13 * US);
	awake = awake_of(&spin, 1700, 7 * US, 13 * US);
	assert_in_range(awake, 90, 110);
	awake = awake_of(&spin, 1700, 1 * US, 900 * US);
	assert_in_range(awake, 90, 110);
}

/* What a sleeper sees is longer than it is: the time to wake up must not keep it a sleeper. */
static void test_spin_asleep_learns_that_idle_times_became_short(void **state)
{
	struct spin spin = { .spin_ns = 8 * US };

	(void)state;
	awake_of(&spin, 100, 1 * US, 900 * US);
	assert_int_equal(spin_window(&spin), 0);
	awake_of(&spin, 64, 4 * US, 5 * US);
	assert_int_equal(spin_window(&spin) > 0, 1);
	assert_int_equal(awake_of(&spin, 100, 4 * US, 5 * US), 100);
}

static void test_spin_who_does_much_at_a_time_waits_longer(void **state)
{
	struct spin spin = { .spin_ns = 8 * US };

	(void)state;
	awake_of(&spin, 1000, 30 * US, 20 * US);
	assert_in_range(spin_window(&spin), 27 * US, 29 * US);
	assert_int_equal(awake_of(&spin, 100, 30 * US, 20 * US), 100);
	awake_of(&spin, 1000, 2000 * US, 20 * US);
	assert_in_range(spin_window(&spin), 79 * US, 80 * US);
	/* the same idle times with less work between them */
	awake_of(&spin, 1000, 5 * US, 20 * US);
	assert_in_range(awake_of(&spin, 170, 5 * US, 20 * US), 5, 15);
}

static void test_spin_one_pause_does_not_put_a_busy_core_to_sleep(void **state)
{
	struct spin spin = { .spin_ns = 8 * US };

	(void)state;
	awake_of(&spin, 100, 5 * US, 4 * US);
	period(&spin, 5 * US, 1000000 * US, 15 * US);
	assert_int_equal(awake_of(&spin, 10, 5 * US, 4 * US), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spin_without_window_never_waits),
		cmocka_unit_test(test_spin_short_idle_times_are_spent_awake),
		cmocka_unit_test(test_spin_long_idle_times_are_slept_but_some_are_watched),
		cmocka_unit_test(test_spin_asleep_learns_that_idle_times_became_short),
		cmocka_unit_test(test_spin_who_does_much_at_a_time_waits_longer),
		cmocka_unit_test(test_spin_one_pause_does_not_put_a_busy_core_to_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
