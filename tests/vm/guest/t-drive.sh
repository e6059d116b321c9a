#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nvmetcpctl on drives: what the kernel's driver and nvme-cli say of a drive first, then the same
# drive directly, then a drive of the running daemon while a host uses it. Run by tests/vm/t-drive;
# prints TAP.

. /bench/lib.sh
. /bench/tap.sh

NQN=nqn.2026-11.org.nvmetcp:vm
PORT=4420
BDF=0000:00:11.0                        # the daemon's: namespaces 1 and 2 are exported, 5 is not
OTHER=0000:00:10.0                      # nobody's
PI=0000:00:14.0                         # nobody's: namespace 1 keeps 8 bytes of metadata apart
DRIVE_NQN=nqn.2019-08.org.qemu:multi
KEEP=/run/drive
CTL=/run/nvmetcpctl
mkdir -p $KEEP /tmp/m

. /bench/target-ours.sh

# ctl WORD...: nvmetcpctl drive ...
ctl() {
	$CTL drive "$@"
}

# refuses STATUS WORDS COMMAND...: it exits so, with one line that has the words
refuses() {
	local want=$1 words=$2 rc=0

	shift 2
	"$@" >$KEEP/out 2>$KEEP/err </dev/null || rc=$?
	cat $KEEP/err
	[ $rc = "$want" ]
	[ "$(wc -l <$KEEP/err)" = 1 ]
	grep -qiE "$words" $KEEP/err
}

setup() {
	cp /mnt/build/nvmetcpctl $CTL
	chmod 755 $CTL
	target_install
	daemon_config "$PORT" "$(ns_pci 1)" "$(ns_pci 2)" >$CONFIG
	modprobe -a vfio-pci vfio_iommu_type1 nvme-tcp
}

# ---- what nvme-cli says, for later ----

kernel_says() {
	local ctrl

	ctrl=$(ctrl_dev $DRIVE_NQN)
	nvme id-ctrl "$ctrl" -o json >$KEEP/ctrl.json
	nvme id-ctrl "$ctrl" --raw-binary >$KEEP/ctrl.bin
	for nsid in 1 2 5; do
		nvme id-ns "$ctrl" -n $nsid -o json >$KEEP/ns$nsid.json
		nvme id-ns "$ctrl" -n $nsid --raw-binary >$KEEP/ns$nsid.bin
	done
	nvme smart-log "$ctrl" -o json >$KEEP/smart.json
	dd if=/dev/urandom of=$KEEP/block bs=512 count=1 status=none
	dd if=$KEEP/block of="$(nsdev $DRIVE_NQN 5)" bs=512 seek=8 oflag=direct status=none
}

# same_fields OURS THEIRS [NAME...]: every field of theirs that ours has is the same, at least @NR
same_fields() {
	jq -e -n --slurpfile a "$1" --slurpfile b "$2" --argjson nr "$3" '
		def plain: if type == "string" then gsub("[- ]+"; "") | ascii_downcase else . end;
		[ $b[0] | to_entries[] | select(.key as $k | $a[0] | has($k))
		  | select(.value | type == "string" or type == "number")
		  | { key, theirs: (.value | plain), ours: ($a[0][.key] | plain) } ]
		| (map(select(.ours != .theirs and (.ours | tostring) != (.theirs | tostring)))
		   | if length > 0 then error("differ: " + tostring) else . end),
		  if length < $nr then error("only \(length) fields") else length end' >$KEEP/same
	cat $KEEP/same
}

# ---- directly ----

list_shows_all() {
	$CTL -o json drive list >$KEEP/list.json
	[ "$(jq -r '.drives[].traddr' $KEEP/list.json | sort | xargs)" = "$OTHER $BDF $PI" ]
	jq -e --arg d "$1" '[.drives[] | select(.driver == $d)] | length == '"$2" $KEEP/list.json
	ctl list | grep -q "^$BDF"
}

needs_vfio() {
	refuses 1 "vfio|bind" ctl identify $BDF
}

