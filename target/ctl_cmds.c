// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of nvmetcpctl: words and options, which are nvme-cli's, and the methods they mean.
 * Entry point: nvmet_ctl_cmds.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/nvme.h"
#include "target/ctl.h"
#include "target/rpc_json.h"

enum {
	LOG_PART = 4096, /* what every drive sends at once */
	MAX_LOG = 64 << 20,
	DEFAULT_CNS = NVME_IDENTIFY_CNS_CTRL,
};

#define NUM(oname, oletter, oparam, ohelp)                      \
	{                                                       \
		oname, oletter, NVMET_CTL_NUMBER, oparam, ohelp \
	}
#define FLAG(oname, oletter, oparam, ohelp)                   \
	{                                                     \
		oname, oletter, NVMET_CTL_FLAG, oparam, ohelp \
	}
#define NSID	NUM("namespace-id", 'n', "nsid", "namespace")
#define RAW	FLAG("raw-binary", 'b', NULL, "the data as they are, to standard output")
#define TIMEOUT NUM("timeout", 't', "timeout_ms", "milliseconds until the command is given up")
#define FORCE	FLAG("force", 0, "force", "ask nothing, and although somebody uses the namespace")
#define TEXT(oname, oletter, oparam, ohelp)                   \
	{                                                     \
		oname, oletter, NVMET_CTL_TEXT, oparam, ohelp \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

static bool has(struct nvmet_ctl_run *run, const char *name)
{
	struct json_object *val;

	return json_object_object_get_ex(run->params, name, &val);
}

static uint64_t number(struct json_object *obj, const char *name, uint64_t otherwise)
{
	struct json_object *val;

	return json_object_object_get_ex(obj, name, &val) ? json_object_get_uint64(val) : otherwise;
}

/* ---- identify ---- */

static int prepare_identify(struct nvmet_ctl_run *run)
{
	if (!has(run, "cns"))
		nvmet_rpc_put_uint(run->params, "cns",
				   has(run, "nsid") ? NVME_IDENTIFY_CNS_NS : DEFAULT_CNS);
	return NVMET_CTL_OK;
}

static const struct nvmet_ctl_opt identify_opts[] = {
	NSID,
	NUM("cns", 'C', "cns",
	    "which structure: 0 the namespace (default with -n), 1 the controller"),
	NUM("cntid", 'c', "cntid", "controller the structure is about"),
	NUM("csi", 'y', "csi", "command set"),
	NUM("cns-specific-id", 'i', "cnssid", "CNS specific identifier"),
	NUM("uuid-index", 'U', "uuid_index", "UUID index"),
	TIMEOUT,
	RAW,
	END,
};

/* ---- logs ---- */

static const struct nvmet_ctl_opt smart_opts[] = { NSID, TIMEOUT, RAW, END };

static const struct nvmet_ctl_opt log_opts[] = {
	NUM("log-id", 'i', "lid", "log page"),
	NUM("log-len", 'l', "length", "bytes of it, a multiple of 4"),
	NUM("lpo", 'L', "offset", "where to begin, a multiple of 4"),
	NSID,
	NUM("lsp", 's', "lsp", "log specific field"),
	NUM("lsi", 'S', "lsi", "log specific identifier"),
	NUM("csi", 'y', "csi", "command set"),
	NUM("uuid-index", 'U', "uuid_index", "UUID index"),
	FLAG("rae", 'r', "rae", "retain the asynchronous event"),
	TIMEOUT,
	RAW,
	END,
};

static int join(struct nvmet_ctl_run *run, uint8_t *data, uint64_t len)
{
	struct json_object *result = json_object_new_object();

	nvmet_rpc_put_uint(result, "length", len);
	nvmet_rpc_put_data(result, "data", data, len);
	run->result = result;
	return NVMET_CTL_OK;
}

/* A page in parts that every drive can send. The event is retained until the last. */
static int call_get_log(struct nvmet_ctl_run *run)
{
	uint64_t len = number(run->params, "length", 0), at = number(run->params, "offset", 0);
	bool rae = has(run, "rae");
	int ret = NVMET_CTL_OK;
	uint8_t *data;

	if (len <= LOG_PART || len > MAX_LOG)
		return nvmet_ctl_call(run, &run->result);
	data = malloc(len);
	for (uint64_t done = 0; data && !ret && done < len;) {
		uint64_t part = len - done < LOG_PART ? len - done : LOG_PART;
		uint32_t got = 0;
		uint8_t *bytes;

		nvmet_rpc_put_uint(run->params, "length", part);
		nvmet_rpc_put_uint(run->params, "offset", at + done);
		nvmet_rpc_put(run->params, "rae",
			      json_object_new_boolean(rae || done + part < len));
		ret = nvmet_ctl_call(run, &run->result);
		if (ret)
			break;
		bytes = nvmet_ctl_result_data(run, &got);
		if (bytes && got == part)
			memcpy(data + done, bytes, part);
		else
			ret = nvmet_ctl_error("a part of the log is missing");
		free(bytes);
		json_object_put(run->result);
		run->result = NULL;
		done += part;
	}
	if (!ret)
		ret = data ? join(run, data, len) : nvmet_ctl_error("out of memory");
	free(data);
	return ret;
}

/* ---- features ---- */

static const struct nvmet_ctl_opt get_feature_opts[] = {
	NUM("feature-id", 'f', "fid", "feature"),
	NSID,
	NUM("sel", 's', "sel", "0 current value, 1 default, 2 saved, 3 capabilities"),
	NUM("data-len", 'l', "data_len", "bytes of data, of a feature that has some"),
	NUM("cdw11", 'c', "cdw11", "command dword 11"),
	NUM("uuid-index", 'U', "uuid_index", "UUID index"),
	TIMEOUT,
	RAW,
	END,
};

static const struct nvmet_ctl_opt set_feature_opts[] = {
	NUM("feature-id", 'f', "fid", "feature"),
	NUM("value", 'v', "value", "command dword 11"),
	NSID,
	NUM("cdw12", 'c', "cdw12", "command dword 12"),
	FLAG("save", 's', "save", "also for after a reset"),
	NUM("data-len", 'l', "data_len", "bytes of data, of a feature that has some"),
	{ "data", 'd', NVMET_CTL_TEXT, NULL, "file with them (default: standard input)" },
	NUM("uuid-index", 'U', "uuid_index", "UUID index"),
	TIMEOUT,
	END,
};

static const struct nvmet_ctl_opt power_opts[] = {
	NUM("set", 's', "set", "the power state to enter"),
	TIMEOUT,
	END,
};

/* ---- passthrough ---- */

/* clang-format off */
#define PASSTHRU                                               \
	NUM("opcode", 'o', "opcode", "of the command"),        \
	NSID,                                                  \
	NUM("cdw2", '2', "cdw2", "command dword 2"),           \
	NUM("cdw3", '3', "cdw3", "command dword 3"),           \
	NUM("cdw10", '4', "cdw10", "command dword 10"),        \
	NUM("cdw11", '5', "cdw11", "command dword 11"),        \
	NUM("cdw12", '6', "cdw12", "command dword 12"),        \
	NUM("cdw13", '7', "cdw13", "command dword 13"),        \
	NUM("cdw14", '8', "cdw14", "command dword 14"),        \
	NUM("cdw15", '9', "cdw15", "command dword 15"),        \
	NUM("data-len", 'l', "data_len", "bytes of data"),     \
	FLAG("read", 'r', "read", "data come from the drive"), \
	FLAG("write", 'w', "write", "data go to the drive"),   \
	{ "input-file", 'i', NVMET_CTL_TEXT, NULL,             \
	  "data to send (default: standard input)" },          \
	TIMEOUT, FORCE, RAW
/* clang-format on */

static const struct nvmet_ctl_opt admin_opts[] = { PASSTHRU, END };

static const struct nvmet_ctl_opt io_opts[] = {
	PASSTHRU,
	NUM("metadata-len", 'm', "metadata_len",
	    "bytes of metadata, where a namespace keeps them apart from its blocks"),
	{ "metadata", 'M', NVMET_CTL_TEXT, NULL, "file they come from, or go to" },
	END,
};

/* Exactly @len bytes; @option says how many. */
static int read_input(const char *file, const char *option, uint8_t *data, uint64_t len)
{
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	uint64_t got = 0;
	ssize_t n = 1;

	if (fd < 0)
		return nvmet_ctl_error("%s: %s", file, strerror(errno));
	while (got < len && (n = read(fd, data + got, len - got)) > 0)
		got += (uint64_t)n;
	if (file)
		close(fd);
	if (n < 0)
		return nvmet_ctl_error("%s: %s", file ? file : "standard input", strerror(errno));
	return got == len ? NVMET_CTL_OK
			  : nvmet_ctl_error("%s has %" PRIu64 " bytes, --%s says %" PRIu64,
					    file ? file : "standard input", got, option, len);
}

/* The parameter @param is what a file holds; as many bytes as @option says. */
static int take_input(struct nvmet_ctl_run *run, const char *file, const char *option,
		      const char *param, uint64_t len)
{
	uint8_t *data;
	int ret;

	if (!len || len > MAX_XFER_BYTES) /* the method says what is wrong with it */
		return NVMET_CTL_OK;
	data = malloc(len);
	if (!data)
		return nvmet_ctl_error("out of memory");
	ret = read_input(file, option, data, len);
	if (!ret)
		nvmet_rpc_put_data(run->params, param, data, len);
	free(data);
	return ret;
}

static int prepare_passthru(struct nvmet_ctl_run *run)
{
	uint64_t md_len = number(run->params, "metadata_len", 0);
	uint64_t opcode = number(run->params, "opcode", 0);
	int ret;

	if (run->metadata_file && !md_len)
		return nvmet_ctl_error("--metadata needs --metadata-len");
	/* Bits 1:0 of an opcode tell the direction, where nobody else does. */
	if (has(run, "read") || !(has(run, "write") || run->input_file || (opcode & 3) == 1))
		return NVMET_CTL_OK;
	if (md_len && !run->metadata_file)
		return nvmet_ctl_error("--metadata-len needs --metadata, the file to send");
	ret = take_input(run, run->input_file, "data-len", "data",
			 number(run->params, "data_len", 0));
	return ret ? ret : take_input(run, run->metadata_file, "metadata-len", "metadata", md_len);
}

/* What was read apart from the data goes into its file. */
static int call_io_passthru(struct nvmet_ctl_run *run)
{
	int ret = nvmet_ctl_call(run, &run->result);
	uint8_t *data;
	uint32_t len;
	FILE *file;

	if (ret || !run->metadata_file)
		return ret;
	data = nvmet_ctl_result_metadata(run, &len);
	if (!len) { /* it was sent */
		free(data);
		return ret;
	}
	file = fopen(run->metadata_file, "we");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file))
		ret = nvmet_ctl_error("%s: %s", run->metadata_file, strerror(errno));
	free(data);
	return ret;
}

