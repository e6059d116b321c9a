// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcpd: the command line. One of: serve a configuration (or the embedded default), check one,
 * list, bind and release drives.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "config/config.h"
#include "target/drives_cmd.h"
#include "target/rpc_path.h"
#include "target/serve.h"

enum {
	EXIT_USAGE = 2,
	OPT_LIST = 256,
	OPT_BIND,
	OPT_RELEASE,
	OPT_STRICT,
	OPT_PRINT,
};

struct args {
	const char *config;
	const char *check;
	const char *bind;
	const char *release;
	const char *log_level;
	bool list;
	bool json;
	bool strict;
	bool print;
};

static const char usage_text[] =
	"Usage: nvmetcpd [--config FILE] [--log-level LEVEL]\n"
	"       nvmetcpd --check FILE [--strict]\n"
	"       nvmetcpd --list-drives [-o json]\n"
	"       nvmetcpd --bind ADDRESS | --release ADDRESS\n"
	"\n"
	"Exports NVMe drives, files and memory over NVMe/TCP. Without --config a file in the state\n"
	"folder is exported on 127.0.0.1:4420, to try things out.\n"
	"\n"
	"  -c, --config FILE        serve what FILE says (nvmetcpd.json(5))\n"
	"      --check FILE         read FILE, say what is wrong with it, serve nothing\n"
	"      --strict             names in the file that are not known are errors\n"
	"      --print-config       print the configuration with its defaults, serve nothing\n"
	"      --list-drives        the NVMe drives of this machine and who drives them\n"
	"      --bind ADDRESS       hand the drive at PCI address ADDRESS to vfio-pci\n"
	"      --release ADDRESS    give it back to the kernel's driver\n"
	"  -o, --output-format FMT  normal or json, for --list-drives\n"
	"  -l, --log-level LEVEL    error, warn, notice, info or debug\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n"
	"\n"
	"Exit status: 0 success, 1 failure (one line says what and what to do), 2 wrong usage.\n";

static int usage_error(const char *fmt, const char *arg)
{
	fputs("nvmetcpd: ", stderr);
	fprintf(stderr, fmt, arg);
	fputs("; see nvmetcpd --help\n", stderr);
	return -EINVAL;
}

