"""A cube, a way to vet a few lines of G-code, and slicers that misbehave on purpose."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh

from fabcoord.printers.machines import machine
from fabcoord.slicing.gate import GateReport, vet

Vet = Callable[..., GateReport]
FakeSlicer = Callable[[str], Path]


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 20 mm cube as a binary STL, its name without an ending, as a blob's."""
    path = tmp_path_factory.mktemp("mesh") / "cube"
    path.write_bytes(trimesh.creation.box((20, 20, 20)).export(file_type="stl"))
    return path


@pytest.fixture
def vetted(tmp_path: Path) -> Vet:
    """Vet text or bytes for a machine, by default the demo printer, homed unless told."""

    def vet_lines(text: str | bytes, machine_id: str = "demo", homed: bool = True) -> GateReport:
        body = text.encode() if isinstance(text, str) else text
        path = tmp_path / "vetted.gcode"
        path.write_bytes((b"G28\n" if homed else b"") + body)
        return vet(path, machine(machine_id))

    return vet_lines


@pytest.fixture
def fake_slicer(tmp_path: Path) -> FakeSlicer:
    """A program that says it is PrusaSlicer and, asked to slice, runs these lines of shell."""

    def write(script: str) -> Path:
        path = tmp_path / "prusa-slicer"
        path.write_text(
            '#!/bin/sh\nif [ "$1" = --help ]; then echo PrusaSlicer-9.9.9 fake; exit; fi\n' + script
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write
