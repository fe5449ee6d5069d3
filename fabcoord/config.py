"""Settings: one frozen value, from fabcoord.toml in the data directory and FABCOORD_* variables."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fabcoord.errors import BadInput


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a lab can set. Paths are under ``data_dir``.

    Attributes:
        lab_name: shown on every page.
        max_upload_mb: the largest body that an upload may have.
        upload_keep_h: how long an unfinished or unused upload is kept after its last byte.
        uploads_open: uploads that one member may have begun and not used yet.
        uploads_open_mb: what those may take together.
        public_url: where phones reach the lab, for the QR code; empty for the page's own address.
        approval: ``none``, or ``staff`` when each job waits for a member of staff.
        release: ``automatic``, or ``manual`` when each job waits for its member at the printer.
        paid_prints: what happens to paid prints of designs that nobody may earn with: ``hold``
            (staff decide), ``refuse``, or ``allow`` where the lab prints at cost.
        cooperative: whether the lab belongs to those who work in it (Peer Production Licence).
        spoolman_url: of a Spoolman whose spools the lab uses; empty for spools of its own.
        workers: how many checks and slices run at once on this machine.
        work_url: ``redis://…`` or ``postgresql://…`` instead of a queue in a file of this lab.
        work_memory_mb: the most memory that the check of one file may use.
        slicer: the slicer's program; empty to look for it.
        offer_s: how long an agent may take to accept an attempt.
        lease_s: how long an attempt is believed to live without a word from its agent.
        agent_interval_s: how often an agent with nothing to say comes by.
        public_library: whether public designs are shown to whoever has no account.
        mail_url: the lab's mail server for notices by e-mail, as an apprise URL; empty for none.
        notices_private: whether members' notices may go to addresses in the lab's own network.
        clearance_notice_min: minutes within opening hours after which a plate that waits to be
            cleared is told of.
        max_streams: event streams and long polls that may be open at once.
    """

    data_dir: Path
    lab_name: str = "fabcoord"
    demo: bool = False
    demo_speed: float = 100.0
    max_upload_mb: int = 512
    upload_keep_h: float = 24.0
    uploads_open: int = 100
    uploads_open_mb: int = 4096
    public_url: str = ""
    approval: str = "none"
    release: str = "automatic"
    paid_prints: str = "hold"
    cooperative: bool = False
    spoolman_url: str = ""
    workers: int = 2
    work_url: str = ""
    work_memory_mb: int = 3072
    slicer: str = ""
    offer_s: float = 30.0
    lease_s: float = 60.0
    agent_interval_s: float = 2.0
    mail_url: str = ""
    notices_private: bool = False
    clearance_notice_min: float = 30.0
    max_streams: int = 256
    secure_cookies: bool = False
    public_library: bool = True

    @property
    def database(self) -> Path:
        return self.data_dir / "lab.db"

    @property
    def blobs(self) -> Path:
        return self.data_dir / "blobs"

    @property
    def uploads(self) -> Path:
        return self.blobs / "uploads"  # on the disk of the blobs, which they become

    @property
    def work_dir(self) -> Path:
        return self.data_dir / "work"

    @property
    def agent_dir(self) -> Path:
        return self.data_dir / "agent"


_CHOICES = {
    "approval": ("none", "staff"),
    "release": ("automatic", "manual"),
    "paid_prints": ("hold", "refuse", "allow"),
}


def load(data_dir: Path, environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Settings of the lab in ``data_dir``.

    What is ``given`` (and not None) wins over ``FABCOORD_<NAME>`` variables, those over
    ``fabcoord.toml``, that over the defaults. Raises BadInput that names the setting.
    """
    found: dict[str, Any] = {}
    path = data_dir / "fabcoord.toml"
    if path.is_file():
        try:
            found = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"{path} is not valid TOML: {error}.") from error
    known = {field.name for field in fields(Settings)} - {"data_dir"}
    if unknown := sorted(set(found) - known):
        raise BadInput(
            f"{path} names {', '.join(unknown)}, which is no setting.",
            hint=f"Settings are: {', '.join(sorted(known))}.",
        )
    for name in known:
        if (text := environment.get(f"FABCOORD_{name.upper()}")) is not None:
            found[name] = text
    found |= {name: value for name, value in given.items() if value is not None}
    settings = Settings(data_dir=data_dir.resolve())
    return replace(settings, **{name: _typed(settings, name, found[name]) for name in found})


def _typed(defaults: Settings, name: str, value: Any) -> Any:
    """``value`` in the type of the setting's default."""
    wanted = type(getattr(defaults, name))
    try:
        if wanted is bool and isinstance(value, str):
            value = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                value.lower()
            ]
        typed = wanted(value)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The setting {name} = {value!r} is not a {wanted.__name__}.") from error
    if name in _CHOICES and typed not in _CHOICES[name]:
        raise BadInput(f"The setting {name} is one of: {', '.join(_CHOICES[name])}.")
    return typed
