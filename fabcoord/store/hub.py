"""Wakes whoever waits for news: event streams, long polls, the dispatcher."""

from __future__ import annotations

import threading
import time


class Hub:
    """A counter that grows with each commit, and a way to wait until it has grown."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        return self._count

    @property
    def closed(self) -> bool:
        return self._closed

    def wake(self) -> None:
        """Tell all waiters that something may have changed."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def close(self) -> None:
        """End all waits, now and later: the server is about to stop."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int:
        """Wait until the count differs from ``seen``; the count now, whatever ended the wait."""
        deadline = time.monotonic() + timeout_s
        with self._condition:
            while self._count == seen and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            return self._count
