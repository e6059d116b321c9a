# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The target under test: nvmetcpd, from the build folder shared as /mnt/build. The same functions
# are in target-nvmet.sh for the kernel's target. Needs lib.sh; $NQN, $BDF, $PORT from the caller.

DAEMON=/run/nvmetcpd
DAEMON_PID=/run/nvmetcpd.pid
DAEMON_RC=/run/nvmetcpd.rc
DAEMON_LOG=/results/nvmetcpd.log
CONFIG=/run/vm.json
CORE=/tmp/core

# daemon_config TRSVCID NAMESPACE...: a document in the kernel target's layout, on stdout
daemon_config() {
	local port=$1 IFS=, namespaces

	shift
	namespaces="$*"
	cat <<-EOF
	{ "subsystems": [ { "nqn": "$NQN", "attr": { "allow_any_host": "1" },
	    "namespaces": [ $namespaces ] } ],
	  "ports": [ { "portid": 1,
	    "addr": { "trtype": "tcp", "adrfam": "ipv4",
	      "traddr": "127.0.0.1", "trsvcid": "$port" },
	    "subsystems": [ "$NQN" ] } ] }
	EOF
}

# ns NSID DEVICE: one namespace of such a document
ns() {
	echo "{ \"nsid\": $1, \"enable\": 1, \"device\": { $2 } }"
}

# ns_pci NSID [BDF]: the namespace of the same NSID on a drive
ns_pci() {
	ns "$1" "\"pci\": \"${2:-$BDF}\", \"nsid\": $1"
}

# From 9p into memory: the daemon's pages then need no trip to the host.
target_install() {
	cp /mnt/build/nvmetcpd $DAEMON
	chmod 755 $DAEMON
	echo $CORE >/proc/sys/kernel/core_pattern
}

target_prepare() {
	target_install
	echo 64 >/proc/sys/vm/nr_hugepages
	file_prepare
	daemon_config "$PORT" "$(ns_pci 1)" "$(ns_pci 2)" "$(ns_pci 5)" \
		"$(ns 10 '"mem": "64M"')" "$(ns 11 '"null": "1G"')" \
		"$(ns 12 "\"path\": \"$FILE_NS\"")" >$CONFIG
	$DAEMON --check $CONFIG
}

target_take_drive() {
	vfio_bind "$BDF"
	ls /dev/vfio
}

listening() {
	ss -Hltn "sport = :$PORT" | grep -q LISTEN
}

# daemon_run COMMAND...: in the background; its exit code lands in $DAEMON_RC. (A test is a
# subshell, so no later test could wait for it.)
daemon_run() {
	rm -f $DAEMON_RC
	(
		set +e
		ulimit -c unlimited
		set -m          # a process group of its own: ^C on a terminal is not meant for it
		"$@" >>$DAEMON_LOG 2>&1 </dev/null &
		echo $! >$DAEMON_PID
		wait $!
		echo $? >$DAEMON_RC
	) >/dev/null 2>&1 &
	disown
	wait_for 20 test -s $DAEMON_PID
}

daemon_end() { # within its own 90 s
	wait_for 120 test -s $DAEMON_RC || { tail -n 20 $DAEMON_LOG; return 1; }
	rm -f $DAEMON_PID
}

target_start() {
	daemon_run $DAEMON --config $CONFIG
	wait_for 60 listening || { tail -n 20 $DAEMON_LOG; return 1; }
}

# Orderly: SIGTERM, exit code 0.
target_stop() {
	kill -TERM "$(cat $DAEMON_PID)"
	daemon_end
	echo "exit code $(cat $DAEMON_RC)"
	[ "$(cat $DAEMON_RC)" = 0 ]
}

target_kill() {
	kill -KILL "$(cat $DAEMON_PID)"
	daemon_end
	[ "$(cat $DAEMON_RC)" = 137 ]
}

target_running() {
	pgrep -x nvmetcpd
}

# tap_on_failure: called by tap.sh; what the daemon says, and where it crashed if it did
tap_on_failure() {
	if [ -s $DAEMON_RC ] && [ -e $DAEMON_PID ]; then
		echo "nvmetcpd is gone, exit code $(cat $DAEMON_RC)"
	fi
	if [ -s $DAEMON_LOG ]; then
		echo "end of nvmetcpd.log:"
		tail -n 10 $DAEMON_LOG
	fi
	if [ -e $CORE ]; then
		gdb -nx -batch -ex bt $DAEMON $CORE 2>&1 | grep '^#'
		rm -f $CORE
	fi
}

target_give_drive_back() {
	nvme_bind "$BDF"
}
