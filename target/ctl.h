/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvmetcpctl, inside: commands are words and options that become the parameters of a method, which
 * the daemon performs, or this process itself where no daemon has the drive. One thread; may block.
 */
#ifndef TARGET_CTL_H
#define TARGET_CTL_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum {
	NVMET_CTL_OK = 0,
	NVMET_CTL_FAILED = 1,
	NVMET_CTL_USAGE = 2,
};

enum nvmet_ctl_kind {
	NVMET_CTL_NUMBER,
	NVMET_CTL_FLAG,
	NVMET_CTL_LIST, /* "1,2,0x3" */
	NVMET_CTL_TEXT,
};

struct nvmet_ctl_opt {
	const char *name;  /* "namespace-id"; NULL ends a table */
	char letter;	   /* 0: none */
	uint8_t kind;	   /* enum nvmet_ctl_kind */
	const char *param; /* of the method; NULL: for nvmetcpctl itself */
	const char *help;
};

struct nvmet_ctl_run;

struct nvmet_ctl_cmd {
	const char *words; /* "drive ns create" */
	const char *method;
	const char *help; /* one line */
	const struct nvmet_ctl_opt *opts;
	bool no_drive; /* it takes no ADDRESS */
	bool asks;     /* destroys: wants --force or "yes" */
	/* Changes run->params before the call; may be NULL. Return: an exit status. */
	int (*prepare)(struct nvmet_ctl_run *run);
	/* Instead of one call; may be NULL. Return: an exit status, or -1: all was shown. */
	int (*call)(struct nvmet_ctl_run *run);
	void (*show)(struct nvmet_ctl_run *run); /* the result for people */
};

/* One run of the program. */
struct nvmet_ctl_run {
	const struct nvmet_ctl_cmd *cmd;
	const char *socket; /* NULL: the default places */
	bool json;
	bool raw;
	bool force;
	int exit; /* status once the result was shown: what the drive refused is a result, too */
	const char *input_file;
	const char *metadata_file;
	const char *traddr;
	struct json_object *params; /* owned, as is */
	struct json_object *result;
};

extern const struct nvmet_ctl_cmd nvmet_ctl_cmds[]; /* ends with NULL words */

/* nvmet_ctl_error() - a line on standard error. Return: NVMET_CTL_FAILED */
int nvmet_ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- target/ctl_args.c ---- */
/* nvmet_ctl_parse() - @argv behind the words of run->cmd. Return: an exit status, or -1: help was
 * shown, all is done */
int nvmet_ctl_parse(struct nvmet_ctl_run *run, int argc, char **argv);
void nvmet_ctl_help(const struct nvmet_ctl_cmd *cmd);

/* ---- target/ctl_call.c ---- */
/*
 * nvmet_ctl_call() - performs run->cmd->method with run->params
 * @resultp: the caller's on success. Return: an exit status, the reason was printed.
 */
int nvmet_ctl_call(struct nvmet_ctl_run *run, struct json_object **resultp);
/* nvmet_ctl_call_other() - the same with another @method and @params, which are borrowed */
int nvmet_ctl_call_other(struct nvmet_ctl_run *run, const char *method, struct json_object *params,
			 struct json_object **resultp);

/* ---- target/ctl_power.c ---- */
int nvmet_ctl_call_power(struct nvmet_ctl_run *run);
void nvmet_ctl_show_power(struct nvmet_ctl_run *run);

/* ---- target/ctl_direct.c ---- */
struct nvmet_rpc_error;
/* nvmet_ctl_direct() - the same without a daemon. @tick: called about once a second while it takes
 * long. Return: 0, or -errno and @err */
int nvmet_ctl_direct(const char *method, struct json_object *params, void (*tick)(void),
		     struct json_object **resultp, struct nvmet_rpc_error *err);

/* ---- target/ctl_discover.c ---- */
/* nvmet_ctl_call_discover() - for struct nvmet_ctl_cmd's call. Return: an exit status, or -1: all was
 * shown */
int nvmet_ctl_call_discover(struct nvmet_ctl_run *run);
void nvmet_ctl_show_discover(struct nvmet_ctl_run *run);

/* ---- target/ctl_show.c ---- */
void nvmet_ctl_show_list(struct nvmet_ctl_run *run);
void nvmet_ctl_show_identify(struct nvmet_ctl_run *run);
void nvmet_ctl_show_smart(struct nvmet_ctl_run *run);
void nvmet_ctl_show_data(struct nvmet_ctl_run *run);
void nvmet_ctl_show_passthru(struct nvmet_ctl_run *run);
void nvmet_ctl_show_scsi(struct nvmet_ctl_run *run);
/* nvmet_ctl_result_data() - "data" of the result, to be freed; NULL: none. @lenp: its bytes */
uint8_t *nvmet_ctl_result_data(struct nvmet_ctl_run *run, uint32_t *lenp);
/* nvmet_ctl_result_metadata() - the same of "metadata" */
uint8_t *nvmet_ctl_result_metadata(struct nvmet_ctl_run *run, uint32_t *lenp);

#endif /* TARGET_CTL_H */
