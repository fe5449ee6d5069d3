"""The unpacker of MeatPack in the firmware: bytes in, characters out, as Marlin 2 does it."""

from __future__ import annotations

_SIGNAL = 0xFF
_WHOLE = 0xF
_END = ord("\n")


class Unpacker:
    """Understands plain characters until it is told that packed ones come."""

    def __init__(self) -> None:
        self.active = False
        self.no_spaces = False
        self._reset()

    def _reset(self) -> None:
        self._signals = 0
        self._command_next = False
        self._whole = 0  # characters that come whole now
        self._second = 0  # the one that was packed and comes behind them

    def feed(self, byte: int, out: bytearray) -> bool:
        """Take one byte; characters go to ``out``. True when it was a command to the unpacker."""
        if byte == _SIGNAL:
            if self._signals:
                self._command_next, self._signals = True, 0
            else:
                self._signals = 1
            return False
        if self._command_next:
            self._command_next = False
            self._obey(byte)
            return True
        if self._signals:
            self._signals = 0
            self._unpack(_SIGNAL, out)
        self._unpack(byte, out)
        return False

    def _obey(self, command: int) -> None:
        if command in (0xFB, 0xFA):
            self.active = command == 0xFB
        elif command in (0xF7, 0xF6):
            self.no_spaces = command == 0xF7
        elif command == 0xF9:
            self.active = False
            self._reset()

    def _unpack(self, byte: int, out: bytearray) -> None:
        if not self.active:
            out.append(byte)
        elif self._whole:
            out.append(byte)
            self._whole -= 1
            if self._second:
                out.append(self._second)
                self._second = 0
        else:
            self._pair(byte & 0xF, byte >> 4, out)

    def _pair(self, low: int, high: int, out: bytearray) -> None:
        if low == _WHOLE:
            self._whole = 2 if high == _WHOLE else 1
            self._second = 0 if high == _WHOLE else self._character(high)
            return
        first = self._character(low)
        out.append(first)
        if first == _END:
            return  # nothing comes behind an end of line
        if high == _WHOLE:
            self._whole = 1
        else:
            out.append(self._character(high))

    def _character(self, half: int) -> int:
        if half == 11:
            return ord("E" if self.no_spaces else " ")
        return b"0123456789. \nGX"[half]

    @property
    def state(self) -> str:
        """What is reported after each command."""
        return f"[MP] PV01 {'ON' if self.active else 'OFF'} {'NSP' if self.no_spaces else 'ESP'}"
