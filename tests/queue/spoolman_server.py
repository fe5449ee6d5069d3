"""A Spoolman to talk to, written from its OpenAPI document, that can fail in all the usual ways."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeSpoolman:
    """``faults`` are taken one per use: 500-before, 500-after, lost, or nothing."""

    faults: list[str] = field(default_factory=list)
    spools: dict[int, dict[str, Any]] = field(default_factory=dict)
    uses: list[tuple[int, float]] = field(default_factory=list)
    after_use: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if path == "/api/v1/spool":
                    old = "allow_archived=true" in query
                    found = [s for s in server.spools.values() if old or not s["archived"]]
                    return self.say(200, found)
                spool = server.spools.get(int(path.rpartition("/")[2]))
                return self.say(200, spool) if spool else self.say(404, {"message": "No spool."})

            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                spool = server.spools.get(int(self.path.split("/")[4]))
                fault = server.faults.pop(0) if server.faults else ""
                if spool is None:
                    return self.say(404, {"message": "No spool."})
                if fault == "500-before":
                    return self.say(500, {"message": "Internal error."})
                spool["used_weight"] += body["use_weight"]
                spool["remaining_weight"] -= body["use_weight"]
                server.uses.append((spool["id"], body["use_weight"]))
                server.after_use()
                if fault == "lost":
                    return self.close_connection_now()
                return self.say(500 if fault == "500-after" else 200, spool)

            def close_connection_now(self) -> None:
                self.close_connection = True
                self.connection.shutdown(2)

            def say(self, status: int, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def add(self, spool_id: int, **given: Any) -> None:
        vendor = {"id": 1, "name": "Polymaker", "registered": "2026-01-01T00:00:00Z", "extra": {}}
        filament = {
            "id": 1, "name": "Charcoal Black", "material": "PLA", "density": 1.24,
            "diameter": 1.75, "weight": 1000.0, "price": 20.0, "vendor": vendor, "extra": {},
        }  # fmt: skip
        self.spools[spool_id] = {
            "id": spool_id, "registered": "2026-01-01T00:00:00Z", "filament": filament,
            "initial_weight": 1000.0, "remaining_weight": 1000.0, "used_weight": 0.0,
            "location": "Shelf A", "archived": False, "extra": {},
        } | given  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
