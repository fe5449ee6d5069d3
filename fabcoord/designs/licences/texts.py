"""The texts of licences as far as this machine has them, and an honest stand-in where not."""

from __future__ import annotations

from importlib import metadata, resources
from pathlib import Path

from fabcoord.designs.licences.expressions import atoms, parse

_DEBIAN = Path("/usr/share/common-licenses")
_DEBIAN_NAMES = {
    "Apache-2.0": "Apache-2.0", "CC0-1.0": "CC0-1.0", "MPL-2.0": "MPL-2.0",
    **{f"GPL-{n}.0-{form}": f"GPL-{n}" for n in "23" for form in ("only", "or-later")},
    **{f"LGPL-{n}-{form}": f"LGPL-{n.removesuffix('.0')}" for n in ("2.0", "2.1", "3.0")
       for form in ("only", "or-later")},
}  # fmt: skip
_MOST_BYTES = 200_000
STUB = "This page stands in for the text of the licence"


def needed(licence: str) -> list[str]:
    """The names of the texts that belong to a licence: licences and exceptions."""
    found = [part for atom in atoms(parse(licence)) for part in atom.name.split(" WITH ")]
    return list(dict.fromkeys(found))


def text(name: str, own_directory: Path | None = None) -> str:
    """The text of a licence or exception.

    Looked for in the lab's own directory of texts (``<name>.txt``), then where this machine's
    packages keep some; else a page that names the address of the text.
    """
    for path in _places(name, own_directory):
        try:
            if path.stat().st_size <= _MOST_BYTES:
                return path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
    if name.startswith("AGPL-3.0-") and (own := _own_licence()):
        return own
    return _stub(name)


def _places(name: str, own_directory: Path | None) -> list[Path]:
    places = [own_directory / f"{name}.txt"] if own_directory else []
    if name == "CC-BY-4.0":
        packed = resources.files("license_expression") / "data/cc-by-4.0.LICENSE"
        places.append(Path(str(packed)))
    if name in _DEBIAN_NAMES:
        places.append(_DEBIAN / _DEBIAN_NAMES[name])
    return places


def _own_licence() -> str:
    """fabcoord's own licence is the AGPL 3."""
    try:
        return metadata.distribution("fabcoord").read_text("licenses/LICENSE") or ""
    except metadata.PackageNotFoundError:
        return ""


def _stub(name: str) -> str:
    if name.startswith("LicenseRef-"):
        return (
            f"{STUB} {name}.\n\nIt is no licence that SPDX lists, and its text did not come with"
            " the design. Ask the author for it; until then all rights count as reserved.\n"
        )
    return (
        f"{STUB} {name}, which the\nlab that made this bundle does not hold.\n\n"
        f"Read it at https://spdx.org/licenses/{name}.html\n"
    )
