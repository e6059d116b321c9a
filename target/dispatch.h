/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the transport needs of dispatch.c beside target/req.h.
 */
#ifndef TARGET_DISPATCH_H
#define TARGET_DISPATCH_H

#include "target/req.h"

/* nvmet_req_cqe() - the completion queue entry of a completed request */
void nvmet_req_cqe(const struct nvmet_req *req, struct nvme_cqe *cqe);

#endif /* TARGET_DISPATCH_H */
