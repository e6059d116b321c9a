// SPDX-License-Identifier: BSD-2-Clause
/*
 * Logging: what a line looks like where, that it stays one line of bounded length, quoting, and the
 * rate limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/util.h"

/* ---------------------------------------------------------------- stderr, captured */

static int pipe_fds[2];
static int real_stderr;
static char got[1 << 16];

static void capture(void)
{
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
}

static void release(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* What was written since the last time. */
static const char *captured(void)
{
	ssize_t n = read(pipe_fds[0], got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static int setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	capture();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	release();
	return 0;
}

/* ---------------------------------------------------------------- lines */

static void test_log_levels_are_filtered_and_named(void **state)
{
	static const char *const expect[] = {
		[LOG_LVL_ERROR] = "prog: error: text key=1\n",
		[LOG_LVL_WARN] = "prog: warning: text key=1\n",
		[LOG_LVL_NOTICE] = "prog: text key=1\n",
		[LOG_LVL_INFO] = "prog: text key=1\n",
	};

	(void)state;
	for (int threshold = LOG_LVL_ERROR; threshold < LOG_LVL_DEBUG; threshold++) {
		log_init("prog", (enum log_level)threshold);
		for (int level = LOG_LVL_ERROR; level <= LOG_LVL_DEBUG; level++) {
			log_at((enum log_level)level, "text key=%d", 1);
			assert_string_equal(captured(), level <= threshold ? expect[level] : "");
		}
	}
}

static void test_log_at_debug_shows_the_time(void **state)
{
	int h, m, n;
	double s;

	(void)state;
	log_init("prog", LOG_LVL_DEBUG);
	log_debug("text");
	captured();
	/* "12:34:56.123456 prog: debug: text" */
	assert_int_equal(got[2], ':');
	assert_int_equal(got[8], '.');
	h = (int)strtol(got, NULL, 10);
	m = (int)strtol(got + 3, NULL, 10);
	s = strtod(got + 6, NULL);
	n = (int)strcspn(got, "p");
	assert_true(h < 24 && m < 60 && s < 61);
	assert_int_equal(n, 16);
	assert_string_equal(got + n, "prog: debug: text\n");
	log_set_level(LOG_LVL_INFO);
	log_info("text");
	assert_string_equal(captured(), "prog: text\n");
}

static void journal_stream(unsigned long long add)
{
	char text[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + add);
	setenv("JOURNAL_STREAM", text, 1);
}

static void test_log_to_the_journal_has_priorities(void **state)
{
	static const char *const expect[] = { "<3>text\n", "<4>text\n", "<5>text\n", "<6>text\n",
					      "<7>text\n" };
	static const char *const foreign[] = { "", "x", "1", "1:", ":", "1:x", "-1:-1" };

	(void)state;
	journal_stream(0);
	log_init("prog", LOG_LVL_DEBUG);
	for (int level = LOG_LVL_ERROR; level <= LOG_LVL_DEBUG; level++) {
		log_at((enum log_level)level, "text");
		assert_string_equal(captured(), expect[level]);
	}
	/* the variable speaks of another descriptor than stderr is now, or of nothing */
	journal_stream(1);
	log_init("prog", LOG_LVL_INFO);
	log_err("text");
	assert_string_equal(captured(), "prog: error: text\n");
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		setenv("JOURNAL_STREAM", foreign[i], 1);
		log_init("prog", LOG_LVL_INFO);
		log_err("text");
		assert_string_equal(captured(), "prog: error: text\n");
	}
}

static void test_log_on_a_terminal_is_coloured_unless_refused(void **state)
{
	static const struct {
		const char *term;
		const char *no_color;
		const char *expect;
	} cases[] = {
		{ "xterm", NULL, "prog: \033[1;31merror: \033[0mtext\r\n" },
		{ "xterm", "", "prog: \033[1;31merror: \033[0mtext\r\n" },
		{ "xterm", "1", "prog: error: text\r\n" },
		{ "dumb", NULL, "prog: error: text\r\n" },
		{ NULL, NULL, "prog: error: text\r\n" },
	};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	int slave;

	(void)state;
	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, name, sizeof(name))) {
		print_message("no pseudo-terminals here: skipped\n");
		skip();
	}
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(dup2(slave, STDERR_FILENO), STDERR_FILENO);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64] = "";

		cases[i].term ? setenv("TERM", cases[i].term, 1) : unsetenv("TERM");
		cases[i].no_color ? setenv("NO_COLOR", cases[i].no_color, 1) : unsetenv("NO_COLOR");
		log_init("prog", LOG_LVL_INFO);
		log_err("text");
		assert_true(read(master, text, sizeof(text) - 1) > 0);
		assert_string_equal(text, cases[i].expect);
	}
	close(slave);
	close(master);
}