static int prepare_set_feature(struct nvmet_ctl_run *run)
{
	/* what there is goes to the drive */
	if (has(run, "data_len"))
		nvmet_rpc_put(run->params, "write", json_object_new_boolean(true));
	return prepare_passthru(run);
}

/* ---- SCSI ---- */

static const struct nvmet_ctl_opt scsi_opts[] = {
	{ "cdb", 'c', NVMET_CTL_TEXT, "cdb", "the CDB in hexadecimal, of 6, 10, 12 or 16 bytes" },
	NUM("namespace-id", 'n', "nsid", "namespace that is the logical unit (default: 1)"),
	NUM("data-len", 'l', "data_len", "bytes of data"),
	FLAG("read", 'r', "read", "data come from the drive (default, where there is a length)"),
	FLAG("write", 'w', "write", "data go to the drive"),
	{ "input-file", 'i', NVMET_CTL_TEXT, NULL, "data to send (default: standard input)" },
	FLAG("descriptor-sense", 'D', "desc_sense", "sense data in descriptor format"),
	TIMEOUT,
	FORCE,
	RAW,
	END,
};

/* The command's end is the program's: words about it go to standard error. */
static int call_scsi(struct nvmet_ctl_run *run)
{
	struct json_object *text;
	int ret = nvmet_ctl_call(run, &run->result);

	if (ret || !number(run->result, "status", 0))
		return ret;
	run->exit = json_object_object_get_ex(run->result, "text", &text)
			    ? nvmet_ctl_error("%s", json_object_get_string(text))
			    : NVMET_CTL_FAILED;
	return NVMET_CTL_OK;
}

