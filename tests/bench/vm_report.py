# SPDX-License-Identifier: BSD-2-Clause
"""What the virtual machine brought, as a section of the report."""

from figures import middle, ranged, short, two_digits
from vm_cells import Group, cell_name, title

INTRO = """Everything in a guest with two emulated processors: the target is on the first, the
initiator on the second, the emulated drive's own work on whatever of the two cores is left. The
figures are those of instructions under emulation, good to compare with each other and with nothing
else. One guest a round; medians (least..most) of the rounds; latency in microseconds; target CPU
and guest CPU (everything that ran in the guest, the initiator and its spinning, too) in seconds
per million I/Os. A ratio compares within a round.
"""
LATENCIES = ("mean", "p50", "p99", "p99.9")
FIGURES = ("IOPS", "MiB/s", *LATENCIES, "target CPU", "guest CPU")


def column(runs, field):
    return [run[field] for run in runs if field in run]


def figures(runs):
    return (
        ranged(column(runs, "iops")),
        f"{middle(column(runs, 'mib_s')):.0f}",
        *(ranged(column(runs, field)) for field in LATENCIES),
        ranged(column(runs, "target_cpu_s_per_million"), two_digits),
        ranged(column(runs, "guest_cpu_s_per_million"), two_digits),
    )


def ratios(runs, others, field="iops"):
    return [run[field] / other[field] for run, other in zip(runs, others) if other[field]]


def rows_of(found, group, others):
    """Rows of one group, with ratios to the same cells of other groups."""
    for shape in group.shapes:
        cell = cell_name(shape)
        runs = found[group][cell]
        yield (
            title(group, shape),
            *figures(runs),
            *(
                ranged(ratios(runs, found[other][cell]), two_digits)
                if other in found and cell in found[other]
                else "-"
                for other in others
            ),
        )


DRIVE_OURS = Group("ours", "drive", "pcie")
DRIVE_KERNEL = Group("kernel", "drive", "pcie")


def drive_parts(found, table):
    """The drive without a network, then through our target."""
    through = [g for g in found if (g.initiator, g.target, g.ns) == ("ours", "ours", "pcie")]
    parts = []
    if DRIVE_KERNEL in found:
        parts += [
            "### The drive itself: fio, io_uring, the kernel's driver\n",
            table(("cell", *FIGURES), rows_of(found, DRIVE_KERNEL, ())),
        ]
    if DRIVE_OURS in found:
        parts += [
            "### The drive itself: nvmetcp-perf trtype=pcie\n",
            table(("cell", *FIGURES, "ratio to fio"), rows_of(found, DRIVE_OURS, (DRIVE_KERNEL,))),
        ]
    if through:
        rows = [row for g in through for row in rows_of(found, g, (DRIVE_OURS, DRIVE_KERNEL))]
        parts += [
            "### The drive through our target: nvmetcp-perf over TCP\n",
            table(
                (
                    "cell",
                    *FIGURES,
                    "ratio to nvmetcp-perf on the drive",
                    "ratio to fio on the drive",
                ),
                rows,
            ),
        ]
    return parts


def pair_rows(found, initiator):
    """Ours, with what the kernel's target did in the same round."""
    for group in found:
        if (group.initiator, group.target) != (initiator, "ours"):
            continue
        other = found.get(Group(initiator, "theirs", group.ns, group.digests), {})
        for shape in group.shapes:
            runs = found[group][cell_name(shape)]
            theirs = other.get(cell_name(shape), [])
            yield (
                title(group, shape),
                *figures(runs),
                ranged(column(theirs, "iops")),
                *(short(middle(column(theirs, field))) for field in ("p50", "p99", "p99.9")),
                ranged(column(theirs, "guest_cpu_s_per_million"), two_digits),
                ranged(ratios(runs, theirs), two_digits),
                ranged(ratios(runs, theirs, "guest_cpu_s_per_million"), two_digits),
            )


def pair_part(found, initiator, what, table):
    rows = list(pair_rows(found, initiator))
    head = (
        "cell",
        *FIGURES,
        "kernel's IOPS",
        "p50",
        "p99",
        "p99.9",
        "guest CPU",
        "ratio IOPS",
        "ratio guest CPU",
    )
    return [f"### {what}: our target, and the kernel's\n", table(head, rows)] if rows else []


def parts(found, table):
    return [
        "## In a virtual machine\n",
        INTRO,
        *drive_parts(found, table),
        *pair_part(found, "kernel", "The kernel's initiator (fio, io_uring)", table),
        *pair_part(found, "ours", "Our initiator (nvmetcp-perf)", table),
    ]


def document(found):
    return [
        {
            "initiator": group.initiator,
            "target": group.target,
            "namespace": group.ns,
            "digests": group.digests,
            "rw": shape[0],
            "bs": shape[1],
            "iodepth": shape[2],
            "name": title(group, shape),
            "rounds": cells[cell_name(shape)],
        }
        for group, cells in found.items()
        for shape in group.shapes
    ]