bind_refused_while_mounted() {
	local dev

	dev=$(nsdev $DRIVE_NQN 5)
	mkfs.ext4 -q "$dev"
	mount "$dev" /tmp/m
	refuses 1 "mounted at /tmp/m" ctl bind $BDF
	[ "$(pci_driver $BDF)" = nvme ]
	umount /tmp/m
	dd if=$KEEP/block of="$dev" bs=512 seek=8 oflag=direct status=none
}

bind_both() {
	ctl bind $BDF
	ctl bind $OTHER
	[ "$(pci_driver $BDF)" = vfio-pci ]
	list_shows_all vfio-pci 2
}

identify_is_nvme_clis() {
	local nsid

	ctl identify $BDF -o json >$KEEP/a.json
	same_fields $KEEP/a.json $KEEP/ctrl.json 70
	ctl identify $BDF --raw-binary | cmp - $KEEP/ctrl.bin
	ctl identify $BDF | grep -q '^mn *: QEMU NVMe Ctrl$'
	for nsid in 1 2 5; do
		ctl identify $BDF -n $nsid -o json >$KEEP/a.json
		same_fields $KEEP/a.json $KEEP/ns$nsid.json 25
		ctl identify $BDF -n $nsid -b | cmp - $KEEP/ns$nsid.bin
	done
	ctl identify $BDF -n 2 | grep -q 'lbads:12 .*in use'
	ctl identify $BDF --cns 2 >$KEEP/a
	cat $KEEP/a
	[ "$(wc -l <$KEEP/a)" = 3 ]
}

smart_is_nvme_clis() {
	ctl smart-log $BDF -o json >$KEEP/a.json
	jq 'del(.data_units_read, .data_units_written, .host_read_commands, .host_write_commands,
		.power_on_hours, .controller_busy_time)' $KEEP/smart.json >$KEEP/b.json
	same_fields $KEEP/a.json $KEEP/b.json 8
	ctl smart-log $BDF | grep -q '^temperature .*Kelvin'
	ctl get-log $BDF --log-id 2 --log-len 512 -b >$KEEP/a
	[ "$(stat -c %s $KEEP/a)" = 512 ]
}

passthru_works() {
	ctl admin-passthru $BDF --opcode=0x06 --cdw10=1 --data-len=4096 --read -b |
		cmp - $KEEP/ctrl.bin
	ctl io-passthru $BDF --opcode=2 -n 5 --cdw10=8 --data-len=512 --read -b |
		cmp - $KEEP/block
	tr 'a-z' 'b-za' <$KEEP/block >$KEEP/block2
	ctl io-passthru $BDF --opcode=1 -n 5 --cdw10=9 --data-len=512 --write \
		--input-file=$KEEP/block2
	ctl io-passthru $BDF --opcode=2 -n 5 --cdw10=9 --data-len=512 -r -b | cmp - $KEEP/block2
	# Get Features, volatile write cache: a result without data
	ctl admin-passthru $BDF --opcode=0x0a --cdw10=6 | grep -qx 'NVMe command result:0000000[01]'
}

# Data of a SCSI command for namespace 5 of $BDF, as bytes. $1: CDB, $2: length
scsi() {
	ctl scsi-passthru $BDF -n 5 --cdb="$1" --data-len="$2" --raw-binary
}

# What a drive's translation says is what nvme-cli read of it.
scsi_is_nvme_clis() {
	local blocks

	scsi 120000006000 96 >$KEEP/a
	[ "$(dd if=$KEEP/a bs=1 skip=8 count=8 status=none)" = "NVMe    " ]
	[ "$(dd if=$KEEP/a bs=1 skip=16 count=14 status=none)" = "QEMU NVMe Ctrl" ]
	blocks=$(jq .nsze $KEEP/ns5.json)
	scsi 9e100000000000000000000000200000 32 >$KEEP/a
	[ "$((0x$(od -An -tx1 -N8 $KEEP/a | tr -d ' ')))" = $((blocks - 1)) ]
	[ "$((0x$(od -An -tx1 -j8 -N4 $KEEP/a | tr -d ' ')))" = 512 ]
	scsi 28000000000800000100 512 | cmp - $KEEP/block
	ctl scsi-passthru $BDF -n 5 --cdb=2a000000000a00000100 --data-len=512 --write \
		--input-file=$KEEP/block2
	ctl io-passthru $BDF --opcode=2 -n 5 --cdw10=10 --data-len=512 -r -b | cmp - $KEEP/block2
	ctl scsi-passthru $BDF -n 5 --cdb=35000000000000000000 | grep -q '^SCSI status:00 '
	refuses 1 "Illegal Request, 21/00h: logical block address out of range" \
		ctl scsi-passthru $BDF -n 5 --cdb=2800ffffffff00000100 --data-len=512
}