/* ---- discovery ---- */

static const struct nvmet_ctl_opt discover_opts[] = {
	TEXT("transport", 't', "trtype", "tcp, which is the default"),
	TEXT("traddr", 'a', "traddr", "address of the discovery service"),
	TEXT("trsvcid", 's', "trsvcid", "its port (default: 8009)"),
	TEXT("nqn", 'n', "subnqn", "its name, if it is not the well-known one"),
	TEXT("host-traddr", 'w', "host_traddr", "address to connect from"),
	TEXT("host-iface", 'f', "host_iface", "network interface to connect by"),
	TEXT("hostnqn", 'q', "hostnqn", "this host's name (default: /etc/nvme/hostnqn)"),
	TEXT("hostid", 'I', "hostid", "this host's UUID (default: /etc/nvme/hostid)"),
	NUM("keep-alive-tmo", 'k', "kato", "seconds, while it stays connected (default: 30)"),
	FLAG("hdr-digest", 'g', "hdgst", "header digests"),
	FLAG("data-digest", 'G', "ddgst", "data digests"),
	FLAG("referrals", 'r', "referrals", "ask the services that it refers to, too"),
	FLAG("persistent", 'p', "persistent", "stay connected and show every change"),
	FLAG("watch", 0, "watch", "the same"),
	END,
};

