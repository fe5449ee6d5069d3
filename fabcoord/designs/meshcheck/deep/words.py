"""The deep findings in plain words: what each means for the print and what to do."""

from __future__ import annotations

from fabcoord.designs.meshcheck.deep.report import Rotation
from fabcoord.designs.meshcheck.report import Finding, Severity


def lighter_copy(triangles: int, examined: int) -> Finding:
    text = (
        f"With {triangles:,} triangles the model is finer than any printer shows. Walls, features "
        f"and overhangs were measured on a lighter copy with {examined:,}, and surfaces that "
        "pass through each other were not looked for."
    )
    return Finding("measured_on_lighter_copy", Severity.INFO, text, triangles)


def not_all_seen(share: float) -> Finding:
    text = (
        f"Surfaces that pass through each other were looked for in {share:.0%} of the model, for "
        "as long as a check may take. None were found there."
    )
    return Finding("crossings_not_all_seen", Severity.INFO, text, value=round(share, 3))


def self_intersection(count: int, share: float) -> Finding:
    text = (
        f"The surface passes through itself ({_count(count, share)} of crossing triangles). "
        "Slicers mostly join what overlaps, but thin gaps or extra walls may show at these "
        "places. Where that matters, join the parts in the design program."
    )
    return Finding("self_intersection", Severity.WARNING, text, count)


def overlapping_bodies(pairs: int, share: float) -> Finding:
    text = (
        f"Bodies overlap ({_count(pairs, share)} of bodies). Slicers mostly print them as one, but "
        "extra walls inside cost time and material. Repair can join them to one body."
    )
    return Finding("overlapping_bodies", Severity.WARNING, text, pairs, repairable=True)


def thin_walls(
    share: float, thinnest_mm: float, samples: int, nozzle_mm: float, line_mm: float
) -> Finding:
    text = (
        f"Walls are thinner than the {line_mm:.3g} mm line of a {nozzle_mm:g} mm nozzle over "
        f"{_percent(share)} of the surface; the thinnest seen is {thinnest_mm:.2g} mm. They may "
        "be left out or break. Make them thicker, scale the part up, or ask for a finer nozzle. "
        f"(Measured at {samples:,} places; smaller ones may be missed.)"
    )
    count = round(share * samples)
    return Finding("thin_walls", Severity.WARNING, text, count, thinnest_mm)


def small_features(count: int, share: float, heights: int, nozzle_mm: float) -> Finding:
    text = (
        f"Features are smaller than what a {nozzle_mm:g} mm nozzle draws (places: {count:,}, in "
        f"cross sections at {heights} heights; {_percent(share)} of their area). They will be "
        "missing or blurred. Make them larger, turn the part, or ask for a finer nozzle."
    )
    return Finding("small_features", Severity.WARNING, text, count, round(share, 5))


def overhang(share: float) -> Finding:
    text = (
        f"{_percent(share)} of the surface hangs over by more than 45 degrees, as the part lies "
        "in the file. It needs support there, or sags a little."
    )
    severity = Severity.WARNING if share >= 0.1 else Severity.INFO
    return Finding("overhang", severity, text[0].upper() + text[1:], value=round(share, 5))


def small_contact(contact_mm2: float) -> Finding:
    touches = f"Only {contact_mm2:.0f} mm²" if contact_mm2 >= 0.5 else "Next to nothing"
    text = (
        f"{touches} of the first layer touches the bed, so the part may come loose while it "
        "prints. Print it with a brim, or turn it onto a larger side."
    )
    return Finding("small_contact", Severity.WARNING, text, value=round(contact_mm2, 3))


def orientation(saved: float, rotation: Rotation, height_mm: float) -> Finding:
    turns = " and ".join(
        f"{degrees:g}° about {axis}"
        for degrees, axis in zip(rotation, "XYZ", strict=True)
        if degrees
    )
    text = (
        f"Turned by {turns} it needs {_percent(saved)} less support and is {height_mm:.3g} mm "
        "high. The print form offers that."
    )
    return Finding(
        "orientation", Severity.INFO, text, value=round(saved, 5), suggested_rotation=rotation
    )


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{share * 100:.0f} %"


def _count(pairs: int, share: float) -> str:
    seen = "" if share >= 1 else f", in the {share:.0%} of the model that could be looked at"
    return f"{pairs:,} pair{'s' if pairs != 1 else ''}{seen}"
