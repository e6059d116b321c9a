# SPDX-License-Identifier: BSD-2-Clause
"""Debian packages without touching the system: a private apt root on the machine's own mirror.

The mirror's address is read from the machine's apt sources every time and kept only in the cache.
Host apt settings (proxies, certificates) stay in force; pins do not.
"""

import glob
import os
import re

from .util import BenchError, tool

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITE = "bookworm"
IMAGE = "linux-image-"


def _source_entries():
    """Yields (uri, suites) of every enabled binary source, in both formats apt knows."""
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*.list")):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f:
                    m = re.match(r"\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)", line)
                    if m:
                        yield m.group(1), [m.group(2)]
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = re.sub(r"(?m)^#.*\n", "", f.read())
        for stanza in re.split(r"\n\s*\n", text):
            field = dict((m.group(1).lower(), m.group(2).split())
                         for m in re.finditer(r"(?m)^([A-Za-z-]+):((?:.*\n?)(?:[ \t].*\n?)*)",
                                              stanza))
            if "deb" in field.get("types", []) and field.get("enabled") != ["no"]:
                for uri in field.get("uris", []):
                    yield uri, field.get("suites", [])


def find_mirror():
    """The addresses (archive, security) this machine uses; security is None when it has none."""
    archive = security = None
    for uri, suites in _source_entries():
        uri = uri.rstrip("/")
        if any(s.endswith("-security") or "/" in s and s.endswith("updates") for s in suites):
            security = security or uri
        elif uri.endswith("/debian") or SUITE in suites:
            archive = archive or uri
    if not archive:
        raise BenchError("no Debian mirror in /etc/apt/sources.list or sources.list.d: "
                         "add one (an URI ending in /debian)")
    return archive, security


def _stanza(uri, suites, kind="deb"):
    return ("Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n"
            % (kind, uri, suites, KEYRING))


class Apt:
    """A private apt root in the cache: lists and downloads of SUITE, or of backports alone, or of
    the source packages of SUITE alone."""

    def __init__(self, folder, suite=SUITE, source=False):
        self.folder = folder
        self.suite = suite
        self.kind = "deb-src" if source else "deb"
        self.updated = False

    def path(self, name):
        return os.path.join(self.folder, name)

    def _run(self, *argv, **kwargs):
        options = ["Dir::Etc::SourceList=/dev/null", "Dir::Etc::Preferences=/dev/null",
                   "Dir::Etc::SourceParts=" + self.path("sources"),
                   "Dir::Etc::PreferencesParts=" + self.path("pins"),
                   "Dir::State::Lists=" + self.path("lists"), "Dir::Cache=" + self.path("cache"),
                   "APT::Sandbox::User=root", "APT::Architecture=amd64", "APT::Architectures=amd64"]
        extra = [a for o in options for a in ("-o", o)]
        return tool([argv[0]] + extra + list(argv[1:]), **kwargs).decode(errors="replace")

    def update(self):
        """Fetches the package lists, once per process."""
        if self.updated:
            return
        for sub in ("sources", "pins", "lists/partial", "cache/archives/partial"):
            os.makedirs(self.path(sub), exist_ok=True)
        archive, security = find_mirror()
        text = _stanza(archive, self.suite, self.kind)
        if self.suite == SUITE:
            text = _stanza(archive, "%s %s-updates" % (SUITE, SUITE), self.kind)
            if security:
                text += _stanza(security, SUITE + "-security", self.kind)
        with open(self.sources(), "w", encoding="utf-8") as f:
            f.write(text)
        self._run("apt-get", "update", "-qq", "--error-on=any")
        self.updated = True

    def sources(self):
        """The sources file, written by update()."""
        return self.path("sources/debian.sources")

    def proxies(self):
        """The machine's apt proxy settings as apt.conf lines, for mmdebstrap."""
        return [line for line in self._run("apt-config", "dump").splitlines()
                if re.match(r"Acquire::https?::Proxy", line)]

    def candidates(self, packages):
        """{package: version} of what an installation would take now."""
        found = {}
        for block in re.split(r"(?m)^(?=\S)", self._run("apt-cache", "policy", *packages)):
            m = re.match(r"(\S+):\n(?:.*\n)*?\s+Candidate: (\S+)", block)
            if m and m.group(2) != "(none)":
                found[m.group(1)] = m.group(2)
        missing = sorted(set(packages) - set(found))
        if missing:
            raise BenchError("the Debian mirror has no package " + ", ".join(missing))
        return found

    def kernel(self, series):
        """(package, version) of the newest linux-image of a series such as "6.1"."""
        text = self._run("apt-cache", "show", "^%s%s[.]" % (IMAGE, re.escape(series)))
        found = []
        for stanza in text.split("\n\n"):
            package = re.search(r"(?m)^Package: (%s%s\.[^ ]*-amd64)$" % (IMAGE, re.escape(series)),
                                stanza)
            version = re.search(r"(?m)^Version: (\S+)", stanza)
            if package and version and not re.search(r"-(rt|cloud)-amd64", package.group(1)):
                numbers = [int(n) for n in re.findall(r"\d+", version.group(1))]
                found.append((numbers, package.group(1), version.group(1)))
        if not found:
            raise BenchError("no Debian kernel %s in %s" % (series, self.suite))
        return max(found)[1:]

    def download(self, package, version, folder):
        """Fetches one .deb into folder and returns its path."""
        self._run("apt-get", "download", "-qq", "%s=%s" % (package, version), cwd=folder)
        debs = glob.glob(os.path.join(folder, package.replace("+", "[+]") + "_*.deb"))
        if len(debs) != 1:
            raise BenchError("apt-get download %s=%s left no package" % (package, version))
        return debs[0]

    def source(self, package, version, folder):
        """Fetches and unpacks one source package into folder; returns the path of its tree."""
        self._run("apt-get", "source", "-qq", "%s=%s" % (package, version), cwd=folder)
        trees = [e.path for e in os.scandir(folder) if e.is_dir()]
        if len(trees) != 1:
            raise BenchError("apt-get source %s=%s left no tree" % (package, version))
        return trees[0]
