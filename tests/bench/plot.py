# SPDX-License-Identifier: BSD-2-Clause
"""A plot as SVG, written by hand."""

import math

from figures import short


class Plot:
    """Logarithmic in both directions, SVG written by hand."""

    WIDTH, HEIGHT = 860, 540
    LEFT, RIGHT, TOP, BOTTOM = 70, 200, 40, 50
    COLORS = ("#888888", "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd")

    def __init__(self, title, x_label, y_label):
        self.title, self.x_label, self.y_label = title, x_label, y_label
        self.series = []

    def add(self, name, points, dashed=False):
        points = [(x, y, label) for x, y, label in points if x > 0 and y > 0]
        if points:
            self.series.append((name, points, dashed))

    def scale(self):
        xs = [x for _, points, _ in self.series for x, _, _ in points]
        ys = [y for _, points, _ in self.series for _, y, _ in points]
        spans = []
        for values in (xs, ys):
            low, high = math.log10(min(values)) - 0.05, math.log10(max(values)) + 0.05
            spans.append((low, max(high - low, 0.1)))
        (x0, dx), (y0, dy) = spans
        width = self.WIDTH - self.LEFT - self.RIGHT
        height = self.HEIGHT - self.TOP - self.BOTTOM
        return (lambda x: self.LEFT + (math.log10(x) - x0) / dx * width,
                lambda y: self.TOP + height - (math.log10(y) - y0) / dy * height,
                (10 ** x0, 10 ** (x0 + dx)), (10 ** y0, 10 ** (y0 + dy)))

    @staticmethod
    def ticks(low, high):
        for exponent in range(-3, 9):
            for digit in (1, 2, 5):
                value = digit * 10.0 ** exponent
                if low <= value <= high:
                    yield value

    def svg(self):
        if not self.series:
            return None
        sx, sy, (x_low, x_high), (y_low, y_high) = self.scale()
        right, bottom = self.WIDTH - self.RIGHT, self.HEIGHT - self.BOTTOM
        out = ['<svg xmlns="http://www.w3.org/2000/svg" '
               f'width="{self.WIDTH}" height="{self.HEIGHT}" '
               'font-family="sans-serif" font-size="12">',
               f'<rect width="{self.WIDTH}" height="{self.HEIGHT}" fill="white"/>',
               f'<text x="{self.LEFT}" y="22" font-size="15">{self.title}</text>']
        for v in self.ticks(x_low, x_high):
            out.append(f'<path d="M{sx(v):.1f} {self.TOP}V{bottom}" stroke="#dddddd"/>'
                       f'<text x="{sx(v):.1f}" y="{bottom + 16}" text-anchor="middle">'
                       f'{short(v)}</text>')
        for v in self.ticks(y_low, y_high):
            out.append(f'<path d="M{self.LEFT} {sy(v):.1f}H{right}" stroke="#dddddd"/>'
                       f'<text x="{self.LEFT - 6}" y="{sy(v) + 4:.1f}" text-anchor="end">'
                       f'{v:g}</text>')
        out.append(f'<path d="M{self.LEFT} {self.TOP}V{bottom}H{right}" fill="none" '
                   'stroke="black"/>')
        out.append(f'<text x="{(self.LEFT + right) / 2}" y="{self.HEIGHT - 12}" '
                   f'text-anchor="middle">{self.x_label}</text>')
        out.append(f'<text transform="translate(16 {(self.TOP + bottom) / 2}) rotate(-90)" '
                   f'text-anchor="middle">{self.y_label}</text>')
        for i, (name, points, dashed) in enumerate(self.series):
            color = self.COLORS[i % len(self.COLORS)]
            line = " ".join(f"{sx(x):.1f},{sy(y):.1f}" for x, y, _ in points)
            dash = ' stroke-dasharray="5 4"' if dashed else ""
            out.append(f'<polyline points="{line}" fill="none" stroke="{color}" '
                       f'stroke-width="2"{dash}/>')
            for x, y, label in points:
                out.append(f'<circle cx="{sx(x):.1f}" cy="{sy(y):.1f}" r="3" fill="{color}"><title>'
                           f'{name}, {label}: {short(x)} IOPS, {y:.1f} us</title></circle>')
            y = self.TOP + 14 + 18 * i
            out.append(f'<path d="M{right + 12} {y - 4}h24" stroke="{color}" '
                       f'stroke-width="2"{dash}/>'
                       f'<text x="{right + 42}" y="{y}">{name}</text>')
        return "\n".join(out) + "\n</svg>\n"
