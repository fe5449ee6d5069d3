"""A real OctoPrint whose virtual printer is warm, and as fast as somebody turns its knob."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.lab import Json, RunningLab
from tests.peers.octoprint.server import OctoPrintServer

_AT_ONCE, _SLOWLY = 100_000, 1_000  # per cent of the speed that the G-code asks for


class FastOctoPrint(OctoPrintServer):
    """As its base, but a cube takes seconds. Everything else is OctoPrint as it comes."""

    def start(self, timeout_s: float = 60) -> None:
        super().start(timeout_s)
        # Its printer needs half a minute to heat up from 21 °C.
        quick: Any = {"virtual_printer": {"ambientTemperature": 205, "throttle": 0.00001}}
        self.call("/api/settings", {"plugins": quick})
        self.call("/api/connection", {"command": "disconnect"})
        self.call("/api/connection", {"command": "connect"})
        self._wait_until_operational(time.monotonic() + timeout_s)
        self.hurry()

    def hurry(self) -> None:
        """Let prints end within seconds from now on."""
        self._turn_knob(_AT_ONCE)

    def dawdle(self) -> None:
        """Let prints take minutes from now on."""
        self._turn_knob(_SLOWLY)

    def _turn_knob(self, per_cent: int) -> None:
        commands: Any = [f"M220 S{per_cent}", f"M221 S{per_cent}"]
        self.call("/api/printer/command", {"commands": commands})

    def add_to(self, lab: RunningLab) -> Json:
        """Make it a printer of a lab, as staff do. Its plate is not yet said to be clear."""
        asked = {
            "name": "Octo",
            "machine": "demo",
            "driver": "octoprint",
            "settings": {"url": self.url, "api_key": self.api_key},
        }
        return lab.post("/printers", asked, status=201)

    def print_by_hand(self, name: str, lines: list[str]) -> None:
        """Print in OctoPrint itself, as a person at its page does."""
        (self.basedir / "uploads" / name).write_text("\n".join(lines) + "\n")
        self.call(f"/api/files/local/{name}", {"command": "select", "print": True})

    def history(self) -> dict[str, tuple[int, int]]:
        """How often each file was printed to its end, and how often not."""
        listed: Any = self.call("/api/files/local?recursive=true")["files"]
        found, folders = {}, [listed]
        while folders:
            for item in folders.pop():
                if item["type"] == "folder":
                    folders.append(item["children"])
                else:
                    prints = item.get("prints", {"success": 0, "failure": 0})
                    found[item["name"]] = (prints["success"], prints["failure"])
        return found
