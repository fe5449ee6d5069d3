"""Commands about money: the book, for a bookkeeper."""

from __future__ import annotations

from pathlib import Path

import click

from fabcoord.cli.options import data_option


@click.group()
def ledger() -> None:
    """The lab's book."""


@ledger.command("export")
@data_option
@click.option("--since", default="", help="From this day, for example 2026-01-01.")
@click.option("--until", default="", help="Before this day.")
def ledger_export(data: Path | None, since: str, until: str) -> None:
    """Write the book as CSV: each line takes an amount from one account and gives it to another."""
    from fabcoord import config
    from fabcoord.lab import open_lab
    from fabcoord.ledger import export
    from fabcoord.serve import data_directory

    lab = open_lab(config.load(data_directory(data, is_demo=False)))
    with lab.store.reading() as db:
        click.echo(export.table(db, since=since, until=until), nl=False)


COMMANDS = (ledger,)
