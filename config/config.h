/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration, read from JSON and checked, as plain structs.
 *
 * The layout of the file is the one the Linux kernel's target saves (hosts, ports, subsystems),
 * plus our kinds of device and an optional top-level object "nvmetcpd" with settings of the daemon
 * itself. A struct config that a function here returned is complete and consistent: every default
 * is filled in, every number is in the range its comment gives, every reference resolves. It holds
 * only what the file says: whether a drive, a path, a CPU or an address exists is found out by
 * whoever opens it.
 *
 * Context: one thread at a time (main, before the cores start and on reload). Blocks on file I/O
 * only.
 * Spec: NVMe Base 2.x, sections on NVMe Qualified Names, Asymmetric Namespace Access and the
 *	discovery log page; RFC 9562 (UUID).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/limits.h"
#include "common/log.h"

/*
 * Limits. The text is at most 16 MiB, and every element of a list costs text, so that what a file
 * can make us allocate is bounded by a small multiple of its size (about 20 bytes of text per
 * namespace of ~400 bytes).
 */
#define CONFIG_MAX_FILE	      (16u << 20)
#define CONFIG_MAX_DEPTH      16   /* nesting of objects and lists */
#define CONFIG_MAX_MEMBERS    64   /* members of one object */
#define CONFIG_MAX_NAMESPACES 1024 /* per subsystem */
#define CONFIG_MAX_ALLOWED    4096 /* allowed_hosts per subsystem */
#define CONFIG_MAX_ANA_GROUPS 128  /* per port; also the highest group id */
#define CONFIG_MAX_PATHS      16   /* to one remote namespace */
#define CONFIG_MAX_REFERRALS  64   /* per port */
#define CONFIG_MAX_CPU	      1023 /* highest CPU id */
#define CONFIG_MIN_IO_SIZE    (4u << 10)
#define CONFIG_MIN_MEMORY     (4ull << 20)
#define CONFIG_MAX_MEMORY     (64ull << 30)
#define CONFIG_MAX_SPIN_US    1000000u
#define CONFIG_MAX_HMB	      (8ull << 30)
#define CONFIG_MAX_TIMEOUT_S  600u
#define CONFIG_MAX_RAM_NS     (8ull << 40) /* a "mem" namespace */
#define CONFIG_MAX_NS_SIZE    (1ull << 62) /* a "null" namespace, a created file */
#define CONFIG_MAX_CNTLID     65519	   /* FFEFh */

/* Sizes of strings, with the NUL; of NQNs MAX_NQN_BYTES. */
#define CONFIG_SERIAL_SIZE    21
#define CONFIG_MODEL_SIZE     41
#define CONFIG_FIRMWARE_SIZE  9
#define CONFIG_BDF_SIZE	      17 /* domain of 4 to 8 digits: dddd:bb:dd.f */
#define CONFIG_ADDR_SIZE      64 /* a literal IPv4 or IPv6 address, with %scope */
#define CONFIG_NAME_SIZE      64
#define CONFIG_TCP_CA_SIZE    16 /* the kernel's TCP_CA_NAME_MAX */
#define CONFIG_PATH_SIZE      4096
#define CONFIG_MAX_SOCKET     100 /* bytes of the path of a unix socket */

enum config_hugepages {
	CONFIG_HUGEPAGES_AUTO, /* use them if the system has them free */
	CONFIG_HUGEPAGES_ON,   /* refuse to start without */
	CONFIG_HUGEPAGES_OFF,
};

/* The daemon itself: top-level object "nvmetcpd". */
struct config_daemon {
	uint32_t nr_cores;	 /* 0: one per CPU the process may use, up to the target's limit */
	bool has_cpus;		 /* cpu[0..nr_cores-1] name the CPUs; else any nr_cores of them */
	uint16_t cpu[MAX_CORES]; /* ascending, no duplicates */
	uint64_t memory_bytes;	 /* I/O buffers per core; a multiple of 2 MiB */
	enum config_hugepages hugepages;
	enum log_level log_level;
	uint32_t spin_us;	   /* 0 = never spin */
	bool balance;		   /* queues go to, and move to, the cores with the least load */
	char *state_dir;	   /* absolute */
	char *rpc_socket;	   /* absolute; NULL: where the daemon finds room for it */
	uint32_t max_io_bytes;	   /* power of two: MDTS, the longest transfer of one command */
	uint32_t in_capsule_bytes; /* multiple of 16; default of every port */
	uint16_t io_queue_depth;   /* 2..MAX_QUEUE_ENTRIES entries; default of every port */
	uint16_t max_io_queues;	   /* 1..MAX_IO_QUEUES per controller */
	bool drive_cmb;		   /* submission queues in drives' controller memory buffers */
	uint64_t drive_hmb_bytes;  /* most memory lent to one drive; a multiple of 1 MiB */
	uint32_t drive_timeout_s;  /* 1..CONFIG_MAX_TIMEOUT_S, of a command */
};

