// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a logical unit is: INQUIRY, REPORT LUNS, READ CAPACITY. Any thread. Entry points:
 * nvmh_scsi_inquiry() and the others of host/scsi.h. NVM Express: SCSI Translation Reference 1.5;
 * SPC-4, SBC-3; SAM-5, "Logical unit numbers".
 */
#include "common/limits.h"
#include "host/scsi.h"

enum {
	NO_LU = 0x7f, /* qualifier 3, type 1Fh */
	SPC_4 = 6,
	RESPONSE_FORMAT = 2,
	STANDARD_BYTES = 36,
	EVPD = 1,
	LUNS_HEADER = 8,
	LUN_BYTES = 8,
	LUN_SELECT_ALL = 2,
	LUN_PERIPHERAL_MAX = 256,
	LUN_FLAT_MAX = 1 << 14,
	LIST_ENTRIES = 1024, /* of Identify's list of namespaces */
};

/* ---- INQUIRY ---- */

/* A drive's text, cut and padded with blanks. */
static void put_text(uint8_t *to, size_t size, const char *from, size_t len)
{
	for (size_t i = 0; i < size; i++)
		to[i] = i < len && from[i] >= ' ' && from[i] < 0x7f ? (uint8_t)from[i] : ' ';
}

/* The last four characters of the firmware revision: those tell revisions apart. */
static void put_revision(uint8_t *to, const char fr[8])
{
	size_t end = 8;

	while (end > 4 && (fr[end - 1] == ' ' || !fr[end - 1]))
		end--;
	put_text(to, 4, fr + end - 4, 4);
}

static int standard(struct nvmh_scsi_cmd *cmd, uint32_t alloc)
{
	uint8_t page[STANDARD_BYTES] = { 0 };

	page[0] = cmd->p.ns ? 0 : NO_LU;
	page[2] = SPC_4;
	page[3] = RESPONSE_FORMAT;
	page[4] = STANDARD_BYTES - 5;
	page[5] = cmd->p.ns && cmd->p.ns->pi_type; /* PROTECT */
	page[7] = 1 << 1;			   /* CMDQUE */
	put_text(page + 8, 8, "NVMe", 4);
	put_text(page + 16, 16, cmd->p.id->mn, sizeof(cmd->p.id->mn));
	put_revision(page + 32, cmd->p.id->fr);
	return nvmh_scsi_reply(cmd, page, sizeof(page), alloc);
}

int nvmh_scsi_inquiry(struct nvmh_scsi_cmd *cmd)
{
	uint32_t alloc = scsi_get16(cmd->cdb + 3);
	uint8_t page[256] = { 0 };
	uint32_t len;

	if (!(cmd->cdb[1] & EVPD))
		return cmd->cdb[2] ? nvmh_scsi_bad_cdb(cmd, 2, -1) : standard(cmd, alloc);
	if (!cmd->p.ns || !nvmh_scsi_vpd(cmd, cmd->cdb[2], page, &len))
		return nvmh_scsi_bad_cdb(cmd, 2, -1);
	return nvmh_scsi_reply(cmd, page, len, alloc);
}

/* ---- REPORT LUNS ---- */

/* LUN n is namespace n + 1. */
static void put_lun(uint8_t *to, uint32_t lun)
{
	memset(to, 0, LUN_BYTES);
	if (lun < LUN_PERIPHERAL_MAX)
		to[1] = (uint8_t)lun;
	else if (lun < LUN_FLAT_MAX)
		scsi_put16(to, 1u << 14 | lun);
	else
		scsi_put32(to, 0xd2u << 24 | (lun & 0xffffff)); /* extended flat space */
}

/* Return: whether [off, off + LUN_BYTES) of the answer is wanted, as far as it is */
static void put_part(struct nvmh_scsi_cmd *cmd, uint32_t alloc, uint32_t off, const uint8_t *bytes)
{
	uint32_t room = min_of(alloc, cmd->data_len);

	if (off < room)
		memcpy((uint8_t *)cmd->data + off, bytes, min_of(room - off, (uint32_t)LUN_BYTES));
}

