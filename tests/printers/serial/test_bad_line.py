"""On a bad line, in each mode: every command is executed once and in order, and soon."""

from __future__ import annotations

import pytest

from tests.printers.serial.line import BAUD, MODES, BadLine, moves

SEEDS = range(20)
KINDS = ("flip_in", "lose_in", "lose_end", "duplicate_in", "flip_out", "lose_ok")
LINES = 300
SLOW_S = 0.004  # a printer that is a little slower than the line


def expected(line: BadLine, commands: list[str]) -> list[str]:
    return [command.replace(" ", "") for command in commands] if line.packed else commands


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_executed_is_the_file(mode: str, kind: str) -> None:
    struck = 0
    for seed in SEEDS:
        line = BadLine(mode, seed, each_s=SLOW_S * (seed % 2), **{kind: 0.01})
        commands = moves(LINES, seed)
        line.stream(commands)
        assert not line.flow.failure
        assert line.executed == expected(line, commands), seed
        assert line.firmware.overflowed_bytes == 0
        struck += line.struck
    assert struck > len(SEEDS)


@pytest.mark.parametrize("mode", MODES)
def test_all_kinds_at_once(mode: str) -> None:
    for seed in SEEDS:
        line = BadLine(mode, seed, each_s=SLOW_S * (seed % 2), **dict.fromkeys(KINDS, 0.01))
        commands = moves(LINES, seed)
        line.stream(commands)
        assert not line.flow.failure
        assert line.executed == expected(line, commands), seed
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
