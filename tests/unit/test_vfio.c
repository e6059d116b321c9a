// SPDX-License-Identifier: BSD-2-Clause
/*
 * host/vfio.c and its interfaces: which is taken, address ranges, capability chains, a device that is
 * cut off.
 */
#include "tests/unit/vfio_rig.h"

/* ---- which interface ---- */

static void takes(const char *interface)
{
	struct nvmh_vfio *vfio = opened();

	assert_string_equal(nvmh_vfio_interface(vfio), interface);
	nvmh_vfio_close(vfio);
}

static void test_device_file_is_preferred(void **state)
{
	(void)state;
	takes("group");
	k.cdev = true;
	takes("cdev");
	/* given the group, not the device: as the rules of an older installation do */
	k.cdev_errno = EACCES;
	takes("group");
	k.group_errno = EACCES;
	refused(-EACCES, "permission");
}

static void test_interface_can_be_forced(void **state)
{
	(void)state;
	setenv("NVMH_VFIO", "cdev", 1);
	refused(-ENOENT, "no VFIO device file");
	k.cdev = true;
	setenv("NVMH_VFIO", "group", 1);
	takes("group");
	setenv("NVMH_VFIO", "cdev", 1);
	takes("cdev");
	setenv("NVMH_VFIO", "auto", 1);
	takes("cdev");
	setenv("NVMH_VFIO", "container", 1);
	refused(-EINVAL, "NVMH_VFIO");
}

static void test_busy_device_does_not_fall_back(void **state)
{
	(void)state;
	k.cdev = true;
	k.bind_errno = EINVAL; /* what the kernel says to a second one */
	refused(-EBUSY, "in use");
	k.bind_errno = EBUSY;
	refused(-EBUSY, "in use");
	k.bind_errno = EPERM;
	refused(-ENOTSUP, "remap interrupts");
	k.neighbour = true; /* for which the kernel has the same word */
	refused(-EBUSY, "neighbour");
	k.bind_errno = EBUSY;
	refused(-EBUSY, "neighbour");
}

/* ---- the address space ---- */

static void test_ranges_of_the_container(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	assert_int_equal(vfio->dma.range[0].last, 0xfedfffff);
	assert_int_equal(vfio->dma.range[1].last, 0x7fffffffff);
	nvmh_vfio_close(vfio);
	/* as many as there are bytes for, whatever it says */
	k.chain = CHAIN_SHORT;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	nvmh_vfio_close(vfio);
}

static void test_container_without_ranges_is_refused(void **state)
{
	static const enum chain chains[] = { CHAIN_NONE, CHAIN_LOOP, CHAIN_FAR };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(chains); i++) {
		k.chain = chains[i];
		refused(-ENOTSUP, "address ranges");
	}
}

static void test_ranges_of_iommufd(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	k.cdev = true;
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, 2);
	assert_int_equal(vfio->dma.range[1].first, 0x100000000);
	nvmh_vfio_close(vfio);
	k.nr_ranges = 1000; /* the first ones are used */
	vfio = opened();
	assert_int_equal(vfio->dma.nr_ranges, NVMH_DMA_MAX_RANGES);
	nvmh_vfio_close(vfio);
	k.nr_ranges = 0;
	refused(-ENOTSUP, "address ranges");
}

static void cuts_off(void)
{
	char *mem = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nvmh_vfio *vfio = opened();
	int i;

	for (i = 0; i < 16; i++)
		assert_int_equal(nvmh_vfio_map(vfio, mem + i * 8192, 4096), 0);
	/* what overlaps does not stay mapped */
	assert_int_equal(nvmh_vfio_map(vfio, mem, 4096), -EEXIST);
	assert_int_equal(nvmh_vfio_map(vfio, mem + 1, 4096), -EINVAL);
	assert_int_equal(k.nr_maps, 16);
	assert_int_not_equal(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
	nvmh_vfio_cut_off(vfio);
	assert_int_equal(k.nr_maps, 0);
	assert_int_equal(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
	assert_int_equal(nvmh_vfio_map(vfio, mem + (1 << 19), 4096), -ENODEV);
	nvmh_vfio_close(vfio);
	munmap(mem, 1 << 20);
}

static void test_cut_off_leaves_nothing_mapped(void **state)
{
	(void)state;
	cuts_off();
	assert_int_equal(k.detaches, 0);
	k.cdev = true;
	cuts_off();
	assert_int_equal(k.detaches, 1);
	assert_int_equal(k.destroys, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_device_file_is_preferred),
		TEST(test_interface_can_be_forced),
		TEST(test_busy_device_does_not_fall_back),
		TEST(test_ranges_of_the_container),
		TEST(test_container_without_ranges_is_refused),
		TEST(test_ranges_of_iommufd),
		TEST(test_cut_off_leaves_nothing_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
