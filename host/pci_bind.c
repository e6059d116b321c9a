// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handing a PCI function from the kernel's driver to vfio-pci and back, by driver_override; never
 * one that somebody uses. Any thread; the writes to sysfs may take a while. Each refusal is
 * explained by nvmh_strerror(). Entry points: nvmh_pci_bind(), nvmh_pci_release(). Linux,
 * Documentation/ABI/testing/sysfs-bus-pci.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/ctrl.h"
#include "host/pci.h"

static const char vfio_driver[] = "vfio-pci";

/* ---- whether somebody uses a namespace of the kernel's ---- */

struct use {
	const char *bdf;
	const char *disk;	  /* "nvme0n1" */
	const char *part;	  /* "nvme0n1" or "nvme0n1p3" */
	char ctrl[NVMH_PCI_NAME]; /* "nvme0" */
	char folder[NVMH_PCI_PATH];
	int (*fn)(const char *name, void *arg);
};

static int holder(const char *name, void *arg)
{
	const struct use *use = arg;

	return nvmh_error(
		-EBUSY,
		"%s is in use: /dev/%s is held by %s (device mapper, LVM or md); take it out of there first",
		use->bdf, use->part, name);
}

/* Calls @fn for each line of /proc/@name. */
static int each_line(const char *name, int (*fn)(char *line, const struct use *use),
		     const struct use *use)
{
	char path[NVMH_PCI_PATH];
	size_t size = 0;
	char *line = NULL;
	FILE *file;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/%s", nvmh_pci_env.proc, name);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : nvmh_error(-errno, "%s cannot be read: %m", path);
	while (!ret && getline(&line, &size, file) > 0)
		ret = fn(line, use);
	free(line);
	fclose(file);
	return ret;
}

/* Whether @word is /dev/@part, by whatever folder. */
static bool names_part(const char *word, const char *part)
{
	const char *last = strrchr(word, '/');

	return last && !strcmp(last + 1, part);
}

/* "36 35 259:1 / /mnt rw,noatime master:1 - ext4 /dev/nvme0n1 rw": source after the separator */
static int check_mount(char *line, const struct use *use)
{
	char *tail = strstr(line, " - ");
	char *save = NULL;
	char *source;
	char *word;
	char *where = NULL;
	int i;

	if (!tail)
		return 0;
	*tail = '\0';
	word = strtok_r(line, " ", &save);
	for (i = 0; word && i < 4; i++)
		where = word = strtok_r(NULL, " ", &save);
	strtok_r(tail + 3, " ", &save);
	source = strtok_r(NULL, " \n", &save);
	if (!where || !source || !names_part(source, use->part))
		return 0;
	return nvmh_error(-EBUSY, "%s is in use: /dev/%s is mounted at %s; unmount it first",
			  use->bdf, use->part, where);
}

static int check_swap(char *line, const struct use *use)
{
	line[strcspn(line, " \t\n")] = '\0';
	if (!names_part(line, use->part))
		return 0;
	return nvmh_error(-EBUSY, "%s is in use: /dev/%s is swap space; swapoff it first", use->bdf,
			  use->part);
}

/* A file system, swap or another device claims what it uses: an exclusive open tells, whatever the
 * mount namespace. */
static int check_claim(const struct use *use)
{
	char path[NVMH_PCI_PATH];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", nvmh_pci_env.dev, use->part);
	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd < 0 && errno == EBUSY)
		return nvmh_error(-EBUSY, "%s is in use: somebody has /dev/%s open exclusively",
				  use->bdf, use->part);
	return 0;
}

static int check_part(struct use *use, const char *part)
{
	char path[NVMH_PCI_PATH + 32];
	int ret;

	use->part = part;
	snprintf(path, sizeof(path), "%s/holders", use->folder);
	ret = nvmh_pci_list(path, holder, use);
	if (ret && ret != -ENOENT)
		return ret;
	ret = each_line("self/mountinfo", check_mount, use);
	if (!ret)
		ret = each_line("swaps", check_swap, use);
	return ret ? ret : check_claim(use);
}

