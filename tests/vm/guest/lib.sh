# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Helpers for commands in the guest: ". /bench/lib.sh". PCI drives, namespaces, waiting.

PCI=/sys/bus/pci/devices

# wait_for SECONDS COMMAND...: until it succeeds; 1 when time runs out. Time in the guest depends on
# the host's load, so be generous.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.1
	done
}

not() {
	! "$@"
}

# pci_driver BDF: the name of its driver, or nothing
pci_driver() {
	[ -e "$PCI/$1/driver" ] && basename "$(readlink "$PCI/$1/driver")"
}

# pci_bind DRIVER BDF...: takes the devices from their driver and hands them to this one
pci_bind() {
	local driver=$1 bdf

	shift
	modprobe "$driver" || return 1
	for bdf in "$@"; do
		echo "$driver" >"$PCI/$bdf/driver_override" || return 1
		[ "$(pci_driver "$bdf")" = "$driver" ] && continue
		[ ! -e "$PCI/$bdf/driver" ] || echo "$bdf" >"$PCI/$bdf/driver/unbind" || return 1
		echo "$bdf" >/sys/bus/pci/drivers_probe || return 1
		[ "$(pci_driver "$bdf")" = "$driver" ] || {
			echo "$bdf does not bind to $driver" >&2
			return 1
		}
	done
}

# vfio_bind BDF...: for a userspace driver
vfio_bind() {
	modprobe vfio_iommu_type1 && pci_bind vfio-pci "$@"
}

# nvme_bind BDF...: back to the kernel's driver, no override left
nvme_bind() {
	local bdf

	pci_bind nvme "$@" || return 1
	for bdf in "$@"; do
		echo >"$PCI/$bdf/driver_override" || return 1
	done
}

# A process costs much under emulation: what is asked often uses the shell alone.

# file_is FILE TEXT: its first line is this
file_is() {
	local line=

	{ read -r line <"$1"; } 2>/dev/null
	[ "$line" = "$2" ]
}

# subsys_dir NQN: its folder in sysfs
subsys_dir() {
	local dir

	for dir in /sys/class/nvme-subsystem/*; do
		if file_is "$dir/subsysnqn" "$1"; then
			echo "$dir"
			return 0
		fi
	done
	return 1
}

# ctrl_dirs NQN: the folders of its controllers in sysfs, one a line
ctrl_dirs() {
	local dir

	dir=$(subsys_dir "$1") || return 1
	for dir in "$dir"/nvme*; do
		if [ -e "$dir/cntlid" ]; then
			readlink -f "$dir"
		fi
	done
}

# ctrl_attr NQN NAME: an attribute of its (first) controller, such as state
ctrl_attr() {
	cat "$(ctrl_dirs "$1" | sed -n 1p)/$2"
}

# ctrl_dev NQN: the character device of its (first) controller
ctrl_dev() {
	local dir

	dir=$(ctrl_dirs "$1" | sed -n 1p)
	[ -n "$dir" ] && echo "/dev/${dir##*/}"
}

ctrl_in_state() {
	[ "$(ctrl_attr "$1" state)" = "$2" ]
}

nsdev_now() {
	local dir file

	dir=$(subsys_dir "$1") || return 1
	for file in "$dir"/nvme*n*/nsid "$dir"/nvme*/nvme*n*/nsid; do
		file_is "$file" "$2" || continue
		file=${file%/nsid}
		if [ -b "/dev/${file##*/}" ]; then
			echo "/dev/${file##*/}"
			return 0
		fi
	done
	return 1
}

# nsdev NQN NSID: the block device of a namespace, waited for. Kernel names say nothing of the NSID.
nsdev() {
	nsdev_now "$1" "$2" || { wait_for 20 nsdev_now "$1" "$2" && nsdev_now "$1" "$2"; }
}

# file_prepare: $FILE_NS, a file for a namespace, on ext4 on the "plain" drive mounted at /srv
FILE_NS=/srv/file.img
file_prepare() {
	local dev

	dev=$(nsdev nqn.2019-08.org.qemu:plain 1) || return 1
	mkfs.ext4 -q "$dev" && mount "$dev" /srv && truncate -s 64M $FILE_NS
}

# checksum DEVICE OFFSET_MIB LENGTH_MIB: from the media, not from the page cache
checksum() {
	dd if="$1" bs=1M skip="$2" count="$3" iflag=direct,fullblock status=none | md5sum
}

# dmesg_clean: no fault of the IOMMU, no complaint of the kernel
dmesg_clean() {
	dmesg | grep -E 'DMAR:.*[Ff]ault|WARNING:|BUG:|Oops|general protection|UBSAN|KASAN' &&
		return 1
	return 0
}
