# SPDX-License-Identifier: BSD-2-Clause
"""Lists of measured values as short text."""

import math
import statistics


def middle(values):
    return statistics.median(values) if values else math.nan


def short(v):
    if math.isnan(v):
        return "-"
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if v >= size:
            return f"{v / size:.3g}{unit}" if v < 100 * size else f"{v / size:.0f}{unit}"
    return f"{v:.3g}"


def ranged(values, form=short):
    """median (least..most)"""
    if not values:
        return "-"
    if len(values) == 1:
        return form(values[0])
    return f"{form(middle(values))} ({form(min(values))}..{form(max(values))})"


def two_digits(v):
    return f"{v:.2f}"
