"""The card in the printer: the names of files on it, and what is printed from it. No I/O."""

from __future__ import annotations

import base64
import hashlib

from fabcoord.printers.base import Outcome
from fabcoord.printers.serial.parser import (
    Message,
    SdFile,
    SdIdle,
    SdPaused,
    SdProgress,
    SdRefused,
)

SOME_FILE = "SD card"
_NAME_ASKED = 3


def card_name(attempt_id: str, *, lower_case: bool = False) -> str:
    """The file's name on a card: short enough for FAT's eight letters, the same every time."""
    digest = hashlib.sha256(attempt_id.encode()).digest()
    name = f"FC{base64.b32encode(digest)[:6].decode()}.GCO"
    return name.lower() if lower_case else name


def short_name(told: str) -> str:
    """What `card_name` is compared with: without folders and long name, in capitals."""
    first = told.strip().partition(" ")[0]
    return first.rpartition("/")[2].upper()


class CardWatch:
    """Follows a print from the card by what the printer says of it, whoever started it.

    Marlin says ``Not SD printing`` of a paused print as of none, so in doubt it is asked for the
    file that it has open (``M27 C``).
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.running = self.paused = False
        self.name = ""
        self.progress = 0.0
        self.outcome: Outcome | None = None  # how the last one ended
        self.refusal = ""  # what the card refused to do, and did not take back since
        self._byte: int | None = None  # where it was at the last look
        self._asked = 0  # for its name, in vain
        self._doubts = 0  # looks since "not printing" was said of a print that had not ended

    @property
    def in_doubt(self) -> bool:
        """It was said not to print, and has not ended: paused, or given up?"""
        return self._doubts > 0

    def begin(self) -> None:
        """The selected file was told to start."""
        self.running, self.outcome, self.progress, self._byte = True, None, 0.0, None

    def question(self) -> str:
        """What to ask to learn how things stand."""
        if self.running and not self.name:
            self._asked += 1
            if self._asked > _NAME_ASKED:  # this firmware does not know the question
                self.name = SOME_FILE
                return "M27"
            return "M27 C"
        return "M27 C" if self._doubts else "M27"

    def hear(self, message: Message, *, hot: bool) -> None:
        """Take in one message; ``hot``: the printer still heats to a target."""
        if isinstance(message, SdFile):
            self._hear_file(message)
        elif isinstance(message, SdProgress):
            self._hear_progress(message)
        elif isinstance(message, SdPaused):
            self.paused = self.running = True
        elif isinstance(message, SdRefused):
            self.refusal = message.text
        elif isinstance(message, SdIdle) and self.running:
            self._hear_idle(message, hot)

    def hear_pause(self, *, paused: bool) -> None:
        """The printer says of itself that it paused, or went on."""
        self.paused = paused and self.running
        self._byte = None  # how far it is now is no news of it going on

    def _hear_file(self, file: SdFile) -> None:
        if file.opened:
            self.name, self.refusal = file.name, ""
        elif self._doubts and not file.name:
            self._end(Outcome.CANCELLED)
        elif self._doubts:
            self._doubts, self.paused = 0, True
        elif file.name:
            self.name = file.name
        else:
            self.name = SOME_FILE

    def _hear_progress(self, said: SdProgress) -> None:
        if not self.running:
            self.outcome = None
        if self._byte is not None and said.byte > self._byte:
            self.paused = False
        self.running, self._doubts, self._byte = True, 0, said.byte
        self.progress = min(1.0, said.byte / said.size) if said.size else 0.0

    def _hear_idle(self, said: SdIdle, hot: bool) -> None:
        if said.finished or self.progress >= 1.0:
            self._end(Outcome.FINISHED)
            return
        self._doubts += 1
        if self._doubts > 2:  # it does not know the question
            if hot:
                self.paused = True
            else:
                self._end(Outcome.CANCELLED)

    def _end(self, outcome: Outcome) -> None:
        self.running = self.paused = False
        self.outcome, self._byte, self._doubts = outcome, None, 0
