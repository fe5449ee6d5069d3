"""Uploads: files of a form stream into blob writers while they are hashed."""

from __future__ import annotations

from typing import IO, Any, cast

from flask import Request, request
from werkzeug.datastructures import FileStorage

from fabcoord.api.context import lab
from fabcoord.designs.formats import safe_name, validate_first_bytes
from fabcoord.designs.library import NewFile
from fabcoord.errors import BadInput, TooLarge
from fabcoord.store.blobs import BlobWriter


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
        writer = lab().blobs.writer(limit_bytes=lab().settings.max_upload_mb * 1_000_000)
        self.environ.setdefault("fabcoord.writers", []).append(writer)
        return cast("IO[bytes]", writer)


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


def take_design_files() -> list[NewFile]:
    """Judge the files of the form by their first bytes.

    They become blobs in the transaction that stores what they belong to, and only if that is not
    refused. Raises UnreadableFile for the first that is not what it claims.
    """
    sent = form_files()
    if not sent:
        raise BadInput(
            "The form brings no file.",
            hint="Send the design in the form field file.",
            fields={"file": "missing"},
        )
    judged = []
    for name, writer in sent:
        writer.sync()
        format_ = validate_first_bytes(writer.temporary_path, name)
        judged.append(
            NewFile(safe_name(name), writer.sha256, writer.size, format_, keep=writer.commit)
        )
    return judged


def form_text(allowed: tuple[str, ...], repeatable: tuple[str, ...] = ()) -> dict[str, Any]:
    """The text fields of a form; raises BadInput that names one which is not expected."""
    unknown = sorted(set(request.form) - {*allowed, *repeatable, "csrf"})
    if unknown:
        raise BadInput(
            f"The form has a field {unknown[0]!r}, which means nothing here.",
            hint=f"Fields are: {', '.join((*allowed, *repeatable))}.",
            fields={unknown[0]: "unknown"},
        )
    single: dict[str, Any] = {name: request.form.get(name, "") for name in allowed}
    return single | {name: request.form.getlist(name) for name in repeatable}
