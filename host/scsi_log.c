// SPDX-License-Identifier: BSD-2-Clause
/*
 * How the drive is: LOG SENSE (temperature, solid state media, informational exceptions), REQUEST
 * SENSE, TEST UNIT READY. Any thread. Entry points: nvmh_scsi_log_sense(),
 * nvmh_scsi_request_sense(), nvmh_scsi_test_unit_ready(). NVM Express: SCSI Translation Reference
 * 1.5; SPC-4, SBC-3; NVM Express Base Specification 2.x, "SMART / Health Information".
 */
#include "host/scsi.h"

enum {
	PAGE_SUPPORTED = 0x00,
	PAGE_TEMPERATURE = 0x0d,
	PAGE_SOLID_STATE = 0x11,
	PAGE_EXCEPTIONS = 0x2f,
	PC_CUMULATIVE = 1,
	PARAM_HEADER = 4,
	LOG_HEADER = 4,
	FORMAT_LIST = 3, /* binary: FORMAT AND LINKING */
	KELVIN = 273,
	UNKNOWN = 0xff,
	DESC_SENSE = 1,
	PS_MASK = 0x1f,
	WARN_SPARE = 1 << 0,
	WARN_TEMPERATURE = 1 << 1,
};

static bool is_page(uint8_t code)
{
	return code == PAGE_SUPPORTED || code == PAGE_TEMPERATURE || code == PAGE_SOLID_STATE ||
	       code == PAGE_EXCEPTIONS;
}

/* Degrees Celsius, as a byte. */
static uint8_t celsius(uint32_t kelvin)
{
	if (!kelvin)
		return UNKNOWN;
	return (uint8_t)(kelvin < KELVIN ? 0 : min_of(kelvin - KELVIN, 254u));
}

static uint8_t *put_param(uint8_t *to, uint16_t code, uint8_t len)
{
	scsi_put16(to, code);
	to[2] = FORMAT_LIST;
	to[3] = len;
	return to + PARAM_HEADER;
}

static uint32_t put_temperature(const struct nvmh_scsi_cmd *cmd, const struct nvme_smart_log *log,
				uint8_t *to)
{
	put_param(to, 0, 2)[1] = celsius((uint32_t)log->temperature[1] << 8 | log->temperature[0]);
	/* where warnings begin */
	put_param(to + 6, 1, 2)[1] = celsius(le16toh(cmd->p.id->wctemp));
	return 12;
}

static uint32_t put_solid_state(const struct nvme_smart_log *log, uint8_t *to)
{
	put_param(to, 1, 4)[3] = log->percent_used;
	return 8;
}

static uint32_t put_exceptions(const struct nvme_smart_log *log, uint8_t *to)
{
	uint32_t asc = ASC_NONE;
	uint8_t *param = put_param(to, 0, 4);

	if (log->critical_warning == WARN_TEMPERATURE)
		asc = ASC_WARNING_TEMPERATURE;
	else if (log->critical_warning)
		asc = ASC_FAILURE_PREDICTED;
	scsi_put16(param, asc);
	param[2] = celsius((uint32_t)log->temperature[1] << 8 | log->temperature[0]);
	return 8;
}

static int answer(struct nvmh_scsi_cmd *cmd)
{
	static const uint8_t codes[] = { PAGE_SUPPORTED, PAGE_TEMPERATURE, PAGE_SOLID_STATE,
					 PAGE_EXCEPTIONS };
	uint8_t page[32] = { cmd->cdb[2] & 0x3f };
	struct nvme_smart_log log;
	uint32_t len;

	memcpy(&log, cmd->scratch, sizeof(log));
	switch (page[0]) {
	case PAGE_SUPPORTED:
		len = sizeof(codes);
		memcpy(page + LOG_HEADER, codes, len);
		break;
	case PAGE_TEMPERATURE:
		len = put_temperature(cmd, &log, page + LOG_HEADER);
		break;
	case PAGE_SOLID_STATE:
		len = put_solid_state(&log, page + LOG_HEADER);
		break;
	default:
		len = put_exceptions(&log, page + LOG_HEADER);
	}
	scsi_put16(page + 2, len);
	return nvmh_scsi_reply(cmd, page, LOG_HEADER + len, scsi_get16(cmd->cdb + 7));
}

int nvmh_scsi_log_sense(struct nvmh_scsi_cmd *cmd)
{
	uint8_t code = cmd->cdb[2] & 0x3f;

	if (cmd->p.step)
		return answer(cmd);
	if (cmd->cdb[2] >> 6 != PC_CUMULATIVE)
		return nvmh_scsi_bad_cdb(cmd, 2, 7);
	if (!is_page(code))
		return nvmh_scsi_bad_cdb(cmd, 2, 5);
	if (cmd->cdb[3])
		return nvmh_scsi_bad_cdb(cmd, 3, -1);
	if (scsi_get16(cmd->cdb + 5))
		return nvmh_scsi_bad_cdb(cmd, 5, -1);
	if (code == PAGE_SUPPORTED)
		return answer(cmd);
	nvmh_scsi_send(cmd, NVMH_SCSI_ADMIN, nvme_admin_get_log_page, cmd->scratch,
		       sizeof(struct nvme_smart_log));
	cmd->req.sqe.nsid = le32_make(NVME_NSID_BROADCAST);
	cmd->req.sqe.cdw10 =
		le32_make((sizeof(struct nvme_smart_log) / 4 - 1) << 16 | NVME_LOG_LID_SMART);
	return NVMH_SCSI_ADMIN;
}

/* ---- REQUEST SENSE, TEST UNIT READY ---- */

/* There is no sense data left of an earlier command: what is told is how the drive is. */
int nvmh_scsi_request_sense(struct nvmh_scsi_cmd *cmd)
{
	uint8_t sense[NVMH_SCSI_SENSE_BYTES];
	bool desc = cmd->cdb[1] & DESC_SENSE;
	enum scsi_key key = KEY_NO_SENSE;
	enum scsi_asc asc = ASC_NONE;
	uint8_t len;

	if (cmd->p.ns && cmd->p.id->npss && !cmd->p.step) {
		cmd->p.tolerant = true; /* it may not have the feature all the same */
		return nvmh_scsi_feature(cmd, nvme_admin_get_features, NVME_FEAT_FID_POWER_MGMT, 0);
	}
	if (!cmd->p.ns) {
		key = KEY_ILLEGAL_REQUEST;
		asc = ASC_NO_LU;
	} else if (cmd->p.step && !cmd->req.status && le32_get(cmd->req.cqe.dw0) & PS_MASK) {
		asc = ASC_LOW_POWER;
	}
	len = nvmh_scsi_sense(sense, desc, key, asc);
	return nvmh_scsi_reply(cmd, sense, len, cmd->cdb[4]);
}

int nvmh_scsi_test_unit_ready(struct nvmh_scsi_cmd *cmd)
{
	return cmd->p.live ? nvmh_scsi_good(cmd)
			   : nvmh_scsi_fail(cmd, KEY_NOT_READY, ASC_BECOMING_READY);
}
