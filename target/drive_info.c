// SPDX-License-Identifier: BSD-2-Clause
/*
 * The list of drives, local and remote: what each controller says of itself, and that as JSON.
 * Filled in by the controller's thread, the rest any. Entry points: nvmet_drive_info_fill(),
 * nvmet_drive_info_json().
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/util.h"
#include "target/drive_cmd.h"

int nvmet_drive_info_fill(struct nvmet_drive_info *info, struct nvmh_ctrl *ctrl)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(ctrl);
	uint32_t nr = nvmh_ctrl_nr_ns(ctrl);

	info->open = true;
	info->state = (uint8_t)nvmh_ctrl_state(ctrl);
	snprintf(info->error, sizeof(info->error), "%s", nvmh_ctrl_error(ctrl));
	memcpy(info->sn, id->sn, sizeof(info->sn));
	memcpy(info->mn, id->mn, sizeof(info->mn));
	memcpy(info->fr, id->fr, sizeof(info->fr));
	info->cntlid = le16toh(id->cntlid);
	info->ns = calloc(nr + 1, sizeof(*info->ns));
	if (!info->ns)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		const struct nvmh_ns *ns = nvmh_ctrl_ns(ctrl, i);

		if (!ns)
			continue;
		info->ns[info->nr_ns++] = (struct nvmet_drive_ns_info){
			.nsid = ns->nsid,
			.lba_size = ns->lba_size,
			.ms = ns->ms,
			.nsze = ns->nsze,
			.csi = ns->csi,
		};
	}
	return 0;
}

void nvmet_drive_info_free(struct nvmet_drive_info *info, int nr)
{
	for (int i = 0; i < nr; i++)
		free(info[i].ns);
	free(info);
}

static struct json_object *ns_info_json(const struct nvmet_drive_ns_info *ns)
{
	struct json_object *obj = json_object_new_object();

	nvmet_rpc_put_uint(obj, "nsid", ns->nsid);
	nvmet_rpc_put_uint(obj, "lba_size", ns->lba_size);
	nvmet_rpc_put_uint(obj, "nsze", ns->nsze);
	nvmet_rpc_put_uint(obj, "ms", ns->ms);
	nvmet_rpc_put_uint(obj, "csi", ns->csi);
	nvmet_rpc_put_text(obj, "used_by", "%s", ns->user);
	return obj;
}

static void put_open(struct json_object *obj, const struct nvmet_drive_info *info)
{
	struct json_object *list = json_object_new_array();

	nvmet_rpc_put_text(obj, "state", "%s", nvmh_state_name(info->state));
	if (info->error[0])
		nvmet_rpc_put_field(obj, "reason", info->error, sizeof(info->error));
	nvmet_rpc_put_field(obj, "serial", info->sn, sizeof(info->sn));
	nvmet_rpc_put_field(obj, "model", info->mn, sizeof(info->mn));
	nvmet_rpc_put_field(obj, "firmware", info->fr, sizeof(info->fr));
	nvmet_rpc_put_uint(obj, "cntlid", info->cntlid);
	for (uint32_t i = 0; list && i < info->nr_ns; i++)
		json_object_array_add(list, ns_info_json(&info->ns[i]));
	nvmet_rpc_put(obj, "namespaces", list);
}

static void put_local(struct json_object *obj, const struct nvmh_pci_info *pci)
{
	nvmet_rpc_put_text(obj, "traddr", "%s", pci->bdf);
	nvmet_rpc_put_text(obj, "vendor", "0x%04x", pci->vendor);
	nvmet_rpc_put_text(obj, "device", "0x%04x", pci->device);
	nvmet_rpc_put(obj, "numa_node", json_object_new_int(pci->numa_node));
	nvmet_rpc_put(obj, "iommu_group", json_object_new_int(pci->iommu_group));
	nvmet_rpc_put_text(obj, "driver", "%s", pci->driver);
}

static void put_remote(struct json_object *obj, const struct nvmet_drive_info *info)
{
	nvmet_rpc_put_text(obj, "subnqn", "%s", info->remote);
	nvmet_rpc_put_text(obj, "address", "%s", info->at);
	if (info->open)
		return;
	nvmet_rpc_put_text(obj, "state", "closed");
	nvmet_rpc_put_field(obj, "reason", info->error, sizeof(info->error));
}

struct json_object *nvmet_drive_info_json(const struct nvmet_drive_info *info, int nr)
{
	struct json_object *root = json_object_new_object();
	struct json_object *drives = json_object_new_array(), *remotes = json_object_new_array();

	for (int i = 0; drives && remotes && i < nr; i++) {
		struct json_object *obj = json_object_new_object();

		if (info[i].remote[0])
			put_remote(obj, &info[i]);
		else
			put_local(obj, &info[i].pci);
		if (info[i].open)
			put_open(obj, &info[i]);
		json_object_array_add(info[i].remote[0] ? remotes : drives, obj);
	}
	nvmet_rpc_put(root, "drives", drives);
	nvmet_rpc_put(root, "remotes", remotes);
	return root;
}
