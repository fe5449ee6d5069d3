"""Makes a design of a bundle, or of a manifest with its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from fabcoord.designs import library, licences
from fabcoord.designs.formats import safe_name, validate_first_bytes
from fabcoord.designs.library import NewFile
from fabcoord.designs.licences import texts
from fabcoord.designs.lineage import Source
from fabcoord.designs.okh import facts
from fabcoord.designs.okh.__main__ import ASKED, REPORT
from fabcoord.designs.okh.bundle import EXTRAS, GENERATED, LICENSES, REUSE
from fabcoord.designs.okh.documents import MOST_BYTES
from fabcoord.designs.okh.facts import Facts
from fabcoord.designs.okh.manifest import Manifest, Version
from fabcoord.errors import BadInput, TooBusy, Unprocessable, UnreadableFile
from fabcoord.members.roles import Member
from fabcoord.store.sqlite import Database
from fabcoord.work import sandbox

_LIMITS = sandbox.Limits(memory_bytes=1 << 30, cpu_s=60, wall_s=120.0)
_TEXT_LIMITS = sandbox.Limits(memory_bytes=1 << 30, cpu_s=5, wall_s=15.0)
_MOST_TEXT = 20_000
_MOST_SOURCES = 50


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What somebody brought, read and judged.

    Attributes:
        manifests: one of TOML, one of v1, or both; at least one.
        findings: in the shape of the API.
        files: path within the bundle and where the bytes lie, the manifests not among them.
        extras: what fabcoord wrote beside the manifest, not to be trusted either.
    """

    manifests: tuple[Manifest, ...]
    findings: list[dict[str, Any]]
    files: dict[str, Path]
    extras: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the bundle on its way to become a blob."""

    sha256: str
    size: int
    keep: Callable[[], object]
    path: Path


def read(sent: Sequence[tuple[str, Path]], scratch: Path, most_bytes: int) -> Unpacked:
    """Read a bundle, or a manifest with its files, in a process with limits.

    ``sent`` are the files with the names that they were sent under; ``scratch`` an empty directory
    that has to live as long as what is returned. Raises UnreadableFile.
    """
    report = _report(sent, scratch, most_bytes)
    if "error" in report:
        raise UnreadableFile(report["error"]["detail"], hint=report["error"]["hint"])
    manifests = tuple(
        Manifest(Version(one["version"]), one["fields"]) for one in report["manifests"]
    )
    if not manifests:
        first = report["findings"][0]
        place = f" (line {first['line']})" if first["line"] else ""
        raise UnreadableFile(
            f"The manifest cannot be read{place}: {first['message']}", hint=first["mend"],
        )  # fmt: skip
    without = set(report["manifest_paths"])
    files = {one["path"]: Path(one["stored"]) for one in report["files"]
             if one["path"] not in without}  # fmt: skip
    return Unpacked(manifests, report["findings"], files, report["extras"])


def judge(text: bytes, name: str, scratch: Path) -> dict[str, Any]:
    """Validate the text of one manifest in a process with limits: version and findings."""
    place = scratch / "manifest"
    place.write_bytes(text[: MOST_BYTES + 1])
    report = _report([(name, place)], scratch, MOST_BYTES)
    version = report["manifests"][0]["version"] if report.get("manifests") else None
    return {"version": version, "findings": report.get("findings", [])}


def store(
    db: Database,
    member: Member,
    unpacked: Unpacked,
    kept: dict[str, Kept],
    *,
    licence: str = "",
    visibility: str = "lab",
    claims: Sequence[Callable[[Database], object]] = (),
) -> str:
    """Make the design; returns its id.

    Args:
        kept: every file of ``unpacked.files``.
        licence: what a person chose where the manifest's own is no SPDX expression.
        claims: use up the uploads that brought it, in this transaction.

    Raises BadInput with suggestions for a licence that cannot be read, Unprocessable where
    nothing can be printed, LicenceConflict where its sources do not allow its licence.
    """
    known = _joined(unpacked)
    damaged = [one for one in unpacked.findings if one["code"] == "wrong-hash"]
    if damaged:
        raise UnreadableFile(damaged[0]["message"], hint=damaged[0]["mend"])
    chosen = licence or _licence(known.licence)
    models, others = _sorted(unpacked, kept)
    if not models:
        raise Unprocessable(
            "Nothing that came with the manifest can be printed.",
            hint="Send the models with it: " + (", ".join(_named(unpacked)) or "STL, 3MF or STEP")
            + ".",
        )  # fmt: skip
    author = "" if known.author == member.name else known.author
    origin = Source(known.title, chosen, author, url=known.repo) if author else None
    design_id = library.create(
        db, member,
        title=known.title or next(iter(models)).rpartition("/")[2], licence=chosen,
        files=list(models.values()), description=known.description[:_MOST_TEXT],
        tags=list(known.tags), attribution=author[:200], visibility=visibility,
        sources=_sources(unpacked), origin=origin,
    )  # fmt: skip
    for one in unpacked.manifests:
        db.conn.execute(
            "INSERT INTO design_manifests (design_id, version, fields, revision)"
            " VALUES (?, ?, ?, 1)",
            (design_id, one.version.value, json.dumps(one.fields)),
        )
    for path in (*models, *others):
        db.conn.execute(
            "INSERT INTO bundle_files (design_id, path, sha256, size) VALUES (?, ?, ?, ?)",
            (design_id, path, kept[path].sha256, kept[path].size),
        )
    db.before_commit.extend(kept[path].keep for path in others)
    for claim in claims:
        claim(db)
    return design_id


def _report(sent: Sequence[tuple[str, Path]], scratch: Path, most_bytes: int) -> dict[str, Any]:
    asked = {
        "files": [{"name": name, "path": str(path)} for name, path in sent],
        "most_bytes": most_bytes,
    }
    (scratch / ASKED).write_text(json.dumps(asked))
    limits = _TEXT_LIMITS if most_bytes <= MOST_BYTES else _LIMITS
    argv = [*sandbox.python_module("fabcoord.designs.okh"), str(scratch)]
    ended = sandbox.run(argv, cwd=scratch, limits=limits)
    report = scratch / REPORT
    if not report.is_file():
        if ended.ended_by == "itself" and ended.returncode > 0:
            raise TooBusy("The manifest could not be read just now.", hint="Try again later.")
        raise UnreadableFile(
            "Reading it took more time or memory than this lab allows; it is larger than manifests"
            " and bundles are, or built to break programs.",
            hint="Write it more simply, or bring the files by themselves.",
        )
    said: dict[str, Any] = json.loads(report.read_text())
    return said


def _joined(unpacked: Unpacked) -> Facts:
    """The facts of the first manifest, completed by what the other and the extras say."""
    found = [facts.facts(one) for one in unpacked.manifests]
    first, last = found[0], found[-1]
    extras = unpacked.extras
    text = {key: extras[key] for key in ("title", "description", "author")
            if isinstance(extras.get(key), str)}  # fmt: skip
    tags = extras.get("tags")
    told = tuple(tags) if _is_words(tags) else first.tags or last.tags
    return Facts(
        title=" ".join((text.get("title") or first.title or last.title).split())[:200],
        description=text.get("description", first.description or last.description),
        licence=first.licence or last.licence,
        author=text.get("author") or first.author or last.author,
        tags=told,
        repo=first.repo or last.repo,
        forked_from=first.forked_from or last.forked_from,
    )


def _licence(said: str) -> str:
    try:
        return licences.normalise(said)
    except BadInput as error:
        proposed = licences.suggest(said) if said else []
        what = f"The manifest's licence, {said[:80]!r}, is" if said else "The manifest names"
        raise BadInput(
            f"{what} no licence that SPDX lists.",
            hint="Say which one is meant, in the field licence"
            + (f": {', '.join(one.licence for one in proposed)}?" if proposed else "."),
            fields={"licence": "choose one"},
            extra={"suggestions": [{"licence": one.licence, "assumed": one.assumed}
                                   for one in proposed]},
        ) from error  # fmt: skip


def _sorted(
    unpacked: Unpacked, kept: dict[str, Kept]
) -> tuple[dict[str, NewFile], dict[str, Kept]]:
    """The models, and everything else that somebody wrote; what fabcoord wrote is left out."""
    generated = unpacked.extras.get("generated")
    written = set(generated) & set(GENERATED) if _is_words(generated) else {REUSE, EXTRAS}
    models: dict[str, NewFile] = {}
    others: dict[str, Kept] = {}
    for path, one in kept.items():
        if path in written or (path.startswith(LICENSES) and _is_stub(one.path)):
            continue
        name = path.rpartition("/")[2]
        try:
            format_ = validate_first_bytes(one.path, name)
        except UnreadableFile:
            others[path] = one
            continue
        models[path] = NewFile(safe_name(name), one.sha256, one.size, format_, keep=one.keep)
    return models, others


def _sources(unpacked: Unpacked) -> list[Source]:
    """What it was made from, with its licence, as the bundle tells.

    A bare ``fork-of`` tells no licence, and none is guessed: it stays in the manifest.
    """
    told = unpacked.extras.get("sources")
    found = [_source(one) for one in told[:_MOST_SOURCES]] if isinstance(told, list) else []
    return [one for one in found if one is not None]


def _source(told: Any) -> Source | None:
    if not isinstance(told, dict) or not isinstance(told.get("title"), str):
        return None
    try:
        licence = licences.normalise(str(told.get("licence", "")))
    except BadInput:
        return None
    text = {key: str(told.get(key, ""))[:500] for key in ("author", "url", "sha256")}
    return Source(told["title"][:200], licence, **text)


def _named(unpacked: Unpacked) -> list[str]:
    absent = [one["message"].partition(" is named")[0] for one in unpacked.findings
              if one["code"] == "file-absent"]  # fmt: skip
    return absent[:5]


def _is_words(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_stub(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(200).decode("utf-8", "replace").startswith(texts.STUB)
