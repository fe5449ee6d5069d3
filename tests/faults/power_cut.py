"""What a power cut leaves of a directory, worked out from the log of its disk.

What was fsynced stays. Of what was not, a part stays: each write wholly, in some of its sectors, or
not at all, and none waits for another; each change of a directory (a name made, moved or removed)
only if those before it in the same directory stay. That is more than journaling file systems do to
their users, and no more than POSIX allows.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.consistency import problems
from tests.faults.disk import Change, read_log
from tests.faults.plant import Site

_SECTOR = 512


@dataclass
class File:
    """An inode: what of it is on the disk, and what may be."""

    kept: bytearray = field(default_factory=bytearray)
    waiting: list[Change] = field(default_factory=list)
    begun: dict[int, int] = field(default_factory=dict)  # thread -> how much waited at its fsync


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == "t":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    end = change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[change.offset : end] = change.data


class Disk:
    """Follows the log of one directory; `cut` writes what would be left of it."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._by_inode: dict[int, File] = {}
        self._now: dict[str, File | None] = {}  # names as programs see them; None: a directory
        self._kept: dict[str, File | None] = {}  # names that are on the disk
        self._waiting: list[tuple[Change, File | None]] = []  # changes of names that may be
        self._begun: dict[tuple[str, int], int] = {}

    def take(self, change: Change) -> None:
        """One more record of the log."""
        kind = change.kind
        if kind in "wt":
            file = self._by_inode.setdefault(change.inode, File())
            file.waiting.append(change)
        elif kind in "sS":
            self._sync(change)
        elif kind in "crlumdy":
            self._rename(change)

    def _sync(self, change: Change) -> None:
        if change.other:  # a directory
            key = (change.path, change.thread)
            if change.kind == "s":
                self._begun[key] = len(self._waiting)
            elif key in self._begun:
                self._keep_names(change.path, self._begun.pop(key))
            return
        file = self._by_inode.setdefault(change.inode, File())
        if change.kind == "s":
            file.begun[change.thread] = len(file.waiting)
        elif change.thread in file.begun:
            done = file.begun.pop(change.thread)
            for one in file.waiting[:done]:
                _apply(file.kept, one)
            del file.waiting[:done]
            file.begun = {thread: max(0, n - done) for thread, n in file.begun.items()}

    def _rename(self, change: Change) -> None:
        file: File | None = None
        if change.kind == "c":
            file = self._by_inode[change.inode] = File()
        elif change.kind in "rl":
            file = self._now.get(change.path)
        _change_names(self._now, change, file)
        self._waiting.append((change, file))

    def _keep_names(self, directory: str, count: int) -> None:
        left = []
        for number, (change, file) in enumerate(self._waiting):
            if number < count and directory in _directories(change):
                _change_names(self._kept, change, file)
            else:
                left.append((change, file))
        gone = len(self._waiting) - len(left)
        self._waiting = left
        self._begun = {key: max(0, n - gone) for key, n in self._begun.items()}

    def cut(self, seed: int, to: Path, spared: tuple[str, ...] = ()) -> None:
        """Write what is left when the power goes now into the directory ``to``.

        ``spared`` are the names of directories below the root whose machines keep their power.
        """
        prefixes = tuple(f"{self._root}/{name}/" for name in spared)
        chance = random.Random(seed)
        # From losing all that was not synced to losing little of it.
        likely = chance.choice((0.0, 0.0, 0.3, 0.7, 0.95))
        names, broken = dict(self._kept), set()
        for change, file in self._waiting:
            places = _directories(change)
            if change.path.startswith(prefixes):
                _change_names(names, change, file)
            elif places & broken or chance.random() >= likely:
                broken |= places
            else:
                _change_names(names, change, file)
        for name, kept in sorted(names.items()):
            if not self._is_reached(name, names):
                continue
            place = to / name.removeprefix(self._root).lstrip("/")
            if kept is None:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                share = 1.0 if name.startswith(prefixes) else likely
                place.write_bytes(self._content(kept, chance, share))

    def _is_reached(self, name: str, names: dict[str, File | None]) -> bool:
        """Whether every directory on the way to it is there; those before the log began are."""
        above = [str(place) for place in Path(name).parents if str(place) in self._now]
        return all(place in names for place in above)

    @staticmethod
    def _content(file: File, chance: random.Random, likely: float) -> bytes:
        content = bytearray(file.kept)
        for change in file.waiting:
            if chance.random() < likely:
                _apply(content, change)
            elif change.kind == "w" and chance.random() < likely:
                for part in _torn(change, chance):
                    _apply(content, part)
        return bytes(content)


def _torn(change: Change, chance: random.Random) -> Iterator[Change]:
    """Some sectors of a write."""
    for start in range(0, len(change.data), _SECTOR):
        if chance.random() < 0.5:
            data = change.data[start : start + _SECTOR]
            yield Change("w", 0, 0, change.offset + start, change.path, "", data)


def _directories(change: Change) -> set[str]:
    return {str(Path(name).parent) for name in (change.path, change.other) if name}


def _change_names(names: dict[str, File | None], change: Change, file: File | None) -> None:
    kind = change.kind
    if kind == "c":
        names[change.path] = file
    elif kind == "m":
        names[change.path] = None
    elif kind in "ud":
        names.pop(change.path, None)
    elif kind == "l" and file is not None:
        names[change.other] = file
    elif kind == "r":
        names.pop(change.path, None)
        if file is not None:
            names[change.other] = file


def _is_risky(change: Change) -> bool:
    return change.kind == "a" or (change.kind == "w" and b"M117 begin" in change.data)


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut of a run, and what was wrong with what it left."""

    record: int  # so many records of the log were written before it
    whose: str  # whose power: the server's, or everybody's
    problems: tuple[str, ...]


def replay(root: Path, log: Path, count: int, seed: int, scratch: Path) -> Iterator[Cut]:
    """Cut the power of a run below ``root`` at ``count`` random moments and look at the rest.

    Every second one comes right after something was confirmed or begun, when it is most in danger.
    """
    risky = [number for number, change in enumerate(read_log(log)) if _is_risky(change)]
    total = sum(1 for _ in read_log(log))
    chance = random.Random(seed)
    moments = Counter(
        chance.choice(risky) if number % 2 else chance.randrange(total) for number in range(count)
    )
    disk, told, begun = Disk(root), [], Counter[tuple[str, str]]()
    for number, change in enumerate(read_log(log)):
        disk.take(change)
        if change.kind == "a":
            told.append(json.loads(change.data))
        elif change.kind == "w" and Path(change.path).parent.name == "machines":
            for line in change.data.decode().splitlines():
                if line.startswith("M117 begin "):
                    begun[Path(change.path).stem, line.removeprefix("M117 begin ")] += 1
        for _ in range(moments[number]):
            whose = chance.choice(("the server's", "everybody's"))
            agents = tuple(place.name for place in root.glob("agent*"))
            left = scratch / "left"
            disk.cut(chance.randrange(1 << 30), left, agents if whose != "everybody's" else ())
            yield Cut(number, whose, tuple(problems(Site(left), told, begun)))
            shutil.rmtree(left, ignore_errors=True)
