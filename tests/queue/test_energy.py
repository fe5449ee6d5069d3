"""Energy: counted by a plug for the print that ran there, else estimated; waste is known."""

from __future__ import annotations

from typing import Any

import pytest

from fabcoord.agent.messages import PrinterTelemetry
from fabcoord.errors import BadInput
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.queue import energy, policy
from fabcoord.queue.energy import Meter

from .room import Pi, Room


@pytest.fixture
def metered(room: Room) -> Room:
    Meter(room.preparation.default).subscribe(room.store)
    with room.store.writing() as db:
        admin = accounts.create(db, "Root", Role.ADMIN)
        policy.change(
            db, admin,
            {"energy": {"co2e_g_kwh": 350.0, "source": "the grid's operator, 2025"},
             "prices": {"energy_kwh": 0.4}},
        )  # fmt: skip
    return room


def counts(pi: Pi, energy_wh: float) -> None:
    """The plug of the left printer says this from the next sync on."""
    left = pi.room.printers[0]
    metrics = {"plug_energy_mwh": energy_wh * 1000, "plug_power_w": 90.0}
    pi.machines[left] = PrinterTelemetry(left, "ready", metrics=metrics)


def starts(room: Room, pi: Pi) -> str:
    room.queued(printer_id=room.printers[0])
    room.dispatch()
    return pi.prints("starting", "printing")


def only(room: Room, by: str = "print", **options: Any) -> dict[str, Any]:
    with room.store.reading() as db:
        (found,) = energy.report(db, by, **options)
    return found


def test_a_plug_counts_for_the_print_that_ran_there(metered: Room, pi: Pi) -> None:
    counts(pi, 1000.0)
    pi.sync()
    attempt_id = starts(metered, pi)
    counts(pi, 1200.0)
    pi.sync()
    counts(pi, 1500.0)
    pi.says("finished", attempt_id)
    again = pi.request()
    pi.sync()
    pi.send(again)
    counts(pi, 1900.0)
    pi.sync()
    found = only(metered)
    assert (found["energy_kwh"], found["measured_prints"]) == (0.5, 1)
    assert (found["co2e_g"], found["cost_minor"], found["wasted_kwh"]) == (175.0, 20, 0.0)


def test_a_counter_that_begins_anew_loses_little(metered: Room, pi: Pi) -> None:
    counts(pi, 1000.0)
    pi.sync()
    attempt_id = starts(metered, pi)
    counts(pi, 1100.0)
    pi.sync()
    counts(pi, 50.0)  # the plug was restarted
    pi.says("finished", attempt_id)
    pi.sync()
    assert only(metered)["energy_kwh"] == 0.15


@pytest.mark.parametrize("nonsense", [-5.0, 1e300, "much", None])
def test_what_cannot_be_is_not_counted(metered: Room, pi: Pi, nonsense: Any) -> None:
    counts(pi, 1000.0)
    pi.sync()
    attempt_id = starts(metered, pi)
    left = metered.printers[0]
    pi.machines[left] = PrinterTelemetry(left, "ready", metrics={"plug_energy_mwh": nonsense})
    pi.sync()
    counts(pi, 1010.0)
    pi.says("finished", attempt_id)
    pi.sync()
    assert only(metered)["energy_kwh"] == 0.01


def test_without_a_plug_energy_is_estimated_from_power_and_time(metered: Room, pi: Pi) -> None:
    attempt_id = starts(metered, pi)
    with metered.store.writing() as db:
        db.conn.execute("UPDATE attempts SET started_at = '2026-01-01T00:00:00.000Z'")
    pi.says("failed", attempt_id)
    pi.sync()
    found = only(metered)
    assert found["measured_prints"] == 0
    assert found["wasted_kwh"] == found["energy_kwh"] > 0
    assert found["failed_prints"] == 1


def test_sums_are_by_member_design_printer_and_month(metered: Room, pi: Pi) -> None:
    pi.says("finished", starts(metered, pi))
    pi.sync()
    assert only(metered, "member")["name"] == "Ben"
    assert only(metered, "design")["name"] == "Cube"
    assert only(metered, "printer")["name"] == "Left"
    assert only(metered, "month")["prints"] == 1
    with metered.store.reading() as db:
        assert energy.report(db, "member", member_id=metered.eve.id) == []


def test_a_factor_without_its_source_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        policy.parse({"energy": {"co2e_g_kwh": 350.0}})
    assert "energy.source" in refused.value.fields
