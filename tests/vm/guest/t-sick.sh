#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Drives that go, come back and change under the daemon, used by the kernel's initiator. Run by
# tests/vm/t-sick, which does to the hardware what "wish" asks for.

. /bench/lib.sh
. /bench/tap.sh

NQN=nqn.2026-11.org.nvmetcp:sick
PORT=4420
BDF=0000:01:00.0
A=0000:01:00.0
B=0000:02:00.0
C=0000:00:1a.0                          # the subsystem's controller that the daemon has
OTHER=0000:00:1b.0                      # the one that the kernel has
ONES=00:1c.0                            # its BAR 2 is memory of ones
ADDR=(-t tcp -a 127.0.0.1 -s "$PORT")
KEEP=/run/vm
mkdir -p $KEEP

. /bench/target-ours.sh

# wish WORD...: something happens to the hardware
wish() {
	rm -f /results/answer
	echo "$*" >/results/wish.new
	mv /results/wish.new /results/wish
	wait_for 60 test -e /results/answer
	cat /results/answer
	grep -qx done /results/answer
}

# logged COUNT TEXT: the daemon said it so many times
logged() {
	[ "$(grep -c -- "$2" $DAEMON_LOG)" -ge "$1" ]
}

alive() {
	[ ! -s $DAEMON_RC ] && kill -0 "$(cat $DAEMON_PID)"
}

prepare() {
	modprobe -a nvme nvme-tcp vfio-pci
	echo 250 >/sys/module/nvme_core/parameters/io_timeout # the host has more patience
	target_install
	echo 64 >/proc/sys/vm/nr_hugepages
	vfio_bind $A $B $C
	wait_for 20 test -e $PCI/$OTHER/nvme
	daemon_config $PORT "$(ns 1 "\"pci\": \"$A\", \"nsid\": 1")" \
		"$(ns 2 "\"pci\": \"$B\", \"nsid\": 1")" \
		"$(ns 3 "\"pci\": \"$C\", \"nsid\": 1")" \
		"$(ns 4 "\"pci\": \"$C\", \"nsid\": 2")" >$CONFIG
	$DAEMON --check $CONFIG
	target_start
}

connect() {
	nvme connect "${ADDR[@]}" -n $NQN -i 2 --reconnect-delay=1 --ctrl-loss-tmo=600
	wait_for 20 ctrl_in_state $NQN live
	nsdev $NQN 1
	nsdev $NQN 2
	cat "$(ctrl_dirs $NQN)/cntlid" >$KEEP/cntlid
	ctrl_dirs $NQN >$KEEP/ctrl
	# what must be there after a drive came back
	dd if=/dev/urandom of=$KEEP/pattern bs=1M count=4 status=none
	dd if=$KEEP/pattern of="$(nsdev $NQN 1)" bs=1M oflag=direct status=none
}

# never left: the association is the one of before
same_association() {
	[ "$(ctrl_dirs $NQN)" = "$(cat $KEEP/ctrl)" ]
	file_is "$(ctrl_dirs $NQN)/cntlid" "$(cat $KEEP/cntlid)"
	ctrl_in_state $NQN live
}

still_there() {
	cmp -n $((4 << 20)) $KEEP/pattern \
		<(dd if="$(nsdev $NQN 1)" bs=1M count=4 iflag=direct status=none)
}

# load NSID SECONDS FILE: a verifying load at the namespace's end, its figures in FILE
load() {
	fio --name=load --filename="$(nsdev $NQN "$1")" --rw=randwrite --bs=4k --offset=32m \
		--size=8m --ioengine=libaio --iodepth=8 --direct=1 --time_based --runtime="$2" \
		--verify=crc32c --verify_backlog=64 --verify_fatal=1 --output-format=json \
		--output="$3"
}

# slowest FILE: microseconds
slowest() {
	jq '[.jobs[].read.clat_ns.max, .jobs[].write.clat_ns.max] | max / 1000 | floor' "$1"
}

quiet_load() {
	load 2 10 $KEEP/quiet.json
	echo "slowest command: $(slowest $KEEP/quiet.json) us"
}

# Drive A is pulled out and plugged in again, both under load.
pull_and_plug() {
	( load 1 300 $KEEP/sick.json >$KEEP/sick.log 2>&1 || echo $? >$KEEP/sick.rc ) &
	echo $! >$KEEP/sick.pid
	( set -e; load 2 40 $KEEP/well.json >$KEEP/well.log 2>&1; echo 0 >$KEEP/well.rc ) &
	sleep 5
	wish del a
	wait_for 60 not test -e $PCI/$A
	wait_for 20 logged 1 "the kernel removes the device"
	alive
	same_association
	nsdev $NQN 1
	sleep 3
	wish add a
	wait_for 60 test -e $PCI/$A
	wait_for 60 logged 2 "drive is live drive=$A"
	wait_for 20 logged 1 "namespace is back subsystem=$NQN nsid=1 "
	[ "$(pci_driver $A)" = vfio-pci ]
	same_association
}

other_drive_did_not_notice() {
	local limit

	wait_for 120 test -s $KEEP/well.rc || { cat $KEEP/well.log; return 1; }
	limit=$((100000 + 10 * $(slowest $KEEP/quiet.json)))
	echo "slowest command: $(slowest $KEEP/well.json) us, before $(slowest $KEEP/quiet.json) us"
	jq -e '.jobs[].error == 0' $KEEP/well.json
	[ "$(slowest $KEEP/well.json)" -lt $limit ]
	not grep -q "drive is .* drive=$B reason" $DAEMON_LOG
}

