// SPDX-License-Identifier: BSD-2-Clause
/*
 * Helpers that fill in common commands. Any thread. Entry points: nvmh_prep_*(). NVM Command Set
 * Specification; Zoned Namespace Command Set Specification.
 */
#include <errno.h>

#include "host/ctrl.h"

enum {
	MAX_NLB = 65536,
	MAX_RANGES = 256,
};

/* Everything of a request that belongs to the command; its time, ->done and ->arg are the caller's. */
static void begin(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, const struct iovec *iov,
		  uint16_t nr_iov, uint32_t len)
{
	memset(&req->sqe, 0, sizeof(req->sqe));
	req->sqe.opcode = opcode;
	req->sqe.nsid = le32_make(nsid);
	req->iov = iov;
	req->nr_iov = nr_iov;
	req->len = len;
	req->md = NULL;
	req->md_len = 0;
	/* bits 1:0 of an opcode tell the direction */
	req->dir = !len ? NVMH_NO_DATA : opcode & 1 ? NVMH_TO_CTRL : NVMH_FROM_CTRL;
}

static void set_lba(struct nvmh_req *req, uint64_t lba)
{
	req->sqe.cdw10 = le32_make((uint32_t)lba);
	req->sqe.cdw11 = le32_make((uint32_t)(lba >> 32));
}

/* ---- blocks ---- */

void nvmh_prep_rw(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb,
		  const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(nlb >= 1 && nlb <= MAX_NLB);
	begin(req, opcode, nsid, iov, nr_iov, len);
	set_lba(req, slba);
	req->sqe.cdw12 = le32_make(nlb - 1);
}

void nvmh_prep_flags(struct nvmh_req *req, uint32_t flags)
{
	req->sqe.cdw12 = le32_make(le32_get(req->sqe.cdw12) | flags);
}

int nvmh_prep_md(struct nvmh_req *req, const struct nvmh_ns *ns, void *md, uint32_t len)
{
	uint64_t nlb = (le32_get(req->sqe.cdw12) & 0xffff) + 1;

	if (!ns->ms || ns->ext_lba || len != nlb * ns->ms)
		return nvmh_error(
			-EINVAL,
			"namespace %u: %u bytes of metadata for %u blocks; it has %u for each%s",
			ns->nsid, len, (uint32_t)nlb, ns->ms, ns->ext_lba ? ", at their ends" : "");
	req->md = md;
	req->md_len = len;
	return 0;
}

void nvmh_prep_flush(struct nvmh_req *req, uint32_t nsid)
{
	begin(req, nvme_cmd_flush, nsid, NULL, 0, 0);
}

void nvmh_prep_compare(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb,
		       const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, nvme_cmd_compare, nsid, slba, nlb, iov, nr_iov, len);
}

void nvmh_prep_write_zeroes(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb)
{
	nvmh_prep_rw(req, nvme_cmd_write_zeroes, nsid, slba, nlb, NULL, 0, 0);
}

void nvmh_prep_write_uncor(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb)
{
	nvmh_prep_rw(req, nvme_cmd_write_uncor, nsid, slba, nlb, NULL, 0, 0);
}

void nvmh_prep_verify(struct nvmh_req *req, uint32_t nsid, uint64_t slba, uint32_t nlb)
{
	nvmh_prep_rw(req, nvme_cmd_verify, nsid, slba, nlb, NULL, 0, 0);
}

/* ---- ranges ---- */

void nvmh_dsm_range(struct nvme_dsm_range *range, uint64_t slba, uint32_t nlb, uint32_t cattr)
{
	*range = (struct nvme_dsm_range){
		.cattr = htole32(cattr),
		.nlb = htole32(nlb),
		.slba = htole64(slba),
	};
}

