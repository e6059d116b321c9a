/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the control socket lies when nobody says where: the daemon takes the first place that can
 * be had, nvmetcpctl the first where somebody answers.
 */
#ifndef TARGET_RPC_PATH_H
#define TARGET_RPC_PATH_H

#include <stddef.h>

enum {
	NVMET_RPC_PATHS = 3,
	NVMET_RPC_PATH_SIZE = 108, /* sun_path */
};

/*
 * nvmet_rpc_path() - default place @index, 0 first: the service's, the user's, the state folder
 * Return: 0; -ENOENT: this user has no such place; -ENAMETOOLONG.
 */
int nvmet_rpc_path(unsigned int index, const char *state_dir, char *path, size_t size);
/* nvmet_rpc_state_dir() - the folder a daemon of this user has without a configuration */
int nvmet_rpc_state_dir(char *path, size_t size);

#endif /* TARGET_RPC_PATH_H */