/*
 * "index" in the structs below is the element's place in the file's own list, for messages: ports
 * of transports other than TCP are skipped, so that it may differ from the place in the array here.
 */

/* hosts[]. Keys for authentication are refused in this version, so that none is kept. */
struct config_host {
	uint32_t index;
	char nqn[MAX_NQN_BYTES];
};

enum config_device {
	CONFIG_DEVICE_NONE,   /* only in a namespace that is not enabled */
	CONFIG_DEVICE_PCI,    /* namespace @dev_nsid of the drive at @bdf, through VFIO */
	CONFIG_DEVICE_PATH,   /* regular file or block device @path */
	CONFIG_DEVICE_MEM,    /* @size_bytes of memory */
	CONFIG_DEVICE_NULL,   /* @size_bytes that read as zeroes and forget what is written */
	CONFIG_DEVICE_REMOTE, /* namespace @dev_nsid of another target, @remote says which */
};

/* How a remote target is reached. */
struct config_remote {
	uint32_t nr_paths; /* 0: it is no remote device */
	uint32_t nsid; /* that the strings name, 0: none; config_namespace.dev_nsid is it, too */
	char *path[CONFIG_MAX_PATHS]; /* transport strings that nvmh_transport_parse() takes */
	char *subnqn;		      /* of every path */
};

/* subsystems[].namespaces[] */
struct config_namespace {
	uint32_t index;
	uint32_t nsid; /* 1..MAX_NSID */
	bool enable;
	bool read_only;
	bool resv_enable;
	uint16_t ana_grpid; /* 1..CONFIG_MAX_ANA_GROUPS */
	bool has_uuid, has_nguid, has_eui64;
	uint8_t uuid[16], nguid[16],
		eui64[8]; /* big-endian, as Identify returns them; zero without has_* */
	enum config_device device;
	/* 512, 4096, or 0: the device's own. MEM, NULL: never 0. PCI, REMOTE: 0 */
	uint32_t block_size;
	uint64_t size_bytes;	   /* MEM, NULL: capacity. PATH: of a file to create, 0: do not */
	char bdf[CONFIG_BDF_SIZE]; /* PCI: lower case, with domain: "0000:01:00.0" */
	uint32_t dev_nsid;	   /* PCI, REMOTE: 1..FFFFFFFEh */
	char *path;		   /* PATH: absolute, no "//", "/./", trailing '/'; else NULL */
	struct config_remote remote;
};

/* subsystems[] */
struct config_subsystem {
	uint32_t index;
	char nqn[MAX_NQN_BYTES];
	bool allow_any_host;		     /* then nr_allowed_hosts is 0 */
	char serial[CONFIG_SERIAL_SIZE];     /* "": the target makes one up from the NQN */
	char model[CONFIG_MODEL_SIZE];	     /* "": the target's own name */
	char firmware[CONFIG_FIRMWARE_SIZE]; /* "": the target's version */
	uint32_t ieee_oui;		     /* 24 bits, 0: not reported */
	uint16_t vendor_id, subsys_vendor_id;
	uint16_t cntlid_min, cntlid_max; /* 1..CONFIG_MAX_CNTLID, min <= max */
	uint16_t qid_max;		 /* 1..MAX_IO_QUEUES: I/O queues of one controller */
	bool pi_enable;
	char **allowed_hosts; /* host NQNs; need not be in hosts[] */
	uint32_t nr_allowed_hosts;
	struct config_namespace *namespaces; /* ascending nsid */
	uint32_t nr_namespaces;
};

/* The numbers are those of the ANA log page. */
enum config_ana_state {
	CONFIG_ANA_OPTIMIZED = 1,
	CONFIG_ANA_NON_OPTIMIZED = 2,
	CONFIG_ANA_INACCESSIBLE = 3,
	CONFIG_ANA_PERSISTENT_LOSS = 4,
	CONFIG_ANA_CHANGE = 15,
};

struct config_ana_group {
	uint16_t grpid; /* 1..CONFIG_MAX_ANA_GROUPS */
	enum config_ana_state state;
};

/* The numbers are those of TREQ in a discovery log entry. "required" needs TLS and is refused. */
enum config_treq {
	CONFIG_TREQ_NOT_SPECIFIED = 0,
	CONFIG_TREQ_NOT_REQUIRED = 2,
};

struct config_addr {
	bool ipv6;
	char traddr[CONFIG_ADDR_SIZE]; /* as inet_ntop() writes it; may end in "%scope" */
	uint16_t trsvcid;	       /* TCP port; 0: the kernel chooses (ports only) */
	enum config_treq treq;
};

