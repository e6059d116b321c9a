// SPDX-License-Identifier: BSD-2-Clause
/*
 * Identify: what a controller, its subsystem and its namespaces are. Runs on the admin queue's
 * core; namespaces are fixed once published, so only the lists of controllers need the lock.
 * Entry points: nvmet_identify_prepare(), nvmet_identify_execute().
 * NVM Express Base Specification 2.x, "Identify command"; NVM Command Set Specification 1.x,
 * section 4.1.5.
 */
#include "target/admin.h"

enum {
	IORCSZ = sizeof(struct nvme_cqe) / 16,
	NSFEAT_INDEPENDENT_VWCNP =
		1 << 5, /* CNS 08h: no volatile write cache here, whatever VWC says of the others */
	NSTAT_NRDY = 1 << 0,	       /* CNS 08h: ready */
	ID_NSID_MAX_LIST = 0xfffffffd, /* start of a list of namespaces */
	CDW11_CSI_SHIFT = 24,
	CDW10_CNTID_SHIFT = 16,
	VWC_FLUSH_BROADCAST_NO = 2 << 1, /* Flush does not take NSID FFFFFFFFh */
	ONCS_SELECT = NVME_CTRL_ONCS_SAVE_FEATURES,
	NS_LIST_MAX = NVME_ID_NS_LIST_MAX,
	/* What a host waits that was told to come back: CRD 1 to 3, in 100 ms. */
	CRDT1 = 1,
	CRDT2 = 10,
	CRDT3 = 50,
};

static uint8_t req_cns(const struct nvmet_req *req)
{
	return le32_get(req->sqe.cdw10) & 0xff;
}

static uint16_t req_cntid(const struct nvmet_req *req)
{
	return (uint16_t)(le32_get(req->sqe.cdw10) >> CDW10_CNTID_SHIFT);
}

static const struct nvmet_subsys *req_subsys(const struct nvmet_req *req)
{
	return req->sq->ctrl->subsys;
}

/* ---- controller ---- */

bool nvmet_subsys_has_vwc(const struct nvmet_subsys *subsys)
{
	for (uint32_t nsid = 1; nsid <= subsys->max_nsid; nsid++)
		if (subsys->ns[nsid] && subsys->ns[nsid]->vwc)
			return true;
	return false;
}

uint32_t nvmet_ctrl_oaes(const struct nvmet_ctrl *ctrl)
{
	return ctrl->subsys->is_discovery ? (uint32_t)NVME_CTRL_OAES_DL : NVME_CTRL_OAES_NA;
}

/* Optional NVM commands, as the table of the command set has them. */
static uint16_t subsys_oncs(void)
{
	static const struct {
		uint8_t opcode;
		uint16_t oncs;
	} optional[] = {
		{ nvme_cmd_compare, NVME_CTRL_ONCS_COMPARE },
		{ nvme_cmd_write_uncor, NVME_CTRL_ONCS_WRITE_UNCORRECTABLE },
		{ nvme_cmd_dsm, NVME_CTRL_ONCS_DSM },
		{ nvme_cmd_write_zeroes, NVME_CTRL_ONCS_WRITE_ZEROES },
		{ nvme_cmd_resv_register, NVME_CTRL_ONCS_RESERVATIONS },
		{ nvme_cmd_verify, NVME_CTRL_ONCS_VERIFY },
		{ nvme_cmd_copy, NVME_CTRL_ONCS_COPY },
	};
	uint16_t oncs = ONCS_SELECT;

	for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++)
		for (unsigned int j = 0; j < nvmet_nr_io_cmds; j++)
			if (nvmet_io_cmds[j].opcode == optional[i].opcode)
				oncs |= optional[i].oncs;
	return oncs;
}

/* Blocks, 0's based, that are written atomically on every namespace. */
static uint16_t subsys_awupf(const struct nvmet_subsys *subsys)
{
	uint16_t awupf = UINT16_MAX;

	for (uint32_t nsid = 1; nsid <= subsys->max_nsid; nsid++)
		if (subsys->ns[nsid])
			awupf = min_of(awupf, subsys->ns[nsid]->awupf);
	return subsys->nr_ns ? awupf : 0;
}

