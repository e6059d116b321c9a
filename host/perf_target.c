// SPDX-License-Identifier: BSD-2-Clause
/*
 * Transport strings, "trtype=tcp traddr=192.0.2.1 trsvcid=4420 subnqn=nqn... nsid=1". Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/perf_opts.h"
#include "host/perf_words.h"

static const char separators[] = " \t\n,";

static int set_key(struct perf_target_opts *t, const char *key, const char *value, char *error)
{
	const struct {
		const char *name;
		const char **field;
	} keys[] = {
		{ "trtype", &t->trtype },   { "traddr", &t->traddr },
		{ "trsvcid", &t->trsvcid }, { "subnqn", &t->subnqn },
		{ "hostnqn", &t->hostnqn }, { "tcp_congestion", &t->tcp_congestion },
	};
	uint64_t nsid;
	size_t i;

	if (!*value) {
		snprintf(error, PERF_ERROR_TEXT, "%s= has no value", key);
		return -EINVAL;
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i].name))
			continue;
		if (*keys[i].field) {
			snprintf(error, PERF_ERROR_TEXT, "%s= is given twice", key);
			return -EINVAL;
		}
		*keys[i].field = value;
		return 0;
	}
	if (strcmp(key, "nsid")) {
		snprintf(
			error, PERF_ERROR_TEXT,
			"\"%s\" is none of trtype, traddr, trsvcid, subnqn, hostnqn, tcp_congestion, nsid",
			key);
		return -EINVAL;
	}
	if (nvmh_perf_word_number(value, 1, UINT32_MAX - 1, &nsid)) {
		snprintf(error, PERF_ERROR_TEXT, "nsid=%s is not a namespace ID", value);
		return -EINVAL;
	}
	t->nsid = (uint32_t)nsid;
	return 0;
}

static int check_target(const struct perf_target_opts *t, const char *text, char *error)
{
	const char *missing = NULL;
	bool tcp = t->trtype && !strcmp(t->trtype, "tcp");

	if (!t->trtype)
		missing = "trtype";
	else if (!t->traddr)
		missing = "traddr";
	else if (tcp && !t->subnqn)
		missing = "subnqn";
	if (missing) {
		snprintf(error, PERF_ERROR_TEXT, "%s= is missing in \"%s\"", missing, text);
		return -EINVAL;
	}
	if (!tcp && strcmp(t->trtype, "pcie")) {
		snprintf(error, PERF_ERROR_TEXT, "trtype=%s is neither tcp nor pcie", t->trtype);
		return -EINVAL;
	}
	if (!tcp && (t->trsvcid || t->subnqn || t->hostnqn || t->tcp_congestion)) {
		snprintf(error, PERF_ERROR_TEXT,
			 "trtype=pcie takes only traddr= and nsid= in \"%s\"", text);
		return -EINVAL;
	}
	return 0;
}

int nvmh_perf_target_parse(const char *text, struct perf_target_opts *target, char *error)
{
	struct perf_target_opts t = { 0 };
	char *word, *save = NULL;
	int ret = 0;

	t.text = strdup(text);
	if (!t.text) {
		snprintf(error, PERF_ERROR_TEXT, "out of memory");
		return -ENOMEM;
	}
	for (word = strtok_r(t.text, separators, &save); word && !ret;
	     word = strtok_r(NULL, separators, &save)) {
		char *value = strchr(word, '=');

		if (!value) {
			snprintf(error, PERF_ERROR_TEXT, "\"%s\" is not of the form key=value",
				 word);
			ret = -EINVAL;
			break;
		}
		*value = '\0';
		ret = set_key(&t, word, value + 1, error);
	}
	if (!ret)
		ret = check_target(&t, text, error);
	if (ret) {
		free(t.text);
		return ret;
	}
	*target = t;
	return 0;
}
