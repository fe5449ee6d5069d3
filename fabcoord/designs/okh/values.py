"""Checks of single values that all versions of a manifest have: paths, addresses, licences."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from fabcoord.designs import licences
from fabcoord.designs.okh.documents import Path
from fabcoord.designs.okh.findings import Findings
from fabcoord.errors import BadInput

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_url(text: str) -> bool:
    """Whether a text is an address on the web."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def is_safe_path(text: str) -> bool:
    """Whether a text is a path that stays within its own folder."""
    steps = text.replace("\\", "/").split("/")
    return bool(
        text
        and text.isprintable()
        and ".." not in steps
        and not text.startswith(("/", "\\"))
        and not _SCHEME.match(text)
    )


def check_text(fields: dict[str, Any], key: str, findings: Findings, at: Path = ()) -> None:
    """A field that is there is text."""
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        findings.error(
            "not-text", (*at, key), f"{key} is no text.", f'Put it into quotes: {key} = "…".'
        )


def check_url(value: Any, at: Path, findings: Findings) -> None:
    """An address begins with http:// or https://."""
    if not isinstance(value, str) or not is_url(value):
        findings.error(
            "not-an-address", at, f"{str(value)[:60]!r} is no address on the web.",
            "Write the whole address, beginning with https://.",
        )  # fmt: skip


def check_paths(value: Any, at: Path, findings: Findings) -> None:
    """A path or an address, or a list of them."""
    if not isinstance(value, list):
        check_path(value, at, findings)
        return
    for index, one in enumerate(value):
        check_path(one, (*at, index), findings)


def check_path(value: Any, at: Path, findings: Findings) -> None:
    """A path within the project, or an address."""
    if not isinstance(value, str) or not value.strip():
        findings.error("not-text", at, "A path is text.", 'Write it in quotes: "models/part.stl".')
        return
    if is_url(value):
        return
    if value.startswith("/") and not value.startswith("//") and is_safe_path(value.lstrip("/")):
        findings.warning(
            "leading-slash", at, f"{value[:60]!r} begins with a slash, which some programs refuse.",
            f'Write "{value.lstrip("/")[:60]}"; it counts from the folder of the manifest.',
        )  # fmt: skip
    elif not is_safe_path(value):
        findings.error(
            "path-outside", at, f"{value[:60]!r} leads out of the project.",
            "Name files inside the project, without .. and without a drive or scheme.",
        )  # fmt: skip


def check_licence(value: Any, at: Path, findings: Findings) -> None:
    """A licence is an SPDX expression; proposes what may be meant where it is none."""
    if not isinstance(value, str):
        findings.error(
            "bad-licence", at, "The licence is no text.", 'Write for example "CERN-OHL-S-2.0".'
        )
        return
    try:
        usual = licences.normalise(value)
    except BadInput as error:
        proposed = [f"{one.licence} ({one.assumed})" if one.assumed else one.licence
                    for one in licences.suggest(value)]  # fmt: skip
        mend = f"Is one of these meant: {'; '.join(proposed)}?" if proposed else error.hint
        findings.error(
            "bad-licence", at, f"{value[:80]!r} is no licence that SPDX lists; until it is, all"
            " rights count as reserved.", mend,
        )  # fmt: skip
        return
    if usual != value.strip():
        findings.warning(
            "licence-spelling", at, f"SPDX spells this licence {usual}.", f'Write "{usual}".'
        )
    if not licences.is_open(usual):
        findings.warning(
            "not-open-hardware", at,
            f"{usual} is not a licence of open hardware, which Open Know-How is meant for.",
            "Keep it if you mean it; other labs may not list the design.",
        )  # fmt: skip
