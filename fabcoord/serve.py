"""What `fabcoord serve` does before its processes run: the lab, its own agent, its words."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fabcoord import demo
from fabcoord.agent import identity as identities
from fabcoord.agent.identity import Identity
from fabcoord.agent.main import EXIT_LOCKED
from fabcoord.config import Settings
from fabcoord.lab import Lab, open_lab
from fabcoord.members import accounts
from fabcoord.queue import agents
from fabcoord.store.database import rows
from fabcoord.supervisor import Child, Supervisor, require_free_port, take_lab


def serve(settings: Settings, host: str, port: int) -> int:
    """Serve the lab until told to stop; returns the exit code."""
    with take_lab(settings.data_dir):
        require_free_port(host, port)
        lab = open_lab(settings)
        lab.blobs.sweep_incoming()
        url = f"http://{_reachable(host)}:{port}"
        agent_id = own_agent(lab, url)
        words = _sign_in_words(lab, agent_id)
        supervisor = Supervisor(
            _child("web", settings, "--host", host, "--port", str(port)),
            _child("worker", settings),
            _agent_child(settings),
            url=url,
            live_prints=lambda: _live_prints(lab, agent_id),
            say=_say,
        )
        return supervisor.run(lambda: _say(f"\n{settings.lab_name} is at {url}\n{words}\n"))


def own_agent(lab: Lab, url: str) -> str:
    """The agent of this machine: registered once, told where the server is now."""
    directory = lab.settings.agent_dir
    directory.mkdir(parents=True, exist_ok=True)
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
    identities.save(directory, Identity(url, kept.agent_id, kept.token))
    return kept.agent_id


def _sign_in_words(lab: Lab, agent_id: str) -> str:
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
        # Another agent still works there: one that outlived its server, or is about to end.
        quiet_exits=(0, EXIT_LOCKED),
    )


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "fabcoord", name]


def _lab_options(settings: Settings) -> list[str]:
    options = ["--data", str(settings.data_dir)]
    if settings.demo:
        options += ["--demo", "--demo-speed", str(settings.demo_speed)]
    return options


def _live_prints(lab: Lab, agent_id: str) -> list[str]:
    with lab.store.reading() as db:
        found = rows(
            db,
            "SELECT printers.name FROM attempts JOIN printers ON printers.id = printer_id"
            " WHERE attempts.agent_id = ? AND attempts.state IN"
            " ('accepted', 'transferring', 'starting', 'printing', 'paused')",
            (agent_id,),
        )
    return [item["name"] for item in found]


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _say(text: str) -> None:
    click.echo(text, err=True)


def data_directory(given: Path | None, *, is_demo: bool) -> Path:
    """Where the lab lies: as given, else below the present directory."""
    return given or (Path("data/demo") if is_demo else Path("data/lab"))
