#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The guest's side of tests/bench/run --vm: sources the plan that the host wrote, a shell script of
# calls of the functions below. The target, the daemon or the kernel's, is meant for processor 0,
# nvmetcp-perf and fio run on 1. Results go to $OUT/GROUP/: of nvmetcp-perf CELL.json, CELL.before
# and CELL.after, of fio fio.json, CELL.prerun.txt and CELL.postrun.txt.
# Prints a line about each group.
# shellcheck disable=SC2034,SC2086      # the plan has its words; constants need no quotes

. /bench/lib.sh
. /bench/target-nvmet.sh
. /bench/target-ours.sh         # its functions replace those of the kernel's target

BDF=0000:00:10.0
DRIVE_NQN=nqn.2019-08.org.qemu:plain
OURS=nqn.2026-11.org.nvmetcp:bench
THEIRS=nqn.2026-11.org.nvmetcp:bench-kernel
OUR_PORT=4420
THEIR_PORT=4421
NSID_PCIE=1
NSID_NULL=2
NSID_MEM=3
OUT=/results/out
PERF=/run/nvmetcp-perf
STAMP=/run/stamp
FILL_MIB=256                    # more than the caches hold, and what the workloads use
DIE=$$

die() {
	echo "bench: $*" >&2
	[ ! -s $DAEMON_LOG ] || tail -n 5 $DAEMON_LOG >&2
	kill -TERM $DIE
	exit 1
}

must() {
	"$@" || die "failed: $*"
}

