"""The three hashed requirements files hold what pyproject.toml asks for, and agree."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = {
    "requirements.txt": ("server", "agent", "redis", "postgres", "federation", "dev"),
    "requirements-server.txt": ("server", "agent"),
    "requirements-agent.txt": ("agent",),
}


def asked_for(extras: tuple[str, ...]) -> Iterator[Requirement]:
    for extra in extras:
        yield from map(Requirement, PROJECT["optional-dependencies"][extra])
    yield from map(Requirement, PROJECT["dependencies"])


def pins(file: str) -> dict[str, list[Requirement]]:
    """The pinned packages; several where versions differ by Python or platform."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            pin = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


@pytest.mark.parametrize("file", FILES)
def test_what_the_project_asks_for_is_pinned_in_a_version_that_it_allows(file: str) -> None:
    pinned = pins(file)
    for wanted in asked_for(FILES[file]):
        name = canonicalize_name(wanted.name)
        assert name in pinned, f"{name} is not in {file}: run script/compile-requirements"
        for pin in pinned[name]:
            (version,) = pin.specifier
            assert wanted.specifier.contains(version.version), f"{file}: {pin}"


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_pinned_for_the_project_that_it_no_longer_asks_for(file: str) -> None:
    direct, name = set(), ""
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            name = canonicalize_name(Requirement(line.removesuffix("\\").strip()).name)
        elif "fabcoord (pyproject.toml)" in line:
            direct.add(name)
    assert direct == {canonicalize_name(one.name) for one in asked_for(FILES[file])}


@pytest.mark.parametrize("file", FILES)
def test_every_pin_is_exact_and_has_hashes(file: str) -> None:
    text = (ROOT / file).read_text()
    blocks = re.findall(r"^[A-Za-z0-9][^\n]*\n(?:    --hash=[^\n]*\n)*", text, re.MULTILINE)
    assert len(blocks) == sum(map(len, pins(file).values()))
    for block in blocks:
        assert re.match(r"[\w.\[\]-]+==[\w.]+", block), block
        assert "--hash=sha256:" in block, block


def test_the_smaller_files_pin_what_the_whole_one_pins() -> None:
    whole = pins("requirements.txt")
    for file in ("requirements-server.txt", "requirements-agent.txt"):
        for name, pinned in pins(file).items():
            versions = {str(pin.specifier) for pin in pinned}
            assert versions <= {str(pin.specifier) for pin in whole[name]}, f"{file}: {name}"


def test_an_agent_installs_nothing_of_the_server() -> None:
    forbidden = {"flask", "sqlite-utils", "numpy", "scipy", "trimesh", "huey", "gunicorn"}
    assert not forbidden & set(pins("requirements-agent.txt"))


def test_no_file_names_an_index() -> None:
    for file in FILES:
        assert "://" not in (ROOT / file).read_text(), file