/* ---- the rest ---- */

static const struct nvmet_ctl_opt format_opts[] = {
	NSID,
	NUM("lbaf", 'l', "lbaf", "LBA format, one of those that identify shows"),
	NUM("ses", 's', "ses", "secure erase: 0 none, 1 user data, 2 cryptographic"),
	NUM("pi", 'i', "pi", "protection information type"),
	NUM("pil", 'p', "pil", "1: it is in the first bytes of the metadata"),
	NUM("ms", 'm', "ms", "1: metadata at the end of each block"),
	TIMEOUT,
	FORCE,
	END,
};

static const struct nvmet_ctl_opt create_opts[] = {
	NUM("nsze", 's', "nsze", "blocks"),
	NUM("ncap", 'c', "ncap", "blocks that can be used at a time (default: --nsze)"),
	NUM("flbas", 'f', "flbas", "LBA format"),
	NUM("dps", 'd', "dps", "protection information"),
	NUM("nmic", 'm', "nmic", "1: may be attached to several controllers"),
	NUM("anagrp-id", 'a', "anagrpid", "ANA group"),
	NUM("nvmset-id", 'i', "nvmsetid", "NVM set"),
	NUM("csi", 'y', "csi", "command set"),
	TIMEOUT,
	END,
};

static const struct nvmet_ctl_opt delete_opts[] = { NSID, TIMEOUT, FORCE, END };

static const struct nvmet_ctl_opt attach_opts[] = {
	NSID,
	{ "controllers", 'c', NVMET_CTL_LIST, "controllers",
	  "to which (default: this drive's own)" },
	TIMEOUT,
	FORCE,
	END,
};

static void show_created(struct nvmet_ctl_run *run)
{
	printf("create-ns: Success, created nsid:%" PRIu64 "\n", number(run->result, "nsid", 0));
}

