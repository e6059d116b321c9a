// SPDX-License-Identifier: BSD-2-Clause
/*
 * PCI functions in sysfs: what there is and what is bound to it. Any thread.
 * Entry points: nvmh_pci_scan(), nvmh_pci_info().
 * PCI Code and ID Assignment Specification, class 01h, subclass 08h, interface 02h.
 */
#include "host/pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/ctrl.h"

enum {
	CLASS_BRIDGE = 0x06, /* base class */
	MAX_FUNCTIONS = 4096,
};

static int write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

struct nvmh_pci_env nvmh_pci_env = {
	.sys = "/sys",
	.proc = "/proc",
	.dev = "/dev",
	.write = write_file,
};

static const char *hex_field(const char *p, unsigned int min, unsigned int max, char end)
{
	unsigned int n = 0;

	while (isxdigit((unsigned char)p[n]))
		n++;
	return n >= min && n <= max && p[n] == end ? p + n + 1 : NULL;
}

int nvmh_pci_parse(const char *text, char bdf[16])
{
	const char *p = text;
	bool domain = hex_field(p, 4, 8, ':');
	unsigned int i;
	size_t len;

	if (domain)
		p = hex_field(p, 4, 8, ':');
	p = hex_field(p, 2, 2, ':');
	p = p ? hex_field(p, 2, 2, '.') : NULL;
	len = strlen(text);
	if (!p || !(*p >= '0' && *p <= '7') || p[1] || len > 15)
		return nvmh_error(-EINVAL,
				  "\"%.32s\" is no PCI address (expected one like 0000:01:00.0)",
				  text);
	memcpy(bdf, "0000:", 5);
	memcpy(bdf + (domain ? 0 : 5), text, len + 1);
	for (i = 0; bdf[i]; i++)
		bdf[i] = (char)tolower((unsigned char)bdf[i]);
	return 0;
}

static int function_path(char *path, const char *bdf, const char *name)
{
	int n = snprintf(path, NVMH_PCI_PATH, "%s/bus/pci/devices/%s/%s", nvmh_pci_env.sys, bdf,
			 name);

	return n < NVMH_PCI_PATH ? 0 : -ENAMETOOLONG;
}

