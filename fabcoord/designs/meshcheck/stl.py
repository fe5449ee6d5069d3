"""Reads binary and ASCII STL without any mesh library, and writes binary STL."""

from __future__ import annotations

import math
import mmap
import re
from array import array
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.soup import (
    MAX_TRIANGLES,
    Floats,
    Soup,
    from_corners,
    refuse_too_many,
)
from fabcoord.errors import UnreadableFile

HEADER_BYTES = 84  # 80 of free text, then the count
_LOOKED_AT_BYTES = 128
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_AT_ONCE = 1 << 17
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
        return from_corners(_read_binary(path, count))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower() == b"solid" and b"\0" not in head:
        return _read_ascii(path)
    raise UnreadableFile(
        "The STL is neither text nor as long as its triangle count says.",
        hint="It is probably damaged: export or download it again.",
    )


def is_plain_binary(path: Path) -> bool:
    """Whether it is a binary STL that no program could take for text.

    Slicers built on ADMesh take a file for text unless one of the first 128 bytes behind the head
    is above 127. A box of round sizes whose normals are all zero has none.
    """
    with path.open("rb") as file:
        head, body = file.read(HEADER_BYTES), file.read(_LOOKED_AT_BYTES)
    count = int.from_bytes(head[80:], "little")
    fits = path.stat().st_size == HEADER_BYTES + _RECORD.itemsize * count
    is_text = head.lstrip()[:5].lower().startswith(b"solid") or body.isascii()
    return fits and not is_text


def _read_binary(path: Path, count: int) -> Floats:
    """The corners of ``count`` triangles, read in pieces: the normals never pile up in memory."""
    refuse_too_many(count)
    corners = np.empty((count, 3, 3), np.float32)
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        for start in range(0, count, _AT_ONCE):
            some = corners[start : start + _AT_ONCE]
            some[:] = np.fromfile(file, _RECORD, len(some))["corners"]
    return corners


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
    return min(max(value, -3e38), 3e38) if math.isfinite(value) else value


def write_stl(path: Path, triangles: Floats) -> None:
    """Write (n, 3, 3) triangles in mm as binary STL; the file appears whole or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(b"fabcoord mesh in mm".ljust(80) + len(triangles).to_bytes(4, "little"))
        for start in range(0, len(triangles), _AT_ONCE):
            records = _records(triangles[start : start + _AT_ONCE])
            if start == 0 and records[:3].tobytes()[:_LOOKED_AT_BYTES].isascii():
                records["attribute"][:1] = 0xFFFF  # see is_plain_binary
            records.tofile(file)
    unfinished.replace(path)


def _records(triangles: Floats) -> npt.NDArray[np.void]:
    records = np.zeros(len(triangles), dtype=_RECORD)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    records["corners"] = triangles
    return records
