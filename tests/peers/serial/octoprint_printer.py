"""OctoPrint's virtual printer behind a pseudo-terminal; runs in OctoPrint's own environment.

``octoprint_printer.py LINK MOVES [SETTING=JSON …]``: makes the port, says ``ready`` and writes each
move that the printer performs into the file MOVES. What finds its receive buffer full is lost, as
on a real serial port, and noted there too.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import tty
from pathlib import Path
from typing import Any

from octoprint import plugin
from octoprint.plugins.virtual_printer import VirtualPrinterPlugin
from octoprint.plugins.virtual_printer.virtual import VirtualPrinter


class Settings:
    """The plugin's own defaults, and what the test wants otherwise."""

    def __init__(self, changes: dict[str, Any]) -> None:
        self.values = VirtualPrinterPlugin.get_settings_defaults(None) | changes

    def get(self, path: list[str], **_: Any) -> Any:
        found: Any = self.values
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def global_get_basefolder(self, _: str) -> str:
        return tempfile.mkdtemp()

    def get_int(self, path: list[str], **_: Any) -> int:
        return int(self.get(path) or 0)

    def get_float(self, path: list[str], **_: Any) -> float:
        return float(self.get(path) or 0)

    def get_boolean(self, path: list[str], **_: Any) -> bool:
        return bool(self.get(path))


class Watched(VirtualPrinter):  # type: ignore[misc]
    """Notes its moves; when it asks for a line it throws away what it has received, as Marlin does.

    Left to itself it keeps that, and counts each such line as one that it has executed: damage in
    the next line then makes it ask for a later one than it needs, so that moves are lost.
    """

    moves: Any = None

    def _performMove(self, line: str) -> None:
        self.moves.write(f"{line}\n")
        super()._performMove(line)

    def _triggerResend(self, *arguments: Any, **named: Any) -> None:
        super()._triggerResend(*arguments, **named)
        self._clearQueue(self.incoming)


def main() -> None:
    plugin.plugin_manager(init=True, plugin_folders=[])
    link, moves = Path(sys.argv[1]), Path(sys.argv[2])
    changes = dict(word.split("=", 1) for word in sys.argv[3:])
    settings = Settings({name: json.loads(value) for name, value in changes.items()})
    Watched.moves = moves.open("w", buffering=1)
    printer = Watched(settings, None, tempfile.mkdtemp(), read_timeout=0.5)
    near, far = os.openpty()
    tty.setraw(far)
    link.symlink_to(os.ttyname(far))

    def listen() -> None:
        rest = b""
        while True:  # line by line, as it takes no more than one from each write
            *lines, rest = (rest + os.read(near, 4096)).split(b"\n")
            for line in lines:
                if printer.write(line + b"\n") != len(line) + 1:
                    Watched.moves.write("The receive buffer was overrun.\n")

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while True:
        line = printer.readline()
        if line:
            os.write(near, line.rstrip(b"\n") + b"\n")


if __name__ == "__main__":
    main()
