# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# t-main: the target ends, orderly or not, and the host comes back by itself; then the drive goes
# back to the kernel's PCIe driver, which finds what was written.

# NSID:OFFSET_MIB:LENGTH_MIB
REGIONS="1:0:24 1:248:8 2:0:24 2:504:8 5:0:64 5:112:16"

# sums NQN REGION...: their checksums
sums() {
	local nqn=$1 region nsid offset mib

	shift
	for region; do
		IFS=: read -r nsid offset mib <<<"$region"
		echo "$region $(checksum "$(nsdev "$nqn" "$nsid")" "$offset" "$mib")"
	done
}

came_back() {
	wait_for 60 ctrl_in_state $NQN live
	nsdev $NQN 1
	nsdev $NQN 2
}

orderly_restart() {
	dd if=/dev/urandom of="$(nsdev $NQN 5)" bs=1M count=16 seek=112 oflag=direct status=none
	sums $NQN 5:112:16 >$KEEP/before
	target_stop
	wait_for 60 ctrl_in_state $NQN connecting
	target_start
	came_back
	sums $NQN 5:112:16 | diff $KEEP/before -
}

# written NSID: sectors sent to a namespace, counted on the path (6.1 counts nothing above it)
written() {
	local dir file

	dir=$(ctrl_dirs $NQN)
	for file in "$dir"/nvme*n*/nsid; do
		if file_is "$file" "$1"; then
			awk '{ print $7 }' "${file%/nsid}/stat"
		fi
	done
}

# fio_started NSID BEFORE: 4 MiB are on their way
fio_started() {
	[ $(($(written "$1") - $2)) -gt 8192 ]
}

# Writes are slowed down so that the kill comes in the middle of them on any machine.
kill_under_fio() {
	local before fio

	before=$(written 5)
	fio_verify 5 64m 4k-64k --rate=,8m >$KEEP/fio 2>&1 &
	fio=$!
	wait_for 60 fio_started 5 "$before"
	target_kill
	wait_for 60 ctrl_in_state $NQN connecting
	kill -0 $fio                            # still at it
	target_start
	came_back
	wait $fio || { cat $KEEP/fio; return 1; }
	cat $KEEP/fio
	grep -q "err= 0" $KEEP/fio
	wait_for 60 ctrl_in_state $NQN live
}

trees_are_there() {
	trees_compare "$(nsdev "$1" 1)"
	trees_compare "$(nsdev "$1" 2)"
}

restart_tests() {
	must "connect again" connect -i 2
	must "the target ends and starts again, the host comes back" orderly_restart
	t "the target is killed under fio verify, the host comes back" kill_under_fio
	t "the trees are there after both" trees_are_there $NQN
}

remember_sums() {
	sums $NQN $REGIONS | tee $KEEP/before
	disconnect
}

same_on_the_drive() {
	nsdev $DRIVE_NQN 1
	sums $DRIVE_NQN $REGIONS | tee $KEEP/after
	diff $KEEP/before $KEEP/after
	[ "$(sort -u -k2 $KEEP/after | wc -l)" -gt 3 ]
}

give_back_tests() {
	t "checksums of regions, and disconnect" remember_sums
	t "the target ends" target_stop
	must "the drive goes back to the kernel's driver" target_give_drive_back
	t "the drive has the same data, read by the kernel" same_on_the_drive
	t "its file systems mount directly, the trees are there" trees_are_there $DRIVE_NQN
}
