"""Reads what somebody brings as Open Know-How: ``… -m fabcoord.designs.okh DIR``.

``DIR/asked.json`` holds ``files`` (name and path of each) and ``most_bytes``. Writes
``DIR/report.json``; what a bundle holds is unpacked into DIR under names of our own. Runs in a
process with limits, because manifests and archives come from anybody.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import zipfile
from pathlib import Path
from typing import Any

from fabcoord.designs.archives import check_zip
from fabcoord.designs.okh.documents import MOST_BYTES
from fabcoord.designs.okh.findings import Finding, Severity
from fabcoord.designs.okh.manifest import Manifest, Version, is_manifest_name
from fabcoord.designs.okh.validate import validate
from fabcoord.designs.okh.values import is_safe_path
from fabcoord.errors import FabcoordError, UnreadableFile

ASKED, REPORT = "asked.json", "report.json"
EXTRAS, SUMS = "fabcoord.json", "SHA256SUMS"
_CHUNK_BYTES = 1 << 20
_READING_CPU_S = 3
_MOST_EXTRAS_BYTES = 1_000_000
_LONGEST_PATH = 300


def main() -> int:
    """Read what ``asked.json`` names and write the report; 0 whenever there is one."""
    directory = Path(sys.argv[1])
    asked = json.loads((directory / ASKED).read_text())
    try:
        report = _report(asked, directory)
    except FabcoordError as error:
        report = {"error": {"detail": error.detail, "hint": error.hint}}
    except (MemoryError, RecursionError):
        report = {
            "error": {
                "detail": "The manifest is nested deeper, or larger, than any manifest is.",
                "hint": "Write it more simply, or bring the files by themselves.",
            }
        }
    (directory / REPORT).write_text(json.dumps(report))
    return 0


def _report(asked: dict[str, Any], directory: Path) -> dict[str, Any]:
    sent = {one["name"]: Path(one["path"]) for one in asked["files"]}
    (first_name, first), *more = sent.items()
    if not more and zipfile.is_zipfile(first) and not is_manifest_name(first_name):
        found = _unpack(first, directory, asked["most_bytes"])
    else:
        found = sent
    manifests = sorted((path for path in found if is_manifest_name(path)), key=_by_depth)
    if not manifests:
        raise UnreadableFile(
            "No Open Know-How manifest came along.",
            hint="A manifest is called okh.toml, or okh.yml for version 1. Designs without one"
            " are brought by Upload.",
        )
    folder = manifests[0].rpartition("/")[0]
    inside = _below(folder, found)
    chosen = [path for path in inside if "/" not in path and is_manifest_name(path)]
    present = set(inside) - set(chosen)
    said = _check_sums(inside) if SUMS in inside else []
    _hurry()
    read: list[Manifest] = []
    for path in sorted(chosen, key=_by_depth):
        manifest, findings = _judge(path, inside[path], present)
        said += findings
        read += [manifest] if manifest else []
    return {
        "manifests": [{"version": one.version, "fields": one.fields} for one in _one_each(read)],
        "manifest_paths": sorted(chosen),
        "findings": [one.as_dict() for one in said],
        "extras": _extras(inside.get(EXTRAS)),
        "files": [
            {"path": path, "stored": str(place)} for path, place in inside.items()
        ],
    }  # fmt: skip


def _hurry() -> None:
    """From here on only texts are read; a manifest that takes seconds is built to take long."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soon = int(used.ru_utime + used.ru_stime) + _READING_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (min(soon, hard) if hard > 0 else soon, hard))


def _by_depth(path: str) -> tuple[int, bool, str]:
    """The manifest of the whole comes first: less deep, TOML before YAML."""
    return path.count("/"), not path.lower().endswith(".toml"), path


def _below(folder: str, found: dict[str, Path]) -> dict[str, Path]:
    """What lies in the manifest's folder, with paths that count from there."""
    if not folder:
        return found
    start = folder + "/"
    return {path.removeprefix(start): place for path, place in found.items()
            if path.startswith(start)}  # fmt: skip


def _judge(path: str, place: Path, present: set[str]) -> tuple[Manifest | None, list[Finding]]:
    with place.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    return validate(data, path, present)


def _one_each(read: list[Manifest]) -> list[Manifest]:
    """At most one TOML and one v1 manifest, the first of each."""
    kinds: dict[bool, Manifest] = {}
    for one in read:
        kinds.setdefault(one.version is Version.V1, one)
    return list(kinds.values())


def _unpack(path: Path, directory: Path, most_bytes: int) -> dict[str, Path]:
    found: dict[str, Path] = {}
    members = check_zip(path, "bundle", most_bytes)
    with zipfile.ZipFile(path) as archive:
        for member in members:
            if member.is_dir() or member.filename.startswith("__MACOSX/"):
                continue
            name = member.filename.replace("\\", "/").removeprefix("./")
            if not is_safe_path(name) or len(name) > _LONGEST_PATH:
                raise UnreadableFile(
                    f"The bundle holds a file with the name {name[:60]!r}.",
                    hint="Give it a name of letters that can be printed, and pack it again.",
                )
            place = directory / f"{len(found):04}"
            try:
                _copy(archive, member, place)
            except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
                raise UnreadableFile(
                    f"{name[:60]!r} in the bundle is damaged.", hint="Pack or download it again."
                ) from error
            found[name] = place
    return found


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path) -> None:
    with archive.open(member) as source, place.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)


def _check_sums(inside: dict[str, Path]) -> list[Finding]:
    """Whether each file is the one that the list of hashes names."""
    said: list[Finding] = []
    with inside[SUMS].open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            digest, _, path = line.rstrip("\n").partition("  ")
            place = inside.get(path)
            if place is None:
                problem = "is missing"
            elif _sha256(place) != digest:
                problem = "was changed after the bundle was made"
            else:
                continue
            mend = "Ask for the bundle again."
            words = f"{path[:100]} {problem}."
            said.append(Finding(Severity.ERROR, "wrong-hash", words, mend, SUMS, number))
            if len(said) >= 20:
                break
    return said


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _extras(place: Path | None) -> dict[str, Any]:
    """What fabcoord itself wrote beside the manifest; empty where it is not to be used."""
    if place is None or place.stat().st_size > _MOST_EXTRAS_BYTES:
        return {}
    try:
        said = json.loads(place.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
