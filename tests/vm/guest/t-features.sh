#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What drives can do beyond plain blocks, by libnvmh, without the daemon. Run by
# tests/vm/t-features.

. /bench/lib.sh

PLAIN=0000:00:10.0
ZNS=0000:00:12.0
CMB=0000:00:13.0
PI=0000:00:14.0

vfio_bind $PLAIN $ZNS $CMB $PI || exit 1
exec /mnt/build/tests/vm/features_test dbbuf $PLAIN cmb $CMB zns $ZNS pi $PI
