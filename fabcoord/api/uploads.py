"""/uploads: files that arrive in pieces, by tus 1.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from flask import Response, current_app, request

from fabcoord.api.access import Access, member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page
from fabcoord.designs.formats import safe_name
from fabcoord.designs.upload_records import Upload
from fabcoord.designs.uploads import CHECKSUMS, Checksum
from fabcoord.errors import BadInput, WrongProtocol, WrongType
from fabcoord.members.roles import Permission

uploads = Resource("uploads", __name__)

# Each upload that is being received holds a thread, however slow its sender is.
MOST_AT_ONCE = 32
TOO_MANY = "Too many files are being uploaded just now."

_VERSION = "1.0.0"
_EXTENSIONS = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination"
_PIECES = "application/offset+octet-stream"
_READ_BYTES = 64 << 10
_STALLED_AFTER_S = 30.0  # without a single byte: the sender is gone, though nothing said so
_LONGEST_METADATA = 4096
_KEY = re.compile(r"[!-+\--~]{1,100}")  # printable ASCII without space and comma
_SHA256 = re.compile(r"[0-9a-f]{64}")


@uploads.after_request
def _speak_tus(response: Response) -> Response:
    response.headers["Tus-Resumable"] = _VERSION
    if request.method == "OPTIONS" or response.status_code == 412:
        response.headers["Tus-Version"] = _VERSION
    return response


@uploads.route_to("OPTIONS", "/uploads", Access.OPEN, "What of tus is spoken", status=204)
def options() -> Any:
    return Response(
        status=204,
        headers={
            "Tus-Version": _VERSION,
            "Tus-Extension": _EXTENSIONS,
            "Tus-Max-Size": str(lab().uploads.limits.largest_bytes),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        },
    )


@uploads.route_to(
    "POST", "/uploads", Permission.CONTRIBUTE, "Begin an upload (tus)", answer="Upload",
    status=201, streams=True,
)  # fmt: skip
def create() -> Any:
    _require_version()
    size = _size()
    if size is None and request.headers.get("Upload-Defer-Length") != "1":
        raise BadInput("Say Upload-Length, or Upload-Defer-Length: 1 where it is not known yet.")
    raw = request.headers.get("Upload-Metadata", "")
    known = metadata(raw)
    upload = lab().uploads.begin(
        member(),
        size=size,
        name=safe_name(known["filename"]) if known.get("filename") else "",
        metadata=raw,
        sha256=_announced(known),
    )
    if request.mimetype == _PIECES and not upload.is_complete:
        upload = _receive(upload.id, 0, None)
    return upload.shape(), _headers(upload) | {"Location": f"/api/v1/uploads/{upload.id}"}


@uploads.route_to("GET", "/uploads", Permission.CONTRIBUTE, "One's own uploads not used yet",
                  answer="Upload[]")  # fmt: skip
def open_ones() -> Any:
    return page([upload.shape() for upload in lab().uploads.open_ones(member())], None)


@uploads.route_to("GET", "/uploads/<upload_id>", Permission.CONTRIBUTE,
                  "How far an upload is (HEAD: tus)", answer="Upload")  # fmt: skip
def show(upload_id: str) -> Any:
    if request.method == "HEAD":
        _require_version()
    upload = lab().uploads.find(member(), upload_id)
    return upload.shape(), _headers(upload) | {"Cache-Control": "no-store"}


@uploads.route_to("PATCH", "/uploads/<upload_id>", Permission.CONTRIBUTE,
                  "Send the next bytes (tus)", status=204, streams=True)  # fmt: skip
def append(upload_id: str) -> Any:
    _require_version()
    if request.mimetype != _PIECES:
        raise WrongType(f"The bytes of an upload are sent as {_PIECES}.")
    offset = _number("Upload-Offset")
    if offset is None:
        raise BadInput("Say in Upload-Offset where these bytes belong.")
    return Response(status=204, headers=_headers(_receive(upload_id, offset, _size())))


@uploads.route_to("DELETE", "/uploads/<upload_id>", Permission.CONTRIBUTE,
                  "Take an upload back (tus)", status=204)  # fmt: skip
def terminate(upload_id: str) -> Any:
    _require_version()
    lab().uploads.terminate(member(), upload_id)


@uploads.route_to("POST", "/uploads/<upload_id>", Permission.CONTRIBUTE,
                  "PATCH, DELETE or HEAD for those who can only POST (tus)",
                  streams=True)  # fmt: skip
def overridden(upload_id: str) -> Any:
    meant = request.headers.get("X-HTTP-Method-Override", "").upper()
    if meant == "PATCH":
        return append(upload_id)
    if meant == "DELETE":
        terminate(upload_id)
        return Response(status=204)
    if meant == "HEAD":
        return show(upload_id)
    raise BadInput("Say in X-HTTP-Method-Override which method is meant.")


def metadata(raw: str) -> dict[str, str]:
    """What the header ``Upload-Metadata`` says: pairs of a key and Base64, joined by commas."""
    if len(raw) > _LONGEST_METADATA:
        raise BadInput(f"Upload-Metadata has at most {_LONGEST_METADATA} characters.")
    found: dict[str, str] = {}
    for pair in raw.split(",") if raw.strip() else []:
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise BadInput("Upload-Metadata has keys of ASCII without space, each once.")
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except binascii.Error as error:
            raise BadInput(f"The value of {key} in Upload-Metadata is not Base64.") from error
    return found


def _announced(known: dict[str, str]) -> str | None:
    sha256 = known.get("sha256")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise BadInput("sha256 in Upload-Metadata is 64 digits of lower-case hexadecimal.")
    return sha256


def _receive(upload_id: str, offset: int, size: int | None) -> Upload:
    """Take the body of this request as the next bytes of an upload."""
    length = request.content_length
    if length is None and not request.headers.get("Transfer-Encoding"):
        length = 0  # no body at all (RFC 9112, section 6.3)
    checksum = _checksum()
    with current_app.extensions["fabcoord.incoming"].one():
        return lab().uploads.receive(
            member(), upload_id, offset, _pieces(length), length=length, size=size,
            checksum=checksum, hang_up=_hang_up(),
        )  # fmt: skip


def _pieces(length: int | None) -> Iterator[bytes]:
    """The body as it comes. A connection that breaks or stalls ends it: what came, counts."""
    source = request.environ["wsgi.input"]
    left = length
    with _patience():
        while left is None or left > 0:
            most = _READ_BYTES if left is None else min(_READ_BYTES, left)
            try:
                piece = source.read(most)
            except OSError:
                return
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Do not wait for ever for the bytes of somebody who walked out of the Wi-Fi."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(_STALLED_AFTER_S)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(before)


def _hang_up() -> Callable[[], None]:
    """What ends this request's wait for bytes, from another thread."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")

    def hang_up() -> None:
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    return hang_up


