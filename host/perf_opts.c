// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command line of nvmetcp-perf: options in fio's words, then transport strings. Main thread.
 * Entry point: nvmh_perf_opts_parse(). perf_settle.c checks what only the options together tell.
 */
#include "host/perf_opts.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_words.h"

enum {
	FIRST_OPTION = 256, /* above every letter */
	MAX_STEP_IODEPTH = MAX_QUEUE_ENTRIES - 1,
};

int nvmh_perf_refuse(int err, char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, PERF_ERROR_TEXT, fmt, ap);
	va_end(ap);
	return err;
}

/* ---------------------------------------------------------------- single options */

static int parse_rw(struct perf_opts *opts, const char *text, char *error)
{
	static const struct {
		const char *name;
		bool random, read, write, trim;
	} kinds[] = {
		{ "read", false, true, false, false },
		{ "write", false, false, true, false },
		{ "trim", false, false, false, true },
		{ "randread", true, true, false, false },
		{ "randwrite", true, false, true, false },
		{ "randtrim", true, false, false, true },
		{ "rw", false, true, true, false },
		{ "readwrite", false, true, true, false },
		{ "randrw", true, true, true, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(text, kinds[i].name))
			continue;
		opts->rw = kinds[i].name;
		opts->random = kinds[i].random;
		opts->uses[PERF_READ] = kinds[i].read;
		opts->uses[PERF_WRITE] = kinds[i].write;
		opts->uses[PERF_TRIM] = kinds[i].trim;
		opts->mixed = kinds[i].read && kinds[i].write;
		return 0;
	}
	return nvmh_perf_refuse(
		-EINVAL, error,
		"--rw=%s is none of read, write, trim, randread, randwrite, randtrim, rw, readwrite, randrw",
		text);
}

static int parse_mix(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_number(text, 0, 100, &opts->read_percent))
		return nvmh_perf_refuse(-EINVAL, error, "--rwmixread=%s is not within 0..100",
					text);
	return 0;
}

static int parse_mix_write(struct perf_opts *opts, const char *text, char *error)
{
	uint64_t v;

	if (nvmh_perf_word_number(text, 0, 100, &v))
		return nvmh_perf_refuse(-EINVAL, error, "--rwmixwrite=%s is not within 0..100",
					text);
	opts->read_percent = 100 - v;
	return 0;
}

/* Up to three words for reads, writes and trims; who has none has the last. */
static int parse_sizes(struct perf_opts *opts, const char *text,
		       int (*parse)(const char *, struct perf_sizes *))
{
	char word[512];
	int dir;

	for (dir = 0; dir < PERF_PLACED; dir++) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(word))
			return -EINVAL;
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		if (parse(word, &opts->sizes[dir]))
			return -EINVAL;
		if (text[len])
			text += len + 1;
		else if (dir == PERF_PLACED - 1)
			return 0;
		else
			continue; /* the last word again */
		if (dir == PERF_PLACED - 1)
			return -EINVAL;
	}
	return 0;
}

static int parse_bs(struct perf_opts *opts, const char *text, char *error)
{
	if (parse_sizes(opts, text, nvmh_perf_sizes_one))
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--bs=%s is not a multiple of 512 from 512 to 16M, or up to three of them",
			text);
	return 0;
}

static int parse_bsrange(struct perf_opts *opts, const char *text, char *error)
{
	if (parse_sizes(opts, text, nvmh_perf_sizes_range))
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--bsrange=%s is not like 4k-64k, or up to three of them; sizes are multiples of 512 up to 16M",
			text);
	return 0;
}

static int parse_bssplit(struct perf_opts *opts, const char *text, char *error)
{
	if (parse_sizes(opts, text, nvmh_perf_sizes_split))
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--bssplit=%s is not like 4k/60:64k/40, at most 16 sizes that add up to 100 percent",
			text);
	return 0;
}

static int parse_distribution(struct perf_opts *opts, const char *text, char *error)
{
	uint64_t theta;

	opts->zipf = 0;
	if (!strcmp(text, "random"))
		return 0;
	if (strncmp(text, "zipf:", 5) ||
	    nvmh_perf_word_micros(text + 5, 10ull * PERF_MICRO, &theta) || !theta)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--random_distribution=%s is neither random nor zipf:THETA with THETA above 0, up to 10",
			text);
	opts->zipf = (double)theta / PERF_MICRO;
	return 0;
}

static int parse_seed(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_number(text, 0, UINT64_MAX, &opts->seed))
		return nvmh_perf_refuse(-EINVAL, error, "--randseed=%s is not a number", text);
	opts->seed_given = true;
	return 0;
}

