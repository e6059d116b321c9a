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
	static char copies[MAX_ARGS][256]; /* names are spelt anew in place, texts borrowed */
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
	assert_int_equal(opts.grain, 4096);
	assert_true(opts.uses[PERF_READ]);
	assert_false(opts.uses[PERF_WRITE] || opts.uses[PERF_TRIM] || opts.uses[PERF_SYNC]);
	assert_int_equal(opts.max_errors, 1);
	assert_int_equal(opts.nr_percentiles, 17);
	assert_int_equal(opts.percentiles[16], 99990000);
	assert_int_equal(opts.iodepth, 1);
	assert_int_equal(opts.numjobs, 1);
	assert_int_equal(opts.nr_queues, 1);
	assert_int_equal(opts.size, 0);
	assert_true(opts.runtime_ns == 10ull * PERF_NS_PER_S);
	assert_int_equal(opts.rate_iops, 0);
	assert_int_equal(opts.rate_bytes, 0);
	assert_int_equal(opts.wait, PERF_WAIT_ADAPTIVE);
	assert_false(opts.verify || opts.hdgst || opts.ddgst || opts.disable_sqflow || opts.json);
	assert_int_equal(opts.nr_cpus, 0);
	assert_int_equal(opts.nr_targets, 1);
}

static void test_perf_opts_all_of_them(void **state)
{
	(void)state;
	assert_int_equal(
		PARSE("--rw=randrw", "--rwmixread", "70", "--bs=128k", "--iodepth=1023",
		      "--numjobs=4", "--queues", "32", "--offset=4k", "--size=1G", "--io_size=2g",
		      "--runtime=500ms", "--ramp-time=2", "--time_based", "--rate-iops=50000",
		      "--rate_process=poisson", "--random-distribution=zipf:1.2", "--randseed=7",
		      "--fsync=8", "--writefua", "--readfua", "--verify", "--hdgst", "--ddgst",
		      "--disable-sqflow", "--tcp-congestion=reno", "--ctrl-loss-tmo=30",
		      "--max-errors=5", "--cpus=2-3", "--sleep", "-o", "json+", "--output=file",
		      "--percentile_list=50:99.9999", "--group_reporting", "--name=n",
		      "--eta=always", TCP, "trtype=pcie traddr=0000:01:00.0 nsid=7"),
		0);
	assert_string_equal(opts.rw, "randrw");
	assert_true(opts.random && opts.mixed && opts.uses[PERF_READ] && opts.uses[PERF_WRITE]);
	assert_int_equal(opts.read_percent, 70);
	assert_int_equal(opts.bs, 131072);
	assert_int_equal(opts.iodepth, 1023);
	assert_int_equal(opts.numjobs, 4);
	assert_int_equal(opts.nr_queues, 32);
	assert_int_equal(opts.offset, 4096);
	assert_int_equal(opts.size, 1 << 30);
	assert_true(opts.io_size == 2ull << 30);
	assert_int_equal(opts.runtime_ns, 500000000);
	assert_true(opts.ramp_ns == 2ull * PERF_NS_PER_S);
	assert_true(opts.time_based && opts.poisson);
	assert_int_equal(opts.rate_iops, 50000);
	assert_true(opts.zipf == 1.2);
	assert_true(opts.seed_given && opts.seed == 7);
	assert_int_equal(opts.fsync, 8);
	assert_true(opts.uses[PERF_SYNC] && opts.writefua && opts.readfua);
	assert_true(opts.verify && opts.hdgst && opts.ddgst && opts.disable_sqflow && opts.json);
	assert_true(opts.histogram && opts.group);
	assert_string_equal(opts.tcp_congestion, "reno");
	assert_int_equal(opts.ctrl_loss_s, 30);
	assert_int_equal(opts.max_errors, 5);
	assert_int_equal(opts.wait, PERF_WAIT_SLEEP);
	assert_int_equal(opts.nr_cpus, 2);
	assert_int_equal(opts.cpus[0], 2);
	assert_int_equal(opts.cpus[1], 3);
	assert_string_equal(opts.output, "file");
	assert_string_equal(opts.name, "n");
	assert_int_equal(opts.eta, PERF_ETA_ALWAYS);
	assert_int_equal(opts.nr_percentiles, 2);
	assert_int_equal(opts.percentiles[1], 99999900);
	assert_int_equal(opts.nr_targets, 2);
	assert_string_equal(opts.targets[0].paths[0].opts.trtype, "tcp");
	assert_string_equal(opts.targets[1].paths[0].opts.trtype, "pcie");
	assert_int_equal(opts.targets[1].nsid, 7);
}

