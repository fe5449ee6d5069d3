"""What a design takes from a manifest, and one version's fields in the words of another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fabcoord.designs.okh.manifest import Manifest, Version
from fabcoord.designs.okh.values import is_url

_MAIL = re.compile(r"\s*<[^>]*>\s*$")
_SAME = ("bom", "image", "version", "documentation-language")


@dataclass(frozen=True, slots=True)
class Facts:
    """A manifest as far as a design has a place for it. ``licence`` is as written, unchecked."""

    title: str
    description: str
    licence: str
    author: str
    tags: tuple[str, ...]
    repo: str
    forked_from: tuple[str, ...]  # addresses


def facts(manifest: Manifest) -> Facts:
    """What a design takes from a manifest of any version."""
    fields = manifest.fields
    if manifest.version is not Version.V1:
        return Facts(
            title=_word(fields.get("name")),
            description=_word(fields.get("function")),
            licence=_word(fields.get("license")),
            author=names(fields.get("licensor")),
            tags=(),
            repo=_address(fields.get("repo")),
            forked_from=_addresses(fields.get("fork-of", fields.get("forkOf"))),
        )
    return Facts(
        title=_word(fields.get("title")),
        description=_word(fields.get("description")),
        licence=_licence_v1(fields.get("license")),
        author=names(fields.get("licensor") or fields.get("contributors")),
        tags=tuple(_word(one) for one in _list(fields.get("keywords")) if _word(one)),
        repo=_address(fields.get("project-link")) or _address(fields.get("documentation-home")),
        forked_from=_addresses(fields.get("derivative-of")),
    )


def names(agents: Any) -> str:
    """Who is meant by a licensor: one name, or several with commas, without mail addresses."""
    found = []
    for one in _list(agents):
        name = _word(one.get("name")) if isinstance(one, dict) else _word(one)
        found.append(_MAIL.sub("", name))
    return ", ".join(one for one in found if one)


def to_toml(v1: dict[str, Any]) -> dict[str, Any]:
    """The fields of a v1 manifest in the words of 2.4, as far as 2.4 has words for them."""
    known = facts(Manifest(Version.V1, v1))
    fields: dict[str, Any] = {
        "name": known.title,
        "repo": known.repo,
        "license": known.licence,
        "licensor": v1.get("licensor"),
        "function": known.description,
        "release": v1.get("archive-download"),
        "manufacturing-instructions": v1.get("making-instructions"),
        "user-manual": v1.get("operating-instructions"),
        "standard-compliance": v1.get("standards-used"),
        "fork-of": _single(known.forked_from),
        **{key: v1.get(key) for key in _SAME},
    }
    kept = {"bom", "image", "version", "documentation-language", "release", "licensor"}
    return {
        key: value for key, value in fields.items()
        if value not in (None, "", [], {}) and (key not in kept or _is_plain(value))
    }  # fmt: skip


def to_v1(toml: dict[str, Any]) -> dict[str, Any]:
    """The fields of a TOML manifest in the words of v1, as far as v1 has words for them."""
    known = facts(Manifest(Version.V2_4, toml))
    fields: dict[str, Any] = {
        "title": known.title,
        "description": known.description,
        "license": {"hardware": known.licence} if known.licence else None,
        "licensor": {"name": known.author} if known.author else None,
        "project-link": known.repo,
        "archive-download": toml.get("release"),
        "making-instructions": toml.get("manufacturing-instructions"),
        "operating-instructions": toml.get("user-manual"),
        "standards-used": toml.get("standard-compliance"),
        **{key: toml.get(key) for key in _SAME},
    }
    if isinstance(toml.get("image"), list | dict):
        fields.pop("image")
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}


def mended(toml: dict[str, Any]) -> dict[str, Any]:
    """The fields of an older TOML manifest as 2.4 spells them."""
    renamed = {"forkOf": "fork-of", "organisation": "organization"}
    fields = {renamed.get(key, key): value for key, value in toml.items()
              if renamed.get(key) not in toml}  # fmt: skip
    return fields | {"okhv": Version.V2_4.value}


def _licence_v1(value: Any) -> str:
    if isinstance(value, dict):
        kinds = ("hardware", "documentation", "software")
        return next((_word(value[kind]) for kind in kinds if _word(value.get(kind))), "")
    return _word(value)


def _addresses(value: Any) -> tuple[str, ...]:
    found = []
    for one in _list(value):
        said = (
            [one.get(key) for key in ("web", "manifest", "url")] if isinstance(one, dict) else [one]
        )
        found += [address for address in map(_address, said) if address][:1]
    return tuple(found)


def _address(value: Any) -> str:
    return value if isinstance(value, str) and is_url(value) else ""


def _single(values: tuple[str, ...]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _is_plain(value: Any) -> bool:
    """Whether there is no null in it, which TOML cannot say."""
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    return all(_is_plain(one) for one in value) if isinstance(value, list) else value is not None


def _word(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
