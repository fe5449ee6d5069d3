"""The parts that the tests print, as STL files."""

from __future__ import annotations

import trimesh

from fabcoord.demo import binary_stl, box


def cube() -> bytes:
    """The 20 mm cube, as a design program writes it: 100 layers, 21 minutes on a real printer."""
    data: bytes = trimesh.creation.box((20, 20, 20)).export(file_type="stl")
    return data


def tile() -> bytes:
    """A part of a few minutes."""
    return binary_stl(box(12, 12, 1))


def block() -> bytes:
    """A part of some minutes: on a printer at 200 times its speed it takes seconds."""
    return binary_stl(box(20, 20, 7))


def tower() -> bytes:
    """A part of some hours, so that there is time to intervene."""
    return binary_stl(box(40, 40, 60))
