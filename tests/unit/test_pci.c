// SPDX-License-Identifier: BSD-2-Clause
/*
 * PCI functions in a tree of files that looks like sysfs, /proc and /dev, with a writer that does
 * to it what the kernel does: scan, bind to vfio-pci, give back, and every refusal with its words.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/nvmh.h"
#include "host/pci.h"

static char root[64];
static char sys[96];
static char proc[96];
static char dev[96];

/* What the fake kernel does. */
static bool vfio_refuses; /* vfio-pci does not take a function */
static bool nvme_loaded;  /* the kernel's driver takes functions without override */
static int write_error;	  /* every write answers this */
static unsigned int nr_writes;

/* ---- the tree ---- */

__attribute__((format(printf, 2, 3))) static void path_of(char *path, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	n = (size_t)snprintf(path, 512, "%s/", root);
	va_start(ap, fmt);
	vsnprintf(path + n, 512 - n, fmt, ap);
	va_end(ap);
}

static void make_folders(const char *path)
{
	char part[512];
	const char *p = path;

	while ((p = strchr(p + 1, '/'))) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		mkdir(part, 0755);
	}
}

static void put_file(const char *path, const char *text)
{
	FILE *file;

	make_folders(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_link(const char *path, const char *target)
{
	make_folders(path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void set_driver(const char *bdf, const char *driver)
{
	char path[512];
	char target[512];

	path_of(path, "sys/bus/pci/devices/%s/driver", bdf);
	unlink(path);
	if (!driver)
		return;
	path_of(target, "sys/bus/pci/drivers/%s/bind", driver);
	put_file(target, "");
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	put_link(path, target);
}

/* @group < 0: no IOMMU */
static void add_function(const char *bdf, const char *class_code, const char *driver, int group)
{
	char path[512];
	char target[512];

	path_of(path, "sys/bus/pci/devices/%s/class", bdf);
	put_file(path, class_code);
	path_of(path, "sys/bus/pci/devices/%s/vendor", bdf);
	put_file(path, "0x1b36\n");
	path_of(path, "sys/bus/pci/devices/%s/device", bdf);
	put_file(path, "0x0010\n");
	path_of(path, "sys/bus/pci/devices/%s/numa_node", bdf);
	put_file(path, "-1\n");
	path_of(path, "sys/bus/pci/devices/%s/driver_override", bdf);
	put_file(path, "(null)\n");
	set_driver(bdf, driver);
	if (group < 0)
		return;
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
	path_of(path, "sys/bus/pci/devices/%s/iommu_group", bdf);
	put_link(path, target);
	path_of(path, "sys/kernel/iommu_groups/%d/devices/%s", group, bdf);
	put_file(path, "");
}

/* Disk nvme0n1 with partition nvme0n1p1, as without multipath. */
static void add_disk(const char *bdf)
{
	char path[512];

	path_of(path, "sys/bus/pci/devices/%s/nvme/nvme0/nvme0n1/nsid", bdf);
	put_file(path, "1\n");
	path_of(path, "sys/class/block/nvme0n1/holders/x");
	make_folders(path);
	path_of(path, "sys/class/block/nvme0n1/nvme0n1p1/holders/x");
	make_folders(path);
}

/* Disk nvme7n1 of a subsystem, whose path nvme7c0n1 is hidden. */
static void add_multipath_disk(const char *bdf)
{
	char path[512];

	path_of(path, "sys/bus/pci/devices/%s/nvme/nvme0/nvme7c0n1/nsid", bdf);
	put_file(path, "1\n");
	path_of(path, "sys/class/nvme-subsystem/nvme-subsys3/nvme9/x");
	make_folders(path);
	path_of(path, "sys/class/nvme-subsystem/nvme-subsys3/nvme9n1/x");
	make_folders(path);
	path_of(path, "sys/class/nvme-subsystem/nvme-subsys7/nvme0/x");
	make_folders(path);
	path_of(path, "sys/class/nvme-subsystem/nvme-subsys7/nvme7n1/x");
	make_folders(path);
	path_of(path, "sys/class/block/nvme7n1/holders/x");
	make_folders(path);
	path_of(path, "sys/class/block/nvme9n1/holders/x");
	make_folders(path);
}

static bool has_driver(const char *bdf, const char *driver)
{
	struct nvmh_pci_info info;

	assert_int_equal(nvmh_pci_info(bdf, &info), 0);
	return !strcmp(info.driver, driver ? driver : "");
}

static void read_override(const char *bdf, char *text, size_t size)
{
	assert_int_equal(nvmh_pci_read(bdf, "driver_override", text, size), 0);
}

/* The kernel: driver_override, unbind and drivers_probe. */
static int kernel_write(const char *path, const char *text)
{
	char override[64];
	char bdf[64];
	const char *p;

	nr_writes++;
	if (write_error)
		return write_error;
	if ((p = strstr(path, "/driver_override"))) {
		put_file(path, text);
		return 0;
	}
	if (strstr(path, "/driver/unbind")) {
		set_driver(text, NULL);
		return 0;
	}
	assert_non_null(strstr(path, "/drivers_probe"));
	snprintf(bdf, sizeof(bdf), "%s", text);
	read_override(bdf, override, sizeof(override));
	if (!has_driver(bdf, NULL))
		return 0;
	if (!strcmp(override, "vfio-pci") && !vfio_refuses)
		set_driver(bdf, "vfio-pci");
	else if (!override[0] && nvme_loaded)
		set_driver(bdf, "nvme");
	return 0;
}

static int setup(void **state)
{
	char path[512];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_pci.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(sys, sizeof(sys), "%s/sys", root);
	snprintf(proc, sizeof(proc), "%s/proc", root);
	snprintf(dev, sizeof(dev), "%s/dev", root);
	nvmh_pci_env = (struct nvmh_pci_env){
		.sys = sys, .proc = proc, .dev = dev, .write = kernel_write
	};
	vfio_refuses = false;
	nvme_loaded = true;
	write_error = 0;
	nr_writes = 0;
	path_of(path, "proc/swaps");
	put_file(
		path,
		"Filename\t\t\tType\t\tSize\tUsed\tPriority\n/dev/sda2   partition\t8388604\t0\t-2\n");
	path_of(path, "proc/self/mountinfo");
	put_file(path, "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		       "23 22 0:21 / /proc rw - proc proc rw\n"
		       "24 22 8:3 / /mnt/nvme0n1 rw - ext4 /dev/sda3 rw\n");
	path_of(path, "sys/bus/pci/drivers/vfio-pci/bind");
	put_file(path, "");
	add_function("0000:01:00.0", "0x010802\n", "nvme", 7);
	add_disk("0000:01:00.0");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void assert_said(const char *words)
{
	if (!strstr(nvmh_strerror(), words))
		fail_msg("\"%s\" is not in \"%s\"", words, nvmh_strerror());
}

/* Nothing was changed, or everything was changed back. */
static void assert_untouched(void)
{
	assert_true(has_driver("0000:01:00.0", "nvme"));
}

/* ---- tests ---- */

static void test_parse_addresses_are_checked(void **state)
{
	static const struct {
		const char *text;
		const char *bdf;
	} table[] = {
		{ "0000:01:00.0", "0000:01:00.0" },
		{ "01:00.0", "0000:01:00.0" },
		{ "ABCD:EF:1F.7", "abcd:ef:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" }, /* VMD */
		{ "", NULL },
		{ "0000:01:00.8", NULL },
		{ "0000:01:00", NULL },
		{ "0000:01:00.0 ", NULL },
		{ "0000:01:00.00", NULL },
		{ "000:01:00.0", NULL },
		{ "0000:1:00.0", NULL },
		{ "../../../etc", NULL },
		{ "0000:01:00.0/../x", NULL },
		{ "123456789:01:00.0", NULL },
		{ "12345678:01:00.0", NULL }, /* does not fit */
		{ "nvme0", NULL },
	};
	char bdf[16];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		memset(bdf, 'x', sizeof(bdf));
		if (nvmh_pci_parse(table[i].text, bdf) != (table[i].bdf ? 0 : -EINVAL))
			fail_msg("\"%s\"", table[i].text);
		if (table[i].bdf)
			assert_string_equal(bdf, table[i].bdf);
	}
}

static void test_scan_lists_drives_in_order(void **state)
{
	struct nvmh_pci_info *info = NULL;

	(void)state;
	add_function("0000:00:1f.0", "0x060100\n", NULL, 1);
	add_function("0000:02:00.0", "0x010601\n", "ahci", 2); /* SATA */
	add_function("0000:00:05.0", "0x010802\n", NULL, -1);  /* no driver, no IOMMU */
	add_function("0000:03:00.0", "0x010803\n", "nvme", 3); /* an administrative controller */
	add_function("0000:04:00.0", "nonsense\n", "nvme", 4);
	assert_int_equal(nvmh_pci_scan(&info), 2);
	assert_string_equal(info[0].bdf, "0000:00:05.0");
	assert_int_equal(info[0].iommu_group, -1);
	assert_string_equal(info[0].driver, "");
	assert_string_equal(info[1].bdf, "0000:01:00.0");
	assert_int_equal(info[1].vendor, 0x1b36);
	assert_int_equal(info[1].device, 0x0010);
	assert_int_equal(info[1].class_code, 0x010802);
	assert_int_equal(info[1].numa_node, -1);
	assert_int_equal(info[1].iommu_group, 7);
	assert_string_equal(info[1].driver, "nvme");
	free(info);
}

static void test_function_without_power_is_silent(void **state)
{
	static const struct {
		const char *config;
		bool silent;
	} table[] = {
		{ "\xff\xff\xff\xff\xff\xff", true },
		{ "\xff\xff\xff\xff", true },
		{ "\x36\x1b\x10", false }, /* and a 0 */
		{ "\xff\xff\x10\x20", false },
		{ "\xff\xff\xff", false }, /* too short to tell */
		{ "", false },
	};
	char path[512];

	(void)state;
	assert_false(nvmh_pci_silent("0000:01:00.0")); /* there is no such file */
	path_of(path, "sys/bus/pci/devices/0000:01:00.0/config");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		put_file(path, table[i].config);
		if (nvmh_pci_silent("0000:01:00.0") != table[i].silent)
			fail_msg("row %zu", i);
	}
}

static void test_bind_and_release_change_the_driver(void **state)
{
	char override[64];

	(void)state;
	assert_int_equal(nvmh_pci_bind("01:00.0"), 0);
	assert_true(has_driver("0000:01:00.0", "vfio-pci"));
	read_override("0000:01:00.0", override, sizeof(override));
	assert_string_equal(override, "vfio-pci");
	nr_writes = 0;
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0); /* is so already */
	assert_int_equal(nr_writes, 0);

	assert_int_equal(nvmh_pci_release("0000:01:00.0"), 0);
	assert_true(has_driver("0000:01:00.0", "nvme"));
	read_override("0000:01:00.0", override, sizeof(override));
	assert_string_equal(override, "");
	nr_writes = 0;
	assert_int_equal(nvmh_pci_release("0000:01:00.0"), 0);
	assert_int_equal(nr_writes, 0);
}

static void test_bind_without_driver_works(void **state)
{
	(void)state;
	set_driver("0000:01:00.0", NULL);
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0);
	assert_true(has_driver("0000:01:00.0", "vfio-pci"));
}

static void test_bind_what_is_no_drive_is_refused(void **state)
{
	(void)state;
	add_function("0000:02:00.0", "0x020000\n", "e1000e", 2);
	assert_int_equal(nvmh_pci_bind("0000:02:00.0"), -EINVAL);
	assert_said("no NVMe controller (PCI class 020000)");
	assert_int_equal(nvmh_pci_bind("0000:09:00.0"), -ENODEV);
	assert_said("no PCI function at 0000:09:00.0");
	assert_int_equal(nvmh_pci_bind("nvme0"), -EINVAL);
	assert_said("no PCI address");
	assert_int_equal(nr_writes, 0);
}

static void test_bind_without_iommu_or_driver_says_what_to_do(void **state)
{
	char path[512];

	(void)state;
	add_function("0000:02:00.0", "0x010802\n", "nvme", -1);
	assert_int_equal(nvmh_pci_bind("0000:02:00.0"), -ENOTSUP);
	assert_said("intel_iommu=on");
	path_of(path, "sys/bus/pci/drivers/vfio-pci/bind");
	assert_int_equal(unlink(path), 0);
	path_of(path, "sys/bus/pci/drivers/vfio-pci");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), -ENOENT);
	assert_said("modprobe vfio-pci");
	assert_int_equal(nr_writes, 0);
}

