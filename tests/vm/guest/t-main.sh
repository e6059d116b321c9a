#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The main job in one guest: a drive through the target to the kernel's initiator and back.
# Run by tests/vm/t-main with TARGET=ours|nvmet; prints TAP.

. /bench/lib.sh
. /bench/tap.sh

NQN=nqn.2026-11.org.nvmetcp:vm
PORT=4420
BDF=0000:00:11.0
DRIVE_NQN=nqn.2019-08.org.qemu:multi
ADDR=(-t tcp -a 127.0.0.1 -s "$PORT")
KEEP=/run/vm                            # what one test leaves for another
mkdir -p $KEEP /tmp/m

TARGET=${TARGET:-ours}
. "/bench/target-$TARGET.sh"
. /bench/main-connect.sh
. /bench/main-io.sh
. /bench/main-restart.sh
. /bench/main-refuse.sh

modprobe nvme-tcp

t "the drive has its three namespaces" drive_facts
must "the target is set up" target_prepare
must "the drive is taken" target_take_drive
must "the target starts and listens" target_start
connect_tests
io_tests
digest_tests
restart_tests
give_back_tests
refuse_tests
t "no process of the target is left" not target_running
t "no DMA fault, no kernel warning" dmesg_clean
tap_done
