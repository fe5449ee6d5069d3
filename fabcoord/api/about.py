"""/healthz, /metrics, the OpenAPI document and a page that shows it."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, current_app, render_template
from marshmallow import Schema

from fabcoord import __version__
from fabcoord.api.access import Access, needed_by
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.members.roles import Permission
from fabcoord.queue import printers as fleet
from fabcoord.store.database import rows

about = Resource("about", __name__)


@about.route_to("GET", "/healthz", Access.OPEN, "Whether the server answers")
def healthz() -> Any:
    with lab().store.reading() as db:
        rows(db, "SELECT 1")
    return {"status": "ok", "version": __version__}


@about.route_to("GET", "/metrics", Permission.READ, "Figures for Prometheus")
def metrics() -> Any:
    with lab().store.reading() as db:
        counted = {
            "fabcoord_jobs": rows(db, "SELECT state, count(*) AS n FROM jobs GROUP BY state"),
            "fabcoord_printers": rows(
                db,
                "SELECT state, count(*) AS n FROM printers WHERE deleted_at IS NULL GROUP BY state",
            ),
            "fabcoord_runs": rows(db, "SELECT state, count(*) AS n FROM runs GROUP BY state"),
            "fabcoord_attempts": rows(
                db, "SELECT state, count(*) AS n FROM attempts GROUP BY state"
            ),
        }
    lines = []
    for name, found in counted.items():
        lines += [f"# HELP {name} How many there are in each state.", f"# TYPE {name} gauge"]
        lines += [f'{name}{{state="{item["state"]}"}} {item["n"]}' for item in found]
    with lab().store.reading() as db:
        lines += _of_printers(fleet.everyone(db))
    return Response("\n".join(lines) + "\n", mimetype="text/plain; version=0.0.4")


def _of_printers(printers: list[dict[str, Any]]) -> list[str]:
    """The figures of each printer's line, such as lines per second and resends."""
    found: dict[str, list[str]] = {}
    for printer in printers:
        label = ",".join(
            f'{name}="{_escaped(str(printer[key]))}"'
            for name, key in (("printer", "id"), ("name", "name"), ("driver", "driver"))
        )
        for name, figure in {**printer["metrics"], **printer["temperatures"]}.items():
            if figure is not None and re.fullmatch(r"[a-z][a-z0-9_]*", name):
                found.setdefault(name, []).append(f"fabcoord_printer_{name}{{{label}}} {figure}")
    lines = []
    for name, values in sorted(found.items()):
        lines += [f"# HELP fabcoord_printer_{name} Told by the printer's agent.",
                  f"# TYPE fabcoord_printer_{name} gauge", *values]  # fmt: skip
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@about.route_to("GET", "/api/v1/openapi.json", Access.OPEN, "This document")
def openapi() -> Any:
    return document()


@about.route_to("GET", "/api/docs", Access.OPEN, "The API, to read")
def docs() -> Any:
    return Response(render_template("api_docs.html", document=document()), mimetype="text/html")


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, made from the routes as they are registered."""
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin

    plugin = MarshmallowPlugin()
    spec = APISpec(
        title="fabcoord", version=__version__, openapi_version="3.1.0", plugins=[plugin],
        info={"description": "The REST API of a lab. Errors are problem documents (RFC 9457)."},
        security=[{"token": []}],
    )  # fmt: skip
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for rule in current_app.url_map.iter_rules():
        documented = getattr(current_app.view_functions[rule.endpoint], "documented", None)
        if documented is None:
            continue
        needed = needed_by(current_app, rule.endpoint)
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            spec.path(path, operations={method.lower(): _operation(documented, needed, path)})
    return spec.to_dict()


def _operation(documented: dict[str, Any], needed: Any, path: str) -> dict[str, Any]:
    body: type[Schema] | None = documented["body"]
    operation: dict[str, Any] = {
        "summary": documented["summary"],
        "description": f"Needs: {getattr(needed, 'value', 'nobody may')}.",
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", path)
        ],
        "responses": {
            str(documented["status"]): {"description": documented["answer"] or "Done"},
            "default": {
                "description": "A problem document",
                "content": {"application/problem+json": {"schema": {"type": "object"}}},
            },
        },
    }
    if body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    if needed is Access.OPEN:
        operation["security"] = []
    return operation
