# SPDX-License-Identifier: BSD-2-Clause
"""Results as medians with ranges: a table in Markdown, and a plot."""

from cells import ONE_CONNECTION, plain
from figures import middle, ranged, short, two_digits
from plot import Plot
import vm_report

BUSY = 0.95  # a thread that spins should have its core to itself


class Results:
    """What the rounds brought: for each cell, floor and fio run a list with one entry a round."""

    def __init__(self):
        self.cells = {}  # Cell: [{...}]
        self.floors = {}  # key: [{...}]
        self.fio = {}  # Cell: [{...}]
        self.extras = {}
        self.vm = {}  # Group: {cell name: [{...}]}

    def column(self, runs, field):
        return [r[field] for r in runs if r]

    def floor_of(self, cell, i, field):
        """The floor of round i; of a mixture the time of an I/O is the mean of both kinds'."""
        runs = [self.floors.get(key, []) for key in cell.floor_keys]
        if any(len(r) <= i for r in runs):
            return None
        if field == "iops":
            return 1 / sum(part / r[i][field] for (_, part), r in zip(cell.floors, runs))
        return sum(part * r[i][field] for (_, part), r in zip(cell.floors, runs))

    def ratios(self, cell, what="floor", field="iops"):
        """By round, to something of the same round."""
        found = []
        for i, run in enumerate(self.cells.get(cell, [])):
            if what == "floor":
                base = self.floor_of(cell, i, field)
            else:
                other = {"floor1": self.floors.get(ONE_CONNECTION, []),
                         "plain": self.cells.get(plain(cell), []),
                         "fio": self.fio.get(cell, [])}[what]
                base = other[i][field] if i < len(other) and other[i] else None
            if base:
                found.append(run[field] / base)
        return found

    def verdict(self, cell):
        """(text, reached or None) of the cell's goal."""
        goal = cell.goal
        if not goal:
            return "", None
        ratios = self.ratios(cell, goal.what, goal.of)
        names = {"floor": "floor", "floor1": "floor of 1 connection", "plain": "without digests",
                 "fio": "fio"}
        less = goal.of == "p50"
        text = f"{'p50 ' if less else ''}{'<=' if less else '>='} {goal.bound} {names[goal.what]}"
        if not ratios:
            return text, None
        value = middle(ratios)
        reached = value <= goal.bound if less else value >= goal.bound
        return f"{text}: {value:.3f} {'reached' if reached else 'MISSED'}", reached

    def disturbed(self, runs):
        """Rounds in which a spinning thread did not get its core."""
        return sum(r["initiator_cpu"] < BUSY for r in runs if r)


# ---------------------------------------------------------------- tables


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell_rows(results):
    for cell, runs in results.cells.items():
        if cell.sweep:
            continue
        floor = [f for i in range(len(runs)) if (f := results.floor_of(cell, i, "iops"))]
        disturbed = results.disturbed(runs)
        yield (cell.name, ranged(results.column(runs, "iops")),
               f"{middle(results.column(runs, 'mib_s')):.0f}",
               *(f"{middle(results.column(runs, field)):.1f}"
                 for field in ("mean", "p50", "p99", "p99.9")),
               ranged(results.column(runs, "target_cpu_s_per_million"), two_digits),
               ranged(floor), ranged(results.ratios(cell), two_digits), results.verdict(cell)[0],
               f"{disturbed}/{len(runs)}" if disturbed else "")


def floor_rows(results):
    for (rw, bs, qd, conns), runs in results.floors.items():
        depth = f"qd{qd}" + (f"x{conns}" if conns > 1 else "")
        yield (f"{rw}-{bs // 1024}k-{depth}", ranged(results.column(runs, "iops")),
               f"{middle(results.column(runs, 'mib_s')):.0f}",
               *(f"{middle(results.column(runs, field)):.1f}"
                 for field in ("mean", "p50", "p99", "p99.9")))


def fio_rows(results):
    for cell, runs in results.fio.items():
        if any(runs):
            yield (cell.name, ranged(results.column(runs, "iops")),
                   ranged(results.ratios(cell, "fio"), two_digits))


def extra_lines(extras):
    def goal(value, bound):
        return f"goal: below {bound}, {'reached' if value < bound else 'MISSED'}"

    if "start_ms" in extras:
        value = middle(extras["start_ms"])
        yield f"- start to listening: {ranged(extras['start_ms'])} ms ({goal(value, 50)})"
    if "idle" in extras:
        idle = extras["idle"]
        value = 100 * idle["cpu"]
        yield (f"- CPU with {idle['queues']} idle I/O queues: {value:.3f} % of a core "
               f"({goal(value, 0.5)})")
    for load in extras.get("load", []):
        verdict = goal(load["target_cpu"], 0.35) if load["rate"] == 50000 else "no goal"
        yield (f"- CPU at {load['rate']} IOPS (reached {short(load['iops'])}) from an initiator in "
               f"--{load['initiator']}: target {load['target_cpu']:.2f} of a core ({verdict}), "
               f"p50 {load['p50']:.1f} us")
    if "busy_memory" in extras:
        busy = extras["busy_memory"]
        yield (f"- private memory with 32 busy connections: {busy['most_kib']} KiB, before "
               f"{busy['before_kib']} KiB")


