"""The Engine protocol that every slicer implements, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fabcoord.printers.machines import MachineModel
from fabcoord.slicing.gcode import GcodeInfo
from fabcoord.slicing.placement import Placement
from fabcoord.slicing.plates import Part
from fabcoord.slicing.presets import Preset


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """One mesh, or a plate of several, to be sliced for one machine.

    ``mesh`` is an STL in millimetres (the normalised mesh that the check writes), whatever its
    file is called. Projects (3MF) are never given to a slicer: they may carry settings, G-code
    and programs to run.
    """

    mesh: Path
    machine: MachineModel
    preset: Preset
    placement: Placement = field(default_factory=Placement)
    parts: tuple[tuple[Path, Part], ...] = ()  # of a plate, instead of ``mesh`` and ``placement``


@dataclass(frozen=True, slots=True)
class SliceResult:
    """G-code that a slicer made, not yet vetted."""

    gcode: Path  # in the directory given to `slice`
    info: GcodeInfo
    engine: str
    engine_version: str
    wall_s: float


class Engine(Protocol):
    """One slicer."""

    @property
    def name(self) -> str:
        """Its name, as it goes into slice keys: ``prusaslicer``."""

    def version(self) -> str:
        """The version installed here; raises SlicerMissing where there is none."""

    def slice(
        self,
        request: SliceRequest,
        cwd: Path,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[float, str], None] = lambda _share, _stage: None,
    ) -> SliceResult:
        """Slice in ``cwd``, a directory of its own.

        Args:
            cancelled: asked a few times a second; true ends the slicer.
            progress: called with a share of 0 to 1 and the slicer's words, from another thread.

        Raises SlicingFailed in plain words, SlicerMissing, or Cancelled.
        """


class Cancelled(Exception):
    """The caller's ``cancelled`` said so; nothing went wrong."""
