"""Commands for a printer on a cable, without any server: stream, ports, simulate-printer."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
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


@click.command()
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


@click.command("simulate-printer")
@click.option("--link", type=click.Path(path_type=Path), required=True, help="Where its port is.")
@click.option("--speed", type=float, default=1.0, show_default=True)
@click.option("--extruders", type=click.IntRange(1, 8), default=1, show_default=True)
@click.option("--chamber", is_flag=True, help="It has a heated chamber.")
def simulate_printer(link: Path, speed: float, extruders: int, chamber: bool) -> None:
    """Run a Marlin printer that is not there, on a pseudo-terminal."""
    from fabcoord.printers.simulator.__main__ import main as simulate

    click.echo(f"A printer at {link}; Ctrl-C ends it.", err=True)
    sys.argv = ["simulate-printer", "--link", str(link), "--speed", str(speed)]
    sys.argv += ["--extruders", str(extruders), *(["--chamber"] if chamber else [])]
    sys.exit(simulate())


COMMANDS = (stream, ports, simulate_printer)
