"""What a manifest of Open Know-How v1 (YAML) needs, and what is wrong with one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from fabcoord.designs.okh.documents import Path
from fabcoord.designs.okh.findings import Findings
from fabcoord.designs.okh.values import check_licence, check_path, check_text, check_url, is_url

_LICENSED = ("hardware", "documentation", "software")
_FILES = (
    *("design-files", "schematics", "bom", "tool-list", "making-instructions", "tool-settings"),
    *("manufacturing-files", "risk-assessment", "operating-instructions", "quality-instructions"),
    *("maintenance-instructions", "disposal-instructions"),
)
_KNOWN = {
    *_FILES,
    *("title", "description", "license", "licensor", "manifest-author", "project-link"),
    *("documentation-home", "intended-use", "keywords", "image", "contributors", "software"),
    *("made", "made-independently", "okh-manifest-version", "date-created", "date-updated"),
    *("manifest-language", "documentation-language", "contact", "version", "development-stage"),
    *("archive-download", "health-safety-notice", "standards-used", "derivative-of", "variant-of"),
    *("sub", "sub-parts", "manifest-is-translation", "documentation-is-translation"),
}


def check(fields: dict[str, Any], findings: Findings) -> None:
    """Add to ``findings`` what is wrong."""
    for key in ("title", "description"):
        if not fields.get(key):
            findings.error("missing", (key,), f"{key} is missing.", f"Write `{key}: …`.")
        check_text(fields, key, findings)
    _check_licences(fields.get("license"), findings)
    _check_links(fields, findings)
    for key in ("made", "made-independently"):
        if key in fields and not isinstance(fields[key], bool):
            findings.error(
                "not-yes-or-no", (key,), f"{key} is neither true nor false.",
                f"Write `{key}: true` or `{key}: false`.",
            )  # fmt: skip
    if "version" not in fields:
        findings.warning(
            "missing-version", ("version",), "The design's own version is missing.",
            "Write `version: 1.0.0`.",
        )  # fmt: skip
    for key in ("licensor", "manifest-author"):
        _check_person(fields.get(key), (key,), findings)
    for key in _FILES:
        if key in fields:
            _check_files(fields[key], (key,), findings)
    if "image" in fields:
        check_path(fields["image"], ("image",), findings)
    if "sub" in fields:
        findings.warning("old-spelling", ("sub",), "sub is an older spelling.", "Write sub-parts.")
    for key in sorted(set(fields) - _KNOWN):
        close = get_close_matches(key.lower(), _KNOWN, 1, cutoff=0.75)
        mend = f"Is {close[0]} meant?" if close else "It is kept; other programs ignore it."
        findings.warning("unknown-key", (key,), f"{key[:60]} is no key of Open Know-How v1.", mend)


def _check_licences(value: Any, findings: Findings) -> None:
    if isinstance(value, str):
        findings.error(
            "not-a-table", ("license",), "The licence is one text, not one for each kind of work.",
            "Write it below `license:`, indented, as `hardware: …`.",
        )  # fmt: skip
        check_licence(value, ("license",), findings)
        return
    given = value if isinstance(value, dict) else {}
    if not any(given.get(kind) for kind in _LICENSED):
        findings.error(
            "missing", ("license",), "No licence is given for hardware, documentation or software.",
            "Write `license:` and below it, indented, `hardware: CERN-OHL-S-2.0`.",
        )  # fmt: skip
    for kind, licence in given.items():
        check_licence(licence, ("license", kind), findings)


def _check_links(fields: dict[str, Any], findings: Findings) -> None:
    if not any(fields.get(key) for key in ("project-link", "documentation-home")):
        findings.error(
            "missing", ("project-link",), "Neither project-link nor documentation-home is given.",
            "Write `project-link: https://…`.",
        )  # fmt: skip
    for key in ("project-link", "documentation-home", "archive-download"):
        if fields.get(key):
            check_url(fields[key], (key,), findings)


def _check_person(value: Any, at: Path, findings: Findings) -> None:
    if value is None:
        findings.warning(
            "missing", at, f"{at[0]} is missing: nobody knows whom to name.",
            f"Write `{at[0]}:` and below it, indented, `name: …`.",
        )  # fmt: skip
    elif not (isinstance(value, dict) and isinstance(value.get("name"), str)):
        findings.error(
            "missing", (*at, "name"), f"{at[0]} has no name.", "Write `name: …` below it, indented."
        )


def _check_files(value: Any, at: Path, findings: Findings) -> None:
    for index, one in enumerate(value if isinstance(value, list) else [value]):
        here = (*at, index) if isinstance(value, list) else at
        if isinstance(one, dict):
            check_path(one.get("path"), (*here, "path"), findings)
        elif isinstance(one, str) and not is_url(one):
            check_path(one, here, findings)
