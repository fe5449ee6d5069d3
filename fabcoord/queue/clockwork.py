"""The thread in the server that dispatches on news and looks after what runs out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from fabcoord.queue import attempts, printers
from fabcoord.queue.board import Board
from fabcoord.queue.dispatch import dispatch, slice_ahead
from fabcoord.queue.preparation import Preparation
from fabcoord.store.database import Store

log = logging.getLogger(__name__)

_TICK_S = 1.0
_SLICE_AHEAD_EVERY_S = 5.0
_CHORES_EVERY_S = 60.0
_REST_S = 0.02  # between two passes, so that a burst of commits is one pass


class Clockwork:
    """Dispatches whenever something was committed; expires offers and leases every second."""

    def __init__(
        self,
        store: Store,
        preparation: Preparation,
        offer_s: float,
        chores: Sequence[Callable[[], object]] = (),
    ) -> None:
        """``chores`` are done once a minute: clearing away what ran out."""
        self._store, self._preparation, self._offer_s = store, preparation, offer_s
        self._chores = chores
        self._board = Board(preparation.default)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._store.hub.wake()
        self._thread.join(timeout=5)

    def tick(self) -> None:
        """What is due by the clock, whether or not anything happened."""
        with self._store.reading() as db:
            due = attempts.any_expired(db, self._offer_s) or printers.any_silent(db)
        if due:
            with self._store.writing(durable=True) as db:
                attempts.expire(db, self._offer_s)
                printers.refresh_silent(db)

    def _run(self) -> None:
        seen, next_tick, next_ahead, next_chores = -1, 0.0, 0.0, 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + _TICK_S
                    self.tick()
                if time.monotonic() >= next_ahead:
                    next_ahead = time.monotonic() + _SLICE_AHEAD_EVERY_S
                    slice_ahead(self._store, self._preparation, self._board)
                if time.monotonic() >= next_chores:
                    next_chores = time.monotonic() + _CHORES_EVERY_S
                    for chore in self._chores:
                        chore()
                seen = self._store.hub.count
                dispatch(self._store, self._preparation, self._board)
            except Exception:
                log.exception("a pass of the queue failed; trying again in a second")
                self._stop.wait(_TICK_S)
            self._stop.wait(_REST_S)
            self._store.hub.wait(seen, max(0.0, next_tick - time.monotonic()))
