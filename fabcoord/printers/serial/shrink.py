"""Moves written as short as they can be without meaning anything else."""

from __future__ import annotations

import re

# Only what is certain: plain moves, whose every word is a letter and a decimal number.
_MOVE = re.compile(r"G0*([0-3])((?:\s*[XYZEFIJR]\s*[+-]?(?:\d+\.?\d*|\.\d+))*)\s*")
_WORD = re.compile(r"([A-Z])\s*([+-]?)0*(\d*)(?:\.(\d*?)0*)?(?=[\sA-Z]|$)")


def shrink(command: str) -> str:
    """The command without spaces that part nothing, without zeros that add nothing.

    A space stays before E, which some firmware would read as the exponent of the number before.
    Anything but a plain move is left as it is.
    """
    move = _MOVE.fullmatch(command)
    if move is None:
        return command
    words = "".join(_word(*word) for word in _WORD.findall(move[2]))
    return f"G{move[1]}{words}"


def _word(letter: str, sign: str, whole: str, part: str) -> str:
    number = f"{whole}.{part}" if part else whole or "0"
    minus = "-" if sign == "-" and number != "0" else ""
    return f"{' ' if letter == 'E' else ''}{letter}{minus}{number}"
