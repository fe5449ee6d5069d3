"""The port is opened so that nothing we do resets the board behind it."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator

import pytest

from fabcoord.printers.serial.link import LinkLost, SerialLink


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_closing_the_port_does_not_hang_up_on_the_board(pty: tuple[int, str]) -> None:
    link = SerialLink(pty[1], 115200)
    assert not termios.tcgetattr(link.fd)[2] & termios.HUPCL
    link.close()


def test_bytes_go_both_ways_without_waiting(pty: tuple[int, str]) -> None:
    link = SerialLink(pty[1], 250000)
    assert link.read() == b""
    link.write(b"M105\n")
    assert os.read(pty[0], 100) == b"M105\n"
    os.write(pty[0], b"ok\r\n\x11\x03")
    assert link.read() == b"ok\r\n\x11\x03"
    link.close()


def test_what_the_port_does_not_take_now_goes_out_later_in_order(pty: tuple[int, str]) -> None:
    link = SerialLink(pty[1], 115200)
    data = os.urandom(100_000)
    link.write(data[:90_000])
    link.write(data[90_000:])
    assert link.waits
    arrived = b""
    while len(arrived) < len(data):
        arrived += os.read(pty[0], 65536)
        link.flush()
    assert arrived == data
    assert not link.waits
    link.close()


def test_a_port_that_goes_away_is_noticed() -> None:
    master, slave = os.openpty()
    link = SerialLink(os.ttyname(slave), 115200)
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkLost):
        link.read()
    with pytest.raises(LinkLost):
        link.write(b"M105\n")
    link.close()


def test_an_emergency_stop_leaves_before_all_that_waits(pty: tuple[int, str]) -> None:
    link = SerialLink(pty[1], 115200)
    queued = b"N7 G1 X10 E.1*9\n" * 10_000
    link.write(queued)
    assert link.waits
    link.cut_in(b"\nM112\n")
    arrived = b""
    while b"M112\n" not in arrived:
        arrived += os.read(pty[0], 65536)
        link.flush()
    before, _, behind = arrived.partition(b"\nM112\n")
    assert len(before) < len(queued)
    assert queued.startswith(before), "only what the port had taken already"
    assert behind == b""
    assert not link.waits
    link.close()
