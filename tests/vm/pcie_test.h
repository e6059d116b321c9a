/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What pcie_test.c stands on: TAP, the drive and its memory, patterns, and the kernel's view of the
 * drive.
 */
#ifndef TESTS_VM_PCIE_TEST_H
#define TESTS_VM_PCIE_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/pcie.h"

enum {
	ARENA = 16 << 20,
	WAIT_MS = 120000,
	NR_QUEUES = 2,
	PAGE = 4096,
	DEPTH = 32,
	LOAD_BLOCK = 64 << 10,
	SLEEPER_READS = 4000,
};

static const char *bdf;
static char *arena;
static unsigned int nr_tests;
static unsigned int nr_failed;
static char why[1024];

/* ---- TAP ---- */

__attribute__((format(printf, 1, 2))) static inline bool fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return false;
}

#define check(cond)                                                                        \
	do {                                                                               \
		if (!(cond))                                                               \
			return fail("line %d: %s (%s)", __LINE__, #cond, nvmh_strerror()); \
	} while (0)

static inline void test(const char *name, bool (*fn)(void))
{
	bool ok;

	why[0] = '\0';
	ok = fn();
	nr_tests++;
	printf("%s %u - %s\n", ok ? "ok" : "not ok", nr_tests, name);
	if (!ok) {
		nr_failed++;
		printf("# %s\n", why);
	}
	fflush(stdout);
}

/* ---- helpers ---- */

static inline int open_drive(uint16_t queues, uint16_t size, struct nvmh_ctrl **ctrlp)
{
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = bdf,
		.nr_io_queues = queues,
		.queue_size = size,
	};
	int ret;

	ret = nvmh_ctrl_open(&opts, ctrlp);
	if (ret)
		return ret;
	ret = nvmh_ctrl_mem_map(*ctrlp, arena, ARENA);
	if (!ret)
		ret = nvmh_ctrl_wait(*ctrlp, WAIT_MS);
	if (ret)
		nvmh_ctrl_close(*ctrlp);
	return ret;
}

static inline void pattern(void *buf, size_t len, uint32_t seed)
{
	uint32_t *p = buf;
	size_t i;

	for (i = 0; i < len / 4; i++)
		p[i] = seed * 2654435761u + (uint32_t)i * 40503u;
}

static inline bool is_pattern(const void *buf, size_t len, uint32_t seed)
{
	const uint32_t *p = buf;
	size_t i;

	for (i = 0; i < len / 4; i++) {
		if (p[i] != seed * 2654435761u + (uint32_t)i * 40503u)
			return fail("data differs at byte %zu of %zu", 4 * i, len);
	}
	return true;
}

static inline int rw(struct nvmh_queue *q, uint8_t opcode, const struct nvmh_ns *ns, uint64_t slba,
		     const struct iovec *iov, uint16_t nr_iov, uint32_t len)
{
	struct nvmh_req req = { 0 };

	nvmh_prep_rw(&req, opcode, ns->nsid, slba, len / ns->lba_size, iov, nr_iov, len);
	return nvmh_io(q, &req);
}

static inline bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[max_of(n, (ssize_t)0)] = '\0';
	return n >= 0;
}

/*
 * The kernel's block device of namespace @nsid of our drive: "/dev/nvme0n1". With multipath that is
 * what unites the hidden paths: "nvme0n1" for "nvme0c0n1".
 */
static inline bool kernel_disk(uint32_t nsid, char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *de;
	char file[512];
	char text[64];
	bool found = false;
	char *c;

	while (dir && !found && (de = readdir(dir))) {
		snprintf(file, sizeof(file), "/sys/class/block/%.64s/device/address", de->d_name);
		if (!read_text(file, text, sizeof(text)) || strncmp(text, bdf, strlen(bdf)))
			continue;
		snprintf(file, sizeof(file), "/sys/class/block/%.64s/nsid", de->d_name);
		found = read_text(file, text, sizeof(text)) && strtoul(text, NULL, 10) == nsid;
		if (!found)
			continue;
		c = strchr(de->d_name, 'c');
		snprintf(path, size, "/dev/%.*s%s", c ? (int)(c - de->d_name) : 64, de->d_name,
			 c ? strchr(c, 'n') : "");
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The drive's own VFIO file, if the kernel has such. */
static inline bool device_file(char *path, size_t size)
{
	char folder[300];
	struct dirent *de;
	bool found = false;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(folder);
	while (dir && !found && (de = readdir(dir))) {
		found = de->d_name[0] != '.';
		snprintf(path, size, "/dev/vfio/devices/%.32s", de->d_name);
	}
	if (dir)
		closedir(dir);
	return found && !access(path, F_OK);
}

/* @fn as somebody without privileges. */
static inline bool as_nobody(bool (*fn)(void))
{
	int out[2];
	int status;
	ssize_t n;
	pid_t pid;

	if (pipe(out))
		return fail("pipe: %m");
	pid = fork();
	if (!pid) {
		why[0] = '\0';
		status = setgid(65534) || setuid(65534) || !fn();
		if (write(out[1], why, strlen(why)) < 0)
			_exit(2);
		_exit(status);
	}
	close(out[1]);
	n = read(out[0], why, sizeof(why) - 1);
	why[max_of(n, (ssize_t)0)] = '\0';
	close(out[0]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

#endif /* TESTS_VM_PCIE_TEST_H */
