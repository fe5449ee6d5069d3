"""Reads binary and ASCII STL without any mesh library, and writes binary STL."""

from __future__ import annotations

import mmap
import re
from array import array
from pathlib import Path

import numpy as np

from fabcoord.designs.meshcheck.soup import (
    MAX_TRIANGLES,
    Floats,
    Soup,
    from_corners,
    refuse_too_many,
)
from fabcoord.errors import UnreadableFile

HEADER_BYTES = 84  # 80 of free text, then the count
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
_LOOP = re.compile(rb"outer\s+loop", re.IGNORECASE)


def read_stl(path: Path) -> Soup:
    """The triangles of an STL; binary when its length fits its count, else ASCII.

    Raises UnreadableFile for a file that is neither or has lost its end.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    count = int.from_bytes(head[80:84], "little") if len(head) == HEADER_BYTES else -1
    if count >= 0 and size == HEADER_BYTES + _RECORD.itemsize * count:
        refuse_too_many(count)
        records = np.fromfile(path, dtype=_RECORD, offset=HEADER_BYTES)
        return from_corners(np.ascontiguousarray(records["corners"]))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower() == b"solid" and b"\0" not in head:
        return _read_ascii(path)
    raise UnreadableFile(
        "The STL is neither text nor as long as its triangle count says.",
        hint="It is probably damaged: export or download it again.",
    )


def _read_ascii(path: Path) -> Soup:
    numbers = array("f")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for match in _VERTEX.finditer(text):
            numbers.extend(_number(token) for token in match.groups())
            if len(numbers) > 9 * MAX_TRIANGLES:
                refuse_too_many(MAX_TRIANGLES + 1)
        loops = sum(1 for _ in _LOOP.finditer(text))
        cut_off = b"endsolid" not in text[-4096:].lower()
    if len(numbers) != 9 * loops:
        raise UnreadableFile(
            f"The STL has {loops} facets but {len(numbers) // 3} corners instead of {3 * loops}: "
            "it has lost its end or is damaged.",
            hint="Export or download it again.",
        )
    return from_corners(np.array(numbers, np.float32).reshape(-1, 3, 3), cut_off=cut_off)


def _number(token: bytes) -> float:
    """A coordinate; whatever is no number (``1.#QNAN``) becomes NaN, to be judged as such."""
    try:
        value = float(token)
    except ValueError:
        return float("nan")
    return value if abs(value) < 3e38 else float("inf")


def write_stl(path: Path, triangles: Floats) -> None:
    """Write (n, 3, 3) triangles in mm as binary STL; the file appears whole or not at all."""
    records = np.zeros(len(triangles), dtype=_RECORD)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    records["corners"] = triangles
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(b"fabcoord mesh in mm".ljust(80) + len(triangles).to_bytes(4, "little"))
        records.tofile(file)
    unfinished.replace(path)
