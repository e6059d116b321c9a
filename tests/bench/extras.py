# SPDX-License-Identifier: BSD-2-Clause
"""What is not throughput: memory by connections and queues, CPU when idle and at a load, start."""

import resource
import socket
import subprocess
import time

from measure import (Daemon, cpu_ns, memory_kib, perf_args, run_perf, socket_pages, system_calls)
from wire import admin_queue, io_queue

PAGE_KIB = 4


def raise_nofile(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


class Growth:
    """Memory of the target, and of the kernel for sockets, beyond what it was at first."""

    def __init__(self, target):
        self.target = target
        self.memory, self.sockets = self.now()

    def now(self):
        time.sleep(0.5)  # for what it does on its own
        return memory_kib(self.target.pid), socket_pages() * PAGE_KIB

    def each(self, nr):
        memory, sockets = self.now()
        grown = {"kib": (memory - self.memory) / nr, "kernel_kib": (sockets - self.sockets) / nr,
                 "count": nr}
        self.memory, self.sockets = memory, sockets
        return grown


def connect_raw(port, nr):
    return [socket.create_connection(("127.0.0.1", port), 10) for _ in range(nr)]


def measure_memory(target, nr):
    """Bytes by accepted socket, idle admin queue, idle I/O queue of depth 128."""
    raise_nofile(4 * nr + 200)
    result = {"at_start_kib": memory_kib(target.pid)}
    growth = Growth(target)
    sockets = connect_raw(target.port, nr)
    result["accepted socket"] = growth.each(nr)
    for s in sockets:
        s.close()
    growth = Growth(target)
    admins = [admin_queue(target.port) for _ in range(nr // 10)]
    result["idle admin queue"] = growth.each(len(admins))
    queues = [io_queue(admins[i % len(admins)], target.port, qid=1 + i // len(admins), sqsize=127)
              for i in range(nr)]
    result["idle I/O queue, depth 128"] = growth.each(nr)
    for q in queues:
        status, _ = q.io_read(1, 0, 1)
        assert status == 0
    result["I/O queue after a read"] = growth.each(nr)
    for q in queues + admins:
        q.close()
    time.sleep(0.5)
    result["left when all are gone"] = {"kib": memory_kib(target.pid) - result["at_start_kib"],
                                        "kernel_kib": 0, "count": 1}
    return result


def measure_busy_memory(target, seconds, core):
    """Private memory while 32 connections of depth 16 are busy."""
    argv = perf_args(target, "mem", "randrw", 4096, 16, 32, seconds, core)
    before = memory_kib(target.pid)
    proc = subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL)
    most = before
    while proc.poll() is None:
        most = max(most, memory_kib(target.pid))
        time.sleep(0.05)
    return {"before_kib": before, "most_kib": most}


def measure_idle(target, nr, seconds):
    """CPU of the target with idle I/O queues, as a part of a core."""
    raise_nofile(nr + 200)
    admin = admin_queue(target.port)
    queues = [io_queue(admin, target.port, qid=1 + i) for i in range(nr)]
    time.sleep(1)
    cpu, begin = cpu_ns(target.pid), time.monotonic()
    time.sleep(seconds)
    spent = (cpu_ns(target.pid) - cpu) / 1e9 / (time.monotonic() - begin)
    for q in [*queues, admin]:
        q.close()
    return spent


def measure_load(target, rate, wait, seconds, core):
    """CPU of the target at a fixed load of 4 KiB reads from memory.

    Evenly spaced when the initiator spins, in small bursts when it sleeps.
    """
    argv = perf_args(target, "mem", "randread", 4096, 32, 1, seconds, core, f"--rate_iops={rate}",
                     f"--{wait}", "--disable-sqflow")
    return {"rate": rate, "initiator": wait, **run_perf(target, argv)}


def measure_start(rounds, core):
    """Milliseconds until the daemon listens."""
    times = []
    for _ in range(rounds):
        d = Daemon([{"nsid": 1, "enable": 1, "device": {"null": "1G"}}], daemon={"cores": [core]})
        begin = time.monotonic()
        d.start()
        times.append((time.monotonic() - begin) * 1000)
        d.stop()
        d.dir.cleanup()
    return times


SYSTEM_CALLS = (  # name, rw, bs, qd, connections, options
    ("QD1 read, default Linux host, sleeping", "randread", 4096, 1, 1, ["--sleep"]),
    ("QD1 read, spinning", "randread", 4096, 1, 1, ["--spin", "--disable-sqflow"]),
    ("QD1 write, sleeping", "randwrite", 4096, 1, 1, ["--sleep"]),
    ("QD32 read", "randread", 4096, 32, 1, ["--spin", "--disable-sqflow"]),
    ("QD128 read", "randread", 4096, 128, 1, ["--spin", "--disable-sqflow"]),
    ("QD128 write", "randwrite", 4096, 128, 1, ["--spin", "--disable-sqflow"]),
    ("QD32 read of 128 KiB", "read", 128 << 10, 32, 1, ["--spin", "--disable-sqflow"]),
    ("QD32 write of 128 KiB", "write", 128 << 10, 32, 1, ["--spin", "--disable-sqflow"]),
    ("QD16 read, 32 connections", "randread", 4096, 16, 32, ["--spin", "--disable-sqflow"]),
)


def measure_system_calls(target, seconds, core):
    result = {}
    for name, rw, bs, qd, conns, options in SYSTEM_CALLS:
        argv = perf_args(target, "null", rw, bs, qd, conns, seconds, core, *options)
        calls = system_calls(target, argv)
        if calls is None:
            return None
        result[name] = calls
    return result
