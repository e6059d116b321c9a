#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's target and libnvmh's programs in one guest; prints TAP. Run by tests/vm/t-host.

. /bench/lib.sh
. /bench/tap.sh

NQN=nqn.2026-11.org.nvmetcp:host
OTHER=nqn.2026-11.org.nvmetcp:other
NVMET=/sys/kernel/config/nvmet
UUID=5c7cb5d6-1d3c-4e0b-9d0b-6f1e0a3c7d11
RESV=$NVMET/subsystems/$NQN/namespaces/1/resv_enable
KEEP=/run/vm                            # what one test leaves for another
B=/mnt/build
mkdir -p $KEEP

. /bench/target-nvmet.sh                # null_create, target_ns

# ---- the target ----

# port_make ID PORT: listens once something is linked to it
port_make() {
	local port=$NVMET/ports/$1

	mkdir "$port"
	echo tcp >"$port/addr_trtype"
	echo ipv4 >"$port/addr_adrfam"
	echo 127.0.0.1 >"$port/addr_traddr"
	echo "$2" >"$port/addr_trsvcid"
}

port_serve() {
	ln -s $NVMET/subsystems/"$2" $NVMET/ports/"$1"/subsystems/"$2"
}

# Its hosts lose their controllers.
port_leave() {
	rm $NVMET/ports/"$1"/subsystems/"$2"
}

subsys_make() {
	mkdir $NVMET/subsystems/"$1"
	echo 1 >$NVMET/subsystems/"$1"/attr_allow_any_host
}

# ns_switch NSID 0|1
ns_switch() {
	echo "$2" >$NVMET/subsystems/$NQN/namespaces/"$1"/enable
}

setup() {
	modprobe -a nvmet nvmet-tcp
	modprobe null_blk nr_devices=0
	null_create nullmem 64 1
	null_create nullmore 32 1
	subsys_make $NQN
	target_ns 1 /dev/nullmem
	ns_switch 1 0
	echo $UUID >$NVMET/subsystems/$NQN/namespaces/1/device_uuid
	[ ! -e $RESV ] || echo 1 >$RESV
	ns_switch 1 1
	port_make 1 4420
	port_serve 1 $NQN
	subsys_make $OTHER
	port_make 2 4421
	port_serve 2 $NQN
}

# ana PORT STATE: of the port's group 1, which all namespaces are in
ana() {
	echo "$2" >$NVMET/ports/"$1"/ana_groups/1/ana_state
}

# ---- the host ----

path() {
	echo "trtype=tcp traddr=127.0.0.1 trsvcid=$1 subnqn=$NQN"
}

# io OPTIONS... COMMAND...: nvmh-io over the first port
io() {
	local options=()

	while [ "${1#-}" != "$1" ]; do
		case $1 in
		--hdgst | --ddgst | --no-sqflow | --wait | --retry | --mpath)
			options+=("$1")
			shift
			;;
		*)
			options+=("$1" "$2")
			shift 2
			;;
		esac
	done
	$B/nvmh-io --timeout 60000 "${options[@]}" "$(path 4420)" "$@"
}

# begun LOG: nvmh-io verify says so
begun() {
	grep -q '^verify:' "$1"
}

# verify_while FUNCTION OPTIONS...: a load that checks its data while FUNCTION happens; repeated
# until the load ends. No command may fail.
verify_while() {
	local what=$1 log=$KEEP/verify.$1 pid rounds=0

	shift
	io --queues 3 --qd 16 --ops 4000 "$@" verify >"$log" 2>&1 &
	pid=$!
	echo $pid >$KEEP/verify.pid
	wait_for 60 begun "$log" || { cat "$log"; return 1; }
	while kill -0 $pid 2>/dev/null; do
		"$what"
		rounds=$((rounds + 1))
	done
	wait $pid || { cat "$log"; return 1; }
	cat "$log"
	echo "$what happened $rounds times"
	[ $rounds -ge 2 ] && grep -q '^read back:' "$log"
}