passthru_errors() {
	refuses 1 "NVMe status 001h: Invalid Command Opcode|Invalid Opcode" \
		ctl admin-passthru $BDF --opcode=0xc8
	refuses 1 "queues are the driver" ctl admin-passthru $BDF --opcode=5
	refuses 1 "moves 512 bytes" ctl io-passthru $BDF --opcode=2 -n 5 --data-len=4096 --read
	refuses 1 "LBA Out of Range" \
		ctl io-passthru $BDF --opcode=2 -n 5 --cdw11=1 --data-len=512
	refuses 2 "no number" ctl admin-passthru $BDF --opcode=six
}

# Not checked by the drive: neither PRACT nor PRCHK.
metadata_apart() {
	ctl bind $PI
	head -c 8192 /dev/urandom >$KEEP/blocks
	head -c 16 /dev/urandom >$KEEP/md
	ctl io-passthru $PI --opcode=1 -n 1 --cdw10=6 --cdw12=1 --data-len=8192 --write \
		-i $KEEP/blocks --metadata-len=16 --metadata=$KEEP/md
	ctl io-passthru $PI --opcode=2 -n 1 --cdw10=6 --cdw12=1 -l 8192 -r -b -m 16 \
		-M $KEEP/md2 | cmp - $KEEP/blocks
	cmp $KEEP/md $KEEP/md2
	ctl io-passthru $PI --opcode=2 -n 1 --cdw10=7 -l 4096 -m 8 |
		grep -A2 '^metadata:' | grep -q "^0000:$(tail -c 8 $KEEP/md | od -An -tx1)"
	refuses 1 "moves 8 bytes of metadata" ctl io-passthru $PI --opcode=2 -n 1 -l 4096
	refuses 1 "moves 8 bytes of metadata" ctl io-passthru $PI --opcode=2 -n 1 -l 4096 -m 16
	refuses 1 "within the blocks" ctl io-passthru $PI --opcode=2 -n 2 -l 528 -m 16
	ctl io-passthru $PI --opcode=2 -n 2 -l 528 >/dev/null
	ctl release $PI
}

reset_directly() {
	ctl reset $OTHER
	ctl rescan $OTHER
	ctl identify $OTHER >/dev/null
}

subsystem_reset_where_it_can() {
	refuses 1 "NSSRS|subsystem" ctl subsystem-reset $OTHER
}

format_directly() {
	refuses 1 "force" ctl format $OTHER -n 1 --lbaf=0
	ctl identify $OTHER -n 1 -o json >$KEEP/a.json
	jq -e '[.lbafs[] | select(.ds == 12 and .ms == 0)] | length > 0' $KEEP/a.json ||
		skip "this drive has no format of 4 KiB"
	lbaf=$(jq '[.lbafs[] | .ds == 12 and .ms == 0] | index(true)' $KEEP/a.json)
	ctl io-passthru $OTHER --opcode=1 -n 1 --data-len=512 -w -i $KEEP/block
	ctl format $OTHER -n 1 --lbaf="$lbaf" --force >$KEEP/out 2>&1 || {
		grep -q "NVMe status 001h" $KEEP/out && skip "QEMU's drive has no Format NVM"
		cat $KEEP/out
		return 1
	}
	ctl identify $OTHER -n 1 | grep 'lbads:12 .*in use'
	ctl io-passthru $OTHER --opcode=2 -n 1 --data-len=4096 -r -b >$KEEP/a
	[ "$(stat -c %s $KEEP/a)" = 4096 ]
	not cmp -n 512 $KEEP/a $KEEP/block
	ctl format $OTHER -n 1 --lbaf=0 --force
}

