/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe Qualified Names.
 * NVMe Base 2.x, section "NVMe Qualified Names" (4.7).
 *
 * Context: any thread.
 */
#ifndef COMMON_NQN_H
#define COMMON_NQN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/uuid.h"

#define NQN_DISCOVERY	"nqn.2014-08.org.nvmexpress.discovery"
#define NQN_UUID_PREFIX "nqn.2014-08.org.nvmexpress:uuid:"

/**
 * nqn_check() - is this a name we give, or let an administrator give?
 * @nqn: @len bytes without a NUL at the end; need not be text at all.
 *
 * A name is 1..223 bytes of UTF-8 without control characters: "nqn.", year, '-' (or '.', as some
 * products write it), month, '.', a reverse domain, and optionally ':' and anything. In the domain
 * "org.nvmexpress" what follows ":uuid:" must be a UUID.
 *
 * Return: NULL, or what is wrong: static text that fits behind "the NQN ".
 */
const char *nqn_check(const void *nqn, size_t len);

/**
 * nqn_is_text() - could this be a name that a peer was given by somebody less strict?
 *
 * Length, UTF-8 and control characters only: fit to be compared and, quoted, to be logged.
 */
bool nqn_is_text(const void *nqn, size_t len);

/**
 * nqn_from_field() - take a name out of a field of the wire
 * @field: @size bytes as they came, copied out of the peer's reach already.
 * @nqn: written on success only.
 *
 * The field must have a NUL within its first 224 bytes; bytes after it are not looked at. What
 * stands before it must pass nqn_is_text().
 *
 * Return: 0; -EINVAL.
 */
int nqn_from_field(const char *field, size_t size, char nqn[MAX_NQN_BYTES]);

/** nqn_from_uuid() - "nqn.2014-08.org.nvmexpress:uuid:..." Return: @nqn. */
const char *nqn_from_uuid(const uint8_t uuid[UUID_BYTES], char nqn[MAX_NQN_BYTES]);

/** nqn_to_uuid() - the UUID within a name of that form. Return: 0; -EINVAL, another form. */
int nqn_to_uuid(const char *nqn, uint8_t uuid[UUID_BYTES]);

#endif /* COMMON_NQN_H */
