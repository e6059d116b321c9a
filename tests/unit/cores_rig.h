/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's cores, turned by the test's own thread.
 */
#ifndef TESTS_UNIT_CORES_RIG_H
#define TESTS_UNIT_CORES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/fake/fake_sq.h"

enum {
	PATIENCE_MS = 60000,
};

static inline void stop_loop(struct loop_work *w)
{
	(void)w;
	loop_stop(loop_current());
}

static inline void turn(void)
{
	for (int i = 0; i < FAKE_CORES; i++) {
		struct loop_work work;

		loop_work_init(&work, stop_loop);
		loop_defer(nvmet.cores[i]->loop, &work);
		assert_int_equal(loop_run(nvmet.cores[i]->loop), 0);
	}
}

/* Turns the cores until @what; fails when that takes too long. */
#define until(what)                                                       \
	do {                                                              \
		uint64_t end = clock_now_ms() + PATIENCE_MS;              \
		while (!(what)) {                                         \
			if (clock_now_ms() > end)                         \
				fail_msg("waited in vain for %s", #what); \
			turn();                                           \
			usleep(200);                                      \
		}                                                         \
	} while (0)

#endif /* TESTS_UNIT_CORES_RIG_H */
