#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A machine without an IOMMU: nvmetcpd says so and does not start. Run by tests/vm/t-main.

. /bench/lib.sh
. /bench/tap.sh

NQN=nqn.2026-11.org.nvmetcp:vm
PORT=4420
BDF=0000:00:11.0
DRIVE_NQN=nqn.2019-08.org.qemu:multi
KEEP=/run/vm
mkdir -p $KEEP /tmp/m

. /bench/target-ours.sh
. /bench/main-refuse.sh

must "the program is there" target_install
t "refused: no IOMMU" no_iommu
t "the drive goes back to the kernel's driver" nvme_bind $BDF
t "its namespaces are there" nsdev $DRIVE_NQN 2
tap_done
