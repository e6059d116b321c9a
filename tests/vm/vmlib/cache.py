# SPDX-License-Identifier: BSD-2-Clause
"""Built images, outside the tree: $XDG_CACHE_HOME/nvmetcp/KIND/NAME-RECIPE-VERSIONS/.

RECIPE is a hash of how an image is made (the build code's text, package names), VERSIONS one of
the package versions it was made from. Versions are looked up again when an image is two weeks old;
until then a run needs no network. One build at a time per user (flock); an image appears by
rename, so a killed build leaves only a temporary folder, which the next build removes. A run holds
a shared lock on its images, and pruning spares what is locked.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import subprocess
import tempfile
import time

from .debian import Apt
from .util import BenchError, say

FRESH_S = 14 * 86400
KEEP = 3                                # images of one name, the newest used


def cache_folder(kind="vm"):
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(base, "nvmetcp", kind)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as e:
        raise BenchError("cannot make the cache folder %s: %s (set XDG_CACHE_HOME)"
                         % (folder, e.strerror)) from e
    return folder


def _hash(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _remove(path):
    # Never into a mount: it could be the machine's /dev.
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=False,
                   stderr=subprocess.DEVNULL)
    if os.path.exists(path):
        say("cannot remove %s: is something mounted in it?" % path)


class Image:
    """A built image in use: a folder under a shared lock until close()."""

    def __init__(self, folder):
        self.folder = folder
        self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.fd, fcntl.LOCK_SH)
        try:
            os.utime(self.path("used"))     # pruned between open and lock: raises
        except OSError:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def close(self):
        os.close(self.fd)


class Cache:
    """Finds images, builds what is missing. Kinds do not wait for each other's builds."""

    def __init__(self, kind="vm"):
        self.folder = cache_folder(kind)
        self.apt = {}                       # by suite

    @contextlib.contextmanager
    def _build_lock(self):
        with open(os.path.join(self.folder, "lock"), "w", encoding="utf-8") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another build")
                fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def _apt(self, suite):
        if suite not in self.apt:
            self.apt[suite] = Apt(os.path.join(self.folder, "apt-" + suite), suite)
        return self.apt[suite]

    def _find(self, prefix):
        """The newest image of this recipe, or None."""
        best = None
        for folder in glob.glob(os.path.join(self.folder, prefix + "-*")):
            with contextlib.suppress(OSError):
                checked = os.stat(os.path.join(folder, "made-of.json")).st_mtime
                if best is None or checked > best[0]:
                    best = (checked, folder)
        return best and best[1]

    @staticmethod
    def _fresh(folder):
        age = time.time() - os.stat(os.path.join(folder, "made-of.json")).st_mtime
        return 0 <= age < FRESH_S

    def has(self, recipe):
        """Whether get() would find an image, however old."""
        return self._find("%s-%s" % (recipe.name, _hash(*recipe.text()))) is not None

    def find(self, recipe):
        """The Image of a recipe, however old, or None: nothing is built."""
        folder = self._find("%s-%s" % (recipe.name, _hash(*recipe.text())))
        with contextlib.suppress(FileNotFoundError):
            return Image(folder) if folder else None
        return None

    def get(self, recipe, refresh=False):
        """The Image of a recipe, built when it is not there. See _build for recipes."""
        prefix = "%s-%s" % (recipe.name, _hash(*recipe.text()))
        while True:
            folder = self._find(prefix)
            try:
                if not folder or refresh or not self._fresh(folder):
                    with self._build_lock():
                        again = self._find(prefix)
                        if not again or refresh or not self._fresh(again):
                            again = self._build(recipe, prefix, again)
                        folder = again
                return Image(folder)
            except FileNotFoundError:       # pruned by another run meanwhile
                continue

    def _build(self, recipe, prefix, old):
        """Builds under the lock.

        recipe.name     start of the folder's name
        recipe.takes    how long it takes, for the progress line
        recipe.suite    of Debian, where its packages come from; None when it has none
        recipe.text()   list of strings, all that decides how the image is made
        recipe.resolve(apt) -> {package: version}
        recipe.build(apt, versions, out, temp) makes the files of the image in out;
                        temp is for what it needs on the way
        """
        apt = self._apt(recipe.suite) if recipe.suite else None
        try:
            if apt:
                apt.update()
            versions = recipe.resolve(apt)
        except BenchError as e:
            if not old:
                raise
            say("cannot look for newer packages, using what is cached: %s" % str(e).split("\n")[0])
            return old
        made_of = json.dumps(versions, indent=1, sort_keys=True)
        folder = os.path.join(self.folder, "%s-%s" % (prefix, _hash(made_of)))
        if os.path.isdir(folder):
            os.utime(os.path.join(folder, "made-of.json"))
            return folder
        for stale in glob.glob(os.path.join(self.folder, "tmp.*")):
            _remove(stale)
        say("building the %s image, %s" % (recipe.name, recipe.takes))
        start = time.monotonic()
        temp = tempfile.mkdtemp(prefix="tmp.", dir=self.folder)
        try:
            out = os.path.join(temp, "out")
            os.mkdir(out)
            recipe.build(apt, versions, out, temp)
            for name, text in (("made-of.json", made_of), ("used", "")):
                with open(os.path.join(out, name), "w", encoding="utf-8") as f:
                    f.write(text)
            os.rename(out, folder)
        finally:
            _remove(temp)
        say("built %s in %d s" % (os.path.basename(folder), time.monotonic() - start))
        self._prune(recipe.name, folder)
        return folder

    def _prune(self, name, keep):
        """Removes the least recently used images of a name, but none that is in use."""
        def used(folder):
            with contextlib.suppress(OSError):
                return os.stat(os.path.join(folder, "used")).st_mtime
            return 0

        images = [i for i in glob.glob(os.path.join(self.folder, name + "-*")) if i != keep]
        for folder in sorted(images, key=used, reverse=True)[KEEP - 1:]:
            with contextlib.suppress(OSError):
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    gone = os.path.join(self.folder, "tmp.prune." + os.path.basename(folder))
                    os.rename(folder, gone)
                    _remove(gone)
                finally:
                    os.close(fd)
