/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives as a made-up sysfs shows them, in a temporary folder: plugged in, pulled out, with one driver
 * or another.
 */
#ifndef TESTS_UNIT_SYSFS_RIG_H
#define TESTS_UNIT_SYSFS_RIG_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/pci.h"

static char root[64];

__attribute__((format(printf, 2, 3))) static inline void put(const char *text, const char *fmt, ...)
{
	char path[256];
	char *p = path;
	va_list ap;
	FILE *file;
	int n;

	n = snprintf(path, sizeof(path), "%s/sys/", root);
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	while ((p = strchr(p + 1, '/'))) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	if (!text)
		return;
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void set_driver(const char *bdf, const char *driver)
{
	char path[256];

	put(NULL, "bus/pci/drivers/%s/", driver);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/driver", root, bdf);
	unlink(path);
	assert_int_equal(symlink(driver, path), 0);
}

static inline void plug(const char *bdf, const char *driver)
{
	char path[256];

	put("0x010802\n", "bus/pci/devices/%s/class", bdf);
	put("(null)\n", "bus/pci/devices/%s/driver_override", bdf);
	put(NULL, "kernel/iommu_groups/7/devices/");
	set_driver(bdf, driver);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/iommu_group", root, bdf);
	assert_true(!symlink("7", path) || errno == EEXIST);
}

/* As the kernel's driver tells which drive it has. */
static inline void name_drive(const char *bdf, const char *serial)
{
	put(serial, "bus/pci/devices/%s/nvme/nvme0/serial", bdf);
	put("Fake drive       \n", "bus/pci/devices/%s/nvme/nvme0/model", bdf);
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void unplug(const char *bdf)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s", root, bdf);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char bound[16]; /* what was handed to vfio-pci */

/* The kernel's part of a change of driver. */
static inline int kernel_write(const char *path, const char *text)
{
	if (strstr(path, "drivers_probe")) {
		snprintf(bound, sizeof(bound), "%s", text);
		set_driver(text, "vfio-pci");
	}
	return 0;
}

/* The library looks here from now on. */
static inline void sysfs_make(void)
{
	static char sys[96];

	snprintf(root, sizeof(root), "/tmp/nvmetcp-sysfs.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(sys, sizeof(sys), "%s/sys", root);
	nvmh_pci_env.sys = sys;
	nvmh_pci_env.write = kernel_write;
	bound[0] = '\0';
	put(NULL, "bus/pci/devices/");
	put(NULL, "bus/pci/drivers/vfio-pci/");
}

static inline void sysfs_remove(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif /* TESTS_UNIT_SYSFS_RIG_H */
