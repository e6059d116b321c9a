# SPDX-License-Identifier: BSD-2-Clause
"""One run of a guest: QEMU's command line, the results folder, the exit code.

The results folder is the guest's /results (9p, read-write). In it: cmd (what to run, from us), log
(its output, streamed), rc (its exit code), dmesg, uptime; and from QEMU console.log, qemu.log.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import drives
from .util import BENCH, BenchError, say

QEMU = "qemu-system-x86_64"
RC_TIMEOUT = 124
RC_NO_RESULT = 125

# no_timer_check: a busy machine's emulated timer makes the boot panic now and then. The watchdogs
# measure the host's load, not the guest. hardened_usercopy: 6.1 takes what nvme-tcp sends to its
# own machine from two adjacent huge pages for an overrun, and panics.
KERNEL_LINE = ("console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr audit=0 "
               "no_timer_check tsc=reliable random.trust_cpu=on nowatchdog "
               "rcupdate.rcu_cpu_stall_suppress=1 hardened_usercopy=off")


def have_qemu():
    return shutil.which(QEMU) is not None


def qemu_path(path, what):
    """A path as it may stand inside a QEMU option."""
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise BenchError("%s %s does not exist" % (what, path))
    return path.replace(",", ",,")


class Machine:
    """Built from the run tool's options; see run --help for their meaning."""

    def __init__(self, options, kernel, root):
        self.opt = options
        self.kernel = kernel
        self.root = root
        self.temporary = options.results is None
        self.dir = options.results or tempfile.mkdtemp(prefix="nvmetcp-vm.")
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def _share_args(self):
        argv = ["-fsdev", "local,id=results,path=%s,security_model=none"
                % qemu_path(self.dir, "results folder"),
                "-device", "virtio-9p-pci,fsdev=results,mount_tag=results"]
        for tag, path in [("bench", os.path.join(BENCH, "guest"))] + self.opt.share:
            argv += ["-fsdev", "local,id=fs-%s,path=%s,security_model=none,readonly=on"
                     % (tag, qemu_path(path, "shared folder")),
                     "-device", "virtio-9p-pci,fsdev=fs-%s,mount_tag=%s" % (tag, tag)]
        return argv

    def _disk_args(self):
        argv = []
        for name, path in (("root", self.root.path("root.erofs")),
                           ("modules", self.kernel.path("modules.erofs"))):
            argv += ["-drive", "if=none,id=%s,format=raw,readonly=on,file=%s"
                     % (name, qemu_path(path, "image")),
                     "-device", "virtio-blk-pci,drive=" + name]
        return argv

    def command_line(self):
        opt = self.opt
        vmlinux = self.kernel.path("vmlinux")
        line = KERNEL_LINE
        argv = [QEMU, "-machine", "q35,hpet=off,smbus=off",
                "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off",
                "-smp", str(opt.cpus), "-m", opt.memory,
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        if opt.interactive:
            argv += ["-chardev", "stdio,id=con,mux=on,signal=off", "-serial", "chardev:con",
                     "-mon", "chardev=con"]
            size = shutil.get_terminal_size()
            line += " vm.tty=%d,%d,%s" % (size.lines, size.columns, os.environ.get("TERM", "linux"))
        else:
            argv += ["-serial", "file:" + self.path("console.log").replace(",", ",,")]
        if opt.iommu:                       # before the devices it serves
            argv += ["-device", "intel-iommu,intremap=on"]
            line += " intel_iommu=on"
        argv += self._disk_args() + self._share_args() + ["-device", "virtio-rng-pci"]
        if opt.net:
            argv += ["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0"]
            line += " vm.net=1"
        if opt.share:
            line += " vm.share=" + ",".join(tag for tag, _ in opt.share)
        argv += drives.qemu_args(opt.drives, self.dir)
        if opt.qmp:
            argv += ["-qmp", "unix:%s,server=on,wait=off"
                     % os.path.abspath(opt.qmp).replace(",", ",,")]
        argv += opt.qemu_arg
        if not os.path.exists(vmlinux):
            vmlinux = self.kernel.path("vmlinuz")
        return argv + ["-kernel", vmlinux, "-initrd", self.kernel.path("initrd.gz"),
                       "-append", " ".join([line] + opt.append)]

    def _write_command(self):
        for name in ("rc", "log", "dmesg", "uptime", "console.log", "qemu.log", "script"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        lines = ["export %s=%s" % (name, shlex.quote(value)) for name, value in self.opt.env]
        if self.opt.script:
            shutil.copy(self.opt.script, self.path("script"))
            lines += ["cp /results/script /run/script; chmod 755 /run/script",
                      "exec " + shlex.join(["/run/script"] + self.opt.command)]
        elif len(self.opt.command) == 1:
            lines.append(self.opt.command[0])
        else:
            lines.append(shlex.join(self.opt.command))
        with open(self.path("cmd"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        with open(self.path("log"), "wb"):
            pass

    def _spawn(self, **kwargs):
        argv = self.command_line()
        if self.opt.verbose:
            say(shlex.join(argv))
        # The guest goes when we go, however we go.
        argv = ["setpriv", "--pdeathsig", "KILL"] + argv
        try:
            self.process = subprocess.Popen(argv, **kwargs)
        except FileNotFoundError as e:
            raise BenchError("%s is not installed (Debian package util-linux)" % argv[0]) from e

    def _stream(self, log):
        while True:
            block = log.read(65536)
            if not block:
                return
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()

    def _wait(self):
        """Streams the guest's output until QEMU ends; False when time ran out first."""
        deadline = time.monotonic() + self.opt.timeout
        with open(self.path("log"), "rb") as log:
            while self.process.poll() is None:
                self._stream(log)
                if time.monotonic() > deadline:
                    self.stop()
                    self._stream(log)
                    return False
                time.sleep(0.05)
            self._stream(log)
        return True

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _tail(self, name, lines):
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as f:
                return "".join("  %s\n" % x.rstrip() for x in f.readlines()[-lines:])
        except OSError:
            return ""

    def _result(self, in_time):
        try:
            with open(self.path("rc"), encoding="ascii") as f:
                return int(f.read())
        except (OSError, ValueError):
            pass
        what = "no result within %d s" % self.opt.timeout
        if in_time:
            what = "the guest ended without a result (QEMU exit code %d)" % self.process.returncode
        say("%s\nend of qemu.log:\n%send of the console:\n%s"
            % (what, self._tail("qemu.log", 5), self._tail("console.log", 60)))
        return RC_NO_RESULT if in_time else RC_TIMEOUT

    def run(self):
        """Runs the guest to its end and returns the command's exit code."""
        os.makedirs(self.dir, exist_ok=True)
        drives.make_images(self.opt.drives, self.dir, self.opt.keep_drives)
        self._write_command()
        if self.opt.interactive:
            self._spawn()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.process.wait()
            return self.process.returncode
        with open(self.path("qemu.log"), "wb") as log:
            self._spawn(stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self._result(self._wait())

    def close(self):
        """Ends the guest and removes what should not stay."""
        self.stop()
        if self.temporary:
            shutil.rmtree(self.dir, ignore_errors=True)
        elif not self.opt.keep_drives:
            drives.remove_images(self.opt.drives, self.dir)
