/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions in sysfs, as far as more than one file needs them. Context: any thread; nothing is
 * kept between calls.
 */
#ifndef HOST_PCI_H
#define HOST_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/nvmh.h"

enum {
	NVMH_PCI_CLASS_NVME = 0x010802,
	NVMH_PCI_PATH = 512,
	NVMH_PCI_NAME = 256,
};

/* Where the kernel shows itself. Unit tests put a tree of their own here, and a writer that plays
 * the kernel. */
struct nvmh_pci_env {
	const char *sys;
	const char *proc;
	const char *dev;
	int (*write)(const char *path, const char *text); /* 0 or -errno */
};
extern struct nvmh_pci_env nvmh_pci_env;

/* nvmh_pci_parse() - "01:00.0" or "0000:01:00.0" into the long form. Return: 0, -EINVAL with
 * nvmh_strerror(). */
int nvmh_pci_parse(const char *text, char bdf[16]);

/* Attributes of a function: @name below /sys/bus/pci/devices/BDF. Return: 0, -errno; the text is
 * cut at the first newline. */
int nvmh_pci_read(const char *bdf, const char *name, char *text, size_t size);
/* The last component of the link @name ("driver", "iommu_group"). Return: 0, -errno (-ENOENT: no
 * such link). */
int nvmh_pci_link(const char *bdf, const char *name, char *text, size_t size);

/*
 * nvmh_pci_silent() - whether the function's configuration space reads as all ones: its slot has no
 * power, its link is down, or it was removed. False also where that cannot be seen.
 */
bool nvmh_pci_silent(const char *bdf);

/* nvmh_pci_list() - calls @fn for each entry of folder @path but "." and "..", until it answers
 * other than 0. Return: that, or -errno. */
int nvmh_pci_list(const char *path, int (*fn)(const char *name, void *arg), void *arg);

/*
 * nvmh_pci_group_alone() - whether every function of @bdf's IOMMU group other than it and bridges
 * is free of kernel drivers Return: 0; -EBUSY, nvmh_strerror() names the other function and its
 * driver; -errno.
 */
int nvmh_pci_group_alone(const char *bdf, int group);

/*
 * nvmh_pci_writer() - whether a process has @disk ("nvme0n1"), or a partition of it, open for writing
 * Return: 0, none that we can see; -EBUSY, nvmh_strerror() names it.
 */
int nvmh_pci_writer(const char *bdf, const char *disk);

#endif /* HOST_PCI_H */
