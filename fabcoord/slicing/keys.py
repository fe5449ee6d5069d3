"""The key under which a slice is kept: the same key means the same G-code."""

from __future__ import annotations

import hashlib

from fabcoord.slicing.placement import Placement

# Raised when this program changes what it asks of the slicer.
RECIPE = 1


def slice_key(
    mesh_sha256: str, placement: Placement, preset_sha256: str, engine: str, engine_version: str
) -> str:
    """SHA-256 (hex) over everything that a slice depends on, and nothing else."""
    parts = (mesh_sha256, placement.canonical(), preset_sha256, engine, engine_version, str(RECIPE))
    # Each part with its length, so that no two different lists of parts read alike.
    framed = b"".join(b"%d:%b," % (len(part.encode()), part.encode()) for part in parts)
    return hashlib.sha256(framed).hexdigest()
