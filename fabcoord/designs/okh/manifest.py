"""A manifest: which Open Know-How it is, and its fields; from text and to text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fabcoord.designs.okh import documents
from fabcoord.designs.okh.documents import Document


class Version(StrEnum):
    """The versions of Open Know-How that are read. 2.4 and v1 are written."""

    V1 = "1.0.0"  # YAML, 2019
    LOSH = "OKH-LOSHv1.0"  # TOML from here on, 2020 to 2024
    V2_3 = "2.3"
    V2_4 = "2.4"


NEWEST = Version.V2_4
_SPELLINGS = {
    "okh-loshv1.0": Version.LOSH,
    "okh-losh-v1.0": Version.LOSH,
    "2.3": Version.V2_3,
    "2.4": Version.V2_4,
    "2.0": Version.V2_3,
    "okhv1.0": Version.V1,
    "okh-v1.0": Version.V1,
    "1.0": Version.V1,
    "1.0.0": Version.V1,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest in its own version's words. ``fields`` has JSON types only."""

    version: Version
    fields: dict[str, Any]


def is_manifest_name(name: str) -> bool:
    """Whether a file of that name is a manifest: okh.toml, okh.yml, okh-lamp.yaml."""
    last = name.rpartition("/")[2].lower()
    stem, _, extension = last.rpartition(".")
    if extension == "toml":
        return stem == "okh" or stem.startswith(("okh-", "okh_"))
    return extension in ("yml", "yaml") and "okh" in stem


def kind_of(data: bytes, name: str = "") -> str:
    """``toml`` or ``yaml``, by the name where that tells, else by the look of it."""
    extension = name.rpartition(".")[2].lower()
    if extension == "toml":
        return "toml"
    if extension in ("yml", "yaml"):
        return "yaml"
    lines = [line.strip() for line in data[:4096].decode("utf-8", "replace").splitlines()]
    looks = [line for line in lines if line and not line.startswith("#")]
    return "toml" if any(" = " in line or line.startswith("[") for line in looks[:5]) else "yaml"


def read(data: bytes, name: str = "") -> tuple[Manifest, Document]:
    """The manifest and the document it came as. Raises Unreadable for what is no TOML or YAML."""
    if kind_of(data, name) == "toml":
        document = documents.read_toml(data)
        return Manifest(version_of(document.fields) or NEWEST, document.fields), document
    document = documents.read_yaml(data)
    return Manifest(Version.V1, document.fields), document


def write(manifest: Manifest) -> str:
    """The text of a manifest; `read` brings back just this manifest."""
    if manifest.version is Version.V1:
        return documents.write_yaml(manifest.fields)
    import tomli_w

    return tomli_w.dumps(manifest.fields)


def version_of(fields: dict[str, Any]) -> Version | None:
    """The version that ``okhv`` names; None where it names none that is known."""
    said = fields.get("okhv")
    return _SPELLINGS.get(said.strip().lower()) if isinstance(said, str) else None
