"""A lab whose prints cost money, and the agent's side of the talk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabcoord.queue import dispatch
from tests.queue.room import Pi

from .till import Till


@pytest.fixture(autouse=True)
def _no_rest_after_a_decline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_REST_AFTER_DECLINE_S", 0.0)


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    till = Till(tmp_path)
    yield till
    till.close()


@pytest.fixture
def pi(till: Till) -> Pi:
    pi = Pi(till)
    pi.sync()
    return pi
