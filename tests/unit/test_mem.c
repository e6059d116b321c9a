// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buffer pools: against a model that only keeps a map of pages, waiters and their order, and the
 * mistakes that must not go unnoticed.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/util.h"

enum {
	MIB = 1 << 20,
	CHUNK = 2 * MIB,
	POOL_CHUNKS = 4,
	POOL_BYTES = POOL_CHUNKS * CHUNK,
	NR_PAGES = POOL_BYTES / MEM_BLOCK_MIN,
};

static struct mem_pool *pool;
static char *base;

static int pool_setup(void **state)
{
	(void)state;
	base = aligned_alloc(CHUNK, POOL_BYTES);
	if (!base)
		return -1;
	return mem_pool_create(base, POOL_BYTES, &pool);
}

static int pool_teardown(void **state)
{
	(void)state;
	mem_pool_free(pool);
	free(base);
	return 0;
}

/* The pool is whole again: every largest block can be had, and nothing else. */
static void assert_all_free(void)
{
	void *bufs[POOL_CHUNKS];

	assert_int_equal(mem_pool_free_bytes(pool), POOL_BYTES);
	for (size_t i = 0; i < POOL_CHUNKS; i++) {
		bufs[i] = mem_get(pool, MEM_BLOCK_MAX);
		assert_non_null(bufs[i]);
	}
	assert_null(mem_get(pool, 1));
	assert_int_equal(mem_pool_free_bytes(pool), 0);
	for (size_t i = 0; i < POOL_CHUNKS; i++)
		mem_put(pool, bufs[i], MEM_BLOCK_MAX);
}

/* ---------------------------------------------------------------- blocks */

