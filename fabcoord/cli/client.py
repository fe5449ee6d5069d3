"""Commands that talk to a lab's server: print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fabcoord.cli.options import data_option, local_token


@click.command("print")
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
@data_option
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


COMMANDS = (print_file,)
