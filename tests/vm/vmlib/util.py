# SPDX-License-Identifier: BSD-2-Clause
"""What every module of the bench needs: one error class, progress lines, running a tool."""

import contextlib
import os
import subprocess
import sys

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class BenchError(Exception):
    """Something the user can act on; the command line prints it as one line."""


class NotBuilt(BenchError):
    """An image that is built on request only, and was not: a reason to skip."""


def say(text):
    """A progress line: stderr, so that a guest command's output stays alone on stdout."""
    print("vm: " + text, file=sys.stderr, flush=True)


# Kills the process group $1 when its stdin ends before a line came.
GUARD = "read -r _ || kill -s KILL -- -$1"


@contextlib.contextmanager
def _group(argv, **kwargs):
    """A process in a group of its own that ends, whole, when this block does, or when we die: a
    killed build must not go on alone."""
    process = subprocess.Popen(argv, start_new_session=True, **kwargs)
    guard = subprocess.Popen(["sh", "-c", GUARD, "sh", str(process.pid)], stdin=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
        guard.stdin.write(b"\n")
    finally:
        guard.stdin.close()
        guard.wait()
        process.wait()


def tool(argv, **kwargs):
    """Runs a tool to its end and returns its stdout; its last words are in the error."""
    argv = [str(a) for a in argv]
    try:
        with _group(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    **kwargs) as process:
            out, err = process.communicate()
    except FileNotFoundError as e:
        raise BenchError("%s is not installed (tests/vm/packages lists what is needed)"
                         % argv[0]) from e
    if process.returncode:
        last = err.decode(errors="replace").strip().splitlines()[-8:]
        raise BenchError("%s failed (%d):\n  %s"
                         % (argv[0], process.returncode, "\n  ".join(last)))
    return out
