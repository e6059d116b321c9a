#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# libnvmh on a real PCIe function behind an IOMMU, without the daemon: pcie_test, once for each way
# to drive it that PCIE_RUNS names, joined to one TAP. Run by tests/vm/t-pcie.

BDF=0000:00:11.0
count=0
failed=0

# run LABEL VARIABLE=VALUE... [quick]
run() {
	local label=$1 quick= plan

	shift
	[ "${!#}" = quick ] && quick=quick && set -- "${@:1:$#-1}"
	env "$@" /mnt/build/tests/vm/pcie_test $BDF $quick >/run/pcie 2>&1 || failed=1
	plan=$(sed -n 's/^1\.\.//p' /run/pcie)
	sed "/^1\.\./d; s/^\(not ok\|ok\) [0-9]* - /&$label: /" /run/pcie
	[ "$plan" ] || exit 1
	count=$((count + plan))
}

modprobe -a vfio-pci vfio_iommu_type1
for r in $PCIE_RUNS; do
	case $r in
	full) run full A= ;;
	cdev) run cdev NVMH_VFIO=cdev ;;
	group) run group NVMH_VFIO=group quick ;;
	vectors) run "two vectors" VECTORS=2 quick ;;
	intx) run INTx NVMH_IRQ=intx quick ;;
	timer) run "no interrupts" NVMH_IRQ=none quick ;;
	esac
done
echo "1..$count"
exit $failed
