"""The command line's view of a lab: the few API calls that `fabcoord print` makes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import requests

from fabcoord.errors import BadInput, FabcoordError, NotAllowed, NotFound, NotSignedIn

_TIMEOUT_S = 30.0
_ENDED = ("awaiting_pickup", "collected", "cancelled", "rejected", "failed")
_STUCK = ("needs_attention",)


class LabClient:
    """A lab's API with a token.

    Raises the error of our tree that a problem document stands for, with the server's words.
    """

    def __init__(self, server: str, token: str) -> None:
        if urlsplit(server).scheme not in ("http", "https"):
            raise BadInput(f"{server!r} is not an address.", hint="It begins with http://.")
        self._base = server.rstrip("/") + "/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def upload(self, path: Path, title: str, licence: str) -> dict[str, Any]:
        """Store a file as a design."""
        with path.open("rb") as file:
            return self._call(
                "POST",
                "/designs",
                files={"file": (path.name, file)},
                data={"title": title, "licence": licence},
                timeout=600,
            )

    def ask(self, design_id: str, wishes: dict[str, Any]) -> dict[str, Any]:
        """Ask for prints of a design."""
        return self._call("POST", "/jobs", json={"design_id": design_id, **wishes})

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        return self._call("GET", f"/jobs/{job_id}")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        options.setdefault("timeout", _TIMEOUT_S)
        try:
            response = self._session.request(method, self._base + path, **options)
        except requests.ConnectionError as error:
            raise FabcoordError(
                f"No lab answers at {self._base}.", hint="Is it running? Try --server URL."
            ) from error
        self._check(response)
        answer: dict[str, Any] = response.json()
        return answer

    def _check(self, response: requests.Response) -> None:
        if response.status_code < 400:
            return
        try:
            problem = response.json()
        except ValueError:
            problem = {"detail": f"{response.status_code} {response.reason}"}
        kind = {401: NotSignedIn, 403: NotAllowed, 404: NotFound}.get(
            response.status_code, BadInput if response.status_code < 500 else FabcoordError
        )
        fields = {one["field"]: one["detail"] for one in problem.get("errors", [])}
        raise kind(str(problem.get("detail", problem)), fields=fields)


def follow(client: LabClient, job_id: str) -> int:
    """Show a job's progress until it ends; 0 when it was printed."""
    told = ""
    with click.progressbar(length=1000, label="waiting", show_eta=False) as bar:
        shown = 0
        while True:
            job = client.job(job_id)
            words = f"{job['state'].replace('_', ' ')}: {job['reason']}"
            now = _progress(job)
            if words != told or now > shown:
                # Without a terminal the bar prints its label alone, once for each new one.
                told = bar.label = words
                bar.update(max(0, now - shown))
                shown = max(now, shown)
                bar.render_progress()
            if job["state"] in _ENDED or job["state"] in _STUCK:
                break
            # Between two looks; the event stream would tie up one of the server's places.
            time.sleep(0.5)
    return 0 if job["state"] in ("awaiting_pickup", "collected") else 1


def _progress(job: dict[str, Any]) -> int:
    """How far all copies are, in thousandths."""
    parts = job["copies_done"] + sum(
        attempt["progress"]
        for attempt in job["attempts"]
        if attempt["state"] in ("printing", "paused")
    )
    return int(1000 * min(parts / job["copies"], 1.0))
