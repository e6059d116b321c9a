# SPDX-License-Identifier: BSD-2-Clause
"""The bench's own kernel, from Debian's source of linux 6.12 with kernel/iommufd.config: no Debian
kernel has iommufd, VFIO's device files, nvmet passthrough or fault injection.

Compiling takes most of half an hour, so it is done only when asked for, and apart from the packing,
which follows every change of the bench: two images, the first named by this file, the configuration
and the version of the source.
"""

import os
import shutil

from .debian import SUITE
from .kernel import KernelRecipe, read
from .util import BENCH, BenchError, NotBuilt, tool

SERIES = "iommufd"
PACKAGE = "linux-source-6.12"
CONFIG = os.path.join(BENCH, "kernel/iommufd.config")
TOOLS = "gcc make flex bison bc"
MODULE_FILES = ("modules.builtin", "modules.builtin.modinfo")
WHY = ("the kernel with iommufd is not built: make vm-kernel does it, in 15 to 30 minutes "
       "(also tests/vm/run --build-iommufd)")


class SourceRecipe:
    """The compiled kernel: vmlinux, config, release, what modprobe wants to know."""
    name = "linux-iommufd"
    takes = "15 to 30 minutes"
    suite = SUITE + "-backports"

    def text(self):
        return [read(__file__), read(CONFIG)]

    def resolve(self, apt):
        return apt.candidates([PACKAGE])

    def build(self, apt, versions, out, temp):
        self._have_tools()
        tree = self.unpack(apt, versions[PACKAGE], temp)
        self.configure(tree)
        tool(["make", "-s", "-C", tree, "-j%d" % len(os.sched_getaffinity(0)), "vmlinux"])
        self.collect(tree, out)

    @staticmethod
    def _have_tools():
        missing = [name for name in TOOLS.split() if not shutil.which(name)]
        if not os.path.exists("/usr/include/gelf.h"):
            missing.append("libelf-dev")
        if missing:
            raise BenchError("building a kernel needs more: apt-get install " + " ".join(missing))

    @staticmethod
    def unpack(apt, version, temp):
        deb = os.path.join(temp, "deb")
        tool(["dpkg", "-x", apt.download(PACKAGE, version, temp), deb])
        tool(["tar", "-xf", os.path.join(deb, "usr/src", PACKAGE + ".tar.xz"), "-C", temp])
        return os.path.join(temp, PACKAGE)

    @staticmethod
    def configure(tree):
        tool(["make", "-s", "-C", tree, "KCONFIG_ALLCONFIG=" + CONFIG, "allnoconfig"])
        have = read(os.path.join(tree, ".config")).split("\n")
        for line in read(CONFIG).split("\n"):
            if line.startswith("CONFIG_") and line not in have:
                raise BenchError("Kconfig drops %s: something it depends on is missing" % line)

    @staticmethod
    def collect(tree, out):
        tool(["strip", "-s", "-o", os.path.join(out, "vmlinux"), os.path.join(tree, "vmlinux")])
        shutil.copy(os.path.join(tree, ".config"), os.path.join(out, "config"))
        shutil.copy(os.path.join(tree, "include/config/kernel.release"),
                    os.path.join(out, "release"))
        for name in MODULE_FILES:
            shutil.copy(os.path.join(tree, name), out)


class PackedRecipe(KernelRecipe):
    """That kernel made ready for the bench; it has no modules."""
    suite = None

    def __init__(self, source):
        self.source = source
        self.series = SERIES
        self.name = "kernel-" + SERIES

    def text(self):
        return super().text() + [read(__file__)]

    def resolve(self, apt):
        return {"source": os.path.basename(self.source.folder)}

    def build(self, apt, versions, out, temp):
        release = read(self.source.path("release")).strip()
        for name in ("vmlinux", "config"):
            shutil.copy(self.source.path(name), out)
        modules = os.path.join(temp, "lib/modules", release)
        os.makedirs(modules)
        for name in MODULE_FILES:
            shutil.copy(self.source.path(name), modules)
        with open(os.path.join(modules, "modules.order"), "wb"):
            pass
        tool(["depmod", "-b", temp, release])
        self._pack(temp, modules, release, out)


def get(cache, build):
    """The packed image; @build: compiled when it is not there, or when there is a newer source."""
    recipe = SourceRecipe()
    source = cache.get(recipe, build) if build else cache.find(recipe)
    if not source:
        raise NotBuilt(WHY)
    try:
        return cache.get(PackedRecipe(source))
    finally:
        source.close()
