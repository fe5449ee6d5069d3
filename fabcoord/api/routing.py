"""How routes of the API are declared: method, path, permission, what goes in, in one place."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from marshmallow import EXCLUDE, Schema, ValidationError

from fabcoord.api import idempotency
from fabcoord.api.access import Needed, visible_to_asker
from fabcoord.errors import BadInput

MOST_ITEMS = 200
MOST_JSON_BYTES = 1_000_000
_SQLITE_INTEGERS = 2**63

# A response, a JSON object, a JSON object with headers, or None for 204.
Answer = Any
Handler = Callable[..., Answer]


class Resource(Blueprint):
    """A blueprint whose routes say what they need and take."""

    def route_to(
        self,
        method: str,
        rule: str,
        needed: Needed,
        summary: str,
        *,
        body: type[Schema] | None = None,
        answer: str = "",
        status: int = 200,
        streams: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Register a handler.

        Args:
            body: the schema of the JSON body, handed to the handler as ``body=``.
            answer: the name of the schema in the OpenAPI document that answers have.
            status: of the answer when all goes well.
            streams: the handler reads the body bit by bit, so nothing may look at it before;
                Idempotency-Key does not apply.
        """

        def register(handler: Handler) -> Handler:
            @functools.wraps(handler)
            def view(**arguments: Any) -> Response:
                if body is not None:
                    request.max_content_length = MOST_JSON_BYTES

                def work() -> Response:
                    if body is not None:
                        arguments["body"] = json_body(body)
                    return _response(handler(**arguments), status)

                once = method == "POST" and not streams
                return idempotency.once(work) if once else work()

            view.needed = needed  # type: ignore[attr-defined]
            view.documented = {  # type: ignore[attr-defined]
                "summary": summary,
                "body": body,
                "answer": answer,
                "status": status,
            }
            name = f"{handler.__name__}_{method.lower()}"
            self.add_url_rule(rule, name, view, methods=[method])
            return handler

        return register


def json_body(schema: type[Schema]) -> dict[str, Any]:
    """The JSON body as the schema describes it; raises BadInput naming each wrong field."""
    data = json_object()
    try:
        loaded: dict[str, Any] = schema().load(data, unknown=EXCLUDE if not data else None)
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {}
        fields = {str(name): _flat(text) for name, text in messages.items()}
        raise BadInput(
            f"These fields need other values: {', '.join(fields)}.", fields=fields
        ) from error
    return loaded


def json_object() -> dict[str, Any]:
    """The JSON object that was sent; an empty body counts as ``{}``.

    Raises BadInput for anything else, also for what Python reads and others do not: NaN, numbers
    without end, halves of characters.
    """
    request.max_content_length = MOST_JSON_BYTES
    raw = request.get_data(cache=True)
    try:
        data = json.loads(raw) if raw.strip() else {}
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error
    if not isinstance(data, dict):
        raise BadInput("The body is a JSON object.")
    return data


def _flat(text: Any) -> str:
    if isinstance(text, dict):
        return "; ".join(f"{key}: {_flat(value)}" for key, value in text.items())
    return " ".join(str(one) for one in text) if isinstance(text, list) else str(text)


def page_arguments() -> tuple[int, Any]:
    """``limit`` and the position that ``cursor`` names (None for the first page)."""
    try:
        limit = int(request.args.get("limit", "50"))
    except ValueError as error:
        raise BadInput("limit is a number from 1 to 200.", fields={"limit": "?"}) from error
    if not 1 <= limit <= MOST_ITEMS:
        raise BadInput("limit is a number from 1 to 200.", fields={"limit": "out of range"})
    cursor = request.args.get("cursor")
    if cursor is None:
        return limit, None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
    except (ValueError, RecursionError):
        position = None
    known = isinstance(position, int) and abs(position) < _SQLITE_INTEGERS
    if not known and not (isinstance(position, str) and position.isascii()):
        raise BadInput("That cursor is not one of ours.", hint="Begin again without cursor.")
    return limit, position


def page(items: list[dict[str, Any]], following: Any) -> Response:
    """One page of a list, with a Link header to the next."""
    cursor = None
    if following is not None:
        cursor = cursor_of(following)
    response = _response({"items": items, "next": cursor}, 200)
    if cursor is not None:
        kept = [item for item in request.args.items(multi=True) if item[0] != "cursor"]
        query = urlencode([*kept, ("cursor", cursor)])
        response.headers["Link"] = f'<{request.base_url}?{query}>; rel="next"'
    return response


def cursor_of(position: Any) -> str:
    """The text that `page_arguments` reads a position from again."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def wanted_version() -> int | None:
    """The version that If-Match names, or None where the client does not care.

    An ETag is the version and a hash of the rest, which changes without anybody changing it.
    """
    given = request.headers.get("If-Match", "").strip()
    if given in ("", "*"):
        return None
    version = given.strip('"').partition("-")[0]
    if not (version.isascii() and version.isdecimal() and len(version) < 18):
        return -1  # names no version there ever was: Stale
    return int(version)


def _response(answer: Answer, status: int) -> Response:
    if isinstance(answer, Response):
        return answer
    headers: dict[str, str] = {}
    if isinstance(answer, tuple):
        answer, headers = answer[0], answer[-1]
    if answer is None:
        return Response(status=204, headers=headers)
    answer = visible_to_asker(answer)
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    response = Response(body, status, headers, mimetype="application/json")
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    if isinstance(answer, dict) and "version" in answer:
        response.set_etag(f"{answer['version']}-{digest}")
    elif request.method in ("GET", "HEAD"):
        response.set_etag(digest)
    if request.method in ("GET", "HEAD"):
        response.make_conditional(request)
    return response
