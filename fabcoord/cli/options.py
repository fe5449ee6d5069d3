"""Options that several commands share, and the token of who may read the lab's directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# Every command imports what it needs: an agent must start without the server's libraries.

data_option = click.option(
    "--data", type=click.Path(path_type=Path), default=None, help="Directory of the lab."
)
demo_option = click.option(
    "--demo", is_flag=True, help="Sample members, designs, virtual printers."
)
demo_speed_option = click.option(
    "--demo-speed", type=click.FloatRange(1, 10_000), default=None,
    help="Virtual printers run this many times faster than real ones (100).",
)  # fmt: skip


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


def lab_settings(config: Any, data: Path | None, demo: bool, demo_speed: float | None) -> Any:
    from fabcoord.serve import data_directory

    given = {"demo": demo or None, "demo_speed": demo_speed}
    return config.load(data_directory(data, is_demo=demo), **given)
