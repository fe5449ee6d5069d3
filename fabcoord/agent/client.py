"""The agent's side of the server's REST API: pair, sync, wake, G-code."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from fabcoord.agent.http import Download, Http, Reply
from fabcoord.agent.identity import Identity
from fabcoord.agent.messages import SyncAnswer, SyncRequest
from fabcoord.errors import (
    BadInput,
    FabcoordError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Superseded,
    TooBusy,
)

_API = "/api/v1/agents"
_LONGEST_RETRY_S = 600.0


class Backoff:
    """Waiting times after failures: exponential with full jitter, at most ``cap_s``."""

    def __init__(self, base_s: float = 1.0, cap_s: float = 60.0) -> None:
        self._base_s, self._cap_s = base_s, cap_s
        self._failures = 0
        self._random = random.SystemRandom()

    def next_s(self) -> float:
        """How long to wait after one more failure, in seconds."""
        limit = min(self._cap_s, self._base_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return max(0.05, self._random.uniform(0, limit))

    def reset(self) -> None:
        """Something worked again."""
        self._failures = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person has not yet approved the pairing; they type ``code`` at the server."""

    code: str
    expires_at: str


class Client:
    """One agent's calls to its server, for one thread.

    Every method raises TooBusy when the server is away or asks to come later (``extra`` may
    hold ``retry_after_s``), NotSignedIn or NotAllowed when the token is not good, Superseded
    when another process has taken over, and BadInput when the server refuses the request.
    """

    def __init__(self, server: str, identity: Identity | None = None) -> None:
        self._server, self._identity = server, identity
        self._http = Http(server, token=identity.token if identity else "")
        self._agent = f"{_API}/{identity.agent_id}" if identity else ""
        self._ahead = timedelta()

    def another(self) -> Client:
        """A client of the same agent with a connection of its own, for another thread."""
        return Client(self._server, self._identity)

    def pair(self, name: str, pairing: str) -> Identity | Waiting:
        """Ask to be let in; the identity, once a person has approved (its server left empty)."""
        body = _json_bytes({"name": name, "pairing": pairing})
        data = self._json(self._http.request("POST", f"{_API}/pair", body=body, timeout_s=5.0))
        try:
            if "token" in data:
                return Identity("", str(data["agent_id"]), str(data["token"]))
            return Waiting(str(data["code"]), str(data.get("expires_at", "")))
        except KeyError as error:
            raise TooBusy("The server's answer to pairing is not understood.") from error

    def sync(self, request: SyncRequest, timeout_s: float = 15.0) -> SyncAnswer:
        """Report, and hear what to do."""
        body = _json_bytes(request.to_json())
        reply = self._http.request("POST", f"{self._agent}/sync", body=body, timeout_s=timeout_s)
        data = self._json(reply)
        try:
            return SyncAnswer.from_json(data)
        except (TypeError, KeyError, ValueError) as error:
            raise TooBusy(
                "The server's answer is not understood.",
                hint="Agent and server may be of different versions; update the older one.",
            ) from error

    def wake(self, after: int, wait_s: int = 25) -> int:
        """Wait until something changed for this agent; the number to give as ``after`` next."""
        path = f"{self._agent}/wake?after={after}&wait={wait_s}"
        data = self._json(self._http.request("GET", path, timeout_s=wait_s + 10))
        try:
            return int(data["seq"])
        except (KeyError, TypeError, ValueError) as error:
            raise TooBusy("The server's answer is not understood.") from error

    def gcode(self, sha256: str, offset: int = 0) -> Download:
        """The G-code from byte ``offset`` on; status 200 (whole), 206 (the rest) or 416."""
        download = self._http.download(f"{self._agent}/gcode/{sha256}", offset=offset)
        if download.status not in (200, 206, 416):
            with download:
                _raise_for(download.status, download.header("Retry-After"), download.read(65_536))
        return download

    def server_now(self) -> datetime:
        """The time at the server, by the last answer; the agent's clock may be wrong."""
        return datetime.now(UTC) + self._ahead

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _json(self, reply: Reply) -> dict[str, Any]:
        if not 200 <= reply.status < 300:
            _raise_for(reply.status, reply.header("Retry-After"), reply.body)
        self._note_time(reply.header("Date"))
        try:
            data = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise TooBusy("The server's answer is not JSON.", hint="Check the address.") from error
        if not isinstance(data, dict):
            raise TooBusy("The server's answer is not understood.")
        return data

    def _note_time(self, date: str) -> None:
        try:
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)
        except (TypeError, ValueError):  # no date, or not one: keep what we knew
            return


def _raise_for(status: int, retry_after: str, body: bytes) -> None:
    problem: dict[str, Any] = {}
    try:
        parsed = json.loads(body)
        problem = parsed if isinstance(parsed, dict) else {}
    except (ValueError, RecursionError):
        pass
    detail = str(problem.get("detail") or f"The server answered {status}.")[:500]
    if status == 409 and str(problem.get("type", "")).endswith("/superseded"):
        raise Superseded(detail)
    kinds: dict[int, type[FabcoordError]] = {401: NotSignedIn, 403: NotAllowed, 404: NotFound}
    if status in kinds:
        raise kinds[status](detail)
    if status in (408, 425, 429) or status >= 500 or 300 <= status < 400:
        raise TooBusy(detail, extra={"retry_after_s": _seconds(retry_after)})
    raise BadInput(detail)


def _seconds(retry_after: str) -> float:
    """Retry-After as seconds; 0 when absent or a date, which no fabcoord server sends."""
    return min(float(retry_after), _LONGEST_RETRY_S) if retry_after.isdecimal() else 0.0


def _json_bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
