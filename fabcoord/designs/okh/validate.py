"""Says what is wrong with a manifest, where, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from fabcoord.designs.okh import validate_v1
from fabcoord.designs.okh.documents import Document, Path, Unreadable
from fabcoord.designs.okh.findings import Finding, Findings, Severity
from fabcoord.designs.okh.manifest import Manifest, Version, kind_of, read, version_of
from fabcoord.designs.okh.values import (
    check_licence,
    check_path,
    check_paths,
    check_text,
    check_url,
    is_url,
)

# Open Know-How 2.4, the TOML of the Internet of Production Alliance: name, whether it is asked for.
_REQUIRED = ("name", "repo", "license", "licensor", "function")
_PATHS = (
    *("readme", "contribution-guide", "bom", "manufacturing-instructions", "user-manual"),
    *("source", "export", "auxiliary"),
)
_OTHERS = (
    *("okhv", "version", "release", "organization", "organisation", "image", "fork-of", "forkOf"),
    *("documentation-language", "technology-readiness-level", "documentation-readiness-level"),
    *("attestation", "publication", "standard-compliance", "cpc-patent-class", "tsdc", "mass"),
    *("outer-dimensions", "rdf", "software", "part", "timestamp", "data-sourcing-procedure"),
)
_KNOWN = {*_REQUIRED, *_PATHS, *_OTHERS}
_PART_PATHS = ("source", "export", "auxiliary")
_PART_KNOWN = {
    *_PART_PATHS,
    *("name", "image", "tsdc", "mass", "outer-dimensions", "part", "license", "licensor"),
    *("printing-process", "material", "infill", "raft-brim", "supports", "resolution-mm"),
    *("shell-thickness", "top-bottom-thickness", "documentation-language"),
}
_TSDC = {"ASM", "MEC", "CIR", "PCB", "WEL", "3DP", "LAS", "CNC"}
_SIDES = ("width", "depth", "height")
_LEVELS = {
    "technology-readiness-level": re.compile(r"OTRL-[1-6]"),
    "documentation-readiness-level": re.compile(r"ODRL-([124]|3\*?)"),
}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MOST_FINDINGS = 200


def validate(
    data: bytes, name: str = "", present: set[str] | None = None
) -> tuple[Manifest | None, list[Finding]]:
    """The manifest (None when it cannot be read) and all findings, errors first.

    ``present`` are the paths of the files that came with it; None when only the text is known.
    """
    try:
        manifest, document = read(data, name)
    except Unreadable as error:
        finding = Finding(Severity.ERROR, error.code, error.message, error.mend, line=error.line)
        return None, [finding]
    findings = Findings(document.lines)
    for path in document.twice:
        findings.error(
            "duplicate-key", path, "This key is given twice; the last one would win.",
            "Keep one of the two.",
        )  # fmt: skip
    if manifest.version is Version.V1 and kind_of(data, name) == "yaml":
        validate_v1.check(document.fields, findings)
    else:
        _check_toml(document, findings)
    if present is not None:
        _check_present(document.fields, present, findings)
    said = sorted(
        findings.said, key=lambda one: (one.severity is not Severity.ERROR, one.line or 0)
    )
    return manifest, said[:_MOST_FINDINGS]


def paths_of(fields: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every file that a manifest names (not those on the web), with where it names it."""
    for at, text in _walk(fields, ()):
        keys = [step for step in at if isinstance(step, str)]
        named = any(key in _NAMING for key in keys) and keys[-1] in (*_NAMING, "path", "location")
        if named and text and not is_url(text):
            yield at, text.lstrip("/")


_NAMING = {
    *_PATHS, "image", "attestation", "design-files", "schematics", "manufacturing-files",
    "making-instructions", "operating-instructions", "tool-list", "tool-settings",
    "risk-assessment", "quality-instructions", "maintenance-instructions",
    "disposal-instructions", "installation-guide",
}  # fmt: skip


