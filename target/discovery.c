// SPDX-License-Identifier: BSD-2-Clause
/*
 * The discovery log: what a host may reach through the port it came in by. The log is not kept
 * anywhere: every command reads the part it asks for out of the state of that moment, under the
 * lock, with the generation counter. A host that reads in several commands reads the counter once
 * more at the end.
 * Records: this discovery service; the port's subsystems that admit the host; the port's referrals.
 * Entry points: nvmet_discovery_log_bytes(), nvmet_discovery_log_fill() on the admin queue's core;
 * nvmet_discovery_changed().
 * NVM Express Base Specification 2.x, "Discovery Log Page"; NVMe/TCP Transport, "Discovery Log Page
 * Entry".
 */
#include <stdio.h>

#include "common/stream.h"
#include "target/admin.h"

enum {
	RECORD_BYTES = sizeof(struct nvmf_disc_log_entry),
	HEADER_BYTES = sizeof(struct nvmf_discovery_log),
};

static_assert((int)RECORD_BYTES == 1024 && (int)HEADER_BYTES == 1024,
	      "header and records are of one size");

/*
 * The log as it is read: records are numbered as they come, those outside of the window only
 * counted.
 */
struct log_reader {
	const struct nvmet_req *req;
	struct nvmet_log_window *win; /* NULL: only count */
	uint64_t nr;
};

/* The place of the next record if the command asked for it: clean, else NULL. */
static struct nvmf_disc_log_entry *next_record(struct log_reader *log,
					       struct nvmf_disc_log_entry *record)
{
	uint64_t at = HEADER_BYTES + log->nr * RECORD_BYTES;

	if (!log->win || !nvmet_log_wants(log->win, at, RECORD_BYTES)) {
		log->nr++;
		return NULL;
	}
	memset(record, 0, sizeof(*record));
	return record;
}

static void put_record(struct log_reader *log, const struct nvmf_disc_log_entry *record)
{
	nvmet_log_put(log->win, HEADER_BYTES + log->nr * RECORD_BYTES, record, sizeof(*record));
	log->nr++;
}

static void put_text(char *field, size_t size, const char *text)
{
	memcpy(field, text, min_of(strlen(text), size - 1));
}

/* A scope ("%eth0") names an interface of this machine and means nothing to the host. */
static void put_address(struct nvmf_disc_log_entry *record, const char *traddr, uint16_t trsvcid)
{
	memcpy(record->traddr, traddr, min_of(strcspn(traddr, "%"), sizeof(record->traddr) - 1));
	snprintf(record->trsvcid, sizeof(record->trsvcid), "%u", trsvcid);
}

static void fill_record(struct nvmf_disc_log_entry *record, uint8_t subtype, uint16_t portid,
			const struct nvmet_port *port, const struct config_addr *addr)
{
	record->trtype = NVMF_TRTYPE_TCP;
	record->adrfam = addr->ipv6 ? NVMF_ADDR_FAMILY_IP6 : NVMF_ADDR_FAMILY_IP4;
	record->subtype = subtype;
	record->treq = (uint8_t)addr->treq | NVMF_TREQ_DISABLE_SQFLOW;
	record->portid = htole16(portid);
	record->cntlid = htole16(NVME_CNTLID_DYNAMIC);
	record->asqsz = htole16(nvmet_port_admin_entries(port));
	record->tsas.tcp.sectype = NVMF_TCP_SECTYPE_NONE;
}

static bool is_wildcard(const char *traddr)
{
	return !strcmp(traddr, "0.0.0.0") || !strcmp(traddr, "::");
}

/*
 * Where this port is, as the host may use it: in place of a wildcard the address that the host
 * reached, and the port number that we really got.
 */
static void put_port_address(struct nvmf_disc_log_entry *record, const struct nvmet_req *req,
			     const struct nvmet_port *port)
{
	char bound[CONFIG_ADDR_SIZE], reached[CONFIG_ADDR_SIZE];
	uint16_t trsvcid, unused;

	sock_addr_split(&port->addr, bound, sizeof(bound), &trsvcid);
	sock_addr_split(req->sq->local, reached, sizeof(reached), &unused);
	put_address(record, is_wildcard(port->cfg->addr.traddr) ? reached : port->cfg->addr.traddr,
		    trsvcid);
}

static void read_subsys(struct log_reader *log, const struct nvmet_subsys *subsys)
{
	const struct nvmet_port *port = log->req->sq->port;
	struct nvmf_disc_log_entry space, *record = next_record(log, &space);

	if (!record)
		return;
	fill_record(record, subsys->is_discovery ? NVME_NQN_CURR : NVME_NQN_NVME, port->cfg->portid,
		    port, &port->cfg->addr);
	/*
	 * Hosts keep a connection to a discovery service only if its own record says that they may.
	 */
	if (subsys->is_discovery)
		record->eflags = htole16(NVMF_DISC_EFLAGS_EPCSD | NVMF_DISC_EFLAGS_DUPRETINFO);
	put_port_address(record, log->req, port);
	put_text(record->subnqn, sizeof(record->subnqn), subsys->nqn);
	put_record(log, record);
}

static void read_referral(struct log_reader *log, const struct config_referral *referral)
{
	struct nvmf_disc_log_entry space, *record = next_record(log, &space);

	if (!record)
		return;
	fill_record(record, NVME_NQN_DISC, referral->portid, log->req->sq->port, &referral->addr);
	put_address(record, referral->addr.traddr, referral->addr.trsvcid);
	put_text(record->subnqn, sizeof(record->subnqn), NVME_DISC_SUBSYS_NAME);
	put_record(log, record);
}

/* All records, in order. The lock is held. */
static void read_records(struct log_reader *log)
{
	const struct nvmet_ctrl *ctrl = log->req->sq->ctrl;
	const struct nvmet_port *port = log->req->sq->port;

	read_subsys(log, ctrl->subsys);
	for (uint32_t i = 0; i < port->nr_subsystems; i++) {
		const struct nvmet_subsys *subsys = port->subsystems[i];

		if (!subsys->is_discovery && nvmet_subsys_host_allowed(subsys, ctrl->hostnqn))
			read_subsys(log, subsys);
	}
	for (uint32_t i = 0; i < port->cfg->nr_referrals; i++)
		if (port->cfg->referrals[i].enable)
			read_referral(log, &port->cfg->referrals[i]);
}

uint64_t nvmet_discovery_log_bytes(const struct nvmet_req *req)
{
	struct log_reader log = { .req = req };

	nvmet_lock();
	read_records(&log);
	nvmet_unlock();
	return HEADER_BYTES + log.nr * RECORD_BYTES;
}

void nvmet_discovery_log_fill(const struct nvmet_req *req, struct nvmet_log_window *win)
{
	struct log_reader log = { .req = req, .win = win };
	struct nvmf_discovery_log header = { 0 };

	nvmet_lock();
	read_records(&log);
	header.genctr = htole64(atomic_load(&nvmet.discovery_genctr));
	nvmet_unlock();
	header.numrec = htole64(log.nr);
	nvmet_log_put(win, 0, &header, sizeof(header));
}

void nvmet_discovery_changed(void)
{
	struct list *pos;

	atomic_fetch_add(&nvmet.discovery_genctr, 1);
	if (!nvmet.discovery)
		return;
	list_for_each(pos, &nvmet.discovery->ctrls)
		nvmet_ctrl_event(list_entry(pos, struct nvmet_ctrl, link), NVMET_EV_DISC_CHANGED);
}