static int parse_rate(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_size(text, &opts->rate_bytes) || opts->rate_bytes < PERF_MIN_RATE_BYTES)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--rate=%s is not a number of bytes per second like 100m, at least %u (for I/Os per second see --rate_iops)",
			text, PERF_MIN_RATE_BYTES);
	return 0;
}

static int parse_process(struct perf_opts *opts, const char *text, char *error)
{
	opts->poisson = !strcmp(text, "poisson");
	if (!opts->poisson && strcmp(text, "linear"))
		return nvmh_perf_refuse(-EINVAL, error,
					"--rate_process=%s is neither linear nor poisson", text);
	return 0;
}

static int parse_cpus(struct perf_opts *opts, const char *text, char *error)
{
	if (!opts->cpus)
		opts->cpus = calloc(PERF_MAX_CPUS, sizeof(*opts->cpus));
	if (!opts->cpus)
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	if (nvmh_perf_word_cpus(text, opts->cpus, PERF_MAX_CPUS, &opts->nr_cpus))
		return nvmh_perf_refuse(-EINVAL, error,
					"--cpus=%s is not a list of CPUs like 1-3,8", text);
	return 0;
}

static int parse_wait(struct perf_opts *opts, enum perf_wait wait, char *error)
{
	if (opts->wait != PERF_WAIT_ADAPTIVE && opts->wait != wait)
		return nvmh_perf_refuse(-EINVAL, error, "--spin and --sleep exclude each other");
	opts->wait = wait;
	return 0;
}

static int parse_spin(struct perf_opts *opts, const char *text, char *error)
{
	(void)text;
	return parse_wait(opts, PERF_WAIT_SPIN, error);
}

static int parse_sleep(struct perf_opts *opts, const char *text, char *error)
{
	(void)text;
	return parse_wait(opts, PERF_WAIT_SLEEP, error);
}

static int parse_continue(struct perf_opts *opts, const char *text, char *error)
{
	(void)text;
	(void)error;
	opts->max_errors = UINT64_MAX;
	return 0;
}

static int parse_format(struct perf_opts *opts, const char *text, char *error)
{
	bool plus = !strcmp(text, "json+");

	opts->json = plus || !strcmp(text, "json");
	opts->histogram |= plus;
	if (!opts->json && strcmp(text, "normal"))
		return nvmh_perf_refuse(-EINVAL, error,
					"unknown output format \"%s\": normal, json or json+",
					text);
	return 0;
}

static int parse_eta(struct perf_opts *opts, const char *text, char *error)
{
	static const char *const words[] = { "auto", "always", "never" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(text, words[i])) {
			opts->eta = (enum perf_eta)i;
			return 0;
		}
	}
	return nvmh_perf_refuse(-EINVAL, error, "--eta=%s is none of auto, always, never", text);
}

static int parse_iopolicy(struct perf_opts *opts, const char *text, char *error)
{
	static const char *const words[] = { "numa", "round-robin", "queue-depth" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(text, words[i])) {
			opts->iopolicy = (enum nvmh_iopolicy)i;
			return 0;
		}
	}
	return nvmh_perf_refuse(-EINVAL, error,
				"--iopolicy=%s is none of numa, round-robin, queue-depth", text);
}

static int parse_percentiles(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_list(text, 100ull * PERF_PERCENT, opts->percentiles, PERF_MAX_LIST,
				&opts->nr_percentiles))
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--percentile_list=%s is not like 50:99:99.9, ascending, up to 100, at most %u of them",
			text, PERF_MAX_LIST);
	return 0;
}

static int parse_sweep(struct perf_opts *opts, const char *text, char *error)
{
	bool depth = !strncmp(text, "iodepth", 7);
	const char *list = depth ? text + 7 : !strncmp(text, "rate", 4) ? text + 4 : "?";
	uint64_t max = depth ? (uint64_t)MAX_STEP_IODEPTH * PERF_MICRO : 1000ull * PERF_MICRO;
	bool good = !*list ||
		    (*list == ':' && !nvmh_perf_word_list(list + 1, max, opts->steps, PERF_MAX_LIST,
							  &opts->nr_steps));
	uint16_t i;

	for (i = 0; good && i < opts->nr_steps; i++)
		good = opts->steps[i] && !(depth && opts->steps[i] % PERF_MICRO);
	if (!good)
		return nvmh_perf_refuse(
			-EINVAL, error,
			"--sweep=%s is neither rate nor iodepth, nor those with steps like rate:10,50,90 (percent, up to 1000) or iodepth:1,2,4 (up to %u), ascending, at most %u",
			text, MAX_STEP_IODEPTH, PERF_MAX_LIST);
	opts->sweep = depth ? PERF_SWEEP_IODEPTH : PERF_SWEEP_RATE;
	return 0;
}

