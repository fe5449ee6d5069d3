"""Something that does its rounds in a thread of its own, and may be woken or ended from others."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Threaded(ABC):
    """Calls `tick` again and again until stopped; each says how long to wait for the next."""

    def __init__(self, name: str) -> None:
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `close` is its last deed."""
        self._stopped.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def poke(self) -> None:
        """Do the next round now."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause_s = self.tick()
            self._wake.wait(pause_s)
            self._wake.clear()
        self.close()

    @abstractmethod
    def tick(self) -> float:
        """One round. Returns how long to wait for the next, in s."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""
