// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcp-perf's command line: defaults, every option, transport strings, and errors that name what
 * is wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_opts.h"

#define TCP "trtype=tcp traddr=192.0.2.1 subnqn=nqn.2026-11.org.example:a"

enum {
	MAX_ARGS = 100,
};

static struct perf_opts opts;
static char error[PERF_ERROR_TEXT];

static int parse(const char *const *words, int nr)
{
	char copies[MAX_ARGS][128];
	char *argv[MAX_ARGS + 1] = { "nvmetcp-perf" };
	int i;

	for (i = 0; i < nr; i++) {
		snprintf(copies[i], sizeof(copies[i]), "%s", words[i]);
		argv[i + 1] = copies[i];
	}
	argv[nr + 1] = NULL;
	error[0] = '\0';
	return nvmh_perf_opts_parse(nr + 1, argv, &opts, error);
}

#define PARSE(...)                                  \
	parse((const char *const[]){ __VA_ARGS__ }, \
	      (int)ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static int done(void **state)
{
	(void)state;
	nvmh_perf_opts_done(&opts);
	return 0;
}

static void test_perf_opts_defaults(void **state)
{
	(void)state;
	assert_int_equal(PARSE(TCP), 0);
	assert_int_equal(opts.action, PERF_RUN);
	assert_string_equal(opts.rw, "randread");
	assert_true(opts.random);
	assert_int_equal(opts.read_percent, 100);
	assert_int_equal(opts.bs, 4096);
	assert_int_equal(opts.iodepth, 1);
	assert_int_equal(opts.numjobs, 1);
	assert_int_equal(opts.nr_queues, 1);
	assert_int_equal(opts.size, 0);
	assert_true(opts.runtime_ns == 10ull * PERF_NS_PER_S);
	assert_int_equal(opts.rate, 0);
	assert_int_equal(opts.wait, PERF_WAIT_ADAPTIVE);
	assert_false(opts.verify || opts.hdgst || opts.ddgst || opts.disable_sqflow || opts.json);
	assert_int_equal(opts.nr_cpus, 0);
	assert_int_equal(opts.nr_targets, 1);
}

static void test_perf_opts_all_of_them(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--rw=randrw", "--rwmixread", "70", "--bs=128k", "--iodepth=1023",
			       "--numjobs=4", "--queues", "32", "--size=1G", "--runtime=500ms",
			       "--rate=50000", "--verify", "--hdgst", "--ddgst", "--disable-sqflow",
			       "--tcp-congestion=reno", "--cpus=2-3", "--sleep", "-o", "json",
			       "--histogram", TCP, "trtype=pcie traddr=0000:01:00.0 nsid=7"),
			 0);
	assert_string_equal(opts.rw, "randrw");
	assert_true(opts.random);
	assert_int_equal(opts.read_percent, 70);
	assert_int_equal(opts.bs, 131072);
	assert_int_equal(opts.iodepth, 1023);
	assert_int_equal(opts.numjobs, 4);
	assert_int_equal(opts.nr_queues, 32);
	assert_int_equal(opts.size, 1 << 30);
	assert_int_equal(opts.runtime_ns, 500000000);
	assert_int_equal(opts.rate, 50000);
	assert_true(opts.verify && opts.hdgst && opts.ddgst && opts.disable_sqflow && opts.json);
	assert_true(opts.histogram);
	assert_string_equal(opts.tcp_congestion, "reno");
	assert_int_equal(opts.wait, PERF_WAIT_SLEEP);
	assert_int_equal(opts.nr_cpus, 2);
	assert_int_equal(opts.cpus[0], 2);
	assert_int_equal(opts.cpus[1], 3);
	assert_int_equal(opts.nr_targets, 2);
	assert_string_equal(opts.targets[0].opts.trtype, "tcp");
	assert_string_equal(opts.targets[1].opts.trtype, "pcie");
	assert_int_equal(opts.targets[1].nsid, 7);
}

static void test_perf_opts_kinds_of_workload(void **state)
{
	static const struct {
		const char *word;
		bool random;
		uint8_t read_percent;
	} kinds[] = {
		{ "--rw=read", false, 100 },	{ "--rw=write", false, 0 },
		{ "--rw=randread", true, 100 }, { "--rw=randwrite", true, 0 },
		{ "--rw=rw", false, 50 },	{ "--rw=randrw", true, 50 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(PARSE(kinds[i].word, TCP), 0);
		assert_int_equal(opts.random, kinds[i].random);
		assert_int_equal(opts.read_percent, kinds[i].read_percent);
		done(NULL);
	}
	/* the order of options does not matter */
	assert_int_equal(PARSE("--rwmixread=0", "--rw=rw", TCP), 0);
	assert_int_equal(opts.read_percent, 0);
}

static void test_perf_opts_size_alone_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--size=1m", TCP), 0);
	assert_int_equal(opts.runtime_ns, 0);
	assert_int_equal(opts.size, 1 << 20);
}