static void test_bind_shared_group_names_the_other(void **state)
{
	(void)state;
	add_function("0000:00:01.0", "0x060400\n", "pcieport", 7); /* a bridge is no neighbour */
	add_function("0000:01:00.1", "0x010802\n", NULL, 7); /* nor is a function without driver */
	add_function("0000:01:00.2", "0x010802\n", "vfio-pci", 7);
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0);
	assert_int_equal(nvmh_pci_release("0000:01:00.0"), 0);
	nr_writes = 0;
	add_function("0000:01:00.3", "0x0c0330\n", "xhci_hcd", 7);
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), -EBUSY);
	assert_said("0000:01:00.3");
	assert_said("xhci_hcd");
	assert_said("group 7");
	assert_int_equal(nr_writes, 0);
	assert_untouched();
}

static void test_bind_in_use_is_refused(void **state)
{
	static const struct {
		const char *file;
		const char *text;
		const char *said;
	} table[] = {
		{ "proc/self/mountinfo", "30 1 259:1 / /data rw - xfs /dev/nvme0n1 rw\n",
		  "mounted at /data" },
		{ "proc/self/mountinfo",
		  "30 1 0:44 / /data rw master:1 - btrfs /dev/nvme0n1p1 rw\n",
		  "/dev/nvme0n1p1 is mounted at /data" },
		{ "proc/swaps", "/dev/nvme0n1p1   partition\t8388604\t0\t-2\n",
		  "/dev/nvme0n1p1 is swap" },
		{ "sys/class/block/nvme0n1/holders/dm-0", "", "/dev/nvme0n1 is held by dm-0" },
		{ "sys/class/block/nvme0n1/nvme0n1p1/holders/md127", "",
		  "/dev/nvme0n1p1 is held by md127" },
	};
	char path[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		path_of(path, "%s", table[i].file);
		put_file(path, table[i].text);
		if (nvmh_pci_bind("0000:01:00.0") != -EBUSY)
			fail_msg("%s", table[i].said);
		assert_said(table[i].said);
		assert_said("0000:01:00.0 is in use");
		assert_int_equal(nr_writes, 0);
		assert_untouched();
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0);
}

