"""The rules of the house: who may import whom, how long a module is, what stays out of memory."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fabcoord"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A room may import rooms on lower floors only. Designs have owners, so members lie below them;
# pages stand on the API's guard and intake.
FLOORS = {
    "store": 0,
    "work": 1,
    "members": 2,
    **dict.fromkeys(("designs", "slicing"), 3),
    "queue": 4,
    **dict.fromkeys(("ledger", "assembly", "federation", "notices"), 5),
    "api": 6,
    "web": 7,
}
AGENT_SIDE = {"agent": 1, "printers": 0}
FOR_EVERYBODY = ("fabcoord.errors", "fabcoord.config", "fabcoord.__version__")
# What the server knows of the agent's side: words and data.
SHARED = (
    *("fabcoord.agent.messages", "fabcoord.printers.machines"),
    *("fabcoord.printers.profiles", "fabcoord.printers.data"),
)
# Modules that wire rooms together, start processes or speak to a server from outside.
ROOTS = {
    *("__init__", "__main__", "app", "cli", "client", "config", "demo", "doctor", "errors"),
    *("lab", "serve", "supervisor", "webserver"),
}
SERVER_ONLY_PACKAGES = {
    *("flask", "werkzeug", "gunicorn", "marshmallow", "apispec"),
    *("sqlite_utils", "huey", "numpy", "scipy", "trimesh", "manifold3d"),
}
HEAVY = {"numpy", "scipy", "trimesh"}
MOST_LINES = 400
LONGER_FOR_NOW: dict[str, int] = {}


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def room_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(module: Path) -> Iterator[tuple[str, int]]:
    """What a module imports, as full dotted names with their lines, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(module)}:{node.lineno} imports relatively"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def is_of(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def breach(module: Path, imported: str) -> str | None:
    """Why this module may not import that, or None."""
    room, top = room_of(module), imported.split(".")[0]
    agent_side = room in AGENT_SIDE
    if agent_side and top in SERVER_ONLY_PACKAGES:
        return f"an agent must run without {top}"
    if top == "sqlite_utils" and room != "store":
        return "only the store imports sqlite_utils, guarded against numpy"
    if top != "fabcoord" or room in ROOTS or is_of(imported, FOR_EVERYBODY):
        return None
    other = imported.split(".")[1]
    if other == room:
        return None
    floors = AGENT_SIDE if agent_side else FLOORS
    if other in floors:
        return None if floors[other] < floors[room] else f"{other} is not below {room}"
    if not agent_side and is_of(imported, SHARED):
        return None
    if room in ("api", "web") and other == "lab":
        return None  # the lab that a request belongs to
    return f"{room} knows nothing of {other}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_imports_only_what_lies_below_it(module: Path) -> None:
    breaches = [
        f"{name_of(module)}:{line} imports {imported}: {reason}"
        for imported, line in imports(module)
        if (reason := breach(module, imported)) is not None
    ]
    assert not breaches, "\n".join(breaches)


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms <= {*FLOORS, *AGENT_SIDE, *ROOTS}, "a new room needs a floor in this test"


def test_the_rules_themselves_refuse_what_they_should() -> None:
    refused = {
        "work/ledger.py": "fabcoord.queue.jobs.create",
        "slicing/cache.py": "fabcoord.designs.checks.CheckedMesh",
        "designs/library.py": "sqlite_utils.Database",
        "agent/main.py": "fabcoord.store.database.Store",
        "printers/base.py": "fabcoord.agent.messages.Offer",
        "queue/jobs.py": "fabcoord.agent.journal.Journal",
        "api/jobs.py": "fabcoord.web.pages.register",
        "agent/http.py": "flask.Flask",
    }
    for module, imported in refused.items():
        assert breach(PACKAGE / module, imported) is not None, f"{module} may import {imported}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_opens_with_a_sentence_and_fits_in_a_head(module: Path) -> None:
    text = module.read_text()
    opening = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    assert opening.endswith((".", ":")), f"{name_of(module)} opens with no sentence"
    most = LONGER_FOR_NOW.get(name_of(module), MOST_LINES)
    lines = text.count("\n")
    assert lines <= most, f"{name_of(module)} has {lines} lines; it wants to be two modules"


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    script = (
        f"{statement}\nimport sys\nprint(' '.join({{n.split('.')[0] for n in sys.modules"
        " if sys.modules[n] is not None}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_web_server_carries_no_numpy() -> None:
    assert not loaded_by("import fabcoord.app, fabcoord.webserver") & HEAVY


def test_a_worker_carries_no_numpy() -> None:
    assert not loaded_by("import fabcoord.work.engine, fabcoord.lab") & HEAVY


def test_an_agent_carries_nothing_of_the_server() -> None:
    loaded = loaded_by(
        "import fabcoord.agent.main, fabcoord.agent.drivers\n"
        "import fabcoord.printers.serial.driver, fabcoord.printers.octoprint.driver\n"
        "import fabcoord.printers.virtual"
    )
    assert not loaded & SERVER_ONLY_PACKAGES


def test_serve_itself_stays_light() -> None:
    assert not loaded_by("import fabcoord.serve") & {"flask", "huey", "sqlite_utils", *HEAVY}
