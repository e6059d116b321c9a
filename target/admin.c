// SPDX-License-Identifier: BSD-2-Clause
/*
 * The admin command sets: the tables of an I/O controller and of a discovery controller, and the
 * commands too small for a file of their own. Runs on the admin queue's core. Entry points: the
 * tables.
 * NVM Express Base Specification 2.x, "Admin Command Set".
 */
#include "target/admin.h"

/* Its arrival was noted by the dispatcher, as that of every command. */
static void execute_keep_alive(struct nvmet_req *req)
{
	nvmet_req_complete(req, 0);
}

/*
 * Held Asynchronous Event Requests can be aborted. Everything else is at a backend, or waits for
 * the host or for a buffer, and ends by itself: the answer says that it was not aborted, as for a
 * command that does not exist.
 */
static void execute_abort(struct nvmet_req *req)
{
	uint32_t cdw10 = le32_get(req->sqe.cdw10);
	uint16_t sqid = cdw10 & 0xffff, cid = (uint16_t)(cdw10 >> 16);
	bool aborted = !sqid && nvmet_aer_abort(req->sq->ctrl, cid);

	req->result = aborted ? 0 : 1;
	nvmet_req_complete(req, 0);
}

const struct nvmet_cmd nvmet_admin_cmds[] = {
	{ nvme_admin_get_log_page, nvmet_get_log_prepare, nvmet_get_log_execute },
	{ nvme_admin_identify, nvmet_identify_prepare, nvmet_identify_execute },
	{ nvme_admin_abort_cmd, NULL, execute_abort },
	{ nvme_admin_set_features, nvmet_set_features_prepare, nvmet_set_features_execute },
	{ nvme_admin_get_features, nvmet_get_features_prepare, nvmet_get_features_execute },
	{ nvme_admin_async_event, NULL, nvmet_aer_execute },
	{ nvme_admin_keep_alive, NULL, execute_keep_alive },
};
const unsigned int nvmet_nr_admin_cmds = ARRAY_SIZE(nvmet_admin_cmds);

const struct nvmet_cmd nvmet_discovery_cmds[] = {
	{ nvme_admin_get_log_page, nvmet_get_log_prepare, nvmet_get_log_execute },
	{ nvme_admin_identify, nvmet_identify_prepare, nvmet_identify_execute },
	{ nvme_admin_set_features, nvmet_set_features_prepare, nvmet_set_features_execute },
	{ nvme_admin_get_features, nvmet_get_features_prepare, nvmet_get_features_execute },
	{ nvme_admin_async_event, NULL, nvmet_aer_execute },
	{ nvme_admin_keep_alive, NULL, execute_keep_alive },
};
const unsigned int nvmet_nr_discovery_cmds = ARRAY_SIZE(nvmet_discovery_cmds);
