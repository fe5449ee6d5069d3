"""Writes a design of this lab as manifests: 2.4 in TOML and v1 in YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fabcoord.designs.okh import facts
from fabcoord.designs.okh.manifest import Manifest, Version
from fabcoord.designs.okh.validate import paths_of

_EDITABLE = ("step", "scad")


@dataclass(frozen=True, slots=True)
class Described:
    """All that a manifest says of a design.

    Attributes:
        design: the design in the shape of the API.
        files: path in the bundle and format of each file of the newest revision.
        address: where the design can be seen in this lab.
        made_from: addresses of what it was made from.
        made: whether it was printed here; ``made_by_others``: for somebody else than its owner.
        kept: the manifests it came with, by family (``toml``, ``yaml``).
        is_as_it_came: whether its newest revision is the one that the manifests came with.
        gone: paths that the manifests may name, but that are no longer part of the design.
    """

    design: dict[str, Any]
    files: list[tuple[str, str]]
    address: str
    made_from: tuple[str, ...] = ()
    made: bool = False
    made_by_others: bool = False
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_as_it_came: bool = False
    gone: frozenset[str] = frozenset()

    @property
    def author(self) -> str:
        """Who is to be named."""
        return str(self.design["attribution"] or self.design["owner"])


def toml(described: Described) -> Manifest:
    """The manifest of version 2.4."""
    design = described.design
    base = described.kept.get("toml")
    base = facts.mended(base) if base else facts.to_toml(described.kept.get("yaml", {}))
    own: dict[str, Any] = {
        "okhv": Version.V2_4.value,
        "name": design["title"],
        "repo": facts.facts(Manifest(Version.V2_4, base)).repo or described.address,
        "version": _version(described, base),
        "license": design["licence"],
        "licensor": _licensor(described, base.get("licensor"), described.author),
        "function": design["description"] or base.get("function") or design["title"],
    }
    fields = own | {key: value for key, value in base.items() if key not in own}
    if described.made_from and "fork-of" not in fields:
        several = list(described.made_from)
        fields["fork-of"] = several[0] if len(several) == 1 else several
    fields.setdefault("tsdc", "3DP")
    _name_files(fields, described)
    return Manifest(Version.V2_4, fields)


def v1(described: Described) -> Manifest:
    """The manifest of version 1; it alone can say that somebody has made the thing."""
    design = described.design
    base = described.kept.get("yaml")
    base = base if base is not None else facts.to_v1(described.kept.get("toml", {}))
    known = facts.facts(Manifest(Version.V1, base))
    licensed = base.get("license") if known.licence == design["licence"] else None
    fields = base | {
        "title": design["title"],
        "description": design["description"] or base.get("description") or design["title"],
        "version": _version(described, base),
        "license": licensed or {"hardware": design["licence"]},
        "licensor": _licensor(described, base.get("licensor"), {"name": described.author}),
        "made": described.made or base.get("made") is True,
        "made-independently": described.made_by_others or base.get("made-independently") is True,
        "okh-manifest-version": Version.V1.value,
    }
    fields.setdefault("manifest-author", {"name": described.author})
    fields.setdefault("date-created", design["created_at"][:10])
    if not known.repo:
        fields["project-link"] = described.address
    if list(known.tags) != design["tags"]:
        fields["keywords"] = design["tags"]
    if described.made_from and "derivative-of" not in fields:
        fields["derivative-of"] = [{"web": address} for address in described.made_from]
    named = {path for _, path in paths_of(fields)}
    missing = [path for path, _ in described.files if path not in named]
    listed = fields.get("design-files", [])
    kept = [one for one in listed if _path(one) not in described.gone] if isinstance(
        listed, list) else [listed]  # fmt: skip
    if missing or kept:
        fields["design-files"] = kept + [{"path": path, "title": _title(path)} for path in missing]
    return Manifest(Version.V1, fields)


def _version(described: Described, base: dict[str, Any]) -> str:
    said = base.get("version")
    if described.is_as_it_came and isinstance(said, str) and said:
        return said
    return str(described.design["revision"]["number"])


def _licensor(described: Described, kept: Any, own: Any) -> Any:
    """As the manifest had it, with mail addresses, while it still means the same people."""
    return kept if kept and facts.names(kept) == described.author else own


def _name_files(fields: dict[str, Any], described: Described) -> None:
    for key in ("source", "export"):
        listed = fields.get(key)
        if isinstance(listed, list):
            fields[key] = [one for one in listed if one not in described.gone]
    named = {path for _, path in paths_of(fields)}
    for path, format_ in described.files:
        if path in named:
            continue
        key = "source" if format_ in _EDITABLE else "export"
        listed = fields.get(key, [])
        fields[key] = [*(listed if isinstance(listed, list) else [listed]), path]
    for key in ("source", "export"):
        if fields.get(key) == []:
            del fields[key]


def _path(entry: Any) -> str:
    return str(entry.get("path", "")) if isinstance(entry, dict) else str(entry)


def _title(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0] or path
