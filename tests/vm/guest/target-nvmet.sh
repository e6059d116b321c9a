# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The baseline: the kernel's own nvmet-tcp, with the functions of target-ours.sh. The drive stays
# with the kernel's nvme driver; null_blk stands for the mem and null namespaces. What passes here
# and fails with nvmetcpd is nvmetcpd's fault; what fails here too is not.

NVMET=/sys/kernel/config/nvmet
NULLB=/sys/kernel/config/nullb

# null_create NAME MIB MEMORY_BACKED: a null_blk device /dev/NAME
null_create() {
	mkdir $NULLB/"$1"
	echo "$2" >$NULLB/"$1"/size
	echo "$3" >$NULLB/"$1"/memory_backed
	echo 512 >$NULLB/"$1"/blocksize
	echo 1 >$NULLB/"$1"/power
	wait_for 20 test -b /dev/"$1"
}

target_prepare() {
	modprobe -a nvmet nvmet-tcp
	modprobe null_blk nr_devices=0
	null_create nullmem 64 1
	null_create nulldev 1024 0
	file_prepare
}

target_take_drive() {
	[ "$(pci_driver "$BDF")" = nvme ]
}

# target_ns NSID PATH
target_ns() {
	local dir=$NVMET/subsystems/$NQN/namespaces/$1

	mkdir "$dir"
	echo -n "$2" >"$dir/device_path"
	echo 1 >"$dir/enable"
}

target_start() {
	local subsys=$NVMET/subsystems/$NQN port=$NVMET/ports/1 nsid

	if [ ! -e "$subsys" ]; then
		mkdir "$subsys"
		echo 1 >"$subsys/attr_allow_any_host"
		for nsid in 1 2 5; do
			target_ns $nsid "$(nsdev "$DRIVE_NQN" $nsid)"
		done
		target_ns 10 /dev/nullmem
		target_ns 11 /dev/nulldev
		target_ns 12 $FILE_NS
	fi
	mkdir $port
	echo tcp >$port/addr_trtype
	echo ipv4 >$port/addr_adrfam
	echo 127.0.0.1 >$port/addr_traddr
	echo "$PORT" >$port/addr_trsvcid
	ln -s "$subsys" $port/subsystems/"$NQN"
}

# Taking the port away is what comes closest to ending a daemon: hosts lose their controllers.
target_stop() {
	rm $NVMET/ports/1/subsystems/"$NQN"
	rmdir $NVMET/ports/1
}

target_kill() {
	target_stop
}

target_running() {
	[ -e $NVMET/ports/1 ]
}

target_give_drive_back() {
	local subsys=$NVMET/subsystems/$NQN dir

	for dir in "$subsys"/namespaces/*; do
		echo 0 >"$dir/enable"
		rmdir "$dir"
	done
	rmdir "$subsys"
}
