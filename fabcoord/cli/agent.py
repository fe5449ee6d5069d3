"""The agent command and what belongs to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.group(invoke_without_command=True)
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


COMMANDS = (agent,)
