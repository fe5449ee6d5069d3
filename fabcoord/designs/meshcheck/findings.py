"""The findings of the fast verdict: codes, words and places; deciding about them is `judge`'s."""

from __future__ import annotations

import numpy as np

from fabcoord.designs.meshcheck.marks import marks_at
from fabcoord.designs.meshcheck.report import Finding, Severity
from fabcoord.designs.meshcheck.shells import Shells
from fabcoord.designs.meshcheck.soup import FARTHEST_MM, Doubles, Soup
from fabcoord.designs.meshcheck.topology import (
    Flags,
    Surface,
    connected,
    duplicates,
    loose_faces,
)

HUGE_MM = 1000.0
TINY_MM = 1.0
INCH_SUSPECT_MM = 10.0
MM_PER_M, MM_PER_INCH = 1000.0, 25.4
FINE_TRIANGLES = 200_000  # fewer cost a slicer no time worth a word
FINE_MM = 0.2  # half the width of a line from a 0.4 mm nozzle
_FLAT = 1e-9  # of the volume that area and extent could enclose

EMPTY = Finding(
    "empty",
    Severity.ERROR,
    "The file holds no triangles, so there is nothing to print. Export the model again, with the "
    "solid selected.",
)


def bad_coordinates(soup: Soup) -> list[Finding]:
    """Points that are nowhere, or too far away for anything to be measured."""
    found = []
    if soup.non_finite:
        text = (
            f"Some points have a coordinate that is not a number ({soup.non_finite:,}), so the "
            "shape is not known, and repair would have to invent it. Export the model again."
        )
        found.append(Finding("non_finite", Severity.ERROR, text, soup.non_finite))
    if soup.out_of_range:
        text = (
            f"Some points lie more than {FARTHEST_MM / 1e6:.0f} km away ({soup.out_of_range:,}). "
            "The file is damaged or its unit is wrong. Export the model again."
        )
        found.append(Finding("out_of_range", Severity.ERROR, text, soup.out_of_range))
    return found


def nothing_enclosed(surface: Surface, shells: Shells) -> list[Finding]:
    """Why nothing can be printed of this surface, if so."""
    faces, edges = surface.faces, surface.edges
    loose = np.zeros(0, bool) if edges.paired else loose_faces(surface)
    if 2 * (count := int(loose.sum())) > len(faces):
        text = (
            f"Most triangles ({count:,} of {len(faces):,}) are not joined to any other, so they "
            "enclose nothing to print, and repair could only guess. Export the model as one closed "
            "solid."
        )
        marks = marks_at(surface.triangles[loose])
        return [Finding("loose_triangles", Severity.ERROR, text, count, marks=marks)]
    low, high = shells.box
    volume_mm3 = float(shells.volume_mm3.sum())
    flat = float((high - low).min()) == 0.0
    hollow = abs(volume_mm3) <= _FLAT * shells.area_mm2 * float((high - low).max())
    if flat or (hollow and not edges.open.any()):
        text = (
            "The surface encloses no volume: it has no thickness to print. Give it a thickness in "
            "the program that made it."
        )
        return [Finding("no_volume", Severity.ERROR, text, value=round(volume_mm3, 6))]
    return []


def not_closed(surface: Surface) -> list[Finding]:
    """What keeps the surface from being a closed solid; each can be repaired."""
    edges = surface.edges
    if edges.paired:
        return []
    found = []
    if edges.open.any():
        found.append(_holes(surface))
    if count := int(edges.crowded.sum()):
        text = (
            f"Three or more faces meet at one edge (edges: {count:,}), so inside and outside "
            "cannot be told apart. Repair the model, or join its parts where it was made."
        )
        found.append(_broken("non_manifold_edges", text, count, surface, edges.crowded))
    if count := int(edges.flipped.sum()):
        text = (
            f"Neighbouring faces disagree about which side is out (edges: {count:,}), so parts of "
            "the print may be missing. Repair turns them the same way."
        )
        found.append(_broken("inconsistent_winding", text, count, surface, edges.flipped))
    return found


def _holes(surface: Surface) -> Finding:
    edges, rim = surface.edges, surface.edges.open
    low, high = edges.low[rim], edges.high[rim]
    points, ends = np.unique(np.concatenate([low, high]), return_inverse=True)
    loop = connected(ends[: len(low)], ends[len(low) :], len(points))[ends[: len(low)]]
    length = np.linalg.norm(
        surface.vertices[low].astype(np.float64) - surface.vertices[high], axis=1
    )
    around = np.bincount(loop, length)
    holes, longest_mm = int(np.count_nonzero(np.bincount(loop))), float(around.max())
    many = "a hole" if holes == 1 else f"{holes:,} holes"
    text = (
        f"The surface has {many}: edges with a face on one side only ({len(low):,}), the longest "
        f"rim {longest_mm:.3g} mm. The slicer has to guess what is inside. Repair closes small "
        "holes; large ones are better closed where the model was made."
    )
    finding = _broken("open_edges", text, len(low), surface, rim)
    return Finding(
        finding.code, finding.severity, text, finding.count, round(longest_mm, 4), True,
        marks=finding.marks,
    )  # fmt: skip


def _broken(code: str, text: str, count: int, surface: Surface, which: Flags) -> Finding:
    ends = np.stack([surface.edges.low[which], surface.edges.high[which]], axis=1)
    marks = marks_at(surface.vertices[ends])
    return Finding(code, Severity.ERROR, text, count, repairable=True, marks=marks)


