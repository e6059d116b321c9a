// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command line of nvmetcp-perf: options in fio's words, then transport strings. Main thread.
 */
#include "host/perf_opts.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_words.h"

enum {
	DEFAULT_BS = 4096,
	DEFAULT_MIX = 50, /* percent of reads, as in fio */
	DEFAULT_RUNTIME_S = 10,
	MIN_BS = 512,
	NO_MIX = 255,
	OPT_RW = 256,
	OPT_RWMIXREAD,
	OPT_BS,
	OPT_IODEPTH,
	OPT_NUMJOBS,
	OPT_QUEUES,
	OPT_SIZE,
	OPT_RUNTIME,
	OPT_RATE,
	OPT_CPUS,
	OPT_TCP_CONGESTION,
	/* from here on without an argument */
	OPT_VERIFY,
	OPT_HDGST,
	OPT_DDGST,
	OPT_DISABLE_SQFLOW,
	OPT_HISTOGRAM,
	OPT_SPIN,
	OPT_SLEEP,
};

const char nvmh_perf_usage[] =
	"Usage: nvmetcp-perf [options] 'trtype=tcp traddr=A [trsvcid=P] subnqn=N [nsid=N]'...\n"
	"       nvmetcp-perf [options] 'trtype=pcie traddr=0000:01:00.0 [nsid=N]'...\n"
	"\n"
	"Measures reads and writes of NVMe namespaces. WRITING DESTROYS WHAT THEY HOLD.\n"
	"\n"
	"      --rw KIND         read, write, randread (the default), randwrite, rw or randrw\n"
	"      --rwmixread N     percent of reads of rw and randrw (50)\n"
	"      --bs SIZE         bytes of one I/O (4k)\n"
	"      --iodepth N       commands outstanding on each queue (1)\n"
	"      --numjobs N       threads (1)\n"
	"      --queues N        I/O queues of each thread and target (1)\n"
	"      --size SIZE       use only so many bytes from the start of each namespace (all)\n"
	"      --runtime TIME    run for so long, like 30, 500ms, 2m; without it until each thread has\n"
	"                        moved --size bytes, or for 10 s\n"
	"      --rate N          at most N I/Os per second and thread\n"
	"      --verify          write a pattern and check what is read\n"
	"      --hdgst, --ddgst  header digests, data digests\n"
	"      --disable-sqflow  no SQ flow control: a read is answered without a response of its own\n"
	"      --tcp-congestion NAME  TCP congestion control, like reno (the system's)\n"
	"      --cpus LIST       run the threads on these CPUs in turn, like 1-3,8\n"
	"      --spin | --sleep  look for completions all the time | sleep when there are none; without:\n"
	"                        look for 50 us, then sleep\n"
	"  -o, --output-format FMT  normal or json\n"
	"      --histogram       with -o json: the latency histogram, too\n"
	"  -h, --help            this text\n"
	"  -V, --version         the version\n"
	"\n"
	"Exit status: 0 success, 1 an error or a mismatch (a line says what), 2 wrong usage.\n";

static const struct option long_opts[] = {
	{ "rw", required_argument, NULL, OPT_RW },
	{ "rwmixread", required_argument, NULL, OPT_RWMIXREAD },
	{ "bs", required_argument, NULL, OPT_BS },
	{ "iodepth", required_argument, NULL, OPT_IODEPTH },
	{ "numjobs", required_argument, NULL, OPT_NUMJOBS },
	{ "queues", required_argument, NULL, OPT_QUEUES },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "runtime", required_argument, NULL, OPT_RUNTIME },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "tcp-congestion", required_argument, NULL, OPT_TCP_CONGESTION },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "hdgst", no_argument, NULL, OPT_HDGST },
	{ "ddgst", no_argument, NULL, OPT_DDGST },
	{ "disable-sqflow", no_argument, NULL, OPT_DISABLE_SQFLOW },
	{ "histogram", no_argument, NULL, OPT_HISTOGRAM },
	{ "spin", no_argument, NULL, OPT_SPIN },
	{ "sleep", no_argument, NULL, OPT_SLEEP },
	{ "output-format", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int refuse(char *error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, PERF_ERROR_TEXT, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *option_name(int c)
{
	const struct option *o = long_opts;

	while (o->name && o->val != c)
		o++;
	return o->name ? o->name : "";
}

/* ---------------------------------------------------------------- single options */

static int parse_rw(struct perf_opts *opts, const char *text, char *error)
{
	static const struct {
		const char *name;
		bool random;
		uint8_t read_percent;
	} kinds[] = {
		{ "read", false, 100 },	  { "write", false, 0 },   { "randread", true, 100 },
		{ "randwrite", true, 0 }, { "rw", false, NO_MIX }, { "randrw", true, NO_MIX },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(text, kinds[i].name))
			continue;
		opts->rw = kinds[i].name;
		opts->random = kinds[i].random;
		opts->read_percent = kinds[i].read_percent;
		return 0;
	}
	return refuse(error, "--rw=%s is none of read, write, randread, randwrite, rw, randrw",
		      text);
}

static int parse_bs(struct perf_opts *opts, const char *text, char *error)
{
	uint64_t bs;

	if (nvmh_perf_word_size(text, &bs) || bs < MIN_BS || bs > PERF_MAX_BS || bs % MIN_BS)
		return refuse(error, "--bs=%s is not a multiple of 512 from 512 to 16M", text);
	opts->bs = (uint32_t)bs;
	return 0;
}

static int parse_size(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_size(text, &opts->size) || !opts->size)
		return refuse(error, "--size=%s is not a size like 512M", text);
	return 0;
}