/* ports[].referrals[] */
struct config_referral {
	uint32_t index;
	char name[CONFIG_NAME_SIZE];
	bool enable;
	uint16_t portid;
	struct config_addr addr;
};

/* ports[] with transport TCP */
struct config_port {
	uint32_t index;
	uint16_t portid;
	struct config_addr addr;
	uint32_t in_capsule_bytes;		 /* 0..MAX_ICD_BYTES, a multiple of 16 */
	uint16_t max_queue_depth;		 /* 2..MAX_QUEUE_ENTRIES */
	char tcp_congestion[CONFIG_TCP_CA_SIZE]; /* "": the system's default */
	uint32_t *subsystems; /* places in config.subsystems, in the file's order */
	uint32_t nr_subsystems;
	struct config_ana_group
		*ana_groups;	/* ascending grpid; always has group 1 (optimized if not given) */
	uint32_t nr_ana_groups; /* a group that is not listed is inaccessible through this port */
	struct config_referral *referrals;
	uint32_t nr_referrals;
};

struct config {
	struct config_daemon daemon;
	struct config_host *hosts;
	uint32_t nr_hosts;
	struct config_subsystem *subsystems;
	uint32_t nr_subsystems;
	struct config_port *ports;
	uint32_t nr_ports;
};

/* What is wrong with a text, and where. */
#define CONFIG_MAX_ERRORS   32 /* kept; more are counted */
#define CONFIG_MAX_WARNINGS 32

struct config_message {
	uint32_t line;	/* from 1; 0 = none */
	char path[224]; /* "subsystems[0].namespaces[2].device.mem"; "" = the document */
	char text[320]; /* one line, printable: bytes of the file are quoted */
};

/* Zero it, set .strict if wanted, and pass it on. Holds no memory. */
struct config_errors {
	bool strict;	    /* in: unknown names are errors, not warnings */
	uint32_t nr_errors; /* found; the first CONFIG_MAX_ERRORS of them are in error[] */
	uint32_t nr_warnings;
	struct config_message error[CONFIG_MAX_ERRORS];
	struct config_message warning[CONFIG_MAX_WARNINGS];
};

/**
 * config_parse() - read and check a configuration
 * @text: JSON text with comments; need not end in NUL, may hold any bytes
 * @len: bytes at @text
 * @cfgp: the configuration, to be given to config_free()
 * @errs: zeroed but for .strict; takes errors and warnings, also on success (warnings only)
 *
 * Looks at nothing outside of @text.
 *
 * Return: 0; -EINVAL, at least one error is in @errs; -ENOMEM.
 */
int config_parse(const char *text, size_t len, struct config **cfgp, struct config_errors *errs);

/**
 * config_load() - read and check a configuration file
 * @path: a regular file of at most CONFIG_MAX_FILE bytes
 * @cfgp, @errs: as for config_parse()
 *
 * Return: as config_parse(), or -errno if the file could not be read; then @errs says so in words,
 * too.
 */
int config_load(const char *path, struct config **cfgp, struct config_errors *errs);

/**
 * config_free() - free a configuration
 * @cfg: may be NULL
 */
void config_free(struct config *cfg);

/**
 * config_errors_print() - write the collected errors, then the warnings, one line each
 * @errs: what config_parse() or config_load() left
 * @out: stream
 * @name: what to call the text: the path of the file
 *
 * "NAME:LINE: PATH: TEXT"; a warning has "warning: " before its path. Parts that are not known are
 * left out.
 */
void config_errors_print(const struct config_errors *errs, FILE *out, const char *name);

/**
 * config_summary() - describe a configuration in one line, without newline
 * @cfg: any configuration
 * @buf: takes at most @len bytes with the NUL; 160 are enough
 * @len: at least 1
 */
void config_summary(const struct config *cfg, char *buf, size_t len);

/**
 * config_write() - write a configuration as JSON
 * @cfg: any configuration
 * @textp: the text, ending in a newline and NUL; the caller frees it
 *
 * The same configuration gives the same bytes, and config_parse() of them an equal configuration
 * (but for .index). Defaults are written out. The layout is the kernel target's; its tools read
 * everything but our own kinds of device.
 *
 * Return: 0; -ENOMEM.
 */
int config_write(const struct config *cfg, char **textp);

/**
 * config_find_subsystem() - look up a subsystem by NQN
 * @cfg: any configuration
 * @nqn: NUL-terminated
 *
 * Return: its place in cfg->subsystems, or -ENOENT.
 */
int config_find_subsystem(const struct config *cfg, const char *nqn);

/**
 * config_device_name() - the word the file uses for a kind of device
 * @device: any value
 *
 * Return: "pci", "path", "mem", "null", "remote" or "none"; static.
 */
const char *config_device_name(enum config_device device);

#endif