static void fill_ctrl_common(const struct nvmet_ctrl *ctrl, struct nvme_id_ctrl *id)
{
	const struct nvmet_subsys *subsys = ctrl->subsys;
	uint32_t icd = ctrl->port->cfg->in_capsule_bytes;

	id->vid = htole16(subsys->vid);
	id->ssvid = htole16(subsys->ssvid);
	str_pad(id->sn, sizeof(id->sn), subsys->serial);
	str_pad(id->mn, sizeof(id->mn), subsys->model);
	str_pad(id->fr, sizeof(id->fr), subsys->firmware);
	for (int i = 0; i < 3; i++)
		id->ieee[i] = (uint8_t)(subsys->ieee_oui >> 8 * i);
	id->mdts = (uint8_t)__builtin_ctz(ctrl->max_xfer / 4096);
	id->cntlid = htole16(ctrl->cntlid);
	id->ver = htole32(ctrl->vs);
	id->oaes = htole32(nvmet_ctrl_oaes(ctrl));
	id->ctratt = htole32(NVME_CTRL_CTRATT_128_ID | NVME_CTRL_CTRATT_TBKAS);
	id->crdt1 = htole16(CRDT1);
	id->crdt2 = htole16(CRDT2);
	id->crdt3 = htole16(CRDT3);
	id->aerl = MAX_AER - 1;
	id->lpa = NVME_CTRL_LPA_CMD_EFFECTS | NVME_CTRL_LPA_EXTENDED |
		  NVME_CTRL_LPA_LI0_LI5_LI12_LI13;
	id->kas = htole16(NVMET_KAS);
	id->maxcmd = htole16((uint16_t)(NVME_CAP_MQES(ctrl->cap) + 1));
	id->sgls = htole32(1u | NVME_CTRL_SGLS_TPORT | (icd ? NVME_CTRL_SGLS_OFFSET : 0));
	memcpy(id->subnqn, subsys->nqn, strlen(subsys->nqn));
	id->ioccsz = htole32((uint32_t)(sizeof(struct nvme_sqe) + icd) / 16);
	id->iorcsz = htole32(IORCSZ);
	id->msdbd = 1;
}

static void fill_ctrl(struct nvmet_req *req, void *data)
{
	const struct nvmet_ctrl *ctrl = req->sq->ctrl;
	const struct nvmet_subsys *subsys = ctrl->subsys;
	struct nvme_id_ctrl *id = data;

	fill_ctrl_common(ctrl, id);
	if (subsys->is_discovery) {
		id->cntrltype = NVME_CTRL_CNTRLTYPE_DISCOVERY;
		return;
	}
	id->cntrltype = NVME_CTRL_CNTRLTYPE_IO;
	id->cmic = NVME_CTRL_CMIC_MULTI_PORT | NVME_CTRL_CMIC_MULTI_CTRL;
	id->acl = MAX_ABORTS - 1;
	id->frmw = NVME_CTRL_FRMW_1ST_RO | 1 << 1; /* one slot */
	id->lpa |= NVME_CTRL_LPA_SMART_PER_NS;
	id->elpe = MAX_LOG_ERRORS - 1;
	id->wctemp = htole16(NVMET_WCTEMP_K);
	id->cctemp = htole16(NVMET_CCTEMP_K);
	id->sqes = 6 << 4 | 6;
	id->cqes = 4 << 4 | 4;
	id->nn = htole32(MAX_NSID);
	id->mnan = htole32(MAX_NSID);
	id->oncs = htole16(subsys_oncs());
	id->vwc = VWC_FLUSH_BROADCAST_NO |
		  (nvmet_subsys_has_vwc(subsys) ? NVME_CTRL_VWC_PRESENT : 0);
	id->awun = htole16(subsys_awupf(subsys));
	id->awupf = htole16(subsys_awupf(subsys));
	id->ofcs = htole16(NVME_CTRL_OFCS_DISCONNECT);
}

/* What the NVM command set adds about the controller: no limits of its own. */
static void fill_nothing(struct nvmet_req *req, void *data)
{
	(void)req;
	(void)data;
}

/* ---- namespaces ---- */

static uint8_t ns_dlfeat(const struct nvmet_ns *ns)
{
	if (!ns->can_discard || !ns->reads_zero_after_discard)
		return NVME_NS_DLFEAT_RB_NR;
	return NVME_NS_DLFEAT_RB_ALL_0S | NVME_NS_DLFEAT_WRITE_ZEROES;
}

/* 0's based */
static uint16_t hint_or(uint32_t hint, uint32_t otherwise)
{
	return htole16((uint16_t)((hint ? hint : otherwise) - 1));
}

static void fill_hints(const struct nvmet_ns *ns, struct nvme_id_ns *id)
{
	uint32_t granularity = BIT(min_of(ns->phys_shift - ns->lba_shift, 16));

	id->npwg = hint_or(ns->hints.npwg, granularity);
	id->npwa = hint_or(ns->hints.npwa, granularity);
	id->npdg = hint_or(ns->hints.npdg, granularity);
	id->npda = hint_or(ns->hints.npda, granularity);
	id->nows = hint_or(ns->hints.nows, granularity);
	id->noiob = htole16((uint16_t)ns->hints.noiob);
}

