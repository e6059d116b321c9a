/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody asks of a drive, from the names and numbers of a JSON object to a command of the
 * drive, and its outcome back into JSON. The same for the daemon's drives and for one that
 * nvmetcpctl opens itself.
 */
#ifndef TARGET_DRIVE_CMD_H
#define TARGET_DRIVE_CMD_H

#include "config/config.h"
#include "host/nvmh.h"
#include "target/rpc_json.h"

enum nvmet_drive_kind {
	NVMET_DRIVE_ADMIN,
	NVMET_DRIVE_IO,
	NVMET_DRIVE_SCSI, /* one SCSI command: as many of the two above as it takes */
	NVMET_DRIVE_RESET,
	NVMET_DRIVE_SUBSYS_RESET,
	NVMET_DRIVE_RESCAN,
};

enum {
	NVMET_DRIVE_ADMIN_MS = 60000, /* unless asked otherwise; nvme-cli's */
	NVMET_DRIVE_IO_MS = 30000,
	NVMET_DRIVE_IO_MAX_MS = 60000,		 /* the daemon's end waits for it */
	NVMET_DRIVE_LONG_MS = 600000,		 /* Format NVM and the like; the most there is */
	NVMET_DRIVE_MEMORY = 2 * MAX_XFER_BYTES, /* of the largest command */
};

struct nvmet_drive_cmd {
	char bdf[CONFIG_BDF_SIZE];
	uint8_t kind; /* enum nvmet_drive_kind */
	struct nvme_sqe sqe;
	uint8_t dir;   /* enum nvmh_dir */
	uint32_t len;  /* bytes of data, 0..MAX_XFER_BYTES */
	uint32_t room; /* bytes of memory described to the drive: @len, or more where it is not known
			  what the command moves; nvmet_drive_cmd_finish() */
	uint8_t *data;	 /* owned, @len bytes: to the drive, later from it; NULL: none */
	uint32_t md_len; /* bytes of metadata apart from the data, 0..MAX_XFER_BYTES */
	uint8_t *md;	 /* owned, like @data */
	uint32_t timeout_ms;
	bool force;	 /* although somebody uses the namespace */
	bool destroys;	 /* @nsid, or all of them, loses its data or goes away */
	uint32_t nsid;	 /* that one; NVME_NSID_BROADCAST: all */
	bool own_cntlid; /* the data is a list of controllers without any: the drive's own */
	bool rescan;	 /* afterwards the namespaces are not what they were */
	/* the outcome */
	int ret;	  /* 0 or -errno: it never was a command, or nobody knows how it ended */
	char reason[256]; /* words about ret; may be empty */
	uint16_t status;  /* NVMe status */
	uint32_t dw0, dw1;
	struct nvmh_scsi_cmd scsi; /* NVMET_DRIVE_SCSI: instead of sqe, status, dw0 and dw1 */
};

/* nvmet_drive_cmd_sends() - it is sent to the drive, else a change of the controller's state */
static inline bool nvmet_drive_cmd_sends(const struct nvmet_drive_cmd *cmd)
{
	return cmd->kind <= NVMET_DRIVE_SCSI;
}

/* nvmet_drive_cmd_needs_queue() - an I/O queue */
static inline bool nvmet_drive_cmd_needs_queue(const struct nvmet_drive_cmd *cmd)
{
	return cmd->kind == NVMET_DRIVE_IO || (cmd->kind == NVMET_DRIVE_SCSI && !cmd->destroys);
}

bool nvmet_drive_cmd_known(const char *method); /* whether it is a name of the table */
/**
 * nvmet_drive_cmd_parse() - the command that a method with parameters means
 * @method: a name of the table in drive_cmd.c ("nvmetcp_drive_identify").
 * @params: object or NULL; borrowed.
 * @cmd: written; give it to nvmet_drive_cmd_done() in any case.
 * @err: zeroed; what is wrong.
 *
 * Refuses what only the driver itself may send (queues, doorbells, events).
 * Return: 0 or -EINVAL.
 */
