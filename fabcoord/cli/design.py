"""Commands about designs: add, list, show, check, repair, export, import."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from fabcoord.cli.options import data_option, local_token

_VERDICT_EXITS = {"printable": 0, "repairable": 1, "unprintable": 2}
_PATIENCE_S = 600.0

json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
paths_argument = click.argument(
    "files", nargs=-1, required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)  # fmt: skip


def _with_lab(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that speaks to a lab."""
    for option in (
        data_option,
        click.option("--token", envvar="FABCOORD_TOKEN", default=None),
        click.option("--server", envvar="FABCOORD_SERVER", default="http://127.0.0.1:8080"),
    ):
        command = option(command)
    return command


def _client(server: str, token: str | None, data: Path | None) -> Any:
    from fabcoord.client import LabClient

    return LabClient(server, token or local_token(data))


@click.group("design")
def design() -> None:
    """Designs of a lab: add, find, check, repair, take away and bring."""


@design.command("add")
@paths_argument
@click.option("--title", default="", help="The first file's name unless given.")
@click.option("--licence", required=True, help="SPDX expression, for example CERN-OHL-S-2.0.")
@click.option("--description", default="")
@click.option("--tag", "tags", multiple=True)
@click.option("--made-by", "attribution", default="", help="Whom to name, if not you.")
@json_option
@_with_lab
def add(files: tuple[Path, ...], as_json: bool, server: str, token: str | None,
        data: Path | None, **about: Any) -> None:  # fmt: skip
    """Store files as a new design."""
    made = _client(server, token, data).add_design(files, about)
    _tell(made, as_json, lambda: click.echo(f"{made['id']}  {server}/designs/{made['id']}"))


@design.command("list")
@click.argument("words", nargs=-1)
@click.option("--tag", default=None)
@click.option("--licence", default=None)
@click.option("--owner", default=None)
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@json_option
@_with_lab
def list_(words: tuple[str, ...], as_json: bool, server: str, token: str | None,
          data: Path | None, **asked: Any) -> None:  # fmt: skip
    """Find designs; all of them, newest first, without words."""
    found = _client(server, token, data).designs(q=" ".join(words), **asked)
    table: list[tuple[str, ...]] = [("ID", "TITLE", "OWNER", "LICENCE", "REV")]
    table += [
        (one["id"], one["title"], one["owner"], one["licence"], str(one["revision"]["number"]))
        for one in found
    ]
    _tell(found, as_json, lambda: _print_table(table))


@design.command("show")
@click.argument("design_id")
@json_option
@_with_lab
def show(design_id: str, as_json: bool, server: str, token: str | None, data: Path | None) -> None:
    """One design with its files and what the check says of each."""
    found = _client(server, token, data).design(design_id)
    _tell(found, as_json, lambda: _print_design(found))


@design.command("check")
@click.argument("what", metavar="FILE|DESIGN_ID")
@json_option
@_with_lab
def check(what: str, as_json: bool, server: str, token: str | None, data: Path | None) -> None:
    """Check a file right here, without any lab, or tell a design's check.

    Exit 0: printable. 1: repairable. 2: unprintable.
    """
    if Path(what).is_file():
        reports = [(Path(what).name, _check_here(Path(what)))]
    else:
        found = _checked(_client(server, token, data), what)
        reports = [(file["name"], file["check"]) for file in found["revision"]["files"]]
    told = [{"name": name, **said} for name, said in reports]
    _tell(told, as_json, partial(_print_checks, reports))
    sys.exit(max(_VERDICT_EXITS.get(_verdict(said), 0) for _, said in reports))


@design.command("repair")
@click.argument("design_id")
@click.option("--file", "name", default=None, help="Which of its files; those that need it.")
@json_option
@_with_lab
def repair(design_id: str, name: str | None, as_json: bool, server: str, token: str | None,
           data: Path | None) -> None:  # fmt: skip
    """Mend what can be mended: a new revision, the original stays.

    Exit 0 when all that was mended is printable now.
    """
    client = _client(server, token, data)
    files = _checked(client, design_id)["revision"]["files"]
    wanted = [
        file for file in files
        if (file["name"] == name if name else _verdict(file["check"]) == "repairable")
    ]  # fmt: skip
    if not wanted:
        from fabcoord.errors import Unprocessable

        raise Unprocessable("There is nothing that repair could mend.",
                            hint="See what is wrong with: fabcoord design check.")  # fmt: skip
    asked = [client.repair(file["id"])["file_id"] for file in wanted]
    files = [_when_checked(partial(client.file, file_id)) for file_id in asked]
    _tell(files, as_json, partial(_print_checks, [(one["name"], one["check"]) for one in files]))
    sys.exit(max(_VERDICT_EXITS.get(_verdict(file["check"]), 0) for file in files))


@design.command("export")
@click.argument("design_id")
@click.option("--out", type=click.Path(path_type=Path), default=None,
              help="Where to; - for standard output, the title unless given.")  # fmt: skip
@click.option("--manifest", type=click.Choice(["toml", "yml"]), default=None,
              help="The Open Know-How manifest alone: toml is 2.4, yml is version 1.")  # fmt: skip