void nvmh_prep_dsm(struct nvmh_req *req, uint32_t nsid, uint32_t attr, const struct iovec *iov,
		   uint16_t nr_iov, uint16_t nr_ranges)
{
	assert(nr_ranges >= 1 && nr_ranges <= MAX_RANGES);
	begin(req, nvme_cmd_dsm, nsid, iov, nr_iov,
	      nr_ranges * (uint32_t)sizeof(struct nvme_dsm_range));
	req->sqe.cdw10 = le32_make(nr_ranges - 1u);
	req->sqe.cdw11 = le32_make(attr);
}

void nvmh_copy_range(struct nvme_copy_range *range, uint64_t slba, uint32_t nlb)
{
	assert(nlb >= 1 && nlb <= MAX_NLB);
	*range = (struct nvme_copy_range){
		.slba = htole64(slba),
		.nlb = htole16((uint16_t)(nlb - 1)),
	};
}

void nvmh_copy_range_f1(struct nvme_copy_range_f1 *range, uint64_t slba, uint32_t nlb)
{
	assert(nlb >= 1 && nlb <= MAX_NLB);
	*range = (struct nvme_copy_range_f1){
		.slba = htole64(slba),
		.nlb = htole16((uint16_t)(nlb - 1)),
	};
}

void nvmh_prep_copy(struct nvmh_req *req, uint32_t nsid, uint64_t sdlba, uint8_t format,
		    const struct iovec *iov, uint16_t nr_iov, uint16_t nr_ranges)
{
	uint32_t size = format ? sizeof(struct nvme_copy_range_f1) : sizeof(struct nvme_copy_range);

	assert(nr_ranges >= 1 && nr_ranges <= MAX_RANGES && format <= 1);
	begin(req, nvme_cmd_copy, nsid, iov, nr_iov, nr_ranges * size);
	set_lba(req, sdlba);
	req->sqe.cdw12 = le32_make((uint32_t)format << 8 | (nr_ranges - 1u));
}

/* ---- reservations ---- */

/* @keys: up to two of them, where the command's data lie. */
static void prep_resv(struct nvmh_req *req, uint8_t opcode, uint32_t nsid, uint32_t cdw10,
		      const uint64_t *keys, uint32_t nr_keys, const struct iovec *iov)
{
	le64_t *data = iov->iov_base;
	uint32_t i;

	assert(iov->iov_len >= nr_keys * sizeof(*data));
	for (i = 0; i < nr_keys; i++)
		data[i] = le64_make(keys[i]);
	begin(req, opcode, nsid, iov, 1, nr_keys * (uint32_t)sizeof(*data));
	req->sqe.cdw10 = le32_make(cdw10);
}

void nvmh_prep_resv_register(struct nvmh_req *req, uint32_t nsid, uint8_t rrega, uint8_t cptpl,
			     uint64_t crkey, uint64_t nrkey, const struct iovec *iov)
{
	const uint64_t keys[] = { crkey, nrkey };

	prep_resv(req, nvme_cmd_resv_register, nsid, (uint32_t)cptpl << 30 | (rrega & 7u), keys, 2,
		  iov);
}

void nvmh_prep_resv_acquire(struct nvmh_req *req, uint32_t nsid, uint8_t racqa, uint8_t rtype,
			    uint64_t crkey, uint64_t prkey, const struct iovec *iov)
{
	const uint64_t keys[] = { crkey, prkey };

	prep_resv(req, nvme_cmd_resv_acquire, nsid, (uint32_t)rtype << 8 | (racqa & 7u), keys, 2,
		  iov);
}

void nvmh_prep_resv_release(struct nvmh_req *req, uint32_t nsid, uint8_t rrela, uint8_t rtype,
			    uint64_t crkey, const struct iovec *iov)
{
	prep_resv(req, nvme_cmd_resv_release, nsid, (uint32_t)rtype << 8 | (rrela & 7u), &crkey, 1,
		  iov);
}

