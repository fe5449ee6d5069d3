"""The conversation with the server: a sync at every piece of news and every interval, and a wake.

The server being away changes nothing for the printers: events wait in the journal.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime

from fabcoord import __version__
from fabcoord.agent.client import Backoff, Client
from fabcoord.agent.fleet import Fleet
from fabcoord.agent.journal import Journal, JournalError
from fabcoord.agent.messages import SyncAnswer, SyncRequest
from fabcoord.agent.stance import Stance
from fabcoord.agent.telemetry import with_trouble
from fabcoord.errors import FabcoordError, NotAllowed, NotFound, NotSignedIn, Superseded, TooBusy

_LOG = logging.getLogger(__name__)

_SHORTEST_GAP_S = 0.2  # between two syncs, whatever happens
_AWAY_PAUSE_S = 8.0  # at most, between tries: soon after a restart of the server all is told
_REFUSED_PAUSE_S = 60.0
_INTERVALS_S = (0.2, 300.0)


class Sync:
    """Two threads: one that syncs, one that waits for the server to wake it.

    Args:
        instance: fresh for this process; with ``started_at`` it tells two processes apart.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        fleet: Fleet,
        stance: Stance,
        *,
        instance: str,
        started_at: str,
    ) -> None:
        self._client, self._journal, self._fleet, self._stance = client, journal, fleet, stance
        self._instance, self._started_at = instance, started_at
        self._news, self._stopped, self._talking = (threading.Event() for _ in range(3))
        self._backoff = Backoff(cap_s=_AWAY_PAUSE_S)
        self._said = ""
        self._threads = [
            threading.Thread(target=self._sync_loop, name="sync", daemon=True),
            threading.Thread(target=self._wake_loop, name="wake", daemon=True),
        ]

    def start(self) -> None:
        """Begin to talk."""
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """There is news: sync now."""
        self._news.set()

    def stop(self) -> None:
        """End; an answer that is still awaited is not waited for."""
        self._stopped.set()
        self._news.set()

    def last_report(self, timeout_s: float) -> None:
        """Tell the server, once and without insisting, what it has not heard yet."""
        if self._stance.superseded.is_set() or not self._talking.is_set():
            return
        client = self._client.another()
        try:
            request = self._request()
            if request.events or request.commands_done:
                answer = client.sync(request, timeout_s)
                self._journal.acknowledged(answer.acked)
        except (FabcoordError, JournalError) as error:
            _LOG.info("last report: %s", error)
        finally:
            client.close()

    def _sync_loop(self) -> None:
        while not self._stopped.is_set() and not self._stance.superseded.is_set():
            self._news.clear()
            began = time.monotonic()
            interval_s = self.once()
            if interval_s is None:
                continue
            self._news.wait(interval_s)
            gap_s = _SHORTEST_GAP_S - (time.monotonic() - began)
            if gap_s > 0:
                self._stopped.wait(gap_s)

    def once(self) -> float | None:
        """One sync. Returns after how many seconds to come again, None when it has waited."""
        try:
            request = self._request()
            answer = self._client.sync(request)
            self._take(request, answer)
        except Superseded as error:
            _LOG.error("%s This process drives nothing new and ends when nothing is live.", error)
            self._stance.supersede()
        except (NotSignedIn, NotAllowed, NotFound) as error:
            self._say(
                f"The server does not know this agent any more ({error}). Prints go on. "
                "To pair again, stop the agent and remove agent.json."
            )
            self._talking.clear()
            self._stopped.wait(_REFUSED_PAUSE_S)
        except JournalError as error:
            self._stance.trouble = f"The agent's journal cannot be read ({error})."
            self._say(self._stance.trouble)
            self._stopped.wait(self._backoff.next_s())
        except FabcoordError as error:
            self._say(str(error))
            self._talking.clear()
            self._stopped.wait(_pause_s(error, self._backoff))
        except Exception:
            # Without this thread the agent would be deaf for good: log, wait, go on.
            _LOG.exception("unexpected error in sync")
            self._stopped.wait(self._backoff.next_s())
        else:
            self._say("")
            self._backoff.reset()
            self._talking.set()
            return min(max(answer.interval_s, _INTERVALS_S[0]), _INTERVALS_S[1])
        return None

    def _request(self) -> SyncRequest:
        trouble = self._journal_trouble()
        printers = self._fleet.telemetry()
        if trouble:
            printers = tuple(with_trouble(item, trouble) for item in printers)
        return SyncRequest(
            instance=self._instance,
            instance_started_at=self._started_at,
            epoch=self._journal.epoch,
            version=__version__,
            printers=printers,
            events=self._journal.unsent(),
            live=self._fleet.attempts(),
            commands_done=self._journal.command_results(),
            draining=bool(trouble) or self._stance.draining.is_set(),
        )

    def _journal_trouble(self) -> str:
        """Why nothing can be written now; an agent that cannot write takes no offers."""
        if self._stance.trouble:
            try:
                self._journal.check()
            except JournalError as error:
                _LOG.debug("journal: %s", error)
            else:
                self._stance.trouble = ""
        return self._stance.trouble

    def _take(self, request: SyncRequest, answer: SyncAnswer) -> None:
        self._journal.acknowledged(answer.acked)
        repeated = {command.command_id for command in answer.commands}
        heard = {result.command_id for result in request.commands_done} - repeated
        if heard:
            self._journal.forget_commands(heard)
        self._fleet.learn(answer.printers)
        ahead = self._client.server_now() - datetime.now(UTC)
        self._fleet.hear(answer, ahead.total_seconds())

    def _wake_loop(self) -> None:
        client, after, backoff = self._client.another(), 0, Backoff()
        while not self._stopped.is_set() and not self._stance.superseded.is_set():
            if not self._talking.wait(_REFUSED_PAUSE_S):
                continue  # the sync loop finds out when the server is back
            began = time.monotonic()
            try:
                seq = client.wake(after)
            except TooBusy as error:
                self._stopped.wait(_pause_s(error, backoff))
            except FabcoordError as error:
                _LOG.debug("wake: %s", error)
                self._stopped.wait(_REFUSED_PAUSE_S)
            except Exception:
                _LOG.exception("unexpected error while waiting for the server")
                self._stopped.wait(_REFUSED_PAUSE_S)
            else:
                backoff.reset()
                if seq != after:
                    after = seq
                    self._news.set()
                elif time.monotonic() - began < 1.0:
                    self._stopped.wait(1.0)  # a server that does not hold the call
        client.close()

    def _say(self, text: str) -> None:
        """Log a state of the connection once, when it changes."""
        if text != self._said:
            _LOG.log(logging.WARNING if text else logging.INFO, text or "The server is back.")
        self._said = text


def _pause_s(error: FabcoordError, backoff: Backoff) -> float:
    """How long to wait after ``error``: at least as long as the server asked for."""
    asked_s = error.extra.get("retry_after_s")
    return max(backoff.next_s(), asked_s if isinstance(asked_s, float) else 0.0)
