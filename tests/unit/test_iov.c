// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lists of iovecs: every offset and length of a list with empty entries.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/iov.h"
#include "common/util.h"

enum {
	TOTAL = 30,
};

static uint8_t mem[TOTAL];

/* 30 bytes of mem in order */
static const struct iovec list[] = {
	{ mem, 0 },	 { mem, 1 },	   { mem + 1, 9 }, { NULL, 0 },
	{ mem + 10, 0 }, { mem + 10, 20 }, { mem, 0 },
};

static int fill(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < TOTAL; i++)
		mem[i] = (uint8_t)(i + 1);
	return 0;
}

static void test_iov_bytes_is_the_sum(void **state)
{
	struct iovec huge[2] = { { NULL, SIZE_MAX }, { NULL, 1 } };

	(void)state;
	assert_int_equal(iov_bytes(list, ARRAY_SIZE(list)), TOTAL);
	assert_int_equal(iov_bytes(list, 0), 0);
	assert_true(iov_bytes(huge, 1) == SIZE_MAX);
	assert_true(iov_bytes(huge, 2) == SIZE_MAX);
}

static void test_iov_slice_every_range_describes_its_bytes(void **state)
{
	size_t off, len;

	(void)state;
	for (off = 0; off <= TOTAL + 2; off++) {
		for (len = 0; len <= TOTAL + 2; len++) {
			struct iovec out[3];
			int n = iov_slice(list, ARRAY_SIZE(list), off, len, out, 3);
			size_t at = off;
			int i;

			if (len && off + len > TOTAL) {
				assert_int_equal(n, -EINVAL);
				continue;
			}
			assert_true(n >= 0);
			for (i = 0; i < n; i++) {
				assert_true(out[i].iov_len > 0);
				assert_ptr_equal(out[i].iov_base, mem + at);
				at += out[i].iov_len;
			}
			assert_int_equal(at, off + len);
			if (n)
				assert_int_equal(iov_slice(list, ARRAY_SIZE(list), off, len, out,
							   n - 1),
						 -ENOSPC);
		}
	}
	assert_int_equal(iov_slice(list, ARRAY_SIZE(list), SIZE_MAX, 1, NULL, 0), -EINVAL);
	assert_int_equal(iov_slice(list, ARRAY_SIZE(list), 5, SIZE_MAX, (struct iovec[3]){ { 0 } },
				   3),
			 -EINVAL);
}

static void test_iov_copy_every_range_moves_its_bytes(void **state)
{
	size_t off, len;

	(void)state;
	for (off = 0; off <= TOTAL + 2; off++) {
		for (len = 0; len <= TOTAL + 2; len++) {
			size_t want = off < TOTAL ? min_of(len, TOTAL - off) : 0;
			uint8_t out[TOTAL + 3];
			uint8_t in[TOTAL + 3];
			uint8_t expect[TOTAL];

			fill(NULL);
			memset(out, 0xee, sizeof(out));
			assert_int_equal(iov_copy_from(out, list, ARRAY_SIZE(list), off, len),
					 want);
			if (want)
				assert_memory_equal(out, mem + off, want);
			assert_int_equal(out[want], 0xee);

			memset(in, 0x77, sizeof(in));
			memcpy(expect, mem, sizeof(mem));
			if (want)
				memset(expect + off, 0x77, want);
			assert_int_equal(iov_copy_to(list, ARRAY_SIZE(list), off, in, len), want);
			assert_memory_equal(mem, expect, sizeof(mem));

			if (want)
				memset(expect + off, 0, want);
			assert_int_equal(iov_zero(list, ARRAY_SIZE(list), off, len), want);
			assert_memory_equal(mem, expect, sizeof(mem));
		}
	}
}

static void test_iov_advance_leaves_the_rest(void **state)
{
	size_t n;

	(void)state;
	for (n = 0; n <= TOTAL; n++) {
		struct iovec copy[ARRAY_SIZE(list)];
		struct iovec *iov = copy;
		size_t nr = ARRAY_SIZE(list);

		memcpy(copy, list, sizeof(list));
		iov_advance(&iov, &nr, n);
		assert_int_equal(iov_bytes(iov, nr), TOTAL - n);
		if (n < TOTAL) {
			assert_true(iov->iov_len > 0);
			assert_ptr_equal(iov->iov_base, mem + n);
		} else {
			assert_int_equal(nr, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iov_bytes_is_the_sum),
		cmocka_unit_test(test_iov_slice_every_range_describes_its_bytes),
		cmocka_unit_test_setup(test_iov_copy_every_range_moves_its_bytes, fill),
		cmocka_unit_test_setup(test_iov_advance_leaves_the_rest, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
