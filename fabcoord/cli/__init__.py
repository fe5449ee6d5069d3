"""The command line: parse, call one function, print; the commands are the modules beside this."""

from __future__ import annotations

import logging
from typing import Any

import click

from fabcoord import __version__
from fabcoord.errors import FabcoordError


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


def _add_commands() -> None:
    from fabcoord.cli import agent, cable, client, design, lab, money, queue

    for module in (lab, agent, client, design, queue, money, cable):
        for command in module.COMMANDS:
            main.add_command(command)


_add_commands()
