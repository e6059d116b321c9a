/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target without its transport, for tests of what stands above it: a configuration from JSON,
 * cores whose loops turn only when the test says so, ports that listen nowhere, and queues that
 * hand over commands and record the responses.
 * Context: one thread. Whatever fails in here fails the test.
 */
#ifndef TESTS_FAKE_SQ_H
#define TESTS_FAKE_SQ_H

#include "target/subsys.h"

enum {
	FAKE_CORES = 2,
	FAKE_RSPS = 64,	    /* responses that are remembered */
	FAKE_HELD = 0xffff, /* in place of a status: the command got no response yet */
};

struct fake_rsp {
	uint16_t cid; /* as the host counts it */
	uint16_t status;
	uint16_t sqhd;
	uint16_t error_loc;
	uint64_t result;
	uint32_t len; /* of the data that came with it */
};

struct fake_sq {
	struct nvmet_sq sq;
	struct sockaddr_storage local;
	uint16_t next_cid;
	uint8_t fill;  /* what buffers hold before a command executes */
	uint8_t *data; /* of the command under way */
	uint32_t len;
	uint64_t nr_rsps;
	struct fake_rsp rsp[FAKE_RSPS];
	bool closed; /* the target asked for it */
	char why[64];
};

/*
 * A configuration that most tests share. Port 0 (192.0.2.1:4420) has all subsystems and a referral,
 * port 1 (any IPv6 address, a port the kernel chose) only the last.
 */
#define FAKE_SUBSYS \
	"nqn.2026-01.org.example:a" /* any host; namespaces 1 (512 B), 2 (read-only), 5 */
#define FAKE_SUBSYS_ACL	 "nqn.2026-01.org.example:b" /* FAKE_HOST only; one CNTLID */
#define FAKE_SUBSYS_NONE "nqn.2026-01.org.example:c" /* any host; no namespace */
#define FAKE_HOST	 "nqn.2026-01.org.example:host"
#define FAKE_OTHER	 "nqn.2026-01.org.example:other"
extern const char fake_json[];

/* ---- the target ---- */
void fake_nvmet_start(const char *json);
void fake_nvmet_stop(void); /* every queue was freed before */
/* fake_nvmet_setup(), _teardown() - fixtures of a test of fake_json, which logs errors only */
int fake_nvmet_setup(void **state);
int fake_nvmet_teardown(void **state);
struct nvmet_port *fake_port(unsigned int i);
struct nvmet_subsys *fake_subsys(const char *nqn);
/* fake_turn() - every core's loop runs until it has nothing to do */
void fake_turn(void);

/* ---- queues ---- */
struct fake_sq *fake_sq_new(struct nvmet_port *port, int core);
/*
 * fake_sq_drop() - the connection is gone: everything held comes back, the queue leaves its
 * controller
 */
void fake_sq_drop(struct fake_sq *f);
void fake_sq_free(struct fake_sq *f); /* drops it, if that was not done */

/*
 * fake_cmd() - one command with @len bytes of data, to or from @data as its opcode says
 * @sqe: opcode and command dwords; flags, command id and data pointer are filled in here.
 * Return: its status, or FAKE_HELD. The rest of the response is fake_last().
 */
uint16_t fake_cmd(struct fake_sq *f, const struct nvme_sqe *sqe, void *data, uint32_t len);
const struct fake_rsp *fake_last(const struct fake_sq *f);
/* fake_rsp_of() - the newest response to command @cid; NULL: none */
const struct fake_rsp *fake_rsp_of(const struct fake_sq *f, uint16_t cid);

/* ---- commands ---- */
struct fake_connect {
	const char *subnqn;
	const char *hostnqn;
	uint16_t qid;
	uint16_t cntlid; /* 0: FFFFh */
	uint16_t sqsize; /* 0's based; 0: 31 */
	uint8_t cattr;
	uint8_t hostid; /* of 16 equal bytes */
	uint32_t kato_ms;
};

/* fake_connect_cmd() - the command and its data, to be spoiled and sent */
void fake_connect_cmd(const struct fake_connect *c, struct nvme_fabrics_connect *sqe,
		      struct nvme_connect_data *data);
uint16_t fake_connect_send(struct fake_sq *f, const struct nvme_fabrics_connect *sqe,
			   struct nvme_connect_data *data);
uint16_t fake_connect(struct fake_sq *f, const struct fake_connect *c);
/* @size: 4 or 8. *@value is written on success. */
uint16_t fake_prop_get(struct fake_sq *f, uint32_t offset, int size, uint64_t *value);
uint16_t fake_prop_set(struct fake_sq *f, uint32_t offset, uint64_t value);
/* CC as a Linux host writes it, with EN */
#define FAKE_CC_EN 0x00460001u
/* fake_host() - a connected, enabled controller on port 0 and core 0; its admin queue */
struct fake_sq *fake_host(const char *subnqn, const char *hostnqn, uint8_t hostid);
/* fake_io_queue() - I/O queue @qid of the controller of @admin; NULL when refused */
struct fake_sq *fake_io_queue(struct fake_sq *admin, uint16_t qid, int core);

/* @dw: CDW10 to CDW15 */
uint16_t fake_admin(struct fake_sq *f, uint8_t opcode, uint32_t nsid, const uint32_t dw[6],
		    void *data, uint32_t len);
uint16_t fake_identify(struct fake_sq *f, uint8_t cns, uint32_t nsid, void *data);
uint16_t fake_get_log(struct fake_sq *f, uint8_t lid, bool rae, uint64_t off, void *data,
		      uint32_t len);

#endif /* TESTS_FAKE_SQ_H */
