"""Makes a mesh of a source on request: ``… -m fabcoord.designs.meshcheck.derive --input F …``.

Writes ``derived.stl``, or ``report.json`` that says why there is none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fabcoord.designs.meshcheck.report import DERIVED_NAME, REPORT_NAME, CheckReport
from fabcoord.designs.meshcheck.scad import read_scad
from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.designs.meshcheck.stl import write_stl
from fabcoord.designs.meshcheck.threemf import read_3mf
from fabcoord.errors import FabcoordError, UnreadableFile


def main() -> int:
    """Make one mesh; 0 when it is written, 1 when the report says why not."""
    parser = argparse.ArgumentParser(prog="derive", description="Make a mesh of a source.")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--define", action="append", default=[], help="OpenSCAD: name=expression")
    parser.add_argument("--plate", type=int, help="3MF: which plate of the project, from 1")
    options = parser.parse_args()
    try:
        soup = _read(options.input, options.define, options.plate)
    except FabcoordError as error:
        (options.out / REPORT_NAME).write_text(CheckReport.failed(str(error)).to_json())
        return 1
    write_stl(options.out / DERIVED_NAME, soup.triangles)
    return 0


def _read(path: Path, defined: list[str], plate: int | None) -> Soup:
    if plate is not None:
        soup = read_3mf(path, plate)
    else:
        soup = read_scad(path, dict(one.split("=", 1) for one in defined))
    if not len(soup.triangles):
        raise UnreadableFile("With these values nothing is left of the model.")
    return soup


if __name__ == "__main__":
    sys.exit(main())