static void show_success(struct nvmet_ctl_run *run)
{
	printf("%s: Success\n", run->cmd->words + strlen("drive "));
}

static void show_bound(struct nvmet_ctl_run *run)
{
	printf("%s is bound to vfio-pci\n", run->traddr);
}

static void show_released(struct nvmet_ctl_run *run)
{
	printf("%s is back with the kernel's driver\n", run->traddr);
}

const struct nvmet_ctl_cmd nvmet_ctl_cmds[] = {
	{ "discover", NULL, "What a discovery service lists", discover_opts, .no_drive = true,
	  .call = nvmet_ctl_call_discover, .show = nvmet_ctl_show_discover },
	{ "drive list", "nvmetcp_drive_list", "The NVMe drives of this machine and who drives them",
	  .no_drive = true, .show = nvmet_ctl_show_list },
	{ "drive bind", "nvmetcp_drive_bind",
	  "Hand a drive to vfio-pci; refused while it is in use", .show = show_bound },
	{ "drive release", "nvmetcp_drive_release", "Give a drive back to the kernel's driver",
	  .show = show_released },
	{ "drive identify", "nvmetcp_drive_identify",
	  "What a controller says of itself, or of a namespace", identify_opts,
	  .prepare = prepare_identify, .show = nvmet_ctl_show_identify },
	{ "drive smart-log", "nvmetcp_drive_smart_log", "The drive's health", smart_opts,
	  .show = nvmet_ctl_show_smart },
	{ "drive get-log", "nvmetcp_drive_get_log", "A log page", log_opts, .call = call_get_log,
	  .show = nvmet_ctl_show_data },
	{ "drive get-feature", "nvmetcp_drive_get_feature", "A feature's value", get_feature_opts,
	  .show = nvmet_ctl_show_passthru },
	{ "drive set-feature", "nvmetcp_drive_set_feature", "Change a feature's value",
	  set_feature_opts, .prepare = prepare_set_feature, .show = nvmet_ctl_show_passthru },
	{ "drive power", "nvmetcp_drive_get_feature", "Power states, and which the drive is in",
	  power_opts, .call = nvmet_ctl_call_power, .show = nvmet_ctl_show_power },
	{ "drive admin-passthru", "nvmetcp_drive_admin_passthru", "Any admin command", admin_opts,
	  .prepare = prepare_passthru, .show = nvmet_ctl_show_passthru },
	{ "drive io-passthru", "nvmetcp_drive_io_passthru", "Any I/O command", io_opts,
	  .prepare = prepare_passthru, .call = call_io_passthru, .show = nvmet_ctl_show_passthru },
	{ "drive scsi-passthru", "nvmetcp_drive_scsi_passthru", "Any SCSI command, translated",
	  scsi_opts, .prepare = prepare_passthru, .call = call_scsi, .show = nvmet_ctl_show_scsi },
	{ "drive reset", "nvmetcp_drive_reset", "Stop the controller and start it again",
	  .show = show_success },
	{ "drive subsystem-reset", "nvmetcp_drive_subsystem_reset",
	  "Reset the drive's whole NVM subsystem, where it can", .show = show_success },
	{ "drive rescan", "nvmetcp_drive_rescan", "Look at the drive's namespaces anew",
	  .show = show_success },
	{ "drive format", "nvmetcp_drive_format", "Format a namespace; its data are lost",
	  format_opts, .asks = true, .show = show_success },
	{ "drive ns create", "nvmetcp_drive_ns_create", "Create a namespace", create_opts,
	  .show = show_created },
	{ "drive ns delete", "nvmetcp_drive_ns_delete", "Delete a namespace; its data are lost",
	  delete_opts, .asks = true, .show = show_success },
	{ "drive ns attach", "nvmetcp_drive_ns_attach", "Attach a namespace to controllers",
	  attach_opts, .show = show_success },
	{ "drive ns detach", "nvmetcp_drive_ns_detach", "Detach a namespace from controllers",
	  attach_opts, .show = show_success },
	{ .words = NULL },
};
