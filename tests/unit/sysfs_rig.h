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

/* What others see of a file is all of it or nothing, as with the kernel's. */
static inline void put_file(const char *text, const char *path)
{
	char new_path[264];
	FILE *file;

	snprintf(new_path, sizeof(new_path), "%s.new", path);
	file = fopen(new_path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(new_path, path), 0);
}

__attribute__((format(printf, 2, 3))) static inline void put(const char *text, const char *fmt, ...)
{
	char path[256];
	char *p = path;
	va_list ap;
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
	if (text)
		put_file(text, path);
}

static inline void set_driver(const char *bdf, const char *driver)
{
	char path[256];

	put(NULL, "bus/pci/drivers/%s/", driver);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/driver", root, bdf);
	unlink(path);
	assert_int_equal(symlink(driver, path), 0);
}

/* A function is there with its driver, at once: its folder is made elsewhere. */
static inline void plug(const char *bdf, const char *driver)
{
	char from[256];
	char to[256];
	char link[300];

	put("0x010802\n", "plugged/%s/class", bdf);
	put("(null)\n", "plugged/%s/driver_override", bdf);
	put(NULL, "kernel/iommu_groups/7/devices/");
	put(NULL, "bus/pci/drivers/%s/", driver);
	snprintf(from, sizeof(from), "%s/sys/plugged/%s", root, bdf);
	snprintf(link, sizeof(link), "%s/driver", from);
	assert_int_equal(symlink(driver, link), 0);
	snprintf(link, sizeof(link), "%s/iommu_group", from);
	assert_int_equal(symlink("7", link), 0);
	snprintf(to, sizeof(to), "%s/sys/bus/pci/devices/%s", root, bdf);
	assert_int_equal(rename(from, to), 0);
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
	char from[256];
	char to[256];

	put(NULL, "unplugged/");
	snprintf(from, sizeof(from), "%s/sys/bus/pci/devices/%s", root, bdf);
	snprintf(to, sizeof(to), "%s/sys/unplugged/%s", root, bdf);
	assert_int_equal(rename(from, to), 0);
	nftw(to, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
