# SPDX-License-Identifier: BSD-2-Clause
"""The guest's root: a read-only Debian userland as one erofs image.

Debian 12 like the machines that build the project, so that their binaries run in it.
"""

import os
import shutil
import subprocess

from .debian import SUITE
from .util import BenchError, tool

# Tools of the tests, then what our own programs load.
PACKAGES = """
bash bc blktrace bsdextrautils ca-certificates dmsetup e2fsprogs ethtool fio gawk gdb-minimal
iproute2 iputils-ping jq keyutils kmod mount ncurses-base netcat-openbsd numactl nvme-cli openssl
parted pciutils procps python3-minimal strace tcpdump udev util-linux uuid-runtime xfsprogs
libaio1 libasan8 libcmocka0 libevent-2.1-7 libevent-core-2.1-7 libevent-extra-2.1-7
libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libisal2 libjson-c5 libnuma1 libnvme1 libssl3
libsystemd0 libtsan2 libubsan1 liburing2
""".split()

LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")

HOST_UUID = "0f01fb42-9f7f-4856-b0b3-51e60b8de349"
FILES = {
    "etc/hostname": "vm\n",
    "etc/machine-id": HOST_UUID.replace("-", "") + "\n",
    "etc/hosts": "127.0.0.1 localhost vm\n::1 localhost\n",
    "etc/nvme/hostnqn": "nqn.2014-08.org.nvmexpress:uuid:" + HOST_UUID + "\n",
    "etc/nvme/hostid": HOST_UUID + "\n",
}


# For a chroot whose / is no mount point, where unshare cannot make everything private.
PRIVATE = "mount --bind \"$0\" \"$0\" && mount --make-private \"$0\" && exec \"$@\""


def mount_apart(folder):
    """A command prefix: what is mounted below folder, only this command sees. So a killed
    mmdebstrap leaves nothing of /dev, /proc and /sys behind for "rm -r" to walk into."""
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode == 0:
        return ["unshare", "--mount"]
    return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", PRIVATE, folder]


class RootRecipe:
    name = "root"
    takes = "one to two minutes"
    suite = SUITE

    def text(self):
        with open(__file__, encoding="utf-8") as f:
            return [f.read()]

    def resolve(self, apt):
        return apt.candidates(PACKAGES)

    def build(self, apt, versions, out, temp):
        if os.geteuid():
            raise BenchError("the root image is not built yet, and building it needs root: "
                             "run this once as root")
        tar = os.path.join(temp, "root.tar")
        argv = ["mmdebstrap", "--quiet", "--variant=apt", "--mode=root", "--architectures=amd64",
                "--aptopt=APT::Install-Recommends \"false\"", "--include=" + ",".join(PACKAGES)]
        argv += ["--aptopt=" + line.rstrip(";") for line in apt.proxies()]
        argv += ["--dpkgopt=path-exclude=" + pattern for pattern in LEAVE_OUT]
        tool(mount_apart(temp) + argv + [SUITE, tar, apt.sources()],
             env=dict(os.environ, TMPDIR=temp))
        tree = os.path.join(temp, "root")
        os.mkdir(tree)
        tool(["tar", "-C", tree, "-xf", tar, "--exclude=./dev/*", "--exclude=./var/cache/apt/*",
              "--exclude=./var/lib/apt/lists/*"])
        for name in ("bench", "mnt", "results", "usr/lib/modules"):
            os.makedirs(os.path.join(tree, name), exist_ok=True)
        for name, text in FILES.items():
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        # The mirror's address has no business in an image that anyone may be handed.
        shutil.rmtree(os.path.join(tree, "etc/apt/sources.list.d"), ignore_errors=True)
        tool(["mkfs.erofs", "--quiet", "-T1700000000", os.path.join(out, "root.erofs"), tree])