static const struct option long_opts[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", required_argument, NULL, 'C' },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "list-drives", no_argument, NULL, OPT_LIST },
	{ "bind", required_argument, NULL, OPT_BIND },
	{ "release", required_argument, NULL, OPT_RELEASE },
	{ "output-format", required_argument, NULL, 'o' },
	{ "log-level", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int parse_output(struct args *args, const char *fmt)
{
	args->json = !strcmp(fmt, "json");
	return args->json || !strcmp(fmt, "normal")
		       ? 0
		       : usage_error("unknown output format \"%s\"", fmt);
}

/* Return: 0, 1 when everything asked for is done, -EINVAL after a line about what is wrong. */
static int parse_args(int argc, char **argv, struct args *args)
{
	int c, ret = 0;

	while (!ret && (c = getopt_long(argc, argv, "c:o:l:hV", long_opts, NULL)) != -1) {
		switch (c) {
		case 'c':
			args->config = optarg;
			break;
		case 'C':
			args->check = optarg;
			break;
		case 'o':
			ret = parse_output(args, optarg);
			break;
		case 'l':
			args->log_level = optarg;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 1;
		case 'V':
			puts("nvmetcpd " NVMETCP_VERSION);
			return 1;
		case OPT_STRICT:
			args->strict = true;
			break;
		case OPT_PRINT:
			args->print = true;
			break;
		case OPT_LIST:
			args->list = true;
			break;
		case OPT_BIND:
			args->bind = optarg;
			break;
		case OPT_RELEASE:
			args->release = optarg;
			break;
		default:
			fputs("See nvmetcpd --help\n", stderr);
			return -EINVAL;
		}
	}
	if (!ret && optind < argc)
		ret = usage_error("unexpected argument \"%s\"", argv[optind]);
	return ret;
}

/* ---- configuration ---- */

static int load(const char *file, bool strict, struct config **cfgp)
{
	struct config_errors *errs = calloc(1, sizeof(*errs));
	int ret;

	if (!errs)
		return -ENOMEM;
	errs->strict = strict;
	ret = config_load(file, cfgp, errs);
	config_errors_print(errs, stderr, file);
	free(errs);
	return ret;
}

static int check(const struct args *args)
{
	struct config *cfg;
	char line[256];
	int ret = load(args->check, args->strict, &cfg);

	if (ret)
		return ret;
	config_summary(cfg, line, sizeof(line));
	printf("%s: %s\n", args->check, line);
	config_free(cfg);
	return 0;
}

/* Where the embedded default keeps its file. */
static int state_folder(char *buf, size_t size)
{
	int ret = nvmet_rpc_state_dir(buf, size);

	return ret ? ret : strpbrk(buf, "\"\\\n") ? -EINVAL : 0;
}

static int embedded_default(struct config **cfgp)
{
	static const char format[] =
		"{ \"nvmetcpd\": { \"state_dir\": \"%s\" },\n"
		"  \"subsystems\": [ { \"nqn\": \"nqn.2026-11.org.nvmetcp:default\",\n"
		"    \"attr\": { \"allow_any_host\": \"1\" },\n"
		"    \"namespaces\": [ { \"nsid\": 1, \"enable\": 1,\n"
		"      \"device\": { \"path\": \"%s/default.img\", \"size\": \"1G\" } } ] } ],\n"
		"  \"ports\": [ { \"portid\": 1, \"addr\": { \"trtype\": \"tcp\", \"adrfam\": \"ipv4\",\n"
		"    \"traddr\": \"127.0.0.1\", \"trsvcid\": \"4420\" },\n"
		"    \"subsystems\": [ \"nqn.2026-11.org.nvmetcp:default\" ] } ] }\n";
	struct config_errors *errs = calloc(1, sizeof(*errs));
	char dir[CONFIG_PATH_SIZE], *text = NULL;
	int ret = -ENOMEM;

	if (!errs)
		return ret;
	ret = state_folder(dir, sizeof(dir));
	if (ret)
		log_err("the state folder's name cannot be used; set HOME or XDG_STATE_HOME to an ordinary absolute path");
	else if (asprintf(&text, format, dir, dir) < 0)
		ret = -ENOMEM;
	else
		ret = config_parse(text, strlen(text), cfgp, errs);
	if (ret == -EINVAL)
		config_errors_print(errs, stderr, "embedded default");
	free(text);
	free(errs);
	return ret;
}

static int print_config(const struct config *cfg)
{
	char *text;
	int ret = config_write(cfg, &text);

	if (ret)
		return ret;
	fputs(text, stdout);
	free(text);
	return 0;
}

static int serve(const struct args *args, bool level_given)
{
	struct config *cfg;
	int ret = args->config ? load(args->config, args->strict, &cfg) : embedded_default(&cfg);

	if (ret)
		return ret;
	if (!level_given)
		log_set_level(cfg->daemon.log_level);
	ret = args->print ? print_config(cfg) : nvmet_serve(cfg, true);
	config_free(cfg);
	return ret;
}

int main(int argc, char **argv)
{
	enum log_level level = LOG_LVL_NOTICE;
	struct args args = { 0 };
	int ret;

	ret = parse_args(argc, argv, &args);
	if (ret)
		return ret > 0 ? 0 : EXIT_USAGE;
	if (args.log_level && log_level_parse(args.log_level, &level)) {
		usage_error("unknown log level \"%s\"", args.log_level);
		return EXIT_USAGE;
	}
	if (!!args.check + !!args.bind + !!args.release + args.list + !!args.config > 1) {
		usage_error("only one of --config, --check, --list-drives, --bind, --release%s",
			    "");
		return EXIT_USAGE;
	}
	log_init("nvmetcpd", level);
	if (args.check)
		ret = check(&args);
	else if (args.list)
		ret = nvmet_cmd_list_drives(args.json);
	else if (args.bind)
		ret = nvmet_cmd_bind(args.bind);
	else if (args.release)
		ret = nvmet_cmd_release(args.release);
	else
		ret = serve(&args, args.log_level);
	return ret ? 1 : 0;
}
