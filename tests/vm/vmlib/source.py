# SPDX-License-Identifier: BSD-2-Clause
"""A Debian source package as something to build against: unpacked, patched, configured."""

import os

from .debian import Apt
from .kernel import read
from .util import tool


class SourceRecipe:
    takes = "about half a minute"
    suite = None                            # of binary packages; sources have their own root

    def __init__(self, package, version, commands=()):
        self.package, self.version, self.commands = package, version, commands
        self.name = "source-" + package

    def text(self):
        return [read(__file__), self.version, *(" ".join(c) for c in self.commands)]

    def resolve(self, _apt):
        return {self.package: self.version}

    def build(self, _apt, _versions, out, _temp):
        apt = Apt(os.path.join(os.path.dirname(os.path.dirname(out)), "apt"), source=True)
        apt.update()
        folder = apt.source(self.package, self.version, out)
        os.rename(folder, os.path.join(out, "tree"))
        for argv in self.commands:
            tool(argv, cwd=os.path.join(out, "tree"))
