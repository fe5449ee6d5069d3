"""The SD card: files in memory or in a directory, one print from it, one upload to it."""

from __future__ import annotations

from pathlib import Path


class SdCard:
    """A card that is always in its slot; names are kept flat and harmless."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._files: dict[str, bytes] = {}
        self.name = ""  # the selected file
        self._content = b""
        self.position = 0
        self.printing = False
        self.paused = False
        self._writing: str | None = None
        self._written = bytearray()
        self.room_bytes: int | None = None  # a fault: the card is full after so many

    def names(self) -> dict[str, int]:
        """The files and their sizes in bytes."""
        if self._directory is None:
            return {name: len(content) for name, content in self._files.items()}
        return {p.name: p.stat().st_size for p in self._directory.iterdir() if p.is_file()}

    def put(self, name: str, content: bytes) -> None:
        if self._directory is None:
            self._files[name] = content
        else:
            (self._directory / Path(name).name).write_bytes(content)

    def _get(self, name: str) -> bytes | None:
        found = next((known for known in self.names() if known.lower() == name.lower()), None)
        if found is None:
            return None
        if self._directory is None:
            return self._files[found]
        return (self._directory / found).read_bytes()

    def text(self, name: str) -> str:
        """A file's content. Raises KeyError when there is none of that name."""
        content = self._get(name)
        if content is None:
            raise KeyError(name)
        return content.decode("ascii", "replace")

    @property
    def size(self) -> int:
        return len(self._content)

    def select(self, name: str) -> bool:
        content = self._get(name.strip("/ "))
        if content is None:
            return False
        self.name, self._content, self.position = name.strip("/ "), content, 0
        self.printing = self.paused = False
        return True

    def start(self) -> None:
        self.printing, self.paused = bool(self.name), False

    def pause(self) -> None:
        self.printing, self.paused = False, self.printing or self.paused

    def stop(self) -> None:
        """The print is over or given up, and the file closed."""
        self.printing = self.paused = False
        self.name = ""

    def power_down(self) -> None:
        """The board was reset: what was printed is forgotten, files stay, half ones too."""
        self.stop()
        self.close_written()  # as far as it has come

    def status(self) -> str:
        """The report of M27."""
        if not (self.printing or self.paused):
            return "Not SD printing"
        return f"SD printing byte {self.position}/{self.size}"

    def next_line(self) -> str | None:
        """The next line of the file that is printing; None at its end."""
        if self.position >= len(self._content):
            return None
        end = self._content.find(b"\n", self.position)
        end = len(self._content) if end < 0 else end + 1
        line = self._content[self.position : end]
        self.position = end
        return line.decode("ascii", "replace")

    def delete(self, name: str) -> bool:
        if self._get(name) is None:
            return False
        if self._directory is None:
            del self._files[next(known for known in self._files if known.lower() == name.lower())]
        else:
            (self._directory / Path(name).name).unlink(missing_ok=True)
        return True

    @property
    def writing(self) -> bool:
        return self._writing is not None

    def open_for_writing(self, name: str) -> None:
        self._writing = name
        self._written.clear()
        self.put(name, b"")

    def write_line(self, line: str) -> bool:
        return self.write(line.encode("ascii", "replace") + b"\n")

    def write(self, data: bytes) -> bool:
        """Whether there was room for it."""
        if self.room_bytes is not None and len(self._written) + len(data) > self.room_bytes:
            return False
        self._written += data
        return True

    def forget_written(self) -> None:
        """Close the file that is being written, and delete it."""
        if self._writing is not None:
            self.delete(self._writing)
        self._writing = None

    def close_written(self) -> None:
        if self._writing is not None:
            self.put(self._writing, bytes(self._written))
        self._writing = None
