// SPDX-License-Identifier: BSD-2-Clause
/*
 * libnvmh on a real PCIe function behind an IOMMU, as TAP: run as root in the guest on the drive of preset "multi", which the
 * kernel's nvme driver has at first and gets back at the end. Everything on the drive is overwritten.
 *
 *	pcie_test 0000:00:11.0 [quick]
 *
 * "quick" leaves out what does not depend on the interface or the kind of interrupts (NVMH_VFIO, NVMH_IRQ). Main thread, but for tests under load,
 * which have an owner thread per queue.
 */
#include "tests/vm/pcie_test.h"
#include "tests/vm/pcie_test_io.h"
#include "tests/vm/pcie_test_reset.h"

/* ---- binding ---- */

static bool scan_finds_it(void)
{
	struct nvmh_pci_info *info = NULL;
	int n = nvmh_pci_scan(&info);
	bool found = false;
	int i;

	check(n > 0);
	for (i = 0; i < n; i++) {
		printf("# %s %04x:%04x group %d driver %s\n", info[i].bdf, info[i].vendor,
		       info[i].device, info[i].iommu_group, info[i].driver);
		if (!strcmp(info[i].bdf, bdf))
			found = info[i].class_code == 0x010802 && info[i].iommu_group >= 0;
	}
	free(info);
	check(found);
	return true;
}

static bool open_needs_vfio(void)
{
	struct nvmh_ctrl *ctrl;

	check(open_drive(1, 0, &ctrl) == -ENXIO);
	check(strstr(nvmh_strerror(), "bound to nvme") && strstr(nvmh_strerror(), "--bind"));
	return true;
}

static bool open_of_nothing(void)
{
	const char *good = bdf;
	struct nvmh_ctrl *ctrl;
	int a;
	int b;

	bdf = "0000:7f:1f.7";
	a = open_drive(1, 0, &ctrl);
	bdf = "nonsense";
	b = open_drive(1, 0, &ctrl);
	bdf = good;
	check(a == -ENODEV && b == -EINVAL);
	check(nvmh_pci_bind("0000:00:00.0") == -EINVAL &&
	      strstr(nvmh_strerror(), "no NVMe controller"));
	return true;
}

static bool bind_refuses_a_claimed_disk(void)
{
	struct nvmh_pci_info info;
	char path[300];
	int ret;
	int fd;

	check(kernel_disk(2, path, sizeof(path)));
	fd = open(path, O_RDONLY | O_EXCL);
	check(fd >= 0);
	ret = nvmh_pci_bind(bdf);
	close(fd);
	check(ret == -EBUSY && strstr(nvmh_strerror(), "in use"));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "nvme"));
	return true;
}

static bool bind_hands_it_over(void)
{
	struct nvmh_pci_info info;

	check(!nvmh_pci_bind(bdf));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "vfio-pci"));
	check(!nvmh_pci_bind(bdf)); /* again: nothing to do */
	return true;
}

static bool no_permission(void)
{
	struct nvmh_ctrl *ctrl;
	int ret = open_drive(1, 0, &ctrl);

	check(ret == -EACCES || ret == -EPERM);
	check(strstr(nvmh_strerror(), "permission"));
	return true;
}

static bool no_locked_memory(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	struct nvmh_ctrl *ctrl;

	check(!setrlimit(RLIMIT_MEMLOCK, &limit));
	check(open_drive(1, 0, &ctrl) == -ENOMEM);
	check(strstr(nvmh_strerror(), "LimitMEMLOCK"));
	return true;
}

static bool open_without_permission_says_so(void)
{
	return as_nobody(no_permission);
}

/* Everybody may open the drive, by either interface, for @fn. */
static bool open_to_all(bool (*fn)(void))
{
	const char *files[] = { NULL, "/dev/iommu", NULL };
	struct nvmh_pci_info info;
	char group[64];
	char device[64];
	size_t i;
	bool ok;

	check(!nvmh_pci_info(bdf, &info));
	snprintf(group, sizeof(group), "/dev/vfio/%d", info.iommu_group);
	files[0] = group;
	files[2] = device_file(device, sizeof(device)) ? device : NULL;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		check(!files[i] || !chmod(files[i], 0666) || errno == ENOENT);
	ok = as_nobody(fn);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		check(!files[i] || !chmod(files[i], 0600) || errno == ENOENT);
	return ok;
}

static bool open_without_locked_memory_says_so(void)
{
	return open_to_all(no_locked_memory);
}

static bool release_gives_it_back(void)
{
	struct nvmh_pci_info info;
	uint64_t end = clock_now_ms() + 60000;
	char path[300];
	ssize_t n;
	int fd;

	check(!nvmh_pci_release(bdf));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "nvme"));
	while (!kernel_disk(1, path, sizeof(path)) || access(path, F_OK)) {
		check(clock_now_ms() < end);
		poll(NULL, 0, 100);
	}
	fd = open(path, O_RDONLY | O_DIRECT);
	check(fd >= 0);
	n = pread(fd, arena, 524288, 6 * 2048 * 512);
	close(fd);
	check(n == 524288 && is_pattern(arena, 524288, 6 + 1));
	check(!nvmh_pci_release(bdf)); /* again: nothing to do */
	return true;
}

static void binding_tests(void)
{
	test("scan: the drive is found", scan_finds_it);
	test("open: refused while the kernel's driver has it", open_needs_vfio);
	test("open and bind: what is not there, or no drive", open_of_nothing);
	test("bind: refused while a disk is claimed", bind_refuses_a_claimed_disk);
	test("bind: handed to vfio-pci", bind_hands_it_over);
	test("open: without permission says so", open_without_permission_says_so);
	test("open: without locked memory says so", open_without_locked_memory_says_so);
}

static void command_tests(void)
{
	test("second open: busy", second_open_is_busy);
	test("identify", identity);
	test("namespaces", namespaces);
	test("log pages", logs);
	test("write, read, verify: 4 KiB blocks, second queue", data_4096);
	test("write, read, verify: scattered", scattered);
	test("buffers that cannot be described are refused", refused_buffers);
	test("statuses of the drive", statuses);
}

int main(int argc, char **argv)
{
	bool quick = argc == 3 && !strcmp(argv[2], "quick");

	if (argc != 2 && !quick) {
		fprintf(stderr, "usage: pcie_test BDF [quick]\n");
		return 2;
	}
	bdf = argv[1];
	log_init("pcie_test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return 1;
	if (quick)
		test("bind: handed to vfio-pci", bind_hands_it_over);
	else
		binding_tests();
	test("bring-up", bring_up);
	if (!drive) {
		printf("Bail out! no drive\n");
		return 1;
	}
	test("the interface is the one it should be", the_interface);
	test("the interrupts are what they should be", the_interrupts);
	test("the IOMMU's address ranges are kept to", address_ranges);
	test("write, read, verify: 512 B blocks", data_512);
	if (!quick)
		command_tests();
	test("a full queue, completed by interrupt", full_queue);
	test("owners that sleep are woken up", sleepers_are_woken);
	test("reset under load of two threads", reset_under_load);
	test("reset in one thread with commands outstanding", reset_in_one_thread);
	test("reset of the PCI function", function_reset);
	test("cut off from memory, and opened again", cut_off_and_reopen);
	test("close and reopen, with other numbers of queues", close_and_reopen);
	test("more areas than can be mapped are refused", maps_are_limited);
	if (!quick)
		test("open and close again and again, and before it is up", open_close_loop);
	test("release: back with the kernel, data there", release_gives_it_back);
	printf("1..%u\n", nr_tests);
	return nr_failed ? 1 : 0;
}
