"""Checks one design file: ``… -m fabcoord.designs.meshcheck --input F --format stl --out DIR``.

Writes ``report.json``, ``mesh.stl`` and, where findings have a place, ``marks.json`` (stage
verdict); then ``light.stl``, ``light.bin`` and ``preview.png`` (stage pictures, from ``mesh.stl``);
then the other angles and the pictures with marks (stage views, from ``light.bin`` and
``marks.json``). Exit 0 whenever a report is written, whatever it says.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from fabcoord.designs.formats import HEAD_BYTES, what_else
from fabcoord.designs.meshcheck.report import (
    MARKS_NAME,
    MESH_NAME,
    REPORT_NAME,
    CheckReport,
    marks_to_json,
)
from fabcoord.errors import FabcoordError

FORMATS = ("stl", "3mf", "obj", "ply", "off", "amf", "step", "scad")


def main() -> int:
    """Run the stages that were asked for; 0 when their files are written."""
    parser = argparse.ArgumentParser(prog="meshcheck", description="Check one design file.")
    parser.add_argument("--input", type=Path, help="the file to check (stage verdict)")
    parser.add_argument("--format", choices=FORMATS, help="its format (stage verdict)")
    parser.add_argument("--out", type=Path, required=True, help="where the results go")
    parser.add_argument("--stage", choices=("all", "verdict", "pictures", "views"), default="all")
    options = parser.parse_args()
    if options.stage in ("all", "verdict"):
        if options.input is None or options.format is None:
            parser.error("--input and --format are needed for the verdict")
        check(options.input, options.format, options.out)
    mesh = options.out / MESH_NAME
    if options.stage in ("all", "pictures") and mesh.exists():
        from fabcoord.designs.meshcheck.pictures import make_pictures

        make_pictures(mesh, options.out)
    if options.stage == "views":
        from fabcoord.designs.meshcheck.pictures import make_views

        make_views(options.out)
    return 0


def check(path: Path, file_format: str, out: Path) -> CheckReport:
    """Check one file, write its report and its print mesh into ``out``, and return the report."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    (out / MESH_NAME).unlink(missing_ok=True)
    try:
        report = _judge_file(path, file_format, out)
    except FabcoordError as error:
        report = _unreadable(error, path)
    except MemoryError:
        report = CheckReport.failed(
            "The model needs more memory to check than is allowed here. Export it with a coarser "
            "resolution.",
            code="too_large",
        )
    except Exception:  # a hostile file may break any parser in any way; the report must say so
        traceback.print_exc()
        report = CheckReport.failed(
            "The file cannot be read: it is damaged or not what its name says. Export it again, or "
            "in another format."
        )
    report = replace(report, duration_s=round(time.perf_counter() - started, 3))
    (out / MARKS_NAME).unlink(missing_ok=True)
    if any(finding.marks for finding in report.findings):
        (out / MARKS_NAME).write_text(marks_to_json(report.findings), encoding="utf-8")
    unfinished = out / (REPORT_NAME + ".part")
    unfinished.write_text(report.to_json(), encoding="utf-8")
    unfinished.replace(out / REPORT_NAME)
    return report


def _judge_file(path: Path, file_format: str, out: Path) -> CheckReport:
    from fabcoord.designs.meshcheck.judge import judge
    from fabcoord.designs.meshcheck.readers import read
    from fabcoord.designs.meshcheck.stl import is_plain_binary, write_stl

    judgement = judge(read(path, file_format))
    if judgement.is_as_read and file_format == "stl" and is_plain_binary(path):
        # The same bytes are one blob, and nothing is lost on the way.
        shutil.copyfile(path, out / MESH_NAME)
    elif judgement.print_mesh is not None:
        write_stl(out / MESH_NAME, judgement.print_mesh)
    return judgement.report


def _unreadable(error: FabcoordError, path: Path) -> CheckReport:
    if "code" in error.extra:
        return CheckReport.failed(str(error), code=str(error.extra["code"]))
    with path.open("rb") as file:
        kind = what_else(file.read(HEAD_BYTES))
    if kind is None or kind.endswith("model") or "3MF" in kind:
        return CheckReport.failed(str(error))
    return CheckReport.failed(
        f"The file is {kind}, whatever its name says. Upload the model itself.", code="wrong_type"
    )


if __name__ == "__main__":
    sys.exit(main())