def _walk(value: Any, at: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield at, value
        case dict():
            for key, one in value.items():
                yield from _walk(one, (*at, key))
        case list():
            for index, one in enumerate(value):
                yield from _walk(one, (*at, index))


def _check_toml(document: Document, findings: Findings) -> None:
    fields = document.fields
    _check_version(fields, findings)
    for key in _REQUIRED:
        if fields.get(key) in (None, "", [], {}):
            findings.error(
                "missing", (key,), f"{key} is missing.", f"Write {key} = {_EXAMPLES[key]}"
            )
    check_text(fields, "name", findings)
    check_text(fields, "function", findings)
    if fields.get("repo"):
        check_url(fields["repo"], ("repo",), findings)
    if fields.get("license"):
        check_licence(fields["license"], ("license",), findings)
    if "licensor" in fields:
        _check_agent(fields["licensor"], ("licensor",), findings)
    _check_spellings(fields, findings)
    for key in _PATHS:
        if key in fields:
            check_paths(fields[key], (key,), findings)
    _check_images(fields.get("image"), ("image",), findings)
    _check_measures(fields, (), findings)
    _check_words(fields, findings)
    _check_parts(fields.get("part", []), ("part",), findings, depth=0)
    for key in sorted(set(fields) - _KNOWN):
        _unknown(key, (key,), _KNOWN, findings)


_EXAMPLES = {
    "name": '"Shelf bracket"',
    "repo": '"https://…", where the project is kept',
    "license": '"CERN-OHL-S-2.0", an SPDX expression',
    "licensor": '"Ada Lovelace <ada@example.org>"',
    "function": '"What it is for, in a sentence or two"',
}


def _check_version(fields: dict[str, Any], findings: Findings) -> None:
    said = fields.get("okhv")
    if said is None:
        findings.error(
            "missing", ("okhv",), "The version of Open Know-How is missing.", 'Write okhv = "2.4".'
        )
    elif not isinstance(said, str):
        findings.error(
            "not-text", ("okhv",), f"okhv is {said!r}, which is no text.", f'Write okhv = "{said}".'
        )
    elif version_of(fields) is None:
        findings.error(
            "unknown-okhv", ("okhv",), f"There is no version {said[:40]!r} of Open Know-How.",
            'Write okhv = "2.4". Read as 2.4 meanwhile.',
        )  # fmt: skip
    if "version" not in fields:
        findings.warning(
            "missing-version", ("version",), "The design's own version is missing.",
            'Write version = "1.0.0", or a Git tag or hash; some programs ask for it.',
        )  # fmt: skip
    elif not isinstance(fields["version"], str):
        findings.error(
            "not-text", ("version",), "version is no text: 1.10 would become 1.1.",
            f'Put it into quotes: version = "{fields["version"]}".',
        )  # fmt: skip


def _check_spellings(fields: dict[str, Any], findings: Findings) -> None:
    for wrong, right in (("forkOf", "fork-of"), ("organisation", "organization")):
        if wrong in fields and right in fields:
            findings.error(
                "given-twice", (wrong,), f"{wrong} and {right} mean the same, and both are given.",
                f"Keep {right}.",
            )  # fmt: skip
        elif wrong in fields:
            findings.warning(
                "old-spelling", (wrong,), f"{wrong} is an older spelling that few programs read.",
                f"Write {right}.",
            )  # fmt: skip
    for key in ("fork-of", "forkOf"):
        for index, one in enumerate(_listed(fields.get(key))):
            at: Path = (key, index) if isinstance(fields[key], list) else (key,)
            check_url(one, at, findings)


def _check_agent(value: Any, at: Path, findings: Findings) -> None:
    for index, one in enumerate(_listed(value)):
        here = (*at, index) if isinstance(value, list) else at
        if isinstance(one, dict):
            if not isinstance(one.get("name"), str) or not one["name"].strip():
                findings.error(
                    "missing", (*here, "name"), "Who licenses it has no name.",
                    'Write name = "…".',
                )  # fmt: skip
        elif not isinstance(one, str) or not one.strip():
            findings.error(
                "not-text", here, "Who licenses it is neither text nor a table with a name.",
                'Write licensor = "Name <mail>", a list of such, or [licensor] with name = "…".',
            )  # fmt: skip


def _check_images(value: Any, at: Path, findings: Findings) -> None:
    for index, one in enumerate(_listed(value)):
        here = (*at, index) if isinstance(value, list) else at
        if isinstance(one, dict):
            if "location" not in one:
                findings.error(
                    "missing", (*here, "location"), "A picture does not say where it is.",
                    'Write location = "images/…".',
                )  # fmt: skip
            else:
                check_path(one["location"], (*here, "location"), findings)
        else:
            check_path(one, here, findings)


def _check_measures(fields: dict[str, Any], at: Path, findings: Findings) -> None:
    if "mass" in fields:
        _check_number(fields["mass"], (*at, "mass"), "grams", findings)
    sizes = fields.get("outer-dimensions")
    if sizes is None:
        return
    here = (*at, "outer-dimensions")
    if not isinstance(sizes, dict):
        findings.error(
            "not-a-table", here, "The outer dimensions are no table of numbers.",
            "Write [outer-dimensions] with width, depth and height in millimetres.",
        )  # fmt: skip
        return
    for side in _SIDES:
        if side not in sizes:
            findings.error(
                "missing", (*here, side), f"The {side} is missing.", f"Write {side} = 12.5 (mm)."
            )
        else:
            _check_number(sizes[side], (*here, side), "millimetres", findings)


def _check_number(value: Any, at: Path, unit: str, findings: Findings) -> None:
    if isinstance(value, str):
        number = re.search(r"\d+(?:\.\d+)?", value)
        example = number[0] if number else "12.5"
        findings.error(
            "string-number", at, f"{value[:40]!r} is text, not a number.",
            f"Write the number alone, in {unit}, without quotes: {example}.",
        )  # fmt: skip
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        findings.error(
            "not-a-number", at, f"This is no number of {unit}.", "Write a number above zero."
        )


def _check_words(fields: dict[str, Any], findings: Findings) -> None:
    for key, form in _LEVELS.items():
        said = fields.get(key)
        if said is not None and not (isinstance(said, str) and form.fullmatch(said)):
            example = "OTRL-5" if key.startswith("technology") else "ODRL-3"
            findings.error(
                "unknown-value", (key,), f"{str(said)[:40]!r} is no such level.",
                f'Write for example {key} = "{example}".',
            )  # fmt: skip
    for one in _listed(fields.get("documentation-language")):
        if not isinstance(one, str) or not _LANGUAGE.fullmatch(one):
            findings.error(
                "unknown-value", ("documentation-language",), f"{str(one)[:40]!r} is no language.",
                'Write a BCP 47 tag such as "en" or "de-AT".',
            )  # fmt: skip
    _check_tsdc(fields, (), findings)


def _check_tsdc(fields: dict[str, Any], at: Path, findings: Findings) -> None:
    for one in _listed(fields.get("tsdc")):
        if one not in _TSDC:
            findings.warning(
                "unknown-value", (*at, "tsdc"), f"{str(one)[:40]!r} is not a listed technology.",
                f"Listed are {', '.join(sorted(_TSDC))}; for 3D printing write 3DP.",
            )  # fmt: skip


def _check_parts(parts: Any, at: Path, findings: Findings, depth: int) -> None:
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        findings.error(
            "not-a-list", at, "The parts are no list of tables.", "Write [[part]] for each part."
        )
        return
    for index, part in enumerate(parts):
        here = (*at, index)
        check_text(part, "name", findings, here)
        if not part.get("name"):
            findings.error("missing", (*here, "name"), "A part has no name.", 'Write name = "…".')
        if "source" in part and "export" in part:
            findings.warning(
                "source-and-export", here,
                "The part has both source and export, which older programs refuse.",
                "Right in 2.4. For older programs keep source only.",
            )  # fmt: skip
        elif "source" not in part and "export" not in part and "part" not in part:
            findings.error(
                "missing", here, "The part has neither source nor export: nothing to make it from.",
                'Write source = ["…"] (editable) or export = ["…"] (printable).',
            )  # fmt: skip
        for key in _PART_PATHS:
            if key in part:
                check_paths(part[key], (*here, key), findings)
        _check_images(part.get("image"), (*here, "image"), findings)
        _check_measures(part, here, findings)
        _check_tsdc(part, here, findings)
        for key in sorted(set(part) - _PART_KNOWN):
            _unknown(key, (*here, key), _PART_KNOWN, findings)
        if "part" in part and depth < 5:
            _check_parts(part["part"], (*here, "part"), findings, depth + 1)


def _check_present(fields: dict[str, Any], present: set[str], findings: Findings) -> None:
    there = {path.lower() for path in present}
    for at, path in paths_of(fields):
        clean = path.removeprefix("./").lower()
        if clean not in there and not any(one.startswith(clean.rstrip("/") + "/") for one in there):
            findings.warning(
                "file-absent", at, f"{path[:100]} is named, but did not come along.",
                "Add the file, or take out its name.",
            )  # fmt: skip


def _unknown(key: str, at: Path, known: set[str], findings: Findings) -> None:
    close = get_close_matches(key.lower(), known, 1, cutoff=0.75)
    mend = f"Is {close[0]} meant?" if close else "It is kept as it is; other programs ignore it."
    findings.warning("unknown-key", at, f"{key[:60]} is no key of Open Know-How 2.4.", mend)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
