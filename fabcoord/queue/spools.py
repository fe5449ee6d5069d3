"""Spools of filament: what is left on each, and in which printer it is."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from fabcoord.errors import BadInput, Conflict, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import printers, spool_use
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_MOST_G = 100_000.0
_TEXTS = {"material": 40, "colour": 40, "vendor": 80, "location": 80, "note": 1000}
_DATES = ("opened_on", "dried_on")

# What is left: `left_mg` after what running prints took so far, `free_mg` when they have ended.
_WITH_LEFT = (
    "SELECT spools.*, printers.name AS printer,"
    " initial_mg - adjusted_mg - coalesce(taken, 0) AS left_mg,"
    " initial_mg - adjusted_mg - coalesce(promised, 0) AS free_mg,"
    " coalesce(wasted_sum, 0) AS wasted_mg"
    " FROM spools LEFT JOIN printers ON printers.id = printer_id"
    " LEFT JOIN (SELECT spool_id, sum(coalesce(mass_mg,"
    "   cast(copy_mg * max(progress - from_progress, 0) AS INTEGER))) AS taken,"
    "  sum(coalesce(mass_mg, cast(copy_mg * (1 - from_progress) AS INTEGER))) AS promised,"
    "  sum(CASE WHEN wasted THEN mass_mg END) AS wasted_sum"
    "  FROM spool_uses JOIN attempts ON attempts.id = attempt_id GROUP BY spool_id)"
    " AS uses ON uses.spool_id = spools.id"
)


def loaded(db: Database, printer_id: str) -> Row | None:
    """The row of the spool in a printer, with ``left_mg`` and ``free_mg``; None without one."""
    return row(db, f"{_WITH_LEFT} WHERE printer_id = ?", (printer_id,))


def left_in_printers(db: Database) -> dict[str, float]:
    """What the spool in each printer will have left, in g, when what prints has ended."""
    if row(db, "SELECT 1 FROM spools WHERE printer_id IS NOT NULL") is None:
        return {}
    found = rows(db, f"{_WITH_LEFT} WHERE printer_id IS NOT NULL")
    return {one["printer_id"]: one["free_mg"] / 1000 for one in found}


def create(db: Database, member: Member, given: dict[str, Any]) -> str:
    """Add a spool; returns its id.

    ``given`` is in the shape of the API: ``material``, ``initial_g``, and what is known besides;
    ``remaining_g`` where it is not full. Raises BadInput that names each wrong field.
    """
    member.require(Permission.RUN_PRINTERS)
    values = _checked(given)
    remaining_mg = _mass(given, "remaining_g", values["initial_mg"])
    spool_id = new_id()
    db.conn.execute(
        "INSERT INTO spools (id, material, colour, diameter_mm, vendor, location, note,"
        " initial_mg, adjusted_mg, empty_mg, low_mg, price_minor, opened_on, dried_on, created_at)"
        " VALUES (:id, :material, :colour, :diameter_mm, :vendor, :location, :note, :initial_mg,"
        " :adjusted_mg, :empty_mg, :low_mg, :price_minor, :opened_on, :dried_on, :now)",
        values
        | {
            "id": spool_id,
            "adjusted_mg": values["initial_mg"] - (remaining_mg or 0),
            "now": now(),
        },
    )
    emit(db, "spool.created", actor=member.name, spool_id=spool_id)
    return spool_id


def update(
    db: Database, member: Member, spool_id: str, changes: dict[str, Any], version: int | None
) -> None:
    """Change what is known of a spool. Raises Stale when ``version`` is not the present one."""
    member.require(Permission.RUN_PRINTERS)
    before = get_row(db, spool_id)
    _refuse_if_foreign(before)
    values = _checked(_shape(before) | changes)
    changed = row(
        db,
        "UPDATE spools SET material = :material, colour = :colour, diameter_mm = :diameter_mm,"
        " vendor = :vendor, location = :location, note = :note, initial_mg = :initial_mg,"
        " empty_mg = :empty_mg, low_mg = :low_mg, price_minor = :price_minor,"
        " opened_on = :opened_on, dried_on = :dried_on, version = version + 1"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING printer_id",
        values | {"id": spool_id, "version": version},
    )
    if changed is None:
        raise Stale("The spool was changed since you read it.", hint="Read it again first.")
    if "remaining_g" in changes and changes["remaining_g"] is not None:
        weigh(db, member, spool_id, remaining_g=changes["remaining_g"])
    if changed["printer_id"]:
        _tell_printer(db, changed["printer_id"], values)
    emit(db, "spool.changed", actor=member.name, spool_id=spool_id)


def weigh(
    db: Database,
    member: Member,
    spool_id: str,
    *,
    gross_g: float | None = None,
    remaining_g: float | None = None,
) -> None:
    """State what is left: as weighed with the spool's own mass (``gross_g``), or without.

    Raises BadInput where that cannot be, as when nobody said what the empty spool weighs.
    """
    member.require(Permission.RUN_PRINTERS)
    before = get_row(db, spool_id)
    _refuse_if_foreign(before)
    if (gross_g is None) == (remaining_g is None):
        raise BadInput(
            "Say what the spool weighs, or what is left on it.", fields={"gross_g": "one of both"}
        )
    if gross_g is not None:
        if before["empty_mg"] is None:
            raise BadInput(
                "Nobody has said what this spool weighs when it is empty.",
                hint="Set empty_g, or say remaining_g.",
                fields={"gross_g": "needs empty_g"},
            )
        remaining_g = gross_g - before["empty_mg"] / 1000
    remaining_mg = _mass({"remaining_g": remaining_g}, "remaining_g", None)
    db.conn.execute(
        "UPDATE spools SET adjusted_mg = adjusted_mg + ?, version = version + 1 WHERE id = ?",
        (before["left_mg"] - (remaining_mg or 0), spool_id),
    )
    emit(
        db, "spool.weighed", actor=member.name, spool_id=spool_id,
        before_g=before["left_mg"] / 1000, remaining_g=(remaining_mg or 0) / 1000,
    )  # fmt: skip


def load(db: Database, member: Member, printer_id: str, spool_id: str) -> None:
    """Put a spool into a printer, whose material and colour are then the spool's.

    What was in the printer comes out of it. During a print the rest of the print is booked to the
    new spool. Raises Conflict when the spool is archived, or in another printer that prints.
    """
    member.require(Permission.RUN_PRINTERS)
    printer = printers.get(db, printer_id)
    spool = get_row(db, spool_id)
    if spool["archived_at"]:
        raise Conflict("That spool was put away.", hint="Take it back into use first.")
    if spool["printer_id"] == printer_id:
        return
    if spool["printer_id"]:
        _refuse_while_printing(db, spool["printer_id"], spool["printer"])
    if before := loaded(db, printer_id):
        emit(db, "spool.unloaded", printer_id=printer_id, actor=member.name, spool_id=before["id"])
    db.conn.execute("UPDATE spools SET printer_id = NULL WHERE printer_id = ?", (printer_id,))
    db.conn.execute(
        "UPDATE spools SET printer_id = ?, opened_on = coalesce(opened_on, ?),"
        " version = version + 1 WHERE id = ?",
        (printer_id, now()[:10], spool_id),
    )
    _tell_printer(db, printer_id, spool)
    spool_use.change_spool(db, printer_id, spool_id)
    emit(db, "spool.loaded", printer_id=printer_id, actor=member.name, spool_id=spool_id,
         printer=printer["name"])  # fmt: skip


def unload(db: Database, member: Member, printer_id: str) -> None:
    """Take the spool out of a printer. Raises Conflict when there is none, or while it prints."""
    member.require(Permission.RUN_PRINTERS)
    printer = printers.get(db, printer_id)
    before = loaded(db, printer_id)
    if before is None:
        raise Conflict(f"No spool is in {printer['name']}.", extra={"state": printer["state"]})
    _refuse_while_printing(db, printer_id, printer["name"])
    db.conn.execute(
        "UPDATE spools SET printer_id = NULL, version = version + 1 WHERE id = ?", (before["id"],)
    )
    _tell_printer(db, printer_id, {"material": None, "colour": None})
    emit(db, "spool.unloaded", printer_id=printer_id, actor=member.name, spool_id=before["id"])


def archive(db: Database, member: Member, spool_id: str, *, away: bool = True) -> None:
    """Put a spool away for good, or take it back. Raises Conflict while it is in a printer."""
    member.require(Permission.RUN_PRINTERS)
    before = get_row(db, spool_id)
    if away and before["printer_id"]:
        raise Conflict(f"The spool is in {before['printer']}.", hint="Unload it first.")
    db.conn.execute(
        "UPDATE spools SET archived_at = ?, version = version + 1 WHERE id = ?",
        (now() if away else None, spool_id),
    )
    emit(db, "spool.changed", actor=member.name, spool_id=spool_id, archived=away)


def get(db: Database, spool_id: str) -> dict[str, Any]:
    """One spool in the shape of the API. Raises NotFound."""
    return _shape(get_row(db, spool_id))


def everyone(db: Database, *, archived: bool = False) -> list[dict[str, Any]]:
    """All spools in use (or those put away), by material and colour."""
    found = rows(
        db,
        f"{_WITH_LEFT} WHERE (archived_at IS NOT NULL) = ? ORDER BY material, colour, created_at",
        (archived,),
    )
    return [_shape(item) for item in found]


def get_row(db: Database, spool_id: str) -> Row:
    """The spool's row with ``left_mg``, ``free_mg`` and its printer's name. Raises NotFound."""
    found = row(db, f"{_WITH_LEFT} WHERE spools.id = ?", (spool_id,))
    if found is None:
        raise NotFound("There is no such spool.")
    return found


def price_per_kg_minor(
    db: Database, *, material: str | None, colour: str | None, printer_id: str | None
) -> float | None:
    """What a kilogram of the filament costs that a print will most likely take, in minor units.

    That is the spool with its own price that is loaded, matches and holds most; None where none
    does, and the lab's price of material counts.
    """
    found = row(
        db,
        f"{_WITH_LEFT} WHERE printer_id IS NOT NULL AND price_minor IS NOT NULL"
        " AND deleted_at IS NULL AND (:printer IS NULL OR printer_id = :printer)"
        " AND (:material IS NULL OR lower(spools.material) = lower(:material))"
        " AND (:colour IS NULL OR lower(spools.colour) = lower(:colour))"
        " ORDER BY left_mg DESC LIMIT 1",
        {"material": material, "colour": colour, "printer": printer_id},
    )
    return found["price_minor"] * 1e6 / found["initial_mg"] if found else None


def _refuse_if_foreign(spool: Row) -> None:
    if spool["spoolman_id"] is not None:
        raise Conflict(
            f"This spool is number {spool['spoolman_id']} of Spoolman.", hint="Change it there."
        )


def _refuse_while_printing(db: Database, printer_id: str, name: str) -> None:
    if printers.open_attempt(db, printer_id) is not None:
        raise Conflict(
            f"A print is with {name}, which takes from this spool.",
            hint="Load another spool there, or wait until the print has ended.",
        )


def _tell_printer(db: Database, printer_id: str, spool: dict[str, Any]) -> None:
    db.conn.execute(
        "UPDATE printers SET material = ?, colour = ?, version = version + 1 WHERE id = ?",
        (spool["material"], spool["colour"] or None, printer_id),
    )
    printers.refresh(db, printer_id)


def _shape(found: Row) -> dict[str, Any]:
    kept = (
        *("id", "material", "colour", "diameter_mm", "vendor", "location", "note"),
        *("opened_on", "dried_on", "price_minor", "printer_id", "printer", "spoolman_id"),
        *("archived_at", "created_at", "version"),
    )
    masses = {
        f"{name}_g": None if found[f"{name}_mg"] is None else found[f"{name}_mg"] / 1000
        for name in ("initial", "empty", "low", "wasted")
    }
    return (
        {name: found[name] for name in kept}
        | masses
        | {
            "remaining_g": found["left_mg"] / 1000,
            "used_g": (found["initial_mg"] - found["left_mg"]) / 1000,
            "is_low": found["left_mg"] <= found["low_mg"],
        }
    )


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """The values of a spool's row; raises BadInput that names each wrong field."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, most in _TEXTS.items():
        values[name] = " ".join(str(given.get(name) or "").split())
        if len(values[name]) > most:
            wrong[name] = f"at most {most} characters"
    if not values["material"]:
        wrong["material"] = "missing"
    for name in _DATES:
        values[name] = given.get(name) or None
        if values[name] is not None and not _is_date(values[name]):
            wrong[name] = "a day such as 2026-03-01"
    diameter = given.get("diameter_mm") or 1.75
    values["diameter_mm"] = diameter
    if not isinstance(diameter, int | float) or not 0.5 <= diameter <= 5:
        wrong["diameter_mm"] = "0.5 to 5"
    price = given.get("price_minor")
    values["price_minor"] = price
    if price is not None and not (isinstance(price, int) and 0 <= price <= 10**9):
        wrong["price_minor"] = "a whole number, 0 or more"
    for name, default_mg in (("initial", None), ("empty", None), ("low", 100_000)):
        try:
            values[f"{name}_mg"] = _mass(given, f"{name}_g", default_mg)
        except BadInput as error:
            wrong |= error.fields
    if not wrong and not values["initial_mg"]:
        wrong["initial_g"] = "what a full spool holds, in g"
    if wrong:
        raise BadInput(f"The spool needs other values for: {', '.join(wrong)}.", fields=wrong)
    return values


def _mass(given: dict[str, Any], name: str, default_mg: int | None) -> int | None:
    """A mass in grams as whole milligrams."""
    mass_g = given.get(name)
    if mass_g is None:
        return default_mg
    if not isinstance(mass_g, int | float) or not 0 <= mass_g <= _MOST_G:
        raise BadInput(f"{name} is 0 to {_MOST_G:g} g.", fields={name: f"0 to {_MOST_G:g}"})
    return round(mass_g * 1000)


def _is_date(text: Any) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text) and date.fromisoformat(text))
    except (TypeError, ValueError):
        return False
