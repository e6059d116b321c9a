// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcpctl: drives from the command line, through the daemon or, where no daemon has them,
 * directly; and discovery. One command a run.
 */
#include <getopt.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "target/ctl.h"

static int usage_error(const char *fmt, const char *arg)
{
	fputs("nvmetcpctl: ", stderr);
	fprintf(stderr, fmt, arg);
	fputs("; see nvmetcpctl --help\n", stderr);
	return NVMET_CTL_USAGE;
}

int nvmet_ctl_error(const char *fmt, ...)
{
	va_list args;

	fputs("nvmetcpctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return NVMET_CTL_FAILED;
}

static void help(void)
{
	puts("Usage: nvmetcpctl [--socket PATH] [-o normal|json] COMMAND [ADDRESS] [options]\n"
	     "\n"
	     "Commands (nvmetcpctl COMMAND --help tells the options):\n");
	for (const struct nvmet_ctl_cmd *cmd = nvmet_ctl_cmds; cmd->words; cmd++)
		printf("  %-22s %s\n", cmd->words, cmd->help);
	puts("\n"
	     "  -s, --socket PATH        the daemon's control socket\n"
	     "  -o, --output-format FMT  normal or json\n"
	     "  -h, --help               this text\n"
	     "  -V, --version            the version\n"
	     "\n"
	     "A drive that no daemon has is opened by nvmetcpctl itself, through VFIO.\n"
	     "\n"
	     "Exit status: 0 success, 1 failure (one line says what and what to do), 2 wrong usage.");
}

/* Return: an exit status, or -1: all is done. */
static int parse_global(struct nvmet_ctl_run *run, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "output-format", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+s:o:hV", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			run->socket = optarg;
			break;
		case 'o':
			run->json = !strcmp(optarg, "json");
			if (!run->json && strcmp(optarg, "normal"))
				return usage_error("unknown output format \"%s\"", optarg);
			break;
		case 'h':
			help();
			return -1;
		case 'V':
			puts("nvmetcpctl " NVMETCP_VERSION);
			return -1;
		default:
			fputs("See nvmetcpctl --help\n", stderr);
			return NVMET_CTL_USAGE;
		}
	}
	return NVMET_CTL_OK;
}

/* How many of @argv the words of @cmd are; 0: it is another command. */
static int match(const struct nvmet_ctl_cmd *cmd, int argc, char **argv)
{
	const char *words = cmd->words;
	int n = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (n == argc || strlen(argv[n]) != len || strncmp(argv[n], words, len))
			return 0;
		n++;
		words += len;
		words += *words == ' ';
	}
	return n;
}

static bool confirmed(const struct nvmet_ctl_run *run)
{
	char line[16];

	if (run->force)
		return true;
	if (!isatty(STDIN_FILENO)) {
		nvmet_ctl_error("%s destroys data: give --force, or answer on a terminal",
				run->cmd->words);
		return false;
	}
	fprintf(stderr, "%s of %s destroys data. Type \"yes\" to go on: ", run->cmd->words,
		run->traddr);
	if (fgets(line, sizeof(line), stdin) && !strcmp(line, "yes\n"))
		return true;
	nvmet_ctl_error("nothing was done");
	return false;
}

static int write_raw(struct nvmet_ctl_run *run)
{
	uint32_t len;
	uint8_t *data = nvmet_ctl_result_data(run, &len);
	bool good = !len || fwrite(data, 1, len, stdout) == len;

	free(data);
	return good ? NVMET_CTL_OK : nvmet_ctl_error("the data cannot be written: %m");
}

static void write_json(struct nvmet_ctl_run *run)
{
	struct json_object *decoded;

	/* Decoded data as nvme-cli shows them; else the result as it is. */
	if (!json_object_object_get_ex(run->result, "decoded", &decoded))
		decoded = run->result;
	puts(json_object_to_json_string_ext(decoded, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_SPACED |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int perform(struct nvmet_ctl_run *run)
{
	const struct nvmet_ctl_cmd *cmd = run->cmd;
	int ret = NVMET_CTL_OK;

	if (cmd->asks && !confirmed(run))
		return NVMET_CTL_FAILED;
	if (cmd->prepare)
		ret = cmd->prepare(run);
	if (!ret)
		ret = cmd->call ? cmd->call(run) : nvmet_ctl_call(run, &run->result);
	if (ret)
		return ret;
	if (run->raw)
		ret = write_raw(run);
	else if (run->json)
		write_json(run);
	else
		cmd->show(run);
	if (fflush(stdout) && !ret)
		ret = nvmet_ctl_error("the output cannot be written: %m");
	return ret ? ret : run->exit;
}

int main(int argc, char **argv)
{
	struct nvmet_ctl_run run = { 0 };
	int ret = parse_global(&run, argc, argv);
	int words = 0;

	log_init("nvmetcpctl", LOG_LVL_ERROR);
	if (ret)
		return ret < 0 ? NVMET_CTL_OK : ret;
	argc -= optind;
	argv += optind;
	for (run.cmd = nvmet_ctl_cmds; run.cmd->words; run.cmd++) {
		words = match(run.cmd, argc, argv);
		if (words)
			break;
	}
	if (!run.cmd->words)
		return usage_error(argc ? "unknown command \"%s\"" : "%sno command",
				   argc ? argv[argc > 1] : "");
	run.params = json_object_new_object();
	/* getopt() begins behind the last of the words. */
	ret = nvmet_ctl_parse(&run, argc - words + 1, argv + words - 1);
	if (!ret)
		ret = perform(&run);
	json_object_put(run.params);
	json_object_put(run.result);
	return ret < 0 ? NVMET_CTL_OK : ret;
}
