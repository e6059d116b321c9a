#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A namespace whose protection information the drive makes and strips, exported to the kernel's
# initiator as a plain one; and namespaces that cannot be exported, which are refused with the
# reason. Run by tests/vm/t-features.

. /bench/lib.sh
. /bench/tap.sh
. /bench/target-ours.sh

NQN=nqn.2026-11.org.nvmetcp:features
PORT=4420
ZNS=0000:00:12.0
PI=0000:00:14.0

prepare() {
	modprobe -a nvme-tcp
	target_install
	echo 64 >/proc/sys/vm/nr_hugepages
	vfio_bind $ZNS $PI
}

start() {
	daemon_config $PORT "$(ns_pci 1 $PI)" >$CONFIG
	target_start
}

connect() {
	nvme connect -t tcp -a 127.0.0.1 -s $PORT -n $NQN
	dev=$(nsdev $NQN 1)
	dir=/sys/class/block/${dev##*/}
	cat "$dir"/queue/logical_block_size
	[ "$(cat "$dir"/queue/logical_block_size)" = 4096 ]
	# no metadata to be seen
	[ "$(nvme id-ns "$dev" -o json | jq '.lbafs[.flbas % 16].ms')" = 0 ]
}

# Blocks that were never written, whose protection information is all ones, read as they are.
never_written() {
	dev=$(nsdev $NQN 1)
	dd if="$dev" bs=1M count=4 skip=64 iflag=direct status=none | cmp -n 4194304 - /dev/zero
}

verified_io() {
	dev=$(nsdev $NQN 1)
	fio --name=v --filename="$dev" --rw=randwrite --bsrange=4k-128k --size=16m --iodepth=8 \
		--ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 --output=/results/fio.txt
	grep -q 'err= 0' /results/fio.txt
}

zeroes_and_discard() {
	dev=$(nsdev $NQN 1)
	fio --name=f --filename="$dev" --rw=write --bs=64k --size=1m --direct=1 --output=/dev/null
	blkdiscard -z -o 65536 -l 131072 "$dev"
	dd if="$dev" bs=64k skip=1 count=2 iflag=direct status=none | cmp -n 131072 - /dev/zero
	blkdiscard -o 262144 -l 262144 "$dev"
	dd if="$dev" of=/dev/null bs=64k count=16 iflag=direct status=none
}

file_system() {
	dev=$(nsdev $NQN 1)
	mkfs.ext4 -q "$dev"
	mkdir -p /srv
	mount "$dev" /srv
	dd if=/dev/urandom of=/srv/a bs=64k count=64 status=none
	cp /srv/a /srv/b
	umount /srv
	echo 3 >/proc/sys/vm/drop_caches
	mount "$dev" /srv
	cmp /srv/a /srv/b
	umount /srv
}

stop() {
	nvme disconnect -n $NQN
	target_stop
}

# refused WORDS NAMESPACE: the daemon does not start, and says so
refused() {
	daemon_config $PORT "$2" >$CONFIG
	if timeout 100 $DAEMON --config $CONFIG >/run/out 2>&1; then
		cat /run/out
		return 1
	fi
	cat /run/out
	grep -q "$1" /run/out
}

t "two drives with vfio-pci" prepare
t "the daemon exports a namespace with protection information" start || exit 1
t "the kernel's initiator sees plain 4 KiB blocks" connect
t "blocks never written read as zeroes" never_written
t "verified writes, checked by the drive" verified_io
t "write zeroes and deallocate" zeroes_and_discard
t "a file system" file_system
t "stop" stop
t "metadata without protection information is refused" \
	refused "has metadata in its blocks" "$(ns_pci 2 $PI)"
t "a zoned namespace is refused" refused "is zoned" "$(ns_pci 1 $ZNS)"
tap_done
