"""The plates of a slicer's project: which build item of a 3MF is printed in which go.

Bambu Studio and OrcaSlicer write them to ``Metadata/model_settings.config``; the 3MF
specification itself knows none.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator

from fabcoord.designs.meshcheck.report import Plate
from fabcoord.designs.meshcheck.scene import Use
from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.designs.meshcheck.xml import pairs, parse_xml

_MOST = 100

Item = tuple[str, int]  # an object's id, and which of its build items, from 0


def read_plates(settings: bytes) -> dict[Item, int]:
    """The number of the plate of each build item, from 1. Raises UnreadableFile for bad XML."""
    found: dict[Item, int] = {}
    plate = 0
    instance: dict[str, str] | None = None

    def start(name: str, given: list[str]) -> None:
        attributes = pairs(given)
        nonlocal plate, instance
        if name == "plate":
            plate += 1
        elif name == "model_instance":
            instance = {}
        elif name == "metadata" and instance is not None:
            instance[attributes.get("key", "")] = attributes.get("value", "")

    def end(name: str) -> None:
        nonlocal instance
        if name == "model_instance" and instance is not None:
            nth = instance.get("instance_id", "0")
            if plate <= _MOST and nth.isdecimal() and len(nth) < 6:
                found[instance.get("object_id", ""), int(nth)] = plate
            instance = None

    parse_xml(io.BytesIO(settings), "3MF", start, end=end)
    return found


def numbered(items: Iterable[Use]) -> Iterator[tuple[Use, Item]]:
    """Build items with how the project calls them."""
    seen: Counter[str] = Counter()
    for use in items:
        yield use, (use.key[1], seen[use.key[1]])
        seen[use.key[1]] += 1


def plates_of(soups: Iterable[tuple[Soup, int | None]]) -> tuple[Plate, ...]:
    """The plates that something lies on, with the size of what does."""
    by_number: dict[int, list[Soup]] = {}
    for soup, number in soups:
        if number is not None and len(soup.triangles) and not soup.non_finite:
            by_number.setdefault(number, []).append(soup)
    found = []
    for number, pieces in sorted(by_number.items()):
        low = [min(float(p.triangles[..., axis].min()) for p in pieces) for axis in range(3)]
        high = [max(float(p.triangles[..., axis].max()) for p in pieces) for axis in range(3)]
        x, y, z = (round(top - bottom, 4) for bottom, top in zip(low, high, strict=True))
        found.append(Plate(number, len(pieces), (x, y, z)))
    return tuple(found)