static void test_log_line_is_cut_at_its_bound(void **state)
{
	char text[2000];

	(void)state;
	log_init("p", LOG_LVL_INFO);
	for (size_t len = 1000; len < sizeof(text); len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		log_info("%s", text);
		captured();
		if (3 + len + 1 <= 1024) {
			assert_int_equal(strlen(got), 3 + len + 1);
			assert_int_equal(got[len + 2], 'x');
		} else {
			assert_int_equal(strlen(got), 1024);
			assert_string_equal(got + 1024 - 5, "x...\n");
		}
		assert_int_equal(strchr(got, '\n') - got, strlen(got) - 1);
	}
}

static void test_log_line_is_cut_between_characters(void **state)
{
	/* U+20AC, three bytes, at each offset to the cut */
	char text[1600];

	(void)state;
	log_init("", LOG_LVL_INFO);
	for (size_t shift = 0; shift < 3; shift++) {
		size_t n = shift;
		size_t end;

		memset(text, 'x', shift);
		while (n < 1500) {
			memcpy(text + n, "\xe2\x82\xac", 3);
			n += 3;
		}
		text[n] = '\0';
		log_info("%s", text);
		captured();
		end = strlen(got);
		assert_true(end <= 1024 && end > 1020);
		assert_string_equal(got + end - 4, "...\n");
		assert_int_equal((end - 4 - shift) % 3, 0);
		assert_int_equal((unsigned char)got[end - 5], 0xac);
	}
}

static void test_log_control_bytes_cannot_forge_lines(void **state)
{
	(void)state;
	log_init("p", LOG_LVL_INFO);
	log_info("a\nb\rc\033[2Jd\te\177f");
	assert_string_equal(captured(), "p: a?b?c?[2Jd?e?f\n");
}

static void take_text(enum log_level level, const char *text, void *arg)
{
	snprintf(arg, 2048, "%d %s", (int)level, text);
}

static void test_log_sink_gets_the_text_alone(void **state)
{
	char text[2048] = "";
	char shown[1500];

	(void)state;
	log_init("prog", LOG_LVL_INFO);
	log_set_sink(take_text, text);
	log_warn("text key=%d\nforged", 1);
	assert_string_equal(text, "1 text key=1?forged");
	log_debug("below");
	assert_string_equal(text, "1 text key=1?forged");
	memset(shown, 'x', sizeof(shown));
	log_err("%.*s", (int)sizeof(shown), shown);
	assert_int_equal(strlen(text), 2 + 1023);
	assert_string_equal(text + 2 + 1020, "...");
	assert_string_equal(captured(), "");
	log_set_sink(NULL, NULL);
	log_warn("text");
	assert_string_equal(captured(), "prog: warning: text\n");
}

static void test_log_keeps_errno(void **state)
{
	(void)state;
	log_init("p", LOG_LVL_DEBUG);
	errno = ENOENT;
	log_info("%m");
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(captured(), "p: No such file or directory\n"));
	close(STDERR_FILENO);
	log_info("nowhere");
	assert_int_equal(errno, ENOENT);
}

