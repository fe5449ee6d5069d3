"""Repairs a whole file: mends each piece, does what was asked beside, and judges the result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from fabcoord.designs.meshcheck.judge import judge
from fabcoord.designs.meshcheck.repair.holes import enclosed_mm3
from fabcoord.designs.meshcheck.repair.mend import Mended, all_pieces, mend
from fabcoord.designs.meshcheck.repair.report import (
    MOST_CHANGE,
    Options,
    Outcome,
    Result,
    Shape,
)
from fabcoord.designs.meshcheck.repair.solids import fewer_triangles, united
from fabcoord.designs.meshcheck.report import CheckReport, Verdict
from fabcoord.designs.meshcheck.soup import Floats, Soup
from fabcoord.designs.meshcheck.topology import build_surface


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done, and the mesh that came of it: (n, 3, 3) in mm, None when there is none."""

    result: Result
    triangles: Floats | None


class _GivenUpError(Exception):
    """There is no solid to be made of it; the text says why."""


def repair(soup: Soup, options: Options) -> Repaired:
    """Repair what a file holds. Raises UnreadableFile for a file that has lost its end."""
    first = judge(soup)
    try:
        return _repair(soup, first.report, options)
    except _GivenUpError as error:
        return Repaired(Result(Outcome.IMPOSSIBLE, str(error)), None)


def _repair(soup: Soup, said: CheckReport, options: Options) -> Repaired:
    if said.verdict is Verdict.UNPRINTABLE:
        raise _GivenUpError(_first_error(said))
    steps: Counter[str] = Counter()
    surface = build_surface(soup.triangles)
    if surface.collapsed:
        steps["triangles without area left out"] = surface.collapsed
    parts = all_pieces(surface.vertices, surface.faces)
    bodies = [one for one in parts if one.encloses_something]
    loose = sum(len(one.faces) for one in parts) - sum(len(one.faces) for one in bodies)
    if not bodies or 2 * loose > len(surface.faces):
        raise _GivenUpError("Its triangles enclose no volume, so no repair makes a solid of them.")
    mended = [mend(one) for one in bodies]
    for one in mended:
        steps.update(one.steps)
    lost = [one for one in mended if one.lost]
    whole = [one for one in mended if not one.lost]
    if not whole:
        raise _GivenUpError("No part of it could be closed without losing most of it.")
    if loose:
        steps["loose triangles left out"] = loose
    triangles = _scaled(_corners(whole), options.scale, steps)
    after_mending = _judged(triangles)
    triangles, spared_mm3 = _as_asked(after_mending, options, steps)
    final = _judged(triangles)
    signs = _signs(mended)
    before_mm3 = float((signs * np.abs([one.volume_before_mm3 for one in mended])).sum())
    change = _change(mended, before_mm3)
    change += abs(spared_mm3) / max(abs(before_mm3) * options.scale**3, 1e-12)
    before = _shape(said, before_mm3, int((signs > 0).sum()))
    after = _shape(final[0], float(final[0].volume_mm3 or 0), final[0].bodies or 0)
    doubts = _doubts(lost, loose, change, before, after, _shape(after_mending[0], 0, 0), options)
    better = _is_better(said, final[0], options, before, after)
    outcome = Outcome.NO_BETTER
    if better:
        outcome = Outcome.DOUBTFUL if doubts else Outcome.MENDED
    told = tuple(f"{what}: {count:,}" for what, count in steps.items())
    result = Result(
        outcome, _message(outcome, said, final[0]), told, tuple(doubts), before, after,
        round(change, 6),
    )  # fmt: skip
    return Repaired(result, triangles if better else None)


def _judged(triangles: Floats) -> tuple[CheckReport, Floats]:
    judged = judge(Soup(triangles, has_unit=True))
    if judged.print_mesh is None:
        raise _GivenUpError(_first_error(judged.report))
    return judged.report, judged.print_mesh


def _corners(mended: list[Mended]) -> Floats:
    return np.concatenate([one.piece.vertices[one.piece.faces] for one in mended])


def _scaled(triangles: Floats, scale: float, steps: Counter[str]) -> Floats:
    if scale == 1.0:
        return triangles
    steps[f"all lengths multiplied by {scale:g}, in triangles"] = len(triangles)
    scaled: Floats = triangles * np.float32(scale)
    return scaled


