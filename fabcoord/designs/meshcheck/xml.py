"""Reads XML of strangers: no DOCTYPE, no entities, nothing outside of the file is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO
from xml.parsers import expat

from fabcoord.errors import UnreadableFile


def parse_xml(
    file: IO[bytes],
    label: str,
    start: Callable[[str, dict[str, str]], None],
    *,
    namespace: Callable[[str, str], None] | None = None,
    text: Callable[[str], None] | None = None,
    end: Callable[[str], None] | None = None,
) -> None:
    """Feed a file to handlers; raises UnreadableFile for bad XML and for any DOCTYPE.

    Names come as ``namespace name``, in one string with a blank.
    """

    def refuse_doctype(*_: object) -> None:
        raise UnreadableFile(
            f"The {label} holds a document type definition, which the format forbids.",
            hint="Export the model again, as 3MF or as STL.",
        )

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.StartNamespaceDeclHandler = namespace
    parser.CharacterDataHandler = text
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UnreadableFile(
            f"The {label} holds XML that cannot be read: {error}.",
            hint="Export or download it again.",
        ) from error
