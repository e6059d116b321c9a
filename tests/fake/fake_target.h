/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe/TCP controller for tests of the host library, in the same process: one thread listens on
 * loopback, one serves each connection with blocking sockets. It has memory of its own, checks that
 * the host keeps the rules, and where a script says so it breaks them. Written apart from the PDU
 * engine, so that both are checked against each other.
 *
 * Context: fake_target_*() the test's thread; fake_conn_*() and the script's functions the
 * connection's thread.
 */
#ifndef TESTS_FAKE_TARGET_H
#define TESTS_FAKE_TARGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/nvme_tcp.h"

#define FAKE_SUBNQN "nqn.2024-01.org.example:fake"

enum {
	FAKE_MEM_BYTES = 8 << 20,
	FAKE_LBA_BYTES = 512,
	FAKE_MAX_CONNS = 64,
	FAKE_MAX_WRITES = 256,
	FAKE_PDU_MAX = 4 << 20,
};

struct fake_conn;

/* A command capsule as it came. */
struct fake_cmd {
	struct nvme_sqe sqe;
	const uint8_t *icd;
	uint32_t icd_len;
};

/*
 * What a test wants done differently. A function answers true when it did the work, false for the
 * usual.
 */
struct fake_script {
	bool (*icreq)(struct fake_conn *c, const struct nvme_tcp_icreq *req);
	bool (*connect)(struct fake_conn *c, const struct fake_cmd *cmd);
	bool (*admin)(struct fake_conn *c, const struct fake_cmd *cmd); /* after Connect */
	bool (*io)(struct fake_conn *c, const struct fake_cmd *cmd);
	void (*identify)(struct nvme_id_ctrl *id); /* changes it */
	/* changes entry @i of the discovery log */
	void (*disc)(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e);
};

struct fake_opts {
	uint32_t maxh2cdata; /* 0: 128 KiB */
	uint8_t cpda;
	uint32_t icd_bytes;   /* in-capsule data of I/O commands */
	uint32_t c2h_bytes;   /* of one C2HData PDU, 0: all in one */
	uint32_t r2t_bytes;   /* of one R2T, 0: all in one */
	uint32_t r2t_depth;   /* R2Ts outstanding of one command, 0: 1 */
	bool success;	      /* SUCCESS flag instead of a response to reads */
	uint32_t send_bytes;  /* of one send call, 0: all */
	uint16_t max_queues;  /* 0: 8 */
	int rcvbuf;	      /* bytes of socket memory, 0: the system's */
	uint32_t nr_disc;     /* entries of the discovery log */
	uint16_t cntlid;      /* 0: 7 */
	bool shared;	      /* one of several controllers that share the namespace */
	uint8_t *mem;	      /* FAKE_MEM_BYTES of several targets, borrowed; NULL: of its own */
	uint32_t genctr_step; /* added to its generation with each read of the header */
	uint32_t oaes;	      /* events that it announces; it refuses to enable others */
	const struct fake_script *script;
	void *arg; /* the script's */
};

struct fake_write {
	bool used;
	uint16_t cid;
	uint64_t addr; /* in memory */
	uint32_t len;
	uint32_t asked; /* by R2Ts */
	uint32_t got;
};

struct fake_conn {
	struct fake_target *t;
	int fd;
	pthread_t thread;
	bool hdgst;
	bool ddgst;
	int qid;	     /* -1 before Connect */
	uint32_t nr_cmds;    /* I/O commands so far: scripts act on one of them */
	bool deaf;	     /* H2CData is read and forgotten */
	uint32_t nr_io_conn; /* how many I/O queues were connected before this one */
	pthread_mutex_t send_lock;
	uint8_t *pdu; /* FAKE_PDU_MAX: the PDU just read, padding and digests taken out */
	const uint8_t *data;
	uint32_t data_len;
	struct fake_write writes[FAKE_MAX_WRITES];
};

