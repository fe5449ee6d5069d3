"""Picks the reader for a format; each imports only what it needs."""

from __future__ import annotations

from pathlib import Path

from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.errors import UnreadableFile


def read(path: Path, file_format: str) -> Soup:
    """The triangles of a design file of this format (``stl``, ``3mf``, …), in mm."""
    if path.stat().st_size == 0:
        raise UnreadableFile("The file is empty.", hint="Export or download it again.")
    match file_format:
        case "stl":
            from fabcoord.designs.meshcheck.stl import read_stl as reader
        case "3mf":
            from fabcoord.designs.meshcheck.threemf import read_3mf as reader
        case "amf":
            from fabcoord.designs.meshcheck.amf import read_amf as reader
        case "scad":
            from fabcoord.designs.meshcheck.scad import read_scad as reader
        case "obj":
            from fabcoord.designs.meshcheck.text_meshes import read_obj as reader
        case "off":
            from fabcoord.designs.meshcheck.text_meshes import read_off as reader
        case "ply":
            from fabcoord.designs.meshcheck.library_meshes import read_ply as reader
        case "step":
            from fabcoord.designs.meshcheck.library_meshes import read_step as reader
        case _:
            raise UnreadableFile(f"There is no mesh in a file of format {file_format!r}.")
    return reader(path)
