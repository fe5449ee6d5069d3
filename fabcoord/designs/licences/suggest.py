"""Proposes SPDX identifiers for how people write licences; a person has to choose."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from fabcoord.designs.licences.expressions import known_ids, normalise
from fabcoord.errors import BadInput

_LONGEST = 200
_MOST = 5
_CC_NEWEST = "4.0"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A licence that may be meant, and what was assumed to get there (or nothing)."""

    licence: str
    assumed: str = ""


def suggest(text: str) -> list[Suggestion]:
    """The licences that ``text`` may mean, the likeliest first; empty when nobody could tell.

    What is an SPDX expression already comes back alone. Never a decision: prose such as
    "CC BY-SA" leaves out the version, and what was assumed is said.
    """
    text = text[:_LONGEST]
    try:
        return [Suggestion(normalise(text))]
    except BadInput:
        pass
    words = " ".join(re.sub(r"[^a-z0-9.]+", " ", text.lower()).split())
    found = (
        _cern(words) or _gnu(words) or _creative_commons(words) or _permissive(words)
        or _alike(text)
    )  # fmt: skip
    known = known_ids()
    return [one for one in found if one.licence in known or " WITH " in one.licence][:_MOST]


def _creative_commons(words: str) -> list[Suggestion]:
    if re.search(r"\b(cc ?0|cc zero|creative commons zero)\b", words):
        return [Suggestion("CC0-1.0")]
    if "public domain" in words:
        return [Suggestion("CC0-1.0", "assumed: that CC0 is meant")]
    elements = []
    if re.search(r"\b(by|attribution|namensnennung|paternité)\b", words):
        elements.append("BY")
    if re.search(r"\b(nc|non ?commercial|no commercial)\b", words):
        elements.append("NC")
    if re.search(r"\b(nd|no ?deriv\w*|no derivative works?)\b", words):
        elements.append("ND")
    elif re.search(r"\b(sa|share ?alike)\b", words):
        elements.append("SA")
    is_cc = re.search(r"\b(cc|creative commons|creativecommons)\b", words) or len(elements) > 1
    if not is_cc or not elements:
        return []
    assumed = []
    if elements[0] != "BY":
        elements.insert(0, "BY")
        assumed.append("that the author is to be named")
    version = re.search(r"\bv?([1-4])(?:\.([05]))?\b", words)
    number = f"{version[1]}.{version[2] or '0'}" if version else _CC_NEWEST
    if not version:
        assumed.append(f"version {_CC_NEWEST}")
    name = f"CC-{'-'.join(elements)}-{number}"
    return [Suggestion(name, "assumed: " + " and ".join(assumed) if assumed else "")]


def _cern(words: str) -> list[Suggestion]:
    if not re.search(r"\b(cern|ohl)\b", words):
        return []
    if "tapr" in words:
        return [Suggestion("TAPR-OHL-1.0")]
    if old := re.search(r"\bv?1\.([12])\b", words):
        return [Suggestion(f"CERN-OHL-1.{old[1]}")]
    variants = {"s": r"\b(s|strong\w*)\b", "w": r"\b(w|weak\w*)\b", "p": r"\b(p|permissive)\b"}
    named = [letter.upper() for letter, form in variants.items() if re.search(form, words)]
    if named:
        return [Suggestion(f"CERN-OHL-{letter}-2.0") for letter in named]
    return [Suggestion(f"CERN-OHL-{letter}-2.0", "assumed: the variant") for letter in "SWP"]


def _gnu(words: str) -> list[Suggestion]:
    family = re.search(r"\b(a|l)?gpl ?(?:v|version)? ?([23])?(?:\.([01]))?\b", words)
    if family is None:
        if not re.search(r"\bgnu\b.*\bpublic licen[cs]e\b", words):
            return []
        kind = "A" if "affero" in words else "L" if re.search(r"lesser|library", words) else ""
        number = re.search(r"\bv?([23])(?:\.([01]))?\b", words)
        major, minor = (number[1], number[2]) if number else (None, None)
    else:
        kind, major, minor = (family[1] or "").upper(), family[2], family[3]
    version = f"{major or '3'}.{minor or '0'}"
    if kind == "L" and major == "2":
        version = "2.1" if minor != "0" else "2.0"
    wide = re.search(r"\b(or later|later|any later)\b|\+", words) is not None
    said = [] if major else [f"version {version}"]
    forms = ("or-later",) if wide else ("or-later", "only")
    return [
        Suggestion(
            f"{kind}GPL-{version}-{form}",
            f"assumed: {' and '.join([*said, form.replace('-', ' ')])}" if not wide or said else "",
        )
        for form in forms
    ]


_PERMISSIVE = (
    (r"\bsolderpad\b.*\b2\.0\b", "Apache-2.0 WITH SHL-2.0"),
    (r"\bsolderpad\b", "Apache-2.0 WITH SHL-2.1"),
    (r"\bapache\b", "Apache-2.0"),
    (r"\b(peer production|ppl)\b", "PPL"),
    (r"\bfree art\b|\blicence art libre\b", "LAL-1.3"),
    (r"\bbsd\b.*\b2\b", "BSD-2-Clause"),
    (r"\bbsd\b", "BSD-3-Clause"),
    (r"\bmit\b|\bexpat\b", "MIT"),
)


def _permissive(words: str) -> list[Suggestion]:
    for form, licence in _PERMISSIVE:
        if re.search(form, words):
            return [Suggestion(licence)]
    return []


def _alike(text: str) -> list[Suggestion]:
    known = {one.lower(): one for one in known_ids() if not one.startswith("LicenseRef-")}
    close = difflib.get_close_matches(text.lower().replace(" ", "-"), known, _MOST, cutoff=0.75)
    return [Suggestion(known[one], "assumed from the spelling") for one in close]
