#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# libnvmh on a real PCIe function behind an IOMMU, without the daemon. Run by tests/vm/t-pcie.

modprobe -a vfio-pci vfio_iommu_type1
exec /mnt/build/tests/vm/pcie_test 0000:00:11.0
