"""For who runs the printers: their state and controls, adding one, letting agents in."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.printers import own_agent
from fabcoord.errors import BadInput, FabcoordError
from fabcoord.members.roles import Permission
from fabcoord.printers import machines
from fabcoord.queue import agents
from fabcoord.queue import printers as fleet
from fabcoord.queue import upkeep as care
from fabcoord.store.sqlite import Database
from fabcoord.web import board, live, statistics
from fabcoord.web.frame import Pages, go, number, show, typed

staff = Pages("staff")

_URL = "/printers"
_FIELDS = ("name", "machine", "driver", "agent_id", "material", "colour")
_SETTINGS = ("port", "baud", "url", "api_key", "speed")


@staff.page("GET", "/printers", Permission.RUN_PRINTERS)
def overview() -> Response:
    return _overview()


@staff.page("POST", "/printers", Permission.MANAGE_PRINTERS)
def add() -> Response:
    try:
        wanted = _wanted()
        with lab().store.writing(durable=True) as db:
            wanted["agent_id"] = wanted["agent_id"] or own_agent(db)
            fleet.create(db, member(), wanted)
    except FabcoordError as error:
        given = typed(*_FIELDS, *_SETTINGS)
        return _overview(error.status, error=error, given=given)
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/loaded", Permission.RUN_PRINTERS)
def loaded(printer_id: str) -> Response:
    """What material and colour is in the printer now."""
    with lab().store.writing(durable=True) as db:
        fleet.update(db, member(), printer_id, dict(typed("material", "colour")), None)
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/remove", Permission.MANAGE_PRINTERS)
def remove(printer_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        fleet.delete(db, member(), printer_id)
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/maintenance", Permission.RUN_PRINTERS)
def maintenance(printer_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        fleet.set_maintenance(db, member(), printer_id, True)
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/ready", Permission.RUN_PRINTERS)
def ready(printer_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        fleet.set_maintenance(db, member(), printer_id, False)
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/upkeep", Permission.RUN_PRINTERS)
def maintained(printer_id: str) -> Response:
    given = typed("task_id", "note")
    with lab().store.writing() as db:
        care.log(db, member(), printer_id, task_id=given["task_id"] or None, note=given["note"])
    return go(_URL)


@staff.page("POST", "/printers/<printer_id>/upkeep/plan", Permission.MANAGE_PRINTERS)
def plan_upkeep(printer_id: str) -> Response:
    given = typed("title", "every_h")
    try:
        every_h = float(given["every_h"])
    except ValueError as error:
        raise BadInput("The hours are a number.", fields={"every_h": "a number"}) from error
    with lab().store.writing() as db:
        care.add_task(db, member(), printer_id, given["title"], every_h)
    return go(_URL)


@staff.page("POST", "/agents/approve", Permission.MANAGE_PRINTERS)
def approve() -> Response:
    try:
        with lab().store.writing(durable=True) as db:
            agents.approve_pairing(db, member(), request.form.get("code", ""))
    except FabcoordError as error:
        return _overview(error.status, pairing_error=error, code=request.form.get("code", ""))
    return go(_URL)


@staff.page("POST", "/agents/<agent_id>/revoke", Permission.MANAGE_PRINTERS)
def revoke(agent_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        agents.revoke(db, member(), agent_id)
    return go(_URL)


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        now = board.read(db, member())
        known = agents.everyone(db)
        listening = live.listen(
            db, _URL, live.QUEUE + live.PRINTERS + live.AGENTS, moving=now.moving
        )
        facts = {"given": {}, "code": "", "own_agent": own_agent(db)} | facts
        materials = _materials(db)
        facts["upkeep"] = {
            card.printer["id"]: care.of_printer(db, card.printer["id"]) for card in now.cards
        }
        history = statistics.of_printers(db)
    models = [(one.id, one.name) for one in machines.all_machines().values()]
    return show(
        "printers.html", status, board=now, agents=known, models=models, drivers=fleet.DRIVERS,
        materials=materials, live=listening, history=history, **facts,
    )  # fmt: skip


def _materials(db: Database) -> list[str]:
    known = machines.all_machines()
    here = [known[one] for one in fleet.machines_here(db) if one in known]
    return list(dict.fromkeys(name for one in here for name in one.materials))


def _wanted() -> dict[str, Any]:
    """A new printer as the form describes it; of the settings only those of its driver."""
    given = typed(*_FIELDS, *_SETTINGS)
    settings: dict[str, Any] = {}
    if given["driver"] == "serial":
        settings = {"port": given["port"]}
        if given["baud"]:
            settings["baud"] = number(given["baud"], "settings.baud")
    elif given["driver"] == "octoprint":
        settings = {"url": given["url"], "api_key": given["api_key"]}
    elif given["driver"] == "virtual" and given["speed"]:
        settings = {"speed": number(given["speed"], "settings.speed")}
    return {name: given[name] or None for name in _FIELDS} | {"settings": settings}
