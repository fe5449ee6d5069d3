"""The lab's rules on pages: policy, groups, approvals, members, upkeep, and what members see."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fabcoord.members.roles import Member, Role
from fabcoord.queue import entitlements, jobs, policy, printers, trials, upkeep

from .conftest import Agent, Served, ask_for, seen, sign_in, store_design, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slicer]


@pytest.fixture
def bench(served: Served, admin: Member, agent: Agent) -> str:
    printer_id = agent.add_printer(admin, "Bench 1", plate_clear=True)
    agent.says(seen(printer_id))
    return printer_id


def rules_of(served: Served) -> tuple[int, policy.Policy]:
    with served.lab.store.reading() as db:
        return policy.current(db, served.lab.preparation.default)


def test_the_policy_is_changed_in_plain_words_and_its_history_tells_what(
    served: Served, admin: Member, page: Page
) -> None:
    sign_in(page, "Ada", "/policy")
    page.get_by_label("Approval", exact=True).select_option("staff")
    page.get_by_text("Opening hours").click()
    page.get_by_label("Monday").fill("9:00-12:00, 13:00-18:00")
    page.get_by_text("The most that one member may have").click()
    page.get_by_role("textbox", name="Hours of printing per week").first.fill("20")
    page.get_by_label("Why (kept with the version)").fill("The semester begins")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Version 1: The semester begins")).to_be_visible()
    history = page.get_by_role("listitem").filter(has_text="Version 1")
    expect(history).to_contain_text("Approval: none → staff")
    expect(history).to_contain_text("Hours of printing per week: not set → 20")
    version, rules = rules_of(served)
    assert (version, rules.approval) == (1, "staff")
    assert rules.hours.open == {"monday": [["09:00", "12:00"], ["13:00", "18:00"]]}
    assert rules.member_limits.machine_h == {"week": 20}
    page.get_by_text("The most that one member may have").click()
    page.get_by_role("textbox", name="Hours of printing per week").first.fill("")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Version 2").first).to_be_visible()
    assert rules_of(served)[1].member_limits.machine_h == {}


def test_what_cannot_be_read_is_named_and_nothing_is_lost(
    served: Served, admin: Member, page: Page
) -> None:
    sign_in(page, "Ada", "/policy")
    page.get_by_text("Opening hours").click()
    page.get_by_label("Monday").fill("from nine")
    page.get_by_label("Tuesday").fill("10:00-12:00")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("alert").filter(has_text="Monday")).to_be_visible()
    expect(page.get_by_label("Tuesday")).to_have_value("10:00-12:00")
    assert rules_of(served)[0] == 0


def test_who_read_an_older_version_changes_nothing(
    served: Served, admin: Member, page: Page
) -> None:
    sign_in(page, "Ada", "/policy")
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"approval": "staff"})
    page.get_by_label("Start", exact=True).select_option("manual")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("alert").filter(has_text="changed since you read it")).to_be_visible()
    assert rules_of(served)[1].release == "automatic"


def test_a_change_is_played_through_before_it_holds(
    served: Served, admin: Member, page: Page
) -> None:
    sign_in(page, "Ada", "/policy")
    page.get_by_text("Who comes first").click()
    page.get_by_label("Who used little of late").fill("0")
    page.get_by_role("button", name="Try it first").click()
    wait_for(served, lambda db: (trials.latest(db) or {}).get("state") == "done")
    expect(page.get_by_role("row").filter(has_text="As changed")).to_be_visible()
    assert rules_of(served)[0] == 0
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Who used little of late: 1000 → 0")).to_be_visible()


def test_a_group_gets_its_limits_and_members(served: Served, admin: Member, page: Page) -> None:
    grace = served.add_member("Grace")
    sign_in(page, "Ada", "/policy")
    page.get_by_text("A new group").click()
    form = page.locator("form[action='/groups']")
    form.get_by_label("Name").fill("Chess club")
    form.get_by_label("Grace").check()
    form.get_by_label("Grams per month").fill("500")
    form.get_by_role("button", name="Make the group").click()
    expect(page.get_by_text("Chess club")).to_be_visible()
    with served.lab.store.reading() as db:
        (group,) = entitlements.groups(db)
    assert group["members"] == [grace.id]
    assert group["limits"]["mass_g"] == {"month": 500.0}


def test_staff_approve_and_reject_with_a_message_that_the_member_reads(
    served: Served, admin: Member, bench: str, page: Page
) -> None:
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"approval": "staff"})
    grace = served.add_member("Grace")
    served.add_member("Sam", Role.STAFF)
    design_id = store_design(served, grace, "Bracket")
    good, bad = (ask_for(served, grace, design_id) for _ in range(2))
    for job_id in (good, bad):
        wait_for(served, lambda db, one=job_id: jobs.get(db, one)["state"] == "awaiting_approval")
    sign_in(page, "Sam", "/approvals")
    first = page.locator(f"#job-{good}")
    first.get_by_label("Message to Grace").fill("Nice one")
    first.get_by_role("button", name="Approve").click()
    expect(page.locator(f"#job-{good}")).to_have_count(0)
    second = page.locator(f"#job-{bad}")
    second.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("alert").filter(has_text="Say why")).to_be_visible()
    second.get_by_label("Message to Grace").fill("Too thin, make it 2 mm")
    second.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Grace", f"/jobs/{bad}")
    expect(page.get_by_text("Sam: Too thin, make it 2 mm")).to_be_visible()
    page.goto(f"/jobs/{good}")
    expect(page.get_by_role("note")).to_contain_text("Sam wrote")
    expect(page.get_by_role("note")).to_contain_text("Nice one")


def test_members_see_their_own_limits_and_how_old_the_forecast_is(
    served: Served, admin: Member, bench: str, agent: Agent, page: Page
) -> None:
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"member_limits": {"machine_h": {"week": 20}, "live_jobs": 2}})
        printers.set_maintenance(db, admin, bench, True)
    grace = served.add_member("Grace")
    job_id = ask_for(served, grace, store_design(served, grace, "Bracket"))
    wait_for(served, lambda db: jobs.get(db, job_id)["state"] == "queued")
    with served.lab.store.writing() as db:
        db.conn.execute(
            "UPDATE jobs SET position = 1, forecast_at ="
            " strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-5 seconds')"
        )
    sign_in(page, "Grace", f"/jobs/{job_id}")
    limits = page.get_by_role("list", name="Your limits")
    expect(limits).to_contain_text("0 of 20 h of printing this week")
    expect(limits).to_contain_text("0 of 2 prints at once")
    expect(page.get_by_text("Number 1 in the queue")).to_contain_text("s ago")


def test_training_badge_and_share_are_set_on_the_members_page(
    served: Served, admin: Member, page: Page
) -> None:
    grace = served.add_member("Grace")
    sign_in(page, "Ada", "/members")
    for fill in ("train", "badge", "share"):
        page.locator(f"#m-{grace.id} summary").click()
        form = page.locator(f"#m-{grace.id} form[action$='/{fill}']")
        if fill == "train":
            form.get_by_label("Trained on").select_option("demo")
        elif fill == "badge":
            form.get_by_label("Badge number").fill("0012345678")
            form.get_by_label("What it looks like").fill("blue")
        else:
            form.get_by_label("Part of the machines").fill("2")
        form.get_by_role("button").click()
        page.wait_for_load_state()
    line = page.locator(f"#m-{grace.id} summary")
    expect(line).to_contain_text("trained on demo")
    expect(line).to_contain_text("2 shares")
    expect(line).to_contain_text("1 badge")


def test_the_form_asks_for_night_tags_nozzle_and_a_deadline(
    served: Served, admin: Member, bench: str, agent: Agent, page: Page
) -> None:
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"hours": {"open": {"monday": [["09:00", "18:00"]]}}})
        printers.update(db, admin, bench, {"tags": ["enclosed"]}, None)
    other = agent.add_printer(admin, "Bench 2", plate_clear=True)
    with served.lab.store.writing() as db:
        db.conn.execute("UPDATE printers SET nozzle_mm = 0.6 WHERE id = ?", (other,))
    grace = served.add_member("Grace")
    sign_in(page, "Grace", f"/designs/{store_design(served, grace, 'Bracket')}")
    page.get_by_label("Needed by").fill("2031-05-06T12:00")
    page.get_by_label("Nozzle").select_option("0.4")
    page.get_by_label("enclosed").check()
    page.get_by_label("May run overnight").check()
    page.get_by_role("button", name="Ask for the print").click()
    page.wait_for_url("**/jobs/*")
    facts = page.locator(".facts").first
    for words in ("0.4 mm", "enclosed", "Overnight", "6 May 2031, 12:00"):
        expect(facts).to_contain_text(words)
    with served.lab.store.reading() as db:
        job = jobs.get(db, page.url.rpartition("/")[2])
    assert (job["nozzle_mm"], job["tags"], job["overnight"]) == (0.4, ["enclosed"], True)


def test_a_batch_on_one_plate_is_asked_for_paused_and_shown(
    served: Served, admin: Member, bench: str, page: Page
) -> None:
    grace = served.add_member("Grace")
    for title in ("Bracket", "Bolt"):
        store_design(served, grace, title)
    with served.lab.store.writing() as db:
        printers.set_maintenance(db, admin, bench, True)
    sign_in(page, "Grace", "/batches")
    page.get_by_label("What it is for").fill("Robot arm")
    page.get_by_label("Copies of Bracket").fill("2")
    page.get_by_label("Copies of Bolt").fill("1")
    page.get_by_label("Together on one plate").check()
    page.get_by_role("button", name="Ask for the batch").click()
    expect(page.get_by_role("heading", name="Robot arm")).to_be_visible()
    (job_id,) = wait_for(served, lambda db: [
        one["id"] for one in jobs.search(db)[0] if one["state"] == "queued"
    ])  # fmt: skip
    with served.lab.store.reading() as db:
        job = jobs.get(db, job_id)
    assert [part["copies"] for part in job["parts"]] in ([2, 1], [1, 2])
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: what prints goes on")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.goto(f"/jobs/{job_id}")
    expect(page.get_by_text("Part of the batch Robot arm")).to_be_visible()
    expect(page.get_by_text("On this plate")).to_be_visible()
    expect(page.get_by_role("heading", name="and 1 more")).to_be_visible()


def test_upkeep_is_planned_shown_as_due_and_done(
    served: Served, admin: Member, bench: str, page: Page
) -> None:
    sign_in(page, "Ada", "/printers")
    card = page.get_by_role("article", name="Bench 1")
    card.get_by_text("Upkeep:").click()
    card.get_by_label("What is to be done").fill("Grease the rods")
    card.get_by_label("every so many hours").fill("10")
    card.get_by_role("button", name="Plan it").click()
    with served.lab.store.writing() as db:
        db.conn.execute("UPDATE printers SET machine_s = 50000 WHERE id = ?", (bench,))
        upkeep._judge(db, bench)
    page.reload()
    expect(card).to_contain_text("Due: Grease the rods")
    card.get_by_text("Upkeep:").click()
    card.get_by_role("button", name="Done just now").click()
    expect(card).not_to_contain_text("Due:")
