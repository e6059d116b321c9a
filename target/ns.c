// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces: opening the backend, the identity that hosts know them by, counting. Life cycle on
 * the main thread, nvmet_ns_submit() and nvmet_ns_complete() on the core of the request.
 */
#include "target/ns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/uuid.h"
#include "target/subsys.h"

static const struct nvmet_ns_ops *ns_ops(enum config_device device)
{
	switch (device) {
	case CONFIG_DEVICE_PCI:
	case CONFIG_DEVICE_REMOTE:
		return &nvmet_ns_pcie_ops;
	case CONFIG_DEVICE_PATH:
		return &nvmet_ns_uring_ops;
	case CONFIG_DEVICE_MEM:
		return &nvmet_ns_mem_ops;
	case CONFIG_DEVICE_NULL:
		return &nvmet_ns_null_ops;
	default:
		return NULL;
	}
}

static bool all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/*
 * What the file says wins; then what the device has (the drive's own identifiers); else a UUID that
 * stays the same on this machine for this subsystem, NSID and device.
 */
static int ns_identify(struct nvmet_ns *ns, const struct config_namespace *cfg)
{
	char name[MAX_NQN_BYTES + CONFIG_PATH_SIZE + 64];

	if (cfg->has_uuid || cfg->has_nguid || cfg->has_eui64) {
		ns->has_uuid = cfg->has_uuid;
		memcpy(ns->uuid, cfg->uuid, sizeof(ns->uuid));
		memcpy(ns->nguid, cfg->nguid, sizeof(ns->nguid));
		memcpy(ns->eui64, cfg->eui64, sizeof(ns->eui64));
	}
	if (ns->has_uuid || !all_zero(ns->nguid, sizeof(ns->nguid)) ||
	    !all_zero(ns->eui64, sizeof(ns->eui64)))
		return 0;
	snprintf(name, sizeof(name), "%s %u %s %s %u", ns->subsys->nqn, ns->nsid,
		 config_device_name(cfg->device),
		 cfg->path	      ? cfg->path
		 : cfg->remote.subnqn ? cfg->remote.subnqn
				      : cfg->bdf,
		 cfg->dev_nsid);
	ns->has_uuid = true;
	return uuid_from_name(nvmet.machine_uuid, name, strlen(name), ns->uuid);
}

static int ns_check(const struct nvmet_ns *ns)
{
	if (ns->lba_shift >= 9 && ns->lba_shift <= 16 && ns->nsze &&
	    ns->nsze <= (UINT64_MAX >> ns->lba_shift) && ns->max_xfer >= 4096 &&
	    ns->max_xfer >= 1u << ns->lba_shift)
		return 0;
	log_err("namespace has an impossible geometry nsid=%u blocks=%llu block_shift=%u", ns->nsid,
		(unsigned long long)ns->nsze, ns->lba_shift);
	return -EINVAL;
}

static void tell_hosts(struct nvmet_ns *ns)
{
	struct list *pos;

	list_for_each(pos, &ns->subsys->ctrls)
		nvmet_ctrl_ns_changed(list_entry(pos, struct nvmet_ctrl, link), ns->nsid);
}

int nvmet_ns_appear(struct nvmet_ns *ns)
{
	int ret = ns_check(ns);

	if (!ret)
		ret = ns_identify(ns, ns->cfg);
	if (ret)
		return ret;
	if (ns->phys_shift < ns->lba_shift)
		ns->phys_shift = ns->lba_shift;
	nvmet_lock();
	if (!ns->present) {
		ns->present = true;
		ns->subsys->ns[ns->nsid] = ns;
		ns->subsys->nr_ns++;
		tell_hosts(ns);
	}
	nvmet_unlock();
	return 0;
}

int nvmet_ns_create(struct nvmet_subsys *subsys, const struct config_namespace *cfg,
		    struct nvmet_ns **nsp)
{
	struct nvmet_ns *ns = calloc(1, sizeof(*ns));
	int ret = -ENOMEM;

	if (!ns)
		return ret;
	ns->subsys = subsys;
	ns->cfg = cfg;
	ns->nsid = cfg->nsid;
	ns->read_only = cfg->read_only;
	ns->anagrpid = cfg->ana_grpid;
	ns->max_xfer = MAX_XFER_BYTES;
	ns->stats = aligned_alloc(64, sizeof(*ns->stats) * (size_t)max_of(nvmet.nr_cores, 1));
	if (!ns->stats)
		goto fail;
	memset(ns->stats, 0, sizeof(*ns->stats) * (size_t)max_of(nvmet.nr_cores, 1));
	ret = -EINVAL;
	ns->ops = ns_ops(cfg->device);
	if (!ns->ops)
		goto fail;
	ret = ns->ops->open(ns, cfg);
	if (!ret)
		ret = nvmet_ns_appear(ns);
	if (ret < 0)
		goto fail;
	*nsp = ns;
	return 0;
fail:
	nvmet_ns_free(ns);
	return ret;
}

