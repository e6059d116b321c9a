# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: the matrix, what each cell is compared with, and what it has to reach."""

import dataclasses

KIB = 1024
NSID = {"null": 1, "mem": 2, "file": 3}
MIXED_READS = 70  # percent


@dataclasses.dataclass(frozen=True)
class Goal:
    """A ratio to floor, floor1 (one connection's), plain (without digests) or fio."""

    what: str
    bound: float
    of: str = "iops"  # or p50, where less is better


@dataclasses.dataclass(frozen=True)
class Cell:
    ns: str
    rw: str
    bs: int
    qd: int  # of each connection
    conns: int = 1
    digests: bool = False
    goal: Goal = None
    sweep: bool = False  # only a point of the plot
    mib: int = 0  # of the namespace that are used; 0: all

    @property
    def name(self):
        size = f"{self.bs // KIB}k"
        depth = f"qd{self.qd}" + (f"x{self.conns}" if self.conns > 1 else "")
        part = f"({self.mib}M)" if self.mib else ""
        digests = "+digests" if self.digests else ""
        return f"{self.ns}{part}{digests}/{self.rw}-{size}-{depth}"

    @property
    def floors(self):
        """(direction, share of the I/Os) of the floor runs that this cell is compared with."""
        if self.rw == "randrw":
            return (("read", MIXED_READS / 100), ("write", 1 - MIXED_READS / 100))
        return (("write" if "write" in self.rw else "read", 1.0),)

    @property
    def floor_keys(self):
        return [(rw, self.bs, self.qd, self.conns) for rw, _ in self.floors]


def goal_of(ns, rw, bs, qd, conns, digests):
    single = {
        ("null", "randread", 4096, 1): Goal("floor", 1.15, "p50"),
        ("null", "randread", 4096, 32): Goal("floor", 0.85),
        ("null", "randwrite", 4096, 32): Goal("floor", 0.85),
        ("null", "randread", 4096, 128): Goal("floor", 0.90),
        ("null", "randwrite", 4096, 128): Goal("floor", 0.85),
        ("mem", "randread", 4096, 128): Goal("floor", 0.62),
        ("mem", "randwrite", 4096, 128): Goal("floor", 0.75),
        ("mem", "read", 128 * KIB, 32): Goal("floor", 0.90),
        ("mem", "write", 128 * KIB, 32): Goal("floor", 0.80),
    }
    if digests:
        return Goal("plain", 0.88)
    if conns > 1:
        bounds = {4: 0.95, 32: 0.65, 300: 0.25}
        return Goal("floor1", bounds[conns]) if (ns, rw) == ("null", "randread") else None
    if ns == "file":
        # one at a time, fio has no network to wait for
        return Goal("fio", 0.95) if qd > 1 else None
    return single.get((ns, rw, bs, qd))


def cell(ns, rw, bs, qd, conns=1, digests=False):
    return Cell(ns, rw, bs, qd, conns, digests, goal_of(ns, rw, bs, qd, conns, digests))


def shapes():
    for qd in (1, 32, 128):
        for rw in ("randread", "randwrite", "randrw"):
            yield rw, 4 * KIB, qd
    for rw in ("read", "write"):
        yield rw, 128 * KIB, 32


def matrix():
    """Everything."""
    for ns in NSID:
        yield from (cell(ns, *shape) for shape in shapes())
    yield from (cell("mem", *shape, digests=True) for shape in shapes())
    for conns, qd in ((4, 32), (32, 16), (300, 3)):
        for ns, rw in (("null", "randread"), ("null", "randwrite"), ("mem", "randread")):
            yield cell(ns, rw, 4 * KIB, qd, conns)
    # what fits into the second-level cache, to tell the software from the memory
    for shape in (("randread", 4 * KIB, 128), ("randwrite", 4 * KIB, 128), ("read", 128 * KIB, 32),
                  ("write", 128 * KIB, 32)):
        yield Cell("mem", *shape, goal=goal_of("mem", *shape, 1, False), mib=4)
    for ns in ("null", "mem"):
        for qd in (2, 4, 8, 16, 64):
            yield Cell(ns, "randread", 4 * KIB, qd, sweep=True)


def quick():
    """What fits into a minute."""
    for ns in ("null", "mem"):
        for rw in ("randread", "randwrite"):
            yield cell(ns, rw, 4 * KIB, 1)
            yield cell(ns, rw, 4 * KIB, 128)
    yield cell("mem", "read", 128 * KIB, 32)
    yield cell("mem", "write", 128 * KIB, 32)
    yield cell("mem", "randread", 4 * KIB, 128, digests=True)
    yield cell("null", "randread", 4 * KIB, 3, conns=300)


ONE_CONNECTION = ("read", 4 * KIB, 128, 1)  # floor that many connections are compared with


def plain(c):
    """The same cell without digests."""
    return cell(c.ns, c.rw, c.bs, c.qd, c.conns)
