"""The tables of states: what may happen, what is refused in which words, and their page."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
from enum import StrEnum
from pathlib import Path

import pytest

from fabcoord.errors import Conflict
from fabcoord.queue import states
from fabcoord.queue.states import (
    ATTEMPT_EFFECTS,
    ATTEMPT_TRANSITIONS,
    ENDED,
    JOB_TRANSITIONS,
    LIVE,
    AttemptEvent,
    AttemptState,
    Effect,
    JobEvent,
    JobState,
    PrinterFacts,
    PrinterState,
    next_attempt_state,
    next_job_state,
    printer_state,
)

PAGE = Path(__file__).parents[2] / "docs/reference/states.md"
REWRITE = "FABCOORD_WRITE_DOCS"
JOB_PAIRS = list(itertools.product(JobState, JobEvent))
ATTEMPT_PAIRS = list(itertools.product(AttemptState, AttemptEvent))


@pytest.mark.parametrize(("state", "event"), JOB_PAIRS)
def test_a_job_moves_along_the_table_and_nowhere_else(state: JobState, event: JobEvent) -> None:
    wanted = JOB_TRANSITIONS.get((state, event))
    if wanted is not None:
        assert next_job_state(state, event) is wanted
        return
    with pytest.raises(Conflict) as caught:
        next_job_state(state, event)
    assert state.value.replace("_", " ") in caught.value.detail
    assert caught.value.problem()["state"] == state.value
    assert caught.value.hint


@pytest.mark.parametrize(("state", "event"), ATTEMPT_PAIRS)
def test_an_attempt_moves_along_the_table_and_nowhere_else(
    state: AttemptState, event: AttemptEvent
) -> None:
    wanted = ATTEMPT_TRANSITIONS.get((state, event))
    if wanted is not None:
        assert next_attempt_state(state, event) is wanted
        return
    with pytest.raises(Conflict) as caught:
        next_attempt_state(state, event)
    assert state.value in caught.value.detail
    assert caught.value.problem()["state"] == state.value


def test_an_attempt_that_was_accepted_is_never_offered_again() -> None:
    assert AttemptState.OFFERED not in ATTEMPT_TRANSITIONS.values()
    withdrawn = [of for (of, event) in ATTEMPT_TRANSITIONS if event is AttemptEvent.WITHDRAW]
    assert withdrawn == [AttemptState.OFFERED]


def test_what_ended_stays_ended() -> None:
    assert not [of for (of, _event) in ATTEMPT_TRANSITIONS if of in ENDED]
    over = (JobState.COLLECTED, JobState.REJECTED)
    assert not [of for (of, _event) in JOB_TRANSITIONS if of in over]


def test_every_state_can_be_reached_and_every_open_job_cancelled() -> None:
    assert set(JOB_TRANSITIONS.values()) == set(JobState)
    assert set(ATTEMPT_TRANSITIONS.values()) == set(AttemptState) - {AttemptState.OFFERED}
    over = {JobState.AWAITING_PICKUP, JobState.COLLECTED, JobState.CANCELLED, JobState.REJECTED}
    for state in set(JobState) - over:
        assert next_job_state(state, JobEvent.CANCEL) is JobState.CANCELLED


def test_a_doubt_is_settled_by_any_report_but_never_by_silence() -> None:
    settled = {event for (of, event) in ATTEMPT_TRANSITIONS if of is AttemptState.UNKNOWN}
    assert AttemptEvent.DOUBT not in settled
    assert {AttemptEvent.FINISH, AttemptEvent.FAIL, AttemptEvent.PRINT} <= settled


FREE = PrinterFacts(
    agent_seen=True,
    activity="ready",
    activity_reason="",
    in_maintenance=False,
    plate_clear=True,
    attempt_state=None,
    foreign_print=None,
)
FACTS = [
    PrinterFacts(*facts)
    for facts in itertools.product(
        (True, False),
        (None, "ready", "printing", "paused", "attention", "offline"),
        ("", "Its own words."),
        (True, False),
        (True, False),
        (None, *(one for one in AttemptState if one not in ENDED)),
        (None, "vase.gcode"),
    )
]


def test_a_printer_is_idle_only_when_nothing_at_all_speaks_against_it() -> None:
    idle = [facts for facts in FACTS if printer_state(facts)[0] is PrinterState.IDLE]
    assert {facts.activity_reason for facts in idle} == {"", "Its own words."}
    for facts in idle:
        assert facts.agent_seen
        assert facts.activity == "ready"
        assert facts.plate_clear
        assert not facts.in_maintenance
        assert facts.attempt_state is None
        assert facts.foreign_print is None


def test_a_printer_that_is_not_idle_says_why() -> None:
    for facts in FACTS:
        state, reason = printer_state(facts)
        if state is PrinterState.IDLE:
            assert reason == ""
        elif state is not PrinterState.BUSY:
            assert reason.endswith("."), facts


def test_a_plate_that_is_not_clear_waits_for_a_person_not_for_a_printer() -> None:
    facts = {name: getattr(FREE, name) for name in PrinterFacts.__slots__}
    assert printer_state(FREE) == (PrinterState.IDLE, "")
    uncleared = PrinterFacts(**facts | {"plate_clear": False})
    assert printer_state(uncleared)[0] is PrinterState.AWAITING_CLEARANCE
    doubt = PrinterFacts(**facts | {"agent_seen": False, "attempt_state": AttemptState.UNKNOWN})
    assert printer_state(doubt)[0] is PrinterState.ATTENTION
    foreign = PrinterFacts(**facts | {"activity": "printing", "foreign_print": "vase.gcode"})
    assert printer_state(foreign)[0] is PrinterState.BUSY
    assert "vase.gcode" in printer_state(foreign)[1]
    silent = PrinterFacts(**facts | {"agent_seen": False, "attempt_state": AttemptState.PRINTING})
    assert "may still be printing" in printer_state(silent)[1]


def test_the_page_of_states_is_the_tables() -> None:
    page = render()
    if os.environ.get(REWRITE):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page)
    assert PAGE.read_text() == page, f"run this test with {REWRITE}=1 to write the page anew"


def render() -> str:
    """The page: each state with its meaning, and what each event makes of it."""
    return "\n".join(
        [
            "# States of jobs, attempts and printers",
            "",
            "Written from `fabcoord/queue/states.py` by `tests/queue/test_states.py`;",
            f"`{REWRITE}=1 pytest tests/queue/test_states.py` writes it anew.",
            "",
            "An event that is not listed for a state is refused with 409 and the present state.",
            "",
            "## Jobs",
            "",
            *meanings(JobState),
            "",
            *moves(JobState, JOB_TRANSITIONS),
            "",
            "## Attempts",
            "",
            "Live states, in which a machine may be hot: "
            + ", ".join(f"`{one}`" for one in LIVE) + ".",
            "",
            *meanings(AttemptState),
            "",
            *moves(AttemptState, ATTEMPT_TRANSITIONS),
            "",
            "What an event does besides, in the same transaction:",
            "",
            *effects(),
            "",
            "## Printers",
            "",
            "Worked out anew from facts; `printer_state` is the one function that does so.",
            "",
            *meanings(PrinterState),
            "",
        ]
    )  # fmt: skip


def meanings(kind: type[StrEnum]) -> list[str]:
    told = comments(kind)
    rows = [f"| `{state}` | {told[state.name]} |" for state in kind]
    return ["| state | meaning |", "|---|---|", *rows]


def moves(kind: type[StrEnum], table: dict) -> list[str]:  # type: ignore[type-arg]
    rows = []
    for state in kind:
        by_end: dict[str, list[str]] = {}
        for (of, event), end in table.items():
            if of is state:
                by_end.setdefault(end.value, []).append(f"`{event}`")
        made = "; ".join(f"{', '.join(events)} → `{end}`" for end, events in by_end.items())
        rows.append(f"| `{state}` | {made or 'nothing: the end'} |")
    return ["| in | what can happen → what it becomes |", "|---|---|", *rows]


def effects() -> list[str]:
    told = comments(Effect)
    does = {
        event: "; ".join(
            told[one.name][0].lower() + told[one.name][1:] for one in ATTEMPT_EFFECTS[event]
        )
        for event in AttemptEvent
    }
    rows = [f"| `{event}` | {said[0].upper()}{said[1:]} |" for event, said in does.items()]
    return ["| event | effects |", "|---|---|", *rows]


def comments(kind: type[StrEnum]) -> dict[str, str]:
    """What the source says beside each member of an enum; a member without it is an error."""
    source = inspect.getsource(states)
    lines = source.splitlines()
    (body,) = (
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    found = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            _, _, comment = lines[node.lineno - 1].partition("# ")
            assert comment, f"{kind.__name__}.{node.targets[0].id} does not say what it means"
            found[node.targets[0].id] = comment[0].upper() + comment[1:]
    return found
