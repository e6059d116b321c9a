// SPDX-License-Identifier: BSD-2-Clause
/*
 * Host NQN and host ID: the user's, the system's, or made up. Any thread, control path only.
 * Entry point: nvmh_ident_get().
 * NVM Express Base Specification 2.x, "NVMe Qualified Names", "Host Identifier".
 */
#include "host/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnvme.h>

#include "common/nqn.h"
#include "common/util.h"
#include "common/uuid.h"

/* The name space of what is derived here: any constant will do. */
static const uint8_t ident_space[UUID_BYTES] = { 0x5d, 0x0c, 0x86, 0x1f, 0x3b, 0x0e, 0x4f, 0x7a,
						 0x9d, 0x5a, 0x6e, 0x0b, 0xc2, 0x41, 0x77, 0x90 };

/*
 * One for this process: from the boot and the process id, so that all its controllers get the same.
 */
static int make_up(struct nvmh_ident *ident)
{
	char text[UUID_TEXT + 32];
	ssize_t n;
	int ret;
	int fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -EIO;
	n = read(fd, text, UUID_TEXT - 1);
	close(fd);
	if (n != UUID_TEXT - 1)
		return -EIO;
	n += snprintf(text + n, sizeof(text) - (size_t)n, " %ld", (long)getpid());
	ret = uuid_from_name(ident_space, text, (size_t)n, ident->id);
	if (ret)
		return ret;
	nqn_from_uuid(ident->id, ident->nqn);
	return 0;
}

/* @system_nqn, @system_id: what the files say, NULL where there is none. */
static int choose(const char *hostnqn, const char *system_nqn, const char *system_id,
		  struct nvmh_ident *ident)
{
	bool is_system = system_nqn && (!hostnqn || !strcmp(hostnqn, system_nqn));
	const char *nqn = hostnqn ? hostnqn : system_nqn;
	size_t len;

	if (!nqn)
		return make_up(ident);
	len = strnlen(nqn, MAX_NQN_BYTES);
	if (!nqn_is_text(nqn, len))
		return hostnqn ? -EINVAL : make_up(ident);
	memcpy(ident->nqn, nqn, len + 1);
	if (is_system && system_id && !uuid_from_text(system_id, ident->id))
		return 0;
	if (!nqn_to_uuid(nqn, ident->id))
		return 0;
	return uuid_from_name(ident_space, nqn, len, ident->id);
}

int nvmh_ident_get(const char *hostnqn, const uint8_t *hostid, struct nvmh_ident *ident)
{
	struct nvmh_ident tmp = { .nqn = "" };
	char *system_nqn = nvmf_hostnqn_from_file();
	char *system_id = nvmf_hostid_from_file();
	int ret = choose(hostnqn, system_nqn, system_id, &tmp);

	free(system_nqn);
	free(system_id);
	if (ret)
		return ret;
	if (hostid)
		memcpy(tmp.id, hostid, sizeof(tmp.id));
	*ident = tmp;
	return 0;
}
