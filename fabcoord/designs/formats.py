"""Tells from a file's first bytes, length and name what it is, and refuses what it only claims."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from pathlib import Path

from fabcoord.designs.archives import check_3mf, check_amf
from fabcoord.designs.openscad import MAX_SOURCE_BYTES, check_source
from fabcoord.errors import UnreadableFile

HEAD_BYTES = 4096
MAX_NAME_CHARS = 200

_ZIP = b"PK\x03\x04"
_STL_HEADER_BYTES = 84
_STL_TRIANGLE_BYTES = 50


class Format(StrEnum):
    """The formats that a lab takes."""

    STL = "stl"
    THREE_MF = "3mf"
    OBJ = "obj"
    PLY = "ply"
    OFF = "off"
    AMF = "amf"
    STEP = "step"
    SCAD = "scad"
    GCODE = "gcode"


_EXTENSIONS = {
    "stl": Format.STL,
    "3mf": Format.THREE_MF,
    "obj": Format.OBJ,
    "ply": Format.PLY,
    "off": Format.OFF,
    "amf": Format.AMF,
    "step": Format.STEP,
    "stp": Format.STEP,
    "scad": Format.SCAD,
    "gcode": Format.GCODE,
    "gco": Format.GCODE,
}
_ACCEPTED = "STL, 3MF, OBJ, PLY, OFF, AMF, STEP, OpenSCAD or G-code"

_FOREIGN = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a picture, sound or video"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"glTF", "a glTF model"),
    (b"\xd0\xcf\x11\xe0", "an Office or CAD document"),
    (b"Kaydara FBX", "an FBX model"),
    (b"AC10", "a DWG drawing"),
    (b"GCDE", "binary G-code"),
)
_WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_OFF_HEADER = re.compile(rb"[A-Z4n]{0,6}OFF\b")
_AMF_ROOT = re.compile(rb"<amf[\s>]", re.IGNORECASE)
_OBJ_LINE = re.compile(
    rb"^[ \t]*(#|v[nt]?[ \t]|f[ \t]|[lpgos][ \t]|mtllib\b|usemtl\b|g\b|o\b)", re.MULTILINE
)


def sniff(head: bytes, size: int, name: str) -> Format:
    """The format of a file from its first bytes (4 KiB are enough), its size and its name.

    Raises UnreadableFile, in words for the person who sent it, when name and content do not
    agree, or when a binary STL is not as long as its triangle count says.
    """
    if size == 0:
        raise UnreadableFile("The file is empty.", hint="Export or download it again.")
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    claimed = _EXTENSIONS.get(extension)
    if claimed is None:
        described = f"ends in .{extension[:20]}" if extension else "has no extension"
        raise UnreadableFile(
            f"The file's name {described}, which is no format that this lab takes.",
            hint=f"Upload {_ACCEPTED}.",
        )
    if claimed is Format.STL:
        _check_stl(head, size)
        return claimed
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not _looks_like(claimed, text):
        raise _mismatch(head, claimed)
    return claimed


def validate_first_bytes(path: Path, name: str) -> str:
    """The format of an uploaded file, as `sniff`; also reads the directory of a 3MF or AMF
    and the words of an OpenSCAD source.

    ``name`` is the name that it was sent under. Takes some milliseconds. Raises UnreadableFile.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = sniff(head, path.stat().st_size, name)
    if found is Format.THREE_MF:
        check_3mf(path)
    elif found is Format.AMF and head.startswith(_ZIP):
        check_amf(path)
    elif found is Format.SCAD:
        check_source(path.read_bytes()[: MAX_SOURCE_BYTES + 1])
    return found.value


def is_model_name(name: str) -> bool:
    """Whether the name's ending is that of a format that a lab takes."""
    return name.rpartition(".")[2].lower() in _EXTENSIONS and "." in name


