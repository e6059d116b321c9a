#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# libnvmh's programs on a local drive; prints TAP. Run by tests/vm/t-tools.

. /bench/lib.sh
. /bench/tap.sh

BDF=0000:00:10.0
DRIVE="trtype=pcie traddr=$BDF nsid=1"
B=/mnt/build
KEEP=/run/vm
mkdir -p $KEEP

perf() {
	$B/nvmetcp-perf --iodepth=16 --size=16m -o json "$@" "$DRIVE" | tee $KEEP/perf.json
	jq -e '[.jobs[].error] | all(. == 0)' $KEEP/perf.json
}

perf_verifies() {
	perf --rw=randrw --rwmixread=50 --bssplit=512/10:4k/60:64k/30 --numjobs=2 --verify
	jq -e '.jobs | length == 2 and all(.read.total_ios > 0 and .write.total_ios > 0)' \
		$KEEP/perf.json
}

perf_trims() {
	perf --rw=randtrim --bs=64k
}

perf_flushes() {
	perf --rw=randwrite --bs=4k --fsync=8 --writefua
}

mpath_of_one() {
	$B/nvmh-io --timeout 60000 --mpath --queues 2 --qd 16 --ops 2000 "trtype=pcie traddr=$BDF" \
		verify | tee $KEEP/verify
	grep -q '^read back:' $KEEP/verify
}

# A path that is reset is one that comes back: no command fails, no --retry.
mpath_is_reset() {
	$B/nvmh-io --timeout 60000 --mpath --reset-every 300 --queues 2 --qd 16 --ops 2000 \
		"trtype=pcie traddr=$BDF" verify | tee $KEEP/verify
	grep -Eq ', ([2-9]|[1-9][0-9]+) resets$' $KEEP/verify
	grep -q '^read back:' $KEEP/verify
}

# engine OPTIONS...: fio through the engine
engine() {
	[ -e $B/libnvmh-fio.so ] || skip "there is no libnvmh-fio.so: make fio builds it"
	fio --ioengine=external:$B/libnvmh-fio.so --transport="$DRIVE" --thread=1 --name=job \
		--size=8m --iodepth=16 --output-format=json "$@" | tee $KEEP/fio.json
	jq -e '[.jobs[].error] | all(. == 0)' $KEEP/fio.json
}

engine_verifies() {
	engine --rw=randwrite --bs=4k --verify=crc32c --do_verify=1
	jq -e '.jobs[0] | .write.io_bytes == 8388608 and .read.io_bytes == 8388608' $KEEP/fio.json
}

engine_trims() {
	engine --rw=randtrim --bs=64k
}

must "the drive is taken" vfio_bind $BDF
t "nvmetcp-perf verifies mixed sizes over two jobs" perf_verifies
t "nvmetcp-perf trims" perf_trims
t "nvmetcp-perf writes through, with flushes" perf_flushes
t "a multipath controller of one local path, data checked" mpath_of_one
t "the same, reset under load, no command fails" mpath_is_reset
t "the fio engine writes and verifies" engine_verifies
t "the fio engine trims" engine_trims
t "no DMA fault, no kernel warning" dmesg_clean
tap_done