# CPU time so far: a line of /proc/stat, then of each thread of the daemon, if it runs
write_stamp_script() {
	cat >$STAMP <<-EOF
	#!/bin/sh
	read -r line </proc/stat
	echo "\$line"
	[ ! -s $DAEMON_PID ] && exit 0
	read -r pid <$DAEMON_PID
	exec cat /proc/\$pid/task/*/schedstat
	EOF
	chmod 755 $STAMP
}

prepare() {
	modprobe -a nvme-tcp nvmet nvmet-tcp || die "no modules"
	modprobe null_blk nr_devices=0 || die "no null_blk"
	modprobe brd rd_nr=1 rd_size=$((FILL_MIB << 10)) max_part=0 || die "no brd"
	echo 128 >/proc/sys/vm/nr_hugepages
	target_install
	cp /mnt/build/nvmetcp-perf $PERF
	write_stamp_script
	mkdir -p $OUT
	must wait_for 20 test -b /dev/ram0
	null_4k nulldev $((1 << 20))
}

# null_4k NAME MIB: a null_blk device that completes at once, on the processor that asks
null_4k() {
	mkdir $NULLB/"$1"
	echo "$2" >$NULLB/"$1"/size
	echo 4096 >$NULLB/"$1"/blocksize
	echo 0 >$NULLB/"$1"/irqmode
	echo 1 >$NULLB/"$1"/power
	must wait_for 20 test -b /dev/"$1"
}

# fill DEVICE: what was never written is answered without looking
fill() {
	must dd if=/dev/zero of="$1" bs=1M count=$FILL_MIB oflag=direct status=none
}

drive_to_kernel() {
	must nvme_bind $BDF
}

drive_to_vfio() {
	must vfio_bind $BDF
}

# ---------------------------------------------------------------- targets

# ours_start NAMESPACE...: from ns() and ns_pci()
ours_start() {
	local PORT=$OUR_PORT NQN=$OURS IFS=, namespaces

	namespaces="$*"
	unset IFS
	cat >$CONFIG <<-EOF
	{ "nvmetcpd": { "cores": [0], "memory": "64M", "io_queue_depth": 1024 },
	  "subsystems": [ { "nqn": "$NQN", "attr": { "allow_any_host": "1" },
	    "namespaces": [ $namespaces ] } ],
	  "ports": [ { "portid": 1,
	    "addr": { "trtype": "tcp", "adrfam": "ipv4",
	      "traddr": "127.0.0.1", "trsvcid": "$PORT" },
	    "subsystems": [ "$NQN" ] } ] }
	EOF
	must target_start
	taskset -acp 0 "$(cat $DAEMON_PID)" >/dev/null
}

ours_stop() {
	must target_stop >/dev/null
}

ns_null() {
	ns $NSID_NULL '"null": "1T", "block_size": 4096'
}

ns_mem() {
	ns $NSID_MEM "\"mem\": \"${FILL_MIB}M\", \"block_size\": 4096"
}

# theirs_start NSID DEVICE...
theirs_start() {
	local NQN=$THEIRS port=$NVMET/ports/1

	mkdir $NVMET/subsystems/$NQN
	echo 1 >$NVMET/subsystems/$NQN/attr_allow_any_host
	while [ $# -gt 0 ]; do
		target_ns "$1" "$2"
		shift 2
	done
	mkdir $port
	echo tcp >$port/addr_trtype
	echo ipv4 >$port/addr_adrfam
	echo 127.0.0.1 >$port/addr_traddr
	echo $THEIR_PORT >$port/addr_trsvcid
	must ln -s $NVMET/subsystems/$NQN $port/subsystems/$NQN
}

theirs_stop() {
	local subsys=$NVMET/subsystems/$THEIRS dir

	rm $NVMET/ports/1/subsystems/$THEIRS
	for dir in "$subsys"/namespaces/*; do
		echo 0 >"$dir/enable"
		rmdir "$dir"
	done
	rmdir $NVMET/ports/1 "$subsys"
}

# ---------------------------------------------------------------- initiators

# of ours|theirs: the words that name a target
nqn_of() {
	[ "$1" = ours ] && echo $OURS || echo $THEIRS
}

port_of() {
	[ "$1" = ours ] && echo $OUR_PORT || echo $THEIR_PORT
}

string_of() {
	echo "trtype=tcp traddr=127.0.0.1 trsvcid=$(port_of "$1") subnqn=$(nqn_of "$1") nsid=$2"
}

# connect ours|theirs [OPTION...]: the kernel's initiator
connect() {
	local nqn

	nqn=$(nqn_of "$1")
	nvme connect -t tcp -a 127.0.0.1 -s "$(port_of "$1")" -n "$nqn" --queue-size=256 \
		"${@:2}" >/dev/null || die "nvme connect to $1"
	must wait_for 20 ctrl_in_state "$nqn" live
}

disconnect() {
	local nqn

	nqn=$(nqn_of "$1")
	must nvme disconnect -n "$nqn" >/dev/null
	must wait_for 20 not subsys_dir "$nqn"
}

# perf GROUP CELL TARGET_STRING OPTION...
perf() {
	local out=$OUT/$1/$2 string=$3

	mkdir -p $OUT/"$1"
	shift 3
	$STAMP >"$out.before"
	$PERF -o json --cpus=1 --size=${FILL_MIB}m "$@" "$string" >"$out.json" ||
		die "nvmetcp-perf $* '$string'"
	$STAMP >"$out.after"
}

# kernel_fio GROUP JOBFILE DEVICE: all jobs of the file, one after the other
kernel_fio() {
	mkdir -p $OUT/"$1"
	cd $OUT/"$1" || die "no folder"
	DEV=$3 STAMP=$STAMP FILL_MIB=$FILL_MIB fio --output-format=json --output=fio.json \
		"$PLANS/$2" >fio.log 2>&1 ||
		die "fio $2 on $3: $(tail -n 3 fio.log fio.json)"
	cd / || die "no folder"
}

# Code that was never run is not translated yet, and that costs more than to run it.
WARM=(--rw=randrw --runtime=300ms --iodepth=32)

# warm_target TARGET_STRING...
warm_target() {
	local string

	for string in "$@"; do
		must $PERF --size=${FILL_MIB}m "${WARM[@]}" --cpus=1 "$string" >/dev/null
	done
}

# warm_fio DEVICE
warm_fio() {
	must fio --name=warm --filename="$1" --direct=1 --ioengine=io_uring --thread \
		"${WARM[@]}" --time_based --size=${FILL_MIB}m --cpus_allowed=1 >/dev/null
}

# group NAME: what is to be measured next, for who watches
group() {
	echo "# $1, $((SECONDS - BEGIN)) s"
}

BEGIN=$SECONDS
PLANS=/mnt/plan
prepare
. $PLANS/plan.sh
[ -z "$(dmesg | grep -E 'DMAR:.*fault|BUG:|Oops')" ] || die "$(dmesg | tail -n 5)"
echo "done after $((SECONDS - BEGIN)) s" >$OUT/done
