# SPDX-License-Identifier: BSD-2-Clause
"""The host's side of a test: runs guests, numbers their TAP lines, gives the exit code."""

import os
import re
import shutil
import subprocess
import sys
import time

from . import iommufd
from .machine import have_qemu
from .util import BENCH

RC_SKIP = 77


def skip_all(why):
    print("1..0 # SKIP " + why)
    sys.exit(RC_SKIP)


def bail_out(why):
    print("Bail out! " + why)
    sys.exit(1)


def build(kernel):
    """Builds the images with that kernel unless they are there."""
    return subprocess.run([os.path.join(BENCH, "run"), "--build", "--kernel", kernel], check=False)


class Program:
    """One TAP program of several guest runs."""

    def __init__(self, name):
        self.name = name
        self.count = 0
        self.failed = 0
        self.start = time.monotonic()
        self.build = os.path.abspath(os.environ.get("BUILD", "build"))
        if not have_qemu():
            skip_all("QEMU is not installed (tests/vm/packages)")
        self.kernel = os.environ.get("KERNEL", "6.1")
        self._images()

    def _images(self):
        done = build(self.kernel)
        if done.returncode == RC_SKIP:
            skip_all(iommufd.WHY)
        if done.returncode and os.geteuid():
            skip_all("the VM's images are not built, and building them needs root")
        if done.returncode:
            bail_out("the VM's images cannot be built")

    def line(self, ok, text):
        self.count += 1
        self.failed += not ok
        print("%s %d - %s" % ("ok" if ok else "not ok", self.count, text), flush=True)

    def has_kernel(self, kernel, text):
        """Whether a kernel that is built on request is there; a skipped test where not."""
        there = build(kernel).returncode != RC_SKIP
        if not there:
            self.line(True, "%s # SKIP %s" % (text, iommufd.WHY))
        return there

    def results(self, run):
        """A fresh folder for the files of one run, kept for a look afterwards."""
        if not os.path.isdir(self.build):
            return None
        folder = os.path.join(self.build, "vm", "%s-%s" % (self.name, run))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        return folder

    def guest(self, run, script, *options, env=(), kernel=None):
        """Runs tests/vm/guest/SCRIPT in a guest; its "ok" lines become ours.

        The guest ends with a plan of its own; without it, or with a plan that does not fit, the
        run counts as a failed test.
        """
        argv = [os.path.join(BENCH, "run"), "--kernel", kernel or self.kernel]
        argv += options
        results = self.results(run)
        if results:
            argv += ["--results", results]
        for pair in env:
            argv += ["--env", pair]
        first = self.count
        plan = None
        with subprocess.Popen(argv + ["--", "/bench/" + script], stdout=subprocess.PIPE,
                              text=True, errors="replace") as guest:
            for line in guest.stdout:
                line = line.rstrip("\n")
                result = re.match(r"(not )?ok(?: \d+)? - (.*)", line)
                ended = re.fullmatch(r"1\.\.(\d+)", line)
                if result:
                    self.line(not result.group(1), result.group(2))
                elif ended:
                    plan = int(ended.group(1))
                else:
                    print(line if line.startswith("#") else "# " + line, flush=True)
        if plan is None or plan != self.count - first:
            self.line(False, "%s: the guest ran to its end (exit code %d)"
                      % (run, guest.returncode))
            if results:
                print("# files of the run: " + results)

    def done(self):
        print("1..%d" % self.count)
        print("# %d of %d failed, %d s" % (self.failed, self.count, time.monotonic() - self.start))
        sys.exit(1 if self.failed else 0)