comes_back_with_its_data() {
	wait_for 60 still_there
	pkill -P "$(cat $KEEP/sick.pid)" fio || true
	load 1 3 $KEEP/back.json
	jq -e '.jobs[].error == 0' $KEEP/back.json
}

size_is() {
	[ "$(blockdev --getsize64 "$(nsdev $NQN 1)")" = $(($1 << 20)) ]
}

# QEMU's drive looks at the size of its file when it is plugged in.
plugged_in_with_another_size() {
	wish del a
	wait_for 60 not test -e $PCI/$A
	wish resize a $((192 << 20))
	wish add a
	wait_for 60 size_is 192
	same_association
	still_there
	dd if=$KEEP/pattern of="$(nsdev $NQN 1)" bs=1M seek=180 oflag=direct status=none
}

# Drive A answers one command a second: of more than 30 some are late. QEMU aborts none, and waits
# for those it has before it deletes a queue, so this may go a rung higher than that.
commands_that_do_not_come_back() {
	wish throttle a 1
	( set -e; fio --name=late --filename="$(nsdev $NQN 1)" --rw=randwrite --bs=4k --offset=64m \
		--size=8m --ioengine=libaio --iodepth=42 --direct=1 --number_ios=300 \
		>$KEEP/late.log 2>&1; echo 0 >$KEEP/late.rc ) &
	wait_for 90 logged 1 "asked to abort it name=.pcie $A"
	wait_for 90 grep -E "its queue is made anew|reset.*$A.*not answered" $DAEMON_LOG
	wish throttle a 0
	wait_for 120 still_there
	wait_for 60 test -s $KEEP/late.rc || { cat $KEEP/late.log; return 1; }
	grep -E "late|anew|not answered" $DAEMON_LOG
	alive
	same_association
}

other_dev() {
	echo "/dev/$(ls $PCI/$OTHER/nvme)"
}

reads() {
	timeout 60 dd if="$(nsdev $NQN "$1")" of=/dev/null bs=4k count=1 iflag=direct status=none
}

# The other controller detaches namespace 2 from ours, which is told by an event.
namespace_detached() {
	reads 3
	reads 4
	nvme detach-ns "$(other_dev)" -n 2 -c 0
	wait_for 20 logged 1 "namespace 2 of drive $C is not active"
	wait_for 20 not reads 4
	reads 3
	alive
	same_association
}

namespace_attached_again() {
	nvme attach-ns "$(other_dev)" -n 2 -c 0
	wait_for 20 logged 1 "namespace is back subsystem=$NQN nsid=4 "
	wait_for 20 reads 4
	same_association
}

# The registers of drive C read as ones: memory of ones is put there, then its own decoding switched
# off, so that they read as zeroes at no time.
all_ones() {
	local lives command low high own

	lives=$(grep -c "drive is live drive=$C" $DAEMON_LOG)
	command=$(setpci -s $C COMMAND)
	low=$(setpci -s $C 10.l)
	high=$(setpci -s $C 14.l)
	own="18.l=$(setpci -s $ONES 18.l) 1c.l=$(setpci -s $ONES 1c.l)"
	reads 3
	setpci -s $ONES COMMAND=0
	setpci -s $ONES "18.l=$low" "1c.l=$high" COMMAND=2
	setpci -s $C COMMAND=0
	wait_for 60 logged 1 "drive=$C .*registers read all ones"
	alive
	reads 2
	# shellcheck disable=SC2086
	setpci -s $ONES COMMAND=0 $own
	setpci -s $C COMMAND="$command"
	wait_for 120 logged $((lives + 1)) "drive is live drive=$C"
	wait_for 60 reads 3
	alive
	same_association
}

# The registers of drive C read as zeroes: its decoding is switched off, and nothing answers in its
# place. It is switched on again by the daemon, which opens the function anew.
all_zeroes() {
	local lives

	lives=$(grep -c "drive is live drive=$C" $DAEMON_LOG)
	reads 3
	setpci -s $C COMMAND=0
	wait_for 60 logged 1 "drive=$C .*registers read all zeroes"
	alive
	reads 2
	wait_for 120 logged $((lives + 1)) "drive is live drive=$C"
	wait_for 60 reads 3
	alive
	same_association
}

start_without_a_drive() {
	nvme disconnect -n $NQN
	target_stop
	wish del a
	wait_for 60 not test -e $PCI/$A
	target_start
	logged 1 "drive is not there, its namespaces are served when it is plugged in drive=$A"
	nvme connect "${ADDR[@]}" -n $NQN -i 2
	wait_for 20 ctrl_in_state $NQN live
	reads 2
	not nsdev_now $NQN 1
	wish add a
	wait_for 60 nsdev_now $NQN 1
	wait_for 20 still_there
}

stop() {
	nvme disconnect -n $NQN
	target_stop
}

must "the daemon serves three drives" prepare
must "the host connects" connect
t "a quiet load, for comparison" quiet_load
t "a drive is pulled out under load and plugged in again" pull_and_plug
t "the other drive's load has no error and no long wait" other_drive_did_not_notice
t "the drive is back with its data, without a new connection" comes_back_with_its_data
t "it is plugged in with another size, and hosts have it" plugged_in_with_another_size
t "commands that do not come back are taken back, and retried" commands_that_do_not_come_back
t "a namespace is detached: it is lost, its neighbour is not" namespace_detached
t "and attached again: it is back" namespace_attached_again
t "registers that read as ones: given up, and used again later" all_ones
t "registers that read as zeroes: given up, and used again later" all_zeroes
t "the daemon starts without a drive, which comes later" start_without_a_drive
t "an orderly end" stop
t "no process of the target is left" not target_running
t "no DMA fault, no kernel warning" dmesg_clean
tap_done