ns_management() {
	ctl ns detach $OTHER -n 1 >$KEEP/out 2>&1 || {
		grep -q "NVMe status 001h" $KEEP/out && skip "QEMU's drive has no attachment"
		cat $KEEP/out
		return 1
	}
	[ -z "$(ctl identify $OTHER --cns 2)" ]
	refuses 1 "NVMe status 11[89A]h" ctl ns detach $OTHER -n 1
	ctl ns attach $OTHER -n 1
	[ "$(ctl identify $OTHER --cns 2)" = "[   0]:0x1" ]
}

ns_creation() {
	ctl ns create $OTHER --nsze 8192 --flbas 0 >$KEEP/out 2>&1 || {
		grep -qE "NVMe status 00[12]h" $KEEP/out &&
			skip "QEMU's drive creates no namespaces"
		cat $KEEP/out
		return 1
	}
	ctl ns delete $OTHER -n "$(sed -n 's/.*nsid://p' $KEEP/out)" --force
}

# ---- through the daemon ----

daemon_has_the_drive() {
	target_start
	$CTL -o json drive list >$KEEP/list.json
	jq -e --arg b $BDF '.drives[] | select(.traddr == $b) | .state == "live"
		and .serial == "VMMULTI" and (.namespaces | map(.nsid) == [1, 2, 5])
		and (.namespaces[0].used_by | contains("exported as namespace 1"))
		and .namespaces[2].used_by == ""' $KEEP/list.json
	ctl list
}

daemon_identify() {
	ctl identify $BDF -b | cmp - $KEEP/ctrl.bin
	ctl identify $BDF -n 2 -b | cmp - $KEEP/ns2.bin
	smart_is_nvme_clis
}

daemon_refuses_release() {
	refuses 1 "exported as namespace [12] of $NQN" ctl release $BDF
	[ "$(pci_driver $BDF)" = vfio-pci ]
}

daemon_leaves_other_drives_to_us() {
	ctl identify $OTHER | grep -q '^sn *: VMPLAIN$'
}

daemon_socket_is_named() {
	ls -l /run/nvmetcp
	refuses 1 "no daemon answers at /nonexistent" $CTL -s /nonexistent drive list
	$CTL -s /run/nvmetcp/nvmetcpd.sock drive list
}

start_load() {
	nvme connect -t tcp -a 127.0.0.1 -s $PORT -n $NQN
	dev=$(nsdev $NQN 1)
	fio --name=load --filename="$dev" --rw=randrw --bs=4k --iodepth=8 \
		--ioengine=libaio --direct=1 --verify=crc32c --time_based --runtime=600 \
		--size=64M --output=$KEEP/fio.out --status-interval=1 >/dev/null 2>&1 </dev/null &
	echo $! >$KEEP/fio.pid
	disown
	sleep 2
	kill -0 "$(cat $KEEP/fio.pid)"
}

scsi_of_daemon() {
	scsi 28000000000800000100 512 | cmp - $KEEP/block
	scsi 4d004d00000000004000 64 | od -An -tx1 -N4 | grep -q '0d 00 00 0c'
	refuses 1 "exported as namespace" ctl scsi-passthru $BDF -n 1 --cdb=040000000000
}

read_block5() {
	ctl io-passthru $BDF --opcode=2 -n 5 --cdw10=8 --data-len=512 -r -b | cmp - $KEEP/block
}

under_load() {
	for _ in 1 2 3; do
		ctl smart-log $BDF >/dev/null
		ctl identify $BDF -n 5 -b | cmp - $KEEP/ns5.bin
		read_block5
	done
	for _ in $(seq 8); do
		ctl get-log $BDF -i 2 -l 512 -b >/dev/null &
	done
	wait
	kill -0 "$(cat $KEEP/fio.pid)"
}

reset_under_load() {
	for _ in 1 2; do
		ctl reset $BDF
		$CTL -o json drive list | jq -e --arg b $BDF \
			'.drives[] | select(.traddr == $b) | .state == "live"'
		read_block5
	done
	ctl rescan $BDF
	sleep 2
	kill -0 "$(cat $KEEP/fio.pid)"
}

