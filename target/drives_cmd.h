/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvmetcpd --list-drives, --bind, --release: what must be possible before a daemon runs.
 * Each prints its result or one line of error. Return: 0 or -errno.
 */
#ifndef TARGET_DRIVES_CMD_H
#define TARGET_DRIVES_CMD_H

#include <stdbool.h>

int nvmet_cmd_list_drives(bool json);
int nvmet_cmd_bind(const char *bdf);
int nvmet_cmd_release(const char *bdf);

#endif /* TARGET_DRIVES_CMD_H */