struct fake_target {
	struct fake_opts opts;
	uint16_t port;
	uint8_t *mem;
	int listen_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	_Atomic bool stopping;
	struct fake_conn *conns[FAKE_MAX_CONNS];
	uint32_t nr_conns;
	/* under lock */
	uint32_t nr_term; /* TermReqs received */
	uint16_t term_fes;
	uint32_t term_fei;
	char violation[160];		       /* what the host did wrong, "" for nothing */
	struct nvme_connect_data connect_data; /* of the last Connect */
	struct nvme_fabrics_connect connect_cmd;
	struct nvme_tcp_icreq icreq;
	_Atomic uint32_t cc;
	_Atomic uint32_t nr_keep_alives;
	_Atomic uint32_t genctr;
	_Atomic uint32_t nr_disc;
	_Atomic uint32_t genctr_step;
	_Atomic uint32_t nr_disc_reads; /* of its header */
	/* under lock: events of the newest admin queue */
	struct fake_conn *aer_conn; /* has an Asynchronous Event Request outstanding */
	uint16_t aer_cid;
	uint32_t aen_config;
	bool disc_changed; /* to be told */
	bool disc_masked;  /* told or to be told, and the log not read since with RAE 0 */
	_Atomic uint32_t nr_io_conns;
	_Atomic bool gate;	   /* for scripts: fake_conn_gate() waits until a test opens it */
	_Atomic uint32_t nr_stale; /* for scripts: bytes read after that */
	_Atomic uint32_t nr_io_ended; /* connections of I/O queues that are no more */
};

/* fake_target_start() - asserts on failure. @opts is copied. */
struct fake_target *fake_target_start(const struct fake_opts *opts);
/* fake_target_stop() - ends all connections and threads */
void fake_target_stop(struct fake_target *t);
/* fake_target_drop() - ends all connections, goes on listening */
void fake_target_drop(struct fake_target *t);
/* fake_target_wait_term() - wait up to @ms for a TermReq. Return: its FES, or -1. */
int fake_target_wait_term(struct fake_target *t, int ms, uint32_t *fei);
/*
 * fake_target_event() - complete the outstanding Asynchronous Event Request with @dw0, whether that
 * event is enabled or not. Return: there was one.
 */
bool fake_target_event(struct fake_target *t, uint32_t dw0);
/*
 * fake_target_disc() - the discovery log has @nr entries from now on, and another generation; hosts
 * that want to know are told
 */
void fake_target_disc(struct fake_target *t, uint32_t nr);
/* fake_target_violation() - what the host did wrong so far; "" for nothing */
const char *fake_target_violation(struct fake_target *t);

/* ---- for scripts ---- */
/* fake_conn_gate() - wait for t->gate, then read and count in t->nr_stale until the end */
void fake_conn_gate(struct fake_conn *c);
void fake_conn_send(struct fake_conn *c, const void *buf, size_t len);
/*
 * fake_conn_build() - a PDU in @out: @pdu of @hlen bytes with type and flags set, then padding,
 * @data, digests as negotiated.
 * Return: bytes. hdr.hlen, pdo, plen and the digest flags are filled in.
 */
size_t fake_conn_build(struct fake_conn *c, uint8_t *out, const void *pdu, size_t hlen,
		       const void *data, size_t len);
void fake_conn_rsp(struct fake_conn *c, uint16_t cid, uint16_t status, uint64_t result);
void fake_conn_c2h(struct fake_conn *c, uint16_t cid, uint32_t off, const void *data, uint32_t len,
		   uint8_t flags);
void fake_conn_r2t(struct fake_conn *c, uint16_t cid, uint16_t ttag, uint32_t off, uint32_t len);
void fake_conn_icresp(struct fake_conn *c, uint16_t pfv, uint8_t cpda, uint8_t dgst,
		      uint32_t maxh2cdata);
/* fake_conn_close() - no more reading or writing: the thread ends */
void fake_conn_close(struct fake_conn *c);
void fake_conn_violation(struct fake_conn *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* fake_target_cmd.c: what commands do */
void fake_target_cmd(struct fake_conn *c, const struct fake_cmd *cmd);
void fake_target_h2c_data(struct fake_conn *c);

#endif /* TESTS_FAKE_TARGET_H */