static void test_perf_opts_kinds_of_workload(void **state)
{
	static const struct {
		const char *word;
		bool random, read, write, trim;
		uint64_t read_percent;
	} kinds[] = {
		{ "--rw=read", false, true, false, false, 100 },
		{ "--rw=write", false, false, true, false, 0 },
		{ "--rw=trim", false, false, false, true, 0 },
		{ "--rw=randread", true, true, false, false, 100 },
		{ "--readwrite=randwrite", true, false, true, false, 0 },
		{ "--rw=randtrim", true, false, false, true, 0 },
		{ "--rw=rw", false, true, true, false, 50 },
		{ "--rw=readwrite", false, true, true, false, 50 },
		{ "--rw=randrw", true, true, true, false, 50 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(PARSE(kinds[i].word, TCP), 0);
		assert_int_equal(opts.random, kinds[i].random);
		assert_int_equal(opts.uses[PERF_READ], kinds[i].read);
		assert_int_equal(opts.uses[PERF_WRITE], kinds[i].write);
		assert_int_equal(opts.uses[PERF_TRIM], kinds[i].trim);
		assert_int_equal(opts.read_percent, kinds[i].read_percent);
		done(NULL);
	}
	/* the order of options does not matter */
	assert_int_equal(PARSE("--rwmixread=0", "--rw=rw", TCP), 0);
	assert_int_equal(opts.read_percent, 0);
	done(NULL);
	assert_int_equal(PARSE("--rw=rw", "--rwmixwrite=30", TCP), 0);
	assert_int_equal(opts.read_percent, 70);
}

static void test_perf_opts_sizes_of_each_direction(void **state)
{
	(void)state;
	/* fio's rule: who is not named has the last */
	assert_int_equal(PARSE("--bs=4k,64k", "--rw=randrw", TCP), 0);
	assert_int_equal(opts.sizes[PERF_READ].max, 4096);
	assert_int_equal(opts.sizes[PERF_WRITE].max, 65536);
	assert_int_equal(opts.sizes[PERF_TRIM].max, 65536);
	assert_int_equal(opts.grain, 4096);
	assert_int_equal(opts.bs, 65536);
	done(NULL);
	/* only what the workload does counts */
	assert_int_equal(PARSE("--bs=3k,64k,512", "--rw=write", TCP), 0);
	assert_int_equal(opts.grain, 65536);
	done(NULL);
	assert_int_equal(PARSE("--bsrange=1k-7k,4k-64k,8k-8k", "--rw=rw", TCP), 0);
	assert_int_equal(opts.sizes[PERF_READ].min, 1024);
	assert_int_equal(opts.sizes[PERF_READ].max, 7168);
	assert_int_equal(opts.sizes[PERF_TRIM].max, 8192);
	assert_int_equal(opts.grain, 1024);
	done(NULL);
	assert_int_equal(PARSE("--bssplit=12k/50:8k/50", TCP), 0);
	assert_int_equal(opts.grain, 4096);
	assert_int_equal(opts.bs, 12288);
	done(NULL);
	assert_int_equal(PARSE("--bs=4k,8k,16k,32k", TCP), -EINVAL);
}

static void test_perf_opts_sweep(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--sweep=rate", "--plot=a.svg", TCP), 0);
	assert_int_equal(opts.sweep, PERF_SWEEP_RATE);
	assert_int_equal(opts.nr_steps, 10);
	assert_true(opts.steps[0] == 10000000 && opts.steps[9] == 100000000);
	assert_true(opts.runtime_ns == 5ull * PERF_NS_PER_S);
	assert_string_equal(opts.plot, "a.svg");
	done(NULL);
	assert_int_equal(PARSE("--sweep=rate:12.5,110", TCP), 0);
	assert_int_equal(opts.nr_steps, 2);
	assert_true(opts.steps[0] == 12500000 && opts.steps[1] == 110000000);
	done(NULL);
	assert_int_equal(PARSE("--sweep=rate", "--rate_process=poisson", TCP), 0);
	assert_true(opts.poisson);
	done(NULL);
	assert_int_equal(PARSE("--sweep=iodepth", TCP), 0);
	assert_int_equal(opts.nr_steps, 7);
	assert_true(opts.steps[0] == 1000000 && opts.steps[6] == 64000000);
	done(NULL);
	assert_int_equal(PARSE("--sweep=iodepth", "--iodepth=24", TCP), 0);
	assert_int_equal(opts.nr_steps, 6);
	assert_true(opts.steps[4] == 16000000 && opts.steps[5] == 24000000);
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

static void test_perf_opts_help_names_every_option(void **state)
{
	const char *name;
	char word[64];
	size_t i;

	(void)state;
	for (i = 0; (name = nvmh_perf_option_name(i)); i++) {
		/* other names of what stands there */
		if (!strcmp(name, "readwrite") || !strcmp(name, "cpus_allowed"))
			continue;
		snprintf(word, sizeof(word), "--%s", name);
		if (!strstr(nvmh_perf_usage, word))
			fail_msg("--help does not name %s", word);
	}
	assert_true(i > 40);
}

/* One wrong option, and a piece of what the error must say. */
static void test_perf_opts_errors_name_what_is_wrong(void **state)
{
	static const struct {
		const char *option;
		const char *says;
	} cases[] = {
		{ "--rw=verify", "--rw=verify" },
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
		{ "--rate=1023", "--rate=1023" },
		{ "--rate_iops=0", "--rate_iops=0 is not within 1..1000000000" },
		{ "--rate-iops=1k", "--rate_iops=1k" },
		{ "--rate_process=poisson", "--rate_process needs" },
		{ "--rate_process=burst", "--rate_process=burst" },
		{ "--bs=4k,", "--bs=4k," },
		{ "--bsrange=8k-4k", "--bsrange=8k-4k" },
		{ "--bsrange=4k", "--bsrange=4k" },
		{ "--bssplit=4k/50:8k/60", "--bssplit=4k/50:8k/60" },
		{ "--offset=-1", "--offset=-1" },
		{ "--io_size=0", "--io_size=0" },
		{ "--random_distribution=zipf", "--random_distribution=zipf" },
		{ "--random_distribution=zipf:0", "--random_distribution=zipf:0" },
		{ "--random_distribution=zipf:11", "--random_distribution=zipf:11" },
		{ "--randseed=x", "--randseed=x" },
		{ "--fsync=4", "--fsync needs writes" },
		{ "--ramp_time=", "--ramp_time=" },
		{ "--max_errors=0", "--max_errors=0" },
		{ "--output=", "--output= has no value" },
		{ "--percentile_list=99:50", "--percentile_list=99:50" },
		{ "--percentile_list=50:100.1", "--percentile_list=50:100.1" },
		{ "--eta=maybe", "--eta=maybe" },
		{ "--plot=a.svg", "--plot needs --sweep" },
		{ "--sweep=load", "--sweep=load" },
		{ "--sweep=rate:", "--sweep=rate:" },
		{ "--sweep=rate:0", "--sweep=rate:0" },
		{ "--sweep=iodepth:1.5", "--sweep=iodepth:1.5" },
		{ "--sweep=iodepth:1024", "--sweep=iodepth:1024" },
		{ "--time_based", "--time_based needs --runtime" },
		{ "--verify=x", "unknown option --verify=x" },
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
	assert_int_equal(PARSE("--rate=1m", "--rate_iops=5", TCP), -EINVAL);
	assert_non_null(strstr(error, "--rate and --rate_iops"));
	done(NULL);
	assert_int_equal(PARSE("--rw=trim", "--verify", TCP), -EINVAL);
	assert_non_null(strstr(error, "--verify does not go with --rw=trim"));
	done(NULL);
	assert_int_equal(PARSE("--rw=read", "--random_distribution=zipf:1", TCP), -EINVAL);
	assert_non_null(strstr(error, "needs random I/Os"));
	done(NULL);
	assert_int_equal(PARSE("--sweep=rate", "--rate_iops=5", TCP), -EINVAL);
	assert_non_null(strstr(error, "leave --rate out"));
	done(NULL);
	assert_int_equal(PARSE("--sweep=rate", "--size=1m", TCP), -EINVAL);
	assert_non_null(strstr(error, "--sweep needs --runtime"));
	done(NULL);
	assert_int_equal(PARSE("--sweep=rate", "--verify", TCP), -EINVAL);
	assert_non_null(strstr(error, "--sweep does not go with --verify"));
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

static void test_perf_target_paths_are_strings_with_a_plus_between(void **state)
{
	struct perf_target_opts t;

	(void)state;
	assert_int_equal(
		nvmh_perf_target_parse(
			"trtype=tcp traddr=192.0.2.1 subnqn=nqn.2026-11.org.example:a+b nsid=3 + "
			"trtype=tcp traddr=192.0.2.2 subnqn=nqn.2026-11.org.example:a+b",
			&t, error),
		0);
	assert_int_equal(t.nr_paths, 2);
	assert_int_equal(t.nsid, 3);
	assert_string_equal(t.paths[0].opts.traddr, "192.0.2.1");
	assert_string_equal(t.paths[1].opts.traddr, "192.0.2.2");
	assert_string_equal(t.paths[1].opts.subnqn, "nqn.2026-11.org.example:a+b");
	nvmh_perf_target_done(&t);
	assert_int_equal(t.nr_paths, 0);
}

static void test_perf_target_paths_that_do_not_belong_together_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ TCP " + " TCP "x", "one subsystem" },
		{ TCP " + trtype=pcie traddr=0000:01:00.0", "paths need trtype=tcp" },
		{ TCP " nsid=1 + " TCP " nsid=2", "one namespace" },
		{ TCP " + ", "trtype" },
		{ TCP " + trtype=tcp traddr=192.0.2.2", "subnqn= is missing" },
		{ TCP " + " TCP " + " TCP " + " TCP " + " TCP " + " TCP " + " TCP " + " TCP
		      " + " TCP,
		  "more than 8 paths" },
	};
	struct perf_target_opts t;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (nvmh_perf_target_parse(cases[i].text, &t, error) != -EINVAL ||
		    !strstr(error, cases[i].says))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, error,
				 cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_perf_opts_defaults, done),
		cmocka_unit_test_teardown(test_perf_opts_all_of_them, done),
		cmocka_unit_test_teardown(test_perf_opts_kinds_of_workload, done),
		cmocka_unit_test_teardown(test_perf_opts_sizes_of_each_direction, done),
		cmocka_unit_test_teardown(test_perf_opts_sweep, done),
		cmocka_unit_test_teardown(test_perf_opts_size_alone_ends_the_run, done),
		cmocka_unit_test_teardown(test_perf_opts_help_and_version, done),
		cmocka_unit_test(test_perf_opts_help_names_every_option),
		cmocka_unit_test(test_perf_opts_errors_name_what_is_wrong),
		cmocka_unit_test_teardown(test_perf_opts_that_exclude_each_other_are_refused, done),
		cmocka_unit_test_teardown(test_perf_opts_too_many_targets_are_refused, done),
		cmocka_unit_test(test_perf_opts_transport_string_errors_name_string_and_reason),
		cmocka_unit_test(test_perf_target_paths_are_strings_with_a_plus_between),
		cmocka_unit_test(test_perf_target_paths_that_do_not_belong_together_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
