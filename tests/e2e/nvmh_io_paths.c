// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmh-io's way to its controller: transport strings, one path or several.
 */
#include <stdio.h>
#include <string.h>

#include "common/uuid.h"
#include "tests/e2e/nvmh_io.h"

int nvmh_io_transport(struct nvmh_ctrl_opts *opts, uint8_t hostid[16], char *text)
{
	const char **fields[] = { &opts->trtype, &opts->traddr, &opts->trsvcid, &opts->subnqn,
				  &opts->hostnqn };
	static const char *const names[] = { "trtype=", "traddr=", "trsvcid=", "subnqn=",
					     "hostnqn=" };
	char *word, *save;
	size_t i;

	for (word = strtok_r(text, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save)) {
		for (i = 0; i < ARRAY_SIZE(names) && strncmp(word, names[i], strlen(names[i])); i++)
			;
		if (i < ARRAY_SIZE(names)) {
			*fields[i] = word + strlen(names[i]);
		} else if (!strncmp(word, "hostid=", 7) && !uuid_from_text(word + 7, hostid)) {
			opts->hostid = hostid;
		} else {
			return nvmh_io_fail("\"%s\" in the transport string is not known", word) +
			       1;
		}
	}
	return opts->trtype ? 0 : nvmh_io_fail("the transport string has no trtype") + 1;
}

int nvmh_io_policy(struct io *io, const char *name)
{
	static const char *const names[] = {
		[NVMH_IOPOLICY_NUMA] = "numa",
		[NVMH_IOPOLICY_ROUND_ROBIN] = "round-robin",
		[NVMH_IOPOLICY_QUEUE_DEPTH] = "queue-depth",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i])) {
			io->mpath_opts.iopolicy = (enum nvmh_iopolicy)i;
			return 0;
		}
	}
	return nvmh_io_fail("\"%s\" is no policy: numa, round-robin, queue-depth", name) + 1;
}

int nvmh_io_open(struct io *io)
{
	struct nvmh_ctrl_opts paths[NVMH_MAX_PATHS] = { io->opts };
	uint16_t i;
	int ret;

	for (i = 1; i <= io->nr_more; i++) {
		paths[i] = io->opts;
		ret = nvmh_io_transport(&paths[i], io->hostid[i], io->more[i - 1]);
		if (ret)
			return ret;
	}
	if (io->mpath)
		ret = nvmh_mpath_open(paths, i, &io->mpath_opts, &io->ctrl);
	else
		ret = nvmh_ctrl_open(&io->opts, &io->ctrl);
	return ret ? nvmh_io_fail("%s", nvmh_strerror()) : 0;
}
