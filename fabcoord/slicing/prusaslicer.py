"""Slices with PrusaSlicer's command line, sandboxed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from fabcoord.errors import SlicerMissing, SlicingFailed
from fabcoord.slicing import plates
from fabcoord.slicing.engine import Cancelled, SliceRequest, SliceResult
from fabcoord.slicing.gcode import read_info
from fabcoord.slicing.locate import slicer_binary
from fabcoord.work.sandbox import Completed, Limits, run

_PROGRESS = re.compile(r"^(\d{1,3}) => (.+)$")
_VERSION = re.compile(r"PrusaSlicer-(\S+)")

# What the slicer says, what it means, and what to do. Seen with 2.5.0.
_NO_ROOM = "could not fit on the bed"
_MEANINGS = (
    (
        "No layers were detected",
        "The part is thinner than one layer, so there is nothing to print.",
        "Check its units: a file in metres or inches needs scaling.",
    ),
    (
        _NO_ROOM,
        "The slicer could not lay the part on the bed: it is too large, or its mesh is damaged.",
        "Check its size; then scale it down, or repair the mesh.",
    ),
    (
        "Loading of a model file failed",
        "The slicer could not read the mesh.",
        "Repair or export the file again.",
    ),
    (
        "outside of the print volume",
        "The part reaches outside of the build volume.",
        "Scale it down, turn it, or choose a larger machine.",
    ),
    (
        "no object is fully inside the print volume",
        "The part reaches outside of the build volume.",
        "Scale it down, turn it, or choose a larger machine.",
    ),
    (
        "bad_alloc",
        "The slicer ran out of memory.",
        "The mesh is too fine for this machine: simplify it.",
    ),
    (
        "There is an object with no extrusions in the first layer",
        "The part does not touch the bed.",
        "Turn it so that it stands on a flat face.",
    ),
)


@dataclass(frozen=True, slots=True)
class PrusaSlicer:
    """The PrusaSlicer that is installed here.

    Args:
        binary: its path; looked for unless given.
        limits: what one slice may use. Address space, not memory: a million triangles need
            about 260 MB of memory.
    """

    binary: Path | None = None
    limits: Limits = field(
        default=Limits(memory_bytes=4 << 30, cpu_s=1800, file_size_bytes=1 << 30, wall_s=1800)
    )

    @property
    def name(self) -> str:
        return "prusaslicer"

    def version(self) -> str:
        """The version installed, for example ``2.5.0+UNKNOWN``; raises SlicerMissing."""
        binary = self.binary or slicer_binary()
        try:
            stat = binary.stat()
        except OSError as error:
            raise SlicerMissing(
                f"There is no slicer at {binary}.",
                hint="Install it with: sudo apt install prusa-slicer.",
            ) from error
        return _version(binary, stat.st_mtime_ns, stat.st_size)

    def slice(
        self,
        request: SliceRequest,
        cwd: Path,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[float, str], None] = lambda _share, _stage: None,
    ) -> SliceResult:
        """Slice one mesh; see `Engine.slice`."""
        version = self.version()
        cwd.mkdir(parents=True, exist_ok=True)
        for mesh in [path for path, _ in request.parts] or [request.mesh]:
            _refuse_projects(mesh)
        # The slicer chooses its reader by the ending, and blobs have none.
        mesh, preset, gcode = cwd / "model.stl", cwd / "preset.ini", cwd / "out.gcode"
        for left_over in (mesh, gcode):
            left_over.unlink(missing_ok=True)
        names = self._plate(request, cwd, cancelled)
        if not names:
            mesh.symlink_to(request.mesh.resolve())
        preset.write_text(request.preset.ini, "utf-8")

        furthest = 0.0

        def on_line(line: str) -> None:
            nonlocal furthest
            # The slicer's stages run side by side, so its figures go back and forth.
            if step := _PROGRESS.match(line):
                furthest = max(furthest, min(int(step[1]), 100) / 100)
                progress(furthest, step[2])

        done = run(
            [self.binary or slicer_binary(), *_arguments(request, names)],
            cwd=cwd,
            limits=self.limits,
            cancelled=cancelled,
            on_line=on_line,
        )
        if done.ended_by == "cancelled":
            raise Cancelled
        if done.ended_by == "wall" or done.returncode != 0 or not gcode.is_file():
            _fail(done, self.limits, is_plate=bool(names))
        info = read_info(gcode)
        # Exit code 0 is not success: the times come last, so a file with them is complete.
        if info.duration_s is None or info.length_mm in (None, 0.0):
            _fail(done, self.limits)
        return SliceResult(gcode, info, self.name, version, done.wall_s)

    def _plate(self, request: SliceRequest, cwd: Path, cancelled: Callable[[], bool]) -> list[str]:
        """The files of a plate, each part turned as it was asked for; none for a single mesh."""

        def bake(arguments: list[str]) -> None:
            done = run(
                [self.binary or slicer_binary(), *arguments],
                cwd=cwd,
                limits=self.limits,
                cancelled=cancelled,
            )
            if done.ended_by == "cancelled":
                raise Cancelled
            if done.returncode != 0:
                _fail(done, self.limits)

        return plates.lay_out(request.parts, cwd, bake)


def _arguments(request: SliceRequest, names: list[str]) -> list[str]:
    x, y = request.machine.centre_mm
    arguments = ["--load", "preset.ini", "--center", f"{x:g},{y:g}"]
    if names:  # arranged by the slicer itself, around the middle
        return [*arguments, "--merge", "--export-gcode", "-o", "out.gcode", *names]
    arguments += plates.turn_options(request.placement)
    return [*arguments, "--export-gcode", "-o", "out.gcode", "model.stl"]


def _refuse_projects(mesh: Path) -> None:
    with mesh.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        raise SlicingFailed(
            "A 3MF project is not given to the slicer, because it may carry programs to run.",
            hint="Slice the mesh that the check made of it.",
        )


def _fail(done: Completed, limits: Limits, *, is_plate: bool = False) -> NoReturn:
    """Say in plain words why there is no G-code."""
    said = f"{done.stderr}\n{done.stdout}"
    if is_plate and _NO_ROOM in said:
        raise SlicingFailed(
            "These parts do not fit on one plate together.",
            hint="Ask for fewer of them, or for each by itself.",
        )
    for words, meaning, hint in _MEANINGS:
        if words in said:
            raise SlicingFailed(meaning, hint=hint)
    if done.ended_by == "wall":
        raise SlicingFailed(
            f"The slicer did not finish within {limits.wall_s:g} seconds and was stopped.",
            hint="Simplify the mesh, or choose a coarser quality.",
        )
    if done.signal_name == "SIGXCPU" or done.signal_name == "SIGKILL":
        raise SlicingFailed(
            "The slicer was stopped because it used too much time or memory.",
            hint="Simplify the mesh, or choose a coarser quality.",
        )
    if done.signal_name == "SIGXFSZ":
        raise SlicingFailed(
            "The G-code grew larger than this lab takes.", hint="Choose a coarser quality."
        )
    if done.signal_name is not None:
        raise SlicingFailed(
            f"The slicer crashed on this mesh ({done.signal_name}).",
            hint="The mesh is probably damaged: repair it, or export it again.",
        )
    if done.returncode == 0:
        raise SlicingFailed(
            "The slicer stopped before the G-code was complete.",
            hint="Try again; if it stays so, check the disk and the mesh.",
        )
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
    words = f": {last[0][:300]}" if last else ""
    raise SlicingFailed(f"The slicer gave up with code {done.returncode}{words}.")


@lru_cache(maxsize=8)
def _version(binary: Path, mtime_ns: int, size: int) -> str:
    with tempfile.TemporaryDirectory(prefix="fabcoord-slicer-") as directory:
        done = run(
            [binary, "--help"],
            cwd=Path(directory),
            limits=Limits(memory_bytes=4 << 30, cpu_s=20, file_size_bytes=1 << 20, wall_s=30),
        )
    found = _VERSION.search(done.stdout) or _VERSION.search(done.stderr)
    if found is None:
        raise SlicerMissing(
            f"{binary} does not say that it is PrusaSlicer.",
            hint="Install it with: sudo apt install prusa-slicer.",
        )
    return found[1]