static int parse_runtime(struct perf_opts *opts, const char *text, char *error)
{
	if (nvmh_perf_word_duration(text, &opts->runtime_ns))
		return refuse(error, "--runtime=%s is not a time like 30, 500ms or 2m", text);
	return 0;
}

static int parse_cpus(struct perf_opts *opts, const char *text, char *error)
{
	if (!opts->cpus)
		opts->cpus = calloc(PERF_MAX_CPUS, sizeof(*opts->cpus));
	if (!opts->cpus) {
		refuse(error, "out of memory");
		return -ENOMEM;
	}
	if (nvmh_perf_word_cpus(text, opts->cpus, PERF_MAX_CPUS, &opts->nr_cpus))
		return refuse(error, "--cpus=%s is not a list of CPUs like 1-3,8", text);
	return 0;
}

static int parse_congestion(struct perf_opts *opts, const char *text, char *error)
{
	if (!*text)
		return refuse(error, "--tcp-congestion= has no value");
	opts->tcp_congestion = text;
	return 0;
}

static int parse_format(struct perf_opts *opts, const char *text, char *error)
{
	opts->json = !strcmp(text, "json");
	if (!opts->json && strcmp(text, "normal"))
		return refuse(error, "unknown output format \"%s\"", text);
	return 0;
}

static int parse_wait(struct perf_opts *opts, enum perf_wait wait, char *error)
{
	if (opts->wait != PERF_WAIT_ADAPTIVE && opts->wait != wait)
		return refuse(error, "--spin and --sleep exclude each other");
	opts->wait = wait;
	return 0;
}

static int parse_u16(int c, const char *text, uint16_t max, uint16_t *value, char *error)
{
	uint64_t v;

	if (nvmh_perf_word_number(text, 1, max, &v))
		return refuse(error, "--%s=%s is not within 1..%u", option_name(c), text, max);
	*value = (uint16_t)v;
	return 0;
}

static int parse_number(struct perf_opts *opts, int c, const char *text, uint8_t *mix, char *error)
{
	uint64_t v;

	switch (c) {
	case OPT_IODEPTH:
		return parse_u16(c, text, MAX_QUEUE_ENTRIES - 1, &opts->iodepth, error);
	case OPT_NUMJOBS:
		return parse_u16(c, text, PERF_MAX_JOBS, &opts->numjobs, error);
	case OPT_QUEUES:
		return parse_u16(c, text, MAX_IO_QUEUES, &opts->nr_queues, error);
	case OPT_RATE:
		if (nvmh_perf_word_number(text, 1, PERF_MAX_RATE, &opts->rate))
			return refuse(error, "--rate=%s is not within 1..%u", text, PERF_MAX_RATE);
		return 0;
	default: /* OPT_RWMIXREAD */
		if (nvmh_perf_word_number(text, 0, 100, &v))
			return refuse(error, "--rwmixread=%s is not within 0..100", text);
		*mix = (uint8_t)v;
		return 0;
	}
}

static int parse_flag(struct perf_opts *opts, int c, char *error)
{
	switch (c) {
	case OPT_VERIFY:
		opts->verify = true;
		return 0;
	case OPT_HDGST:
		opts->hdgst = true;
		return 0;
	case OPT_DDGST:
		opts->ddgst = true;
		return 0;
	case OPT_DISABLE_SQFLOW:
		opts->disable_sqflow = true;
		return 0;
	case OPT_HISTOGRAM:
		opts->histogram = true;
		return 0;
	case OPT_SPIN:
		return parse_wait(opts, PERF_WAIT_SPIN, error);
	default: /* OPT_SLEEP */
		return parse_wait(opts, PERF_WAIT_SLEEP, error);
	}
}

