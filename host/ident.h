/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who this host is: its NQN and its host identifier.
 * NVM Express Base Specification 2.x, "NVMe Qualified Names", "Host Identifier".
 */
#ifndef HOST_IDENT_H
#define HOST_IDENT_H

#include <stdint.h>

#include "common/limits.h"

struct nvmh_ident {
	char nqn[MAX_NQN_BYTES];
	uint8_t id[16];
};

/**
 * nvmh_ident_get() - the identity to connect with
 * @hostnqn: what the user wants, or NULL: the system's (/etc/nvme/hostnqn), else one made for this
 *	process: the same for all its controllers, another after a restart.
 * @hostid: what the user wants, or NULL: the system's (/etc/nvme/hostid) if the NQN is the system's
 *	too, else the UUID within the NQN, else one derived from the NQN. Controllers insist on one host
 *	ID per host NQN, so the two are never taken from different places.
 *
 * Context: any thread; reads files.
 * Return: 0; -EINVAL, @hostnqn is not a name; -EIO, -ENOMEM, none could be made.
 */
int nvmh_ident_get(const char *hostnqn, const uint8_t *hostid, struct nvmh_ident *ident);

#endif /* HOST_IDENT_H */