int nvmh_pci_read(const char *bdf, const char *name, char *text, size_t size)
{
	char path[NVMH_PCI_PATH];
	ssize_t n;
	int ret;
	int fd;

	ret = function_path(path, bdf, name);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	ret = n < 0 ? -errno : 0;
	close(fd);
	if (ret)
		return ret;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

/* Ids of all ones are nobody's; sysfs shows what the device answers now. */
bool nvmh_pci_silent(const char *bdf)
{
	char ids[5] = ""; /* vendor and device, and the end of a text */

	return !nvmh_pci_read(bdf, "config", ids, sizeof(ids)) &&
	       !memcmp(ids, "\xff\xff\xff\xff", 4);
}

int nvmh_pci_link(const char *bdf, const char *name, char *text, size_t size)
{
	char path[NVMH_PCI_PATH];
	char target[NVMH_PCI_PATH];
	const char *last;
	ssize_t n;
	int ret;

	ret = function_path(path, bdf, name);
	if (ret)
		return ret;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(text, size, "%s", last ? last + 1 : target);
	return 0;
}

int nvmh_pci_list(const char *path, int (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	int ret = 0;

	if (!dir)
		return -errno;
	while (!ret && (de = readdir(dir))) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			ret = fn(de->d_name, arg);
	}
	closedir(dir);
	return ret;
}

static int read_number(const char *bdf, const char *name, int base, long *value)
{
	char text[64];
	char *end;
	int ret;

	ret = nvmh_pci_read(bdf, name, text, sizeof(text));
	if (ret)
		return ret;
	errno = 0;
	*value = strtol(text, &end, base);
	return errno || end == text || *end ? -EINVAL : 0;
}

static int read_info(const char *bdf, struct nvmh_pci_info *info)
{
	char group[32];
	char *end;
	long class_code;
	long value;
	int ret;

	memset(info, 0, sizeof(*info));
	ret = read_number(bdf, "class", 16, &class_code);
	if (ret)
		return ret;
	snprintf(info->bdf, sizeof(info->bdf), "%s", bdf);
	info->class_code = (uint32_t)class_code;
	info->vendor = read_number(bdf, "vendor", 16, &value) ? 0 : (uint16_t)value;
	info->device = read_number(bdf, "device", 16, &value) ? 0 : (uint16_t)value;
	info->numa_node = read_number(bdf, "numa_node", 10, &value) ? -1 : (int)value;
	info->iommu_group = -1;
	if (!nvmh_pci_link(bdf, "iommu_group", group, sizeof(group))) {
		value = strtol(group, &end, 10);
		if (end != group && !*end)
			info->iommu_group = (int)value;
	}
	if (nvmh_pci_link(bdf, "driver", info->driver, sizeof(info->driver)))
		info->driver[0] = '\0';
	return 0;
}

int nvmh_pci_info(const char *text, struct nvmh_pci_info *info)
{
	struct nvmh_pci_info found;
	char bdf[16];
	int ret;

	ret = nvmh_pci_parse(text, bdf);
	if (ret)
		return ret;
	ret = read_info(bdf, &found);
	if (ret == -ENOENT)
		return nvmh_error(-ENODEV, "no PCI function at %s (lspci -D lists what there is)",
				  bdf);
	if (ret)
		return nvmh_error(ret, "PCI function %s cannot be read from sysfs (%s)", bdf,
				  strerrorname_np(-ret));
	*info = found;
	return 0;
}

struct found {
	struct nvmh_pci_info *info;
	int nr;
	int size;
};

static int scan_one(const char *name, void *arg)
{
	struct nvmh_pci_info info;
	struct found *found = arg;
	struct nvmh_pci_info *more;
	char bdf[16];

	/* a function may vanish while we read */
	if (nvmh_pci_parse(name, bdf) || read_info(bdf, &info) ||
	    info.class_code != NVMH_PCI_CLASS_NVME)
		return 0;
	if (found->nr == MAX_FUNCTIONS)
		return -E2BIG;
	if (found->nr == found->size) {
		found->size = found->size ? 2 * found->size : 16;
		more = realloc(found->info, (size_t)found->size * sizeof(*more));
		if (!more)
			return -ENOMEM;
		found->info = more;
	}
	found->info[found->nr++] = info;
	return 0;
}

static int by_bdf(const void *a, const void *b)
{
	return strcmp(((const struct nvmh_pci_info *)a)->bdf,
		      ((const struct nvmh_pci_info *)b)->bdf);
}

int nvmh_pci_scan(struct nvmh_pci_info **infop)
{
	struct found found = { 0 };
	char path[NVMH_PCI_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/bus/pci/devices", nvmh_pci_env.sys);
	ret = nvmh_pci_list(path, scan_one, &found);
	if (ret) {
		free(found.info);
		return nvmh_error(ret, "the PCI functions cannot be listed from %s (%s)", path,
				  strerrorname_np(-ret));
	}
	if (found.nr)
		qsort(found.info, (size_t)found.nr, sizeof(*found.info), by_bdf);
	*infop = found.info;
	return found.nr;
}

struct group_check {
	const char *bdf;
	int group;
};

static int check_neighbour(const char *name, void *arg)
{
	const struct group_check *check = arg;
	struct nvmh_pci_info info;
	char bdf[16];

	if (nvmh_pci_parse(name, bdf) || !strcmp(bdf, check->bdf) || read_info(bdf, &info))
		return 0;
	if (info.class_code >> 16 == CLASS_BRIDGE || !info.driver[0] ||
	    !strncmp(info.driver, "vfio-", 5))
		return 0;
	return nvmh_error(
		-EBUSY,
		"%s shares IOMMU group %d with %s (class %06x, driver %s): take that one from its driver "
		"too (echo %s > /sys/bus/pci/drivers/%s/unbind), or use a slot with a group of its own",
		check->bdf, check->group, bdf, info.class_code, info.driver, bdf, info.driver);
}

int nvmh_pci_group_alone(const char *bdf, int group)
{
	struct group_check check = { .bdf = bdf, .group = group };
	char path[NVMH_PCI_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", nvmh_pci_env.sys, group);
	ret = nvmh_pci_list(path, check_neighbour, &check);
	if (ret && ret != -EBUSY)
		nvmh_error(ret, "IOMMU group %d cannot be read from %s (%s)", group, path,
			   strerrorname_np(-ret));
	return ret;
}
