// SPDX-License-Identifier: BSD-2-Clause
/*
 * MODE SENSE and MODE SELECT: the pages Caching, Control, Power Condition, and Informational
 * Exceptions Control. Any thread. Entry points: nvmh_scsi_mode_sense(), nvmh_scsi_mode_select(). NVM
 * Express: SCSI Translation Reference 1.5, "Mode parameters"; SPC-4, SBC-3.
 */
#include "host/scsi.h"

enum {
	PAGE_CACHING = 0x08,
	PAGE_CONTROL = 0x0a,
	PAGE_POWER = 0x1a,
	PAGE_EXCEPTIONS = 0x1c,
	PAGE_ALL = 0x3f,
	SUBPAGE_ALL = 0xff,
	PC_CURRENT = 0,
	PC_CHANGEABLE = 1,
	PC_DEFAULT = 2,
	PC_SAVED = 3,
	WCE = 1 << 2,	  /* Caching, byte 2 */
	D_SENSE = 1 << 2, /* Control, byte 2 */
	DBD = 1 << 3,
	LLBAA = 1 << 4,
	LONGLBA = 1,
	DEV_WP = 1 << 7,
	DEV_DPOFUA = 1 << 4,
	SELECT_SP = 1 << 0,
	SELECT_PF = 1 << 4,
	SEL_DEFAULT = 1 << 8, /* of Get Features */
	MAX_MODE_BYTES = 160,
	MAX_PAGE = 40,
};

/* Bytes of a page with its header; 0: no such page. */
static uint32_t page_bytes(uint8_t code)
{
	switch (code) {
	case PAGE_CACHING:
		return 20;
	case PAGE_CONTROL:
	case PAGE_EXCEPTIONS:
		return 12;
	case PAGE_POWER:
		return MAX_PAGE;
	default:
		return 0;
	}
}

static bool has_cache(const struct nvmh_scsi_cmd *cmd)
{
	return cmd->p.id->vwc & NVME_CTRL_VWC_PRESENT;
}

/* Page @code as @pc tells it. @wce: of the drive. Return: its bytes. */
static uint32_t put_page(const struct nvmh_scsi_cmd *cmd, uint8_t code, uint8_t pc, bool wce,
			 uint8_t *page)
{
	uint32_t bytes = page_bytes(code);

	memset(page, 0, bytes);
	page[0] = code;
	page[1] = (uint8_t)(bytes - 2);
	if (pc == PC_CHANGEABLE) {
		if (code == PAGE_CACHING && has_cache(cmd))
			page[2] = WCE;
		if (code == PAGE_CONTROL)
			page[2] = D_SENSE;
		return bytes;
	}
	switch (code) {
	case PAGE_CACHING:
		page[2] = wce ? WCE : 0;
		break;
	case PAGE_CONTROL:
		page[2] = pc == PC_CURRENT && cmd->desc_sense ? D_SENSE : 0;
		page[3] = 1 << 4;		  /* commands are done in any order */
		scsi_put16(page + 8, UINT16_MAX); /* busy for longer than can be told */
		break;
	case PAGE_EXCEPTIONS:
		page[2] = 1 << 3; /* DEXCPT: nothing is reported unasked; LOG SENSE tells */
		break;
	}
	return bytes;
}

/* ---- MODE SENSE ---- */

static uint32_t put_block_desc(const struct nvmh_ns *ns, bool llba, uint8_t *desc)
{
	if (llba) {
		scsi_put64(desc, ns->nsze);
		scsi_put32(desc + 12, ns->lba_size);
		return 16;
	}
	scsi_put32(desc, (uint32_t)min_of(ns->nsze, (uint64_t)UINT32_MAX));
	scsi_put32(desc + 4, ns->lba_size); /* 3 bytes: a drive's fits */
	return 8;
}

