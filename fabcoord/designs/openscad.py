"""OpenSCAD sources: what a stranger's may say, and the parameters that its author offers.

Parameters follow the Customizer of the OpenSCAD user manual: assignments of plain values before
the first module, with sections, descriptions and ranges in comments.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabcoord.errors import BadInput, UnreadableFile

MAX_SOURCE_BYTES = 1_000_000
MOST_PARAMETERS = 200
LONGEST_TEXT = 500

Value = bool | float | str | list[float]

# Whatever reads another file: the geometry of a stranger's file must come from that file alone.
_READERS = {
    *("import", "import_stl", "import_off", "import_dxf", "surface"),
    *("dxf_linear_extrude", "dxf_rotate_extrude", "dxf_dim", "dxf_cross"),
}
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|(?P<word>\$?[A-Za-z0-9_]+)|(?P<other>.)', re.DOTALL
)
_PATH = re.compile(r"\s*<([^>\n]*)>")
_FILE_ARGUMENT = re.compile(r"\s*=[^=]")
_SECTION = re.compile(r"/\*\s*\[([^\]\n]*)\]\s*\*/")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VECTOR = rf"\[\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{0,9}}\s*\]"
_ASSIGNMENT = re.compile(
    rf'^\s*(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>true|false|{_NUMBER}|{_VECTOR}|"(?:\\.|[^"\\\n])*")'
    r"\s*;\s*(?://(?P<note>.*))?$"
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a person may choose.

    ``kind`` is ``number``, ``boolean``, ``text`` or ``vector``. ``choices`` are (value, label)
    pairs; where there are some, only those are taken.
    """

    name: str
    kind: str
    default: Value
    section: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[tuple[Value, str], ...] = ()
    max_length: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The parameter as the API shows it."""
        said = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return said | {"choices": [{"value": v, "label": label} for v, label in self.choices]}


def check_source(source: bytes) -> None:
    """Raise UnreadableFile for a source that is too long, no text, or reads other files."""
    if len(source) > MAX_SOURCE_BYTES:
        raise UnreadableFile(
            f"The OpenSCAD file is longer than {MAX_SOURCE_BYTES // 1000} kB.",
            hint="Upload the mesh that it makes instead.",
        )
    text = decoded(source)
    at = 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        word = match["word"]
        if word in ("include", "use"):
            if path := _PATH.match(text, at):
                at = path.end()
                _refuse_path(path[1])
        elif word in _READERS or (word == "file" and _FILE_ARGUMENT.match(text, at)):
            raise UnreadableFile(
                f"The OpenSCAD file reads another file ({word}), which is not taken here.",
                hint="Make the mesh in OpenSCAD and upload that.",
            )


def _refuse_path(path: str) -> None:
    """Only libraries that are installed beside OpenSCAD may be named, as ``MCAD/gears.scad``."""
    parts = path.replace("\\", "/").split("/")
    if len(parts) < 2 or ".." in parts or "" in parts or ":" in path:
        raise UnreadableFile(
            f"The OpenSCAD file needs another file ({path[:100]!r}), which is not taken here.",
            hint="Put all modules into one file, or upload the mesh.",
        )


def decoded(source: bytes) -> str:
    """The text of a source; raises UnreadableFile where it is none."""
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile("The OpenSCAD file is not text in UTF-8.") from error
    if "\0" in text:
        raise UnreadableFile("The OpenSCAD file is not text.")
    return text


def parameters(source: str) -> list[Parameter]:
    """What the author offers to change, in the order of the file; hidden sections left out."""
    found: dict[str, Parameter] = {}
    section, description, in_comment = "", "", False
    for line in source.split("\n"):  # not splitlines: a text may hold a form feed
        bare = line.strip()
        if in_comment:
            in_comment = "*/" not in bare
        elif heading := _SECTION.match(bare):
            section, description = heading[1].strip(), ""
        elif bare.startswith("/*"):
            in_comment, description = "*/" not in bare, ""
        elif bare.startswith("//"):
            description = bare[2:].strip()
        elif assignment := _ASSIGNMENT.match(line):
            if section.lower() != "hidden" and not assignment["name"].startswith("$"):
                made = _parameter(assignment, section, description)
                found[made.name] = made
            description = ""
        elif "{" in bare or re.match(r"(module|function)\b", bare):
            break
        else:
            description = ""
    return list(found.values())[:MOST_PARAMETERS]


def definitions(offered: list[Parameter], given: Mapping[str, Any]) -> dict[str, str]:
    """What was chosen as OpenSCAD expressions by name, ready for ``-D``.

    Only what differs from the default. Raises BadInput that names each wrong field.
    """
    known = {one.name: one for one in offered}
    fields = {name: "no such parameter" for name in given if name not in known}
    made = {}
    for name, parameter in known.items():
        if name not in given:
            continue
        try:
            value = _accepted(parameter, given[name])
        except ValueError as error:
            fields[name] = str(error)
            continue
        if value != parameter.default:
            made[name] = expression(value)
    if fields:
        raise BadInput(
            f"These parameters need other values: {', '.join(sorted(fields))}.", fields=fields
        )
    return made


def expression(value: Value) -> str:
    """A value as OpenSCAD writes it; `literal` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(repr(float(one)) for one in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'
    return repr(float(value))


def literal(text: str) -> Value:
    """The value of a literal: number, boolean, string or vector of numbers. Raises ValueError."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]),
                      text[1:-1])  # fmt: skip
    if text.startswith("["):
        return [_finite(part) for part in text[1:-1].split(",")]
    return _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _parameter(assignment: re.Match[str], section: str, description: str) -> Parameter:
    try:
        default = literal(assignment["value"])
    except ValueError:
        default = 0.0
    kind = {bool: "boolean", str: "text", list: "vector"}.get(type(default), "number")
    limits = _limits(kind, (assignment["note"] or "").strip())
    return Parameter(assignment["name"], kind, default, section, description, **limits)


def _limits(kind: str, note: str) -> dict[str, Any]:
    """What the comment behind an assignment says of the values; {} for an ordinary comment."""
    inner = re.fullmatch(r"\[(.*)\]", note)
    try:
        if inner is None:
            if kind == "text" and note.isdecimal():
                return {"max_length": min(int(note[:6]), LONGEST_TEXT)}
            return {"step": _finite(note)} if kind == "number" and note else {}
        if kind in ("number", "vector") and "," not in inner[1]:
            return _range([_finite(part) for part in inner[1].split(":")])
        if kind in ("number", "text"):
            return {"choices": tuple(_choice(kind, part) for part in inner[1].split(","))}
    except ValueError:
        pass
    return {}


def _range(numbers: list[float]) -> dict[str, Any]:
    if len(numbers) == 1:
        return {"minimum": 0.0, "maximum": numbers[0]} if numbers[0] > 0 else {}
    if len(numbers) == 2:
        return {"minimum": numbers[0], "maximum": numbers[1]}
    if len(numbers) == 3:
        return {"minimum": numbers[0], "step": numbers[1], "maximum": numbers[2]}
    return {}


def _choice(kind: str, part: str) -> tuple[Value, str]:
    value, colon, label = part.strip().partition(":")
    bare = value.strip().strip('"')
    shown = label.strip().strip('"') if colon else bare
    return (_finite(bare) if kind == "number" else bare), shown


def _accepted(parameter: Parameter, given: Any) -> Value:
    """The value as its parameter takes it; raises ValueError with words for the person."""
    value: Value
    match parameter.kind:
        case "boolean":
            if not isinstance(given, bool):
                raise ValueError("true or false")
            return given
        case "text":
            longest = parameter.max_length or LONGEST_TEXT
            if not isinstance(given, str) or len(given) > longest or "\0" in given:
                raise ValueError(f"a text of at most {longest} characters")
            value = given
        case "vector":
            count = len(parameter.default) if isinstance(parameter.default, list) else 0
            if not isinstance(given, list) or len(given) != count:
                raise ValueError(f"{count} numbers")
            value = [_within(parameter, one) for one in given]
        case _:
            value = _within(parameter, given)
    if parameter.choices and value not in [choice for choice, _ in parameter.choices]:
        raise ValueError("one of " + ", ".join(json.dumps(v) for v, _ in parameter.choices))
    return value


def _within(parameter: Parameter, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number")
    number = _finite(str(given))
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    if not low <= number <= high:
        raise ValueError(f"from {low:g} to {high:g}")
    return number
