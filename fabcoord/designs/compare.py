"""Compares two revisions of a design: files, and the measures of their meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabcoord.designs import library
from fabcoord.errors import NotFound
from fabcoord.store.sqlite import Database

_MEASURES = ("volume_mm3", "area_mm2", "bodies", "triangles")


def revisions(
    db: Database, design_id: str, before: int | None, after: int | None
) -> dict[str, Any]:
    """``{design_id, from, to, is_equal, files}``; ``files`` as `files_differ` tells them.

    ``after`` is the newest revision where it is None, ``before`` the one before that.
    Raises NotFound for a revision that there is not.
    """
    known = {item["number"]: item for item in library.revisions(db, design_id)}
    after = max(known) if after is None else after
    before = max(after - 1, 1) if before is None else before
    for number in (before, after):
        if number not in known:
            raise NotFound(f"This design has no revision {number}.")
    old, new = known[before], known[after]
    pairs = files_differ(old["files"], new["files"])
    return {
        "design_id": design_id,
        "from": {name: old[name] for name in old if name != "files"},
        "to": {name: new[name] for name in new if name != "files"},
        "is_equal": all(pair["change"] == "same" for pair in pairs),
        "files": pairs,
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """A file before and after; one of the two is None when it was added or removed."""

    change: str  # added | removed | changed | renamed | same
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def files_differ(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The difference of two lists of files in the shape of the API, changes first.

    Each is ``{change, name, before, after, differences}``. ``differences`` holds, for what both
    have and where they differ, the value after minus the value before: ``size`` in bytes,
    ``volume_mm3``, ``area_mm2``, ``bodies``, ``triangles``, and ``size_mm`` of the bounding box.
    """
    order = ("changed", "renamed", "added", "removed", "same")
    pairs = sorted(_pairs(before, after), key=lambda pair: order.index(pair.change))
    return [
        {
            "change": pair.change,
            "name": (pair.after or pair.before or {})["name"],
            "before": pair.before,
            "after": pair.after,
            "differences": _differences(pair.before, pair.after),
        }
        for pair in pairs
    ]


def _pairs(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Pair]:
    """The same name is the same file; what is left over may have the same bytes: renamed."""
    left, right = list(before), list(after)
    found = []
    for new in after:
        old = next((one for one in left if one["name"] == new["name"]), None)
        if old is not None:
            left.remove(old)
            right.remove(new)
            change = "same" if old["sha256"] == new["sha256"] else "changed"
            found.append(Pair(change, old, new))
    for new in list(right):
        old = next((one for one in left if one["sha256"] == new["sha256"]), None)
        if old is not None:
            left.remove(old)
            right.remove(new)
            found.append(Pair("renamed", old, new))
    found += [Pair("removed", old, None) for old in left]
    return found + [Pair("added", None, new) for new in right]


def _differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    if before is None or after is None or before["sha256"] == after["sha256"]:
        return {}
    found: dict[str, Any] = {"size": after["size"] - before["size"]}
    was, now = before["check"], after["check"]
    for name in _MEASURES:
        if was.get(name) is not None and now.get(name) is not None:
            found[name] = round(now[name] - was[name], 6)
    if was.get("size_mm") and now.get("size_mm"):
        pairs = zip(was["size_mm"], now["size_mm"], strict=True)
        found["size_mm"] = [round(new - old, 6) for old, new in pairs]
    return {name: value for name, value in found.items() if value not in (0, [0, 0, 0])}
