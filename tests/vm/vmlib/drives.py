# SPDX-License-Identifier: BSD-2-Clause
"""The emulated NVMe drives: presets, each a drive at a PCI address of its own.

Namespaces are lists of (size in MiB, properties of QEMU's nvme-ns device).
"""

import os

from .util import BenchError

MIB = 1 << 20
BLOCK_4K = "logical_block_size=4096,physical_block_size=4096"

# preset: (address, what it is, controller properties, namespaces)
PRESETS = {
    "plain": ("10.0", "one namespace, 1 GiB, 512 B blocks", "", [(1024, "nsid=1")]),
    "multi": ("11.0", "nsid 1: 256 MiB, 512 B blocks; 2: 512 MiB, 4 KiB blocks; 5: 128 MiB, 512 B",
              "",
              [(256, "nsid=1,logical_block_size=512,physical_block_size=512"),
               (512, "nsid=2," + BLOCK_4K),
               (128, "nsid=5")]),
    "zns": ("12.0", "zoned, 32 zones of 16 MiB, 12 MiB usable, 8 open, 12 active",
            "zoned.zasl=5",
            [(512, "nsid=1," + BLOCK_4K + ",zoned=true,zoned.zone_size=16M,"
              "zoned.zone_capacity=12M,zoned.max_open=8,zoned.max_active=12")]),
    "cmb": ("13.0", "256 MiB, with a controller memory buffer of 16 MiB", "cmb_size_mb=16",
            [(256, "nsid=1")]),
    "pi": ("14.0", "nsid 1: 4 KiB + 8 B metadata apart, PI type 1; nsid 2: 512 + 16 B interleaved",
           "",
           [(260, "nsid=1," + BLOCK_4K + ",ms=8,mset=0,pi=1,pil=1"),
            (260, "nsid=2,logical_block_size=512,ms=16,mset=1")]),
    "shared": ("15.0", "64 MiB, in one IOMMU group with a virtio-rng at 0000:00:15.1",
               "multifunction=on", [(64, "nsid=1")]),
}

# Devices that stand beside a preset's drive.
COMPANIONS = {"shared": ["-device", "virtio-rng-pci,addr=0x15.0x1"]}


def describe():
    """The table of presets, for --help."""
    lines = ["  %-6s 0000:00:%s  %s" % (name, p[0], p[1]) for name, p in PRESETS.items()]
    return "\n".join(lines + ["  all    every one of them"])


def parse(text):
    """["plain", "multi"] from "plain,multi"; each name once, "all" stands for all."""
    names = []
    for name in text.split(","):
        if name not in PRESETS and name != "all":
            raise BenchError("no drive preset \"%s\": choose from %s, all"
                             % (name, ", ".join(PRESETS)))
        for one in PRESETS if name == "all" else [name]:
            if one not in names:
                names.append(one)
    return names


def image_path(folder, preset, index):
    return os.path.join(folder, "%s-%d.img" % (preset, index))


def make_images(presets, folder, reuse):
    """Sparse files, blank; with reuse those of an earlier run stay as they are."""
    for preset in presets:
        for index, (mib, _) in enumerate(PRESETS[preset][3], 1):
            path = image_path(folder, preset, index)
            if reuse and os.path.exists(path) and os.path.getsize(path) == mib * MIB:
                continue
            with open(path, "wb") as f:
                f.truncate(mib * MIB)


def remove_images(presets, folder):
    for preset in presets:
        for index in range(1, len(PRESETS[preset][3]) + 1):
            if os.path.exists(image_path(folder, preset, index)):
                os.unlink(image_path(folder, preset, index))


def qemu_args(presets, folder):
    argv = []
    for preset in presets:
        address, _, properties, namespaces = PRESETS[preset]
        ids = {"p": preset, "serial": "VM" + preset.upper(), "addr": "0x%x" % int(address[:2], 16)}
        argv += ["-device", "nvme-subsys,id=sub-%(p)s,nqn=%(p)s" % ids,
                 "-device", ("nvme,id=nvme-%(p)s,serial=%(serial)s,subsys=sub-%(p)s,addr=%(addr)s"
                             % ids) + ("," + properties if properties else "")]
        for index, (_, ns) in enumerate(namespaces, 1):
            drive = "%s-%d" % (preset, index)
            path = image_path(folder, preset, index).replace(",", ",,")
            argv += ["-drive", "if=none,id=%s,format=raw,cache=unsafe,discard=unmap,file=%s"
                     % (drive, path),
                     "-device", "nvme-ns,id=ns-%s,bus=nvme-%s,drive=%s,%s"
                     % (drive, preset, drive, ns)]
        argv += COMPANIONS.get(preset, [])
    return argv