/* What claims nothing is known by its descriptors. One that only reads is no user: udev does. */
static void test_bind_open_for_writing_is_refused(void **state)
{
	static const struct {
		const char *target;
		const char *flags;
		bool refused;
	} table[] = {
		{ "/dev/nvme0n1", "pos:\t0\nflags:\t0100002\nmnt_id:\t5\n", true },
		{ "/dev/nvme0n1p1", "pos:\t0\nflags:\t0140001\n", true },
		{ "/dev/ng0n1", "pos:\t0\nflags:\t02\n", true },
		{ "/dev/nvme0n1", "pos:\t0\nflags:\t0100000\n", false },
		{ "/dev/nvme0n1", "", false },
		{ "/dev/nvme0n10", "pos:\t0\nflags:\t0100002\n", false },
		{ "/dev/nvme0n1px", "pos:\t0\nflags:\t0100002\n", false },
		{ "/dev/ng0n11", "pos:\t0\nflags:\t0100002\n", false },
		{ "socket:[4711]", "pos:\t0\nflags:\t0100002\n", false },
	};
	char path[512];
	size_t i;

	(void)state;
	path_of(path, "proc/4711/comm");
	put_file(path, "kvm \033[2J\n");
	path_of(path, "proc/bus/fd/7");
	put_link(path, "/dev/nvme0n1");
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		path_of(path, "proc/4711/fdinfo/7");
		put_file(path, table[i].flags);
		path_of(path, "proc/4711/fd/7");
		put_link(path, table[i].target);
		if (!table[i].refused) {
			assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0);
			assert_int_equal(nvmh_pci_release("0000:01:00.0"), 0);
			continue;
		}
		nr_writes = 0;
		if (nvmh_pci_bind("0000:01:00.0") != -EBUSY)
			fail_msg("%s %s", table[i].target, table[i].flags);
		assert_said("0000:01:00.0 is in use: process 4711 (\"kvm \\x1b[2J\") has");
		assert_said(table[i].target);
		assert_int_equal(nr_writes, 0);
		assert_untouched();
	}
}