static int answer_sense(struct nvmh_scsi_cmd *cmd, bool wce)
{
	static const uint8_t codes[] = { PAGE_CACHING, PAGE_CONTROL, PAGE_POWER, PAGE_EXCEPTIONS };
	uint8_t out[MAX_MODE_BYTES] = { 0 }, want = cmd->cdb[2] & 0x3f, pc = cmd->cdb[2] >> 6;
	bool six = cmd->cdb_len == 6, llba = cmd->cdb[1] & LLBAA;
	uint8_t device = DEV_DPOFUA;
	uint32_t len = six ? 4 : 8, desc = 0;

	if (cmd->p.ns->id.nsattr & NVME_NS_NSATTR_WRITE_PROTECTED)
		device |= DEV_WP;
	if (!(cmd->cdb[1] & DBD))
		desc = put_block_desc(cmd->p.ns, llba, out + len);
	len += desc;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (want == PAGE_ALL || want == codes[i])
			len += put_page(cmd, codes[i], pc, wce, out + len);
	if (six) {
		out[0] = (uint8_t)(len - 1);
		out[2] = device;
		out[3] = (uint8_t)desc;
		return nvmh_scsi_reply(cmd, out, len, cmd->cdb[4]);
	}
	scsi_put16(out, len - 2);
	out[3] = device;
	out[4] = desc && llba ? LONGLBA : 0;
	scsi_put16(out + 6, desc);
	return nvmh_scsi_reply(cmd, out, len, scsi_get16(cmd->cdb + 7));
}

int nvmh_scsi_mode_sense(struct nvmh_scsi_cmd *cmd)
{
	uint8_t code = cmd->cdb[2] & 0x3f, pc = cmd->cdb[2] >> 6, subpage = cmd->cdb[3];
	bool saves = nvmh_scsi_has_oncs(cmd, NVME_CTRL_ONCS_SAVE_FEATURES);

	if (cmd->p.step)
		return answer_sense(cmd, le32_get(cmd->req.cqe.dw0) & 1);
	if (pc == PC_SAVED)
		return nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
	if (code != PAGE_ALL && !page_bytes(code))
		return nvmh_scsi_bad_cdb(cmd, 2, 5);
	if (subpage && !(subpage == SUBPAGE_ALL && code == PAGE_ALL))
		return nvmh_scsi_bad_cdb(cmd, 3, -1);
	if (pc == PC_CHANGEABLE || !has_cache(cmd) || (code != PAGE_ALL && code != PAGE_CACHING))
		return answer_sense(cmd, false);
	return nvmh_scsi_feature(
		cmd, nvme_admin_get_features,
		NVME_FEAT_FID_VOLATILE_WC | (pc == PC_DEFAULT && saves ? SEL_DEFAULT : 0), 0);
}

/* ---- MODE SELECT ---- */

/* What the list changes. */
struct changes {
	bool has_wce, wce;
	bool has_desc, desc;
};

/* One page at @off of the list. Return: whether it is good; else the command has ended. */
static bool take_page(struct nvmh_scsi_cmd *cmd, const uint8_t *list, uint32_t off, uint32_t bytes,
		      struct changes *ch)
{
	uint8_t now[MAX_PAGE], mask[MAX_PAGE], code = list[off];

	put_page(cmd, code, PC_CHANGEABLE, false, mask);
	put_page(cmd, code, PC_CURRENT, false, now);
	for (uint32_t i = 2; i < bytes; i++) {
		uint8_t bad = (list[off + i] ^ now[i]) & (uint8_t)~mask[i];
		int bit = 7;

		if (!bad)
			continue;
		while (!(bad >> bit & 1))
			bit--;
		nvmh_scsi_bad_param(cmd, off + i, bit);
		return false;
	}
	if (code == PAGE_CACHING && has_cache(cmd)) {
		ch->has_wce = true;
		ch->wce = list[off + 2] & WCE;
	} else if (code == PAGE_CONTROL) {
		ch->has_desc = true;
		ch->desc = list[off + 2] & D_SENSE;
	}
	return true;
}