/* ---------------------------------------------------------------- the table */

enum kind {
	FLAG,	/* bool */
	NUMBER, /* uint64_t, @min..@max */
	SIZE,	/* uint64_t, bytes */
	TIME,	/* uint64_t, ns */
	TEXT,	/* const char *, not empty */
	OTHER,
	OTHER_FLAG, /* OTHER without a value */
};

#define AT(member) offsetof(struct perf_opts, member)

static const struct perf_option {
	const char *name;
	enum kind kind;
	size_t at;
	uint64_t min, max;
	int (*parse)(struct perf_opts *opts, const char *text, char *error);
} options[] = {
	{ "rw", OTHER, .parse = parse_rw },
	{ "readwrite", OTHER, .parse = parse_rw },
	{ "rwmixread", OTHER, .parse = parse_mix },
	{ "rwmixwrite", OTHER, .parse = parse_mix_write },
	{ "bs", OTHER, .parse = parse_bs },
	{ "bsrange", OTHER, .parse = parse_bsrange },
	{ "bssplit", OTHER, .parse = parse_bssplit },
	{ "offset", SIZE, .at = AT(offset) },
	{ "size", SIZE, .at = AT(size), .min = 1 },
	{ "io_size", SIZE, .at = AT(io_size), .min = 1 },
	{ "random_distribution", OTHER, .parse = parse_distribution },
	{ "randseed", OTHER, .parse = parse_seed },
	{ "fsync", NUMBER, .at = AT(fsync), .min = 1, .max = UINT32_MAX },
	{ "writefua", FLAG, .at = AT(writefua) },
	{ "readfua", FLAG, .at = AT(readfua) },
	{ "verify", FLAG, .at = AT(verify) },
	{ "runtime", TIME, .at = AT(runtime_ns) },
	{ "time_based", FLAG, .at = AT(time_based) },
	{ "ramp_time", TIME, .at = AT(ramp_ns) },
	{ "rate", OTHER, .parse = parse_rate },
	{ "rate_iops", NUMBER, .at = AT(rate_iops), .min = 1, .max = PERF_MAX_RATE },
	{ "rate_process", OTHER, .parse = parse_process },
	{ "iodepth", NUMBER, .at = AT(iodepth), .min = 1, .max = MAX_QUEUE_ENTRIES - 1 },
	{ "numjobs", NUMBER, .at = AT(numjobs), .min = 1, .max = PERF_MAX_JOBS },
	{ "queues", NUMBER, .at = AT(nr_queues), .min = 1, .max = MAX_IO_QUEUES },
	{ "cpus", OTHER, .parse = parse_cpus },
	{ "cpus_allowed", OTHER, .parse = parse_cpus },
	{ "spin", OTHER_FLAG, .parse = parse_spin },
	{ "sleep", OTHER_FLAG, .parse = parse_sleep },
	{ "hdgst", FLAG, .at = AT(hdgst) },
	{ "ddgst", FLAG, .at = AT(ddgst) },
	{ "disable_sqflow", FLAG, .at = AT(disable_sqflow) },
	{ "tcp_congestion", TEXT, .at = AT(tcp_congestion) },
	{ "ctrl_loss_tmo", NUMBER, .at = AT(ctrl_loss_s), .min = 0, .max = 1000000 },
	{ "iopolicy", OTHER, .parse = parse_iopolicy },
	{ "continue_on_error", OTHER_FLAG, .parse = parse_continue },
	{ "max_errors", NUMBER, .at = AT(max_errors), .min = 1, .max = UINT64_MAX },
	{ "output_format", OTHER, .parse = parse_format },
	{ "output", TEXT, .at = AT(output) },
	{ "histogram", FLAG, .at = AT(histogram) },
	{ "percentile_list", OTHER, .parse = parse_percentiles },
	{ "group_reporting", FLAG, .at = AT(group) },
	{ "name", TEXT, .at = AT(name) },
	{ "eta", OTHER, .parse = parse_eta },
	{ "sweep", OTHER, .parse = parse_sweep },
	{ "plot", TEXT, .at = AT(plot) },
};

const char *nvmh_perf_option_name(size_t index)
{
	return index < ARRAY_SIZE(options) ? options[index].name : NULL;
}

