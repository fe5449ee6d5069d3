"""The energy that prints take: counted by a plug where there is one, else from power and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabcoord.errors import FabcoordError
from fabcoord.printers import machines
from fabcoord.queue import policy, prices
from fabcoord.queue.policy import Policy
from fabcoord.store.database import Row, Store, row, rows
from fabcoord.store.events import Event
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, now, parse_timestamp

_FRESH_S = 60.0  # a counter told within this time is that of now
_MOST_W = 20_000.0
GROUPS = {
    "print": ("energy_uses.attempt_id", "energy_uses.attempt_id"),
    "member": ("energy_uses.member_id", "members.name"),
    "design": ("energy_uses.design_id", "designs.title"),
    "printer": ("energy_uses.printer_id", "printers.name"),
    "month": ("substr(settled_at, 1, 7)", "substr(settled_at, 1, 7)"),
}


def take_in(db: Database, printer_id: str, metrics: Mapping[str, Any]) -> None:
    """A plug's counter as an agent told it: what was added since counts for the print there.

    To be called before the reports that came with it, so that a print that ended while the server
    was away gets what was counted until then. A counter that begins anew loses nothing but what
    was counted since it was last told.
    """
    told = metrics.get("plug_energy_mwh")
    if not isinstance(told, int | float) or not 0 <= told < 1 << 53:
        return
    told_mwh = int(told)
    power = metrics.get("plug_power_w")
    known = row(db, "SELECT * FROM plug_counters WHERE printer_id = ?", (printer_id,))
    db.conn.execute(
        "INSERT INTO plug_counters (printer_id, counter_mwh, power_w, seen_at)"
        " SELECT id, :energy, :power, :now FROM printers WHERE id = :id"
        " ON CONFLICT DO UPDATE SET counter_mwh = excluded.counter_mwh, power_w = excluded.power_w,"
        " seen_at = excluded.seen_at",
        {
            "id": printer_id,
            "energy": told_mwh,
            "power": float(power) if isinstance(power, int | float) else None,
            "now": now(),
        },
    )
    if known is None:
        return
    before_mwh = known["counter_mwh"]
    added_mwh = told_mwh - before_mwh if told_mwh >= before_mwh else told_mwh
    passed_s = (parse_timestamp(now()) - parse_timestamp(known["seen_at"])).total_seconds()
    if added_mwh > _MOST_W * (passed_s + _FRESH_S) / 3.6:
        return  # another plug, or nonsense: no printer takes so much
    db.conn.execute(
        "UPDATE energy_uses SET counted_mwh = counted_mwh + ? WHERE energy_mwh IS NULL"
        " AND printer_id = ?",
        (added_mwh, printer_id),
    )


@dataclass(frozen=True, slots=True)
class Meter:
    """Books the energy of attempts, as a subscriber of what happens to them.

    Args:
        default: the policy of a lab that never changed it.
    """

    default: Policy

    def subscribe(self, store: Store) -> None:
        """Hear of attempts in the transactions that change them."""
        store.subscribe("attempt.accepted", self.on_accepted)
        for kind in ("attempt.finished", "attempt.failed", "attempt.cancelled"):
            store.subscribe(kind, self.on_end)

    def on_accepted(self, db: Database, event: Event) -> None:
        """Subscriber: from here on the printer works for this attempt."""
        db.conn.execute(
            "INSERT INTO energy_uses (attempt_id, printer_id, job_id, member_id, design_id,"
            " counted) SELECT attempts.id, attempts.printer_id, job_id, member_id, design_id,"
            " EXISTS (SELECT 1 FROM plug_counters WHERE printer_id = attempts.printer_id"
            "  AND seen_at > :fresh) FROM attempts JOIN jobs ON jobs.id = job_id"
            " WHERE attempts.id = :id ON CONFLICT DO NOTHING",
            {"id": event.attempt_id, "fresh": in_seconds(-_FRESH_S)},
        )

    def on_end(self, db: Database, event: Event) -> None:
        """Subscriber: the attempt ended; what it took is settled, once."""
        use = row(
            db,
            "SELECT energy_uses.*, machine, attempts.state, started_at, ended_at, seen_at"
            " FROM energy_uses JOIN attempts ON attempts.id = attempt_id"
            " JOIN printers ON printers.id = energy_uses.printer_id"
            " LEFT JOIN plug_counters ON plug_counters.printer_id = printers.id"
            " WHERE attempt_id = ? AND energy_mwh IS NULL",
            (event.attempt_id,),
        )
        if use is None:
            return
        rules = policy.current(db, self.default)[1]
        is_counted = use["counted"] and (use["seen_at"] or "") > in_seconds(-_FRESH_S)
        energy_mwh = use["counted_mwh"] if is_counted else round(_estimated_wh(db, use) * 1000)
        cost = prices.of_copy(
            rules.prices, use["machine"], {"energy_kwh": energy_mwh / 1e6}
        ).energy  # fmt: skip
        db.conn.execute(
            "UPDATE energy_uses SET energy_mwh = :energy, method = :method, wasted = :wasted,"
            " co2e_mg = :co2e, cost_minor = :cost, currency = :currency, settled_at = :now"
            " WHERE attempt_id = :id AND energy_mwh IS NULL",
            {
                "id": event.attempt_id,
                "energy": energy_mwh,
                "method": "measured" if is_counted else "estimated",
                "wasted": use["state"] != "finished",
                "co2e": round(energy_mwh * rules.energy.co2e_g_kwh / 1000)
                if rules.energy.co2e_g_kwh
                else None,
                "cost": cost,
                "currency": rules.prices.currency,
                "now": use["ended_at"] or now(),
            },
        )


def report(
    db: Database, by: str, *, since: str = "", member_id: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Sums of what ended prints took, most first, by one of `GROUPS`.

    Args:
        since: only what ended at or after this time.
        member_id: only the prints of this member.
    """
    key, name = GROUPS[by]
    found = rows(
        db,
        f"SELECT {key} AS id, {name} AS name, count(*) AS prints,"  # noqa: S608
        " sum(energy_mwh) AS energy, sum(CASE WHEN wasted THEN energy_mwh ELSE 0 END) AS wasted,"
        " sum(wasted) AS failed, sum(method = 'measured') AS measured, sum(co2e_mg) AS co2e,"
        " sum(cost_minor) AS cost_minor, max(currency) AS currency, max(settled_at) AS last_at"
        " FROM energy_uses LEFT JOIN members ON members.id = member_id"
        " LEFT JOIN designs ON designs.id = design_id"
        " LEFT JOIN printers ON printers.id = printer_id WHERE settled_at >= :since"
        f" AND (:member IS NULL OR member_id = :member) GROUP BY {key}"
        " ORDER BY energy DESC LIMIT :limit",
        {"since": since or "0", "member": member_id, "limit": limit},
    )
    return [
        {
            "id": item["id"],
            "name": item["name"],
            "prints": item["prints"],
            "failed_prints": item["failed"],
            "measured_prints": item["measured"],
            "energy_kwh": item["energy"] / 1e6,
            "wasted_kwh": item["wasted"] / 1e6,
            "co2e_g": None if item["co2e"] is None else item["co2e"] / 1000,
            "cost_minor": item["cost_minor"],
            "currency": item["currency"],
            "last_at": item["last_at"],
        }
        for item in found
    ]


