# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# t-main: data. Namespace 1 (512 B blocks) ends as ext4, 2 (4 KiB) as xfs, 5 as raw regions.

# fio_verify NSID SIZE BLOCK_SIZE_RANGE [FIO_OPTION...]: random writes, then every block read back
# and its checksum compared
fio_verify() {
	local dev size=$2 range=$3

	dev=$(nsdev $NQN "$1")
	shift 3
	fio --name=verify --filename="$dev" --rw=randwrite --bsrange="$range" --size="$size" \
		--ioengine=libaio --iodepth=16 --direct=1 --randrepeat=0 --verify=crc32c \
		--do_verify=1 --verify_fatal=1 --group_reporting "$@"
}

null_io() {
	fio --name=null --filename="$(nsdev $NQN 11)" --rw=randrw --bs=16k --size=8m \
		--ioengine=libaio --iodepth=16 --direct=1
}

# trees_copy DEVICE: something of every kind: many small files, big ones, links
trees_copy() {
	mount "$1" /tmp/m
	cp -a /usr/sbin /etc /tmp/m
	mkdir /tmp/m/python3
	cp -a /usr/lib/python3.11/encodings /tmp/m/python3
	sync
	umount /tmp/m
}

# trees_compare DEVICE [MOUNT_OPTION]
trees_compare() {
	echo 3 >/proc/sys/vm/drop_caches
	mount -o "${2:-rw}" "$1" /tmp/m
	diff -r --no-dereference /usr/sbin /tmp/m/sbin
	diff -r --no-dereference /usr/lib/python3.11/encodings /tmp/m/python3/encodings
	[ "$(find /tmp/m/sbin /tmp/m/python3 /tmp/m/etc -type f | wc -l)" -gt 300 ]
	umount /tmp/m
}

ext4_tree() {
	mkfs.ext4 -q "$(nsdev $NQN 1)"
	trees_copy "$(nsdev $NQN 1)"
	trees_compare "$(nsdev $NQN 1)"
	fsck.ext4 -fn "$(nsdev $NQN 1)"
}

xfs_tree() {
	mkfs.xfs -q -f "$(nsdev $NQN 2)"
	trees_copy "$(nsdev $NQN 2)"
	trees_compare "$(nsdev $NQN 2)"
	xfs_repair -n "$(nsdev $NQN 2)"
}

# pattern DEVICE BYTES: random content from its start; the same in $KEEP/pattern
pattern() {
	head -c "$2" /dev/urandom >$KEEP/pattern
	dd if=$KEEP/pattern of="$1" bs="$2" count=1 oflag=direct status=none
}

# still DEVICE FIRST_BYTE BYTES: this part still has the pattern
still() {
	cmp -n "$3" -i "$2:$2" $KEEP/pattern <(dd if="$1" bs=64k count=1 iflag=direct status=none)
}

zeroed() {
	cmp -n "$3" -i "$2:0" <(dd if="$1" bs=64k count=1 iflag=direct status=none) /dev/zero
}

flush() {
	pattern "$(nsdev $NQN "$1")" 65536
	nvme flush "$(nsdev $NQN "$1")"
	still "$(nsdev $NQN "$1")" 0 65536
}

# Blocks 4 to 7 of the first 64 KiB, and nothing beside them.
write_zeroes() {
	local dev block

	dev=$(nsdev $NQN "$1")
	block=$(blockdev --getss "$dev")
	pattern "$dev" 65536
	nvme write-zeroes "$dev" --start-block=4 --block-count=3
	still "$dev" 0 $((4 * block))
	zeroed "$dev" $((4 * block)) $((4 * block))
	still "$dev" $((8 * block)) $((65536 - 8 * block))
}

# Deallocated blocks may read as anything; their neighbours may not.
deallocate() {
	local dev block

	dev=$(nsdev $NQN "$1")
	block=$(blockdev --getss "$dev")
	pattern "$dev" 65536
	nvme dsm "$dev" --ad --slbs=4,10 --blocks=4,2
	still "$dev" 0 $((4 * block))
	still "$dev" $((8 * block)) $((2 * block))
	still "$dev" $((12 * block)) $((65536 - 12 * block))
	blkdiscard -o $((1 << 20)) -l $((16 << 20)) "$dev"
	still "$dev" 0 $((4 * block))
}

