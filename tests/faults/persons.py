"""The people of a lab that is ill-treated: what they see, do with their hands, and say."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from typing import Self

import requests

from tests.e2e.lab import Json
from tests.faults.plant import Plant

_QUIET_S = 4.0  # a printer that did nothing for so long stands still
_UNDECIDED = ("needs_attention", "failed")


class Persons:
    """People who look after the lab: they approve, clear plates, look, settle and ask again.

    What they do at a printer they do with their hands first: a part is taken off, which the
    machine's record shows, and then it is said.
    """

    def __init__(self, plant: Plant) -> None:
        self._plant, self._lab = plant, plant.lab
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._walk, daemon=True)
        self.did: Counter[str] = Counter()
        self.retried: Counter[str] = Counter()
        self._taken: dict[str, str] = {}  # printer -> the print that was taken from it last

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _walk(self) -> None:
        while not self._stopped.wait(0.2):
            with contextlib.suppress(requests.RequestException):
                self._look_at_printers()
                self._look_at_jobs()

    def _look_at_printers(self) -> None:
        for printer in self._list("/printers"):
            if printer["state"] == "awaiting_clearance":
                if self.sees_moving(printer["id"]):
                    continue
                self._take_off(printer["id"])
                body = {"attempt_id": printer["plate_attempt_id"]}
                if self._say(f"/printers/{printer['id']}/clear", body):
                    self._plant.told.note(
                        kind="cleared", printer=printer["id"], attempt=printer["plate_attempt_id"]
                    )
                    self.did["cleared a plate"] += 1
            elif printer["state"] == "attention" and printer["attempt_id"]:
                self._settle(printer)

    def _settle(self, printer: Json) -> None:
        if self.sees_moving(printer["id"]):
            return
        job = self._get(f"/jobs/{printer['job_id']}")
        attempt = next((a for a in job["attempts"] if a["id"] == printer["attempt_id"]), None)
        if attempt is None or attempt["state"] != "unknown":
            return
        number = self._number_of(job["id"])
        record = self._plant.site.machines / f"{printer['id']}.txt"
        lies_there = record.exists() and f"M117 end {number}\n" in record.read_text()
        outcome = "finished" if lies_there else "failed"
        self._take_off(printer["id"])
        body = {"outcome": outcome, "plate_clear": True}
        if self._say(f"/attempts/{attempt['id']}/resolve", body):
            self._plant.told.note(kind="resolved", attempt=attempt["id"], outcome=outcome)
            self.did[f"settled a doubt: {outcome}"] += 1

    def _number_of(self, job_id: str) -> str:
        [found] = self._lab.rows(
            "SELECT designs.title FROM jobs JOIN designs ON designs.id = design_id"
            " WHERE jobs.id = ?", job_id,
        )  # fmt: skip
        return str(found["title"]).split()[-1]

    def _look_at_jobs(self) -> None:
        for job in self._list("/jobs", state=",".join(("awaiting_approval", *_UNDECIDED))):
            if job["state"] == "awaiting_approval":
                if self._say(f"/jobs/{job['id']}/approve", {}):
                    self._plant.told.note(kind="approved", id=job["id"])
                    self.did["approved"] += 1
            elif any(a["state"] == "unknown" for a in job["attempts"]):
                continue  # first somebody looks
            elif self._say(f"/jobs/{job['id']}/retry", {}):
                self._plant.told.note(kind="retried", id=job["id"])
                self.retried[job["id"]] += 1
                self.did["asked again"] += 1

    def sees_moving(self, printer_id: str) -> bool:
        """Whether the printer is at a print, seen by eye."""
        record = self._plant.site.machines / f"{printer_id}.txt"
        lines = record.read_text().splitlines() if record.exists() else []
        prints = [line for line in lines if line.startswith(("M117 begin", "M117 end"))]
        if not prints or prints[-1].startswith("M117 end"):
            return False
        return time.time() - record.stat().st_mtime < _QUIET_S

    def _take_off(self, printer_id: str) -> None:
        with (self._plant.site.machines / f"{printer_id}.txt").open("a") as record:
            record.write("taken off\n")

    def _list(self, path: str, **params: str) -> list[Json]:
        items: list[Json] = []
        query: Json = {**params, "limit": 200} if params else {}
        answer = self._lab.request("GET", path, params=query)
        if answer.status_code == 200:
            items = answer.json()["items"]
        return items

    def _get(self, path: str) -> Json:
        answer = self._lab.request("GET", path)
        if answer.status_code != 200:
            raise requests.RequestException(answer.text)
        found: Json = answer.json()
        return found

    def _say(self, path: str, body: Json) -> bool:
        """Say something; True when it was heard. A refusal or silence: look again later."""
        with contextlib.suppress(requests.RequestException):
            answer = self._lab.request("POST", path, json=body)
            return answer.status_code == 200
        return False
