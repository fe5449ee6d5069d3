"""The spool: G-code on the agent's disk, fetched with resume and checked before it is used."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from fabcoord.agent.client import Client
from fabcoord.agent.held import Held
from fabcoord.errors import FabcoordError, TooBusy

RESERVE_BYTES = 64 << 20  # left free for the journal and the system
_PIECE = 256 * 1024


class WrongBytes(FabcoordError):
    """What was fetched is not the G-code that the offer named; the file is gone."""


class Spool:
    """G-code files of held attempts, ``fc-<attempt id>.gcode``, in one directory."""

    def __init__(self, directory: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._reserve_bytes = reserve_bytes

    def room_problem(self, size: int) -> str:
        """Why a file of ``size`` bytes cannot be taken, in one sentence; empty when it can."""
        free = shutil.disk_usage(self._directory).free
        if free >= size + self._reserve_bytes:
            return ""
        return (
            f"The disk of the agent is almost full: {free >> 20} MB free, "
            f"{(size + self._reserve_bytes) >> 20} MB needed."
        )

    def path(self, held: Held) -> Path:
        """Where the attempt's G-code lies once it is whole and checked."""
        return self._directory / held.file_name

    def fetch(self, held: Held, client: Client, progress: Callable[[float], None]) -> Path:
        """Bring the attempt's G-code here, going on where an earlier try broke off.

        Raises TooBusy when the server is away, NotFound when it has no such file, WrongBytes
        when size or hash differ, OSError when the disk is full. ``progress`` gets 0 to 1 and
        may raise to abandon the download.
        """
        path = self.path(held)
        if path.is_file() and _sha256(path) == held.gcode_sha256:
            return path
        part = path.with_name(path.name + ".part")
        have = part.stat().st_size if part.is_file() else 0
        if have > held.size:
            part.unlink()
            have = 0
        if have < held.size:
            self._download(held, client, part, have, progress)
        if part.stat().st_size != held.size or _sha256(part) != held.gcode_sha256:
            part.unlink()
            raise WrongBytes("The G-code that arrived is not the G-code that was offered.")
        part.replace(path)
        return path

    def _download(
        self, held: Held, client: Client, part: Path, have: int, progress: Callable[[float], None]
    ) -> None:
        with client.gcode(held.gcode_sha256, have) as download:
            begins = _first_byte(download.header("Content-Range"))
            resumed = download.status == 206 and begins == have
            if download.status == 416 or (download.status == 206 and not resumed):
                part.unlink(missing_ok=True)
                raise TooBusy("The server does not go on where the download broke off.")
            done = have if resumed else 0
            with open(part, "ab" if resumed else "wb") as file:
                while piece := download.read(_PIECE):
                    done += len(piece)
                    if done > held.size:
                        break
                    file.write(piece)
                    progress(done / held.size)
                file.flush()
                os.fsync(file.fileno())
        if done > held.size:
            part.unlink()
            raise WrongBytes("The server sent more than it had offered.")
        if done < held.size:
            raise TooBusy("The download broke off.")

    def remove(self, held: Held) -> None:
        """Remove what there is of the attempt's G-code."""
        path = self.path(held)
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".part").unlink(missing_ok=True)

    def keep_only(self, held: tuple[Held, ...]) -> None:
        """Remove the files of attempts that are not held any more."""
        names = {item.file_name for item in held}
        for path in self._directory.glob("fc-*.gcode*"):
            if path.name.removesuffix(".part") not in names:
                path.unlink(missing_ok=True)


def _first_byte(content_range: str) -> int | None:
    """The first byte that ``Content-Range: bytes 10-99/100`` names."""
    unit, _, rest = content_range.partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