def memory_table(memory):
    rows = [(name, f"{row['kib']:.2f}", f"{row['kernel_kib']:.2f}", row["count"])
            for name, row in memory.items() if isinstance(row, dict)]
    return (f"Private memory of the target before: {memory['at_start_kib']} KiB. Goals: accepted "
            "socket below 8 KiB, idle I/O queue of depth 128 below 24 KiB beyond kernel "
            "sockets.\n\n"
            + table(("each", "KiB", "KiB in kernel sockets (both ends)", "of"), rows))


def calls_table(calls):
    rows = []
    for name, sides in calls.items():
        for side, row in sides.items():
            by_number = sorted(row["calls"].items(), key=lambda item: -item[1][0])
            detail = [f"{call} {nr:.2f}" + (f" ({bad:.2f} failed)" if bad >= 0.005 else "")
                      for call, (nr, bad) in by_number if nr >= 0.01]
            rows.append((name, side, f"{row['all']:.2f}", f"{row['all'] - row['failed']:.2f}",
                         ", ".join(detail)))
    return table(("workload (null)", "side", "calls per I/O", "not failed", "which"), rows)


def throughput_parts(results):
    parts = ["Medians (least..most) of the rounds; latency in microseconds; target CPU in "
                 "seconds per million I/Os; ratio: to the floor of the same round; disturbed: "
                 "rounds in which the spinning initiator got less than 95 % of its core, which are "
                 "worth little.\n"]
    parts.append("## Our target, our initiator\n")
    head = ("cell", "IOPS", "MiB/s", "mean", "p50", "p99", "p99.9", "target CPU", "floor IOPS",
            "ratio", "goal", "disturbed")
    parts.append(table(head, cell_rows(results)))
    parts.append("## The floor\n")
    parts.append(table(("cell", "IOPS", "MiB/s", "mean", "p50", "p99", "p99.9"),
                       floor_rows(results)))
    return parts


def markdown(results, machine):
    parts = ["# Results\n", *(f"- {name}: {value}" for name, value in machine.items()), ""]
    if results.cells:
        parts += throughput_parts(results)
    rows = list(fio_rows(results))
    if rows:
        parts.append("## Beside fio's io_uring on the same file, without a network\n")
        parts.append(table(("cell", "fio IOPS", "ratio of ours"), rows))
    lines = list(extra_lines(results.extras))
    if lines:
        parts += ["## Idle, load, start\n", *lines, ""]
    if results.extras.get("memory"):
        parts += ["## Memory\n", memory_table(results.extras["memory"])]
    if results.extras.get("system_calls"):
        parts += ["## System calls\n", calls_table(results.extras["system_calls"])]
    if results.vm:
        parts += vm_report.parts(results.vm, table)
    return "\n".join(parts)


# ---------------------------------------------------------------- the plot


def latency_plot(results):
    plot = Plot("4 KiB random reads, one connection, depth 1 to 128", "IOPS",
                "latency, microseconds")

    def points(runs_of, field):
        return [(middle(results.column(runs, "iops")), middle(results.column(runs, field)),
                 f"QD{qd}") for qd, runs in sorted(runs_of, key=lambda item: item[0])]

    floor = [(key[2], runs) for key, runs in results.floors.items()
             if key[0] == "read" and key[1] == 4096 and key[3] == 1 and runs]
    plot.add("floor, p50", points(floor, "p50"))
    for ns in ("null", "mem", "file"):
        ours = [(c.qd, runs) for c, runs in results.cells.items() if runs and
                (c.ns, c.rw, c.bs, c.conns, c.digests, c.mib)
                == (ns, "randread", 4096, 1, False, 0)]
        plot.add(f"{ns}, p50", points(ours, "p50"))
        if ns != "file":
            plot.add(f"{ns}, p99", points(ours, "p99"), dashed=True)
    return plot.svg()


# ---------------------------------------------------------------- JSON


def cell_json(results, cell):
    runs = results.cells[cell]
    text, reached = results.verdict(cell)
    return {"name": cell.name, "namespace": cell.ns, "rw": cell.rw, "bs": cell.bs,
            "iodepth": cell.qd, "connections": cell.conns, "digests": cell.digests, "rounds": runs,
            "ratio_to_floor": results.ratios(cell), "goal": text, "reached": reached}


def document(results, machine):
    floors = [{"rw": rw, "bs": bs, "iodepth": qd, "connections": conns, "rounds": runs}
              for (rw, bs, qd, conns), runs in results.floors.items()]
    fio = [{"name": c.name, "rounds": runs} for c, runs in results.fio.items() if any(runs)]
    return {"machine": machine, "cells": [cell_json(results, c) for c in results.cells],
            "floors": floors, "fio": fio, "virtual_machine": vm_report.document(results.vm),
            **results.extras}
