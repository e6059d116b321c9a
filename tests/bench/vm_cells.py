# SPDX-License-Identifier: BSD-2-Clause
"""What is measured in the virtual machine, and the plan that its guest follows.

A group is one initiator on one namespace of one target; it measures shapes one after the other.
Groups that are compared stand next to each other in a round, in an order that changes from round
to round.
"""

import dataclasses

from cells import KIB, MIXED_READS, shapes

NSID = {"pcie": "$NSID_PCIE", "null": "$NSID_NULL", "mem": "$NSID_MEM"}
TARGETS = ("ours", "theirs")
DIGEST_SHAPES = (("randread", 4 * KIB, 32), ("randwrite", 4 * KIB, 32), ("read", 128 * KIB, 32))


@dataclasses.dataclass(frozen=True)
class Group:
    initiator: str  # ours: nvmetcp-perf; kernel: fio above the kernel's initiator or driver
    target: str  # ours, theirs (the kernel's) or drive: no network between
    ns: str
    digests: bool = False

    @property
    def name(self):
        words = (self.initiator, self.target, self.ns)
        return "-".join(words) + ("-digests" if self.digests else "")

    @property
    def compared(self):
        """The same for the groups that differ only in the target."""
        return self.initiator, self.ns, self.digests

    @property
    def shapes(self):
        return DIGEST_SHAPES if self.digests else tuple(shapes())


def cell_name(shape):
    rw, bs, qd = shape
    return f"{rw}-{bs // KIB}k-qd{qd}"


def title(group, shape):
    return f"{group.ns}{'+digests' if group.digests else ''}/{cell_name(shape)}"


def groups():
    for initiator in ("kernel", "ours"):
        yield Group(initiator, "drive", "pcie")
    for initiator in ("ours", "kernel"):
        for ns in NSID:
            for target in TARGETS:
                yield Group(initiator, target, ns)
        for target in TARGETS:
            yield Group(initiator, target, "mem", digests=True)
    yield Group("ours", "ours", "pcie", digests=True)


def seconds_of(wanted, seconds):
    """What the workloads of one round take, and an allowance for what is around them."""
    return sum(len(g.shapes) for g in wanted) * (seconds + 0.3) + 40


# ---------------------------------------------------------------- the plan


def perf_lines(group, seconds):
    """nvmetcp-perf connects for each shape; on the drive itself it spins, as a target does."""
    if group.target == "drive":
        string, extra = "trtype=pcie traddr=$BDF nsid=1", "--spin"
    else:
        string = f"$(string_of {group.target} {NSID[group.ns]})"
        extra = "--disable-sqflow" + " --hdgst --ddgst" * group.digests
    for shape in group.shapes:
        rw, bs, qd = shape
        mix = f" --rwmixread={MIXED_READS}" if rw == "randrw" else ""
        yield (
            f'perf {group.name} {cell_name(shape)} "{string}" --rw={rw} --bs={bs} '
            f"--iodepth={qd} --runtime={round(seconds * 1000)}ms {extra}{mix}"
        )


def job_file(group, seconds):
    lines = [
        "[global]",
        "ioengine=io_uring",
        "direct=1",
        "thread",
        "time_based",
        f"runtime={round(seconds * 1000)}ms",
        "cpus_allowed=1",
        "norandommap",
        "randrepeat=0",
        "unified_rw_reporting=mixed",
        "lat_percentiles=1",
        "clat_percentiles=0",
        "percentile_list=50:99:99.9",
        "size=${FILL_MIB}m",
        "filename=${DEV}",
        "exec_prerun=${STAMP}",
        "exec_postrun=${STAMP}",
    ]
    for shape in group.shapes:
        rw, bs, qd = shape
        lines += [f"[{cell_name(shape)}]", "stonewall", f"rw={rw}", f"bs={bs}", f"iodepth={qd}"]
        if rw == "randrw":
            lines.append(f"rwmixread={MIXED_READS}")
    return "\n".join(lines) + "\n"


def fio_lines(group):
    job = f"{group.name}.fio"
    if group.target == "drive":
        yield f"kernel_fio {group.name} {job} $(nsdev $DRIVE_NQN 1)"
        return
    options = " --hdr-digest --data-digest" * group.digests
    yield f"connect {group.target}{options}"
    yield (f"kernel_fio {group.name} {job} $(nsdev $(nqn_of {group.target}) {NSID[group.ns]})")
    yield f"disconnect {group.target}"


def group_lines(group, seconds):
    yield f"group {group.name}"
    yield from perf_lines(group, seconds) if group.initiator == "ours" else fio_lines(group)


def local_lines(part, seconds):
    return [line for g in part if g.target == "drive" for line in group_lines(g, seconds)]


def remote_lines(part, seconds, target, start, stop):
    lines = [line for g in part if g.target == target for line in group_lines(g, seconds)]
    warm = f'warm_target "$(string_of {target} $NSID_PCIE)"'
    return [start, warm, *lines, stop] if lines else []


def drive_lines(wanted, seconds, turn):
    """The drive, under the kernel's driver and under ours. Every part ends its workloads before
    the drive changes hands."""
    part = [g for g in wanted if g.ns == "pcie"]
    first = [
        *local_lines([g for g in part if g.initiator == "kernel"], seconds),
        *remote_lines(
            part,
            seconds,
            "theirs",
            "theirs_start $NSID_PCIE $(nsdev $DRIVE_NQN 1)",
            "theirs_stop",
        ),
    ]
    second = [
        *local_lines([g for g in part if g.initiator == "ours"], seconds),
        *remote_lines(part, seconds, "ours", 'ours_start "$(ns_pci $NSID_PCIE)"', "ours_stop"),
    ]
    if turn % 2:
        return ["drive_to_vfio", *second, "drive_to_kernel", *first]
    return [*first, "drive_to_vfio", *second]


def memory_lines(wanted, seconds, turn):
    """Both targets are up at once, so that what is compared is seconds apart."""
    part = [g for g in wanted if g.ns != "pcie"]
    if not part:
        return []
    if turn % 2:  # what is compared stays together, the other one first
        pairs = list(dict.fromkeys(g.compared for g in part))
        part.sort(key=lambda g: (pairs.index(g.compared), g.target == "ours"))
    lines = [line for g in part for line in group_lines(g, seconds)]
    warm = [f'warm_target "$(string_of {t} {NSID[ns]})"' for t in TARGETS for ns in ("null", "mem")]
    return [
        'ours_start "$(ns_null)" "$(ns_mem)"',
        "theirs_start $NSID_NULL /dev/nulldev $NSID_MEM /dev/ram0",
        *warm,
        *lines,
        "ours_stop",
        "theirs_stop",
    ]


def write_plan(folder, wanted, seconds, turn):
    """plan.sh and the job files that it names."""
    lines = [
        "# shellcheck shell=bash",
        "fill $(nsdev $DRIVE_NQN 1)",
        "fill /dev/ram0",
        "warm_fio $(nsdev $DRIVE_NQN 1)",
        *drive_lines(wanted, seconds, turn),
        *memory_lines(wanted, seconds, turn),
    ]
    (folder / "plan.sh").write_text("\n".join(lines) + "\n")
    for group in wanted:
        if group.initiator == "kernel":
            (folder / f"{group.name}.fio").write_text(job_file(group, seconds))
