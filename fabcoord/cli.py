"""The command line: parse, call one function, print."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from fabcoord import __version__
from fabcoord.errors import FabcoordError

# Every command imports what it needs: an agent must start without the server's libraries.

_data = click.option(
    "--data", type=click.Path(path_type=Path), default=None, help="Directory of the lab."
)
_demo = click.option("--demo", is_flag=True, help="Sample members, designs, virtual printers.")
_demo_speed = click.option(
    "--demo-speed", type=click.FloatRange(1, 10_000), default=None,
    help="Virtual printers run this many times faster than real ones (100).",
)  # fmt: skip


class _Group(click.Group):
    """Errors of ours end a command with their words and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("fabcoord"):
                raise
            click.echo(f"fabcoord: this command needs {error.name}, which is not here.", err=True)
            click.echo("Install what it needs with: script/install server", err=True)
            ctx.exit(1)
        except FabcoordError as error:
            click.echo(f"fabcoord: {error}", err=True)
            for name, text in error.fields.items():
                click.echo(f"  {name}: {text}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="fabcoord")
def main() -> None:
    """The coordinator that fablabs run themselves."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("huey").setLevel(logging.WARNING)


@main.command()
@_data
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@_demo
@_demo_speed
def serve(data: Path | None, host: str, port: int, demo: bool, demo_speed: float | None) -> None:
    """Serve a lab: pages, API, background work, and an agent for this machine's printers."""
    from fabcoord import config
    from fabcoord import serve as serving

    settings = _settings(config, data, demo, demo_speed)
    sys.exit(serving.serve(settings, host, port))


@main.command(hidden=True)
@_data
@_demo
@_demo_speed
@click.option("--url", required=True)
def prepare(data: Path | None, demo: bool, demo_speed: float | None, url: str) -> None:
    """Make the lab ready to be served; serve calls it."""
    from fabcoord import config
    from fabcoord import serve as serving

    click.echo(serving.prepare(_settings(config, data, demo, demo_speed), url))


@main.command(hidden=True)
@_data
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=int, default=8080)
@_demo
@_demo_speed
def web(data: Path | None, host: str, port: int, demo: bool, demo_speed: float | None) -> None:
    """Only the web server; serve starts it."""
    from fabcoord import config, webserver

    webserver.main(_settings(config, data, demo, demo_speed), host, port)


@main.command()
@_data
@_demo
@_demo_speed
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Runs at once (2).")
def worker(data: Path | None, demo: bool, demo_speed: float | None, workers: int | None) -> None:
    """Check, slice and draw for a lab whose directory this machine shares."""
    from fabcoord import config
    from fabcoord.lab import open_lab, warm_up

    settings = _settings(config, data, demo, demo_speed)
    lab = open_lab(settings)
    warm_up(lab)
    lab.work.consume(workers or settings.workers)


@main.group(invoke_without_command=True)
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/agent"))
@click.option("--server", default=None, help="Address of the lab's server.")
@click.option("--name", default=None, help="What the lab calls this agent (the host's name).")
@click.pass_context
def agent(ctx: click.Context, data: Path, server: str | None, name: str | None) -> None:
    """Drive the printers beside this machine for a server elsewhere."""
    ctx.obj = data
    if ctx.invoked_subcommand is not None:
        return
    from fabcoord.agent.main import run_agent

    sys.exit(run_agent(data, server, name))