@_with_lab
def export(design_id: str, out: Path | None, manifest: str | None, server: str,
           token: str | None, data: Path | None) -> None:  # fmt: skip
    """Take a design away as an Open Know-How bundle (zip) or manifest."""
    client = _client(server, token, data)
    what = f"okh.{manifest}" if manifest else "bundle"
    if out is None:
        title = client.design(design_id)["title"]
        stem = "".join(one if one.isalnum() else "-" for one in title).strip("-") or "design"
        out = Path(what if manifest else f"{stem}.zip")
    if str(out) == "-":
        client.download(f"/designs/{design_id}/{what}", sys.stdout.buffer)
        return
    unfinished = out.with_name(out.name + ".part")
    with unfinished.open("wb") as target:
        client.download(f"/designs/{design_id}/{what}", target)
    unfinished.replace(out)
    click.echo(str(out))


@design.command("import")
@paths_argument
@click.option("--licence", default="", help="Where the manifest's own is no SPDX expression.")
@json_option
@_with_lab
def import_(files: tuple[Path, ...], licence: str, as_json: bool, server: str,
            token: str | None, data: Path | None) -> None:  # fmt: skip
    """Bring an Open Know-How bundle, or a manifest with its files."""
    made = _client(server, token, data).import_design(files, licence)

    def say() -> None:
        for one in made["findings"]:
            place = f"line {one['line']}: " if one["line"] else ""
            click.echo(f"{one['severity']}: {place}{one['message']} {one['mend']}", err=True)
        click.echo(f"{made['id']}  {server}/designs/{made['id']}")

    _tell(made, as_json, say)


def _check_here(path: Path) -> dict[str, Any]:
    """The mesh check of a local file, in a process with limits."""
    from fabcoord.designs.formats import Format, validate_first_bytes
    from fabcoord.designs.meshcheck.report import REPORT_NAME
    from fabcoord.errors import Unprocessable, UnreadableFile
    from fabcoord.work import sandbox

    format_ = validate_first_bytes(path, path.name)
    if format_ == Format.GCODE:
        raise Unprocessable("G-code holds no shape to check.",
                            hint="A lab compares it with what its machines may do.")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        argv = [
            *sandbox.python_module("fabcoord.designs.meshcheck"), "--stage", "verdict",
            "--input", str(path.resolve()), "--format", format_, "--out", str(out),
        ]  # fmt: skip
        sandbox.run(argv, cwd=out, limits=sandbox.Limits(memory_bytes=3 << 30))
        report = out / REPORT_NAME
        if not report.is_file():
            raise UnreadableFile("The check ended without a report: the file is too large for this"
                                 " machine, or built to break programs.")  # fmt: skip
        said: dict[str, Any] = json.loads(report.read_text())
    return said


def _checked(client: Any, design_id: str) -> dict[str, Any]:
    """The design once the checks of all its files have ended."""
    return _when_checked(partial(client.design, design_id))


def _when_checked(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``look`` finds, a design or a file, once nothing of it is being checked."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = look()
        files = found["revision"]["files"] if "licence" in found else [found]
        if not any(one["state"] == "checking" for one in files):
            return found
        if time.monotonic() > deadline:
            from fabcoord.errors import TooBusy

            raise TooBusy("The check has not ended yet.", hint="Ask again later.")
        time.sleep(0.5)


def _verdict(check: dict[str, Any]) -> str:
    return "unprintable" if check["state"] == "failed" else check["verdict"] or ""


def _tell(answer: Any, as_json: bool, in_words: Callable[[], Any]) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        in_words()


def _print_design(found: dict[str, Any]) -> None:
    made_by = f"by {found['attribution'] or found['owner']}"
    click.echo(f"{found['title']}  {made_by}  {found['licence']}")
    click.echo(f"revision {found['revision']['number']} of {found['revision']['created_at']}")
    if found["description"]:
        click.echo(f"\n{found['description']}\n")
    for file in found["revision"]["files"]:
        click.echo(f"\n{file['id']}  {file['size']:,} bytes")
        _print_check(file["name"], file["check"])


def _print_check(name: str, said: dict[str, Any]) -> None:
    click.echo(f"{name}: {_verdict(said) or said['state']}")
    if said.get("size_mm"):
        size = " × ".join(f"{side:g}" for side in said["size_mm"])
        triangles = f", {said['triangles']:,} triangles" if said.get("triangles") else ""
        click.echo(f"  {size} mm{triangles}")
    for one in said["findings"]:
        click.echo(f"  {one['severity']}: {one['message']}")


def _print_checks(reports: list[tuple[str, dict[str, Any]]]) -> None:
    for name, said in reports:
        _print_check(name, said)


def _print_table(table: list[tuple[str, ...]]) -> None:
    widths = [
        min(40, max(len(cells[column]) for cells in table)) for column in range(len(table[0]))
    ]
    for cells in table:
        cut = [cell if len(cell) <= 40 else cell[:39] + "…" for cell in cells]
        padded = (cell.ljust(width) for cell, width in zip(cut, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


COMMANDS = (design,)