void nvmet_ns_free(struct nvmet_ns *ns)
{
	if (!ns)
		return;
	if (ns->ops)
		ns->ops->close(ns);
	free(ns->stats);
	free(ns);
}

struct attach_call {
	struct nvmet_ns *ns;
	struct nvmet_core *core;
	int ret;
};

static void attach_on_core(void *arg)
{
	struct attach_call *call = arg;

	call->ret = call->ns->ops->attach(call->ns, call->core);
}

static void detach_on_core(void *arg)
{
	struct attach_call *call = arg;

	call->ns->ops->detach(call->ns, call->core);
}

static void detach_first(struct nvmet_ns *ns, int nr)
{
	for (int i = 0; ns->ops->detach && i < nr; i++) {
		struct attach_call call = { ns, nvmet.cores[i], 0 };

		loop_call(nvmet.cores[i]->loop, detach_on_core, &call);
	}
}

int nvmet_ns_attach_cores(struct nvmet_ns *ns)
{
	for (int i = 0; ns->ops->attach && i < nvmet.nr_cores; i++) {
		struct attach_call call = { ns, nvmet.cores[i], 0 };

		loop_call(nvmet.cores[i]->loop, attach_on_core, &call);
		if (call.ret) {
			log_err("cannot use namespace %u on core %d: %s", ns->nsid, i,
				strerror(-call.ret));
			detach_first(ns, i);
			return call.ret;
		}
	}
	ns->attached = true;
	return 0;
}

void nvmet_ns_detach_cores(struct nvmet_ns *ns)
{
	if (ns->attached)
		detach_first(ns, nvmet.nr_cores);
	ns->attached = false;
}

bool nvmet_ns_map(struct nvmet_req *req)
{
	struct nvmet_ns *ns = req->ns;

	/* Compare, too, reads blocks and has data from the host: not the same. */
	if (!ns || !ns->ops->map ||
	    !((req->op == NVMET_OP_READ && req->dir == NVMET_TO_HOST) ||
	      (req->op == NVMET_OP_WRITE && req->dir == NVMET_FROM_HOST)))
		return false;
	req->mapped = ns->ops->map(req);
	return req->mapped;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	/* Only this core writes: no read-modify-write on the bus. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void end(struct nvmet_req *req, uint16_t status)
{
	if (unlikely(req->done)) {
		req->status = status;
		req->done(req);
		return;
	}
	nvmet_req_complete(req, status);
}

void nvmet_ns_submit(struct nvmet_req *req)
{
	struct nvmet_ns *ns = req->ns;
	struct nvmet_ns_stats *st = &ns->stats[req->sq->core->index];
	uint16_t away = atomic_load_explicit(&ns->away, memory_order_relaxed);

	if (unlikely(away)) {
		end(req, away);
		return;
	}
	switch (req->op) {
	case NVMET_OP_READ:
		count(&st->read_cmds, 1);
		count(&st->read_blocks, req->nlb);
		break;
	case NVMET_OP_WRITE:
		count(&st->write_cmds, 1);
		count(&st->write_blocks, req->nlb);
		break;
	default:
		count(&st->other_cmds, 1);
	}
	ns->ops->submit(req);
}

void nvmet_ns_complete(struct nvmet_req *req, uint16_t status)
{
	struct nvmet_ns_stats *st = &req->ns->stats[req->sq->core->index];

	if (unlikely((status & ST_MASK) >> 8 == NVME_SCT_MEDIA)) /* what SMART calls media errors */
		count(&st->errors, 1);
	count(&st->done_cmds, 1);
	end(req, status);
}

/* A queue that moves to another core takes the end of a request there: only the sums say something. */
uint64_t nvmet_ns_under_way(const struct nvmet_ns *ns)
{
	uint64_t came = 0, done = 0;

	for (int i = 0; i < nvmet.nr_cores; i++)
		done += atomic_load(&ns->stats[i].done_cmds);
	for (int i = 0; i < nvmet.nr_cores; i++)
		came += atomic_load(&ns->stats[i].read_cmds) +
			atomic_load(&ns->stats[i].write_cmds) +
			atomic_load(&ns->stats[i].other_cmds);
	return came - done;
}

void nvmet_ns_set_state(struct nvmet_ns *ns, uint16_t away, uint64_t nsze)
{
	uint16_t was = atomic_load(&ns->away);
	uint64_t blocks = atomic_load(&ns->nsze);

	if (!away && blocks != nsze)
		atomic_store(&ns->nsze, nsze);
	else if (was == away)
		return;
	atomic_store(&ns->away, away);
	nvmet_lock();
	if (ns->present) {
		log_notice("namespace %s subsystem=%s nsid=%u blocks=%llu",
			   was && !away	   ? "is back"
			   : !away	   ? "has another size"
			   : away & ST_DNR ? "is not usable, hosts are told not to retry"
					   : "is away, hosts are told to retry",
			   ns->subsys->nqn, ns->nsid, (unsigned long long)atomic_load(&ns->nsze));
		tell_hosts(ns);
	}
	nvmet_unlock();
}
