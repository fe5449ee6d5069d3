"""Who this agent is: its id and token at one server, kept in ``agent.json``, and its lock."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from fabcoord.agent.clock import rfc3339
from fabcoord.errors import BadInput, Conflict


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server gave when a person approved this agent."""

    server: str  # base URL, without a slash at the end
    agent_id: str
    token: str = field(repr=False)


def load(data_dir: Path) -> Identity | None:
    """The identity kept in ``data_dir``, or None before the first pairing."""
    path = data_dir / "agent.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Identity(str(data["server"]), str(data["agent_id"]), str(data["token"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} is not what the agent wrote there.",
            hint="Move it away; the agent then pairs with the server again.",
        ) from error


def save(data_dir: Path, identity: Identity) -> None:
    """Keep the identity, readable for nobody else; whole on disk or not at all."""
    _write_private(data_dir / "agent.json", json.dumps(asdict(identity)))


def pairing_secret(data_dir: Path) -> str:
    """The random text by which the server knows this agent again while a person decides.

    Kept on disk: an agent that is restarted while it waits keeps its place and its code.
    """
    path = data_dir / "pairing"
    try:
        kept = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        kept = ""
    if len(kept) < 32:
        kept = secrets.token_urlsafe(32)
        _write_private(path, kept)
    return kept


def forget_pairing_secret(data_dir: Path) -> None:
    """Drop it once the identity is kept."""
    (data_dir / "pairing").unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the name as well: nobody gets this token a second time
    finally:
        os.close(directory)


def holder(data_dir: Path) -> int | None:
    """The process id of the agent that works with this directory; None when there is none."""
    try:
        with (data_dir / "agent.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                words = file.read(200).decode("utf-8", "replace").replace(",", " ").split()
                return int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    except FileNotFoundError:
        pass
    return None


def lock(data_dir: Path) -> BinaryIO:
    """Take ``agent.lock``, held as long as the file returned stays open.

    Raises Conflict, naming the holder, when another agent works with this directory: two would
    drive the same printers.
    """
    path = data_dir / "agent.lock"
    file = open(path, "a+b")  # noqa: SIM115 - held for the life of the process
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).decode("utf-8", "replace").strip() or "another process"
        file.close()
        raise Conflict(
            f"An agent already works with {data_dir}: {holder}.",
            hint="Stop that one first, or give this one another directory with --data.",
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()}, started {rfc3339()}".encode())
    file.flush()
    return file
