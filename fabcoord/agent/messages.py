"""What the agent and the server say to each other: one sync request, one sync answer.

Both sides import this module, so it holds values and JSON conversion only.

How an attempt travels (DESIGN: start once):

1. The answer carries an `Offer`. The agent journals it and sends the event ``accepted``.
2. The server confirms in ``attempts``: only when it says ``accepted`` may the agent go on.
3. The agent fetches the G-code, checks its hash, sends ``transferring``, journals that it is
   about to start, sends the start to the printer, and then sends ``starting``, ``printing``
   (repeated with progress in the telemetry), and one of ``finished``, ``failed``,
   ``cancelled`` or ``unknown``.
4. Events are numbered from 1 within an *epoch* (the life of one journal) and are sent again until
   the answer's ``acked`` reaches their number; the server applies each number once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Message = TypeVar("Message", bound="DataclassInstance")

PROTOCOL = 1

# Kinds of event that an agent reports of an attempt.
ATTEMPT_EVENTS = (
    "accepted",
    "declined",  # the agent cannot take the offer; the copy is offered again
    "transferring",
    "starting",
    "printing",
    "paused",
    "finished",
    "failed",
    "cancelled",
    "unknown",
)


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One fact about an attempt; ``token`` is the attempt's fencing token."""

    seq: int
    kind: str
    attempt_id: str
    token: str
    at: str  # RFC 3339 UTC, the agent's clock
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PrintTelemetry:
    """The print that a printer is working on; ``attempt_id`` None when it is not ours."""

    attempt_id: str | None
    file_name: str
    progress: float
    layer: int | None = None
    layers: int | None = None
    remaining_s: float | None = None


@dataclass(frozen=True, slots=True)
class PromptTelemetry:
    """What the printer asks of whoever stands there; answered by a choice's index."""

    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrinterTelemetry:
    """One printer as its driver sees it; ``activity`` is a `printers.base.Activity` value."""

    printer_id: str
    activity: str
    reason: str = ""
    temperatures: dict[str, float | None] = field(default_factory=dict)
    print: PrintTelemetry | None = None
    firmware: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    prompt: PromptTelemetry | None = None


@dataclass(frozen=True, slots=True)
class LiveAttempt:
    """An attempt that the agent holds and answers for; naming it renews its lease."""

    attempt_id: str
    token: str


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """POST /api/v1/agents/{id}/sync."""

    instance: str  # fresh at each start of the agent process
    instance_started_at: str  # RFC 3339 UTC; the newer of two instances wins
    epoch: str  # fresh whenever the journal is
    version: str
    printers: tuple[PrinterTelemetry, ...] = ()
    events: tuple[AgentEvent, ...] = ()
    live: tuple[LiveAttempt, ...] = ()
    commands_done: tuple[CommandResult, ...] = ()
    draining: bool = False  # takes no offers: the agent is about to stop
    protocol: int = PROTOCOL

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Raises TypeError, KeyError or ValueError on anything that is not of this shape."""
        return cls(
            instance=str(data["instance"]),
            instance_started_at=str(data["instance_started_at"]),
            epoch=str(data["epoch"]),
            version=str(data["version"]),
            printers=tuple(_printer(item) for item in data.get("printers", ())),
            events=tuple(_made(AgentEvent, item) for item in data.get("events", ())),
            live=tuple(_made(LiveAttempt, item) for item in data.get("live", ())),
            commands_done=tuple(
                _made(CommandResult, item) for item in data.get("commands_done", ())
            ),
            draining=bool(data.get("draining", False)),
            protocol=int(data.get("protocol", PROTOCOL)),
        )


def _printer(item: dict[str, Any]) -> PrinterTelemetry:
    running = item.get("print")
    told = _made(PrintTelemetry, running) if running else None
    asked = item.get("prompt")
    prompt = None
    if asked:
        choices = tuple(str(choice) for choice in asked.get("choices", ()))
        prompt = PromptTelemetry(str(asked["text"]), choices)
    return _made(PrinterTelemetry, {**item, "print": told, "prompt": prompt})


_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "str | None": (str, NoneType),
    "int | None": (int, NoneType),
    "float | None": (int, float, NoneType),
}
_LARGEST = 2**53  # beyond it JSON numbers are not exact, and SQLite's integers end soon


def _made(kind: type[Message], item: Any) -> Message:
    """A message of this kind, each field of the type it should have; raises TypeError."""
    made = kind(**item)
    for field_ in fields(kind):
        if not _is_of(str(field_.type), getattr(made, field_.name)):
            raise TypeError(f"{kind.__name__}.{field_.name} is not of the type {field_.type}")
    return made


def _is_of(type_: str, given: object) -> bool:
    if type_.startswith("dict["):
        of = type_.removeprefix("dict[str, ").removesuffix("]")
        return isinstance(given, dict) and all(_is_of(of, one) for one in given.values())
    right = type_ not in _TYPES or isinstance(given, _TYPES[type_])
    return right and not (isinstance(given, int | float) and abs(given) > _LARGEST)


@dataclass(frozen=True, slots=True)
class PrinterConfig:
    """A printer that this agent drives.

    ``settings`` by driver: serial ``{port, baud}`` and what docs/how-to/serial.md lists;
    octoprint ``{url, api_key}``; virtual ``{speed}``.
    """

    printer_id: str
    name: str
    driver: str
    machine: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """An attempt that the server offers; not to be started before it is confirmed."""

    attempt_id: str
    token: str
    printer_id: str
    gcode_sha256: str
    size: int
    file_name: str
    layers: int | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptState:
    """The server's word on an attempt that the agent named or holds.

    ``state`` is an attempt state of the API, or ``gone`` when the server does not know the
    attempt or the token is not the one it gave.
    """

    attempt_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person asked of a printer: pause, resume or cancel of an attempt, an answer."""

    command_id: str
    kind: str  # pause | resume | cancel; answer and emergency need no attempt
    printer_id: str
    attempt_id: str
    expires_at: str  # RFC 3339 UTC; not carried out after that
    choice: int = 0  # of an answer: the index in the choices of the printer's prompt


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command; sent until the server stops repeating the command."""

    command_id: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """The answer to a sync. ``interval_s`` is when to come again if nothing happens."""

    acked: int
    interval_s: float
    printers: tuple[PrinterConfig, ...] = ()
    offers: tuple[Offer, ...] = ()
    attempts: tuple[AttemptState, ...] = ()
    commands: tuple[Command, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(
            acked=int(data["acked"]),
            interval_s=float(data["interval_s"]),
            printers=tuple(PrinterConfig(**item) for item in data.get("printers", ())),
            offers=tuple(Offer(**item) for item in data.get("offers", ())),
            attempts=tuple(AttemptState(**item) for item in data.get("attempts", ())),
            commands=tuple(Command(**item) for item in data.get("commands", ())),
        )
