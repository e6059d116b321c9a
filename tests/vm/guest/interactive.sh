# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the interactive guest's first shell: drive to vfio-pci, daemon started, how-to printed.

. /bench/lib.sh

NQN=nqn.2026-11.org.nvmetcp:vm
PORT=4420
BDF=0000:00:11.0

. /bench/target-ours.sh

modprobe nvme-tcp
if target_prepare && target_take_drive >/dev/null && target_start; then
	cat <<-EOF

	nvmetcpd (process $(cat $DAEMON_PID)) serves the drive $BDF, which it drives through VFIO:
	  nsid 1 (512 B blocks), 2 (4 KiB), 5; and 10 (memory), 11 (null), 12 (file)
	  configuration $CONFIG, log $DAEMON_LOG, kernel $(uname -r)

	Try, as on any Linux host:
	  nvme discover -t tcp -a 127.0.0.1 -s $PORT
	  nvme connect -t tcp -a 127.0.0.1 -s $PORT -n $NQN
	  nvme list; nvme list-subsys
	  dev=\$(nsdev $NQN 1)
	  fio --name=try --filename=\$dev --rw=randrw --bs=4k --iodepth=16 --ioengine=libaio \\
	      --direct=1 --runtime=10 --time_based
	  mkfs.ext4 -q \$dev && mount \$dev /mnt && cp -a /etc /mnt; ls /mnt; umount /mnt
	  nvme disconnect -n $NQN

	Also: target_kill, target_stop, target_start (the host comes back by itself);
	target_stop; nvme_bind $BDF gives the drive back to the kernel's driver.
	/dev/nvme* before you connect are other emulated drives of the guest.
	Leave with "exit" or ^D; ^A x ends the guest at once.

	EOF
else
	echo "nvmetcpd did not start; its log is $DAEMON_LOG"
fi
