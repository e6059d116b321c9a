/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of NVMe statuses, and statuses for failed system calls.
 */
#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H

#include <stdint.h>

#include "common/nvme_status.h"

/**
 * status_str() - the specification's name of a status
 * @status: as in requests; CRD, More and DNR are ignored.
 *
 * Context: any thread. Return: static text, "Unknown status" for codes without a name.
 */
const char *status_str(uint16_t status);

/**
 * status_from_errno() - the NVMe status that tells a host about a failed system call
 * @err: 0 or a negative errno.
 * @write: the failed operation changed data (picks Write Fault or Unrecovered Read Error).
 *
 * ENOSPC and EDQUOT become Capacity Exceeded, EAGAIN and ENOMEM a retryable Namespace Not Ready,
 * ENOTSUP an Invalid Opcode with DNR, everything else the media error. Context: any thread.
 */
uint16_t status_from_errno(int err, int write);

#endif /* COMMON_STATUS_H */