static void test_mem_block_size_is_the_next_power_of_two(void **state)
{
	static const struct {
		size_t len;
		size_t size;
	} cases[] = {
		{ 1, 4096 },
		{ 4095, 4096 },
		{ 4096, 4096 },
		{ 4097, 8192 },
		{ 8192, 8192 },
		{ 8193, 16384 },
		{ 128 << 10, 128 << 10 },
		{ (128 << 10) + 1, 256 << 10 },
		{ MIB + 1, 2 * MIB },
		{ 2 * MIB, 2 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(mem_block_size(cases[i].len), cases[i].size);
}

static void test_mem_pool_of_wrong_shape_is_refused(void **state)
{
	struct mem_pool *p = NULL;

	(void)state;
	assert_int_equal(mem_pool_create((void *)(uintptr_t)CHUNK, 0, &p), -EINVAL);
	assert_int_equal(mem_pool_create((void *)(uintptr_t)CHUNK, CHUNK + 4096, &p), -EINVAL);
	assert_int_equal(mem_pool_create((void *)(uintptr_t)4096, CHUNK, &p), -EINVAL);
	assert_null(p);
	mem_pool_free(NULL);
}

static void test_mem_get_every_size_until_exhausted(void **state)
{
	(void)state;
	for (size_t size = MEM_BLOCK_MIN; size <= MEM_BLOCK_MAX; size *= 2) {
		size_t nr = POOL_BYTES / size;
		unsigned char *seen = calloc(nr, 1);
		void **bufs = calloc(nr, sizeof(*bufs));

		assert_non_null(seen);
		assert_non_null(bufs);
		for (size_t i = 0; i < nr; i++) {
			size_t off;

			bufs[i] = mem_get(pool, size - i % 2);
			assert_non_null(bufs[i]);
			off = (size_t)((char *)bufs[i] - base);
			assert_true(off < POOL_BYTES && off % size == 0);
			assert_int_equal(seen[off / size]++, 0);
		}
		assert_null(mem_get(pool, 1));
		assert_null(mem_get(pool, size));
		assert_int_equal(mem_pool_free_bytes(pool), 0);
		for (size_t i = 0; i < nr; i++)
			mem_put(pool, bufs[i * 7919 % nr], size - i * 7919 % nr % 2);
		assert_all_free();
		free(seen);
		free(bufs);
	}
}

/* ---------------------------------------------------------------- a model */

struct model {
	unsigned char used[NR_PAGES];
	struct {
		char *buf;
		size_t len;
	} out[NR_PAGES];
	size_t nr_out;
	size_t free_pages;
};

/* Whether a block of @n pages, aligned to its size, is free: then get must find it. */
static bool model_has(const struct model *m, size_t n)
{
	for (size_t i = 0; i < NR_PAGES; i += n) {
		if (!memchr(m->used + i, 1, n))
			return true;
	}
	return false;
}

static void model_get(struct model *m, size_t len)
{
	size_t size = mem_block_size(len);
	size_t n = size / MEM_BLOCK_MIN;
	char *buf = mem_get(pool, len);
	size_t page;

	if (!buf) {
		assert_false(model_has(m, n));
		return;
	}
	page = (size_t)(buf - base) / MEM_BLOCK_MIN;
	assert_int_equal((size_t)(buf - base) % size, 0);
	assert_true(page + n <= NR_PAGES);
	assert_null(memchr(m->used + page, 1, n));
	memset(m->used + page, 1, n);
	/* the owner may write all of it, and finds it again */
	memset(buf, (int)(page & 0xff), 16);
	memset(buf + size - 16, (int)(page & 0xff), 16);
	m->out[m->nr_out].buf = buf;
	m->out[m->nr_out++].len = len;
	m->free_pages -= n;
}

static void model_put(struct model *m, size_t i)
{
	char *buf = m->out[i].buf;
	size_t len = m->out[i].len;
	size_t size = mem_block_size(len);
	size_t page = (size_t)(buf - base) / MEM_BLOCK_MIN;

	assert_int_equal((unsigned char)buf[0], page & 0xff);
	assert_int_equal((unsigned char)buf[size - 1], page & 0xff);
	memset(m->used + page, 0, size / MEM_BLOCK_MIN);
	m->free_pages += size / MEM_BLOCK_MIN;
	m->out[i] = m->out[--m->nr_out];
	mem_put(pool, buf, len);
}

static void test_mem_pool_random_agrees_with_a_model(void **state)
{
	static struct model m;
	unsigned int seed = (unsigned int)clock_now_ns();

	(void)state;
	print_message("seed=%u\n", seed);
	memset(&m, 0, sizeof(m));
	m.free_pages = NR_PAGES;
	for (int round = 0; round < 60000; round++) {
		/* the share of gets moves, so that the pool runs full and empty */
		unsigned int share = (unsigned int)(round / 2000) % 2 ? 40 : 60;

		if ((unsigned int)rand_r(&seed) % 100 < share) {
			unsigned int order = (unsigned int)rand_r(&seed) % 10;

			/* small ones more often */
			order = (unsigned int)rand_r(&seed) % (order + 1);
			model_get(&m, ((size_t)MEM_BLOCK_MIN << order) -
					      (size_t)rand_r(&seed) % (MEM_BLOCK_MIN / 2));
		} else if (m.nr_out) {
			model_put(&m, (size_t)rand_r(&seed) % m.nr_out);
		}
		assert_int_equal(mem_pool_free_bytes(pool), m.free_pages * MEM_BLOCK_MIN);
	}
	while (m.nr_out)
		model_put(&m, (size_t)rand_r(&seed) % m.nr_out);
	assert_all_free();
}

/* ---------------------------------------------------------------- waiters */

struct waiter {
	struct mem_wait wait;
	char name;
	void *buf;
	struct waiter *leaves;	/* taken off when this one is served */
	struct waiter *returns; /* gives back what that one got */
	int again;		/* waits again this often, at once returning what it got */
	bool tries;		/* asks for one more block when served */
	void *tried;
};

static char order[64];

static void served(struct mem_wait *w, void *buf)
{
	struct waiter *me = container_of(w, struct waiter, wait);
	size_t n = strlen(order);

	assert_int_equal((uintptr_t)buf % mem_block_size(w->len), 0);
	order[n] = me->name;
	order[n + 1] = '\0';
	me->buf = buf;
	if (me->leaves)
		mem_wait_del(&me->leaves->wait);
	if (me->returns) {
		mem_put(pool, me->returns->buf, me->returns->wait.len);
		me->returns->buf = NULL;
	}
	if (me->tries)
		me->tried = mem_get(pool, MEM_BLOCK_MIN);
	if (me->again > 0) {
		me->again--;
		mem_put(pool, buf, w->len);
		me->buf = NULL;
		mem_wait_add(pool, w);
	}
}

static void waiter_add(struct waiter *w, char name, size_t len)
{
	memset(w, 0, sizeof(*w));
	mem_wait_init(&w->wait);
	w->name = name;
	w->wait.len = len;
	w->wait.fn = served;
	mem_wait_add(pool, &w->wait);
}

/* Takes everything in 4 KiB blocks; [i] lies at page i, or at its mirror image. */
static void **take_all(void)
{
	void **bufs = calloc(NR_PAGES, sizeof(*bufs));

	order[0] = '\0';
	assert_non_null(bufs);
	for (size_t i = 0; i < NR_PAGES; i++) {
		char *buf = mem_get(pool, MEM_BLOCK_MIN);

		assert_non_null(buf);
		bufs[(size_t)(buf - base) / MEM_BLOCK_MIN] = buf;
	}
	return bufs;
}

static void put_pages(void **bufs, size_t from, size_t nr)
{
	for (size_t i = from; i < from + nr; i++)
		mem_put(pool, bufs[i], MEM_BLOCK_MIN);
}

static void waiter_put(struct waiter *w)
{
	if (w->buf)
		mem_put(pool, w->buf, w->wait.len);
	if (w->tried)
		mem_put(pool, w->tried, MEM_BLOCK_MIN);
}

static void test_mem_waiters_are_served_in_order_nobody_overtakes(void **state)
{
	void **bufs = take_all();
	struct waiter small, large, tiny;

	(void)state;
	waiter_add(&small, 's', MEM_BLOCK_MIN);
	waiter_add(&large, 'L', 8 * MEM_BLOCK_MIN);
	waiter_add(&tiny, 't', 1);
	assert_int_equal(mem_pool_run(pool), 0);
	put_pages(bufs, 0, 1);
	assert_string_equal(order, ""); /* not from within mem_put() */
	assert_int_equal(mem_pool_run(pool), 1);
	/* pages come back one by one; the small ones behind the large one do not take them */
	for (size_t i = 8; i < 16; i++) {
		assert_null(mem_get(pool, 1));
		assert_int_equal(mem_pool_run(pool), 0);
		put_pages(bufs, i, 1);
	}
	assert_int_equal(mem_pool_run(pool), 1);
	assert_string_equal(order, "sL");
	assert_int_equal(mem_pool_run(pool), 0);
	put_pages(bufs, 1, 1);
	assert_int_equal(mem_pool_run(pool), 1);
	assert_string_equal(order, "sLt");
	assert_ptr_equal(tiny.buf, bufs[1]);
	put_pages(bufs, 2, 6);
	put_pages(bufs, 16, NR_PAGES - 16);
	waiter_put(&small);
	waiter_put(&large);
	waiter_put(&tiny);
	assert_all_free();
	free(bufs);
}

static void test_mem_waiter_callbacks_change_the_line(void **state)
{
	void **bufs = take_all();
	struct waiter w[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		waiter_add(&w[i], (char)('a' + i), MEM_BLOCK_MIN);
	w[0].leaves = &w[1]; /* b never comes */
	w[0].tries = true;   /* nothing for a: others wait */
	w[2].returns = &w[0];
	w[3].again = 1; /* behind e */
	mem_wait_del(&w[1].wait);
	mem_wait_add(pool, &w[1].wait);
	mem_wait_del(&w[1].wait);
	mem_wait_del(&w[1].wait);
	put_pages(bufs, 0, 2);
	assert_int_equal(mem_pool_run(pool), 4);
	assert_string_equal(order, "acde");
	assert_null(w[0].tried);
	assert_int_equal(mem_pool_free_bytes(pool), 0);
	put_pages(bufs, 2, 1);
	assert_int_equal(mem_pool_run(pool), 1);
	assert_string_equal(order, "acded");
	mem_put(pool, w[2].buf, MEM_BLOCK_MIN);
	mem_put(pool, w[4].buf, MEM_BLOCK_MIN);
	waiter_put(&w[3]);
	put_pages(bufs, 3, NR_PAGES - 3);
	assert_all_free();
	free(bufs);
}

static void test_mem_waiter_that_waits_again_goes_behind_and_run_ends(void **state)
{
	void **bufs = take_all();
	struct waiter a, b;
	int nr;

	(void)state;
	waiter_add(&a, 'a', MEM_BLOCK_MIN);
	waiter_add(&b, 'b', MEM_BLOCK_MIN);
	a.again = 1;
	put_pages(bufs, 0, 1);
	assert_int_equal(mem_pool_run(pool), 2);
	assert_string_equal(order, "ab");
	mem_put(pool, b.buf, MEM_BLOCK_MIN);
	/* one who never has enough does not keep the turn for himself */
	mem_wait_del(&a.wait);
	order[0] = '\0';
	a.name = '\0';
	a.again = 1 << 30;
	mem_wait_add(pool, &a.wait);
	nr = mem_pool_run(pool);
	assert_true(nr > 0 && nr <= 10000);
	mem_wait_del(&a.wait);
	put_pages(bufs, 1, NR_PAGES - 1);
	assert_all_free();
	free(bufs);
}

static void test_mem_large_waiter_is_served_although_merging_is_lazy(void **state)
{
	void **bufs = take_all();
	struct waiter large;

	(void)state;
	waiter_add(&large, 'L', MEM_BLOCK_MAX);
	put_pages(bufs, 0, NR_PAGES / POOL_CHUNKS - 1);
	assert_int_equal(mem_pool_run(pool), 0);
	put_pages(bufs, NR_PAGES / POOL_CHUNKS - 1, 1);
	assert_int_equal(mem_pool_run(pool), 1);
	assert_ptr_equal(large.buf, base);
	put_pages(bufs, NR_PAGES / POOL_CHUNKS, NR_PAGES - NR_PAGES / POOL_CHUNKS);
	waiter_put(&large);
	assert_all_free();
	free(bufs);
}

/* ---------------------------------------------------------------- mistakes */

enum mistake {
	PUT_TWICE,
	PUT_TWICE_AFTER_MERGE, /* the page has meanwhile become part of another's block */
	PUT_MIDDLE,
	PUT_UNALIGNED,
	PUT_WRONG_LENGTH,
	PUT_BELOW,
	PUT_ABOVE,
	PUT_NEVER_GOT,
	GET_NOTHING,
	GET_TOO_MUCH,
	WAIT_TWICE,
	NO_MISTAKE,
	USE_AFTER_PUT, /* AddressSanitizer's business */
};

static void make_mistake(enum mistake what)
{
	char *buf = mem_get(pool, 4 * MEM_BLOCK_MIN);
	struct waiter w;
	char *more[100];

	switch (what) {
	case PUT_TWICE_AFTER_MERGE:
		/* more than are kept unmerged; they lie in a row, the last two are buddies */
		for (size_t i = 1; i < ARRAY_SIZE(more); i++)
			more[i] = mem_get(pool, 4 * MEM_BLOCK_MIN);
		more[0] = buf;
		for (size_t i = 0; i < ARRAY_SIZE(more); i++)
			mem_put(pool, more[i], 4 * MEM_BLOCK_MIN);
		for (int i = 0; i < POOL_CHUNKS; i++)
			mem_get(pool, MEM_BLOCK_MAX);
		buf = more[ARRAY_SIZE(more) - 1];
		break;
	case PUT_TWICE:
		mem_put(pool, buf, 4 * MEM_BLOCK_MIN);
		break;
	case PUT_MIDDLE:
		mem_put(pool, buf + MEM_BLOCK_MIN, MEM_BLOCK_MIN);
		return;
	case PUT_UNALIGNED:
		buf += 8;
		break;
	case PUT_WRONG_LENGTH:
		mem_put(pool, buf, 2 * MEM_BLOCK_MIN);
		return;
	case PUT_BELOW:
		buf = base - MEM_BLOCK_MAX;
		break;
	case PUT_ABOVE:
		buf = base + POOL_BYTES;
		break;
	case PUT_NEVER_GOT:
		buf += 4 * MEM_BLOCK_MIN;
		break;
	case GET_NOTHING:
		mem_get(pool, 0);
		return;
	case GET_TOO_MUCH:
		mem_get(pool, MEM_BLOCK_MAX + 1);
		return;
	case WAIT_TWICE:
		waiter_add(&w, 'w', 1);
		mem_wait_add(pool, &w.wait);
		return;
	case USE_AFTER_PUT:
		mem_put(pool, buf, 4 * MEM_BLOCK_MIN);
		*(volatile char *)(buf + 4 * MEM_BLOCK_MIN - 1) = 1;
		return;
	case NO_MISTAKE:
		break;
	}
	mem_put(pool, buf, 4 * MEM_BLOCK_MIN);
}

/* In a process of its own. Return: how that ended, as waitpid() tells it. */
static int outcome(enum mistake what)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit none = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		close(STDERR_FILENO); /* the message is expected */
		signal(SIGABRT, SIG_DFL);
		make_mistake(what);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_mem_mistakes_are_asserted(void **state)
{
	(void)state;
	for (int what = 0; what <= NO_MISTAKE; what++) {
		int status = outcome((enum mistake)what);

		if (what == NO_MISTAKE)
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		else
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void test_mem_use_after_put_is_caught_by_asan(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	assert_int_not_equal(outcome(USE_AFTER_PUT), 0);
#else
	print_message("not built with AddressSanitizer: skipped\n");
	skip();
#endif
}

int main(void)
{
#define pool_test(fn) cmocka_unit_test_setup_teardown(fn, pool_setup, pool_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_block_size_is_the_next_power_of_two),
		cmocka_unit_test(test_mem_pool_of_wrong_shape_is_refused),
		pool_test(test_mem_get_every_size_until_exhausted),
		pool_test(test_mem_pool_random_agrees_with_a_model),
		pool_test(test_mem_waiters_are_served_in_order_nobody_overtakes),
		pool_test(test_mem_waiter_callbacks_change_the_line),
		pool_test(test_mem_waiter_that_waits_again_goes_behind_and_run_ends),
		pool_test(test_mem_large_waiter_is_served_although_merging_is_lazy),
		pool_test(test_mem_mistakes_are_asserted),
		pool_test(test_mem_use_after_put_is_caught_by_asan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
