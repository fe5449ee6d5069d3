"""The demo lab: sample members, sample designs, two virtual printers with clear plates."""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Iterable
from pathlib import Path

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.errors import Conflict
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.queue import printers
from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database

MEMBERS = (("Ada", Role.ADMIN), ("Ben", Role.MEMBER), ("Kiosk", Role.KIOSK))
PRINTERS = ("Left", "Right")

Point = tuple[float, float, float]
Triangle = tuple[Point, Point, Point]


def prepare(lab: Lab, agent_id: str) -> str:
    """Fill the lab with samples where it has none yet; returns the demo password."""
    password = _password(lab.settings.data_dir / "demo-password")
    with lab.store.writing(durable=True) as db:
        members = [
            accounts.by_name(db, name) or accounts.create(db, name, role, password=password)
            for name, role in MEMBERS
        ]
        _designs(db, lab, members[0])
        _printers(db, members[0], agent_id, lab.settings.demo_speed)
    return password


def _password(path: Path) -> str:
    """Made at the first start: a fixed one would open every demo on a network."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text("-".join(f"{secrets.randbelow(10_000):04d}" for _ in range(3)))
    return path.read_text()


def _designs(db: Database, lab: Lab, owner: Member) -> None:
    if rows(db, "SELECT id FROM designs LIMIT 1"):
        return
    samples = {
        "Calibration cube, 20 mm": ("cube-20mm.stl", box(20, 20, 20), ["calibration"]),
        "Hexagonal knob": ("knob.stl", prism(6, 14, 10), ["spare part"]),
        "Plant label": ("plant-label.stl", box(60, 18, 1.6), ["garden"]),
    }
    for title, (name, triangles, tags) in samples.items():
        data = binary_stl(triangles)
        file = NewFile(name, lab.blobs.add(data), len(data), "stl")
        library.create(
            db, owner, title=title, licence="CC0-1.0", files=[file], tags=tags,
            description="A sample of the demo lab.",
        )  # fmt: skip


def _printers(db: Database, owner: Member, agent_id: str, speed: float) -> None:
    known = {item["name"]: item for item in printers.everyone(db)}
    for name in PRINTERS:
        settings = {"speed": speed}
        if name not in known:
            printers.create(
                db,
                owner,
                {
                    "name": name,
                    "machine": "demo",
                    "driver": "virtual",
                    "settings": settings,
                    "agent_id": agent_id,
                    "material": "PLA",
                },
                plate_clear=True,
            )
        elif known[name]["settings"] != settings or known[name]["agent_id"] != agent_id:
            try:
                changes = {"settings": settings, "agent_id": agent_id}
                printers.update(db, owner, known[name]["id"], changes, None)
            except Conflict:
                continue  # it prints; the next start changes it


def binary_stl(triangles: Iterable[Triangle]) -> bytes:
    """A binary STL of triangles in mm, each wound anticlockwise seen from outside."""
    packed = [
        struct.pack("<12fH", 0, 0, 0, *first, *second, *third, 0)
        for first, second, third in triangles
    ]
    return b"fabcoord demo".ljust(80, b"\0") + struct.pack("<I", len(packed)) + b"".join(packed)


def prism(sides: int, radius_mm: float, height_mm: float) -> list[Triangle]:
    """A regular prism that stands on the plane z = 0."""
    angles = [2 * math.pi * index / sides for index in range(sides)]
    ring = [(radius_mm * math.cos(angle), radius_mm * math.sin(angle)) for angle in angles]
    return _extrude(ring, height_mm)


def box(width_mm: float, depth_mm: float, height_mm: float) -> list[Triangle]:
    """A box that stands on the plane z = 0."""
    ring = [(0.0, 0.0), (width_mm, 0.0), (width_mm, depth_mm), (0.0, depth_mm)]
    return _extrude(ring, height_mm)


def _extrude(ring: list[tuple[float, float]], height_mm: float) -> list[Triangle]:
    """A convex outline, anticlockwise seen from above, drawn up to a height."""
    low: list[Point] = [(x, y, 0.0) for x, y in ring]
    high: list[Point] = [(x, y, height_mm) for x, y in ring]
    triangles: list[Triangle] = []
    for index in range(1, len(ring) - 1):
        triangles.append((low[0], low[index + 1], low[index]))
        triangles.append((high[0], high[index], high[index + 1]))
    for index in range(len(ring)):
        after = (index + 1) % len(ring)
        triangles.append((low[index], low[after], high[after]))
        triangles.append((low[index], high[after], high[index]))
    return triangles


def sign_in_words(password: str) -> str:
    """How to sign in, for the terminal."""
    names = " or ".join(f"{name} ({role.value})" for name, role in MEMBERS)
    return f"Sign in as {names} with the password {password}"