static int parse_option(struct perf_opts *opts, int c, uint8_t *mix, char **argv, char *error)
{
	switch (c) {
	case OPT_RW:
		return parse_rw(opts, optarg, error);
	case OPT_BS:
		return parse_bs(opts, optarg, error);
	case OPT_SIZE:
		return parse_size(opts, optarg, error);
	case OPT_RUNTIME:
		return parse_runtime(opts, optarg, error);
	case OPT_CPUS:
		return parse_cpus(opts, optarg, error);
	case OPT_TCP_CONGESTION:
		return parse_congestion(opts, optarg, error);
	case 'o':
		return parse_format(opts, optarg, error);
	case ':':
		return refuse(error, "%s needs a value", argv[optind - 1]);
	case '?':
		return refuse(error, "unknown option %s", argv[optind - 1]);
	default:
		return c >= OPT_VERIFY ? parse_flag(opts, c, error)
				       : parse_number(opts, c, optarg, mix, error);
	}
}

/* ---------------------------------------------------------------- all of them */

/* What only the options together tell. */
static int settle(struct perf_opts *opts, uint8_t mix, char *error)
{
	if (opts->read_percent == NO_MIX)
		opts->read_percent = mix == NO_MIX ? DEFAULT_MIX : mix;
	else if (mix != NO_MIX)
		return refuse(error, "--rwmixread needs --rw=rw or --rw=randrw");
	if (!opts->nr_targets)
		return refuse(error, "a transport string is missing");
	if (opts->numjobs * opts->nr_queues > MAX_IO_QUEUES)
		return refuse(
			error,
			"--numjobs times --queues is more than the %u I/O queues of a controller; give the transport string several times for several controllers",
			MAX_IO_QUEUES);
	if (!opts->runtime_ns && !opts->size)
		opts->runtime_ns = DEFAULT_RUNTIME_S * (uint64_t)PERF_NS_PER_S;
	return 0;
}

static int parse_target(const char *text, struct nvmh_transport *target, char *error)
{
	int ret = nvmh_transport_parse(text, target);

	if (ret) {
		refuse(error, "\"%.64s\": %s", text, nvmh_strerror());
		return ret;
	}
	if (!strcmp(target->opts.trtype, "tcp") && !target->opts.subnqn) {
		nvmh_transport_done(target);
		return refuse(error, "\"%.64s\": subnqn= is missing", text);
	}
	return 0;
}

static int parse_targets(struct perf_opts *opts, int nr, char **texts, char *error)
{
	int ret = 0;

	if (nr > PERF_MAX_TARGETS)
		return refuse(error, "more than %u transport strings", PERF_MAX_TARGETS);
	while (!ret && opts->nr_targets < nr) {
		ret = parse_target(texts[opts->nr_targets], &opts->targets[opts->nr_targets],
				   error);
		if (!ret)
			opts->nr_targets++;
	}
	return ret;
}

int nvmh_perf_opts_parse(int argc, char **argv, struct perf_opts *opts, char *error)
{
	uint8_t mix = NO_MIX;
	int c, ret = 0;

	memset(opts, 0, sizeof(*opts));
	opts->rw = "randread";
	opts->random = true;
	opts->read_percent = 100;
	opts->bs = DEFAULT_BS;
	opts->iodepth = opts->numjobs = opts->nr_queues = 1;
	opterr = 0;
	optind = 0; /* start anew */
	while (!ret && (c = getopt_long(argc, argv, ":o:hV", long_opts, NULL)) != -1) {
		if (c == 'h' || c == 'V') {
			opts->action = c == 'h' ? PERF_HELP : PERF_VERSION;
			return 0;
		}
		ret = parse_option(opts, c, &mix, argv, error);
	}
	if (!ret)
		ret = parse_targets(opts, argc - optind, argv + optind, error);
	if (!ret)
		ret = settle(opts, mix, error);
	return ret;
}

void nvmh_perf_opts_done(struct perf_opts *opts)
{
	uint16_t i;

	for (i = 0; i < opts->nr_targets; i++)
		nvmh_transport_done(&opts->targets[i]);
	opts->nr_targets = 0;
	free(opts->cpus);
	opts->cpus = NULL;
}
