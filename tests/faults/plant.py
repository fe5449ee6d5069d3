"""A lab at work that a test can ill-treat: several agents, many printers, persons about."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import requests

from fabcoord.agent import identity
from tests.e2e.lab import RunningLab
from tests.faults.bad_link import BadLink
from tests.faults.disk import Told

_OWN_PRINTERS = 2  # of the demo, driven by the agent that serve runs
_SETTINGS = """\
approval = "staff"
lease_s = 8.0
offer_s = 5.0
"""
STOPPED = ("needs_attention", "held", "failed", "cancelled", "rejected", "awaiting_approval")


@dataclass
class Site:
    """The places of a lab and of all that belongs to it, below one directory."""

    root: Path

    @property
    def lab(self) -> Path:
        return self.root / "lab"

    @property
    def machines(self) -> Path:
        """What each printer did, written down by the printer: `<printer's id>.txt`."""
        return self.root / "machines"

    def agents(self) -> list[Path]:
        """The directories of all agents, the server's own first."""
        return [self.lab / "agent", *sorted(self.root.glob("agent*"))]


class Plant:
    """A running lab with ``agent_count`` agents behind bad links, and one of its own.

    Args:
        printer_count: of all agents together.
        environment: for every process of the lab and of its agents.
        told: gets to know what somebody was told.
    """

    def __init__(
        self,
        root: Path,
        *,
        agent_count: int,
        printer_count: int,
        seed: int = 0,
        speed: float = 150,
        environment: Mapping[str, str] | None = None,
        told: Told | None = None,
    ) -> None:
        self.site = Site(root)
        self.told = told or Told()
        self._environment = dict(environment or {})
        self._stopped = threading.Event()
        self._agents: dict[Path, subprocess.Popen[bytes]] = {}
        self._simulators: list[subprocess.Popen[bytes]] = []
        self._lock = threading.RLock()  # over what is started and killed
        for place in (self.site.lab, self.site.machines):
            place.mkdir(parents=True)
        self.lab = RunningLab(
            self.site.lab, speed=speed, settings=_SETTINGS, environment=self._environment
        )
        self.lab.prepare()
        self.links = [BadLink(self.lab.port, seed + number) for number in range(agent_count)]
        self._printer_count = printer_count
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Self:
        try:
            for printer in self.lab.rows("SELECT id FROM printers"):
                self._put_up_printer(self.site.lab / "agent", printer["id"])
            self.lab.start()
            self.told.note(kind="token", token=self.lab.token)
            places = [self.site.root / f"agent{number}" for number in range(len(self.links))]
            for place, link in zip(places, self.links, strict=True):
                place.mkdir()
                self._start_agent(place, "--server", link.url, "--name", place.name)
            for number, place in enumerate(places):
                self._let_in(number, place)
        except BaseException:
            self.close()
            raise
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started."""
        self._stopped.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for link in self.links:
            link.close()
        self.lab.close()
        for process in (*self._agents.values(), *self._simulators):
            process.wait()

    def _let_in(self, number: int, place: Path) -> None:
        """Pair an agent as a person does, and give it its share of the printers."""
        [asked] = self.lab.until(
            lambda: self.lab.rows("SELECT code FROM pairings WHERE name = ?", place.name),
            "the agent asks to be let in",
        )
        self.lab.post("/agents/approve", {"code": asked["code"]})
        kept = self.lab.until(lambda: identity.load(place), "the agent is paired")
        self.told.note(kind="paired", place=place.name)
        printers = range(number, self._printer_count - _OWN_PRINTERS, len(self.links))
        wanted = {"machine": "demo", "driver": "virtual", "material": "PLA", "agent_id": None}
        for one in printers:
            made = self.lab.post(
                "/printers",
                {**wanted, "name": f"Printer {one}", "settings": {"speed": self.lab.speed}},
                status=201,
            )
            self._put_up_printer(place, made["id"])
            given = self.lab.request(
                "PATCH", f"/printers/{made['id']}", json={"agent_id": kept.agent_id},
                headers={"Authorization": f"Bearer {self.lab.token}", "If-Match": "*"},
            )  # fmt: skip
            assert given.status_code == 200, given.text

    def _put_up_printer(self, place: Path, printer_id: str) -> None:
        link = place / "virtual" / printer_id
        link.parent.mkdir(parents=True, exist_ok=True)
        self._simulators.append(
            subprocess.Popen(
                [
                    *(sys.executable, "-I", "-m", "fabcoord.printers.simulator"),
                    *("--link", str(link), "--speed", str(self.lab.speed)),
                    *("--record", str(self.site.machines / f"{printer_id}.txt")),
                ],
                # What a printer writes down is not on the lab's disk.
                env={n: v for n, v in self.lab._environment.items() if n != "FAULTS_FULL"},
                start_new_session=True,
            )
        )

    def _start_agent(self, place: Path, *more: str) -> None:
        with (place / "agent.log").open("ab") as log:
            self._agents[place] = subprocess.Popen(
                [sys.executable, "-m", "fabcoord", "agent", "--data", str(place), *more],
                env=self.lab._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _keep(self) -> None:
        """Start again what was killed, as systemd does."""
        while not self._stopped.wait(0.3):
            with self._lock:
                for place, process in list(self._agents.items()):
                    if process.poll() is not None:
                        self._start_agent(place)
                serve = self.lab._serve
                if serve is not None and serve.poll() is not None:
                    with contextlib.suppress(AssertionError):
                        self.lab._launch()

    # Faults

    def kill(self, what: str) -> None:
        """kill -9: ``web``, ``worker``, ``serve``, ``own agent``, ``agent 0`` …, ``everything``."""
        with self._lock:
            self._kill([process for process in self.processes() if self._is(process, what)])

    def _is(self, process: psutil.Process, what: str) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            argv = process.cmdline()
            if argv[1:3] != ["-m", "fabcoord"]:
                return False
            place = Path(argv[argv.index("--data") + 1]) if "--data" in argv else Path()
            if argv[3] == "agent":
                name = place.name.replace("agent", "agent ")
                return what in (
                    "everything",
                    name if place.parent != self.site.lab else "own agent",
                )
            return what in ("everything", argv[3])
        return False

    @staticmethod
    def _kill(doomed: list[psutil.Process]) -> None:
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in doomed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def processes(self) -> list[psutil.Process]:
        """All processes of lab and agents; not the printers."""
        return [one for one in self.lab.processes() if not _is_simulator(one)]

    # Work

    def gcode(self, number: int) -> bytes:
        """A small print that says which it is, so that the printer's own record can tell."""
        moves = (f"G1 X{20 + 100 * (turn % 2)} Y{20 + turn} F1500" for turn in range(40))
        lines = ("G21", "G90", "G28", "G1 Z5 F600", f"M117 begin {number}", *moves)
        return "\n".join((*lines, f"M117 end {number}", "M84", "")).encode()

    def ask(self, number: int) -> str:
        """Ask for print ``number`` until the lab has taken it; the job's id.

        The key makes that once, however often it is asked.
        """
        design_id = self._insist(
            "/designs", f"design {number}",
            files={"file": (f"part-{number}.gcode", self.gcode(number))},
            data={"title": f"Part {number}", "licence": "CC0-1.0"},
            done="SELECT id FROM designs WHERE title = ?", mark=f"Part {number}",
        )  # fmt: skip
        job_id = self._insist(
            "/jobs", f"job {number}", json={"design_id": design_id, "machine": "demo"},
            done="SELECT id FROM jobs WHERE design_id = ?", mark=design_id,
        )  # fmt: skip
        self.told.note(kind="job", id=job_id)
        return job_id

    def pay_in(self) -> None:
        """Money for somebody, at the till."""
        [ben] = self.lab.rows("SELECT id FROM members WHERE name = 'Ben'")
        body = {"amount_minor": 100, "note": f"deposit {time.monotonic_ns()}"}
        answer = self.lab.request("POST", f"/members/{ben['id']}/deposits", json=body)
        if answer.status_code == 201:
            self.told.note(kind="deposit", note=body["note"])

    def make_token(self) -> None:
        """A token for somebody, made on the server's own command line."""
        made = self.lab._run(
            *("token", "create", "--member", "Tester", "--role", "admin"),
            *("--data", str(self.site.lab)), stdout=subprocess.PIPE,
        )  # fmt: skip
        self.told.note(kind="token", token=made.stdout.decode().strip())

    def _insist(self, path: str, key: str, *, done: str, mark: str, **body: Any) -> str:
        """Have it made, once; the id of what was made.

        ``done`` finds with ``mark`` what was made when the lab could not say so any more.
        """
        deadline = time.monotonic() + 180
        while True:
            with contextlib.suppress(requests.RequestException):
                headers = {"Authorization": f"Bearer {self.lab.token}", "Idempotency-Key": key}
                answer = self.lab.request("POST", path, headers=headers, **body)
                if answer.status_code == 201:
                    return str(answer.json()["id"])
                assert answer.status_code in (409, 429, 500, 503, 507), answer.text
                if "carried out" in answer.text:
                    [made] = self.lab.rows(done, mark)
                    return str(made["id"])
            assert time.monotonic() < deadline, f"nobody takes {key}"
            self._stopped.wait(0.3)


def _is_simulator(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "fabcoord.printers.simulator" in process.cmdline()
    return True


def environment_of(root: Path, library: Path | None, log: Path | None = None) -> dict[str, str]:
    """What the processes of a plant below ``root`` need so that their disk is `disk.c`'s."""
    if library is None:
        return {}
    made = {"LD_PRELOAD": str(library), "FAULTS_ROOT": str(root), "FAULTS_FULL": str(full(root))}
    return made | ({"FAULTS_LOG": str(log)} if log else {})


def full(root: Path) -> Path:
    """While this file exists, the disk of everything below ``root`` is full."""
    return root.with_name(root.name + "-is-full")