def of_job(db: Database, job_id: str) -> dict[str, Any]:
    """What each ended attempt of a job took, by the attempt's id."""
    found = rows(
        db, "SELECT * FROM energy_uses WHERE job_id = ? AND energy_mwh IS NOT NULL", (job_id,)
    )
    return {
        item["attempt_id"]: {
            "energy_kwh": item["energy_mwh"] / 1e6,
            "method": item["method"],
            "wasted": bool(item["wasted"]),
            "co2e_g": None if item["co2e_mg"] is None else item["co2e_mg"] / 1000,
        }
        for item in found
    }


def _estimated_wh(db: Database, use: Row) -> float:
    """Average power in each state times the time in it, by the machine model's figures."""
    if not use["started_at"] or not use["ended_at"]:
        return 0.0
    try:
        model = machines.machine(use["machine"])
    except FabcoordError:
        return 0.0  # a model that the lab has taken away since
    whole_s = _seconds(use["started_at"], use["ended_at"])
    paused_s = min(_paused_s(db, use), whole_s)
    printing_ws = (whole_s - paused_s) * model.power_w
    return (printing_ws + paused_s * model.power_paused_w) / 3600


def _paused_s(db: Database, use: Row) -> float:
    told = rows(
        db,
        "SELECT at, kind FROM events WHERE job_id = ? AND attempt_id = ?"
        " AND kind LIKE 'attempt.%' ORDER BY seq",
        (use["job_id"], use["attempt_id"]),
    )
    paused_s, since = 0.0, None
    for item in told:
        if item["kind"] == "attempt.paused":
            since = since or item["at"]
        elif since is not None:
            paused_s, since = paused_s + _seconds(since, item["at"]), None
    return paused_s


def _seconds(start: str, end: str) -> float:
    return max(0.0, (parse_timestamp(end) - parse_timestamp(start)).total_seconds())