/* A partition is a folder "nvme0n1p1" within that of its disk. */
static int each_part(const char *name, void *arg)
{
	struct use *disk = arg;
	struct use part = *disk;
	int n;

	if (strncmp(name, disk->disk, strlen(disk->disk)))
		return 0;
	n = snprintf(part.folder, sizeof(part.folder), "%s/%s", disk->folder, name);
	if (n >= (int)sizeof(part.folder))
		return -ENAMETOOLONG;
	return check_part(&part, name);
}

static int check_disk(const char *bdf, const char *disk)
{
	struct use use = { .bdf = bdf, .disk = disk };
	int ret;

	snprintf(use.folder, sizeof(use.folder), "%s/class/block/%s", nvmh_pci_env.sys, disk);
	if (access(use.folder, F_OK))
		return 0; /* a hidden path of a multipath disk */
	ret = check_part(&use, disk);
	if (!ret)
		ret = nvmh_pci_list(use.folder, each_part, &use);
	return ret ? ret : nvmh_pci_writer(bdf, disk);
}

/* "nvme0n1" within a controller's or a subsystem's folder */
static int each_disk(const char *name, void *arg)
{
	const struct use *use = arg;

	if (strncmp(name, "nvme", 4) || !strchr(name + 4, 'n'))
		return 0;
	return check_disk(use->bdf, name);
}

/* With multipath the disks belong to the subsystem: look through those that have our controller. */
static int each_subsystem(const char *name, void *arg)
{
	struct use *use = arg;
	char path[2 * NVMH_PCI_PATH];
	int n;

	n = snprintf(path, sizeof(path), "%s/class/nvme-subsystem/%s/%s", nvmh_pci_env.sys, name,
		     use->ctrl);
	if (n >= (int)sizeof(path) || access(path, F_OK))
		return 0;
	path[n - (int)strlen(use->ctrl) - 1] = '\0';
	return nvmh_pci_list(path, each_disk, use);
}

static int each_controller(const char *name, void *arg)
{
	struct use *use = arg;
	char path[2 * NVMH_PCI_PATH];
	int ret;

	if (strncmp(name, "nvme", 4))
		return 0;
	snprintf(use->ctrl, sizeof(use->ctrl), "%s", name);
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/nvme/%s", nvmh_pci_env.sys, use->bdf,
		 name);
	ret = nvmh_pci_list(path, each_disk, use);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/class/nvme-subsystem", nvmh_pci_env.sys);
	ret = nvmh_pci_list(path, each_subsystem, use);
	return ret == -ENOENT ? 0 : ret;
}

