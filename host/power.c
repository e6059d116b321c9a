// SPDX-License-Identifier: BSD-2-Clause
/*
 * Power states: which there are, which it is, and that a reset does not lose the one that was
 * chosen. The controller's thread. Entry points: nvmh_power_state(), nvmh_get_power(),
 * nvmh_set_power(), nvmh_pcie_step_power(). NVM Express Base Specification 2.x, "Power Management",
 * "Power State Descriptor", "Autonomous Power State Transition".
 */
#include <errno.h>

#include "common/log.h"
#include "host/ctrl.h"
#include "host/quirks.h"

enum {
	MAX_NPSS = 31,
	PSD_MXPS = 1 << 0, /* maximum power in 0.0001 W, else 0.01 W */
	PSD_NOPS = 1 << 1,
	PSD_SCALE_SHIFT = 6, /* of idle power: 1: 0.0001 W, 2: 0.01 W */
	UW_FINE = 100,
	UW_COARSE = 10000,
	REL_MASK = 0x1f,
	PS_MASK = 0x1f,
	APST_BYTES = 256,
};

bool nvmh_power_state(const struct nvmh_ctrl *ctrl, uint8_t index, struct nvmh_power_state *ps)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(ctrl);
	const struct nvme_id_psd *psd;
	uint8_t scale;

	if (index > id->npss || index > MAX_NPSS)
		return false;
	psd = &id->psd[index];
	scale = psd->ips >> PSD_SCALE_SHIFT;
	*ps = (struct nvmh_power_state){
		.max_uw = le16toh(psd->mp) * UINT64_C(1) *
			  (psd->flags & PSD_MXPS ? UW_FINE : UW_COARSE),
		.idle_uw = le16toh(psd->idlp) * UINT64_C(1) *
			   (scale == 1	 ? UW_FINE
			    : scale == 2 ? UW_COARSE
					 : 0),
		.entry_us = le32toh(psd->enlat),
		.exit_us = le32toh(psd->exlat),
		.non_operational = psd->flags & PSD_NOPS,
		.read_throughput = psd->rrt & REL_MASK,
		.read_latency = psd->rrl & REL_MASK,
		.write_throughput = psd->rwt & REL_MASK,
		.write_latency = psd->rwl & REL_MASK,
	};
	return true;
}

int nvmh_get_power(struct nvmh_ctrl *ctrl, uint8_t *indexp)
{
	uint32_t value;
	int ret = nvmh_get_features(ctrl, 0, NVME_FEAT_FID_POWER_MGMT,
				    NVME_GET_FEATURES_SEL_CURRENT, 0, NULL, 0, &value);

	if (!ret)
		*indexp = value & PS_MASK;
	return ret;
}

int nvmh_set_power(struct nvmh_ctrl *ctrl, uint8_t index)
{
	struct nvmh_power_state ps;

	if (!nvmh_power_state(ctrl, index, &ps))
		return nvmh_error(-EINVAL, "%s: power state %u is none of its 0 to %u", ctrl->name,
				  index, nvmh_ctrl_id(ctrl)->npss);
	return nvmh_set_features(ctrl, 0, NVME_FEAT_FID_POWER_MGMT, false, index, NULL, 0, NULL);
}

void nvmh_power_note(struct nvmh_ctrl *ctrl, const struct nvmh_req *req)
{
	if (req->sqe.opcode != nvme_admin_set_features ||
	    (le32_get(req->sqe.cdw10) & 0xff) != NVME_FEAT_FID_POWER_MGMT)
		return;
	ctrl->power.chosen = true;
	ctrl->power.value = le32_get(req->sqe.cdw11);
}

/* That it does not change power states by itself: a table of nothing, disabled. */
static int apst_off(struct nvmh_ctrl *ctrl)
{
	struct nvme_sqe sqe = { .opcode = nvme_admin_set_features,
				.cdw10 = le32_make(NVME_FEAT_FID_AUTO_PST) };
	int ret;

	if (!ctrl->step_req_state)
		memset(ctrl->step_buf, 0, APST_BYTES);
	ret = nvmh_step_cmd(ctrl, &sqe, NVMH_TO_CTRL, ctrl->step_buf, APST_BYTES);
	if (!ret && ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Set Features Autonomous Power State Transition");
		log_warn("the drive may change its power state by itself name=\"%s\" reason=\"%s\"",
			 ctrl->name, nvmh_strerror());
	}
	return ret;
}

static int choose_again(struct nvmh_ctrl *ctrl)
{
	struct nvme_sqe sqe = { .opcode = nvme_admin_set_features,
				.cdw10 = le32_make(NVME_FEAT_FID_POWER_MGMT),
				.cdw11 = le32_make(ctrl->power.value) };
	int ret = nvmh_step_cmd(ctrl, &sqe, NVMH_NO_DATA, NULL, 0);

	if (!ret && ctrl->step_req.status) {
		nvmh_step_status(ctrl, "Set Features Power Management");
		log_warn("the power state is not what was chosen name=\"%s\" ps=%u reason=\"%s\"",
			 ctrl->name, ctrl->power.value & PS_MASK, nvmh_strerror());
	}
	return ret;
}

/* The last of a bring-up, for the state may be one in which it is slow. Positions: 0 transitions by
 * itself, 1 the state. Neither is worth failing for. */
int nvmh_pcie_step_power(struct nvmh_ctrl *ctrl)
{
	bool off = ctrl->quirks & (NVMH_QUIRK_NO_APST | NVMH_QUIRK_NO_DEEPEST_PS);
	int ret;

	if (ctrl->step_index == 0) {
		ret = off && ctrl->id.apsta & 1 ? apst_off(ctrl) : 0;
		if (ret)
			return ret;
		ctrl->step_index = 1;
	}
	return ctrl->power.chosen ? choose_again(ctrl) : 0;
}