static void fill_ns(struct nvmet_req *req, void *data)
{
	const struct nvmet_ns *ns = nvmet_subsys_ns(req_subsys(req), nvmet_nsid(req));
	struct nvme_id_ns *id = data;
	uint64_t bytes;

	if (!ns)
		return; /* all zeroes say that it is inactive */
	id->nsze = id->ncap = id->nuse = htole64(ns->nsze);
	id->nsfeat = NVME_NS_FEAT_NATOMIC | NVME_NS_FEAT_IO_OPT;
	id->nmic = NVME_NS_NMIC_SHARED;
	id->dlfeat = ns_dlfeat(ns);
	id->nawun = id->nawupf = htole16(ns->awupf);
	bytes = htole64(ns->nsze << ns->lba_shift);
	memcpy(id->nvmcap, &bytes, sizeof(bytes));
	fill_hints(ns, id);
	id->nsattr = ns->read_only ? NVME_NS_NSATTR_WRITE_PROTECTED : 0;
	memcpy(id->nguid, ns->nguid, sizeof(id->nguid));
	memcpy(id->eui64, ns->eui64, sizeof(id->eui64));
	id->lbaf[0].ds = ns->lba_shift;
}

static void fill_ns_independent(struct nvmet_req *req, void *data)
{
	const struct nvmet_ns *ns = nvmet_subsys_ns(req_subsys(req), nvmet_nsid(req));
	struct nvme_id_independent_id_ns *id = data;

	if (!ns)
		return;
	id->nsfeat = ns->vwc ? 0 : NSFEAT_INDEPENDENT_VWCNP;
	id->nmic = NVME_NS_NMIC_SHARED;
	id->nsattr = ns->read_only ? NVME_NS_NSATTR_WRITE_PROTECTED : 0;
	id->nstat = atomic_load(&ns->away) ? 0 : NSTAT_NRDY;
}

static uint8_t *put_descriptor(uint8_t *p, uint8_t type, const void *id, uint8_t len)
{
	struct nvme_ns_id_desc *desc = (struct nvme_ns_id_desc *)p;

	desc->nidt = type;
	desc->nidl = len;
	memcpy(desc->nid, id, len);
	return desc->nid + len;
}

static bool is_set(const uint8_t *id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (id[i])
			return true;
	return false;
}

static void fill_ns_descriptors(struct nvmet_req *req, void *data)
{
	const struct nvmet_ns *ns = nvmet_subsys_ns(req_subsys(req), nvmet_nsid(req));
	const uint8_t csi = NVME_CSI_NVM;
	uint8_t *p = data;

	if (is_set(ns->eui64, sizeof(ns->eui64)))
		p = put_descriptor(p, NVME_NIDT_EUI64, ns->eui64, NVME_NIDT_EUI64_LEN);
	if (is_set(ns->nguid, sizeof(ns->nguid)))
		p = put_descriptor(p, NVME_NIDT_NGUID, ns->nguid, NVME_NIDT_NGUID_LEN);
	if (ns->has_uuid)
		p = put_descriptor(p, NVME_NIDT_UUID, ns->uuid, NVME_NIDT_UUID_LEN);
	put_descriptor(p, NVME_NIDT_CSI, &csi, NVME_NIDT_CSI_LEN);
}

static void fill_ns_list(struct nvmet_req *req, void *data)
{
	const struct nvmet_subsys *subsys = req_subsys(req);
	struct nvme_ns_list *list = data;
	uint32_t nr = 0;

	for (uint32_t nsid = nvmet_nsid(req) + 1; nsid <= subsys->max_nsid && nr < NS_LIST_MAX;
	     nsid++)
		if (subsys->ns[nsid])
			list->ns[nr++] = htole32(nsid);
}

/* ---- lists of controllers: those with CNTLID from CNTID on, ascending ---- */

static void insert_cntlid(struct nvme_ctrl_list *list, uint16_t *nr, uint16_t cntlid)
{
	uint16_t at = *nr;

	while (at && le16toh(list->identifier[at - 1]) > cntlid)
		at--;
	if (at == NVME_ID_CTRL_LIST_MAX)
		return;
	if (*nr < NVME_ID_CTRL_LIST_MAX)
		++*nr;
	memmove(&list->identifier[at + 1], &list->identifier[at],
		(size_t)(*nr - at - 1) * sizeof(list->identifier[0]));
	list->identifier[at] = htole16(cntlid);
}

static void fill_ctrl_list(struct nvmet_req *req, void *data)
{
	const struct nvmet_subsys *subsys = req_subsys(req);
	struct nvme_ctrl_list *list = data;
	uint16_t nr = 0;
	struct list *pos;

	nvmet_lock();
	list_for_each(pos, &subsys->ctrls) {
		const struct nvmet_ctrl *ctrl = list_entry(pos, struct nvmet_ctrl, link);

		if (ctrl->cntlid >= req_cntid(req) && !atomic_load(&ctrl->dead))
			insert_cntlid(list, &nr, ctrl->cntlid);
	}
	nvmet_unlock();
	list->num = htole16(nr);
}

