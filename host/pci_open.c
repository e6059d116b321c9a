// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who has a disk of the kernel's open for writing: a virtual machine, an iSCSI target, a program that
 * claims nothing, and would lose its disk with the driver. Opened for reading is no use: udev looks
 * at every disk. Any thread; of processes of other users only root is told. Entry point:
 * nvmh_pci_writer(). proc_pid_fd(5), proc_pid_fdinfo(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "host/ctrl.h"
#include "host/pci.h"

enum {
	TEXT = 256, /* bytes of a file in /proc that are looked at */
};

struct look {
	const char *bdf;
	const char *disk; /* "nvme0n1" */
	const char *pid;
};

/* /proc/PID/@what as text. Return: false: the process is gone, or not ours to look at. */
static bool read_proc(const char *pid, const char *what, char text[TEXT])
{
	char path[NVMH_PCI_PATH];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s/%s", nvmh_pci_env.proc, pid, what) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, TEXT - 1);
	close(fd);
	text[max_of(n, 0)] = '\0';
	return n > 0;
}

/* @path is /dev/@disk, a partition of it, or its generic character device: nvme0n1p3, ng0n1 */
static bool is_of_disk(const char *path, const char *disk)
{
	const char *name = strrchr(path, '/');
	size_t len = strlen(disk);

	if (!name)
		return false;
	name++;
	if (!strncmp(name, "ng", 2) && !strcmp(name + 2, disk + strlen("nvme")))
		return true;
	if (strncmp(name, disk, len))
		return false;
	name += len;
	return !*name || (*name == 'p' && name[1] && !name[1 + strspn(name + 1, "0123456789")]);
}

/* "flags:	0100002", octal: what it was opened with */
static bool may_write(const char *pid, const char *fd)
{
	char what[32];
	char text[TEXT];
	const char *flags;

	snprintf(what, sizeof(what), "fdinfo/%.16s", fd);
	if (!read_proc(pid, what, text))
		return false;
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static int each_fd(const char *fd, void *arg)
{
	const struct look *look = arg;
	char path[NVMH_PCI_PATH];
	char target[NVMH_PCI_PATH];
	char comm[TEXT];
	char quoted[80];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s/fd/%s", nvmh_pci_env.proc, look->pid, fd) >=
	    (int)sizeof(path))
		return 0;
	n = readlink(path, target, sizeof(target) - 1);
	target[max_of(n, 0)] = '\0';
	if (!is_of_disk(target, look->disk) || !may_write(look->pid, fd))
		return 0;
	if (!read_proc(look->pid, "comm", comm))
		comm[0] = '\0';
	return nvmh_error(-EBUSY,
			  "%s is in use: process %s (%s) has %s open for writing; stop it first",
			  look->bdf, look->pid,
			  log_quote(quoted, sizeof(quoted), comm, strcspn(comm, "\n")), target);
}

static int each_process(const char *name, void *arg)
{
	struct look *look = arg;
	char path[NVMH_PCI_PATH];
	int n;

	if (name[strspn(name, "0123456789")])
		return 0;
	look->pid = name;
	n = snprintf(path, sizeof(path), "%s/%s/fd", nvmh_pci_env.proc, name);
	return n < (int)sizeof(path) && nvmh_pci_list(path, each_fd, look) == -EBUSY ? -EBUSY : 0;
}

int nvmh_pci_writer(const char *bdf, const char *disk)
{
	struct look look = { .bdf = bdf, .disk = disk };

	/* without /proc nobody can tell */
	return nvmh_pci_list(nvmh_pci_env.proc, each_process, &look) == -EBUSY ? -EBUSY : 0;
}
