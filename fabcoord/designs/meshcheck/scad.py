"""Renders OpenSCAD sources, where OpenSCAD is installed; runs within the limits of the check."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.designs.meshcheck.text_meshes import read_off
from fabcoord.designs.openscad import MAX_SOURCE_BYTES, check_source
from fabcoord.errors import UnreadableFile

_MISSING = (
    "The OpenSCAD source is kept, but OpenSCAD is not installed on this lab's computer, so no mesh "
    "can be made of it here."
)


def is_installed() -> bool:
    """Whether sources can be rendered on this machine."""
    return shutil.which("openscad") is not None


def read_scad(path: Path, definitions: Mapping[str, str] | None = None) -> Soup:
    """The mesh that a source makes, with values set by name as OpenSCAD expressions.

    Raises UnreadableFile with OpenSCAD's own words where it fails.
    """
    with path.open("rb") as file:
        check_source(file.read(MAX_SOURCE_BYTES + 1))
    if not is_installed():
        raise UnreadableFile(
            _MISSING,
            hint="Ask staff to install it (on Debian: apt install openscad), or upload the mesh.",
            extra={"code": "openscad_missing"},
        )
    with TemporaryDirectory(dir=Path.cwd()) as folder:
        source, out = Path(folder) / "model.scad", Path(folder) / "model.off"
        shutil.copyfile(path, source)
        options = [word for name, value in (definitions or {}).items()
                   for word in ("-D", f"{name}={value}")]  # fmt: skip
        ended = subprocess.run(
            ["openscad", "-o", str(out), *options, str(source)],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        if ended.returncode != 0 or not out.is_file():
            raise UnreadableFile(
                f"OpenSCAD made no mesh of it: {_reason(ended.stderr)}",
                hint="Open it in OpenSCAD, mend it, and upload it again.",
            )
        return read_off(out)


def _reason(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").splitlines()
    telling = [line for line in lines if line.startswith(("ERROR", "Current top level"))]
    last = (telling or lines or ["it said nothing."])[-1]
    return last.partition(", in file")[0][:200].rstrip(". ") + "."