static void test_log_level_parse_and_name(void **state)
{
	static const struct {
		const char *text;
		int ret;
		enum log_level level;
	} cases[] = {
		{ "error", 0, LOG_LVL_ERROR },	     { "warn", 0, LOG_LVL_WARN },
		{ "Warning", 0, LOG_LVL_WARN },	     { "WARN", 0, LOG_LVL_WARN },
		{ "notice", 0, LOG_LVL_NOTICE },     { "INFO", 0, LOG_LVL_INFO },
		{ "debug", 0, LOG_LVL_DEBUG },	     { "", -EINVAL, LOG_LVL_INFO },
		{ "debugs", -EINVAL, LOG_LVL_INFO }, { "err", -EINVAL, LOG_LVL_INFO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum log_level level = LOG_LVL_INFO;

		assert_int_equal(log_level_parse(cases[i].text, &level), cases[i].ret);
		assert_int_equal(level, cases[i].level);
	}
	for (int i = LOG_LVL_ERROR; i <= LOG_LVL_DEBUG; i++) {
		enum log_level level = LOG_LVL_DEBUG;

		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_string_equal(log_level_name((enum log_level)77), "unknown");
}

/* ---------------------------------------------------------------- quoting */

static void test_log_quote_every_byte_alone(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[1] = { (char)c };
		char expect[16];
		char buf[16];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			snprintf(expect, sizeof(expect), "\"%c\"", c);
		else
			snprintf(expect, sizeof(expect), "\"\\x%02x\"", c);
		assert_ptr_equal(log_quote(buf, sizeof(buf), text, 1), buf);
		assert_string_equal(buf, expect);
	}
}

static void test_log_quote_utf8(void **state)
{
	static const struct {
		const char *text;
		const char *expect;
	} cases[] = {
		{ "", "\"\"" },
		{ "nqn.2014-08.org:x", "\"nqn.2014-08.org:x\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xc2\xa0", "\"\xc2\xa0\"" },			/* first after C1 */
		{ "\xed\x9f\xbf", "\"\xed\x9f\xbf\"" },		/* last before surrogates */
		{ "\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"" }, /* U+10FFFF */
		{ "\xc2\x9b", "\"\\xc2\\x9b\"" },		/* C1: CSI */
		{ "\xe2\x80\xae", "\"\\xe2\\x80\\xae\"" },	/* right-to-left override */
		{ "\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"" },	/* line separator */
		{ "\xe2\x81\xa6", "\"\\xe2\\x81\\xa6\"" },	/* isolate */
		{ "\xef\xbb\xbf", "\"\\xef\\xbb\\xbf\"" },	/* byte order mark */
		{ "\xc0\xaf", "\"\\xc0\\xaf\"" },		/* overlong */
		{ "\xc1\xbf", "\"\\xc1\\xbf\"" },
		{ "\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\"" },
		{ "\xf0\x8f\xbf\xbf", "\"\\xf0\\x8f\\xbf\\xbf\"" },
		{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },	    /* surrogate */
		{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" }, /* beyond the last */
		{ "\xc3", "\"\\xc3\"" },			    /* ends within */
		{ "\xe2\x82", "\"\\xe2\\x82\"" },
		{ "\xc3x", "\"\\xc3x\"" },
		{ "\x80\xbf", "\"\\x80\\xbf\"" }, /* continuation alone */
		{ "\xf8\x88\x80\x80\x80", "\"\\xf8\\x88\\x80\\x80\\x80\"" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		log_quote(buf, sizeof(buf), cases[i].text, strlen(cases[i].text));
		assert_string_equal(buf, cases[i].expect);
	}
	/* up to a NUL, and not a byte more than is there */
	assert_string_equal(log_quote(buf, sizeof(buf), "ab\0cd", 5), "\"ab\"");
	assert_string_equal(log_quote(buf, sizeof(buf), "abcd", 2), "\"ab\"");
	assert_string_equal(log_quote(buf, sizeof(buf), "\xe2\x82\xac", 2), "\"\\xe2\\x82\"");
}

static void test_log_quote_cut_at_every_size(void **state)
{
	/* pieces of 1, 4, 2, 3, 4 and 1 bytes */
	static const char text[] = "a\nb\xc3\xa4\xe2\x82\xac\x01z";
	static const char full[] = "\"a\\x0ab\xc3\xa4\xe2\x82\xac\\x01z\"";
	static const size_t ends[] = { 1, 2, 6, 7, 9, 12, 16, 17 };

	(void)state;
	for (size_t size = 0; size <= sizeof(full) + 4; size++) {
		char *buf = malloc(size + 1); /* tight, for the sanitizers */
		size_t n;
		bool known = false;

		assert_non_null(buf);
		buf[size] = '#';
		if (size)
			buf[0] = '#';
		log_quote(buf, size, text, sizeof(text));
		assert_int_equal(buf[size], '#');
		if (size < 6) {
			assert_true(!size || !buf[0]);
		} else if (size >= sizeof(full)) {
			assert_string_equal(buf, full);
		} else {
			/* a beginning of whole pieces, as long as fits */
			n = strlen(buf);
			assert_true(n < size && n + 4 >= size);
			assert_string_equal(buf + n - 4, "\"...");
			assert_memory_equal(buf, full, n - 4);
			for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
				known |= ends[i] == n - 4;
			assert_true(known);
		}
		free(buf);
	}
}

/* ---------------------------------------------------------------- the rate limit */

static void peer_does_it(int i)
{
	log_peer(LOG_LVL_WARN, "refused nr=%d", i);
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_log_peer_lines_are_limited(void **state)
{
	(void)state;
	log_init("p", LOG_LVL_INFO);
	for (int i = 0; i < 1000; i++)
		peer_does_it(i);
	assert_int_equal(lines(captured()), 10);
	assert_non_null(strstr(got, "p: warning: refused nr=9\n"));
	assert_null(strstr(got, "nr=10\n"));
	/* another place has its own */
	log_peer(LOG_LVL_WARN, "elsewhere");
	assert_int_equal(lines(captured()), 1);
}

static void test_log_limit_starts_anew_and_tells_what_was_left_out(void **state)
{
	struct log_limit limit = { 0 };
	uint32_t dropped = 77;

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 10; i++) {
			assert_true(log_allowed(&limit, &dropped));
			assert_int_equal(dropped, round && !i ? 25 : 0);
		}
		for (int i = 0; i < 25; i++) {
			assert_false(log_allowed(&limit, &dropped));
			assert_int_equal(dropped, 0);
		}
		limit.window_ns -= 5000000000u; /* five seconds later */
	}
	/* a clock read before another thread moved the window on does not move it again */
	limit.window_ns += 3600000000000u;
	assert_false(log_allowed(&limit, &dropped));
}

enum {
	NR_THREADS = 4,
	NR_TRIES = 50000,
};

static struct log_limit shared_limit;

static void *try_lines(void *arg)
{
	uint32_t *counts = arg; /* allowed, left out as told */
	uint32_t dropped;

	for (int i = 0; i < NR_TRIES; i++) {
		counts[0] += log_allowed(&shared_limit, &dropped);
		counts[1] += dropped;
		if (i % 1000 == 999)
			__atomic_store_n(&shared_limit.window_ns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_log_limit_of_many_threads_loses_no_count(void **state)
{
	uint32_t counts[NR_THREADS][2] = { 0 };
	pthread_t threads[NR_THREADS];
	uint32_t allowed = 0;
	uint32_t told = 0;

	(void)state;
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_lines, counts[i]), 0);
	for (int i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], NULL);
		allowed += counts[i][0];
		told += counts[i][1];
	}
	assert_int_equal(allowed + told + shared_limit.dropped, NR_THREADS * NR_TRIES);
	/* at most ten of each window, and those who were between two */
	assert_true(allowed <= (10 + NR_THREADS) * (NR_THREADS * NR_TRIES / 1000 + 1));
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info("thread=%d text=%s", *(int *)arg,
			 "a line that would show if it were mixed with another");
	return NULL;
}

static void test_log_lines_of_many_threads_stay_whole(void **state)
{
	pthread_t threads[NR_THREADS];
	int nrs[NR_THREADS];
	unsigned int seen = 0;

	(void)state;
	log_init("p", LOG_LVL_INFO);
	assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
	for (int i = 0; i < NR_THREADS; i++) {
		nrs[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &nrs[i]), 0);
	}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (;;) {
		/* all lines are equally long, so a read ends where a line does */
		static const char sample[] =
			"p: thread=0 text=a line that would show if it were mixed with another\n";
		const size_t len = sizeof(sample) - 1;
		ssize_t n = read(pipe_fds[0], got, len);

		if (n <= 0)
			break;
		assert_int_equal(n, len);
		got[len] = '\0';
		got[10] = '0';
		assert_string_equal(got, sample);
		seen++;
	}
	assert_int_equal(seen, NR_THREADS * 200);
}

int main(void)
{
#define captured_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		captured_test(test_log_levels_are_filtered_and_named),
		captured_test(test_log_at_debug_shows_the_time),
		captured_test(test_log_to_the_journal_has_priorities),
		captured_test(test_log_on_a_terminal_is_coloured_unless_refused),
		captured_test(test_log_line_is_cut_at_its_bound),
		captured_test(test_log_line_is_cut_between_characters),
		captured_test(test_log_control_bytes_cannot_forge_lines),
		captured_test(test_log_sink_gets_the_text_alone),
		captured_test(test_log_keeps_errno),
		cmocka_unit_test(test_log_level_parse_and_name),
		cmocka_unit_test(test_log_quote_every_byte_alone),
		cmocka_unit_test(test_log_quote_utf8),
		cmocka_unit_test(test_log_quote_cut_at_every_size),
		captured_test(test_log_peer_lines_are_limited),
		cmocka_unit_test(test_log_limit_starts_anew_and_tells_what_was_left_out),
		cmocka_unit_test(test_log_limit_of_many_threads_loses_no_count),
		captured_test(test_log_lines_of_many_threads_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
