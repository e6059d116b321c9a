// SPDX-License-Identifier: BSD-2-Clause
/*
 * host/vfio_irq.c: kinds and numbers of interrupts, and the MSI-X table.
 */
#include "tests/unit/vfio_rig.h"

static const int fds[65];

static struct nvmh_vfio *sets(uint32_t wanted, enum nvmh_irq kind, int nr)
{
	struct nvmh_vfio *vfio = opened();

	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, wanted), nr);
	assert_int_equal(nvmh_vfio_irq_kind(vfio), kind);
	/* the pin is let through only where it is used */
	assert_int_equal(!(get32(CONFIG + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE),
			 kind == NVMH_IRQ_INTX);
	return vfio;
}

static void test_interrupts_best_kind_first(void **state)
{
	(void)state;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 9));
	k.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 4;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 4));
	k.msix_ret = 3; /* the kernel: three, not four */
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSIX, 3));
	k.msix_ret = -ENOSPC;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSI, 8));
	k.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 0;
	k.msi_ret = 1;
	nvmh_vfio_close(sets(9, NVMH_IRQ_MSI, 1));
	k.msi_ret = -EINVAL;
	nvmh_vfio_close(sets(9, NVMH_IRQ_INTX, 1));
	k.irqs[VFIO_PCI_MSI_IRQ_INDEX] = k.irqs[VFIO_PCI_INTX_IRQ_INDEX] = 0;
	nvmh_vfio_close(sets(9, NVMH_IRQ_NONE, 0));
}

static void test_interrupts_kind_can_be_forced(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	setenv("NVMH_IRQ", "intx", 1);
	vfio = sets(9, NVMH_IRQ_INTX, 1);
	nvmh_vfio_unmask_intx(vfio);
	assert_int_equal(k.intx_unmasks, 1);
	assert_false(nvmh_vfio_mask(vfio, 0, true));
	nvmh_vfio_close(vfio);
	setenv("NVMH_IRQ", "none", 1);
	nvmh_vfio_close(sets(9, NVMH_IRQ_NONE, 0));
	setenv("NVMH_IRQ", "msi", 1);
	k.msi_ret = -EINVAL;
	vfio = opened();
	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, 9), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "no msi interrupts"));
	nvmh_vfio_close(vfio);
	setenv("NVMH_IRQ", "smoke", 1);
	refused(-EINVAL, "NVMH_IRQ");
}

static void test_interrupts_are_replaced(void **state)
{
	struct nvmh_vfio *vfio;

	(void)state;
	vfio = sets(9, NVMH_IRQ_MSIX, 9);
	k.msix_ret = -EINVAL;
	assert_int_equal(nvmh_vfio_set_irqs(vfio, fds, 9), 8);
	assert_int_equal(k.nr_set[VFIO_PCI_MSIX_IRQ_INDEX], 0); /* off, before the others are on */
	assert_int_equal(k.nr_set[VFIO_PCI_MSI_IRQ_INDEX], 8);
	nvmh_vfio_close(vfio);
}

static void test_mask_changes_its_bit_only(void **state)
{
	struct nvmh_vfio *vfio;
	uint32_t i;

	(void)state;
	vfio = sets(4, NVMH_IRQ_MSIX, 4);
	assert_true(nvmh_vfio_mask(vfio, 2, true));
	for (i = 0; i < 4; i++)
		assert_int_equal(get32(BAR0 + TABLE + i * 16 + 12), 0xab00 | (i == 2));
	assert_true(nvmh_vfio_mask(vfio, 2, false));
	assert_int_equal(get32(BAR0 + TABLE + 2 * 16 + 12), 0xab00);
	assert_int_equal(get32(BAR0 + TABLE + 2 * 16), 0);
	assert_false(nvmh_vfio_mask(vfio, 4, true)); /* not set */
	nvmh_vfio_close(vfio);
}

static void cannot_mask(void)
{
	struct nvmh_vfio *vfio = sets(65, NVMH_IRQ_MSIX, 65);

	assert_false(nvmh_vfio_mask(vfio, 1, true));
	assert_int_equal(get32(BAR0 + TABLE + 16 + 12) & ~1u, 0xab00);
	nvmh_vfio_close(vfio);
}

static void test_mask_only_where_the_table_is_ours(void **state)
{
	(void)state;
	k.msix_mappable = false;
	cannot_mask();
	k.msix_mappable = true;
	k.table_masked = true;
	cannot_mask();
	k.table_masked = false;
	/* beyond the BAR, by its start and by its end; in a BAR that there is not */
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, BAR_BYTES);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, BAR_BYTES - 64 * 16);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, 0xfffffff8);
	cannot_mask();
	put32(CONFIG + MSIX_CAP + PCI_MSIX_TABLE, TABLE | 6);
	cannot_mask();
	/* a list of capabilities without end */
	put32(CONFIG + MSIX_CAP, PCI_CAP_ID_PM | MSIX_CAP << 8);
	cannot_mask();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interrupts_best_kind_first),
		TEST(test_interrupts_kind_can_be_forced),
		TEST(test_interrupts_are_replaced),
		TEST(test_mask_changes_its_bit_only),
		TEST(test_mask_only_where_the_table_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
