"""Names that survive a power cut: a file whose bytes are on the disk may yet lose its name."""

from __future__ import annotations

import os
from pathlib import Path


def fsync_directory(directory: Path) -> None:
    """Make sure that the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory, and what is missing above it, so that they survive a power cut."""
    missing = [place for place in (directory, *directory.parents) if not place.is_dir()]
    directory.mkdir(parents=True, exist_ok=True)
    for place in reversed(missing):
        fsync_directory(place.parent)