format_of_exported_is_refused() {
	refuses 1 "exported as namespace 1 of $NQN.*force" \
		ctl admin-passthru $BDF --opcode=0x80 -n 1
	refuses 1 "exported as namespace" ctl ns detach $BDF -n 2
	refuses 1 "exported as namespace" ctl admin-passthru $BDF --opcode=0x0d -n 1 --cdw10=1
	ctl format $BDF -n 5 --lbaf=0 --force >$KEEP/out 2>&1 || {
		cat $KEEP/out
		grep -q "NVMe status 001h" $KEEP/out
	}
	kill -0 "$(cat $KEEP/fio.pid)"
}

stop_load() {
	kill -INT "$(cat $KEEP/fio.pid)"
	wait_for 60 not kill -0 "$(cat $KEEP/fio.pid)"
	not grep -E "err=[^ 0]|verify:" $KEEP/fio.out
	nvme disconnect -n $NQN
}

forced_format_of_exported() {
	local dev

	nvme connect -t tcp -a 127.0.0.1 -s $PORT -n $NQN
	dev=$(nsdev $NQN 1)
	dd if=$KEEP/block of="$dev" bs=512 seek=3 oflag=direct status=none
	ctl format $BDF -n 1 --lbaf=0 --force >$KEEP/out 2>&1 || {
		grep -q "NVMe status 001h" $KEEP/out && skip "QEMU's drive has no Format NVM"
		cat $KEEP/out
		return 1
	}
	# the same format: hosts get it back, without the data
	wait_for 30 dd if="$dev" of=$KEEP/a bs=512 skip=3 count=1 iflag=direct status=none
	not cmp $KEEP/a $KEEP/block
	nvme disconnect -n $NQN
}

daemon_ends() {
	target_stop
	not test -e /run/nvmetcp/nvmetcpd.sock
	ctl identify $BDF -b | cmp - $KEEP/ctrl.bin
}

release_both() {
	ctl release $BDF
	ctl release $OTHER
	[ "$(pci_driver $BDF)" = nvme ]
	[ -b "$(nsdev $DRIVE_NQN 2)" ]
}

dmesg_clean() {
	not grep -E 'DMAR:.*fault|BUG:|WARNING:|Oops' <(dmesg)
}

must "the programs are there" setup
must "nvme-cli under the kernel's driver" kernel_says
t "list: with the kernel's driver" list_shows_all nvme 3
t "a drive of the kernel's driver is not opened" needs_vfio
t "bind: refused while mounted" bind_refused_while_mounted
must "bind" bind_both
t "directly: identify says what nvme-cli said" identify_is_nvme_clis
t "directly: smart-log, get-log" smart_is_nvme_clis
t "directly: passthrough" passthru_works
t "directly: SCSI commands" scsi_is_nvme_clis
t "directly: passthrough refused and failed" passthru_errors
t "directly: passthrough of metadata apart from the blocks" metadata_apart
t "directly: reset, rescan" reset_directly
t "directly: subsystem reset says that it cannot" subsystem_reset_where_it_can
t "directly: format" format_directly
t "directly: ns detach, attach" ns_management
t "directly: ns create, delete" ns_creation
must "daemon: list" daemon_has_the_drive
t "daemon: identify, smart-log" daemon_identify
t "daemon: release refused while exported" daemon_refuses_release
t "daemon: a drive it does not have" daemon_leaves_other_drives_to_us
t "daemon: socket" daemon_socket_is_named
t "daemon: a host writes" start_load
t "daemon: commands under load" under_load
t "daemon: SCSI commands under load" scsi_of_daemon
t "daemon: reset under load" reset_under_load
t "daemon: what destroys an exported namespace is refused" format_of_exported_is_refused
t "daemon: the host saw no error" stop_load
t "daemon: forced format, the host gets its namespace back" forced_format_of_exported
t "daemon ends, the drive is free" daemon_ends
t "release" release_both
t "no DMA fault, no kernel warning" dmesg_clean
tap_done
