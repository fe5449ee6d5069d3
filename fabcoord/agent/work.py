"""The slow steps of an attempt: bringing the G-code to the printer, and sending the start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from fabcoord.agent.client import Client
from fabcoord.agent.decide import Report
from fabcoord.agent.held import Held, Stage
from fabcoord.agent.spool import Spool, WrongBytes
from fabcoord.errors import (
    BadInput,
    FabcoordError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    PrinterBusy,
    PrinterError,
    PrinterOffline,
    TooBusy,
)
from fabcoord.printers.base import Printer, PrintOrder

_LOG = logging.getLogger(__name__)
_TRIES = 3


class Abandoned(Exception):
    """A transfer was given up because nobody wants it any more."""


class Preparation:
    """Fetches G-code to the spool and transfers it to the printer, with a count of failures."""

    def __init__(self, spool: Spool, client: Callable[[], Client]) -> None:
        self._spool, self._make_client = spool, client
        self._client: Client | None = None
        self._failures: dict[str, int] = {}

    def close(self) -> None:
        """Close the connection to the server."""
        if self._client is not None:
            self._client.close()

    def prepare(
        self, held: Held, printer: Printer, progress: Callable[[float], None]
    ) -> Report | bool:
        """True when the G-code is at the printer, False to try again later, or how it ends.

        Nothing is started here, so every end is certain: nothing was printed.
        """
        try:
            if self._client is None:
                self._client = self._make_client()
            path = self._spool.fetch(held, self._client, progress)
            printer.transfer(print_order(held, path), progress)
        except Abandoned:
            return False
        except (TooBusy, NotSignedIn, NotAllowed) as error:
            _LOG.info("fetching %s: %s", held.attempt_id, error)
            return False
        except (NotFound, BadInput) as error:
            return self._end(held, f"The G-code cannot be fetched: {error}")
        except PrinterBusy as error:
            return self._end(held, f"It was not started. {error}")
        except PrinterOffline:
            return False  # `decide` knows how long to be patient
        except (PrinterError, WrongBytes) as error:
            return self._count_failure(held, str(error))
        except OSError as error:
            return self._count_failure(held, f"The agent's disk: {error.strerror}.")
        self._failures.pop(held.attempt_id, None)
        return True

    def _count_failure(self, held: Held, reason: str) -> Report | bool:
        failures = self._failures.get(held.attempt_id, 0) + 1
        self._failures[held.attempt_id] = failures
        _LOG.warning("preparing %s, try %d: %s", held.attempt_id, failures, reason)
        return False if failures < _TRIES else self._end(held, reason)

    def _end(self, held: Held, reason: str) -> Report:
        self._failures.pop(held.attempt_id, None)
        return Report(Stage.ENDED, "failed", reason)


def start_print(held: Held, printer: Printer, path: Path) -> Report | str:
    """Send the start, once; the mark must be in the journal.

    Returns what to report where that is certain, or else the printer's refusal (empty when
    there was none): then it must be asked what became of the start.
    """
    try:
        printer.start(print_order(held, path))
    except PrinterBusy as error:
        return Report(Stage.ENDED, "failed", f"It was not started. {error}")
    except PrinterOffline as error:
        _LOG.warning("starting %s: %s", held.attempt_id, error)
        return ""
    except FabcoordError as error:
        _LOG.warning("starting %s: %s", held.attempt_id, error)
        return str(error)
    except Exception:
        # Whatever a driver raises, the start may have arrived: never forget to look.
        _LOG.exception("starting %s", held.attempt_id)
        return ""
    return Report(Stage.PRINTING, "printing")


def print_order(held: Held, path: Path) -> PrintOrder:
    """What the driver needs to know of the attempt."""
    return PrintOrder(
        attempt_id=held.attempt_id,
        path=path,
        sha256=held.gcode_sha256,
        file_name=held.file_name,
        layers=held.layers,
        duration_s=held.duration_s,
    )
