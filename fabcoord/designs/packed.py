"""A zip of models: looked at first, then unpacked by a subprocess that may not do anything else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from fabcoord.designs.archives import check_zip
from fabcoord.designs.formats import is_model_name
from fabcoord.errors import UnreadableFile
from fabcoord.work import sandbox
from fabcoord.work.sandbox import Limits

MOST_MODELS = 200
_CHUNK_BYTES = 1 << 20


def is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def unpack(archive: Path, directory: Path, most_mb: int) -> list[tuple[str, Path]]:
    """The models of a zip, as names and files in ``directory``, in the order of their names.

    What is no model (pictures, texts, what a packer left) is not taken. Raises UnreadableFile for
    an archive that is damaged, dangerous, or holds no model.
    """
    names = models_in(archive, most_mb * 1_000_000)
    limits = Limits(
        memory_bytes=512 << 20, cpu_s=60, wall_s=60.0, open_files=32,
        file_size_bytes=most_mb * 1_000_000,
    )  # fmt: skip
    done = sandbox.run(
        [*sandbox.python_module("fabcoord.designs.packed"), archive, str(most_mb)],
        cwd=directory, limits=limits,
    )  # fmt: skip
    if done.returncode != 0:
        raise UnreadableFile("The zip cannot be unpacked.", hint="Pack it again.")
    shown = _short_names(names)
    return [(name, directory / str(number)) for number, name in enumerate(shown)]


def models_in(archive: Path, most_bytes: int) -> list[str]:
    """The paths of the models in a zip, sorted."""
    found = sorted(
        member.filename for member in check_zip(archive, "zip", most_bytes)
        if not member.is_dir() and _is_wanted(member.filename)
    )  # fmt: skip
    if not found:
        raise UnreadableFile(
            "The zip holds no model.",
            hint="Pack the STL, 3MF, OBJ, PLY, OFF, AMF, STEP or OpenSCAD files.",
        )
    if len(found) > MOST_MODELS:
        raise UnreadableFile(
            f"The zip holds {len(found)} models; a design takes {MOST_MODELS} at once.",
            hint="Spread them over several designs.",
        )
    return found


def left_out(archive: Path, most_bytes: int) -> list[str]:
    """The paths of what is in a zip and is no model, sorted; without what packers hide in it."""
    return sorted(
        member.filename for member in check_zip(archive, "zip", most_bytes)
        if not member.is_dir()
        and not _is_hidden(member.filename) and not _is_wanted(member.filename)
    )  # fmt: skip


def _is_wanted(path: str) -> bool:
    return not _is_hidden(path) and is_model_name(path.rpartition("/")[2])


def _is_hidden(path: str) -> bool:
    parts = path.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _short_names(paths: list[str]) -> list[str]:
    """The last part of each path, with its folders where two would be called alike."""
    last = [path.rpartition("/")[2] for path in paths]
    return [
        name if last.count(name) == 1 else path.replace("/", " - ")
        for name, path in zip(last, paths, strict=True)
    ]


def main(archive: Path, most_mb: int) -> None:
    """In the subprocess: write the models as 0, 1, … into the present directory."""
    most_bytes = most_mb * 1_000_000
    names = models_in(archive, most_bytes)
    with zipfile.ZipFile(archive) as opened:
        for number, name in enumerate(names):
            with opened.open(name) as source, Path(str(number)).open("wb") as target:
                while chunk := source.read(_CHUNK_BYTES):
                    most_bytes -= len(chunk)
                    if most_bytes < 0:
                        raise SystemExit("more than the directory says")
                    target.write(chunk)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