void nvmh_prep_resv_report(struct nvmh_req *req, uint32_t nsid, bool eds, const struct iovec *iov,
			   uint16_t nr_iov, uint32_t len)
{
	assert(len >= 4 && !(len % 4));
	begin(req, nvme_cmd_resv_report, nsid, iov, nr_iov, len);
	req->sqe.cdw10 = le32_make(len / 4 - 1);
	req->sqe.cdw11 = le32_make(eds);
}

/* ---- zones ---- */

void nvmh_prep_zone_append(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint32_t nlb,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	nvmh_prep_rw(req, nvme_zns_cmd_append, nsid, zslba, nlb, iov, nr_iov, len);
}

void nvmh_prep_zone_send(struct nvmh_req *req, uint32_t nsid, uint64_t zslba, uint8_t zsa, bool all)
{
	begin(req, nvme_zns_cmd_mgmt_send, nsid, NULL, 0, 0);
	set_lba(req, zslba);
	req->sqe.cdw13 = le32_make((all ? 1u << 8 : 0) | zsa);
}

void nvmh_prep_zone_report(struct nvmh_req *req, uint32_t nsid, uint64_t slba,
			   const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	assert(len >= 4 && !(len % 4));
	begin(req, nvme_zns_cmd_mgmt_recv, nsid, iov, nr_iov, len);
	set_lba(req, slba);
	req->sqe.cdw12 = le32_make(len / 4 - 1);
	/* Report Zones, all states, and as many as the buffer holds */
	req->sqe.cdw13 =
		le32_make(NVME_ZNS_ZRA_REPORT_ZONES | NVME_ZNS_ZRAS_REPORT_ALL << 8 | 1u << 16);
}

/* ---- admin ---- */

void nvmh_prep_identify(struct nvmh_req *req, uint32_t nsid, uint8_t cns, uint8_t csi,
			const struct iovec *iov, uint16_t nr_iov)
{
	begin(req, nvme_admin_identify, nsid, iov, nr_iov, NVME_IDENTIFY_DATA_SIZE);
	req->sqe.cdw10 = le32_make(cns);
	req->sqe.cdw11 = le32_make((uint32_t)csi << 24);
}

void nvmh_prep_get_log(struct nvmh_req *req, uint32_t nsid, uint8_t lid, uint8_t lsp, bool rae,
		       uint64_t offset, const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	uint32_t numd = len / 4 - 1; /* 0's based */

	assert(len >= 4 && !(len % 4) && !(offset % 4));
	begin(req, nvme_admin_get_log_page, nsid, iov, nr_iov, len);
	req->sqe.cdw10 = le32_make(numd << 16 | (rae ? 1u << 15 : 0) | (lsp & 0x7fu) << 8 | lid);
	req->sqe.cdw11 = le32_make(numd >> 16);
	req->sqe.cdw12 = le32_make((uint32_t)offset);
	req->sqe.cdw13 = le32_make((uint32_t)(offset >> 32));
}

void nvmh_prep_get_features(struct nvmh_req *req, uint32_t nsid, uint8_t fid, uint8_t sel,
			    uint32_t cdw11, const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	begin(req, nvme_admin_get_features, nsid, iov, nr_iov, len);
	req->sqe.cdw10 = le32_make((sel & 7u) << 8 | fid);
	req->sqe.cdw11 = le32_make(cdw11);
}

void nvmh_prep_set_features(struct nvmh_req *req, uint32_t nsid, uint8_t fid, bool save,
			    uint32_t cdw11, const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	begin(req, nvme_admin_set_features, nsid, iov, nr_iov, len);
	req->sqe.cdw10 = le32_make((save ? 1u << 31 : 0) | fid);
	req->sqe.cdw11 = le32_make(cdw11);
}

void nvmh_prep_abort(struct nvmh_req *req, uint16_t sqid, uint16_t cid)
{
	begin(req, nvme_admin_abort_cmd, 0, NULL, 0, 0);
	req->sqe.cdw10 = le32_make((uint32_t)cid << 16 | sqid);
}