static void test_bind_multipath_in_use_is_refused(void **state)
{
	char path[512];

	(void)state;
	add_function("0000:02:00.0", "0x010802\n", "nvme", 8);
	add_multipath_disk("0000:02:00.0");
	path_of(path, "proc/self/mountinfo");
	put_file(path, "30 1 259:1 / /data rw - xfs /dev/nvme9n1 rw\n"); /* of another subsystem */
	assert_int_equal(nvmh_pci_bind("0000:02:00.0"), 0);
	assert_int_equal(nvmh_pci_release("0000:02:00.0"), 0);
	put_file(path, "30 1 259:1 / /data rw - xfs /dev/nvme7n1 rw\n");
	assert_int_equal(nvmh_pci_bind("0000:02:00.0"), -EBUSY);
	assert_said("/dev/nvme7n1 is mounted at /data");
}

static void test_bind_that_fails_is_undone(void **state)
{
	char override[64];

	(void)state;
	vfio_refuses = true;
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), -EIO);
	assert_said("was not taken by vfio-pci");
	assert_untouched();
	read_override("0000:01:00.0", override, sizeof(override));
	assert_string_equal(override, "");
	write_error = -EACCES;
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), -EACCES);
	assert_said("only root");
	assert_untouched();
}

static void test_release_without_kernel_driver_says_so(void **state)
{
	(void)state;
	assert_int_equal(nvmh_pci_bind("0000:01:00.0"), 0);
	nvme_loaded = false;
	assert_int_equal(nvmh_pci_release("0000:01:00.0"), -ENODEV);
	assert_said("modprobe nvme");
	assert_true(has_driver("0000:01:00.0", NULL));
	nvme_loaded = true;
	assert_int_equal(nvmh_pci_release("0000:01:00.0"), 0);
	assert_untouched();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parse_addresses_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scan_lists_drives_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_function_without_power_is_silent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_and_release_change_the_driver, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_without_driver_works, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_what_is_no_drive_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_without_iommu_or_driver_says_what_to_do,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_shared_group_names_the_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_in_use_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_open_for_writing_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_multipath_in_use_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bind_that_fails_is_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release_without_kernel_driver_says_so, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