@agent.command("doctor")
@click.pass_obj
def agent_doctor(data: Path) -> None:
    """Look for what hinders printing over USB on this machine."""
    from fabcoord.agent.doctor import examine

    findings = examine(data)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'look'}  {finding.what}")
        if not finding.ok:
            click.echo(f"      {finding.mend}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@agent.command("resume-point")
@click.argument("attempt", required=False)
@click.option("--line", type=click.IntRange(min=1), default=None, help="Go on behind this line.")
@click.option("--file", "gcode", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--firmware", default="marlin2", show_default=True, help="Firmware profile.")
@click.option("-o", "--output", type=click.File("w"), default="-", help="Where the G-code goes.")
@click.pass_obj
def agent_resume_point(
    data: Path,
    attempt: str | None,
    line: int | None,
    gcode: Path | None,
    firmware: str,
    output: Any,
) -> None:
    """Show where prints were cut off, or write the G-code that goes on with one of them."""
    from fabcoord.agent.resume import resume_file, resume_points

    points = resume_points(data)
    if attempt is None:
        for point in points:
            click.echo(point.in_words())
        return
    for command in resume_file(points, attempt, line=line, gcode=gcode, firmware=firmware):
        output.write(f"{command}\n")


@main.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@click.option("--member", required=True, help="Whose token; made if there is none of that name.")
@click.option("--role", type=click.Choice(["admin", "staff", "member", "kiosk"]), default="member")
@_data
def token_create(member: str, role: str, data: Path | None) -> None:
    """Print a new token, and nothing else."""
    from fabcoord import config
    from fabcoord.lab import open_lab
    from fabcoord.members import accounts
    from fabcoord.members.roles import Role
    from fabcoord.serve import data_directory

    lab = open_lab(config.load(data_directory(data, is_demo=False)))
    with lab.store.writing(durable=True) as db:
        owner = accounts.by_name(db, member) or accounts.create(db, member, Role(role))
        made = accounts.create_token(db, owner, "command line")
    click.echo(made)


@main.command("print")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--machine", default=None, help="Machine model; any that fits unless given.")
@click.option("--material", default=None)
@click.option("--quality", default=None)
@click.option("--copies", type=click.IntRange(1, 200), default=1)
@click.option("--title", default=None, help="The file's name unless given.")
@click.option("--licence", default="CC0-1.0", show_default=True, help="SPDX expression.")
@click.option("--watch", is_flag=True, help="Follow the job to its end.")
@click.option("--server", envvar="FABCOORD_SERVER", default="http://127.0.0.1:8080")
@click.option("--token", envvar="FABCOORD_TOKEN", default=None)
@_data
def print_file(file: Path, watch: bool, server: str, token: str | None, data: Path | None,
               title: str | None, licence: str, **wishes: Any) -> None:  # fmt: skip
    """Upload a design, ask for a print, and follow it."""
    from fabcoord.client import LabClient, follow

    given = token or local_token(data)
    client = LabClient(server, given)
    design = client.upload(file, title or file.stem, licence)
    job = client.ask(design["id"], {name: wish for name, wish in wishes.items() if wish})
    click.echo(f"Job {job['id']}: {server}/jobs/{job['id']}")
    if watch:
        sys.exit(follow(client, job["id"]))


@main.command()
@_data
@click.option("--server", default=None, help="Also see whether this server answers.")
def doctor(data: Path | None, server: str | None) -> None:
    """Name what is missing on this machine, and how to get it."""
    from fabcoord import doctor as doctors
    from fabcoord.serve import data_directory

    findings = doctors.examine(data_directory(data, is_demo=False), server)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'MISS'} {finding.what}")
        if not finding.ok:
            click.echo(f"     → {finding.mend}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--port", required=True, help="The printer's port; `fabcoord ports` lists them.")
@click.option("--baud", type=click.IntRange(min=300), default=115200, show_default=True)
@click.option(
    "--flow",
    type=click.Choice(["auto", "ping-pong", "window"]),
    default="auto",
    show_default=True,
    help="One line at a time, or as many as the printer can hold.",
)
@click.option(
    "--rx-buffer",
    type=click.IntRange(16, 65536),
    default=None,
    help="Bytes that the printer can hold; what its firmware profile says unless given.",
)
@click.option("--meatpack", is_flag=True, help="Pack lines where the firmware can unpack them.")
@click.option("--shrink", is_flag=True, help="Leave out zeros and spaces that mean nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line instead of a bar.")
def stream(file: Path, port: str, baud: int, flow: str, rx_buffer: int | None, meatpack: bool,
           shrink: bool, as_json: bool) -> None:  # fmt: skip
    """Print a G-code file, without any server.

    The first Ctrl-C cancels: heat off, head aside. Ends with 0 when finished, 10 when cancelled,
    11 when failed, 8 when the print could not start.
    """
    from fabcoord.printers import standalone
    from fabcoord.printers.serial.options import FlowMode, WireOptions
    from fabcoord.printers.show import shower

    options = WireOptions(FlowMode(flow), rx_buffer, meatpack, shrink)
    sys.exit(standalone.stream(file, port, baud, options, shower(as_json)))


@main.command()
@click.option("--baud", type=click.IntRange(min=300), default=115200, show_default=True)
@click.option("--ask/--no-ask", default=True, help="Say hello; that restarts some boards.")
@click.argument("names", nargs=-1)
def ports(baud: int, ask: bool, names: tuple[str, ...]) -> None:
    """List serial ports and which printer answers there. Not while one prints: see --no-ask."""
    from fabcoord.printers import standalone

    found = [standalone.Port(name, name) for name in names] or standalone.ports()
    if not found:
        click.echo("No serial port. Is a printer plugged in and on?")
    for port in found:
        known = standalone.ask(port, baud) if ask else port
        click.echo(f"{known.name}  {known.firmware or known.problem}".rstrip())


@main.command("simulate-printer")
@click.option("--link", type=click.Path(path_type=Path), required=True, help="Where its port is.")
@click.option("--speed", type=float, default=1.0, show_default=True)
def simulate_printer(link: Path, speed: float) -> None:
    """Run a Marlin printer that is not there, on a pseudo-terminal."""
    from fabcoord.printers.simulator.__main__ import main as simulate

    sys.argv = ["simulate-printer", "--link", str(link), "--speed", str(speed)]
    sys.exit(simulate())


def local_token(given: Path | None) -> str:
    """A token for who may read the lab's directory, which is as good as being its admin."""
    from fabcoord.errors import NotSignedIn
    from fabcoord.serve import data_directory

    places = [given] if given else [data_directory(None, is_demo=demo) for demo in (False, True)]
    data_dir = next((place for place in places if (place / "lab.db").exists()), None)
    if data_dir is None:
        raise NotSignedIn(
            "No token was given, and there is no lab here.",
            hint="Give one with --token or FABCOORD_TOKEN, or name the lab with --data.",
        )
    kept = data_dir / "cli-token"
    if not kept.exists():
        from fabcoord import config
        from fabcoord.lab import open_lab
        from fabcoord.members import accounts
        from fabcoord.members.roles import Role

        lab = open_lab(config.load(data_dir))
        with lab.store.writing(durable=True) as db:
            name = "command line"
            owner = accounts.by_name(db, name) or accounts.create(db, name, Role.ADMIN)
            kept.touch(mode=0o600)
            kept.write_text(accounts.create_token(db, owner, name))
    return kept.read_text()


def _settings(config: Any, data: Path | None, demo: bool, demo_speed: float | None) -> Any:
    from fabcoord.serve import data_directory

    given = {"demo": demo or None, "demo_speed": demo_speed}
    return config.load(data_directory(data, is_demo=demo), **given)
