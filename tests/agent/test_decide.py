"""The rules of what to do next, one by one, and what holds for every combination of facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.agent.clock import rfc3339
from fabcoord.agent.decide import (
    GRACE_S,
    OFFLINE_PATIENCE_S,
    STOP_AGAIN_S,
    Begin,
    Facts,
    Fetch,
    Look,
    Report,
    Stop,
    Wait,
    decide,
    decide_command,
    offer_refusal,
)
from fabcoord.agent.held import Held, Stage, offer_problem
from fabcoord.agent.messages import Command
from fabcoord.printers.base import (
    Activity,
    EndedPrint,
    Found,
    Outcome,
    RunningPrint,
    Status,
)

from .doubles import offer

IDLE = Status(Activity.IDLE)
OFFLINE = Status(Activity.OFFLINE, "No cable.")
OURS = Status(Activity.PRINTING, print=RunningPrint("a1", "fc-a1.gcode", 0.3))
OURS_PAUSED = replace(OURS, activity=Activity.PAUSED)
FOREIGN = Status(Activity.PRINTING, print=RunningPrint(None, "benchy.gcode", 0.3))
WORDS = (
    *("offered", "accepted", "transferring", "starting", "printing", "paused"),
    *("finished", "failed", "cancelled", "unknown", "gone"),
)


def held(stage: Stage = Stage.ACCEPTED, reported: str = "") -> Held:
    return Held("a1", "t", "p1", "0" * 64, 10, stage, reported or stage.value)


def ended(outcome: Outcome) -> Status:
    return replace(IDLE, ended=EndedPrint("a1", "fc-a1.gcode", outcome, "why"))


def facts(stage: Stage, status: Status, word: str | None = None, **more: object) -> Facts:
    return Facts(held(stage), status, word, **more)  # type: ignore[arg-type]


class TestBeforeTheStart:
    @pytest.mark.parametrize("word", [None, "offered"])
    def test_waits_for_the_servers_word(self, word: str | None) -> None:
        assert decide(facts(Stage.ACCEPTED, IDLE, word)) == Wait()

    def test_goes_its_way_once_confirmed(self) -> None:
        step = decide(facts(Stage.ACCEPTED, IDLE, "accepted"))
        assert step == Report(Stage.TRANSFERRING, "transferring")
        assert decide(facts(Stage.TRANSFERRING, IDLE, "transferring")) == Fetch()
        assert decide(facts(Stage.TRANSFERRING, IDLE, "transferring", ready=True)) == Begin()

    @pytest.mark.parametrize("word", ["cancelled", "finished", "failed", "gone"])
    def test_is_dropped_when_nobody_wants_it(self, word: str) -> None:
        assert decide(facts(Stage.TRANSFERRING, IDLE, word, ready=True)) == Report(Stage.ENDED)

    def test_is_given_back_when_the_agent_stops(self) -> None:
        step = decide(facts(Stage.TRANSFERRING, IDLE, "accepted", ready=True, draining=True))
        assert isinstance(step, Report)
        assert (step.stage, step.kind) == (Stage.ENDED, "failed")

    def test_is_never_started_into_another_print(self) -> None:
        step = decide(facts(Stage.TRANSFERRING, FOREIGN, "accepted", ready=True))
        assert isinstance(step, Report)
        assert "benchy.gcode" in step.reason

    def test_waits_for_an_unreachable_printer_but_not_for_ever(self) -> None:
        assert decide(facts(Stage.ACCEPTED, OFFLINE, "accepted")) == Wait()
        patience = OFFLINE_PATIENCE_S + 1
        step = decide(facts(Stage.ACCEPTED, OFFLINE, "accepted", offline_s=patience))
        assert step == Report(Stage.ENDED, "failed", "It was not started. No cable.")

    def test_an_expired_lease_is_settled_as_not_started(self) -> None:
        step = decide(facts(Stage.TRANSFERRING, IDLE, "unknown"))
        assert isinstance(step, Report)
        assert step.kind == "failed"


class TestAfterARestart:
    @pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.ENDED])
    def test_the_printer_is_asked_first(self, stage: Stage) -> None:
        assert decide(facts(stage, IDLE, "accepted", must_look=True)) == Look()
        assert decide(facts(stage, OFFLINE, "accepted", must_look=True)) == Wait()

    @pytest.mark.parametrize("stage", [Stage.TRANSFERRING, Stage.STARTING])
    def test_what_the_printer_knows_is_reported(self, stage: Stage) -> None:
        def asked(found: Found) -> object:
            return decide(facts(stage, IDLE, "unknown", must_look=True, found=found))

        assert asked(Found.RUNNING) == Report(Stage.PRINTING, "printing")
        assert asked(Found.FINISHED) == Report(Stage.ENDED, "finished")
        failed = asked(Found.FAILED)
        assert isinstance(failed, Report)
        assert failed.kind == "failed"

    @pytest.mark.parametrize("found", [Found.NOT_STARTED, Found.UNKNOWN])
    def test_without_a_mark_it_goes_on_only_if_the_server_confirms(self, found: Found) -> None:
        def go_on(word: str | None) -> object:
            return decide(
                facts(Stage.TRANSFERRING, IDLE, word, must_look=True, found=found, ready=True)
            )

        assert go_on(None) == Wait()
        assert go_on("accepted") == Begin()
        assert go_on("gone") == Report(Stage.ENDED)
        printing = go_on("printing")
        assert isinstance(printing, Report)
        assert printing.kind == ("failed" if found is Found.NOT_STARTED else "unknown")

    @pytest.mark.parametrize("found", [Found.NOT_STARTED, Found.UNKNOWN])
    @pytest.mark.parametrize("stage", [Stage.STARTING, Stage.PRINTING])
    def test_with_a_mark_a_person_must_look(self, stage: Stage, found: Found) -> None:
        step = decide(facts(stage, IDLE, "accepted", must_look=True, found=found))
        assert isinstance(step, Report)
        assert (step.stage, step.kind) == (Stage.UNKNOWN, "unknown")
        assert "Look" in step.reason

    def test_a_refused_start_that_never_began_has_failed(self) -> None:
        step = decide(
            facts(
                Stage.STARTING, IDLE, must_look=True, found=Found.NOT_STARTED, refusal="No SD card."
            )
        )
        assert step == Report(Stage.ENDED, "failed", "No SD card.")


class TestWhilePrinting:
    def test_pause_and_resume_are_told_once(self) -> None:
        printing = replace(held(Stage.PRINTING), reported="printing")
        assert decide(Facts(printing, OURS)) == Wait()
        assert decide(Facts(printing, OURS_PAUSED)) == Report(Stage.PRINTING, "paused")

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_the_end_is_told(self, outcome: Outcome) -> None:
        step = decide(facts(Stage.PRINTING, ended(outcome), "unknown"))
        assert step == Report(Stage.ENDED, outcome.value, "why")

    def test_a_cancelled_attempt_is_cancelled_at_the_printer(self) -> None:
        assert decide(facts(Stage.PRINTING, OURS, "cancelled")) == Stop()
        again = facts(Stage.PRINTING, OURS, "cancelled", stopping_s=STOP_AGAIN_S / 2)
        assert not isinstance(decide(again), Stop)
        assert isinstance(decide(replace(again, stopping_s=STOP_AGAIN_S)), Stop)

    @pytest.mark.parametrize("word", ["unknown", "failed", "finished"])
    def test_against_another_word_it_is_reported_again_once(self, word: str) -> None:
        step = decide(facts(Stage.PRINTING, OURS, word))
        assert isinstance(step, Report)
        assert step.kind == "printing"
        assert decide(facts(Stage.PRINTING, OURS, word, insisted=word)) == Wait()

    def test_an_unreachable_printer_is_waited_for(self) -> None:
        assert decide(facts(Stage.PRINTING, OFFLINE, "unknown", offline_s=9e9)) == Wait()

    def test_a_print_that_does_not_show_is_looked_for(self) -> None:
        assert decide(facts(Stage.PRINTING, IDLE)) == Wait()
        assert decide(facts(Stage.PRINTING, IDLE, absent_s=GRACE_S + 1)) == Look()


class TestUnknown:
    def test_waits_for_a_person_and_then_lets_go(self) -> None:
        assert decide(facts(Stage.UNKNOWN, IDLE, "unknown")) == Wait()
        assert decide(facts(Stage.UNKNOWN, IDLE, "finished")) == Report(Stage.ENDED)

    def test_a_person_who_errs_is_told_so_once(self) -> None:
        step = decide(facts(Stage.UNKNOWN, IDLE, "printing"))
        assert isinstance(step, Report)
        assert (step.stage, step.kind) == (Stage.UNKNOWN, "unknown")
        assert decide(facts(Stage.UNKNOWN, IDLE, "printing", insisted="printing")) == Wait()
        assert decide(facts(Stage.UNKNOWN, OFFLINE, "printing")) == Wait()

    def test_a_late_sight_of_the_print_settles_it(self) -> None:
        assert decide(facts(Stage.UNKNOWN, OURS)) == Report(Stage.PRINTING, "printing")
        assert decide(facts(Stage.UNKNOWN, ended(Outcome.FINISHED))) == Report(
            Stage.ENDED, "finished", "why"
        )


statuses = st.sampled_from(
    [IDLE, OFFLINE, OURS, OURS_PAUSED, FOREIGN, Status(Activity.ATTENTION, "Killed.")]
    + [ended(outcome) for outcome in Outcome]
)
any_facts = st.builds(
    Facts,
    held=st.builds(held, st.sampled_from([s for s in Stage if s is not Stage.ENDED])),
    status=statuses,
    word=st.none() | st.sampled_from(WORDS),
    must_look=st.booleans(),
    found=st.none() | st.sampled_from(Found),
    refusal=st.sampled_from(["", "Refused."]),
    ready=st.booleans(),
    absent_s=st.floats(0, 1e6),
    offline_s=st.floats(0, 1e6),
    stopping_s=st.none() | st.floats(0, 1e6),
    insisted=st.none() | st.sampled_from(WORDS),
    draining=st.booleans(),
    cancelling=st.booleans(),
    removed=st.booleans(),
)


@given(any_facts)
def test_a_start_needs_all_of_its_conditions(given_facts: Facts) -> None:
    if decide(given_facts) != Begin():
        return
    assert given_facts.held.stage is Stage.TRANSFERRING
    assert given_facts.word in ("accepted", "transferring")
    assert given_facts.status.activity is Activity.IDLE
    assert given_facts.ready
    assert not given_facts.draining
    if given_facts.must_look:
        assert given_facts.found in (Found.NOT_STARTED, Found.UNKNOWN)


@given(any_facts)
def test_only_a_print_of_ours_is_ever_cancelled(given_facts: Facts) -> None:
    if decide(given_facts) == Stop():
        assert given_facts.status.print == OURS.print
        assert given_facts.word == "cancelled" or given_facts.cancelling


@given(any_facts)
def test_a_running_print_of_ours_is_never_given_up(given_facts: Facts) -> None:
    step = decide(replace(given_facts, status=OURS))
    assert not isinstance(step, Report) or step.stage is Stage.PRINTING


@given(any_facts)
def test_a_person_is_told_why(given_facts: Facts) -> None:
    step = decide(given_facts)
    if isinstance(step, Report) and step.kind in ("unknown", "failed"):
        assert step.reason


NOW = datetime(2026, 3, 1, tzinfo=UTC)


def order(kind: str, attempt_id: str = "a1", expires_at: str = "") -> Command:
    later = rfc3339(NOW + timedelta(seconds=30))
    return Command("c1", kind, "p1", attempt_id, expires_at or later)


def test_commands_fit_what_the_printer_does() -> None:
    printing = held(Stage.PRINTING)
    assert decide_command(order("pause"), printing, OURS, NOW).do
    assert not decide_command(order("pause"), printing, OURS_PAUSED, NOW).do
    assert decide_command(order("resume"), printing, OURS_PAUSED, NOW).do
    assert decide_command(order("cancel"), printing, OURS, NOW).do
    assert not decide_command(order("pause"), printing, IDLE, NOW).ok
    assert not decide_command(order("dance"), printing, OURS, NOW).ok
    in_doubt = decide_command(order("cancel"), held(Stage.UNKNOWN), IDLE, NOW)
    assert not in_doubt.ok
    assert in_doubt.step is not None
    assert in_doubt.step.kind == "unknown"


@pytest.mark.parametrize("expires_at", ["2026-02-28T00:00:00Z", "soon", "2026-03-01T00:00:10"])
def test_a_command_past_its_time_is_not_carried_out(expires_at: str) -> None:
    verdict = decide_command(order("cancel", expires_at=expires_at), held(), OURS, NOW)
    assert not verdict.do
    assert not verdict.ok


def test_a_cancel_before_the_start_ends_the_attempt_here() -> None:
    verdict = decide_command(order("cancel"), held(Stage.TRANSFERRING), IDLE, NOW)
    assert verdict.step == Report(Stage.ENDED, "cancelled", "Cancelled before it was started.")


def test_offers_are_refused_with_a_reason() -> None:
    assert offer_refusal(IDLE, (), draining=False) == ""
    assert offer_refusal(IDLE, (), draining=True)
    assert offer_refusal(OFFLINE, (), draining=False) == "No cable."
    assert "another attempt" in offer_refusal(IDLE, (held(),), draining=False)
    assert "not settled" in offer_refusal(IDLE, (held(Stage.UNKNOWN),), draining=False)


@pytest.mark.parametrize("attempt_id", ["../../etc/passwd", "a b", "", "x" * 65, "a\n"])
def test_an_id_that_is_no_file_name_is_refused(attempt_id: str) -> None:
    assert offer_problem(offer(attempt_id))
