// SPDX-License-Identifier: BSD-2-Clause
/*
 * Vital product data pages of INQUIRY. Any thread. Entry point: nvmh_scsi_vpd(). NVM Express: SCSI
 * Translation Reference 1.5, "INQUIRY"; SPC-4 and SBC-3, "Vital product data".
 */
#include <stdio.h>

#include "host/scsi.h"

enum {
	VPD_HEADER = 4,
	CODE_SET_BINARY = 1,
	CODE_SET_UTF8 = 3,
	DESIGNATOR_EUI64 = 2,
	DESIGNATOR_NAME = 8,
	LIMITS_BYTES = 0x3c,
	PROVISIONING_BYTES = 4,
	NON_ROTATING = 1,
	PROVISIONED_RESOURCE = 1,
	PROVISIONED_THIN = 2,
};

static const uint8_t none[16];

static bool has_nguid(const struct nvmh_ns *ns)
{
	return memcmp(ns->nguid, none, sizeof(ns->nguid));
}

static bool has_eui64(const struct nvmh_ns *ns)
{
	return memcmp(ns->eui64, none, sizeof(ns->eui64));
}

/* A drive's text without what is not printable; @size as of the field plus one. */
static void text_of(const char *field, size_t len, char *text)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(field[i] >= ' ' && field[i] < 0x7f ? field[i] : ' ');
	text[len] = '\0';
}

/* ---- 80h, Unit Serial Number ---- */

/* "0123_4567_89ab_cdef." */
static uint32_t put_groups(uint8_t *to, const uint8_t *bytes, unsigned int nr)
{
	uint32_t len = 0;

	for (unsigned int i = 0; i < nr; i += 2) {
		char group[8];

		snprintf(group, sizeof(group), "%02x%02x%c", bytes[i], bytes[i + 1],
			 i + 2 < nr ? '_' : '.');
		memcpy(to + len, group, 5);
		len += 5;
	}
	return len;
}

static uint32_t put_serial(const struct nvmh_scsi_cmd *cmd, uint8_t *to)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	char sn[sizeof(cmd->p.id->sn) + 1], text[48];

	if (has_eui64(ns))
		return put_groups(to, ns->eui64, sizeof(ns->eui64));
	if (has_nguid(ns))
		return put_groups(to, ns->nguid, sizeof(ns->nguid));
	text_of(cmd->p.id->sn, sizeof(cmd->p.id->sn), sn);
	snprintf(text, sizeof(text), "%s_%08x.", sn, ns->nsid);
	memcpy(to, text, strlen(text));
	return (uint32_t)strlen(text);
}

/* ---- 83h, Device Identification ---- */

static uint32_t put_designator(uint8_t *to, uint8_t code_set, uint8_t type, const void *bytes,
			       uint8_t len)
{
	to[0] = code_set;
	to[1] = type; /* of the logical unit: association 0 */
	to[2] = 0;
	to[3] = len;
	memcpy(to + 4, bytes, len);
	return 4u + len;
}

/* A SCSI name string has a NUL, and as many as make its length a multiple of 4. */
static uint32_t put_name(uint8_t *to, const char *text)
{
	char padded[96] = { 0 };
	size_t len = strlen(text);

	memcpy(padded, text, len);
	return put_designator(to, CODE_SET_UTF8, DESIGNATOR_NAME, padded,
			      (uint8_t)((len + 4) & ~(size_t)3));
}

static uint32_t put_eui(uint8_t *to, const uint8_t *bytes, uint8_t nr)
{
	uint32_t len = put_designator(to, CODE_SET_BINARY, DESIGNATOR_EUI64, bytes, nr);
	char name[48] = "eui.";

	for (unsigned int i = 0; i < nr; i++)
		snprintf(name + 4 + 2 * i, sizeof(name) - 4 - 2 * i, "%02X", bytes[i]);
	return len + put_name(to + len, name);
}

static uint32_t put_designators(const struct nvmh_scsi_cmd *cmd, uint8_t *to)
{
	const struct nvme_id_ctrl *id = cmd->p.id;
	const struct nvmh_ns *ns = cmd->p.ns;
	char mn[sizeof(id->mn) + 1], sn[sizeof(id->sn) + 1], name[80];
	uint32_t len = 0;

	if (has_nguid(ns))
		len += put_eui(to, ns->nguid, sizeof(ns->nguid));
	if (has_eui64(ns))
		len += put_eui(to + len, ns->eui64, sizeof(ns->eui64));
	if (len)
		return len;
	text_of(id->mn, sizeof(id->mn), mn);
	text_of(id->sn, sizeof(id->sn), sn);
	snprintf(name, sizeof(name), "%04X%s%04X%s", le16toh(id->vid), mn, ns->nsid & 0xffff, sn);
	return put_name(to, name);
}