/* A block descriptor changes nothing: FORMAT UNIT keeps the block size. */
static bool check_block_desc(struct nvmh_scsi_cmd *cmd, const uint8_t *desc, uint32_t off,
			     bool longlba)
{
	const struct nvmh_ns *ns = cmd->p.ns;
	uint64_t blocks = longlba ? scsi_get64(desc) : scsi_get32(desc);
	uint32_t size = longlba ? scsi_get32(desc + 12) : scsi_get24(desc + 5);

	/* 0: as many as there are */
	if (blocks && blocks != ns->nsze && !(!longlba && blocks == UINT32_MAX))
		nvmh_scsi_bad_param(cmd, off, -1);
	else if (size != ns->lba_size)
		nvmh_scsi_bad_param(cmd, off + (longlba ? 12 : 5), -1);
	else
		return true;
	return false;
}

static bool length_error(struct nvmh_scsi_cmd *cmd)
{
	nvmh_scsi_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
	return false;
}

/* The whole list is checked before anything of it is done. */
static bool take_list(struct nvmh_scsi_cmd *cmd, uint32_t len, struct changes *ch)
{
	uint32_t header = cmd->cdb_len == 6 ? 4 : 8, desc, bytes;
	const uint8_t *list = cmd->data;
	bool longlba;

	if (len < header)
		return length_error(cmd);
	desc = header == 4 ? list[3] : scsi_get16(list + 6);
	longlba = header == 8 && list[4] & LONGLBA;
	if (desc && desc != (longlba ? 16 : 8)) {
		nvmh_scsi_bad_param(cmd, header == 4 ? 3 : 6, -1);
		return false;
	}
	if (desc > len - header)
		return length_error(cmd);
	if (desc && !check_block_desc(cmd, list + header, header, longlba))
		return false;
	for (uint32_t off = header + desc; off < len; off += bytes) {
		bytes = page_bytes(list[off]);
		if (!bytes) { /* PS and SPF are reserved, or not ours, too */
			nvmh_scsi_bad_param(cmd, off, -1);
			return false;
		}
		if (len - off < bytes)
			return length_error(cmd);
		if (list[off + 1] != bytes - 2) {
			nvmh_scsi_bad_param(cmd, off + 1, -1);
			return false;
		}
		if (!take_page(cmd, list, off, bytes, ch))
			return false;
	}
	return true;
}

int nvmh_scsi_mode_select(struct nvmh_scsi_cmd *cmd)
{
	uint32_t len = cmd->cdb_len == 6 ? cmd->cdb[4] : scsi_get16(cmd->cdb + 7);
	struct changes ch = { 0 };

	if (cmd->p.step) { /* the cache is switched: then what cannot fail */
		if (cmd->p.flags & 2)
			cmd->desc_sense = cmd->p.flags & 1;
		return nvmh_scsi_good(cmd);
	}
	if (cmd->cdb[1] & SELECT_SP)
		return nvmh_scsi_bad_cdb(cmd, 1, 0);
	if (!len)
		return nvmh_scsi_good(cmd);
	if (!(cmd->cdb[1] & SELECT_PF))
		return nvmh_scsi_bad_cdb(cmd, 1, 4);
	if (len > cmd->data_len) {
		length_error(cmd);
		return NVMH_SCSI_DONE;
	}
	if (!take_list(cmd, len, &ch))
		return NVMH_SCSI_DONE;
	cmd->p.moved = len;
	cmd->p.flags = (ch.has_desc ? 2u : 0) | (ch.desc ? 1u : 0);
	if (ch.has_wce)
		return nvmh_scsi_feature(cmd, nvme_admin_set_features, NVME_FEAT_FID_VOLATILE_WC,
					 ch.wce);
	if (ch.has_desc)
		cmd->desc_sense = ch.desc;
	return nvmh_scsi_good(cmd);
}