def safe_name(name: str) -> str:
    """The name to show for an uploaded file: no folders, no control or direction characters.

    At most MAX_NAME_CHARS characters, the extension kept. For display only, never a path.
    """
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(
        character if character.isprintable() else " "
        for character in unicodedata.normalize("NFC", last)
        if unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn")
    )
    tidy = " ".join(visible.split()).lstrip(".") or "unnamed"
    if len(tidy) <= MAX_NAME_CHARS:
        return tidy
    stem, dot, extension = tidy.rpartition(".")
    if not dot or len(extension) > 20:
        return tidy[:MAX_NAME_CHARS]
    return stem[: MAX_NAME_CHARS - len(extension) - 1] + dot + extension


def _check_stl(head: bytes, size: int) -> None:
    """Binary when length and count agree, whatever the header says; else it must be text."""
    count = int.from_bytes(head[80:84], "little")
    expected = _STL_HEADER_BYTES + _STL_TRIANGLE_BYTES * count
    if size >= _STL_HEADER_BYTES and size == expected:
        return
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:5].lower() == b"solid" and b"\0" not in head:
        return
    if what_else(head) is not None or _is_text(head):
        raise _mismatch(head, Format.STL)
    if size < _STL_HEADER_BYTES:
        raise UnreadableFile(
            f"The STL has only {size} bytes; even an empty one has {_STL_HEADER_BYTES}.",
            hint="Export or download it again.",
        )
    difference = "cut off" if size < expected else "longer than it should be"
    raise UnreadableFile(
        f"The STL is {difference}: it says {count:,} triangles, which take {expected:,} bytes, "
        f"but it has {size:,} bytes.",
        hint="Export or download it again.",
    )


def _looks_like(claimed: Format, text: bytes) -> bool:
    match claimed:
        case Format.THREE_MF:
            return text.startswith(_ZIP)
        case Format.PLY:
            return re.match(rb"ply\s", text) is not None
        case Format.OFF:
            return _OFF_HEADER.match(text) is not None
        case Format.STEP:
            return text.startswith(b"ISO-10303-21")
        case Format.AMF:
            return text.startswith(_ZIP) or _AMF_ROOT.search(text) is not None
        case Format.OBJ:
            return _is_text(text) and _OBJ_LINE.search(text) is not None
        case _:
            return _is_text(text) and what_else(text) is None


def what_else(head: bytes) -> str | None:
    """What a file is that is not what its name says; None when that cannot be told."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, kind in _FOREIGN:
        if head.startswith(magic):
            return kind
    if head.startswith(_ZIP):
        return "a zip archive (or a 3MF)"
    if _WEB_PAGE.search(text[:1024]) is not None:
        return "a web page"
    if _AMF_ROOT.search(text) is not None:
        return "an AMF model"
    if text.startswith(b"<"):
        return "an XML file"
    if re.match(rb"ply\s", text):
        return "a PLY model"
    if text.startswith(b"ISO-10303-21"):
        return "a STEP model"
    if _OFF_HEADER.match(text):
        return "an OFF model"
    if text[:6].lower() == b"solid ":
        return "an STL model"
    return None


def _is_text(head: bytes) -> bool:
    """No byte of it is a control character that text never holds."""
    return not any(byte < 9 or 14 <= byte < 32 for byte in head)


def _mismatch(head: bytes, claimed: Format) -> UnreadableFile:
    kind = what_else(head)
    label = {Format.GCODE: "G-code", Format.SCAD: "OpenSCAD"}.get(claimed, claimed.upper())
    if kind is None:
        return UnreadableFile(
            f"The file is named as {label}, but is none.",
            hint=f"Export it again as {_ACCEPTED}.",
        )
    hint = f"Upload the model itself: {_ACCEPTED}."
    if kind.endswith("model") or "3MF" in kind:
        hint = f"If it is one that this lab takes ({_ACCEPTED}), give it its own extension."
    if kind == "a web page":
        hint = "Probably a page was saved instead of the download: download the model again."
    return UnreadableFile(f"The file is named as {label}, but is {kind}.", hint=hint)
