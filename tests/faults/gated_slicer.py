"""The real slicer behind a gate: it starts at once, and slices when the gate is opened."""

from __future__ import annotations

import shutil
from pathlib import Path

_SCRIPT = """\
#!/bin/sh
[ "$1" = --help ] && exec {real} "$@"
echo $$ >> {started}
while [ ! -e {gate} ]; do sleep 0.05; done
exec {real} "$@"
"""


class GatedSlicer:
    """A program to name as the lab's slicer. Its gate is open at first."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "slicer"
        self._gate, self._started = directory / "gate", directory / "started"
        real = shutil.which("prusa-slicer") or "/nowhere"
        script = _SCRIPT.format(real=real, started=self._started, gate=self._gate)
        self.path.write_text(script)
        self.path.chmod(0o755)
        self.open()

    def open(self) -> None:
        self._gate.touch()

    def close(self) -> None:
        """Let what starts from now on wait; forget what was started before."""
        self._gate.unlink()
        self._started.unlink(missing_ok=True)

    def started(self) -> list[int]:
        """The processes that were started since the gate was closed."""
        if not self._started.exists():
            return []
        return [int(pid) for pid in self._started.read_text().split()]
