"""The key under which a slice is kept: the same key means the same G-code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fabcoord.slicing.placement import Placement
from fabcoord.slicing.plates import Part

# Raised when this program changes what it asks of the slicer.
RECIPE = 1


def slice_key(
    mesh_sha256: str, placement: Placement, preset_sha256: str, engine: str, engine_version: str
) -> str:
    """SHA-256 (hex) over everything that a slice depends on, and nothing else."""
    return _framed(
        mesh_sha256, placement.canonical(), preset_sha256, engine, engine_version, str(RECIPE)
    )


def plate_key(parts: Sequence[Part], preset_sha256: str, engine: str, engine_version: str) -> str:
    """The same for a plate of several parts, as `plates.gathered` orders them."""
    told = (f"{one.mesh_sha256} {one.placement.canonical()} {one.copies}" for one in parts)
    return _framed("plate", *told, preset_sha256, engine, engine_version, str(RECIPE))


def _framed(*parts: str) -> str:
    # Each part with its length, so that no two different lists of parts read alike.
    framed = b"".join(b"%d:%b," % (len(part.encode()), part.encode()) for part in parts)
    return hashlib.sha256(framed).hexdigest()
