"""The light mesh for the viewer: few triangles, 16 bits a coordinate, sorted by body.

Little-endian: ``FCLM``, then uint32 version (1), vertices, triangles, bodies; float32 low corner
(3, mm) and step (3, mm); uint16 positions (vertices × 3) in steps from the low corner, padded to
4 bytes; indices (triangles × 3), uint16 up to 65,536 vertices, else uint32, padded to 4 bytes;
uint32 triangles of each body, the bodies one after the other.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices
from fabcoord.designs.meshcheck.topology import connected, find_edges, weld, without_collapsed

MAGIC = b"FCLM"
VERSION = 1
STEPS = 65_535
_HEADER = struct.Struct("<4sIIII3f3f")
_SHORT = 65_536  # vertices that a 16-bit index can name


def pack(triangles: Floats) -> bytes:
    """The bytes of (n, 3, 3) finite triangles in mm; what falls together at 16 bits is dropped."""
    low, step = _grid(triangles)
    cells = np.round((triangles.reshape(-1, 3).astype(np.float64) - low) / step)
    positions, index = weld(np.clip(cells, 0, STEPS).astype(np.float32))
    faces = without_collapsed(index.reshape(-1, 3))
    shell = _shells(faces, len(positions))
    order = np.argsort(shell, kind="stable")
    counts = np.bincount(shell) if len(shell) else np.zeros(0, np.int64)
    short = len(positions) <= _SHORT
    header = _HEADER.pack(
        MAGIC, VERSION, len(positions), len(faces), len(counts), *low.tolist(), *step.tolist()
    )
    parts = (
        positions.astype("<u2").tobytes(),
        faces[order].astype("<u2" if short else "<u4").tobytes(),
        counts.astype("<u4").tobytes(),
    )
    return header + b"".join(part + bytes(-len(part) % 4) for part in parts)


def unpack(data: bytes) -> tuple[Floats, Indices]:
    """The triangles (n, 3, 3) in mm and the number of triangles of each body."""
    magic, version, vertices, triangles, bodies, *numbers = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise ValueError("not a light mesh of this version")
    low, step = np.array(numbers[:3]), np.array(numbers[3:])
    at = _HEADER.size
    cells = np.frombuffer(data, "<u2", vertices * 3, at).reshape(-1, 3)
    at += cells.nbytes + -cells.nbytes % 4
    wide = "<u2" if vertices <= _SHORT else "<u4"
    faces = np.frombuffer(data, wide, triangles * 3, at).reshape(-1, 3)
    at += faces.nbytes + -faces.nbytes % 4
    counts = np.frombuffer(data, "<u4", bodies, at).astype(np.int64)
    points: Floats = (low + cells * step).astype(np.float32)
    return points[faces], counts


def read_light(path: Path) -> Floats:
    """The triangles of a light mesh, (n, 3, 3) in mm."""
    return unpack(path.read_bytes())[0]


def _grid(triangles: Floats) -> tuple[Doubles, Doubles]:
    """The low corner and the step along each axis, both as float32 can hold them."""
    points = triangles.reshape(-1, 3).astype(np.float64)
    low = points.min(axis=0).astype(np.float32).astype(np.float64)
    step = ((points.max(axis=0) - low) / STEPS).astype(np.float32)
    step = np.where(step > 0, step, np.float32(1e-9))
    return low, step.astype(np.float64)


def _shells(faces: Indices, vertices: int) -> Indices:
    """For each face the number of the piece that it belongs to, counted from 0."""
    if not len(faces):
        return np.zeros(0, np.int64)
    edges = find_edges(faces, vertices)
    label = connected(edges.low, edges.high, vertices)[faces[:, 0]]
    shell: Indices = np.unique(label, return_inverse=True)[1].reshape(-1)
    return shell
