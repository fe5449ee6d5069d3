"""Looks at the directory of a zip, 3MF or AMF and refuses bombs before anything unpacks it."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

from fabcoord.errors import UnreadableFile

MAX_UNPACKED_BYTES = 300_000_000
MAX_RATIO = 200
MAX_ENTRIES = 1000
MAX_DIRECTORY_BYTES = 1_000_000
_RATIO_MATTERS_FROM_BYTES = 1_000_000  # a small file of zeros packs well and harms nobody

_END = b"PK\x05\x06"
_END_BYTES = 22
_LONGEST_COMMENT_BYTES = 65_535
_LOCATOR_64 = b"PK\x06\x07"
_END_64 = b"PK\x06\x06"
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1

_AGAIN = "Pack or export it again, or send the models by themselves."


def check_3mf(path: Path) -> None:
    """Raise UnreadableFile unless the file is a zip that is safe to read and holds a model."""
    if not any(member.filename.lower().endswith(".model") for member in check_zip(path)):
        raise UnreadableFile(
            "This is a zip archive without a 3D model in it, not a 3MF.",
            hint="Unpack it and upload the model files that it holds.",
        )


def check_amf(path: Path) -> None:
    """Raise UnreadableFile unless the file is a zip that is safe to read and holds one AMF."""
    names = [member.filename.lower() for member in check_zip(path, "AMF")]
    if sum(name.endswith(".amf") for name in names) != 1:
        raise UnreadableFile(
            "This zip archive does not hold exactly one AMF model.",
            hint="Unpack it and upload the model files that it holds.",
        )


def check_zip(
    path: Path, what: str = "3MF", most_bytes: int = MAX_UNPACKED_BYTES
) -> list[zipfile.ZipInfo]:
    """What an archive holds; raises UnreadableFile unless it is a zip that is safe to read.

    Reads the directory and what stands before each member, some milliseconds. The sizes there are
    what the packer says; Python's zipfile never unpacks more of a member than that, and fails where
    it unpacks to something else. ``what`` it is called in errors.
    """
    _refuse_large_directory(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError) as error:
        raise UnreadableFile(
            f"The {what} is a damaged archive.", hint="Export or download it again."
        ) from error
    if len(members) > MAX_ENTRIES:
        raise _too_many(what)
    if sum(member.file_size for member in members) > most_bytes:
        raise UnreadableFile(
            f"The {what} unpacks to more than {most_bytes // 1_000_000} MB.",
            hint="Export it with a coarser resolution.",
        )
    seen: set[str] = set()
    for member in members:
        _check_member(member, what)
        if member.filename.lower() in seen:
            raise UnreadableFile(f"The {what} holds {member.filename[:100]!r} twice.", hint=_AGAIN)
        seen.add(member.filename.lower())
    _refuse_overlap(members, what)
    _compare_headers(path, members, what)
    return members


def _check_member(member: zipfile.ZipInfo, what: str) -> None:
    name = member.filename[:100]
    parts = member.filename.replace("\\", "/").split("/")
    if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise UnreadableFile(f"The {what} holds a path outside itself ({name!r}).", hint=_AGAIN)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UnreadableFile(f"The {what} holds a link ({name!r}) instead of a file.", hint=_AGAIN)
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableFile(f"The {what} is encrypted.", hint="Export it without a password.")
    large = member.file_size >= _RATIO_MATTERS_FROM_BYTES
    if large and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise UnreadableFile(
            f"{name!r} in the {what} unpacks to more than {MAX_RATIO} times its packed size, "
            "which no model does.",
            hint=_AGAIN,
        )


def _compare_headers(path: Path, members: list[zipfile.ZipInfo], what: str) -> None:
    """What stands before each member has to say the same as the directory."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in members:
                archive.open(member).close()
    except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError) as error:
        raise UnreadableFile(
            f"The {what} is a damaged archive.", hint="Export or download it again."
        ) from error


def _refuse_overlap(members: list[zipfile.ZipInfo], what: str) -> None:
    """Members that share bytes let a small file unpack to a huge one."""
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise UnreadableFile(f"Parts of the {what} overlap.", hint=_AGAIN)
        name_bytes = len(member.filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437"))
        end = member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + member.compress_size


def _refuse_large_directory(path: Path, what: str) -> None:
    """zipfile loads the whole directory, so its size must be looked at before."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT_BYTES - 20))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_BYTES:
            raise UnreadableFile(
                f"The {what} has lost its end.", hint="Export or download it again."
            )
        directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
        locator = tail[max(0, at - 20) : at]
        if locator[:4] == _LOCATOR_64:
            file.seek(min(int.from_bytes(locator[8:16], "little"), size))
            end_64 = file.read(56)
            if end_64[:4] == _END_64 and len(end_64) == 56:
                directory_bytes = int.from_bytes(end_64[40:48], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise _too_many(what)


def _too_many(what: str) -> UnreadableFile:
    return UnreadableFile(f"The {what} holds more than {MAX_ENTRIES} files.", hint=_AGAIN)
