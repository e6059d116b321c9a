// SPDX-License-Identifier: BSD-2-Clause
/*
 * Options of a command of nvmetcpctl, from its table to JSON parameters. Entry point:
 * nvmet_ctl_parse().
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/ctl.h"
#include "target/rpc_json.h"

enum {
	MAX_OPTS = 32,
	OPT_FIRST = 256, /* value of the first option of the table */
};

static const struct nvmet_ctl_opt common_opts[] = {
	{ "output-format", 'o', NVMET_CTL_TEXT, NULL, "normal or json" },
	{ "help", 'h', NVMET_CTL_FLAG, NULL, "this text" },
	{ .name = NULL },
};

static void help_opts(const struct nvmet_ctl_opt *opt, const char *taken)
{
	static const char *const values[] = { "=NUM", "", "=NUM,NUM...", "=TEXT" };

	for (; opt && opt->name; opt++) {
		char names[64];

		snprintf(names, sizeof(names), "%s%c%s--%s%s",
			 opt->letter && !strchr(taken, opt->letter) ? "-" : " ",
			 opt->letter && !strchr(taken, opt->letter) ? opt->letter : ' ',
			 opt->letter && !strchr(taken, opt->letter) ? ", " : "  ", opt->name,
			 values[opt->kind]);
		printf("  %-32s %s\n", names, opt->help);
	}
}

/* The letters of a command's own table: they win over the common ones. */
static const char *letters(const struct nvmet_ctl_cmd *cmd, char *text, size_t size)
{
	size_t n = 0;

	for (const struct nvmet_ctl_opt *o = cmd->opts; o && o->name && n + 1 < size; o++)
		if (o->letter)
			text[n++] = o->letter;
	text[n] = '\0';
	return text;
}

void nvmet_ctl_help(const struct nvmet_ctl_cmd *cmd)
{
	char own[MAX_OPTS + 1];

	printf("Usage: nvmetcpctl %s%s [options]\n\n%s.\n\n", cmd->words,
	       cmd->no_drive ? "" : " ADDRESS", cmd->help);
	if (!cmd->no_drive)
		puts("ADDRESS is that of the PCI function, as 0000:01:00.0.\n");
	help_opts(cmd->opts, "");
	help_opts(common_opts, letters(cmd, own, sizeof(own)));
}

static int usage(const struct nvmet_ctl_cmd *cmd, const char *fmt, const char *arg)
{
	fputs("nvmetcpctl: ", stderr);
	fprintf(stderr, fmt, arg);
	fprintf(stderr, "; see nvmetcpctl %s --help\n", cmd->words);
	return NVMET_CTL_USAGE;
}

/* Decimal, 0x hexadecimal. */
static bool number(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
	return !errno && end != text && !*end;
}

static struct json_object *number_list(const char *text)
{
	struct json_object *list = json_object_new_array();
	char *copy = strdup(text), *save = NULL;
	uint64_t value;

	for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (!number(one, &value)) {
			json_object_put(list);
			list = NULL;
			break;
		}
		json_object_array_add(list, json_object_new_uint64(value));
	}
	free(copy);
	return list;
}

static int take_own(struct nvmet_ctl_run *run, const struct nvmet_ctl_opt *opt, const char *arg)
{
	if (!strcmp(opt->name, "output-format")) {
		run->json = !strcmp(arg, "json");
		if (!run->json && strcmp(arg, "normal"))
			return usage(run->cmd, "unknown output format \"%s\"", arg);
	} else if (!strcmp(opt->name, "raw-binary")) {
		run->raw = true;
	} else if (!strcmp(opt->name, "force")) {
		run->force = true;
	} else if (!strcmp(opt->name, "input-file") || !strcmp(opt->name, "data")) {
		run->input_file = arg;
	} else if (!strcmp(opt->name, "metadata")) {
		run->metadata_file = arg;
	}
	return NVMET_CTL_OK;
}

static int take(struct nvmet_ctl_run *run, const struct nvmet_ctl_opt *opt, const char *arg)
{
	struct json_object *val = NULL;
	uint64_t value;

	if (!opt->param)
		return take_own(run, opt, arg);
	if (!strcmp(opt->name, "force"))
		run->force = true;
	switch (opt->kind) {
	case NVMET_CTL_NUMBER:
		if (!number(arg, &value))
			return usage(run->cmd, "\"%s\" is no number", arg);
		val = json_object_new_uint64(value);
		break;
	case NVMET_CTL_FLAG:
		val = json_object_new_boolean(true);
		break;
	case NVMET_CTL_LIST:
		val = number_list(arg);
		if (!val)
			return usage(run->cmd, "\"%s\" is no list of numbers", arg);
		break;
	default:
		val = json_object_new_string(arg);
	}
	nvmet_rpc_put(run->params, opt->param, val);
	return NVMET_CTL_OK;
}

struct tables {
	struct option longs[MAX_OPTS + 1];
	char shorts[3 * MAX_OPTS + 2];
	const struct nvmet_ctl_opt *opts[MAX_OPTS];
	int nr;
};

static void add_table(struct tables *t, const struct nvmet_ctl_opt *opt)
{
	for (; opt && opt->name && t->nr < MAX_OPTS; opt++) {
		bool has_arg = opt->kind != NVMET_CTL_FLAG;
		size_t n = strlen(t->shorts);

		t->longs[t->nr] = (struct option){ opt->name, has_arg, NULL, OPT_FIRST + t->nr };
		if (opt->letter && !strchr(t->shorts, opt->letter))
			snprintf(t->shorts + n, sizeof(t->shorts) - n, "%c%s", opt->letter,
				 has_arg ? ":" : "");
		t->opts[t->nr++] = opt;
	}
}

static const struct nvmet_ctl_opt *find(const struct tables *t, int c)
{
	if (c >= OPT_FIRST)
		return t->opts[c - OPT_FIRST];
	for (int i = 0; i < t->nr; i++)
		if (t->opts[i]->letter == c)
			return t->opts[i];
	return NULL;
}

int nvmet_ctl_parse(struct nvmet_ctl_run *run, int argc, char **argv)
{
	const struct nvmet_ctl_opt *opt;
	struct tables t = { .nr = 0 };
	int c, ret = NVMET_CTL_OK;

	add_table(&t, run->cmd->opts);
	add_table(&t, common_opts);
	optind = 0;
	while (!ret && (c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		opt = find(&t, c);
		if (!opt)
			return usage(run->cmd, "%s", "unknown option");
		if (!strcmp(opt->name, "help")) {
			nvmet_ctl_help(run->cmd);
			return -1;
		}
		ret = take(run, opt, optarg);
	}
	if (ret)
		return ret;
	if (!run->cmd->no_drive) {
		if (optind == argc)
			return usage(run->cmd, "%s", "ADDRESS of the drive is missing");
		run->traddr = argv[optind++];
		nvmet_rpc_put_text(run->params, "traddr", "%s", run->traddr);
	}
	return optind < argc ? usage(run->cmd, "unexpected argument \"%s\"", argv[optind])
			     : NVMET_CTL_OK;
}
