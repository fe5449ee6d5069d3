"""Looks deeper into one print mesh: ``… -m fabcoord.designs.meshcheck.deep --mesh F --out DIR``.

Writes ``deep.json`` and, where findings have a place, ``deep-marks.json``; exit 0 when it did.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from fabcoord.designs.meshcheck.deep.examine import NOZZLE_MM, examine
from fabcoord.designs.meshcheck.deep.report import DEEP_MARKS_NAME, DEEP_NAME
from fabcoord.designs.meshcheck.report import marks_to_json
from fabcoord.designs.meshcheck.stl import read_stl


def main() -> int:
    """Examine the mesh; 0 when the report is written."""
    parser = argparse.ArgumentParser(prog="deep", description="Look deeper into one print mesh.")
    parser.add_argument("--mesh", type=Path, required=True, help="a binary STL in mm")
    parser.add_argument("--out", type=Path, required=True, help="where the report goes")
    parser.add_argument("--nozzle", type=float, default=NOZZLE_MM, help="its diameter in mm")
    options = parser.parse_args()
    began = time.perf_counter()
    examined = examine(read_stl(options.mesh).triangles, options.nozzle)
    said = examined.as_dict() | {"duration_s": round(time.perf_counter() - began, 3)}
    if any(one.marks for one in examined.findings):
        marks = marks_to_json(examined.findings)
        (options.out / DEEP_MARKS_NAME).write_text(marks, encoding="utf-8")
    unfinished = options.out / (DEEP_NAME + ".part")
    unfinished.write_text(json.dumps(said, allow_nan=False), encoding="utf-8")
    unfinished.replace(options.out / DEEP_NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main())