static int check_unused(const char *bdf)
{
	struct use use = { .bdf = bdf };
	char path[NVMH_PCI_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/nvme", nvmh_pci_env.sys, bdf);
	ret = nvmh_pci_list(path, each_controller, &use);
	if (ret == -ENOENT)
		return 0; /* the kernel's driver does not have it */
	if (ret && ret != -EBUSY)
		nvmh_error(ret, "whether %s is in use cannot be found out (%s)", bdf,
			   strerrorname_np(-ret));
	return ret;
}

/* ---- the change of driver ---- */

static int set_attr(const char *what, const char *text)
{
	char path[NVMH_PCI_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/bus/pci/%s", nvmh_pci_env.sys, what);
	ret = nvmh_pci_env.write(path, text);
	if (ret == -EACCES || ret == -EPERM || ret == -EROFS)
		return nvmh_error(ret, "%s cannot be written: only root may change drivers", path);
	if (ret)
		return nvmh_error(ret, "%s cannot be written (%s)", path, strerrorname_np(-ret));
	return 0;
}

static int set_driver(const char *bdf, const char *from, const char *override)
{
	char attr[128];
	int ret;

	snprintf(attr, sizeof(attr), "devices/%s/driver_override", bdf);
	ret = set_attr(attr, override);
	if (ret)
		return ret;
	if (from[0]) {
		snprintf(attr, sizeof(attr), "devices/%s/driver/unbind", bdf);
		ret = set_attr(attr, bdf);
		if (ret)
			return ret;
	}
	return set_attr("drivers_probe", bdf);
}

/* Back to what it was; the reason of the failure stays what nvmh_strerror() says. */
static void undo_bind(const char *bdf)
{
	char reason[512];
	struct nvmh_pci_info info;

	snprintf(reason, sizeof(reason), "%s", nvmh_strerror());
	if (!nvmh_pci_info(bdf, &info))
		set_driver(bdf, strcmp(info.driver, vfio_driver) ? "" : info.driver, "\n");
	nvmh_error(0, "%s", reason);
}

static int check_bind(const struct nvmh_pci_info *info)
{
	char path[NVMH_PCI_PATH];

	if (info->class_code != NVMH_PCI_CLASS_NVME)
		return nvmh_error(-EINVAL, "%s is no NVMe controller (PCI class %06x)", info->bdf,
				  info->class_code);
	if (info->iommu_group < 0)
		return nvmh_error(
			-ENOTSUP,
			"%s has no IOMMU: enable VT-d or AMD-Vi in the firmware, and boot with "
			"intel_iommu=on (Intel)",
			info->bdf);
	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", nvmh_pci_env.sys, vfio_driver);
	if (access(path, F_OK))
		return nvmh_error(-ENOENT,
				  "the driver vfio-pci is not loaded: run modprobe vfio-pci");
	return nvmh_pci_group_alone(info->bdf, info->iommu_group);
}

int nvmh_pci_bind(const char *text)
{
	struct nvmh_pci_info info;
	char old[sizeof(info.driver)];
	int ret;

	ret = nvmh_pci_info(text, &info);
	if (ret)
		return ret;
	if (info.class_code == NVMH_PCI_CLASS_NVME && !strcmp(info.driver, vfio_driver))
		return 0;
	ret = check_bind(&info);
	if (!ret)
		ret = check_unused(info.bdf);
	if (ret)
		return ret;
	memcpy(old, info.driver, sizeof(old));
	ret = set_driver(info.bdf, info.driver, vfio_driver);
	if (!ret)
		ret = nvmh_pci_info(info.bdf, &info);
	if (!ret && strcmp(info.driver, vfio_driver))
		ret = nvmh_error(
			-EIO,
			"%s was not taken by vfio-pci (dmesg may say why), it is back with %s",
			info.bdf, old[0] ? old : "no driver");
	if (ret)
		undo_bind(info.bdf);
	return ret;
}

/* Taking the driver away from a function that a process has open would wait for that process. */
static int check_closed(const struct nvmh_pci_info *info)
{
	char path[NVMH_PCI_PATH];
	int fd;

	if (info->iommu_group < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/vfio/%d", nvmh_pci_env.dev, info->iommu_group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd < 0 && errno == EBUSY)
		return nvmh_error(-EBUSY, "%s is in use: a process has %s open; stop it first",
				  info->bdf, path);
	return 0;
}

int nvmh_pci_release(const char *text)
{
	struct nvmh_pci_info info;
	int ret;

	ret = nvmh_pci_info(text, &info);
	if (ret)
		return ret;
	if (strcmp(info.driver, vfio_driver)) {
		if (info.driver[0])
			return 0; /* a kernel driver has it */
	} else {
		ret = check_closed(&info);
		if (ret)
			return ret;
	}
	ret = set_driver(info.bdf, info.driver, "\n");
	if (!ret)
		ret = nvmh_pci_info(info.bdf, &info);
	if (!ret && !info.driver[0])
		ret = nvmh_error(
			-ENODEV,
			"%s was given back, but no kernel driver took it: run modprobe nvme",
			info.bdf);
	return ret;
}
