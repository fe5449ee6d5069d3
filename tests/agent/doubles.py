"""Small doubles for the agent's tests: a printer that outlives its driver, and a server's desk."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fabcoord.agent.messages import (
    AttemptState,
    Command,
    Offer,
    PrinterConfig,
    SyncAnswer,
    SyncRequest,
)
from fabcoord.errors import PrinterBusy, PrinterOffline
from fabcoord.printers.base import (
    Activity,
    EndedPrint,
    Found,
    Outcome,
    PrintOrder,
    RunningPrint,
    Status,
    Temperatures,
)

GCODE = b"G28\nG1 X10 F3000\n" * 500
GCODE_SHA256 = hashlib.sha256(GCODE).hexdigest()


def offer(attempt_id: str = "a1", printer_id: str = "p1", token: str = "", **more: Any) -> Offer:
    """An offer of GCODE."""
    fields = {
        "attempt_id": attempt_id,
        "token": token or f"token-of-{attempt_id}",
        "printer_id": printer_id,
        "gcode_sha256": GCODE_SHA256,
        "size": len(GCODE),
        "file_name": f"fc-{attempt_id}.gcode",
        "layers": 10,
        "duration_s": 60.0,
    }
    return Offer(**(fields | more))


@dataclass
class Machine:
    """A printer as a thing: goes on, and remembers, whatever becomes of its drivers."""

    remembers: bool = True  # like OctoPrint; False: like a bare serial port
    reachable: bool = True
    running: str | None = None  # attempt id, or another name for a print that is not ours
    foreign: bool = False
    paused: bool = False
    ended: EndedPrint | None = None
    attention: str = ""
    starts: list[str] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    transfers: list[bytes] = field(default_factory=list)
    hook: Callable[[str], None] = field(default=lambda _step: None)
    looks: int = 0
    looked: threading.Condition = field(default_factory=threading.Condition)

    def wait_until_seen(self) -> None:
        """Wait until a driver has looked at the machine as it is now, and its runner acted."""
        with self.looked:
            until = self.looks + 3
            assert self.looked.wait_for(lambda: self.looks >= until, 15)

    def end(self, outcome: Outcome = Outcome.FINISHED, reason: str = "") -> None:
        """The print that runs comes to an end."""
        assert self.running is not None
        ours = None if self.foreign else self.running
        self.ended = EndedPrint(ours, f"fc-{self.running}.gcode", outcome, reason)
        self.running, self.paused, self.foreign = None, False, False

    def start_by_hand(self, name: str = "benchy.gcode") -> None:
        """Somebody starts a print at the printer."""
        self.running, self.foreign, self.ended = name, True, None


class FakePrinter:
    """A driver for a `Machine`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.closed = False
        self._mine: set[str] = set()

    def connect(self) -> None:
        self.machine.hook("connect")
        if not self.machine.reachable:
            raise PrinterOffline("The cable is not plugged in.")

    def status(self) -> Status:
        m = self.machine
        m.hook("status")
        with m.looked:
            m.looks += 1
            m.looked.notify_all()
        if not m.reachable:
            return Status(Activity.OFFLINE, "The cable is not plugged in.")
        if m.attention:
            return Status(Activity.ATTENTION, m.attention, ended=m.ended)
        if m.running is None:
            return Status(Activity.IDLE, temperatures=Temperatures(21.0, 0.0), ended=m.ended)
        activity = Activity.PAUSED if m.paused else Activity.PRINTING
        attempt_id = None if m.foreign else m.running
        name = m.running if m.foreign else f"fc-{m.running}.gcode"
        return Status(
            activity, print=RunningPrint(attempt_id, name, 0.5), temperatures=Temperatures(200, 200)
        )

    def transfer(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        self.machine.hook("transfer")
        progress(0.5)
        self.machine.transfers.append(order.path.read_bytes())
        progress(1.0)

    def start(self, order: PrintOrder) -> None:
        m = self.machine
        m.hook("before start")
        if not m.reachable:
            raise PrinterOffline("The cable is not plugged in.")
        if m.running is not None:
            raise PrinterBusy("The printer prints something else.")
        m.starts.append(order.attempt_id)
        self._mine.add(order.attempt_id)
        m.running, m.foreign, m.ended, m.paused = order.attempt_id, False, None, False
        m.hook("after start")

    def pause(self) -> None:
        self.machine.paused = True

    def resume(self) -> None:
        self.machine.paused = False

    def cancel(self, attempt_id: str) -> None:
        self.machine.hook("cancel")
        self.machine.cancels.append(attempt_id)
        if self.machine.running == attempt_id and not self.machine.foreign:
            self.machine.end(Outcome.CANCELLED, "Cancelled.")

    def find(self, attempt_id: str) -> Found:
        m = self.machine
        m.hook("find")
        if m.running == attempt_id and not m.foreign:
            return Found.RUNNING
        if m.ended is not None and m.ended.attempt_id == attempt_id:
            return Found.FINISHED if m.ended.outcome is Outcome.FINISHED else Found.FAILED
        known = m.remembers or attempt_id in self._mine
        return Found.NOT_STARTED if known and attempt_id not in m.starts else Found.UNKNOWN

    def close(self) -> None:
        self.closed = True


_OVER = ("finished", "failed", "cancelled")


class Desk:
    """The server's side of the protocol, without HTTP: attempts, events, commands."""

    def __init__(self, printers: tuple[PrinterConfig, ...] = ()) -> None:
        self.printers = printers
        self.interval_s = 0.3
        self.offers: dict[str, Offer] = {}
        self.states: dict[str, str] = {}
        self.history: list[tuple[str, str, str]] = []  # attempt, kind, reason
        self.commands: dict[str, Command] = {}
        self.results: dict[str, tuple[bool, str]] = {}
        self.applied: dict[str, int] = {}  # epoch → highest number
        self.requests: list[SyncRequest] = []
        self.changed = threading.Condition()

    def offer(self, item: Offer) -> None:
        """Offer an attempt."""
        with self.changed:
            self.offers[item.attempt_id] = item
            self.states[item.attempt_id] = "offered"
            self.changed.notify_all()

    def command(self, command: Command) -> None:
        """Ask something of a printer, until its result is heard."""
        with self.changed:
            self.commands[command.command_id] = command
            self.changed.notify_all()

    def say(self, attempt_id: str, state: str) -> None:
        """A person, or an expired lease, decides about an attempt."""
        with self.changed:
            self.states[attempt_id] = state
            self.changed.notify_all()

    def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply what the agent reports and answer it."""
        with self.changed:
            self.requests.append(request)
            for event in request.events:
                if event.seq <= self.applied.get(request.epoch, 0):
                    continue
                self.applied[request.epoch] = event.seq
                self._apply(event.kind, event.attempt_id, event.token, event.reason)
            for result in request.commands_done:
                if self.commands.pop(result.command_id, None):
                    self.results[result.command_id] = (result.ok, result.reason)
            self.changed.notify_all()
            return SyncAnswer(
                acked=self.applied.get(request.epoch, 0),
                interval_s=self.interval_s,
                printers=self.printers,
                offers=()
                if request.draining
                else tuple(
                    o for o in self.offers.values() if self.states[o.attempt_id] == "offered"
                ),
                attempts=tuple(
                    AttemptState(
                        item.attempt_id,
                        self.states.get(item.attempt_id, "gone")
                        if self.offers[item.attempt_id].token == item.token
                        else "gone",
                    )
                    for item in request.live
                    if item.attempt_id in self.offers
                ),
                commands=tuple(self.commands.values()),
            )

    def _apply(self, kind: str, attempt_id: str, token: str, reason: str) -> None:
        known = self.offers.get(attempt_id)
        if known is None or known.token != token:
            return
        self.history.append((attempt_id, kind, reason))
        before = self.states[attempt_id]
        if kind in ("accepted", "declined"):
            if before == "offered":
                self.states[attempt_id] = "accepted" if kind == "accepted" else "withdrawn"
        elif before not in (*_OVER, "offered", "withdrawn"):
            self.states[attempt_id] = kind

    def kinds(self, attempt_id: str) -> list[str]:
        """What was reported of an attempt, in order."""
        with self.changed:
            return [kind for a, kind, _ in self.history if a == attempt_id]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
        """Wait until ``condition`` holds after some change."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), (self.states, self.history)

    def wait_state(self, attempt_id: str, *states: str, timeout_s: float = 15.0) -> None:
        """Wait until the attempt is in one of ``states``."""
        self.wait_for(lambda: self.states.get(attempt_id) in states, timeout_s)


class FakeServer:
    """A real HTTP server with the agent's four endpoints, which can be told to misbehave.

    ``script`` is asked before each request with (what, number of that kind so far) and may
    return a status to answer with, "drop" (no answer, not handled), "lose" (handled, no
    answer) or None.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.script: Callable[[str, int], int | str | None] = lambda _what, _n: None
        self.token = "secret-token"
        self.problem: dict[str, Any] = {"detail": "Scripted."}
        self.gcode = {GCODE_SHA256: GCODE}
        self.ranges: list[str] = []
        self.break_after: int | None = None  # bytes of G-code after which the line breaks
        self.approved = False
        self.paired_as: list[dict[str, Any]] = []
        self.seq = 0
        self.wakes = 0
        self.counts: dict[str, int] = {}
        self._http = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def wake(self) -> None:
        """Something changed for the agent: its long poll returns."""
        with self.desk.changed:
            self.seq += 1
            self.desk.changed.notify_all()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """Clients that go away in the middle are what these tests are about."""


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            what = urlsplit(self.path).path.rsplit("/", 1)[1]
            self.guarded(what, lambda: self.post(what, json.loads(body)))

        def do_GET(self) -> None:
            what = "wake" if "/wake" in self.path else "gcode"
            self.guarded(what, self.do_wake if what == "wake" else self.do_gcode)

        def guarded(self, what: str, act: Callable[[], None]) -> None:
            with server.desk.changed:
                server.counts[what] = number = server.counts.get(what, 0) + 1
                server.desk.changed.notify_all()
            order = server.script(what, number)
            if order == "drop":
                self.close_connection = True
            elif order == "lose":
                self.lost = True
                act()
                self.close_connection = True
            elif isinstance(order, int):
                self.send_json(order, server.problem)
            elif what != "pair" and self.headers["Authorization"] != f"Bearer {server.token}":
                self.send_json(401, {"detail": "Unknown token."})
            else:
                act()

        def post(self, what: str, data: dict[str, Any]) -> None:
            if what == "pair":
                server.paired_as.append(data)
                if server.approved:
                    self.send_json(200, {"agent_id": "ag1", "token": server.token})
                else:
                    self.send_json(202, {"code": "ABCD-2345", "expires_at": ""})
                return
            answer = server.desk.sync(SyncRequest.from_json(data))
            self.send_json(200, answer.to_json())

        def do_wake(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            after, wait = int(query["after"][0]), float(query["wait"][0])
            with server.desk.changed:
                server.wakes += 1
                server.desk.changed.wait_for(lambda: server.seq != after, wait)
                seq = server.seq
            self.send_json(200, {"seq": seq})

        def do_gcode(self) -> None:
            whole = server.gcode.get(self.path.rsplit("/", 1)[1])
            if whole is None:
                self.send_json(404, {"detail": "No such G-code."})
                return
            wanted = self.headers.get("Range", "")
            server.ranges.append(wanted)
            first = int(wanted[6:-1]) if wanted else 0
            body = whole[first:]
            self.send_response(206 if wanted else 200)
            if wanted:
                end = len(whole) - 1
                self.send_header("Content-Range", f"bytes {first}-{end}/{len(whole)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if server.break_after is not None:
                body, server.break_after = body[: server.break_after], None
                self.close_connection = True
            self.wfile.write(body)

        def send_json(self, status: int, data: dict[str, Any]) -> None:
            if getattr(self, "lost", False):
                return
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 503:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

    return Handler


def printer(printer_id: str = "p1", driver: str = "fake", **settings: Any) -> PrinterConfig:
    """A printer's configuration."""
    return PrinterConfig(printer_id, printer_id.upper(), driver, "mk3s", settings)


__all__ = [
    "GCODE",
    "GCODE_SHA256",
    "Desk",
    "FakePrinter",
    "FakeServer",
    "Machine",
    "offer",
    "printer",
]