def _headers(upload: Upload) -> dict[str, str]:
    expires = format_datetime(datetime.fromisoformat(upload.expires_at), usegmt=True)
    told = {"Upload-Offset": str(upload.arrived), "Upload-Expires": expires}
    if request.method in ("HEAD", "GET"):
        told |= {"Upload-Metadata": upload.metadata} if upload.metadata else {}
        if upload.size is None:
            told["Upload-Defer-Length"] = "1"
    if upload.size is not None:
        told["Upload-Length"] = str(upload.size)
    return told


def _require_version() -> None:
    if request.headers.get("Tus-Resumable") != _VERSION:
        raise WrongProtocol(
            "Uploads are spoken about in tus 1.0.0.", hint="Send Tus-Resumable: 1.0.0."
        )


def _size() -> int | None:
    return _number("Upload-Length")


def _number(header: str) -> int | None:
    given = request.headers.get(header)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise BadInput(f"{header} is a whole number of bytes.")
    return int(given)


def _checksum() -> Checksum | None:
    given = request.headers.get("Upload-Checksum")
    if given is None:
        return None
    algorithm, _, encoded = given.partition(" ")
    if algorithm not in CHECKSUMS:
        raise BadInput(f"Checksums are: {', '.join(CHECKSUMS)}.")
    try:
        return Checksum(algorithm, base64.b64decode(encoded, validate=True))
    except binascii.Error as error:
        raise BadInput("The checksum is not Base64.") from error
