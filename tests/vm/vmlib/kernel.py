# SPDX-License-Identifier: BSD-2-Clause
"""A Debian kernel made ready for the bench: vmlinux (or vmlinuz), initrd.gz, modules.erofs.

vmlinux is the ELF inside the package's bzImage: QEMU boots it directly (PVH), which spares the
guest eight seconds of unpacking under emulation. The initrd holds a static busybox and just the
modules that mount the root; modules.erofs is the module tree, on a disk of its own.
"""

import glob
import os
import re
import shutil
import subprocess

from .debian import SUITE
from .util import BENCH, BenchError, tool

# and the suite that has it
SUITES = {"6.1": SUITE, "6.12": SUITE + "-backports", "6.18": "trixie-backports"}
SERIES = tuple(SUITES)

# What mounts the root, in order of insertion; each brings what it depends on before it.
ROOT_MODULES = ("virtio_pci", "virtio_blk", "erofs", "overlay", "9pnet_virtio", "9p")

# The parts of the module tree that storage and network tests have use for.
MODULE_DIRS = """
arch/x86/crypto arch/x86/lib block crypto lib mm security
drivers/base drivers/block drivers/char/hw_random drivers/char/virtio_console.ko
drivers/dax drivers/dma drivers/iommu drivers/md drivers/nvdimm drivers/nvme drivers/pci
drivers/net/*.ko drivers/net/team drivers/net/bonding drivers/net/vxlan
drivers/net/ethernet/intel/e1000*
drivers/net/mdio drivers/net/phy drivers/ptp drivers/pps drivers/uio drivers/vfio drivers/vhost
drivers/virtio drivers/cdrom drivers/scsi/*.ko drivers/scsi/device_handler
fs/*.ko fs/9p fs/btrfs fs/configfs fs/erofs fs/ext4 fs/jbd2 fs/fat fs/fscache fs/netfs fs/cachefiles
fs/fuse fs/isofs fs/nls fs/overlayfs fs/squashfs fs/xfs fs/quota
net/802 net/8021q net/9p net/bridge net/core net/handshake net/ipv4 net/ipv6 net/key net/llc
net/netfilter net/netlink net/packet net/psample net/sched net/tls net/unix net/vmw_vsock net/xfrm
virt
""".split()

MAGIC = {b"\xfd7zXZ\x00": ["xz", "-dcq", "--single-stream"],
         b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
         b"\x1f\x8b\x08": ["gzip", "-dcq"]}


def unpack_elf(bzimage):
    """The kernel ELF inside a bzImage, as bytes, or None. Trailing bytes upset no unpacker."""
    for magic, argv in MAGIC.items():
        at = bzimage.find(magic)
        while at >= 0:
            done = subprocess.run(argv, input=bzimage[at:], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False)
            if done.stdout[:4] == b"\x7fELF":
                return done.stdout
            at = bzimage.find(magic, at + 1)
    return None


def read(path, mode="r"):
    with open(path, mode, encoding=None if "b" in mode else "utf-8") as f:
        return f.read()


class KernelRecipe:
    takes = "about 15 seconds"

    def __init__(self, series):
        if series not in SERIES:
            raise BenchError("no kernel %s: choose one of %s" % (series, ", ".join(SERIES)))
        self.series = series
        self.name = "kernel-" + series
        self.suite = SUITES[series]

    def text(self):
        return [read(__file__), read(os.path.join(BENCH, "guest/init"))]

    def resolve(self, apt):
        package, version = apt.kernel(self.series)
        return {package: version}

    def build(self, apt, versions, out, temp):
        (package, version), = versions.items()
        tree = os.path.join(temp, "deb")
        tool(["dpkg", "-x", apt.download(package, version, temp), tree])
        if not os.path.isdir(os.path.join(tree, "lib")):        # of a merged /usr
            os.symlink("usr/lib", os.path.join(tree, "lib"))
        release = os.listdir(os.path.join(tree, "lib/modules"))[0]
        shutil.copy(os.path.join(tree, "boot/config-" + release), os.path.join(out, "config"))
        self._image(os.path.join(tree, "boot/vmlinuz-" + release), out)
        self._pack(temp, self._modules(tree, release, temp), release, out)

    def _pack(self, temp, modules, release, out):
        self._initrd(temp, release, out)
        tool(["mkfs.erofs", "--quiet", "-T1700000000", os.path.join(out, "modules.erofs"), modules])
        with open(os.path.join(out, "release"), "w", encoding="utf-8") as f:
            f.write(release + "\n")

    @staticmethod
    def _image(vmlinuz, out):
        elf = None
        if "CONFIG_PVH=y" in read(os.path.join(out, "config")):
            elf = unpack_elf(read(vmlinuz, "rb"))
        if elf:
            with open(os.path.join(out, "vmlinux"), "wb") as f:
                f.write(elf)
        else:
            shutil.copy(vmlinuz, os.path.join(out, "vmlinuz"))

    @staticmethod
    def _modules(tree, release, temp):
        """Copies the wanted modules, unpacked, to temp/lib/modules/RELEASE and returns that."""
        source = os.path.join(tree, "lib/modules", release)
        modules = os.path.join(temp, "lib/modules", release)
        for pattern in MODULE_DIRS:
            for path in glob.glob(os.path.join(source, "kernel", pattern)) + \
                    glob.glob(os.path.join(source, "kernel", pattern + ".xz")):
                copy = os.path.join(modules, os.path.relpath(path, source))
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                if os.path.isdir(path):
                    shutil.copytree(path, copy, dirs_exist_ok=True)
                else:
                    shutil.copy(path, copy)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(os.path.join(source, name), modules)
        packed = glob.glob(os.path.join(modules, "**/*.ko.xz"), recursive=True)
        if packed:
            tool(["xz", "-d", "-T0", *packed])
        tool(["depmod", "-b", temp, release])
        return modules

    @staticmethod
    def _load_order(temp, release):
        """Module files that mount the root, dependencies first, each once."""
        order = []
        for name in ROOT_MODULES:
            text = tool(["modprobe", "-d", temp, "-S", release, "--show-depends", name]).decode()
            for path in re.findall(r"(?m)^insmod (\S+)", text):
                if path not in order:
                    order.append(path)
        return order

    def _initrd(self, temp, release, out):
        root = os.path.join(temp, "initrd")
        for sub in ("bin", "dev", "m", "new", "proc", "ro", "rw", "sys"):
            os.makedirs(os.path.join(root, sub))
        shutil.copy("/bin/busybox", os.path.join(root, "bin"))
        os.symlink("busybox", os.path.join(root, "bin/sh"))
        order = self._load_order(temp, release)
        for path in order:
            shutil.copy(path, os.path.join(root, "m"))
        with open(os.path.join(root, "m/order"), "w", encoding="utf-8") as f:
            f.write("".join(os.path.basename(path) + "\n" for path in order))
        shutil.copy(os.path.join(out, "config"), root)
        init = os.path.join(root, "init")
        shutil.copy(os.path.join(BENCH, "guest/init"), init)
        os.chmod(init, 0o755)
        tool(["sh", "-c", "find . | cpio -o -H newc --quiet | gzip -1 > \"$1\"", "sh",
              os.path.join(out, "initrd.gz")], cwd=root)
