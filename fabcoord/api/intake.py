"""What a request brings: files of its form, hashed as they stream in, or finished uploads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from flask import Request, request
from werkzeug.datastructures import FileStorage, MultiDict

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import json_object
from fabcoord.designs import packed
from fabcoord.designs.formats import safe_name, validate_first_bytes
from fabcoord.designs.library import NewFile
from fabcoord.errors import BadInput, TooLarge
from fabcoord.store.blobs import BlobWriter
from fabcoord.store.sqlite import Database

_MOST_NAMED, _LONGEST_NAMED = 20, 80  # of what was left out of a zip


class LabRequest(Request):
    """A request whose uploaded files go straight to the blob store's own directory."""

    max_form_parts = 100

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        # Werkzeug's documented hook: it writes each part's bytes to what this returns.
        return cast("IO[bytes]", writer_of_request())


def writer_of_request() -> BlobWriter:
    """A blob writer of this request; it leaves nothing behind without a commit."""
    writer = lab().blobs.writer(limit_bytes=lab().settings.max_upload_mb * 1_000_000)
    request.environ.setdefault("fabcoord.writers", []).append(writer)
    return writer


def refuse_oversized() -> None:
    """Before each request: a body that says to be too large is not even read."""
    most = request.max_content_length
    if most is not None and (request.content_length or 0) > most:
        raise TooLarge(
            f"The upload is larger than this lab takes ({lab().settings.max_upload_mb} MB).",
            hint="Reduce its triangle count, or ask staff to raise the limit.",
        )


def discard_unused(_error: BaseException | None = None) -> None:
    """After each request: files that did not become blobs leave nothing behind."""
    for writer in request.environ.get("fabcoord.writers", []):
        writer.discard()
    for directory in request.environ.get("fabcoord.scratch", []):
        directory.cleanup()


def form_files(field: str = "file") -> list[tuple[str, BlobWriter]]:
    """The files of a form field with the names they were sent under."""
    sent: list[FileStorage] = request.files.getlist(field)
    if unknown := sorted(set(request.files) - {field}):
        raise BadInput(
            f"The form has files in the field {unknown[0]!r}.",
            hint=f"Send files in the field {field!r}.",
            fields={unknown[0]: "not a field for files"},
        )
    return [(item.filename or "", cast("BlobWriter", item.stream)) for item in sent]


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that a request brings: in its form, or by the id of a finished upload.

    Attributes:
        name: as it was sent, not to be trusted.
        path: where the bytes lie until they are kept; to look at, not to change.
        keep: makes the bytes a blob; for `NewFile.keep`, at the end of the transaction.
        claim: uses up the upload inside the transaction that stores what it is for, so that no
            second request can; None for a file of the form.
    """

    name: str
    path: Path
    sha256: str
    size: int
    keep: Callable[[], object]
    claim: Callable[[Database], None] | None = None


def take_files() -> list[Taken]:
    """All files of the request: those of the form field ``file``, then those of ``upload_id``.

    Raises BadInput when there is none, NotFound, Gone or Conflict for an upload that cannot be
    used.
    """
    taken = [_from_form(name, writer) for name, writer in form_files()]
    taken += [_from_upload(upload_id) for upload_id in upload_ids()]
    if not taken:
        raise BadInput(
            "The request brings no file.",
            hint="Send the design in the form field file, or the upload_id of a finished upload.",
            fields={"file": "missing"},
        )
    return taken


def upload_ids() -> list[str]:
    """The ids of finished uploads that stand in for files, from the form or the JSON body."""
    given = json_object().get("upload_id", []) if is_json() else request.form.getlist("upload_id")
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise BadInput("upload_id is one id or a list of them.", fields={"upload_id": "ids"})
    if len(set(listed)) < len(listed):
        raise BadInput("An upload is used once.", fields={"upload_id": "named twice"})
    return [one for one in listed if one]


def take_design_files() -> list[NewFile]:
    """The files of the request as files of a design, judged by their first bytes.

    A zip is unpacked, and its models are taken. They become blobs in the transaction that stores
    what they belong to, and only if that is not refused. Raises UnreadableFile for the first that
    is not what it claims.
    """
    judged: list[NewFile] = []
    for taken in take_files():
        if packed.is_zip(taken.name):
            judged += _unpacked(taken)
        else:
            judged.append(_judged(taken))
    return judged


def left_out_note(note: str) -> str:
    """``note`` of a revision, and after it what a zip of this request held besides models.

    Call it after `take_design_files`.
    """
    left = request.environ.get("fabcoord.left_out", [])
    if not left:
        return note
    names = ", ".join(name[:_LONGEST_NAMED] for name in left[:_MOST_NAMED])
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    told = f"Left out of the zip, for it is no model: {safe_text(names)}{more}."
    return f"{note} {told}".strip()


def is_anything_left_out() -> bool:
    """Whether a zip of this request held something that was not taken."""
    return bool(request.environ.get("fabcoord.left_out"))


def safe_text(text: str) -> str:
    """What is printable of names from outside."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _judged(taken: Taken) -> NewFile:
    format_ = validate_first_bytes(taken.path, taken.name)
    return NewFile(
        safe_name(taken.name), taken.sha256, taken.size, format_, keep=taken.keep,
        claim=taken.claim,
    )  # fmt: skip


