"""/agents: pairing, the sync of an agent, and the G-code that it fetches."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Response, request

from fabcoord.agent.messages import SyncRequest
from fabcoord.api import schemas, streams
from fabcoord.api.access import Access, agent, member
from fabcoord.api.context import lab
from fabcoord.api.files import send_blob
from fabcoord.api.routing import Resource, json_object, page
from fabcoord.errors import BadInput, NotFound
from fabcoord.members.roles import Permission
from fabcoord.queue import agents as fleet
from fabcoord.queue.pace import Pace

agents = Resource("agents", __name__)

_LONGEST_WAIT_S = 25.0
_pace = Pace()


@agents.route_to("GET", "/agents", Permission.MANAGE_PRINTERS, "All agents", answer="Agent[]")
def search() -> Any:
    with lab().store.reading() as db:
        return page(fleet.everyone(db), None)


@agents.route_to(
    "POST", "/agents/pair", Access.OPEN, "An agent asks to be let in", body=schemas.PairingRequest
)
def pair(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        said = fleet.ask_to_pair(db, body["pairing"], body["name"])
    if "token" in said:
        return said
    return Response(json.dumps(said), 202, mimetype="application/json")


@agents.route_to(
    "POST", "/agents/approve", Permission.MANAGE_PRINTERS, "Let in the agent that shows this code",
    body=schemas.PairingCode,
)  # fmt: skip
def approve(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        return {"name": fleet.approve_pairing(db, member(), body["code"])}


@agents.route_to(
    "DELETE", "/agents/<agent_id>", Permission.MANAGE_PRINTERS, "Revoke an agent", status=204
)
def revoke(agent_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        fleet.revoke(db, member(), agent_id)


@agents.route_to("POST", "/agents/<agent_id>/sync", Access.AGENT, "What an agent says and hears")
def sync(agent_id: str) -> Any:
    fleet.require_agent(agent(), agent_id)
    try:
        said = SyncRequest.from_json(json_object())
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(f"That is not a sync of this protocol: {error!r}.") from error
    settings = lab().settings
    began_s = time.thread_time()
    with lab().store.writing(durable=bool(said.events)) as db:
        answer = fleet.sync(
            db, agent(), said, interval_s=settings.agent_interval_s, lease_s=settings.lease_s,
            least_s=_pace.least_s(),
        )  # fmt: skip
    _pace.note(agent_id, time.thread_time() - began_s)
    return answer.to_json()


@agents.route_to("GET", "/agents/<agent_id>/wake", Access.AGENT, "Wait for news for this agent")
def wake(agent_id: str) -> Any:
    fleet.require_agent(agent(), agent_id)
    after = streams.event_number(request.args.get("after", "0"))
    try:
        asked_s = float(request.args.get("wait", "25"))
    except ValueError as error:
        raise BadInput("wait is a number of seconds.") from error
    wait_s = asked_s if 0 <= asked_s <= _LONGEST_WAIT_S else _LONGEST_WAIT_S
    store = lab().store
    with streams.place():
        return {"seq": streams.wait_for_agent(store, agent_id, after, wait_s)}


@agents.route_to("GET", "/agents/<agent_id>/gcode/<sha256>", Access.AGENT, "G-code of an attempt")
def gcode(agent_id: str, sha256: str) -> Any:
    fleet.require_agent(agent(), agent_id)
    with lab().store.reading() as db:
        if not fleet.has_gcode(db, agent(), sha256):
            raise NotFound("No open attempt of this agent needs that file.")
    return send_blob(lab().blobs.path(sha256), sha256, "text/x.gcode")
