"""A design as one zip: manifests, files, hashes and licence texts, clean in the sense of REUSE."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fabcoord.designs import licences, lineage
from fabcoord.designs.licences import texts
from fabcoord.designs.okh import describe, manifest
from fabcoord.designs.okh.describe import Described
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database

TOML, YAML, README = "okh.toml", "okh.yml", "README.md"
REUSE, SUMS, EXTRAS = "REUSE.toml", "SHA256SUMS", "fabcoord.json"
LICENSES = "LICENSES/"
GENERATED = (TOML, YAML, README, REUSE, SUMS, EXTRAS)
_CHUNK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same design makes the same bundle, whenever


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a bundle: text that was written for it, or a blob."""

    path: str
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Whether people have printed a design, from the lab's own history."""

    made: bool = False
    by_others: bool = False


def described(db: Database, design: dict[str, Any], host: str, made: Made) -> Described:
    """All that the manifests say of a design. ``host`` is the lab's address, without a slash."""
    design_id = design["id"]
    kept = rows(db, "SELECT * FROM design_manifests WHERE design_id = ?", (design_id,))
    newest = design["revision"]["number"]
    layout, others = _layout(db, design)
    gone = _once_there(db, design_id) - {path for path, _, _ in layout} - set(others)
    return Described(
        design=design,
        files=[(path, format_) for path, _, format_ in layout],
        address=f"{host}/designs/{design_id}",
        made_from=tuple(
            one.url or f"{host}/designs/{one.parent_id}"
            for one in lineage.of(db, design_id)
            if one.url or one.parent_id
        ),
        made=made.made,
        made_by_others=made.by_others,
        kept={
            "yaml" if item["version"] == manifest.Version.V1 else "toml": json.loads(item["fields"])
            for item in kept
        },
        is_as_it_came=any(item["revision"] == newest for item in kept),
        gone=frozenset(gone),
    )


def plan(db: Database, said: Described, own_texts: Path | None = None) -> list[Entry]:
    """What the bundle of a design holds, the manifest first, the hashes last."""
    design = said.design
    layout, others = _layout(db, design)
    toml, yaml = describe.toml(said), describe.v1(said)
    year = str(yaml.fields["date-created"])[:4]
    entries = [
        _written(TOML, manifest.write(toml)),
        _written(YAML, manifest.write(yaml)),
        *([] if README in others else [_written(README, _readme(said, toml.fields))]),
        _written(REUSE, _reuse(said, year)),
        *(_licence_texts(design["licence"], others, own_texts)),
        *(Entry(path, sha256) for path, sha256, _ in layout),
        *(Entry(path, sha256) for path, sha256 in sorted(others.items())
          if not path.startswith(LICENSES)),
    ]  # fmt: skip
    entries.append(_written(EXTRAS, _extras(db, said, [one.path for one in entries])))
    sums = "".join(f"{one.sha256}  {one.path}\n" for one in entries)
    return [*entries, _written(SUMS, sums)]


