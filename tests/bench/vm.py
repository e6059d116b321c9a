# SPDX-License-Identifier: BSD-2-Clause
"""The part of the bench that needs a virtual machine: a guest a round, and what it brought."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from measure import BUILD, HERE, Failed
import vm_cells

VM = HERE.parent / "vm"
KERNEL = "6.1"
TICKS = os.sysconf("SC_CLK_TCK")  # of the guest's /proc/stat, which counts alike everywhere
# "rep movsb" is emulated byte by byte. Without ERMS the kernel and libc copy by words.
PROCESSOR = "max,la57=off,erms=off,fsrm=off"
IDLE_FIELDS = (3, 4)  # of "cpu" in /proc/stat: idle, waiting for I/O

sys.path.insert(0, str(VM))

from vmlib.cache import Cache  # noqa: E402
from vmlib.kernel import KernelRecipe  # noqa: E402
from vmlib.machine import have_qemu  # noqa: E402
from vmlib.root import RootRecipe  # noqa: E402


def missing():
    """Why there can be no virtual machine without building an image first, or None."""
    if not have_qemu():
        return "QEMU is not installed (tests/vm/packages)"
    for recipe in (KernelRecipe(KERNEL), RootRecipe()):
        if not Cache().has(recipe):
            return f"the image {recipe.name} is not built (tests/vm/run --build)"
    return None


def about(args):
    return (
        f"{args.vm_rounds} guests, each measurement {args.vm_seconds:g} s; QEMU's software "
        f"emulation, 2 processors, Debian's kernel {KERNEL}, emulated IOMMU and NVMe drive"
    )


# ---------------------------------------------------------------- what a guest left


def cpu_of(text):
    """(CPU seconds of the whole guest, of the daemon or None) of a stamp."""
    first, *threads = text.splitlines()
    ticks = [int(n) for n in first.split()[1:9]]
    busy = sum(n for i, n in enumerate(ticks) if i not in IDLE_FIELDS)
    daemon = sum(int(line.split()[0]) for line in threads) / 1e9 if threads else None
    return busy / TICKS, daemon


def spent(before, after, ios):
    """CPU seconds per million I/Os between two stamps."""
    (guest0, daemon0), (guest1, daemon1) = cpu_of(before), cpu_of(after)
    million = max(ios, 1) / 1e6
    found = {"guest_cpu_s_per_million": (guest1 - guest0) / million}
    if daemon0 is not None and daemon1 is not None:
        found["target_cpu_s_per_million"] = (daemon1 - daemon0) / million
    return found


def of_perf(folder, cell):
    both = json.loads((folder / f"{cell}.json").read_text())["both"]
    latency = both["latency_us"]
    return {
        "iops": both["iops"],
        "mib_s": both["mib_s"],
        "ios": both["ios"],
        **{name: latency[name] for name in ("mean", "p50", "p99", "p99.9")},
        **spent(
            (folder / f"{cell}.before").read_text(),
            (folder / f"{cell}.after").read_text(),
            both["ios"],
        ),
    }


def of_fio(folder):
    """{cell: figures} of all jobs; fio says a word before its document."""
    text = (folder / "fio.json").read_text()
    found = {}
    for job in json.loads(text[text.index("{") :])["jobs"]:
        cell, both = job["jobname"], job["mixed"]
        latency = both["lat_ns"]
        ranks = latency["percentile"]
        found[cell] = {
            "iops": both["iops"],
            "mib_s": both["bw_bytes"] / (1 << 20),
            "ios": both["total_ios"],
            "mean": latency["mean"] / 1000,
            "p50": ranks["50.000000"] / 1000,
            "p99": ranks["99.000000"] / 1000,
            "p99.9": ranks["99.900000"] / 1000,
            **spent(
                (folder / f"{cell}.prerun.txt").read_text(),
                (folder / f"{cell}.postrun.txt").read_text(),
                both["total_ios"],
            ),
        }
    return found


def figures_of(group, folder):
    cells = [vm_cells.cell_name(shape) for shape in group.shapes]
    if group.initiator == "kernel":
        all_jobs = of_fio(folder)
        return {cell: all_jobs[cell] for cell in cells}
    return {cell: of_perf(folder, cell) for cell in cells}


# ---------------------------------------------------------------- rounds


def boot(args, plans, results, chosen):
    """One guest, from boot to end; what it says is passed on."""
    timeout = round(4 * vm_cells.seconds_of(chosen, args.vm_seconds))
    argv = [
        VM / "run",
        "--kernel",
        KERNEL,
        "--iommu",
        "--drives",
        "plain",
        "--timeout",
        timeout,
        "--results",
        results,
        "--qemu-arg=-cpu",
        f"--qemu-arg={PROCESSOR}",
        "--share",
        f"build={BUILD}",
        "--share",
        f"plan={plans}",
        "--",
        "/bench/bench.sh",
    ]
    done = subprocess.run([str(a) for a in argv])
    if done.returncode or not (results / "out/done").exists():
        raise Failed(
            f"the virtual machine's exit code is {done.returncode}; its files are in " f"{results}"
        )


def wanted(args):
    return [g for g in vm_cells.groups() if re.search(args.only, f"vm/{g.name}")]


def run(args, found):
    """Fills {group: {cell: [figures of each round]}}, a round at a time."""
    chosen = wanted(args)
    if not chosen:
        return
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="vm-", dir=args.output))
    for turn in range(args.vm_rounds):
        print(f"# virtual machine, round {turn + 1}/{args.vm_rounds}", flush=True)
        plans, results = base / f"plan-{turn}", base / f"results-{turn}"
        plans.mkdir()
        vm_cells.write_plan(plans, chosen, args.vm_seconds, turn)
        boot(args, plans, results, chosen)
        brought = {g: figures_of(g, results / "out" / g.name) for g in chosen}
        for group, cells in brought.items():
            of_group = found.setdefault(group, {})
            for cell, figures in cells.items():
                of_group.setdefault(cell, []).append(figures)
    shutil.rmtree(base)
