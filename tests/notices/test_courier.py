"""Notices arrive at real servers: signed, in order, again until taken, and never as a storm."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.notices import courier, news
from fabcoord.notices.courier import Courier, backoff_s
from fabcoord.notices.news import News
from fabcoord.queue.policy import Policy
from fabcoord.store.database import rows
from fabcoord.store.values import in_seconds

from .conftest import Heard, Town


def tell(town: Town, *words: str, subject: str = "") -> None:
    """Put one notice per word into the outbox of every target."""
    with town.lab.store.writing() as db:
        everyone = rows(db, "SELECT * FROM notice_targets WHERE deleted_at IS NULL")
        for word in words:
            news.tell(db, News("job.failed", subject or word, word, word, "/jobs/x"), everyone)


def test_a_webhook_is_signed_so_that_its_receiver_can_tell(town: Town, web: Heard) -> None:
    target_id = town.target(f"{web.url}/hook?a=1")
    tell(town, "one")
    assert town.carry() == 1
    ((path, headers, body),) = web.posts
    assert path == "/hook?a=1"
    key = base64.b64decode(town.row(target_id)["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["id"] == headers["webhook-id"]
    (kept,) = town.notices()
    assert (kept["state"], kept["delivery_id"]) == ("sent", headers["webhook-id"])


def test_what_was_not_taken_is_sent_again_with_the_same_id_before_what_came_later(
    town: Town, web: Heard
) -> None:
    target_id = town.target(web.url)
    web.answers = [503, 500]
    tell(town, "one")
    assert town.carry() == 0
    assert town.row(target_id)["failures"] == 1
    assert town.carry() == 0  # left alone for a while
    assert len(web.answers) == 1
    first_id = town.notices()[0]["delivery_id"]
    tell(town, "two")
    for _ in range(3):
        town.now_due()
        town.carry()
    assert [one["title"] for one in web.notices] == ["one", "two"]
    assert web.posts[0][1]["webhook-id"] == first_id
    assert town.row(target_id)["failures"] == 0
    assert town.notices()[0]["tries"] == 3


def test_what_nobody_takes_for_a_day_is_given_up_and_the_log_says_why(
    town: Town, web: Heard
) -> None:
    town.target(web.url)
    web.answers = [404]
    tell(town, "one")
    with town.lab.store.writing() as db:
        db.conn.execute("UPDATE notices SET created_at = ?", (in_seconds(-25 * 3600),))
    town.carry()
    (kept,) = town.notices()
    assert kept["state"] == "failed"
    assert "404" in kept["error"]


def test_a_hundred_things_at_once_are_a_few_messages(town: Town, web: Heard) -> None:
    town.target(web.url)
    tell(town, *(f"n{number}" for number in range(100)))
    for _ in range(5):
        town.carry()
    assert len(web.posts) == 2
    assert [one["title"] for one in web.notices] == [f"n{number}" for number in range(100)]


def test_after_six_messages_the_rest_waits_for_one_digest(town: Town, web: Heard) -> None:
    town.target(web.url)
    for number in range(9):
        tell(town, f"n{number}")
        town.carry()
    assert len(web.posts) == 6
    with town.lab.store.writing() as db:
        db.conn.execute("UPDATE notices SET ended_at = ? WHERE state = 'sent'", (in_seconds(-700),))
    town.carry()
    assert [one["title"] for one in json.loads(web.posts[6][2])["notices"]] == ["n6", "n7", "n8"]


def test_the_same_is_not_told_twice(town: Town, web: Heard) -> None:
    town.target(web.url)
    tell(town, "one", "one", subject="job")
    town.carry()
    tell(town, "one", subject="job")
    tell(town, "other", subject="job")
    town.carry()
    assert [one["title"] for one in web.notices] == ["one", "other"]


def test_ntfy_receives_what_apprise_sends(town: Town, web: Heard) -> None:
    town.target(f"ntfy://127.0.0.1:{web.port}/topic", means="apprise")
    tell(town, "Cube is ready")
    assert town.carry() == 1, town.notices()
    ((_, _, body),) = web.posts
    said = json.loads(body)
    assert said["topic"] == "topic"
    assert "Cube is ready" in said["title"]


def test_mail_goes_through_the_mail_server_of_the_lab(town: Town, mail: Heard) -> None:
    settings = dataclasses.replace(
        town.lab.settings, mail_url=f"mailto://127.0.0.1:{mail.port}?from=lab@example.org"
    )
    town.lab = dataclasses.replace(town.lab, settings=settings)
    town.courier = Courier(town.lab.store, settings, Policy())
    town.target("ben@example.org", town.ben, means="email", lab=False)
    tell(town, "Cube is ready")
    assert town.carry() == 1, town.notices()
    (letter,) = mail.mails
    assert "To: ben@example.org" in letter
    assert "Cube is ready" in letter


@pytest.mark.parametrize("means", ["webhook", "apprise"])
def test_a_members_notices_never_reach_into_the_labs_network(
    town: Town, web: Heard, means: str
) -> None:
    """The name looked harmless when it was added and leads inside when it is sent to."""
    scheme = "http" if means == "webhook" else "ntfy"
    target_id = town.target(f"{scheme}://example.org/x", town.ben, means=means, lab=False)
    inside = f"{scheme}://localhost:{web.port}/x"
    with town.lab.store.writing() as db:
        db.conn.execute("UPDATE notice_targets SET address = ? WHERE id = ?", (inside, target_id))
    tell(town, "one")
    town.carry()
    assert web.posts == []
    assert "own network" in town.notices()[0]["error"]


def test_a_webhook_follows_no_redirect(town: Town, web: Heard) -> None:
    town.target(web.url)
    web.answers, web.redirect_to = [302], f"{web.url}/elsewhere"
    tell(town, "one")
    assert town.carry() == 0
    assert web.posts == []
    assert "302" in town.notices()[0]["error"]


def test_the_secret_stays_in_no_file(town: Town, web: Heard) -> None:
    town.target(web.url)
    tell(town, "one")
    town.carry()
    assert not list((town.lab.settings.work_dir / "notices").iterdir())


def test_a_courier_killed_while_sending_sends_again_with_the_same_id(
    town: Town, web: Heard, tmp_path: Path
) -> None:
    """kill -9 between what the receiver took and our note of it."""
    town.target(web.url)
    tell(town, "one")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fabcoord.config import Settings\n"
        "from fabcoord.lab import open_lab\n"
        "from fabcoord.notices import courier\n"
        "from fabcoord.queue.policy import Policy\n"
        "courier._GATHER_S = -1.0\n"
        "courier.note = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "settings = Settings(Path(sys.argv[1]))\n"
        "lab = open_lab(settings)\n"
        "one = courier.Courier(lab.store, settings, Policy())\n"
        "[one.serve(target) for target in one.waiting()]\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert town.notices()[0]["state"] == "waiting"
    assert town.carry() == 1
    assert len(web.posts) == 2
    assert web.posts[0][1]["webhook-id"] == web.posts[1][1]["webhook-id"]


def test_the_thread_of_a_worker_carries_by_itself_and_only_one_worker_does(
    town: Town, web: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_EVERY_S", 0.02)
    town.target(web.url)
    tell(town, "one")
    couriers = [Courier(town.lab.store, town.lab.settings, Policy()) for _ in range(2)]
    for one in couriers:
        one.start()
    deadline = time.monotonic() + 20
    while town.notices()[0]["state"] != "sent" and time.monotonic() < deadline:
        time.sleep(0.02)
    for one in couriers:
        one.stop()
    assert len(web.posts) == 1


@given(st.integers(1, 500))
def test_patience_grows_up_to_an_hour(failures: int) -> None:
    assert 5.0 <= backoff_s(failures) <= backoff_s(failures + 1) <= 3600.0


def test_neither_server_nor_worker_imports_apprise() -> None:
    code = (
        "import sys, fabcoord.app, fabcoord.notices.courier, fabcoord.cli.lab, fabcoord.lab\n"
        "print('apprise' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        env=dict(os.environ),
    )  # fmt: skip
    assert said.stdout.strip() == "False"
