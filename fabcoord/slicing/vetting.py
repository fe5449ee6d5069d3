"""Judges a G-code file in a process of its own: ``… -m fabcoord.slicing.vetting FILE MACHINE``.

For G-code that came from outside: its bytes are read by nobody but this limited process. Prints
one JSON object: what the gate says and what the file says of itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from fabcoord.errors import SlicingFailed
from fabcoord.printers import machines
from fabcoord.printers.machines import MachineModel
from fabcoord.slicing.engine import Cancelled
from fabcoord.slicing.gate import GateReport, Refusal, vet
from fabcoord.slicing.gcode import GcodeInfo, read_info
from fabcoord.work import sandbox


def vet_apart(
    path: Path,
    model: MachineModel,
    cwd: Path,
    limits: sandbox.Limits,
    cancelled: Callable[[], bool],
) -> tuple[GateReport, GcodeInfo]:
    """The gate's report and the file's own words, from a sandboxed process.

    Raises SlicingFailed when the process did not come to an end.
    """
    argv = [*sandbox.python_module("fabcoord.slicing.vetting"), str(path), str(model.source)]
    done = sandbox.run(argv, cwd=cwd, limits=limits, cancelled=cancelled)
    if done.ended_by == "cancelled":
        raise Cancelled
    try:
        said = json.loads(done.stdout)
        return _report(said["gate"]), GcodeInfo(**said["info"])
    except (ValueError, KeyError, TypeError) as error:
        raise SlicingFailed(
            "Reading this G-code took more time or memory than this lab allows.",
            hint="Slice it again, with fewer or longer moves.",
        ) from error


def _report(said: dict[str, object]) -> GateReport:
    report = GateReport(**said)  # type: ignore[arg-type]
    refusals = tuple(Refusal(**one) for one in said["refusals"])  # type: ignore[attr-defined]
    return replace(report, refusals=refusals)


def main() -> None:
    """Judge one file."""
    parser = argparse.ArgumentParser(description="Judge one G-code file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("machine", type=Path, help="the machine model's own file")
    options = parser.parse_args()
    report = vet(options.file, machines.read_machine(options.machine))
    info = replace(read_info(options.file), settings={})
    print(json.dumps({"gate": asdict(report), "info": asdict(info)}))


if __name__ == "__main__":
    main()
