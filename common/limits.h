/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every bound of the program, and the memory it implies. Reaching one is back-pressure or a status,
 * never an overrun.
 */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

enum {
	MAX_CORES = 64,	 /* event loops of one daemon */
	MAX_DRIVES = 64, /* PCIe functions driven by one daemon */
	MAX_REMOTES =
		64, /* controllers of other targets, each with a thread and a queue per core */
	MAX_SUBSYSTEMS = 1024, /* pointers: 8 KiB */
	MAX_PORTS = 64,	       /* listening sockets */
	MAX_HOSTS = 4096,
	MAX_NSID = 8192, /* highest NSID of a subsystem: a table of pointers, 64 KiB at most */
	MAX_DRIVE_NS =
		1024, /* namespaces used of one controller, ours to drive or remote: 4.3 MiB */
	MAX_OLD_NS =
		2048, /* of those: descriptions that a change made old, kept for readers: 9 MiB */
	MAX_CTRLS = 4096,	  /* controllers of one subsystem */
	MAX_IO_QUEUES = 128,	  /* per controller */
	MAX_QUEUE_ENTRIES = 1024, /* MQES + 1 of our controllers */
	MAX_CONNS_PER_CORE = 8192,
	ADMIN_QUEUE_ENTRIES = 32,
	MAX_AER = 4,		  /* outstanding Asynchronous Event Requests (AERL + 1) */
	MAX_LOG_ERRORS = 64,	  /* error log entries of a controller: 4 KiB */
	MAX_ABORTS = 4,		  /* concurrent Abort commands (ACL + 1) */
	MAX_XFER_BYTES = 1 << 20, /* largest MDTS we offer */
	MAX_ICD_BYTES = 64 << 10, /* largest in-capsule data */
	MAX_IOV = 1024,		  /* IOV_MAX */
	MAX_DSM_RANGES = 256,
	MAX_DISC_ENTRIES = 4096, /* of a discovery log that we read: 4 MiB */
	MAX_DISC_SERVICES = 64,	 /* asked while following referrals: 56 KiB */
	MAX_DISC_DEPTH = 8,	 /* referrals behind one another */
	MAX_NQN_BYTES = 224,	 /* with NUL */
};

#endif /* COMMON_LIMITS_H */
