"""`fabcoord serve`: makes the lab ready, then looks after its processes.

The process that stays imports nothing of the lab, so that it costs little memory; what needs the
lab's rooms runs in `prepare`, a process of its own that ends.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fabcoord.agent import identity as identities
from fabcoord.agent.identity import Identity
from fabcoord.config import Settings
from fabcoord.supervisor import Child, Supervisor, require_free_port, take_lab

if TYPE_CHECKING:
    from fabcoord.lab import Lab

_AGENT_LOCKED = 9  # fabcoord.agent.main.EXIT_LOCKED


def serve(settings: Settings, host: str, port: int) -> int:
    """Serve the lab until told to stop; returns the exit code."""
    with take_lab(settings.data_dir):
        require_free_port(host, port)
        url = f"http://{_reachable(host)}:{port}"
        _release_agent_of_another_address(settings.agent_dir, url)
        prepared = subprocess.run(
            [*_command("prepare"), *_lab_options(settings), "--url", url],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if prepared.returncode != 0:
            return prepared.returncode
        supervisor = Supervisor(
            _child("web", settings, "--host", host, "--port", str(port)),
            _child("worker", settings),
            _agent_child(settings),
            url=url,
            live_prints=lambda: _live_prints(settings.database),
            say=_say,
        )
        words = prepared.stdout.strip()
        return supervisor.run(lambda: _say(f"\n{settings.lab_name} is at {url}\n{words}\n"))


def prepare(settings: Settings, url: str) -> str:
    """Open or make the lab and its own agent; returns how to sign in, for the terminal."""
    from fabcoord.lab import open_lab

    lab = open_lab(settings)
    lab.blobs.sweep_incoming()
    return _sign_in_words(lab, own_agent(lab, url))


def own_agent(lab: Lab, url: str) -> str:
    """The agent of this machine: registered once, told where the server is now."""
    from fabcoord.queue import agents
    from fabcoord.store.directories import make_directory

    directory = lab.settings.agent_dir
    make_directory(directory)
    kept = identities.load(directory)
    with lab.store.writing(durable=True) as db:
        known = kept is not None and agents.by_token(db, kept.token) is not None
        if kept is None or not known:
            agent, token = agents.register(db, "this machine")
            db.conn.execute(
                "INSERT INTO settings VALUES ('own_agent', ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (agent.id,),
            )
            kept = Identity(url, agent.id, token)
        # Before the commit: a token that is known here and not there is replaced at the next
        # start, one that is known there only would leave printers to an agent nobody runs.
        identities.save(directory, Identity(url, kept.agent_id, kept.token))
    return kept.agent_id


def _release_agent_of_another_address(agent_dir: Path, url: str) -> None:
    """An agent that outlived its server knows only where that one was: let it end its prints.

    The agent that follows it sends what it could not say any more.
    """
    kept, pid = identities.load(agent_dir), identities.holder(agent_dir)
    if pid is not None and (kept is None or kept.server != url):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _sign_in_words(lab: Lab, agent_id: str) -> str:
    from fabcoord import demo
    from fabcoord.members import accounts

    if lab.settings.demo:
        return demo.sign_in_words(demo.prepare(lab, agent_id))
    with lab.store.writing(durable=True) as db:
        if accounts.nobody_yet(db):
            code = accounts.first_admin_code(db)
            return f"Open it and make the first admin with this one-time code: {code}"
    return "Sign in with your name and password."


def _child(name: str, settings: Settings, *options: str) -> Child:
    return Child(name, [*_command(name), *_lab_options(settings), *options])


def _agent_child(settings: Settings) -> Child:
    return Child(
        "agent",
        [*_command("agent"), "--data", str(settings.agent_dir)],
        log_path=settings.agent_dir / "agent.log",
        outlives=True,
        outlived=lambda: identities.holder(settings.agent_dir),
        # Another agent still works there: one that outlived its server, or is about to end.
        quiet_exits=(0, _AGENT_LOCKED),
    )


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "fabcoord", name]


def _lab_options(settings: Settings) -> list[str]:
    options = ["--data", str(settings.data_dir)]
    if settings.demo:
        options += ["--demo", "--demo-speed", str(settings.demo_speed)]
    return options


def _live_prints(database: Path) -> list[str]:
    """The printers of this machine on which a print of ours is live now."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT printers.name FROM attempts JOIN printers ON printers.id = printer_id"
            " WHERE attempts.agent_id = (SELECT value FROM settings WHERE name = 'own_agent')"
            " AND attempts.state IN"
            " ('accepted', 'transferring', 'starting', 'printing', 'paused')"
        )
        return [name for (name,) in found]


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _say(text: str) -> None:
    click.echo(text, err=True)


def data_directory(given: Path | None, *, is_demo: bool) -> Path:
    """Where the lab lies: as given, else below the present directory."""
    return given or (Path("data/demo") if is_demo else Path("data/lab"))
