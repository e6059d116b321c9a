// SPDX-License-Identifier: BSD-2-Clause
/*
 * Helpers that fill in common commands. Any thread. Entry points: nvmh_prep_*(). NVM Command Set
 * Specification; Zoned Namespace Command Set Specification.
 */
#include <errno.h>

#include "host/ctrl.h"

void nvmh_prep_rw(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(nlb >= 1 && nlb <= 65536);
	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = opcode;
	req->sqe.nsid = le32_make(nsid);
	req->sqe.cdw10 = le32_make((uint32_t)slba);
	req->sqe.cdw11 = le32_make((uint32_t)(slba >> 32));
	req->sqe.cdw12 = le32_make(nlb - 1);
	req->iov = iov;
	req->nr_iov = nr_iov;
	req->len = len;
	req->md = NULL;
	req->md_len = 0;
	/* bits 1:0 of an opcode tell the direction */
	req->dir = !len ? NVMH_NO_DATA : opcode & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
}

int nvmh_prep_md(struct nvmh_req *req, const struct nvmh_ns *ns, void *md, uint32_t len)
{
	uint64_t nlb = (le32_get(req->sqe.cdw12) & 0xffff) + 1;

	if (!ns->ms || ns->ext_lba || len != nlb * ns->ms)
		return -EINVAL;
	req->md = md;
	req->md_len = len;
	return 0;
}

/* A command on the zone, or from the block, @lba. @len: bytes of data from the controller, or 0. */
static void prep_zone(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t lba,
		      const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, opcode, nsid, lba, 1, iov, nr_iov, len);
	req->sqe.cdw12 = le32_make(len ? len / 4 - 1 : 0); /* dwords, where there is data */
}

void nvmh_prep_zone_append(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint32_t nlb,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, nvme_zns_cmd_append, nsid, zslba, nlb, iov, nr_iov, len);
}

void nvmh_prep_zone_send(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint8_t zsa, bool all)
{
	prep_zone(req, nvme_zns_cmd_mgmt_send, nsid, zslba, NULL, 0, 0);
	req->sqe.cdw13 = le32_make((all ? 1u << 8 : 0) | zsa);
}

void nvmh_prep_zone_report(struct nvmh_req *req, uint32_t nsid, uint64_t slba,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(len >= 4 && !(len % 4));
	prep_zone(req, nvme_zns_cmd_mgmt_recv, nsid, slba, iov, nr_iov, len);
	/* Report Zones, all states, and as many as the buffer holds */
	req->sqe.cdw13 =
		le32_make(NVME_ZNS_ZRA_REPORT_ZONES | NVME_ZNS_ZRAS_REPORT_ALL << 8 | 1u << 16);
}

void nvmh_prep_flush(struct nvmh_req *req, uint32_t nsid)
{
	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = nvme_cmd_flush;
	req->sqe.nsid = le32_make(nsid);
	req->iov = NULL;
	req->nr_iov = 0;
	req->len = 0;
	req->md = NULL;
	req->md_len = 0;
	req->dir = NVMH_NO_DATA;
}
