"""A lab that really runs, for tests: `fabcoord serve` with everything that it starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests

from tests.e2e.simulator import ControlledSimulator

Json = dict[str, Any]
Found = TypeVar("Found")

_MARK = "FABCOORD_TEST_LAB"  # in the environment of every process of one lab
_LOOK_AGAIN_S = 0.25  # for what is no event: progress, processes
_OVER = ("collected", "cancelled", "rejected", "failed")


class RunningLab:
    """`fabcoord serve --demo` on a data directory and a free port of its own.

    Args:
        data_dir: the lab's directory; it may hold a lab already.
        speed: how many times faster than real ones its virtual printers are.
        settings: written to ``fabcoord.toml``.
        environment: given to serve, and by it to all that it starts.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        speed: float = 200,
        settings: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if settings:
            (self.data_dir / "fabcoord.toml").write_text(settings)
        self.speed = speed
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.data_dir / "serve.log"
        self.token = ""
        self._mark = str(self.data_dir)
        self._environment = {**os.environ, **(environment or {}), _MARK: self._mark}
        self._serve: subprocess.Popen[bytes] | None = None
        self._news = _News(self)
        self.simulators: dict[str, ControlledSimulator] = {}  # by their printer's name
        self._sockets = Path(tempfile.mkdtemp(prefix="fc-"))  # paths of sockets must be short

    # Life and death

    def prepare(self) -> None:
        """Make the lab without running it, so that its printers can be put up beforehand."""
        options = [*self._options(), "--url", self.url]
        self._run("prepare", *options, stdout=subprocess.DEVNULL)

    def start(self) -> Self:
        """Start serve; returns when the web answers and no printer is offline any more."""
        self._launch()
        if not self.token:
            made = self._run(
                *("token", "create", "--member", "Tester", "--role", "admin"),
                *("--data", str(self.data_dir)),
                stdout=subprocess.PIPE,
            )
            self.token = made.stdout.decode().strip()
        self._news.start()
        self.until(
            lambda: all(p["state"] != "offline" for p in self.printers()), "its printers answer"
        )
        return self

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._serve = subprocess.Popen(
                [*_FABCOORD, "serve", *self._options(), "--port", str(self.port)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(lambda: requests.get(f"{self.url}/healthz", timeout=2).ok, "the web answers")

    def start_timed(self) -> float:
        """Start serve again; how many seconds until its web answered."""
        began = time.monotonic()
        self._launch()
        return time.monotonic() - began

    def stop(self, within_s: float = 10.0) -> float:
        """Tell serve to end; how many seconds it took. Fails when it takes too long."""
        assert self._serve is not None
        began = time.monotonic()
        self._serve.terminate()
        self._serve.wait(within_s)
        return time.monotonic() - began

    def close(self) -> None:
        """End every process that this lab ever started, and what belongs to it."""
        self._news.stop()
        # One may just be starting another.
        while left := self.processes():
            self.kill(left)
        if self._serve is not None:
            self._serve.wait()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _options(self) -> list[str]:
        return ["--data", str(self.data_dir), "--demo", "--demo-speed", str(self.speed)]

    def _run(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
        how.setdefault("env", self._environment)
        return subprocess.run([*_FABCOORD, *arguments], check=True, timeout=60, **how)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `fabcoord` as a person does who has the lab's address and a token."""
        known = {"FABCOORD_SERVER": self.url, "FABCOORD_TOKEN": self.token}
        return subprocess.run(
            [*_FABCOORD, *arguments],
            env=os.environ | known, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

    # Its processes

    def processes(self, kind: str = "") -> list[psutil.Process]:
        """Processes of this lab, parents first: all, or those of one kind.

        Kinds are serve, web (its master and the worker below it), worker, agent and simulator;
        slicers and mesh checks, which run in a sandbox, belong to none.
        """
        found = [process for process in psutil.process_iter() if self._is_ours(process)]
        found.sort(key=lambda process: process.create_time())
        return [process for process in found if not kind or _kind(process) == kind]

    def kill(self, processes: Iterable[psutil.Process]) -> None:
        """kill -9 them all at once: each is stopped first, so that none sees another die."""
        doomed = list(processes)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in doomed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        if self._serve is not None and self._serve.pid in {process.pid for process in doomed}:
            self._serve.wait()
        for simulator in self.simulators.values():
            simulator.reap()
        self.until(lambda: not any(map(is_alive, doomed)), "what was killed is dead")

    def kill_kind(self, kind: str) -> None:
        """kill -9 all processes of a kind."""
        doomed = self.processes(kind)
        assert doomed, f"there is no {kind} to kill"
        self.kill(doomed)

    @contextlib.contextmanager
    def suspended(self, kind: str) -> Iterator[None]:
        """While the block runs, the processes of a kind stand still."""
        held = self.processes(kind)
        for process in held:
            process.suspend()
        try:
            yield
        finally:
            for process in held:
                process.resume()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(_MARK) == self._mark:
                return True
            # What runs in a sandbox has a bare environment, but its own directory.
            return self.data_dir in Path(process.cwd()).parents
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def pss_bytes(self) -> dict[str, int]:
        """Memory that each kind of process has to itself, shared pages by share."""
        used: dict[str, int] = {}
        for process in self.processes():
            kind = _kind(process)
            used[kind] = used.get(kind, 0) + process.memory_full_info().pss
        return used

    # Its printers

    def printers(self) -> list[Json]:
        items: list[Json] = self.get("/printers")["items"]
        return items

    def printer(self, name_or_id: str) -> Json:
        return next(p for p in self.printers() if name_or_id in (p["id"], p["name"]))

    def put_up_simulators(self) -> None:
        """Start the simulators of all virtual printers ourselves, with their control channel.

        The agent takes over a simulator that is alive. Call after `prepare`, while none runs.
        """
        for printer in self.rows("SELECT id, name FROM printers WHERE driver = 'virtual'"):
            self.simulators[printer["name"]] = ControlledSimulator(
                self.data_dir / "agent/virtual" / printer["id"],
                self._sockets / printer["id"],
                self.speed,
                self._environment,
            )

    # What one asks of it

    def get(self, path: str, **options: Any) -> Json:
        return self._call("GET", path, 200, **options)

    def post(
        self, path: str, body: Json | None = None, *, status: int = 200, **options: Any
    ) -> Json:
        if "files" not in options:
            options["json"] = body or {}
        return self._call("POST", path, status, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request of the API, whatever its answer."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        return requests.request(method, f"{self.url}/api/v1{path}", timeout=30, **options)

    def _call(self, method: str, path: str, status: int, **options: Any) -> Json:
        answer = self.request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        body: Json = answer.json()
        return body

    def upload(self, data: bytes, name: str = "part.stl") -> Json:
        """Store a design of one file."""
        form = {"title": name, "licence": "CC0-1.0"}
        return self.post("/designs", files={"file": (name, data)}, data=form, status=201)

    def ask(self, design: Json, **wishes: Any) -> str:
        """Ask for prints of a design; the job's id."""
        return str(self.post("/jobs", {"design_id": design["id"], **wishes}, status=201)["id"])

    def job(self, job_id: str) -> Json:
        return self.get(f"/jobs/{job_id}")

    def attempt(self, job_id: str) -> Json:
        """The newest attempt of a job."""
        newest: Json = self.job(job_id)["attempts"][-1]
        return newest

    def gcode_of(self, attempt: Json) -> Path:
        """The G-code that an attempt prints."""
        sha256 = str(attempt["gcode_sha256"])
        return self.data_dir / "blobs" / sha256[:2] / sha256

    def rows(self, sql: str, *arguments: object) -> list[Json]:
        """Rows of the lab's database, read beside the running lab."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.data_dir / 'lab.db'}?mode=ro", uri=True)
        ) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, arguments)]

    def events(self, kind: str, job_id: str) -> list[Json]:
        """The events of one kind about a job, oldest first."""
        return self.rows("SELECT * FROM events WHERE kind = ? AND job_id = ?", kind, job_id)

    # Waiting

    def until(self, holds: Callable[[], Found | None], what: str, within_s: float = 30) -> Found:
        """Wait for something, looking again at each event of the lab; returns what was found.

        That the web does not answer just now counts as not yet.
        """
        deadline = time.monotonic() + within_s
        while True:
            seen = self._news.count
            try:
                found = holds()
            except (requests.ConnectionError, requests.Timeout):
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s:g} s: {what}\n{self._situation()}")
            self._news.wait(seen, _LOOK_AGAIN_S)

    def until_job(self, job_id: str, *states: str, within_s: float = 60) -> Json:
        """Wait until a job is in one of these states."""

        def there() -> Json | None:
            job = self.job(job_id)
            return job if job["state"] in states else None

        return self.until(there, f"job {job_id} is {' or '.join(states)}", within_s)

    def until_attempt(self, job_id: str, *states: str, within_s: float = 60) -> Json:
        """Wait until the newest attempt of a job is in one of these states."""

        def there() -> Json | None:
            attempts = self.job(job_id)["attempts"]
            return attempts[-1] if attempts and attempts[-1]["state"] in states else None

        return self.until(there, f"its attempt is {' or '.join(states)}", within_s)

    def until_underway(self, job_id: str, progress: float = 0.05) -> Json:
        """Wait until a print has got somewhere, and is far from its end."""

        def there() -> Json | None:
            attempts = self.job(job_id)["attempts"]
            return attempts[-1] if attempts and attempts[-1]["progress"] > progress else None

        return self.until(there, "it is being printed", within_s=60)

    def until_printer(self, name_or_id: str, state: str, within_s: float = 30) -> Json:
        """Wait until a printer is in a state."""

        def there() -> Json | None:
            printer = self.printer(name_or_id)
            return printer if printer["state"] == state else None

        return self.until(there, f"{name_or_id} is {state}", within_s)

    def settle(self) -> None:
        """Cancel what is not done, clear every plate, forget what the printers have done."""
        for job in self.get("/jobs", params={"limit": 200})["items"]:
            if job["state"] not in ("awaiting_pickup", *_OVER):
                self.post(f"/jobs/{job['id']}/cancel")
            for attempt in job["attempts"]:
                if attempt["state"] == "unknown":
                    outcome = {"outcome": "failed", "plate_clear": True}
                    self.post(f"/attempts/{attempt['id']}/resolve", outcome)
        self.until(lambda: not any(p["state"] == "busy" for p in self.printers()), "all stopped")
        for printer in self.printers():
            if printer["state"] == "maintenance":
                self.post(f"/printers/{printer['id']}/ready")
            self.post(f"/printers/{printer['id']}/clear")
        self.until(lambda: all(p["state"] == "idle" for p in self.printers()), "all are idle")
        for simulator in self.simulators.values():
            simulator.ask("clear_log")

    def _situation(self) -> str:
        """What to read when a wait was in vain."""
        said = [f"{self.log}: {self.log.read_text(errors='replace')[-2000:]}"]
        agent_log = self.data_dir / "agent/agent.log"
        if agent_log.exists():
            said.append(f"{agent_log}: {agent_log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(sqlite3.Error):
            for table in ("printers", "jobs", "attempts"):
                order = "ORDER BY created_at DESC LIMIT 4"
                found = self.rows(f"SELECT id, state, reason FROM {table} {order}")  # noqa: S608
                said += [f"{table}: {row}" for row in found]
        return "\n".join(said)


class _News:
    """Follows the lab's event stream in a thread, through restarts of the web."""

    def __init__(self, lab: RunningLab) -> None:
        self._lab = lab
        self._condition = threading.Condition()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.count = 0

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def wait(self, seen: int, timeout_s: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self.count != seen, timeout_s)

    def _follow(self) -> None:
        headers = {"Authorization": f"Bearer {self._lab.token}"}
        while not self._stopped.is_set():
            with (
                contextlib.suppress(requests.RequestException),
                requests.get(
                    f"{self._lab.url}/api/v1/events", headers=headers, stream=True, timeout=(2, 20)
                ) as stream,
            ):
                for line in stream.iter_lines(chunk_size=1):
                    if line.startswith(b"data:"):
                        self._tell()
            self._stopped.wait(0.2)

    def _tell(self) -> None:
        with self._condition:
            self.count += 1
            self._condition.notify_all()


_FABCOORD = (sys.executable, "-m", "fabcoord")


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still does something; its parent may not have noticed its end."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def started_at(process: psutil.Process) -> str:
    """When a process was started, as the API writes times."""
    began = datetime.fromtimestamp(process.create_time(), UTC)
    return began.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kind(process: psutil.Process) -> str:
    """What a process of a lab is, from its command line."""
    try:
        argv = process.cmdline()
    except psutil.NoSuchProcess:
        return ""
    if "fabcoord.printers.simulator" in argv:
        return "simulator"
    return argv[3] if argv[1:3] == ["-m", "fabcoord"] else ""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
