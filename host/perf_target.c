// SPDX-License-Identifier: BSD-2-Clause
/*
 * Targets from the command line: transport strings, "trtype=tcp traddr=192.0.2.1 trsvcid=4420
 * subnqn=nqn... nsid=1", several of them with " + " between them where they are paths to the same
 * namespace. Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/perf_opts.h"

static const char blanks[] = " \t\r\n,";

/* Where the next path's string begins: behind a word that is "+", which it cuts out; NULL: none. */
static char *cut_path(char *text)
{
	char *p = text;

	while ((p = strchr(p, '+'))) {
		bool begins = p > text && strchr(blanks, p[-1]);

		p++;
		if (begins && *p && strchr(blanks, *p)) {
			p[-1] = '\0';
			return p;
		}
	}
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static int check_path(const struct nvmh_transport *tr, const char *text, char *error)
{
	if (!strcmp(tr->opts.trtype, "tcp") && !tr->opts.subnqn)
		return nvmh_perf_refuse(-EINVAL, error, "\"%.64s\": subnqn= is missing", text);
	return 0;
}

/* What all paths must agree on. */
static int check_paths(const struct perf_target_opts *t, char *error)
{
	const struct nvmh_ctrl_opts *first = &t->paths[0].opts;
	uint16_t i;

	for (i = 1; i < t->nr_paths; i++) {
		const struct nvmh_ctrl_opts *o = &t->paths[i].opts;

		if (strcmp(first->trtype, "tcp") || strcmp(o->trtype, "tcp"))
			return nvmh_perf_refuse(-EINVAL, error, "paths need trtype=tcp");
		if (!same_text(first->subnqn, o->subnqn))
			return nvmh_perf_refuse(
				-EINVAL, error,
				"paths lead to one subsystem: subnqn=%s and subnqn=%s differ",
				first->subnqn, o->subnqn);
		if (t->paths[i].nsid && t->paths[i].nsid != t->nsid)
			return nvmh_perf_refuse(-EINVAL, error,
						"paths lead to one namespace: name it first");
	}
	return 0;
}

int nvmh_perf_target_parse(const char *text, struct perf_target_opts *target, char *error)
{
	struct perf_target_opts t = { 0 };
	char *copy = strdup(text);
	char *next, *path = copy;
	int ret = 0;

	if (!copy)
		return nvmh_perf_refuse(-ENOMEM, error, "out of memory");
	for (; path && !ret; path = next) {
		next = cut_path(path);
		if (t.nr_paths == PERF_MAX_PATHS) {
			ret = nvmh_perf_refuse(-EINVAL, error, "more than %u paths to a target",
					       PERF_MAX_PATHS);
			break;
		}
		ret = nvmh_transport_parse(path, &t.paths[t.nr_paths]);
		if (ret)
			nvmh_perf_refuse(ret, error, "\"%.64s\": %s", path, nvmh_strerror());
		else
			ret = check_path(&t.paths[t.nr_paths++], path, error);
	}
	free(copy);
	t.nsid = t.paths[0].nsid;
	if (!ret)
		ret = check_paths(&t, error);
	if (ret)
		nvmh_perf_target_done(&t);
	else
		*target = t;
	return ret;
}

void nvmh_perf_target_done(struct perf_target_opts *target)
{
	while (target->nr_paths)
		nvmh_transport_done(&target->paths[--target->nr_paths]);
}