/* The namespaces of a page of the list. Return: whether there may be more. */
static bool take_list(struct nvmh_scsi_cmd *cmd, uint32_t alloc)
{
	const uint8_t *list = cmd->scratch;
	uint8_t lun[LUN_BYTES];
	le32_t entry;
	uint32_t nsid;

	for (unsigned int i = 0; i < LIST_ENTRIES; i++) {
		memcpy(&entry, list + i * sizeof(entry), sizeof(entry));
		nsid = le32_get(entry);
		/* also a list that does not ascend ends here */
		if (nsid <= cmd->p.lba || nsid == NVME_NSID_BROADCAST || cmd->p.at == MAX_DRIVE_NS)
			return false;
		put_lun(lun, nsid - 1);
		put_part(cmd, alloc, LUNS_HEADER + cmd->p.at++ * LUN_BYTES, lun);
		cmd->p.lba = nsid;
	}
	return true;
}

/* p.lba is the last namespace so far, p.at how many there are. */
int nvmh_scsi_report_luns(struct nvmh_scsi_cmd *cmd)
{
	uint32_t alloc = scsi_get32(cmd->cdb + 6);
	uint8_t header[LUNS_HEADER] = { 0 };
	bool more = true;

	if (cmd->cdb[2] > LUN_SELECT_ALL)
		return nvmh_scsi_bad_cdb(cmd, 2, -1);
	if (alloc < LUNS_HEADER + LUN_BYTES)
		return nvmh_scsi_bad_cdb(cmd, 6, -1);
	if (cmd->cdb[2] == 1) /* well known logical units: none */
		return nvmh_scsi_reply(cmd, header, sizeof(header), alloc);
	if (cmd->p.step && cmd->req.status) {
		/* of before 1.1, without a list: the one that we know of */
		if ((cmd->req.status & ST_MASK) != ST_INVALID_FIELD || cmd->p.at || !cmd->p.ns)
			return nvmh_scsi_failed(cmd, cmd->req.status);
		memset(cmd->scratch, 0, 2 * sizeof(le32_t));
		memcpy(cmd->scratch, &(le32_t){ htole32(cmd->p.nsid) }, sizeof(le32_t));
	}
	if (cmd->p.step)
		more = take_list(cmd, alloc);
	if (more) {
		cmd->p.tolerant = true;
		nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, nvme_admin_identify, cmd->scratch,
			       NVME_IDENTIFY_DATA_SIZE);
		cmd->req.sqe.nsid = le32_make((uint32_t)cmd->p.lba);
		cmd->req.sqe.cdw10 = le32_make(NVME_IDENTIFY_CNS_NS_ACTIVE_LIST);
		return NVMH_SCSI_ADMIN;
	}
	scsi_put32(header, cmd->p.at * LUN_BYTES);
	put_part(cmd, alloc, 0, header);
	cmd->p.moved = min_of(min_of(alloc, cmd->data_len), LUNS_HEADER + cmd->p.at * LUN_BYTES);
	return nvmh_scsi_good(cmd);
}

/* ---- READ CAPACITY ---- */

int nvmh_scsi_read_capacity_10(struct nvmh_scsi_cmd *cmd)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	uint8_t answer[8];

	scsi_put32(answer, (uint32_t)min_of(ns->nsze - 1, (uint64_t)UINT32_MAX));
	scsi_put32(answer + 4, ns->lba_size);
	return nvmh_scsi_reply(cmd, answer, sizeof(answer), sizeof(answer));
}

int nvmh_scsi_read_capacity_16(struct nvmh_scsi_cmd *cmd)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	uint8_t answer[32] = { 0 };

	scsi_put64(answer, ns->nsze - 1);
	scsi_put32(answer + 8, ns->lba_size);
	if (ns->pi_type)
		answer[12] = (uint8_t)((ns->pi_type - 1) << 1 | 1); /* P_TYPE, PROT_EN */
	if (nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_DSM))
		answer[14] |= 1 << 7; /* LBPME */
	if (nvmh_scsi_reads_zeroes(ns))
		answer[14] |= 1 << 6; /* LBPRZ */
	return nvmh_scsi_reply(cmd, answer, sizeof(answer), scsi_get32(cmd->cdb + 10));
}
