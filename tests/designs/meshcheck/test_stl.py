"""STL as it is written: read back alike, and never taken for text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabcoord.designs.meshcheck.stl import is_plain_binary, read_stl, write_stl


def test_what_is_written_is_never_taken_for_text(tmp_path: Path) -> None:
    flat = np.zeros((3, 3, 3), np.float32)
    flat[:, 1, 0] = flat[:, 2, 0] = 40.0  # lines: without normals, and of round sizes
    write_stl(tmp_path / "flat.stl", flat)
    assert is_plain_binary(tmp_path / "flat.stl")
    assert not (tmp_path / "flat.stl").read_bytes()[84:212].isascii()


def test_what_was_written_is_read_alike(tmp_path: Path) -> None:
    triangles = np.arange(90, dtype=np.float32).reshape(10, 3, 3)
    write_stl(tmp_path / "some.stl", triangles)
    assert np.array_equal(read_stl(tmp_path / "some.stl").triangles, triangles)