def _as_asked(
    mended: tuple[CheckReport, Floats], options: Options, steps: Counter[str]
) -> tuple[Floats, float]:
    """Union and decimation, which need closed bodies; the volume in mm³ that decimation takes."""
    report, triangles = mended
    if options.union:
        whole = united(triangles) if report.verdict is Verdict.PRINTABLE else None
        if whole is None:
            raise _GivenUpError("Its bodies could not be united, since they are not all closed.")
        steps["bodies united"] = report.bodies or 0
        triangles = whole
    if options.decimate is not None and len(triangles) > options.decimate:
        fewer = fewer_triangles(triangles, options.decimate)
        if fewer is None:
            raise _GivenUpError(
                f"It could not be made of {options.decimate:,} triangles without opening it. "
                "Ask for more triangles."
            )
        steps["triangles spared"] = len(triangles) - len(fewer)
        return fewer, enclosed_mm3(triangles) - enclosed_mm3(fewer)
    return triangles, 0.0


def _signs(mended: list[Mended]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """-1 for pieces that look inward within another one: hollows, which take volume away."""
    boxes = [one.piece.box for one in mended]
    signs = np.ones(len(mended))
    inward = [i for i, one in enumerate(mended) if one.volume_before_mm3 < 0]
    for i in inward:
        low, high = boxes[i]
        for j, (outer_low, outer_high) in enumerate(boxes):
            around = j not in inward and (outer_low <= low).all() and (outer_high >= high).all()
            if around:
                signs[i] = -1.0
                break
    return signs


def _change(mended: list[Mended], before_mm3: float) -> float:
    """How much volume came or went, as a share; what is lost counts whole."""
    moved = sum(
        abs(one.volume_before_mm3)
        if one.lost
        else abs(abs(one.piece.volume_mm3) - abs(one.volume_before_mm3))
        for one in mended
    )
    return moved / max(abs(before_mm3), 1e-12)


def _shape(report: CheckReport, volume_mm3: float, bodies: int) -> Shape:
    return Shape(
        triangles=report.triangles or 0,
        bodies=bodies,
        volume_mm3=round(volume_mm3, 6),
        area_mm2=report.area_mm2 or 0.0,
        size_mm=report.size_mm or (0.0, 0.0, 0.0),
        closed=report.verdict is Verdict.PRINTABLE,
    )


def _doubts(
    lost: list[Mended], loose: int, change: float, before: Shape, after: Shape,
    mended: Shape, options: Options,
) -> list[str]:  # fmt: skip
    """Why a person has to look before this replaces anything."""
    doubts = []
    if lost:
        doubts.append(f"Bodies that could not be closed would be lost: {len(lost)}.")
    elif after.bodies < before.bodies and not options.union:
        doubts.append(f"Of {before.bodies} bodies {after.bodies} would be left.")
    if loose:
        doubts.append(f"Triangles that enclose nothing would be left out: {loose:,}.")
    if change > MOST_CHANGE:
        doubts.append(f"The volume would change by {change * 100:.1f} %.")
    wanted = [side * options.scale for side in before.size_mm]
    slack = MOST_CHANGE * max(*wanted, 1e-9)
    if any(abs(a - b) > slack for a, b in zip(after.size_mm, wanted, strict=True)):
        doubts.append("Its outer size would change.")
    if options.decimate is not None and mended.closed and not after.closed:
        doubts.append("With fewer triangles it would no longer be closed.")
    return doubts


def _is_better(
    said: CheckReport, final: CheckReport, options: Options, before: Shape, after: Shape
) -> bool:
    flaws = {one.code: one.count or 1 for one in said.findings if one.repairable}
    left = {one.code: one.count or 1 for one in final.findings if one.repairable}
    for ours in (flaws, left):
        ours.pop("unit_guess", None)
    if any(left.get(code, 0) > flaws.get(code, 0) for code in left):
        return False
    mended = any(left.get(code, 0) < count for code, count in flaws.items())
    asked = (
        options.scale != 1.0
        or (options.union and after.bodies < before.bodies)
        or (options.decimate is not None and after.triangles < before.triangles)
    )
    return mended or asked


def _message(outcome: Outcome, said: CheckReport, final: CheckReport) -> str:
    if outcome is Outcome.NO_BETTER:
        if said.verdict is Verdict.PRINTABLE:
            return "There is nothing to repair: the model is closed and consistent as it is."
        return (
            "Repair makes nothing better here: what can be mended without a person is not what "
            "is wrong. Close the model in the program that made it."
        )
    if final.verdict is Verdict.PRINTABLE:
        closed = "The repaired model is closed and consistent."
    else:
        closed = "The repaired model has fewer flaws, but is still not closed."
    if outcome is Outcome.DOUBTFUL:
        return f"{closed} It differs so much from the original that a person has to look first."
    return closed


def _first_error(report: CheckReport) -> str:
    errors = [one.message for one in report.findings if one.severity == "error"]
    return errors[0] if errors else "There is nothing in it that could be printed."
