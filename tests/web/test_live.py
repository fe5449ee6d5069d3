"""Pages listen to the kinds of event that the lab really emits."""

from __future__ import annotations

import re
from pathlib import Path

import fabcoord
from fabcoord.web import live

# No page shows these.
UNHEARD = {
    "badge.given",
    "badge.taken_back",
    "batch.changed",
    "batch.created",
    "charge_code.changed",
    "garbage.collected",
    "member.created",
    "member.pin",
    "member.shares",
    "notice.target_added",
    "notice.target_changed",
    "notice.target_removed",
    "notice.tested",
    "report.made",
    "slice.done",
    "slice.failed",
    "spool.report_settled",
    "token.created",
    "training.changed",
    "upload.completed",
    "upload.created",
    "upload.removed",
}


def test_some_page_listens_to_every_kind_of_event() -> None:
    package = Path(fabcoord.__file__).parent
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    emitted = set(re.findall(r'emit\(\s*db,\s*"([a-z_]+\.[a-z_]+)"', source))
    emitted |= set(re.findall(r'"(printer\.[a-z_]+)" if', source))
    heard = {*live.QUEUE, *live.PRINTERS, *live.AGENTS, *live.DESIGNS, *live.TALK, *live.SPOOLS}
    heard |= {*live.RULES}
    assert len(emitted) > 15
    assert emitted - heard == UNHEARD & emitted
