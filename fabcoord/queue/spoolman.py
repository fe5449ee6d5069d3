"""Spoolman as the source of spools: they are listed from it, and what prints took is told to it.

Spoolman's ``PUT /spool/{id}/use`` adds, and has no key that would make it safe to repeat. So before
each use its present sum is noted, durably. When an answer is lost, the sum is read again: it has
grown by just that use, then it arrived; it has not grown, then it is sent again; anything else is
left to a person, and never sent by itself. https://donkie.github.io/Spoolman/
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from fabcoord.errors import BadInput, Conflict, TooBusy
from fabcoord.queue.policy import current
from fabcoord.queue.prices import digits
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_LARGEST_ANSWER = 20 << 20
_EVERY_S = 15.0
_LIST_EVERY_S = 60.0
_SETTLE_S = 30.0  # what was sent without an answer may still arrive for so long
_NEAR_MG = 2  # it keeps masses as floats


class Spoolman:
    """Its REST API, as far as it is needed here. ``url`` is without ``/api/v1``."""

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"spoolman_url = {url!r} is no address.", hint="http://host:7912")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path, self._timeout_s = parts.path.rstrip("/"), timeout_s

    def spools(self) -> list[dict[str, Any]]:
        """All its spools, archived ones too."""
        found = self._ask("GET", "/spool?allow_archived=true")
        if not isinstance(found, list):
            raise TooBusy("Spoolman answers with something else than a list of spools.")
        return [one for one in found if isinstance(one, dict)]

    def used_mg(self, spool_id: int) -> int:
        """What it says was used of a spool so far. Raises Conflict where there is no such spool."""
        return _used_mg(self._ask("GET", f"/spool/{spool_id}"))

    def use(self, spool_id: int, mass_mg: int) -> None:
        """Add to what was used. Raises TooBusy when nobody knows whether it arrived."""
        self._ask("PUT", f"/spool/{spool_id}/use", {"use_weight": mass_mg / 1000})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(
                method, f"{self._path}/api/v1{path}", body=json.dumps(body) if body else None,
                headers={"Content-Type": "application/json", "Connection": "close"},
            )  # fmt: skip
            reply = connection.getresponse()
            raw = reply.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise TooBusy(f"Spoolman does not answer: {error!r}.") from error
        finally:
            connection.close()
        if 400 <= reply.status < 500 and reply.status not in (408, 429):
            raise Conflict(f"Spoolman answers {reply.status}: {raw[:200].decode(errors='replace')}")
        if reply.status != 200:
            raise TooBusy(f"Spoolman answers {reply.status}.")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise TooBusy("Spoolman answers no JSON.") from error


class Link:
    """The thread in the server that keeps the lab's spools and Spoolman's the same.

    It is a thread of its own, as a slow answer must hold up neither a page nor the queue.
    """

    def __init__(self, store: Store, spoolman: Spoolman, settle_s: float = _SETTLE_S) -> None:
        self._store, self._spoolman, self._settle_s = store, spoolman, settle_s
        self._not_before: dict[tuple[str, int], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spoolman", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def report(self) -> None:
        """Tell of every use that it has not accepted yet. Raises TooBusy when it is away."""
        with self._store.reading() as db:
            waiting = rows(
                db,
                "SELECT spool_uses.*, spoolman_id FROM spool_uses"
                " JOIN spools ON spools.id = spool_id WHERE report IN ('pending', 'sending')"
                " ORDER BY settled_at, attempt_id, part",
            )
        for use in waiting:
            if time.monotonic() >= self._not_before.get((use["attempt_id"], use["part"]), 0.0):
                self._report(use)

    def pull(self) -> None:
        """Take over its spools: new ones, changed ones, and which were put away."""
        found = self._spoolman.spools()
        with self._store.writing() as db:
            currency = current(db)[1].prices.currency
            for one in found:
                _take_over(db, one, currency)
            known = [one["id"] for one in found if isinstance(one.get("id"), int)]
            db.conn.execute(
                "UPDATE spools SET archived_at = ? WHERE spoolman_id IS NOT NULL"
                " AND archived_at IS NULL AND printer_id IS NULL"
                " AND spoolman_id NOT IN (SELECT value FROM json_each(?))",
                (now(), json.dumps(known)),
            )

    def _report(self, use: Row) -> None:
        try:
            used_mg = self._spoolman.used_mg(use["spoolman_id"])
            if use["report"] == "sending":
                grown_mg = used_mg - use["report_before_mg"]
                if abs(grown_mg - use["mass_mg"]) <= _NEAR_MG:
                    self._note(use, "done")
                    return
                if abs(grown_mg) > _NEAR_MG:
                    words = "The answer was lost, and somebody else used the spool meanwhile."
                    self._note(use, "doubt", error=words)
                    return
            if not self._note(use, "sending", before_mg=used_mg):
                return  # another process has it in hand
            self._not_before[use["attempt_id"], use["part"]] = time.monotonic() + self._settle_s
            self._spoolman.use(use["spoolman_id"], use["mass_mg"])
        except Conflict as error:
            self._note(use, "refused", error=str(error))
            return
        self._note(use, "done")

    def _note(
        self, use: Row, report: str, *, before_mg: int | None = None, error: str = ""
    ) -> bool:
        with self._store.writing(durable=True) as db:
            noted = row(
                db,
                "UPDATE spool_uses SET report = :new, report_error = :error,"
                " report_before_mg = coalesce(:before, report_before_mg)"
                " WHERE attempt_id = :attempt AND part = :part"
                " AND report IN ('pending', 'sending') RETURNING part",
                {
                    "new": report,
                    "error": error[:300],
                    "before": before_mg,
                    "attempt": use["attempt_id"],
                    "part": use["part"],
                },
            )
        return noted is not None

    def _run(self) -> None:
        is_away, next_list = False, 0.0
        while not self._stop.is_set():
            try:
                self.report()
                if time.monotonic() >= next_list:
                    self.pull()
                    next_list = time.monotonic() + _LIST_EVERY_S
                is_away = False
            except TooBusy as error:
                if not is_away:
                    log.warning("%s Trying again every %.0f s.", error, _EVERY_S)
                is_away = True
            except Exception:
                log.exception("the talk with Spoolman failed")
            self._stop.wait(_EVERY_S)


def open_reports(db: Database) -> list[dict[str, Any]]:
    """Uses that Spoolman has not accepted: on their way, or left to a person, with the reason."""
    return rows(
        db,
        "SELECT attempt_id, part, spool_id, spoolman_id, mass_mg / 1000.0 AS mass_g, settled_at,"
        " report AS state, report_error AS reason FROM spool_uses"
        " JOIN spools ON spools.id = spool_id WHERE report NOT IN ('', 'done')"
        " ORDER BY settled_at LIMIT 200",
    )


def settle_report(db: Database, attempt_id: str, part: int, *, again: bool) -> bool:
    """A person looked: send it again, or take it as done. False where nothing was in doubt."""
    changed = row(
        db,
        "UPDATE spool_uses SET report = ?, report_error = '' WHERE attempt_id = ? AND part = ?"
        " AND report IN ('doubt', 'refused') RETURNING part",
        ("pending" if again else "done", attempt_id, part),
    )
    return changed is not None


def _take_over(db: Database, one: dict[str, Any], currency: str) -> None:
    """One of its spools, new or changed; what makes no sense is passed over."""
    filament = one.get("filament")
    if not isinstance(one.get("id"), int) or not isinstance(filament, dict):
        return
    try:
        used_mg = _used_mg(one)
        remaining_mg = _mg(one.get("remaining_weight"))
        initial_mg = _mg(one.get("initial_weight") or filament.get("weight"))
        if not initial_mg:
            initial_mg = used_mg + (remaining_mg if remaining_mg is not None else 1_000_000)
        price = one.get("price") if one.get("price") is not None else filament.get("price")
        price_minor = _minor(price, currency)
        diameter_mm = min(max(float(filament.get("diameter") or 1.75), 0.5), 5.0)
    except (TypeError, ValueError, InvalidOperation, OverflowError, TooBusy):
        return
    vendor = filament.get("vendor")
    values = {
        "spoolman_id": one["id"],
        "material": _text(filament.get("material"), 40) or "unknown",
        "colour": _text(filament.get("name"), 40) or _text(filament.get("color_hex"), 8),
        "diameter_mm": diameter_mm,
        "vendor": _text(vendor.get("name") if isinstance(vendor, dict) else "", 80),
        "location": _text(one.get("location"), 80),
        "note": _text(one.get("comment"), 1000),
        "initial_mg": max(1, initial_mg or 1),
        "empty_mg": _mg(one.get("spool_weight")),
        "price_minor": price_minor,
        "archived": bool(one.get("archived")),
        "now": now(),
    }
    spool_id = value(db, "SELECT id FROM spools WHERE spoolman_id = ?", (one["id"],))
    if spool_id is None:
        spool_id = new_id()
        db.conn.execute(
            "INSERT INTO spools (id, spoolman_id, material, initial_mg, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (spool_id, one["id"], values["material"], values["initial_mg"], now()),
        )
    db.conn.execute(
        "UPDATE spools SET material = :material, colour = :colour, diameter_mm = :diameter_mm,"
        " vendor = :vendor, location = :location, note = :note, initial_mg = :initial_mg,"
        " empty_mg = :empty_mg, price_minor = :price_minor,"
        " archived_at = CASE WHEN :archived AND printer_id IS NULL"
        "  THEN coalesce(archived_at, :now) END WHERE id = :id",
        values | {"id": spool_id},
    )
    sums = row(
        db,
        "SELECT coalesce(sum(CASE WHEN report = 'done' THEN mass_mg END), 0) AS told,"
        " coalesce(sum(report = 'sending'), 0) AS in_hand FROM spool_uses WHERE spool_id = ?",
        (spool_id,),
    )
    if sums and not sums["in_hand"]:  # else its sum may or may not hold what was just sent
        db.conn.execute(
            "UPDATE spools SET adjusted_mg = ? WHERE id = ?", (used_mg - sums["told"], spool_id)
        )


def _used_mg(told: Any) -> int:
    used_mg = _mg(told.get("used_weight")) if isinstance(told, dict) else None
    if used_mg is None:
        raise TooBusy("Spoolman does not say what was used of a spool.")
    return used_mg


def _mg(mass_g: Any) -> int | None:
    if mass_g is None:
        return None
    mass_mg = round(float(mass_g) * 1000)
    if not 0 <= mass_mg < 10**9:
        raise ValueError(mass_g)
    return mass_mg


def _minor(price: Any, currency: str) -> int | None:
    if price is None:
        return None
    amount = round(Decimal(str(price)) * 10 ** digits(currency))
    return amount if 0 <= amount < 10**9 else None


def _text(given: Any, most: int) -> str:
    return " ".join(str(given or "").split())[:most]
