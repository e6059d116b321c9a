# SPDX-License-Identifier: BSD-2-Clause
"""Runs of nvmetcp-perf, for the tests of it."""

import json
import os
import subprocess
import time

from wire import BUILD, NQN, Daemon

PERF = BUILD / "nvmetcp-perf"
MIB = 1 << 20
NAMESPACES = [
    {"nsid": 1, "enable": 1, "device": {"mem": "16M", "block_size": 512}},
    {"nsid": 2, "enable": 1, "device": {"null": "1G"}},
]


def target(d, **kw):
    fields = {"trtype": "tcp", "traddr": "127.0.0.1", "trsvcid": d.port, "subnqn": NQN, "nsid": 1}
    fields |= kw
    return " ".join(f"{k}={v}" for k, v in fields.items())


def perf(*args, status=0, timeout=120):
    """Run to the end. Returns what it printed: (stdout, stderr)."""
    done = subprocess.run([PERF, *args], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == status, (args, done)
    return done.stdout, done.stderr


def measure(*args, status=0):
    return json.loads(perf("-o", "json", *args, status=status)[0])


def file_daemon():
    d = Daemon([])
    d.file = d.path("data")
    d.config["subsystems"][0]["namespaces"] = [
        {"nsid": 1, "enable": 1, "device": {"path": d.file, "size": "8M", "block_size": 4096}}]
    return d


def start(d, *args, string=None):
    """A run of a minute, in the middle of its work."""
    argv = [PERF, "--runtime=60", "-o", "json", *args, string or target(d)]
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while len(os.listdir(f"/proc/{proc.pid}/task")) < 2:  # the job's thread: all is set up
        assert proc.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    return proc
