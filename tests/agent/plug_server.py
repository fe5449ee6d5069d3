"""Smart plugs to talk to, written from their makers' documents: Tasmota, Shelly 1, Shelly 2."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakePlug:
    """One plug on a free port. ``energy_wh`` is what it has counted so far."""

    kind: str
    energy_wh: float = 0.0
    power_w: float = 0.0
    password: str = ""
    is_on: bool = True
    broken: str = ""  # "500", "nonsense", "silent"
    asked: threading.Event = field(default_factory=threading.Event)
    switched_off: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        plug = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plug.asked.set()
                if plug.broken == "silent":
                    return
                answer = None if plug.broken else plug.answer(self.path)
                body = b"<html>" if plug.broken == "nonsense" else json.dumps(answer).encode()
                self.send_response(500 if plug.broken == "500" else 200 if answer or body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str) -> Any:
        asked, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        match self.kind, asked:
            case "tasmota", "/cm":
                return self._tasmota(query)
            case "shelly1", "/status":
                total = int(self.energy_wh * 60)  # watt-minutes
                meter = {"power": self.power_w, "is_valid": True, "total": total}
                return {"relays": [{"ison": self.is_on}], "meters": [meter]}
            case "shelly1", "/relay/0":
                return self._off(query["turn"] == ["off"]) | {"ison": self.is_on}
            case "shelly2", "/rpc/Switch.GetStatus":
                counted = {"total": self.energy_wh, "by_minute": [0.0, 0.0, 0.0]}
                return {"id": 0, "output": self.is_on, "apower": self.power_w, "aenergy": counted}
            case "shelly2", "/rpc/Switch.Set":
                return self._off(query["on"] == ["false"]) | {"was_on": True}
        return {"error": "not found"}

    def _tasmota(self, query: dict[str, list[str]]) -> Any:
        if self.password and query.get("password") != [self.password]:
            return {"WARNING": "Need user=<username>&password=<password>"}
        if query["cmnd"] == ["Power Off"]:
            return self._off(True) | {"POWER": "OFF"}
        energy = {"Total": round(self.energy_wh / 1000, 3), "Power": self.power_w}
        return {"StatusSNS": {"Time": "2026-01-01T00:00:00", "ENERGY": energy}}

    def _off(self, wanted: bool) -> dict[str, Any]:
        if wanted:
            self.is_on = False
            self.switched_off.set()
        return {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