/* Every namespace is attached to every controller. */
static void fill_ns_ctrl_list(struct nvmet_req *req, void *data)
{
	if (nvmet_subsys_ns(req_subsys(req), nvmet_nsid(req)))
		fill_ctrl_list(req, data);
}

/* One combination of I/O command sets: the NVM command set alone. */
static void fill_command_sets(struct nvmet_req *req, void *data)
{
	struct nvme_id_iocs *iocs = data;

	(void)req;
	iocs->iocsc[0] = htole64(BIT64(NVME_CSI_NVM));
}

/* ---- the command ---- */

static uint16_t check_nsid(struct nvmet_req *req)
{
	uint32_t nsid = nvmet_nsid(req);

	return nsid >= 1 && nsid <= MAX_NSID ? 0 : nvmet_req_bad_nsid(req);
}

static uint16_t check_active(struct nvmet_req *req)
{
	return nvmet_subsys_ns(req_subsys(req), nvmet_nsid(req)) ? 0 : nvmet_req_bad_nsid(req);
}

static uint16_t check_csi(struct nvmet_req *req)
{
	uint8_t csi = (uint8_t)(le32_get(req->sqe.cdw11) >> CDW11_CSI_SHIFT);

	return csi == NVME_CSI_NVM ? 0 : nvmet_req_bad_field(req, NVMET_LOC_CDW11 + 3);
}

static uint16_t check_nsid_csi(struct nvmet_req *req)
{
	uint16_t status = check_nsid(req);

	return status ? status : check_csi(req);
}

static uint16_t check_list(struct nvmet_req *req)
{
	return nvmet_nsid(req) <= ID_NSID_MAX_LIST ? 0 : nvmet_req_bad_nsid(req);
}

static uint16_t check_list_csi(struct nvmet_req *req)
{
	uint16_t status = check_list(req);

	return status ? status : check_csi(req);
}

static uint16_t check_own_cntid(struct nvmet_req *req)
{
	uint16_t cntid = req_cntid(req);

	if (cntid == NVME_CNTLID_DYNAMIC || cntid == req->sq->ctrl->cntlid)
		return 0;
	return nvmet_req_bad_field(req, NVMET_LOC_CDW10 + 2);
}

struct identify {
	uint8_t cns;
	bool discovery;				  /* discovery controllers have it, too */
	uint16_t (*check)(struct nvmet_req *req); /* NULL: nothing to check */
	/* Into 4096 zeroes. */
	void (*fill)(struct nvmet_req *req, void *data);
};

static const struct identify identifies[] = {
	{ NVME_IDENTIFY_CNS_NS, false, check_nsid, fill_ns },
	{ NVME_IDENTIFY_CNS_CTRL, true, NULL, fill_ctrl },
	{ NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, false, check_list, fill_ns_list },
	{ NVME_IDENTIFY_CNS_NS_DESC_LIST, false, check_active, fill_ns_descriptors },
	{ NVME_IDENTIFY_CNS_CSI_NS, false, check_nsid_csi, fill_nothing },
	{ NVME_IDENTIFY_CNS_CSI_CTRL, false, check_csi, fill_nothing },
	{ NVME_IDENTIFY_CNS_CSI_NS_ACTIVE_LIST, false, check_list_csi, fill_ns_list },
	{ NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, false, check_nsid, fill_ns_independent },
	{ NVME_IDENTIFY_CNS_NS_CTRL_LIST, false, check_nsid, fill_ns_ctrl_list },
	{ NVME_IDENTIFY_CNS_CTRL_LIST, false, NULL, fill_ctrl_list },
	{ NVME_IDENTIFY_CNS_COMMAND_SET_STRUCTURE, false, check_own_cntid, fill_command_sets },
};

static const struct identify *find_identify(const struct nvmet_req *req)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(identifies); i++)
		if (identifies[i].cns == req_cns(req) &&
		    (identifies[i].discovery || !req_subsys(req)->is_discovery))
			return &identifies[i];
	return NULL;
}

uint16_t nvmet_identify_prepare(struct nvmet_req *req)
{
	const struct identify *identify = find_identify(req);

	if (!identify)
		return nvmet_req_bad_field(req, NVMET_LOC_CDW10);
	req->dir = NVMET_TO_HOST;
	req->data_len = NVME_IDENTIFY_DATA_SIZE;
	return identify->check ? identify->check(req) : 0;
}

void nvmet_identify_execute(struct nvmet_req *req)
{
	memset(req->buf, 0, req->data_len);
	find_identify(req)->fill(req, req->buf);
	nvmet_req_complete(req, 0);
}
