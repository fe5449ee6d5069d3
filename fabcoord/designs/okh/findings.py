"""What a validator says about a manifest: where, how bad, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fabcoord.designs.okh.documents import Path, spelled


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # other programs cannot read it, or may not
    WARNING = "warning"  # some programs stumble over it, or something useful is missing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a manifest.

    Attributes:
        code: stable, for programs.
        key: where in the manifest, for example ``part[0].export``; empty for the whole of it.
        line: counted from 1; None where there is none to point at.
        mend: what to do, one sentence.
    """

    severity: Severity
    code: str
    message: str
    mend: str
    key: str = ""
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """In the shape of the API."""
        return asdict(self)


class Findings:
    """Collects findings about one document, with the line of each."""

    def __init__(self, lines: dict[Path, int]) -> None:
        self._lines = lines
        self.said: list[Finding] = []

    def error(self, code: str, path: Path, message: str, mend: str) -> None:
        """Say that something is wrong at ``path``."""
        self._say(Severity.ERROR, code, path, message, mend)

    def warning(self, code: str, path: Path, message: str, mend: str) -> None:
        """Say that something at ``path`` could be better."""
        self._say(Severity.WARNING, code, path, message, mend)

    def _say(self, severity: Severity, code: str, path: Path, message: str, mend: str) -> None:
        at = path
        while at and at not in self._lines:
            at = at[:-1]  # inside an inline table or a list: the line of what holds it
        line = self._lines.get(at)
        self.said.append(Finding(severity, code, message, mend, spelled(path), line))
