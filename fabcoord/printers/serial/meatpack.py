"""MeatPack: the fifteen commonest characters of G-code in half a byte each.

After the public specification that firmware follows: the low half of a byte is the first
character, the high half the second; 1111 says that the character comes whole, behind the byte.
Two bytes 0xFF and a third are a command to the unpacker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, reduce
from operator import xor

from fabcoord.printers.serial.framing import Form, code_of
from fabcoord.printers.serial.shrink import shrink

_WHOLE = 0xF
_END = ord("\n")
_SIGNAL = b"\xff\xff"
PACK, PLAIN, RESET, STATE = (_SIGNAL + bytes([code]) for code in (0xFB, 0xFA, 0xF9, 0xF8))
NO_SPACES, SPACES = _SIGNAL + b"\xf7", _SIGNAL + b"\xf6"
_TEXTS = frozenset({"M23", "M28", "M30", "M32", "M117", "M118", "M928"})  # spaces mean something


@cache
def _pairs(no_spaces: bool, doubles: bool) -> dict[bytes, bytes]:
    """What each pair of characters becomes; without ``doubles`` no byte holds one twice."""
    halves = {char: half for half, char in enumerate(b"0123456789.")}
    halves |= {ord("E" if no_spaces else " "): 11, _END: 12, ord("G"): 13, ord("X"): 14}
    pairs = {}
    for first in range(128):
        for second in range(128):
            low, high = halves.get(first, _WHOLE), halves.get(second, _WHOLE)
            if first == second != _END and not doubles:
                high = _WHOLE
            whole = [char for char, half in ((first, low), (second, high)) if half == _WHOLE]
            pairs[bytes((first, second))] = bytes([low | high << 4, *whole])
    return pairs


def pack(line: bytes, *, no_spaces: bool, begin: int = 0, end: int | None = None) -> bytes:
    """One line of ASCII, with its end, as MeatPack.

    Between ``begin`` and ``end`` no byte holds the same character twice: such a byte could be lost
    without changing the checksum. Elsewhere, in the line's number, that would be noticed.
    """
    if len(line) % 2:
        line += b"\n"  # an unpacker passes over whatever comes behind an end of line in one byte
    begin, end = begin & ~1, len(line) if end is None else end + 1 & ~1
    fast, careful = _pairs(no_spaces, doubles=True), _pairs(no_spaces, doubles=False)
    return b"".join(
        [
            (careful if begin <= at < end else fast)[line[at : at + 2]]
            for at in range(0, len(line), 2)
        ]
    )


@dataclass(frozen=True, slots=True)
class Packed(Form):
    """Lines for a firmware that has the capability MEATPACK.

    Without spaces E takes the place of the space; a space that matters is then sent whole.
    """

    no_spaces: bool = True
    opening: bytes = field(init=False, default=b"")
    closing: bytes = field(init=False, default=RESET)
    end: bytes = field(init=False, default=b"\xcc")

    def __post_init__(self) -> None:
        # The reset does not bring the space back by itself.
        spaces = NO_SPACES if self.no_spaces else SPACES
        object.__setattr__(self, "opening", RESET + PACK + spaces)

    def line(self, number: int, command: str) -> bytes:
        """One numbered line.

        A zero before an even number makes the command's letter share its byte with a digit. A
        firmware that empties its buffer in the middle of a line then never finds a command there.
        """
        if self.shorten:
            command = shrink(command)
        if self.no_spaces and code_of(command) not in _TEXTS:
            command = command.replace(" ", "")
        head = b"N%d" % number
        if len(head) % 2 == 0:
            head = b"N0%d" % number
        gap = b"" if command[:1].isalpha() else b" "
        body = b"%s%s%s" % (head, gap, command.encode("ascii"))
        line = b"%s*%d\n" % (body, reduce(xor, body))
        return pack(line, no_spaces=self.no_spaces, begin=len(head) + 1, end=len(body))
