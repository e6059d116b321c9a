# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# t-main: discovery, connecting, what the host's tools show.

# drive_facts: "NSID BYTES BLOCK_SIZE" of the drive's namespaces, as the kernel's PCIe driver has it
drive_facts() {
	local nsid dev

	for nsid in 1 2 5; do
		dev=$(nsdev $DRIVE_NQN $nsid)
		echo "$nsid $(blockdev --getsize64 "$dev") $(blockdev --getss "$dev")"
	done | tee $KEEP/facts
	grep -q "^1 268435456 512$" $KEEP/facts
	grep -q "^2 536870912 4096$" $KEEP/facts
}

connect() {
	nvme connect "${ADDR[@]}" -n $NQN --reconnect-delay=1 --ctrl-loss-tmo=600 "$@"
	wait_for 20 ctrl_in_state $NQN live
}

disconnect() {
	nvme disconnect -n $NQN
	wait_for 20 not subsys_dir $NQN
}

discover_text() {
	nvme discover "${ADDR[@]}" | tee $KEEP/discover
	grep -q "subnqn: *$NQN" $KEEP/discover
	grep -q "trsvcid: *$PORT" $KEEP/discover
	grep -q "traddr: *127.0.0.1" $KEEP/discover
}

discover_json() {
	nvme discover "${ADDR[@]}" -o json | tee $KEEP/discover
	jq -e --arg n $NQN '.records[] | select(.subnqn == $n) |
		.trtype == "tcp" and .adrfam == "ipv4" and
		.subtype == "nvme subsystem"' $KEEP/discover
}

# queues_are IO_QUEUES: what the controller ended up with
queues_are() {
	local count

	count=$(ctrl_attr $NQN queue_count)
	echo "queue_count $count"
	[ "$count" = $(($1 + 1)) ]
}

connect_with_queues() {
	local want=$1

	shift
	connect "$@"
	queues_are "$want"
	nsdev $NQN 2
	disconnect
}

sizes_match() {
	local nsid bytes block dev

	while read -r nsid bytes block; do
		dev=$(nsdev $NQN "$nsid")
		echo "$nsid $dev $(blockdev --getsize64 "$dev") $(blockdev --getss "$dev")"
		[ "$(blockdev --getsize64 "$dev")" = "$bytes" ]
		[ "$(blockdev --getss "$dev")" = "$block" ]
	done <$KEEP/facts
	[ "$(blockdev --getsize64 "$(nsdev $NQN 10)")" = $((64 << 20)) ]
	[ "$(blockdev --getsize64 "$(nsdev $NQN 11)")" = $((1 << 30)) ]
	[ "$(blockdev --getsize64 "$(nsdev $NQN 12)")" = $((64 << 20)) ]
}

list_text() {
	local nsid

	nvme list | tee $KEEP/list
	for nsid in 1 2 5 10 11 12; do
		grep -q "$(nsdev $NQN $nsid) " $KEEP/list
	done
}

list_json() {
	local nsid bytes block

	nvme list -o json | tee $KEEP/list
	while read -r nsid bytes block; do
		jq -e --arg d "$(nsdev $NQN "$nsid")" --argjson b "$bytes" --argjson s "$block" \
			'.Devices[] | select(.DevicePath == $d) |
			.PhysicalSize == $b and .SectorSize == $s' $KEEP/list
	done <$KEEP/facts
}

list_subsys() {
	nvme list-subsys | tee $KEEP/list
	grep -A2 "NQN=$NQN" $KEEP/list | grep -E "tcp.*traddr=127.0.0.1.*trsvcid=$PORT.*live"
}

identify_controller() {
	nvme id-ctrl "$(ctrl_dev $NQN)" -o json | tee $KEEP/id
	jq -e --arg n $NQN '.subnqn == $n and .cntlid != 0 and .nn >= 12 and .kas != 0
		and .ioccsz >= 4 and .iorcsz >= 1 and .sqes == 102 and .cqes == 68
		and (.sn | length) > 0 and (.mn | length) > 0 and (.fr | length) > 0' $KEEP/id
}

identify_namespaces() {
	local nsid bytes block

	while read -r nsid bytes block; do
		nvme id-ns "$(ctrl_dev $NQN)" -n "$nsid" -o json >$KEEP/id
		jq -c '{nsze, ncap, nuse, flbas, lbaf: .lbafs[.flbas % 16], nguid, eui64}' $KEEP/id
		jq -e --argjson n $((bytes / block)) --argjson s "$block" \
			'.nsze == $n and pow(2; .lbafs[.flbas % 16].ds) == $s' $KEEP/id
	done <$KEEP/facts
	nvme list-ns "$(ctrl_dev $NQN)" | tee $KEEP/id
	[ "$(grep -c '^\[' $KEEP/id)" = 6 ]
}

smart_log() {
	nvme smart-log "$(ctrl_dev $NQN)" -o json | tee $KEEP/smart
	jq -e '.critical_warning == 0 and has("data_units_written")' $KEEP/smart
	nvme error-log "$(ctrl_dev $NQN)" -e 4 -o json | jq -e '.errors | length >= 1'
}

connect_all() {
	nvme connect-all "${ADDR[@]}"
	wait_for 20 ctrl_in_state $NQN live
	nsdev $NQN 5
	disconnect
}

connect_tests() {
	t "discover lists the subsystem" discover_text
	t "discover in JSON lists it" discover_json
	t "connect with one I/O queue, and disconnect" connect_with_queues 1 -i 1
	t "connect with separate write and poll queues" connect_with_queues 4 -i 2 -W 1 -P 1
	t "connect-all finds it" connect_all
	must "connect with two I/O queues" connect -i 2
	t "it has two I/O queues" queues_are 2
	must "every namespace has its size and block size" sizes_match
	t "nvme list shows the namespaces" list_text
	t "nvme list in JSON has their sizes" list_json
	t "nvme list-subsys shows a live path" list_subsys
	t "nvme id-ctrl" identify_controller
	t "nvme id-ns and list-ns" identify_namespaces
	t "nvme smart-log and error-log" smart_log
}
