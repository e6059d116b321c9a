// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which drive a PCI function is, as the kernel's NVMe driver tells it. Any thread. Entry point:
 * nvmh_pci_identity(). Linux, Documentation/ABI/stable/sysfs-class-nvme is not written: the files
 * are those of drivers/nvme/host/sysfs.c.
 */
#include <errno.h>
#include <stdio.h>

#include "host/ctrl.h"
#include "host/pci.h"

static int take_name(const char *name, void *arg)
{
	if (strncmp(name, "nvme", 4))
		return 0;
	snprintf(arg, NVMH_PCI_NAME, "%s", name);
	return 1;
}

/* Spaces fill the field up to its length. */
static int read_field(const char *bdf, const char *ctrl, const char *field, char text[64])
{
	char name[NVMH_PCI_NAME + 32];
	size_t len;
	int ret;

	snprintf(name, sizeof(name), "nvme/%s/%s", ctrl, field);
	ret = nvmh_pci_read(bdf, name, text, 64);
	if (ret)
		return ret;
	for (len = strlen(text); len && text[len - 1] == ' '; len--)
		text[len - 1] = '\0';
	return 0;
}

int nvmh_pci_identity(const char *bdf, char serial[64], char model[64])
{
	char ctrl[NVMH_PCI_NAME];
	char path[NVMH_PCI_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%.15s/nvme", nvmh_pci_env.sys, bdf);
	ret = nvmh_pci_list(path, take_name, ctrl);
	if (ret == 1)
		ret = read_field(bdf, ctrl, "serial", serial);
	else if (!ret)
		ret = -ENOENT;
	if (!ret)
		ret = read_field(bdf, ctrl, "model", model);
	if (ret)
		return nvmh_error(ret,
				  "%s: the kernel's driver does not tell which drive it is (%s)",
				  bdf, strerrorname_np(-ret));
	return 0;
}
