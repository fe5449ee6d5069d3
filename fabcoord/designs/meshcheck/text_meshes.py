"""Reads OBJ and OFF: points and polygons as text, without any mesh library."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from fabcoord.designs.meshcheck.soup import Doubles, Indices, Soup, from_indexed, refuse_too_many
from fabcoord.errors import UnreadableFile

_COMMENT = re.compile(r"(^|\s+)#.*")  # not within a word: 1.#QNAN is how some programs write NaN


def read_obj(path: Path) -> Soup:
    """The faces of a Wavefront OBJ; other files that it names are never opened.

    Indices count from 1, negative ones from the last point so far. Polygons become fans.
    """
    numbers, indices = array("d"), array("q")
    for line in _whole_lines(path):
        word, _, rest = line.partition(" ")
        if word == "v":
            numbers.extend(_point(rest.split()))
        elif word == "f":
            count = len(numbers) // 3
            corners = [_obj_index(token, count) for token in rest.split()]
            _add_fan(indices, corners)
    vertices, faces = _arrays(numbers, indices)
    return from_indexed(vertices, faces, cut_off=_seems_cut_off(path, len(vertices), faces))


def read_off(path: Path) -> Soup:
    """The faces of an Object File Format text; polygons become fans, colours are left out.

    Raises UnreadableFile when it holds fewer points or faces than it says.
    """
    lines = (bare for line in _whole_lines(path) if (bare := _COMMENT.sub("", line)))
    header = next(lines, "").split()
    if not header or not header[0].endswith("OFF"):
        raise UnreadableFile("The file does not begin with OFF.", hint="Export it again as OFF.")
    counts = header[1:] or next(lines, "").split()
    try:
        vertex_count, face_count = int(counts[0]), int(counts[1])
        numbers, indices = array("d"), array("q")
        for _, line in zip(range(vertex_count), lines, strict=False):
            numbers.extend(_point(line.split()))
        found = 0
        for _, line in zip(range(face_count), lines, strict=False):
            words = line.split()
            size = int(words[0])
            corners = [int(word) for word in words[1 : size + 1]]
            if len(corners) != size:
                break
            _add_fan(indices, corners)
            found += 1
    except (ValueError, IndexError) as error:
        raise UnreadableFile(
            f"The OFF file holds something that is no number: {str(error)[:80]}.",
            hint="Export the model again.",
        ) from error
    if len(numbers) != 3 * vertex_count or found != face_count:
        raise UnreadableFile(
            f"The OFF file says {vertex_count} points and {face_count} faces, but holds "
            f"{len(numbers) // 3} and {found}: it has lost its end or is damaged.",
            hint="Export or download it again.",
        )
    return from_indexed(*_arrays(numbers, indices))


def _seems_cut_off(path: Path, vertex_count: int, faces: Indices) -> bool:
    """Whether an OBJ has probably lost its last faces; the format has no mark for its end.

    Points come first, so what is lost are faces: points are left that no face uses, and either the
    last line is not a whole one or the last points are among them.
    """
    if not len(faces):
        return False
    used = np.zeros(vertex_count, bool)
    used[faces[(faces >= 0) & (faces < vertex_count)]] = True
    if used.all():
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        whole_line = file.read() in b"\r\n"
    return not whole_line or not used[vertex_count - 1]


def _whole_lines(path: Path) -> Iterator[str]:
    """The lines without surrounding space, those that end in a backslash joined to the next."""
    with path.open(encoding="utf-8", errors="replace") as file:
        started = ""
        for raw in file:
            line = raw.strip().replace("\t", " ")
            if line.endswith("\\"):
                started += line[:-1] + " "
                continue
            yield started + line
            started = ""
        if started:
            yield started


def _point(words: Sequence[str]) -> tuple[float, float, float]:
    """Three coordinates; whatever is no number becomes NaN, to be judged as such."""
    try:
        return float(words[0]), float(words[1]), float(words[2])
    except (ValueError, IndexError):
        return float("nan"), float("nan"), float("nan")


def _obj_index(token: str, count: int) -> int:
    try:
        number = int(token.partition("/")[0])
    except ValueError as error:
        raise UnreadableFile(
            f"A face of the OBJ names the point {token[:20]!r}, which is no number.",
            hint="Export the model again.",
        ) from error
    if number == 0 or number < -count:
        raise UnreadableFile(
            f"A face of the OBJ names the point {number}, which does not exist.",
            hint="Export the model again.",
        )
    return number - 1 if number > 0 else count + number


def _add_fan(indices: array[int], corners: Sequence[int]) -> None:
    for second, third in pairwise(corners[1:]):
        indices.extend((corners[0], second, third))
    refuse_too_many(len(indices) // 3)


def _arrays(numbers: array[float], indices: array[int]) -> tuple[Doubles, Indices]:
    vertices = np.array(numbers, np.float64).reshape(-1, 3)
    return vertices, np.array(indices, np.int64).reshape(-1, 3)