static void test_perf_opts_help_and_version(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), 0);
	assert_int_equal(opts.action, PERF_HELP);
	done(NULL);
	assert_int_equal(PARSE("-V"), 0);
	assert_int_equal(opts.action, PERF_VERSION);
}

/* One wrong option, and a piece of what the error must say. */
static void test_perf_opts_errors_name_what_is_wrong(void **state)
{
	static const struct {
		const char *option;
		const char *says;
	} cases[] = {
		{ "--rw=trim", "--rw=trim" },
		{ "--rw=", "--rw= is none of" },
		{ "--rwmixread=70", "--rwmixread needs" },
		{ "--rwmixread=101", "--rwmixread=101" },
		{ "--bs=0", "--bs=0" },
		{ "--bs=1000", "--bs=1000" },
		{ "--bs=32M", "--bs=32M" },
		{ "--bs=x", "--bs=x" },
		{ "--iodepth=0", "--iodepth=0 is not within 1..1023" },
		{ "--iodepth=1024", "--iodepth=1024" },
		{ "--iodepth=-1", "--iodepth=-1" },
		{ "--numjobs=129", "--numjobs=129" },
		{ "--queues=129", "--queues=129" },
		{ "--size=0", "--size=0" },
		{ "--runtime=0", "--runtime=0" },
		{ "--runtime=soon", "--runtime=soon" },
		{ "--rate=0", "--rate=0" },
		{ "--rate=1k", "--rate=1k" },
		{ "--cpus=3-1", "--cpus=3-1" },
		{ "-oxml", "\"xml\"" },
		{ "--fast", "unknown option --fast" },
		{ "-x", "unknown option -x" },
		{ "--bs", "--bs needs a value" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* last, so that one without its value does not take the next word */
		if (PARSE(TCP, cases[i].option) != -EINVAL || !strstr(error, cases[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].option, error,
				 cases[i].says);
		done(NULL);
	}
}

static void test_perf_opts_that_exclude_each_other_are_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--spin", "--sleep", TCP), -EINVAL);
	assert_non_null(strstr(error, "--spin and --sleep"));
	done(NULL);
	assert_int_equal(PARSE("--sleep", "--spin", TCP), -EINVAL);
	assert_non_null(strstr(error, "--spin and --sleep"));
	done(NULL);
	assert_int_equal(PARSE("--numjobs=16", "--queues=9", TCP), -EINVAL);
	assert_non_null(strstr(error, "--numjobs times --queues"));
	done(NULL);
	assert_int_equal(PARSE("--bs=4k"), -EINVAL);
	assert_non_null(strstr(error, "transport string is missing"));
}

static void test_perf_opts_too_many_targets_are_refused(void **state)
{
	const char *words[PERF_MAX_TARGETS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = TCP;
	assert_int_equal(parse(words, PERF_MAX_TARGETS), 0);
	assert_int_equal(opts.nr_targets, PERF_MAX_TARGETS);
	done(NULL);
	assert_int_equal(parse(words, PERF_MAX_TARGETS + 1), -EINVAL);
	assert_non_null(strstr(error, "more than 64"));
}

static void test_perf_opts_transport_string_errors_name_string_and_reason(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ "trtype=rdma traddr=a", "trtype=\"rdma\"" },
		{ "trtype=tcp traddr=192.0.2.1",
		  "\"trtype=tcp traddr=192.0.2.1\": subnqn= is missing" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(PARSE(TCP, cases[i].text), -EINVAL);
		if (!strstr(error, cases[i].says))
			fail_msg("\"%s\": \"%s\"", cases[i].text, error);
		assert_int_equal(opts.nr_targets, 1);
		done(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_perf_opts_defaults, done),
		cmocka_unit_test_teardown(test_perf_opts_all_of_them, done),
		cmocka_unit_test_teardown(test_perf_opts_kinds_of_workload, done),
		cmocka_unit_test_teardown(test_perf_opts_size_alone_ends_the_run, done),
		cmocka_unit_test_teardown(test_perf_opts_help_and_version, done),
		cmocka_unit_test(test_perf_opts_errors_name_what_is_wrong),
		cmocka_unit_test_teardown(test_perf_opts_that_exclude_each_other_are_refused, done),
		cmocka_unit_test_teardown(test_perf_opts_too_many_targets_are_refused, done),
		cmocka_unit_test(test_perf_opts_transport_string_errors_name_string_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
