// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmetcpd --list-drives, --bind, --release. Main thread, no daemon runs in this process.
 */
#include "target/drives_cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "host/nvmh.h"

static int fail(int ret)
{
	log_err("%s", nvmh_strerror());
	return ret;
}

static void print_json(const struct nvmh_pci_info *info, int nr)
{
	/* Names of drivers come from the kernel: letters, digits, "-" and "_" only. */
	printf("{\n  \"drives\": [");
	for (int i = 0; i < nr; i++)
		printf("%s\n    { \"traddr\": \"%s\", \"vendor\": \"0x%04x\", \"device\": \"0x%04x\", \"numa_node\": %d, "
		       "\"iommu_group\": %d, \"driver\": \"%s\" }",
		       i ? "," : "", info[i].bdf, info[i].vendor, info[i].device, info[i].numa_node,
		       info[i].iommu_group, info[i].driver);
	printf("%s]\n}\n", nr ? "\n  " : "");
}

static void print_table(const struct nvmh_pci_info *info, int nr)
{
	printf("%-14s %-11s %5s %6s  %s\n", "Address", "Id", "NUMA", "Group", "Driver");
	for (int i = 0; i < nr; i++)
		printf("%-14s %04x:%04x   %5d %6d  %s\n", info[i].bdf, info[i].vendor,
		       info[i].device, info[i].numa_node, info[i].iommu_group,
		       *info[i].driver ? info[i].driver : "-");
}

int nvmet_cmd_list_drives(bool json)
{
	struct nvmh_pci_info *info = NULL;
	int nr = nvmh_pci_scan(&info);

	if (nr < 0)
		return fail(nr);
	if (json)
		print_json(info, nr);
	else
		print_table(info, nr);
	free(info);
	return 0;
}

int nvmet_cmd_bind(const char *bdf)
{
	int ret = nvmh_pci_bind(bdf);

	if (ret)
		return fail(ret);
	printf("%s is bound to vfio-pci\n", bdf);
	return 0;
}

int nvmet_cmd_release(const char *bdf)
{
	int ret = nvmh_pci_release(bdf);

	if (ret)
		return fail(ret);
	printf("%s is back with the kernel's driver\n", bdf);
	return 0;
}
