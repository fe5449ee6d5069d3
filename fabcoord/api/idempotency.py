"""Idempotency-Key on POST: the same key and body is done once and answered alike.

That it is done is noted in the very transaction that does it, so a crash between the two cannot
have it done twice; only its answer can be lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from flask import Response, g, request

from fabcoord.api.context import lab
from fabcoord.errors import BadInput, Conflict, Unprocessable
from fabcoord.store.database import Store, row
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, now

KEPT_S = 24 * 3600.0
_WORKED_ON, _DONE = 0, 1  # in place of a status, before there is an answer
_KEPT_HEADERS = ("Location", "ETag", "Content-Type")


def once(work: Callable[[], Response]) -> Response:
    """Do ``work`` unless this member sent the same request under the same key before."""
    key = request.headers.get("Idempotency-Key")
    if key is None or "member" not in g:
        return work()
    if not 1 <= len(key) <= 200:
        raise BadInput("Idempotency-Key has 1 to 200 characters.")
    name = (key, g.member.id, f"{request.method} {request.path}")
    known = _reserve(name, _body_hash())
    if known is not None:
        return known

    def note(db: Database) -> None:
        db.conn.execute(
            "UPDATE idempotency SET status = ? WHERE key = ? AND member_id = ? AND route = ?",
            (_DONE, *name),
        )

    try:
        with lab().store.noting(note):
            response = work()
    except BaseException:
        _forget(name)
        raise
    _keep(name, response)
    return response


def forget_interrupted(store: Store) -> None:
    """Let requests be sent again that a server was working on when it ended: nothing came of them.

    For the start of the one process that answers requests.
    """
    with store.writing() as db:
        db.conn.execute("DELETE FROM idempotency WHERE status = ?", (_WORKED_ON,))


def _reserve(name: tuple[str, str, str], body_hash: str) -> Response | None:
    """Take the key for this request, or return what it was answered with before."""
    with lab().store.writing() as db:
        db.conn.execute("DELETE FROM idempotency WHERE created_at < ?", (in_seconds(-KEPT_S),))
        known = row(
            db, "SELECT * FROM idempotency WHERE key = ? AND member_id = ? AND route = ?", name
        )
        if known is None:
            db.conn.execute(
                "INSERT INTO idempotency (key, member_id, route, body_hash, status, headers,"
                " answer, created_at) VALUES (?, ?, ?, ?, 0, '{}', '', ?)",
                (*name, body_hash, now()),
            )
            return None
    if known["body_hash"] != body_hash:
        raise Unprocessable(
            "That Idempotency-Key was used for another request.", hint="Use a fresh key."
        )
    if known["status"] == _WORKED_ON:
        raise Conflict("That request is still being worked on.", hint="Ask again in a moment.")
    if known["status"] == _DONE:
        raise Conflict(
            "That request was carried out, but the server ended before it could answer.",
            hint="Look at what is there; it is not done a second time.",
        )
    return Response(known["answer"], known["status"], json.loads(known["headers"]))


def _keep(name: tuple[str, str, str], response: Response) -> None:
    headers = {key: response.headers[key] for key in _KEPT_HEADERS if key in response.headers}
    with lab().store.writing() as db:
        db.conn.execute(
            "UPDATE idempotency SET status = ?, headers = ?, answer = ?"
            " WHERE key = ? AND member_id = ? AND route = ?",
            (response.status_code, json.dumps(headers), response.get_data(as_text=True), *name),
        )


def _forget(name: tuple[str, str, str]) -> None:
    with lab().store.writing() as db:
        db.conn.execute(
            "DELETE FROM idempotency WHERE key = ? AND member_id = ? AND route = ? AND status = ?",
            (*name, _WORKED_ON),  # what is done stays done, whatever went wrong after it
        )


def _body_hash() -> str:
    """A hash over what was sent; of a form over its fields and its files' contents."""
    if request.mimetype == "multipart/form-data":
        parts = [f"{name}={value}" for name, value in sorted(request.form.items(multi=True))]
        for name, sent in sorted(request.files.items(multi=True), key=lambda item: item[0]):
            parts.append(f"{name}:{sent.filename}:{getattr(sent.stream, 'sha256', '')}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return hashlib.sha256(request.get_data(cache=True)).hexdigest()
