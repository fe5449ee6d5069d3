"""The command line's view of a lab: the API calls that its commands make."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import click
import requests

from fabcoord.errors import BadInput, Conflict, FabcoordError, NotAllowed, NotFound, NotSignedIn

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

    def add_design(self, paths: Sequence[Path], about: dict[str, Any]) -> dict[str, Any]:
        """Store files as one design; ``about`` are the fields of the form."""
        return self._send(
            "/designs", paths, {name: value for name, value in about.items() if value}
        )

    def import_design(self, paths: Sequence[Path], licence: str = "") -> dict[str, Any]:
        """Bring an Open Know-How bundle, or a manifest with its files."""
        return self._send("/designs/import", paths, {"licence": licence} if licence else {})

    def designs(self, **asked: Any) -> list[dict[str, Any]]:
        """Designs that are found, newest first."""
        wanted = {name: value for name, value in asked.items() if value}
        items: list[dict[str, Any]] = self._call("GET", "/designs", params=wanted)["items"]
        return items

    def design(self, design_id: str) -> dict[str, Any]:
        """The design as it is now."""
        return self._call("GET", f"/designs/{quote(design_id, safe='')}")

    def file(self, file_id: str) -> dict[str, Any]:
        """One file as it is now, also one that a repair has yet to make."""
        return self._call("GET", f"/files/{file_id}")

    def repair(self, file_id: str) -> dict[str, Any]:
        """Have a file mended; names the file that comes of it."""
        return self._call("POST", f"/files/{file_id}/repair", json={})

    def download(self, path: str, target: IO[bytes]) -> None:
        """Write what is at ``path`` of the API to ``target``, a piece at a time."""
        with self._answer("GET", path, stream=True, timeout=600) as response:
            for piece in response.iter_content(1 << 20):
                target.write(piece)

    def _send(self, path: str, paths: Sequence[Path], data: dict[str, Any]) -> dict[str, Any]:
        with ExitStack() as stack:
            files = [("file", (one.name, stack.enter_context(one.open("rb")))) for one in paths]
            return self._call("POST", path, files=files, data=data, timeout=600)

    def ask(self, design_id: str, wishes: dict[str, Any]) -> dict[str, Any]:
        """Ask for prints of a design."""
        return self._call("POST", "/jobs", json={"design_id": design_id, **wishes})

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        return self._call("GET", f"/jobs/{job_id}")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._answer(method, path, **options).json()
        return answer

    def _answer(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", _TIMEOUT_S)
        try:
            response = self._session.request(method, self._base + path, **options)
        except requests.ConnectionError as error:
            raise FabcoordError(
                f"No lab answers at {self._base}.", hint="Is it running? Try --server URL."
            ) from error
        self._check(response)
        return response

    def _check(self, response: requests.Response) -> None:
        if response.status_code < 400:
            return
        try:
            problem = response.json()
        except ValueError:
            problem = {"detail": f"{response.status_code} {response.reason}"}
        slug = str(problem.get("type", "")).rpartition("/")[2]
        kind = {401: NotSignedIn, 403: NotAllowed, 404: NotFound, 409: Conflict}.get(
            response.status_code, BadInput if response.status_code < 500 else FabcoordError
        )
        kind = _kinds(FabcoordError).get(slug, kind)
        fields = {one["field"]: one["detail"] for one in problem.get("errors", [])}
        raise kind(str(problem.get("detail", problem)), fields=fields)


def _kinds(root: type[FabcoordError]) -> dict[str, type[FabcoordError]]:
    """Every error of our tree by the name that problem documents give it."""
    found = {root.slug: root}
    for kind in root.__subclasses__():
        found |= _kinds(kind)
    return found


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
