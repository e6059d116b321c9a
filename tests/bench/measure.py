# SPDX-License-Identifier: BSD-2-Clause
"""Runs of the floor, of our target with our initiator, and of fio; and what a process costs."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from wire import BUILD, NQN, Daemon  # noqa: E402

from cells import MIXED_READS, NSID  # noqa: E402

FLOOR = BUILD / "tests/bench/floor"
PERF = BUILD / "nvmetcp-perf"
MAX_QUEUES = 128  # of a controller
MEM_MIB = 256  # more than a cache holds
BENCH_QUEUES = 100  # of each controller when there must be several
CONGESTION = None  # TCP congestion control of both ends, of the floor too; None: the system's


class Failed(Exception):
    pass


def output_of(argv, timeout=120):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise Failed(f"{' '.join(str(a) for a in argv)}\n{done.stdout}{done.stderr}")
    return done.stdout


# ---------------------------------------------------------------- processes


def cpu_ns(pid):
    """CPU time of a process by its threads, in nanoseconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass
    return total


def memory_kib(pid):
    """Private memory of a process: what would be free without it."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


def socket_pages():
    """Pages that the kernel holds for TCP sockets, of the whole machine."""
    text = pathlib.Path("/proc/net/sockstat").read_text()
    return int(re.search(r"^TCP:.* mem (\d+)", text, re.MULTILINE)[1])


# ---------------------------------------------------------------- the target


class Target:
    """The daemon with a null, a memory and a file namespace, on one core."""

    def __init__(self, core, folder, file_mib):
        self.file = pathlib.Path(folder) / "namespace"
        self.mib = {"mem": MEM_MIB, "file": file_mib}
        devices = {"null": {"null": "1T"}, "mem": {"mem": f"{MEM_MIB}M"},
                   "file": {"path": str(self.file), "size": f"{file_mib}M"}}
        namespaces = [{"nsid": NSID[kind], "enable": 1, "device": {**device, "block_size": 4096}}
                      for kind, device in devices.items()]
        port = {"param": {"tcp_congestion": CONGESTION}} if CONGESTION else None
        self.daemon = Daemon(namespaces, port_extra=port,
                             daemon={"cores": [core], "memory": "64M", "io_queue_depth": 1024})
        self.daemon.start()
        self.pid = self.daemon.proc.pid
        self.port = self.daemon.port
        os.sched_setaffinity(self.pid, {core})

    def string(self, ns="null"):
        return f"trtype=tcp traddr=127.0.0.1 trsvcid={self.port} subnqn={NQN} nsid={NSID[ns]}"

    def size(self, ns):
        """MiB"""
        return self.mib[ns]

    def stop(self):
        if self.daemon.proc.poll() is None:
            self.daemon.stop(signal.SIGTERM)
        self.daemon.dir.cleanup()


def perf_args(target, ns, rw, bs, qd, conns, seconds, core, *extra):
    strings = 1
    if conns > MAX_QUEUES:
        strings = -(-conns // BENCH_QUEUES)
        conns = -(-conns // strings)
    argv = [PERF, "-o", "json", f"--rw={rw}", f"--bs={bs}", f"--iodepth={qd}", f"--queues={conns}",
            f"--runtime={round(seconds * 1000)}ms", f"--cpus={core}", *extra]
    if rw in ("rw", "randrw"):
        argv.append(f"--rwmixread={MIXED_READS}")
    if CONGESTION:
        argv.append(f"--tcp-congestion={CONGESTION}")
    return argv + [target.string(ns)] * strings


def run_perf(target, argv):
    """A run of nvmetcp-perf, with what the target spent on it."""
    cpu = cpu_ns(target.pid)
    result = json.loads(output_of(argv))
    both = result["both"]
    spent = (cpu_ns(target.pid) - cpu) / 1e9
    return {
        "iops": both["iops"], "mib_s": both["mib_s"], "mean": both["latency_us"]["mean"],
        "p50": both["latency_us"]["p50"], "p99": both["latency_us"]["p99"],
        "p99.9": both["latency_us"]["p99.9"], "ios": both["ios"],
        "target_cpu_s_per_million": spent * 1e6 / max(both["ios"], 1),
        "target_cpu": spent / result["elapsed_s"],
        "initiator_cpu": result["cpu"]["percent"] / 100,
    }


def run_cell(target, cell, seconds, core):
    extra = ["--spin", "--disable-sqflow"] + ["--hdgst", "--ddgst"] * cell.digests
    if cell.mib:
        extra.append(f"--size={cell.mib}m")
    return run_perf(target, perf_args(target, cell.ns, cell.rw, cell.bs, cell.qd, cell.conns,
                                      seconds, core, *extra))


# ---------------------------------------------------------------- to compare with


def run_floor(key, seconds, cores):
    rw, bs, qd, conns = key
    argv = [FLOOR, "-p", rw, "-b", bs, "-q", qd, "-c", conns, "-t", f"{round(seconds * 1000)}ms"]
    if cores:
        argv += ["-0", cores[0], "-1", cores[1]]
    if CONGESTION:
        argv += ["-g", CONGESTION]
    r = json.loads(output_of(argv))
    return {"iops": r["iops"], "mib_s": r["mib_s"], **r["latency_us"],
            "target_cpu": r["target_cpu"], "initiator_cpu": r["initiator_cpu"]}


def run_fio(file, cell, seconds, core):
    """fio's io_uring engine on the file itself; None without fio."""
    if not shutil.which("fio"):
        return None
    argv = ["fio", "--name=bench", f"--filename={file}", "--direct=1", "--ioengine=io_uring",
            f"--rw={cell.rw}", f"--bs={cell.bs}", f"--iodepth={cell.qd}", "--time_based",
            f"--runtime={round(seconds * 1000)}ms", f"--cpus_allowed={core}", "--thread",
            "--output-format=json", "--norandommap", "--randrepeat=0"]
    if cell.rw == "randrw":
        argv.append(f"--rwmixread={MIXED_READS}")
    job = json.loads(output_of(argv))["jobs"][0]
    return {"iops": job["read"]["iops"] + job["write"]["iops"]}


