"""The binary transfer, both ends against each other over a line that damages what it carries."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.printers.serial.binary import Kind, Leaving, Transfer, fletcher16, packet
from fabcoord.printers.simulator.binary import BinaryStream
from fabcoord.printers.simulator.sdcard import SdCard

STEP_S = 0.1


class Wire:
    """A printer in binary mode; some of what is said in either direction is damaged or lost."""

    def __init__(self, damage: float = 0.0, seed: int = 0) -> None:
        self.card = SdCard()
        self.said: list[str] = []
        self.stream = BinaryStream(self.said.append, self.card)
        self.stream.open()
        self.now = 0.0
        self._damage = damage
        self._random = random.Random(seed)

    def carry(self, data: bytes) -> list[str]:
        """Bytes to the printer; what it said to them."""
        if data and self._random.random() < self._damage:
            at = self._random.randrange(len(data))
            flipped = bytes([data[at] ^ 1 << self._random.randrange(8)])
            data = data[:at] + self._random.choice((b"", flipped)) + data[at + 1 :]
        if data:
            self.stream.receive(data, self.now)
        said, self.said[:] = list(self.said), []
        return [line for line in said if self._random.random() >= self._damage / 2]

    def run(self, transfer: Transfer, most: int = 100_000) -> None:
        for _ in range(most):
            if transfer.over:
                return
            data = transfer.due(self.now)
            for line in self.carry(data):
                transfer.hear(line, self.now)
            if not data:
                self.now += STEP_S
        raise AssertionError("it never ended")


def sending(content: bytes) -> Transfer:
    rest = [content]

    def read(most: int) -> bytes:
        data, rest[0] = rest[0][:most], rest[0][most:]
        return data

    return Transfer("A.GCO", read)


def content_of(card: SdCard) -> bytes:
    assert card.select("A.GCO")
    return card._content


def test_the_checksum_is_fletchers() -> None:
    # The examples of the usual description of Fletcher-16.
    assert fletcher16(b"abcde") == 0xC8F0
    assert fletcher16(b"abcdefgh") == 0x0627
    assert packet(0, Kind.SYNC).hex() == "adb5000100000103"


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=2000), seed=st.integers(0, 2**32))
def test_every_byte_arrives_over_a_bad_line_or_the_failure_is_told(
    content: bytes, seed: int
) -> None:
    wire, transfer = Wire(damage=0.1, seed=seed), sending(content)
    wire.run(transfer)
    if transfer.failure:
        assert "does not" in transfer.failure
    else:
        assert content_of(wire.card) == content
        assert not wire.stream.active


@pytest.mark.parametrize("start", [0, 250, 255])
def test_the_counter_goes_on_where_it_was_and_round_and_round(start: int) -> None:
    wire, transfer = Wire(), sending(bytes(range(256)) * 200)
    wire.stream._counter = start
    wire.run(transfer)
    assert not transfer.failure
    assert content_of(wire.card) == bytes(range(256)) * 200


def test_a_transfer_that_is_given_up_leaves_no_file_and_listens_again() -> None:
    wire, transfer = Wire(), sending(b"G1 X5\n" * 1000)
    for _ in range(10):
        for line in wire.carry(transfer.due(wire.now)):
            transfer.hear(line, wire.now)
    transfer.fail("Nobody wants it.")
    wire.run(transfer)
    assert transfer.failure == "Nobody wants it."
    assert wire.card.names() == {}
    assert not wire.stream.active


def test_a_printer_that_says_nothing_is_no_speaker_of_it() -> None:
    transfer = sending(b"x")
    now = 0.0
    while not transfer.over:
        transfer.due(now)
        now += STEP_S
    assert transfer.silent
    assert now < 6


@pytest.mark.parametrize("written", [None, b"half"])
def test_one_that_was_left_in_the_middle_is_led_out(written: bytes | None) -> None:
    wire, leaving = Wire(), Leaving()
    wire.card.put("KEPT.GCO", b"of somebody else")
    wire.stream._counter = 77
    if written is not None:
        wire.stream.receive(packet(77, Kind.OPEN, b"\0\0A.GCO\0"), 0.0)
        wire.stream.receive(packet(78, Kind.WRITE, written)[:9], 0.0)
    wire.now = 1.0
    said = wire.carry(packet(0, Kind.SYNC))
    for _ in range(20):
        said = [line for one in said for line in wire.carry(leaving.hear(one))]
    assert leaving.left
    assert not wire.stream.active
    assert list(wire.card.names()) == ["KEPT.GCO"]
