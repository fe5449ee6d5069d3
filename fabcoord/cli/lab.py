"""Commands that run a lab: serve, worker, doctor, token."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fabcoord.cli.options import data_option, demo_option, demo_speed_option, lab_settings


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@demo_option
@demo_speed_option
def serve(data: Path | None, host: str, port: int, demo: bool, demo_speed: float | None) -> None:
    """Serve a lab: pages, API, background work, and an agent for this machine's printers."""
    from fabcoord import config
    from fabcoord import serve as serving

    settings = lab_settings(config, data, demo, demo_speed)
    sys.exit(serving.serve(settings, host, port))


@click.command(hidden=True)
@data_option
@demo_option
@demo_speed_option
@click.option("--url", required=True)
def prepare(data: Path | None, demo: bool, demo_speed: float | None, url: str) -> None:
    """Make the lab ready to be served; serve calls it."""
    from fabcoord import config
    from fabcoord import serve as serving

    click.echo(serving.prepare(lab_settings(config, data, demo, demo_speed), url))


@click.command(hidden=True)
@data_option
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=int, default=8080)
@demo_option
@demo_speed_option
def web(data: Path | None, host: str, port: int, demo: bool, demo_speed: float | None) -> None:
    """Only the web server; serve starts it."""
    from fabcoord import config, webserver

    webserver.main(lab_settings(config, data, demo, demo_speed), host, port)


@click.command()
@data_option
@demo_option
@demo_speed_option
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Runs at once (2).")
def worker(data: Path | None, demo: bool, demo_speed: float | None, workers: int | None) -> None:
    """Check, slice and draw for a lab whose directory this machine shares."""
    from fabcoord import config
    from fabcoord.lab import open_lab, warm_up
    from fabcoord.notices.courier import Courier
    from fabcoord.queue.forecast import Forecaster

    settings = lab_settings(config, data, demo, demo_speed)
    lab = open_lab(settings)
    warm_up(lab)
    forecaster = Forecaster(lab.store, lab.preparation.default, settings.data_dir / "forecast.lock")
    forecaster.start()
    courier = Courier(lab.store, settings, lab.preparation.default)
    courier.start()
    try:
        lab.work.consume(workers or settings.workers)
    finally:
        forecaster.stop()
        courier.stop()


@click.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@click.option("--member", required=True, help="Whose token; made if there is none of that name.")
@click.option("--role", type=click.Choice(["admin", "staff", "member", "kiosk"]), default="member")
@data_option
def token_create(member: str, role: str, data: Path | None) -> None:
    """Print a new token, and nothing else."""
    from fabcoord import config
    from fabcoord.lab import open_lab
    from fabcoord.members import accounts
    from fabcoord.members.roles import Role
    from fabcoord.serve import data_directory

    lab = open_lab(config.load(data_directory(data, is_demo=False)))
    with lab.store.writing(durable=True) as db:
        by = "command line"
        owner = accounts.by_name(db, member) or accounts.create(db, member, Role(role), by=by)
        made = accounts.create_token(db, owner, "command line", by=by)
    click.echo(made)


@click.command()
@data_option
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


@click.command()
@data_option
@click.option(
    "--grace-hours",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    help="What was stored within these hours stays.",
)
@click.option(
    "--keep-deleted-days",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Removed designs can be brought back for so long.",
)
def gc(data: Path | None, grace_hours: float, keep_deleted_days: float) -> None:
    """Remove stored files that nothing refers to any more; the lab does so every day by itself."""
    from fabcoord import config
    from fabcoord.designs import garbage
    from fabcoord.lab import open_lab
    from fabcoord.serve import data_directory

    lab = open_lab(config.load(data_directory(data, is_demo=False)))
    done = garbage.collect(
        lab.store, lab.blobs, grace_s=grace_hours * 3600,
        deleted_kept_s=keep_deleted_days * 24 * 3600,
    )  # fmt: skip
    click.echo(
        f"Removed {done.removed} files ({done.freed_bytes / 1e6:.1f} MB), kept {done.kept};"
        f" {done.purged} removed designs are gone for good."
    )


COMMANDS = (gc, serve, prepare, web, worker, token, doctor)