static int parse_option(struct perf_opts *opts, const struct perf_option *o, const char *text,
			char *error)
{
	void *field = (char *)opts + o->at;
	uint64_t *value = field;

	switch (o->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case NUMBER:
		if (!nvmh_perf_word_number(text, o->min, o->max, value))
			return 0;
		return nvmh_perf_refuse(-EINVAL, error,
					"--%s=%s is not within %" PRIu64 "..%" PRIu64, o->name,
					text, o->min, o->max);
	case SIZE:
		if (!nvmh_perf_word_size(text, value) && *value >= o->min)
			return 0;
		return nvmh_perf_refuse(-EINVAL, error, "--%s=%s is not a size like 512M", o->name,
					text);
	case TIME:
		if (!nvmh_perf_word_duration(text, value))
			return 0;
		return nvmh_perf_refuse(-EINVAL, error,
					"--%s=%s is not a time like 30, 500ms or 2m", o->name,
					text);
	case TEXT:
		*(const char **)field = text;
		return *text ? 0 : nvmh_perf_refuse(-EINVAL, error, "--%s= has no value", o->name);
	default:
		return o->parse(opts, text, error);
	}
}

/* ---------------------------------------------------------------- all of them */

static int parse_targets(struct perf_opts *opts, int nr, char **texts, char *error)
{
	int ret = 0;

	if (nr > PERF_MAX_TARGETS)
		return nvmh_perf_refuse(-EINVAL, error, "more than %u transport strings",
					PERF_MAX_TARGETS);
	while (!ret && opts->nr_targets < nr) {
		ret = nvmh_perf_target_parse(texts[opts->nr_targets],
					     &opts->targets[opts->nr_targets], error);
		if (!ret)
			opts->nr_targets++;
	}
	return ret;
}

/* In names of options '-' is '_'. */
static void spell_names(int argc, char **argv)
{
	char *p;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (strncmp(argv[i], "--", 2))
			continue;
		for (p = argv[i] + 2; *p && *p != '='; p++) {
			if (*p == '-')
				*p = '_';
		}
	}
}

static void make_long_options(struct option *long_opts)
{
	static const struct option last[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		bool flag = options[i].kind == FLAG || options[i].kind == OTHER_FLAG;

		long_opts[i] = (struct option){ options[i].name,
						flag ? no_argument : required_argument, NULL,
						(int)(FIRST_OPTION + i) };
	}
	memcpy(&long_opts[i], last, sizeof(last));
}

static int parse_one(struct perf_opts *opts, int c, char **argv, char *error)
{
	switch (c) {
	case 'h':
		opts->action = PERF_HELP;
		return 0;
	case 'V':
		opts->action = PERF_VERSION;
		return 0;
	case 'o':
		return parse_format(opts, optarg, error);
	case ':':
		return nvmh_perf_refuse(-EINVAL, error, "%s needs a value", argv[optind - 1]);
	case '?':
		/* of a long one that takes no value, or that several names begin with, too */
		return nvmh_perf_refuse(-EINVAL, error, "unknown option %s", argv[optind - 1]);
	default:
		return parse_option(opts, &options[c - FIRST_OPTION], optarg, error);
	}
}

int nvmh_perf_opts_parse(int argc, char **argv, struct perf_opts *opts, char *error)
{
	struct option long_opts[ARRAY_SIZE(options) + 3];
	int c, ret;

	memset(opts, 0, sizeof(*opts));
	opts->name = "nvmetcp-perf";
	opts->read_percent = UINT64_MAX; /* not given */
	opts->iodepth = opts->numjobs = opts->nr_queues = 1;
	opts->max_errors = 1;
	ret = parse_rw(opts, "randread", error);
	if (!ret)
		ret = parse_bs(opts, "4k", error);
	make_long_options(long_opts);
	spell_names(argc, argv);
	opterr = 0;
	optind = 0; /* start anew */
	while (!ret && !opts->action &&
	       (c = getopt_long(argc, argv, ":o:hV", long_opts, NULL)) != -1)
		ret = parse_one(opts, c, argv, error);
	if (opts->action)
		return ret;
	if (!ret)
		ret = parse_targets(opts, argc - optind, argv + optind, error);
	return ret ? ret : nvmh_perf_opts_settle(opts, error);
}

void nvmh_perf_opts_done(struct perf_opts *opts)
{
	uint16_t i;

	for (i = 0; i < opts->nr_targets; i++)
		nvmh_perf_target_done(&opts->targets[i]);
	opts->nr_targets = 0;
	free(opts->cpus);
	opts->cpus = NULL;
}
