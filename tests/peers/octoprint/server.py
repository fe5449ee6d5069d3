"""Runs a real OctoPrint with its virtual printer, headless, for tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
OCTOPRINT = CHECKOUT / ".venv-octoprint/bin/octoprint"
API_KEY = "0F4BC00D0F4BC00D0F4BC00D0F4BC00D"

_CONFIG = """\
server:
  host: 127.0.0.1
  port: {port}
  firstRun: false
  onlineCheck: {{enabled: false}}
  pluginBlacklist: {{enabled: false}}
  seenWizards: {{corewizard: 4, classicwebcam: 1, softwareupdate: 1, backup: null}}
plugins:
  _disabled: [softwareupdate, announcements, discovery, tracking, errortracking, pluginmanager,
    health_check, achievements, backup, firmware_check, file_check, pi_support, eventmanager]
  virtual_printer: {{enabled: true, simulated_errors: [], sendWait: false}}
# OctoPrint cannot read this printer's answer to M114 and would wait 10 s for it at each pause.
serial: {{port: VIRTUAL, autoconnect: true, log: false, logPositionOnPause: false}}
gcodeAnalysis: {{runAt: never}}
webcam: {{webcamEnabled: false, timelapseEnabled: false}}
"""

_USERS = """\
_version: 2
admin:
  active: true
  apikey: {api_key}
  groups: [admins, users]
  permissions: []
  roles: [user, admin]
  password: no-password-fits-this
  settings: {{}}
"""


class OctoPrintServer:
    """A real OctoPrint on a free loopback port, with its virtual printer connected.

    Args:
        basedir: an empty directory for everything that OctoPrint writes.
    """

    def __init__(self, basedir: Path) -> None:
        self.basedir = basedir
        self.api_key = API_KEY
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @staticmethod
    def installed() -> bool:
        return OCTOPRINT.exists()

    def start(self, timeout_s: float = 60) -> None:
        """Start it and return when its virtual printer is operational."""
        self.basedir.mkdir(parents=True, exist_ok=True)
        if not (self.basedir / "config.yaml").exists():
            (self.basedir / "config.yaml").write_text(_CONFIG.format(port=self.port))
            (self.basedir / "users.yaml").write_text(_USERS.format(api_key=self.api_key))
        with (self.basedir / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--", OCTOPRINT),
                    *("--basedir", self.basedir, "serve", "--iknowwhatimdoing"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_operational(time.monotonic() + timeout_s)

    def stop(self) -> None:
        """End it at once, with everything that it started; what it wrote stays."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def uploaded_path(self, name: str) -> Path:
        """Where OctoPrint keeps the file of this name, in whichever of its folders."""
        uploads = self.basedir / "uploads"
        return next(uploads.rglob(name), uploads / name)

    def call(self, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
        """One request of the REST API, as a person's browser would send it."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Api-Key": self.api_key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else {}

    def make_idle(self, timeout_s: float = 30) -> None:
        """Cancel whatever prints, and connect the printer again where an error cut it off."""
        with contextlib.suppress(OSError):  # refused when nothing prints
            self.call("/api/job", {"command": "cancel"})
        if str(self.call("/api/job")["state"]).startswith(("Offline", "Error")):
            self.call("/api/connection", {"command": "connect"})
        self._wait_until_operational(time.monotonic() + timeout_s)

    def _wait_until_operational(self, deadline: float) -> None:
        state = "no answer"
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                state = str(self.call("/api/job")["state"])
            except (OSError, http.client.HTTPException) as error:
                state = str(error)
            if state == "Operational":
                return
            time.sleep(0.1)
        log = (self.basedir / "console.log").read_text(errors="replace")[-3000:]
        self.stop()
        raise RuntimeError(f"OctoPrint did not come up ({state}):\n{log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
