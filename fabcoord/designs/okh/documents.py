"""Reads TOML and YAML into plain values, bounded, and remembers on which line each key stands.

Hostile documents can still take long (dotted keys, deep flows): read what comes from outside in a
process with limits, `fabcoord.designs.okh.__main__`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_BYTES = 256_000
MOST_DEPTH = 20
MOST_VALUES = 20_000

Path = tuple[str | int, ...]

# Their values are words even where they look like numbers: 1.10 is not 1.1.
_WORDS = {"version", "okh-manifest-version", "okhv"}


class Unreadable(Exception):
    """A document that is not what it claims to be.

    Attributes: ``code``, ``message``, ``mend`` and ``line`` (from 1, or None) of the finding.
    """

    def __init__(self, code: str, message: str, mend: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.mend, self.line = code, message, mend, line


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a document (JSON types only), the line of each key, and keys given twice."""

    fields: dict[str, Any]
    lines: dict[Path, int]
    twice: tuple[Path, ...] = ()


@dataclass
class _Budget:
    left: int = field(default=MOST_VALUES)


def spelled(path: Path) -> str:
    """A path as people write it: ``part[0].export``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_toml(data: bytes) -> Document:
    """Read a TOML document. Raises Unreadable."""
    text = _text(data)
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad_toml(str(error), text) from error
    return Document(_plain(fields, 0, _Budget()), _lines_of_toml(text))


def read_yaml(data: bytes) -> Document:
    """Read a YAML document without anchors and tags. Raises Unreadable."""
    text = _text(data)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise Unreadable(
                "not-a-mapping", "The document is not a list of keys with values.",
                "Write one `key: value` a line.",
            )  # fmt: skip
        lines: dict[Path, int] = {}
        twice: list[Path] = []
        _walk(node, (), lines, twice)
        fields = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _bad_yaml(error) from error
    except (ValueError, RecursionError, TypeError) as error:
        raise Unreadable("bad-yaml", f"The YAML cannot be read: {str(error)[:200]}.",
                         "Write it more simply.") from error  # fmt: skip
    return Document(_plain(fields, 0, _Budget()), lines, tuple(twice))


def write_yaml(fields: dict[str, Any]) -> str:
    """A YAML document that `read_yaml` reads back as it was."""
    return yaml.dump(fields, Dumper=_Dumper, sort_keys=False, width=100)


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise Unreadable(
            "too-large", f"The manifest has {len(data):,} bytes; manifests have a few thousand.",
            f"Keep it below {MOST_BYTES:,} bytes: name files instead of writing them into it.",
        )  # fmt: skip
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(
            "not-utf-8", "The manifest is not UTF-8 text.", "Save it as UTF-8.", line
        ) from error


def _plain(value: Any, depth: int, budget: _Budget) -> Any:
    """``value`` with JSON types only; dates become text in their usual spelling."""
    budget.left -= 1
    if depth > MOST_DEPTH or budget.left < 0:
        raise Unreadable(
            "too-deep", "The manifest is nested deeper, or holds more, than any manifest does.",
            "Take out what does not belong to a manifest.",
        )  # fmt: skip
    match value:
        case dict():
            return {str(key): _plain(one, depth + 1, budget) for key, one in value.items()}
        case list():
            return [_plain(one, depth + 1, budget) for one in value]
        case dt.date() | dt.time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            raise Unreadable(
                "not-a-number", f"{value} is no number that anything can measure.",
                "Write a finite number.",
            )  # fmt: skip
        case None | bool() | int() | float() | str():
            return value
    raise Unreadable(
        "not-plain", f"A value is of a kind ({type(value).__name__}) that manifests do not hold.",
        "Write it as text, number, list or table.",
    )  # fmt: skip


_TOML_PLACE = re.compile(r"^(.*?)\s*\(at (?:line (\d+), column \d+|end of document)\)$", re.DOTALL)
_TWICE = re.compile(r"overwrite a value|declare .* twice|mutate immutable|already", re.IGNORECASE)


def _bad_toml(said: str, text: str) -> Unreadable:
    match = _TOML_PLACE.match(said)
    line = None
    if match:
        line = int(match[2]) if match[2] else text.count("\n") + 1
    what = match[1] if match else said[:200]
    if _TWICE.search(what):
        return Unreadable(
            "duplicate-key", "A key or a table is given twice; TOML lets each stand once.",
            "Join the two. Several parts are several [[part]] tables, with two brackets.", line,
        )  # fmt: skip
    mend = "Texts stand in quotes, lists in square brackets, one key a line."
    return Unreadable("bad-toml", f"This is not TOML: {what[:200]}.", mend, line)


def _bad_yaml(error: yaml.YAMLError) -> Unreadable:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error)
    mend = "Indent with spaces, and put texts with a colon or # into quotes."
    if "anchors" in what:
        mend = "Write each value out where it is used."
    line = mark.line + 1 if mark else None
    return Unreadable("bad-yaml", f"This is not YAML: {what[:200]}.", mend, line)


_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_STEP = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_MULTILINE = ('"""', "'''")


def _lines_of_toml(text: str) -> dict[Path, int]:
    """The line of each key that opens a line; good enough to point at, not a parser."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    inside = ""
    for number, line in enumerate(text.split("\n"), 1):
        if inside:
            inside = "" if inside in line else inside
            continue
        if header := _HEADER.match(line):
            table = _table(_steps(header[2]), counts, opens=header[1] == "[[")
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault(table + _steps(key[1]), number)
        for quote in _MULTILINE:
            if line.count(quote) % 2:
                inside = quote
    return found


def _table(name: Path, counts: dict[Path, int], *, opens: bool) -> Path:
    """The path of a table with the number of each array element on the way."""
    path: Path = ()
    for position, step in enumerate(name):
        path += (step,)
        is_last = position == len(name) - 1
        if opens and is_last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _steps(key: str) -> Path:
    return tuple(step.strip("\"'") for step in _STEP.findall(key))


class _Loader(yaml.SafeLoader):
    """YAML 1.2's few kinds of values: no dates, no yes and no, no anchors, no depth."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, as PyYAML has it
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not taken here", event.start_mark
            )
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise yaml.composer.ComposerError(None, None, "it is nested too deep", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_RESOLVERS = {
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+.0123456789",
    ),
}  # fmt: skip
for _tag, (_form, _first) in _RESOLVERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_form})$"), list(_first))


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], twice: list[Path]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            at = (*path, key.value)
            if at in lines:
                twice.append(at)
            lines[at] = key.start_mark.line + 1
            if key.value in _WORDS and isinstance(value, yaml.ScalarNode):
                value.tag = "tag:yaml.org,2002:str"
            _walk(value, at, lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _walk(value, (*path, index), lines, twice)


class _Dumper(yaml.SafeDumper):
    """Writes lists indented under their key, and never an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)