/* ---- 86h, Extended INQUIRY Data ---- */

static uint32_t put_extended(const struct nvmh_scsi_cmd *cmd, uint8_t *page)
{
	/* DPC: types 1 to 3 by bits 2:0, to SPT, which counts their combinations otherwise */
	static const uint8_t spt[8] = { 0, 0, 2, 1, 4, 3, 5, 7 };
	const struct nvmh_ns *ns = cmd->p.ns;

	/* ACTIVATE_MICROCODE: by WRITE BUFFER itself, or by a reset after it */
	page[4] = cmd->p.id->frmw & NVME_CTRL_FRMW_FW_ACT_NO_RESET ? 1 << 6 : 2 << 6;
	page[4] |= (uint8_t)(spt[ns->id.dpc & 7] << 3);
	if (ns->pi_type)
		page[4] |= 1 << 2 | 1 << 1 |
			   (ns->pi_type != NVME_NS_DPS_PI_TYPE3); /* what is checked */
	page[5] = 1 << 5 | 1;					  /* UASK_SUP, SIMPSUP */
	if (cmd->p.id->vwc & NVME_CTRL_VWC_PRESENT)
		page[6] |= 1; /* V_SUP */
	return LIMITS_BYTES;
}

/* ---- B0h to B2h of SBC ---- */

static uint32_t put_limits(const struct nvmh_scsi_cmd *cmd, uint8_t *page)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	uint32_t per_command = cmd->p.max_xfer / (ns->lba_size + (ns->ext_lba ? ns->ms : 0));
	bool opt = ns->id.nsfeat & 1 << 4;

	page[4] = 1; /* WSNZ */
	if (opt)
		scsi_put16(page + 6, le16toh(ns->id.npwg) + 1u);
	/* larger ones are done in parts */
	scsi_put32(page + 12, min_of(per_command, 65536u));
	if (nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_DSM)) {
		scsi_put32(page + 20, UINT32_MAX);
		scsi_put32(page + 24, NVMH_SCSI_SCRATCH_BYTES / sizeof(struct nvme_dsm_range));
		if (opt)
			scsi_put32(page + 28, le16toh(ns->id.npdg) + 1u);
	}
	scsi_put64(page + 36, SCSI_MAX_SAME_BLOCKS);
	return LIMITS_BYTES;
}

static uint32_t put_characteristics(uint8_t *page)
{
	scsi_put16(page + 4, NON_ROTATING);
	return LIMITS_BYTES;
}

static uint32_t put_provisioning(const struct nvmh_scsi_cmd *cmd, uint8_t *page)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	bool dsm = nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_DSM);
	bool zeroes = nvmh_scsi_reads_zeroes(ns);

	if (dsm)
		page[5] |= 1 << 7; /* LBPU */
	if (nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_WRITE_ZEROES))
		page[5] |= 1 << 6 | 1 << 5; /* LBPWS, LBPWS10 */
	if (zeroes)
		page[5] |= 1 << 2; /* LBPRZ */
	page[6] = ns->id.nsfeat & NVME_NS_FEAT_THIN ? PROVISIONED_THIN
		  : page[5]			    ? PROVISIONED_RESOURCE
						    : 0;
	return PROVISIONING_BYTES;
}

bool nvmh_scsi_vpd(const struct nvmh_scsi_cmd *cmd, uint8_t code, uint8_t *page, uint32_t *lenp)
{
	static const uint8_t codes[] = { 0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2 };
	uint32_t len;

	switch (code) {
	case 0x00:
		memcpy(page + VPD_HEADER, codes, sizeof(codes));
		len = sizeof(codes);
		break;
	case 0x80:
		len = put_serial(cmd, page + VPD_HEADER);
		break;
	case 0x83:
		len = put_designators(cmd, page + VPD_HEADER);
		break;
	case 0x86:
		len = put_extended(cmd, page);
		break;
	case 0xb0:
		len = put_limits(cmd, page);
		break;
	case 0xb1:
		len = put_characteristics(page);
		break;
	case 0xb2:
		len = put_provisioning(cmd, page);
		break;
	default:
		return false;
	}
	page[1] = code;
	scsi_put16(page + 2, len);
	*lenp = VPD_HEADER + len;
	return true;
}
