"""A program that sends one notice and ends: ``python -m fabcoord.notices.send request.json``.

A process of its own, because apprise takes tens of megabytes and a slow receiver must not hold
anybody up. Every name is looked up once, and only addresses that may be reached are used, also
after a redirect and inside of apprise.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fabcoord.notices.addresses import may_reach

_TIMEOUT_S = 10.0
_ANSWER_READ_BYTES = 300


class NotSent(Exception):  # reads as what it says
    """Why a notice was not taken, in words."""


def main() -> None:
    """Send what the file says; prints ``{"ok": …, "error": …}``."""
    path = Path(sys.argv[1])
    request = json.loads(path.read_text())
    path.unlink()  # it holds the receiver's secret
    refused = guard(private=request["private"])
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        if request["means"] == "webhook":
            post(request["address"], request["secret"], request["delivery_id"], request["payload"])
        else:
            through_apprise(request["address"], request["title"], request["body"])
    except NotSent as error:
        said = str(error)
    except (OSError, http.client.HTTPException) as error:
        said = f"Not reached: {error}."
    else:
        said = ""
    if said and refused:
        said = f"{refused[0]} is in the lab's own network, which staff have not allowed."
    print(json.dumps({"ok": not said, "error": said}))


def guard(*, private: bool) -> list[str]:
    """From now on this process finds only addresses that may be reached.

    Returns a list that hosts which were refused are added to.
    """
    look_up, refused = socket.getaddrinfo, list[str]()

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> list[Any]:
        found = look_up(host, *args, **options)
        allowed = [one for one in found if may_reach(str(one[4][0]), private=private)]
        if not allowed:
            refused.append(str(host))
            raise socket.gaierror(socket.EAI_FAIL, "refused")
        return allowed

    socket.getaddrinfo = getaddrinfo
    return refused


def signature(secret: str, delivery_id: str, moment: int, body: bytes) -> str:
    """The header ``webhook-signature`` as standardwebhooks.com describes it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{delivery_id}.{moment}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def post(url: str, secret: str, delivery_id: str, payload: dict[str, Any]) -> None:
    """POST the payload, signed. Follows no redirect. Raises NotSent, OSError, HTTPException."""
    parts = urlsplit(url)
    body = json.dumps(payload, ensure_ascii=False).encode()
    moment = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "fabcoord",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature(secret, delivery_id, moment, body),
        "Connection": "close",
    }
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
    )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        if not 200 <= answer.status < 300:
            said = answer.read(_ANSWER_READ_BYTES).decode("utf-8", "replace")
            raise NotSent(f"Answered {answer.status}: {' '.join(said.split())[:200]}")
    finally:
        connection.close()


def through_apprise(url: str, title: str, body: str) -> None:
    """Send through apprise. Raises NotSent with what apprise logged about it."""
    import logging

    import apprise

    told: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    apprise.logger.addHandler(Keep(logging.WARNING))
    sender = apprise.Apprise()
    if not sender.add(url):
        raise NotSent("apprise cannot read that address.")
    if not sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
        raise NotSent(" ".join(told)[-300:] or "It was not taken.")


if __name__ == "__main__":
    main()
