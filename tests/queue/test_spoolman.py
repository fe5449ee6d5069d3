"""Spoolman: its spools are the lab's, and each use reaches it once whatever breaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fabcoord.errors import Conflict, TooBusy
from fabcoord.queue import spoolman, spools
from fabcoord.queue.spoolman import Link, Spoolman

from .room import Pi, Room
from .spoolman_server import FakeSpoolman

COPY_G = 2.5


@pytest.fixture
def remote() -> Iterator[FakeSpoolman]:
    remote = FakeSpoolman()
    remote.add(7)
    yield remote
    remote.close()


def linked(room: Room, remote: FakeSpoolman) -> Link:
    """A link as a server that has just started makes it."""
    return Link(room.store, Spoolman(remote.url, timeout_s=5.0), settle_s=0.0)


def the_spool(room: Room) -> dict[str, Any]:
    with room.store.reading() as db:
        (found,) = spools.everyone(db)
    return found


def prints_one(room: Room, pi: Pi) -> None:
    """A copy is printed from the spool of Spoolman."""
    with room.store.writing() as db:
        spools.load(db, room.staff, room.printers[0], the_spool_id(room))
    room.queued(printer_id=room.printers[0])
    room.dispatch()
    pi.prints("starting", "printing", "finished")


def the_spool_id(room: Room) -> str:
    return str(room.row("SELECT id FROM spools")["id"])


def state(room: Room) -> str:
    return str(room.row("SELECT report FROM spool_uses")["report"])


def tell(link: Link) -> None:
    try:
        link.report()
    except TooBusy:
        return


def test_its_spools_are_the_labs(room: Room, remote: FakeSpoolman) -> None:
    remote.spools[7] |= {"used_weight": 250.0, "remaining_weight": 750.0}
    linked(room, remote).pull()
    spool = the_spool(room)
    assert (spool["material"], spool["colour"]) == ("PLA", "Charcoal Black")
    assert (spool["vendor"], spool["location"]) == ("Polymaker", "Shelf A")
    assert (spool["remaining_g"], spool["price_minor"]) == (750.0, 2000)
    with pytest.raises(Conflict, match="number 7 of Spoolman"), room.store.writing() as db:
        spools.weigh(db, room.staff, spool["id"], remaining_g=5.0)


def test_what_is_put_away_or_removed_there_is_put_away_here(
    room: Room, remote: FakeSpoolman
) -> None:
    remote.add(8)
    link = linked(room, remote)
    link.pull()
    remote.spools[7]["archived"] = True
    del remote.spools[8]
    link.pull()
    with room.store.reading() as db:
        assert spools.everyone(db) == []
        assert len(spools.everyone(db, archived=True)) == 2


def test_a_print_is_told_once_and_counted_once(room: Room, pi: Pi, remote: FakeSpoolman) -> None:
    link = linked(room, remote)
    link.pull()
    prints_one(room, pi)
    assert the_spool(room)["remaining_g"] == 1000.0 - COPY_G
    link.report()
    link.report()
    link.pull()
    assert remote.uses == [(7, COPY_G)]
    assert the_spool(room)["remaining_g"] == 1000.0 - COPY_G
    assert state(room) == "done"


@pytest.mark.parametrize(
    "faults", [["500-before"], ["500-after"], ["lost"], ["500-before", "500-before", "lost"]]
)
def test_a_use_arrives_once_whatever_goes_wrong(
    room: Room, pi: Pi, remote: FakeSpoolman, faults: list[str]
) -> None:
    linked(room, remote).pull()
    prints_one(room, pi)
    remote.faults = list(faults)
    for _ in range(len(faults) + 1):
        tell(linked(room, remote))  # a new one each time, as after a restart
    assert remote.uses == [(7, COPY_G)]
    assert state(room) == "done"


def test_nothing_is_lost_while_it_is_away(room: Room, pi: Pi, remote: FakeSpoolman) -> None:
    linked(room, remote).pull()
    remote.close()
    prints_one(room, pi)
    with pytest.raises(TooBusy):
        linked(room, remote).report()
    assert state(room) == "pending"


def test_a_lost_answer_that_nobody_can_explain_is_left_to_a_person(
    room: Room, pi: Pi, remote: FakeSpoolman
) -> None:
    linked(room, remote).pull()
    prints_one(room, pi)
    remote.faults = ["500-before"]
    tell(linked(room, remote))
    remote.spools[7]["used_weight"] += 40.0  # somebody else printed from it
    tell(linked(room, remote))
    assert (state(room), remote.uses) == ("doubt", [])
    with room.store.writing() as db:
        (open_report,) = spoolman.open_reports(db)
        assert "somebody else" in open_report["reason"]
        assert spoolman.settle_report(db, open_report["attempt_id"], 0, again=True)
    tell(linked(room, remote))
    assert (state(room), remote.uses) == ("done", [(7, COPY_G)])


def test_a_spool_that_is_gone_there_is_told_to_a_person(
    room: Room, pi: Pi, remote: FakeSpoolman
) -> None:
    linked(room, remote).pull()
    prints_one(room, pi)
    del remote.spools[7]
    linked(room, remote).report()
    assert state(room) == "refused"


def test_a_server_killed_while_it_tells_does_not_tell_twice(
    room: Room, pi: Pi, remote: FakeSpoolman
) -> None:
    linked(room, remote).pull()
    prints_one(room, pi)
    script = (
        "from pathlib import Path\n"
        "from fabcoord.queue.spoolman import Link, Spoolman\n"
        "from fabcoord.store.database import Store\n"
        f"Link(Store(Path({str(room.store.path)!r})), Spoolman({remote.url!r})).report()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    remote.after_use = lambda: os.kill(child.pid, signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    assert state(room) == "sending"
    remote.after_use = lambda: None
    linked(room, remote).report()
    assert (state(room), remote.uses) == ("done", [(7, COPY_G)])
