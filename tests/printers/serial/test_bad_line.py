"""On a bad line, in each mode: every command is executed once and in order, and soon."""

from __future__ import annotations

import pytest

from fabcoord.printers.simulator.wire import Faults
from tests.printers.serial.line import BAUD, MAY_OVERRUN, MODES, BadLine, moves

SEEDS = range(20)
LINES = 300
SLOW_S = 0.004  # a printer that is a little slower than the line
# The firmware throws away what it has received when it finds a damaged line. What is on its way
# then arrives as the end of a line, without a number, and is not checked. One line at a time
# leaves none on its way; packed, a command's letter never stands at the beginning of a byte.
MAY_CUT = {"flip_in", "lose_in", "lose_end", "noise_in"}


def expected(line: BadLine, commands: list[str]) -> list[str]:
    return [command.replace(" ", "") for command in commands] if line.packed else commands


def check(line: BadLine, commands: list[str], kinds: set[str]) -> None:
    """What came with a number was executed once and in order, and hardly anything came without."""
    assert not line.flow.failure
    assert line.executed == expected(line, commands)
    if not kinds & MAY_OVERRUN:
        assert line.firmware.overflowed_bytes == 0
    if "noise_in" not in kinds and (line.mode == "ping-pong" or not kinds & MAY_CUT):
        assert not line.unchecked
    assert len(line.unchecked) <= max(2, line.struck // 10)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", Faults.KINDS)
def test_what_is_executed_is_the_file(mode: str, kind: str) -> None:
    struck = 0
    for seed in SEEDS:
        line = BadLine(mode, seed, each_s=SLOW_S * (seed % 2), **{kind: 0.01})
        commands = moves(LINES, seed)
        line.stream(commands)
        check(line, commands, {kind})
        struck += line.struck
        assert line.foretold > LINES / 3 or mode.endswith("advanced ok")
    assert struck > len(SEEDS)


@pytest.mark.parametrize("mode", MODES)
def test_all_kinds_at_once(mode: str) -> None:
    for seed in SEEDS:
        line = BadLine(mode, seed, each_s=SLOW_S * (seed % 2), **dict.fromkeys(Faults.KINDS, 0.01))
        commands = moves(LINES, seed)
        line.stream(commands)
        check(line, commands, set(Faults.KINDS))
        assert line.struck


def rate(mode: str, seed: int, **faults: float) -> float:
    """Lines per second, beside what the line can carry."""
    line, commands = BadLine(mode, seed, **faults), moves(1500)
    took_s = line.stream(commands)
    size = sum(len(b"N1234 %s*99\n" % command.encode()) for command in commands)
    return size * 10 / BAUD / took_s


@pytest.mark.parametrize("kind", ["flip_in", "lose_in"])
def test_damaged_lines_cost_little(kind: str) -> None:
    for seed in range(3):
        clean = rate("ping-pong", seed)
        assert rate("ping-pong", seed, **{kind: 0.01}) > 0.95 * clean
        assert rate("window", seed) > 0.97
        assert rate("window", seed, **{kind: 0.02}) > 0.60


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["lose_ok", "lose_end"])
def test_what_was_lost_is_found_within_two_seconds(mode: str, kind: str) -> None:
    whole = BadLine(mode).stream(moves(LINES))
    for seed in SEEDS:
        line = BadLine(mode, seed)
        line.faults.set(kind, None, 1)
        assert line.stream(moves(LINES)) < whole + 2.0
