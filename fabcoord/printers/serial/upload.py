"""How a file gets onto the printer's card: as lines, or as packets where the firmware takes them.
No I/O but reading the file."""

from __future__ import annotations

from collections import deque

from fabcoord.printers.base import PrintOrder
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.binary import Transfer
from fabcoord.printers.serial.framing import UnsendableLine
from fabcoord.printers.serial.parser import Failure, Message, Other, SdFile, SdRefused, SdWriting
from fabcoord.printers.serial.sdcard import card_name
from fabcoord.printers.serial.stream import PAUSE, ForbiddenCommand, GcodeStream

_LINES_AT_ONCE = 32


class Upload:
    """Writes one order's file to the card, line by line, numbered and with checksums as always.

    Raises OSError when the file cannot be opened.
    """

    def __init__(self, order: PrintOrder, profile: FirmwareProfile) -> None:
        self.order = order
        self.over = False
        self.failure = ""  # one sentence
        self.name = card_name(order.attempt_id, lower_case=profile.sd_lower_case)
        self._stream = GcodeStream(order.path, profile.longest_line_bytes)
        self._script: deque[str] = deque([f"M28 {self.name}"])
        self._opened = self._closed = False
        self._bytes = 0
        self._there: int | None = None  # how large the printer says that the file is

    @property
    def progress(self) -> float:
        return self._stream.progress

    @property
    def writing(self) -> bool:
        """Does the printer write down every line that it hears now?"""
        return self._opened and not self._closed

    def give_up(self, failure: str) -> None:
        """End early: close the file on the card, and delete it."""
        if self.failure:
            return
        self.failure, self._closed = failure, True
        self._script = deque(["M29", f"M30 {self.name}"])

    def next_command(self) -> str | None:
        """The next command, None when there is none; see `job.Job.next_command`."""
        if self._script:
            command = self._script.popleft()
            self._opened = self._opened or command.startswith("M28")
            return command
        if self.failure:
            self.over = True
        elif self._closed:
            self._check()
        return None if self.over else self._line()

    def next_lines(self, most: int) -> list[str]:
        """Lines that need not wait for those before; empty while others have to go."""
        if not self.writing or self._script:
            return []
        lines = [command for command, _ in self._stream.next_moves(most)]
        self._bytes += sum(map(len, lines)) + len(lines)
        return lines

    def _line(self) -> str | None:
        try:
            command = self._stream.next()
        except (UnsendableLine, ForbiddenCommand, OSError) as error:
            self.give_up(f"The file cannot be printed: {error}.")
            return self._script.popleft()
        if command is None:
            self._closed = True
            self._script.append(f"M23 {self.name}")
            return "M29"
        return self._counted(command)

    def _counted(self, command: str) -> str:
        if command is PAUSE:
            command = "M25"  # pauses the print from the card until M24, without a button
        self._bytes += len(command) + 1
        return command

    def _check(self) -> None:
        self.over = True
        if self._there is not None and self._there < self._bytes:
            self.failure = (
                f"The card holds {self._there} bytes of a file of {self._bytes}: is it full?"
            )

    def next_bytes(self, now: float) -> bytes | None:
        """What goes out as it is, instead of lines; None while lines are understood."""
        return None

    @property
    def deadline(self) -> float | None:
        """When to ask for bytes again if nothing is heard; None for never."""
        return None

    @property
    def closing(self) -> bytes:
        """What has to be said before anything else is understood, at any moment."""
        return b"\nM29\n" if self.writing else b""

    def hear(self, message: Message, now: float) -> None:
        """Take in one message."""
        if isinstance(message, Failure):
            if "writ" in message.text:
                self.give_up(f"The printer's card takes no more: is it full? ({message.text})")
        elif isinstance(message, SdRefused):
            self.give_up(f"The printer's card takes no file: {message.text}")
        elif isinstance(message, SdFile) and message.opened and self._closed:
            self._there = message.size
        elif isinstance(message, SdWriting) and message.saved and not self._closed:
            self.give_up("The printer closed the file before all of it was sent.")

    def close(self) -> None:
        self._stream.close()


class BinaryUpload(Upload):
    """The same by `binary.Transfer`: the same bytes arrive on the card, about twice as fast.

    Raises OSError when the file cannot be opened.
    """

    def __init__(self, order: PrintOrder, profile: FirmwareProfile) -> None:
        super().__init__(order, profile)
        self._script = deque(["M28 B1"])
        self._transfer = Transfer(self.name, self._read)
        self._buffer = b""

    @property
    def not_spoken(self) -> bool:
        """The firmware promised this way of transfer and does not know it."""
        return self._transfer.silent

    @property
    def writing(self) -> bool:
        """Is the printer deaf to G-code now?"""
        return self._opened and not self._transfer.over

    def give_up(self, failure: str) -> None:
        """End early; the firmware deletes the half file."""
        if self._opened:
            self._transfer.fail(failure)
        elif not self.failure:
            self.failure = failure
            self._script.clear()

    def next_command(self) -> str | None:
        if self._script:
            command = self._script.popleft()
            self._opened = self._opened or command == "M28 B1"
            return command
        if self.writing:
            return None
        if self.failure:
            self.over = True
        elif self._closed:
            self._check()
        elif self._transfer.failure:
            self.failure = self._transfer.failure
            if self.not_spoken:  # then it may have opened a file of that name
                self._script.extend(("M29", "M30 B1"))
            return self.next_command()
        else:
            self._closed = True
            return f"M23 {self.name}"
        return None

    def next_lines(self, most: int) -> list[str]:
        return []

    def next_bytes(self, now: float) -> bytes | None:
        if not self.writing or self._script:
            return None
        try:
            return self._transfer.due(now)
        except (UnsendableLine, ForbiddenCommand, OSError) as error:
            self.give_up(f"The file cannot be printed: {error}.")
            return self._transfer.due(now)

    @property
    def deadline(self) -> float | None:
        return self._transfer.deadline if self.writing else None

    @property
    def closing(self) -> bytes:
        return self._transfer.leaving + b"\nM29\n" if self.writing else b""

    def _read(self, most: int) -> bytes:
        """At most so many bytes of what is to be on the card, none at the end."""
        while len(self._buffer) < most:
            lines = [command for command, _ in self._stream.next_moves(_LINES_AT_ONCE)]
            self._bytes += sum(map(len, lines)) + len(lines)
            if not lines:
                command = self._stream.next()
                if command is None:
                    break
                lines = [self._counted(command)]
            self._buffer += "".join(f"{line}\n" for line in lines).encode("ascii")
        data, self._buffer = self._buffer[:most], self._buffer[most:]
        return data

    def _check(self) -> None:
        super()._check()
        if self._there is not None and self._there != self._bytes and not self.failure:
            self.failure = f"The card holds {self._there} bytes of a file of {self._bytes}."

    def hear(self, message: Message, now: float) -> None:
        if isinstance(message, Other):
            self._transfer.hear(message.text, now)
        elif not self.writing:
            super().hear(message, now)