compare_data() {
	local dev

	nvme id-ctrl "$(ctrl_dev $NQN)" -o json | jq -e '.oncs % 2 == 1' ||
		skip "the controller has no Compare"
	dev=$(nsdev $NQN "$1")
	pattern "$dev" 65536
	nvme compare "$dev" --start-block=0 --block-count=1 \
		--data-size=$((2 * $(blockdev --getss "$dev"))) --data=$KEEP/pattern
	printf 'x' | dd of=$KEEP/pattern bs=1 seek=9 conv=notrunc status=none
	not nvme compare "$dev" --start-block=0 --block-count=1 \
		--data-size=$((2 * $(blockdev --getss "$dev"))) --data=$KEEP/pattern 2>$KEEP/err
	cat $KEEP/err
	grep -qi "compare" $KEEP/err
}

# Past the end is an error, and not the initiator's: the command is sent as it is.
out_of_range() {
	local dev block

	dev=$(nsdev $NQN "$1")
	block=$(blockdev --getss "$dev")
	not nvme read "$dev" --start-block=$(($(blockdev --getsize64 "$dev") / block)) \
		--block-count=0 --data-size="$block" --data=/dev/null 2>$KEEP/err
	cat $KEEP/err
	[ "$TARGET" != ours ] || grep -q "LBA Out of Range" $KEEP/err
}

# The CPU time of the target's process, in clock ticks (100 a second).
target_ticks() {
	awk '{ print $14 + $15 }' /proc/"$(cat $DAEMON_PID)"/stat
}

# A loop that keeps turning after its work is done takes a whole processor: 400 ticks here.
idle_costs_nothing() {
	local before

	[ "$TARGET" = ours ] || skip "the kernel's target is no process"
	sleep 2
	before=$(target_ticks)
	sleep 4
	echo "$(($(target_ticks) - before)) ticks in 4 s"
	[ $(($(target_ticks) - before)) -lt 200 ]
}

io_tests() {
	t "fio verify, 512 B blocks, 4 KiB to 256 KiB" fio_verify 1 48m 4k-256k
	t "fio verify, 512 B blocks, 512 B to 16 KiB" fio_verify 1 4m 512-16k
	t "fio verify, 4 KiB blocks, 4 KiB to 256 KiB" fio_verify 2 48m 4k-256k
	t "fio verify, 1 MiB writes and two jobs" fio_verify 2 16m 1m-1m --numjobs=2 \
		--offset_increment=32m
	t "fio verify, memory namespace" fio_verify 10 16m 4k-128k
	t "fio verify, file namespace" fio_verify 12 16m 4k-128k
	t "reads and writes of a null namespace" null_io
	t "after the load a connected, idle target sleeps" idle_costs_nothing
	for nsid in 1 2 12; do
		t "flush, namespace $nsid" flush $nsid
		t "write zeroes, namespace $nsid" write_zeroes $nsid
		t "deallocate, namespace $nsid" deallocate $nsid
		t "compare, namespace $nsid" compare_data $nsid
		t "a read past the end is refused, namespace $nsid" out_of_range $nsid
	done
	t "ext4 on 512 B blocks: copy and compare trees" ext4_tree
	t "xfs on 4 KiB blocks: copy and compare trees" xfs_tree
	t "disconnect removes the devices" disconnect
}

# with_digests FIO_RANGE CONNECT_OPTION...
with_digests() {
	local range=$1

	shift
	connect -i 2 "$@"
	fio_verify 5 8m "$range"
	disconnect
}

both_digests() {
	connect -i 2 --hdr-digest --data-digest
	fio_verify 5 16m 512-64k
	trees_compare "$(nsdev $NQN 2)"
	disconnect
}

digest_tests() {
	t "header and data digests" both_digests
	t "header digest alone" with_digests 4k-256k --hdr-digest
	t "data digest alone" with_digests 4k-256k --data-digest
}
