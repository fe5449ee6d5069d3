"""/events: every change in order (server-sent events), and the places that waiting takes."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, current_app, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.designs import visibility
from fabcoord.errors import BadInput, TooBusy
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import sight
from fabcoord.store import events as outbox
from fabcoord.store.database import Store

events = Resource("events", __name__)

_KEEP_ALIVE_S = 15.0
_LONGEST_STREAM_S = 600.0
_EVENTS_AT_ONCE = 500


class Places:
    """How many requests may wait at once, so that waiting never takes every thread."""

    def __init__(
        self, most: int, words: str = "Too many pages and agents are waiting for news just now."
    ) -> None:
        self._free, self._words = threading.Semaphore(most), words

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place while the block runs; raises TooBusy when there is none."""
        self.take()
        try:
            yield
        finally:
            self.free()

    def take(self) -> None:
        if not self._free.acquire(blocking=False):
            raise TooBusy(self._words)

    def free(self) -> None:
        self._free.release()


def place() -> Any:
    """A place to wait in, as a context manager."""
    places: Places = current_app.extensions["fabcoord.places"]
    return places.one()


def wait_for_agent(store: Store, agent_id: str, after: int, wait_s: float) -> int:
    """Wait until something concerns the agent; the number of the newest event."""
    deadline = time.monotonic() + wait_s
    while True:
        seen = store.hub.count
        with store.reading() as db:
            newest = outbox.last_seq(db)
            if newest < after or outbox.exists_for_agent(db, after, agent_id):
                return newest
        left = deadline - time.monotonic()
        if left <= 0 or store.hub.closed:
            return newest
        store.hub.wait(seen, left)


@events.route_to("GET", "/events", Permission.READ, "Every state change, in order (SSE)")
def stream() -> Any:
    given = request.headers.get("Last-Event-ID") or request.args.get("after")
    store = lab().store
    with store.reading() as db:
        newest = outbox.last_seq(db)
    # A number that is yet to come is from before this lab's database was put back.
    after = min(event_number(given), newest) if given else newest
    response = Response(mimetype="text/event-stream")
    if request.method != "HEAD":
        places: Places = current_app.extensions["fabcoord.places"]
        places.take()
        response.call_on_close(places.free)
        response.response = _lines(
            store, member(), after, request.args.get("printer"), request.args.get("job")
        )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def event_number(text: str) -> int:
    """The number of an event that a client names. Raises BadInput."""
    try:
        return int(text)
    except ValueError as error:
        raise BadInput("Last-Event-ID and after are the number of an event.") from error


def _lines(
    store: Store, viewer: Member, after: int, printer_id: str | None, job_id: str | None
) -> Iterator[str]:
    ends = time.monotonic() + _LONGEST_STREAM_S
    # A little chance in the delay, so that a restart is not followed by a stampede.
    yield f"retry: {random.randint(500, 3000)}\n\n"  # noqa: S311
    while time.monotonic() < ends and not store.hub.closed:
        seen = store.hub.count
        with store.reading() as db:
            newest = outbox.last_seq(db)
            news = outbox.since(
                db, after, printer_id=printer_id, job_id=job_id, limit=_EVENTS_AT_ONCE
            )
            told = [
                event
                for event in news
                if visibility.may_see_event(db, viewer, event.kind, event.data)
            ]
            if sight.is_limited(db, viewer):
                shown = (sight.as_told_to(db, viewer, event) for event in told)
                told = [event for event in shown if event is not None]
        for event in told:
            yield f"id: {event.seq}\nevent: {event.kind}\ndata: {_data(event)}\n\n"
        # What is about something else is not looked at again.
        after = news[-1].seq if len(news) == _EVENTS_AT_ONCE else max(after, newest)
        if not news and store.hub.wait(seen, _KEEP_ALIVE_S) == seen:
            yield ": still here\n\n"


def _data(event: outbox.Event) -> str:
    about = ("job_id", "printer_id", "attempt_id", "agent_id", "member_id", "actor")
    known = {name: getattr(event, name) for name in about if getattr(event, name) is not None}
    return json.dumps(
        {"seq": event.seq, "at": event.at, "kind": event.kind, **known, "data": event.data}
    )
