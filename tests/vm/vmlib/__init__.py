# SPDX-License-Identifier: BSD-2-Clause
"""The VM bench: images from Debian packages (debian, cache, kernel, root), one guest run (drives,
machine), TAP on the host's side (tap). Standard library only."""
