"""A lab, and the agent's side of the talk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabcoord.queue import dispatch

from .room import Pi, Room


@pytest.fixture(autouse=True)
def _no_rest_after_a_decline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_REST_AFTER_DECLINE_S", 0.0)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


@pytest.fixture
def pi(room: Room) -> Pi:
    pi = Pi(room)
    pi.sync()
    return pi