def stream(entries: list[Entry], blobs: BlobStore) -> Iterator[bytes]:
    """The zip, in pieces of about a megabyte; never more than that in memory.

    Nothing is compressed: models inside a 3MF are already, and a small machine has better to do.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for one in entries:
            info = zipfile.ZipInfo(one.path, _EPOCH)
            info.external_attr = 0o644 << 16
            with _opened(one, blobs) as source, archive.open(info, "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
                    yield sink.take()
    yield sink.take()


def etag(entries: list[Entry]) -> str:
    """A name for these very contents."""
    return entries[-1].sha256


def _opened(one: Entry, blobs: BlobStore) -> IO[bytes]:

    return io.BytesIO(one.data) if one.data is not None else blobs.path(one.sha256).open("rb")


class _Sink:
    """What zipfile writes to: it cannot go back, so pieces may leave at once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _layout(
    db: Database, design: dict[str, Any]
) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Path, hash and format of each file of the newest revision; other files by path."""
    design_id = design["id"]
    brought = {
        item["path"]: item["sha256"]
        for item in rows(
            db, "SELECT path, sha256 FROM bundle_files WHERE design_id = ? ORDER BY path",
            (design_id,),
        )
    }  # fmt: skip
    models = _once_models(db, design_id)
    others = {path: sha256 for path, sha256 in brought.items() if sha256 not in models}
    taken, layout = {path.lower() for path in (*others, *GENERATED)}, []
    for file in design["revision"]["files"]:
        path = _place_of(file, brought, taken)
        taken.add(path.lower())
        layout.append((path, file["sha256"], file["format"]))
    return layout, others


def _place_of(file: dict[str, Any], brought: dict[str, str], taken: set[str]) -> str:
    for path, sha256 in brought.items():
        same = sha256 == file["sha256"] and path.rpartition("/")[2] == file["name"]
        if same and path.lower() not in taken:
            return path
    stem, dot, extension = f"files/{file['name']}".rpartition(".")
    path, number = f"{stem}{dot}{extension}", 1
    while path.lower() in taken:
        number += 1
        path = f"{stem}-{number}{dot}{extension}"
    return path


def _once_models(db: Database, design_id: str) -> set[str]:
    found = rows(db, "SELECT DISTINCT sha256 FROM files WHERE design_id = ?", (design_id,))
    return {item["sha256"] for item in found}


def _once_there(db: Database, design_id: str) -> set[str]:
    found = rows(db, "SELECT path FROM bundle_files WHERE design_id = ?", (design_id,))
    return {item["path"] for item in found}


def _written(path: str, text: str) -> Entry:
    data = text.encode()
    return Entry(path, hashlib.sha256(data).hexdigest(), data)


def _licence_texts(licence: str, others: dict[str, str], own_texts: Path | None) -> Iterator[Entry]:
    for name in texts.needed(licence):
        path = f"{LICENSES}{name}.txt"
        if path in others:
            yield Entry(path, others[path])
        else:
            yield _written(path, texts.text(name, own_texts))


def _readme(said: Described, fields: dict[str, Any]) -> str:
    design = said.design
    duties = "".join(f"- {one}\n" for one in licences.duties(design["licence"]))
    made_from = "".join(f"- {one}\n" for one in said.made_from)
    named = f"{design['title']} by {said.author}, licensed as {design['licence']}."
    parts = [
        f"# {design['title']}",
        design["description"],
        f"{named}\nKept at {fields['repo']}",
        licences.plain_words(design["licence"]),
        f"Who passes a print on:\n\n{duties}" if duties else "",
        f"Made from:\n\n{made_from}" if made_from else "",
        f"`{TOML}` and `{YAML}` describe it as Open Know-How; `{SUMS}` has the hash of each file.",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _reuse(said: Described, year: str) -> str:
    import tomli_w

    annotation = {
        "path": "**",
        "precedence": "override",
        "SPDX-FileCopyrightText": f"{year} {said.author}",
        "SPDX-License-Identifier": said.design["licence"],
    }
    return tomli_w.dumps({"version": 1, "annotations": [annotation]})


def _extras(db: Database, said: Described, paths: list[str]) -> str:
    """What neither manifest has a word for; `importing` reads it back."""
    sources = []
    for one in lineage.of(db, said.design["id"]):
        told = one.as_dict()
        parent_id = told.pop("parent_id")
        if parent_id and not one.url:
            told["url"] = said.address.rpartition("/")[0] + f"/{parent_id}"
        sources.append(told)
    extras = {
        "bundle": 1,
        "title": said.design["title"],
        "description": said.design["description"],
        "tags": said.design["tags"],
        "author": said.author,
        "sources": sources,
        "generated": [*(path for path in paths if path in GENERATED), EXTRAS, SUMS],
    }
    return json.dumps(extras, ensure_ascii=False, indent=2) + "\n"