def left_out(soup: Soup, surface: Surface) -> list[Finding]:
    """Triangles that are of no use: without an area, or there twice."""
    found = []
    if surface.collapsed and surface.kept is not None:
        text = (
            "Triangles without an area, their corners fallen together, were left out "
            f"({surface.collapsed:,}). That does not change the print."
        )
        marks = marks_at(soup.triangles[~surface.kept, 0])
        found.append(
            Finding("collapsed_faces", Severity.INFO, text, surface.collapsed, None, True, marks)
        )
    twice = duplicates(surface)
    if count := int(twice.sum()):
        text = (
            f"Triangles are in the file more than once ({count:,} too many), perhaps because a "
            "body was pasted twice. The slicer may fill them wrongly; repair drops them."
        )
        marks = marks_at(surface.triangles[twice])
        found.append(Finding("duplicate_faces", Severity.WARNING, text, count, None, True, marks))
    return found


def inside_out(surface: Surface, shells: Shells, turned: Flags) -> list[Finding]:
    """Bodies that were turned for printing."""
    if not (count := int(turned.sum())):
        return []
    text = (
        f"Faces of the model look inward (bodies inside out: {count:,}). They were turned for "
        "printing, which is as meant unless the inside should be hollow."
    )
    marks = marks_at(surface.triangles[turned[shells.of_face]])
    return [Finding("inverted", Severity.WARNING, text, count, None, True, marks)]


def bodies_apart(
    surface: Surface, shells: Shells, bodies: Flags, afloat: Flags, within: Flags
) -> list[Finding]:
    """Several bodies, those in the air, those inside others."""
    found = []
    if (count := int(bodies.sum())) > 1:
        text = (
            f"The file holds {count:,} separate bodies. They are printed together, placed as in "
            "the file."
        )
        found.append(Finding("several_bodies", Severity.INFO, text, count))
    if count := int(afloat.sum()):
        text = (
            f"Bodies hang in the air ({count:,}): they neither stand on the bed nor touch a body "
            "that does. Without supports they are printed onto nothing. Move them down, or split "
            "the file; repair does not move them."
        )
        marks = marks_at(_boxes_as_lines(shells.low[afloat], shells.high[afloat]))
        found.append(Finding("floating_bodies", Severity.WARNING, text, count, marks=marks))
    if count := int(within.sum()):
        text = (
            f"Bodies lie wholly inside others ({count:,}). The slicer fills both, so nothing of "
            "the inner ones is seen. If they are meant as hollows, their faces have to look "
            "inward: turn them where the model was made."
        )
        marks = marks_at(surface.triangles[within[shells.of_face]])
        found.append(Finding("nested_bodies", Severity.WARNING, text, count, marks=marks))
    return found


def _boxes_as_lines(low: Doubles, high: Doubles) -> Doubles:
    """The lower outlines and the diagonals of boxes: segments of shape (5 n, 2, 3)."""
    corner = [
        np.stack([x, y, low[:, 2]], axis=1)
        for x, y in (
            (low[:, 0], low[:, 1]), (high[:, 0], low[:, 1]),
            (high[:, 0], high[:, 1]), (low[:, 0], high[:, 1]),
        )
    ]  # fmt: skip
    ends = [(corner[i], corner[(i + 1) % 4]) for i in range(4)] + [(low, high)]
    lines: Doubles = np.stack([np.stack(pair, axis=1) for pair in ends], axis=1).reshape(-1, 2, 3)
    return lines


def size(extent_mm: float, has_unit: bool) -> list[Finding]:
    """Sizes that hint at another unit, with the factor that would mend it."""
    said, value = f"{extent_mm:.3g} mm", round(extent_mm, 6)
    if extent_mm > HUGE_MM:
        text = f"The model is {said} long, more than common printers take. Check its unit or scale."
        factor = None if has_unit or extent_mm < 10 * HUGE_MM else 1 / MM_PER_M
        return [Finding("huge", Severity.WARNING, text, None, value, suggested_scale=factor)]
    if extent_mm < TINY_MM:
        if has_unit:
            text = f"The model is only {said} long, too small to print. Check its unit or scale."
            return [Finding("tiny", Severity.WARNING, text, value=value)]
        text = (
            f"Read as millimetres the model is only {said} long. Perhaps it was drawn in metres: "
            "then scale it by 1000."
        )
        return [
            Finding("unit_guess", Severity.WARNING, text, None, value, suggested_scale=MM_PER_M)
        ]
    if extent_mm < INCH_SUSPECT_MM and not has_unit:
        text = (
            f"Read as millimetres the model is {said} long. If it was drawn in inches, scale it "
            "by 25.4."
        )
        return [
            Finding("unit_guess", Severity.INFO, text, None, value, suggested_scale=MM_PER_INCH)
        ]
    return []


def too_fine(triangles: int, area_mm2: float) -> list[Finding]:
    """More triangles than a print can show; ``value`` is how many would do."""
    if triangles < FINE_TRIANGLES:
        return []
    edge_mm = float(np.sqrt(area_mm2 / triangles * 4 / np.sqrt(3)))  # if they were equilateral
    if edge_mm > FINE_MM:
        return []
    enough = max(int(triangles * (edge_mm / FINE_MM) ** 2), FINE_TRIANGLES // 2)
    text = (
        f"The model has {triangles:,} triangles, on average {edge_mm:.2g} mm across: finer than a "
        f"0.4 mm nozzle can show. About {enough:,} print the same and slice faster."
    )
    return [Finding("too_fine", Severity.INFO, text, triangles, float(enough))]