# ---------------------------------------------------------------- system calls

THREAD = re.compile(r"^ \S.* \(\d+\), (\d+) events", re.MULTILINE)
ROW = re.compile(r"^\s+(\w+)\s+(\d+)\s+(\d+)\s+[\d.]", re.MULTILINE)


def calls_of(text):
    """{system call: (calls, of which failed)} of the busiest thread that perf trace -s lists."""
    threads = THREAD.split(text)[1:]  # events, rows, events, rows...
    if not threads:
        return None
    busiest = max(range(0, len(threads), 2), key=lambda i: int(threads[i]))
    return {name: (int(nr), int(errors)) for name, nr, errors in ROW.findall(threads[busiest + 1])}


def trace(argv):
    """Run a command under `perf trace -s`; None where the system does not allow it."""
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run(["perf", "trace", "-s", "-o", log.name, *map(str, argv)],
                              capture_output=True, text=True, timeout=120)
        text = log.read()
    return None if done.returncode else calls_of(text), done.stdout


def system_calls(target, argv):
    """Calls per I/O of initiator and target: two more runs, slower than others."""
    if not shutil.which("perf"):
        return None
    calls, out = trace(argv)
    if calls is None:
        return None
    initiator = per_io(calls, json.loads(out)["both"]["ios"])
    with tempfile.NamedTemporaryFile("r") as log:
        tracer = subprocess.Popen(["perf", "trace", "-s", "-o", log.name, "-p", str(target.pid)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # until it has attached itself
        ios = json.loads(output_of(argv))["both"]["ios"]
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
        calls = calls_of(log.read())
    return {"initiator": initiator, "target": per_io(calls, ios)} if calls else None


def per_io(calls, ios):
    rows = {name: [nr / ios, bad / ios] for name, (nr, bad) in calls.items() if nr / ios >= 0.005}
    return {"all": sum(nr for nr, _ in rows.values()),
            "failed": sum(bad for _, bad in rows.values()), "calls": rows}