# settle PORT...: until the load has its four connections to each port again (emulation is slow),
# and some time for I/O; or until it has ended
settle() {
	local port

	for port in "$@"; do
		wait_for 120 connected_or_over "$port"
	done
	sleep 1
}

connected_or_over() {
	not kill -0 "$(cat $KEEP/verify.pid)" ||
		[ "$(ss -Htn state established "dport = :$1" | wc -l)" -ge 4 ]
}

# ---- tests ----

discovery_lists() {
	$B/nvmh-io --timeout 60000 "trtype=tcp traddr=127.0.0.1 trsvcid=4420" discover \
		>$KEEP/discover
	cat $KEEP/discover
	grep -q "subtype=2 .*trsvcid=4420 subnqn=$NQN" $KEEP/discover
	not grep -q "$OTHER" $KEEP/discover
}

# A service that stays connected tells of a subsystem that a port begins and ceases to serve.
discovery_tells() {
	local pid log=$KEEP/watch

	$B/nvmetcpctl discover -a 127.0.0.1 -s 4420 --watch -o json >$log &
	pid=$!
	wait_for 60 grep -q $NQN $log
	not grep -q $OTHER $log
	port_serve 1 $OTHER
	wait_for 60 grep -q $OTHER $log
	port_leave 1 $OTHER
	wait_for 60 eval "tail -n 1 $log | jq -e 'all(.records[]; .subnqn != \"$OTHER\")'"
	kill -TERM $pid
	wait $pid || [ $? = 143 ]
	cat $log
}

identify_fits() {
	io identify >$KEEP/identify
	cat $KEEP/identify
	grep -q "^subnqn=\"*$NQN" $KEEP/identify
	grep -q '^namespaces=1$' $KEEP/identify
	io list | tee $KEEP/list
	grep -q "^nsid=1 blocks=131072 lba=512 ms=0 uuid=$UUID" $KEEP/list
}

verify() {
	io --queues 4 --qd 32 --ops 3000 "$@" verify | tee $KEEP/verify
	grep -q '^read back:' $KEEP/verify
}

# What the library wrote, read by the kernel from the device itself.
same_bytes() {
	head -c $((300 * 512)) /dev/urandom >$KEEP/bytes
	io write 1000 300 <$KEEP/bytes
	io flush
	dd if=/dev/nullmem iflag=direct,skip_bytes,count_bytes skip=$((1000 * 512)) \
		count=$((300 * 512)) bs=4096 status=none | cmp - $KEEP/bytes
	io --hdgst --ddgst read 1000 300 | cmp - $KEEP/bytes
}

perf_verifies() {
	$B/nvmetcp-perf --rw=randrw --rwmixread=50 --bs=4k --iodepth=16 --numjobs=2 --size=8m \
		--verify --hdgst --ddgst -o json "$(path 4420)" >$KEEP/perf.json
	jq -e . $KEEP/perf.json >/dev/null
}

# Longer than twice the timeout; the target's own patience ends after one.
keep_alive_holds() {
	io --kato 1000 hold 5 >$KEEP/hold
	cat $KEEP/hold
	[ "$(wc -l <$KEEP/hold)" = 1 ] && grep -q '^live' $KEEP/hold
}

resets_under_load() {
	io --retry --reset-every 400 --queues 3 --qd 16 --ops 4000 verify | tee $KEEP/resets
	grep -q '^read back:' $KEEP/resets
	grep -Eq ', ([5-9]|[1-9][0-9]+) resets$' $KEEP/resets
}

port_cycle() {
	port_leave 1 $NQN
	sleep 0.3
	port_serve 1 $NQN
	settle 4420
}

port_goes_and_returns() {
	verify_while port_cycle --retry
	grep -Eq ' [1-9][0-9]* repeated' $KEEP/verify.port_cycle
}

