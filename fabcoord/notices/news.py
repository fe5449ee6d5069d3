"""What becomes a notice, for whom, in which words; written in the transaction of the event."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fabcoord.members.roles import GRANTS, Member, Permission, Role
from fabcoord.notices import targets
from fabcoord.notices.targets import OF_PRINTERS
from fabcoord.queue.states import LIVE
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import Event, emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now

REPEAT_AFTER_S = 600.0  # the same words about the same thing within this time are no news

_JOB_WORDS = {
    "job.needs_attention": "{title} needs you",
    "job.approved": "{title} was approved",
    "job.rejected": "{title} was rejected",
    "job.failed": "{title} cannot be printed",
    "job.awaiting_pickup": "{title} is ready to collect",
    "job.awaiting_approval": "{title} waits for approval",
}


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell. ``subject`` says what it is about: the same news is not told twice."""

    kind: str
    subject: str
    title: str
    body: str
    path: str


def register(store: Store) -> None:
    """Hear of everything that somebody may want to be told."""
    for kind in _JOB_WORDS:
        store.subscribe(kind, _on_job)
    store.subscribe("printer.changed", _on_printer)
    store.subscribe("printer.prompt", _on_prompt)


def tell(db: Database, news: News, to: list[Row], *, once: bool = False) -> int:
    """Put news into the outbox of these targets; returns to how many it was news.

    ``once``: never again about the same subject.
    """
    told = 0
    for target in to:
        if _is_old(db, news, target["id"], once=once):
            continue
        db.conn.execute(
            "INSERT INTO notices (id, target_id, kind, subject, title, body, path, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new_id(), target["id"], news.kind, news.subject, news.title[:200]),
                *(news.body[:1000], news.path, now()),
            ),
        )
        told += 1
    return told


def test(db: Database, member: Member, target_id: str) -> None:
    """Put a test into the outbox, which goes the way that all notices go."""
    target = targets.own(db, member, target_id)
    words = f"{member.name} asked for it. Notices arrive here."
    tell(db, News("test", new_id(), "A test", words, "/notices"), [target])
    emit(db, "notice.tested", member_id=target["member_id"], actor=member.name,
         target_id=target_id)  # fmt: skip


def who_hears(db: Database, kind: str, member_id: str | None) -> list[Row]:
    """The lab's targets and the member's own that want this kind; of printers also staff's."""
    staff = [role.value for role in Role if Permission.RUN_PRINTERS in GRANTS[role]]
    found = rows(
        db,
        "SELECT notice_targets.*, role FROM notice_targets LEFT JOIN members"
        " ON members.id = member_id WHERE deleted_at IS NULL AND disabled_at IS NULL"
        " AND EXISTS (SELECT 1 FROM json_each(kinds) WHERE value = ?)",
        (kind,),
    )
    return [
        item
        for item in found
        if item["member_id"] in (None, member_id) or (kind in OF_PRINTERS and item["role"] in staff)
    ]


def _is_old(db: Database, news: News, target_id: str, *, once: bool) -> bool:
    since = "" if once else in_seconds(-REPEAT_AFTER_S)
    return (
        value(
            db,
            "SELECT 1 FROM notices WHERE subject = ? AND kind = ? AND target_id = ?"
            " AND created_at > ? AND (? OR body = ?) LIMIT 1",
            (news.subject, news.kind, target_id, since, once, news.body),
        )
        is not None
    )


def _on_job(db: Database, event: Event) -> None:
    hearing = who_hears(db, event.kind, event.member_id)
    if not hearing:
        return
    job = row(
        db,
        "SELECT jobs.reason, title, visibility, name FROM jobs JOIN designs"
        " ON designs.id = design_id JOIN members ON members.id = jobs.member_id"
        " WHERE jobs.id = ?",
        (event.job_id,),
    )
    if job is None:
        return
    body = str(event.data.get("reason") or job["reason"])
    for target in hearing:
        mine = target["member_id"] is not None and target["member_id"] == event.member_id
        shown = job["title"] if mine or job["visibility"] != "private" else "A print"
        title = _JOB_WORDS[event.kind].format(title=shown if mine else f"{shown} of {job['name']}")
        news = News(event.kind, str(event.job_id), title, body, f"/jobs/{event.job_id}")
        tell(db, news, [target])


def _on_printer(db: Database, event: Event) -> None:
    state = event.data.get("state")
    if state == "attention":
        kind, words = "printer.attention", "{name} needs a look"
    elif state == "offline" and _prints(db, event.printer_id):
        kind, words = "printer.offline", "{name} is gone while it prints"
    else:
        return
    _tell_of_printer(db, event, kind, words, str(event.data.get("reason") or ""))


def _on_prompt(db: Database, event: Event) -> None:
    prompt = event.data.get("prompt")
    if prompt:
        _tell_of_printer(db, event, "printer.prompt", "{name} asks something", prompt["text"])


def _tell_of_printer(db: Database, event: Event, kind: str, words: str, body: str) -> None:
    name = value(db, "SELECT name FROM printers WHERE id = ?", (event.printer_id,))
    owner = value(
        db,
        "SELECT member_id FROM attempts JOIN jobs ON jobs.id = job_id WHERE"
        " attempts.printer_id = ? AND attempts.state NOT IN ('finished', 'failed', 'cancelled')",
        (event.printer_id,),
    )
    news = News(kind, str(event.printer_id), words.format(name=name), body, "/kiosk")
    tell(db, news, who_hears(db, kind, owner))


def _prints(db: Database, printer_id: str | None) -> bool:
    live = json.dumps([state.value for state in LIVE])
    return (
        value(
            db,
            "SELECT 1 FROM attempts WHERE printer_id = ?"
            " AND state IN (SELECT value FROM json_each(?))",
            (printer_id, live),
        )
        is not None
    )