int nvmet_drive_cmd_parse(const char *method, struct json_object *params,
			  struct nvmet_drive_cmd *cmd, struct nvmet_rpc_error *err);
/*
 * nvmet_drive_cmd_finish() - before it is sent: what depends on the controller, by its thread.
 * Fills in the own CNTLID; Format NVM that by FNA reaches all namespaces says so.
 * Return: 0; -EINVAL with cmd->reason: the data are longer than the controller takes, or of another
 *	length than the command itself says, or so are metadata apart from the blocks.
 */
int nvmet_drive_cmd_finish(struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl);
/* nvmet_drive_cmd_memory() - bytes that a finished command needs, which the drive must reach: at most
 * NVMET_DRIVE_MEMORY. 0: none. */
uint32_t nvmet_drive_cmd_memory(const struct nvmet_drive_cmd *cmd);
/*
 * nvmet_drive_cmd_result() - the outcome. Return: 0 and *@resultp the caller's; -errno and @err.
 */
int nvmet_drive_cmd_result(const char *method, const struct nvmet_drive_cmd *cmd,
			   struct json_object **resultp, struct nvmet_rpc_error *err);
void nvmet_drive_cmd_done(struct nvmet_drive_cmd *cmd);
/* nvmet_drive_cmd_prep() - the request, with @iov over @buf for its data; @buf: a multiple of 8 */
void nvmet_drive_cmd_prep(const struct nvmet_drive_cmd *cmd, struct nvmh_req *req,
			  struct iovec *iov, void *buf);
/* nvmet_drive_cmd_answer() - what became of the request, and what it read */
void nvmet_drive_cmd_answer(struct nvmet_drive_cmd *cmd, const struct nvmh_req *req,
			    const void *buf);
/*
 * nvmet_drive_cmd_scsi() - begins a SCSI command whose data and scratch memory are @buf, of
 * cmd->room bytes; then nvmh_scsi_next(&cmd->scsi). Controller's thread.
 * Return: 0; -errno as nvmh_scsi_begin(), with cmd->reason.
 */
int nvmet_drive_cmd_scsi(struct nvmet_drive_cmd *cmd, struct nvmh_ctrl *ctrl, void *buf);

/* ---- target/drive_scsi.c: for the table of drive_cmd.c ---- */
void nvmet_drive_parse_scsi(struct nvmet_rpc_params *p, struct nvmet_drive_cmd *cmd);
struct json_object *nvmet_drive_result_scsi(const struct nvmet_drive_cmd *cmd);

/* nvmet_drive_traddr() - the parameter "traddr" in the long form; target/drive_addr.c */
int nvmet_drive_traddr(struct nvmet_rpc_params *params, char bdf[CONFIG_BDF_SIZE]);

/* What a controller says of itself, for lists. */
struct nvmet_drive_ns_info {
	uint32_t nsid, lba_size, ms;
	uint64_t nsze;
	uint8_t csi;
	char user[320]; /* who uses it; "" nobody */
};

struct nvmet_drive_info {
	struct nvmh_pci_info pci;      /* of a local one */
	char remote[MAX_NQN_BYTES];    /* subsystem of a remote one; "": it is local */
	char at[CONFIG_ADDR_SIZE + 8]; /* and its address */
	/* ours; then all below. Of a remote one that is closed between two tries: only error */
	bool open;
	uint8_t state;
	char error[200];
	char sn[20], mn[40], fr[8];
	uint16_t cntlid;
	uint32_t nr_ns;
	struct nvmet_drive_ns_info *ns; /* owned */
};

/* nvmet_drive_info_fill() - from a controller by its thread; pci, user stay. Return: 0, -ENOMEM */
int nvmet_drive_info_fill(struct nvmet_drive_info *info, struct nvmh_ctrl *ctrl);
struct json_object *nvmet_drive_info_json(const struct nvmet_drive_info *info, int nr);
void nvmet_drive_info_free(struct nvmet_drive_info *info, int nr);

#endif /* TARGET_DRIVE_CMD_H */
