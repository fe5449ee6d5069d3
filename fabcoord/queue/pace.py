"""How often agents come by: more seldom when many of them keep the server busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SHARE = 0.15  # of one core, for what agents say
_LONGEST_S = 4.0  # an agent that is silent for twelve seconds counts as gone
_FORGOTTEN_AFTER_S = 60.0


class Pace:
    """The shortest time between two syncs of one agent; safe to share between threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._sync_s = 0.0
        self._lock = threading.Lock()

    def note(self, agent_id: str, took_s: float) -> None:
        """A sync of this agent took so long to handle."""
        with self._lock:
            self._seen[agent_id] = self._clock()
            self._sync_s += 0.05 * (min(took_s, 1.0) - self._sync_s)

    def least_s(self) -> float:
        """The interval that keeps all agents together within their share of the processor."""
        with self._lock:
            gone = self._clock() - _FORGOTTEN_AFTER_S
            self._seen = {name: at for name, at in self._seen.items() if at > gone}
            return min(len(self._seen) * self._sync_s / _SHARE, _LONGEST_S)
