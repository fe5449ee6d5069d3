"""What is said of a part that has no room on a machine of the lab."""

from __future__ import annotations

from dataclasses import replace

from fabcoord.designs.meshcheck.report import Severity
from fabcoord.printers.machines import MachineModel, machine
from fabcoord.queue.room import judge


def model(name: str, x: float, y: float, z: float) -> MachineModel:
    return replace(machine("demo"), id=name.lower(), name=name, build_volume_mm=(x, y, z))


SMALL, WIDE = model("Small", 120, 120, 120), model("Wide", 250, 210, 200)


def test_nothing_is_said_where_it_fits_as_it_lies() -> None:
    assert judge((100, 100, 100), [SMALL, WIDE]) is None
    assert judge((1000, 1000, 1000), []) is None, "a lab without machines says nothing"


def test_the_machines_that_take_it_and_those_that_do_not_are_named() -> None:
    said = judge((200, 100, 50), [SMALL, WIDE])
    assert said is not None
    assert (said.code, said.severity, said.count) == ("larger_than_machine", Severity.WARNING, 1)
    assert "It fits Wide." in said.message
    assert "does not fit Small (120 × 120 × 120 mm)" in said.message


def test_what_fits_only_turned_is_told_so() -> None:
    said = judge((200, 240, 50), [WIDE])
    assert said is not None
    assert said.severity is Severity.WARNING
    assert "Turned by a quarter it fits Wide." in said.message
    upright = judge((50, 50, 240), [WIDE])
    assert upright is not None
    assert "Turned by a quarter it fits Wide." in upright.message


def test_larger_than_each_machine_is_an_error() -> None:
    said = judge((300, 300, 300), [SMALL, WIDE])
    assert said is not None
    assert (said.severity, said.count) == (Severity.ERROR, 2)
    assert "larger than each machine of this lab" in said.message
    assert "Small (120 × 120 × 120 mm), Wide (250 × 210 × 200 mm)" in said.message


def test_every_order_of_the_sides_is_tried() -> None:
    for size in ((240, 200, 190), (190, 240, 200), (200, 190, 240), (240, 190, 200)):
        said = judge(size, [WIDE])
        assert said is None or said.severity is Severity.WARNING, size
