# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# t-main: what nvmetcpd must refuse to start with, on real parts: exit code 1 and one line that says
# what is wrong. The drive is back with the kernel's driver when these run.

BAD=/run/bad.json

# refused WORD...: nvmetcpd does not start on $BAD, and its one line has every word
refused() {
	local rc=0 word

	timeout 60 $RUN_AS $DAEMON --config $BAD >$KEEP/refused 2>&1 </dev/null || rc=$?
	echo "exit code $rc"
	cat $KEEP/refused
	[ $rc = 1 ]
	[ "$(wc -l <$KEEP/refused)" = 1 ]
	for word; do
		grep -qiE "$word" $KEEP/refused
	done
}

# Not refused: what is not there keeps nothing else from being served.
missing_drive() {
	daemon_config "$PORT" "$(ns_pci 1 0000:00:1e.0)" "$(ns 2 '"mem": "16M"')" >$BAD
	CONFIG=$BAD target_start
	grep -q "drive is not there.*drive=0000:00:1e.0" $DAEMON_LOG
	target_stop
}

# Busy: the kernel has it, with a file system mounted. It must keep it.
busy_drive() {
	local dev

	dev=$(nsdev $DRIVE_NQN 1)
	mount "$dev" /tmp/m
	daemon_config "$PORT" "$(ns_pci 1)" >$BAD
	refused $BDF
	[ "$(pci_driver $BDF)" = nvme ]
	touch /tmp/m/still-here
	umount /tmp/m
	fsck.ext4 -fn "$dev"
}

port_in_use() {
	local rc=0

	nc -l 127.0.0.1 "$PORT" >/dev/null &
	wait_for 20 listening
	daemon_config "$PORT" "$(ns 1 '"mem": "16M"')" >$BAD
	( refused "$PORT" ) || rc=1
	kill $!
	return $rc
}

# A second function of the same group stays with a kernel driver.
shared_group() {
	wait_for 20 test -e $PCI/0000:00:15.1/driver
	[ "$(readlink -f $PCI/0000:00:15.0/iommu_group)" = \
		"$(readlink -f $PCI/0000:00:15.1/iommu_group)" ]
	vfio_bind 0000:00:15.0
	daemon_config "$PORT" "$(ns_pci 1 0000:00:15.0)" >$BAD
	refused 0000:00:15.0 "group|0000:00:15.1"
	nvme_bind 0000:00:15.0
}

no_permission() {
	vfio_bind 0000:00:15.0
	daemon_config "$PORT" "$(ns_pci 1 0000:00:15.0)" >$BAD
	chmod 644 $BAD
	RUN_AS="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
	refused 0000:00:15.0
	nvme_bind 0000:00:15.0
}

no_iommu() {
	[ -z "$(ls /sys/class/iommu)" ]
	vfio_bind $BDF || echo "not bound, as expected"
	daemon_config "$PORT" "$(ns_pci 1)" >$BAD
	refused $BDF iommu
}

refuse_tests() {
	if [ "$TARGET" != ours ]; then
		return
	fi
	t "a drive that is not there is served without" missing_drive
	t "refused: a drive that is mounted, and it stays mounted" busy_drive
	t "refused: a port in use" port_in_use
	t "refused: an IOMMU group shared with a device of the kernel" shared_group
	t "refused: no permission on the drive" no_permission
}
