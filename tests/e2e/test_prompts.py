"""What a printer asks is answered from afar, all the way to the printer and back."""

from __future__ import annotations

from tests.e2e.lab import RunningLab
from tests.e2e.shapes import tower


def test_a_printers_question_is_answered_through_the_api(lab: RunningLab) -> None:
    left, panel = lab.printer("Left")["id"], lab.simulators["Left"]
    answered_before = panel.ask("state")["answered"]
    for words in ("begin Filament changed?", "choice Yes", "choice No", "show"):
        panel.ask("say", text=f"//action:prompt_{words}")
    prompt = lab.until(lambda: lab.printer(left)["prompt"], "the question")
    assert prompt == {"text": "Filament changed?", "choices": ["Yes", "No"]}

    lab.post(f"/printers/{left}/answer", {"choice": 1}, status=202)
    lab.until(
        lambda: panel.ask("state")["answered"] == [*answered_before, 1] or None,
        "the answer at the printer",
    )
    lab.until(lambda: lab.printer(left)["prompt"] is None or None, "the end of the question")
    assert lab.request("POST", f"/printers/{left}/answer", json={"choice": 0}).status_code == 409


def test_an_emergency_stop_halts_a_print_and_leaves_it_to_a_person(lab: RunningLab) -> None:
    left, panel = lab.printer("Left")["id"], lab.simulators["Left"]
    job = lab.ask(lab.upload(tower()), printer_id=left)
    lab.until_underway(job)
    lab.post(f"/printers/{left}/emergency-stop", {}, status=202)
    attempt = lab.until_attempt(job, "failed")
    assert attempt["reason"]
    assert lab.until_printer(left, "attention")["reason"]
    assert lab.job(job)["state"] == "needs_attention"
    panel.ask("reset")  # somebody switches it off and on
    lab.until_printer(left, "awaiting_clearance")