# The namespace's changes as a host that stays connected is told of them.
namespaces_come_and_go() {
	local pid log=$KEEP/hold

	$B/nvmh-io --timeout 60000 "$(path 4420)" hold 0 >$log &
	pid=$!
	wait_for 60 grep -q '^live' $log
	target_ns 2 /dev/nullmore
	wait_for 60 grep -q '^namespace 2 blocks=65536' $log
	ns_switch 2 0
	wait_for 60 grep -q '^namespace 2 went' $log
	rmdir $NVMET/subsystems/$NQN/namespaces/2
	kill -TERM $pid
	wait $pid
	cat $log
}

# Both ports as one controller. Without --retry no command may fail.
OVER_BOTH=(--path "$(path 4421)" --kato 1000)

round_robin_uses_both() {
	io "${OVER_BOTH[@]}" --iopolicy round-robin --queues 2 --qd 16 --ops 2000 verify |
		tee $KEEP/verify
	grep -q '^read back:' $KEEP/verify
}

ana_cycle() {
	ana 1 non-optimized
	sleep 0.5
	ana 1 inaccessible
	sleep 0.5
	ana 2 inaccessible
	ana 1 change
	sleep 0.5
	ana 1 optimized
	sleep 0.5
	ana 2 optimized
	sleep 0.5
}

ana_changes_under_load() {
	verify_while ana_cycle "${OVER_BOTH[@]}"
}

# Its hosts are told, and nothing was outstanding there.
persistent_loss() {
	ana 1 persistent-loss
	io "${OVER_BOTH[@]}" --ops 500 verify
	ana 1 optimized
}

# One after the other, so that one is always there.
ports_cycle() {
	local port

	for port in 1 2; do
		port_leave $port $NQN
		sleep 1
		port_serve $port $NQN
		settle 4420 4421
	done
}

ports_go_in_turn() {
	verify_while ports_cycle "${OVER_BOTH[@]}"
}

both_cycle() {
	port_leave 1 $NQN
	port_leave 2 $NQN
	sleep 1
	port_serve 1 $NQN
	port_serve 2 $NQN
	settle 4420 4421
}

both_ports_go() {
	verify_while both_cycle "${OVER_BOTH[@]}"
}

reservations() {
	[ -e $RESV ] || skip "this kernel's target has none"
	$B/tests/vm/resv_test "$(path 4420)"
}

refused_host() {
	echo 0 >$NVMET/subsystems/$NQN/attr_allow_any_host
	not io list 2>$KEEP/refused
	echo 1 >$NVMET/subsystems/$NQN/attr_allow_any_host
	cat $KEEP/refused
	grep -qi 'not allowed\|allow' $KEEP/refused
	io list
}

no_such_subsystem() {
	not $B/nvmh-io --timeout 30000 \
		"trtype=tcp traddr=127.0.0.1 trsvcid=4420 subnqn=${NQN}-not-there" list \
		2>$KEEP/refused
	cat $KEEP/refused
	grep -q 'not-there' $KEEP/refused
}

must "the kernel's target serves a namespace" setup
t "discovery lists what the port serves, and no more" discovery_lists
t "a discovery log that is watched is told again when it changes" discovery_tells
t "identity and size are the target's" identify_fits
t "4 queues of 32, data checked" verify
t "the same with header digests" verify --hdgst
t "the same with data digests" verify --ddgst
t "the same with both, and without SQ flow control" verify --hdgst --ddgst --no-sqflow
t "written blocks are on the device, byte by byte" same_bytes
t "nvmetcp-perf verifies over two jobs" perf_verifies
t "keep alive keeps the association" keep_alive_holds
t "the controller is reset under load, no command lost" resets_under_load
t "the port goes and returns under load, no command lost" port_goes_and_returns
t "two ports as one controller, in turn" round_robin_uses_both
t "ANA states change under load, no command fails" ana_changes_under_load
t "a path lost for good is left out" persistent_loss
t "one port after the other goes and returns under load, no command fails" ports_go_in_turn
t "both ports go and return under load, no command fails" both_ports_go
t "namespaces come and go, and the host is told" namespaces_come_and_go
t "reservations between two hosts" reservations
t "a host that is not allowed is told so" refused_host
t "a subsystem that is not there is named" no_such_subsystem
t "no kernel warning" dmesg_clean
tap_done
