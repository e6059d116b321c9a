// SPDX-License-Identifier: BSD-2-Clause
/*
 * Optional commands of the controller made of memory: it has those that its Identify data name, and
 * keeps what they say for the test. Under its lock. NVM Express Base Specification 2.x, "Firmware
 * Image Download", "Security Send", "Reservations"; NVM Command Set Specification.
 */
#include <stdlib.h>

#include "tests/fake/fake_pcie.h"

/* ---- I/O ---- */

static bool has(const struct fake_pcie *f, uint16_t oncs)
{
	return le16toh(f->id.oncs) & oncs;
}

static uint16_t compare(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe,
			uint64_t slba, uint32_t nlb)
{
	size_t len = (size_t)nlb * ns->lba_size;
	uint8_t *data = malloc(len);
	uint16_t status = ST_DATA_XFER_ERROR;

	assert(data);
	if (fake_pcie_move(f, sqe, data, len, false))
		status = memcmp(data, ns->data + slba * ns->lba_size, len) ? ST_COMPARE_FAILED : 0;
	free(data);
	return status;
}

static uint16_t deallocate(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe)
{
	uint32_t nr = (le32_get(sqe->cdw10) & 0xff) + 1;

	memset(f->ranges, 0, sizeof(f->ranges));
	if (!fake_pcie_move(f, sqe, f->ranges, nr * sizeof(f->ranges[0]), false))
		return ST_DATA_XFER_ERROR;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t slba = le64toh(f->ranges[i].slba), nlb = le32toh(f->ranges[i].nlb);

		if (slba > ns->nsze || nlb > ns->nsze - slba)
			return ST_LBA_RANGE;
		memset(ns->data + slba * ns->lba_size, 0, nlb * ns->lba_size);
	}
	return 0;
}

static uint16_t reservation(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	bool one = sqe->opcode == nvme_cmd_resv_release;
	uint32_t len = (le32_get(sqe->cdw10) + 1) * 4;

	if (!has(f, NVME_CTRL_ONCS_RESERVATIONS))
		return ST_INVALID_OPCODE;
	if (sqe->opcode == nvme_cmd_resv_report)
		return len <= sizeof(f->report) && fake_pcie_move(f, sqe, f->report, len, true)
			       ? 0
			       : ST_DATA_XFER_ERROR;
	memset(f->keys, 0, sizeof(f->keys));
	return fake_pcie_move(f, sqe, f->keys, one ? 8 : 16, false) ? 0 : ST_DATA_XFER_ERROR;
}

uint16_t fake_pcie_opt_io(struct fake_pcie *f, struct fake_pcie_ns *ns, const struct nvme_sqe *sqe)
{
	uint64_t slba = le32_get(sqe->cdw10) | (uint64_t)le32_get(sqe->cdw11) << 32;
	uint32_t nlb = (le32_get(sqe->cdw12) & 0xffff) + 1;

	switch (sqe->opcode) {
	case nvme_cmd_resv_register:
	case nvme_cmd_resv_report:
	case nvme_cmd_resv_acquire:
	case nvme_cmd_resv_release:
		return reservation(f, sqe);
	case nvme_cmd_dsm:
		return has(f, NVME_CTRL_ONCS_DSM) ? deallocate(f, ns, sqe) : ST_INVALID_OPCODE;
	}
	if (slba >= ns->nsze || nlb > ns->nsze - slba)
		return ST_LBA_RANGE;
	switch (sqe->opcode) {
	case nvme_cmd_compare:
		return has(f, NVME_CTRL_ONCS_COMPARE) ? compare(f, ns, sqe, slba, nlb)
						      : ST_INVALID_OPCODE;
	case nvme_cmd_verify:
		return has(f, NVME_CTRL_ONCS_VERIFY) ? 0 : ST_INVALID_OPCODE;
	case nvme_cmd_write_zeroes:
		if (!has(f, NVME_CTRL_ONCS_WRITE_ZEROES))
			return ST_INVALID_OPCODE;
		memset(ns->data + slba * ns->lba_size, 0, (size_t)nlb * ns->lba_size);
		return 0;
	}
	return ST_INVALID_OPCODE;
}

/* ---- administration ---- */

static uint16_t download(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint32_t len = (le32_get(sqe->cdw10) + 1) * 4, at = le32_get(sqe->cdw11) * 4;

	if (at > sizeof(f->image) || len > sizeof(f->image) - at)
		return ST_INVALID_FIELD;
	if (!fake_pcie_move(f, sqe, f->image + at, len, false))
		return ST_DATA_XFER_ERROR;
	f->image_bytes = at + len;
	return 0;
}

uint16_t fake_pcie_opt_admin(struct fake_pcie *f, const struct nvme_sqe *sqe, uint32_t *dw0)
{
	uint16_t oacs = le16toh(f->id.oacs);
	uint32_t fid = le32_get(sqe->cdw10) & 0xff, len = le32_get(sqe->cdw11);
	bool in = sqe->opcode == nvme_admin_security_recv;

	switch (sqe->opcode) {
	case nvme_admin_get_features:
		*dw0 = f->features[fid];
		return 0;
	case nvme_admin_format_nvm:
		return oacs & NVME_CTRL_OACS_FORMAT ? 0 : ST_INVALID_OPCODE;
	case nvme_admin_fw_download:
		return oacs & NVME_CTRL_OACS_FW ? download(f, sqe) : ST_INVALID_OPCODE;
	case nvme_admin_fw_commit:
		return oacs & NVME_CTRL_OACS_FW ? 0 : ST_INVALID_OPCODE;
	case nvme_admin_security_send:
	case nvme_admin_security_recv:
		if (!(oacs & NVME_CTRL_OACS_SECURITY))
			return ST_INVALID_OPCODE;
		if (len > sizeof(f->security))
			return ST_INVALID_FIELD;
		return !len || fake_pcie_move(f, sqe, f->security, len, in) ? 0
									    : ST_DATA_XFER_ERROR;
	}
	return ST_INVALID_OPCODE;
}
