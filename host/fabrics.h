/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fabrics command set as a host speaks it: building Connect and Property commands, and saying
 * in words an administrator can act on why a Connect was refused.
 * NVM Express Base Specification 2.x, "Fabrics Command Set".
 *
 * The builders fill everything but what a transport fills at submission: flags, cid and the SGL.
 * Context: any thread.
 */
#ifndef HOST_FABRICS_H
#define HOST_FABRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/nvme.h"
#include "host/nvmh.h"

/* What the controller answered to a Connect, decoded. */
struct nvmh_connect_result {
	uint16_t cntlid;
	bool auth_required; /* in-band authentication must follow */
	bool sqflow_off;    /* the request to disable SQ flow control was accepted */
};

/**
 * nvmh_fabrics_connect_cmd() - build a Connect command
 * @qid: 0 for the admin queue.
 * @size: entries of the submission queue, 2..65536.
 * @kato_ms: keep alive timeout in milliseconds, 0 for none; only the admin queue's counts.
 */
void nvmh_fabrics_connect_cmd(struct nvme_sqe *sqe, uint16_t qid, uint32_t size,
			      bool disable_sqflow, uint32_t kato_ms);

/**
 * nvmh_fabrics_connect_data() - build the data of a Connect command
 * @cntlid: NVME_CNTLID_DYNAMIC for an admin queue.
 *
 * Return: 0, or -EINVAL for an NQN that is empty or longer than NVME_NQN_MAX_LEN.
 */
int nvmh_fabrics_connect_data(struct nvme_connect_data *data, const uint8_t hostid[16],
			      uint16_t cntlid, const char *subnqn, const char *hostnqn);

void nvmh_fabrics_property_get(struct nvme_sqe *sqe, uint32_t offset, bool wide);
void nvmh_fabrics_property_set(struct nvme_sqe *sqe, uint32_t offset, uint32_t value);

/**
 * nvmh_fabrics_connect_check() - judge the answer to a Connect
 * @cqe: the completion.
 * @qid: the queue that was to be connected.
 * @opts: what was asked for, to be named in the text.
 * @result: written on success only.
 * @text: receives the reason of a refusal, at most @size bytes with the NUL.
 *
 * Return: 0; -EACCES (host not allowed, authentication wanted), -EBUSY, -ENOENT (no such subsystem
 * there),
 *	-EINVAL (another parameter), -ESTALE (restart discovery), -EPROTO (an answer against
 *	the specification),
 *	-ECONNREFUSED (anything else).
 */
int nvmh_fabrics_connect_check(const struct nvme_cqe *cqe, uint16_t qid,
			       const struct nvmh_ctrl_opts *opts,
			       struct nvmh_connect_result *result, char *text, size_t size);

#endif /* HOST_FABRICS_H */
