// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connect with each of its allocations failing in turn: refused as busy, nothing left behind, and
 * the next one works. Replaces the C library's allocators, so it does nothing under sanitizers,
 * which bring their own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/log.h"
#include "tests/fake/fake_sq.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static int fail_at = -1; /* this many more succeed; below 0: all do */

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *malloc(size_t size);
void *calloc(size_t nr, size_t size);

static bool fails(void)
{
	return fail_at >= 0 && !fail_at--;
}

void *malloc(size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(nr, size);
}
#endif

static void test_connect_each_allocation_failing_is_busy(void **state)
{
	const struct fake_connect c = { .subnqn = FAKE_SUBSYS_ACL,
					.hostnqn = FAKE_HOST,
					.hostid = 1 };
	struct nvmet_subsys *subsys;
	struct fake_sq *f, *first;
	int nr_failed = 0;
	uint16_t status;

	(void)state;
	log_set_level(LOG_LVL_ERROR);
	fake_nvmet_start(fake_json);
	subsys = fake_subsys(FAKE_SUBSYS_ACL);
	/*
	 * The core's requests are there, and the range of CNTLIDs is one long: a lost one would
	 * show.
	 */
	first = fake_sq_new(fake_port(0), 0);
	assert_int_equal(fake_connect(first, &c), 0);
	fake_sq_free(first);
	f = fake_sq_new(fake_port(0), 0);
	for (;;) {
		fail_at = nr_failed;
		status = fake_connect(f, &c);
		if (fail_at >= 0)
			break; /* it did not need that many */
		assert_int_equal(status, ST_CONNECT_BUSY);
		assert_null(f->sq.ctrl);
		assert_int_equal(subsys->nr_ctrls, 0);
		assert_true(list_empty(&subsys->ctrls));
		nr_failed++;
	}
	fail_at = -1;
	assert_int_equal(status, 0);
	assert_true(nr_failed >= 2); /* the controller, its timer */
	assert_int_equal(fake_last(f)->result, 7);
	fake_sq_free(f);
	fake_nvmet_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_each_allocation_failing_is_busy),
	};

#ifdef SANITIZED
	print_message("the sanitizer's allocators cannot be made to fail\n");
	return 77;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
