"""What README and docs name is really there: commands, settings, links, functions."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from fabcoord.cli import main
from fabcoord.config import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def commands() -> dict[str, click.Command]:
    """Every command that people may use, by its words: ``token create``."""
    found: dict[str, click.Command] = {}
    for name, command in main.commands.items():
        if not command.hidden:
            found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": one for sub, one in command.commands.items()}
    return found


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def defined_in(module: Path) -> set[str]:
    found = set()
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@each_page
def test_scripts_that_are_named_can_be_run(page: Path) -> None:
    for script in set(re.findall(r"\bscript/[a-z-]+", page.read_text())):
        assert os.access(ROOT / script, os.X_OK), script


@each_page
def test_commands_and_options_that_are_shown_exist(page: Path) -> None:
    known = commands()
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"^.*\.venv/bin/fabcoord (.+)$", text, re.MULTILINE):
        words = line.split("#")[0].split("`")[0].split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert name in known, line
        allowed = {option for one in known[name].params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= allowed, line


def test_the_first_commands_of_the_readme_are_the_two_scripts() -> None:
    (block, *_) = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [line.split("#")[0].split() for line in block.splitlines()] == [
        ["script/serve", "--demo"],
        ["script/test"],
    ]


def test_every_setting_is_described_with_its_default() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    described = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE))
    settings = {one.name: one.default for one in fields(Settings) if one.name != "data_dir"}
    assert set(described) == set(settings)
    for name, default in settings.items():
        if default != "":
            said = described[name].strip("`")
            assert said == (
                str(default).lower() if isinstance(default, bool) else f"{default}"
            ) or (isinstance(default, float) and float(said) == default), name


def test_every_command_is_described() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    described = set(re.findall(r"^\| `fabcoord ([\w-]+)` \|", page, re.MULTILINE))
    assert described == {name.split()[0] for name in commands()}


def test_the_walk_through_the_code_names_what_is_there() -> None:
    text = (ROOT / "docs/code-overview.md").read_text()
    places = re.findall(r"`([a-z_/]+\.py)(?::(\w+))?`", text)
    assert len(places) > 30
    for path, name in places:
        module = ROOT / path if path.startswith("tests/") else ROOT / "fabcoord" / path
        assert module.is_file(), path
        assert not name or name in defined_in(module), f"{path}:{name}"
    for room in sorted((ROOT / "fabcoord").glob("*/__init__.py")):
        assert f"`{room.parent.name}/`" in text, room
