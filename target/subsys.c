// SPDX-License-Identifier: BSD-2-Clause
/*
 * Subsystems: made from the configuration by the main thread, with their namespaces; found by any
 * core when a host connects. What a host sees of a subsystem (serial number, model, namespaces) is
 * the same after every restart.
 * Entry points: nvmet_subsys_create(), nvmet_discovery_create(), nvmet_subsys_free(),
 * nvmet_subsys_find(), nvmet_subsys_host_allowed().
 * NVM Express Base Specification 2.x, "NVM Subsystem Entity", "Discovery Service".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/nqn.h"
#include "common/uuid.h"
#include "target/subsys.h"

#define MODEL "nvmetcp"

enum {
	CNTLID_MIN = 1,
	CNTLID_MAX = CONFIG_MAX_CNTLID,
	SERIAL_DIGITS = 20,
};

/*
 * What the file leaves open: a serial number that follows from machine and NQN, our own name and
 * version.
 */
static int subsys_identify(struct nvmet_subsys *subsys, const char *serial, const char *model,
			   const char *firmware)
{
	uint8_t uuid[UUID_BYTES];
	int ret;

	snprintf(subsys->model, sizeof(subsys->model), "%s", model[0] ? model : MODEL);
	snprintf(subsys->firmware, sizeof(subsys->firmware), "%s",
		 firmware[0] ? firmware : NVMETCP_VERSION);
	if (serial[0]) {
		snprintf(subsys->serial, sizeof(subsys->serial), "%s", serial);
		return 0;
	}
	ret = uuid_from_name(nvmet.machine_uuid, subsys->nqn, strlen(subsys->nqn), uuid);
	if (ret)
		return ret;
	for (int i = 0; i < SERIAL_DIGITS / 2; i++)
		snprintf(subsys->serial + 2 * i, 3, "%02x", uuid[i]);
	return 0;
}

static struct nvmet_subsys *subsys_alloc(const char *nqn, uint32_t max_nsid)
{
	struct nvmet_subsys *subsys = calloc(1, sizeof(*subsys));

	if (!subsys)
		return NULL;
	list_init(&subsys->link);
	list_init(&subsys->ctrls);
	snprintf(subsys->nqn, sizeof(subsys->nqn), "%s", nqn);
	subsys->cntlid_min = subsys->cntlid_next = CNTLID_MIN;
	subsys->cntlid_max = CNTLID_MAX;
	subsys->max_nsid = max_nsid;
	subsys->ns = calloc((size_t)max_nsid + 1, sizeof(*subsys->ns));
	subsys->all = calloc((size_t)max_nsid + 1, sizeof(*subsys->all));
	if (!subsys->ns || !subsys->all) {
		free(subsys->ns);
		free(subsys->all);
		free(subsys);
		return NULL;
	}
	return subsys;
}

static int subsys_open_namespaces(struct nvmet_subsys *subsys, const struct config_subsystem *cfg)
{
	for (uint32_t i = 0; i < cfg->nr_namespaces; i++) {
		const struct config_namespace *ns = &cfg->namespaces[i];
		int ret;

		if (!ns->enable)
			continue;
		ret = nvmet_ns_create(subsys, ns, &subsys->all[ns->nsid]);
		if (ret)
			return ret;
	}
	return 0;
}

int nvmet_subsys_create(const struct config_subsystem *cfg, struct nvmet_subsys **subsysp)
{
	uint32_t max_nsid = cfg->nr_namespaces ? cfg->namespaces[cfg->nr_namespaces - 1].nsid : 0;
	struct nvmet_subsys *subsys = subsys_alloc(cfg->nqn, max_nsid);
	int ret;

	if (!subsys)
		return -ENOMEM;
	subsys->allow_any_host = cfg->allow_any_host;
	subsys->hosts = cfg->allowed_hosts;
	subsys->nr_hosts = cfg->nr_allowed_hosts;
	subsys->ieee_oui = cfg->ieee_oui;
	subsys->vid = cfg->vendor_id;
	subsys->ssvid = cfg->subsys_vendor_id;
	subsys->cntlid_min = subsys->cntlid_next = cfg->cntlid_min;
	subsys->cntlid_max = cfg->cntlid_max;
	subsys->qid_max = cfg->qid_max;
	if (nvmet.cfg)
		subsys->qid_max = min_of(cfg->qid_max, nvmet.cfg->daemon.max_io_queues);
	ret = subsys_identify(subsys, cfg->serial, cfg->model, cfg->firmware);
	if (!ret)
		ret = subsys_open_namespaces(subsys, cfg);
	if (ret)
		goto fail;
	nvmet_lock();
	list_add_tail(&nvmet.subsystems, &subsys->link);
	nvmet_unlock();
	*subsysp = subsys;
	return 0;
fail:
	nvmet_subsys_free(subsys);
	return ret;
}

int nvmet_discovery_create(void)
{
	struct nvmet_subsys *subsys = subsys_alloc(NQN_DISCOVERY, 0);
	int ret;

	if (!subsys)
		return -ENOMEM;
	subsys->is_discovery = true;
	subsys->allow_any_host = true;
	ret = subsys_identify(subsys, "", "", "");
	if (ret)
		goto fail;
	nvmet_lock();
	list_add(&nvmet.subsystems, &subsys->link);
	nvmet.discovery = subsys;
	nvmet_unlock();
	return 0;
fail:
	nvmet_subsys_free(subsys);
	return ret;
}

static void core_flush(void *arg)
{
	(void)arg;
}

void nvmet_subsys_free(struct nvmet_subsys *subsys)
{
	if (!subsys)
		return;
	/*
	 * An event on its way to a controller keeps it: once a core has come to this call, it is
	 * through with those.
	 */
	for (int i = 0; i < nvmet.nr_cores && !list_empty(&subsys->ctrls); i++)
		loop_call(nvmet.cores[i]->loop, core_flush, NULL);
	assert(list_empty(&subsys->ctrls));
	nvmet_lock();
	list_del(&subsys->link);
	if (nvmet.discovery == subsys)
		nvmet.discovery = NULL;
	nvmet_unlock();
	for (uint32_t nsid = 1; nsid <= subsys->max_nsid; nsid++)
		nvmet_ns_free(subsys->all[nsid]);
	free(subsys->all);
	free(subsys->ns);
	free(subsys);
}

struct nvmet_subsys *nvmet_subsys_find(struct nvmet_port *port, const char *nqn)
{
	if (nvmet.discovery && !strcmp(nqn, nvmet.discovery->nqn))
		return nvmet.discovery;
	for (uint32_t i = 0; i < port->nr_subsystems; i++)
		if (!strcmp(nqn, port->subsystems[i]->nqn))
			return port->subsystems[i];
	return NULL;
}

bool nvmet_subsys_host_allowed(const struct nvmet_subsys *subsys, const char *hostnqn)
{
	if (subsys->allow_any_host)
		return true;
	for (uint32_t i = 0; i < subsys->nr_hosts; i++)
		if (!strcmp(hostnqn, subsys->hosts[i]))
			return true;
	return false;
}