def _unpacked(archive: Taken) -> list[NewFile]:
    """The models in a zip; the first of them uses up its upload."""
    models: list[NewFile] = []
    most_bytes = lab().settings.max_upload_mb * 1_000_000
    left = request.environ.setdefault("fabcoord.left_out", [])
    left += packed.left_out(archive.path, most_bytes)
    for name, path in packed.unpack(archive.path, scratch(), lab().settings.max_upload_mb):
        writer = writer_of_request()
        with path.open("rb") as source:
            while chunk := source.read(1 << 20):
                writer.write(chunk)
        path.unlink()
        models.append(_judged(_from_form(name, writer)))
    return [replace(models[0], claim=archive.claim), *models[1:]]


def _from_form(name: str, writer: BlobWriter) -> Taken:
    writer.sync()
    return Taken(name, writer.temporary_path, writer.sha256, writer.size, writer.commit)


def _from_upload(upload_id: str) -> Taken:
    ready = lab().uploads.ready(member(), upload_id)

    def keep() -> None:
        lab().uploads.store_bytes(ready)

    return Taken(ready.name, ready.path, ready.sha256, ready.size, keep, ready.claim)


def scratch() -> Path:
    """A directory for this request; it is gone when the request ends."""
    lab().settings.work_dir.mkdir(parents=True, exist_ok=True)
    directory = tempfile.TemporaryDirectory(dir=lab().settings.work_dir, prefix="unpack-")
    request.environ.setdefault("fabcoord.scratch", []).append(directory)
    return Path(directory.name)


def is_json() -> bool:
    """Whether the request brings a JSON body instead of a form."""
    return request.mimetype == "application/json"


def form_text(allowed: tuple[str, ...], repeatable: tuple[str, ...] = ()) -> dict[str, Any]:
    """The text fields of a form or a JSON body; raises BadInput for one which is not expected."""
    sent = _json_text(repeatable) if is_json() else request.form
    unknown = sorted(set(sent) - {*allowed, *repeatable, "csrf", "upload_id"})
    if unknown:
        raise BadInput(
            f"The form has a field {unknown[0]!r}, which means nothing here.",
            hint=f"Fields are: {', '.join((*allowed, *repeatable))}.",
            fields={unknown[0]: "unknown"},
        )
    single: dict[str, Any] = {name: sent.get(name, "") for name in allowed}
    return single | {name: sent.getlist(name) for name in repeatable}


def _json_text(repeatable: tuple[str, ...]) -> MultiDict[str, Any]:
    """The JSON body as if it were a form, so that both are read alike."""
    body = json_object()
    for name, value in body.items():
        if name == "upload_id":
            continue
        parts = value if name in repeatable and isinstance(value, list) else [value]
        if not all(isinstance(part, str) for part in parts):
            raise BadInput(f"{name} is text.", fields={name: "text"})
    return MultiDict(body)
