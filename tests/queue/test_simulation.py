"""What would have been under other rules: traces, outcomes, and the figures made of them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.cli import main
from fabcoord.errors import BadInput
from fabcoord.queue import plots, traces
from fabcoord.queue.match import Offering, Wish
from fabcoord.queue.policy import Hours, Limits, Policy, Weights
from fabcoord.queue.simulation import FIRST_COME, Ask, max_min_s, simulate
from tests.queue.room import Room

T = 1_772_442_000.0  # Monday, 2 March 2026, 09:00 UTC
ONE = [Offering("p0", "One", "small", "PLA", None)]
HOUR = 3600.0


def test_a_printer_prints_one_after_the_other_and_waits_for_its_plate() -> None:
    found = simulate([Ask(T, "a", HOUR, 2)], ONE, Policy(), until_s=T + 10 * HOUR, clearing_s=600)
    assert [(one.start_s - T, one.end_s - T) for one in found.started] == [
        *((0.0, HOUR), (HOUR + 600, 2 * HOUR + 600)),
    ]


def test_first_come_is_first_served_whatever_somebody_used() -> None:
    asks = [Ask(T, "a", HOUR, 3), Ask(T + 1, "b", HOUR)]
    order = [
        [one.ask.member for one in simulate(asks, ONE, Policy(weights=weights),
                                            until_s=T + 10 * HOUR).started]
        for weights in (FIRST_COME, Weights())
    ]  # fmt: skip
    assert order == [["a", "a", "a", "b"], ["a", "b", "a", "a"]]


def test_limits_and_hours_hold_in_simulations_too() -> None:
    two = [*ONE, Offering("p1", "Two", "small", "PLA", None)]
    limited = Policy(member_limits=Limits(live_jobs=1))
    found = simulate([Ask(T, "a", HOUR, 2)], two, limited, until_s=T + 10 * HOUR)
    assert found.started[1].start_s >= T + HOUR
    closed = Policy(hours=Hours(open={"tuesday": [["09:00", "18:00"]]}))
    found = simulate([Ask(T, "a", HOUR)], ONE, closed, until_s=T + 48 * HOUR)
    assert [one.start_s for one in found.started] == [T + 24 * HOUR]


@given(
    st.dictionaries(st.text(max_size=3), st.floats(0, 1e6), min_size=1, max_size=8),
    st.floats(0, 1e7),
)
def test_max_min_parts_never_exceed_what_was_asked_for_and_are_equal_above(
    demanded: dict[str, float], capacity_s: float
) -> None:
    parts = max_min_s(demanded, capacity_s)
    assert sum(parts.values()) <= capacity_s * (1 + 1e-9) + 1e-6
    most = max(parts.values())
    for name, part in parts.items():
        assert part <= demanded[name] + 1e-6
        assert part == pytest.approx(min(demanded[name], most), rel=1e-6, abs=1e-3)


def test_a_semester_is_the_same_for_the_same_seed() -> None:
    semester = traces.Semester(members=10, printers=3, weeks=1)
    assert semester.asks() == semester.asks()
    asked_s = sum(ask.copy_s * ask.copies for ask in semester.asks())
    assert asked_s >= 1.3 * 3 * 7 * 86_400.0


def test_fair_share_is_fair_in_a_semester_that_asks_for_too_much_and_keeps_printers_busy() -> None:
    semester = traces.Semester(members=40, printers=6, weeks=6, seed=3)
    asks = semester.asks()
    first_come = simulate(asks, semester.offerings(), Policy(weights=FIRST_COME))
    fair = simulate(asks, semester.offerings(), Policy())
    assert fair.fairness() >= 0.95
    assert fair.fairness() > first_come.fairness()
    assert fair.utilisation() >= 0.95 * first_come.utilisation()


def test_a_trace_comes_back_as_it_was_written(tmp_path: Path) -> None:
    asks = [
        Ask(T, "a", 60.0, 2, Wish("small", "PLA", "red", None), T + HOUR),
        Ask(T + 1, "b, c", 61.0),
    ]
    traces.write_trace(tmp_path / "t.csv", asks)
    assert traces.read_trace(tmp_path / "t.csv") == asks


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no column asked_at"),
        ("asked_at,member,duration_s\nyesterday,a,1\n", "line 2"),
        ("asked_at,member,duration_s\n2026-01-01T00:00:00Z,a,-1\n", "above zero"),
    ],
)
def test_a_trace_that_cannot_be_read_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadInput, match=words):
        traces.read_trace(tmp_path / "t.csv")


def test_the_labs_own_past_is_a_trace_without_names(room: Room) -> None:
    room.queued(copies=2)
    room.queued(member=room.eve)
    with room.store.reading() as db:
        asks, printers = traces.of_lab(db)
    assert [(ask.member, ask.copies, ask.copy_s) for ask in asks] == [
        *(("m000", 2, 600.0), ("m001", 1, 600.0)),
    ]
    assert len(printers) == 2


def test_the_command_compares_policies_in_a_table_and_a_plot(tmp_path: Path) -> None:
    (tmp_path / "strict.json").write_text('{"member_limits": {"live_jobs": 1}}')
    said = CliRunner().invoke(
        main,
        ["simulate", "--weeks", "1", "--members", "8", "--printers", "3",
         "--policy", str(tmp_path / "strict.json"), "--plot", str(tmp_path / "waits.svg")],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert [line.split("  ")[0] for line in said.output.splitlines()] == [
        *("policy", "first come", "fair share", "strict"),
    ]
    drawn = ET.parse(tmp_path / "waits.svg").getroot()  # noqa: S314  (our own file)
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 3
    (tmp_path / "bad.json").write_text('{"approval": 3}')
    refused = CliRunner().invoke(main, ["simulate", "--policy", str(tmp_path / "bad.json")])
    assert refused.exit_code != 0
    assert "approval" in refused.output


def test_the_command_gives_figures_for_programs() -> None:
    said = CliRunner().invoke(
        main, ["simulate", "--weeks", "1", "--members", "5", "--printers", "2", "--json"]
    )
    assert {row["policy"] for row in json.loads(said.output)} == {"first come", "fair share"}


def test_a_plot_on_logarithmic_axes_has_round_powers() -> None:
    drawn = plots.plot(
        "t", plots.Axis("x", logarithmic=True), plots.Axis("y"),
        [plots.Line("l", [(1000, 1.0), (100_000, 2.0)])],
    )  # fmt: skip
    assert all(f">{number}<" in drawn for number in ("1,000", "10,000", "100,000"))
