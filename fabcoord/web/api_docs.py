"""Arranges the OpenAPI document for reading: routes by the thing that they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a JSON body."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Route:
    """One route as people read it."""

    method: str
    path: str
    summary: str
    needs: str
    fields: tuple[Field, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Group:
    """The routes of one thing: designs, jobs, printers …"""

    name: str
    routes: tuple[Route, ...]


def groups(document: dict[str, Any]) -> list[Group]:
    """The routes of an OpenAPI document, grouped by the first part of their path."""
    schemas = document.get("components", {}).get("schemas", {})
    found: dict[str, list[Route]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found.setdefault(_thing(path), []).append(_route(method, path, operation, schemas))
    return [
        Group(name, tuple(sorted(routes, key=lambda route: (route.path, route.method))))
        for name, routes in sorted(found.items())
    ]


def _thing(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["api", "v1"] and len(parts) > 2 and "." not in parts[2]:
        return parts[2]
    return "about"


def _route(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Route:
    (answer,) = [
        f"{status} {said['description']}"
        for status, said in operation["responses"].items()
        if status != "default"
    ]
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    fields = tuple(
        Field(name, _type(said), name in required)
        for name, said in schema.get("properties", {}).items()
    )
    needs = operation["description"].removeprefix("Needs: ").rstrip(".")
    return Route(method.upper(), path, operation["summary"], needs, fields, answer)


def _type(said: dict[str, Any]) -> str:
    kind = said.get("type", "any value")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
