"""Commands about the queue: simulate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fabcoord.cli.options import data_option


@click.command()
@data_option
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of what was asked for, instead of a made-up semester.",
)
@click.option("--history", is_flag=True, help="What was asked for in the lab of --data so far.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON with the changes to try; may be given several times.",
)
@click.option("--members", type=click.IntRange(1, 5000), default=80, show_default=True)
@click.option("--printers", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--weeks", type=click.IntRange(1, 52), default=16, show_default=True)
@click.option(
    "--load",
    type=click.FloatRange(0.1, 10),
    default=1.3,
    show_default=True,
    help="Machine time asked for over what there is.",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Write waits as an SVG file.")
@click.option("--save-trace", type=click.Path(path_type=Path), help="Write the trace as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON instead of a table.")
def simulate(data: Path | None, trace: Path | None, history: bool, policies: tuple[Path, ...],
             plot: Path | None, save_trace: Path | None, as_json: bool,
             **semester: Any) -> None:  # fmt: skip
    """Replay what was asked for under other rules: waits, fairness, use of the machines.

    Compares first come first served, the policy as shipped (or as it is in the lab of --history),
    and each --policy.
    """
    from fabcoord.queue import comparison

    found = comparison.gather(data, trace, history, semester)
    if save_trace:
        from fabcoord.queue.traces import write_trace

        write_trace(save_trace, found.asks)
    tried = comparison.compare(found, policies)
    click.echo(json.dumps([row.figures() for row in tried]) if as_json else comparison.table(tried))
    if plot:
        plot.write_text(comparison.plot_waits(tried))


COMMANDS = (simulate,)
